"""Redis: lists, streams, sorted sets, pub/sub; a connection an actor.

It knows commands.  Where an operation is several of them it says so; the simulator's table (``trace/redis``) tells the
same of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from time import time
from typing import Any

import redis

from qsim.record.session import Driver, Got, Json, NotRecorded, Result, Session

ENDS = {"left": ("lpush", "lpop", "blpop"), "right": ("rpush", "rpop", "brpop")}
REAP = {"head": ("LEFT", "RIGHT"), "tail": ("RIGHT", "LEFT")}
"""From which end of the processing list, to which end of the queue."""

# --- setting up -----------------------------------------------------------------------------------------------------


def connect(session: Session, _actor: str) -> Any:
    made: Any = redis.Redis.from_url(session.url, decode_responses=True, socket_timeout=30, protocol=2)
    return made


def open_(url: str, config: Json) -> Session:
    """Queues are keys that no other recording has."""
    session = Session(url, config, connect, lambda client: client.close())
    session.admin = connect(session, "admin")
    session.version = f"Redis {session.admin.info('server')['redis_version']}"
    session.cleanups += [lambda: _delete_keys(session), session.admin.close]
    for queue, settings in config["queues"].items():
        session.native[queue] = {"key": queue, "kind": settings["type"], "groups": settings.get("groups", [])}
        for group in settings.get("groups", ()):
            session.admin.xgroup_create(session.name(queue), group, id="0", mkstream=True)
    return session


def _delete_keys(session: Session) -> None:
    session.admin.delete(*session.admin.keys(f"qsim.*.{session.unique}"))


# --- sending --------------------------------------------------------------------------------------------------------


def send(
    session: Session,
    actor: str,
    queue: str,
    body: str | None = None,
    bodies: list[str] | None = None,
    maxlen: int | None = None,
    one_command: bool = False,
    side: str = "left",
    at: float = 0,
    dedup: str | None = None,
    window: float = 0,
    size: int | None = None,
) -> Result | None:
    """SET NX PX, where there is a ``dedup``; then LPUSH or RPUSH, XADD or ZADD of each body."""
    client, key = session.actor(actor), session.name(queue)
    if dedup is not None and not client.set(session.name(f"dedup:{dedup}"), 1, nx=True, px=int(window * 1000)):
        return {"ok": True, "duplicate": True}
    push = getattr(client, ENDS[side][0])
    put: dict[str, Callable[[str], object]] = {
        "list": lambda text: push(key, text),
        "zset": lambda text: client.zadd(key, {text: time() + at}),
        "stream": lambda text: _note(session, queue, text, client.xadd(key, {"b": text}, maxlen=maxlen, approximate=False)),
    }
    texts = [text + "x" * (size or 0) for text in ([body or ""] if bodies is None else bodies)]
    if one_command and _kind(session, queue) == "list":
        push(key, *texts)
    else:
        for text in texts:
            put[_kind(session, queue)](text)
    return None


def _note(session: Session, queue: str, body: str, entry: str) -> None:
    """Which entry a body is, and the other way round."""
    session.notes["id", queue, body] = entry
    session.notes["body", queue, entry] = body


def publish(session: Session, actor: str, channel: str, body: str) -> Result:
    return {"receivers": session.actor(actor).publish(session.name(channel), body)}


def subscribe(session: Session, actor: str, channel: str) -> None:
    """SUBSCRIBE; redis-py does it again by itself when the connection was lost."""
    heard = session.actor(actor).pubsub(ignore_subscribe_messages=True)
    heard.subscribe(session.name(channel))
    heard.get_message(timeout=0.2)
    session.notes["pubsub", actor] = heard


# --- receiving ------------------------------------------------------------------------------------------------------


def receive(
    session: Session,
    actor: str,
    queue: str | None = None,
    queues: list[str] | None = None,
    max: int = 1,
    wait: float = 0,
    processing: str | None = None,
    group: str | None = None,
    history: bool = False,
    noack: bool = False,
    pubsub: bool = False,
    side: str = "right",
) -> list[Got]:
    """(B)RPOP and its like, (B)LMOVE, XREADGROUP, a poll; only the first of several pops blocks."""
    if pubsub:
        return _heard(session.notes["pubsub", actor])
    if queues is not None:
        return _first_of(session, actor, queues, wait)
    assert queue is not None
    if _kind(session, queue) == "list":
        return _pops(session, actor, queue, max, wait, processing, side)
    if _kind(session, queue) == "zset":
        return _due(session, actor, queue, max)
    return _read(session, actor, queue, str(group), max, wait, history, noack)


def _heard(subscription: Any) -> list[Got]:
    found = []
    while (message := subscription.get_message(timeout=0.05)) is not None:
        found.append(Got(message["data"], None, {}))
    return found


def _first_of(session: Session, actor: str, queues: list[str], wait: float) -> list[Got]:
    """BRPOP of several keys: the first that has something."""
    names = {session.name(queue): queue for queue in queues}
    answer = session.actor(actor).brpop(list(names), timeout=wait or 0.01)
    return [] if answer is None else [Got(answer[1], None, {"from": names[answer[0]]})]


def _pops(
    session: Session, actor: str, queue: str, max: int, wait: float, processing: str | None, side: str
) -> list[Got]:
    found: list[Got] = []
    while len(found) < max:
        body = _pop(session, actor, queue, 0 if found else wait, processing, side)
        if body is None:
            break
        found.append(Got(body, (queue, body, processing), {}))
    return found


def _pop(session: Session, actor: str, queue: str, wait: float, processing: str | None, side: str) -> str | None:
    client, key = session.actor(actor), session.name(queue)
    if processing is not None:
        to = session.name(processing)
        moved: Any = client.blmove(key, to, wait, "RIGHT", "LEFT") if wait else client.lmove(key, to, "RIGHT", "LEFT")
        return None if moved is None else str(moved)
    _, pop, block = ENDS[side]
    answer: Any = getattr(client, block)(key, timeout=wait) if wait else [key, getattr(client, pop)(key)]
    return None if answer is None else answer[1]


def _due(session: Session, actor: str, queue: str, max: int) -> list[Got]:
    client, key = session.actor(actor), session.name(queue)
    due = client.zrangebyscore(key, 0, time(), 0, max)
    return [Got(body, None, {}) for body in due if client.zrem(key, body)]


def _read(
    session: Session, actor: str, queue: str, group: str, max: int, wait: float, history: bool, noack: bool
) -> list[Got]:
    """XREADGROUP."""
    start = {session.name(queue): "0" if history else ">"}
    block = int(wait * 1000) or None
    answer = session.actor(actor).xreadgroup(group, actor, start, count=max, block=block, noack=noack)
    return _entries(session, queue, group, answer[0][1] if answer else [])


def _entries(session: Session, queue: str, group: str, rows: list[Any]) -> list[Got]:
    return [_entry(session, queue, group, entry, fields) for entry, fields in rows]


def _entry(session: Session, queue: str, group: str, entry: str, fields: Json) -> Got:
    token = queue, entry, group
    if not fields:  # it was trimmed or deleted, and is pending all the same
        return Got(session.notes["body", queue, entry], token, {"deleted": True})
    pending = session.admin.xpending_range(session.name(queue), group, entry, entry, 1)
    return Got(fields["b"], token, {"count": pending[0]["times_delivered"] if pending else None})


# --- settling -------------------------------------------------------------------------------------------------------


def ack(session: Session, actor: str, handle: str) -> Result:
    """XACK, or LREM from the processing list."""
    queue, what, beside = session.token(handle)
    client = session.actor(actor)
    if _kind(session, queue) == "stream":
        return {"removed": client.xack(session.name(queue), beside, what)}
    return {"removed": client.lrem(session.name(str(beside)), 1, what)}


def claim(
    session: Session,
    actor: str,
    queue: str,
    group: str,
    min_idle: float,
    handle: str | None = None,
    count: int = 100,
    justid: bool = False,
    auto: bool = True,
    start: str = "0-0",
) -> Result:
    """XAUTOCLAIM, or XCLAIM of one entry."""
    idle, ids_only = int(min_idle * 1000), ["JUSTID"] if justid else []
    key = session.name(queue)
    if auto:
        answer = _raw(session, "XAUTOCLAIM", key, group, actor, idle, start, "COUNT", count, *ids_only)
        rows, gone = answer[1], answer[2] if len(answer) > 2 else []
    else:
        rows, gone = _raw(session, "XCLAIM", key, group, actor, idle, session.token(str(handle))[1], *ids_only), []
    lost = [session.notes["body", queue, entry] for entry in gone]
    if justid:
        return {"ids": [session.notes["body", queue, entry] for entry in rows], "deleted": lost}
    fields = [(row[0], dict(zip(row[1][::2], row[1][1::2], strict=True))) for row in rows if row]
    messages = {"messages": [session.report(got) for got in _entries(session, queue, group, fields)]}
    return {**messages, "deleted": lost} if lost else messages


def _raw(session: Session, *command: Any) -> Any:
    """As Redis answers: the client's own reading leaves out which entries are gone."""
    pool = session.admin.connection_pool
    connection = pool.get_connection()
    try:
        connection.send_command(*command)
        return connection.read_response()
    finally:
        pool.release(connection)


