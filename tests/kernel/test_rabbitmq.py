"""RabbitMQ, a story a rule: channels, consumers, requeue, delivery limits, dead letters, ttl, limits, priorities.

What real brokers did stands in ``tests/golden/rabbitmq``, more of the same kind in ``tests/trace/test_rabbitmq.py``;
here are the exact moments, the rows, and what changed between versions.
"""

from dataclasses import replace

import pytest

from qsim.brokers import RABBITMQ_CLASSIC, RABBITMQ_QUORUM
from qsim.brokers.rabbitmq import classic, lanes, level_of, quorum, with_limit, with_priorities
from qsim.kernel.broker import Broker
from qsim.kernel.channel import Channel
from qsim.kernel.deaths import Death, goes_round, with_death
from qsim.kernel.journal import Cause, Kind
from qsim.kernel.profile import DeadLetter, Overflow
from qsim.kernel.routing import Subscription, copies, matches_pattern
from qsim.units import MINUTE, SECOND

DEAD = DeadLetter("dlq", None)
BOTH = [RABBITMQ_CLASSIC, RABBITMQ_QUORUM]


def made(profile, **changes):
    return Broker({"q": replace(profile, **changes), "dlq": RABBITMQ_CLASSIC})


def sent(broker, count, now=0, **labels):
    for number in range(count):
        broker.send(now, "q", number, **labels)
    return broker


def pushed(broker, now):
    """What consumers get by the end of this instant: client and message."""
    broker.wake(now)
    return [(d.client, d.message.number) for _, deliveries in broker.deliveries() for d in deliveries]


def numbers(deliveries):
    return [delivery.message.number for delivery in deliveries]


def ready(broker, queue="q"):
    return [message.number for message in broker.queues[queue].ready]


def kinds(broker, *wanted):
    return [(Kind(row[5]), Cause(row[6])) for row in broker.journal.read() if row[5] in wanted]


# --- exchanges (RMQ-1 to RMQ-5) ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "key", "matches"),
    [
        ("a.b", "a.b", True), ("a.b", "a.c", False), ("a.*", "a.b", True), ("a.*", "a", False), ("a.*", "a.b.c", False),
        ("a.#", "a", True), ("a.#", "a.b.c", True), ("#", "", True), ("#", "a.b", True), ("#.c", "a.b.c", True),
        ("*.#.c", "a.c", True), ("*.#.c", "c", False), ("#.b.#", "a.b.c", True), ("*", "", False),
    ],
)  # fmt: skip
def test_a_star_is_one_word_and_a_hash_any_number(pattern, key, matches):  # RMQ-1
    words = key.split(".") if key else []
    assert matches_pattern(pattern.split("."), words) is matches
    assert bool(copies([Subscription("q", key=pattern, kind="topic")], None, key)) is matches


def test_a_direct_exchange_wants_the_very_key_and_a_fanout_any():  # RMQ-1
    bound = [Subscription("a", key="k", kind="direct"), Subscription("b", key="l", kind="direct"), Subscription("c")]
    assert [queue for queue, _ in copies(bound, None, "k")] == ["a", "c"]


def test_a_headers_exchange_wants_all_of_its_headers_or_any():  # RMQ-1
    wanted = (("kind", ("a",)), ("size", ("L",)))
    both = Subscription("both", wanted, kind="headers")
    either = Subscription("either", wanted, kind="headers", any_of=True)
    assert [queue for queue, _ in copies([both, either], {"kind": "a", "size": "S"})] == ["either"]
    assert [queue for queue, _ in copies([both, either], {"kind": "a", "size": "L"})] == ["both", "either"]


def test_one_queue_gets_one_copy_of_a_publish():  # RMQ-1
    broker = Broker({"q": RABBITMQ_CLASSIC}, {"x": [Subscription("q", key=key, kind="topic") for key in ("a.*", "#")]})
    assert broker.publish(0, "x", 7, key="a.b") == {"q": Cause.NONE}
    assert ready(broker) == [7]


