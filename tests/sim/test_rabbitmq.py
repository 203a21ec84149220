"""RabbitMQ queues in a run: pushed by default, consumers in line, what an error, a crash and a slow worker do (RMQ-n:
the broker's rules)."""

import pytest

from tests.sim.runs import plan, run

CLASSIC, QUORUM = "profile: rabbitmq-classic", "profile: rabbitmq-quorum"
POISON = "p: {to: q, rate: 1/s, arrivals: regular, limit: 3, message: {poison: {first: 1}}}"


def many(count, more=""):
    return f"p: {{to: q, rate: 1000/s, arrivals: regular, limit: {count}, {more}}}"


def story(consumers, producer="", queue=CLASSIC, more="", **how):
    return run(
        f"queues: {{q: {{{queue}}}, dead: {{profile: rabbitmq-classic}}}}\n"
        f"producers: {{{producer or many(1)}}}\nconsumers: {{{consumers}}}\n{more}\n",
        **how,
    )


def received(rows):
    """How many each process got, by consumer and process."""
    by = {}
    for row in rows.of("RECEIVED"):
        by[row.consumer, row.process] = by.get((row.consumer, row.process), 0) + 1
    return [by[key] for key in sorted(by)]


# --- pushed ----------------------------------------------------------------------------------------------------------


def test_who_says_nothing_is_pushed_to_without_a_limit_and_the_first_takes_all_that_waits():  # RMQ-6
    rows = story("c: {from: q, count: 2, service: 1s}", many(6), more="timeline: {go: {at: 0s500ms, pause: c, for: 1s}}")
    assert plan("queues: {q: {profile: rabbitmq-classic}}\nproducers: {p: {to: q, rate: 1/s}}\n"
                "consumers: {c: {from: q, service: 1s}}\n").consumers[0].prefetch == 0  # fmt: skip
    assert received(rows) == [3, 3]  # they were there when the messages came: in turn (RMQ-7)


def test_on_a_quorum_queue_unlimited_is_two_thousand():  # RMQ-6
    rows = story("c: {from: q, service: 1h}", many(2500), QUORUM, seconds=10)
    assert len(rows.of("RECEIVED")) == 2000


def test_a_poll_is_a_get_that_does_not_wait():  # RMQ-6
    rows = story("c: {from: q, service: 100ms, poll: {every: 1s}}", many(2), seconds=5)
    assert rows.times("RECEIVED") == [0.0, 0.1]
    assert rows.times("EMPTY_RECEIVE") == [0.2, 1.2, 2.2, 3.2, 4.2]


def test_the_larger_priority_is_pushed_to_first():  # RMQ-7
    rows = story(
        "low: {from: q, service: 9s, push: {prefetch: 9}}, "
        "high: {from: q, service: 9s, push: {prefetch: 3}, client: {priority: 5}}", many(5), seconds=1,
    )  # fmt: skip
    assert received(rows) == [2, 3]


def test_an_exclusive_consumer_keeps_others_waiting_until_it_goes():  # RMQ-8
    rows = story(
        "c: {from: q, count: 2, service: 1s, push: {prefetch: 1}, client: {exclusive: true}, failures: {restart_after: 1h}}",
        "p: {to: q, rate: 1/s, arrivals: regular, limit: 6}",
        more="timeline: {away: {at: 2s500ms, crash: {consumer: c, count: 1}}}\n", seconds=9,
    )  # fmt: skip
    assert rows.times("REFUSED", process=1) == [0.0, 1.0, 2.0]
    assert rows.of("RECEIVED", process=0)[0].time == 0
    assert rows.times("RECEIVED", process=1)[0] == 3.0
    assert len(rows.of("ACKED")) == 6