def reap(session: Session, actor: str, processing: str, queue: str, where: str = "head") -> Result:
    """LMOVE back, until the processing list is empty."""
    moved, (take, put) = 0, REAP[where]
    while session.admin.lmove(session.name(processing), session.name(queue), take, put) is not None:
        moved += 1
    return {"moved": moved}


def delete(session: Session, actor: str, queue: str, body: str) -> Result:
    """XDEL."""
    return {"removed": session.admin.xdel(session.name(queue), session.notes["id", queue, body])}


def crash(session: Session, actor: str) -> None:
    """The connection is cut, and the actor's next operation opens a new one."""
    if (client := session.actors.pop(actor, None)) is not None:
        client.connection_pool.disconnect()


# --- out of band ----------------------------------------------------------------------------------------------------


def memory_limit(session: Session, actor: str, reached: bool) -> None:
    """CONFIG SET maxmemory, of the whole server, until the end of the recording."""
    session.cleanups.insert(0, lambda: session.admin.config_set("maxmemory", 0))
    session.admin.config_set("maxmemory-policy", "noeviction")
    session.admin.config_set("maxmemory", 1 if reached else 0)


def pending(session: Session, actor: str, queue: str, group: str) -> Result:
    """XPENDING, the first hundred."""
    rows = session.admin.xpending_range(session.name(queue), group, "-", "+", 100)
    told = [(session.notes["body", queue, row["message_id"]], row["consumer"], row["times_delivered"]) for row in rows]
    return {"pending": [{"body": body, "consumer": who, "count": count} for body, who, count in told]}


