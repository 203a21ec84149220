"""Consumers: what a process does with what it is handed.

A ``Crew`` is one entry of ``consumers:``, a ``Member`` one of its processes (a client, with its life), a ``Desk`` one
message at a time in that process.  ``work`` is the story of a desk: receive, check, work, effect, record, ack.
They know the port and luck, no rule of a broker.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from dataclasses import replace
from heapq import heappop, heappush
from typing import Any

from simpy.events import Event
from simpy.exceptions import Interrupt

from qsim.kernel.journal import Cause, Kind
from qsim.kernel.message import Credit, Delivery
from qsim.scenario.plan import Ack, Check, ConsumerPlan, CrashAt, OnError
from qsim.sim.alarm import Alarm, Inbox, Reminder
from qsim.sim.luck import retry_delay
from qsim.sim.port import Port
from qsim.sim.slots import ACKS, HEARTBEAT, POLL, RESTART, WORK
from qsim.sim.world import World
from qsim.units import SECOND, Nanos

PROCESS_BITS = 20
"""client = consumer << 20 | process."""


class Crew:
    """All processes of one consumer, and what they share: how they work, and which messages they have seen."""

    def __init__(self, world: World, plan: ConsumerPlan, make: Callable[[World, Crew, int], Any] | None = None) -> None:
        self.world = world
        self.plan = plan
        self.is_quick = make is not None
        self.ports = [world.ports[source] for source in plan.sources]
        self.store: dict[int, Nanos] = {}
        """Recorded effects (idempotent): message -> when."""
        self.turns: dict[int, int] = {}
        """How often work on a message has begun here; forgotten when it is acked."""
        self.members = [(make or _member)(world, self, number) for number in range(plan.most)]
        self.count = 0
        self.watch: Callable[[], None] | None = None

    def alive(self) -> int:
        """Live processes."""
        return sum(member.is_alive for member in self.members)

    def busy(self) -> int:
        """Desks at work."""
        return sum(desk.number is not None for member in self.members for desk in member.desks)

    def start(self) -> None:
        self.set_count(self.plan.count)

    def set_count(self, count: int) -> None:
        """More come at once; of fewer, those with the highest numbers finish what they have and leave."""
        for member in self.members[self.count : count]:
            member.rise()
        for member in self.members[count : self.count]:
            member.retire()
        self.count = count

    def change(self, **settings: Any) -> None:
        """New settings for what begins from now on."""
        self.plan = replace(self.plan, **settings)
        if "service" in settings:
            self.world.luck.set_service(self.plan, self.plan.service)

    def crash(self, count: int) -> None:
        """The lowest-numbered live processes die, with all they hold."""
        alive = [member for member in self.members if member.is_alive]
        for member in alive[:count]:
            member.die(None, self.world.luck.restart(self.plan, 0, member.number + 1))

    def pause(self, is_paused: bool) -> None:
        for member in self.members:
            member.pause(is_paused)

    def has_seen(self, number: int, now: Nanos) -> bool:
        """Whether an effect of this message is on record, and not forgotten yet."""
        since = self.store.get(number)
        return since is not None and (self.plan.remember is None or now - since < self.plan.remember)


def _member(world: World, crew: Crew, number: int) -> Member:
    return Member(crew, number)


class Member:
    """One process: it receives when a desk is free and nothing is left in its buffer."""

    def __init__(self, crew: Crew, number: int) -> None:
        self.crew = crew
        self.number = number
        self.client = crew.plan.index << PROCESS_BITS | number
        self.world = crew.world
        self.is_alive = self.is_paused = self.is_leaving = False
        self.buffer: deque[tuple[Port, Delivery]] = deque()
        self.idle: list[int] = []
        self.credits: list[Credit] = []
        self.life = 0
        self._is_fetching = False
        self._is_asleep = False
        self._by_turn = sorted(crew.ports, key=lambda port: port.queue.index)
        self.calls = 0
        slot = self.world.slots.work
        index = crew.plan.index
        self._poll = Reminder(self.world.env, slot(index, number, 0, POLL), self._wake_up)
        self._restart = Reminder(self.world.env, slot(index, number, 0, RESTART), self._come_back)
        self._asleep_until: Nanos = -1
        self.acks = AckBatch(self) if crew.plan.ack_batch is not None else None
        self.desks = [Desk(self, parallel) for parallel in range(crew.plan.concurrency)]

    # --- its life ---------------------------------------------------------------------------------------------------

    def rise(self) -> None:
        """Come up, and ask for work."""
        self.is_leaving = False
        if self.is_alive:
            return
        self.is_alive = True
        self.write(Kind.UP)
        if self.crew.plan.prefetch is not None:
            self._subscribe()
        if not self.desks[0].is_begun:
            for desk in self.desks:
                desk.begin()
        else:
            self.fetch()

    def retire(self) -> None:
        """Take no more, finish what is held, and go."""
        self.is_leaving = True
        self._stop_asking()
        self.leave_if_done()

    def leave_if_done(self) -> None:
        if self.is_leaving and self.is_alive and not self.buffer and len(self.idle) == len(self.desks):
            self.is_alive = False
            self.write(Kind.DOWN)
            self.world.broker.forget_client(self.world.now, self.client)

    def die(self, own: Desk | None, away: Nanos) -> None:
        """A crash kills the whole process: its desks' work, its buffer, its receives.  It is back after ``away``."""
        now = self.world.now
        self._restart.show(now + away)  # first, for what follows may hand messages to others at this instant
        for desk in self.desks:
            if desk.number is not None:
                self.write(
                    Kind.INTERRUPTED, desk.number, desk.turn, desk.queue, Cause.OWN_CRASH if desk is own else Cause.FELLOW_CRASH
                )
                desk.stop(is_own=desk is own)
        self.write(Kind.DOWN)
        self.is_alive = False
        self.life += 1
        self.buffer.clear()
        self.credits.clear()
        if self.acks is not None:
            self.acks.waiting.clear()
        self._asleep_until = -1
        self.world.broker.forget_client(now, self.client)
        for port in self.world.ports:
            port.after()

    def _come_back(self, now: Nanos) -> Nanos:
        if not self.is_alive and self.number < self.crew.count:
            self.rise()
        return 1 << 62

    def pause(self, is_paused: bool) -> None:
        """Take no new work; what has begun goes on."""
        self.is_paused = is_paused
        if self.is_alive:
            self.write(Kind.PAUSED if is_paused else Kind.RESUMED)
        if is_paused:
            self._stop_asking()
        elif self.is_alive:
            if self.crew.plan.prefetch is not None and not self.credits:
                self._subscribe()
            self.fetch()

    def _stop_asking(self) -> None:
        for credit in self.credits:
            for port in self.crew.ports:
                port.queue.cancel(credit)
        self.credits.clear()

    # --- receiving ----------------------------------------------------------------------------------------------------

    def next_for(self, desk: Desk) -> tuple[Port, Delivery] | None:
        """What this desk works on next; None: it has to wait for its inbox."""
        if self.buffer and not self.is_paused:
            return self.buffer.popleft()
        deliveries = self._ask()
        if deliveries:
            first = self.buffer.popleft()
            return first
        heappush(self.idle, desk.parallel)
        if self.is_leaving:
            self.leave_if_done()
        return None

    def fetch(self) -> None:
        """Ask for messages as long as a desk is idle and nothing is left; a desk that gets one arms its own alarm
        before the next is asked for."""
        if self._is_fetching:
            return
        self._is_fetching = True
        while self.idle and self.is_alive and not self.is_paused:
            if not self.buffer and not self._ask():
                break
            self._hand_over()
        self._is_fetching = False

    def deliver(self, port: Port, deliveries: list[Delivery], credit: Credit) -> None:
        """The port: here is what a credit got."""
        if not credit.is_pushed:
            self.credits.clear()
        self._store(port, deliveries)
        self._hand_over()
        if self.idle:
            self.fetch()

    def nothing(self, credit: Credit) -> None:
        """The port: the wait is over, with nothing."""
        self.credits.clear()
        self._after_nothing()

    def _after_nothing(self) -> None:
        poll = self.crew.plan.poll
        assert poll is not None
        if poll.every is not None:
            self._sleep(poll.every)
        else:
            self.fetch()

    def _sleep(self, time: Nanos) -> None:
        self._asleep_until = self.world.now + time
        self._poll.show(self._asleep_until)

    def _wake_up(self, now: Nanos) -> Nanos:
        if now < self._asleep_until:
            return self._asleep_until
        if self._asleep_until >= 0:
            self._asleep_until = -1
            self.fetch()
        return 1 << 62

    def _hand_over(self) -> None:
        """Idle desks take from the buffer, the lowest number first."""
        while self.idle and self.buffer and self.is_alive and not self.is_paused:
            desk = self.desks[heappop(self.idle)]
            desk.inbox.give(self.buffer.popleft())

    def _store(self, port: Port, deliveries: list[Delivery]) -> None:
        """Into the buffer.  Who acks on receive acks now."""
        for delivery in deliveries:
            self.buffer.append((port, delivery))
        if self.crew.plan.ack is Ack.ON_RECEIVE:
            for delivery in deliveries:
                port.ack(delivery)

    def _ask(self) -> bool:
        """One receive.  True: it got something, now in the buffer.  Else it waits, sleeps, or may not ask."""
        plan = self.crew.plan
        poll = plan.poll
        if poll is None or self.credits or self._asleep_until >= 0 or self.is_paused or self.is_leaving or not self.is_alive:
            return False
        for port in self.crew.ports:
            if port.refusal(self.client, poll.batch, poll.wait) or port.is_deaf(self.crew.plan, self):
                self._sleep(poll.every if poll.every is not None else SECOND)
                return False
            deliveries = port.hand_out(self.client, poll.batch, poll.visibility_timeout)
            if deliveries is None:
                break  # somebody may come first
            if deliveries:
                self._store(port, deliveries)
                return True
        self._wait()
        return False

    def _wait(self) -> None:
        """One credit, in the queue or in all of them; the last one to have its turn ends the wait."""
        poll = self.crew.plan.poll
        assert poll is not None
        *others, last = self._by_turn
        credit = last.wait(self, self.client, poll.batch, poll.visibility_timeout, poll.wait)
        self.credits.append(credit)
        for port in others:
            port.join(credit)

    def prefers(self, port: Port) -> Port:
        """Of several sources the first one listed that has something."""
        return next((other for other in self.crew.ports if other is port or other.queue.visible), port)

    def resubscribe(self) -> None:
        """A new prefetch: what is held counts against it no more than it did."""
        if self.is_alive and self.credits and not self.is_paused and not self.is_leaving:
            self._stop_asking()
            self._subscribe()

    def _subscribe(self) -> None:
        prefetch = self.crew.plan.prefetch
        assert prefetch is not None
        for port in self.crew.ports:
            self.credits.append(port.subscribe(self, self.client, prefetch))

    # --- rows -----------------------------------------------------------------------------------------------------------

    def write(self, kind: Kind, message: int = -1, attempt: int = 0, queue: int = -1, cause: int = 0) -> None:
        if self.crew.watch is not None:
            self.crew.watch()
        self.world.journal.write(self.world.now, message, self.client, attempt, queue, kind, cause)


