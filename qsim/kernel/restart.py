"""A broker that goes away and comes again: what its queue has lost by that, and what it has again.

It knows one queue and no clock.  That nobody can call it meanwhile is the driver's business, and so is not waking it:
what time would have done it does late, when the queue is back.  Lost are messages that were not written down
(``is_durable``, ``fsync_every``), and every connection.  An operator's purge or a dead-letter move is taken to be
written at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qsim.kernel.journal import Cause, Kind, Place
from qsim.kernel.message import Delivery, Message
from qsim.kernel.profile import OnCrash
from qsim.kernel.session_lock import BySession, orphan
from qsim.units import Nanos

if TYPE_CHECKING:
    from qsim.kernel.broker import Broker
    from qsim.kernel.queue import Queue


class Unsynced:
    """What was acked since the last fsync: these acks are lost with the broker, and their messages are back
    (RED-19: so are LREM, XACK, and a pop).  From now on it notes what the queue's ``ack`` deletes."""

    def __init__(self, queue: Queue, every: Nanos) -> None:
        self._ack = queue.ack
        self._every = every
        self._synced: Nanos = 0
        self._acked: list[Message] = []
        queue.ack = self.ack  # type: ignore[method-assign]

    def ack(self, now: Nanos, delivery: Delivery, together: int = -1) -> Cause:
        answer = self._ack(now, delivery, together)
        if answer is Cause.NONE:
            self._sync(now)
            self._acked.append(delivery.message)
        return answer

    def take(self, now: Nanos) -> list[Message]:
        """All of them, in order of their acks."""
        self._sync(now)
        acked, self._acked = self._acked, []
        return acked

    def _sync(self, now: Nanos) -> None:
        synced = last_sync(now, self._every)
        if synced > self._synced:
            self._synced, self._acked = synced, []


def last_sync(now: Nanos, every: Nanos) -> Nanos:
    """Ours: the disk is written at whole multiples, before anything else of that instant."""
    return now // every * every


def go_away(broker: Broker, queue: Queue, now: Nanos, unsynced: Unsynced | None = None) -> None:
    """The broker stops here and now; what is said of the queue from now on is what it will find when it is back."""
    queue.mark(now, Kind.AWAY)
    acked = unsynced.take(now) if unsynced is not None else []
    for message in _not_written(queue, now):
        queue.forget_id(message)
        queue.lose(now, message)
    every = queue.profile.fsync_every
    if every is not None and queue.profile.is_durable:
        _undo(queue, now, last_sync(now, every), acked)
    _cut_off(broker, queue, now)


def come_back(queue: Queue, now: Nanos) -> None:
    """What was due before now has waited for the broker; what is due now has its turn in this instant."""
    queue.mark(now, Kind.BACK)
    queue.end_leases(now - 1, noticed=now)
    queue.end_timers(now - 1, noticed=now)
    queue.put_off_waits(now)


def _not_written(queue: Queue, now: Nanos) -> list[Message]:
    """What a restart does not find again, the oldest first.  What was popped is with its client."""
    profile = queue.profile
    if profile.is_durable and profile.fsync_every is None:
        return []
    since = 0 if not profile.is_durable or profile.fsync_every is None else last_sync(now, profile.fsync_every)
    is_popped = profile.on_crash is OnCrash.LOSES
    there = (m for m in queue.messages() if m.entered >= since and not (is_popped and m.place is Place.LEASED))
    return sorted(there, key=lambda message: message.rank)


def _undo(queue: Queue, now: Nanos, synced: Nanos, acked: list[Message]) -> None:
    """Deliveries and acks that were not written: the message is there again.  What is popped was deleted then; its
    ack is none to the broker."""
    is_popped = queue.profile.on_crash is OnCrash.LOSES
    for message in _held(queue):
        if message.leased_at >= synced:
            queue.duplicate(now, held(message))
    for message in acked:
        if message.entered < synced and (message.leased_at >= synced or not is_popped):
            queue.restore(now, message)


def _cut_off(broker: Broker, queue: Queue, now: Nanos) -> None:
    """Connections are lost.  Where a lease is a connection's, what it held is back (RMQ-34, AMQ-19), or cannot be
    settled any more (ASB-12); a lease that is a time goes on (SQS-33, RED-14)."""
    if isinstance(queue.ready, BySession):
        for client in list(queue.ready.of_client):
            orphan(queue, client)
    if queue.profile.on_crash not in (OnCrash.RETURNS, OnCrash.ORPHANS):
        return
    with queue.together(now):
        for message in _held(queue):
            delivery = held(message)
            queue.release(now, delivery)
            broker.sessions[delivery.client].held.pop(delivery.receipt, None)


def _held(queue: Queue) -> list[Message]:
    """What clients have, in order of receiving."""
    return sorted((m for m in queue.messages() if m.place is Place.LEASED), key=lambda message: message.receipt)


def held(message: Message) -> Delivery:
    return Delivery(message, message.receipt, message.receives, message.client)