def depth(session: Session, actor: str, queue: str, group: str | None = None) -> Result:
    """LLEN; ZCARD; XLEN, and what XINFO GROUPS says of the group."""
    admin, key, kind = session.admin, session.name(queue), _kind(session, queue)
    if kind == "list":
        return {"ready": admin.llen(key)}
    if kind == "zset":
        return {"total": admin.zcard(key)}
    total = {"total": admin.xlen(key)}
    if group is None:
        return total
    told = next(each for each in admin.xinfo_groups(key) if each["name"] == group)
    return {**total, "in_flight": told["pending"], "ready": told["lag"]}


def code(error: Exception) -> str:
    text = str(error)
    if isinstance(error, redis.OutOfMemoryError) or "maxmemory" in text:
        return "OOM"
    return text.split()[0] if isinstance(error, redis.ResponseError) and text else type(error).__name__


DRIVER = Driver(
    "redis",
    "redis://127.0.0.1:6379",
    frozenset({"redis-list", "redis-stream", "redis-pubsub"}),
    open_,
    receive,
    {
        "send": send,
        "publish": publish,
        "subscribe": subscribe,
        "ack": ack,
        "claim": claim,
        "reap": reap,
        "delete": delete,
        "crash": crash,
        "close": crash,
        "memory_limit": memory_limit,
        "pending": pending,
        "depth": depth,
    },
    code,
)


def _kind(session: Session, queue: str) -> str:
    if queue not in session.config["queues"]:
        raise NotRecorded(f"no queue is called {queue!r}")
    return str(session.settings(queue)["type"])
