"""From the model to the Plan: every default filled in, every name an index, every profile's choice made.

It knows a scenario that is right; what could be wrong with it has been said by ``shape`` and ``meaning``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from enum import IntEnum
from fractions import Fraction
from functools import partial
from itertools import accumulate
from pathlib import Path as FilePath
from typing import Any, TypeVar

from qsim.brokers import AZURE_SERVICE_BUS, PROFILES, VERSIONS
from qsim.brokers.activemq import REDELIVERY
from qsim.brokers.servicebus import DETECTION_WINDOW, dead_letter_queue_of
from qsim.brokers.sqs import HIGH_THROUGHPUT
from qsim.kernel.deadlines import FOREVER
from qsim.kernel.filters import Rule, Sql
from qsim.kernel.profile import (
    Capacity,
    DeadLetter,
    Dispatch,
    Grouping,
    OnCrash,
    Order,
    Overflow,
    Profile,
    ReturnsTo,
    Stale,
    Throttle,
)
from qsim.kernel.redelivery import AckMode, Redelivery
from qsim.kernel.routing import Subscription
from qsim.scenario import autoscalers, files, model, plan, recorded, reference
from qsim.units import MILLISECOND, MINUTE, SECOND, Nanos, UnitError, duration, number, rate, share

DRAIN_AT_MOST = 10
"""``drain: true`` gives up after this many durations."""


Word = TypeVar("Word", bound=IntEnum)


def word(enum: type[Word], text: str) -> Word:
    """``when_full: drop-oldest`` to its number."""
    return enum[text.upper().replace("-", "_")]


# --- times, shares ---------------------------------------------------------------------------------------------------


def time(value: int | model.TimeMap, folder: FilePath) -> plan.Time:
    if not isinstance(value, model.TimeMap):
        return plan.Constant(value)
    kind, part = next((name, part) for name, part in value if part is not None)
    result: plan.Time = _TIMES[kind](part, folder)
    return result


def _mix(parts: list[model.Part], folder: FilePath) -> plan.Time:
    return plan.Mix(thresholds([part.share for part in parts]), tuple(time(part.time, folder) for part in parts))


def _empirical(part: model.Empirical, folder: FilePath) -> plan.Time:
    return plan.Empirical(files.column(folder, files.Column(part.file, part.column, part.unit)))


_TIMES: dict[str, Any] = {
    "exponential": lambda t, _: plan.Exponential(t.mean),
    "uniform": lambda t, _: plan.Uniform(t.min, t.max),
    "lognormal": lambda t, _: plan.Lognormal(t.median, t.p95),
    "erlang": lambda t, _: plan.Erlang(t.mean, t.k),
    "pareto": lambda t, _: plan.Pareto(t.min, float(t.alpha)),
    "empirical": _empirical,
    "mix": _mix,
}


def thresholds(shares: Iterable[Fraction]) -> tuple[float, ...]:
    """Cumulative, summed exactly; the last is 1.0."""
    sums = [float(total) for total in accumulate(shares)]
    return (*sums[:-1], 1.0) if sums else ()


def shares(of: Mapping[str, Fraction]) -> plan.Shares:
    return plan.Shares(tuple(of), thresholds(of.values()))


def _optional(value: Any, into: Callable[[Any], Any]) -> Any:
    return None if value is None else into(value)


# --- values of metrics -----------------------------------------------------------------------------------------------


def is_reference(value: Any) -> bool:
    """Whether a value is another metric: a name, a dot, a letter."""
    if not isinstance(value, str):
        return False
    head, dot, tail = value.strip().partition(".")
    return bool(dot and head[:1].isalpha() and tail[:1].isalpha() and "/" not in head)


def quantity(value: Any, dimension: str) -> int | float:
    """A value in the units in which metrics are compared: ns, messages a second, shares, plain numbers."""
    result: int | float = _QUANTITIES[dimension](value)
    return result


def _number(value: Any) -> int | float:
    exact = _plain_number(value)
    return int(exact) if exact.denominator == 1 else float(exact)


def _plain_number(value: Any) -> Fraction:
    if isinstance(value, str) and value.strip().rstrip("%") != value.strip():
        raise UnitError(f"{value!r} is a share; this metric is a number")
    return number(value)


_QUANTITIES: dict[str, Any] = {
    reference.TIME: duration,
    reference.RATE: lambda value: float(rate(value)),
    reference.SHARE: lambda value: float(share(value)),
    reference.COUNT: _number,
    reference.MONEY: _number,
}


def value_of(value: Any, dimension: str) -> Any:
    return reference.parse(value) if is_reference(value) else quantity(value, dimension)


# --- queues ----------------------------------------------------------------------------------------------------------


def profile_of(queue: model.Queue) -> Profile:
    """The profile with the queue's own settings; one that is not built yet stands in as ideal."""
    base = base_of(queue)
    changes = {name: value for name, value in _settings(queue, base).items() if value is not None}
    if "visibility_timeout" in queue.model_fields_set:
        changes["visibility_timeout"] = queue.visibility_timeout
    if queue.durability is not None:
        changes |= _durability(queue.durability)
    return replace(base, **changes)


