"""Exercises: checks that are all made, points, and feedback that says what is not right yet and why.

It knows points and answers; whether a claim holds, and why not, is for ``qsim.expect`` to say, how the feedback looks
for ``card``.  An answer may be anything: what goes wrong with it is told, never raised.
"""

from __future__ import annotations

import math
import os
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from qsim.api import Run, Scenario
from qsim.claims.expect import CheckFailed, Inconclusive
from qsim.lab.course import place_of
from qsim.lab.limits import TookTooLong, within
from qsim.scenario.problems import ScenarioError, in_order, render

SEED_OF_THE_GRADER = "QSIM_EXERCISE_SEED"
"""The grader's environment variable: the seed of every run that an exercise makes."""

LONGEST_S = 30.0
"""So long may a run or a check take (seconds of the wall clock)."""

MOST_MESSAGES = 2_000_000
"""So many messages may a run have; lessons have fewer than half of them."""

UNANSWERED = "not answered yet: replace the ... in the cell above"
HOLDS, FAILS, OPEN = "holds", "fails", "cannot be told"


@dataclass(frozen=True, slots=True)
class Check:
    """One check that was made: HOLDS, FAILS or OPEN (inconclusive); ``points`` None takes an equal share of what the
    others leave; ``said`` is what was found."""

    points: float | None
    outcome: str
    said: str = ""

    @property
    def holds(self) -> bool:
        return self.outcome == HOLDS


