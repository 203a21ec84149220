"""Orders other than first in, first out, and consumers that are pushed to."""

from dataclasses import replace

from qsim.brokers import IDEAL, SQS_FIFO, SQS_STANDARD
from qsim.kernel.broker import Broker
from qsim.kernel.journal import Cause, Kind
from qsim.kernel.profile import Capacity, OnCrash, Order, Overflow, ReturnsTo
from qsim.units import SECOND


def ideal(sends=0, **changes):
    broker = Broker({"q": replace(IDEAL, **changes)})
    for _ in range(sends):
        broker.send(0, "q")
    return broker


def numbers(deliveries):
    return [delivery.message.number for delivery in deliveries]


def pushed(broker, time):
    """Who was pushed what until then."""
    broker.wake(time)
    return [(delivery.client, delivery.message.number) for _, got in broker.deliveries() for delivery in got]


# --- orders ---------------------------------------------------------------------------------------------------------


def test_lifo_hands_out_the_newest_and_a_returned_one_keeps_its_age():
    broker = ideal(sends=3, order=Order.LIFO)
    [newest] = broker.receive(0, "q", "c")
    broker.send(1, "q")
    broker.nack(2, newest)
    assert numbers(broker.receive(3, "q", "c", limit=9)) == [3, 2, 1, 0]


def test_lifo_drops_the_oldest_returned_or_not():
    broker = ideal(sends=3, order=Order.LIFO, capacity=Capacity(messages=3, when_full=Overflow.DROP_OLDEST))
    held = broker.receive(0, "q", "c", limit=3)
    for delivery in held:
        broker.nack(1, delivery)
    for _ in range(2):
        broker.send(2, "q")
    assert numbers(broker.receive(3, "q", "c", limit=9)) == [4, 3, 2]


def test_lifo_with_returns_to_the_tail_drops_by_the_new_age():
    broker = ideal(sends=2, order=Order.LIFO, returns_to=ReturnsTo.TAIL)
    queue = broker.queues["q"]
    queue.configure(replace(queue.profile, capacity=Capacity(messages=2, when_full=Overflow.DROP_OLDEST)))
    for _ in range(2):
        newest, oldest = broker.receive(0, "q", "c", limit=2)
        broker.nack(0, newest)
        broker.nack(0, oldest)
    broker.send(1, "q")
    assert len(numbers(broker.receive(2, "q", "c", limit=9))) == 2


def test_priorities_the_first_level_first_and_fifo_inside_a_level():
    broker = ideal(order=Order.PRIORITY, levels=3)
    for level in (2, 0, 1, 0):
        broker.send(0, "q", level=level)
    [urgent] = broker.receive(0, "q", "c")
    broker.nack(1, urgent)
    assert numbers(broker.receive(2, "q", "c", limit=9)) == [1, 3, 2, 0]


def test_with_priorities_the_least_urgent_is_dropped():
    limit = Capacity(messages=2, when_full=Overflow.DROP_OLDEST)
    broker = ideal(order=Order.PRIORITY, levels=2, capacity=limit)
    for level in (0, 1, 1):
        broker.send(0, "q", level=level)
    assert numbers(broker.receive(1, "q", "c", limit=9)) == [0, 2]


def test_a_message_leased_is_never_overtaken():
    broker = ideal(order=Order.PRIORITY, levels=2)
    broker.send(0, "q", level=1)
    [held] = broker.receive(0, "q", "c")
    broker.send(1, "q", level=0)
    assert broker.ack(2, held) is Cause.NONE


def test_back_at_the_head_stands_who_came_back_first():
    broker = ideal(sends=4, returns_to=ReturnsTo.HEAD)
    first, second = broker.receive(0, "q", "c", limit=2)
    broker.nack(1, second)
    broker.nack(2, first)
    assert numbers(broker.receive(3, "q", "c", limit=9)) == [1, 0, 2, 3]


# --- pushed to --------------------------------------------------------------------------------------------------------


def test_a_subscription_gets_up_to_its_prefetch_and_each_ack_makes_room_for_one():
    broker = ideal(sends=4)
    broker.subscribe(0, "q", 1, prefetch=2)
    assert pushed(broker, 0) == [(1, 0), (1, 1)]
    [first, _] = list(broker.sessions[1].held.values())
    broker.ack(5, first)
    assert broker.wake_at() == 5
    assert pushed(broker, 5) == [(1, 2)]