def _durability(given: str | model.Fsync) -> dict[str, Any]:
    every = given.fsync_every if isinstance(given, model.Fsync) else None
    return {"is_durable": given != "transient", "fsync_every": every}


def base_of(queue: model.Queue) -> Profile:
    """The profile before the queue's own settings, of the version that the queue asks for."""
    version = queue.broker.version if queue.broker else None
    return VERSIONS.get(queue.profile, {}).get(version or "", PROFILES.get(queue.profile, PROFILES["ideal"]))


def _settings(queue: model.Queue, base: Profile) -> dict[str, Any]:
    order = queue.order or ("priority" if _has_priorities(queue, base) else None)
    return {
        "order": _optional(order, partial(word, Order)),
        "levels": max(1, len(queue.priorities or ())),
        "dlq": _optional(queue.dlq, lambda dlq: DeadLetter(dlq.queue, dlq.max_receives)),
        "delay": queue.delay,
        "retention": queue.retention,
        "capacity": _optional(queue.capacity, partial(_capacity, base=base)),
        "max_in_flight": queue.max_in_flight,
        "stale_ack": _optional(queue.stale_ack, _stale),
        **_fifo(queue.fifo or model.Fifo(), base, is_high_throughput(queue)),
        **_sqs(queue.broker or model.BrokerKeys()),
        **_redis(queue.broker or model.BrokerKeys()),
        **_activemq(queue.broker or model.BrokerKeys()),
        **_service_bus(queue.broker or model.BrokerKeys()),
        **_rabbitmq(queue, base),
    }


def _has_priorities(queue: model.Queue, base: Profile) -> bool:
    """Where a broker has levels of its own, they count only if they are enabled (AMQ-23); some have none (RMQ-31)."""
    if not base.has_priorities:
        return False
    return bool(queue.priorities) if base.levels == 1 else bool(queue.broker and queue.broker.prioritized)


def _capacity(limit: model.Limit, base: Profile) -> Capacity:
    """What a broker drops by itself it dead-letters where it can (RMQ-28)."""
    when_full = word(Overflow, limit.when_full)
    if when_full is Overflow.DROP_OLDEST and base.limit.when_full is Overflow.DEAD_LETTER:
        when_full = Overflow.DEAD_LETTER
    return replace(base.limit, messages=limit.messages, bytes=limit.bytes, when_full=when_full)


def _stale(words: str | list[str]) -> tuple[Stale, Stale]:
    first, last = (words, words) if isinstance(words, str) else (words[0], words[-1])
    return word(Stale, first), word(Stale, last)


def _fifo(fifo: model.Fifo, base: Profile, is_per_group: bool) -> dict[str, Any]:
    throttle = HIGH_THROUGHPUT if is_per_group else base.throttle or Throttle()
    send, receive = (None if limit is None else int(limit) for limit in (fifo.send_limit, fifo.receive_limit))
    if send is not None or receive is not None:
        throttle = replace(
            throttle,
            send=throttle.send if send is None else send,
            receive=throttle.receive if receive is None else receive,
            delete=throttle.delete if receive is None else receive,
        )
    return {"dedup_window": fifo.dedup_window, "throttle": throttle if throttle != Throttle() else None}


def is_high_throughput(queue: model.Queue) -> bool:
    """SQS-7: the limits are those of a message group."""
    return queue.broker is not None and queue.broker.throughput_limit == "per-message-group"


def _sqs(keys: model.BrokerKeys) -> dict[str, Any]:
    return {
        "dedup_per_group": _optional(keys.dedup_scope, lambda scope: scope == "message-group"),
        "content_dedup": keys.content_dedup,
    }


def _redis(keys: model.BrokerKeys) -> dict[str, Any]:
    return {
        "on_crash": OnCrash.KEEPS if keys.reliable else None,
        "returns_to": _optional(keys.reaper and keys.reaper.to, partial(word, ReturnsTo)),
        "maxlen": keys.maxlen,
    }


