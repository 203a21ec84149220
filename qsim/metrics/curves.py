"""References over time as they are drawn: no more points than a picture can show, and no peak lost.

It knows how each type of metric becomes a curve, nothing of pictures.  A level with few changes is told at each of them,
an age as the saw that it is.  What changes oftener is told by cells of a round length: the average over each, and the
least and the most in it; so are rates, counters and values a message.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from qsim.metrics.numbers import Numbers, series
from qsim.metrics.steps import FOREVER, Ages, Rate, Steps, distinct
from qsim.scenario.reference import PER_MESSAGE, SERIES, SHARE, TIME, Reference, dimension, metric_of
from qsim.units import DAY, HOUR, MICROSECOND, MILLISECOND, MINUTE, SECOND, Nanos

if TYPE_CHECKING:
    import pandas as pd

Array = Any
Columns = dict[str, Array]

CHANGES = 400
"""Up to so many a level or an age is drawn change by change."""
CELLS, FEWEST, ENOUGH = 150, 24, 25
"""Of rates and values a message, whose noise grows with the number of cells: fewer where there are not so many events for
each."""
FINE = 300
"""Cells of a level."""

ROUND = tuple(
    n * unit
    for unit, numbers in (
        (MICROSECOND, (1, 2, 5, 10, 20, 50, 100, 200, 500)),
        (MILLISECOND, (1, 2, 5, 10, 20, 50, 100, 200, 500)),
        (SECOND, (1, 2, 5, 10, 15, 20, 30)),
        (MINUTE, (1, 2, 5, 10, 15, 20, 30)),
        (HOUR, (1, 2, 3, 4, 6, 12)),
        (DAY, (1, 2, 7, 14, 28, 56, 112, 224)),
    )
    for n in numbers
)
"""Lengths of time that people count in, in ns."""


def round_step(span: Nanos | float, parts: int) -> Nanos:
    """The shortest round length of which at most so many make up the span."""
    return next((step for step in ROUND if step * parts >= span), ROUND[-1])


def curves(numbers: Numbers, references: Iterable[str]) -> dict[str, pd.DataFrame]:
    """``curve`` of each, by name."""
    return {reference: curve(numbers, reference) for reference in references}


def curve(numbers: Numbers, reference: Reference | str) -> pd.DataFrame:
    """``value`` by ``time_s``, times in seconds; where it is the average over a cell, ``low`` and ``high`` are the least
    and the most in it.  What is told by cells holds until the next, and the last row ends the last."""
    import pandas as pd

    reference = numbers.checked(reference)
    is_series = metric_of(reference, numbers.names).type == SERIES
    times, columns = (_of_function if is_series else _of_cells)(numbers, reference)
    return pd.DataFrame(columns, pd.Index(np.asarray(times, float), name="time_s"))


def _of_cells(numbers: Numbers, reference: Reference) -> tuple[Array, Columns]:
    is_counter = metric_of(reference, numbers.names).type != PER_MESSAGE
    events = CELLS * ENOUGH if is_counter else len(numbers.values(reference).value)
    times, values = series(numbers, reference, _cell(numbers, events))
    return times, {"value": values}


def _cell(numbers: Numbers, events: int) -> Nanos:
    """No shorter than the run's own samples."""
    cells = min(CELLS, max(FEWEST, events // ENOUGH))
    return max(numbers.plan.sample_every, round_step(numbers.recording.ended, cells))


def _of_function(numbers: Numbers, reference: Reference) -> tuple[Array, Columns]:
    start, ended = reference.from_ or 0, numbers.recording.ended
    end = ended if reference.to is None else min(reference.to, ended)
    function = numbers.function(reference)
    if isinstance(function, Rate):
        times, columns = _rate(function, _edges(start, end, _cell(numbers, len(function.times))))
    elif _changes(function, start, end) > CHANGES:
        times, columns = _averages(function, _edges(start, end, round_step(end - start, FINE)))
    else:
        times, columns = _exactly(function, start, end)
    scale = SECOND if dimension(reference) == TIME else 1
    kept = ("value",) if dimension(reference) == SHARE else tuple(columns)  # an average share is a share
    return times / SECOND, {name: columns[name] / scale for name in kept}


def _changes(function: Steps | Ages, start: Nanos, end: Nanos) -> int:
    first, last = np.searchsorted(function.times, [start, end], side="right")
    return int(last - first)


def _edges(start: Nanos, end: Nanos, step: Nanos) -> Array:
    """Where cells begin, at multiples of their length, and the end; a short rest belongs to the last."""
    inner = np.arange((start // step + 1) * step, end - step // 2, step, dtype=np.int64)
    return np.concatenate([[start], inner, [max(end, start + 1)]])


def _rate(rate: Rate, edges: Array) -> tuple[Array, Columns]:
    """Events a second in each cell."""
    counts = np.diff(np.searchsorted(rate.times, edges, side="left"))
    values = counts * float(SECOND) / np.diff(edges)
    return edges, {"value": np.append(values, values[-1:])}


# --- change by change -------------------------------------------------------------------------------------------------


def _exactly(function: Steps | Ages, start: Nanos, end: Nanos) -> tuple[Array, Columns]:
    first, last = np.searchsorted(function.times, [start, end], side="right")
    edges = function.times[first:last].astype(np.int64)
    if isinstance(function, Steps):
        times = np.concatenate([[start], edges, [end]])
        return times, {"value": np.asarray(function.over(times), float)}
    return _saw(function, start, edges, end)


def _saw(ages: Ages, start: Nanos, edges: Array, end: Nanos) -> tuple[Array, Columns]:
    """Two points a change: what the age had become, and what it is from then on."""
    times = np.concatenate([[start], edges, [end]])
    begins, ends = _grown(ages, times)
    both = np.column_stack([np.append(begins[:1], ends), begins]).ravel()
    return np.repeat(times, 2)[1:-1], {"value": both[1:-1].astype(float)}


def _grown(ages: Ages, times: Array) -> tuple[Array, Array]:
    """The age at each time, and what it has become until the next."""
    begins = ages.over(times)
    since = np.concatenate([[FOREVER], ages.since])[np.searchsorted(ages.times, times[:-1], side="right")]
    return begins, np.where(since < FOREVER, begins[:-1] + np.diff(times), 0)


# --- by cells ---------------------------------------------------------------------------------------------------------


def _averages(function: Steps | Ages, edges: Array) -> tuple[Array, Columns]:
    """Over each cell the average, weighted by time, the least and the most; time that is undefined weighs nothing."""
    inner = function.times[(function.times > edges[0]) & (function.times < edges[-1])]
    times = distinct(np.concatenate([edges, inner])).astype(np.int64)
    begins, ends = _pieces(function, times)
    cells = np.searchsorted(times, edges[:-1])
    length = np.where(np.isnan(begins), 0.0, np.diff(times))
    weighed = np.add.reduceat(np.nan_to_num(begins + ends) / 2 * length, cells)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = weighed / np.add.reduceat(length, cells)
    low, high = np.fmin.reduceat(np.fmin(begins, ends), cells), np.fmax.reduceat(np.fmax(begins, ends), cells)
    return edges, {name: np.append(v, v[-1:]) for name, v in (("value", value), ("low", low), ("high", high))}


def _pieces(function: Steps | Ages, times: Array) -> tuple[Array, Array]:
    """What it is at the beginning and at the end of each piece between two times."""
    if isinstance(function, Steps):
        values = np.asarray(function.over(times), float)[:-1]
        return values, values
    begins, ends = _grown(function, times)
    return begins[:-1].astype(float), ends.astype(float)
