"""``qsim find``: the smallest or largest value of one setting for which a scenario's expectations hold.

It knows options and sentences; the search is ``study.find``'s.  Runs are kept as those of a sweep are.
"""

from __future__ import annotations

import json as json_
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qsim.cli.ends import Exit, Refused
from qsim.cli.terminal import colour, out

if TYPE_CHECKING:
    from qsim.claims.verdicts import Verdict
    from qsim.scenario.grid import Axis, Point
    from qsim.scenario.load import Loaded
    from qsim.study.find import Search, Trial
    from qsim.study.sweep import Sweep

FEWEST = 5
"""Replications where nobody says how many: one seed shows no threshold."""
_MOST = 64
_EXPECT = "Change a value first: 'expect=[{that: orders.wait p95, below: 1s}]'."


@dataclass(frozen=True, slots=True)
class _Found:
    loaded: Loaded
    axis: Axis
    points: Sequence[Point]
    largest: bool
    search: Search

    def value(self, which: int) -> str:
        from qsim.cli.grid import said

        return said(self.points[which].settings[0])

    def verdicts(self, trial: Trial) -> list[Verdict]:
        from qsim.claims.asked import verdicts

        return verdicts(self.points[trial.which].plan, trial.answers)


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
    ] = _MOST,
    jobs: Annotated[int, typer.Option(metavar="N", min=1, help="Processes.")] = 1,
    dask: Annotated[str | None, typer.Option(metavar="tcp://HOST:PORT", help="A dask scheduler does it.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Run nothing again that was kept.")] = False,
    store: Annotated[Path | None, typer.Option(metavar="DIR", help="Where runs are kept (.qsim-sweeps).")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object, and nothing else.")] = False,
) -> int:
    """The smallest or largest value for which expectations hold."""
    from qsim.claims.asked import Asked, all_hold, default_metrics
    from qsim.cli.kept import Means, kept
    from qsim.cli.runs import Wish, load
    from qsim.cli.sweep import looked_at
    from qsim.scenario.grid import ascending, of_option
    from qsim.study.find import find

    if smallest and largest:
        raise Refused("--smallest or --largest, not both")
    loaded = load(Wish(scenario, variant, tuple(set_ or ()), seed))
    if not loaded.plan.expect:
        raise Refused(
            "the file expects nothing: --set 'expect=[{that: orders.wait p95, below: 1s}]' says what must hold"
        )
    axis = ascending(of_option(over))
    points = [_only(point, that) for point in looked_at(loaded, [axis])]
    asked = Asked(default_metrics(loaded, [axis.path]))
    count = replications or max(FEWEST, loaded.plan.replications)
    search = kept(
        f"{loaded.plan.name} {axis.path}", asked, Means(jobs, dask, store, resume, quiet=json),
        lambda how: find(points, asked, all_hold, count, max(count, max_replications), how, largest),
    )  # fmt: skip
    if search is None:
        return Exit.INTERRUPTED
    _show(_Found(loaded, axis, points, largest, search), json)
    return Exit.FAILED if search.which is None else Exit.OK


def _only(point: Point, that: str | None) -> Point:
    """What is expected, or the part of it that is asked for."""
    from dataclasses import replace

    expect = point.plan.expect
    chosen = tuple(each for each in expect if that is None or that in each.text)
    if not chosen:
        known = "; ".join(dict.fromkeys(each.text for each in expect))
        raise Refused(f"--that {that!r}: nothing is expected of this, but of: {known}")
    return replace(point, plan=replace(point.plan, expect=chosen))


# --- shown ------------------------------------------------------------------------------------------------------------


def _show(found: _Found, json: bool) -> None:
    if json:
        out(json_.dumps(_jsonable(found), ensure_ascii=True, allow_nan=False))
        return
    for line in _lines(found):
        out(line)


def _lines(found: _Found) -> Iterator[str]:
    from qsim.cli.grid import lines
    from qsim.cli.table import hanging

    trials = found.search.trials
    runs = sum(len(trial.answers) for trial in trials)
    variant = "" if found.loaded.plan.variant == "base" else f" {found.loaded.plan.variant}"
    looked = f"{len(trials)} of {len(found.points)} values looked at in {runs} runs, common random numbers"
    yield colour(f"{found.loaded.plan.name}{variant}   {looked}", "bold")
    yield from lines(_as_sweep(found), [found.verdicts(trial) for trial in trials])
    yield ""
    for sentence in _sentences(found):
        yield from hanging("", sentence, 4)


def _as_sweep(found: _Found) -> Sweep:
    """The values that were looked at, as a table."""
    from qsim.claims.asked import default_metrics
    from qsim.study.sweep import Sweep

    trials = found.search.trials
    points, answers = tuple(found.points[t.which] for t in trials), tuple(t.answers for t in trials)
    return Sweep((found.axis.path,), default_metrics(found.loaded, [found.axis.path]), points, answers)


def _sentences(found: _Found) -> Iterator[str]:
    """The answer, why the next value will not do, and what bisection cannot know."""
    which, trials = found.search.which, found.search.trials
    ends = found.value(0), found.value(len(found.points) - 1)
    if which is None:
        yield f"it holds at neither end, {ends[0]} nor {ends[1]}: if it does between them, qsim sweep shows where"
        return
    word = "largest" if found.largest else "smallest"
    yield f"{word} {found.axis.path} for which all that is expected holds: {found.value(which)}"
    beyond = which + (1 if found.largest else -1)
    for trial in trials:
        if trial.which == beyond:
            yield from (f"{found.value(beyond)}: {v.lines()[0]}" for v in found.verdicts(trial) if v.verdict != "pass")
    if not found.search.is_one_way:
        other = "--smallest" if found.largest else "--largest"
        yield f"it does not hold at {ends[0] if found.largest else ends[1]}: {other} finds where that begins"
    elif len(found.points) > 1 and beyond in (-1, len(found.points)):
        yield "it holds at both ends; what is between them was not looked at"


def _jsonable(found: _Found) -> dict[str, Any]:
    from qsim.cli.sweep import point_json

    search, table = found.search, _as_sweep(found)
    which = search.which
    return {
        "scenario": found.loaded.plan.name,
        "variant": found.loaded.plan.variant,
        "seed": found.loaded.plan.seed,
        "path": found.axis.path,
        "wanted": "largest" if found.largest else "smallest",
        "value": None if which is None else found.points[which].settings[0],
        "one_way": search.is_one_way,
        "trials": [
            point_json(table, number, found.verdicts(trial))
            | {"holds": trial.holds, "replications": len(trial.answers)}
            for number, trial in enumerate(search.trials)
        ],
    }
