"""What is made of which message: copies and emitted messages have producer indices of their own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qsim.kernel.routing import Subscription
from qsim.scenario.branches import Circle, with_branches
from qsim.scenario.load import read
from qsim.scenario.plan import Emit, SubscriptionPlan, TopicPlan

TEXT = """
qsim: 1
name: chain
run: {duration: 1s}
queues: {a: {dlq: {queue: dead, max_receives: 2}}, b: {}, dead: {}}
producers: {one: {to: a, rate: 1/s, count: 2}}
consumers: {first: {from: a, service: 1ms}, second: {from: b, service: 1ms}, grave: {from: dead, service: 1ms}}
"""


def chain(**emits: Emit):  # type: ignore[no-untyped-def]
    plan = read("-", text=TEXT).plan
    consumers = tuple(replace(c, emits=(emits[c.name],) if c.name in emits else ()) for c in plan.consumers)
    topic = TopicPlan("t", 0, tuple(SubscriptionPlan(q, Subscription(plan.queues[q].name), None) for q in (2, 2)))
    return with_branches(plan.queues, (topic,), plan.producers, consumers, plan.timeline)


def test_what_a_consumer_makes_of_two_producers_stays_apart() -> None:
    _, (first, *_), made = chain(first=Emit(1, False))
    assert first.emits[0].made == ((0, 2), (1, 3))
    assert [(b.index, b.parent, b.words) for b in made] == [(2, 0, ("first", "0")), (3, 1, ("first", "0"))]


def test_a_dead_letter_keeps_its_number_and_what_is_made_of_it_does_not() -> None:
    _, consumers, made = chain(grave=Emit(1, True))
    assert consumers[2].emits[0].made == ((0, 2), (1, 3))
    assert len(made) == 2


def test_copies_are_as_many_as_subscriptions() -> None:
    topic, _, made = chain(first=Emit(1, False), second=Emit(3, False))  # the topic's number comes after three queues
    assert [subscription.made for subscription in topic[0].subscriptions] == [((3, 4), (7, 8)), ((3, 5), (7, 9))]
    assert [branch.words for branch in made[:3]] == [("first", "0"), ("second", "0"), ("dead",)]


def test_a_circle_of_emits_is_named() -> None:
    with pytest.raises(Circle, match="first -> second -> first"):
        chain(first=Emit(1, False), second=Emit(0, False))
