"""Nothing appears and nothing disappears: the check at the end of every run.

It knows the rows' counters and what the broker itself says is left, which was not counted from rows.
"""

from __future__ import annotations

from typing import Any

from qsim.kernel.journal import Kind
from qsim.metrics import calls, counters, ends
from qsim.metrics.ledger import NEVER
from qsim.metrics.numbers import Numbers
from qsim.scenario.plan import ConsumerPlan
from qsim.sim.recording import Recording

IN = ("accepted", "moved_in")
LEVELS = ("visible", "in_flight", "delayed", "deferred")
OUT = ("acked", "dead_lettered", "moved_out", "expired", "dropped", "purged", "vanished")
COPIES = {"accepted": Kind.ACCEPTED, "suppressed": Kind.SUPPRESSED, "rejected": Kind.REJECTED}
"""What its queue says of each copy that a topic makes."""
OUTCOMES = ("accepted", "suppressed", "rejected", "lost_on_the_way", "under_way")
_ALWAYS = (0, NEVER)


def conservation(recording: Recording | Numbers) -> dict[str, Any]:
    """{"holds": bool, "queues": {name: terms}, "producers": {name: terms}, "dependencies": {name: terms},
    "emits": {consumer: terms}, "topics": {name: terms}, "problems": [sentence]}; what there is none of is left out."""
    numbers = recording if isinstance(recording, Numbers) else Numbers(recording)
    of_queues = {q.name: _queue(numbers, i) for i, q in enumerate(numbers.plan.queues)}
    of_producers = {p.name: _producer(numbers, p) for p in numbers.plan.producers}
    of_dependencies = {d.name: _dependency(numbers, d.index) for d in numbers.plan.dependencies}
    of_emits = {c.name: _emits(numbers, c) for c in numbers.plan.consumers if c.emits}
    of_topics = {t.name: _topic(numbers, t) for t in numbers.plan.topics}
    problems = [
        *(line for name, terms in of_queues.items() for line in _queue_problems(numbers, name, terms)),
        *(line for name, terms in of_producers.items() for line in _producer_problems(name, terms)),
        *(line for name, terms in of_dependencies.items() for line in _dependency_problems(numbers, name, terms)),
        *(line for name, terms in of_emits.items() for line in _producer_problems(f"{name}'s emits", terms)),
        *(line for name, terms in of_topics.items() for line in _topic_problems(name, terms)),
    ]
    told: dict[str, Any] = {"holds": not problems, "queues": of_queues, "producers": of_producers}
    told |= {"dependencies": of_dependencies} if of_dependencies else {}
    told |= {"emits": of_emits} if of_emits else {}
    told |= {"topics": of_topics} if of_topics else {}
    return told | {"problems": problems}


def _queue(numbers: Numbers, queue: int) -> dict[str, int]:
    ledger = numbers.ledger
    counts = {name: int(counters.of_queue(ledger, queue, name, _ALWAYS)) for name in (*IN, *OUT)}
    held = ends.levels(ledger, queue)
    return counts | {name: held[name] for name in LEVELS}


def _producer(numbers: Numbers, producer: Any) -> dict[str, int]:
    return {name: counters.of_producer(numbers.ledger, producer, name, _ALWAYS) for name in ("sent", *OUTCOMES)}


def _topic(numbers: Numbers, topic: Any) -> dict[str, int]:
    ledger = numbers.ledger
    rows = ledger.counts("producer", ledger.span(*_ALWAYS))
    made = [index for subscription in topic.subscriptions for _, index in subscription.made]
    became = {name: sum(int(rows[index + 1, kind]) for index in made) for name, kind in COPIES.items()}
    return {"copies": counters.of_topic(ledger, topic.index, "copies", _ALWAYS)} | became


def _topic_problems(name: str, terms: dict[str, int]) -> list[str]:
    known = sum(terms[outcome] for outcome in COPIES)
    return [] if terms["copies"] == known else [f"{name}: {terms['copies']} copies, but {known} came to a queue"]


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


# --- calls, and what consumers send on -------------------------------------------------------------------------------


def _dependency(numbers: Numbers, dependency: int) -> dict[str, int]:
    ledger, ended = numbers.ledger, numbers.recording.ended
    made = len(calls.rows_of(ledger, dependency, Kind.CALLED).time)
    terms = {name: len(calls.outcomes(ledger, dependency, name).time) for name in calls.OUTCOMES}
    at_end = {"busy": calls.busy(ledger, dependency).at(ended), "waiting": calls.waiting(ledger, dependency).at(ended)}
    return {"calls": made} | terms | {"under_way": made - sum(terms.values())} | {k: int(v or 0) for k, v in at_end.items()}


def _dependency_problems(numbers: Numbers, name: str, terms: dict[str, int]) -> list[str]:
    """Every call has one outcome; and places and line are as the dependency itself says."""
    held = numbers.recording.overview.get(name, {})
    problems = [
        f"{name}: the dependency has {term} {held[term]}, the journal tells {terms[term]}"
        for term in held
        if held[term] != terms[term]
    ]
    if not 0 <= terms["under_way"] <= terms["busy"] + terms["waiting"]:
        problems.append(f"{name}: {terms['calls']} calls, but {terms['calls'] - terms['under_way']} outcomes, "
                        f"and {terms['busy'] + terms['waiting']} are under way")  # fmt: skip
    return problems


def _emits(numbers: Numbers, consumer: ConsumerPlan) -> dict[str, int]:
    """As of a producer: each try has an outcome, or is blocked at the end."""
    ledger = numbers.ledger
    rows = ledger.counts("producer", ledger.span(*_ALWAYS))
    made = [index + 1 for emit in consumer.emits for _, index in emit.made]
    terms = {name: sum(int(rows[index, kind]) for index in made for kind in kinds) for name, kinds in _TRIES.items()}
    return terms | {"under_way": terms["sent"] - sum(terms[name] for name in OUTCOMES[:-1])}


_TRIES = {
    "sent": (Kind.SENT,),
    "accepted": (Kind.ACCEPTED, Kind.PUBLISHED),
    "suppressed": (Kind.SUPPRESSED,),
    "rejected": (Kind.REJECTED,),
    "lost_on_the_way": (Kind.LOST_SEND,),
}
