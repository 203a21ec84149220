"""Azure Service Bus, by rule (ASB-1 to ASB-26): peek-lock, sessions, deferral, scheduling and what follows from them."""

from dataclasses import replace

import pytest

from qsim.brokers.servicebus import (
    AZURE_SERVICE_BUS,
    DETECTION_WINDOW,
    dead_letter_queue_of,
    with_dead_letters,
    with_sessions,
)
from qsim.kernel import peeklock, session_lock
from qsim.kernel.broker import Broker
from qsim.kernel.filters import Action, Rule, Sql
from qsim.kernel.journal import Cause, Kind, Place
from qsim.kernel.peeklock import delivery_count
from qsim.kernel.profile import Capacity, Grouping
from qsim.kernel.routing import Subscription
from qsim.kernel.session_lock import SessionLock
from qsim.kernel.transaction import MOST, Transaction
from qsim.units import DAY, MINUTE, SECOND

LOST = {Cause.NO_MESSAGE, Cause.NOT_IN_FLIGHT, Cause.RECEIPT_EXPIRED, Cause.RECEIVED_AGAIN}


def bus(max_delivery=10, sessions=False, **changes):
    """A queue and the dead-letter queue behind it."""
    queue = replace(AZURE_SERVICE_BUS, **changes)
    queue = with_dead_letters(with_sessions(queue) if sessions else queue, "dlq", max_delivery)
    return Broker({"q": queue, "dlq": dead_letter_queue_of(queue)})


def received(broker, now=0, queue="q", client="c"):
    [delivery] = broker.receive(now, queue, client)
    return delivery


def counts(broker, queue="q"):
    return tuple(broker.overview()[queue].values())


def kinds(broker):
    return [Kind(row[5]) for row in broker.journal.read()]


def bodies(deliveries):
    return [delivery.message.payload for delivery in deliveries]


def send(broker, now, *payloads, **more):
    for payload in payloads:
        assert broker.send(now, "q", payload=payload, **more) is Cause.NONE


# --- sending ----------------------------------------------------------------------------------------------------------


def test_every_accepted_message_gets_the_next_number_of_its_queue():
    broker = bus(capacity=Capacity(messages=3))  # ASB-1
    send(broker, 0, "a", "b")
    assert broker.send(0, "q", size=256 * 1024 + 1) is Cause.TOO_LARGE
    send(broker, 0, "c")
    assert broker.send(0, "q") is Cause.FULL
    assert [message.number_here for message in broker.queues["q"].messages()] == [1, 2, 3]


def test_a_duplicate_is_dropped_within_the_window_also_after_the_first_is_gone():
    broker = bus(dedup_window=DETECTION_WINDOW)  # ASB-2
    send(broker, 0, "a", dedup="1")
    broker.ack(0, received(broker))
    assert broker.send(DETECTION_WINDOW - 1, "q", dedup="1") is Cause.DUPLICATE_ID
    assert broker.send(DETECTION_WINDOW, "q", dedup="1") is Cause.NONE


def test_a_scheduled_message_takes_part_in_detection_from_its_scheduling():
    broker = bus(dedup_window=MINUTE)  # ASB-2
    peeklock.schedule(broker, 0, "q", 30 * SECOND, dedup="1")
    assert broker.send(MINUTE - 1, "q", dedup="1") is Cause.DUPLICATE_ID
    assert broker.send(MINUTE, "q", dedup="1") is Cause.NONE


def test_a_scheduled_message_enters_behind_what_was_sent_before_it_was_due():
    broker = bus()  # ASB-3
    answer, number = peeklock.schedule(broker, 0, "q", 10 * SECOND, payload="later")
    assert (answer, number) == (Cause.NONE, 1)
    send(broker, 9 * SECOND, "now")
    assert broker.receive(10 * SECOND - 1, "q", "c", limit=1)[0].message.payload == "now"
    send(broker, 10 * SECOND, "last")
    [later, last] = broker.receive(10 * SECOND, "q", "c", limit=2)
    assert bodies([later, last]) == ["later", "last"]
    assert (later.message.number_here, last.message.number_here) == (3, 4)


