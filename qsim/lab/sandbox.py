"""The sandbox from outside: a process that has learnt a lesson, and is asked about one answer after another.

It knows limits and what to do when the process is gone; what happens inside stands in ``sandboxed``.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

GRACE_S = 15.0
"""How much longer than its limit an answer may take to be ended."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one answer may use: seconds on the clock, bytes beyond what the lesson itself holds."""

    wall_s: float = 60.0
    memory: int = 2 * 1024**3
    lesson_s: float = 300.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one answer came to under one seed; ``error`` says why it could not be checked."""

    exercise: str
    points: float
    of: float
    lines: tuple[str, ...] = ()
    error: str = ""
    seed: int | None = None
    seconds: float = 0.0

    @property
    def told(self) -> str:
        """The feedback as one text."""
        return "\n".join((*((self.error,) if self.error else ()), *self.lines))


class LessonFails(Exception):
    """A cell of the lesson's own does not run: no answer can be checked."""


class Sandbox:
    """A lesson that has been run, ready for answers; as a context it ends its processes."""

    def __init__(self, lesson: Path, limits: Limits) -> None:
        self.lesson, self.limits = lesson.resolve(), limits
        self._process: Any = None
        self._fails = ""
        self._folder: Any = None

    def ask(
        self, exercise: str, of: float, answers: tuple[str, ...], seed: int | None, files: tuple[str, ...] = ()
    ) -> Outcome:
        """Run the answer's cells and the lesson's check."""
        if self._process is None:
            self._start()
        question = {"exercise": exercise, "answers": answers, "seed": seed, "files": files}
        told = self._told(question, self.limits.wall_s + GRACE_S)
        if told is None:
            self.close()
            return Outcome(exercise, 0.0, of, (), "ended the process that grades it", seed)
        return Outcome(exercise, told["points"], of, tuple(told["lines"]), told["error"], seed, told["seconds"])

    def _start(self) -> None:
        if self._fails:
            raise LessonFails(self._fails)
        self._folder = TemporaryDirectory(prefix="qsim-lesson-", ignore_cleanup_errors=True)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "qsim.lab.sandboxed"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            cwd=self._folder.name, env=environment(), start_new_session=True,
        )  # fmt: skip
        about = {"lesson": str(self.lesson), "wall_s": self.limits.wall_s, "memory": self.limits.memory}
        told = self._told(about, self.limits.lesson_s)
        if told is None or not told["ready"]:
            self.close()
            late = f"the lesson's cells take longer than {self.limits.lesson_s:g} s"
            self._fails = told["error"] if told else late
            raise LessonFails(self._fails)

    def _told(self, question: dict[str, Any], within_s: float) -> dict[str, Any] | None:
        """The answer's line, or None where none comes."""
        try:
            self._process.stdin.write(json.dumps(question).encode() + b"\n")
            self._process.stdin.flush()
            return dict(json.loads(_line(self._process.stdout.fileno(), within_s)))
        except (OSError, ValueError):
            return None

    def close(self) -> None:
        """End the process and all that it started."""
        if self._process is None:
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        for stream in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                stream.close()
        self._process.wait()
        self._folder.cleanup()
        self._process = None

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _line(file: int, within_s: float) -> bytes:
    """One line, read as it comes."""
    until, text = time.monotonic() + within_s, b""
    while not text.endswith(b"\n"):
        if not select.select([file], [], [], max(0.0, until - time.monotonic()))[0]:
            raise TimeoutError
        part = os.read(file, 65536)
        if not part:
            raise OSError("the process is gone")
        text += part
    return text


def environment() -> dict[str, str]:
    """One thread a process, no window, no file written beside a source, and this qsim, wherever it stands."""
    here = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH"))))
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return os.environ | threads | {"MPLBACKEND": "Agg", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": path}
