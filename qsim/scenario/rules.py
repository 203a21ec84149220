"""What numbers and names mean together: limits of brokers, shares, what clients cannot do.

It knows the model and the profiles; what is asked of metrics stands in ``metric_rules``.  Each rule is a function of one
part of a scenario; ``_RULES`` says of which.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path as FilePath
from typing import Any

from qsim.brokers import PROFILES, RULES
from qsim.kernel.profile import Grouping, Profile
from qsim.scenario import files, metric_rules, model
from qsim.scenario.context import Context
from qsim.scenario.problems import Problem
from qsim.scenario.resolve import (
    ack,
    base_of,
    client,
    is_high_throughput,
    profile_of,
    queues_behind,
    sources,
    subqueues,
    uses,
)
from qsim.scenario.said import Said
from qsim.scenario.shape import dotted
from qsim.scenario.source import Document, Path
from qsim.units import DAY, SECOND, write_duration, write_rate, write_share, write_size


def check(document: Document, scenario: model.Scenario, folder: FilePath) -> list[Problem]:
    context = Context(Said(document), scenario, folder)
    for path, part in walk(scenario, ()):
        for rule in _RULES.get(type(part), ()):
            rule(context, path, part)
    metric_rules.plots(context)
    return context.said.problems


def walk(part: Any, path: Path) -> Iterator[tuple[Path, model.Shape]]:
    """Every part of a scenario with its path."""
    if isinstance(part, model.Shape):
        yield path, part
        for name, field in type(part).model_fields.items():
            yield from walk(getattr(part, name), (*path, field.alias or name))
    elif isinstance(part, dict | list):
        for key, inner in part.items() if isinstance(part, dict) else enumerate(part):
            yield from walk(inner, (*path, key))


# --- shares and times ------------------------------------------------------------------------------------------------


def _mix(context: Context, path: Path, time: model.TimeMap) -> None:
    if time.mix is not None:
        _sum(context, (*path, "mix"), [part.share for part in time.mix])


def _sum(context: Context, path: Path, shares: Iterable[Fraction]) -> None:
    if (total := sum(shares, Fraction(0))) != 1:
        context.say("Q014", f"the shares add up to {write_share(total)}, not to 100%", path)


def _message(context: Context, path: Path, message: model.Message) -> None:
    if isinstance(message.priority, dict):
        _sum(context, (*path, "priority"), message.priority.values())
    for name, values in (message.attributes or {}).items():
        _sum(context, (*path, "attributes", name), values.values())


def _uniform(context: Context, path: Path, time: model.Uniform) -> None:
    if time.max < time.min:
        context.say("Q014", "max is less than min", (*path, "max"))


def _lognormal(context: Context, path: Path, time: model.Lognormal) -> None:
    if time.p95 < time.median:
        context.say("Q014", "p95 is less than the median", (*path, "p95"))


def _pareto(context: Context, path: Path, time: model.Pareto) -> None:
    if time.alpha == 0:
        context.say("Q014", "alpha is above 0", (*path, "alpha"))


def _empirical(context: Context, path: Path, time: model.Empirical) -> None:
    try:
        files.column(context.folder, files.Column(time.file, time.column, time.unit))
    except files.NotAllowed as why:
        context.say("Q004", f"file: {time.file[:80]!r} {why}", (*path, "file"))


def _failures(context: Context, path: Path, failures: model.Failures) -> None:
    if failures.error + failures.crash > 1:
        context.say("Q014", "error and crash together are more than 100%", (*path, "crash"))


def _fifo(context: Context, path: Path, fifo: model.Fifo) -> None:
    for key in ("send_limit", "receive_limit"):
        limit = getattr(fifo, key)
        if limit is not None and (limit < 1 or limit.denominator != 1):
            context.say("Q014", "a limit is a whole number of calls a second, at least 1/s", (*path, key))


LEAST_SAMPLES = 20
"""Of a series in which the end of the warm-up is looked for: four batches of five."""


def _retry(context: Context, path: Path, retry: model.Retry) -> None:
    if retry.factor < 1:
        context.say("Q014", "a factor below 1 would shorten each wait: write 2", (*path, "factor"))
    if retry.max is not None and retry.max < retry.first:
        context.say("Q014", "max is less than first", (*path, "max"))


def _run(context: Context, path: Path, run: model.Run) -> None:
    if isinstance(run.warmup, int) and run.warmup >= run.duration:
        context.say("Q014", f"nothing is left after a warm-up of {write_duration(run.warmup)}", (*path, "warmup"))
    if run.warmup == "auto" and run.duration < LEAST_SAMPLES * run.sample_every:
        longest = write_duration(run.duration // LEAST_SAMPLES)
        context.say("Q014", f"auto looks at {LEAST_SAMPLES} samples at least, and there are fewer", (*path, "warmup"),
                    f"write sample_every: {longest}")  # fmt: skip
    if isinstance(run.replications, model.Precision):
        _precision(context, (*path, "replications"), run.replications)


def _precision(context: Context, path: Path, given: model.Precision) -> None:
    metric_rules.metric(context, (*path, "metric"), given.metric)
    if not given.within:
        context.say("Q014", "no number of replications knows a mean exactly: write within: 5%", (*path, "within"))
    if not 0 < given.confidence < 1:
        context.say("Q014", "a confidence is more than 0 and less than 100%: write 95%", (*path, "confidence"))
    if given.min < 2:
        context.say("Q014", "a single replication has no interval: write min: 5", (*path, "min"))
    if given.max < given.min:
        context.say("Q014", "max is less than min", (*path, "max"))


def _producer_times(context: Context, path: Path, producer: model.Producer) -> None:
    if producer.stop is not None and producer.stop <= producer.start:
        context.say("Q014", "stop is not after start: nothing would be sent", (*path, "stop"))


# --- queues ----------------------------------------------------------------------------------------------------------


def _queue(context: Context, path: Path, queue: model.Queue) -> None:
    name = str(path[1])
    if queue.priorities is not None and (len(set(queue.priorities)) < len(queue.priorities) or not queue.priorities):
        context.say("Q014", "priorities are names, each listed once", (*path, "priorities"))
    if isinstance(queue.stale_ack, list) and len(queue.stale_ack) != 2:
        context.say("Q014", "two words: [expired but not received again, received again]", (*path, "stale_ack"))
    if queue.capacity and queue.capacity.messages is None and queue.capacity.bytes is None:
        context.say("Q016", "capacity needs messages: or bytes:", (*path, "capacity"), of_key=True)
    if queue.dlq:
        _dlq(context, path, name, queue.dlq)
    if is_high_throughput(queue) and queue.broker and queue.broker.dedup_scope != "message-group":
        text = "throughput_limit: per-message-group needs dedup_scope: message-group (SQS-7)"
        context.say("Q031", text, (*path, "broker", "throughput_limit"), "add dedup_scope: message-group")
    if profile_of(queue).client_redelivers:
        _activemq(context, path, queue)
    if profile_of(queue).numbers_messages:
        _service_bus(context, path, name, queue)
    _rabbitmq(context, path, queue)
    _limits(context, path, context.sqs(name), _QUEUE_LIMITS, queue)


_NOT_PUSHED = {
    "reorder": "AMQ-6: messages go out in order",
    "duplicate_delivery": "AMQ-19: a message goes out again when its consumer has gone",
    "empty_receive": "AMQ-5: nobody asks",
}


MOST_PRIORITY = {"rabbitmq-classic": (255, "RMQ-30"), "rabbitmq-quorum": (31, "RMQ-31")}


def _rabbitmq(context: Context, path: Path, queue: model.Queue) -> None:
    """Priorities are numbers from 0 to the largest, which a queue can have."""
    most, rule = MOST_PRIORITY.get(queue.profile, (None, ""))
    if most is None:
        return
    own = queue.broker.max_priority if queue.broker else None
    if own is not None and own > most:
        context.say("Q031", f"max_priority {own} is above the limit of {most} ({rule})", (*path, "broker", "max_priority"))
    top = most if own is None else min(own, most)
    if len(queue.priorities or ()) > top + 1:
        message = f"{len(queue.priorities or ())} priorities are above the limit of {top + 1}, 0 to {top} ({rule})"
        context.say("Q031", message, (*path, "priorities"))
    if queue.order == "priority" and not base_of(queue).has_priorities:
        message = f"profile {queue.profile} of version 3.10 cannot have order priority"
        context.say("Q025", message, (*path, "order"), "RMQ-31: quorum queues ignore priority before 4.0")


def _activemq(context: Context, path: Path, queue: model.Queue) -> None:
    levels = PROFILES[queue.profile].levels
    if queue.priorities and len(queue.priorities) > levels:
        context.say("Q031", f"{len(queue.priorities)} priorities are above the limit of {levels} (AMQ-23)", (*path, "priorities"))
    for flaw, why in _NOT_PUSHED.items():
        if getattr(queue.imperfections, flaw, 0):
            where = (*path, "imperfections", flaw)
            context.say("Q025", f"profile {queue.profile} cannot have 'imperfections.{flaw}'", where, why, of_key=True)


DETECTION = (20 * SECOND, 7 * DAY)
"""ASB limits: DuplicateDetectionHistoryTimeWindow."""


def _service_bus(context: Context, path: Path, name: str, queue: model.Queue) -> None:
    keys, own = queue.broker or model.BrokerKeys(), (*path, "broker")
    if profile_of(queue).visibility_timeout is None:
        message = "visibility_timeout never is above the limit of 5m (ASB limits)"
        context.say("Q031", message, (*path, "visibility_timeout"))
    if keys.sessions and keys.auto_forward:
        context.say("Q021", "a queue with sessions does not forward (ASB-26)", (*own, "auto_forward"), of_key=True)
    if keys.auto_forward == name:
        context.say("Q032", f"{name!r} cannot forward to itself", (*own, "auto_forward"))
    target = context.scenario.queues.get(keys.auto_forward or "")
    if target and target.profile != queue.profile:
        context.say("Q024", f"an {queue.profile} queue forwards to its like (ASB-26)", (*own, "auto_forward"))
    window = keys.duplicate_detection
    if window is not None and not isinstance(window, bool) and not DETECTION[0] <= window <= DETECTION[1]:
        message = f"duplicate_detection {write_duration(window)} is outside 20s to 7d (ASB limits)"
        context.say("Q031", message, (*own, "duplicate_detection"))
    for key in ("retention", "dlq", "delay", "capacity") if name in subqueues(context.scenario) else ():
        if getattr(queue, key):
            message = f"{name!r} is the dead-letter queue of another: it cannot have {key!r}"
            context.say("Q025", message, (*path, key), "ASB-17: nothing expires there, or goes on from there", of_key=True)


def _dlq(context: Context, path: Path, name: str, dlq: model.Dlq) -> None:
    target = context.scenario.queues.get(dlq.queue)
    source = context.scenario.queues[name]
    where = (*path, "dlq", "queue")
    if dlq.queue == name:
        context.say("Q032", f"{name!r} cannot be its own dead-letter queue", where)
    elif target and target.profile != source.profile and "sqs" in source.profile + target.profile:
        message = f"the dead-letter queue of an {source.profile} queue has the same profile (SQS-25)"
        message = message if "sqs" in source.profile else f"an {target.profile} queue takes from its like only (SQS-25)"
        context.say("Q024", message, where, f"write queues.{dlq.queue}.profile: {source.profile}")
    elif target and target.profile != source.profile and profile_of(source).numbers_messages:
        message = f"the dead-letter queue of an {source.profile} queue has the same profile (ASB-17)"
        context.say("Q024", message, where, f"write queues.{dlq.queue}.profile: {source.profile}")
    if dlq.max_receives is None and "sqs" in source.profile:
        context.say("Q016", f"'max_receives' is required in {dotted((*path, 'dlq'))}", (*path, "dlq"), of_key=True)
    if dlq.max_receives is not None and "sqs" in source.profile and dlq.max_receives > 1000:
        context.say("Q031", f"max_receives {dlq.max_receives} is above the limit of 1000 (SQS limits)",
                    (*path, "dlq", "max_receives"))  # fmt: skip


Limit = tuple[str, str, Callable[[Any], str], str]
"""A key, the profile's field that bounds it, how both are written, and above or below."""

