"""What one run tells of itself, as far as ``qsim run`` shows it: a run need not be kept, and may have been elsewhere.

It knows a run's numbers and what is asked; how it looks is ``screen``'s, what several say together ``together``'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from qsim.api import Run, as_json, provenance, series_table
from qsim.claims.verdicts import Reading, decided, readings_of
from qsim.metrics.numbers import Numbers, series
from qsim.metrics.steps import greatest
from qsim.metrics.vendor import VENDOR, at_end, metrics_of
from qsim.metrics.warmup import Cut
from qsim.scenario.reference import parse
from qsim.units import Nanos

CELLS = 24
"""Blocks of a sparkline."""


@dataclass(frozen=True, slots=True)
class Questions:
    """What is asked of each run beside what it expects.  ``first`` stands for all: its backlog is drawn, and told about
    where several leave an expectation open that it does not."""

    references: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    is_summary: bool = False
    by_broker: bool = False
    series: bool = False
    document: Mapping[str, Any] | None = None
    first: int = 1
    several: bool = False


@dataclass(frozen=True, slots=True)
class Named:
    """A metric under its broker's name, at the end."""

    value: Any
    dimension: str
    says: str


@dataclass(frozen=True, slots=True)
class Backlog:
    """A queue's visible at the end of each cell, and the most in each: what came and went between two is seen too."""

    values: list[float]
    peaks: list[float]


@dataclass(frozen=True, slots=True)
class Told:
    """The answers: ``exact`` by reference, times in ns; ``levels`` of each queue that had a backlog, of the first run."""

    replication: int
    ended: Nanos
    stopped: str | None
    drained: bool
    wall_s: float
    digest: str
    exact: Mapping[str, Any]
    readings: tuple[Reading, ...]
    problems: tuple[str, ...]
    cut: Cut | None
    levels: Mapping[str, Backlog]
    by_broker: Mapping[str, Mapping[str, Named]]
    summary: Mapping[str, Any]
    """As ``--json`` prints a single run."""
    series: Any
    provenance: Mapping[str, Any]
    raised: Mapping[str, Mapping[str, int]]
    """What handlers raised, and how often."""


def tell(questions: Questions, numbers: Numbers) -> Told:
    """Ask this run."""
    recording, is_first = numbers.recording, numbers.recording.replication == questions.first
    run = Run.of(numbers)
    read = readings_of(numbers, explained=not recording.stopped, stands_for_all=is_first and questions.several)
    return Told(
        recording.replication,
        recording.ended,
        recording.stopped,
        recording.drained,
        recording.wall_s,
        recording.digest,
        {reference: numbers.exact(reference) for reference in (*questions.references, *questions.metrics)},
        tuple(read),
        _problems(run),
        numbers.cut,
        _backlogs(numbers) if is_first and questions.references else {},
        _by_broker(numbers) if questions.by_broker else {},
        as_json(run, questions.metrics, decided(numbers.plan, [read])) if questions.is_summary else {},
        series_table(run) if questions.series else None,
        provenance(run, questions.document) if questions.series else {},
        recording.raised,
    )


def _problems(run: Run) -> tuple[str, ...]:
    """Where something appeared or disappeared; an interrupted run may stand between two rows."""
    return () if run.recording.stopped == "interrupted" else tuple(run.conservation()["problems"])


def _backlogs(numbers: Numbers) -> dict[str, Backlog]:
    """The backlog over time, where there was one."""
    return {
        queue.name: Backlog(_levels(numbers, queue.name), _peaks(numbers, queue.name))
        for queue in numbers.plan.queues
        if numbers.exact(f"{queue.name}.visible max")
    }


def _levels(numbers: Numbers, queue: str) -> list[float]:
    every = max(1, numbers.recording.ended // CELLS)
    _, values = series(numbers, f"{queue}.visible", every)
    return [float(value) for value in values[1 : CELLS + 1]]


def _peaks(numbers: Numbers, queue: str) -> list[float]:
    visible, ended = numbers.function(parse(f"{queue}.visible")), numbers.recording.ended
    edges = [ended * cell // CELLS for cell in range(CELLS + 1)]
    return [greatest(visible.pieces(start, end)) or 0 for start, end in pairwise(edges)]


def _by_broker(numbers: Numbers) -> dict[str, dict[str, Named]]:
    """{queue: {metric: what it is at the end}}, by the names of each queue's own broker."""
    return {q.name: _of_broker(numbers, q.name) for q in numbers.plan.queues if q.profile.name in VENDOR}


def _of_broker(numbers: Numbers, queue: str) -> dict[str, Named]:
    found = at_end(numbers, queue)
    return {m.name: Named(found[m.name], m.dimension, m.says) for m in metrics_of(numbers, queue).values()}
