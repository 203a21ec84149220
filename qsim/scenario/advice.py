"""A1xx: nothing is wrong with the file, but what it will do may surprise.

It knows a scenario of the right shape and the practice of brokers.  Each advice is a function of one consumer, queue or
event that yields what it has to say; the numbers in its sentence are this scenario's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from pathlib import Path as FilePath
from typing import Any

from qsim.brokers import PROFILES
from qsim.kernel.profile import Profile
from qsim.kernel.routing import takers
from qsim.scenario import autoscalers, files, model, plan, resolve, times
from qsim.scenario.capacity import Pool, average_rate, rate_of_gaps, share_on
from qsim.scenario.problems import Problem
from qsim.scenario.said import Said
from qsim.scenario.source import Document, Path
from qsim.units import SECOND, Nanos, format_rate, write_duration


@dataclass(frozen=True, slots=True)
class Work:
    """One consumer at one of its queues."""

    name: str
    consumer: model.Consumer
    queue: str
    profile: Profile
    service: plan.Time

    @property
    def own_lease(self) -> bool:
        poll = self.consumer.poll
        return poll is not None and poll.visibility_timeout is not None

    @property
    def lease(self) -> Nanos | None:
        poll = self.consumer.poll
        return poll.visibility_timeout if poll and self.own_lease else self.profile.visibility_timeout

    @property
    def lease_path(self) -> Path:
        own = ("consumers", self.name, "poll", "visibility_timeout")
        return own if self.own_lease else ("queues", self.queue, "visibility_timeout")

    @property
    def service_name(self) -> str:
        return f"consumers.{self.name}.service"


def check(document: Document, scenario: model.Scenario, folder: FilePath) -> list[Problem]:
    said = Said(document)
    for work in _works(scenario, folder):
        for advice in (_lease, _cap, _batch, _prefetch, _lock):
            advice(said, work)
    for queue in scenario.queues:
        _stable(said, scenario, queue, folder)
        _dead_letters(said, scenario, queue)
    for name, producer in scenario.producers.items():
        _eta(said, scenario, name, producer, folder)
    for name, event in (scenario.timeline or {}).items():
        _redrive(said, name, event)
    return said.problems


def _works(scenario: model.Scenario, folder: FilePath) -> Iterator[Work]:
    for name, consumer in (scenario.consumers or {}).items():
        if (service := _time(consumer.service, folder)) is None:
            continue
        for queue in resolve.sources(consumer):
            if queue in scenario.queues and scenario.queues[queue].profile in PROFILES:
                yield Work(name, consumer, queue, resolve.profile_of(scenario.queues[queue]), service)


def _time(value: int | model.TimeMap, folder: FilePath) -> plan.Time | None:
    """None where the distribution itself is wrong, which has been said already."""
    try:
        return resolve.time(value, folder)
    except (files.NotAllowed, StopIteration, ValueError):
        return None


# --- leases ----------------------------------------------------------------------------------------------------------


def _lease(said: Said, work: Work) -> None:
    """A101: p95 of the work; of a mix p99 too, since its rare parts are meant."""
    lease, beats = work.lease, work.consumer.heartbeat
    if lease is None or resolve.ack(work.consumer) == "on-receive" or (beats and beats.every < lease):
        return
    for word in ("p95", "p99") if isinstance(work.service, plan.Mix) else ("p95",):
        long = round(times.quantile(work.service, int(word[1:]) / 100))
        if long > lease:
            why = f"its heartbeat comes after {write_duration(beats.every)}" if beats else "there is no heartbeat"
            text = f"visibility_timeout {write_duration(lease)} is shorter than {work.service_name} {word} "
            said.say("A101", f"{text}{_rounded(long)} and {why}", work.lease_path,
                     "messages will reappear while they are still being processed", of_key=True)  # fmt: skip
            return


def _rounded(time: float) -> str:
    """Three digits, written as people write times: 90s."""
    digits = max(0, len(str(int(time))) - 3)
    return write_duration(round(time / 10**digits) * 10**digits)


def _cap(said: Said, work: Work) -> None:
    """A102."""
    cap, beats = work.profile.max_visibility, work.consumer.heartbeat
    long = times.quantile(work.service, 0.99)
    if cap is not None and beats and long > cap:
        text = f"{work.service_name} p99 {_rounded(long)} is longer than the {write_duration(cap)} for which"
        said.say("A102", f"{text} {work.profile.name} hides a message", ("consumers", work.name, "heartbeat"),
                 "split the work, or take a broker without that cap", of_key=True)  # fmt: skip


def _batch(said: Said, work: Work) -> None:
    """A103."""
    poll, lease = work.consumer.poll, work.lease
    if poll is None or lease is None or (poll.batch or 1) <= work.consumer.concurrency:
        return
    one = times.mean(work.service)
    rounds = -(-(poll.batch or 1) // work.consumer.concurrency)
    if one <= lease < rounds * one < float("inf"):
        text = f"visibility_timeout {write_duration(lease)} is shorter than a batch of {poll.batch} x {_rounded(one)}"
        said.say("A103", f"{text} = {_rounded(rounds * one)}", work.lease_path,
                 "the last of a batch will reappear before its work is done", of_key=True)  # fmt: skip


def _prefetch(said: Said, work: Work) -> None:
    """A104."""
    if resolve.pushed(work.consumer, work.profile) == 0:
        path = ("consumers", work.name, *(("push",) if work.consumer.push else ()))
        said.say("A104", "unlimited prefetch: the first consumer takes all that waits", path,
                 "write prefetch: 1 for long work, 10 to 100 for short", of_key=True)  # fmt: skip


def _prefetched(work: Work) -> int:
    push = work.consumer.push
    return work.profile.prefetch if push is None or push.prefetch is None else push.prefetch


def _lock(said: Said, work: Work) -> None:
    """A106."""
    if work.lease is None or work.consumer.push is None or work.consumer.poll is not None:
        return
    one, waiting = (times.mean(work.service), _prefetched(work) // work.consumer.concurrency)
    if one <= work.lease < waiting * one < float("inf"):
        text = f"prefetch {_prefetched(work)} x {_rounded(one)} = {_rounded(waiting * one)} is longer than the"
        said.say("A106", f"{text} visibility_timeout {write_duration(work.lease)}",
                 ("consumers", work.name, "push", "prefetch"), "locks will end in the buffer", of_key=True)  # fmt: skip


def _eta(said: Said, scenario: model.Scenario, name: str, producer: model.Producer, folder: FilePath) -> None:
    """A105."""
    eta = producer.message.eta if producer.message else None
    held = _time(eta, folder) if eta is not None else None
    if held is None:
        return
    long = times.quantile(held, 0.95)
    for queue in resolve.queues_behind(scenario, producer.to):
        lease = resolve.profile_of(scenario.queues[queue]).visibility_timeout
        if lease is None or long <= lease:
            continue
        text = f"eta p95 {_rounded(long)} is longer than the visibility_timeout {write_duration(lease)} of {queue}"
        said.say("A105", text, ("producers", name, "message", "eta"),
                 "the worker holds the message until it is due: it will be handed out again; use delay:")  # fmt: skip


# --- dead letters, redrive -------------------------------------------------------------------------------------------


def _dead_letters(said: Said, scenario: model.Scenario, name: str) -> None:
    """A110 and A111."""
    dlq = scenario.queues[name].dlq
    if dlq:
        if dlq.max_receives == 1:
            said.say("A110", "max_receives: 1 dead-letters a message at its first lost delivery",
                     ("queues", name, "dlq", "max_receives"), "write 3 or more")  # fmt: skip
        return
    everybody = {n: c for n, c in (scenario.consumers or {}).items() if name in resolve.sources(c)}
    profile = resolve.profile_of(scenario.queues[name])
    if profile.dlq is not None or profile.max_deliveries is not None:
        return  # by another key; or dropped when it has been delivered too often
    readers = {n: c for n, c in everybody.items() if resolve.ack(c) != "on-receive"}  # who acks first never retries
    senders = {n: p for n, p in scenario.producers.items() if name in resolve.queues_behind(scenario, p.to)}
    poisoned = [n for n, p in senders.items() if p.message and p.message.poison]
    failing = [n for n, c in readers.items() if c.failures and (c.failures.error or c.failures.crash)]
    if readers and (poisoned or failing):
        what = f"{poisoned[0]} sends poison" if poisoned else f"{failing[0]} fails"
        said.say("A111", f"{name} has no dlq, and {what}", ("queues", name),
                 "what always fails is retried for ever", of_key=True)  # fmt: skip


def _redrive(said: Said, name: str, event: model.Event) -> None:
    """A120."""
    if event.redrive and event.redrive.rate is None:
        path = ("timeline", name, "redrive")
        said.say("A120", f"{name} moves all of {event.redrive.from_} at once", path,
                 "add rate: a few percent of the normal traffic", of_key=True)  # fmt: skip


# --- stability -------------------------------------------------------------------------------------------------------


def _stable(said: Said, scenario: model.Scenario, queue: str, folder: FilePath) -> None:
    """A100, where one consumer's work and the arrivals are all that counts."""
    readers = [(n, c) for n, c in (scenario.consumers or {}).items() if queue in resolve.sources(c)]
    arriving = _arrivals(scenario, queue, folder)
    if arriving is None or len(readers) != 1 or len(resolve.sources(readers[0][1])) != 1:
        return
    if _changes(scenario, queue, readers[0][0]):
        return
    consumer = readers[0][1]
    work = [_time(each, folder) for each in (consumer.service, *_called(scenario, consumer))]
    mean = sum(float("inf") if each is None else times.mean(each) for each in work) / SECOND
    if not 0 < mean < float("inf"):
        return
    is_even = _even(scenario, queue) and all(isinstance(each, plan.Constant) for each in work)
    count = _most(consumer)
    # Erlang's M/M/c unless nothing is random: of work that varies less or more ``qsim advise`` tells.
    each = 0.0 if is_even else 1.0
    pool = Pool(arriving, mean, count * consumer.concurrency, each, each, consumer.concurrency)
    if pool.keeps_up:
        return
    finish = "finishes" if count == 1 else "finish"
    text = f"{queue} is not stable: {format_rate(arriving)} arrive, {_consumers(count)} {finish}"
    said.say("A100", f"{text} {format_rate(pool.capacity)}", ("queues", queue), _enough(pool), of_key=True)


