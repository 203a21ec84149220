"""A test file that somebody hands in: each exercise's tests in a pytest of their own, within limits.

It knows pytest's command line, its JUnit and the marker ``exercise``; what a test means is its author's.  A file's own
tests are what is graded: who wants checks that nobody can edit hands out notebooks.
"""

from __future__ import annotations

import ast
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

from qsim.lab.cells import Exercise, Unreadable
from qsim.lab.exercises import SEED_OF_THE_GRADER
from qsim.lab.sandbox import Limits, Outcome, environment

OF_PYTHON = 1024**3
"""Bytes of address space that Python, NumPy and pytest take before a test begins."""

_LIMITED = """
import sys
from qsim.lab.sandboxed import limit
limit(float(sys.argv[1]), int(sys.argv[2]))
import pytest
sys.exit(pytest.main(sys.argv[3:]))
"""
"""Pytest that limits itself: between fork and exec nobody may run Python, for other threads may hold what it needs."""

Tests = dict[str, Exercise]


def exercises(path: Path) -> Tests:
    """The exercises that a file's tests are marked with; an exercise's ``answer`` is their names."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (ValueError, SyntaxError, RecursionError) as error:
        raise Unreadable(f"cannot be read as Python: {error}") from None
    found: Tests = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
            for name, of in _marked(node):
                before = found.get(name, Exercise(name, (), "", 0.0))
                found[name] = Exercise(name, (*before.answer, node.name), "", before.of + of)
    return found


def _marked(node: ast.FunctionDef) -> Iterator[tuple[str, float]]:
    """``@pytest.mark.exercise("01.1", points=3)``."""
    for mark in node.decorator_list:
        if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.exercise":
            told = [*mark.args, *(word.value for word in mark.keywords)]
            with suppress(ValueError):
                name, of = [*(ast.literal_eval(each) for each in told), 1.0][:2]
                yield str(name), float(of)


class TestFile:
    """Asked as a Sandbox is."""

    __test__ = False

    def __init__(self, path: Path, limits: Limits) -> None:
        self.lesson, self.limits = path.resolve(), limits

    def ask(
        self, exercise: str, of: float, answers: tuple[str, ...], seed: int | None, files: tuple[str, ...] = ()
    ) -> Outcome:
        """Run the exercise's tests; each is worth the same share."""
        begun = time.monotonic()
        with TemporaryDirectory(prefix="qsim-grade-", ignore_cleanup_errors=True) as folder:
            for file in (str(self.lesson), *files):
                shutil.copyfile(file, Path(folder) / Path(file).name)
            error = self._run(Path(folder), answers, seed)
            share, lines, more = (0.0, (), error) if error else _report(Path(folder) / "junit.xml")
        return Outcome(exercise, of * share, of, lines, more, seed, round(time.monotonic() - begun, 3))

    def _run(self, folder: Path, names: tuple[str, ...], seed: int | None) -> str:
        """Why there is no report, or nothing."""
        env = environment() | {"HOME": str(folder), "TMPDIR": str(folder), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        env = {name: value for name, value in env.items() if name != SEED_OF_THE_GRADER}
        line = ["-q", "-p", "no:cacheprovider", "-p", "qsim.lab.pytest_plugin", "--junit-xml=junit.xml", "--rootdir=."]
        most = (str(self.limits.wall_s), str(OF_PYTHON + self.limits.memory))
        process = subprocess.Popen(
            [sys.executable, "-c", _LIMITED, *most, *line, "-k", " or ".join(names), self.lesson.name],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder,
            env=env if seed is None else env | {SEED_OF_THE_GRADER: str(seed)}, start_new_session=True,
        )  # fmt: skip
        try:
            process.wait(self.limits.wall_s)
            return ""
        except subprocess.TimeoutExpired:
            return f"took longer than {self.limits.wall_s:g} s"
        finally:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def close(self) -> None:
        """Nothing is kept."""


def _report(junit: Path) -> tuple[float, tuple[str, ...], str]:
    """The share of tests that passed, what the others said, and why there is no report."""
    try:
        cases = list(ElementTree.parse(junit).getroot().iter("testcase"))
    except (OSError, ElementTree.ParseError):
        return 0.0, (), "ended the process it ran in before it was checked"
    bad = [problem for case in cases for problem in case if problem.tag in ("failure", "error", "skipped")]
    lines = [line for problem in bad for line in (problem.text or problem.get("message") or "").splitlines()]
    return (
        (len(cases) - len(bad)) / len(cases) if cases else 0.0,
        tuple(lines),
        "" if cases else "has no test that runs",
    )
