"""How many replications: until a metric is known well enough.

It knows a rule and values, and runs that answer.  The rule looks after each replication in order, so what comes of it
does not depend on how many processes work; what they have done beyond it is thrown away.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from qsim.scenario.plan import Precision
from qsim.study.intervals import half_width
from qsim.study.tasks import Answer, Ask, Executor, Progress, Task, execute

Value = Callable[[Any], Any]
"""The metric in what a run told; None: no data."""


@dataclass(frozen=True, slots=True)
class Known:
    """How well ``n`` replications know a metric: half of the interval over the mean; None where there is no mean.
    ``needed``: about so many would do, None where no number of them would."""

    n: int
    within: float | None
    is_reached: bool
    needed: int | None


def known(values: Sequence[Any], rule: Precision) -> Known:
    """Of the replications so far."""
    n = len(values)
    if n < 2 or not all(isinstance(value, int | float) and math.isfinite(value) for value in values):
        return Known(n, None, False, None)
    half, mean = half_width(values, rule.confidence), abs(fmean(values))
    if not half:
        return Known(n, 0.0, True, n)
    if not mean:
        return Known(n, None, False, None)
    within = half / mean
    return Known(n, within, within <= rule.within, max(n + 1, math.ceil(n * (within / rule.within) ** 2)))


def how_many_more(values: Sequence[Any], rule: Precision) -> int:
    """Replications to go, as far as it can be told now; 0: it is known, or cannot be.  A metric without data in one of
    them stays unknown, however many follow."""
    n = len(values)
    if n < rule.least:
        return rule.least - n
    found = known(values, rule)
    if found.is_reached or found.within is None:
        return 0
    return min(found.needed or rule.most, rule.most) - n


def heard(values: Sequence[Any], rule: Precision) -> int:
    """How many of the values the rule listens to: with that many it is content, or they are not enough."""
    return next((n for n in range(len(values)) if not how_many_more(values[:n], rule)), len(values))


def replicate(
    task: Task,
    rule: Precision,
    ask: Ask,
    value: Value,
    jobs: int = 1,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Generator[Answer, None, None]:
    """Replications 1, 2, ... of the task's plan until the rule is content.  A round is as many as seem to be needed, and
    gives every process something to do."""
    values: list[Any] = []
    while more := how_many_more(values, rule):
        done = len(values)
        last = min(max(done + max(more, jobs), rule.least), rule.most)
        tasks = [replace(task, replication=r) for r in range(done + 1, last + 1)]
        with closing(execute(tasks, ask, jobs, executor, progress)) as answers:
            for answer in answers:
                values.append(value(answer.told))
                yield answer
                if not how_many_more(values, rule):
                    return


__all__ = ["Known", "heard", "how_many_more", "known", "replicate"]
