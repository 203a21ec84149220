"""Amazon SQS in traces: what a queue's settings, an operation and an error code are in the kernel's terms.

Each code cites its rule: SQS-n in the project's list of broker rules.  The recordings come from one node (moto), so
a standard queue's receive is complete and in order of sending: imperfections stay off, and SQS-12's way to the back
of the queue, which that node does not have, is left out.  What the documentation asks for otherwise, a trace says
itself (``documented_results``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from hashlib import sha256
from typing import Any

from qsim.brokers import SQS_FIFO, SQS_STANDARD
from qsim.kernel.broker import Broker
from qsim.kernel.journal import Cause
from qsim.kernel.message import Deliveries, Delivery
from qsim.kernel.profile import DeadLetter, Profile, Stale
from qsim.kernel.routing import Subscription
from qsim.trace.load import Json, nanos
from qsim.trace.stage import OK, Call, Dialect, Malformed, NotCovered, Result, Stage, seconds
from qsim.units import SECOND, Nanos

Number = int | Decimal

# --- what the kernel refuses, in the words of the API ----------------------------------------------------------------

SEND_CODES = {
    Cause.NO_GROUP: "MissingParameter",  # SQS-5
    Cause.DELAY_NOT_ALLOWED: "InvalidParameterValue",  # SQS-2
    Cause.OUT_OF_RANGE: "InvalidParameterValue",  # SQS-2: more than 900 s
    Cause.TOO_LARGE: "InvalidParameterValue",  # SQS limits: MaximumMessageSize
    Cause.THROTTLED: "ThrottlingException",  # SQS-35
}
BATCH_CODES = {
    Cause.TOO_MANY: "TooManyEntriesInBatchRequest",  # SQS-4
    Cause.TOO_LONG: "BatchRequestTooLong",  # SQS-4
    Cause.THROTTLED: "ThrottlingException",  # SQS-35
}
RECEIVE_CODES = {
    Cause.TOO_MANY: "InvalidParameterValue",  # SQS limits: MaxNumberOfMessages 1 to 10
    Cause.OUT_OF_RANGE: "InvalidParameterValue",  # SQS-9: WaitTimeSeconds 0 to 20; SQS-10: VisibilityTimeout
    Cause.OVER_LIMIT: "OverLimit",  # SQS limits: 120,000 in flight, standard
    Cause.THROTTLED: "ThrottlingException",  # SQS-35
}
ACK_CODES = {
    Cause.RECEIPT_EXPIRED: "InvalidParameterValue",  # SQS-19: the receipt handle has expired
    Cause.RECEIVED_AGAIN: "InvalidParameterValue",  # SQS-19
    Cause.THROTTLED: "ThrottlingException",  # SQS-35
}
"""Only where a stale ack is an error; else it succeeds without effect (SQS-18).  Deleting twice succeeds (SQS-17)."""
EXTEND_CODES = {
    Cause.OUT_OF_RANGE: "InvalidParameterValue",  # SQS-22: more than 12 h since the receive
    Cause.NOT_IN_FLIGHT: "MessageNotInflight",  # SQS-22
    Cause.RECEIVED_AGAIN: "MessageNotInflight",  # SQS-22: not by this receipt
    Cause.NO_MESSAGE: "ReceiptHandleIsInvalid",  # as recorded: the handle of a message that is gone
}
UNKNOWN_HANDLE = "ReceiptHandleIsInvalid"  # SQS-20
NO_QUEUE = "NonExistentQueue"
PURGE_EVERY = 60 * SECOND  # SQS-32: a second purge within 60 s is PurgeQueueInProgress
MOST_HIDDEN = 43_200  # SQS-21: 0 to 43,200 s

_ENTRY_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # SQS-1


# --- the queues ---------------------------------------------------------------------------------------------------

_TYPES = {"standard": replace(SQS_STANDARD, tail_from=None), "fifo": SQS_FIFO}


def broker(config: Json) -> Broker:
    """The broker that a trace's config describes."""
    _only(config, {"profile", "queues", "topics", "native"}, "config")
    topics = {name: [_subscription(each) for each in subscriptions] for name, subscriptions in config.get("topics", {}).items()}
    return Broker({name: _profile(settings) for name, settings in config["queues"].items()}, topics)


def _profile(settings: Json) -> Profile:
    _only(settings, {"type", *_SETTINGS}, "queue setting")
    kind = settings.get("type", "standard")
    if kind not in _TYPES:
        raise NotCovered(f"queue type {kind!r} of sqs")
    changes: dict[str, Any] = {}
    for key, value in settings.items():
        if key != "type" and (field := _SETTINGS[key]):
            changes[field[0]] = field[1](value)
    if "dlq" in settings:
        changes["dlq"] = DeadLetter(settings["dlq"], settings.get("max_receive", 10))  # SQS limits: 10 by default
    return replace(_TYPES[kind], **changes)


