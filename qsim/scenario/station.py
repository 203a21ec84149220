"""A queue of a scenario as a station: what arrives, who serves it, and what else there is about it.

It knows a Plan and no formula.  A queue is a station where one pool of consumers alone takes what arrives at a steady
rate, and nothing is planned, scaled, slowed, lost or shared.  What else the books can have a sentence about is named in
``Beside``; where there is anything else, there is no station.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from math import inf, isfinite

from qsim.kernel.profile import Capacity, Grouping, Overflow, Profile, ReturnsTo, Stale
from qsim.scenario import capacity, flows, times
from qsim.scenario.branches import moves_of
from qsim.scenario.plan import (
    Ack,
    Check,
    ConsumerPlan,
    Exponential,
    Imperfections,
    Latency,
    MessagePlan,
    Mix,
    OnError,
    OnReject,
    Plan,
    ProducerPlan,
    QueuePlan,
    Retry,
)  # fmt: skip
from qsim.units import SECOND, Nanos

RARE = 1e-6
"""What happens to so few messages is no part of the station."""


class Beside(Enum):
    """What there may be beside poisson arrivals, servers, and work that ends with an ack."""

    GAPS = "one stream whose gaps are not exponential"
    UNEVEN = "streams of which only the rate is known"
    BOUND = "room for some, and the others are refused"
    LEVELS = "priorities"
    ERRORS = "attempts that fail, and are nacked"
    LIMIT = "messages that are given up"
    LEASE = "leases that end before the work does"
    DELAYS = "messages that become visible later"
    BUFFERS = "messages that wait at a process while another is idle"
    LOOP = "clients who wait for their answer before they think and ask again"


@dataclass(frozen=True, slots=True)
class Stream:
    """Messages a second; ``scv`` of the gaps (1: poisson; None: unknown), and shares of the levels."""

    rate: float
    scv: float | None
    shares: tuple[float, ...] = (1.0,)
    is_delayed: bool = False
    producer: ProducerPlan | None = None


@dataclass(frozen=True, slots=True)
class Station:
    """``beside``: what there is of ``Beside``."""

    queue: QueuePlan
    consumer: ConsumerPlan
    streams: tuple[Stream, ...]
    beside: frozenset[Beside] = frozenset()

    @property
    def arrivals(self) -> float:
        """λ, messages a second."""
        return sum(stream.rate for stream in self.streams)

    @property
    def arrival_scv(self) -> float:
        return self.streams[0].scv or 0.0 if Beside.GAPS in self.beside else 1.0

    @property
    def servers(self) -> int:
        """c."""
        return self.consumer.count * self.consumer.concurrency

    @property
    def service(self) -> float:
        """S, seconds."""
        return times.mean(self.consumer.service) / SECOND

    @property
    def service_scv(self) -> float:
        return capacity.scv(self.consumer.service)

    @property
    def is_exponential(self) -> bool:
        return isinstance(self.consumer.service, Exponential)

    @property
    def rates(self) -> dict[str, float]:
        """By priority, the most urgent first; those at which nothing arrives are left out."""
        per = {
            name: sum(stream.rate * stream.shares[level] for stream in self.streams if level < len(stream.shares))
            for level, name in enumerate(self.queue.priorities)
        }
        return {name: rate for name, rate in per.items() if rate > 0}

    @property
    def most(self) -> int | None:
        """Deliveries that a message may get."""
        failures = self.consumer.failures
        return 1 if failures.error and failures.on_error is OnError.REJECT else self.queue.profile.delivery_limit

    @property
    def returns_to(self) -> ReturnsTo:
        """Where a failed message queues again."""
        limited = self.queue.profile.returns_to_if_limited if self.most is not None else None
        return self.queue.profile.returns_to if limited is None else limited

    @property
    def lease(self) -> Nanos | None:
        return lease_of(self.queue.profile, self.consumer)


def station(plan: Plan, index: int) -> Station | None:
    """Queue number ``index``; None where more happens to it than ``Beside`` names."""
    if _is_steered(plan) or any(index in moved for moved in moves_of(plan.queues, plan.timeline).values()):
        return None
    queue, readers = plan.queues[index], [each for each in plan.consumers if index in each.sources]
    streams = _arriving(plan, index)
    if not streams or len(readers) != 1 or not _is_plain_queue(plan, queue, readers[0]):
        return None
    found = Station(queue, readers[0], tuple(streams))
    if not _is_plain_consumer(plan, readers[0], queue) or not 0 < found.service < inf:
        return None
    return replace(found, beside=frozenset(what for what, is_there in _BESIDE.items() if is_there(found)))


def lease_of(profile: Profile, consumer: ConsumerPlan) -> Nanos | None:
    """Of a receive: its own, which may be 0, or the queue's; None: it never ends."""
    own = consumer.poll.visibility_timeout if consumer.poll else None
    return profile.visibility_timeout if own is None else own


