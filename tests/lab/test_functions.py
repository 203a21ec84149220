"""A function that somebody wrote is told the first case in which it is wrong."""

import math

import numpy as np
import pytest

from qsim.lab import agrees

CASES = [(1.0,), (4.0,), (9.0,), (-1.0,)]


def known(x):
    return math.sqrt(abs(x))


def test_the_same_numbers_agree_and_nearly_the_same_where_that_will_do():
    agrees(lambda x: abs(x) ** 0.5, known, CASES)
    agrees(lambda x: 1.009 * abs(x) ** 0.5, known, CASES, within=0.01)
    agrees(lambda x: np.float32(abs(x) ** 0.5), known, CASES)
    agrees(lambda x: np.int64(round(abs(x) ** 0.5)), known, CASES)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (lambda x: x, r"<lambda>\(4\) is 4, not 2; right in 1 of 4 cases"),
        (lambda x: 1.009 * abs(x) ** 0.5, r"is 1.009, not 1; right in 0 of 4"),
        (lambda x: 1.00001 * abs(x) ** 0.5, r"is 1.00001, not 1; right in 0 of 4"),
        (lambda x: np.int64(7), "is 7, not 1"),
        (math.sqrt, r"sqrt\(-1\) raises ValueError: .*, not 1; right in 3 of 4 cases"),
        (lambda x: None, "is None, not 1"),
        (lambda x: True, "is True, not 1"),
        (lambda: 1, "raises TypeError: .*positional"),
        (7, r"your function\(1\) raises TypeError: 'int' object is not callable"),
    ],
)
def test_the_first_wrong_case_is_told(written, said):
    with pytest.raises(AssertionError, match=said):
        agrees(written, known, CASES)


def test_no_case_at_all_is_no_agreement():
    with pytest.raises(ValueError, match="a case or more"):
        agrees(known, known, [])
