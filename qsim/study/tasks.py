"""Runs as tasks: what is to be run, what is asked of it, and who does it.

It knows plans and recordings, not what is asked: ``ask`` is a function of a run's numbers that a process of its own can
import, and its answer is all that comes back.  Whoever works them out, the answers are the same; ``execute`` hands them
on in the order of their tasks, ``as_they_finish`` as they come.
"""

from __future__ import annotations

import gc
import signal
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

from qsim.metrics.numbers import Numbers
from qsim.scenario.plan import Plan
from qsim.units import Nanos

WORTH_A_POOL_S = 2.0
"""So little work is done before other processes have started."""

WORTH_COLLECTING_S = 0.5
"""A run of less leaves little behind."""

Ask = Callable[[Numbers], Any]
Finished = tuple[int, "Answer"]
"""Which of the tasks, counted from 0, and its answer."""
Executor = Callable[[Sequence["Task"], Ask], Iterator[Finished]]
"""Does tasks in any order, and hands each answer on when it is there."""
Progress = Callable[[Any], None]
"""Told how far a run in this process is."""


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


def perform(task: Task, ask: Ask, progress: Progress | None = None) -> Answer:
    """Run it, and ask."""
    from qsim.sim.simulate import simulate

    gc.enable()  # a command puts it off until something runs; many runs leave cycles behind
    begun = time.perf_counter()
    run = simulate(
        task.plan, None, task.replication, until=task.until, max_messages=task.max_messages, progress=progress
    )
    told = ask(Numbers(run))
    return Answer(run.replication, run.seed, run.digest, run.stopped, told, time.perf_counter() - begun)


def one_by_one(tasks: Sequence[Task], ask: Ask, progress: Progress | None = None) -> Iterator[Finished]:
    """In this process."""
    return ((which, perform(task, ask, progress)) for which, task in enumerate(tasks))


def processes(jobs: int) -> Callable[[Sequence[Task], Ask], Generator[Finished, None, None]]:
    """In so many processes of this machine, which begin when they are asked and not when the first answer is wanted."""

    def execute(tasks: Sequence[Task], ask: Ask) -> Generator[Finished, None, None]:
        from joblib import Parallel, delayed

        with _deaf_children():
            made: Generator[Finished, None, None] = Parallel(
                n_jobs=min(jobs, len(tasks)), return_as="generator_unordered"
            )(delayed(_numbered)(which, task, ask) for which, task in enumerate(tasks))
        answers = _handed_on(made)
        next(answers)  # from here on closing it ends them
        return answers

    return execute


class Interrupted(KeyboardInterrupt):
    """Ctrl-C among many runs; ``done`` is what they came to by then."""

    def __init__(self, done: Any) -> None:
        super().__init__()
        self.done = done


def whole(answer: Answer) -> Answer:
    """Half a run is no answer: Ctrl-C in one run ends them all."""
    if answer.stopped == "interrupted":
        raise KeyboardInterrupt
    return answer


def _handed_on(made: Generator[Finished, None, None]) -> Generator[Any, None, None]:
    """What other processes make, after one None."""
    try:
        yield None
        for finished in made:  # noqa: UP028 "yield from" would close it outside of this try
            yield finished
    except BrokenExecutor:
        raise WorkerLost(
            "a process that ran it was killed, as happens where memory ends: fewer --jobs need less"
        ) from None
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # who has heard enough may go, whatever the others are still doing
            made.close()


class WorkerLost(Exception):
    """A process ended that should not have; the text says what to do."""


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Ctrl-C is heard by the process that started the others, and ends them; what it blocks meanwhile they inherit."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _numbered(which: int, task: Task, ask: Ask) -> Finished:
    answer = perform(task, ask)
    if answer.wall_s > WORTH_COLLECTING_S:
        gc.collect()  # what a long run leaves behind is large, and the pool ends a process that grows
    return which, answer


def as_they_finish(
    tasks: Sequence[Task],
    ask: Ask,
    jobs: int = 1,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Iterator[Finished]:
    """Every task's answer with its index, in no order.  The first is worked out here: as soon as it tells that a pool is
    worth its start, the others begin beside it."""
    if not tasks:
        return
    rest, others, begun = tasks[1:], ExitStack(), time.perf_counter()
    beside: list[Iterator[Finished]] = []

    def watch(far: Any) -> None:
        if not beside and _is_worth_a_pool(time.perf_counter() - begun, rest, jobs):
            beside.append(others.enter_context(closing(processes(jobs)(rest, ask))))
        if progress is not None:
            progress(far)

    with others:
        first = perform(tasks[0], ask, progress if executor else watch)
        yield 0, first
        if not beside and rest:
            if executor is None and _is_worth_a_pool(first.wall_s, rest, jobs):
                executor = processes(jobs)
            beside.append((executor or partial(one_by_one, progress=progress))(rest, ask))
        for which, answer in chain.from_iterable(beside):
            yield 1 + which, answer


def _is_worth_a_pool(one_takes_s: float, rest: Sequence[Task], jobs: int) -> bool:
    return jobs > 1 and one_takes_s * len(rest) >= WORTH_A_POOL_S


def execute(
    tasks: Sequence[Task],
    ask: Ask,
    jobs: int = 1,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Generator[Answer, None, None]:
    """Every task's answer, in order."""
    early: dict[int, Answer] = {}
    wanted = 0
    for which, answer in as_they_finish(tasks, ask, jobs, executor, progress):
        early[which] = answer
        while wanted in early:
            yield early.pop(wanted)
            wanted += 1
