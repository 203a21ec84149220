"""The broker as a whole: time, names, topics, the journal, and fingerprints."""

from dataclasses import replace

import pytest

from qsim.brokers import IDEAL, PROFILES, RULES, SQS_FIFO, SQS_STANDARD
from qsim.kernel.broker import Broker
from qsim.kernel.journal import ROW, Cause, Journal, Kind
from qsim.kernel.profile import DeadLetter
from qsim.kernel.routing import Subscription
from qsim.units import MINUTE, SECOND


def numbers(deliveries):
    return [delivery.message.number for delivery in deliveries]


# --- time -------------------------------------------------------------------------------------------------------------


def test_nothing_to_do_is_never():
    broker = Broker({"q": IDEAL})
    assert broker.wake_at() is None
    broker.send(0, "q")
    broker.receive(0, "q", "c")
    assert broker.wake_at() is None


def test_deadlines_are_journalled_at_their_own_time_in_order_whoever_notices():
    broker = Broker({"q": replace(SQS_STANDARD, retention=None)})
    for _ in range(2):
        broker.send(0, "q")
    broker.receive(0, "q", "c", visibility_timeout=20 * SECOND)
    broker.receive(0, "q", "c", visibility_timeout=10 * SECOND)
    broker.send(0, "q", delay=15 * SECOND)
    broker.receive(MINUTE, "q", "c", limit=10)
    rows = [(row[0] // SECOND, row[1], Kind(row[5])) for row in broker.journal.read()][5:8]
    assert rows == [(10, 1, Kind.LEASE_ENDED), (15, 2, Kind.VISIBLE), (20, 0, Kind.LEASE_ENDED)]


def test_at_one_instant_leases_end_before_delays_and_receives_come_last():
    broker = Broker({"q": replace(SQS_STANDARD, retention=None)})  # SCENARIO.md rule 6
    broker.send(0, "q")
    broker.receive(0, "q", 1, visibility_timeout=SECOND)
    broker.send(0, "q", delay=SECOND)
    broker.receive(0, "q", 2, limit=10, wait=SECOND)
    broker.wake(SECOND)
    kinds = [Kind(row[5]) for row in broker.journal.read()][3:]
    assert kinds == [Kind.LEASE_ENDED, Kind.VISIBLE, Kind.RECEIVED, Kind.RECEIVED]
    assert [numbers(got) for _, got in broker.deliveries()] == [[0, 1]]


def test_equal_deadlines_go_in_the_order_in_which_they_were_set():
    broker = Broker({"q": replace(SQS_STANDARD, retention=None)})  # ENGINE.md rule 2
    for _ in range(3):
        broker.send(0, "q")
    held = broker.receive(0, "q", "c", limit=3)
    broker.extend(20 * SECOND, held[0], 10 * SECOND)
    broker.wake(MINUTE)
    assert [row[1] for row in broker.journal.read() if row[5] == Kind.LEASE_ENDED] == [1, 2, 0]


def test_waking_early_or_twice_changes_nothing():
    broker = Broker({"q": SQS_STANDARD})
    broker.send(0, "q")
    broker.receive(0, "q", "c")
    before = broker.journal.read()
    for now in (1, 5, 5, 30 * SECOND - 1):
        broker.wake(now)
    assert broker.journal.read() == before


# --- names --------------------------------------------------------------------------------------------------------------


def test_a_misspelt_queue_is_a_lookup_error_that_says_what_may_have_been_meant():
    broker = Broker({"orders": IDEAL, "billing": IDEAL})
    with pytest.raises(LookupError, match="no queue is called 'order'; did you mean 'orders'\\? there are: orders, billing"):
        broker.send(0, "order")
    with pytest.raises(LookupError, match="no queue is called 'x'; there are"):
        broker.receive(0, "x", "c")


def test_a_dead_letter_queue_that_is_not_there_is_found_at_the_start():
    with pytest.raises(LookupError, match="did you mean 'dead'"):
        Broker({"q": replace(IDEAL, dlq=DeadLetter("daed", 3)), "dead": IDEAL})


def test_clients_have_names_or_numbers():
    broker = Broker({"q": IDEAL})
    for _ in range(3):
        broker.send(0, "q")
    by_name, by_number, again = (broker.receive(0, "q", client)[0].client for client in ("ann", 7, "ann"))
    assert by_number == 7
    assert by_name == again != 7


# --- topics -------------------------------------------------------------------------------------------------------------


def test_every_subscription_that_wants_it_gets_its_own_copy():
    red = Subscription("b", (("kind", ("red", "pink")), ("size", ("L",))))  # SQS-34
    broker = Broker({"a": SQS_STANDARD, "b": SQS_STANDARD}, {"t": [Subscription("a"), red]})
    assert broker.publish(0, "t", attributes={"kind": "pink", "size": "L"}) == {"a": Cause.NONE, "b": Cause.NONE}
    assert broker.publish(0, "t", attributes={"kind": "pink"}) == {"a": Cause.NONE}
    assert broker.publish(0, "t") == {"a": Cause.NONE}
    [copy] = broker.receive(1, "b", "c")
    broker.ack(2, copy)
    assert numbers(broker.receive(3, "a", "c", limit=9)) == [0, 1, 2]


# --- the journal ----------------------------------------------------------------------------------------------------------


def test_a_life_is_three_calls_and_three_rows():
    broker = Broker({"q": SQS_STANDARD})
    broker.send(1 * SECOND, "q", 42)
    [delivery] = broker.receive(2 * SECOND, "q", 5)
    broker.ack(3 * SECOND, delivery)
    assert broker.journal.read() == [
        (1 * SECOND, 42, -1, 0, 0, Kind.ACCEPTED, 1, -1),
        (2 * SECOND, 42, 5, 1, 0, Kind.RECEIVED, 1, 30_000),
        (3 * SECOND, 42, 5, 1, 0, Kind.ACKED, 3, -1),
    ]


def test_rows_go_to_a_sink_in_chunks_and_need_not_be_kept():
    got = []
    journal = Journal(sink=lambda chunk: got.append(len(chunk)))
    broker = Broker({"q": IDEAL}, journal=journal)
    for n in range(40_000):
        broker.send(n, "q")
    journal.flush()
    assert sum(got) == 40_000 * ROW.size
    assert len(got) > 1
    assert journal.read() == []


# --- fingerprints -----------------------------------------------------------------------------------------------------------

PROFILES_TO_COMPARE = {
    "standard": replace(SQS_STANDARD, visibility_timeout=3 * SECOND),
    "fifo": replace(SQS_FIFO, visibility_timeout=3 * SECOND, look_ahead=4, dedup_window=20 * SECOND),
    "ideal": replace(IDEAL, visibility_timeout=3 * SECOND, dedup_window=20 * SECOND),
}


def history(broker, start):
    """Some of everything; the deliveries that are still held."""
    for n in range(8):
        broker.send(start + n, "q", 100 + n, group="ABC"[n % 3], dedup=n, size=n)
    first, second = broker.receive(start + SECOND, "q", 1, limit=2)
    third = broker.receive(start + SECOND, "q", 2)[0]
    broker.nack(start + SECOND, second, delay=2 * SECOND)
    broker.ack(start + 2 * SECOND, first)
    broker.receive(start + 2 * SECOND, "q", 3, wait=4 * SECOND)
    broker.deliveries()
    return third


def future(broker, start, held):
    """What happens from here on, as rows without absolute time."""
    before = len(broker.journal.read())
    broker.send(start, "q", 200, group="A", dedup=3)
    broker.send(start, "q", 201, group="A", dedup=99)
    broker.ack(start + SECOND, held)
    for step in range(2, 30):
        broker.wake(start + step * SECOND)
        for _, deliveries in broker.deliveries():
            for delivery in deliveries:
                broker.nack(start + step * SECOND, delivery)
        for delivery in broker.receive(start + step * SECOND, "q", 4, limit=step % 3 + 1):
            (broker.ack if step % 2 else broker.nack)(start + step * SECOND, delivery)
    return [(row[0] - start, *row[1:]) for row in broker.journal.read()[before:]]


@pytest.mark.parametrize("name", PROFILES_TO_COMPARE)
def test_equal_fingerprints_behave_alike(name):
    young, old = (Broker({"q": PROFILES_TO_COMPARE[name]}) for _ in range(2))
    for n in range(5):  # the old one has a past, of which nothing is left but higher numbers
        old.send(n, "q", n, group="Z", dedup=("past", n))
        old.ack(n, old.receive(n, "q", 9)[0])
    at_young, at_old = 0, 77 * MINUTE + 123
    held_young, held_old = history(young, at_young), history(old, at_old)
    now_young, now_old = at_young + 3 * SECOND, at_old + 3 * SECOND
    old.wake(now_old)
    young.wake(now_young)
    young.deliveries(), old.deliveries()
    assert young.fingerprint(now_young) == old.fingerprint(now_old)
    assert hash(young.fingerprint(now_young)) == hash(old.fingerprint(now_old))
    assert future(young, now_young, held_young) == future(old, now_old, held_old)
    assert young.fingerprint(now_young + MINUTE) == old.fingerprint(now_old + MINUTE)


@pytest.mark.parametrize(
    "call",
    [
        lambda b: b.send(SECOND, "q", 50, group="A"),
        lambda b: b.receive(SECOND, "q", 1),
        lambda b: b.receive(SECOND, "p", 1, wait=SECOND),
        lambda b: b.subscribe(SECOND, "p", 1),
        lambda b: b.purge(SECOND, "q"),
        lambda b: b.queues["q"].configure(replace(IDEAL, visibility_timeout=9)),
    ],
)
def test_what_makes_a_difference_shows_in_the_fingerprint(call):
    one, other = (Broker({"q": IDEAL, "p": IDEAL}) for _ in range(2))
    for broker in (one, other):
        broker.send(0, "q", 1)
    assert one.fingerprint(SECOND) == other.fingerprint(SECOND)
    call(one)
    assert one.fingerprint(SECOND) != other.fingerprint(SECOND)


def test_a_cancelled_subscription_that_still_holds_something_is_not_a_live_one():
    one, other = (Broker({"q": IDEAL}) for _ in range(2))
    for broker in (one, other):
        broker.send(0, "q", 1)
        credit = broker.subscribe(0, "q", 1, prefetch=1)
        broker.wake(0)
    broker.cancel(1, credit)
    assert one.fingerprint(2) != other.fingerprint(2)


def test_the_order_of_equal_deadlines_shows():
    brokers = [Broker({"q": replace(IDEAL, visibility_timeout=SECOND)}) for _ in range(2)]
    for broker, order in zip(brokers, [(0, 1), (1, 0)], strict=True):
        for n in range(2):
            broker.send(0, "q", n)
        held = broker.receive(0, "q", 1, limit=2)
        for n in order:
            broker.extend(0, held[n], 5 * SECOND)
    assert brokers[0].fingerprint(1) != brokers[1].fingerprint(1)


# --- profiles -----------------------------------------------------------------------------------------------------------------


def test_every_choice_of_a_profile_cites_a_rule():
    for name, rules in RULES.items():
        assert all(rule.startswith(("SQS", "RMQ", "RED", "AMQ", "ASB", "ours")) for rule in rules.values()), name
        assert PROFILES[name].name == name
