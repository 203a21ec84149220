"""Where load comes from beside a steady rate: bursts, closed loops, and producers that hold themselves back."""

from fractions import Fraction
from itertools import pairwise

import pytest
from scipy import stats

from qsim import theory
from qsim.metrics.numbers import Numbers
from qsim.scenario.plan import TokenBucket
from qsim.sim.simulate import simulate
from qsim.sim.slow_down import Bucket
from qsim.units import SECOND
from tests.sim.runs import plan, run

IDLE = "consumers: {c: {from: q, service: 1s, count: 0}}"
"""Nobody takes anything."""


def story(producer, queue="", consumers=IDLE, more="", **how):
    return run(f"queues: {{q: {{{queue}}}}}\nproducers: {{p: {{to: q, {producer}}}}}\n{consumers}\n{more}", **how)


# --- bursts -----------------------------------------------------------------------------------------------------------


def test_off_time_is_cut_out_and_what_was_about_to_come_goes_on_afterwards():
    rows = story("rate: 2/s, arrivals: regular, bursts: {on: 1250ms, off: 3s}", seconds=9)
    assert rows.times("SENT") == [0, 0.5, 1, 1.5 + 3, 2 + 3, 2.5 + 6], "0, 0.5, ... of the time that is on"


def test_what_falls_due_at_the_very_end_of_an_on_comes_with_the_next():
    assert story("rate: 1/s, arrivals: regular, bursts: {on: 2s, off: 3s}", seconds=11).times("SENT") == [0, 1, 5, 6, 10]


def test_bursts_begin_at_the_producers_start_and_end_at_its_stop():
    rows = story("rate: 1/s, arrivals: regular, start: 3s, stop: 9s, bursts: {on: 2s, off: 2s}")
    assert rows.times("SENT") == [3, 4, 7, 8]


def test_gaps_of_a_distribution_are_cut_too():
    rows = story("arrivals: {uniform: {min: 2s, max: 2s}}, bursts: {on: 3s, off: 10s}", seconds=29)
    assert rows.times("SENT") == [2, 4 + 10, 6 + 20, 8 + 20]


