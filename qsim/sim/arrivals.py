"""When a producer sends.

It knows rates, phases and blocks of numbers; the unit exponentials and gaps are handed in as functions.

A rate over time is a list of phases, and its integral says how many messages are due by then.  Regular arrivals are
the instants at which that integral passes 0, 1, 2, ..., poisson arrivals those at which it passes the sums of unit
exponentials; so stages stretch time and draw nothing anew.  Regular ones are exact: whole numbers, rounded once,
never a running sum.  Where the rate is 0 the integral rests; what falls due there waits until the rate returns.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, pairwise
from math import ceil, lcm, sqrt
from typing import Any

import numpy as np

from qsim.scenario.plan import ProducerPlan
from qsim.sim.samplers import Floats
from qsim.units import SECOND, Nanos


@dataclass(frozen=True, slots=True)
class Phase:
    """From ``begin`` on: ``due`` messages before it; ``rate`` a nanosecond, growing by ``slope`` each nanosecond."""

    begin: Nanos
    due: Fraction
    rate: Fraction
    slope: Fraction = Fraction(0)

    def due_at(self, now: Nanos) -> Fraction:
        passed = now - self.begin
        return self.due + self.rate * passed + self.slope * passed * passed / 2


def phases_of(producer: ProducerPlan) -> list[Phase]:
    """Its stages one after the other; the last rate stays."""
    begin, due, phases = producer.start, Fraction(0), []
    for stage in producer.stages:
        if stage.length:
            phases.append(Phase(begin, due, stage.start / SECOND, (stage.end - stage.start) / stage.length / SECOND))
            due += (stage.start + stage.end) / 2 * stage.length / SECOND
            begin += stage.length
    last = producer.stages[-1].end if producer.stages else producer.rate
    return [*phases, Phase(begin, due, last / SECOND)]


def changed(phases: list[Phase], now: Nanos, rate: Fraction) -> list[Phase]:
    """Another rate from now on; what is due until now stays."""
    now = max(now, phases[0].begin)
    before = [phase for phase in phases if phase.begin < now]
    return [*before, Phase(now, before[-1].due_at(now) if before else Fraction(0), rate / SECOND)]


# --- when a number is due --------------------------------------------------------------------------------------------


def regular_times(phases: list[Phase], numbers: range) -> list[Nanos]:
    """When each number is due, exactly, rounded to the nanosecond; a number that never is ends the list."""
    times: list[Nanos] = []
    for phase, following in pairwise([*phases, None]):
        assert phase is not None
        last = numbers.stop if following is None else min(numbers.stop, ceil(following.due))
        mine = range(max(numbers.start, ceil(phase.due)), last)
        times += _ramp(phase, mine) if phase.slope else _steady(phase, mine) if phase.rate else ()
    return times


def _steady(phase: Phase, numbers: range) -> list[Nanos]:
    """begin + (k - due) / rate in whole numbers."""
    a = phase.due.denominator * phase.rate.denominator
    b = phase.due.numerator * phase.rate.denominator
    c = phase.due.denominator * phase.rate.numerator
    return [phase.begin + (2 * (a * k - b) + c) // (2 * c) for k in numbers]


def _ramp(phase: Phase, numbers: range) -> list[Nanos]:
    """The root of slope/2 t**2 + rate t = k - due, over a common denominator: guessed in floats, then put right."""
    scale = lcm(phase.due.denominator, phase.rate.denominator, phase.slope.denominator)
    due, rate, slope = (int(value * scale) for value in (phase.due, phase.rate, phase.slope))
    return [phase.begin + _root(slope, rate, k * scale - due) for k in numbers]


def _root(slope: int, rate: int, missing: int) -> Nanos:
    """The whole t with L(t - 1/2) <= missing < L(t + 1/2), L(t) = slope/2 t**2 + rate t, while L still grows."""
    if missing == 0:
        return 0
    t = round(2 * missing / (rate + sqrt(max(0, rate * rate + 2 * slope * missing))))
    while slope * (2 * t + 1) ** 2 + 4 * rate * (2 * t + 1) <= 8 * missing and 2 * rate + slope * (2 * t + 1) > 0:
        t += 1
    while slope * (2 * t - 1) ** 2 + 4 * rate * (2 * t - 1) > 8 * missing:
        t -= 1
    return t


def poisson_times(phases: list[Phase], sums: Floats) -> list[Nanos]:
    """When the integral passes each of these growing sums; one that it never reaches ends the list."""
    bounds = [0, *np.searchsorted(sums, [float(phase.due) for phase in phases[1:]]).tolist(), len(sums)]
    times: list[Nanos] = []
    for phase, (first, last) in zip(phases, pairwise(bounds), strict=True):
        times += _crossings(phase, sums[first:last]) if phase.rate or phase.slope else ()
    return times


def _crossings(phase: Phase, sums: Floats) -> list[Nanos]:
    missing = np.maximum(sums - float(phase.due), 0.0)
    rate, slope = float(phase.rate), float(phase.slope)
    speed = rate + np.sqrt(np.maximum(rate * rate + 2 * slope * missing, 0.0))
    passed = (missing + missing) / np.maximum(speed, 1e-300) if phase.slope else missing * float(1 / phase.rate)
    return [phase.begin + t for t in np.rint(np.minimum(passed, 2.0**62)).astype(np.int64).tolist()]


# --- what a producer asks --------------------------------------------------------------------------------------------


class Blocks(ABC):
    """Send times, ``width`` numbers at a time.  A block that is not full is the last one."""

    def __init__(self, producer: ProducerPlan, width: int) -> None:
        self.stop = producer.stop
        self.limit = producer.limit
        self.width = width
        self._block = 0
        self._answered = -1
        self._times = self._load(self._numbers())

    def next(self) -> Nanos | None:
        self._answered += 1
        try:
            return self._times[self._answered]
        except IndexError:
            return self._beyond()

    @abstractmethod
    def set_rate(self, now: Nanos, rate: Fraction) -> Nanos | None: ...

    @abstractmethod
    def _load(self, numbers: range) -> list[Nanos]: ...

    def _numbers(self) -> range:
        first = self._block * self.width
        last = first + self.width
        return range(first, last if self.limit is None else max(first, min(last, self.limit)))

    def _beyond(self) -> Nanos | None:
        if len(self._times) < self.width:
            self._answered = len(self._times)
            return None
        self._block += 1
        self._answered = 0
        self._times = self._load(self._numbers())
        return self._times[0] if self._times else None

    def _until_stop(self, times: list[Nanos]) -> list[Nanos]:
        return times[: bisect_left(times, self.stop)]


class Paced(Blocks):
    """Arrivals that follow a rate.  ``marks`` gives the sums at which numbers are due: the numbers themselves
    (regular), or sums of unit exponentials (poisson); it is asked once a block, in order."""

    def __init__(
        self,
        producer: ProducerPlan,
        width: int,
        marks: Callable[[range], Any],
        times: Callable[[list[Phase], Any], list[Nanos]],
    ) -> None:
        self.phases = phases_of(producer)
        self._make_marks = marks
        self._make_times = times
        super().__init__(producer, width)

    def _load(self, numbers: range) -> list[Nanos]:
        self._marks = self._make_marks(numbers)
        return self._until_stop(self._make_times(self.phases, self._marks))

    def set_rate(self, now: Nanos, rate: Fraction) -> Nanos | None:
        """The last answer's unit exponential stays, what is left of it is stretched."""
        self.phases = changed(self.phases, now, rate)
        anew = self._until_stop(self._make_times(self.phases, self._marks))
        happened = max(self._answered, 0)
        self._times[happened:] = anew[happened:]
        return self._times[self._answered] if 0 <= self._answered < len(self._times) else None


