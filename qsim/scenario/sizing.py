"""What the textbooks advise for a scenario: how many consumers, which lease, how many receives, how long a backlog lasts.

It knows a Plan, the formulas of ``capacity`` and ``theory``, and where each comes from; no run.  Each piece of advice is
a Finding: what, how much, the formula in symbols and in this scenario's numbers, and its source.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import ceil, inf, isfinite

from qsim import theory
from qsim.brokers import RULES
from qsim.kernel.profile import Grouping, Profile
from qsim.scenario import capacity, flows, times
from qsim.scenario.capacity import Pool
from qsim.scenario.flows import Flow
from qsim.scenario.plan import (
    Ack,
    Action,
    ConsumerPlan,
    Control,
    DependencyPlan,
    Pause,
    Plan,
    Policy,
    Restart,
    Set,
    Time,
)
from qsim.scenario.station import lease_of
from qsim.units import MINUTE, SECOND, Nanos, digits, format_duration, format_rate, format_share, write_duration

OUTAGE = 10 * MINUTE
"""Ours: how long a stop to plan for, where the timeline has none."""
RARE = 1e-6
"""Ours: so many sound messages may be dead-lettered by bad luck."""
LONG = 0.999
"""Which of the times of work a lease should outlast."""
_LEASES = tuple(
    each * SECOND
    for each in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 43_200)
)
"""Round numbers for a setting."""

LITTLE = "Little 1961"
ERLANG = "Erlang 1917 (M/M/c)"
ALLEN = "Allen and Cunneen 1990 (G/G/c), approximate"
UTILIZATION = "Gross et al., Queueing Theory, 1.5"
EVEN = "D/D/c: nothing is random"


@dataclass(frozen=True, slots=True)
class Target:
    """The wait that so many messages should not exceed, in s; None: half a service time.  ``outage``: a stop in ns."""

    wait: float | None = None
    share: float = 0.95
    outage: Nanos | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """``value`` in ``unit`` is for machines (None: there is no number), ``says`` for people."""

    name: str
    says: str
    formula: str = ""
    numbers: str = ""
    source: str = ""
    value: float | None = None
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """One consumer or dependency: what is advised, and what cannot be said and why."""

    kind: str
    name: str
    about: str
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()


def sections(plan: Plan, target: Target | None = None) -> list[Section]:
    """Every consumer in file order, then every dependency."""
    target = target or Target()
    arriving = flows.into_queues(plan)
    cases = [Case(plan, consumer, arriving, target) for consumer in plan.consumers]
    return [*map(_consumer, cases), *(_dependency(dependency, cases) for dependency in plan.dependencies)]


class Case:
    """One consumer, and what is asked of it again and again."""

    def __init__(self, plan: Plan, consumer: ConsumerPlan, arriving: list[Flow], target: Target) -> None:
        self.plan = plan
        self.consumer = consumer
        self.target = target
        self.queues = [plan.queues[index] for index in consumer.sources]
        self.profile: Profile = self.queues[0].profile
        self.flows = [arriving[index] for index in consumer.sources]
        self.shares = [_share_of_queue(plan, consumer, index) for index in consumer.sources]

    # --- work

    @cached_property
    def service(self) -> float:
        """S: its own time and its dependencies', in s."""
        return sum(times.mean(each) for each in self._times) / SECOND

    @cached_property
    def service_scv(self) -> float:
        return sum(times.variance(each) for each in self._times) / SECOND**2 / self.service**2 if self.service else 0.0

    @property
    def _times(self) -> list[Time]:
        return [self.consumer.service, *(self.plan.dependencies[index].service for index in self.consumer.uses)]

    def long_work(self, share: float) -> float:
        """The time that this share of attempts does not exceed, in s; with dependencies an upper bound."""
        return sum(times.quantile(each, share) for each in self._times) / SECOND

    # --- load

    @cached_property
    def failing(self) -> float:
        return flows.failing(self.consumer)

    @property
    def most(self) -> int | None:
        """Deliveries that a message may get."""
        return self.profile.delivery_limit

    @cached_property
    def poison(self) -> float:
        return max((flow.poison for flow in self.flows), default=0.0)

    @cached_property
    def deliveries(self) -> float:
        """Receives a message, retries and poison included."""
        sound = theory.attempts(self.failing, self.most)
        if not self.poison:
            return sound
        return (1 - self.poison) * sound + self.poison * (inf if self.most is None else self.most)

    @cached_property
    def messages(self) -> float:
        """λ: messages a second."""
        return sum(flow.rate * share for flow, share in zip(self.flows, self.shares, strict=True))

    @cached_property
    def peak(self) -> float:
        return sum(flow.peak * share for flow, share in zip(self.flows, self.shares, strict=True))

    @property
    def processes(self) -> int:
        scale = self.consumer.autoscale
        return (self.consumer.count or self.consumer.most) if scale is None else scale.max

    @property
    def slots(self) -> int:
        return self.processes * self.consumer.concurrency

    @cached_property
    def groups(self) -> int | None:
        """How many messages can be at work at a time at most, where a group waits for its own; None: any number."""
        if self.profile.grouping is not Grouping.BLOCKS:
            return None
        keys = [p.message.groups.keys for p in self.plan.producers if p.to in self.consumer.sources and p.message.groups]
        return max(keys, default=None)

    @property
    def servers(self) -> int:
        return self.slots if self.groups is None else min(self.slots, self.groups)

    def pool(self, messages: float) -> Pool:
        """The pool at so many messages a second: what is tried again arrives again."""
        scv = capacity.together((flow.rate, flow.scv) for flow in self.flows)
        scv = scv if self.deliveries == 1 else 1.0
        arrivals = messages * self.deliveries
        return Pool(arrivals, self.service, self.servers, scv, self.service_scv, self.consumer.concurrency)

    @cached_property
    def narrowest(self) -> DependencyPlan | None:
        """The dependency that lets the fewest through, where that is fewer than its own slots can do."""
        limits = [self.plan.dependencies[index] for index in self.consumer.uses]
        first = min(limits, key=lets_through, default=None)
        most = self.servers / self.service if self.service else inf
        return first if first is not None and lets_through(first) < most else None

    @property
    def capacity(self) -> float:
        """Messages a second, by its slots or by what they call."""
        slots = self.servers / self.service / self.deliveries
        return slots if self.narrowest is None else lets_through(self.narrowest) / self.deliveries

    @property
    def wait_target(self) -> float:
        return self.service / 2 if self.target.wait is None else self.target.wait

    @property
    def why_not(self) -> str | None:
        """Why there is no load to calculate with."""
        unknown = [note for flow in self.flows if not flow.is_known for note in flow.notes]
        if unknown:
            return unknown[0]
        if not isfinite(self.service):
            return "the mean of its service time is infinite"
        if not isfinite(self.deliveries):
            return "poison is received again and again for ever: set a dlq with max_receives"
        if not self.messages:
            return "nothing that the file tells of is sent to it: what is moved there (a dlq, a redrive) is not counted"
        if not self.processes:
            return "it has no process"
        return None if self.service else "its work takes no time: any number of consumers keeps up"