class NoRun:
    """Stands for a run that an answer did not lead to: whoever asks it anything is told why."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def __getattr__(self, name: str) -> Any:
        raise _NotRun(self._reason)

    def __getitem__(self, reference: str) -> Any:
        raise _NotRun(self._reason)

    def __repr__(self) -> str:
        return f"no run: {self._reason}"


class Exercise:
    """Collects checks and does not stop at the first that fails; ``score()`` is the last expression of the cell."""

    def __init__(self, name: str, points: float = 1) -> None:
        self.name = name
        self.points = points
        self.checks: list[Check] = []
        self._reason = ""
        """Why the newest answer led to no run, if so."""
        self._is_unanswered = False
        self._is_prediction = False
        self._has_run = False

    def run(self, scenario: Scenario, answer: Any = None, *, replications: int = 1, **how: Any) -> Any:
        """The scenario with the answer (``{"consumers.worker.count": 10}``, or a Scenario), run under the grader's seed;
        a list of runs where there are several ``replications``.  An answer that is not there or not a valid scenario
        fails the checks that ask for this run instead of raising, and all checks below if nothing else ran."""
        how = {"seed": seed_of_the_grader(), "max_messages": MOST_MESSAGES, **how}
        try:
            with within(LONGEST_S):
                changed = _changed(scenario, answer)
                runs = [_finished(changed.run(replication=i + 1, **how)) for i in range(replications)]
        except (Exception, TookTooLong) as error:
            self._reason = _told(error)
            return NoRun(self._reason)
        self._has_run = True
        return runs if replications > 1 else runs[0]

    def answered(self, *answers: Any) -> None:
        """All checks below fail with "not answered yet" while one of these is still ``...``, or has one in it."""
        self._is_unanswered = self._is_unanswered or any(map(_is_open, answers))

    def predicted(self, *answers: Any) -> None:
        """``answered``, for what is said of a run that stays as it is: where it is wrong there is nothing to turn, and
        nothing that could have been otherwise."""
        self.answered(*answers)
        self._is_prediction = True

    def check(self, claim: Callable[[], Any], points: float | None = None, *, otherwise: str = "") -> None:
        """Make one check: it holds where ``claim()`` raises nothing and answers None or what is true.  ``otherwise`` is
        said where something was found and it does not."""
        missing = self._missing()
        outcome, said = (FAILS, missing) if missing else _outcome(claim, otherwise, _SILENT if self._is_prediction else ())
        self.checks.append(Check(points, outcome, said))

    def score(self) -> Score:
        """Points reached, and the card."""
        return Score(round(math.fsum(worth for check, worth in self.worths() if check.holds), 9), self)

    def worths(self) -> list[tuple[Check, float]]:
        """Each check with its points; they add up to those of the exercise."""
        fixed = math.fsum(check.points or 0 for check in self.checks)
        shared = sum(check.points is None for check in self.checks)
        left = self.points - fixed
        if self.checks and (left < -1e-9 or (left > 1e-9 and not shared)):
            raise ValueError(f"the checks of {self.name} are worth {fixed:g} points, the exercise {self.points:g}")
        return [(check, left / shared if check.points is None else check.points) for check in self.checks]

    def lines(self) -> list[str]:
        """The feedback as text."""
        see = place_of(self.name)
        last = [f"See: {see}"] if see and not all(check.holds for check in self.checks) else []
        return [*(line for check, worth in _together(self.worths()) for line in _lines(check, worth)), *last]

    def _missing(self) -> str:
        """Why nothing can be checked, if so."""
        return UNANSWERED if self._is_unanswered else "" if self._has_run else self._reason


def exercise(name: str, points: float = 1) -> Exercise:
    """An exercise of a lesson: ``exercise("01.2", points=3)``."""
    return Exercise(name, points)


class Score(float):
    """Points: a number for graders (its text is the number alone), a card with the feedback for people."""

    exercise: Exercise

    def __new__(cls, points: float, exercise: Exercise) -> Score:
        score = super().__new__(cls, points)
        score.exercise = exercise
        return score

    def __repr__(self) -> str:
        return f"{float(self):g}"

    def __reduce__(self) -> Any:
        """Copied or sent elsewhere it is the number: checks hold runs."""
        return float, (float(self),)

    @property
    def feedback(self) -> str:
        """The card as text."""
        return "\n".join([title(self), *self.exercise.lines()])

    def _repr_html_(self) -> str:
        from qsim.lab.card import card

        return card(self)


def title(score: Score) -> str:
    """ "Exercise 01.2: 1 of 2 points"."""
    return f"Exercise {score.exercise.name}: {score!r} of {_points(score.exercise.points)}"


# --- answers ----------------------------------------------------------------------------------------------------------


class _NotRun(Exception):
    """Why there is no run to be asked."""


def _changed(scenario: Scenario, answer: Any) -> Scenario:
    if _is_open(answer):
        raise _NotRun(UNANSWERED)
    if isinstance(answer, Run):
        answer = answer.scenario
    if answer is None or isinstance(answer, Scenario):
        return answer or scenario
    if not isinstance(answer, Mapping) or not all(isinstance(path, str) for path in answer):
        raise _NotRun(_not_overrides(scenario, answer))
    return scenario.set(answer)


def _not_overrides(scenario: Scenario, answer: Any) -> str:
    """What somebody wrote who forgot the path to the setting, or the scenario around a variant."""
    if isinstance(answer, str) and answer in scenario.loaded.variants:
        return f"{answer!r} is the name of a variant: the scenario with it is s.with_variant({answer!r})"
    return f'an answer looks like {{"path.to.setting": value}}, not like {answer!r:.80}'


def _is_open(answer: Any) -> bool:
    if isinstance(answer, Mapping):
        return any(map(_is_open, answer.values()))
    if isinstance(answer, list | tuple | set):
        return any(map(_is_open, answer))
    return answer is ...


def _finished(run: Run) -> Run:
    if run.recording.stopped == "interrupted":
        raise KeyboardInterrupt
    if run.recording.stopped:
        raise _NotRun(f"the run was stopped ({run.recording.stopped}): with this answer it has far more messages than the lesson's")
    return run


def seed_of_the_grader() -> int | None:
    """None where nobody grades."""
    seed = os.environ.get(SEED_OF_THE_GRADER)
    return int(seed) if seed else None


# --- outcomes ---------------------------------------------------------------------------------------------------------


_SILENT = ("What if", "Try")
"""Sections of an explanation that say nothing of a prediction."""


def _outcome(claim: Callable[[], Any], otherwise: str = "", without: tuple[str, ...] = ()) -> tuple[str, str]:
    """The outcome, and what was found in words, ``without`` these sections; below ``otherwise`` where it does not hold."""
    try:
        with within(LONGEST_S):
            found = claim()
            holds = found is None or (found is not ... and bool(found))
    except Inconclusive as left_open:
        return OPEN, _below(otherwise, left_open.verdict.lines(without=without))
    except CheckFailed as failed:
        return FAILS, _below(otherwise, failed.verdict.lines(without=without))
    except AssertionError as failed:
        return FAILS, _below(otherwise, [_told(failed)])
    except (Exception, TookTooLong) as error:
        return FAILS, _told(error)
    return (HOLDS, _held(found)) if holds else (FAILS, UNANSWERED if found is ... else otherwise)


def _below(otherwise: str, lines: list[str]) -> str:
    return "\n".join([otherwise, *lines] if otherwise else lines)


def _held(found: Any) -> str:
    lines = getattr(found, "lines", None)
    return "\n".join(lines()).removeprefix("✓ ") if callable(lines) else ""


def _told(error: BaseException) -> str:
    """What went wrong, in the words of whoever knows best."""
    if isinstance(error, ScenarioError):
        return _problems(error)
    if isinstance(error, TookTooLong):
        return f"stopped after {LONGEST_S:g} s: it does not end, or does far too much"
    if isinstance(error, _NotRun) or (isinstance(error, AssertionError) and error.args):
        return str(error)
    where = _where(error)
    if not where and (type(error) is LookupError or isinstance(error, ValueError)):
        return str(error)
    if not where and isinstance(error, TypeError):
        return f"the answer is of another kind than what is asked for: {error}"
    return f"{type(error).__name__}: {error}{where}"


def _problems(error: ScenarioError) -> str:
    """What is wrong, without warnings: those may tell the answer."""
    return "\n".join(render([problem]).rpartition("\n")[0] for problem in in_order(error.problems) if problem.is_error)


def _where(error: BaseException) -> str:
    """Where in the answer it happened; nothing for what happened in our own code."""
    ours = str(Path(__file__).parents[1])
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(ours)]
    named = [frame for frame in frames if frame.name.isidentifier()]
    return f" (in {named[-1].name}, line {named[-1].lineno}: {named[-1].line})" if named and named[-1].line else ""


# --- words ------------------------------------------------------------------------------------------------------------

MARKS = {HOLDS: "✓", FAILS: "✗", OPEN: "?"}


def _together(checks: list[tuple[Check, float]]) -> Iterator[tuple[Check, float]]:
    """Checks that say the same after each other are told once, with the points of all."""
    for _, alike in groupby(checks, lambda each: (each[0].outcome, each[0].said or id(each))):
        same = list(alike)
        yield same[0][0], math.fsum(worth for _, worth in same)


def _lines(check: Check, worth: float) -> list[str]:
    said, mark = check.said.splitlines(), MARKS[check.outcome]
    if check.holds:
        return [f"{mark} {_points(worth)}" + (f": {said[0]}" if said else "")]
    head = f"0 of {_points(worth)}: it cannot be told from what was run" if check.outcome == OPEN else f"0 of {_points(worth)}"
    return [f"{mark} {head}", *(f"  {line}" for line in said or ["this does not hold"])]


def _points(points: float) -> str:
    return f"{points:.3g} point{'' if points == 1 else 's'}"


__all__ = ["Exercise", "NoRun", "Run", "Score", "exercise"]
