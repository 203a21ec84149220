"""RabbitMQ in traces: what a queue's settings, an operation and an error code are in the kernel's terms.

Each code cites its rule: RMQ-n in the project's list of broker rules.  The recordings are of 3.10.8, made with one
connection and one channel an actor: a client of the kernel.  A queue's ``version`` says that it is of another one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from functools import wraps
from typing import Any

from qsim.brokers.rabbitmq import (
    MOST_PRIORITY,
    NO_PRIORITY,
    OVERFLOW,
    classic,
    level_of,
    quorum,
    with_limit,
    with_priorities,
)
from qsim.kernel.broker import Broker
from qsim.kernel.channel import Channel
from qsim.kernel.journal import Cause
from qsim.kernel.message import Delivery
from qsim.kernel.profile import DeadLetter, Profile
from qsim.kernel.routing import MATCHES, Subscription
from qsim.trace.load import Json, nanos
from qsim.trace.stage import OK, Dialect, Malformed, NotCovered, Result, Stage

Number = int | Decimal

VERSION = "3.10"
REFUSED = {
    Cause.FULL: "NACK",  # RMQ-28: reject-publish
    Cause.TOO_LARGE: "406 PRECONDITION_FAILED",  # RMQ limits: max_message_size
    Cause.NO_ROUTE: "NO_ROUTE",  # RMQ-2
}
PRECONDITION = "406 PRECONDITION_FAILED"  # RMQ-10: an unknown tag; RMQ-35: a commit that a queue refused in part
NOT_ALONE = "403 ACCESS_REFUSED"  # RMQ-8
NO_EXCHANGE = "404 NOT_FOUND"
IS_CLOSED = "ChannelWrongStateError"  # the client library's own: the broker closed this channel before
REASONS = {
    Cause.REJECTED: "rejected",
    Cause.TTL: "expired",
    Cause.FULL: "maxlen",
    Cause.MAX_RECEIVES: "delivery_limit",
}
"""RMQ-20."""


# --- the queues ---------------------------------------------------------------------------------------------------


def broker(config: Json) -> Broker:
    """The broker that a trace's config describes."""
    _only(config, {"profile", "queues", "exchanges", "native"}, "config")
    queues = config["queues"]
    exchanges = {name: _exchange(name, each, queues) for name, each in config.get("exchanges", {}).items()}
    return Broker({name: _profile(settings, queues) for name, settings in queues.items()}, exchanges)


def _exchange(name: str, settings: Json, queues: Json) -> list[Subscription]:
    _only(settings, {"type"}, "exchange setting")
    if settings["type"] not in MATCHES:
        raise NotCovered(f"exchange type {settings['type']!r} of rabbitmq")
    bindings = [(queue, bind) for queue, each in queues.items() for bind in each.get("bind", ())]
    mine = [(queue, bind.get("key", "")) for queue, bind in bindings if bind["exchange"] == name]
    return [Subscription(queue, key=key, kind=settings["type"]) for queue, key in mine]


def _profile(settings: Json, queues: Json) -> Profile:
    _only(settings, _SETTINGS, "queue setting")
    kind = settings.get("type", "classic")
    if kind not in _TYPES:
        raise NotCovered(f"queue type {kind!r} of rabbitmq")
    made = _TYPES[kind](settings)
    if settings.get("dlq") in queues:  # RMQ-20: without one, or to none, messages are dropped
        made = replace(made, dlq=DeadLetter(settings["dlq"], None))
    if "max_length" in settings or "max_bytes" in settings:
        overflow = settings.get("overflow", "drop-head")
        if overflow not in OVERFLOW:
            raise NotCovered(f"overflow {overflow!r} of rabbitmq")
        made = with_limit(made, settings.get("max_length"), settings.get("max_bytes"), overflow)
    retention = nanos(settings["ttl"]) if "ttl" in settings else None
    return replace(made, retention=retention, single_active=bool(settings.get("single_active", False)))


_SETTINGS = {
    "type", "version", "delivery_limit", "dlq", "ttl", "max_length", "max_bytes", "overflow", "max_priority", "single_active", "bind",
}  # fmt: skip


def _classic(settings: Json) -> Profile:
    """RMQ-19: a classic queue takes a delivery limit, and never looks at it."""
    most, made = settings.get("max_priority"), classic(settings.get("version", VERSION))
    return made if most is None else with_priorities(made, most)


