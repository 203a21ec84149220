"""What happened in one queue: its levels, the age of its oldest message, and what each message met there.

It knows the rows of a queue.  Values a message come as Values: when each became known, what it is, whose it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from qsim.kernel.journal import NOBODY, Kind, Place
from qsim.metrics import places
from qsim.metrics.ledger import NUMBER_BITS, Ledger, firsts, key, last_before, only, same_turn
from qsim.metrics.steps import FOREVER, Ages, Steps, from_changes

Array = Any


@dataclass(frozen=True, slots=True)
class Values:
    """``known`` is when (ns), ``value`` in ns or a plain number, ``dense`` the message."""

    known: Array
    value: Array
    dense: Array


# --- levels -----------------------------------------------------------------------------------------------------------


def level(ledger: Ledger, queue: int, name: str, marked: Array | None = None) -> Steps:
    """visible, in_flight, delayed, deferred or depth over time (of the marked messages)."""
    return within(ledger, queue, places.LEVELS[name], marked)


def within(ledger: Ledger, queue: int, these: tuple[Place, ...], marked: Array | None = None) -> Steps:
    """How many messages are in these places, over time."""
    times, changes = [np.empty(0, np.int64)], [np.empty(0, np.int8)]
    table = places.inside(these)
    for _, part in ledger.scan(*places.MOVES, queue=queue):
        change = places.change(part, table)
        keep = change != 0
        if marked is not None:
            keep &= marked[ledger.dense(part["message"])]
        times.append(part["time"][keep])
        changes.append(change[keep])
    return from_changes(np.concatenate(times), np.concatenate(changes))


def oldest_age(ledger: Ledger, queue: int, marked: Array | None = None) -> Ages:
    """Since when the oldest visible message has been in this queue, over time."""
    return ages(ledger, _moves(ledger, queue, marked))


def ages(ledger: Ledger, moves: SimpleNamespace) -> Ages:
    """The same of moves (time, dense, enters, change): the oldest is looked for among messages whose changes so far
    sum up to one."""
    times, moves.instant = _instants(moves.time)
    blocks = range(0, ledger.size + 1, BLOCK)
    stays = [_stays(only(moves, (moves.dense >= b) & (moves.dense < b + BLOCK)), len(times)) for b in blocks]
    start, end, entered = (np.concatenate(column) for column in zip(*stays, strict=True))
    return Ages(times, cover_min(start, end, entered, len(times)))


BLOCK = 1 << 21
"""Messages whose stays are found together."""


def _moves(ledger: Ledger, queue: int, marked: Array | None) -> SimpleNamespace:
    """time, dense, enters and change of every row that enters the queue, or changes whether a message is visible."""
    table = places.inside(places.LEVELS["visible"])
    types = (np.int64, np.int32, bool, np.int8)
    pieces: list[tuple[Array, ...]] = [tuple(np.empty(0, dtype) for dtype in types)]
    for _, part in ledger.scan(*places.MOVES, queue=queue):
        change = places.change(part, table)
        enters = np.isin(part["kind"], places.ENTERS)
        dense = ledger.dense(part["message"]).astype(np.int32)
        keep = (change != 0) | enters
        if marked is not None:
            keep &= marked[dense]
        pieces.append((part["time"][keep], dense[keep], enters[keep], change[keep]))
    names = ("time", "dense", "enters", "change")
    return SimpleNamespace(**{n: np.concatenate([piece[i] for piece in pieces]) for i, n in enumerate(names)})


def _instants(times: Array) -> tuple[Array, Array]:
    """The distinct times, and which of them each is."""
    new = np.append(True, times[1:] != times[:-1])[: len(times)]
    return times[new], np.cumsum(new, dtype=np.int32) - 1


def _stays(moves: SimpleNamespace, end: int) -> tuple[Array, Array, Array]:
    """Of each time that a message is visible and lasts: first instant, first instant after, when it entered."""
    moves = only(moves, np.argsort(moves.dense, kind="stable"))
    entry = np.maximum.accumulate(np.where(moves.enters, np.arange(len(moves.dense)), 0))
    moves.entered = moves.time[entry]
    ups, downs = only(moves, moves.change > 0), only(moves, moves.change < 0)
    turn = same_turn(ups.dense, downs.dense)
    stop = np.where(turn >= 0, downs.instant[turn], end) if len(downs.dense) else np.full(len(turn), end)
    lasts = ups.instant < stop
    return ups.instant[lasts], stop[lasts], ups.entered[lasts]


def cover_min(start: Array, end: Array, value: Array, size: int) -> Array:
    """At each place the least value of the half-open intervals that cover it, FOREVER where there is none.

    An interval is two overlapping ones whose length is a power of two; from the longest on, each is handed down
    to its halves: no interval costs more than a few steps, however long it is.
    """
    power = np.frexp((end - start).astype(float))[1] - 1
    least = np.full(size, FOREVER, np.int64)
    for k in range(int(power.max(initial=0)), -1, -1):
        these = np.flatnonzero(power == k)
        np.minimum.at(least, start[these], value[these])
        np.minimum.at(least, end[these] - (1 << k), value[these])
        if k:
            half = 1 << (k - 1)
            halves = least.copy()
            np.minimum(halves[half:], least[:-half], out=halves[half:])
            least = halves
    return least


# --- since when a message is here -------------------------------------------------------------------------------------


def _start(ledger: Ledger, queue: int, rows: SimpleNamespace) -> Array:
    """From when wait and latency count: the first attempt to send, or the last move to this queue before the row."""
    start = ledger.first_sent[rows.dense]
    moved = ledger.select(Kind.MOVED_IN, queue=queue, columns=("time", "dense", "position"))
    if not len(moved.time):
        return start
    order = np.argsort(key(moved.dense, moved.position))
    move = last_before(key(rows.dense, rows.position), key(moved.dense, moved.position)[order])
    return np.where(move >= 0, moved.time[order][move], start)


def _received(ledger: Ledger, queue: int) -> SimpleNamespace:
    return ledger.select(Kind.RECEIVED, queue=queue, columns=("time", "dense", "position"))


# --- values a message -------------------------------------------------------------------------------------------------


def wait(ledger: Ledger, queue: int) -> Values:
    """Ends at the first receive ever from this queue, once a message."""
    rows = _received(ledger, queue)
    rows = only(rows, firsts(rows.dense, ledger.size))
    return Values(rows.time, rows.time - _start(ledger, queue, rows), rows.dense)


def second_receive(ledger: Ledger, queue: int) -> Values:
    """Starts as wait does, to the second receive."""
    rows = _received(ledger, queue)
    first = firsts(rows.dense, ledger.size)
    again = only(rows, ~first)
    again = only(again, firsts(again.dense, ledger.size))
    begun = np.empty(ledger.size, np.int64)
    first_rows = only(rows, first)
    begun[first_rows.dense] = _start(ledger, queue, first_rows)
    return Values(again.time, again.time - begun[again.dense], again.dense)


def latency(ledger: Ledger, queue: int) -> Values:
    """Ends at the ack that deleted the message."""
    rows = ledger.select(Kind.ACKED, queue=queue, columns=("time", "dense", "position"))
    return Values(rows.time, rows.time - _start(ledger, queue, rows), rows.dense)


def origin_latency(ledger: Ledger, queue: int) -> Values:
    """Latency from the first send, whatever moves came between, and of whatever message it was made."""
    rows = ledger.select(Kind.ACKED, queue=queue, columns=("time", "dense"))
    return Values(rows.time, rows.time - ledger.origin_sent[rows.dense], rows.dense)


def receives(ledger: Ledger, queue: int) -> Values:
    """How often each was received from here; belongs to its first receive, read at the end."""
    rows = ledger.select(Kind.RECEIVED, queue=queue, columns=("time", "dense"))
    count = np.bincount(rows.dense, minlength=ledger.size)
    first = firsts(rows.dense, ledger.size)
    return Values(rows.time[first], count[rows.dense[first]], rows.dense[first])


_QUEUE_ENDS = (Kind.NACKED, Kind.LEASE_ENDED)
_WORK_ENDS = (Kind.ERRED, Kind.INTERRUPTED)


def recovery_time(ledger: Ledger, queue: int) -> Values:
    """From the end of an attempt without ack (crash, error, lease lost) to that message's next receive from here."""
    received = ledger.select(Kind.RECEIVED, queue=queue, columns=("dense",)).dense
    again = np.bincount(received, minlength=ledger.size) > 1
    kinds = (Kind.RECEIVED, Kind.MOVED_IN, *_QUEUE_ENDS, *_WORK_ENDS)
    rows = ledger.select(*kinds, columns=("time", "dense", "position", "client", "queue", "kind", "attempt"))
    here = (rows.queue == queue) | np.isin(rows.kind, _WORK_ENDS)
    rows = only(rows, here & again[rows.dense])
    rows = only(rows, np.argsort(key(rows.dense, rows.position)))
    return _recoveries(rows)


