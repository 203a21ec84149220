"""Dotted paths: how a variant, a sweep, ``extends`` and ``--set`` change a document.

It knows documents and paths, not what may stand there.  A changed document shares everything it did not change with
the one it came from, and remembers where the new values were written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from qsim.scenario.problems import Place, Problem, ScenarioError, did_you_mean
from qsim.scenario.source import Document, Layer, Path, fail

SECTIONS = {
    "queues": "queue", "topics": "topic", "producers": "producer", "consumers": "consumer",
    "dependencies": "dependency", "alerts": "alert", "timeline": "timeline entry",
}  # fmt: skip
"""Maps by name, and what one of their entries is called."""

FIXED = ("qsim", "extends", "variants", "sweep", "breaks")
"""What no path may change."""


def split(text: str, place: Place) -> Path:
    parts = tuple(text.split("."))
    if not all(parts) or len(parts) > 12:
        fail("Q019", f"{text[:60]!r} is not a path: write names with dots, consumers.worker.count", place)
    return parts


def changed(document: Document, text: str, value: Document, key: Place) -> Document:
    """The document with ``value`` at the path ``text``, which stands at ``key``; None removes."""
    path = split(text, key)
    if path[0] in FIXED:
        fail("Q019", f"{path[0]!r} cannot be changed by a path", key)
    data = _with(document.data, path, value.data, ())
    if isinstance(data, _Missing):
        raise ScenarioError([data.problem(document, path, key)])
    return replace(document, data=data, layers=(*document.layers, Layer(path, value, key)))


def overlay(document: Document, overrides: Iterable[tuple[str, Document, Place]]) -> tuple[Document, list[Problem]]:
    """All changes that can be made, and what was wrong with the others."""
    problems: list[Problem] = []
    for text, value, key in overrides:
        try:
            document = changed(document, text, value, key)
        except ScenarioError as error:
            problems += error.problems
    return document, problems


def part(document: Document, path: Path) -> Document:
    """What stands at a path, as a document of its own, for putting it somewhere else."""
    data = document.data
    for step in path:
        data = data[step]
    size = len(path)
    inner = Document(data)
    if isinstance(data, dict | list):
        inner.keys = {p[size:]: place for p, place in document.keys.items() if p[:size] == path and len(p) > size}
        inner.values = {p[size:]: place for p, place in document.values.items() if p[:size] == path}
    inner.values[()] = document.place(path)
    return inner


def merged(base: Document, on_top: Document) -> Document:
    """Maps key by key, everything else is replaced; of two places the one on top is remembered."""
    data = _merge(base.data, on_top.data, ())
    return Document(data, base.keys | on_top.keys, base.values | on_top.values)


def found(data: Any, pattern: str) -> Iterator[tuple[Path, Any]]:
    """What stands at ``queues.*.dlq.queue``; ``*`` is every entry of a map or a list."""
    return _found(data, pattern.split("."), ())


def value_at(data: Any, path: Path) -> Any:
    """None where nothing stands."""
    for step in path:
        if isinstance(data, dict):
            data = data.get(step)
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            data = data[step]
        else:
            return None
    return data


def _found(data: Any, steps: list[str], path: Path) -> Iterator[tuple[Path, Any]]:
    if not steps:
        yield path, data
        return
    step, *rest = steps
    if isinstance(data, dict):
        for key in data if step == "*" else [step] if step in data else []:
            yield from _found(data[key], rest, (*path, key))
    elif isinstance(data, list) and step == "*":
        for number, item in enumerate(data):
            yield from _found(item, rest, (*path, number))


class _Missing:
    """Why a path leads nowhere: the part of it that exists."""

    def __init__(self, done: Path, data: Any) -> None:
        self.done, self.data = done, data

    def problem(self, document: Document, path: Path, key: Place) -> Problem:
        inside, step = ".".join(map(str, self.done)), path[len(self.done)]
        if isinstance(self.data, dict):
            kind = SECTIONS[str(self.done[0])]
            return Problem("Q020", f"no {kind} is called {step!r}", key,
                           did_you_mean(str(step), list(self.data), "there are"))  # fmt: skip
        what = "a list: set it as a whole" if isinstance(self.data, list) else "not a map"
        return Problem("Q010", f"no key {step!r} in {inside}, which is {what}", key)


def _with(data: Any, path: Path, value: Any, done: Path) -> Any:
    if not path:
        return value
    if data is None and not (len(done) == 2 and done[0] in SECTIONS):
        data = {}
    if not isinstance(data, dict):
        # A name that does not exist is not made on the way to one of its keys: it is probably misspelt.
        return _Missing(done, data)
    step, rest = path[0], path[1:]
    if len(done) == 1 and done[0] in SECTIONS:
        if (rest or value is None) and data.get(step) is None:
            return _Missing(done, data)
        if not rest and value is None:
            return {name: entry for name, entry in data.items() if name != step}
    inner = _with(data.get(step), rest, value, (*done, step))
    if isinstance(inner, _Missing):
        return inner
    return {**data, step: inner} if step in data or inner is not None else data


def _merge(base: Any, on_top: Any, path: Path) -> Any:
    if not isinstance(base, dict) or not isinstance(on_top, dict):
        return on_top
    result = dict(base)
    for key, value in on_top.items():
        result[key] = _merge(base.get(key), value, (*path, key))
        if value is None and len(path) == 1 and path[0] in SECTIONS and key in base:
            del result[key]
    return result
