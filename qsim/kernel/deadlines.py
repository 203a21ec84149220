"""What time will do: (time, arm, owner) in order of time, then of arming.

It knows neither messages nor queues: ``is_live`` tells whether an entry is still meant.  Entries are never removed,
they are overtaken; dead ones are dropped when they come to the front, and all at once when they are most.
Deadlines armed in order of time (a constant timeout) stay in a deque, the others go to a heap.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from heapq import heapify, heappop, heappush
from typing import Any

from qsim.units import Nanos

NEVER: Nanos = 1 << 62
Entry = tuple[Nanos, int, Any]


def still_armed(entry: Entry) -> bool:
    """Whether its owner still means this deadline and no later one."""
    owner: Any = entry[2]
    return bool(owner.arm == entry[1])


class Deadlines:
    """``due`` is never later than the first live deadline: who rings then may find nothing to do, but is never late."""

    __slots__ = ("_check_at", "_heap", "_is_live", "_line", "due")

    def __init__(self, is_live: Callable[[Entry], bool] = still_armed) -> None:
        self._is_live = is_live
        self._line: deque[Entry] = deque()
        self._heap: list[Entry] = []
        self._check_at = 4096
        self.due: Nanos = NEVER

    def add(self, time: Nanos, arm: int, owner: Any) -> None:
        """Show a new deadline."""
        line = self._line
        if not line or time >= line[-1][0]:
            line.append((time, arm, owner))
            if len(line) > self._check_at:
                self._sweep()
        else:
            heappush(self._heap, (time, arm, owner))
            if len(self._heap) > self._check_at:
                self._sweep()
        if time < self.due:
            self.due = time

    def pop(self, now: Nanos) -> Entry | None:
        """The next live deadline not after ``now``; None when there is none, and then ``due`` is exact."""
        while True:
            source = self._first()
            if source is None:
                self.due = NEVER
                return None
            entry = source[0]
            if self._is_live(entry):
                self.due = entry[0]
                if entry[0] > now:
                    return None
                self._drop(source)
                return entry
            self._drop(source)

    def next(self) -> Nanos:
        """The first live deadline, NEVER if there is none."""
        self.pop(-1)
        return self.due

    def live(self) -> Iterator[Entry]:
        """Every live entry, in no order."""
        return (entry for entries in (self._line, self._heap) for entry in entries if self._is_live(entry))

    def _first(self) -> deque[Entry] | list[Entry] | None:
        if self._heap and (not self._line or self._heap[0] < self._line[0]):
            return self._heap
        return self._line or None

    def _drop(self, source: deque[Entry] | list[Entry]) -> None:
        if source is self._heap:
            heappop(self._heap)
        else:
            self._line.popleft()

    def _sweep(self) -> None:
        # Amortised: the next sweep comes when as many again have been added.
        self._line = deque(entry for entry in self._line if self._is_live(entry))
        self._heap = [entry for entry in self._heap if self._is_live(entry)]
        heapify(self._heap)
        self._check_at = max(4096, 2 * max(len(self._line), len(self._heap)))
