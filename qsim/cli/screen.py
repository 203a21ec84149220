"""What came of a run, for people: queues, consumers, alerts, expectations with reasons, advice.

It knows which numbers are worth a glance and fits them into 80 columns; it works none of them out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import isinf
from typing import Any

from qsim.claims.verdicts import PASS, Verdict
from qsim.claims.words import say
from qsim.cli.table import hanging, table
from qsim.cli.terminal import WIDTH, clean, colour, sparkline
from qsim.cli.together import Named, Outcome, events
from qsim.cli.told import Told
from qsim.metrics.warmup import said
from qsim.scenario.codes import CODES
from qsim.scenario.plan import Plan
from qsim.scenario.problems import Problem
from qsim.scenario.reference import MONEY, SHARE, dimension, parse
from qsim.study.intervals import Estimate
from qsim.units import Nanos, digits, format_duration, format_rate, write_duration

_LEAST_SHARE = 0.0001
"""Half widths of shares below are not told in digits."""

_QUEUE = {
    "visible": "visible at end",
    "in flight": "in_flight at end",
    "oldest": "oldest_age at end",
    "received": "received at end",
    "acked": "acked at end",
    "wait p95": "wait p95",
}
_CONSUMER = {
    "count": "count at end",
    "utilization": "utilization mean",
    "throughput": "throughput mean",
    "duplicates": "duplicates at end",
}
_DEPENDENCY = {
    "utilization": "utilization mean",
    "waiting": "waiting mean",
    "calls": "calls at end",
    "timeouts": "timeouts at end",
    "refused": "refused at end",
    "time p95": "time p95",
}
_TOPIC = {"published": "published at end", "copies": "copies at end", "unrouted": "unrouted at end"}
_FATES = (
    "delayed", "redelivered", "lease_expired", "dead_lettered", "moved_in", "moved_out", "expired", "rejected", "dropped",
    "purged", "vanished", "out_of_order", "lost",
)  # fmt: skip
_SENDS = ("rejected", "retried", "timeouts", "lost_on_the_way", "under_way")


def references(plan: Plan) -> list[str]:
    """Every number that is looked at here: what a run is asked."""
    shown = (
        (plan.queues, [*_QUEUE.values(), "visible max", *_at_end(_FATES)]),
        (plan.consumers, _CONSUMER.values()),
        (plan.dependencies, _DEPENDENCY.values()),
        (plan.topics, _TOPIC.values()),
        (plan.alerts, ["fired at end", "first_fired"]),
        (plan.producers, _at_end(_SENDS)),
        ([each for each in plan.producers if each.request_reply is not None], ["goodput mean"]),
        *(_priced(plan) if plan.cost is not None else ()),
    )
    asked = [f"{each.name}.{metric}" for group, metrics in shown for each in group for metric in metrics]
    return list(dict.fromkeys([*events(plan), *asked]))


def _at_end(metrics: Iterable[str]) -> list[str]:
    return [f"{metric} at end" for metric in metrics]


def _priced(plan: Plan) -> list[tuple[Sequence[Any], list[str]]]:
    """What a million messages cost is worked out from."""
    return [
        (plan.producers, ["accepted total"]),
        (plan.queues, ["requests total", "cost total"]),
        (plan.consumers, ["cost total"]),
    ]


# --- the head ---------------------------------------------------------------------------------------------------------


def begun(plan: Any) -> str:
    """The beginning of the first line: known before the run."""
    variant = "" if plan.variant == "base" else f" {plan.variant}"
    return f"{plan.name}{variant}  "


def head(outcome: Outcome) -> str:
    """The rest of the first line."""
    plan, ended = outcome.plan, outcome.first.ended
    several = f"{len(outcome.runs)} x " if outcome.wanted > 1 else ""
    told = f"{several}{round_time(ended)} simulated in {outcome.wall_s:.1f}s   seed {plan.seed}"
    events = f"{outcome.events:,} message events"
    room = WIDTH - len(begun(plan)) - len(told) - 3
    return f"{told}   {events}" if len(events) <= room else f"{told}\n  {events}"


def round_time(time: Nanos) -> str:
    """10m rather than 10m 0s."""
    exact = write_duration(time)
    return exact if len(exact) <= 6 else format_duration(time)


_STOPS = {"interrupted": "interrupted", "max-messages": "--max-messages reached", "memory": "out of memory"}


def marks(outcome: Outcome) -> Iterator[str]:
    """What is wrong with the run itself."""
    ended, duration = outcome.first.ended, outcome.plan.duration
    if outcome.stopped and len(outcome.runs) < outcome.wanted and outcome.wanted > 1:
        part = f"{len(outcome.runs)} of {outcome.wanted} replications"
        yield colour(f"PARTIAL RESULT  {_STOPS[outcome.stopped]} after {part}", "red")
    elif outcome.stopped:
        part = f"at {format_duration(ended)} of {round_time(duration)}"
        yield colour(f"PARTIAL RESULT  {_STOPS[outcome.stopped]} {part}", "red")
    elif outcome.is_cut:
        yield f"stopped at {round_time(ended)} of {round_time(duration)}, as --until says"
    for problem in outcome.violations:
        yield colour(f"NOT CONSERVED  {problem}: a bug of ours, do not trust these numbers", "red")


# --- the body ---------------------------------------------------------------------------------------------------------


def body(outcome: Outcome, by_broker: Mapping[str, Mapping[str, Named]] | None = None) -> Iterator[str]:
    """Everything between the first line and the digest; ``by_broker``: what each queue's own broker would say."""
    yield from marks(outcome)
    yield ""
    yield from _queues(outcome)
    yield ""
    yield from _named_by_broker(by_broker or {})
    yield from _objects(outcome, "topic", [topic.name for topic in outcome.plan.topics], _TOPIC)
    yield from _objects(outcome, "consumer", [c.name for c in outcome.plan.consumers], _CONSUMER)
    yield from _objects(outcome, "dependency", [called.name for called in outcome.plan.dependencies], _DEPENDENCY)
    yield from _costs(outcome)
    yield from _producers(outcome)
    yield from _alerts(outcome)
    yield from _cuts(outcome)
    yield from _known(outcome)