class AckBatch:
    """Acks of one process that go out together: when there are enough, or when the first has waited long enough."""

    def __init__(self, member: Member) -> None:
        assert member.crew.plan.ack_batch is not None
        self.size, self.wait = member.crew.plan.ack_batch
        self.waiting: list[tuple[Port, Delivery]] = []
        self._member = member
        self._due: Nanos = 0
        slot = member.world.slots.work(member.crew.plan.index, member.number, 0, ACKS)
        self._alarm = Reminder(member.world.env, slot, self._ring)

    def add(self, port: Port, delivery: Delivery) -> None:
        if not self.waiting:
            self._due = self._member.world.now + self.wait
            self._alarm.show(self._due)
        self.waiting.append((port, delivery))
        if len(self.waiting) >= self.size:
            self._flush()

    def _ring(self, now: Nanos) -> Nanos:
        if not self.waiting:
            return 1 << 62
        if now >= self._due:
            self._flush()
        return self._due if self.waiting else 1 << 62

    def _flush(self) -> None:
        """One call a queue, as far as there are tokens."""
        now, turns = self._member.world.now, self._member.crew.turns
        waiting, self.waiting = self.waiting, []
        for port, delivery in waiting:
            token_at = port.delete_token(self._member.client, -1)
            if token_at > now:
                self.waiting.append((port, delivery))
                self._due = token_at
                self._alarm.show(token_at)
            elif port.ack(delivery) is Cause.NONE:
                turns.pop(delivery.message.number, None)


