"""Exercises: checks that are all made, points, and a card that says what is not right yet and why.

It knows points and lessons; whether a claim holds, and why not, is for ``qsim.expect`` to say.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from qsim.api import Run, Scenario
from qsim.claims.expect import CheckFailed
from qsim.scenario.problems import ScenarioError

SEED_OF_THE_GRADER = "QSIM_EXERCISE_SEED"
"""The grader's environment variable: the seed of every run that an exercise makes."""

UNANSWERED = "not answered yet: replace the ... in the cell above"


@dataclass(frozen=True, slots=True)
class Check:
    """One check: ``points`` None takes an equal share of what others leave; ``said`` is empty where it holds."""

    points: float | None
    said: str

    @property
    def holds(self) -> bool:
        return not self.said


class Exercise:
    """Collects checks and does not stop at the first that fails; ``score()`` is the last expression of the cell."""

    def __init__(self, name: str, points: float = 1) -> None:
        self.name = name
        self.points = points
        self.checks: list[Check] = []
        self._broken = ""
        """Why the answer could not be run, if so: every check then fails with it."""

    def run(self, scenario: Scenario, answer: Any = None, **how: Any) -> Any:
        """The scenario with the answer's overrides (``{"consumers.worker.count": 10}``, or a Scenario), run under the
        grader's seed.  An answer that is not there or not a valid scenario fails the checks below instead of raising."""
        try:
            return _changed(scenario, answer).run(**{"seed": _seed(), **how})
        except (ScenarioError, TypeError, ValueError, _Unanswered) as error:
            self._broken = str(error)
            return None

    def answered(self, *answers: Any) -> None:
        """The checks below fail with "not answered yet" while one of these is still ``...``."""
        if any(answer is ... for answer in answers):
            self._broken = UNANSWERED

    def check(self, claim: Callable[[], Any], points: float | None = None) -> None:
        """Make one check: it holds where ``claim()`` raises nothing and does not answer False."""
        self.checks.append(Check(points, self._broken or _said(claim)))

    def score(self) -> Score:
        """Points reached, and the card."""
        return Score(sum(worth for check, worth in self._worths() if check.holds), self)

    def _worths(self) -> list[tuple[Check, float]]:
        fixed = sum(check.points or 0 for check in self.checks)
        shared = [check for check in self.checks if check.points is None]
        share = (self.points - fixed) / len(shared) if shared else 0.0
        return [(check, share if check.points is None else check.points) for check in self.checks]

    def lines(self) -> list[str]:
        """The feedback as text."""
        return [line for check, worth in self._worths() for line in _told(check, worth)]


def exercise(name: str, points: float = 1) -> Exercise:
    """An exercise of a lesson: ``exercise("01.2", points=3)``."""
    return Exercise(name, points)


class Score(float):
    """Points: a number for graders (its text is the number alone), a card with the feedback for people."""

    def __new__(cls, points: float, exercise: Exercise) -> Score:
        score = super().__new__(cls, points)
        score.exercise = exercise
        return score

    exercise: Exercise

    def __repr__(self) -> str:
        return f"{float(self):g}"

    def _repr_html_(self) -> str:
        lines = "\n".join(escape(line) for line in self.exercise.lines())
        title = f"Exercise {escape(self.exercise.name)}: {self!r} of {self.exercise.points:g} points"
        return f'<div class="qsim-card"><b>{title}</b><pre>{lines}</pre></div>'


class _Unanswered(Exception):
    """The answer is still ``...``"""

    def __str__(self) -> str:
        return UNANSWERED


def _changed(scenario: Scenario, answer: Any) -> Scenario:
    if answer is ...:
        raise _Unanswered
    if answer is None or isinstance(answer, Scenario):
        return answer or scenario
    if not isinstance(answer, Mapping):
        raise TypeError(f'an answer is {{"path.to.setting": value}}, not {answer!r}')
    return scenario.set(answer)


def _seed() -> int | None:
    seed = os.environ.get(SEED_OF_THE_GRADER)
    return int(seed) if seed else None


def _said(claim: Callable[[], Any]) -> str:
    try:
        return "" if claim() is not False else "this does not hold"
    except CheckFailed as failure:
        return str(failure)
    except Exception as error:  # an answer may be anything
        return f"{type(error).__name__}: {error}"


def _told(check: Check, worth: float) -> list[str]:
    points = f"{worth:g} point{'s' if worth != 1 else ''}"
    return [f"✓ {points}"] if check.holds else [f"✗ {points}", *(f"  {line}" for line in check.said.splitlines())]


__all__ = ["Exercise", "Run", "Score", "exercise"]
