"""Whatever is done to a queue, in whatever order: the sentences of its file hold, and a naive second broker agrees.

A run of Hypothesis does random calls at coarse times, so that ties are the rule, under each broker's own profile and
under profiles with small limits, so that the limits are met.  After every step

- a message is in exactly one place, and the counters count it;
- the journal's rows balance, and their times never go back;
- nothing that was acked is delivered, nothing more often than ``max_receives``;
- inside a group nothing younger is handed out while an older one is ready, or out in an earlier receive;
- ``wake_at`` is the very next deadline that the naive broker knows;
- answers, deliveries, and the order of what is ready are the naive broker's.

``QSIM_EXAMPLES=200`` runs so many examples a profile (CI: 12, always the same); ``QSIM_SHRINK=1`` looks for the
shortest story of a failure, which takes minutes.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from naive import Naive

from qsim.brokers import AZURE_SERVICE_BUS, IDEAL, RABBITMQ_CLASSIC, RABBITMQ_QUORUM, SQS_FIFO, SQS_STANDARD
from qsim.brokers.rabbitmq import classic, level_of, quorum, with_limit, with_priorities
from qsim.kernel.broker import Broker
from qsim.kernel.journal import Cause, Journal, Kind, Place
from qsim.kernel.profile import Capacity, DeadLetter, Grouping, OnCrash, Order, Overflow, ReturnsTo, Stale
from qsim.units import MILLISECOND, SECOND

EXAMPLES = int(os.environ.get("QSIM_EXAMPLES", "12"))
SHRINK = [Phase.shrink] if "QSIM_SHRINK" in os.environ else []
CI = settings(
    phases=[Phase.explicit, Phase.reuse, Phase.generate, *SHRINK],
    report_multiple_bugs=False,
    max_examples=EXAMPLES,
    stateful_step_count=50,
    deadline=None,
    derandomize="QSIM_EXAMPLES" not in os.environ,
    database=None,
    suppress_health_check=list(HealthCheck),
)

TWO = DeadLetter("dlq", 2)
SMALL_STANDARD = replace(SQS_STANDARD, visibility_timeout=2 * SECOND, retention=6 * SECOND, max_visibility=6 * SECOND)
SMALL_FIFO = replace(SQS_FIFO, visibility_timeout=2 * SECOND, retention=6 * SECOND, dedup_window=4 * SECOND, throttle=None)
BUS = replace(AZURE_SERVICE_BUS, visibility_timeout=2 * SECOND, dlq=TWO)
SMALL_QUORUM = replace(RABBITMQ_QUORUM, visibility_timeout=2 * SECOND)
DEAD = DeadLetter("dlq", None)
LEASE = replace(IDEAL, visibility_timeout=2 * SECOND, dedup_window=4 * SECOND)


def full(policy, **more):
    return Capacity(messages=3, when_full=policy, **more)


PROFILES = {
    "ideal": IDEAL,
    "sqs-standard": SQS_STANDARD,
    "sqs-fifo": SQS_FIFO,
    "standard, dead letters": replace(SMALL_STANDARD, dlq=TWO),
    "standard, two in flight": replace(SMALL_STANDARD, max_in_flight=2, tail_from=2),
    "standard, a delay": replace(SMALL_STANDARD, delay=SECOND, dlq=DeadLetter("dlq", 1)),
    "standard, a full queue": replace(SMALL_STANDARD, dlq=TWO, capacity=full(Overflow.DROP_OLDEST)),
    "fifo, dead letters": replace(SMALL_FIFO, dlq=TWO),
    "fifo, look ahead 3": replace(SMALL_FIFO, look_ahead=3, dlq=TWO, max_in_flight=3),
    "fifo, look ahead 2, a delay": replace(SMALL_FIFO, look_ahead=2, delay=SECOND, dedup_per_group=True),
    "fifo, a full queue": replace(SMALL_FIFO, look_ahead=2, dlq=TWO, capacity=full(Overflow.DROP_OLDEST)),
    "fifo, to the tail": replace(SMALL_FIFO, returns_to=ReturnsTo.TAIL, on_crash=OnCrash.RETURNS),
    "ideal, a lease": replace(LEASE, dlq=TWO, ttl_dead_letters=True),
    "ideal, to the head": replace(LEASE, returns_to=ReturnsTo.HEAD),
    "ideal, to the tail": replace(LEASE, returns_to=ReturnsTo.TAIL, dlq=DeadLetter("dlq", 3)),
    "ideal, lifo": replace(LEASE, order=Order.LIFO, dlq=TWO, capacity=full(Overflow.DEAD_LETTER)),
    "ideal, lifo to the head": replace(
        LEASE, order=Order.LIFO, returns_to=ReturnsTo.HEAD, capacity=full(Overflow.DROP_OLDEST)
    ),
    "ideal, lifo to the tail": replace(
        LEASE, order=Order.LIFO, returns_to=ReturnsTo.TAIL, capacity=full(Overflow.DROP_OLDEST)
    ),
    "ideal, priorities": replace(LEASE, order=Order.PRIORITY, levels=3, dlq=TWO, capacity=full(Overflow.DROP_OLDEST)),
    "ideal, reject": replace(LEASE, capacity=full(Overflow.REJECT)),
    "ideal, block": replace(LEASE, capacity=full(Overflow.BLOCK)),
    "ideal, drop newest": replace(LEASE, capacity=full(Overflow.DROP_NEWEST)),
    "ideal, bytes": replace(LEASE, dlq=TWO, capacity=Capacity(bytes=100, when_full=Overflow.DEAD_LETTER)),
    "ideal, only ready ones": replace(LEASE, dlq=TWO, capacity=full(Overflow.DROP_OLDEST, counts_ready_only=True)),
    "service bus": AZURE_SERVICE_BUS,
    "service bus, two deliveries": BUS,
    "service bus, a short life": replace(BUS, retention=4 * SECOND, ttl_dead_letters=True, dedup_window=4 * SECOND),
    "service bus, a delay": replace(BUS, retention=3 * SECOND, delay=SECOND, dlq=None),
    "service bus, full": replace(BUS, capacity=full(Overflow.REJECT)),
    "rabbitmq-classic": RABBITMQ_CLASSIC,
    "rabbitmq-quorum": RABBITMQ_QUORUM,
    "classic, dead letters": replace(RABBITMQ_CLASSIC, dlq=DEAD),
    "classic, a ttl": replace(RABBITMQ_CLASSIC, retention=3 * SECOND, dlq=DEAD),
    "classic, a ttl of 0": replace(RABBITMQ_CLASSIC, retention=0),
    "classic, its own dead letters": replace(RABBITMQ_CLASSIC, retention=2 * SECOND, dlq=DeadLetter("q", None)),
    "classic, drop head": replace(with_limit(RABBITMQ_CLASSIC, 2), dlq=DEAD),
    "classic, reject to the dead letters": replace(with_limit(RABBITMQ_CLASSIC, 2, None, "reject-publish-dlx"), dlq=DEAD),
    "classic, ready bytes": with_limit(RABBITMQ_CLASSIC, None, 100),
    "classic, priorities": with_limit(with_priorities(RABBITMQ_CLASSIC, 2), 4),
    "classic, one active": replace(RABBITMQ_CLASSIC, single_active=True),
    "classic, 3.10": replace(classic("3.10"), visibility_timeout=2 * SECOND),
    "quorum, a limit": replace(SMALL_QUORUM, dlq=TWO),
    "quorum, a limit and no dead letters": replace(SMALL_QUORUM, max_deliveries=2, retention=4 * SECOND),
    "quorum, no limit": replace(SMALL_QUORUM, max_deliveries=None, retention=5 * SECOND, dlq=DEAD),
    "quorum, priorities": with_priorities(SMALL_QUORUM, 31, 4),
    "quorum, reject": with_limit(SMALL_QUORUM, 2, None, "reject-publish"),
    "quorum, 3.10": replace(quorum("3.10", 1), visibility_timeout=2 * SECOND, dlq=DEAD),
    "ideal, a crash loses": replace(LEASE, on_crash=OnCrash.LOSES, stale_ack=(Stale.ERROR, Stale.DELETES)),
}

CLIENTS = st.integers(1, 3)
QUEUES = st.sampled_from(["q", "q", "dlq"])
SECONDS = st.sampled_from([SECOND, 2 * SECOND, 3 * SECOND])
GROUPS = st.sampled_from("AAB")
ENDS = (
    *(Kind.ACKED, Kind.DEAD_LETTERED, Kind.MOVED_OUT, Kind.EXPIRED),
    *(Kind.DROPPED, Kind.PURGED, Kind.VANISHED),
)  # fmt: skip


class Machine(RuleBasedStateMachine):
    profile = IDEAL

    @initialize()
    def begin(self) -> None:
        dead_letters = replace(self.profile, dlq=None, capacity=None, max_in_flight=None, in_flight_is_error=False)
        profiles = {"dlq": dead_letters, "q": self.profile}
        self.rows: list[tuple[int, ...]] = []
        self.broker = Broker(profiles, journal=Journal())
        self.naive = Naive(profiles)
        self.now = 0
        self.sent = 0
        self.held: list[tuple] = []  # (the kernel's delivery, the naive item, the naive receipt)
        self.wishes: dict = {}
        self.acked: set[int] = set()
        self.just_acked = -1
        self.doubled: set[int] = set()
        self.read = 0
        self.totals: Counter = Counter()
        self.last: Counter = Counter()

    # --- calls --------------------------------------------------------------------------------------------------------

    @rule(
        queue=QUEUES,
        level=st.integers(0, 2),
        group=GROUPS,
        delay=st.none() | st.sampled_from([0, SECOND, 2 * SECOND]),
        ttl=st.none() | SECONDS,
        size=st.sampled_from([0, 30, 60]),
        dedup=st.none() | st.integers(1, 3),
    )
    def send(self, queue, level, group, delay, ttl, size, dedup) -> None:
        levels = self.profile.levels
        if self.profile.lane_of is not None:
            level, levels = level_of([None, 1, 7][level]), 257
        delay = delay if self.profile.message_delay else None
        labels = {"level": min(level, levels - 1), "group": group, "delay": delay, "ttl": ttl, "size": size, "dedup": dedup}
        self.sent += 1
        self.naive.pass_to(self.now)
        expected = self.naive.send(self.now, queue, self.sent, **labels)
        self.naive.look(self.now, self.naive.lines[queue])
        assert self.broker.send(self.now, queue, self.sent, **labels) is expected

    @rule(sizes=st.lists(st.sampled_from([0, 30]), min_size=1, max_size=4), group=GROUPS)
    def send_batch(self, sizes, group) -> None:
        self.naive.pass_to(self.now)
        entries = [{"message": self.sent + n + 1, "group": group, "size": size} for n, size in enumerate(sizes)]
        self.sent += len(sizes)
        expected = [self.naive.send(self.now, "q", e["message"], group=group, size=e["size"]) for e in entries]
        self.naive.look(self.now, self.naive.lines["q"])
        assert self.broker.send_batch(self.now, "q", entries) == expected

    @rule(
        queue=QUEUES,
        client=CLIENTS,
        limit=st.integers(1, 4),
        wait=st.sampled_from([0, 0, SECOND, 2 * SECOND, None]),
        timeout=st.none() | st.sampled_from([0, SECOND, 3 * SECOND]),
    )
    def receive(self, queue, client, limit, wait, timeout) -> None:
        self.naive.pass_to(self.now)
        expected = self.naive.receive(self.now, queue, client, limit, wait, timeout)
        answer = self.broker.receive(self.now, queue, client, limit, wait, timeout)
        self.naive.look(self.now, self.naive.lines[queue])
        if isinstance(expected, Cause):
            assert answer.refused is expected
            return
        got, wish = expected
        assert answer.refused is Cause.NONE
        assert (answer.credit is None) == (wish is None)
        if wish is not None:
            self.wishes[answer.credit] = wish
        self.note(answer, got)

    @precondition(lambda self: self.profile.push)
    @rule(
        queue=QUEUES,
        client=CLIENTS,
        prefetch=st.sampled_from([1, 1, 2, 0]),
        priority=st.sampled_from([0, 0, 0, 0, 1, -1]),
        auto_ack=st.sampled_from([False] * 5 + [True]),
    )
    def subscribe(self, queue, client, prefetch, priority, auto_ack) -> None:
        self.naive.pass_to(self.now)
        wish = self.naive.subscribe(queue, client, prefetch, priority, auto_ack)
        self.naive.look(self.now, self.naive.lines[queue])
        credit = self.broker.subscribe(self.now, queue, client, prefetch, priority=priority, auto_ack=auto_ack)
        self.wishes[credit] = wish

    @precondition(lambda self: self.wishes)
    @rule(data=st.data())
    def cancel(self, data) -> None:
        credit = data.draw(st.sampled_from(list(self.wishes)))
        self.naive.pass_to(self.now - 1)
        self.naive.cancel(self.wishes[credit])
        self.naive.look(self.now)
        self.broker.cancel(self.now, credit)

    def one(self, data):
        """Any delivery ever made, the newest ones more often."""
        back = data.draw(st.integers(0, min(len(self.held), 12) - 1))
        self.naive.pass_to(self.now - 1)
        return self.held[-1 - back]

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def ack(self, data) -> None:
        delivery, item, receipt = self.one(data)
        expected = self.naive.ack(self.now, item, receipt, delivery.client)
        self.naive.look(self.now, item.queue)
        assert self.broker.ack(self.now, delivery) is expected
        if expected is Cause.NONE:
            self.just_acked = delivery.message.number

    @precondition(lambda self: self.held)
    @rule(data=st.data(), delay=st.sampled_from([0, 0, SECOND, 2 * SECOND]), failed=st.booleans())
    def nack(self, data, delay, failed) -> None:
        delivery, item, receipt = self.one(data)
        expected = self.naive.nack(self.now, item, receipt, delay, failed, delivery.client)
        self.naive.look(self.now)
        assert self.broker.nack(self.now, delivery, delay, failed) is expected

    @precondition(lambda self: self.held)
    @rule(data=st.data(), timeout=st.sampled_from([SECOND, 2 * SECOND, 5 * SECOND]))
    def extend(self, data, timeout) -> None:
        delivery, item, receipt = self.one(data)
        expected = self.naive.extend(self.now, item, receipt, timeout, delivery.client)
        self.naive.look(self.now)
        assert self.broker.extend(self.now, delivery, timeout) is expected

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def reject(self, data) -> None:
        delivery, item, receipt = self.one(data)
        expected = self.naive.reject(self.now, item, receipt, delivery.client)
        self.naive.look(self.now)
        assert self.broker.reject(self.now, delivery) is expected

    @precondition(lambda self: self.held and self.profile.grouping is Grouping.NONE)
    @rule(data=st.data())
    def duplicate(self, data) -> None:
        delivery, item, receipt = self.one(data)
        expected = self.naive.duplicate(self.now, item, receipt)
        self.naive.look(self.now)
        assert self.broker.duplicate(self.now, delivery) is expected
        self.doubled.add(delivery.message.number)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def expire(self, data) -> None:
        delivery, item, receipt = self.one(data)
        if self.naive.is_held(item, receipt):
            self.naive.expire_lease(self.now, item)
        self.naive.look(self.now)
        self.broker.expire(self.now, delivery)

    @rule(client=CLIENTS)
    def crash(self, client) -> None:
        self.naive.pass_to(self.now - 1)
        self.naive.forget(self.now, client)
        self.naive.look(self.now)
        self.broker.forget(self.now, client)

    @rule(limit=st.none() | st.integers(1, 2), way=st.sampled_from([("dlq", "q"), ("dlq", "q"), ("q", "dlq"), ("q", "q")]))
    def redrive(self, limit, way) -> None:
        self.naive.pass_to(self.now - 1)
        expected = self.naive.redrive(self.now, *way, limit)
        self.naive.look(self.now)
        assert self.broker.redrive(self.now, *way, limit) == expected

    @rule(queue=QUEUES, really=st.integers(0, 3))
    def purge(self, queue, really) -> None:
        if really == 0:
            self.naive.pass_to(self.now - 1)
            assert self.broker.purge(self.now, queue) == self.naive.purge(queue)

    # --- time -----------------------------------------------------------------------------------------------------------

    @rule(step=st.sampled_from([MILLISECOND, SECOND, SECOND, 2 * SECOND, 5 * SECOND]))
    def time_passes(self, step) -> None:
        self.now += step
        self.wake(self.now)

    @rule(before=st.sampled_from([0, 0, 1]))
    def until_the_next_deadline(self, before) -> None:
        due = self.broker.wake_at()
        if due is not None:
            self.now = max(self.now, due - before)
            self.wake(self.now)

    @rule(step=st.sampled_from([0, SECOND]))
    def unnoticed(self, step) -> None:
        """Time passes, and the next call notices."""
        self.now += step

    def wake(self, now) -> None:
        self.naive.pass_to(now)
        self.broker.wake(now)

    # --- what must hold ---------------------------------------------------------------------------------------------------

    def note(self, deliveries, expected) -> None:
        assert [(d.message.number, d.attempt) for d in deliveries] == [(i.number, attempt) for i, _, attempt in expected]
        together = {id(d.message) for d in deliveries}
        for delivery, (item, receipt, _) in zip(deliveries, expected, strict=True):
            self.held.append((delivery, item, receipt))
            message = delivery.message
            assert message.number not in self.acked
            dlq = message.queue.profile.dlq
            if dlq is not None and dlq.max_receives is not None and message.number not in self.doubled:
                assert delivery.attempt - message.carried <= dlq.max_receives
        self.in_order_of_its_group([d for d in deliveries if d.message.receipt == d.receipt], together)

    def in_order_of_its_group(self, deliveries, together) -> None:
        """Of what is still held by these deliveries: the oldest first, and nothing beside an earlier receive's."""
        ranks: dict = {}
        for message in (d.message for d in deliveries if d.message.place is Place.LEASED):
            if message.queue.groups is not None:
                assert ranks.get(message.group, 0) < message.rank
                ranks[message.group] = message.rank
                for other in message.queue.messages():
                    if other.group == message.group and other.place is Place.LEASED:
                        assert id(other) in together

    @invariant()
    def what_waited_was_served_alike(self) -> None:
        made, self.naive.made = self.naive.made, []
        handed_out = self.broker.deliveries()
        # A receive that waits may be served late in its instant: at the latest when time is next looked at.
        assert len(handed_out) == len(made)
        for (credit, deliveries), (wish, got) in zip(handed_out, made, strict=True):
            assert self.wishes[credit] is wish
            assert credit.is_open == wish.is_open
            self.note(deliveries, got)
        self.acked.add(self.just_acked)  # now: what this step handed out, it did before the ack

    @invariant()
    def a_message_is_in_exactly_one_place(self) -> None:
        for name, queue in self.broker.queues.items():
            messages = list(queue.messages())
            assert len({id(message) for message in messages}) == len(messages)
            places = Counter(message.place for message in messages)
            assert places[Place.READY] == queue.visible
            assert places[Place.LEASED] == queue.in_flight
            assert places[Place.DELAYED] == queue.delayed
            assert queue.depth == len(messages)
            assert queue.bytes == sum(message.size for message in messages)
            counts = self.naive.lines[name].counts()
            assert (queue.visible, queue.in_flight, queue.delayed) == tuple(counts.values())

    @invariant()
    def the_same_is_ready_in_the_same_order(self) -> None:
        for name, queue in self.broker.queues.items():
            assert [m.number for m in queue.ready] == [i.number for i in self.naive.lines[name].in_order()]

    @invariant()
    def nobody_rings_late_or_in_the_past(self) -> None:
        due, first = self.broker.wake_at(), self.naive.wake_at()
        if any(queue.waiting and queue.visible for queue in self.broker.queues.values()):
            # Somebody's turn may come: then it rings early rather than late.
            assert first is None or (due is not None and due <= first)
        else:
            assert due == first

    @invariant()
    def rows_balance_and_their_times_never_go_back(self) -> None:
        rows = self.broker.journal.read()
        for row in rows[self.read :]:
            assert row[0] >= self.last[row[4]]
            self.last[row[4]] = row[0]
            self.totals[row[4], row[5]] += 1
        self.read = len(rows)
        for queue in self.broker.queues.values():
            entered = sum(self.totals[queue.index, kind] for kind in (Kind.ACCEPTED, Kind.MOVED_IN))
            left = sum(self.totals[queue.index, kind] for kind in ENDS)
            assert entered == left + queue.depth


@pytest.mark.parametrize("name", PROFILES)
def test_a_queue_keeps_its_word_under_any_calls(name):
    machine = type(name, (Machine,), {"profile": PROFILES[name]})
    run_state_machine_as_test(machine, settings=CI)
