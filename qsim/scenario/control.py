"""The timeline, and what alerts do: what is set, when, to what, and what it was before.

It knows how one change looks once it is resolved, so that a run only has to put the value in.  A ``set:`` is the same
change as a variant's, made to the scenario as it is at that moment; of the result one field is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any

from qsim.scenario import model, plan, shape
from qsim.scenario.paths import changed, part, split
from qsim.scenario.problems import ScenarioError
from qsim.scenario.resolve import Resolver
from qsim.scenario.source import Document, Path

SETTABLE = {
    "producers": ("rate", "slow_down"),
    "consumers": ("count", "service", "failures", "push.prefetch"),
    "queues": ("visibility_timeout", "capacity", "dlq"),
}
"""What may change during a run; a map may be set as a whole or key by key."""

SETS = ("timeline.*.set", "alerts.*.do.set")
"""Where values are set during a run."""

_FIELDS: dict[str, Callable[[Resolver, int], Any]] = {
    "rate": lambda r, i: r.producers()[i].rate,
    "slow_down": lambda r, i: r.producers()[i].slow_down,
    "count": lambda r, i: r.consumers()[i].count,
    "service": lambda r, i: r.consumers()[i].service,
    "failures": lambda r, i: r.consumers()[i].failures,
    "prefetch": lambda r, i: r.consumers()[i].prefetch,
    "visibility_timeout": lambda r, i: r.queues()[i].profile.visibility_timeout,
    "capacity": lambda r, i: r.queues()[i].profile.capacity,
    "dlq": lambda r, i: r.queues()[i].profile.dlq,
}


def settable(path: Path) -> str | None:
    """The last word of the settable key that the path is, or is part of."""
    if len(path) < 3:
        return None
    below = ".".join(map(str, path[2:])) + "."
    keys = SETTABLE.get(str(path[0]), ())
    return next((key.rpartition(".")[2] for key in keys if below.startswith(key + ".")), None)


def timeline(document: Document, scenario: model.Scenario, folder: FilePath) -> tuple[plan.Control, ...]:
    """In file order; what a permanent ``set`` changed is what a later one finds."""
    events = scenario.timeline or {}
    resolver = Resolver(scenario, folder)
    controls: dict[str, plan.Control] = {}
    for name in sorted(events, key=lambda name: events[name].at):
        event = events[name]
        after, sets = _sets(document, ("timeline", name, "set"), event.set, folder)
        length = 0 if event.restart is not None and event.for_ is None else event.for_
        controls[name] = plan.Control(name, event.at, length, (*sets, *resolver.actions(event)))
        document = document if event.for_ is not None else after
    return tuple(controls[name] for name in events)


def alerts(document: Document, scenario: model.Scenario, folder: FilePath) -> tuple[plan.AlertPlan, ...]:
    """With what each sets when it fires: nobody knows when, so what it finds is the scenario as it begins."""
    given = scenario.alerts or {}

    def done(name: str) -> tuple[plan.Set, ...]:
        do = given[name].do
        return _sets(document, ("alerts", name, "do", "set"), do.set, folder)[1] if do else ()

    return tuple(replace(alert, do=done(alert.name)) for alert in Resolver(scenario, folder).alerts())


def changes(controls: tuple[plan.Control, ...], alerts: tuple[plan.AlertPlan, ...]) -> tuple[plan.Control, ...]:
    """Whatever may be done during a run: what an alert sets stands as an entry at no time in particular."""
    return (*controls, *(plan.Control(alert.name, 0, None, alert.do) for alert in alerts if alert.do))


def _sets(
    document: Document, where: Path, given: dict[str, Any] | None, folder: FilePath
) -> tuple[Document, tuple[plan.Set, ...]]:
    sets = []
    for text in given or {}:
        after = with_set(document, where, text)
        sets.append(_set(document, after, split(text, document.place(where)), folder))
        document = after
    return document, tuple(sets)


def with_set(document: Document, where: Path, text: str) -> Document:
    """The document after one entry of ``set:``."""
    path = (*where, text)
    return changed(document, text, part(document, path), document.place(path, of_key=True))


def _set(document: Document, after: Document, path: Path, folder: FilePath) -> plan.Set:
    what = settable(path)
    assert what is not None, path
    index = list(document.data[path[0]]).index(path[1])
    before, value = (_FIELDS[what](Resolver(checked(version), folder), index) for version in (document, after))
    return plan.Set(what, index, value, before)


def checked(document: Document) -> model.Scenario:
    scenario, problems = shape.check(document)
    if scenario is None:
        raise ScenarioError(problems)
    return scenario


def with_most(consumers: tuple[plan.ConsumerPlan, ...], controls: tuple[plan.Control, ...]) -> tuple[
    plan.ConsumerPlan, ...
]:  # fmt: skip
    """The greatest count that the timeline, an alert or the autoscaler sets."""
    sets = [a for control in controls for a in control.actions if isinstance(a, plan.Set) and a.what == "count"]
    return tuple(
        replace(consumer, most=max([
            consumer.count,
            consumer.autoscale.max if consumer.autoscale else 0,
            *(s.value for s in sets if s.index == consumer.index),
        ]))
        for consumer in consumers
    )  # fmt: skip
