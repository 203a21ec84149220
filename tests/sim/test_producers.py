"""Who sends what and when, and what becomes of a send that is refused or not heard of (SCENARIO.md, producers)."""

from fractions import Fraction
from itertools import pairwise

import pytest

from qsim.kernel.journal import Cause
from qsim.units import SECOND
from tests.sim.runs import run

IDLE = "consumers: {c: {from: q, service: 1s, count: 0}}"
"""Nobody takes anything."""


def story(producer, queue="", consumers=IDLE, more="", **how):
    return run(f"queues: {{q: {{{queue}}}}}\nproducers: {{p: {{to: q, {producer}}}}}\n{consumers}\n{more}", **how)


# --- when -------------------------------------------------------------------------------------------------------------


def test_the_kth_regular_send_is_at_k_over_rate_rounded_never_a_running_sum():
    # rule 6 and ENGINE.md 9: k * den // num, rounded, in integers
    rows = story("rate: 3/s, arrivals: regular, limit: 1000", seconds=400)
    times = [row.time for row in rows.of("SENT")]
    assert times == [(2 * k * SECOND + 3) // 6 for k in range(1000)]
    assert times[999] == 333 * SECOND


def test_sends_are_in_start_stop():
    # "`stop: 30m` sends in [start, stop)"
    rows = story("rate: 1/s, arrivals: regular, start: 3s, stop: 7s")
    assert rows.times("SENT") == [3, 4, 5, 6]


def test_the_run_covers_zero_to_duration_without_its_end():
    assert story("rate: 1/s, arrivals: regular", seconds=3).times("SENT") == [0, 1, 2]


def test_count_producers_send_each_for_itself_with_an_index_each():
    rows = story("rate: 1/s, arrivals: regular, limit: 2, count: 3")
    assert [(row.producer, row.k) for row in rows.of("SENT")] == [(i, k) for k in range(2) for i in range(3)]


def test_stages_hold_ramp_and_jump():
    rows = story("rate: 1/s, arrivals: regular, stages: [{hold: 2s}, {jump: 2/s}, {hold: 2s}, {ramp: 4s, to: 0/s}]")
    assert rows.times("SENT")[:7] == [0, 1, 2, 2.5, 3, 3.5, 4]
    assert rows.count("SENT") == 10 and max(rows.times("SENT")) < 8, "2 + 4 + 2 x 4 / 2 messages, and no more"


def test_an_inter_arrival_distribution_replaces_the_rate():
    rows = story("arrivals: {mix: [{share: 100%, time: 2s}]}, limit: 3")
    assert rows.times("SENT") == [2, 4, 6]


def test_a_set_rate_stretches_what_is_left_and_leaves_what_was_sent():
    # ENGINE.md 9: "A change of a share or distribution by the timeline leaves what has begun as it was drawn"
    change = "timeline: {slow: {at: 2500ms, set: {producers.p.rate: 0.5/s}}}"
    rows = story("rate: 1/s, arrivals: regular", more=change, seconds=9)
    assert rows.times("SENT") == [0, 1, 2, 3.5, 5.5, 7.5], "half of the third gap was over; the other half takes 1 s"


def test_a_rate_of_zero_waits_until_it_returns():
    pause = "timeline: {off: {at: 1500ms, for: 3s, set: {producers.p.rate: 0/s}}}"
    assert story("rate: 1/s, arrivals: regular", more=pause, seconds=8).times("SENT") == [0, 1, 5, 6, 7]


def test_a_paused_producer_does_not_make_up_for_what_it_would_have_sent():
    pause = "timeline: {off: {at: 2s, for: 3s, pause: p}}"
    rows = story("rate: 1/s, arrivals: regular", more=pause, seconds=8)
    assert rows.times("SENT") == [0, 1, 5, 6, 7]
    assert [row.k for row in rows.of("SENT")] == [0, 1, 2, 3, 4], "its own numbers have no gap"


# --- what -------------------------------------------------------------------------------------------------------------


def test_delay_and_ttl_of_a_message():
    rows = story("rate: 1/s, arrivals: regular, limit: 1, message: {delay: 2s, ttl: 5s}")
    assert rows.life(0) == [(0, "SENT"), (0, "ACCEPTED"), (2, "VISIBLE"), (5, "EXPIRED")]


def test_priorities_and_groups_are_drawn_once_a_message_and_written_with_the_send():
    rows = story(
        "rate: 10/s, arrivals: regular, message: {priority: {hi: 25%, lo: 75%}, group: {keys: 5}}",
        "order: priority, priorities: [hi, lo]",
    )
    levels = [row.cause for row in rows.of("SENT")]
    assert 180 < levels.count(0) < 320 and set(levels) == {0, 1}
    assert {row.other for row in rows.of("SENT")} == {0, 1, 2, 3, 4}
    assert [row.other for row in rows.of("SENT")] == [row.other for row in rows.of("ACCEPTED")]


def test_poison_first_marks_the_first_message_sent_at_or_after_each_moment_and_adds_none():
    # "marks N messages, each the first one sent at or after from, from + every, from + 2 every, ...; adds none"
    rows = story("rate: 1/s, arrivals: regular, limit: 20, message: {poison: {first: 3, from: 2500ms, every: 4s}}")
    assert rows.times("POISON") == [3, 7, 11] and rows.count("SENT") == 20


def test_a_share_of_poison():
    marked = {s: {row.k for row in story(f"rate: 10/s, message: {{poison: {s}%}}").of("POISON")} for s in (5, 20)}
    assert 20 < len(marked[5]) < 90 and marked[5] < marked[20], "more poison is a superset of less"


def test_poison_works_its_service_time_then_errs_in_every_queue():
    # "Poison works its service time, then errs as `on_error` says, in every queue"
    rows = run("""
        queues: {q: {dlq: {queue: dead, max_receives: 2}}, dead: {}}
        producers: {p: {to: q, rate: 1/s, arrivals: regular, limit: 1, message: {poison: 100%}}}
        consumers: {c: {from: q, service: 2s, failures: {crash: 100%}}, d: {from: dead, service: 3s}}
    """, seconds=9)  # fmt: skip
    assert rows.times("ERRED") == [2, 4, 7] and not rows.of("INTERRUPTED"), "it never crashes"


# --- batches ----------------------------------------------------------------------------------------------------------


def test_a_batch_goes_when_it_is_full_or_has_waited_and_its_messages_count_from_their_own_send():
    # "`wait` and `latency` count from the producer's first attempt to send it, so batching ... [is] in"
    rows = story("rate: 1/s, arrivals: regular, limit: 4, batch: {size: 3, max_wait: 10s}")
    assert rows.times("SENT") == [0, 1, 2, 3] and rows.times("ACCEPTED") == [2, 2, 2, 13]


def test_max_wait_counts_as_a_send():
    # "a batch's `max_wait` counts as a send": after a delay that ends then, before the receive
    rows = run("""
        queues: {q: {order: lifo, delay: 0s}}
        producers:
          p: {to: q, rate: 1/s, arrivals: regular, limit: 1, batch: {size: 9, max_wait: 3s}}
          o: {to: q, rate: 1/s, arrivals: regular, limit: 1, message: {delay: 3s}}
        consumers: {c: {from: q, service: 1s}}
    """)  # fmt: skip
    assert rows.at(3, "VISIBLE", "ACCEPTED", "RECEIVED") == ["VISIBLE 0", "ACCEPTED 0", "RECEIVED 0"]
    assert rows.of("RECEIVED")[0].producer == 0


def test_one_call_is_one_token_and_its_entries_are_answered_apart():
    # "Limits are token buckets ... one token a call"; "capacity: ... batches entry by entry"
    fifo = story(
        "rate: 10/s, arrivals: regular, limit: 9, batch: {size: 3, max_wait: 1s}, message: {group: {keys: 1}}",
        "profile: sqs-fifo, fifo: {send_limit: 2/s}",
    )
    assert [row.cause for row in fifo.of("REJECTED")] == [] and fifo.count("ACCEPTED") == 9
    full = story("rate: 10/s, arrivals: regular, limit: 3, batch: {size: 3, max_wait: 1s}", "capacity: {messages: 2}")
    assert [full.count("ACCEPTED"), full.count("REJECTED")] == [2, 1]


# --- refused ----------------------------------------------------------------------------------------------------------

FULL = "capacity: {messages: 1, when_full: %s}"
SLOW = "consumers: {c: {from: q, service: 5s}}"


def test_drop_is_the_default():
    rows = story("rate: 1/s, arrivals: regular, limit: 3", FULL % "reject")
    assert rows.times("REJECTED") == [1, 2] and rows.count("SENT") == 3


@pytest.mark.parametrize("on_reject", ["drop", "block"])
def test_a_queue_that_blocks_makes_the_producer_wait_and_what_it_makes_meanwhile_queues_behind(on_reject):
    rows = story(f"rate: 1/s, arrivals: regular, limit: 3, on_reject: {on_reject}", FULL % "block", SLOW)
    assert rows.times("SENT") == [0, 1, 2] and not rows.of("REJECTED")
    assert rows.times("ACCEPTED") == [0, 5, 10] and rows.times("ANSWERED") == [5, 10]


def test_a_producer_that_stands_still_at_a_queue_that_refuses_tries_again_when_there_is_room():
    rows = story("rate: 1/s, arrivals: regular, limit: 3, on_reject: block", FULL % "reject", SLOW)
    assert rows.times("ACCEPTED") == [0, 5, 10]
    assert [(row.time // SECOND, row.k, row.attempt) for row in rows.of("SENT", k=1)] == [(1, 1, 1), (5, 1, 2)]


def test_blocked_producers_send_in_their_own_slot_of_the_instant_in_which_there_is_room():
    # two processes end their work at 5 s: both acks come before the first send
    rows = story(
        "rate: 1000/s, arrivals: regular, limit: 4, on_reject: block", "capacity: {messages: 2, when_full: block}",
        "consumers: {c: {from: q, count: 2, service: {mix: [{share: 100%, time: 5s}]}, poll: {batch: 1}}}",
    )  # fmt: skip
    for second in {row.time for row in rows.of("ACCEPTED", k=2)}:
        kinds = [text.split()[0] for text in rows.at(second / SECOND, "ACKED", "ACCEPTED", "RECEIVED")]
        assert kinds == sorted(kinds, key=["ACKED", "ACCEPTED", "RECEIVED"].index)


def test_a_blocked_fifo_producer_waits_for_the_next_token():
    rows = story(
        "rate: 4/s, arrivals: regular, limit: 6, on_reject: block, message: {group: {keys: 1}}",
        "profile: sqs-fifo, fifo: {send_limit: 1/s}",
    )
    assert rows.times("ACCEPTED") == [0, 1, 2, 3, 4, 5]
    assert [row.k for row in rows.of("ACCEPTED")] == [0, 1, 2, 3, 4, 5]


def test_a_retry_policy_tries_again_with_growing_waits_up_to_its_attempts():
    retry = "{backoff: exponential, first: 1s, factor: 2, attempts: 4, jitter: none}"
    rows = story(f"rate: 1000/s, arrivals: regular, limit: 2, on_reject: {retry}", FULL % "reject")
    tries = rows.of("SENT", k=1)
    assert [(t.attempt, t.time - tries[0].time) for t in tries] == [(1, 0), (2, SECOND), (3, 3 * SECOND), (4, 7 * SECOND)]


@pytest.mark.parametrize(("jitter", "least"), [("full", 0.0), ("equal", 0.5)])
def test_jitter(jitter, least):
    retry = f"{{backoff: fixed, first: 10s, attempts: 2, jitter: {jitter}}}"
    rows = story(f"rate: 10/s, arrivals: regular, limit: 100, on_reject: {retry}", FULL % "reject")
    first = {row.k: row.time for row in rows.of("SENT", attempt=1)}
    waits = [(row.time - first[row.k]) / (10 * SECOND) for row in rows.of("SENT", attempt=2)]
    assert len(waits) == 99 and least <= min(waits) < least + 0.1 and 0.9 < max(waits) <= 1


def test_a_budget_is_the_share_of_first_tries_that_retries_may_add():
    retry = "{backoff: fixed, first: 10ms, attempts: 99, budget: 10%}"
    rows = story(f"rate: 10/s, arrivals: regular, limit: 201, on_reject: {retry}", FULL % "reject")
    assert sum(row.attempt > 1 for row in rows.of("SENT")) == 20


def test_drop_newest_says_accepted_and_the_message_counts_as_accepted_and_dropped():
    rows = story("rate: 1/s, arrivals: regular, limit: 3", FULL % "drop-newest")
    assert rows.times("ACCEPTED") == [0, 1, 2] and [row.k for row in rows.of("DROPPED")] == [1, 2]
    assert {row.cause for row in rows.of("DROPPED")} == {Cause.FULL}


def test_drop_oldest_makes_room():
    rows = story("rate: 1/s, arrivals: regular, limit: 3", FULL % "drop-oldest")
    assert [row.k for row in rows.of("DROPPED")] == [0, 1] and rows.left["q"] == 1


def test_a_returned_message_is_never_refused():
    # "a returned message is never refused"
    consumer = "consumers: {c: {from: q, service: 3s, failures: {error: 100%}, retry: {backoff: fixed, first: 9s}}}"
    rows = story("rate: 1/s, arrivals: regular, limit: 9", "capacity: {messages: 2}", consumer, seconds=20)
    assert rows.count("REJECTED") == 7 and rows.left["q"] == 2


# --- how many ---------------------------------------------------------------------------------------------------------


def test_max_messages_are_sent_exactly():
    for asked in (1, 7, 50):
        rows = story("rate: 10/s, count: 3, batch: {size: 4, max_wait: 1s}", consumers=SLOW, max_messages=asked)
        assert len({row.message for row in rows.of("SENT")}) == asked and rows.recording.stopped == "max-messages"
    assert story("rate: 1/s, arrivals: regular", seconds=5, max_messages=5).recording.stopped is None


def test_fractions_of_a_rate_are_exact():
    rows = story("rate: 7/m, arrivals: regular, limit: 8")
    assert [row.time for row in rows.of("SENT")] == [round(Fraction(60 * SECOND, 7) * k) for k in range(8)]


def test_in_high_throughput_mode_a_blocked_producer_waits_for_its_groups_token():
    """SQS-35: one group, 300 calls at once and one every 300th of a second, though the queue could take 70,000."""
    rows = story(
        "rate: 1000/s, arrivals: regular, on_reject: block, message: {group: {keys: 1}}",
        "profile: sqs-fifo, broker: {dedup_scope: message-group, throughput_limit: per-message-group}",
        seconds=2,
    )
    accepted = [row.time for row in rows.of("ACCEPTED")]
    # a second's worth, and what comes in meanwhile: before the first refusal 300 + 300 t = 1000 t
    assert len(accepted) == pytest.approx(300 + 2 * 300, abs=1)
    later = accepted[-100:]
    assert {round((b - a) * 300 / SECOND, 3) for a, b in pairwise(later)} == {1.0}
