"""ActiveMQ Classic in traces: what a queue's policy, an operation and an error are in the kernel's terms.

Each value cites its rule: AMQ-n in the project's list of broker rules.  An actor is a connection with one session: its
first operation opens it, and says how it acks.  ``Clients`` are the connections; they stand between the stage and the
broker, for a receive that waits is a client's, and so is a redelivery.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from typing import Any

from qsim.brokers.activemq import (
    ACTIVEMQ_CLASSIC,
    DEFAULT_PREFETCH,
    DEFAULT_PRIORITY,
    DURABLE_TOPIC_PREFETCH,
    LEVELS,
    OVERHEAD,
    REDELIVERY,
    SHARED_DLQ,
    TOPIC_PREFETCH,
)
from qsim.kernel.broker import Broker
from qsim.kernel.client import Consumer, Copy, Session, hand_on
from qsim.kernel.dispatch import ENDS_GROUP
from qsim.kernel.journal import Cause
from qsim.kernel.message import Credit, Deliveries, Delivery
from qsim.kernel.profile import Capacity, DeadLetter, Dispatch, Order, Profile
from qsim.kernel.queue import DELIVERY_MODE
from qsim.kernel.redelivery import AckMode, Redelivery
from qsim.kernel.routing import Subscription, virtual_topic_of
from qsim.trace.load import Json, nanos
from qsim.trace.stage import OK, Dialect, Malformed, NotCovered, Result, Stage, seconds
from qsim.units import MILLISECOND, Nanos

Number = int | Decimal

# --- the queues ---------------------------------------------------------------------------------------------------

SWEEP = 200 * MILLISECOND
POLICIES: dict[str, tuple[bool, dict[str, Any]]] = {
    "shared": (False, {}),
    "plain": (True, {}),
    "prio": (True, {"order": Order.PRIORITY}),  # AMQ-23: prioritizedMessages
    "ttl": (True, {"expire_sweep": SWEEP}),  # AMQ-22: expireMessagesPeriod
    "noexp": (True, {"expire_sweep": SWEEP, "ttl_dead_letters": False}),  # AMQ-21: processExpired=false
    "full": (False, {"capacity": Capacity(bytes=4096, overshoots=True)}),  # AMQ-3: memoryLimit, sendFailIfNoSpace
    "noext": (False, {"extends_window": False}),  # AMQ-7: usePrefetchExtension=false
    "strict": (False, {"dispatch": Dispatch.FILL}),  # AMQ-6: strictOrderDispatch
}
"""By the broker's policy: whether the queue has a dead-letter queue of its own (AMQ-21), and what else is different."""

SEND_CODES = {Cause.FULL: "ResourceAllocationException"}  # AMQ-3
CAUSES = {Cause.TTL: "expired", Cause.MAX_RECEIVES: "redelivery"}
"""AMQ-21: dlqDeliveryFailureCause; a NACK by STOMP gives none."""
CLOSED = "IllegalStateException"

MODES = {
    "auto": AckMode.AUTO,
    "dups_ok": AckMode.AUTO,  # AMQ-11: on a queue, as auto
    "client": AckMode.CLIENT,
    "individual": AckMode.INDIVIDUAL,
    "transacted": AckMode.TRANSACTED,
}
STOMP_MODES = {"auto": AckMode.AUTO, "client": AckMode.UP_TO, "client-individual": AckMode.INDIVIDUAL}  # AMQ-12


@dataclass
class Connection:
    """``prefetch`` None: what a destination has by default (AMQ-5)."""

    session: Session
    prefetch: int | None
    consumers: dict[str, Consumer] = field(default_factory=dict)


@dataclass
class Waiting:
    """A receive under way: up to ``most`` messages; it is over with the first one, or when its wait ends."""

    consumers: list[Consumer]
    most: int
    ends: Nanos
    got: list[Copy] = field(default_factory=list)
    returned: Nanos | None = None


