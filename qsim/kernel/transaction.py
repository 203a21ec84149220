"""A transaction: sends and settlements of one queue that happen together or not at all (ASB-25).

It knows no clock.  Nothing of it happens before the commit; a receive is never part of it, and what it settles stays
locked all the while, by a lock that runs.  A rollback leaves every message where it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qsim.kernel.broker import Broker
from qsim.kernel.journal import Cause, Place
from qsim.kernel.message import Delivery
from qsim.units import MINUTE, Nanos

MOST = 100
"""Messages in one transaction."""
TIMEOUT = 2 * MINUTE
"""So long after its first call it is rolled back."""


class Transaction:
    """``entity``: the queue that it belongs to, known from its first call; a send elsewhere goes ``via`` that one."""

    def __init__(self, broker: Broker, begun: Nanos) -> None:
        self._broker = broker
        self._begun = begun
        self._sends: list[tuple[str, dict[str, Any]]] = []
        self._settlements: list[tuple[Delivery, Callable[[Nanos], Cause]]] = []
        self.entity: str | None = None
        self.is_over = False

    def send(self, queue: str, via: str | None = None, **message: Any) -> Cause:
        """A send, seen by nobody before the commit."""
        if cause := self._refusal(via or queue):
            return cause
        self._sends.append((queue, message))
        return Cause.NONE

    def settle(self, delivery: Delivery, call: Callable[[Nanos], Cause]) -> Cause:
        """``call`` is made at the commit: ``lambda now: broker.ack(now, delivery)``, or another settlement."""
        if cause := self._refusal(delivery.message.queue.name):
            return cause
        self._settlements.append((delivery, call))
        return Cause.NONE

    def _refusal(self, queue: str) -> Cause:
        if self.is_over:
            return Cause.NOT_ALLOWED
        if len(self._sends) + len(self._settlements) >= MOST:
            return Cause.TOO_MANY
        if self.entity is not None and queue != self.entity:
            return Cause.NOT_ALLOWED
        self.entity = queue
        return Cause.NONE

    def commit(self, now: Nanos) -> Cause:
        """All of it, or nothing: NONE, or the first reason why not."""
        if self.is_over:
            return Cause.NOT_ALLOWED
        self._broker.wake(now - 1)
        self.is_over = True
        if cause := self._why_not(now):
            return cause
        answers = [call(now) for _, call in self._settlements]
        answers += [self._broker.send(now, queue, **message) for queue, message in self._sends]
        assert all(answer in (Cause.NONE, Cause.DUPLICATE_ID) for answer in answers)
        return Cause.NONE

    def rollback(self) -> None:
        """Nothing has happened; what was received stays locked until its lock runs out."""
        self.is_over = True

    def _why_not(self, now: Nanos) -> Cause:
        if now > self._begun + TIMEOUT:
            return Cause.OUT_OF_RANGE
        for delivery, _ in self._settlements:
            message = delivery.message
            if message.receipt != delivery.receipt or message.place is not Place.LEASED:
                return Cause.NOT_IN_FLIGHT
        return self._why_not_sent(now)

    def _why_not_sent(self, now: Nanos) -> Cause:
        room: dict[str, int] = {}
        for name, message in self._sends:
            queue = self._broker.queues[name]
            size = message.get("size", 0)
            room[name] = room.get(name, 0) + 1
            if cause := queue.send_refusal(now, message):
                return cause
            if queue.is_full(size, room[name]):
                return Cause.FULL
        return Cause.NONE