_QUEUE_LIMITS: tuple[Limit, ...] = (
    ("visibility_timeout", "max_visibility", write_duration, "above"),
    ("visibility_timeout", "longest_lease", write_duration, "above"),
    ("delay", "max_delay", write_duration, "above"),
    ("retention", "max_retention", write_duration, "above"),
    ("retention", "min_retention", write_duration, "below"),
    ("max_in_flight", "max_in_flight", str, "above"),
)
_POLL_LIMITS: tuple[Limit, ...] = (
    ("batch", "max_batch", str, "above"),
    ("wait", "max_wait", write_duration, "above"),
    ("visibility_timeout", "max_visibility", write_duration, "above"),
)
_HEARTBEAT_LIMITS: tuple[Limit, ...] = (
    ("extend_to", "max_visibility", write_duration, "above"),
    ("give_up_after", "max_visibility", write_duration, "above"),
)
_BATCH_LIMITS: tuple[Limit, ...] = (("size", "max_batch", str, "above"),)
_MESSAGE_LIMITS: tuple[Limit, ...] = (
    ("size", "max_size", write_size, "above"),
    ("delay", "max_delay", write_duration, "above"),
)
_SUBSCRIPTION_LIMITS: tuple[Limit, ...] = (("delay", "max_delay", write_duration, "above"),)
_REDRIVE_LIMITS: tuple[Limit, ...] = (("rate", "redrive_rate", lambda rate: write_rate(Fraction(rate)), "above"),)


