"""Every sentence of the format's chapter on metrics, as a story."""

import math

import numpy as np
import pytest

from qsim.kernel.journal import Cause, Kind, Place
from qsim.scenario.plan import Ack
from tests.stories import KINDS, Story, consumer, producer, queue

HOUR_S = 3600


def value(story, *references):
    numbers = story.numbers()
    found = [numbers.value(r) for r in references]
    return found[0] if len(found) == 1 else found


# --- series -------------------------------------------------------------------------------------------------------


def test_depth_is_the_sum_of_the_four_places():
    # "depth = visible + in_flight + delayed + deferred"
    tell = Story().sent(0, "a").accepted(0, "a").sent(0, "b").accepted(0, "b", Place.DELAYED).send(0, "c").send(0, "d")
    tell.receive(1, "a").receive(1, "c").row(2, Kind.DEFERRED_, "c")
    levels = value(tell, *(f"orders.{m} at end" for m in ("visible", "in_flight", "delayed", "deferred", "depth")))
    assert levels == [1, 1, 1, 1, 4]


def test_a_delayed_message_becomes_visible():
    tell = Story().sent(0, "a").accepted(0, "a", Place.DELAYED).row(5, Kind.VISIBLE, "a", cause=Place.READY)
    assert value(tell, "orders.delayed at 4s", "orders.visible at 4s", "orders.delayed at 5s", "orders.visible at 5s") == [
        1, 0, 0, 1,
    ]  # fmt: skip


def test_oldest_age_is_that_of_the_oldest_visible_message_in_this_queue():
    # "age since it entered this queue of the oldest *visible* message, 0 if none"
    tell = Story().send(1, "a").send(3, "b").receive(4, "a").receive(6, "b")
    ages = value(tell, *(f"orders.oldest_age at {t}" for t in ("0", "1s", "3s", "3999ms", "4s", "5s", "6s")))
    assert ages == [0, 0, 2, 2.999, 1, 2, 0]


def test_a_message_that_comes_back_is_as_old_as_before():
    tell = Story().send(1, "a").send(2, "b").receive(3, "a").lease_ended(5, "a")
    assert value(tell, "orders.oldest_age at 4s", "orders.oldest_age at 5s") == [2, 4]


def test_age_counts_from_the_entry_into_this_queue():
    tell = Story(queues=["orders", "dlq"]).send(0, "a").receive(1, "a").dead_letter(4, "a")
    assert value(tell, "dlq.oldest_age at 6s") == 2


def test_the_mean_age_of_a_growing_age_is_half_its_end():
    tell = Story().send(0, "a")
    assert value(tell, "orders.oldest_age mean", "orders.oldest_age max", "orders.oldest_age p50") == [5, 10, 5]


def test_a_percentile_of_age_is_weighted_by_time():
    # "a series is weighted by time (percentiles too)": 8 s at 0, then an age that grows from 0 to 2
    tell = Story().send(8, "a")
    assert value(tell, "orders.oldest_age p50", "orders.oldest_age p95") == [0, pytest.approx(1.5)]


def test_a_series_is_weighted_by_time():
    tell = Story().send(0, "a").send(9, "b")
    assert value(tell, "orders.visible mean", "orders.visible p50", "orders.visible p95", "orders.visible max") == [
        pytest.approx(1.1), 1, 2, 2,
    ]  # fmt: skip


def test_what_lasts_no_time_is_no_state():
    # "`at T` is the state after everything that happens at T"
    tell = Story().send(2, "a").receive(2, "a")
    assert value(tell, "orders.visible max", "orders.visible at 2s", "orders.in_flight at 2s") == [0, 0, 1]


def test_the_window_is_half_open():
    # "a window [from, to)"
    tell = Story().send(2, "a").receive(4, "a")
    assert value(tell, "orders.visible mean from 2s to 4s", "orders.visible max from 4s to 6s") == [1, 0]
    assert value(tell, "orders.accepted from 1s to 2s", "orders.accepted from 2s to 3s") == [0, 1]


def test_warm_up_cuts_time_never_states():
    # "Warm-up cuts time, never states"
    tell = Story(warmup=5).send(1, "a").send(7, "b")
    assert value(tell, "orders.visible min", "orders.visible mean") == [1, pytest.approx(1.6)]


