"""Who fetches what was left behind, where a broker gives nothing back by itself.

A reaper returns what has been in a list's processing list for too long (RED-2).  A process that reads a stream looks,
before it asks for new entries, at its own history after a restart (RED-14) and at what others have left idle (RED-10);
one that waits does so when its time has come.  What a claim or a return is, the kernel knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qsim.kernel.message import Delivery
from qsim.kernel.queue import Queue
from qsim.scenario import plan
from qsim.sim.alarm import Reminder
from qsim.sim.port import Port
from qsim.sim.slots import POLL
from qsim.sim.world import World
from qsim.units import Nanos

if TYPE_CHECKING:
    from qsim.sim.member import Member


# --- lists ---------------------------------------------------------------------------------------------------------


def reap(queue: Queue, now: Nanos, older_than: Nanos) -> int:
    """Give back what was popped so long ago, the oldest first.  How many there were."""
    late = [message for message in queue.leased() if now - message.leased_at >= older_than]
    for message in late:
        queue.expire(now, message)
    return len(late)


class Reaper:
    """It comes by every so often, from the start on."""

    def __init__(self, world: World, port: Port, rule: plan.Reaper) -> None:
        self._port = port
        self._rule = rule
        self._due = rule.every
        Reminder(world.env, world.slots.leases + port.queue.index, self._come).show(self._due)

    def _come(self, now: Nanos) -> Nanos:
        if now >= self._due:
            self._due += self._rule.every
            if not self._port.is_away and reap(self._port.queue, now, self._rule.older_than):
                self._port.after()
        return self._due


def appoint_reapers(world: World) -> None:
    """One for each queue that has one."""
    for queue, port in zip(world.plan.queues, world.ports, strict=True):
        if queue.reaper is not None:
            Reaper(world, port, queue.reaper)


# --- streams -------------------------------------------------------------------------------------------------------


class Recovery:
    """One process's: how far it is in its history, and when it claims next."""

    def __init__(self, member: Member, rule: plan.Recovery) -> None:
        self._member = member
        self._rule = rule
        self._ports = [port for port in member.crew.ports if port.queue.profile.is_log]
        self._life = 0
        self._history: dict[Port, int] = {}
        self._claim_at = rule.every
        slot = member.world.slots.work(member.crew.plan.index, member.number, 0, POLL)
        self._alarm = Reminder(member.world.env, slot, self._ring)
        self._alarm.show(self._claim_at)

    def fetch(self) -> tuple[Port, list[Delivery]] | None:
        """What there is to do before new entries are asked for; None: nothing."""
        member = self._member
        if member.life != self._life:
            self._life = member.life
            self._history = dict.fromkeys(self._ports, 0)
        for port in list(self._history):
            if port.is_away:
                continue
            if found := self._read_history(port):
                return port, found
        return self._claim() if member.world.now >= self._claim_at else None

    def _read_history(self, port: Port) -> list[Delivery]:
        """The next of its own that are still there; where none are left, it is through."""
        log, now = self._member.world.log_of(port.queue), self._member.world.now
        found = log.history(now, port.queue, self._member.client, self._batch, self._history[port])
        if not found:
            del self._history[port]
            return []
        self._history[port] = found[-1].message.entry
        there = [delivery for delivery in found if log.has(delivery.message.entry)]
        return there or self._read_history(port)

    def _claim(self) -> tuple[Port, list[Delivery]] | None:
        """From one queue a time, the first that has something; when nothing is left, not before its time."""
        now = self._member.world.now
        for port in self._ports:
            if port.is_away:
                continue
            log = self._member.world.log_of(port.queue)
            claimed = log.auto_claim(now, port.queue, self._member.client, self._rule.min_idle, 0, self._batch)
            if claimed.lost:
                port.after(at_once=False)
            if claimed.deliveries:
                return port, claimed.deliveries
        self._claim_at = now + self._rule.every
        self._alarm.show(self._claim_at)
        return None

    @property
    def _batch(self) -> int:
        poll = self._member.crew.plan.poll
        assert poll is not None
        return poll.batch

    def _ring(self, now: Nanos) -> Nanos:
        """A process that waits for new entries stops waiting if there is something to claim."""
        member = self._member
        if now < self._claim_at:
            return self._claim_at
        if member.credits and (found := self._claim()) is not None:
            member.interrupt_wait(*found)
        return self._claim_at if self._claim_at > now else 1 << 62