def test_what_no_queue_wants_is_dropped_and_only_mandatory_tells():  # RMQ-2
    broker = Broker({"q": RABBITMQ_CLASSIC}, {"x": [Subscription("q", key="k", kind="direct")]})
    assert broker.publish(0, "x", key="nope") == broker.publish(1, "x", key="nope", mandatory=True) == {}
    assert kinds(broker, Kind.UNROUTED) == [(Kind.UNROUTED, Cause.NONE), (Kind.UNROUTED, Cause.NO_ROUTE)]


def test_one_queue_may_refuse_and_the_others_keep_their_copy():  # RMQ-3
    full = with_limit(RABBITMQ_CLASSIC, 1, overflow="reject-publish")
    broker = Broker({"q": full, "r": RABBITMQ_CLASSIC}, {"x": [Subscription("q"), Subscription("r")]})
    broker.publish(0, "x")
    assert broker.publish(1, "x") == {"q": Cause.FULL, "r": Cause.NONE}


# --- consumers (RMQ-6 to RMQ-9) ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", BOTH, ids=lambda p: p.name)
def test_prefetch_bounds_what_is_unacked_and_a_get_ignores_it(profile):  # RMQ-6
    broker = sent(made(profile), 4)
    broker.subscribe(0, "q", 1, prefetch=1)
    assert pushed(broker, 0) == [(1, 0)]
    assert numbers(broker.receive(1, "q", 1, limit=2)) == [1, 2]


def test_unlimited_is_unlimited_on_a_classic_queue_and_two_thousand_on_a_quorum_queue():  # RMQ-6
    for profile, most in ((RABBITMQ_CLASSIC, 2500), (RABBITMQ_QUORUM, 2000)):
        broker = sent(made(profile), 2500)
        broker.subscribe(0, "q", 1)
        assert len(pushed(broker, 0)) == most


@pytest.mark.parametrize(
    ("profile", "then"),
    [(RABBITMQ_QUORUM, [(2, 0), (3, 1), (1, 2)]), (RABBITMQ_CLASSIC, [(1, 0), (2, 1), (3, 2)])],
    ids=["quorum", "classic"],
)
def test_who_has_no_credit_leaves_the_ring_and_comes_back_at_its_end(profile, then):
    """RMQ-7; of a classic queue only if it was his turn in between."""
    broker = made(profile)
    for client, prefetch in ((1, 1), (2, 5), (3, 5)):
        broker.subscribe(0, "q", client, prefetch)
    sent(broker, 3)
    assert pushed(broker, 0) == [(1, 0), (2, 1), (3, 2)]
    [first] = broker.sessions[1].held.values()
    broker.ack(1, first)
    sent(broker, 3, now=2)
    assert pushed(broker, 2) == then


def test_whose_turn_it_was_without_credit_has_lost_it():  # RMQ-7
    broker = made(RABBITMQ_CLASSIC)
    broker.subscribe(0, "q", 1, 1)
    broker.subscribe(0, "q", 2, 5)
    sent(broker, 3)
    assert pushed(broker, 0) == [(1, 0), (2, 1), (2, 2)]
    [first] = broker.sessions[1].held.values()
    broker.ack(1, first)
    sent(broker, 2, now=2)
    assert pushed(broker, 2) == [(2, 0), (1, 1)]


def test_the_higher_priority_is_served_first_until_its_prefetch_is_full():  # RMQ-7
    broker = made(RABBITMQ_CLASSIC)
    broker.subscribe(0, "q", 1, 2)
    broker.subscribe(0, "q", 2, 2, priority=10)
    broker.subscribe(0, "q", 3, 1, priority=10)
    sent(broker, 5)
    assert pushed(broker, 0) == [(2, 0), (3, 1), (2, 2), (1, 3), (1, 4)]


def test_an_exclusive_consumer_keeps_the_others_out_and_that_is_a_row():  # RMQ-8
    broker = made(RABBITMQ_CLASSIC)
    alone = broker.subscribe(0, "q", 1, exclusive=True)
    refused = broker.subscribe(1, "q", 2)
    assert (refused.refused, refused.is_open, alone.is_open) == (Cause.EXCLUSIVE, False, True)
    assert kinds(broker, Kind.REFUSED) == [(Kind.REFUSED, Cause.EXCLUSIVE)]
    broker.cancel(2, alone)
    assert broker.subscribe(3, "q", 2).is_open


