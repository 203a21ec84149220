"""Replay a recorded trace on the kernel, and name the first step where they differ.

It knows which results agree, and which dialect reads which trace; not one operation of any broker.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from qsim.brokers import PROFILES
from qsim.kernel.profile import Grouping
from qsim.trace.activemq import ACTIVEMQ
from qsim.trace.load import Json, Step, Trace, TraceError
from qsim.trace.rabbitmq import RABBITMQ
from qsim.trace.redis import REDIS
from qsim.trace.servicebus import SERVICE_BUS
from qsim.trace.sqs import SQS
from qsim.trace.stage import Dialect, Malformed, NotCovered, Stage

DIALECTS: Mapping[str, Dialect] = {
    profile: dialect for dialect in (SQS, RABBITMQ, REDIS, ACTIVEMQ, SERVICE_BUS) for profile in dialect.profiles
}
"""By the name of the profile that a trace says it was recorded from."""

TOLERANCE = Decimal("0.5")
"""A recorded ``returned_at_about`` is rounded to half a second."""


class Outcome(StrEnum):
    OK = "ok"
    DIFFERS = "differs"
    NOT_COVERED = "not covered"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one trace.  ``step``, ``expected`` and ``got``: where it first differs; ``rule``: what the kernel
    does not have."""

    name: str
    outcome: Outcome
    step: int | None = None
    expected: Json | None = None
    got: Json | None = None
    rule: str | None = None

    def __str__(self) -> str:
        match self.outcome:
            case Outcome.DIFFERS:
                return f"differs {self.name} step {self.step}: expected {_write(self.expected)} got {_write(self.got)}"
            case Outcome.NOT_COVERED:
                return f"not covered {self.name}: {self.rule}"
        return f"ok {self.name}"


def replay(trace: Trace) -> Verdict:
    """Play a trace from the start; a TraceError if it asks for what cannot be."""
    dialect = DIALECTS.get(trace.broker)
    if dialect is None:
        return Verdict(trace.name, Outcome.NOT_COVERED, rule=f"no profile for {trace.broker}")
    try:
        return _play(trace, dialect)
    except NotCovered as gap:
        return Verdict(trace.name, Outcome.NOT_COVERED, rule=str(gap))


def _play(trace: Trace, dialect: Dialect) -> Verdict:
    stage = _stage(trace, dialect)
    profile = PROFILES.get(trace.broker)
    any_group_first = profile is not None and profile.grouping is not Grouping.NONE
    for step in trace.steps:
        got = _perform(stage, step, trace.path)
        if not agree(step.result, got, any_group_first):
            return Verdict(trace.name, Outcome.DIFFERS, step.number, step.result, got)
    return Verdict(trace.name, Outcome.OK)


def _stage(trace: Trace, dialect: Dialect) -> Stage:
    try:
        return Stage.of(dialect, trace.config)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as problem:
        raise TraceError(f"{trace.path}: config: {_text(problem)}") from None


def _perform(stage: Stage, step: Step, path: str) -> Json:
    """A trace with arguments of the wrong shape is the file's fault, not ours: it is named with its step."""
    try:
        return stage.perform(step)
    except (Malformed, LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as problem:
        raise TraceError(f"{path}: step {step.number}: {_text(problem)}") from problem


def _text(problem: Exception) -> str:
    return f"{problem.args[0]!r} is missing" if type(problem) is KeyError else str(problem)


# --- comparing ------------------------------------------------------------------------------------------------------


def agree(expected: Json, got: Json, any_group_first: bool = False) -> bool:
    """Whether everything that was recorded came out the same.  What a recording does not mention is not compared.

    ``any_group_first``: over several groups, messages are compared in order inside each group.
    """
    return all(key in got and _same(key, value, got[key], any_group_first) for key, value in expected.items())


def _same(key: str, expected: Any, got: Any, any_group_first: bool) -> bool:
    if key == "returned_at_about":
        return abs(Decimal(expected) - Decimal(str(got))) <= TOLERANCE
    if key == "messages":
        if any_group_first:
            expected, got = _by_group(expected), _by_group(got)
        return len(expected) == len(got) and all(map(agree, expected, got))
    return bool(expected == got)


def _by_group(messages: list[Json]) -> list[Json]:
    return sorted(messages, key=lambda message: str(message.get("group", "")))


def _write(result: Json | None) -> str:
    return json.dumps(result, default=float, ensure_ascii=False)
