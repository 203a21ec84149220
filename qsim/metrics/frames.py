"""The pandas tables: messages, events, one a queue, one a consumer, alerts.

It knows columns.  COLUMNS describes each of them once, with its unit; ``docs`` prints it.  Times are seconds
(float64, the name ends in ``_s``), ids and counts are integers, and what did not happen is missing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from qsim.kernel.journal import Cause, Kind, Place
from qsim.metrics import places, queues, workers
from qsim.metrics.ledger import NUMBER_BITS, PROCESS_BITS, Ledger, firsts
from qsim.metrics.life import Lease, Row, rows_of, rows_of_each
from qsim.metrics.life import leases as leases_of
from qsim.metrics.naming import message_name, process_name
from qsim.metrics.numbers import Numbers
from qsim.metrics.steps import distinct
from qsim.scenario.plan import Plan
from qsim.units import SECOND

if TYPE_CHECKING:
    import pandas as pd

Array = Any

COLUMNS: dict[str, dict[str, str]] = {
    "messages": {
        "message": "id: the producer's index times 2^40, plus its number",
        "producer": "who sent it",
        "number": "its number at that producer, from 0",
        "queue": "the queue that this row is about; a message has a row for each queue that it was in",
        "priority": "its level's name, where the queue has priorities",
        "group": "its message group, -1 for none",
        "poison": "whether it was sent as poison",
        "sent_s": "when the producer first tried to send it",
        "entered_s": "when it first entered this queue",
        "received_s": "when it was first received from this queue",
        "acked_s": "when an ack deleted it from this queue",
        "wait_s": "from the first attempt to send (or the move here) to the first receive",
        "latency_s": "from the first attempt to send (or the move here) to the ack",
        "receives": "deliveries from this queue",
        "effects": "effects, at all consumers",
        "ended": "how it left this queue: acked, dead-lettered, expired, ...; missing: it is still there, or never came",
    },
    "events": {
        "time_s": "when",
        "kind": "what happened (qsim.kernel.journal.Kind)",
        "queue": "where",
        "message": "id, -1 for none",
        "consumer": "whose process, if any",
        "process": "its number, from 1; 0 for none",
        "attempt": "receives of this queue, or starts of work at this consumer, or tries to send",
        "to": "where the message went, if the row moves it",
        "cause": "why: the reason of a refusal, a drop, a dead-letter move, the end of work",
        "other": "what else the kind tells (qsim.kernel.journal.Kind)",
    },
    "QUEUE": {
        "time_s": "when a level changed; each row holds until the next",
        "visible": "messages that a receive could get",
        "in_flight": "messages leased to a consumer",
        "delayed": "messages that become visible later",
        "deferred": "messages set aside",
        "depth": "all of them",
        "oldest_age_s": "age of the oldest visible message at this moment",
    },
    "CONSUMER": {
        "time_s": "when something changed; each row holds until the next",
        "count": "live processes",
        "busy": "slots at work",
        "utilization": "busy slots over live slots; missing while none lives",
    },
    "alerts": {
        "time_s": "when",
        "alert": "which",
        "event": "fired or cleared",
    },
    "timeline": {
        "time_s": "when",
        "event": "what happened (qsim.kernel.journal.Kind)",
        "queue": "where",
        "process": "which process, such as worker-3",
        "attempt": "receives of this queue, or starts of work at this consumer",
        "to": "where the message went, if the row moves it",
        "cause": "why",
        "lease_s": "how long the lease runs from here, if one begins or is extended",
    },
    "leases": {
        "process": "who received the message, such as worker-3; a row a delivery",
        "start_s": "when it was received",
        "work_start_s": "when the work on it began",
        "lease_end_s": "when the lease ended: by an ack, by itself, or with the run",
        "work_end_s": "when the work ended, by an effect, an error or a crash, or with the run",
        "has_effect": "whether the work had its effect",
    },
}
"""Every column of every table, with its unit; QUEUE and CONSUMER stand for the name of one."""


def docs() -> str:
    """The tables as markdown."""
    return "\n".join(line for name in COLUMNS for line in _documented(name))


def _documented(name: str) -> list[str]:
    rows = [f"| `{column}` | {says} |" for column, says in COLUMNS[name].items()]
    return [f"### {name}", "", "| Column | |", "|---|---|", *rows, ""]


def frame(numbers: Numbers, name: str = "messages") -> pd.DataFrame:
    """The table of that name: "messages", "events", "alerts", a queue or a consumer; KeyError if there is none."""
    if name in _TABLES:
        return _TABLES[name](numbers)
    kind = numbers.names.kinds.get(name)
    if kind not in _OF_KIND:
        known = [*_TABLES, *(n for n, k in numbers.names.kinds.items() if k in _OF_KIND)]
        raise KeyError(f"no table is called '{name}'{_near(name, known)}")
    item = next(o for o in getattr(numbers.plan, f"{kind}s") if o.name == name)
    return _OF_KIND[kind](numbers, item)


def _near(name: str, known: list[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, known, 1)
    return (f"; did you mean '{near[0]}'?" if near else ";") + f" there are: {', '.join(known)}"


# --- messages ---------------------------------------------------------------------------------------------------------


def _messages(numbers: Numbers) -> pd.DataFrame:
    import pandas as pd

    ledger = numbers.ledger
    parts = [_of_queue(ledger, i) for i in range(len(ledger.plan.queues))]
    effects = np.bincount(ledger.select(Kind.EFFECT, columns=("dense",)).dense, minlength=ledger.size)
    table = pd.concat([p for p in parts if len(p)] or parts[:1], ignore_index=True)
    table["effects"] = effects[table.pop("dense").to_numpy()]
    table = table.sort_values(["message"], kind="stable", ignore_index=True)
    return table[list(COLUMNS["messages"])]


def _of_queue(ledger: Ledger, queue: int) -> pd.DataFrame:
    """A row for each message that entered the queue, or was sent to it in vain."""
    import pandas as pd

    entered = _first_times(ledger, queue, *places.ENTERS)
    sent_here = ledger.select(Kind.SENT, queue=queue, columns=("dense",)).dense
    mine = entered >= 0
    mine[sent_here] = True
    dense = np.flatnonzero(mine)
    identity = ledger.identity(dense) if len(dense) else dense
    return pd.DataFrame(
        {
            "dense": dense,
            "message": identity,
            "producer": _producer_names(ledger, identity >> NUMBER_BITS),
            "number": identity & ((1 << NUMBER_BITS) - 1),
            "queue": _repeated([q.name for q in ledger.plan.queues], np.full(len(dense), queue)),
            "priority": _repeated(list(ledger.priority_names), ledger.priority[dense]),
            "group": ledger.group[dense],
            "poison": ledger.poison[dense],
            "sent_s": _seconds(ledger.first_sent[dense]),
            "entered_s": _seconds(entered[dense]),
            "received_s": _seconds(_first_times(ledger, queue, Kind.RECEIVED)[dense]),
            "acked_s": _seconds(_spread(ledger, queues.latency(ledger, queue), known=True)[dense]),
            "wait_s": _seconds(_spread(ledger, queues.wait(ledger, queue))[dense]),
            "latency_s": _seconds(_spread(ledger, queues.latency(ledger, queue))[dense]),
            "receives": _counted(ledger, queue)[dense],
            "ended": _ends(ledger, queue)[dense],
        }
    )


def _first_times(ledger: Ledger, queue: int, *kinds: Kind) -> Array:
    rows = ledger.select(*kinds, queue=queue, columns=("time", "dense"))
    first = firsts(rows.dense, ledger.size)
    times = np.full(ledger.size, -1, np.int64)
    times[rows.dense[first]] = rows.time[first]
    return times


def _spread(ledger: Ledger, values: queues.Values, known: bool = False) -> Array:
    """Values by message, -1 where there is none; of several the last."""
    spread = np.full(ledger.size, -1, np.int64)
    spread[values.dense] = values.known if known else values.value
    return spread


def _counted(ledger: Ledger, queue: int) -> Array:
    received = ledger.select(Kind.RECEIVED, queue=queue, columns=("dense",)).dense
    return np.bincount(received, minlength=ledger.size)


_ENDS = {
    Kind.ACKED: "acked",
    Kind.DEAD_LETTERED: "dead-lettered",
    Kind.MOVED_OUT: "moved out",
    Kind.DROPPED: "dropped",
    Kind.EXPIRED: "expired",
    Kind.PURGED: "purged",
    Kind.VANISHED: "vanished",
}


def _ends(ledger: Ledger, queue: int) -> Array:
    """How each message left the queue last."""
    rows = ledger.select(*places.ENTERS, *_ENDS, queue=queue, columns=("dense", "kind"))
    last = np.zeros(ledger.size, np.int8)
    last[rows.dense] = rows.kind
    codes = np.full(128, -1, np.int8)
    codes[list(_ENDS)] = np.arange(len(_ENDS))
    return _repeated(list(_ENDS.values()), codes[last])


def _producer_names(ledger: Ledger, index: Array) -> Any:
    """Who sent each message, or that of which it was made."""
    names = [producer.name for producer in ledger.plan.producers]
    of_index = np.array([names.index(origin.producer.name) for origin in ledger.origins] or [0])
    return _repeated(names, of_index[index])


def _repeated(names: list[str], codes: Array) -> Any:
    """A categorical column; codes that name nothing are missing."""
    import pandas as pd

    known = np.where((codes >= 0) & (codes < len(names)), codes, -1)
    return pd.Categorical.from_codes(known, pd.Index(names))


def _seconds(times: Array) -> Array:
    return np.where(times < 0, np.nan, times / SECOND)


# --- events -----------------------------------------------------------------------------------------------------------

_WITH_PLACE = frozenset(k for k, (_, to) in places.MOVES.items() if to is places.Told.CAUSE)
_FROM_PLACE = frozenset(
    {Kind.ACKED, Kind.MOVED_OUT, Kind.PURGED, Kind.VANISHED, Kind.VISIBLE, Kind.SENT, Kind.RECEIVED}
    | {Kind.CALL_TIMED_OUT, Kind.CALL_ABANDONED}
)
"""Kinds whose ``cause`` is no cause."""


def _events(numbers: Numbers) -> pd.DataFrame:
    import pandas as pd

    ledger = numbers.ledger
    rows = ledger.rows
    kind = ledger.kinds
    client = rows["client"].astype(np.int64)
    of_process = (client >= 0) & (kind < Kind.FIRED)
    moves = np.isin(kind, list(places.MOVES))
    to = np.where(moves, places.sides(rows)[1], -1)
    no_cause = np.isin(kind, [*_WITH_PLACE, *_FROM_PLACE])
    return pd.DataFrame(
        {
            "time_s": rows["time"] / SECOND,
            "kind": _enum(Kind, kind),
            "queue": _repeated([q.name for q in ledger.plan.queues], rows["queue"].astype(np.int64)),
            "message": rows["message"],
            "consumer": _repeated(
                [*(c.name for c in ledger.plan.consumers), *_who_take_replies(ledger.plan)],
                np.where(of_process, client >> PROCESS_BITS, -1),
            ),
            "process": np.where(of_process, (client & ((1 << PROCESS_BITS) - 1)) + 1, 0),
            "attempt": rows["attempt"],
            "to": _enum(Place, np.where(moves, to, -1)),
            "cause": _enum(Cause, np.where(no_cause | (rows["cause"] == 0), -1, rows["cause"])),
            "other": rows["other"],
        }
    )


def _who_take_replies(plan: Plan) -> list[str]:
    """Producers have numbers behind the consumers; they are clients where they fetch what answers them."""
    return [p.name for p in plan.producers] if any(p.request_reply for p in plan.producers) else []


def _enum(members: Any, values: Array) -> Any:
    """A categorical column of an enum's names in lower case."""
    codes = np.full(256, -1, np.int16)
    codes[[int(m) for m in members]] = np.arange(len(members))
    names = [m.name.lower().rstrip("_").replace("_", "-") for m in members]
    return _repeated(names, codes[np.asarray(values, np.int64)])