def test_a_scheduled_message_is_cancelled_until_it_is_due():
    broker = bus()  # ASB-3
    _, first = peeklock.schedule(broker, 0, "q", SECOND)
    _, second = peeklock.schedule(broker, 0, "q", SECOND)
    assert peeklock.cancel(broker, SECOND - 1, "q", first) is Cause.NONE
    assert peeklock.cancel(broker, SECOND - 1, "q", first) is Cause.NO_MESSAGE
    broker.wake(SECOND)
    assert peeklock.cancel(broker, SECOND, "q", second) is Cause.NO_MESSAGE
    assert counts(broker) == (1, 0, 0, 0)
    assert not broker.queues["q"].scheduled


def test_ttl_of_a_scheduled_message_counts_from_the_enqueue():
    broker = bus(retention=5 * SECOND)  # ASB-3, ASB-4
    peeklock.schedule(broker, 0, "q", 10 * SECOND, ttl=3 * SECOND)
    peeklock.schedule(broker, 0, "q", 10 * SECOND, ttl=DAY)
    assert len(broker.receive(13 * SECOND - 1, "q", "c", limit=2)) == 2
    peeklock.schedule(broker, 20 * SECOND, "q", 10 * SECOND, ttl=3 * SECOND)
    assert broker.receive(33 * SECOND, "q", "c", limit=5) == ()


def test_ttl_is_the_smaller_of_the_messages_and_the_queues():
    broker = bus(retention=5 * SECOND)  # ASB-4
    for ttl in (2 * SECOND, DAY, None):
        broker.send(0, "q", ttl=ttl)
    assert [message.expires for message in broker.queues["q"].messages()] == [2 * SECOND, 5 * SECOND, 5 * SECOND]


# --- receiving --------------------------------------------------------------------------------------------------------


def test_what_is_received_and_deleted_is_lost_with_its_receiver():
    broker = bus()  # ASB-5
    send(broker, 0, "a")
    assert bodies(peeklock.receive_and_delete(broker, 0, "q", "c")) == ["a"]
    broker.forget(1, "c")
    assert counts(broker) == (0, 0, 0, 0)
    assert broker.wake_at() is None


def test_a_receive_waits_for_the_first_message_only():
    broker = bus()  # ASB-6
    answer = broker.receive(0, "q", "c", limit=10, wait=30 * SECOND)
    assert answer == ()
    send(broker, 5 * SECOND, "a")
    broker.wake(5 * SECOND)
    [(credit, deliveries)] = broker.deliveries()
    assert (credit, bodies(deliveries)) == (answer.credit, ["a"])


def test_what_comes_back_stands_where_it_stood():
    broker = bus()  # ASB-7
    send(broker, 0, "a", "b", "c")
    first, second = broker.receive(0, "q", "x", limit=2)
    broker.nack(1, second)
    broker.wake(MINUTE)  # the other one's lock runs out
    assert first.message.place is Place.READY
    assert bodies(broker.receive(MINUTE, "q", "y", limit=3)) == ["a", "b", "c"]


def test_the_lock_of_what_is_prefetched_runs_in_the_buffer():
    broker = bus()  # ASB-8
    broker.subscribe(0, "q", "c", 1)
    send(broker, 0, "a")
    broker.wake(0)
    [(_, [delivery])] = broker.deliveries()
    broker.wake(MINUTE)
    broker.take(MINUTE + 1, delivery)
    assert broker.ack(MINUTE + 1, delivery) in LOST
    [(_, [again])] = broker.deliveries()
    assert delivery_count(again) == 2


def test_a_delivery_counts_when_it_is_abandoned_or_its_lock_runs_out():
    broker = bus()  # ASB-9
    send(broker, 0, "a")
    first = received(broker)
    broker.nack(1, first)
    second = received(broker, 2)
    third = received(broker, 2 + MINUTE)
    assert [delivery_count(d) for d in (first, second, third)] == [1, 2, 3]


# --- settling ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["ack", "nack", "reject", "dead_letter", "defer", "renew"])
def test_nothing_can_be_done_with_a_lost_lock(how):
    broker = bus()  # ASB-10
    send(broker, 0, "a")
    delivery = received(broker)
    call = getattr(broker, how, None) or (lambda now, d: getattr(peeklock, how)(broker, now, d))
    assert call(MINUTE + 1, delivery) in LOST
    assert counts(broker) == (1, 0, 0, 0)
    assert kinds(broker)[-1] is Kind.STALE
    assert delivery.message.attributes is None