def _rabbitmq(queue: model.Queue, base: Profile) -> dict[str, Any]:
    """``max_receives`` of a quorum queue is its delivery limit + 1, as the profile's own (RMQ-17)."""
    keys = queue.broker or model.BrokerKeys()
    # RMQ-11: without a timeout of its own version, the timeout is that of 4.2.
    closes = base.lease_closes_channel or base.visibility_timeout is None
    given: dict[str, Any] = {
        "single_active": keys.single_active,
        "visibility_timeout": keys.consumer_timeout,
        "lease_closes_channel": closes if keys.consumer_timeout is not None else None,
    }
    if keys.ttl is not None:
        given["retention"] = keys.ttl
    if keys.dead_letter_to is not None:
        given["dlq"] = DeadLetter(keys.dead_letter_to, None)
    return given


def _activemq(keys: model.BrokerKeys) -> dict[str, Any]:
    return {
        "dispatch": Dispatch.FILL if keys.strict_dispatch else None,
        "expire_sweep": _optional(keys.expire_sweep, lambda every: every or FOREVER),
        "ttl_dead_letters": keys.process_expired,
        "is_persistent": keys.persistent,
        "is_durable": keys.persistent,
    }


def _service_bus(keys: model.BrokerKeys) -> dict[str, Any]:
    changes = {
        "grouping": Grouping.SESSIONS if keys.sessions else None,
        "needs_group": keys.sessions,
        "ttl_dead_letters": keys.dead_letter_on_expiry,
        "forward_to": keys.auto_forward,
        "dedup_window": _optional(keys.duplicate_detection, _detection),
    }
    return {field: value for field, value in changes.items() if value is not None}


def _detection(given: bool | Nanos) -> Nanos:
    """0: no duplicates are looked for (ASB-2)."""
    return given if not isinstance(given, bool) else DETECTION_WINDOW if given else 0


def subqueues(scenario: model.Scenario) -> set[str]:
    """The queues that are another queue's own dead-letter queue, where brokers have such (ASB-17)."""
    bus = AZURE_SERVICE_BUS.name
    return {queue.dlq.queue for queue in scenario.queues.values() if queue.dlq and queue.profile == bus}


def profiles_of(scenario: model.Scenario) -> dict[str, Profile]:
    """Of every queue, by name."""
    behind = subqueues(scenario)
    made = {name: profile_of(queue) for name, queue in scenario.queues.items()}
    return {name: dead_letter_queue_of(each) if name in behind else each for name, each in made.items()}


def _reaper(given: model.Reaper) -> plan.Reaper:
    older_than = OLD if given.older_than is None else given.older_than
    return plan.Reaper(older_than if given.every is None else given.every, older_than)


OLD = MINUTE
"""Ours: when a reaper takes what is in a processing list for lost."""


def _latency(given: model.Latency | None, folder: FilePath) -> plan.Latency:
    return plan.Latency(**{call: _optional(value, partial(time, folder=folder)) for call, value in given or ()})


def _queue(name: str, queue: model.Queue, profile: Profile, folder: FilePath) -> plan.QueuePlan:
    given = queue.imperfections or model.Imperfections()
    imperfections = plan.Imperfections(**{kind: float(share) for kind, share in given})
    reaper = _optional(queue.broker and queue.broker.reaper, _reaper)
    return plan.QueuePlan(name, profile, tuple(queue.priorities or ()), imperfections, reaper, _latency(queue.latency, folder))


def groups_of(scenario: model.Scenario) -> dict[str, dict[str | None, str]]:
    """Of each stream, by group, the name under which the group is found: the stream's own is the first group's."""
    found: dict[str, dict[str | None, str]] = {}
    readers = [(queue, client(consumer).group) for consumer in (scenario.consumers or {}).values() for queue in sources(consumer)]
    for queue, group in sorted(readers, key=lambda reader: reader[1] is not None):
        if queue in scenario.queues and profile_of(scenario.queues[queue]).is_log:
            names = found.setdefault(queue, {})
            names.setdefault(group, f"{queue}-{group}" if names else queue)
    return found


def client(consumer: model.Consumer) -> model.ClientKeys:
    return consumer.client or model.ClientKeys()


# --- producers -------------------------------------------------------------------------------------------------------


def retry(policy: model.Retry) -> plan.Retry:
    return plan.Retry(
        policy.attempts,
        word(plan.Backoff, policy.backoff),
        policy.first,
        float(policy.factor),
        policy.max,
        word(plan.Jitter, policy.jitter),
        _optional(policy.budget, float),
    )


def stages(start: Fraction, given: Sequence[model.Stage]) -> tuple[plan.Stage, ...]:
    """Each from where the one before ended."""
    result = []
    for stage in given:
        length, end = _LENGTHS[_stage_kind(stage)](stage, start)
        result.append(plan.Stage(length, start, end))
        start = end
    return tuple(result)


def _stage_kind(stage: model.Stage) -> str:
    return next((kind for kind in ("hold", "ramp", "jump") if getattr(stage, kind) is not None), "hold")


