"""The command line: what is asked for, how it is shown, and with which exit code it ends.

It knows no rule of queues and works no number out: a command loads a scenario, runs it and shows what ``api`` says.
Nothing heavy is imported before a command needs it; ``main`` is the entry point.
"""

from __future__ import annotations

import gc
from typing import NoReturn


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run one command and leave with its exit code."""
    gc.disable()  # a sixth of the start-up; a run turns it on again (runs.simulate)
    from qsim.cli.app import run

    raise SystemExit(run(arguments))