_SETTINGS: dict[str, tuple[str, Any] | None] = {
    "visibility": ("visibility_timeout", nanos),
    "delay": ("delay", nanos),
    "retention": ("retention", nanos),
    "max_size": ("max_size", int),
    "content_dedup": ("content_dedup", bool),
    "dedup_scope": ("dedup_per_group", lambda scope: scope == "messageGroup"),  # SQS-7
    "best_effort": ("tail_from", lambda is_so: SQS_STANDARD.tail_from if is_so else None),  # SQS-12; moto keeps places
    "dlq": None,
    "max_receive": None,
    "wait": None,  # every recorded receive states its own
}


def _subscription(each: Json) -> Subscription:
    _only(each, {"queue", "filter"}, "subscription setting")
    wanted = each.get("filter", {})
    for values in wanted.values():
        if not all(isinstance(value, str) for value in values):
            raise NotCovered("a filter that is more than a list of texts")
    return Subscription(each["queue"], tuple((name, tuple(values)) for name, values in wanted.items()))


def _only(given: Json, known: set[str], what: str) -> None:
    for key in given:
        if key not in known:
            raise NotCovered(f"{what} {key!r} of sqs")


# --- the operations -----------------------------------------------------------------------------------------------


def send(
    stage: Stage,
    actor: str,
    queue: str,
    body: str | None = None,
    bodies: list[str] | None = None,
    delay: Number | None = None,
    group: str | None = None,
    dedup: str | None = None,
    size: int | None = None,
) -> Result:
    """SendMessage, for each of ``bodies`` in turn until one is refused."""
    if body is None and bodies is None:
        raise Malformed("send needs 'body' or 'bodies'")
    if _is_gone(stage, queue):
        return _error(NO_QUEUE)
    for text in [body] if bodies is None else bodies:
        assert text is not None
        padded = text if size is None else text + "x" * (size - len(text))
        if code := _body_code(padded) or _delay_code(delay):
            return _error(code)
        key = _dedup_id(stage.profile(queue), text, group, dedup)
        refused = stage.broker.send(stage.now, queue, **_message(padded, delay, group, key))
        if code := SEND_CODES.get(refused):
            return _error(code)
    return OK


def send_batch(stage: Stage, actor: str, queue: str, entries: list[dict[str, Any]]) -> Result:
    """SendMessageBatch: the call fails as a whole, or each entry for itself (SQS-4)."""
    if _is_gone(stage, queue):
        return _error(NO_QUEUE)
    ids = [each["id"] for each in entries]
    if not ids:
        return _error("EmptyBatchRequest")
    if len(set(ids)) < len(ids):
        return _error("BatchEntryIdsNotDistinct")
    if not all(_ENTRY_ID.fullmatch(each) for each in ids):
        return _error("InvalidBatchEntryId")
    for each in entries:
        _only(each, {"id", "body", "delay", "group", "dedup"}, "batch entry with")
    sound = [each for each in entries if not (_body_code(each["body"]) or _delay_code(each.get("delay")))]
    profile = stage.profile(queue)
    causes = stage.broker.send_batch(stage.now, queue, [_entry(profile, each) for each in sound])
    if causes and (code := BATCH_CODES.get(causes[0])):
        return _error(code)
    ok = [each["id"] for each, cause in zip(sound, causes, strict=True) if cause not in SEND_CODES]
    return {"ok_ids": ok, "failed_ids": [name for name in ids if name not in ok]}


def publish(stage: Stage, actor: str, topic: str, body: str, attrs: Mapping[str, str] | None = None) -> Result:
    """SNS Publish with raw delivery: every subscription that wants it gets its own copy (SQS-34)."""
    if topic not in stage.broker.topics:
        raise Malformed(f"no topic is called {topic!r}")
    size = _size(body) + sum(_size(name) + _size("String") + _size(value) for name, value in (attrs or {}).items())
    stage.broker.publish(stage.now, topic, attributes=attrs, payload=body, size=size)
    return OK


def receive(
    stage: Stage,
    actor: str,
    queue: str,
    max: int = 1,
    wait: Number = 0,
    visibility: Number | None = None,
    call: str | None = None,
) -> Result:
    """ReceiveMessage; with ``call`` in the background, to be reported by ``await``."""
    if _is_gone(stage, queue):
        return _error(NO_QUEUE)
    timeout = None if visibility is None else nanos(visibility)
    begun = stage.ask(actor, queue, max, nanos(wait), timeout)
    if call is not None:
        stage.calls[call] = begun
        return {"pending": call}
    return _answer(stage, stage.finish(begun))


def await_(stage: Stage, actor: str, call: str) -> Result:
    """What a receive in the background came to, and when."""
    if call not in stage.calls:
        raise Malformed(f"no call {call!r} was begun")
    begun: Call = stage.calls.pop(call)
    answer = stage.finish(begun)
    result = _answer(stage, answer)
    return result if answer.refused else {**result, "returned_at_about": seconds(begun.returned)}


def ack(stage: Stage, actor: str, handle: str) -> Result:
    """DeleteMessage."""
    delivery = stage.handles.get(handle)
    if delivery is None:
        return _error(UNKNOWN_HANDLE)
    stale_ack = delivery.message.queue.profile.stale_ack
    cause = stage.broker.ack(stage.now, delivery)
    is_harmless = cause is Cause.RECEIVED_AGAIN and stale_ack[1] is not Stale.ERROR
    return OK if is_harmless else _settled(ACK_CODES, cause)


