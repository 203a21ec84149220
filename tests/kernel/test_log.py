"""The log: groups that read it, what is pending, who claims it, and what trimming leaves.  Each story cites its rule."""

from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from qsim.brokers import REDIS_STREAM
from qsim.kernel.broker import Broker
from qsim.kernel.journal import Kind, Place
from qsim.kernel.log import held
from qsim.units import MINUTE, SECOND

A, B, C = 0, 1, 2
"""Consumers."""


def stream(entries=0, groups=1, **changes):
    """A broker with a stream "q", read by "q", "h1", "h2", ..., and so many entries at time 0."""
    profile = replace(REDIS_STREAM, **changes)
    others = {f"h{n}": replace(REDIS_STREAM, reads="q") for n in range(1, groups)}
    broker = Broker({"q": profile, **others})
    for number in range(entries):
        broker.send(0, "q", number)
    return broker, broker.logs["q"], broker.queues["q"]


def ids(found):
    return [getattr(each, "message", each).entry for each in found]


def counts(group):
    return group.visible, group.in_flight


def kinds(broker, group):
    return [Kind(row[5]).name for row in broker.journal.read() if row[4] == group.index]


# --- reading -----------------------------------------------------------------------------------------------------


def test_each_new_entry_goes_to_exactly_one_consumer_of_a_group():  # RED-7
    _, log, q = stream(3)
    assert ids(log.read(0, q, A, 2)) == [1, 2]
    assert ids(log.read(0, q, B, 2)) == [3]
    assert ids(log.read(0, q, A, 2)) == []
    assert [(m.entry, m.client, m.receives) for m in log.pending(q)] == [(1, A, 1), (2, A, 1), (3, B, 1)]


def test_every_group_reads_everything_with_a_cursor_of_its_own():  # RED-7
    broker, log, q = stream(2, groups=3)
    [_, h1, h2] = log.groups
    log.read(0, q, A, 2)
    log.read(0, h1, A, 1)
    assert [counts(group) for group in (q, h1, h2)] == [(0, 2), (1, 1), (2, 0)]
    assert kinds(broker, q)[:2] == ["ACCEPTED", "ACCEPTED"]
    assert kinds(broker, h1) == ["MOVED_IN", "MOVED_IN", "RECEIVED"]


def test_what_moves_into_the_first_group_moves_into_all():
    broker, log, _ = stream(groups=2)
    jobs = broker.add("jobs", replace(REDIS_STREAM, is_log=False))
    broker.send(0, "jobs", 7)
    broker.redrive(0, "jobs", "q")
    assert len(log) == 1 and [group.visible for group in log.groups] == [1, 1] and jobs.depth == 0


def test_readers_that_wait_are_served_in_the_order_of_waiting():  # RED-4, RED-7
    broker, _, _ = stream()
    waits = [broker.receive(0, "q", client, 1, wait=None).credit for client in (A, B)]
    for number in range(2):
        broker.send(SECOND, "q", number)
        broker.wake(SECOND)
    served = [(credit, ids(found)) for credit, found in broker.deliveries()]
    assert served == [(waits[0], [1]), (waits[1], [2])]


def test_a_reader_that_waits_gets_nothing_when_its_time_is_over():  # RED-5
    broker, _, q = stream()
    broker.receive(0, "q", A, 1, wait=SECOND)
    broker.wake(SECOND)
    assert [tuple(found) for _, found in broker.deliveries()] == [()]
    assert kinds(broker, q) == ["EMPTY_RECEIVE"]


def test_without_ack_nothing_is_pending():  # RED-7, at most once
    broker, log, q = stream(1)
    log.read(0, q, A, 1, noack=True)
    assert counts(q) == (0, 0) and len(log) == 1
    assert log.history(0, q, A) == []
    assert kinds(broker, q) == ["ACCEPTED", "RECEIVED", "ACKED"]


