"""Autoscalers: their formulas against the examples of the pages that state them, and what follows in a run."""

from collections import deque
from dataclasses import replace
from math import ceil

import pytest

from qsim.kernel.journal import Kind
from qsim.scenario.plan import Autoscale, Constant, Policy
from qsim.sim.autoscale import FORMULAS, Past, decide, most_now
from qsim.units import MINUTE, SECOND
from tests.sim.runs import run

PLAIN = Autoscale(Policy.HPA, (), 1.0, 1, 100, MINUTE, 0, Constant(0), 0.0, 0, True)
LIKE_KUBERNETES = replace(PLAIN, tolerance=0.1, scale_down_after=300 * SECOND, every=15 * SECOND)


def wants(policy, value, target, count, ready=None, tolerance=0.0, **more):
    settings = replace(PLAIN, policy=policy, target=target, tolerance=tolerance, **more)
    return FORMULAS[policy](settings, value, count, count if ready is None else ready)


# --- formulas ---------------------------------------------------------------------------------------------------------


def test_backlog_per_consumer_as_ec2_auto_scaling_explains_it():
    # "Scaling policy based on Amazon SQS": 1,500 messages, 10 instances, 0.1 s a message, 10 s acceptable:
    # the target is 100, the backlog per instance 150, and five instances are added
    target = 10 / 0.1
    assert target == 100 and 1500 / 10 == 150
    assert wants(Policy.BACKLOG_PER_CONSUMER, 1500, target, 10) == 15


def test_keda_as_its_sqs_scaler_explains_it():
    # "AWS SQS Queue": one pod handles 10 messages, 30 are in the queue: 3 pods
    assert wants(Policy.KEDA, 30, 10, 1) == 3
    assert wants(Policy.KEDA, 31, 10, 1) == 4, "rounded up"


def test_keda_activates_one_and_leaves_the_rest_to_the_next_look():
    # "Scaling Deployments": activation is 0 to 1, scaling 1 to n
    assert wants(Policy.KEDA, 500, 5, 0) == 1 and wants(Policy.KEDA, 0, 5, 0) == 0
    assert wants(Policy.KEDA, 500, 5, 1) == 100


@pytest.mark.parametrize("value, pods", [(200, 6), (50, 2), (100, 3), (109, 3), (91, 3), (111, 4), (89, 3)])
def test_an_hpa_as_kubernetes_explains_it(value, pods):
    # "Horizontal Pod Autoscaling", algorithm details: 200m against 100m doubles, 50m halves; nothing within 10 %
    assert wants(Policy.HPA, value, 100, 3, tolerance=0.1) == pods


def test_pods_that_are_not_ready_are_set_aside_by_an_hpa():
    assert wants(Policy.HPA, 200, 100, 6, ready=3) == 6, "twice as many as are ready: they are on their way"
    assert wants(Policy.HPA, 200, 100, 0) == 2


def test_floating_point_adds_no_process():
    assert (0.1 + 0.2) / 0.1 > 3
    assert wants(Policy.HPA, 0.1 + 0.2, 0.1, 1) == 3


STEPS = ((60, 10), (75, 30), (85, 40))


@pytest.mark.parametrize("value, add", [(60, 0), (61, 10), (75, 10), (76, 30), (85, 30), (86, 40), (1000, 40)])
def test_the_highest_step_that_is_passed_counts(value, add):
    # "Step and simple scaling policies for Amazon EC2 Auto Scaling": +10 at 60 %, +30 at 75 %, +40 at 85 %
    base = 10 if value > 60 else 1
    assert wants(Policy.STEPS, value, 1, 10, steps=STEPS) == base + add, "with none passed: back to min"


def test_who_starts_up_counts_as_added_already():
    # the same page, instance warmup: one step is taken once, a higher one adds what is missing to it
    assert wants(Policy.STEPS, 61, 1, 20, ready=10, steps=STEPS) == 20
    assert wants(Policy.STEPS, 76, 1, 20, ready=10, steps=STEPS) == 40


def test_a_negative_step_takes_away_but_not_while_somebody_starts():
    down = ((0, -2), (10, 0), (50, 5))
    assert wants(Policy.STEPS, 5, 1, 8, steps=down) == 6
    assert wants(Policy.STEPS, 5, 1, 8, ready=7, steps=down) == 8


