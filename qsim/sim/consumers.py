"""Consumers: what a process does with what it is handed.

A ``Crew`` is one entry of ``consumers:``, a ``Member`` one of its processes (a client, with its life), a ``Desk`` one
message at a time in that process.  ``work`` is the story of a desk: receive, check, work, effect, record, ack.
They know the port and luck, no rule of a broker.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from dataclasses import replace
from fractions import Fraction
from heapq import heappop, heappush
from typing import Any

from simpy.events import Event
from simpy.exceptions import Interrupt

from qsim.kernel.journal import ROW, Cause, Kind
from qsim.kernel.message import Credit, Delivery
from qsim.scenario.plan import Ack, Check, ConsumerPlan, CrashAt, OnError
from qsim.sim.alarm import Alarm, Inbox, Reminder
from qsim.sim.dependency import Caller, fails_to_call
from qsim.sim.emits import Unsent, drop_unsent, emitters, wait_for_room
from qsim.sim.jms import JmsPort, ports_of_clients
from qsim.sim.latency import Road, Transit
from qsim.sim.luck import Attempt, retry_delay
from qsim.sim.port import Port
from qsim.sim.recovery import Recovery
from qsim.sim.slots import ACKS, HEARTBEAT, POLL, RESTART, WORK
from qsim.sim.world import World
from qsim.units import SECOND, Nanos

_pack = ROW.pack
PROCESS_BITS = 20
"""client = consumer << 20 | process."""


class Crew:
    """All processes of one consumer, and what they share: how they work, and which messages they have seen."""

    def __init__(self, world: World, plan: ConsumerPlan, make: Callable[[World, Crew, int], Any] | None = None) -> None:
        self.world = world
        self.plan = plan
        self.is_quick = make is not None
        self.ports = ports_of_clients([world.ports[source] for source in plan.sources], plan)
        self.store: dict[int, Nanos] = {}
        """Recorded effects (idempotent): message -> when."""
        self.turns: dict[int, int] = {}
        """How often work on a message has begun here; forgotten when it is acked."""
        self.dependencies = tuple(world.dependencies[index] for index in plan.uses)
        self.on_success, self.on_failure = emitters(world, plan, False), emitters(world, plan, True)
        self.pace = Fraction(1)
        """Work that begins takes this many times as long."""
        self.attempt: Callable[[ConsumerPlan, int, int], Attempt] = world.luck.attempt
        self.members = [(make or _member)(world, self, number) for number in range(plan.most)]
        self.count = 0
        self.started = 0
        """How many processes the autoscaler has started."""
        self.watch: Callable[[], None] | None = None

    def alive(self) -> int:
        """Live processes."""
        return sum(member.is_alive for member in self.members)

    def busy(self) -> int:
        """Desks at work."""
        return sum(desk.number is not None for member in self.members for desk in member.desks)

    def ready(self) -> int:
        """Live processes that take work, or would."""
        return sum(member.is_alive and not (member.is_starting or member.is_leaving) for member in self.members)

    def start(self) -> None:
        self.set_count(self.plan.count)

    def set_count(self, count: int) -> None:
        """More come at once; of fewer, those with the highest numbers finish what they have and leave."""
        for member in self.members[self.count : count]:
            member.rise()
        for member in self.members[count : self.count]:
            member.retire()
        self.count = count

    def scale(self, count: int) -> None:
        """As many as the autoscaler wants: who comes has to start up; who goes finishes what it has, or is killed."""
        scaler = self.plan.autoscale
        assert scaler is not None
        come, go, self.count = self.members[self.count : count], self.members[count : self.count], count
        for member in come:
            if member.is_alive:
                member.rise()  # it has not left yet
            else:
                member.rise(self.world.luck.startup(self.plan, self.started))
                self.started += 1
        for member in go:
            if scaler.graceful:
                member.retire()
            elif member.is_alive:
                member.die(None, 0, Cause.SCALED_IN)

    def change(self, **settings: Any) -> None:
        """New settings for what begins from now on."""
        self.plan = replace(self.plan, **settings)
        if "service" in settings:
            self.world.luck.set_service(self.plan, self.plan.service)

    def slow_down(self, by: Fraction) -> None:
        """What begins from now on takes so many times as long as it did."""
        self.pace *= by
        self.attempt = self.world.luck.attempt if self.pace == 1 else self._slow_attempt

    def _slow_attempt(self, plan: ConsumerPlan, message: int, turn: int) -> Attempt:
        service, *rest = self.world.luck.attempt(plan, message, turn)
        return service * self.pace.numerator // self.pace.denominator, rest[0], rest[1], rest[2]

    def crash(self, count: int) -> None:
        """The lowest-numbered live processes die, with all they hold."""
        alive = [member for member in self.members if member.is_alive]
        for member in alive[:count]:
            member.die(None, self.world.luck.restart(self.plan, 0, member.number + 1))

    def pause(self, is_paused: bool) -> None:
        for member in self.members:
            member.pause(is_paused)

    def ack_takes(self, port: Port, delivery: Delivery, turn: int) -> Nanos:
        """How long the ack of this start is under way."""
        if port.latency.ack is None:
            return 0
        return self.world.luck.ack_latency(self.plan, delivery.message.number, turn, port.queue.index)

    def ack_gets_lost(self, port: Port, delivery: Delivery, turn: int) -> bool:
        """Whether the ack of this start never arrives."""
        if port.may_go_away and port.is_cut_off(delivery):
            return True
        lost = port.flaws.lose_ack
        return bool(lost) and self.world.luck.ack_luck(self.plan, delivery.message.number, turn)[0] < lost

    def has_seen(self, number: int, now: Nanos) -> bool:
        """Whether an effect of this message is on record, and not forgotten yet."""
        since = self.store.get(number)
        return since is not None and (self.plan.remember is None or now - since < self.plan.remember)


def hang_up(world: World, crews: list[Crew]) -> None:
    """Tell the processes whose channel the broker has closed."""
    while world.broker.closed:
        client = world.broker.closed.pop(0)
        crews[client >> PROCESS_BITS].members[client & (1 << PROCESS_BITS) - 1].hang_up()


def _member(world: World, crew: Crew, number: int) -> Member:
    return Member(crew, number)


class Member:
    """One process: it receives when a desk is free and nothing is left in its buffer."""

    def __init__(self, crew: Crew, number: int) -> None:
        self.crew = crew
        self.number = number
        self.client = crew.plan.index << PROCESS_BITS | number
        self.world = crew.world
        self.is_alive = self.is_starting = self.is_paused = self.is_leaving = False
        self.buffer: deque[tuple[Port, Delivery]] = deque()
        self.idle: list[int] = []
        self.credits: list[Credit] = []
        self.life = 0
        self._is_fetching = False
        self._is_asleep = False
        poll = crew.plan.poll
        self.recovery = None if crew.plan.recovery is None else Recovery(self, crew.plan.recovery)
        self._asks_for_one = poll is not None and self.recovery is None and (
            poll.batch == 1 and len(crew.ports) == 1 and crew.plan.ack is Ack.AFTER_SUCCESS and not crew.ports[0].may_refuse
        )
        takes_time = crew.plan.jms is None and any(port.latency.receive is not None for port in crew.ports)
        self.transit = Transit(self) if takes_time else None
        """Where what it receives takes time to come."""
        self._receiver: Any = self if self.transit is None else self.transit
        self._asks_for_one = self._asks_for_one and self.transit is None
        self._timeout = poll.visibility_timeout if poll is not None else None
        self._by_turn: list[Port] = sorted(crew.ports, key=lambda port: port.queue.index)
        self.calls = 0
        slot = self.world.slots.work
        index = crew.plan.index
        self._poll = Reminder(self.world.env, slot(index, number, 0, POLL), self._wake_up)
        self._restart = Reminder(self.world.env, slot(index, number, 0, RESTART), self._come_back)
        self._start = Reminder(self.world.env, slot(index, number, 0, RESTART), self._started)
        self._asleep_until: Nanos = -1
        self._back_at: Nanos = 0
        self._ready_at: Nanos = 0
        self.acks = AckBatch(self) if crew.plan.ack_batch is not None else None
        self.desks = [Desk(self, parallel) for parallel in range(crew.plan.concurrency)]

    # --- its life ---------------------------------------------------------------------------------------------------

    def rise(self, startup: Nanos = 0) -> None:
        """Come up, and ask for work, once started up."""
        self.is_leaving = False
        if not self.is_alive:
            self.is_alive = True
            self.write(Kind.UP)
            if self.is_paused:
                self.write(Kind.PAUSED)
        if startup:
            self.is_starting = True
            self._ready_at = self.world.now + startup
            self._start.show(self._ready_at)
        else:
            self._begin()

    def _started(self, now: Nanos) -> Nanos:
        if self.is_starting and now < self._ready_at:
            return self._ready_at
        if self.is_starting:
            self.is_starting = False
            self.write(Kind.STARTED_UP)
            self._begin()
        return 1 << 62

    def _begin(self) -> None:
        self._subscribe_anew()
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
        is_receiving = self.transit is not None and self.transit.is_busy
        has_nothing = not is_receiving and not self.buffer and len(self.idle) == len(self.desks) and not (self.acks and self.acks.waiting)
        if self.is_leaving and self.is_alive and (has_nothing or self.is_starting):
            self.is_alive = self.is_starting = False
            self.write(Kind.DOWN)
            self.world.broker.forget_client(self.world.now, self.client)

    def die(self, own: Desk | None, away: Nanos, cause: Cause = Cause.FELLOW_CRASH) -> None:
        """A crash kills the whole process: its desks' work, its buffer, its receives.  It is back after ``away``, if it
        is still wanted then."""
        now = self.world.now
        self._back_at = now + away
        self._restart.show(self._back_at)  # first, for what follows may hand messages to others at this instant
        for desk in self.desks:
            if desk.number is not None:
                why = Cause.OWN_CRASH if desk is own else cause
                self.write(Kind.INTERRUPTED, desk.number, desk.turn, desk.queue, why)
                desk.stop(is_own=desk is own)
        self.write(Kind.DOWN)
        self.is_alive = self.is_starting = False
        self.life += 1
        self._forget_all()
        self._asleep_until = -1
        self.world.broker.forget_client(now, self.client)
        for port in self.world.ports:
            port.after(at_once=False)  # others may die at this instant too

    def hang_up(self) -> None:
        """The broker has closed this process's channel, and has everything back.  The work on it ends, but not that
        of the desk whose call it was; and the process comes again at once."""
        active = self.world.env.active_process
        for desk in self.desks:
            if desk.number is not None and desk.process is not active:
                self.write(Kind.INTERRUPTED, desk.number, desk.turn, desk.queue, Cause.CLOSED)
                desk.stop(is_own=False)
        self._forget_all()
        for port in self.world.ports:
            port.after(at_once=False)
        self._subscribe_anew()

    def _forget_all(self) -> None:
        """What it had received and not begun, and what it had not told yet."""
        self.buffer.clear()
        self.credits.clear()
        if self.acks is not None:
            self.acks.waiting.clear()
        if self.transit is not None:
            self.transit.void()

    def _come_back(self, now: Nanos) -> Nanos:
        if now < self._back_at:
            return self._back_at
        if not self.is_alive and self.number < self.crew.count:
            self.rise()
        return 1 << 62

    def lose_connection(self, port: Port) -> None:
        """The broker of a port is gone, and will have back what was not begun."""
        self.buffer = deque(each for each in self.buffer if each[0] is not port)
        if isinstance(port, JmsPort):
            port.disconnect()
            self.credits.clear()
        if self.is_leaving:
            self.leave_if_done()

    def reconnect(self) -> None:
        """It is there again.  Who had asked or subscribed is in line still, but a session is new."""
        self._subscribe_anew()
        self.fetch()

    def pause(self, is_paused: bool) -> None:
        """Take no new work; what has begun goes on."""
        self.is_paused = is_paused
        if self.is_alive:
            self.write(Kind.PAUSED if is_paused else Kind.RESUMED)
        if is_paused:
            self._stop_asking()
        elif self.is_alive:
            self._subscribe_anew()
            self.fetch()

    def _stop_asking(self) -> None:
        for credit in self.credits:
            for port in self.crew.ports:
                port.cancel(credit)
        self.credits.clear()

    # --- receiving ----------------------------------------------------------------------------------------------------

    def next_for(self, desk: Desk) -> tuple[Port, Delivery] | None:
        """What this desk works on next; None: it has to wait for its inbox."""
        if self.buffer and not self.is_paused:
            return self.buffer.popleft()
        if self._asks_for_one and self.may_ask():
            # What most receives are, without the buffer.
            port = self.crew.ports[0]
            deliveries = port.hand_out(self.client, 1, self._timeout)
            if deliveries:
                return port, deliveries[0]
            self._wait()
        elif self._ask():
            return self.buffer.popleft()
        heappush(self.idle, desk.parallel)
        if self.is_leaving:
            self.leave_if_done()
        return None

    def may_ask(self) -> bool:
        """Whether this process is up, takes work, and has no receive under way."""
        return (
            self.is_alive
            and not self.credits
            and self._asleep_until < 0
            and not (self.is_paused or self.is_leaving or self.is_starting)
            and self.crew.plan.poll is not None
        )

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
        if not credit.is_pushed and credit in self.credits:
            self.credits.clear()
        if self._asks_for_one and self.idle:
            self.desks[heappop(self.idle)].inbox.give((port, deliveries[0]))
        else:
            self._store(port, deliveries)
            self._hand_over()
        if self.idle:
            self.fetch()

    def nothing(self, credit: Credit) -> None:
        """The port: the wait is over, with nothing."""
        if credit in self.credits:  # else it has stopped waiting meanwhile
            self.credits.clear()
            self._after_nothing()
        elif self.is_leaving:
            self.leave_if_done()

    @property
    def last_port(self) -> Port:
        """In whose turn a wait ends."""
        return self._by_turn[-1]

    def interrupt_wait(self, port: Port, deliveries: list[Delivery]) -> None:
        """Something else than what it waits for."""
        self._stop_asking()
        self._store(port, deliveries)
        self._hand_over()
        if self.idle:
            self.fetch()

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
            self._subscribe_anew()
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
                self._ack_at_once(port, delivery)

    def _ack_at_once(self, port: Port, delivery: Delivery) -> None:
        """Its work has not begun yet: the luck is that of the start to come."""
        number = delivery.message.number
        turn = self.crew.turns.get(number, 0) + 1
        if self.crew.ack_gets_lost(port, delivery, turn):
            self.write(Kind.LOST_ACK, number, turn, port.queue.index)
        else:
            port.ack_quietly(delivery)

    def _ask(self) -> bool:
        """One receive.  True: it got something, now in the buffer.  Else it waits, sleeps, or may not ask."""
        poll = self.crew.plan.poll
        if poll is None:
            return self.crew.plan.jms is not None and self._take()
        if not self.may_ask():
            return False
        if self.recovery is not None and (found := self.recovery.fetch()) is not None:
            self._store(*found)
            return True
        for port in self.crew.ports:
            if port.may_refuse and (
                port.refusal(self.client, poll.batch, poll.wait) or port.is_deaf(self.crew.plan, self)
            ):
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

    def _take(self) -> bool:
        """What its session has in store."""
        if not self.is_alive or self.is_paused or self.is_leaving or self.is_starting:
            return False
        for port in self.crew.ports:
            if deliveries := port.stored(self):
                self._store(port, deliveries)
                return True
        return False

    def _wait(self) -> None:
        """One credit, in the queue or in all of them; the last one to have its turn ends the wait."""
        poll = self.crew.plan.poll
        assert poll is not None
        *others, last = self._by_turn
        credit = last.wait(self._receiver, self.client, poll.batch, poll.visibility_timeout, poll.wait)
        self.credits.append(credit)
        for port in others:
            port.join(credit)

    def prefers(self, port: Port, credit: Credit) -> Port:
        """Of several sources the first one listed that has something, and where nobody has waited longer."""
        return next(
            other
            for other in self.crew.ports
            if other is port or (other.queue.visible and not other.is_away and other.first_waiting() is credit)
        )

    def resubscribe(self) -> None:
        """A new prefetch: what is held counts against it no more than it did."""
        if self.credits:
            self._stop_asking()
            self._subscribe_anew()

    def _subscribe_anew(self) -> None:
        """Where messages are pushed, unless they are pushed already or none are wanted."""
        prefetch = self.crew.plan.prefetch
        takes_work = self.is_alive and not (self.is_paused or self.is_leaving or self.is_starting)
        if prefetch is not None and takes_work and not self.credits:
            for port in self.crew.ports:
                credit = port.subscribe(self._receiver, self.client, prefetch, *self.crew.plan.wishes)
                if credit.refused:
                    self._sleep(SECOND)
                else:
                    self.credits.append(credit)

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
        self.waiting: list[tuple[Port, Delivery, int]] = []
        """What is to be acked, and which start of its message here it was."""
        self._member = member
        self._due: Nanos = 0
        self._tokens: dict[Port, Nanos] = {}
        """When what waits may go, where a token is spoken for."""
        plan = member.crew.plan
        # After the work of all its desks, so that what ends at one instant goes together also where nothing waits.
        slot = member.world.slots.work(plan.index, member.number, plan.concurrency - 1, ACKS)
        self._alarm = Reminder(member.world.env, slot, self._ring)
        self._road: Road[Any] = Road(member.world.env, slot, self._arrive)

    def add(self, port: Port, delivery: Delivery, turn: int) -> None:
        if not self.waiting:
            self._due = self._member.world.now + self.wait
            self._alarm.show(self._due)
        self.waiting.append((port, delivery, turn))
        if len(self.waiting) >= self.size:
            self._flush()

    def _ring(self, now: Nanos) -> Nanos:
        if not self.waiting:
            return 1 << 62
        if now >= self._due:
            self._flush()
        return self._due if self.waiting else 1 << 62

    def _token(self, port: Port) -> Nanos:
        if port not in self._tokens:
            self._tokens[port] = port.delete_token(self._member.client, -1)
        return self._tokens[port]

    def _flush(self) -> None:
        """One call a queue, as far as there are tokens.  A call that gets lost, by its first message's luck, is lost
        with all its acks."""
        now = self._member.world.now
        waiting, self.waiting = self.waiting, []
        calls: dict[Port, list[tuple[Delivery, int]]] = {}
        for port, delivery, turn in waiting:
            calls.setdefault(port, []).append((delivery, turn))
        for port, acks in calls.items():
            if (token_at := self._token(port)) > now:
                self.waiting += [(port, *each) for each in acks]
                self._due = token_at
                self._alarm.show(token_at)
            else:
                self._call(port, acks)
        self._tokens = {port: self._tokens[port] for port, _, _ in self.waiting}
        self._member.leave_if_done()

    def _call(self, port: Port, acks: list[tuple[Delivery, int]]) -> None:
        """What it takes is its first message's luck."""
        takes = self._member.crew.ack_takes(port, *acks[0])
        if takes:
            self._road.send(self._member.world.now + takes, (port, acks))
        else:
            self._arrive((port, acks))

    def _arrive(self, call: tuple[Port, list[tuple[Delivery, int]]]) -> None:
        port, acks = call
        member, (first, turn) = self._member, acks[0]
        is_lost = member.crew.ack_gets_lost(port, first, turn)
        for delivery, turn in acks:
            number = delivery.message.number
            if is_lost:
                member.write(Kind.LOST_ACK, number, turn, port.queue.index)
            elif port.ack_quietly(delivery, len(acks)) is Cause.NONE:
                member.crew.turns.pop(number, None)


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
        self._is_plain = False
        """Work and its ack are all there is to do: no heartbeat, no buffer, nobody who watches."""
        slot = self.world.slots.work
        index = member.crew.plan.index
        self._slot = slot(index, member.number, parallel, WORK)
        self.alarm = Alarm(self.world.env, self._slot)
        self._beats = Reminder(self.world.env, slot(index, member.number, parallel, HEARTBEAT), self._beat)
        self._beat_at: Nanos = -1
        self._at_work: tuple[Port, Delivery, Nanos] | None = None
        self.caller = Caller(self, self._slot) if member.crew.dependencies else None
        self.unsent: list[Unsent] = []
        """What it wants to send on, and for which there is no room."""
        self.room = Inbox(self.world.env)
        self.process: Any = None

    def begin(self) -> None:
        self.is_begun = True
        crew = self.member.crew
        plan, is_lossy = crew.plan, any(port.flaws.lose_ack or port.may_go_away for port in crew.ports)
        self._is_plain = not (
            plan.buffers or plan.heartbeat or plan.ack_batch or crew.watch or is_lossy or plan.ack is Ack.ON_RECEIVE
        )
        self.process = self.world.env.process(work(self))

    def stop(self, is_own: bool) -> None:
        """The process is dead: this desk's work is void."""
        if self.caller is not None:
            self.caller.hang_up()
        if self.unsent:
            drop_unsent(self)
        self.stop_work()
        self.alarm = Alarm(self.world.env, self._slot)  # the old one is still in the heap
        if not is_own:
            self.process.interrupt()

    def start_work(self, plan: ConsumerPlan, port: Port, delivery: Delivery) -> int:
        """Begin: count the start, begin the heartbeats.  Answers which start of this message at this consumer it is."""
        self.number = number = delivery[0].number
        self.queue = port.queue.index
        turns = self.member.crew.turns
        self.turn = turn = turns[number] = turns.get(number, 0) + 1
        if self._is_plain:
            return turn
        if plan.buffers:
            self.write(Kind.STARTED)
        elif self.member.crew.watch is not None:
            self.member.crew.watch()
        if plan.heartbeat is not None:
            now = self.world.now
            self._at_work = (port, delivery, now)
            self._beat_at = now + plan.heartbeat.every
            self._beats.show(self._beat_at)
        return turn

    def take_effect(self, plan: ConsumerPlan, number: int, dies: bool) -> bool:
        """Effect and record, or the effect is on record already.  False: the process died on the way."""
        crew = self.member.crew
        if not dies and plan.check is Check.NONE and not crew.on_success:
            self.write(Kind.EFFECT)  # what most are
            return True
        if plan.check is Check.ATOMIC and crew.has_seen(number, self.world.now):
            self.write(Kind.SKIPPED)
        else:
            self._effect()
            if dies and plan.failures.crash_at is CrashAt.AFTER_EFFECT and plan.check is not Check.ATOMIC:
                self.die()  # the textbook hole: done, and not on record
                return False
            if plan.check is not Check.NONE:
                crew.store[number] = self.world.now
        if dies:
            self.die()
        return not dies

    def _effect(self) -> None:
        """What is sent on is part of the effect: a crash that comes after it takes neither back."""
        self.write(Kind.EFFECT)
        for emitter in self.member.crew.on_success:
            emitter.send(self)

    def err(self) -> None:
        """The work has failed."""
        self.write(Kind.ERRED)
        for emitter in self.member.crew.on_failure:
            emitter.send(self)

    def has_room(self) -> None:
        """There is room for what it wants to send on."""
        self.room.give(None)

    def ack_at(self, port: Port, delivery: Delivery) -> Nanos:
        """When the ack is at the broker: when it may be called, and what it takes.  An ack on receive, or with others,
        has no call of its own here."""
        if self.member.acks is not None or self.member.crew.plan.ack is Ack.ON_RECEIVE:
            return self.world.now
        called = port.delete_token(self.member.client, delivery.message.leased_at)
        return called + self.member.crew.ack_takes(port, delivery, self.turn)

    def settle(self, port: Port, delivery: Delivery) -> None:
        """Ack after success, unless it was made on receive, goes with others, or gets lost."""
        member, number = self.member, self.number
        assert number is not None
        if self._is_plain:
            if not port.ack(delivery):
                member.crew.turns.pop(number, None)
            self.number = None
            return
        if member.acks is not None:
            member.acks.add(port, delivery, self.turn)
        elif member.crew.plan.ack is Ack.ON_RECEIVE:
            if not port.flaws.lose_ack:  # else it may come again
                member.crew.turns.pop(number, None)
        elif member.crew.ack_gets_lost(port, delivery, self.turn):
            self.write(Kind.LOST_ACK)
        elif not port.ack(delivery):
            member.crew.turns.pop(number, None)
        self.stop_work()

    def lose_nack(self, plan: ConsumerPlan) -> None:
        """Nobody hears that the work has failed."""
        if gives_back(plan):
            self.write(Kind.LOST_ACK)

    def stop_work(self) -> None:
        self.number = None
        self._at_work = None

    def die(self) -> None:
        """Its process crashes at this message."""
        assert self.number is not None
        away = self.world.luck.restart(self.member.crew.plan, self.number, self.turn)
        self.member.die(self, away)

    def write(self, kind: Kind) -> None:
        """A row about the message at work."""
        member = self.member
        if member.crew.watch is not None:
            member.crew.watch()
        rows = self.world.journal.rows
        rows += _pack(self.world.env._now, self.number, member.client, self.turn, self.queue, kind, 0, -1)

    def _beat(self, now: Nanos) -> Nanos:
        """Extend the lease of the message at work, until it is given up or lost."""
        if self._at_work is None:
            return 1 << 62
        if now < self._beat_at:
            return self._beat_at
        heartbeat = self.member.crew.plan.heartbeat
        port, delivery, since = self._at_work
        assert heartbeat is not None
        if port.may_go_away and port.is_cut_off(delivery):
            self._beat_at = now + heartbeat.every  # nobody hears it
            return self._beat_at
        given_up = heartbeat.give_up_after is not None and now - since >= heartbeat.give_up_after
        if given_up or (answer := port.extend(delivery, heartbeat.extend_to)):
            if given_up or answer is Cause.OUT_OF_RANGE:
                self.member.write(Kind.GAVE_UP, delivery.message.number, self.turn, port.queue.index)
            self._at_work = None
            return 1 << 62
        self._beat_at = now + heartbeat.every
        return self._beat_at


