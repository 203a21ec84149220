"""A metric over a swept path: lines with their intervals, or a map of two paths.

It knows points: a row each, with its paths, and the metric's ``mean``, ``low`` and ``high`` (``study.points`` makes
them of a sweep's table).
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.ticker import MaxNLocator, NullLocator

from qsim.plot import axes as scales
from qsim.plot.style import line
from qsim.scenario.reference import ReferenceError_, dimension, parse
from qsim.units import SECOND, UnitError, duration, rate

if TYPE_CHECKING:
    import pandas as pd

MOST_LINES, MOST_TICKS = 8, 10
LETTER = 0.085
"""Inches that a letter of a tick needs, with some air."""

Setting = tuple[tuple[str, Any], ...]
"""Other paths and their values, where a panel is of one setting of them."""


def settings(table: pd.DataFrame, paths: tuple[str, ...]) -> list[Setting]:
    """Those of the table, in its order."""
    rows = table[list(paths)].drop_duplicates().itertuples(index=False, name=None)
    return [tuple(zip(paths, values, strict=True)) for values in rows]


def of_setting(points: pd.DataFrame, setting: Setting) -> pd.DataFrame:
    """The points that have it."""
    for path, value in setting:
        points = points[points[path] == value]
    return points


def swept_lines(
    points: pd.DataFrame, x: str, metric: str, axes: Axes, by: str | None = None, setting: Setting = (),
    theory: pd.DataFrame | None = None,
) -> Axes:  # fmt: skip
    """The metric over the path ``x``, a line for each value of ``by``; the bands are the intervals.  A panel of one
    ``setting`` of other paths is named by it, and has its legend with the others.  ``theory``: what textbooks say of the
    same points, a row each (``Sweep.textbook``)."""
    at, labels = positions(points[x])
    found = points.assign(_at=at)
    handles: list[Any] = []
    groups = _groups(found, by)
    for number, (value, group) in enumerate(groups[:MOST_LINES]):
        handles.append(_line(axes, group.sort_values("_at"), line(number), f"{short(by or '')} {value}"))
    said = [] if theory is None else _theory_lines(theory, x, metric, axes, by, THEORY if setting else _book(theory))
    if said and by is None:
        handles[0].set(label=SIMULATED, linestyle="none")
    _values(axes, metric)
    _path_axis(axes, x, at, labels)
    if setting or (by is None and not said):
        scales.name_above(axes, _name(metric, setting))
    else:
        scales.legend_above(axes, [*handles, *said[:1]], metric + _some_of(len(groups), by))
    return axes


def _groups(points: pd.DataFrame, by: str | None) -> list[tuple[Any, pd.DataFrame]]:
    return [("", points)] if by is None else list(points.groupby(by, sort=False))


SIMULATED, THEORY = "simulated", "theory"


def _theory_lines(said: pd.DataFrame, x: str, metric: str, axes: Axes, by: str | None, label: str) -> list[Any]:
    """Dashed, in the colour of what is written; none where the books say nothing of the metric."""
    known = said.assign(_at=positions(said[x])[0], _said=said[metric].where(np.isfinite(said[metric])))
    look: dict[str, Any] = {"color": rcParams["text.color"], "linewidth": 1.2, "linestyle": (0, (5, 3)), "zorder": 1.9}
    groups = [group.sort_values("_at") for _, group in _groups(known, by)[:MOST_LINES]]
    return [axes.plot(group["_at"], group["_said"], label=label, **look)[0] for group in groups if group["_said"].notna().any()]


def _book(said: pd.DataFrame) -> str:
    """ "theory: M/M/8" where all points are the same station."""
    names = said["textbook"].unique()
    return f"{THEORY}: {names[0]}" if len(names) == 1 else THEORY


def _name(metric: str, setting: Setting) -> str:
    own = ", ".join(f"{short(path)} {value}" for path, value in setting)
    return f"{metric}\n{own}" if own else metric


def _some_of(count: int, by: str | None) -> str:
    return f", the first {MOST_LINES} of {count} values of {short(by or '')}" if count > MOST_LINES else ""


def legend_below(canvas: Any, panels: list[Axes]) -> None:
    """One for all panels, whose lines are the same; what stands in some only, and twice, is there once."""
    handles: Any = list({str(line.get_label()): line for axes in panels for line in axes.lines}.values())
    columns = scales.legend_columns([str(handle.get_label()) for handle in handles], canvas.get_figwidth())
    canvas.legend(handles=handles, loc="outside lower left", ncols=columns, handlelength=1.8)


def one_scale(axes: list[Axes], metric: str) -> None:
    """Panels that are compared have the same vertical axis."""
    high = max(each.get_ylim()[1] for each in axes)
    low = min(each.get_ylim()[0] for each in axes)
    for each in axes:
        each.set_ylim(low, high)
        scales.value_axis(each.yaxis, _dimension(metric), 4)


def _line(axes: Axes, points: pd.DataFrame, look: dict[str, Any], label: str) -> Any:
    axes.fill_between(points["_at"], points["low"], points["high"], color=look["color"], alpha=0.2, linewidth=0)
    [drawn] = axes.plot(points["_at"], points["mean"], marker="o", markersize=4, label=label, **look)
    return drawn


def heat_map(points: pd.DataFrame, x: str, y: str, metric: str, axes: Axes, setting: Setting = (), most: float | None = None) -> Axes:
    """The metric over two paths, each cell with its value; ``most`` is the brightest, where panels are compared."""
    columns, rows = _in_order(points[x]), _in_order(points[y])
    grid = points.pivot(index=y, columns=x, values="mean").reindex(index=rows, columns=columns)
    measured = _dimension(metric)
    values = grid.to_numpy(float)
    norm: Any = PowerNorm(0.5, 0 if most else None, most)  # the small differ too, where one is huge
    axes.imshow(values, cmap="cividis", norm=norm, aspect="auto", origin="lower")
    for (i, j), value in np.ndenumerate(values):
        _cell(axes, i, j, float(value), measured, norm)
    _smaller_where_narrow(axes, len(columns))
    _named_ticks(axes, dict(enumerate(map(str, columns))), [_inches(axes) / len(columns)] * (len(columns) - 1))
    axes.set_yticks(range(len(rows)), list(map(str, rows)))
    axes.set_xlabel(short(x))
    axes.set_ylabel(short(y))
    axes.grid(visible=False)
    scales.name_above(axes, _name(metric, setting))
    return axes


def _cell(axes: Axes, row: int, column: int, value: float, measured: str, norm: Any) -> None:
    if np.isfinite(value):
        ink = "white" if norm(value) < 0.45 else "black"
        axes.text(column, row, scales.written(float(f"{value:.3g}"), measured), ha="center", va="center", color=ink)
    else:
        axes.text(column, row, "-", ha="center", va="center")


def _smaller_where_narrow(axes: Axes, columns: int) -> None:
    """The values of cells, down to what can still be read."""
    longest = max((len(text.get_text()) for text in axes.texts), default=1)
    size = 9 * min(1.0, _inches(axes) / columns / (longest * LETTER))
    for text in axes.texts:
        text.set_fontsize(max(5.5, size))


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
    if _is_crowded(list(ticks)):
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
    if labels or len(ticks) <= MOST_TICKS:
        _named_ticks(axes, ticks, [gap * _inches(axes) for gap in _gaps(list(ticks), axes.get_xscale())])
    else:
        axes.xaxis.set_major_locator(MaxNLocator(MOST_TICKS, integer=True))


def _is_crowded(at: list[float]) -> bool:
    """Whether values from 1 to 600 would lie on one heap, and do not where distances are ratios."""
    return 2 < len(at) <= MOST_TICKS and at[0] > 0 and min(_gaps(at, "linear")) < 0.03 < min(_gaps(at, "log"))


def _gaps(at: list[float], scale: str) -> list[float]:
    """The distance of each from the one before, as a share of the axis."""
    where = np.log(at) if scale == "log" else np.array(at, float)
    return list(np.diff(where) / (where[-1] - where[0])) if len(at) > 1 else []


def _inches(axes: Axes) -> float:
    """About so wide is what is drawn, without what stands to its left."""
    figure: Any = axes.figure
    spec: Any = axes.get_subplotspec()
    return figure.get_figwidth() / (spec.get_gridspec().ncols if spec else 1) - 0.9


def _named_ticks(axes: Axes, ticks: dict[float, str], gaps: list[float]) -> None:
    """All of them, with so many inches between them: where they do not fit beside each other they are turned."""
    axes.set_xticks(list(ticks), list(ticks.values()))
    letters = [(len(one) + len(other)) / 2 for one, other in pairwise(ticks.values())]
    if any((many + 0.5) * LETTER > gap for many, gap in zip(letters, gaps, strict=True)):
        axes.tick_params(axis="x", labelrotation=90)
