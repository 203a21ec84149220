"""Which files a scenario may read: its own folder and what is below, and the bundled scenarios.  Nothing else.

It knows folders and names, not what stands in the files.  Symbolic links are followed before the question is asked.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path

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
    """One column of times in a CSV file."""

    file: str
    column: str
    unit: str


def column(folder: Path, wanted: Column) -> tuple[Nanos, ...]:
    """The column's times, sorted."""
    path = below(folder, wanted.file)
    if path.stat().st_size > LARGEST_TABLE:
        raise NotAllowed("is larger than 16 MiB")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            if wanted.column not in (rows.fieldnames or ()):
                raise NotAllowed(f"has no column {wanted.column!r}: it has {', '.join(rows.fieldnames or ())[:80]}")
            times = sorted(_time(row[wanted.column], wanted.unit, rows.line_num) for row in rows)
    except (UnicodeDecodeError, csv.Error) as error:
        raise NotAllowed(f"is not a CSV file: {error}") from None
    if not times:
        raise NotAllowed("has no rows")
    return tuple(times)


def _time(text: str | None, unit: str, line: int) -> Nanos:
    try:
        time = round(Decimal(text or "") * TIME_UNITS[unit])
    except (InvalidOperation, ValueError, OverflowError):
        raise NotAllowed(f"line {line}: {(text or '')[:20]!r} is not a number") from None
    if not 0 <= time <= LONGEST:
        raise NotAllowed(f"line {line}: {(text or '')[:20]!r} is not a time between 0 and 292 years")
    return time
