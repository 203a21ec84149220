"""Exercises: points, and feedback on whatever a student may write."""

from __future__ import annotations

import contextlib
import copy
import html
import re
from typing import Any

import pytest

from qsim import expect, load
from qsim.lab import Exercise, exercise
from qsim.lab import exercises as module
from tests.lab.conftest import SHOP


@pytest.fixture(scope="module")
def scenario() -> Any:
    return load(text=SHOP)


def one_check(answer: Any, scenario: Any, **how: Any) -> Exercise:
    """An exercise of one check, stability, with this answer."""
    ex = exercise("01.2", points=2)
    fix = ex.run(scenario, answer, **how)
    ex.check(lambda: expect(fix).stable("orders"))
    return ex


# --- points -----------------------------------------------------------------------------------------------------------


def test_checks_without_points_share_what_the_others_leave():
    ex = exercise("x", points=3)
    ex.check(lambda: True, points=2)
    ex.check(lambda: None)
    ex.check(lambda: False)
    assert [worth for _, worth in ex.worths()] == [2, 0.5, 0.5]
    assert ex.score() == 2.5


def test_thirds_add_up_to_the_whole():
    ex = exercise("x", points=1)
    for _ in range(3):
        ex.check(lambda: True)
    assert ex.score() == 1 and repr(ex.score()) == "1"


@pytest.mark.parametrize("points", [[2, 2], [1, 1], [4, None]])
def test_points_that_do_not_add_up_are_the_authors_mistake(points: list[float | None]):
    ex = exercise("01.1", points=3)
    for each in points:
        ex.check(lambda: True, points=each)
    with pytest.raises(ValueError, match=r"the checks of 01\.1 are worth . points, the exercise 3"):
        ex.score()


def test_all_checks_are_made_and_each_failure_is_told(scenario: Any):
    ex = exercise("01.1", points=3)
    r = ex.run(scenario)
    ex.check(lambda: expect(r).that("orders.visible at end").equals(1))
    ex.check(lambda: expect(r).no_message_lost())
    ex.check(lambda: expect(r).that("orders.in_flight at end").equals(9))
    told = "\n".join(ex.lines())
    assert ex.score() == 1
    assert "expected 1, got 4,000" in told and "✓ 1 point: no_message_lost" in told and "expected 9, got 8" in told


def test_a_check_holds_by_what_is_true_whatever_kind_of_true():
    import numpy as np

    ex = exercise("x", points=5)
    for found in (np.bool_(False), np.bool_(True), 0, "yes", np.array([1, 2])):
        ex.check(lambda found=found: found)
    assert [check.holds for check in ex.checks] == [False, True, False, True, False]


# --- answers that are not there, or no answers ------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [..., {"consumers.worker.count": ...}, {"a": [1, ...]}])
def test_an_unanswered_exercise_scores_nothing_and_says_where_it_stands(scenario: Any, answer: Any):
    score = one_check(answer, scenario).score()
    assert score == 0
    assert score.feedback.splitlines() == [
        "Exercise 01.2: 0 of 2 points",
        "✗ 0 of 2 points",
        "  not answered yet: replace the ... in the cell above",
        "See: notebooks/01-core-model.ipynb, 01.2",
    ]


def test_unanswered_gates_checks_that_would_hold_by_themselves():
    ex = exercise("01.3", points=1)
    ex.answered(3, ...)
    ex.check(lambda: True)
    ex.answered(3)
    ex.check(lambda: True)
    assert ex.score() == 0 and len(ex.lines()) == 3  # the same is told once


