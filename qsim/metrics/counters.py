"""Every counter: which rows it counts.

It knows counters as tables.  Most are all rows of one kind; the others are moments that ``queues`` and ``workers``
find.  Either way a counter is told for a span of time, and for marked messages only if a label asks for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qsim.kernel.journal import Kind
from qsim.metrics import calls, costs, queues, workers
from qsim.metrics.ledger import NUMBER_BITS, Ledger, only
from qsim.scenario.plan import ConsumerPlan, Cost, ProducerPlan
from qsim.units import Nanos

Array = Any

QUEUE: dict[str, Kind] = {
    "accepted": Kind.ACCEPTED,
    "received": Kind.RECEIVED,
    "acked": Kind.ACKED,
    "nacked": Kind.NACKED,
    "lease_expired": Kind.LEASE_ENDED,
    "dead_lettered": Kind.DEAD_LETTERED,
    "moved_in": Kind.MOVED_IN,
    "moved_out": Kind.MOVED_OUT,
    "expired": Kind.EXPIRED,
    "rejected": Kind.REJECTED,
    "dropped": Kind.DROPPED,
    "purged": Kind.PURGED,
    "vanished": Kind.VANISHED,
    "duplicates_suppressed": Kind.SUPPRESSED,
    "empty_receives": Kind.EMPTY_RECEIVE,
}
QUEUE_MOMENTS: dict[str, Callable[[Ledger, int], Any]] = {
    "redelivered": queues.redelivered,
    "out_of_order": queues.out_of_order,
    "lost": queues.lost,
    "requests": costs.requests,
}
TOPIC: dict[str, Kind] = {
    "published": Kind.PUBLISHED,
    "copies": Kind.PUBLISHED,
    "unrouted": Kind.UNROUTED,
}
PRODUCER: dict[str, tuple[Kind, ...]] = {
    "sent": (Kind.SENT,),
    "accepted": (Kind.ACCEPTED, Kind.PUBLISHED),
    "rejected": (Kind.REJECTED,),
    "timeouts": (Kind.TIMED_OUT, Kind.GAVE_UP_WAITING),
    "lost_on_the_way": (Kind.LOST_SEND,),
    "suppressed": (Kind.SUPPRESSED,),
}
CONSUMER: dict[str, Kind] = {
    "effects": Kind.EFFECT,
    "interrupted": Kind.INTERRUPTED,
}
CONSUMER_MOMENTS: dict[str, Callable[[Ledger, ConsumerPlan], Any]] = {
    "duplicates": workers.duplicates,
    "calls": workers.calls,
}
STALE_ACK = 1
"""``other`` of a STALE row: it was an ack."""

Span = tuple[Nanos, Nanos]
"""From, and before which time."""


def of_queue(ledger: Ledger, queue: int, name: str, span: Span, marked: Array | None = None) -> int | float:
    if name == "cost":
        return costs.of_queue(ledger, queue, span)
    if name in QUEUE_MOMENTS:
        return _moments(QUEUE_MOMENTS[name](ledger, queue), span, marked)
    return _rows(ledger, "queue", queue, QUEUE[name], span, marked)


def of_producer(ledger: Ledger, producer: ProducerPlan, name: str, span: Span, marked: Array | None = None) -> int:
    if name == "under_way":
        return _under_way(ledger, producer, span, marked)
    if name == "retried":
        tries = sends(ledger, producer)
        return _moments(only(tries, tries.attempt > 1), span, marked)
    each = [(index, kind) for index in _indices(producer) for kind in PRODUCER[name]]
    return sum(_rows(ledger, "producer", index, kind, span, marked) for index, kind in each)


def of_topic(ledger: Ledger, topic: int, name: str, span: Span, marked: Array | None = None) -> int:
    rows = ledger.select(TOPIC[name], columns=("time", "dense", "attempt", "other"))
    rows = only(rows, rows.other == topic)
    if name == "copies":
        rows.weight = rows.attempt
    return _moments(rows, span, marked)


def of_consumer(
    ledger: Ledger, consumer: ConsumerPlan, name: str, span: Span, marked: Array | None = None
) -> int | float:
    if name == "consumer_hours":
        return _hours(ledger, consumer, span)
    if name == "cost":
        return _hours(ledger, consumer, span) * float((ledger.plan.cost or Cost()).consumer_hour)
    if name == "stale_acks":
        rows = ledger.select(Kind.STALE, consumer=consumer.index, columns=("time", "dense", "other"))
        return _moments(only(rows, rows.other == STALE_ACK), span, marked)
    if name in CONSUMER_MOMENTS:
        return _moments(CONSUMER_MOMENTS[name](ledger, consumer), span, marked)
    return _rows(ledger, "consumer", consumer.index, CONSUMER[name], span, marked)


def _hours(ledger: Ledger, consumer: ConsumerPlan, span: Span) -> float:
    return workers.count(ledger, consumer).integral(span[0], min(span[1], ledger.ended)) / 3_600e9


def of_dependency(ledger: Ledger, dependency: int, name: str, span: Span, marked: Array | None = None) -> int:
    rows = calls.rows_of(ledger, dependency, Kind.CALLED) if name == "calls" else calls.outcomes(ledger, dependency, name)
    return _moments(rows, span, marked)


def of_alert(ledger: Ledger, alert: int, span: Span) -> int:
    rows = ledger.select(Kind.FIRED, columns=("time", "client"))
    return _moments(only(rows, rows.client == alert), span, None)


def sends(ledger: Ledger, producer: ProducerPlan) -> Any:
    """Every try of the producer: time, dense, attempt."""
    return rows_of(ledger, producer, Kind.SENT)


def good_answers(ledger: Ledger, producer: ProducerPlan) -> Any:
    """Replies in time; where no replies are awaited, what was accepted: time, dense, attempt."""
    return rows_of(ledger, producer, *(PRODUCER["accepted"] if producer.request_reply is None else (Kind.REPLIED,)))


def rows_of(ledger: Ledger, producer: ProducerPlan, *kinds: Kind) -> Any:
    """Rows about the producer's messages: time, dense, attempt."""
    rows = ledger.select(*kinds, columns=("time", "dense", "attempt"))
    low, high = ledger.first[producer.first_index], ledger.first[producer.first_index + producer.count]
    return only(rows, (rows.dense >= low) & (rows.dense < high))


