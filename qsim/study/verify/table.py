"""All rows run and judged: what theory says beside what the engine did.

It knows cases, how long to run them, and the verdict.  Ten replications a row; each begins empty and is cut for ten
relaxation times, after which what is left of the beginning is e⁻¹⁰ of it, 0.005 %; then it is looked at for 40 more
(``quick``) or 200, so that the means of replications are nearly normal.  Student's 95 % interval of a row covers theory
or does not.  The verdict is over all rows: as many misses as chance explains, none farther off and not all to one side
than it explains, and no exact row off at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from math import ceil
from typing import Any

from qsim.metrics.numbers import Numbers
from qsim.scenario.load import read
from qsim.scenario.plan import Plan
from qsim.study.tasks import Interrupted, Task, execute, whole
from qsim.study.verify.cases import Case, cases
from qsim.study.verify.exact import EXACT, Exact, measure
from qsim.study.verify.judge import LEVEL, Covered, covered, farthest, on_average, plausible

REPLICATIONS = 10
CUT = 10
"""Relaxation times that are cut."""
QUICK, FULL = 40, 200
"""Relaxation times that are looked at."""
LEAST = {QUICK: 1_500, FULL: 20_000}
"""Seconds at least, which are messages."""
LONG = 400.0
"""Rows that take longer to settle are not for ``quick``: they would take most of the time."""


@dataclass(frozen=True, slots=True)
class Row:
    """A random row: its case, and the interval."""

    case: Case
    seed: int
    interval: Covered


@dataclass(frozen=True, slots=True)
class ExactRow:
    case: Exact
    seen: float | None
    truth: float | None

    @property
    def holds(self) -> bool:
        return self.seen == self.truth


@dataclass(frozen=True)
class Verdict:
    """Over all rows.  ``misses`` may be between ``plausible``; ``farthest`` and ``bias`` are in standard errors, and at most
    ``farthest_limit`` and ``bias_limit``."""

    rows: tuple[Row, ...]
    exact: tuple[ExactRow, ...]

    @cached_property
    def misses(self) -> int:
        return sum(not row.interval.covers for row in self.rows)

    @cached_property
    def plausible(self) -> tuple[int, int]:
        return plausible(len(self.rows), 1 - LEVEL)

    @cached_property
    def farthest(self) -> float:
        return max((abs(row.interval.off) for row in self.rows), default=0.0)

    @cached_property
    def farthest_limit(self) -> float:
        return farthest(len(self.rows), REPLICATIONS - 1)

    @cached_property
    def bias(self) -> float:
        return sum(row.interval.off for row in self.rows) / max(1, len(self.rows))

    @cached_property
    def bias_limit(self) -> float:
        return on_average(len(self.rows), REPLICATIONS - 1)

    @property
    def wrong(self) -> int:
        """Exact rows that do not hold."""
        return sum(not row.holds for row in self.exact)

    @property
    def holds(self) -> bool:
        low, high = self.plausible
        is_near = self.farthest <= self.farthest_limit and abs(self.bias) <= self.bias_limit
        return low <= self.misses <= high and is_near and not self.wrong


@dataclass(frozen=True, slots=True)
class Partial:
    """What Ctrl-C left: some rows of ``of``.  They are no verdict: chance was reckoned for all."""

    found: Verdict
    of: int

    @property
    def done(self) -> int:
        return len(self.found.rows) + len(self.found.exact)


def verify(
    quick: bool = False, jobs: int = 1, told: Callable[[int, int], None] | None = None, seed: int = 0
) -> Verdict:
    """Run every row, the r-th with seed ``seed`` + r; ``told`` hears how many runs are done, of how many."""
    chosen = [(each, case) for each, case in enumerate(cases(), seed + 1) if not quick or case.settles <= LONG]
    return verdict(chosen, EXACT, QUICK if quick else FULL, jobs, told)


def verdict(
    chosen: list[tuple[int, Case]],
    exact: tuple[Exact, ...],
    reach: int,
    jobs: int = 1,
    told: Callable[[int, int], None] | None = None,
) -> Verdict:
    """Of some rows, each with its seed.  Ctrl-C hands on those that are done."""
    plans = [planned(case, seed, reach) for seed, case in chosen]
    tasks = [Task(plan, number) for plan in plans for number in range(1, REPLICATIONS + 1)]
    answers = (answer.told for answer in _counted(execute(tasks, ask, jobs), len(tasks), told))
    rows: list[Row] = []
    exactly: list[ExactRow] = []
    try:
        for seed, case in chosen:
            rows.append(Row(case, seed, covered(list(islice(answers, REPLICATIONS)), case.truth)))
        exactly.extend(map(_exactly, exact))
    except KeyboardInterrupt:
        raise Interrupted(Partial(Verdict(tuple(rows), tuple(exactly)), len(chosen) + len(exact))) from None
    return Verdict(tuple(rows), tuple(exactly))


def _counted(answers: Iterator[Any], of: int, told: Callable[[int, int], None] | None) -> Iterator[Any]:
    for done, answer in enumerate(answers, 1):
        yield whole(answer)
        if told is not None:
            told(done, of)


def planned(case: Case, seed: int, reach: int) -> Plan:
    """The case as a scenario that expects what is asked of it."""
    cut = ceil(CUT * case.settles)
    long = cut + max(ceil(reach * case.settles), LEAST[reach])
    run = f"run: {{duration: {long}s, warmup: {cut}s}}\nexpect: [{{that: {case.that}, at_least: 0}}]\n"
    return replace(_plan(case.scenario + run), seed=seed)


def ask(numbers: Numbers) -> Any:
    """What the scenario expects something of."""
    [expected] = numbers.plan.expect
    assert expected.that is not None
    return numbers.value(expected.that)


def _exactly(row: Exact) -> ExactRow:
    from qsim.sim.simulate import simulate

    plan = _plan(f"{row.scenario}run: {{duration: {row.seconds}s}}\n")
    run = simulate(plan)
    if run.stopped == "interrupted":
        raise KeyboardInterrupt
    return ExactRow(row, *measure(row, Numbers(run)))


def _plan(text: str) -> Plan:
    return read(text=f"qsim: 1\nname: verify\n{text}").plan