BROKEN = {
    "a misspelt path": ({"consumers.wrker.count": 3}, "no consumer is called 'wrker'; did you mean 'worker'?"),
    "a misspelt key": ({"consumers.worker.cont": 3}, "no key 'cont' in consumers.worker; did you mean 'count'?"),
    "a wrong type": ({"consumers.worker.count": "ten"}, "'ten' is not a count: write a whole number"),
    "a missing unit": ({"run.duration": 20}, "a duration needs a unit: write 20s, 20ms or 20m"),
    "a number": (10, 'an answer looks like {"path.to.setting": value}, not like 10'),
    "numbers for paths": ({1: 2}, 'an answer looks like {"path.to.setting": value}, not like {1: 2}'),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_answer_is_told_in_words_that_help(scenario: Any, name: str):
    answer, says = BROKEN[name]
    ex = one_check(answer, scenario)
    assert ex.score() == 0
    assert says in "\n".join(ex.lines())


def test_warnings_that_tell_the_answer_are_not_told(scenario: Any):
    told = one_check({"consumers.wrker.count": 3}, scenario).score().feedback
    assert "consumers would just keep up" not in told and "A100" not in told


def test_of_two_answers_one_may_be_broken(scenario: Any):
    ex = exercise("x", points=2)
    bad, good = ex.run(scenario, {"consumers.wrker.count": 3}), ex.run(scenario, {"consumers.worker.count": 10})
    ex.check(lambda: expect(bad).stable("orders"))
    ex.check(lambda: expect(good).stable("orders"))
    ex.check(lambda: bad["orders.visible at end"] == 0)
    assert [check.holds for check in ex.checks] == [False, True, False]
    assert all("did you mean 'worker'" in check.said for check in ex.checks if not check.holds)


def test_an_answer_may_be_a_scenario_or_its_run(scenario: Any):
    ten = scenario.set("consumers.worker.count", 10)
    assert one_check(ten, scenario).score() == 2
    assert one_check(ten.run(), scenario).score() == 2


# --- answers that raise, or never end ---------------------------------------------------------------------------------


def test_what_a_students_code_raises_is_told_with_its_line():
    def capacity(consumers: int) -> float:
        return consumers / (consumers - consumers)

    ex = exercise("x", points=3)
    ex.check(lambda: capacity(3) == 1)
    ex.check(lambda: {}["orders"])
    ex.check(lambda: nothing_of_this_name)  # type: ignore[name-defined]  # noqa: F821
    first, second, third = (check.said for check in ex.checks)
    assert re.fullmatch(
        r"ZeroDivisionError: division by zero \(in capacity, line \d+: return consumers / \(consumers - consumers\)\)", first
    )
    assert second == "KeyError: 'orders'" and third == "NameError: name 'nothing_of_this_name' is not defined"


def test_a_misspelt_reference_is_told_with_its_suggestion(scenario: Any):
    ex = exercise("x")
    r = ex.run(scenario)
    ex.check(lambda: expect(r).that("orders.visble at end").equals(1))
    assert "did you mean 'visible'" in ex.checks[0].said


def test_an_answer_that_never_ends_is_stopped_even_if_it_catches_everything(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "LONGEST_S", 0.2)

    def for_ever() -> None:
        while True:
            with contextlib.suppress(Exception):
                sum(range(1000))

    ex = exercise("x", points=2)
    ex.check(for_ever)
    ex.check(lambda: True)
    assert ex.score() == 1 and "stopped after 0.2 s" in ex.checks[0].said


def test_a_run_that_would_take_for_ever_is_stopped(scenario: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "LONGEST_S", 0.3)
    assert "stopped after 0.3 s" in "\n".join(one_check({"run.duration": "1000h"}, scenario).lines())


def test_a_run_of_far_too_many_messages_is_not_judged_by_its_beginning(scenario: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MOST_MESSAGES", 5000)
    ex = one_check({"consumers.worker.count": 10}, scenario)
    assert ex.score() == 0 and "far more messages than the lesson's" in "\n".join(ex.lines())


# --- what cannot be told ----------------------------------------------------------------------------------------------


def test_inconclusive_is_said_as_such_and_gets_no_points():
    busy = load(text=SHOP.replace("20s", "5s").replace("1000/s, arrivals: regular", "700/s, arrivals: poisson"))
    ex = exercise("13.3", points=2)
    runs = ex.run(busy, replications=4)
    middle = sum(run["orders.visible mean"] for run in runs) / 4
    ex.check(lambda: expect(runs).that("orders.visible mean").below(middle * 1.000001))
    assert ex.score() == 0
    told = ex.score().feedback
    assert "? 0 of 2 points: it cannot be told from what was run" in told
    assert re.search(r"with 4 replications; about [\d,]+ are needed", told)


def test_no_data_is_inconclusive_too(scenario: Any):
    ex = exercise("x")
    r = ex.run(scenario)
    ex.check(lambda: expect(r).that("orders.recovery_time p95").below("2s"))
    assert ex.score() == 0 and "got no data" in ex.score().feedback and "cannot be told" in ex.score().feedback


# --- the grader's seed ------------------------------------------------------------------------------------------------


def test_every_run_has_the_graders_seed(scenario: Any, monkeypatch: pytest.MonkeyPatch):
    ex = exercise("x")
    assert ex.run(scenario).seed == scenario.plan.seed
    monkeypatch.setenv(module.SEED_OF_THE_GRADER, "4711")
    assert ex.run(scenario).seed == 4711
    assert ex.run(scenario, scenario.run()).seed == 4711
    assert [run.seed for run in ex.run(scenario, replications=2)] == [4711, 4711]
    monkeypatch.setenv(module.SEED_OF_THE_GRADER, "soon")
    with pytest.raises(ValueError):  # the grader's mistake, not the student's
        ex.run(scenario)


# --- the score --------------------------------------------------------------------------------------------------------


def shown(value: Any) -> dict[str, str]:
    """What a notebook keeps of the last expression of a cell."""
    formatters: Any = pytest.importorskip("IPython.core.formatters")
    data, _ = formatters.DisplayFormatter().format(value)
    return data


def test_a_notebook_shows_the_number_to_graders_and_the_card_to_people(scenario: Any):
    ex = one_check({"consumers.worker.count": 9}, scenario)
    ex.check(lambda: True, otherwise="")
    data = shown(ex.score())
    assert data["text/plain"] == "1" and float(data["text/plain"]) == ex.score()
    text = html.unescape(re.sub(r"<[^>]+>", "", data["text/html"]))
    assert "Exercise 01.2: 1 of 2 points" in text and "What happened" in text and "notebooks/01-core-model.ipynb, 01.2" in text


def test_a_half_is_a_half():
    ex = exercise("x", points=1)
    ex.check(lambda: True)
    ex.check(lambda: False)
    assert shown(ex.score())["text/plain"] == "0.5"
    assert copy.deepcopy(ex.score()) == 0.5


def test_the_card_escapes_what_an_answer_says_and_keeps_no_colour_of_its_own_for_text():
    ex = exercise("<b>", points=1)
    ex.check(lambda: False, otherwise="<script>alert(1)</script> & more")
    card = shown(ex.score())["text/html"]
    assert "<script>" not in card and "&lt;script&gt;" in card and "&lt;b&gt;" in card
    assert "color:var(--jp-content-font-color1, inherit)" in card and "background" not in card


def test_lines_of_the_card_wrap_under_their_own_words():
    from qsim.lab.card import framed

    card = framed("t", ["    What happened  shop sent 600,000"], "red")
    assert "padding-left:19ch;text-indent:-19ch" in card and "white-space:pre-wrap;overflow-wrap:anywhere" in card


def test_a_hint_waits_for_an_answer():
    ex = exercise("01.1")
    ex.answered(...)
    ex.check(lambda: False, otherwise="the difference counts")
    assert "not answered yet" in ex.score().feedback and "difference" not in ex.score().feedback
    tried = exercise("01.1")
    tried.check(lambda: False, otherwise="the difference counts")
    assert "the difference counts" in tried.score().feedback