def lets_through(dependency: DependencyPlan) -> float:
    """k/s: calls a second."""
    service = times.mean(dependency.service) / SECOND
    return inf if dependency.capacity is None or not service else dependency.capacity / service


def _share_of_queue(plan: Plan, consumer: ConsumerPlan, queue: int) -> float:
    """Of several consumers of one queue each takes what its slots can do."""
    readers = [each for each in plan.consumers if queue in each.sources]
    rates = {each.name: (each.count or each.most) * each.concurrency / max(1.0, times.mean(each.service)) for each in readers}
    total = sum(rates.values())
    return rates[consumer.name] / total if total else 1 / len(readers)


# --- one consumer -----------------------------------------------------------------------------------------------------


def _consumer(case: Case) -> Section:
    about = f"from {', '.join(queue.name for queue in case.queues)}: {_processes(case)}"
    notes = tuple(dict.fromkeys(note for flow in case.flows for note in flow.notes))
    why = case.why_not
    found = [*(_burst(case) if why else _on_load(case)), *_on_settings(case)]
    notes += tuple(_changed(case))
    shared = [queue.name for queue, share in zip(case.queues, case.shares, strict=True) if share < 1]
    if shared:
        notes += (f"{shared[0]} has other consumers too: each is taken to get what its slots can do",)
    if why:
        notes = (f"no load can be told: {why}", *(note for note in notes if note != why))
    return Section("consumer", case.consumer.name, about, tuple(found), notes)


