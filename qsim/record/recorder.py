"""Do steps to a real broker, each at its time, and write down what it answered.

It knows the clock and the order of steps, no broker.  A step begins when the one before has returned, and not before
its time; ``late`` is how much after it the latest began: where deadlines are near, that much is not known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from inspect import signature
from time import monotonic, sleep
from typing import Any

from qsim.record.session import OK, Driver, Got, Json, NotDelivered, NotRecorded, Result, Session, Unreachable

LEAD = 0.05
"""Seconds from the set-up to the first step."""


@dataclass
class Call:
    """A receive in the background: what it got, and when that was."""

    got: Future[list[Got]]
    returned: float = 0.0


@dataclass
class Recorder:
    """One recording.  ``start`` is the clock's time of second 0."""

    driver: Driver
    session: Session
    start: float = 0.0
    late: float = 0.0
    calls: dict[str, Call] = field(default_factory=dict)
    background: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(8))

    def run(self, steps: Iterable[Json]) -> list[dict[str, Any]]:
        self.start = monotonic() + LEAD
        return [self._at_its_time(step) for step in steps]

    def _at_its_time(self, step: Json) -> dict[str, Any]:
        ahead = self.start + step["t"] - monotonic()
        if ahead > 0:
            sleep(ahead)
        self.late = max(self.late, -ahead)
        told = {key: step[key] for key in ("t", "actor", "op", "args")}
        return {**told, "result": self._outcome(step["actor"], step["op"], dict(step["args"]))}

    def _outcome(self, actor: str, op: str, args: dict[str, Any]) -> Result:
        """Whatever a broker refuses is a result too."""
        try:
            return self._perform(actor, op, args)
        except NotRecorded:
            raise
        except NotDelivered as error:
            return {"error": type(error).__name__}
        except Exception as error:
            return {"error": self.driver.code(error)}

    def _perform(self, actor: str, op: str, args: dict[str, Any]) -> Result:
        if op == "await":
            return self._await(args["call"])
        if op == "receive" and "call" in args:
            return self._begin(actor, args.pop("call"), args)
        if op == "receive":
            check(self.driver.receive, op, args)
            return {"messages": self._report(self.driver.receive(self.session, actor, **args))}
        operation = self.driver.operations.get(op)
        if operation is None:
            raise NotRecorded(f"operation {op!r} of {self.driver.name}")
        check(operation, op, args)
        answer = operation(self.session, actor, **args)
        return OK if answer is None else answer

    def _begin(self, actor: str, name: str, args: dict[str, Any]) -> Result:
        check(self.driver.receive, "receive", args)
        call = self.calls[name] = Call(self.background.submit(self.driver.receive, self.session, actor, **args))
        call.got.add_done_callback(lambda _: setattr(call, "returned", monotonic()))
        return {"pending": name}

    def _await(self, name: str) -> Result:
        if name not in self.calls:
            raise NotRecorded(f"no call {name!r} was begun")
        call = self.calls.pop(name)
        messages = self._report(call.got.result())
        halves = round((call.returned - self.start) * 2)
        return {"messages": messages, "returned_at_about": halves / 2}

    def _report(self, deliveries: Iterable[Got]) -> list[Result]:
        return [self.session.report(got) for got in deliveries]


def record(driver: Driver, url: str, config: Json, steps: Iterable[Json]) -> Recording:
    """Once, on queues of its own."""
    session = _open(driver, url, config)
    recorder = Recorder(driver, session)
    try:
        made = recorder.run(steps)
    finally:
        session.close()
        recorder.background.shutdown(wait=False, cancel_futures=True)
    return Recording(made, session.version, {**config, "native": session.native}, recorder.late)


def _open(driver: Driver, url: str, config: Json) -> Session:
    try:
        return driver.open(url, config)
    except NotRecorded:
        raise
    except Exception as error:
        told = str(error).splitlines()[:1] or [type(error).__name__]
        raise Unreachable(f"{driver.name} at {url}: {told[0]}") from error


@dataclass(frozen=True)
class Recording:
    steps: list[dict[str, Any]]
    version: str
    config: dict[str, Any]
    late: float


def check(operation: Callable[..., Any], op: str, args: Json) -> None:
    """The driver has what a step asks for; else it says what it does not have."""
    known = list(signature(operation).parameters.values())[2:]  # after the session and the actor
    unknown = args.keys() - {each.name for each in known}
    if unknown:
        raise NotRecorded(f"{op} with {', '.join(map(repr, sorted(unknown)))}")
    for each in known:
        if each.default is each.empty and each.name not in args:
            raise NotRecorded(f"{op} without {each.name!r}")
