"""What a send does, by rule.  Times are nanoseconds; messages count from 0 in order of sending."""

from dataclasses import replace

import pytest

from qsim.brokers import IDEAL, SQS_FIFO, SQS_STANDARD
from qsim.brokers.sqs import HIGH_THROUGHPUT
from qsim.kernel.broker import Broker
from qsim.kernel.journal import Cause, Kind
from qsim.kernel.profile import Throttle
from qsim.units import MINUTE, SECOND


def standard(**changes):
    return Broker({"q": replace(SQS_STANDARD, **changes)})


def fifo(**changes):
    return Broker({"q": replace(SQS_FIFO, **changes)})


def numbers(deliveries):
    return [delivery.message.number for delivery in deliveries]


# --- delay ----------------------------------------------------------------------------------------------------------


def test_a_delayed_message_is_neither_visible_nor_in_flight_until_its_delay_is_over():
    broker = standard()  # SQS-2
    broker.send(0, "q", delay=2 * SECOND)
    assert broker.overview()["q"] == {"visible": 0, "in_flight": 0, "delayed": 1, "deferred": 0}
    assert broker.receive(2 * SECOND - 1, "q", "c") == ()
    assert broker.wake_at() == 2 * SECOND
    assert numbers(broker.receive(2 * SECOND, "q", "c")) == [0]


def test_a_messages_own_delay_overrides_the_queues_and_0_is_a_real_override():
    broker = standard(delay=10 * SECOND)  # SQS-2
    broker.send(0, "q", delay=0)
    broker.send(0, "q", delay=5 * SECOND)
    broker.send(0, "q")
    assert [numbers(broker.receive(t * SECOND, "q", "c", limit=10)) for t in (0, 5, 10)] == [[0], [1], [2]]


def test_later_messages_overtake_a_delayed_one_which_then_takes_its_place_by_time_of_sending():
    broker = standard()  # SQS-2
    broker.send(0, "q", delay=2 * SECOND)
    broker.send(0, "q")
    assert numbers(broker.receive(1 * SECOND, "q", "c")) == [1]
    broker.send(1 * SECOND, "q")
    assert numbers(broker.receive(2 * SECOND, "q", "c", limit=2)) == [0, 2]


def test_a_delay_of_more_than_900_seconds_is_refused():
    broker = standard()  # SQS-2
    assert broker.send(0, "q", delay=900 * SECOND) is Cause.NONE
    assert broker.send(0, "q", delay=900 * SECOND + 1) is Cause.OUT_OF_RANGE


def test_on_a_fifo_queue_only_the_queue_delays():
    broker = fifo(delay=2 * SECOND)  # SQS-2
    assert broker.send(0, "q", group="A", delay=1) is Cause.DELAY_NOT_ALLOWED
    assert broker.send(0, "q", group="A") is Cause.NONE
    assert broker.receive(2 * SECOND - 1, "q", "c") == ()
    assert len(broker.receive(2 * SECOND, "q", "c")) == 1


# --- batches --------------------------------------------------------------------------------------------------------


def test_a_batch_is_answered_entry_by_entry():
    broker = standard(max_size=100)  # SQS-4
    answers = broker.send_batch(0, "q", [{"size": 100}, {"size": 101}, {"delay": 901 * SECOND}, {"message": 7}])
    assert answers == [Cause.NONE, Cause.TOO_LARGE, Cause.OUT_OF_RANGE, Cause.NONE]
    assert numbers(broker.receive(0, "q", "c", limit=10)) == [0, 7]


def test_a_batch_of_eleven_is_refused_as_a_whole():
    broker = standard()  # SQS-4
    assert set(broker.send_batch(0, "q", [{}] * 11)) == {Cause.TOO_MANY}
    assert broker.queues["q"].depth == 0
    assert set(broker.send_batch(0, "q", [{}] * 10)) == {Cause.NONE}


