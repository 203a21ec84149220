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
from qsim.scenario.plan import Precision
from qsim.scenario.textbook import stations
from qsim.study.intervals import Estimate, estimate
from qsim.study.replicate import Known, heard, how_many_more, known
from qsim.study.store import FOLDER, Store, kept, prepare, words_of
from qsim.study.tasks import Answer, Ask, Executor, Progress, Task, as_they_finish, whole

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
    rules: tuple[Precision | None, ...] = ()
    """Of each point, what decided how many replications it has; empty: a count did."""

    @property
    def counts(self) -> list[int]:
        """How many replications each point has."""
        return [len(of_point) for of_point in self.answers]

    def known(self, number: int) -> Known | None:
        """How well a point is known whose precision decided how often it was run."""
        rule = self.rules[number] if self.rules else None
        return None if rule is None else known(_values(self.answers[number], self.metrics, rule), rule)

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
            [*map(label, point.settings), metric, found.mean, *(found.interval or (None, None)), n]
            for point, of_point, n in zip(self.points, self.estimates, self.counts, strict=True)
            for metric, found in zip(self.metrics, of_point, strict=True)
        ]
        return pd.DataFrame(rows, columns=[*self.paths, "metric", "mean", "low", "high", "replications"])

    def textbook(self) -> pd.DataFrame:
        """A row a point: the settings, what the textbooks call it ("M/M/8"), and what they say of each metric (times in
        seconds), exactly or nearly; missing where they say nothing."""
        import pandas as pd

        books = [stations(point.plan) for point in self.points]
        said = [{reference: value for book in of_point for reference, value in book.says.items()} for of_point in books]
        rows = [
            [*map(label, point.settings), ", ".join(book.name for book in of_point), *map(of.get, self.metrics)]
            for point, of_point, of in zip(self.points, books, said, strict=True)
        ]
        table = pd.DataFrame(rows, columns=[*self.paths, "textbook", *self.metrics])
        return table.astype(dict.fromkeys(self.metrics, float))

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

    def trade_off(self, one: str, other: str) -> pd.DataFrame:
        """A row a point: its settings, its means of both metrics, and where on ``front`` it stands (missing: something
        beats it)."""
        import pandas as pd

        numbers, place = [self._number(one), self._number(other)], {i: n for n, i in enumerate(self.front(one, other))}
        rows = [
            [*map(label, point.settings), *(means[n].mean for n in numbers), place.get(i)]
            for i, (point, means) in enumerate(zip(self.points, self.estimates, strict=True))
        ]
        return pd.DataFrame(rows, columns=[*self.paths, *(self.metrics[n] for n in numbers), "front"])

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
    paths: Sequence[str], points: Sequence[Point], metrics: Sequence[str], replications: int | None, ask: Ask, how: How
) -> Sweep:
    """Run every point so often; None: as its plan says, and where that wants a precision, until it has its own.  Its
    metric is then one of ``metrics``.

    The points go on in rounds.  How many replications a round has follows from what the rounds before it told, never from
    who works: the same runs are made, and kept, wherever it runs."""
    rules = tuple(None if replications else point.plan.precision for point in points)
    answers: list[list[Answer]] = [[] for _ in points]
    done = 0
    while wanted := [
        (i, Task(point.plan, len(answers[i]) + n))
        for i, point in enumerate(points)
        for n in range(1, 1 + _more(answers[i], metrics, rules[i], replications or point.plan.replications))
    ]:
        for (i, _), answer in zip(wanted, work_out([task for _, task in wanted], ask, how, done), strict=True):
            answers[i].append(answer)
        answers = [_heard(of_point, metrics, rule) for of_point, rule in zip(answers, rules, strict=True)]
        done += len(wanted)
    return Sweep(tuple(paths), tuple(metrics), tuple(points), tuple(map(tuple, answers)), rules if any(rules) else ())


def _more(answers: Sequence[Answer], metrics: Sequence[str], rule: Precision | None, count: int) -> int:
    return count - len(answers) if rule is None else how_many_more(_values(answers, metrics, rule), rule)


def _heard(answers: list[Answer], metrics: Sequence[str], rule: Precision | None) -> list[Answer]:
    """What a round did beyond the rule is no part of the result."""
    return answers if rule is None else answers[: heard(_values(answers, metrics, rule), rule)]


def _values(answers: Sequence[Answer], metrics: Sequence[str], rule: Precision) -> list[Any]:
    which = list(metrics).index(rule.metric.text)
    return [answer.told["metrics"][which] for answer in answers]


def work_out(tasks: Sequence[Task], ask: Ask, how: How, before: int = 0) -> list[Answer]:
    """Every answer, in order of the tasks: those that were kept, and the others, each kept when it is there.  ``before``:
    so many runs were done already."""
    found, damaged = kept(tasks, how.store) if how.store and how.resume else ({}, [])
    for file in damaged:
        how.damaged(file)
    missing = [which for which in range(len(tasks)) if which not in found]
    how.seen(before + len(found), before + len(tasks))
    for which, answer in as_they_finish([tasks[i] for i in missing], ask, how.jobs, how.executor, how.progress):
        _came_to_its_end(answer)
        found[missing[which]] = answer
        if how.store is not None:
            how.store.keep(tasks[missing[which]], answer)
        how.seen(before + len(found), before + len(tasks))
    return [found[which] for which in range(len(tasks))]


def _came_to_its_end(answer: Answer) -> None:
    """Half a run says nothing of its point."""
    if whole(answer).stopped is not None:
        raise MemoryError(answer.stopped)