def test_messages_go_round_and_who_ran_out_of_credit_re_enters_at_the_end():
    broker = ideal()  # RMQ-7
    for client, prefetch in ((1, 2), (2, 1), (3, 1)):
        broker.subscribe(0, "q", client, prefetch=prefetch)
    for _ in range(5):
        broker.send(1, "q")
    assert pushed(broker, 1) == [(1, 0), (2, 1), (3, 2), (1, 3)]
    for client in (3, 2):
        broker.ack_session(2, client)
        assert len(pushed(broker, 2)) == (client == 3)
    broker.ack_session(3, 3)
    for _ in range(2):
        broker.send(4, "q")
    assert pushed(broker, 4) == [(2, 5), (3, 6)]


def test_unlimited_means_that_the_first_gets_all_that_is_there():
    broker = ideal(sends=3)
    broker.subscribe(0, "q", 1, prefetch=0)
    assert pushed(broker, 0) == [(1, 0), (1, 1), (1, 2)]


def test_a_cancelled_subscription_keeps_what_it_holds_and_gets_no_more():
    broker = ideal(sends=1)  # RMQ-38
    credit = broker.subscribe(0, "q", 1, prefetch=1)
    assert pushed(broker, 0) == [(1, 0)]
    broker.cancel(1, credit)
    broker.send(2, "q")
    [held] = broker.sessions[1].held.values()
    assert broker.ack(3, held) is Cause.NONE
    assert pushed(broker, 4) == []


def test_a_crash_returns_what_was_pushed_to_its_place_for_the_others():
    broker = ideal(sends=3)
    broker.subscribe(0, "q", 1, prefetch=3)
    assert len(pushed(broker, 0)) == 3
    broker.subscribe(1, "q", 2, prefetch=3)
    broker.forget(2, 1)
    assert pushed(broker, 2) == [(2, 0), (2, 1), (2, 2)]


def test_a_lost_lease_gives_the_credit_back():
    broker = ideal(sends=2, visibility_timeout=SECOND)
    broker.subscribe(0, "q", 1, prefetch=1)
    assert pushed(broker, 0) == [(1, 0)]
    assert pushed(broker, SECOND) == [(1, 0)]


def test_where_a_popped_message_is_gone_a_crash_loses_it():
    broker = ideal(sends=1, on_crash=OnCrash.LOSES)
    broker.receive(0, "q", "c")
    broker.forget(1, "c")
    assert broker.queues["q"].depth == 0
    assert broker.journal.read()[-1][5] == Kind.VANISHED


def test_an_application_takes_what_its_client_was_pushed():
    broker = ideal(sends=1, visibility_timeout=SECOND)
    broker.subscribe(0, "q", 7, prefetch=1)
    broker.wake(0)
    [(_, (delivery,))] = broker.deliveries()
    broker.take(1, delivery)
    assert delivery.message.is_taken
    broker.wake(SECOND)
    [(_, (again,))] = broker.deliveries()
    broker.take(SECOND, delivery)  # too late: it works on it all the same
    assert not again.message.is_taken
    assert [row[2:4] for row in broker.journal.read() if row[5] == Kind.TAKEN] == [(7, 1), (7, 1)]


def test_a_pushed_row_says_0_for_the_messages_of_its_call():
    broker = ideal(sends=3)
    broker.subscribe(0, "q", 1, prefetch=1)
    broker.wake(0)
    broker.receive(1, "q", 2, limit=2)
    assert [row[6] for row in broker.journal.read() if row[5] == Kind.RECEIVED] == [0, 2, 2]


# --- the driver's choice --------------------------------------------------------------------------------------------------


def test_who_was_passed_over_keeps_its_place_in_every_order():
    for changes in ({}, {"order": Order.LIFO}, {"order": Order.PRIORITY, "levels": 2}):
        broker = ideal(sends=4, **changes)
        order = [message.number for message in broker.queues["q"].ready]
        assert [m.number for m in broker.queues["q"].ready.candidates(2)] == order[:2]
        chosen = order.pop(1)
        assert numbers(broker.receive(0, "q", "c", choice=1)) == [chosen]
        assert numbers(broker.receive(0, "q", "c", limit=9)) == order


def test_groups_leave_no_choice():
    broker = Broker({"q": SQS_FIFO})
    for _ in range(3):
        broker.send(0, "q", group="A")
    assert numbers(broker.receive(0, "q", "c", choice=2)) == [0]


def test_a_standard_queue_returns_what_was_passed_over_before_later_ones():
    broker = Broker({"q": SQS_STANDARD})
    for _ in range(3):
        broker.send(0, "q")
    broker.receive(0, "q", "c", choice=1)
    broker.send(1, "q")
    assert numbers(broker.receive(2, "q", "c", limit=9)) == [0, 2, 3]
