"""Running the command as people do: in a process of its own, in a folder of its own."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from qsim.cli.app import run

ROOT = Path(__file__).parents[2]
QSIM = [sys.executable, "-m", "qsim"]

SMALL = """\
qsim: 1
name: small
run: {duration: 10s}
queues: {jobs: {}}
producers: {api: {to: jobs, rate: 10/s, arrivals: regular}}
consumers: {worker: {from: jobs, count: 2, service: 100ms}}
expect:
  - {that: api.sent total, is: 100}
  - {that: jobs.wait p95, below: 1s}
variants:
  too-much: {producers.api.rate: 40/s}
"""

RETURNS = """\
qsim: 1
name: returns
run: {duration: 10m}
queues:
  jobs: {profile: sqs-standard, visibility_timeout: 30s, dlq: {queue: jobs-dlq, max_receives: 3}}
  jobs-dlq: {profile: sqs-standard}
producers: {api: {to: jobs, rate: 1/s, message: {poison: {first: 2, from: 1m, every: 1s}}}}
consumers:
  worker: {from: jobs, count: 5, poll: {wait: 20s}, service: {mix: [{share: 95%, time: 1s}, {share: 5%, time: 40s}]}}
expect:
  - {that: worker.effects_per_message max, is: 1, otherwise: "the lease ended before the work did"}
  - {that: jobs-dlq.visible at end, is: 0}
"""


@pytest.fixture
def ctrl_c(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """``ctrl_c(7)``: pressed in the seventh run, of which half is left."""
    from qsim.study import tasks

    whole = tasks.perform

    def after(runs: int) -> None:
        made = count(1)

        def perform(*given: Any) -> Any:
            answer = whole(*given)
            return answer if next(made) < runs else replace(answer, stopped="interrupted")

        monkeypatch.setattr(tasks, "perform", perform)

    return after


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


Ask = Callable[..., Answer]


def environment(**more: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "QSIM_DEBUG", "COLUMNS")}
    return kept | {"PYTHONPATH": str(ROOT)} | more


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with two scenarios."""
    (tmp_path / "small.yaml").write_text(SMALL)
    (tmp_path / "returns.yaml").write_text(RETURNS)
    return tmp_path


@pytest.fixture
def qsim(here: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """``qsim("run", "small.yaml")``: exit code, stdout, stderr.  With variables of the environment it is a process of
    its own, else it runs here, which is quicker."""
    monkeypatch.chdir(here)
    monkeypatch.delenv("COLUMNS", raising=False)

    def ask(*arguments: str, **more: str) -> Answer:
        return _apart(here, arguments, more) if more else _inside(arguments)

    return ask


@pytest.fixture
def qsim_apart(here: Path) -> Ask:
    """The same in a process of its own."""
    return lambda *arguments, **more: _apart(here, arguments, more)


def _apart(here: Path, arguments: tuple[str, ...], more: dict[str, str]) -> Answer:
    done = subprocess.run(
        [*QSIM, *arguments], cwd=here, env=environment(**more), capture_output=True, timeout=120, check=False
    )
    return Answer(done.returncode, done.stdout.decode(), done.stderr.decode())


def _inside(arguments: tuple[str, ...]) -> Answer:
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
    with redirect_stdout(out), redirect_stderr(err):
        code = run(list(arguments))
    return Answer(code, *(stream.buffer.getvalue().decode() for stream in (out, err)))  # type: ignore[attr-defined]