def test_total_counts_from_the_end_of_the_warm_up_and_at_from_0():
    # "`total` counts from the end of the warm-up, `at T` from 0"
    tell = Story(warmup=5).send(1, "a").send(5, "b").send(7, "c")
    assert value(tell, "orders.accepted total", "orders.accepted", "orders.accepted at 7s", "orders.accepted at end") == [
        2, 2, 3, 3,
    ]  # fmt: skip


def test_the_rate_of_a_producer_is_its_tries_a_second():
    tell = Story()
    for i, letter in enumerate("abcdef"):
        tell.send(i / 2, letter)
    assert value(tell, "shop.rate mean", "shop.rate mean from 0 to 3s", "shop.rate max", "shop.rate at 5s") == [
        0.6, 2, 2, 0,
    ]  # fmt: skip


def test_with_a_drain_averages_end_at_duration_and_counters_do_not():
    # "`at end` is then the end of the drain; rates and time averages still end at `duration`"
    tell = Story(ended=20, drain=10 * 10**9).send(0, "a").receive(10, "a").ack(15, "a").send(15, "b")
    assert value(tell, "orders.visible mean", "worker.throughput mean", "orders.acked", "orders.visible at end") == [
        1, 0, 1, 1,
    ]  # fmt: skip
    assert value(tell, "orders.latency max", "worker.throughput at 15s", "shop.rate at end") == [15, 1, 0]


# --- consumers ----------------------------------------------------------------------------------------------------


def test_utilization_is_busy_slots_over_live_slots():
    tell = Story(consumers=[consumer(count=2, concurrency=2)]).up(0, 0).up(0, 1).send(0, "a")
    tell.receive(0, "a").ack(5, "a").down(5, 1)
    assert value(tell, "worker.count mean", "worker.busy mean", "worker.utilization mean") == [1.5, 0.5, 0.125]
    assert value(tell, "worker.utilization max", "worker.utilization at 6s", "worker.throughput mean") == [0.25, 0, 0.1]


def test_utilization_has_no_value_while_nobody_lives():
    tell = Story().up(0).down(5)
    assert value(tell, "worker.utilization mean", "worker.utilization at 6s") == [0, None]


def test_a_crash_after_the_effect_ends_no_second_slot():
    tell = (
        Story().up(0).send(0, "a").receive(0, "a").effect(2, "a").work(2, Kind.INTERRUPTED, "a", cause=Cause.OWN_CRASH)
    )
    assert value(tell, "worker.busy at 1s", "worker.busy at 3s", "worker.effects", "worker.interrupted") == [1, 0, 1, 1]


def test_a_crash_in_a_later_life_of_the_same_attempt_number_does_end_a_slot():
    tell = Story().up(0).send(0, "a").receive(0, "a").ack(2, "a").receive(3, "a", 2)
    tell.work(5, Kind.INTERRUPTED, "a", 1)
    assert value(tell, "worker.busy at 4s", "worker.busy at 6s", "worker.busy at end") == [1, 0, 0]


def test_work_begins_at_started_where_deliveries_wait():
    tell = Story(consumers=[consumer(buffers=True)]).up(0).send(0, "a").send(0, "b")
    tell.receive(0, "a", together=2).receive(0, "b", together=2)
    tell.work(0, Kind.STARTED, "a").ack(4, "a").work(4, Kind.STARTED, "b").ack(6, "b")
    assert value(tell, "worker.busy mean", "worker.prefetch_wait max", "worker.prefetch_wait min") == [
        pytest.approx(0.6), 4, 0,
    ]  # fmt: skip


def test_a_buffered_message_that_dies_with_its_process_was_never_work():
    tell = Story(consumers=[consumer(buffers=True)]).up(0).send(0, "a").receive(0, "a")
    tell.work(2, Kind.INTERRUPTED, "a", attempt=0, cause=Cause.FELLOW_CRASH)
    assert value(tell, "worker.busy at end") == 0


def test_idle_while_work_waits_counts_only_when_something_is_visible():
    # "idle share of live slots while its queue has visible messages"
    tell = Story(consumers=[consumer(count=2)]).up(0, 0).up(0, 1).send(0, "a").receive(4, "a").ack(8, "a")
    assert value(tell, "worker.idle_while_work_waits mean") == pytest.approx(0.4)


