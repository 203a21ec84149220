"""One queue: where a message is, who waits, and what moves a message.  It knows no clock, no dice and no SimPy: time
comes in as ``now``, and whoever calls has first done what was due before (``Broker`` does that by itself, the
simulator by alarms).

A message is in exactly one place: ready, delayed, leased or deferred; or it is gone.  ``visible``, ``in_flight``,
``delayed`` and ``deferred`` count them.  Who waits stands in ``waiting``, the longest waiting first (of several
priorities, the highest first); who is subscribed stands in ``subscribed``, in order of subscribing.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from heapq import heappop, heappush
from itertools import islice
from typing import TYPE_CHECKING, Any

from qsim.kernel import deferral, dispatch, forwarding, session_lock
from qsim.kernel.deadlines import FOREVER, Deadlines, Entry
from qsim.kernel.deaths import goes_round, with_death
from qsim.kernel.journal import ALIKE, CHUNK, NOBODY, ROW, Cause, Kind, Place, ending
from qsim.kernel.message import Credit, Delivery, Message, Subscribed
from qsim.kernel.profile import (
    Capacity,
    Dispatch,
    Grouping,
    OnCrash,
    Order,
    Overflow,
    Profile,
    ReturnsTo,
    Stale,
    Throttle,
)
from qsim.kernel.ready import Fifo, Groups, Levels, lanes_for
from qsim.kernel.throttle import Bucket
from qsim.units import MILLISECOND, Nanos

if TYPE_CHECKING:
    from qsim.kernel.broker import Broker

# Bound once: these stand in the path that every message takes.
_pack, _pack_alike = ROW.pack, ALIKE.pack
_READY, _DELAYED, _LEASED, _GONE, _DEFERRED = Place.READY, Place.DELAYED, Place.LEASED, Place.GONE, Place.DEFERRED
_NONE = Cause.NONE
_ACCEPTED, _RECEIVED, _ACKED = int(Kind.ACCEPTED), int(Kind.RECEIVED), int(Kind.ACKED)
_delivery = tuple.__new__
_MOST_MS = (1 << 31) - 1
_LONGEST = _MOST_MS * MILLISECOND
_UNLIMITED = 1 << 62
_DROPS = (Overflow.DROP_OLDEST, Overflow.DEAD_LETTER)

ACK, NACK, EXTEND = 1, 2, 3
"""``other`` of a STALE row: which call it was."""

DELIVERY_MODE, PERSISTENT = "JMSDeliveryMode", "PERSISTENT"
"""The attribute by which a message says that it is not what its queue's messages are, and one of its values (AMQ-1)."""


def _as_ms(timeout: Nanos) -> int:
    """As it stands in a row."""
    return timeout // MILLISECOND if timeout < _LONGEST else _MOST_MS


def _ways_back(profile: Profile, is_limited: bool) -> dict[Kind, ReturnsTo]:
    """Where a message queues again, by how it came back."""
    back, lost = profile.returns_to, profile.returns_to_after_crash
    if is_limited and profile.returns_to_if_limited is not None:
        back = profile.returns_to_if_limited
    lost = back if lost is None else lost
    late = lost if profile.lease_closes_channel else back
    return {Kind.NACKED: back, Kind.DUPLICATED: back, Kind.LEASE_ENDED: late, Kind.RETURNED: lost}


def _expires_then(entry: Entry) -> bool:
    message: Message = entry[2]
    return message.expires == entry[0] and message.place is not _GONE


def _has_expired_by(entry: Entry) -> bool:
    message: Message = entry[2]
    return message.expires is not None and message.expires <= entry[0] and message.place is not _GONE


