"""What a metric is worth while the run goes on: the same references that are read from the journal afterwards.

Series are read from queues and crews at the moment of asking.  Counters, rates and per-message values are read from
the rows that have been written since the last look, over a window that ends now.  It decides nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from math import nan
from typing import Any

from qsim.kernel.journal import ROW, Cause, Journal, Kind
from qsim.scenario.origins import NUMBER, NUMBER_BITS, origins
from qsim.scenario.plan import Plan
from qsim.scenario.reference import COUNTER, PER_MESSAGE, PERCENTILES, RATE, SERIES, Reference, dimension, type_of
from qsim.sim.consumers import Crew
from qsim.sim.dependency import Dependency
from qsim.sim.member import PROCESS_BITS
from qsim.sim.world import World
from qsim.units import SECOND, Nanos

Row = tuple[int, ...]

COUNTED: dict[str, Callable[[Row], int]] = {
    "published": lambda row: row[5] == Kind.PUBLISHED,
    "copies": lambda row: row[3] if row[5] == Kind.PUBLISHED else 0,
    "unrouted": lambda row: row[5] == Kind.UNROUTED,
    "accepted": lambda row: row[5] in (Kind.ACCEPTED, Kind.PUBLISHED),
    "received": lambda row: row[5] == Kind.RECEIVED,
    "acked": lambda row: row[5] == Kind.ACKED,
    "nacked": lambda row: row[5] == Kind.NACKED,
    "lease_expired": lambda row: row[5] == Kind.LEASE_ENDED,
    "dead_lettered": lambda row: row[5] == Kind.DEAD_LETTERED,
    "moved_in": lambda row: row[5] == Kind.MOVED_IN,
    "moved_out": lambda row: row[5] == Kind.MOVED_OUT,
    "expired": lambda row: row[5] == Kind.EXPIRED,
    "rejected": lambda row: row[5] == Kind.REJECTED,
    "dropped": lambda row: row[5] == Kind.DROPPED,
    "purged": lambda row: row[5] == Kind.PURGED,
    "vanished": lambda row: row[5] == Kind.VANISHED,
    "duplicates_suppressed": lambda row: row[5] == Kind.SUPPRESSED,
    "empty_receives": lambda row: row[5] == Kind.EMPTY_RECEIVE,
    "sent": lambda row: row[5] == Kind.SENT,
    "rate": lambda row: row[5] == Kind.SENT,
    "retried": lambda row: row[5] == Kind.SENT and row[3] > 1,
    "timeouts": lambda row: row[5] in (Kind.TIMED_OUT, Kind.GAVE_UP_WAITING),
    "replied": lambda row: row[5] == Kind.REPLIED,
    "lost_on_the_way": lambda row: row[5] == Kind.LOST_SEND,
    "effects": lambda row: row[5] == Kind.EFFECT,
    "throughput": lambda row: row[5] in (Kind.EFFECT, Kind.SKIPPED),
    "stale_acks": lambda row: row[5] == Kind.STALE and row[7] == STALE_ACK,
    "interrupted": lambda row: row[5] == Kind.INTERRUPTED,
}
AGAIN: dict[str, Kind] = {"redelivered": Kind.RECEIVED, "duplicates": Kind.EFFECT}
"""Counters of the rows after the first of a message."""
STALE_ACK = 1
"""``other`` of a STALE row: it was an ack."""
OF_CALLS: dict[str, Callable[[Row], bool]] = {
    "calls": lambda row: row[5] == Kind.CALLED,
    "timeouts": lambda row: row[5] == Kind.CALL_TIMED_OUT,
    "refused": lambda row: row[5] == Kind.CALL_REFUSED,
}
"""Of dependencies: a producer has timeouts too."""
_CALLS = range(Kind.CALLED, Kind.CALL_ABANDONED + 1)


def is_series(reference: Reference) -> bool:
    """Whether its value is there at every moment, and changes with what happens."""
    return type_of(reference) == SERIES and dimension(reference) != RATE


# --- series ----------------------------------------------------------------------------------------------------------


def reader(world: World, crews: list[Crew], reference: Reference) -> Callable[[], float]:
    """A function that tells the series' value now (times in ns)."""
    queues, metric = world.broker.queues, reference.metric
    if reference.object in queues:
        queue = queues[reference.object]
        if metric == "oldest_age":
            return lambda: 0 if (since := queue.oldest_since()) is None else world.now - since
        return partial(getattr, queue, metric)
    for dependency in world.dependencies:
        if dependency.plan.name == reference.object:
            return _of_dependency(dependency, metric)
    return _of_consumer(next(crew for crew in crews if crew.plan.name == reference.object), metric)


