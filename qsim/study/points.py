"""A sweep's table as points: of each the mean of a metric over its replications, and the interval of it.

It knows tidy tables (a column a path and a metric, a row a point and replication), as ``qsim sweep --csv`` writes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qsim.study.intervals import estimate

if TYPE_CHECKING:
    import pandas as pd


def points(table: pd.DataFrame, paths: Sequence[str], metric: str) -> pd.DataFrame:
    """A row a point, in the order of the table: the paths, ``mean``, ``low`` and ``high``; what has no mean is missing."""
    import pandas as pd

    values = pd.to_numeric(table[metric], errors="coerce")
    groups = values.groupby([table[path] for path in paths], sort=False, dropna=False)
    rows = [[*(key if isinstance(key, tuple) else (key,)), *_told(group)] for key, group in groups]
    return pd.DataFrame(rows, columns=[*paths, "mean", "low", "high"])


def _told(values: Any) -> Iterator[float]:
    found = estimate([value if value == value else None for value in values.tolist()])
    is_told = isinstance(found.mean, int | float) and abs(found.mean) < float("inf")
    mean, half = (found.mean, found.half or 0.0) if is_told else (nan, nan)
    yield from (mean, mean - half, mean + half)


@dataclass(frozen=True, slots=True)
class Table:
    """A sweep's table, and which of its columns are paths and which metrics."""

    rows: pd.DataFrame
    paths: tuple[str, ...]
    metrics: tuple[str, ...]


def paths_of(rows: pd.DataFrame) -> tuple[str, ...]:
    """The columns before ``replication``; none where there is no such column."""
    columns = list(rows.columns)
    return tuple(columns[: columns.index("replication")]) if "replication" in columns else ()


def read(path: Path) -> Table:
    """A file of ``qsim sweep --csv``: the columns before ``replication`` are paths, those after it metrics.  ValueError
    where it is none."""
    import pandas as pd

    rows = pd.read_csv(path)
    columns = list(rows.columns)
    paths = paths_of(rows)
    if not paths:
        raise ValueError("not the table of a sweep: it has no column 'replication' behind the paths")
    metrics = [column for column in columns[len(paths) + 1 :] if column not in ("seed", "digest")]
    return Table(rows, paths, tuple(metrics))
