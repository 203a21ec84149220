"""A grid of settings: every combination of the values of some paths, each read and checked before anything runs.

It knows a file's ``sweep:``, ``--over`` and what Python asks for, and makes of each point a Plan.  Of what a point has
wrong it says where the value was written; of what only a combination has wrong, with which values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from typing import Any

from qsim import units
from qsim.scenario.load import Loaded, plain
from qsim.scenario.model import NO_VALUES
from qsim.scenario.paths import part
from qsim.scenario.plan import Plan
from qsim.scenario.problems import Place, Problem, ScenarioError, Source, in_order
from qsim.scenario.source import Document, fail, read_value
from qsim.scenario.whatif import MOST_POINTS, values, wrong_values

MOST_PROBLEMS = 10
"""So many are worth reading at once."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One path, where it was written, the values it takes, and where each of them was."""

    path: str
    key: Place
    values: tuple[Document, ...]
    places: tuple[Place, ...]

    def plain(self) -> list[Any]:
        return [value.data for value in self.values]


@dataclass(frozen=True, slots=True)
class Point:
    """``settings``: what stands at each of the paths, as it was written."""

    settings: tuple[Any, ...]
    plan: Plan


# --- where axes come from ---------------------------------------------------------------------------------------------


def of_file(loaded: Loaded) -> list[Axis]:
    """What stands in ``sweep:``."""
    given = loaded.base.data.get("sweep") or {}
    return [_of_key(loaded.base, path, listed) for path, listed in given.items()]


def _of_key(base: Document, path: str, listed: Any) -> Axis:
    key, place = base.place(("sweep", path), of_key=True), base.place(("sweep", path))
    if isinstance(listed, list):
        documents = tuple(part(base, ("sweep", path, number)) for number in range(len(listed)))
        return Axis(path, key, documents, tuple(document.values[()] for document in documents))
    return replace(_spelt_out(path, values(listed), lambda _: place, place), key=key)


def of_option(text: str) -> Axis:
    """``PATH=VALUES`` of one ``--over``: ``3,4,5``, ``[30s, 1m]``, ``1..20``, ``1..20..5``."""
    path, equals, listed = (part.strip() for part in text.partition("="))
    option = _place(f"--over {text}")
    if not equals or not path:
        fail("Q019", "write PATH=VALUES, like consumers.worker.count=3,4,5 or consumers.worker.count=1..20", option)
    points = values(listed)
    if not points:
        if (why := wrong_values(listed)) not in (None, NO_VALUES):
            fail("Q012", str(why), option)
        listed = listed if listed.startswith("[") and listed.endswith("]") else f"[{listed}]"
        points = read_value(listed, f"--over {text}").data
    return _spelt_out(path, points, lambda value: _place(f"--over {path}={_short(value)}"), option)


def of_python(path: str, given: Any) -> Axis:
    """A list, a range, or the text of a range."""
    listed = values(given) if isinstance(given, str) else given
    whole = _place(f"over {path}")
    if not isinstance(path, str):
        fail("Q019", "a path is a text, like 'consumers.worker.count'", whole)
    if isinstance(given, str) and (why := wrong_values(given)):
        fail("Q012", why, whole)
    if not hasattr(listed, "__getitem__") or isinstance(listed, str | Mapping):
        fail("Q012", NO_VALUES, whole)
    return _spelt_out(path, listed, lambda value: _place(f"over {path}={_short(value)}"), whole)


def _spelt_out(path: str, points: Sequence[Any], place_of: Callable[[Any], Place], whole: Place) -> Axis:
    if not len(points):
        fail("Q012", NO_VALUES, whole)
    if len(points) > MOST_POINTS:
        fail("Q005", f"a sweep of {len(points):,} points; {MOST_POINTS:,} are possible", whole)
    written = [plain(value.item() if hasattr(value, "item") else value) for value in points]  # numpy's have one
    places = tuple(place_of(value) for value in written)
    return Axis(path, whole, tuple(Document(v, {}, {(): p}) for v, p in zip(written, places, strict=True)), places)


