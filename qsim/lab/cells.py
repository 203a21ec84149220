"""A lesson as cells: which exercise each belongs to, and whether it is its answer or its check.

It reads notebooks (.ipynb) and the py:percent files they are paired with, runs nothing and knows no points.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LARGEST = 32 * 1024 * 1024
"""Bytes of a notebook that is still read."""

_MARK = re.compile(r"^# %%(?P<rest>.*)$")
_META = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*")')
_CALLED = re.compile(r"""\bexercise\(\s*["'](\d\d\.\d+)["']""")
_HEADING = re.compile(r"^###\s+(\d\d\.\d+)\b", re.MULTILINE)
_LESSON = re.compile(r"^(\d\d)-")


class Unreadable(Exception):
    """The file is no notebook; the text says why."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell; ``role`` is answer, check, reference, wrong, or nothing for a cell of the lesson's own."""

    source: str
    is_code: bool = True
    exercise: str = ""
    role: str = ""
    name: str = ""
    says: str = ""

    @property
    def checks(self) -> str:
        """The exercise whose points this cell counts, by its metadata or by what it calls."""
        called = _CALLED.search(self.source) if self.is_code else None
        return self.exercise if self.role == "check" else called[1] if called and self.role != "answer" else ""

    @property
    def heads(self) -> str:
        """The exercise whose heading stands in this cell."""
        heading = None if self.is_code else _HEADING.search(self.source)
        return heading[1] if heading else ""


@dataclass(frozen=True, slots=True)
class Exercise:
    """What is asked, what counts, and for how many points."""

    name: str
    answer: tuple[str, ...]
    check: str
    of: float


@dataclass(frozen=True, slots=True)
class Lesson:
    """A lesson's cells in their order."""

    name: str
    cells: tuple[Cell, ...]
    exercises: dict[str, Exercise] = field(default_factory=dict)

    @property
    def number(self) -> str:
        """``01`` of ``01-core-model``."""
        return self.name[:2]


@dataclass(frozen=True, slots=True)
class Solution:
    """An answer that we know: the reference, or a wrong one with a piece of what it must be told."""

    exercise: str
    name: str
    says: str
    sources: tuple[str, ...]

    @property
    def is_reference(self) -> bool:
        return not self.name


# --- reading ----------------------------------------------------------------------------------------------------------


def read(path: Path) -> tuple[Cell, ...]:
    """The cells of a notebook or of a py:percent file."""
    if path.stat().st_size > LARGEST:
        raise Unreadable(f"is larger than {LARGEST // 1024**2} MiB: clear its outputs")
    try:
        text = path.read_text(encoding="utf-8")
        return tuple(_of_notebook(json.loads(text)) if path.suffix == ".ipynb" else _of_percent(text))
    except (ValueError, RecursionError, AttributeError, TypeError, KeyError) as error:
        raise Unreadable(f"cannot be read as a notebook: {error}") from None


def _of_notebook(data: dict[str, Any]) -> Iterator[Cell]:
    for cell in data["cells"]:
        source = cell.get("source", "")
        told = cell.get("metadata", {})
        words = {word: str(told.get(word, "")) for word in ("exercise", "role", "name", "says")}
        yield Cell("".join(source), cell.get("cell_type") == "code", **words)


def _of_percent(text: str) -> Iterator[Cell]:
    rest, lines = "", list[str]()
    for line in [*text.splitlines(), "# %%"]:
        mark = _MARK.match(line)
        if mark is None:
            lines.append(line)
            continue
        if (lines := _stripped(lines)) and not _is_header(lines):
            yield _cell(rest, lines)
        rest, lines = mark["rest"], []


def _cell(rest: str, lines: list[str]) -> Cell:
    words = {name: json.loads(value) for name, value in _META.findall(rest)}
    is_code = "[markdown]" not in rest
    if not is_code:
        lines = [line.removeprefix("#").removeprefix(" ") for line in lines]
    kept = {word: words.get(word, "") for word in ("exercise", "role", "name", "says")}
    return Cell("\n".join(lines), is_code, **kept)


def _stripped(lines: list[str]) -> list[str]:
    """Without the empty lines around."""
    return "\n".join(lines).strip("\n").splitlines()


def _is_header(lines: list[str]) -> bool:
    return lines[0] == "# ---"


# --- what a lesson and its solutions are ------------------------------------------------------------------------------


def lesson(path: Path) -> Lesson:
    """A lesson from its file."""
    cells = read(path)
    return Lesson(path.stem, cells, dict(_exercises(cells)))


def _exercises(cells: Iterable[Cell]) -> Iterator[tuple[str, Exercise]]:
    answers: dict[str, list[str]] = {}
    for cell in cells:
        if cell.role == "answer":
            answers.setdefault(cell.exercise, []).append(cell.source)
        elif name := cell.checks:
            yield name, Exercise(name, tuple(answers.get(name, ())), cell.source, _points(cell.source))


def _points(check: str) -> float:
    """``exercise("01.2", points=2)`` in the cell says 2."""
    for node in ast.walk(ast.parse(check)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "exercise":
            given = [*node.args[1:2], *(word.value for word in node.keywords if word.arg == "points")]
            return float(ast.literal_eval(given[0])) if given else 1.0
    raise Unreadable("a check cell that calls no exercise(...)")


def solutions(path: Path) -> tuple[Solution, ...]:
    """The reference and the wrong answers, by exercise; several cells of one name are one answer."""
    found: dict[tuple[str, str], tuple[str, list[str]]] = {}
    for cell in read(path):
        if cell.role in ("reference", "wrong"):
            name = "" if cell.role == "reference" else cell.name or "?"
            found.setdefault((cell.exercise, name), (cell.says, []))[1].append(cell.source)
    return tuple(Solution(which, name, says, tuple(them)) for (which, name), (says, them) in found.items())


def lesson_of(name: str, cells: Iterable[Cell]) -> str:
    """The number of the lesson that a submission answers, by its exercises or by its file's name; "" of none."""
    for cell in cells:
        if which := cell.exercise or cell.checks:
            return which[:2]
    named = _LESSON.match(name)
    return named[1] if named else ""


def answers(cells: Iterable[Cell], lesson: Lesson) -> dict[str, tuple[str, ...]]:
    """What a submission answers: every cell of its own from an exercise's heading, or its answer cell, to the next.

    Cells are known by their metadata; a tool may have lost it, so headings and calls of ``exercise`` count too.
    """
    ours = {cell.source.strip() for cell in lesson.cells if cell.role != "answer"}
    found: dict[str, list[str]] = {}
    current = ""
    for cell in cells:
        current = cell.heads or (cell.exercise if cell.role == "answer" else cell.checks) or current
        if current in lesson.exercises and cell.is_code and not cell.checks and cell.source.strip() not in ours:
            found.setdefault(current, []).append(cell.source)
    return {name: tuple(sources) for name, sources in found.items()}
