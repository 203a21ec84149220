"""A second broker, to compare with: a list of messages a queue, searched and sorted whenever somebody asks.

It has no heaps, no lanes, no counters and no journal, and shares nothing with the kernel but the words of profiles
and causes.  Where it reads a rule otherwise than the kernel does, the state machine finds out.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field

from qsim.kernel.journal import Cause, Kind
from qsim.kernel.profile import Grouping, OnCrash, Order, Overflow, Profile, ReturnsTo, Stale

READY, DELAYED, LEASED, GONE = "visible", "delayed", "in_flight", "gone"


@dataclass(eq=False)
class Item:
    number: int
    queue: Line
    rank: int
    level: int = 0
    group: object = None
    size: int = 0
    place: str = READY
    receives: int = 0
    carried: int = 0
    receipt: int = 0
    client: object = None
    leased_at: int = 0
    ends: tuple[int, int] | None = None
    """When its lease or delay ends: (time, order of setting)."""
    pushed_by: Wish | None = None
    expires: tuple[int, int] | None = None
    """Until it has struck."""
    sent_at: int = 0
    deadline: int | None = None
    """The same, for ever."""
    by_ttl: bool = False
    sent: int | None = None
    joined: int | None = None
    """When it joined the line in which a free group is looked for."""
    came_first: int | None = None
    deaths: list[tuple[str, str]] = field(default_factory=list)
    """(queue, reason), the newest first."""


@dataclass(eq=False)
class Wish:
    """A receive that waits, or a subscription."""

    client: object
    limit: int
    timeout: int | None
    ends: tuple[int, int] | None
    is_pushed: bool
    left: int
    is_open: bool = True
    priority: int = 0
    settles: bool = False
    has_left: bool = False


@dataclass(eq=False)
class Line:
    name: str
    profile: Profile
    items: list[Item] = field(default_factory=list)
    ring: list[Wish] = field(default_factory=list)
    waits: list[Wish] = field(default_factory=list)
    subscribed: list[Wish] = field(default_factory=list)
    ids: dict[object, int] = field(default_factory=dict)

    def at(self, *places: str) -> list[Item]:
        return [item for item in self.items if item.place in places]

    @property
    def bytes(self) -> int:
        return sum(item.size for item in self.items)

    @property
    def has_groups(self) -> bool:
        return self.profile.grouping is Grouping.BLOCKS

    def counts(self) -> dict[str, int]:
        return {place: len(self.at(place)) for place in (READY, LEASED, DELAYED)}

    def line_of_groups(self) -> tuple[list[Item], list[Item]]:
        """Who is searched, and who stands beyond; by joining."""
        joined = sorted((item for item in self.items if item.joined is not None), key=lambda item: item.joined)
        most = self.profile.look_ahead
        return (joined, []) if most is None else (joined[:most], joined[most:])

    def in_order(self) -> list[Item]:
        """The ready ones as they would be handed out one by one, if no group were blocked."""
        ready = self.at(READY)
        if self.has_groups:
            searched, beyond = self.line_of_groups()
            near = sorted((item for item in searched if item in ready), key=lambda item: item.rank)
            return near + [item for item in beyond if item in ready]
        sign = -1 if self.profile.order is Order.LIFO else 1
        return sorted(
            ready,
            key=lambda item: (
                self.profile.returns_before_levels and item.came_first is None,
                0 if self.profile.returns_before_levels and item.came_first is not None else self.lane(item),
                item.came_first is None,
                item.came_first if item.came_first is not None else sign * item.rank,
            ),
        )

    def lane(self, item: Item) -> int:
        if self.profile.order is not Order.PRIORITY:
            return 0
        return item.level if self.profile.lane_of is None else self.profile.lane_of[item.level]

    def oldest(self) -> Item | None:
        """Whom a drop or a redrive takes."""
        ready = self.at(READY)
        if not ready:
            return None
        if self.has_groups or self.profile.order is Order.LIFO:
            return min(ready, key=lambda item: item.rank)
        order = self.in_order()
        if self.profile.drops_most_urgent:
            return order[0]
        last = self.lane(order[-1])
        return next(item for item in order if self.lane(item) == last)

    def heads(self) -> list[Item]:
        """Who is next: of each lane, where there are several."""
        first: dict[object, Item] = {}
        has_a_lane = self.profile.returns_before_levels and self.profile.order is Order.PRIORITY
        for item in self.in_order():
            is_returned = has_a_lane and item.came_first is not None
            first.setdefault("returned" if is_returned else self.lane(item), item)
        return list(first.values())[: None if self.profile.expires_in_each_level else 1]

    def line_up(self, wish: Wish) -> None:
        before = [other for other in self.ring if other.priority >= wish.priority]
        self.ring.insert(len(before), wish)

    def is_over(self, more: int, size: int) -> bool:
        limit = self.profile.capacity
        if limit is None:
            return False
        counted = [item for item in self.items if not limit.counts_ready_only or item.place == READY]
        too_many = limit.messages is not None and len(counted) + more > limit.messages + (limit.overshoot if more else 0)
        heavy = [item for item in self.items if not limit.counts_ready_only or item.place != LEASED]
        return too_many or (limit.bytes is not None and sum(item.size for item in heavy) + size > limit.bytes)


class Naive:
    def __init__(self, profiles: dict[str, Profile]) -> None:
        self.lines = {name: Line(name, profile) for name, profile in profiles.items()}
        self.count = 0
        self.turn: int | None = None
        self.made: list[tuple[Wish, list[tuple[Item, int, int]]]] = []

    def next(self) -> int:
        self.count += 1
        return self.count

    # --- time -------------------------------------------------------------------------------------------------------

    def deadlines(self) -> list[int]:
        found = []
        for line in self.lines.values():
            found += [item.ends[0] for item in line.items if item.ends is not None]
            found += [item.expires[0] for item in line.items if item.expires is not None]
            found += [wish.ends[0] for wish in line.waits if wish.is_open]
        return found

    def pass_to(self, now: int) -> None:
        while True:
            instants = self.deadlines() + ([] if self.turn is None else [self.turn])
            if not instants or min(instants) > now:
                return
            self.instant(min(instants))

    def instant(self, now: int) -> None:
        if self.turn is not None and self.turn <= now:
            self.turn = None
        lines = list(self.lines.values())
        for line in lines:
            for item in sorted(line.at(LEASED), key=lambda item: item.ends or (0, 0)):
                if item.place == LEASED and item.ends is not None and item.ends[0] <= now:
                    self.expire_lease(now, item)
        for line in lines:
            while event := self.first_timer(line, now):
                item, is_delay = event
                if is_delay:
                    item.ends = None
                    self.be_sent_now(now, item)
                    self.become_ready(now, item)
                else:
                    self.strike(now, item)
        while sum(self.serve(now, line) for line in lines):
            pass  # again while anything moved
        for line in lines:
            over = [wish for wish in line.waits if wish.is_open and wish.ends[0] <= now]
            for wish in sorted(over, key=lambda wish: wish.ends):
                wish.is_open = False
                self.made.append((wish, []))
            line.waits = [wish for wish in line.waits if wish.is_open]

    def first_timer(self, line: Line, now: int) -> tuple[Item, bool] | None:
        events = [(item.ends[0], 0, item.ends[1], item) for item in line.at(DELAYED) if item.ends is not None]
        events += [(item.expires[0], 1, item.expires[1], item) for item in line.items if item.expires is not None]
        events = [event for event in events if event[0] <= now]
        if not events:
            return None
        _, kind, _, item = min(events, key=lambda event: event[:3])
        return item, kind == 0

    def serve(self, now: int, line: Line) -> bool:
        """Everybody of one queue who can be served; whether anything moved."""
        moved = False
        while True:
            line.ring = [wish for wish in line.ring if wish.is_open]
            before = len(line.at(READY))
            if not line.ring or not before:
                return moved
            wish = line.ring[0]
            if not wish.left:
                line.ring.pop(0).has_left = True
                continue
            got = self.hand_out(now, line, wish.client, 1 if wish.is_pushed else wish.limit, wish.timeout, wish)
            moved = moved or bool(got) or len(line.at(READY)) != before
            if not got:
                return moved
            line.ring.pop(0)
            self.made.append((wish, got))
            if wish.is_pushed:
                wish.left -= 1
                if wish.left or line.profile.full_stay_in_line:
                    line.line_up(wish)
                for item, receipt, _ in got if wish.settles else ():
                    self.ack(now, item, receipt, wish.client)
            else:
                wish.is_open = False

    def look(self, now: int, touched: Line | None = None) -> None:
        """After a call: who waits may have a turn late in this instant."""
        alone = touched is not None and touched.profile.dlq is None
        if any(self.is_turn_wanted(line) for line in ([touched] if alone else self.lines.values())):
            self.turn = now if self.turn is None else min(self.turn, now)

    def is_turn_wanted(self, line: Line) -> bool:
        return bool(line.at(READY)) and any(wish.is_open for wish in line.ring)

    def wake_at(self) -> int | None:
        turns = [self.turn] if self.turn is not None and self.is_turn_of_use(self.turn) else []
        return min([*self.deadlines(), *turns], default=None)

    def is_turn_of_use(self, now: int) -> bool:
        """Whether anything would move (a group may be blocked): tried on a copy."""
        if not any(map(self.is_turn_wanted, self.lines.values())):
            return False
        copy = deepcopy(self)
        return any(copy.serve(now, line) for line in copy.lines.values())

    # --- sending ----------------------------------------------------------------------------------------------------

    def send(self, now, name, number, level=0, group=None, delay=None, ttl=None, size=0, dedup=None) -> Cause:
        line, profile = self.lines[name], self.lines[name].profile
        if profile.needs_group and group is None:
            return Cause.NO_GROUP
        if delay is not None and not profile.message_delay:
            return Cause.DELAY_NOT_ALLOWED
        if profile.max_size is not None and size > profile.max_size:
            return Cause.TOO_LARGE
        key = (group, dedup) if profile.dedup_per_group else dedup
        if dedup is not None and profile.dedup_window != 0:
            since = line.ids.get(key)
            if since is not None and (profile.dedup_window is None or now < since + profile.dedup_window):
                return Cause.DUPLICATE_ID
        if cause := self.make_room(now, line, size):
            if profile.capacity.when_full is Overflow.REJECT_DEAD_LETTER and profile.dlq is not None:
                refused = Item(number, line, 0, level, group, size, deaths=[(name, "FULL")])
                self.arrive(now, self.lines[profile.dlq.queue], refused, 0, None)
            return cause
        if dedup is not None and profile.dedup_window != 0:
            line.ids[key] = now
        item = Item(number, line, self.next(), level, group, size)
        line.items.append(item)
        item.sent_at = now
        self.set_expiry(item, now, now, ttl)
        wait = profile.delay if delay is None else delay
        if wait:
            item.place, item.ends = DELAYED, (now + wait, item.rank)
        else:
            self.enter(item)
        self.shed(now, line, item)
        return Cause.NONE

    def set_expiry(self, item: Item, now: int, since: int, ttl: int | None) -> None:
        retention = item.queue.profile.retention
        limits = [time for time in (ttl, retention) if time is not None]
        item.sent = since if retention is not None else None
        if limits:
            item.by_ttl = ttl is not None and ttl == min(limits) and ttl != retention
            item.deadline = max(since + min(limits), now)
            is_awaited = any(wish.is_open and wish.left for wish in item.queue.ring)
            if item.queue.profile.expires_at_head and item.deadline == now and is_awaited:
                item.deadline += 1
            item.expires = None if item.queue.profile.expires_lazily else (item.deadline, item.rank)

    def be_sent_now(self, now: int, item: Item) -> None:
        """ASB-3: a scheduled message stands last, and begins to live."""
        if item.queue.profile.schedules and not item.receives:
            item.rank = self.next()
            if item.deadline is not None:
                item.deadline += now - item.sent_at

    def enter(self, item: Item) -> None:
        item.place = READY
        if item.queue.has_groups and item.joined is None:
            item.joined = self.next()

    def make_room(self, now: int, line: Line, size: int) -> Cause:
        limit = line.profile.capacity
        if limit is None or not line.is_over(1, size):
            return Cause.NONE
        if limit.when_full in (Overflow.REJECT, Overflow.REJECT_DEAD_LETTER):
            return Cause.FULL
        if limit.counts_ready_only and limit.when_full in (Overflow.DROP_OLDEST, Overflow.DEAD_LETTER):
            return Cause.NONE
        if limit.when_full is Overflow.BLOCK:
            return Cause.BLOCKED
        if limit.when_full is Overflow.DROP_NEWEST:
            return Cause.NONE
        if limit.bytes is None or size <= limit.bytes:
            for _ in line.at(READY):
                oldest = line.oldest()
                if oldest is None or not line.is_over(1, size):
                    break
                self.throw_out(now, oldest, limit.when_full)
        return Cause.FULL if line.is_over(1, size) else Cause.NONE

    def shed(self, now: int, line: Line, item: Item) -> None:
        limit = line.profile.capacity
        self.shrink(now, line)
        if limit is not None and limit.counts_ready_only:
            self.strike_heads(now, line)
        if limit is not None and limit.when_full is Overflow.DROP_NEWEST and line.is_over(0, 0):
            self.end(item)

    def throw_out(self, now: int, item: Item, policy: Overflow) -> None:
        if policy is Overflow.DEAD_LETTER:
            self.dead_letter(now, item)
        else:
            self.end(item)

    # --- receiving ----------------------------------------------------------------------------------------------------

    def receive(self, now, name, client, limit=1, wait=0, timeout=None):
        """Deliveries and the wish that waits; or why not."""
        line, profile = self.lines[name], self.lines[name].profile
        if profile.max_batch is not None and limit > profile.max_batch:
            return Cause.TOO_MANY
        if profile.max_wait is not None and (wait is None or wait > profile.max_wait):
            return Cause.OUT_OF_RANGE
        if profile.in_flight_is_error and len(line.at(LEASED)) >= profile.max_in_flight:
            return Cause.OVER_LIMIT
        got, wish = self.hand_out(now, line, client, limit, timeout, None), None
        if not got and wait != 0:
            order = self.next()
            wish = Wish(client, limit, timeout, None if wait is None else (now + wait, order), False, limit)
            line.line_up(wish)
            if wish.ends is not None:
                line.waits.append(wish)
        return got, wish

    def subscribe(self, name, client, prefetch, priority=0, auto_ack=False) -> Wish:
        line = self.lines[name]
        most = 1 << 62 if auto_ack else min(prefetch or 1 << 62, line.profile.max_prefetch or 1 << 62)
        wish = Wish(client, most, None, None, True, most, priority=priority, settles=auto_ack)
        line.subscribed.append(wish)
        if not line.profile.single_active or line.subscribed[0] is wish:
            line.line_up(wish)
        return wish

    def cancel(self, wish: Wish) -> None:
        wish.is_open = False
        for line in self.lines.values():
            if wish in line.subscribed:
                was_first = line.subscribed[0] is wish
                line.subscribed.remove(wish)
                if line.profile.single_active and was_first and line.subscribed:
                    line.line_up(line.subscribed[0])

    def hand_out(self, now, line, client, limit, timeout, wish) -> list[tuple[Item, int, int]]:
        got = []
        for item in self.pick(now, line, limit):
            item.receives += 1
            item.receipt = self.next()
            item.client, item.leased_at = client, now
            item.came_first = None
            item.pushed_by = wish if wish is not None and wish.is_pushed else None
            length = line.profile.visibility_timeout if timeout is None else timeout
            item.ends = None if length is None else (now + length, item.receipt)
            got.append((item, item.receipt, item.receives))
        if timeout == 0:
            for item, _, _ in got:
                self.come_back(now, item, Kind.RETURNED)
        self.strike_heads(now, line)
        return got

    def pick(self, now: int, line: Line, limit: int) -> list[Item]:
        picked: list[Item] = []
        profile, serving = line.profile, None
        if profile.max_in_flight is not None:
            limit = min(limit, profile.max_in_flight - len(line.at(LEASED)))
        while len(picked) < limit:
            self.strike_heads(now, line)
            item = self.first_of_groups(line, serving) if line.has_groups else next(iter(line.in_order()), None)
            if item is None:
                break
            most = self.most(line) if profile.dead_letters_lazily else None
            if most is not None and item.receives - item.carried >= most:
                self.dead_letter(now, item, "MAX_RECEIVES")
                continue
            if profile.expires_lazily and item.deadline is not None and item.deadline <= now:
                self.expire(now, item)
                continue
            item.place = LEASED
            picked.append(item)
            serving = item.group
        return picked

    def first_of_groups(self, line: Line, serving: object) -> Item | None:
        searched = [item for item in line.line_of_groups()[0] if item.place == READY]
        out = {item.group for item in line.at(LEASED)}
        mine = [item for item in searched if serving is not None and item.group == serving]
        free = [item for item in searched if item.group not in out]
        return min(mine or free, key=lambda item: item.rank, default=None)

    # --- settling -----------------------------------------------------------------------------------------------------

    def is_held(self, item: Item, receipt: int) -> bool:
        return item.place == LEASED and item.receipt == receipt

    def why(self, item: Item, receipt: int) -> Cause:
        if item.place == GONE:
            return Cause.NO_MESSAGE
        return Cause.RECEIVED_AGAIN if item.receipt != receipt else Cause.NOT_IN_FLIGHT

    def stale(self, now: int, item: Item, why: Cause, client: object) -> Cause:
        if item.queue.profile.stale_ack[why is Cause.RECEIVED_AGAIN] is Stale.CLOSES_CHANNEL:
            self.forget(now, client)
            self.look(now)
        return why

    def ack(self, now: int, item: Item, receipt: int, client: object) -> Cause:
        if self.is_held(item, receipt):
            self.end(item)
            return Cause.NONE
        if item.place == GONE:
            return self.stale(now, item, Cause.NO_MESSAGE, client)
        again = item.receipt != receipt
        if item.queue.profile.stale_ack[again] is Stale.DELETES:
            self.end(item)
            return Cause.NONE
        return self.stale(now, item, Cause.RECEIVED_AGAIN if again else Cause.RECEIPT_EXPIRED, client)

    def nack(self, now: int, item: Item, receipt: int, delay: int, failed: bool, client: object) -> Cause:
        if not self.is_held(item, receipt):
            return self.stale(now, item, self.why(item, receipt), client)
        if item.queue.profile.counts_only_failures and not failed:
            item.carried += 1
        if delay and item.queue.profile.nack_stays_leased:
            return self.extend(now, item, receipt, delay, client)
        self.come_back(now, item, Kind.NACKED, delay)
        return Cause.NONE

    def extend(self, now: int, item: Item, receipt: int, timeout: int, client: object) -> Cause:
        if not self.is_held(item, receipt):
            return self.stale(now, item, self.why(item, receipt), client)
        if item.queue.profile.fixed_lease:
            timeout = item.queue.profile.visibility_timeout
        most = item.queue.profile.max_visibility
        if most is not None and now + timeout > item.leased_at + most:
            return Cause.OUT_OF_RANGE
        item.ends = (now + timeout, self.next())
        return Cause.NONE

    def reject(self, now: int, item: Item, receipt: int, client: object) -> Cause:
        if not self.is_held(item, receipt):
            return self.stale(now, item, self.why(item, receipt), client)
        self.dead_letter(now, item, "REJECTED")
        return Cause.NONE

    def duplicate(self, now: int, item: Item, receipt: int) -> bool:
        if not self.is_held(item, receipt):
            return False
        self.come_back(now, item, Kind.DUPLICATED)
        return True

    def expire_lease(self, now: int, item: Item) -> None:
        """Its client has had it for too long."""
        client, profile = item.client, item.queue.profile
        if profile.counts_only_failures:
            item.carried += 1
        self.come_back(now, item, Kind.LEASE_ENDED)
        if profile.lease_closes_channel:
            self.forget(now, client)
            self.look(now)

    def forget(self, now: int, client: object) -> None:
        lines = self.lines.values()
        for line in lines:
            for wish in [*line.subscribed, *line.ring, *line.waits, *(item.pushed_by for item in line.items if item.pushed_by)]:
                if wish.client == client:
                    self.cancel(wish)
            line.waits = [wish for wish in line.waits if wish.is_open]
        held = [item for line in lines for item in line.at(LEASED) if item.client == client]
        for item in sorted(held, key=lambda item: item.receipt):
            does = item.queue.profile.on_crash
            if does is OnCrash.LOSES:
                self.end(item)
            elif does is OnCrash.ORPHANS:
                item.receipt = self.next()
            elif does is OnCrash.RETURNS or item.pushed_by is not None:
                self.come_back(now, item, Kind.RETURNED)

    def most(self, line: Line) -> int | None:
        own = line.profile.dlq.max_receives if line.profile.dlq is not None else None
        return line.profile.max_deliveries if own is None else own

    def way_back(self, line: Line, kind: Kind) -> ReturnsTo:
        profile = line.profile
        is_lost = kind is Kind.RETURNED or (kind is Kind.LEASE_ENDED and profile.lease_closes_channel)
        if is_lost and profile.returns_to_after_crash is not None:
            return profile.returns_to_after_crash
        if self.most(line) is not None and profile.returns_to_if_limited is not None:
            return profile.returns_to_if_limited
        return profile.returns_to

    def come_back(self, now: int, item: Item, kind: Kind, delay: int = 0) -> None:
        profile, to = item.queue.profile, self.way_back(item.queue, kind)
        most = None if profile.dead_letters_lazily else self.most(item.queue)
        if kind is not Kind.DUPLICATED and most is not None and item.receives - item.carried >= most:
            self.dead_letter(now, item, "MAX_RECEIVES")
        elif item.deadline is not None and item.deadline <= now and not profile.expires_at_head:
            self.expire(now, item)
        else:
            self.let_go(item)
            if delay:
                item.place, item.ends = DELAYED, (now + delay, self.next())
                self.shrink(now, item.queue)
            else:
                late = profile.tail_from is not None and item.receives >= profile.tail_from
                if late or to is ReturnsTo.TAIL:
                    item.rank = self.next()
                elif to is ReturnsTo.HEAD and not item.queue.has_groups:
                    item.came_first = self.next()
                self.become_ready(now, item)

    def become_ready(self, now: int, item: Item) -> None:
        self.enter(item)
        self.shrink(now, item.queue)
        self.strike_heads(now, item.queue)

    def strike_heads(self, now: int, line: Line) -> None:
        if line.profile.expires_at_head:
            while late := [item for item in line.heads() if item.deadline is not None and item.deadline <= now]:
                self.expire(now, late[0])

    def shrink(self, now: int, line: Line) -> None:
        limit = line.profile.capacity
        drops = (Overflow.DROP_OLDEST, Overflow.DEAD_LETTER)
        if limit is None or not limit.counts_ready_only or limit.when_full not in drops:
            return
        for _ in line.at(READY):
            oldest = line.oldest()
            if oldest is None or not line.is_over(0, 0):
                return
            self.throw_out(now, oldest, limit.when_full)

    def let_go(self, item: Item) -> None:
        wish, item.pushed_by, item.client, item.ends = item.pushed_by, None, None, None
        if wish is not None:
            wish.left += 1
            stayed = item.queue.profile.full_stay_in_line and not wish.has_left
            if wish.left == 1 and wish.is_open and not stayed:
                wish.has_left = False
                item.queue.line_up(wish)

    def end(self, item: Item) -> None:
        self.let_go(item)
        item.place, item.expires = GONE, None
        item.queue.items.remove(item)

    # --- moving and expiring ---------------------------------------------------------------------------------------------

    def strike(self, now: int, item: Item) -> None:
        item.expires = None
        if item.queue.profile.expires_at_head and item.place == READY:
            self.strike_heads(now, item.queue)
        elif item.place != LEASED or item.queue.profile.expires_in_flight:
            self.expire(now, item)

    def expire(self, now: int, item: Item) -> None:
        if item.queue.profile.ttl_dead_letters:
            self.dead_letter(now, item, "TTL")
        else:
            self.end(item)

    def dead_letter(self, now: int, item: Item, why: str = "FULL") -> None:
        profile = item.queue.profile
        self.end(item)
        if profile.remembers_deaths and profile.dlq is not None:
            death = (item.queue.name, why)
            item.deaths = [death, *(other for other in item.deaths if other != death)]
            queues = [queue for queue, _ in item.deaths]
            if why != "REJECTED" and profile.dlq.queue in queues:
                cycle = item.deaths[: queues.index(profile.dlq.queue) + 1]
                if all(reason != "REJECTED" for _, reason in cycle):
                    return
        if profile.dlq is not None:
            kept = item.receives if profile.counts_across_queues else 0
            self.arrive(now, self.lines[profile.dlq.queue], item, kept, item.sent)

    def arrive(self, now: int, line: Line, old: Item, receives: int, sent: int | None) -> None:
        self.make_room(now, line, old.size)
        item = Item(old.number, line, self.next(), old.level, old.group, old.size)
        if line.profile.order is Order.PRIORITY:
            item.level = min(item.level, len(line.profile.lane_of or range(line.profile.levels)) - 1)
        item.receives = item.carried = receives
        item.deaths = old.deaths
        line.items.append(item)
        since = now if line.profile.retention_restarts or sent is None else sent
        self.set_expiry(item, now, since, None)
        self.enter(item)
        self.shed(now, line, item)

    def redrive(self, now: int, source: str, to: str, limit: int | None) -> int:
        line, moved = self.lines[source], 0
        most = len(line.at(READY)) if limit is None else min(limit, len(line.at(READY)))
        while moved < most and (item := line.oldest()) is not None:
            self.end(item)
            self.arrive(now, self.lines[to], item, 0, None)
            moved += 1
        self.strike_heads(now, line)
        return moved

    def purge(self, name: str) -> int:
        line = self.lines[name]
        items = sorted(line.at(READY) if line.profile.purges_ready_only else line.items, key=lambda item: item.rank)
        for item in items:
            self.end(item)
        return len(items)