def test_of_single_active_consumers_the_next_takes_over_at_once():  # RMQ-8
    rows = story(
        "c: {from: q, count: 3, service: 1s, push: {prefetch: 2}, failures: {restart_after: 1h}}", many(6),
        f"{CLASSIC}, broker: {{single_active: true}}",
        "timeline: {dies: {at: 0s500ms, crash: {consumer: c, count: 1}}, leaves: {at: 3s, set: {consumers.c.count: 1}}}",
        seconds=9,
    )  # fmt: skip
    assert received(rows) == [2, 4]
    assert [row.process for row in rows.of("RECEIVED") if row.time == 500_000_000] == [1, 1]


# --- given back ------------------------------------------------------------------------------------------------------


def test_a_classic_queue_gives_a_bad_message_back_to_its_place_for_ever():  # RMQ-12, RMQ-19
    rows = story("c: {from: q, service: 1s, push: {prefetch: 1}}", POISON, seconds=10)
    assert rows.times("RECEIVED", k=0) == [float(n) for n in range(10)]
    assert rows.of("EFFECT") == []


@pytest.mark.parametrize(("dlq", "deliveries"), [("dlq: {queue: dead, max_receives: 3}", 3), ("dlq: {queue: dead}", 21)])
def test_a_quorum_queue_dead_letters_at_the_last_return(dlq, deliveries):  # RMQ-17
    rows = story("c: {from: q, service: 100ms, push: {prefetch: 1}}", POISON, f"{QUORUM}, {dlq}", seconds=10)
    assert len(rows.of("RECEIVED", k=0)) == deliveries
    assert rows.times("DEAD_LETTERED") == [pytest.approx(deliveries / 10)]


def test_without_a_dead_letter_queue_it_is_dropped_then():  # RMQ-17, RMQ-20
    rows = story("c: {from: q, service: 100ms, push: {prefetch: 1}}", POISON, QUORUM, seconds=10)
    assert rows.times("DROPPED") == [pytest.approx(2.1)]


def test_in_3_10_a_quorum_queue_puts_it_to_the_tail_and_never_gives_up():  # RMQ-13, RMQ-17
    rows = story(
        "c: {from: q, service: 100ms, push: {prefetch: 1}}", many(3, "message: {poison: {first: 1}}"),
        f'{QUORUM}, broker: {{version: "3.10", dead_letter_to: dead}}', seconds=10,
    )  # fmt: skip
    assert rows.times("EFFECT") == [pytest.approx(0.2), pytest.approx(0.3)]
    assert len(rows.of("RECEIVED", k=0)) > 90


def test_a_crash_gives_everything_back_at_once_and_to_the_head():  # RMQ-13, RMQ-34
    rows = story(
        "c: {from: q, service: 1s, push: {prefetch: 3}, failures: {restart_after: 2s}}", many(4), QUORUM,
        "timeline: {dies: {at: 0s500ms, crash: {consumer: c, count: 1}}}", seconds=9,
    )  # fmt: skip
    assert rows.times("RETURNED") == [0.5, 0.5, 0.5]
    assert [row.k for row in rows.of("EFFECT")] == [0, 1, 2, 3]


# --- channels --------------------------------------------------------------------------------------------------------

SLOW = "c: {from: q, concurrency: 2, service: 10s, push: {prefetch: 4}}"


def test_up_to_4_2_who_is_too_slow_loses_his_channel_with_all_he_holds_and_comes_again():  # RMQ-11
    rows = story(SLOW, many(5), f'{CLASSIC}, broker: {{version: "3.10", consumer_timeout: 6s}}', seconds=7)
    assert rows.times("CHANNEL_CLOSED") == [6.0]
    assert len(rows.of("LEASE_ENDED")) == 1 and len(rows.of("RETURNED")) == 3
    assert [row.k for row in rows.of("INTERRUPTED")] == [0, 1]
    assert [row.k for row in rows.of("RECEIVED") if row.time == 6_000_000_000] == [0, 1, 2, 3]


