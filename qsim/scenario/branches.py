"""Which messages are made of which: copies for subscriptions, and what consumers send on.

It knows the graph of who sends where, and no run.  Every copy and every emitted message has a producer index of its
own for each index of which it can be made, so that two of them never share a number, and the number within the
producer stays: message k of the parent becomes message k of the branch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from qsim.scenario.plan import Branch, ConsumerPlan, Control, Made, ProducerPlan, QueuePlan, Redrive, Set, TopicPlan

Source = tuple[str, int, int]
"""What makes messages of others: ("topic", topic, subscription) or ("emit", consumer, emit)."""


class Circle(ValueError):
    """A message would come back to where it was made, as another, for ever; ``names`` are those on the way round."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__(" -> ".join(names))
        self.names = names


class Branches:
    """All branches of a plan."""

    def __init__(
        self,
        queues: tuple[QueuePlan, ...],
        topics: tuple[TopicPlan, ...],
        producers: tuple[ProducerPlan, ...],
        consumers: tuple[ConsumerPlan, ...],
        moves: Mapping[int, Iterable[int]],
    ) -> None:
        """``moves``: from a queue to those into which its messages may be moved, as they are."""
        self._queues = queues
        self._topics = topics
        self._consumers = consumers
        self._moves = moves
        self._next = max((p.first_index + p.count for p in producers), default=0)
        self._made: dict[Source, dict[int, int]] = {}
        self._seen: set[tuple[int, int]] = set()
        self.branches: list[Branch] = []
        for producer in producers:
            for i in range(producer.count):
                self._send(producer.to, producer.first_index + i, ())

    def of(self, *source: str | int) -> Made:
        """(parent's index, branch's index) of everything that this source makes."""
        return tuple(self._made.get(source, {}).items())  # type: ignore[arg-type]

    def _send(self, to: int, index: int, way: tuple[Source, ...]) -> None:
        if to < len(self._queues):
            self._enter(to, index, way)
            return
        topic = self._topics[to - len(self._queues)]
        for number, subscription in enumerate(topic.subscriptions):
            branch = self._branch(("topic", topic.index, number), index, (self._queues[subscription.queue].name,), way)
            self._enter(subscription.queue, branch, (*way, ("topic", topic.index, number)))

    def _enter(self, queue: int, index: int, way: tuple[Source, ...]) -> None:
        if (queue, index) in self._seen:
            return
        self._seen.add((queue, index))
        for other in self._moves.get(queue, ()):
            self._enter(other, index, way)
        for consumer in self._consumers:
            for number, emit in enumerate(consumer.emits if queue in consumer.sources else ()):
                source: Source = ("emit", consumer.index, number)
                self._send(emit.to, self._branch(source, index, (consumer.name, str(number)), way), (*way, source))

    def _branch(self, source: Source, parent: int, words: tuple[str, ...], way: tuple[Source, ...]) -> int:
        if source in way:
            raise Circle(tuple(self._name(each) for each in (*way[way.index(source) :], source)))
        made = self._made.setdefault(source, {})
        if parent not in made:
            made[parent] = self._next
            self.branches.append(Branch(self._next, parent, words))
            self._next += 1
        return made[parent]

    def _name(self, source: Source) -> str:
        kind, index, _ = source
        return self._topics[index].name if kind == "topic" else self._consumers[index].name


def moves_of(queues: tuple[QueuePlan, ...], timeline: tuple[Control, ...]) -> dict[int, list[int]]:
    """From each queue to those into which its messages may be moved: dead letters, forwards, redrives, groups."""
    index = {queue.name: number for number, queue in enumerate(queues)}
    found: dict[int, list[int]] = {number: [] for number in range(len(queues))}
    for number, queue in enumerate(queues):
        profile = queue.profile
        for name in (profile.dlq.queue if profile.dlq else None, profile.forward_to):
            if name is not None:
                found[number].append(index[name])
        if profile.reads is not None:
            found[index[profile.reads]].append(number)
    for source, to in _planned(timeline, index):
        found[source].append(to)
    return found


def _planned(timeline: tuple[Control, ...], index: Mapping[str, int]) -> Iterator[tuple[int, int]]:
    for action in (action for entry in timeline for action in entry.actions):
        if isinstance(action, Redrive):
            yield action.from_, action.to
        if isinstance(action, Set) and action.what == "dlq":
            yield from ((action.index, index[each.queue]) for each in (action.value, action.before) if each is not None)


def with_branches(
    queues: tuple[QueuePlan, ...],
    topics: tuple[TopicPlan, ...],
    producers: tuple[ProducerPlan, ...],
    consumers: tuple[ConsumerPlan, ...],
    timeline: tuple[Control, ...],
) -> tuple[tuple[TopicPlan, ...], tuple[ConsumerPlan, ...], tuple[Branch, ...]]:
    """Topics and consumers that know what they make, and all branches.  Raises Circle."""
    found = Branches(queues, topics, producers, consumers, moves_of(queues, timeline))
    return (
        tuple(
            replace(topic, subscriptions=tuple(
                replace(each, made=found.of("topic", topic.index, number)) for number, each in enumerate(topic.subscriptions)
            ))
            for topic in topics
        ),
        tuple(
            replace(consumer, emits=tuple(
                replace(each, made=found.of("emit", consumer.index, number)) for number, each in enumerate(consumer.emits)
            ))
            for consumer in consumers
        ),
        tuple(found.branches),
    )  # fmt: skip
