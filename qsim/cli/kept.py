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
    from qsim.study.sweep import how
    from qsim.study.tasks import Interrupted

    folder = _folder(means)
    done = [0, 0]
    with Watch(title, quiet=means.quiet) as watch:

        def seen(finished: int, of: int) -> None:
            done[:] = finished, of
            watch.replication(finished, of)

        told = {"seen": seen, "progress": watch, "damaged": _damaged}
        try:
            return work(how(asked, means.jobs, means.dask, folder, means.resume, **told))
        except Interrupted as stop:
            found = stop.done
        except KeyboardInterrupt:
            found = None
    if found is not None:
        partial(found)
    err(_go_on(done, folder))
    return None


def _go_on(done: list[int], folder: Path | None) -> str:
    count = f"interrupted: {done[0]:,} of {done[1]:,} runs are done"
    return count if folder is None else f"{count} and kept in {folder}; the same command with --resume goes on there"


def _damaged(file: str) -> None:
    err(f"{file}: damaged (its checksum does not match); this run is made again")


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
