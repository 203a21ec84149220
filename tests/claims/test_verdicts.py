"""What is expected, and what is said about it."""

from dataclasses import replace
from random import Random

import pytest

from qsim.claims.verdicts import Reading, decide, judge, verdicts
from qsim.claims.words import say
from qsim.kernel.journal import Cause, Kind, Place
from qsim.scenario.plan import Ack, Expectation
from qsim.scenario.reference import TIME, parse
from qsim.units import SECOND
from tests.stories import Story, consumer, plan


def expectation(that, predicate, value, fails_in=(), otherwise=None):
    return Expectation(parse(that) if that else None, that or predicate, predicate, value, otherwise, tuple(fails_in))


def one_wait(seconds, **settings):
    """A run in which one message waits so long."""
    return Story(**settings).send(0, "a").receive(seconds, "a").numbers()


def verdict(run, that, predicate, value, **more):
    runs = run if isinstance(run, list) else [run]
    return judge(expectation(that, predicate, value, **more), runs[0].plan, runs)


# --- one run is compared exactly --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("predicate", "value", "expected"),
    [
        ("is", 2 * SECOND, "pass"),
        ("is", 2 * SECOND + 1, "fail"),
        ("above", 2 * SECOND, "fail"),
        ("above", 2 * SECOND - 1, "pass"),
        ("below", 2 * SECOND, "fail"),
        ("below", 2 * SECOND + 1, "pass"),
        ("at_least", 2 * SECOND, "pass"),
        ("at_least", 2 * SECOND + 1, "fail"),
        ("at_most", 2 * SECOND, "pass"),
        ("at_most", 2 * SECOND - 1, "fail"),
        ("between", (2 * SECOND, 3 * SECOND), "pass"),
        ("between", (0, 2 * SECOND - 1), "fail"),
        ("within", (0.1, 2.2 * SECOND), "pass"),
        ("within", (0.01, 2.2 * SECOND), "fail"),
    ],
)
def test_one_run_is_compared_to_the_nanosecond(predicate, value, expected):
    assert verdict(one_wait(2), "orders.wait max", predicate, value).verdict == expected


def test_a_value_may_be_another_reference():
    run = Story().send(0, "a").send(1, "b").receive(2, "a").numbers()
    assert verdict(run, "orders.accepted total", "is", parse("shop.sent total")).verdict == "pass"
    failed = verdict(run, "orders.received total", "is", parse("shop.sent total"))
    assert failed.lines()[0] == "✗ orders.received total: expected shop.sent total (2), got 1"


def test_means_are_compared_within_1e_9():
    # "`is` compares counts and times exactly (ns), shares and means within 1e-9"
    run = (
        Story()
        .send(0, "a")
        .send(0, "b")
        .send(0, "c")
        .receive(1, "a")
        .lease_ended(2, "a")
        .receive(3, "a", 2)
        .receive(3, "b")
    )
    assert verdict(run.numbers(), "orders.redelivered share", "is", 1 / 3 + 1e-12).verdict == "pass"
    assert verdict(run.numbers(), "orders.redelivered share", "is", 0.3334).verdict == "fail"


def test_without_data_nothing_is_decided():
    # "a metric without values is inconclusive, "no data""
    found = verdict(Story().numbers(), "orders.wait p95", "below", SECOND)
    assert (found.verdict, found.got, found.is_met, found.observed) == ("inconclusive", "no data", None, None)


def test_a_queue_that_never_drained_is_later_than_any_bound():
    found = verdict(Story().send(0, "a").numbers(), "orders.drained_at", "below", 3600 * SECOND)
    assert (found.verdict, found.got, found.observed) == ("fail", "never", "never")


def test_growth_is_the_slope_over_the_window():
    tell = Story()
    for i, letter in enumerate("abcdefghij"):
        tell.send(i, letter)
    run = tell.numbers()
    assert verdict(run, "orders.visible", "grows_at", (1.0, 0.001)).verdict == "pass"
    assert verdict(run, "orders.visible from 5s", "grows_at", (1.0, 0.001)).verdict == "pass"
    assert verdict(run, "orders.visible", "grows_at", (1.1, 0.01)).got == "1/s"


# --- a failure that is meant -------------------------------------------------------------------------------------------


