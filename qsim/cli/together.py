"""One run, or several replications as one result: means with their half widths, verdicts, and how it ends.

It knows what runs told (``told``) and exit codes.  A run that did not come to its end judges nothing: its expectations are
inconclusive.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from statistics import fmean
from typing import Any

from qsim.claims.verdicts import FAIL, INCONCLUSIVE, Verdict, decided
from qsim.claims.words import plain
from qsim.cli.ends import Exit
from qsim.cli.told import Told
from qsim.metrics import warmup
from qsim.scenario.plan import Plan, Precision
from qsim.study.intervals import Estimate, estimate
from qsim.study.replicate import Known, known
from qsim.units import Nanos


@dataclass(frozen=True, slots=True)
class Named:
    """A metric under its broker's name, at the end."""

    found: Estimate
    dimension: str
    says: str


@dataclass
class Outcome:
    """What the runs of one plan told; ``wanted`` is how many there should be (with a precision, at most), ``until``
    where they were to stop, ``trace`` the command that looks into one of them."""

    plan: Plan
    wanted: int
    until: Nanos | None = None
    trace: str = ""
    runs: list[Told] = field(default_factory=list)
    dropped: Told | None = field(default=None, repr=False)
    precision: Precision | None = None
    """The rule by which their number was chosen."""

    def add(self, told: Told) -> None:
        """Of several replications one that was stopped is no sample: it counts only if there is no other."""
        if told.stopped and self.runs:
            self.dropped = told
        else:
            self.runs.append(told)

    @property
    def first(self) -> Told:
        return self.runs[0]

    @property
    def stopped(self) -> str | None:
        """Why it did not come to its end: "interrupted", "max-messages", "memory"."""
        runs = [*self.runs, *([self.dropped] if self.dropped else [])]
        found = next((run.stopped for run in runs if run.stopped), None)
        return found or (None if len(self.runs) == self.wanted else "interrupted")

    @property
    def is_cut(self) -> bool:
        """The run is not the one that the expectations are about."""
        return self.first.stopped is not None or (self.until is not None and self.until < self.plan.duration)

    # --- judged -------------------------------------------------------------------------------------------------------

    @cached_property
    def verdicts(self) -> list[Verdict]:
        found = decided(self.plan, [run.readings for run in self.runs])
        return [_not_judged(verdict) for verdict in found] if self.is_cut else found

    @cached_property
    def violations(self) -> list[str]:
        """Where something appeared or disappeared."""
        return [problem for run in self.runs for problem in run.problems]

    @property
    def gave_up(self) -> bool:
        return any(not run.drained for run in self.runs)

    @cached_property
    def known(self) -> Known | None:
        """How well the metric is known whose precision decided how many there are."""
        if self.precision is None:
            return None
        return known([run.exact[self.precision.metric.text] for run in self.runs], self.precision)

    def exit(self, strict: bool = False, advised: bool = False) -> Exit:
        """``advised``: there was advice, which counts only where it is asked to."""
        if self.stopped is not None:
            return Exit.INTERRUPTED if self.stopped == "interrupted" else Exit.STOPPED
        if self.violations:
            return Exit.STOPPED
        if any(verdict.is_met is False for verdict in self.verdicts):
            return Exit.FAILED
        is_open = self.known is not None and not self.known.is_reached
        if strict and (is_open or any(verdict.is_met is None for verdict in self.verdicts)):
            return Exit.INCONCLUSIVE
        return Exit.WRONG if strict and advised else Exit.OK

    # --- numbers ------------------------------------------------------------------------------------------------------

    def exact(self, reference: str) -> Estimate:
        """The value of a reference that was asked for, times in ns."""
        return estimate([run.exact[reference] for run in self.runs])

    @cached_property
    def by_broker(self) -> dict[str, dict[str, Named]]:
        """{queue: {metric: what it is at the end}}, by the names of each queue's own broker."""
        return {queue: self._by_broker(queue) for queue in self.first.by_broker}

    def _by_broker(self, queue: str) -> dict[str, Named]:
        return {
            name: Named(
                estimate([run.by_broker[queue][name].value for run in self.runs]), metric.dimension, metric.says
            )
            for name, metric in self.first.by_broker[queue].items()
        }

    def broker_json(self) -> dict[str, dict[str, Any]]:
        """The same for machines, times in seconds."""
        return {
            queue: {name: plain(named.found.mean, named.dimension) for name, named in metrics.items()}
            for queue, metrics in self.by_broker.items()
        }

    @property
    def events(self) -> int:
        """Sends, receives and acks."""
        return sum(int(run.exact[reference] or 0) for run in self.runs for reference in events(self.plan))

    @property
    def wall_s(self) -> float:
        return sum(run.wall_s for run in self.runs)

    @cached_property
    def digest(self) -> str:
        """Of one run its own, of several one over theirs in order."""
        digests = [run.digest for run in self.runs]
        return digests[0] if self.wanted == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()

    # --- for machines -------------------------------------------------------------------------------------------------

    def json(self) -> dict[str, Any]:
        """What ``--json`` prints."""
        parts = [run.summary for run in self.runs]
        result = {**parts[0]} if self.wanted == 1 else self._combined(parts)
        result["expectations"] = [verdict.json() for verdict in self.verdicts]
        if self.precision is not None and self.known is not None:
            result["precision"] = precision_json(self.precision, self.known)
        if self.first.cut is not None:
            result["warmup"] = warmup.told([run.cut for run in self.runs if run.cut is not None])
        return result if self.stopped is None else result | {"stopped": self.stopped}

    def _combined(self, parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        values = {name: [part["metrics"][name] for part in parts] for name in parts[0]["metrics"]}
        estimates = {name: estimate(each) for name, each in values.items()}
        first = {key: value for key, value in parts[0].items() if key != "replication"}
        return first | {
            "replications": len(parts),
            "duration_s": fmean(part["duration_s"] for part in parts),
            "messages": sum(part["messages"] for part in parts),
            "wall_s": self.wall_s,
            "metrics": {name: found.mean for name, found in estimates.items()},
            "intervals": {name: found.interval for name, found in estimates.items() if found.interval},
            "conservation": {"holds": not self.violations, "problems": self.violations},
            "digest": self.digest,
        }


def events(plan: Plan) -> list[str]:
    """References that add up to sends, receives and acks."""
    taken = [f"{queue.name}.{metric} at end" for queue in plan.queues for metric in ("received", "acked")]
    return [*(f"{producer.name}.sent at end" for producer in plan.producers), *taken]


def precision_json(rule: Precision, found: Known) -> dict[str, Any]:
    """How well a metric is known, and how well was asked for: half of the interval over the mean."""
    return {
        "metric": rule.metric.text,
        "within": found.within,
        "wanted": rule.within,
        "confidence": rule.confidence,
        "reached": found.is_reached,
    }


def _not_judged(verdict: Verdict) -> Verdict:
    return replace(verdict, verdict=INCONCLUSIVE, got="not judged: the run was cut short", explanation=[])


def failures(found: Sequence[Verdict]) -> Iterator[Verdict]:
    """What fails, and what was meant to fail and does not."""
    return (verdict for verdict in found if verdict.is_met is False)


__all__ = ["FAIL", "Outcome", "failures"]
