"""The same questions answered by hand: replay the rows of real runs one after the other, with dicts and loops."""

from collections import defaultdict

import pytest

import qsim
from qsim.kernel.journal import Kind, Place
from qsim.metrics.places import ENTERS, MOVES, Told
from qsim.metrics.queues import recovery_time, wait
from qsim.scenario.reference import parse

HARD = """
qsim: 1
name: hard
seed: {seed}
run: {{duration: 3m}}
queues:
  jobs:
    profile: sqs-standard
    visibility_timeout: 7s
    retention: 1m
    dlq: {{queue: dead, max_receives: 3}}
    imperfections: {{duplicate_delivery: 5%, reorder: 10%, lose_send: 5%, lose_ack: 5%}}
  dead: {{profile: sqs-standard}}
producers:
  api:
    to: jobs
    count: 2
    rate: 3/s
    on_reject: {{attempts: 3, backoff: fixed, first: 1s}}
    message: {{poison: 5%, attributes: {{kind: {{order: 70%, cart: 30%}}}}}}
consumers:
  worker:
    from: jobs
    count: 4
    concurrency: 2
    poll: {{batch: 3, wait: 10s}}
    service: {{exponential: {{mean: 1200ms}}}}
    failures: {{error: 10%, crash: 3%, restart_after: 2s}}
    retry: {{backoff: fixed, first: 2s}}
timeline:
  fixed: {{at: 90s, fix_poison: true}}
  again: {{at: 2m, redrive: {{from: dead, to: jobs, rate: 2/s}}}}
"""


@pytest.fixture(scope="module", params=[1, 2, 3])
def run(request):
    return qsim.load(text=HARD.format(seed=request.param)).run()


def replay(run, queue):
    """After each instant: {message: (place, entered)} of the queue."""
    there, time = {}, 0
    for row in run.recording.rows().tolist():
        at, message, _, _, where, kind, cause, _ = row
        if at != time:
            yield time, there
            time = at
        if where == queue and kind in MOVES:
            to = MOVES[Kind(kind)][1]
            place = Place(cause) if to is Told.CAUSE else to
            entered = at if kind in ENTERS else there[message][1]
            there[message] = (place, entered)
            if place == Place.GONE:
                del there[message]
    yield time, there


@pytest.mark.parametrize("queue", [0, 1])
def test_levels_and_ages_at_every_instant(run, queue):
    name = run.plan.queues[queue].name
    visible, flight = (run.numbers.function(parse(f"{name}.{m}")) for m in ("visible", "in_flight"))
    age = run.numbers.function(parse(f"{name}.oldest_age"))
    for time, there in replay(run, queue):
        waiting = [entered for place, entered in there.values() if place in (Place.READY, Place.RETURNS)]
        assert visible.at(time) == len(waiting)
        assert flight.at(time) == sum(place == Place.LEASED for place, _ in there.values())
        assert age.at(time) == (time - min(waiting) if waiting else 0)


@pytest.mark.parametrize("label", ["poison", "cart"])
def test_labelled_ages(run, label):
    age = run.numbers.function(parse(f"jobs.oldest_age {label}"))
    marked = set(run.numbers.ledger.identity(run.numbers.marked(parse(f"jobs.visible {label}")).nonzero()[0]).tolist())
    assert marked
    for time, there in replay(run, 0):
        waiting = [e for m, (place, e) in there.items() if place == Place.READY and m in marked]
        assert age.at(time) == (time - min(waiting) if waiting else 0)


def test_waits(run):
    sent, moved, waits = {}, {}, []
    for time, message, _, attempt, where, kind, _, _ in run.recording.rows().tolist():
        if kind == Kind.SENT and attempt == 1:
            sent[message] = time
        if kind == Kind.MOVED_IN and where == 0:
            moved[message] = time
        if kind == Kind.RECEIVED and where == 0 and message in sent:
            waits.append((time, time - moved.get(message, sent.pop(message))))
            sent.pop(message, None)
    found = wait(run.numbers.ledger, 0)
    assert sorted(zip(found.known.tolist(), found.value.tolist(), strict=True)) == sorted(waits)


def test_recoveries(run):
    holder, ended, found = {}, {}, []
    for time, message, client, _, where, kind, _, _ in run.recording.rows().tolist():
        if kind == Kind.MOVED_IN and where == 0:
            holder.pop(message, None)
            ended.pop(message, None)
        elif kind == Kind.RECEIVED and where == 0:
            if message in ended:
                found.append((time, time - ended.pop(message)))
            holder[message] = client
        elif (
            (kind in (Kind.NACKED, Kind.LEASE_ENDED) and where == 0)
            or (kind in (Kind.ERRED, Kind.INTERRUPTED) and holder.get(message) == client)
        ) and message in holder:
            ended.setdefault(message, time)
    values = recovery_time(run.numbers.ledger, 0)
    assert len(found) > 20
    assert sorted(zip(values.known.tolist(), values.value.tolist(), strict=True)) == sorted(found)


def test_effects_duplicates_and_redeliveries(run):
    effects, receives = defaultdict(int), defaultdict(int)
    for _, message, _, _, where, kind, _, _ in run.recording.rows().tolist():
        effects[message] += kind == Kind.EFFECT
        receives[message] += kind == Kind.RECEIVED and where == 0
    assert run["worker.duplicates at end"] == sum(n - 1 for n in effects.values() if n)
    assert run["jobs.redelivered at end"] == sum(n - 1 for n in receives.values() if n)
    assert run["jobs.receives max"] == max(receives.values())
    received = [m for m, n in receives.items() if n]
    assert run["worker.effects_per_message mean"] == pytest.approx(sum(effects[m] for m in received) / len(received))


def test_out_of_order_receives(run):
    order, newest, late = {}, -1, 0
    for i, (_, message, _, attempt, where, kind, _, _) in enumerate(run.recording.rows().tolist()):
        if kind == Kind.SENT and attempt == 1:
            order[message] = i
        if kind == Kind.RECEIVED and where == 0:
            late += order[message] < newest
            newest = max(newest, order[message])
    assert run["jobs.out_of_order at end"] == late > 0


def test_busy_slots_never_exceed_live_ones(run):
    table = run.frame("worker")
    assert (table.busy >= 0).all()
    assert (table.busy <= table["count"] * 2).all()
    assert run.conservation()["holds"]


def test_time_on_poison_is_part_of_the_time_at_work_and_ends_with_the_fix(run):
    assert 0 < run["worker.time_on_poison mean"] < run["worker.utilization mean"]


def test_a_message_may_be_in_a_queue_twice():
    # "lose_reply: accepted, but the producer does not hear it ... retried ... same identity"
    copies = HARD.replace("lose_send: 5%", "lose_reply: 20%").format(seed=4)
    run = qsim.load(text=copies).run()
    assert run.conservation()["holds"]
    assert run["jobs.accepted at end"] > run["api.sent at end"] - run["api.retried at end"]
    age = run.numbers.function(parse("jobs.oldest_age"))
    visible = run.numbers.function(parse("jobs.visible"))
    for time in visible.times.tolist():
        assert (age.at(time + 1) > 0) == (visible.at(time + 1) > 0)
    qsim.expect(run).little_law("jobs", within="5%")


def test_the_end_of_every_series_is_the_end_of_its_history(run):
    from qsim.metrics.ends import AT_END

    numbers = run.numbers
    for name, kind in numbers.names.kinds.items():
        for metric in (metric for of, metric in AT_END if of == kind):
            reference = parse(f"{name}.{metric}")
            assert numbers.exact(reference) == pytest.approx(numbers.function(reference).at(run.recording.ended)), (
                reference
            )
