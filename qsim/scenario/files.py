"""Which files a scenario may read: its own folder and what is below, and the bundled scenarios.  Nothing else.

It knows folders, names and how tables are read, not what their values mean.  Symbolic links are followed before the
question is asked.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Any

from qsim.units import LONGEST, TIME_UNITS, Nanos

LARGEST_TABLE = 16 * 1024 * 1024
_PACKAGE = Path(__file__).resolve().parent.parent
_FOLDERS = (_PACKAGE / "_scenarios", _PACKAGE.parent / "scenarios")
_INSIDE = ("", "seed", "whatif")


class NotAllowed(Exception):
    """A file that is not there, or is none of the scenario's business."""


@cache
def bundled() -> dict[str, Path]:
    """The bundled scenarios by name: in the package where it is installed, beside it in a checkout."""
    folder = next((folder for folder in _FOLDERS if folder.is_dir()), _FOLDERS[0])
    paths = [path for inside in _INSIDE for path in sorted((folder / inside).glob("*.yaml"))]
    return dict(sorted((path.stem, path) for path in paths))


def scenario_file(target: str | Path) -> Path:
    """The file of a path or of a bundled name."""
    if isinstance(target, str) and target in bundled() and not Path(target).is_file():
        return bundled()[target]
    return Path(target)


def below(folder: Path, name: str) -> Path:
    """A file below the folder, links resolved."""
    try:
        path = (folder / name).resolve()
        inside, there = path.is_relative_to(folder.resolve()), path.is_file()
    except (OSError, ValueError, RuntimeError):
        raise NotAllowed("is not a path that can be read") from None
    if not inside:
        raise NotAllowed("is not below the scenario's folder")
    if not there:
        raise NotAllowed("does not exist")
    return path


@dataclass(frozen=True, slots=True)
class Column:
    """One column of times in a CSV or Parquet file."""

    file: str
    column: str
    unit: str


def column(folder: Path, wanted: Column) -> tuple[Nanos, ...]:
    """The column's times, sorted."""
    rows = table(below(folder, wanted.file), wanted.column)
    return tuple(sorted(time_in(row[wanted.column], wanted.unit, line) for line, row in rows))


Row = tuple[int, Mapping[str, str]]
"""Its line (of a Parquet file: its number, from 1), and its values by column, as text."""


def table(path: Path, column: str) -> list[Row]:
    """Every row of a CSV or Parquet file that has this column."""
    if path.stat().st_size > LARGEST_TABLE:
        raise NotAllowed("is larger than 16 MiB")
    columns, rows = _parquet(path) if path.suffix == ".parquet" else _csv(path)
    if column not in columns:
        raise NotAllowed(f"has no column {column!r}: it has {', '.join(columns)[:80]}")
    if not rows:
        raise NotAllowed("has no rows")
    return rows


def _csv(path: Path) -> tuple[list[str], list[Row]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            rows: list[Row] = [(reader.line_num, {k: v or "" for k, v in row.items()}) for row in reader]
            return list(reader.fieldnames or ()), rows
    except (UnicodeDecodeError, csv.Error) as error:
        raise NotAllowed(f"is not a CSV file: {error}") from None


def _parquet(path: Path) -> tuple[list[str], list[Row]]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise NotAllowed("is a Parquet file, and pyarrow is not installed: pip install 'qsim-lab[parquet]'") from None
    try:
        read = parquet.read_table(path)
    except (ArrowException, OSError) as error:
        raise NotAllowed(f"is not a Parquet file: {str(error)[:80]}") from None
    rows: list[Row] = [(number, {k: _plain(v) for k, v in row.items()}) for number, row in enumerate(read.to_pylist(), 1)]
    return list(read.column_names), rows


def _plain(value: Any) -> str:
    return "" if value is None else str(value)


def time_in(text: str, unit: str, line: int) -> Nanos:
    try:
        time = round(Decimal(text) * TIME_UNITS[unit])
    except (InvalidOperation, ValueError, OverflowError):
        raise NotAllowed(f"line {line}: {text[:20]!r} is not a number") from None
    if not 0 <= time <= LONGEST:
        raise NotAllowed(f"line {line}: {text[:20]!r} is not a time between 0 and 292 years")
    return time
