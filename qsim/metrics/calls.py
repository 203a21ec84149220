"""What happened at one dependency: places taken, calls that waited, how long calls took.

It knows the rows of calls.  A call waits from CALLED on, has a place from SERVED to CALL_ENDED; one that is refused,
given up or abandoned while it waits has left the line.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from qsim.kernel.journal import Cause, Kind, Place
from qsim.metrics.ledger import Ledger, only
from qsim.metrics.queues import Values
from qsim.metrics.steps import Steps, from_changes

Array = Any

CALLS = (Kind.CALLED, Kind.SERVED, Kind.CALL_ENDED, Kind.CALL_TIMED_OUT, Kind.CALL_REFUSED, Kind.CALL_ABANDONED)
OUTCOMES = {
    "answered": Kind.CALL_ENDED,
    "timeouts": Kind.CALL_TIMED_OUT,
    "refused": Kind.CALL_REFUSED,
    "abandoned": Kind.CALL_ABANDONED,
}
"""What can become of a call, seen by its caller; each has one of them, or is under way."""


def rows_of(ledger: Ledger, dependency: int, *kinds: Kind) -> SimpleNamespace:
    """time, dense, client, attempt, kind and cause of its rows."""
    rows = ledger.select(*(kinds or CALLS), columns=("time", "dense", "client", "attempt", "kind", "cause", "other"))
    return only(rows, rows.other == dependency)


def outcomes(ledger: Ledger, dependency: int, name: str) -> SimpleNamespace:
    """The rows of one outcome; an answer for which nobody waits any more is none."""
    rows = rows_of(ledger, dependency, OUTCOMES[name])
    return only(rows, rows.cause == Cause.NONE) if name == "answered" else rows


def busy(ledger: Ledger, dependency: int, marked: Array | None = None) -> Steps:
    """Places taken (by calls for the marked messages)."""
    rows = _marked(rows_of(ledger, dependency, Kind.SERVED, Kind.CALL_ENDED), marked)
    return from_changes(rows.time, np.where(rows.kind == Kind.SERVED, 1, -1))


def utilization(ledger: Ledger, dependency: int, marked: Array | None = None) -> Steps:
    """Places taken over places; undefined where there are any number."""
    places, taken = ledger.plan.dependencies[dependency].capacity, busy(ledger, dependency, marked)
    if places is None:
        return Steps(taken.times, np.full(len(taken.times), np.nan), np.nan)
    return Steps(taken.times, taken.values / places)


def waiting(ledger: Ledger, dependency: int, marked: Array | None = None) -> Steps:
    """Calls that wait for a place."""
    rows = _marked(rows_of(ledger, dependency), marked)
    leaves = (rows.kind == Kind.SERVED) | (rows.kind == Kind.CALL_REFUSED)
    given_up = (rows.kind == Kind.CALL_TIMED_OUT) | (rows.kind == Kind.CALL_ABANDONED)
    leaves |= given_up & (rows.cause == Place.READY)
    change = (rows.kind == Kind.CALLED).astype(np.int8) - leaves
    return from_changes(rows.time[change != 0], change[change != 0])


def times(ledger: Ledger, dependency: int) -> Values:
    """From each call to its answer, known when it was answered."""
    rows = rows_of(ledger, dependency, Kind.CALLED, Kind.CALL_ENDED)
    rows = only(rows, (rows.kind == Kind.CALLED) | (rows.cause == Cause.NONE))
    # One process makes one call for a message at a time: its answer is the next row of its own.
    rows = only(rows, np.lexsort((np.arange(len(rows.time)), rows.attempt, rows.client, rows.dense)))
    answers = np.flatnonzero(rows.kind == Kind.CALL_ENDED)
    known, value, dense = rows.time[answers], rows.time[answers] - rows.time[answers - 1], rows.dense[answers]
    order = np.argsort(known, kind="stable")
    return Values(known[order], value[order], dense[order])


def _marked(rows: SimpleNamespace, marked: Array | None) -> SimpleNamespace:
    return rows if marked is None else only(rows, marked[rows.dense])
