"""One message's life: its rows, the sentences that tell them, and its leases as bars.

It knows the rows of one message and the words for them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from qsim.kernel.journal import FIELDS, NOBODY, Cause, Kind, Place
from qsim.metrics import queues
from qsim.metrics.ledger import CHUNK, Ledger
from qsim.metrics.naming import message_name, message_number, process_name
from qsim.metrics.numbers import Numbers
from qsim.scenario.origins import NUMBER, NUMBER_BITS
from qsim.scenario.plan import Plan
from qsim.units import MILLISECOND, SECOND, Nanos

BAR_WIDTH = 60
FIRST_OF = ("first-redelivered", "first-dead-lettered", "first-lost")
_MARKS = (Kind.POISON, Kind.ATTRIBUTES)


@dataclass(frozen=True, slots=True)
class Row:
    """A journal row of the message."""

    time: Nanos
    message: int
    client: int
    attempt: int
    queue: int
    kind: int
    cause: int
    other: int


@dataclass(frozen=True, slots=True)
class Lease:
    """One delivery: who had it, from which queue, from when, until when the lease held, until when the work went on."""

    client: int
    queue: int
    start: Nanos
    lease_end: Nanos
    work_end: Nanos


# --- which message ----------------------------------------------------------------------------------------------------


def find(numbers: Numbers, which: str | int) -> int:
    """A message by name (``api:351``), by number, or the first of a fate; LookupError if there is none."""
    if which in FIRST_OF:
        return _first(numbers, str(which))
    message = message_number(numbers.plan, which)
    if not rows_of(numbers.ledger, message):
        raise LookupError(f"no message {message_name(numbers.plan, message)} was sent in this run")
    return message


def _first(numbers: Numbers, which: str) -> int:
    ledger = numbers.ledger
    if which == "first-dead-lettered":
        found = [ledger.select(Kind.DEAD_LETTERED, columns=("position", "dense"))]
    else:
        of_queue = {"first-redelivered": queues.redelivered, "first-lost": queues.lost}[which]
        found = [of_queue(ledger, i) for i in range(len(numbers.plan.queues))]
    firsts = [
        (int(rows.time[0]) if hasattr(rows, "time") else 0, int(rows.dense[0])) for rows in found if len(rows.dense)
    ]
    if not firsts:
        raise LookupError(f"no message was {which.removeprefix('first-')} in this run")
    return int(ledger.identity(np.array([min(firsts)[1]]))[0])


def rows_of(ledger: Ledger, message: int) -> list[Row]:
    """Every row of the message, in order."""
    rows: list[Row] = []
    for start in range(0, len(ledger.rows), CHUNK):
        part = ledger.rows[start : start + CHUNK]
        rows.extend(_row(row) for row in part[part["message"] == message])
    return rows


def rows_of_each(ledger: Ledger, dense: Any) -> dict[int, list[Row]]:
    """Every row of each of these messages (dense numbers), by message, in one pass."""
    wanted = np.zeros(ledger.size + 1, bool)
    wanted[dense] = True
    rows: dict[int, list[Row]] = {int(message): [] for message in ledger.identity(dense)}
    for start in range(0, len(ledger.rows), CHUNK):
        part = ledger.rows[start : start + CHUNK]
        for row in part[wanted[ledger.dense(part["message"])]]:
            rows[int(row["message"])].append(_row(row))
    return rows


def _row(row: Any) -> Row:
    return Row(*(int(row[name]) for name in FIELDS))


# --- sentences --------------------------------------------------------------------------------------------------------


def clock(time: Nanos) -> str:
    """ "12m 04.2s": a time of the run, to the millisecond."""
    ms = round(time / MILLISECOND)
    hours, ms = divmod(ms, 3_600_000)
    minutes, ms = divmod(ms, 60_000)
    seconds = (
        f"{ms / 1000:06.3f}".rstrip("0").rstrip(".") if hours or minutes else f"{ms / 1000:.3f}".rstrip("0").rstrip(".")
    )
    return (
        (f"{hours}h " if hours else "")
        + (f"{minutes:02d}m " if hours else f"{minutes}m " if minutes else "")
        + seconds
        + "s"
    )


def story(numbers: Numbers, message: int) -> list[str]:
    """What happened to the message, a line a row, and its leases as bars below."""
    rows = rows_of(numbers.ledger, message)
    lines = [f"t={clock(row.time):<12} {text}" for row, text in sentences(numbers.plan, rows)]
    return [*_before(numbers, message), *lines, *_after(numbers, message), *bars(numbers, rows)]


def told(plan: Plan, rows: list[Row]) -> list[str]:
    """A sentence for each of these rows, which are of one message, or of one thing that was sent twice."""
    teller = _Teller(plan, rows)
    return [teller.tell(row) for row in rows]


def sentences(plan: Plan, rows: list[Row]) -> list[tuple[Row, str]]:
    """The rows of one message that say something happened, each with its sentence."""
    return [(row, text) for row, text in zip(rows, told(plan, rows), strict=True) if row.kind not in _MARKS]


def _before(numbers: Numbers, message: int) -> list[str]:
    """Of a copy: when the message was sent of which it is one."""
    ledger = numbers.ledger
    origin = ledger.origins[message >> NUMBER_BITS]
    if not origin.is_copy:
        return []
    sent = int(ledger.first_sent[ledger.dense(np.array([message]))[0]])
    original = message_name(numbers.plan, origin.parent << NUMBER_BITS | message & NUMBER)
    return [f"t={clock(sent):<12} sent       {original}, of which this is a copy"]


def _after(numbers: Numbers, message: int) -> list[str]:
    """What was made of the message: each has a life of its own."""
    ledger, number = numbers.ledger, message & NUMBER
    made = [i for i, o in enumerate(ledger.origins) if o.parent == message >> NUMBER_BITS != i]
    names = [message_name(numbers.plan, i << NUMBER_BITS | number) for i in made if _came_to_be(ledger, i, number)]
    return [f"{'':<15}made of it: {', '.join(names)}"] if names else []


def _came_to_be(ledger: Ledger, index: int, number: int) -> bool:
    """Whether a message is told of: a topic's filters may have left it out."""
    if number >= int(ledger.first[index + 1] - ledger.first[index]):
        return False
    return bool((ledger.rows["message"] == (index << NUMBER_BITS | number)).any())


