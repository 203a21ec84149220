"""Steps in, a trace out.

It knows the file format.  Steps are a trace without results, or with results that are of no interest: a recording
that is to be made again, on another broker or another version.
"""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

from qsim.record.recorder import Recording, record
from qsim.record.session import Driver, Json
from qsim.trace.load import TraceError, parse

BROKERS = ("sqs", "rabbitmq", "redis", "activemq")
KEPT = ("name", "broker", "what_it_shows", "oracle_note")
"""What a recording takes over from its steps; the rest is its own."""


def driver(broker: str) -> Driver:
    """By name.  An ImportError if its client is not installed."""
    found: Driver = import_module(f"qsim.record.{broker}").DRIVER
    return found


def load_steps(path: Path) -> dict[str, Any]:
    """Read and check a file of steps; a TraceError names all that is wrong with it."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise TraceError(f"{path}: cannot be read: {problem}") from None
    if isinstance(data, dict) and isinstance(data.get("steps"), list):
        data.pop("documented_results", None)
        data["steps"] = [{**each, "result": {}} if isinstance(each, dict) else each for each in data["steps"]]
    parse(json.dumps(data), str(path))
    return data


def record_steps(driver: Driver, url: str, data: Json, times: int = 1) -> tuple[dict[str, Any], list[str]]:
    """The trace, and what was not the same in each of several recordings."""
    recordings = [record(driver, url, data["config"], data["steps"]) for _ in range(times)]
    return trace(data, recordings), [line for other in recordings[1:] for line in differences(recordings[0], other)]


def trace(data: Json, recordings: list[Recording]) -> dict[str, Any]:
    first = recordings[0]
    kept = {key: data[key] for key in KEPT if key in data}
    return {**kept, "version": first.version, "config": first.config, "recordings": len(recordings), "steps": first.steps}


def differences(one: Recording, other: Recording) -> list[str]:
    """Where two recordings of the same steps do not agree."""
    return [
        f"step {number}: {_text(mine['result'])} and {_text(yours['result'])}"
        for number, (mine, yours) in enumerate(zip(one.steps, other.steps, strict=True))
        if mine["result"] != yours["result"]
    ]


def _text(result: Any) -> str:
    return json.dumps(result, ensure_ascii=False)
