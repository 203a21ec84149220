"""Scenarios beside each other: a bar each, a panel a metric, every bar with its value.

It knows rows of ``Comparison.frame``: a scenario, the metric's ``mean``, and ``low`` and ``high`` where there are several
replications.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import rcParams
from matplotlib.axes import Axes

from qsim.plot import axes as scales
from qsim.plot.style import BLUE
from qsim.scenario.reference import TIME, dimension, parse
from qsim.units import SECOND, format_duration

if TYPE_CHECKING:
    import pandas as pd

NONE = "no data"


def bars(rows: pd.DataFrame, metric: str, axes: Axes) -> Axes:
    """The metric of each scenario, the first on top; whiskers are the intervals."""
    measured, at = dimension(parse(metric)), np.arange(len(rows))
    means = rows["mean"].to_numpy(float)
    drawn = np.where(np.isfinite(means), means, 0.0)
    axes.barh(at, drawn, height=0.62, color=BLUE, xerr=_whiskers(rows, drawn), ecolor=rcParams["text.color"], capsize=2)
    axes.set_yticks(at, list(rows["scenario"]))
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_xlim(0, 1.28 * (max(_ends(rows, drawn)) or 1))  # with room for what stands behind the longest
    scales.value_axis(axes.xaxis, measured, 3)
    axes.set_xlabel(scales.unit(parse(metric).metric, measured))
    for row, (mean, end) in enumerate(zip(means, _ends(rows, drawn), strict=True)):
        axes.annotate(_said(mean, measured), (end, row), xytext=(3, 0), textcoords="offset points", va="center", fontsize=8.5)
    scales.name_above(axes, metric)
    return axes


def _whiskers(rows: pd.DataFrame, drawn: Any) -> Any:
    low, high = (rows[side].to_numpy(float) for side in ("low", "high"))
    return None if np.isnan(low).all() else np.nan_to_num([drawn - low, high - drawn])


def _ends(rows: pd.DataFrame, drawn: Any) -> Any:
    """Where each bar ends, whisker and all."""
    return np.fmax(drawn, rows["high"].to_numpy(float))


def _said(mean: float, measured: str) -> str:
    if not np.isfinite(mean):
        return NONE if np.isnan(mean) else "never"
    short = float(f"{mean:.3g}")
    return format_duration(short * SECOND) if measured == TIME else scales.told(short, measured)