# --- bounds, and how quickly ------------------------------------------------------------------------------------------


def test_within_min_and_max():
    settings = replace(PLAIN, policy=Policy.BACKLOG_PER_CONSUMER, min=2, max=9)
    assert [decide(settings, Past(), 0, value, 5, 5) for value in (0, 1, 7, 100)] == [2, 2, 7, 9]


def test_down_only_to_the_most_that_was_recommended_within_the_window():
    # "Horizontal Pod Autoscaling": the highest of the last 300 s; the window is open where it begins
    past, count, seen = Past(recommended=deque([(0, 10)])), 10, []
    for k, value in enumerate([10, 4, 7, 2, 2, 2, 2], start=1):
        count = decide(replace(LIKE_KUBERNETES, scale_down_after=60 * SECOND, tolerance=0.0), past, k * 15 * SECOND, value / count, count, count)
        seen.append(count)
    assert seen == [10, 10, 10, 10, 7, 7, 2], "10 leaves the window at 75 s, 4 at 90 s, 7 at 105 s"


def test_up_at_once_but_at_most_twice_or_four_more_in_15_s():
    # "Horizontal Pod Autoscaling", default behavior: Percent 100 and Pods 4 per 15 s, the larger
    past, count, seen = Past(), 1, []
    for k in range(5):
        count = decide(LIKE_KUBERNETES, past, k * 15 * SECOND, 100.0, count, count)
        seen.append(count)
    assert seen == [5, 10, 20, 40, 80]
    past = Past(changed=deque([(10 * SECOND, 4)]))
    assert most_now(past, 24 * SECOND, 5) == 5, "four more already, in these 15 s"
    assert most_now(past, 25 * SECOND, 5) == 10


def test_an_ec2_group_has_no_such_limit():
    assert decide(replace(PLAIN, policy=Policy.BACKLOG_PER_CONSUMER), Past(), 0, 90.0, 1, 1) == 90


# --- in a run ---------------------------------------------------------------------------------------------------------

BACKLOG = "policy: backlog-per-consumer, metric: visible, target: 10, max: 9, every: 10s, scale_down_after: 0s"


def story(scaler, producer="rate: 5/s, arrivals: regular", consumer="service: 10h, count: 1", timeline="", extra="", **how):
    return run(
        f"""
queues: {{q: {{}}, other: {{}}}}
producers: {{p: {{to: q, {producer}}}}}
consumers: {{c: {{from: q, {consumer}, autoscale: {{{scaler}}}}}}}
timeline: {{{timeline}}}
{extra}
""",
        **how,
    )


def scaled(rows):
    return [(row.time / SECOND, row.other) for row in rows.of("SCALED")]


def test_it_looks_every_so_often_and_writes_only_changes():
    rows = story(BACKLOG, seconds=45)
    # nothing is ever finished: 5 k + 1 were sent by k s, and one is with each process
    assert scaled(rows) == [(10, 5), (20, 10 - 1), ]
    assert rows.times("UP") == [0, 10, 10, 10, 10, 20, 20, 20, 20]
    assert not rows.of("STARTED_UP"), "without a start-up they take work at once"
    assert rows.count("RECEIVED") == 9


def test_it_sees_the_metric_as_it_was_a_while_ago():
    now, lagging = (scaled(story(f"{BACKLOG}, metric_lag: {lag}", "rate: 1/s, arrivals: regular", seconds=100)) for lag in ("0s", "7s"))
    def visible(second, count):  # sent until then, the first at 0; one is with each process
        return second + 1 - count
    for looks, lag in ((now, 0), (lagging, 7)):
        expected, count = [], 1
        for second in range(10, 100, 10):
            want = min(9, max(1, ceil(visible(second - lag, count) / 10)))
            if want != count:
                expected.append((second, want))
                count = want
        assert looks == expected
    assert now != lagging


def test_with_a_lag_longer_than_its_period_it_waits_until_there_is_something_to_see():
    rows = story(f"{BACKLOG}, metric_lag: 25s", seconds=45)
    # at 30 s it sees 5 s (26 sent, 25 visible), at 40 s 15 s (76 sent, 75 visible)
    assert scaled(rows) == [(30, 3), (40, 8)]


