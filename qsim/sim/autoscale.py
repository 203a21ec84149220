"""Autoscalers: how many processes there should be, worked out again and again.

First the formulas, which know a value, a count and the settings, and nothing that runs; then one process a consumer,
which looks, decides and acts, late in its instant.  Its defaults stand in ``scenario/autoscalers``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from math import ceil, isnan
from typing import Any

from simpy.events import Event

from qsim.kernel.journal import Kind
from qsim.scenario.plan import Autoscale, Policy
from qsim.sim.alarm import Alarm
from qsim.sim.consumers import Crew
from qsim.sim.live import follow
from qsim.sim.world import World
from qsim.units import SECOND, Nanos

# --- how many there should be ----------------------------------------------------------------------------------------


def for_each(settings: Autoscale, value: float, count: int, ready: int) -> int:
    """Value per process against the target, as EC2 Auto Scaling tracks it: running x (value / running) / target."""
    if count and _is_near(value / (settings.target * count), settings):
        return count
    return _up(value / settings.target)


def keda(settings: Autoscale, value: float, count: int, ready: int) -> int:
    """From none KEDA makes one, as soon as there is anything; from there on it hands the value to an HPA, per pod."""
    if count == 0:
        return 1 if value > 0 else 0
    return for_each(settings, value, count, ready)


def hpa(settings: Autoscale, value: float, count: int, ready: int) -> int:
    """ceil(pods x metric / target); pods that are not ready yet do not count."""
    ratio = value / settings.target
    if count and _is_near(ratio, settings):
        return count
    return _up(ratio * ready) if count else _up(ratio)


def steps(settings: Autoscale, value: float, count: int, ready: int) -> int:
    """The highest step that is passed.  Who is starting counts as added already, and nobody leaves meanwhile."""
    add = next((add for above, add in reversed(settings.steps) if value > above), None)
    if add is None:
        return settings.min
    if add > 0:
        return max(count, ready + add)
    return count + add if ready >= count else count


FORMULAS: dict[Policy, Callable[[Autoscale, float, int, int], int]] = {
    Policy.BACKLOG_PER_CONSUMER: for_each,
    Policy.KEDA: keda,
    Policy.HPA: hpa,
    Policy.STEPS: steps,
}
"""(settings, value, wanted now, ready) -> wanted, whatever the bounds."""


def _is_near(ratio: float, settings: Autoscale) -> bool:
    return abs(1 - ratio) <= settings.tolerance


def _up(need: float) -> int:
    """Rounded up; 6.000000000000001 is 6."""
    return ceil(round(need, 9))


# --- how quickly -----------------------------------------------------------------------------------------------------

QUICKEST = (2, 4, 15 * SECOND)
"""Kubernetes, HPA behavior, scaleUp: at most twice as many, or 4 pods more, in 15 s; whichever is more."""
_BY_KUBERNETES = (Policy.KEDA, Policy.HPA)


@dataclass
class Past:
    """What was recommended, and what was changed, and when."""

    recommended: deque[tuple[Nanos, int]] = field(default_factory=deque)
    changed: deque[tuple[Nanos, int]] = field(default_factory=deque)


def decide(settings: Autoscale, past: Past, now: Nanos, value: float, count: int, ready: int) -> int:
    """The new count: within bounds, up no faster than Kubernetes does, down to the most that was recommended lately."""
    want = FORMULAS[settings.policy](settings, value, count, ready)
    want = min(max(want, settings.min), settings.max)
    _forget(past.recommended, now - settings.scale_down_after)
    past.recommended.append((now, want))
    if want > count and settings.policy in _BY_KUBERNETES:
        want = min(want, most_now(past, now, count))
    elif want < count:
        want = min(count, max(recommended for _, recommended in past.recommended))
    if want != count:
        past.changed.append((now, want - count))
    return want


def most_now(past: Past, now: Nanos, count: int) -> int:
    """How far up it may go at once, from what there was when the period began."""
    times, more, period = QUICKEST
    _forget(past.changed, now - period)
    begun = count - sum(change for _, change in past.changed)
    return max(count, begun * times, begun + more)


def _forget(entries: deque[tuple[Nanos, int]], until: Nanos) -> None:
    while entries and entries[0][0] <= until:
        entries.popleft()


# --- acting ----------------------------------------------------------------------------------------------------------


def appoint_autoscalers(world: World, crews: list[Crew], chunks: list[bytes]) -> None:
    """One for each consumer that has one."""
    for crew in crews:
        settings = crew.plan.autoscale
        if settings is not None:
            reads = [follow(world, crews, chunks, each, settings.every) for each in settings.metric]
            world.env.process(autoscale(world, crew, settings, _sum(reads)))


def _sum(reads: list[Callable[[], float | None]]) -> Callable[[], float | None]:
    def read() -> float | None:
        values = [value for read in reads if (value := read()) is not None and not isnan(value)]
        return sum(values) if values else None

    return read


def autoscale(
    world: World, crew: Crew, settings: Autoscale, read: Callable[[], float | None]
) -> Generator[Event, Any, None]:
    """The story of an autoscaler: every so often it sees a value, as it was a while ago, and acts on it."""
    alarm = Alarm(world.env, world.slots.autoscalers + crew.plan.index)
    past = Past(recommended=deque([(0, crew.plan.count)]))
    seen: deque[float | None] = deque()
    every, lag = settings.every, settings.metric_lag
    act_at = max(1, -(-lag // every)) * every
    see_at = act_at - lag
    while True:
        yield alarm.at(min(see_at, act_at))
        if world.now == see_at:
            seen.append(read())
            see_at += every
        if world.now == act_at:
            value = seen.popleft()
            if value is not None:
                _act(world, crew, decide(settings, past, world.now, value, crew.count, crew.ready()))
            act_at += every


def _act(world: World, crew: Crew, wanted: int) -> None:
    if wanted != crew.count:
        world.journal.write(world.now, -1, crew.plan.index, 0, -1, Kind.SCALED, 0, wanted)
        crew.scale(wanted)
