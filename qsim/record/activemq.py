"""ActiveMQ Classic: JMS over OpenWire through its own client (a JVM in this process), and STOMP where a subscribe says so.

It knows calls of the clients.  Redelivery is the JMS client's doing, so another client would record something else.
The url is OpenWire's; ``?stomp=PORT`` says where STOMP is spoken.  The client's jars are looked for where Debian's
package puts them, or in QSIM_ACTIVEMQ_LIB.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from threading import Lock
from time import sleep
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jpype
import jpype.config

from qsim.record.session import OK, Driver, Got, Json, NotRecorded, Result, Session

LIB = Path(os.environ.get("QSIM_ACTIVEMQ_LIB", "/usr/share/activemq/lib"))
MODES = {"transacted": 0, "auto": 1, "client": 2, "dups_ok": 3, "individual": 4}
POLICIES_WITH_OWN_DLQ = ("plain", "prio", "ttl", "noexp")
SHARED_DLQ = "ActiveMQ.DLQ"
SETTLES_IN = 0.15
"""Seconds that a receive waits for its first message."""


@dataclass
class Jms:
    connection: Any
    session: Any
    consumers: dict[str, Any] = field(default_factory=dict)


@dataclass
class Stomp:
    connection: Any
    buffer: list[Any]
    subscriptions: int = 0


# --- the JVM --------------------------------------------------------------------------------------------------------


_STARTING = Lock()


def java(name: str) -> Any:
    """A class of the client, by its full name."""
    with _STARTING:
        return _java(name)


@cache
def _java(name: str) -> Any:
    if not jpype.isJVMStarted():
        _start()
    return jpype.JClass(name)


def _start() -> None:
    jars = [*map(str, LIB.glob("*.jar")), *(str(LIB / "optional" / name) for name in _LOGGING)]
    if len(jars) == len(_LOGGING):
        raise NotRecorded(f"anything without ActiveMQ's client: {LIB} has no jars (QSIM_ACTIVEMQ_LIB says where they are)")
    jpype.startJVM("-Xmx256m", "-XX:+UseSerialGC", "-Xrs", classpath=jars)  # signals are Python's
    jpype.config.destroy_jvm = False  # a connection that was cut leaves a thread behind, which would be waited for
    logs = jpype.JPackage("org").apache.log4j
    logs.Logger.getRootLogger().setLevel(logs.Level.OFF)


_LOGGING = ("slf4j-log4j12.jar", "log4j-1.2.jar")

# --- setting up -----------------------------------------------------------------------------------------------------


def open_(url: str, config: Json) -> Session:
    """Which policy a queue is under, the broker takes from its name: ``qsim.<policy>.<queue>``."""
    session = Session(url, config, lambda session, _name: _jms(session, "individual", 10), _hang_up)
    session.admin = _jms(session, "auto", None)
    session.cleanups.append(session.admin.connection.close)
    session.version = f"ActiveMQ Classic {session.admin.connection.getMetaData().getProviderVersion()}"
    for queue, settings in config["queues"].items():
        name = _name(session, queue).replace(session.unique, "<unique>")
        session.native[queue] = {"name": name, "policy": settings.get("policy", "plain")}
        if settings.get("type", "queue") == "queue" and "name" not in settings:
            _make(session, queue, settings.get("policy", "plain"))
    if any(settings.get("policy") == "shared" for settings in config["queues"].values()):
        _drain(session, SHARED_DLQ)
    return session


def _make(session: Session, queue: str, policy: str) -> None:
    """A queue is there once somebody has looked into it; else the statistics would say nothing of it."""
    for name in (queue, f"dlq:{queue}") if policy in POLICIES_WITH_OWN_DLQ else (queue,):
        session.admin.session.createConsumer(_destination(session, name)).close()


def _drain(session: Session, queue: str) -> None:
    consumer = session.admin.session.createConsumer(_destination(session, queue))
    while consumer.receive(200) is not None:
        pass
    consumer.close()


def _jms(
    session: Session, ack: str, prefetch: int | None, redelivery: Json | None = None, client_id: str | None = None
) -> Jms:
    factory = java("org.apache.activemq.ActiveMQConnectionFactory")(session.url.split("?")[0])
    factory.setAlwaysSyncSend(True)
    if prefetch is not None:
        factory.getPrefetchPolicy().setAll(prefetch)
    _set_redelivery(factory, {**session.config.get("redelivery", {}), **(redelivery or {})})
    connection = factory.createConnection()
    if client_id is not None:
        connection.setClientID(client_id)
    connection.start()
    return Jms(connection, connection.createSession(ack == "transacted", MODES[ack]))


def _set_redelivery(factory: Any, wanted: Json) -> None:
    policy = factory.getRedeliveryPolicy()
    setters: dict[str, Callable[[Any], object]] = {
        "max": policy.setMaximumRedeliveries,
        "initial_delay": lambda seconds: (policy.setInitialRedeliveryDelay(_ms(seconds)), policy.setRedeliveryDelay(_ms(seconds))),
        "exponential": policy.setUseExponentialBackOff,
        "multiplier": lambda factor: policy.setBackOffMultiplier(float(factor)),
        "max_delay": lambda seconds: policy.setMaximumRedeliveryDelay(_ms(seconds)),
        "non_blocking": factory.setNonBlockingRedelivery,
    }
    for key, value in wanted.items():
        setters[key](value)


def _ms(seconds: float) -> Any:
    return jpype.JLong(int(seconds * 1000))


def _name(session: Session, queue: str) -> str:
    if queue == SHARED_DLQ:
        return queue
    if queue.startswith("dlq:"):
        return f"DLQ.{_name(session, queue[4:])}"
    settings = session.settings(queue)
    if "name" in settings:
        return str(settings["name"]).replace("{u}", session.unique)
    return f"qsim.{settings.get('policy', 'plain')}.{queue}.{session.unique}"


def _destination(session: Session, queue: str, options: str = "") -> Any:
    kind = "Topic" if session.settings(queue).get("type") == "topic" else "Queue"
    name = _name(session, queue) + (f"?{options}" if options else "")
    return java(f"org.apache.activemq.command.ActiveMQ{kind}")(name)


def _stomp(session: Session) -> Stomp:
    import stomp

    buffer: list[Any] = []

    class Listener(stomp.ConnectionListener):  # type: ignore[misc]
        def on_message(self, frame: Any) -> None:
            buffer.append(frame)

    ports = parse_qs(urlsplit(session.url).query).get("stomp", ["61613"])
    host = urlsplit(session.url).hostname
    connection = stomp.Connection12([(host, int(ports[0]))], heartbeats=(0, 0))
    connection.set_listener("", Listener())
    connection.connect(wait=True)
    return Stomp(connection, buffer)


# --- the operations -------------------------------------------------------------------------------------------------


def send(
    session: Session,
    actor: str,
    queue: str,
    body: str | None = None,
    bodies: list[str] | None = None,
    priority: int = 4,
    ttl: float = 0,
    persistent: bool = True,
    delay: float | None = None,
    group: str | None = None,
    close_group: bool = False,
    size: int | None = None,
) -> None:
    """MessageProducer.send, synchronous."""
    if actor not in session.actors:
        session.actors[actor] = _jms(session, "auto", None)
    jms: Jms = session.actors[actor]
    producer = jms.session.createProducer(_destination(session, queue))
    mode = 2 if persistent else 1
    for text in [body or ""] if bodies is None else bodies:
        message = _message(jms, text, delay, group, close_group, size)
        producer.send(message, mode, priority, _ms(ttl))
    producer.close()


def _message(jms: Jms, text: str, delay: float | None, group: str | None, close_group: bool, size: int | None) -> Any:
    message = jms.session.createTextMessage(text)
    if size:
        message.setStringProperty("pad", "x" * size)
    if delay is not None:
        message.setLongProperty("AMQ_SCHEDULED_DELAY", _ms(delay))
    if group is not None:
        message.setStringProperty("JMSXGroupID", group)
    if close_group:
        message.setIntProperty("JMSXGroupSeq", jpype.JInt(-1))
    return message


def subscribe(
    session: Session,
    actor: str,
    queue: str,
    ack: str = "individual",
    prefetch: int = 10,
    protocol: str = "openwire",
    options: str = "",
    durable: str | None = None,
    redelivery: Json | None = None,
    client_id: str | None = None,
) -> None:
    """createConsumer, or STOMP's SUBSCRIBE; the actor's first one decides how it is connected."""
    if protocol == "stomp":
        _stomp_subscribe(session, actor, queue, ack, prefetch)
        return
    if actor not in session.actors:
        session.actors[actor] = _jms(session, ack, prefetch, redelivery, client_id)
    jms: Jms = session.actors[actor]
    if durable is not None:
        jms.consumers[queue] = jms.session.createDurableSubscriber(_destination(session, queue), durable)
    else:
        jms.consumers[queue] = jms.session.createConsumer(_destination(session, queue, options))


def _stomp_subscribe(session: Session, actor: str, queue: str, ack: str, prefetch: int) -> None:
    if actor not in session.actors:
        session.actors[actor] = _stomp(session)
    client: Stomp = session.actors[actor]
    client.subscriptions += 1
    headers = {"activemq.prefetchSize": str(prefetch)}
    client.connection.subscribe(
        f"/queue/{_name(session, queue)}", id=str(client.subscriptions), ack=ack, headers=headers
    )


def receive(
    session: Session, actor: str, queue: str | None = None, max: int = 1, wait: float = SETTLES_IN
) -> list[Got]:
    """MessageConsumer.receive, so often as something comes."""
    client = session.actor(actor)
    if isinstance(client, Stomp):
        sleep(wait)
        told = client.buffer[:max]
        del client.buffer[:max]
        return [_stomp_got(client, frame) for frame in told]
    if queue is None:
        queue = next(iter(client.consumers))
    if queue not in client.consumers:
        client.consumers[queue] = client.session.createConsumer(_destination(session, queue))
    found: list[Got] = []
    while len(found) < max:
        message = client.consumers[queue].receive(_ms(0.1 if found else wait))
        if message is None:
            break
        found.append(_got(client, message))
    return found


def _got(client: Jms, message: Any) -> Got:
    tells = {
        "redelivered": bool(message.getJMSRedelivered()),
        "count": int(message.getIntProperty("JMSXDeliveryCount")),
        "dlq_cause": _cause(message),
    }
    return Got(str(message.getText()), (client, message), tells)


def _cause(message: Any) -> str | None:
    if not message.propertyExists("dlqDeliveryFailureCause"):
        return None
    return "expired" if "expired" in str(message.getStringProperty("dlqDeliveryFailureCause")).lower() else "redelivery"


def _stomp_got(client: Stomp, frame: Any) -> Got:
    return Got(frame.body, (client, frame), {"redelivered": frame.headers.get("redelivered") == "true"})


def ack(session: Session, actor: str, handle: str) -> None:
    client, message = session.token(handle)
    if isinstance(client, Stomp):
        client.connection.ack(message.headers["ack"])
        sleep(0.1)
    else:
        message.acknowledge()


def nack(session: Session, actor: str, handle: str) -> Result:
    """STOMP alone has it."""
    client, message = session.token(handle)
    if not isinstance(client, Stomp):
        return {"error": "unsupported"}
    client.connection.nack(message.headers["ack"])
    sleep(0.1)
    return OK


def commit(session: Session, actor: str) -> None:
    session.actors[actor].session.commit()


def rollback(session: Session, actor: str) -> None:
    session.actors[actor].session.rollback()


def recover(session: Session, actor: str) -> None:
    session.actors[actor].session.recover()


def close_consumer(session: Session, actor: str, queue: str = "q") -> None:
    session.actors[actor].consumers.pop(queue).close()


def close(session: Session, actor: str) -> None:
    if actor in session.actors:
        _hang_up(session.actors.pop(actor))


def crash(session: Session, actor: str) -> None:
    """The socket is closed under the client.  What the client then says in its own threads is of no interest."""
    client = session.actors.pop(actor, None)
    if isinstance(client, Jms):
        client.connection.getTransport().narrow(java("java.net.Socket").class_).close()
    elif isinstance(client, Stomp):
        client.connection.transport.socket.close()


def depth(session: Session, actor: str, queue: str) -> Result:
    """The statistics plugin: ``total`` is what is not yet acknowledged, ``in_flight`` what is dispatched of it."""
    admin: Jms = session.admin
    answers = admin.session.createTemporaryQueue()
    consumer = admin.session.createConsumer(answers)
    question = admin.session.createMessage()
    question.setJMSReplyTo(answers)
    to = java("org.apache.activemq.command.ActiveMQQueue")(f"ActiveMQ.Statistics.Destination.{_name(session, queue)}")
    admin.session.createProducer(to).send(question)
    answer = consumer.receive(_ms(1))
    consumer.close()
    answers.delete()
    if answer is None:
        return {"total": 0, "in_flight": 0}
    return {"total": int(answer.getLong("size")), "in_flight": int(answer.getLong("inflightCount"))}


def code(error: Exception) -> str:
    """The name of the Java exception."""
    return type(error).__name__.split(".")[-1]


def _hang_up(client: Any) -> None:
    if isinstance(client, Stomp):
        client.connection.disconnect()
    else:
        with suppress(Exception):
            client.connection.close()


DRIVER = Driver(
    "activemq",
    "tcp://127.0.0.1:61616",
    frozenset({"activemq-classic"}),
    open_,
    receive,
    {
        "send": send,
        "subscribe": subscribe,
        "ack": ack,
        "nack": nack,
        "commit": commit,
        "rollback": rollback,
        "recover": recover,
        "close_consumer": close_consumer,
        "close": close,
        "crash": crash,
        "depth": depth,
    },
    code,
)
