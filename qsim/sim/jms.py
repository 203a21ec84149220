"""A process that is the client of a broker which leaves redelivery to its clients: what it is pushed goes through the
buffer of a JMS session (``kernel/client.py``), and comes out when the process has nothing to do.

``JmsPort`` stands between a crew and a port, and is asked like one.  It knows when to look into the buffers; what a
session does with a message is the kernel's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qsim.kernel.client import Consumer, Copy, Session
from qsim.kernel.deadlines import NEVER
from qsim.kernel.journal import Cause
from qsim.kernel.message import Credit, Delivery
from qsim.kernel.redelivery import AckMode
from qsim.scenario.plan import ConsumerPlan, JmsClient
from qsim.sim.alarm import Reminder
from qsim.sim.latency import Road, receive_takes
from qsim.sim.port import Port
from qsim.sim.slots import POLL
from qsim.units import Nanos

if TYPE_CHECKING:
    from qsim.sim.member import Member


class Seat:
    """One process at its buffer, in one life.  It is who the broker pushes to."""

    def __init__(self, port: JmsPort, member: Member, prefetch: int) -> None:
        self.member = member
        self.port = port
        client = port.client
        session = Session(member.client, client.mode, client.redelivery)
        self.consumer = session.subscribe(port.queue, prefetch, client.priority, client.is_exclusive)
        self.consumer.credit.owner = self
        slot = member.world.slots.work(member.crew.plan.index, member.number, 0, POLL)
        self._road: Road[list[Delivery]] = Road(member.world.env, slot, self._put)
        self._last: Nanos = 0
        self._redelivery = Reminder(member.world.env, slot, self._reopen)

    def deliver(self, port: Port, deliveries: list[Delivery], credit: Credit) -> None:
        """The port: here is what the broker pushes."""
        if port.latency.receive is None:
            self._put(deliveries)
        else:
            self._last = max(self._last, port.now + receive_takes(self.member, port, is_pushed=True))
            self._road.send(self._last, deliveries)

    def _put(self, deliveries: list[Delivery]) -> None:
        if self.consumer.credit.arm:  # else nobody is there any more
            self.consumer.put(self.port.now, deliveries)
            self.member.fetch()

    def remind(self, now: Nanos) -> None:
        """What waits for its redelivery delay is fetched then (AMQ-15)."""
        due = self.consumer.wake_at()
        if due is not None and due > now:
            self._redelivery.show(due)

    def _reopen(self, now: Nanos) -> Nanos:
        if self.consumer.credit.arm:
            self.member.fetch()
        due = self.consumer.wake_at()
        return NEVER if due is None or due <= now else due


class JmsPort:
    """One queue, as processes see it through their sessions.  What it does not do itself, the port does."""

    def __init__(self, port: Port, client: JmsClient) -> None:
        self.client = client
        self.queue = port.queue
        self._port = port
        self._seats: dict[int, Seat] = {}
        self._out: dict[int, Copy] = {}
        """What processes work on, by receipt."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)

    # --- subscribing ------------------------------------------------------------------------------------------------

    def subscribe(self, owner: Member, client: int, prefetch: int) -> Credit:
        """A session of its own, unless the process was only paused: then its buffer is still there."""
        seat = self._seats.get(client)
        if seat is None or not seat.consumer.credit.arm or seat.consumer.credit.limit != prefetch:
            seat = self._seats[client] = Seat(self, owner, prefetch)
            self._port.expect(seat.consumer.credit)
        return seat.consumer.credit

    def cancel(self, credit: Credit) -> None:
        """Who is paused keeps what is in his buffer; who leaves, or wants another prefetch, gives it back."""
        seat = next((seat for seat in self._seats.values() if seat.consumer.credit is credit), None)
        if seat is not None and not seat.member.is_paused:
            seat.consumer.stop(self._port.now)
            self._port.after(at_once=False)

    def disconnect(self) -> None:
        """The broker is gone, and with it every session: what is in the buffers is void."""
        for seat in self._seats.values():
            self.queue.cancel(seat.consumer.credit)
        self._seats.clear()
        self._out.clear()

    # --- taking and settling ----------------------------------------------------------------------------------------

    def stored(self, member: Member) -> list[Delivery]:
        """The next message of the buffer, if one can be had now: room for another at the broker (AMQ-7)."""
        seat = self._seats.get(member.client)
        if seat is None or not seat.consumer.credit.arm or not seat.consumer.can_take(self._port.now):
            return []
        copy = seat.consumer.take(self._port.now)
        self._after(seat.consumer)
        if copy is None:
            return []
        self._out[copy.delivery.receipt] = copy
        return [copy.delivery]

    def ack(self, delivery: Delivery) -> Cause:
        """The work is done."""
        return self._end(delivery, _DONE[self.client.mode])

    def ack_quietly(self, delivery: Delivery, together: int = -1) -> Cause:
        return self.ack(delivery)

    def nack(self, delivery: Delivery, delay: Nanos) -> Cause:
        """The work has failed: the session redelivers, after its own delay."""
        return self._end(delivery, _FAILED[self.client.mode])

    def reject(self, delivery: Delivery) -> Cause:
        return self._end(delivery, lambda now, copy: copy.consumer.poison(now, [copy]))

    def _end(self, delivery: Delivery, call: Callable[[Nanos, Copy], None]) -> Cause:
        copy = self._out.pop(delivery.receipt, None)
        if copy is None or not copy.is_in_flight:
            return self.queue.ack(self._port.now, delivery)  # a stale one: the row says why
        call(self._port.now, copy)
        self._after(copy.consumer)
        return Cause.NONE

    def _after(self, consumer: Consumer) -> None:
        self._port.after(at_once=False)
        consumer.credit.owner.remind(self._port.now)


_DONE: dict[AckMode, Callable[[Nanos, Copy], None]] = {
    AckMode.AUTO: lambda now, copy: copy.consumer.done(now, [copy]),
    AckMode.CLIENT: lambda now, copy: copy.consumer.session.ack(now, copy),
    AckMode.INDIVIDUAL: lambda now, copy: copy.consumer.session.ack(now, copy),
    AckMode.TRANSACTED: lambda now, copy: copy.consumer.session.commit(now),
}
"""What a process does after its work, by how its session acks (AMQ-11)."""

_FAILED: dict[AckMode, Callable[[Nanos, Copy], None]] = {
    AckMode.AUTO: lambda now, copy: copy.consumer.rollback(now),
    AckMode.CLIENT: lambda now, copy: copy.consumer.session.recover(now),
    AckMode.INDIVIDUAL: lambda now, copy: copy.consumer.session.recover(now),
    AckMode.TRANSACTED: lambda now, copy: copy.consumer.session.rollback(now),
}
"""And after an error (AMQ-14)."""


def ports_of_clients(ports: list[Port], plan: ConsumerPlan) -> list[Any]:
    """The ports of a crew whose processes are clients of this kind; else as they are."""
    return list(ports) if plan.jms is None else [JmsPort(port, plan.jms) for port in ports]