def _alerts(numbers: Numbers) -> pd.DataFrame:
    import pandas as pd

    rows = numbers.ledger.select(Kind.FIRED, Kind.CLEARED, columns=("time", "client", "kind"))
    names = _repeated([a.name for a in numbers.plan.alerts], rows.client.astype(np.int64))
    event = _repeated(["fired", "cleared"], (rows.kind == Kind.CLEARED).astype(np.int64))
    return pd.DataFrame({"time_s": rows.time / SECOND, "alert": names, "event": event})


# --- levels -----------------------------------------------------------------------------------------------------------


def _queue(numbers: Numbers, item: Any) -> pd.DataFrame:
    import pandas as pd

    ledger, queue = numbers.ledger, numbers.plan.queues.index(item)
    levels = {name: queues.level(ledger, queue, name) for name in places.LEVELS}
    times = distinct(np.concatenate([[0], *(level.times for level in levels.values())])).astype(np.int64)
    columns = {name: level.over(times).astype(np.int64) for name, level in levels.items()}
    age = queues.oldest_age(ledger, queue).over(times) / SECOND
    return pd.DataFrame({"time_s": times / SECOND, **columns, "oldest_age_s": age})


def _consumer(numbers: Numbers, item: Any) -> pd.DataFrame:
    import pandas as pd

    ledger = numbers.ledger
    count, busy = workers.count(ledger, item), workers.busy(ledger, item)
    times = distinct(np.concatenate([[0], count.times, busy.times])).astype(np.int64)
    live = count.over(times).astype(np.int64)
    at_work = busy.over(times).astype(np.int64)
    slots = live * item.concurrency
    share = np.where(slots > 0, at_work / np.maximum(slots, 1), np.nan)
    return pd.DataFrame({"time_s": times / SECOND, "count": live, "busy": at_work, "utilization": share})


