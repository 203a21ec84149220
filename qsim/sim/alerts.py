"""Alerts: a rule over a metric that has to hold for a while before it fires.

It knows rules and moments; what a metric is worth is told by ``live``.  On a series the rule is looked at after every
change, late in the instant; on anything else every ``sample_every``, over the last window.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qsim.kernel.deadlines import NEVER
from qsim.kernel.journal import Kind
from qsim.scenario.plan import AlertPlan
from qsim.sim.alarm import Alarm, Reminder
from qsim.sim.consumers import Crew
from qsim.sim.live import Tail, Window, is_series, reader
from qsim.sim.timeline import Cast, put
from qsim.sim.world import World
from qsim.units import Nanos


class Alert:
    """It fires when its rule has held for ``hold`` without a break, once until the rule was false; then it sets what
    it has to set, for good."""

    def __init__(self, cast: Cast, plan: AlertPlan, index: int) -> None:
        self.cast = cast
        self.world = world = cast.world
        self.plan = plan
        self._limit, self._is_above = plan.limit, plan.above
        self._crosses: Nanos = int(plan.limit) + plan.above
        self.index = index
        self.since: Nanos | None = None
        self.is_firing = False
        self._later = Reminder(world.env, world.slots.observers + index, self._look_again)
        self.look: Callable[[], None] = lambda: None

    def judge(self, value: float | None) -> None:
        """The metric is worth this now."""
        now = self.world.now
        if not self._holds(value):
            self.since = None
            if self.is_firing:
                self.is_firing = False
                self._write(Kind.CLEARED)
            return
        if self.since is None:
            self.since = now
        if not self.is_firing and now - self.since >= self.plan.hold:
            self.is_firing = True
            self._write(Kind.FIRED)
            for action in self.plan.do:
                put(self.cast, action, True)
        elif not self.is_firing:
            self._later.show(self.since + self.plan.hold)

    def _holds(self, value: float | None) -> bool:
        return value is not None and (value > self._limit if self._is_above else value < self._limit)

    def is_news(self, value: float) -> bool:
        """Whether the rule, which held or did not when it was judged last, does otherwise now."""
        return (value > self._limit if self._is_above else value < self._limit) is (self.since is None)

    def is_news_of_age(self, since: Nanos | None) -> bool:
        """The same of what is as old as since then, or if it will pass the limit before the next look."""
        if since is None:
            return self.is_news(0)
        now: Any = self.world.env._now
        crossing = since + self._crosses
        return now < crossing < self._later.armed or self.is_news(now - since)

    def crossing(self, since: Nanos) -> Nanos:
        """When an age that grows by itself passes the limit."""
        return since + self._crosses

    def look_at(self, time: Nanos) -> None:
        """Look again then, for the value may change by itself."""
        self._later.show(time)

    def _look_again(self, now: Nanos) -> Nanos:
        self.look()
        return NEVER

    def _write(self, kind: Kind) -> None:
        self.world.journal.write(self.world.now, -1, self.index, 0, -1, kind)


def watch(cast: Cast, chunks: list[bytes]) -> None:
    """Set up every alert of the plan."""
    world, crews = cast.world, cast.crews
    sampled: list[tuple[Alert, Window]] = []
    for index, plan in enumerate(world.plan.alerts):
        alert = Alert(cast, plan, index)
        if is_series(plan.when):
            _follow(world, crews, alert)
        else:
            sampled.append((alert, Window(world.plan, plan.when, plan.window)))
    if sampled:
        _sample(world, sampled, Tail(world.journal, chunks))


def _follow(world: World, crews: list[Crew], alert: Alert) -> None:
    """Look after every change of a series: late in its instant, once.  A queue tells when it has changed, so that a change
    that is no news needs no look; a consumer tells when it is about to."""
    read, when = reader(world, crews, alert.plan.when), alert.plan.when
    is_news, is_armed = _news(world, alert, read), False
    oldest_since = world.broker.queues[when.object].oldest_since if when.metric == "oldest_age" else None

    def look() -> None:
        alert.judge(read())
        if oldest_since is not None and (since := oldest_since()) is not None and alert.crossing(since) > world.now:
            alert.look_at(alert.crossing(since))

    def take_turn(_event: Any) -> None:
        nonlocal is_armed
        is_armed = False  # what the alert does may be a change again
        look()

    turn = Alarm(world.env, world.slots.observers + alert.index, take_turn)

    def changed() -> None:
        nonlocal is_armed
        if not is_armed and is_news():
            is_armed = True
            turn.at(world.now)

    alert.look = look
    for name in (when.object, *(_queues_of(crews, when.object) if when.metric == "idle_while_work_waits" else ())):
        _tell(world, crews, name, changed)
    changed()


def _news(world: World, alert: Alert, read: Callable[[], float]) -> Callable[[], bool]:
    """Whether a change is worth a look."""
    queue = world.broker.queues.get(alert.plan.when.object)
    if queue is None:
        return lambda: True
    if alert.plan.when.metric == "oldest_age":
        return lambda: alert.is_news_of_age(queue.oldest_since())
    return lambda: alert.is_news(read())


def _queues_of(crews: list[Crew], consumer: str) -> list[str]:
    return [port.queue.name for crew in crews if crew.plan.name == consumer for port in crew.ports]


def _tell(world: World, crews: list[Crew], name: str, changed: Callable[[], None]) -> None:
    """Call at every change of this object."""
    for place in [*world.ports, *crews, *world.dependencies]:
        owner: Any = place
        if (owner.queue.name if hasattr(owner, "queue") else owner.plan.name) == name:
            before = owner.watch
            owner.watch = changed if before is None else _both(before, changed)


def _both(first: Callable[[], None], second: Callable[[], None]) -> Callable[[], None]:
    def call() -> None:
        first()
        second()

    return call


def _sample(world: World, sampled: list[tuple[Alert, Window]], tail: Tail) -> None:
    every, slot = world.plan.sample_every, world.slots.observers + len(world.plan.alerts)

    def look(_event: Any) -> None:
        for row in tail:
            for _, window in sampled:
                window.show(row)
        for alert, window in sampled:
            alert.judge(window.value(world.now))
        alarm.at(world.now + every)

    alarm = Alarm(world.env, slot, look)
    alarm.at(every)
