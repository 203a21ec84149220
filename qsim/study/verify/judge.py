"""Which misses are plausible: of a table of intervals, and of a count.

It knows statistics and no queue.  Every row of a table has runs of its own, so rows are independent, the number of
intervals that miss is binomial, and how far the farthest mean is off is known too.  No row has a tolerance of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev

from qsim.study.intervals import interval

LEVEL = 0.95
"""Of every row's interval."""
SURE = 0.999
"""Of each of the verdicts over all rows."""


@dataclass(frozen=True, slots=True)
class Covered:
    """An interval, and by how many standard errors its middle is off the truth (negative: below)."""

    low: float
    high: float
    truth: float
    off: float

    @property
    def covers(self) -> bool:
        return self.low <= self.truth <= self.high


def covered(values: Sequence[float], truth: float) -> Covered:
    """Student's interval of independent values, held against the truth."""
    low, high = interval(values, LEVEL)
    error = stdev(values) / sqrt(len(values))
    gap = fmean(values) - truth
    return Covered(low, high, truth, gap / error if error else gap and float("inf"))


def plausible(n: int, share: float, sure: float = SURE) -> tuple[int, int]:
    """Between which counts of n independent events of this probability all but 1 − sure lie, half of it on each side."""
    from scipy.stats import binom

    low, high = binom.interval(sure, n, share)
    return int(low), int(high)


def farthest(n: int, degrees: int, sure: float = SURE) -> float:
    """How many standard errors the farthest of n independent means is off at most, in all but 1 − sure of all tables."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, 1 - (1 - sure) / (2 * n)))


def on_average(n: int, degrees: int, sure: float = SURE) -> float:
    """How many standard errors n independent means are off on average at most, by a normal approximation: what all rows
    are off on one side, a beginning that was not cut or a step too many, is seen here first."""
    from scipy.special import ndtri

    return float(ndtri((1 + sure) / 2)) * sqrt(degrees / (degrees - 2) / n)