class Clients:
    """All connections, the topics' subscriptions, and the receives that wait."""

    def __init__(self, config: Json) -> None:
        self.config = config
        self.names = {name: settings.get("name", "") for name, settings in config["queues"].items()}
        self.topics = {name for name, settings in config["queues"].items() if settings.get("type") == "topic"}
        self.broker = _broker(config)
        self.connections: dict[str, Connection] = {}
        self.copies: dict[str, Copy] = {}
        self.waiting: list[Waiting] = []
        self._now: Nanos = 0
        self._made = 0

    # --- time -------------------------------------------------------------------------------------------------------

    def wake_at(self) -> Nanos | None:
        """The broker's time, and that of receives that wait for a redelivery or for their end."""
        times = [self.broker.wake_at()]
        for receive in self.waiting:
            times += [receive.ends, *(consumer.wake_at() for consumer in receive.consumers)]
        return min((max(time, self._now) for time in times if time is not None), default=None)

    def wake(self, now: Nanos) -> None:
        """Push and take, until nothing moves: what is taken makes room for more."""
        self._now = now
        hand_on(self.broker, now)
        while any(self._take(receive, now) for receive in self.waiting):
            hand_on(self.broker, now)
        for receive in self.waiting:
            if receive.got or receive.ends <= now:
                receive.returned = now
        self.waiting = [receive for receive in self.waiting if receive.returned is None]

    def deliveries(self) -> list[tuple[Credit, Deliveries]]:
        """None: they are in the consumers' buffers."""
        return []

    def _take(self, receive: Waiting, now: Nanos) -> bool:
        """Whether anything moved: also what a client found used up has made room (AMQ-16)."""
        before = _progress(receive)
        for consumer in receive.consumers:
            while len(receive.got) < receive.most and (copy := consumer.receive(now)) is not None:
                receive.got.append(copy)
            consumer.pull() if len(receive.got) < receive.most else consumer.stop_pulling()
        return _progress(receive) != before

    # --- connections and destinations -------------------------------------------------------------------------------

    def open(
        self, actor: str, ack: str, prefetch: int | None, redelivery: Json | None = None, is_jms: bool = True
    ) -> Connection:
        """The actor's connection; what it is, its first operation has said."""
        if actor not in self.connections:
            self._made += 1
            mode = (MODES if is_jms else STOMP_MODES)[ack]
            policy = _redelivery({**self.config.get("redelivery", {}), **(redelivery or {})})
            self.connections[actor] = Connection(Session(self._made, mode, policy, is_jms), prefetch)
        return self.connections[actor]

    def consumer(self, connection: Connection, queue: str, options: str = "", durable: tuple[str, str] | None = None) -> Consumer:
        """A new consumer of a queue or topic."""
        asked = dict(each.split("=") for each in options.split("&") if each)
        for option in asked.keys() - {"consumer.priority", "consumer.exclusive", "consumer.prefetchSize"}:
            raise NotCovered(f"option {option!r} of activemq")
        target = self._subscription(queue, durable) if queue in self.topics else self.touch(queue)
        default = DEFAULT_PREFETCH
        if queue in self.topics:
            default = DURABLE_TOPIC_PREFETCH if durable else TOPIC_PREFETCH
        prefetch = default if connection.prefetch is None else connection.prefetch
        return connection.session.subscribe(
            self.broker.queues[target],
            int(asked.get("consumer.prefetchSize", prefetch)),
            int(asked.get("consumer.priority", 0)),
            asked.get("consumer.exclusive") == "true",
        )

    def touch(self, queue: str) -> str:
        """A queue of a virtual topic gets copies from the moment at which it exists (AMQ-24)."""
        topic = virtual_topic_of(self.names.get(queue, ""))
        for name in self.topics:
            if topic is not None and self.names[name] == topic:
                self._bind(name, queue)
        return queue

    def _subscription(self, topic: str, durable: tuple[str, str] | None) -> str:
        """A subscription's own queue: a durable one stays, another is as long as its consumer (AMQ-24)."""
        self._made += 1
        name = f"{topic}>{'.'.join(durable) if durable else self._made}"
        if name not in self.broker.queues:
            self.broker.add(name, _profile({"policy": "shared"}, topic))
        self._bind(topic, name)
        return name

    def _bind(self, topic: str, queue: str) -> None:
        if all(each.queue != queue for each in self.broker.topics[topic]):
            self.broker.topics[topic] = (*self.broker.topics[topic], Subscription(queue))

    def forget(self, consumers: list[Consumer], now: Nanos) -> None:
        """Consumers that are closed: with them go the subscriptions that are not durable."""
        for queue in [each.queue.name for each in consumers if each.queue.name.rpartition(">")[2].isdigit()]:
            self.broker.purge(now, queue)
            topic = queue.rpartition(">")[0]
            self.broker.topics[topic] = tuple(each for each in self.broker.topics[topic] if each.queue != queue)
        self.broker.look(now)


