"""What the processes of one run share.  It knows who exists; what they do stands in their own files."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from simpy.core import Environment

from qsim.kernel.broker import Broker
from qsim.kernel.journal import Journal
from qsim.kernel.log import Log
from qsim.kernel.queue import Queue
from qsim.scenario.plan import Plan
from qsim.sim.dependency import Dependency
from qsim.sim.luck import Luck
from qsim.sim.originals import Originals
from qsim.sim.port import Port
from qsim.sim.slots import Slots
from qsim.units import Nanos


@dataclass
class World:
    """``poison``: messages that fail every time; ``held_until``: when the consumer may begin (eta)."""

    env: Environment
    plan: Plan
    luck: Luck
    slots: Slots
    journal: Journal
    broker: Broker
    ports: list[Port]
    originals: Originals
    """What is known of a message by its number alone."""
    targets: list[Any]
    """What can be sent to, by number: the ports of the queues, then the topics."""
    dependencies: list[Dependency] = field(default_factory=list)
    poison: set[int] = field(default_factory=set)
    held_until: dict[int, Nanos] = field(default_factory=dict)
    is_over: bool = False
    """The producers have stopped: the drain."""

    def log_of(self, queue: Queue) -> Log:
        """The log that a stream's group reads."""
        return self.broker.logs[queue.profile.reads or queue.name]

    @property
    def now(self) -> Nanos:
        now: Nanos = self.env._now  # type: ignore[assignment]
        return now