def _called(scenario: model.Scenario, consumer: model.Consumer) -> list[int | model.TimeMap]:
    """The service times of the dependencies that it calls, one after the other."""
    known = scenario.dependencies or {}
    return [known[name].service for name in resolve.uses(consumer) if name in known]


def _changes(scenario: model.Scenario, queue: str, reader: str) -> bool:
    """Whether the timeline or an alert changes how much arrives, or is finished: then the file alone does not tell."""
    paths = [path for event in (scenario.timeline or {}).values() for path in event.set or {}]
    paths += [path for alert in (scenario.alerts or {}).values() if alert.do for path in alert.do.set]
    senders = [name for name, p in scenario.producers.items() if queue in resolve.queues_behind(scenario, p.to)]
    return any(path.startswith((f"consumers.{reader}.", *(f"producers.{name}." for name in senders))) for path in paths)


def _most(consumer: model.Consumer) -> int:
    """Processes that there are when it matters."""
    scaler = consumer.autoscale
    most = None if scaler is None else autoscalers.value(scaler, "max")
    return consumer.count if most is None else int(most)


def _consumers(count: int) -> str:
    return f"{count} consumer{'' if count == 1 else 's'}"


def _enough(pool: Pool) -> str:
    """The number of consumers that keeps up, and the one that keeps p95 of the wait below half a service time."""
    least, random = pool.least_processes(), replace(pool, arrival_scv=1.0, service_scv=1.0)
    enough = random.processes_for(0.95, pool.service / 2)
    if enough is None:
        return f"{_consumers(least)} would just keep up"
    verb = "keeps" if enough == 1 else "keep"
    wait = random.with_processes(enough).wait(0.95)
    return (
        f"{_consumers(least)} would just keep up; with poisson arrivals and exponential service (M/M/c) "
        f"{enough} {verb} p95 wait below {_spaced(pool.service / 2)} ({_spaced(wait)})"
    )