def _limits(context: Context, path: Path, profile: Profile | None, limits: tuple[Limit, ...], part: Any) -> None:
    for key, field, write, side in limits:
        value, limit = getattr(part, key), getattr(profile, field, None)
        if limit is None or not isinstance(value, int | Fraction):
            continue
        if (value > limit) if side == "above" else (value < limit):
            rule = RULES[profile.name].get(field, "") if profile else ""
            message = f"{key} {write(value)} is {side} the limit of {write(limit)} ({rule.partition(':')[0]})"
            context.say("Q031", message, (*path, key), rule.partition(": ")[2] or None)


# --- producers -------------------------------------------------------------------------------------------------------


def _producer(context: Context, path: Path, producer: model.Producer) -> None:
    message = producer.message or model.Message()
    for queue in queues_behind(context.scenario, producer.to):
        _send(context, path, producer, message, queue)


def _send(context: Context, path: Path, producer: model.Producer, message: model.Message, queue: str) -> None:
    """What a queue says of what is sent to it, or copied to it."""
    profile = context.sqs(queue)
    _limits(context, (*path, "message"), profile, _MESSAGE_LIMITS, message)
    if producer.batch:
        _limits(context, (*path, "batch"), profile, _BATCH_LIMITS, producer.batch)
        total = producer.batch.size * message.size
        if profile and profile.max_size and message.size <= profile.max_size < total:
            context.say("Q031", f"a batch of {producer.batch.size} x {write_size(message.size)} is above the limit of "
                        f"{write_size(profile.max_size)} a call (SQS-4)", (*path, "batch", "size"))  # fmt: skip
    own = context.profiles.get(queue)
    found = context.recorded(producer)
    if own and own.needs_group and message.group is None and not (found and found.groups):
        what, rule = ("queue with sessions", "ASB-20") if own.grouping is Grouping.SESSIONS else ("queue", "SQS-5")
        context.say("Q027", f"{queue!r} is an {own.name} {what}: its messages need a group ({rule})",
                    (*path, "to"), f"write {dotted(path)}.message.group: {{keys: 100}}")  # fmt: skip


