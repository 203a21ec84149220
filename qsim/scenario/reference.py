"""The metric grammar: ``orders.wait urgent p95 from 5m to 10m``, and which metrics there are.

It knows words, not runs: what a metric is worth is told by ``metrics``, which objects exist by ``Names``.

    OBJECT.METRIC[.LABEL] [LABEL] [STATISTIC] [at T | at end | from T [to T]]

``parse`` needs nothing but the text; ``check`` compares it with a scenario's names.  Both raise ReferenceError_,
whose ``offset`` points at the word that is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from qsim.units import Nanos, UnitError, duration, write_duration

END = "end"
STATISTICS = ("mean", "min", "p50", "p95", "p99", "max", "total", "share")
PERCENTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}

SERIES, COUNTER, PER_MESSAGE, ONCE = "series", "counter", "per-message", "once"
COUNT, TIME, SHARE, RATE, MONEY = "count", "time", "share", "rate", "money"

ALLOWED = {
    SERIES: ("mean", "min", "p50", "p95", "p99", "max", "share"),
    COUNTER: ("total", "share"),
    PER_MESSAGE: STATISTICS,
    ONCE: (),
}
"""Which statistics each type of metric has."""


@dataclass(frozen=True, slots=True)
class Reference:
    """``at`` is ns, "end" or None; ``from_`` and ``to`` are ns or None; ``text`` is what was written."""

    object: str
    metric: str
    label: str | None = None
    statistic: str | None = None
    at: Nanos | str | None = None
    from_: Nanos | None = None
    to: Nanos | None = None
    text: str = field(default="", compare=False)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Metric:
    """``labels``: whether it can be asked for a part of the messages only; ``later``: a coming release has it."""

    type: str
    dimension: str
    says: str
    labels: bool = True
    later: bool = False


@dataclass(frozen=True, slots=True)
class Names:
    """What a scenario defines: {object: kind}; {object: its labels}; {object: how many groups it has, 0 to n - 1};
    whether it has prices; the last moment that a run may reach (None: unknown)."""

    kinds: Mapping[str, str]
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    groups: Mapping[str, int] = field(default_factory=dict)
    has_prices: bool = True
    ends: Nanos | None = None


class ReferenceError_(ValueError):
    """A reference that says nothing: ``code`` (Q012, ...), ``offset`` of the wrong word in the text."""

    def __init__(self, code: str, message: str, offset: int = 0, suggestion: str | None = None) -> None:
        super().__init__(message if suggestion is None else f"{message}; {suggestion}")
        self.code = code
        self.message = message
        self.offset = offset
        self.suggestion = suggestion


# --- the metrics ------------------------------------------------------------------------------------------------------


def _table(type_: str, dimension: str, **says: str) -> dict[str, Metric]:
    return {name: Metric(type_, dimension, text) for name, text in says.items()}


def _without_labels(type_: str, dimension: str, **says: str) -> dict[str, Metric]:
    return {name: Metric(type_, dimension, text, labels=False) for name, text in says.items()}


METRICS: dict[str, dict[str, Metric]] = {
    "queue": {
        **_table(
            SERIES,
            COUNT,
            visible="Messages that a receive could get now.",
            in_flight="Messages leased to a consumer and not yet acked.",
            delayed="Messages that become visible later.",
            deferred="Messages set aside, to be fetched by number.",
            depth="All messages in the queue: visible + in_flight + delayed + deferred.",
        ),
        **_table(
            SERIES, TIME, oldest_age="Time since the oldest visible message entered this queue; 0 if none is visible."
        ),
        **_table(
            COUNTER,
            COUNT,
            accepted="Messages that entered by a send.",
            received="Deliveries to consumers; a message received twice counts twice.",
            acked="Messages deleted by an ack.",
            nacked="Deliveries given back by their consumer.",
            lease_expired="Leases that ended without an ack.",
            redelivered="Deliveries after a message's first from this queue.",
            dead_lettered="Messages moved away to the dead-letter queue.",
            moved_in="Messages that arrived by a move: dead-lettering, redrive, forwarding.",
            moved_out="Messages that left by a redrive.",
            expired="Messages whose ttl or retention ended and that were not dead-lettered.",
            rejected="Sends that the queue refused.",
            dropped="Messages thrown away because the queue was full.",
            purged="Messages deleted by a purge.",
            vanished="Messages lost by the broker, trimmed, or popped by a consumer that crashed before it acked.",
            duplicates_suppressed="Sends recognised as a repetition; nothing entered.",
            out_of_order="Deliveries after one of the same group (of the queue, without groups) that was sent later.",
            lost="Messages that ended with no effect and nobody told: expired, dropped, vanished, lost on the way, "
            "or acked on receive by a consumer that died.",
        ),
        **_without_labels(
            COUNTER,
            COUNT,
            empty_receives="Receives that ended with nothing.",
            requests="Calls as a broker bills them: sends (a batch is one), receives, empty and refused ones too, acks, "
            "nacks, lease extensions; on SQS one for every 64 KiB.",
        ),
        **_without_labels(COUNTER, MONEY, cost="Price of the requests and of the gigabytes sent and received (`cost:`)."),
        **_table(
            PER_MESSAGE,
            TIME,
            wait="From the first attempt to send (or the move here) to the first receive from this queue.",
            latency="From the first attempt to send (or the move here) to the ack that deleted the message.",
            origin_latency="From the first attempt to send to the ack that deleted the message, whatever moves.",
            recovery_time="From the end of an attempt without ack to that message's next receive.",
            second_receive="From the first attempt to send (or the move here) to the second receive.",
        ),
        **_table(PER_MESSAGE, COUNT, receives="How often the message was received from this queue."),
        **_table(ONCE, TIME, drained_at="The first moment after the largest visible at which it is 0."),
    },
    "topic": _table(
        COUNTER,
        COUNT,
        published="Messages that the topic took; one sent again because the answer was lost counts again.",
        copies="Copies made for subscriptions.",
        unrouted="Messages that no subscription wanted.",
    ),
    "producer": {
        **_table(SERIES, RATE, rate="Messages sent a second, every try counted."),
        **_table(SERIES, RATE, goodput="Replies in time, a second; where no replies are awaited, tries accepted."),
        **_table(
            COUNTER,
            COUNT,
            sent="Tries to send.",
            accepted="Tries that a queue accepted.",
            rejected="Tries that were refused.",
            retried="Tries after a message's first.",
            timeouts="Tries whose answer, or reply, did not come in time.",
            lost_on_the_way="Tries that never arrived.",
            under_way="Tries that are blocked or have not arrived yet.",
        ),
        **_table(PER_MESSAGE, TIME, send_time="From the first attempt to send until the producer is answered."),
        **_table(PER_MESSAGE, TIME, reply_time="From the first attempt to send a request to its reply, if that came in time."),
    },
    "consumer": {
        **_without_labels(SERIES, COUNT, count="Live processes, those starting up included."),
        **_table(SERIES, COUNT, busy="Slots at work."),
        **_table(SERIES, SHARE, utilization="Busy slots over live slots."),
        **_table(SERIES, RATE, throughput="Messages whose work was finished, a second."),
        **_without_labels(
            SERIES,
            SHARE,
            idle_while_work_waits="Idle share of the live slots while its queue has visible messages, else 0.",
            time_on_poison="Slots at work on poison over live slots.",
        ),
        **_table(
            COUNTER,
            COUNT,
            effects="Effects that happened.",
            duplicates="Effects after the first of one message at this consumer.",
            stale_acks="Acks of a lease that was already lost, and did nothing.",
            interrupted="Attempts that ended because their process did.",
        ),
        **_without_labels(
            COUNTER,
            COUNT,
            calls="Calls to the broker: receives (one of n is one call), acks, nacks, lease extensions.",
            consumer_hours="Hours that processes were alive, start-up included.",
        ),
        **_without_labels(COUNTER, MONEY, cost="Price of the consumer hours (`cost:`)."),
        **_table(
            PER_MESSAGE,
            COUNT,
            effects_per_message="Effects of a message received at least once; 0 counts.",
            calls_per_message="Calls made for a message; a receive of n counts 1/n.",
        ),
        **_table(PER_MESSAGE, TIME, prefetch_wait="From the delivery to the start of its work."),
    },
    "dependency": {
        **_table(SERIES, COUNT, busy="Calls being served.", waiting="Calls that wait for a place."),
        **_table(SERIES, SHARE, utilization="Busy places over places."),
        **_table(
            COUNTER,
            COUNT,
            calls="Calls made.",
            timeouts="Calls given up by the caller, who had no answer in time.",
            refused="Calls that found no place, and no room to wait.",
        ),
        **_table(PER_MESSAGE, TIME, time="From the call to its answer."),
    },
    "alert": {
        **_without_labels(SERIES, COUNT, firing="1 while the alert fires, else 0."),
        **_without_labels(COUNTER, COUNT, fired="Times that the alert began to fire."),
        **_without_labels(ONCE, TIME, first_fired="When the alert first fired."),
    },
}
"""Every metric of every kind of object.  A name has the same type and dimension wherever it occurs."""

_BY_NAME = {name: metric for table in METRICS.values() for name, metric in table.items()}
_POISON = "poison"


def metric_of(reference: Reference, names: Names | None = None) -> Metric:
    """The metric that a checked reference names."""
    table = _BY_NAME if names is None else METRICS[names.kinds[reference.object]]
    return table[reference.metric]


def is_known(reference: Reference) -> bool:
    """Whether there is such a metric, whatever the object is."""
    return reference.metric in _BY_NAME


def type_of(reference: Reference) -> str:
    """series, counter, per-message or once."""
    return metric_of(reference).type


def dimension(reference: Reference) -> str:
    """count, time, share, rate or money: what the reference's value is measured in."""
    return SHARE if reference.statistic == "share" else metric_of(reference).dimension