def work(desk: Desk) -> Generator[Event, Any, None]:
    """The story of a desk: receive, check, work, call what it depends on, effect, record, ack; or an error, or the end
    of the process.  A crash while working strikes in its own work, not in a call."""
    member, world = desk.member, desk.world
    env, crew, poison, uses = world.env, member.crew, world.poison, member.crew.dependencies
    while True:
        try:
            port, delivery = member.next_for(desk) or (yield desk.inbox.wait())
            plan, number = crew.plan, delivery[0].number
            if world.held_until and (until := world.held_until.get(number, 0)) > env._now:
                yield _hold(desk, port, delivery, until)
            turn = desk.start_work(plan, port, delivery)
            if plan.check is Check.BEFORE and crew.has_seen(number, world.now):
                desk.write(Kind.SKIPPED)
            else:
                service, fate, moment, jitter = crew.attempt(plan, number, turn)
                dies = fate > 1.0 - plan.failures.crash and number not in poison
                if dies and plan.failures.crash_at is CrashAt.WORKING:
                    yield _ring(desk, env._now + int(moment * service))  # type: ignore[arg-type]
                    desk.die()
                    continue
                yield _ring(desk, env._now + service)  # type: ignore[arg-type]
                errs = fate < plan.failures.error or (poison and number in world.poison)
                if errs or (uses and (yield from fails_to_call(desk, uses))):
                    desk.err()
                    if desk.unsent:
                        yield from wait_for_room(desk)
                    if port.may_go_away and port.is_cut_off(delivery):
                        desk.lose_nack(plan)
                    desk.stop_work()
                    give_back(plan, port, delivery, jitter)
                    continue
                if not desk.take_effect(plan, number, dies):
                    continue
                if desk.unsent:
                    yield from wait_for_room(desk)
            if port.settles_late and (ack_at := desk.ack_at(port, delivery)) > env._now:
                yield desk.alarm.at(ack_at)
            desk.settle(port, delivery)
        except Interrupt:
            pass  # a crash: what was held has been given up; wait for the next life


