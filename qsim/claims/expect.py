"""``expect(run).that("orders.wait p95").below("2s")``: the predicates of ``expect:`` in Python.

It knows the words; the judging is ``verdicts``'.  A failure raises CheckFailed, whose text is the explanation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

from qsim.claims import explain
from qsim.claims.catching import Bound, bound_on, catch
from qsim.claims.improves import improvement
from qsim.claims.verdicts import FAIL, PASS, Verdict, judge, told_of
from qsim.claims.what_if import WHAT_IF, what_if
from qsim.claims.words import meant
from qsim.metrics.numbers import Numbers
from qsim.scenario.cell import ToldInACell
from qsim.scenario.plan import Expectation
from qsim.scenario.problems import close_to
from qsim.scenario.reference import (
    RATE,
    SERIES,
    SHARE,
    TIME,
    Reference,
    ReferenceError_,
    check,
    dimension,
    parse,
    type_of,
)  # fmt: skip
from qsim.units import share


class CheckFailed(ToldInACell, AssertionError):
    """An expectation that does not hold; ``verdict`` has the numbers."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__("\n".join(verdict.lines()))
        self.verdict = verdict


class NotThere(ToldInACell, LookupError):
    """A name or a metric that the run has not."""


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

    def each_reply_matches_its_request(self) -> Verdict:
        """Nobody takes a reply to another's request from a reply queue that they share."""
        return self._claim("each_reply_matches_its_request", True)

    def never_exceeds(self, reference: str, most: Any) -> Verdict:
        """``expect(run).never_exceeds("orders.visible", 6_000)``"""
        return self.that(reference).never_exceeds(most)

    def each_message(self, queue: str) -> EachMessage:
        """Claims about every message of a queue or topic."""
        return EachMessage(self._runs, _named(self._runs, queue, "queue", "topic"))

    def alert(self, name: str) -> Alert:
        return Alert(self._runs, _named(self._runs, name, "alert"))

    @property
    def alerts(self) -> Alerts:
        """All alerts together."""
        return Alerts(self._runs)

    def bottleneck(self) -> Bottleneck:
        """What keeps work waiting for the longest time: a dependency whose places are all taken, or else a consumer."""
        return Bottleneck(self._runs)

    def _queue(self, name: str) -> str:
        return _named(self._runs, name, "queue")

    def _claim(self, predicate: str, value: Any) -> Verdict:
        return _claimed(predicate, value, self._runs)


@dataclass(frozen=True, slots=True)
class EachMessage:
    """Claims about every message of a queue or topic; copies count as the message of which they are."""

    runs: list[Numbers]
    queue: str

    def runs_at_most(self, times: int) -> Verdict:
        """It has at most so many effects at one consumer: effects, not deliveries."""
        return self._claim("runs_at_most", {"queue": self.queue, "times": times})

    def reaches(self, who: str | Sequence[str]) -> Verdict:
        """It has an effect at each of these consumers, or comes into each of these queues."""
        names = [who] if isinstance(who, str) else list(who)
        checked = [_named(self.runs, name, "consumer", "queue") for name in names]
        return self._claim("reaches", {"queue": self.queue, "who": checked})

    def _claim(self, predicate: str, value: Any) -> Verdict:
        return _claimed(predicate, value, self.runs, f"each message of {self.queue}")


@dataclass(frozen=True, slots=True)
class Alert:
    """Claims about one alert."""

    runs: list[Numbers]
    name: str

    def fires(self, before: Any = None) -> Verdict:
        """It fires, and where ``before`` says so, before that time."""
        value = {"alert": self.name, "before": None if before is None else meant(before, TIME)}
        return _claimed("fires", value, self.runs, f"alert {self.name}")


@dataclass(frozen=True, slots=True)
class Alerts:
    """Claims about all alerts together."""

    runs: list[Numbers]

    def catch(
        self, incident: str, *, above: Any = None, below: Any = None, within: Any = "2m", false_pages: int = 0
    ) -> Verdict:
        """Whenever the incident is there, ``catch("orders.latency > 2m")`` or ``catch("orders.latency", above="2m")``, an
        alert of severity ``page`` fires at most ``within`` after it begins, and at most so many page without one; over all
        runs together.  Of a value a message, p95 over the last minute where no statistic is said."""
        return _settled(catch(self.runs, _bound(self.runs, incident, above, below), meant(within, TIME), false_pages))


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """Claims about what keeps work waiting."""

    runs: list[Numbers]

    def is_(self, name: str) -> Verdict:
        """A dependency or a consumer."""
        value = {"name": _named(self.runs, name, "dependency", "consumer")}
        return _claimed("bottleneck", value, self.runs, "bottleneck")

    equals = is_