class _Teller:
    """Tells rows one after the other; remembers who holds the message and how many effects there were."""

    def __init__(self, plan: Plan, rows: list[Row]) -> None:
        self.plan = plan
        self.poison = any(row.kind == Kind.POISON for row in rows)
        self.working: dict[int, str] = {}
        self.effects = 0
        self.receives = 0

    def tell(self, row: Row) -> str:
        self._note(row)
        tells = _TELLS.get(Kind(row.kind))
        return tells(self, row) if tells else f"{Kind(row.kind).name.lower().rstrip('_')} {self.who(row)}".rstrip()

    def _note(self, row: Row) -> None:
        if row.kind == Kind.RECEIVED:
            self.receives += 1
            self.working[row.client] = self.who(row)
        if row.kind in (Kind.ERRED, Kind.INTERRUPTED, Kind.SKIPPED, Kind.EFFECT):
            self.working.pop(row.client, None)
        self.effects += row.kind == Kind.EFFECT

    def who(self, row: Row) -> str:
        return "" if row.client == NOBODY else process_name(self.plan, row.client)

    def queue(self, index: int) -> str:
        return self.plan.queues[index].name if 0 <= index < len(self.plan.queues) else "?"

    def dependency(self, row: Row) -> str:
        return self.plan.dependencies[row.other].name

    def still(self) -> str:
        names = list(self.working.values())
        if not names:
            return ""
        return (
            f", while {names[0]} is still at work on it"
            if len(names) == 1
            else f", while {len(names)} are at work on it"
        )