def _progress(receive: Waiting) -> tuple[int, ...]:
    return len(receive.got), *(len(consumer.held) for consumer in receive.consumers)


def _broker(config: Json) -> Broker:
    _only(config, {"profile", "queues", "redelivery", "native"}, "config")
    queues = {SHARED_DLQ: replace(ACTIVEMQ_CLASSIC, dlq=None)}
    topics: dict[str, tuple[Subscription, ...]] = {}
    for name, settings in config["queues"].items():
        _only(settings, {"type", "name", "policy"}, "queue setting")
        if settings.get("type") == "topic":
            topics[name] = ()
        else:
            queues[f"dlq:{name}"] = replace(ACTIVEMQ_CLASSIC, dlq=DeadLetter(SHARED_DLQ, None))
            queues[name] = _profile(settings, name)
    return Broker(queues, topics)


def _profile(settings: Json, name: str) -> Profile:
    """Policies go by the prefix of a queue's name: a queue with a name of its own has none."""
    policy = "shared" if "name" in settings else settings.get("policy", "plain")
    if policy not in POLICIES:
        raise NotCovered(f"policy {policy!r} of activemq")
    has_own_dlq, changes = POLICIES[policy]
    return replace(ACTIVEMQ_CLASSIC, dlq=DeadLetter(f"dlq:{name}" if has_own_dlq else SHARED_DLQ, None), **changes)


def _redelivery(given: Json) -> Redelivery:
    _only(given, {"max", "initial_delay", "exponential", "multiplier", "max_delay", "non_blocking"}, "redelivery")
    changes: dict[str, Any] = {}
    if "max" in given:
        changes["most"] = None if given["max"] == -1 else given["max"]
    if "initial_delay" in given:  # the recorder sets both
        changes["initial_delay"] = changes["delay"] = nanos(given["initial_delay"])
    if given.get("exponential"):
        changes |= {"is_exponential": True, "multiplier": float(given["multiplier"])}
    if "max_delay" in given:
        changes["max_delay"] = nanos(given["max_delay"])
    return replace(REDELIVERY, is_blocking=not given.get("non_blocking", False), **changes)


# --- the operations -----------------------------------------------------------------------------------------------


def send(
    stage: Stage,
    actor: str,
    queue: str,
    body: str | None = None,
    bodies: list[str] | None = None,
    priority: int = DEFAULT_PRIORITY,
    ttl: Number = 0,
    persistent: bool = True,
    delay: Number | None = None,
    group: str | None = None,
    close_group: bool = False,
    size: int = 0,
) -> Result:
    """MessageProducer.send, for each of ``bodies`` in turn until one is refused."""
    if body is None and bodies is None:
        raise Malformed("send needs 'body' or 'bodies'")
    clients = _clients(stage)
    attributes = {DELIVERY_MODE: "PERSISTENT" if persistent else "NON_PERSISTENT"}
    if group is not None and close_group:
        attributes[ENDS_GROUP] = "-1"
    session = clients.open(actor, "auto", None).session
    for text in [body] if bodies is None else bodies:
        assert text is not None
        message = {
            "payload": text,
            "level": LEVELS - 1 - priority,
            "ttl": nanos(ttl) or None,
            "delay": None if delay is None else nanos(delay),
            "group": group,
            "size": OVERHEAD + len(text) + size,
            "attributes": attributes,
        }
        refused = session.send(stage.now, partial(_send, clients, queue, message))
        if code := SEND_CODES.get(refused):
            return _error(code)
    return OK


