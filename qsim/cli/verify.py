"""``qsim verify``: the engine held against textbooks and arithmetic, as a table that a sceptic can check.

It knows lines of 80 columns; the rows and the verdict are those of ``study/verify``.
"""

from __future__ import annotations

import json as json_
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qsim.cli.ends import Exit, Refused
from qsim.cli.table import hanging, table
from qsim.cli.terminal import colour, err, out

if TYPE_CHECKING:
    from qsim.study.verify.coverage import Coverage
    from qsim.study.verify.table import ExactRow, Partial, Row, Verdict

_MISSES = "✗"


def command(
    quick: Annotated[bool, typer.Option("--quick", help="Shorter runs, no coverage: half a minute.")] = False,
    coverage: Annotated[
        int | None, typer.Option(metavar="N", min=10, help="Only this: how many of N intervals cover the truth.")
    ] = None,
    jobs: Annotated[int, typer.Option(metavar="N", min=1, help="Processes.")] = 1,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Other luck: row r has seed N + r.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="One JSON object; times in seconds.")] = False,
) -> int:
    """Hold the engine against theory: a table, and a verdict."""
    if quick and coverage:
        raise Refused("--quick has no coverage: write one of the two")
    try:
        return _both(quick, coverage, jobs, seed, json)
    except KeyboardInterrupt as stop:
        done = getattr(stop, "done", None)
    _stopped(done, json)
    return Exit.INTERRUPTED


def _both(quick: bool, coverage: int | None, jobs: int, seed: int, json: bool) -> int:
    from qsim.study.verify.coverage import EXPERIMENTS

    found = None if coverage else _verdict(quick, jobs, seed, json)
    if found is not None and not json:
        for line in _lines(found):
            out(line)
    counted = None if quick else _coverage(coverage or EXPERIMENTS, jobs, seed, json)
    if counted is not None and not json:
        for line in _coverage_lines(counted):
            out(line)
    if json:
        out(json_.dumps(_jsonable(found, counted), ensure_ascii=True, allow_nan=False))
    return Exit.OK if all(each is None or each.holds for each in (found, counted)) else Exit.FAILED


def _verdict(quick: bool, jobs: int, seed: int, quiet: bool) -> Verdict:
    from qsim.cli.progress import Watch
    from qsim.study.verify.table import verify

    with Watch("verify", quiet=quiet) as watch:
        return verify(quick, jobs, watch.replication, seed)


def _coverage(experiments: int, jobs: int, seed: int, quiet: bool) -> Coverage:
    from qsim.cli.progress import Watch
    from qsim.study.verify.coverage import coverage

    with Watch("coverage", quiet=quiet) as watch:
        return coverage(experiments, jobs, watch.replication, seed)


# --- saying ---------------------------------------------------------------------------------------------------------------


def _stopped(done: Partial | Coverage | None, json: bool) -> None:
    """What Ctrl-C left, and that it is no verdict."""
    from qsim.study.verify.table import Partial

    rows = done if isinstance(done, Partial) else None
    counted = done if not isinstance(done, Partial) else None
    if json:
        told = _jsonable(None if rows is None else rows.found, counted)
        out(json_.dumps(told | {"holds": None, "stopped": "interrupted"}, ensure_ascii=True, allow_nan=False))
    elif rows is not None and rows.done:
        for line in _tables(rows.found):
            out(line)
    elif counted is not None:
        for line in _coverage_lines(counted):
            out(line)
    if rows is not None:
        err(f"stopped: {rows.done} of {rows.of} rows are done, which is no verdict")
    else:
        err(f"stopped: {counted.experiments if counted else 0:,} experiments are done")


def _lines(found: Verdict) -> Iterator[str]:
    yield from _tables(found)
    yield from _judged(found)


