"""Why an expectation failed: what happened (counters), because (the balance, or the message that decides it, and what
``reasons`` has to say), what to try, where to see more.

It knows which counters and which messages speak to which metric; every number comes from this run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from qsim.claims import reasons
from qsim.claims.lessons import kind_of, lesson_of
from qsim.claims.reasons import Case
from qsim.claims.table import CLAIMS
from qsim.claims.words import many, say
from qsim.kernel.journal import Kind
from qsim.metrics import life, places, queues, workers
from qsim.metrics.naming import message_name
from qsim.metrics.numbers import Numbers, values_in_window
from qsim.scenario.plan import Constant, ConsumerPlan, Expectation, Plan, ProducerPlan
from qsim.scenario.reference import PER_MESSAGE, RATE, SHARE, TIME, Reference, type_of
from qsim.units import SECOND

WIDTH = 15
DEAD_LETTERS = "dead letters"
_BUSY = 0.99
_SPARE = 0.1
"""Of what consumers can do: who has more to spare is not short of it."""

Array = Any


@dataclass(frozen=True, slots=True)
class Section:
    """A head, and the lines that stand under it; without a head, the author's own words."""

    head: str
    lines: tuple[str, ...]


def failure(expectation: Expectation, run: Numbers, *further: Section) -> list[Section]:
    """What happened, Because, what is known ``further``, Try, See, and the author's own words."""
    case = case_of(expectation, run)
    kind, scales = _kind(expectation, run), any(consumer.autoscale for consumer in case.consumers)
    happened = (*_flows(run, case.producers, case.consumers), *_busy(run, case.consumers), *_fates(run, case.queue))
    return [
        Section("What happened", happened),
        Section("Because", (*_because(case), *reasons.because(kind, case))),
        *further,
        Section("Try", tuple(reasons.direction(kind, case))),
        Section("See", (*_trace(case), *lesson_of(expectation, kind, scales))),
        Section("", tuple((expectation.otherwise or "").strip().splitlines())),
    ]


def laid_out(sections: Iterable[Section]) -> list[str]:
    """Indented lines, the heads in a column of their own."""
    return [line for each in sections for line in (headed(each.head, each.lines) if each.head else [f"    {line}" for line in each.lines])]


def _kind(expectation: Expectation, run: Numbers) -> str:
    """What lies in a dead-letter queue has not grown there: it was put there."""
    that, plan = expectation.that, run.plan
    is_grave = that is not None and any(q.profile.dlq and q.profile.dlq.queue == that.object for q in plan.queues)
    return DEAD_LETTERS if is_grave else kind_of(expectation)


def case_of(expectation: Expectation, run: Numbers) -> Case:
    """What the expectation is about in this run."""
    return Case(expectation, run, *_about(expectation, run), _against(expectation, run))


def headed(head: str, lines: Any) -> list[str]:
    return [f"    {head if i == 0 else '':<{WIDTH}}{line}".rstrip() for i, line in enumerate(lines)]


def _about(expectation: Expectation, run: Numbers) -> tuple[int | None, list[ProducerPlan], list[ConsumerPlan]]:
    """The queue, producers and consumers that the expectation is about; for a dead-letter queue those of its source."""
    plan, names = run.plan, _objects(expectation)
    if not names:
        return None, list(plan.producers), list(plan.consumers)
    queue = next((i for i in range(len(plan.queues)) if _touches(run, i, names)), None)
    everyone: list[ProducerPlan | ConsumerPlan] = [*plan.producers, *plan.consumers]
    ends = [o for o in everyone if queue in _queues_of(plan, o) or o.name in names]
    if queue is not None and not ends:
        queue = next((i for i, q in enumerate(plan.queues) if q.profile.dlq and q.profile.dlq.queue in names), queue)
        ends = [o for o in everyone if queue in _queues_of(plan, o)]
    return (
        queue,
        [o for o in ends if isinstance(o, ProducerPlan)],
        [o for o in ends if isinstance(o, ConsumerPlan)],
    )


def _touches(run: Numbers, queue: int, names: set[str]) -> bool:
    """Whether the queue is named, or a producer or consumer of it is."""
    ends: list[ProducerPlan | ConsumerPlan] = [*run.plan.producers, *run.plan.consumers]
    return run.plan.queues[queue].name in names or any(queue in _queues_of(run.plan, o) and o.name in names for o in ends)


