"""What a receive does, by rule."""

from dataclasses import replace

from qsim.brokers import IDEAL, SQS_FIFO, SQS_STANDARD
from qsim.kernel.broker import Broker
from qsim.kernel.journal import Cause, Kind
from qsim.units import HOUR, SECOND


def standard(sends=0, **changes):
    broker = Broker({"q": replace(SQS_STANDARD, **changes)})
    for _ in range(sends):
        broker.send(0, "q")
    return broker


def fifo(groups="", **changes):
    """A message for each letter, of that group."""
    broker = Broker({"q": replace(SQS_FIFO, **changes)})
    for group in groups:
        broker.send(0, "q", group=group)
    return broker


def numbers(deliveries):
    return [delivery.message.number for delivery in deliveries]


# --- waiting --------------------------------------------------------------------------------------------------------


def test_a_short_poll_of_an_empty_queue_is_empty_at_once_and_that_is_a_row():
    broker = standard()  # SQS-9
    answer = broker.receive(0, "q", 5)
    assert answer == ()
    assert answer.credit is None
    assert [(row[0], row[2], row[5]) for row in broker.journal.read()] == [(0, 5, Kind.EMPTY_RECEIVE)]


def test_a_long_poll_returns_with_the_first_message_and_does_not_wait_to_fill_the_batch():
    broker = standard()  # SQS-9
    credit = broker.receive(0, "q", "c", limit=10, wait=20 * SECOND).credit
    broker.send(3 * SECOND, "q")
    broker.wake(3 * SECOND)
    broker.send(3 * SECOND, "q")
    [(served, deliveries)] = broker.deliveries()
    assert (served, numbers(deliveries)) == (credit, [0])
    assert not credit.is_open


def test_a_long_poll_that_gets_nothing_ends_when_its_wait_is_over():
    broker = standard()  # SQS-9
    credit = broker.receive(0, "q", "c", wait=2 * SECOND).credit
    assert broker.wake_at() == 2 * SECOND
    broker.wake(2 * SECOND - 1)
    assert broker.deliveries() == []
    broker.wake(2 * SECOND)
    assert broker.deliveries() == [(credit, ())]
    assert broker.wake_at() is None


def test_a_long_poll_still_gets_what_comes_in_its_last_instant():
    broker = standard()
    broker.receive(0, "q", "c", wait=2 * SECOND)
    broker.send(2 * SECOND - 1, "q", delay=1)
    broker.wake(2 * SECOND)
    assert [numbers(deliveries) for _, deliveries in broker.deliveries()] == [[0]]


def test_a_waiting_receive_sees_the_end_of_a_timeout_and_of_a_delay_at_once():
    broker = standard()  # SQS-9
    broker.send(0, "q")
    broker.receive(0, "q", "a", visibility_timeout=2 * SECOND)
    broker.send(0, "q", delay=3 * SECOND)
    for client in "bc":
        broker.receive(0, "q", client, wait=20 * SECOND)
    for due in (2, 3):
        assert broker.wake_at() == due * SECOND
        broker.wake(due * SECOND)
        assert [numbers(deliveries) for _, deliveries in broker.deliveries()] == [[due - 2]]


def test_who_waits_longest_is_served_first_and_gives_nothing_to_who_asks_later():
    broker = standard()
    first, second = (broker.receive(t, "q", client, wait=SECOND).credit for t, client in enumerate("ab"))
    broker.send(5, "q")
    assert broker.receive(5, "q", "c") == ()
    broker.send(6, "q")
    broker.wake(6)
    assert [(credit, numbers(got)) for credit, got in broker.deliveries()] == [(first, [0]), (second, [1])]


def test_a_cancelled_receive_waits_no_more():
    broker = standard()
    credit = broker.receive(0, "q", "a", wait=9 * SECOND).credit
    other = broker.receive(1, "q", "b", wait=9 * SECOND).credit
    broker.cancel(2, credit)
    broker.send(3, "q")
    broker.wake(3)
    assert [credit for credit, _ in broker.deliveries()] == [other]
    broker.wake(20 * SECOND)
    assert broker.deliveries() == []


def test_a_served_receive_is_over_it_gets_no_second_message_and_no_end():
    broker = standard()
    broker.receive(0, "q", "a", wait=5 * SECOND)
    broker.send(1, "q")
    broker.wake(1)
    assert len(broker.deliveries()) == 1
    broker.send(2, "q")
    broker.wake(9 * SECOND)
    assert broker.deliveries() == []
    assert broker.overview()["q"]["visible"] == 1


def test_a_waiting_receive_takes_a_batch():
    broker = standard()
    broker.receive(0, "q", "a", limit=10, wait=SECOND)
    broker.send_batch(1, "q", [{}] * 3)
    broker.wake(1)
    assert [numbers(deliveries) for _, deliveries in broker.deliveries()] == [[0, 1, 2]]


