"""Who gets the next message where a broker pushes and keeps its consumers in order: by priority, in turn, one of them
alone, or each with the groups that stick to it.

It knows no clock and no client.  A consumer is a *seat*: it stays in its place while its window is full, and is passed
over.  Message by message, in the order of the queue, the first seat that may have it gets it; a message whose only
taker is full is *parked*, stays ready, and those behind it go on.  A parked message has an owner who is full, or has
just become able to take it: nobody else can.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from heapq import heappop, heappush
from itertools import islice
from typing import TYPE_CHECKING

from qsim.kernel.journal import Place
from qsim.kernel.message import Credit, Delivery, Message
from qsim.kernel.profile import Dispatch, Profile
from qsim.units import Nanos

if TYPE_CHECKING:
    from qsim.kernel.queue import Queue
    from qsim.kernel.ready import Fifo, Levels

_READY = Place.READY
ENDS_GROUP = "JMSXGroupSeq"
"""The attribute of a message that is the last of its group, if it is ``-1`` (AMQ-9)."""


class Seat:
    """One consumer in the order of serving.  ``extension``: by how much its window is larger than its prefetch."""

    __slots__ = ("credit", "extension", "groups", "is_exclusive", "priority", "turn")

    def __init__(self, credit: Credit, priority: int, is_exclusive: bool, turn: int) -> None:
        self.credit = credit
        self.priority = priority
        self.is_exclusive = is_exclusive
        self.turn = turn
        self.extension = 0
        self.groups = 0

    @property
    def is_open(self) -> bool:
        return self.credit.arm != 0 and self.credit.left > 0

    @property
    def key(self) -> tuple[int, int, int]:
        """The most urgent first, then who has the fewest groups, then in turn (AMQ-6, AMQ-8, AMQ-9)."""
        return -self.priority, self.groups, self.turn


class Consumers:
    """Who is pushed to, in order.  True if the next one can take a message.  Who is cancelled is out at once."""

    def __init__(self, profile: Profile) -> None:
        self._rotates = profile.dispatch is Dispatch.ROUND_ROBIN
        self._extends = profile.extends_window
        self._turn = 0
        self._seats: dict[Credit, Seat] = {}
        self._open: list[tuple[tuple[int, int, int], Seat]] = []
        self._exclusive: Seat | None = None

    def __bool__(self) -> bool:
        return self.first() is not None

    def __getitem__(self, place: int) -> Credit:
        return next(islice(self, place, None))

    def __iter__(self) -> Iterator[Credit]:
        """Who can take a message, in order."""
        return (seat.credit for seat in self.seats() if seat.is_open)

    def seats(self) -> list[Seat]:
        """All of them, in order."""
        return sorted((seat for seat in self._seats.values() if seat.credit.arm), key=lambda seat: seat.key)

    def append(self, credit: Credit) -> None:
        """A new consumer, or one whose window has room again: that one keeps its place."""
        if credit in self._seats:
            self._show(self._seats[credit])
        else:
            self.join(credit)

    def popleft(self) -> Credit:
        """Whoever is next leaves the order."""
        seat = self.first()
        assert seat is not None
        del self._seats[seat.credit]
        heappop(self._open)
        return seat.credit

    def join(self, credit: Credit, priority: int = 0, is_exclusive: bool = False) -> None:
        self._seats = {each: seat for each, seat in self._seats.items() if each.arm}
        seat = self._seats[credit] = Seat(credit, priority, is_exclusive, self._next_turn())
        if is_exclusive and ((one := self._alone()) is None or priority > one.priority):
            self._exclusive = seat
        self._show(seat)

    def first(self) -> Seat | None:
        """Who is next; None if nobody can take a message."""
        if (alone := self._alone()) is not None:
            return alone if alone.is_open else None
        heap = self._open
        while heap and not self._is_true(*heap[0]):
            heappop(heap)
        return heap[0][1] if heap else None

    def _is_true(self, key: tuple[int, int, int], seat: Seat) -> bool:
        return seat.is_open and seat.key == key and self._seats.get(seat.credit) is seat

    def can_take(self, seat: Seat) -> bool:
        alone = self._alone()
        return seat.is_open and (alone is None or alone is seat)

    def serve(self, seat: Seat) -> None:
        """It gets a message: there is less room in its window, and others are next."""
        seat.credit.left -= 1
        if self._rotates and not seat.is_exclusive:
            seat.turn = self._next_turn()
            self._show(seat)

    def own(self, seat: Seat, groups: int) -> None:
        """So many groups more, or fewer, stick to it."""
        seat.groups += groups if self._rotates else 0
        self._show(seat)

    def expand(self, credit: Credit, by: int) -> None:
        """The client has handed so many to the application, and may be sent as many more (AMQ-7)."""
        if self._extends and credit.limit and (seat := self._seats.get(credit)) is not None:
            seat.extension += by
            credit.left += by
            self._show(seat)

    def contract(self, credit: Credit, by: int = 1) -> None:
        """What was handed to the application has been settled: the window shrinks again, never below the prefetch."""
        if (seat := self._seats.get(credit)) is not None:
            by = min(by, seat.extension)
            seat.extension -= by
            credit.left -= by

    def allow(self, credit: Credit, messages: int) -> None:
        """A consumer without prefetch asks for so many now (AMQ-5)."""
        credit.left = messages
        self._show(self._seats[credit])

    def _show(self, seat: Seat) -> None:
        if seat.is_open:
            heappush(self._open, (seat.key, seat))

    def _alone(self) -> Seat | None:
        """The one that gets everything (AMQ-8).  When it goes, the most urgent of the others that want to be alone."""
        if self._exclusive is not None and not self._exclusive.credit.arm:
            others = [seat for seat in self._seats.values() if seat.is_exclusive and seat.credit.arm]
            self._exclusive = min(others, key=lambda seat: (-seat.priority, seat.turn), default=None)
        return self._exclusive

    def _next_turn(self) -> int:
        self._turn += 1
        return self._turn


Key = tuple[int, bool, int]
"""A parked message's place: level, whether it is not a returned one, in order of parking."""


