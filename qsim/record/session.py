"""What the recorders of all brokers share: actors with connections of their own, handles, names that nobody else has.

It knows no broker and no time.  A handle is ``<body>#<n>``: the n-th time that this body was reported to anybody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import uuid4

Json = Mapping[str, Any]
Result = dict[str, Any]
OK: Result = {"ok": True}


class NotRecorded(Exception):
    """The steps ask for what a driver does not have; the text names it."""


class Unreachable(Exception):
    """There is no such broker, or it does not let us set the queues up."""


class NotDelivered(Exception):
    """The steps settle what this broker did not deliver: it is a result, for the broker is another one."""


class Got(NamedTuple):
    """One delivery as a client sees it: ``token`` is what settles it, ``tells`` what a result says of it."""

    body: str
    token: Any
    tells: Result


@dataclass
class Session:
    """One recording on one broker.  ``admin`` is a connection out of band; ``native`` what was really asked for."""

    url: str
    config: Json
    connect: Callable[[Session, str], Any]
    hang_up: Callable[[Any], object]
    admin: Any = None
    version: str = ""
    unique: str = field(default_factory=lambda: uuid4().hex[:8])
    native: dict[str, Any] = field(default_factory=dict)
    actors: dict[str, Any] = field(default_factory=dict)
    tokens: dict[str, Any] = field(default_factory=dict)
    reported: Counter[str] = field(default_factory=Counter)
    notes: dict[Any, Any] = field(default_factory=dict)
    cleanups: list[Callable[[], object]] = field(default_factory=list)

    def actor(self, name: str) -> Any:
        """Its connection; a new one if it has none."""
        if name not in self.actors:
            self.actors[name] = self.connect(self, name)
        return self.actors[name]

    def name(self, what: str) -> str:
        return f"qsim.{what}.{self.unique}"

    def settings(self, queue: str) -> Json:
        found: Json = self.config["queues"].get(queue, {})
        return found

    def report(self, got: Got) -> Result:
        """What a result says of a delivery, which thereby gets its handle."""
        self.reported[got.body] += 1
        handle = f"{got.body}#{self.reported[got.body]}"
        self.tokens[handle] = got.token
        return {"body": got.body, "handle": handle, **{key: value for key, value in got.tells.items() if value is not None}}

    def token(self, handle: str) -> Any:
        if handle not in self.tokens:
            raise NotDelivered(handle)
        return self.tokens[handle]

    def close(self) -> None:
        """Hang up, and leave nothing behind on the broker.  What fails then is of no interest any more."""
        for connection in self.actors.values():
            with suppress(Exception):
                self.hang_up(connection)
        for cleanup in self.cleanups:
            with suppress(Exception):
                cleanup()


@dataclass(frozen=True)
class Driver:
    """How steps are done to one broker.  ``open`` sets up what a config describes; ``receive`` may run in the
    background; the other operations answer None for ok; ``code`` is an error in the words of a trace."""

    name: str
    url: str
    profiles: frozenset[str]
    open: Callable[[str, Json], Session]
    receive: Callable[..., list[Got]]
    operations: Mapping[str, Callable[..., Result | None]]
    code: Callable[[Exception], str]
