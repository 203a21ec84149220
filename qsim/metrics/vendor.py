"""What brokers call what we count, and what they count that we do not: for ``--names broker``.

It knows one table a broker: a name, what it is over our rows as a function of time, and in words.  Where a broker
counts otherwise than one would think (an acked entry is still in XLEN), the words say so.  Counters are functions of
time too: so many until then.  Nothing here is approximate or late, as CloudWatch and its like are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from qsim.kernel.journal import Cause, Kind, Place
from qsim.kernel.profile import Stale
from qsim.metrics import places, queues, workers
from qsim.metrics.counters import STALE_ACK
from qsim.metrics.ledger import Ledger, only
from qsim.metrics.numbers import Numbers
from qsim.metrics.places import ENTERS, LEAVES, LEVELS
from qsim.metrics.steps import Ages, Function, Steps, combine, distinct, from_changes
from qsim.scenario.reference import COUNT, TIME
from qsim.units import SECOND

if TYPE_CHECKING:
    import pandas as pd

Array = Any
Of = Callable[[Ledger, int], Steps]
"""From the rows and a queue's number to a level or a count over time."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One of a broker's metrics: ``says`` in our words what it counts."""

    name: str
    of: Callable[[Ledger, int], Function]
    says: str
    dimension: str = COUNT


# --- levels -------------------------------------------------------------------------------------------------------------


def level(*names: str) -> Of:
    """Messages in the places of these levels together."""
    these = tuple(dict.fromkeys(place for name in names for place in LEVELS[name]))
    return lambda ledger, queue: queues.within(ledger, queue, these)


def consumers(ledger: Ledger, queue: int) -> Steps:
    """Live processes that read this queue."""
    readers = [workers.count(ledger, c) for c in ledger.plan.consumers if queue in c.sources]
    return combine(lambda *counts: sum(counts), *readers) if readers else from_changes(np.empty(0), np.empty(0))


def groups_in_flight(ledger: Ledger, queue: int) -> Steps:
    """Groups with a message in flight: each counts from its first one to its last."""
    rows = _rows(ledger, queue, *places.MOVES, columns=("time", "dense", "kind", "cause", "other"))
    rows.change = places.change(_as_array(rows), places.inside((Place.LEASED,)))
    rows = only(rows, rows.change != 0)
    rows.group = ledger.group[rows.dense]
    order = np.argsort(rows.group, kind="stable")
    held = np.cumsum(rows.change[order], dtype=np.int64)  # each group's changes sum up to what it still holds
    before = held - rows.change[order]
    base = _at_first(rows.group[order], before)
    flips = np.empty(len(order), np.int64)
    flips[order] = (held > base).astype(np.int64) - (before > base)
    return from_changes(rows.time, flips)


def _as_array(rows: SimpleNamespace) -> Array:
    made = np.zeros(len(rows.time), [("kind", "i1"), ("cause", "i1"), ("other", "i4")])
    for name in made.dtype.names or ():
        made[name] = getattr(rows, name)
    return made


def _at_first(keys: Array, values: Array) -> Array:
    """For each entry the value at the first entry of its (sorted) key."""
    return values[np.searchsorted(keys, keys)]


def dead_lettered(ledger: Ledger, queue: int) -> Steps:
    """What lies in the queue behind this one."""
    dlq = ledger.plan.queues[queue].profile.dlq
    names = [each.name for each in ledger.plan.queues]
    return _NOTHING if dlq is None else queues.level(ledger, names.index(dlq.queue), "depth")


_NOTHING = Steps(np.empty(0, np.int64), np.empty(0, np.int64))


def entries(ledger: Ledger, queue: int) -> Steps:
    """Entries of a stream: what was added, up to maxlen; an ack takes nothing away."""
    added, most = count(*ENTERS)(ledger, queue), ledger.plan.queues[queue].profile.maxlen
    return added if most is None else Steps(added.times, np.minimum(added.values, most))


SKIPPED_FROM = 3
"""SQS-12: from its third receive without a delete a message is no more the oldest."""


def oldest(ledger: Ledger, queue: int) -> Ages:
    """The age of the oldest message that is there, in flight or not; on a queue whose worn-out messages go to the back,
    of those received less than three times."""
    skips = ledger.plan.queues[queue].profile.tail_from is not None
    rows = _rows(ledger, queue, *ENTERS, *LEAVES, Kind.RECEIVED, columns=("time", "dense", "kind", "attempt"))
    order = np.argsort(rows.dense, kind="stable")
    rows.enters = np.isin(rows.kind, ENTERS)
    rows.change = np.empty(len(order), np.int8)
    rows.change[order] = _counts_as_old(only(rows, order), SKIPPED_FROM if skips else 1 << 30)
    return queues.ages(ledger, only(rows, rows.change != 0))


def _counts_as_old(rows: SimpleNamespace, most: int) -> Array:
    """``rows`` by message: 1 where it begins to count, -1 where it ends, by its receives since it came here."""
    entry = np.maximum.accumulate(np.where(rows.enters, np.arange(len(rows.dense)), 0))
    receives = rows.attempt - rows.attempt[entry]
    ends = np.where(rows.kind == Kind.RECEIVED, receives == most, receives < most)
    return np.where(rows.enters, 1, -ends.astype(np.int8))


# --- counters -----------------------------------------------------------------------------------------------------------


def count(*kinds: Kind, where: Callable[[SimpleNamespace], Array] | None = None) -> Of:
    """Rows of these kinds so far (for which ``where`` holds)."""

    def counted(ledger: Ledger, queue: int) -> Steps:
        rows = _rows(ledger, queue, *kinds, columns=("time", "cause", "other", "kind", "attempt"))
        return _total(rows if where is None else only(rows, where(rows)))

    return counted


def _total(rows: SimpleNamespace) -> Steps:
    return from_changes(rows.time, np.ones(len(rows.time), np.int8))


def _rows(ledger: Ledger, queue: int, *kinds: Kind, columns: tuple[str, ...]) -> SimpleNamespace:
    return ledger.select(*kinds, queue=queue, columns=columns)


def minus(whole: Of, part: Of) -> Of:
    return lambda ledger, queue: combine(np.subtract, whole(ledger, queue), part(ledger, queue))


def redelivered(ledger: Ledger, queue: int) -> Steps:
    return _total(queues.redelivered(ledger, queue))


def deletes(ledger: Ledger, queue: int) -> Steps:
    """Deletes that succeeded, whatever they did."""
    profile = ledger.plan.queues[queue].profile
    said = dict(zip((Cause.RECEIPT_EXPIRED, Cause.RECEIVED_AGAIN), profile.stale_ack, strict=True))
    fine = [Cause.NO_MESSAGE, *(cause for cause, answer in said.items() if answer is not Stale.ERROR)]
    again = count(Kind.STALE, where=lambda r: (r.other == STALE_ACK) & np.isin(r.cause, fine))
    return combine(np.add, _ACKED(ledger, queue), again(ledger, queue))


_ACKED = count(Kind.ACKED)
_ACCEPTED = count(Kind.ACCEPTED)
_RECEIVED = count(Kind.RECEIVED)
_ENTERED = count(*ENTERS)
_LEFT = count(*LEAVES)
_LATE = count(Kind.EXPIRED, Kind.DEAD_LETTERED, where=lambda r: (r.kind == Kind.EXPIRED) | (r.cause == Cause.TTL))
_FROM_BUFFER = count(Kind.RETURNED, where=lambda r: r.cause == Place.READY)
"""A client that hands a message out again, after it had put it off: no broker sees that."""


# --- one table a broker -------------------------------------------------------------------------------------------------

_SQS = (
    Metric("ApproximateNumberOfMessagesVisible", level("visible"), "visible"),
    Metric("ApproximateNumberOfMessagesNotVisible", level("in_flight"), "in flight"),
    Metric("ApproximateNumberOfMessagesDelayed", level("delayed"), "delayed"),
    Metric(
        "ApproximateAgeOfOldestMessage",
        oldest,
        "of all that is not deleted, in flight too; on a standard queue a message received three times is left out",
        TIME,
    ),
    Metric("NumberOfMessagesSent", _ACCEPTED, "accepted; a move from a dead-letter queue or into one is no send"),
    Metric("NumberOfMessagesReceived", _RECEIVED, "received"),
    Metric(
        "NumberOfMessagesDeleted", deletes, "deletes that succeeded: acked, and repeated or stale ones that did nothing"
    ),
    Metric("NumberOfEmptyReceives", count(Kind.EMPTY_RECEIVE), "empty_receives"),
)
_FIFO = (
    Metric("ApproximateNumberOfGroupsWithInflightMessages", groups_in_flight, "groups with a message in flight"),
    Metric("NumberOfDeduplicatedSentMessages", count(Kind.SUPPRESSED), "duplicates_suppressed"),
)
_RABBITMQ = (
    Metric("messages", level("visible", "in_flight"), "visible + in flight"),
    Metric("messages_ready", level("visible"), "visible, the expired behind the head too"),
    Metric("messages_unacknowledged", level("in_flight"), "in flight: pushed, though perhaps not looked at"),
    Metric("consumers", consumers, "live processes that read the queue"),
    Metric("message_stats.publish", _ENTERED, "accepted + moved_in: a dead-lettered message is published anew"),
    Metric("message_stats.deliver", count(Kind.RECEIVED, where=lambda r: r.cause == 0), "received by a push"),
    Metric("message_stats.deliver_get", _RECEIVED, "received"),
    Metric("message_stats.redeliver", redelivered, "redelivered, also if no application had seen it"),
    Metric("message_stats.ack", _ACKED, "acked"),
)
_REDIS_LIST = (
    Metric("LLEN", level("visible"), "visible: what is popped is not counted any more"),
    Metric("LLEN processing", level("in_flight"), "in flight, where the list is reliable"),
)
_REDIS_STREAM = (
    Metric("XLEN", entries, "entries that are there: an ack takes none away, only maxlen does"),
    Metric("XPENDING", level("in_flight"), "in flight: read and not acked, be its consumer alive or not"),
    Metric("XINFO GROUPS lag", level("visible"), "visible: not read by this group yet"),
    Metric("XINFO GROUPS entries-read", count(Kind.RECEIVED, where=lambda r: r.attempt == 1), "first receives"),
    Metric("XINFO CONSUMERS", consumers, "live processes that read the stream"),
)
_ACTIVEMQ = (
    Metric("QueueSize", level("visible", "in_flight"), "visible + in flight: all that is not acked"),
    Metric("InFlightCount", level("in_flight"), "in flight, most of it perhaps in a client's buffer"),
    Metric("EnqueueCount", _ENTERED, "accepted + moved_in"),
    Metric("DequeueCount", _LEFT, "all that left: acked, dead-lettered, expired, purged"),
    Metric(
        "DispatchCount", minus(_RECEIVED, _FROM_BUFFER), "received, without what a client redelivers from its buffer"
    ),
    Metric("ExpiredCount", _LATE, "expired, dead-lettered or not"),
    Metric("ConsumerCount", consumers, "live processes that read the queue"),
)
_SERVICE_BUS = (
    Metric("ActiveMessageCount", level("visible", "in_flight"), "visible + in flight: the locked are active too"),
    Metric("ScheduledMessageCount", level("delayed"), "delayed"),
    Metric("DeadLetterMessageCount", dead_lettered, "what lies in its dead-letter queue"),
    Metric("IncomingMessages", _ACCEPTED, "accepted"),
    Metric("OutgoingMessages", _RECEIVED, "received"),
    Metric("CompleteMessage", _ACKED, "acked"),
    Metric("AbandonMessage", count(Kind.NACKED), "nacked"),
    Metric("UserErrors", count(Kind.STALE, Kind.REFUSED), "calls with a lost lock, and refused ones"),
)

VENDOR: dict[str, tuple[Metric, ...]] = {
    "sqs-standard": _SQS,
    "sqs-fifo": _SQS + _FIFO,
    "rabbitmq-classic": _RABBITMQ,
    "rabbitmq-quorum": _RABBITMQ,
    "redis-list": _REDIS_LIST,
    "redis-stream": _REDIS_STREAM,
    "activemq-classic": _ACTIVEMQ,
    "azure-service-bus": _SERVICE_BUS,
}
"""CloudWatch, RabbitMQ's management, Redis commands, JMX, Azure Monitor.  The ideal queue has no vendor."""


