"""The smallest or largest value for which something holds: bisection between two ends.

It knows values in order and verdicts, not what is expected.  What is undecided is run more often, up to a limit.  That
it holds on one side and fails on the other is looked at, at both ends, and said where it is not so; between them it is
taken for granted, as bisection must.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from qsim.scenario.grid import Point
from qsim.scenario.plan import Plan
from qsim.study.sweep import How, work_out
from qsim.study.tasks import Answer, Ask, Interrupted, Task

Decide = Callable[[Plan, Sequence[Answer]], bool | None]
"""Whether all holds; None: these replications leave it open."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One value that was looked at; ``which`` counts them from the smallest."""

    which: int
    answers: tuple[Answer, ...]
    holds: bool | None


@dataclass(frozen=True, slots=True)
class Search:
    """``which`` None: it holds at neither end.  ``is_one_way`` false: it holds at the wrong end alone."""

    which: int | None
    is_one_way: bool
    trials: tuple[Trial, ...]
    """By value."""


def find(
    points: Sequence[Point], ask: Ask, decide: Decide, replications: int, most: int, how: How, largest: bool = False
) -> Search:
    """The smallest (or largest) of the points at which ``decide`` says yes; undecided is no.  Ctrl-C hands on the trials
    that are done."""
    trials: dict[int, Trial] = {}

    def holds(which: int) -> bool:
        if which not in trials:
            done = sum(len(trial.answers) for trial in trials.values())
            trials[which] = tried(points[which].plan, which, ask, decide, replications, most, how, done)
        return trials[which].holds is True

    try:
        which, is_one_way = bisected(len(points), holds, largest)
    except KeyboardInterrupt:
        raise Interrupted(_by_value(trials)) from None
    return Search(which, is_one_way, _by_value(trials))


def _by_value(trials: Mapping[int, Trial]) -> tuple[Trial, ...]:
    return tuple(trials[n] for n in sorted(trials))


def bisected(size: int, holds: Callable[[int], bool], largest: bool = False) -> tuple[int | None, bool]:
    """The first of so many at which it holds, seen from the end that is asked for; and whether it held at the other
    end too, as it should."""
    wanted, other = (size - 1, 0) if largest else (0, size - 1)
    if holds(wanted):
        return wanted, holds(other)
    if not holds(other):
        return None, True
    good, bad = other, wanted
    while abs(good - bad) > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if holds(middle) else (good, middle)
    return good, True


def tried(
    plan: Plan, which: int, ask: Ask, decide: Decide, replications: int, most: int, how: How, before: int = 0
) -> Trial:
    """Twice as many replications as long as they leave it open, those that are there included; ``before``: so many runs
    were done for other values."""
    answers: list[Answer] = []
    wanted = replications
    while True:
        answers += work_out([Task(plan, r) for r in range(len(answers) + 1, wanted + 1)], ask, how, before + len(answers))
        holds = decide(plan, answers)
        if holds is not None or wanted >= most:
            return Trial(which, tuple(answers), holds)
        wanted = min(2 * wanted, most)
