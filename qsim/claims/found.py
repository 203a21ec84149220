"""A threshold: the smallest or largest value of one setting for which what a scenario expects holds.

It knows expectations, values in order and what was tried; the search is ``study.find``'s.  Everything is checked before
the first run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from qsim.claims.asked import Asked, all_hold, default_metrics, verdicts
from qsim.claims.verdicts import Verdict
from qsim.scenario.grid import Axis, Point, ascending, points
from qsim.scenario.load import Loaded
from qsim.study.find import Trial
from qsim.study.find import find as search
from qsim.study.sweep import How, Sweep, label
from qsim.study.tasks import Interrupted

if TYPE_CHECKING:
    import pandas as pd

FEWEST = 5
"""Replications where nobody says how many: one seed shows no threshold."""
MOST = 64
"""Replications of a value that stays open, where nobody says how many."""


class NothingExpected(ValueError):
    """There is nothing that could hold, or not of ``that``, but of what is ``known``; the text says it for Python."""

    def __init__(self, that: str | None = None, known: str = "") -> None:
        self.that, self.known = that, known
        super().__init__(
            "the scenario expects nothing: s.set('expect', [{'that': 'orders.wait p95', 'below': '1s'}]) says what must hold"
            if that is None
            else f"that={that!r}: nothing is expected of this, but of: {known}"
        )


@dataclass(frozen=True)
class Sought:
    """What is looked for, and among which values; ``most``: so many replications of a value that stays open."""

    loaded: Loaded
    path: str
    points: tuple[Point, ...]
    metrics: tuple[str, ...]
    replications: int
    most: int
    largest: bool

    @property
    def asked(self) -> Asked:
        return Asked(self.metrics)

    def found(self, how: How) -> Found:
        """Look; Ctrl-C hands on what was found out by then."""
        most = max(self.replications, self.most)
        try:
            came = search(self.points, self.asked, all_hold, self.replications, most, how, self.largest)
        except Interrupted as stop:
            raise Interrupted(Found(self, None, None, stop.done)) from None
        return Found(self, came.which, came.is_one_way, came.trials)


@dataclass(frozen=True)
class Found:
    """``which`` of the points; None: it holds at neither end.  ``is_one_way`` false: it holds at the wrong end alone, so
    that the other direction has a threshold; None: the search was interrupted.  Both ends are always looked at, what is
    between them is taken to change once."""

    sought: Sought
    which: int | None
    is_one_way: bool | None
    trials: tuple[Trial, ...]

    @property
    def value(self) -> Any:
        """As it was written; None where there is none."""
        return None if self.which is None else self.setting(self.which)

    @property
    def verdicts(self) -> list[Verdict]:
        """What is expected, at the value that was found."""
        return [verdict for trial in self.trials if trial.which == self.which for verdict in self.judged(trial)]

    def setting(self, which: int) -> Any:
        return self.sought.points[which].settings[0]

    def judged(self, trial: Trial) -> list[Verdict]:
        """What is expected, at a value that was tried."""
        return verdicts(self.sought.points[trial.which].plan, trial.answers)

    @property
    def sweep(self) -> Sweep:
        """The values that were tried, as a sweep."""
        tried = tuple(self.sought.points[trial.which] for trial in self.trials)
        return Sweep((self.sought.path,), self.sought.metrics, tried, tuple(trial.answers for trial in self.trials))

    def frame(self) -> pd.DataFrame:
        """A row a value that was tried, in order: whether all holds (None: open), how many replications it took, and a
        column a metric: its mean, times in seconds."""
        import pandas as pd

        rows = [
            [label(self.setting(trial.which)), trial.holds, len(trial.answers), *(each.mean for each in means)]
            for trial, means in zip(self.trials, self.sweep.estimates, strict=True)
        ]
        return pd.DataFrame(rows, columns=[self.sought.path, "holds", "replications", *self.sought.metrics])

    def __repr__(self) -> str:
        word = "largest" if self.sought.largest else "smallest"
        return f"<Found: {word} {self.sought.path} is {self.value}, {len(self.trials)} values tried>"


def sought(
    loaded: Loaded,
    axis: Axis,
    that: str | None = None,
    *,
    largest: bool = False,
    replications: int | None = None,
    most: int = MOST,
    seen: Callable[[int, int], None] = lambda done, of: None,
) -> Sought:
    """Checked; raises ScenarioError, or NothingExpected.  ``that``: only what is expected of this.  ``seen`` is told how
    many of how many values were looked at."""
    if not loaded.plan.expect:
        raise NothingExpected
    axis = ascending(axis)
    chosen = tuple(_only(point, that) for point in points(loaded, [axis], seen))
    count = replications or max(FEWEST, loaded.plan.replications)
    return Sought(loaded, axis.path, chosen, default_metrics(loaded, [axis.path]), count, most, largest)


def _only(point: Point, that: str | None) -> Point:
    """What is expected, or the part of it that is asked for."""
    expect = point.plan.expect
    chosen = tuple(each for each in expect if that is None or that in each.text)
    if not chosen:
        known = "; ".join(dict.fromkeys(each.text for each in expect))
        raise NothingExpected(that, known)
    return replace(point, plan=replace(point.plan, expect=chosen))


def whole_numbers(path: str, between: Sequence[int]) -> range:
    """From the first to the last, both included; ValueError where they are none."""
    ends = [each.item() if hasattr(each, "item") else each for each in between] if isinstance(between, tuple | list) else []
    if len(ends) != 2 or not all(isinstance(end, int) and not isinstance(end, bool) for end in ends):
        raise ValueError(
            f"between={between!r}: two whole numbers, like (1, 40); times, rates and sizes of {path} are "
            "values=['10s', '30s', '1m']"
        )
    first, last = ends
    if first > last:
        raise ValueError(f"between={between!r}: the smaller one first, ({last}, {first})")
    return range(first, last + 1)
