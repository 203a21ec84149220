"""How much arrives where, on average: from the producers, through topics and consumers that emit, to every queue.

It knows a Plan and no run.  What the file does not tell, since it depends on what happens, is None with a reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import inf

from qsim.kernel.routing import copies
from qsim.scenario import capacity, times
from qsim.scenario.plan import ConsumerPlan, Plan, ProducerPlan, SubscriptionPlan, TopicPlan
from qsim.units import SECOND

_ROUNDS = 60
"""More than any chain of consumers is long: what still grows then goes round in a circle."""


@dataclass(frozen=True, slots=True)
class Flow:
    """Messages a second on average and at the peak, how even they come (``capacity.Pool``), the share of poison, and
    why the numbers are not all that there is to say."""

    rate: float = 0.0
    peak: float = 0.0
    scv: float = 1.0
    poison: float = 0.0
    notes: tuple[str, ...] = ()
    is_known: bool = True


# --- producers --------------------------------------------------------------------------------------------------------


def of_producer(plan: Plan, producer: ProducerPlan) -> Flow:
    """While it sends."""
    if producer.clients is not None:
        return Flow(notes=(f"{producer.name} is a closed loop: how much it sends follows from the answers",), is_known=False)
    rate, peak, scv = _rates(plan, producer)
    notes = []
    if _ends_soon(plan, producer, rate):
        sent = "one message" if producer.limit == 1 else f"{producer.limit:,} messages"
        note = f"{producer.name} sends {sent} and stops: a backlog to work off, no load that lasts"
        return Flow(notes=(note,), is_known=False)
    if producer.bursts is not None:
        rate *= capacity.share_on(producer.bursts.on, producer.bursts.off) or 0.0
        notes.append(f"{producer.name} sends in bursts: the formulas know its average, the waits in a burst are longer")
    if producer.slow_down is not None:
        notes.append(f"{producer.name} slows down: this is what it sends while nothing holds it back")
    message = producer.message.poison
    poison = message.share if message is not None else 0.0
    return Flow(rate * producer.count, peak * producer.count, scv, poison, tuple(notes), rate < inf)


def _ends_soon(plan: Plan, producer: ProducerPlan, rate: float) -> bool:
    """Whether its limit is reached in the first half of the time that it has."""
    sending = max(1, min(producer.stop, plan.duration) - producer.start) / SECOND
    return producer.limit is not None and producer.limit < rate * sending / 2


def _rates(plan: Plan, producer: ProducerPlan) -> tuple[float, float, float]:
    """(average, highest, squared coefficient of variation of the gaps) of one of them."""
    if producer.recorded is not None:
        sent = producer.recorded.times
        span = (sent[-1] - sent[0]) / SECOND if len(sent) > 1 else plan.duration / SECOND
        rate = len(sent) / span if span else inf
        return rate, rate, 1.0
    if producer.gaps is not None:
        rate = capacity.rate_of_gaps(producer.gaps) or inf
        return rate, rate, capacity.scv(producer.gaps)
    sending = max(1, min(producer.stop, plan.duration) - producer.start)
    args = producer.stages, float(producer.rate), sending
    return capacity.average_rate(*args), capacity.highest_rate(*args), 0.0 if producer.regular else 1.0


# --- topics -----------------------------------------------------------------------------------------------------------


def share_for(subscription: SubscriptionPlan, producer: ProducerPlan) -> float:
    """How many copies a message of this producer makes for a subscription, on average over its attributes."""
    names = [name for name, _ in producer.message.attributes]
    each = [list(zip(of.names, times.steps(of.thresholds), strict=True)) for _, of in producer.message.attributes]
    total = 0.0
    for chosen in product(*each):
        attributes = dict(zip(names, (value for value, _ in chosen), strict=True))
        weight = 1.0
        for _, share in chosen:
            weight *= share
        total += weight * len(copies((subscription.rule,), attributes, producer.message.key))
    return total


def reached(plan: Plan, to: int, producer: ProducerPlan) -> Iterator[tuple[int, float]]:
    """(queue, copies a message) of what this producer sends to a queue or topic."""
    if to < len(plan.queues):
        yield to, 1.0
        return
    topic: TopicPlan = plan.topics[to - len(plan.queues)]
    for subscription in topic.subscriptions:
        yield subscription.queue, share_for(subscription, producer)


# --- everything that arrives at queues ------------------------------------------------------------------------------------


def into_queues(plan: Plan) -> list[Flow]:
    """By queue; what consumers emit is as much as they are sent, and taken to come at random times."""
    direct: list[list[Flow]] = [[] for _ in plan.queues]
    for producer in plan.producers:
        flow = of_producer(plan, producer)
        for queue, share in reached(plan, producer.to, producer):
            scv = flow.scv if share == 1 else 1 + share * (flow.scv - 1)  # thinned at random
            direct[queue].append(Flow(flow.rate * share, flow.peak * share, scv, flow.poison, flow.notes, flow.is_known))
    flows = [_joined(parts) for parts in direct]
    if any(consumer.emits for consumer in plan.consumers):
        flows = _with_emitted(plan, direct, flows)
    return flows


def _joined(parts: list[Flow]) -> Flow:
    """Streams put together: rates add up, and poison is the share of all."""
    rate = sum(part.rate for part in parts)
    return Flow(
        rate,
        sum(part.peak for part in parts),
        capacity.together((part.rate, part.scv) for part in parts),
        sum(part.rate * part.poison for part in parts) / rate if rate else 0.0,
        tuple(dict.fromkeys(note for part in parts for note in part.notes)),
        all(part.is_known for part in parts),
    )


def _with_emitted(plan: Plan, direct: list[list[Flow]], flows: list[Flow]) -> list[Flow]:
    for _ in range(_ROUNDS):
        more = [list(parts) for parts in direct]
        for consumer in plan.consumers:
            source = _joined([flows[queue] for queue in consumer.sources])
            for emit in consumer.emits:
                share = failing(consumer) if emit.on_failure else 1.0
                made = Flow(source.rate * share, source.peak * share, 1.0, 0.0, source.notes, source.is_known)
                for queue, copied in _emitted_to(plan, emit.to):
                    more[queue].append(Flow(made.rate * copied, made.peak * copied, 1.0, 0.0, made.notes, made.is_known))
        found = [_joined(parts) for parts in more]
        if all(abs(a.rate - b.rate) <= 1e-9 * max(1.0, b.rate) for a, b in zip(flows, found, strict=True)):
            return found
        flows = found
    note = "what is emitted goes round in a circle: how much arrives depends on where it ends"
    return [Flow(f.rate, f.peak, f.scv, f.poison, (*f.notes, note), False) for f in flows]


def _emitted_to(plan: Plan, to: int) -> Iterator[tuple[int, float]]:
    if to < len(plan.queues):
        yield to, 1.0
    else:
        yield from ((subscription.queue, 1.0) for subscription in plan.topics[to - len(plan.queues)].subscriptions)


def failing(consumer: ConsumerPlan) -> float:
    """The share of attempts that fail, by an error or a crash."""
    return min(1.0, consumer.failures.error + consumer.failures.crash)

