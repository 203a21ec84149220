"""Functions of time and their statistics: levels that jump, ages that grow, rates over a grid.

It knows numbers and nothing of queues.  A function answers ``at(t)``, the state after everything that happens at t,
and ``pieces(start, end)``, what it is over a window: straight pieces, each with its length, its value at the start
and how fast it grows.  Time spent undefined (0 of 0) is no piece and weighs nothing.  States that last no time are
no states: a level that goes up and down at one instant has not changed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from qsim.units import SECOND, Nanos

Array = Any
FOREVER: Nanos = 2**62


@dataclass(frozen=True, slots=True)
class Pieces:
    """``length`` ns, ``low`` the value at the start, ``grows`` 1 where it grows by 1 a ns (an age), else 0."""

    length: Array
    low: Array
    grows: Array | None = None

    @property
    def high(self) -> Array:
        return self.low if self.grows is None else self.low + self.grows * self.length


@dataclass(frozen=True, slots=True)
class Steps:
    """``values[i]`` holds from ``times[i]`` on; ``before`` holds before the first."""

    times: Array
    values: Array
    before: float = 0

    def at(self, time: Nanos) -> float | None:
        i = int(np.searchsorted(self.times, time, side="right")) - 1
        return _plain(self.values[i]) if i >= 0 else self.before

    def over(self, times: Array) -> Array:
        """Values at many times."""
        return np.concatenate([[self.before], self.values])[np.searchsorted(self.times, times, side="right")]

    def pieces(self, start: Nanos, end: Nanos) -> Pieces:
        first, last = np.searchsorted(self.times, [start, end], side="right")
        edges = np.concatenate([[start], self.times[first:last], [max(start, end)]])
        values = np.concatenate([[self.before], self.values])[first : last + 1]
        return _defined(np.diff(edges), values)

    def integral(self, start: Nanos, end: Nanos) -> float:
        pieces = self.pieces(start, end)
        return float(np.dot(pieces.length.astype(float), pieces.low.astype(float)))


@dataclass(frozen=True, slots=True)
class Ages:
    """The age of the oldest: ``since[i]`` is when the oldest entered, from ``times[i]`` on; FOREVER: there is none."""

    times: Array
    since: Array

    def at(self, time: Nanos) -> Nanos:
        i = int(np.searchsorted(self.times, time, side="right")) - 1
        return int(max(0, time - self.since[i])) if i >= 0 and self.since[i] < FOREVER else 0

    def over(self, times: Array) -> Array:
        since = np.concatenate([[FOREVER], self.since])[np.searchsorted(self.times, times, side="right")]
        return np.where(since < FOREVER, times - since, 0)

    def pieces(self, start: Nanos, end: Nanos) -> Pieces:
        first, last = np.searchsorted(self.times, [start, end], side="right")
        edges = np.concatenate([[start], self.times[first:last], [max(start, end)]])
        since = np.concatenate([[FOREVER], self.since])[first : last + 1]
        some = since < FOREVER
        return Pieces(np.diff(edges), np.where(some, edges[:-1] - since, 0), some.astype(np.int64))


@dataclass(frozen=True, slots=True)
class Rate:
    """Events a second: exact over a window, over a grid of ``every`` where it must be a function of time."""

    times: Array
    every: Nanos
    end: Nanos

    def count(self, start: Nanos, end: Nanos) -> int:
        low, high = np.searchsorted(self.times, [start, end], side="left")
        return int(high - low)

    def at(self, time: Nanos) -> float | None:
        """The rate in the grid cell that holds the time; at the end, in the last cell."""
        low = min(time, max(0, self.end - 1)) // self.every * self.every
        high = min(low + self.every, self.end)
        return self.count(low, high) * SECOND / (high - low) if high > low else None

    def over(self, times: Array) -> Array:
        return np.array([self.at(int(time)) or 0.0 for time in times])

    def pieces(self, start: Nanos, end: Nanos) -> Pieces:
        inner = np.arange((start // self.every + 1) * self.every, end, self.every)
        edges = np.concatenate([[start], inner, [max(start, end)]]).astype(np.int64)
        counts = np.diff(np.searchsorted(self.times, edges, side="left"))
        length = np.diff(edges)
        return Pieces(length, counts * float(SECOND) / np.maximum(length, 1))


Function = Steps | Ages | Rate


def from_changes(times: Array, changes: Array) -> Steps:
    """A level from its changes, which are in the order of time; changes at one instant are one."""
    if not len(times):
        return Steps(np.empty(0, np.int64), np.empty(0, np.int64))
    last = np.append(times[1:] != times[:-1], True)
    return Steps(times[last], np.cumsum(changes, dtype=np.int64)[last])


def combine(function: Any, *levels: Steps) -> Steps:
    """A function of several levels, at every moment at which one of them changes."""
    times = distinct(np.concatenate([level.times for level in levels]))
    with np.errstate(invalid="ignore", divide="ignore"):
        values = function(*(level.over(times).astype(float) for level in levels))
        before = function(*(np.float64(level.before) for level in levels))
    return Steps(times, values, float(before))


def distinct(times: Array) -> Array:
    """Each time once, in order (a stable sort is quick where runs of it are sorted already)."""
    times = np.sort(times, kind="stable")
    return times[np.append(True, times[1:] != times[:-1])[: len(times)]]


# --- statistics, weighted by time -------------------------------------------------------------------------------------


def mean(pieces: Pieces) -> float | None:
    """Average over time."""
    length = pieces.length.astype(float)
    total = length.sum()
    middle = pieces.low if pieces.grows is None else pieces.low + pieces.grows * (length / 2)
    return float(np.dot(length, middle) / total) if total > 0 else None


def least(pieces: Pieces) -> float | None:
    return _plain(pieces.low[pieces.length > 0].min()) if (pieces.length > 0).any() else None


def greatest(pieces: Pieces) -> float | None:
    """The largest value, or for an age the one that it was about to reach."""
    return _plain(pieces.high[pieces.length > 0].max()) if (pieces.length > 0).any() else None


def share(pieces: Pieces) -> float | None:
    """Share of the time in which the value is above 0."""
    total = pieces.length.sum()
    return float(pieces.length[pieces.high > 0].sum() / total) if total > 0 else None


def percentile(pieces: Pieces, p: float) -> float | None:
    """The least value that is not exceeded for a share ``p`` of the time."""
    some = pieces.length > 0
    if not some.any():
        return None
    if pieces.grows is None or not pieces.grows.any():
        return _step_percentile(pieces.low[some], pieces.length[some], p)
    return _growing_percentile(pieces, some, p)


def _step_percentile(values: Array, weights: Array, p: float) -> float:
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order].astype(float))
    i = np.searchsorted(reached, p * reached[-1] * (1 - 1e-12))
    return values[order[min(i, len(order) - 1)]].item()  # type: ignore[no-any-return]


def _growing_percentile(pieces: Pieces, some: Array, p: float) -> float:
    """Each growing piece spreads its time evenly from its low to its high, the others stand at their low: the
    least whole value below which a share ``p`` of the time is, then between it and the one before."""
    assert pieces.grows is not None
    low, length, grows = pieces.low[some], pieces.length[some], pieces.grows[some] > 0
    target = p * float(length.sum())

    def time_below(value: int) -> float:
        return float(np.where(grows, np.clip(value - low, 0, length), length * (low <= value)).sum())

    under, over = int(low.min()) - 1, int((low + grows * length).max())
    while over - under > 1:
        middle = (under + over) // 2
        under, over = (under, middle) if time_below(middle) >= target else (middle, over)
    before, after = time_below(under), time_below(over)
    standing = float(length[~grows & (low == over)].sum())
    return (
        float(over)
        if after - standing <= before
        else over - 1 + min(1.0, (target - before) / (after - standing - before))
    )


def _defined(length: Array, values: Array) -> Pieces:
    if values.dtype.kind != "f" or not np.isnan(values).any():
        return Pieces(length, values)
    some = ~np.isnan(values)
    return Pieces(length[some], values[some])


def _plain(value: Any) -> float | None:
    """A Python int or float; None where it is undefined."""
    number = value.item() if hasattr(value, "item") else value
    return None if math.isnan(number) else number
