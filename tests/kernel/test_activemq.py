"""ActiveMQ Classic, by rule: the queue and its consumers, and the clients that redeliver."""

from dataclasses import replace

import pytest

from qsim.brokers import ACTIVEMQ_CLASSIC, RULES
from qsim.kernel.broker import Broker
from qsim.kernel.client import Session, hand_on
from qsim.kernel.dispatch import ENDS_GROUP
from qsim.kernel.journal import Cause, Kind
from qsim.kernel.profile import Capacity, DeadLetter, Dispatch, Order
from qsim.kernel.queue import DELIVERY_MODE
from qsim.kernel.redelivery import AckMode, Redelivery
from qsim.kernel.routing import virtual_topic_of
from qsim.units import MILLISECOND, SECOND

TRANSIENT = {DELIVERY_MODE: "NON_PERSISTENT"}


class Room:
    """A broker with a queue and its dead-letter queue, and clients; ``now`` in seconds."""

    def __init__(self, sends="", **changes):
        profile = replace(ACTIVEMQ_CLASSIC, dlq=DeadLetter("dlq", None), **changes)
        self.broker = Broker({"q": profile, "dlq": replace(ACTIVEMQ_CLASSIC, dlq=None)})
        self.now = 0
        self.clients = 0
        for body in sends:
            self.send(body)

    def send(self, body, **more):
        answer = self.broker.send(self.now, "q", payload=body, **more)
        self.settle()
        return answer

    def session(self, mode=AckMode.INDIVIDUAL, is_jms=True, **policy):
        self.clients += 1
        return Session(self.clients, mode, Redelivery(**policy), is_jms)

    def consumer(self, session=None, prefetch=10, queue="q", **more):
        consumer = (session or self.session()).subscribe(self.broker.queues[queue], prefetch, **more)
        self.settle()
        return consumer

    def at(self, seconds):
        self.now = int(seconds * SECOND)
        self.settle()
        return self

    def settle(self):
        hand_on(self.broker, self.now)

    def take(self, consumer, most=9):
        """(body, count) of what the application gets."""
        return [(copy.delivery.message.payload, copy.count) for copy in self.copies(consumer, most)]

    def copies(self, consumer, most=9):
        got = []
        while len(got) < most and (copy := consumer.receive(self.now)) is not None:
            got.append(copy)
            self.settle()
        return got

    def do(self, call, *more):
        call(self.now, *more)
        self.settle()

    def depth(self, queue="q"):
        it = self.broker.queues[queue]
        return it.visible + it.in_flight, it.in_flight

    def rows(self, *kinds):
        return [row for row in self.broker.journal.read() if row[5] in kinds]


def bodies(got):
    return "".join(body for body, _ in got)


# --- send -----------------------------------------------------------------------------------------------------------


def test_a_scheduled_message_enters_at_the_tail_when_it_is_due_and_its_ttl_begins_then():
    room = Room()  # AMQ-2
    room.send("late", delay=2 * SECOND, ttl=SECOND)
    room.send("m")
    assert room.depth() == (1, 0)
    assert [m.payload for m in room.at(2).broker.queues["q"].ready] == ["m", "late"]
    assert bodies(room.at(2.9).take(room.consumer())) == "mlate"


def test_a_send_fails_when_the_memory_limit_has_been_reached_and_the_one_before_may_overshoot():
    room = Room(capacity=Capacity(bytes=100, overshoots=True))  # AMQ-3
    assert [room.send("m", size=70) for _ in range(3)] == [Cause.NONE, Cause.NONE, Cause.FULL]
    consumer = room.consumer(prefetch=1)
    [first] = room.copies(consumer, 1)
    room.do(consumer.session.ack, first)
    assert room.send("m", size=70) is Cause.NONE


# --- dispatch -------------------------------------------------------------------------------------------------------


def test_messages_go_round_robin_one_each():
    room = Room()  # AMQ-6
    a, b = room.consumer(), room.consumer()
    for body in "1234":
        room.send(body)
    assert (bodies(room.take(a)), bodies(room.take(b))) == ("13", "24")