def test_a_new_process_is_there_at_once_and_takes_work_once_it_has_started():
    rows = story(f"{BACKLOG}, startup: 7s", seconds=30)
    assert rows.times("UP")[:5] == [0, 10, 10, 10, 10] and rows.times("STARTED_UP")[:4] == [17] * 4
    assert rows.times("RECEIVED")[:5] == [0, 17, 17, 17, 17]
    assert rows.at(17, "STARTED_UP", "RECEIVED") == ["STARTED_UP"] * 4 + [f"RECEIVED {k}" for k in (1, 2, 3, 4)]


def test_start_up_counts_in_count_and_consumer_hours():
    from qsim.metrics.numbers import Numbers

    numbers = Numbers(story(f"{BACKLOG}, startup: 7s", seconds=20).recording)
    assert numbers.value("c.count at 12s") == 5
    assert numbers.value("c.consumer_hours total") == pytest.approx((20 + 4 * 10) / 3600)


def test_the_nth_start_up_has_its_own_luck_whatever_else_happens():
    slow = "startup: {uniform: {min: 1s, max: 9s}}"
    few, many = (story(f"{BACKLOG}, {slow}", f"rate: {rate}/s, arrivals: regular", seconds=100) for rate in (3, 5))

    def lengths(rows):
        ups = [row for row in rows.of("UP") if row.time]
        return [next(s.time for s in rows.of("STARTED_UP", client=up.client) if s.time >= up.time) - up.time for up in ups]

    assert len(set(lengths(many))) == 8 and lengths(few) == lengths(many)[: len(lengths(few))]


SHRINKS = "policy: backlog-per-consumer, target: 1, min: 1, max: 3, every: 10s, scale_down_after: 0s"


def test_who_leaves_finishes_what_it_has():
    rows = story(SHRINKS, "rate: 1/s, arrivals: regular, limit: 3", "service: 15s, count: 3", seconds=40)
    assert scaled(rows) == [(10, 1)], "nothing is visible any more"
    assert rows.times("DOWN") == [16, 17] and rows.count("EFFECT") == 3


def test_or_is_killed_with_all_it_holds():
    rows = story(f"{SHRINKS}, graceful: false", "rate: 1/s, arrivals: regular, limit: 4", "service: 15s, count: 3", seconds=70)
    assert [str(r) for r in rows.rows if r.time == 10 * SECOND] == ["SCALED", "INTERRUPTED 1", "DOWN", "RETURNED 1", "INTERRUPTED 2", "DOWN", "RETURNED 2"]
    assert scaled(rows) == [(10, 1), (20, 2), (30, 1)], "what is killed is visible again, and wants one more"
    assert rows.times("UP") == [0, 0, 0, 20], "a killed one does not come back by itself"
    assert rows.count("EFFECT") == 4 and rows.count("RECEIVED") == 7


def test_who_has_not_left_yet_and_is_wanted_again_stays():
    settings = "policy: backlog-per-consumer, target: 2, max: 2, every: 5s, scale_down_after: 0s, startup: 3s"
    rows = story(settings, "rate: 0.25/s, arrivals: regular", "service: 30s, count: 2", seconds=29)
    assert scaled(rows) == [(5, 1), (20, 2)]
    assert rows.count("UP") == 2 and rows.count("DOWN") == 0 and not rows.of("STARTED_UP")


def test_who_is_still_starting_leaves_at_once():
    rows = story(f"{SHRINKS}, startup: 1m", "rate: 2/s, arrivals: regular, limit: 5", "service: 1h", timeline="clean: {at: 15s, purge: q}", seconds=100)
    assert scaled(rows) == [(10, 3), (20, 1)]
    assert rows.times("DOWN") == [20, 20] and not rows.of("STARTED_UP")


def test_a_crashed_process_is_wanted_and_comes_back():
    boom = "boom: {at: 12s, crash: {consumer: c, count: 2}}"
    rows = story(BACKLOG, consumer="service: 10h, failures: {restart_after: 30s}", timeline=boom, seconds=50)
    assert rows.times("UP") == [0, 10, 10, 10, 10, 20, 20, 20, 20, 42, 42], "no replacement in between"


