"""Random sequences of operations: what two or three clients might do to a queue, drawn from a table of moves.

It knows no broker.  A sequence is made by playing it on the simulated broker, so that it may settle what was
delivered, and so that no step comes nearer than ``MARGIN`` to a deadline, where a real broker's answer would be chance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from qsim.kernel.journal import Place
from qsim.trace.load import Step
from qsim.trace.stage import Dialect, Stage
from qsim.units import SECOND, Nanos

ACTORS = ("c1", "c2", "c3")
GAP = SECOND // 10
MARGIN = SECOND


@dataclass
class Play:
    """A sequence in the making.  ``given``: (handle, actor, queue) of what was delivered, the latest last."""

    draw: Random
    stage: Stage
    config: Mapping[str, Any]
    takes: Mapping[str, Nanos]
    now: Nanos = SECOND // 5
    steps: list[dict[str, Any]] = field(default_factory=list)
    given: list[tuple[str, str, str]] = field(default_factory=list)
    bodies: int = 0
    notes: dict[Any, Any] = field(default_factory=dict)

    def do(self, actor: str, op: str, **args: Any) -> Mapping[str, Any]:
        """One more step; what the simulated broker answers."""
        args = {key: value for key, value in args.items() if value is not None}
        self.pass_time()
        result = self.stage.perform(Step(len(self.steps), self.now, actor, op, args, {}))
        self.steps.append({"t": self.now / SECOND, "actor": actor, "op": op, "args": args})
        queue = args.get("queue", "q")
        self.given += [(each["handle"], actor, queue) for each in result.get("messages", ())]
        self.now = max(self.now, self.stage.now) + self.takes.get(op, GAP)  # an await has taken its time
        return result

    def pass_time(self) -> None:
        """Until the next step; deadlines that are near are let pass, with a margin on both sides."""
        clock = self.stage.clock
        while (due := clock.wake_at()) is not None and due < self.now + MARGIN:
            self.stage.until(due)
            self.now = max(self.now, due + MARGIN)
        self.stage.until(self.now)

    def wait(self, time: Nanos) -> None:
        self.now += time

    def body(self) -> str:
        self.bodies += 1
        return f"m{self.bodies}"

    def actor(self) -> str:
        return self.draw.choice(ACTORS)

    def handle(self, actor: str | None = None) -> tuple[str, str, str] | None:
        """One that was given (to an actor), rather a late one; None if there is none."""
        found = [each for each in self.given if actor in (None, each[1])]
        return found[-1 - min(int(self.draw.expovariate(0.4)), len(found) - 1)] if found else None

    def held(self, actor: str | None = None) -> str | None:
        """A handle that is good: its holder (that actor) may settle it."""
        good = [handle for handle, whose, _ in self.given if actor in (None, whose) and self.is_held(handle)]
        return self.draw.choice(good) if good else None

    def is_held(self, handle: str) -> bool:
        message, receipt = self.stage.handles[handle][:2]
        return message.place is Place.LEASED and message.receipt == receipt

    def chance(self, share: float) -> bool:
        return self.draw.random() < share


Move = Callable[[Play], object]


@dataclass(frozen=True)
class Target:
    """What is compared: ``config`` draws a queue's settings, ``moves`` has the weight of each move, ``begin`` and
    ``end`` are moves too.  ``takes``: how long an operation is given, where it is more than ``GAP``.  Where nothing
    ends by itself (``has_deadlines``), a step that comes late is as good as any."""

    name: str
    broker: str
    profile: str
    dialect: Dialect
    config: Callable[[Random], dict[str, Any]]
    moves: Mapping[Move, float]
    begin: Move = lambda play: None
    end: Move = lambda play: None
    takes: Mapping[str, Nanos] = field(default_factory=dict)
    has_deadlines: bool = True


def sequence(target: Target, seed: int) -> dict[str, Any]:
    """A trace without results."""
    draw = Random(f"{target.name} {seed}")
    config = target.config(draw)
    play = Play(draw, Stage.of(target.dialect, config), config, target.takes)
    length = draw.randint(20, 60)
    target.begin(play)
    moves, weights = list(target.moves), list(target.moves.values())
    while len(play.steps) < length:
        play.pass_time()
        draw.choices(moves, weights)[0](play)
    target.end(play)
    shows = f"Drawn at random ({target.name}, seed {seed})."
    return {
        "name": f"{target.name}_{seed}".replace("-", "_"),
        "broker": target.profile,
        "what_it_shows": shows,
        "config": config,
        "steps": play.steps,
    }
