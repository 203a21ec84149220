"""Axes as people read them: 90 s is "1m30s", 12000 is "12,000", half is "50 %".

It knows dimensions and their units, no data.
"""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator

from qsim.metrics.curves import round_step
from qsim.scenario.reference import COUNT, MONEY, RATE, SHARE, TIME
from qsim.units import SECOND, digits, format_duration, write_duration

TICKS = 8
"""At most so many in ten inches of time."""

_UNITS = {COUNT: "messages", TIME: "time", RATE: "messages / s", SHARE: "share", MONEY: "money"}
_OF_METRIC = {
    "count": "processes", "busy": "at work", "waiting": "calls waiting", "calls": "calls", "refused": "calls",
    "requests": "requests", "empty_receives": "requests", "consumer_hours": "hours", "fired": "times", "firing": "firing",
    "oldest_age": "age", "effects": "effects", "duplicates": "effects", "effects_per_message": "effects a message",
    "receives": "receives a message", "calls_per_message": "calls a message", "drained_at": "time of the run",
    "first_fired": "time of the run",
}  # fmt: skip
"""What is counted, where it is not messages."""


def unit(metric: str, dimension: str) -> str:
    """What stands beside the axis of a metric."""
    return "share" if dimension == SHARE else _OF_METRIC.get(metric, _UNITS[dimension])


def told(value: float, dimension: str) -> str:
    """A tick: a time in seconds as people write it, a count with separators, a share in percent."""
    if dimension == TIME:
        return _time(value)
    if dimension == SHARE:
        return f"{digits(value * 100)} %"
    return number(value)


def _time(seconds: float) -> str:
    """ "1h15m" rather than 75m; below a minute the shortest."""
    if seconds < 0:
        return "-" + _time(-seconds)
    if seconds < 60:
        return write_duration(round(seconds * SECOND)) if seconds else "0"
    parts, left = [], round(seconds, 9)
    for name, length in (("d", 86_400), ("h", 3600), ("m", 60)):
        count, left = divmod(left, length)
        parts += [f"{count:.0f}{name}"] if count else []
    parts += [f"{round(left, 9):.9g}s"] if round(left, 9) else []
    return "".join(parts)


def written(value: float, dimension: str) -> str:
    """A value in the picture: as a tick, but a time in two parts."""
    return format_duration(value * SECOND) if dimension == TIME else told(value, dimension)


def number(value: float) -> str:
    """ "12,000", "0.25"."""
    return f"{value:,.0f}" if value == round(value) else f"{value:,.4g}"


def time_axis(axis: Any, span: float, parts: int) -> None:
    """Ticks at round times; ``span`` is what the axis shows, in seconds."""
    step = round_step(0.97 * span * SECOND, max(2, parts)) / SECOND
    axis.set_major_locator(MultipleLocator(step))
    axis.set_major_formatter(FuncFormatter(lambda value, _: told(round(value / step) * step, TIME)))


def value_axis(axis: Any, dimension: str, parts: int = 5) -> None:
    """Ticks of a value; a time in seconds is at round times once the limits are known."""
    if dimension == TIME:
        low, high = axis.get_view_interval()
        time_axis(axis, high - low, parts)
        return
    axis.set_major_locator(MaxNLocator(parts, steps=[1, 2, 2.5, 5, 10], integer=dimension == COUNT))
    axis.set_major_formatter(FuncFormatter(lambda value, _: told(value, dimension)))


def ticks_in(axes: Axes) -> int:
    """How many times of the run find room below it."""
    figure: Any = axes.figure
    return max(4, round(TICKS * figure.get_figwidth() / 9))


def time_of_run(axes: Axes, start: float, end: float) -> None:
    """The horizontal axis of what happens over time."""
    axes.set_xlim(start, end if end > start else start + 1)
    time_axis(axes.xaxis, axes.get_xlim()[1] - start, ticks_in(axes))
    axes.set_xlabel("time of the run")


def from_zero(axes: Axes) -> None:
    """Amounts are lengths: their axis begins at 0, also where an interval does not; what is nowhere above 0 has a height."""
    lines: Any = axes.lines
    below = [value for line in lines for value in line.get_ydata() if value < 0]
    high = axes.dataLim.y1
    axes.set_ylim(min([0.0, *below]), 1.06 * high if high > 0 else 1)


# --- names ------------------------------------------------------------------------------------------------------------

LETTERS = 12
"""Of a legend, in an inch."""
HANDLE = 6
"""Letters that the sample beside a name takes."""


def name_above(axes: Axes, text: str) -> None:
    """What a picture with a single curve shows, where the others have their legend."""
    axes.set_title(text, loc="left", pad=6)


def legend_above(axes: Axes, handles: list[Any], title: str | None = None) -> None:
    """Above the picture, where it covers nothing; in as many columns as there is room for."""
    figure: Any = axes.figure
    columns = legend_columns([str(handle.get_label()) for handle in handles], figure.get_figwidth())
    axes.legend(
        handles=handles, title=title, alignment="left", loc="lower left", bbox_to_anchor=(0, 1.01), ncols=columns,
        borderaxespad=0, handlelength=1.8, columnspacing=1.4,
    )  # fmt: skip


def legend_columns(names: list[str], width: float) -> int:
    """How many names stand beside each other in so many inches."""
    widest = max(map(len, names), default=1) + HANDLE
    return max(1, min(len(names), int(width * LETTERS // widest)))


def legend_rows(names: list[str], width: float) -> int:
    """How many lines the legend takes."""
    return -(-len(names) // legend_columns(names, width))
