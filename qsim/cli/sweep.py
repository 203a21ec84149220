"""``qsim sweep``: run a scenario over a grid of settings, all with the same luck.

It knows options and in which order things are said; ``cli.grid`` draws the tables.  Finished runs are kept as they come,
in .qsim-sweeps or --store DIR, and --resume runs none of them again.
"""

from __future__ import annotations

import json as json_
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qsim.cli.ends import Exit, Refused
from qsim.cli.options import AllowCode
from qsim.cli.terminal import WIDTH, colour, out
from qsim.cli.whole import put, writable

if TYPE_CHECKING:
    from qsim.claims.verdicts import Verdict
    from qsim.scenario.grid import Axis, Point
    from qsim.scenario.load import Loaded
    from qsim.study.sweep import Sweep

_OVER = "'PATH=VALUES'"


def command(
    scenario: Annotated[str, typer.Argument(metavar="FILE|NAME", help="A file, or a name that `qsim examples` lists.")],
    over: Annotated[
        list[str] | None,
        typer.Option(metavar=_OVER, help="consumers.worker.count=3,4,5 or =1..20 or =1..20..5; else the file's sweep."),
    ] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Change a value first.")] = None,
    variant: Annotated[str | None, typer.Option(metavar="NAME", help="One of the file's variants.")] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Other luck.")] = None,
    replications: Annotated[int | None, typer.Option(metavar="N", min=1, help="Run each point so many times.")] = None,
    metric: Annotated[
        list[str] | None, typer.Option(metavar="REF", help='What to tell of each: "orders.wait p95".')
    ] = None,
    pareto: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="REF REF", help="Points that nothing beats in both; less is better, or max:REF."),
    ] = None,
    jobs: Annotated[int, typer.Option(metavar="N", min=1, help="Processes.")] = 1,
    dask: Annotated[str | None, typer.Option(metavar="tcp://HOST:PORT", help="A dask scheduler does it.")] = None,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a row a point and replication.")] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw it, or what --pareto finds: x.png, .svg or .pdf.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Run nothing again that was kept.")] = False,
    store: Annotated[Path | None, typer.Option(metavar="DIR", help="Where runs are kept (.qsim-sweeps).")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object, and nothing else.")] = False,
    allow_code: AllowCode = False,
) -> int:
    """Run a scenario over a grid of settings."""
    from qsim.claims.asked import Asked, default_metrics, with_precision
    from qsim.cli.kept import Means, kept
    from qsim.cli.runs import Wish, load
    from qsim.study.sweep import sweep, without_max

    writable(csv, "--csv")
    _drawable(plot)
    loaded = load(Wish(scenario, variant, tuple(set_ or ()), seed, allow_code=allow_code))
    axes = _axes(loaded, over or [])
    points = looked_at(loaded, axes)
    paths = paths_of(axes)
    wanted = [*(metric or ()), *(without_max(each) for each in pareto or ())]
    metrics = tuple(dict.fromkeys(wanted)) or default_metrics(loaded, paths)
    metrics = with_precision(metrics, [point.plan for point in points], replications)
    _references(points, metrics)
    asked = Asked(metrics)
    means = Means(jobs, dask, store, resume, quiet=json)
    found = kept(loaded.plan.name, asked, means, lambda how: sweep(paths, points, metrics, replications, asked, how))
    if found is None:
        return Exit.INTERRUPTED
    if csv is not None:
        put(csv, found.frame().to_csv(index=False))
    _shown(loaded, found, pareto, json)
    if plot is not None:
        _draw(loaded, found, pareto, plot)
    for path in () if json else filter(None, (csv, plot)):
        out(f"written to {path}")
    return _exit(found)


# --- before the first run ---------------------------------------------------------------------------------------------


def _drawable(plot: Path | None) -> None:
    if plot is None:
        return
    from qsim.cli.plot import FORMATS

    if plot.suffix[1:].lower() not in FORMATS:
        raise Refused(f"--plot {plot}: its name ends in .{', .'.join(FORMATS[:-1])} or .{FORMATS[-1]}")
    writable(plot)


def _axes(loaded: Loaded, over: list[str]) -> list[Axis]:
    from qsim.scenario.grid import of_file, of_option

    axes = [of_option(text) for text in over] or of_file(loaded)
    if not axes:
        raise Refused("the file has no sweep: say what to change, --over 'consumers.worker.count=1..20'")
    return axes


def looked_at(loaded: Loaded, axes: Sequence[Axis]) -> list[Point]:
    """Every point, checked."""
    from qsim.cli.progress import Watch
    from qsim.scenario.grid import points

    with Watch("looking at the points") as watch:
        return points(loaded, axes, watch.replication)


def paths_of(axes: Sequence[Axis]) -> tuple[str, ...]:
    return tuple(axis.path for axis in axes)


def _references(points: Sequence[Point], metrics: Sequence[str]) -> None:
    """What cannot be told at one of the points is said before any runs."""
    from qsim.claims.asked import check_told_by
    from qsim.scenario.reference import ReferenceError_

    for text in metrics:
        try:
            check_told_by([point.plan for point in points], text)
        except ReferenceError_ as error:
            raise Refused(f"--metric {text!r}: {error}") from None