def test_one_is_active_and_the_next_that_subscribed_takes_over():  # RMQ-8
    broker = made(RABBITMQ_CLASSIC, single_active=True)
    first = broker.subscribe(0, "q", 1, 1)
    broker.subscribe(0, "q", 2, 1, priority=9)
    broker.subscribe(0, "q", 3, 1)
    sent(broker, 3)
    assert pushed(broker, 0) == [(1, 0)]
    broker.cancel(1, first)  # what it holds stays with it (RMQ-38)
    assert pushed(broker, 1) == [(2, 1)]
    broker.forget(2, 2)
    assert pushed(broker, 2) == [(3, 1)]


def test_auto_ack_settles_by_handing_out_and_a_crash_loses_it():  # RMQ-9
    broker = sent(made(RABBITMQ_CLASSIC), 3)
    broker.subscribe(0, "q", 1, prefetch=1, auto_ack=True)
    assert pushed(broker, 0) == [(1, 0), (1, 1), (1, 2)]
    broker.forget(1, 1)
    assert broker.overview()["q"] == {"visible": 0, "in_flight": 0, "delayed": 0, "deferred": 0}


# --- channels (RMQ-10, RMQ-11, RMQ-35, RMQ-38) -------------------------------------------------------------------------


def test_a_second_ack_closes_the_channel_and_everything_it_held_in_any_queue_comes_back():  # RMQ-10
    broker = Broker({"q": RABBITMQ_CLASSIC, "r": RABBITMQ_CLASSIC})
    for queue in "qqr":
        broker.send(0, queue)
    done, _ = broker.receive(0, "q", 1, limit=2)
    broker.receive(0, "r", 1)
    broker.subscribe(0, "q", 1)
    assert broker.ack(1, done) is Cause.NONE
    assert broker.ack(2, done) is Cause.NO_MESSAGE
    assert (ready(broker), ready(broker, "r")) == ([1], [2])
    assert (broker.closed, broker.queues["q"].subscribed) == ([1], [])
    assert kinds(broker, Kind.STALE, Kind.CHANNEL_CLOSED) == [
        (Kind.STALE, Cause.NO_MESSAGE),
        (Kind.CHANNEL_CLOSED, Cause.NO_MESSAGE),
    ]


def test_up_to_a_tag_means_the_whole_channel_and_not_a_tag_that_is_gone():  # RMQ-10
    broker = sent(made(RABBITMQ_CLASSIC), 4)
    broker.send(0, "dlq", 9)
    channel = broker.channel(1)
    [a], [other], [b, c] = (broker.receive(0, queue, 1, limit=n) for queue, n in (("q", 1), ("dlq", 1), ("q", 2)))
    assert channel.ack(1, b, multiple=True) is Cause.NONE
    assert numbers(broker.sessions[1].held.values()) == numbers([c])
    assert channel.ack(2, other, multiple=True) is Cause.NO_MESSAGE
    assert ready(broker) == [2, 3]
    assert a.message.place == other.message.place == 0


def test_a_delivery_of_another_channel_is_an_unknown_tag():  # RMQ-10
    broker = sent(made(RABBITMQ_CLASSIC), 2)
    [mine], [yours] = broker.receive(0, "q", 1), broker.receive(0, "q", 2)
    assert broker.channel(1).ack(1, yours) is Cause.UNKNOWN_RECEIPT
    assert (ready(broker), broker.closed) == ([0], [1])
    assert broker.channel(2).ack(2, yours) is Cause.NONE
    assert mine.message.place == 1


def test_no_timeout_takes_an_unacked_message_from_a_classic_queue():  # RMQ-11
    broker = sent(made(RABBITMQ_CLASSIC), 1)
    broker.receive(0, "q", 1)
    assert broker.wake_at() is None


