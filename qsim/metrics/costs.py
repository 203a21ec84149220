"""What a broker bills for one queue: calls, and the payload that went through them.

It knows which rows are calls and where a row says how many were one call; prices are the scenario's (``cost:``).  A
call is billed whatever came of it: an empty receive is one, and so is one that was refused, since no provider says
that these are free.  What reached nobody (a lost send, a lost ack) is none, nor is what the broker does of its own
accord: a delivery that it pushes, a topic's copy, a dead-letter move.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from qsim.kernel.journal import Kind
from qsim.metrics.ledger import NUMBER_BITS, Ledger, only
from qsim.scenario.plan import Cost
from qsim.units import Nanos

Array = Any

_SENDS = (Kind.ACCEPTED, Kind.SUPPRESSED, Kind.REJECTED)
_SETTLES = (Kind.ACKED, Kind.NACKED, Kind.STALE, Kind.EXTENDED)
_WITHOUT_MESSAGE = (Kind.EMPTY_RECEIVE, Kind.REFUSED)
_COLUMNS = ("time", "dense", "message", "kind", "client", "attempt", "cause", "other")
GIGABYTE = 10**9


def requests(ledger: Ledger, queue: int) -> SimpleNamespace:
    """Calls as they are billed: their times, and how many each stands for (several acks of one call: parts of it)."""
    sent, received, settled = _sends(ledger, queue), _receives(ledger, queue), _settles(ledger, queue)
    return SimpleNamespace(
        time=np.concatenate([sent.time, received.time, settled.time]),
        weight=np.concatenate([sent.weight, received.weight, settled.weight]),
    )


def payload(ledger: Ledger, queue: int) -> SimpleNamespace:
    """Bytes that were sent or received: times, and how many."""
    rows = ledger.select(*_SENDS, Kind.RECEIVED, queue=queue, columns=("time", "dense", "message", "kind"))
    rows = only(rows, (rows.kind == Kind.RECEIVED) | ~_is_copy(ledger, rows))
    return SimpleNamespace(time=rows.time, weight=ledger.payload[rows.dense])


def of_queue(ledger: Ledger, queue: int, span: tuple[Nanos, Nanos]) -> float:
    """Money for the calls and the gigabytes of a span of time."""
    prices = ledger.plan.cost or Cost()
    calls, sent = _within(requests(ledger, queue), span), _within(payload(ledger, queue), span)
    return float(prices.request * calls + prices.gigabyte * sent / GIGABYTE)


def _within(rows: SimpleNamespace, span: tuple[Nanos, Nanos]) -> int:
    return round(float(rows.weight[(rows.time >= span[0]) & (rows.time < span[1])].sum()))


# --- calls ------------------------------------------------------------------------------------------------------------


def _sends(ledger: Ledger, queue: int) -> SimpleNamespace:
    rows = ledger.select(*_SENDS, queue=queue, columns=_COLUMNS)
    rows = only(rows, ~_is_copy(ledger, rows))
    return _billed(ledger, queue, rows, rows.message >> NUMBER_BITS, rows.attempt)


def _is_copy(ledger: Ledger, rows: SimpleNamespace) -> Array:
    """Whether a topic made the message: then nobody called this queue."""
    copies = np.array([origin.is_copy for origin in ledger.origins] or [False])
    return copies[rows.message >> NUMBER_BITS]


def _receives(ledger: Ledger, queue: int) -> SimpleNamespace:
    """Of what is pushed (``cause`` 0) nobody asks."""
    rows = ledger.select(Kind.RECEIVED, queue=queue, columns=_COLUMNS)
    rows = only(rows, rows.cause > 0)
    return _billed(ledger, queue, rows, rows.client, rows.cause)


def _settles(ledger: Ledger, queue: int) -> SimpleNamespace:
    """And receives that got nothing.  An ACKED row says how many acks its call made."""
    rows = ledger.select(*_SETTLES, *_WITHOUT_MESSAGE, queue=queue, columns=("time", "kind", "other"))
    together = np.where(rows.kind == Kind.ACKED, np.maximum(rows.other, 1), 1)
    return SimpleNamespace(time=rows.time, weight=1 / together)


def _billed(ledger: Ledger, queue: int, rows: SimpleNamespace, who: Array, together: Array) -> SimpleNamespace:
    """An entry a call: its time, and as how many calls it is billed, by the payload of all its messages."""
    begins = _begins(rows.time, who, np.maximum(together, 1))
    first = np.flatnonzero(begins)
    chunk = ledger.plan.queues[queue].profile.billed_size
    weight = np.ones(len(first))
    if chunk is not None and len(first):
        weight = np.maximum(1, -(-np.add.reduceat(ledger.payload[rows.dense], first) // chunk)).astype(float)
    return SimpleNamespace(time=rows.time[first], weight=weight)


def _begins(time: Array, who: Array, together: Array) -> Array:
    """Which rows are the first of their call: the rows of one stand together, and each says how many there are."""
    where = np.arange(len(time))
    new = np.ones(len(time), bool)
    new[1:] = (np.diff(time) != 0) | (np.diff(who) != 0) | (np.diff(together) != 0)
    since = where - np.maximum.accumulate(np.where(new, where, 0))
    begins: Array = since % together == 0
    return begins