def test_who_is_full_keeps_his_place():
    room = Room(extends_window=False)  # AMQ-6: passed over, not sent to the end
    a, b = room.consumer(prefetch=1), room.consumer(prefetch=1)
    room.send("1")
    room.send("2")
    [of_b] = room.copies(b)
    [of_a] = room.copies(a)
    b.session.ack(room.now, of_b)
    a.session.ack(room.now, of_a)
    room.send("3")
    assert bodies(room.take(a)) == "3"


def test_strict_dispatch_fills_the_first_consumer():
    room = Room(dispatch=Dispatch.FILL)  # AMQ-6
    a, b = room.consumer(prefetch=2), room.consumer(prefetch=2)
    for body in "123":
        room.send(body)
    assert (len(a.buffer), len(b.buffer)) == (2, 1)


def test_a_large_prefetch_hoards_and_who_comes_later_gets_nothing():
    room = Room("123")  # AMQ-6
    room.consumer(prefetch=1000)
    assert room.take(room.consumer(prefetch=1000)) == []
    assert room.depth() == (3, 3)


def test_the_window_grows_in_halves_of_the_prefetch_as_the_application_takes():
    room = Room("123456789")  # AMQ-7
    consumer = room.consumer(prefetch=4)
    seen = []
    for _ in range(4):
        room.copies(consumer, 1)
        seen.append(room.depth()[1])
    assert seen == [4, 6, 6, 8]


def test_an_ack_shrinks_an_extended_window_and_lets_nothing_new_in():
    room = Room("123456789")  # AMQ-7: in flight = prefetch + delivered and unacked
    consumer = room.consumer(prefetch=4)
    first, _ = room.copies(consumer, 2)
    assert room.depth() == (9, 6)
    room.do(consumer.session.ack, first)
    assert room.depth() == (8, 5)


@pytest.mark.parametrize(
    ("changes", "session"),
    [({"extends_window": False}, {}), ({}, {"is_jms": False}), ({}, {"mode": AckMode.AUTO})],
    ids=["without the extension", "over STOMP", "acked as it is returned"],
)
def test_elsewhere_the_prefetch_bounds_what_is_unacked(changes, session):
    room = Room("1234", **changes)  # AMQ-7
    consumer = room.consumer(room.session(**session), prefetch=2)
    consumer.take(room.now)
    room.settle()
    assert room.depth() == (4, 2)


def test_a_prefetch_of_none_gets_what_it_asks_for():
    room = Room("12")  # AMQ-5
    consumer = room.consumer(prefetch=0)
    assert room.depth() == (2, 0)
    consumer.pull()
    room.settle()
    [first] = room.copies(consumer)
    room.do(consumer.session.ack, first)
    assert room.depth() == (1, 0)
    consumer.pull()
    consumer.stop_pulling()
    room.settle()
    assert room.depth() == (1, 0)


def test_the_highest_priority_is_filled_first():
    room = Room()  # AMQ-8
    low, high = room.consumer(), room.consumer(prefetch=2, priority=10)
    for body in "1234":
        room.send(body)
    assert (bodies(low.delivered or room.take(low)), len(high.buffer)) == ("34", 2)


def test_an_exclusive_consumer_gets_everything_and_the_next_one_takes_over():
    room = Room()  # AMQ-8
    other, a, b = room.consumer(), room.consumer(is_exclusive=True), room.consumer(is_exclusive=True)
    for body in "12":
        room.send(body)
    assert bodies(room.take(a)) == "12"
    room.do(a.session.crash)
    assert room.take(b) == [("1", 2), ("2", 2)]
    assert room.take(other) == []


def test_a_group_sticks_to_its_consumer_and_does_not_block():
    room = Room()  # AMQ-9
    a, b = room.consumer(), room.consumer()
    for body in ("A1", "B1", "A2", "B2", "A3"):
        room.send(body, group=body[0])
    assert (bodies(room.take(a)), bodies(room.take(b))) == ("A1A2A3", "B1B2")


