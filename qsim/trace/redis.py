"""Redis in traces: what an operation is in Redis commands (``brokers/redis_server.py`` has what those do).

Where an operation is several commands, or the Python client adds something of its own (it connects and subscribes
again), it is said here; the rule behind each command stands there.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import partial, wraps
from typing import Any, Literal, NamedTuple

from qsim.brokers.redis_server import Redis, RedisError, Side
from qsim.kernel.log import Log
from qsim.kernel.message import Deliveries, Delivery
from qsim.trace.load import Json, nanos
from qsim.trace.stage import OK, Call, Dialect, Malformed, NotCovered, Result, Stage, seconds
from qsim.units import Nanos

Number = int | Decimal

# --- the keys -----------------------------------------------------------------------------------------------------


def server(config: Json) -> Redis:
    """The server that a trace's config describes; lists and sorted sets come to be when they are first named."""
    for key in config.keys() - {"profile", "queues", "native"}:
        raise NotCovered(f"config {key!r} of redis")
    made = Redis()
    for name, settings in config.get("queues", {}).items():
        if settings.get("type") not in _TYPES:
            raise NotCovered(f"queue type {settings.get('type')!r} of redis")
        if settings["type"] == "stream":
            made.create(name, *settings.get("groups", ()))
        else:
            made.kinds[name] = settings["type"]
    return made


_TYPES = ("list", "stream", "zset")


class Tells(NamedTuple):
    """Of a receive: the processing list that its messages are in; whether it says from which key they came; whether it
    may find ids without entries."""

    processing: str | None = None
    key: bool = False
    is_history: bool = False


# --- the operations -----------------------------------------------------------------------------------------------


def send(
    stage: Stage,
    actor: str,
    queue: str,
    body: str | None = None,
    bodies: list[str] | None = None,
    maxlen: int | None = None,
    one_command: bool = False,
    side: Side = "left",
    at: Number = 0,
    dedup: str | None = None,
    window: Number | None = None,
    size: int | None = None,
) -> Result:
    """LPUSH or RPUSH, XADD, ZADD: of each body in turn, or of all in one command; after SET NX PX, if so."""
    if body is None and bodies is None:
        raise Malformed("send needs 'body' or 'bodies'")
    redis, now, texts = _redis(stage), stage.now, [body or ""] if bodies is None else bodies
    texts = texts if size is None else [text + "x" * size for text in texts]
    if dedup is not None and not redis.set_once(now, dedup, nanos(window or 0)):
        return {"ok": True, "duplicate": True}
    put: dict[str, Callable[[str], object]] = {
        "list": lambda text: redis.push(now, queue, text, side=side),
        "zset": lambda text: redis.add_due(now, queue, text, now + nanos(at)),
        "stream": lambda text: stage.notes.update({("id", queue, text): redis.add(now, queue, text, maxlen)}),
    }
    if one_command and _kind(stage, queue) == "list":
        redis.push(now, queue, *texts, side=side)
    else:
        for text in texts:
            put[_kind(stage, queue)](text)
    return OK


def receive(
    stage: Stage,
    actor: str,
    queue: str | None = None,
    queues: list[str] | None = None,
    max: int = 1,
    wait: Number = 0,
    processing: str | None = None,
    group: str | None = None,
    history: bool = False,
    noack: bool = False,
    pubsub: bool = False,
    side: Side = "right",
    call: str | None = None,
) -> Result:
    """RPOP and its like, LMOVE, XREADGROUP, or a poll; only the first of several pops blocks."""
    redis = _redis(stage)
    kind = "pubsub" if pubsub else "keys" if queues is not None else _kind(stage, str(queue))
    key, keys, group = str(queue), queues or [], str(group)
    commands: dict[str, Callable[[Nanos], list[Delivery]]] = {
        "pubsub": lambda now: _hear(stage, actor),
        "keys": lambda now: redis.pop(now, keys, actor),
        "zset": lambda now: redis.take_due(now, key, actor, max),
        "list": lambda now: _several(max, partial(redis.pop, now, [key], actor, side)),
        "moved": lambda now: _several(max, partial(redis.move, now, key, str(processing), actor)),
        "stream": lambda now: redis.read(now, key, group, actor, max, noack),
        "history": lambda now: redis.history(now, key, group, actor, max),
    }
    if kind == "list" and processing is not None:
        kind = "moved"
    elif kind == "stream" and history:
        kind = "history"
    tells = Tells(processing, queues is not None, history)
    wait = 0 if kind in ("pubsub", "zset", "history") else wait
    if call is None:
        return _messages(stage, _begin(stage, actor, nanos(wait), commands[kind]), tells)
    stage.notes["tells", call] = tells
    try:
        stage.calls[call] = _begin(stage, actor, nanos(wait), commands[kind])
    except RedisError as error:
        stage.notes["refused", call] = error
    return {"pending": call}


