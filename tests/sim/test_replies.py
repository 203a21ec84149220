"""Request and reply over queues: replies in time, replies too late, and closed loops of those who wait (SCENARIO.md)."""

import pytest
from scipy import stats

from qsim import theory
from qsim.kernel.journal import Kind
from qsim.metrics.numbers import Numbers
from qsim.sim.simulate import simulate
from qsim.units import SECOND
from tests.sim.runs import plan, run

STORY = """
queues: {{q: {{{queue}}}, r: {{{replies}}}}}
producers: {{p: {{to: q, request_reply: {{reply_to: r{wait}}}, {producer}}}}}
consumers: {{c: {{from: q, service: {service}, emits: [{{to: r}}]{consumer}}}}}
{more}
"""
ONE = "rate: 1/s, arrivals: regular, limit: 1"


def text(producer, service="1s", wait="", queue="", replies="", consumer="", more=""):
    return STORY.format(
        producer=producer, service=service, wait=wait, queue=queue, replies=replies, consumer=consumer, more=more
    )


def story(*args, seconds=100, quick=True, **kwargs):
    return run(text(*args, **kwargs), seconds, quick=quick)


def told(rows, *kinds, producer=0):
    """(second, kind, k, attempt) of the rows about the producer's own messages."""
    return [(r.time / SECOND, Kind(r.kind).name, r.k, r.attempt) for r in rows.rows if Kind(r.kind).name in kinds and r.producer == producer]


OUTCOMES = ("REPLIED", "TOO_LATE", "GAVE_UP_WAITING")


def test_a_reply_is_taken_and_acked_as_it_comes():
    rows = story(ONE, wait=", timeout: 5s")
    assert [str(row) for row in rows.rows if row.time == SECOND and row.queue == 1] == [
        "SENT 0", "ACCEPTED 0", "RECEIVED 0", "ACKED 0", "REPLIED 0",
    ]  # fmt: skip
    assert rows.left == {"q": 0, "r": 0}


def test_the_replies_are_received_under_a_client_number_behind_the_consumers():
    rows = story(ONE, wait=", timeout: 5s")
    assert [row.client for row in rows.of("RECEIVED", queue=1)] == [1 << 20]


def test_a_reply_in_the_last_instant_is_in_time():
    assert told(story(ONE, wait=", timeout: 1s"), *OUTCOMES) == [(1, "REPLIED", 0, 1)]


def test_after_the_timeout_nobody_waits_and_a_late_reply_is_acked_all_the_same():
    rows = story(ONE, wait=", timeout: 999ms")
    assert told(rows, *OUTCOMES) == [(0.999, "GAVE_UP_WAITING", 0, 1), (1, "TOO_LATE", 0, 0)]
    assert rows.times("ACKED", queue=1) == [1]


def test_on_timeout_retry_sends_again_without_end_where_no_policy_says_more():
    rows = story(ONE, "5s", ", timeout: 2s, on_timeout: retry", seconds=6)
    assert told(rows, "SENT", *OUTCOMES) == [
        (0, "SENT", 0, 1), (2, "GAVE_UP_WAITING", 0, 1), (2, "SENT", 0, 2), (4, "GAVE_UP_WAITING", 0, 2),
        (4, "SENT", 0, 3), (5, "REPLIED", 0, 3),
    ], "the reply to the first try answers the request"  # fmt: skip


def test_on_timeout_retry_is_bound_by_the_retry_policy():
    policy = ", on_reject: {attempts: 2, backoff: fixed, first: 500ms}"
    rows = story(ONE + policy, "20s", ", timeout: 2s, on_timeout: retry")
    assert told(rows, "SENT", *OUTCOMES) == [
        (0, "SENT", 0, 1), (2, "GAVE_UP_WAITING", 0, 1), (2.5, "SENT", 0, 2), (4.5, "GAVE_UP_WAITING", 0, 2),
        (20, "TOO_LATE", 0, 0), (40, "TOO_LATE", 0, 0),
    ]  # fmt: skip


