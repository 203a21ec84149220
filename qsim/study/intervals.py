"""What several runs say together: means, with Student's intervals.

It knows numbers, not what they are of.  None says that a run has no data, infinity that something never happened;
neither has a mean.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean, and half of its confidence interval; None: no data, or a single run."""

    mean: Any
    half: float | None = None

    @property
    def interval(self) -> list[float] | None:
        """[low, high], where there is one."""
        if self.half is None or not _is_number(self.mean):
            return None
        return [self.mean - self.half, self.mean + self.half]


def estimate(values: Sequence[Any], confidence: float = CONFIDENCE) -> Estimate:
    """The mean of what several runs say; what one of them does not know, or what never happens, has none."""
    if len(values) == 1 or len(set(values)) == 1:
        return Estimate(values[0], 0.0 if len(values) > 1 and isinstance(values[0], int | float) else None)
    odd = [value for value in values if not _is_number(value)]
    return Estimate(odd[0]) if odd else Estimate(fmean(values), half_width(values, confidence))


def interval(values: Sequence[Any], confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Student's interval of the mean; a single value is its own."""
    if len(set(values)) == 1 or any(math.isinf(x) for x in values):
        return min(values), max(values)
    half = half_width(values, confidence)
    return fmean(values) - half, fmean(values) + half


def half_width(values: Sequence[Any], confidence: float = CONFIDENCE) -> float:
    """t(n - 1) s / sqrt(n), of two values or more."""
    from scipy.special import stdtrit  # only several runs pay for the import

    n = len(values)
    return float(stdtrit(n - 1, (1 + confidence) / 2)) * stdev(map(float, values)) / math.sqrt(n)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
