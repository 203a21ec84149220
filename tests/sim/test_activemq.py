"""ActiveMQ queues in a run: who gets what, and what a rollback, a crash, a pause do (AMQ-n: the broker's rules)."""

from itertools import product
from random import Random

import pytest

from qsim.scenario.problems import ScenarioError
from tests.sim.runs import plan, run

ONE = "p: {to: q, rate: 1/s, arrivals: regular, limit: 1}"


def story(consumers, producer=ONE, queue="", more="", **how):
    return run(
        f"queues: {{q: {{profile: activemq-classic, dlq: {{queue: dead}}, {queue}}}, dead: {{profile: activemq-classic}}}}\n"
        f"producers: {{{producer}}}\nconsumers: {{{consumers}}}\n{more}\n",
        **how,
    )


def life(rows, k=0):
    return rows.life(k)[2:]


def many(count):
    return f"p: {{to: q, rate: 1000/s, arrivals: regular, limit: {count}}}"


POISON = "p: {to: q, rate: 1/s, arrivals: regular, limit: 1, message: {poison: {first: 1}}}"


# --- redelivery ------------------------------------------------------------------------------------------------------


def test_an_error_is_redelivered_to_the_same_process_after_a_second_and_after_seven_deliveries_it_is_dead():  # AMQ-13, AMQ-16
    rows = story("c: {from: q, count: 2, service: 100ms}", POISON, seconds=30)
    assert rows.times("ERRED") == [pytest.approx(0.1 + 1.1 * n) for n in range(7)]
    assert len({row.client for row in rows.of("ERRED")}) == 1
    assert rows.times("DEAD_LETTERED") == [pytest.approx(0.1 + 1.1 * 6)]


def test_max_receives_is_the_number_of_deliveries():  # AMQ-16: maximumRedeliveries is one less
    rows = run(
        "queues: {q: {profile: activemq-classic, dlq: {queue: dead, max_receives: 2}}, dead: {profile: activemq-classic}}\n"
        f"producers: {{{POISON}}}\nconsumers: {{c: {{from: q, service: 100ms}}}}\n",
        seconds=30,
    )
    assert len(rows.of("ERRED")) == 2


@pytest.mark.parametrize(("non_blocking", "effects"), [("false", []), ("true", [0.2, 0.3])])
def test_what_waits_to_be_redelivered_blocks_its_process_unless_it_is_told_not_to(non_blocking, effects):  # AMQ-15
    poison = "p: {to: q, rate: 1000/s, arrivals: regular, limit: 3, message: {poison: {first: 1}}}"
    client = f"client: {{redelivery: {{initial_delay: 3s, delay: 100s, non_blocking: {non_blocking}}}}}"
    rows = story(f"c: {{from: q, service: 100ms, {client}}}", poison, seconds=20)
    assert rows.times("EFFECT") == effects


def test_back_off_grows():  # AMQ-17
    redelivery = "redelivery: {initial_delay: 1s, exponential: true, multiplier: 3, max_delay: 5s}"
    rows = story(f"c: {{from: q, service: 100ms, client: {{{redelivery}}}}}", POISON, seconds=60)
    gaps = [b - a for a, b in zip(rows.times("ERRED"), rows.times("ERRED")[1:], strict=False)]
    assert gaps == [pytest.approx(delay + 0.1) for delay in (1, 3, 5, 5, 5, 5)]


# --- who gets what ---------------------------------------------------------------------------------------------------


def received(rows, kind="RECEIVED"):
    """How many each process got."""
    by = {}
    for row in rows.of(kind):
        by[row.client] = by.get(row.client, 0) + 1
    return sorted(by.values(), reverse=True)


def test_round_robin_or_the_first_until_he_is_full():  # AMQ-6
    assert received(story("c: {from: q, count: 2, service: 1s, push: {prefetch: 6}}", many(8), seconds=1)) == [4, 4]
    strict = story("c: {from: q, count: 2, service: 1s, push: {prefetch: 6}}", many(8), "broker: {strict_dispatch: true}", seconds=1)
    assert received(strict) == [6, 2]


def test_a_consumer_with_priority_and_an_exclusive_one():  # AMQ-8
    rows = story(
        "low: {from: q, service: 1s, push: {prefetch: 9}}, high: {from: q, service: 1s, push: {prefetch: 3}, client: {priority: 5}}",
        many(4), seconds=1,
    )  # fmt: skip
    assert received(rows) == [3, 1]
    alone = story("c: {from: q, count: 3, service: 100ms, client: {exclusive: true}}", many(9), seconds=5)
    assert received(alone) == [9]


@pytest.mark.parametrize(("mode", "most"), [("auto", 2), ("transacted", 3), ("client", 3), ("individual", 3)])
def test_the_window_grows_by_what_the_application_has(mode, most):  # AMQ-7, AMQ-11: not where the listener's return acks
    rows = story(f"c: {{from: q, service: 10s, push: {{prefetch: 2}}, client: {{ack_mode: {mode}}}}}", many(9), seconds=5)
    assert received(rows) == [most]


def test_groups_stick_without_blocking():  # AMQ-9
    grouped = "p: {to: q, rate: 100/s, arrivals: regular, limit: 200, message: {group: {keys: 10}}}"
    rows = story("c: {from: q, count: 4, service: 20ms}", grouped, seconds=20)
    group = {row.k: row.other for row in rows.of("SENT")}
    owners = {}
    for row in rows.of("RECEIVED"):
        owners.setdefault(group[row.k], set()).add(row.client)
    assert all(len(clients) == 1 for clients in owners.values()) and len(owners) == 10