def needs_later(reference: Reference, names: Names | None = None) -> bool:
    """Whether only a coming release can tell this metric (Q040)."""
    return metric_of(reference, names).later


WATCHED = {
    "queue": (
        *("visible", "in_flight", "delayed", "deferred", "depth", "oldest_age"),
        *("wait", "second_receive", "latency", "origin_latency"),
        *("accepted", "received", "acked", "nacked", "lease_expired", "redelivered", "dead_lettered", "moved_in"),
        *("moved_out", "expired", "rejected", "dropped", "purged", "vanished", "duplicates_suppressed", "empty_receives"),
    ),
    "topic": ("published", "copies", "unrouted"),
    "producer": (
        *("rate", "goodput", "sent", "accepted", "rejected", "retried", "timeouts", "lost_on_the_way", "reply_time"),
    ),
    "consumer": (
        *("count", "busy", "utilization", "idle_while_work_waits", "throughput"),
        *("effects", "duplicates", "stale_acks", "interrupted"),
    ),
    "dependency": ("busy", "waiting", "utilization", "calls", "timeouts", "refused", "time"),
}
"""What an alert, an autoscaler or a producer that slows down can follow while a run goes on: these, without a label,
and a series without a statistic.  Not what only the end of a run tells (receives, lost, effects_per_message), nor what is
a sum over messages (calls, cost) or over time (consumer_hours)."""