def _changed(case: Case) -> Iterator[str]:
    """What the timeline sets: the numbers are those of the file as it begins."""
    senders = {index for index, p in enumerate(case.plan.producers) if p.to in case.consumer.sources}
    for control in case.plan.timeline:
        for action in control.actions:
            if isinstance(action, Set) and (
                (action.what in ("count", "service", "failures") and action.index == case.consumer.index)
                or (action.what == "rate" and action.index in senders)
            ):
                when = "after" if action.what == "count" and not case.consumer.count else "before"
                yield f"{control.name} sets another {action.what} at {write_duration(control.at)}: the numbers are of the time {when}"


def _processes(case: Case) -> str:
    consumer, scale = case.consumer, case.consumer.autoscale
    count = f"{consumer.count:,}" if scale is None else f"{scale.min:,} to {scale.max:,}"
    each = f" x {consumer.concurrency} at a time" if consumer.concurrency > 1 else ""
    return f"{count} process{'' if count == '1' else 'es'}{each}"


def _on_load(case: Case) -> Iterator[Finding]:
    for advise in (_arrivals, _receives, _load, _capacity, _stable, _enough, _wait, _hottest, _calls, _in_flight, _scaling, _drain, _kept):
        yield from advise(case)


def _on_settings(case: Case) -> Iterator[Finding]:
    for advise in (_lease, _limit, _prefetch):
        yield from advise(case)


def _arrivals(case: Case) -> Iterator[Finding]:
    at_peak = f", {format_rate(case.peak)} at the peak" if case.peak > case.messages * 1.001 else ""
    sent = ", ".join(f"{name} {format_rate(rate)}" for name, rate in _senders(case)) or "by consumers that emit"
    yield Finding("arrivals", f"{format_rate(case.messages)} on average{at_peak}", "λ = Σ rate", sent, "", case.messages, "/s")


def _senders(case: Case) -> Iterator[tuple[str, float]]:
    for producer in case.plan.producers:
        shares = [share for queue, share in flows.reached(case.plan, producer.to, producer) if queue in case.consumer.sources]
        if shares:
            yield producer.name, flows.of_producer(case.plan, producer).rate * sum(shares)


def _receives(case: Case) -> Iterator[Finding]:
    if case.deliveries > 1:
        p, n = digits(case.failing), case.most
        yield Finding(
            "receives", f"{digits(case.deliveries)} a message: {format_share(case.failing)} of the attempts fail"
            + (f", {format_share(case.poison)} is poison" if case.poison else ""),
            "r = 1/(1-p)" if n is None else "r = (1-pⁿ)/(1-p)" + (" (poison: n)" if case.poison else ""),
            f"p = {p}" + (f", n = {n}" if n else ""), "geometric distribution", case.deliveries, "receives",
        )  # fmt: skip


def _load(case: Case) -> Iterator[Finding]:
    pool = case.pool(case.messages)
    again = "·r" if case.deliveries > 1 else ""
    yield Finding(
        "offered load", f"{digits(pool.load)} slots busy on average",
        f"a = λ{again}·S", f"{format_rate(pool.arrivals)} x {_s(case.service)}", LITTLE, pool.load, "slots",
    )  # fmt: skip


def _capacity(case: Case) -> Iterator[Finding]:
    pool = case.pool(case.messages)
    used = f": {format_share(pool.load / pool.servers)} of it is used" if pool.keeps_up else ""
    used += f"; {case.groups} groups, one message of each at a time" if case.servers < case.slots else ""
    used += f"; {case.narrowest.name} lets {format_rate(case.capacity)} through" if case.narrowest else ""
    yield Finding(
        "capacity", f"{format_rate(pool.capacity / case.deliveries)}{used}",
        "c·μ = c/S" if case.deliveries == 1 else "c/(r·S)", f"{case.servers:,} / {_s(case.service * case.deliveries)}",
        UTILIZATION, pool.capacity / case.deliveries, "/s",
    )  # fmt: skip


