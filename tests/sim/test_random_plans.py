"""Random scenarios, small and full of ties: whatever is drawn, what a run promises holds.

Every promise is checked on the rows alone.  ``QSIM_PLANS=15000`` draws more; a failure names the seed of its scenario,
and ``plan(seed)`` of random_plans draws it again.
"""

import json
import os
from collections import defaultdict
from itertools import groupby, pairwise, takewhile

import pytest

from qsim.claims.conservation import conservation
from qsim.kernel.journal import ROW, Cause, Kind, Place
from qsim.scenario.plan import Poll, Set
from qsim.sim.quick import is_untouched
from qsim.sim.simulate import simulate
from qsim.units import MILLISECOND
from tests.sim.random_plans import plan

PLANS = int(os.environ.get("QSIM_PLANS", "300"))
PARTS = 20

ENDED = {Kind.ACKED, Kind.DEAD_LETTERED, Kind.MOVED_OUT, Kind.DROPPED, Kind.EXPIRED, Kind.PURGED, Kind.VANISHED}
LEFT_CLIENT = {Kind.NACKED, Kind.LEASE_ENDED, Kind.RETURNED, Kind.DUPLICATED}
DEATHS = {Cause.OWN_CRASH, Cause.FELLOW_CRASH, Cause.SCALED_IN}
TURN = {
    **dict.fromkeys((Kind.CONTROL, Kind.CONTROL_END), 0),
    **dict.fromkeys((Kind.ERRED, Kind.EXTENDED), 1),
    Kind.LEASE_ENDED: 2,
    Kind.VISIBLE: 3,
    Kind.SENT: 4,
    Kind.RECEIVED: 5,
    **dict.fromkeys((Kind.FIRED, Kind.CLEARED), 6),
}
"""SCENARIO.md rule 6 in rows: which come before which at one instant, where nothing takes no time."""


def rows_of(recording):
    return [row for chunk in recording.chunks for row in ROW.iter_unpack(chunk)]


def set_values(drawn):
    """What the timeline and alerts set."""
    actions = [a for entry in drawn.timeline for a in entry.actions] + [a for alert in drawn.alerts for a in alert.do]
    return [a for a in actions if isinstance(a, Set)]


@pytest.mark.parametrize("part", range(PARTS))
def test_whatever_is_drawn_holds_what_a_run_promises(part):
    for seed in range(part, PLANS, PARTS):
        drawn, document = plan(seed)
        try:
            check(drawn, document)
        except Exception as error:
            error.add_note(f"scenario {seed}: {json.dumps(document)}")
            raise


def check(drawn, document):
    run = simulate(drawn)
    rows = rows_of(run)
    assert simulate(drawn).digest == run.digest, "the same run twice"
    if any(is_untouched(drawn, consumer) for consumer in drawn.consumers):
        slow = simulate(drawn, quick=False)
        assert slow.digest == run.digest, first_difference(rows, rows_of(slow))
    assert conservation(run)["problems"] == []
    assert all(earlier[0] <= later[0] for earlier, later in pairwise(rows)), "time goes forward"
    lives_are_whole(drawn, rows)
    leases_end_on_time(run, rows)
    the_least_slot_comes_first(drawn, rows)
    nobody_idles_before_a_visible_message(drawn, run, rows)
    nobody_works_on_two(drawn, rows)
    restarts_take_their_time(drawn, rows)


def first_difference(fast, slow):
    n = next((n for n, pair in enumerate(zip(fast, slow, strict=False)) if pair[0] != pair[1]), min(len(fast), len(slow)))
    return f"row {n}: callbacks {fast[n : n + 2]}, processes {slow[n : n + 2]}, after {fast[max(0, n - 4) : n]}"


