"""Azure Service Bus in traces: what a queue's settings, an operation and an error are in the kernel's terms.

Each value cites its rule: ASB-n in the project's list of broker rules.  No broker was recorded: what the traces expect
stands in the documentation, and each says on which page.  Every queue ``q`` has ``q/$dlq`` behind it; a subscription of
a topic is a queue.  An actor is a connection; what it has prefetched waits in its buffer until it ``take``s it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from qsim.brokers.servicebus import (
    AZURE_SERVICE_BUS,
    DETECTION_WINDOW,
    dead_letter_queue_of,
    with_dead_letters,
    with_sessions,
)
from qsim.kernel import filters, peeklock, session_lock
from qsim.kernel.broker import Broker
from qsim.kernel.journal import Cause
from qsim.kernel.message import Credit, Deliveries, Delivery
from qsim.kernel.profile import Capacity, Profile
from qsim.kernel.routing import Subscription
from qsim.kernel.session_lock import BySession, SessionLock
from qsim.kernel.transaction import Transaction
from qsim.trace.load import Json, nanos
from qsim.trace.stage import OK, Dialect, Malformed, NotCovered, Result, Stage, seconds
from qsim.units import Nanos

Number = int | Decimal
DLQ = "/$dlq"

# --- what the kernel refuses, and why messages die, in the words of the service ---------------------------------------

SEND_CODES = {
    Cause.FULL: "QuotaExceeded",  # ASB limits: entity size
    Cause.TOO_LARGE: "MessageSizeExceeded",  # ASB limits: 256 KB
    Cause.NO_GROUP: "InvalidOperation",  # ASB-20: SessionId is needed
    Cause.NOT_ALLOWED: "InvalidOperation",  # ASB-17: nobody sends to a dead-letter queue
}
LOST = frozenset({Cause.NO_MESSAGE, Cause.NOT_IN_FLIGHT, Cause.RECEIPT_EXPIRED, Cause.RECEIVED_AGAIN, Cause.NO_SESSION})
MESSAGE_LOST, SESSION_LOST = "MessageLockLost", "SessionLockLost"  # ASB-10, ASB-21
CODES = {
    Cause.NOT_ALLOWED: "InvalidOperation",  # ASB-17, ASB-25
    Cause.TOO_MANY: "QuotaExceeded",  # ASB-25: 100 messages a transaction
    Cause.OUT_OF_RANGE: "TransactionTimeout",  # ASB-25: 2 min
    Cause.SESSION_LOCKED: "SessionCannotBeLocked",  # ASB-20
    Cause.NO_SESSION: "ServiceTimeout",  # ASB-20: no session became available
    Cause.NO_MESSAGE: "MessageNotFound",  # ASB-3, ASB-13
}
REASONS = {
    Cause.MAX_RECEIVES: "MaxDeliveryCountExceeded",  # ASB-15
    Cause.TTL: "TTLExpiredException",  # ASB-16
    Cause.RETENTION: "TTLExpiredException",  # ASB-16
    Cause.HOPS: "MaxTransferHopCountExceeded",  # ASB-16
    Cause.NO_GROUP: "Session id is null",  # ASB-16
}
NO_LOCK = "InvalidOperation"  # ASB-5: what was received and deleted has no lock


# --- the queues ---------------------------------------------------------------------------------------------------

_SETTINGS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "lock": ("visibility_timeout", nanos),  # ASB-5
    "ttl": ("retention", nanos),  # ASB-4
    "dead_letter_on_expiry": ("ttl_dead_letters", bool),  # ASB-16
    "duplicate_detection": ("dedup_window", lambda on: DETECTION_WINDOW if on is True else nanos(on)),  # ASB-2
    "forward_to": ("forward_to", str),  # ASB-26
    "max_messages": ("capacity", lambda most: Capacity(messages=most)),
    "max_bytes": ("capacity", lambda most: Capacity(bytes=most)),
}
_OTHERS = {"sessions", "max_delivery"}


class Namespace:
    """The broker, and what clients have prefetched."""

    def __init__(self, config: Json) -> None:
        _only(config, {"profile", "queues", "topics", "native"}, "config")
        profiles: dict[str, Profile] = {}
        for name, settings in config["queues"].items():
            queue = profiles[name] = _profile(name, settings)
            profiles[name + DLQ] = dead_letter_queue_of(queue)
        topics = {name: [_subscription(each) for each in given] for name, given in config.get("topics", {}).items()}
        self.broker = Broker(profiles, topics)
        self.buffers: dict[tuple[str, str], deque[Delivery]] = {}
        self._owners: dict[Credit, deque[Delivery]] = {}

    def subscribe(self, now: Nanos, actor: str, queue: str, prefetch: int) -> None:
        credit = self.broker.subscribe(now, queue, actor, prefetch)
        self._owners[credit] = self.buffers[actor, queue] = deque()

    def forget(self, actor: str) -> None:
        """Its buffers are gone with it."""
        self.buffers = {key: buffer for key, buffer in self.buffers.items() if key[0] != actor}

    def wake_at(self) -> Nanos | None:
        return self.broker.wake_at()

    def wake(self, now: Nanos) -> None:
        self.broker.wake(now)

    def deliveries(self) -> list[tuple[Credit, Deliveries]]:
        """What receives that waited came to; what was pushed goes to its buffer."""
        made = self.broker.deliveries()
        for credit, deliveries in made:
            if credit.is_pushed:
                self._owners[credit].extend(deliveries)
        return [(credit, deliveries) for credit, deliveries in made if not credit.is_pushed]


def _profile(name: str, settings: Json) -> Profile:
    _only(settings, {*_SETTINGS, *_OTHERS}, "queue setting")
    changes = {_SETTINGS[key][0]: _SETTINGS[key][1](value) for key, value in settings.items() if key in _SETTINGS}
    queue = replace(AZURE_SERVICE_BUS, **changes)
    if settings.get("sessions"):
        if queue.forward_to is not None:
            raise NotCovered("auto-forward from a queue with sessions, which Service Bus does not have (ASB-26)")
        queue = with_sessions(queue)
    return with_dead_letters(queue, name + DLQ, settings.get("max_delivery"))


def _subscription(each: Json) -> Subscription:
    _only(each, {"queue", "rules"}, "subscription setting")
    return Subscription(each["queue"], rules=tuple(_rule(rule) for rule in each.get("rules", [{}])))


def _rule(given: Json) -> filters.Rule:
    _only(given, {"sql", "equal", "action"}, "rule with")
    chosen: filters.Filter = filters.Everything()  # ASB-24: the default rule
    if "sql" in given:
        chosen = filters.Sql(given["sql"])
    elif "equal" in given:
        chosen = filters.Correlation(tuple(given["equal"].items()))
    return filters.Rule(chosen, filters.Action(given["action"]) if "action" in given else None)


def _only(given: Json, known: set[str], what: str) -> None:
    for key in given:
        if key not in known:
            raise NotCovered(f"{what} {key!r} of azure-service-bus")


# --- sending ------------------------------------------------------------------------------------------------------


def send(
    stage: Stage,
    actor: str,
    queue: str,
    body: str | None = None,
    bodies: list[str] | None = None,
    ttl: Number | None = None,
    session: str | None = None,
    dedup: str | None = None,
    size: int | None = None,
    attrs: Mapping[str, str] | None = None,
    tx: bool = False,
    via: str | None = None,
) -> Result:
    """SendMessage, for each of ``bodies`` in turn; ``sequence`` of the last one."""
    if body is None and bodies is None:
        raise Malformed("send needs 'body' or 'bodies'")
    for text in [str(body)] if bodies is None else bodies:
        message = _message(text, ttl, session, dedup, size, attrs)
        if tx:
            if cause := _transaction(stage, actor).send(queue, via, **message):
                return _error(CODES[cause])
        elif code := SEND_CODES.get(stage.broker.send(stage.now, queue, **message)):
            return _error(code)
    newest = stage.broker.queues[queue].newest
    return OK if newest is None or tx else {**OK, "sequence": newest.number_here}


def schedule(
    stage: Stage,
    actor: str,
    queue: str,
    body: str,
    delay: Number,
    ttl: Number | None = None,
    dedup: str | None = None,
) -> Result:
    """ScheduleMessage: the number by which it can be cancelled (ASB-3)."""
    answer, number = peeklock.schedule(
        stage.broker, stage.now, queue, nanos(delay), **_message(body, ttl, None, dedup, None, None)
    )
    code = SEND_CODES.get(answer)
    return _error(code) if code else OK if number is None else {**OK, "sequence": number}


def cancel_scheduled(stage: Stage, actor: str, queue: str, sequence: int) -> Result:
    """CancelScheduledMessage."""
    return _settled(CODES, peeklock.cancel(stage.broker, stage.now, queue, sequence))


def publish(
    stage: Stage, actor: str, topic: str, body: str, attrs: Mapping[str, str] | None = None, session: str | None = None
) -> Result:
    """A send to a topic: it succeeds, whoever gets a copy (ASB-24)."""
    if topic not in stage.broker.topics:
        raise Malformed(f"no topic is called {topic!r}")
    stage.broker.publish(stage.now, topic, attributes=attrs, payload=body, size=len(body.encode()), group=session)
    return OK


# --- receiving ----------------------------------------------------------------------------------------------------


def receive(
    stage: Stage,
    actor: str,
    queue: str,
    max: int = 1,
    wait: Number = 0,
    mode: str = "peek-lock",
    call: str | None = None,
) -> Result:
    """ReceiveMessages; with ``call`` in the background, to be reported by ``await``."""
    if isinstance(stage.broker.queues[queue].ready, BySession) and (code := _session_code(stage, actor, queue)):
        return _error(code)
    if mode == "receive-and-delete":
        answer = peeklock.receive_and_delete(stage.broker, stage.now, queue, actor, max)
        reported = _reported(stage, answer)
        stage.notes.update({("deleted", message["handle"]): True for message in reported["messages"]})
        return reported
    begun = stage.ask(actor, queue, max, nanos(wait), None)
    if call is not None:
        stage.calls[call] = begun
        return {"pending": call}
    return _reported(stage, stage.finish(begun))


def await_(stage: Stage, actor: str, call: str) -> Result:
    """What a receive in the background came to, and when."""
    if call not in stage.calls:
        raise Malformed(f"no call {call!r} was begun")
    begun = stage.calls.pop(call)
    return {**_reported(stage, stage.finish(begun)), "returned_at_about": seconds(begun.returned)}


def subscribe(stage: Stage, actor: str, queue: str, prefetch: int) -> Result:
    """A receiver with PrefetchCount: messages come to its buffer, and their locks run (ASB-8)."""
    _namespace(stage).subscribe(stage.now, actor, queue, prefetch)
    return OK


def take(stage: Stage, actor: str, queue: str, max: int = 1) -> Result:
    """A receive from the buffer, in the order in which it was filled."""
    buffer = _namespace(stage).buffers[actor, queue]
    taken = [buffer.popleft() for _ in range(min(max, len(buffer)))]
    for delivery in taken:
        stage.broker.take(stage.now, delivery)
    return {"messages": [stage.report(delivery) for delivery in taken]}


def receive_deferred(stage: Stage, actor: str, queue: str, sequences: list[int]) -> Result:
    """ReceiveDeferredMessages: not found if one is not there (ASB-13)."""
    answer = peeklock.fetch(stage.broker, stage.now, queue, actor, sequences)
    return _reported(stage, answer) if answer else _error(CODES[Cause.NO_MESSAGE])


# --- settling ---------------------------------------------------------------------------------------------------------


def ack(stage: Stage, actor: str, handle: str, tx: bool = False) -> Result:
    """CompleteMessage."""
    return _settle(stage, actor, handle, tx, lambda now, delivery: stage.broker.ack(now, delivery))


def nack(stage: Stage, actor: str, handle: str, tx: bool = False) -> Result:
    """AbandonMessage."""
    return _settle(stage, actor, handle, tx, lambda now, delivery: stage.broker.nack(now, delivery))


def dead_letter(
    stage: Stage, actor: str, handle: str, reason: str | None = None, description: str | None = None, tx: bool = False
) -> Result:
    """DeadLetterMessage."""
    return _settle(
        stage, actor, handle, tx, lambda now, d: peeklock.dead_letter(stage.broker, now, d, reason, description)
    )


def defer(stage: Stage, actor: str, handle: str, tx: bool = False) -> Result:
    """DeferMessage."""
    return _settle(stage, actor, handle, tx, lambda now, delivery: peeklock.defer(stage.broker, now, delivery))


def extend(stage: Stage, actor: str, handle: str) -> Result:
    """RenewMessageLock."""
    return _settle(stage, actor, handle, False, lambda now, delivery: peeklock.renew(stage.broker, now, delivery))


def _settle(stage: Stage, actor: str, handle: str, tx: bool, call: Callable[[Nanos, Delivery], Cause]) -> Result:
    delivery = stage.handles.get(handle)
    if delivery is None:
        raise Malformed(f"there is no handle {handle!r}")
    if ("deleted", handle) in stage.notes:
        return _error(NO_LOCK)
    if tx:
        return _settled(CODES, _transaction(stage, actor).settle(delivery, lambda now: call(now, delivery)))
    cause = call(stage.now, delivery)
    if cause in LOST:
        queue = delivery.message.queue
        is_session = isinstance(queue.ready, BySession) and _session_code(stage, actor, queue.name) is not None
        return _error(SESSION_LOST if is_session else MESSAGE_LOST)
    return _settled(CODES, cause)


# --- sessions ---------------------------------------------------------------------------------------------------------


def accept_session(stage: Stage, actor: str, queue: str, session: str | None = None) -> Result:
    """AcceptSession, or AcceptNextSession."""
    answer = peeklock.accept_session(stage.broker, stage.now, queue, actor, session)
    if isinstance(answer, Cause):
        return _error(CODES[answer])
    stage.notes["session", actor, queue] = answer
    return {"session": answer.session}


def renew_session(stage: Stage, actor: str, queue: str) -> Result:
    """RenewSessionLock."""
    return _of_session(peeklock.renew_session(stage.broker, stage.now, _lock(stage, actor, queue)))


def close_session(stage: Stage, actor: str, queue: str) -> Result:
    """The receiver of a session is closed."""
    return _of_session(peeklock.close_session(stage.broker, stage.now, _lock(stage, actor, queue)))


def set_session_state(stage: Stage, actor: str, queue: str, state: str | None = None) -> Result:
    return _of_session(session_lock.set_state(_lock(stage, actor, queue), state))


def get_session_state(stage: Stage, actor: str, queue: str) -> Result:
    lock = _lock(stage, actor, queue)
    return {"state": session_lock.state(lock)} if lock.arm else _error(SESSION_LOST)


def _of_session(cause: Cause) -> Result:
    return _error(SESSION_LOST) if cause is Cause.NO_SESSION else OK


def _lock(stage: Stage, actor: str, queue: str) -> SessionLock:
    lock: SessionLock | None = stage.notes.get(("session", actor, queue))
    if lock is None:
        raise Malformed(f"{actor} has no session of {queue!r}")
    return lock


def _session_code(stage: Stage, actor: str, queue: str) -> str | None:
    """Why nothing can be received here: a session is needed (ASB-20), or it is lost (ASB-21)."""
    lock: SessionLock | None = stage.notes.get(("session", actor, queue))
    if lock is None:
        return CODES[Cause.NOT_ALLOWED]
    client = stage.broker.client_number(actor)
    return None if session_lock.lock_of(stage.broker.queues[queue], client) is lock else SESSION_LOST


# --- transactions, leaving, looking -----------------------------------------------------------------------------------


def tx(stage: Stage, actor: str, action: str) -> Result:
    """A transaction: ``begin``, then steps with ``tx: true``, then ``commit`` or ``rollback`` (ASB-25)."""
    if action == "begin":
        stage.notes["tx", actor] = Transaction(stage.broker, stage.now)
        return OK
    transaction = _transaction(stage, actor)
    if action == "rollback":
        transaction.rollback()
        return OK
    cause = transaction.commit(stage.now)
    stage.broker.look(stage.now)
    return _error(MESSAGE_LOST) if cause is Cause.NOT_IN_FLIGHT else _settled({**CODES, **SEND_CODES}, cause)


def _transaction(stage: Stage, actor: str) -> Transaction:
    if ("tx", actor) not in stage.notes:
        raise Malformed(f"{actor} has begun no transaction")
    transaction: Transaction = stage.notes["tx", actor]
    return transaction


def crash(stage: Stage, actor: str) -> Result:
    """The connection drops: locks run out, and cannot be used any more (ASB-12)."""
    _namespace(stage).forget(actor)
    stage.broker.forget(stage.now, actor)
    return OK


def close(stage: Stage, actor: str) -> Result:
    """The client is closed in good order (ASB-12, ASB-21)."""
    _namespace(stage).forget(actor)
    peeklock.leave(stage.broker, stage.now, actor)
    return OK


def depth(stage: Stage, actor: str, queue: str) -> Result:
    """Runtime counts: active ones include those that are locked."""
    it, dlq = stage.broker.queues[queue], stage.broker.queues.get(queue + DLQ)
    return {
        "active": it.visible + it.in_flight,
        "scheduled": it.delayed,
        "deferred": it.deferred,
        "dead_letters": 0 if dlq is None else dlq.depth,
    }


OPERATIONS: dict[str, Callable[..., Result]] = {
    "send": send,
    "schedule": schedule,
    "cancel_scheduled": cancel_scheduled,
    "publish": publish,
    "receive": receive,
    "await": await_,
    "subscribe": subscribe,
    "take": take,
    "receive_deferred": receive_deferred,
    "ack": ack,
    "nack": nack,
    "dead_letter": dead_letter,
    "defer": defer,
    "extend": extend,
    "accept_session": accept_session,
    "renew_session": renew_session,
    "close_session": close_session,
    "set_session_state": set_session_state,
    "get_session_state": get_session_state,
    "tx": tx,
    "crash": crash,
    "close": close,
    "depth": depth,
}


def describe(delivery: Delivery) -> Result:
    """DeliveryCount, SequenceNumber, SessionId, properties, and why it is in a dead-letter queue."""
    message = delivery.message
    told: Result = {"count": peeklock.delivery_count(delivery), "sequence": message.number_here}
    attributes = dict(message.attributes or {})
    reason = attributes.pop(peeklock.REASON, REASONS.get(message.died_of))
    description = attributes.pop(peeklock.DESCRIPTION, None)
    given = {"session": message.group, "attrs": attributes or None, "reason": reason, "description": description}
    return told | {key: value for key, value in given.items() if value is not None}


SERVICE_BUS = Dialect("azure-service-bus", frozenset({"azure-service-bus"}), Namespace, OPERATIONS, describe)


# --- small parts ------------------------------------------------------------------------------------------------------


def _namespace(stage: Stage) -> Namespace:
    assert isinstance(stage.clock, Namespace)
    return stage.clock


def _error(code: str) -> Result:
    return {"error": code}


def _settled(codes: Mapping[Cause, str], cause: Cause) -> Result:
    return _error(codes[cause]) if cause in codes else OK


def _reported(stage: Stage, answer: Deliveries) -> Result:
    return {"messages": [stage.report(delivery) for delivery in answer]}


def _message(
    body: str,
    ttl: Number | None,
    session: str | None,
    dedup: str | None,
    size: int | None,
    attrs: Mapping[str, str] | None,
) -> dict[str, Any]:
    lifetime = None if ttl is None else nanos(ttl)
    length = len(body.encode()) if size is None else size
    return {"payload": body, "ttl": lifetime, "group": session, "dedup": dedup, "size": length, "attributes": attrs}