def _quorum(settings: Json) -> Profile:
    """RMQ-31: priorities are ignored before 4.0."""
    version = settings.get("version", VERSION)
    if version != VERSION and "max_priority" in settings:
        raise NotCovered("priorities of a quorum queue since 4.0")
    return quorum(version, settings.get("delivery_limit"))


_TYPES: dict[str, Callable[[Json], Profile]] = {"classic": _classic, "quorum": _quorum}


def _only(given: Json, known: set[str], what: str) -> None:
    for key in given:
        if key not in known:
            raise NotCovered(f"{what} {key!r} of rabbitmq")


# --- the operations -----------------------------------------------------------------------------------------------


def send(
    stage: Stage,
    actor: str,
    body: str | None = None,
    bodies: list[str] | None = None,
    queue: str | None = None,
    exchange: str | None = None,
    key: str = "",
    priority: int | None = None,
    ttl: Number | None = None,
    confirm: bool = True,
    mandatory: bool = False,
) -> Result:
    """basic.publish with publisher confirms, for each of ``bodies`` in turn until one comes back or is refused."""
    if body is None and bodies is None:
        raise Malformed("send needs 'body' or 'bodies'")
    if confirm:
        stage.notes["confirms", actor] = True
    labels = {"level": level_of(priority), "ttl": None if ttl is None else nanos(ttl)}
    for text in [body] if bodies is None else bodies:
        assert text is not None
        message = {"payload": text, "size": len(text.encode()), **labels}
        if queue is not None:
            causes = [_send(stage, actor, queue, mandatory, message)]
        elif exchange in stage.broker.topics:
            causes = _publish(stage, actor, exchange, key, mandatory, message)
        else:
            return _close(stage, actor, NO_EXCHANGE)
        refused = [REFUSED[cause] for cause in causes if cause]  # RMQ-3: if any queue rejects
        if refused and stage.notes.get(("confirms", actor)):
            return _error(refused[0])
    return OK


def _send(stage: Stage, actor: str, queue: str, mandatory: bool, message: dict[str, Any]) -> Cause:
    """The default exchange routes by the queue's name (RMQ-1)."""
    if queue not in stage.broker.queues:
        return stage.broker.unrouted(stage.now, -1, mandatory)
    return _channel(stage, actor).send(stage.now, queue, **message)


def _publish(
    stage: Stage, actor: str, exchange: str | None, key: str, mandatory: bool, message: dict[str, Any]
) -> list[Cause]:
    assert exchange is not None
    channel = _channel(stage, actor)
    answers = channel.publish(stage.now, exchange, key=key, mandatory=mandatory, **message)
    is_returned = mandatory and not answers and channel.session.uncommitted is None
    return [Cause.NO_ROUTE] if is_returned else list(answers.values())


def subscribe(
    stage: Stage,
    actor: str,
    queue: str,
    prefetch: int = 0,
    auto_ack: bool = False,
    priority: int | None = None,
    exclusive: bool = False,
) -> Result:
    """basic.qos (for each new consumer, RMQ-6) and basic.consume."""
    credit = stage.broker.subscribe(
        stage.now, queue, actor, prefetch, priority=priority or 0, auto_ack=auto_ack, exclusive=exclusive
    )
    if credit.refused:
        return _close(stage, actor, NOT_ALONE)
    stage.pushed_to[credit] = actor
    stage.notes["consumer", actor, queue] = credit
    return OK


def cancel(stage: Stage, actor: str, queue: str) -> Result:
    """basic.cancel: what is unacked stays with the channel (RMQ-38)."""
    stage.broker.cancel(stage.now, stage.notes.pop(("consumer", actor, queue)))
    return OK


def receive(
    stage: Stage, actor: str, queue: str | None = None, max: int = 100, wait: Number = 0, pull: bool = False
) -> Result:
    """basic.get, ``max`` times; or what has been pushed to this actor and not been reported yet."""
    if pull:
        if queue is None:
            raise Malformed("receive with 'pull' needs 'queue'")
        if _is_closed(stage, actor):
            return _error(IS_CLOSED)
        return {"messages": [stage.report(each) for each in stage.broker.receive(stage.now, queue, actor, max)]}
    inbox = stage.inboxes[actor]
    if not inbox and _is_closed(stage, actor):
        return _error(IS_CLOSED)
    return {"messages": [stage.report(inbox.popleft()) for _ in range(min(max, len(inbox)))]}