def test_an_ack_at_the_very_instant_at_which_the_lock_ends_still_counts():
    broker = bus()  # SCENARIO.md rule 6
    send(broker, 0, "a")
    assert broker.ack(MINUTE, received(broker)) is Cause.NONE


def test_a_renewal_lasts_the_locks_duration_from_now_and_may_be_repeated_for_ever():
    broker = bus()  # ASB-11
    send(broker, 0, "a")
    delivery = received(broker)
    assert peeklock.renew(broker, 50 * SECOND, delivery) is Cause.NONE
    assert broker.wake_at() == 110 * SECOND
    for n in range(2, 100):
        assert broker.extend(n * 50 * SECOND, delivery, DAY) is Cause.NONE  # whatever is asked
    assert broker.wake_at() == 99 * 50 * SECOND + MINUTE


def test_a_dropped_connection_leaves_the_lock_to_run_out_and_nobody_can_use_it():
    broker = bus()  # ASB-10, ASB-12
    send(broker, 0, "a")
    delivery = received(broker)
    broker.forget(1, "c")
    assert broker.ack(2, delivery) in LOST
    assert broker.receive(3, "q", "c") == ()
    assert counts(broker) == (0, 1, 0, 0)
    assert delivery_count(received(broker, MINUTE)) == 2


def test_a_clean_close_gives_back_what_was_only_prefetched():
    broker = bus()  # ASB-12
    send(broker, 0, "a", "b")
    broker.subscribe(0, "q", "c", 2)
    broker.wake(0)
    taken = broker.deliveries()[0][1][0]
    broker.take(1, taken)
    peeklock.leave(broker, 2, "c")
    again = received(broker, 3, client="d")
    assert (again.message.payload, delivery_count(again)) == ("b", 1)
    assert broker.ack(4, taken) in LOST
    assert delivery_count(received(broker, MINUTE, client="d")) == 2


def test_uncounted_deliveries_leave_all_the_deliveries_that_a_message_may_get():
    broker = bus(max_delivery=2)  # ASB-12, ASB-15
    send(broker, 0, "a")
    for n in range(5):
        broker.subscribe(n, "q", "c", 1)
        broker.wake(n)
        peeklock.leave(broker, n, "c")
    for n in (1, 2):
        delivery = received(broker, 10 * n)
        assert delivery_count(delivery) == n
        broker.nack(10 * n, delivery)
    assert counts(broker, "dlq") == (1, 0, 0, 0)


# --- deferral ---------------------------------------------------------------------------------------------------------


def test_what_is_deferred_is_found_by_its_number_only():
    broker = bus()  # ASB-13
    send(broker, 0, "a")
    assert peeklock.defer(broker, 1, received(broker)) is Cause.NONE
    assert counts(broker) == (0, 0, 0, 1)
    assert broker.receive(2, "q", "c") == ()
    assert peeklock.fetch(broker, 3, "q", "c", [2]) == ()
    [again] = peeklock.fetch(broker, 3, "q", "c", [1])
    assert peeklock.fetch(broker, 3, "q", "c", [1]) == ()
    assert broker.ack(4, again) is Cause.NONE
    assert counts(broker) == (0, 0, 0, 0)
    moves = [kind for kind in kinds(broker) if kind is not Kind.EMPTY_RECEIVE]
    assert moves[1:-1] == [Kind.RECEIVED, Kind.DEFERRED_, Kind.FETCHED, Kind.RECEIVED]


def test_a_fetched_message_goes_back_to_where_only_its_number_finds_it():
    broker = bus()  # ASB-13
    send(broker, 0, "a")
    peeklock.defer(broker, 0, received(broker))
    peeklock.fetch(broker, 1, "q", "c", [1])
    broker.wake(1 + MINUTE)  # its lock runs out
    assert counts(broker) == (0, 0, 0, 1)
    assert [delivery_count(d) for d in peeklock.fetch(broker, 2 + MINUTE, "q", "c", [1])] == [3]


def test_time_does_not_strike_what_is_deferred_until_it_is_fetched():
    broker = bus(ttl_dead_letters=True)  # ASB-13
    send(broker, 0, "a", ttl=SECOND)
    peeklock.defer(broker, 0, received(broker))
    broker.wake(DAY)
    assert counts(broker) == (0, 0, 0, 1)
    assert peeklock.fetch(broker, DAY, "q", "c", [1]) == ()
    assert (counts(broker), counts(broker, "dlq")) == ((0, 0, 0, 0), (1, 0, 0, 0))


