"""``qsim conform``: recorded traces of real brokers, replayed on ours; a line a trace."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from qsim.cli.ends import Exit
from qsim.cli.terminal import out


def command(
    traces: Annotated[list[str], typer.Argument(metavar="TRACE|DIR...", help="Trace files, or folders of them.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> int:
    """Replay recorded traces of real brokers on ours."""
    from qsim.trace.conform import conform, data, exit_code, report

    verdicts = conform(traces)
    out(json.dumps(data(verdicts)) if as_json else report(verdicts))
    return Exit(exit_code(verdicts))
