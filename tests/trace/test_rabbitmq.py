"""RabbitMQ stories in the words of traces: rules of which the golden traces show another side."""

import json

import pytest

from qsim.trace.load import parse
from qsim.trace.replay import replay

OK = {"ok": True}
TAG = {"error": "406 PRECONDITION_FAILED"}


class Tape:
    """A trace, step by step, half a second apart."""

    def __init__(self, queues, exchanges=None, broker="rabbitmq-classic"):
        self.config = {"queues": queues, "exchanges": exchanges or {}}
        self.broker = broker
        self.steps = []

    def step(self, actor, op, result=OK, wait=0.5, **args):
        t = self.steps[-1]["t"] + wait if self.steps else 0
        self.steps.append({"t": t, "actor": actor, "op": op, "args": args, "result": result})

    def send(self, *bodies, result=OK, queue="q", **more):
        self.step("producer", "send", result, bodies=list(bodies), queue=queue, **more)

    def get(self, actor, *messages, queue="q"):
        self.step(actor, "receive", {"messages": list(messages)}, queue=queue, pull=True, max=10)

    def pushed(self, actor, *messages):
        self.step(actor, "receive", {"messages": list(messages)})

    def depth(self, queue="q", **expected):
        self.step("admin", "depth", expected, queue=queue)

    def agrees(self):
        text = json.dumps({"name": "story", "broker": self.broker, "config": self.config, "steps": self.steps})
        assert str(replay(parse(text, "story.json"))) == "ok story"


def got(body, n=1, again=False, **more):
    return {"body": body, "handle": f"{body}#{n}", "redelivered": again, **more}


def died(*deaths):
    return [dict(zip(("queue", "reason", "count"), death, strict=True)) for death in deaths]


CLASSIC = {"q": {"type": "classic"}}
DEAD = {"dlq": {"type": "classic"}}


def test_competing_consumers_take_turns():  # RMQ-7
    tape = Tape(CLASSIC)
    tape.step("c1", "subscribe", queue="q", prefetch=10)
    tape.step("c2", "subscribe", queue="q", prefetch=10)
    tape.send("m1", "m2", "m3", "m4", "m5", "m6")
    tape.pushed("c1", got("m1"), got("m3"), got("m5"))
    tape.pushed("c2", got("m2"), got("m4"), got("m6"))
    tape.agrees()


def test_a_classic_nack_goes_back_to_its_place_and_so_does_a_crash():  # RMQ-12
    tape = Tape(CLASSIC)
    tape.send("m1", "m2", "m3", "m4")
    tape.step("c1", "receive", {"messages": [got("m1"), got("m2"), got("m3")]}, queue="q", pull=True, max=3)
    tape.step("c1", "nack", handle="m2#1")
    tape.step("c2", "receive", {"messages": [got("m2", 2, True)]}, queue="q", pull=True, max=1)
    tape.step("c1", "crash")
    tape.step("c2", "nack", handle="m2#2")
    tape.get("c2", got("m1", 2, True), got("m2", 3, True), got("m3", 2, True), got("m4"))
    tape.agrees()


def test_what_was_only_prefetched_is_redelivered_too():  # RMQ-14
    tape = Tape(CLASSIC)
    tape.send("m1", "m2")
    tape.step("c1", "subscribe", queue="q", prefetch=10)
    tape.step("c1", "crash")
    tape.get("c2", got("m1", 1, True), got("m2", 1, True))
    tape.agrees()


def test_the_ttl_of_a_queue_dead_letters_and_is_gone_afterwards():  # RMQ-20, RMQ-21, RMQ-25
    tape = Tape({"q": {"ttl": 2, "dlq": "dlq"}, **DEAD})
    tape.send("m1", ttl=0.3)
    tape.send("m2")
    tape.depth(ready=1)
    tape.depth("dlq", ready=1)
    tape.step("c1", "receive", {"messages": []}, wait=5, queue="q", pull=True, max=1)
    tape.get("c1", *(got(body, death=died(("q", "expired", 1))) for body in ("m1", "m2")), queue="dlq")
    tape.agrees()