def _stable(case: Case) -> Iterator[Finding]:
    pool = case.pool(case.messages)
    if not pool.keeps_up or case.messages > case.capacity * (1 + 1e-9):
        grows = case.messages - case.capacity
        says = f"no: the backlog grows {format_rate(grows)}" if grows > 0 else "no: at 100 % with luck in it the backlog grows"
        yield Finding("stable", says, "λ - c·μ", _minus(case), UTILIZATION, 0.0, "")
    elif case.peak > case.messages * 1.001 and (not case.pool(case.peak).keeps_up or case.peak > case.capacity):
        says = f"on average; at the peak the backlog grows {format_rate(case.peak - case.capacity)}"
        yield Finding("stable", says, "λ_peak - c·μ", _minus(case, case.peak), UTILIZATION, 1.0, "")
    else:
        less = "<=" if pool.is_even else "<"
        yield Finding("stable", "yes", f"a {less} c", f"{digits(pool.load)} {less} {pool.servers:,}", UTILIZATION, 1.0, "")


def _minus(case: Case, messages: float | None = None) -> str:
    given = case.messages if messages is None else messages
    return f"{format_rate(given)} - {format_rate(case.capacity)}"


def _enough(case: Case) -> Iterator[Finding]:
    """How many just keep up, and how many keep the waits short, at the peak."""
    pool, when = case.pool(case.peak), " at the peak" if case.peak > case.messages * 1.001 else ""
    if case.groups is not None and pool.load >= case.groups:
        says = f"no number of consumers: there are {case.groups:,} groups, and one message of each is at work at a time"
        yield Finding("just enough", says, "a < groups", f"a = {digits(pool.load)}", _rule(case.profile, "grouping", "SQS-13"))
        return
    least = pool.least_processes()
    per = f", {pool.concurrency} slots each" if pool.concurrency > 1 else ""
    yield Finding(
        "just enough", f"{least:,} consumer{_s_of(least)}{when}{per}",
        "c > a" if not pool.is_even else "c >= a", f"a = {digits(pool.load)}", UTILIZATION, float(least), "processes",
    )  # fmt: skip
    if not isfinite(pool.service_scv + pool.arrival_scv):
        yield Finding("short waits", "no number: the variance of its times is infinite", "ca², cs²", "", ALLEN)
        return
    enough = pool.processes_for(case.target.share, case.wait_target)
    if enough is None:
        yield Finding("short waits", f"not told beyond {capacity.MOST_SERVERS:,} slots")
        return
    got = pool.with_processes(enough)
    wait = got.wait(case.target.share)
    yield Finding(
        "short waits", f"{enough:,} consumer{_s_of(enough)} keep{'s' if enough == 1 else ''} {_percentile(case)} of the wait"
        f" at or below {_s(case.wait_target)} ({_s(wait)}){when}",
        *_wait_formula(got, case.target.share), float(enough), "processes",
    )  # fmt: skip


def _wait_formula(pool: Pool, share: float) -> tuple[str, str, str]:
    """(in symbols, in numbers, source)."""
    if pool.is_even:
        return "W = 0 while c >= a", f"{pool.servers:,} >= {digits(pool.load)}", EVEN
    waits = theory.erlang_c(pool.servers, pool.load)
    late = digits(1 - share)
    if waits <= 1 - share:
        return f"W = 0 while C(c,a) <= {late}", f"C({pool.servers:,}, {digits(pool.load)}) = {digits(waits, 3)}", ERLANG
    tail = f"ln(C/{late})/(c·μ-λ)"
    spare = f"ln({digits(waits, 3)}/{late})/{format_rate(pool.capacity - pool.arrivals)}"
    if abs(pool.arrival_scv - 1) < 1e-9 and abs(pool.service_scv - 1) < 1e-9:
        return tail, spare, ERLANG
    varies = f"({digits(pool.arrival_scv, 3)}+{digits(pool.service_scv, 3)})/2"
    return f"(ca²+cs²)/2 · {tail}", f"{varies} x {spare}", ALLEN