def _begin(stage: Stage, actor: str, wait: Nanos, command: Callable[[Nanos], list[Delivery]]) -> Call:
    found, credit = _redis(stage).block(stage.now, actor, wait, command)
    begun = Call(actor, credit, Deliveries(found) if credit is None else None, stage.now)
    if credit is not None:
        stage.waiting[credit] = begun
    return begun


def _several(most: int, pop: Callable[[], list[Delivery]]) -> list[Delivery]:
    """One command after the other, until one finds nothing."""
    found: list[Delivery] = []
    while len(found) < most and (one := pop()):
        found += one
    return found


def _hear(stage: Stage, actor: str) -> list[Delivery]:
    """A Python subscriber whose connection is gone connects and subscribes again when it next looks."""
    for channel in stage.notes.get(("channels", actor), ()):
        _redis(stage).subscribe(channel, actor)
    return _redis(stage).heard(stage.now, actor)


def await_(stage: Stage, actor: str, call: str) -> Result:
    """What a receive in the background came to, and when."""
    if ("refused", call) in stage.notes:
        raise stage.notes.pop(("refused", call))
    if call not in stage.calls:
        raise Malformed(f"no call {call!r} was begun")
    begun: Call = stage.calls.pop(call)
    return {**_messages(stage, begun, stage.notes["tells", call]), "returned_at_about": seconds(begun.returned)}


def ack(stage: Stage, actor: str, handle: str) -> Result:
    """XACK; or LREM from the processing list that it was moved to."""
    delivery = _handle(stage, handle)
    if delivery.message.queue.profile.is_log:
        return {"removed": int(Log.ack(stage.now, delivery))}
    processing = stage.notes.get(("processing", handle))
    return {"removed": _redis(stage).remove(stage.now, str(processing), delivery.message.payload)}


def claim(
    stage: Stage,
    actor: str,
    queue: str,
    group: str,
    min_idle: Number,
    handle: str | None = None,
    count: int = 100,
    justid: bool = False,
    auto: bool = True,
    start: str = "0-0",
) -> Result:
    """XAUTOCLAIM, or XCLAIM of one handle."""
    if start not in ("0", "0-0", "-"):
        raise NotCovered("claim from an id")
    redis, lost = _redis(stage), []
    if auto:
        found, gone, _ = redis.auto_claim(stage.now, queue, group, actor, nanos(min_idle), count, justid)
        lost = [message.payload for message in gone]
    else:
        entry = _handle(stage, str(handle)).message.entry
        found = redis.claim(stage.now, queue, group, actor, entry, nanos(min_idle), justid)
    if justid:
        return {"ids": [delivery.message.payload for delivery in found], "deleted": lost}
    messages = {"messages": [_report(stage, each, Tells()) for each in found]}
    return {**messages, "deleted": lost} if lost else messages


def reap(
    stage: Stage, actor: str, processing: str, queue: str, where: Literal["head", "tail"] = "head"
) -> Result:
    """LMOVE back, until the processing list is empty (RED-2)."""
    return {"moved": _redis(stage).reap(stage.now, processing, queue, where)}


