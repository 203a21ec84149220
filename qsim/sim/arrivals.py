"""When a producer sends.

It knows rates, phases and blocks of numbers; the unit exponentials and gaps are handed in as functions.

A rate over time is a list of phases, and its integral says how many messages are due by then.  Regular arrivals are
the instants at which that integral passes 0, 1, 2, ..., poisson arrivals those at which it passes the sums of unit
exponentials; so stages stretch time and draw nothing anew.  Regular ones are exact: whole numbers, rounded once,
never a running sum.  Where the rate is 0 the integral rests; what falls due there waits until the rate returns.
Bursts cut time: what is due inside is found in time that is on, and put where the off times have moved it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import accumulate, pairwise
from math import ceil, lcm, sqrt
from typing import Any

import numpy as np

from qsim.scenario.plan import ProducerPlan
from qsim.sim.luck import Arrivals
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
    """Another rate from now on; what is due until now stays.  Of what was before, only the last phase is kept."""
    now = max(now, phases[0].begin)
    before = _last_before(phases, now)
    return [*before, Phase(now, _due_so_far(before, now), rate / SECOND)]


def resumed(phases: list[Phase], own: list[Phase], now: Nanos) -> list[Phase]:
    """From now on as ``own`` goes on; what is due until now stays."""
    now = max(now, phases[0].begin)
    before = _last_before(phases, now)
    under_way = [phase for phase in own if phase.begin <= now][-1]
    rate = under_way.rate + under_way.slope * (now - under_way.begin)
    moved = _due_so_far(before, now) - under_way.due_at(now)
    here = Phase(now, under_way.due_at(now) + moved, rate, under_way.slope)
    return [*before, here, *(replace(phase, due=phase.due + moved) for phase in own if phase.begin > now)]


def _last_before(phases: list[Phase], now: Nanos) -> list[Phase]:
    """In it falls what is due before this instant and, rounded, comes at it."""
    return [phase for phase in phases if phase.begin < now][-1:]


def _due_so_far(before: list[Phase], now: Nanos) -> Fraction:
    return before[-1].due_at(now) if before else Fraction(0)


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
    def slow(self, now: Nanos, rate: Fraction | None) -> Nanos | None: ...

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
        self._own = self.phases
        self._slowed_to: Fraction | None = None
        self._make_marks = marks
        self._make_times = times
        super().__init__(producer, width)

    def _load(self, numbers: range) -> list[Nanos]:
        self._marks = self._make_marks(numbers)
        return self._until_stop(self._make_times(self.phases, self._marks))

    def set_rate(self, now: Nanos, rate: Fraction) -> Nanos | None:
        """The last answer's unit exponential stays, what is left of it is stretched."""
        self._own = changed(self._own, now, rate)
        return self._go_on(changed(self.phases, now, rate) if self._slowed_to is None else self.phases)

    def slow(self, now: Nanos, rate: Fraction | None) -> Nanos | None:
        """The same; and its own rate goes on beneath."""
        self._slowed_to = rate
        return self._go_on(resumed(self.phases, self._own, now) if rate is None else changed(self.phases, now, rate))

    def _go_on(self, phases: list[Phase]) -> Nanos | None:
        self.phases = phases
        happened = max(self._answered, 0)
        self._times[happened:] = self._until_stop(self._make_times(phases, self._marks[happened:]))
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

    def slow(self, now: Nanos, rate: Fraction | None) -> Nanos | None:
        raise AssertionError("gaps have no rate: the scenario's check lets none be held down")


class Replayed:
    """Recorded send times."""

    def __init__(self, producer: ProducerPlan) -> None:
        assert producer.recorded is not None
        self._times = iter(producer.recorded.times)

    def next(self) -> Nanos | None:
        return next(self._times, None)

    def set_rate(self, now: Nanos, rate: Fraction) -> Nanos | None:
        raise AssertionError("recorded times have no rate: the scenario's check lets none be set")

    def slow(self, now: Nanos, rate: Fraction | None) -> Nanos | None:
        raise AssertionError("recorded times have no rate: the scenario's check lets none be held down")


FAR: Nanos = 2**62
"""Later than any time of a run."""


class Bursty:
    """Arrivals ``inside`` time that is on, which begins at the producer's start; ``turns`` gives the n-th on and off."""

    def __init__(
        self, producer: ProducerPlan, inside: Callable[[ProducerPlan], Arrivals], turns: Callable[[int], tuple[Nanos, Nanos]]
    ) -> None:
        self._inside = inside(replace(producer, stop=FAR))
        self._stop = producer.stop
        self._turns = turns
        self._begins = [producer.start]
        """Where each on begins, in time that is on ..."""
        self._places = [producer.start]
        """... and in time itself."""

    def next(self) -> Nanos | None:
        return self._place(self._inside.next())

    def set_rate(self, now: Nanos, rate: Fraction) -> Nanos | None:
        return self._place(self._inside.set_rate(self._on_time(now), rate))

    def slow(self, now: Nanos, rate: Fraction | None) -> Nanos | None:
        return self._place(self._inside.slow(self._on_time(now), rate))

    def _place(self, due: Nanos | None) -> Nanos | None:
        """What is due at the very end of an on comes at the beginning of the next."""
        if due is None:
            return None
        while self._begins[-1] <= due and self._places[-1] < self._stop:
            self._know_one_more()
        here = bisect_right(self._begins, due) - 1
        time = self._places[here] + due - self._begins[here]
        return time if time < self._stop else None

    def _on_time(self, now: Nanos) -> Nanos:
        while self._places[-1] <= now or len(self._places) == 1:
            self._know_one_more()
        here = max(0, bisect_right(self._places, now) - 1)
        return min(self._begins[here] + max(0, now - self._places[here]), self._begins[here + 1])

    def _know_one_more(self) -> None:
        on, off = self._turns(len(self._begins) - 1)
        self._begins.append(self._begins[-1] + on)
        self._places.append(self._places[-1] + on + off)


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
