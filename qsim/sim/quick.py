"""The same consumer as a callback: one event a message, no process.

It serves where nothing touches a consumer but its messages: one queue that no message moves into, one message at a
time, no crash, heartbeat, store, handler, eta, lost ack, limit or autoscaler, and no timeline entry or alert that concerns it.
It writes the rows that ``desk.work`` would write; a test holds the two together.
"""

from __future__ import annotations

from heapq import heappush
from typing import Any

from qsim.kernel.journal import ALIKE, ROW, Kind, ending
from qsim.kernel.message import Credit, Delivery
from qsim.kernel.profile import Stale
from qsim.scenario.origins import origins
from qsim.scenario.plan import Ack, Action, Check, ConsumerPlan, Crash, Pause, Plan, Redrive, Restart, Set, Slow
from qsim.sim.alarm import Alarm
from qsim.sim.desk import give_back
from qsim.sim.luck import Attempt
from qsim.sim.member import PROCESS_BITS
from qsim.sim.port import Port
from qsim.sim.slots import BEGIN, WORK
from qsim.sim.slow_down import watched
from qsim.sim.topics import flaws_of
from qsim.sim.world import World

_pack, _pack_alike = ROW.pack, ALIKE.pack
_EFFECT, _ERRED = int(Kind.EFFECT), int(Kind.ERRED)


def is_untouched(plan: Plan, consumer: ConsumerPlan) -> bool:
    """Whether a callback does for this consumer."""
    poll = consumer.poll
    if poll is None or len(consumer.sources) > 1 or poll.batch > 1 or poll.every is not None or consumer.concurrency > 1:
        return False
    if consumer.ack is Ack.ON_RECEIVE or consumer.heartbeat or consumer.check is not Check.NONE or consumer.ack_batch or consumer.recovery:
        return False
    if consumer.uses or consumer.emits or consumer.handler:
        return False
    if any(other is not consumer and set(other.sources) & set(consumer.sources) for other in plan.consumers):
        return False  # their starts are not ours, but the broker counts both
    return not (
        consumer.failures.crash
        or consumer.autoscale
        or _is_limited(plan, consumer)
        or _has_etas(plan)
        or consumer.name in _watched(plan)
        or _is_moved_into(plan, consumer.sources[0])
        or _is_in_timeline(plan, consumer)
    )


def _watched(plan: Plan) -> set[str]:
    """Who is looked at while the run goes on: by alerts, autoscalers and producers that slow down."""
    scalers = [consumer.autoscale for consumer in plan.consumers if consumer.autoscale]
    by_scalers = {each.object for scaler in scalers for each in scaler.metric}
    return {alert.when.object for alert in plan.alerts} | by_scalers | watched(plan)


def _actions(plan: Plan) -> list[Action]:
    """All that the timeline and alerts may do."""
    return [action for entry in plan.timeline for action in entry.actions] + [do for alert in plan.alerts for do in alert.do]


def _is_moved_into(plan: Plan, queue: int) -> bool:
    """By dead-lettering, auto-forward or a redrive; or sent on, again and again under one number."""
    name = plan.queues[queue].name
    if _is_sent_on_to(plan, queue):
        return True
    if any(each.profile.forward_to == name for each in plan.queues):
        return True
    actions = _actions(plan)
    letters = [q.profile.dlq for q in plan.queues] + [a.value for a in actions if isinstance(a, Set) and a.what == "dlq"]
    return any(letter is not None and letter.queue == name for letter in letters) or any(
        isinstance(action, Redrive) and action.to == queue for action in actions
    )


def _is_sent_on_to(plan: Plan, queue: int) -> bool:
    """By a consumer, or by a topic to which a consumer sends."""
    found = origins(plan)

    def is_sent_on(index: int) -> bool:
        origin = found[index]
        return origin.parent != index and (not origin.is_copy or is_sent_on(origin.parent))

    return any(origin.to == queue and is_sent_on(index) for index, origin in enumerate(found))


def _is_limited(plan: Plan, consumer: ConsumerPlan) -> bool:
    queue = plan.queues[consumer.sources[0]]
    flaws = queue.imperfections
    is_limited = queue.profile.throttle is not None or queue.profile.in_flight_is_error
    # A lost reply may bring a second copy of a message: its starts are not the broker's count.
    may_lose = queue.profile.visibility_timeout is not None or bool(flaws.duplicate_delivery)
    if may_lose and (queue.profile.lease_closes_channel or Stale.CLOSES_CHANNEL in queue.profile.stale_ack):
        return True  # a late ack takes its whole process's channel
    takes_time = queue.latency.receive is not None or queue.latency.ack is not None
    is_lossy = bool(flaws.lose_ack or flaws.empty_receive or flaws.lose_reply) or _is_copied_twice(plan, queue.name)
    return is_limited or takes_time or is_lossy