def test_a_purge_takes_what_is_deferred_too():
    broker = bus()
    send(broker, 0, "a")
    peeklock.defer(broker, 0, received(broker))
    assert broker.purge(1, "q") == 1
    assert list(broker.queues["q"].messages()) == []


# --- ttl and dead letters ---------------------------------------------------------------------------------------------


def test_what_expires_in_a_receivers_hands_can_be_completed():
    broker = bus()  # ASB-14
    send(broker, 0, "a", ttl=SECOND)
    assert broker.ack(30 * SECOND, received(broker)) is Cause.NONE


def test_what_has_expired_goes_when_it_is_abandoned():
    broker = bus(ttl_dead_letters=True)  # ASB-14
    send(broker, 0, "a", ttl=SECOND)
    broker.nack(30 * SECOND, received(broker))
    assert (counts(broker), counts(broker, "dlq")) == ((0, 0, 0, 0), (1, 0, 0, 0))


def test_n_deliveries_and_the_last_abandon_moves_it_at_once():
    broker = bus(max_delivery=3)  # ASB-15
    send(broker, 0, "a")
    for n in range(3):
        assert counts(broker, "dlq") == (0, 0, 0, 0)
        broker.nack(n, received(broker, n))
    assert counts(broker, "dlq") == (1, 0, 0, 0)
    for n in range(3):  # where the count stays
        delivery = received(broker, 10 + n, "dlq")
        assert (delivery_count(delivery), delivery.message.died_of) == (3, Cause.MAX_RECEIVES)
        broker.nack(10 + n, delivery)


def test_a_lock_that_runs_out_uses_up_a_delivery_too():
    broker = bus(max_delivery=1)  # ASB-15
    send(broker, 0, "a")
    received(broker)
    broker.wake(MINUTE - 1)
    assert counts(broker, "dlq") == (0, 0, 0, 0)
    broker.wake(MINUTE)
    assert counts(broker, "dlq") == (1, 0, 0, 0)


def test_with_one_delivery_a_defer_is_the_end():
    broker = bus(max_delivery=1)  # ASB-15
    send(broker, 0, "a")
    peeklock.defer(broker, 1, received(broker))
    assert (counts(broker), counts(broker, "dlq")) == ((0, 0, 0, 0), (1, 0, 0, 0))


def test_the_application_gives_a_reason_in_its_own_words():
    broker = bus()  # ASB-16
    send(broker, 0, "a", attributes={"kind": "order"})
    assert peeklock.dead_letter(broker, 1, received(broker), "bad", "no such street") is Cause.NONE
    message = received(broker, 2, "dlq").message
    assert message.died_of is Cause.BY_APPLICATION
    assert message.attributes == {"kind": "order", peeklock.REASON: "bad", peeklock.DESCRIPTION: "no such street"}


def test_nothing_expires_in_a_dead_letter_queue_and_nobody_sends_to_it():
    broker = bus(max_delivery=1, retention=MINUTE)  # ASB-17
    send(broker, 0, "a")
    broker.nack(0, received(broker))
    assert broker.send(1, "dlq") is Cause.NOT_ALLOWED
    delivery = received(broker, 100 * DAY, "dlq")
    assert broker.reject(100 * DAY, delivery) is Cause.NOT_ALLOWED
    assert peeklock.dead_letter(broker, 100 * DAY, delivery, "again") is Cause.NOT_ALLOWED
    assert delivery.message.attributes is None
    assert broker.ack(100 * DAY, delivery) is Cause.NONE


def test_what_is_out_of_date_is_counted_until_a_receive_comes_upon_it():
    broker = bus()  # ASB-18
    send(broker, 0, "a", ttl=SECOND)
    send(broker, 0, "b")
    broker.wake(DAY)
    assert counts(broker) == (2, 0, 0, 0)
    assert bodies(broker.receive(DAY, "q", "c", limit=5)) == ["b"]
    assert Kind.EXPIRED in kinds(broker)  # ASB-16: dropped, by default


