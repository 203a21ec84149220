"""Student's intervals: against a table, and over many samples against what they promise."""

import math
import random

import pytest

from qsim.study.intervals import Estimate, estimate, half_width, interval


@pytest.mark.parametrize(("n", "t"), [(2, 12.706), (5, 2.776), (10, 2.262), (30, 2.045)])
def test_the_half_width_is_students(n, t):
    """t of a table at 97.5 %; of 0 and 1 by turns the deviation is known."""
    values = [i % 2 for i in range(n)]
    mean = sum(values) / n
    deviation = math.sqrt(sum((x - mean) ** 2 for x in values) / (n - 1))
    assert half_width(values) == pytest.approx(t * deviation / math.sqrt(n), rel=1e-3)
    assert half_width(values, 0.99) > half_width(values)


def test_of_a_hundred_intervals_about_five_miss():
    """2,000 samples of 6 normal values: 5 % miss the mean, 0.5 % is the deviation of that share; four of them."""
    dice = random.Random(1)
    misses = sum(not low <= 0 <= high for low, high in (interval([dice.gauss() for _ in range(6)]) for _ in range(2000)))
    assert abs(misses / 2000 - 0.05) < 4 * math.sqrt(0.05 * 0.95 / 2000)


def test_what_is_alike_has_no_width_and_a_single_value_none():
    assert estimate([3, 3, 3]) == Estimate(3, 0.0)
    assert estimate([3]) == Estimate(3, None)
    assert estimate([3, 3, 3]).interval == [3, 3] and estimate([3]).interval is None


def test_what_never_happens_or_is_not_known_has_no_mean():
    assert estimate([1.0, math.inf]) == Estimate(math.inf)
    assert estimate([1.0, None]) == Estimate(None)
    assert interval([1.0, math.inf]) == (1.0, math.inf)