def _recoveries(rows: SimpleNamespace) -> Values:
    """``rows`` by message, then in order: the first end of each attempt, and the receive that follows it."""
    receives_ = np.flatnonzero(rows.kind == Kind.RECEIVED)
    attempt = np.cumsum(rows.kind == Kind.RECEIVED) - 1
    holder = receives_[np.maximum(attempt, 0)] if len(receives_) else attempt
    own = (attempt >= 0) & (rows.dense[holder] == rows.dense)
    by_holder = rows.client == rows.client[holder]
    ends = np.flatnonzero(own & (np.isin(rows.kind, _QUEUE_ENDS) | (np.isin(rows.kind, _WORK_ENDS) & by_holder)))
    moved = np.zeros(len(receives_) + 1, bool)
    moved[attempt[own & (rows.kind == Kind.MOVED_IN)]] = True
    ended, first = np.unique(attempt[ends], return_index=True)
    goes_on = (ended + 1 < len(receives_)) & ~moved[ended]
    first, next_ = first[goes_on], receives_[ended[goes_on] + 1]
    same = (rows.dense[next_] == rows.dense[ends[first]]) & (rows.attempt[next_] > 1)
    next_, end = next_[same], ends[first][same]
    return Values(rows.time[next_], rows.time[next_] - rows.time[end], rows.dense[next_])


