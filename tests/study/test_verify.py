"""The verification verified: its rows are what they say, its verdict holds for the engine and for no wrong theory.

The whole table is run by ``qsim verify --quick`` in CI; here is a part of it.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qsim import theory
from qsim.study.tasks import Task, execute
from qsim.study.verify import coverage as experiments
from qsim.study.verify import table
from qsim.study.verify.cases import cases
from qsim.study.verify.exact import EXACT
from qsim.study.verify.judge import covered, farthest, on_average, plausible
from qsim.study.verify.table import CUT, LONG, QUICK, REPLICATIONS, ask, planned, verdict
from qsim.units import SECOND

SMALL = [(seed, case) for seed, case in enumerate(cases(), 1) if case.settles < 80][::3]


@pytest.fixture(scope="module")
def small():
    """About twenty rows that settle soon, of nearly every family."""
    return verdict(SMALL, EXACT, QUICK)


def test_the_table_is_wide_enough():
    every = cases()
    quick = [case for case in every if case.settles <= LONG]
    assert len(quick) >= 40 and len({(case.model, case.setting, case.what) for case in every}) == len(every)
    models = {"M/M/1", "M/M/c", "M/D/1", "M/G/1", "M/G/inf", "priorities", "M/M/1/K", "M/M/c/K", "Erlang B", "leases"}
    assert {case.model for case in quick} == models | {"feedback", "M/M/c//N", "tandem"}
    assert any("ρ 0.3" in case.setting for case in quick) and any("ρ 0.95" in case.setting for case in every)
    assert any("c 64" in case.setting for case in quick)
    left_out = [case.setting for case in every if case.settles > LONG]
    assert len(left_out) == 3 and all("ρ 0.95" in setting for setting in left_out), "as the README says"


def test_the_readme_counts_the_rows():
    told = " ".join((Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8").split())
    assert f"{len(cases())} rows over utilizations of 0.3 to 0.95" in told and f"and {len(EXACT)} that must be exact" in told


@pytest.mark.parametrize("case", cases(), ids=lambda case: f"{case.model} {case.setting} {case.what}")
def test_every_row_is_a_scenario_that_asks_for_what_it_says(case):
    plan = planned(case, 7, QUICK)
    [expected] = plan.expect
    assert expected.text.startswith(case.that) or str(expected.that) in case.that
    assert plan.seed == 7 and plan.warmup >= CUT * case.settles * SECOND
    assert plan.duration - plan.warmup >= QUICK * case.settles * SECOND
    assert case.truth > 0 and case.settles > 0


def test_the_engine_holds(small):
    assert len(small.rows) >= 15 and len({row.case.model for row in small.rows}) >= 8
    assert small.holds, [(row.case, row.interval) for row in small.rows if not row.interval.covers]
    assert small.wrong == 0 and [row.case for row in small.exact] == list(EXACT)


def test_rows_have_luck_of_their_own(small):
    assert len({row.seed for row in small.rows}) == len(small.rows)


@pytest.mark.parametrize("error", [0.8, 1.25])
def test_a_theory_that_is_a_quarter_off_fails(small, error):
    wrong = [replace(row, interval=replace(row.interval, truth=row.case.truth * error, off=_off(row, error))) for row in small.rows]
    judged = replace(small, rows=tuple(wrong))
    assert not judged.holds and judged.misses > judged.plausible[1]
    assert abs(judged.bias) > judged.bias_limit


def _off(row, error):
    """Standard errors to a truth that is moved."""
    half = (row.interval.high - row.interval.low) / 2
    return row.interval.off + (1 - error) * row.case.truth / (half / 2.262)


def test_one_formula_that_is_far_off_fails_although_all_others_hold(small):
    first, *others = small.rows
    judged = replace(small, rows=(replace(first, interval=replace(first.interval, off=12.0)), *others))
    assert judged.misses <= judged.plausible[1] and not judged.holds


def test_one_message_too_many_fails(small):
    first, *others = small.exact
    judged = replace(small, exact=(replace(first, seen=first.truth + 1), *others))
    assert judged.wrong == 1 and not judged.holds


def test_a_beginning_that_is_not_cut_is_noticed(monkeypatch):
    """M/M/1 at 80 % begins empty and is looked at for half a relaxation time, so that a few beginnings weigh much: three
    relaxation times are cut, or not."""
    monkeypatch.setattr(table, "CUT", 3)
    monkeypatch.setitem(table.LEAST, 0.5, 0)
    [case] = [case for case in cases() if (case.model, case.setting, case.what) == ("M/M/1", "ρ 0.8", "mean wait")]
    plan = planned(case, 1, 0.5)
    cut, whole = (_off_theory(each, case.truth) for each in (plan, replace(plan, warmup=0)))
    assert abs(cut) < 3.3, "chance alone, in all but one of a thousand"
    assert whole < -3.3, "400 replications are enough to see it"


def _off_theory(plan, truth):
    """Standard errors."""
    tasks = [Task(plan, number) for number in range(1, 401)]
    return covered([answer.told for answer in execute(tasks, ask)], truth).off


# --- the statistics ---------------------------------------------------------------------------------------------------------


def test_an_interval_says_how_far_it_is_off():
    found = covered([1.0, 2.0, 3.0, 4.0], 4.5)
    assert found.off == pytest.approx((2.5 - 4.5) / (np.std([1, 2, 3, 4], ddof=1) / 2))
    assert found.covers and (found.low + found.high) / 2 == pytest.approx(2.5), "t(3) is wide"
    assert not covered([1.0, 1.1, 1.2, 1.1], 4.5).covers
    assert covered([2.0, 2.0, 2.0], 2.0).covers and covered([2.0, 2.0, 2.0], 2.0).off == 0


def test_the_bounds_hold_for_tables_of_pure_chance():
    """2,000 tables of 50 rows of ten normal values each, right by construction: hardly one is refused."""
    values = np.random.default_rng(1).normal(size=(2000, 50, 10))
    off = values.mean(axis=2) / (values.std(axis=2, ddof=1) / np.sqrt(10))
    misses = (np.abs(off) > 2.2621571628).sum(axis=1)
    low, high = plausible(50, 0.05)
    refused = (misses < low) | (misses > high) | (np.abs(off).max(axis=1) > farthest(50, 9))
    refused |= np.abs(off.mean(axis=1)) > on_average(50, 9)
    assert 0 < refused.sum() < 20, "at most 3 in a thousand are expected"


def test_the_bounds_of_a_count_are_the_binomial_distributions():
    assert plausible(100, 0.95) == (87, 100)
    low, high = plausible(1000, 0.95)
    assert (low, high) == (926, 971) and experiments.BETWEEN == (0.93, 0.97)


# --- coverage -----------------------------------------------------------------------------------------------------------------


def test_a_few_experiments_cover_the_truth_and_no_other(monkeypatch):
    assert pytest.approx(theory.mm1(1.0, 1.25).mean_wait) == experiments.TRUTH
    found = experiments.coverage(4)
    assert found.holds and found.covered >= 2 and abs(found.mean / 3.2 - 1) < 0.15
    assert found == experiments.coverage(4, jobs=2), "whoever does it"
    halves = experiments.coverage(2), experiments.coverage(2, seed=2)
    assert [sum(half.covered for half in halves), halves[0].mean + halves[1].mean] == [found.covered, pytest.approx(2 * found.mean)]
    assert halves[0].mean != halves[1].mean, "other luck"
    monkeypatch.setattr(experiments, "TRUTH", 2 * experiments.TRUTH)
    assert experiments.coverage(4).covered == 0


def test_a_tenth_is_judged_by_its_own_binomial_distribution():
    counted = experiments.Coverage(100, 86, experiments._between(100), 3.2)
    assert not counted.holds and replace(counted, covered=87).holds
    assert experiments._between(1000) == (930, 970)


def test_ten_replications_are_independent():
    assert REPLICATIONS == experiments.REPLICATIONS == 10