def test_a_full_owner_holds_up_its_group_and_nobody_else():
    room = Room()  # AMQ-9
    a, b = room.consumer(prefetch=1), room.consumer(prefetch=1)
    for body in ("A1", "A2", "B1"):
        room.send(body, group=body[0])
    assert [len(each.buffer) for each in (a, b)] == [1, 1]
    assert bodies(room.take(b)) == "B1"
    assert bodies(room.take(a)) == "A1A2"
    assert room.broker.queues["q"].visible == 0


def test_a_group_fails_over_when_its_consumer_goes_and_does_not_come_back():
    room = Room()  # AMQ-9
    a, b = room.consumer(), room.consumer()
    room.send("A1", group="A")
    room.do(a.session.crash)
    again = room.consumer()
    room.send("A2", group="A")
    assert room.take(b) == [("A1", 2), ("A2", 1)]
    assert room.take(again) == []


def test_a_new_group_goes_to_who_has_the_fewest_and_a_message_can_end_its_group():
    room = Room()  # AMQ-9
    a, b = room.consumer(), room.consumer()
    for body in ("A1", "B1", "C1"):
        room.send(body, group=body[0])
    assert (len(a.buffer), len(b.buffer)) == (2, 1)
    room.send("A2", group="A", attributes={ENDS_GROUP: "-1"})
    room.send("A3", group="A")
    assert bodies(room.take(a)) == "A1C1A2"
    assert bodies(room.take(b)) == "B1A3"


def test_no_more_than_a_page_is_searched_for_a_message_that_somebody_may_have():
    room = Room(look_ahead=2)  # AMQ-10
    a, b = room.consumer(prefetch=1), room.consumer(prefetch=1)
    for body in ("A1", "A2", "A3", "B1"):
        room.send(body, group=body[0])
    assert (len(a.buffer), len(b.buffer)) == (1, 0)
    assert bodies(room.take(a)) == "A1A2A3"
    assert bodies(room.take(b)) == "B1"


def test_parked_messages_keep_their_order_and_returned_ones_come_before_them():
    room = Room()
    a = room.consumer(room.session(AckMode.AUTO), prefetch=2)
    for body in ("A1", "A2", "A3", "A4"):
        room.send(body, group="A")
    b = room.consumer(prefetch=10)
    room.do(a.session.close)
    assert bodies(room.take(b)) == "A1A2A3A4"


# --- ack modes ------------------------------------------------------------------------------------------------------


def test_auto_acks_as_the_message_is_returned_so_that_a_crash_loses_it():
    room = Room("12")  # AMQ-11
    consumer = room.consumer(room.session(AckMode.AUTO), prefetch=1)
    room.take(consumer, 1)
    room.do(consumer.session.crash)
    assert room.take(room.consumer()) == [("2", 2)]


def test_client_ack_acks_all_that_the_session_has_got_over_all_its_consumers():
    room = Room("1234")  # AMQ-11
    session = room.session(AckMode.CLIENT)
    consumer, other = room.consumer(session), room.consumer(session, queue="dlq")
    room.broker.send(0, "dlq", payload="d")
    room.settle()
    _, second, _ = room.copies(consumer, 3)
    room.take(other)
    room.do(session.ack, second)
    assert (room.depth(), room.depth("dlq")) == ((1, 1), (0, 0))


def test_individual_ack_acks_that_one():
    room = Room("123")  # AMQ-11
    consumer = room.consumer()
    _, second, _ = room.copies(consumer)
    room.do(consumer.session.ack, second)
    room.do(consumer.session.close)
    assert room.take(room.consumer()) == [("1", 2), ("3", 2)]


def test_stomp_client_acks_up_to_that_one_of_its_subscription():
    room = Room("123")  # AMQ-12
    consumer = room.consumer(room.session(AckMode.UP_TO, is_jms=False))
    _, second, _ = room.copies(consumer)
    room.do(consumer.session.ack, second)
    assert room.depth() == (1, 1)


def test_stomp_nack_is_poison():
    room = Room("12")  # AMQ-12
    consumer = room.consumer(room.session(is_jms=False))
    first, _ = room.copies(consumer)
    room.do(consumer.poison, [first])
    assert (room.depth(), room.depth("dlq")) == ((1, 1), (1, 0))


