"""Scenarios beside each other: a bar each, a panel a metric, every bar with its value.

It knows rows of ``Comparison.frame``: a scenario, the metric's ``mean`` (a number, "never", or missing), and ``low`` and
``high`` where there are several replications.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import rcParams
from matplotlib.axes import Axes

from qsim.plot import axes as scales
from qsim.plot.style import BLUE, inked
from qsim.scenario.reference import dimension, parse

if TYPE_CHECKING:
    import pandas as pd

NONE, NEVER = "no data", "never"


def bars(rows: pd.DataFrame, metric: str, axes: Axes) -> Axes:
    """The metric of each scenario, the first on top; whiskers are the intervals."""
    measured, at = dimension(parse(metric)), np.arange(len(rows))
    means = rows["mean"].replace(NEVER, np.inf).to_numpy(float)
    drawn = np.where(np.isfinite(means), means, 0.0)
    ends = np.fmax(drawn, rows["high"].to_numpy(float))  # whiskers and all
    axes.barh(at, drawn, height=0.62, color=inked(BLUE), xerr=_whiskers(rows, drawn), ecolor=rcParams["text.color"], capsize=2)
    axes.set_yticks(at, list(rows["scenario"]))
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_xlim(0, 1.28 * (max(ends) or 1))  # with room for what stands behind the longest
    scales.value_axis(axes.xaxis, measured, 3)
    axes.set_xlabel(scales.unit(parse(metric).metric, measured))
    for row, (mean, end) in enumerate(zip(means, ends, strict=True)):
        axes.annotate(_said(mean, measured), (end, row), xytext=(3, 0), textcoords="offset points", va="center", fontsize=8.5)
    scales.name_above(axes, metric)
    return axes


def _whiskers(rows: pd.DataFrame, drawn: Any) -> Any:
    low, high = (rows[side].to_numpy(float) for side in ("low", "high"))
    return None if np.isnan(low).all() else np.nan_to_num([drawn - low, high - drawn])


def _said(mean: float, measured: str) -> str:
    """To three digits; of what has more, all before the point."""
    if not np.isfinite(mean):
        return NONE if np.isnan(mean) else NEVER
    return scales.written(float(f"{mean:.3g}") if mean < 100 else round(mean), measured)
