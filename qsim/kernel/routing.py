"""Topics: a message -> the queues that get a copy.  It knows names and attributes, no message and no time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Subscription:
    """``only``: attribute -> the values that pass; a message without the attribute does not (SQS-34)."""

    queue: str
    only: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def wants(self, attributes: Mapping[str, str]) -> bool:
        return all(attributes.get(name) in values for name, values in self.only)


def recipients(subscriptions: Iterable[Subscription], attributes: Mapping[str, str] | None) -> list[str]:
    """The queues that get a copy each, in the order of subscribing."""
    return [subscription.queue for subscription in subscriptions if subscription.wants(attributes or {})]


def virtual_topic_of(queue: str) -> str | None:
    """The topic of which a queue gets copies by its name, ``Consumer.<who>.VirtualTopic.<what>`` (AMQ-24)."""
    prefix, _, rest = queue.partition(".")
    _, _, topic = rest.partition(".")
    return topic if prefix == "Consumer" and topic.startswith("VirtualTopic.") else None
