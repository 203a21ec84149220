"""Several plans side by side, with common random numbers: replication r has the same luck in each of them.

It knows plans and answers.  What the luck does to both cancels in their difference, which is therefore known far better
than either; its interval is Student's, over the differences of the replications in pairs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from qsim.scenario.plan import Plan
from qsim.study.intervals import CONFIDENCE, estimate, interval
from qsim.study.replicate import Value, replicate
from qsim.study.tasks import Answer, Ask, Executor, Progress, Task, as_they_finish

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
    one needs (``value`` is that metric in what a run told)."""
    rule = plans[0].precision
    if wanted.replications is not None or rule is None:
        count = wanted.replications or (plans[0].replications if plans[0].replications > 1 else FEW)
        return _all(plans, count, ask, wanted)
    answers = replicate(Task(plans[0]), rule, ask, value, wanted.jobs, wanted.executor, wanted.progress)
    first = [_heard(answer) for answer in answers]
    return [first, *_all(plans[1:], len(first), ask, wanted)]


def _all(plans: Sequence[Plan], count: int, ask: Ask, wanted: Wanted) -> list[list[Answer]]:
    tasks = [Task(plan, replication) for plan in plans for replication in range(1, count + 1)]
    found: dict[int, Answer] = {}
    for which, answer in as_they_finish(tasks, ask, wanted.jobs, wanted.executor, wanted.progress):
        found[which] = _heard(answer)
        wanted.seen(len(found), len(tasks))
    return [[found[i * count + r] for r in range(count)] for i in range(len(plans))]


def _heard(answer: Answer) -> Answer:
    """Ctrl-C in one run ends them all."""
    if answer.stopped == "interrupted":
        raise KeyboardInterrupt
    return answer