def test_between_two_tries_nobody_waits():
    policy = ", on_reject: {attempts: 5, backoff: fixed, first: 5s}"
    rows = story(ONE + policy, "3s", ", timeout: 2s, on_timeout: retry")
    assert told(rows, "SENT", *OUTCOMES) == [
        (0, "SENT", 0, 1), (2, "GAVE_UP_WAITING", 0, 1), (3, "TOO_LATE", 0, 0), (7, "SENT", 0, 2), (9, "GAVE_UP_WAITING", 0, 2),
        (10, "TOO_LATE", 0, 0), (14, "SENT", 0, 3), (16, "GAVE_UP_WAITING", 0, 3), (17, "TOO_LATE", 0, 0),
        (21, "SENT", 0, 4), (23, "GAVE_UP_WAITING", 0, 4), (24, "TOO_LATE", 0, 0), (28, "SENT", 0, 5),
        (30, "GAVE_UP_WAITING", 0, 5), (31, "TOO_LATE", 0, 0),
    ]  # fmt: skip


def test_a_budget_of_ten_percent_adds_at_most_ten_percent():
    policy = "on_reject: {attempts: 10, backoff: none, budget: 10%}"
    rows = story(f"rate: 10/s, arrivals: regular, {policy}", "20s", ", timeout: 1s, on_timeout: retry")
    sent = [row.attempt for row in rows.of("SENT")]
    firsts = retries = 0
    for attempt in sent:
        firsts, retries = firsts + (attempt == 1), retries + (attempt > 1)
        assert retries <= firsts / 10
    assert retries == firsts // 10, "and all of it is used, for nobody gets a reply in time"


def test_a_refused_request_is_waited_for_no_more():
    rows = story("rate: 2/s, arrivals: regular, limit: 3", "4s", ", timeout: 10s", "capacity: {messages: 1, when_full: reject}")
    assert told(rows, *OUTCOMES) == [(4, "REPLIED", 0, 1)] and rows.count("REJECTED") == 2


def test_producers_of_one_entry_share_the_queue_and_get_each_their_own():
    rows = story("rate: 1/s, arrivals: regular, limit: 2, count: 2", "100ms")
    for i in (0, 1):
        assert [(name, k) for _, name, k, _ in told(rows, *OUTCOMES, producer=i)] == [("REPLIED", 0), ("REPLIED", 1)]


def test_what_comes_into_the_reply_queue_and_answers_nothing_is_acked():
    other = "producers: {o: {to: r, rate: 1/s, arrivals: regular, limit: 2}, p: {to: q, "
    rows = run(text(ONE, wait=", timeout: 5s").replace("producers: {p: {to: q, ", other))
    assert rows.count("ACKED", queue=1) == 3 and rows.count("REPLIED") == 1 and not rows.of("TOO_LATE")


def test_a_drain_waits_for_the_replies():
    rows = run(text("rate: 1/s, arrivals: regular", "3s", ", timeout: 1m").replace("queues:", "run: {duration: 3s, drain: true}\nqueues:"))
    assert rows.times("REPLIED") == [3, 6, 9] and rows.left == {"q": 0, "r": 0}


@pytest.mark.parametrize(
    "profile", ["sqs-standard", "rabbitmq-classic", "rabbitmq-quorum", "redis-list", "redis-stream", "activemq-classic", "azure-service-bus"]
)
def test_replies_come_through_every_broker(profile):
    rows = story("rate: 1/s, arrivals: regular, limit: 50", "500ms", replies=f"profile: {profile}", seconds=60)
    assert rows.count("REPLIED") == 50 and rows.left["r"] == 0


# --- metrics ----------------------------------------------------------------------------------------------------------


def test_goodput_reply_time_and_timeouts():
    # each second a request, each 1.5 s a reply: they come 1.5, 2, 2.5, ... s after theirs, and 2 s are waited
    numbers = Numbers(story("rate: 1/s, arrivals: regular", "1500ms", ", timeout: 2s", seconds=10).recording)
    assert numbers.value("p.goodput mean") == 2 / 10
    assert (numbers.value("p.reply_time min"), numbers.value("p.reply_time max")) == (1.5, 2.0)
    assert numbers.value("p.timeouts total") == 6, "requests 2 to 7; those of 8 s and 9 s are still waited for"


def test_without_replies_goodput_is_what_was_accepted():
    rows = run("queues: {q: {capacity: {messages: 3, when_full: reject}}}\nproducers: {p: {to: q, rate: 1/s, arrivals: regular}}", 10)
    assert Numbers(rows.recording).value("p.goodput mean") == 3 / 10


