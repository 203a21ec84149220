"""What an animation needs of a run: where each message is when, as plain values.

It knows the journal's rows, of a window of time and a sample of messages; how they look is for ``static/watch.js``.  A dot
is a message in one queue: the groups of a log have each their own.  Times are in seconds, and in order.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from qsim.kernel.journal import Kind, Place
from qsim.metrics.curves import round_step
from qsim.metrics.ledger import NEVER, NUMBER_BITS, PROCESS_BITS
from qsim.metrics.life import Row, leases, rows_of_each, sentences
from qsim.metrics.naming import message_name
from qsim.metrics.numbers import Numbers
from qsim.scenario.plan import ConsumerPlan
from qsim.scenario.reference import parse
from qsim.units import MILLISECOND, SECOND, Nanos, duration, format_duration

MOST = 400
"""Messages that are shown."""
LEAST_LENGTH = 30 * SECOND
"""Of the window where there are more messages than are shown, and nobody says how long."""
LETTERS = 900_000
"""Of the film as JSON, about: so much is still opened at once."""
SENTENCES = 40
"""Of one message's story: the last so many."""
PROCESSES = 24
"""Of one consumer that are drawn."""
LEVELS = 240
"""Steps at which the true number of visible messages is told."""

Move = list[Any]
"""[time, state, where, ...]: "sent" at a producer; "ready", "delayed", "hidden", "deferred" in a queue; "leased" by
[consumer, process], then until when (None: for ever) and since when; "acked"; "gone"."""


@dataclass(frozen=True, slots=True)
class Window:
    """Which part is shown; ``there`` messages are anywhere in it, ``chosen`` (dense numbers) are shown."""

    start: Nanos
    end: Nanos
    there: int
    chosen: Any

    def said(self) -> str:
        shown, span = len(self.chosen), f"from {format_duration(self.start)} to {format_duration(self.end)}"
        if shown == self.there == 1:
            return f"showing the only message, {span}"
        if shown == self.there:
            return f"showing all {shown:,} messages {span}"
        return f"showing {shown:,} of {self.there:,} messages, evenly spaced, {span}"


def film(
    numbers: Numbers, queue: str | None = None, start: str | None = None, length: str | None = None, most: int = MOST
) -> dict[str, Any]:
    """The messages (of one queue) from ``start`` for ``length``, at most so many, and fewer where they have much to tell."""
    while True:
        window = choose(numbers, queue, start, length, most)
        made = _film(numbers, window)
        if most <= 1 or len(json.dumps(made)) <= LETTERS:
            return made
        most //= 2


# --- which ------------------------------------------------------------------------------------------------------------


