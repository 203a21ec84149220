"""The rows of one run, found by kind; and its messages, numbered densely.

It knows the layout of the journal and nothing of what a metric means.  A message gets a dense number: all messages
of producer 0, then those of producer 1, and so on, so that what is known of messages are arrays, not dicts.  What was
made of a message (a topic's copy, what a consumer emits) has what is said of itself, and else what was said of that
message.  Rows are read in chunks, so that only what is asked for is ever copied; they are in the order of time.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from functools import cached_property
from types import SimpleNamespace
from typing import Any

import numpy as np

from qsim.kernel.journal import Kind
from qsim.metrics.naming import NUMBER_BITS, PROCESS_BITS
from qsim.scenario.origins import Origin, origins, priorities_of
from qsim.scenario.plan import Plan
from qsim.sim.recording import Recording
from qsim.units import Nanos

CHUNK = 1 << 21
"""Rows read at a time."""
NEVER: Nanos = 2**62
"""Later than any time of a run."""

Array = Any

__all__ = [
    "CHUNK", "NEVER", "NUMBER_BITS", "PROCESS_BITS", "Ledger", "attribute_values", "firsts", "key", "last_before", "only", "same_turn",
]  # fmt: skip


class Ledger:
    """``rows`` is the structured array; ``kinds`` its kind column, contiguous."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.plan: Plan = recording.plan
        self.rows = recording.rows()
        self.kinds = np.ascontiguousarray(self.rows["kind"])
        self.ended: Nanos = recording.ended
        self._counts: dict[tuple[str, int, int], Array] = {}
        self._remembered: dict[str, Any] = {}

    # --- rows ---------------------------------------------------------------------------------------------------------

    def span(self, start: Nanos, end: Nanos) -> tuple[int, int]:
        """Positions of the first row at or after ``start`` and of the first at or after ``end``."""
        times = self.rows["time"]
        return bisect_left(times, start), len(times) if end >= NEVER else bisect_left(times, end)

    def scan(
        self, *kinds: Kind, queue: int | None = None, consumer: int | None = None, span: tuple[int, int] | None = None
    ) -> Iterator[tuple[Array, Array]]:
        """Positions and rows of these kinds (of one queue, of one consumer), a chunk at a time."""
        wanted = np.zeros(128, bool)
        wanted[list(kinds)] = True
        first, last = span or (0, len(self.rows))
        for start in range(first, last, CHUNK):
            end = min(start + CHUNK, last)
            at = np.flatnonzero(wanted[self.kinds[start:end]])
            part = self.rows[start:end][at]
            if queue is not None:
                at, part = _keep(at, part, part["queue"] == queue)
            if consumer is not None:
                at, part = _keep(at, part, part["client"] >> PROCESS_BITS == consumer)
            yield at + start, part

    def select(
        self,
        *kinds: Kind,
        columns: tuple[str, ...],
        queue: int | None = None,
        consumer: int | None = None,
        span: tuple[int, int] | None = None,
    ) -> SimpleNamespace:
        """Columns of these rows; besides the journal's there are "position" and "dense" (-1: no message)."""
        pieces: list[list[Array]] = [[] for _ in columns]
        for at, part in self.scan(*kinds, queue=queue, consumer=consumer, span=span):
            for column, piece in zip(columns, pieces, strict=True):
                piece.append(self._column(column, at, part))
        joined = [np.concatenate(piece) if piece else np.empty(0, np.int64) for piece in pieces]
        return SimpleNamespace(**dict(zip(columns, joined, strict=True)))

    def _column(self, name: str, at: Array, part: Array) -> Array:
        if name == "position":
            return at
        return self.dense(part["message"]) if name == "dense" else np.ascontiguousarray(part[name])

    def counts(self, by: str, span: tuple[int, int]) -> Array:
        """How many rows there are: [object + 1, kind], where ``by`` is "queue", "producer" or "consumer"."""
        key = (by, *span)
        if key not in self._counts:
            self._counts[key] = self._count(by, span)
        return self._counts[key]

    def remember(self, what: str, make: Callable[[Ledger], Any]) -> Any:
        """Something small, worked out once."""
        if what not in self._remembered:
            self._remembered[what] = make(self)
        return self._remembered[what]

    def _count(self, by: str, span: tuple[int, int]) -> Array:
        size = 1 + {"queue": len(self.plan.queues), "producer": self.producers, "consumer": 1 << 11}[by]
        total = np.zeros(size * 128, np.int64)
        for start in range(span[0], span[1], CHUNK):
            part = self.rows[start : min(start + CHUNK, span[1])]
            number = _OBJECT[by](part) + 1
            total += np.bincount(np.minimum(number, size - 1) * 128 + part["kind"], minlength=len(total))
        return total.reshape(size, 128)

    # --- messages -----------------------------------------------------------------------------------------------------

    @cached_property
    def origins(self) -> tuple[Origin, ...]:
        """Of each producer index, those of branches included."""
        return origins(self.plan)

    @property
    def producers(self) -> int:
        """How many producer indices there are."""
        return len(self.origins)

    @cached_property
    def first(self) -> Array:
        """Dense number of each producer's message 0; one more at the end: how many messages there are."""
        most = np.full(self.producers, -1, np.int64)
        for _, part in self.scan(Kind.SENT, *_COMES):
            producer = part["message"] >> NUMBER_BITS
            np.maximum.at(most, producer, part["message"] & ((1 << NUMBER_BITS) - 1))
        return np.concatenate([[0], np.cumsum(most + 1)])

    @property
    def size(self) -> int:
        """How many dense numbers there are."""
        return int(self.first[-1])

    def dense(self, message: Array) -> Array:
        """Dense numbers of messages; -1 for none."""
        producer = np.clip(message >> NUMBER_BITS, 0, None)
        number = message & ((1 << NUMBER_BITS) - 1)
        return np.where(message < 0, -1, self.first[producer] + number)

    def identity(self, dense: Array) -> Array:
        """Messages (producer << 40 | number) of dense numbers."""
        producer = np.searchsorted(self.first, dense, side="right") - 1
        return (producer << NUMBER_BITS) | (dense - self.first[producer])

    def home(self, dense: Array) -> Array:
        """The queue (or topic) to which each message was sent."""
        to = np.array([origin.to for origin in self.origins] or [0])
        return to[self._producer_of(dense)]

    def _producer_of(self, dense: Array) -> Array:
        return np.searchsorted(self.first, dense, side="right") - 1

    @cached_property
    def first_sent(self) -> Array:
        """When the producer (or the consumer that emits it) first tried to send each message; -1 never."""
        return self._inherited(self._of_first_try("time", np.int64))

    @cached_property
    def origin_sent(self) -> Array:
        """When the first of all messages of which each was made was first sent; -1 never."""
        return self._inherited(self._of_first_try("time", np.int64), of_roots=True)

    @cached_property
    def priority_names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for queue in self.plan.queues for name in queue.priorities))

    @cached_property
    def priority(self) -> Array:
        """Which of ``priority_names`` each message has; -1 none."""
        level = self._of_first_try("cause", np.int8)
        for origin, own in self._runs():
            names = priorities_of(self.plan, origin.to)
            table = np.array([*map(self.priority_names.index, names), -1], np.int8)
            level[own] = table[np.where(level[own] < len(names), level[own], -1)]
        return self._inherited(level)

    @cached_property
    def group(self) -> Array:
        """Group of each message, -1 none."""
        return self._inherited(self._of_first_try("other", np.int32))

    @cached_property
    def poison(self) -> Array:
        """Whether a message was sent as poison (a later fix does not change that), or is a copy of one."""
        marked = np.zeros(self.size, bool)
        marked[self.select(Kind.POISON, columns=("dense",)).dense] = True
        return self._inherited(marked, nothing=False, by_copies=True)

    @cached_property
    def payload(self) -> Array:
        """Bytes of each message: its producer's size, or what was recorded of it."""
        sizes = np.zeros(self.size, np.int64)
        for origin, own in self._runs():
            recorded = origin.producer.recorded
            sizes[own] = origin.producer.message.size
            if recorded is not None and recorded.sizes:
                each = np.array(recorded.sizes)[: own.stop - own.start]
                sizes[own.start : own.start + len(each)] = each
        return sizes

    def sent_order(self) -> Array:
        """Position of each message's first SENT row: the order in which they were sent; -1 never."""
        order = np.full(self.size, -1, np.int64)
        for at, part in self._first_tries():
            order[self.dense(part["message"])] = at
        return self._inherited(order)

    def _of_first_try(self, column: str, dtype: type) -> Array:
        found: Array = np.full(self.size, -1, dtype)
        for _, part in self._first_tries():
            found[self.dense(part["message"])] = part[column]
        return found

    def _first_tries(self) -> Iterator[tuple[Array, Array]]:
        for at, part in self.scan(Kind.SENT):
            yield _keep(at, part, part["attempt"] == 1)

    def _runs(self) -> Iterator[tuple[Origin, slice]]:
        """Each producer index with its messages, parents before what is made of them."""
        for origin, start, end in zip(self.origins, self.first, self.first[1:], strict=False):
            yield origin, slice(int(start), int(end))

    def _inherited(self, values: Array, nothing: int = -1, of_roots: bool = False, by_copies: bool = False) -> Array:
        """``values`` by message, where those of which ``nothing`` is said have their parent's (all their root's; only
        copies)."""
        for index, (origin, own) in enumerate(self._runs()):
            above = origin.root if of_roots else origin.parent
            if above != index and (origin.is_copy or not by_copies):
                from_ = int(self.first[above])
                theirs = values[from_ : from_ + own.stop - own.start]
                values[own] = theirs if of_roots else np.where(values[own] == nothing, theirs, values[own])
        return values

    # --- labels -------------------------------------------------------------------------------------------------------

    def labelled(self, label: str | None) -> Array | None:
        """Which messages carry the label: poison, a priority, an attribute value or a group; None: all of them."""
        if label is None:
            return None
        if label == "poison":
            return self.poison
        if label in self.priority_names:
            return self.priority == self.priority_names.index(label)
        return self._with_attribute(label) if not label.isdecimal() else self.group == int(label)

    def _with_attribute(self, value: str) -> Array:
        marked = np.zeros(self.size, bool)
        rows = self.select(Kind.ATTRIBUTES, columns=("dense", "other"))
        for producer in self.plan.producers:
            combinations = [i for i, c in enumerate(attribute_values(producer.message.attributes)) if value in c]
            low, high = self.first[producer.first_index], self.first[producer.first_index + producer.count]
            own = (rows.dense >= low) & (rows.dense < high)
            marked[rows.dense[own & np.isin(rows.other, combinations)]] = True
        return self._inherited(marked, nothing=False)


