"""A Redis server as its clients see it: keys, and commands as calls with the time in them.

A command is a client of the kernel: a push is a send, a pop a receive that is acked at once (RED-1), a move to a
processing list a pop and a push (RED-2).  Keys come to be when they are first named.  A client that blocks is its
command, tried again after every command that may have brought something, the longest waiting first (RED-4).

It is for traces, exercises and exact tests; a scenario's Redis queues are the kernel's queues under ``redis-list`` and
``redis-stream``, where the processing list is what is leased.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Literal

from qsim.brokers.redis import REDIS_LIST, REDIS_STREAM
from qsim.brokers.redis_lag import Reads
from qsim.kernel.broker import Broker
from qsim.kernel.journal import NOBODY, Cause, Kind
from qsim.kernel.log import Claimed, Log, held
from qsim.kernel.message import Credit, Deliveries, Delivery, Message
from qsim.kernel.profile import Order, Stale
from qsim.kernel.queue import Queue
from qsim.kernel.ready import LEFT
from qsim.units import Nanos

Side = Literal["left", "right"]
_LEVELS: dict[Side, int] = {"left": 0, "right": 1}
_CHOICES: dict[Side, int] = {"left": LEFT, "right": 0}
_KEY = replace(REDIS_LIST, order=Order.ENDS, stale_ack=(Stale.DELETES, Stale.DELETES))


class RedisError(Exception):
    """What a command is refused with; the text begins with Redis's own word for it."""


@dataclass(frozen=True)
class Blocked:
    """A client that blocks: ``again`` is its command."""

    credit: Credit
    client: str
    again: Callable[[Nanos], list[Delivery]]


