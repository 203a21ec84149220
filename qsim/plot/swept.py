"""A metric over a swept path: lines with their intervals, or a map of two paths.

It knows points: a row each, with its paths, and the metric's ``mean``, ``low`` and ``high`` (``study.points`` makes
them of a sweep's table).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.ticker import MaxNLocator

from qsim.plot import axes as scales
from qsim.plot.style import line
from qsim.scenario.reference import TIME, ReferenceError_, dimension, parse
from qsim.units import SECOND, UnitError, duration, format_duration, rate

if TYPE_CHECKING:
    import pandas as pd

MOST_LINES, MOST_TICKS = 8, 10


def swept_lines(points: pd.DataFrame, x: str, metric: str, axes: Axes, by: str | None = None) -> Axes:
    """The metric over the path ``x``, a line for each value of ``by``; the bands are the intervals."""
    at, labels = positions(points[x])
    found = points.assign(_at=at)
    handles: list[Any] = []
    groups: list[tuple[Any, pd.DataFrame]] = [("", found)] if by is None else list(found.groupby(by, sort=False))
    for number, (value, group) in enumerate(groups[:MOST_LINES]):
        handles.append(_line(axes, group.sort_values("_at"), line(number), f"{short(by or '')} {value}"))
    _values(axes, metric)
    _path_axis(axes, x, at, labels)
    scales.name_above(axes, metric) if by is None else scales.legend_above(axes, handles, metric)
    return axes


def _line(axes: Axes, points: pd.DataFrame, look: dict[str, Any], label: str) -> Any:
    axes.fill_between(points["_at"], points["low"], points["high"], color=look["color"], alpha=0.2, linewidth=0)
    [drawn] = axes.plot(points["_at"], points["mean"], marker="o", markersize=4, label=label, **look)
    return drawn


def heat_map(points: pd.DataFrame, x: str, y: str, metric: str, axes: Axes) -> Axes:
    """The metric over two paths, each cell with its value."""
    columns, rows = _in_order(points[x]), _in_order(points[y])
    grid = points.pivot(index=y, columns=x, values="mean").reindex(index=rows, columns=columns)
    measured = _dimension(metric)
    values = grid.to_numpy(float)
    norm: Any = PowerNorm(0.5)  # the small differ too, where one is huge
    axes.imshow(values, cmap="cividis", norm=norm, aspect="auto", origin="lower")
    for (i, j), value in np.ndenumerate(values):
        _cell(axes, i, j, float(value), measured, norm)
    axes.set_xticks(range(len(columns)), list(map(str, columns)))
    axes.set_yticks(range(len(rows)), list(map(str, rows)))
    axes.set_xlabel(short(x))
    axes.set_ylabel(short(y))
    axes.grid(visible=False)
    scales.name_above(axes, metric)
    return axes


def _cell(axes: Axes, row: int, column: int, value: float, measured: str, norm: Any) -> None:
    if np.isfinite(value):
        ink = "white" if norm(value) < 0.55 else "black"
        axes.text(column, row, _said(float(f"{value:.3g}"), measured), ha="center", va="center", color=ink)
    else:
        axes.text(column, row, "-", ha="center", va="center")


def _said(value: float, measured: str) -> str:
    return format_duration(value * SECOND) if measured == TIME else scales.told(value, measured)


def positions(values: pd.Series) -> tuple[list[float], list[str] | None]:
    """Where values of a path stand: numbers where they are, times at their seconds; words beside each other, named."""
    for reads in (float, _seconds, lambda text: float(rate(text))):
        try:
            return [reads(_plain(value)) for value in values], None if reads is float else list(map(str, values))
        except (UnitError, ValueError, TypeError):
            continue
    words = list(dict.fromkeys(map(str, values)))
    return [float(words.index(str(value))) for value in values], list(map(str, values))


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float) else str(value)


def _seconds(text: Any) -> float:
    return duration(text) / SECOND


def _in_order(values: pd.Series) -> list[Any]:
    distinct = list(dict.fromkeys(values))
    at = dict(zip(values, positions(values)[0], strict=True))
    return sorted(distinct, key=at.__getitem__)


def short(path: str) -> str:
    """A path by its end, as one speaks of it: consumers.worker.count is worker count."""
    parts = path.split(".")
    return " ".join(parts[1:]) if len(parts) > 2 else path


def _dimension(metric: str) -> str:
    try:
        return dimension(parse(metric))
    except (ReferenceError_, KeyError):
        return "count"


def _values(axes: Axes, metric: str) -> None:
    measured = _dimension(metric)
    scales.from_zero(axes)
    scales.value_axis(axes.yaxis, measured, 4)
    axes.set_ylabel(scales.unit(parse(metric).metric, measured))


def _path_axis(axes: Axes, x: str, at: list[float], labels: list[str] | None) -> None:
    axes.set_xlabel(short(x))
    ticks = dict(sorted(zip(at, labels or map(scales.number, at), strict=True)))
    if labels or len(ticks) <= MOST_TICKS:
        axes.set_xticks(list(ticks), list(ticks.values()))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(MOST_TICKS, integer=True))