def test_fails_in_means_that_it_must_fail_there():
    # "there it is met when it fails, and failed when it holds (a strict xfail)"
    run, base = one_wait(2), ["base"]
    fails = verdict(run, "orders.wait max", "below", SECOND, fails_in=base)
    assert (fails.verdict, fails.is_met, fails.mark) == ("fail", True, "✗ expected")
    holds = verdict(run, "orders.wait max", "below", 3 * SECOND, fails_in=base)
    assert (holds.verdict, holds.is_met, holds.mark) == ("pass", False, "✗")
    assert holds.lines() == ["✗ orders.wait max: expected to fail here, but it is below 3s: got 2s"]
    elsewhere = verdict(run, "orders.wait max", "below", 3 * SECOND, fails_in=["slow"])
    assert (elsewhere.is_met, elsewhere.mark) == (True, "✓")


# --- several runs ------------------------------------------------------------------------------------------------------


def replications(*seconds):
    runs = [one_wait(s) for s in seconds]
    for i, run in enumerate(runs):
        run.recording.replication = i + 1
    return runs


def test_with_replications_the_whole_interval_must_be_on_one_side():
    runs = replications(1.0, 1.1, 0.9, 1.05, 0.95)
    below = verdict(runs, "orders.wait max", "below", 2 * SECOND)
    assert (below.verdict, below.observed) == ("pass", pytest.approx(1.0))
    assert below.interval == pytest.approx((0.9018, 1.0982), abs=1e-4)
    assert verdict(runs, "orders.wait max", "below", SECOND // 2).verdict == "fail"


def test_what_is_not_decided_says_how_many_would_do():
    found = verdict(replications(1.0, 1.1, 0.9, 1.05, 0.95), "orders.wait max", "below", 1_050_000_000)
    assert found.verdict == "inconclusive"
    assert found.got == "1s ±98.16ms with 5 replications; about 20 are needed"


def test_is_must_hold_in_every_replication_and_names_the_one_that_differs():
    # "holds if it holds exactly in every replication, and fails if one differs (its seed is named)"
    assert verdict(replications(1, 1, 1), "orders.wait max", "is", SECOND).verdict == "pass"
    found = verdict(replications(1, 1, 2), "orders.wait max", "is", SECOND)
    assert (found.verdict, found.got) == ("fail", "2s in replication 3 of seed 1")


def test_a_replication_without_data_leaves_it_open():
    runs = [*replications(1, 1), Story().numbers()]
    assert verdict(runs, "orders.wait max", "below", 2 * SECOND).got == "no data in 1 of 3 replications"


def test_against_another_reference_replications_are_compared_in_pairs():
    runs = [Story().send(0, "a").receive(s, "a").ack(s + 0.5, "a").numbers() for s in (1, 3, 5, 7)]
    assert verdict(runs, "orders.wait max", "below", parse("orders.latency max")).verdict == "pass"


# --- the whole run -----------------------------------------------------------------------------------------------------


def claim(story, name, value):
    return verdict(story.numbers(), None, name, value)


def test_no_message_lost():
    tell = Story().send(0, "a").row(1, Kind.DROPPED, "a", cause=Cause.FULL, other=Place.READY)
    found = claim(tell, "no_message_lost", True)
    assert (found.verdict, found.got, found.observed) == ("fail", "1", 1)
    assert any("qsim trace story --message shop:0" in line for line in found.lines())
    assert claim(Story().send(0, "a"), "no_message_lost", True).verdict == "pass"


def test_at_most_once_is_about_effects_not_deliveries():
    tell = Story().send(0, "a").receive(0, "a").lease_ended(1, "a").receive(1, "a", 2).effect(2, "a", 2)
    assert claim(tell, "at_most_once", "orders").verdict == "pass"
    assert claim(tell.effect(3, "a", 1), "at_most_once", "orders").verdict == "fail"


def test_at_least_once_lets_a_message_wait_but_not_vanish():
    tell = (
        Story(queues=["orders", "dlq"], consumers=[consumer(ack=Ack.ON_RECEIVE)]).send(0, "a").send(0, "b").send(0, "c")
    )
    tell.receive(1, "a").dead_letter(2, "a").receive(2, "b").acked(2, "b")
    assert claim(tell, "at_least_once", "orders").verdict == "pass"
    assert claim(tell.work(3, Kind.INTERRUPTED, "b"), "at_least_once", "orders").verdict == "fail"


def test_in_order_within_a_group():
    tell = Story().send(0, "a", group=1).send(1, "b", group=2).receive(2, "b").receive(3, "a")
    assert claim(tell, "in_order", {"queue": "orders", "by": "group"}).verdict == "pass"
    assert claim(tell, "in_order", {"queue": "orders", "by": "queue"}).verdict == "fail"


def test_little_s_law_from_independent_counters():
    tell = Story(duration=20)
    for i, letter in enumerate("abcdefghij"):
        tell.send(2 * i, letter).receive(2 * i, letter).ack(2 * i + 1, letter)
    found = claim(tell, "little_law", {"queue": "orders", "within": 0.02})
    assert (found.verdict, found.got[:7]) == ("pass", "L = 0.5")
    late = Story(duration=20).send(0, "a").receive(0, "a").send(0, "b").ack(1, "a")
    assert claim(late, "little_law", {"queue": "orders", "within": 0.02}).verdict == "fail"


def test_stable_is_no_trend_in_visible():
    grows, stays = Story(duration=26), Story(duration=26)
    for i, letter in enumerate("abcdefghijklmnopqrstuvwxyz"):
        grows.send(i, letter)
        stays.send(i, letter).receive(i + 0.5, letter).ack(i + 0.5, letter)
    assert claim(grows, "stable", "orders").verdict == "fail"
    assert claim(stays, "stable", "orders").verdict == "pass"


# --- the feedback ------------------------------------------------------------------------------------------------------


def test_a_failure_says_what_happened_and_why():
    tell = Story(duration=4).up(0)
    for i, letter in enumerate("abcd"):
        tell.send(i, letter)
    tell.receive(0, "a").ack(2, "a").receive(2, "b")
    found = verdict(tell.numbers(), "orders.visible at end", "is", 0, otherwise="look at the rate")
    assert found.lines() == [
        "✗ orders.visible at end: expected 0, got 2",
        "    What happened  shop sent 4 in 4s (1/s)",
        "                   worker received 2, with 1 effect (0.25/s)",
        "                   worker was busy 100 % of the time",
        "    Because        orders: 4 accepted - 1 acked = 2 visible + 1 in flight",
        "                   1 x 1/1s = 1/s is all that worker can do, and 1/s arrive: a difference of 0/s",
        "    Try            find the fewest n with n/1s not below 1/s, with something to spare where chance plays: consumers.worker.count",
        "    See            lesson 01-core-model, section Explain",
        "    look at the rate",
    ]


def test_the_message_that_decides_is_named():
    tell = Story().send(0, "a").receive(1, "a").ack(2, "a").send(2, "b").receive(8, "b")
    found = verdict(tell.numbers(), "orders.wait max", "below", 2 * SECOND)
    assert found.lines()[0] == "✗ orders.wait max: expected below 2s, got 6s"
    assert any("message shop:1 was sent at 2s and received once" in line for line in found.lines())
    assert found.lines()[-2].endswith("qsim trace story --message shop:1")


def test_a_variant_is_in_the_trace_line():
    run = one_wait(8)
    run.plan = run.recording.plan = replace(run.plan, variant="slow")
    found = verdict(run, "orders.wait max", "below", SECOND)
    assert found.lines()[-2].endswith("--message shop:0 --variant slow")


def test_every_expectation_of_a_plan_is_judged():
    expects = [expectation("orders.accepted total", "is", 1), expectation(None, "stable", "orders")]
    tell = Story(expect=expects).send(0, "a")
    assert [v.verdict for v in verdicts(tell.plan, [tell.numbers()])] == ["pass", "pass"]
    assert verdicts(plan(), [tell.numbers()]) == []


def test_a_verdict_for_machines():
    # "expectations": [{"that", "predicate", "value", "observed", "verdict"}], times in seconds
    found = verdict(one_wait(2), "orders.wait max", "between", (SECOND, 3 * SECOND)).json()
    assert found == {
        "that": "orders.wait max",
        "predicate": "between",
        "value": [1.0, 3.0],
        "observed": 2.0,
        "verdict": "pass",
        "expected_failure": False,
        "met": True,
    }


# --- edges that a change of the code once slipped through --------------------------------------------------------------


@pytest.mark.parametrize(("of", "expected"), [(1.8, "fail"), (1.9, "pass"), (2.1, "pass"), (2.3, "fail")])
def test_within_looks_to_both_sides(of, expected):
    assert verdict(one_wait(2), "orders.wait max", "within", (0.1, of * SECOND)).verdict == expected


def test_between_is_told_in_words():
    found = verdict(one_wait(2), "orders.wait max", "between", (3 * SECOND, parse("orders.latency max")))
    assert (found.verdict, found.expected) == ("inconclusive", "between 3s and orders.latency max (no data)")
    assert verdict(one_wait(2), "orders.wait max", "between", (3 * SECOND, 4 * SECOND)).expected == "between 3s and 4s"


def test_little_s_law_holds_over_moves():
    tell = Story(duration=4, queues=["orders", "dlq"])
    tell.send(0, "a").receive(0, "a").dead_letter(1, "a").redrive(2, "a").receive(2, "a", 2).ack(3, "a", 2)
    found = claim(tell, "little_law", {"queue": "orders", "within": 0.02})
    assert (found.verdict, found.got[:7]) == ("pass", "L = 0.5")
    assert claim(Story(), "little_law", {"queue": "orders"}).verdict == "inconclusive"


def test_noise_is_no_trend_and_a_falling_queue_is_stable():
    noise, falls = Story(duration=26), Story(duration=26)
    for i, letter in enumerate("abcdefghijklmnopqrstuvwxyz"):
        noise.send(i, letter).receive(i + (0.9 if i * 7 % 5 > 2 else 0.2), letter)
        falls.send(0, letter).receive(i + 0.5, letter)
    assert claim(noise, "stable", "orders").verdict == "pass"
    assert claim(falls, "stable", "orders").verdict == "pass"


def test_the_larger_spread_needs_more_replications():
    found = verdict(replications(1, 3, 1, 3), "orders.wait max", "below", 2_100_000_000)
    assert found.got.endswith("with 4 replications; about 1,351 are needed")


def test_several_replications_tell_machines_how_well_it_is_known():
    found = verdict(replications(1.0, 1.1, 0.9, 1.05, 0.95), "orders.wait max", "below", 1_050_000_000).json()
    assert found["interval"] == pytest.approx([0.901838, 1.098162], abs=1e-6)  # 1 s ± 2.776 * 0.0790569 / sqrt(5)
    assert (found["verdict"], found["needed"]) == ("inconclusive", 20)
    decided = verdict(replications(1.0, 1.1, 0.9), "orders.wait max", "below", 2 * SECOND).json()
    assert (decided["verdict"], decided["needed"]) == ("pass", None)
    no_number = verdict(replications(1, 2), "orders.wait max", "below", 1_500_000_000)
    assert no_number.json()["needed"] is None and no_number.got.endswith("no number of them would decide")


def test_as_many_replications_as_are_said_to_be_needed_decide_as_often_as_not():
    """400 series of normal values a third of a deviation below what is expected.  The number is a forecast from a
    few: it decides in half of the cases where the mean stays what it is, and here, where the first few had to leave it
    open, in two of three; half as many decide in one of three."""
    plan_, that, random = plan(), expectation("orders.wait max", "below", 300_000_000), Random(5)

    def decided(values):
        return decide(that, plan_, [Reading(r, 1, value, that.value) for r, value in enumerate(values, 1)])

    came_true = []
    for _ in range(400):
        values = [random.gauss(200e6, 300e6) for _ in range(10)]
        needed = decided(values).needed
        if needed is not None and needed <= 500:
            values += [random.gauss(200e6, 300e6) for _ in range(needed - len(values))]
            came_true.append(decided(values).verdict == "pass")
    assert len(came_true) > 200 and 0.5 < sum(came_true) / len(came_true) < 0.8, sum(came_true) / len(came_true)


@pytest.mark.parametrize(
    ("seconds", "told"), [(3601, "1h 0m 1s"), (3600, "1h 0m"), (3660, "1h 1m"), (119, "1m 59s"), (86_401, "1d 0h")]
)
def test_a_time_of_hours_is_told_to_the_second(seconds, told):
    assert say(seconds * SECOND, TIME) == told
