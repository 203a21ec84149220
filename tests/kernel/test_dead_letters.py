"""Dead-letter queues, redrive, retention and purge, by rule: how a message leaves a queue without an ack."""

from dataclasses import replace

import pytest

from qsim.brokers import IDEAL, SQS_FIFO, SQS_STANDARD
from qsim.kernel.broker import Broker
from qsim.kernel.journal import Cause, Kind, Place
from qsim.kernel.profile import Capacity, DeadLetter, Order, Overflow
from qsim.units import DAY, MINUTE, SECOND


def with_dlq(profile, most, sends=1, **changes):
    broker = Broker({"dlq": profile, "q": replace(profile, dlq=DeadLetter("dlq", most), **changes)})
    for _ in range(sends):
        broker.send(0, "q", group="A")
    return broker


def fail(broker, time, queue="q"):
    """Receive and give back at once; what was received."""
    deliveries = broker.receive(time, queue, "c")
    for delivery in deliveries:
        broker.nack(time, delivery)
    return [delivery.attempt for delivery in deliveries]


def numbers(deliveries):
    return [delivery.message.number for delivery in deliveries]


def visible(broker, queue):
    return broker.overview()[queue]["visible"]


# --- lazily, at the receive that would exceed it ----------------------------------------------------------------------


def test_sqs_delivers_n_times_and_moves_at_the_next_receive_not_before():
    broker = with_dlq(SQS_STANDARD, 2)  # SQS-24
    assert [fail(broker, t) for t in (1, 2)] == [[1], [2]]
    broker.wake(MINUTE)
    assert (visible(broker, "q"), visible(broker, "dlq")) == (1, 0)
    assert fail(broker, MINUTE) == []
    assert (visible(broker, "q"), visible(broker, "dlq")) == (0, 1)
    [row] = [row for row in broker.journal.read() if row[5] == Kind.DEAD_LETTERED]
    assert (row[0], row[6], row[7]) == (MINUTE, Cause.MAX_RECEIVES, 0 << 8 | Place.READY)


def test_the_receive_that_moves_a_message_goes_on_to_the_next():
    broker = with_dlq(SQS_STANDARD, 1, sends=3)  # SQS-24
    fail(broker, 1)
    assert numbers(broker.receive(2, "q", "c", limit=10)) == [1, 2]


def test_the_receive_count_goes_on_in_the_dead_letter_queue():
    broker = with_dlq(SQS_STANDARD, 2)  # SQS-28
    for t in range(3):
        fail(broker, t)
    assert fail(broker, 5, "dlq") == [3]


def test_each_queue_counts_its_own_deliveries_against_its_own_limit():
    profile = replace(SQS_STANDARD, dlq=DeadLetter("last", 2))  # SQS-24, SQS-28
    broker = Broker({"q": replace(SQS_STANDARD, dlq=DeadLetter("dlq", 2)), "dlq": profile, "last": SQS_STANDARD})
    broker.send(0, "q")
    for t in range(3):
        fail(broker, t)
    assert [fail(broker, t, "dlq") for t in (3, 4, 5)] == [[3], [4], []]
    assert fail(broker, 6, "last") == [5]


def test_while_a_receive_waits_a_used_up_message_is_moved_at_the_instant_it_becomes_visible():
    broker = with_dlq(SQS_STANDARD, 1)  # SCENARIO.md: a waiting receive is a receive
    [held] = broker.receive(0, "q", "a")
    credit = broker.receive(0, "q", "b", wait=20 * SECOND).credit
    broker.extend(SECOND, held, SECOND)
    broker.wake(2 * SECOND)
    assert visible(broker, "dlq") == 1
    assert credit.is_open
    broker.send(3 * SECOND, "q")
    broker.wake(3 * SECOND)
    assert [numbers(deliveries) for _, deliveries in broker.deliveries()] == [[1]]


