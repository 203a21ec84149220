"""Many traces: replay them all, a line each, and count.  It is what ``qsim conform`` prints."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from qsim.trace.load import TraceError, load
from qsim.trace.replay import Outcome, Verdict, replay


def conform(paths: Iterable[str | Path]) -> list[Verdict]:
    """A verdict a trace, in the order of the paths, a folder's traces by name.  What cannot be read is a TraceError,
    all of it at once."""
    verdicts: list[Verdict] = []
    problems: list[str] = []
    for path in _files(paths):
        try:
            verdicts.append(replay(load(path)))
        except TraceError as error:
            problems += error.problems
    if problems:
        raise TraceError(*problems)
    return verdicts


def report(verdicts: Sequence[Verdict]) -> str:
    """A line a trace, and the sum."""
    ok, differ, not_covered = _counts(verdicts)
    return "\n".join([*map(str, verdicts), f"{ok} ok, {differ} differ, {not_covered} not covered"])


def exit_code(verdicts: Sequence[Verdict]) -> int:
    """1 if any differs."""
    return int(any(verdict.outcome is Outcome.DIFFERS for verdict in verdicts))


def data(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """The same for machines."""
    ok, differ, not_covered = _counts(verdicts)
    return {"traces": [_data(verdict) for verdict in verdicts], "ok": ok, "differ": differ, "not_covered": not_covered}


def _counts(verdicts: Sequence[Verdict]) -> tuple[int, int, int]:
    ok, differ, not_covered = (sum(v.outcome is outcome for v in verdicts) for outcome in Outcome)
    return ok, differ, not_covered


def _data(verdict: Verdict) -> dict[str, Any]:
    told = {"step": verdict.step, "expected": verdict.expected, "got": verdict.got, "rule": verdict.rule}
    known = {key: value for key, value in told.items() if value is not None}
    plain: dict[str, Any] = json.loads(json.dumps(known, default=float))  # the decimals of the file as numbers
    return {"name": verdict.name, "verdict": str(verdict.outcome)} | plain


def _files(paths: Iterable[str | Path]) -> list[Path]:
    files: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            found = [each for each in path.rglob("*.json") if not each.name.startswith("_")]
            files += sorted(found)
            if not found:
                raise TraceError(f"{path}: there is no trace in this folder")
        else:
            files.append(path)
    return files