def test_what_a_receive_may_not_ask():
    broker = standard()  # SQS limits
    assert broker.receive(0, "q", "c", limit=0).refused is Cause.TOO_MANY
    assert broker.receive(0, "q", "c", limit=11).refused is Cause.TOO_MANY
    assert broker.receive(0, "q", "c", wait=20 * SECOND + 1).refused is Cause.OUT_OF_RANGE  # SQS-9
    assert broker.receive(0, "q", "c", wait=None).refused is Cause.OUT_OF_RANGE
    assert broker.receive(0, "q", "c", visibility_timeout=12 * HOUR + 1).refused is Cause.OUT_OF_RANGE  # SQS-10
    assert [row[5] for row in broker.journal.read()] == [Kind.REFUSED] * 5
    assert broker.receive(0, "q", "c", limit=10, wait=0, visibility_timeout=12 * HOUR).refused is Cause.NONE


# --- the lease ------------------------------------------------------------------------------------------------------


def test_a_message_not_acked_in_time_comes_back():
    broker = standard(sends=1)  # SQS-10, SQS-11
    [first] = broker.receive(0, "q", "slow")
    assert broker.wake_at() == 30 * SECOND
    assert broker.receive(30 * SECOND - 1, "q", "quick") == ()
    [again] = broker.receive(30 * SECOND, "q", "quick")
    assert (again.message, again.attempt, again.receipt == first.receipt) == (first.message, 2, False)


def test_the_receives_own_timeout_wins_over_the_queues_and_only_this_once():
    broker = standard(sends=1)  # SQS-10
    broker.receive(0, "q", "c", visibility_timeout=5 * SECOND)
    assert len(broker.receive(5 * SECOND, "q", "c")) == 1
    assert broker.wake_at() == 35 * SECOND


def test_with_a_timeout_of_0_it_stays_visible_and_the_receive_counts():
    broker = standard(sends=1)  # SQS-10
    attempts = [broker.receive(0, "q", "c", visibility_timeout=0)[0].attempt for _ in range(3)]
    assert attempts == [1, 2, 3]
    assert broker.overview()["q"] == {"visible": 1, "in_flight": 0, "delayed": 0, "deferred": 0}