def _sent(t: _Teller, row: Row) -> str:
    tries = f"  try {row.attempt}" if row.attempt > 1 else ""
    by = "" if row.client == NOBODY else f"  by {t.who(row)}, who makes it of another"
    return f"sent       {message_name(t.plan, row.message)}{'  (poison)' if t.poison else ''}{tries}{by}"


def _received(t: _Teller, row: Row) -> str:
    lease = "no lease" if row.other < 0 else f"lease until {clock(row.time + row.other * MILLISECOND)}"
    dlq = t.plan.queues[row.queue].profile.dlq
    most = f" of {dlq.max_receives}" if dlq is not None and dlq.max_receives else ""
    return f"received   {t.who(row):<12} {lease:<26} {ordinal(row.attempt)}{most}"


def _lease_ended(t: _Teller, row: Row) -> str:
    working = t.working.get(row.client)
    return f"LEASE ENDED{f' while {working} is still working' if working else ''}"


def _dead_lettered(t: _Teller, row: Row) -> str:
    why = cause(row.cause)
    after = f"after {t.receives} receives" if row.cause == Cause.MAX_RECEIVES else f"({why})"
    return f"DEAD-LETTERED to {t.queue(row.other >> 8)} {after}{t.still()}"


def _goes(word: str) -> Callable[[_Teller, Row], str]:
    return lambda t, row: f"{word} ({cause(row.cause)}){t.still()}"


def _call_ended(t: _Teller, row: Row) -> str:
    for_nobody = "" if row.cause == Cause.NONE else ", when nobody waits any more"
    return f"answered   {t.who(row):<12} by {t.dependency(row)}{for_nobody}"


def _stale(t: _Teller, row: Row) -> str:
    call = {1: "ack", 2: "nack", 3: "extend"}.get(row.other, "call")
    return f"{call} ignored {t.who(row):<12} {cause(row.cause)}"


def _accepted(t: _Teller, row: Row) -> str:
    late = "  (delayed)" if row.cause == Place.DELAYED else ""
    others = row.attempt - 1
    together = f"  in one call with {others} other{'' if others == 1 else 's'}" if others > 0 else ""
    return f"accepted   {t.queue(row.queue)}{late}{together}"


def _acked(t: _Teller, row: Row) -> str:
    late = "" if row.cause == Place.LEASED else "  although its lease had ended"
    return f"acked      {t.who(row)}{late}"


def _nacked(t: _Teller, row: Row) -> str:
    then = {Place.DELAYED: "visible again later", Place.LEASED: "hidden for a while"}.get(
        Place(row.cause), "visible again"
    )
    return f"nacked     {t.who(row):<12} {then}"


def _moved_in(t: _Teller, row: Row) -> str:
    if row.queue == row.other:
        return f"is BACK in {t.queue(row.queue)}: the restart has lost its ack"
    return f"moved in   {t.queue(row.queue)}, from {t.queue(row.other)}"