def _named(runs: list[Numbers], name: str, *kinds: str) -> str:
    """The name, if there is such a thing; LookupError with what was meant, if not."""
    known = [each for each, kind in runs[0].names.kinds.items() if kind in kinds]
    if name in known:
        return name
    near = close_to(str(name), known)
    hint = f"did you mean '{near}'?" if near else f"there is {', '.join(known) or 'none'}"
    raise NotThere(f"there is no {' or '.join(kinds)} called '{name}'; {hint}")


def _bound(runs: list[Numbers], incident: str, above: Any, below: Any) -> Bound:
    """ "orders.latency > 2m", or a reference and ``above`` or ``below``."""
    reference, sign, limit = next((incident.partition(sign) for sign in "<>" if sign in incident), (incident, "", ""))
    given = [(is_above, v) for is_above, v in ((sign == ">", limit.strip() or None), (True, above), (False, below)) if v is not None]
    if len(given) != 1:
        raise ValueError(f'catch("orders.latency > 2m"), or catch("orders.latency", above="2m"), not {incident!r}')
    try:
        that = bound_on(reference.strip(), given[0][0])
        check(that, runs[0].names)
    except ReferenceError_ as error:
        raise NotThere(str(error)) from None
    return Bound(that, given[0][0], float(meant(given[0][1], dimension(that))))


def _claimed(predicate: str, value: Any, runs: list[Numbers], text: str | None = None) -> Verdict:
    return _settle(Expectation(None, text or predicate, predicate, value, None, ()), runs)


class That:
    """One metric; each predicate answers with its verdict or raises CheckFailed."""

    def __init__(self, runs: list[Numbers], reference: str, than: list[Numbers] | None = None) -> None:
        self._runs, self._than = runs, than
        try:
            self._that = parse(reference)
            check(self._that, runs[0].names)
        except ReferenceError_ as error:
            raise NotThere(str(error)) from None

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
        return self._judge("grows_at", (float(meant(slope, RATE)), float(share(within))))

    def drains_by(self, time: Any) -> Verdict:
        """By then it has been 0 once after its largest value: of ``visible`` of a queue."""
        that = self._that
        if that.metric not in ("visible", "drained_at") or that.statistic or that.at is not None:
            raise ValueError(f'{that.text}: that("orders.visible").drains_by("20m") asks when a queue was empty again')
        drained = replace(that, metric="drained_at", text=f"{that.object}.drained_at")
        return self._judge("drains_by", meant(time, TIME), drained)

    def never_exceeds(self, most: Any) -> Verdict:
        """At no moment after the warm-up (or of the window that the reference names) is it more."""
        that = self._that
        if type_of(that) != SERIES or that.statistic or that.at is not None:
            raise ValueError(f'{that.text}: that("orders.visible").never_exceeds(6_000) is of a metric over time')
        return self._judge("never_exceeds", self._read(most), replace(that, statistic="max"))

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
        if isinstance(value, bool) or not isinstance(value, str | Real):
            raise ValueError(f"{self._that.text} is compared with {_LIKE.get(measured, 'a number')}, not with {value!r:.80}")
        return meant(value, measured)

    def _judge(self, predicate: str, value: Any, that: Reference | None = None) -> Verdict:
        return _settle(Expectation(that or self._that, self._that.text, predicate, value, None, ()), self._runs)


_LIKE = {TIME: 'a time like "5s"', RATE: 'a rate like "20/s"', SHARE: 'a share like "5%"'}


def _settle(expectation: Expectation, runs: list[Numbers]) -> Verdict:
    verdict = judge(expectation, runs[0].plan, runs, explained=False)
    if verdict.verdict != PASS:
        run = told_of(expectation, runs)
        further = what_if(expectation, run) if verdict.verdict == FAIL else []
        verdict.explanation[:] = explain.failure(expectation, run, explain.Section(WHAT_IF, tuple(further)))
    return _settled(verdict)


def _settled(verdict: Verdict) -> Verdict:
    if verdict.verdict == PASS:
        return verdict
    raise CheckFailed(verdict) if verdict.verdict == FAIL else Inconclusive(verdict)


def _is_reference(text: str) -> bool:
    try:
        return isinstance(parse(text), Reference)
    except ReferenceError_:
        return False
