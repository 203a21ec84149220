"""The client of a broker that leaves redelivery to its clients: JMS sessions and their consumers, and subscriptions by
STOMP (ActiveMQ).

It knows no clock and no other client.  A message that was pushed to a consumer is in its ``buffer``, or ``later`` (put
back until a delay is over), or ``delivered`` to the application; for the broker it is in flight all the while.  Whoever
calls looks after the broker's own time, and puts what the broker pushes into the consumer that owns the credit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from qsim.kernel.dispatch import Consumers, subscribe
from qsim.kernel.journal import Cause, Place
from qsim.kernel.message import Credit, Delivery
from qsim.kernel.queue import Queue
from qsim.kernel.redelivery import UNLESS_SAID, AckMode, Redelivery
from qsim.units import Nanos

if TYPE_CHECKING:
    from qsim.kernel.broker import Broker


class Copy:
    """A message as its client has it: ``count`` is what the application reads, the first time 1 (AMQ-16)."""

    __slots__ = ("_known", "consumer", "count", "delivery")

    def __init__(self, delivery: Delivery, consumer: Consumer) -> None:
        self.delivery = delivery
        self.consumer = consumer
        self._known = delivery.message.redeliveries
        self.count = self._known + 1

    @property
    def is_redelivered(self) -> bool:
        return self.count > 1

    @property
    def was_got(self) -> bool:
        """Whether this client's application has had it before."""
        return self.count > self._known + 1

    @property
    def is_in_flight(self) -> bool:
        """Whether it is still this client's, for the broker."""
        return self.delivery.message.receipt == self.delivery.receipt and self.delivery.message.place is Place.LEASED

    def is_used_up(self, most: int | None) -> bool:
        """The broker itself has handed it out too often: to consumers that are gone (AMQ-16)."""
        return most is not None and self._known > most

    def expires_before(self, now: Nanos) -> bool:
        expires = self.delivery.message.expires
        return expires is not None and expires <= now


