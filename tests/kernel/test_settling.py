"""Ack, nack and extend, by rule: which receipts still work, and for how long."""

from dataclasses import replace

import pytest

from qsim.brokers import IDEAL, SQS_FIFO, SQS_STANDARD
from qsim.kernel.broker import Broker
from qsim.kernel.journal import Cause, Kind
from qsim.kernel.profile import DeadLetter, ReturnsTo, Stale
from qsim.units import DAY, HOUR, SECOND


def received(profile, sends=1, **changes):
    """A broker, and the delivery of its first message at time 0."""
    broker = Broker({"q": replace(profile, **changes)})
    for _ in range(sends):
        broker.send(0, "q", group="A")
    [delivery] = broker.receive(0, "q", "c")
    return broker, delivery


def kinds(broker):
    return [Kind(row[5]) for row in broker.journal.read()]


def places(broker):
    return tuple(broker.overview()["q"].values())


# --- ack ------------------------------------------------------------------------------------------------------------


def test_an_ack_deletes_and_the_second_one_does_nothing():
    broker, delivery = received(SQS_STANDARD)  # SQS-17
    assert broker.ack(1, delivery) is Cause.NONE
    assert broker.ack(2, delivery) is Cause.NO_MESSAGE
    assert places(broker) == (0, 0, 0, 0)
    assert kinds(broker)[-2:] == [Kind.ACKED, Kind.STALE]


def test_standard_after_the_timeout_the_receipt_works_until_it_is_received_again():
    broker, first = received(SQS_STANDARD)  # SQS-18
    broker.wake(30 * SECOND)
    assert broker.ack(31 * SECOND, first) is Cause.NONE
    assert places(broker) == (0, 0, 0, 0)
    assert broker.receive(32 * SECOND, "q", "c") == ()


def test_standard_an_old_receipt_deletes_nothing():
    broker, first = received(SQS_STANDARD)  # SQS-18
    [second] = broker.receive(30 * SECOND, "q", "d")
    assert broker.ack(31 * SECOND, first) is Cause.RECEIVED_AGAIN
    assert places(broker) == (0, 1, 0, 0)
    assert broker.ack(32 * SECOND, second) is Cause.NONE


def test_fifo_after_the_timeout_an_ack_is_an_error_and_deletes_nothing():
    broker, first = received(SQS_FIFO)  # SQS-19
    broker.wake(30 * SECOND)
    assert broker.ack(30 * SECOND, first) is Cause.RECEIPT_EXPIRED
    assert places(broker) == (1, 0, 0, 0)


def test_an_ack_at_the_very_instant_at_which_the_lease_ends_still_counts():
    broker, delivery = received(SQS_FIFO)  # SCENARIO.md rule 6
    assert broker.ack(30 * SECOND, delivery) is Cause.NONE
    broker.wake(30 * SECOND)
    assert kinds(broker)[-1] is Kind.ACKED


def test_an_extension_at_the_very_instant_at_which_the_lease_ends_still_counts():
    broker, delivery = received(SQS_STANDARD)
    assert broker.extend(30 * SECOND, delivery, 10 * SECOND) is Cause.NONE
    broker.wake(40 * SECOND - 1)
    assert places(broker) == (0, 1, 0, 0)


def test_a_receive_at_the_instant_at_which_the_lease_ends_comes_after_it():
    broker, delivery = received(SQS_STANDARD)
    assert len(broker.receive(30 * SECOND, "q", "d")) == 1
    assert broker.ack(30 * SECOND, delivery) is Cause.RECEIVED_AGAIN


@pytest.mark.parametrize(
    ("does", "answer", "left"),
    [(Stale.DELETES, Cause.NONE, 0), (Stale.IGNORED, Cause.RECEIVED_AGAIN, 1), (Stale.ERROR, Cause.RECEIVED_AGAIN, 1)],
)
def test_a_profile_says_what_an_old_receipt_does(does, answer, left):
    broker, first = received(SQS_STANDARD, stale_ack=(does, does))
    [second] = broker.receive(30 * SECOND, "q", "d")
    assert broker.ack(31 * SECOND, first) is answer
    assert broker.queues["q"].depth == left
    assert (broker.ack(32 * SECOND, second) is Cause.NONE) == bool(left)


# --- nack -----------------------------------------------------------------------------------------------------------