def _of_consumer(crew: Crew, metric: str) -> Callable[[], float]:
    """A share of live slots is nan where there are none: no alert fires on it."""
    if metric in ("count", "busy"):
        return crew.alive if metric == "count" else crew.busy
    queues = [port.queue for port in crew.ports]

    def utilization() -> float:
        return crew.busy() / (crew.alive() * crew.plan.concurrency or nan)

    def idle_while_work_waits() -> float:
        waits = any(queue.visible for queue in queues)
        return 1 - utilization() if waits or not crew.alive() else 0.0

    return utilization if metric == "utilization" else idle_while_work_waits


def _of_dependency(dependency: Dependency, metric: str) -> Callable[[], float]:
    if metric == "utilization":
        return lambda: dependency.busy / (dependency.plan.capacity or nan)  # no alert fires on nan
    return lambda: float(getattr(dependency, metric))


# --- everything else: from the rows -----------------------------------------------------------------------------------------


class Tail:
    """The rows that have come since it was last asked."""

    def __init__(self, journal: Journal, chunks: list[bytes]) -> None:
        self._journal = journal
        self._chunks = chunks
        self._chunk = 0
        self._offset = 0

    def __iter__(self) -> Iterator[Row]:
        while self._chunk < len(self._chunks):
            yield from ROW.iter_unpack(memoryview(self._chunks[self._chunk])[self._offset :])
            self._chunk += 1
            self._offset = 0
        rows = bytes(self._journal.rows[self._offset :])
        self._offset += len(rows)
        yield from ROW.iter_unpack(rows)


def follow(
    world: World, crews: list[Crew], chunks: list[bytes], reference: Reference, length: Nanos
) -> Callable[[], float | None]:
    """A function that tells what a reference is worth now; what is no series, over the last ``length``."""
    if is_series(reference):
        return reader(world, crews, reference)
    tail, window = Tail(world.journal, chunks), Window(world.plan, reference, length)

    def read() -> float | None:
        for row in tail:
            window.show(row)
        return window.value(world.now)

    return read


class Window:
    """One reference over the last ``length``, (now - length, now]: it is asked late in its instant, and each row
    belongs to one of the windows that follow each other.  It is shown every row once."""

    def __init__(self, plan: Plan, reference: Reference, length: Nanos) -> None:
        self._reference = reference
        self._length = length
        self._values: deque[tuple[Nanos, float]] = deque()
        self._is_mine = _owner(plan, reference.object)
        self._counts = _counted(plan, reference)
        self._again = AGAIN.get(reference.metric)
        self._measured = "receive" if reference.metric in ("wait", "second_receive") else reference.metric
        self._senders = _senders(plan, of_roots=reference.metric == "origin_latency")
        self._forgets = not (plan.branches or any(queue.imperfections.lose_reply for queue in plan.queues))
        """A message that was acked has ended for good: no copy of its number is anywhere."""
        self._since: dict[int, Nanos] = {}
        self._moved: dict[int, Nanos] = {}
        self._times: dict[int, int] = {}

    def show(self, row: Row) -> None:
        if self._again is not None:
            if row[5] == self._again and self._is_mine(row) and self._nth(row[1]) > 1:
                self._values.append((row[0], 1))
        elif self._counts is not None:
            if (count := self._counts(row)) and self._is_mine(row):
                self._values.append((row[0], count))
        else:
            self._measure(row)

    def _nth(self, message: int) -> int:
        """How often this message has come here."""
        self._times[message] = n = self._times.get(message, 0) + 1
        return n

    def value(self, now: Nanos) -> float | None:
        """None: nothing to tell."""
        values = self._values
        while values and values[0][0] <= now - self._length:
            values.popleft()
        kind = type_of(self._reference)
        if kind == COUNTER:
            return sum(count for _, count in values)
        if kind == PER_MESSAGE:
            return _statistic(self._reference.statistic, [value for _, value in values])
        return len(values) * SECOND / self._length

    def _measure(self, row: Row) -> None:
        """wait, second_receive, latency, origin_latency: from the first try (or the move here) to a receive, or the
        ack; reply_time: to the reply."""
        time, message, kind = row[0], row[1], row[5]
        if self._measured == "time":
            self._measure_call(row)
        elif kind == Kind.SENT:
            self._since.setdefault(message, time)
        elif not self._is_mine(row):
            return
        elif kind == Kind.MOVED_IN and self._measured != "origin_latency":
            self._moved[message] = time
        elif kind == Kind.RECEIVED and self._measured == "receive":
            if self._nth(message) == (1 if self._reference.metric == "wait" else 2):
                self._values.append((time, time - self._begun(message)))
        elif kind == (Kind.REPLIED if self._measured == "reply_time" else Kind.ACKED):
            if self._measured != "receive":
                self._values.append((time, time - self._begun(message)))
            if self._forgets:
                for known in (self._since, self._moved, self._times):
                    known.pop(message, None)

    def _begun(self, message: int) -> Nanos:
        """When it came here by a move, or else was first sent: of a copy, when its original was."""
        if message in self._moved:
            return self._moved[message]
        return self._since[self._senders[message >> NUMBER_BITS] << NUMBER_BITS | message & NUMBER]

    def _measure_call(self, row: Row) -> None:
        """From the call to its answer: of a message, by one process, one call at a time."""
        kind, call = row[5], row[2] << 64 | row[1]
        if not self._is_mine(row) or (kind == Kind.CALL_ENDED and row[6] != Cause.NONE):
            return
        if kind == Kind.CALLED:
            self._since[call] = row[0]
        elif kind != Kind.SERVED:
            since = self._since.pop(call, row[0])
            if kind == Kind.CALL_ENDED:
                self._values.append((row[0], row[0] - since))