def test_deadlines_that_end_out_of_order_are_kept_apart():
    broker = standard(sends=3, retention=None)
    for seconds in (30, 10, 20):
        broker.receive(0, "q", "c", visibility_timeout=seconds * SECOND)
    seen = []
    while (due := broker.wake_at()) is not None:
        broker.wake(due)
        seen.append((due // SECOND, broker.overview()["q"]["visible"]))
    assert seen == [(10, 1), (20, 2), (30, 3)]


# --- order ----------------------------------------------------------------------------------------------------------


def test_standard_returns_to_its_place_and_from_the_third_receive_to_the_back():
    broker = standard(sends=3)  # SQS-23, SQS-12
    for attempt in (1, 2, 3):
        [delivery] = broker.receive(attempt, "q", "c")
        assert (delivery.message.number, delivery.attempt) == (0, attempt)
        broker.nack(attempt, delivery)
    assert numbers(broker.receive(9, "q", "c", limit=3)) == [1, 2, 0]


def test_the_driver_may_choose_which_candidate_a_standard_queue_hands_out():
    broker = standard(sends=4)  # SQS-12: best effort
    assert numbers(broker.receive(0, "q", "c", choice=2)) == [2]
    assert numbers(broker.receive(0, "q", "c", choice=9)) == [3]
    assert numbers(broker.receive(0, "q", "c", limit=9)) == [0, 1]


def test_a_message_may_be_delivered_twice_and_the_old_receipt_is_good_until_then():
    broker = standard(sends=1)  # SQS-12: at least once
    [first] = broker.receive(0, "q", "a")
    assert broker.duplicate(0, first)
    assert not broker.duplicate(0, first)
    [second] = broker.receive(1, "q", "b")
    assert (second.message, second.attempt) == (first.message, 2)
    assert broker.ack(2, first) is Cause.RECEIVED_AGAIN
    assert broker.ack(2, second) is Cause.NONE


def test_while_one_of_a_group_is_in_flight_later_receives_skip_the_group():
    broker = fifo("AAB")  # SQS-13
    [a1] = broker.receive(0, "q", "x")
    assert numbers(broker.receive(0, "q", "y", limit=10)) == [2]
    assert broker.receive(0, "q", "z") == ()
    broker.ack(1, a1)
    assert numbers(broker.receive(1, "q", "y")) == [1]


def test_one_receive_takes_as_many_of_a_group_as_possible_then_others():
    assert numbers(fifo("ABAAB").receive(0, "q", "c", limit=10)) == [0, 2, 3, 1, 4]  # SQS-13
    assert numbers(fifo("ABAAB").receive(0, "q", "c", limit=4)) == [0, 2, 3, 1]


def test_a_group_is_free_when_all_its_messages_are_deleted():
    broker = fifo("AAA")  # SQS-14
    a1, a2 = broker.receive(0, "q", "c", limit=2)
    broker.ack(1, a2)
    assert broker.receive(1, "q", "c") == ()
    broker.ack(2, a1)
    assert numbers(broker.receive(2, "q", "c")) == [2]


def test_when_the_timeouts_end_redelivery_starts_at_the_oldest():
    broker = fifo("AAA")  # SQS-14
    broker.receive(0, "q", "c", limit=2)
    assert numbers(broker.receive(30 * SECOND, "q", "c", limit=10)) == [0, 1, 2]


def test_a_group_blocked_by_one_expired_and_one_held_message_waits_for_both():
    broker = fifo("AAA")  # SQS-14
    a1, a2 = broker.receive(0, "q", "c", limit=2)
    broker.extend(0, a2, 60 * SECOND)
    assert broker.receive(30 * SECOND, "q", "c") == ()
    assert numbers(broker.receive(60 * SECOND, "q", "c", limit=3)) == [0, 1, 2]
    assert broker.ack(60 * SECOND, a1) is Cause.RECEIVED_AGAIN


def test_a_message_given_back_is_first_of_its_group():
    broker = fifo("AA")  # SQS-23
    [a1] = broker.receive(0, "q", "c")
    broker.nack(0, a1)
    assert [(d.message.number, d.attempt) for d in broker.receive(1, "q", "c", limit=2)] == [(0, 2), (1, 1)]


def test_only_the_first_messages_are_searched_for_a_free_group():
    broker = fifo("AAABB", look_ahead=3)  # SQS-15
    [a1] = broker.receive(0, "q", "c")
    assert broker.receive(0, "q", "c") == ()  # B stands behind three of A
    broker.ack(1, a1)
    assert numbers(broker.receive(1, "q", "c", limit=2)) == [1, 2]
    assert numbers(broker.receive(1, "q", "c")) == [3]  # the first B is among three now


def test_a_delayed_message_queues_for_the_look_ahead_when_it_becomes_visible():
    broker = fifo("AAB", look_ahead=2, delay=SECOND)  # SQS-15
    broker.receive(SECOND, "q", "c")
    assert broker.receive(SECOND, "q", "c") == ()


# --- limits in flight -----------------------------------------------------------------------------------------------


def test_at_the_limit_in_flight_a_standard_receive_is_an_error():
    broker = standard(sends=3, max_in_flight=2)  # SQS limits: OverLimit
    first, _ = broker.receive(0, "q", "c", limit=10)
    assert broker.receive(1, "q", "c").refused is Cause.OVER_LIMIT
    broker.ack(2, first)
    assert numbers(broker.receive(3, "q", "c")) == [2]


def test_the_limit_is_120_000():
    for profile, refused in ((SQS_STANDARD, Cause.OVER_LIMIT), (SQS_FIFO, Cause.NONE)):
        broker = Broker({"q": replace(profile, throttle=None)})  # SQS limits
        for n in range(120_001):
            broker.send(0, "q", group=n)
        held = sum(len(broker.receive(1, "q", "c", limit=10)) for _ in range(12_000))
        one_more = broker.receive(1, "q", "c")
        assert (held, one_more, one_more.refused) == (120_000, (), refused)
        assert (broker.queues["q"].in_flight, broker.queues["q"].visible) == (120_000, 1)


def test_at_the_limit_in_flight_a_fifo_receive_is_silently_empty():
    broker = fifo("ABC", max_in_flight=2)  # SQS limits
    assert numbers(broker.receive(0, "q", "c", limit=10)) == [0, 1]
    answer = broker.receive(1, "q", "c")
    assert (answer, answer.refused) == ((), Cause.NONE)


def test_a_receive_that_waits_at_the_limit_is_served_when_one_is_settled():
    broker = fifo("AB", max_in_flight=1)
    [a] = broker.receive(0, "q", "c")
    broker.receive(1, "q", "d", wait=9 * SECOND)
    broker.ack(2, a)
    broker.wake(2)
    assert [numbers(deliveries) for _, deliveries in broker.deliveries()] == [[1]]


def test_the_ideal_receive_waits_for_ever():
    broker = Broker({"q": IDEAL})
    broker.receive(0, "q", "c", wait=None)
    assert broker.wake_at() is None
    broker.send(10 * HOUR, "q")
    broker.wake(10 * HOUR)
    assert [numbers(deliveries) for _, deliveries in broker.deliveries()] == [[0]]
