"""A broker that stops and comes back: what each finds again, and who still holds what (kernel/restart.py)."""

from dataclasses import replace

import pytest

from qsim.brokers import (
    ACTIVEMQ_CLASSIC,
    AZURE_SERVICE_BUS,
    IDEAL,
    PROFILES,
    RABBITMQ_CLASSIC,
    RABBITMQ_QUORUM,
    REDIS_LIST,
    REDIS_STREAM,
    SQS_FIFO,
    SQS_STANDARD,
)
from qsim.kernel.broker import Broker
from qsim.kernel.journal import Cause, Kind
from qsim.kernel.profile import Grouping, OnCrash
from qsim.kernel.restart import Unsynced, come_back, go_away
from qsim.units import SECOND


class Restarted:
    """A broker with one queue, which goes away at ``at`` and is back at ``until``."""

    def __init__(self, profile):
        self.broker = Broker({"q": profile})
        self.queue = self.broker.queues["q"]
        every = profile.fsync_every
        self.unsynced = Unsynced(self.queue, every) if every is not None else None

    def send(self, second, message, **more):
        group = {"group": 0} if self.queue.profile.needs_group else {}
        return self.broker.send(round(second * SECOND), "q", message, **group, **more)

    def receive(self, second, client="c"):
        found = self.broker.receive(round(second * SECOND), "q", client)
        return found[0] if found else None

    def restart(self, at, until=None):
        go_away(self.broker, self.queue, round(at * SECOND), self.unsynced)
        come_back(self.queue, round((at if until is None else until) * SECOND))

    def rows(self, *kinds):
        return [(row[0] / SECOND, row[1]) for row in self.broker.journal.read() if row[5] in kinds]

    @property
    def levels(self):
        return self.queue.visible, self.queue.in_flight, self.queue.delayed


TRANSIENT = {"is_durable": False, "fsync_every": None}


@pytest.mark.parametrize("profile", [p for p in PROFILES.values() if p.fsync_every is None], ids=lambda p: p.name)
def test_what_is_durable_is_found_again(profile):
    # RMQ-36, ASB-1, AMQ-1; ours for SQS and the ideal queue
    r = Restarted(profile)
    r.send(1, 7)
    r.restart(2, 5)
    assert r.levels == (1, 0, 0) and r.rows(Kind.AWAY, Kind.BACK) == [(2, -1), (5, -1)]


@pytest.mark.parametrize("profile", [IDEAL, RABBITMQ_CLASSIC, ACTIVEMQ_CLASSIC, REDIS_LIST, REDIS_STREAM], ids=lambda p: p.name)
def test_what_is_transient_vanishes(profile):
    # RMQ-36: transient messages vanish at a broker restart
    r = Restarted(replace(profile, **TRANSIENT))
    r.send(1, 7)
    r.send(1, 8)
    taken = r.receive(1)
    r.restart(2)
    if profile.on_crash is OnCrash.LOSES:
        assert r.rows(Kind.VANISHED) == [(2, 8)], "what is popped is with its client (RED-1)"
        assert r.broker.ack(3 * SECOND, taken) is Cause.NONE
    else:
        assert sorted(r.rows(Kind.VANISHED)) == [(2, 7), (2, 8)]
        assert r.broker.ack(3 * SECOND, taken) is not Cause.NONE
    assert r.levels == (0, 0, 0)


@pytest.mark.parametrize("profile", [IDEAL, RABBITMQ_CLASSIC, RABBITMQ_QUORUM], ids=lambda p: p.name)
def test_what_a_connection_held_is_back(profile):
    # RMQ-34: a lost connection returns all its unacked
    r = Restarted(profile)
    r.send(1, 7)
    old = r.receive(1)
    r.restart(2, 5)
    assert r.levels == (1, 0, 0) and r.rows(Kind.RETURNED) == [(2, 7)]
    assert not r.broker.sessions[old.client].held
    assert r.receive(6, "d").attempt == 2


def test_what_an_activemq_client_was_pushed_is_back_before_the_others_and_counts():
    # AMQ-19
    r = Restarted(ACTIVEMQ_CLASSIC)
    r.send(1, 7)
    r.broker.subscribe(1 * SECOND, "q", "c", 1)
    r.broker.wake(1 * SECOND)
    r.send(1, 8)
    r.restart(2, 5)
    assert r.levels == (2, 0, 0) and next(iter(r.queue.ready)).redeliveries == 1


@pytest.mark.parametrize("profile", [SQS_STANDARD, SQS_FIFO, REDIS_STREAM], ids=lambda p: p.name)
def test_a_lease_that_is_no_connections_goes_on(profile):
    # SQS-33, RED-14
    r = Restarted(replace(profile, fsync_every=None))
    r.send(1, 7)
    old = r.receive(1)
    r.restart(2, 5)
    assert r.levels == (0, 1, 0)
    assert r.broker.ack(6 * SECOND, old) is Cause.NONE