def _percentile(case: Case) -> str:
    return f"p{digits(case.target.share * 100)}"


def _wait(case: Case) -> Iterator[Finding]:
    """As it stands in the file."""
    pool = case.pool(case.messages)
    wait = pool.wait(case.target.share)
    if isfinite(wait) and pool.servers <= capacity.MOST_SERVERS:
        yield Finding(
            "wait now", f"{_percentile(case)} {_s(wait)}, with {case.processes:,} consumer{_s_of(case.processes)}",
            *_wait_formula(pool, case.target.share), wait, "s",
        )  # fmt: skip


# --- what the broker adds ------------------------------------------------------------------------------------------------


def _hottest(case: Case) -> Iterator[Finding]:
    """A group that waits for its own message is one server, whatever the number of consumers."""
    if case.profile.grouping is not Grouping.BLOCKS:
        return
    for producer in (each for each in case.plan.producers if each.to in case.consumer.sources and each.message.groups):
        groups = producer.message.groups
        assert groups is not None
        share = capacity.hottest_share(groups.keys, groups.skew)
        rate = flows.of_producer(case.plan, producer).peak * share
        load = rate * case.service
        yield Finding(
            "hottest group", f"{format_share(share)} of {producer.name}: {format_rate(rate)}, one at a time: "
            + (f"busy {format_share(load)}" if load < 1 else f"its backlog grows {format_rate(rate - 1 / case.service)}"),
            "h·λ·S < 1, h = 1/Σk⁻ˢ", f"{digits(load)}, n = {groups.keys:,}, s = {digits(groups.skew)}",
            _rule(case.profile, "grouping", "SQS-13"), load, "",
        )  # fmt: skip


def _calls(case: Case) -> Iterator[Finding]:
    limits, poll = case.profile.throttle, case.consumer.poll
    if limits is None or limits.receive is None or poll is None:
        return
    calls = case.peak * case.deliveries / poll.batch
    most = limits.receive * poll.batch
    yield Finding(
        "receive calls", f"at least {format_rate(calls)} of {limits.receive:,} a second: {most:,} messages/s at most",
        "λ·r/batch", f"{format_rate(case.peak * case.deliveries)} / {poll.batch}", _rule(case.profile, "throttle", "SQS-35"), calls, "/s",
    )  # fmt: skip


def _in_flight(case: Case) -> Iterator[Finding]:
    most, poll = case.profile.max_in_flight, case.consumer.poll
    if most is None or poll is None:
        return
    held = case.slots if poll.batch <= case.consumer.concurrency else case.processes * poll.batch
    if held > most / 2:
        yield Finding(
            "in flight", f"up to {held:,} of {most:,} when all are at work", "processes · batch", f"{case.processes:,} x {poll.batch}",
            _rule(case.profile, "max_in_flight", "SQS limits"), float(held), "messages",
        )  # fmt: skip


def _lease(case: Case) -> Iterator[Finding]:
    """How long a lease should be, and what it costs to have it so long."""
    lease = lease_of(case.profile, case.consumer)
    if lease is None or case.profile.min_idle is not None or not isfinite(case.service) or not case.service:
        return
    rounds, source = _rounds(case), _rule(case.profile, "visibility_timeout", "the profile")
    long = case.long_work(LONG)
    beats = case.consumer.heartbeat
    if beats is not None:
        yield Finding(
            "lease", f"{write_duration(lease)}, prolonged every {write_duration(beats.every)}: outlives "
            f"{max(0, ceil(beats.extend_to / beats.every) - 1)} missed beats; a crash is noticed {write_duration(beats.extend_to)} later",
            "⌈extend_to / every⌉ - 1", f"{write_duration(beats.extend_to)} / {write_duration(beats.every)}", source, lease / SECOND, "s",
        )  # fmt: skip
        return
    short = 1 - times.below(case.consumer.service, lease / rounds) if not case.consumer.uses else _outlives(case, lease / rounds)
    needed = rounds * long
    round_up = next((each for each in _LEASES if each >= needed * SECOND), None)
    cap = case.profile.max_visibility or case.profile.longest_lease
    tells = f"{write_duration(lease)}: " + ("long enough" if lease >= needed * SECOND else f"{_few(short)} of the attempts outlive it")
    if lease < needed * SECOND:
        fits = round_up is not None and (cap is None or round_up <= cap)
        tells += f"; set {write_duration(round_up or 0)}" if fits else "; no lease is long enough: use a heartbeat"
    yield Finding(
        "lease", f"{tells}. A crash is noticed when it ends: {write_duration(lease)} later at most",
        "⌈batch/k⌉ · p99.9(S)", f"{rounds} x {_s(long)} = {_s(needed)}", source, needed, "s",
    )  # fmt: skip
    yield from _late(case, lease, rounds)


