"""References answered: ``Numbers(recording).value(parse("orders.wait p95"))``.

It knows the grammar and which function of time, which counter or which values a message each metric is.  ``exact``
answers in whole nanoseconds (means and percentiles of times are floats of ns), ``value`` in seconds.  None says that
there is no data.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

import numpy as np

from qsim.kernel.journal import Kind
from qsim.metrics import calls, counters, queues, warmup, workers
from qsim.metrics.ends import AT_END
from qsim.metrics.ledger import NEVER, Ledger
from qsim.metrics.places import LEVELS
from qsim.metrics.steps import Function, Rate, Steps, from_changes, greatest, least, mean, percentile, share
from qsim.scenario.plan import Plan, ProducerPlan
from qsim.scenario.reference import (
    COUNTER,
    END,
    METRICS,
    MONEY,
    ONCE,
    PER_MESSAGE,
    PERCENTILES,
    SERIES,
    TIME,
    Names,
    Reference,
    check_told,
    dimension,
    metric_of,
    parse,
)
from qsim.sim.recording import Recording
from qsim.units import SECOND, Nanos

Array = Any
Number = int | float

KEPT = 300 << 20
"""Bytes of arrays that are kept for the next question."""


def names_of(plan: Plan) -> Names:
    """What references may name in this plan.  A label is one of any object: copies keep what their original has."""
    objects = {
        "queue": plan.queues, "topic": plan.topics, "producer": plan.producers, "consumer": plan.consumers,
        "dependency": plan.dependencies, "alert": plan.alerts,
    }  # fmt: skip
    kinds = {o.name: kind for kind, group in objects.items() for o in group}  # type: ignore[attr-defined]
    priorities = [level for queue in plan.queues for level in queue.priorities]
    attributes = [v for p in plan.producers for _, shares in p.message.attributes for v in shares.names]
    groups = max((_groups_of(p) for p in plan.producers), default=0)
    labels = {o: tuple(dict.fromkeys((*priorities, *attributes))) for o, kind in kinds.items() if kind != "alert"}
    return Names(kinds, labels, dict.fromkeys(labels, groups), plan.cost is not None, plan.duration + plan.drain)


def _groups_of(producer: ProducerPlan) -> int:
    """How many groups its messages may have."""
    drawn = producer.message.groups.keys if producer.message.groups else 0
    return max((drawn, *(group + 1 for group in producer.recorded.groups))) if producer.recorded else drawn


_SECTIONS = {
    "queue": "queues", "topic": "topics", "producer": "producers", "consumer": "consumers",
    "dependency": "dependencies", "alert": "alerts",
}  # fmt: skip


def _index(plan: Plan, kind: str, name: str) -> int:
    return next(i for i, o in enumerate(getattr(plan, _SECTIONS[kind])) if o.name == name)


class Numbers:
    """Every number of one run; what was worked out is kept while there is room."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.plan = recording.plan
        self.names = names_of(recording.plan)
        self._ledger: Ledger | None = None
        self._answers: dict[Reference, Number | None] = {}
        self._kept: OrderedDict[tuple[Any, ...], tuple[Any, int]] = OrderedDict()

    @property
    def ledger(self) -> Ledger:
        if self._ledger is None:
            self._ledger = Ledger(self.recording)
        return self._ledger

    def value(self, reference: Reference | str) -> Number | None:
        """The number for people: times in seconds."""
        reference = self.checked(reference)
        exact = self.exact(reference)
        return exact if exact is None or dimension(reference) != TIME else exact / SECOND

    def exact(self, reference: Reference | str) -> Number | None:
        """The number as it is compared: times in nanoseconds."""
        reference = self.checked(reference)
        if reference not in self._answers:
            metric = metric_of(reference, self.names)
            answer = None if self._was_not_reached(reference) else _ANSWERS[metric.type](self, reference)
            self._answers[reference] = answer
        return self._answers[reference]

    def _was_not_reached(self, reference: Reference) -> bool:
        """Whether the run was cut short before the time that is asked for: then there is no data."""
        begins = reference.from_ if reference.at is None else reference.at
        ended = self.recording.ended
        return isinstance(begins, int) and begins > ended and ended < self.plan.duration

    def checked(self, reference: Reference | str) -> Reference:
        """The reference, if this run can tell it; raises ReferenceError_."""
        reference = parse(reference) if isinstance(reference, str) else reference
        check_told(reference, self.names)
        return reference

    @cached_property
    def cut(self) -> warmup.Cut | None:
        """The warm-up that this run asks for, where the plan leaves it to the run."""
        return warmup.found_in(self) if self.plan.is_warmup_found else None

    @property
    def warmup(self) -> Nanos:
        """What is cut: statistics count from here."""
        return self.plan.warmup if self.cut is None else self.cut.length

    # --- windows --------------------------------------------------------------------------------------------------

    def window(self, reference: Reference) -> tuple[Nanos, Nanos]:
        """From, and before which time, events count."""
        if reference.at is not None:
            return 0, NEVER if reference.at == END else int(reference.at) + 1
        start = self.warmup if reference.from_ is None else reference.from_
        return start, NEVER if reference.to is None else reference.to

    def time_window(self, reference: Reference, averages: bool) -> tuple[Nanos, Nanos]:
        """The same for what is weighted by time: with a drain, rates and time averages end at ``duration``."""
        start, end = self.window(reference)
        ended = self.recording.ended
        if reference.at is not None:
            return 0, min(end - 1, ended)
        default = min(ended, self.plan.duration) if averages and start < self.plan.duration else ended
        return start, min(ended, default if reference.to is None else end)

    # --- what a reference is about ----------------------------------------------------------------------------------

    def function(self, reference: Reference) -> Function:
        """The series over time."""
        key = ("function", reference.object, reference.metric, reference.label)
        function: Function = self._keep(key, self._function, reference)
        return function

    def values(self, reference: Reference) -> queues.Values:
        """The values a message, of every message, in no window."""
        values: queues.Values = self._keep(("values", reference.object, reference.metric), self._values, reference)
        return values

    def marked(self, reference: Reference) -> Array | None:
        """Which messages the label names; None: all."""
        return None if reference.label is None else self.ledger.labelled(reference.label)

    def count(self, reference: Reference, name: str | None = None) -> Number:
        """The counter (or another of the same object) in the reference's window, for its label."""
        kind, item = self.item(reference)
        span, marked = self.window(reference), self.marked(reference)
        name = name or reference.metric
        if kind == "alert":
            return counters.of_alert(self.ledger, item, span)
        return _COUNTERS[kind](self.ledger, item, name, span, marked)

    def item(self, reference: Reference) -> tuple[str, Any]:
        """Of what it is about: the kind, and the plan of the producer or consumer, or the number of anything else."""
        return self.named(reference.object)

    def named(self, name: str) -> tuple[str, Any]:
        """The same by name."""
        kind = self.names.kinds[name]
        index = _index(self.plan, kind, name)
        return kind, getattr(self.plan, _SECTIONS[kind])[index] if kind in ("producer", "consumer") else index

    def _function(self, reference: Reference) -> Function:
        kind, item = self.item(reference)
        return _FUNCTIONS[kind, reference.metric](self.ledger, item, self.marked(reference))

    def _values(self, reference: Reference) -> queues.Values:
        kind, item = self.item(reference)
        return _VALUES[kind, reference.metric](self.ledger, item)

    def _keep(self, key: tuple[Any, ...], make: Callable[[Reference], Any], reference: Reference) -> Any:
        if key not in self._kept:
            made = make(reference)
            self._kept[key] = made, _size(made)
            while len(self._kept) > 1 and sum(size for _, size in self._kept.values()) > KEPT:
                self._kept.popitem(last=False)
            return made
        self._kept.move_to_end(key)
        return self._kept[key][0]