def _is_copied_twice(plan: Plan, queue: str) -> bool:
    """A reply of a topic may go lost: then its copies come again."""
    topics = [topic for topic in plan.topics if any(each.rule.queue == queue for each in topic.subscriptions)]
    return any(flaws_of(plan, topic).lose_reply for topic in topics)


def _has_etas(plan: Plan) -> bool:
    return any(producer.message.eta is not None for producer in plan.producers)


def _is_in_timeline(plan: Plan, consumer: ConsumerPlan) -> bool:
    for action in _actions(plan):
        if isinstance(action, Crash | Pause | Slow) and action.consumer == consumer.index:
            return True
        if isinstance(action, Restart) and action.queue in consumer.sources:
            return True
        if isinstance(action, Set) and action.index == consumer.index and _touches(action):
            return True
    return False


def _touches(action: Set) -> bool:
    return action.what in ("count", "prefetch") or (action.what == "failures" and action.value.crash > 0)


class QuickMember:
    """One process of an untouched consumer: it works on ``delivery``, or waits."""

    def __init__(self, world: World, crew: Any, number: int) -> None:
        self.world = world
        self.crew = crew
        self.number = number
        self.client = crew.plan.index << PROCESS_BITS | number
        self.port: Port = crew.ports[0]
        self.is_alive = False
        self._queue = self.port.queue
        self._index = self._queue.index
        self._env = world.env
        self._rows = world.journal.rows
        self._effect = ending(self.client, 1, self._index, Kind.EFFECT)
        self._heap: list[Any] = world.env._queue
        self._luck = world.luck.attempt
        self._plan = crew.plan
        self._poll = crew.plan.poll
        self._delivery: Any = None
        self._credit: Credit | None = None
        self._attempt: Attempt = (0, 0.0, 0.0, 0.0)
        self._has_no_timeout = self._poll.visibility_timeout is None
        self._slot = world.slots.work(crew.plan.index, number, 0, WORK)
        self._alarm = Alarm(world.env, self._slot)
        self._calls: Any = (self._finish,)
        self._order = world.env._eid.__next__

    def rise(self) -> None:
        self.is_alive = True
        self.world.journal.write(self.world.now, -1, self.client, 0, -1, Kind.UP)
        Alarm(self._env, BEGIN, lambda _: self._ask()).at(self.world.now)  # as a process begins

    def deliver(self, port: Port, deliveries: list[Delivery], credit: Credit) -> None:
        """The port: here is what the credit got."""
        self._begin(deliveries[0])

    def nothing(self, credit: Credit) -> None:
        """The port: the wait is over, with nothing."""
        self._ask()

    def prefers(self, port: Port, credit: Credit) -> Port:
        return port

    def _ask(self) -> None:
        """Receive: what ``Port.hand_out`` does, where nothing but the queue has a say."""
        queue, env = self._queue, self._env
        now: Any = env._now
        if not (self.port.is_simple_receive and queue.picks_the_first and self._has_no_timeout):
            self._ask_port()
        elif not queue.visible or queue.waiting or self._heap[0][0] <= now:
            self._wait()
        elif (delivery := queue.hand_out_first(now, self.client)) is not None:
            if queue.leases.due < self.port.lease_alarm.armed:
                self.port.lease_alarm.show(queue.leases.due)
            self._begin(delivery)
        else:
            self._wait()

    def _ask_port(self) -> None:
        deliveries = self.port.hand_out(self.client, 1, self._poll.visibility_timeout)
        if deliveries:
            self._begin(deliveries[0])
        else:
            self._wait()

    def _wait(self) -> None:
        poll = self._poll
        if self._credit is not None and poll.wait is None and self._queue.is_safe:
            self.port.wait_again(self._credit)
        else:
            self._credit = self.port.wait(self, self.client, 1, poll.visibility_timeout, poll.wait)

    def _begin(self, delivery: Delivery) -> None:
        # Every delivery is begun, and no message comes here from another queue: the broker's count is ours.
        self._delivery = delivery
        self._plan = plan = self.crew.plan
        self._attempt = attempt = self._luck(plan, delivery[0].number, delivery[2])
        heappush(self._heap, (self._env._now + attempt[0], self._slot, self._order(), self._alarm))  # as Alarm.at does
        self._alarm.callbacks = self._calls

    def _finish(self, _event: Any) -> None:
        """The end of the work: effect and ack, or an error."""
        delivery, plan, poison, rows = self._delivery, self._plan, self.world.poison, self._rows
        number = delivery[0].number
        now: Any = self._env._now
        if self._attempt[1] < plan.failures.error or (poison and number in poison):
            rows += _pack(now, number, self.client, delivery[2], self._index, _ERRED, 0, -1)
            give_back(plan, self.port, delivery, self._attempt[3])
        else:
            if delivery[2] == 1:
                rows += _pack_alike(now, number, self._effect)
            else:
                rows += _pack(now, number, self.client, delivery[2], self._index, _EFFECT, 0, -1)
            self._queue.ack(now, delivery)
            if self.port.ack_matters:
                self.port.after()
        self._ask()
