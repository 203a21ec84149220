"""Brokers' own metrics: for what they count as we do, and for what they do not, a story each."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qsim.api import Run, load
from qsim.brokers import PROFILES
from qsim.kernel.journal import Cause, Kind, Place
from qsim.kernel.profile import DeadLetter
from qsim.metrics.vendor import VENDOR, at_end, frame, metrics_of
from qsim.scenario import model
from qsim.scenario.plan import Imperfections, QueuePlan
from qsim.units import SECOND
from tests.stories import Story


def story(profile: str, **settings) -> Story:
    dlq = DeadLetter("dlq", 3)
    orders = QueuePlan("orders", replace(PROFILES[profile], dlq=dlq, **settings), (), Imperfections())
    return Story(queues=[orders, QueuePlan("dlq", PROFILES[profile], (), Imperfections())])


def ends(tell: Story, queue: str = "orders") -> dict[str, int]:
    return at_end(tell.numbers(), queue)


def test_every_broker_has_names_of_its_own_and_the_ideal_queue_has_none():
    assert set(VENDOR) == set(model.PROFILE_NAMES) - {"ideal"}
    for metrics in VENDOR.values():
        assert len({metric.name for metric in metrics}) == len(metrics)
        assert all(metric.says for metric in metrics)


@pytest.mark.parametrize("profile", sorted(VENDOR))
def test_a_run_in_which_nothing_happens_is_all_zeros(profile):
    found = ends(story(profile))
    assert set(found.values()) == {0}


# --- Amazon SQS ---------------------------------------------------------------------------------------------------------


def test_sqs_levels_and_counters_are_ours():
    tell = story("sqs-standard").send(0, "a").send(1, "b").send(2, "c").receive(3, "a").acked(4, "a").receive(5, "b")
    tell.sent(6, "d").accepted(6, "d", to=Place.DELAYED).row(7, Kind.EMPTY_RECEIVE, client=0)
    found = ends(tell)
    assert found["ApproximateNumberOfMessagesVisible"] == 1
    assert found["ApproximateNumberOfMessagesNotVisible"] == 1
    assert found["ApproximateNumberOfMessagesDelayed"] == 1
    assert (found["NumberOfMessagesSent"], found["NumberOfMessagesReceived"]) == (4, 2)
    assert found["NumberOfEmptyReceives"] == 1


def test_a_move_to_the_dead_letter_queue_is_no_send():
    tell = story("sqs-standard").send(0, "a").receive(1, "a").dead_letter(2, "a")
    assert ends(tell, "dlq")["NumberOfMessagesSent"] == 0
    assert ends(tell, "dlq")["ApproximateNumberOfMessagesVisible"] == 1


def received(tell: Story, message: str, *times: float, first: int = 1) -> Story:
    for number, time in enumerate(times, first):
        tell.receive(time, message, number).lease_ended(time + 0.5, message)
    return tell


def test_the_oldest_is_one_in_flight_too():
    tell = story("sqs-standard").send(0, "a").send(4, "b").receive(5, "a")
    assert ends(tell)["ApproximateAgeOfOldestMessage"] == 10 * SECOND


def test_a_message_received_three_times_is_not_the_oldest_any_more():
    tell = received(story("sqs-standard").send(0, "a").send(4, "b"), "a", 5, 6)
    assert ends(tell)["ApproximateAgeOfOldestMessage"] == 10 * SECOND
    received(tell, "a", 7, first=3)
    assert ends(tell)["ApproximateAgeOfOldestMessage"] == 6 * SECOND


def test_with_the_third_receive_it_goes_at_once_and_its_end_changes_nothing():
    tell = received(story("sqs-standard").send(0, "a").send(4, "b"), "a", 5, 6, 7)
    tell.row(9, Kind.EXPIRED, "a", attempt=3, cause=Cause.RETENTION, other=Place.READY)
    ages = frame(tell.numbers(), "orders").set_index("time_s").ApproximateAgeOfOldestMessage
    assert (ages[6.5], ages[7], ages[9]) == (6.5, 3, 5)


def test_a_fifo_queue_leaves_none_out():
    tell = received(story("sqs-fifo").send(0, "a").send(4, "b"), "a", 5, 6, 7)
    assert ends(tell)["ApproximateAgeOfOldestMessage"] == 10 * SECOND


def test_in_a_dead_letter_queue_receives_begin_anew():
    # the count goes on there (SQS-28), so that it arrives with three
    tell = story("sqs-standard").send(0, "a")
    tell.row(2, Kind.DEAD_LETTERED, "a", attempt=3, cause=Cause.MAX_RECEIVES, other=1 << 8 | Place.READY)
    tell.row(2, Kind.MOVED_IN, "a", attempt=3, queue="dlq", cause=Place.READY, other=0)
    tell.receive(3, "a", 4, queue="dlq").lease_ended(4, "a", queue="dlq")
    assert ends(tell, "dlq")["ApproximateAgeOfOldestMessage"] == 8 * SECOND


def test_a_message_that_was_redriven_counts_again():
    tell = received(story("sqs-standard").send(0, "a"), "a", 1, 2, 3)
    tell.row(4, Kind.DEAD_LETTERED, "a", attempt=3, cause=Cause.MAX_RECEIVES, other=1 << 8 | Place.READY)
    tell.row(4, Kind.MOVED_IN, "a", queue="dlq", cause=Place.READY, other=0).redrive(6, "a")
    assert ends(tell)["ApproximateAgeOfOldestMessage"] == 4 * SECOND


def stale(tell: Story, time: float, message: str, why: Cause, call: int = 1) -> Story:
    return tell.row(time, Kind.STALE, message, 0, 1, cause=why, other=call)


def test_a_repeated_delete_is_counted_as_a_delete():
    tell = story("sqs-standard").send(0, "a").receive(1, "a").acked(2, "a")
    stale(tell, 3, "a", Cause.NO_MESSAGE)
    stale(tell, 4, "a", Cause.RECEIVED_AGAIN)  # succeeds and does nothing (SQS-18)
    stale(tell, 5, "a", Cause.RECEIVED_AGAIN, call=3)  # a heartbeat is none
    assert ends(tell)["NumberOfMessagesDeleted"] == 3


def test_on_a_fifo_queue_a_late_delete_fails_and_is_not_counted():
    tell = story("sqs-fifo").send(0, "a").receive(1, "a").lease_ended(2, "a")
    stale(tell, 3, "a", Cause.RECEIPT_EXPIRED)
    assert ends(tell)["NumberOfMessagesDeleted"] == 0


def test_groups_in_flight_are_counted_once_each():
    tell = story("sqs-fifo").send(0, "a", group=1).send(0, "b", group=1).send(0, "c", group=7)
    tell.receive(1, "a", together=2).receive(1, "b", together=2).receive(2, "c")
    tell.acked(3, "a").acked(4, "c").lease_ended(5, "b")
    held = frame(tell.numbers(), "orders").set_index("time_s").ApproximateNumberOfGroupsWithInflightMessages
    assert held.to_dict() == {0: 0, 1: 1, 2: 2, 3: 2, 4: 1, 5: 0}


def test_a_group_is_counted_whatever_other_groups_still_hold():
    tell = story("sqs-fifo").send(0, "a", group=1).send(0, "b", group=7).receive(1, "a").receive(2, "b").acked(3, "b")
    held = frame(tell.numbers(), "orders").set_index("time_s").ApproximateNumberOfGroupsWithInflightMessages
    assert held.to_dict() == {0: 0, 1: 1, 2: 2, 3: 1}


# --- RabbitMQ -----------------------------------------------------------------------------------------------------------


def test_rabbitmq_tells_pushes_from_gets_and_dead_letters_are_published():
    tell = story("rabbitmq-classic").up(0).up(0, 1).send(0, "a").send(0, "b").receive(1, "a", together=0)
    tell.receive(1, "b", together=1).nacked(2, "a").receive(3, "a", 2, together=0).acked(4, "b").dead_letter(5, "a")
    found, dead = ends(tell), ends(tell, "dlq")
    assert (found["message_stats.deliver"], found["message_stats.deliver_get"]) == (2, 3)
    assert (found["message_stats.redeliver"], found["message_stats.ack"]) == (1, 1)
    assert (found["messages"], found["consumers"], dead["consumers"]) == (0, 2, 0)
    assert (found["message_stats.publish"], dead["message_stats.publish"], dead["messages_ready"]) == (2, 1, 1)


# --- Redis --------------------------------------------------------------------------------------------------------------


def test_an_acked_entry_is_still_in_xlen():
    tell = story("redis-stream").send(0, "a").send(0, "b").send(0, "c").receive(1, "a").acked(2, "a").receive(3, "b")
    found = ends(tell)
    assert (found["XLEN"], found["XPENDING"], found["XINFO GROUPS lag"]) == (3, 1, 1)
    assert found["XINFO GROUPS entries-read"] == 2


def test_only_maxlen_shortens_a_stream():
    tell = story("redis-stream", maxlen=2).send(0, "a").send(1, "b").send(2, "c")
    assert frame(tell.numbers(), "orders").XLEN.tolist()[-2:] == [2, 2]


def test_a_claim_reads_no_entry():
    tell = story("redis-stream").send(0, "a").receive(1, "a").lease_ended(2, "a").receive(2, "a", 2)
    assert ends(tell)["XINFO GROUPS entries-read"] == 1


def test_what_is_popped_is_not_in_the_list():
    tell = story("redis-list").send(0, "a").send(0, "b").receive(1, "a")
    assert (ends(tell)["LLEN"], ends(tell)["LLEN processing"]) == (1, 1)


# --- ActiveMQ -----------------------------------------------------------------------------------------------------------


def test_the_queue_size_has_what_is_in_flight():
    tell = story("activemq-classic").up(0).send(0, "a").send(0, "b").receive(1, "a").receive(1, "b").acked(2, "b")
    found = ends(tell)
    assert (found["QueueSize"], found["InFlightCount"], found["ConsumerCount"]) == (1, 1, 1)
    assert (found["EnqueueCount"], found["DequeueCount"]) == (2, 1)


def test_what_a_client_redelivers_from_its_buffer_is_no_dispatch():
    tell = story("activemq-classic").send(0, "a").receive(1, "a").nacked(2, "a", to=Place.LEASED)
    tell.row(3, Kind.RETURNED, "a", 0, 1, cause=Place.READY).receive(3, "a", 2)
    assert ends(tell)["DispatchCount"] == 1
    tell.row(4, Kind.RETURNED, "a", 0, 2, cause=Place.RETURNS).receive(5, "a", 3)  # after a crash it is one
    assert ends(tell)["DispatchCount"] == 2


def test_expired_messages_leave_the_queue_and_are_counted_wherever_they_go():
    tell = story("activemq-classic").send(0, "a").send(0, "b").send(0, "c")
    tell.row(1, Kind.EXPIRED, "a", cause=Cause.TTL, other=Place.READY)
    tell.dead_letter(2, "b", place=Place.READY, cause=Cause.TTL).dead_letter(3, "c", place=Place.READY)
    assert (ends(tell)["ExpiredCount"], ends(tell)["DequeueCount"]) == (2, 3)


# --- Azure Service Bus --------------------------------------------------------------------------------------------------


def test_a_locked_message_is_active():
    tell = story("azure-service-bus").send(0, "a").send(0, "b").send(0, "c").receive(1, "a").receive(2, "b")
    tell.dead_letter(3, "b")
    stale(tell, 4, "b", Cause.RECEIPT_EXPIRED)
    found = ends(tell)
    assert (found["ActiveMessageCount"], found["DeadLetterMessageCount"], found["UserErrors"]) == (2, 1, 1)
    assert (found["IncomingMessages"], found["OutgoingMessages"]) == (3, 2)


# --- whole runs ---------------------------------------------------------------------------------------------------------

WHOLE = """
qsim: 1
name: whole
run: {duration: 5m}
queues: {jobs: {profile: sqs-standard, dlq: {queue: dlq, max_receives: 4}}, dlq: {profile: sqs-standard}, plain: {}}
producers: {api: {to: jobs, rate: 1/s, message: {poison: {first: 3, from: 10s, every: 10s}}}, web: {to: plain, rate: 1/s}}
consumers: {worker: {from: jobs, count: 3, service: {mix: [{share: 95%, time: 1s}, {share: 5%, time: 40s}]}}}
"""


@pytest.fixture(scope="module")
def whole() -> Run:
    return load(text=WHOLE).run()


def test_the_table_ends_as_the_run_does(whole):
    table = whole.frame("jobs", names="broker")
    assert list(table.columns) == ["time_s", *metrics_of(whole.numbers, "jobs")]
    last, found = table.iloc[-1], at_end(whole.numbers, "jobs")
    assert last.ApproximateNumberOfMessagesVisible == whole["jobs.visible at end"]
    assert last.ApproximateNumberOfMessagesNotVisible == whole["jobs.in_flight at end"]
    assert last.NumberOfMessagesReceived == whole["jobs.received at end"] == found["NumberOfMessagesReceived"]
    assert last.NumberOfMessagesDeleted == whole["jobs.acked total"] + whole["worker.stale_acks total"]
    assert table.time_s.is_monotonic_increasing and table.time_s.is_unique


def test_the_oldest_of_a_whole_run_is_that_of_a_naive_count(whole):
    came: dict[int, int] = {}
    for time, message, _, attempt, queue, kind, _, _ in rows_of(whole):
        if queue == 0 and kind == Kind.ACCEPTED:
            came[message] = time
        elif queue == 0 and (kind == Kind.RECEIVED and attempt == 3 or kind in (Kind.ACKED, Kind.DEAD_LETTERED)):
            came.pop(message, None)
    ended = whole.recording.ended
    assert at_end(whole.numbers, "jobs")["ApproximateAgeOfOldestMessage"] == ended - min(came.values())


def rows_of(run: Run):
    return run.recording.rows().tolist()


def test_a_queue_without_names_of_its_own_is_told(whole):
    with pytest.raises(KeyError, match="there are: jobs, dlq"):
        whole.frame("plain", names="broker")
    with pytest.raises(ValueError, match="'qsim' or 'broker'"):
        whole.frame("jobs", names="aws")
