"""Hand-made runs: a small plan, and rows written as a story.

    tell = Story(queues=["orders"], duration=10)
    tell.send(0, "a"); tell.receive(2, "a"); tell.ack(3, "a")
    numbers = tell.numbers()

Times are seconds (floats are fine), messages are letters: "a" is message 0 of the first producer.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from qsim.kernel.journal import NOBODY, ROW, Cause, Journal, Kind, Place
from qsim.kernel.profile import DeadLetter, Profile
from qsim.metrics.numbers import Numbers
from qsim.scenario.plan import (
    Ack,
    AlertPlan,
    Check,
    Constant,
    ConsumerPlan,
    Failures,
    Groups,
    Imperfections,
    MessagePlan,
    OnReject,
    Plan,
    Poll,
    ProducerPlan,
    QueuePlan,
    Shares,
)
from qsim.sim.recording import Recording
from qsim.units import SECOND

LEVELS = ("urgent", "normal")
KINDS = ("order", "cart")


def queue(name, dlq=None):
    limit = None if dlq is None else DeadLetter(dlq, 3)
    return QueuePlan(name, Profile(name="test", dlq=limit), LEVELS, Imperfections())


def producer(name="shop", index=0, to=0):
    attributes = (("kind", Shares(KINDS, (0.5, 1.0))),)
    message = MessagePlan(1024, None, None, None, None, Groups(10, 0.0), None, None, attributes)
    rate = Fraction(1)
    return ProducerPlan(
        name, index, 1, to, True, None, rate, (), None, 0, 10**18, message, 1, 0, OnReject.DROP, None, SECOND
    )


def consumer(name="worker", index=0, sources=(0,), count=1, concurrency=1, ack=Ack.AFTER_SUCCESS, buffers=False):
    poll = Poll(1, None, None, None)
    return ConsumerPlan(
        name, index, sources, count, count, concurrency, Constant(SECOND), poll, None, ack, None, Check.NONE, None,
        Failures(), None, buffers,
    )  # fmt: skip


def plan(queues=("orders",), consumers=None, producers=None, duration=10, warmup=0, alerts=(), expect=(), **more):
    queues = tuple(queue(q) if isinstance(q, str) else q for q in queues)
    alerts = tuple(AlertPlan(name, None, True, 0, 0, 0, "page") for name in alerts)
    made = Plan(
        "story", "A story", "", (), "base", 1, int(duration * SECOND), int(warmup * SECOND), 1, SECOND, 0,
        queues, tuple(producers or [producer()]), tuple(consumers or [consumer()]), (), alerts, tuple(expect),
    )  # fmt: skip
    return replace(made, **more)


class Story:
    """Rows in the order of time; at one instant in the order in which they are told."""

    def __init__(self, ended=None, **settings):
        self.plan = plan(**settings)
        self.journal = Journal()
        self.ended = self.plan.duration if ended is None else int(ended * SECOND)
        self.levels = {q.name: {"visible": 0, "in_flight": 0, "delayed": 0, "deferred": 0} for q in self.plan.queues}

    # --- rows ---------------------------------------------------------------------------------------------------------

    def row(self, time, kind, message=None, client=NOBODY, attempt=0, queue="orders", cause=0, other=-1):
        number = -1 if message is None else self.number(message)
        self.journal.write(round(time * SECOND), number, client, attempt, self.queue(queue), kind, cause, other)
        return self

    def queue(self, name):
        return [q.name for q in self.plan.queues].index(name) if name is not None else -1

    @staticmethod
    def number(message):
        """ "a" is message 0 of producer 0, "1a" of producer 1."""
        index = int(message[:-1] or 0)
        return index << 40 | (ord(message[-1]) - ord("a"))

    @staticmethod
    def client(process=0, consumer=0):
        return consumer << 20 | process

    # --- sentences ----------------------------------------------------------------------------------------------------

    def sent(self, time, message, attempt=1, level=0, group=-1, queue="orders"):
        return self.row(time, Kind.SENT, message, attempt=attempt, cause=level, other=group, queue=queue)

    def accepted(self, time, message, to=Place.READY, queue="orders"):
        return self.row(time, Kind.ACCEPTED, message, queue=queue, cause=to)

    def send(self, time, message, level=0, group=-1, queue="orders"):
        return self.sent(time, message, 1, level, group, queue).accepted(time, message, queue=queue)

    def receive(self, time, message, attempt=1, process=0, consumer=0, queue="orders", together=1):
        client = self.client(process, consumer)
        return self.row(time, Kind.RECEIVED, message, client, attempt, queue, together, 30_000)

    def work(self, time, kind, message, attempt=1, process=0, consumer=0, queue="orders", cause=0):
        return self.row(time, kind, message, self.client(process, consumer), attempt, queue, cause)

    def effect(self, time, message, attempt=1, process=0, consumer=0):
        return self.work(time, Kind.EFFECT, message, attempt, process, consumer)

    def acked(self, time, message, process=0, consumer=0, queue="orders", place=Place.LEASED):
        return self.row(time, Kind.ACKED, message, self.client(process, consumer), queue=queue, cause=place)

    def ack(self, time, message, attempt=1, process=0, consumer=0):
        return self.effect(time, message, attempt, process, consumer).acked(time, message, process, consumer)

    def lease_ended(self, time, message, process=0, to=Place.READY, queue="orders"):
        return self.row(time, Kind.LEASE_ENDED, message, self.client(process), queue=queue, cause=to)

    def nacked(self, time, message, process=0, to=Place.READY, attempt=1):
        self.work(time, Kind.ERRED, message, attempt, process)
        return self.row(time, Kind.NACKED, message, self.client(process), attempt, cause=to)

    def dead_letter(self, time, message, from_="orders", to="dlq", place=Place.LEASED, cause=Cause.MAX_RECEIVES):
        other = self.queue(to) << 8 | place
        self.row(time, Kind.DEAD_LETTERED, message, queue=from_, cause=cause, other=other)
        return self.row(time, Kind.MOVED_IN, message, queue=to, cause=Place.READY, other=self.queue(from_))

    def redrive(self, time, message, from_="dlq", to="orders"):
        self.row(time, Kind.MOVED_OUT, message, queue=from_, cause=Place.READY, other=self.queue(to))
        return self.row(time, Kind.MOVED_IN, message, queue=to, cause=Place.READY, other=self.queue(from_))

    def up(self, time, process=0, consumer=0):
        return self.row(time, Kind.UP, client=self.client(process, consumer), queue=None)

    def down(self, time, process=0, consumer=0):
        return self.row(time, Kind.DOWN, client=self.client(process, consumer), queue=None)

    # --- the end ------------------------------------------------------------------------------------------------------

    def recording(self):
        rows = sorted(self.journal.read(), key=lambda row: row[0])
        chunks = [b"".join(ROW.pack(*row) for row in rows)]
        return Recording(self.plan, 1, 1, chunks, self.ended, None, 0.0, self.levels)

    def numbers(self):
        return Numbers(self.recording())