_LENGTHS: dict[str, Any] = {
    "hold": lambda stage, start: (stage.hold or 0, start),
    "ramp": lambda stage, start: (stage.ramp, stage.to if stage.to is not None else start),
    "jump": lambda stage, start: (0, stage.jump),
}


def queues_behind(scenario: model.Scenario, to: str) -> list[str]:
    """The queue of this name, or those that the topic of this name makes copies for."""
    if to in scenario.queues:
        return [to]
    topic = (scenario.topics or {}).get(to)
    names = dict.fromkeys(subscription.queue for subscription in topic.subscriptions) if topic else {}
    return [name for name in names if name in scenario.queues]


def priorities_at(scenario: model.Scenario, to: str) -> list[str]:
    """The names of levels there; a topic has those of all its queues."""
    queues = (scenario.queues[name] for name in queues_behind(scenario, to))
    return list(dict.fromkeys(name for queue in queues for name in queue.priorities or ()))


def levels(priority: str | dict[str, Fraction] | None, priorities: Sequence[str]) -> tuple[float, ...] | None:
    """Cumulative shares of the queue's priorities, in their order; a message that says nothing has the last."""
    if not priorities:
        return None
    said = priorities[-1] if priority is None else priority
    given = {said: Fraction(1)} if isinstance(said, str) else said
    return thresholds([given.get(name, Fraction(0)) for name in priorities])


def dedup_keys(message: model.Message, has_ids: bool) -> int | None:
    """None: no deduplication id; 0: the message's identity."""
    if isinstance(message.dedup, model.DedupKeys):
        return message.dedup.keys
    return 0 if message.dedup == "identity" or has_ids else None


def has_ids(profile: Profile, exactly_once: bool) -> bool:
    """Whether every message sent here has a deduplication id, asked for or not: where the broker has one of its own
    (ASB-2: MessageId), makes one of the content, or needs one with the group."""
    own = profile.numbers_messages and profile.dedup_window != 0
    return bool(exactly_once or own or profile.needs_group or profile.content_dedup)


def _poison(poison: Fraction | model.PoisonBurst) -> plan.Poison:
    if isinstance(poison, model.PoisonBurst):
        return plan.Poison(first=poison.first, from_=poison.from_, every=poison.every)
    return plan.Poison(share=float(poison))


def slow_down(given: model.SlowDown) -> plan.Watching | plan.TokenBucket:
    if given.token_bucket is not None:
        return plan.TokenBucket(given.token_bucket.rate, given.token_bucket.burst)
    watch = reference.parse(given.watch or "")
    above, below = (quantity(value, reference.dimension(watch)) for value in (given.above, given.resume_below))
    return plan.Watching(watch, above, below, given.to or Fraction(0), CHECK_EVERY if given.check_every is None else given.check_every)


CHECK_EVERY = SECOND
"""Ours: how often a producer looks at what it watches."""


