"""Many runs from the command line: who makes them, where they are kept, how far they are, and what Ctrl-C leaves.

It knows folders, a progress bar and words; what is run is a function of How.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from qsim.cli.terminal import err

if TYPE_CHECKING:
    from qsim.cli.progress import Watch
    from qsim.study.sweep import How

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Means:
    """Who runs it, and what becomes of what is done."""

    jobs: int = 1
    dask: str | None = None
    store: Path | None = None
    resume: bool = False
    quiet: bool = False


def kept(
    title: str, asked: Any, means: Means, work: Callable[[How], T], partial: Callable[[Any], None] = lambda done: None
) -> T | None:
    """What the work answers; None where it was interrupted: ``partial`` shows what it came to by then, if it says so, and
    how to go on is said."""
    from qsim.cli.progress import Watch
    from qsim.cli.table import hanging
    from qsim.study.sweep import how
    from qsim.study.tasks import Interrupted

    folder = _folder(means)
    done: list[int] = []
    with Watch(title, quiet=means.quiet) as watch:
        told = _told(means, folder, watch, done)
        try:
            return work(how(asked, means.jobs, means.dask, folder, means.resume, **told))
        except Interrupted as stop:
            found = stop.done
        except KeyboardInterrupt:
            found = None
    if found is not None:
        partial(found)
    for line in hanging("", _go_on(done or [0, 0], folder), 4):
        err(line)
    return None


def _told(means: Means, folder: Path | None, watch: Watch, done: list[int]) -> dict[str, Any]:
    """Who is told how far the runs are, which is written to ``done`` too, and what of the kept ones is of no use."""
    damaged: list[str] = []

    def spoilt(file: str) -> None:
        damaged.append(file)
        err(f"{file}: damaged (its checksum does not match); this run is made again")

    def seen(finished: int, of: int) -> None:
        if means.resume and folder is not None and not (done or finished or damaged):
            err(_nothing_fits(folder))
        done[:] = finished, of
        watch.replication(finished, of)

    return {"seen": seen, "progress": watch, "damaged": spoilt}


def _go_on(done: list[int], folder: Path | None) -> str:
    count = f"interrupted: {done[0]:,} of {done[1]:,} runs are "
    return f"{count}done" if folder is None else f"{count}kept in {folder}; --resume goes on there"


def _nothing_fits(folder: Path) -> str:
    """Why --resume begins at the beginning."""
    is_empty = next(folder.rglob("*.json"), None) is None
    why = (
        f"nothing is kept in {folder}"
        if is_empty
        else f"nothing kept in {folder} fits: other scenario, settings or version"
    )
    return f"--resume: {why}"


def _folder(means: Means) -> Path | None:
    """Where nothing can be written, nothing is kept, unless somebody counts on it."""
    from qsim.study.store import FOLDER, prepare

    folder = means.store or Path(FOLDER)
    try:
        prepare(folder)
    except OSError:
        if means.store or means.resume:
            raise
        err(f"{folder} cannot be written: runs are not kept")
        return None
    return folder
