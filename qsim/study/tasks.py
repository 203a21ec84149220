"""Runs as tasks: what is to be run, what is asked of it, and who does it.

It knows plans and recordings, not what is asked: ``ask`` is a function of a run's numbers that a process of its own can
import, and its answer is all that comes back.  Answers come in the order of their tasks, whoever worked them out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from qsim.metrics.numbers import Numbers
from qsim.scenario.plan import Plan
from qsim.units import Nanos

WORTH_A_POOL_S = 2.0
"""So little work is done before other processes have started."""

Ask = Callable[[Numbers], Any]
Executor = Callable[[Sequence["Task"], Ask], Iterator["Answer"]]
"""Does tasks in any order, and answers in theirs."""


@dataclass(frozen=True, slots=True)
class Task:
    """One run: replication ``replication`` of ``plan``."""

    plan: Plan
    replication: int = 1
    until: Nanos | None = None
    max_messages: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a task.  ``told`` is what was asked; ``wall_s`` is the only thing that another run says otherwise."""

    replication: int
    seed: int
    digest: str
    stopped: str | None
    told: Any
    wall_s: float


def perform(task: Task, ask: Ask) -> Answer:
    """Run it, and ask."""
    from qsim.sim.simulate import simulate

    begun = time.perf_counter()
    run = simulate(task.plan, None, task.replication, until=task.until, max_messages=task.max_messages)
    told = ask(Numbers(run))
    return Answer(run.replication, run.seed, run.digest, run.stopped, told, time.perf_counter() - begun)


def one_by_one(tasks: Iterable[Task], ask: Ask) -> Iterator[Answer]:
    """In this process."""
    return (perform(task, ask) for task in tasks)


def processes(jobs: int) -> Executor:
    """In so many processes of this machine."""

    def execute(tasks: Sequence[Task], ask: Ask) -> Iterator[Answer]:
        from joblib import Parallel, delayed

        made: Iterator[Answer] = Parallel(n_jobs=min(jobs, len(tasks)), return_as="generator")(
            delayed(perform)(task, ask) for task in tasks
        )
        return made

    return execute


def execute(tasks: Sequence[Task], ask: Ask, jobs: int = 1, executor: Executor | None = None) -> Iterator[Answer]:
    """Every task's answer, in order.  The first is worked out here: it tells whether a pool is worth its start."""
    if not tasks:
        return
    first, rest = perform(tasks[0], ask), tasks[1:]
    if executor is None:
        is_short = first.wall_s * len(rest) < WORTH_A_POOL_S
        executor = one_by_one if jobs < 2 or is_short else processes(jobs)
    yield from chain([first], executor(rest, ask) if rest else ())
