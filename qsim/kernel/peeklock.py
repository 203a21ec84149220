"""What a client of a broker with peek-lock calls beside send, receive, ack and nack (Azure Service Bus): scheduling,
renewing, dead-lettering, deferring, sessions, and leaving.

It knows the broker's calls and no rule: each decides in the queue, or in ``deferral`` and ``session_lock``.  A settling
call at the instant at which a lock ends comes before that, a receiving one after it (SCENARIO.md rule 6).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

from qsim.kernel import deferral, session_lock
from qsim.kernel.broker import Broker, Client
from qsim.kernel.journal import Cause, Kind, Place
from qsim.kernel.message import Deliveries, Delivery
from qsim.kernel.session_lock import SessionLock
from qsim.units import Nanos

REASON, DESCRIPTION = "DeadLetterReason", "DeadLetterErrorDescription"
"""Attributes of a message that an application has dead-lettered (ASB-16)."""


def delivery_count(delivery: Delivery) -> int:
    """As the application reads it: 1 at first, one more after each delivery that counted; in a dead-letter queue what
    it was before (ASB-9, ASB-15)."""
    message = delivery.message
    return message.count_before if message.queue.profile.is_subqueue else delivery.attempt - message.carried


# --- sending -------------------------------------------------------------------------------------------------------------


def schedule(broker: Broker, now: Nanos, queue: str, delay: Nanos, **message: Any) -> tuple[Cause, int | None]:
    """Send for later; the number by which it can be cancelled until then (ASB-3)."""
    answer = broker.send(now, queue, delay=delay, **message)
    made = broker.queues[queue].newest
    if answer is not Cause.NONE or made is None or made.place is not Place.DELAYED:
        return answer, None
    broker.queues[queue].scheduled[made.number_here] = made
    return answer, made.number_here


def cancel(broker: Broker, now: Nanos, queue: str, number: int) -> Cause:
    """Take back what was scheduled; NO_MESSAGE once it is due (ASB-3)."""
    broker.wake(now - 1)
    where = broker.queues[queue]
    message = where.scheduled.pop(number, None)
    if message is None or message.place is not Place.DELAYED:
        return Cause.NO_MESSAGE
    where.end(now, message, Kind.PURGED, Place.DELAYED)
    return Cause.NONE


# --- settling ----------------------------------------------------------------------------------------------------------


def renew(broker: Broker, now: Nanos, delivery: Delivery) -> Cause:
    """The lock lasts its whole duration again, from now (ASB-11)."""
    return broker.extend(now, delivery, delivery.message.queue.profile.visibility_timeout or 1)


def dead_letter(
    broker: Broker, now: Nanos, delivery: Delivery, reason: str | None = None, description: str | None = None
) -> Cause:
    """By the application, with its own words (ASB-16)."""
    broker.wake(now - 1)
    message = delivery.message
    told = {name: text for name, text in ((REASON, reason), (DESCRIPTION, description)) if text is not None}
    before = message.attributes
    if told:
        message.attributes = {**(before or {}), **told}
    answer = message.queue.reject(now, delivery, Cause.BY_APPLICATION)
    if answer is not Cause.NONE:
        message.attributes = before
    broker.look(now)
    return answer


def defer(broker: Broker, now: Nanos, delivery: Delivery) -> Cause:
    """Set aside: from now on only ``fetch`` finds it (ASB-13)."""
    broker.wake(now - 1)
    answer = deferral.defer(now, delivery)
    broker.look(now)
    return answer


def fetch(broker: Broker, now: Nanos, queue: str, consumer: Client, numbers: Iterable[int]) -> Deliveries:
    """Receive what was deferred, by its numbers; what is not there is left out (ASB-13)."""
    broker.wake(now)
    client = broker.client_number(consumer)
    found = (deferral.fetch(broker.queues[queue], now, client, number) for number in numbers)
    answer = Deliveries(delivery for delivery in found if delivery is not None)
    broker.look(now)
    return answer


def receive_and_delete(broker: Broker, now: Nanos, queue: str, consumer: Client, limit: int = 1) -> Deliveries:
    """Settled as it is handed out: lost with whoever dies before his work is done (ASB-5)."""
    answer = broker.receive(now, queue, consumer, limit)
    for delivery in answer:
        broker.ack(now, delivery)
    return answer


# --- sessions ------------------------------------------------------------------------------------------------------------


def accept_session(broker: Broker, now: Nanos, queue: str, consumer: Client, session: Hashable = None) -> SessionLock | Cause:
    """Lock a session, or the next one that has messages; SESSION_LOCKED, NO_SESSION: why not (ASB-20)."""
    broker.wake(now)
    answer = session_lock.accept(broker.queues[queue], now, broker.client_number(consumer), session)
    broker.look(now)
    return answer


def renew_session(broker: Broker, now: Nanos, lock: SessionLock) -> Cause:
    """All of it, from now (ASB-21)."""
    broker.wake(now - 1)
    answer = session_lock.renew(lock, now)
    broker.look(now)
    return answer


def close_session(broker: Broker, now: Nanos, lock: SessionLock) -> Cause:
    """Give it up: what is in flight comes back uncounted (ASB-21)."""
    broker.wake(now - 1)
    answer = session_lock.close(lock, now)
    broker.look(now)
    return answer


# --- leaving ---------------------------------------------------------------------------------------------------------------


def leave(broker: Broker, now: Nanos, consumer: Client) -> None:
    """Close a client's links in good order: its sessions are free, what it had only buffered comes back uncounted;
    the locks of the rest run out, and cannot be used any more (ASB-12)."""
    broker.wake(now - 1)
    client = broker.client_number(consumer)
    for queue in broker.queues.values():
        if isinstance(queue.ready, session_lock.BySession) and (lock := session_lock.lock_of(queue, client)):
            session_lock.close(lock, now)
    for delivery in list(broker.sessions[client].held.values()):
        message = delivery.message
        if message.credit is not None and not message.is_taken:
            message.queue.give_back_uncounted(now, message)
    broker.forget(now, client)
