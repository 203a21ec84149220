"""What a client holds: deliveries not settled and credits not used, across queues.

It knows no rule: what becomes of what a dead client held is decided by each queue's profile.
"""

from __future__ import annotations

from qsim.kernel.message import Credit, Delivery
from qsim.kernel.queue import Queue


class Session:
    """``held`` in order of receiving: receipt -> delivery."""

    __slots__ = ("credits", "held")

    def __init__(self) -> None:
        self.held: dict[int, Delivery] = {}
        self.credits: dict[Credit, Queue] = {}


class Sessions(dict[int, Session]):
    """Sessions by client number, made when first asked for."""

    def __missing__(self, client: int) -> Session:
        session = self[client] = Session()
        return session