def _trace(context: Context, path: Path, producer: model.Producer) -> None:
    if producer.trace is not None:
        try:
            context.read(producer, producer.trace)
        except files.NotAllowed as why:
            context.say("Q004", f"file: {producer.trace.file[:80]!r} {why}", (*path, "trace", "file"))


def _bursts(context: Context, path: Path, bursts: model.Bursts) -> None:
    if context.mean(bursts.on) == 0:
        context.say("Q014", "it is never on: nothing would be sent", (*path, "on"))


def _clients(context: Context, path: Path, producer: model.Producer) -> None:
    """Where nothing takes time, each client asks for ever at one instant."""
    waits = producer.request_reply is not None or producer.on_reject == "block"
    if producer.clients is not None and not waits and context.mean(producer.clients.think) == 0:
        message = "think: 0 of clients that the broker answers at once: would send for ever at one instant"
        context.say("Q037", message, (*path, "clients", "think"), "let them think, or add request_reply:")


def _request_reply(context: Context, path: Path, producer: model.Producer) -> None:
    """Nobody else may take the replies."""
    if producer.request_reply is None:
        return
    queue, own = producer.request_reply.reply_to, (*path, "request_reply", "reply_to")
    if queue == producer.to:
        context.say("Q036", f"{queue!r} takes the requests: replies need a queue of their own", own)
    for name, consumer in context.consumers.items():
        if queue in sources(consumer) and queue != producer.to:
            context.say("Q036", f"consumer {name!r} would take replies out of {queue!r}", own, "write a queue of its own")
    others = [
        name for name, other in context.scenario.producers.items()
        if name != path[1] and other.request_reply is not None and other.request_reply.reply_to == queue
    ]  # fmt: skip
    for name in others:
        context.say("Q036", f"producer {name!r} would take replies out of {queue!r}", own, "write a queue of its own")