def test_a_nack_makes_it_visible_at_once():
    broker, delivery = received(SQS_STANDARD)  # SQS-21
    assert broker.nack(1, delivery) is Cause.NONE
    assert places(broker) == (1, 0, 0, 0)
    assert broker.wake_at() == 4 * DAY  # nothing but its retention


def test_an_extension_by_0_is_a_nack():
    broker, delivery = received(SQS_STANDARD)  # SQS-21
    broker.extend(1, delivery, 0)
    assert kinds(broker)[-1] is Kind.NACKED


def test_sqs_hides_a_message_nacked_with_a_delay_in_flight_and_that_is_no_lost_lease():
    broker, delivery = received(SQS_STANDARD)  # SQS-21
    broker.nack(SECOND, delivery, delay=5 * SECOND)
    assert places(broker) == (0, 1, 0, 0)
    broker.wake(6 * SECOND)
    assert places(broker) == (1, 0, 0, 0)
    assert kinds(broker)[-1] is Kind.RETURNED


def test_the_ideal_queue_delays_a_message_nacked_with_a_delay():
    broker, delivery = received(IDEAL)
    broker.nack(SECOND, delivery, delay=5 * SECOND)
    assert places(broker) == (0, 0, 1, 0)
    broker.wake(6 * SECOND)
    assert kinds(broker)[-2:] == [Kind.NACKED, Kind.VISIBLE]


def test_a_nack_of_a_message_that_is_visible_again_does_nothing():
    broker, delivery = received(SQS_STANDARD)  # SQS-22
    broker.wake(30 * SECOND)
    assert broker.nack(31 * SECOND, delivery) is Cause.NOT_IN_FLIGHT
    broker.receive(32 * SECOND, "q", "d")
    assert broker.nack(33 * SECOND, delivery) is Cause.RECEIVED_AGAIN
    assert places(broker) == (0, 1, 0, 0)
    assert kinds(broker)[-1] is Kind.STALE


@pytest.mark.parametrize(
    ("returns_to", "order"),
    [(ReturnsTo.PLACE, [0, 1, 2]), (ReturnsTo.HEAD, [1, 0, 2]), (ReturnsTo.TAIL, [2, 1, 0])],
)
def test_a_profile_says_where_a_returned_message_queues(returns_to, order):
    broker = Broker({"q": replace(IDEAL, returns_to=returns_to)})
    for _ in range(3):
        broker.send(0, "q")
    first, second = broker.receive(0, "q", "c", limit=2)
    broker.nack(1, second)
    broker.nack(1, first)
    assert [d.message.number for d in broker.receive(2, "q", "c", limit=3)] == order


# --- extend ---------------------------------------------------------------------------------------------------------


def test_an_extension_counts_from_now_and_is_not_added_to_what_is_left():
    broker, delivery = received(SQS_STANDARD)  # SQS-21
    broker.extend(20 * SECOND, delivery, 30 * SECOND)
    broker.wake(50 * SECOND - 1)
    assert places(broker) == (0, 1, 0, 0)
    broker.wake(50 * SECOND)
    assert places(broker) == (1, 0, 0, 0)


def test_an_extension_may_shorten():
    broker, delivery = received(SQS_STANDARD)  # SQS-21
    broker.extend(SECOND, delivery, SECOND)
    assert broker.wake_at() == 2 * SECOND


def test_an_extension_is_forgotten_at_the_next_receive():
    broker, delivery = received(SQS_STANDARD)  # SQS-22
    broker.extend(0, delivery, 100 * SECOND)
    broker.nack(1, delivery)
    broker.receive(SECOND, "q", "c")
    assert broker.wake_at() == 31 * SECOND


def test_the_twelve_hours_count_from_the_receive_and_more_is_an_error_no_clamp():
    broker, delivery = received(SQS_STANDARD)  # SQS-22
    assert broker.extend(0, delivery, 12 * HOUR) is Cause.NONE
    assert broker.extend(SECOND, delivery, 12 * HOUR) is Cause.OUT_OF_RANGE
    assert broker.extend(SECOND, delivery, 12 * HOUR - SECOND) is Cause.NONE
    broker.nack(2 * HOUR, delivery)
    [again] = broker.receive(2 * HOUR, "q", "c")
    assert broker.extend(2 * HOUR, again, 12 * HOUR) is Cause.NONE