_TELLS: dict[Kind, Callable[[_Teller, Row], str]] = {
    Kind.SENT: _sent,
    Kind.LOST_SEND: lambda t, row: f"LOST on the way to the {'queue' if row.queue >= 0 else 'topic'}",
    Kind.PUBLISHED: lambda t, row: (
        f"published  {t.plan.topics[row.other].name}: {row.attempt} {'copy' if row.attempt == 1 else 'copies'}"
    ),
    Kind.UNROUTED: lambda t, row: "UNROUTED: no subscription wanted it",
    Kind.TIMED_OUT: lambda t, row: "the producer waits no longer for an answer",
    Kind.ANSWERED: lambda t, row: "the producer hears",
    Kind.REPLIED: lambda t, row: f"REPLIED    in time, through {t.queue(row.queue)}",
    Kind.TOO_LATE: lambda t, row: f"a reply came through {t.queue(row.queue)} when nobody waited for it any more",
    Kind.GAVE_UP_WAITING: lambda t, row: "NO REPLY in time: the producer waits no longer",
    Kind.ACCEPTED: _accepted,
    Kind.SUPPRESSED: lambda t, row: "suppressed: it is a duplicate of an earlier send",
    Kind.REJECTED: lambda t, row: f"REJECTED by {t.queue(row.queue)} ({cause(row.cause)})",
    Kind.VISIBLE: lambda t, row: "visible    its delay is over",
    Kind.RECEIVED: _received,
    Kind.ACKED: _acked,
    Kind.NACKED: _nacked,
    Kind.LEASE_ENDED: _lease_ended,
    Kind.RETURNED: lambda t, row: f"returned   {t.queue(row.queue)}",
    Kind.DUPLICATED: lambda t, row: "visible once more though its lease runs",
    Kind.EXTENDED: lambda t, row: (
        f"extended   {t.who(row):<12} lease until {clock(row.time + row.other * MILLISECOND)}"
    ),
    Kind.STALE: _stale,
    Kind.DEAD_LETTERED: _dead_lettered,
    Kind.MOVED_IN: _moved_in,
    Kind.MOVED_OUT: lambda t, row: f"moved out  {t.queue(row.queue)}, to {t.queue(row.other)}",
    Kind.DROPPED: _goes("DROPPED"),
    Kind.EXPIRED: _goes("EXPIRED"),
    Kind.PURGED: lambda t, row: "PURGED",
    Kind.VANISHED: lambda t, row: f"VANISHED{t.still()}",
    Kind.STARTED: lambda t, row: f"work begins {t.who(row)}",
    Kind.EFFECT: lambda t, row: f"effect #{t.effects}  {t.who(row)}",
    Kind.SKIPPED: lambda t, row: f"skipped    {t.who(row):<12} it has seen this message before",
    Kind.ERRED: lambda t, row: f"error      {t.who(row)}",
    Kind.INTERRUPTED: lambda t, row: (
        f"{'KILLED' if row.cause == Cause.SCALED_IN else 'CRASH':<10} {t.who(row):<12} {cause(row.cause)}"
    ),
    Kind.LOST_ACK: lambda t, row: f"ack LOST   {t.who(row)}",
    Kind.CALLED: lambda t, row: f"calls      {t.who(row):<12} {t.dependency(row)}",
    Kind.SERVED: lambda t, row: f"served     {t.who(row):<12} by {t.dependency(row)}",
    Kind.CALL_ENDED: _call_ended,
    Kind.CALL_TIMED_OUT: lambda t, row: (
        f"TIMED OUT  {t.who(row):<12} {'no place' if row.cause == Place.READY else 'no answer'} in time from {t.dependency(row)}"
    ),
    Kind.CALL_REFUSED: lambda t, row: f"REFUSED    {t.who(row):<12} by {t.dependency(row)}: no place, and no room to wait",
    Kind.CALL_ABANDONED: lambda t, row: f"abandoned  {t.who(row):<12} the call to {t.dependency(row)}",
    Kind.GAVE_UP: lambda t, row: f"the heartbeat of {t.who(row)} gives up",
}


def cause(number: int) -> str:
    """A cause in words."""
    return _WORDS.get(Cause(number), Cause(number).name.lower().replace("_", " "))


_WORDS = {
    Cause.NO_MESSAGE: "the message is gone",
    Cause.RECEIVED_AGAIN: "received again since",
    Cause.RECEIPT_EXPIRED: "its lease had ended",
    Cause.NOT_IN_FLIGHT: "its lease had ended",
    Cause.MAX_RECEIVES: "received too often",
    Cause.FULL: "the queue is full",
    Cause.OWN_CRASH: "at its own work",
    Cause.FELLOW_CRASH: "with its process",
    Cause.SCALED_IN: "with its process: fewer are wanted",
    Cause.TTL: "its time to live is over",
    Cause.RETENTION: "its retention is over",
}


