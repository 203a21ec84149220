"""The only seam between kernel and SimPy: it stamps the time, asks the queue, wakes who was served, sets the alarms.

No rule of a broker is written here.  What the network or the broker gets wrong (``imperfections``) is decided by
luck, and handed to the kernel as an argument.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from typing import Any, Protocol

from simpy.core import Environment

from qsim.kernel.broker import Broker
from qsim.kernel.deadlines import NEVER
from qsim.kernel.journal import Cause
from qsim.kernel.message import Credit, Delivery
from qsim.kernel.profile import Dispatch, Grouping, OnCrash, Stale
from qsim.kernel.queue import Queue
from qsim.kernel.restart import Unsynced
from qsim.scenario.plan import ConsumerPlan, Imperfections, Latency
from qsim.sim.alarm import Alarm, Reminder
from qsim.sim.luck import Luck
from qsim.sim.slots import Slots
from qsim.units import Nanos

_NONE = Cause.NONE
CANDIDATES = 10
"""A reordered receive hands out one of this many messages from the front, not the first."""


class Receiver(Protocol):
    """Who opened a credit: is handed what it gets, or told that the wait is over."""

    def deliver(self, port: Port, deliveries: list[Delivery], credit: Credit) -> None: ...

    def nothing(self, credit: Credit) -> None: ...

    def prefers(self, port: Port, credit: Credit) -> Port:
        """In the turn of one port: the port that a receive over several queues would rather be served from, now."""


class Caller(Protocol):
    """A process that counts its receives."""

    number: int
    client: int
    calls: int


class Port:
    """One queue, as processes see it."""

    # CPython is slow with objects of more than 30 attributes.  __dict__ is for what ``go_away`` puts before the methods.
    __slots__ = (
        "__dict__", "_heap", "_is_flawed", "_is_simple_send", "_last_delete", "_last_token", "_passed", "_timers",
        "_turn", "_turn_armed", "_waits", "ack_matters", "blocked", "closed", "connected_since", "env", "flaws",
        "hang_up", "has_deadlines", "is_away", "is_one_of_several", "is_pushed", "is_simple_receive", "is_throttled",
        "latency", "lease_alarm", "luck", "may_close", "may_go_away", "may_refuse", "peers", "queue", "restarts",
        "settles_late", "unsynced", "watch",
    )

    def __init__(self, env: Environment, queue: Queue, slots: Slots, luck: Luck, flaws: Imperfections) -> None:
        self.env = env
        self.queue = queue
        self.luck = luck
        self.flaws = flaws
        self.peers: list[Port] = []
        """Ports of queues into which a call here may move a message (the dead-letter queue, a stream's further groups)."""
        self.closed: list[int] = []
        """Clients whose channel the broker has closed, in any queue."""
        self.hang_up: Callable[[], None] | None = None
        """Tell them."""
        self.watch: Callable[[], None] | None = None
        self.is_pushed = self.ack_matters = False
        """Somebody has subscribed; an ack may let a message out, a producer in, or be watched."""
        self.is_one_of_several = False
        """Some consumer reads other queues too."""
        self.has_deadlines = False
        """Some producer's messages carry a delay or a ttl of their own."""
        self.blocked: deque[tuple[Callable[[], None], int]] = deque()
        """Producers that stand still, and the size of what each wants to send."""
        self.latency = Latency()
        self.may_go_away = self.is_away = False
        """Its broker has restarts before it; cannot be reached now."""
        self.restarts = 0
        """How many of them it is away for."""
        self.unsynced: Unsynced | None = None
        """Where a restart loses acks."""
        self.connected_since = 0
        """Deliveries with smaller receipts came over a connection that is gone."""
        self._heap: list[Any] = env._queue
        self.lease_alarm = Reminder(env, slots.leases + queue.index, self._end_leases)
        self._timers = Reminder(env, slots.timers + queue.index, self._end_timers)
        self._waits = Reminder(env, slots.receives + queue.index, self._end_waits)
        self._turn = Alarm(env, slots.receives + queue.index, self._take_turn)
        self._turn_armed = False
        self._passed: dict[int, int] = {}
        self._last_delete: tuple[Nanos, int, Nanos] = (-1, -1, -1)
        self._last_token: Nanos = 0
        self._is_flawed = bool(flaws.reorder or flaws.duplicate_delivery)
        self.may_refuse = self.may_close = self.is_throttled = self.settles_late = self._is_simple_send = self.is_simple_receive = False
        self.look_at_profile()

    def look_at_profile(self) -> None:
        """What need not be asked at every call: whether a send can arm a deadline or move others, whether a receive
        can dead-letter or let a blocked producer go on, whether anybody watches."""
        profile = self.queue.profile
        self.is_throttled = profile.throttle is not None
        self.settles_late = self.is_throttled or self.latency.ack is not None
        self.may_refuse = not self.is_away and bool(self.is_throttled or profile.in_flight_is_error or self.flaws.empty_receive)
        self.may_close = profile.lease_closes_channel or Stale.CLOSES_CHANNEL in profile.stale_ack
        strikes = profile.expires_at_head and (profile.retention is not None or self.has_deadlines)
        may_delay = profile.retention is not None or profile.delay > 0 or self.has_deadlines
        has_groups = any(peer.queue.profile.reads is not None for peer in self.peers)
        self._is_simple_send = not (may_delay or profile.capacity or self.watch or has_groups or profile.forward_to)
        orders = profile.grouping is not Grouping.NONE or profile.dispatch is not Dispatch.LONGEST_WAITING
        self.ack_matters = bool(orders or profile.max_in_flight is not None or profile.capacity or self.watch or self.is_pushed)
        moves = profile.dead_letters_lazily or profile.expires_lazily or strikes
        self.is_simple_receive = not (moves or profile.capacity or self.watch or self._is_flawed)

    # --- producers --------------------------------------------------------------------------------------------------

    def send(
        self,
        number: int,
        level: int = 0,
        group: Hashable = None,
        delay: Nanos | None = None,
        ttl: Nanos | None = None,
        size: int = 0,
        dedup: Hashable = None,
    ) -> Cause:
        """One send; what the broker answers."""
        queue = self.queue
        answer = queue.send(self.env._now, number, level, group, delay, ttl, size, dedup)  # type: ignore[arg-type]
        if self._is_simple_send:
            if queue.waiting:
                if self._heap[0][0] <= self.env._now:
                    self._arm_turn()
                else:
                    self._serve()
        else:
            self.after()
        return answer

    def send_quietly(self, *message: Any) -> Cause:
        """One of several copies at this instant (what ``send`` takes): nobody is served before the last."""
        answer = self.queue.send(self.now, *message)
        if not self._is_simple_send:
            self.after(at_once=False)
        elif self.queue.waiting:
            self._arm_turn()
        return answer

    def send_bare(self, number: int, size: int) -> Cause:
        """The same for a message without label, delay, ttl or deduplication id."""
        queue = self.queue
        if not (self._is_simple_send and queue.is_plain):
            return self.send(number, size=size)
        queue.enter_bare(self.env._now, number, size)  # type: ignore[arg-type]
        if queue.waiting:
            if self._heap[0][0] <= self.env._now:
                self._arm_turn()
            else:
                self._serve()
        return _NONE

    def send_batch(self, entries: list[dict[str, Any]]) -> list[Cause]:
        """Several messages in one call."""
        answers = self.queue.send_batch(self.now, entries)
        self.after()
        return answers

    def wait_for_room(self, call: Callable[[], None], size: int) -> None:
        """Call back when the queue has room for so much; who is called sends in his own slot of that instant."""
        self.blocked.append((call, size))

    # --- consumers --------------------------------------------------------------------------------------------------

    def refusal(self, client: int, limit: int, wait: Nanos | None) -> Cause:
        """Whether the broker refuses a receive; then that is a row."""
        if cause := self.queue.refusal(self.now, limit, wait):
            self.queue.refuse_receive(self.now, client, cause)
        return cause

    def hand_out(self, client: int, limit: int, timeout: Nanos | None) -> list[Delivery] | None:
        """What a receive gets at once; None where something may come before it at this instant, or somebody has
        waited longer."""
        queue, heap = self.queue, self._heap
        if queue.waiting or (heap and heap[0][0] <= self.env._now):
            return None
        if not queue.visible:
            return []
        now: Nanos = self.env._now  # type: ignore[assignment]
        there = queue.visible
        deliveries = queue.hand_out(now, client, limit, timeout, None, self._choice() if self._is_flawed else 0)
        if not self.is_simple_receive:
            self._after_receive(deliveries, there)
        elif queue.leases.due < self.lease_alarm.armed:
            self.lease_alarm.show(queue.leases.due)
        return deliveries

    def wait(self, owner: Receiver, client: int, limit: int, timeout: Nanos | None, wait: Nanos | None) -> Credit:
        """A receive that is served later: at the end of this instant, or when something comes."""
        ends = None if wait is None else self.now + wait
        credit = self.queue.wait(client, limit, timeout, ends)
        credit.owner = owner
        self.expect(credit)
        return credit

    def wait_again(self, credit: Credit) -> None:
        """The same receive once more, for ever if need be."""
        queue = self.queue
        credit.arm = queue.next_number()
        queue.waiting.append(credit)
        if queue.visible:
            self._arm_turn()

    def join(self, credit: Credit) -> None:
        """The same receive waits here too."""
        self.first_waiting()  # who has been served elsewhere leaves the line
        self.queue.waiting.append(credit)
        if self.queue.visible:
            self._arm_turn()

    def expect(self, credit: Credit) -> None:
        """A credit has joined this queue: look at it in the queue's turn, and when its wait is over."""
        if credit.ends is not None:
            self._waits.show(credit.ends)
        if self.queue.visible:
            self._arm_turn()

    def subscribe(
        self, owner: Receiver, client: int, prefetch: int, priority: int = 0, is_exclusive: bool = False
    ) -> Credit:
        """Be pushed messages from now on; unless the credit is ``refused``: that is a row."""
        self.is_pushed = self.ack_matters = True
        credit = self.queue.subscribe(client, prefetch, priority, exclusive=is_exclusive)
        if credit.refused:
            self.queue.refuse_receive(self.now, client, credit.refused)
            return credit
        credit.owner = owner
        self.expect(credit)
        return credit

    def cancel(self, credit: Credit) -> None:
        """Wait no more, be pushed no more; somebody else may be next."""
        self.queue.cancel(credit)
        if self.queue.profile.single_active and self.queue.waiting and self.queue.visible:
            self._arm_turn()

    def delete_token(self, client: int, batch: Nanos) -> Nanos:
        """From when on a delete may be called; its token is spoken for.  Deletes of one client at one instant of what
        came in one receive are one call."""
        now = self.now
        if self.queue.profile.throttle is None:
            return now
        if (call := (now, client, batch)) != self._last_delete:
            self._last_delete, self._last_token = call, self.queue.deletes.reserve(now)
        return self._last_token

    def ack(self, delivery: Delivery) -> Cause:
        answer = self.queue.ack(self.env._now, delivery)  # type: ignore[arg-type]
        lets_out = self.ack_matters and (self.queue.waiting or self.blocked or self.watch is not None)
        if answer and (lets_out or self.may_close):
            self.after()
        elif lets_out:
            self._look(at_once=True)  # what is acked goes nowhere else
        return answer

    def ack_quietly(self, delivery: Delivery, together: int = -1) -> Cause:
        """One of several acks at this instant (``together``: in one call): nobody is served before the last."""
        answer = self.queue.ack(self.now, delivery, together)
        self.after(at_once=False)
        return answer

    def nack(self, delivery: Delivery, delay: Nanos) -> Cause:
        answer = self.queue.nack(self.now, delivery, delay)
        self.after()
        return answer

    def reject(self, delivery: Delivery) -> Cause:
        answer = self.queue.reject(self.now, delivery)
        self.after()
        return answer

    def extend(self, delivery: Delivery, timeout: Nanos) -> Cause:
        answer = self.queue.extend(self.now, delivery, timeout)
        self.after()
        return answer

    # --- what comes later -----------------------------------------------------------------------------------------------

    @property
    def now(self) -> Nanos:
        now: Nanos = self.env._now  # type: ignore[assignment]
        return now

    def after(self, at_once: bool = True) -> None:
        """After a call that may have moved messages: everybody concerned gets their turn.  Who has more to do at this
        instant, and has not armed it, says that nobody is to be served at once."""
        if self.may_close and self.closed and self.hang_up is not None:
            self.hang_up()
        self._look(at_once)
        for peer in self.peers:
            peer._look(at_once)

    def _look(self, at_once: bool) -> None:
        """Show the deadlines, let waiting consumers and blocked producers have their turn."""
        queue = self.queue
        if queue.leases.due < self.lease_alarm.armed:
            self.lease_alarm.show(queue.leases.due)
        self._show_timers()
        if queue.waiting and queue.visible:
            self._serve_soon() if at_once else self._arm_turn()
        self._look_besides()

    def _show_timers(self) -> None:
        queue, armed = self.queue, self._timers.armed
        if queue.timers.due < armed or queue.expiries.due < armed:
            self._timers.show(min(queue.timers.due, queue.expiries.due))

    def _look_besides(self) -> None:
        """Let blocked producers and who watches have their turn."""
        if self.blocked and not self.is_away:
            self._unblock()
        if self.watch is not None:
            self.watch()

    def _after_receive(self, deliveries: list[Delivery], there: int) -> None:
        """Where a receive of ``there`` visible messages may do more than hand out: other queues have a look where more
        has left than was handed out, or stays."""
        queue = self.queue
        if queue.leases.due < self.lease_alarm.armed:
            self.lease_alarm.show(queue.leases.due)
        has_moved = queue.visible + len(deliveries) != there  # asked first: a duplicate is visible again
        if self._is_flawed:
            self._duplicate(deliveries)
        if self.is_simple_receive:
            return
        # Not this queue's receives: they have a turn, and a blocked group stays blocked.  Nobody at once: who has
        # been handed something has not begun yet.
        self._show_timers()
        self._look_besides()
        if has_moved:
            for peer in self.peers:
                peer._look(at_once=False)

    def _serve_soon(self) -> None:
        """A receive comes late in its instant; at once, where nothing can come before it."""
        heap = self._heap
        if heap and heap[0][0] <= self.env._now:
            self._arm_turn()
        else:
            self._serve()

    def _arm_turn(self) -> None:
        if not self._turn_armed:
            self._turn_armed = True
            self._turn.at(self.now)

    def _take_turn(self, _event: Any) -> None:
        self._turn_armed = False
        self._serve()

    def _serve(self) -> None:
        """Serve one consumer, for its work may come before the next receive; when nobody can be served, end the waits
        that are over."""
        queue = self.queue
        now: Nanos = self.env._now  # type: ignore[assignment]
        if queue.waiting and queue.visible and self._serve_one(now):
            return
        if queue.waits.due <= now:
            for credit in queue.end_waits(now):
                credit.owner.nothing(credit)

    def _serve_one(self, now: Nanos) -> bool:
        choice = self._choice() if self._is_flawed else 0
        if self.is_one_of_several and self._serve_from_better(now):
            return True
        queue = self.queue
        there = queue.visible
        served = queue.serve(now, choice)
        if served is None:
            if queue.visible != there:  # else nothing has moved: two queues that dead-letter into each other would ask in turn for ever
                self._after_receive([], there)
            return False
        if queue.waiting and queue.visible or queue.waits.due <= now:
            self._arm_turn()  # before anybody begins: who else waits comes in this instant too
        credit, deliveries = served
        if not self.is_simple_receive:
            self._after_receive(deliveries, there)
        elif queue.leases.due < self.lease_alarm.armed:
            self.lease_alarm.show(queue.leases.due)
        credit.owner.deliver(self, deliveries, credit)
        return True

    def first_waiting(self) -> Credit | None:
        """Who has waited longest."""
        waiting = self.queue.waiting
        while waiting and not waiting[0].arm:
            waiting.popleft()
        return waiting[0] if waiting else None

    def _serve_from_better(self, now: Nanos) -> bool:
        """A receive over several queues, in the turn of one, is served from one that it prefers, unless somebody has
        waited longer there."""
        credit = self.first_waiting()
        if credit is None or credit.is_pushed or (port := credit.owner.prefers(self, credit)) is self:
            return False
        there = port.queue.visible
        deliveries = port.queue.hand_out(now, credit.client, credit.limit, credit.timeout, credit, port._choice())
        port._after_receive(deliveries, there)
        if not deliveries:
            return False
        self.queue.cancel(credit)
        for each in (self, port):
            if each.queue.waiting and each.queue.visible:
                each._arm_turn()
        credit.owner.deliver(port, deliveries, credit)
        return True

    def _end_waits(self, now: Nanos) -> Nanos:
        if self.is_away:
            return NEVER
        self._serve()
        return self.queue.waits.next()

    def _end_leases(self, now: Nanos) -> Nanos:
        if self.is_away:
            return NEVER
        if self.queue.end_leases(now):
            self.after()
        return self.queue.leases.due

    def _end_timers(self, now: Nanos) -> Nanos:
        if self.is_away:
            return NEVER
        if self.queue.end_timers(now):
            self.after()
        return min(self.queue.timers.due, self.queue.expiries.due)

    def _unblock(self) -> None:
        waiting, self.blocked = self.blocked, deque()
        for call, size in waiting:
            if self.queue.is_full(size):
                self.blocked.append((call, size))
            else:
                call()

    def is_deaf(self, consumer: ConsumerPlan, caller: Caller) -> bool:
        """A receive that finds nothing although there is something (SQS-9): then that is a row."""
        if not self.flaws.empty_receive:
            return False
        caller.calls += 1
        if self.luck.receive_luck(consumer, caller.number, caller.calls)[0] >= self.flaws.empty_receive:
            return False
        self.queue.empty_receive(self.now, caller.client)
        return True

    # --- away ------------------------------------------------------------------------------------------------------------

    def go_away(self) -> None:
        """Nobody reaches the queue, nobody is served, and no deadline ends, until it is back.  Whoever asks, waits."""
        self.is_away, self.may_refuse = True, False
        self.hand_out = lambda *_: None  # type: ignore[method-assign]
        self._serve = lambda: None  # type: ignore[method-assign]
        if self.queue.profile.on_crash is OnCrash.RETURNS:
            self.connected_since = self.queue.next_number()

    def come_back(self) -> None:
        self.is_away = False
        del self.hand_out, self._serve  # type: ignore[method-assign]
        self.look_at_profile()
        self._waits.show(self.queue.waits.next())
        self.after(at_once=False)

    def is_cut_off(self, delivery: Delivery) -> bool:
        """Whether a call about this delivery reaches nobody.  What was popped needs no call."""
        if self.queue.profile.on_crash is OnCrash.LOSES:
            return False
        return self.is_away or delivery.receipt < self.connected_since

    # --- imperfections ----------------------------------------------------------------------------------------------------

    def _choice(self) -> int:
        """Which candidate the broker hands out: the first, unless luck says that it is passed over once more."""
        if not self.flaws.reorder:
            return 0
        head = self.queue.ready.front()
        if head is None:
            return 0
        times = self._passed.get(head.number, 0) + 1
        luck = self.luck.queue_luck(self.queue.name, "reorder", head.number, times)
        if luck >= self.flaws.reorder:
            self._passed.pop(head.number, None)
            return 0
        self._passed[head.number] = times
        return 1 + int(luck / self.flaws.reorder * (CANDIDATES - 1))

    def _duplicate(self, deliveries: list[Delivery]) -> None:
        """At least once: some deliveries are made again, at once or to who asks next."""
        if not self.flaws.duplicate_delivery:
            return
        for delivery in deliveries:
            number = delivery.message.number
            if self.luck.queue_luck(self.queue.name, "duplicate", number, delivery.attempt) < self.flaws.duplicate_delivery:
                self.queue.duplicate(self.now, delivery)
                if self.queue.waiting:
                    self._arm_turn()


def ports_of(broker: Broker, make: Callable[[Queue], Port]) -> list[Port]:
    """A port for each queue; its peers are the dead-letter queues behind it."""
    ports = [make(queue) for queue in broker.queues.values()]
    for port in ports:
        port.closed = broker.closed
    find_peers(ports, broker)
    return ports


def find_peers(ports: list[Port], broker: Broker) -> None:
    """Anew, when a dead-letter queue has been set."""
    for port in ports:
        port.peers = [other for other in ports if other.queue.profile.reads == port.queue.name]
        dlq = port.queue.profile.dlq
        while dlq is not None and (peer := ports[broker.queues[dlq.queue].index]) not in [port, *port.peers]:
            port.peers.append(peer)
            dlq = peer.queue.profile.dlq
    for port in ports:
        port.peers += [peer for peer in _forwards(ports, broker, port) if peer not in (port, *port.peers)]


def _forwards(ports: list[Port], broker: Broker, port: Port) -> list[Port]:
    """Where what enters here is moved on to, and the dead-letter queues on its way (ASB-26)."""
    found: list[Port] = []
    here = port
    while (to := here.queue.profile.forward_to) is not None and (here := ports[broker.queues[to].index]) not in found:
        found += [here, *(peer for peer in here.peers if peer not in found)]
    return found
