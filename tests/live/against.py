"""Sequences done to a real broker and to the simulated one, many at once; where they differ, a smaller one is looked for.

It knows how to compare; no broker.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from random import Random
from time import monotonic
from typing import Any

from qsim.record.recorder import record
from qsim.record.session import Driver, NotRecorded
from qsim.trace.load import TraceError, parse
from qsim.trace.replay import agree
from qsim.trace.stage import Malformed, NotCovered, Stage
from tests.live.sequences import Play, Target, sequence

AT_ONCE = 25
LATE = 0.5
"""Seconds that a step may be late: half of what it keeps from a deadline.  A busy machine's recording is not compared."""


@dataclass(frozen=True)
class Compared:
    """``difference``: the first, in words; None if there is none, or if the recording is no good: ``is_late``, or
    ``is_unsteady``, for another recording of the same steps did not differ."""

    trace: Mapping[str, Any]
    difference: str | None
    is_late: bool
    is_unsteady: bool = False

    def __str__(self) -> str:
        return f"{self.trace['name']}: {self.difference}\n  config {json.dumps(self.trace['config'].get('queues'))}"


def compare_all(target: Target, driver: Driver, url: str, seeds: Iterable[int]) -> list[Compared]:
    """Each on queues of its own, some at once, so that they share the time that has to pass."""
    steps = [sequence(target, seed) for seed in seeds]
    with ThreadPoolExecutor(AT_ONCE) as threads:
        found = list(threads.map(lambda data: compare(target, driver, url, data), steps))
        return list(threads.map(lambda each: _again(target, driver, url, each), found))


def _again(target: Target, driver: Driver, url: str, found: Compared) -> Compared:
    """A difference that does not come again is the machine's: it was so busy that what was to come first came last."""
    if found.difference is None or compare(target, driver, url, found.trace).difference is not None:
        return found
    return replace(found, difference=None, is_unsteady=True)


def compare(target: Target, driver: Driver, url: str, data: Mapping[str, Any], tries: int = 3) -> Compared:
    """Record, and replay what was recorded; once more if the machine was too busy."""
    made = record(driver, url, data["config"], data["steps"])
    trace = {**data, "version": made.version, "config": made.config, "recordings": 1, "steps": made.steps}
    is_late = target.has_deadlines and made.late > LATE
    if is_late and tries > 1:
        return compare(target, driver, url, data, tries - 1)
    return Compared(trace, None if is_late else difference(target, trace), is_late)


def difference(target: Target, trace: Mapping[str, Any]) -> str | None:
    """The first step where the simulated broker answers otherwise."""
    read = parse(json.dumps(trace), trace["name"])
    stage = Stage.of(target.dialect, read.config)
    for step in read.steps:
        got = stage.perform(step)
        if not agree(step.result, got, any_group_first=True):
            asked = f"{step.actor} {step.op} {json.dumps(step.args, default=float)}"
            return f"step {step.number} {asked}: expected {_text(step.result)} got {_text(got)}"
    return None


def shrink(target: Target, driver: Driver, url: str, found: Compared, until: float) -> Compared:
    """A smaller one that differs too: fewer steps, ever smaller pieces left out, while there is time (``monotonic``)."""
    found = _cut(found)
    piece = len(found.trace["steps"]) // 2
    while piece and monotonic() < until:
        smaller = _without(target, driver, url, found, piece)
        found = smaller or found
        piece = min(piece, len(found.trace["steps"]) // 2) if smaller else piece // 2
    return found


def _cut(found: Compared) -> Compared:
    """Nothing after the difference."""
    assert found.difference is not None
    last = int(found.difference.split()[1])
    return replace(found, trace={**found.trace, "steps": found.trace["steps"][: last + 1]})


def _without(target: Target, driver: Driver, url: str, found: Compared, piece: int) -> Compared | None:
    """Every piece of that length left out alone, all at once; then all that can be spared together, if they can."""
    steps = found.trace["steps"]
    places = range(0, len(steps) - 1, piece)
    with ThreadPoolExecutor(AT_ONCE) as threads:
        rests = [steps[:n] + steps[n + piece :] for n in places]
        tried = list(threads.map(lambda rest: _try(target, driver, url, {**found.trace, "steps": rest}, found.trace), rests))
    spared = [place for place, result in zip(places, tried, strict=True) if result is not None]
    if not spared:
        return None
    rest = [step for n, step in enumerate(steps) if n - n % piece not in spared]
    best = _try(target, driver, url, {**found.trace, "steps": rest}, found.trace) if len(spared) > 1 and rest else None
    return best or next(result for result in tried if result is not None)


def _try(target: Target, driver: Driver, url: str, data: Mapping[str, Any], whole: Mapping[str, Any]) -> Compared | None:
    """Whether fewer steps differ too.  Steps that name what is no longer there do not count, nor those that settle what
    they did not before: moves keep away from some of that."""
    try:
        before, now = _what_is_held(target, whole), _what_is_held(target, data)
        if any(held != before[step] for step, held in now.items()):
            return None
        again = compare(target, driver, url, data)
    except (NotRecorded, NotCovered, Malformed, TraceError, LookupError):
        return None
    return _cut(again) if again.difference is not None else None


def _what_is_held(target: Target, data: Mapping[str, Any]) -> dict[int, bool]:
    """Of each step that names a handle (by its time, which is its own): whether its actor holds that."""
    play = Play(Random(), Stage.of(target.dialect, data["config"]), data["config"], {})
    held = {}
    for step in parse(json.dumps({**data, "steps": [{"result": {}, **each} for each in data["steps"]]}), "").steps:
        play.stage.until(step.time)
        if "handle" in step.args:
            held[step.time] = any(actor == step.actor for handle, actor, _ in play.given if handle == step.args["handle"])
            held[step.time] &= play.is_held(step.args["handle"])
        result = play.stage.perform(step)
        play.given += [(each["handle"], step.actor, "") for each in result.get("messages", ())]
    return held


def _text(result: Any) -> str:
    return json.dumps(result, default=float, ensure_ascii=False)
