"""``qsim find``: the smallest or largest value of one setting for which a scenario's expectations hold.

It knows options and sentences; ``claims.found`` works it all out.  Runs are kept as those of a sweep are.
"""

from __future__ import annotations

import json as json_
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qsim.cli.ends import Exit, Refused
from qsim.cli.options import AllowCode
from qsim.cli.terminal import colour, out

if TYPE_CHECKING:
    from qsim.claims.found import Found, Sought
    from qsim.scenario.load import Loaded

_EXPECT = "Change a value first: 'expect=[{that: orders.wait p95, below: 1s}]'."


def command(
    scenario: Annotated[str, typer.Argument(metavar="FILE|NAME", help="A file, or a name that `qsim examples` lists.")],
    over: Annotated[str, typer.Option(metavar="'PATH=VALUES'", help="Where to look: consumers.worker.count=1..20.")],
    smallest: Annotated[bool, typer.Option("--smallest", help="The smallest value that will do (by itself).")] = False,
    largest: Annotated[bool, typer.Option("--largest", help="The largest value that will do.")] = False,
    that: Annotated[
        str | None, typer.Option(metavar="TEXT", help='Only what is expected of this: "jobs.wait p95".')
    ] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help=_EXPECT)] = None,
    variant: Annotated[str | None, typer.Option(metavar="NAME", help="One of the file's variants.")] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Other luck.")] = None,
    replications: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Of each value (the file's, at least 5).")
    ] = None,
    max_replications: Annotated[
        int, typer.Option(metavar="N", min=1, help="Twice as many while they leave it open, up to N.")
    ] = 64,
    jobs: Annotated[int, typer.Option(metavar="N", min=1, help="Processes.")] = 1,
    dask: Annotated[str | None, typer.Option(metavar="tcp://HOST:PORT", help="A dask scheduler does it.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Run nothing again that was kept.")] = False,
    store: Annotated[Path | None, typer.Option(metavar="DIR", help="Where runs are kept (.qsim-sweeps).")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object, and nothing else.")] = False,
    allow_code: AllowCode = False,
) -> int:
    """The smallest or largest value for which expectations hold."""
    from qsim.cli.kept import Means, kept
    from qsim.cli.runs import Wish, load

    if smallest and largest:
        raise Refused("--smallest or --largest, not both")
    loaded = load(Wish(scenario, variant, tuple(set_ or ()), seed, allow_code=allow_code))
    looked_for = _sought(loaded, over, that, largest=largest, replications=replications, most=max_replications)
    found = kept(
        f"{loaded.plan.name} {looked_for.path}", looked_for.asked, Means(jobs, dask, store, resume, quiet=json),
        looked_for.found, lambda done: _show(done, json),
    )  # fmt: skip
    if found is None:
        return Exit.INTERRUPTED
    _show(found, json)
    return Exit.FAILED if found.which is None else Exit.OK


def _sought(loaded: Loaded, over: str, that: str | None, **more: Any) -> Sought:
    """Every value, checked."""
    from qsim.claims.found import NothingExpected, sought
    from qsim.cli.progress import Watch
    from qsim.scenario.grid import of_option

    with Watch("looking at the values") as watch:
        try:
            return sought(loaded, of_option(over), that, seen=watch.replication, **more)
        except NothingExpected as error:
            raise Refused(_nothing_expected(error.that, error.known)) from None


def _nothing_expected(that: str | None, known: str) -> str:
    if that is None:
        return "the file expects nothing: --set 'expect=[{that: orders.wait p95, below: 1s}]' says what must hold"
    return f"--that {that!r}: nothing is expected of this, but of: {known}"


# --- shown ------------------------------------------------------------------------------------------------------------


def _show(found: Found, json: bool) -> None:
    if json:
        out(json_.dumps(_jsonable(found), ensure_ascii=True, allow_nan=False))
        return
    for line in _lines(found):
        out(line)


def _lines(found: Found) -> Iterator[str]:
    from qsim.cli.grid import lines
    from qsim.cli.table import hanging

    plan, trials = found.sought.loaded.plan, found.trials
    runs = sum(len(trial.answers) for trial in trials)
    variant = "" if plan.variant == "base" else f" {plan.variant}"
    looked = f"{len(trials)} of {len(found.sought.points)} values looked at in {runs} runs, common random numbers"
    yield colour(f"{plan.name}{variant}   {looked}", "bold")
    if trials:
        yield from lines(found.sweep, [found.judged(trial) for trial in trials])
        yield ""
    for sentence in _so_far(found) if found.is_one_way is None else _sentences(found):
        yield from hanging("", sentence, 4)


def _so_far(found: Found) -> Iterator[str]:
    """Between which values the answer lies, of a search that was interrupted."""
    held = [_said(found, trial.which) for trial in found.trials if trial.holds]
    failed = [_said(found, trial.which) for trial in found.trials if not trial.holds]
    at = [f"it holds at {', '.join(held)}" if held else "", f"not at {', '.join(failed)}" if failed else ""]
    yield f"stopped before the end; so far: {' and '.join(filter(None, at)) or 'nothing is known'}"


def _sentences(found: Found) -> Iterator[str]:
    """The answer, why the next value will not do, and what bisection cannot know."""
    which, trials, sought = found.which, found.trials, found.sought
    size = len(sought.points)
    ends = _said(found, 0), _said(found, size - 1)
    if which is None:
        yield f"it holds at neither end, {ends[0]} nor {ends[1]}: if it does between them, qsim sweep shows where"
        return
    word = "largest" if sought.largest else "smallest"
    yield f"{word} {sought.path} for which all that is expected holds: {_said(found, which)}"
    beyond = which + (1 if sought.largest else -1)
    for trial in trials:
        if trial.which == beyond:
            yield from (f"{_said(found, beyond)}: {v.lines()[0]}" for v in found.judged(trial) if v.verdict != "pass")
    if not found.is_one_way:
        other = "--smallest" if sought.largest else "--largest"
        yield f"it does not hold at {ends[0] if sought.largest else ends[1]}: {other} finds where that begins"
    elif size > 1 and beyond in (-1, size):
        yield "it holds at both ends; what is between them was not looked at"


def _said(found: Found, which: int) -> str:
    from qsim.cli.grid import said

    return said(found.setting(which))


def _jsonable(found: Found) -> dict[str, Any]:
    from qsim.cli.sweep import point_json

    plan, table = found.sought.loaded.plan, found.sweep
    told = {
        "scenario": plan.name,
        "variant": plan.variant,
        "seed": plan.seed,
        "path": found.sought.path,
        "wanted": "largest" if found.sought.largest else "smallest",
        "value": found.value,
        "one_way": found.is_one_way,
        "trials": [
            point_json(table, number, found.judged(trial)) | {"holds": trial.holds}
            for number, trial in enumerate(found.trials)
        ],
    }
    return told if found.is_one_way is not None else told | {"stopped": "interrupted"}