# --- answers ------------------------------------------------------------------------------------------------------------


def metrics_of(numbers: Numbers, queue: str) -> dict[str, Metric]:
    """The metrics that this queue's broker has, by name; KeyError if there is no such queue, or it has none."""
    profiles = {q.name: q.profile.name for q in numbers.plan.queues}
    if profiles.get(queue) not in VENDOR:
        having = [name for name, profile in profiles.items() if profile in VENDOR]
        raise KeyError(
            f"{queue!r} is no queue of a broker with names of its own; there are: {', '.join(having) or 'none'}"
        )
    return {metric.name: metric for metric in VENDOR[profiles[queue]]}


def at_end(numbers: Numbers, queue: str) -> dict[str, int]:
    """Each metric at the end, times in ns."""
    time = numbers.recording.ended
    return {name: int(function.at(time) or 0) for name, function in _functions(numbers, queue).items()}


def frame(numbers: Numbers, queue: str) -> pd.DataFrame:
    """The broker's own metrics over time: a row whenever one of them changes, ages in seconds."""
    import pandas as pd

    functions = _functions(numbers, queue)
    times = distinct(np.concatenate([[0], *(function.times for function in functions.values())])).astype(np.int64)
    scale = {name: SECOND if metric.dimension == TIME else 1 for name, metric in metrics_of(numbers, queue).items()}
    columns = {name: _whole(function.over(times), scale[name]) for name, function in functions.items()}
    return pd.DataFrame({"time_s": times / SECOND, **columns})


def _functions(numbers: Numbers, queue: str) -> dict[str, Any]:
    index = [q.name for q in numbers.plan.queues].index(queue)
    return {name: metric.of(numbers.ledger, index) for name, metric in metrics_of(numbers, queue).items()}


def _whole(values: Array, scale: int) -> Array:
    return values / scale if scale > 1 else values.astype(np.int64)
