"""``run --against RESULT``: what is different from a result that was kept.

It knows the JSON that ``run --json`` and ``--out`` write.  Numbers are compared within 1e-9, as ``is`` does; of means of
several replications with other luck only what is beyond noise is a difference.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qsim.api import RESULT_FORMAT
from qsim.cli.ends import Refused
from qsim.cli.table import table
from qsim.cli.together import Outcome
from qsim.metrics.numbers import names_of, summary_references
from qsim.scenario.plan import Plan
from qsim.scenario.reference import ReferenceError_, check_told, parse
from qsim.study.intervals import CONFIDENCE

MOST = 20
"""Lines shown of a long list."""
DOUBT = 1e-4
"""How often luck alone is taken for a difference, a number."""


def readable(path: Path) -> dict[str, Any]:
    """The result that was kept, or what is wrong with it."""
    path = path / "summary.json" if path.is_dir() else path
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise Refused(f"{path}: not JSON") from None
    if not isinstance(kept, dict) or not isinstance(kept.get("metrics"), dict):
        raise Refused(f"{path}: not a result of `qsim run --json` or --out")
    if not _is_whole(kept):
        raise Refused(f"{path}: damaged: its expectations, intervals or replications are not what `qsim run` writes")
    if kept.get("format", RESULT_FORMAT) != RESULT_FORMAT:
        raise Refused(f"{path}: a result of format {kept['format']}; this release reads format {RESULT_FORMAT}")
    return kept


def _is_whole(kept: dict[str, Any]) -> bool:
    """Whether what is looked into has its shape; of another format nothing is known."""
    if kept.get("format", RESULT_FORMAT) != RESULT_FORMAT:
        return True
    expected, intervals, count = kept.get("expectations", []), kept.get("intervals", {}), kept.get("replications", 1)
    judged = {"that", "predicate", "value", "verdict"}
    return (
        isinstance(expected, list)
        and all(isinstance(each, dict) and judged <= each.keys() for each in expected)
        and isinstance(intervals, dict)
        and all(
            isinstance(each, list) and [type(x) in (int, float) for x in each] == [True] * 2
            for each in intervals.values()
        )
        and type(count) is int
    )


def differences(outcome: Outcome, kept: dict[str, Any]) -> dict[str, Any]:
    """{"same": bool, "digest": bool, "scenario": [then, now] where it is another, "differences": {reference: [then, now]},
    "noise": how many numbers differ by no more than noise, "other_luck": bool}.

    With the same seed luck is the same, and whatever differs has been caused."""
    made = outcome.json()
    then, now = kept["metrics"], made["metrics"]
    apart = {name: [then.get(name), now.get(name)] for name in then | now if not equal(then.get(name), now.get(name))}
    other_luck = _luck(kept) != _luck(made)
    noise = {name for name in apart if other_luck and is_noise(_mean(kept, name), _mean(made, name))}
    found = {name: pair for name, pair in apart.items() if name not in noise}
    names = [kept.get("scenario"), made["scenario"]]
    other = {"scenario": names} if names[0] not in (None, names[1]) else {}
    is_same_digest = kept.get("digest") == outcome.digest
    return {
        "same": not found,
        "digest": is_same_digest,
        **other,
        "differences": found,
        "noise": len(noise),
        "other_luck": other_luck,
    }


def _luck(result: dict[str, Any]) -> tuple[Any, int, Any]:
    return result.get("seed"), result.get("replications", 1), result.get("replication")


@dataclass(frozen=True, slots=True)
class Mean:
    """Of several replications, with half of its interval."""

    value: float
    half: float
    replications: int


def _mean(result: dict[str, Any], name: str) -> Mean | None:
    interval = result.get("intervals", {}).get(name)
    count = result.get("replications", 1)
    return None if interval is None or count < 2 else Mean(sum(interval) / 2, (interval[1] - interval[0]) / 2, count)


def is_noise(then: Mean | None, now: Mean | None) -> bool:
    """Whether two means of independent replications are as near as luck alone leaves them, by Welch's test.

    There are about a hundred numbers in a result, so that each is asked with all but a ten thousandth of certainty.
    B. L. Welch, *The Generalization of Student's Problem when Several Different Population Variances are Involved*,
    Biometrika 34 (1947).
    """
    if then is None or now is None or not (then.half or now.half):
        return False
    from scipy.special import stdtrit

    squares = [(mean.half / float(stdtrit(mean.replications - 1, (1 + CONFIDENCE) / 2))) ** 2 for mean in (then, now)]
    freedom = sum(squares) ** 2 / sum(
        square**2 / (mean.replications - 1) for square, mean in zip(squares, (then, now), strict=True)
    )
    limit = float(stdtrit(freedom, 1 - DOUBT / 2))
    return abs(now.value - then.value) <= limit * math.sqrt(sum(squares))


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
    if "scenario" in found:
        yield f"{path} is a result of another scenario: {found['scenario'][0]}"
    if found["same"]:
        noise = f" but for noise in {found['noise']} numbers" if found["noise"] else ""
        yield f"the same as {path}{noise}" + ("" if found["digest"] else ", by other events: the digest differs")
        return
    rows = [[name, said(then), said(now)] for name, (then, now) in list(found["differences"].items())[:MOST]]
    yield from table([["differs", "then", "now"], *rows])
    if len(found["differences"]) > MOST:
        yield f" and {len(found['differences']) - MOST} more"
    if found["noise"]:
        yield f"{found['noise']} more differ by no more than noise"
    elif found["other_luck"]:
        yield "the luck is another: several --replications in both would tell what is noise"


def said(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.6g}"
    return "-" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