def _late(case: Case, lease: Nanos, rounds: int) -> Iterator[Finding]:
    """What outlives its lease is received again, and worked on again while the first still works."""
    if case.consumer.uses or case.consumer.ack is Ack.ON_RECEIVE or case.why_not:
        return
    outlive = times.outliving(case.consumer.service, lease / rounds)
    load = case.messages * sum(share * theory.attempts(q, case.most) * mean for share, mean, q in outlive)
    alone = case.messages * case.service
    if load > alone * 1.01:
        busy = f"{digits(load)} slots busy" if isfinite(load) else "more and more slots busy"
        yield Finding(
            "late work", f"what outlives the lease is worked on again meanwhile: {busy} instead of {digits(alone)}; there are {case.slots:,}",
            "λ·Σ w·S·(1-qⁿ)/(1-q)", f"q = {', '.join(digits(q, 3) for _, _, q in outlive)}" + (f", n = {case.most}" if case.most else ""),
            LITTLE, load, "slots",
        )  # fmt: skip


def _rounds(case: Case) -> int:
    """One after the other in a slot, while the leases of all run."""
    together = case.consumer.poll.batch if case.consumer.poll is not None else case.consumer.prefetch or 1
    return max(1, ceil(together / case.consumer.concurrency))


def _outlives(case: Case, lease: float) -> float:
    """With dependencies: the share by the sum of quantiles, an upper bound to a thousandth."""
    shares = [share / 1000 for share in range(1000)]
    return next((1 - share for share in reversed(shares) if case.long_work(share) * SECOND <= lease), 1.0)


def _few(share: float) -> str:
    return "a few" if share < 0.0005 else format_share(round(share, 4))


def _limit(case: Case) -> Iterator[Finding]:
    """How many receives before the dead-letter queue."""
    most, p = case.most, case.failing
    if most is None:
        return
    lost, better = capacity.false_dead_letters(p, most), capacity.receives_for(p, RARE)
    says = f"{most}: {digits(lost * 1e6)} sound messages in a million are dead-lettered by chance"
    if p and better > most:
        says += f"; {better} would be at most one"
    says += f". A poison message costs {most} receives"
    yield Finding(
        "max_receives", says, "pⁿ", f"{digits(p)}^{most} = {digits(lost, 3)}",
        _rule(case.profile, "dead_letters_lazily", _rule(case.profile, "max_deliveries", "geometric distribution")), lost, "",
    )  # fmt: skip


def _scaling(case: Case) -> Iterator[Finding]:
    """The backlog that one consumer works off in the wait that is acceptable."""
    scale, k = case.consumer.autoscale, case.consumer.concurrency
    source = "AWS: Scaling based on Amazon SQS (backlog per instance)"
    if scale is not None and scale.policy is Policy.BACKLOG_PER_CONSUMER:
        means = scale.target * case.service / k
        yield Finding(
            "autoscaler", f"target {digits(scale.target)} messages a consumer: a wait of {_s(means)}",
            "W = target·S/k", f"{digits(scale.target)} x {_s(case.service)} / {k}", source, means, "s",
        )  # fmt: skip
    if case.target.wait is not None:
        best = case.target.wait * k / case.service
        yield Finding(
            "autoscaler", f"target {digits(max(1.0, float(int(best))))} messages a consumer for a wait of {_s(case.target.wait)}",
            "W·k/S", f"{_s(case.target.wait)} x {k} / {_s(case.service)}", source, best, "messages",
        )  # fmt: skip
    if scale is not None:
        late = (scale.every + scale.metric_lag + times.mean(scale.startup)) / SECOND
        grows = case.peak - case.consumer.count * k / case.service / case.deliveries
        if grows > 0:
            yield Finding(
                "scaling lag", f"{_count(grows * late)} messages pile up before new consumers work ({_s(late)} later), at the peak",
                "(λ_peak - c·μ)·(every + lag + startup)", f"{format_rate(grows)} x {_s(late)}", LITTLE, grows * late, "messages",
            )  # fmt: skip


