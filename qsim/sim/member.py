"""One process of a consumer: a client, with its life, its receives and its buffer.

It comes up, dies, pauses and leaves; it asks for messages when a desk is free and nothing is left in its buffer.  What
is done with a message stands in ``desk``.  It knows ports, no rule of a broker.
"""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

from qsim.kernel.journal import Cause, Kind
from qsim.kernel.message import Credit, Delivery
from qsim.scenario.plan import Ack
from qsim.sim.acks import AckBatch
from qsim.sim.alarm import Reminder
from qsim.sim.desk import Desk
from qsim.sim.jms import JmsPort
from qsim.sim.latency import Transit
from qsim.sim.port import Port
from qsim.sim.recovery import Recovery
from qsim.sim.slots import POLL, RESTART
from qsim.sim.world import World
from qsim.units import SECOND, Nanos

if TYPE_CHECKING:
    from qsim.sim.consumers import Crew

PROCESS_BITS = 20
"""client = consumer << 20 | process."""


class Member:
    """One process: it receives when a desk is free and nothing is left in its buffer."""

    def __init__(self, crew: Crew, number: int) -> None:
        self.crew = crew
        self.number = number
        self.client = crew.plan.index << PROCESS_BITS | number
        self.world: World = crew.world
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
            poll.batch == 1 and len(crew.ports) == 1 and crew.plan.ack is Ack.AFTER_SUCCESS
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
            if not (port.may_refuse and self._is_turned_away(port)):
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
            if port.may_refuse and self._is_turned_away(port):
                return False
            deliveries = port.hand_out(self.client, poll.batch, poll.visibility_timeout)
            if deliveries is None:
                break  # somebody may come first
            if deliveries:
                self._store(port, deliveries)
                return True
        self._wait()
        return False

    def _is_turned_away(self, port: Port) -> bool:
        """Refused, or told that there is nothing: it asks again later."""
        poll = self.crew.plan.poll
        assert poll is not None
        if not (port.refusal(self.client, poll.batch, poll.wait) or port.is_deaf(self.crew.plan, self)):
            return False
        self._sleep(poll.every if poll.every is not None else SECOND)
        return True

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