def test_up_to_4_2_a_consumer_that_is_too_slow_loses_its_channel():  # RMQ-11
    for profile in (classic("3.10"), quorum("3.10")):
        broker = sent(made(profile), 3)
        broker.receive(0, "q", 1)
        broker.receive(MINUTE, "q", 1)
        broker.wake(30 * MINUTE - 1)
        assert (ready(broker), broker.closed) == ([2], [])
        broker.wake(30 * MINUTE)
        assert (ready(broker), broker.closed) == ([0, 1, 2], [1])


def test_since_4_3_a_quorum_queue_takes_back_that_message_alone_and_it_does_not_count():  # RMQ-11, RMQ-18
    broker = sent(made(RABBITMQ_QUORUM, max_deliveries=1), 2)
    broker.receive(0, "q", 1)
    broker.receive(MINUTE, "q", 1)
    broker.wake(30 * MINUTE)
    assert (ready(broker), broker.closed, broker.overview()["q"]["in_flight"]) == ([0], [], 1)


def test_a_transaction_sends_and_settles_at_its_commit():  # RMQ-35
    broker = sent(made(RABBITMQ_CLASSIC), 2)
    channel = broker.channel(1)
    channel.select()
    first, second = broker.receive(0, "q", 1, limit=2)
    channel.send(1, "dlq", message=7)
    channel.ack(1, first)
    channel.nack(1, second)
    assert (ready(broker), ready(broker, "dlq")) == ([], [])
    channel.commit(2)
    assert (ready(broker), ready(broker, "dlq")) == ([1], [7])


def test_a_rollback_forgets_the_calls_and_requeues_nothing():  # RMQ-35
    broker = sent(made(RABBITMQ_CLASSIC), 1)
    channel = broker.channel(1)
    channel.select()
    [held] = broker.receive(0, "q", 1)
    channel.ack(1, held)
    channel.send(1, "q")
    channel.rollback(1)
    assert broker.overview()["q"]["in_flight"] == 1 and ready(broker) == []
    assert channel.ack(2, held) is Cause.NONE
    channel.commit(3)
    assert broker.overview()["q"]["in_flight"] == 0


def test_a_commit_that_a_full_queue_refuses_in_part_is_done_and_closes_the_channel():  # RMQ-28, RMQ-35
    broker = sent(made(RABBITMQ_CLASSIC, capacity=replace(RABBITMQ_CLASSIC.limit, messages=1, when_full=Overflow.REJECT)), 1)
    channel = broker.channel(1)
    channel.select()
    [held] = broker.receive(0, "q", 1)
    channel.ack(1, held)
    channel.send(1, "q", message=7)
    channel.send(1, "q", message=8)
    assert channel.commit(2) is Cause.FULL
    assert (ready(broker), broker.overview()["q"]["in_flight"], broker.closed) == ([7], 0, [1])


def test_a_commit_or_rollback_without_a_transaction_closes_the_channel():  # RMQ-35
    for end in (Channel.commit, Channel.rollback):
        broker = sent(made(RABBITMQ_CLASSIC), 1)
        broker.receive(0, "q", 1)
        assert end(broker.channel(1), 1) is Cause.NOT_ALLOWED
        assert (ready(broker), broker.closed) == ([0], [1])


def test_a_crash_in_a_transaction_requeues_what_was_acked_and_not_committed():  # RMQ-35, RMQ-34
    broker = sent(made(RABBITMQ_CLASSIC), 1)
    channel = broker.channel(1)
    channel.select()
    channel.ack(1, broker.receive(0, "q", 1)[0])
    channel.close(2)
    assert ready(broker) == [0]


def test_what_is_called_and_not_committed_shows_in_the_fingerprint():
    one, other = (sent(made(RABBITMQ_CLASSIC), 1) for _ in range(2))
    for broker in (one, other):
        broker.channel(1).select()
        [held] = broker.receive(0, "q", 1)
    other.channel(1).ack(1, held)
    assert one.fingerprint(1) != other.fingerprint(1)