def test_time_on_poison_ends_when_the_bug_is_fixed():
    # "slots busy with poison over live slots"
    tell = Story().up(0).sent(0, "a").row(0, Kind.POISON, "a").accepted(0, "a")
    tell.receive(0, "a").nacked(2, "a").row(4, Kind.HEALED, queue=None).receive(5, "a", 2).ack(9, "a", 2)
    assert value(tell, "worker.time_on_poison mean", "worker.utilization mean") == [
        pytest.approx(0.2),
        pytest.approx(0.6),
    ]


def test_a_fix_heals_what_has_been_sent_and_nothing_else():
    # "Poison ... errs as `on_error` says, in every queue, until `fix_poison`, which heals those already sent"
    tell = (
        Story(queues=["orders", "other"]).up(0).row(0, Kind.POISON, "a").send(0, "a").row(1, Kind.HEALED, queue="other")
    )
    tell.receive(2, "a").nacked(3, "a").row(4, Kind.HEALED).row(5, Kind.POISON, "b").send(5, "b").receive(
        5, "b"
    ).nacked(7, "b")
    tell.receive(8, "a", 2).ack(9, "a", 2)
    assert value(tell, "worker.time_on_poison mean") == pytest.approx(0.3)


def test_two_copies_of_one_message_wait_apart():
    tell = (
        Story().send(0, "a").sent(1, "a", 2).accepted(1, "a").receive(3, "a").receive(5, "a").ack(6, "a").acked(7, "a")
    )
    ages = value(tell, *(f"orders.oldest_age at {t}s" for t in (2, 3, 4, 5)))
    assert ages == [2, 2, 3, 0]
    assert value(tell, "orders.visible at 2s", "orders.recovery_time max", "orders.oldest_age") == [2, None, 0]


def test_consumer_hours_are_time_alive():
    tell = Story(duration=2 * HOUR_S, consumers=[consumer(count=2)]).up(0, 0).up(HOUR_S, 1)
    assert value(tell, "worker.consumer_hours total") == pytest.approx(3)


def test_duplicates_are_effects_beyond_the_first_of_one_message():
    # "`duplicates` = effects beyond the first of one message at one consumer"
    tell = Story(consumers=[consumer(), consumer("audit", 1)])
    for message in "ab":
        tell.send(0, message).receive(0, message).effect(1, message)
    tell.effect(2, "a", 2).effect(3, "a", 3).effect(3, "a", 1, consumer=1)
    assert value(tell, "worker.effects", "worker.duplicates", "worker.duplicates share", "audit.duplicates") == [
        4, 2, 0.5, 0,
    ]  # fmt: skip


def test_effects_per_message_counts_messages_without_any_effect():
    # "over messages received at least once, 0 included"
    tell = (
        Story().send(0, "a").send(0, "b").send(0, "c").receive(0, "a").receive(0, "b").effect(1, "a").effect(2, "a", 2)
    )
    assert value(tell, "worker.effects_per_message mean", "worker.effects_per_message max") == [1, 2]
    assert value(tell, "worker.effects_per_message min", "worker.effects_per_message share") == [0, 0.5]


def test_a_receive_of_n_counts_one_nth_of_a_call():
    # "calls_per_message: calls made for it, a receive of n counting 1/n"
    tell = Story().send(0, "a").send(0, "b").receive(0, "a", together=2).receive(0, "b", together=2)
    tell.ack(1, "a").row(2, Kind.EXTENDED, "b", other=30_000).ack(3, "b").row(9, Kind.EMPTY_RECEIVE)
    assert value(tell, "worker.calls_per_message min", "worker.calls_per_message max") == [1.5, 1.5]
    tell.row(9, Kind.EMPTY_RECEIVE, client=0)
    assert value(tell, "worker.calls", "orders.empty_receives") == [4, 2]


def test_what_is_pushed_costs_no_receive_call():
    tell = Story().send(0, "a").receive(0, "a", together=0).ack(1, "a")
    assert value(tell, "worker.calls") == 1


def test_stale_acks_are_those_that_did_nothing():
    tell = Story().send(0, "a").row(1, Kind.STALE, "a", 0, other=1).row(1, Kind.STALE, "a", 0, other=3)
    assert value(tell, "worker.stale_acks") == 1


# --- values a message ---------------------------------------------------------------------------------------------