class Resolver:
    """One scenario on its way to a Plan."""

    def __init__(self, scenario: model.Scenario, folder: FilePath) -> None:
        self.scenario = scenario
        self.folder = folder
        self.queue_index = {name: index for index, name in enumerate(scenario.queues)}
        self.consumer_index = {name: index for index, name in enumerate(scenario.consumers or {})}
        self.dependency_index = {name: index for index, name in enumerate(scenario.dependencies or {})}
        self.producer_index = {name: index for index, name in enumerate(scenario.producers)}
        self.profiles = profiles_of(scenario)
        for queue in self._taken_from_the_tail():
            self.profiles[queue] = replace(self.profiles[queue], order=Order.LIFO)
        self.groups = groups_of(scenario)
        self.further_groups = {
            name: queue for queue, names in self.groups.items() for name in names.values() if name != queue
        }
        for name in self.further_groups:
            self.queue_index[name] = len(self.queue_index)
        queues = len(self.queue_index)
        self.target_index = self.queue_index | {name: queues + n for n, name in enumerate(scenario.topics or {})}
        """Of queues and topics: what can be sent to."""

    def _taken_from_the_tail(self) -> set[str]:
        """Lists that are stacks: pushed and popped at one side (RED-1)."""
        readers = (self.scenario.consumers or {}).values()
        return {queue for c in readers if client(c).side == "tail" for queue in sources(c) if queue in self.profiles}

    def time(self, value: int | model.TimeMap) -> plan.Time:
        return time(value, self.folder)

    def queues(self) -> tuple[plan.QueuePlan, ...]:
        given = self.scenario.queues
        own = [_queue(name, queue, self.profiles[name], self.folder) for name, queue in given.items()]
        return (*own, *(self._further_group(name, source) for name, source in self.further_groups.items()))

    def _further_group(self, name: str, source: str) -> plan.QueuePlan:
        """It reads another's log; nobody sends to it, and its readers get everything, so there is no room to run out of."""
        profile = replace(self.profiles[source], reads=source, maxlen=None, capacity=None)
        return _queue(name, self.scenario.queues[source], profile, self.folder)

    # --- topics

    def topics(self) -> tuple[plan.TopicPlan, ...]:
        return tuple(self.topic(name, n, topic) for n, (name, topic) in enumerate((self.scenario.topics or {}).items()))

    def topic(self, name: str, index: int, topic: model.Topic) -> plan.TopicPlan:
        return plan.TopicPlan(name, index, tuple(self.subscription(topic.type, each) for each in topic.subscriptions))

    def subscription(self, kind: str, given: model.Subscription) -> plan.SubscriptionPlan:
        ids = has_ids(self.profiles[given.queue], given.queue in exactly_once(self.scenario))
        return plan.SubscriptionPlan(self.queue_index[given.queue], rule(kind, given), given.delay, has_ids=ids)

    # --- dependencies

    def dependencies(self) -> tuple[plan.DependencyPlan, ...]:
        return tuple(
            plan.DependencyPlan(name, index, each.capacity, self.time(each.service), each.queue_limit, each.timeout)
            for index, (name, each) in enumerate((self.scenario.dependencies or {}).items())
        )

    def emit(self, given: model.Emit) -> plan.Emit:
        queue = self.scenario.queues.get(given.to)
        ids = queue is not None and has_ids(profile_of(queue), given.to in exactly_once(self.scenario))
        return plan.Emit(self.target_index[given.to], given.when == "failure", has_ids=ids)

    # --- producers

    def producers(self) -> tuple[plan.ProducerPlan, ...]:
        counts = [producer.count for producer in self.scenario.producers.values()]
        firsts = [0, *accumulate(counts)]
        return tuple(
            self.producer(name, producer, first)
            for first, (name, producer) in zip(firsts, self.scenario.producers.items(), strict=False)
        )

    def producer(self, name: str, producer: model.Producer, first_index: int) -> plan.ProducerPlan:
        start = producer.rate if producer.rate is not None else Fraction(0)
        batch = producer.batch or model.Batch(size=1)
        retries = isinstance(producer.on_reject, model.Retry)
        gaps = producer.arrivals if isinstance(producer.arrivals, model.TimeMap) else None
        return plan.ProducerPlan(
            name=name,
            first_index=first_index,
            count=producer.count,
            to=self.target_index.get(producer.to, 0),
            regular=producer.arrivals == "regular",
            gaps=_optional(gaps, self.time),
            rate=start,
            stages=stages(start, producer.stages or ()),
            limit=producer.limit,
            start=producer.start,
            stop=self.scenario.run.duration if producer.stop is None else producer.stop,
            message=self.message(producer.message or model.Message(), producer.to),
            batch_size=batch.size,
            batch_wait=batch.max_wait,
            on_reject=plan.OnReject.RETRY if retries else word(plan.OnReject, str(producer.on_reject)),
            retry=retry(producer.on_reject) if isinstance(producer.on_reject, model.Retry) else None,
            timeout=producer.timeout,
            recorded=_optional(producer.trace, partial(self.recorded, producer)),
            bursts=_optional(producer.bursts, lambda each: plan.Bursts(self.time(each.on), self.time(each.off))),
            clients=_optional(producer.clients, lambda each: plan.Clients(each.count, self.time(each.think))),
            slow_down=_optional(producer.slow_down, slow_down),
            request_reply=_optional(producer.request_reply, self.request_reply),
        )

    def recorded(self, producer: model.Producer, trace: model.Recorded) -> plan.Recorded:
        """As much of it as this producer sends."""
        wanted = files.Column(trace.file, trace.column, trace.unit)
        everything = recorded.read(self.folder, wanted, priorities_at(self.scenario, producer.to))
        stop = self.scenario.run.duration if producer.stop is None else producer.stop
        return recorded.part(everything, producer.start, stop, producer.limit)

    def request_reply(self, given: model.RequestReply) -> plan.RequestReply:
        return plan.RequestReply(self.queue_index.get(given.reply_to, 0), given.timeout, given.on_timeout == "retry")

    def message(self, message: model.Message, to: str) -> plan.MessagePlan:
        queue = self.scenario.queues.get(to)
        return plan.MessagePlan(
            size=message.size,
            levels=levels(message.priority, priorities_at(self.scenario, to)),
            delay=_optional(message.delay, self.time),
            ttl=message.ttl,
            eta=_optional(message.eta, self.time),
            groups=_optional(message.group, lambda group: plan.Groups(group.keys, float(group.skew))),
            poison=_optional(message.poison, _poison),
            dedup_keys=dedup_keys(message, queue is not None and has_ids(profile_of(queue), to in exactly_once(self.scenario))),
            attributes=tuple((key, shares(values)) for key, values in (message.attributes or {}).items()),
            key=message.key or "",
        )

    # --- consumers

    def consumers(self) -> tuple[plan.ConsumerPlan, ...]:
        return tuple(self.consumer(name, consumer) for name, consumer in (self.scenario.consumers or {}).items())

    def consumer(self, name: str, consumer: model.Consumer) -> plan.ConsumerPlan:
        queues = [queue for queue in sources(consumer) if queue in self.profiles]
        profile = self.profiles[queues[0]] if queues else PROFILES["ideal"]
        check, remember = idempotence(consumer)
        push = pushed(consumer, profile)
        asks = poll(consumer.poll or model.Poll(), profile, len(queues)) if push is None else None
        scaler = _optional(consumer.autoscale, lambda given: self.autoscale(given, [self._group(q, consumer) for q in queues]))
        count = consumer.count if scaler is None else min(max(consumer.count, scaler.min), scaler.max)
        return plan.ConsumerPlan(
            name=name,
            index=self.consumer_index[name],
            sources=tuple(self.queue_index[self._group(queue, consumer)] for queue in queues),
            count=count,
            most=count,
            concurrency=consumer.concurrency,
            service=self.time(consumer.service),
            poll=asks,
            prefetch=push,
            ack=word(plan.Ack, ack(consumer)),
            heartbeat=beats(consumer, profile, asks),
            check=check,
            remember=remember,
            failures=self.failures(consumer.failures or model.Failures()),
            retry=_optional(consumer.retry, retry),
            buffers=buffers(asks) or any(_takes_time(self.scenario.queues[queue], "receive") for queue in queues),
            ack_batch=_optional(client(consumer).ack_batch, lambda b: (b.size, b.wait)),
            wishes=() if push is None or profile.client_redelivers else wishes(client(consumer)),
            recovery=recovery(consumer, profile),
            jms=jms(client(consumer), profile) if profile.client_redelivers else None,
            uses=tuple(self.dependency_index[name] for name in uses(consumer) if name in self.dependency_index),
            emits=tuple(self.emit(each) for each in consumer.emits or () if each.to in self.target_index),
            autoscale=scaler,
        )

    def autoscale(self, given: model.Autoscale, queues: Sequence[str]) -> plan.Autoscale:
        value = partial(autoscalers.value, given)
        metric = autoscalers.references(value("metric"), queues)
        dimension = reference.dimension(metric[0])
        steps = sorted((float(quantity(step.above, dimension)), step.add) for step in given.steps or ())
        return plan.Autoscale(
            policy=word(plan.Policy, given.policy),
            metric=metric,
            target=float(quantity(value("target"), dimension)) if given.policy != "steps" else 0.0,
            min=value("min"),
            max=value("max"),
            every=value("every"),
            metric_lag=given.metric_lag,
            startup=self.time(given.startup),
            tolerance=float(value("tolerance") or 0),
            scale_down_after=value("scale_down_after"),
            graceful=given.graceful,
            steps=tuple(steps),
        )

    def _group(self, queue: str, consumer: model.Consumer) -> str:
        return self.groups[queue][client(consumer).group] if queue in self.groups else queue

    def failures(self, failures: model.Failures) -> plan.Failures:
        return plan.Failures(
            float(failures.error),
            float(failures.crash),
            word(plan.CrashAt, failures.crash_at),
            self.time(failures.restart_after),
            word(plan.OnError, failures.on_error),
        )

    # --- control

    def alerts(self) -> tuple[plan.AlertPlan, ...]:
        """All but ``do``: ``control`` has it."""
        return tuple(_alert(name, alert) for name, alert in (self.scenario.alerts or {}).items())

    def actions(self, event: model.Event) -> tuple[plan.Action, ...]:
        """All but ``set``, which needs the scenario as it is then: ``load`` has it."""
        kinds = [kind for kind in _ACTIONS if getattr(event, kind) is not None]
        return tuple(_ACTIONS[kind](self, getattr(event, kind)) for kind in kinds)