class Desk:
    """One message at a time.  ``number`` is the message at work, None while idle."""

    def __init__(self, member: Member, parallel: int) -> None:
        self.member = member
        self.parallel = parallel
        self.world = member.world
        self.number: int | None = None
        self.turn = 0
        self.queue = -1
        self.inbox = Inbox(self.world.env)
        self.is_begun = False
        slot = self.world.slots.work
        index = member.crew.plan.index
        self._slot = slot(index, member.number, parallel, WORK)
        self.alarm = Alarm(self.world.env, self._slot)
        self._beats = Reminder(self.world.env, slot(index, member.number, parallel, HEARTBEAT), self._beat)
        self._beat_at: Nanos = -1
        self._at_work: tuple[Port, Delivery, Nanos] | None = None
        self.process: Any = None

    def begin(self) -> None:
        self.is_begun = True
        self.process = self.world.env.process(work(self))

    def stop(self, is_own: bool) -> None:
        """The process is dead: this desk's work is void."""
        self.end_work()
        self.number = None
        self.alarm = Alarm(self.world.env, self._slot)  # the old one is still in the heap
        if not is_own:
            self.process.interrupt()

    def start_work(self, port: Port, delivery: Delivery, turn: int) -> None:
        now = self.world.now
        self.number, self.turn, self.queue = delivery.message.number, turn, port.queue.index
        if self.member.crew.watch is not None:
            self.member.crew.watch()
        heartbeat = self.member.crew.plan.heartbeat
        if heartbeat is not None:
            self._at_work = (port, delivery, now)
            self._beat_at = now + heartbeat.every
            self._beats.show(self._beat_at)

    def end_work(self) -> None:
        """No more heartbeats; the desk stays busy until the message is settled."""
        self._at_work = None

    def _beat(self, now: Nanos) -> Nanos:
        """Extend the lease of the message at work, until it is given up or lost."""
        if self._at_work is None:
            return 1 << 62
        if now < self._beat_at:
            return self._beat_at
        heartbeat = self.member.crew.plan.heartbeat
        port, delivery, since = self._at_work
        assert heartbeat is not None
        given_up = heartbeat.give_up_after is not None and now - since >= heartbeat.give_up_after
        if given_up or port.extend(delivery, heartbeat.extend_to):
            if given_up:
                self.member.write(Kind.GAVE_UP, delivery.message.number, self.turn, port.queue.index)
            self._at_work = None
            return 1 << 62
        self._beat_at = now + heartbeat.every
        return self._beat_at


