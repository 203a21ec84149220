"""What one consumer did: live processes, busy slots, effects, calls; and what a producer heard.

It knows the rows of consumers.  An attempt is busy from its start (STARTED where deliveries may wait in a buffer,
else RECEIVED) to the first row that ends its work; a process lives from UP to DOWN.
"""

from __future__ import annotations

from bisect import bisect_left
from types import SimpleNamespace
from typing import Any

import numpy as np

from qsim.kernel.journal import Kind
from qsim.metrics.ledger import Ledger, firsts, key, last_before, only
from qsim.metrics.queues import Values, level
from qsim.metrics.steps import Steps, combine, from_changes
from qsim.scenario.plan import ConsumerPlan

Array = Any

_COMPLETES = (Kind.EFFECT, Kind.SKIPPED)
_WORK_ENDS = (*_COMPLETES, Kind.ERRED, Kind.INTERRUPTED)
_ATTEMPT_BITS = 20
"""For the number of an attempt beside its message."""


# --- over time --------------------------------------------------------------------------------------------------------


def count(ledger: Ledger, consumer: ConsumerPlan) -> Steps:
    """Live processes."""
    rows = ledger.select(Kind.UP, Kind.DOWN, consumer=consumer.index, columns=("time", "kind"))
    return from_changes(rows.time, np.where(rows.kind == Kind.UP, 1, -1))


def live_slots(ledger: Ledger, consumer: ConsumerPlan) -> Steps:
    processes = count(ledger, consumer)
    return Steps(processes.times, processes.values * consumer.concurrency)


def busy(ledger: Ledger, consumer: ConsumerPlan, marked: Array | None = None) -> Steps:
    """Slots at work (on the marked messages)."""
    starts, ends = attempts(ledger, consumer)
    if marked is not None:
        starts, ends = only(starts, marked[starts.dense]), only(ends, marked[ends.dense])
    return _slots(starts, ends)


def _slots(starts: SimpleNamespace, ends: SimpleNamespace) -> Steps:
    times = np.concatenate([starts.time, ends.time])
    changes = np.concatenate([np.ones(len(starts.time), np.int8), -np.ones(len(ends.time), np.int8)])
    order = np.argsort(times, kind="stable")
    return from_changes(times[order], changes[order])


def attempts(ledger: Ledger, consumer: ConsumerPlan) -> tuple[SimpleNamespace, SimpleNamespace]:
    """Starts of work and their ends, one end an attempt: a crash after the effect ends nothing any more, nor does the
    error of a handler that had charged somebody."""
    columns = ("time", "dense", "attempt", "kind", "client", "position", "queue")
    began = Kind.STARTED if consumer.buffers else Kind.RECEIVED
    starts = ledger.select(began, consumer=consumer.index, columns=columns)
    ends = ledger.select(*_WORK_ENDS, consumer=consumer.index, columns=columns)
    if consumer.buffers:
        ends = only(ends, np.isin(_attempt(ends), _attempt(starts)))
    ends = only(ends, ~_is_over(starts, ends, consumer.buffers))
    return starts, ends if consumer.handler is None else only(ends, ~_charged_before(ends))


def _charged_before(ends: SimpleNamespace) -> Array:
    """Which errors stand right behind the effect of the same call."""
    after = np.zeros(len(ends.kind), bool)
    after[1:] = (ends.kind[1:] == Kind.ERRED) & (ends.kind[:-1] == Kind.EFFECT) & (np.diff(ends.position) == 1)
    return after


def _attempt(rows: SimpleNamespace) -> Array:
    return (rows.dense << _ATTEMPT_BITS) | rows.attempt


def _is_over(starts: SimpleNamespace, ends: SimpleNamespace, by_attempt: bool) -> Array:
    """Which interruptions struck a process that had done the work, and was about to ack it or to send it on.
    ``by_attempt``: the starts count attempts as the ends do."""
    interrupted = ends.kind == Kind.INTERRUPTED
    if not interrupted.any():
        return interrupted
    struck = ends.dense[interrupted]
    begun = _positions(only(starts, np.isin(starts.dense, struck)), by_attempt)
    ended = _positions(only(ends, ~interrupted & np.isin(ends.dense, struck)), True)
    for at in np.flatnonzero(interrupted):
        dense, client, attempt, before = (int(column[at]) for column in (ends.dense, ends.client, ends.attempt, ends.position))
        start = _last(begun.get((dense, client, attempt if by_attempt else 0), []), before)
        interrupted[at] = _last(ended.get((dense, client, attempt), []), before) > start
    return interrupted