_TABLES: dict[str, Callable[[Numbers], pd.DataFrame]] = {"messages": _messages, "events": _events, "alerts": _alerts}
_OF_KIND: dict[str | None, Callable[[Numbers, Any], pd.DataFrame]] = {"queue": _queue, "consumer": _consumer}


# --- one message ------------------------------------------------------------------------------------------------------


def timeline(numbers: Numbers, message: int) -> pd.DataFrame:
    """One message's life: a row an event."""
    import pandas as pd

    rows = [_told(numbers, row) for row in rows_of(numbers.ledger, message)]
    table = pd.DataFrame(rows, columns=list(COLUMNS["timeline"]))
    table.attrs["message"] = message_name(numbers.plan, message)
    return table


def _told(numbers: Numbers, row: Row) -> dict[str, Any]:
    kind = Kind(row.kind)
    with_lease = kind in (Kind.RECEIVED, Kind.EXTENDED) and row.other >= 0
    return {
        "time_s": row.time / SECOND,
        "event": kind.name.lower().rstrip("_").replace("_", "-"),
        "queue": numbers.plan.queues[row.queue].name if row.queue >= 0 else None,
        "process": process_name(numbers.plan, row.client) if row.client >= 0 else None,
        "attempt": row.attempt,
        "to": _place_after(kind, row),
        "cause": None if kind in _WITH_PLACE | _FROM_PLACE or not row.cause else Cause(row.cause).name.lower(),
        "lease_s": row.other / 1000 if with_lease else np.nan,
    }