def _drain(case: Case) -> Iterator[Finding]:
    """What a stop of the consumers leaves behind, and how long it lasts."""
    length, named = _outage(case)
    backlog = case.messages * length / SECOND
    spare = case.capacity
    lasts = capacity.drain_time(backlog, spare, case.messages)
    says = f"after {named} {_count(backlog)} messages wait"
    says += f", and are worked off in {_s(lasts)}" if isfinite(lasts) else ", and are never worked off: nothing is to spare"
    yield Finding(
        "drain", says, "B/(c·μ - λ), B = λ·T", f"{_count(backlog)} / ({format_rate(spare)} - {format_rate(case.messages)})",
        "fluid model (Newell 1971)", lasts if isfinite(lasts) else None, "s",
    )  # fmt: skip


def _burst(case: Case) -> Iterator[Finding]:
    """Where so many messages come and no more: how long they last."""
    sent = sum(
        (producer.limit or 0) * producer.count * share
        for producer in case.plan.producers
        for queue, share in flows.reached(case.plan, producer.to, producer)
        if queue in case.consumer.sources
    ) * max(case.shares)
    if sent > 1 and case.servers and 0 < case.service < inf and isfinite(case.deliveries):
        lasts = sent / case.capacity
        yield Finding(
            "backlog", f"{_count(sent)} messages are worked off in {_s(lasts)} at the earliest",
            "B/(c·μ)" if case.deliveries == 1 else "B·r/(c·μ)", f"{_count(sent)} / {format_rate(case.capacity)}", UTILIZATION, lasts, "s",
        )  # fmt: skip


def _outage(case: Case) -> tuple[Nanos, str]:
    """What was asked for; else the longest time without this consumer, or its queue's broker, in the timeline."""
    if case.target.outage is not None:
        return case.target.outage, f"a stop of {write_duration(case.target.outage)}"
    stops = {c.name: _stopped(c, action, case.consumer) for c in case.plan.timeline for action in c.actions}
    name = max(stops, key=lambda each: stops[each], default="")
    if not stops.get(name):
        return OUTAGE, f"a stop of {write_duration(OUTAGE)}"
    named = f"no process until {name}" if case.consumer.count == 0 else name
    return stops[name], f"{named} ({write_duration(stops[name])})"


def _stopped(control: Control, action: Action, consumer: ConsumerPlan) -> Nanos:
    """How long nobody works because of this; 0: somebody does."""
    length = control.length or 0
    if isinstance(action, Pause):
        return length if action.consumer == consumer.index else 0
    if isinstance(action, Set) and action.what == "count" and action.index == consumer.index:
        return control.at if consumer.count == 0 else length if action.value == 0 else 0
    return length if isinstance(action, Restart) and action.queue in consumer.sources else 0


def _kept(case: Case) -> Iterator[Finding]:
    """A message that waits longer than the queue keeps it is lost."""
    kept = case.profile.retention
    if kept is None:
        return
    length, _ = _outage(case)
    spare = case.capacity
    lasts = capacity.drain_time(case.messages * length / SECOND, spare, case.messages)
    # Whoever came at the beginning of the stop is served first; who came at its end waits for all before him.
    longest = max(length / SECOND, case.messages * length / SECOND / spare)
    enough = kept / SECOND > longest and isfinite(lasts)
    verdict = "enough" if enough else "too short: messages expire" if isfinite(lasts) else "once the backlog is that old, messages expire"
    yield Finding(
        "retention", f"{write_duration(kept)}, and then a message waits up to {_s(longest)}: {verdict}" if isfinite(lasts)
        else f"{write_duration(kept)}: {verdict}",
        "max(T, B/(c·μ))", f"max({format_duration(length)}, {_s(case.messages * length / SECOND / spare)})",
        _rule(case.profile, "retention", "the profile"), longest, "s",
    )  # fmt: skip