def test_unacked_messages_expire_when_they_are_requeued():  # RMQ-26
    tape = Tape({"q": {"ttl": 1, "dlq": "dlq"}, **DEAD})
    tape.send("m1")
    tape.get("c1", got("m1"))
    tape.step("admin", "depth", {"ready": 0}, wait=2, queue="dlq")
    tape.step("c1", "nack", handle="m1#1")
    tape.depth(ready=0)
    tape.get("c1", got("m1", 2, death=died(("q", "expired", 1))), queue="dlq")
    tape.agrees()


def test_requeued_behind_one_that_lives_an_expired_message_counts_on():  # RMQ-25, RMQ-12
    tape = Tape(CLASSIC)
    tape.send("m1")
    tape.send("m2", ttl=0.6)
    tape.step("c1", "receive", {"messages": [got("m1"), got("m2")]}, queue="q", pull=True, max=2)
    tape.step("c1", "nack", handle="m1#1")
    tape.step("c1", "nack", wait=3, handle="m2#1")
    tape.depth(ready=2)
    tape.get("c1", got("m1", 2, True))
    tape.depth(ready=0)
    tape.agrees()


@pytest.mark.parametrize("dead_letters", [True, False])
def test_drop_head_drops_the_oldest(dead_letters):  # RMQ-28
    tape = Tape({"q": {"max_length": 2, **({"dlq": "dlq"} if dead_letters else {})}, **DEAD})
    tape.send("m1", "m2", "m3")
    tape.depth(ready=2)
    tape.get("c1", got("m2"), got("m3"))
    lost = [got("m1", death=died(("q", "maxlen", 1)))] if dead_letters else []
    tape.get("c1", *lost, queue="dlq")
    tape.agrees()


def test_reject_publish_refuses_the_newest_and_classic_queues_do_not_overshoot():  # RMQ-28
    tape = Tape({"q": {"max_length": 2, "overflow": "reject-publish"}})
    tape.send("m1", "m2")
    tape.send("m3", result={"error": "NACK"})
    tape.get("c1", got("m1"), got("m2"))
    tape.agrees()


def test_the_limit_counts_ready_messages_only():  # RMQ-27
    tape = Tape({"q": {"max_length": 1}})
    tape.send("m1")
    tape.get("c1", got("m1"))
    tape.send("m2")
    tape.depth(ready=1)
    tape.step("c1", "nack", handle="m1#1")  # RMQ-29: over the limit the head goes, which is this one
    tape.get("c1", got("m2"))
    tape.agrees()


def test_a_limit_of_bytes_counts_ready_bodies():  # RMQ-27
    tape = Tape({"q": {"max_bytes": 10}})
    tape.send("aaaa", "bbbb")
    tape.step("c1", "receive", {"messages": [got("aaaa")]}, queue="q", pull=True, max=1)
    tape.send("cccccc")
    tape.depth(ready=2)
    tape.send("dddddddddd")
    tape.depth(ready=1)
    tape.step("c1", "ack", handle="aaaa#1")
    tape.get("c1", got("dddddddddd"))
    tape.agrees()


def test_a_cycle_of_expiries_ends():  # RMQ-22
    tape = Tape({"q": {"ttl": 0.3, "dlq": "r"}, "r": {"ttl": 0.3, "dlq": "q"}})
    tape.send("m1")
    tape.depth("r", ready=1)
    tape.depth(ready=0)
    tape.depth("r", ready=0)
    tape.agrees()


def test_a_queue_that_dead_letters_into_itself_loses_what_expires_but_not_what_is_rejected():  # RMQ-22
    tape = Tape({"q": {"ttl": 10, "dlq": "q"}})
    tape.send("m1")
    tape.get("c1", got("m1"))
    tape.step("c1", "reject", handle="m1#1", requeue=False)
    tape.depth(ready=1)
    tape.step("admin", "depth", {"ready": 0}, wait=20, queue="q")
    tape.agrees()


def test_one_queue_gets_one_copy_however_often_it_is_bound():  # RMQ-1
    bind = [{"exchange": "x", "key": key} for key in ("orders.*", "orders.#", "#.eu")]
    tape = Tape({"q": {"bind": bind}, "r": {"bind": bind[2:]}, "s": {"bind": bind[:1]}}, {"x": {"type": "topic"}})
    tape.step("producer", "send", exchange="x", key="orders.eu", body="m1")
    tape.step("producer", "send", exchange="x", key="orders", body="m2")
    tape.step("producer", "send", {"error": "NO_ROUTE"}, exchange="x", key="bills.us", body="m3", mandatory=True)
    for queue, bodies in (("q", "m1 m2"), ("r", "m1"), ("s", "m1")):
        tape.step("admin", "depth", {"ready": len(bodies.split())}, queue=queue)
    tape.agrees()


