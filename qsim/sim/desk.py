"""One message at a time in one process, and ``work``, the story of an attempt: receive, check, work, effect, record, ack.

It knows its process, the port and luck, no rule of a broker.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from simpy.events import Event
from simpy.exceptions import Interrupt

from qsim.kernel.journal import ROW, Cause, Kind
from qsim.kernel.message import Delivery
from qsim.scenario.plan import Ack, Check, ConsumerPlan, CrashAt, OnError
from qsim.sim.alarm import Alarm, Inbox, Reminder
from qsim.sim.dependency import Caller, fails_to_call
from qsim.sim.emits import Unsent, drop_unsent, wait_for_room
from qsim.sim.luck import retry_delay
from qsim.sim.port import Port
from qsim.sim.slots import HEARTBEAT, WORK
from qsim.sim.world import World
from qsim.units import Nanos

if TYPE_CHECKING:
    from qsim.sim.member import Member

_pack = ROW.pack


class Desk:
    """One message at a time.  ``number`` is the message at work, None while idle."""

    def __init__(self, member: Member, parallel: int) -> None:
        self.member = member
        self.parallel = parallel
        self.world: World = member.world
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
    handling = crew.handling
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
                fails = errs or (uses and (yield from fails_to_call(desk, uses)))
                if fails or (handling is not None and handling.raises(desk, delivery, dies)):
                    desk.err()
                    if desk.unsent:
                        yield from wait_for_room(desk)
                    if port.may_go_away and port.is_cut_off(delivery):
                        desk.lose_nack(plan)
                    desk.stop_work()
                    give_back(plan, port, delivery, jitter)
                    continue
                if not (desk.take_effect(plan, number, dies) if handling is None else handling.take_effect(desk, dies)):
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
