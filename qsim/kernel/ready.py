"""Which ready message goes next: one lane for each way of ordering.

They know ranks, levels and groups, no clock and no leases.  A lane may still hold a message that is gone (expired,
deleted by a late ack): it is passed over when it comes to the front, never searched for.

Every lane has the same verbs: ``push`` (a new message), ``put_back`` (a returned one, to its place by rank),
``put_first`` (a returned one, before all others), ``pop``, ``candidates`` and ``pop_at`` (where the driver chooses),
``drop_oldest``, ``begin`` (a new receive) and iteration.  Groups also want ``release`` and ``forget``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Sequence
from heapq import heapify, heappop, heappush
from itertools import islice

from qsim.kernel.dispatch import Sticky
from qsim.kernel.journal import Place
from qsim.kernel.message import Message
from qsim.kernel.profile import Dispatch, Grouping, Order, Profile
from qsim.kernel.session_lock import BySession

_READY = Place.READY

LEFT = -1
"""The choice of who takes from the other end of a list."""


class Fifo:
    """By rank.  New messages come in order of rank, so a deque does; returned ones wait in a heap beside it."""

    def __init__(self) -> None:
        self._line: deque[Message] = deque()
        self._back: list[tuple[int, Message]] = []
        self._first: deque[Message] = deque()
        self.push = self._line.append

    def put_first(self, message: Message) -> None:
        self._first.append(message)

    def put_back(self, message: Message) -> None:
        if self._line and message.rank < self._line[-1].rank:
            heappush(self._back, (message.rank, message))
        else:
            self._line.append(message)

    def begin(self) -> None:
        """A new receive: nothing to remember."""

    def pop(self) -> Message | None:
        """The next message, taken out; None if there is none."""
        line = self._line
        while True:
            if self._first:
                message = self._first.popleft()
            elif self._back and (not line or self._back[0][0] < line[0].rank):
                message = heappop(self._back)[1]
            elif line:
                message = line.popleft()
            else:
                return None
            if message.place is _READY:
                return message

    def front(self) -> Message | None:
        """The next message, left where it is."""
        while (lane := self._first or self._source()) is not None:
            message = lane[0] if isinstance(lane, deque) else lane[0][1]
            if message.place is _READY:
                return message
            lane.popleft() if isinstance(lane, deque) else heappop(lane)
        return None

    def heads(self) -> Iterator[Message]:
        """The next message, of each lane: whom time can strike (RMQ-25)."""
        head = self.front()
        return iter([] if head is None else [head])

    def fronts(self) -> Iterable[Message]:
        """Among these is the one of least rank."""
        back, line = self._back, self._line
        while back and back[0][1].place is not _READY:
            heappop(back)
        while line and line[0].place is not _READY:
            line.popleft()
        found = [m for m in self._first if m.place is _READY] if self._first else []
        if back:
            found.append(back[0][1])
        if line:
            found.append(line[0])
        return found

    def _source(self) -> deque[Message] | list[tuple[int, Message]] | None:
        if self._back and (not self._line or self._back[0][0] < self._line[0].rank):
            return self._back
        return self._line or None

    def candidates(self, most: int) -> list[Message]:
        """The first ``most`` messages, as a driver may choose among them."""
        return list(islice(self, most))

    def pop_at(self, choice: int) -> Message | None:
        """The message with that number among the candidates (the last one, if there are fewer)."""
        passed = [message for _ in range(choice + 1) if (message := self.pop()) is not None]
        for message in passed[:-1]:
            heappush(self._back, (message.rank, message))
        return passed[-1] if passed else None

    def drop_oldest(self) -> Message | None:
        return self.pop()

    def __iter__(self) -> Iterator[Message]:
        """In order of delivery."""
        yield from (m for m in self._first if m.place is _READY)
        back, line = iter(sorted(self._back)), iter(self._line)
        returned, fresh = next(back, None), next(line, None)
        while returned is not None or fresh is not None:
            if fresh is None or (returned is not None and returned[0] < fresh.rank):
                assert returned is not None
                message, returned = returned[1], next(back, None)
            else:
                message, fresh = fresh, next(line, None)
            if message.place is _READY:
                yield message


class Oldest:
    """By rank, for who drops the oldest.  What is no longer ready is passed over, and swept out when it is most."""

    def __init__(self, messages: Iterable[Message] = ()) -> None:
        self._keep((message.rank, message) for message in messages)

    def _keep(self, entries: Iterable[tuple[int, Message]]) -> None:
        self._heap = [entry for entry in entries if self._is_live(entry)]
        self._sweep_at = max(1024, 2 * len(self._heap))
        heapify(self._heap)

    @staticmethod
    def _is_live(entry: tuple[int, Message]) -> bool:
        rank, message = entry
        return message.place is _READY and message.rank == rank

    def add(self, message: Message) -> None:
        heappush(self._heap, (message.rank, message))
        if len(self._heap) > self._sweep_at:
            self._keep(self._heap)

    def front(self) -> Message | None:
        while self._heap and not self._is_live(self._heap[0]):
            heappop(self._heap)
        return self._heap[0][1] if self._heap else None


class Lifo(Fifo):
    """The newest first.  ``_old`` holds the returned ones the other way round, for who drops the oldest."""

    def __init__(self) -> None:
        super().__init__()
        self._old = Oldest()

    def pop(self) -> Message | None:
        line = self._line
        while True:
            if self._first:
                message = self._first.popleft()
            elif self._back and (not line or -self._back[0][0] > line[-1].rank):
                message = heappop(self._back)[1]
            elif line:
                message = line.pop()
            else:
                return None
            if message.place is _READY:
                return message

    def front(self) -> Message | None:
        while self._first or self._back or self._line:
            returned = self._back and (not self._line or -self._back[0][0] > self._line[-1].rank)
            message = self._first[0] if self._first else self._back[0][1] if returned else self._line[-1]
            if message.place is _READY:
                return message
            self._first.popleft() if self._first else heappop(self._back) if returned else self._line.pop()
        return None

    def fronts(self) -> Iterator[Message]:
        returned = self._old.front()
        while self._line and self._line[0].place is not _READY:
            self._line.popleft()
        yield from (m for m in self._first if m.place is _READY)
        yield from [returned] if returned is not None else []
        yield from [self._line[0]] if self._line else []

    def put_first(self, message: Message) -> None:
        super().put_first(message)
        self._old.add(message)

    def put_back(self, message: Message) -> None:
        heappush(self._back, (-message.rank, message))
        self._old.add(message)

    def pop_at(self, choice: int) -> Message | None:
        passed = [message for _ in range(choice + 1) if (message := self.pop()) is not None]
        for message in passed[:-1]:
            self.put_back(message)
        return passed[-1] if passed else None

    def drop_oldest(self) -> Message | None:
        line, returned = self._line, self._old.front()
        while line and line[0].place is not _READY:
            line.popleft()
        if line and (returned is None or line[0].rank < returned.rank):
            return line.popleft()
        return returned  # it stays in both heaps, and is passed over there

    def __iter__(self) -> Iterator[Message]:
        yield from (m for m in self._first if m.place is _READY)
        rest = [*self._line, *(entry[1] for entry in self._back)]
        yield from (m for m in sorted(rest, key=lambda m: -m.rank) if m.place is _READY)


class Ends:
    """A list as Redis has it: pushed at the left (level 0) or the right, taken from the right, or from the left
    (``pop_at(LEFT)``).  Where a message stands is all its order: a returned one is pushed like any other."""

    def __init__(self) -> None:
        self._line: deque[Message] = deque()

    def push(self, message: Message) -> None:
        self._line.append(message) if message.level else self._line.appendleft(message)

    put_back = push

    def put_first(self, message: Message) -> None:
        self._line.append(message)

    def begin(self) -> None:
        """A new receive: nothing to remember."""

    def pop(self) -> Message | None:
        return self.pop_at(0)

    def candidates(self, most: int) -> list[Message]:
        return list(islice(self, most))

    def pop_at(self, choice: int) -> Message | None:
        """The message with that number from the right (the last one, if there are fewer); LEFT: the last one."""
        line = self._line
        if 0 < choice < len(line) - 1:
            line.remove(message := list(islice(self, choice + 1))[-1])
            return message
        take = line.pop if choice == 0 else line.popleft
        while line:
            if (message := take()).place is _READY:
                return message
        return None

    def drop_oldest(self) -> Message | None:
        return self.pop()

    def front(self) -> Message | None:
        return next(iter(self), None)

    def fronts(self) -> Iterator[Message]:
        return iter(self)

    def __iter__(self) -> Iterator[Message]:
        """From the right, in order of delivery."""
        return (m for m in reversed(self._line) if m.place is _READY)


class Levels:
    """Priorities: level 0 first, by rank inside a level.  ``lane_of`` says which lane a level stands for, where that
    is not its own number."""

    def __init__(
        self,
        levels: int,
        lane_of: Sequence[int] | None = None,
        drops_most_urgent: bool = False,
        returns_before_levels: bool = False,
    ) -> None:
        self._lanes = [Fifo() for _ in range(levels)]
        self._lane_of = [self._lanes[lane] for lane in (range(levels) if lane_of is None else lane_of)]
        self._drops_most_urgent = drops_most_urgent
        self._returned = Fifo() if returns_before_levels else None
        if self._returned is not None:
            self._lanes.insert(0, self._returned)

    def push(self, message: Message) -> None:
        self._lane_of[message.level].push(message)

    def put_back(self, message: Message) -> None:
        self._lane_of[message.level].put_back(message)

    def put_first(self, message: Message) -> None:
        (self._lane_of[message.level] if self._returned is None else self._returned).put_first(message)

    def begin(self) -> None:
        """A new receive: nothing to remember."""

    def pop(self) -> Message | None:
        for lane in self._lanes:
            if (message := lane.pop()) is not None:
                return message
        return None

    def candidates(self, most: int) -> list[Message]:
        return list(islice(self, most))

    def pop_at(self, choice: int) -> Message | None:
        passed = [message for _ in range(choice + 1) if (message := self.pop()) is not None]
        for message in passed[:-1]:
            self.put_back(message)
        return passed[-1] if passed else None

    def fronts(self) -> Iterator[Message]:
        for lane in self._lanes:
            yield from lane.fronts()

    def heads(self) -> Iterator[Message]:
        """RMQ-32: of each level."""
        return (head for lane in self._lanes if (head := lane.front()) is not None)

    def front(self) -> Message | None:
        return next(self.heads(), None)

    def drop_oldest(self) -> Message | None:
        # What would be served last goes first: the head of the least urgent lane.
        for lane in self._lanes if self._drops_most_urgent else reversed(self._lanes):
            if (message := lane.pop()) is not None:
                return message
        return None

    def __iter__(self) -> Iterator[Message]:
        for lane in self._lanes:
            yield from lane


class _Group:
    """One group: its lane, and how many of it are out (leased)."""

    __slots__ = ("lane", "out")

    def __init__(self) -> None:
        self.lane = Fifo()
        self.out = 0


class Groups:
    """Order by group: a group of which a message is out is skipped by later receives (SQS-13).

    ``_heads`` is a heap of (rank of its first message, group) of the groups that may be free; an entry that no
    longer tells the truth is dropped when it comes up.  Only the first ``look_ahead`` messages, leased ones
    included, are searched (SQS-15): the others wait in ``_beyond``.
    """

    def __init__(self, look_ahead: int | None) -> None:
        self._groups: dict[Hashable, _Group] = {}
        self._heads: list[tuple[int, Hashable]] = []
        self._now_serving: Hashable = None
        self._look_ahead = look_ahead
        self._seen: set[Message] | None = None if look_ahead is None else set()
        self._beyond: deque[Message] = deque()
        self._old: Oldest | None = None
        """Made at the first drop."""

    def push(self, message: Message) -> None:
        if self._old is not None:
            self._old.add(message)
        if self._seen is not None and message not in self._seen:
            assert self._look_ahead is not None
            if len(self._seen) >= self._look_ahead:
                self._beyond.append(message)
                return
            self._seen.add(message)
        self._offer(message)

    put_back = put_first = push

    def begin(self) -> None:
        """A new receive: it may take several of one group, an older one's group is blocked."""
        self._now_serving = None

    def pop(self) -> Message | None:
        """The next of the group that this receive has begun, else the first of the free groups."""
        serving = self._groups.get(self._now_serving) if self._now_serving is not None else None
        message = serving.lane.pop() if serving is not None else None
        if message is None:
            message = self._pop_free()
        if message is not None:
            self._groups[message.group].out += 1
            self._now_serving = message.group
        return message

    def candidates(self, most: int) -> list[Message]:
        return list(islice(self, most))

    def fronts(self) -> Iterator[Message]:
        for group in self._groups.values():
            yield from group.lane.fronts()
        yield from islice((m for m in self._beyond if m.place is _READY), 1)

    def front(self) -> Message | None:
        """The first of all, free or not."""
        return next(iter(self), None)

    def pop_at(self, choice: int) -> Message | None:
        """Groups leave no choice: their order is the contract."""
        return self.pop()

    def drop_oldest(self) -> Message | None:
        """Its group may be blocked: who drops it delivers nothing.  The lanes find out when it comes up."""
        if self._old is None:
            self._old = Oldest(self)
        return self._old.front()

    def is_searched(self, message: Message) -> bool:
        """Whether it stands within the look-ahead."""
        return self._seen is None or message in self._seen

    def release(self, message: Message) -> None:
        """A message that was popped is out no more, whatever becomes of it."""
        group = self._groups[message.group]
        group.out -= 1
        if not group.out:
            self._now_serving = None  # a used-up one is not served: the first of the free groups is next again
        self._show_head(message.group, group)

    def forget(self, message: Message) -> None:
        """A message that has left the queue makes room in the look-ahead."""
        if self._seen is not None and message in self._seen:
            self._seen.discard(message)
            while self._beyond:
                following = self._beyond.popleft()
                if following.place is _READY:
                    self._seen.add(following)
                    self._offer(following)
                    break

    def __iter__(self) -> Iterator[Message]:
        lanes = [m for group in self._groups.values() for m in group.lane]
        yield from sorted(lanes, key=lambda m: m.rank)
        yield from (m for m in self._beyond if m.place is _READY)

    def _offer(self, message: Message) -> None:
        group = self._groups.get(message.group)
        if group is None:
            group = self._groups[message.group] = _Group()
        group.lane.put_back(message)
        if not group.out and group.lane.front() is message:
            heappush(self._heads, (message.rank, message.group))

    def _show_head(self, name: Hashable, group: _Group) -> None:
        if group.out:
            return
        head = group.lane.front()
        if head is None:
            del self._groups[name]
        else:
            heappush(self._heads, (head.rank, name))

    def _pop_free(self) -> Message | None:
        while self._heads:
            rank, name = heappop(self._heads)
            group = self._groups.get(name)
            if group is None or group.out:
                continue
            head = group.lane.front()
            if head is None:
                self._groups.pop(name)
            elif head.rank == rank:
                return group.lane.pop()
            else:
                heappush(self._heads, (head.rank, name))
        return None


Lanes = Fifo | Lifo | Ends | Levels | Groups | Sticky | BySession


def lanes_for(profile: Profile) -> Lanes:
    """The way of ordering that a profile chooses."""
    if profile.grouping is Grouping.BLOCKS:
        return Groups(profile.look_ahead)
    if profile.grouping is Grouping.SESSIONS:
        return BySession(Fifo)
    if profile.dispatch is not Dispatch.LONGEST_WAITING:
        has_levels = profile.order is Order.PRIORITY
        return Sticky(Levels(profile.levels) if has_levels else Fifo(), has_levels, profile.look_ahead)
    if profile.order is Order.PRIORITY:
        return Levels(profile.levels, profile.lane_of, profile.drops_most_urgent, profile.returns_before_levels)
    return _PLAIN.get(profile.order, Fifo)()


_PLAIN: dict[Order, type[Fifo] | type[Ends]] = {Order.LIFO: Lifo, Order.ENDS: Ends}