def _size(made: Any) -> int:
    return sum(getattr(getattr(made, name), "nbytes", 0) for name in made.__slots__)


# --- the metrics ------------------------------------------------------------------------------------------------------


def _level(name: str) -> Callable[..., Function]:
    return lambda ledger, queue, marked: queues.level(ledger, queue, name, marked)


def _rate(ledger: Ledger, rows: Any, marked: Array | None) -> Rate:
    times = rows.time if marked is None else rows.time[marked[rows.dense]]
    return Rate(times, ledger.plan.sample_every, ledger.ended)


def _firing(ledger: Ledger, alert: int, marked: Array | None) -> Steps:
    rows = ledger.select(Kind.FIRED, Kind.CLEARED, columns=("time", "client", "kind"))
    own = rows.client == alert
    return from_changes(rows.time[own], np.where(rows.kind[own] == Kind.FIRED, 1, -1))


def _producer_rate(ledger: Ledger, producer: Any, marked: Array | None) -> Rate:
    return _rate(ledger, counters.sends(ledger, producer), marked)


def _goodput(ledger: Ledger, producer: Any, marked: Array | None) -> Rate:
    return _rate(ledger, counters.good_answers(ledger, producer), marked)


def _throughput(ledger: Ledger, consumer: Any, marked: Array | None) -> Rate:
    return _rate(ledger, workers.completed(ledger, consumer), marked)


