"""What was recorded of real traffic: when each message was sent, and what is known of it beside.

It knows the columns of a table, and which file may be read is told by ``files``.  Beside the column of times these
count where they are there: ``size`` (bytes), ``group`` (any text: groups are numbered as they first come) and
``priority`` (a name of the target queue's).  Other columns are of no interest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

from qsim.scenario import files, plan
from qsim.scenario.files import NotAllowed, Row
from qsim.units import Nanos


def read(folder: Path, wanted: files.Column, priorities: Sequence[str]) -> plan.Recorded:
    """Everything in the file, in the order of time; raises NotAllowed."""
    path = files.below(folder, wanted.file)
    return _read(path, path.stat().st_mtime_ns, wanted, tuple(priorities))


@lru_cache(4)
def _read(path: Path, _written: int, wanted: files.Column, priorities: tuple[str, ...]) -> plan.Recorded:
    """Asked several times on the way from a file to a run; one that was written anew is read anew."""
    rows = files.table(path, wanted.column)
    timed = sorted(
        ((files.time_in(row[wanted.column], wanted.unit, line), (line, row)) for line, row in rows), key=lambda pair: pair[0]
    )
    ordered = [row for _, row in timed]
    has = rows[0][1].keys() - {wanted.column}
    return plan.Recorded(
        times=tuple(time for time, _ in timed),
        sizes=_each(ordered, _size) if "size" in has else (),
        groups=_groups(ordered) if "group" in has else (),
        levels=_each(ordered, lambda row: _level(row, priorities)) if "priority" in has and priorities else (),
    )


def part(recorded: plan.Recorded, start: Nanos, stop: Nanos, limit: int | None) -> plan.Recorded:
    """What is sent in [start, stop), and no more than ``limit``."""
    kept = [k for k, time in enumerate(recorded.times) if start <= time < stop][:limit]
    columns = (recorded.times, recorded.sizes, recorded.groups, recorded.levels)
    return plan.Recorded(*(tuple(column[k] for k in kept) if column else () for column in columns))


def _each(rows: list[Row], read: Callable[[Row], int]) -> tuple[int, ...]:
    return tuple(read(row) for row in rows)


def _size(row: Row) -> int:
    line, text = row[0], row[1]["size"]
    if not text.isascii() or not text.isdecimal() or int(text) >= 1 << 31:
        raise NotAllowed(f"line {line}: size {text[:20]!r} is not a whole number of bytes")
    return int(text)


def _groups(rows: list[Row]) -> tuple[int, ...]:
    """Numbered as they first come; -1 where there is none."""
    numbers: dict[str, int] = {"": -1}
    return tuple(numbers.setdefault(row["group"], len(numbers) - 1) for _, row in rows)


def _level(row: Row, priorities: tuple[str, ...]) -> int:
    """A message that says nothing has the last."""
    line, text = row[0], row[1]["priority"]
    if text and text not in priorities:
        raise NotAllowed(f"line {line}: {text[:20]!r} is not a priority: there are {', '.join(priorities)[:80]}")
    return priorities.index(text) if text else len(priorities) - 1
