"""Sessions: a group of messages that one receiver has to itself, those still to come too (ASB-20 to ASB-23).

It knows no clock.  A lock on a session is the lock on every message received in it: there is no other deadline.  A
session's ready messages stand in a lane of their own, by rank; ``_heads`` has the first of each that nobody has
locked, and an entry that no longer tells the truth is dropped when it comes up.

A client has one session of a queue at a time.  It ``accept``s one by name or the next that has something, and
``close``s it; or it just receives, and so keeps a session until nothing of it is ready or in its hands.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from heapq import heappop, heappush
from itertools import islice
from typing import TYPE_CHECKING, Any

from qsim.kernel.journal import Cause, Place
from qsim.kernel.message import Credit, Delivery, Message
from qsim.units import Nanos

if TYPE_CHECKING:
    from qsim.kernel.queue import Queue
    from qsim.kernel.ready import Fifo

_READY, _LEASED = Place.READY, Place.LEASED


class SessionLock:
    """A client's lock on a session.  ``arm`` 0: lost or given up; ``is_kept``: until the client closes it."""

    __slots__ = ("_out", "arm", "client", "ends", "is_kept", "queue", "receipt", "session")

    def __init__(self, queue: Queue, session: Hashable, client: int, arm: int, ends: Nanos, is_kept: bool) -> None:
        self.queue = queue
        self.session = session
        self.client = client
        self.arm = self.receipt = arm
        self.ends = ends
        self.is_kept = is_kept
        self._out: dict[int, Message] = {}

    def hold(self, message: Message) -> None:
        """It was received in this session."""
        self._out[message.rank] = message
        if len(self._out) > 64 and self._out[next(iter(self._out))].place is not _LEASED:
            self._out = {rank: each for rank, each in self._out.items() if each.place is _LEASED}

    def in_flight(self) -> list[Message]:
        """What its client holds, in order."""
        held = [message for message in self._out.values() if message.place is _LEASED]
        return sorted(held, key=lambda message: message.rank)


class BySession:
    """The ready messages of a queue with sessions, and who has locked which."""

    def __init__(self, lane: Callable[[], Fifo]) -> None:
        self._make = lane
        self._lanes: dict[Hashable, Fifo] = {}
        self._heads: list[tuple[int, Hashable]] = []
        self.locks: dict[Hashable, SessionLock] = {}
        self.of_client: dict[int, SessionLock] = {}
        self.states: dict[Hashable, Any] = {}
        """What applications have written down about a session: it outlives locks and messages (ASB-23)."""

    def push(self, message: Message) -> None:
        name = message.group
        lane = self._lanes.get(name)
        if lane is None:
            lane = self._lanes[name] = self._make()
        lane.put_back(message)
        if name not in self.locks and lane.front() is message:
            heappush(self._heads, (message.rank, name))

    put_back = put_first = push

    def begin(self) -> None:
        """A new receive: nothing to remember."""

    def first_free(self) -> Hashable:
        """The session with the oldest ready message of those that nobody has locked; None if there is none."""
        while self._heads:
            rank, name = self._heads[0]
            head = self._head(name)
            if name not in self.locks and head is not None and head.rank == rank:
                return name
            heappop(self._heads)
            if name not in self.locks:
                self._show(name)
        return None

    def pop_of(self, session: Hashable) -> Message | None:
        """The next message of this session."""
        lane = self._lanes.get(session)
        return None if lane is None else lane.pop()

    def has_ready(self, session: Hashable) -> bool:
        return self._head(session) is not None

    def lock(self, lock: SessionLock) -> None:
        self.locks[lock.session] = self.of_client[lock.client] = lock

    def unlock(self, lock: SessionLock) -> None:
        """The session is free again."""
        lock.arm = 0
        del self.locks[lock.session]
        if self.of_client.get(lock.client) is lock:
            del self.of_client[lock.client]
        self._show(lock.session)
        if self._head(lock.session) is None:
            self._lanes.pop(lock.session, None)

    def _head(self, session: Hashable) -> Message | None:
        lane = self._lanes.get(session)
        return None if lane is None else lane.front()

    def _show(self, session: Hashable) -> None:
        if (head := self._head(session)) is not None:
            heappush(self._heads, (head.rank, session))

    # --- whoever locks what (redrive, purge, a full queue) --------------------------------------------------------------

    def front(self) -> Message | None:
        """The first of all, locked or not."""
        return min(self.fronts(), key=lambda message: message.rank, default=None)

    def fronts(self) -> Iterator[Message]:
        for lane in self._lanes.values():
            yield from islice(lane.fronts(), 2)

    def pop(self) -> Message | None:
        first = self.front()
        return None if first is None else self._lanes[first.group].pop()

    drop_oldest = pop

    def candidates(self, most: int) -> list[Message]:
        return list(islice(self, most))

    def pop_at(self, choice: int) -> Message | None:
        """Sessions leave no choice: their order is the contract."""
        return self.pop()

    def __iter__(self) -> Iterator[Message]:
        messages = (message for lane in self._lanes.values() for message in lane)
        return iter(sorted(messages, key=lambda message: message.rank))


def book_of(queue: Queue) -> BySession:
    """The sessions of a queue that has them."""
    assert isinstance(queue.ready, BySession)
    return queue.ready


def lock_of(queue: Queue, client: int) -> SessionLock | None:
    return book_of(queue).of_client.get(client)


# --- accepting, renewing, closing -------------------------------------------------------------------------------------