def _send_time(ledger: Ledger, producer: Any) -> queues.Values:
    values = workers.send_time(ledger)
    low, high = ledger.first[producer.first_index], ledger.first[producer.first_index + producer.count]
    own = (values.dense >= low) & (values.dense < high)
    return queues.Values(values.known[own], values.value[own], values.dense[own])


def _reply_time(ledger: Ledger, producer: Any) -> queues.Values:
    rows = counters.rows_of(ledger, producer, Kind.REPLIED)
    return queues.Values(rows.time, rows.time - ledger.first_sent[rows.dense], rows.dense)


_FUNCTIONS: dict[tuple[str, str], Callable[..., Function]] = {
    **{("queue", name): _level(name) for name in LEVELS},
    ("queue", "oldest_age"): queues.oldest_age,
    ("producer", "rate"): _producer_rate,
    ("producer", "goodput"): _goodput,
    ("consumer", "count"): lambda ledger, consumer, marked: workers.count(ledger, consumer),
    ("consumer", "busy"): workers.busy,
    ("consumer", "utilization"): workers.utilization,
    ("consumer", "throughput"): _throughput,
    ("consumer", "idle_while_work_waits"): lambda ledger, c, marked: workers.idle_while_work_waits(ledger, c),
    ("consumer", "time_on_poison"): lambda ledger, consumer, marked: workers.time_on_poison(ledger, consumer),
    ("dependency", "busy"): calls.busy,
    ("dependency", "waiting"): calls.waiting,
    ("dependency", "utilization"): calls.utilization,
    ("alert", "firing"): _firing,
}
_VALUES: dict[tuple[str, str], Callable[..., queues.Values]] = {
    ("queue", "wait"): queues.wait,
    ("queue", "latency"): queues.latency,
    ("queue", "origin_latency"): queues.origin_latency,
    ("queue", "recovery_time"): queues.recovery_time,
    ("queue", "second_receive"): queues.second_receive,
    ("queue", "receives"): queues.receives,
    ("producer", "send_time"): _send_time,
    ("producer", "reply_time"): _reply_time,
    ("consumer", "effects_per_message"): workers.effects_per_message,
    ("consumer", "calls_per_message"): workers.calls_per_message,
    ("consumer", "prefetch_wait"): workers.prefetch_wait,
    ("dependency", "time"): calls.times,
}
_COUNTERS: dict[str, Callable[..., Number]] = {
    "queue": counters.of_queue,
    "topic": counters.of_topic,
    "producer": counters.of_producer,
    "consumer": counters.of_consumer,
    "dependency": counters.of_dependency,
}
SHARE_OF = {"queue": "received", "topic": "published", "producer": "sent", "consumer": "effects", "dependency": "calls"}
"""To which counter of the same object a counter's share is its ratio."""


# --- statistics -------------------------------------------------------------------------------------------------------


def _series(numbers: Numbers, reference: Reference) -> Number | None:
    statistic = reference.statistic
    if statistic is None and reference.from_ is None:
        return _at(numbers, reference)
    function = numbers.function(reference)
    start, end = numbers.time_window(reference, isinstance(function, Rate) or statistic not in ("min", "max"))
    if isinstance(function, Rate) and statistic in (None, "mean"):
        return function.count(start, end) * SECOND / (end - start) if end > start else None
    return _OF_PIECES[statistic or "mean"](function.pieces(start, end))


def _at(numbers: Numbers, reference: Reference) -> Number | None:
    """The state at a time, or at the end."""
    kind, item = numbers.item(reference)
    at_end = reference.at in (None, END)
    if at_end and reference.label is None and (kind, reference.metric) in AT_END:
        return AT_END[kind, reference.metric](numbers.ledger, item)
    return numbers.function(reference).at(numbers.recording.ended if at_end else int(reference.at or 0))


_OF_PIECES: dict[str, Callable[[Any], Number | None]] = {
    "mean": mean,
    "min": least,
    "max": greatest,
    "share": share,
    **{name: partial(percentile, p=p) for name, p in PERCENTILES.items()},
}


def _counter(numbers: Numbers, reference: Reference) -> Number | None:
    count = numbers.count(reference)
    if reference.statistic != "share":
        return count
    whole = SHARE_OF.get(numbers.names.kinds[reference.object])
    total = numbers.count(reference, whole) if whole else 0
    return count / total if total else None


def _per_message(numbers: Numbers, reference: Reference) -> Number | None:
    values = values_in_window(numbers, reference)
    return _OF_VALUES[reference.statistic or "mean"](values.value) if len(values.value) else None