# --- topics ----------------------------------------------------------------------------------------------------------


def _subscription(context: Context, path: Path, given: model.Subscription) -> None:
    queue = context.scenario.queues.get(given.queue)
    if queue and queue.capacity and queue.capacity.when_full == "block":
        context.say("Q035", f"{given.queue!r} would block, and a topic waits for no queue", (*path, "queue"),
                    f"write queues.{given.queue}.capacity.when_full: reject, or drop-oldest")  # fmt: skip
    _limits(context, path, context.sqs(given.queue), _SUBSCRIPTION_LIMITS, given)


# --- consumers -------------------------------------------------------------------------------------------------------


def _consumer(context: Context, path: Path, consumer: model.Consumer) -> None:
    first = sources(consumer)[0] if sources(consumer) else ""
    if not sources(consumer):
        context.say("Q014", "from: needs at least one queue", (*path, "from"))
    profile = context.sqs(first)
    if consumer.poll:
        _limits(context, (*path, "poll"), profile, _POLL_LIMITS, consumer.poll)
        _endless_poll(context, path, consumer, profile)
    if consumer.heartbeat:
        _limits(context, (*path, "heartbeat"), profile, _HEARTBEAT_LIMITS, consumer.heartbeat)
    if consumer.client and consumer.client.ack_batch:
        _limits(context, (*path, "client", "ack_batch"), profile, _BATCH_LIMITS, consumer.client.ack_batch)
    _group(context, path, consumer)
    _session(context, path, consumer)
    _lock_keys(context, path, consumer)
    _guarantee(context, path, consumer)
    _endless_work(context, path, consumer)
    _uses(context, path, consumer)
    _emits(context, path, consumer)
    if consumer.autoscale:
        metric_rules.autoscale(context, (*path, "autoscale"), consumer.autoscale, sources(consumer))


def _uses(context: Context, path: Path, consumer: model.Consumer) -> None:
    """One call of each: luck names a call by its dependency."""
    names = uses(consumer)
    for number, name in enumerate(names):
        if name in names[:number]:
            context.say("Q014", f"{name!r} is listed twice: an attempt calls each dependency once", (*path, "uses", number))


def _emits(context: Context, path: Path, consumer: model.Consumer) -> None:
    for number, emit in enumerate(consumer.emits or ()):
        own = context.profiles.get(emit.to)
        if own and own.needs_group and not all(message.group for message in context.messages_at(sources(consumer))):
            context.say("Q027", f"{emit.to!r} is an {_grouped(own)[0]}: its messages need a group ({_grouped(own)[1]}), which "
                        "they have from what they are made of", (*path, "emits", number, "to"),
                        "write message.group: at the producers of those")  # fmt: skip