def test_wait_counts_from_the_first_attempt_to_send():
    # "wait and latency count from the producer's first attempt to send it, so ... retries and delay are in"
    tell = (
        Story()
        .sent(1, "a")
        .row(1, Kind.LOST_SEND, "a")
        .sent(2, "a", attempt=2)
        .accepted(2, "a")
        .receive(4, "a")
        .ack(6, "a")
    )
    assert value(tell, "orders.wait max", "orders.latency max") == [3, 5]


def test_wait_ends_at_the_first_receive_ever_once_a_message():
    # "wait ends at the first receive ever from this queue, once a message"
    tell = Story().send(0, "a").receive(1, "a").lease_ended(3, "a").receive(5, "a", 2).ack(6, "a", 2)
    assert value(tell, "orders.wait max", "orders.wait total", "orders.second_receive max") == [1, 1, 5]
    assert value(tell, "orders.latency max", "orders.receives max", "orders.redelivered") == [6, 2, 1]


def test_after_a_move_wait_and_latency_count_anew_and_origin_latency_does_not():
    # "After a redrive or dead-lettering both count anew from the move; `origin_latency` is from the first send"
    tell = Story(queues=["orders", "dlq"]).send(0, "a").receive(1, "a").dead_letter(2, "a")
    tell.redrive(5, "a").receive(6, "a", 2).ack(7, "a", 2)
    assert value(tell, "orders.latency max", "orders.origin_latency max", "orders.wait max") == [2, 7, 1]
    tell = Story(queues=["orders", "dlq"]).send(0, "a").receive(1, "a").dead_letter(2, "a").receive(5, "a", queue="dlq")
    assert value(tell, "dlq.wait max") == 3


def test_recovery_time_is_from_the_end_of_the_attempt_to_the_next_receive():
    # "from the end of an attempt without ack (crash, error, lease lost) to that message's next receive"
    crash = Story().send(0, "a").receive(1, "a").work(3, Kind.INTERRUPTED, "a").lease_ended(6, "a").receive(8, "a", 2)
    assert value(crash, "orders.recovery_time max") == 5
    error = Story().send(0, "a").receive(1, "a").nacked(2, "a").receive(6, "a", 2)
    assert value(error, "orders.recovery_time max") == 4
    slow = Story().send(0, "a").receive(1, "a").lease_ended(3, "a").receive(3, "a", 2, process=1)
    assert value(slow, "orders.recovery_time max") == 0


def test_a_late_end_of_an_earlier_attempt_is_not_the_end_of_the_next():
    tell = Story().send(0, "a").receive(1, "a").lease_ended(3, "a").receive(3, "a", 2, process=1)
    tell.work(4, Kind.ERRED, "a").nacked(5, "a", process=1, attempt=2).receive(7, "a", 3)
    assert value(tell, "orders.recovery_time max", "orders.recovery_time min") == [2, 0]


def test_a_message_that_was_redriven_did_not_recover():
    tell = (
        Story(queues=["orders", "dlq"]).send(0, "a").receive(1, "a").nacked(2, "a", to=Place.LEASED).dead_letter(2, "a")
    )
    tell.redrive(5, "a").receive(6, "a", 1)
    assert value(tell, "orders.recovery_time max") is None


def test_recovery_is_told_for_each_message_apart():
    tell = Story()
    for i, letter in enumerate("abc"):
        tell.send(i, letter).receive(i, letter)
    tell.nacked(3, "a").nacked(4, "b").receive(5, "b", 2).receive(6, "a", 2)
    assert sorted(tell.numbers().values(_ref("orders.recovery_time p50")).value / 1e9) == [1, 3]


def test_send_time_is_until_the_producer_is_answered():
    tell = Story().send(0, "a")
    tell.sent(0, "b").row(1, Kind.TIMED_OUT, "b", attempt=1).sent(2, "b", 2).accepted(2, "b").row(2, Kind.ANSWERED, "b")
    tell.sent(3, "c").row(3, Kind.LOST_SEND, "c").row(4, Kind.TIMED_OUT, "c", attempt=1)
    assert value(tell, "shop.send_time min", "shop.send_time max", "shop.send_time total") == [0, 2, 2]


def test_a_batch_is_answered_when_it_goes():
    # "wait and latency count from the producer's first attempt to send it, so batching ... [is] in"
    tell = Story().sent(0, "a").sent(1, "b").accepted(3, "a").accepted(3, "b").receive(3, "a").receive(4, "b")
    assert value(tell, "shop.send_time max", "shop.send_time min", "orders.wait min", "orders.wait max") == [3, 2, 3, 3]