def lives_are_whole(drawn, rows):
    """Nothing is handed out that is not in the queue, or more often than max_receives allows."""
    there, received = defaultdict(int), defaultdict(int)
    letters = [queue.profile.dlq for queue in drawn.queues]
    sets = [a for a in set_values(drawn) if a.what == "dlq"]
    may_repeat = any(q.imperfections.duplicate_delivery or q.imperfections.lose_reply for q in drawn.queues)
    for _, message, _, _, queue, kind, _, _ in rows:
        copy = queue, message
        if kind in (Kind.ACCEPTED, Kind.MOVED_IN):
            there[copy] += 1
            received[copy] = 0
        elif kind in ENDED:
            there[copy] -= 1
            assert there[copy] >= 0, f"{Kind(kind).name} of a message that is not there"
        elif kind == Kind.RECEIVED:
            assert there[copy] > 0, f"message {message} received after its end"
            received[copy] += 1
            most = letters[queue].max_receives if letters[queue] is not None else None
            assert most is None or may_repeat or sets or received[copy] <= most, f"message {message} received too often"


def leases_end_on_time(run, rows):
    """A lease that nobody settles ends at its deadline: not before, not after, not never."""
    if any(queue.imperfections.lose_reply for queue in run.plan.queues):
        return  # two copies of one identity: the rows do not say whose lease it was
    ends = {}
    for time, message, _, _, queue, kind, cause, other in rows:
        copy = queue, message
        if kind == Kind.RECEIVED:
            ends[copy] = None if other < 0 else time + other * MILLISECOND
        elif kind == Kind.EXTENDED or (kind == Kind.NACKED and cause == Place.LEASED and other >= 0):
            ends[copy] = time + other * MILLISECOND
        elif kind in ENDED or kind in LEFT_CLIENT:
            end = ends.pop(copy, None)
            is_coarse = end is not None and end % MILLISECOND == 0 == time % MILLISECOND
            assert kind != Kind.LEASE_ENDED or not is_coarse or end == time, f"a lease until {end} ended at {time}"
            assert end is None or time <= end + MILLISECOND, f"message {message} held until {end}, {Kind(kind).name} at {time}"
    late = [copy for copy, end in ends.items() if end is not None and end + MILLISECOND < run.ended]
    assert not late, f"leases of {late} never ended"


def the_least_slot_comes_first(drawn, rows):
    if takes_no_time(drawn):
        return
    for time, group in groupby(rows, key=lambda row: row[0]):
        group = takewhile(lambda row: not acts(drawn, row), group)  # what an observer sets in motion comes behind it
        turns = [(TURN[row[5]], row) for row in group if row[5] in TURN and not is_another_try(row)]
        ordered = all(a[0] <= b[0] for a, b in pairwise(turns))
        assert ordered, f"at {time}: {[(Kind(row[5]).name, row[1], row[2]) for _, row in turns]}"


def acts(drawn, row):
    return row[5] == Kind.SCALED or (row[5] == Kind.FIRED and drawn.alerts[row[2]].do)


def is_another_try(row):
    """A producer that stood still sends when there is room, and a receive may have made it."""
    return row[5] == Kind.SENT and row[3] > 1


def takes_no_time(drawn):
    """Something may happen again at the instant at which it ended."""
    times = [value for consumer in drawn.consumers for value in spans(consumer.service)]
    times += [a.value for a in set_values(drawn) if a.what == "service" and spans(a.value) == [0]]
    polls = any(isinstance(c.poll, Poll) and c.poll.visibility_timeout == 0 for c in drawn.consumers)
    return 0 in times or polls


def spans(time):
    if hasattr(time, "parts"):
        return [value for part in time.parts for value in spans(part)]
    return [getattr(time, "value", 1)]


def nobody_idles_before_a_visible_message(drawn, run, rows):
    """With one plain consumer at a plain queue: at the end of an instant there is an idle process or a visible message,
    not both.  Forgotten alarms and receives show here."""
    for consumer in drawn.consumers:
        if not is_plain(drawn, consumer):
            continue
        queue, visible, busy = consumer.sources[0], 0, set()
        for time, group in groupby(rows, key=lambda row: row[0]):
            for _, _, client, _, where, kind, cause, other in group:
                if client >= 0 and client >> 20 == consumer.index and kind < Kind.FIRED:
                    if kind == Kind.RECEIVED:
                        busy.add(client)
                    elif kind in (Kind.EFFECT, Kind.SKIPPED, Kind.ERRED):
                        busy.discard(client)
                if where == queue:
                    visible += change(kind, cause, other)
            assert visible == 0 or len(busy) == consumer.count or time == run.ended, f"at {time} a process idles"
        assert visible == run.overview[drawn.queues[queue].name]["visible"]


