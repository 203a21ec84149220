"""Why a run is as it is, and in which direction to look, by the kind of failure.

It knows counters and rows of one run; every number is this run's.  A direction says what to turn and by which equation,
never the value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from qsim.claims.alarms import LATER, SOONER, firings
from qsim.claims.bottleneck import behind
from qsim.claims.words import many, say
from qsim.kernel.journal import Cause, Kind
from qsim.metrics import life, queues
from qsim.metrics.ledger import Ledger
from qsim.metrics.naming import message_name, process_name
from qsim.metrics.numbers import Numbers
from qsim.scenario.plan import Ack, Constant, ConsumerPlan, Expectation, Plan, ProducerPlan, Watching
from qsim.scenario.reference import PER_MESSAGE, RATE, TIME, type_of
from qsim.units import SECOND

BUSY = 0.97
"""From here on a consumer has hardly time to spare."""

MANY = 0.01
"""Of the deliveries: leases that end more often than this cost capacity."""

Array = Any
Lines = Iterator[str]


@dataclass(frozen=True, slots=True)
class Case:
    """An expectation that fails in a run; the queue, producers and consumers that it is about; ``messages`` (dense
    numbers) speak against it, the first first."""

    expectation: Expectation
    run: Numbers
    queue: int | None
    producers: list[ProducerPlan]
    consumers: list[ConsumerPlan]
    messages: Array

    @property
    def message(self) -> int | None:
        """The one that decides."""
        return int(self.run.ledger.identity(self.messages[:1])[0]) if len(self.messages) else None


def because(kind: str, case: Case) -> list[str]:
    """What this kind of failure has to say beside the balance; nothing where it has nothing."""
    return list(_BECAUSE.get(kind, _nothing)(case))


def direction(kind: str, case: Case) -> list[str]:
    """What to try."""
    return [*_nobody_sends(case)] or list(_TRY.get(kind, _nothing)(case))


def _nothing(case: Case) -> Lines:
    yield from ()


def _nobody_sends(case: Case) -> Lines:
    """Of a queue into which nothing came, and of which that is not what is asked for."""
    if case.queue is None or _of_queue(case, "accepted") or _of_queue(case, "moved_in") or _of_queue(case, "rejected"):
        return
    name = case.run.plan.queues[case.queue].name
    if not any(queue.profile.dlq and queue.profile.dlq.queue == name for queue in case.run.plan.queues):
        yield f"nothing came into {name}: who sends there (producers.NAME.to, or a subscription of a topic)?"


# --- growth, and waiting for one's turn ------------------------------------------------------------------------------


def work_of(run: Numbers, consumer: ConsumerPlan) -> float | None:
    """Seconds that a slot spends on a message: as it is set, or measured, busy slots over messages a second."""
    if isinstance(consumer.service, Constant) and not consumer.uses and consumer.service.value:
        return consumer.service.value / SECOND
    busy, done = run.exact(f"{consumer.name}.busy mean"), run.exact(f"{consumer.name}.throughput mean")
    return busy / done if busy and done else None


def _grown(case: Case) -> Lines:
    """Where the work is not always the same: what the slots can do on average."""
    for consumer in _busy_ones(case):
        work, busy = work_of(case.run, consumer), case.run.exact(f"{consumer.name}.busy mean") or 0
        if work and (consumer.uses or not isinstance(consumer.service, Constant)):
            spent = say(round(work * SECOND), TIME)
            yield f"a message takes {spent} on average: {busy:.4g} busy slots finish {say(busy / work, RATE)}"


def _busy_ones(case: Case) -> list[ConsumerPlan]:
    return [c for c in case.consumers if (case.run.exact(f"{c.name}.utilization mean") or 0) >= BUSY]


def _other_slots(case: Case) -> Lines:
    """The equation to solve, for the consumers that can be more or fewer."""
    looks = list(_late_looks(case))
    if looks:
        yield from looks
        return
    wanted, arrives = _growth_wanted(case), sum(case.run.exact(f"{p.name}.rate mean") or 0 for p in case.producers)
    for consumer in case.consumers if wanted else _busy_ones(case):
        work = work_of(case.run, consumer)
        if work is None:
            continue
        slots = f"consumers.{consumer.name}.count" + (" x concurrency" if consumer.concurrency > 1 else "")
        each, comes = say(round(work * SECOND), TIME), say(arrives, RATE)
        if wanted:
            yield (
                f"growth is a difference: {comes} - n/{each} = {say(wanted, RATE)}. Solve it for n ({slots}), "
                "or with the n there is for the rate that comes"
            )
        else:
            yield f"find the fewest n with n/{each} not below {comes}, with something to spare where chance plays: {slots}"
        return
    late = list(_behind(case))
    yield from late
    if not wanted and case.consumers and _waits(case) and not late:
        yield "the consumers are not always busy: look for what keeps messages from them (leases, groups, prefetch, delay, restarts)"


def _waits(case: Case) -> bool:
    """Whether there was something for consumers with time to spare."""
    return case.queue is not None and (case.run.exact(f"{case.run.plan.queues[case.queue].name}.visible mean") or 0) >= 1


def _late_looks(case: Case) -> Lines:
    """Of a queue that its producers watch."""
    for producer in case.producers:
        if isinstance(producer.slow_down, Watching) and case.expectation.predicate == "never_exceeds":
            every = say(producer.slow_down.check_every, TIME)
            yield (
                f"{producer.name} looks at the queue every {every}, and between two looks it sends on as before: "
                "how much does the queue grow in that time?"
            )


def _behind(case: Case) -> Lines:
    """What to turn where slots were busy not always, but as long as a backlog waited."""
    for consumer in case.consumers:
        holder = behind(case.run, consumer)
        if holder == consumer.name:
            sooner = ", or sooner (target, startup, metric_lag)" if consumer.autoscale else ""
            most = "autoscale.max" if consumer.autoscale else "count"
            yield f"while the backlog waited every slot of {holder} was busy: more of them at that time ({most}){sooner}"
        elif holder:
            yield f"while the backlog waited all places of {holder} were taken: more of {consumer.name} only wait for it as well"


def _growth_wanted(case: Case) -> float | None:
    """Messages a second by which visible would grow if the expectation held."""
    that, value, predicate = case.expectation.that, case.expectation.value, case.expectation.predicate
    if that is None or that.metric not in ("visible", "depth"):
        return None
    if predicate == "grows_at":
        return float(value[0] if isinstance(value, tuple) else value)
    if predicate in ("is", "within") and that.at == "end":
        aim = value[1] if predicate == "within" else value
        return float(aim) * SECOND / case.run.plan.duration if isinstance(aim, int | float) else None
    return None


def _first_served(case: Case) -> tuple[str, ...]:
    """The priorities that are served before the one that is asked for."""
    that = case.expectation.that
    names = () if case.queue is None or that is None else case.run.plan.queues[case.queue].priorities
    return names[: names.index(that.label)] if that is not None and that.label in names else ()


def _waited(case: Case) -> Lines:
    """Of the message that decides: how much of its time it waited for its first receive."""
    first = _first_served(case)
    for consumer in case.consumers if first else ():
        shares = [case.run.exact(f"{consumer.name}.busy.{level} mean") or 0 for level in first]
        all_ = case.run.exact(f"{consumer.name}.busy mean") or 0
        if all_:
            yield f"{' and '.join(first)} {'comes' if len(first) == 1 else 'come'} first: {sum(shares) / all_:.0%} of the work of {consumer.name} is theirs"
    known = _waited_and_stayed(case)
    if known is None or case.message is None or known[1] == 0:
        return
    waited, stayed = known
    yield f"of its {say(waited + stayed, TIME)} it waited {say(waited, TIME)} for its first receive"
    lost = sum(row.kind == Kind.LEASE_ENDED for row in life.rows_of(case.run.ledger, case.message))
    for consumer in _ahead(case, waited, stayed):
        yield (
            f"{say(stayed, TIME)} it was with {consumer.name}, which takes {_amount(consumer)} messages ahead of the work: "
            "it was not next there"
        )
    if lost:
        yield f"its lease ended {many(lost, 'time')} before somebody acked it"


def _waited_and_stayed(case: Case) -> tuple[int, int] | None:
    """Of the message that decides, ns from its sending to its first receive from this queue, and from there to its ack."""
    if case.message is None or case.queue is None:
        return None
    rows, sent = life.rows_of(case.run.ledger, case.message), int(case.run.ledger.first_sent[case.messages[0]])
    received, acked = (
        next((row.time for row in rows if row.kind == kind and row.queue == case.queue), None) for kind in (Kind.RECEIVED, Kind.ACKED)
    )
    return None if received is None or acked is None or sent < 0 else (received - sent, acked - received)


def _ahead(case: Case, waited: int, stayed: int) -> list[ConsumerPlan]:
    """Consumers in whose hands a message may lie before its turn, where it lay there for longer than in the queue."""
    return [c for c in case.consumers if c.prefetch not in (None, 1) and stayed > waited]


def _amount(consumer: ConsumerPlan) -> str:
    return f"up to {consumer.prefetch:,}" if consumer.prefetch else "any number of"


def _lay_ahead(case: Case) -> bool:
    """Whether the message that decides lay longer with a consumer than in the queue."""
    known = _waited_and_stayed(case)
    return known is not None and bool(_ahead(case, *known))


def _is_less(case: Case) -> bool:
    """Whether what was seen is below what was expected."""
    that, value = case.expectation.that, case.expectation.value
    bounds = value if isinstance(value, tuple | list) else (value,)
    got = None if that is None else case.run.exact(that.text)
    if got is None or not isinstance(bounds[0], int | float | Fraction):
        return False
    least = bounds[-1] if case.expectation.predicate == "within" else bounds[0]
    return got < least


def _is_of_messages(case: Case) -> bool:
    return case.expectation.that is not None and type_of(case.expectation.that) == PER_MESSAGE


def _shorter(case: Case) -> Lines:
    if _is_less(case):
        yield "this is sooner than expected: what holds a message back is a delay, or others that come first"
        return
    if _is_of_messages(case) and not len(case.messages):
        yield "no message came that far: What happened says how far they came"
        return
    if _lay_ahead(case):
        yield "what a consumer holds already nobody overtakes: hand out fewer messages ahead of the work (consumers.NAME.push.prefetch)"
        return
    bound = None if case.queue is None else case.run.plan.queues[case.queue].profile.capacity
    if bound is not None and bound.messages and _of_queue(case, "rejected"):
        yield "who comes last into a full queue waits until all before him are done: what it may hold, over what is done in a second"
        return
    crashed, expired = _count(case, Kind.INTERRUPTED), _of_queue(case, "lease_expired")
    again = expired > MANY * _of_queue(case, "received")
    if again and len(outlived(case.run.ledger)) > crashed:
        yield "leases end while work goes on, and copies take the slots: renew leases (heartbeat), or make them outlast the work"
    elif _first_served(case):
        yield "what is first in line leaves no slot: give what must not starve a queue and consumers of its own, or add consumers"
    elif _busy_ones(case):
        yield from _other_slots(case)
    elif late := list(_behind(case)):
        yield from late
    elif crashed and expired:
        yield "what a dead consumer held waits until the lease ends: a shorter lease, renewed by a heartbeat while work goes on"
    elif expired:
        yield "leases end while work goes on: renew them (consumers.NAME.heartbeat), or make them outlast the work"
    else:
        yield "look where that message spent its time (qsim trace): waiting for a slot, at work, or coming back"


# --- what runs again -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Again:
    """Why messages ran, or were delivered, again: how many deliveries ended how."""

    outlived: int
    """Leases that ended while the work still went on."""
    crashes: int
    errors: int
    lost_acks: int
    copies: int
    """The broker handed it out twice."""
    sends: int
    """Accepted more than once: the producer had heard no answer."""


def why_again(case: Case) -> Again:
    """Of the messages that speak against it, or of all."""
    ledger = case.run.ledger
    own = np.zeros(ledger.size + 1, bool)
    own[case.messages if len(case.messages) else slice(None)] = True

    def rows(*kinds: Kind) -> Array:
        found = ledger.select(*kinds, columns=("dense",)).dense
        return found[own[found]]

    accepted = rows(Kind.ACCEPTED)
    sends = len(accepted) - len(np.unique(accepted))
    return Again(
        int(own[outlived(ledger)].sum()), len(rows(Kind.INTERRUPTED)), len(rows(Kind.ERRED)), len(rows(Kind.LOST_ACK)),
        len(rows(Kind.DUPLICATED)), sends,
    )  # fmt: skip


def outlived(ledger: Ledger) -> Array:
    """Messages (dense, one a lease) whose lease ended and whose client went on to finish the work."""
    columns = ("dense", "client", "position")
    ended = ledger.select(Kind.LEASE_ENDED, columns=columns)
    done = ledger.select(Kind.EFFECT, Kind.SKIPPED, Kind.ERRED, columns=columns)
    finished: dict[tuple[int, int], int] = {}
    struck = np.isin(done.dense, ended.dense)
    for dense, client, at in zip(done.dense[struck].tolist(), done.client[struck].tolist(), done.position[struck].tolist(), strict=True):
        finished[dense, client] = at
    pairs = zip(ended.dense.tolist(), ended.client.tolist(), ended.position.tolist(), strict=True)
    return np.array([dense for dense, client, at in pairs if finished.get((dense, client), -1) > at], np.int64)


_AGAIN = {
    "outlived": ("lease ended while the work still went on", "leases ended while the work still went on"),
    "crashes": ("attempt ended in a crash", "attempts ended in crashes"),
    "errors": ("attempt ended in an error", "attempts ended in errors"),
    "lost_acks": ("ack never arrived", "acks never arrived"),
    "copies": ("was handed out twice by the broker", "were handed out twice by the broker"),
    "sends": (
        "send was repeated by its producer, who had no answer", "sends were repeated by their producer, who had no answer"
    ),
}


def _main(again: Again) -> str:
    """The commonest reason."""
    return max(_AGAIN, key=lambda name: int(getattr(again, name)))


def _ran_again(case: Case) -> Lines:
    if not len(case.messages):
        return
    again = why_again(case)
    counted = sorted(((getattr(again, name), words) for name, words in _AGAIN.items()), key=lambda each: -each[0])
    told = [f"{count:,} {one if count == 1 else more}" for count, (one, more) in counted if count]
    if told:
        yield f"of {many(len(np.unique(case.messages)), 'such message')}: {', '.join(told)}"
    yield from _moment(case)
    yield from _gap(case)


def _moment(case: Case) -> Lines:
    """The event that decides, with its time: a lease that ended too soon, or a crash."""
    assert case.message is not None
    run, rows = case.run, life.rows_of(case.run.ledger, case.message)
    name = message_name(run.plan, case.message)
    lease = next((x for x in life.leases(rows, run.recording.ended) if x.work_end > x.lease_end), None)
    died = next((row for row in rows if row.kind == Kind.INTERRUPTED), None)
    if lease is not None:
        who = process_name(run.plan, lease.client)
        yield f"{name}: its lease ended at {life.clock(lease.lease_end)}, and {who} was at work until {life.clock(lease.work_end)}"
    elif died is not None:
        yield f"{name}: {_death(run, rows, died)}"


def _death(run: Numbers, rows: list[life.Row], died: life.Row) -> str:
    """Who died when, after which effect, and who had the message next."""
    effects = [row.time for row in rows if row.kind == Kind.EFFECT and row.client == died.client and row.time <= died.time]
    after = f", after its effect at {life.clock(effects[-1])} and before its ack" if effects else ""
    back = next((row for row in rows if row.kind == Kind.RECEIVED and row.time >= died.time), None)
    then = "" if back is None else f"; {process_name(run.plan, back.client)} received it again at {life.clock(back.time)}"
    return f"{process_name(run.plan, died.client)} died at {life.clock(died.time)}{after}{then}"


def _gap(case: Case) -> Lines:
    """Of consumers that remember for a while: the longest time between two effects of one message."""
    for consumer in case.consumers:
        if consumer.remember is None:
            continue
        rows = case.run.ledger.select(Kind.EFFECT, consumer=consumer.index, columns=("dense", "time"))
        order = np.lexsort((rows.time, rows.dense))
        dense, time = rows.dense[order], rows.time[order]
        gaps = (time[1:] - time[:-1])[dense[1:] == dense[:-1]]
        if len(gaps):
            yield (
                f"{consumer.name} remembers for {say(consumer.remember, TIME)}, and the longest time from one effect to the next "
                f"of the same message was {say(int(gaps.max()), TIME)}"
            )


_AGAINST = {
    "outlived": "let leases last as long as the work does: a heartbeat renews them; a longer visibility_timeout too, but then a "
    "crash costs as long",
    "crashes": "a crash between the effect and its record, or ack, cannot be seen from outside: make effect and record one step "
    "(idempotent: atomic), and remember for long enough",
    "errors": "work that errs after it had an effect runs again: make effect and record one step",
    "lost_acks": "an ack can get lost, whatever is set: make the effect idempotent",
    "copies": "this broker may deliver twice, whatever is set: make the effect idempotent",
    "sends": "a producer that hears no answer sends again: give messages an identity (dedup), or make the effect idempotent",
}


def _once(case: Case) -> Lines:
    if any(consumer.remember is not None for consumer in case.consumers) and len(case.messages):
        yield "a consumer has to remember a message for longer than its copies may still come"
    elif len(case.messages):
        yield _AGAINST[_main(why_again(case))]
        if case.expectation.predicate == "at_most_once" and any(c.ack != Ack.ON_RECEIVE for c in case.consumers):
            yield "or ack before the work (ack: on-receive), if a message may rather get lost than have two effects"


def _recovered(case: Case) -> Lines:
    if _count(case, Kind.INTERRUPTED) and _of_queue(case, "lease_expired"):
        yield "what a dead consumer held waited until its lease ended: the lease is the failure detector, too"


# --- what is gone ----------------------------------------------------------------------------------------------------

_LOSSES = {
    Kind.EXPIRED: (
        "expired before anybody took them",
        "a longer retention or ttl, or consumers that come sooner; with a dead-letter queue nothing expires unseen",
    ),
    Kind.DROPPED: (
        "thrown away by a full queue", "let a full queue say no (when_full: reject or block), or give it more room or consumers"
    ),
    Kind.VANISHED: (
        "lost by the broker, or with a consumer that had popped them",
        "a broker that keeps a message until it is acked, and on disk before it answers",
    ),
    Kind.LOST_SEND: ("lost on the way to the queue", "a producer that sends again when no answer comes (on_reject: a retry policy)"),
    Kind.REJECTED: ("refused, and the producer gave up", "a producer that waits or sends again (on_reject: block, or a retry policy)"),
}
_DIED = ("acked on receive by a consumer that died or failed before the effect", "ack after the work, not before it (ack: after-success)")


def _losses(case: Case) -> list[tuple[int, tuple[str, str]]]:
    """How many, and what is to be said of them, the most first."""
    each = range(len(case.run.plan.queues)) if case.queue is None else [case.queue]
    kinds = np.concatenate([np.empty(0, np.int64), *(queues.lost(case.run.ledger, queue).kind for queue in each)])
    found: dict[tuple[str, str], int] = {}
    for kind in kinds.tolist():
        words = _LOSSES.get(Kind(kind), _DIED)
        found[words] = found.get(words, 0) + 1
    return sorted(((count, words) for words, count in found.items()), key=lambda one: -one[0])


def _gone(case: Case) -> Lines:
    told = [f"{count:,} {words[0]}" for count, words in _losses(case)]
    if told:
        yield f"lost: {', '.join(told)}"


def _kept(case: Case) -> Lines:
    losses = _losses(case)
    if losses:
        yield losses[0][1][1]
    elif case.expectation.that is not None and case.expectation.that.metric in ("rejected", "dropped"):
        yield (
            "what a full queue refuses is what comes less what is done, once it is full: "
            "with more room that is later, with a sender who waits never"
        )
    elif case.expectation.predicate == "at_least_once" and any(c.ack == Ack.ON_RECEIVE for c in case.consumers):
        yield _DIED[1]


# --- dead letters ----------------------------------------------------------------------------------------------------


def _dead(case: Case) -> tuple[int, int, int, int]:
    """Dead-lettered poison, other messages, and of those how many leases ended and attempts erred."""
    ledger = case.run.ledger
    moved = ledger.select(Kind.DEAD_LETTERED, columns=("dense", "cause"))
    sick = ledger.poison[moved.dense]
    healthy = np.zeros(ledger.size + 1, bool)
    healthy[moved.dense[~sick & (moved.cause == Cause.MAX_RECEIVES)]] = True
    leases, errors = (int(healthy[ledger.select(kind, columns=("dense",)).dense].sum()) for kind in (Kind.LEASE_ENDED, Kind.ERRED))
    return int(sick.sum()), int((~sick).sum()), leases, errors


_IN_VAIN = "a poison message costs max_receives deliveries, and is replayed in vain until what it breaks is fixed"


def _buried(case: Case) -> Lines:
    poison, healthy, leases, errors = _dead(case)
    if poison or healthy:
        why = [f"{count:,} {what}" for count, what in ((leases, "leases that ended"), (errors, "errors")) if count]
        yield f"dead-lettered: {poison:,} poison, {healthy:,} others{' (' + ' and '.join(why) + ')' if why else ''}"
    ledger = case.run.ledger
    replayed = ledger.select(Kind.MOVED_OUT, columns=("time", "dense"))
    again = ledger.select(Kind.DEAD_LETTERED, columns=("time", "dense"))
    for fixed in ledger.select(Kind.HEALED, columns=("time",)).time.tolist():
        early = replayed.dense[replayed.time < fixed]
        back = again.dense[np.isin(again.dense, early) & (again.time > replayed.time.min(initial=fixed))]
        if len(back):
            yield f"{many(len(back), 'message')} came back that were replayed before the poison was fixed, at {life.clock(fixed)}"


def _spared(case: Case) -> Lines:
    poison, healthy, leases, errors = _dead(case)
    that = case.expectation.that
    if poison and that is not None and (that.label == "poison" or case.run.ledger.select(Kind.MOVED_OUT, columns=("time",)).time.size):
        yield _IN_VAIN
    elif healthy and leases > errors:
        yield "healthy messages are dead-lettered because their leases end: let leases outlast the work before max_receives is raised"
    elif healthy:
        yield "a healthy message is dead-lettered when max_receives attempts fail by chance, the share of errors to that power"
    elif poison:
        yield _IN_VAIN


# --- order, sharing, idling, paying ----------------------------------------------------------------------------------


def _ordered(case: Case) -> Lines:
    if sum(consumer.count * consumer.concurrency for consumer in case.consumers) == 1:
        yield (
            "one consumer takes what it is handed, and this queue hands out in no certain order: "
            "FIFO, with a group for what has to stay in order"
        )
    elif _of_queue(case, "redelivered"):
        yield "what comes back comes late: only a queue that holds the rest of the group back (FIFO with groups) keeps its order"
    else:
        yield "several at work at once overtake each other: one consumer, or a FIFO queue with a group for what has to stay in order"


def _shared(case: Case) -> Lines:
    for queue, readers in _read_by_several(case.run.plan):
        yield f"{' and '.join(readers)} take from the same queue {queue}: a message goes to one of them"


def _read_by_several(plan: Plan) -> list[tuple[str, list[str]]]:
    """Queues that have several consumers, and these."""
    readers = [(queue.name, [c.name for c in plan.consumers if i in c.sources]) for i, queue in enumerate(plan.queues)]
    return [(queue, names) for queue, names in readers if len(names) > 1]


def _separate(case: Case) -> Lines:
    if _read_by_several(case.run.plan):
        yield "one queue shares work; to share news each reader needs a queue of its own (a topic with a subscription for each)"
    else:
        yield "look which subscription, filter or consumer the message did not come past (qsim trace)"


def _buffers(case: Case) -> Lines:
    for consumer in case.consumers:
        if consumer.prefetch is not None:
            amount = consumer.prefetch or "any number of"
            yield f"a process of {consumer.name} is handed {amount} messages at a time, which its idle fellows cannot take"


def _unbuffered(case: Case) -> Lines:
    if any(consumer.prefetch is not None for consumer in case.consumers):
        yield "hand out fewer messages ahead of the work (consumers.NAME.push.prefetch)"


def _fewer_calls(case: Case) -> Lines:
    empty = _of_queue(case, "empty_receives")
    if empty:
        yield f"{empty:,} receives ended with nothing: wait for a message (poll.wait) before asking again"
    yield "a receive of ten messages is one call (poll.batch), as is an ack of ten"


def _cheaper(case: Case) -> Lines:
    if case.expectation.predicate == "bottleneck":
        yield "work out what each could finish at most, slots / time of a message and places / time of a call: the least is the bottleneck"
        return
    for consumer in case.consumers:
        busy = case.run.exact(f"{consumer.name}.utilization mean")
        if busy is not None:
            yield f"{consumer.name} was busy {busy:.0%} of the hours that are paid for: fewer processes, fewer at quiet times, or later"


# --- replies and retries ---------------------------------------------------------------------------------------------


def _answered(case: Case) -> Lines:
    ledger = case.run.ledger
    late, replied, gave_up = (
        len(ledger.select(kind, columns=("time",)).time) for kind in (Kind.TOO_LATE, Kind.REPLIED, Kind.GAVE_UP_WAITING)
    )
    if late or gave_up:
        yield f"{replied:,} replies came in time, {late:,} when nobody waited any more; {many(gave_up, 'wait')} ended without one"
    yield from _tried(case)


def _tried(case: Case) -> Lines:
    for producer in case.producers:
        sent, again = (case.run.exact(f"{producer.name}.{metric} at end") or 0 for metric in ("sent", "retried"))
        if again:
            yield f"{producer.name} made {sent / (sent - again):.3g} tries for each message: {again:,} of {sent:,} were retries"


_ALL_WAIT = (
    "replies come in time, but each has waited for all before it: who is served first where not all can be, "
    "and how many may wait?"
)
_LESS_BUSY = "the nearer to fully busy, the longer a request waits for its turn: fewer requests, or more that can be done"


def _answer_sooner(case: Case) -> Lines:
    that, is_less = case.expectation.that, _is_less(case)
    if that is not None and that.metric == "retried" and is_less:
        yield "hardly anybody tries again: on_reject and request_reply.on_timeout say whether, attempts and budget how often"
        return
    if that is not None and that.metric == "goodput" and case.expectation.predicate in ("below", "at_most"):
        yield "callers are served in time: too few of them try again to keep the queue as full as it got"
        return
    if any((case.run.exact(f"{p.name}.retried at end") or 0) for p in case.producers):
        yield "retries add load when there is too much already: allow them a share of the first tries (on_reject.budget), or fewer attempts"
    elif not _count(case, Kind.TOO_LATE):
        yield _ALL_WAIT if _count(case, Kind.GAVE_UP_WAITING) else _LESS_BUSY
    if _count(case, Kind.TOO_LATE):
        yield "work for a caller who has left is wasted: let a request expire while it can still be answered in time (message.ttl below the timeout)"


# --- alerts ----------------------------------------------------------------------------------------------------------


def _rang(case: Case) -> Lines:
    value, that = case.expectation.value, case.expectation.that
    asked = value["alert"] if isinstance(value, dict) else getattr(that, "object", None)
    for i, alert in enumerate(case.run.plan.alerts):
        if alert.name != asked:
            continue
        rang = firings(case.run, i)
        first = f", first at {say(rang[0].start, TIME)}" if rang else ""
        yield f"{alert.name} fired {many(len(rang), 'time')}{first}: {alert.when} {'above' if alert.above else 'below'} its bound"


def _ring_otherwise(case: Case) -> Lines:
    yield LATER if _rang_too_soon(case) else f"{SOONER}, if it is what it looks at that changes"


def _rang_too_soon(case: Case) -> bool:
    """Or too often."""
    that, value = case.expectation.that, case.expectation.value
    bound = value[0] if isinstance(value, tuple | list) else value
    got = None if that is None else case.run.exact(that.text)
    if that is None or got is None or not isinstance(bound, int | float | Fraction):
        return False
    return got < bound if that.metric == "first_fired" else got > bound


def _longer(case: Case) -> Lines:
    yield "cut the warm-up, and let the run last: what is in the queue at its end is counted by one side only"


def _count(case: Case, kind: Kind) -> int:
    return len(case.run.ledger.select(kind, columns=("time",)).time)


def _of_queue(case: Case, metric: str) -> int:
    return 0 if case.queue is None else int(case.run.exact(f"{case.run.plan.queues[case.queue].name}.{metric} at end") or 0)


_BECAUSE: dict[str, Callable[[Case], Lines]] = {
    "growth": _grown, "waiting": _waited, "recovery": _recovered, "copies": _ran_again, "duplicates": _ran_again, "lost": _gone,
    "full": _gone, "dead letters": _buried, "sharing": _shared, "idle": _buffers, "replies": _answered, "retries": _tried,
    "alerts": _rang,
}  # fmt: skip
_TRY: dict[str, Callable[[Case], Lines]] = {
    "growth": _other_slots, "waiting": _shorter, "recovery": _shorter, "copies": _once, "duplicates": _once, "lost": _kept,
    "full": _kept, "dead letters": _spared, "order": _ordered, "sharing": _separate, "idle": _unbuffered, "calls": _fewer_calls,
    "cost": _cheaper, "replies": _answer_sooner, "retries": _answer_sooner, "alerts": _ring_otherwise, "theory": _longer,
}  # fmt: skip