def _prefetch(case: Case) -> Iterator[Finding]:
    """Enough in the buffer to bridge the way to the broker and back, and no more."""
    prefetch, consumer = case.consumer.prefetch, case.consumer
    if prefetch is None or not isfinite(case.service) or not case.service:
        return
    ways = [each for each in (case.queues[0].latency.receive, case.queues[0].latency.ack) if each is not None]
    trip = sum(times.mean(each) for each in ways) / SECOND
    needed = consumer.concurrency * ceil(1 + trip / case.service)
    held = "without a limit: the first takes all" if prefetch == 0 else f"{prefetch:,}: the last of them waits {_s(prefetch * case.service / consumer.concurrency)}"
    yield Finding(
        "prefetch", f"{held}; {needed} keeps {'every slot' if consumer.concurrency > 1 else 'it'} busy",
        "k·⌈1 + trip/S⌉", f"{consumer.concurrency} x ⌈1 + {_s(trip)}/{_s(case.service)}⌉", f"{LITTLE}; {_rule(case.profile, 'prefetch', 'the profile')}",
        float(needed), "messages",
    )  # fmt: skip


# --- dependencies -----------------------------------------------------------------------------------------------------


def _dependency(dependency: DependencyPlan, cases: list[Case]) -> Section:
    users = [case for case in cases if dependency.index in case.consumer.uses]
    about = f"called by {', '.join(case.consumer.name for case in users) or 'nobody'}"
    service = times.mean(dependency.service) / SECOND
    unknown = [case.why_not for case in users if case.why_not]
    if dependency.capacity is None or not users or unknown or not 0 < service < inf:
        why = unknown[0] if unknown else "any number of calls at a time" if dependency.capacity is None else "no load"
        return Section("dependency", dependency.name, about, (), (why,))
    return Section("dependency", dependency.name, about, tuple(_bottleneck(dependency, users, service)))


def _bottleneck(dependency: DependencyPlan, users: list[Case], service: float) -> Iterator[Finding]:
    places = dependency.capacity or 1
    most = places / service
    calls = sum(case.peak * case.deliveries for case in users)
    verdict = f"busy {format_share(calls / most)}" if calls < most else f"too little: {format_rate(calls)} calls come at the peak"
    yield Finding(
        "capacity", f"{format_rate(most)}: {verdict}", "k/s", f"{places:,} / {_s(service)}", UTILIZATION, most, "/s",
    )  # fmt: skip
    for case in users:
        slots = most * case.service
        k = case.consumer.concurrency
        processes = max(1, ceil(slots / k - 1e-9))
        yield Finding(
            "bottleneck", f"from {processes:,} {case.consumer.name} on: more of them only wait for {dependency.name}",
            "c = k/s · S", f"{format_rate(most)} x {_s(case.service)} = {digits(slots)}" + (f" slots, {k} each" if k > 1 else ""),
            f"{LITTLE}; bottleneck law (Denning and Buzen 1978)", float(processes), "processes",
        )  # fmt: skip


# --- words ------------------------------------------------------------------------------------------------------------


def _rule(profile: Profile, field: str, otherwise: str) -> str:
    """The name of the rule behind a value of the profile."""
    rule = RULES.get(profile.name, {}).get(field)
    return rule.partition(": ")[0] if rule else otherwise


def _s(seconds: float) -> str:
    return format_duration(seconds * SECOND) if isfinite(seconds) else "for ever"


def _s_of(count: int) -> str:
    return "" if count == 1 else "s"


def _count(number: float) -> str:
    return f"{number:,.0f}" if number >= 10 else digits(number, 3)

