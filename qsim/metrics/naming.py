"""Messages and processes by name: ``api:351``, ``api#2:351``, ``api:351/billing``, ``worker-3``.

It knows the plan's names.  Producers and processes count from 1 as people do; a message has its producer's number, and
what was made of it says behind a slash for which queue, or by which consumer.
"""

from __future__ import annotations

import re

from qsim.scenario.origins import NUMBER_BITS, Origin, name_of, origins
from qsim.scenario.plan import Plan, ProducerPlan
from qsim.scenario.problems import did_you_mean

PROCESS_BITS = 20
_NAME = r"[A-Za-z][A-Za-z0-9_-]*"
_MESSAGE = re.compile(rf"(?:({_NAME})(?:#(\d+))?:)?(\d+)((?:/{_NAME}(?:#\d+)?)*)")

_last: tuple[Plan | None, tuple[Origin, ...]] = (None, ())


def _origins(plan: Plan) -> tuple[Origin, ...]:
    """Of the plan last asked about they are known: names are asked for one after the other."""
    global _last
    known = _last
    if known[0] is not plan:
        known = _last = plan, origins(plan)
    return known[1]


def message_name(plan: Plan, message: int) -> str:
    """The message as it is printed, and may be asked for."""
    return name_of(_origins(plan)[message >> NUMBER_BITS], message)


def message_number(plan: Plan, name: str | int) -> int:
    """The message that a name means; a number alone is one of the first producer's.  LookupError if there is none."""
    match = _MESSAGE.fullmatch(str(name).strip())
    if match is None:
        raise LookupError(f"'{name}' is not a message: write PRODUCER:NUMBER, as in {plan.producers[0].name}:0")
    producer = _producer(plan, match[1] or plan.producers[0].name)
    index = int(match[2] or 1)
    if not 1 <= index <= producer.count:
        raise LookupError(f"{producer.name} has {producer.count} producers, so there is no #{index}")
    return _index_of(plan, producer.first_index + index - 1, match[4]) << NUMBER_BITS | int(match[3])


def _index_of(plan: Plan, root: int, way: str) -> int:
    """The producer index of what was made of the root's messages on this way."""
    ways = {origin.way: index for index, origin in enumerate(_origins(plan)) if origin.root == root}
    if way not in ways:
        raise LookupError(f"nothing is called '{way}' behind a message of {_origins(plan)[root].producer.name}; "
                          f"{did_you_mean(way, [w for w in ways if w], 'there are') or 'nothing is made of it'}")  # fmt: skip
    return ways[way]


def _producer(plan: Plan, name: str) -> ProducerPlan:
    for producer in plan.producers:
        if producer.name == name:
            return producer
    raise LookupError(f"no producer is called '{name}'; there are: {', '.join(p.name for p in plan.producers)}")


def process_name(plan: Plan, client: int) -> str:
    """A process of a consumer, or a producer that takes its replies."""
    consumer, process = client >> PROCESS_BITS, client & ((1 << PROCESS_BITS) - 1)
    if consumer >= len(plan.consumers):
        return plan.producers[consumer - len(plan.consumers)].name
    return f"{plan.consumers[consumer].name}-{process + 1}"