def test_an_hpa_does_not_count_who_is_starting():
    # the age is three times the target: 1 ready x 3, not 3 x 3
    rows = story("policy: hpa, metric: oldest_age, target: 5s, max: 20, every: 15s, startup: 1m", "rate: 1/s, arrivals: regular", seconds=35)
    assert scaled(rows) == [(15, 3), (30, 6)], "message 1 is 14 s old at 15 s, and 29 s at 30 s"


def test_several_queues_are_added_up():
    rows = run("""
        queues: {a: {}, b: {}}
        producers: {p: {to: a, rate: 1/s, arrivals: regular}, r: {to: b, rate: 2/s, arrivals: regular}}
        consumers: {c: {from: [a, b], count: 0, service: 10h, autoscale: {policy: keda, metric: visible, every: 30s}}}
    """, seconds=35)  # fmt: skip
    assert scaled(rows) == [(30, 1)], "KEDA activates one"
    rows = run("""
        queues: {a: {}, b: {}}
        producers: {p: {to: a, rate: 1/s, arrivals: regular}, r: {to: b, rate: 2/s, arrivals: regular}}
        consumers: {c: {from: [a, b], count: 1, service: 10h, autoscale: {policy: backlog-per-consumer, target: 10, max: 100, every: 30s}}}
    """, seconds=35)  # fmt: skip
    assert scaled(rows) == [(30, ceil((31 + 61 - 1) / 10))]


def test_it_follows_what_is_no_series_over_its_own_period():
    rows = story("policy: hpa, metric: p.rate, target: 2/s, max: 20, every: 15s", "rate: 6/s, arrivals: regular", seconds=20)
    assert scaled(rows) == [(15, 3)]


def test_it_can_follow_a_consumer():
    busy = "policy: hpa, metric: c.utilization, target: 50%, max: 8, every: 15s"
    rows = story(busy, "rate: 1/s, arrivals: regular", seconds=50)
    assert scaled(rows) == [(15, 2), (30, 4), (45, 8)], "always busy: twice as many"


def test_it_decides_after_the_alerts_of_its_instant():
    rows = story(BACKLOG, extra="alerts: {bell: {when: c.count, above: 4}}", seconds=15)
    assert rows.at(10, "SCALED", "UP", "FIRED") == ["SCALED", "UP", "UP", "UP", "UP", "FIRED"]
    rows = story(BACKLOG, extra="alerts: {bell: {when: q.visible, above: 49}}", seconds=15)
    assert rows.at(10, "SCALED", "FIRED") == ["FIRED", "SCALED"]


def test_an_autoscaler_that_changes_nothing_changes_no_row():
    still = "policy: backlog-per-consumer, target: 1000, min: 3, max: 9, every: 1s"
    work = "service: {exponential: {mean: 400ms}}, count: 3, failures: {error: 20%}"
    arrivals = "rate: 6/s"
    plain = run(f"queues: {{q: {{}}, other: {{}}}}\nproducers: {{p: {{to: q, {arrivals}}}}}\nconsumers: {{c: {{from: q, {work}}}}}", seconds=60)
    assert story(still, arrivals, work, seconds=60).rows == plain.rows


@pytest.mark.parametrize("graceful", ["true", "false"])
def test_pushed_to_and_several_at_a_time(graceful):
    work = "service: {exponential: {mean: 2s}}, concurrency: 3, push: {prefetch: 5}"
    rows = story(f"policy: backlog-per-consumer, target: 5, max: 6, every: 3s, scale_down_after: 6s, startup: 2s, graceful: {graceful}",
                 "rate: 9/s, arrivals: regular, stages: [{hold: 30s}, {jump: 0.2/s}, {hold: 60s}]", work, seconds=120)  # fmt: skip
    counts = [other for _, other in scaled(rows)]
    assert max(counts) == 6 and counts[-1] == 1
    assert rows.count("EFFECT") == rows.count("ACKED") and (rows.count("INTERRUPTED") > 0) == (graceful == "false")
    state = {}
    for row in rows.rows:
        if row.kind in (Kind.UP, Kind.DOWN, Kind.STARTED_UP):
            state[row.client] = row.kind if row.time else Kind.STARTED_UP
        if row.kind == Kind.RECEIVED:
            assert state[row.client] == Kind.STARTED_UP
