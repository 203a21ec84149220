"""A topic: it takes what a port takes, and makes a copy for every subscription that wants it.

It knows subscriptions and which message a copy is of, no queue's rules.  It answers the publisher as soon as it has
the message: what a queue behind it says to a copy is a row of that queue, and nobody's answer; where its broker is
away, the copy is refused.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from itertools import product
from typing import Any

from qsim.kernel.journal import NOBODY, NOWHERE, Cause, Kind
from qsim.kernel.routing import takers
from qsim.scenario.origins import NUMBER, NUMBER_BITS, levels_there, priorities_of
from qsim.scenario.plan import Imperfections, Latency, Plan, SubscriptionPlan, TopicPlan
from qsim.sim.port import Port
from qsim.sim.world import World
from qsim.units import Nanos


@dataclass(frozen=True, slots=True)
class Way:
    """One copy of the messages of one producer index: ``base`` is where its numbers begin."""

    port: Port
    base: int
    levels: tuple[int, ...]
    delay: Nanos | None
    has_ids: bool


class Topic:
    """One topic, as who sends sees it.  The ways of a message depend on whose it is and on its attributes alone, so
    that each is found once."""

    is_away = may_go_away = False
    latency = Latency()
    """A call to it takes no time."""

    def __init__(self, world: World, plan: TopicPlan) -> None:
        self.index = plan.index
        self.flaws = flaws_of(world.plan, plan)
        self._world = world
        self._plan = plan
        self._subscriptions = tuple(each.rule for each in plan.subscriptions)
        self._names = priorities_of(world.plan, len(world.plan.queues) + plan.index)
        self._asks_attributes = any(rule.only or rule.rules for rule in self._subscriptions)
        self._ways: dict[tuple[int, int], tuple[Way, ...]] = {}

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
        """Publish; ``level`` is one of ``priorities_of`` this topic."""
        ways = self._ways_of(number)
        self._row(number, Kind.PUBLISHED, len(ways))
        if not ways:
            self._row(number, Kind.UNROUTED, 0)
        for way in ways:
            copy = way.base | number & NUMBER
            self._label(number, copy)
            late = delay if way.delay is None else way.delay + (delay or 0)
            own = number if dedup is None and way.has_ids else dedup
            if way.port.is_away:
                self._world.journal.write(self._world.now, copy, NOBODY, 0, way.port.queue.index, Kind.REJECTED, Cause.CLOSED)
            else:
                way.port.send_quietly(copy, way.levels[level], group, late, ttl, size, own)
        return Cause.NONE

    def send_bare(self, number: int, size: int) -> Cause:
        """The same for a message without label, delay, ttl or deduplication id."""
        return self.send(number, size=size)

    def send_batch(self, entries: list[dict[str, Any]]) -> list[Cause]:
        """Several messages in one call."""
        return [self.send(**entry) for entry in entries]

    def _row(self, number: int, kind: Kind, copies: int) -> None:
        self._world.journal.write(self._world.now, number, NOBODY, copies, NOWHERE, kind, 0, self.index)

    def _label(self, number: int, copy: int) -> None:
        """What a consumer of the copy has to know of the original."""
        world = self._world
        if number in world.poison:
            world.poison.add(copy)
        if number in world.held_until:
            world.held_until[copy] = world.held_until[number]

    def _ways_of(self, number: int) -> tuple[Way, ...]:
        combination = self._world.originals.label(number)[3] if self._asks_attributes else -1
        key = number >> NUMBER_BITS, combination
        if key not in self._ways:
            self._ways[key] = self._find(number, combination)
        return self._ways[key]

    def _find(self, number: int, combination: int) -> tuple[Way, ...]:
        message = self._world.originals.message(number)
        attributes: dict[str, str] = {}
        if combination >= 0:
            values = list(product(*(shares.names for _, shares in message.attributes)))[combination]
            attributes = dict(zip((name for name, _ in message.attributes), values, strict=True))
        wanted = takers(self._subscriptions, attributes, message.key)
        return tuple(self._way(self._plan.subscriptions[each], number >> NUMBER_BITS) for each, _ in wanted)

    def _way(self, subscription: SubscriptionPlan, index: int) -> Way:
        base = dict(subscription.made)[index] << NUMBER_BITS
        levels = levels_there(self._names, self._world.plan.queues[subscription.queue].priorities)
        port = self._world.ports[subscription.queue]
        return Way(port, base, levels, subscription.delay, subscription.has_ids)


def flaws_of(plan: Plan, topic: TopicPlan) -> Imperfections:
    """A request to a topic goes lost, or its answer does, as often as to that of its queues where it most often does:
    on the way from topic to queue nothing is lost."""
    flaws = [plan.queues[each.queue].imperfections for each in topic.subscriptions]
    return Imperfections(
        lose_send=max((each.lose_send for each in flaws), default=0.0),
        lose_reply=max((each.lose_reply for each in flaws), default=0.0),
    )