def _spaced(seconds: float) -> str:
    """ "3.1 ms": two digits and a space, for a sentence."""
    for size, unit in ((60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns")):
        if seconds >= size:
            return f"{float(f'{seconds / size:.2g}'):g} {unit}"
    return "0 s"


def _arrivals(scenario: model.Scenario, queue: str, folder: FilePath) -> float | None:
    """Messages a second on average over the run; None where that cannot be told from the file."""
    total = 0.0
    for producer in scenario.producers.values():
        if queue in resolve.queues_behind(scenario, producer.to):
            if (rate := _rate(producer, scenario.run.duration, folder)) is None:
                return None
            total += rate * producer.count * _copies(scenario, producer, queue)
    return total


def _copies(scenario: model.Scenario, producer: model.Producer, queue: str) -> float:
    """How many of each of the producer's messages come to this queue, on average: 1, or what its topic makes."""
    topic = (scenario.topics or {}).get(producer.to)
    if topic is None:
        return 1.0
    message = producer.message or model.Message()
    rules = [resolve.rule(topic.type, each) for each in topic.subscriptions]
    given = message.attributes or {}
    made = 0.0
    for values in product(*given.values()):
        attributes = dict(zip(given, values, strict=True))
        share = prod(float(given[name][value]) for name, value in attributes.items())
        wanted = [rules[number].queue for number, _ in takers(rules, attributes, message.key or "")]
        made += share * wanted.count(queue)
    return made


def _rate(producer: model.Producer, duration: Nanos, folder: FilePath) -> float | None:
    if isinstance(producer.arrivals, model.TimeMap):
        gap = _time(producer.arrivals, folder)
        return None if gap is None else rate_of_gaps(gap)
    if producer.rate is None or producer.limit is not None or producer.slow_down is not None:
        return None
    if producer.bursts is not None:
        on, off = _time(producer.bursts.on, folder), _time(producer.bursts.off, folder)
        share = None if on is None or off is None else share_on(on, off)
        return None if share is None else float(producer.rate) * share
    return average_rate(resolve.stages(producer.rate, producer.stages or ()), float(producer.rate), duration)


def _even(scenario: model.Scenario, queue: str) -> bool:
    senders = [p for p in scenario.producers.values() if queue in resolve.queues_behind(scenario, p.to)]
    return all(p.arrivals == "regular" and _copies(scenario, p, queue) == 1 for p in senders)


Advice = Callable[[Said, Work], Any]