def test_a_late_ack_closes_the_channel_and_the_work_beside_it_is_void():  # RMQ-10, RMQ-11
    rows = story(
        "c: {from: q, concurrency: 2, service: {mix: [{share: 50%, time: 7s}, {share: 50%, time: 30s}]}, push: {prefetch: 2}}",
        many(8), f"{QUORUM}, broker: {{consumer_timeout: 6s}}", seconds=60,
    )  # fmt: skip
    assert len(rows.of("CHANNEL_CLOSED")) == len(rows.of("STALE")) > 0
    assert rows.of("INTERRUPTED")


# --- ttl, limits, priorities -----------------------------------------------------------------------------------------


def test_the_ttl_of_the_queue_dead_letters_at_the_head():  # RMQ-25
    rows = story(
        "c: {from: q, service: 1s, push: {prefetch: 1}}, d: {from: dead, service: 1s}", many(3),
        f"{CLASSIC}, broker: {{ttl: 1s500ms}}, dlq: {{queue: dead}}", seconds=9,
    )  # fmt: skip
    assert [row.k for row in rows.of("DEAD_LETTERED")] == [2]
    assert rows.times("MOVED_IN") == [1.502]


def test_a_ttl_behind_a_message_that_lives_waits_for_its_turn():  # RMQ-25
    rows = run(
        "queues: {q: {profile: rabbitmq-classic}}\n"
        "producers: {long: {to: q, rate: 1/s, arrivals: regular, limit: 2}, "
        "short: {to: q, rate: 1/s, arrivals: regular, limit: 1, start: 0s500ms, message: {ttl: 1s}}}\n"
        "consumers: {c: {from: q, service: 5s, push: {prefetch: 1}}}\n", seconds=20,
    )  # fmt: skip
    assert rows.times("EXPIRED") == [1.5]  # the first had been taken: it was the head


def test_a_full_queue_drops_its_head_to_the_dead_letters_and_counts_what_is_ready():  # RMQ-27, RMQ-28
    rows = story(
        "c: {from: q, service: 100s, push: {prefetch: 2}}", "p: {to: q, rate: 1/s, arrivals: regular, limit: 6}",
        f"{CLASSIC}, capacity: {{messages: 2, when_full: drop-oldest}}, dlq: {{queue: dead}}", seconds=9,
    )  # fmt: skip
    assert [row.k for row in rows.of("DEAD_LETTERED")] == [2, 3]


@pytest.mark.parametrize(("queue", "refused"), [(CLASSIC, [2, 3]), (QUORUM, [3])])
def test_reject_lets_one_more_into_a_quorum_queue(queue, refused):  # RMQ-28
    rows = story(
        "c: {from: q, service: 1s, poll: {every: 100s}}", "p: {to: q, rate: 1/s, arrivals: regular, limit: 4, start: 1s}",
        f"{queue}, capacity: {{messages: 2}}", seconds=9,
    )  # fmt: skip
    assert [row.k for row in rows.of("REJECTED")] == refused


@pytest.mark.parametrize(
    ("queue", "order"),
    [(CLASSIC, ["a", "c", "b"]), (QUORUM, ["a", "c", "b"]), (f'{QUORUM}, broker: {{version: "3.10"}}', ["a", "b", "c"])],
)
def test_priorities_are_served_in_their_order_where_the_broker_has_them(queue, order):  # RMQ-30, RMQ-31
    rows = run(
        f"queues: {{q: {{{queue}, priorities: [urgent, normal]}}}}\n"
        "producers: {a: {to: q, rate: 1/s, arrivals: regular, limit: 1}, "
        "b: {to: q, rate: 1/s, arrivals: regular, limit: 1, start: 100ms}, "
        "c: {to: q, rate: 1/s, arrivals: regular, limit: 1, start: 200ms, message: {priority: urgent}}}\n"
        "consumers: {w: {from: q, service: 1s, push: {prefetch: 1}}}\n", seconds=9,
    )  # fmt: skip
    assert ["abc"[row.producer] for row in rows.of("EFFECT")] == order