def _indices(producer: ProducerPlan) -> range:
    return range(producer.first_index, producer.first_index + producer.count)


def _under_way(ledger: Ledger, producer: ProducerPlan, span: Span, marked: Array | None) -> int:
    """Tries that had no outcome (in this span: what became of them in it is taken off)."""
    sent, *outcomes = (
        of_producer(ledger, producer, name, span, marked)
        for name in ("sent", "accepted", "suppressed", "rejected", "lost_on_the_way")
    )
    return sent - sum(outcomes)


def _moments(rows: Any, span: Span, marked: Array | None) -> int:
    keep = (rows.time >= span[0]) & (rows.time < span[1])
    if marked is not None:
        keep &= marked[rows.dense]
    weight = getattr(rows, "weight", None)
    return int(keep.sum()) if weight is None else round(float(weight[keep].sum()))


def _rows(ledger: Ledger, by: str, number: int, kind: Kind, span: Span, marked: Array | None) -> int:
    positions = ledger.span(*span)
    if marked is None:
        return int(ledger.counts(by, positions)[number + 1, kind])
    queue, consumer = (number if by == which else None for which in ("queue", "consumer"))
    rows = ledger.select(kind, span=positions, columns=("dense", "message"), queue=queue, consumer=consumer)
    own = rows.message >> NUMBER_BITS == number if by == "producer" else True
    return int((marked[rows.dense] & own).sum())