def _positions(rows: SimpleNamespace, by_attempt: bool) -> dict[tuple[int, int, int], list[int]]:
    """In order, by message, process and attempt (0: of any)."""
    found: dict[tuple[int, int, int], list[int]] = {}
    attempts = rows.attempt.tolist() if by_attempt else [0] * len(rows.dense)
    columns = (rows.dense.tolist(), rows.client.tolist(), attempts, rows.position.tolist())
    for dense, client, attempt, position in zip(*columns, strict=True):
        found.setdefault((dense, client, attempt), []).append(position)
    return found


def _last(positions: list[int], before: int) -> int:
    """The last one before it; -1: there is none."""
    at = bisect_left(positions, before)
    return positions[at - 1] if at else -1


def busy_with_poison(ledger: Ledger, consumer: ConsumerPlan) -> Steps:
    """Slots at work on a message that is poison when its work begins."""
    starts, ends = attempts(ledger, consumer)
    starts, ends = only(starts, ledger.poison[starts.dense]), only(ends, ledger.poison[ends.dense])
    order = np.argsort(key(starts.dense, starts.position))
    starts = only(starts, order)
    sick = ~_healed(ledger, starts)
    begun = last_before(key(ends.dense, ends.position), key(starts.dense, starts.position))
    return _slots(only(starts, sick), only(ends, (begun >= 0) & sick[begun]))


def _healed(ledger: Ledger, starts: SimpleNamespace) -> Array:
    """Whether poison was fixed between the send of the message and this start of its work."""
    rows = ledger.select(Kind.HEALED, columns=("position", "queue"))
    sent, home = ledger.sent_order()[starts.dense], ledger.home(starts.dense)
    healed = np.zeros(len(starts.dense), bool)
    for position, queue in zip(rows.position, rows.queue, strict=True):
        healed |= (sent < position) & (position < starts.position) & ((queue < 0) | (home == queue))
    return healed


def _share(used: Array, live: Array) -> Array:
    """Undefined where there is nothing to share."""
    return np.where(live > 0, used / live, np.nan)


def utilization(ledger: Ledger, consumer: ConsumerPlan, marked: Array | None = None) -> Steps:
    return combine(_share, busy(ledger, consumer, marked), live_slots(ledger, consumer))


def time_on_poison(ledger: Ledger, consumer: ConsumerPlan) -> Steps:
    return combine(_share, busy_with_poison(ledger, consumer), live_slots(ledger, consumer))


def idle_while_work_waits(ledger: Ledger, consumer: ConsumerPlan) -> Steps:
    """Idle share of the live slots while one of its queues has visible messages; 0 while none has."""
    waiting = [level(ledger, queue, "visible") for queue in consumer.sources]

    def idle(b: Array, live: Array, *visible: Array) -> Array:
        return np.where((live > 0) & (sum(visible) == 0), 0.0, 1 - _share(b, live))

    return combine(idle, busy(ledger, consumer), live_slots(ledger, consumer), *waiting)


def completed(ledger: Ledger, consumer: ConsumerPlan) -> SimpleNamespace:
    """Work that was finished: an effect, or one that an idempotent consumer skipped."""
    return ledger.select(*_COMPLETES, consumer=consumer.index, columns=("time", "dense"))


# --- moments ----------------------------------------------------------------------------------------------------------


def duplicates(ledger: Ledger, consumer: ConsumerPlan) -> SimpleNamespace:
    """Effects beyond the first of one message at this consumer."""
    rows = ledger.select(Kind.EFFECT, consumer=consumer.index, columns=("time", "dense"))
    return only(rows, ~firsts(rows.dense, ledger.size))


_CALLS = (Kind.ACKED, Kind.NACKED, Kind.EXTENDED, Kind.STALE, Kind.LOST_ACK)
_ANSWERED_EMPTY = (Kind.EMPTY_RECEIVE, Kind.REFUSED)


