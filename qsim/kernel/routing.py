"""Topics and exchanges: a message -> the queues that get a copy.  It knows names, keys and attributes, no message and
no time.

A queue gets one copy, however many of its subscriptions want the message (RMQ-1).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from qsim.kernel import filters

Attributes = Mapping[str, str]


def matches_pattern(pattern: Sequence[str], words: Sequence[str]) -> bool:
    """RMQ-1: ``*`` stands for one word, ``#`` for any number of words, none too."""
    if not pattern:
        return not words
    first, rest = pattern[0], pattern[1:]
    if first == "#":
        return any(matches_pattern(rest, words[skipped:]) for skipped in range(len(words) + 1))
    return bool(words) and first in ("*", words[0]) and matches_pattern(rest, words[1:])


def _words(key: str) -> list[str]:
    return key.split(".") if key else []


MATCHES: dict[str, Callable[[str, str], bool]] = {
    "fanout": lambda wanted, key: True,
    "direct": lambda wanted, key: wanted == key,
    "topic": lambda wanted, key: matches_pattern(_words(wanted), _words(key)),
    "headers": lambda wanted, key: True,
}
"""Whether the key that a message was sent with is one that a subscription wants, by kind of exchange (RMQ-1).
Attributes are asked besides, which is all that a headers exchange does."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """``only``: attribute -> the values that pass; a message without the attribute does not (SQS-34).  ``any_of``:
    one of them is enough.  ``kind`` says how ``key`` is held against the message's (MATCHES).  ``rules``: of them each
    may change what passes, and then adds a copy of its own (ASB-24); none at all lets everything pass."""

    queue: str
    only: tuple[tuple[str, tuple[str, ...]], ...] = ()
    key: str = ""
    kind: str = "fanout"
    any_of: bool = False
    rules: tuple[filters.Rule, ...] = ()

    def wants(self, attributes: Attributes, key: str) -> bool:
        passed = (attributes.get(name) in values for name, values in self.only)
        return MATCHES[self.kind](self.key, key) and (any(passed) if self.any_of else all(passed))


def takers(
    subscriptions: Sequence[Subscription], attributes: Attributes | None, key: str = ""
) -> list[tuple[int, Attributes | None]]:
    """(number of the subscription, attributes) of every copy, in the order of subscribing."""
    made: list[tuple[int, Attributes | None]] = []
    for number, subscription in enumerate(subscriptions):
        if not subscription.wants(attributes or {}, key):
            continue
        if subscription.rules:
            made += [(number, each) for each in filters.copies(subscription.rules, attributes or {})]
        elif (subscription.queue, attributes) not in [(subscriptions[n].queue, each) for n, each in made]:
            made.append((number, attributes))
    return made


def copies(
    subscriptions: Sequence[Subscription], attributes: Attributes | None, key: str = ""
) -> list[tuple[str, Attributes | None]]:
    """(queue, attributes) of every copy, in the order of subscribing."""
    return [(subscriptions[number].queue, each) for number, each in takers(subscriptions, attributes, key)]


def virtual_topic_of(queue: str) -> str | None:
    """The topic of which a queue gets copies by its name, ``Consumer.<who>.VirtualTopic.<what>`` (AMQ-24)."""
    prefix, _, rest = queue.partition(".")
    _, _, topic = rest.partition(".")
    return topic if prefix == "Consumer" and topic.startswith("VirtualTopic.") else None
