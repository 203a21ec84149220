"""Which figures a scenario asks for, and a run drawn as they say.

It knows the forms of ``plots:`` and fills a matplotlib Figure with the pictures of this room.  Where the file asks for
nothing: backlogs, their ages, and how busy the consumers are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from qsim.metrics import warmup
from qsim.metrics.curves import curves
from qsim.metrics.frames import frame, leases
from qsim.metrics.life import find
from qsim.metrics.numbers import Numbers
from qsim.plot import beside, over_time, swept
from qsim.plot.alerts import alert_raster
from qsim.plot.axes import legend_rows
from qsim.plot.front import trade_off
from qsim.plot.leases import lease_bars, lease_names
from qsim.plot.over_time import Marks, mark_names, panels, units
from qsim.scenario.plan import Plan
from qsim.scenario.problems import close_to
from qsim.scenario.reference import SERIES, Reference, ReferenceError_, parse, type_of
from qsim.study.points import paths_of, points
from qsim.study.sweep import Sweep, without_max
from qsim.units import SECOND, Nanos

if TYPE_CHECKING:
    import pandas as pd

MOST_OBJECTS, MOST_BARS, MOST_PANELS = 6, 20, 12
PANEL, LINE, HEAD = 1.75, 0.2, 0.5
"""Inches of a panel, of a line of its legend, and of what stands below all."""


class NothingToDraw(LookupError):
    """The run, or what came with it, has not what the figure shows."""


@dataclass(frozen=True, slots=True)
class OverTime:
    references: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Swept:
    """``by`` is a second path: a line for each of its values, or with ``is_map`` the other side of a map; ``beside`` are
    the others: a panel for each of their settings, so that nothing is averaged but replications."""

    path: str
    references: tuple[str, ...]
    by: str | None = None
    is_map: bool = False
    beside: tuple[str, ...] = ()

    @property
    def paths(self) -> list[str]:
        return [self.path, *([self.by] if self.by else []), *self.beside]


@dataclass(frozen=True, slots=True)
class LeaseBars:
    message: str | int
    queue: str | None = None


@dataclass(frozen=True, slots=True)
class AlertRaster:
    pass


@dataclass(frozen=True, slots=True)
class TradeOff:
    """Two metrics against each other, of the table of ``Sweep.trade_off``."""

    one: str
    other: str


@dataclass(frozen=True, slots=True)
class Settling:
    """How the mean of a level becomes steady, and what MSER-5 cuts of its beginning."""

    reference: str


@dataclass(frozen=True, slots=True)
class Beside:
    """Metrics of scenarios that were compared, of the table of ``Comparison.frame``."""

    metrics: tuple[str, ...]


Figure = OverTime | Swept | LeaseBars | AlertRaster | TradeOff | Settling | Beside


@dataclass(frozen=True, slots=True)
class Subject:
    """What is drawn: a run, and where there is one, the table of a sweep, and what textbooks say of its points."""

    numbers: Numbers
    sweep: pd.DataFrame | None = None
    theory: pd.DataFrame | None = None


# --- which figures ----------------------------------------------------------------------------------------------------


def read(figure: Any) -> Figure:
    """One entry of ``plots:``."""
    if figure == "alerts":
        return AlertRaster()
    if isinstance(figure, str | list | tuple):
        return OverTime(_several(figure))
    if "timeline" in figure:
        bars = figure["timeline"]
        return LeaseBars(bars.get("message", "first-redelivered"), bars.get("queue"))
    if figure.get("x", "time") == "time":
        return OverTime(_several(figure["y"]))
    return Swept(figure["x"], _several(figure["y"]))


def asked(plots: Sequence[Any], numbers: Numbers) -> list[Figure]:
    """Those of the file, or the one that says most where it has none."""
    return [read(each) for each in plots] or [default(numbers)]


def _several(references: Any) -> tuple[str, ...]:
    return (references,) if isinstance(references, str) else tuple(references)


def default(numbers: Numbers) -> OverTime:
    """Backlog and oldest age of the queues that had any, and how many of the consumers are busy."""
    queues = [q.name for q in numbers.plan.queues]
    waited = [name for name in queues if numbers.exact(f"{name}.visible max")][:MOST_OBJECTS]
    consumers = [f"{c.name}.utilization" for c in numbers.plan.consumers][:MOST_OBJECTS]
    backlog = [f"{name}.visible" for name in waited] + [f"{name}.oldest_age" for name in waited]
    return OverTime((*(backlog or [f"{name}.depth" for name in queues[:MOST_OBJECTS]]), *consumers))


def caption(figure: Figure, subject: Subject) -> str:
    """What stands above the picture in a report."""
    return _CAPTIONS[type(figure)](figure, subject)


_CAPTIONS: dict[type, Callable[[Any, Subject], str]] = {
    OverTime: lambda figure, subject: ", ".join(figure.references),
    Swept: lambda figure, subject: _swept_caption(_spread(figure, subject), subject),
    LeaseBars: lambda figure, subject: f"{_deliveries(figure, subject)} of {_message_name(figure, subject.numbers)}",
    AlertRaster: lambda figure, subject: "When alerts fired",
    TradeOff: lambda figure, subject: f"{figure.one} against {figure.other}",
    Settling: lambda figure, subject: f"The running mean of {figure.reference}",
    Beside: lambda figure, subject: f"{_and(figure.metrics)} side by side",
}


def _swept_caption(figure: Swept, subject: Subject) -> str:
    over = f"{', '.join(figure.references)} over {_and(figure.paths)}"
    there_are = len(_settings(figure, subject))
    return over if there_are <= MOST_PANELS else f"{over}, the first {MOST_PANELS} of {there_are} settings of {_and(figure.beside)}"


def _and(paths: Sequence[str]) -> str:
    *most, last = paths
    return f"{', '.join(most)} and {last}" if most else last


def _deliveries(figure: LeaseBars, subject: Subject) -> str:
    there_were = _leases(figure, subject).attrs["deliveries"]
    return "The deliveries" if there_were <= MOST_BARS else f"The first {MOST_BARS} of {there_were:,} deliveries"


def _message_name(figure: LeaseBars, numbers: Numbers) -> str:
    from qsim.metrics.naming import message_name

    which = f", the {str(figure.message).replace('-', ' ')}" if str(figure.message).startswith("first-") else ""
    return message_name(numbers.plan, find(numbers, figure.message)) + which


# --- drawn ------------------------------------------------------------------------------------------------------------


def height(figure: Figure, subject: Subject, width: float) -> float:
    """Inches that it needs where it is so wide; raises NothingToDraw where there is nothing."""
    return HEAD + _HEIGHTS[type(figure)](figure, subject, width)


def _height_over_time(figure: OverTime, subject: Subject, width: float) -> float:
    groups = list(units(figure.references).values())
    shown = [*_mark_names(marks(subject.numbers)), "least to most"]
    rows = sum(legend_rows([*group, *(shown if group is groups[0] else [])], width) for group in groups)
    return PANEL * len(groups) + LINE * (rows - len(groups))


def _mark_names(shown: Marks) -> list[str]:
    return [*dict.fromkeys(mark_names(shown)), *(["warm-up ends"] if shown.warmup_s else [])]


def _height_of_alerts(figure: AlertRaster, subject: Subject, width: float) -> float:
    rows = legend_rows(["page", "warn", *_mark_names(marks(subject.numbers))], width)
    return 0.36 * max(1, len(subject.numbers.plan.alerts)) + 0.4 + LINE * rows


_HEIGHTS: dict[type, Callable[[Any, Subject, float], float]] = {
    OverTime: _height_over_time,
    Swept: lambda figure, subject, width: _height_swept(_spread(figure, subject), subject, width),
    LeaseBars: lambda figure, subject, width: (
        0.32 * len(_leases(figure, subject)) + 0.3 + LINE * legend_rows(lease_names(_leases(figure, subject)), width)
    ),
    AlertRaster: _height_of_alerts,
    TradeOff: lambda figure, subject, width: 3.9,
    Settling: lambda figure, subject, width: 2.4,
    Beside: lambda figure, subject, width: _height_beside(figure, subject, width),
}


def draw(figure: Figure, subject: Subject, canvas: Canvas) -> list[Axes]:
    """The figure on an empty canvas, its axes from top to bottom."""
    return _DRAWS[type(figure)](figure, subject, canvas)


def _over_time(figure: OverTime, subject: Subject, canvas: Canvas) -> list[Axes]:
    drawn = curves(subject.numbers, figure.references)
    axes = _below_each_other(canvas, len(units(figure.references)), sharex=True)
    panels(drawn, axes, marks(subject.numbers))
    return axes


def _swept(figure: Swept, subject: Subject, canvas: Canvas) -> list[Axes]:
    figure = _spread(figure, subject)
    table = _table(figure, subject, [figure.path, *figure.references])
    panels = _settings(figure, subject)[:MOST_PANELS]
    columns = _columns(panels, canvas.get_figwidth())
    drawn: list[Axes] = []
    for reference, axes in zip(figure.references, _grids(canvas, len(figure.references), len(panels), columns), strict=True):
        drawn += _panels_of(figure, reference, table, panels, axes, subject.theory)
    if figure.by is not None and figure.beside and not figure.is_map:
        swept.legend_below(canvas, drawn)
    return drawn


def _panels_of(
    figure: Swept, reference: str, table: pd.DataFrame, panels: Sequence[swept.Setting], axes: list[Axes],
    theory: pd.DataFrame | None,
) -> list[Axes]:  # fmt: skip
    found = points(table, figure.paths, reference)
    for each, setting in zip(axes, panels, strict=True):
        rows = swept.of_setting(found, setting)
        if figure.is_map:
            swept.heat_map(rows, figure.path, str(figure.by), reference, each, setting, found["mean"].max())
        else:
            said = None if theory is None else swept.of_setting(theory, setting)
            swept.swept_lines(rows, figure.path, reference, each, figure.by, setting, said)
    if not figure.is_map:
        swept.one_scale(axes, reference)
    return axes


def _spread(figure: Swept, subject: Subject) -> Swept:
    """With a place for every path of the table: lines for the second, panels for the settings of the others."""
    paths = () if subject.sweep is None else paths_of(subject.sweep)
    others = [path for path in paths if path not in (figure.path, figure.by)]
    if figure.by is None and others:
        return replace(figure, by=others[0], beside=tuple(others[1:]))
    return replace(figure, beside=tuple(others))


def _settings(figure: Swept, subject: Subject) -> list[swept.Setting]:
    return [()] if subject.sweep is None or not figure.beside else swept.settings(subject.sweep, figure.beside)


def _columns(panels: Sequence[swept.Setting], width: float) -> int:
    return min(len(panels), 2 if width > 6 else 1)


def _grids(canvas: Canvas, many: int, panels: int, columns: int) -> list[list[Axes]]:
    """So many times so many axes, those of each below those before."""
    rows = -(-panels // columns)
    grid = canvas.subplots(many * rows, columns, squeeze=False).reshape(many, rows * columns)
    for empty in grid[:, panels:].flat:
        empty.remove()
    return [list(axes[:panels]) for axes in grid]


def _height_swept(figure: Swept, subject: Subject, width: float) -> float:
    panels = _settings(figure, subject)[:MOST_PANELS]
    rows = -(-len(panels) // _columns(panels, width)) * len(figure.references)
    return 2.4 * rows + LINE * _legend_rows(figure, subject, width)


def _legend_rows(figure: Swept, subject: Subject, width: float) -> int:
    """Of a legend below all panels, or above each."""
    if figure.by is None and subject.theory is not None:
        return 2 * len(figure.references)
    if figure.by is None or figure.is_map or subject.sweep is None or figure.by not in subject.sweep:
        return 0
    values = subject.sweep[figure.by].unique()[:swept.MOST_LINES]
    theory = [] if subject.theory is None else [swept.THEORY]
    rows = 1 + legend_rows([*(f"{swept.short(figure.by)} {value}" for value in values), *theory], width)
    return rows if figure.beside else rows * len(figure.references)


def _table(figure: Swept, subject: Subject, columns: Sequence[str]) -> pd.DataFrame:
    if subject.sweep is None:
        raise NothingToDraw(f"a figure over {figure.path} needs the table of a sweep: qsim sweep FILE --csv SWEEP.csv, then --sweep SWEEP.csv")
    missing = [column for column in columns if column not in subject.sweep]
    if missing:
        raise NothingToDraw(f"the table of the sweep has no column {missing[0]!r}")
    return subject.sweep


def _lease_bars(figure: LeaseBars, subject: Subject, canvas: Canvas) -> list[Axes]:
    axes = canvas.subplots()
    return [lease_bars(_leases(figure, subject), axes)]


def _leases(figure: LeaseBars, subject: Subject) -> pd.DataFrame:
    try:
        found = leases(subject.numbers, find(subject.numbers, figure.message), figure.queue, MOST_BARS)
    except LookupError as error:
        raise NothingToDraw(str(error.args[0])) from None
    if not len(found):
        raise NothingToDraw(f"message {figure.message} was never received" + (f" from {figure.queue}" if figure.queue else ""))
    return found


def _alerts(figure: AlertRaster, subject: Subject, canvas: Canvas) -> list[Axes]:
    numbers = subject.numbers
    severities = {alert.name: alert.severity for alert in numbers.plan.alerts}
    if not severities:
        raise NothingToDraw("the scenario has no alerts")
    ended = numbers.recording.ended / SECOND
    return [alert_raster(frame(numbers, "alerts"), severities, ended, canvas.subplots(), marks(numbers))]


def _trade_off(figure: TradeOff, subject: Subject, canvas: Canvas) -> list[Axes]:
    table = _table_of_front(figure, subject)
    return [trade_off(table, figure.one, figure.other, canvas.subplots())]


def _table_of_front(figure: TradeOff, subject: Subject) -> pd.DataFrame:
    if subject.sweep is None or not subject.sweep["front"].notna().any():
        raise NothingToDraw(f"no point of the sweep has data of both {figure.one} and {figure.other}")
    return subject.sweep


def _settling(figure: Settling, subject: Subject, canvas: Canvas) -> list[Axes]:
    return [over_time.settling(warmup.settling(subject.numbers, figure.reference), figure.reference, canvas.subplots())]


def _beside(figure: Beside, subject: Subject, canvas: Canvas) -> list[Axes]:
    columns = _columns_beside(figure, canvas.get_figwidth())
    [panels] = _grids(canvas, 1, len(figure.metrics), columns)
    for number, (metric, axes) in enumerate(zip(figure.metrics, panels, strict=True)):
        beside.bars(_compared(subject, metric), metric, axes)
        axes.tick_params(labelleft=number % columns == 0)
    return panels


def _columns_beside(figure: Beside, width: float) -> int:
    return min(len(figure.metrics), 3 if width > 8 else 2 if width > 6 else 1)


def _height_beside(figure: Beside, subject: Subject, width: float) -> float:
    rows = -(-len(figure.metrics) // _columns_beside(figure, width))
    return rows * (0.26 * len(_compared(subject, figure.metrics[0])) + 0.5)


def _compared(subject: Subject, metric: str) -> pd.DataFrame:
    table = subject.sweep
    if table is None or table.empty or metric not in set(table["metric"]):
        raise NothingToDraw(f"{metric} was not compared{_guess(metric, table)}: compare(..., metrics=[{metric!r}])")
    return table[table["metric"] == metric]


def _guess(metric: str, table: pd.DataFrame | None) -> str:
    near = None if table is None or table.empty else close_to(metric, table["metric"])
    return f" (did you mean {near!r}?)" if near else ""


_DRAWS: dict[type, Callable[[Any, Subject, Canvas], list[Axes]]] = {
    OverTime: _over_time,
    Swept: _swept,
    LeaseBars: _lease_bars,
    AlertRaster: _alerts,
    TradeOff: _trade_off,
    Settling: _settling,
    Beside: _beside,
}


def _below_each_other(canvas: Canvas, count: int, **how: Any) -> list[Axes]:
    return list(canvas.subplots(count, 1, squeeze=False, **how)[:, 0])


def marks(numbers: Numbers) -> Marks:
    """The warm-up, and what the timeline does for a while."""
    plan, ended = numbers.plan, numbers.recording.ended
    return Marks(numbers.warmup / SECOND, [event for event in _events(plan, ended) if event[1] * SECOND < ended])


def _events(plan: Plan, ended: Nanos) -> list[tuple[str, float, float]]:
    return [
        (control.name, control.at / SECOND, min(control.at + (control.length or 0), ended) / SECOND)
        for control in plan.timeline
    ]


# --- sweeps -----------------------------------------------------------------------------------------------------------


def of_sweep(paths: Sequence[str], metrics: Sequence[str]) -> list[Figure]:
    """Of one path lines; of two lines, and a map of each metric; of more, panels of both."""
    if len(paths) == 1:
        return [Swept(paths[0], (metric,)) for metric in metrics]
    lines = [Swept(paths[0], (metric,), paths[1], beside=tuple(paths[2:])) for metric in metrics]
    maps = [replace(each, is_map=True) for each in lines]
    return [figure for pair in zip(lines, maps, strict=True) for figure in pair]


def of_runs(found: Sweep, pareto: tuple[str, str] | None = None, theory: bool = False) -> tuple[Figure, Subject]:
    """A sweep that was made just now: its metrics over its paths, with ``theory`` beside what textbooks say of them, or two
    of them against each other.  All of it stands in a table, no run is asked."""
    if theory and pareto is not None:
        raise ValueError("theory=True is of metrics over what was changed, not of two against each other: leave pareto out")
    if pareto is None:
        said = _theory(found) if theory else None
        return Swept(found.paths[0], found.metrics), Subject(cast(Any, None), found.frame(), said)
    return TradeOff(*map(without_max, pareto)), Subject(cast(Any, None), found.trade_off(*pareto))


def _theory(found: Sweep) -> pd.DataFrame:
    said = found.textbook()
    if said[list(found.metrics)].isna().all(axis=None):
        raise NothingToDraw(f"the textbooks say nothing of {_and(found.metrics)} here: qsim theory lists what they know")
    return said


def not_yet(figures: Sequence[Figure], shown: Sequence[Figure], subject: Subject) -> list[Figure]:
    """Those of a sweep that are not among what is shown: a file may ask for the same."""
    known = {_spread(figure, subject) for figure in shown if isinstance(figure, Swept)}
    return [figure for figure in figures if not isinstance(figure, Swept) or _spread(figure, subject) not in known]


def check(figure: Figure, numbers: Numbers) -> None:
    """Raises ReferenceError_ where it names what the run has not."""
    if isinstance(figure, OverTime | Swept):
        for reference in figure.references:
            numbers.checked(parse(reference))
    if isinstance(figure, Settling):
        _check_level(numbers.checked(parse(figure.reference)))


def _check_level(reference: Reference) -> None:
    """All of it, and as it is: a running mean of means says nothing of a beginning."""
    parts = reference.statistic, reference.at, reference.from_, reference.to
    if type_of(reference) != SERIES or any(part is not None for part in parts):
        raise ReferenceError_("Q012", f"{reference} is not a level over the whole run", suggestion="orders.depth is one, or worker.busy")
