"""Planned events, and the drain (SCENARIO.md, timeline and "What exactly happens")."""

import pytest

from tests.sim.runs import run

STEADY = "p: {to: q, rate: 1/s, arrivals: regular}"


def story(timeline, consumer="service: 500ms", queue="", producer=STEADY, dead="", **how):
    return run(
        f"""
queues: {{q: {{{queue}}}, dead: {{{dead}}}}}
producers: {{{producer}}}
consumers: {{c: {{from: q, {consumer}}}}}
timeline: {{{timeline}}}
""",
        **how,
    )


# --- set --------------------------------------------------------------------------------------------------------------


def test_a_running_lease_keeps_its_end():
    # "**timeline.set** takes effect for what begins afterwards (a running lease keeps its end, ...)"
    rows = story("short: {at: 2500ms, set: {queues.q.visibility_timeout: 3s}}", "service: 90s, count: 9", "visibility_timeout: 9s", seconds=20)
    assert rows.times("LEASE_ENDED")[:4] == [6, 7, 8, 9], "messages 3, 4 and 5 have the new lease, then message 0 and its own"
    assert rows.of("LEASE_ENDED")[3].k in (0, 3)


def test_a_drawn_service_keeps_its_length():
    rows = story("slow: {at: 2500ms, set: {consumers.c.service: 3s}}", "service: 900ms", seconds=9)
    assert rows.times("EFFECT") == [0.9, 1.9, 2.9, 6]


def test_with_for_the_old_value_returns():
    rows = story("slow: {at: 1500ms, for: 2s, set: {consumers.c.service: 900ms}}", "service: 100ms", seconds=6)
    assert rows.times("EFFECT") == [0.1, 1.1, 2.9, 3.9, 4.1, 5.1]
    assert rows.times("CONTROL") == [1.5] and rows.times("CONTROL_END") == [3.5]


def test_failures_are_set_for_attempts_that_begin_afterwards():
    bad = "bad: {at: 1500ms, for: 2s, set: {consumers.c.failures.error: 100%}}"
    rows = story(bad, "service: 700ms, failures: {on_error: reject}", seconds=6)
    assert [row.k for row in rows.of("ERRED")] == [2, 3], "begun at 2 and 3"
    crash = "bad: {at: 1500ms, for: 2s, set: {consumers.c.failures.crash: 100%}}"
    assert story(crash, "service: 700ms", seconds=6).count("INTERRUPTED") > 0


def test_a_new_dead_letter_queue_is_used_from_now_on():
    change = "set: {queues.q.dlq: {queue: dead, max_receives: 1}}"
    poison = "p: {to: q, rate: 0.1/s, arrivals: regular, limit: 1, message: {poison: 100%}}"
    rows = story(f"dlq: {{at: 4500ms, {change}}}", "service: 1s", producer=poison, seconds=20)
    assert rows.times("DEAD_LETTERED") == [5] and rows.left == {"q": 0, "dead": 1}


def test_a_larger_capacity_lets_the_blocked_producer_go_on():
    change = "set: {queues.q.capacity: {messages: 3, when_full: block}}"
    rows = story(f"room: {{at: 5500ms, {change}}}", "service: 1s, count: 0", "capacity: {messages: 1, when_full: block}", seconds=9)
    assert rows.times("ACCEPTED") == [0, 5.5, 5.5]


def test_a_new_prefetch_counts_for_what_is_pushed_from_now_on():
    rows = story("more: {at: 4500ms, set: {consumers.c.push.prefetch: 3}}", "service: 90s, push: {prefetch: 1}", seconds=9)
    assert rows.times("RECEIVED") == [0, 4.5, 4.5, 4.5]


def test_more_processes_come_at_once_and_fewer_leave_when_they_are_done():
    rows = story("more: {at: 2s, for: 3s, set: {consumers.c.count: 3}}", "service: 10s", seconds=20)
    assert rows.times("UP") == [0, 2, 2] and rows.times("DOWN") == [12, 12]
    assert rows.at(2) == ["CONTROL", "UP", "UP", "SENT 2", "ACCEPTED 2", "RECEIVED 1", "RECEIVED 2"]


# --- faults -----------------------------------------------------------------------------------------------------------