def ascending(axis: Axis) -> Axis:
    """From the smallest value to the largest."""
    for read in (_number, units.duration, units.rate, units.size, units.share):
        try:
            order = sorted(range(len(axis.values)), key=[read(value) for value in axis.plain()].__getitem__)
        except units.UnitError:
            continue
        return replace(axis, values=tuple(axis.values[i] for i in order), places=tuple(axis.places[i] for i in order))
    fail("Q012", f"the values of {axis.path} have no order: give numbers, times, rates or sizes", axis.key)


def _number(value: Any) -> float:
    """Below 0 too: whether that is allowed is another question."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise units.UnitError("not a number")
    return value


def _place(name: str) -> Place:
    return Place(Source(name, (), is_file=False), 1, 1)


def _short(value: Any) -> str:
    return str(getattr(value, "text", value))[:60]


# --- the points -------------------------------------------------------------------------------------------------------


def points(loaded: Loaded, axes: Sequence[Axis], seen: Callable[[int, int], None] = lambda done, of: None) -> list[Point]:
    """Every combination, the last path first; raises ScenarioError with what is wrong with any of them.  ``seen`` is
    told how many of how many were looked at."""
    if problems := [*_not_twice(axes), *_too_many(axes)]:
        raise ScenarioError(problems)
    size = prod(len(axis.values) for axis in axes)
    made: list[Point] = []
    wrong: dict[tuple[str, Place], Problem] = {}
    for done, numbers in enumerate(product(*(range(len(axis.values)) for axis in axes))):
        seen(done, size)
        try:
            made.append(_point(loaded, axes, numbers))
        except ScenarioError as error:
            for problem in _named(error, axes, numbers):
                wrong.setdefault((problem.code, problem.place), problem)
        if len(wrong) >= MOST_PROBLEMS:
            break
    if wrong:
        raise ScenarioError(in_order(list(wrong.values())))
    return made


def _not_twice(axes: Sequence[Axis]) -> Iterator[Problem]:
    paths = [axis.path for axis in axes]
    for number, axis in enumerate(axes):
        if axis.path in paths[:number]:
            yield Problem("Q021", f"{axis.path} is swept twice: give all its values at once", axis.key)
        written = [repr(value) for value in axis.plain()]
        for which, value in enumerate(written):
            if value in written[:which]:
                yield Problem("Q012", f"{value} stands twice in the sweep of {axis.path}", axis.places[which])


def _too_many(axes: Sequence[Axis]) -> Iterator[Problem]:
    size = prod(len(axis.values) for axis in axes)
    if size > MOST_POINTS:
        counts = " x ".join(f"{len(axis.values):,}" for axis in axes)
        yield Problem("Q005", f"a sweep of {counts} = {size:,} points; {MOST_POINTS:,} are possible", axes[-1].key)


def _point(loaded: Loaded, axes: Sequence[Axis], numbers: Sequence[int]) -> Point:
    chosen = [(axis, axis.values[n]) for axis, n in zip(axes, numbers, strict=True)]
    changed = loaded.with_overrides([(axis.path, value, axis.key) for axis, value in chosen])
    return Point(tuple(value.data for _, value in chosen), changed.plan)


def _named(error: ScenarioError, axes: Sequence[Axis], numbers: Sequence[int]) -> Iterator[Problem]:
    """What stands elsewhere than in a value of the sweep is told with the values that bring it about."""
    own = {place for axis, n in zip(axes, numbers, strict=True) for place in (axis.key, axis.places[n])}
    values_ = [f"{axis.path}={_short(axis.values[n].data)}" for axis, n in zip(axes, numbers, strict=True)]
    for problem in error.problems:
        if problem.is_error:
            is_own = problem.place in own
            yield problem if is_own else replace(problem, message=f"{problem.message}, with {', '.join(values_)}")