def test_a_lease_that_ends_while_it_is_away_ends_when_it_is_back():
    # ours: who is away notices nothing
    r = Restarted(SQS_STANDARD)
    r.send(1, 7)
    r.receive(1)
    r.restart(30, 40)
    assert r.rows(Kind.LEASE_ENDED) == [(40, 7)]
    last = Restarted(SQS_STANDARD)
    last.send(0, 7)
    old = last.receive(0)
    last.restart(20, 30)
    assert last.rows(Kind.LEASE_ENDED) == [] and last.broker.ack(30 * SECOND, old) is Cause.NONE, "an ack at its last instant"


def test_a_delay_and_a_ttl_that_end_while_it_is_away_do_so_when_it_is_back():
    r = Restarted(IDEAL)
    r.send(1, 7, delay=3 * SECOND)
    r.send(1, 8, ttl=4 * SECOND)
    r.restart(2, 9)
    assert r.rows(Kind.VISIBLE) == [(9, 7)] and r.rows(Kind.EXPIRED) == [(9, 8)]


def test_a_lock_of_service_bus_runs_on_but_nobody_can_settle_it():
    # ASB-10, ASB-12: the lock is lost with the link, and the broker keeps it until it runs out
    r = Restarted(AZURE_SERVICE_BUS)
    r.send(1, 7)
    old = r.receive(1)
    r.restart(2, 5)
    assert r.levels == (0, 1, 0)
    assert r.broker.ack(6 * SECOND, old) is not Cause.NONE
    r.broker.wake(61 * SECOND)
    assert r.receive(61, "d").message.number == 7
    assert len(list(r.queue.messages())) == 1


def test_a_session_of_service_bus_stays_locked():
    # ASB-12, ASB-21
    r = Restarted(replace(AZURE_SERVICE_BUS, grouping=Grouping.SESSIONS, needs_group=True))
    r.send(1, 7)
    r.receive(1)
    r.send(2, 8)
    r.restart(3)
    assert r.receive(4, "d") is None, "its session is locked still"
    r.broker.wake(61 * SECOND)
    assert r.receive(61, "d").message.number == 7


EVERY_SECOND = {"is_durable": True, "fsync_every": SECOND}


def test_with_an_fsync_a_second_what_came_since_is_lost():
    # RED-19: appendfsync everysec loses a second at most; ours: it is written before anything else of its instant
    r = Restarted(REDIS_LIST)
    for message, second in enumerate((1.9, 2, 2.1)):
        r.send(second, message)
    r.restart(2.5)
    assert r.rows(Kind.VANISHED) == [(2.5, 1), (2.5, 2)]
    exact = Restarted(REDIS_LIST)
    exact.send(1.9, 7)
    exact.restart(2)
    assert exact.rows(Kind.VANISHED) == []


def test_an_ack_that_was_not_written_brings_the_message_back():
    # RED-19 of XACK and LREM; so of anybody who writes only now and then
    for profile in (replace(IDEAL, **EVERY_SECOND), REDIS_STREAM):
        r = Restarted(profile)
        r.send(0.5, 7)
        r.send(0.6, 8)
        for second in (1.2, 2.2):
            r.broker.ack(round(second * SECOND) + 1, r.receive(second))
        r.restart(2.5)
        assert r.rows(Kind.MOVED_IN) == [(2.5, 8)] and r.levels == (1, 0, 0)
        assert r.receive(3, "d").message.number == 8


def test_what_came_and_went_since_the_last_fsync_never_was():
    r = Restarted(replace(IDEAL, **EVERY_SECOND))
    r.send(2.1, 7)
    r.broker.ack(round(2.3 * SECOND), r.receive(2.2))
    r.restart(2.5)
    assert r.rows(Kind.MOVED_IN, Kind.VANISHED) == [] and r.levels == (0, 0, 0)


def test_a_pop_that_was_not_written_is_in_the_list_again():
    # RED-1: popping deletes; RED-19
    r = Restarted(REDIS_LIST)
    r.send(0.5, 7)
    r.send(0.6, 8)
    r.send(0.7, 9)
    early, late, done = r.receive(1.5), r.receive(2.1), r.receive(2.2)
    r.broker.ack(round(2.3 * SECOND), done)
    r.restart(2.5)
    assert r.rows(Kind.DUPLICATED) == [(2.5, 8)] and r.rows(Kind.MOVED_IN) == [(2.5, 9)]
    assert r.broker.ack(3 * SECOND, late) is not Cause.NONE and r.broker.ack(3 * SECOND, early) is Cause.NONE
    assert sorted(message.number for message in r.queue.ready) == [8, 9]


def test_a_deduplication_id_is_lost_with_its_message():
    # else the retry of a lost send would be lost as its duplicate
    r = Restarted(replace(SQS_FIFO, **EVERY_SECOND))
    r.send(0.5, 7, dedup="a")
    r.send(1.5, 8, dedup="b")
    r.restart(1.7)
    assert r.send(1.8, 8, dedup="b") is Cause.NONE and r.send(1.8, 7, dedup="a") is Cause.DUPLICATE_ID


def test_a_message_that_is_back_expires_when_it_would_have():
    r = Restarted(replace(IDEAL, **EVERY_SECOND))
    r.send(0.5, 7, ttl=5 * SECOND)
    r.broker.ack(round(1.2 * SECOND), r.receive(1.1))
    r.restart(1.5)
    r.broker.wake(6 * SECOND)
    assert r.rows(Kind.EXPIRED) == [(5.5, 7)]