def test_a_redrive_is_a_receive_and_a_send():
    broker = bus(max_delivery=1)  # ASB-19
    send(broker, 0, "a")
    broker.nack(0, received(broker))
    dead = received(broker, 1, "dlq")
    send(broker, 2, dead.message.payload)
    broker.ack(2, dead)
    again = received(broker, 3)
    assert (again.message.number_here, delivery_count(again)) == (2, 1)


# --- sessions ---------------------------------------------------------------------------------------------------------


def with_two_sessions():
    broker = bus(sessions=True)
    for name in ("a1", "b1", "a2"):
        send(broker, 0, name, group=name[0])
    return broker


def accepted(broker, now, client, session=None):
    lock = peeklock.accept_session(broker, now, "q", client, session)
    assert isinstance(lock, SessionLock)
    return lock


def test_a_session_is_one_receivers_now_and_later():
    broker = with_two_sessions()  # ASB-20
    assert broker.send(0, "q") is Cause.NO_GROUP
    assert accepted(broker, 1, "x", "a").session == "a"
    assert peeklock.accept_session(broker, 1, "q", "y", "a") is Cause.SESSION_LOCKED
    assert accepted(broker, 1, "y").session == "b"
    assert bodies(broker.receive(2, "q", "x", limit=5)) == ["a1", "a2"]
    send(broker, 3, "a3", group="a")
    assert bodies(broker.receive(4, "q", "y", limit=5)) == ["b1"]
    assert bodies(broker.receive(4, "q", "x", limit=5)) == ["a3"]
    assert peeklock.accept_session(broker, 5, "q", "z") is Cause.NO_SESSION
    assert accepted(broker, 5, "z", "empty").session == "empty"


def test_a_receiver_that_waits_gets_what_comes_to_its_session_and_no_other():
    broker = bus(sessions=True)  # ASB-20
    accepted(broker, 0, "x", "a")
    accepted(broker, 0, "y", "b")
    mine = broker.receive(1, "q", "x", wait=None).credit
    yours = broker.receive(1, "q", "y", wait=None).credit
    send(broker, 2, "b1", group="b")
    broker.wake(2)
    assert [(credit, bodies(got)) for credit, got in broker.deliveries()] == [(yours, ["b1"])]
    send(broker, 3, "a1", group="a")
    broker.wake(3)
    assert [(credit, bodies(got)) for credit, got in broker.deliveries()] == [(mine, ["a1"])]


def test_who_just_receives_keeps_a_session_until_nothing_of_it_is_left():
    broker = with_two_sessions()  # ASB-20
    first = received(broker, 1, client="x")
    assert received(broker, 1, client="y").message.payload == "b1"
    assert broker.receive(1, "q", "z") == ()
    second = received(broker, 2, client="x")
    assert bodies([first, second]) == ["a1", "a2"]
    send(broker, 3, "c1", group="c")
    assert broker.receive(4, "q", "x") == ()  # two of the session are still in its hands
    broker.ack(5, first)
    broker.ack(5, second)
    assert received(broker, 6, client="x").message.payload == "c1"


def test_a_session_lock_that_runs_out_makes_all_in_flight_one_delivery_older():
    broker = with_two_sessions()  # ASB-21
    lock = accepted(broker, 0, "x", "a")
    first = received(broker, 30 * SECOND, client="x")
    broker.wake(MINUTE - 1)
    assert lock.arm
    broker.wake(MINUTE)
    assert broker.ack(MINUTE, first) in LOST
    assert peeklock.renew_session(broker, MINUTE, lock) is Cause.NO_SESSION
    accepted(broker, MINUTE, "y", "a")
    assert [delivery_count(d) for d in broker.receive(MINUTE, "q", "y", limit=2)] == [2, 1]


def test_a_session_is_renewed_as_a_whole():
    broker = with_two_sessions()  # ASB-21
    lock = accepted(broker, 0, "x", "a")
    first, second = broker.receive(1, "q", "x", limit=2)
    assert peeklock.renew_session(broker, 50 * SECOND, lock) is Cause.NONE
    assert broker.ack(100 * SECOND, first) is Cause.NONE
    assert broker.extend(109 * SECOND, second, 1) is Cause.NONE  # a message's lock is its session's
    assert broker.wake_at() == 169 * SECOND


