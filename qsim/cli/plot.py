"""``qsim plot``: the figures of a scenario as files.

It knows options and file names; what a figure looks like, ``qsim.plot`` knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qsim.cli.ends import Exit, Refused
from qsim.cli.options import AllowCode
from qsim.cli.terminal import err, out
from qsim.cli.whole import put

if TYPE_CHECKING:
    from qsim.api import Run
    from qsim.plot.figures import Figure, Subject
    from qsim.scenario.plan import Plan
    from qsim.study.points import Table

_OF_METRIC = 'Draw these over time instead: "orders.wait p95".'


def command(
    scenario: Annotated[str, typer.Argument(metavar="FILE|NAME", help="A file, or a bundled scenario.")],
    figure: Annotated[int | None, typer.Option(metavar="N", min=1, help="Only the N-th of the file's plots.")] = None,
    metric: Annotated[list[str] | None, typer.Option(metavar="REF", help=_OF_METRIC)] = None,
    out_: Annotated[
        Path,
        typer.Option(
            "--out", metavar="DIR|FILE", help="Where the files go; a name that ends in .svg is its own format."
        ),
    ] = Path("."),
    format_: Annotated[str | None, typer.Option("--format", metavar="png|svg|pdf", help="Of the files (png).")] = None,
    theme: Annotated[str, typer.Option(metavar="light|dark", help="Of the paper.")] = "light",
    sweep: Annotated[
        Path | None, typer.Option(metavar="CSV", help="A table of `qsim sweep --csv`, for figures over a path.")
    ] = None,
    variant: Annotated[str | None, typer.Option(metavar="NAME", help="One of the file's variants.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Change a value.")] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Other luck.")] = None,
    replication: Annotated[int, typer.Option(metavar="R", min=1, help="Which replication.")] = 1,
    until: Annotated[str | None, typer.Option(metavar="T", help="Stop at a time: 5m.")] = None,
    allow_code: AllowCode = False,
) -> int:
    """Draw a scenario's figures into files."""
    from qsim.cli.progress import Watch
    from qsim.cli.runs import Wish, load, one, references, time

    folder, own_name, format_ = _where(out_, format_)
    _one_of("--theme", theme, ("light", "dark"))
    wish = Wish(
        scenario, variant, tuple(set_ or ()), seed, None, replication, 1, time(until, "--until"), allow_code=allow_code
    )
    loaded, table = load(wish), read_sweep(sweep)
    references(loaded, tuple(metric or ()))
    _numbered(figure, loaded.plots)
    with Watch(loaded.plan.name) as watch:
        run = one(loaded, wish, watch)
    chosen = _chosen(run, loaded.plots, metric or (), figure, table)
    paths = [
        _path(folder / (own_name or stem(run.plan)), None if own_name and len(chosen) == 1 else name, format_)
        for name, _ in chosen
    ]
    _save(run, chosen, _subject(run, table), paths, theme)
    return ended(run)


def ended(run: Run) -> Exit:
    """How the command ends that looked into one run."""
    if stopped := run.recording.stopped:
        err(f"PARTIAL RESULT  {stopped}")
        return Exit.INTERRUPTED if stopped == "interrupted" else Exit.STOPPED
    return Exit.OK


FORMATS = ("png", "svg", "pdf")


def _where(out: Path, format_: str | None) -> tuple[Path, str, str]:
    """The folder, the name without its end where --out is a file, the format."""
    end = out.suffix[1:].lower()
    if end not in FORMATS or out.is_dir():
        _one_of("--format", format_ or "png", FORMATS)
        return out, "", format_ or "png"
    if format_ not in (None, end):
        raise Refused(f"--out {out} --format {format_}: which of the two?")
    return out.parent, out.stem, end


def _path(beside: Path, name: str | None, format_: str) -> Path:
    """Several figures are told apart, and those that nobody named."""
    return Path(f"{beside}{'' if name is None else f'-{name}'}.{format_}")


def _one_of(option: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise Refused(f"{option} {value}: write {option} {' or '.join(known)}")


def read_sweep(path: Path | None) -> Table | None:
    """The table of --sweep."""
    from qsim.study.points import read

    try:
        return None if path is None else read(path)
    except (ValueError, UnicodeDecodeError) as error:  # pandas' own errors are such
        raise Refused(f"--sweep {path}: {str(error).splitlines()[0]}") from None


def _numbered(figure: int | None, plots: Sequence[Any]) -> None:
    if figure is not None and figure > max(1, len(plots)):
        many = f"{len(plots)} plots" if len(plots) > 1 else "one plot" if plots else "no plots of its own"
        raise Refused(f"--figure {figure}: the file has {many}")


def _subject(run: Run, table: Table | None) -> Subject:
    from qsim.plot.figures import Subject

    return Subject(run.numbers, None if table is None else table.rows)


def _chosen(
    run: Run, plots: Sequence[Any], metrics: Sequence[str], figure: int | None, table: Table | None
) -> list[tuple[str, Figure]]:
    """Figures by name: the metrics asked for, or those of the file by number and those of the sweep behind them."""
    from qsim.plot.figures import asked, not_yet, of_sweep, read

    if metrics:
        return [("metrics", read(list(metrics)))]
    of_file = [(str(number), figure) for number, figure in enumerate(asked(plots, run.numbers), 1)]
    if figure is not None:
        return [of_file[figure - 1]]
    swept = (
        []
        if table is None
        else not_yet(of_sweep(table.paths, table.metrics), [f for _, f in of_file], _subject(run, table))
    )
    return [*of_file, *((f"sweep-{number}", figure) for number, figure in enumerate(swept, 1))]


def _save(run: Run, chosen: list[tuple[str, Figure]], subject: Subject, paths: Sequence[Path], theme: str) -> None:
    """A file a figure; what cannot be drawn is said, and is an error where nothing else was asked for."""
    from qsim.plot.figures import NothingToDraw

    paths[0].parent.mkdir(parents=True, exist_ok=True)
    for (name, figure), path in zip(chosen, paths, strict=True):
        try:
            put(path, _bytes(run, figure, subject, path.suffix[1:], theme))
        except NothingToDraw as why:
            if len(chosen) == 1:
                raise Refused(f"figure {name}: {why}") from None
            err(f"figure {name} is left out: {why}")
        else:
            out(f"written to {path}")


def _bytes(run: Run, figure: Figure, subject: Subject, format_: str, theme: str) -> bytes:
    from qsim.plot.figures import caption
    from qsim.plot.picture import picture

    title = run.plan.title or caption(figure, subject)
    return picture(figure, subject, format=format_, theme=theme, title=title)


def stem(plan: Plan) -> str:
    """What its files are called."""
    return plan.name if plan.variant == "base" else f"{plan.name}-{plan.variant}"
