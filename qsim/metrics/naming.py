"""Messages and processes by name: ``api:351``, ``api#2:351``, ``worker-3``.

It knows the plan's names.  Producers and processes count from 1 as people do; a message has its producer's number.
"""

from __future__ import annotations

import re

from qsim.scenario.plan import Plan, ProducerPlan

NUMBER_BITS = 40
PROCESS_BITS = 20
_MESSAGE = re.compile(r"(?:([A-Za-z][A-Za-z0-9_-]*)(?:#(\d+))?:)?(\d+)")


def message_name(plan: Plan, message: int) -> str:
    """The message as it is printed, and may be asked for."""
    producer = producer_of(plan, message)
    index = (message >> NUMBER_BITS) - producer.first_index
    which = f"#{index + 1}" if producer.count > 1 else ""
    return f"{producer.name}{which}:{message & ((1 << NUMBER_BITS) - 1)}"


def producer_of(plan: Plan, message: int) -> ProducerPlan:
    """Who sent the message."""
    index = message >> NUMBER_BITS
    return next(p for p in plan.producers if p.first_index <= index < p.first_index + p.count)


def message_number(plan: Plan, name: str | int) -> int:
    """The message that a name means; a number alone is one of the first producer's.  LookupError if there is none."""
    match = _MESSAGE.fullmatch(str(name).strip())
    if match is None:
        raise LookupError(f"'{name}' is not a message: write PRODUCER:NUMBER, as in {plan.producers[0].name}:0")
    producer = _producer(plan, match[1] or plan.producers[0].name)
    index = int(match[2] or 1)
    if not 1 <= index <= producer.count:
        raise LookupError(f"{producer.name} has {producer.count} producers, so there is no #{index}")
    return (producer.first_index + index - 1) << NUMBER_BITS | int(match[3])


def _producer(plan: Plan, name: str) -> ProducerPlan:
    for producer in plan.producers:
        if producer.name == name:
            return producer
    raise LookupError(f"no producer is called '{name}'; there are: {', '.join(p.name for p in plan.producers)}")


def process_name(plan: Plan, client: int) -> str:
    """A process of a consumer."""
    consumer, process = client >> PROCESS_BITS, client & ((1 << PROCESS_BITS) - 1)
    return f"{plan.consumers[consumer].name}-{process + 1}"