class Sticky:
    """Lanes in which a group belongs to the consumer that got its first message, until that one goes or a message
    says that the group ends; it does not block (AMQ-9)."""

    def __init__(self, lanes: Fifo | Levels, has_levels: bool, look_ahead: int | None) -> None:
        self._lanes = lanes
        self._has_levels = has_levels
        """What is not parked."""
        self._most = look_ahead
        self._owners: dict[Hashable, Seat] = {}
        self._parked: dict[Seat, list[tuple[Key, Message]]] = {}
        self._returned: set[Message] = set()
        self._count = 0
        self.push = lanes.push
        self.put_back = lanes.put_back

    def put_first(self, message: Message) -> None:
        self._returned.add(message)
        self._lanes.put_first(message)

    def begin(self) -> None:
        """A new receive: nothing to remember."""

    def next(self, consumers: Consumers) -> tuple[Message, Seat] | None:
        """The first message that somebody can take, and who."""
        while (first := consumers.first()) is not None and (message := self._pop(consumers)) is not None:
            owner = None if message.group is None else self._owner(message.group)
            if owner is None or consumers.can_take(owner):
                self._returned.discard(message)
                return message, self._assign(consumers, message, owner or first)
            self._park(message, owner)
        return None

    def owners(self) -> Iterator[tuple[Hashable, Seat]]:
        return ((group, seat) for group, seat in self._owners.items() if seat.credit.arm)

    def _owner(self, group: Hashable) -> Seat | None:
        seat = self._owners.get(group)
        return seat if seat is not None and seat.credit.arm else None

    def _assign(self, consumers: Consumers, message: Message, seat: Seat) -> Seat:
        group = message.group
        if group is None:
            return seat
        if self._owner(group) is None:
            self._owners[group] = seat
            consumers.own(seat, +1)
        elif message.attributes is not None and message.attributes.get(ENDS_GROUP) == "-1":
            del self._owners[group]
            consumers.own(seat, -1)
        return seat

    def _park(self, message: Message, owner: Seat) -> None:
        self._count += 1
        key = self._level(message), message not in self._returned, self._count
        heappush(self._parked.setdefault(owner, []), (key, message))

    def _pop(self, consumers: Consumers) -> Message | None:
        """In order, but for parked ones that still cannot go."""
        if not self._parked:
            return self._lanes.pop()
        waiting = self._waiting()
        free = (seat for seat in waiting if not seat.credit.arm or consumers.can_take(seat))
        best = min(free, key=lambda seat: waiting[seat][0][0], default=None)
        is_full = self._most is not None and sum(map(len, waiting.values())) >= self._most  # AMQ-10
        if best is not None and (is_full or self._goes_before_the_lanes(waiting[best][0][0])):
            return heappop(waiting[best])[1]
        return None if is_full else self._lanes.pop()

    def _goes_before_the_lanes(self, key: Key) -> bool:
        """Parked ones were in front; but a more urgent or a returned one may have come since."""
        front = self._lanes.front()
        level, is_fresh, _ = key
        return front is None or (level, is_fresh) <= (self._level(front), front not in self._returned)

    def _level(self, message: Message) -> int:
        return message.level if self._has_levels else 0

    def _waiting(self) -> dict[Seat, list[tuple[Key, Message]]]:
        """Parked messages by owner, the first of each still in the queue."""
        for heap in self._parked.values():
            while heap and heap[0][1].place is not _READY:
                heappop(heap)
        self._parked = {seat: heap for seat, heap in self._parked.items() if heap}
        return self._parked

    def _all_parked(self) -> list[tuple[Key, Message]]:
        entries = [entry for heap in self._parked.values() for entry in heap if entry[1].place is _READY]
        return sorted(entries, key=lambda entry: entry[0])

    def pop(self) -> Message | None:
        """The first of all, whoever it belongs to."""
        waiting = self._waiting()
        if not waiting:
            return self._lanes.pop()
        return heappop(min(waiting.values(), key=lambda heap: heap[0][0]))[1]

    def pop_at(self, choice: int) -> Message | None:
        """Owners leave no choice."""
        return self.pop()

    def candidates(self, most: int) -> list[Message]:
        return list(islice(self, most))

    def drop_oldest(self) -> Message | None:
        return self.pop() if self._parked else self._lanes.drop_oldest()

    def front(self) -> Message | None:
        return next(iter(self), None)

    def fronts(self) -> Iterator[Message]:
        yield from (message for _, message in self._all_parked())
        yield from self._lanes.fronts()

    def __iter__(self) -> Iterator[Message]:
        yield from (message for _, message in self._all_parked())
        yield from self._lanes