def test_a_requeued_message_keeps_its_priority_and_its_place():  # RMQ-30
    tape = Tape({"q": {"max_priority": 5}})
    tape.send("high", "high2", priority=4)
    tape.send("low")
    tape.step("c1", "receive", {"messages": [got("high", priority=4)]}, queue="q", pull=True, max=1)
    tape.send("top", priority=200)
    tape.step("c1", "nack", handle="high#1")
    again = got("high", 2, True, priority=4)
    tape.get("c1", got("top", priority=200), again, got("high2", priority=4), got("low"))
    tape.agrees()


def test_of_several_priorities_the_highest_head_is_dropped_and_keeps_its_priority_elsewhere():  # RMQ-28, RMQ-30
    tape = Tape({"q": {"max_priority": 5, "max_length": 2, "dlq": "dlq"}, "dlq": {"max_priority": 9}})
    tape.send("low", priority=1)
    tape.send("high", priority=9)
    tape.send("mid", priority=3)
    tape.send("late", queue="dlq", priority=7)
    tape.get("c1", got("high", priority=9), got("late", priority=7), queue="dlq")
    tape.get("c1", got("mid"), got("low"))
    tape.agrees()


def test_expired_messages_of_a_lower_priority_stay_behind_a_live_one():  # RMQ-32
    tape = Tape({"q": {"max_priority": 5}})
    tape.send("high", priority=5)
    tape.send("low1", ttl=0.2, priority=1)
    tape.send("low2", priority=1)
    tape.send("low3", ttl=0.2, priority=1)
    tape.depth(ready=4)
    tape.get("c1", got("high", priority=5), got("low2", priority=1))
    tape.depth(ready=0)
    tape.agrees()


def test_an_ack_up_to_a_tag_spans_queues_and_an_unknown_tag_closes_the_channel_with_all_of_them():  # RMQ-10
    tape = Tape({"q": {}, "r": {}})
    tape.send("m1", "m2")
    tape.send("n1", "n2", queue="r")
    tape.step("c1", "subscribe", queue="q", prefetch=1)
    tape.step("c1", "subscribe", queue="r", prefetch=1)
    tape.pushed("c1", got("m1"), got("n1"))
    tape.step("c1", "ack", handle="n1#1", multiple=True)
    tape.pushed("c1", got("m2"), got("n2"))
    tape.step("c1", "ack", TAG, handle="m1#1", multiple=True)
    tape.depth(ready=1, consumers=0)
    tape.depth("r", ready=1, consumers=0)
    tape.step("c1", "ack", {"error": "ChannelWrongStateError"}, handle="m2#1")
    tape.agrees()


def test_nack_multiple_without_requeue_dead_letters_in_order():  # RMQ-16
    tape = Tape({"q": {"dlq": "dlq"}, **DEAD})
    tape.send("m1", "m2", "m3")
    tape.get("c1", got("m1"), got("m2"), got("m3"))
    tape.step("c1", "nack", handle="m2#1", multiple=True, requeue=False)
    tape.get("c1", got("m1", 2), got("m2", 2), queue="dlq")
    tape.agrees()


def test_auto_ack_ignores_the_prefetch_and_acking_what_was_settled_is_an_error():  # RMQ-9, RMQ-10
    tape = Tape(CLASSIC)
    tape.send("m1", "m2", "m3")
    tape.step("c1", "subscribe", queue="q", prefetch=1, auto_ack=True)
    tape.depth(ready=0, consumers=1)
    tape.pushed("c1", got("m1"), got("m2"), got("m3"))
    tape.step("c1", "ack", TAG, handle="m2#1")
    tape.agrees()


