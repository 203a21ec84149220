"""``expect.handler(handle, scenario=...)``: the claim, its verdict, and what a failure says.

It knows how a verdict is worded and which mistakes are seen before anything is run; schedules are ``search``'s, causes
``reasons``'.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from traceback import extract_tb
from typing import Any, NamedTuple

from qsim.claims.expect import CheckFailed
from qsim.claims.explain import Section
from qsim.claims.handlers.drive import MOST_CALLS, Arena, Event, Trial, Work, step_of
from qsim.claims.handlers.reasons import Case, case_of, name_of, story, why_never, why_twice
from qsim.claims.handlers.search import Found, search
from qsim.claims.verdicts import FAIL, PASS, Verdict
from qsim.handlers.found import misshapen
from qsim.kernel.journal import Kind
from qsim.metrics import life
from qsim.scenario.load import read
from qsim.scenario.plan import Plan

SEE = "lesson 02, Between charge and record"
PREDICATE = "charges_each_order_once"
_LONGEST = 24
"""Lines of a timeline."""
_QUIET = (Kind.EMPTY_RECEIVE, Kind.REFUSED, Kind.SENT)


def handler(handle: Callable[..., Any], *, scenario: Any, consumer: str | None = None) -> Handler:
    """Claims about a student's consumer, ``def handle(message, store): ...``, as ``consumer`` of the scenario (the first
    one by itself) would run it.  ``scenario`` is a Scenario, a file, or the name of a bundled one."""
    plan: Plan = getattr(scenario, "plan", None) or read(scenario).plan
    named = [each for each in plan.consumers if consumer in (None, each.name)]
    if not named:
        known = ", ".join(each.name for each in plan.consumers) or "none"
        raise LookupError(f"no consumer is called {consumer!r} in {plan.name}; there are: {known}")
    if plan.queues[named[0].sources[0]].profile.is_log:
        raise ValueError("a handler is driven on a queue; this consumer reads a log, whose entries stay when they are acked")
    return Handler(Arena(plan, named[0].sources[0], named[0], handle))


class Handler:
    """A handler and where it is tried."""

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        self._name = getattr(arena.handle, "__name__", type(arena.handle).__name__)

    def charges_each_order_once(self) -> Verdict:
        """Whatever process dies before whatever call, stands still until its lease has ended, or is overtaken: each order
        is charged once.  Tries every schedule up to a bound (``search``) and raises CheckFailed with the shortest that
        shows the contrary; the verdict says how many were tried."""
        if wrong := _misshapen(self._arena.handle):
            raise CheckFailed(self._failed(*wrong))
        quiet = self._search(lambda trial: _Finding("", 0), self._arena)
        calls = quiet.trial.works[0].calls if quiet.trial is not None and quiet.trial.works else 0
        found = self._search(finding, replace(self._arena, step=step_of(self._arena.consumer, calls)))
        if found.says is not None:
            assert found.trial is not None
            raise CheckFailed(self._failed(*_told(found.trial, found.says), found.tried))
        return self._passed(found)

    def _search(self, judge: Callable[[Trial], Any], arena: Arena) -> Found:
        found = search(arena, judge)
        if found.hangs_after is not None:
            since = f"after {found.hangs_after}" if found.hangs_after else "from its first line on"
            raise CheckFailed(self._failed("a delivery that never comes to an end", [
                ("Because", [f"{since} the handler makes no call and does not return: an endless loop"]),
                ("Try", ["what ends the loop? Nothing outside of the handler changes while it runs without a call"]),
            ]))  # fmt: skip
        return found

    def _passed(self, found: Found) -> Verdict:
        which = "schedules" if found.is_all else "shortest schedules"
        expected = f"charges each order once: {found.tried:,} {which} tried, with a crash at each of {found.crash_points} points"
        return Verdict(self._name, PREDICATE, True, found.tried, PASS, expected, "once")

    def _failed(self, got: str, sections: list[tuple[str, list[str]]], tried: int = 0) -> Verdict:
        told = [Section(head, tuple(texts)) for head, texts in sections]
        return Verdict(self._name, PREDICATE, True, tried, FAIL, "each order charged once", got, explanation=told)


# --- before anything is run ---------------------------------------------------------------------------------------------


def _misshapen(handle: Any) -> tuple[str, list[tuple[str, list[str]]]] | None:
    """A handler that could not be called as one."""
    if (wrong := misshapen(handle)) is None:
        return None
    because = [("Because", [wrong.because])] if wrong.because else []
    return wrong.what, [*because, ("Try", [wrong.direction])]


# --- judging a schedule ----------------------------------------------------------------------------------------------------


class _Finding(NamedTuple):
    what: str
    order: int


def finding(trial: Trial) -> _Finding | None:
    """What is wrong in this schedule, if anything is."""
    charged = Counter(charge.order for charge in trial.database.charges)
    orders = list(dict.fromkeys(order for order, _ in trial.setup.sent))
    first = trial.works[0] if trial.works else None
    if first is not None and first.outcome.error is not None and not trial.faults():
        return _Finding("raises", first.message.order)
    for order in orders:
        if charged[order] > 1:
            return _Finding("twice", order)
    if trial.broken:
        return _Finding(trial.broken, trial.works[-1].message.order if trial.works else orders[0])
    return next((_Finding("never", order) for order in orders if not charged[order] and _is_settled(trial, order)), None)


def _is_settled(trial: Trial, order: int) -> bool:
    """Acked, so that it never comes again; not what lies in a dead-letter queue."""
    numbers = [trial.first_message + i for i, (each, _) in enumerate(trial.setup.sent) if each == order]
    ended = {row.kind for row in _rows(trial) if row.message in numbers}
    return Kind.ACKED in ended and Kind.DEAD_LETTERED not in ended


def _rows(trial: Trial) -> list[life.Row]:
    return [life.Row(*row) for row in trial.broker.journal.read()]


# --- telling ------------------------------------------------------------------------------------------------------------------


def _told(trial: Trial, found: _Finding) -> tuple[str, list[tuple[str, list[str]]]]:
    return _TELLS[found.what](trial, case_of(trial, found.order))


def _charged(trial: Trial, case: Case, times: str) -> tuple[str, list[tuple[str, list[str]]]]:
    reason = why_twice(case) if times == "twice" else why_never(case)
    got = "charged twice" if times == "twice" else "never charged"
    return f"order {case.order} {got}", [
        ("What happened", story(case, times == "twice")),
        ("Because", [reason.because]),
        ("Timeline", timeline(trial, case.order)),
        ("Try", [reason.direction]),
        ("See", [SEE]),
    ]


def _raises(trial: Trial, case: Case) -> tuple[str, list[tuple[str, list[str]]]]:
    error = trial.works[0].outcome.error
    assert error is not None
    return f"{type(error).__name__} at the first delivery, with nothing gone wrong", [
        ("Because", [f"{_place(error)}{type(error).__name__}: {error}"]),
        ("Try", [_hint(error)]),
    ]


def _place(error: BaseException) -> str:
    ours = __file__.rsplit("/", 1)[0]
    lines = [frame for frame in extract_tb(error.__traceback__) if not frame.filename.startswith(ours)]
    return f"line {lines[-1].lineno}, {lines[-1].line or lines[-1].name}: " if lines else ""


def _hint(error: BaseException) -> str:
    if type(error).__name__ == "FrozenInstanceError" or "mappingproxy" in str(error):
        return "a message is what was sent, and cannot be changed: keep what you find out in the store"
    if isinstance(error, AttributeError):
        return "a message has id, order, body, receives and group; a store exists, get, put, add, delete, transaction, charge, book"
    return "an error gives the message back to the queue; at every delivery it will be raised again"


def _endless(trial: Trial, case: Case) -> tuple[str, list[tuple[str, list[str]]]]:
    work = max(trial.works, key=lambda each: each.calls)
    calls = [event for event in trial.events if event.work == work.number and event.call]
    last = f"{calls[-1].call} is {calls[-1].answer!r}" if calls else ""
    return f"a delivery that never comes to an end: {MOST_CALLS} calls, and no return", [
        ("Because", [f"{name_of(trial, work)} goes round in a loop: {last} again and again", *_who_died(trial)]),
        ("Try", ["what does the loop wait for, and who is alive to bring it about?"]),
        ("See", [SEE]),
    ]


def _who_died(trial: Trial) -> list[str]:
    died = [event for event in trial.events if event.kind == "died"]
    return [f"{name_of(trial, trial.works[e.work])} died before {e.call} at {life.clock(e.time)}: it brings nothing about" for e in died]


def _fails(trial: Trial, case: Case) -> tuple[str, list[tuple[str, list[str]]]]:
    error = trial.works[-1].outcome.error
    return f"order {case.order} given back at every delivery", [
        ("Because", [f"the handler raises {type(error).__name__} each time the message comes: {error}", "it will never be acked"]),
        ("Timeline", timeline(trial, case.order)),
        ("Try", ["a message that has been dealt with is no error: return, so that it is acked"]),
        ("See", [SEE]),
    ]


def _waits(trial: Trial, case: Case) -> tuple[str, list[tuple[str, list[str]]]]:
    return f"order {case.order} that nobody receives", [("Because", ["no process of the scenario gets the message"])]


_TELLS: dict[str, Callable[[Trial, Case], tuple[str, list[tuple[str, list[str]]]]]] = {
    "twice": lambda trial, case: _charged(trial, case, "twice"),
    "never": lambda trial, case: _charged(trial, case, "never"),
    "raises": _raises,
    "endless": _endless,
    "fails": _fails,
    "waits": _waits,
}


def timeline(trial: Trial, order: int) -> list[str]:
    """The lives of the order's messages as ``qsim trace`` tells them, and the handler's calls between."""
    rows, works = _rows(trial), {w.number: w for w in trial.works if w.message.order == order}
    numbers = {trial.first_message + i for i, (each, _) in enumerate(trial.setup.sent) if each == order}
    told = dict(zip([i for i, r in enumerate(rows) if r.message in numbers], _lines(trial, rows, numbers), strict=True))
    lines: list[str] = []
    events = iter([event for event in trial.events if event.work in works and event.kind != "received"])
    event = next(events, None)
    for i in range(len(rows) + 1):
        while event is not None and event.rows <= i:
            lines += _line(trial, works[event.work], event)
            event = next(events, None)
        lines += [told[i]] if told.get(i) else []
    return lines if len(lines) <= _LONGEST else [*lines[: _LONGEST - 4], "...", *lines[-3:]]


def _lines(trial: Trial, rows: list[life.Row], numbers: set[int]) -> Iterator[str]:
    mine = [row for row in rows if row.message in numbers]
    for row, text in zip(mine, life.told(trial.arena.plan, mine), strict=True):
        yield "" if row.kind in _QUIET or row.kind == Kind.ACKED else f"t={life.clock(row.time):<9} {text}"


def _line(trial: Trial, work: Work, event: Event) -> list[str]:
    says = _SAYS.get(event.kind)
    return [f"t={life.clock(event.time):<9} {says[0]:<10} {name_of(trial, work):<12} {says[1](event)}".rstrip()] if says else []


_SAYS: dict[str, tuple[str, Callable[[Event], str]]] = {
    "called": ("calls", lambda event: f"{event.call}{'' if event.answer is None else f' -> {event.answer!r}'}"),
    "charged": ("CHARGES", lambda event: str(event.call)),
    "died": ("CRASH", lambda event: f"before {event.call}{', its transaction is rolled back' if event.answer else ''}"),
    "stopped": ("stands", lambda event: f"still before {event.call}"),
    "failed": ("no answer", lambda event: f"from the payment service to {event.call}"),
    "raised": ("error", lambda event: f"{type(event.answer).__name__}: {event.answer}"),
    "goes on": ("goes on", lambda event: f"with {event.call}"),
    "acked": ("acked", lambda event: "although its lease had ended" if event.answer else ""),
    "refused": ("error", lambda event: f"{event.call}: {event.answer}"),
}
