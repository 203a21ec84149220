"""Claims about a whole run: nothing lost, at most once, in order, Little's law, stable.

Each is a function that answers with a sentence and a check.  They know numbers, levels and messages, not plans of
what should be.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from qsim.claims.words import say
from qsim.kernel.journal import NOWHERE, Kind
from qsim.metrics import counters, places, queues, workers
from qsim.metrics.ledger import Ledger, only, same_turn
from qsim.metrics.numbers import Numbers
from qsim.metrics.steps import mean
from qsim.scenario.reference import RATE, TIME
from qsim.units import SECOND

TREND_BATCHES = 20
TREND_CONFIDENCE = 0.99

Array = Any


@dataclass(frozen=True, slots=True)
class Claim:
    """``holds`` None: cannot be told.  ``messages`` are dense numbers of what speaks against it, the first first."""

    holds: bool | None
    observed: Any
    expected: str
    got: str
    messages: Array = ()


def _none(found: Array, what: str) -> Claim:
    """A claim that there is no such message."""
    return Claim(len(found) == 0, len(found), f"no {what}", f"{len(found):,}", found)


# --- what became of messages ------------------------------------------------------------------------------------------


def no_message_lost(run: Numbers, value: Any = True) -> Claim:
    """``lost`` is 0 for every queue, and nothing was lost on its way to a topic."""
    lost = [queues.lost(run.ledger, i).dense for i in range(len(run.plan.queues))]
    lost.append(queues.never_arrived(run.ledger, NOWHERE, ("time", "dense")).dense)
    return _none(np.concatenate(lost), "message lost")


def at_most_once(run: Numbers, queue: str) -> Claim:
    """No message of the queue has two effects at one consumer."""
    again = [workers.duplicates(run.ledger, c) for c in run.plan.consumers if _queue(run, queue) in c.sources]
    found = np.concatenate([rows.dense for rows in again]) if again else np.empty(0, np.int64)
    return _none(found, "second effect")


def at_least_once(run: Numbers, queue: str) -> Claim:
    """Every message that the queue accepted has an effect, is at work, or is still in some queue."""
    ledger = run.ledger
    accepted = ledger.select(Kind.ACCEPTED, queue=_queue(run, queue), columns=("dense",)).dense
    safe = _touched(ledger, Kind.EFFECT) | still_there(ledger) | at_work(ledger)
    return _none(accepted[~safe[accepted]], "message without an effect")


def _touched(ledger: Ledger, *kinds: Kind) -> Array:
    found = np.zeros(ledger.size, bool)
    found[ledger.select(*kinds, columns=("dense",)).dense] = True
    return found


def still_there(ledger: Ledger, queue: int | None = None) -> Array:
    """Messages that are in a queue (this one) when the run stops."""
    held = np.zeros(ledger.size, np.int32)
    for kinds, step in ((places.ENTERS, 1), (places.LEAVES, -1)):
        rows = ledger.select(*kinds, queue=queue, columns=("dense",))
        held += step * np.bincount(rows.dense, minlength=ledger.size).astype("i4")
    return held > 0


def at_work(ledger: Ledger, consumer: int | None = None) -> Array:
    """Messages received (by this consumer) more often than work on them has ended."""
    ends = (Kind.EFFECT, Kind.SKIPPED, Kind.ERRED, Kind.INTERRUPTED)
    received, ended = (
        np.bincount(ledger.select(*kinds, consumer=consumer, columns=("dense",)).dense, minlength=ledger.size)
        for kinds in ((Kind.RECEIVED,), ends)
    )
    return received > ended


def in_order(run: Numbers, value: dict[str, str]) -> Claim:
    """Received in the order in which they were sent, within a group or in the whole queue."""
    by = value.get("by", "group")
    late = queues.out_of_order(run.ledger, _queue(run, value["queue"]), by_group=by == "group")
    what = "message received after one of its group that was sent later" if by == "group" else "message out of order"
    return _none(late.dense, what)


def _queue(run: Numbers, name: str) -> int:
    _, index = run.named(name)
    return int(index)


# --- Little -----------------------------------------------------------------------------------------------------------


def little_law(run: Numbers, value: dict[str, Any]) -> Claim:
    """L = λ W: L from the level over time, λ from the arrivals counted, W from each message's time in the queue."""
    queue, within = _queue(run, value["queue"]), float(value.get("within", 0.02))
    start, end = run.warmup, min(run.plan.duration, run.recording.ended)
    length = mean(queues.level(run.ledger, queue, "depth").pieces(start, end))
    arrivals = sum(counters.of_queue(run.ledger, queue, name, (start, end)) for name in ("accepted", "moved_in"))
    rate = arrivals * SECOND / (end - start) if end > start else 0
    stay = _mean_stay(run.ledger, queue, start, end)
    expected = f"L = λ W within {say(within, 'share')}"
    if length is None or stay is None or not rate:
        return Claim(None, None, expected, "no data")
    other = rate * stay / SECOND
    off = abs(length - other) / max(length, other) if max(length, other) else 0.0
    got = f"L = {length:.4g}, λ W = {say(rate, RATE)} x {say(stay, TIME)} = {other:.4g}, {say(off, 'share')} apart"
    return Claim(off <= within, off, expected, got)


def _mean_stay(ledger: Ledger, queue: int, start: int, end: int) -> float | None:
    """Mean time in the queue of the messages that left it in the window."""
    entered, left = (
        ledger.select(*kinds, queue=queue, columns=("time", "dense")) for kinds in (places.ENTERS, places.LEAVES)
    )
    entered, left = (only(rows, np.argsort(rows.dense, kind="stable")) for rows in (entered, left))
    turn = same_turn(left.dense, entered.dense)
    counts = (left.time >= start) & (left.time < end) & (turn >= 0)
    return float((left.time - entered.time[turn])[counts].mean()) if counts.any() else None


# --- stable -----------------------------------------------------------------------------------------------------------


def stable(run: Numbers, queue: str) -> Claim:
    """No trend in visible after the warm-up: the slope over 20 batch means is not above 0 beyond chance, or grows by
    less than one message."""
    start, end = run.warmup, min(run.plan.duration, run.recording.ended)
    visible = queues.level(run.ledger, _queue(run, queue), "visible")
    edges = np.linspace(start, end, TREND_BATCHES + 1).astype(np.int64)
    means = [mean(visible.pieces(int(a), int(b))) for a, b in pairwise(edges)]
    if None in means:
        return Claim(None, None, "no trend in visible", "no data")
    slope, is_sure = _trend(np.array(means))
    growth = slope * TREND_BATCHES
    rate = growth * SECOND / (end - start)
    got = f"visible grows by {say(rate, RATE)}: {growth:,.0f} messages over {say(end - start, TIME)}"
    return Claim(not (is_sure and growth > 1), rate, "no trend in visible", got)


def _trend(means: Array) -> tuple[float, bool]:
    """Least-squares slope a batch, and whether it is above 0 with 99 % confidence."""
    from scipy.special import stdtrit  # only this claim pays for the import

    x = np.arange(len(means)) - (len(means) - 1) / 2
    slope = float(x @ means / (x @ x))
    rest = means - means.mean() - slope * x
    error = math.sqrt(float(rest @ rest) / (len(means) - 2) / float(x @ x))
    return slope, slope > float(stdtrit(len(means) - 2, TREND_CONFIDENCE)) * error
