"""ActiveMQ's operations, where no recording in ``tests/golden`` shows them."""

import json

import pytest

from qsim.trace.load import parse
from qsim.trace.replay import Outcome, replay

Q = {"q": {"type": "queue", "policy": "plain"}}


def story(*steps, queues=Q, **config):
    """Each step: time, actor, op, arguments, result ({"ok": true} if none)."""
    steps = [dict(zip(("t", "actor", "op", "args", "result"), (*step, {"ok": True})[:5], strict=True)) for step in steps]
    made = {"name": "story", "broker": "activemq-classic", "config": {"queues": queues, **config}, "steps": steps}
    return str(replay(parse(json.dumps(made), "story.json")))


def send(t, *bodies, actor="producer", queue="q", **more):
    return t, actor, "send", {"queue": queue, "bodies": list(bodies), **more}


def subscribe(t, actor, queue="q", **more):
    return t, actor, "subscribe", {"queue": queue, **more}


def got(*handles, **more):
    """``m1#1``, or ``m1#2:2`` with its count."""
    told = []
    for handle in handles:
        name, _, count = handle.partition(":")
        told.append({"body": name.partition("#")[0], "handle": name, **({"count": int(count)} if count else {})})
    return {"messages": told, **more}


def receive(t, actor, *handles, **more):
    return t, actor, "receive", {"max": 9, **more}, got(*handles)


def depth(t, total, in_flight, queue="q"):
    return t, "admin", "depth", {"queue": queue}, {"total": total, "in_flight": in_flight}


def test_a_topic_is_for_those_who_are_there():
    told = story(
        send(0, "m0", queue="t"),
        subscribe(0.2, "c1", "t", ack="auto"),
        subscribe(0.4, "c2", "t", ack="auto"),
        send(0.6, "m1", queue="t"),
        receive(1, "c1", "m1#1:1"),
        receive(1.2, "c2", "m1#2:1"),
        (1.4, "c1", "close", {}),
        send(1.6, "m2", queue="t"),
        subscribe(1.8, "c1", "t", ack="auto"),
        receive(2, "c1"),
        receive(2.2, "c2", "m2#1"),
        queues={"t": {"type": "topic", "name": "qsim.t.{u}"}},
    )
    assert told == "ok story"


def test_a_durable_subscription_gets_what_its_crashed_subscriber_held():
    durable = {"durable": "s", "client_id": "me"}
    told = story(
        subscribe(0, "c1", "t", ack="client", **durable),
        send(0.2, "m1", queue="t"),
        receive(0.4, "c1", "m1#1:1"),
        (0.6, "c1", "crash", {}),
        send(0.8, "m2", queue="t"),
        subscribe(1, "c1", "t", ack="client", **durable),
        receive(1.2, "c1", "m1#2:2", "m2#1:1"),
        queues={"t": {"type": "topic"}},
    )
    assert told == "ok story"


def test_a_prefetch_of_none_pulls_one_at_a_time():
    told = story(
        send(0, "m1", "m2", "m3"),
        subscribe(0.2, "c1", prefetch=0),
        depth(0.4, 3, 0),
        receive(0.6, "c1", "m1#1", max=1),
        depth(0.8, 3, 1),
        receive(1, "c1", "m2#1", "m3#1"),
        receive(1.2, "c1"),
        send(1.4, "m4"),
        depth(1.6, 4, 3),
    )
    assert told == "ok story"


def test_a_receive_waits_for_a_redelivery_and_lets_time_pass():
    told = story(
        send(0, "m1", "m2"),
        subscribe(0.2, "c1", ack="transacted"),
        receive(0.4, "c1", "m1#1", max=1),
        (0.6, "c1", "rollback", {}),
        (0.8, "c1", "receive", {"max": 1, "wait": 5, "call": "r"}, {"pending": "r"}),
        (3, "c1", "await", {"call": "r"}, got("m1#2:2", returned_at_about=1.5)),
        (3.2, "c1", "rollback", {}),
        receive(3.4, "c1", "m1#3:3", max=1, wait=5),
        redelivery={"initial_delay": 1.0},
    )
    assert told == "ok story"


def test_strict_dispatch_and_acks_of_a_transaction():
    told = story(
        subscribe(0, "c1", ack="transacted", prefetch=2),
        subscribe(0.2, "c2", prefetch=2),
        send(0.4, "m1", "m2", "m3"),
        receive(0.6, "c1", "m1#1", "m2#1"),
        send(0.8, "x", actor="c1"),
        depth(1, 3, 3),
        (1.2, "c1", "commit", {}),
        receive(1.4, "c1", "x#1"),
        receive(1.6, "c2", "m3#1"),
        (1.8, "c1", "recover", {}, {"error": "IllegalStateException"}),
        (2, "c2", "commit", {}, {"error": "IllegalStateException"}),
        queues={"q": {"policy": "strict"}},
    )
    assert told == "ok story"


def test_an_ack_after_the_close_is_an_error_and_jms_has_no_nack():
    told = story(
        send(0, "m1"),
        subscribe(0.2, "c1"),
        receive(0.4, "c1", "m1#1"),
        (0.6, "c1", "nack", {"handle": "m1#1"}, {"error": "unsupported"}),
        (0.8, "c1", "close", {}),
        (1, "c1", "ack", {"handle": "m1#1"}, {"error": "IllegalStateException"}),
    )
    assert told == "ok story"


@pytest.mark.parametrize(
    ("steps", "config", "gap"),
    [
        ([subscribe(0, "c1", options="consumer.selector=x")], {}, "option 'consumer.selector' of activemq"),
        ([send(0, "m")], {"queues": {"q": {"policy": "new"}}}, "policy 'new' of activemq"),
        ([send(0, "m")], {"queues": {"q": {"limit": 1}}}, "queue setting 'limit' of activemq"),
        ([subscribe(0, "c1")], {"redelivery": {"jitter": 1}}, "redelivery 'jitter' of activemq"),
        ([(0, "admin", "purge", {"queue": "q"})], {}, "operation 'purge' of activemq"),
    ],
)
def test_what_is_not_modelled_is_named(steps, config, gap):
    assert story(*steps, **config) == f"{Outcome.NOT_COVERED} story: {gap}"
