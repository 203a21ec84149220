"""One schedule: messages, processes, and who goes on, dies or is held up, on the kernel's own broker in simulated time.

It knows moves and writes down what happened; what may be chosen it offers, what is chosen comes in as ``choices``.

A handler runs in a greenlet that gives up control before each of its calls, and before its ack.  A process that dies there
is never resumed: no line of it runs again, no ``finally`` and no ``except BaseException``.  Its greenlet is kept in
``graveyard`` until the thread that made it is gone, for collecting it earlier would raise GreenletExit in it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

from qsim.handlers.memory import Memory
from qsim.handlers.store import EFFECTS, Call, Database, Message, Store
from qsim.kernel.broker import Broker
from qsim.kernel.journal import ROW, Kind, Place
from qsim.kernel.message import Delivery
from qsim.kernel.profile import Grouping, Order
from qsim.metrics.ledger import NUMBER_BITS, PROCESS_BITS
from qsim.scenario import times
from qsim.scenario.plan import Ack, ConsumerPlan, OnError, Plan
from qsim.units import MILLISECOND, SECOND, Nanos

ORDERS = (4711, 4712)
ACK = Call("ack")
MOST_CALLS = 100
"""In one delivery: who needs more does not come to an end."""
MOST_RECEIVES = 6
"""Of one message, where it fails each time."""
PATIENCE = 20
"""Calls in a row, then others at work go on: who waits for them in a loop gets what he waits for."""
MOST_PROCESSES = 5
FAULTS = ("died", "stopped", "duplicated", "failed")
"""Kinds of events."""


class Hangs(BaseException):
    """Raised from outside in a handler that calls nothing and does not end."""


@dataclass(frozen=True, slots=True)
class Arena:
    """Where handlers are tried: ``queue`` of ``plan`` as ``consumer`` works on it; ``step`` between two calls."""

    plan: Plan
    queue: int
    consumer: ConsumerPlan
    handle: Callable[..., Any]
    step: Nanos = SECOND
    graveyard: list[Any] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.plan.queues[self.queue].name


def step_of(consumer: ConsumerPlan, calls: int) -> Nanos:
    """The service time of the scenario, in equal parts before, between and after so many calls; whole ms."""
    mean = times.mean(consumer.service)
    whole = mean if 0 < mean < float("inf") else SECOND
    return max(MILLISECOND, int(whole / (calls + 1)) // MILLISECOND * MILLISECOND)


class Setup(NamedTuple):
    """What is sent: (order, id of the message); ``faults`` is what it counts as; ``is_reordered``: the later comes first."""

    sent: tuple[tuple[int, str], ...]
    faults: int = 0
    is_reordered: bool = False


class Move(NamedTuple):
    """``fault``: something goes wrong; ``switch``: another work than the one that could go on."""

    does: str
    work: int = -1
    fault: bool = False
    switch: bool = False


class Event(NamedTuple):
    """What the journal does not tell: ``rows`` is how many rows it had then."""

    time: Nanos
    work: int
    kind: str
    call: Call | None
    answer: Any
    rows: int


@dataclass
class Outcome:
    """How a handler ended."""

    error: BaseException | None = None


@dataclass
class Work:
    """One delivery at one process.  ``pending`` is its next call, None when all is over."""

    number: int
    process: int
    delivery: Delivery
    message: Message
    greenlet: Any = None
    pending: Call | None = None
    outcome: Outcome = field(default_factory=Outcome)
    calls: int = 0
    is_dead: bool = False


class Trial:
    """One schedule, run: ``options`` are the moves that there were at each choice, ``events`` what happened."""

    def __init__(self, arena: Arena, setup: Setup, choices: Sequence[int] = ()) -> None:
        self.arena, self.setup = arena, setup
        self.options: list[list[Move]] = []
        self.events: list[Event] = []
        self.works: list[Work] = []
        self.memories: dict[int, Memory] = {}
        self.lost_memory: set[str] = set()
        self.database = Database()
        self.broken = ""
        """Why the schedule was given up, if it was: "endless", "fails", "waits" or "hangs"."""
        self.now: Nanos = 0
        self._choices = list(choices)
        self._current: Work | None = None
        self._in_a_row = 0
        self.broker = Broker({queue.name: queue.profile for queue in arena.plan.queues})
        self.queue = self.broker.queues[arena.name]
        self.first_message = _first_message(arena)

    def run(self) -> Trial:
        """To the end, or until it is broken."""
        self._send()
        while not self.broken and (moves := self._moves()):
            chosen = self._choose(moves)
            getattr(self, f"_{chosen.does}")(self.works[chosen.work] if chosen.work >= 0 else None)
            if self.queue.leases.due <= self.now:
                self.broker.wake(self.now)
        self.arena.graveyard.extend(work.greenlet for work in self.works if not work.greenlet.dead)
        return self

    def _choose(self, moves: list[Move]) -> Move:
        if len(moves) == 1:
            return moves[0]
        self.options.append(moves)
        at = len(self.options) - 1
        which = self._choices[at] if at < len(self._choices) else 0
        return moves[which] if which < len(moves) else moves[0]  # a handler that throws dice takes another way each time

    def _send(self) -> None:
        profile = self.queue.profile
        group = None if profile.grouping is Grouping.NONE else 0
        for i, (order, _) in enumerate(self.setup.sent):
            number = self.first_message + i
            dedup = None if profile.dedup_window == 0 else order
            self.broker.journal.write(0, number, -1, 1, self.arena.queue, Kind.SENT)
            self.broker.send(0, self.arena.name, number, group=group, dedup=dedup)

    # --- what may happen next -----------------------------------------------------------------------------------------

    def _moves(self) -> list[Move]:
        """The first is what happens where nobody chooses."""
        work = self._current
        if work is None or not self._can_go_on(work):
            return self._moves_of_nobody()
        others = [Move("switch", w.number, switch=True) for w in self.works if w is not work and self._can_go_on(w)]
        if self._in_a_row >= PATIENCE and others:
            return [others[0]._replace(switch=False)]
        moves = [Move("go", work.number), Move("crash", work.number, fault=True)]
        if work.delivery.message.lease_ends is not None and self._is_leased(work):
            moves.append(Move("stall", work.number, fault=True))
        if self.queue.profile.order is Order.BEST_EFFORT and self._is_leased(work):
            moves.append(Move("again", work.number, fault=True))
        if work.pending is not None and work.pending.name == "charge":
            moves.append(Move("fail", work.number, fault=True))
        if self.queue.visible and self._idle():
            others.append(Move("receive", switch=True))
        return moves + others

    def _moves_of_nobody(self) -> list[Move]:
        if self.queue.visible and self._idle():
            return [Move("receive")]
        ready = [work for work in self.works if self._can_go_on(work)]
        if ready:
            return [Move("switch", ready[0].number)]
        return [Move("pass")] if self._may_come_again() else []

    def _can_go_on(self, work: Work) -> bool:
        return work.pending is not None and not work.is_dead and self.database.is_free(work.number, work.pending)

    def _is_leased(self, work: Work) -> bool:
        message = work.delivery.message
        return message.receipt == work.delivery.receipt and message.place is Place.LEASED

    def _idle(self) -> list[int]:
        """Processes that are free: those that have had nothing first."""
        count = max(1, min(self.arena.consumer.count, MOST_PROCESSES))
        busy = {work.process for work in self.works if work.pending is not None and not work.is_dead}
        used = {work.process: work.number for work in self.works}
        return sorted((p for p in range(count) if p not in busy), key=lambda p: (used.get(p, -1), p))

    def _may_come_again(self) -> bool:
        due = self.broker.wake_at()
        return due is not None and bool(self.queue.visible or self.queue.in_flight or self.queue.delayed)

    # --- moves --------------------------------------------------------------------------------------------------------

    def _pass(self, _: None) -> None:
        """Nobody can do anything until a lease or a delay ends."""
        due = self.broker.wake_at()
        assert due is not None
        self.now = max(self.now, due)

    def _receive(self, _: None) -> None:
        """A free process receives, and its handler begins."""
        process = self._idle()[0]
        client = self.arena.consumer.index << PROCESS_BITS | process
        is_second = self.setup.is_reordered and not self.works
        found = self.broker.receive(self.now, self.arena.name, client, choice=int(is_second))
        if not found:
            self._pass_or_end()
            return
        [delivery] = found
        order, name = self.setup.sent[delivery.message.number - self.first_message]
        message = Message(name, order, MappingProxyType({"order": order, "amount": 25}), delivery.attempt, delivery.message.group)
        work = Work(len(self.works), process, delivery, message)
        self.works.append(work)
        self._note(work, "received")
        if self.arena.consumer.ack is Ack.ON_RECEIVE:
            self.broker.ack(self.now, delivery)
        self._turn_to(work)
        if process not in self.memories:
            self.memories[process] = Memory(self.arena.handle)
        self._start(work)

    def _pass_or_end(self) -> None:
        """Something is there, and nobody gets it: other messages of its group are at work, or it is out of date."""
        due = self.broker.wake_at()
        if due is not None and due > self.now:
            self.now = due
        elif not any(self._can_go_on(work) for work in self.works):
            self.broken = "waits"

    def _start(self, work: Work) -> None:
        from greenlet import greenlet

        handle = self.memories[work.process].handle
        work.greenlet = greenlet(_whole)
        self._next(work, work.greenlet.switch(handle, work.message, work.outcome))

    def _next(self, work: Work, call: Call | None) -> None:
        """The handler's next call; at its end its ack, or the answer to its error."""
        if call is not None:
            work.pending, work.calls = call, work.calls + 1
            if work.calls > MOST_CALLS:
                self.broken = "endless"
        elif work.outcome.error is not None:
            self._give_back(work)
        elif self.arena.consumer.ack is Ack.ON_RECEIVE:
            work.pending = None
        else:
            work.pending = ACK

    def _give_back(self, work: Work) -> None:
        """It raised: as the scenario's ``on_error`` says."""
        work.pending = None
        self.database.roll_back(work.number)
        self._note(work, "raised", answer=work.outcome.error)
        on_error = self.arena.consumer.failures.on_error
        if self.arena.consumer.ack is not Ack.ON_RECEIVE and on_error is not OnError.WAIT_FOR_TIMEOUT:
            settle = self.broker.reject if on_error is OnError.REJECT else self.broker.nack
            settle(self.now, work.delivery)
        if work.delivery.attempt >= MOST_RECEIVES:
            self.broken = "fails"

    def _go(self, work: Work) -> None:
        """The next call is made, and the handler goes on to the one after it."""
        call = work.pending
        assert call is not None
        self.now += self.arena.step
        self._in_a_row += 1
        if call is ACK:
            self.broker.wake(self.now)
            work.pending = None
            self._note(work, "acked", call, self.broker.ack(self.now, work.delivery))
            return
        try:
            answer = self.database.do(work.number, call)
        except Exception as error:  # a key that cannot be one
            self._note(work, "refused", call, error)
            self._resume(work, _raiser(error))
            return
        self._note(work, "charged" if _moves_money(call, answer) else "called", call, answer)
        self._resume(work, lambda: answer)

    def _resume(self, work: Work, answer: Callable[[], Any]) -> None:
        self._next(work, work.greenlet.switch(answer))

    def _crash(self, work: Work) -> None:
        """The process dies before its next call, with its memory and its open transaction."""
        self.now += self.arena.step // 2
        self._die(work)
        self._note(work, "died", work.pending, self.database.roll_back(work.number))
        self.broker.forget(self.now, work.delivery.client)

    def _die(self, work: Work) -> None:
        work.is_dead = True
        gone = self.memories.pop(work.process, None)
        if gone is not None:
            self.lost_memory.update(gone.remembers())

    def _stall(self, work: Work) -> None:
        """It stands still before its next call until its lease has ended: another process may come first."""
        ends = work.delivery.message.lease_ends
        assert ends is not None
        self._note(work, "stopped", work.pending, ends)
        self.now = max(self.now, ends)
        self._turn_to(None)

    def _again(self, work: Work) -> None:
        """At-least-once: the broker hands the message to another process, though it is leased."""
        self._note(work, "duplicated", work.pending)
        self.broker.duplicate(self.now, work.delivery)
        self._turn_to(None)

    def _fail(self, work: Work) -> None:
        """The payment service does not answer, and has not charged."""
        assert work.pending is not None
        self.now += self.arena.step
        self._note(work, "failed", work.pending)
        self._resume(work, _raiser(ConnectionError(f"the payment service does not answer {work.pending}")))

    def _switch(self, work: Work) -> None:
        self._turn_to(work)
        self._note(work, "goes on", work.pending)

    def _turn_to(self, work: Work | None) -> None:
        self._current, self._in_a_row = work, 0

    def _note(self, work: Work, kind: str, call: Call | None = None, answer: Any = None) -> None:
        rows = sum(map(len, self.broker.journal.chunks)) + len(self.broker.journal.rows)
        self.events.append(Event(self.now, work.number, kind, call, answer, rows // ROW.size))

    # --- afterwards ---------------------------------------------------------------------------------------------------

    def faults(self) -> list[str]:
        """What went wrong from outside, in the order of time."""
        return [event.kind for event in self.events if event.kind in FAULTS]

    def remembers(self) -> list[str]:
        """Names that processes, the dead ones too, kept something in."""
        return sorted(self.lost_memory.union(*(memory.remembers() for memory in self.memories.values())))


def _whole(handle: Callable[..., Any], message: Message, outcome: Outcome) -> None:
    """A handler from its beginning to its end.  It knows nothing of the trial, which is let go before it."""
    from greenlet import getcurrent

    driver = getcurrent().parent
    assert driver is not None
    try:
        returned = handle(message, Store(lambda call: driver.switch(call)()))
        if inspect.iscoroutine(returned):
            returned.close()
    except Hangs:
        raise  # the whole search is over
    except BaseException as error:  # all that a student's code may raise, SystemExit too
        outcome.error = error


def _raiser(error: Exception) -> Callable[[], Any]:
    def answer() -> Any:
        raise error

    return answer


def _moves_money(call: Call, answer: Any) -> bool:
    return call.name in EFFECTS and answer is not False


def _first_message(arena: Arena) -> int:
    """A number that has a name: of a producer that sends to this queue, if there is one."""
    feeds = [producer for producer in arena.plan.producers if producer.to == arena.queue] or list(arena.plan.producers)
    return feeds[0].first_index << NUMBER_BITS if feeds else 0


__all__ = ["ACK", "ORDERS", "Arena", "Event", "Hangs", "Move", "Setup", "Trial", "Work", "step_of"]
