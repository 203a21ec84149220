"""``run --against RESULT``: what is different from a result that was kept.

It knows the JSON that ``run --json`` and ``--out`` write.  Numbers are compared within 1e-9, as ``is`` does.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from qsim.api import RESULT_FORMAT
from qsim.cli.ends import Refused
from qsim.cli.table import table
from qsim.cli.together import Outcome
from qsim.metrics.numbers import names_of, summary_references
from qsim.scenario.plan import Plan
from qsim.scenario.reference import ReferenceError_, check_told, parse

MOST = 20
"""Lines shown of a long list."""


def readable(path: Path) -> dict[str, Any]:
    """The result that was kept, or what is wrong with it."""
    path = path / "summary.json" if path.is_dir() else path
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise Refused(f"{path}: not JSON") from None
    if not isinstance(kept, dict) or not isinstance(kept.get("metrics"), dict):
        raise Refused(f"{path}: not a result of `qsim run --json` or --out")
    if kept.get("format", RESULT_FORMAT) != RESULT_FORMAT:
        raise Refused(f"{path}: a result of format {kept['format']}; this release reads format {RESULT_FORMAT}")
    return kept


def differences(outcome: Outcome, kept: dict[str, Any]) -> dict[str, Any]:
    """{"same": bool, "digest": bool, "differences": {reference: [then, now]}}."""
    then, now = kept["metrics"], outcome.json()["metrics"]
    found = {name: [then.get(name), now.get(name)] for name in then | now if not equal(then.get(name), now.get(name))}
    return {"same": not found, "digest": kept.get("digest") == outcome.digest, "differences": found}


def asked_for(plan: Plan, kept: dict[str, Any]) -> Iterator[str]:
    """What is in the kept result by --metric, and can be told here too."""
    names = names_of(plan)
    usual = set(summary_references(names))
    for name in kept["metrics"]:
        try:
            if name not in usual:
                check_told(parse(name), names)
                yield name
        except ReferenceError_:
            continue


def equal(then: Any, now: Any) -> bool:
    if isinstance(then, int | float) and isinstance(now, int | float):
        return math.isclose(then, now, rel_tol=1e-9, abs_tol=1e-9)
    return bool(then == now)


def lines(found: dict[str, Any], path: str) -> Iterator[str]:
    if found["same"]:
        yield f"the same as {path}" + ("" if found["digest"] else ", by other events: the digest differs")
        return
    rows = [[name, said(then), said(now)] for name, (then, now) in list(found["differences"].items())[:MOST]]
    yield from table([["differs", "then", "now"], *rows])
    if len(found["differences"]) > MOST:
        yield f" and {len(found['differences']) - MOST} more"


def said(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.6g}"
    return "-" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
