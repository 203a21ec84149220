"""From a uniform to a time: for each distribution its inverse distribution function.

It knows formulas, no scenario, no generator and no state.  Everything is built of + - * / and sqrt, which IEEE 754
rounds alike everywhere, and of frexp and ldexp, which only move the binary point; a library's log differs from the
next one's in the last bit, and a service of minutes would show it as another nanosecond.  Every function works
element by element, so a value never depends on what was drawn beside it, and it grows with its uniform.

Times come out as whole nanoseconds, 0 at least and LONGEST (292 years) at most: what is longer is cut there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from qsim.scenario import plan
from qsim.sim.luck import LONGEST

Floats: TypeAlias = NDArray[np.float64]
Whole: TypeAlias = NDArray[np.int64]
Quantile: TypeAlias = Callable[[Floats, Floats], Floats]
"""Times in ns of uniforms, and of those that choose the part of a mix (looked at by a mix only)."""

_BELOW_ONE = 1 - 2.0**-53


def uniforms(words: NDArray[np.uint64]) -> Floats:
    """64 random bits each to a number in (0, 1); the very last one, which rounds to 1, is kept below it."""
    numbers = ((words >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    return np.minimum(numbers, _BELOW_ONE)


def sampler(time: plan.Time) -> Callable[[Floats, Floats], Whole]:
    """The sampler of a distribution: (uniforms, uniforms for the parts of a mix) to whole nanoseconds."""
    quantile = _quantile(time)
    return lambda u, part: whole(quantile(u, part))


def whole(times: Floats) -> Whole:
    return np.rint(np.clip(times, 0.0, float(LONGEST))).astype(np.int64)


def has_parts(time: plan.Time) -> bool:
    """Whether its sampler looks at the second uniform."""
    return isinstance(time, plan.Mix)


# --- the functions that the formulas need ----------------------------------------------------------------------------

_LN2_HIGH = 6.93147180369123816490e-01
"""The first 32 bits of ln 2: times a small whole number it is exact."""
_LN2_LOW = 1.90821492927058770002e-10
_SQRT_HALF = 0.7071067811865476
_LOG_TERMS = tuple(1 / (2 * i + 1) for i in range(11))
_EXP_TERMS = tuple(np.cumprod([1.0, *(1 / i for i in range(1, 15))]).tolist())


def _polynomial(x: Floats, coefficients: Sequence[float]) -> Floats:
    """By Horner's rule, lowest power first."""
    total = np.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        total = total * x + coefficient
    return total


def log(x: Floats) -> Floats:
    """ln x for x > 0: x = m 2**e with m near 1, and ln m = 2 (s + s**3/3 + s**5/5 + ...), s = (m - 1) / (m + 1)."""
    m, e = np.frexp(x)
    low = m < _SQRT_HALF
    m, e = np.where(low, m + m, m), np.asarray(e - low, dtype=np.float64)
    s: Floats = (m - 1) / (m + 1)
    return e * _LN2_HIGH + ((s + s) * _polynomial(s * s, _LOG_TERMS) + e * _LN2_LOW)


def exp(x: Floats) -> Floats:
    """e**x: the power of two that is near, and a polynomial for the rest; cut where a time could overflow."""
    x = np.clip(x, -700.0, 640.0)
    n = np.rint(x * 1.4426950408889634)
    power: Floats = np.ldexp(_polynomial((x - n * _LN2_HIGH) - n * _LN2_LOW, _EXP_TERMS), n.astype(np.int32))
    return power


# Wichura, Algorithm AS 241 (PPND16), Applied Statistics 37 (1988), 477-484.
_CENTRE = (
    (3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
     4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3),
    (1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3,
     2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3),
)  # fmt: skip
_SHOULDER = (
    (1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0,
     1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4),
    (1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1,
     1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9),
)  # fmt: skip
_TAIL = (
    (6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0, 2.96560571828504891230e-1,
     2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7),
    (1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
     7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15),
)  # fmt: skip


def _ratio(x: Floats, pair: tuple[Sequence[float], Sequence[float]]) -> Floats:
    return _polynomial(x, pair[0]) / _polynomial(x, pair[1])


def normal(u: Floats) -> Floats:
    """The standard normal quantile: one rational function for the centre, two for the tails, by distance."""
    q = u - 0.5
    r = np.sqrt(-log(np.minimum(u, 1 - u)))
    tail = np.where(r <= 5, _ratio(r - 1.6, _SHOULDER), _ratio(r - 5, _TAIL))
    return np.where(np.abs(q) <= 0.425, q * _ratio(0.180625 - q * q, _CENTRE), np.where(q < 0, -tail, tail))