def test_a_value_belongs_to_the_moment_at_which_it_becomes_known():
    tell = Story(warmup=5).send(0, "a").receive(1, "a").ack(6, "a").send(4, "b")
    assert value(tell, "orders.wait max", "orders.latency max", "orders.wait max at 5s") == [None, 6, 1]


def test_percentiles_of_values_are_numpy_s():
    # "Percentiles interpolate linearly (numpy's default)"
    tell = Story()
    waits = [0.5, 1, 2, 4, 7]
    for letter, _ in zip("abcde", waits, strict=True):
        tell.send(0, letter)
    for letter, wait in zip("abcde", waits, strict=True):
        tell.receive(wait, letter)
    assert value(tell, "orders.wait p95", "orders.wait p50") == [pytest.approx(np.quantile(waits, 0.95)), 2]


def test_without_values_there_is_no_number():
    assert value(Story(), "orders.wait p95", "orders.redelivered share", "worker.utilization mean") == [
        None,
        None,
        None,
    ]


def test_share_of_values_is_of_those_above_0():
    tell = Story().send(0, "a").receive(0, "a").send(0, "b").receive(1, "b")
    assert value(tell, "orders.wait share") == 0.5


def test_share_of_a_counter_is_its_ratio_to_what_the_object_did():
    # "of a counter: its ratio to the object's `received` (queue), `sent` (producer), `effects` (consumer)"
    tell = Story().send(0, "a").receive(1, "a").lease_ended(2, "a").receive(3, "a", 2)
    tell.sent(4, "b").row(4, Kind.REJECTED, "b")
    assert value(tell, "orders.lease_expired share", "shop.rejected share") == [0.5, 0.5]


# --- counters -----------------------------------------------------------------------------------------------------


def test_every_try_of_a_producer_is_counted():
    # "sent = accepted + duplicates_suppressed (its own) + rejected + lost_on_the_way + under_way"
    tell = Story().send(0, "a").sent(1, "b").row(1, Kind.LOST_SEND, "b").sent(2, "b", 2).row(2, Kind.REJECTED, "b")
    tell.sent(3, "a", 2).row(3, Kind.SUPPRESSED, "a").sent(4, "c")
    metrics = ("sent", "accepted", "rejected", "lost_on_the_way", "under_way", "retried")
    assert value(tell, *(f"shop.{m}" for m in metrics)) == [5, 1, 1, 1, 1, 2]
    assert value(tell, "orders.duplicates_suppressed", "orders.rejected") == [1, 1]


def test_out_of_order_is_received_after_one_that_was_sent_later():
    # "received after one of its group (of the queue, without groups) that was sent later"
    tell = Story().send(0, "a").send(1, "b").send(2, "c").receive(3, "b").receive(4, "a").receive(5, "c")
    assert value(tell, "orders.out_of_order", "orders.out_of_order share") == [1, pytest.approx(1 / 3)]


def test_order_is_a_matter_of_the_group():
    tell = Story().send(0, "a", group=1).send(1, "b", group=2).send(2, "c", group=2)
    tell.receive(3, "b").receive(4, "a").receive(5, "c")
    assert value(tell, "orders.out_of_order") == 0


def test_lost_is_what_ended_with_no_effect_and_nobody_told():
    # "expired without being dead-lettered, dropped, vanished, lost on the way"
    tell = Story(queues=["orders", "dlq"])
    for letter in "abcdef":
        tell.send(0, letter)
    tell.row(1, Kind.EXPIRED, "a", cause=Cause.TTL, other=Place.READY)
    tell.row(2, Kind.DROPPED, "b", cause=Cause.FULL, other=Place.READY)
    tell.row(3, Kind.VANISHED, "c", cause=Place.READY)
    tell.receive(3, "d").effect(4, "d").row(5, Kind.EXPIRED, "d", cause=Cause.RETENTION, other=Place.LEASED)
    tell.dead_letter(5, "e", place=Place.READY, cause=Cause.TTL).row(6, Kind.PURGED, "f", cause=Place.READY)
    assert value(tell, "orders.lost total", "orders.lost at 2s", "orders.expired", "orders.visible at end") == [
        3,
        2,
        2,
        0,
    ]


