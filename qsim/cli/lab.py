"""``qsim lab``: JupyterLab on the lessons; ``qsim lab init`` makes a folder of them that a teacher can hand out.

It knows a folder's name and how JupyterLab is started; what is in the folder is ``lab.course``'s.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from qsim.cli.ends import Exit, Refused
from qsim.cli.terminal import out

FOLDER = "qsim-lessons"
NO_JUPYTER = "JupyterLab is not installed here: pip install 'qsim-lab[lab]'"


def command(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[DIR | init DIR]", help=f"Where the lessons are; {FOLDER} by default."),
    ] = None,
    lessons: Annotated[str | None, typer.Option(metavar="01,02", help="Only these; all by default.")] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the address.")] = False,
) -> int:
    """Open the lessons in JupyterLab; init: a class folder."""
    words = words or []
    if words[:1] == ["init"]:
        return _init(words[1:], lessons)
    if len(words) > 1:
        raise Refused(f"one folder: qsim lab {words[0]}, or qsim lab init {words[0]}")
    return _open(Path(words[0] if words else FOLDER), lessons, no_browser)


def _init(words: list[str], lessons: str | None) -> int:
    if len(words) != 1:
        raise Refused("say which folder to make: qsim lab init week3 --lessons 03,04")
    for path in _made(Path(words[0]), lessons):
        out(str(path))
    return Exit.OK


def _made(at: Path, lessons: str | None) -> list[Path]:
    from qsim.lab.course import AlreadyThere, init

    try:
        return init(at, numbers(lessons))
    except AlreadyThere as error:
        raise Refused(str(error)) from None


def numbers(lessons: str | None) -> list[str]:
    """Which lessons are meant by ``--lessons 3,04``; all where it is not given."""
    from qsim.lab.course import lessons as known

    if lessons is None:
        return list(known())
    wanted = [word.strip().zfill(2) for word in lessons.split(",") if word.strip()]
    if wrong := next((word for word in wanted if word not in known()), None):
        raise Refused(f"--lessons {wrong}: there is no such lesson; there are {', '.join(known())}")
    return list(dict.fromkeys(wanted))


def _open(at: Path, lessons: str | None, no_browser: bool) -> int:
    if find_spec("jupyterlab") is None:
        raise Refused(NO_JUPYTER)
    if not at.exists():
        _made(at, lessons)
        out(f"{at}: the lessons, to write into")
    first = min(at.glob("*.ipynb"), default=at) if at.is_dir() else at
    if first.is_dir():
        raise Refused(f"{at}: there is no lesson in this folder: qsim lab init {at}")
    return _jupyter(first, no_browser)


def _jupyter(first: Path, no_browser: bool) -> int:
    """It is JupyterLab that asks what Ctrl-C means."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        line = [sys.executable, "-m", "jupyterlab", str(first.resolve()), *_told(first, no_browser)]
        process = subprocess.Popen(line, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None)
        return Exit.FAILED if process.wait() else Exit.OK
    finally:
        signal.signal(signal.SIGINT, before)


def _told(first: Path, no_browser: bool) -> list[str]:
    """Options of JupyterLab's: its address is the lesson's, and it says little more than that."""
    quiet = ["--log-level=WARN", f"--LabApp.default_url=/lab/tree/{quote(first.name)}"]
    root = getattr(os, "geteuid", lambda: 1)() == 0  # as in a container, which JupyterLab wants to be told
    return quiet + ["--no-browser"] * no_browser + ["--allow-root"] * root
