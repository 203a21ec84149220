"""What each producer index numbers: the messages of a producer, or what was made of them, and of which.

It knows a plan and no run.  A message is ``producer index << 40 | number``; a copy or an emitted message has another
index and the same number (``branches``), so that from any message the way back to what its producer sent is a table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from qsim.scenario.plan import Branch, Plan, ProducerPlan

NUMBER_BITS = 40
NUMBER = (1 << NUMBER_BITS) - 1


@dataclass(frozen=True, slots=True)
class Origin:
    """``producer`` is whose messages these were in the end, its ``i``-th; ``root`` is the index of those, ``parent``
    the index of what these were made of (both their own where nothing was made)."""

    producer: ProducerPlan
    i: int
    root: int
    parent: int
    to: int
    """Where they are sent: a queue, or a topic behind the queues."""
    is_copy: bool = False
    """A topic made them: no try to send is told of them but their parent's."""
    way: str = ""
    """What stands behind the original's name: ``/billing``, ``/billing/charge``."""


def origins(plan: Plan) -> tuple[Origin, ...]:
    """By producer index."""
    found: dict[int, Origin] = {}
    for producer in plan.producers:
        for i in range(producer.count):
            index = producer.first_index + i
            found[index] = Origin(producer, i, index, index, producer.to)
    made, taken = dict(_made(plan)), Counter[tuple[int, str]]()
    for branch in plan.branches:
        taken[branch.parent, branch.words[0]] += 1
        parent, (to, is_copy) = found[branch.parent], made[branch.index]
        way = parent.way + _step(branch, taken[branch.parent, branch.words[0]])
        found[branch.index] = Origin(parent.producer, parent.i, parent.root, branch.parent, to, is_copy, way)
    return tuple(found[index] for index in sorted(found))


def name_of(origin: Origin, message: int) -> str:
    """The message as it is printed: ``api:351``, ``api#2:351``, ``api:351/billing``."""
    which = f"#{origin.i + 1}" if origin.producer.count > 1 else ""
    return f"{origin.producer.name}{which}:{message & NUMBER}{origin.way}"


def _made(plan: Plan) -> Iterator[tuple[int, tuple[int, bool]]]:
    """(index, (where its messages go, whether they are a topic's copies)) of every branch."""
    for subscription in (each for topic in plan.topics for each in topic.subscriptions):
        yield from ((index, (subscription.queue, True)) for _, index in subscription.made)
    for emit in (each for consumer in plan.consumers for each in consumer.emits):
        yield from ((index, (emit.to, False)) for _, index in emit.made)


def _step(branch: Branch, turn: int) -> str:
    """The queue or consumer; with a number where it makes several of one."""
    return f"/{branch.words[0]}" + (f"#{turn}" if turn > 1 else "")


# --- priorities: by name -------------------------------------------------------------------------------------------------


def priorities_of(plan: Plan, to: int) -> tuple[str, ...]:
    """The names that a level at this queue or topic stands for; a topic has those of all its queues."""
    if to < len(plan.queues):
        return plan.queues[to].priorities
    subscriptions = plan.topics[to - len(plan.queues)].subscriptions
    return tuple(dict.fromkeys(name for each in subscriptions for name in plan.queues[each.queue].priorities))


def levels_there(here: Sequence[str], there: Sequence[str]) -> tuple[int, ...]:
    """The level there of each level here.  Whoever says no name, or none known there, has the last."""
    last = max(0, len(there) - 1)
    return tuple(there.index(name) if name in there else last for name in here) or (last,)
