"""The few SimPy events that a run is made of, used again and again.

They know SimPy's heap and a slot, nothing of queues.  A slot is the priority handed to SimPy: at one instant the
least slot rings first, so no order ever depends on who was scheduled first.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappush
from typing import Any

from simpy.core import Environment
from simpy.events import Event

from qsim.kernel.deadlines import NEVER
from qsim.units import Nanos


class Alarm(Event):
    """It rings at a time, in its slot, and calls ``call`` or wakes the process that yields it.  Never armed while
    armed: who is interrupted takes a new one."""

    def __init__(self, env: Environment, slot: int, call: Callable[[Any], None] | None = None) -> None:
        self.env = env
        self.slot = slot
        self.callbacks = []
        self._ok = True
        self._value = None
        self._defused = False
        self._calls = (call,) if call is not None else None
        self._heap = env._queue
        self._eid = env._eid.__next__

    def at(self, time: Nanos) -> Alarm:
        """Ring then; what ``env.schedule`` does, without its call and its addition."""
        self.callbacks = self._calls or []  # type: ignore[assignment]  # SimPy only walks through them
        heappush(self._heap, (time, self.slot, self._eid(), self))  # type: ignore[misc]
        return self


class Reminder:
    """An alarm that rings early, never late: whoever learns of a deadline shows it, and ``call(now)`` looks what is
    due and answers with the next deadline (NEVER: none)."""

    __slots__ = ("_alarm", "_call", "_env", "_slot", "armed")

    def __init__(self, env: Environment, slot: int, call: Callable[[Nanos], Nanos]) -> None:
        self._env = env
        self._slot = slot
        self._call = call
        self.armed: Nanos = NEVER
        self._alarm: Alarm | None = None

    def show(self, deadline: Nanos) -> None:
        """Something is due then."""
        if deadline < self.armed:
            if self.armed < NEVER or self._alarm is None:
                self._alarm = Alarm(self._env, self._slot, self._ring)  # the later one stays in the heap and is ignored
            self.armed = deadline
            self._alarm.at(deadline)

    def _ring(self, event: Any) -> None:
        if event is self._alarm:
            self.armed = NEVER
            self.show(self._call(self._env.now))  # type: ignore[arg-type]


class Inbox(Event):
    """What a consumer sleeps on; the port runs its callbacks inside the receive, so waking costs no event."""

    def __init__(self, env: Environment) -> None:
        self.env = env
        self.callbacks = None  # type: ignore[assignment]
        self._ok = True
        self._value = None
        self._defused = False

    def wait(self) -> Inbox:
        self.callbacks = []
        return self

    def give(self, value: Any) -> None:
        """Wake who sleeps here, now."""
        self._value = value
        callbacks, self.callbacks = self.callbacks, None  # type: ignore[assignment]
        for callback in callbacks:
            callback(self)