def _place_after(kind: Kind, row: Row) -> str | None:
    if kind not in places.MOVES:
        return None
    to = places.MOVES[kind][1]
    return Place(row.cause if isinstance(to, places.Told) else to).name.lower()


def leases(numbers: Numbers, message: int, queue: str | None = None, most: int | None = None) -> pd.DataFrame:
    """The message's deliveries, from one queue or all, or so many of them: whose, how long its lease and its work.
    ``attrs["deliveries"]`` is how many there were."""
    import pandas as pd

    rows = rows_of(numbers.ledger, message)
    at = None if queue is None else [q.name for q in numbers.plan.queues].index(queue)
    found = [lease for lease in leases_of(rows, numbers.recording.ended) if at in (None, lease.queue)]
    table = pd.DataFrame([_lease(numbers, rows, lease) for lease in found[:most]], columns=list(COLUMNS["leases"]))
    table.attrs["message"] = message_name(numbers.plan, message)
    table.attrs["deliveries"] = len(found)
    return table


def _lease(numbers: Numbers, rows: list[Row], lease: Lease) -> dict[str, Any]:
    """Work begins with the delivery, or where the client has a buffer, later (STARTED)."""
    own = [row for row in rows if row.client == lease.client and lease.start <= row.time <= lease.work_end]
    began = [row.time for row in own if row.kind == Kind.STARTED]
    return {
        "process": process_name(numbers.plan, lease.client),
        "start_s": lease.start / SECOND,
        "work_start_s": (began[0] if began else lease.start) / SECOND,
        "lease_end_s": lease.lease_end / SECOND,
        "work_end_s": lease.work_end / SECOND,
        "has_effect": any(row.kind == Kind.EFFECT and row.time == lease.work_end for row in own),
    }


