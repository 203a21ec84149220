"""Who comes first at one instant: a number for everything that can happen, given once.

Timeline; each consumer process by each of its parallel messages (end of work, of a call or crash, heartbeat, batched
acks, restart, next poll); each dependency's calls for which nobody waits any more; each queue's leases; each queue's delays and
expiries; each producer's sends; each queue's receives; each producer's waits for replies (so a reply that comes in the
last instant is in time); observers: alerts, their samples, brakes, autoscalers.
It knows the plan's sizes and nothing that happens.
"""

from __future__ import annotations

from dataclasses import dataclass

from qsim.scenario.plan import Plan

BEGIN = 0
"""SimPy's own: processes that begin, interrupts."""
WORK, HEARTBEAT, ACKS, RESTART, POLL = range(5)
SEND, FLUSH, RETRY, ARRIVAL = range(4)


@dataclass(frozen=True, slots=True)
class Slots:
    """First slot of each kind."""

    timeline: int
    consumers: tuple[int, ...]
    dependencies: int
    leases: int
    timers: int
    producers: int
    receives: int
    replies: int
    observers: int
    brakes: int
    autoscalers: int
    concurrency: tuple[int, ...]

    def work(self, consumer: int, process: int, parallel: int, what: int) -> int:
        return self.consumers[consumer] + 5 * (process * self.concurrency[consumer] + parallel) + what

    def send(self, producer: int, what: int) -> int:
        return self.producers + 4 * producer + what


def slots_of(plan: Plan) -> Slots:
    """0 is SimPy's own: an interrupt comes before everything else of its instant."""
    first = 1
    timeline, first = first, first + len(plan.timeline)
    consumers = []
    for consumer in plan.consumers:
        consumers.append(first)
        first += 5 * consumer.most * consumer.concurrency
    queues = len(plan.queues)
    dependencies, first = first, first + len(plan.dependencies)
    leases, timers, producers = first, first + queues, first + 2 * queues
    receives = producers + 4 * sum(producer.count for producer in plan.producers)
    replies = receives + queues
    observers = replies + sum(producer.count for producer in plan.producers)
    brakes = observers + len(plan.alerts) + 1
    concurrency = tuple(consumer.concurrency for consumer in plan.consumers)
    autoscalers = brakes + len(plan.producers)
    first_of_each = (dependencies, leases, timers, producers, receives, replies, observers, brakes, autoscalers)
    return Slots(timeline, tuple(consumers), *first_of_each, concurrency)
