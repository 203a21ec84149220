"""Plans compared: what each comes to, where they differ beyond noise, and which expectations hold where.

It knows columns, references and expectations; the first column is what the others are compared with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from qsim.claims.conservation import conservation
from qsim.claims.verdicts import Reading, Verdict, decided, readings_of
from qsim.claims.words import plain
from qsim.metrics.numbers import Numbers, names_of
from qsim.scenario.plan import Plan
from qsim.scenario.reference import Reference, ReferenceError_, check_told, dimension, parse
from qsim.study.compare import Difference, Wanted, difference, side_by_side
from qsim.study.intervals import Estimate, estimate
from qsim.study.tasks import Answer, Interrupted

if TYPE_CHECKING:
    import pandas as pd

_USUAL = {
    "queues": ("visible at end", "latency p95", "redelivered total", "dead_lettered total", "lost total", "out_of_order total"),
    "producers": ("rejected total", "timeouts total"),
    "consumers": ("utilization mean", "duplicates total"),
    "dependencies": ("utilization mean", "time p95"),
    "alerts": ("fired total",),
}  # fmt: skip
"""What is looked at beside what is expected."""


@dataclass(frozen=True, slots=True)
class Told:
    """What one run says; None where its plan has no such metric, or it has no data."""

    exact: Mapping[str, Any]
    readings: tuple[Reading, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """``references`` are asked of every run that can tell them."""

    references: tuple[str, ...]

    def __call__(self, numbers: Numbers) -> Told:
        exact = {text: numbers.exact(text) if can_tell(numbers.plan, text) else None for text in self.references}
        read = readings_of(numbers, stands_for_all=numbers.recording.replication == 1)
        return Told(exact, tuple(read), tuple(conservation(numbers)["problems"]))


def can_tell(plan: Plan, text: str) -> bool:
    try:
        check_told(parse(text), names_of(plan))
    except ReferenceError_:
        return False
    return True


def looked_at(plans: Sequence[Plan]) -> tuple[str, ...]:
    """What any of them expects, and what is usually asked."""
    expected = [e.that.text for plan in plans for e in plan.expect if isinstance(e.that, Reference)]
    usual = [
        f"{each.name}.{metric}"
        for plan in plans
        for section, metrics in _USUAL.items()
        for each in getattr(plan, section)
        for metric in metrics
    ]
    return tuple(text for text in dict.fromkeys([*expected, *usual]) if any(can_tell(plan, text) for plan in plans))


@dataclass(frozen=True)
class Comparison:
    """``answers`` of each column, a replication each; ``asked`` are the references that somebody asked for."""

    plans: Mapping[str, Plan]
    answers: Mapping[str, Sequence[Answer]]
    references: tuple[str, ...]
    asked: tuple[str, ...] = ()
    interrupted_of: int | None = None
    """How many replications there should be (with a precision, at most), where Ctrl-C left fewer."""

    @property
    def names(self) -> list[str]:
        return list(self.plans)

    @property
    def replications(self) -> int:
        return len(self.answers[self.names[0]])

    def _values(self, name: str, reference: str) -> list[Any]:
        return [answer.told.exact[reference] for answer in self.answers[name]]

    def exact(self, name: str, reference: str) -> Estimate:
        """A column's mean, times in ns."""
        return estimate(self._values(name, reference))

    def difference(self, name: str, reference: str) -> Difference:
        """To the first column, over the replications in pairs; times in ns."""
        return difference(self._values(self.names[0], reference), self._values(name, reference))

    @cached_property
    def told(self) -> list[str]:
        """The references that are worth a row: what was asked for, and what is not the same everywhere."""
        return [text for text in self.references if text in self.asked or not self._is_alike(text)]

    def _is_alike(self, reference: str) -> bool:
        return len({tuple(self._values(name, reference)) for name in self.names}) == 1

    def verdicts(self, name: str) -> list[Verdict]:
        """What the column's file expects; that it is expected to fail there counts as a failure here."""
        return decided(self.plans[name], [answer.told.readings for answer in self.answers[name]])

    @property
    def violations(self) -> list[str]:
        return [problem for answers in self.answers.values() for answer in answers for problem in answer.told.problems]

    @property
    def stopped(self) -> list[str]:
        """Columns in which a run did not come to its end."""
        return [name for name, answers in self.answers.items() if any(answer.stopped for answer in answers)]

    # --- for people and machines --------------------------------------------------------------------------------------

    def table(self) -> pd.DataFrame:
        """A row a metric, a column a scenario: means, times in seconds."""
        import pandas as pd

        rows = {text: [self._plain(self.exact(name, text).mean, text) for name in self.names] for text in self.told}
        return pd.DataFrame.from_dict(rows, orient="index", columns=self.names)

    def frame(self) -> pd.DataFrame:
        """A row a metric and scenario: mean and interval, and the difference to the first with its own; in seconds."""
        import pandas as pd

        return pd.DataFrame([self._row(name, text) for text in self.told for name in self.names])

    def _row(self, name: str, text: str) -> dict[str, Any]:
        found, apart = self.exact(name, text), self.difference(name, text)
        low, high = self._plain(found.interval, text) or (None, None)
        gap = Estimate(apart.mean, apart.half)
        least, most = self._plain(gap.interval, text) or (None, None)
        return {
            "metric": text, "scenario": name, "mean": self._plain(found.mean, text), "low": low, "high": high,
            "difference": self._plain(apart.mean, text), "difference_low": least, "difference_high": most,
            "differs": apart.differs,
        }  # fmt: skip

    def json(self) -> dict[str, Any]:
        """As ``compare --json`` prints it."""
        rows = [self._row(name, text) for text in self.told for name in self.names]
        told = {
            "seed": next(iter(self.plans.values())).seed,
            "replications": self.replications,
            "columns": [self._column_json(name, rows) for name in self.names],
            "conservation": {"holds": not self.violations, "problems": self.violations},
        }
        return told if self.interrupted_of is None else told | {"stopped": "interrupted", "of": self.interrupted_of}

    def _column_json(self, name: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        own = [row for row in rows if row["scenario"] == name]
        return {
            "name": name,
            "metrics": {row["metric"]: row["mean"] for row in own},
            "intervals": {row["metric"]: [row["low"], row["high"]] for row in own if row["low"] is not None},
            "differences": {
                row["metric"]: {
                    "mean": row["difference"],
                    "interval": None if row["difference_low"] is None else [row["difference_low"], row["difference_high"]],
                    "differs": row["differs"],
                }
                for row in own
            },
            "expectations": [verdict.json() for verdict in self.verdicts(name)],
            "digests": [answer.digest for answer in self.answers[name]],
        }

    def _plain(self, value: Any, text: str) -> Any:
        return plain(value, dimension(parse(text)))


def compare(
    plans: Mapping[str, Plan], metrics: Sequence[str] = (), wanted: Wanted | None = None, seed: int | None = None
) -> Comparison:
    """All with the seed of the first.  Ctrl-C hands on the comparison of the replications that all of them have."""
    first = next(iter(plans.values()))
    alike = {name: _alike(plan, first.seed if seed is None else seed) for name, plan in plans.items()}
    references = tuple(dict.fromkeys([*metrics, *looked_at(list(plans.values()))]))
    rule = first.precision
    more = () if rule is None else (rule.metric.text,)
    question = Question(tuple(dict.fromkeys([*references, *more])))

    def comparison(answers: list[list[Answer]], interrupted_of: int | None = None) -> Comparison:
        return Comparison(alike, dict(zip(alike, answers, strict=True)), references, tuple(metrics), interrupted_of)

    try:
        return comparison(side_by_side(list(alike.values()), question, _of(more), wanted or Wanted()))
    except Interrupted as stop:
        raise Interrupted(comparison(*stop.done)) from None


def _of(metric: tuple[str, ...]) -> Callable[[Any], Any]:
    return lambda told: told.exact[metric[0]]


def _alike(plan: Plan, seed: int) -> Plan:
    """The same luck; and what is expected to fail is told as what fails."""
    return replace(plan, seed=seed, expect=tuple(replace(each, fails_in=()) for each in plan.expect))