def _is_steered(plan: Plan) -> bool:
    """Whether anything happens to the scenario while it runs."""
    return bool(plan.timeline or any(alert.do for alert in plan.alerts))


# --- what arrives -----------------------------------------------------------------------------------------------------


def _arriving(plan: Plan, index: int) -> list[Stream] | None:
    """The streams that enter a queue; None where one of them is not steady."""
    direct = [_sent(plan, producer, index) for producer in plan.producers]
    emitted = [_emitted(plan, consumer, index) for consumer in plan.consumers]
    found = [stream for stream in (*direct, *emitted) if stream is None or stream.rate > 0]
    return None if None in found else [stream for stream in found if stream is not None]


NOTHING = Stream(0.0, 1.0)


def _sent(plan: Plan, producer: ProducerPlan, index: int) -> Stream | None:
    """A share of a poisson stream, chosen at random, is one too; of others only the rate is known then."""
    ways = [share for queue, share in flows.reached(plan, producer.to, producer) if queue == index]
    if not sum(ways):
        return NOTHING
    if len(ways) > 1 or not _is_steady(plan, producer) or not _is_copied_plainly(plan, producer):
        return None
    rate, scv = _gaps(producer)
    is_one = producer.count == 1 and ways[0] == 1
    known, message = scv if scv == 1 or is_one else None, producer.message
    return Stream(rate * producer.count * ways[0], known, _shares(message), bool(message.delay), producer)


def _gaps(producer: ProducerPlan) -> tuple[float, float | None]:
    """(messages a second, squared coefficient of variation of the gaps); of clients: were they answered at once."""
    if producer.clients is not None:
        return producer.clients.count / max(times.mean(producer.clients.think), 1) * SECOND, 1.0
    if producer.gaps is not None:
        scv = capacity.scv(producer.gaps)
        is_nameless = scv == 1 and not isinstance(producer.gaps, Exponential)
        return capacity.rate_of_gaps(producer.gaps) or 0.0, None if is_nameless or not isfinite(scv) else scv
    if producer.bursts is not None:
        return float(producer.rate) * (capacity.share_on(producer.bursts.on, producer.bursts.off) or 0.0), None
    return float(producer.rate), 0.0 if producer.regular else 1.0


def _is_steady(plan: Plan, producer: ProducerPlan) -> bool:
    """It sends single messages in one way for all of the run."""
    changes = (producer.stages, producer.recorded, producer.slow_down, producer.start, producer.limit,
               producer.request_reply and producer.request_reply.retries)  # fmt: skip
    whole = producer.stop >= plan.duration and producer.batch_size == 1
    return whole and not any(changes) and _is_plain_message(producer.message)


def _is_plain_message(message: MessagePlan) -> bool:
    return not any((message.ttl, message.eta, message.poison, message.dedup_keys))


def _is_copied_plainly(plan: Plan, producer: ProducerPlan) -> bool:
    """A rule may make copies of its own, a subscription may delay them, and a topic has the levels of all its queues."""
    if producer.to < len(plan.queues):
        return True
    behind = plan.topics[producer.to - len(plan.queues)].subscriptions
    return len(_shares(producer.message)) == 1 and not any(each.rule.rules or each.delay for each in behind)


def _shares(message: MessagePlan) -> tuple[float, ...]:
    return tuple(times.steps(message.levels or (1.0,)))