def _send(clients: Clients, queue: str, message: dict[str, Any], now: Nanos) -> Cause:
    if queue not in clients.topics:
        return clients.broker.send(now, clients.touch(queue), **message)
    clients.broker.publish(now, queue, **message)
    return Cause.NONE


def subscribe(
    stage: Stage,
    actor: str,
    queue: str,
    ack: str = "individual",
    prefetch: int = 10,
    protocol: str = "openwire",
    options: str = "",
    durable: str | None = None,
    redelivery: Json | None = None,
    client_id: str | None = None,
) -> Result:
    """createConsumer, createDurableSubscriber; SUBSCRIBE of STOMP, with a prefetch for each."""
    clients, is_jms = _clients(stage), protocol != "stomp"
    connection = clients.open(actor, ack, prefetch, redelivery, is_jms)
    if not is_jms:
        connection.prefetch = prefetch
    consumer = clients.consumer(connection, queue, options, (client_id or actor, durable) if durable else None)
    connection.consumers[queue if is_jms else f"{queue}#{len(connection.consumers)}"] = consumer
    return _done(stage)


def receive(
    stage: Stage,
    actor: str,
    queue: str | None = None,
    max: int = 1,
    wait: Number = 0,
    call: str | None = None,
) -> Result:
    """receive(timeout) until there is nothing more; over STOMP what has been pushed.  With ``call`` in the background."""
    clients = _clients(stage)
    connection = clients.open(actor, "individual", 10)
    waiting = Waiting(_consumers(clients, connection, queue), max, stage.now + nanos(wait))
    clients.waiting.append(waiting)
    for consumer in waiting.consumers:
        consumer.pull()
    _done(stage)
    if call is None:
        return _finish(stage, waiting)
    stage.notes["call", call] = waiting
    return {"pending": call}


def _consumers(clients: Clients, connection: Connection, queue: str | None) -> list[Consumer]:
    """Where a receive looks: the consumer of that queue, made if need be; the first one; over STOMP all of them."""
    mine = connection.consumers
    if not connection.session.is_jms:
        return list(mine.values())
    if queue is None:
        if not mine:
            raise Malformed("receive without a queue, and without a consumer")
        return [next(iter(mine.values()))]
    if queue not in mine:
        mine[queue] = clients.consumer(connection, queue)
    return [mine[queue]]


def _finish(stage: Stage, waiting: Waiting) -> Result:
    """Let time pass until a receive is over."""
    while waiting.returned is None:
        due = stage.clock.wake_at()
        stage.until(stage.now if due is None else due)
    for consumer in waiting.consumers:
        consumer.stop_pulling()
    return {"messages": [_report(stage, copy) for copy in waiting.got]}


def _report(stage: Stage, copy: Copy) -> Result:
    told = stage.report(copy.delivery)
    _clients(stage).copies[told["handle"]] = copy
    return {**told, "count": copy.count, "redelivered": copy.is_redelivered}


def await_(stage: Stage, actor: str, call: str) -> Result:
    """What a receive in the background came to, and when."""
    if ("call", call) not in stage.notes:
        raise Malformed(f"no call {call!r} was begun")
    waiting: Waiting = stage.notes.pop(("call", call))
    result = _finish(stage, waiting)
    assert waiting.returned is not None
    return {**result, "returned_at_about": seconds(waiting.returned)}


def ack(stage: Stage, actor: str, handle: str) -> Result:
    """acknowledge(); ACK of STOMP."""
    copy = _copy(stage, handle)
    session = copy.consumer.session
    if session.is_closed and session.mode in (AckMode.CLIENT, AckMode.INDIVIDUAL):
        return _error(CLOSED)
    session.ack(stage.now, copy)
    return _done(stage)