def test_a_closed_session_comes_back_as_old_as_it_was():
    broker = with_two_sessions()  # ASB-21
    lock = accepted(broker, 0, "x", "a")
    delivery = received(broker, 1, client="x")
    assert peeklock.close_session(broker, 2, lock) is Cause.NONE
    assert peeklock.close_session(broker, 2, lock) is Cause.NO_SESSION
    assert broker.ack(3, delivery) in LOST
    accepted(broker, 3, "y", "a")
    again = received(broker, 3, client="y")
    assert (again.message, delivery_count(again)) == (delivery.message, 1)


def test_a_session_whose_link_dropped_is_locked_until_its_lock_runs_out():
    broker = with_two_sessions()  # ASB-12, ASB-20
    accepted(broker, 0, "x", "a")
    delivery = received(broker, 1, client="x")
    broker.forget(2, "x")
    assert broker.ack(3, delivery) in LOST
    assert peeklock.accept_session(broker, 3, "q", "x", "a") is Cause.SESSION_LOCKED
    accepted(broker, MINUTE, "x", "a")
    assert delivery_count(received(broker, MINUTE, client="x")) == 2


def test_what_is_abandoned_in_a_session_is_next():
    broker = with_two_sessions()  # ASB-22
    accepted(broker, 0, "x", "a")
    for n in range(1, 5):
        delivery = received(broker, n, client="x")
        assert (delivery.message.payload, delivery_count(delivery)) == ("a1", n)
        broker.nack(n, delivery)


def test_a_sessions_state_outlives_lock_and_messages():
    broker = with_two_sessions()  # ASB-23
    lock = accepted(broker, 0, "x", "a")
    assert session_lock.set_state(lock, "step 3") is Cause.NONE
    broker.wake(MINUTE)
    assert session_lock.set_state(lock, "late") is Cause.NO_SESSION
    assert session_lock.state(accepted(broker, DAY, "y", "a")) == "step 3"


def test_deferral_in_a_session_is_its_receivers():
    broker = with_two_sessions()  # ASB-13, ASB-20
    accepted(broker, 0, "x", "a")
    accepted(broker, 0, "y", "b")
    peeklock.defer(broker, 1, received(broker, client="x"))
    assert peeklock.fetch(broker, 2, "q", "y", [1]) == ()
    [again] = peeklock.fetch(broker, 2, "q", "x", [1])
    broker.wake(MINUTE)
    assert broker.ack(MINUTE, again) in LOST
    assert counts(broker) == (2, 0, 0, 1)


def test_ten_thousand_sessions_cost_no_more_than_ten():
    broker = bus(sessions=True)
    for n in range(10_000):
        send(broker, 0, n, group=f"s{n % 5_000}")
    for n in range(5_000):
        for delivery in broker.receive(1, "q", f"c{n}", limit=2):
            broker.ack(1, delivery)
    assert counts(broker) == (0, 0, 0, 0)


# --- topics, transactions, auto-forward -------------------------------------------------------------------------------


def test_each_rule_with_an_action_adds_a_copy_to_its_subscription():
    queue = with_dead_letters(AZURE_SERVICE_BUS, "dlq")  # ASB-24
    rules = (Rule(Sql("kind = 'a'")), Rule(Sql("kind IS NOT NULL")), Rule(Sql("kind = 'a'"), Action("SET audit = 'yes'")))
    topics = {"t": [Subscription("s", rules=rules)]}
    broker = Broker({"s": queue, "dlq": dead_letter_queue_of(queue)}, topics)
    broker.publish(0, "t", attributes={"kind": "a"})
    broker.publish(0, "t", attributes={"color": "red"})
    got = [dict(delivery.message.attributes) for delivery in broker.receive(1, "s", "c", limit=5)]
    assert got == [{"kind": "a"}, {"kind": "a", "audit": "yes"}]


def test_a_transaction_is_seen_at_its_commit_and_as_a_whole():
    broker = bus()  # ASB-25
    send(broker, 0, "a")
    delivery = received(broker)
    work = Transaction(broker, 1)
    assert work.settle(delivery, lambda now: broker.ack(now, delivery)) is Cause.NONE
    assert work.send("q", payload="b") is Cause.NONE
    assert counts(broker) == (0, 1, 0, 0)
    assert work.commit(2) is Cause.NONE
    assert bodies(broker.receive(3, "q", "c", limit=5)) == ["b"]
    assert work.commit(4) is Cause.NOT_ALLOWED


