"""Auto-forward: what enters a queue is moved on to another at once (ASB-26).

It knows names, no clock.  What cannot be moved (the other queue is full or wants a session, or it has been moved too
often) is dead-lettered where it stands (ASB-16).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qsim.kernel.journal import Cause, Kind, Place

if TYPE_CHECKING:
    from qsim.kernel.message import Message
    from qsim.kernel.queue import Queue
from qsim.units import Nanos


def pass_on(queue: Queue, now: Nanos, target: Queue) -> None:
    """Move everything that is ready, in order; a chain of queues moves it further."""
    while (message := queue.ready.pop()) is not None:
        if cause := why_not(message, target, queue.profile.max_hops):
            queue.dead_letter(now, message, cause)
        else:
            queue.end(now, message, Kind.MOVED_OUT, Place.READY, target.index)
            target.arrive(now, message, queue.index, 0, hops=message.hops + 1)


def why_not(message: Message, target: Queue, max_hops: int) -> Cause:
    """NONE: it can be moved there."""
    if message.hops >= max_hops:
        return Cause.HOPS
    if target.is_full(message.size):
        return Cause.FULL
    return Cause.NO_GROUP if target.profile.needs_group and message.group is None else Cause.NONE