def test_in_a_transaction_an_ack_counts_from_the_commit_and_a_crash_undoes_it():  # RMQ-35
    tape = Tape(CLASSIC)
    tape.send("m1", "m2")
    tape.step("c1", "tx", action="select")
    tape.step("c1", "subscribe", queue="q", prefetch=1)
    tape.pushed("c1", got("m1"))
    tape.step("c1", "ack", handle="m1#1")
    tape.pushed("c1")  # the prefetch is still used
    tape.step("c1", "tx", action="commit")
    tape.pushed("c1", got("m2"))
    tape.step("c1", "ack", handle="m2#1")
    tape.step("c1", "crash")
    tape.get("c2", got("m2", 2, True))
    tape.agrees()


def test_acking_twice_in_a_transaction_closes_the_channel():  # RMQ-10, RMQ-35
    tape = Tape(CLASSIC)
    tape.send("m1")
    tape.step("c1", "tx", action="select")
    tape.get("c1", got("m1"))
    tape.step("c1", "ack", handle="m1#1")
    tape.step("c1", "ack", TAG, handle="m1#1")
    tape.get("c2", got("m1", 2, True))
    tape.agrees()


def test_an_exclusive_consumer_is_refused_where_another_is_and_its_place_is_free_when_it_goes():  # RMQ-8
    tape = Tape(CLASSIC)
    tape.step("c1", "subscribe", queue="q", prefetch=1)
    tape.step("c2", "subscribe", {"error": "403 ACCESS_REFUSED"}, queue="q", exclusive=True)
    tape.step("c1", "cancel", queue="q")
    tape.step("c3", "subscribe", queue="q", exclusive=True)
    tape.step("c1", "subscribe", {"error": "403 ACCESS_REFUSED"}, queue="q", prefetch=1)
    tape.agrees()


def test_the_next_active_consumer_is_the_next_that_subscribed():  # RMQ-8
    tape = Tape({"q": {"single_active": True}})
    for actor in ("c1", "c2", "c3"):
        tape.step(actor, "subscribe", queue="q", prefetch=1)
    tape.step("c2", "crash")
    tape.send("m1", "m2")
    tape.pushed("c1", got("m1"))
    tape.step("c1", "cancel", queue="q")
    tape.pushed("c3", got("m2"))
    tape.step("c1", "ack", handle="m1#1")
    tape.agrees()


def test_equal_priorities_take_turns_and_a_lower_one_waits():  # RMQ-7
    tape = Tape(CLASSIC)
    tape.step("c1", "subscribe", queue="q", prefetch=5, priority=-1)
    tape.step("c2", "subscribe", queue="q", prefetch=1, priority=3)
    tape.step("c3", "subscribe", queue="q", prefetch=2, priority=3)
    tape.send("m1", "m2", "m3", "m4")
    tape.pushed("c1", got("m4"))
    tape.pushed("c2", got("m1"))
    tape.pushed("c3", got("m2"), got("m3"))
    tape.step("c2", "ack", handle="m1#1")
    tape.send("m5")
    tape.pushed("c2", got("m5"))
    tape.agrees()


def test_quorum_a_reject_counts_and_an_expired_tail_stays_until_it_is_the_head():  # RMQ-13, RMQ-17, RMQ-25
    tape = Tape({"q": {"type": "quorum"}}, broker="rabbitmq-quorum")
    tape.send("m1", ttl=1.2)
    tape.send("m2")
    tape.step("c1", "receive", {"messages": [got("m1", count=1)]}, queue="q", pull=True, max=1)
    tape.step("c1", "reject", wait=3, handle="m1#1")
    tape.depth(ready=2)
    tape.get("c1", got("m2", count=1))
    tape.depth(ready=0)
    tape.agrees()


def test_quorum_without_a_dead_letter_queue_the_limit_drops():  # RMQ-17, RMQ-20
    tape = Tape({"q": {"type": "quorum", "delivery_limit": 1}}, broker="rabbitmq-quorum")
    tape.send("m1")
    for n, again in ((1, False), (2, True)):
        tape.get("c1", got("m1", n, again, count=n))
        tape.step("c1", "nack", handle=f"m1#{n}")
    tape.depth(ready=0)
    tape.agrees()


def test_headers_properties_and_unknown_things_are_said_not_guessed():
    tape = Tape({"q": {"type": "stream"}})
    tape.send("m1")
    text = json.dumps({"name": "s", "broker": "rabbitmq-classic", "config": tape.config, "steps": tape.steps})
    assert str(replay(parse(text, "s.json"))) == "not covered s: queue type 'stream' of rabbitmq"
