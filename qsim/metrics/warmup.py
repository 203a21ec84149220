"""Where a run's beginning ends: MSER-5 (White, Cobb and Spratt 2000).

It knows a series of samples, and of a run the depth of its queues.  The cut is the one that leaves the rest with the
smallest standard error of its mean: cutting less keeps the beginning, which is unlike the rest; cutting more wastes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from qsim.units import SECOND

if TYPE_CHECKING:
    import pandas as pd

    from qsim.metrics.numbers import Numbers

BATCH = 5
"""Samples whose mean is one value: the 5 of MSER-5."""

Array = Any


@dataclass(frozen=True, slots=True)
class Cut:
    """So much of the beginning goes; ``metric`` says which series asks for it.  Where nothing has settled by half of
    the run, that is where the cut is, and the run is too short."""

    length: int
    is_settled: bool = True
    metric: str = ""


def told(cuts: Sequence[Cut]) -> dict[str, Any]:
    """What each of some runs cut of its beginning, for machines."""
    return {
        "seconds": [cut.length / SECOND for cut in cuts],
        "metric": [cut.metric for cut in cuts],
        "settled": all(cut.is_settled for cut in cuts),
    }


def mser5(samples: Array) -> Cut:
    """The length in samples: at most half of them."""
    batches = np.asarray(samples, float)[: len(samples) // BATCH * BATCH].reshape(-1, BATCH).mean(axis=1)
    if len(batches) < 2:
        return Cut(0)
    errors = _squared_errors(batches)
    half = len(batches) // 2
    best = int(np.argmin(errors[: half + 1]))  # beyond it few batches are left, which may be alike by chance
    return Cut(best * BATCH, best < half)


def _squared_errors(batches: Array) -> Array:
    """Of the mean of what is left when the first d are cut, for each d: sum of squares / (n - d)^2.  From the end, by
    Welford's recurrence: what is constant has an error of exactly 0."""
    errors, mean, squares = np.empty(len(batches)), 0.0, 0.0
    for left, value in enumerate(batches[::-1].tolist(), 1):
        step = value - mean
        mean += step / left
        squares += step * (value - mean)
        errors[-left] = squares / left**2
    return errors


def found_in(numbers: Numbers) -> Cut:
    """The longest that any queue with a consumer asks for, in ns: of what is in it, waiting or in hands, as sampled."""
    plan = numbers.plan
    read = sorted({source for consumer in plan.consumers for source in consumer.sources})
    cuts = [_of_queue(numbers, plan.queues[source].name) for source in read]
    return max(cuts, key=lambda cut: cut.length, default=Cut(0))


def settling(numbers: Numbers, level: str) -> pd.DataFrame:
    """A row a sample, from the very beginning: ``value``, the mean of all samples up to it (``from_start``), and of those
    after the cut (``after_cut``, missing before it); ``attrs`` have ``cut_s``, where the cut is, and ``is_settled``."""
    import pandas as pd

    times, values = _samples(numbers, level)
    cut, table = mser5(values), pd.DataFrame({"value": values}, pd.Index(times, name="time_s"))
    table["from_start"] = table["value"].expanding().mean()
    table["after_cut"] = table["value"].iloc[cut.length :].expanding().mean()
    table.attrs |= {"cut_s": cut.length * numbers.plan.sample_every / SECOND, "is_settled": cut.is_settled}
    return table


def _of_queue(numbers: Numbers, queue: str) -> Cut:
    metric = f"{queue}.depth"
    cut = mser5(_samples(numbers, metric)[1])
    return Cut(cut.length * numbers.plan.sample_every, cut.is_settled, metric)


def _samples(numbers: Numbers, level: str) -> tuple[Array, Array]:
    """Seconds and values, without those of a drain."""
    from qsim.metrics.numbers import series

    times, values = series(numbers, level, numbers.plan.sample_every)
    is_before_the_drain = times * SECOND < numbers.plan.duration
    return times[is_before_the_drain], values[is_before_the_drain]


def said(cut: Cut) -> str:
    """ "MSER-5 of orders.depth" """
    return f"MSER-5 of {cut.metric}" + ("" if cut.is_settled else "; not settled by then, run it longer")
