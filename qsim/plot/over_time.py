"""Curves over time: levels, ages, rates, shares, percentiles; a panel for each unit, one below the other.

It knows named tables (``metrics.curves`` makes them) and draws them as they are.  Two units never share a panel: with a
second scale beside the first, curves cross where nothing crosses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from qsim.plot import axes as scales
from qsim.plot.style import line
from qsim.scenario.reference import PER_MESSAGE, SERIES, TIME, Reference, dimension, parse, type_of

if TYPE_CHECKING:
    import pandas as pd

FEW_EVENTS = 3
"""More planned events are not told by name."""
MOMENTS: tuple[Any, ...] = (":", "-.", (0, (7, 2)))
"""Lines of what takes no time, one kind an event that is named."""
FEW_VALUES = 60
"""Up to so many values a message are points on their line too: between them nothing is known."""


@dataclass(frozen=True, slots=True)
class Marks:
    """What is drawn behind: where the warm-up ends, planned events as (name, from, to), in seconds; ``are_named``:
    whether the legend tells them."""

    warmup_s: float = 0.0
    events: Sequence[tuple[str, float, float]] = ()
    are_named: bool = True


NO_MARKS = Marks()


def units(references: Sequence[str]) -> dict[str, list[str]]:
    """The references of each unit, in the order in which they came."""
    found: dict[str, list[str]] = {}
    for reference in references:
        found.setdefault(_unit(parse(reference)), []).append(reference)
    return found


def panels(curves: Mapping[str, pd.DataFrame], axes: Sequence[Axes], marks: Marks = NO_MARKS) -> None:
    """The curves of each unit in the axes of its turn; the time stands below the last, the first names the marks."""
    for each, group in zip(axes, units(list(curves)).values(), strict=True):
        shown = marks if each is axes[0] else replace(marks, are_named=False)
        over_time({name: curves[name] for name in group}, each, shown)
    for each in axes[:-1]:
        each.set_xlabel("")
        each.tick_params(labelbottom=False)


def over_time(curves: Mapping[str, pd.DataFrame], axes: Axes, marks: Marks = NO_MARKS) -> Axes:
    """Curves of one unit by their references: ``value`` over ``time_s``, the index, between ``low`` and ``high`` if
    there are such columns."""
    first = parse(next(iter(curves)))
    handles: list[Any] = [
        _curve(axes, number, name, table, _width(number, len(curves))) for number, (name, table) in enumerate(curves.items())
    ]
    handles += _band(curves)
    axes.set_ylabel(_unit(first))
    scales.from_zero(axes)
    scales.time_of_run(axes, *_span(curves))
    scales.value_axis(axes.yaxis, dimension(first), 5 if dimension(first) == TIME else 4)
    _named(axes, [*handles, *behind(axes, marks)])
    return axes


def _unit(reference: Reference) -> str:
    return scales.unit(reference.metric, dimension(reference))


FAR = 4
"""A guess of more than so many times what is drawn is named, not drawn: it would flatten the curves."""
GUESSES: tuple[Any, ...] = ((0, (5, 3)), (0, (2, 2)), (0, (9, 2, 2, 2)))
"""Lines of what somebody expected, one kind a guess."""


def guess(axes: Axes, value: float, label: str, measured: str) -> None:
    """A value that somebody expected, as a dashed line with its name in the legend."""
    _, top = axes.get_ylim()
    is_far = value > FAR * top
    handles = axes.get_legend_handles_labels()[0]
    kind: Any = GUESSES[sum(line.get_gid() == "guess" for line in axes.lines) % len(GUESSES)]
    look: dict[str, Any] = {"color": rcParams["text.color"], "linewidth": 1.3, "zorder": 2.4, "linestyle": "none" if is_far else kind}
    drawn = axes.axhline(0 if is_far else value, gid="guess", label=f"{label}, far above" if is_far else label, **look)
    axes.set_ylim(top=top if is_far else max(top, 1.06 * value))
    scales.value_axis(axes.yaxis, measured, 5 if measured == TIME else 4)
    axes.set_title("", loc="left")
    scales.legend_above(axes, [*handles, drawn])


# --- a mean that settles ----------------------------------------------------------------------------------------------


def settling(table: pd.DataFrame, metric: str, axes: Axes) -> Axes:
    """A level with its running means, from the start and from where MSER-5 cuts (``metrics.warmup.settling``)."""
    first, cut = parse(metric), table.attrs["cut_s"]
    names = {"value": metric, "from_start": "mean since the start", "after_cut": "mean since the cut"}
    looks = [{"color": rcParams["ytick.color"], "linewidth": 0.8, "alpha": 0.6}, *({**line(n), "linewidth": 2} for n in (1, 0))]
    handles: list[Any] = [
        axes.plot(table.index, table[column], label=names[column], **look)[0] for column, look in zip(names, looks, strict=True)
    ]
    axes.set_ylabel(_unit(first))
    scales.from_zero(axes)
    scales.time_of_run(axes, float(table.index[0]), float(table.index[-1]))
    scales.value_axis(axes.yaxis, dimension(first), 5 if dimension(first) == TIME else 4)
    said = f"MSER-5 cuts {scales.told(cut, TIME)}" + ("" if table.attrs["is_settled"] else ", not settled by then")
    scales.legend_above(axes, [*handles, axes.axvline(cut, color=rcParams["text.color"], linestyle=":", label=said)])
    return axes


# --- curves -----------------------------------------------------------------------------------------------------------

_BAND = 0.25
_SEEN = 0.05
WIDTHS = 3
"""Up to so many curves of a panel have widths of their own."""
ABOVE_AXIS = 2.6
"""Before the axis: what is 0 all the time lies on it."""


def _width(number: int, count: int) -> float:
    """Those drawn later are thinner: where curves lie on each other, each is seen."""
    return min(3.0, 1.5 + 0.7 * (count - 1 - number)) if count <= WIDTHS else 1.5


def _curve(axes: Axes, number: int, name: str, table: pd.DataFrame, width: float) -> Line2D:
    look, kind = line(number), _kind(parse(name), table)
    if "low" in table:
        step: Any = "post"
        axes.fill_between(table.index, table.low, table.high, color=look["color"], alpha=_BAND, linewidth=0, step=step)
    [drawn] = axes.plot(table.index, table.value, label=name, linewidth=width, zorder=ABOVE_AXIS, **look, **kind)
    return drawn


def _band(curves: Mapping[str, pd.DataFrame]) -> list[Any]:
    """What the legend tells of bands, in the colour of the first that is wide enough to be seen."""
    highest = max((table.high.max() if "low" in table else table.value.max() for table in curves.values()), default=0)
    wide = ("low" in table and (table.high - table.low).max() > _SEEN * highest for table in curves.values())
    colour = next((line(number)["color"] for number, is_wide in enumerate(wide) if is_wide), None)
    return [Patch(color=colour, alpha=_BAND, linewidth=0, label="least to most")] * (colour is not None)


def _kind(reference: Reference, table: pd.DataFrame) -> dict[str, Any]:
    """A level holds until it changes, an age grows, a statistic of some seconds is a point."""
    if "low" in table or (type_of(reference) == SERIES and dimension(reference) != TIME):
        return {"drawstyle": "steps-post"}
    known = int(np.isfinite(table.value.to_numpy(float)).sum())
    is_sparse = type_of(reference) == PER_MESSAGE and known <= FEW_VALUES
    return {"marker": "o", "markersize": 3} if is_sparse else {}


def _span(curves: Mapping[str, pd.DataFrame]) -> tuple[float, float]:
    indexes = [table.index for table in curves.values() if len(table)]
    return min((index[0] for index in indexes), default=0.0), max((index[-1] for index in indexes), default=1.0)


# --- behind -----------------------------------------------------------------------------------------------------------


def behind(axes: Axes, marks: Marks) -> list[Any]:
    """The warm-up's end as a line, planned events as bands, or lines where they take no time; what a legend tells."""
    drawn: dict[str, Any] = {}
    for label, (_, start, end) in zip(mark_names(marks), marks.events, strict=False):
        drawn[label] = _event(axes, start, end, label, MOMENTS[len({*drawn} - {label}) % len(MOMENTS)])
    if marks.warmup_s:
        drawn["warm-up ends"] = _moment(axes, marks.warmup_s, "warm-up ends", "--")
    return list(drawn.values()) if marks.are_named else []


def mark_names(marks: Marks) -> list[str]:
    """What the legend calls each event: a few by name, more together."""
    names = [name for name, _, _ in marks.events]
    return names if len(set(names)) <= FEW_EVENTS else ["planned events"] * len(names)


def _event(axes: Axes, start: float, end: float, label: str, kind: Any) -> Any:
    if end <= start:
        return _moment(axes, start, label, kind)
    return axes.axvspan(start, end, color=rcParams["grid.color"], zorder=0, linewidth=0, label=label)


def _moment(axes: Axes, at: float, label: str, kind: Any) -> Line2D:
    return axes.axvline(at, color=rcParams["xtick.color"], linestyle=kind, linewidth=1.1, zorder=1.5, label=label)


def _named(axes: Axes, handles: list[Any]) -> None:
    """A single curve is named above; several, or one with marks behind it, have a legend."""
    if len(handles) == 1:
        scales.name_above(axes, str(handles[0].get_label()))
    else:
        scales.legend_above(axes, handles)
