"""Consumers: one entry of ``consumers:``, and what its processes share.

A ``Crew`` has so many processes (``member``), each a client with a life of its own, and each of these works on so many
messages at a time (``desk``: there the story of one attempt is told).  It knows the port and luck, no rule of a broker.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

from qsim.kernel.journal import Cause
from qsim.kernel.message import Delivery
from qsim.scenario.plan import ConsumerPlan
from qsim.sim.emits import emitters
from qsim.sim.handling import Handling
from qsim.sim.jms import ports_of_clients
from qsim.sim.luck import Attempt
from qsim.sim.member import PROCESS_BITS, Member
from qsim.sim.port import Port
from qsim.sim.world import World
from qsim.units import Nanos


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
        self.handling = None if plan.handler is None else Handling(self, plan.handler)
        """The student's consumer."""
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