def _emitted(plan: Plan, consumer: ConsumerPlan, index: int) -> Stream | None:
    """What leaves M/M/c is a poisson stream (Burke, *The Output of a Queuing System*, Operations Research 4, 1956); of
    what leaves any other station that keeps up only the rate is known."""
    ways = [emit for emit in consumer.emits if emit.to == index]
    through = [emit for emit in consumer.emits if emit.to >= len(plan.queues) and index in _behind(plan, emit.to)]
    if not ways and not through:
        return NOTHING
    source = station(plan, consumer.sources[0]) if len(ways) == 1 and not through and not ways[0].on_failure else None
    others = {Beside.BOUND, Beside.LIMIT, Beside.LEASE, Beside.ERRORS, Beside.LOOP}
    if source is None or source.beside & others or not keeps_up(source) or len(plan.queues[index].priorities) > 1:
        return None
    is_poisson = source.is_exponential and source.beside <= {Beside.LEVELS}
    return Stream(source.arrivals, 1.0 if is_poisson else None)


def _behind(plan: Plan, to: int) -> set[int]:
    if to < len(plan.queues):
        return {to}
    return {each.queue for each in plan.topics[to - len(plan.queues)].subscriptions}


def keeps_up(found: Station, attempts: float = 1.0) -> bool:
    """Whether it has time to spare; D/D/c needs none."""
    load = found.arrivals * found.service * attempts
    is_even = found.arrival_scv == 0 and found.service_scv == 0 and attempts == 1
    return load < found.servers * (1 - 1e-9) or (is_even and load <= found.servers * (1 + 1e-9))


# --- the queue and who takes from it ----------------------------------------------------------------------------------


def _is_plain_queue(plan: Plan, queue: QueuePlan, consumer: ConsumerPlan) -> bool:
    profile = queue.profile
    extras = (profile.throttle, profile.grouping is not Grouping.NONE, queue.reaper, profile.is_log, profile.reads,
              profile.forward_to, profile.single_active, profile.content_dedup, profile.is_subqueue)  # fmt: skip
    kept = (queue.imperfections, queue.latency) == (Imperfections(), Latency())
    return kept and not any(extras) and _keeps_long(plan, profile) and _lends_enough(profile, consumer)


def _keeps_long(plan: Plan, profile: Profile) -> bool:
    """Nothing expires while the run lasts."""
    return profile.retention is None or profile.retention >= plan.duration + plan.drain


def _lends_enough(profile: Profile, consumer: ConsumerPlan) -> bool:
    """There is a lease for everyone who asks."""
    held = max(consumer.concurrency, consumer.prefetch or 0, consumer.poll.batch if consumer.poll else 0)
    return profile.max_in_flight is None or profile.max_in_flight >= consumer.count * held


def _is_plain_consumer(plan: Plan, consumer: ConsumerPlan, queue: QueuePlan) -> bool:
    extras = (consumer.autoscale, consumer.ack_batch, consumer.recovery, consumer.jms, consumer.uses, consumer.handler)
    same = len(consumer.sources) == 1 and consumer.count == consumer.most > 0 and consumer.ack is Ack.AFTER_SUCCESS
    asks_at_once = consumer.poll is None or consumer.poll.every is None
    alone = any(consumer.wishes[1:])
    return (
        same and asks_at_once and not alone and not any(extras) and _fails_plainly(consumer, queue)
        and all(_lets_in(plan, target) for emit in consumer.emits for target in _behind(plan, emit.to))
    )  # fmt: skip


def _fails_plainly(consumer: ConsumerPlan, queue: QueuePlan) -> bool:
    """No process crashes, and whoever fails says so at once; every attempt has luck of its own."""
    fails, retry = consumer.failures, consumer.retry
    known = fails.on_error is not OnError.WAIT_FOR_TIMEOUT and queue.profile.can_nack and _is_endless(retry)
    return not fails.crash and (not fails.error or (fails.error < 1 and known))


def _is_endless(retry: Retry | None) -> bool:
    return retry is None or (retry.attempts is None and retry.budget is None)