def _queues_of(plan: Plan, end: ProducerPlan | ConsumerPlan) -> tuple[int, ...]:
    if isinstance(end, ConsumerPlan):
        return end.sources
    topics = plan.topics[end.to - len(plan.queues) :][:1] if end.to >= len(plan.queues) else ()
    return (end.to, *(each.queue for topic in topics for each in topic.subscriptions))


def _objects(expectation: Expectation) -> set[str]:
    if isinstance(expectation.that, Reference):
        return {expectation.that.object}
    value = expectation.value
    name = next(iter(value.values())) if isinstance(value, dict) else value
    return {name} if isinstance(name, str) else set()


# --- what happened ----------------------------------------------------------------------------------------------------


def _flows(run: Numbers, producers: list[ProducerPlan], consumers: list[ConsumerPlan]) -> Iterator[str]:
    lasted = min(run.plan.duration, run.recording.ended)
    for producer in producers:
        sent = run.exact(f"{producer.name}.sent at end") or 0
        yield f"{producer.name} sent {sent:,} in {say(lasted, TIME)} ({say(sent * SECOND / max(lasted, 1), RATE)})"
    for consumer in consumers:
        rows = run.ledger.counts("consumer", (0, len(run.ledger.rows)))[consumer.index + 1]
        received, effects = int(rows[Kind.RECEIVED]), int(rows[Kind.EFFECT])
        rate = run.exact(f"{consumer.name}.throughput mean") or 0
        yield f"{consumer.name} received {received:,}, with {many(effects, 'effect')} ({say(rate, RATE)})"


def _busy(run: Numbers, consumers: list[ConsumerPlan]) -> Iterator[str]:
    for consumer in consumers:
        share = run.exact(f"{consumer.name}.utilization mean")
        if share is not None:
            yield f"{consumer.name} was busy {say(round(share, 4), SHARE)} of the time"


_FATES = {
    "lease_expired": "",
    "nacked": "nacked",
    "dead_lettered": "dead-lettered",
    "expired": "expired",
    "rejected": "rejected",
    "dropped": "dropped",
    "vanished": "vanished",
    "purged": "purged",
    "lost": "lost",
}


def _fates(run: Numbers, queue: int | None) -> Iterator[str]:
    """What else became of messages, where anything did."""
    if queue is None:
        return
    name = run.plan.queues[queue].name
    counts = {word: run.exact(f"{name}.{metric} at end") for metric, word in _FATES.items()}
    some = [f"{count:,} {word}" if word else f"{many(int(count), 'lease')} ended" for word, count in counts.items() if count]
    if some:
        yield f"{name}: {', '.join(some)}"


# --- because ----------------------------------------------------------------------------------------------------------


def _because(case: Case) -> list[str]:
    told = _balance(case.run, case.queue) if case.message is None else [_sentence(case.run, case.message)]
    return [*told, *_capacity(case.run, case.producers, case.consumers)]


def _sentence(run: Numbers, message: int) -> str:
    told = life.summary_of(run, message)
    times = {1: "once", 2: "twice"}.get(told["receives"], f"{told['receives']} times")
    effects = {0: "no effect", 1: "one effect"}.get(told["effects"], f"{told['effects']} effects")
    ended = f"; {told['ended']}" if told["ended"] else "; it is still there at the end"
    return f"message {told['message']} was sent at {told['sent']} and received {times}, with {effects}{ended}"


def _balance(run: Numbers, queue: int | None) -> Iterator[str]:
    """What came less what left is what is there."""
    if queue is None:
        return
    name = run.plan.queues[queue].name

    def terms(metrics: tuple[str, ...]) -> list[str]:
        counts = {m: run.exact(f"{name}.{m} at end") for m in metrics}
        return [f"{count:,} {m.replace('_', ' ')}" for m, count in counts.items() if count]

    came = terms(("accepted", "moved_in"))
    left = terms(("acked", "dead_lettered", "moved_out", "expired", "dropped", "purged", "vanished"))
    there = terms(("visible", "in_flight", "delayed", "deferred"))
    if came:
        equation = " - ".join([" + ".join(came), *left])
        yield f"{name}: {equation} = {' + '.join(there) or 'nothing left'}"


