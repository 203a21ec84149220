"""One scenario, and what is asked of it again and again while it is checked: names, profiles, ways, recordings.

It knows the model and the profiles, and has a place for what is wrong; what that may be stands in ``rules`` and
``metric_rules``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path as FilePath

from qsim.brokers import PROFILES
from qsim.kernel.profile import Profile
from qsim.scenario import files, model, plan, recorded, reference, times
from qsim.scenario.resolve import drain, groups_of, priorities_at, profiles_of, sources
from qsim.scenario.resolve import time as resolved_time
from qsim.scenario.said import Said


class Context:
    """One scenario, and what is asked of it again and again."""

    def __init__(self, said: Said, scenario: model.Scenario, folder: FilePath) -> None:
        self.said = said
        self.say = said.say
        self.scenario = scenario
        self.folder = folder

    @cached_property
    def profiles(self) -> dict[str, Profile]:
        return profiles_of(self.scenario)

    @cached_property
    def further_groups(self) -> dict[str, str]:
        """Names under which further groups of a stream are found, and whose groups they are."""
        groups = groups_of(self.scenario)
        return {name: queue for queue, names in groups.items() for name in names.values() if name != queue}

    @cached_property
    def consumers(self) -> dict[str, model.Consumer]:
        return self.scenario.consumers or {}

    def sqs(self, queue: str) -> Profile | None:
        """The plain profile with its limits, where that is one of ours."""
        found = self.scenario.queues.get(queue)
        return PROFILES.get(found.profile) if found else None

    @cached_property
    def names(self) -> reference.Names:
        kinds = {name: kind for kind, names in self._objects() for name in names}
        labels = tuple(dict.fromkeys(self._labels()))
        groups = max((self._groups(p) for p in self._producers()), default=0)
        run = self.scenario.run
        ends = run.duration + drain(run)
        has_prices = self.scenario.cost is not None
        return reference.Names(kinds, dict.fromkeys(kinds, labels), dict.fromkeys(kinds, groups), has_prices, ends)

    def messages_at(self, queues: Iterable[str]) -> list[model.Message]:
        """What the producers say of all messages that may come to these queues, be it as something made of them."""
        before = self._places_before(set(queues))
        return [producer.message or model.Message() for producer in self._producers() if producer.to in before]

    def _places_before(self, places: set[str]) -> set[str]:
        """Queues and topics from which a way leads to these, and these."""
        ways = set(self._ways())
        while more := {start for start, end in ways if end in places} - places:
            places = places | more
        return places

    def _ways(self) -> Iterator[tuple[str, str]]:
        for name, queue in self.scenario.queues.items():
            keys = queue.broker or model.BrokerKeys()
            moves = (queue.dlq.queue if queue.dlq else None, keys.dead_letter_to, keys.auto_forward)
            yield from ((name, to) for to in moves if to is not None)
        for name, topic in (self.scenario.topics or {}).items():
            yield from ((name, subscription.queue) for subscription in topic.subscriptions)
        for consumer in self.consumers.values():
            yield from ((source, emit.to) for source in sources(consumer) for emit in consumer.emits or ())
        for event in (self.scenario.timeline or {}).values():
            if event.redrive:
                yield event.redrive.from_, event.redrive.to

    def _objects(self) -> Iterator[tuple[str, Iterable[str]]]:
        for kind, section in (
            ("queue", (*self.scenario.queues, *self.further_groups)),
            ("topic", self.scenario.topics),
            ("producer", self.scenario.producers),
            ("consumer", self.scenario.consumers),
            ("dependency", self.scenario.dependencies),
            ("alert", self.scenario.alerts),
        ):
            yield kind, section or {}

    def _groups(self, producer: model.Producer) -> int:
        drawn = producer.message.group.keys if producer.message and producer.message.group else 0
        found = self.recorded(producer)
        return max(drawn, *(group + 1 for group in found.groups)) if found and found.groups else drawn

    def recorded(self, producer: model.Producer) -> plan.Recorded | None:
        """What was recorded of its messages; None where nothing was, or it is wrong, which is said elsewhere."""
        try:
            return None if producer.trace is None else self.read(producer, producer.trace)
        except files.NotAllowed:
            return None

    def read(self, producer: model.Producer, trace: model.Recorded) -> plan.Recorded:
        names = priorities_at(self.scenario, producer.to)
        return recorded.read(self.folder, files.Column(trace.file, trace.column, trace.unit), names)

    def mean(self, time: int | model.TimeMap) -> float | None:
        """None where the distribution itself is wrong, which is said elsewhere."""
        try:
            return times.mean(resolved_time(time, self.folder))
        except (files.NotAllowed, StopIteration, ValueError, ZeroDivisionError):
            return None

    def _labels(self) -> Iterator[str]:
        for queue in self.scenario.queues.values():
            yield from queue.priorities or ()
        for producer in self._producers():
            for values in ((producer.message.attributes if producer.message else None) or {}).values():
                yield from values

    def _producers(self) -> Iterable[model.Producer]:
        return self.scenario.producers.values()