def ordinal(n: int) -> str:
    """1st, 2nd, 3rd, 4th, ..."""
    ending = "th" if n % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"


# --- leases -----------------------------------------------------------------------------------------------------------

_LEASE_ENDS = (
    Kind.ACKED, Kind.NACKED, Kind.LEASE_ENDED, Kind.RETURNED, Kind.DUPLICATED, Kind.DEAD_LETTERED, Kind.EXPIRED,
    Kind.DROPPED, Kind.PURGED, Kind.VANISHED, Kind.DEFERRED_,
)  # fmt: skip
_WORK_ENDS = (Kind.EFFECT, Kind.SKIPPED, Kind.ERRED, Kind.INTERRUPTED)


def leases(rows: list[Row], ended: Nanos) -> list[Lease]:
    """Every delivery of the message."""
    return [_lease(rows, i, ended) for i, row in enumerate(rows) if row.kind == Kind.RECEIVED]


def _lease(rows: list[Row], i: int, ended: Nanos) -> Lease:
    row, later = rows[i], rows[i + 1 :]
    lease_end = next((r.time for r in later if r.kind in _LEASE_ENDS and r.queue == row.queue), ended)
    work_end = next((r.time for r in later if r.kind in _WORK_ENDS and r.client == row.client), ended)
    return Lease(row.client, row.queue, row.time, lease_end, max(work_end, row.time))


def bars(numbers: Numbers, rows: list[Row]) -> list[str]:
    """A bar a delivery: █ leased and at work, ░ at work without a lease, · leased and nobody at work."""
    found = leases(rows, numbers.recording.ended)
    if not found:
        return []
    start = min(lease.start for lease in found)
    end = max(max(lease.lease_end, lease.work_end) for lease in found)
    step = max(1, (end - start) / BAR_WIDTH)
    head = f"{'':<12} {clock(start)} {'-' * max(1, BAR_WIDTH - len(clock(start)) - len(clock(end)) - 2)} {clock(end)}"
    return ["", head, *(f"{process_name(numbers.plan, x.client):<12} {_bar(x, start, step)}".rstrip() for x in found)]


def _bar(lease: Lease, start: Nanos, step: float) -> str:
    return "".join(_cell(lease, start + int((i + 0.5) * step)) for i in range(BAR_WIDTH))


def _cell(lease: Lease, time: Nanos) -> str:
    if time < lease.start:
        return " "
    works, leased = time < lease.work_end, time < lease.lease_end
    return {(True, True): "█", (True, False): "░", (False, True): "·"}.get((works, leased), " ")


def summary_of(numbers: Numbers, message: int) -> dict[str, Any]:
    """The life in a few numbers: sent, receives, effects, and how it ended."""
    ledger = numbers.ledger
    rows = rows_of(ledger, message)
    kinds = [row.kind for row in rows]
    sent = int(ledger.first_sent[ledger.dense(np.array([message]))[0]])
    gone = next((row for row in reversed(rows) if row.kind in _FATES), None)
    return {
        "message": message_name(numbers.plan, message),
        "sent_s": None if sent < 0 else sent / SECOND,
        "sent": "never" if sent < 0 else clock(sent),
        "receives": kinds.count(Kind.RECEIVED),
        "effects": kinds.count(Kind.EFFECT),
        "ended": None if gone is None else f"{_FATES[Kind(gone.kind)]} at {clock(gone.time)}",
    }


_FATES = {
    Kind.ACKED: "acked",
    Kind.DEAD_LETTERED: "dead-lettered",
    Kind.EXPIRED: "expired",
    Kind.DROPPED: "dropped",
    Kind.PURGED: "purged",
    Kind.VANISHED: "vanished",
    Kind.LOST_SEND: "lost on the way",
    Kind.REJECTED: "rejected",
}
