"""What consumers send on: a message made of the one at work, where the work took effect or where it failed.

It knows whose number a message has that is made of another, and what it keeps of it: priority by name, group,
attributes and size, but not that it is poison.  A message that is worked on twice is sent on twice, under one number.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simpy.events import Event

from qsim.kernel.journal import NOWHERE, Cause, Kind
from qsim.scenario.origins import NUMBER, NUMBER_BITS
from qsim.scenario.plan import ConsumerPlan, Emit

if TYPE_CHECKING:
    from qsim.sim.desk import Desk
    from qsim.sim.world import World


class Emitter:
    """One entry of a consumer's ``emits``."""

    def __init__(self, world: World, emit: Emit) -> None:
        self.world = world
        self.target = world.targets[emit.to]
        self._to = emit.to
        self.is_queue = emit.to < len(world.ports)
        # A queue serves nobody before the desk has acked, and asked for more; a topic does not anyway.
        self._send = self.target.send_quietly if self.is_queue else self.target.send
        self._bases = {parent: made << NUMBER_BITS for parent, made in emit.made}
        self._has_ids = emit.has_ids
        self._tries: dict[int, int] = {}

    def send(self, desk: Desk) -> None:
        """One try; where the target blocks, the desk has an unsent letter more."""
        assert desk.number is not None
        number = self._bases[desk.number >> NUMBER_BITS] | desk.number & NUMBER
        tries = self._tries[number] = self._tries.get(number, 0) + 1
        originals = self.world.originals
        group, level = originals.label(number)[1], originals.level(number, self._to)
        self._write(Kind.SENT, number, desk.member.client, tries, level, group)
        dedup = number if self._has_ids else None
        size = originals.message(number).size
        letter = Unsent(self, number, tries, (level, None if group < 0 else group, None, None, size, dedup))
        if not self.again(letter):
            desk.unsent.append(letter)

    def again(self, letter: Unsent) -> bool:
        """Whether the target said something.  What it said is a row, and a refused message is gone; a broker that is
        away says nothing."""
        if self.is_queue and self.target.is_away:
            return False
        return self._send(letter.number, *letter.args) is not Cause.BLOCKED

    def lose(self, letter: Unsent, client: int) -> None:
        """The process that wanted to send it is dead."""
        self._write(Kind.LOST_SEND, letter.number, client, letter.tries)

    def _write(self, kind: Kind, number: int, client: int, tries: int, level: int = 0, group: int = -1) -> None:
        queue = self._to if self.is_queue else NOWHERE
        self.world.journal.write(self.world.now, number, client, tries, queue, kind, level, group)


@dataclass(frozen=True, slots=True)
class Unsent:
    """A message that has not found room yet; ``args`` is what the port's send takes after the number."""

    emitter: Emitter
    number: int
    tries: int
    args: tuple[Any, ...]


def emitters(world: World, plan: ConsumerPlan, on_failure: bool) -> tuple[Emitter, ...]:
    return tuple(Emitter(world, emit) for emit in plan.emits if emit.on_failure is on_failure)


def wait_for_room(desk: Desk) -> Generator[Event, Any, None]:
    """Until all that was to be sent on has been: what works faster than what comes after it stands still here."""
    while desk.unsent:
        letter = desk.unsent[0]
        letter.emitter.target.wait_for_room(desk.has_room, letter.args[4])
        yield desk.room.wait()
        yield desk.alarm.at(desk.world.now)  # in its own slot
        if letter.emitter.again(letter):
            desk.unsent.pop(0)


def drop_unsent(desk: Desk) -> None:
    """Its process is dead: nobody waits for room any more."""
    for letter in desk.unsent:
        letter.emitter.lose(letter, desk.member.client)
        blocked = letter.emitter.target.blocked
        for entry in [entry for entry in blocked if entry[0] == desk.has_room]:
            blocked.remove(entry)
    desk.unsent = []
