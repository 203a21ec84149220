"""The leases of one message as bars, a row a delivery: who had it, how long it was theirs, how long they worked.

It knows the table that ``metrics.frames.leases`` makes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from qsim.plot import axes as scales
from qsim.plot.style import BLUE, COLOURS, ORANGE, SKY, inked

if TYPE_CHECKING:
    import pandas as pd

KINDS: dict[str, dict[str, Any]] = {
    "leased, at work": {"facecolor": BLUE},
    "at work without a lease": {"facecolor": ORANGE, "hatch": "////"},
    "leased, nobody at work": {"facecolor": "none", "edgecolor": SKY},
}
_HEIGHT = 0.55


def lease_bars(leases: pd.DataFrame, axes: Axes) -> Axes:
    """``process, start_s, work_start_s, lease_end_s, work_end_s`` of each delivery; effects as points, the end as a
    line."""
    for row, lease in enumerate(leases.to_dict("records")):
        _delivery(axes, row, lease)
    axes.set_yticks(range(len(leases)), list(leases.process))
    axes.set_ylim(len(leases) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    start = float(leases.start_s.min())
    end = float(leases[["lease_end_s", "work_end_s"]].max().max())
    scales.time_of_run(axes, start, end + 0.02 * (end - start))
    scales.legend_above(axes, _handles(lease_names(leases)))
    return axes


def lease_names(leases: pd.DataFrame) -> list[str]:
    """What the legend tells: of the kinds of time those that there were, and the effect."""
    there = {kind for lease in leases.to_dict("records") for start, end, kind in _times(lease) if end > start}
    return [*(kind for kind in KINDS if kind in there), *(["effect"] if leases.has_effect.any() else [])]


def _times(lease: Mapping[Any, Any]) -> list[tuple[float, float, str]]:
    """(from, to, kind); what ends before it begins was not."""
    start, works = lease["start_s"], lease["work_start_s"]
    lease_end, work_end = lease["lease_end_s"], lease["work_end_s"]
    return [
        (works, min(work_end, lease_end), "leased, at work"),
        (max(lease_end, works), work_end, "at work without a lease"),
        (start, min(works, lease_end), "leased, nobody at work"),
        (max(work_end, start), lease_end, "leased, nobody at work"),
    ]


def _delivery(axes: Axes, row: int, lease: Mapping[Any, Any]) -> None:
    for start, end, kind in _times(lease):
        _bar(axes, row, start, end, kind)
    if lease["has_effect"]:
        axes.plot([lease["work_end_s"]], [row], **_effect())


def _bar(axes: Axes, row: int, start: float, end: float, kind: str) -> None:
    if end > start:
        axes.broken_barh([(start, end - start)], (row - _HEIGHT / 2, _HEIGHT), zorder=3, **_look(kind))


def _look(kind: str) -> dict[str, Any]:
    look = {"edgecolor": rcParams["figure.facecolor"], "linewidth": 0.8} | KINDS[kind]
    return look | {part: inked(look[part]) for part in ("facecolor", "edgecolor") if look[part] in COLOURS}


def _effect() -> dict[str, Any]:
    ink, paper = rcParams["text.color"], rcParams["figure.facecolor"]
    return {"marker": "o", "linestyle": "", "color": ink, "markeredgecolor": paper, "markersize": 7, "clip_on": False, "zorder": 4}


def _handles(names: list[str]) -> list[Any]:
    return [Patch(label=name, **_look(name)) if name in KINDS else Line2D([], [], label=name, **_effect()) for name in names]
