"""A sweep as tables of 80 columns: two paths as a matrix a metric, one as a row a value, more as a row a point.

It knows cells and widths; the numbers are ``study.sweep``'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from qsim.claims.verdicts import FAIL, PASS, Verdict
from qsim.cli.screen import half_said, mean_said
from qsim.cli.table import hanging, table
from qsim.cli.terminal import WIDTH, colour
from qsim.scenario.reference import TIME, dimension, parse
from qsim.study.intervals import Estimate
from qsim.study.sweep import Sweep, label
from qsim.units import SECOND

EXPECTATIONS = "expectations"

Cells = list[list[str]]
"""Of each point, one a column."""


@dataclass(frozen=True, slots=True)
class _Columns:
    heads: list[str]
    cells: Cells


def lines(found: Sweep, verdicts: Sequence[Sequence[Verdict]]) -> Iterator[str]:
    """With half widths where there is room for them; ``verdicts`` of each point."""
    drawn = _tables(found, verdicts, with_halves=max(found.counts) > 1)
    if any(len(line) > WIDTH for block in drawn for line in block):
        drawn = _tables(found, verdicts, with_halves=False)
    for block in drawn:
        yield ""
        yield from _headed(block)
    if any(verdicts):
        yield ""
        yield from hanging(f"{EXPECTATIONS}: ", "; ".join(map(_expected, verdicts[0])), 2)


def some(found: Sweep) -> Iterator[str]:
    """Points that are no whole grid: a row each."""
    for block in _rows(found, _columns(found, [[]], with_halves=False)):
        yield from _headed(block)


def _headed(block: list[str]) -> Iterator[str]:
    yield colour(block[0], "bold")
    yield from block[1:]


def _expected(verdict: Verdict) -> str:
    """ "shop.sent total is 600,000", "no_message_lost" """
    if verdict.that.split()[0] == verdict.predicate:
        return verdict.that
    return f"{verdict.that} {'is ' if verdict.predicate == 'is' else ''}{verdict.expected}"


def _tables(found: Sweep, verdicts: Sequence[Sequence[Verdict]], with_halves: bool) -> list[list[str]]:
    columns = _columns(found, verdicts, with_halves)
    if len(found.paths) == 2:
        drawn = [_matrix(found, columns, number) for number in range(len(columns.heads))]
        if all(len(line) <= WIDTH for block in drawn for line in block):
            return drawn
    return _rows(found, columns)


def _columns(found: Sweep, verdicts: Sequence[Sequence[Verdict]], with_halves: bool) -> _Columns:
    cells = [
        [_cell(each, metric, with_halves) for each, metric in zip(of_point, found.metrics, strict=True)]
        for of_point in found.estimates
    ]
    if not any(verdicts):
        return _Columns(list(found.metrics), cells)
    marked = [[*row, _marks(of_point)] for row, of_point in zip(cells, verdicts, strict=True)]
    return _Columns([*found.metrics, EXPECTATIONS], marked)


def _cell(found: Estimate, metric: str, with_half: bool) -> str:
    scale = SECOND if dimension(parse(metric)) == TIME else 1
    told = Estimate(_times(found.mean, scale), _times(found.half, scale))
    return " ".join(part for part in (mean_said(told, metric), half_said(told, metric) if with_half else "") if part)


def _times(number: Any, scale: int) -> Any:
    return number if number is None or scale == 1 else number * scale


def _marks(verdicts: Sequence[Verdict]) -> str:
    """Whether each holds; that a file expects it to fail is said of the file's variants, not of these points."""
    return " ".join({PASS: "✓", FAIL: "✗"}.get(verdict.verdict, "?") for verdict in verdicts)


def said(setting: Any) -> str:
    """A setting as it was written."""
    return str(getattr(setting, "text", label(setting)))


# --- shapes -----------------------------------------------------------------------------------------------------------


def _matrix(found: Sweep, columns: _Columns, number: int) -> list[str]:
    """The first path down, the second across, and which metric it is behind the head."""
    across = list(dict.fromkeys(said(point.settings[1]) for point in found.points))
    down = list(dict.fromkeys(said(point.settings[0]) for point in found.points))
    cells = [row[number] for row in columns.cells]
    rows = [[" \\ ".join(short(found.paths)), *across]]
    rows += [[name, *cells[i * len(across) : (i + 1) * len(across)]] for i, name in enumerate(down)]
    head, *more = table(rows)
    caption = f"({columns.heads[number]})"
    return [f"{head}   {caption}", *more] if len(head) + len(caption) + 3 <= WIDTH else [caption, head, *more]


def _rows(found: Sweep, columns: _Columns) -> list[list[str]]:
    """A row a point; as many metrics side by side as there is room for."""
    settings = [short(found.paths), *([said(each) for each in point.settings] for point in found.points)]
    return [
        _row_table(settings, columns, numbers)
        for numbers in _side_by_side([columns.heads, *columns.cells], _width(settings))
    ]


def _row_table(settings: list[list[str]], columns: _Columns, numbers: list[int]) -> list[str]:
    """The heads take two lines: the metric, and its statistic."""
    heads = [columns.heads[n].partition(" ") for n in numbers]
    names = [head for head, _, _ in heads]
    under = [rest for _, _, rest in heads]
    rows = [[*settings[0], *names]]
    rows += [[*("" for _ in settings[0]), *under]] if any(under) else []
    rows += [[*settings[i], *(row[n] for n in numbers)] for i, row in enumerate(columns.cells, 1)]
    return table(rows, left=len(settings[0]))


def _side_by_side(rows: list[list[str]], taken: int) -> list[list[int]]:
    """The numbers of the columns that go into each table."""
    groups: list[list[int]] = [[]]
    room = WIDTH - taken
    for number in range(len(rows[0])):
        wide = 2 + max(max(map(len, rows[0][number].split(" ", 1))), *(len(row[number]) for row in rows[1:]))
        if groups[-1] and wide > room:
            groups.append([])
            room = WIDTH - taken
        groups[-1].append(number)
        room -= wide
    return groups


def _width(rows: list[list[str]]) -> int:
    return 1 + sum(2 + max(len(row[i]) for row in rows) for i in range(len(rows[0]))) - 2


def short(paths: Sequence[str]) -> list[str]:
    """The end of each path that tells it from the others."""
    parts = [path.split(".") for path in paths]
    for size in range(1, max(map(len, parts)) + 1):
        names = [".".join(each[-size:]) for each in parts]
        if len(set(names)) == len(names):
            return names
    return list(paths)
