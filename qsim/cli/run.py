"""``qsim run``: simulate a scenario and say whether what it expects holds.

It knows the options and in which order things are shown.  It writes files only where --out or --csv says so.
"""

from __future__ import annotations

import json as json_
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qsim.cli.ends import Exit, Refused, worst
from qsim.cli.options import AllowCode
from qsim.cli.terminal import err, is_terminal, out
from qsim.cli.whole import writable

if TYPE_CHECKING:
    from qsim.cli.runs import Wish
    from qsim.cli.together import Outcome
    from qsim.cli.told import Questions
    from qsim.scenario.load import Loaded

_PATH = "PATH=VALUE"


@dataclass(frozen=True, slots=True)
class _Show:
    """What to do with what came of it."""

    metrics: tuple[str, ...]
    json: bool
    quiet: bool
    strict: bool
    names: str
    folder: Path | None
    csv: Path | None
    against: Path | None


def command(
    scenario: Annotated[
        str, typer.Argument(metavar="FILE|NAME", help="A file, or a name that `qsim examples` lists.")
    ] = "",
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar=_PATH, help="Change a value: consumers.worker.count=9.")
    ] = None,
    variant: Annotated[str | None, typer.Option(metavar="NAME", help="One of the file's variants.")] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Other luck.")] = None,
    metric: Annotated[
        list[str] | None, typer.Option(metavar="REF", help='Show one number more: "orders.wait p95".')
    ] = None,
    replications: Annotated[int | None, typer.Option(metavar="N", min=1, help="Run it so many times.")] = None,
    replication: Annotated[int | None, typer.Option(metavar="R", min=1, help="Only the R-th of them.")] = None,
    jobs: Annotated[int, typer.Option(metavar="N", min=1, help="Processes for replications.")] = 1,
    until: Annotated[str | None, typer.Option(metavar="T", help="Stop at a time: 5m.")] = None,
    max_messages: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Give up (exit 4) beyond so many messages.")
    ] = None,
    names: Annotated[
        str, typer.Option(metavar="broker", help="The broker's metric names beside ours.", show_default=False)
    ] = "qsim",
    out_: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write summary.json, series.csv and run.json.")
    ] = None,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write every series as CSV.")] = None,
    against: Annotated[
        Path | None, typer.Option(metavar="RESULT", help="Compare with a summary.json, or its folder.")
    ] = None,
    tag: Annotated[str | None, typer.Option(metavar="TAG", help="Run the bundled scenarios with this tag.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object, and nothing else.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only what fails.")] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Inconclusive expectations (exit 3) and advice (exit 2) count.")
    ] = False,
    allow_code: AllowCode = False,
) -> int:
    """Simulate a scenario; judge what it expects."""
    from qsim.cli.runs import Wish, time

    if replication is not None and replications is not None:
        raise Refused("--replication runs one of the replications, --replications all: give one of them")
    if names not in ("qsim", "broker"):
        raise Refused(f"--names {names}: write --names broker")
    wish = Wish(
        "",
        variant,
        tuple(set_ or ()),
        seed,
        replications,
        replication,
        jobs,
        time(until, "--until"),
        max_messages,
        allow_code,
    )
    show = _Show(tuple(metric or ()), json, quiet, strict, names, out_, csv, against)
    targets = _targets(scenario, tag)
    if len(targets) > 1 and (json or out_ or csv or against):
        raise Refused(f"--tag {tag} names {len(targets)} scenarios: --json, --out, --csv and --against need one")
    return worst([_run(replace(wish, target=target), show) for target in targets])


def _targets(scenario: str, tag: str | None) -> list[str]:
    if bool(scenario) == bool(tag):
        raise Refused("which scenario? qsim run FILE, qsim run NAME (see `qsim examples`) or qsim run --tag TAG")
    return [scenario] if scenario else tagged(str(tag))


def tagged(tag: str) -> list[str]:
    """The bundled scenarios that carry the tag."""
    from qsim.cli.examples import examples
    from qsim.scenario.problems import did_you_mean

    found = {name: tags for name, _, tags in examples()}
    chosen = [name for name, tags in found.items() if tag in tags]
    if not chosen:
        known = sorted({each for tags in found.values() for each in tags})
        raise Refused(f"no bundled scenario has the tag {tag!r}; {did_you_mean(tag, known, 'there are')}")
    return chosen


# --- one scenario -----------------------------------------------------------------------------------------------------


