"""One run, or several replications as one result: means with their half widths, verdicts, and how it ends.

It knows runs (``api``) and exit codes.  A run that did not come to its end judges nothing: its expectations are
inconclusive.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from statistics import fmean
from typing import Any

from qsim.api import Run, Scenario
from qsim.claims.verdicts import FAIL, INCONCLUSIVE, Verdict, verdicts
from qsim.claims.words import plain
from qsim.cli.ends import Exit
from qsim.scenario.plan import Plan
from qsim.study.intervals import Estimate, estimate
from qsim.units import Nanos


@dataclass(frozen=True, slots=True)
class Named:
    """A metric under its broker's name, at the end."""

    found: Estimate
    dimension: str
    says: str


@dataclass
class Outcome:
    """The runs of one scenario; ``wanted`` is how many there should be, ``until`` where they were to stop, ``trace``
    the command that looks into one of them."""

    scenario: Scenario
    runs: list[Run]
    wanted: int
    until: Nanos | None = None
    trace: str = ""
    dropped: Run | None = field(default=None, repr=False)

    def add(self, run: Run) -> None:
        """Of several replications one that was stopped is no sample: it counts only if there is no other."""
        if run.recording.stopped and self.runs:
            self.dropped = run
        else:
            self.runs.append(run)

    @property
    def plan(self) -> Plan:
        return self.scenario.plan

    @property
    def stopped(self) -> str | None:
        """Why it did not come to its end: "interrupted", "max-messages", "memory"."""
        runs = [*self.runs, *([self.dropped] if self.dropped else [])]
        found = next((run.recording.stopped for run in runs if run.recording.stopped), None)
        return found or (None if len(self.runs) == self.wanted else "interrupted")

    @property
    def is_cut(self) -> bool:
        """The run is not the one that the expectations are about."""
        return self.runs[0].recording.stopped is not None or (
            self.until is not None and self.until < self.plan.duration
        )

    # --- judged -------------------------------------------------------------------------------------------------------

    @cached_property
    def verdicts(self) -> list[Verdict]:
        if self.is_cut:
            return [_not_judged(verdict) for verdict in verdicts(self.plan, self._numbers, explained=False)]
        return verdicts(self.plan, self._numbers)

    @property
    def _numbers(self) -> list[Any]:
        return [run.numbers for run in self.runs]

    @cached_property
    def violations(self) -> list[str]:
        """Where something appeared or disappeared; an interrupted run may stand between two rows."""
        judged = [run for run in self.runs if run.recording.stopped != "interrupted"]
        return [problem for run in judged for problem in run.conservation()["problems"]]

    @property
    def gave_up(self) -> bool:
        return any(not run.recording.drained for run in self.runs)

    def exit(self, strict: bool = False, advised: bool = False) -> Exit:
        """``advised``: there was advice, which counts only where it is asked to."""
        if self.stopped is not None:
            return Exit.INTERRUPTED if self.stopped == "interrupted" else Exit.STOPPED
        if self.violations:
            return Exit.STOPPED
        if any(verdict.is_met is False for verdict in self.verdicts):
            return Exit.FAILED
        if strict and any(verdict.is_met is None for verdict in self.verdicts):
            return Exit.INCONCLUSIVE
        return Exit.WRONG if strict and advised else Exit.OK

    # --- numbers ------------------------------------------------------------------------------------------------------

    def exact(self, reference: str) -> Estimate:
        """A reference's value, times in ns."""
        return estimate([run.numbers.exact(reference) for run in self.runs])

    @cached_property
    def by_broker(self) -> dict[str, dict[str, Named]]:
        """{queue: {metric: what it is at the end}}, by the names of each queue's own broker."""
        from qsim.metrics.vendor import VENDOR

        return {q.name: self._by_broker(q.name) for q in self.plan.queues if q.profile.name in VENDOR}

    def _by_broker(self, queue: str) -> dict[str, Named]:
        from qsim.metrics.vendor import at_end, metrics_of

        found = [at_end(run.numbers, queue) for run in self.runs]
        metrics = metrics_of(self.runs[0].numbers, queue)
        return {
            name: Named(estimate([each[name] for each in found]), metric.dimension, metric.says)
            for name, metric in metrics.items()
        }

    def broker_json(self) -> dict[str, dict[str, Any]]:
        """The same for machines, times in seconds."""
        return {
            queue: {name: plain(named.found.mean, named.dimension) for name, named in metrics.items()}
            for queue, metrics in self.by_broker.items()
        }

    def total(self, reference: str) -> int:
        return sum(int(run.numbers.exact(reference) or 0) for run in self.runs)

    @property
    def events(self) -> int:
        """Sends, receives and acks."""
        plan = self.plan
        sent = sum(self.total(f"{producer.name}.sent at end") for producer in plan.producers)
        taken = (
            self.total(f"{queue.name}.{metric} at end") for queue in plan.queues for metric in ("received", "acked")
        )
        return sent + sum(taken)

    @property
    def wall_s(self) -> float:
        return sum(run.recording.wall_s for run in self.runs)

    @cached_property
    def digest(self) -> str:
        """Of one run its own, of several one over theirs in order."""
        digests = [run.digest for run in self.runs]
        return digests[0] if self.wanted == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()

    # --- for machines -------------------------------------------------------------------------------------------------

    def json(self, metrics: tuple[str, ...] = ()) -> dict[str, Any]:
        """What ``--json`` prints."""
        parts = [run.json(metrics) for run in self.runs]
        result = parts[0] if self.wanted == 1 else self._combined(parts)
        result["expectations"] = [verdict.json() for verdict in self.verdicts]
        return result if self.stopped is None else result | {"stopped": self.stopped}

    def _combined(self, parts: list[dict[str, Any]]) -> dict[str, Any]:
        values = {name: [part["metrics"][name] for part in parts] for name in parts[0]["metrics"]}
        estimates = {name: estimate(each) for name, each in values.items()}
        first = {key: value for key, value in parts[0].items() if key != "replication"}
        return first | {
            "replications": len(parts),
            "duration_s": fmean(part["duration_s"] for part in parts),
            "messages": sum(part["messages"] for part in parts),
            "wall_s": self.wall_s,
            "metrics": {name: found.mean for name, found in estimates.items()},
            "intervals": {name: interval for name, found in estimates.items() if (interval := found.interval)},
            "conservation": {"holds": not self.violations, "problems": self.violations},
            "digest": self.digest,
        }


def _not_judged(verdict: Verdict) -> Verdict:
    return replace(verdict, verdict=INCONCLUSIVE, got="not judged: the run was cut short", explanation=[])


def failures(found: Sequence[Verdict]) -> Iterator[Verdict]:
    """What fails, and what was meant to fail and does not."""
    return (verdict for verdict in found if verdict.is_met is False)


__all__ = ["FAIL", "Outcome", "failures"]
