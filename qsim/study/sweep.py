"""A sweep: every point of a grid, as often as there are replications, and what came of each.

It knows points and answers.  All points have the same seed, so replication r has the same luck everywhere: what differs
between two points is what was changed.  What is asked of a run answers with ``{"metrics": [...], ...}``, times in
seconds; None says that there is no data.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qsim.scenario.grid import Point
from qsim.study.intervals import Estimate, estimate
from qsim.study.store import FOLDER, Store, kept, prepare, words_of
from qsim.study.tasks import Answer, Ask, Executor, Progress, Task, as_they_finish

if TYPE_CHECKING:
    import pandas as pd

Seen = Callable[[int, int], None]
"""Told how many of how many runs are done."""


@dataclass(frozen=True)
class How:
    """Who works it out, and what is kept.  ``resume``: what was kept before is not run again."""

    jobs: int = 1
    executor: Executor | None = None
    store: Store | None = None
    resume: bool = False
    seen: Seen = lambda done, of: None
    progress: Progress | None = None
    damaged: Callable[[str], None] = lambda file: None
    """Told of each file of the store that cannot be trusted."""


def how(ask: Ask, jobs: int, dask: str | None, store: str | Path | None, resume: bool, **told: Any) -> How:
    """From what a person says; ``dask`` is the address of a scheduler, ``store`` a folder."""
    from qsim.study.cluster import cluster

    if resume and store is None:
        store = FOLDER
    if store is not None:
        prepare(Path(store))
    kept_in = None if store is None else Store(Path(store), words_of(ask))
    return How(jobs, None if dask is None else cluster(dask), kept_in, resume, **told)


@dataclass(frozen=True)
class Sweep:
    """``answers``: of each point, one a replication."""

    paths: tuple[str, ...]
    metrics: tuple[str, ...]
    points: tuple[Point, ...]
    answers: tuple[tuple[Answer, ...], ...]

    @property
    def replications(self) -> int:
        return len(self.answers[0])

    @cached_property
    def estimates(self) -> list[list[Estimate]]:
        """Of each point, one a metric."""
        return [
            [estimate(values) for values in zip(*(answer.told["metrics"] for answer in of_point), strict=True)]
            for of_point in self.answers
        ]

    def frame(self) -> pd.DataFrame:
        """A row a point and replication: the settings, the replication and its seed, a column a metric (times in
        seconds), and the digest of the run."""
        import pandas as pd

        rows = [
            [*map(label, point.settings), answer.replication, answer.seed, *answer.told["metrics"], answer.digest]
            for point, of_point in zip(self.points, self.answers, strict=True)
            for answer in of_point
        ]
        table = pd.DataFrame(rows, columns=[*self.paths, "replication", "seed", *self.metrics, "digest"])
        return table.loc[:, ~table.columns.duplicated()]  # who sweeps the seed has it once

    def table(self) -> pd.DataFrame:
        """A row a point and metric: its mean over the replications, and the 95 % interval of it where there are
        several."""
        import pandas as pd

        rows = [
            [*map(label, point.settings), metric, found.mean, *(found.interval or (None, None)), self.replications]
            for point, of_point in zip(self.points, self.estimates, strict=True)
            for metric, found in zip(self.metrics, of_point, strict=True)
        ]
        return pd.DataFrame(rows, columns=[*self.paths, "metric", "mean", "low", "high", "replications"])

    def front(self, one: str, other: str) -> list[int]:
        """Which points nothing beats in both metrics, by the first; less is better, unless it says ``max:``."""
        keys = [self._by(one), self._by(other)]
        known = sorted((a, b, i) for i, (a, b) in enumerate(zip(*keys, strict=True)) if None not in (a, b))
        chosen = known[:1]
        for a, b, i in known[1:]:
            if b < chosen[-1][1] or (a, b) == chosen[-1][:2]:
                chosen.append((a, b, i))
        return [i for _, _, i in chosen]

    def pareto(self, one: str, other: str) -> pd.DataFrame:
        """The settings and means of ``front``."""
        import pandas as pd

        chosen, numbers = self.front(one, other), [self._number(one), self._number(other)]
        rows = [[*map(label, self.points[i].settings), *(self.estimates[i][n].mean for n in numbers)] for i in chosen]
        return pd.DataFrame(rows, columns=[*self.paths, *(self.metrics[n] for n in numbers)])

    def only(self, chosen: Sequence[int], metrics: Sequence[str]) -> Sweep:
        """These points and metrics alone."""
        numbers = [self._number(metric) for metric in metrics]
        answers = tuple(tuple(_only(answer, numbers) for answer in self.answers[i]) for i in chosen)
        return Sweep(self.paths, tuple(metrics), tuple(self.points[i] for i in chosen), answers)

    def _number(self, metric: str) -> int:
        name = without_max(metric)
        if name not in self.metrics:
            raise KeyError(f"{name!r} was not asked for; there are: {', '.join(self.metrics)}")
        return self.metrics.index(name)

    def _by(self, metric: str) -> list[Any]:
        """The means, so that less is better."""
        number, sign = self._number(metric), -1 if metric.startswith("max:") else 1
        means = [of_point[number].mean for of_point in self.estimates]
        return [None if mean is None else sign * mean for mean in means]


def without_max(metric: str) -> str:
    """ "max:worker.throughput mean" says that more is better."""
    return metric.removeprefix("max:").strip()


def _only(answer: Answer, numbers: Sequence[int]) -> Answer:
    return replace(answer, told=answer.told | {"metrics": [answer.told["metrics"][n] for n in numbers]})


def label(setting: Any) -> Any:
    """A setting in a cell: numbers and words as they are, a map as JSON."""
    if setting is None or isinstance(setting, dict | list):
        return json.dumps(setting, default=str)
    return float(setting) if isinstance(setting, float) else setting


# --- running ----------------------------------------------------------------------------------------------------------


def sweep(
    paths: Sequence[str], points: Sequence[Point], metrics: Sequence[str], replications: int, ask: Ask, how: How
) -> Sweep:
    """Run every point."""
    tasks = [Task(point.plan, replication) for point in points for replication in range(1, replications + 1)]
    found = work_out(tasks, ask, how)
    answers = tuple(tuple(found[i : i + replications]) for i in range(0, len(found), replications))
    return Sweep(tuple(paths), tuple(metrics), tuple(points), answers)


def work_out(tasks: Sequence[Task], ask: Ask, how: How) -> list[Answer]:
    """Every answer, in order of the tasks: those that were kept, and the others, each kept when it is there."""
    found, damaged = kept(tasks, how.store) if how.store and how.resume else ({}, [])
    for file in damaged:
        how.damaged(file)
    missing = [which for which in range(len(tasks)) if which not in found]
    how.seen(len(found), len(tasks))
    for which, answer in as_they_finish([tasks[i] for i in missing], ask, how.jobs, how.executor, how.progress):
        _came_to_its_end(answer)
        found[missing[which]] = answer
        if how.store is not None:
            how.store.keep(tasks[missing[which]], answer)
        how.seen(len(found), len(tasks))
    return [found[which] for which in range(len(tasks))]


def _came_to_its_end(answer: Answer) -> None:
    """Half a run says nothing of its point."""
    if answer.stopped == "interrupted":
        raise KeyboardInterrupt
    if answer.stopped is not None:
        raise MemoryError(answer.stopped)
