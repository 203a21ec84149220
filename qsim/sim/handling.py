"""A student's consumer in a run: ``handle(message, store)``, called for each delivery at the instant of its effect.

It knows a crew's database, the memory of each of its processes and the calls of one delivery; when a delivery is due, and
what an error or a crash brings, is told by ``desk``.  The store is the crew's own: shared by its processes, by no other
consumer.  A call takes no time: the work before it does.
"""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from traceback import walk_tb
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from qsim.handlers import store
from qsim.handlers.code import Handler
from qsim.handlers.found import function_of, said_of
from qsim.handlers.memory import Memory
from qsim.handlers.store import WRITES, Call, Database, Message, Store
from qsim.kernel.journal import Kind
from qsim.kernel.message import Delivery
from qsim.scenario.origins import NUMBER, NUMBER_BITS, name_of
from qsim.scenario.plan import CrashAt
from qsim.units import Nanos

if TYPE_CHECKING:
    from qsim.sim.consumers import Crew
    from qsim.sim.desk import Desk

_STORE = store.__file__

AMOUNT = 25
"""What an order costs."""
MOST_CALLS = 10_000
"""In one delivery: who needs more does not come to an end."""


class EndlessHandler(RuntimeError):
    """A handler goes round in a loop."""


class Died(BaseException):
    """The process is dead, and its handler makes no call any more: whatever it catches, nothing that it does counts."""


@dataclass
class _Delivery:
    """The calls of one delivery.  ``is_short``: the process dies as soon as it has charged somebody."""

    database: Database
    work: int
    is_short: bool
    calls: int = 0
    charged: int = 0
    is_dead: bool = False
    has_written: bool = False
    _draft: bool = False

    def ask(self, call: Call) -> Any:
        """Make the call, unless the process is dead."""
        if self.is_dead:
            raise Died
        self.calls += 1
        if self.calls > MOST_CALLS:
            raise EndlessHandler(f"a handler has made {MOST_CALLS:,} calls in one delivery, {call} the last, and does not return")
        before = len(self.database.charges)
        answer = self.database.do(self.work, call)
        self.charged += len(self.database.charges) - before
        self._note(call, answer)
        if self.is_short and self.charged:
            self.is_dead = True
            raise Died
        return answer

    def _note(self, call: Call, answer: Any) -> None:
        """Whether a record was written for good."""
        writes, is_open = call.name in (*WRITES, "delete") and answer is not False, self.database.owner == self.work
        if writes and not is_open:
            self.has_written = True
        elif call.name in ("commit", "rollback") and not is_open:
            self.has_written |= self._draft and call.name == "commit"
            self._draft = False
        else:
            self._draft |= writes

    @property
    def has_effect(self) -> bool:
        """It has charged or written something, or is a handler that asks nothing and does what we cannot see."""
        return bool(self.charged) or self.has_written or not self.calls


class Handling:
    """The handler of one crew.  ``raised``: how often it raised what."""

    def __init__(self, crew: Crew, handler: Handler) -> None:
        self._crew = crew
        self._world = crew.world
        self._handle = function_of(handler)
        self._database = Database()
        self._works = 0
        self._memories: dict[int, tuple[int, Memory]] = {}
        self._sendings: dict[int, list[Nanos]] = {}
        self._has_effect = False
        self.raised: dict[str, int] = {}
        self._said: dict[tuple[type[BaseException], int], str] = {}

    def raises(self, desk: Desk, delivery: Delivery, dies: bool) -> bool:
        """Call it; its effect is a row then.  Whether it raised, so that the attempt has failed."""
        self._works += 1
        is_short = dies and self._crew.plan.failures.crash_at is CrashAt.AFTER_EFFECT
        made = _Delivery(self._database, self._works, is_short)
        error = self._error(desk, self._message(delivery), made)
        self._database.roll_back(made.work)
        self._has_effect = bool(made.charged) if error else made.has_effect
        if self._has_effect:
            desk.write(Kind.EFFECT)
        elif error is None:
            desk.write(Kind.SKIPPED)
        if error is not None:
            self._count(error)
        return error is not None

    def _count(self, error: BaseException) -> None:
        """By kind and line, in the words of the first one: what stands behind may tell another message each time."""
        frames = [frame for frame in walk_tb(error.__traceback__) if frame[0].f_code.co_filename not in (__file__, _STORE)]
        line = frames[-1][1] if frames else 0
        said = self._said.setdefault((type(error), line), f"line {line}: {said_of(error)}" if line else said_of(error))
        self.raised[said] = self.raised.get(said, 0) + 1

    def take_effect(self, desk: Desk, dies: bool) -> bool:
        """What comes of it: what is sent on, and a crash.  False: the process died."""
        if self._has_effect:
            for emitter in self._crew.on_success:
                emitter.send(desk)
        if dies:
            desk.die()
        return not dies

    def _error(self, desk: Desk, message: Message, made: _Delivery) -> BaseException | None:
        """What the handler raised.  What it prints goes to where errors go, out of the way of results."""
        handle = self._memory(desk).handle
        try:
            with redirect_stdout(sys.stderr):
                handle(message, Store(made.ask))
        except (EndlessHandler, KeyboardInterrupt):
            raise
        except Died:
            return None
        except BaseException as error:  # all that a student's code may raise, SystemExit too
            return None if made.is_dead else error
        return None

    def _memory(self, desk: Desk) -> Memory:
        """Of its process, which forgets everything when it dies."""
        member = desk.member
        life, memory = self._memories.get(member.number, (-1, None))
        if memory is None or life != member.life:
            memory = Memory(self._handle)
            self._memories[member.number] = member.life, memory
        return memory

    def _message(self, delivery: Delivery) -> Message:
        number = delivery.message.number
        origins = self._world.originals.origins
        origin = origins[number >> NUMBER_BITS]
        order = origin.root << NUMBER_BITS | number & NUMBER
        body = {"order": order, "amount": AMOUNT, **self._world.originals.attributes(number)}
        name = name_of(origin, number) + self._again(number, delivery.message.entered)
        return Message(name, order, MappingProxyType(body), delivery.attempt, delivery.message.group)

    def _again(self, number: int, entered: Nanos) -> str:
        """What was sent twice is two messages about one order."""
        sendings = self._sendings.setdefault(number, [])
        if entered not in sendings:
            sendings.append(entered)
        which = sendings.index(entered)
        return f" ({which + 1})" if which else ""