def accept(
    queue: Queue, now: Nanos, client: int, session: Hashable = None, is_kept: bool = True
) -> SessionLock | Cause:
    """Lock a session, by name even one that is empty; None: the next that has something (ASB-20)."""
    book = book_of(queue)
    name = book.first_free() if session is None else session
    if name is None:
        return Cause.NO_SESSION
    if name in book.locks or client in book.of_client:
        return Cause.SESSION_LOCKED
    timeout = queue.profile.visibility_timeout
    assert timeout is not None
    lock = SessionLock(queue, name, client, queue.next_number(), now + timeout, is_kept)
    book.lock(lock)
    queue.leases.add(lock.ends, lock.arm, lock)
    return lock


def renew(lock: SessionLock, now: Nanos) -> Cause:
    """The whole session, from now (ASB-11, ASB-21)."""
    queue = lock.queue
    if not lock.arm:
        return Cause.NO_SESSION
    timeout = queue.profile.visibility_timeout
    assert timeout is not None
    queue.leases.line.pop(lock.arm, None)
    lock.arm = queue.next_number()
    lock.ends = now + timeout
    queue.leases.add(lock.ends, lock.arm, lock)
    return Cause.NONE


def close(lock: SessionLock, now: Nanos) -> Cause:
    """What was in flight comes back, and that delivery does not count (ASB-21)."""
    if not lock.arm:
        return Cause.NO_SESSION
    for message in lock.in_flight():
        lock.queue.give_back_uncounted(now, message)
    _free(lock)
    return Cause.NONE


def expire(queue: Queue, now: Nanos, owner: SessionLock | Message) -> None:
    """The lock runs out: what was in flight comes back, one delivery older (ASB-21).  Or one message's lease is ended
    by hand."""
    if isinstance(owner, Message):
        type(queue).expire(queue, now, owner)
        return
    for message in owner.in_flight():
        type(queue).expire(queue, now, message)
    _free(owner)


def orphan(queue: Queue, client: int) -> None:
    """Its link is gone.  The session stays locked until the lock runs out, and nobody can use it (ASB-12)."""
    book_of(queue).of_client.pop(client, None)


def _free(lock: SessionLock) -> None:
    lock.queue.leases.line.pop(lock.arm, None)
    book_of(lock.queue).unlock(lock)


def extend(queue: Queue, now: Nanos, delivery: Delivery, timeout: Nanos) -> Cause:
    """A message's lock is its session's, and is renewed with it (ASB-21)."""
    lock = lock_of(queue, delivery.client)
    answer = type(queue).note_extension(queue, now, delivery)
    return answer or (Cause.NO_SESSION if lock is None else renew(lock, now))


# --- receiving ----------------------------------------------------------------------------------------------------------


def hand_out(
    queue: Queue,
    now: Nanos,
    client: int,
    limit: int = 1,
    timeout: Nanos | None = None,
    credit: Credit | None = None,
    choice: int = 0,
) -> list[Delivery]:
    """Messages of the client's session, in order; of the next one, if it has none, or has come to the end of one."""
    if not queue.visible:
        return []
    lock = _session_for(queue, now, client)
    if lock is None:
        return []
    book = book_of(queue)
    picked: list[Message] = []
    while len(picked) < limit and (message := book.pop_of(lock.session)) is not None:
        if message.expires is not None and message.expires <= now:
            queue.let_expire(now, message)
        else:
            picked.append(message)
    is_pushed = credit is not None and credit.is_pushed
    return [hold(lock, now, message, credit, 0 if is_pushed else len(picked)) for message in picked]


def hold(lock: SessionLock, now: Nanos, message: Message, credit: Credit | None, together: int) -> Delivery:
    """Hand a message out in a session: the session's lock is all the lock that it has."""
    lock.hold(message)
    return lock.queue.lease(now, message, lock.client, credit, together)


def _session_for(queue: Queue, now: Nanos, client: int) -> SessionLock | None:
    lock = lock_of(queue, client)
    if lock is not None and not lock.is_kept and not book_of(queue).has_ready(lock.session) and not lock.in_flight():
        _free(lock)
        lock = None
    if lock is None:
        accepted = accept(queue, now, client, is_kept=False)
        return None if isinstance(accepted, Cause) else accepted
    return lock


def serve(queue: Queue, now: Nanos, choice: int = 0) -> tuple[Credit, list[Delivery]] | None:
    """Whoever has waited longest of those for whom there is something: another's session is nothing to him."""
    waiting = queue.waiting
    for credit in list(waiting):
        if not credit.arm:
            waiting.remove(credit)  # type: ignore[union-attr]
        elif deliveries := queue.hand_out(now, credit.client, 1 if credit.is_pushed else credit.limit, None, credit):
            waiting.remove(credit)  # type: ignore[union-attr]
            queue.use(credit)
            return credit, deliveries
    return None


# --- state ----------------------------------------------------------------------------------------------------------------


def set_state(lock: SessionLock, state: Any) -> Cause:
    """Write down something about the session; None: nothing more (ASB-23)."""
    if not lock.arm:
        return Cause.NO_SESSION
    book_of(lock.queue).states[lock.session] = state
    return Cause.NONE


def state(lock: SessionLock) -> Any:
    return book_of(lock.queue).states.get(lock.session)


def fingerprint(queue: Queue, now: Nanos) -> Hashable:
    """Who has which session for how long, and what is written down."""
    book = book_of(queue)
    locks = sorted(book.locks.values(), key=lambda lock: lock.receipt)
    told = [(lock.session, lock.client, lock.ends - now, lock.is_kept, lock.client in book.of_client) for lock in locks]
    return tuple(told), tuple(sorted((str(name), str(text)) for name, text in book.states.items()))

