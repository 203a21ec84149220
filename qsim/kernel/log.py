"""One append-only log, and the verbs of those who read it in groups.  It knows ids and what is pending; no clock.

A group is a queue: what it has not read is ready there, what it has read and not acked is leased, without end.  So
its rows, its counts and its waiting readers are a queue's, and each entry of a group is in one state: not yet
delivered, pending with exactly one consumer, or done (acked, or lost).  Here stands what a queue does not have: ids,
entries that outlive their acks, a length, trimming, and claims.

Ids are whole numbers from 1, one an entry: a Redis id without its clock.  An entry's content lives in the groups.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from functools import partial
from typing import NamedTuple

from qsim.kernel.deadlines import FOREVER
from qsim.kernel.journal import Cause, Kind
from qsim.kernel.message import Delivery, Message
from qsim.kernel.queue import Queue
from qsim.kernel.ready import Fifo
from qsim.units import Nanos

SCANNED = 10
"""An automatic claim looks at so many pending entries for each that it may return (RED-11)."""


class Claimed(NamedTuple):
    """What an automatic claim came to: ``lost`` were pending without their entry, and are no more; ``cursor`` is where
    the next one starts, 0: this one saw the end."""

    deliveries: list[Delivery]
    lost: list[Message]
    cursor: int


class Log:
    """Entries ``first`` to ``added`` are there, but for the deleted ones; ``groups`` all get all of them (RED-7)."""

    def __init__(self, maxlen: int | None = None) -> None:
        self.maxlen = maxlen
        self.groups: list[Queue] = []
        self.added = 0
        self.first = 1
        self.deleted: set[int] = set()

    def __len__(self) -> int:
        """Entries that are there, acked or not: an ack deletes nothing (RED-9)."""
        return self.added + 1 - self.first - len(self.deleted)

    def has(self, entry: int) -> bool:
        return self.first <= entry <= self.added and entry not in self.deleted

    # --- adding -----------------------------------------------------------------------------------------------------

    def join(self, group: Queue) -> None:
        """One more group, before the first entry.  What is sent to the first one's queue is appended here."""
        lane = group.ready
        assert isinstance(lane, Fifo) and not self.added
        take_in = self._follow if self.groups else self._append
        self.groups.append(group)
        group.feed(partial(take_in, lane.push))

    def _append(self, push: Callable[[Message], None], message: Message) -> None:
        self.added += 1
        self._follow(push, message)
        source, *others = self.groups
        for group in others:
            group.arrive(message.entered, message, source.index, 0)
        if self.maxlen is not None:
            self.trim(message.entered, self.maxlen)

    def _follow(self, push: Callable[[Message], None], message: Message) -> None:
        message.entry = self.added
        push(message)

    # --- reading ----------------------------------------------------------------------------------------------------

    def read(self, now: Nanos, group: Queue, client: int, limit: int = 1, noack: bool = False) -> list[Delivery]:
        """The next entries, for one consumer of the group (RED-7).  Who needs no ack has none pending."""
        deliveries = group.hand_out(now, client, limit)
        for delivery in deliveries if noack else ():
            group.ack(now, delivery)
        return deliveries

    def history(
        self, now: Nanos, group: Queue, client: int, limit: int | None = None, after: int = 0
    ) -> list[Delivery]:
        """What a consumer has pending, once more: each counts, and is not idle any more (RED-8).  Of an entry that is
        gone only the id is left: ``has`` tells; what is out of date by now is not there.  ``after`` an id, to go on
        from there."""
        mine = [m for m in self.pending(group) if m.client == client and m.entry > after][:limit]
        there = [message for message in mine if self.has(message.entry)]
        again = {delivery.message: delivery for delivery in group.give_again(now, there, client, Kind.RETURNED)}
        return [again.get(m) or held(m) for m in mine if m in again or not self.has(m.entry)]

    def pending(self, group: Queue) -> list[Message]:
        """Read and not acked, by id; ``client``, ``receives`` and ``entry`` tell whose, how often and which."""
        return sorted(group.leased(), key=lambda message: message.entry)

    @staticmethod
    def idle(now: Nanos, message: Message) -> Nanos:
        """How long ago it was last delivered, claimed or renewed."""
        assert message.lease_ends is not None
        return now + FOREVER - message.lease_ends

    @staticmethod
    def ack(now: Nanos, delivery: Delivery) -> bool:
        """Whoever acks, and whoever has claimed it since (RED-9): False if it is not pending."""
        return delivery.message.queue.ack(now, delivery) is Cause.NONE

    # --- claiming ---------------------------------------------------------------------------------------------------

    def claim(
        self, now: Nanos, group: Queue, client: int, entries: Iterable[int], min_idle: Nanos = 0, justid: bool = False
    ) -> list[Delivery]:
        """Pending entries by id, if they have been idle so long, or longer.  One that is gone is pending no more."""
        wanted = set(entries)
        pending = [message for message in self.pending(group) if message.entry in wanted]
        self._lose(now, group, pending)
        return self._hand_over(now, group, client, (m for m in pending if self.has(m.entry)), min_idle, justid)

    def auto_claim(
        self,
        now: Nanos,
        group: Queue,
        client: int,
        min_idle: Nanos,
        start: int = 0,
        count: int = 100,
        justid: bool = False,
    ) -> Claimed:
        """The first that have been idle long enough, by id from ``start`` (RED-10, RED-11)."""
        pending = [message for message in self.pending(group) if message.entry >= start]
        found: list[Message] = []
        scanned = 0
        while scanned < min(len(pending), count * SCANNED) and len(found) < count:
            message = pending[scanned]
            scanned += 1
            if not self.has(message.entry) or self.idle(now, message) >= min_idle:
                found.append(message)
        lost = self._lose(now, group, found)
        there = (message for message in found if self.has(message.entry))
        cursor = pending[scanned].entry if scanned < len(pending) else 0
        return Claimed(self._hand_over(now, group, client, there, min_idle, justid), lost, cursor)

    def _lose(self, now: Nanos, group: Queue, pending: Iterable[Message]) -> list[Message]:
        lost = [message for message in pending if not self.has(message.entry)]
        for message in lost:
            group.lose(now, message)
        return lost

    def _hand_over(
        self, now: Nanos, group: Queue, client: int, pending: Iterable[Message], min_idle: Nanos, justid: bool
    ) -> list[Delivery]:
        idle = [message for message in pending if self.idle(now, message) >= min_idle]
        if not justid:
            return group.give_again(now, idle, client, Kind.LEASE_ENDED)
        for message in idle:
            self._renew(now, group, client, message)
        return [held(message) for message in idle]

    @staticmethod
    def _renew(now: Nanos, group: Queue, client: int, message: Message) -> None:
        """RED-12: a heartbeat, or a change of hands, that is no delivery."""
        message.client = client
        group.extend(now, held(message), FOREVER)

    # --- forgetting -------------------------------------------------------------------------------------------------

    def trim(self, now: Nanos, maxlen: int) -> int:
        """Keep the newest; the oldest go even if they are pending: then their ids stay (RED-6).  How many went."""
        gone = max(0, len(self) - maxlen)
        for _ in range(gone):
            self._strike(now, self.first)
            self._advance()
        return gone

    def delete(self, now: Nanos, entry: int) -> bool:
        """One entry, wherever it is; False if it is not there."""
        if not self.has(entry):
            return False
        self._strike(now, entry)
        self.deleted.add(entry)
        if entry == self.first:
            self._advance()
        return True

    def _advance(self) -> None:
        """To the first entry that is there."""
        self.deleted.discard(self.first)
        self.first += 1
        while self.first in self.deleted:
            self.deleted.remove(self.first)
            self.first += 1

    def _strike(self, now: Nanos, entry: int) -> None:
        """Who has not read it never will.  The first entry is the first in line of each group that has not."""
        for group in self.groups:
            lane = group.ready
            unread = [lane.front()] if entry == self.first else lane
            message = next((m for m in unread if m is not None and m.entry == entry), None)
            if message is not None:
                group.lose(now, message)

    # --- looking ----------------------------------------------------------------------------------------------------

    def fingerprint(self) -> Hashable:
        """What the groups' queues do not tell of the future: how long the log is, and which pending ids are empty."""
        pending = tuple(tuple(self.has(message.entry) for message in self.pending(group)) for group in self.groups)
        gaps = tuple(sorted(self.added - entry for entry in self.deleted))
        return self.maxlen, self.added - self.first, gaps, pending


def held(message: Message) -> Delivery:
    """The newest delivery of a message that is pending."""
    return Delivery(message, message.receipt, message.receives, message.client)