def test_the_messages_of_a_batch_share_a_mebibyte_whatever_the_queues_own_limit():
    broker = standard()  # SQS-4
    assert broker.send_batch(0, "q", [{"size": 1 << 19}] * 2) == [Cause.NONE] * 2
    assert broker.send_batch(0, "q", [{"size": 1 << 19}, {"size": (1 << 19) + 1}]) == [Cause.TOO_LONG] * 2
    small = standard(max_size=1024)
    assert small.send_batch(0, "q", [{"size": 1024}] * 10) == [Cause.NONE] * 10


def test_a_message_of_more_than_a_mebibyte_is_refused():
    broker = standard()  # SQS limits: MaximumMessageSize
    assert broker.send(0, "q", size=1 << 20) is Cause.NONE
    assert broker.send(0, "q", size=(1 << 20) + 1) is Cause.TOO_LARGE


# --- deduplication --------------------------------------------------------------------------------------------------


def test_a_fifo_message_needs_a_group():
    broker = fifo()  # SQS-5
    assert broker.send(0, "q") is Cause.NO_GROUP
    assert broker.queues["q"].depth == 0


def test_a_duplicate_is_answered_and_enters_nothing():
    broker = fifo()  # SQS-6
    assert broker.send(0, "q", group="A", dedup="d") is Cause.NONE
    assert broker.send(1, "q", group="B", dedup="d") is Cause.DUPLICATE_ID
    assert broker.queues["q"].depth == 1
    assert [row[5] for row in broker.journal.read()] == [Kind.ACCEPTED, Kind.SUPPRESSED]


def test_the_window_is_five_minutes_from_the_first_send_and_duplicates_do_not_extend_it():
    broker = fifo()  # SQS-6
    broker.send(0, "q", group="A", dedup="d")
    assert broker.send(4 * MINUTE, "q", group="A", dedup="d") is Cause.DUPLICATE_ID
    assert broker.send(5 * MINUTE - 1, "q", group="A", dedup="d") is Cause.DUPLICATE_ID
    assert broker.send(5 * MINUTE, "q", group="A", dedup="d") is Cause.NONE
    assert broker.send(10 * MINUTE - 1, "q", group="A", dedup="d") is Cause.DUPLICATE_ID


def test_an_id_is_remembered_after_its_message_was_deleted():
    broker = fifo()  # SQS-6
    broker.send(0, "q", group="A", dedup="d")
    [delivery] = broker.receive(1, "q", "c")
    assert broker.ack(2, delivery) is Cause.NONE
    assert broker.send(3, "q", group="A", dedup="d") is Cause.DUPLICATE_ID


def test_with_scope_message_group_another_group_may_use_the_id():
    broker = fifo(dedup_per_group=True)  # SQS-7
    assert broker.send(0, "q", group="A", dedup="d") is Cause.NONE
    assert broker.send(1, "q", group="B", dedup="d") is Cause.NONE
    assert broker.send(2, "q", group="A", dedup="d") is Cause.DUPLICATE_ID


def test_a_refused_send_is_not_remembered():
    broker = fifo(max_size=10)  # SQS-6: from the first accepted send
    assert broker.send(0, "q", group="A", dedup="d", size=11) is Cause.TOO_LARGE
    assert broker.send(1, "q", group="A", dedup="d") is Cause.NONE


def test_the_ideal_queue_remembers_for_ever_and_standard_not_at_all():
    ideal, plain = Broker({"q": IDEAL}), standard()
    assert [ideal.send(t * MINUTE, "q", dedup="d") for t in (0, 1000)] == [Cause.NONE, Cause.DUPLICATE_ID]
    assert [plain.send(t, "q", dedup="d") for t in (0, 1)] == [Cause.NONE, Cause.NONE]  # SQS-5


def test_a_group_on_a_standard_queue_orders_and_blocks_nothing():
    broker = standard()  # SQS-8
    broker.send(0, "q", group="A")
    broker.send(0, "q", group="A")
    assert [numbers(broker.receive(0, "q", "c")) for _ in "ab"] == [[0], [1]]


# --- throttling -----------------------------------------------------------------------------------------------------