def test_priorities_count_where_they_are_enabled():  # AMQ-23
    two = "p: {to: q, rate: 1000/s, arrivals: regular, limit: 100, message: {priority: {hot: 50%, cold: 50%}}}"
    lazy = "c: {from: q, service: 10ms, push: {prefetch: 1}}"
    for enabled, is_fifo in (("broker: {prioritized: true},", False), ("", True)):
        rows = story(lazy, two, f"{enabled} priorities: [hot, cold]", seconds=5)
        numbers = [row.k for row in rows.of("RECEIVED")]
        assert (numbers == sorted(numbers)) is is_fifo


# --- who goes --------------------------------------------------------------------------------------------------------


def test_a_crash_returns_all_that_was_prefetched_to_the_front():  # AMQ-19
    rows = story(
        "c: {from: q, service: 2s, failures: {restart_after: 30s}}, other: {from: q, service: 100ms, push: {prefetch: 1}}",
        many(6), more="timeline: {accident: {at: 1s, crash: {consumer: c, count: 1}}}", seconds=10,
    )  # fmt: skip
    assert len(rows.of("ACKED")) == 6
    assert [row.k for row in rows.of("RETURNED")] == [0, 2, 3, 4, 5]


def test_who_leaves_gives_back_what_he_has_not_begun_and_who_is_paused_keeps_it():
    fewer = "timeline: {fewer: {at: 500ms, set: {consumers.c.count: 1}}}"
    rows = story("c: {from: q, count: 2, service: 1s}", many(8), more=fewer, seconds=20)
    assert (len(rows.of("ACKED")), len(rows.of("RETURNED"))) == (8, 3)
    pause = "timeline: {tea: {at: 500ms, for: 5s, pause: c}}"
    rows = story("c: {from: q, service: 1s}", many(3), more=pause, seconds=20)
    assert rows.times("ACKED") == [1, pytest.approx(6.5), pytest.approx(7.5)]
    assert not rows.of("RETURNED")


def test_expired_messages_go_by_the_sweep_or_out_of_the_buffer():  # AMQ-21, AMQ-22
    short = "p: {to: q, rate: 1000/s, arrivals: regular, limit: 3, message: {ttl: 1s}}"
    rows = story("c: {from: q, service: 2s, push: {prefetch: 2}}", short, "broker: {expire_sweep: 10s}", seconds=30)
    assert sorted(rows.times("DEAD_LETTERED")) == [2, 2]
    gone = story("c: {from: q, service: 2s}", short, "broker: {process_expired: false}", seconds=30)
    assert len(gone.of("EXPIRED")) == 2 and not gone.of("DEAD_LETTERED")
    transient = story("c: {from: q, service: 2s}", short, "broker: {persistent: false}", seconds=30)
    assert len(transient.of("EXPIRED")) == 2 and not transient.of("DEAD_LETTERED")


# --- all together ----------------------------------------------------------------------------------------------------

MODES = ("auto", "client", "individual", "transacted")


@pytest.mark.parametrize(("mode", "seed"), list(product(MODES, range(6))))
def test_whatever_happens_every_message_is_somewhere(mode, seed):
    """The conservation check of every run looks at the sums."""
    pick = Random(f"{mode} {seed}")
    consumer = (
        f"from: q, count: {pick.randint(1, 4)}, service: {{exponential: {{mean: 100ms}}}}, push: {{prefetch: {pick.choice((1, 2, 5, 1000))}}}, "
        f"ack: {pick.choice(('after-success', 'after-success', 'on-receive'))}, "
        f"failures: {{error: 10%, crash: 3%, restart_after: 1s}}, "
        f"client: {{ack_mode: {mode}, exclusive: {pick.choice(('true', 'false'))}, "
        f"redelivery: {{initial_delay: 200ms, delay: 300ms, non_blocking: {pick.choice(('true', 'false'))}}}}}"
    )
    producer = (
        "p: {to: q, rate: 20/s, message: {ttl: 3s, poison: 5%, delay: {mix: [{share: 50%, time: 0}, {share: 50%, time: 2s}]}, "
        "priority: {hot: 50%, cold: 50%}, group: {keys: 4}}}"
    )
    timeline = (
        "timeline: {a: {at: 5s, crash: {consumer: c, count: 1}}, b: {at: 7s, for: 3s, pause: c}, "
        "d: {at: 12s, set: {consumers.c.count: 1}}, e: {at: 15s, for: 2s, set: {consumers.c.push.prefetch: 3}}, f: {at: 18s, purge: q}}"
    )
    queue = f"priorities: [hot, cold], broker: {{prioritized: {pick.choice(('true', 'false'))}, expire_sweep: 700ms}}"
    rows = story(f"c: {{{consumer}}}", producer, queue, timeline, seconds=20)
    assert rows.of("ACKED")


@pytest.mark.parametrize(
    ("consumer", "queue", "code"),
    [
        ("concurrency: 2", "", "Q040"),
        ("heartbeat: {every: 1s}", "", "Q025"),
        ("retry: {attempts: 3}", "", "Q025"),
        ("poll: {wait: 1s}", "", "Q025"),
        ("", "visibility_timeout: 30s", "Q025"),
        ("", "imperfections: {reorder: 5%}", "Q025"),
        ("", "broker: {own_dlq: true}", "Q040"),
        ("", "broker: {maxlen: 3}", "Q025"),
        ("", f"broker: {{prioritized: true}}, priorities: [{', '.join('abcdefghijk')}]", "Q031"),
    ],
)
def test_what_it_cannot_have(consumer, queue, code):
    with pytest.raises(ScenarioError) as refused:
        plan(
            f"queues: {{q: {{profile: activemq-classic, {queue}}}}}\nproducers: {{{ONE}}}\n"
            f"consumers: {{c: {{from: q, service: 1s, {consumer}}}}}\n"
        )
    assert [problem.code for problem in refused.value.problems] == [code]
