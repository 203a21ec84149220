"""Two metrics of a sweep against each other: every point, those that nothing beats in both joined and named.

It knows points: a row each, with the settings, both metrics, and in ``front`` its place among those that nothing beats
(``Sweep.trade_off``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from qsim.plot import axes as scales
from qsim.plot.style import BLUE, inked
from qsim.plot.swept import LETTER, short
from qsim.scenario.reference import TIME, dimension, parse

if TYPE_CHECKING:
    import pandas as pd

HIGH, APART = 0.17, 0.08
"""Inches: of a line of letters with some air, and of a name from its point."""
AROUND = (1.2, 0.9)
"""Inches beside and below what is drawn, for ticks and names of the axes."""


@dataclass(frozen=True, slots=True)
class _Box:
    left: float
    low: float
    right: float
    high: float

    def meets(self, other: _Box) -> bool:
        across = self.left < other.right and other.left < self.right
        return across and self.low < other.high and other.low < self.high


def trade_off(points: pd.DataFrame, one: str, other: str, axes: Axes) -> Axes:
    """``one`` to the right and ``other`` upwards."""
    points = points[np.isfinite(points[[one, other]].to_numpy(float)).all(axis=1)]
    best = points[points["front"].notna()].sort_values("front")
    beaten = points[points["front"].isna()]
    ink: Any = axes.xaxis.label.get_color()
    grey = {"color": ink, "alpha": 0.35, "markersize": 4, "clip_on": False}
    axes.plot(beaten[one], beaten[other], "o", label="beaten", **grey)
    axes.plot(best[one], best[other], "o-", color=inked(BLUE), markersize=6, clip_on=False, label="nothing beats these")
    _limits(axes, points, one, other)
    _value_axes(axes, one, other)
    paths = list(points.columns[: list(points.columns).index(one)])
    figure: Any = axes.figure
    title = fill(f"named by {', '.join(map(short, paths))}", int(figure.get_figwidth() * scales.LETTERS) - scales.HANDLE)
    scales.legend_above(axes, list(axes.lines), title)
    _name(axes, _said(best, paths), best[[one, other]].to_numpy(float), points[[one, other]].to_numpy(float))
    return axes


def _limits(axes: Axes, points: pd.DataFrame, one: str, other: str) -> None:
    """Room for names around the points; where nothing is below 0, no axis is."""
    for values, limit in ((points[one], axes.set_xlim), (points[other], axes.set_ylim)):
        low, high = float(values.min()), float(values.max())
        room = 0.15 * (high - low) or abs(high) * 0.15 or 1.0
        limit(max(0.0, low - room) if low >= 0 else low - room, high + room)


def _value_axes(axes: Axes, one: str, other: str) -> None:
    for axis, metric in ((axes.xaxis, one), (axes.yaxis, other)):
        reference = parse(metric)
        measured = dimension(reference)
        scales.value_axis(axis, measured, 5)
        if measured != TIME:
            axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
        axis.set_label_text(f"{metric} ({scales.unit(reference.metric, measured)})")


def _said(points: pd.DataFrame, paths: Sequence[str]) -> list[str]:
    return [", ".join(map(str, row)) for row in points[paths].itertuples(index=False, name=None)]


# --- names beside points ----------------------------------------------------------------------------------------------


def _name(axes: Axes, names: Sequence[str], best: Any, points: Any) -> None:
    """Each beside its point, where that covers no other name and no point; where there is no room, none."""
    size = _size(axes)
    taken = [_Box(x - 0.04, y - 0.04, x + 0.04, y + 0.04) for x, y in _inches(axes, points, size)]
    sides = _sides(best)
    for name, value, (x, y) in zip(names, best, _inches(axes, best, size), strict=True):
        for right, up in sides:
            box = _beside(x, y, len(name) * LETTER, right, up)
            if _is_within(box, size) and not any(box.meets(each) for each in taken):
                taken.append(box)
                axes.annotate(
                    name, value, (72 * APART * right, 72 * APART * up), textcoords="offset points",
                    ha="left" if right > 0 else "right", va="bottom" if up > 0 else "top",
                )  # fmt: skip
                break


def _sides(best: Any) -> list[tuple[int, int]]:
    """Right and up, those first where the line does not go: it falls where less of both is better, and rises where more
    of one is."""
    across, along = [(1, 1), (-1, -1)], [(1, -1), (-1, 1)]
    (x0, y0), (x1, y1) = best[0], best[-1]
    return [*along, *across] if (x1 - x0) * (y1 - y0) > 0 else [*across, *along]


def _beside(x: float, y: float, wide: float, right: int, up: int) -> _Box:
    left = x + APART if right > 0 else x - APART - wide
    low = y + APART if up > 0 else y - APART - HIGH
    return _Box(left, low, left + wide, low + HIGH)


def _is_within(box: _Box, size: tuple[float, float]) -> bool:
    return box.left >= 0 and box.low >= 0 and box.right <= size[0] and box.high <= size[1]


def _size(axes: Axes) -> tuple[float, float]:
    """About so large is what is drawn, in inches."""
    figure: Any = axes.figure
    return figure.get_figwidth() - AROUND[0], figure.get_figheight() - AROUND[1] - 2 * HIGH


def _inches(axes: Axes, values: Any, size: tuple[float, float]) -> list[tuple[float, float]]:
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    return [(size[0] * (x - left) / (right - left), size[1] * (y - low) / (high - low)) for x, y in values]