def serve(queue: Queue, now: Nanos, choice: int = 0) -> tuple[Credit, list[Delivery]] | None:
    """The first message that somebody can take goes to who is next: there is no choice.  What is out of date goes to
    nobody (AMQ-22)."""
    consumers, lanes = queue.waiting, queue.ready
    assert isinstance(consumers, Consumers) and isinstance(lanes, Sticky)
    while (found := lanes.next(consumers)) is not None:
        message, seat = found
        if message.expires is not None and message.expires <= now:
            queue.let_expire(now, message)
            continue
        consumers.serve(seat)
        return seat.credit, [queue.push_to(now, message, seat.credit)]
    return None


def subscribe(queue: Queue, client: int, prefetch: int, priority: int = 0, is_exclusive: bool = False) -> Credit:
    """A consumer that is pushed to, up to ``prefetch`` unsettled at a time; 0: only what it asks for (AMQ-5)."""
    assert isinstance(queue.waiting, Consumers)
    credit = queue.subscribe(client, prefetch)
    credit.limit = credit.left = prefetch
    queue.waiting.join(credit, priority, is_exclusive)
    return credit


def fingerprint(queue: Queue, now: Nanos) -> Hashable:
    """Who is in which place, with which window and groups, and when the next sweep is: what decides who gets what."""
    consumers, lanes, sweep = queue.waiting, queue.ready, queue.profile.expire_sweep
    if not (isinstance(consumers, Consumers) and isinstance(lanes, Sticky)):
        return ()
    seats = consumers.seats()
    place = {seat: number for number, seat in enumerate(seats)}
    owners = frozenset((group, place[seat]) for group, seat in lanes.owners() if seat in place)
    told = tuple((s.credit.client, s.credit.left, s.extension, s.priority, s.is_exclusive, s.groups) for s in seats)
    return told, owners, None if sweep is None else now % sweep
