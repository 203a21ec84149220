"""Closed loops: clients who think, ask, wait for their answer, and think again.

It knows who thinks until when and who waits for which message.  What an answer is, a broker's or a reply, is told by
``producers`` and ``replies``.  However many clients there are, they are one heap and one alarm.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush

from qsim.kernel.deadlines import NEVER
from qsim.scenario.plan import ProducerPlan
from qsim.sim.alarm import Reminder
from qsim.sim.world import World
from qsim.units import Nanos


class ClosedLoop:
    """The clients of one producer.  Each is in exactly one place: in ``thinking``, or in ``asking``, by the number of
    the message that it waits for; after the producer's stop, or its limit, nowhere any more."""

    def __init__(self, world: World, plan: ProducerPlan, i: int, slot: int, send: Callable[[], int]) -> None:
        """``send`` makes the next message and sends it; it answers with how many there are then."""
        assert plan.clients is not None
        self._world = world
        self._plan = plan
        self._i = i
        self._send = send
        self._sent = 0
        self._requests = [0] * plan.clients.count
        self.is_paused = False
        self.thinking: list[tuple[Nanos, int]] = []
        self.asking: dict[int, int] = {}
        self._alarm = Reminder(world.env, slot, self._ask)

    def start(self) -> None:
        for client in range(len(self._requests)):
            self._think(client, self._plan.start)

    def answered(self, k: int) -> None:
        """Whoever waits for message k has an answer, or will get none."""
        client = self.asking.pop(k, None)
        if client is not None:
            self._think(client, self._world.now)

    def pause(self, is_paused: bool) -> None:
        """Who has done thinking while it is paused asks when it goes on."""
        self.is_paused = is_paused
        self._alarm.show(self._next())

    def _think(self, client: int, since: Nanos) -> None:
        n = self._requests[client]
        self._requests[client] = n + 1
        heappush(self.thinking, (since + self._world.luck.think(self._plan, self._i, client, n), client))
        self._alarm.show(self._next())

    def _next(self) -> Nanos:
        if self.is_paused or self._world.is_over or not self.thinking or self._sent == self._plan.limit:
            return NEVER
        due = max(self.thinking[0][0], self._world.now)
        return due if due < self._plan.stop else NEVER

    def _ask(self, now: Nanos) -> Nanos:
        """One client; who else has done thinking is armed first."""
        if self._next() > now:
            return self._next()
        _, client = heappop(self.thinking)
        self.asking[self._sent] = client
        self._alarm.show(self._next())
        self._sent = self._send()
        return self._next()