def choose(numbers: Numbers, queue: str | None, start: str | None, length: str | None, most: int) -> Window:
    """The window, and who is seen in it: who was sent before its end and was not gone before its start."""
    first = 0 if start is None else duration(start)
    ended = numbers.recording.ended
    if not 0 <= first < max(ended, 1):
        raise ValueError(f"start={start!r}: the run is over at {format_duration(ended)}")
    sent = numbers.ledger.first_sent
    end = _end(sent, first, most) if length is None else first + duration(length)
    end = min(end, ended)
    there = np.flatnonzero(_there(numbers, first, end, None if queue is None else _index(numbers, queue)))
    step = -(-len(there) // max(1, most))
    return Window(first, end, len(there), there[:: max(1, step)])


def _end(sent: Any, start: Nanos, most: int) -> Nanos:
    """Of as many messages as can be shown; where there are more, of half a minute at least."""
    later = np.sort(sent[sent >= start])
    if len(later) <= most:
        return NEVER
    return start + round_step(max(int(later[most - 1]) - start, LEAST_LENGTH), 1)


def _index(numbers: Numbers, queue: str) -> int:
    names = [each.name for each in numbers.plan.queues]
    if queue not in names:
        raise KeyError(f"no queue is called '{queue}'; there are: {', '.join(names)}")
    return names.index(queue)


def _there(numbers: Numbers, start: Nanos, end: Nanos, queue: int | None) -> Any:
    """By dense number."""
    ledger = numbers.ledger
    last, was_in = np.full(ledger.size, -1, np.int64), np.full(ledger.size, queue is None)
    is_gone = np.zeros(ledger.size, bool)
    until = bisect_left(ledger.rows["time"], end) if end < ledger.ended else len(ledger.rows)
    rows = ledger.rows[:until]
    rows = rows[rows["message"] >= 0]
    dense = ledger.dense(rows["message"])
    last[dense] = rows["time"]
    is_gone[dense] = np.isin(rows["kind"], [kind for kind, state in _STATES.items() if state in ("acked", "gone")])
    if queue is not None:
        was_in[dense[rows["queue"] == queue]] = True
    return was_in & (last >= 0) & ((last >= start) | ~is_gone)


# --- told -------------------------------------------------------------------------------------------------------------


def _film(numbers: Numbers, window: Window) -> dict[str, Any]:
    plan, came = numbers.plan, _came(numbers)
    each = rows_of_each(numbers.ledger, window.chosen)
    dots = [dot for message, rows in each.items() for dot in _dots(numbers, message, rows, window)]
    dead = {queue.profile.dlq.queue for queue in plan.queues if queue.profile.dlq is not None}
    return {
        "title": plan.name if plan.variant == "base" else f"{plan.name} {plan.variant}",
        "said": window.said(),
        "start": _s(window.start),
        "end": _s(window.end),
        "producers": [producer.name for producer in plan.producers],
        "queues": [
            {"name": queue.name, "dead": queue.name in dead, "visible": _levels(numbers, queue.name, window)} for queue in plan.queues
        ],
        "consumers": [_consumer(consumer, i, came) for i, consumer in enumerate(plan.consumers)],
        "up": _up(came, len(plan.consumers), window.end),
        "messages": dots,
    }


def _s(time: Nanos) -> float:
    return round(time / SECOND, 6)


def _levels(numbers: Numbers, queue: str, window: Window) -> list[int]:
    times = np.linspace(window.start, window.end, LEVELS + 1).astype(np.int64)
    return [int(level) for level in numbers.function(parse(f"{queue}.visible")).over(times)]


_Came = list[tuple[Nanos, list[int], int]]
"""(time, [consumer, process], kind): when processes come and go."""


def _came(numbers: Numbers) -> _Came:
    rows = numbers.ledger.select(Kind.UP, Kind.DOWN, columns=("time", "client", "kind"))
    return list(zip(rows.time.tolist(), map(_process, rows.client.tolist()), rows.kind.tolist(), strict=True))


def _consumer(consumer: ConsumerPlan, index: int, came: _Came) -> dict[str, Any]:
    """However many processes it has at most, and for how many of them there is no room."""
    own = [process for _, (c, process), _ in came if c == index]
    many = max(consumer.count, 1 + max(own, default=0))
    return {"name": consumer.name, "processes": min(many, PROCESSES), "more": max(0, many - PROCESSES)}


def _up(came: _Came, many: int, end: Nanos) -> list[list[Any]]:
    """[time, [consumer, process], 1 or 0] of the processes that are drawn; there are so ``many`` consumers."""
    return [[_s(t), [c, p], int(kind == Kind.UP)] for t, (c, p), kind in came if t < end and c < many and p < PROCESSES]


def _process(client: int) -> list[int]:
    return [client >> PROCESS_BITS, client & (1 << PROCESS_BITS) - 1]


# --- one message ------------------------------------------------------------------------------------------------------

_STATES = {
    Kind.VISIBLE: "ready",
    Kind.DUPLICATED: "ready",
    Kind.FETCHED: "ready",
    Kind.DEFERRED_: "deferred",
    Kind.ACKED: "acked",
    Kind.PUBLISHED: "acked",
    Kind.LOST_SEND: "gone",
    Kind.REJECTED: "gone",
    Kind.SUPPRESSED: "gone",
    Kind.UNROUTED: "gone",
    Kind.DROPPED: "gone",
    Kind.EXPIRED: "gone",
    Kind.PURGED: "gone",
    Kind.VANISHED: "gone",
}
_TO = (Kind.ACCEPTED, Kind.NACKED, Kind.LEASE_ENDED, Kind.RETURNED, Kind.MOVED_IN)
"""Their cause is where it goes."""
_PLACES = {
    Place.READY: "ready", Place.RETURNS: "ready", Place.DELAYED: "delayed", Place.LEASED: "hidden", Place.DEFERRED: "deferred",
    Place.GONE: "gone",
}  # fmt: skip
_MARKS = {Kind.EFFECT: "effect", Kind.ERRED: "error", Kind.INTERRUPTED: "crash", Kind.STALE: "stale", Kind.SKIPPED: "skipped"}


@dataclass(slots=True)
class _Tracks:
    """Moves by the queue in which a message is; -1 before any."""

    by_queue: dict[int, list[Move]] = field(default_factory=dict)
    done: list[list[Move]] = field(default_factory=list)

    def of(self, queue: int) -> list[Move]:
        if queue not in self.by_queue:
            self.by_queue[queue] = self.by_queue.pop(-1, [])
        return self.by_queue[queue]

    def goes(self, queue: int, to: int) -> None:
        """What was in one queue is in another; should one of the same be there, it is done."""
        if to in self.by_queue and to != queue:
            self.done.append(self.by_queue.pop(to))
        self.by_queue[to] = self.by_queue.pop(queue, [])


def moves(rows: list[Row], producer: int) -> list[list[Move]]:
    """Where a message is from when on, for each queue in which it is at once."""
    tracks = _Tracks()
    for row in rows:
        if row.kind in (Kind.DEAD_LETTERED, Kind.MOVED_OUT):
            tracks.goes(row.queue, row.other >> 8 if row.kind == Kind.DEAD_LETTERED else row.other)
        elif row.kind == Kind.SENT:
            tracks.of(-1 if not tracks.by_queue else next(iter(tracks.by_queue))).append([_s(row.time), *_sent(row, producer)])
        elif (state := _state(row)) is not None:
            track = tracks.of(row.queue)
            track.append([_s(row.time), *_where(row, state, track)])
    return [*tracks.done, *tracks.by_queue.values()]


def _sent(row: Row, producer: int) -> list[Any]:
    return ["sent", producer] if row.client < 0 else ["sent", _process(row.client)]


def _state(row: Row) -> str | None:
    if row.kind in (Kind.RECEIVED, Kind.EXTENDED):
        return "leased"
    return _PLACES[Place(row.cause)] if row.kind in _TO else _STATES.get(Kind(row.kind))


def _where(row: Row, state: str, track: list[Move]) -> list[Any]:
    if state != "leased":
        return [state, row.queue]
    until = None if row.other < 0 else _s(row.time + row.other * MILLISECOND)
    since = track[-1][4] if row.kind == Kind.EXTENDED and track and track[-1][1] == "leased" else _s(row.time)
    return [state, _process(row.client), until, since]


def _dots(numbers: Numbers, message: int, rows: list[Row], window: Window) -> list[dict[str, Any]]:
    """A dot for each queue that has it; the story and what happens at work go with each."""
    producer = _producer(numbers, message)
    common = {
        "name": message_name(numbers.plan, message),
        "poison": any(row.kind == Kind.POISON for row in rows),
        "received": [_s(row.time) for row in rows if row.kind == Kind.RECEIVED],
        "effects": [_s(row.time) for row in rows if row.kind == Kind.EFFECT],
        "marks": [[_s(r.time), _MARKS[Kind(r.kind)], _process(r.client)] for r in rows if r.kind in _MARKS and _seen(r.time, window)],
        "story": _story(numbers, rows, window),
        "unleased": _unleased(numbers, rows, window),
    }
    return [{**common, "moves": _cut(track, window)} for track in moves(rows, producer) if track]


def _producer(numbers: Numbers, message: int) -> int:
    root = numbers.ledger.origins[message >> NUMBER_BITS].producer
    return next((i for i, each in enumerate(numbers.plan.producers) if each.name == root.name), 0)


def _seen(time: Nanos, window: Window) -> bool:
    return window.start <= time <= window.end


def _story(numbers: Numbers, rows: list[Row], window: Window) -> list[Any]:
    """[time, sentence] up to the window's end."""
    lines = [[_s(row.time), " ".join(text.split())] for row, text in sentences(numbers.plan, rows) if row.time <= window.end]
    left = len(lines) - SENTENCES
    return lines if left <= 0 else [[lines[left][0], f"... {left:,} earlier"], *lines[left:]]


def _unleased(numbers: Numbers, rows: list[Row], window: Window) -> list[Any]:
    """[[consumer, process], from, until]: work that goes on though its lease is over."""
    found = [x for x in leases(rows, numbers.recording.ended) if x.lease_end < x.work_end]
    return [[_process(x.client), _s(x.lease_end), _s(x.work_end)] for x in found if x.work_end >= window.start and x.lease_end < window.end]


def _cut(track: list[Move], window: Window) -> list[Move]:
    """What happens in the window, and what was the case when it began."""
    before = bisect_left([move[0] for move in track], _s(window.start))
    return [move for move in track[max(0, before - 1) :] if move[0] <= _s(window.end)]