# --- moments that counters count --------------------------------------------------------------------------------------


def out_of_order(ledger: Ledger, queue: int, by_group: bool = True) -> SimpleNamespace:
    """Receives after one of the same group (of the queue, without groups) that was sent later: time, dense."""
    rows = _received(ledger, queue)
    sent = ledger.sent_order()[rows.dense]
    if by_group:
        order = np.argsort(ledger.group[rows.dense], kind="stable")
        rows, sent = only(rows, order), sent[order]
    base = ledger.group[rows.dense].astype(np.int64) + 1 if by_group else 0
    rank = base * len(ledger.rows) + sent
    late = rank < np.maximum.accumulate(rank) if len(rank) else np.empty(0, bool)
    late_rows = only(rows, late)
    return only(late_rows, np.argsort(late_rows.position))


def redelivered(ledger: Ledger, queue: int) -> SimpleNamespace:
    """Receives after a message's first from this queue: time, dense."""
    rows = ledger.select(Kind.RECEIVED, queue=queue, columns=("time", "dense"))
    return only(rows, ~firsts(rows.dense, ledger.size))


_LOSSES = (Kind.EXPIRED, Kind.DROPPED, Kind.VANISHED)


def lost(ledger: Ledger, queue: int) -> SimpleNamespace:
    """Ended with no effect and nobody told: time, dense, position, kind."""
    columns = ("time", "dense", "position", "kind")
    ended = ledger.select(*_LOSSES, queue=queue, columns=columns)
    parts = [
        ended, never_arrived(ledger, queue, columns), _refused(ledger, queue, columns), _died_after_ack(ledger, queue, columns),
    ]  # fmt: skip
    joined = SimpleNamespace(**{name: np.concatenate([getattr(p, name) for p in parts]) for name in columns})
    if not len(joined.time):
        return joined
    joined = only(joined, np.argsort(joined.position, kind="stable"))
    done = np.zeros(ledger.size, bool)
    done[ledger.select(Kind.EFFECT, columns=("dense",)).dense] = True
    joined = only(joined, ~done[joined.dense])
    return only(joined, firsts(joined.dense, ledger.size))


def never_arrived(ledger: Ledger, queue: int, columns: tuple[str, ...]) -> SimpleNamespace:
    """The last try of a message that never arrived; ``queue`` -1: of those to topics."""
    rows = ledger.select(Kind.LOST_SEND, queue=queue, columns=(*columns, "attempt"))
    if not len(rows.time):
        return only(rows, slice(0, 0))
    tries = np.zeros(ledger.size, np.int64)
    sent = ledger.select(Kind.SENT, columns=("dense", "attempt"))
    np.maximum.at(tries, sent.dense, sent.attempt)
    return only(rows, (rows.attempt == tries[rows.dense]) & ~_arrived(ledger)[rows.dense])


def _arrived(ledger: Ledger) -> Array:
    """Which messages some queue or topic took."""
    arrived = np.zeros(ledger.size, bool)
    took = ledger.select(Kind.ACCEPTED, Kind.SUPPRESSED, Kind.MOVED_IN, Kind.PUBLISHED, columns=("dense",))
    arrived[took.dense] = True
    return arrived


def _refused(ledger: Ledger, queue: int, columns: tuple[str, ...]) -> SimpleNamespace:
    """Copies that the queue refused: their topic has taken the original, and nobody is told."""
    of_copies = np.array([origin.is_copy for origin in ledger.origins] or [False])
    if not of_copies.any():
        return SimpleNamespace(**{name: np.empty(0, np.int64) for name in columns})
    rows = ledger.select(Kind.REJECTED, queue=queue, columns=(*columns, "message"))
    return only(rows, of_copies[rows.message >> NUMBER_BITS] & ~_arrived(ledger)[rows.dense])


def _died_after_ack(ledger: Ledger, queue: int, columns: tuple[str, ...]) -> SimpleNamespace:
    """Work interrupted at a consumer that acks on receive."""
    rows = ledger.select(Kind.INTERRUPTED, queue=queue, columns=(*columns, "client"))
    careless = [c.index for c in ledger.plan.consumers if c.ack == c.ack.ON_RECEIVE]
    return only(rows, (rows.client != NOBODY) & np.isin(rows.client >> 20, careless))


# --- once a run -------------------------------------------------------------------------------------------------------


def drained_at(visible: Steps, start: int, end: int) -> float:
    """The first moment after the largest ``visible`` at which it is 0; infinite if never."""
    inner = visible.times[(visible.times > start) & (visible.times < end)]
    times = np.concatenate([[start], inner])
    values = visible.over(times)
    largest = int(np.argmax(values))
    empty = np.flatnonzero(values[largest:] == 0)
    return int(times[largest + empty[0]]) if len(empty) else float("inf")
