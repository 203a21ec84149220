"""Azure Service Bus in a run: locks, sessions, duplicates, expiry and auto-forward (ASB-n: the broker's rules)."""

import pytest

from qsim.scenario import load
from qsim.scenario.show import show
from tests.sim.runs import run, scenario

BUS = "profile: azure-service-bus"
ONE = "p: {to: q, rate: 1/s, arrivals: regular, limit: 1}"
CRASH = "timeline: {accident: {at: 1s, crash: {consumer: c, count: 1}}}"


def story(queue, consumers, producer=ONE, more="", **how):
    return run(
        f"queues: {{q: {{{BUS}, {queue}}}, dead: {{{BUS}}}}}\nproducers: {{{producer}}}\nconsumers: {{{consumers}}}\n{more}\n",
        **how,
    )


def life(rows, k=0):
    return rows.life(k)[2:]


def test_a_crash_leaves_the_lock_to_run_out():  # ASB-12
    rows = story("visibility_timeout: 10s", "c: {from: q, service: 5s, failures: {restart_after: 3s}}", more=CRASH)
    assert life(rows) == [
        *[(0, "RECEIVED"), (1, "INTERRUPTED"), (10, "LEASE_ENDED"), (10, "RECEIVED")],
        *[(15, "EFFECT"), (15, "ACKED")],
    ]


def test_receive_and_delete_loses_with_the_consumer():  # ASB-5
    client = "client: {mode: receive-and-delete}"
    rows = story("dlq: {queue: dead}", f"c: {{from: q, service: 5s, {client}, failures: {{restart_after: 3s}}}}", more=CRASH)
    assert life(rows) == [(0, "RECEIVED"), (0, "ACKED"), (1, "INTERRUPTED")]


def test_an_ack_with_a_lost_lock_fails_and_the_work_is_done_again():  # ASB-10
    rows = story("visibility_timeout: 10s", "c: {from: q, service: 12s}, d: {from: q, service: 1s}")
    assert (12, "STALE") in life(rows)
    assert rows.times("EFFECT") == [11, 12]


def test_auto_renew_keeps_the_lock_as_long_as_it_may():  # ASB-11
    queue = "visibility_timeout: 10s"
    rows = story(queue, "c: {from: q, service: 32s, client: {auto_renew: 5m}}", seconds=60)
    assert rows.times("EXTENDED") == [5, 10, 15, 20, 25, 30]
    assert rows.times("ACKED") == [32]
    rows = story(queue, "c: {from: q, service: 32s, client: {auto_renew: 12s}}", seconds=60)
    assert rows.times("LEASE_ENDED")[0] == 20  # renewed at 5 s and 10 s, from then


def test_three_deliveries_and_the_last_abandon_moves_it():  # ASB-15
    queue = "dlq: {queue: dead, max_receives: 3}"
    rows = story(queue, "c: {from: q, service: 1s, failures: {error: 100%}}")
    assert [name for _, name in life(rows)].count("RECEIVED") == 3
    assert rows.times("DEAD_LETTERED") == [3]
    assert rows.left["dead"] == 1


def test_ten_deliveries_where_nothing_is_said():  # ASB-15
    rows = story("dlq: {queue: dead}", "c: {from: q, service: 1s, failures: {error: 100%}}", seconds=20)
    assert rows.times("DEAD_LETTERED") == [10]


@pytest.mark.parametrize(("broker", "kind"), [("", "EXPIRED"), ("broker: {dead_letter_on_expiry: true},", "DEAD_LETTERED")])
def test_what_has_expired_goes_when_a_receiver_comes_upon_it(broker, kind):  # ASB-16, ASB-18
    queue = f"{broker} retention: 3s, dlq: {{queue: dead}}"
    two = "p: {to: q, rate: 1000/s, arrivals: regular, limit: 2}"
    rows = story(queue, "c: {from: q, service: 5s}", two)
    assert life(rows, 1) == [(5, kind), (5, "MOVED_IN")][: 1 + (kind == "DEAD_LETTERED")]


def test_a_lost_reply_is_sent_again_and_dropped_with_detection():  # ASB-2
    flaw = "imperfections: {lose_reply: 100%}"
    producer = "p: {to: q, rate: 1/s, arrivals: regular, limit: 1, timeout: 1s, on_reject: {attempts: 3, backoff: fixed, first: 1s}}"
    for broker, copies in (("", 3), ("broker: {duplicate_detection: true},", 1)):
        rows = story(f"{broker} {flaw}", "c: {from: q, service: 1ms}", producer)
        assert len(rows.of("ACCEPTED")) == copies
        assert len(rows.of("SUPPRESSED")) == 3 - copies


def test_a_session_has_one_consumer_and_its_order():  # ASB-20
    two = "p: {to: q, rate: 2/s, arrivals: regular, limit: 8, message: {group: {keys: 2}}}"
    rows = story("broker: {sessions: true}", "c: {from: q, count: 3, service: 3s, client: {session: true}}", two, seconds=40)
    groups = {row.k: row.other for row in rows.of("ACCEPTED")}
    assert len(set(groups.values())) == 2
    for group in set(groups.values()):
        received = [row for row in rows.of("RECEIVED") if groups[row.k] == group]
        assert len({row.process for row in received}) == 1
        assert [row.k for row in received] == sorted(row.k for row in received)


def test_a_session_whose_consumer_crashed_is_free_when_its_lock_has_run_out():  # ASB-12, ASB-21
    producer = "p: {to: q, rate: 1000/s, arrivals: regular, limit: 2, message: {group: {keys: 1}}}"
    consumers = "c: {from: q, count: 2, service: 5s, failures: {restart_after: 60s}, client: {session: true}}"
    rows = story("visibility_timeout: 10s, broker: {sessions: true}", consumers, producer, CRASH, seconds=30)
    assert rows.times("RECEIVED") == [0, 10, 15]
    assert rows.times("LEASE_ENDED") == [10]


def test_what_enters_is_moved_on_at_once():  # ASB-26
    rows = run(
        f"queues: {{q: {{{BUS}, broker: {{auto_forward: to}}}}, to: {{{BUS}}}}}\n"
        f"producers: {{{ONE}}}\nconsumers: {{c: {{from: to, service: 1s}}}}\n"
    )
    names = [name for _, name in rows.life(0)]
    assert names == ["SENT", "ACCEPTED", "MOVED_OUT", "MOVED_IN", "RECEIVED", "EFFECT", "ACKED"]
    assert rows.times("ACKED") == [1]


def test_a_lock_that_runs_in_the_buffer_is_advised_against():  # ASB-8
    consumer = "c: {from: q, service: 10s, push: {prefetch: 10}}"
    loaded = scenario(f"queues: {{q: {{{BUS}}}}}\nproducers: {{{ONE}}}\nconsumers: {{{consumer}}}\n")
    assert "A106" in [problem.code for problem in loaded.problems]


def test_what_is_shown_runs_the_same():
    text = (
        f"queues: {{q: {{{BUS}, dlq: {{queue: dead}}, broker: {{sessions: true}}}}, dead: {{{BUS}}}}}\n"
        "producers: {p: {to: q, rate: 5/s, message: {group: {keys: 3}}}}\n"
        "consumers: {c: {from: q, count: 2, service: 100ms, failures: {error: 10%}}}\n"
    )
    loaded = scenario(text, 30)
    assert load.read(text=show(loaded)).plan == loaded.plan
