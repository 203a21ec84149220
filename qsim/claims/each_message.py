"""Claims about each message: how often it runs, whom it reaches, whose reply it is.

They know a message by what its producer sent: copies and what is made of it count as the same message.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from qsim.claims.whole_run import Claim, at_work, still_there
from qsim.claims.words import many
from qsim.kernel.journal import Kind
from qsim.metrics.ledger import PROCESS_BITS, Ledger
from qsim.metrics.numbers import Numbers
from qsim.scenario.plan import ConsumerPlan, ProducerPlan

Array = Any


def roots(ledger: Ledger, dense: Array) -> Array:
    """Of each message the dense number of the one that a producer sent in the end."""
    producer = np.searchsorted(ledger.first, dense, side="right") - 1
    root = np.array([origin.root for origin in ledger.origins] or [0])[producer]
    return ledger.first[root] + (dense - ledger.first[producer])


def messages_of(run: Numbers, name: str) -> Array:
    """The messages of a queue or topic: what was accepted or moved there, or published, each once, the first first."""
    ledger, (kind, index) = run.ledger, run.named(name)
    if kind == "topic":
        rows = ledger.select(Kind.PUBLISHED, Kind.UNROUTED, columns=("dense", "other"))
        came = rows.dense[rows.other == index]
    else:
        came = ledger.select(Kind.ACCEPTED, Kind.MOVED_IN, queue=index, columns=("dense",)).dense
    _, first = np.unique(came, return_index=True)
    found: Array = came[np.sort(first)]
    return found


# --- how often it runs -------------------------------------------------------------------------------------------------


def runs_at_most(run: Numbers, value: Mapping[str, Any]) -> Claim:
    """No message of the queue (or topic) has more than so many effects at one consumer: effects, not deliveries."""
    name, most, ledger = value["queue"], value["times"], run.ledger
    own = np.zeros(ledger.size, bool)
    own[roots(ledger, messages_of(run, name))] = True
    worst, found = 0, [np.empty(0, np.int64)]
    for consumer in run.plan.consumers:
        effects = _effects(run, consumer, name)
        count = np.bincount(roots(ledger, effects), minlength=ledger.size) * own
        worst = max(worst, int(count.max(initial=0)))
        again = count[roots(ledger, effects)] > most
        found.append(effects[again])
    over = np.unique(roots(ledger, np.concatenate(found)))
    got = f"{many(len(over), 'message')} with more, one with {worst}" if len(over) else f"{worst}"
    return Claim(len(over) == 0, worst, f"at most {many(most, 'effect')} at a consumer", got, np.concatenate(found))


def _effects(run: Numbers, consumer: ConsumerPlan, name: str) -> Array:
    """Messages that had an effect at the consumer; of a queue only those that it took from there."""
    kind, index = run.named(name)
    queue = None if kind == "topic" else index
    return run.ledger.select(Kind.EFFECT, consumer=consumer.index, queue=queue, columns=("dense",)).dense


# --- whom it reaches ---------------------------------------------------------------------------------------------------


def reaches(run: Numbers, value: Mapping[str, Any]) -> Claim:
    """Every message of the queue (or topic) has an effect at each of these consumers, or is in each of these queues;
    what is still under way when the run stops speaks against nobody."""
    ledger, wanted = run.ledger, value["who"]
    messages = roots(ledger, messages_of(run, value["queue"]))
    missed = {who: messages[~_reached(run, who)[messages]] for who in wanted}
    worst = max(wanted, key=lambda who: len(missed[who]))
    got = "; ".join(f"{who} saw {_part(len(messages) - len(m), len(messages))}" for who, m in missed.items() if len(m))
    observed = {who: len(messages) - len(m) for who, m in missed.items()}
    holds = None if not len(messages) else not len(missed[worst])
    return Claim(holds, observed, f"each to reach {' and '.join(wanted)}", got or f"no message of {value['queue']} at all", missed[worst])


def _reached(run: Numbers, who: str) -> Array:
    """By message that a producer sent."""
    ledger, there = run.ledger, np.zeros(run.ledger.size, bool)
    kind, item = run.named(who)
    if kind == "queue":
        rows = ledger.select(Kind.ACCEPTED, Kind.MOVED_IN, queue=item, columns=("dense",))
        there[roots(ledger, rows.dense)] = True
        return there
    rows = ledger.select(Kind.EFFECT, Kind.SKIPPED, consumer=item.index, columns=("dense",))
    there[roots(ledger, rows.dense)] = True
    busy = at_work(ledger, item.index)
    for queue in item.sources:
        came = ledger.select(Kind.ACCEPTED, Kind.MOVED_IN, queue=queue, columns=("dense",)).dense
        waiting = came[still_there(ledger, queue)[came] | busy[came]]
        there[roots(ledger, waiting)] = True
    return there


def _part(some: int, all_: int) -> str:
    return f"{some:,} of {all_:,} ({100 * some / all_:.1f} %)"


# --- whose reply it is -------------------------------------------------------------------------------------------------


def each_reply_matches_its_request(run: Numbers, value: Any = True) -> Claim:
    """Nobody takes a reply to another's request from the queue that they share."""
    asking = [(entry, p) for entry, p in enumerate(run.plan.producers) if p.request_reply is not None]
    wrong = [_taken_from_others(run, entry, producer) for entry, producer in asking]
    found = np.concatenate([np.empty(0, np.int64), *wrong])
    expected = "each reply to reach who asked"
    if not asking:
        return Claim(None, None, expected, "nobody who awaits a reply (request_reply)")
    names = [producer.name for (_, producer), each in zip(asking, wrong, strict=True) if len(each)]
    got = f"{len(found):,} taken by another" + (f": {', '.join(names)}" if names else "")
    return Claim(not len(found), len(found), expected, got, found)


def _taken_from_others(run: Numbers, entry: int, producer: ProducerPlan) -> Array:
    """Messages that its producers took from their reply queue and that answer none of their requests."""
    assert producer.request_reply is not None
    rows = run.ledger.select(Kind.RECEIVED, queue=producer.request_reply.reply_to, columns=("dense", "client"))
    taken = rows.dense[rows.client >> PROCESS_BITS == len(run.plan.consumers) + entry]
    asked, low = roots(run.ledger, taken), run.ledger.first[producer.first_index]
    found: Array = taken[(asked < low) | (asked >= run.ledger.first[producer.first_index + producer.count])]
    return found