class Queue:
    """A named queue under a profile.  Clients and groups are numbers here; names are the Broker's business."""

    # CPython is slow with objects of more than 30 attributes.  __dict__ is for what stands before the methods.
    __slots__ = (
        "__dict__", "_accepted", "_broker", "_comes_back_to", "_elders", "_expires", "_expires_lazily", "_forwards",
        "_full_stay", "_is_between", "_journal", "_lease_line", "_lease_ms", "_limits", "_line_up", "_most",
        "_most_at_receive", "_most_at_return", "_most_in_flight", "_next", "_numbers", "_picks_any", "_push", "_rows",
        "_seen_ids", "_seen_order", "_sessions", "_strikes_heads", "_timeout", "_weighs", "bytes", "deferred",
        "delayed", "deletes", "expiries", "groups", "held_bytes", "in_flight", "index", "is_plain", "is_safe", "leases",
        "name", "newest", "next_number", "picks_the_first", "profile", "ready", "receives", "scheduled", "send",
        "sends", "sends_of_group", "set_aside", "subscribed", "timers", "tracks", "visible", "waiting", "waits",
    )

    def __init__(self, name: str, index: int, profile: Profile, broker: Broker) -> None:
        self.name = name
        self.index = index
        self.visible = self.in_flight = self.delayed = self.deferred = 0
        self.bytes = self.held_bytes = 0
        self.ready = lanes_for(profile)
        self._push = self.ready.push
        self.waiting: deque[Credit] | dispatch.Consumers = deque()
        self._line_up: Callable[[Credit], None] = self.waiting.append
        self.subscribed: list[Subscribed] = []
        self.leases = Deadlines()
        self._lease_line = self.leases.line
        self.timers = Deadlines()
        self.expiries = Deadlines(_expires_then if profile.expire_sweep is None else _has_expired_by)
        self.waits = Deadlines()
        self.set_aside: dict[int, Message] = {}
        """What is deferred, by its number here (``deferral``)."""
        self.scheduled: dict[int, Message] = {}
        """What can be cancelled before it is due, by its number here."""
        self.newest: Message | None = None
        """Who got the last number, where messages are numbered."""
        self._strikes_heads = False
        """Time strikes at the head only, and some message has had an end."""
        self._is_between = False
        """More comes back in this call: what is too much or out of date goes after it."""
        self._elders: list[tuple[Nanos, int, Message]] = []
        """Messages at the back although they are old."""
        self._broker = broker
        self.next_number = self._next = broker.next_number
        self._journal = broker.journal
        self._rows = broker.journal.rows
        self._accepted = ending(NOBODY, 0, index, Kind.ACCEPTED, _READY)
        self._sessions = broker.sessions
        self._seen_ids: dict[Hashable, Nanos] = {}
        self._seen_order: deque[tuple[Nanos, Hashable]] = deque()
        self.sends = self.receives = self.deletes = Bucket(None)
        self.sends_of_group: dict[Hashable, Bucket] = {}
        self._limits: Throttle | None = None
        self.is_safe = False
        """The driver's promise that no client dies and nobody purges: who holds what need not be remembered."""
        self.configure(profile)
        if profile.dispatch is not Dispatch.LONGEST_WAITING:
            self.waiting = dispatch.Consumers(profile)
            self.serve = partial(dispatch.serve, self)  # type: ignore[method-assign]
            self._line_up = self.waiting.append
        elif profile.grouping is Grouping.SESSIONS:
            self.hand_out = partial(session_lock.hand_out, self)  # type: ignore[method-assign]
            self.serve = partial(session_lock.serve, self)  # type: ignore[method-assign]
            self.expire = partial(session_lock.expire, self)  # type: ignore[method-assign]
            self.extend = partial(session_lock.extend, self)  # type: ignore[method-assign]

    def configure(self, profile: Profile) -> None:
        """Take on a profile's settings.  What has begun stays as it was; the order of a queue cannot change."""
        limits = profile.throttle
        if limits != self._limits:
            each = (limits.send, limits.receive, limits.delete) if limits is not None else (None, None, None)
            self.sends, self.receives, self.deletes = map(Bucket, each)
            self.sends_of_group = {}
            self._limits = limits
        self.profile = profile
        self.groups = self.ready if isinstance(self.ready, Groups) else None
        self._weigh(profile.capacity)
        self.tracks = self._weighs or (profile.on_crash is not OnCrash.KEEPS and not self.is_safe)
        limited = profile.needs_group or limits or profile.max_size or profile.max_delay is not None or profile.schedules
        self._forwards = profile.forward_to is not None
        checks = bool(limited or profile.is_subqueue or self._forwards)
        self.send = self._checked_send if checks or not profile.message_delay else self.enter
        """One call with one message: now, number, then what ``enter`` takes.  NONE: it was accepted; DUPLICATE_ID:
        accepted before; else why not."""
        if self._forwards:
            self.send = self._send_and_pass_on
        self._full_stay = profile.full_stay_in_line
        self._most = profile.delivery_limit
        self._comes_back_to = _ways_back(profile, self._most is not None)
        self._most_at_receive = self._most if profile.dead_letters_lazily else None
        self._most_at_return = None if profile.dead_letters_lazily or profile.client_redelivers else self._most
        self._numbers, self._expires_lazily = profile.numbers_messages, profile.expires_lazily
        self._expires = profile.retention is not None or self._numbers
        self.picks_the_first = (
            self.groups is None and not (self._expires_lazily or self._strikes_heads or self._weighs)
        )
        self._most_in_flight = _UNLIMITED if profile.max_in_flight is None else profile.max_in_flight
        self._picks_any = profile.max_in_flight is None and self._most_at_receive is None
        self._timeout = profile.visibility_timeout
        self._lease_ms = -1 if self._timeout is None else _as_ms(self._timeout)
        if self._timeout is None and profile.on_crash is OnCrash.KEEPS:
            self._timeout = FOREVER  # only who knows what is leased can claim or reap it (RED-2, RED-10)
        if profile.grouping is Grouping.SESSIONS:
            self._timeout = None  # ASB-21: the session's lock is all there is
        self.is_plain = not (
            checks or profile.retention is not None or profile.delay or profile.capacity or profile.dead_letters_lazily
            or profile.max_batch is not None or profile.max_wait is not None or profile.in_flight_is_error
            or self._strikes_heads
        )
        """No call is refused or moves other messages, and a send arms no deadline of its own accord."""

    def feed(self, push: Callable[[Message], None]) -> None:
        """What enters goes this way from now on: a group's queue is fed by its log."""
        self.ready.push = self._push = push  # type: ignore[method-assign]

    @property
    def depth(self) -> int:
        return self.visible + self.in_flight + self.delayed + self.deferred

    # --- send ------------------------------------------------------------------------------------------------------

    def _checked_send(
        self,
        now: Nanos,
        number: int,
        level: int = 0,
        group: Hashable = None,
        delay: Nanos | None = None,
        ttl: Nanos | None = None,
        size: int = 0,
        dedup: Hashable = None,
        attributes: Mapping[str, str] | None = None,
        payload: Any = None,
    ) -> Cause:
        throttled = self.sends.take(now)
        if self._limits is not None and not throttled:
            throttled = self._take_of_group(now, group)
        if cause := self._refusal(now, group, delay, size, throttled):
            return self._refuse(now, number, cause)
        if self.profile.schedules and delay and ttl is not None and not self._numbers:
            ttl += delay  # AMQ-2: it is sent when it is due
        return self.enter(now, number, level, group, delay, ttl, size, dedup, attributes, payload)

    def _send_and_pass_on(self, now: Nanos, *message: Any, **more: Any) -> Cause:
        answer = self._checked_send(now, *message, **more)
        self._pass_on(now)
        return answer

    def send_batch(self, now: Nanos, entries: list[dict[str, Any]]) -> list[Cause]:
        """One call with several messages (each a dict of send's arguments after ``now``): one token, then each on
        its own (SQS-4)."""
        profile = self.profile
        cause = self.sends.take(now)
        if profile.max_batch is not None and len(entries) > profile.max_batch:
            cause = Cause.TOO_MANY
        elif profile.max_batch_size is not None and sum(e.get("size", 0) for e in entries) > profile.max_batch_size:
            cause = Cause.TOO_LONG
        groups = dict.fromkeys(entry.get("group") for entry in entries) if not cause else {}
        causes = {group: self._take_of_group(now, group) for group in groups}  # one call, whatever it has of a group
        return [self._send_entry(now, e, cause or causes[e.get("group")], len(entries)) for e in entries]

    def next_send(self, now: Nanos, group: Hashable) -> Nanos:
        """The first moment from now at which a send of this group is not throttled."""
        at = self.sends.next_token(now)
        bucket = self.sends_of_group.get(group)
        return at if bucket is None else max(at, bucket.next_token(now))

    def _take_of_group(self, now: Nanos, group: Hashable) -> Cause:
        """SQS-35: where the limit is that of a partition, and a partition has whole groups."""
        most = self._limits.send_per_group if self._limits is not None else None
        if most is None:
            return _NONE
        if group not in self.sends_of_group:
            self.sends_of_group[group] = Bucket(most)
        return self.sends_of_group[group].take(now)

    def _send_entry(self, now: Nanos, entry: dict[str, Any], cause: Cause, together: int) -> Cause:
        cause = self._refusal(now, entry.get("group"), entry.get("delay"), entry.get("size", 0), cause)
        answer = self._refuse(now, entry["number"], cause, together) if cause else self.enter(now, **entry, together=together)
        if self._forwards:
            self._pass_on(now)
        return answer

    def _refusal(self, now: Nanos, group: Hashable, delay: Nanos | None, size: int, cause: Cause) -> Cause:
        profile = self.profile
        if cause:
            return cause
        if profile.is_subqueue:
            return Cause.NOT_ALLOWED
        if profile.needs_group and group is None:
            return Cause.NO_GROUP
        if delay is not None and not profile.message_delay:
            return Cause.DELAY_NOT_ALLOWED
        if delay is not None and profile.max_delay is not None and delay > profile.max_delay:
            return Cause.OUT_OF_RANGE
        if profile.max_size is not None and size > profile.max_size:
            return Cause.TOO_LARGE
        return _NONE

    def _refuse(self, now: Nanos, number: int, cause: Cause, together: int = 0) -> Cause:
        if cause is not Cause.BLOCKED:
            self._journal.write(now, number, NOBODY, together, self.index, Kind.REJECTED, cause)
        return cause

    def enter(
        self,
        now: Nanos,
        number: int,
        level: int = 0,
        group: Hashable = None,
        delay: Nanos | None = None,
        ttl: Nanos | None = None,
        size: int = 0,
        dedup: Hashable = None,
        attributes: Mapping[str, str] | None = None,
        payload: Any = None,
        together: int = 0,
    ) -> Cause:
        """What a send does once the call itself is in order; ``together``: messages in the call, where it can take several."""
        profile = self.profile
        if dedup is not None and profile.dedup_window != 0 and self._is_duplicate(now, group, dedup):
            self._journal.write(now, number, NOBODY, together, self.index, Kind.SUPPRESSED)
            return Cause.DUPLICATE_ID
        if profile.capacity is not None and (cause := self._make_room(now, size)):
            if profile.capacity.when_full is Overflow.REJECT_DEAD_LETTER:
                self._send_on(now, number, level, group, size, attributes, payload)
            return self._refuse(now, number, cause, together)
        if dedup is not None and profile.dedup_window != 0:
            self._remember(now, group, dedup)
        rank = self._next()
        message = Message(number, self, rank, now)
        if size:
            message.size = size
            self.bytes += size
        label = -1
        if group is not None or level or attributes is not None or payload is not None or dedup is not None:
            message.level, message.group, message.attributes = level, group, attributes
            message.payload, message.dedup = payload, dedup
            label = group if isinstance(group, int) else -1
        if self._expires or ttl is not None:
            self._arm_expiry(message, now, ttl)
        wait = profile.delay if delay is None else delay
        if wait > 0:
            message.place = to = _DELAYED
            message.arm = rank
            self.delayed += 1
            self.timers.add(now + wait, rank, message)
        else:
            to = _READY
            self.visible += 1
            self._push(message)
        rows = self._rows
        rows += _pack(now, number, -1, together, self.index, _ACCEPTED, to, label)
        if len(rows) > CHUNK:
            self._journal.flush()
        if profile.capacity is not None:
            self._shed(now, message)
        return _NONE

    def enter_bare(self, now: Nanos, number: int, size: int) -> Cause:
        """The same for what most sends are: no label and no delay, into a queue that ``is_plain``."""
        message = Message(number, self, self._next(), now)
        message.size = size
        self.bytes += size
        self.visible += 1
        self._push(message)
        rows = self._rows
        rows += _pack_alike(now, number, self._accepted)
        if len(rows) > CHUNK:
            self._journal.flush()
        return _NONE

    def _is_duplicate(self, now: Nanos, group: Hashable, dedup: Hashable) -> bool:
        """SQS-6: remembered from the first accepted send, also after the message is gone."""
        order = self._seen_order
        while order and order[0][0] <= now:
            _, key = order.popleft()
            del self._seen_ids[key]
        return ((group, dedup) if self.profile.dedup_per_group else dedup) in self._seen_ids

    def _remember(self, now: Nanos, group: Hashable, dedup: Hashable) -> None:
        key = (group, dedup) if self.profile.dedup_per_group else dedup
        window = self.profile.dedup_window
        self._seen_ids[key] = now
        if window is not None:
            self._seen_order.append((now + window, key))

    def _arm_expiry(self, message: Message, since: Nanos, ttl: Nanos | None) -> None:
        if self._numbers:
            message.number_here = self.newest.number_here + 1 if self.newest is not None else 1
            self.newest = message
        retention = self.profile.retention
        if retention is not None:
            message.retained_from = since
            ttl = retention if ttl is None else min(ttl, retention)
        if ttl is not None:
            message.expires = max(since + ttl, message.entered)  # a move may come after the end
            if self.profile.expires_at_head:
                self._begin_to_strike_heads()
                if message.expires == message.entered and any(credit.arm and credit.left for credit in self.waiting):
                    message.expires += 1  # RMQ-26: unless a consumer can take it in this very instant
            if not self._expires_lazily:
                self._show_expiry(message, message.expires)

    def _begin_to_strike_heads(self) -> None:
        """From now on a receive may find the head out of date."""
        self._strikes_heads = True
        self.picks_the_first = self.is_plain = False

    def _show_expiry(self, message: Message, noticed: Nanos) -> None:
        """Where a sweep looks for what has expired, it is noticed then (AMQ-22)."""
        sweep = self.profile.expire_sweep
        self.expiries.add(noticed if sweep is None else -(-noticed // sweep) * sweep, message.rank, message)

    # --- capacity -----------------------------------------------------------------------------------------------------

    def is_full(self, size: int = 0, messages: int = 1) -> bool:
        """Whether one more message of this size (or so many) would exceed the capacity."""
        capacity = self.profile.capacity
        if capacity is None:
            return False
        held = self.visible if capacity.counts_ready_only else self.depth
        too_many = capacity.messages is not None and held + messages > capacity.messages + capacity.overshoot
        more = 1 if capacity.overshoots else size
        return too_many or (capacity.bytes is not None and self.bytes - self.held_bytes + more > capacity.bytes)

    def _weigh(self, capacity: Capacity | None) -> None:
        """RMQ-27: where only ready bytes count, those in consumers' hands are counted apart."""
        self._weighs = capacity is not None and capacity.bytes is not None and capacity.counts_ready_only
        held = sum(message.size for message in self.messages() if message.place is _LEASED) if self._weighs else 0
        self.held_bytes = held

    def _make_room(self, now: Nanos, size: int) -> Cause:
        assert self.profile.capacity is not None
        policy = self.profile.capacity.when_full
        if not self.is_full(size):
            return _NONE
        if policy in _DROPS and self.profile.capacity.counts_ready_only:
            return _NONE  # it enters, and the head goes
        if policy in _DROPS:
            self._drop_for(now, size, policy)
            return Cause.FULL if self.is_full(size) else _NONE
        return {Overflow.BLOCK: Cause.BLOCKED, Overflow.DROP_NEWEST: _NONE}.get(policy, Cause.FULL)

    def _send_on(
        self,
        now: Nanos,
        number: int,
        level: int,
        group: Hashable,
        size: int,
        attributes: Mapping[str, str] | None,
        payload: Any,
    ) -> None:
        """RMQ-28: what is refused goes to the dead-letter queue without having been here."""
        if (dlq := self.profile.dlq) is not None:
            refused = Message(number, self, 0, now)
            refused.level, refused.group, refused.size = level, group, size
            refused.attributes, refused.payload = attributes, payload
            refused.deaths = with_death((), self.name, Cause.FULL)
            self._broker.queues[dlq.queue].arrive(now, refused, self.index, 0)

    def _drop_for(self, now: Nanos, size: int, policy: Overflow) -> None:
        """The oldest go, as many as it takes, unless that could never be enough."""
        capacity = self.profile.capacity
        assert capacity is not None
        if capacity.bytes is not None and size > capacity.bytes:
            return
        for _ in range(self.visible):  # not while it is full: two dead-letter queues of each other would never end
            if not self.is_full(size) or (oldest := self.ready.drop_oldest()) is None:
                return
            self._throw_out(now, oldest, policy)

    def _shed(self, now: Nanos, arrived: Message) -> None:
        """drop-newest: the producer hears accepted, and the message goes."""
        capacity = self.profile.capacity
        assert capacity is not None
        if capacity.counts_ready_only:
            self._shrink(now)
            if self._strikes_heads:
                self._strike_heads(now)
        if capacity.when_full is Overflow.DROP_NEWEST and self.depth and self._is_over():
            place = arrived.place
            self._remove(arrived)
            self._journal.write(
                now, arrived.number, NOBODY, 0, self.index, Kind.DROPPED, Cause.FULL, place
            )

    def _is_over(self) -> bool:
        capacity = self.profile.capacity
        assert capacity is not None
        held = self.visible if capacity.counts_ready_only else self.depth
        too_many = capacity.messages is not None and held > capacity.messages
        return too_many or (capacity.bytes is not None and self.bytes - self.held_bytes > capacity.bytes)

    def _throw_out(self, now: Nanos, message: Message, policy: Overflow) -> None:
        if policy is Overflow.DEAD_LETTER:
            self._dead_letter(now, message, Cause.FULL)
        else:
            self._end(now, message, Kind.DROPPED, Cause.FULL, message.place)

    # --- receive --------------------------------------------------------------------------------------------------------

    def refusal(self, now: Nanos, limit: int = 1, wait: Nanos | None = 0, timeout: Nanos | None = None) -> Cause:
        """Whether the broker would refuse this receive, and why; takes a token where calls are limited."""
        profile = self.profile
        if profile.max_batch is not None and not 1 <= limit <= profile.max_batch:
            return Cause.TOO_MANY
        if profile.max_wait is not None and (wait is None or wait > profile.max_wait):
            return Cause.OUT_OF_RANGE
        if timeout is not None and profile.max_visibility is not None and timeout > profile.max_visibility:
            return Cause.OUT_OF_RANGE
        if (cause := self.receives.take(now)) is not _NONE:
            return cause
        most = profile.max_in_flight
        return Cause.OVER_LIMIT if most is not None and profile.in_flight_is_error and self.in_flight >= most else _NONE

    def refuse_receive(self, now: Nanos, client: int, cause: Cause) -> None:
        """Write down that a receive was refused."""
        self._journal.write(now, -1, client, 0, self.index, Kind.REFUSED, cause)

    def empty_receive(self, now: Nanos, client: int) -> None:
        """Write down that a receive ended with nothing."""
        self._journal.write(now, -1, client, 0, self.index, Kind.EMPTY_RECEIVE)

    def hand_out(
        self,
        now: Nanos,
        client: int,
        limit: int = 1,
        timeout: Nanos | None = None,
        credit: Credit | None = None,
        choice: int = 0,
    ) -> list[Delivery]:
        """Lease up to ``limit`` messages to a client, at once: what a receive does that need not wait.

        ``timeout`` None is the queue's own visibility timeout; ``choice`` picks another than the first candidate.
        """
        if not self.visible:
            return []
        if limit == 1 and self.picks_the_first and not choice and timeout is None and (credit is None or not credit.is_pushed):
            delivery = self.hand_out_first(now, client)
            return [] if delivery is None else [delivery]
        picked = self._pick(now, limit, choice)
        together = 0 if credit is not None and credit.is_pushed else len(picked)
        deliveries = [self._lease(now, message, client, timeout, credit, together) for message in picked]
        if self._weighs:
            self.held_bytes += sum(message.size for message in picked)
        if timeout == 0:
            for delivery in deliveries:  # SQS-10: it stays visible, and the receive counts
                self._return(now, delivery.message, Kind.RETURNED)
        if self._strikes_heads:
            self._strike_heads(now)
        return deliveries

    def hand_out_first(self, now: Nanos, client: int) -> Delivery | None:
        """What most receives are: one message, the first, under the queue's own timeout (``picks_the_first``)."""
        if self._picks_any:
            message = self.ready.pop()
        else:
            message = self._next_fit(now) if self.in_flight < self._most_in_flight else None
        if message is None:
            return None
        receipt = self._next()
        message.receives = attempt = message.receives + 1
        message.receipt = message.arm = receipt
        message.place = _LEASED
        message.client = client
        message.leased_at = now
        self.visible -= 1
        self.in_flight += 1
        delivery: Delivery = _delivery(Delivery, (message, receipt, attempt, client))
        if self._timeout is not None:
            message.lease_ends = ends = now + self._timeout
            self.leases.add(ends, receipt, message)
        if self.tracks:
            self._sessions[client].held[receipt] = delivery
        rows = self._rows
        rows += _pack(now, message.number, client, attempt, self.index, _RECEIVED, 1, self._lease_ms)
        return delivery

    def _pick(self, now: Nanos, limit: int, choice: int) -> list[Message]:
        """The messages that go next."""
        picked: list[Message] = []
        limit = min(limit, self._most_in_flight - self.in_flight)
        self.ready.begin()
        while len(picked) < limit and (message := self._next_fit(now, choice)) is not None:
            picked.append(message)
        return picked

    def _next_fit(self, now: Nanos, choice: int = 0) -> Message | None:
        """The next message that may go.  A used-up one is moved on the way (SQS-24), and the receive looks on."""
        ready, most = self.ready, self._most_at_receive
        while True:
            if self._strikes_heads:
                self._strike_heads(now)
            message = ready.pop_at(choice) if choice else ready.pop()
            if message is None:
                return None
            if most is not None and message.receives - message.carried >= most:
                self._release(message)
                self._dead_letter(now, message, Cause.MAX_RECEIVES)
            elif self._expires_lazily and message.expires is not None and message.expires <= now:
                self._release(message)
                self._expire_now(now, message)  # ASB-18
            else:
                return message

    def _lease(
        self, now: Nanos, message: Message, client: int, timeout: Nanos | None, credit: Credit | None, together: int
    ) -> Delivery:
        receipt = self._next()
        attempt = message.receives + 1
        message.receives = attempt
        message.receipt = message.arm = receipt
        message.place = _LEASED
        message.client = client
        message.leased_at = now
        self.visible -= 1
        self.in_flight += 1
        delivery: Delivery = _delivery(Delivery, (message, receipt, attempt, client))
        if timeout is None:
            timeout, lease_ms = self._timeout, self._lease_ms
        else:
            lease_ms = _as_ms(timeout)
        if timeout is not None:
            message.lease_ends = ends = now + timeout
            self.leases.add(ends, receipt, message)
        if credit is not None and credit.is_pushed:
            message.credit = credit
            self._sessions[client].held[receipt] = delivery
        elif self.tracks:
            self._sessions[client].held[receipt] = delivery
        rows = self._rows
        rows += _pack(now, message.number, client, attempt, self.index, _RECEIVED, together, lease_ms)
        return delivery

    # --- who waits --------------------------------------------------------------------------------------------------------

    def wait(self, client: int, limit: int, timeout: Nanos | None, ends: Nanos | None) -> Credit:
        """A receive that waits: it gets what comes, until ``ends`` (None: for ever)."""
        credit = Credit(self._next(), client, limit, timeout, ends, is_pushed=False)
        self.join(credit)
        return credit

    def join(self, credit: Credit) -> None:
        """Let a credit wait here (too): a receive over several queues is one credit in each."""
        self._line_up(credit)
        if not self.is_safe:
            self._sessions[credit.client].credits[credit] = self
        if credit.ends is not None:
            self.waits.add(credit.ends, credit.arm, credit)

    def subscribe(
        self, client: int, prefetch: int, priority: int = 0, auto_ack: bool = False, exclusive: bool = False
    ) -> Subscribed:
        """A credit that settling renews: up to ``prefetch`` unsettled at a time, 0 = unlimited.  One that is
        ``refused`` was never open."""
        most = _UNLIMITED if auto_ack else min(prefetch or _UNLIMITED, self.profile.max_prefetch or _UNLIMITED)
        credit = Subscribed(self._next(), client, most, priority, auto_ack, exclusive)
        if self.subscribed and (exclusive or self.subscribed[0].is_exclusive):
            credit.arm, credit.refused = 0, Cause.EXCLUSIVE
            return credit
        if priority:
            self._line_up = self._line_up_by_priority
        self.subscribed.append(credit)
        self._sessions[client].credits[credit] = self
        if not self.profile.single_active or self.subscribed[0] is credit:
            self._line_up(credit)
        return credit

    def _line_up_by_priority(self, credit: Credit) -> None:
        """RMQ-7: behind all who have its priority."""
        assert isinstance(self.waiting, deque)
        self.waiting.insert(bisect_right(self.waiting, -credit.priority, key=lambda c: -c.priority), credit)

    def cancel(self, credit: Credit) -> None:
        """The client waits no more; what it holds stays with it."""
        self._close(credit)
        if credit.is_pushed and credit in self.subscribed:
            was_first = self.subscribed[0] is credit
            self.subscribed.remove(credit)
            if was_first and self.subscribed and self.profile.single_active:
                self._line_up(self.subscribed[0])  # RMQ-8: the next in order of subscribing

    def _close(self, credit: Credit) -> None:
        credit.arm = 0
        if not self.is_safe:
            self._sessions[credit.client].credits.pop(credit, None)

    def serve(self, now: Nanos, choice: int = 0) -> tuple[Credit, list[Delivery]] | None:
        """Serve one waiting consumer: a batch, or one pushed message.  None: nobody waits, or nothing can be had."""
        waiting = self.waiting
        while waiting and not waiting[0].arm:
            waiting.popleft()
        if not waiting or not self.visible:
            return None
        credit = waiting[0]
        while not credit.left or not credit.arm:
            waiting.popleft()
            if credit.arm:
                credit.has_left = True
            if not waiting:
                return None
            credit = waiting[0]
        limit = 1 if credit.is_pushed else credit.limit
        deliveries = self.hand_out(now, credit.client, limit, credit.timeout, credit, choice)
        if not deliveries:
            return None
        waiting.popleft()
        self.use(credit)
        if credit.is_settled_at_once:
            for delivery in deliveries:  # RMQ-9: written to the socket is settled
                self.ack(now, delivery)
        return credit, deliveries

    def use(self, credit: Credit) -> None:
        if not credit.is_pushed:
            self._close(credit)
            return
        credit.left -= 1
        if credit.left or self._full_stay:
            self._line_up(credit)  # RMQ-7: who was served goes to the end of the ring

    def _renew(self, credit: Credit) -> None:
        credit.left += 1
        if credit.left == 1 and credit.arm and (credit.has_left or not self._full_stay):
            credit.has_left = False
            self._line_up(credit)  # RMQ-7: who had run out re-enters at its end

    def end_waits(self, now: Nanos) -> list[Credit]:
        """The receives whose wait is over: each ends with nothing."""
        ended = []
        while (entry := self.waits.pop(now)) is not None:
            credit: Credit = entry[2]
            self._close(credit)
            self.empty_receive(entry[0], credit.client)
            ended.append(credit)
        return ended

    def put_off_waits(self, until: Nanos) -> None:
        """Waits that should have ended before end then."""
        late = sorted((entry for entry in self.waits.live() if entry[0] < until), key=lambda entry: entry[:2])
        for _, _, credit in late:
            credit.arm, credit.ends = self._next(), until
            self.waits.add_apart(until, credit.arm, credit)

    def take(self, now: Nanos, delivery: Delivery) -> None:
        """The application gets a delivery that its client had been pushed before."""
        message, receipt, attempt, client = delivery
        if message.receipt == receipt and message.place is _LEASED:
            message.is_taken = True
        self._journal.write(now, message.number, client, attempt, self.index, Kind.TAKEN)

    # --- settle -------------------------------------------------------------------------------------------------------------

    def ack(self, now: Nanos, delivery: Delivery, together: int = -1) -> Cause:
        """Delete a message.  NONE: done.  Of a lost lease: what the profile says of it, a STALE row where nothing
        was done.  ``together``: how many acks this call makes at once, -1 if it is alone."""
        message, receipt, attempt, client = delivery
        if message.receipt != receipt or message.place is not _LEASED:
            return self._ack_late(now, delivery)
        message.place = _GONE
        self._lease_line.pop(message.arm, None)
        message.arm = 0
        self.in_flight -= 1
        self.bytes -= message.size
        if self.tracks or message.credit is not None:
            self._let_go(message)
        if message.expires is not None:
            self.expiries.line.pop(message.rank, None)
        if self.groups is not None:
            self.groups.release(message)
            self.groups.forget(message)
        rows = self._rows
        rows += _pack(now, message.number, client, attempt, self.index, _ACKED, _LEASED, together)
        return _NONE

    def _ack_late(self, now: Nanos, delivery: Delivery) -> Cause:
        message, receipt, attempt, client = delivery
        if message.place is _GONE:
            return self._stale(now, delivery, Cause.NO_MESSAGE, ACK)  # SQS-17: deleting twice succeeds
        again = message.receipt != receipt
        does = self.profile.stale_ack[again]
        if does is Stale.DELETES:
            place = message.place
            if place is _LEASED:
                self._unlease(message)
            self._remove(message)
            self._journal.write(now, message.number, client, attempt, self.index, Kind.ACKED, place)
            return _NONE
        why = Cause.RECEIVED_AGAIN if again else Cause.RECEIPT_EXPIRED
        return self._stale(now, delivery, why, ACK)

    def _stale(self, now: Nanos, delivery: Delivery, why: Cause, call: int) -> Cause:
        message, _, attempt, client = delivery
        self._journal.write(now, message.number, client, attempt, self.index, Kind.STALE, why, call)
        if self.profile.stale_ack[why is Cause.RECEIVED_AGAIN] is Stale.CLOSES_CHANNEL:
            self._broker.close_channel(now, client, why)
        return why

    def refuse_settling(self, now: Nanos, delivery: Delivery, call: int) -> Cause:
        """Of what its client does not hold, or not any more."""
        message, receipt, _, _ = delivery
        is_held = message.receipt == receipt and message.place is _LEASED
        return self._stale(now, delivery, Cause.UNKNOWN_RECEIPT if is_held else self._why_stale(message, receipt), call)

    def nack(self, now: Nanos, delivery: Delivery, delay: Nanos = 0, failed: bool = True) -> Cause:
        """Give a message back, visible again after ``delay``.  ``failed``: because work on it failed; there are
        brokers that tell (RMQ-18)."""
        message, receipt, _, _ = delivery
        if message.receipt != receipt or message.place is not _LEASED:
            return self._stale(now, delivery, self._why_stale(message, receipt), NACK)
        if not self.profile.can_nack:
            return self._leave(now, message)
        if not failed and self.profile.counts_only_failures:
            message.carried += 1
        if delay > 0 and self.profile.nack_stays_leased:
            return self._hide(now, message, delay)
        self._return(now, message, Kind.NACKED, delay)
        return _NONE

    def _leave(self, now: Nanos, message: Message) -> Cause:
        """There is no such call: it stays where it is (RED-13), or it was gone when it was popped (RED-3)."""
        if self.profile.on_crash is OnCrash.LOSES:
            self.lose(now, message)
        return _NONE

    def _hide(self, now: Nanos, message: Message, delay: Nanos) -> Cause:
        if self._is_beyond_cap(message, now + delay):
            return Cause.OUT_OF_RANGE
        message.is_hidden = True
        self._journal.write(
            now, message.number, message.client, message.receives, self.index, Kind.NACKED, _LEASED, delay // MILLISECOND
        )
        self._rearm(message, now + delay)
        return _NONE

    def _why_stale(self, message: Message, receipt: int) -> Cause:
        if message.place is _GONE:
            return Cause.NO_MESSAGE
        return Cause.RECEIVED_AGAIN if message.receipt != receipt else Cause.NOT_IN_FLIGHT

    def reject(self, now: Nanos, delivery: Delivery, why: Cause = Cause.REJECTED) -> Cause:
        """Refuse a message for good: dead-letter it, or drop it where there is no dead-letter queue."""
        message, receipt, _, _ = delivery
        if message.receipt != receipt or message.place is not _LEASED:
            return self._stale(now, delivery, self._why_stale(message, receipt), NACK)
        if self.profile.is_subqueue:
            return Cause.NOT_ALLOWED  # ASB-17
        client = message.client
        self._unlease(message)
        self._journal.write(now, message.number, client, delivery.attempt, self.index, Kind.NACKED, _LEASED)
        self._dead_letter(now, message, why)
        return _NONE

    def extend(self, now: Nanos, delivery: Delivery, timeout: Nanos) -> Cause:
        """Let the lease end ``timeout`` from now (SQS-21), whether that is later or sooner."""
        message, receipt, attempt, _ = delivery
        if message.receipt != receipt or message.place is not _LEASED:
            return self._stale(now, delivery, self._why_stale(message, receipt), EXTEND)
        if self.profile.fixed_lease:
            timeout = self.profile.visibility_timeout or timeout
        if self._is_beyond_cap(message, now + timeout):
            return Cause.OUT_OF_RANGE
        self._journal.write(
            now, message.number, message.client, attempt, self.index, Kind.EXTENDED, 0, min(timeout // MILLISECOND, _MOST_MS)
        )
        self._rearm(message, now + timeout)
        return _NONE

    def _is_beyond_cap(self, message: Message, ends: Nanos) -> bool:
        """SQS-22: hidden at most 12 h since the receive that gave this receipt; more is an error."""
        most = self.profile.max_visibility
        return most is not None and ends - message.leased_at > most

    def _rearm(self, message: Message, ends: Nanos) -> None:
        self._lease_line.pop(message.arm, None)
        message.arm = self._next()
        message.lease_ends = ends
        self.leases.add_apart(ends, message.arm, message)

    def release(self, now: Nanos, delivery: Delivery) -> None:
        """Its client is gone: what the profile says of a crash."""
        message, receipt, _, _ = delivery
        if message.receipt != receipt or message.place is not _LEASED:
            return
        if self.profile.on_crash is OnCrash.LOSES:
            self.lose(now, message)
        elif self.profile.on_crash is OnCrash.ORPHANS:
            message.receipt = self._next()  # nobody has it
        elif self.profile.on_crash is OnCrash.RETURNS or message.credit is not None:
            self.give_back(now, delivery, counts=True)

    # --- what a client does that buffers and redelivers (kernel/client.py) ----------------------------------------------

    def push_to(self, now: Nanos, message: Message, credit: Credit) -> Delivery:
        """Lease a message to a consumer; settling renews its credit, but not one for a single message."""
        return self._lease(now, message, credit.client, None, credit if credit.limit else None, 0)

    def put_off(self, now: Nanos, delivery: Delivery, delay: Nanos) -> None:
        """The client will hand it to the application again: here it stays in flight (AMQ-15)."""
        message, _, attempt, client = delivery
        self._journal.write(now, message.number, client, attempt, self.index, Kind.NACKED, _LEASED, _as_ms(delay))

    def redeliver(self, now: Nanos, delivery: Delivery) -> Delivery:
        """What was put off is with the application again: one more receive, in the same hands."""
        message, receipt, _, client = delivery
        attempt = message.receives = message.receives + 1
        write, ms = self._journal.write, self._lease_ms
        write(now, message.number, client, attempt - 1, self.index, Kind.RETURNED, _READY)
        write(now, message.number, client, attempt, self.index, Kind.RECEIVED, 0, ms)
        return Delivery(message, receipt, attempt, client)

    def give_back_uncounted(self, now: Nanos, message: Message) -> None:
        """As if it had not been handed out: this delivery does not wear it out (ASB-12, ASB-21)."""
        message.carried += 1
        self._return(now, message, Kind.RETURNED)

    def give_back(self, now: Nanos, delivery: Delivery, counts: bool) -> None:
        """A client that goes gives it back; it ``counts`` unless no application has seen it (AMQ-19)."""
        message, receipt, _, _ = delivery
        if message.receipt == receipt and message.place is _LEASED:
            message.redeliveries += counts
            self._return(now, message, Kind.RETURNED)

    def lose(self, now: Nanos, message: Message) -> None:
        """The broker, or who held it, has lost it for good, wherever it is."""
        place = message.place
        if place is _LEASED:
            self._unlease(message)
        self._end(now, message, Kind.VANISHED, place)

    def restore(self, now: Nanos, message: Message) -> None:
        """What had been deleted is there again, where it was, and was never away."""
        message.place = _READY
        self.visible += 1
        self.bytes += message.size
        if message.expires is not None and not self._expires_lazily:
            self._show_expiry(message, message.expires)
        self.ready.put_back(message)
        self._journal.write(now, message.number, NOBODY, message.receives, self.index, Kind.MOVED_IN, _READY, self.index)

    def forget_id(self, message: Message) -> None:
        """Its deduplication id is as good as never seen."""
        key = (message.group, message.dedup) if self.profile.dedup_per_group else message.dedup
        if message.dedup is not None and self._seen_ids.pop(key, None) is not None:
            self._seen_order = deque(seen for seen in self._seen_order if seen[1] != key)

    def mark(self, now: Nanos, kind: Kind) -> None:
        """A row about the queue itself."""
        self._journal.write(now, -1, NOBODY, 0, self.index, kind)

    def leased(self) -> Iterator[Message]:
        """What is in flight and may come back by time or by claim, the longest leased first."""
        return (entry[2] for entry in self.leases.live() if isinstance(entry[2], Message))

    def give_again(self, now: Nanos, messages: list[Message], client: int, kind: Kind) -> list[Delivery]:
        """Leased messages go to a client at once, whoever holds them: nobody else can have them in between (RED-10)."""
        for message in messages:
            self._return(now, message, kind)
        return self.hand_out(now, client, len(messages)) if messages else []

    # --- what time does (or a driver by hand) ------------------------------------------------------------------------------

    def end_leases(self, now: Nanos, noticed: Nanos | None = None) -> bool:
        """Give back what was not acked in time, in order of the deadlines.  True if there was any.  ``noticed``: when
        that is, if it is later than the deadline."""
        found = False
        while (entry := self.leases.pop(now)) is not None:
            self.expire(entry[0] if noticed is None else noticed, entry[2])
            found = True
        return found

    def expire(self, now: Nanos, message: Message) -> None:
        """The lease of this message ends."""
        kind, client = Kind.RETURNED if message.is_hidden else Kind.LEASE_ENDED, message.client
        if self.profile.counts_only_failures:
            message.carried += 1
        self._return(now, message, kind)
        if self.profile.lease_closes_channel:
            self._broker.close_channel(now, client, Cause.RECEIPT_EXPIRED)

    def end_timers(self, now: Nanos, noticed: Nanos | None = None) -> bool:
        """Delays that are over, and messages whose ttl or retention is; in order of time.  True if there was any.
        ``noticed``: as above."""
        found = False
        while True:
            delay, expiry = self.timers.next(), self.expiries.next()
            if min(delay, expiry) > now:
                return found
            found = True
            if delay <= expiry:
                entry = self.timers.pop(now)
                assert entry is not None
                self._become_visible(entry[0] if noticed is None else noticed, entry[2])
            else:
                entry = self.expiries.pop(now)
                assert entry is not None
                self._expire_message(entry[0] if noticed is None else noticed, entry[2])

    def _become_visible(self, now: Nanos, message: Message) -> None:
        message.arm = 0
        message.place = _READY
        self.delayed -= 1
        self.visible += 1
        if self.profile.schedules and not message.receives:
            message.rank = self._next()  # AMQ-2, ASB-3: it is sent now
            if self._numbers:
                self._number_anew(now, message)
        self.ready.put_back(message)
        self._journal.write(now, message.number, NOBODY, message.receives, self.index, Kind.VISIBLE, _READY)
        self._shrink(now)
        if self._strikes_heads:
            self._strike_heads(now)
        if self._forwards:
            self._pass_on(now)

    def _number_anew(self, now: Nanos, message: Message) -> None:
        """What was scheduled enters: its time to live begins (ASB-3)."""
        self.scheduled.pop(message.number_here, None)
        ttl = None if message.expires is None else message.expires - message.entered
        self._arm_expiry(message, now, ttl)

    def _expire_message(self, now: Nanos, message: Message) -> None:
        if message.place is _LEASED and not self.profile.expires_in_flight or message.place is _DEFERRED:
            return  # it strikes when the message comes back
        if self._strikes_heads and message.place is _READY:
            self._strike_heads(now)
        else:
            self.let_expire(now, message)

    def let_expire(self, now: Nanos, message: Message) -> None:
        """Its time is over, and somebody has noticed."""
        if message.place is _LEASED:
            self._unlease(message)
        self._expire_now(now, message)

    @contextmanager
    def together(self, now: Nanos) -> Iterator[None]:
        """What comes back in one call is all back before the queue looks who is too much, or out of date (RMQ-34)."""
        self._is_between = True
        yield
        self._is_between = False
        self._shrink(now)
        if self._strikes_heads:
            self._strike_heads(now)

    def _strike_heads(self, now: Nanos) -> None:
        """RMQ-25: only who would go next can be found to be out of date; behind him it counts as if it were not."""
        if self._is_between:
            return
        lanes, most = self.ready, None if self.profile.expires_in_each_level else 1
        assert isinstance(lanes, Fifo | Levels)
        while late := [m for m in islice(lanes.heads(), most) if m.expires is not None and m.expires <= now]:
            self._expire_now(now, late[0])

    def _expire_now(self, now: Nanos, message: Message) -> None:
        kept_until = None if message.retained_from is None else message.retained_from + (self.profile.retention or 0)
        by_ttl = kept_until is None or message.expires is None or message.expires < kept_until
        why = Cause.TTL if by_ttl else Cause.RETENTION
        if self.profile.ttl_dead_letters and self._is_kept(message):
            self._dead_letter(now, message, why)
        else:
            self._end(now, message, Kind.EXPIRED, why, message.place)

    def duplicate(self, now: Nanos, delivery: Delivery) -> bool:
        """The broker hands the message out again although its lease runs (SQS-12): it is visible once more, and the
        old receipt is good until then.  False if the lease is over."""
        message, receipt, _, _ = delivery
        if message.receipt != receipt or message.place is not _LEASED:
            return False
        self._return(now, message, Kind.DUPLICATED)
        return True

    # --- ways back and out ----------------------------------------------------------------------------------------------------

    def _return(self, now: Nanos, message: Message, kind: Kind, delay: Nanos = 0) -> None:
        """A leased message comes back, unless it is used up or out of date."""
        client, attempt = message.client, message.receives
        self._unlease(message)
        write = self._journal.write
        most = self._most_at_return
        if most is not None and attempt - message.carried >= most and kind is not Kind.DUPLICATED:
            write(now, message.number, client, attempt, self.index, kind, _LEASED)
            self._dead_letter(now, message, Cause.MAX_RECEIVES)
            return
        if message.expires is not None and message.expires <= now and not self._strikes_heads:
            if self.profile.expire_sweep is None:
                write(now, message.number, client, attempt, self.index, kind, _LEASED)
                self._expire_now(now, message)
                return
            self._show_expiry(message, now + 1)
        self.in_flight -= 1
        if message.is_set_aside:
            deferral.set_aside(self, message)
        elif delay > 0:
            message.place = _DELAYED
            message.arm = self._next()
            self.delayed += 1
            self.timers.add(now + delay, message.arm, message)
        else:
            message.place = _READY
            self.visible += 1
            self._queue_again(message, self._comes_back_to[kind])
        write(now, message.number, client, attempt, self.index, kind, message.place)
        self._shrink(now)
        if self._strikes_heads:
            self._strike_heads(now)

    def _shrink(self, now: Nanos) -> None:
        """Where only ready ones count, what becomes ready may be too much: then the head goes, be it the message
        that just came back (RMQ-29)."""
        capacity = self.profile.capacity
        if capacity is None or self._is_between or not (capacity.counts_ready_only and capacity.when_full in _DROPS):
            return
        for _ in range(self.visible):  # not while it is over: a queue may be its own dead-letter queue
            if not self._is_over() or (head := self.ready.drop_oldest()) is None:
                return
            self._throw_out(now, head, capacity.when_full)

    def _queue_again(self, message: Message, to: ReturnsTo) -> None:
        tail_from = self.profile.tail_from
        if to is ReturnsTo.TAIL or (tail_from is not None and message.receives >= tail_from):
            message.rank = self._next()  # as if sent now (SQS-12)
            heappush(self._elders, (message.entered, message.rank, message))
            self.ready.put_back(message)
        elif to is ReturnsTo.HEAD:
            self.ready.put_first(message)
        else:
            self.ready.put_back(message)

    def _unlease(self, message: Message) -> None:
        """No client holds it any more.  The place, and the count of it, are left to the caller."""
        if self.tracks or message.credit is not None:
            self._let_go(message)
        self._lease_line.pop(message.arm, None)
        message.arm = 0
        message.client = NOBODY
        message.is_hidden = message.is_taken = False
        message.lease_ends = None
        self._release(message)

    def _let_go(self, message: Message) -> None:
        self._sessions[message.client].held.pop(message.receipt, None)
        if self._weighs:
            self.held_bytes -= message.size
        credit = message.credit
        if credit is not None:
            message.credit = None
            self._renew(credit)

    def _release(self, message: Message) -> None:
        if self.groups is not None:
            self.groups.release(message)

    def _count(self, place: Place, step: int) -> None:
        if place is _READY:
            self.visible += step
        elif place is _LEASED:
            self.in_flight += step
        elif place is _DELAYED:
            self.delayed += step
        elif place is _DEFERRED:
            self.deferred += step

    def _remove(self, message: Message) -> None:
        """Out of the queue, wherever it is (a leased one has been unleased).  Lanes and heaps find out later."""
        self._count(message.place, -1)
        self.bytes -= message.size
        message.place = _GONE
        message.arm = 0
        if message.expires is not None:
            self.expiries.line.pop(message.rank, None)
        if self.groups is not None:
            self.groups.forget(message)

    def _end(self, now: Nanos, message: Message, kind: Kind, cause: int, other: int = -1) -> None:
        self._remove(message)
        self._journal.write(now, message.number, NOBODY, message.receives, self.index, kind, cause, other)

    def _dead_letter(self, now: Nanos, message: Message, why: Cause) -> None:
        """To the dead-letter queue, as a fresh publish; dropped where there is none."""
        place, dlq = message.place, self.profile.dlq
        if dlq is None or not self._is_kept(message):
            self._end(now, message, Kind.DROPPED, why, place)
            return
        target = self._broker.queues[dlq.queue]
        if self.profile.remembers_deaths:
            message.deaths = with_death(message.deaths, self.name, why)
            if why is not Cause.REJECTED and goes_round(message.deaths, target.name):
                self._end(now, message, Kind.DROPPED, Cause.CYCLE, place)
                return
        self._end(now, message, Kind.DEAD_LETTERED, why, target.index << 8 | place)
        kept = message.receives if self.profile.counts_across_queues else 0
        target.arrive(now, message, self.index, kept, why)

    def _is_kept(self, message: Message) -> bool:
        """Whether there is a dead-letter queue for it; not for a transient message, where that makes a difference
        (AMQ-21)."""
        profile = self.profile
        if profile.dlq is None or profile.dead_letters_transient:
            return profile.dlq is not None
        mode = message.attributes.get(DELIVERY_MODE) if message.attributes is not None else None
        return profile.is_persistent if mode is None else mode == PERSISTENT

    def arrive(
        self, now: Nanos, message: Message, source: int, receives: int, why: Cause = _NONE, hops: int = 0
    ) -> None:
        """A message moves in from another queue: a new one, with the old one's identity.  A move is never refused."""
        if self.profile.capacity is not None:
            self._make_room(now, message.size)
        rank = self._next()
        moved = Message(message.number, self, rank, now)
        moved.level, moved.group, moved.size = message.level, message.group, message.size
        if self.profile.order is Order.PRIORITY:
            lanes = self.profile.levels if self.profile.lane_of is None else len(self.profile.lane_of)
            moved.level = min(message.level, lanes - 1)
        if message.deaths:
            moved.deaths = message.deaths
        moved.attributes, moved.payload = message.attributes, message.payload
        moved.receives = moved.carried = receives
        moved.died_of = why
        self.bytes += moved.size
        if self._expires:
            since = None if self.profile.retention_restarts else message.retained_from
            ttl = message.expires - now if hops and message.expires is not None else None
            self._arm_expiry(moved, now if since is None else since, ttl)
        if self.profile.is_subqueue:
            moved.number_here, moved.count_before = message.number_here, message.receives - message.carried
        moved.hops = hops
        self.visible += 1
        self.ready.push(moved)
        self._journal.write(now, moved.number, NOBODY, receives, self.index, Kind.MOVED_IN, _READY, source)
        if self.profile.capacity is not None:
            self._shed(now, moved)
        if self._forwards:
            self._pass_on(now)

    # --- what deferral, sessions and forwarding do here --------------------------------------------------------------

    def _pass_on(self, now: Nanos) -> None:
        if (to := self.profile.forward_to) is not None:
            forwarding.pass_on(self, now, self._broker.queues[to])

    def send_refusal(self, now: Nanos, message: Mapping[str, Any]) -> Cause:
        """Why a send of this (the call's arguments by name) would be refused, room aside."""
        return self._refusal(now, message.get("group"), message.get("delay"), message.get("size", 0), _NONE)

    def lease(self, now: Nanos, message: Message, client: int, credit: Credit | None, together: int) -> Delivery:
        """Hand a ready message that has left its lane to a client."""
        return self._lease(now, message, client, None, credit, together)

    def come_back(self, now: Nanos, message: Message, kind: Kind) -> None:
        """A leased message comes back, unless it is used up or out of date."""
        self._return(now, message, kind)

    def why_lost(self, now: Nanos, delivery: Delivery) -> Cause:
        """NONE if this delivery still holds its message; else a STALE row, and why."""
        message, receipt, _, _ = delivery
        if message.receipt == receipt and message.place is _LEASED:
            return _NONE
        return self._stale(now, delivery, self._why_stale(message, receipt), NACK)

    def note_extension(self, now: Nanos, delivery: Delivery) -> Cause:
        """A row that a lease is extended, or why it is not."""
        message, receipt, attempt, client = delivery
        if message.receipt != receipt or message.place is not _LEASED:
            return self._stale(now, delivery, self._why_stale(message, receipt), EXTEND)
        self._journal.write(now, message.number, client, attempt, self.index, Kind.EXTENDED, 0, self._lease_ms)
        return _NONE

    def end(self, now: Nanos, message: Message, kind: Kind, cause: int, other: int = -1) -> None:
        """A message that no client holds leaves for good."""
        self._end(now, message, kind, cause, other)

    def dead_letter(self, now: Nanos, message: Message, why: Cause) -> None:
        """To the dead-letter queue; dropped where there is none."""
        self._dead_letter(now, message, why)

    def write(self, now: Nanos, message: Message, client: int, kind: Kind, cause: int = 0, other: int = -1) -> None:
        """A row of this queue."""
        self._journal.write(now, message.number, client, message.receives, self.index, kind, cause, other)

    def redrive(self, now: Nanos, to: Queue, limit: int | None = None) -> int:
        """Move visible messages to another queue, oldest first, as new ones behind what is there (SQS-29).
        Answers how many."""
        moved = 0
        limit = self.visible if limit is None else min(limit, self.visible)
        while moved < limit and (message := self.ready.drop_oldest()) is not None:
            self._end(now, message, Kind.MOVED_OUT, _READY, to.index)
            message.retained_from = None
            to.arrive(now, message, self.index, 0)
            moved += 1
        if self._strikes_heads:
            self._strike_heads(now)
        return moved

    def purge(self, now: Nanos) -> int:
        """Remove everything, in flight too (SQS-32), or all that is ready (RMQ-38).  Answers how many."""
        messages = sorted(self.ready if self.profile.purges_ready_only else self.messages(), key=lambda m: m.rank)
        for message in messages:
            place = message.place
            if place is _LEASED:
                self._unlease(message)
            self._end(now, message, Kind.PURGED, place)
        return len(messages)

    def messages(self) -> Iterator[Message]:
        """Every message of the queue, each once."""
        leased: dict[int, Message] = {}
        for session in self._sessions.values():
            leased |= {d.receipt: d.message for d in session.held.values() if d.message.queue is self}
        leased |= {message.receipt: message for message in self.leased()}
        if isinstance(self.ready, session_lock.BySession):
            leased |= {m.receipt: m for lock in self.ready.locks.values() for m in lock.in_flight()}
        yield from self.ready
        yield from leased.values()
        yield from (entry[2] for entry in self.timers.live())
        yield from (message for message in self.set_aside.values() if message.place is _DEFERRED)

    def oldest_since(self) -> Nanos | None:
        """When the oldest visible message entered this queue; None if none is visible."""
        if not self.visible:
            return None
        elders = self._elders
        while elders and (elders[0][2].place is not _READY or elders[0][2].rank != elders[0][1]):
            heappop(elders)
        oldest: Nanos | None = elders[0][0] if elders else None
        for message in self.ready.fronts():
            if oldest is None or message.entered < oldest:
                oldest = message.entered
        return oldest

    def memory(self, now: Nanos) -> Hashable:
        """What it remembers beside its messages, as of now: deduplication ids and used-up tokens."""
        window = self.profile.dedup_window
        ids = tuple(
            (key, None if window is None else since + window - now)
            for key, since in self._seen_ids.items()
            if window is None or since + window > now
        )
        used: tuple[Hashable, ...] = tuple(bucket.used(now) for bucket in (self.sends, self.receives, self.deletes))
        used += tuple((group, left) for group, each in self.sends_of_group.items() if (left := each.used(now)))
        if isinstance(self.ready, session_lock.BySession):
            return ids, used, session_lock.fingerprint(self, now)
        return ids, used
