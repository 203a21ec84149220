"""Differences in pairs: exact ones, and how much narrower common luck makes them."""

import math
from dataclasses import replace
from statistics import median

import pytest

from qsim import CheckFailed, compare, expect, load
from qsim.study.compare import Difference, difference
from qsim.study.intervals import half_width

TWO = """
qsim: 1
name: two
run: {duration: 5m}
queues: {jobs: {}}
producers: {api: {to: jobs, rate: 10/s}}
consumers: {worker: {from: jobs, count: 2, service: {exponential: {mean: 150ms}}}}
"""


def test_what_the_luck_does_to_both_cancels():
    """Wild values, and always 1 more: the difference is exactly 1."""
    first = [3.0, 100.0, -20.0, 7.0]
    assert difference(first, [x + 1 for x in first]) == Difference(1.0, 0.0, True)
    assert difference(first, first) == Difference(0.0, 0.0, False)


def test_it_differs_where_the_interval_of_the_differences_leaves_zero_out():
    first = [10.0, 20.0, 30.0]
    found = difference(first, [11.0, 22.0, 33.0])  # 1, 2, 3: mean 2, half 4.303 * 1 / sqrt(3)
    assert found.mean == 2 and found.half == pytest.approx(2.484, abs=1e-3) and found.differs is False
    assert difference(first, [12.0, 22.0, 33.0]).differs is True  # 2, 2, 3: half 1.434


def test_one_pair_cannot_tell_and_what_never_happens_has_no_mean():
    assert difference([1.0], [2.0]) == Difference(1.0, None, None)
    assert difference([1.0, 2.0], [math.inf, math.inf]) == Difference(None, None, True)
    assert difference([1.0, 2.0], [1.0, math.inf]) == Difference(None, None, None)
    assert difference([1.0, None], [1.0, 2.0]) == Difference(None, None, None)


def test_pairs_are_narrower_on_a_scenario_as_people_write_them():
    """A lease of 30 s and one of 60 s on jobs that sometimes take minutes: arrivals and services are the same, so what
    the lease adds to the latency is known better from pairs than from two samples of their own: half widths of a
    third, as a rule, over five seeds."""
    s = load("visibility-timeout").set("run.duration", "40m")
    leases = {lease: s.set("queues.jobs.visibility_timeout", lease).set("expect", None) for lease in ("30s", "60s")}
    ratios = []
    for seed in range(1, 6):
        found = compare(leases, replications=6, seed=seed, metrics=["jobs.latency p95"])
        one, two = ([answer.told.exact["jobs.latency p95"] for answer in found.answers[name]] for name in leases)
        apart = math.hypot(half_width(one), half_width(two))
        ratios.append(found.difference("60s", "jobs.latency p95").half / apart)
    assert median(ratios) < 0.5 and max(ratios) < 0.8, ratios


# --- in Python --------------------------------------------------------------------------------------------------------


def test_a_comparison_is_a_table():
    s = load(text=TWO)
    found = compare({"two": s, "three": s.set("consumers.worker.count", 3)}, replications=3, metrics=["jobs.wait mean"])
    table = found.table()
    assert list(table.columns) == ["two", "three"]
    runs = [s.run(replication=r)["jobs.wait mean"] for r in (1, 2, 3)]
    assert table.loc["jobs.wait mean", "two"] == pytest.approx(sum(runs) / 3)
    frame = found.frame().set_index(["metric", "scenario"])
    row = frame.loc[("jobs.wait mean", "three")]
    assert row["difference_low"] < row["difference"] < row["difference_high"] < 0 and row["differs"]
    assert row["difference"] == pytest.approx(table.loc["jobs.wait mean", "three"] - table.loc["jobs.wait mean", "two"])


def test_what_cannot_be_compared():
    s = load(text=TWO)
    with pytest.raises(ValueError, match="two scenarios or more"):
        compare([s])
    with pytest.raises(ValueError, match="of different names"):
        compare([s, s])
    with pytest.raises(KeyError, match="did you mean 'wait'"):
        compare({"a": s, "b": s}, metrics=["jobs.wiat mean"])


def test_ctrl_c_in_one_run_ends_them_all(monkeypatch):
    from qsim.study import tasks

    ran, perform = [], tasks.perform

    def interrupted(task, ask, progress=None):
        ran.append(task)
        return replace(perform(task, ask, progress), stopped="interrupted" if len(ran) == 2 else None)

    monkeypatch.setattr(tasks, "perform", interrupted)
    s = load(text=TWO)
    with pytest.raises(KeyboardInterrupt):
        compare({"a": s, "b": s}, replications=3)
    assert len(ran) == 2


def replications(s, n=4):
    return [s.run(replication=r) for r in range(1, n + 1)]


def test_improves_is_about_differences_in_pairs():
    s = load(text=TWO)
    base, better = replications(s), replications(s.set("consumers.worker.count", 3))
    found = expect(better, than=base).that("jobs.latency p95").improves()
    assert found.verdict == "pass" and "a gain of " in found.got and "with 4 replications" in found.got
    with pytest.raises(CheckFailed, match=r"jobs.latency p95: expected less than .*, got .*, a gain of -"):
        expect(base, than=better).that("jobs.latency p95").improves()
    # one pair is compared exactly; the same is no improvement
    assert expect(better[0], than=base[0]).that("jobs.latency p95").improves().verdict == "pass"
    with pytest.raises(CheckFailed):
        expect(base, than=base).that("jobs.latency p95").improves()


def test_more_is_better_of_what_gets_done():
    s = load(text=TWO).set("consumers.worker.count", 1)
    base, better = replications(s, 3), replications(s.set("consumers.worker.count", 2), 3)
    assert expect(better, than=base).that("worker.throughput mean").improves().expected.startswith("more than ")
    with pytest.raises(ValueError, match="neither better nor worse"):
        expect(better, than=base).that("worker.utilization mean").improves()


def test_improves_needs_the_same_luck():
    s = load(text=TWO)
    with pytest.raises(ValueError, match="same seeds and replications"):
        expect(s.run(seed=1), than=s.run(seed=2))
    with pytest.raises(ValueError, match="improves on what"):
        expect(s.run()).that("jobs.latency p95").improves()
