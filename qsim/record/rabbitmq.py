"""RabbitMQ over AMQP 0-9-1, through pika: a connection and a channel an actor.

It knows calls of the client.  What a client sends without waiting (an ack, a nack) is followed by a question to the
same queue, so that it has been done, and what is wrong with it is known, when the operation returns.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import pika
from pika import exceptions

from qsim.record.session import Driver, Got, Json, Result, Session

logging.getLogger("pika").setLevel(logging.CRITICAL)  # a channel that is closed is a result here
ARGUMENTS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "ttl": ("x-message-ttl", lambda seconds: int(seconds * 1000)),
    "max_length": ("x-max-length", int),
    "max_bytes": ("x-max-length-bytes", int),
    "overflow": ("x-overflow", str),
    "max_priority": ("x-max-priority", int),
    "delivery_limit": ("x-delivery-limit", int),
    "single_active": ("x-single-active-consumer", bool),
}
SETTLES_IN = 0.2
"""Seconds that a receive collects what has been pushed."""


@dataclass
class Client:
    """``buffer``: what was pushed and not yet reported; ``tags``: its consumers, by queue."""

    connection: Any
    channel: Any
    buffer: list[Got] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    confirms: bool = False


# --- setting up -----------------------------------------------------------------------------------------------------


def connect(session: Session, _actor: str) -> Client:
    connection = pika.BlockingConnection(pika.URLParameters(session.url))
    return Client(connection, connection.channel())


def open_(url: str, config: Json) -> Session:
    session = Session(url, config, connect, lambda client: client.connection.close())
    session.admin = connect(session, "admin")
    session.version = f"RabbitMQ {session.admin.connection._impl.server_properties['version']}"
    for exchange, settings in config.get("exchanges", {}).items():
        _declare_exchange(session, exchange, settings["type"])
    for queue in config["queues"]:
        _declare(session, queue)
    session.cleanups.append(lambda: session.hang_up(session.admin))
    return session


def _declare_exchange(session: Session, exchange: str, kind: str) -> None:
    channel, name = session.admin.channel, session.name(exchange)
    channel.exchange_declare(name, kind)
    session.cleanups.append(lambda: channel.exchange_delete(name))


def _declare(session: Session, queue: str) -> None:
    channel, name, settings = session.admin.channel, session.name(queue), session.settings(queue)
    arguments = _arguments(settings)
    session.native[queue] = {**arguments}
    if "dlq" in settings:
        session.native[queue] |= {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": settings["dlq"]}
        arguments |= {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": session.name(settings["dlq"])}
    channel.queue_declare(name, durable=True, arguments=arguments)
    session.cleanups.append(lambda: channel.queue_delete(name))
    for bound in settings.get("bind", ()):
        channel.queue_bind(name, session.name(bound["exchange"]), bound.get("key", ""))


def _arguments(settings: Json) -> dict[str, Any]:
    kind = {"x-queue-type": "quorum"} if settings.get("type") == "quorum" else {}
    return {**kind, **{name: made(settings[key]) for key, (name, made) in ARGUMENTS.items() if key in settings}}


# --- sending --------------------------------------------------------------------------------------------------------


def send(
    session: Session,
    actor: str,
    queue: str | None = None,
    exchange: str | None = None,
    key: str = "",
    body: str | None = None,
    bodies: list[str] | None = None,
    priority: int | None = None,
    ttl: float | None = None,
    confirm: bool = True,
    mandatory: bool = False,
) -> None:
    """basic.publish, with a publisher confirm."""
    client: Client = session.actor(actor)
    if confirm and not client.confirms:
        client.channel.confirm_delivery()
        client.confirms = True
    target, route = ("", session.name(queue)) if queue is not None else (session.name(str(exchange)), key)
    expiration = None if ttl is None else str(int(ttl * 1000))
    properties = pika.BasicProperties(delivery_mode=2, priority=priority, expiration=expiration)
    for text in [body or ""] if bodies is None else bodies:
        client.channel.basic_publish(target, route, text.encode(), properties, mandatory=mandatory)


# --- receiving ------------------------------------------------------------------------------------------------------


def subscribe(
    session: Session,
    actor: str,
    queue: str,
    prefetch: int = 0,
    auto_ack: bool = False,
    priority: int | None = None,
    exclusive: bool = False,
) -> None:
    """basic.qos for this consumer, and basic.consume."""
    client: Client = session.actor(actor)
    client.channel.basic_qos(prefetch_count=prefetch)

    def pushed(_channel: Any, method: Any, properties: Any, body: bytes) -> None:
        client.buffer.append(_got(client, queue, body, method, properties))

    arguments = {} if priority is None else {"x-priority": priority}
    client.tags[queue] = client.channel.basic_consume(
        session.name(queue), pushed, auto_ack=auto_ack, exclusive=exclusive, arguments=arguments
    )


def cancel(session: Session, actor: str, queue: str) -> None:
    client: Client = session.actor(actor)
    _collect(client)
    client.channel.basic_cancel(client.tags.pop(queue))


def _collect(client: Client) -> None:
    """What has come and was not looked at, pika would give back by itself when it cancels: a nack that nobody asked for."""
    _look(client, 0.02)


def _look(client: Client, seconds: float) -> None:
    """Let pushed messages come into the buffer; pika returns as soon as it has one."""
    until = monotonic() + seconds
    client.connection.process_data_events(time_limit=0)
    while (left := until - monotonic()) > 0:
        client.connection.process_data_events(time_limit=left)


def receive(
    session: Session,
    actor: str,
    queue: str | None = None,
    max: int = 100,
    wait: float = SETTLES_IN,
    pull: bool = False,
) -> list[Got]:
    """basic.get; or what has been pushed to this actor and was not reported yet."""
    client: Client = session.actor(actor)
    if pull:
        return _get(session, client, str(queue), max)
    _look(client, wait)
    told, client.buffer = client.buffer[:max], client.buffer[max:]
    if not told and client.channel.is_closed:
        raise exceptions.ChannelWrongStateError("closed")
    return told


def _get(session: Session, client: Client, queue: str, max: int) -> list[Got]:
    found: list[Got] = []
    while len(found) < max:
        method, properties, body = client.channel.basic_get(session.name(queue))
        if method is None:
            break
        found.append(_got(client, queue, body, method, properties))
    return found


def _got(client: Client, queue: str, body: bytes, method: Any, properties: Any) -> Got:
    headers = properties.headers or {}
    deaths = [{"queue": _ours(each["queue"]), "reason": each["reason"], "count": int(each["count"])} for each in headers.get("x-death", ())]
    tells = {
        "redelivered": bool(method.redelivered),
        "count": int(headers["x-delivery-count"]) + 1 if "x-delivery-count" in headers else None,
        "death": deaths or None,
        "priority": properties.priority,
    }
    return Got(body.decode(), (client, queue, method.delivery_tag), tells)


def _ours(name: str) -> str:
    return name.split(".")[1]


# --- settling -------------------------------------------------------------------------------------------------------


def ack(session: Session, actor: str, handle: str, multiple: bool = False) -> None:
    client, queue, tag = session.token(handle)
    client.channel.basic_ack(tag, multiple=multiple)
    _is_done(session, client, queue)


def nack(session: Session, actor: str, handle: str, requeue: bool = True, multiple: bool = False) -> None:
    client, queue, tag = session.token(handle)
    client.channel.basic_nack(tag, multiple=multiple, requeue=requeue)
    _is_done(session, client, queue)


def reject(session: Session, actor: str, handle: str, requeue: bool = True) -> None:
    client, queue, tag = session.token(handle)
    client.channel.basic_reject(tag, requeue=requeue)
    _is_done(session, client, queue)


def _is_done(session: Session, client: Client, queue: str) -> None:
    client.channel.queue_declare(session.name(queue), passive=True)


def tx(session: Session, actor: str, action: str) -> None:
    getattr(session.actor(actor).channel, f"tx_{action}")()


# --- going away -----------------------------------------------------------------------------------------------------


def crash(session: Session, actor: str) -> None:
    """The socket is closed without a word of the protocol."""
    client: Client | None = session.actors.pop(actor, None)
    if client is None:
        return
    line = client.connection._impl._transport._sock
    with suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)
    line.close()


def close(session: Session, actor: str) -> None:
    client: Client | None = session.actors.pop(actor, None)
    if client is not None:
        _collect(client)
        client.connection.close()


def close_channel(session: Session, actor: str) -> None:
    """And a new one on the same connection."""
    client: Client = session.actor(actor)
    _collect(client)
    client.channel.close()
    client.channel, client.confirms, client.buffer, client.tags = client.connection.channel(), False, [], {}


# --- out of band ----------------------------------------------------------------------------------------------------


def purge(session: Session, actor: str, queue: str) -> Result:
    return {"purged": session.admin.channel.queue_purge(session.name(queue)).method.message_count}


def depth(session: Session, actor: str, queue: str) -> Result:
    """A quorum queue counts an unsettled basic.get as a consumer, so it is not asked for those."""
    told = session.admin.channel.queue_declare(session.name(queue), passive=True).method
    ready = {"ready": told.message_count}
    return ready if session.settings(queue).get("type") == "quorum" else {**ready, "consumers": told.consumer_count}


def code(error: Exception) -> str:
    if isinstance(error, exceptions.NackError):
        return "NACK"
    if isinstance(error, exceptions.UnroutableError):
        return "NO_ROUTE"
    if isinstance(error, exceptions.ChannelClosedByBroker):
        return f"{error.reply_code} {error.reply_text.split(' - ')[0]}"
    return type(error).__name__


DRIVER = Driver(
    "rabbitmq",
    "amqp://guest:guest@127.0.0.1:5672/%2F",
    frozenset({"rabbitmq-classic", "rabbitmq-quorum"}),
    open_,
    receive,
    {
        "send": send,
        "subscribe": subscribe,
        "cancel": cancel,
        "ack": ack,
        "nack": nack,
        "reject": reject,
        "tx": tx,
        "crash": crash,
        "close": close,
        "close_channel": close_channel,
        "purge": purge,
        "depth": depth,
    },
    code,
)