def can_be_watched(reference: Reference, names: Names) -> bool:
    """Whether an alert can follow this reference (a coming release follows the others: Q040)."""
    known = reference.metric in WATCHED.get(names.kinds[reference.object], ())
    is_now = (reference.at, reference.from_, reference.to, reference.label) == (None, None, None, None)
    return known and is_now and (type_of(reference) == PER_MESSAGE or reference.statistic is None)


# --- reading ----------------------------------------------------------------------------------------------------------

_WORD = re.compile(r"\S+")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


class _Words:
    """The words of a reference with their offsets; ``take`` steps on."""

    def __init__(self, text: str) -> None:
        self.words = [(match.group(), match.start()) for match in _WORD.finditer(text)]
        self.end = len(text)
        self.i = 0

    def peek(self) -> str | None:
        return self.words[self.i][0] if self.i < len(self.words) else None

    def take(self) -> tuple[str, int]:
        self.i += 1
        return self.words[self.i - 1]

    def take_if(self, allowed: Iterable[str]) -> str | None:
        return self.take()[0] if self.peek() in tuple(allowed) else None


def parse(text: str) -> Reference:
    """Read a reference, by its form alone: whether the object and the metric exist is ``check``'s question."""
    words = _Words(text)
    object_, metric, label = _dotted(words, text)
    if label is None and words.peek() not in (None, "at", "from", *STATISTICS):
        label = words.take()[0]
    statistic = words.take_if(STATISTICS)
    at, from_, to = _times(words)
    if words.peek() is not None:
        raise _unexpected(*words.take(), statistic)
    return Reference(object_, metric, label, statistic, at, from_, to, " ".join(text.split()))