def test_what_an_alert_follows_is_what_the_journal_tells():
    watched = (
        "alerts: {few: {when: p.goodput, below: 0.75/s, window: 4s}, slow: {when: p.reply_time max, above: 2s, window: 4s}, "
        "lost: {when: p.timeouts, above: 2, window: 4s}}"
    )
    rows = story("rate: 1/s", "{exponential: {mean: 700ms}}", ", timeout: 3s", more=watched, seconds=200)
    numbers = Numbers(rows.recording)
    fired = {(row.time, row.client): row.kind == Kind.FIRED for row in rows.rows if row.kind in (Kind.FIRED, Kind.CLEARED)}
    for second in range(4, 200):
        window = f"from {(second - 4) * SECOND + 1}ns to {second * SECOND + 1}ns"  # what has come up to this instant, and in it
        reply = numbers.value(f"p.reply_time max {window}")
        holds = [
            numbers.value(f"p.goodput mean {window}") < 0.75,
            reply is not None and reply > 2,
            numbers.value(f"p.timeouts total {window}") > 2,
        ]
        for which, value in enumerate(holds):
            changes = [fired[time, alert] for time, alert in fired if alert == which and time <= second * SECOND]
            assert (changes or [False])[-1] == value, (second, which)
    assert len(fired) > 20


# --- closed loops -----------------------------------------------------------------------------------------------------

LOOP = "clients: {{count: {clients}, think: {{exponential: {{mean: {think}}}}}}}"
LONG = ", timeout: 1h"


def test_a_client_thinks_from_its_reply_or_from_when_it_gave_up():
    rows = story("clients: {count: 2, think: 1s}", "1s", LONG, seconds=7)
    assert told(rows, "SENT", "REPLIED") == [
        (1, "SENT", 0, 1), (1, "SENT", 1, 1), (2, "REPLIED", 0, 1), (3, "SENT", 2, 1), (3, "REPLIED", 1, 1),
        (4, "SENT", 3, 1), (4, "REPLIED", 2, 1), (5, "SENT", 4, 1), (5, "REPLIED", 3, 1), (6, "SENT", 5, 1), (6, "REPLIED", 4, 1),
    ]  # fmt: skip
    rows = story("clients: {count: 1, think: 1s}", "1h", ", timeout: 2s", seconds=8)
    assert rows.times("SENT") == [1, 4, 7]


def test_clients_without_a_thought_ask_as_soon_as_they_are_answered():
    rows = story("clients: {count: 3, think: 0}", "1s", LONG, seconds=5)
    assert told(rows, "SENT") == [(t, "SENT", k, 1) for k, t in enumerate([0, 0, 0, 1, 2, 3, 4])]


def interval(values):
    return stats.t.interval(0.99, len(values) - 1, sum(values) / len(values), stats.sem(values))


@pytest.mark.parametrize(("clients", "servers"), [(4, 1), (10, 1), (12, 3)])
def test_many_clients_and_few_servers_are_the_machine_repairmans_station(clients, servers):
    """M/M/c//N, 20 seeds: throughput and response time lie as the formula says, and X = N / (R + Z) by itself."""
    made = plan(
        text(LOOP.format(clients=clients, think="1s"), "{exponential: {mean: 200ms}}", LONG, consumer=f", count: {servers}"), 1500
    )
    runs = [Numbers(simulate(made, seed)) for seed in range(1, 21)]
    throughput = [numbers.value("p.goodput mean from 100s") for numbers in runs]
    response = [numbers.value("p.reply_time mean from 100s") for numbers in runs]
    station = theory.mmcn(clients, 1.0, 5.0, servers)
    low, high = interval(throughput)
    assert low < station.mean_number / station.mean_time < high
    low, high = interval(response)
    assert low < station.mean_time < high
    low, high = interval([x * (r + 1.0) for x, r in zip(throughput, response, strict=True)])
    assert low < clients < high


def test_the_same_rows_whoever_works():
    made = text(LOOP.format(clients=5, think="500ms"), "{exponential: {mean: 200ms}}", ", timeout: 600ms")
    assert run(made, 100).rows == run(made, 100, quick=False).rows
