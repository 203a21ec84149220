"""Mean and quantiles of a time distribution, for advice; a run draws its times elsewhere (sim.samplers).

It knows formulas.  Times are ns, as floats.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import singledispatch
from math import exp, inf

from qsim.scenario import plan
from qsim.theory import tails
from qsim.units import SECOND


@singledispatch
def mean(time: plan.Time) -> float:
    raise AssertionError(time)


@singledispatch
def below(time: plan.Time, x: float) -> float:
    """The share of times that are at most x."""
    raise AssertionError(time)


@singledispatch
def square(time: plan.Time) -> float:
    """The mean of the squares, in ns²."""
    raise AssertionError(time)


def variance(time: plan.Time) -> float:
    """In ns²; infinite where the tail is that long."""
    mean_square = square(time)
    return max(0.0, mean_square - mean(time) ** 2) if mean_square < inf else inf


def quantile(time: plan.Time, share: float) -> float:
    """The least x that this share of times does not exceed, to a millionth."""
    if isinstance(time, plan.Constant):
        return time.value
    low, high = 0.0, 1.0
    while below(time, high) < share and high < 2.0**63:
        low, high = high, 2 * high
    while high - low > max(0.25, high * 1e-7):
        middle = (low + high) / 2
        low, high = (low, middle) if below(time, middle) >= share else (middle, high)
    return high


def kinds(time: plan.Time) -> list[tuple[float, plan.Time]]:
    """(share, time) of each part of a mix that there is, to which a message belongs for all its attempts; else the time
    alone."""
    if not isinstance(time, plan.Mix):
        return [(1.0, time)]
    return [(share, part) for share, part in zip(steps(time.thresholds), time.parts, strict=True) if share]


def outliving(time: plan.Time, lease: float) -> tuple[tuple[float, float, float], ...]:
    """(share, mean in s, P(S > lease)) of each kind: a long job is long on every attempt."""
    return tuple((share, mean(kind) / SECOND, max(0.0, 1 - below(kind, lease))) for share, kind in kinds(time))


def steps(thresholds: Sequence[float]) -> list[float]:
    """The shares whose sums these are."""
    return [high - low for low, high in zip((0.0, *thresholds), thresholds, strict=False)]


def _of(
    kind: type, its_mean: Callable[..., float], its_below: Callable[..., float], its_square: Callable[..., float]
) -> None:
    mean.register(kind, its_mean)
    below.register(kind, its_below)
    square.register(kind, its_square)


def _lognormal_mean(time: plan.Lognormal) -> float:
    sigma = tails.lognormal_sigma(time.median, time.p95)
    return time.median * exp(sigma * sigma / 2)


def _lognormal_square(time: plan.Lognormal) -> float:
    return time.median**2 * exp(2 * tails.lognormal_sigma(time.median, time.p95) ** 2)


def _pareto_mean(time: plan.Pareto) -> float:
    return time.min * time.alpha / (time.alpha - 1) if time.alpha > 1 else inf


def _pareto_square(time: plan.Pareto) -> float:
    return time.min**2 * time.alpha / (time.alpha - 2) if time.alpha > 2 else inf


def _parts(time: plan.Mix, value: Callable[[plan.Time], float]) -> float:
    return sum(share * value(part) for share, part in kinds(time))


_of(plan.Constant, lambda t: t.value, lambda t, x: 1 - tails.constant_beyond(x, t.value), lambda t: t.value**2)
_of(plan.Exponential, lambda t: t.mean, lambda t, x: 1 - tails.exponential_beyond(x, t.mean), lambda t: 2 * t.mean**2)
_of(
    plan.Uniform,
    lambda t: (t.min + t.max) / 2,
    lambda t, x: 1 - tails.uniform_beyond(x, t.min, t.max),
    lambda t: (t.min**2 + t.min * t.max + t.max**2) / 3,
)
_of(
    plan.Lognormal,
    _lognormal_mean,
    lambda t, x: 1 - tails.lognormal_beyond(x, t.median, t.p95),
    _lognormal_square,
)
_of(plan.Erlang, lambda t: t.mean, lambda t, x: 1 - tails.erlang_beyond(x, t.mean, t.k), lambda t: t.mean**2 * (1 + 1 / t.k))
_of(plan.Pareto, _pareto_mean, lambda t, x: 1 - tails.pareto_beyond(x, t.min, t.alpha), _pareto_square)
_of(
    plan.Empirical,
    lambda t: sum(t.values) / len(t.values),
    lambda t, x: 1 - tails.empirical_beyond(x, t.values),
    lambda t: sum(value * value for value in t.values) / len(t.values),
)
# The shares of a mix are sums of floats: 5 % below p95 must not be missed by the last bit.
_of(
    plan.Mix,
    lambda t: _parts(t, mean),
    lambda t, x: _parts(t, lambda part: below(part, x)) + 1e-12,
    lambda t: _parts(t, square),
)