def _grouped(profile: Profile) -> tuple[str, str]:
    """What needs groups, and the rule."""
    is_in_sessions = profile.grouping is Grouping.SESSIONS
    return f"{profile.name} queue{' with sessions' if is_in_sessions else ''}", "ASB-20" if is_in_sessions else "SQS-5"


def _lock_keys(context: Context, path: Path, consumer: model.Consumer) -> None:
    """What a client of Azure Service Bus says, beside what its queue and the consumer itself say."""
    keys, said = client(consumer), (*path, "client")
    profiles = {queue: context.profiles[queue] for queue in sources(consumer) if queue in context.profiles}
    in_sessions = [queue for queue, profile in profiles.items() if profile.grouping is Grouping.SESSIONS]
    if keys.session and not in_sessions:
        context.say("Q016", "session: needs a queue with broker: {sessions: true} (ASB-20)", (*said, "session"), of_key=True)
    if keys.session is False and in_sessions:
        message = f"{in_sessions[0]!r} has sessions: whoever receives accepts one (ASB-20)"
        context.say("Q021", message, (*said, "session"), of_key=True)
    if in_sessions and len(sources(consumer)) > 1:
        context.say("Q040", "a consumer of several queues with sessions is not supported yet", (*path, "from"), of_key=True)
    if keys.auto_renew and consumer.heartbeat:
        message = "heartbeat and client.auto_renew both renew locks"
        context.say("Q021", message, (*said, "auto_renew"), "remove one of them", of_key=True)
    if keys.mode == "receive-and-delete" and (consumer.ack or "on-receive") != "on-receive":
        message = f"mode receive-and-delete leaves nothing to ack {consumer.ack} (ASB-5)"
        context.say("Q021", message, (*path, "ack"), "remove ack: or client.mode:", of_key=True)


def _session(context: Context, path: Path, consumer: model.Consumer) -> None:
    """A session has one thread and, here, one consumer."""
    queue = context.scenario.queues.get(next(iter(sources(consumer)), ""))
    if queue is None or not profile_of(queue).client_redelivers:
        return
    if consumer.concurrency > 1:
        message = f"concurrency {consumer.concurrency} of an {queue.profile} client is not supported yet"
        context.say("Q040", message, (*path, "concurrency"), "a session has one thread: write count: instead", of_key=True)
    if len(sources(consumer)) > 1:
        context.say("Q040", f"an {queue.profile} client of several queues is not supported yet", (*path, "from"), of_key=True)


def _group(context: Context, path: Path, consumer: model.Consumer) -> None:
    """A group is named in metrics, a list is taken from at one side."""
    keys = client(consumer)
    if keys.group is not None:
        taken = {name for name in context.further_groups if name in context.scenario.queues}
        if not re.fullmatch(model.NAME, keys.group):
            message = f"{keys.group[:40]!r} is not a name: a letter, then letters, digits, _ or -"
            context.say("Q017", message, (*path, "client", "group"))
        elif clash := [f"{q}-{keys.group}" for q in sources(consumer) if f"{q}-{keys.group}" in taken]:
            context.say("Q017", f"the group would be {clash[0]!r}, which is the name of a queue", (*path, "client", "group"))
    for queue in sources(consumer):
        sides = {client(c).side or "head" for c in context.consumers.values() if queue in sources(c)}
        if keys.side == "tail" and len(sides) > 1:
            message = f"{queue!r} taken from at both sides is not supported yet"
            context.say("Q040", message, (*path, "client", "side"), of_key=True)


