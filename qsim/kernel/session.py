"""What a client holds: deliveries not settled, credits not used and calls not committed, across queues.

It knows no rule: what becomes of what a dead client held is decided by each queue's profile.
"""

from __future__ import annotations

from itertools import takewhile
from typing import Any, NamedTuple

from qsim.kernel.journal import Cause
from qsim.kernel.message import Credit, Delivery
from qsim.kernel.queue import Queue
from qsim.units import Nanos


class Sending(NamedTuple):
    """A send to a queue, or a publish to a topic, with its labels."""

    name: str
    is_topic: bool
    labels: dict[str, Any]


class Settling(NamedTuple):
    """An ack; or a nack (``requeue``, ``failed``); or, without requeue, a reject."""

    delivery: Delivery
    is_ack: bool
    requeue: bool = False
    failed: bool = True

    def do(self, now: Nanos) -> Cause:
        queue = self.delivery.message.queue
        if self.is_ack:
            return queue.ack(now, self.delivery)
        return queue.nack(now, self.delivery, 0, self.failed) if self.requeue else queue.reject(now, self.delivery)


class Session:
    """``held`` in order of receiving: receipt -> delivery.  ``uncommitted``: the calls of a transaction so far; None:
    there is none."""

    __slots__ = ("credits", "held", "uncommitted")

    def __init__(self) -> None:
        self.held: dict[int, Delivery] = {}
        self.credits: dict[Credit, Queue] = {}
        self.uncommitted: list[Sending | Settling] | None = None

    def up_to(self, delivery: Delivery) -> list[Delivery]:
        """Everything held that was received before a delivery, and that one."""
        return list(takewhile(lambda held: held.receipt <= delivery.receipt, self.held.values()))


class Sessions(dict[int, Session]):
    """Sessions by client number, made when first asked for."""

    def __missing__(self, client: int) -> Session:
        session = self[client] = Session()
        return session