def _dotted(words: _Words, text: str) -> tuple[str, str, str | None]:
    if words.peek() is None:
        raise ReferenceError_("Q012", "an empty reference: write OBJECT.METRIC, as in orders.visible")
    first, offset = words.take()
    parts = first.split(".")
    if len(parts) not in (2, 3) or not all(parts) or not _NAME.fullmatch(parts[0]):
        raise ReferenceError_("Q012", f"'{first}' is not OBJECT.METRIC or OBJECT.METRIC.LABEL", offset)
    return parts[0], parts[1], parts[2] if len(parts) == 3 else None


def _times(words: _Words) -> tuple[Nanos | str | None, Nanos | None, Nanos | None]:
    if words.take_if(["at"]):
        return words.take_if([END]) or _time(words, "at"), None, None
    if not words.take_if(["from"]):
        return None, None, None
    from_ = _time(words, "from")
    offset = words.end if words.peek() is None else words.words[words.i][1]
    to = _time(words, "to") if words.take_if(["to"]) else None
    if to is not None and to <= from_:
        raise ReferenceError_("Q012", "the window is empty: 'to' must be later than 'from'", offset)
    return None, from_, to


def _time(words: _Words, after: str) -> Nanos:
    if words.peek() is None:
        raise ReferenceError_("Q013", f"a time is missing after '{after}': write {after} 10m", words.end)
    text, offset = words.take()
    try:
        return duration(text)
    except UnitError as error:
        raise ReferenceError_(error.code, error.message, offset, error.suggestion) from None


def _unexpected(word: str, offset: int, statistic: str | None) -> ReferenceError_:
    if statistic is not None:
        return ReferenceError_(
            "Q012", f"'{word}' after the statistic '{statistic}'", offset, "write at T or from T to T"
        )
    if word in STATISTICS:
        return ReferenceError_("Q012", f"'{word}' after the time", offset, f"write {word} before at or from")
    return ReferenceError_("Q012", f"'{word}' is not a statistic", offset, _suggest(word, STATISTICS))


# --- checking ---------------------------------------------------------------------------------------------------------


def check(reference: Reference, names: Names) -> Metric:
    """Raise ReferenceError_ unless the scenario has what the reference names; else the metric."""
    for error in _wrong(reference, names):
        raise error
    return metric_of(reference, names)


def check_told(reference: Reference, names: Names) -> None:
    """Raise ReferenceError_ unless a run of the scenario can tell it."""
    check(reference, names)
    if needs_later(reference, names):
        raise ReferenceError_("Q040", f"{reference.object}.{reference.metric} is not supported yet")


