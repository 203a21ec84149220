"""The rows with no chance in them: what arithmetic says to the nanosecond, or to the message.

It knows scenarios and sums.  Each holds exactly or not at all; that of Lindley and that of Little hold for every run,
also for a random one, whatever was drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from qsim.kernel.journal import Kind
from qsim.metrics.numbers import Numbers

Measured = Callable[[Numbers], Any]


@dataclass(frozen=True, slots=True)
class Exact:
    """``that`` is a reference, times in ns; or a function of a run that gives what was seen and what it should be."""

    model: str
    setting: str
    what: str
    truth: float | None
    that: str | Callable[[Numbers], tuple[float, float]]
    scenario: str
    seconds: int


def measure(row: Exact, numbers: Numbers) -> tuple[float | None, float | None]:
    """What was seen, and what it should be."""
    if callable(row.that):
        return row.that(numbers)
    return numbers.exact(row.that), row.truth


def lindley(numbers: Numbers) -> tuple[float, float]:
    """The sum of all waits, and what W(k+1) = max(0, W(k) + S(k) − T(k)) makes of the run's own arrivals and services.

    D. V. Lindley, *The Theory of Queues with a Single Server* (1952).
    """
    rows = numbers.recording.rows()
    sent, begun, done = (rows["time"][rows["kind"] == kind] for kind in (Kind.SENT, Kind.RECEIVED, Kind.ACKED))
    wait = total = 0
    for k in range(len(sent) - 1):
        wait = max(0, wait + int(done[k] - begun[k]) - int(sent[k + 1] - sent[k]))
        total += wait
    return int((begun - sent).sum()), total


def little(numbers: Numbers) -> tuple[float, float]:
    """The area under the number inside, and the sum of the times inside: L T = Σ W, of any run that ends empty."""
    mean = numbers.exact("q.depth mean")
    inside = numbers.exact("q.latency total")
    assert mean is not None and inside is not None
    return round(mean * numbers.recording.ended), int(inside)


def _one(consumer: str, producer: str, queue: str = "", more: str = "") -> str:
    return f"""
queues: {{q: {{{queue}}}{more}}}
producers: {{p: {{to: q, arrivals: regular, {producer}}}}}
consumers: {{c: {{from: q, {consumer}}}}}
"""


_S = 10**9
_LEASE = "count: 9, service: 100s"
_RANDOM = """
queues: {q: {}}
producers: {p: {to: q, rate: 1/s, limit: 5000}}
consumers: {c: {from: q, service: {exponential: {mean: 900ms}}}}
"""
_MANY = _RANDOM.replace("mean: 900ms}}", "mean: 3600ms}}, count: 4, failures: {error: 0.1}")

EXACT = (
    Exact("D/D/1", "ρ 0.8", "longest wait", 0, "q.wait max", _one("service: 800ms", "rate: 1/s"), 1000),
    Exact("D/D/1", "ρ 1", "longest wait", 0, "q.wait max", _one("service: 1s", "rate: 1/s"), 1000),
    Exact("D/D/1", "ρ 0.8", "busy, ns", 800 * _S, lambda n: _busy(n, 800 * _S), _one("service: 800ms", "rate: 1/s"), 1000),
    Exact("D/D/1", "ρ 1.25", "longest wait, ns", 799 * _S // 4, "q.wait max", _one("service: 1250ms", "rate: 1/s"), 1000),
    Exact("D/D/8", "1000/s, 8 x 100/s", "backlog", 12_000, "q.visible at end", _one("count: 8, service: 10ms", "rate: 1000/s"), 60),
    Exact("D/D/8", "1000/s, 8 x 100/s", "in flight", 8, "q.in_flight at end", _one("count: 8, service: 10ms", "rate: 1000/s"), 60),
    Exact("drain", "1000 left, 50/s over", "empty at, ns", 30 * _S - _S // 100, "q.drained_at",
          _one("service: 10ms", "rate: 150/s, stages: [{hold: 20s}, {jump: 0/s}]"), 60),
    Exact("D/D/1/1", "2/s, 1 s of work", "refused", 100, "p.rejected total",
          _one("service: 1s", "rate: 2/s", "capacity: {messages: 1, when_full: reject}"), 100),
    Exact("lease", "30 s, 100 s of work", "2nd receive, ns", 30 * _S, "q.second_receive max",
          _one(_LEASE, "rate: 1/s, limit: 1", "visibility_timeout: 30s"), 200),
    Exact("lease", "30 s, 100 s of work", "effects", 5, "c.effects total",
          _one(_LEASE, "rate: 1/s, limit: 1", "visibility_timeout: 30s, dlq: {queue: d, max_receives: 5}", ", d: {}"), 400),
    Exact("lease", "30 s, 5 receives", "to the dlq, ns", 150 * _S, lambda n: _moved_at(n, 150 * _S),
          _one(_LEASE, "rate: 1/s, limit: 1", "visibility_timeout: 30s, dlq: {queue: d, max_receives: 5}", ", d: {}"), 400),
    Exact("lease", "as long as the work", "leases lost", 0, "q.lease_expired total",
          _one("count: 9, service: 5s", "rate: 1/s", "visibility_timeout: 5s"), 1000),
    Exact("heartbeat", "30 s, 100 s of work", "leases lost", 0, "q.lease_expired total",
          _one(_LEASE + ", heartbeat: {every: 20s, extend_to: 30s}", "rate: 1/s, limit: 5", "visibility_timeout: 30s"), 400),
    Exact("Lindley", "M/M/1, ρ 0.9", "all waits, ns", None, lindley, _RANDOM, 20_000),
    Exact("Little", "M/M/1, ρ 0.9", "L T = ΣW, ns", None, little, _RANDOM, 20_000),
    Exact("Little", "M/M/4, 10% fail", "L T = ΣW, ns", None, little, _MANY, 40_000),
)  # fmt: skip


def _busy(numbers: Numbers, truth: int) -> tuple[float, float]:
    rows = numbers.recording.rows()
    begun, done = (int(rows["time"][rows["kind"] == kind].sum()) for kind in (Kind.RECEIVED, Kind.ACKED))
    return done - begun, truth


def _moved_at(numbers: Numbers, truth: int) -> tuple[float, float]:
    rows = numbers.recording.rows()
    return int(rows["time"][rows["kind"] == Kind.DEAD_LETTERED][0]), truth