_PRODUCER = {"sent": "sent at end", "accepted": "accepted at end", "rejected": "rejected at end", "rate": "rate mean"}
KINDS = {
    "queue": ("queues", _QUEUE, _FATES),
    "producer": ("producers", _PRODUCER, _SENDS),
    "topic": ("topics", _TOPIC, ()),
    "consumer": ("consumers", _CONSUMER, ()),
    "dependency": ("dependencies", _DEPENDENCY, ()),
}
"""Of each kind of object the plan's list, the numbers worth a glance, and what else may have happened to it."""


@dataclass(frozen=True, slots=True)
class Glance:
    """Of every object of a kind its numbers in words, with half of their intervals ("" where there is none), and what
    else happened to it, if anything did."""

    head: list[str]
    rows: list[list[tuple[str, str]]]
    notes: dict[str, str]


def glance(outcome: Outcome, kind: str) -> Glance:
    """The same numbers as on the terminal, and those of producers, for who makes another table of them."""
    section, columns, others = KINDS[kind]
    names = [each.name for each in getattr(outcome.plan, section)]
    rows = [[(name, ""), *(_pair(outcome, f"{name}.{metric}") for metric in columns.values())] for name in names]
    return Glance([kind, *columns], rows, {name: " ".join(_fates(outcome, name, "", others)) for name in names})


def glanced_at(plan: Plan) -> list[str]:
    """What a run is asked for all of them."""
    producers = [f"{producer.name}.{metric}" for producer in plan.producers for metric in _PRODUCER.values()]
    return list(dict.fromkeys([*references(plan), *producers]))


def _pair(outcome: Outcome, reference: str) -> tuple[str, str]:
    found = outcome.exact(reference)
    return mean_said(found, reference), half_said(found, reference)


def _objects(outcome: Outcome, kind: str, names: list[str], columns: Mapping[str, str]) -> Iterator[str]:
    if names:
        lines = table([[kind, *columns], *_rows(outcome, names, columns)])
        yield colour(lines[0], "bold")
        yield from lines[1:]
        yield ""