class Renewal(Blocks):
    """Arrivals with a gap of their own between each and the next (the first after one gap)."""

    def __init__(self, producer: ProducerPlan, width: int, gaps: Callable[[range], Sequence[Nanos]]) -> None:
        self._gaps = gaps
        self._last = producer.start
        super().__init__(producer, width)

    def _load(self, numbers: range) -> list[Nanos]:
        times = list(accumulate(self._gaps(numbers), initial=self._last))[1:]
        self._last = times[-1] if times else self._last
        return self._until_stop(times)

    def set_rate(self, now: Nanos, rate: Fraction) -> Nanos | None:
        raise AssertionError("gaps have no rate: the scenario's check lets none be set")


def regular(producer: ProducerPlan, width: int) -> Paced:
    return Paced(producer, width, lambda numbers: numbers, regular_times)


def poisson(producer: ProducerPlan, width: int, units: Callable[[range], Floats]) -> Paced:
    """``units`` gives the unit exponentials of a range of numbers; they are added up one by one, in order."""
    total = 0.0

    def sums(numbers: range) -> Floats:
        nonlocal total
        summed: Floats = np.cumsum(np.concatenate([[total], units(numbers)]))
        total = float(summed[-1])
        return summed[1:]

    return Paced(producer, width, sums, poisson_times)