def values_in_window(numbers: Numbers, reference: Reference) -> queues.Values:
    """The values that became known in the reference's window, of the messages with its label."""
    values, (start, end), marked = numbers.values(reference), numbers.window(reference), numbers.marked(reference)
    keep = (values.known >= start) & (values.known < end)
    if marked is not None:
        keep &= marked[values.dense]
    return queues.Values(values.known[keep], values.value[keep], values.dense[keep])


def _quantile(values: Array, p: float) -> float:
    return float(np.quantile(values, p))


_OF_VALUES: dict[str, Callable[[Array], Number]] = {
    "mean": lambda values: float(values.mean()),
    "min": lambda values: values.min().item(),
    "max": lambda values: values.max().item(),
    "total": lambda values: values.sum().item(),
    "share": lambda values: float((values > 0).mean()),
    **{name: partial(_quantile, p=p) for name, p in PERCENTILES.items()},
}


def _once(numbers: Numbers, reference: Reference) -> Number | None:
    _, item = numbers.item(reference)
    start, end = numbers.window(reference)
    if reference.metric == "drained_at":
        visible = queues.level(numbers.ledger, item, "visible", numbers.marked(reference))
        return queues.drained_at(visible, start, min(end, numbers.recording.ended + 1))
    firing = _firing(numbers.ledger, item, None)
    times = firing.times[(firing.values > 0) & (firing.times >= start) & (firing.times < end)]
    return int(times[0]) if len(times) else None


_ANSWERS: dict[str, Callable[[Numbers, Reference], Number | None]] = {
    SERIES: _series,
    COUNTER: _counter,
    PER_MESSAGE: _per_message,
    ONCE: _once,
}


# --- many at once -----------------------------------------------------------------------------------------------------


def summary(recording: Recording | Numbers) -> dict[str, Number | None]:
    """Every counter, and the end value of every series."""
    numbers = recording if isinstance(recording, Numbers) else Numbers(recording)
    return {text: numbers.value(text) for text in summary_references(numbers.names)}


def summary_references(names: Names) -> list[str]:
    """What a summary tells, in the order of the file."""
    endings = {COUNTER: " total", SERIES: " at end"}
    return [
        f"{name}.{metric}{endings[about.type]}"
        for name, kind in names.kinds.items()
        for metric, about in METRICS[kind].items()
        if about.type in endings and not about.later and (names.has_prices or about.dimension != MONEY)
    ]


def series(recording: Recording | Numbers, reference: Reference | str, every: Nanos) -> tuple[Array, Array]:
    """(seconds, values) on a grid: a series after everything at each time, a counter so far, and of values a
    message the statistic of those that became known since the last time (nan: none)."""
    numbers = recording if isinstance(recording, Numbers) else Numbers(recording)
    reference = numbers.checked(reference)
    start, end = reference.from_ or 0, min(NEVER if reference.to is None else reference.to, numbers.recording.ended)
    times = np.arange(-(-start // every) * every, end + 1, every, dtype=np.int64)
    values = _ON_GRID[metric_of(reference, numbers.names).type](numbers, reference, times)
    scale = SECOND if dimension(reference) == TIME else 1
    return times / SECOND, values / scale


def _function_on_grid(numbers: Numbers, reference: Reference, times: Array) -> Array:
    return np.asarray(numbers.function(reference).over(times), float)


def _counter_on_grid(numbers: Numbers, reference: Reference, times: Array) -> Array:
    def so_far(time: Nanos) -> float:
        at = Reference(reference.object, reference.metric, reference.label, reference.statistic, at=int(time))
        value = _counter(numbers, at)
        return np.nan if value is None else float(value)

    return np.array([so_far(time) for time in times])


def _values_on_grid(numbers: Numbers, reference: Reference, times: Array) -> Array:
    values = values_in_window(numbers, Reference(reference.object, reference.metric, reference.label, at=END))
    order = np.argsort(values.known, kind="stable")
    edges: Array = np.searchsorted(values.known[order], times, side="right")
    value, statistic = values.value[order], _OF_VALUES[reference.statistic or "mean"]
    lows = np.concatenate([[0], edges[:-1]])
    return np.array([statistic(value[a:b]) if b > a else np.nan for a, b in zip(lows, edges, strict=True)], float)


def _once_on_grid(numbers: Numbers, reference: Reference, times: Array) -> Array:
    moment = _once(numbers, reference)
    return np.full(len(times), np.nan if moment is None else moment)


_ON_GRID: dict[str, Callable[[Numbers, Reference, Array], Array]] = {
    SERIES: _function_on_grid,
    COUNTER: _counter_on_grid,
    PER_MESSAGE: _values_on_grid,
    ONCE: _once_on_grid,
}