def test_purge_takes_what_is_ready():  # RMQ-38
    broker = sent(made(RABBITMQ_CLASSIC), 3)
    [held] = broker.receive(0, "q", 1)
    assert broker.purge(1, "q") == 2
    broker.nack(2, held)
    assert ready(broker) == [0]


# --- requeue and delivery limits (RMQ-12 to RMQ-19) --------------------------------------------------------------------


def test_classic_back_to_its_place_whatever_the_order():  # RMQ-12
    broker = sent(made(RABBITMQ_CLASSIC), 4)
    first, second, third = broker.receive(0, "q", 1, limit=3)
    for delivery in (third, first, second):
        broker.nack(1, delivery)
    assert ready(broker) == [0, 1, 2, 3]


def test_quorum_to_the_tail_without_a_limit_to_the_head_with_one_and_to_the_head_after_a_crash():  # RMQ-13
    for limit, after_nack in ((None, [2, 1]), (5, [1, 2])):
        broker = sent(made(quorum("3.10", limit)), 3)
        _first, second = broker.receive(0, "q", 1, limit=2)
        broker.nack(1, second)
        assert ready(broker) == after_nack
        broker.forget(2, 1)
        assert ready(broker) == ([0, 2, 1] if limit is None else [1, 0, 2])  # in the order of return


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_a_limit_of_n_is_n_plus_one_deliveries_and_the_last_return_dead_letters(limit):  # RMQ-17
    broker = sent(made(quorum("4.x", limit), dlq=DEAD), 1)
    for attempt in range(limit + 1):
        [delivery] = broker.receive(attempt, "q", 1)
        assert (delivery.attempt, ready(broker, "dlq")) == (attempt + 1, [])
        broker.nack(attempt, delivery)
    assert (ready(broker), ready(broker, "dlq")) == ([], [0])


def test_the_limit_is_twenty_since_4_0_and_there_was_none_before():  # RMQ-17
    assert RABBITMQ_QUORUM.max_deliveries == 21
    assert quorum("3.10").max_deliveries is None


def test_without_a_dead_letter_queue_the_limit_drops():  # RMQ-17, RMQ-20
    broker = sent(made(quorum("4.x", 0)), 1)
    broker.nack(1, *broker.receive(0, "q", 1))
    assert kinds(broker, Kind.DROPPED) == [(Kind.DROPPED, Cause.MAX_RECEIVES)]


def test_since_4_3_a_nack_that_says_nothing_of_failure_does_not_count_and_a_crash_does():  # RMQ-18
    for version, survives in (("3.10", False), ("4.x", True)):
        broker = sent(made(quorum(version, 1), dlq=DEAD), 1)
        for now in range(2):
            broker.nack(now, *broker.receive(now, "q", 1), failed=False)
        assert (ready(broker) == [0]) is survives
    for now in (5, 6):
        broker.receive(now, "q", 1)
        broker.forget(now, 1)
    assert ready(broker, "dlq") == [0]


def test_a_crash_counts_for_everything_that_was_prefetched():  # RMQ-18
    broker = sent(made(quorum("4.x", 0), dlq=DEAD), 3)
    broker.subscribe(0, "q", 1, 3)
    pushed(broker, 0)
    broker.forget(1, 1)
    assert ready(broker, "dlq") == [0, 1, 2]


def test_a_classic_queue_gives_a_message_for_ever():  # RMQ-19
    broker = sent(made(RABBITMQ_CLASSIC, dlq=DEAD), 1)
    for now in range(100):
        broker.nack(now, *broker.receive(now, "q", 1))
    assert ready(broker) == [0]


# --- dead letters (RMQ-16, RMQ-20 to RMQ-24) ---------------------------------------------------------------------------


def test_deaths_are_one_entry_a_queue_and_reason_the_newest_first():  # RMQ-21
    deaths = ()
    for queue, cause in [("q", Cause.REJECTED), ("r", Cause.TTL), ("q", Cause.REJECTED), ("r", Cause.RETENTION)]:
        deaths = with_death(deaths, queue, cause)
    assert deaths == (Death("r", Cause.TTL, 2), Death("q", Cause.REJECTED, 2))