def _run(wish: Wish, show: _Show) -> Exit:
    from qsim.cli.progress import Watch
    from qsim.cli.runs import load, simulate

    loaded = load(wish)
    kept = _checked_before(loaded, show)
    announced = _announced(loaded, show)
    with Watch(loaded.plan.name, quiet=show.json) as watch:
        try:
            outcome = simulate(loaded, wish, watch, _questions(loaded, show, kept))
        except BaseException:
            out() if announced else None
            raise
    _written(outcome, show)
    found = None if kept is None else _differences(outcome, kept)
    if show.json:
        _as_json(outcome, show, found)
    elif show.quiet:
        _quietly(outcome)
    else:
        _on_screen(loaded, outcome, show, watch.was_shown)
    code = outcome.exit(show.strict, bool(loaded.problems) or outcome.gave_up)
    return worst([code, _compared(found, show)])


def _checked_before(loaded: Loaded, show: _Show) -> dict[str, Any] | None:
    """What would be wrong after a long run is said before it; the result to compare with is read."""
    from qsim.cli.runs import references

    references(loaded, show.metrics)
    writable(show.csv, "--csv")
    if show.folder is not None:
        show.folder.mkdir(parents=True, exist_ok=True)
    if show.against is None:
        return None
    from qsim.cli.against import readable

    return readable(show.against)


def _questions(loaded: Loaded, show: _Show, kept: dict[str, Any] | None) -> Questions:
    """What the runs are asked, for all that will be shown and written."""
    from qsim.cli import screen
    from qsim.cli.told import Questions

    is_shown = not (show.json or show.quiet)
    metrics = list(show.metrics)
    if kept is not None:
        from qsim.cli.against import asked_for

        metrics += asked_for(loaded.plan, kept)
    return Questions(
        tuple(screen.references(loaded.plan)) if is_shown else (),
        tuple(dict.fromkeys(metrics)),
        show.json or show.folder is not None or kept is not None,
        show.names == "broker",
        show.folder is not None or show.csv is not None,
        loaded.document,
    )


def _announced(loaded: Loaded, show: _Show) -> bool:
    """The beginning of the first line stands there while the run goes on."""
    if show.json or show.quiet:
        return False
    plan = loaded.plan
    out(f"{plan.name}{'' if plan.variant == 'base' else ' ' + plan.variant}  ", end="")
    return True


# --- shown ------------------------------------------------------------------------------------------------------------


def _as_json(outcome: Outcome, show: _Show, found: dict[str, Any] | None) -> None:
    result = outcome.json() | ({} if found is None else {"against": found})
    if show.names == "broker":
        result["broker"] = outcome.broker_json()
    out(json_.dumps(result, ensure_ascii=True, allow_nan=False, default=str))
    for problem in outcome.violations:
        err(f"not conserved: {problem}")


def _quietly(outcome: Outcome) -> None:
    from qsim.cli import screen
    from qsim.cli.together import failures

    for line in (*screen.marks(outcome), *screen.handler_errors(outcome)):
        err(line)
    for line in screen.judged(outcome, failures(outcome.verdicts)):
        out(line)


def _on_screen(loaded: Loaded, outcome: Outcome, show: _Show, was_shown: bool) -> None:
    import sys

    from qsim.cli import screen

    if was_shown and is_terminal(sys.stdout):
        out("\r\x1b[2K" + screen.begun(loaded.plan), end="")
    out(screen.head(outcome))
    for line in _lines(loaded, outcome, show):
        out(line)


def _lines(loaded: Loaded, outcome: Outcome, show: _Show) -> Iterator[str]:
    from qsim.cli import screen

    yield from screen.body(outcome, outcome.by_broker if show.names == "broker" else None)
    for reference in show.metrics:
        yield f" {screen.told(outcome, reference)}"
    yield from screen.verdicts(outcome)
    yield from screen.handler_errors(outcome)
    yield from screen.advice(loaded.problems, outcome)
    yield f"digest {outcome.digest}"
    if show.folder is not None:
        yield f"written to {show.folder}: summary.json, series.csv, run.json"
    if show.csv is not None:
        yield f"written to {show.csv}"


# --- files ------------------------------------------------------------------------------------------------------------


def _written(outcome: Outcome, show: _Show) -> None:
    from qsim.cli import files

    if show.folder is not None:
        files.write_folder(outcome, show.folder)
    if show.csv is not None:
        files.write_series(outcome, show.csv)


def _differences(outcome: Outcome, kept: dict[str, Any]) -> dict[str, Any]:
    from qsim.cli.against import differences

    return differences(outcome, kept)


def _compared(found: dict[str, Any] | None, show: _Show) -> Exit:
    """A difference from the result that was kept counts as a failure."""
    if found is None:
        return Exit.OK
    if not show.json:
        from qsim.cli.against import lines

        for line in lines(found, str(show.against)):
            out(line)
    return Exit.OK if found["same"] else Exit.FAILED
