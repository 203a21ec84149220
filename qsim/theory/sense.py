"""What a formula can be asked: the one place where nonsense is refused, before it comes out as a number.

It knows the names of what is given and which values they may have, no formula.  Too much work is not nonsense: a station
that does not keep up has its answer, without end.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import inf, isnan
from typing import Any

Rule = tuple[Callable[[Any], bool], str]

NOT_NEGATIVE: Rule = (lambda value: 0 <= value < inf, "a finite number, 0 or more")
POSITIVE: Rule = (lambda value: 0 < value < inf, "a finite number above 0")
PERHAPS_ENDLESS: Rule = (lambda value: value >= 0, "0 or more")
ANY: Rule = (lambda value: not isnan(value), "a number")
SHARE: Rule = (lambda value: 0 <= value <= 1, "a share from 0 to 1")
COUNT: Rule = (lambda value: 1 <= value < inf and value == int(value), "a whole number from 1 on")
SOME: Rule = (lambda values: len(values) > 0, "one value at least")
COUNT_IF_ANY: Rule = (lambda value: value is None or COUNT[0](value), COUNT[1])

RULES: dict[str, Rule] = {
    "arrival_rate": NOT_NEGATIVE, "think_rate": POSITIVE, "service_rate": POSITIVE, "load": NOT_NEGATIVE,
    "mean_service": NOT_NEGATIVE, "service_time": NOT_NEGATIVE, "mean_time": PERHAPS_ENDLESS,
    "service_variance": PERHAPS_ENDLESS, "variance": PERHAPS_ENDLESS, "service_scv": PERHAPS_ENDLESS,
    "arrival_scv": PERHAPS_ENDLESS,
    "servers": COUNT, "places": COUNT, "clients": COUNT, "most": COUNT_IF_ANY, "stages": COUNT,
    "share": SHARE, "failing": SHARE, "outliving": SHARE,
    "x": ANY, "value": ANY, "least": NOT_NEGATIVE, "mean": POSITIVE, "median": POSITIVE,
    "p95": POSITIVE, "alpha": POSITIVE, "values": SOME,
}  # fmt: skip
"""Of each parameter of a formula, whatever the formula."""


def sensible(**given: Any) -> None:
    """ValueError, which names the first parameter whose value makes no sense."""
    for name, value in given.items():
        holds, must = RULES[name]
        if not holds(value):
            raise ValueError(f"{name} is {value}: it must be {must}")


def ascending(**given: float) -> None:
    """ValueError, where one is below the one before it."""
    for (before, low), (name, high) in pairwise(given.items()):
        if not low <= high:
            raise ValueError(f"{name} is {high}: it must not be below {before}, {low}")