def _wrong(reference: Reference, names: Names) -> Iterator[ReferenceError_]:
    kind = names.kinds.get(reference.object)
    if kind is None:
        message = f"no queue, topic, producer, consumer, dependency or alert is called '{reference.object}'"
        yield ReferenceError_("Q020", message, 0, _suggest(reference.object, names.kinds, "there are"))
        return
    metrics = METRICS[kind]
    metric = metrics.get(reference.metric)
    if metric is None:
        message = f"a {kind} has no metric '{reference.metric}'"
        yield ReferenceError_("Q012", message, len(reference.object) + 1, _suggest(reference.metric, metrics))
        return
    yield from _wrong_label(reference, metric, names)
    yield from _wrong_statistic(reference, metric)
    yield from _wrong_time(reference, names)
    if metric.dimension == MONEY and not names.has_prices:
        message = f"there are no prices for {reference.object}.{reference.metric}"
        yield ReferenceError_("Q016", message, 0, "write cost: {request: 0.0000004}, consumer_hour or gigabyte")


def _wrong_label(reference: Reference, metric: Metric, names: Names) -> Iterator[ReferenceError_]:
    if reference.label is None:
        return
    offset = _offset(reference, reference.label)
    if not metric.labels:
        yield ReferenceError_("Q012", f"'{reference.metric}' has no labels", offset, f"leave out '{reference.label}'")
    known = dict.fromkeys((*names.labels.get(reference.object, ()), _POISON))
    if reference.label not in known and not _is_group(reference, names):
        message = f"'{reference.label}' is not a statistic, nor a label of {reference.object}"
        yield ReferenceError_("Q012", message, offset, _suggest(reference.label, (*STATISTICS, *known)))


def _is_group(reference: Reference, names: Names) -> bool:
    label = reference.label or ""
    return label.isdecimal() and int(label) < names.groups.get(reference.object, 0)


def _wrong_statistic(reference: Reference, metric: Metric) -> Iterator[ReferenceError_]:
    allowed = ALLOWED[metric.type]
    if reference.statistic is None:
        if metric.type == PER_MESSAGE:
            message = f"'{reference.metric}' has a value for each message: say which statistic"
            suggestion = f"write {reference.object}.{reference.metric} p95; one of: {', '.join(allowed)}"
            yield ReferenceError_("Q015", message, len(reference.text), suggestion)
    elif reference.statistic not in allowed:
        message = f"'{reference.metric}' is a {metric.type} metric and has no '{reference.statistic}'"
        suggestion = f"one of: {', '.join(allowed)}" if allowed else f"leave out '{reference.statistic}'"
        yield ReferenceError_("Q012", message, _offset(reference, reference.statistic), suggestion)


def _wrong_time(reference: Reference, names: Names) -> Iterator[ReferenceError_]:
    """A time that no run of the scenario reaches: what is asked of it would be the state at the end, and a surprise."""
    for word, time in (("at", reference.at), ("from", reference.from_), ("to", reference.to)):
        if isinstance(time, int) and names.ends is not None and time > names.ends:
            message = f"{word} {write_duration(time)} is after the end of the run"
            at_end = "write at end for the state when the run stops" if word == "at" else "the window ends with the run"
            yield ReferenceError_("Q033", message, _offset(reference, word), at_end)
            return


def _offset(reference: Reference, word: str) -> int:
    """Where the word stands, after the object and metric."""
    start = len(reference.object) + 1 + len(reference.metric)
    return max(0, reference.text.find(word, start))


def _suggest(word: str, known: Iterable[str], intro: str = "one of") -> str:
    from difflib import get_close_matches  # only a mistake pays for the import

    choices = list(known)
    near = get_close_matches(word, choices, 1)
    listed = f"{intro}: {', '.join(choices)}"
    return f"did you mean '{near[0]}'? {listed}" if near else listed
