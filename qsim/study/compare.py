"""Several plans side by side, with common random numbers: replication r has the same luck in each of them.

It knows plans and answers.  What the luck does to both cancels in their difference, which is therefore known far better
than either; its interval is Student's, over the differences of the replications in pairs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from qsim.scenario.plan import Plan, Precision
from qsim.study.intervals import CONFIDENCE, estimate, interval
from qsim.study.replicate import Value, heard, how_many_more
from qsim.study.tasks import Answer, Ask, Executor, Interrupted, Progress, Task, as_they_finish, whole

FEW = 10
"""Replications where neither the file nor anybody says how many."""

Seen = Callable[[int, int], None]
"""Told how many of how many runs are done."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Of the means, other - first; ``differs`` beyond noise.  None: one replication cannot tell, or there is no mean."""

    mean: float | None
    half: float | None
    differs: bool | None


def difference(first: Sequence[Any], other: Sequence[Any], confidence: float = CONFIDENCE) -> Difference:
    """In pairs.  What never happens in one of them differs if it is so in every pair; without data nothing differs."""
    pairs = list(zip(first, other, strict=True))
    if any(x is None for pair in pairs for x in pair):
        return Difference(None, None, None)
    if not all(isinstance(x, int | float) and math.isfinite(x) for pair in pairs for x in pair):
        apart = [x != y for x, y in pairs]
        return Difference(None, None, None if len(pairs) < 2 or len(set(apart)) > 1 else apart[0])
    gaps = [y - x for x, y in pairs]
    found = estimate(gaps, confidence)
    low, high = interval(gaps, confidence)
    return Difference(found.mean, found.half, None if len(gaps) < 2 else low > 0 or high < 0)


@dataclass(frozen=True, slots=True)
class Wanted:
    """How many replications, and who makes them."""

    replications: int | None = None
    jobs: int = 1
    executor: Executor | None = None
    seen: Seen = lambda done, of: None
    progress: Progress | None = None


def side_by_side(plans: Sequence[Plan], ask: Ask, value: Value, wanted: Wanted) -> list[list[Answer]]:
    """Of each plan as many answers as are wanted, else as its first says: where it wants a precision, as many as the first
    one needs (``value`` is that metric in what a run told).  Ctrl-C hands on the replications that all of them have, and
    how many there should be."""
    rule = plans[0].precision if wanted.replications is None else None
    count = wanted.replications or (plans[0].replications if plans[0].replications > 1 else FEW)
    done: Done = {}
    try:
        if rule is None:
            _work(range(len(plans)), range(1, count + 1), plans, ask, wanted, done)
        else:
            count = rule.most
            count = _until_known(plans, rule, ask, value, wanted, done)
    except KeyboardInterrupt:
        all_have = next(r for r in range(count + 1) if any((i, r + 1) not in done for i in range(len(plans))))
        raise Interrupted((_columns(plans, all_have, done), count)) from None
    return _columns(plans, count, done)


Done = dict[tuple[int, int], Answer]
"""By column and replication."""


def _columns(plans: Sequence[Plan], count: int, done: Done) -> list[list[Answer]]:
    return [[done[i, r] for r in range(1, count + 1)] for i in range(len(plans))]


def _until_known(plans: Sequence[Plan], rule: Precision, ask: Ask, value: Value, wanted: Wanted, done: Done) -> int:
    """Round by round, the first one ahead: how many it needs."""
    values: list[Any] = []
    while more := how_many_more(values, rule):
        before = len(values)
        _work(range(1), range(before + 1, before + more + 1), plans, ask, wanted, done)
        values += [value(done[0, r].told) for r in range(before + 1, before + more + 1)]
        values = values[: heard(values, rule)]
        _work(range(1, len(plans)), range(before + 1, len(values) + 1), plans, ask, wanted, done)
    return len(values)


def _work(columns: range, replications: range, plans: Sequence[Plan], ask: Ask, wanted: Wanted, done: Done) -> None:
    """Replication by replication, so that what is done is done of all."""
    which = [(i, r) for r in replications for i in columns]
    tasks = [Task(plans[i], r) for i, r in which]
    before = len(done)
    for number, answer in as_they_finish(tasks, ask, wanted.jobs, wanted.executor, wanted.progress):
        done[which[number]] = whole(answer)
        wanted.seen(len(done), before + len(tasks))
