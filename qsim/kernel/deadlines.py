"""What time will do: (time, arm, owner) in order of time, then of arming.

It knows neither messages nor queues: ``is_live`` tells whether an entry is still meant.  Deadlines armed in order of
time (a constant timeout) stand in ``line``, a dict by arm: who settles takes his entry out, and nothing is kept alive
by a deadline that will never come.  The others go to a heap, whose dead entries are dropped when they come to the
front, and all at once when they are most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from heapq import heapify, heappop, heappush
from typing import Any

from qsim.units import Nanos

NEVER: Nanos = 1 << 62
FOREVER: Nanos = 1 << 61
"""How long a lease without end lasts: it never ends in a run, yet is on the list of who holds what."""
Entry = tuple[Nanos, int, Any]


def still_armed(entry: Entry) -> bool:
    """Whether its owner still means this deadline and no later one."""
    owner: Any = entry[2]
    return bool(owner.arm == entry[1])


class Deadlines:
    """``due`` is never later than the first live deadline: who rings then may find nothing to do, but is never late."""

    __slots__ = ("_dropped", "_heap", "_is_live", "_last", "_sweep_at", "due", "line")

    def __init__(self, is_live: Callable[[Entry], bool] = still_armed) -> None:
        self._is_live = is_live
        self.line: dict[int, Entry] = {}
        self._heap: list[Entry] = []
        self._last: Nanos = -1
        self._sweep_at = 1024
        self._dropped = 0
        self.due: Nanos = NEVER

    def add(self, time: Nanos, arm: int, owner: Any) -> None:
        """Show a new deadline."""
        if time >= self._last or not self.line:
            self._last = time
            self.line[arm] = (time, arm, owner)
        else:
            self.add_apart(time, arm, owner)
        if time < self.due:
            self.due = time

    def add_apart(self, time: Nanos, arm: int, owner: Any) -> None:
        """One that is longer or shorter than the usual ones: it would spoil their order."""
        heappush(self._heap, (time, arm, owner))
        if time < self.due:
            self.due = time
        if len(self._heap) > self._sweep_at:
            self._heap = [entry for entry in self._heap if self._is_live(entry)]
            heapify(self._heap)
            self._sweep_at = max(1024, 2 * len(self._heap))  # amortised: as many again must come first

    def pop(self, now: Nanos) -> Entry | None:
        """The next live deadline not after ``now``; None when there is none, and then ``due`` is exact."""
        while (entry := self._first()) is not None:
            if self._is_live(entry):
                self.due = entry[0]
                if entry[0] > now:
                    return None
                self._drop(entry)
                return entry
            self._drop(entry)
        self.due = NEVER
        return None

    def next(self) -> Nanos:
        """The first live deadline, NEVER if there is none."""
        self.pop(-1)
        return self.due

    def live(self) -> Iterator[Entry]:
        """Every live entry, in no order."""
        return (entry for entries in (self.line.values(), self._heap) for entry in entries if self._is_live(entry))

    def _first(self) -> Entry | None:
        first = next(iter(self.line.values()), None)
        if self._heap and (first is None or self._heap[0] < first):
            return self._heap[0]
        return first

    def _drop(self, entry: Entry) -> None:
        if self._heap and entry is self._heap[0]:
            heappop(self._heap)
            return
        del self.line[entry[1]]
        self._dropped += 1
        if self._dropped > len(self.line) + 64:
            # A dict that shrinks at its front is searched from there: amortised, make it anew.
            left = list(self.line.items())
            self.line.clear()
            self.line.update(left)
            self._dropped = 0