# --- what lies in a queue ---------------------------------------------------------------------------------------------


def at_rest(numbers: Numbers, queue: str) -> pd.DataFrame:
    """The messages that are in a queue at the end: why they came, their last error, how often they were received."""
    import pandas as pd

    ledger = numbers.ledger
    index = [q.name for q in numbers.plan.queues].index(queue)
    lives = rows_of_each(ledger, _held(ledger, index))
    return pd.DataFrame(
        [_resting(numbers, index, message, rows) for message, rows in lives.items()],
        columns=["message", "place", "since_s", "from", "reason", "receives", "last_error", "last_error_s"],
    )


def _held(ledger: Ledger, queue: int) -> Array:
    """Dense numbers of the messages that are in the queue at the end, in the order in which they came."""
    rows = ledger.select(*places.ENTERS, *places.LEAVES, queue=queue, columns=("dense", "kind"))
    enters = np.isin(rows.kind, places.ENTERS)
    last = np.zeros(ledger.size, bool)
    last[rows.dense] = enters
    came = rows.dense[enters][::-1]
    newest = came[firsts(came, ledger.size)][::-1] if len(came) else came
    return newest[last[newest]]


_ERRORS = {Kind.ERRED: "error", Kind.INTERRUPTED: "crash", Kind.LEASE_ENDED: "lease ended", Kind.NACKED: "nacked"}


def _resting(numbers: Numbers, queue: int, message: int, rows: list[Row]) -> dict[str, Any]:
    here = [row for row in rows if row.queue == queue and row.kind in places.MOVES]
    came = next(row for row in reversed(here) if row.kind in places.ENTERS)
    moved = next((r for r in reversed(rows) if r.kind == Kind.DEAD_LETTERED and r.time <= came.time), None)
    error = _last_error(rows)
    is_moved = came.kind == Kind.MOVED_IN
    return {
        "message": message_name(numbers.plan, message),
        "place": _place_after(Kind(here[-1].kind), here[-1]),
        "since_s": came.time / SECOND,
        "from": numbers.plan.queues[came.other].name if is_moved and came.other >= 0 else None,
        "reason": Cause(moved.cause).name.lower().replace("_", " ") if moved and is_moved else None,
        "receives": sum(row.kind == Kind.RECEIVED for row in rows),
        "last_error": None if error is None else _ERRORS[Kind(error.kind)],
        "last_error_s": np.nan if error is None else error.time / SECOND,
    }


def _last_error(rows: list[Row]) -> Row | None:
    """The last thing that went wrong with it: an error rather than the nack that follows it."""
    worse = [row for row in rows if row.kind in (Kind.ERRED, Kind.INTERRUPTED)]
    return next(iter(reversed(worse)), None) or next((r for r in reversed(rows) if r.kind in _ERRORS), None)
