"""What a scenario expects, judged: one verdict an expectation.

It knows predicates as margins: a predicate holds where all its margins are above 0 (or, where equality will do, not
below).  One run is compared exactly; several by the 95 % interval of the margins, which may leave it open.
``is`` and the claims about a whole run must hold in every replication.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from numbers import Rational
from statistics import fmean
from typing import Any

from qsim.claims import explain
from qsim.claims.table import CLAIMS
from qsim.claims.whole_run import Claim
from qsim.claims.words import plain, say
from qsim.metrics.numbers import Numbers
from qsim.scenario.plan import Expectation, Plan
from qsim.scenario.reference import RATE, TIME, Reference, dimension
from qsim.study.intervals import half_width, interval
from qsim.units import SECOND

PASS, FAIL, INCONCLUSIVE = "pass", "fail", "inconclusive"
GROWTH_WITHIN = 0.01
"""How near ``grows_at`` must be where nothing is said."""


_HOLDS = {"is": " is", **dict.fromkeys(CLAIMS, ":")}
"""What stands between what was asked and what holds: "orders.visible is 0", "stable orders: no trend in visible"."""


@dataclass(frozen=True, slots=True, repr=False)
class Verdict:
    """``verdict`` is what the comparison says; ``expected_failure``: in this variant it is meant to fail.

    ``value``, ``observed`` and ``interval`` (95 %) are for machines (seconds); ``expected`` and ``got`` say them in words.
    ``needed``: about so many replications would decide what is inconclusive; None where no number of them would.
    """

    that: str
    predicate: str
    value: Any
    observed: Any
    verdict: str
    expected: str
    got: str
    interval: tuple[float, float] | None = None
    needed: int | None = None
    expected_failure: bool = False
    explanation: list[explain.Section] = field(default_factory=list)

    @property
    def is_met(self) -> bool | None:
        """What counts for the exit code: a failure that is meant is met, and one that does not come is not."""
        return None if self.verdict == INCONCLUSIVE else (self.verdict == PASS) != self.expected_failure

    @property
    def mark(self) -> str:
        """✓, ✗, ✗ expected or ?"""
        if self.verdict == INCONCLUSIVE:
            return "?"
        if self.verdict == PASS:
            return "✗" if self.expected_failure else "✓"
        return "✗ expected" if self.expected_failure else "✗"

    def lines(self, *, without: tuple[str, ...] = ()) -> list[str]:
        """The first line says what was expected and what was seen, the others why; ``without`` the sections of these heads."""
        if self.verdict == PASS and not self.expected_failure:
            return [f"✓ {self.that}{_HOLDS.get(self.predicate, '')} {self.expected}"]
        if self.verdict == PASS:
            return [f"✗ {self.that}: expected to fail here, but it is {self.expected}: got {self.got}"]
        told = [section for section in self.explanation if section.head not in without]
        return [f"{self.mark} {self.that}: expected {self.expected}, got {self.got}", *explain.laid_out(told)]

    def __repr__(self) -> str:
        return "\n".join(self.lines())

    def json(self) -> dict[str, Any]:
        """As ``run --json`` prints it; what only several replications have, where there are several."""
        keys = ("that", "predicate", "value", "observed", "verdict", "expected_failure")
        several = {} if self.interval is None else {"interval": list(self.interval), "needed": self.needed}
        return {key: getattr(self, key) for key in keys} | {"met": self.is_met} | several


@dataclass(frozen=True, slots=True)
class Reading:
    """What one run says of one expectation: all that is needed of it to judge.  It travels between processes."""

    replication: int
    seed: int
    observed: Any
    value: Any = None
    """With its references looked up in this run."""
    claim: Claim | None = None
    explanation: tuple[explain.Section, ...] = ()


def verdicts(plan: Plan, runs: Sequence[Numbers], *, explained: bool = True) -> list[Verdict]:
    """One verdict for each expectation of the plan; ``runs`` are its replications."""
    return [judge(expectation, plan, runs, explained=explained) for expectation in plan.expect]


def judge(expectation: Expectation, plan: Plan, runs: Sequence[Numbers], *, explained: bool = True) -> Verdict:
    """One expectation against the runs."""
    readings = [reading(expectation, run) for run in runs]
    verdict = decide(expectation, plan, readings)
    if explained and verdict.verdict != PASS and not verdict.expected_failure:
        verdict.explanation.extend(explain.failure(expectation, runs[_decisive(expectation, readings)]))
    return verdict


def told_of(expectation: Expectation, runs: Sequence[Numbers]) -> Numbers:
    """The run that an explanation tells of."""
    return runs[_decisive(expectation, [reading(expectation, run) for run in runs])] if len(runs) > 1 else runs[0]


# --- reading a run, and deciding over readings ------------------------------------------------------------------------


def readings_of(run: Numbers, *, explained: bool = True, stands_for_all: bool = False) -> list[Reading]:
    """What this run says of every expectation of its plan.  What does not hold here tells why; of the run that
    ``stands_for_all`` the others too, which several runs may leave open."""
    found = [reading(expectation, run) for expectation in run.plan.expect]
    if not explained:
        return found
    return [_explained(each, read, run, stands_for_all) for each, read in zip(run.plan.expect, found, strict=True)]


def _explained(expectation: Expectation, read: Reading, run: Numbers, always: bool) -> Reading:
    is_asked = always or _alone(expectation, read) != PASS
    if not is_asked or run.plan.variant in expectation.fails_in:
        return read
    return replace(read, explanation=tuple(explain.failure(expectation, run)))


def decided(plan: Plan, runs: Sequence[Sequence[Reading]]) -> list[Verdict]:
    """One verdict for each expectation, from the readings of each run."""
    return [decide(expectation, plan, each) for expectation, *each in zip(plan.expect, *runs, strict=True)]


def reading(expectation: Expectation, run: Numbers) -> Reading:
    """What one run says of it, unexplained."""
    replication, seed = run.recording.replication, run.recording.seed
    if expectation.that is None:
        claim = CLAIMS[expectation.predicate](run, expectation.value)
        return Reading(replication, seed, claim.observed, claim=replace(claim, messages=()))
    that, is_slope = expectation.that, expectation.predicate == "grows_at"
    observed = _slope(run, that) if is_slope else run.exact(that)
    return Reading(replication, seed, observed, _value(run, expectation))


def decide(expectation: Expectation, plan: Plan, readings: Sequence[Reading]) -> Verdict:
    """The verdict over all of them; why it is so stands in the reading that decides."""
    verdict = Verdict(**_made(expectation, readings), expected_failure=plan.variant in expectation.fails_in)
    if verdict.verdict != PASS and not verdict.expected_failure:
        verdict.explanation.extend(readings[_decisive(expectation, readings)].explanation)
    return verdict


def _made(expectation: Expectation, readings: Sequence[Reading]) -> dict[str, Any]:
    return (_claim if expectation.that is None else _comparison)(expectation, readings)


def _alone(expectation: Expectation, read: Reading) -> str:
    return str(_made(expectation, [read])["verdict"])


def _decisive(expectation: Expectation, readings: Sequence[Reading]) -> int:
    """The run to tell about: the first that fails on its own, else the first."""
    return next((i for i, read in enumerate(readings) if _alone(expectation, read) == FAIL), 0)


# --- claims about the whole run ---------------------------------------------------------------------------------------


def _claim(expectation: Expectation, readings: Sequence[Reading]) -> dict[str, Any]:
    found = [read.claim for read in readings if read.claim is not None]
    holds = [claim.holds for claim in found]
    worst = next((c for c in found if c.holds is False), next((c for c in found if c.holds is None), found[0]))
    return {
        "that": expectation.predicate + _of(expectation.value) if expectation.text == expectation.predicate else expectation.text,
        "predicate": expectation.predicate,
        "value": expectation.value,
        "observed": worst.observed,
        "verdict": FAIL if False in holds else INCONCLUSIVE if None in holds else PASS,
        "expected": worst.expected,
        "got": worst.got + ("" if all(holds) else _where(readings, found.index(worst))),
    }


def _of(value: Any) -> str:
    if value is True:
        return ""
    return f" {value.get('queue', '') if isinstance(value, dict) else value}".rstrip()


def _where(readings: Sequence[Reading], i: int) -> str:
    return f" in replication {readings[i].replication} of seed {readings[i].seed}" if len(readings) > 1 else ""


# --- comparisons ------------------------------------------------------------------------------------------------------

Margin = Callable[[Any, Any], float]
_MARGINS: dict[str, tuple[tuple[Margin, bool], ...]] = {
    "above": ((lambda x, v: x - v, True),),
    "below": ((lambda x, v: v - x, True),),
    "at_least": ((lambda x, v: x - v, False),),
    "at_most": ((lambda x, v: v - x, False),),
    "never_exceeds": ((lambda x, v: v - x, False),),
    "drains_by": ((lambda x, v: v - x, False),),
    "between": ((lambda x, v: x - v[0], False), (lambda x, v: v[1] - x, False)),
    "within": (
        (lambda x, v: x - v[1] + v[0] * abs(v[1]), False),
        (lambda x, v: v[1] + v[0] * abs(v[1]) - x, False),
    ),
}
"""Of each predicate: margins of an observed value x and a value v, and whether 0 is too little."""


def _comparison(expectation: Expectation, readings: Sequence[Reading]) -> dict[str, Any]:
    that, predicate = expectation.that, expectation.predicate
    assert isinstance(that, Reference)
    measured = RATE if predicate == "grows_at" else dimension(that)
    observed, values = [read.observed for read in readings], [read.value for read in readings]
    verdict, got, needed = _compared(predicate, readings, measured)
    seen = interval(observed) if len(observed) > 1 and _known(observed) else None
    return {
        "that": expectation.text,
        "predicate": predicate,
        "value": plain(expectation.value, measured),
        "observed": plain(_mean(observed), measured),
        "verdict": verdict,
        "expected": _expected(predicate, expectation.value, values[0], measured),
        "got": got,
        "interval": None if seen is None else (plain(seen[0], measured), plain(seen[1], measured)),
        "needed": needed,
    }


def _value(run: Numbers, expectation: Expectation) -> Any:
    """The value with its references looked up in this run."""
    if expectation.predicate == "grows_at":
        rate, share = expectation.value if isinstance(expectation.value, tuple) else (expectation.value, None)
        return GROWTH_WITHIN if share is None else share, rate
    return _looked_up(run, expectation.value)


def _looked_up(run: Numbers, value: Any) -> Any:
    if isinstance(value, tuple | list):
        parts = [_looked_up(run, part) for part in value]
        return None if None in parts else tuple(parts)
    return run.exact(value) if isinstance(value, Reference) else value


def _slope(run: Numbers, that: Reference) -> float | None:
    """Growth a second from just before the window to just before its end."""
    start, end = run.time_window(that, averages=True)
    function = run.function(that)
    first, last = (function.at(start - 1) if start else 0), function.at(end - 1)
    if first is None or last is None or end <= start:
        return None
    scale = 1 if dimension(that) == TIME else SECOND
    return (last - first) * scale / (end - start)


def _compared(predicate: str, readings: Sequence[Reading], measured: str) -> tuple[str, str, int | None]:
    """The verdict, what was seen in words, and how many replications would decide."""
    observed, values = [read.observed for read in readings], [read.value for read in readings]
    if not _known(observed) or None in values:
        missing = sum(x is None for x in observed)
        where = f" in {missing} of {len(observed)} replications" if len(observed) > 1 else ""
        return INCONCLUSIVE, "no data" + where, None
    if predicate == "is":
        return *_exactly(observed, values, readings, measured), None
    margins = [
        ([margin(x, v) for x, v in zip(observed, values, strict=True)], strict)
        for margin, strict in _MARGINS[{"grows_at": "within"}.get(predicate, predicate)]
    ]
    found = [_sign(ms, strict) for ms, strict in margins]
    verdict = FAIL if FAIL in found else INCONCLUSIVE if INCONCLUSIVE in found else PASS
    needed = replications_needed(margins[found.index(INCONCLUSIVE)][0]) if verdict == INCONCLUSIVE else None
    return verdict, say(_mean(observed), measured) + _precision(observed, verdict, needed, measured), needed


def _exactly(observed: list[Any], values: list[Any], readings: Sequence[Reading], measured: str) -> tuple[str, str]:
    differ = [i for i, (x, v) in enumerate(zip(observed, values, strict=True)) if not is_equal(x, v)]
    if not differ:
        return PASS, say(observed[0], measured)
    return FAIL, say(observed[differ[0]], measured) + _where(readings, differ[0])


def is_equal(x: Any, value: Any) -> bool:
    """Counts and times exactly, shares and means within 1e-9."""
    if isinstance(x, int) and isinstance(value, Rational):
        return x == value
    return math.isclose(float(x), float(value), rel_tol=1e-9, abs_tol=1e-9)


def _sign(margins: list[float], strict: bool) -> str:
    """Whether the margin is above 0: of one run exactly, of several by its interval."""
    low, high = interval(margins)
    if low > 0 or (low == 0 and not strict):
        return PASS
    return FAIL if high < 0 or (high == 0 and strict) else INCONCLUSIVE


def _precision(observed: list[Any], verdict: str, needed: int | None, measured: str) -> str:
    """ " ±0.31 s with 10 replications; about 42 are needed" """
    if len(observed) == 1 or len(set(observed)) == 1 or any(math.isinf(x) for x in observed):
        return ""
    said = f" ±{say(half_width(observed), measured)} with {len(observed)} replications"
    if verdict != INCONCLUSIVE:
        return said
    return f"{said}; no number of them would decide" if needed is None else f"{said}; about {needed:,} are needed"


def replications_needed(margins: list[float]) -> int | None:
    """About so many replications have an interval of the margin that ends where the margin is 0."""
    if len(margins) < 2 or any(math.isinf(x) for x in margins) or not fmean(margins):
        return None
    needed = math.ceil(len(margins) * (half_width(margins) / fmean(margins)) ** 2)
    return max(needed, len(margins) + 1)


def _known(observed: list[Any]) -> bool:
    return None not in observed


def _mean(observed: list[Any]) -> Any:
    if not _known(observed):
        return None
    return observed[0] if len(set(observed)) == 1 else fmean(observed)


# --- words ------------------------------------------------------------------------------------------------------------


def _expected(predicate: str, value: Any, looked_up: Any, measured: str) -> str:
    if predicate == "between":
        return f"between {_with_value(value[0], looked_up and looked_up[0], measured)} and " + _with_value(
            value[1], looked_up and looked_up[1], measured
        )
    if predicate == "within":
        return f"within {say(value[0], 'share')} of {_with_value(value[1], looked_up and looked_up[1], measured)}"
    if predicate == "grows_at":
        return f"to grow at {say(looked_up[1], RATE)} within {say(looked_up[0], 'share')}"
    said = _with_value(value, looked_up, measured)
    return said if predicate == "is" else f"{_SAID.get(predicate) or predicate.replace('_', ' ')} {said}"


_SAID = {"never_exceeds": "never to exceed", "drains_by": "to drain by"}


def _with_value(value: Any, looked_up: Any, measured: str) -> str:
    if isinstance(value, Reference):
        return f"{value.text} ({say(looked_up, measured)})"
    return say(value, measured)
