"""A recorded trace, read and checked: what was done to a real broker, step by step, and what it answered.

It knows the file, no broker and no rule.  Numbers with a point stay decimals, so that a time becomes whole
nanoseconds exactly.  Steps count from 0, as they do in the file's own ``documented_results``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeGuard

from qsim.units import SECOND, Nanos

Json = Mapping[str, Any]


class TraceError(ValueError):
    """What is wrong with one or several trace files: all of it, each with its file and step."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Step:
    """``result`` is what must come: what the documentation requires, where the file says so, else the recording."""

    number: int
    time: Nanos
    actor: str
    op: str
    args: Json
    result: Json


@dataclass(frozen=True, slots=True)
class Trace:
    """One recording.  ``broker`` is the name of a profile; ``version`` what was recorded."""

    name: str
    broker: str
    version: str
    shows: str
    config: Json
    steps: tuple[Step, ...]
    path: str


def nanos(seconds: int | Decimal) -> Nanos:
    """Seconds as the file writes them, exactly."""
    time = Decimal(seconds) * SECOND
    if time != int(time):
        raise ValueError(f"{seconds} s is finer than a nanosecond")
    return int(time)


def load(path: str | Path) -> Trace:
    """Read one file; a TraceError names everything that is wrong with it."""
    try:
        return parse(Path(path).read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as problem:
        raise TraceError(f"{path}: cannot be read: {problem}") from None


def parse(text: str, path: str) -> Trace:
    """The trace in a text; ``path`` is what problems are reported under."""
    try:
        data = json.loads(text, parse_float=Decimal, parse_constant=_no_constant)
    except (json.JSONDecodeError, RecursionError, ValueError) as problem:
        raise TraceError(f"{path}: is not JSON: {problem}") from None
    problems = list(_problems(data))
    if problems:
        raise TraceError(*(f"{path}: {problem}" for problem in problems))
    documented = {each["step"]: each["result"] for each in data.get("documented_results", ())}
    return Trace(
        name=data["name"],
        broker=data["broker"],
        version=data.get("version", ""),
        shows=data.get("what_it_shows", ""),
        config=data["config"],
        steps=tuple(_step(number, step, documented) for number, step in enumerate(data["steps"])),
        path=path,
    )


def _step(number: int, step: Json, documented: Mapping[int, Json]) -> Step:
    result = documented.get(number, step["result"])
    return Step(number, nanos(step["t"]), step["actor"], step["op"], step["args"], result)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


# --- checking -----------------------------------------------------------------------------------------------------

_TRACE = {"name": (str, "a text"), "broker": (str, "a text"), "config": (dict, "a map"), "steps": (list, "a list")}
_STEP = {
    "t": ((int, Decimal), "a time in seconds"),
    "actor": (str, "a text"),
    "op": (str, "a text"),
    "args": (dict, "a map"),
    "result": (dict, "a map"),
}  # fmt: skip


def _problems(data: Any) -> Iterator[str]:
    if not isinstance(data, dict):
        yield "is no trace: a map is needed"
        return
    found = list(_fields(data, _TRACE))
    yield from found
    if found:
        return
    if not data["steps"]:
        yield "has no steps"
    yield from _queues_problems(data["config"])
    last: int | Decimal = 0
    for number, step in enumerate(data["steps"]):
        for problem in _step_problems(step, last):
            yield f"step {number}: {problem}"
        if isinstance(step, dict) and _is_number(step.get("t")):
            last = max(last, step["t"])
    yield from _documented_problems(data.get("documented_results", []), len(data["steps"]))


def _fields(data: Json, wanted: Mapping[str, tuple[Any, str]]) -> Iterator[str]:
    for key, (kind, word) in wanted.items():
        if key not in data:
            yield f"{key!r} is missing"
        elif not isinstance(data[key], kind) or isinstance(data[key], bool):
            yield f"{key!r} must be {word}"


def _queues_problems(config: Json) -> Iterator[str]:
    queues = config.get("queues", {})
    if not isinstance(queues, dict) or not all(isinstance(settings, dict) for settings in queues.values()):
        yield "config: 'queues' must map names to settings"


def _step_problems(step: Any, last: int | Decimal) -> Iterator[str]:
    if not isinstance(step, dict):
        yield "must be a map"
        return
    yield from _fields(step, _STEP)
    time = step.get("t")
    if not _is_number(time):
        return
    if time < last:
        yield f"is at {time} s, before the one before it"
    try:
        nanos(time)
    except ValueError as problem:
        yield str(problem)


def _documented_problems(documented: Any, steps: int) -> Iterator[str]:
    if not isinstance(documented, list):
        yield "'documented_results' must be a list"
        return
    for each in documented:
        if not (isinstance(each, dict) and isinstance(each.get("result"), dict) and type(each.get("step")) is int):
            yield "documented_results: each needs a 'step' and a 'result'"
        elif not 0 <= each["step"] < steps:
            yield f"documented_results: there is no step {each['step']}"


def _is_number(value: Any) -> TypeGuard[int | Decimal]:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)
