"""Start-up is a feature: what is loaded, and how long it takes.

The times are those of the budget, taken as processor time of the best of some runs: a busy machine is no failure.
"""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from tests.cli.conftest import QSIM, environment

HEAVY = ("pandas", "matplotlib", "scipy", "joblib", "numpy", "jinja2")


@pytest.mark.parametrize("module", ["qsim", "qsim.cli", "qsim.cli.app"])
def test_nothing_heavy_is_loaded(module):
    program = f"import sys, {module}; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", program],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
    assert not [line for line in done.stderr.splitlines() if line.rsplit("|", 1)[-1].strip() in HEAVY]


def test_help_validate_and_show_need_no_numpy(here):
    for arguments in (
        ["--help"],
        ["validate", "small.yaml"],
        ["show", "small.yaml"],
        ["examples"],
        ["explain", "Q013"],
        ["plot", "--help"],
        ["report", "--help"],
        ["theory", "mmc", "--rate", "720/s", "--service", "10ms", "--consumers", "8"],
        ["sweep", "--help"],
        ["find", "--help"],
    ):
        program = (
            "import sys\nfrom qsim.cli.app import run\n"
            f"assert run({arguments!r}) == 0\n"
            f"sys.exit(str([name for name in {HEAVY} if name in sys.modules]).strip('[]'))"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=here, env=environment(), capture_output=True, text=True, check=False
        )
        assert done.stderr == "\n" or done.stderr == "", done.stderr


@pytest.mark.parametrize(
    ("arguments", "budget"),
    [(["--help"], 0.250), (["theory"], 0.250), (["validate", "small.yaml"], 0.350), (["run", "small.yaml"], None)],
)
def test_the_start_is_quick(here, arguments, budget):
    best = min(_seconds(here, arguments) for _ in range(5))
    assert budget is None or best < budget


def _seconds(here, arguments: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([*QSIM, *arguments], cwd=here, env=environment(), capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def test_the_first_words_of_a_run_are_quick(here):
    """The name of the scenario stands there before the engine is loaded."""
    best = min(_first_words(here) for _ in range(5))
    assert best < 0.400


def _first_words(here) -> float:
    """Processor time until the first byte."""
    child = subprocess.Popen([*QSIM, "run", "small.yaml"], cwd=here, env=environment(), stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.read(1)
    used = _used(child.pid)
    child.stdout.read()
    child.wait()
    return used


def _used(pid: int) -> float:
    import os
    from pathlib import Path

    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        pytest.skip("no /proc")
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