def _rows(outcome: Outcome, names: list[str], columns: Mapping[str, str]) -> Iterator[list[str]]:
    """A row an object, and with replications a row of half widths below it."""
    for name in names:
        found = {column: outcome.exact(f"{name}.{metric}") for column, metric in columns.items()}
        yield [name, *(mean_said(found[column], f"{name}.{columns[column]}") for column in columns)]
        if outcome.wanted > 1:
            yield ["", *(half_said(found[column], f"{name}.{columns[column]}") for column in columns)]


def mean_said(found: Estimate, reference: str) -> str:
    if found.mean is None:
        return "-"
    return _said(found.mean, dimension(parse(reference)))


def _said(value: Any, measured: str) -> str:
    """Rounded, but not to nothing: a job a minute is 0.02/s."""
    if not isinstance(value, float) or measured == MONEY or isinf(value):
        return say(value, measured)
    return say(round(value, 3 if measured == SHARE else 1) or float(f"{value:.1g}"), measured)


def half_said(found: Estimate, reference: str) -> str:
    if not found.half:
        return ""
    measured = dimension(parse(reference))
    if measured == SHARE and found.half < _LEAST_SHARE:
        return "±<" + say(_LEAST_SHARE, measured)
    return "±" + say(float(f"{found.half:.2g}"), measured)


def _queues(outcome: Outcome) -> Iterator[str]:
    names = [queue.name for queue in outcome.plan.queues]
    lines = table([["queue", *_QUEUE], *_rows(outcome, names, _QUEUE)])
    yield colour(lines[0], "bold")
    indent = " " * (min(max(len("queue"), *map(len, names)), 24) + 3)
    height = 2 if outcome.wanted > 1 else 1
    for i, name in enumerate(names):
        yield from lines[1 + height * i : 1 + height * (i + 1)]
        yield from _history(outcome, name, indent)
        yield from _fates(outcome, name, indent)


def _history(outcome: Outcome, queue: str, indent: str) -> Iterator[str]:
    """The backlog over time, where there was one."""
    levels = outcome.first.levels.get(queue)
    if levels is None:
        return
    which = "  in the first replication" if outcome.wanted > 1 else ""
    trend = _trend(levels.values, outcome.first, queue)
    yield f"{indent}{colour(sparkline(levels.peaks), 'dim')}  {trend}{which}"


def _trend(values: list[float], run: Told, queue: str) -> str:
    """ "grows 200/s" where it goes on growing, else how high it got."""
    half = len(values) // 2
    rises = sum(b > a for a, b in pairwise(values))
    if half and rises >= 0.8 * (len(values) - 1) and values[-1] > 1.3 * values[half]:
        growth = (values[-1] - values[half - 1]) * 1e9 / (run.ended * (len(values) - half) / len(values))
        return f"grows {format_rate(growth)}"
    return f"at most {run.exact[f'{queue}.visible max']:,.0f}"


def _fates(outcome: Outcome, name: str, indent: str, metrics: tuple[str, ...] = _FATES) -> Iterator[str]:
    """What else happened, where anything did; with replications on average."""
    found = ((metric, outcome.exact(f"{name}.{metric} at end")) for metric in metrics)
    told = [f"{say(round(e.mean, 1), 'count')} {metric.replace('_', ' ')}" for metric, e in found if e.mean]
    if told:
        yield from hanging(indent, ", ".join(told), len(indent))


def _named_by_broker(by_broker: Mapping[str, Mapping[str, Named]]) -> Iterator[str]:
    """A line a metric; what it counts beside it, or below where that takes more room."""
    for queue, metrics in by_broker.items():
        rows = [
            [name, "-" if m.found.mean is None else _said(m.found.mean, m.dimension)] for name, m in metrics.items()
        ]
        lines = table([[queue, ""], *rows])
        yield colour(lines[0], "bold")
        width = max(map(len, lines)) + 3
        for line, metric in zip(lines[1:], metrics.values(), strict=True):
            yield from hanging(f"{line:<{width}}", metric.says, width)
        yield ""


_MILLION = 1_000_000