def work(desk: Desk) -> Generator[Event, Any, None]:
    """The story of a desk."""
    member = desk.member
    while True:
        try:
            got = member.next_for(desk)
            if got is None:
                got = yield desk.inbox.wait()
            yield from attempt(desk, *got)
            desk.number = None
        except Interrupt:
            pass  # a crash: what was held has been given up; wait for the next life


def attempt(desk: Desk, port: Port, delivery: Delivery) -> Generator[Event, Any, None]:
    """One attempt: check, work, effect, record, ack; or an error, or the end of the process."""
    member = desk.member
    crew, world = member.crew, member.world
    plan, number, queue = crew.plan, delivery.message.number, port.queue.index
    turn = crew.turns[number] = crew.turns.get(number, 0) + 1
    until = world.held_until.get(number, 0) if world.held_until else 0
    if until > world.now:
        yield from _hold(desk, port, delivery, until)
    if plan.buffers:
        member.write(Kind.STARTED, number, turn, queue)
    if plan.check is Check.BEFORE and crew.has_seen(number, world.now):
        member.write(Kind.SKIPPED, number, turn, queue)
        yield from settle(desk, port, delivery, turn)
        return
    service, fate, moment, jitter = world.luck.attempt(plan, number, turn)
    failures = plan.failures
    is_poison = number in world.poison
    dies = not is_poison and fate > 1.0 - failures.crash
    desk.start_work(port, delivery, turn)
    if dies and failures.crash_at is CrashAt.WORKING:
        yield _ring(desk, world.now + int(moment * service))
        _die(desk, number, turn)
        return
    yield _ring(desk, world.now + service)
    if is_poison and number in world.poison or fate < failures.error:
        member.write(Kind.ERRED, number, turn, queue)
        desk.end_work()
        give_back(plan, port, delivery, jitter)
        return
    if plan.check is Check.ATOMIC and crew.has_seen(number, world.now):
        member.write(Kind.SKIPPED, number, turn, queue)
    else:
        member.write(Kind.EFFECT, number, turn, queue)
        if dies and failures.crash_at is CrashAt.AFTER_EFFECT and plan.check is not Check.ATOMIC:
            _die(desk, number, turn)
            return
        if plan.check is not Check.NONE:
            crew.store[number] = world.now
    if dies:
        _die(desk, number, turn)
        return
    desk.end_work()
    yield from settle(desk, port, delivery, turn)


