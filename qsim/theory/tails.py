"""The share of times that are longer than x: P(S > x), for each distribution that a scenario can name.

It knows formulas.  Times are in any unit, all in the same; by definition all (see any textbook, for instance Johnson, Kotz
and Balakrishnan, *Continuous Univariate Distributions*, Wiley 1994).  Of work and a lease this is the share of leases that
end before the work does.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from math import erfc, exp, log, sqrt

from qsim.theory.sense import ascending, sensible

_Z95 = 1.6448536269514722
"""The standard normal distribution's 95th percentile."""
_NEARLY_EVEN = 200
"""Erlang's stages from which on the cube root of their sum is taken as normal."""


def constant_beyond(x: float, value: float) -> float:
    """1 before the value, 0 from there on."""
    sensible(x=x, value=value)
    return float(x < value)


def exponential_beyond(x: float, mean: float) -> float:
    """e^(−x/S)."""
    sensible(x=x, mean=mean)
    return exp(-max(0.0, x) / mean)


def uniform_beyond(x: float, least: float, most: float) -> float:
    """Straight from 1 at the least to 0 at the most."""
    sensible(x=x, least=least)
    ascending(least=least, most=most)
    if least == most:
        return constant_beyond(x, least)
    return min(1.0, max(0.0, (most - x) / (most - least)))


def lognormal_beyond(x: float, median: float, p95: float) -> float:
    """1 − Φ(ln(x / median) / σ), σ = ln(p95 / median) / 1.645."""
    sensible(x=x, median=median, p95=p95)
    ascending(median=median, p95=p95)
    if median == p95:
        return constant_beyond(x, median)
    return normal_beyond(log(x / median) / lognormal_sigma(median, p95)) if x > 0 else 1.0


def lognormal_sigma(median: float, p95: float) -> float:
    """σ of the logarithm, from what engineers know."""
    return log(p95 / median) / _Z95


def erlang_beyond(x: float, mean: float, stages: int) -> float:
    """e^(−y) (1 + y + ... + y^(k−1) / (k−1)!), y = k x / S: fewer than k events of a Poisson process; of k above 200
    the cube root is nearly normal (E. B. Wilson and M. M. Hilferty, Proceedings of the NAS 17, 1931)."""
    sensible(x=x, mean=mean, stages=stages)
    if stages > _NEARLY_EVEN:
        spread = 1 / (9 * stages)
        return normal_beyond(((max(0.0, x) / mean) ** (1 / 3) - 1 + spread) / sqrt(spread))
    passed = max(0.0, x) * stages / mean
    if passed > 700:
        return 0.0
    term = total = 1.0
    for n in range(1, stages):
        term *= passed / n
        total += term
    return exp(-passed) * total


def pareto_beyond(x: float, least: float, alpha: float) -> float:
    """(least / x)^α."""
    sensible(x=x, least=least, alpha=alpha)
    return 1.0 if x <= least else (least / x) ** alpha


def empirical_beyond(x: float, values: Sequence[float]) -> float:
    """Of values in order."""
    sensible(x=x, values=values)
    return 1 - bisect_right(values, x) / len(values)


def mix_beyond(parts: Iterable[tuple[float, float]]) -> float:
    """Of (share, how much of this part is longer)."""
    return sum(share * beyond for share, beyond in parts)


def normal_beyond(z: float) -> float:
    """1 − Φ(z)."""
    return erfc(z / sqrt(2)) / 2