class Consumer:
    """One subscription of a session.  ``opens_at``: nothing is taken from the buffer before (AMQ-15)."""

    def __init__(self, session: Session, queue: Queue, credit: Credit) -> None:
        assert isinstance(queue.waiting, Consumers)
        self.session = session
        self.queue = queue
        self.credit = credit
        self.buffer: deque[Copy] = deque()
        self.later: deque[tuple[Nanos, list[Copy]]] = deque()
        self.delivered: list[Copy] = []
        self.held: dict[int, Copy] = {}
        """All that the broker counts as in flight here, in the order of its pushing."""
        self.opens_at: Nanos = 0
        self.last_delivered: Copy | None = None
        self.is_leaving = self.is_closed = False
        self._window = queue.waiting
        self._untold = 0
        """Handed to the application, and not told to the broker yet; below 0: told, and put back (AMQ-7)."""
        self._delay: Nanos = 0
        credit.owner = self

    def put(self, now: Nanos, deliveries: Iterable[Delivery]) -> None:
        """The broker has pushed."""
        self._put_back_due(now)
        for delivery in deliveries:
            if not self.is_closed:
                copy = self.held[delivery.receipt] = Copy(delivery, self)
                self.buffer.append(copy)
                if self.session.acks_at_once:
                    self._ack(now, [copy])

    def receive(self, now: Nanos) -> Copy | None:
        """The application asks for a message, without waiting.  AUTO: it is acked as it is returned."""
        copy = self.take(now)
        if copy is not None and self.session.mode is AckMode.AUTO:
            self.done(now, [copy])
        return copy

    def take(self, now: Nanos) -> Copy | None:
        """A listener is called with a message; ``done`` or ``rollback`` when it has returned."""
        self._put_back_due(now)
        while self.buffer and now >= self.opens_at and not self.is_closed:
            copy = self.buffer.popleft()
            if self.session.is_jms and copy.expires_before(now):
                self._let_expire(now, copy)
            elif self.session.mode is AckMode.TRANSACTED and copy.is_used_up(self.session.redelivery.most):
                self._poison(now, [copy])
            else:
                self._hand_over(now, copy)
                return copy
        return None

    def can_take(self, now: Nanos) -> bool:
        """Whether something can be taken now, if it has not expired."""
        due = self.wake_at()
        return due is not None and due <= now

    def wake_at(self) -> Nanos | None:
        """When a message that is here can be taken; None: there is none."""
        return max(self.opens_at, 0) if self.buffer else self.later[0][0] if self.later else None

    def pull(self) -> None:
        """Ask the broker for one, where nothing is pushed without being asked for (AMQ-5)."""
        if not self.credit.limit and not self.buffer:
            self._window.allow(self.credit, 1)

    def stop_pulling(self) -> None:
        if not self.credit.limit:
            self._window.allow(self.credit, 0)

    def _put_back_due(self, now: Nanos) -> None:
        while self.later and self.later[0][0] <= now:
            self.buffer.extend(self.later.popleft()[1])

    def _hand_over(self, now: Nanos, copy: Copy) -> None:
        if copy.count - 1 > copy.delivery.message.redeliveries and copy.is_in_flight:
            copy.delivery = self.queue.redeliver(now, copy.delivery)
        self.queue.take(now, copy.delivery)
        self.last_delivered = copy
        self.delivered.append(copy)
        self._tell()

    def _tell(self) -> None:
        """Half of the prefetch is in the application's hands: so many more may come (AMQ-7)."""
        if not self.session.tells:
            return
        self._untold += 1
        if self._untold * 2 >= self.credit.limit:
            self._window.expand(self.credit, self._untold)
            self._untold = 0

    def _let_expire(self, now: Nanos, copy: Copy) -> None:
        """It was in the buffer too long (AMQ-22)."""
        self.last_delivered = copy
        if self.session.mode is AckMode.TRANSACTED:
            self._tell()
        self.held.pop(copy.delivery.receipt, None)
        if copy.is_in_flight:
            self.queue.let_expire(now, copy.delivery.message)
            self._window.contract(self.credit)

    # --- settling ---------------------------------------------------------------------------------------------------

    def done(self, now: Nanos, copies: Iterable[Copy]) -> None:
        """These are acked."""
        copies = list(copies)
        gone = set(map(id, copies))
        self.delivered = [copy for copy in self.delivered if id(copy) not in gone]
        self._ack(now, copies)

    def acknowledge(self, now: Nanos) -> None:
        """All that the application has got are acked."""
        delivered, self.delivered = self.delivered, []
        self._untold = max(0, self._untold - len(delivered)) if delivered else self._untold
        self._ack(now, delivered)

    def commit(self, now: Nanos) -> None:
        self.acknowledge(now)
        self._delay = 0  # AMQ-17: as if nothing had failed yet

    def _ack(self, now: Nanos, copies: Iterable[Copy]) -> None:
        for copy in copies:
            self.held.pop(copy.delivery.receipt, None)
            if not self.queue.ack(now, copy.delivery):
                self._window.contract(self.credit)

    def poison(self, now: Nanos, copies: list[Copy]) -> None:
        """The application refuses them for good: to the dead-letter queue at once (AMQ-12)."""
        gone = set(map(id, copies))
        self.delivered = [copy for copy in self.delivered if id(copy) not in gone]
        self._poison(now, copies, Cause.REJECTED)

    def _poison(self, now: Nanos, copies: list[Copy], why: Cause = Cause.MAX_RECEIVES) -> None:
        for copy in copies:
            self.held.pop(copy.delivery.receipt, None)
            self.queue.reject(now, copy.delivery, why)
        self._window.contract(self.credit)

    def undo(self, now: Nanos) -> None:
        """What a transaction has got comes again: the broker's window shrinks first (AMQ-7)."""
        self._untold = max(0, self._untold - len(self.delivered)) if self.delivered else self._untold
        for _ in self.delivered:
            self._window.contract(self.credit)
        self.rollback(now)

    def rollback(self, now: Nanos) -> None:
        """All that the application has got and not acked comes again, here: first in the buffer, after a delay in which
        nothing else comes; or, where that does not block, behind what is in the buffer then (AMQ-15).  Too often: the
        whole batch is poison (AMQ-16, AMQ-18)."""
        batch, self.delivered = self.delivered, []
        if not batch:
            return
        policy = self.session.redelivery
        self._delay = policy.next_delay(self._delay) if batch[-1].is_redelivered else policy.initial_delay
        self._untold -= len(batch)
        for copy in batch:
            copy.count += 1
        if policy.most is not None and batch[-1].count - 1 > policy.most:
            self._delay = 0
            if poison := self._pushed_between(batch[0], batch[-1]):
                self._poison(now, poison)
        else:
            self._keep(now, batch)

    def _pushed_between(self, first: Copy, last: Copy) -> list[Copy]:
        """What the broker takes for poison: it is told the first and the last, and looks through what it has pushed.
        Where the first is acked already it finds nothing, and all stay in flight (AMQ-18)."""
        found: list[Copy] = []
        for copy in self.held.values():
            if copy is first or found:
                found.append(copy)
            if copy is last:
                break
        return found

    def _keep(self, now: Nanos, batch: list[Copy]) -> None:
        for copy in batch:
            self.queue.put_off(now, copy.delivery, self._delay)
        if self.session.redelivery.is_blocking:
            self.buffer.extendleft(reversed(batch))
            self.opens_at = now + self._delay
        else:
            self.later.append((now + self._delay, batch))
            self.later = deque(sorted(self.later, key=lambda each: each[0]))

    # --- going ------------------------------------------------------------------------------------------------------

    def stop(self, now: Nanos) -> None:
        """It wants nothing more: what the application has not got, or has to get again, goes back."""
        self.queue.cancel(self.credit)
        out = set(map(id, self.delivered))
        back = [copy for copy in self.held.values() if id(copy) not in out]
        self.held = {copy.delivery.receipt: copy for copy in self.delivered}
        self.buffer.clear()
        self.later.clear()
        for copy in back:
            self.queue.give_back(now, copy.delivery, counts=copy.was_got)

    def close(self, now: Nanos) -> None:
        """In order.  Of a transaction under way, when that ends."""
        if self.session.mode is AckMode.TRANSACTED and self.delivered:
            self.is_leaving = True
        else:
            self.leave(now, self.last_delivered)

    def leave(self, now: Nanos, last: Copy | None) -> None:
        """What is unsettled goes back to the front of the queue, in order; up to the last one that the application got
        it counts as a delivery (AMQ-19)."""
        self.is_closed = True
        self.queue.cancel(self.credit)
        held, self.held = list(self.held.values()), {}
        counts = last is not None and any(copy is last for copy in held)
        for copy in held:
            self.queue.give_back(now, copy.delivery, counts)
            counts = counts and copy is not last
        if self in self.session.consumers:
            self.session.consumers.remove(self)