@pytest.mark.parametrize(
    ("deaths", "target", "goes"),
    [
        ([("q", Cause.TTL)], "r", False),
        ([("q", Cause.TTL)], "q", True),
        ([("r", Cause.TTL), ("q", Cause.FULL)], "q", True),
        ([("r", Cause.TTL), ("q", Cause.REJECTED)], "q", False),
        ([("s", Cause.TTL), ("r", Cause.REJECTED), ("q", Cause.TTL)], "q", False),
        ([("r", Cause.TTL), ("q", Cause.TTL), ("s", Cause.REJECTED)], "q", True),
    ],
)
def test_it_goes_round_if_it_died_there_and_nobody_has_rejected_it_since(deaths, target, goes):  # RMQ-22
    assert goes_round(tuple(Death(*death) for death in deaths), target) is goes


def test_a_dead_letter_is_a_fresh_publish():  # RMQ-14, RMQ-15, RMQ-21
    broker = sent(made(RABBITMQ_QUORUM, dlq=DEAD), 1, ttl=MINUTE)
    broker.reject(1, *broker.receive(0, "q", 1))
    [moved] = broker.receive(2, "dlq", 1)
    assert (moved.attempt, moved.message.expires, moved.message.entered) == (1, None, 1)
    assert moved.message.deaths == (Death("q", Cause.REJECTED, 1),)


def test_a_cycle_of_expiries_ends_in_a_drop_that_says_so():  # RMQ-22
    waits = replace(RABBITMQ_CLASSIC, retention=SECOND)
    broker = Broker({"a": replace(waits, dlq=DeadLetter("b", None)), "b": replace(waits, dlq=DeadLetter("a", None))})
    broker.send(0, "a")
    broker.wake(MINUTE)
    assert kinds(broker, Kind.DROPPED) == [(Kind.DROPPED, Cause.CYCLE)]


def test_a_delay_by_ttl_and_dead_letters():  # RMQ-4
    delayed = replace(RABBITMQ_CLASSIC, retention=5 * SECOND, dlq=DeadLetter("q", None))
    broker = Broker({"q": RABBITMQ_CLASSIC, "wait": delayed})
    broker.subscribe(0, "q", 1)
    broker.send(0, "wait", 7)
    assert pushed(broker, 5 * SECOND - 1) == []
    assert pushed(broker, 5 * SECOND) == [(1, 7)]


# --- ttl (RMQ-25, RMQ-26, RMQ-32) --------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", BOTH, ids=lambda p: p.name)
def test_time_strikes_at_the_head_only_and_at_once_when_it_becomes_the_head(profile):  # RMQ-25
    broker = made(profile, dlq=DEAD)
    broker.send(0, "q", 0)
    broker.send(0, "q", 1, ttl=SECOND)
    broker.send(0, "q", 2)
    broker.wake(MINUTE)
    assert ready(broker) == [0, 1, 2]
    broker.receive(2 * MINUTE, "q", 1)
    assert (ready(broker), ready(broker, "dlq")) == ([2], [1])


@pytest.mark.parametrize(("profile", "left"), [(RABBITMQ_CLASSIC, 2), (RABBITMQ_QUORUM, 1)], ids=["classic", "quorum"])
def test_behind_a_more_urgent_message_time_strikes_in_each_level_of_a_quorum_queue_only(profile, left):  # RMQ-32
    broker = made(with_priorities(profile, 9))
    broker.send(0, "q", 0, level=level_of(1), ttl=SECOND)
    broker.send(0, "q", 1, level=level_of(9))
    broker.wake(SECOND)
    assert broker.queues["q"].visible == left


def test_the_shorter_of_both_ttls_counts():  # RMQ-25
    broker = made(RABBITMQ_CLASSIC, retention=3 * SECOND)
    broker.send(0, "q", 0, ttl=SECOND)
    broker.send(0, "q", 1, ttl=MINUTE)
    assert broker.wake_at() == SECOND
    broker.wake(SECOND)
    assert broker.wake_at() == 3 * SECOND


