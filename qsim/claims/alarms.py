"""When alerts fired and cleared, and the claim that one of them does.

It knows the rows of alerts, and no metric.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qsim.claims.whole_run import Claim
from qsim.claims.words import say
from qsim.kernel.journal import Kind
from qsim.metrics.numbers import Numbers
from qsim.scenario.reference import TIME
from qsim.units import SECOND, Nanos

PAGE = "page"
"""The severity that wakes somebody up."""
SOONER = "a bound nearer to what is usual, or a shorter for: rings sooner and more often"
LATER = (
    "a bound farther from what is usual, or a longer for: rings later and less often; what customers feel (age, latency) "
    "misleads less than depth"
)
"""What to turn."""


def fires(run: Numbers, value: Mapping[str, Any]) -> Claim:
    """The alert fires, at best before some time (ns; None: at any)."""
    _, index = run.named(value["alert"])
    began, before = [each.start for each in firings(run, index)], value["before"]
    expected = "to fire" + ("" if before is None else f" before {say(before, TIME)}")
    if not began:
        return Claim(False, None, expected, "no alarm: it never fired")
    return Claim(before is None or began[0] < before, began[0] / SECOND, expected, f"{say(began[0], TIME)}")


# --- when -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Span:
    """From, and until when, in ns; ``alert`` is which one fired, if one did."""

    start: Nanos
    end: Nanos
    alert: str = ""


def firings(run: Numbers, index: int) -> list[Span]:
    """When the alert of this number fired, in order."""
    rows = run.ledger.select(Kind.FIRED, Kind.CLEARED, columns=("time", "client", "kind"))
    own = rows.client == index
    times, kinds, name = rows.time[own].tolist(), rows.kind[own].tolist(), run.plan.alerts[index].name
    ends = [*times[1:], run.recording.ended]
    return [Span(t, end, name) for t, end, kind in zip(times, ends, kinds, strict=False) if kind == Kind.FIRED]


def pages(run: Numbers) -> list[Span]:
    """When the alerts fired that page, in order."""
    found = [each for i, alert in enumerate(run.plan.alerts) if alert.severity == PAGE for each in firings(run, i)]
    return sorted(found, key=lambda each: each.start)
