"""Why an order was charged twice, or never: what decided it, told from the events of one schedule, and a direction.

It knows causes as a list: the first that fits is told.  A direction never is the solution.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from qsim.claims.handlers.drive import Event, Trial, Work
from qsim.handlers.store import EFFECTS, READS, WRITES, Call
from qsim.metrics.life import clock
from qsim.metrics.naming import process_name
from qsim.scenario.plan import Ack

_LOOKS = (*READS, "add")


class Reason(NamedTuple):
    """``because``, and what to ``try`` next."""

    because: str
    direction: str


class Case(NamedTuple):
    """An order and its events; ``first`` and ``second`` are the works that charged it, or that had it."""

    trial: Trial
    order: int
    events: list[Event]
    first: Work | None
    second: Work | None

    def name(self, work: Work) -> str:
        return name_of(self.trial, work)

    def of(self, work: Work, *kinds: str) -> list[Event]:
        return [event for event in self.events if event.work == work.number and (not kinds or event.kind in kinds)]

    def calls(self, work: Work, *names: str) -> list[Event]:
        return [event for event in self.of(work) if _is_made(event) and event.call and event.call.name in names]


def case_of(trial: Trial, order: int) -> Case:
    """What happened to the order."""
    works = [work for work in trial.works if work.message.order == order]
    charged = [trial.works[charge.work] for charge in trial.database.charges if charge.order == order]
    both: list[Work | None] = [*(charged or works)[:2], None, None]
    numbers = {work.number for work in [*works, *charged]}
    return Case(trial, order, [event for event in trial.events if event.work in numbers], both[0], both[1])


def name_of(trial: Trial, work: Work) -> str:
    """The process that did it, "charge-2"."""
    return process_name(trial.arena.plan, work.delivery.client)


def _is_made(event: Event) -> bool:
    return event.kind in ("called", "charged")


def _key(call: Call | None) -> Any:
    return call.args[0] if call is not None and call.args else None


# --- the story --------------------------------------------------------------------------------------------------------


def story(case: Case, twice: bool) -> list[str]:
    """What the works that decide it did, one after the other, in the order of time: a sentence a turn."""
    works = [work for work in (case.first, case.second) if work is not None]
    told = [(event, _tell(case, event)) for event in case.events if any(event.work == work.number for work in works)]
    last = max((i for i, (event, _) in enumerate(told) if event.kind == "charged"), default=len(told)) if twice else len(told)
    spoken = [(event.work, text) for event, text in told[: last + 1] if text]
    return list(_by_turns(case, spoken))


def _by_turns(case: Case, spoken: list[tuple[int, str]]) -> Iterator[str]:
    turn: list[str] = []
    for i, (work, text) in enumerate(spoken):
        turn.append(text)
        if i + 1 == len(spoken) or spoken[i + 1][0] != work:
            yield f"{case.name(case.trial.works[work])} {_and(turn)}"
            turn = []


def _and(texts: list[str]) -> str:
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"


def _tell(case: Case, event: Event) -> str:
    tells = _TELLS.get(event.kind)
    return tells(case, event) if tells else ""


def _received(case: Case, event: Event) -> str:
    work = case.trial.works[event.work]
    earlier = [w for w in case.trial.works[: work.number] if w.message.order == work.message.order]
    if earlier and all(w.message.id != work.message.id for w in earlier):
        return f"received message {work.message.id} at {clock(event.time)}, the same order sent once more"
    return f"received {'the message again' if earlier else f'message {work.message.id}'} at {clock(event.time)}"


def _called(case: Case, event: Event) -> str:
    assert event.call is not None
    if event.call.name in _LOOKS:
        return f"{_found(event)} ({event.call} is {event.answer!r})"
    if event.call.name == "charge":
        return f"asked for {event.call}, which the payment service had done before"
    if event.call.name == "commit":
        return "committed"
    return f"made {event.call}" if event.call.name in ("put", "delete") else ""


def _found(event: Event) -> str:
    assert event.call is not None
    is_there = not event.answer if event.call.name == "add" else bool(event.answer)
    if event.call.name == "add":
        return "found a record" if is_there else "made its record"
    return "found a record" if is_there else "found no record"


def _died(case: Case, event: Event) -> str:
    rolled = ", and its transaction was rolled back" if event.answer else ""
    return f"died before {event.call} at {clock(event.time)}{rolled}"


_TELLS: dict[str, Callable[[Case, Event], str]] = {
    "received": _received,
    "called": _called,
    "charged": lambda case, event: f"{'booked the charge' if event.call and event.call.name == 'book' else 'charged'} at {clock(event.time)}",
    "died": _died,
    "stopped": lambda case, event: f"stood still before {event.call} until its lease ended at {clock(event.answer)}",
    "failed": lambda case, event: f"got no answer from the payment service at {clock(event.time)}",
    "raised": lambda case, event: f"raised {type(event.answer).__name__} at {clock(event.time)}",
    "acked": lambda case, event: f"acked the message at {clock(event.time)}",
}


# --- charged twice ----------------------------------------------------------------------------------------------------


def why_twice(case: Case) -> Reason:
    """The first cause that fits."""
    return next(reason for cause in _TWICE if (reason := cause(case)) is not None)


def _by_itself(case: Case) -> Reason | None:
    if case.second is not None and case.first is not case.second:
        return None
    return Reason("one delivery made two charges: charge is called twice", "follow one delivery through the code: where is the second charge?")


def _two_keys(case: Case) -> Reason | None:
    keys = [event.call.args[1] for work in _both(case) for event in case.calls(work, "charge") if event.call]
    if len(keys) < 2 or None in keys or len(set(keys)) < 2:
        return None
    return Reason(
        f"the payment service charges once for each idempotency key, and got two for one order: {keys[0]!r} and {keys[1]!r}",
        "what is the same at every delivery of an order, and never the same for two orders?",
    )


def _memory(case: Case) -> Reason | None:
    names = case.trial.remembers()
    if not names or any(case.calls(work, *_LOOKS) for work in _both(case)):
        return None
    return Reason(
        f"{_and([repr(name) for name in names])} is in the memory of one process: others never see it, and with a crash it is gone",
        "keep what has to outlive the process where every process finds it",
    )


def _rolled_back(case: Case) -> Reason | None:
    assert case.first
    died = [event for event in case.of(case.first, "died") if event.answer]
    if not died or not case.calls(case.first, "charge"):
        return None
    return Reason(
        "the rollback took the record back, but not the charge: the payment service is outside of the database's transaction",
        "let both stand in one database, or let the payment service know which charge it has made already",
    )


def _other_key(case: Case) -> Reason | None:
    """What one of them writes the other can never find."""
    assert case.first and case.second
    looked, looks = ([_key(event.call) for event in case.calls(work, *_LOOKS)] for work in (case.first, case.second))
    if not looked or not looks or set(looked) & set(looks):
        return None
    return Reason(
        f"{case.name(case.first)} looked under {looked[-1]!r}, {case.name(case.second)} under {looks[-1]!r}: "
        "what one of them records the other never finds",
        "what is the same at every delivery of an order, and never the same for two orders?",
    )


def _never_looked(case: Case) -> Reason | None:
    assert case.second
    if case.calls(case.second, *_LOOKS):
        return None
    return Reason(
        "a message can be delivered more than once, and nothing looked whether its order had been charged",
        "find out before a charge whether there has been one",
    )


def _both_looked(case: Case) -> Reason | None:
    """The second one looked before the first one had written, and the first one lived to write."""
    assert case.first and case.second
    died = case.of(case.first, "died")
    if died and died[0].time <= case.of(case.second)[0].time:
        return None
    return Reason(
        "two copies of one message were at work at the same time: both looked before either had its record, between check and charge",
        "looking and recording are two calls; which call of the store does both in one step?",
    )


def _between(case: Case) -> Reason | None:
    return Reason(
        "the charge was done and not on record when its process died: between charge and record",
        "charge and record have to be one thing, that happens as a whole or not at all",
    )


_TWICE = (_by_itself, _two_keys, _memory, _rolled_back, _other_key, _never_looked, _both_looked, _between)


def _both(case: Case) -> list[Work]:
    return [work for work in (case.first, case.second) if work is not None]


# --- never charged ----------------------------------------------------------------------------------------------------


def why_never(case: Case) -> Reason:
    """The first cause that fits."""
    return next(reason for cause in _NEVER if (reason := cause(case)) is not None)


def _works(case: Case) -> list[Work]:
    return [work for work in case.trial.works if work.message.order == case.order]


def _acked_before(case: Case) -> Reason | None:
    if case.trial.arena.consumer.ack is not Ack.ON_RECEIVE or not any(case.of(work, "died", "failed") for work in _works(case)):
        return None
    return Reason(
        "the message was acked when it was received, before its work: who dies then leaves nothing that could come again",
        "no handler can help here: ack after the work (ack: after-success in the scenario)",
    )


def _charged_another(case: Case) -> Reason | None:
    given = [event for work in _works(case) for event in case.calls(work, *EFFECTS) if _key(event.call) != case.order]
    if not given:
        return None
    return Reason(f"{given[0].call} names no order that was sent", "what is charged is an order: message.order")


def _swallowed(case: Case) -> Reason | None:
    for work in _works(case):
        if case.of(work, "failed") and case.of(work, "acked") and not case.calls(work, *EFFECTS):
            return Reason(
                "the payment service did not answer, the handler caught the error and came to its end as if all were well: "
                "the message was acked",
                "which errors can the handler deal with? Only those may it catch; of others the queue has to hear",
            )
    return None


def _not_called(case: Case) -> Reason | None:
    if any(case.of(work, "died", "stopped", "failed", "called") for work in _works(case)):
        return None
    return Reason(
        "the handler came to its end without a call of charge or book, and its message was acked",
        "where does the handler charge? It has to, unless the order is charged already",
    )


def _of_another(case: Case) -> Reason | None:
    """It went by what another order's work had written."""
    others = [w for w in case.trial.works if w.message.order != case.order]
    for work in _works(case):
        looks = [event for event in case.calls(work, *_LOOKS) if _found(event) == "found a record"]
        for look in looks:
            wrote = [w for w in others for e in case.trial.events if e.work == w.number and _is_made(e)
                     and e.call and e.call.name in WRITES and _key(e.call) == _key(look.call)]  # fmt: skip
            mine = [e for w in _works(case) for e in case.calls(w, *WRITES) if _key(e.call) == _key(look.call) and e.time < look.time]
            if wrote and not mine:
                return Reason(
                    f"{look.call} is {look.answer!r}: that was written for order {wrote[0].message.order}, "
                    f"and says nothing of order {case.order}; messages need not come in the order in which they were sent",
                    "what is on record has to be of this very order",
                )
    return None


def _recorded_only(case: Case) -> Reason | None:
    for work in _works(case):
        wrote = case.calls(work, *WRITES)
        ended = case.of(work, "died", "failed", "raised")
        if wrote and ended:
            how = "died" if ended[0].kind == "died" else "failed"
            return Reason(
                f"the order was on record ({wrote[0].call}) and not charged when {case.name(work)} {how}: who came later took it as done",
                "charge and record have to be one thing, that happens as a whole or not at all",
            )
    return None


def _memory_of_it(case: Case) -> Reason | None:
    names = case.trial.remembers()
    if not names:
        return None
    return Reason(f"the handler went by {_and([repr(name) for name in names])}, which is in the memory of one process",
                  "keep what has to outlive the process where every process finds it")  # fmt: skip


def _gave_up(case: Case) -> Reason | None:
    return Reason(
        "the handler came to its end without a charge, and its message was acked: nothing will bring it again",
        "under which condition does the handler leave without a charge? It may only if there has been one",
    )


_NEVER = (_acked_before, _charged_another, _swallowed, _not_called, _of_another, _recorded_only, _memory_of_it, _gave_up)

__all__ = ["Case", "Reason", "case_of", "name_of", "story", "why_never", "why_twice"]