def cost(given: model.Cost | None) -> plan.Cost | None:
    """What has no price costs nothing."""
    return None if given is None else plan.Cost(**{kind: price for kind, price in given if price is not None})


def drain(run: model.Run) -> Nanos:
    """How long after ``duration`` the run may go on."""
    if isinstance(run.drain, bool):
        return DRAIN_AT_MOST * run.duration if run.drain else 0
    return run.drain


def _takes_time(queue: model.Queue, call: str) -> bool:
    return queue.latency is not None and getattr(queue.latency, call) is not None


def rule(kind: str, given: model.Subscription) -> Subscription:
    """Which messages a subscription wants, at a topic of this type."""
    only = tuple((name, tuple(values)) for name, values in (given.only or {}).items())
    rules = (Rule(Sql(given.filter)),) if given.filter is not None else ()
    return Subscription(given.queue, only, given.key or "", kind, rules=rules)


def exactly_once(scenario: model.Scenario) -> set[str]:
    """The queues whose consumers promise it: sends to them carry a deduplication id."""
    promised = [c for c in (scenario.consumers or {}).values() if c.guarantee == "exactly-once"]
    return {source for consumer in promised for source in sources(consumer)}


def sources(consumer: model.Consumer) -> list[str]:
    return [consumer.from_] if isinstance(consumer.from_, str) else list(consumer.from_)


