"""Acks of one process that go out together, as many as fit in a call.

It knows what waits to be acked and until when, nothing of the work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qsim.kernel.journal import Cause, Kind
from qsim.kernel.message import Delivery
from qsim.sim.alarm import Reminder
from qsim.sim.latency import Road
from qsim.sim.port import Port
from qsim.sim.slots import ACKS
from qsim.units import Nanos

if TYPE_CHECKING:
    from qsim.sim.member import Member


class AckBatch:
    """Acks of one process that go out together: when there are enough, or when the first has waited long enough."""

    def __init__(self, member: Member) -> None:
        assert member.crew.plan.ack_batch is not None
        self.size, self.wait = member.crew.plan.ack_batch
        self.waiting: list[tuple[Port, Delivery, int]] = []
        """What is to be acked, and which start of its message here it was."""
        self._member = member
        self._due: Nanos = 0
        self._tokens: dict[Port, Nanos] = {}
        """When what waits may go, where a token is spoken for."""
        plan = member.crew.plan
        # After the work of all its desks, so that what ends at one instant goes together also where nothing waits.
        slot = member.world.slots.work(plan.index, member.number, plan.concurrency - 1, ACKS)
        self._alarm = Reminder(member.world.env, slot, self._ring)
        self._road: Road[Any] = Road(member.world.env, slot, self._arrive)

    def add(self, port: Port, delivery: Delivery, turn: int) -> None:
        if not self.waiting:
            self._due = self._member.world.now + self.wait
            self._alarm.show(self._due)
        self.waiting.append((port, delivery, turn))
        if len(self.waiting) >= self.size:
            self._flush()

    def _ring(self, now: Nanos) -> Nanos:
        if not self.waiting:
            return 1 << 62
        if now >= self._due:
            self._flush()
        return self._due if self.waiting else 1 << 62

    def _token(self, port: Port) -> Nanos:
        if port not in self._tokens:
            self._tokens[port] = port.delete_token(self._member.client, -1)
        return self._tokens[port]

    def _flush(self) -> None:
        """One call a queue, as far as there are tokens.  A call that gets lost, by its first message's luck, is lost
        with all its acks."""
        now = self._member.world.now
        waiting, self.waiting = self.waiting, []
        calls: dict[Port, list[tuple[Delivery, int]]] = {}
        for port, delivery, turn in waiting:
            calls.setdefault(port, []).append((delivery, turn))
        for port, acks in calls.items():
            if (token_at := self._token(port)) > now:
                self.waiting += [(port, *each) for each in acks]
                self._due = token_at
                self._alarm.show(token_at)
            else:
                self._call(port, acks)
        self._tokens = {port: self._tokens[port] for port, _, _ in self.waiting}
        self._member.leave_if_done()

    def _call(self, port: Port, acks: list[tuple[Delivery, int]]) -> None:
        """What it takes is its first message's luck."""
        takes = self._member.crew.ack_takes(port, *acks[0])
        if takes:
            self._road.send(self._member.world.now + takes, (port, acks))
        else:
            self._arrive((port, acks))

    def _arrive(self, call: tuple[Port, list[tuple[Delivery, int]]]) -> None:
        port, acks = call
        member, (first, turn) = self._member, acks[0]
        is_lost = member.crew.ack_gets_lost(port, first, turn)
        for delivery, turn in acks:
            number = delivery.message.number
            if is_lost:
                member.write(Kind.LOST_ACK, number, turn, port.queue.index)
            elif port.ack_quietly(delivery, len(acks)) is Cause.NONE:
                member.crew.turns.pop(number, None)