def test_reading_ones_history_counts_and_is_a_sign_of_life():  # RED-8
    _, log, q = stream(2)
    log.read(0, q, A, 1)
    log.read(0, q, B, 1)
    [again] = log.history(10 * SECOND, q, A)
    assert (again.message.entry, again.attempt, log.idle(12 * SECOND, again.message)) == (1, 2, 2 * SECOND)
    assert log.history(10 * SECOND, q, C) == []


# --- acks --------------------------------------------------------------------------------------------------------


def test_an_ack_deletes_no_entry_and_works_once():  # RED-9
    _, log, q = stream(1)
    [first] = log.read(0, q, A, 1)
    assert log.ack(0, first) and not log.ack(0, first)
    assert len(log) == 1 and counts(q) == (0, 0)


def test_who_lost_an_entry_to_a_claim_still_acks_it():  # RED-9: no fencing
    broker, log, q = stream(1)
    [old] = log.read(0, q, A, 1)
    [new] = log.claim(SECOND, q, B, [1])
    assert log.ack(SECOND, old) and not log.ack(SECOND, new)
    assert kinds(broker, q)[-4:] == ["LEASE_ENDED", "RECEIVED", "ACKED", "STALE"]


# --- claims ------------------------------------------------------------------------------------------------------


def test_nothing_comes_back_by_itself():  # RED-10
    broker, log, q = stream(1)
    log.read(0, q, A, 1)
    assert broker.wake_at() is None
    broker.wake(10**6 * SECOND)
    assert log.read(10**6 * SECOND, q, B, 1) == [] and counts(q) == (0, 1)


@pytest.mark.parametrize(("at", "claimed"), [(MINUTE - 1, []), (MINUTE, [1])])
def test_idle_for_exactly_min_idle_is_enough(at, claimed):  # RED-10: the code, not the documentation
    _, log, q = stream(1)
    log.read(0, q, A, 1)
    assert ids(log.auto_claim(at, q, B, MINUTE).deliveries) == claimed


def test_of_two_who_claim_at_once_one_gets_it():  # RED-10: a claim resets idle
    _, log, q = stream(1)
    log.read(0, q, A, 1)
    assert [d.attempt for d in log.auto_claim(SECOND, q, B, SECOND).deliveries] == [2]
    assert log.auto_claim(SECOND, q, C, SECOND).deliveries == []


def test_a_claim_goes_by_id_and_leaves_new_entries_alone():  # RED-15
    _, log, q = stream(4)
    log.read(0, q, B, 1)
    log.read(SECOND, q, A, 2)
    log.claim(2 * SECOND, q, A, [1])
    assert ids(log.auto_claim(3 * SECOND, q, C, 0).deliveries) == [1, 2, 3]
    assert ids(log.read(3 * SECOND, q, C, 9)) == [4]


def test_an_automatic_claim_is_limited_and_says_where_to_go_on():  # RED-11
    _, log, q = stream(5)
    log.read(0, q, A, 5)
    first = log.auto_claim(SECOND, q, B, 0, count=2)
    assert (ids(first.deliveries), first.cursor) == ([1, 2], 3)
    second = log.auto_claim(SECOND, q, B, 0, first.cursor, count=3)
    assert (ids(second.deliveries), second.cursor) == ([3, 4, 5], 0)


def test_an_automatic_claim_looks_at_ten_entries_for_each_it_may_return():  # RED-11
    _, log, q = stream(12)
    log.read(0, q, A, 12)
    log.claim(SECOND, q, A, range(1, 12))
    looked = log.auto_claim(SECOND, q, B, SECOND, count=1)
    assert (looked.deliveries, looked.cursor) == ([], 11)
    assert ids(log.auto_claim(SECOND, q, B, SECOND, looked.cursor, count=1).deliveries) == [12]


def test_a_heartbeat_resets_idle_and_is_no_delivery():  # RED-12
    broker, log, q = stream(1)
    log.read(0, q, A, 1)
    [same] = log.claim(50 * SECOND, q, A, [1], justid=True)
    assert (same.attempt, same.client) == (1, A)
    assert log.auto_claim(MINUTE, q, B, MINUTE).deliveries == []
    assert kinds(broker, q)[-1] == "EXTENDED"