_COMES = (Kind.ACCEPTED, Kind.REJECTED, Kind.SUPPRESSED)
"""Rows that tell of a copy, which nobody sent."""


def attribute_values(attributes: tuple[tuple[str, Any], ...]) -> list[tuple[str, ...]]:
    """The combinations that an ATTRIBUTES row numbers: file order, the first attribute changing slowest."""
    combinations: list[tuple[str, ...]] = [()]
    for _, shares in attributes:
        combinations = [(*c, value) for c in combinations for value in shares.names]
    return combinations if attributes else []


def _keep(at: Array, part: Array, keep: Array) -> tuple[Array, Array]:
    return at[keep], part[keep]


_OBJECT = {
    "queue": lambda rows: rows["queue"].astype(np.int64),
    "producer": lambda rows: rows["message"] >> NUMBER_BITS,
    "consumer": lambda rows: (rows["client"] >> PROCESS_BITS).astype(np.int64),
}


def only(rows: SimpleNamespace, keep: Array) -> SimpleNamespace:
    """The selected rows (a mask or an order) of every column."""
    return SimpleNamespace(**{name: column[keep] for name, column in vars(rows).items()})


# --- joins by message and position ------------------------------------------------------------------------------------

_POSITION_BITS = 36


def key(dense: Array, position: Array) -> Array:
    """A number that sorts by message, then by position."""
    return (dense << _POSITION_BITS) | position


def last_before(keys: Array, sorted_keys: Array) -> Array:
    """Index in ``sorted_keys`` of the last one before each key that is of the same message; -1 if there is none."""
    at = np.searchsorted(sorted_keys, keys) - 1
    if not len(sorted_keys):
        return np.full(len(keys), -1)
    same = (at >= 0) & (sorted_keys[np.maximum(at, 0)] >> _POSITION_BITS == keys >> _POSITION_BITS)
    return np.where(same, at, -1)


def firsts(dense: Array, size: int) -> Array:
    """Which entries are the first of their message."""
    where = np.arange(len(dense))
    first = np.empty(size, np.int64)
    first[dense[::-1]] = where[::-1]
    return first[dense] == where


def same_turn(these: Array, those: Array) -> Array:
    """For the k-th entry of a message the index of its k-th entry in ``those``, -1 if there is none.

    Both are messages in order.  A producer that did not hear sends again, so that a queue may hold a message twice;
    then the first that came is taken for the first that goes.
    """
    turn = np.arange(len(these)) - np.searchsorted(these, these)
    at = np.searchsorted(those, these) + turn
    found = at < len(those)
    found[found] = those[at[found]] == these[found]
    return np.where(found, at, -1)
