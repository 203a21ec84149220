"""Whether one scenario is better than another: ``expect(run, than=base).that("jobs.latency p95").improves()``.

It knows of which metrics more is better, of which less, and of which neither.  Runs are compared in pairs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from qsim.claims.verdicts import FAIL, INCONCLUSIVE, PASS, Verdict, replications_needed
from qsim.claims.words import plain, say
from qsim.metrics.numbers import Numbers
from qsim.scenario.reference import Reference, dimension
from qsim.study.intervals import estimate, half_width, interval

MORE_IS_BETTER = ("goodput", "throughput", "accepted", "acked", "effects", "published")
NEITHER = (
    "rate", "sent", "received", "count", "busy", "utilization", "moved_in", "moved_out", "copies", "purged", "delayed",
    "deferred", "firing", "fired", "first_fired", "duplicates_suppressed",
)  # fmt: skip
"""More of these is good or bad as one takes it: ``improves`` says nothing of them."""


def improvement(that: Reference, runs: Sequence[Numbers], than: Sequence[Numbers]) -> Verdict:
    """Of a single pair exactly, of several by the interval of the differences."""
    if that.metric in NEITHER:
        raise ValueError(f"more {that.object}.{that.metric} is neither better nor worse: say above() or below() what")
    sign, measured = (1 if that.metric in MORE_IS_BETTER else -1), dimension(that)
    now, then = [run.exact(that) for run in runs], [run.exact(that) for run in than]
    before, after = (say(estimate(values).mean, measured) for values in (then, now))
    verdict, more = _judged([(x, y) for x, y in zip(then, now, strict=True)], sign, measured)
    return Verdict(
        that.text, "improves", plain(estimate(then).mean, measured), plain(estimate(now).mean, measured), verdict,
        f"{'more' if sign > 0 else 'less'} than {before}", after + more,
    )  # fmt: skip


def _judged(pairs: Sequence[tuple[Any, Any]], sign: int, measured: str) -> tuple[str, str]:
    """The verdict, and how well the difference is known."""
    if any(x is None or math.isinf(x) for pair in pairs for x in pair):
        return INCONCLUSIVE, ": there is no difference without data"
    gains = [sign * (y - x) for x, y in pairs]
    low, high = interval(gains)
    verdict = PASS if low > 0 else FAIL if high <= 0 else INCONCLUSIVE
    if len(gains) < 2:
        return verdict, ""
    mean, half = estimate(gains).mean, half_width(gains)
    said = f", a gain of {say(mean, measured)} ±{say(half, measured)} with {len(gains)} replications"
    needed = replications_needed(gains) if verdict == INCONCLUSIVE else None
    return verdict, said if needed is None else f"{said}; about {needed:,} are needed"