class Redis:
    """``is_full``: the memory is used up, and the policy is noeviction (RED-17)."""

    def __init__(self) -> None:
        self.broker = Broker({})
        self.is_full = False
        self._numbers = count()
        self._clients: list[str] = []
        self._scores: dict[str, dict[str, Nanos]] = {}
        self._expiries: dict[str, Nanos] = {}
        self._inboxes: dict[str, dict[str, Queue]] = {}
        self.kinds: dict[str, str] = {}
        """TYPE: what a key was declared as."""
        self._groups: dict[tuple[str, str], str] = {}
        self._reads: dict[tuple[str, str], Reads] = {}
        self._newest_deleted: dict[str, int] = {}
        self._blocked: list[Blocked] = []
        self._is_fed = self._is_serving = False
        self._made: list[tuple[Credit, Deliveries]] = []

    # --- lists ------------------------------------------------------------------------------------------------------

    def push(self, now: Nanos, key: str, *bodies: str, side: Side = "left") -> None:
        """LPUSH or RPUSH.  All of it, and then who waits is served (RED-4)."""
        self._deny(now, key)
        for body in bodies:
            self._push(now, key, body, side)
        self._serve(now)

    def pop(self, now: Nanos, keys: Sequence[str], client: str, side: Side = "right") -> list[Delivery]:
        """RPOP, LPOP, or the first try of BRPOP and BLPOP: from the first key that has something (RED-4)."""
        key = next((key for key in keys if self.length(key)), None)
        return [] if key is None else self._take(now, self._list(key), client, _CHOICES[side])

    def move(
        self, now: Nanos, source: str, to: str, client: str, take: Side = "right", put: Side = "left"
    ) -> list[Delivery]:
        """LMOVE, or the first try of BLMOVE: refused when memory is full, whatever is there (RED-17)."""
        self._deny(now, to)
        moved = self.pop(now, [source], client, take)
        for delivery in moved:
            self._push(now, to, delivery.message.payload, put)
        if moved:
            self._serve(now)
        return moved

    def remove(self, now: Nanos, key: str, body: str) -> int:
        """LREM key 1 body: the first match from the left, for equal bodies cannot be told apart (RED-3)."""
        matches = [message for message in self._list(key).ready if message.payload == body]
        for message in matches[-1:]:
            self._list(key).ack(now, held(message))
        return len(matches[-1:])

    def reap(self, now: Nanos, processing: str, to: str, where: Literal["head", "tail"] = "head") -> int:
        """What an application does for those who died: everything back, to be taken next or last (RED-2)."""
        take, put = _REAP[where]
        moved = 0
        while self.move(now, processing, to, "reaper", take, put):
            moved += 1
        return moved

    def length(self, key: str) -> int:
        """LLEN or ZCARD."""
        return self._list(key).visible

    def _list(self, key: str) -> Queue:
        return self.broker.queues[key] if key in self.broker.queues else self.broker.add(key, _KEY)

    def _push(self, now: Nanos, key: str, body: str, side: Side) -> None:
        self._list(key).send(now, next(self._numbers), _LEVELS[side], payload=body)

    def _take(self, now: Nanos, queue: Queue, client: str, choice: int) -> list[Delivery]:
        taken = queue.hand_out(now, self._number(client), 1, None, None, choice)
        for delivery in taken:
            queue.ack(now, delivery)
        return taken

    # --- blocking ---------------------------------------------------------------------------------------------------

    def block(
        self, now: Nanos, client: str, wait: Nanos | None, command: Callable[[Nanos], list[Delivery]]
    ) -> tuple[list[Delivery], Credit | None]:
        """What a command has at once; else it waits (None: for ever), and ``deliveries`` tells what came of it."""
        if (found := command(now)) or wait == 0:
            return found, None
        number = self.broker.next_number()
        credit = Credit(number, self._number(client), 1, None, None if wait is None else now + wait, is_pushed=False)
        self._blocked.append(Blocked(credit, client, command))
        return [], credit

    def wake_at(self) -> Nanos | None:
        """When the next blocked client gives up."""
        return min((each.credit.ends for each in self._blocked if each.credit.ends is not None), default=None)

    def wake(self, now: Nanos) -> None:
        for each in [each for each in self._blocked if each.credit.ends is not None and each.credit.ends <= now]:
            self._answer(each, [])

    def deliveries(self) -> list[tuple[Credit, Deliveries]]:
        """What blocked commands came to since the last call."""
        made, self._made = self._made, []
        return made

    def _serve(self, now: Nanos) -> None:
        """In the order of blocking; and again, for who moves an element feeds others."""
        self._is_fed = True
        if self._is_serving:
            return
        self._is_serving = True
        while self._is_fed:
            self._is_fed = False
            for each in list(self._blocked):
                if found := each.again(now):
                    self._answer(each, found)
        self._is_serving = False

    def _answer(self, blocked: Blocked, found: list[Delivery]) -> None:
        self._blocked.remove(blocked)
        self._made.append((blocked.credit, Deliveries(found)))

    # --- streams ----------------------------------------------------------------------------------------------------

    def create(self, key: str, *groups: str) -> None:
        """XGROUP CREATE key group 0 MKSTREAM, for each group, before the first entry."""
        self.kinds[key] = "stream"
        for name in groups or ("",):
            first = key if key in self.broker.logs else None
            self.broker.add(key if first is None else f"{key}:{name}", replace(REDIS_STREAM, reads=first))
        self._groups |= {(key, name): f"{key}:{name}" if number else key for number, name in enumerate(groups)}
        self._reads |= {(key, name): Reads() for name in groups}

    def add(self, now: Nanos, key: str, body: str, maxlen: int | None = None) -> int:
        """XADD; the entry's id.  The trimming comes with it (RED-6), then who waits is served."""
        self._deny(now, key)
        log = self.log(key)
        log.groups[0].send(now, next(self._numbers), payload=body)
        entry = log.added
        if maxlen is not None:
            log.trim(now, maxlen)
        self._serve(now)
        return entry

    def read(self, now: Nanos, key: str, group: str, client: str, limit: int = 1, noack: bool = False) -> list[Delivery]:
        """XREADGROUP with >."""
        log = self.log(key)
        deliveries = log.read(now, self.group(key, group), self._number(client), limit, noack)
        for delivery in deliveries:
            self._reads[key, group].note(log, self._newest_deleted.get(key, 0), delivery.message.entry)
        return deliveries

    def history(self, now: Nanos, key: str, group: str, client: str, limit: int | None = None) -> list[Delivery]:
        """XREADGROUP with 0: what this consumer has pending.  It never blocks (RED-8)."""
        return self.log(key).history(now, self.group(key, group), self._number(client), limit)

    def claim(
        self, now: Nanos, key: str, group: str, client: str, entry: int, min_idle: Nanos, justid: bool = False
    ) -> list[Delivery]:
        """XCLAIM of one entry."""
        source = self.group(key, group)
        return self.log(key).claim(now, source, self._number(client), [entry], min_idle, justid)

    def auto_claim(
        self, now: Nanos, key: str, group: str, client: str, min_idle: Nanos, count: int = 100, justid: bool = False
    ) -> Claimed:
        """XAUTOCLAIM from the start."""
        source = self.group(key, group)
        return self.log(key).auto_claim(now, source, self._number(client), min_idle, 0, count, justid)

    def pending(self, key: str, group: str) -> list[tuple[Message, str]]:
        """XPENDING: entries by id, and whose they are."""
        return [(message, self._clients[message.client]) for message in self.log(key).pending(self.group(key, group))]

    def delete(self, now: Nanos, key: str, entry: int) -> bool:
        """XDEL of one entry."""
        deleted = self.log(key).delete(now, entry)
        if deleted:
            self._newest_deleted[key] = max(entry, self._newest_deleted.get(key, 0))
        return deleted

    def lag(self, key: str, group: str) -> int | None:
        """XINFO GROUPS: what the group has still to read, None where Redis does not know."""
        self.group(key, group)
        return self._reads[key, group].lag(self.log(key), self._newest_deleted.get(key, 0))

    def log(self, key: str) -> Log:
        return self.broker.logs[key]

    def group(self, key: str, name: str) -> Queue:
        if (key, name) not in self._groups:
            raise RedisError(f"NOGROUP No such key {key!r} or consumer group {name!r}")
        return self.broker.queues[self._groups[key, name]]

    # --- sorted sets, dedup, pub/sub ----------------------------------------------------------------------------------

    def add_due(self, now: Nanos, key: str, body: str, due: Nanos) -> None:
        """ZADD: a delay queue is a set by due time; what is there already gets a new one (RED-20)."""
        self._deny(now, key)
        scores = self._scores.setdefault(key, {})
        if body not in scores:
            self._push(now, key, body, "left")
        scores[body] = due

    def take_due(self, now: Nanos, key: str, client: str, limit: int) -> list[Delivery]:
        """A poller's ZRANGEBYSCORE up to now, and ZREM of each: by due time, then by name."""
        scores, queue = self._scores.get(key, {}), self._list(key)
        taken: list[Delivery] = []
        for _due, body in sorted((due, body) for body, due in scores.items() if due <= now)[:limit]:
            del scores[body]
            place = next(n for n, message in enumerate(queue.ready) if message.payload == body)
            taken += self._take(now, queue, client, place)
        return taken

    def set_once(self, now: Nanos, name: str, window: Nanos) -> bool:
        """SET name NX PX: whether it was not there.  A later try does not extend the window (RED-20)."""
        self._deny(now, name)
        if self._expiries.get(name, now) > now:
            return False
        self._expiries[name] = now + window
        return True

    def subscribe(self, channel: str, client: str) -> None:
        """From now on a client's connection gets what is published."""
        inboxes = self._inboxes.setdefault(channel, {})
        if client not in inboxes:
            inboxes[client] = self.broker.add(f"{channel}>{client}#{len(self.broker.queues)}", REDIS_LIST)

    def publish(self, now: Nanos, channel: str, body: str) -> int:
        """PUBLISH: a copy to each subscriber that is connected, kept nowhere else (RED-16).  How many that are."""
        inboxes = self._inboxes.get(channel, {})
        number = next(self._numbers)
        for inbox in inboxes.values():
            inbox.send(now, number, payload=body)
        return len(inboxes)

    def heard(self, now: Nanos, client: str) -> list[Delivery]:
        """What has come to a subscriber since it last looked."""
        mine = [inboxes[client] for inboxes in self._inboxes.values() if client in inboxes]
        return [delivery for inbox in mine for _ in range(inbox.visible) for delivery in self._take(now, inbox, client, 0)]

    # --- clients and memory -----------------------------------------------------------------------------------------

    def disconnect(self, now: Nanos, client: str) -> None:
        """A connection is gone: it waits no more and hears no more.  What is pending stays under its name (RED-14)."""
        self._blocked = [each for each in self._blocked if each.client != client]
        for inboxes in self._inboxes.values():
            if (inbox := inboxes.pop(client, None)) is not None:
                inbox.purge(now)

    def _deny(self, now: Nanos, key: str) -> None:
        """Commands that need memory fail; reads, pops and acks go on (RED-17)."""
        if self.is_full:
            index = self.broker.queues[key].index if key in self.broker.queues else -1
            self.broker.journal.write(now, next(self._numbers), NOBODY, 0, index, Kind.REJECTED, Cause.FULL)
            raise RedisError("OOM command not allowed when used memory > 'maxmemory'.")

    def _number(self, client: str) -> int:
        if client not in self._clients:
            self._clients.append(client)
        return self._clients.index(client)


_REAP: dict[str, tuple[Side, Side]] = {"head": ("left", "right"), "tail": ("right", "left")}
"""From which end of the processing list, to which end of the queue: so that the oldest comes out first."""