@pytest.mark.parametrize("order", [("dlq", "q"), ("q", "dlq")])
def test_who_waits_at_the_dead_letter_queue_is_served_at_the_instant_of_the_move(order):
    profiles = {"dlq": SQS_STANDARD, "q": replace(SQS_STANDARD, dlq=DeadLetter("dlq", 1))}
    broker = Broker({name: profiles[name] for name in order})
    broker.receive(0, "dlq", "undertaker", wait=20 * SECOND)
    broker.send(1, "q")
    fail(broker, 2)
    assert fail(broker, 3) == []
    assert broker.wake_at() == 3
    broker.wake(3)
    assert [numbers(deliveries) for _, deliveries in broker.deliveries()] == [[0]]
    assert broker.journal.read()[-1][0] == 3


@pytest.mark.parametrize("limit", [1, 10])
def test_a_receive_that_moves_one_and_gets_another_leaves_the_move_to_who_waits_there(limit):
    broker = with_dlq(SQS_STANDARD, 1, sends=2)  # SQS-24
    broker.receive(0, "dlq", "undertaker", wait=20 * SECOND)
    fail(broker, 2)
    assert numbers(broker.receive(3, "q", "c", limit=limit)) == [1]
    broker.wake(3)
    assert [numbers(deliveries) for _, deliveries in broker.deliveries()] == [[0]]
    assert broker.journal.read()[-1][0] == 3


def test_both_waiting_at_both_queues_the_dead_letter_is_served_at_its_instant():
    broker = with_dlq(SQS_STANDARD, 1)
    broker.receive(0, "q", "a", visibility_timeout=SECOND)
    broker.receive(0, "q", "b", wait=9 * SECOND)
    broker.receive(0, "dlq", "undertaker", wait=9 * SECOND)
    broker.wake(SECOND)
    assert [numbers(deliveries) for _, deliveries in broker.deliveries()] == [[0]]
    assert broker.journal.read()[-1][0] == SECOND


def test_in_a_fifo_queue_a_poison_message_blocks_its_group_until_it_is_moved():
    broker = with_dlq(SQS_FIFO, 2, sends=2)  # SQS-27
    assert [fail(broker, t) for t in (1, 2)] == [[1], [2]]
    assert numbers(broker.receive(3, "q", "c")) == [1]
    assert numbers(broker.receive(3, "dlq", "c")) == [0]


def test_a_fifo_receive_of_several_passes_over_the_used_up_ones_in_the_middle_of_a_group():
    broker = with_dlq(SQS_FIFO, 1, sends=4)
    a0, a1 = broker.receive(1, "q", "c", limit=2)
    broker.ack(2, a0)
    broker.nack(2, a1)
    assert numbers(broker.receive(3, "q", "c", limit=10)) == [2, 3]
    assert broker.receive(3, "q", "d") == ()
    assert visible(broker, "dlq") == 1


def test_behind_a_used_up_head_the_oldest_of_all_groups_is_next():
    broker = Broker({"dlq": SQS_FIFO, "q": replace(SQS_FIFO, dlq=DeadLetter("dlq", 1))})
    for number, group in enumerate("CBC"):
        broker.send(0, "q", group=group, dedup=number)
    fail(broker, 1)
    assert numbers(broker.receive(2, "q", "c")) == [1]


def test_a_dead_letter_is_no_duplicate_of_another():
    broker = Broker({"dlq": SQS_FIFO, "q": replace(SQS_FIFO, dlq=DeadLetter("dlq", 1))})  # SQS-27
    broker.send(0, "dlq", group="A", dedup="d")
    broker.send(0, "q", group="A", dedup="d")
    fail(broker, 1)
    fail(broker, 2)
    assert visible(broker, "dlq") == 2


# --- eagerly, at the return -------------------------------------------------------------------------------------------


