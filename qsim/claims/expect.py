"""``expect(run).that("orders.wait p95").below("2s")``: the predicates of ``expect:`` in Python.

It knows the words; the judging is ``verdicts``'.  A failure raises CheckFailed, whose text is the explanation.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from qsim.claims.improves import improvement
from qsim.claims.verdicts import FAIL, PASS, Verdict, judge
from qsim.metrics.numbers import Numbers
from qsim.scenario.plan import Expectation
from qsim.scenario.reference import COUNT, RATE, SHARE, TIME, Reference, ReferenceError_, check, dimension, parse
from qsim.units import duration, number, rate, share


class CheckFailed(AssertionError):
    """An expectation that does not hold; ``verdict`` has the numbers."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__("\n".join(verdict.lines()))
        self.verdict = verdict


class Inconclusive(CheckFailed):
    """An expectation that cannot be told: no data, or too few replications."""


def expect(run: Any, than: Any = None) -> Expect:
    """Claims about a run, or about the replications in a list of runs; ``than``: the run, or the replications in the same
    order, that it ``improves`` on."""
    runs, others = _numbers(run), None if than is None else _numbers(than)
    if others is not None and _luck(runs) != _luck(others):
        raise ValueError(f"improves compares runs of the same seeds and replications in pairs, not {_luck(runs)} and {_luck(others)}")
    return Expect(runs, others)


def _numbers(run: Any) -> list[Numbers]:
    runs: list[Any] = list(run) if isinstance(run, list | tuple) else [run]
    return [getattr(one, "numbers", one) for one in runs]


def _luck(runs: list[Numbers]) -> list[tuple[int, int]]:
    return [(run.recording.seed, run.recording.replication) for run in runs]


class Expect:
    """Claims about a whole run; ``that`` begins one about a metric."""

    def __init__(self, runs: list[Numbers], than: list[Numbers] | None = None) -> None:
        self._runs, self._than = runs, than

    def that(self, reference: str) -> That:
        return That(self._runs, reference, self._than)

    def no_message_lost(self) -> Verdict:
        """``lost`` is 0 for every queue."""
        return self._claim("no_message_lost", True)

    def at_most_once(self, queue: str) -> Verdict:
        return self._claim("at_most_once", self._queue(queue))

    def at_least_once(self, queue: str) -> Verdict:
        return self._claim("at_least_once", self._queue(queue))

    def in_order(self, queue: str, by: str = "group") -> Verdict:
        return self._claim("in_order", {"queue": self._queue(queue), "by": by})

    def little_law(self, queue: str, within: Any = "2%") -> Verdict:
        return self._claim("little_law", {"queue": self._queue(queue), "within": float(share(within))})

    def stable(self, queue: str) -> Verdict:
        """No trend in visible after the warm-up."""
        return self._claim("stable", self._queue(queue))

    def _queue(self, name: str) -> str:
        try:
            check(parse(f"{name}.visible"), self._runs[0].names)
        except ReferenceError_ as error:
            raise LookupError(str(error)) from None
        return name

    def _claim(self, predicate: str, value: Any) -> Verdict:
        return _settle(Expectation(None, predicate, predicate, value, None, ()), self._runs)


class That:
    """One metric; each predicate answers with its verdict or raises CheckFailed."""

    def __init__(self, runs: list[Numbers], reference: str, than: list[Numbers] | None = None) -> None:
        self._runs, self._than = runs, than
        try:
            self._that = parse(reference)
            check(self._that, runs[0].names)
        except ReferenceError_ as error:
            raise LookupError(str(error)) from None

    def equals(self, value: Any) -> Verdict:
        return self._judge("is", self._read(value))

    is_ = equals

    def above(self, value: Any) -> Verdict:
        return self._judge("above", self._read(value))

    def below(self, value: Any) -> Verdict:
        return self._judge("below", self._read(value))

    def at_least(self, value: Any) -> Verdict:
        return self._judge("at_least", self._read(value))

    def at_most(self, value: Any) -> Verdict:
        return self._judge("at_most", self._read(value))

    def between(self, least: Any, most: Any) -> Verdict:
        return self._judge("between", (self._read(least), self._read(most)))

    def within(self, tolerance: Any, of: Any) -> Verdict:
        return self._judge("within", (float(share(tolerance)), self._read(of)))

    def grows_at(self, slope: Any, within: Any = "1%") -> Verdict:
        return self._judge("grows_at", (float(_per_second(slope)), float(share(within))))

    def improves(self) -> Verdict:
        """Better than in the runs that ``than`` names: by the differences in pairs, which common luck makes narrow.  More
        is better of what gets done, less of waiting, losing and paying."""
        if self._than is None:
            raise ValueError('improves on what? expect(run, than=base).that("jobs.latency p95").improves()')
        return _settled(improvement(self._that, self._runs, self._than))

    def _read(self, value: Any) -> Any:
        """A quantity with its unit, a number, or another reference of the same dimension."""
        measured = dimension(self._that)
        if isinstance(value, str) and _is_reference(value):
            other = parse(value)
            check(other, self._runs[0].names)
            if dimension(other) != measured:
                raise ValueError(f"{self._that.text} is a {measured}, {value} a {dimension(other)}")
            return other
        return _READ[measured](value)

    def _judge(self, predicate: str, value: Any) -> Verdict:
        return _settle(Expectation(self._that, self._that.text, predicate, value, None, ()), self._runs)


def _settle(expectation: Expectation, runs: list[Numbers]) -> Verdict:
    return _settled(judge(expectation, runs[0].plan, runs))


def _settled(verdict: Verdict) -> Verdict:
    if verdict.verdict == PASS:
        return verdict
    raise CheckFailed(verdict) if verdict.verdict == FAIL else Inconclusive(verdict)


def _is_reference(text: str) -> bool:
    try:
        return isinstance(parse(text), Reference)
    except ReferenceError_:
        return False


def _per_second(value: Any) -> Fraction | float:
    return rate(value) if isinstance(value, str) else value


def _seconds(value: Any) -> int:
    """ "2s", or seconds as ``run["..."]`` gives them."""
    return duration(value) if isinstance(value, str) else round(value * 10**9)


def _plain(value: Any) -> Any:
    return number(value) if isinstance(value, str) else value


_READ = {TIME: _seconds, RATE: _per_second, SHARE: lambda v: share(v) if isinstance(v, str) else v, COUNT: _plain}
