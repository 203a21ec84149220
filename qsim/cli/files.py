"""What ``run`` leaves in files, and only where it is told to: --out and --csv.

It knows folders; what stands in a file is ``api``'s.  With replications there is a folder for each.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from qsim.api import write_result
from qsim.cli.together import Outcome
from qsim.cli.whole import put


def write_folder(outcome: Outcome, folder: Path) -> None:
    """summary.json, series.csv, run.json; of several replications a summary of all and a folder for each."""
    for run in outcome.runs:
        own = folder if outcome.wanted == 1 else folder / f"replication-{run.replication}"
        write_result(own, run.summary, run.series, run.provenance)
    summary = json.dumps(outcome.json(), indent=2, ensure_ascii=False, default=str, allow_nan=False)
    put(folder / "summary.json", summary + "\n")


def write_series(outcome: Outcome, path: Path) -> None:
    """Every series on the sample grid; with replications their number stands first."""
    import pandas as pd

    tables = [_numbered(run.series, run.replication) for run in outcome.runs]
    table = pd.concat(tables) if outcome.wanted > 1 else tables[0].drop(columns="replication")
    put(path, table.to_csv(index=False))


def _numbered(table: Any, replication: int) -> Any:
    table = table.copy()
    table.insert(0, "replication", replication)
    return table