# --- Erlang ----------------------------------------------------------------------------------------------------------

_MANY = 256
"""From here on Wilson and Hilferty's approximation is the answer: off by less than 3e-5 in probability."""


def erlang(u: Floats, k: int) -> Floats:
    """The quantile of a sum of k unit exponentials, of one uniform: a good guess, then Newton's method on the
    logarithm of the smaller side, which is concave, so that each step after the first nears the answer."""
    x = _wilson_hilferty(u, k)
    if k < _MANY:
        low = u < 0.5
        x[low] = _erlang_from_below(u[low], x[low], k)
        x[~low] = _erlang_from_above(u[~low], x[~low], k)
    return x


def _wilson_hilferty(u: Floats, k: int) -> Floats:
    """The cube root of an Erlang time is nearly normal."""
    root = np.maximum(1 - 1 / (9 * k) + normal(u) * (1 / (3 * float(np.sqrt(k)))), 0.0)
    return k * (root * root * root)


def _erlang_from_above(u: Floats, x: Floats, k: int) -> Floats:
    """More than x has probability e**-x (1 + x + ... + x**(k-1) / (k-1)!)."""
    goal = log(1 - u)
    for _ in range(3):
        term = np.ones_like(x)
        total = np.ones_like(x)
        for i in range(1, k):
            term = term * x / i
            total = total + term
        x = x + (log(total) - x - goal) * (total / term)
    return x


def _erlang_from_below(u: Floats, x: Floats, k: int) -> Floats:
    """Less than x has probability e**-x x**k / k! (1 + x / (k+1) + x**2 / ((k+1) (k+2)) + ...); steps in ln x.
    Its first factors alone are more than it, so their root is less than x: the guess is never below."""
    goal = log(u) + float(np.cumsum(log(np.arange(1.0, k + 1)))[-1])
    x = np.maximum(x, exp(goal / k))
    for _ in range(3):
        term = np.ones_like(x)
        total = np.ones_like(x)
        for i in range(1, 12 + int(9 * np.sqrt(k))):
            term = term * x / (k + i)
            total = total + term
        x = x * exp((goal + x - k * log(x) - log(total)) * (total / k))
    return x


# --- the distributions of a scenario ---------------------------------------------------------------------------------

_NORMAL_95 = 1.6448536269514722


def _constant(time: plan.Constant) -> Quantile:
    return lambda u, part: np.full_like(u, time.value)


def _exponential(time: plan.Exponential) -> Quantile:
    return lambda u, part: -time.mean * log(1 - u)


def _uniform(time: plan.Uniform) -> Quantile:
    return lambda u, part: time.min + u * (time.max - time.min)


def _lognormal(time: plan.Lognormal) -> Quantile:
    """ln(time) is normal with mean ln(median); the p95 gives its deviation."""
    sigma = float(log(np.array([time.p95 / time.median]))[0]) / _NORMAL_95
    return lambda u, part: time.median * exp(sigma * normal(u))


def _erlang(time: plan.Erlang) -> Quantile:
    return lambda u, part: time.mean / time.k * erlang(u, time.k)


def _pareto(time: plan.Pareto) -> Quantile:
    return lambda u, part: time.min * exp(log(1 - u) / -time.alpha)


def _empirical(time: plan.Empirical) -> Quantile:
    values = np.array(time.values, dtype=np.float64)
    return lambda u, part: values[(u * len(values)).astype(np.int64)]


def _mix(time: plan.Mix) -> Quantile:
    """Within its share the part's uniform is uniform again: it chooses in a mix of mixes too."""
    limits = (0.0, *time.thresholds)
    parts = [_quantile(part) for part in time.parts]

    def quantile(u: Floats, part: Floats) -> Floats:
        chosen = np.searchsorted(time.thresholds[:-1], part, side="right")
        times = np.empty_like(u)
        for i in np.unique(chosen).tolist():
            here = chosen == i
            times[here] = parts[i](u[here], (part[here] - limits[i]) / (limits[i + 1] - limits[i]))
        return times

    return quantile


_QUANTILES: dict[type, Callable[[Any], Quantile]] = {
    plan.Constant: _constant,
    plan.Exponential: _exponential,
    plan.Uniform: _uniform,
    plan.Lognormal: _lognormal,
    plan.Erlang: _erlang,
    plan.Pareto: _pareto,
    plan.Empirical: _empirical,
    plan.Mix: _mix,
}


def _quantile(time: plan.Time) -> Quantile:
    return _QUANTILES[type(time)](time)