def _tables(found: Verdict) -> Iterator[str]:
    head = [["model", "setting", "what", "theory", "from", "to", ""]]
    yield from _bold_head(table(head + [_random(row) for row in found.rows], left=3))
    yield ""
    yield from _bold_head(table([["model", "setting", "what", "exactly", ""], *map(_exact, found.exact)], left=3))
    yield ""


def _bold_head(lines: list[str]) -> Iterator[str]:
    yield colour(lines[0], "bold")
    yield from lines[1:]


def _random(row: Row) -> list[str]:
    case, seen = row.case, row.interval
    numbers = [f"{value:.4g}" for value in (seen.truth, seen.low, seen.high)]
    return [case.model, case.setting, case.what, *numbers, "" if seen.covers else _MISSES]


def _exact(row: ExactRow) -> list[str]:
    case = row.case
    seen = "" if row.holds else f"{_MISSES} {row.seen}"
    return [case.model, case.setting, case.what, f"{row.truth}", seen]


def _judged(found: Verdict) -> Iterator[str]:
    n, (low, high) = len(found.rows), found.plausible
    exact, off = len(found.exact), found.wrong
    yield from hanging(
        f"{_mark(low <= found.misses <= high)} ",
        f"{found.misses} of {n} intervals of 95 % miss theory; chance explains {low} to {high}",
        2,
    )
    yield from hanging(
        f"{_mark(found.farthest <= found.farthest_limit)} ",
        f"the farthest is {found.farthest:.1f} standard errors off; chance explains {found.farthest_limit:.1f}",
        2,
    )
    yield from hanging(
        f"{_mark(abs(found.bias) <= found.bias_limit)} ",
        f"on average they are {found.bias:+.2f} standard errors off; chance explains {found.bias_limit:.2f} either way",
        2,
    )
    yield f"{_mark(not off)} {exact - off} of {exact} exact rows hold"


def _coverage_lines(counted: Coverage) -> Iterator[str]:
    from qsim.study.verify.coverage import MESSAGES, REPLICATIONS, TRUTH, WARMUP

    low, high = counted.between
    yield from hanging(
        f"{_mark(counted.holds)} ",
        f"{counted.covered:,} of {counted.experiments:,} intervals of 95 % cover the mean wait of M/M/1 at 80 %, {TRUTH:.3g} s "
        f"({REPLICATIONS} replications of {MESSAGES:,} messages after {WARMUP:,}); {low:,} to {high:,} may. "
        f"All together: {counted.mean:.4f} s",
        2,
    )


def _mark(holds: bool) -> str:
    return colour("✓", "green") if holds else colour("✗", "red")


# --- for machines -----------------------------------------------------------------------------------------------------------


def _jsonable(found: Verdict | None, counted: Coverage | None) -> dict[str, Any]:
    told: dict[str, Any] = {"holds": all(each is None or each.holds for each in (found, counted))}
    if found is not None:
        told |= {
            "rows": [_row(row) for row in found.rows],
            "exact": [_exact_row(row) for row in found.exact],
            "misses": found.misses, "plausible": found.plausible,
            "farthest": found.farthest, "farthest_limit": found.farthest_limit,
            "bias": found.bias, "bias_limit": found.bias_limit,
        }  # fmt: skip
    if counted is not None:
        told["coverage"] = {
            "experiments": counted.experiments, "covered": counted.covered, "between": counted.between,
            "mean": counted.mean, "holds": counted.holds,
        }  # fmt: skip
    return told


def _row(row: Row) -> dict[str, Any]:
    case, seen = row.case, row.interval
    return {
        "model": case.model, "setting": case.setting, "what": case.what, "seed": row.seed, "theory": seen.truth,
        "interval": [seen.low, seen.high], "covers": seen.covers, "standard_errors": seen.off,
    }  # fmt: skip


def _exact_row(row: ExactRow) -> dict[str, Any]:
    case = row.case
    return {
        "model": case.model, "setting": case.setting, "what": case.what,
        "theory": row.truth, "seen": row.seen, "holds": row.holds,
    }  # fmt: skip
