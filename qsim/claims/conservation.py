"""Nothing appears and nothing disappears: the check at the end of every run.

It knows the rows' counters and what the broker itself says is left, which was not counted from rows.
"""

from __future__ import annotations

from typing import Any

from qsim.metrics import counters, ends
from qsim.metrics.ledger import NEVER
from qsim.metrics.numbers import Numbers
from qsim.sim.recording import Recording

IN = ("accepted", "moved_in")
LEVELS = ("visible", "in_flight", "delayed", "deferred")
OUT = ("acked", "dead_lettered", "moved_out", "expired", "dropped", "purged", "vanished")
OUTCOMES = ("accepted", "suppressed", "rejected", "lost_on_the_way", "under_way")
_ALWAYS = (0, NEVER)


def conservation(recording: Recording | Numbers) -> dict[str, Any]:
    """{"holds": bool, "queues": {name: terms}, "producers": {name: terms}, "problems": [sentence]}."""
    numbers = recording if isinstance(recording, Numbers) else Numbers(recording)
    of_queues = {q.name: _queue(numbers, i) for i, q in enumerate(numbers.plan.queues)}
    of_producers = {p.name: _producer(numbers, p) for p in numbers.plan.producers}
    problems = [
        *(line for name, terms in of_queues.items() for line in _queue_problems(numbers, name, terms)),
        *(line for name, terms in of_producers.items() for line in _producer_problems(name, terms)),
    ]
    return {"holds": not problems, "queues": of_queues, "producers": of_producers, "problems": problems}


def _queue(numbers: Numbers, queue: int) -> dict[str, int]:
    ledger = numbers.ledger
    counts = {name: int(counters.of_queue(ledger, queue, name, _ALWAYS)) for name in (*IN, *OUT)}
    held = ends.levels(ledger, queue)
    return counts | {name: held[name] for name in LEVELS}


def _producer(numbers: Numbers, producer: Any) -> dict[str, int]:
    return {name: counters.of_producer(numbers.ledger, producer, name, _ALWAYS) for name in ("sent", *OUTCOMES)}


def _queue_problems(numbers: Numbers, name: str, terms: dict[str, int]) -> list[str]:
    """The equation with the broker's own levels, and these against the levels that the rows tell."""
    held = numbers.recording.overview.get(name, {})
    came, left = sum(terms[term] for term in IN), sum(terms[term] for term in OUT)
    rest = sum(held.get(term, terms[term]) for term in LEVELS)
    problems = [
        f"{name}: the broker has {term} {held[term]}, the journal tells {terms[term]}"
        for term in LEVELS
        if term in held and held[term] != terms[term]
    ]
    if came != left + rest:
        problems.append(f"{name}: {came} came, but {left} left and {rest} are there")
    return problems


def _producer_problems(name: str, terms: dict[str, int]) -> list[str]:
    if terms["under_way"] >= 0:
        return []
    known = terms["sent"] - terms["under_way"]
    return [f"{name}: {terms['sent']} tries, but {known} outcomes"]