def test_stomp_auto_acks_what_is_pushed():
    room = Room("12")
    consumer = room.consumer(room.session(AckMode.AUTO, is_jms=False))
    assert room.depth() == (0, 0)
    assert bodies(room.take(consumer)) == "12"


# --- redelivery -----------------------------------------------------------------------------------------------------


def transacted(room, prefetch=10, **policy):
    consumer = room.consumer(room.session(AckMode.TRANSACTED, **policy), prefetch)
    return consumer, consumer.session


def test_a_rollback_redelivers_here_first_after_a_delay_and_blocks_until_then():
    room = Room("123")  # AMQ-15
    consumer, session = transacted(room)
    idle = room.consumer()
    assert bodies(room.take(consumer, 2)) == "12"
    room.do(session.rollback)
    assert room.take(consumer) == []
    assert (consumer.wake_at(), room.depth()) == (SECOND, (3, 3))
    assert room.at(0.999).take(consumer) == []
    assert room.at(1).take(consumer) == [("1", 2), ("2", 2), ("3", 1)]
    assert room.take(idle) == []


def test_a_redelivery_that_does_not_block_goes_behind_what_is_there_when_it_is_due():
    room = Room("12")  # AMQ-15
    consumer, session = transacted(room, is_blocking=False)
    room.take(consumer, 1)
    room.do(session.rollback)
    room.at(1)
    assert room.take(consumer) == [("2", 1), ("1", 2)]


@pytest.mark.parametrize("most", [0, 2, 6])
def test_after_one_delivery_more_than_redeliveries_are_allowed_a_message_is_poison_at_its_rollback(most):
    room = Room("1")  # AMQ-16
    consumer, session = transacted(room, most=most)
    for count in range(1, most + 2):
        assert room.depth("dlq") == (0, 0)
        assert room.at(count).take(consumer) == [("1", count)]
        room.do(session.rollback)
    assert (room.depth(), room.depth("dlq")) == ((0, 0), (1, 0))
    assert room.take(room.consumer(queue="dlq")) == [("1", 1)]