def publish(stage: Stage, actor: str, channel: str, body: str) -> Result:
    return {"receivers": _redis(stage).publish(stage.now, channel, body)}


def subscribe(stage: Stage, actor: str, channel: str) -> Result:
    stage.notes["channels", actor] = [channel]
    _redis(stage).subscribe(channel, actor)
    return OK


def memory_limit(stage: Stage, actor: str, reached: bool) -> Result:
    """CONFIG SET maxmemory, with noeviction (RED-17)."""
    _redis(stage).is_full = reached
    return OK


def delete(stage: Stage, actor: str, queue: str, body: str) -> Result:
    """XDEL of the entry in which this body was last sent."""
    return {"removed": int(_redis(stage).delete(stage.now, queue, stage.notes["id", queue, body]))}


def crash(stage: Stage, actor: str) -> Result:
    _redis(stage).disconnect(stage.now, actor)
    return OK


def pending(stage: Stage, actor: str, queue: str, group: str) -> Result:
    """XPENDING, the first hundred."""
    found = _redis(stage).pending(queue, group)[:100]
    return {"pending": [{"body": m.payload, "consumer": who, "count": m.receives} for m, who in found]}


def depth(stage: Stage, actor: str, queue: str, group: str | None = None) -> Result:
    """LLEN; ZCARD; or XLEN, and what XINFO GROUPS says of the group."""
    redis, kind = _redis(stage), _kind(stage, queue)
    if kind != "stream":
        return {"ready" if kind == "list" else "total": redis.length(queue)}
    total = {"total": len(redis.log(queue))}
    if group is None:
        return total
    return {**total, "in_flight": redis.group(queue, group).in_flight, "ready": redis.lag(queue, group)}


OPERATIONS: dict[str, Callable[..., Result]] = {
    "send": send,
    "publish": publish,
    "subscribe": subscribe,
    "receive": receive,
    "await": await_,
    "ack": ack,
    "claim": claim,
    "reap": reap,
    "delete": delete,
    "memory_limit": memory_limit,
    "crash": crash,
    "close": crash,
    "pending": pending,
    "depth": depth,
}


# --- small parts --------------------------------------------------------------------------------------------------


def refusable(operation: Callable[..., Result]) -> Callable[..., Result]:
    """What Redis refuses is a result: the first word of its text."""

    @wraps(operation)
    def refused(*args: Any, **more: Any) -> Result:
        try:
            return operation(*args, **more)
        except RedisError as error:
            return {"error": str(error).split()[0]}

    return refused


REDIS = Dialect(
    "redis",
    frozenset({"redis-list", "redis-stream", "redis-pubsub"}),
    server,
    {name: refusable(operation) for name, operation in OPERATIONS.items()},
    lambda delivery: {},
)

def _redis(stage: Stage) -> Redis:
    assert isinstance(stage.clock, Redis)
    return stage.clock


def _kind(stage: Stage, queue: str) -> str:
    if queue not in _redis(stage).kinds:
        raise Malformed(f"no queue is called {queue!r}")
    return _redis(stage).kinds[queue]


def _handle(stage: Stage, handle: str) -> Delivery:
    if handle not in stage.handles:
        raise Malformed(f"there is no handle {handle!r}")
    return stage.handles[handle]


def _messages(stage: Stage, begun: Call, tells: Tells) -> Result:
    return {"messages": [_report(stage, delivery, tells) for delivery in stage.finish(begun)]}


def _report(stage: Stage, delivery: Delivery, tells: Tells) -> Result:
    result = stage.report(delivery)
    stage.notes["processing", result["handle"]] = tells.processing
    queue = delivery.message.queue
    if tells.key:
        return {**result, "from": queue.name}
    if not queue.profile.is_log:
        return result
    is_gone = tells.is_history and not _redis(stage).log(queue.profile.reads or queue.name).has(delivery.message.entry)
    return {**result, "deleted": True} if is_gone else {**result, "count": delivery.attempt}