def is_plain(drawn, consumer):
    """Its processes are there all the time, ask again at once, and take one message after the other."""
    poll, queue = consumer.poll, drawn.queues[consumer.sources[0]]
    others = [c for c in drawn.consumers if c is not consumer and set(c.sources) & set(consumer.sources)]
    touched = [a for entry in drawn.timeline for a in entry.actions if getattr(a, "consumer", None) == consumer.index]
    touched += [a for a in set_values(drawn) if a.what in ("count", "failures") and a.index == consumer.index]
    return not (
        others or touched or consumer.autoscale or poll is None or poll.every is not None or poll.batch > 1 or poll.visibility_timeout == 0
        or len(consumer.sources) > 1 or consumer.concurrency > 1 or consumer.failures.crash
        or queue.profile.name != "ideal" or queue.imperfections.empty_receive
    )  # fmt: skip


def change(kind, cause, other):
    """By how much a row changes the number of visible messages of its queue."""
    if kind in (Kind.ACCEPTED, Kind.MOVED_IN, Kind.VISIBLE, Kind.DUPLICATED):
        return int(cause == Place.READY or kind == Kind.DUPLICATED)
    if kind in (Kind.NACKED, Kind.LEASE_ENDED, Kind.RETURNED):
        return int(cause == Place.READY)
    if kind == Kind.RECEIVED:
        return -1
    if kind in (Kind.ACKED, Kind.MOVED_OUT, Kind.PURGED, Kind.VANISHED):
        return -int(cause == Place.READY)
    if kind in (Kind.DROPPED, Kind.EXPIRED):
        return -int(other == Place.READY)
    return -int(kind == Kind.DEAD_LETTERED and other & 255 == Place.READY)


def nobody_works_on_two(drawn, rows):
    """A process has as many messages at work as it has desks, and none once it is dead."""
    desks = {c.index: c.concurrency for c in drawn.consumers}
    buffers = {c.index: c.buffers for c in drawn.consumers}
    at_work, alive = defaultdict(int), set()
    for _, _, client, attempt, _, kind, cause, _ in rows:
        if client < 0 or kind >= Kind.FIRED:
            continue
        number = client >> 20
        if kind == Kind.UP:
            assert client not in alive
            alive.add(client)
        elif kind == Kind.DOWN:
            alive.discard(client)
            assert at_work[client] == 0, "a dead process works"
        elif kind == (Kind.STARTED if buffers[number] else Kind.RECEIVED):
            assert client in alive, "a dead process receives"
            at_work[client] += 1
            assert at_work[client] <= desks[number], "more at work than desks"
        elif kind in (Kind.EFFECT, Kind.SKIPPED, Kind.ERRED):
            at_work[client] -= 1
        elif kind == Kind.INTERRUPTED and (attempt > 0 or not buffers[number]) and cause in DEATHS:
            at_work[client] = max(0, at_work[client] - 1)


def restarts_take_their_time(drawn, rows):
    """Who crashed is up again as much later as the scenario says, unless somebody else set the number of processes."""
    for consumer in drawn.consumers:
        restarts = spans(consumer.failures.restart_after)
        sets = [a for a in set_values(drawn) if a.index == consumer.index]
        if sets or consumer.autoscale or 1 in restarts:
            continue
        down = {}
        for time, _, client, _, _, kind, _, _ in rows:
            if client >= 0 and client >> 20 == consumer.index and kind == Kind.DOWN:
                down[client] = time
            elif client >= 0 and client >> 20 == consumer.index and kind == Kind.UP and client in down:
                assert time - down.pop(client) in restarts
        assert all(time + min(restarts) >= rows[-1][0] or len(restarts) > 1 for time in down.values()), "never came back"