def test_back_off_grows_from_the_initial_delay_to_its_limit_and_begins_anew_after_a_commit():
    room = Room("12")  # AMQ-17
    consumer, session = transacted(
        room, initial_delay=SECOND, is_exponential=True, multiplier=3.0, max_delay=5 * SECOND, most=None
    )
    delays = []
    for _ in range(4):
        room.take(consumer, 1)
        began = room.now
        room.do(session.rollback)
        delays.append((consumer.wake_at() - began) // SECOND)
        room.at(consumer.wake_at() / SECOND)
    assert delays == [1, 3, 5, 5]
    room.take(consumer, 1)
    room.do(session.commit)
    room.take(consumer, 1)
    room.do(session.rollback)
    assert consumer.wake_at() == room.now + SECOND


def test_without_back_off_the_second_delay_is_the_redelivery_delay():
    assert Redelivery(initial_delay=SECOND, delay=2 * SECOND).next_delay(SECOND) == 2 * SECOND  # AMQ-17


def test_a_poison_message_takes_its_whole_batch_along():
    room = Room("123")  # AMQ-18
    consumer, session = transacted(room, most=0)
    room.take(consumer, 2)
    room.do(session.rollback)
    assert (room.depth(), room.depth("dlq")) == ((1, 1), (2, 0))


def test_recover_redelivers_all_that_is_not_acked():
    room = Room("123")  # AMQ-14
    consumer = room.consumer(room.session(AckMode.CLIENT))
    room.take(consumer, 2)
    room.do(consumer.session.recover)
    assert room.at(1).take(consumer) == [("1", 2), ("2", 2), ("3", 1)]


def test_a_local_redelivery_is_one_more_receive_in_the_journal():
    room = Room("1")
    consumer, session = transacted(room)
    room.take(consumer)
    room.do(session.rollback)
    room.at(1).take(consumer)
    told = [(row[5], row[3], row[6]) for row in room.rows(Kind.RECEIVED, Kind.NACKED, Kind.RETURNED, Kind.TAKEN)]
    assert told == [
        (Kind.RECEIVED, 1, 0),
        (Kind.TAKEN, 1, 0),
        (Kind.NACKED, 1, 3),
        (Kind.RETURNED, 1, 1),
        (Kind.RECEIVED, 2, 0),
        (Kind.TAKEN, 2, 0),
    ]


def test_after_a_crash_all_that_was_pushed_counts_as_delivered():
    room = Room("123")  # AMQ-19
    consumer = room.consumer()
    room.take(consumer, 1)
    room.do(consumer.session.crash)
    assert room.take(room.consumer()) == [("1", 2), ("2", 2), ("3", 2)]


def test_after_an_orderly_close_only_what_the_application_got_does():
    room = Room("123")  # AMQ-19
    consumer = room.consumer()
    room.take(consumer, 1)
    room.do(consumer.close)
    assert room.take(room.consumer()) == [("1", 2), ("2", 1), ("3", 1)]


def test_what_comes_back_goes_to_the_front_in_order():
    room = Room("12345")  # AMQ-19
    consumer = room.consumer(prefetch=3)
    room.do(consumer.session.close)
    assert bodies(room.take(room.consumer())) == "12345"


def test_the_driver_that_forgets_a_client_has_the_same_crash():
    room = Room("12")  # AMQ-19
    room.consumer()
    room.do(room.broker.forget, 1)
    assert room.take(room.consumer()) == [("1", 2), ("2", 2)]


def test_a_consumer_closed_in_a_transaction_goes_with_its_end():
    room = Room("12")
    consumer, session = transacted(room)
    room.take(consumer, 1)
    room.do(consumer.close)
    assert not consumer.is_closed
    room.do(session.commit)
    assert consumer.is_closed
    assert room.depth() == (1, 0)


def test_a_transaction_that_is_closed_is_rolled_back():
    room = Room("1")  # AMQ-14
    consumer, session = transacted(room)
    room.take(consumer)
    room.do(session.close)
    assert room.take(room.consumer()) == [("1", 2)]


def test_a_transacted_client_takes_what_crashed_too_often_for_poison():
    room = Room("1")  # AMQ-16
    room.do(room.consumer().session.crash)
    consumer, _ = transacted(room, most=0)
    assert room.take(consumer) == []
    room.settle()
    assert room.depth("dlq") == (1, 0)


def test_nothing_takes_a_message_away_from_a_slow_consumer():
    room = Room("1")  # AMQ-20
    consumer = room.consumer()
    room.take(consumer)
    room.consumer()
    assert room.at(10_000_000).depth() == (1, 1)
    assert room.broker.wake_at() is None


# --- dead letters, ttl, priority, topics, transactions --------------------------------------------------------------


def test_a_dead_letter_says_why_and_does_not_expire_again():
    room = Room()  # AMQ-21
    room.send("1", ttl=SECOND)
    room.at(30)
    [copy] = room.at(1000).copies(room.consumer(queue="dlq"))
    message = copy.delivery.message
    assert (message.died_of, message.expires, copy.count, copy.is_redelivered) == (Cause.TTL, None, 1, False)


def test_a_message_that_is_not_persistent_is_never_dead_lettered():
    room = Room()  # AMQ-21
    room.send("1", attributes=TRANSIENT, ttl=SECOND)
    room.at(30)
    assert [row[6] for row in room.rows(Kind.EXPIRED)] == [Cause.TTL]
    room.send("2", attributes=TRANSIENT)
    consumer, session = transacted(room, most=0)
    room.take(consumer)
    room.do(session.rollback)
    assert [row[6] for row in room.rows(Kind.DROPPED)] == [Cause.MAX_RECEIVES]
    assert (room.depth(), room.depth("dlq")) == ((0, 0), (0, 0))


def test_a_queue_may_take_its_messages_for_transient_unless_they_say_otherwise():
    room = Room(is_persistent=False)  # AMQ-1
    room.send("1", ttl=SECOND)
    room.send("2", ttl=SECOND, attributes={DELIVERY_MODE: "PERSISTENT"})
    room.at(30)
    assert [copy.delivery.message.payload for copy in room.copies(room.consumer(queue="dlq"))] == ["2"]


def test_without_process_expired_what_expires_is_gone():
    room = Room(ttl_dead_letters=False)  # AMQ-21
    room.send("1", ttl=SECOND)
    room.at(30)
    assert (room.depth(), room.depth("dlq")) == ((0, 0), (0, 0))


def test_the_sweep_finds_what_has_expired_anywhere():
    room = Room("1", expire_sweep=200 * MILLISECOND)  # AMQ-22
    room.send("2", ttl=SECOND + 1)
    room.send("3")
    assert room.at(1.1).depth() == (3, 0)
    assert room.at(1.2).depth() == (2, 0)
    assert room.depth("dlq") == (1, 0)


def test_what_has_expired_is_noticed_when_it_would_be_handed_out():
    room = Room()  # AMQ-22
    room.send("1", ttl=SECOND)
    room.send("2")
    assert room.at(2).depth() == (2, 0)
    assert bodies(room.take(room.consumer())) == "2"
    assert room.depth("dlq") == (1, 0)


def test_what_expires_in_the_buffer_is_not_given_to_the_application():
    room = Room()  # AMQ-22
    room.send("1", ttl=SECOND)
    room.send("2")
    consumer = room.consumer()
    assert room.at(40).depth() == (2, 2)
    assert bodies(room.take(consumer)) == "2"
    room.settle()
    assert (room.depth(), room.depth("dlq")) == ((1, 1), (1, 0))


def test_what_comes_back_expired_waits_for_the_sweep():
    room = Room()  # AMQ-22
    room.send("1", ttl=SECOND)
    consumer = room.consumer()
    room.at(5)
    room.do(consumer.session.crash)
    assert room.depth() == (1, 0)
    assert room.at(30).depth("dlq") == (1, 0)


def test_priorities_only_where_they_are_enabled():
    for order, expected in ((Order.FIFO, "491"), (Order.PRIORITY, "941")):  # AMQ-23
        room = Room(order=order)
        for priority in (4, 9, 1):
            room.send(str(priority), level=9 - priority)
        assert bodies(room.take(room.consumer(room.session(AckMode.AUTO), prefetch=1))) == expected


def test_a_prefetched_message_is_not_overtaken():
    room = Room(order=Order.PRIORITY)  # AMQ-23
    room.send("1", level=8)
    consumer = room.consumer(prefetch=1)
    room.send("9", level=0)
    assert bodies(room.take(consumer)) == "19"


def test_a_queue_of_a_virtual_topic_says_so_by_its_name():
    assert virtual_topic_of("Consumer.A.VirtualTopic.orders.eu") == "VirtualTopic.orders.eu"  # AMQ-24
    assert virtual_topic_of("Consumer.A.orders") is None
    assert virtual_topic_of("orders") is None


def test_what_is_sent_in_a_transaction_is_sent_with_its_commit_or_never():
    room = Room()  # AMQ-25
    session = room.session(AckMode.TRANSACTED)
    for body in "12":
        session.send(room.now, lambda now, body=body: room.broker.send(now, "q", payload=body))
        assert room.depth() == (0, 0)
        room.do(session.rollback if body == "1" else session.commit)
    assert bodies(room.take(room.consumer())) == "2"


def test_a_rollback_gives_the_window_back_so_that_it_does_not_grow_with_every_try():
    room = Room("123456789")  # AMQ-7
    consumer, session = transacted(room, prefetch=4, most=None)
    for again in range(5):
        room.at(again)
        room.take(consumer, 2)
        room.do(session.rollback)
        assert room.depth()[1] <= 6
    room.at(9)
    room.take(consumer, 2)
    room.do(session.commit)
    assert room.depth() == (7, 6 - 2)


def test_a_fingerprint_knows_who_is_next_and_whose_groups_are_whose():
    def print_of(*sends):
        room = Room()
        room.consumer(), room.consumer()
        for body in sends:
            room.send(body, group=body if body.isupper() else None)
        room.do(room.broker.purge, "q")
        return room.broker.fingerprint(0)

    assert print_of("a", "b") == print_of("c", "d") != print_of("a")
    assert print_of("A", "b") != print_of("a", "b")


def test_every_value_of_the_profile_cites_its_rule():
    assert all(rule.startswith("AMQ-") for rule in RULES["activemq-classic"].values())
