"""What consumers can do, in numbers: load, capacity, how many are enough, how long a backlog lasts, what retries cost.

It knows rates, times and formulas, no file and no words: ``advice`` and ``sizing`` say what the numbers mean.  Times
are seconds and rates messages a second, as floats; letters are those of ``theory``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import inf, isfinite

from qsim import theory
from qsim.scenario import plan, times
from qsim.units import SECOND, Nanos

MOST_SERVERS = 20_000
"""Beyond, Erlang's formula is left to those who need it."""
_CLOSE = 1e-9
"""Sums of floats that miss a whole number by so little are that number."""


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool of consumers: λ ``arrivals``, S ``service`` and c ``servers``; ``concurrency`` of them are one process.

    ``arrival_scv`` and ``service_scv`` are squared coefficients of variation, variance over the square of the mean: 0
    is even, 1 as random as an exponential time.
    """

    arrivals: float
    service: float
    servers: int
    arrival_scv: float = 1.0
    service_scv: float = 1.0
    concurrency: int = 1

    @property
    def load(self) -> float:
        """a = λ S: busy servers on average."""
        return self.arrivals * self.service

    @property
    def capacity(self) -> float:
        """c μ."""
        return self.servers / self.service if self.service else inf

    @property
    def is_even(self) -> bool:
        """Whether nothing about it is random."""
        return self.arrival_scv == 0 and self.service_scv == 0

    @property
    def keeps_up(self) -> bool:
        """At exactly 100 % only where nothing is random."""
        load, servers = self.load, self.servers
        return load < servers * (1 - _CLOSE) or (self.is_even and load <= servers * (1 + _CLOSE)) or load == 0

    def with_processes(self, processes: int) -> Pool:
        return replace(self, servers=processes * self.concurrency)

    def wait(self, share: float) -> float:
        """The wait that this share of all messages does not exceed; infinite where it does not keep up, or where the
        variance of the work is."""
        if self.load == 0:
            return 0.0
        if not self.keeps_up or not isfinite(self.service_scv + self.arrival_scv):
            return inf
        scvs = self.arrival_scv, self.service_scv
        return theory.ggc_wait_quantile(share, self.arrivals, 1 / self.service, self.servers, *scvs)

    def least_processes(self) -> int:
        """How many just keep up."""
        exact = self.load / self.concurrency
        whole = round(exact)
        least = max(1, whole if abs(exact - whole) < _CLOSE * max(1, whole) else int(exact) + 1)
        while not self.with_processes(least).keeps_up:
            least += 1
        return least

    def processes_for(self, share: float, target: float) -> int | None:
        """How many keep this share of the waits at most so long; None where no number does, or too many."""
        enough = self.least_processes()
        if not isfinite(self.service_scv + self.arrival_scv):
            return None
        while enough * self.concurrency <= MOST_SERVERS:
            if self.with_processes(enough).wait(share) <= target:
                return enough
            enough += 1
        return None


# --- what arrives -----------------------------------------------------------------------------------------------------


def average_rate(stages: tuple[plan.Stage, ...], rate: float, duration: Nanos) -> float:
    """Over the run: each stage's middle rate for as long as it lasts, then the last rate."""
    sent, left = 0.0, duration
    for stage in stages:
        length = min(stage.length, left)
        sent += length * float(stage.start + stage.end) / 2
        left, rate = left - length, float(stage.end)
    return (sent + left * rate) / duration


def highest_rate(stages: tuple[plan.Stage, ...], rate: float, duration: Nanos) -> float:
    """The highest that the stages reach while the run lasts."""
    highest, at = rate if not stages else 0.0, 0
    for stage in stages:
        if at < duration:
            highest = max(highest, float(stage.start))
        at += stage.length
        if at < duration:
            highest = max(highest, float(stage.end))
    return highest


def rate_of_gaps(gaps: plan.Time) -> float | None:
    """Of an inter-arrival distribution; None where its mean is 0 or infinite."""
    mean = times.mean(gaps)
    return SECOND / mean if 0 < mean < inf else None


def share_on(on: plan.Time, off: plan.Time) -> float | None:
    """Of bursts: the share of time in which it sends; None where that has no mean."""
    long = times.mean(on) + times.mean(off)
    return times.mean(on) / long if 0 < long < inf else None


def scv(time: plan.Time) -> float:
    """The squared coefficient of variation: 0 for a constant, 1 for an exponential time."""
    mean = times.mean(time)
    if not 0 < mean < inf:
        return 0.0 if mean == 0 else inf
    return times.variance(time) / mean**2


# --- retries ----------------------------------------------------------------------------------------------------------


def false_dead_letters(failing: float, most: int) -> float:
    """pⁿ: the share of sound messages whose every delivery fails by chance."""
    return failing**most


def receives_for(failing: float, share: float) -> int:
    """The least n for which at most this share of sound messages is dead-lettered."""
    n = 1
    while failing**n > share and n < 1000:
        n += 1
    return n


# --- backlogs ---------------------------------------------------------------------------------------------------------


def drain_time(backlog: float, capacity: float, arrivals: float) -> float:
    """B / (c μ − λ): how long a backlog lasts while more arrives; infinite where nothing is to spare."""
    spare = capacity - arrivals
    return backlog / spare if spare > 0 else inf


def hottest_share(keys: int, skew: float) -> float:
    """The share of the first of so many groups: 1 / Σ k⁻ˢ (Zipf); with no skew 1 / n."""
    total: float = sum(float(k) ** -skew for k in range(1, keys + 1))
    return 1 / total


def together(parts: Iterable[tuple[float, float]]) -> float:
    """The squared coefficient of variation of streams put together, (rate, scv) each: weighted by their rates."""
    streams = list(parts)
    total = sum(rate for rate, _ in streams)
    return sum(rate * scv for rate, scv in streams) / total if total else 1.0
