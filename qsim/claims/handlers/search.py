"""All schedules up to a bound, the ones with the fewest faults first, until one shows that the claim does not hold.

It knows choices and their cost; what happens in a schedule is ``drive``'s.  At most two faults and two switches between
live copies, three of both together (two, where there are two messages): what goes wrong goes wrong with few (so model checkers found), and the shortest
schedule is the one that a person understands.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from threading import Thread
from time import monotonic, process_time
from typing import Any, NamedTuple

from qsim.claims.handlers.drive import ORDERS, Arena, Hangs, Move, Setup, Trial
from qsim.kernel.profile import Order

MOST_FAULTS, MOST_SWITCHES, MOST_OF_BOTH = 2, 2, 3
MOST_SCHEDULES = 2000
HANG_S, SLEEP_S = 1.0, 10.0
"""A handler that works for so many seconds without a call is in an endless loop; so is who sleeps for so long.  Work is
counted in time of the processor: a machine with much to do is no loop."""

_LEFT: list[Any] = []
"""The dead of threads that could not be ended: a handler that catches everything, in an endless loop."""


@dataclass
class Found:
    """``trial`` is the schedule that shows it, None where none does; ``tried`` schedules, of ``crash_points`` each."""

    trial: Trial | None = None
    says: Any = None
    tried: int = 0
    crash_points: int = 0
    is_all: bool = True
    hangs_after: str | None = None


class _Wanted(NamedTuple):
    """A schedule to be run.  They are taken in this order: few faults, then crashes before what is subtler."""

    cost: int
    subtle: int
    serial: int
    setup: Setup
    choices: tuple[int, ...]
    faults: int
    switches: int


def setups(arena: Arena) -> list[Setup]:
    """One order; one that the producer sent twice; two orders, and in the other order where the queue may do that."""
    first, second = ORDERS
    two = ((first, "m-1"), (second, "m-2"))
    reordered = [Setup(two, 1, True)] if arena.plan.queues[arena.queue].profile.order is Order.BEST_EFFORT else []
    return [Setup(((first, "m-1"),)), Setup(((first, "m-1"), (first, "m-2")), 1), Setup(two), *reordered]


def search(arena: Arena, judge: Callable[[Trial], Any]) -> Found:
    """The first schedule of which ``judge`` says something.

    In a thread of its own: when that ends, the greenlets of the dead processes go with it, and none is ever resumed.
    """
    found, errors = Found(), list[BaseException]()
    thread = Thread(target=_guarded, args=(arena, judge, found, errors), daemon=True)
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):  # what a handler prints, it would print a thousand times
        thread.start()
        _wait_for(thread, found)
    if thread.is_alive():
        _LEFT.append(arena.graveyard)
    elif errors:
        raise errors[0]
    return found


def _guarded(arena: Arena, judge: Callable[[Trial], Any], found: Found, errors: list[BaseException]) -> None:
    try:
        _search(arena, judge, found)
    except Hangs:
        pass
    except BaseException as error:
        errors.append(error)


def _search(arena: Arena, judge: Callable[[Trial], Any], found: Found) -> None:
    serial = count()
    heap = [_Wanted(s.faults, s.faults, next(serial), s, (), s.faults, 0) for s in setups(arena)]
    while heap and found.tried < MOST_SCHEDULES:
        wanted = heappop(heap)
        found.trial = trial = Trial(arena, wanted.setup, wanted.choices)
        trial.run()
        found.tried += 1
        found.crash_points = found.crash_points or sum(any(m.does == "crash" for m in moves) for moves in trial.options)
        found.says = judge(trial)
        if found.says is not None:
            return
        for more in _more(wanted, trial.options, serial):
            heappush(heap, more)
    found.trial, found.is_all = None, not heap


def _more(wanted: _Wanted, options: list[list[Move]], serial: Iterator[int]) -> Iterator[_Wanted]:
    """The schedules that differ from this one in one later choice."""
    _, subtle, _, setup, choices, faults, switches = wanted
    most = MOST_OF_BOTH if len(setup.sent) == 1 else MOST_OF_BOTH - 1
    for at in range(len(choices), len(options)):
        for which, move in enumerate(options[at][1:], 1):
            f, s, odd = faults + move.fault, switches + move.switch, subtle + (move.does != "crash")
            if f <= MOST_FAULTS and s <= MOST_SWITCHES and f + s <= most:
                yield _Wanted(f + s, odd, next(serial), setup, (*choices, *(0,) * (at - len(choices)), which), f, s)


# --- a handler that does not give up control --------------------------------------------------------------------------


def _wait_for(thread: Thread, found: Found) -> None:
    """Until the search is over, or works without getting on, or sleeps."""
    seen, since, worked = -1, monotonic(), process_time()
    try:
        while thread.is_alive():
            thread.join(HANG_S / 4)
            if seen != (seen := _progress(found)):
                since, worked = monotonic(), process_time()
            elif process_time() - worked > HANG_S or monotonic() - since > SLEEP_S:
                found.hangs_after = _last_call(found)
                break
    finally:
        if thread.is_alive():  # also where a person interrupts it
            _stop(thread, found)


def _progress(found: Found) -> int:
    trial = found.trial
    return found.tried * 10_000 + (len(trial.events) + len(trial.works) if trial is not None else 0)


def _last_call(found: Found) -> str:
    calls = [event.call for event in found.trial.events if event.call] if found.trial is not None else []
    return str(calls[-1]) if calls else ""


def _stop(thread: Thread, found: Found) -> None:
    """An exception in the thread, again and again: the handler may catch it.  At last it is left alone."""
    import ctypes

    if found.trial is not None:
        found.trial.broken = "hangs"
    for _ in range(20):
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(Hangs))
        thread.join(0.05)
        if not thread.is_alive():
            return


__all__ = ["Found", "search", "setups"]