def test_a_fifo_queue_takes_300_sends_a_second_at_once_and_the_next_a_300th_later():
    broker = fifo()  # SQS-35
    assert {broker.send(0, "q", group=n) for n in range(300)} == {Cause.NONE}
    assert broker.send(0, "q", group="A") is Cause.THROTTLED
    early = SECOND // 300
    assert broker.send(early, "q", group="A") is Cause.THROTTLED
    assert broker.send(early + 1, "q", group="A") is Cause.NONE
    assert broker.send(early + 1, "q", group="A") is Cause.THROTTLED


def test_a_batch_is_one_call():
    broker = fifo(throttle=Throttle(send=2))  # SQS-35
    entries = [{"group": "A"}] * 10
    assert [broker.send_batch(0, "q", entries)[0] for _ in range(3)] == [Cause.NONE, Cause.NONE, Cause.THROTTLED]
    assert broker.queues["q"].depth == 20


def test_send_receive_and_delete_are_limited_apart():
    broker = fifo(throttle=Throttle(send=1, receive=1, delete=1))  # SQS-35
    broker.send_batch(0, "q", [{"group": "A"}, {"group": "A"}])
    first, second = broker.receive(0, "q", "c", limit=2)
    assert broker.receive(0, "q", "c").refused is Cause.THROTTLED
    assert broker.ack(0, first) is Cause.NONE
    assert broker.ack(0, second) is Cause.THROTTLED
    assert broker.ack(SECOND, second) is Cause.NONE


def test_another_setting_of_the_queue_gives_no_token_back():
    broker = fifo(throttle=Throttle(send=1))  # SQS-35
    queue = broker.queues["q"]
    broker.send(0, "q", group="A")
    queue.configure(replace(queue.profile, visibility_timeout=60 * SECOND))
    assert broker.send(0, "q", group="A") is Cause.THROTTLED


def test_in_high_throughput_mode_the_300_a_second_are_a_groups():
    broker = fifo(throttle=HIGH_THROUGHPUT)  # SQS-35
    assert {broker.send(0, "q", group="A") for _ in range(300)} == {Cause.NONE}
    assert broker.send(0, "q", group="A") is Cause.THROTTLED
    assert {broker.send(0, "q", group=n) for n in range(1000)} == {Cause.NONE}
    queue, early = broker.queues["q"], SECOND // 300
    assert queue.next_send(0, 7) == 0 and queue.next_send(0, "never seen") == 0
    [number] = {queue.next_send(0, group) for group in queue.sends_of_group if queue.next_send(0, group)}
    assert number == early + 1
    assert broker.send(early, "q", group="A") is Cause.THROTTLED
    assert broker.send(early + 1, "q", group="A") is Cause.NONE


def test_a_batch_is_one_call_for_each_of_its_groups():
    broker = fifo(throttle=Throttle(send=10, send_per_group=1))  # SQS-35; entries are answered apart, SQS-4
    first = broker.send_batch(0, "q", [{"group": "A"}, {"group": "A"}, {"group": "B"}])
    assert first == [Cause.NONE] * 3
    again = broker.send_batch(0, "q", [{"group": "A"}, {"group": "C"}, {"group": "B"}])
    assert again == [Cause.THROTTLED, Cause.NONE, Cause.THROTTLED]


def test_the_whole_queue_has_a_limit_beside():
    broker = fifo(throttle=Throttle(send=2, send_per_group=300))
    assert [broker.send(0, "q", group=n) for n in range(3)] == [Cause.NONE, Cause.NONE, Cause.THROTTLED]


def test_what_a_group_has_used_is_part_of_the_fingerprint():
    one, other = (fifo(throttle=Throttle(send_per_group=300)) for _ in "ab")
    assert one.queues["q"].memory(0) == other.queues["q"].memory(0)
    one.send(0, "q", group="A")
    other.send(0, "q", group="B")
    assert one.queues["q"].memory(0) != other.queues["q"].memory(0)


@pytest.mark.parametrize("profile", [SQS_STANDARD, IDEAL])
def test_others_are_not_throttled(profile):
    broker = Broker({"q": profile})
    assert {broker.send(0, "q") for _ in range(1000)} == {Cause.NONE}