def ack(stage: Stage, actor: str, handle: str, multiple: bool = False) -> Result:
    """basic.ack; ``multiple``: up to this one (RMQ-10)."""
    delivery = _delivery(stage, handle)
    return _settled(stage, actor, _channel(stage, actor).ack(stage.now, delivery, multiple))


def nack(stage: Stage, actor: str, handle: str, requeue: bool = True, multiple: bool = False) -> Result:
    """basic.nack."""
    delivery = _delivery(stage, handle)
    return _settled(stage, actor, _channel(stage, actor).nack(stage.now, delivery, multiple, requeue))


def reject(stage: Stage, actor: str, handle: str, requeue: bool = True) -> Result:
    """basic.reject: a failure, also where a nack is none (RMQ-18)."""
    delivery = _delivery(stage, handle)
    return _settled(stage, actor, _channel(stage, actor).nack(stage.now, delivery, requeue=requeue, failed=True))


def tx(stage: Stage, actor: str, action: str) -> Result:
    """tx.select, tx.commit, tx.rollback (RMQ-35)."""
    channel = _channel(stage, actor)
    match action:
        case "select":
            channel.select()
            return OK
        case "commit":
            return _settled(stage, actor, channel.commit(stage.now))
        case "rollback":
            return _settled(stage, actor, channel.rollback(stage.now))
        case _:
            raise NotCovered(f"tx {action!r} of rabbitmq")


def crash(stage: Stage, actor: str) -> Result:
    """The connection is lost, and all its unacked are requeued at once (RMQ-34)."""
    _channel(stage, actor).close(stage.now)
    stage.inboxes[actor].clear()
    for note in [("closed", actor), ("confirms", actor)]:
        stage.notes.pop(note, None)
    return OK


def purge(stage: Stage, actor: str, queue: str) -> Result:
    """queue.purge: ready ones only (RMQ-38)."""
    return {"purged": stage.broker.purge(stage.now, queue)}


def depth(stage: Stage, actor: str, queue: str) -> Result:
    """queue.declare, passive: what is ready, and how many consumers there are."""
    it = stage.broker.queues[queue]
    return {"ready": it.visible, "consumers": len(it.subscribed)}


def _on_a_channel(operation: Callable[..., Result]) -> Callable[..., Result]:
    """Not when the broker has closed it."""

    @wraps(operation)
    def checked(stage: Stage, actor: str, **args: Any) -> Result:
        return _error(IS_CLOSED) if _is_closed(stage, actor) else operation(stage, actor, **args)

    return checked


OPERATIONS: dict[str, Callable[..., Result]] = {
    **{each.__name__: _on_a_channel(each) for each in (send, subscribe, cancel, ack, nack, reject, tx)},
    "close_channel": _on_a_channel(crash),
    "receive": receive,
    "crash": crash,
    "purge": purge,
    "depth": depth,
}


def describe(delivery: Delivery) -> Result:
    """The redelivered flag (RMQ-14), x-delivery-count + 1 (RMQ-15; classic queues have none, and it is not compared),
    x-death (RMQ-21) and the priority."""
    message = delivery.message
    told: Result = {"redelivered": delivery.attempt > 1, "count": delivery.attempt - message.carried}
    if message.deaths:
        told["death"] = [{"queue": d.queue, "reason": REASONS[d.cause], "count": d.times} for d in message.deaths]
    if message.level != NO_PRIORITY:
        told["priority"] = MOST_PRIORITY - message.level
    return told


RABBITMQ = Dialect("rabbitmq", frozenset({"rabbitmq-classic", "rabbitmq-quorum"}), broker, OPERATIONS, describe)


# --- small parts --------------------------------------------------------------------------------------------------


def _error(code: str) -> Result:
    return {"error": code}


def _channel(stage: Stage, actor: str) -> Channel:
    return stage.broker.channel(actor)


def _is_closed(stage: Stage, actor: str) -> bool:
    return ("closed", actor) in stage.notes


def _close(stage: Stage, actor: str, code: str) -> Result:
    """An error of the channel: it closes, and what it held comes back (RMQ-10)."""
    _channel(stage, actor).close(stage.now)
    stage.notes["closed", actor] = code
    return _error(code)


def _settled(stage: Stage, actor: str, cause: Cause) -> Result:
    if not cause:
        return OK
    stage.notes["closed", actor] = PRECONDITION
    return _error(PRECONDITION)


def _delivery(stage: Stage, handle: str) -> Delivery:
    if handle not in stage.handles:
        raise Malformed(f"there is no delivery {handle!r}")
    return stage.handles[handle]
