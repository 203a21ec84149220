"""Whether the alerts that page catch what matters and nothing else: ``expect(run).alerts.catch("orders.latency > 2m")``.

It knows pages, and when a metric was beyond a bound.  An incident is the time in which it was, looked at every
``sample_every``; breaks of at most a minute do not part one from the next.  Of what each message has, it is p95 over
the last minute that counts: one late message is no incident.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from qsim.claims.alarms import LATER, PAGE, SOONER, Span, firings, pages
from qsim.claims.explain import Section
from qsim.claims.lessons import lesson_on
from qsim.claims.verdicts import FAIL, INCONCLUSIVE, PASS, Verdict
from qsim.claims.words import many, say
from qsim.metrics.numbers import Numbers, series, values_in_window
from qsim.scenario.reference import PER_MESSAGE, PERCENTILES, TIME, Reference, dimension, parse, type_of
from qsim.units import MINUTE, SECOND, Nanos

BREAK: Nanos = MINUTE
"""A longer one ends an incident."""


@dataclass(frozen=True, slots=True)
class Bound:
    """``limit`` as it is compared (ns for times)."""

    that: Reference
    is_above: bool
    limit: float

    def __str__(self) -> str:
        return f"{self.that.text} {'>' if self.is_above else '<'} {say(self.limit, dimension(self.that))}"


def bound_on(text: str, is_above: bool) -> Reference:
    """The reference; of what each message has, without a statistic, all but 5 % of the messages."""
    found = parse(text)
    usual = "p95" if is_above else "p50"
    return replace(found, statistic=usual) if type_of(found) == PER_MESSAGE and found.statistic is None else found


def incidents(run: Numbers, bound: Bound) -> list[Span]:
    """When it was beyond the bound."""
    found: list[Span] = []
    for time in _moments(run, bound):
        if found and time - found[-1].end <= BREAK:
            found[-1] = Span(found[-1].start, time)
        else:
            found.append(Span(time, time))
    return found


def _moments(run: Numbers, bound: Bound) -> list[Nanos]:
    """The times of the sample grid at which it was."""
    if type_of(bound.that) == PER_MESSAGE and bound.that.statistic in PERCENTILES and bound.is_above:
        return _late_ones(run, bound)
    times, values = series(run, bound.that, run.plan.sample_every)
    limit = bound.limit / SECOND if dimension(bound.that) == TIME else bound.limit
    beyond: list[Nanos] = _ns(times[values > limit if bound.is_above else values < limit])
    return beyond


def _late_ones(run: Numbers, bound: Bound) -> list[Nanos]:
    """When more than 5 % (p95) of what became known in the last minute was beyond."""
    found, every = values_in_window(run, bound.that), run.plan.sample_every
    order = np.argsort(found.known, kind="stable")
    known, late = found.known[order], np.concatenate([[0], np.cumsum(found.value[order] > bound.limit)])
    grid = np.arange(0, run.recording.ended + 1, every, dtype=np.int64)
    first, last = np.searchsorted(known, grid - MINUTE, "right"), np.searchsorted(known, grid, "right")
    share = (late[last] - late[first]) / np.maximum(last - first, 1)
    beyond: list[Nanos] = grid[share > 1 - PERCENTILES[bound.that.statistic or ""] + 1e-12].tolist()
    return beyond


def _ns(times: Any) -> list[Nanos]:
    return [round(float(time) * SECOND) for time in times]


# --- caught, or not ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Caught:
    """What one run says: its incidents, those of them that nobody was paged for in time, and pages without one."""

    run: Numbers
    incidents: list[Span]
    missed: list[Span]
    false: list[Span]


def caught(run: Numbers, bound: Bound, within: Nanos) -> Caught:
    """An incident is caught by a page at most ``within`` after it begins, or as long before it, or one that lasts still; a
    page is false that comes at none of these times and not while an incident lasts."""
    found, paged = incidents(run, bound), pages(run)
    missed = [i for i in found if not any(p.start <= i.start + within and p.end >= i.start - within for p in paged)]
    false = [p for p in paged if not any(i.start - within <= p.start <= i.end for i in found)]
    return Caught(run, found, missed, false)


def catch(runs: Sequence[Numbers], bound: Bound, within: Nanos, false_pages: int) -> Verdict:
    """Over all runs together."""
    found = [caught(run, bound, within) for run in runs]
    happened, missed, false = (sum(len(getattr(c, name)) for c in found) for name in ("incidents", "missed", "false"))
    verdict = FAIL if missed or false > false_pages else PASS if happened else INCONCLUSIVE
    return Verdict(
        "alerts", "catch", {"of": str(bound), "within": within / SECOND, "false_pages": false_pages},
        {"incidents": happened, "caught": happened - missed, "false_pages": false}, verdict,
        f"a page within {say(within, TIME)} whenever {bound}, and {_few(false_pages)}", _got(happened, missed, false),
        explanation=[] if verdict == PASS else _why(found, bound, within),
    )  # fmt: skip


def _few(false_pages: int) -> str:
    return "no false one" if not false_pages else f"at most {false_pages} false ones"


def _got(happened: int, missed: int, false: int) -> str:
    pages_of_nothing = many(false, "false page")
    if not happened:
        return f"no incident to catch, and {pages_of_nothing}"
    return f"{happened - missed} of {happened} incidents caught, {pages_of_nothing}"


def _why(found: Sequence[Caught], bound: Bound, within: Nanos) -> list[Section]:
    """The first incident that was missed, and the first page that was false."""
    missed = next(((c, c.missed[0]) for c in found if c.missed), None)
    false = next(((c, c.false[0]) for c in found if c.false), None)
    told = [*([] if missed is None else [_missed(*missed, within)]), *([] if false is None else [_false(*false, bound)])]
    is_silent = not any(pages(each.run) for each in found)
    milder = _milder(found) if is_silent else ""
    if is_silent:
        told.append(f"no alert of severity {PAGE} fired at all{milder}")
    sooner = [f"only an alert of severity {PAGE} wakes somebody" if milder else SOONER] if missed else []
    return [
        Section("Because", tuple(told)),
        Section("Try", (*sooner, *((LATER,) if false else ()))),
        Section("See", tuple(lesson_on("catch"))),
    ]


def _milder(found: Sequence[Caught]) -> str:
    """ "; mine did, of severity warn"."""
    fired = [
        f"{alert.name} did, of severity {alert.severity}"
        for i, alert in enumerate(found[0].run.plan.alerts)
        if alert.severity != PAGE and any(firings(each.run, i) for each in found)
    ]
    return f"; {', '.join(fired)}" if fired else ""


def _missed(of: Caught, incident: Span, within: Nanos) -> str:
    late = next((page for page in pages(of.run) if page.start > incident.start), None)
    then = "no page came after it" if late is None else f"the next page was {late.alert}, at {say(late.start, TIME)}"
    return f"seed {of.run.recording.seed}: the incident began at {say(incident.start, TIME)}, and {then}"


def _false(of: Caught, page: Span, bound: Bound) -> str:
    return (
        f"seed {of.run.recording.seed}: {page.alert} paged at {say(page.start, TIME)}, when it was not true that {bound} "
        "and did not become true soon"
    )
