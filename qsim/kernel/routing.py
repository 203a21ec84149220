"""Topics: a message -> the queues that get a copy.  It knows names and attributes, no message and no time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from qsim.kernel import filters


@dataclass(frozen=True, slots=True)
class Subscription:
    """``only``: attribute -> the values that pass; a message without the attribute does not (SQS-34).  ``rules``: of
    them each may change what passes, and then adds a copy of its own (ASB-24); none at all lets everything pass."""

    queue: str
    only: tuple[tuple[str, tuple[str, ...]], ...] = ()
    rules: tuple[filters.Rule, ...] = ()

    def wants(self, attributes: Mapping[str, str]) -> bool:
        return all(attributes.get(name) in values for name, values in self.only)


def copies(
    subscriptions: Iterable[Subscription], attributes: Mapping[str, str] | None
) -> list[tuple[str, Mapping[str, str] | None]]:
    """(queue, attributes) of every copy, in the order of subscribing."""
    made: list[tuple[str, Mapping[str, str] | None]] = []
    for subscription in subscriptions:
        if not subscription.wants(attributes or {}):
            continue
        if not subscription.rules:
            made.append((subscription.queue, attributes))
        else:
            made += [(subscription.queue, each) for each in filters.copies(subscription.rules, attributes or {})]
    return made


def virtual_topic_of(queue: str) -> str | None:
    """The topic of which a queue gets copies by its name, ``Consumer.<who>.VirtualTopic.<what>`` (AMQ-24)."""
    prefix, _, rest = queue.partition(".")
    _, _, topic = rest.partition(".")
    return topic if prefix == "Consumer" and topic.startswith("VirtualTopic.") else None