def _senders(plan: Plan, of_roots: bool) -> list[int]:
    """By producer index: whose try to send was the first of these messages (a topic's copies were sent by nobody)."""
    known = origins(plan)
    senders: list[int] = []
    for index, origin in enumerate(known):  # what something is made of comes before it
        senders.append(origin.root if of_roots else senders[origin.parent] if origin.is_copy else index)
    return senders


def _counted(plan: Plan, reference: Reference) -> Callable[[Row], int] | None:
    """Which rows a counter counts, or a rate."""
    if any(dependency.name == reference.object for dependency in plan.dependencies):
        return OF_CALLS.get(reference.metric)
    return COUNTED.get(_goodput(plan, reference.object) if reference.metric == "goodput" else reference.metric)


def _goodput(plan: Plan, name: str) -> str:
    """What a producer's goodput counts: replies, or where it awaits none, what the broker has accepted."""
    producer = next(producer for producer in plan.producers if producer.name == name)
    return "accepted" if producer.request_reply is None else "replied"


def _owner(plan: Plan, name: str) -> Callable[[Row], bool]:
    """Whether a row is of this object."""
    for index, queue in enumerate(plan.queues):
        if queue.name == name:
            return lambda row: row[4] == index
    for topic in plan.topics:
        if topic.name == name:
            return lambda row: row[5] in (Kind.PUBLISHED, Kind.UNROUTED) and row[7] == topic.index
    for consumer in plan.consumers:
        if consumer.name == name:
            number = consumer.index
            return lambda row: row[2] >= 0 and row[2] >> PROCESS_BITS == number and row[5] < Kind.FIRED
    for dependency in plan.dependencies:
        if dependency.name == name:
            which = dependency.index
            return lambda row: row[7] == which and row[5] in _CALLS
    producer = next(producer for producer in plan.producers if producer.name == name)
    mine = range(producer.first_index, producer.first_index + producer.count)
    return lambda row: row[1] >= 0 and row[1] >> NUMBER_BITS in mine


def _statistic(name: str | None, values: list[float]) -> float | None:
    if not values:
        return None
    if name in PERCENTILES:
        return _percentile(sorted(values), PERCENTILES[name])
    table: dict[str | None, Callable[[list[Any]], float]] = {
        "mean": lambda v: sum(v) / len(v),
        "min": min,
        "max": max,
        "total": sum,
        "share": lambda v: sum(value > 0 for value in v) / len(v),
    }
    return table[name](values)


def _percentile(ordered: list[float], share: float) -> float:
    """Linear between the two nearest, as numpy's default."""
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