def uses(consumer: model.Consumer) -> list[str]:
    """The dependencies that it calls, in order."""
    return [consumer.uses] if isinstance(consumer.uses, str) else list(consumer.uses or ())


GUARANTEES = {"at-most-once": "on-receive", "at-least-once": "after-success", "exactly-once": "after-success"}


def pushed(consumer: model.Consumer, profile: Profile) -> int | None:
    """The prefetch of who is pushed to: who says so, and whose broker does nothing else.  None: it polls."""
    if consumer.push is None and (consumer.poll is not None or (profile.pull and not profile.pushes)):
        return None
    prefetch = (consumer.push or model.Push()).prefetch
    return profile.prefetch if prefetch is None else prefetch


def wishes(keys: model.ClientKeys) -> tuple[int, bool] | tuple[()]:
    """What a subscription states beside its prefetch (RMQ-7, RMQ-8)."""
    stated = keys.priority or 0, bool(keys.exclusive)
    return stated if any(stated) else ()


def jms(keys: model.ClientKeys, profile: Profile) -> plan.JmsClient:
    """What a session does; a dead-letter queue's ``max_receives`` counts the first delivery too (AMQ-16)."""
    mode = word(AckMode, keys.ack_mode or "auto")
    return plan.JmsClient(mode, redelivery(keys.redelivery, profile), keys.priority or 0, bool(keys.exclusive))


def redelivery(given: model.Redelivery | None, profile: Profile) -> Redelivery:
    given = given or model.Redelivery()
    most = profile.dlq.max_receives if profile.dlq is not None else None
    changes = {
        "most": _optional(most, lambda receives: receives - 1),
        "initial_delay": given.initial_delay,
        "delay": given.delay,
        "is_exponential": given.exponential,
        "multiplier": _optional(given.multiplier, float),
        "max_delay": given.max_delay,
        "is_blocking": _optional(given.non_blocking, lambda flag: not flag),
    }
    return replace(REDELIVERY, **{field: value for field, value in changes.items() if value is not None})


def recovery(consumer: model.Consumer, profile: Profile) -> plan.Recovery | None:
    """Of consumers that have something pending: after ``min_idle``, and as often, unless they say otherwise."""
    keys = client(consumer)
    if profile.min_idle is None or keys.noack:
        return None
    min_idle = profile.min_idle if keys.min_idle is None else keys.min_idle
    return plan.Recovery(min_idle, max(min_idle, MILLISECOND) if keys.claim_every is None else keys.claim_every)


def ack(consumer: model.Consumer) -> str:
    if client(consumer).noack or client(consumer).mode == "receive-and-delete":
        return GUARANTEES["at-most-once"]  # RED-7: NOACK; ASB-5: settled as it is handed out
    return consumer.ack or GUARANTEES[consumer.guarantee or "at-least-once"]


def idempotence(consumer: model.Consumer) -> tuple[plan.Check, Nanos | None]:
    given = consumer.idempotent
    if isinstance(given, model.Remember):
        return word(plan.Check, given.check), given.remember
    is_idempotent = given or (given is None and consumer.guarantee == "exactly-once")
    return (plan.Check.ATOMIC if is_idempotent else plan.Check.NONE), None


def poll(given: model.Poll, profile: Profile, queues: int) -> plan.Poll:
    # No SQS call spans queues: with several, each is asked again after `every`.
    spans = queues < 2 or profile.max_wait is None
    every = given.every if given.every is not None or spans else SECOND
    wait = profile.default_wait if given.wait is None else given.wait
    return plan.Poll(
        batch=given.batch or profile.poll_batch,
        wait=wait if spans else 0,
        every=every,
        visibility_timeout=given.visibility_timeout,
    )