def test_a_message_whose_last_try_was_lost_on_the_way_is_lost():
    tell = (
        Story()
        .sent(0, "a")
        .row(0, Kind.LOST_SEND, "a", attempt=1)
        .sent(1, "a", 2)
        .row(1, Kind.LOST_SEND, "a", attempt=2)
    )
    tell.sent(0, "b").row(0, Kind.LOST_SEND, "b", attempt=1).sent(1, "b", 2).accepted(1, "b")
    assert value(tell, "orders.lost", "shop.lost_on_the_way") == [1, 3]


def test_acked_on_receive_by_a_consumer_that_died_before_its_effect_is_lost():
    tell = Story(consumers=[consumer(ack=Ack.ON_RECEIVE)]).send(0, "a").receive(1, "a").acked(1, "a")
    tell.work(2, Kind.INTERRUPTED, "a", cause=Cause.OWN_CRASH)
    assert value(tell, "orders.lost") == 1


def test_a_consumer_that_acks_after_its_work_loses_nothing_by_dying():
    tell = Story().send(0, "a").receive(1, "a").work(2, Kind.INTERRUPTED, "a")
    assert value(tell, "orders.lost") == 0


def test_an_ack_may_delete_what_is_visible_again():
    tell = Story().send(0, "a").receive(1, "a").lease_ended(2, "a").acked(3, "a", place=Place.READY)
    assert value(tell, "orders.visible at 2s", "orders.visible at end", "orders.in_flight at end") == [1, 0, 0]


# --- once a run ---------------------------------------------------------------------------------------------------


def test_drained_at_is_the_first_empty_moment_after_the_largest_visible():
    tell = Story().send(0, "a").receive(1, "a").send(2, "b").send(2, "c").receive(4, "b").receive(7, "c").send(8, "d")
    assert value(tell, "orders.drained_at") == 7


def test_never_drained_is_later_than_any_bound():
    assert value(Story().send(0, "a"), "orders.drained_at") == math.inf


def test_alerts_fire_and_clear():
    tell = (
        Story(alerts=["page", "warn"])
        .row(3, Kind.FIRED, client=0)
        .row(5, Kind.CLEARED, client=0)
        .row(8, Kind.FIRED, client=0)
    )
    assert value(tell, "page.first_fired", "page.fired", "page.firing mean", "warn.first_fired", "warn.fired") == [
        3, 2, pytest.approx(0.4), None, 0,
    ]  # fmt: skip


# --- labels -------------------------------------------------------------------------------------------------------


def test_labels_are_priorities_poison_groups_and_attribute_values():
    # "labels are priority names, `poison`, group or attribute values"
    tell = Story().send(0, "a", level=1, group=4).send(1, "b", level=0, group=5)
    tell.row(0, Kind.POISON, "a").row(0, Kind.ATTRIBUTES, "a", other=1).row(1, Kind.ATTRIBUTES, "b", other=0)
    tell.receive(2, "b").receive(5, "a")
    assert KINDS == ("order", "cart")
    labels = ("normal", "urgent", "poison", "4", "5", "cart", "order")
    assert value(tell, *(f"orders.wait {label} max" for label in labels)) == [5, 1, 5, 5, 1, 5, 1]
    assert value(tell, *(f"orders.received {label}" for label in labels)) == [1] * 7
    assert value(tell, "orders.visible.urgent at 1s", "orders.oldest_age normal at 4s", "shop.sent poison") == [1, 4, 1]


# --- many at once -------------------------------------------------------------------------------------------------


def test_a_summary_has_every_counter_and_the_end_of_every_series():
    from qsim.metrics import summary

    told = summary(Story(queues=["orders", queue("dlq")]).up(0).send(0, "a").recording())
    assert told["orders.visible at end"] == 1
    assert told["orders.accepted total"] == 1
    assert told["orders.oldest_age at end"] == 10
    assert told["worker.count at end"] == 1
    assert told["dlq.depth at end"] == 0
    assert "orders.cost total" not in told


def test_a_series_on_a_grid():
    from qsim.metrics import series

    tell = Story().send(0, "a").send(3, "b").receive(5, "a").receive(6, "b").recording()
    seconds, values = series(tell, "orders.visible", 2 * 10**9)
    assert (list(seconds), list(values)) == ([0, 2, 4, 6, 8, 10], [1, 1, 2, 0, 0, 0])
    assert list(series(tell, "orders.oldest_age", 2 * 10**9)[1]) == [0, 2, 4, 0, 0, 0]
    assert list(series(tell, "orders.received", 5 * 10**9)[1]) == [0, 1, 2]
    assert np.nan_to_num(series(tell, "orders.wait max", 5 * 10**9)[1], nan=-1).tolist() == [-1, 5, 3]


