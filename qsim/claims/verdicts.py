"""What a scenario expects, judged: one verdict an expectation.

It knows predicates as margins: a predicate holds where all its margins are above 0 (or, where equality will do, not
below).  One run is compared exactly; several by the 95 % interval of the margins, which may leave it open.
``is`` and the claims about a whole run must hold in every replication.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from numbers import Rational
from statistics import fmean, stdev
from typing import Any

from qsim.claims import explain, whole_run
from qsim.claims.words import plain, say
from qsim.metrics.numbers import Numbers
from qsim.scenario.plan import Expectation, Plan
from qsim.scenario.reference import RATE, TIME, Reference, dimension
from qsim.units import SECOND

PASS, FAIL, INCONCLUSIVE = "pass", "fail", "inconclusive"
CONFIDENCE = 0.95
GROWTH_WITHIN = 0.01
"""How near ``grows_at`` must be where nothing is said."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """``verdict`` is what the comparison says; ``expected_failure``: in this variant it is meant to fail.

    ``value``, ``observed`` and ``interval`` are for machines (seconds); ``expected`` and ``got`` say them in words.
    """

    that: str
    predicate: str
    value: Any
    observed: Any
    verdict: str
    expected: str
    got: str
    interval: tuple[float, float] | None = None
    expected_failure: bool = False
    explanation: list[str] = field(default_factory=list)

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

    def lines(self) -> list[str]:
        """The first line says what was expected and what was seen, the others why."""
        if self.verdict == PASS and not self.expected_failure:
            return [f"✓ {self.that} {'is ' if self.predicate == 'is' else ''}{self.expected}"]
        if self.verdict == PASS:
            return [f"✗ {self.that}: expected to fail here, but it is {self.expected}: got {self.got}"]
        return [f"{self.mark} {self.that}: expected {self.expected}, got {self.got}", *self.explanation]

    def json(self) -> dict[str, Any]:
        """As ``run --json`` prints it."""
        keys = ("that", "predicate", "value", "observed", "verdict", "expected_failure")
        return {key: getattr(self, key) for key in keys} | {"met": self.is_met}


def verdicts(plan: Plan, runs: Sequence[Numbers], *, explained: bool = True) -> list[Verdict]:
    """One verdict for each expectation of the plan; ``runs`` are its replications."""
    return [judge(expectation, plan, runs, explained=explained) for expectation in plan.expect]


def judge(expectation: Expectation, plan: Plan, runs: Sequence[Numbers], *, explained: bool = True) -> Verdict:
    """One expectation against the runs."""
    made = _claim(expectation, runs) if expectation.that is None else _comparison(expectation, runs)
    expected_failure = plan.variant in expectation.fails_in
    verdict = Verdict(**made, expected_failure=expected_failure)
    if explained and verdict.verdict != PASS and not expected_failure:
        verdict.explanation.extend(explain.failure(expectation, _decisive_run(expectation, runs)))
    return verdict


def _decisive_run(expectation: Expectation, runs: Sequence[Numbers]) -> Numbers:
    """The run to tell about: the first that fails on its own, else the first."""
    for run in runs:
        made = _claim(expectation, [run]) if expectation.that is None else _comparison(expectation, [run])
        if made["verdict"] == FAIL:
            return run
    return runs[0]


# --- claims about the whole run ---------------------------------------------------------------------------------------


def _claim(expectation: Expectation, runs: Sequence[Numbers]) -> dict[str, Any]:
    found = [whole_run.CLAIMS[expectation.predicate](run, expectation.value) for run in runs]
    holds = [claim.holds for claim in found]
    worst = next((c for c in found if c.holds is False), next((c for c in found if c.holds is None), found[0]))
    return {
        "that": expectation.predicate + _of(expectation.value),
        "predicate": expectation.predicate,
        "value": expectation.value,
        "observed": worst.observed,
        "verdict": FAIL if False in holds else INCONCLUSIVE if None in holds else PASS,
        "expected": worst.expected,
        "got": worst.got + _where(runs, found.index(worst)),
    }


def _of(value: Any) -> str:
    if value is True:
        return ""
    return f" {value['queue'] if isinstance(value, dict) else value}"


def _where(runs: Sequence[Numbers], i: int) -> str:
    return f" in replication {runs[i].recording.replication} of seed {runs[i].recording.seed}" if len(runs) > 1 else ""


# --- comparisons ------------------------------------------------------------------------------------------------------

Margin = Callable[[Any, Any], float]
_MARGINS: dict[str, tuple[tuple[Margin, bool], ...]] = {
    "above": ((lambda x, v: x - v, True),),
    "below": ((lambda x, v: v - x, True),),
    "at_least": ((lambda x, v: x - v, False),),
    "at_most": ((lambda x, v: v - x, False),),
    "between": ((lambda x, v: x - v[0], False), (lambda x, v: v[1] - x, False)),
    "within": (
        (lambda x, v: x - v[1] + v[0] * abs(v[1]), False),
        (lambda x, v: v[1] + v[0] * abs(v[1]) - x, False),
    ),
}
"""Of each predicate: margins of an observed value x and a value v, and whether 0 is too little."""


def _comparison(expectation: Expectation, runs: Sequence[Numbers]) -> dict[str, Any]:
    that, predicate = expectation.that, expectation.predicate
    assert isinstance(that, Reference)
    measured = RATE if predicate == "grows_at" else dimension(that)
    observed = [_slope(run, that) if predicate == "grows_at" else run.exact(that) for run in runs]
    values = [_value(run, expectation) for run in runs]
    verdict, got = _decide(predicate, observed, values, runs, measured)
    seen = _interval(observed) if len(runs) > 1 and _known(observed) else None
    return {
        "that": expectation.text,
        "predicate": predicate,
        "value": plain(expectation.value, measured),
        "observed": plain(_mean(observed), measured),
        "verdict": verdict,
        "expected": _expected(predicate, expectation.value, values[0], measured),
        "got": got,
        "interval": None if seen is None else (plain(seen[0], measured), plain(seen[1], measured)),
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


def _decide(
    predicate: str, observed: list[Any], values: list[Any], runs: Sequence[Numbers], measured: str
) -> tuple[str, str]:
    """The verdict, and what was seen in words."""
    if not _known(observed) or None in values:
        missing = sum(x is None for x in observed)
        return INCONCLUSIVE, "no data" + (f" in {missing} of {len(runs)} replications" if len(runs) > 1 else "")
    if predicate == "is":
        return _exactly(observed, values, runs, measured)
    margins = [
        ([margin(x, v) for x, v in zip(observed, values, strict=True)], strict)
        for margin, strict in _MARGINS[{"grows_at": "within"}.get(predicate, predicate)]
    ]
    found = [_sign(ms, strict) for ms, strict in margins]
    verdict = FAIL if FAIL in found else INCONCLUSIVE if INCONCLUSIVE in found else PASS
    return verdict, say(_mean(observed), measured) + _precision(observed, margins, found, measured)


def _exactly(observed: list[Any], values: list[Any], runs: Sequence[Numbers], measured: str) -> tuple[str, str]:
    differ = [i for i, (x, v) in enumerate(zip(observed, values, strict=True)) if not is_equal(x, v)]
    if not differ:
        return PASS, say(observed[0], measured)
    return FAIL, say(observed[differ[0]], measured) + _where(runs, differ[0])


def is_equal(x: Any, value: Any) -> bool:
    """Counts and times exactly, shares and means within 1e-9."""
    if isinstance(x, int) and isinstance(value, Rational):
        return x == value
    return math.isclose(float(x), float(value), rel_tol=1e-9, abs_tol=1e-9)


def _sign(margins: list[float], strict: bool) -> str:
    """Whether the margin is above 0: of one run exactly, of several by its interval."""
    low, high = _interval(margins)
    if low > 0 or (low == 0 and not strict):
        return PASS
    return FAIL if high < 0 or (high == 0 and strict) else INCONCLUSIVE


def _interval(values: list[Any]) -> tuple[float, float]:
    """95 % Student interval of the mean; a single value is its own."""
    if len(set(values)) == 1 or any(math.isinf(x) for x in values):
        return min(values), max(values)
    half = _half_width(values)
    return fmean(values) - half, fmean(values) + half


def _half_width(values: list[Any]) -> float:
    from scipy.special import stdtrit  # only several replications pay for the import

    n = len(values)
    return float(stdtrit(n - 1, (1 + CONFIDENCE) / 2)) * stdev(map(float, values)) / math.sqrt(n)


def _precision(observed: list[Any], margins: list[tuple[list[float], bool]], found: list[str], measured: str) -> str:
    """ " ±0.31 s with 10 replications; about 42 are needed" """
    if len(observed) == 1 or len(set(observed)) == 1 or any(math.isinf(x) for x in observed):
        return ""
    said = f" ±{say(_half_width(observed), measured)} with {len(observed)} replications"
    if INCONCLUSIVE not in found:
        return said
    open_margin = margins[found.index(INCONCLUSIVE)][0]
    distance = abs(fmean(open_margin))
    if not distance:
        return f"{said}; no number of them would decide"
    needed = math.ceil(len(observed) * (_half_width(open_margin) / distance) ** 2)
    return f"{said}; about {max(needed, len(observed) + 1):,} are needed"


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
    return said if predicate == "is" else f"{predicate.replace('_', ' ')} {said}"


def _with_value(value: Any, looked_up: Any, measured: str) -> str:
    if isinstance(value, Reference):
        return f"{value.text} ({say(looked_up, measured)})"
    return say(value, measured)