def test_the_same_poisson_arrivals_as_without_bursts_only_later():
    steady = [row.time for row in story("rate: 5/s", seconds=50).of("SENT")]
    bursty = [row.time for row in story("rate: 5/s, bursts: {on: 4s, off: 6s}", seconds=100).of("SENT")]
    inside = [time - time // (10 * SECOND) * 6 * SECOND for time in bursty]
    assert inside == [time for time in steady if time < 40 * SECOND], "ten bursts of 4 s"


def test_a_rate_set_meanwhile_counts_from_then_on():
    change = "timeline: {more: {at: 4s, set: {producers.p.rate: 2/s}}}"
    rows = story("rate: 1/s, arrivals: regular, bursts: {on: 2s, off: 3s}", more=change, seconds=10)
    assert rows.times("SENT") == [0, 1, 5, 5.5, 6, 6.5]


def test_a_share_of_time_on_is_a_share_of_messages():
    made = plan("queues: {q: {}}\nproducers: {p: {to: q, rate: 10/s, bursts: "
                "{on: {exponential: {mean: 1s}}, off: {exponential: {mean: 3s}}}}}", seconds=2000)  # fmt: skip
    sent = [Numbers(simulate(made, seed)).value("p.sent total") for seed in range(1, 21)]
    low, high = stats.t.interval(0.99, 19, sum(sent) / 20, stats.sem(sent))
    assert low < 2000 * 10 / 4 < high


# --- slow_down: a watched metric --------------------------------------------------------------------------------------

FULL = "rate: 10/s, arrivals: regular, slow_down: {watch: q.visible, above: 15, resume_below: 8, to: 1/s}"
SLOW = "consumers: {c: {from: q, service: 200ms}}"


def test_a_producer_sends_less_from_when_it_sees_too_much_until_it_sees_little():
    # 10/s come and 5/s go: after t seconds 5 t are visible, 20 at the look at 4 s; then 1/s come: 4 a second less,
    # and 8 s is the first look that sees fewer than 8
    rows = story(FULL, consumers=SLOW, seconds=11)
    assert [(row.time / SECOND, row.other) for row in rows.of("SLOWED")] == [(4, 1), (8, 0)]
    gaps = [(b - a, a) for a, b in pairwise(rows.times("SENT"))]
    assert {round(gap, 3) for gap, at in gaps if at < 3.9 or at >= 8} == {0.1}
    assert {round(gap, 3) for gap, at in gaps if 4.1 < at < 7.9} <= {1.0}


def test_it_looks_late_in_the_instant_every_check_every():
    rows = story(FULL.replace("to: 1/s", "to: 1/s, check_every: 1500ms"), consumers=SLOW, seconds=6)
    assert rows.times("SLOWED") == [4.5]
    assert [str(row) for row in rows.rows if row.time == 4.5 * SECOND][-1] == "SLOWED"


def test_stages_go_on_beneath():
    # 4/s until it sees 9 at 2 s; then 1/s; the purge at 11 s lets it go on, and by then its own rate has become 2/s
    calm = "timeline: {calm: {at: 11s, purge: q}}"
    rows = story("rate: 4/s, arrivals: regular, stages: [{hold: 5s}, {jump: 2/s}], "
                 "slow_down: {watch: q.visible, above: 7, resume_below: 2, to: 1/s}", more=calm, seconds=13)  # fmt: skip
    assert [(row.time / SECOND, row.other) for row in rows.of("SLOWED")] == [(2, 1), (11, 0)]
    assert rows.times("SENT") == [*(k / 4 for k in range(9)), *range(3, 12), 11.5, 12, 12.5]


def test_a_rate_set_while_it_is_held_down_waits_until_it_goes_on():
    change = "timeline: {more: {at: 3s, set: {producers.p.rate: 5/s}}, calm: {at: 11s, purge: q}}"
    rows = story("rate: 4/s, arrivals: regular, slow_down: {watch: q.visible, above: 7, resume_below: 2, to: 1/s}",
                 more=change, seconds=12)  # fmt: skip
    assert rows.times("SENT") == [*(k / 4 for k in range(9)), *range(3, 12), 11.2, 11.4, 11.6, 11.8]


def test_the_timeline_can_take_the_rule_away_and_bring_another():
    change = "timeline: {off: {at: 4500ms, for: 3s, set: {producers.p.slow_down: null}}}"
    rows = story("rate: 4/s, arrivals: regular, slow_down: {watch: q.visible, above: 7, resume_below: 2, to: 1/s}",
                 more=change, seconds=9)  # fmt: skip
    assert [(row.time / SECOND, row.other) for row in rows.of("SLOWED")] == [(2, 1), (4.5, 0), (8.5, 1)]
    key = "timeline: {lower: {at: 4500ms, set: {producers.p.slow_down.to: 0.5/s}}}"
    rows = story("rate: 4/s, arrivals: regular, slow_down: {watch: q.visible, above: 7, resume_below: 2, to: 1/s}",
                 more=key, seconds=9)  # fmt: skip
    assert rows.times("SENT")[9:] == [3, 4, 5.5, 7.5], "half of the gap after 4 s was over; the other half takes 1 s"


def test_all_producers_of_an_entry_are_held_down_together():
    rows = story(FULL.replace("rate", "count: 2, rate", 1), consumers=SLOW, seconds=3)
    assert rows.count("SLOWED") == 1 and {row.producer for row in rows.of("SENT")} == {0, 1}
    assert rows.times("SLOWED") == [1] and [t for t in rows.times("SENT") if t > 1] == [2, 2], "22 came, 6 went or are at work"


def test_a_metric_that_is_no_series_is_looked_at_over_the_last_minute():
    producer = "rate: 1/s, arrivals: regular, slow_down: {watch: q.accepted, above: 30, resume_below: 10, to: 0/s}"
    rows = story(producer, seconds=120)
    assert [(row.time / SECOND, row.other) for row in rows.of("SLOWED")] == [(30, 1), (81, 0), (112, 1)]


def test_a_watched_consumer_may_be_slowed_down_to_its_own_speed():
    # what is watched of a consumer is told by its process: the rows are the same as without a callback
    text = "rate: 10/s, slow_down: {watch: c.utilization, above: 0.9, resume_below: 0.5, to: 1/s}"
    rows = [story(text, consumers="consumers: {c: {from: q, service: 100ms}}", quick=quick).rows for quick in (True, False)]
    assert rows[0] == rows[1] and any(row.kind == 66 for row in rows[0])


# --- slow_down: a token bucket ----------------------------------------------------------------------------------------


def test_what_finds_no_token_waits_at_the_producer_in_order_and_its_wait_counts_from_when_it_was_made():
    rows = story("rate: 2/s, arrivals: regular, slow_down: {token_bucket: {rate: 1/s, burst: 2}}", seconds=4)
    assert rows.times("SENT") == [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5]
    assert [(row.time / SECOND, row.k) for row in rows.of("ACCEPTED")] == [(0, 0), (0.5, 1), (1, 2), (2, 3), (3, 4)]
    assert Numbers(rows.recording).value("p.under_way total") == 3
    assert Numbers(rows.recording).value("p.send_time max") == 1.0, "number 4: made at 2 s, gone at 3 s"


@pytest.mark.parametrize("more", ["", ", batch: {size: 3, max_wait: 1s}", ", batch: {size: 8, max_wait: 1s}", ", on_reject: {attempts: 4, first: 100ms}", ", on_reject: block"])
def test_no_stretch_of_time_sees_more_than_burst_plus_rate_times_its_length(more):
    """Exactly, whatever comes: tries and batches too."""
    queue = "capacity: {messages: 20, when_full: reject}"
    work = "consumers: {c: {from: q, service: {exponential: {mean: 200ms}}}}"
    rate, burst = Fraction(7, 3), 5
    rows = story(f"rate: 4/s, slow_down: {{token_bucket: {{rate: 140/m, burst: {burst}}}}}{more}", queue, work, seconds=60)
    went = [row.time for row in rows.rows if row.kind in (10, 12)]
    assert len(went) > 100
    for i, first in enumerate(went):
        for n, last in enumerate(went[i:], 1):
            assert n <= burst + rate * (last - first) / SECOND


def test_a_bucket_is_full_at_the_start_fills_up_and_never_overflows():
    bucket = Bucket(TokenBucket(Fraction(1, 3), 2))
    bucket.take(0, 2)
    assert bucket.ready(0) == 3 * SECOND and bucket.ready(0, 2) == 6 * SECOND
    assert bucket.ready(100 * SECOND, 2) == 100 * SECOND and bucket.ready(100 * SECOND, 3) > 100 * SECOND
    assert Bucket(TokenBucket(Fraction(0), 1)).ready(0) == 0


def test_a_bucket_taken_away_lets_all_go():
    change = "timeline: {free: {at: 2500ms, set: {producers.p.slow_down: null}}}"
    rows = story("rate: 4/s, arrivals: regular, slow_down: {token_bucket: {rate: 1/s, burst: 1}}", more=change, seconds=3)
    assert rows.times("ACCEPTED") == [0, 1, 2, *[2.5] * 8, 2.75]


def test_a_send_that_goes_lost_has_taken_its_token():
    rows = story("rate: 4/s, arrivals: regular, slow_down: {token_bucket: {rate: 1/s, burst: 1}}",
                 "imperfections: {lose_send: 100%}", seconds=4)  # fmt: skip
    assert rows.times("LOST_SEND") == [0, 1, 2, 3]


# --- closed loops -----------------------------------------------------------------------------------------------------


def test_each_client_thinks_asks_is_answered_and_thinks_again():
    rows = story("clients: {count: 3, think: 2s}", seconds=7)
    assert [(row.time / SECOND, row.k) for row in rows.of("SENT")] == [(t, k + t // 2 * 3 - 3) for t in (2, 4, 6) for k in range(3)]


def test_clients_send_in_start_stop_and_no_more_than_the_limit():
    assert story("clients: {count: 2, think: 2s}, start: 1s, stop: 5s", seconds=9).times("SENT") == [3, 3]
    assert story("clients: {count: 2, think: 2s}, limit: 3", seconds=9).times("SENT") == [2, 2, 4]


def test_a_blocked_client_thinks_when_there_was_room_for_its_message():
    rows = story("clients: {count: 2, think: 1s}, on_reject: block", "capacity: {messages: 1, when_full: reject}",
                 "consumers: {c: {from: q, service: 3s}}", seconds=10)  # fmt: skip
    assert rows.life(0)[:2] == [(1, "SENT"), (1, "ACCEPTED")]
    assert rows.times("ACCEPTED") == [1, 4, 7], "there is room for one"
    assert rows.times("SENT", attempt=1) == [1, 1, 2, 5, 8], "whoever is let in at 4 s thinks until 5 s"


def test_a_client_whose_message_is_refused_for_good_goes_on_thinking():
    full = "capacity: {messages: 1, when_full: reject}"
    assert story("clients: {count: 2, think: 1s}", full, seconds=4).times("REJECTED") == [1, 2, 2, 3, 3]
    again = "clients: {count: 2, think: 1s}, on_reject: {attempts: 2, backoff: fixed, first: 500ms}"
    assert story(again, full, seconds=4).times("SENT", attempt=1) == [1, 1, 2, 2.5, 3.5], "1.5 s a round"


def test_a_client_that_hears_nothing_goes_on_when_its_last_try_has_timed_out():
    rows = story("clients: {count: 1, think: 1s}, timeout: 2s", "imperfections: {lose_send: 100%}", seconds=9)
    assert rows.times("SENT") == [1, 4, 7] and rows.times("TIMED_OUT") == [3, 6]


def test_clients_of_a_paused_producer_ask_when_it_goes_on():
    pause = "timeline: {off: {at: 1s, for: 4s, pause: p}}"
    assert story("clients: {count: 2, think: 2s}", more=pause, seconds=8).times("SENT") == [5, 5, 7, 7]


def test_a_clients_thoughts_are_its_own_however_many_there_are():
    think = "think: {exponential: {mean: 1s}}"
    few, many = (story(f"clients: {{count: {n}, {think}}}", seconds=30) for n in (2, 20))
    assert set(few.times("SENT")) < set(many.times("SENT"))


def test_who_works_on_what_clients_send_may_be_a_callback():
    text = "clients: {count: 5, think: {exponential: {mean: 1s}}}"
    rows = [story(text, consumers="consumers: {c: {from: q, service: 300ms}}", quick=quick).rows for quick in (True, False)]
    assert rows[0] == rows[1]


# --- a bounded queue --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rate", "places"), [("1/s", 4), ("2/s", 3)])
def test_a_bounded_queue_refuses_the_share_that_the_formula_says(rate, places):
    """M/M/1/K, 20 seeds: on the ideal queue the one at work has one of the K places."""
    made = plan(f"queues: {{q: {{capacity: {{messages: {places}, when_full: reject}}}}}}\nproducers: {{p: {{to: q, rate: {rate}}}}}\n"
                "consumers: {c: {from: q, service: {exponential: {mean: 800ms}}}}", seconds=4000)  # fmt: skip
    refused = [Numbers(simulate(made, seed)).value("p.rejected share from 100s") for seed in range(1, 21)]
    low, high = stats.t.interval(0.99, 19, sum(refused) / 20, stats.sem(refused))
    assert low < theory.mm1k(float(rate[0]), 1 / 0.8, places).blocked < high


def test_the_profile_of_a_day_has_as_many_steps_as_anybody_likes():
    """48 half hours, each with its own rate: every one has exactly its share of messages."""
    rates = [10 + (k * 7) % 23 for k in range(48)]
    steps = "".join(f", {{jump: {rate}/m}}, {{hold: 30m}}" for rate in rates)
    rows = story(f"rate: 1/m, arrivals: regular, stages: [{steps[2:]}]", seconds=86400)
    sent = [0] * 48
    for row in rows.of("SENT"):
        sent[row.time // (1800 * SECOND)] += 1
    assert sent == [30 * rate for rate in rates]


def test_who_is_slowed_down_again_and_again_sends_as_much_as_its_rates_say():
    rows = story("rate: 20/s, arrivals: regular, slow_down: {watch: q.visible, above: 5, resume_below: 3, to: 2/s}",
                 consumers="consumers: {c: {from: q, service: 100ms}}", seconds=1200)  # fmt: skip
    changes = [(0, 0), *((row.time / SECOND, row.other) for row in rows.of("SLOWED")), (1200, 0)]
    assert len(changes) > 500
    due = sum((after - at) * (2 if is_slow else 20) for (at, is_slow), (after, _) in pairwise(changes))
    assert abs(rows.count("SENT") - due) < 1
