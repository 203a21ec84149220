"""Terminals, pipes and signals: colour, ASCII, a reader that goes away, Ctrl-C, a bug of ours."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from tests.cli.conftest import QSIM, environment


def _on_a_terminal(here, *arguments: str, **more: str) -> str:
    """What a person sees: stdout and stderr on one pseudo terminal."""
    import pty

    primary, secondary = pty.openpty()
    child = subprocess.Popen(
        [*QSIM, *arguments],
        cwd=here,
        env=environment(TERM="xterm", COLUMNS="80", **more),
        stdout=secondary,
        stderr=secondary,
    )
    os.close(secondary)
    seen = b""
    while True:
        try:
            part = os.read(primary, 65536)
        except OSError:
            break
        if not part:
            break
        seen += part
    child.wait(30)
    os.close(primary)
    return seen.decode()


def test_no_colour_in_a_pipe_nor_where_it_is_not_wanted(qsim, here):
    assert "\x1b[" not in qsim("run", "returns.yaml").out
    assert "\x1b[32m✓" in _on_a_terminal(here, "run", "small.yaml")
    assert "\x1b[" not in _on_a_terminal(here, "run", "small.yaml", NO_COLOR="1")


def test_a_bar_on_a_terminal_and_only_there(qsim, here):
    long = ("run", "backlog-growth", "--quiet")
    assert "messages" in _on_a_terminal(here, *long)
    assert qsim(*long, TERM="xterm").err == ""


def test_ascii_where_the_terminal_has_nothing_else(qsim):
    answer = qsim("run", "returns.yaml", PYTHONIOENCODING="ascii")
    assert answer.code == 1
    assert answer.out.isascii()
    assert " x worker.effects_per_message max" in answer.out
    told = qsim("trace", "returns.yaml", "--message", "first-redelivered", PYTHONIOENCODING="ascii")
    assert told.code == 0 and told.out.isascii() and "###" in told.out


def _until_the_reader_goes(here, *arguments: str) -> tuple[int, str]:
    child = subprocess.Popen(
        [*QSIM, *arguments], cwd=here, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert child.stdout is not None and child.stderr is not None
    child.stdout.read(1)
    child.stdout.close()
    said = child.stderr.read().decode()
    return child.wait(60), said


def test_a_reader_that_goes_away_hears_no_complaint(here):
    assert _until_the_reader_goes(here, "run", "small.yaml") == (0, "")
    assert _until_the_reader_goes(here, "run", "returns.yaml") == (1, "")
    assert _until_the_reader_goes(here, "schema") == (0, "")


def _interrupted(here, *arguments: str) -> tuple[int, str, str]:
    child = subprocess.Popen(
        [*QSIM, *arguments], cwd=here, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert child.stdout is not None
    child.stdout.read(1)  # it has begun
    time.sleep(3)
    child.send_signal(signal.SIGINT)
    try:
        out, err = child.communicate(timeout=60)
    finally:
        child.kill()
    return child.returncode, out.decode(), err.decode()


def test_ctrl_c_shows_what_there_was(here):
    code, out, err = _interrupted(here, "run", "backlog-growth", "--set", "run.duration=100h", "--out", "kept")
    assert code == 130
    assert "PARTIAL RESULT  interrupted at " in out
    assert "Traceback" not in err
    assert '"stopped": "interrupted"' in (here / "kept" / "summary.json").read_text()


def test_ctrl_c_between_replications_keeps_the_whole_ones(here):
    code, out, _ = _interrupted(here, "run", "returns.yaml", "--replications", "100000")
    assert code == 130
    assert "of 100000 replications" in out and "PARTIAL RESULT" in out


_BUG = """
import sys
import qsim.sim.simulate
def broken(*_, **__): raise KeyError("oops")
qsim.sim.simulate.simulate = broken
from qsim.cli.app import run
sys.exit(run(["run", "small.yaml"]))
"""


def test_a_bug_of_ours_is_a_paragraph_and_exit_4(here):
    def ask(**more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", _BUG], cwd=here, env=environment(**more), capture_output=True, text=True, check=False
        )

    said = ask()
    assert said.returncode == 4
    assert said.stderr.startswith("qsim: this is a bug of ours, not of your scenario (KeyError: 'oops')")
    assert "Traceback" not in said.stderr
    assert "Traceback" in ask(QSIM_DEBUG="1").stderr


def test_what_a_file_says_cannot_steer_the_terminal(qsim, here):
    scenario = here / "returns.yaml"
    scenario.write_text(scenario.read_text().replace("the lease ended before", r"\e[2Jthe lease \u202E ended before"))
    answer = qsim("run", "returns.yaml")
    assert answer.code == 1 and "the lease   ended before" in answer.out
    assert "\x1b" not in answer.out


def test_closed_streams_are_no_trouble(here):
    command = " ".join([*QSIM, "run", "small.yaml", ">&-", "2>&-"])
    assert subprocess.run(["bash", "-c", command], cwd=here, env=environment(), check=False).returncode == 0