def _ring(desk: Desk, time: Nanos) -> Alarm:
    """The alarm for the end of the work.  Armed first; then other desks of the process may ask for theirs."""
    alarm = desk.alarm.at(time)
    if desk.member.idle:
        desk.member.fetch()
    return alarm


def _hold(desk: Desk, port: Port, delivery: Delivery, until: Nanos) -> Alarm:
    """Not before its eta: the consumer has it, its lease runs."""
    desk.number, desk.turn, desk.queue = delivery.message.number, 0, port.queue.index
    return _ring(desk, until)


def gives_back(plan: ConsumerPlan) -> bool:
    """Whether it calls the broker after an error."""
    return plan.ack is not Ack.ON_RECEIVE and plan.failures.on_error is not OnError.WAIT_FOR_TIMEOUT


def give_back(plan: ConsumerPlan, port: Port, delivery: Delivery, jitter: float) -> None:
    """After an error: nack (with the delay of the retry policy), reject, or let the lease run out."""
    failures = plan.failures
    if not gives_back(plan) or (port.may_go_away and port.is_cut_off(delivery)):
        return
    retry = plan.retry
    used_up = retry is not None and retry.attempts is not None and delivery.attempt >= retry.attempts
    if failures.on_error is OnError.REJECT or used_up:
        port.reject(delivery)
    else:
        port.nack(delivery, retry_delay(retry, delivery.attempt, jitter) if retry is not None else 0)