# --- shown ------------------------------------------------------------------------------------------------------------


def _shown(loaded: Loaded, found: Sweep, pareto: tuple[str, str] | None, json: bool) -> None:
    judged = _verdicts(found)
    if json:
        out(json_.dumps(_jsonable(loaded, found, judged, pareto), ensure_ascii=True, allow_nan=False))
        return
    for line in _lines(loaded, found, judged, pareto):
        out(line)


def _verdicts(found: Sweep) -> list[list[Verdict]]:
    from qsim.claims.asked import verdicts

    return [verdicts(point.plan, answers) for point, answers in zip(found.points, found.answers, strict=True)]


def _lines(loaded: Loaded, found: Sweep, judged: list[list[Verdict]], pareto: tuple[str, str] | None) -> Iterator[str]:
    from qsim.cli.grid import lines

    yield colour(_head(loaded, found), "bold")
    yield from lines(found, judged)
    yield from _open(found)
    if pareto is not None:
        yield ""
        yield from _front(found, pareto)
    for problem in _violations(found):
        yield colour(f"NOT CONSERVED  {problem}: a bug of ours, do not trust these numbers", "red")


def _head(loaded: Loaded, found: Sweep) -> str:
    variant = "" if loaded.plan.variant == "base" else f" {loaded.plan.variant}"
    return f"{loaded.plan.name}{variant}   {_points(found)}{_often(found)}, common random numbers"[:WIDTH]


def _points(found: Sweep) -> str:
    n = len(found.points)
    return f"{n} point{'s' if n > 1 else ''}"


def _often(found: Sweep) -> str:
    least, most = min(found.counts), max(found.counts)
    if least < most:
        return f", {least} to {most} replications"
    return f", {most} replications of each" if most > 1 else ""


def _open(found: Sweep) -> Iterator[str]:
    """Of points that were run until they were known well enough: which are not."""
    from qsim.claims.words import say
    from qsim.cli.grid import said
    from qsim.cli.table import hanging
    from qsim.scenario.reference import SHARE

    for number, point in enumerate(found.points):
        known = found.known(number)
        if known is None or known.is_reached:
            continue
        rule, setting = found.rules[number], ", ".join(map(said, point.settings))
        assert rule is not None
        asked = f"±{say(rule.within, SHARE)} was asked for"
        told = "no data, or no mean" if known.within is None else f"±{say(float(f'{known.within:.2g}'), SHARE)}"
        yield from hanging(f" {setting}: ", f"{rule.metric.text} after {known.n} replications: {told}, {asked}", 4)


def _front(found: Sweep, pareto: tuple[str, str]) -> Iterator[str]:
    from qsim.cli.grid import some
    from qsim.study.sweep import without_max

    names, chosen = [without_max(each) for each in pareto], found.front(*pareto)
    if not chosen:
        yield f"no point has data of both {names[0]} and {names[1]}"
        return
    yield f"no point is better than these in {names[0]} and {names[1]}"
    yield from some(found.only(chosen, names))


def _violations(found: Sweep) -> list[str]:
    from qsim.claims.asked import violations

    return [problem for answers in found.answers for problem in violations(answers)]


def _jsonable(
    loaded: Loaded, found: Sweep, judged: list[list[Verdict]], pareto: tuple[str, str] | None
) -> dict[str, Any]:
    told = {
        "scenario": loaded.plan.name,
        "variant": loaded.plan.variant,
        "seed": loaded.plan.seed,
        "replications": found.counts[0] if len(set(found.counts)) == 1 else None,
        "over": list(found.paths),
        "points": [point_json(found, number, judged[number]) for number in range(len(found.points))],
        "conservation": {"holds": not _violations(found), "problems": _violations(found)},
    }
    return told if pareto is None else told | {"pareto": found.front(*pareto)}


def point_json(found: Sweep, number: int, judged: Sequence[Verdict]) -> dict[str, Any]:
    """One point for machines, times in seconds."""
    from qsim.cli.together import precision_json
    from qsim.study.sweep import label

    named = dict(zip(found.metrics, found.estimates[number], strict=True))
    told = {
        "settings": dict(zip(found.paths, map(label, found.points[number].settings), strict=True)),
        "metrics": {metric: "never" if each.mean == float("inf") else each.mean for metric, each in named.items()},
        "intervals": {metric: each.interval for metric, each in named.items() if each.interval},
        "expectations": [verdict.json() for verdict in judged],
        "replications": found.counts[number],
    }
    known, rule = found.known(number), found.rules[number] if found.rules else None
    return told if known is None or rule is None else told | {"precision": precision_json(rule, known)}


def _draw(loaded: Loaded, found: Sweep, pareto: tuple[str, str] | None, path: Path) -> None:
    from qsim.plot.figures import NothingToDraw, caption, of_runs
    from qsim.plot.picture import picture

    figure, subject = of_runs(found, pareto)
    title = loaded.plan.title or caption(figure, subject)
    try:
        put(path, picture(figure, subject, format=path.suffix[1:].lower(), title=title))
    except NothingToDraw as why:
        raise Refused(f"--plot {path}: {why}") from None


def _exit(found: Sweep) -> Exit:
    return Exit.STOPPED if _violations(found) else Exit.OK