def extend(stage: Stage, actor: str, handle: str, seconds: Number) -> Result:
    """ChangeMessageVisibility: from now, and 0 gives the message back (SQS-21)."""
    delivery = stage.handles.get(handle)
    if delivery is None:
        return _error(UNKNOWN_HANDLE)
    if not 0 <= seconds <= MOST_HIDDEN:
        return _error(EXTEND_CODES[Cause.OUT_OF_RANGE])
    return _settled(EXTEND_CODES, stage.broker.extend(stage.now, delivery, nanos(seconds)))


def nack(stage: Stage, actor: str, handle: str) -> Result:
    return extend(stage, actor, handle, 0)


def purge(stage: Stage, actor: str, queue: str) -> Result:
    """PurgeQueue."""
    if _is_gone(stage, queue):
        return _error(NO_QUEUE)
    last: Nanos | None = stage.notes.get(("purged", queue))
    if last is not None and stage.now < last + PURGE_EVERY:
        return _error("PurgeQueueInProgress")
    stage.notes["purged", queue] = stage.now
    stage.broker.purge(stage.now, queue)
    return OK


def redrive(stage: Stage, actor: str, dlq: str) -> Result:
    """StartMessageMoveTask, back to the queue that this one is the dead-letter queue of (SQS-29)."""
    queues = stage.broker.queues
    sources = [name for name, each in queues.items() if (rule := each.profile.dlq) is not None and rule.queue == dlq]
    if len(sources) != 1:
        raise NotCovered("redrive from a queue that is not one queue's dead-letter queue")
    stage.broker.redrive(stage.now, dlq, sources[0])
    return OK


def delete(stage: Stage, actor: str, queue: str) -> Result:
    """DeleteQueue."""
    if _is_gone(stage, queue):
        return _error(NO_QUEUE)
    stage.broker.purge(stage.now, queue)
    stage.notes["deleted", queue] = stage.now
    return OK


def crash(stage: Stage, actor: str) -> Result:
    """The client is gone, and nothing happens until the visibility timeout (SQS-33)."""
    stage.broker.forget(stage.now, actor)
    return OK


def depth(stage: Stage, actor: str, queue: str) -> Result:
    """GetQueueAttributes, as one consistent node answers."""
    if _is_gone(stage, queue):
        return _error(NO_QUEUE)
    it = stage.broker.queues[queue]
    return {"ready": it.visible, "in_flight": it.in_flight, "delayed": it.delayed}


OPERATIONS: dict[str, Callable[..., Result]] = {
    "send": send,
    "send_batch": send_batch,
    "publish": publish,
    "receive": receive,
    "await": await_,
    "ack": ack,
    "nack": nack,
    "extend": extend,
    "purge": purge,
    "redrive": redrive,
    "delete": delete,
    "crash": crash,
    "close": crash,
    "depth": depth,
}


def describe(delivery: Delivery) -> Result:
    """ApproximateReceiveCount and MessageGroupId."""
    group = delivery.message.group
    return {"count": delivery.attempt, **({} if group is None else {"group": group})}


SQS = Dialect("sqs", frozenset({"sqs-standard", "sqs-fifo"}), broker, OPERATIONS, describe)


# --- small parts --------------------------------------------------------------------------------------------------


def _error(code: str) -> Result:
    return {"error": code}


def _settled(codes: Mapping[Cause, str], cause: Cause) -> Result:
    return _error(codes[cause]) if cause in codes else OK


def _answer(stage: Stage, answer: Deliveries) -> Result:
    if answer.refused:
        return _error(RECEIVE_CODES[answer.refused])
    return {"messages": [stage.report(delivery) for delivery in answer]}


def _is_gone(stage: Stage, queue: str) -> bool:
    return ("deleted", queue) in stage.notes


def _body_code(body: str) -> str | None:
    return "InvalidMessageContents" if not body or _FORBIDDEN.search(body) else None  # SQS-1


def _delay_code(delay: Number | None) -> str | None:
    return SEND_CODES[Cause.OUT_OF_RANGE] if delay is not None and delay < 0 else None


def _dedup_id(profile: Profile, body: str, group: str | None, dedup: str | None) -> str | None:
    """The explicit id wins over the content's (SQS-5); without either, the recorder sent the body as the id."""
    if dedup is not None or not profile.needs_group or group is None:
        return dedup
    return sha256(body.encode()).hexdigest() if profile.content_dedup else body


def _entry(profile: Profile, entry: Json) -> dict[str, Any]:
    group, body = entry.get("group"), entry["body"]
    return _message(body, entry.get("delay"), group, _dedup_id(profile, body, group, entry.get("dedup")))


def _message(body: str, delay: Number | None, group: str | None, dedup: str | None) -> dict[str, Any]:
    wait = None if delay is None else nanos(delay)
    return {"payload": body, "size": _size(body), "delay": wait, "group": group, "dedup": dedup}


def _size(text: str) -> int:
    return len(text.encode())