def test_the_ideal_queue_dead_letters_at_the_return_after_the_last_delivery():
    broker = with_dlq(IDEAL, 2)
    assert fail(broker, 1) == [1]
    assert visible(broker, "dlq") == 0
    assert fail(broker, 2) == [2]
    assert (visible(broker, "q"), visible(broker, "dlq")) == (0, 1)
    assert fail(broker, 3, "dlq") == [1]  # counted anew


def test_it_also_does_at_the_end_of_a_lease_and_at_a_crash():
    broker = with_dlq(IDEAL, 1, sends=2, visibility_timeout=SECOND)
    broker.receive(0, "q", "a")
    broker.receive(0, "q", "b")
    broker.forget(1, "b")
    assert visible(broker, "dlq") == 1
    broker.wake(SECOND)
    assert visible(broker, "dlq") == 2
    rows = [row for row in broker.journal.read() if row[5] == Kind.DEAD_LETTERED]
    assert [(row[0], row[7] & 255) for row in rows] == [(1, Place.LEASED), (SECOND, Place.LEASED)]


def test_a_priority_is_kept_through_a_dead_letter_queue_without_any():
    ranked = replace(IDEAL, order=Order.PRIORITY, levels=3)
    broker = Broker({"q": replace(ranked, dlq=DeadLetter("dlq", 1)), "dlq": IDEAL, "few": replace(ranked, levels=2)})
    for level in (2, 1):
        broker.send(0, "q", level=level)
        fail(broker, 1)
    broker.redrive(2, "dlq", "q")
    assert numbers(broker.receive(3, "q", "c", limit=2)) == [1, 0]
    broker.ack_session(4, "c")
    broker.send(5, "dlq", 9, level=2)
    broker.redrive(6, "dlq", "few")
    assert numbers(broker.receive(7, "few", "c")) == [9]


# --- redrive -----------------------------------------------------------------------------------------------------------


def test_a_redrive_moves_the_oldest_first_as_new_messages_behind_what_is_there():
    broker = with_dlq(SQS_STANDARD, 1, sends=3)  # SQS-29
    for t in range(1, 5):
        fail(broker, t)
    broker.send(5, "q")
    assert broker.redrive(6, "dlq", "q", limit=2) == 2
    got = broker.receive(7, "q", "c", limit=10)
    assert [(d.message.number, d.attempt) for d in got] == [(3, 1), (0, 1), (1, 1)]
    assert visible(broker, "dlq") == 1


def test_a_redrive_leaves_what_is_in_flight():
    broker = Broker({"dlq": SQS_STANDARD, "q": SQS_STANDARD})
    for _ in range(2):
        broker.send(0, "dlq")
    [held] = broker.receive(0, "dlq", "c")
    assert broker.redrive(1, "dlq", "q") == 1
    assert broker.ack(2, held) is Cause.NONE
    assert broker.overview()["q"]["visible"] == 1


def test_a_redrive_takes_the_visible_messages_of_blocked_groups_too():
    broker = Broker({"dlq": SQS_FIFO, "q": SQS_FIFO})
    for group in "AAB":
        broker.send(0, "dlq", group=group)
    broker.receive(0, "dlq", "c")
    assert broker.redrive(1, "dlq", "q") == 2
    assert numbers(broker.receive(2, "q", "c", limit=9)) == [1, 2]


def test_a_redrive_to_itself_ends():
    broker = Broker({"q": SQS_STANDARD})
    for _ in range(3):
        broker.send(0, "q")
    assert broker.redrive(1, "q", "q") == 3
    assert visible(broker, "q") == 3


# --- retention and ttl --------------------------------------------------------------------------------------------------


def test_retention_deletes_silently_counted_from_the_send_delay_included():
    broker = with_dlq(SQS_STANDARD, 5, sends=0, retention=MINUTE)  # SQS-30
    broker.send(0, "q", delay=30 * SECOND)
    broker.wake(MINUTE - 1)
    assert visible(broker, "q") == 1
    assert broker.wake_at() == MINUTE
    broker.wake(MINUTE)
    assert (broker.queues["q"].depth, broker.queues["dlq"].depth) == (0, 0)
    row = broker.journal.read()[-1]
    assert (row[0], row[5], row[6], row[7]) == (MINUTE, Kind.EXPIRED, Cause.RETENTION, Place.READY)


