"""Calls take time: messages on their way to a queue, and what a receive brings on its way to who asked.

It knows when something arrives, and nothing of what it is: that is told by ``producers`` and ``member``.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from qsim.kernel.deadlines import NEVER
from qsim.kernel.message import Credit, Delivery
from qsim.sim.alarm import Reminder
from qsim.sim.port import Port
from qsim.sim.slots import POLL
from qsim.units import Nanos

if TYPE_CHECKING:
    from simpy.core import Environment

    from qsim.sim.member import Member

Load = TypeVar("Load")


class Road(Generic[Load]):
    """What is under way; it arrives in order of time, of one time in order of leaving, and one at a ring."""

    def __init__(self, env: Environment, slot: int, arrive: Callable[[Load], None]) -> None:
        self._under_way: list[tuple[Nanos, int, Load]] = []
        self._arrive = arrive
        self._order = count().__next__
        self._alarm = Reminder(env, slot, self._ring)

    def send(self, arrives: Nanos, load: Load) -> None:
        heappush(self._under_way, (arrives, self._order(), load))
        self._alarm.show(arrives)

    def drop(self, which: Callable[[Load], bool] = lambda load: True) -> None:
        """These do not arrive."""
        self._under_way = [entry for entry in self._under_way if not which(entry[2])]
        heapify(self._under_way)

    @property
    def is_busy(self) -> bool:
        return bool(self._under_way)

    def _ring(self, now: Nanos) -> Nanos:
        if self._next() <= now:
            load = heappop(self._under_way)[2]
            self._alarm.show(self._next())
            self._arrive(load)
        return self._next()

    def _next(self) -> Nanos:
        return self._under_way[0][0] if self._under_way else NEVER


class Transit:
    """Between the ports and one process: what they hand out, or that there is nothing, gets to it later.  What is
    pushed by one port keeps its order.  The lease runs meanwhile."""

    def __init__(self, member: Member) -> None:
        self._member = member
        slot = member.world.slots.work(member.crew.plan.index, member.number, 0, POLL)
        self._road: Road[Any] = Road(member.world.env, slot, self._arrive)
        self._last: dict[Port, Nanos] = {}

    def deliver(self, port: Port, deliveries: list[Delivery], credit: Credit) -> None:
        arrives = self._arrival(port, credit.is_pushed)
        if credit.is_pushed:
            arrives = self._last[port] = max(arrives, self._last.get(port, 0))
        self._road.send(arrives, (port, deliveries, credit))

    def nothing(self, credit: Credit) -> None:
        port = self._member.last_port
        self._road.send(self._arrival(port, is_pushed=False), (port, [], credit))

    @property
    def is_busy(self) -> bool:
        return self._road.is_busy

    def prefers(self, port: Port, credit: Credit) -> Port:
        return self._member.prefers(port, credit)

    def void(self) -> None:
        """The process is no more, or has lost its channel: nobody is there to take it."""
        self._road.drop()

    def _arrival(self, port: Port, is_pushed: bool) -> Nanos:
        return self._member.world.now + receive_takes(self._member, port, is_pushed)

    def _arrive(self, load: tuple[Port, list[Delivery], Credit]) -> None:
        port, deliveries, credit = load
        there = [delivery for delivery in deliveries if delivery.receipt >= port.connected_since]
        if there:
            self._member.deliver(port, there, credit)
        elif not credit.is_pushed:
            self._member.nothing(credit)


def receive_takes(member: Member, port: Port, is_pushed: bool) -> Nanos:
    """How long the answer to the process's next call is under way."""
    if is_pushed or not port.flaws.empty_receive:
        member.calls += 1  # who may find nothing has counted this call already
    return member.world.luck.receive_latency(member.crew.plan, member.number, member.calls, port.queue.index)


class SlowPort(Port):
    """A port whose receives take time: each stands in line, and is answered later."""

    def hand_out(self, client: int, limit: int, timeout: Nanos | None) -> list[Delivery] | None:
        return None