@pytest.mark.parametrize("why", ["rollback", "lost lock", "too late", "full"])
def test_of_a_transaction_that_fails_nothing_happens(why):
    broker = bus(visibility_timeout=3 * MINUTE, capacity=Capacity(messages=2))  # ASB-25
    send(broker, 0, "a")
    delivery = received(broker)
    work = Transaction(broker, 0)
    work.settle(delivery, lambda now: broker.nack(now, delivery))
    work.send("q", payload="b")
    if why == "full":
        work.send("q", payload="c")
    if why == "lost lock":
        broker.forget(1, "c")
    if why == "rollback":
        work.rollback()
    answer = work.commit(2 * MINUTE + 1 if why == "too late" else 1)
    assert answer is {
        "rollback": Cause.NOT_ALLOWED, "lost lock": Cause.NOT_IN_FLIGHT, "too late": Cause.OUT_OF_RANGE, "full": Cause.FULL
    }.get(why) or answer in LOST  # fmt: skip
    assert counts(broker) == (0, 1, 0, 0)


def test_a_transaction_has_one_entity_and_a_hundred_messages():
    broker = bus()  # ASB-25
    work = Transaction(broker, 0)
    assert work.send("q") is Cause.NONE
    assert work.send("dlq") is Cause.NOT_ALLOWED
    assert work.send("dlq", via="q") is Cause.NONE
    for _ in range(MOST - 2):
        assert work.send("q") is Cause.NONE
    assert work.send("q") is Cause.TOO_MANY


def chain(length, **last):
    """Queues that forward to the next one, and a dead-letter queue for all."""
    queues = {}
    for n in range(length):
        queue = with_dead_letters(AZURE_SERVICE_BUS, "dlq")
        queues[f"q{n}"] = replace(queue, forward_to=f"q{n + 1}") if n + 1 < length else replace(queue, **last)
    return Broker({**queues, "dlq": dead_letter_queue_of(AZURE_SERVICE_BUS)})


def test_what_enters_is_moved_on_at_once_with_its_ttl():
    broker = chain(2)  # ASB-26
    broker.send(0, "q0", 7, ttl=MINUTE, attributes={"a": "b"})
    [message] = broker.queues["q1"].messages()
    assert (message.number, message.number_here, message.expires, message.attributes) == (7, 1, MINUTE, {"a": "b"})
    assert counts(broker, "q0") == (0, 0, 0, 0)
    assert kinds(broker) == [Kind.ACCEPTED, Kind.MOVED_OUT, Kind.MOVED_IN]


def test_a_scheduled_message_is_moved_on_when_it_is_due():
    broker = chain(2)  # ASB-3, ASB-26
    peeklock.schedule(broker, 0, "q0", SECOND)
    assert (counts(broker, "q0"), counts(broker, "q1")) == ((0, 0, 1, 0), (0, 0, 0, 0))
    broker.wake(SECOND)
    assert (counts(broker, "q0"), counts(broker, "q1")) == ((0, 0, 0, 0), (1, 0, 0, 0))


@pytest.mark.parametrize("queues", [5, 6])
def test_four_hops_and_no_more(queues):
    broker = chain(queues)  # ASB-16, ASB-26
    broker.send(0, "q0")
    arrives = queues == 5
    assert counts(broker, f"q{queues - 1}")[0] == arrives
    assert counts(broker, "dlq")[0] == (not arrives)
    if not arrives:
        assert received(broker, 1, "dlq").message.died_of is Cause.HOPS


@pytest.mark.parametrize(
    ("last", "why"),
    [
        ({"capacity": Capacity(messages=0)}, Cause.FULL),
        ({"grouping": Grouping.SESSIONS, "needs_group": True}, Cause.NO_GROUP),
    ],
)
def test_what_cannot_be_moved_on_is_dead_lettered_where_it_stands(last, why):
    broker = chain(2, **last)  # ASB-16, ASB-26
    assert broker.send(0, "q0") is Cause.NONE
    assert received(broker, 1, "dlq").message.died_of is why
    assert any(row[4] == 0 and row[5] == Kind.DEAD_LETTERED for row in broker.journal.read())


def test_a_queue_that_forwards_to_nowhere_is_found_at_once():
    with pytest.raises(LookupError, match="no queue is called 'gone'"):
        Broker({"q": replace(AZURE_SERVICE_BUS, forward_to="gone")})