def _ring(desk: Desk, time: Nanos) -> Alarm:
    """The alarm for the end of the work.  Armed first; then other desks of the process may ask for theirs."""
    alarm = desk.alarm.at(time)
    if desk.member.idle:
        desk.member.fetch()
    return alarm


def _hold(desk: Desk, port: Port, delivery: Delivery, until: Nanos) -> Generator[Event, Any, None]:
    """Not before its eta: the consumer has it, its lease runs."""
    desk.number, desk.turn, desk.queue = delivery.message.number, 0, port.queue.index
    yield _ring(desk, until)


def _die(desk: Desk, number: int, turn: int) -> None:
    desk.member.die(desk, desk.world.luck.restart(desk.member.crew.plan, number, turn))


def give_back(plan: ConsumerPlan, port: Port, delivery: Delivery, jitter: float) -> None:
    """After an error: nack (with the delay of the retry policy), reject, or let the lease run out."""
    failures = plan.failures
    if plan.ack is Ack.ON_RECEIVE or failures.on_error is OnError.WAIT_FOR_TIMEOUT:
        return
    retry = plan.retry
    used_up = retry is not None and retry.attempts is not None and delivery.attempt >= retry.attempts
    if failures.on_error is OnError.REJECT or used_up:
        port.reject(delivery)
    else:
        port.nack(delivery, retry_delay(retry, delivery.attempt, jitter) if retry is not None else 0)


def settle(desk: Desk, port: Port, delivery: Delivery, turn: int) -> Generator[Event, Any, None]:
    """Ack after success: lost on the way, throttled, or heard."""
    member, world = desk.member, desk.world
    crew, number = member.crew, delivery.message.number
    if crew.plan.ack is Ack.ON_RECEIVE:
        crew.turns.pop(number, None)
        return
    lost = port.flaws.lose_ack
    if lost and world.luck.ack_luck(crew.plan, number, turn)[0] < lost:
        member.write(Kind.LOST_ACK, number, turn, port.queue.index)
        return
    if member.acks is not None:
        member.acks.add(port, delivery)
        return
    while (token_at := port.delete_token(member.client, delivery.message.leased_at)) > world.now:
        yield desk.alarm.at(token_at)
    if port.ack(delivery) is Cause.NONE:
        crew.turns.pop(number, None)