def test_a_nack_cannot_hide_it_for_longer_than_that_either():
    broker, delivery = received(SQS_STANDARD)  # SQS-22
    assert broker.nack(SECOND, delivery, delay=12 * HOUR) is Cause.OUT_OF_RANGE
    assert places(broker) == (0, 1, 0, 0)


def test_an_extension_of_what_is_visible_again_or_gone_does_nothing():
    broker, delivery = received(SQS_STANDARD)  # SQS-22
    broker.wake(30 * SECOND)
    assert broker.extend(31 * SECOND, delivery, 60 * SECOND) is Cause.NOT_IN_FLIGHT
    assert places(broker) == (1, 0, 0, 0)
    broker.ack(32 * SECOND, delivery)
    assert broker.extend(33 * SECOND, delivery, 60 * SECOND) is Cause.NO_MESSAGE


# --- a client that is gone --------------------------------------------------------------------------------------------


def test_when_an_sqs_consumer_crashes_nothing_happens_until_the_timeout():
    broker, _ = received(SQS_STANDARD)  # SQS-33
    broker.forget(5 * SECOND, "c")
    assert places(broker) == (0, 1, 0, 0)
    assert broker.wake_at() == 30 * SECOND


def test_when_an_ideal_consumer_crashes_what_it_held_is_back_at_once_in_its_place():
    broker = Broker({"q": IDEAL})
    for _ in range(3):
        broker.send(0, "q")
    for _ in range(2):
        broker.receive(0, "q", "c")
    broker.forget(1, "c")
    assert [d.message.number for d in broker.receive(1, "q", "d", limit=3)] == [0, 1, 2]
    assert kinds(broker).count(Kind.RETURNED) == 2


def test_a_crash_takes_only_what_its_own_client_held():
    broker = Broker({"q": IDEAL})
    for _ in range(2):
        broker.send(0, "q")
    for client in "ab":
        broker.receive(0, "q", client)
    broker.forget(1, "a")
    assert places(broker) == (1, 1, 0, 0)
    broker.forget(1, "nobody")


def test_the_receives_of_a_client_that_is_gone_wait_no_more():
    broker = Broker({"q": SQS_STANDARD})
    broker.receive(0, "q", "c", wait=9 * SECOND)
    broker.forget(1, "c")
    broker.send(2, "q")
    broker.wake(20 * SECOND)
    assert broker.deliveries() == []
    assert places(broker) == (1, 0, 0, 0)


# --- many at once -------------------------------------------------------------------------------------------------------


def test_an_ack_up_to_a_delivery_settles_what_its_session_got_before_it():
    broker = Broker({"q": IDEAL, "p": IDEAL})
    for queue in "qqqp":
        broker.send(0, queue)
    mine = [broker.receive(0, queue, "c")[0] for queue in "qqpq"]
    assert broker.ack_up_to(1, mine[1]) == [Cause.NONE, Cause.NONE]
    assert broker.overview()["q"]["in_flight"] == 1
    assert broker.overview()["p"]["in_flight"] == 1
    assert broker.ack_session(2, "c") == [Cause.NONE, Cause.NONE]


def test_a_rejected_message_is_dead_lettered_or_dropped():
    broker = Broker({"q": replace(IDEAL, dlq=DeadLetter("dlq", None)), "dlq": IDEAL})
    broker.send(0, "q")
    [delivery] = broker.receive(0, "q", "c")
    assert broker.reject(1, delivery) is Cause.NONE
    assert broker.overview()["dlq"]["visible"] == 1
    [last] = broker.receive(2, "dlq", "c")
    broker.reject(3, last)
    rows = broker.journal.read()
    assert [(Kind(row[5]), row[6]) for row in rows[-2:]] == [(Kind.NACKED, 3), (Kind.DROPPED, Cause.REJECTED)]
    assert broker.queues["dlq"].depth == 0
    assert broker.reject(4, last) is Cause.NO_MESSAGE


def test_a_driver_may_let_a_lease_end_by_hand():
    broker, delivery = received(IDEAL)
    broker.expire(5, delivery)
    assert kinds(broker)[-1] is Kind.LEASE_ENDED
    broker.expire(6, delivery)  # it is over: nothing
    assert places(broker) == (1, 0, 0, 0)
