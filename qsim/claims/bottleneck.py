"""What holds the work up: ``expect(run).bottleneck().is_("payments")``.

While work waits in a consumer's queues, something keeps it waiting: a dependency whose places are all taken, or else
the consumer itself, whose slots are too few (or hold back).  What keeps most work waiting, every visible message for
as long as it waits, is the bottleneck: more of anything else would change little.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from qsim.claims.whole_run import Claim
from qsim.metrics import calls, queues, workers
from qsim.metrics.numbers import Numbers
from qsim.metrics.steps import Steps, combine
from qsim.scenario.plan import ConsumerPlan

IDLE = 0.1
"""Of the waiting: with fewer slots idle than this while it lasted, those that there were had no time to spare."""

Array = Any


def bottleneck(run: Numbers, value: Mapping[str, Any]) -> Claim:
    """Whether it is the one that is named."""
    held, expected = held_up(run), f"{value['name']} to be the bottleneck"
    if not any(held.values()):
        return Claim(None, None, expected, "none: work never waits")
    name = max(held, key=lambda each: held[each])
    return Claim(name == value["name"], name, expected, f"{name}: {_words(held, name)}")


def held_up(run: Numbers) -> dict[str, float]:
    """How long each dependency and consumer kept messages waiting (ns, summed over messages), after the warm-up and
    before ``duration``."""
    start, end = _window(run)
    held = dict.fromkeys([*(d.name for d in run.plan.dependencies), *(c.name for c in run.plan.consumers)], 0.0)
    for consumer in run.plan.consumers:
        for name, times in _holding(run, consumer).items():
            held[name] += times.integral(start, end)
    return held


def behind(run: Numbers, consumer: ConsumerPlan) -> str | None:
    """What kept a backlog waiting while all slots of the consumer were busy, be it for a part of the run: the consumer or
    one of its dependencies.  None if its slots were idle meanwhile, or no more than a message a slot waited on average."""
    (start, end), waits = _window(run), _waiting(run, consumer)
    idle = combine(_product, waits, workers.idle_while_work_waits(run.ledger, consumer)).integral(start, end)
    waited, slots = waits.integral(start, end), workers.live_slots(run.ledger, consumer).integral(start, end)
    if waited <= slots or idle > IDLE * waited:
        return None
    held = {name: times.integral(start, end) for name, times in _holding(run, consumer).items()}
    return max(held, key=lambda each: held[each])


def _window(run: Numbers) -> tuple[int, int]:
    return run.warmup, min(run.plan.duration, run.recording.ended)


def _waiting(run: Numbers, consumer: ConsumerPlan) -> Steps:
    return combine(_sum, *(queues.level(run.ledger, queue, "visible") for queue in consumer.sources))


def _product(waits: Array, share: Array) -> Array:
    """Without a slot nobody is busy."""
    return waits * np.where(np.isnan(share), 1.0, share)


def _holding(run: Numbers, consumer: ConsumerPlan) -> dict[str, Steps]:
    """How many messages each of its dependencies, or it itself, keeps waiting."""
    waits = _waiting(run, consumer)
    full = {run.plan.dependencies[i].name: _is_full(run, i) for i in consumer.uses}
    by_others = {name: combine(lambda w, f: w * f, waits, each) for name, each in full.items()}
    alone = combine(lambda w, *fs: w * (_sum(*fs) == 0), waits, *full.values())
    return {**by_others, consumer.name: alone}


def _sum(*levels: Array) -> Array:
    return np.float64(0) + sum(levels)


def _is_full(run: Numbers, dependency: int) -> Steps:
    """1 while all its places are taken."""
    places = run.plan.dependencies[dependency].capacity
    taken = calls.busy(run.ledger, dependency)
    return Steps(taken.times, (taken.values >= places).astype(float) if places is not None else taken.values * 0.0)


def _words(held: Mapping[str, float], name: str) -> str:
    total = sum(held.values())
    others = [f"{_percent(time / total)} {each}" for each, time in held.items() if time and each != name]
    return f"{_percent(held[name] / total)} of all waiting is for it" + "".join(f", {each}" for each in others)


def _percent(part: float) -> str:
    return f"{100 * part:.0f} %"