def _ref(text):
    from qsim.scenario.reference import parse

    return parse(text)


# --- edges that a change of the code once slipped through ---------------------------------------------------------


def test_a_prefetched_message_waits_at_its_own_client():
    tell = Story(consumers=[consumer(count=2, buffers=True)]).send(0, "a").receive(1, "a").lease_ended(3, "a")
    tell.receive(4, "a", 2, process=1).work(6, Kind.STARTED, "a", 1).work(9, Kind.STARTED, "a", 2, process=1)
    tell.work(9.5, Kind.STARTED, "a", 3, process=7)
    assert sorted(tell.numbers().values(_ref("worker.prefetch_wait p50")).value / 1e9) == [5, 5]


def test_only_acks_are_stale_acks():
    tell = Story().send(0, "a").row(1, Kind.STALE, "a", 0, other=1)
    tell.row(2, Kind.STALE, "a", 0, other=2).row(3, Kind.STALE, "a", 0, other=3)
    assert value(tell, "worker.stale_acks", "worker.stale_acks from 1s to 2s", "worker.stale_acks from 2s") == [1, 1, 0]


def test_two_producers_are_told_apart():
    tell = (
        Story(producers=[producer(), producer("api", 1)])
        .send(0, "a")
        .send(1, "1a")
        .sent(2, "1a", 2)
        .sent(3, "1b")
        .sent(4, "a", 2)
    )
    tell.row(2, Kind.SUPPRESSED, "1a").row(4, Kind.SUPPRESSED, "a")
    assert value(tell, "shop.sent", "api.sent", "shop.retried", "api.retried", "shop.under_way", "api.under_way") == [
        2, 3, 1, 1, 0, 1,
    ]  # fmt: skip
    assert value(tell, "shop.rate mean", "api.rate mean", "api.send_time max", "api.sent 3 at 9s") == [0.2, 0.3, 0, 0]


def test_a_statistic_at_a_time_is_of_everything_until_then():
    tell = Story(warmup=5).send(0, "a").receive(2, "a").send(4, "b").send(4, "c").receive(8, "b")
    assert value(tell, "orders.visible mean at 4s", "orders.visible max at 6s", "orders.wait max at 2s") == [0.5, 2, 2]


def test_recovery_needs_an_end_and_a_next_receive():
    tell = Story().send(0, "a").send(0, "b").receive(1, "a").row(2, Kind.DUPLICATED, "a", 0).receive(3, "a", 2)
    tell.receive(4, "b").nacked(5, "b").receive(6, "b", 2).nacked(7, "b", attempt=2)
    assert value(tell, "orders.recovery_time total", "orders.recovery_time max") == [1, 1]


def test_ends_need_no_history():
    tell = Story(consumers=[consumer(count=2)]).up(0, 0).up(0, 1).send(0, "a").send(1, "b").receive(2, "a")
    assert value(tell, "worker.idle_while_work_waits at end", "worker.utilization at end", "worker.busy") == [
        0.5,
        0.5,
        1,
    ]
    tell.ack(9.5, "a").row(9.5, Kind.PURGED, "b", cause=Place.READY)
    ends = value(
        tell, "worker.throughput at end", "worker.throughput at 9s", "worker.throughput at 8s", "orders.oldest_age"
    )
    assert ends == [1, 1, 0, 0]
    assert value(tell, "worker.idle_while_work_waits", "worker.count", "worker.time_on_poison") == [0, 2, 0]


def test_a_group_is_late_only_behind_its_own():
    tell = (
        Story()
        .send(0, "a", group=1)
        .send(1, "b", group=1)
        .send(2, "c", group=2)
        .receive(3, "c")
        .receive(4, "b")
        .receive(5, "a")
    )
    assert value(tell, "orders.out_of_order", "orders.out_of_order at 4s") == [1, 0]


def test_a_lost_try_with_another_to_come_is_not_a_lost_message():
    tell = Story().sent(0, "a").row(0, Kind.LOST_SEND, "a", attempt=1).sent(2, "a", 2).row(2, Kind.REJECTED, "a")
    assert value(tell, "orders.lost") == 0