def test_an_entry_may_change_hands_without_a_delivery():  # RED-10: JUSTID
    _, log, q = stream(1)
    log.read(0, q, A, 1)
    log.auto_claim(SECOND, q, B, 0, justid=True)
    assert [(m.client, m.receives) for m in log.pending(q)] == [(B, 1)]
    assert ids(log.history(SECOND, q, B)) == [1]


def test_a_crash_leaves_what_is_pending_under_its_consumers_name():  # RED-14
    broker, log, q = stream(1)
    broker.receive(0, "q", A)
    broker.forget(SECOND, A)
    assert counts(q) == (0, 1)
    assert [d.attempt for d in log.history(2 * SECOND, q, A)] == [2]


# --- trimming ----------------------------------------------------------------------------------------------------


def test_trimming_takes_the_oldest_and_unread_ones_are_lost():  # RED-6
    broker, log, q = stream(3)
    assert log.trim(SECOND, 1) == 2
    assert len(log) == 1 and counts(q) == (1, 0)
    assert ids(log.read(SECOND, q, A, 9)) == [3]
    assert [row[6] for row in broker.journal.read() if row[5] == Kind.VANISHED] == [Place.READY] * 2


def test_a_stream_with_a_length_drops_its_oldest_at_each_entry():  # RED-6
    _, log, q = stream(5, maxlen=2)
    assert len(log) == 2 and ids(log.read(0, q, A, 9)) == [4, 5]


def test_of_a_pending_entry_that_is_trimmed_the_id_stays():  # RED-6, RED-11
    broker, log, q = stream(2)
    log.read(0, q, A, 1)
    log.trim(SECOND, 0)
    assert [m.entry for m in log.pending(q)] == [1] and counts(q) == (0, 1)
    [empty] = log.history(SECOND, q, A)
    assert empty.attempt == 1 and not log.has(1)
    claimed = log.auto_claim(SECOND, q, B, MINUTE)
    assert (claimed.deliveries, ids(claimed.lost), log.pending(q)) == ([], [1], [])
    assert kinds(broker, q)[-1] == "VANISHED" and q.depth == 0


def test_a_claim_by_id_of_an_entry_that_is_gone_clears_it():  # RED-11
    _, log, q = stream(1)
    log.read(0, q, A, 1)
    assert log.delete(0, 1) and not log.delete(0, 1)
    assert log.claim(0, q, B, [1], MINUTE) == [] and log.pending(q) == []


def test_deleted_entries_leave_gaps_that_trimming_passes_over():
    _, log, q = stream(5)
    assert [log.delete(0, entry) for entry in (2, 1, 4)] == [True] * 3
    assert len(log) == 2 and log.trim(0, 1) == 1
    assert ids(log.read(0, q, A, 9)) == [5]


def test_equal_states_have_equal_fingerprints():
    states = []
    for start in (0, 7 * SECOND):
        broker, log, q = stream(2)
        log.read(start, q, A, 2)
        log.trim(start, 1)
        states.append(broker.fingerprint(start + SECOND))
    assert states[0] == states[1]
    log.delete(0, 2)
    assert broker.fingerprint(8 * SECOND) != states[1]


# --- what always holds -------------------------------------------------------------------------------------------


