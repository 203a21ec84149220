"""How things stand when the run stops, found without their history.

It knows the same rows as ``queues`` and ``workers`` do, and answers as their functions of time would at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from qsim.kernel.journal import Kind
from qsim.metrics import places, queues, workers
from qsim.metrics.ledger import NEVER, Ledger, firsts
from qsim.metrics.steps import Rate
from qsim.scenario.plan import ConsumerPlan

Array = Any
_PLACES = 8
_ALWAYS = (0, NEVER)


def levels(ledger: Ledger, queue: int) -> dict[str, int]:
    """visible, in_flight, delayed, deferred and depth of the queue."""
    held = ledger.remember("held", _held)[queue]
    return {name: int(sum(held[place] for place in counted)) for name, counted in places.LEVELS.items()}


def _held(ledger: Ledger) -> Array:
    """How many messages are in each place of each queue: [queue, place]."""
    size = len(ledger.plan.queues) * _PLACES
    held = np.zeros(size, np.int64)
    for _, part in ledger.scan(*places.MOVES):
        start, end = places.sides(part)
        base = part["queue"].astype(np.int64) * _PLACES
        held += np.bincount(base + end, minlength=size) - np.bincount(base + start, minlength=size)
    return held.reshape(-1, _PLACES)


def oldest_age(ledger: Ledger, queue: int) -> int:
    """Age of the oldest message that is visible at the end."""
    if not levels(ledger, queue)["visible"]:
        return 0
    if _has_copies(ledger, queue):
        return queues.oldest_age(ledger, queue).at(ledger.ended)
    visible, entered = np.zeros(ledger.size, np.int8), np.full(ledger.size, NEVER)
    inside = places.inside(places.LEVELS["visible"])
    for _, part in ledger.scan(*places.MOVES, queue=queue):
        dense = ledger.dense(part["message"])
        visible[dense] = inside[places.sides(part)[1]]
        enters = np.isin(part["kind"], places.ENTERS)
        entered[dense[enters]] = part["time"][enters]
    return int(max(0, ledger.ended - entered[visible > 0].min()))


def _has_copies(ledger: Ledger, queue: int) -> bool:
    """Whether a message entered the queue more than once: then its last row does not tell where it is."""
    entered = ledger.select(*places.ENTERS, queue=queue, columns=("dense",)).dense
    return not firsts(entered, ledger.size).all()


def count(ledger: Ledger, consumer: ConsumerPlan) -> int:
    rows = ledger.counts("consumer", ledger.span(*_ALWAYS))[consumer.index + 1]
    return int(rows[Kind.UP] - rows[Kind.DOWN])


def busy(ledger: Ledger, consumer: ConsumerPlan) -> int:
    starts, ends = workers.attempts(ledger, consumer)
    return len(starts.time) - len(ends.time)


def utilization(ledger: Ledger, consumer: ConsumerPlan) -> float | None:
    live = count(ledger, consumer) * consumer.concurrency
    return busy(ledger, consumer) / live if live else None


def idle_while_work_waits(ledger: Ledger, consumer: ConsumerPlan) -> float | None:
    used = utilization(ledger, consumer)
    waits = any(levels(ledger, queue)["visible"] for queue in consumer.sources)
    return used if used is None else 1 - used if waits else 0.0


def time_on_poison(ledger: Ledger, consumer: ConsumerPlan) -> float | None:
    if not len(ledger.select(Kind.POISON, columns=("position",)).position):
        return 0.0 if count(ledger, consumer) else None
    value = workers.time_on_poison(ledger, consumer).at(ledger.ended)
    return None if value is None else float(value)


def throughput(ledger: Ledger, consumer: ConsumerPlan) -> float | None:
    """Of the last cell of the sample grid."""
    end = ledger.ended
    span = ledger.span(max(0, end - ledger.plan.sample_every), end)
    rows = ledger.select(Kind.EFFECT, Kind.SKIPPED, consumer=consumer.index, span=span, columns=("time",))
    return Rate(rows.time, ledger.plan.sample_every, end).at(end)


def _level(name: str) -> Callable[[Ledger, int], int]:
    return lambda ledger, queue: levels(ledger, queue)[name]


AT_END: dict[tuple[str, str], Callable[[Ledger, Any], int | float | None]] = {
    **{("queue", name): _level(name) for name in places.LEVELS},
    ("queue", "oldest_age"): oldest_age,
    ("consumer", "count"): count,
    ("consumer", "busy"): busy,
    ("consumer", "utilization"): utilization,
    ("consumer", "idle_while_work_waits"): idle_while_work_waits,
    ("consumer", "time_on_poison"): time_on_poison,
    ("consumer", "throughput"): throughput,
}
"""Series whose value at the end needs no history."""
