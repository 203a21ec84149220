"""The raster of alerts: a row an alert, a bar for as long as it fires, coloured by who is told.

It knows rows of "fired" and "cleared".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from qsim.plot import axes as scales
from qsim.plot.over_time import NO_MARKS, Marks, behind
from qsim.plot.style import ORANGE, SKY, VERMILLION, inked

if TYPE_CHECKING:
    import pandas as pd

SEVERITIES = {"info": SKY, "warn": ORANGE, "page": VERMILLION}
_HEIGHT = 0.6


def alert_raster(
    alerts: pd.DataFrame, severities: Mapping[str, str], end_s: float, axes: Axes, marks: Marks = NO_MARKS
) -> Axes:
    """``time_s, alert, event`` of a run that ended at ``end_s``; ``severities`` names every alert, silent ones too."""
    for row, (name, severity) in enumerate(severities.items()):
        spans = list(firing(alerts[alerts.alert == name], end_s))
        bars = [(start, max(end - start, end_s / 400)) for start, end in spans]  # what was short is seen
        axes.broken_barh(bars, (row - _HEIGHT / 2, _HEIGHT), color=inked(SEVERITIES[severity]), zorder=3)
        if not spans:
            axes.text(0.01, row, "never fired", transform=axes.get_yaxis_transform(), va="center", color=rcParams["xtick.color"])
    axes.set_yticks(range(len(severities)), list(severities))
    axes.set_ylim(len(severities) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    scales.time_of_run(axes, 0, end_s)
    scales.legend_above(axes, [*_handles(severities.values()), *behind(axes, marks)])
    return axes


def firing(events: pd.DataFrame, end_s: float) -> Iterator[tuple[float, float]]:
    """(from, to) of each time that one alert fired; what did not clear fires to the end."""
    since: float | None = None
    for time, event in zip(events.time_s, events.event, strict=True):
        if event == "fired":
            since = time
        elif since is not None:
            yield since, time
            since = None
    if since is not None:
        yield since, end_s


def _handles(severities: Iterable[str]) -> list[Any]:
    known = set(severities)
    return [Patch(color=inked(colour), label=severity) for severity, colour in SEVERITIES.items() if severity in known]