def _costs(outcome: Outcome) -> Iterator[str]:
    """What a million messages cost, where there are prices: of those that queues accepted from producers."""
    plan = outcome.plan
    if plan.cost is None:
        return
    accepted = _sum(outcome, plan.producers, "accepted")
    if accepted:
        calls, money = _sum(outcome, plan.queues, "requests"), _sum(outcome, plan.queues, "cost")
        hours = _sum(outcome, plan.consumers, "cost")
        calls, money, hours = (part * _MILLION / accepted for part in (calls, money, hours))
        told = f"{say(round(calls), 'count')} calls, {_money(money + hours)} money"
        parts = f" (queues {_money(money)}, consumers {_money(hours)})" if hours and money else ""
        yield from hanging(" per million messages: ", told + parts, 4)
        yield ""


def _sum(outcome: Outcome, objects: Iterable[Any], metric: str) -> float:
    return sum(outcome.exact(f"{each.name}.{metric} total").mean or 0 for each in objects)


def _money(value: float) -> str:
    """Three digits, and two decimals from one on."""
    return f"{value:,.2f}" if value >= 1 else digits(value, 3)


def _producers(outcome: Outcome) -> Iterator[str]:
    """Only where a producer did not get all it sent accepted at once, or waits for replies."""
    for producer in outcome.plan.producers:
        odd = " ".join(_fates(outcome, producer.name, "", _SENDS))
        told = [odd] if odd else []
        if producer.request_reply is not None:
            goodput = f"{producer.name}.goodput mean"
            told.append(f"goodput {mean_said(outcome.exact(goodput), goodput)}")
        if told:
            sent = mean_said(outcome.exact(f"{producer.name}.sent at end"), f"{producer.name}.sent at end")
            yield from hanging(f" producer {producer.name}: ", ", ".join([f"{sent} sent", *told]), 4)
            yield ""


def _alerts(outcome: Outcome) -> Iterator[str]:
    for alert in outcome.plan.alerts:
        fired = outcome.exact(f"{alert.name}.fired at end").mean
        told = f" alert {alert.name} ({alert.severity})  {_fired(outcome, alert.name) if fired else 'never fired'}"
        yield colour(told, "yellow" if fired else "dim")
    if outcome.plan.alerts:
        yield ""


def _fired(outcome: Outcome, alert: str) -> str:
    """How often, and when first; where some replications never saw it, in how many it did."""
    fired = outcome.exact(f"{alert}.fired at end").mean
    often = "once" if fired == 1 else f"{say(fired, 'count')} times"
    seen = sum(run.exact[f"{alert}.first_fired"] is not None for run in outcome.runs)
    if seen < len(outcome.runs):
        return f"fired {often} on average, in {seen} of {len(outcome.runs)} replications"
    return f"fired {often}, first at {say(outcome.exact(f'{alert}.first_fired').mean, 'time')}"


def _cuts(outcome: Outcome) -> Iterator[str]:
    """The warm-up, where runs find it themselves; of several from the shortest to the longest."""
    cuts = sorted((run.cut for run in outcome.runs if run.cut is not None), key=lambda cut: cut.length)
    if not cuts:
        return
    longest = replace(cuts[-1], is_settled=all(cut.is_settled for cut in cuts))
    lengths = dict.fromkeys(round_time(cut.length) for cut in (cuts[0], longest))
    yield from hanging(" warm-up: ", f"{' to '.join(lengths)} ({said(longest)})", 4)
    yield ""


def _known(outcome: Outcome) -> Iterator[str]:
    """How many replications a precision took, and whether it was reached."""
    rule, found = outcome.precision, outcome.known
    if rule is None or found is None:
        return
    asked = f"({say(rule.within, SHARE)} was asked for, at {say(rule.confidence, SHARE)} confidence)"
    if found.within is None:
        told = f"how well {rule.metric.text} is known cannot be told {asked}: it has no data, or no mean"
    else:
        told = f"{rule.metric.text} is known to ±{say(float(f'{found.within:.2g}'), SHARE)} {asked}"
    more = "" if found.is_reached or not found.needed else f"; about {found.needed:,} are needed"
    yield from hanging(f" {found.n} replications: ", told + more, 4)
    yield ""


# --- judged -----------------------------------------------------------------------------------------------------------