def _lets_in(plan: Plan, index: int) -> bool:
    """What is sent on to this queue takes no time."""
    queue = plan.queues[index]
    return queue.latency == Latency() and not (queue.profile.capacity or queue.profile.throttle)


# --- what is beside ---------------------------------------------------------------------------------------------------


def _has_gaps(found: Station) -> bool:
    return len(found.streams) == 1 and found.streams[0].scv not in (None, 1.0)


def _is_uneven(found: Station) -> bool:
    return not _has_gaps(found) and any(stream.scv != 1.0 for stream in found.streams)


def _has_levels(found: Station) -> bool:
    """Of one level a queue with priorities is one without."""
    return len(found.rates) > 1


def _has_limit(found: Station) -> bool:
    """Whether a message may end without an ack."""
    if found.most is None:
        return False
    return _loses_leases(found) or found.consumer.failures.error**found.most > RARE


def _is_delayed(found: Station) -> bool:
    retries = found.consumer.failures.error > 0 and found.consumer.retry is not None
    return bool(found.queue.profile.delay or retries or any(stream.is_delayed for stream in found.streams))


def _buffers(found: Station) -> bool:
    """A process may hold more than it works at."""
    poll = found.consumer.poll
    return found.consumer.prefetch != found.consumer.concurrency if poll is None else poll.batch > 1


def _loses_leases(found: Station) -> bool:
    """In a buffer the lease runs, too: there one that ends within the run may end too early."""
    length, consumer = found.lease, found.consumer
    if length is None or _is_renewed(consumer, found.queue, length):
        return False
    return _buffers(found) or times.quantile(consumer.service, 1 - RARE) >= length


def _is_renewed(consumer: ConsumerPlan, queue: QueuePlan, length: Nanos) -> bool:
    """Whether heartbeats keep the lease to the end of the work."""
    beats = consumer.heartbeat
    if beats is None or (consumer.poll and consumer.poll.batch > 1) or max(beats.every, 0) >= min(length, beats.extend_to):
        return False
    longest = min(beats.give_up_after or inf, queue.profile.max_visibility or inf)
    return times.quantile(consumer.service, 1 - RARE) < longest


_BESIDE: dict[Beside, Callable[[Station], bool]] = {
    Beside.GAPS: _has_gaps,
    Beside.UNEVEN: _is_uneven,
    Beside.BOUND: lambda found: found.queue.profile.capacity is not None,
    Beside.LEVELS: _has_levels,
    Beside.ERRORS: lambda found: found.consumer.failures.error > 0,
    Beside.LIMIT: _has_limit,
    Beside.LEASE: _loses_leases,
    Beside.DELAYS: _is_delayed,
    Beside.BUFFERS: _buffers,
    Beside.LOOP: lambda found: any(stream.producer and stream.producer.clients for stream in found.streams),
}


# --- questions of single models ---------------------------------------------------------------------------------------


def places(found: Station) -> int | None:
    """K, those in service included; None where it is not a number of messages, or who is refused tries again.

    Most brokers count what is in flight, RabbitMQ only what is ready (RMQ-27).
    """
    limit = found.queue.profile.capacity or Capacity()
    drops = all(stream.producer is not None and stream.producer.on_reject is OnReject.DROP for stream in found.streams)
    known = (limit.bytes, limit.overshoots, limit.when_full) == (None, False, Overflow.REJECT)
    if limit.messages is None or not drops or not known:
        return None
    room = limit.messages + limit.overshoot
    return room + found.servers if limit.counts_ready_only else room


def draws_anew(found: Station) -> bool:
    """Whether the work of an attempt does not depend on the attempt before."""
    return not isinstance(found.consumer.service, Mix)


def is_worked_to_the_end(found: Station) -> bool:
    """Of leases that end: whoever lost one works on, and his ack is ignored, so that the others' attempts go on."""
    last = found.queue.profile.stale_ack[1]
    ignored = last in (Stale.IGNORED, Stale.ERROR) and not found.queue.profile.lease_closes_channel
    return ignored and found.consumer.check is not Check.BEFORE and Beside.BUFFERS not in found.beside