def test_on_sqs_retention_strikes_in_flight_too_and_frees_the_group():
    broker = Broker({"q": replace(SQS_FIFO, retention=MINUTE)})  # SQS-30
    broker.send(0, "q", group="A")
    broker.send(MINUTE - 1, "q", group="A")
    [held] = broker.receive(MINUTE - 1, "q", "c")
    assert numbers(broker.receive(MINUTE, "q", "d")) == [1]
    assert broker.ack(MINUTE, held) is Cause.NO_MESSAGE


def test_on_the_ideal_queue_a_ttl_waits_for_the_return():
    broker = Broker({"q": IDEAL})
    broker.send(0, "q", ttl=SECOND)
    [held] = broker.receive(0, "q", "c")
    broker.wake(2 * SECOND)
    assert broker.overview()["q"]["in_flight"] == 1
    broker.nack(3 * SECOND, held)
    rows = [(row[0] // SECOND, Kind(row[5])) for row in broker.journal.read()]
    assert rows[-2:] == [(3, Kind.NACKED), (3, Kind.EXPIRED)]
    assert broker.queues["q"].depth == 0


def test_an_ack_after_its_ttl_still_counts():
    broker = Broker({"q": IDEAL})
    broker.send(0, "q", ttl=SECOND)
    [held] = broker.receive(0, "q", "c")
    assert broker.ack(2 * SECOND, held) is Cause.NONE


def test_a_ttl_may_dead_letter_and_is_stripped_by_the_move():
    broker = with_dlq(IDEAL, None, sends=0, ttl_dead_letters=True)
    broker.send(0, "q", ttl=SECOND)
    broker.wake(MINUTE)
    assert (broker.queues["q"].depth, visible(broker, "dlq")) == (0, 1)
    [row] = [row for row in broker.journal.read() if row[5] == Kind.DEAD_LETTERED]
    assert (row[0], row[6]) == (SECOND, Cause.TTL)


def test_the_sooner_of_ttl_and_retention_is_named():
    broker = Broker({"q": replace(IDEAL, retention=MINUTE)})
    broker.send(0, "q", ttl=SECOND)
    broker.send(0, "q", ttl=2 * MINUTE)
    broker.wake(DAY)
    assert [row[6] for row in broker.journal.read() if row[5] == Kind.EXPIRED] == [Cause.TTL, Cause.RETENTION]


def test_standard_keeps_the_time_of_sending_through_a_dead_letter_move():
    broker = Broker({"dlq": SQS_STANDARD, "q": replace(SQS_STANDARD, dlq=DeadLetter("dlq", 1))})  # SQS-26
    broker.send(0, "q")
    fail(broker, DAY)
    fail(broker, 3 * DAY)
    assert visible(broker, "dlq") == 1
    broker.wake(4 * DAY)
    assert broker.queues["dlq"].depth == 0


def test_a_fifo_dead_letter_move_and_every_redrive_start_it_anew():
    broker = Broker({"dlq": SQS_FIFO, "q": replace(SQS_FIFO, dlq=DeadLetter("dlq", 1))})  # SQS-26, SQS-29
    broker.send(0, "q", group="A")
    fail(broker, DAY)
    fail(broker, 3 * DAY)
    broker.wake(7 * DAY - 1)
    assert visible(broker, "dlq") == 1
    broker.redrive(7 * DAY - 1, "dlq", "q")
    broker.wake(11 * DAY - 2)
    assert visible(broker, "q") == 1
    broker.wake(11 * DAY - 1)
    assert broker.queues["q"].depth == 0


def test_a_message_moved_after_its_retention_was_over_expires_at_that_instant_not_before():
    short = replace(SQS_STANDARD, retention=MINUTE)  # SQS-26
    broker = Broker({"dlq": short, "q": replace(SQS_STANDARD, dlq=DeadLetter("dlq", 1))})
    broker.send(0, "q")
    fail(broker, 1)
    fail(broker, DAY)
    assert broker.wake_at() == DAY
    broker.wake(DAY)
    last = broker.journal.read()[-1]
    assert (last[0], last[5], last[6]) == (DAY, Kind.EXPIRED, Cause.RETENTION)
    assert broker.queues["dlq"].depth == 0


# --- purge ----------------------------------------------------------------------------------------------------------------


def test_a_purge_removes_everything_in_flight_and_delayed_too():
    broker = Broker({"q": SQS_FIFO})  # SQS-32
    for group in "AAB":
        broker.send(0, "q", group=group)
    [held] = broker.receive(0, "q", "c")
    assert broker.purge(1, "q") == 3
    assert broker.overview()["q"] == {"visible": 0, "in_flight": 0, "delayed": 0, "deferred": 0}
    assert broker.ack(2, held) is Cause.NO_MESSAGE
    broker.send(3, "q", group="A")
    assert numbers(broker.receive(3, "q", "c")) == [3]


def test_who_waits_waits_on_through_a_purge():
    broker = Broker({"q": SQS_STANDARD})
    broker.send(0, "q", delay=SECOND)
    credit = broker.receive(0, "q", "c", wait=9 * SECOND).credit
    assert broker.purge(1, "q") == 1
    broker.wake(2 * SECOND)
    assert credit.is_open
    broker.send(3 * SECOND, "q")
    broker.wake(3 * SECOND)
    assert len(broker.deliveries()) == 1


# --- capacity -------------------------------------------------------------------------------------------------------------


def bounded(when_full, messages=2, dlq=None, profile=IDEAL, **more):
    limit = Capacity(messages=messages, when_full=when_full, **more)
    queues = {"q": replace(profile, capacity=limit, dlq=DeadLetter("dlq", None) if dlq else None), "dlq": profile}
    return Broker(queues)


@pytest.mark.parametrize(
    ("policy", "answer", "left"),
    [
        (Overflow.REJECT, Cause.FULL, [0, 1]),
        (Overflow.BLOCK, Cause.BLOCKED, [0, 1]),
        (Overflow.DROP_OLDEST, Cause.NONE, [1, 2]),
        (Overflow.DROP_NEWEST, Cause.NONE, [0, 1]),
        (Overflow.DEAD_LETTER, Cause.NONE, [1, 2]),
    ],
)
def test_a_profile_says_what_happens_at_a_full_queue(policy, answer, left):
    broker = bounded(policy, dlq=True)
    assert [broker.send(t, "q") for t in range(3)] == [Cause.NONE, Cause.NONE, answer]
    assert numbers(broker.receive(5, "q", "c", limit=9)) == left
    assert visible(broker, "dlq") == (policy is Overflow.DEAD_LETTER)


def test_with_drop_newest_the_message_counts_as_accepted_and_dropped():
    broker = bounded(Overflow.DROP_NEWEST, messages=1)
    broker.send(0, "q")
    broker.send(1, "q")
    rows = [(row[1], Kind(row[5])) for row in broker.journal.read()]
    assert rows == [(0, Kind.ACCEPTED), (1, Kind.ACCEPTED), (1, Kind.DROPPED)]


def test_a_blocked_send_is_no_row_and_may_be_tried_again():
    broker = bounded(Overflow.BLOCK, messages=1)
    broker.send(0, "q", 7)
    assert broker.send(1, "q", 8) is Cause.BLOCKED
    assert len(broker.journal.read()) == 1
    broker.ack(2, broker.receive(2, "q", "c")[0])
    assert broker.send(3, "q", 8) is Cause.NONE


def test_what_is_in_flight_or_delayed_takes_room():
    broker = bounded(Overflow.REJECT)
    broker.send(0, "q", delay=SECOND)
    broker.send(0, "q")
    broker.receive(0, "q", "c")
    assert broker.send(1, "q") is Cause.FULL


def test_what_is_in_flight_cannot_be_dropped_for_another():
    broker = bounded(Overflow.DROP_OLDEST)
    for _ in range(2):
        broker.send(0, "q")
    broker.receive(0, "q", "c", limit=2)
    assert broker.send(1, "q") is Cause.FULL


def test_bytes_are_counted_too_and_as_many_go_as_it_takes():
    broker = bounded(Overflow.DROP_OLDEST, messages=None, bytes=100)
    for size in (40, 30, 30):
        broker.send(0, "q", size=size)
    assert broker.send(1, "q", size=60) is Cause.NONE
    assert numbers(broker.receive(2, "q", "c", limit=9)) == [2, 3]
    assert broker.queues["q"].bytes == 90


def test_for_a_message_that_could_never_fit_nothing_is_dropped():
    broker = bounded(Overflow.DROP_OLDEST, messages=None, bytes=100)
    broker.send(0, "q", size=40)
    assert broker.send(1, "q", size=101) is Cause.FULL
    assert visible(broker, "q") == 1


def test_a_returned_message_is_never_refused():
    broker = bounded(Overflow.REJECT, messages=1, counts_ready_only=True)
    broker.send(0, "q")
    [held] = broker.receive(0, "q", "c")
    broker.send(1, "q")
    broker.nack(2, held)
    assert visible(broker, "q") == 2


def test_where_only_ready_ones_count_a_return_may_push_out_the_head():
    broker = bounded(Overflow.DROP_OLDEST, messages=1, counts_ready_only=True)  # RMQ-29
    broker.send(0, "q")
    [held] = broker.receive(0, "q", "c")
    broker.send(1, "q")
    broker.nack(2, held)
    assert numbers(broker.receive(3, "q", "c", limit=9)) == [1]


def test_and_so_may_the_end_of_a_delay():
    broker = bounded(Overflow.DROP_OLDEST, messages=1, counts_ready_only=True)
    broker.send(0, "q", delay=SECOND)
    broker.send(1, "q")
    broker.wake(SECOND)
    assert numbers(broker.receive(SECOND, "q", "c", limit=9)) == [1]


@pytest.mark.parametrize(
    ("policy", "left"),
    [
        (Overflow.REJECT, [0, 1, 2]),
        (Overflow.BLOCK, [0, 1, 2]),
        (Overflow.DROP_OLDEST, [1, 2]),
        (Overflow.DROP_NEWEST, [0, 1]),
    ],
)
def test_a_move_is_never_refused_and_drop_policies_apply(policy, left):
    broker = bounded(policy)
    for _ in range(2):
        broker.send(0, "q")
    broker.send(0, "dlq")
    assert broker.redrive(1, "dlq", "q") == 1
    assert numbers(broker.receive(2, "q", "c", limit=9)) == left


def test_the_oldest_goes_though_its_group_is_blocked():
    broker = bounded(Overflow.DROP_OLDEST, profile=SQS_FIFO, messages=3)
    for group in "AAB":
        broker.send(0, "q", group=group)
    broker.receive(0, "q", "c")
    assert broker.send(1, "q", group="B") is Cause.NONE
    assert [m.number for m in broker.queues["q"].ready] == [2, 3]


def test_two_full_queues_that_dead_letter_into_each_other_come_to_an_end():
    limit = Capacity(messages=1, when_full=Overflow.DEAD_LETTER)
    one, other = (replace(IDEAL, capacity=limit, dlq=DeadLetter(name, None)) for name in ("b", "a"))
    broker = Broker({"a": one, "b": other})
    assert [broker.send(0, queue) for queue in "aba"] == [Cause.NONE, Cause.NONE, Cause.FULL]
    assert [broker.queues[queue].depth for queue in "ab"] == [1, 1]