def _capacity(run: Numbers, producers: list[ProducerPlan], consumers: list[ConsumerPlan]) -> Iterator[str]:
    """Where the consumers are always busy: what they can do against what arrives."""
    arrives = sum(run.exact(f"{p.name}.rate mean") or 0 for p in producers)
    for consumer in consumers:
        busy = run.exact(f"{consumer.name}.utilization mean") or 0
        if busy < _BUSY or not isinstance(consumer.service, Constant) or consumer.service.value == 0:
            continue
        slots = consumer.count * consumer.concurrency
        can = slots * SECOND / consumer.service.value
        short = arrives - can
        if short < -_SPARE * can:
            continue
        yield (
            f"{slots} x 1/{say(consumer.service.value, TIME)} = {say(can, RATE)} is all that {consumer.name} can do, "
            f"and {say(arrives, RATE)} arrive: "
            + (f"a difference of {say(short, RATE)}" if short >= 0 else f"only {say(-short, RATE)} to spare")
        )


# --- the message that decides -----------------------------------------------------------------------------------------


def _trace(case: Case) -> list[str]:
    if case.message is None:
        return []
    plan, recording = case.run.plan, case.run.recording
    variant = "" if plan.variant == "base" else f" --variant {plan.variant}"
    seed = f" --seed {recording.seed}" if recording.seed != plan.seed else ""
    replication = f" --replication {recording.replication}" if recording.replication != 1 else ""
    name = message_name(plan, case.message)
    return [f"qsim trace {plan.name} --message {name}{variant}{seed}{replication}"]


def _against(expectation: Expectation, run: Numbers) -> Array:
    """The messages (dense numbers) that speak against it, the one that shows it best first."""
    if expectation.that is None:
        return np.asarray(CLAIMS[expectation.predicate](run, expectation.value).messages, np.int64)
    that = expectation.that
    if type_of(that) == PER_MESSAGE:
        return _extreme(expectation, that, run)
    if that.metric == "received" and run.marked(that) is None:
        return np.empty(0, np.int64)  # of the poison the first tells how often; of all messages it tells nothing
    kind, item = run.item(that)
    find = _FIRST.get((kind, that.metric))
    return np.empty(0, np.int64) if find is None else _marked(find(run, item), run, that)


def _extreme(expectation: Expectation, that: Reference, run: Numbers) -> Array:
    """The message with the largest value, or where more was expected, with the smallest."""
    values = values_in_window(run, that)
    if not len(values.value):
        return np.empty(0, np.int64)
    pick = np.argmin if expectation.predicate in ("above", "at_least") else np.argmax
    return values.dense[[pick(values.value)]]


def _marked(dense: Array, run: Numbers, that: Reference) -> Array:
    marked = run.marked(that)
    return dense if marked is None else dense[marked[dense]]


def _rows(*kinds: Kind) -> Callable[[Numbers, int], Array]:
    return lambda run, queue: run.ledger.select(*kinds, queue=queue, columns=("dense",)).dense


def _moved_here(run: Numbers, queue: int) -> Array:
    """Messages of a queue to which nobody sends."""
    fed = run.ledger.select(*places.ENTERS, queue=queue, columns=("dense", "kind"))
    return fed.dense if (fed.kind == Kind.MOVED_IN).all() else fed.dense[:0]


_FIRST: dict[tuple[str, str], Callable[[Numbers, Any], Array]] = {
    ("queue", "lost"): lambda run, queue: queues.lost(run.ledger, queue).dense,
    ("queue", "out_of_order"): lambda run, queue: queues.out_of_order(run.ledger, queue).dense,
    ("queue", "received"): _rows(Kind.RECEIVED),
    ("queue", "redelivered"): lambda run, queue: queues.redelivered(run.ledger, queue).dense,
    ("queue", "dead_lettered"): _rows(Kind.DEAD_LETTERED),
    ("queue", "lease_expired"): _rows(Kind.LEASE_ENDED),
    ("queue", "expired"): _rows(Kind.EXPIRED),
    ("queue", "dropped"): _rows(Kind.DROPPED),
    ("queue", "vanished"): _rows(Kind.VANISHED),
    ("queue", "rejected"): _rows(Kind.REJECTED),
    ("queue", "moved_in"): _rows(Kind.MOVED_IN),
    ("queue", "visible"): _moved_here,
    ("queue", "depth"): _moved_here,
    ("consumer", "duplicates"): lambda run, consumer: workers.duplicates(run.ledger, consumer).dense,
}
"""Of each metric that single messages speak to: those messages, the first first."""
