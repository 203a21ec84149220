"""The timeline: planned faults and changes, each a process that acts on clients and queues at its time.

It knows what can be done to whom; what follows from it is told elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from simpy.events import Event

from qsim.kernel.journal import NOBODY, Kind
from qsim.scenario.plan import Control, Crash, FixPoison, Pause, Purge, Redrive, Restart, Set, Slow
from qsim.sim import restarts
from qsim.sim.alarm import Alarm
from qsim.sim.consumers import Crew
from qsim.sim.port import find_peers
from qsim.sim.producers import NUMBER_BITS, Maker
from qsim.sim.slow_down import Brake
from qsim.sim.world import World
from qsim.units import SECOND


@dataclass(frozen=True)
class Cast:
    """Who can be acted on."""

    world: World
    crews: list[Crew]
    makers: list[list[Maker]]
    """By entry of ``producers:``."""
    brakes: list[Brake]
    """One an entry."""


def control(cast: Cast, index: int, entry: Control) -> Generator[Event, Any, None]:
    """The story of one timeline entry: at its time it acts, and, where it has a length, takes back."""
    world = cast.world
    alarm = Alarm(world.env, world.slots.timeline + index)
    yield alarm.at(entry.at)
    world.journal.write(world.now, -1, index, 0, -1, Kind.CONTROL)
    for action in entry.actions:
        if isinstance(action, Redrive):
            yield from redrive(cast, alarm, action)
        else:
            DO[type(action)](cast, action, True)
    if entry.length is None:
        return
    yield alarm.at(max(world.now, entry.at + entry.length))
    world.journal.write(world.now, -1, index, 0, -1, Kind.CONTROL_END)
    for action in reversed(entry.actions):
        DO[type(action)](cast, action, False)


def redrive(cast: Cast, alarm: Alarm, action: Redrive) -> Generator[Event, Any, None]:
    """Messages back from a dead-letter queue, oldest first; at a rate, one by one, until it is empty."""
    world = cast.world
    source, to = world.ports[action.from_], world.ports[action.to]
    rate = action.rate
    most = source.queue.profile.redrive_rate
    if most is not None:
        rate = Fraction(most) if rate is None else min(rate, Fraction(most))
    start, moved, step = world.now, 0, action.limit if rate is None else 1
    while source.queue.redrive(world.now, to.queue, step):
        moved += 1
        source.after(at_once=False)
        to.after(at_once=False)
        if rate is None or moved == action.limit:
            return
        yield alarm.at(start + round(moved * SECOND / rate))


def _crash(cast: Cast, action: Crash, begins: bool) -> None:
    if begins:
        cast.crews[action.consumer].crash(action.count)


def _pause(cast: Cast, action: Pause, begins: bool) -> None:
    if action.consumer is not None:
        cast.crews[action.consumer].pause(begins)
    if action.producer is not None:
        for maker in cast.makers[action.producer]:
            maker.pause(begins)


def _slow(cast: Cast, action: Slow, begins: bool) -> None:
    """What begins takes longer; what has begun takes as long as it takes."""
    by = action.by if begins else 1 / action.by
    if action.consumer is not None:
        cast.crews[action.consumer].slow_down(by)
    if action.dependency is not None:
        cast.world.dependencies[action.dependency].pace *= by


def _purge(cast: Cast, action: Purge, begins: bool) -> None:
    if begins:
        port = cast.world.ports[action.queue]
        port.queue.purge(cast.world.now)
        port.after(at_once=False)


def _restart(cast: Cast, action: Restart, begins: bool) -> None:
    (restarts.go_away if begins else restarts.come_back)(cast.world, cast.crews, action.queue)


def _fix_poison(cast: Cast, action: FixPoison, begins: bool) -> None:
    """It heals what has been sent; later messages may be poison again."""
    world = cast.world
    if not begins:
        return
    world.journal.write(world.now, -1, NOBODY, 0, -1 if action.queue is None else action.queue, Kind.HEALED)
    origins = world.originals.origins
    healed = {number for number in world.poison if action.queue in (None, origins[number >> NUMBER_BITS].to)}
    world.poison -= healed  # the set itself: everybody looks at it


def put(cast: Cast, action: Set, begins: bool) -> None:
    """The new value; or the one before."""
    SET[action.what](cast, action.index, action.value if begins else action.before)


def _set_rate(cast: Cast, index: int, value: Any) -> None:
    for maker in cast.makers[index]:
        maker.set_rate(value)


def _set_prefetch(cast: Cast, index: int, value: Any) -> None:
    crew = cast.crews[index]
    crew.change(prefetch=value)
    for member in crew.members:
        member.resubscribe()


def _set_queue(field: str) -> Callable[[Cast, int, Any], None]:
    def change(cast: Cast, index: int, value: Any) -> None:
        port = cast.world.ports[index]
        port.queue.configure(replace(port.queue.profile, **{field: value}))
        port.look_at_profile()
        find_peers(cast.world.ports, cast.world.broker)
        port.after(at_once=False)

    return change


DO: dict[type[Any], Callable[[Cast, Any, bool], None]] = {
    Set: put,
    Crash: _crash,
    Pause: _pause,
    Purge: _purge,
    Slow: _slow,
    FixPoison: _fix_poison,
    Restart: _restart,
    Redrive: lambda cast, action, begins: None,
}
SET: dict[str, Callable[[Cast, int, Any], None]] = {
    "rate": _set_rate,
    "slow_down": lambda cast, index, value: cast.brakes[index].set(value),
    "count": lambda cast, index, value: cast.crews[index].set_count(value),
    "service": lambda cast, index, value: cast.crews[index].change(service=value),
    "failures": lambda cast, index, value: cast.crews[index].change(failures=value),
    "prefetch": _set_prefetch,
    "visibility_timeout": _set_queue("visibility_timeout"),
    "capacity": _set_queue("capacity"),
    "dlq": _set_queue("dlq"),
}