def test_a_crash_kills_the_lowest_numbered_live_processes_and_others_do_not_get_what_dies_with_them():
    # "kills the `count` lowest-numbered live processes with all they hold"
    rows = story("boom: {at: 3500ms, crash: {consumer: c, count: 2}}", "service: 90s, count: 3, failures: {restart_after: 5s}",
                 producer="p: {to: q, rate: 1/s, arrivals: regular, limit: 1}", seconds=20)  # fmt: skip
    assert [row.process for row in rows.of("DOWN")] == [0, 1]
    assert [(row.time // 10**9, row.process) for row in rows.of("RECEIVED")] == [(0, 0), (3, 2)], "not process 1, which dies too"
    assert rows.times("UP") == [0, 0, 0, 8.5, 8.5]


def test_who_is_dead_already_is_not_killed_again():
    twice = "a: {at: 2500ms, crash: {consumer: c, count: 1}}, b: {at: 3500ms, crash: {consumer: c, count: 1}}"
    rows = story(twice, "service: 90s, count: 3, failures: {restart_after: 50s}", seconds=9)
    assert [row.process for row in rows.of("DOWN")] == [0, 1]


def test_a_paused_consumer_finishes_what_it_has_and_takes_no_more():
    rows = story("off: {at: 2200ms, for: 3s, pause: c}", seconds=9)
    assert rows.times("RECEIVED")[:5] == [0, 1, 2, 5.2, 5.7] and rows.times("EFFECT")[2] == 2.5
    assert rows.times("PAUSED") == [2.2] and rows.times("RESUMED") == [5.2]


@pytest.mark.parametrize("asks", ["poll: {batch: 4}", "push: {prefetch: 2}"])
def test_who_crashes_while_paused_stays_paused(asks):
    faults = "off: {at: 2200ms, for: 5s, pause: c}, boom: {at: 3s, crash: {consumer: c, count: 1}}"
    rows = story(faults, f"service: 500ms, {asks}", seconds=12)
    assert rows.times("UP") == [0, 3] and not [t for t in rows.times("RECEIVED") if 2.2 < t < 7.2]
    assert rows.times("RECEIVED")[3] == 7.2


# --- purge, redrive, fix_poison -----------------------------------------------------------------------------------------


def test_a_purge_removes_everything_and_the_ack_of_what_was_in_flight_is_stale():
    # SQS-32: in flight too
    rows = story("clean: {at: 3300ms, purge: q}", "service: 2s", seconds=5)
    assert rows.count("PURGED") == 3 and rows.times("STALE") == [4]


DEAD = "profile: sqs-standard, visibility_timeout: 1s, dlq: {queue: dead, max_receives: 1}"
POISON = "p: {to: q, rate: 2/s, arrivals: regular, limit: 4, message: {poison: 100%}}"


def dead_letters(timeline, **how):
    return story(timeline, "service: 100ms", DEAD, POISON, "profile: sqs-standard", **how)


def test_a_redrive_moves_the_oldest_first_at_its_rate_until_the_queue_is_empty():
    rows = dead_letters("heal: {at: 9s, fix_poison: true}, back: {at: 10s, redrive: {from: dead, to: q, rate: 0.5/s}}", seconds=30)
    assert [(row.k, row.time // 10**9) for row in rows.of("MOVED_OUT")] == [(0, 10), (1, 12), (2, 14), (3, 16)]
    assert rows.count("ACKED") == 4


def test_a_redrive_without_a_rate_is_all_at_once_and_a_limit_ends_it():
    ideal = dict(consumer="service: 100ms", queue="dlq: {queue: dead, max_receives: 1}", producer=POISON, seconds=30)
    assert story("back: {at: 10s, redrive: {from: dead, to: q}}", **ideal).times("MOVED_OUT") == [10] * 4
    assert story("back: {at: 10s, redrive: {from: dead, to: q, limit: 3}}", **ideal).times("MOVED_OUT") == [10] * 3
    both = story("back: {at: 10s, redrive: {from: dead, to: q, limit: 2, rate: 1/s}}", **ideal)
    assert both.times("MOVED_OUT") == [10, 11]


def test_sqs_moves_at_most_500_a_second():
    # SQS-29
    rows = dead_letters("back: {at: 10s, redrive: {from: dead, to: q}}", seconds=30)
    assert rows.times("MOVED_OUT") == pytest.approx([10, 10.002, 10.004, 10.006])


def test_fix_poison_heals_those_already_sent_and_no_later_ones():
    # "until `fix_poison`, which heals those already sent"
    poison = "p: {to: q, rate: 1/s, arrivals: regular, limit: 6, message: {poison: 100%}}"
    rows = story("fixed: {at: 2500ms, fix_poison: true}", "service: 100ms, failures: {on_error: reject}", producer=poison, seconds=9)
    assert [row.k for row in rows.of("ERRED")] == [0, 1, 2, 3, 4, 5] and rows.count("HEALED") == 1
    slow = story("fixed: {at: 2500ms, fix_poison: true}", "service: 4s, failures: {on_error: reject}", producer=poison, seconds=9)
    assert [row.k for row in slow.of("EFFECT")] == [0, 1], "what is at work is healed too"


def test_poison_sent_after_a_fix_that_found_none_is_poison():
    poison = "p: {to: q, rate: 1/s, arrivals: regular, message: {poison: {first: 1, from: 3s}}}"
    for crash in ("", ", failures: {crash: 0.0001%}"):
        rows = story("fixed: {at: 1s, fix_poison: true}", f"service: 100ms{crash}", producer=poison, seconds=5)
        assert {row.k for row in rows.of("ERRED")} == {3}


def test_fix_poison_of_one_queue_leaves_the_other():
    rows = run("""
        queues: {a: {}, b: {}}
        producers:
          x: {to: a, rate: 1/s, arrivals: regular, limit: 1, message: {poison: 100%}}
          y: {to: b, rate: 1/s, arrivals: regular, limit: 1, message: {poison: 100%}}
        consumers: {c: {from: a, service: 2s}, d: {from: b, service: 2s}}
        timeline: {fixed: {at: 3s, fix_poison: b}}
    """, seconds=9)  # fmt: skip
    assert {row.producer for row in rows.of("EFFECT")} == {1}


# --- the end ----------------------------------------------------------------------------------------------------------


def test_what_would_happen_at_duration_does_not_happen():
    # "`at end` when the run stops, before anything that would happen at `duration`"
    rows = story("late: {at: 5s, purge: q}, later: {at: 7s, purge: q}", "service: 1s", seconds=5)
    assert not rows.of("CONTROL") and max(row.time for row in rows.rows) < 5 * 10**9


def test_until_stops_earlier_and_the_rows_until_then_are_the_same():
    full, cut = story("", seconds=9), story("", seconds=9, until=4 * 10**9)
    assert cut.rows == [row for row in full.rows if row.time < 4 * 10**9] and cut.recording.ended == 4 * 10**9


DRAIN = "run: {{duration: 5s, drain: {}}}\nqueues: {{q: {{{}}}, idle: {{}}}}\nproducers: {{p: {{to: q, rate: 1/s, arrivals: regular{}}}, o: {{to: idle, rate: 1/s}}}}\nconsumers: {{c: {{from: q, service: {}}}}}"


def test_drain_follows_duration_until_no_queue_with_a_consumer_holds_a_message():
    # "producers stop; consumers, timeline and alerts go on until no queue with a consumer holds a deliverable message"
    rows = run(DRAIN.format("1m", "", "", "2s"))
    assert rows.count("ACKED") == 5 and rows.recording.ended == 10 * 10**9 and rows.recording.drained
    assert rows.left["idle"] > 0 and max(rows.times("SENT")) < 5, "nobody reads the other queue"


def test_a_drain_waits_for_delays_and_leases():
    assert run(DRAIN.format("1m", "delay: 20s", "", "1s")).recording.ended == 25 * 10**9


def test_or_the_time_is_over():
    rows = run(DRAIN.format("7s", "", "", "4s"))
    assert rows.recording.ended == 12 * 10**9 and not rows.recording.drained
    assert rows.count("ACKED") == 2, "at 4 and 8 s; what ends at the end does not happen"


def test_true_gives_up_after_ten_durations():
    rows = run(DRAIN.format("true", "", ", message: {poison: 100%}", "1s"))
    assert rows.recording.ended == 55 * 10**9 and not rows.recording.drained


def test_an_empty_queue_is_drained_at_once():
    rows = run(DRAIN.format("1m", "", ", limit: 2", "1s"))
    assert rows.recording.ended == 5 * 10**9 and rows.recording.drained


@pytest.mark.parametrize("retry", ["", ", timeout: 4s, on_reject: {attempts: 3}"])
def test_in_a_drain_nobody_sends_anything_new(retry):
    # a producer that would go on beyond the duration; tries of what was sent before may still arrive
    rows = run(DRAIN.format("1m", "imperfections: {lose_send: 40%}", f", stop: 30s{retry}", "2s"))
    assert max(rows.times("SENT", attempt=1)) == 4


def test_the_timeline_goes_on_in_a_drain():
    text = DRAIN.format("1m", "", "", "2s") + "\ntimeline: {faster: {at: 6500ms, set: {consumers.c.service: 100ms}}}"
    assert run(text).recording.ended == pytest.approx(8.1e9)


def test_two_events_of_one_instant_come_in_file_order():
    both = "one: {at: 3s, purge: q}, two: {at: 3s, set: {consumers.c.count: 2}}, three: {at: 3s, purge: dead}"
    rows = story(both, seconds=5)
    assert [row.client for row in rows.of("CONTROL")] == [0, 1, 2]
    assert rows.at(3)[:4] == ["CONTROL", "CONTROL", "UP", "CONTROL"]
