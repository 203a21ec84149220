"""What consumers call: places that all of them share, and the line before these.

It knows calls, who makes them and how long each takes, nothing of queues.  A call waits in the line or has a place;
what is served keeps its place until it ends, also when nobody waits for the answer any more.  Who is next is the first
of the line; who comes first at one instant follows from the slots of those that call.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from fractions import Fraction
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Any

from simpy.events import Event

from qsim.kernel.deadlines import NEVER
from qsim.kernel.journal import ROW, Cause, Kind, Place
from qsim.scenario.plan import DependencyPlan
from qsim.sim.alarm import Inbox, Reminder
from qsim.units import Nanos

if TYPE_CHECKING:
    from qsim.sim.desk import Desk
    from qsim.sim.world import World

_pack = ROW.pack
_CALLED, _SERVED, _CALL_ENDED = int(Kind.CALLED), int(Kind.SERVED), int(Kind.CALL_ENDED)


class Call:
    """``time`` is what it takes once it has a place; ``ends`` None: it has none yet; ``due``: when its caller hears, or
    gives up; ``caller`` None: nobody waits for the answer any more."""

    __slots__ = ("caller", "client", "due", "ends", "number", "time", "turn")

    def __init__(self, caller: Caller, number: int, client: int, turn: int, time: Nanos, deadline: Nanos) -> None:
        self.caller: Caller | None = caller
        self.number = number
        self.client = client
        self.turn = turn
        self.time = time
        self.due = deadline
        self.ends: Nanos | None = None


class Dependency:
    """One dependency.  ``busy`` places, and ``waiting`` calls before them."""

    def __init__(self, world: World, plan: DependencyPlan) -> None:
        self.plan = plan
        self.busy = self.waiting = 0
        self.pace = Fraction(1)
        """What begins takes this many times as long."""
        self.watch: Callable[[], None] | None = None
        self._world = world
        self._line: deque[Call] = deque()
        self._unwanted: list[tuple[Nanos, int, Call]] = []
        """What is served though nobody waits for it."""
        self._order = count().__next__
        self._ends = Reminder(world.env, world.slots.dependencies + plan.index, self._end_unwanted)

    def enter(self, call: Call) -> bool:
        """A place, or the end of the line.  False: there is no room."""
        self._write(_CALLED, call)
        if self.plan.capacity is None or self.busy < self.plan.capacity:
            self._serve(call)
        elif self.plan.queue_limit is not None and self.waiting >= self.plan.queue_limit:
            self._write(Kind.CALL_REFUSED, call)
            return False
        else:
            self.waiting += 1
            self._line.append(call)
        return True

    def answer(self, call: Call) -> None:
        """It has been served; the next one has the place."""
        self._leave(call, Cause.NONE)

    def give_up(self, call: Call, kind: Kind) -> None:
        """Its caller waits no longer."""
        self._write(kind, call, Place.READY if call.ends is None else Place.LEASED)
        call.caller = None
        if call.ends is None:
            self.waiting -= 1  # who comes to it in the line passes it over
        else:
            heappush(self._unwanted, (call.ends, self._order(), call))
            self._ends.show(call.ends)

    def _serve(self, call: Call) -> None:
        self.busy += 1
        now: Nanos = self._world.env._now  # type: ignore[assignment]
        call.ends = ends = now + call.time * self.pace.numerator // self.pace.denominator
        if ends < call.due:
            call.due = ends
        self._write(_SERVED, call)

    def _leave(self, call: Call, cause: Cause) -> None:
        self.busy -= 1
        self._write(_CALL_ENDED, call, cause)
        while self._line:
            following = self._line.popleft()
            if following.caller is not None:
                self.waiting -= 1
                self._serve(following)
                following.caller.expect(following.due)
                return

    def _end_unwanted(self, now: Nanos) -> Nanos:
        while self._unwanted and self._unwanted[0][0] <= now:
            self._leave(heappop(self._unwanted)[2], Cause.CLOSED)
        return self._unwanted[0][0] if self._unwanted else NEVER

    def _write(self, kind: int, call: Call, cause: int = 0) -> None:
        if self.watch is not None:
            self.watch()
        rows = self._world.journal.rows
        rows += _pack(self._world.env._now, call.number, call.client, call.turn, -1, kind, cause, self.plan.index)


class Caller:
    """A desk, as who calls: one call at a time, and one alarm for its end or its timeout, whichever is first."""

    def __init__(self, desk: Desk, slot: int) -> None:
        self._desk = desk
        self._call: Call | None = None
        self._dependency: Dependency | None = None
        self._answer = Inbox(desk.world.env)
        self._alarm = Reminder(desk.world.env, slot, self._ring)

    def call(self, dependency: Dependency) -> Inbox | None:
        """Where the answer comes: whether it came in time.  None: refused."""
        desk, timeout = self._desk, dependency.plan.timeout
        member, world = desk.member, desk.world
        assert desk.number is not None
        time = world.luck.call(dependency.plan, member.crew.plan, desk.number, desk.turn)
        call = Call(self, desk.number, member.client, desk.turn, time, NEVER if timeout is None else world.now + timeout)
        if not dependency.enter(call):
            return None
        self._call, self._dependency = call, dependency
        self.expect(call.due)
        return self._answer.wait()

    def expect(self, due: Nanos) -> None:
        """The call ends then, one way or the other."""
        if due < NEVER:
            self._alarm.show(due)

    def hang_up(self) -> None:
        """Its process is gone."""
        if self._call is not None:
            assert self._dependency is not None
            call, self._call = self._call, None
            self._dependency.give_up(call, Kind.CALL_ABANDONED)

    def _ring(self, now: Nanos) -> Nanos:
        call, dependency = self._call, self._dependency
        if call is None or call.due > now:
            return NEVER if call is None else call.due
        assert dependency is not None
        self._call = None
        in_time = call.ends is not None and call.ends <= now
        if in_time:
            dependency.answer(call)
        else:
            dependency.give_up(call, Kind.CALL_TIMED_OUT)
        self._answer.give(in_time)
        return NEVER  # the next call has shown its own time


def fails_to_call(desk: Desk, dependencies: tuple[Dependency, ...]) -> Generator[Event, Any, bool]:
    """Call them one after the other, until one refuses or does not answer in time."""
    caller = desk.caller
    assert caller is not None
    for dependency in dependencies:
        answer = caller.call(dependency)
        if answer is None or not (yield answer):
            return True
    return False