def test_a_ttl_of_nothing_needs_a_consumer_that_is_free():  # RMQ-26
    broker = made(RABBITMQ_CLASSIC)
    broker.send(0, "q", 0, ttl=0)
    assert broker.receive(0, "q", 1) == ()
    broker.subscribe(1, "q", 1, 1)
    broker.send(2, "q", 1, ttl=0)
    broker.send(2, "q", 2, ttl=0)
    assert pushed(broker, 2) == [(1, 1)]
    broker.wake(3)
    assert ready(broker) == []


def test_the_end_is_kept_on_requeue_and_strikes_then():  # RMQ-26
    broker = sent(made(RABBITMQ_CLASSIC), 1, ttl=SECOND)
    [held] = broker.receive(0, "q", 1)
    broker.wake(MINUTE)
    assert broker.overview()["q"]["in_flight"] == 1
    broker.nack(MINUTE, held)
    assert kinds(broker, Kind.EXPIRED) == [(Kind.EXPIRED, Cause.TTL)]


# --- limits (RMQ-27 to RMQ-29) -----------------------------------------------------------------------------------------


def test_a_requeue_over_the_limit_drops_the_head_which_is_itself():  # RMQ-29
    broker = made(with_limit(RABBITMQ_CLASSIC, 2), dlq=DEAD)
    sent(broker, 2)
    [oldest] = broker.receive(0, "q", 1)
    broker.send(1, "q", 2)
    broker.nack(2, oldest)
    assert (ready(broker), ready(broker, "dlq")) == ([1, 2], [0])


def test_reject_publish_lets_one_more_into_a_quorum_queue():  # RMQ-28
    for profile, most in ((RABBITMQ_CLASSIC, 2), (RABBITMQ_QUORUM, 3)):
        broker = made(with_limit(profile, 2, overflow="reject-publish"))
        assert [broker.send(0, "q") for _ in range(4)].count(Cause.NONE) == most


def test_what_is_refused_may_be_dead_lettered_all_the_same():  # RMQ-28
    broker = made(with_limit(RABBITMQ_CLASSIC, 1, overflow="reject-publish-dlx"), dlq=DEAD)
    assert [broker.send(0, "q", number) for number in (4, 5)] == [Cause.NONE, Cause.FULL]
    [refused] = broker.receive(1, "dlq", 1)
    assert (refused.message.number, refused.message.deaths) == (5, (Death("q", Cause.FULL, 1),))


# --- priorities (RMQ-30, RMQ-31) ---------------------------------------------------------------------------------------


def test_larger_numbers_first_a_missing_one_is_nought_and_too_large_is_the_largest():  # RMQ-30
    table = lanes(5)
    assert [table[level_of(priority)] for priority in (9, 5, 4, 0, None)] == [0, 0, 1, 5, 5]


def test_quorum_of_4_3_has_32_priorities_and_a_missing_one_is_four():  # RMQ-31
    broker = made(with_priorities(RABBITMQ_QUORUM, 31, missing=4))
    for number, priority in enumerate([None, 3, 5, 31, 200]):
        broker.send(0, "q", number, level=level_of(priority))
    assert ready(broker) == [3, 4, 2, 0, 1]


def test_quorum_what_was_returned_goes_before_any_priority():  # RMQ-31
    broker = made(with_priorities(RABBITMQ_QUORUM, 31, missing=4))
    broker.send(0, "q", 0, level=level_of(1))
    [low] = broker.receive(0, "q", 1)
    broker.send(1, "q", 1, level=level_of(9))
    broker.nack(2, low)
    assert ready(broker) == [0, 1]


def test_classic_a_requeued_message_waits_for_its_priority():  # RMQ-30
    broker = made(with_priorities(RABBITMQ_CLASSIC, 9))
    broker.send(0, "q", 0, level=level_of(1))
    [low] = broker.receive(0, "q", 1)
    broker.send(1, "q", 1, level=level_of(9))
    broker.nack(2, low)
    assert ready(broker) == [1, 0]