REASON = 19
"""Where the text of a reason begins."""
_COLOURS = {"✓": "green", "✗": "red", "✗ expected": "yellow", "?": "yellow"}


def verdicts(outcome: Outcome) -> Iterator[str]:
    """A line an expectation, and reasons; a run that was cut short judges none."""
    if outcome.is_cut and outcome.verdicts:
        n = len(outcome.verdicts)
        yield f" ? not judged, for the run was cut short: {n} expectation{'' if n == 1 else 's'}"
        return
    yield from judged(outcome, outcome.verdicts)


def judged(outcome: Outcome, found: Iterable[Verdict]) -> Iterator[str]:
    """Whether expectations hold; if not, why, and what to look at.  A reason is given once."""
    said: set[str] = set()
    for verdict in found:
        yield from _verdict(verdict)
        for reason in reasons(verdict.lines()[1:]):
            if "\n".join(reason) not in said:
                said.add("\n".join(reason))
                yield from within_width(
                    line.replace(f"qsim trace {outcome.plan.name}", outcome.trace) for line in reason
                )


def _verdict(verdict: Verdict) -> Iterator[str]:
    mark = f" {verdict.mark} "
    first, *more = hanging(mark, sentence(verdict), len(mark))
    yield first.replace(verdict.mark, colour(verdict.mark, _COLOURS[verdict.mark]), 1)
    yield from more


def sentence(verdict: Verdict) -> str:
    """ "shop.sent total is 600,000", "orders.wait p95 below 2s: 1.3s"; what is not as expected says so itself."""
    if verdict.verdict != PASS or verdict.is_met is False:
        return verdict.lines()[0].removeprefix(verdict.mark).strip()
    if verdict.predicate == "is":
        return f"{verdict.that} is {verdict.expected}"
    if verdict.that.split()[0] == verdict.predicate:
        return verdict.that if verdict.got == "0" else f"{verdict.that}: {verdict.got}"
    return f"{verdict.that} {verdict.expected}: {verdict.got}"


def reasons(lines: list[str]) -> list[list[str]]:
    """The lines of an explanation, by its heads: What happened, Because, See, and the author's own words."""
    groups: list[list[str]] = []
    for line in lines:
        if not groups or line[4:5].strip():
            groups.append([])
        groups[-1].append(line)
    return groups


HEADS = ("", "What happened", "Because", "What if", "Try", "See")


def within_width(lines: Iterable[str]) -> Iterator[str]:
    """Lines within the width; a command to copy stays whole."""
    for line in map(clean, lines):
        if len(line) <= WIDTH or "qsim trace" in line:
            yield line
        else:
            text = line.lstrip()
            indent = REASON if line[4:REASON].strip() in HEADS else 4
            yield from hanging(line[: len(line) - len(text)], text, indent)


# --- advice -----------------------------------------------------------------------------------------------------------


def advice(problems: tuple[Problem, ...], outcome: Outcome) -> Iterator[str]:
    for problem in problems:
        more = f". {problem.suggestion[:1].upper()}{problem.suggestion[1:]}" if problem.suggestion else ""
        yield from advised(problem.code, problem.message + more)
    if outcome.gave_up:
        yield from advised("A130", f"{CODES['A130'].says}: {CODES['A130'].why}")


def handler_errors(outcome: Outcome) -> Iterator[str]:
    """Of all runs together."""
    from qsim.api import handler_errors as said_of

    consumers = {name for run in outcome.runs for name in run.raised}
    for consumer in sorted(consumers):
        total = Counter[str]()
        for run in outcome.runs:
            total.update(run.raised.get(consumer, {}))
        yield from (f" {line}" for line in said_of(consumer, total))


def advised(code: str, text: str) -> Iterator[str]:
    lines = hanging(f" advice {code}  ", text, 14)
    yield lines[0].replace(f"advice {code}", colour(f"advice {code}", "yellow"), 1)
    yield from lines[1:]


def told(outcome: Outcome, reference: str) -> str:
    """One number that was asked for: "orders.wait p95  1m 54s ±2s"."""
    found = outcome.exact(reference)
    half = half_said(found, reference)
    return f"{reference}  {mean_said(found, reference)}{' ' + half if half else ''}"
