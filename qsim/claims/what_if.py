"""What would have been with the same luck and one thing less: no crashes, no poison, leases that do not end.

It knows what can be switched off in a plan, and which of it played a part in a run; it runs the plan again, at most
twice a check, and only where that is quick.  What a run would have been is kept with it, for the next check.  The luck is
the same because it belongs to messages and attempts, not to the order of asking.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from qsim.claims.explain import case_of
from qsim.claims.reasons import Case, outlived
from qsim.claims.verdicts import FAIL, INCONCLUSIVE, PASS, judge
from qsim.kernel.journal import Kind
from qsim.metrics.ledger import Ledger
from qsim.metrics.numbers import Numbers
from qsim.scenario.plan import (
    Action,
    ConsumerPlan,
    Control,
    Crash,
    Expectation,
    Failures,
    Imperfections,
    OnReject,
    Plan,
    ProducerPlan,
    Set,
)  # fmt: skip
from qsim.sim.simulate import simulate

WHAT_IF = "What if"
"""The head of these lines in an explanation."""

MOST = 2
"""Extra runs."""
QUICK = 200_000
"""Rows: a run that wrote more is not made again (about a second)."""
_TOO = {FAIL: "this check fails too", INCONCLUSIVE: "there is nothing to tell it from"}
_KEPT: WeakKeyDictionary[Numbers, dict[str, Numbers]] = WeakKeyDictionary()
"""By run, as long as there is somebody who has it: what it would have been, by the factor that is switched off."""


@dataclass(frozen=True, slots=True)
class Factor:
    """Something that can be switched off; ``shows`` tells the messages (dense numbers) in whose life it does."""

    name: str
    absent: str
    shows: Callable[[Ledger], Any]
    without: Callable[[Plan], Plan]


def what_if(expectation: Expectation, run: Numbers) -> list[str]:
    """Lines about the factors that could be to blame; nothing where the run was long, cut short, or knows none."""
    recording = run.recording
    told: list[str] = []
    if len(run.ledger.rows) > QUICK or recording.stopped or run.plan.duration > recording.ended:
        return []
    for factor in suspects(case_of(expectation, run))[:MOST]:
        verdict = _verdict_without(factor, expectation, run)
        if verdict == PASS:
            return [*told, f"with the same seed and {factor.absent} this check passes, so the cause is the {factor.name}"]
        told.append(f"with the same seed and {factor.absent} {_TOO[verdict]}")
    return told


def _verdict_without(factor: Factor, expectation: Expectation, run: Numbers) -> str:
    again = _again(factor, run)
    return judge(expectation, again.plan, [again], explained=False).verdict


def _again(factor: Factor, run: Numbers) -> Numbers:
    """The run without it."""
    kept = _KEPT.setdefault(run, {})
    if factor.name not in kept:
        recording = run.recording
        kept[factor.name] = Numbers(simulate(factor.without(run.plan), recording.seed, recording.replication))
    return kept[factor.name]


# --- who is to blame --------------------------------------------------------------------------------------------------


def suspects(case: Case) -> list[Factor]:
    """The factors that show in this run: first those in the life of most messages that speak against it, of these the
    one that shows least elsewhere; where none is in their lives, the one that shows most."""
    counts = {factor.name: _parts(case, factor) for factor in FACTORS}
    there = [factor for factor in FACTORS if counts[factor.name][1] and factor.without(case.run.plan) != case.run.plan]

    def weight(factor: Factor) -> tuple[int, int]:
        messages, rows = counts[factor.name]
        return messages, -rows if messages else rows

    return sorted(there, key=weight, reverse=True)


def _parts(case: Case, factor: Factor) -> tuple[int, int]:
    """In how many of these messages, and in how many rows, it shows."""
    dense = factor.shows(case.run.ledger)
    return int(np.isin(np.unique(case.messages), dense).sum()), len(dense)


# --- plans without ----------------------------------------------------------------------------------------------------


def _consumers(plan: Plan, change: Callable[[ConsumerPlan], ConsumerPlan]) -> Plan:
    return replace(plan, consumers=tuple(map(change, plan.consumers)))


def _producers(plan: Plan, change: Callable[[ProducerPlan], ProducerPlan]) -> Plan:
    return replace(plan, producers=tuple(map(change, plan.producers)))


def _timeline(plan: Plan, change: Callable[[Action], Action | None]) -> Plan:
    """Every action changed; None leaves it out."""

    def entry(control: Control) -> Control:
        actions = [change(action) for action in control.actions]
        return replace(control, actions=tuple(action for action in actions if action is not None))

    return replace(plan, timeline=tuple(each for each in map(entry, plan.timeline) if each.actions))


def _without_failures(plan: Plan, change: Callable[[Failures], Failures]) -> Plan:
    def action(given: Action) -> Action:
        if isinstance(given, Set) and given.what == "failures":
            return replace(given, value=change(given.value), before=change(given.before))
        return given

    return _consumers(_timeline(plan, action), lambda c: replace(c, failures=change(c.failures)))


def _no_crashes(plan: Plan) -> Plan:
    calm = _timeline(plan, lambda action: None if isinstance(action, Crash) else action)
    return _without_failures(calm, lambda failures: replace(failures, crash=0.0))


def _no_errors(plan: Plan) -> Plan:
    return _without_failures(plan, lambda failures: replace(failures, error=0.0))


def _no_poison(plan: Plan) -> Plan:
    return _producers(plan, lambda p: replace(p, message=replace(p.message, poison=None)))


def _endless_leases(plan: Plan) -> Plan:
    """Leases that outlast the run, where the broker has leases."""
    endless = plan.duration + plan.drain + 1
    queues = tuple(
        each if each.profile.visibility_timeout is None
        else replace(each, profile=replace(each.profile, visibility_timeout=max(endless, each.profile.visibility_timeout)))
        for each in plan.queues
    )  # fmt: skip
    steady = _timeline(plan, lambda a: None if isinstance(a, Set) and a.what == "visibility_timeout" else a)
    own = _consumers(
        steady, lambda c: c if c.poll is None else replace(c, heartbeat=None, poll=replace(c.poll, visibility_timeout=None))
    )
    return own if queues == plan.queues else replace(own, queues=queues)


def _perfect_network(plan: Plan) -> Plan:
    return replace(plan, queues=tuple(replace(queue, imperfections=Imperfections()) for queue in plan.queues))


def _no_retries(plan: Plan) -> Plan:
    def once(producer: ProducerPlan) -> ProducerPlan:
        asks = producer.request_reply and replace(producer.request_reply, retries=False)
        return replace(producer, on_reject=OnReject.DROP, retry=None, request_reply=asks)

    return _producers(plan, once)


def _rows(*kinds: Kind) -> Callable[[Ledger], Any]:
    return lambda ledger: ledger.select(*kinds, columns=("dense",)).dense


def _retried(ledger: Ledger) -> Any:
    sent = ledger.select(Kind.SENT, columns=("dense", "attempt"))
    return sent.dense[sent.attempt > 1]


_ON_THE_WAY = (Kind.DUPLICATED, Kind.LOST_ACK, Kind.LOST_SEND, Kind.TIMED_OUT)

FACTORS = (
    Factor("leases that end", "endless leases", outlived, _endless_leases),
    Factor("crashes", "no crashes", _rows(Kind.INTERRUPTED), _no_crashes),
    Factor("poison", "no poison", _rows(Kind.POISON), _no_poison),
    Factor("errors", "no errors", _rows(Kind.ERRED), _no_errors),
    Factor("imperfections of broker and network", "a perfect broker and network", _rows(*_ON_THE_WAY), _perfect_network),
    Factor("retries of the producers", "no retries", _retried, _no_retries),
)
"""In the order in which they are suspected where they show alike."""
