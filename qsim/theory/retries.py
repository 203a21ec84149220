"""What fails comes again: attempts, and the load that they are.

It knows shares, rates and formulas, no scenario and no run.  p is the share of attempts that fail, each by its own luck.
"""

from __future__ import annotations

from math import inf

from qsim.theory.sense import sensible
from qsim.theory.station import ENDLESS, Station
from qsim.theory.stations import mmc


def attempts(failing: float, most: int | None = None) -> float:
    """How often a message is tried: 1 / (1 − p), or (1 − pⁿ) / (1 − p) where n tries are all it gets (geometric)."""
    sensible(failing=failing, most=most)
    if failing == 1:
        return inf if most is None else float(most)
    return (1 - (0.0 if most is None else failing**most)) / (1 - failing)


def all_attempts(mean: float, variance: float, failing: float) -> tuple[float, float]:
    """(mean, variance) of the work on a message over all its attempts, each with a time and luck of its own: the sum of a
    geometric number N of them, E(N) = 1 / (1 − p) and Var(N) = p / (1 − p)², so that its variance is
    E(N) Var(S) + Var(N) E(S)² (Wald; Ross, *Introduction to Probability Models*)."""
    sensible(mean=mean, variance=variance)
    often = attempts(failing)
    return mean * often, variance * often + failing * often**2 * mean**2


def feedback(arrival_rate: float, service_rate: float, servers: int, failing: float) -> Station:
    """M/M/c whose failed attempts come back at once: M/M/c of all attempts, λ / (1 − p) of them.

    Told of a message, over all its attempts; the share that waits is of attempts.  It makes no difference whether they
    come back to the front or to the end.  L. Takács, *A Single-Server Queue with Feedback*, Bell System Technical Journal
    42 (1963); for c servers J. R. Jackson, *Networks of Waiting Lines*, Operations Research 5 (1957).
    """
    often = attempts(failing)
    if not often < inf:
        return ENDLESS
    attempt = mmc(arrival_rate * often, service_rate, servers)
    return Station(
        utilization=attempt.utilization,
        wait_probability=attempt.wait_probability,
        mean_wait=attempt.mean_wait * often,
        mean_time=attempt.mean_time * often,
        mean_waiting=attempt.mean_waiting,
        mean_number=attempt.mean_number,
    )
