"""Variants, sweeps and breaks: what else a file asks, each checked by making the change and looking again.

It knows how they are written.  A change that needs a later release (Q040) is no error until it is chosen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any

from qsim.scenario import control, meaning, shape
from qsim.scenario.model import NO_VALUES
from qsim.scenario.paths import found, overlay, part
from qsim.scenario.problems import Place, Problem
from qsim.scenario.source import Document, Path

MOST_CHECKED = 200
MOST_WORK = 100_000
MOST_POINTS = 10_000

_MEANT_AS_RANGE = re.compile(r"\s*-?\d[^,/\[\]]*\.\.[^,/\[\]]*")
_LONG_RANGE = re.compile(r"\s*-?\d+\s*\.\.\s*-?\d+\s*(?:\.\.\s*\d+\s*)?")
_RANGE = re.compile(r"\s*(-?\d{1,9})\s*\.\.\s*(-?\d{1,9})\s*(?:\.\.\s*(\d{1,9})\s*)?")

Override = tuple[str, Document, Place]
Change = tuple[str, list[Override]]
"""What it is called, and what it changes."""


def names(document: Document) -> list[str]:
    given = document.data.get("variants") if isinstance(document.data, dict) else None
    return list(given) if isinstance(given, dict) else []


def overrides(document: Document, path: Path) -> list[Override]:
    """The changes of one variant, or of one entry of ``breaks``."""
    given = document.data
    for step in path:
        given = given[step]
    keys = list(given) if isinstance(given, dict) else []
    return [(key, part(document, (*path, key)), document.place((*path, key), of_key=True)) for key in keys]


def values(given: Any) -> Sequence[Any]:
    """A list as it is; ``1..20`` and ``1..20..5`` as the numbers they stand for (not written out: 1..999999999)."""
    if isinstance(given, str) and (match := _RANGE.fullmatch(given)):
        first, last, step = int(match[1]), int(match[2]), int(match[3] or 1)
        return range(first, last + 1, step) if step else ()
    return given if isinstance(given, list) else ()


def wrong_values(given: Any) -> str | None:
    """Why these are no values of a sweep."""
    if isinstance(given, str) and _MEANT_AS_RANGE.fullmatch(given):
        return _wrong_range(given)
    return None if isinstance(given, list) and given else NO_VALUES


def _wrong_range(text: str) -> str | None:
    if match := _RANGE.fullmatch(text):
        first, last, step = int(match[1]), int(match[2]), match[3] or "1"
        if int(step) == 0:
            return f"the range {text} never gets on: its step is 0"
        return f"the range {text} is empty: the smaller number first, {last}..{first}" if last < first else None
    if _LONG_RANGE.fullmatch(text):
        return f"the range {text} is far beyond the {MOST_POINTS:,} points that are possible"
    return f"{text!r} is no range: ranges are of whole numbers, 1..20 or 1..20..5; of anything else list each value: 10ms, 20ms"


def check(base: Document, known: list[Problem], folder: FilePath) -> list[Problem]:
    """What is wrong with the variants, breaks and sweeps of a file, and with nothing else in it."""
    if not isinstance(base.data, dict):
        return []
    asked = [*_variants(base), *_breaks(base), *_sweeps(base)]
    return _sweeps_readable(base) + _checked(base, asked, known, folder, "variants, breaks and sweep values")


def check_sets(document: Document, known: list[Problem], folder: FilePath) -> list[Problem]:
    """What is wrong with the values that ``timeline`` and alerts set."""
    if not isinstance(document.data, dict):
        return []
    maps = [path for pattern in control.SETS for path, _ in found(document.data, pattern)]
    asked = [("", [change]) for path in maps for change in overrides(document, path)]
    settable = [(name, changes) for name, changes in asked if control.settable(tuple(changes[0][0].split(".")))]
    return _checked(document, settable, known, folder, "values in set:")


def _checked(
    base: Document, asked: list[Change], known: list[Problem], folder: FilePath, what: str
) -> list[Problem]:
    if len(asked) > MOST_CHECKED or len(asked) * len(base.values) > MOST_WORK:
        return [Problem("Q005", f"{len(asked)} {what} are too many", asked[0][1][0][2])]
    seen = {(problem.code, problem.message) for problem in known}
    return [problem for name, changes in asked for problem in _named(name, changes, _new(_wrong(base, changes, folder), seen))]


def _named(name: str, changes: list[Override], problems: Iterator[Problem]) -> Iterator[Problem]:
    """What does not stand in the change itself says which change it is wrong with."""
    own = {place.line for _, inner, key in changes for place in (key, *inner.keys.values(), *inner.values.values())}
    for problem in problems:
        is_own = problem.place.line in own or not name
        yield problem if is_own else replace(problem, message=f"{problem.message}, with {name}")


def _variants(base: Document) -> Iterator[Change]:
    for name in names(base):
        if changes := overrides(base, ("variants", name)):
            yield f"variant {name!r}", changes


def _breaks(base: Document) -> Iterator[Change]:
    given = base.data.get("breaks")
    for number in range(len(given) if isinstance(given, list) else 0):
        if changes := overrides(base, ("breaks", number)):
            yield f"entry {number + 1} of breaks", changes


def _sweeps(base: Document) -> Iterator[Change]:
    given = base.data.get("sweep")
    for text, listed in given.items() if isinstance(given, dict) else ():
        key = base.place(("sweep", text), of_key=True)
        for number, value in _ends(values(listed), isinstance(listed, list)):
            path: Path = ("sweep", text) if number is None else ("sweep", text, number)
            inner = part(base, path) if number is not None else Document(value, {}, {(): base.place(path)})
            yield f"the sweep of {text}", [(text, inner, key)]


def _ends(points: Sequence[Any], is_list: bool) -> list[tuple[int | None, Any]]:
    """Every value of a list; of a range the two ends."""
    return (
        list(enumerate(points)) if is_list else [(None, value) for value in dict.fromkeys([*points[:1], *points[-1:]])]
    )


def _sweeps_readable(base: Document) -> list[Problem]:
    given = base.data.get("sweep")
    problems = []
    for text, listed in given.items() if isinstance(given, dict) else ():
        points, place = values(listed), base.place(("sweep", text))
        if isinstance(listed, list | str) and (why := wrong_values(listed)):
            problems.append(Problem("Q012", why, place))
        elif len(points) > MOST_POINTS:
            problems.append(Problem("Q005", f"a sweep of {len(points):,} points; {MOST_POINTS:,} are possible", place))
    return problems


def _wrong(base: Document, changes: list[Override], folder: FilePath) -> list[Problem]:
    document, problems = overlay(base, changes)
    scenario, found = shape.check(document)
    return problems + found + meaning.check(document, scenario, found, folder, advise=False)


def _new(problems: list[Problem], known: set[tuple[str, str]]) -> Iterator[Problem]:
    """What the file itself does not have wrong, and what this release could run."""
    for problem in problems:
        if problem.code != "Q040" and (problem.code, problem.message) not in known:
            yield problem