def nack(stage: Stage, actor: str, handle: str) -> Result:
    """NACK of STOMP: poison (AMQ-12).  JMS has none."""
    copy = _copy(stage, handle)
    if copy.consumer.session.is_jms:
        return _error("unsupported")
    copy.consumer.poison(stage.now, [copy])
    return _done(stage)


def recover(stage: Stage, actor: str) -> Result:
    """Session.recover(), an error in a transaction."""
    session = _session(stage, actor)
    if session.mode is AckMode.TRANSACTED:
        return _error(CLOSED)
    session.recover(stage.now)
    return _done(stage)


def commit(stage: Stage, actor: str) -> Result:
    return _end_transaction(stage, actor, Session.commit)


def rollback(stage: Stage, actor: str) -> Result:
    return _end_transaction(stage, actor, Session.rollback)


def _end_transaction(stage: Stage, actor: str, end: Callable[[Session, Nanos], None]) -> Result:
    session = _session(stage, actor)
    if session.mode is not AckMode.TRANSACTED:
        return _error(CLOSED)
    end(session, stage.now)
    return _done(stage)


def close(stage: Stage, actor: str) -> Result:
    """The connection, in order (AMQ-19)."""
    return _go(stage, actor, Session.close)


def crash(stage: Stage, actor: str) -> Result:
    """The socket is gone (AMQ-19)."""
    return _go(stage, actor, Session.crash)


def _go(stage: Stage, actor: str, end: Callable[[Session, Nanos], None]) -> Result:
    clients = _clients(stage)
    if actor not in clients.connections:
        raise Malformed(f"{actor!r} has no connection")
    connection = clients.connections.pop(actor)
    end(connection.session, stage.now)
    clients.forget(list(connection.consumers.values()), stage.now)
    return _done(stage)


def close_consumer(stage: Stage, actor: str, queue: str = "q") -> Result:
    """MessageConsumer.close(): of a transaction under way, when that ends."""
    clients = _clients(stage)
    consumer = clients.connections[actor].consumers.pop(queue)
    consumer.close(stage.now)
    if consumer.is_closed:
        clients.forget([consumer], stage.now)
    return _done(stage)


def depth(stage: Stage, actor: str, queue: str) -> Result:
    """The statistics plugin: what waits for its schedule is not in the queue."""
    it = stage.broker.queues[queue]
    return {"total": it.visible + it.in_flight, "in_flight": it.in_flight}


OPERATIONS: dict[str, Callable[..., Result]] = {
    "send": send,
    "subscribe": subscribe,
    "receive": receive,
    "await": await_,
    "ack": ack,
    "nack": nack,
    "recover": recover,
    "commit": commit,
    "rollback": rollback,
    "close": close,
    "close_consumer": close_consumer,
    "crash": crash,
    "depth": depth,
}


def describe(delivery: Delivery) -> Result:
    """dlqDeliveryFailureCause; what the client counts, it tells itself (``_report``)."""
    cause = CAUSES.get(delivery.message.died_of)
    return {} if cause is None else {"dlq_cause": cause}


ACTIVEMQ = Dialect("activemq", frozenset({"activemq-classic"}), Clients, OPERATIONS, describe)


# --- small parts --------------------------------------------------------------------------------------------------


def _clients(stage: Stage) -> Clients:
    assert isinstance(stage.clock, Clients)
    return stage.clock


def _session(stage: Stage, actor: str) -> Session:
    return _clients(stage).connections[actor].session


def _copy(stage: Stage, handle: str) -> Copy:
    copies: Mapping[str, Copy] = _clients(stage).copies
    if handle not in copies:
        raise Malformed(f"no message was delivered as {handle!r}")
    return copies[handle]


def _done(stage: Stage) -> Result:
    stage.broker.look(stage.now)
    return OK


def _error(code: str) -> Result:
    return {"error": code}


def _only(given: Json, known: set[str], what: str) -> None:
    for key in given:
        if key not in known:
            raise NotCovered(f"{what} {key!r} of activemq")
