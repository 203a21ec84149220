"""Deferral: a message that its receiver cannot work on yet is set aside, and only its number finds it (ASB-13).

It knows no clock.  Time does not strike what is set aside: whether it is out of date is asked when it is fetched.  A
message that was fetched and given back is set aside again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qsim.kernel import session_lock
from qsim.kernel.journal import NOBODY, Cause, Kind, Place
from qsim.kernel.message import Delivery, Message
from qsim.units import Nanos

if TYPE_CHECKING:
    from qsim.kernel.queue import Queue


def defer(now: Nanos, delivery: Delivery) -> Cause:
    """Set a message aside.  After its last delivery there is none for which it could be kept (ASB-15)."""
    message = delivery.message
    queue = message.queue
    if cause := queue.why_lost(now, delivery):
        return cause
    message.is_set_aside = True
    queue.come_back(now, message, Kind.DEFERRED_)
    return Cause.NONE


def set_aside(queue: Queue, message: Message) -> None:
    """Where a message that comes back goes, once it has been deferred."""
    message.place = Place.DEFERRED
    queue.deferred += 1
    queue.set_aside[message.number_here] = message


def fetch(queue: Queue, now: Nanos, client: int, number: int) -> Delivery | None:
    """The message that was set aside under this number; None if there is none, or it is out of date."""
    message = queue.set_aside.get(number)
    if message is None or message.place is not Place.DEFERRED:
        return None
    lock = None
    if isinstance(queue.ready, session_lock.BySession):
        lock = session_lock.lock_of(queue, client)
        if lock is None or lock.session != message.group:
            return None
    del queue.set_aside[number]
    message.place = Place.READY
    queue.deferred -= 1
    queue.visible += 1
    queue.write(now, message, NOBODY, Kind.FETCHED)
    if message.expires is not None and message.expires <= now:
        queue.let_expire(now, message)
        return None
    if lock is not None:
        return session_lock.hold(lock, now, message, None, 1)
    return queue.lease(now, message, client, None, 1)