def _endless_poll(context: Context, path: Path, consumer: model.Consumer, profile: Profile | None) -> None:
    poll = consumer.poll
    spans = profile is not None and profile.max_wait is not None and len(sources(consumer)) > 1
    if poll and poll.wait and spans:
        context.say("Q021", "no call waits at several queues: each is asked in turn (SQS-9)", (*path, "poll", "wait"),
                    "remove wait:, and say every:", of_key=True)  # fmt: skip
    never_waits = profile is not None and profile.default_wait == 0
    if poll and poll.every is None and not spans and (poll.wait == 0 or (poll.wait is None and never_waits)):
        where = (*path, "poll") if poll.wait is None else (*path, "poll", "wait")
        context.say("Q022", "wait: 0 without every: would poll for ever at one instant", where,
                    "add every: 1s" if never_waits else "add every: 1s, or wait longer")  # fmt: skip


def _guarantee(context: Context, path: Path, consumer: model.Consumer) -> None:
    if consumer.guarantee is None:
        return
    meant = ack(consumer.model_copy(update={"ack": None}))
    if consumer.ack and consumer.ack != meant:
        message = f"guarantee {consumer.guarantee} means ack: {meant}"
        context.say("Q021", message, (*path, "ack"), "remove ack: or guarantee:", of_key=True)
    if consumer.guarantee != "exactly-once":
        return
    if consumer.idempotent is False:
        context.say("Q021", "guarantee exactly-once means idempotent: true", (*path, "idempotent"),
                    "remove idempotent: or guarantee:", of_key=True)  # fmt: skip
    for queue in sources(consumer):
        if queue in context.profiles and context.profiles[queue].dedup_window == 0:
            message = f"exactly-once needs deduplication, and {queue!r} ({context.profiles[queue].name}) has none"
            context.say("Q028", message, (*path, "guarantee"), "ideal, sqs-fifo, azure-service-bus have it")


def _endless_work(context: Context, path: Path, consumer: model.Consumer) -> None:
    """Work of no length, given back at once, and failing again: time would stand still."""
    failures, retry = consumer.failures or model.Failures(), consumer.retry
    waits = retry is not None and retry.backoff != "none" and retry.first > 0
    if consumer.service != 0 or failures.on_error != "nack" or waits:
        return
    for queue in sources(consumer):
        limits = [p.max_deliveries for name, p in context.profiles.items() if name == queue]
        limits += [p.dlq.max_receives for name, p in context.profiles.items() if name == queue and p.dlq]
        fails = failures.error == 1 or any(
            queue in queues_behind(context.scenario, p.to) and p.message and p.message.poison
            for p in context.scenario.producers.values()
        )
        if fails and not any(limits):
            message = "service 0 and on_error: nack without retry: would fail for ever at one instant"
            context.say("Q023", message, (*path, "service"), "let the work take time, or add retry:")


# --- timeline --------------------------------------------------------------------------------------------------------


def _slow(context: Context, path: Path, slow: model.Slow) -> None:
    if slow.by == 0:
        context.say("Q014", "by: is above 0; below 1 it is quicker", (*path, "by"))


def _redrive(context: Context, path: Path, redrive: model.RedriveEvent) -> None:
    _limits(context, path, context.sqs(redrive.from_), _REDRIVE_LIMITS, redrive)
    if redrive.from_ == redrive.to:
        context.say("Q032", f"{redrive.to!r} cannot be redriven to itself", (*path, "to"))


_RULES: dict[type, tuple[Callable[[Context, Path, Any], None], ...]] = {
    model.TimeMap: (_mix,),
    model.Uniform: (_uniform,),
    model.Lognormal: (_lognormal,),
    model.Pareto: (_pareto,),
    model.Empirical: (_empirical,),
    model.Failures: (_failures,),
    model.Fifo: (_fifo,),
    model.Retry: (_retry,),
    model.Run: (_run,),
    model.Message: (_message,),
    model.Queue: (_queue,),
    model.Subscription: (_subscription,),
    model.Producer: (_producer, _producer_times, _trace, _clients, _request_reply),
    model.Bursts: (_bursts,),
    model.SlowDown: (metric_rules.slow_down,),
    model.Consumer: (_consumer,),
    model.RedriveEvent: (_redrive,),
    model.Slow: (_slow,),
    model.Alert: (metric_rules.alert,),
    model.Expect: (metric_rules.expect,),
}
