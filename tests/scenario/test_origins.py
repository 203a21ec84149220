"""Whose messages a producer index numbers, and what they are called."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qsim.kernel.routing import Subscription
from qsim.metrics.naming import message_name, message_number
from qsim.scenario.branches import with_branches
from qsim.scenario.load import read
from qsim.scenario.origins import levels_there, origins, priorities_of
from qsim.scenario.plan import Emit, Plan, SubscriptionPlan, TopicPlan

TEXT = """
qsim: 1
name: chain
run: {duration: 1s}
queues:
  orders: {}
  billing: {order: priority, priorities: [urgent, rest]}
  audit: {order: priority, priorities: [legal, rest]}
producers: {shop: {to: orders, rate: 1/s, count: 2}}
consumers: {desk: {from: orders, service: 1ms}, clerk: {from: billing, service: 1ms}}
"""
TOPIC = 3


def chain() -> Plan:
    """shop -> orders -> desk -> a topic -> billing, audit, and audit once more; billing -> clerk -> orders' audit."""
    plan = read("-", text=TEXT).plan
    emits = {"desk": Emit(TOPIC, False), "clerk": Emit(2, False)}
    consumers = tuple(replace(c, emits=(emits[c.name],)) for c in plan.consumers)
    names = [queue.name for queue in plan.queues]
    topic = TopicPlan("t", 0, tuple(SubscriptionPlan(q, Subscription(names[q]), None) for q in (1, 2, 2)))
    topics, consumers, made = with_branches(plan.queues, (topic,), plan.producers, consumers, plan.timeline)
    return replace(plan, topics=topics, consumers=consumers, branches=made)


def test_every_message_leads_back_to_the_one_that_was_sent() -> None:
    plan = chain()
    found = origins(plan)
    assert len(found) == 2 + len(plan.branches) == 12
    of_the_second = [(o.way, o.to, o.is_copy) for o in found if o.root == 1]
    assert of_the_second == [
        ("", 0, False), ("/desk", TOPIC, False), ("/desk/billing", 1, True), ("/desk/billing/clerk", 2, False),
        ("/desk/audit", 2, True), ("/desk/audit#2", 2, True),
    ]  # fmt: skip
    for origin in found:
        assert (origin.producer.name, origin.i) == ("shop", origin.root)
        assert found[origin.parent].way == origin.way.rpartition("/")[0]


def test_a_name_is_read_as_it_is_written() -> None:
    plan = chain()
    names = [message_name(plan, index << 40 | 17) for index in range(12)]
    assert names[0] == "shop#1:17" and "shop#2:17/desk/audit#2" in names and len(set(names)) == 12
    assert [message_number(plan, name) for name in names] == [index << 40 | 17 for index in range(12)]


def test_a_name_that_nothing_has_is_told_from_what_there_is() -> None:
    with pytest.raises(LookupError, match=r"nothing is called '/desc' behind a message of shop; did you mean '/desk'"):
        message_number(chain(), "shop:17/desc")


def test_a_priority_keeps_its_name_from_queue_to_queue() -> None:
    plan = chain()
    assert priorities_of(plan, TOPIC) == ("urgent", "rest", "legal")
    assert levels_there(("urgent", "rest", "legal"), ("legal", "rest")) == (1, 1, 0)
    assert levels_there((), ("urgent", "rest")) == (1,), "who says nothing has the last"
    assert levels_there(("urgent", "rest"), ()) == (0, 0)