class Session:
    """What one client does in one thread: its consumers, and a transaction over all of them.

    ``is_jms``: the client buffers, looks after expiry, and tells the broker what the application has got; else it hands
    on what it is pushed (STOMP).
    """

    def __init__(
        self, client: int, mode: AckMode, redelivery: Redelivery = UNLESS_SAID, is_jms: bool = True
    ) -> None:
        self.client = client
        self.mode = mode
        self.redelivery = redelivery
        self.is_jms = is_jms
        self.tells = is_jms and mode is not AckMode.AUTO
        self.acks_at_once = not is_jms and mode is AckMode.AUTO
        self.consumers: list[Consumer] = []
        self.is_closed = False
        self._sends: list[Callable[[Nanos], object]] = []

    def subscribe(self, queue: Queue, prefetch: int, priority: int = 0, is_exclusive: bool = False) -> Consumer:
        """A consumer that is pushed up to ``prefetch`` messages, 0: one for each ``pull``."""
        consumer = Consumer(self, queue, subscribe(queue, self.client, prefetch, priority, is_exclusive))
        self.consumers.append(consumer)
        return consumer

    def send(self, now: Nanos, call: Callable[[Nanos], Cause]) -> Cause:
        """At once, or with the commit (AMQ-25)."""
        if self.mode is not AckMode.TRANSACTED:
            return call(now)
        self._sends.append(call)
        return Cause.NONE

    def ack(self, now: Nanos, copy: Copy) -> None:
        """The application acks a message; where the client or the commit does that, it is nothing."""
        consumer = copy.consumer
        if self.mode is AckMode.CLIENT:
            for each in self.consumers:
                each.acknowledge(now)
        elif self.mode is AckMode.INDIVIDUAL:
            consumer.done(now, [copy])
        elif self.mode is AckMode.UP_TO and copy in consumer.delivered:
            consumer.done(now, consumer.delivered[: consumer.delivered.index(copy) + 1])

    def recover(self, now: Nanos) -> None:
        """Everything that the application has not acked comes again (AMQ-14)."""
        for consumer in self.consumers:
            consumer.rollback(now)

    def commit(self, now: Nanos) -> None:
        """What was got is acked, what was sent is sent: both or neither (AMQ-25)."""
        for consumer in self.consumers:
            consumer.commit(now)
        sends, self._sends = self._sends, []
        for call in sends:
            call(now)
        self._let_go(now)

    def rollback(self, now: Nanos) -> None:
        self._sends.clear()
        for consumer in self.consumers:
            consumer.undo(now)
        self._let_go(now)

    def _let_go(self, now: Nanos) -> None:
        for consumer in [each for each in self.consumers if each.is_leaving]:
            consumer.leave(now, consumer.last_delivered)

    def close(self, now: Nanos) -> None:
        """In order: a transaction under way is rolled back (AMQ-14); then all consumers go at once."""
        self.is_closed = True
        for consumer in self.consumers:
            consumer.is_leaving = False
        if self.mode is AckMode.TRANSACTED:
            self.rollback(now)
        got = [consumer.last_delivered for consumer in self.consumers if consumer.last_delivered is not None]
        last = max(got, key=lambda copy: copy.delivery.message.rank, default=None)
        for consumer in list(self.consumers):
            consumer.leave(now, last)

    def crash(self, now: Nanos) -> None:
        """Without a word: the broker takes all that it pushed for delivered (AMQ-19)."""
        self.is_closed = True
        self._sends.clear()
        for consumer in list(self.consumers):
            consumer.leave(now, next(reversed(consumer.held.values()), None))


def hand_on(broker: Broker, now: Nanos) -> None:
    """After a call: what the broker pushes at this instant goes into the buffers."""
    broker.look(now)
    broker.wake(now)
    pushed = broker.deliveries()
    for credit, deliveries in pushed:
        credit.owner.put(now, deliveries)
    if pushed:
        broker.look(now)  # else nothing has moved: what is parked would ask for this instant for ever
