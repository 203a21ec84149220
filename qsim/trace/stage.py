"""Where a trace is played: a simulated broker, the handles given out so far, and the receives that still wait.

It knows time and names, no broker's rules: what an operation means stands in a ``Dialect``, one table a broker
(``sqs.py``).  A handle is ``<body>#<n>``: the n-th time that this body was reported to anybody in the trace.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from inspect import Parameter, signature
from typing import Any, Protocol

from qsim.kernel.broker import Broker
from qsim.kernel.message import Credit, Deliveries, Delivery
from qsim.kernel.profile import Profile
from qsim.trace.load import Json, Step
from qsim.units import SECOND, Nanos

Result = dict[str, Any]
OK: Result = {"ok": True}


class NotCovered(Exception):
    """The trace wants what the kernel or its dialect does not have; the text names it."""


class Malformed(Exception):
    """The trace asks for what cannot be: a queue that it does not declare, an argument that is missing."""


class Clock(Protocol):
    """What passes time and tells what came of receives that waited: a broker, or what clients have before it."""

    def wake_at(self) -> Nanos | None: ...

    def wake(self, now: Nanos) -> None: ...

    def deliveries(self) -> list[tuple[Credit, Deliveries]]: ...


class Server(Clock, Protocol):
    """A broker behind something of its own, which has to be asked for the time."""

    broker: Broker


@dataclass(frozen=True)
class Dialect:
    """How one broker's traces are read.

    ``broker`` makes the simulated broker from a trace's config; ``operations`` says what each operation is in
    calls of the kernel (a function of the stage, the actor and the step's arguments by name); ``describe`` is what
    a result tells of one delivery.
    """

    name: str
    profiles: frozenset[str]
    broker: Callable[[Json], Broker | Server]
    operations: Mapping[str, Callable[..., Result]]
    describe: Callable[[Delivery], Result]


@dataclass
class Call:
    """A receive that was begun: who asked, and what came of it (``returned``: when)."""

    actor: str
    credit: Credit | None
    answer: Deliveries | None
    returned: Nanos


@dataclass
class Stage:
    """``now`` never goes back.  ``notes`` is where a dialect remembers what the kernel does not."""

    dialect: Dialect
    broker: Broker
    clock: Clock
    now: Nanos = 0
    handles: dict[str, Delivery] = field(default_factory=dict)
    reported: Counter[str] = field(default_factory=Counter)
    calls: dict[str, Call] = field(default_factory=dict)
    waiting: dict[Credit, Call] = field(default_factory=dict)
    inboxes: dict[str, deque[Delivery]] = field(default_factory=lambda: defaultdict(deque))
    """What has been pushed to an actor, and not been reported yet."""
    pushed_to: dict[Credit, str] = field(default_factory=dict)
    notes: dict[Any, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, dialect: Dialect, config: Json) -> Stage:
        """With the broker that a trace's config describes."""
        made = dialect.broker(config)
        return cls(dialect, made if isinstance(made, Broker) else made.broker, made)

    def perform(self, step: Step) -> Result:
        """Let time pass until the step, do it, and do what else this instant brings."""
        self.until(step.time)
        operation = self.dialect.operations.get(step.op)
        if operation is None:
            raise NotCovered(f"operation {step.op!r} of {self.dialect.name}")
        _check_arguments(step, operation, self.dialect.name)
        result = operation(self, step.actor, **step.args)
        self.until(self.now)
        return result

    def until(self, time: Nanos) -> None:
        """Do what is due up to and with ``time``, and note when each waiting receive was answered."""
        clock = self.clock
        while (due := clock.wake_at()) is not None and due <= time:
            clock.wake(due)
            self._collect(due)
        self.now = max(self.now, time)
        clock.wake(self.now)
        self._collect(self.now)

    def _collect(self, now: Nanos) -> None:
        for credit, deliveries in self.clock.deliveries():
            if credit in self.pushed_to:
                self.inboxes[self.pushed_to[credit]] += deliveries
            else:
                call = self.waiting.pop(credit)
                call.answer, call.returned = deliveries, now

    def profile(self, queue: str) -> Profile:
        return self.broker.queues[queue].profile

    def ask(self, actor: str, queue: str, limit: int, wait: Nanos | None, visibility_timeout: Nanos | None) -> Call:
        """Begin a receive."""
        answer = self.broker.receive(self.now, queue, actor, limit, wait, visibility_timeout)
        if answer.credit is None:
            return Call(actor, None, answer, self.now)
        call = self.waiting[answer.credit] = Call(actor, answer.credit, None, self.now)
        return call

    def finish(self, call: Call) -> Deliveries:
        """Let time pass until a receive is answered."""
        while call.answer is None and (due := self.clock.wake_at()) is not None:
            self.until(due)
        return call.answer if call.answer is not None else Deliveries()  # its client died

    def report(self, delivery: Delivery) -> Result:
        """What a result says of a delivery, which thereby gets its handle."""
        body = delivery.message.payload
        self.reported[body] += 1
        handle = f"{body}#{self.reported[body]}"
        self.handles[handle] = delivery
        return {"body": body, "handle": handle, **self.dialect.describe(delivery)}


def seconds(time: Nanos) -> float:
    return time / SECOND


def _check_arguments(step: Step, operation: Callable[..., Result], dialect: str) -> None:
    known = list(signature(operation).parameters.values())[2:]  # after the stage and the actor
    unknown = step.args.keys() - {each.name for each in known}
    if unknown:
        raise NotCovered(f"operation {step.op!r} of {dialect} with {', '.join(map(repr, sorted(unknown)))}")
    for each in known:
        if each.default is Parameter.empty and each.name not in step.args:
            raise Malformed(f"{step.op} needs {each.name!r}")
