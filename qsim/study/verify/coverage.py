"""How often does a 95 % interval cover the truth?  Many small experiments on a queue whose truth is known.

It knows one queue, M/M/1 at 80 %, and counts.  An experiment is what a user would do: some replications, the mean wait of
each after a warm-up, Student's interval over them.  Replications are independent, so the interval owes nothing to the
strong correlation of waits within a run.  A run begins empty; the warm-up is 14 relaxation times, 1/(√μ − √λ)², so that
what is left of the beginning is below a millionth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from qsim import theory
from qsim.metrics.numbers import Numbers
from qsim.scenario.load import read
from qsim.scenario.reference import parse
from qsim.study.intervals import interval
from qsim.study.tasks import Interrupted, Task, execute, whole
from qsim.study.verify.judge import LEVEL, plausible
from qsim.units import SECOND

WARMUP, MESSAGES, REPLICATIONS = 1_000, 5_000, 10
TRUTH = theory.mm1(1.0, 1.25).mean_wait
"""In s."""
EXPERIMENTS = 1_000
BETWEEN = 0.93, 0.97
"""What 1,000 experiments may show; fewer are judged by the binomial distribution."""
_MM1 = f"""
qsim: 1
name: coverage
run: {{duration: {2 * (WARMUP + MESSAGES)}s}}
queues: {{q: {{}}}}
producers: {{p: {{to: q, rate: 1/s, limit: {WARMUP + MESSAGES}}}}}
consumers: {{c: {{from: q, service: {{exponential: {{mean: 800ms}}}}}}}}
"""


@dataclass(frozen=True, slots=True)
class Coverage:
    """So many of so many intervals covered the truth; ``between`` are the counts that pass."""

    experiments: int
    covered: int
    between: tuple[int, int]
    mean: float
    """Over all experiments, in s: shows a bias that single intervals hide."""

    @property
    def share(self) -> float:
        return self.covered / self.experiments

    @property
    def holds(self) -> bool:
        return self.between[0] <= self.covered <= self.between[1]


def coverage(
    experiments: int = EXPERIMENTS, jobs: int = 1, told: Callable[[int, int], None] | None = None, seed: int = 0
) -> Coverage:
    """Experiment e has seed ``seed`` + e: the same count on every machine.  ``told`` hears how many are done, of how many.  Ctrl-C
    hands on the count over those that are done, None where there are none."""
    means: list[tuple[float, ...]] = []
    try:
        for group in _means(experiments, jobs, seed):
            means.append(group)
            if told is not None:
                told(len(means), experiments)
    except KeyboardInterrupt:
        raise Interrupted(_counted(means) if means else None) from None
    return _counted(means)


def _counted(means: Sequence[tuple[float, ...]]) -> Coverage:
    experiments = len(means)
    intervals = [interval(group, LEVEL) for group in means]
    covered = sum(low <= TRUTH <= high for low, high in intervals)
    return Coverage(experiments, covered, _between(experiments), sum(chain(*means)) / experiments / REPLICATIONS)


def _between(experiments: int) -> tuple[int, int]:
    if experiments >= EXPERIMENTS:
        return round(BETWEEN[0] * experiments), round(BETWEEN[1] * experiments)
    return plausible(experiments, LEVEL)


def _means(experiments: int, jobs: int, seed: int) -> Iterator[tuple[float, ...]]:
    plan = read(text=_MM1).plan
    numbers = range(1, REPLICATIONS + 1)
    seeds = range(seed + 1, seed + experiments + 1)
    tasks = [Task(replace(plan, seed=each), number) for each in seeds for number in numbers]
    told = (whole(answer).told for answer in execute(tasks, mean_wait, jobs))
    return zip(*[told] * REPLICATIONS, strict=True)


def mean_wait(numbers: Numbers) -> Any:
    """Of the messages after the warm-up, in s."""
    waits = numbers.values(parse("q.wait mean"))
    kept = waits.value[waits.dense >= WARMUP]
    assert len(kept) == MESSAGES, "all were received before the end"
    return float(kept.mean()) / SECOND
