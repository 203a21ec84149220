"""The luck of a run: random bits that belong to a message and not to the order of asking.

It knows Philox, keys and blocks; what the bits mean is told by ``samplers``, ``arrivals`` and ``labels``.  What is
asked twice is answered alike, and nobody's luck moves when somebody else is added.

``Philox(key)`` at counter (number, turn) gives four 64-bit words, the whole luck of one send or one attempt:

===========  ==================================  ==================================================================
purpose      key words behind it; counter        lanes
===========  ==================================  ==================================================================
arrival      producer, i; (k, 0)                 gap, level, group, size
part         producer, i; (k, 0)                 part of a mix of gaps
poison       producer, i; (k, 0)                 poison
attribute    name, producer, i; (k, 0)           value
delay, eta   producer, i; (k, 0)                 time, part of its mix
burst        producer, i; (n, 0)                 on, part of its mix, off, part of its mix
think        producer, i; (n, client)            time, part of its mix
send         producer, i; (k, try)               lose the send, lose the reply, backoff jitter, -
attempt      consumer, producer, i; (k, turn)    service, fate, moment, retry jitter
service      consumer, producer, i; (k, 0)       part of the mix, once a message
ack          consumer, producer, i; (k, turn)    lose the ack, restart, part of its mix, -
call         dependency, consumer, producer, i;  service, -, -, -
             (k, turn)
call-part    dependency, consumer, producer, i;  part of the mix, once a message
             (k, 0)
duplicate,   queue, producer, i; (k, n)          that
reorder
receive      consumer, process; (n, 0)           empty receive, latency, part of its mix, -
send-latency producer, i; (k, try)               time, part of its mix: of a call, not of a message
ack-latency  consumer, producer, i; (k, turn)    time, part of its mix
startup      consumer; (n, 0)                    time, part of its mix, -, -
===========  ==================================  ==================================================================

The key is BLAKE2b-128 of (format, seed, replication, purpose, ...), joined by NUL bytes, little-endian; k is the
number of the producer's message, from 0.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import Any, TypeAlias

import numpy as np
from numpy.random import Philox
from numpy.typing import NDArray

from qsim.scenario.plan import Bursts, Constant, ConsumerPlan, DependencyPlan, Plan, ProducerPlan, Time
from qsim.sim import arrivals, labels
from qsim.sim.luck import Arrivals, Attempt, Four
from qsim.sim.samplers import Floats, Whole, has_parts, log, sampler, uniforms
from qsim.units import Nanos

FORMAT = "qsim-1"
Words: TypeAlias = tuple[str, ...]

NUMBER_BITS = 40
_NUMBER = (1 << NUMBER_BITS) - 1
WIDEST = 12
"""Blocks of 4,096 numbers."""
FOUR = 8
"""Log2 of what is drawn together of sends, acks and the like: many purposes and turns are in use at once."""
LATE = 8
"""From this turn on few messages are left, and these come again and again: drawn 16 turns at a time, not 1,024
numbers."""
_TURNS = 4


class Recent(dict[Any, Any]):
    """Blocks made on demand and forgotten again: those of two generations are kept, those in use are taken over."""

    def __init__(self, make: Callable[..., list[Any]], room: int) -> None:
        super().__init__()
        self._make = make
        self._room = room
        self._old: dict[Any, list[Any]] = {}

    def __missing__(self, key: Any) -> list[Any]:
        block = self._old.pop(key, None) or self._make(*key)
        if len(self) >= self._room:
            self._old = dict(self)
            self.clear()
        self[key] = block
        return block

    def forget(self) -> None:
        self._old = {}
        self.clear()


def _shift(streams: int) -> int:
    """Log2 of the width of a block: many streams at once get narrow ones, so that memory stays small."""
    return max(4, min(WIDEST, 13 - streams.bit_length()))


def _room(streams: int) -> int:
    """Blocks in a generation: 16,384 numbers, or a few blocks a stream."""
    return max(16384 >> _shift(streams), 4 * streams)


class Draws:
    """The luck of one replication of a plan."""

    def __init__(self, plan: Plan, seed: int, replication: int = 1) -> None:
        self._run = (FORMAT, str(seed), str(replication))
        self._producers: dict[int, Words] = {p.first_index + i: (p.name, str(i)) for p in plan.producers for i in range(p.count)}
        for branch in plan.branches:
            self._producers[branch.index] = (*self._producers[branch.parent], *branch.words)
        self._consumers = [consumer.name for consumer in plan.consumers]
        self._dependencies = [dependency.name for dependency in plan.dependencies]
        self._services = {c.index: (sampler(c.service), has_parts(c.service)) for c in plan.consumers}
        self._answers = [(sampler(each.service), has_parts(each.service)) for each in plan.dependencies]
        self._times = _message_times(plan)
        self._latencies = {
            (call, index): (time, sampler(time))
            for index, queue in enumerate(plan.queues)
            for call in ("send", "receive", "ack")
            if (time := getattr(queue.latency, call)) is not None
        }
        self._marks = {p.name: labels.Marks(p.message.poison) for p in plan.producers if p.message.poison}
        streams, callers = len(self._producers), sum(consumer.most for consumer in plan.consumers)
        self._shift, self._mask = _shift(streams), (1 << _shift(streams)) - 1
        self._attempts = Recent(self._draw_attempts, _room(streams))
        self._late = Recent(self._draw_late, 1024)
        self._near: list[Attempt] = []
        self._near_block = self._near_consumer = -1
        self._served = Recent(self._draw_served, _room(streams))
        self._four_shift = min(self._shift, FOUR)
        self._fours = Recent(self._draw_fours, max(128, 8 * streams))
        self._waits = Recent(self._draw_waits, _room(streams))
        self._thinks = Recent(self._draw_thinks, 1024 + sum(p.clients.count for p in plan.producers if p.clients))
        self._think_times = {p.name: sampler(p.clients.think) for p in plan.producers if p.clients}
        self._call_shift = _shift(callers)
        self._calls = Recent(self._draw_calls, _room(callers))

    # --- producers

    def arrivals(self, producer: ProducerPlan, i: int) -> Arrivals:
        if producer.recorded is not None:
            return arrivals.Replayed(producer)
        if producer.bursts is not None:
            turns = self._turns(producer.bursts, (producer.name, str(i)))
            return arrivals.Bursty(producer, lambda inside: self._steady(inside, i), turns)
        return self._steady(producer, i)

    def _steady(self, producer: ProducerPlan, i: int) -> Arrivals:
        width = self._mask + 1
        if producer.gaps is not None:
            return arrivals.Renewal(producer, width, self._gaps(producer.gaps, (producer.name, str(i))))
        if producer.regular:
            return arrivals.regular(producer, width)
        return arrivals.poisson(producer, width, self._units((producer.name, str(i))))

    def labels(self, producer: ProducerPlan, i: int) -> labels.MessageLabels:
        def lanes(purpose: Words, block: int) -> Floats:
            return self._lanes((*purpose, producer.name, str(i)), block << self._shift, 0, self._mask + 1)

        return labels.MessageLabels(producer.message, lanes, self._shift, self._marks.get(producer.name), producer.recorded)

    def delay(self, producer: ProducerPlan, i: int, k: int) -> Nanos:
        wait: Nanos = self._waits["delay", producer.first_index, i, k >> self._shift][k & self._mask]
        return wait

    def eta(self, producer: ProducerPlan, i: int, k: int) -> Nanos:
        wait: Nanos = self._waits["eta", producer.first_index, i, k >> self._shift][k & self._mask]
        return wait

    def send_luck(self, producer: ProducerPlan, i: int, k: int, try_: int) -> Four:
        return self._four(("send", producer.name, str(i)), k, try_)

    def think(self, producer: ProducerPlan, i: int, client: int, n: int) -> Nanos:
        time: Nanos = self._thinks[producer.name, i, client, n >> _TURNS][n & ((1 << _TURNS) - 1)]
        return time

    def _draw_thinks(self, producer: str, i: int, client: int, block: int) -> list[Nanos]:
        """Of one client, its next requests: many clients with few requests each are as cheap as one with many."""
        time, part, _, _ = self._lanes(("think", producer, str(i)), block << _TURNS, client, 1 << _TURNS)
        thinks: list[Nanos] = self._think_times[producer](time, part).tolist()
        return thinks

    def _turns(self, bursts: Bursts, owner: Words) -> Callable[[int], tuple[Nanos, Nanos]]:
        on, off = sampler(bursts.on), sampler(bursts.off)
        known: list[tuple[Nanos, Nanos]] = []

        def turn(n: int) -> tuple[Nanos, Nanos]:
            if n >= len(known):
                u, u_part, v, v_part = self._lanes(("burst", *owner), len(known), 0, 64)
                known.extend(zip(on(u, u_part).tolist(), off(v, v_part).tolist(), strict=True))
            return known[n]

        return turn

    def send_latency(self, producer: ProducerPlan, i: int, k: int, try_: int) -> Nanos:
        u, part, _, _ = self._four(("send-latency", producer.name, str(i)), k, try_)
        return self._latency("send", producer.to, u, part)

    def _latency(self, call: str, queue: int, u: float, part: float) -> Nanos:
        """0 where such calls take no time."""
        if (queue_of := self._latencies.get((call, queue))) is None:
            return 0
        time, sample = queue_of
        return time.value if isinstance(time, Constant) else int(sample(np.array([u]), np.array([part]))[0])

    def _units(self, owner: Words) -> Callable[[range], Floats]:
        return lambda numbers: -log(1 - self._lanes(("arrival", *owner), numbers.start, 0, len(numbers))[0])

    def _gaps(self, gaps: Time, owner: Words) -> Callable[[range], list[Nanos]]:
        sample = sampler(gaps)

        def draw(numbers: range) -> list[Nanos]:
            u = self._lanes(("arrival", *owner), numbers.start, 0, len(numbers))[0]
            part = self._lanes(("part", *owner), numbers.start, 0, len(numbers))[0]
            times: list[Nanos] = sample(u, part).tolist()
            return times

        return draw

    def _draw_waits(self, purpose: str, producer: int, i: int, block: int) -> list[Nanos]:
        owner = self._producers[producer + i]
        time, part, _, _ = self._lanes((purpose, *owner), block << self._shift, 0, self._mask + 1)
        waits: list[Nanos] = self._times[purpose, producer](time, part).tolist()
        return waits

    # --- consumers

    def attempt(self, consumer: ConsumerPlan, message: int, turn: int) -> Attempt:
        attempt: Attempt
        block = message >> self._shift
        if turn == 1 and block == self._near_block and consumer.index == self._near_consumer:
            return self._near[message & self._mask]  # the block in use is at hand
        if turn < LATE:
            attempts = self._attempts[consumer.index, turn, block]
            attempt = attempts[message & self._mask]
            if turn == 1:
                self._near, self._near_block, self._near_consumer = attempts, block, consumer.index
        else:
            attempt = self._late[consumer.index, message, turn >> _TURNS][turn & ((1 << _TURNS) - 1)]
        return attempt

    def set_service(self, consumer: ConsumerPlan, service: Time) -> None:
        self._services[consumer.index] = (sampler(service), has_parts(service))
        self._attempts.forget()
        self._late.forget()
        self._near_block = -1

    def call(self, dependency: DependencyPlan, consumer: ConsumerPlan, message: int, turn: int) -> Nanos:
        if isinstance(dependency.service, Constant):
            return dependency.service.value
        if turn >= LATE:
            return self._draw_calls_from(dependency.index, consumer.index, message, turn, 1)[0]
        times = self._served[dependency.index, consumer.index, turn, message >> self._shift]
        time: Nanos = times[message & self._mask]
        return time

    def ack_luck(self, consumer: ConsumerPlan, message: int, turn: int) -> Four:
        return self._four(("ack", consumer.name, *self._producer_of(message)), message & _NUMBER, turn)

    def ack_latency(self, consumer: ConsumerPlan, message: int, turn: int, queue: int) -> Nanos:
        words = ("ack-latency", consumer.name, *self._producer_of(message))
        u, part, _, _ = self._four(words, message & _NUMBER, turn)
        return self._latency("ack", queue, u, part)

    def restart(self, consumer: ConsumerPlan, message: int, turn: int) -> Nanos:
        time = consumer.failures.restart_after
        if isinstance(time, Constant):
            return time.value
        _, u, part, _ = self.ack_luck(consumer, message, turn)
        return int(sampler(time)(np.array([u]), np.array([part]))[0])

    def startup(self, consumer: ConsumerPlan, n: int) -> Nanos:
        time = consumer.autoscale.startup if consumer.autoscale else Constant(0)
        if isinstance(time, Constant):
            return time.value
        u, part, _, _ = self._four(("startup", consumer.name), n, 0)
        return int(sampler(time)(np.array([u]), np.array([part]))[0])

    def receive_luck(self, consumer: ConsumerPlan, process: int, n: int) -> Four:
        luck: Four = self._calls[consumer.name, process, n >> self._call_shift][n & ((1 << self._call_shift) - 1)]
        return luck

    def receive_latency(self, consumer: ConsumerPlan, process: int, n: int, queue: int) -> Nanos:
        _, u, part, _ = self.receive_luck(consumer, process, n)
        return self._latency("receive", queue, u, part)

    def queue_luck(self, queue: str, purpose: str, message: int, n: int) -> float:
        return self._four((purpose, queue, *self._producer_of(message)), message & _NUMBER, n)[0]

    def _draw_attempts(self, consumer: int, turn: int, block: int) -> list[Attempt]:
        message = block << self._shift
        words = (self._consumers[consumer], *self._producer_of(message))
        luck = self._lanes(("attempt", *words), message & _NUMBER, turn, self._mask + 1)
        return self._as_attempts(consumer, luck, self._parts(consumer, words, message & _NUMBER, self._mask + 1))

    def _draw_late(self, consumer: int, message: int, turns: int) -> list[Attempt]:
        number, count = message & _NUMBER, 1 << _TURNS
        words = (self._consumers[consumer], *self._producer_of(message))
        bits = turn_words(self._key("attempt", *words), number, turns << _TURNS, count)
        part = np.broadcast_to(self._parts(consumer, words, number, 1), (count,))
        return self._as_attempts(consumer, uniforms(bits).T, part)

    def _draw_served(self, dependency: int, consumer: int, turn: int, block: int) -> list[Nanos]:
        return self._draw_calls_from(dependency, consumer, block << self._shift, turn, self._mask + 1)

    def _draw_calls_from(self, dependency: int, consumer: int, message: int, turn: int, count: int) -> list[Nanos]:
        """What the calls for this message and the following take."""
        words = (self._dependencies[dependency], self._consumers[consumer], *self._producer_of(message))
        sample, has_part = self._answers[dependency]
        number = message & _NUMBER
        part = self._lanes(("call-part", *words), number, 0, count)[0] if has_part else np.zeros(count)
        times: list[Nanos] = sample(self._lanes(("call", *words), number, turn, count)[0], part).tolist()
        return times

    def _as_attempts(self, consumer: int, luck: Floats, part: Floats) -> list[Attempt]:
        services = self._services[consumer][0](luck[0], part).tolist()
        return list(zip(services, *luck[1:].tolist(), strict=True))

    def _parts(self, consumer: int, words: Words, number: int, count: int) -> Floats:
        """Which part of a mix: the same in all turns of a message.  Only a mix looks at it."""
        if not self._services[consumer][1]:
            return np.zeros(count)
        parts: Floats = self._lanes(("service", *words), number, 0, count)[0]
        return parts

    # --- bits

    def _producer_of(self, message: int) -> Words:
        return self._producers[message >> NUMBER_BITS]

    def _key(self, *words: str) -> int:
        return int.from_bytes(blake2b("\0".join((*self._run, *words)).encode(), digest_size=16).digest(), "little")

    def _lanes(self, words: Words, number: int, turn: int, count: int) -> Floats:
        return uniforms(number_words(self._key(*words), number, turn, count)).T

    def _four(self, words: Words, number: int, turn: int) -> Four:
        four: Four
        if turn < LATE:
            four = self._fours[words, turn, number >> self._four_shift][number & ((1 << self._four_shift) - 1)]
        else:
            four = _rows(self._lanes(words, number, turn, 1))[0]
        return four

    def _draw_fours(self, words: Words, turn: int, block: int) -> list[Four]:
        return _rows(self._lanes(words, block << self._four_shift, turn, 1 << self._four_shift))

    def _draw_calls(self, consumer: str, process: int, block: int) -> list[Four]:
        first = block << self._call_shift
        return _rows(self._lanes(("receive", consumer, str(process)), first, 0, 1 << self._call_shift))


def number_words(key: int, number: int, turn: int, count: int) -> NDArray[np.uint64]:
    """The four words of each of ``count`` numbers from this one on.  Numpy steps its counter before it draws."""
    counter = ((turn << 64) + number - 1) % (1 << 256)
    return Philox(key=key, counter=counter).random_raw(4 * count).reshape(count, 4)


def turn_words(key: int, number: int, turn: int, count: int) -> NDArray[np.uint64]:
    """The same of ``count`` turns of one number."""
    generator = Philox(key=key, counter=((turn << 64) + number - 1) % (1 << 256))
    rows = []
    for _ in range(count):
        rows.append(generator.random_raw(4))
        generator.advance((1 << 64) - 1)
    return np.array(rows)


def _rows(lanes: Floats) -> list[Four]:
    return list(zip(*lanes.tolist(), strict=True))


def _message_times(plan: Plan) -> dict[tuple[str, int], Callable[[Floats, Floats], Whole]]:
    """The samplers of every delay and eta, by purpose and first producer index."""
    times = {}
    for producer in plan.producers:
        for purpose, time in (("delay", producer.message.delay), ("eta", producer.message.eta)):
            if time is not None:
                times[purpose, producer.first_index] = sampler(time)
    return times
