"""What is asked of one run of a sweep, so that nothing else of it has to travel or be kept.

It knows metrics, expectations, and whether messages were conserved; its answers are plain values that JSON can hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from qsim.claims.conservation import conservation
from qsim.claims.verdicts import FAIL, INCONCLUSIVE, Reading, Verdict, decided, readings_of
from qsim.claims.whole_run import Claim
from qsim.metrics.numbers import Numbers, names_of
from qsim.scenario.load import Loaded
from qsim.scenario.plan import Plan
from qsim.scenario.reference import Reference, check_told, parse
from qsim.study.tasks import Answer

MOST_METRICS = 12
"""Of what a file expects so many are shown where nobody says which."""


@dataclass(frozen=True, slots=True)
class Asked:
    """``metrics`` are references."""

    metrics: tuple[str, ...]

    def __call__(self, numbers: Numbers) -> dict[str, Any]:
        """Times in seconds, None without data."""
        return {
            "metrics": [_plain(numbers.value(reference)) for reference in self.metrics],
            "violations": list(conservation(numbers)["problems"]),
            "readings": [_plain_reading(read) for read in readings_of(numbers, explained=False)],
        }


def verdicts(plan: Plan, answers: Sequence[Answer]) -> list[Verdict]:
    """What the plan expects, judged by its replications."""
    return decided(plan, [[_reading(*read) for read in answer.told["readings"]] for answer in answers])


def all_hold(plan: Plan, answers: Sequence[Answer]) -> bool | None:
    """Whether all that the plan expects holds; None: nothing fails, but these replications leave something open."""
    found = {verdict.verdict for verdict in verdicts(plan, answers)}
    return False if FAIL in found else None if INCONCLUSIVE in found else True


def violations(answers: Sequence[Answer]) -> list[str]:
    """Where something appeared or disappeared."""
    return [problem for answer in answers for problem in answer.told["violations"]]


def default_metrics(loaded: Loaded, paths: Sequence[str]) -> tuple[str, ...]:
    """What the file draws over one of these paths, else what it expects, else how long messages take."""
    figures = [figure for figure in loaded.plots if isinstance(figure, dict) and figure.get("x") in paths]
    drawn = [reference for figure in figures for reference in _listed(figure.get("y"))]
    expected = [expectation.that.text for expectation in loaded.plan.expect if isinstance(expectation.that, Reference)]
    named = [loaded.plan.queues[source].name for c in loaded.plan.consumers for source in c.sources]
    always = [f"{name}.latency p95" for name in named]
    return tuple(dict.fromkeys(drawn or expected or always))[:MOST_METRICS]


def with_precision(metrics: Sequence[str], plans: Sequence[Plan], replications: int | None) -> tuple[str, ...]:
    """And what decides how often each of them is run, where no number says it."""
    rules = [] if replications else [plan.precision.metric.text for plan in plans if plan.precision is not None]
    return tuple(dict.fromkeys([*metrics, *rules]))


def check_told_by(plans: Sequence[Plan], metric: str) -> None:
    """Whether every one of them can tell it; raises ReferenceError_."""
    reference = parse(metric)
    for plan in plans:
        check_told(reference, names_of(plan))


def _listed(given: Any) -> list[str]:
    return given if isinstance(given, list) else [given]


# --- readings as plain values -----------------------------------------------------------------------------------------


def _plain_reading(read: Reading) -> list[Any]:
    claim = read.claim and [_plain(getattr(read.claim, name)) for name in _CLAIM]
    return [read.replication, read.seed, _plain(read.observed), _plain(read.value), claim]


def _reading(replication: int, seed: int, observed: Any, value: Any, claim: list[Any] | None) -> Reading:
    made = claim and Claim(**dict(zip(_CLAIM, map(_back, claim), strict=True)))
    return Reading(replication, seed, _back(observed), _back(value), made or None)


_CLAIM = tuple(field.name for field in fields(Claim) if field.name != "messages")


def _plain(value: Any) -> Any:
    """JSON has lists for tuples, and no numbers of numpy's."""
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    return value.item() if hasattr(value, "item") else value


def _back(value: Any) -> Any:
    return tuple(_back(part) for part in value) if isinstance(value, list) else value
