"""Which queues of a scenario are stations of the textbooks, and what the books say of them.

It knows a Plan and ``theory``.  A queue is such a station where nothing but arrivals, one pool of consumers and their
work is in it: poisson arrivals at one rate, nothing that fails, is batched, delayed, lost, planned or scaled.  Where
anything else is, the books have no sentence about it, and neither has this module.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from qsim import theory
from qsim.kernel.profile import Grouping, Order
from qsim.scenario import capacity, times
from qsim.scenario.plan import (
    Ack,
    Constant,
    ConsumerPlan,
    Exponential,
    Failures,
    Imperfections,
    Latency,
    MessagePlan,
    Plan,
    ProducerPlan,
    QueuePlan,
)  # fmt: skip
from qsim.units import SECOND

RARE = 1e-6
"""A lease that so few attempts outlive is no part of the station."""


@dataclass(frozen=True, slots=True)
class Textbook:
    """A queue and its consumer as the station ``name`` (M/M/c, M/D/1, M/G/1): {reference: value}, times in seconds."""

    name: str
    queue: str
    consumer: str
    says: dict[str, float]


def stations(plan: Plan) -> list[Textbook]:
    """Those of the plan that keep up."""
    return [] if _is_steered(plan) else [book for i in range(len(plan.queues)) for book in _of_queue(plan, i)]


def _is_steered(plan: Plan) -> bool:
    """Whether anything happens to the scenario while it runs."""
    return bool(plan.timeline or plan.topics or any(alert.do for alert in plan.alerts))


def _of_queue(plan: Plan, index: int) -> Iterator[Textbook]:
    senders = [producer for producer in plan.producers if producer.to == index]
    readers = [consumer for consumer in plan.consumers if index in consumer.sources]
    emitted = any(emit.to == index for consumer in plan.consumers for emit in consumer.emits)
    if not senders or len(readers) != 1 or emitted:
        return
    queue, reader = plan.queues[index], readers[0]
    is_plain = _is_plain_queue(queue) and all(_is_plain_producer(plan, sender) for sender in senders)
    if is_plain and _is_plain_consumer(reader, queue):
        yield from _station(queue, reader, sum(float(sender.rate) * sender.count for sender in senders))


def _is_plain_queue(queue: QueuePlan) -> bool:
    profile = queue.profile
    extras = (profile.delay, profile.capacity, profile.throttle, profile.grouping is not Grouping.NONE, queue.reaper)
    kept = (queue.imperfections, queue.latency) == (Imperfections(), Latency())
    return kept and not any(extras) and not profile.is_log


def _is_plain_producer(plan: Plan, producer: ProducerPlan) -> bool:
    sends = (producer.regular, producer.gaps, producer.stages, producer.recorded, producer.bursts, producer.clients,
             producer.slow_down, producer.request_reply, producer.start, producer.limit)  # fmt: skip
    whole = producer.stop >= plan.duration and producer.batch_size == 1
    return whole and not any(sends) and _is_plain_message(producer.message)


def _is_plain_message(message: MessagePlan) -> bool:
    return not any((message.delay, message.ttl, message.eta, message.poison, message.groups, message.levels))


def _is_plain_consumer(consumer: ConsumerPlan, queue: QueuePlan) -> bool:
    extras = (consumer.autoscale, consumer.heartbeat, consumer.ack_batch, consumer.recovery, consumer.jms,
              consumer.uses, consumer.emits, consumer.buffers)  # fmt: skip
    same = len(consumer.sources) == 1 and consumer.count == consumer.most > 0 and consumer.ack is Ack.AFTER_SUCCESS
    works = replace(consumer.failures, restart_after=Failures().restart_after) == Failures()
    return same and works and not any(extras) and _takes_one(consumer) and _keeps_its_lease(consumer, queue)


def _takes_one(consumer: ConsumerPlan) -> bool:
    """A free slot takes a message as soon as there is one, and no more than it can work at."""
    poll = consumer.poll
    return consumer.prefetch == consumer.concurrency if poll is None else poll.batch == 1 and poll.every is None


def _keeps_its_lease(consumer: ConsumerPlan, queue: QueuePlan) -> bool:
    own = consumer.poll.visibility_timeout if consumer.poll else None
    lease = own or queue.profile.visibility_timeout
    return lease is None or times.quantile(consumer.service, 1 - RARE) < lease


def _station(queue: QueuePlan, consumer: ConsumerPlan, arrivals: float) -> Iterator[Textbook]:
    servers, mean = consumer.count * consumer.concurrency, times.mean(consumer.service) / SECOND
    name = _name(consumer, servers)
    if name is None or not mean or arrivals * mean >= servers:
        return
    station = theory.ggc(arrivals, 1 / mean, servers, 1.0, capacity.scv(consumer.service))
    says = {
        f"{consumer.name}.utilization mean": station.utilization,
        f"{queue.name}.wait share": station.wait_probability,
        f"{queue.name}.wait mean": station.mean_wait,
        f"{queue.name}.latency mean": station.mean_time,
        f"{queue.name}.visible mean": station.mean_waiting,
        f"{queue.name}.depth mean": station.mean_number,
    }
    if isinstance(consumer.service, Exponential) and queue.profile.order is Order.FIFO:
        says[f"{queue.name}.wait p95"] = theory.mmc_wait_quantile(0.95, arrivals, 1 / mean, servers)
    yield Textbook(name, queue.name, consumer.name, says)


def _name(consumer: ConsumerPlan, servers: int) -> str | None:
    """Of one server any service has its formula, of several only the exponential one an exact one."""
    if isinstance(consumer.service, Exponential):
        return f"M/M/{servers}"
    if servers > 1:
        return None
    return "M/D/1" if isinstance(consumer.service, Constant) else "M/G/1"