class Streams(RuleBasedStateMachine):
    """Each entry of a group is not yet delivered, pending with exactly one consumer, or done; a plain model says which."""

    clients = st.integers(0, 2)
    group_numbers = st.integers(0, 1)

    @initialize(maxlen=st.sampled_from([None, 1, 4]))
    def begin(self, maxlen):
        self.now = 0
        self.broker, self.log, _ = stream(groups=2, maxlen=maxlen)
        self.maxlen = maxlen
        self.there = []
        self.unread = [[], []]
        self.pending = [{}, {}]
        self.handed = []

    @rule()
    def add(self):
        self.broker.send(self.now, "q")
        self.there.append(self.log.added)
        for unread in self.unread:
            unread.append(self.log.added)
        if self.maxlen is not None:
            self.forget(self.there[: -self.maxlen])

    def forget(self, gone):
        self.there = [entry for entry in self.there if entry not in gone]
        self.unread = [[entry for entry in unread if entry not in gone] for unread in self.unread]

    @rule(maxlen=st.integers(0, 5))
    def trim(self, maxlen):
        self.log.trim(self.now, maxlen)
        self.forget(self.there[: len(self.there) - maxlen] if len(self.there) > maxlen else [])

    @rule(entry=st.integers(1, 30))
    def delete(self, entry):
        assert self.log.delete(self.now, entry) is (entry in self.there)
        self.forget([entry])

    @rule(g=group_numbers, client=clients, limit=st.integers(1, 3), noack=st.booleans())
    def read(self, g, client, limit, noack):
        found = self.log.read(self.now, self.log.groups[g], client, limit, noack)
        assert ids(found) == self.unread[g][:limit]
        del self.unread[g][:limit]
        if not noack:
            self.pending[g] |= dict.fromkeys(ids(found), (client, 1, self.now))
            self.handed += [(g, delivery) for delivery in found]

    @rule(g=group_numbers, client=clients, limit=st.integers(1, 3))
    def history(self, g, client, limit):
        mine = [entry for entry, (who, _, _) in sorted(self.pending[g].items()) if who == client][:limit]
        found = self.log.history(self.now, self.log.groups[g], client, limit)
        assert ids(found) == mine
        self.deliver(g, client, found, [entry for entry in mine if entry in self.there])

    def deliver(self, g, client, found, entries):
        for entry in entries:
            self.pending[g][entry] = (client, self.pending[g][entry][1] + 1, self.now)
        self.handed += [(g, delivery) for delivery in found]

    @rule(g=group_numbers, client=clients, idle=st.integers(0, 3), count=st.integers(1, 3), justid=st.booleans())
    def auto_claim(self, g, client, idle, count, justid):
        wanted, lost = [], []
        for entry, (_, _, since) in sorted(self.pending[g].items())[: count * 10]:
            if len(wanted) + len(lost) == count:
                break
            if entry not in self.there:
                lost.append(entry)
            elif self.now - since >= idle:
                wanted.append(entry)
        claimed = self.log.auto_claim(self.now, self.log.groups[g], client, idle, 0, count, justid)
        assert (ids(claimed.deliveries), ids(claimed.lost)) == (wanted, lost)
        for entry in lost:
            del self.pending[g][entry]
        if justid:
            self.pending[g] |= {entry: (client, self.pending[g][entry][1], self.now) for entry in wanted}
        else:
            self.deliver(g, client, claimed.deliveries, wanted)

    @rule(which=st.integers(0, 99))
    def ack(self, which):
        if self.handed:
            g, delivery = self.handed[which % len(self.handed)]
            was_pending = self.pending[g].pop(delivery.message.entry, None) is not None
            assert self.log.ack(self.now, delivery) is was_pending

    @rule(client=clients)
    def crash(self, client):
        self.broker.forget(self.now, client)

    @rule(gap=st.integers(1, 3))
    def wait(self, gap):
        self.now += gap

    @invariant()
    def counts_agree(self):
        assert len(self.log) == len(self.there)
        for group, unread, pending in zip(self.log.groups, self.unread, self.pending, strict=True):
            assert (group.visible, group.in_flight) == (len(unread), len(pending))
            assert [m.entry for m in group.ready] == unread
            told = {m.entry: (m.client, m.receives, self.now - self.log.idle(self.now, m)) for m in self.log.pending(group)}
            assert told == pending
            assert all(held(m).receipt == m.receipt for m in group.leased())


Streams.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestStreams = Streams.TestCase