def beats(consumer: model.Consumer, profile: Profile, asks: plan.Poll | None) -> plan.Heartbeat | None:
    """Its heartbeat; or what the client's library does of its own accord, at half of the lock's time."""
    renews, lock = client(consumer).auto_renew, profile.visibility_timeout
    if consumer.heartbeat is not None:
        return heartbeat(consumer.heartbeat, profile, asks)
    return plan.Heartbeat(max(1, lock // 2), lock, renews) if renews and lock else None


def heartbeat(given: model.Heartbeat, profile: Profile, asks: plan.Poll | None) -> plan.Heartbeat | None:
    """A lease without end needs no heartbeat, unless one is stated that ends, or others claim what is idle (RED-12)."""
    if profile.min_idle is not None:
        return plan.Heartbeat(given.every, FOREVER, given.give_up_after)
    own = asks.visibility_timeout if asks else None
    lease = profile.visibility_timeout if own is None else own
    extend_to = lease if given.extend_to is None else given.extend_to
    give_up = profile.max_visibility if given.give_up_after is None else given.give_up_after
    return None if extend_to is None else plan.Heartbeat(given.every, extend_to, give_up)


def buffers(poll: plan.Poll | None) -> bool:
    """Whether a delivery may wait at the consumer before its work begins.  Pushed ones may, whatever the prefetch: a
    lease that ends, or an ack on receive, makes room for the next while the work goes on."""
    return poll is None or poll.batch > 1


def _alert(name: str, alert: model.Alert) -> plan.AlertPlan:
    when = reference.parse(alert.when)
    value = alert.below if alert.above is None else alert.above
    limit = quantity(value, reference.dimension(when))
    return plan.AlertPlan(name, when, alert.above is not None, limit, alert.for_, alert.window, alert.severity)


def _pause(resolver: Resolver, name: str) -> plan.Pause:
    return plan.Pause(resolver.producer_index.get(name), resolver.consumer_index.get(name))


def _slow(resolver: Resolver, slow: model.Slow) -> plan.Slow:
    dependency, consumer = resolver.dependency_index, resolver.consumer_index
    return plan.Slow(dependency.get(slow.dependency or ""), consumer.get(slow.consumer or ""), slow.by)


def _redrive(resolver: Resolver, redrive: model.RedriveEvent) -> plan.Redrive:
    index = resolver.queue_index
    return plan.Redrive(index[redrive.from_], index[redrive.to], redrive.rate, redrive.limit)


_ACTIONS: dict[str, Any] = {
    "crash": lambda r, crash: plan.Crash(r.consumer_index[crash.consumer], crash.count),
    "pause": _pause,
    "slow": _slow,
    "restart": lambda r, queue: plan.Restart(r.queue_index[queue]),
    "redrive": _redrive,
    "purge": lambda r, queue: plan.Purge(r.queue_index[queue]),
    "fix_poison": lambda r, queue: plan.FixPoison(None if queue is True else r.queue_index[queue]),
}


# --- expectations ----------------------------------------------------------------------------------------------------

CLAIMS = ("no_message_lost", "at_most_once", "at_least_once", "in_order", "little_law", "stable")
PREDICATES = ("is_", "above", "below", "at_least", "at_most", "between", "grows_at", "of")
"""``within`` goes with ``of`` or with ``grows_at``."""


def precision(given: int | model.Precision) -> plan.Precision | None:
    if isinstance(given, int):
        return None
    metric = reference.parse(given.metric)
    return plan.Precision(metric, float(given.within), float(given.confidence), given.min, given.max)


def expectation(expect: model.Expect) -> plan.Expectation:
    that = _optional(expect.that, reference.parse)
    predicate = next((name for name in (*CLAIMS, *PREDICATES) if getattr(expect, name) is not None), "is")
    value = _claim(getattr(expect, predicate)) if that is None else _predicate(expect, predicate, that)
    name = {"is_": "is", "of": "within"}.get(predicate, predicate)
    text = expect.that or name
    return plan.Expectation(that, text, name, value, expect.otherwise, tuple(expect.fails_in or ()))


def _predicate(expect: model.Expect, predicate: str, that: reference.Reference) -> Any:
    """between: (least, most); within: (share, of); grows_at: (a second, share or None)."""
    dimension, given = reference.dimension(that), getattr(expect, predicate)
    within = _optional(expect.within, float)
    if predicate == "between":
        return tuple(value_of(value, dimension) for value in given)
    if predicate == "grows_at":
        return float(given), within
    value = value_of(given, dimension)
    return (within, value) if predicate == "of" else value


def _claim(given: Any) -> Any:
    """A queue's name, or the claim's arguments by name."""
    if isinstance(given, model.Shape):
        return {key: float(value) if isinstance(value, Fraction) else value for key, value in given}
    return given
