"""The handlers of a scenario: whether they may be run, what is wrong with them, and who has which.

It knows where a handler is written and what to say of it; what one is stands in ``qsim.handlers``.  Unless it is allowed
(or a person hands the function over), no line of a scenario's code is run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any

from qsim.handlers.code import TEXT, Given, Handler
from qsim.scenario.paths import found, value_at
from qsim.scenario.plan import ConsumerPlan
from qsim.scenario.problems import Problem
from qsim.scenario.said import Said
from qsim.scenario.source import Document, Path

ALLOW = "if you trust it: --allow-code, or load(..., allow_code=True)"


def check(document: Document, folder: FilePath, allowed: bool | None) -> list[Problem]:
    """What is wrong with the handlers; ``allowed`` None: nothing will be run, so that nobody need be asked."""
    said = Said(document)
    for path, value in found(document.data, "consumers.*.handler"):
        if isinstance(value, str):
            _idempotent(said, path)
            _handler(said, path, value, folder, allowed)
    return said.problems


def with_handlers(document: Document, consumers: tuple[ConsumerPlan, ...], folder: FilePath) -> tuple[ConsumerPlan, ...]:
    """Each with the handler that its entry names."""
    handlers = {path[1]: handler(value, folder) for path, value in found(document.data, "consumers.*.handler") if value is not None}
    return tuple(replace(each, handler=handlers[each.name]) if each.name in handlers else each for each in consumers)


def handler(value: str, folder: FilePath) -> Handler:
    return value.handler if isinstance(value, Given) else Handler(value, str(folder.resolve()))


def _handler(said: Said, path: Path, value: str, folder: FilePath, allowed: bool | None) -> None:
    is_given = isinstance(value, Given)
    if not is_given and TEXT.fullmatch(value) is None:
        said.say("Q042", f"{value[:60]!r} is not module:function", path, "write worker:handle for the function handle of worker.py")
    elif not is_given and allowed is False:
        said.say("Q041", f"the handler {value[:60]!r} is code, which is not run unless you allow it", path, ALLOW)
    elif is_given or allowed:
        from qsim.handlers.found import NoHandler, function_of

        try:
            function_of(handler(value, folder))
        except NoHandler as error:
            said.say("Q042", str(error), path, error.suggestion)


def _idempotent(said: Said, path: Path) -> None:
    """Who knows what was done already: the handler and its store, or the simulator; not both."""
    for key, message in _either(value_at(said.data, path[:-1])):
        said.say("Q021", message, (*path[:-1], key), "the handler looks into its store itself: remove one of them", of_key=True)


def _either(consumer: Any) -> Iterator[tuple[str, str]]:
    if consumer.get("idempotent"):
        yield "idempotent", "handler and idempotent both say what is done already: not both"
    if consumer.get("guarantee") == "exactly-once":
        yield "guarantee", "guarantee: exactly-once is an idempotent consumer, and so is a handler if it wants to: not both"