def calls(ledger: Ledger, consumer: ConsumerPlan, of_messages: bool = False) -> SimpleNamespace:
    """Calls to the broker, each row with its weight: a receive of n messages is n rows of 1/n (pushed: none)."""
    kinds = (Kind.RECEIVED, *_CALLS, *(() if of_messages else _ANSWERED_EMPTY))
    rows = ledger.select(*kinds, consumer=consumer.index, columns=("time", "dense", "kind", "cause", "other"))
    received, acked = rows.kind == Kind.RECEIVED, rows.kind == Kind.ACKED
    together = np.where(received, rows.cause, np.where(acked, np.maximum(rows.other, 1), 1))
    rows.weight = np.where(together > 0, 1 / np.maximum(together, 1), 0.0)
    return rows


# --- values a message -------------------------------------------------------------------------------------------------


def _first_receives(ledger: Ledger, consumer: ConsumerPlan) -> SimpleNamespace:
    rows = ledger.select(Kind.RECEIVED, consumer=consumer.index, columns=("time", "dense"))
    return only(rows, firsts(rows.dense, ledger.size))


def effects_per_message(ledger: Ledger, consumer: ConsumerPlan) -> Values:
    """Belongs to the first receive, read at the end; 0 counts."""
    first = _first_receives(ledger, consumer)
    effects = ledger.select(Kind.EFFECT, consumer=consumer.index, columns=("dense",)).dense
    return Values(first.time, np.bincount(effects, minlength=ledger.size)[first.dense], first.dense)


def calls_per_message(ledger: Ledger, consumer: ConsumerPlan) -> Values:
    """Belongs to the first receive, read at the end."""
    first = _first_receives(ledger, consumer)
    made = calls(ledger, consumer, of_messages=True)
    return Values(first.time, np.bincount(made.dense, made.weight, minlength=ledger.size)[first.dense], first.dense)


def prefetch_wait(ledger: Ledger, consumer: ConsumerPlan) -> Values:
    """From the delivery to the start of its work; 0 where nothing can wait."""
    rows = ledger.select(Kind.RECEIVED, consumer=consumer.index, columns=("time", "dense", "position", "client"))
    if not consumer.buffers:
        return Values(rows.time, np.zeros(len(rows.time), np.int64), rows.dense)
    starts = ledger.select(Kind.STARTED, consumer=consumer.index, columns=("time", "dense", "position", "client"))
    order = np.argsort(key(rows.dense, rows.position))
    delivered = last_before(key(starts.dense, starts.position), key(rows.dense, rows.position)[order])
    delivered = _same_client(starts, only(rows, order), delivered)
    known = delivered >= 0
    began = rows.time[order][delivered]
    return Values(starts.time[known], (starts.time - began)[known], starts.dense[known])


def _same_client(starts: SimpleNamespace, rows: SimpleNamespace, delivered: Array) -> Array:
    """Step back over later deliveries of the message to other clients."""
    while True:
        other = (delivered >= 0) & (rows.client[delivered] != starts.client)
        if not other.any():
            return delivered
        back = np.where(other, delivered - 1, delivered)
        same = (back >= 0) & (rows.dense[back] == starts.dense)
        delivered = np.where(other & ~same, -1, back)


def send_time(ledger: Ledger) -> Values:
    """From the first attempt to send until the producer was answered; no value while it has not been.

    Where no row says when it heard, it heard at once, unless it had given up waiting.
    """
    heard = ledger.select(Kind.ANSWERED, columns=("time", "dense"))
    answered = np.full(ledger.size, -1, np.int64)
    outcomes = (Kind.ACCEPTED, Kind.SUPPRESSED, Kind.REJECTED, Kind.PUBLISHED)
    outcome = ledger.select(*outcomes, columns=("time", "dense"))
    answered[outcome.dense[::-1]] = outcome.time[::-1]
    answered[ledger.select(Kind.TIMED_OUT, columns=("dense",)).dense] = -1
    answered[heard.dense] = heard.time
    dense = np.flatnonzero((answered >= 0) & (ledger.first_sent >= 0))
    dense = dense[np.argsort(answered[dense], kind="stable")]
    return Values(answered[dense], answered[dense] - ledger.first_sent[dense], dense)
