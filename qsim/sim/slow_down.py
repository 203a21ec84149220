"""Producers that hold themselves back: at a lower rate while something is too high, or by a token bucket.

It knows rules, and whom to tell; what a metric is worth is told by ``live``, and how a producer waits for a token by
``producers``.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Protocol

from qsim.kernel.deadlines import NEVER
from qsim.kernel.journal import Kind
from qsim.scenario.plan import Plan, TokenBucket, Watching
from qsim.scenario.reference import Reference
from qsim.sim.alarm import Reminder
from qsim.sim.world import World
from qsim.units import MINUTE, SECOND, Nanos


class Bucket:
    """``burst`` tokens at the start, then ``rate`` a second; never more than ``burst``.

    In any stretch of time at most burst + rate x length tokens go: exactly, for the moment at which the bucket would
    be full again is counted in nanoseconds x rate.
    """

    __slots__ = ("_full_at", "_gap", "_rate", "_room")

    def __init__(self, plan: TokenBucket) -> None:
        rate = plan.rate / SECOND
        self._rate, self._gap = rate.numerator, rate.denominator
        self._room = plan.burst * self._gap
        self._full_at = 0

    def ready(self, now: Nanos, tokens: int = 1) -> Nanos:
        """The first moment from now at which there may be so many tokens; NEVER where none ever come."""
        missing = max(self._full_at, now * self._rate) + tokens * self._gap - self._room
        if missing <= now * self._rate:
            return now
        return -(-missing // self._rate) if self._rate else NEVER

    def take(self, now: Nanos, tokens: int = 1) -> None:
        self._full_at = max(self._full_at, now * self._rate) + tokens * self._gap


class Slowed(Protocol):
    """A producer, as it is held back."""

    def slow(self, rate: Fraction | None) -> None: ...

    def set_bucket(self, bucket: Bucket | None) -> None: ...


Rule = Watching | TokenBucket | None
LAST_MINUTE: Nanos = MINUTE
"""Over which it looks at what is no series."""


class Brake:
    """The ``slow_down`` of one entry: it looks at its metric every so often, late in the instant, and changes the rate
    of all its producers when there is cause to."""

    def __init__(
        self, world: World, entry: int, producers: list[Slowed], reader: Callable[[Reference], Callable[[], float | None]]
    ) -> None:
        self._world = world
        self._entry = entry
        self._producers = producers
        self._reader = reader
        self._rule: Watching | None = None
        self._read: Callable[[], float | None] = lambda: None
        self._is_slow = False
        self._look_at: Nanos = NEVER
        self._alarm = Reminder(world.env, world.slots.brakes + entry, self._look)

    def set(self, rule: Rule) -> None:
        """From now on this rule, or none; who is held down by the old one goes on at once, or at the new rate."""
        for producer in self._producers:
            producer.set_bucket(Bucket(rule) if isinstance(rule, TokenBucket) else None)
        self._rule = rule if isinstance(rule, Watching) else None
        if self._rule is None:
            self._look_at = NEVER
            if self._is_slow:
                self._change(None)
            return
        self._read = self._reader(self._rule.watch)
        self._look_at = self._world.now + self._rule.check_every
        self._alarm.show(self._look_at)
        if self._is_slow:
            self._tell(self._rule.to)

    def _look(self, now: Nanos) -> Nanos:
        rule = self._rule
        if rule is None or now < self._look_at:
            return self._look_at
        value = self._read()
        if not self._is_slow and value is not None and value > rule.above:
            self._change(rule.to)
        elif self._is_slow and (value is None or value < rule.resume_below):
            self._change(None)  # nothing to tell is nothing too high
        self._look_at = now + rule.check_every
        return self._look_at

    def _change(self, rate: Fraction | None) -> None:
        self._is_slow = rate is not None
        self._world.journal.write(self._world.now, -1, self._entry, 0, -1, Kind.SLOWED, 0, int(self._is_slow))
        self._tell(rate)

    def _tell(self, rate: Fraction | None) -> None:
        for producer in self._producers:
            producer.slow(rate)


def watched(plan: Plan) -> set[str]:
    """The objects whose metrics some ``slow_down`` may look at."""
    rules = [producer.slow_down for producer in plan.producers]
    actions = [*(a for entry in plan.timeline for a in entry.actions), *(do for alert in plan.alerts for do in alert.do)]
    sets = [action for action in actions if getattr(action, "what", None) == "slow_down"]
    rules += [rule for action in sets for rule in (action.value, action.before)]  # type: ignore[union-attr]
    return {rule.watch.object for rule in rules if isinstance(rule, Watching)}
