"""What to run, with every choice made: the resolved scenario.

It knows shapes and nothing else: no YAML, no defaults, no validation.  ``load`` makes a Plan from a file, ``sim``
runs it, ``metrics`` reads it beside the journal.  Times are whole nanoseconds, rates are fractions of messages a
second, shares are floats from 0 to 1, names are indices in file order (the name stands beside), and what a profile
decides has been decided: nothing below recomputes a default.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from fractions import Fraction
from typing import Any

from qsim.handlers.code import Handler
from qsim.kernel.profile import Profile
from qsim.kernel.redelivery import AckMode, Redelivery
from qsim.kernel.routing import Subscription
from qsim.units import Nanos

# --- time distributions (all in ns) ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Constant:
    value: Nanos


@dataclass(frozen=True, slots=True)
class Exponential:
    mean: Nanos


@dataclass(frozen=True, slots=True)
class Uniform:
    min: Nanos
    max: Nanos


@dataclass(frozen=True, slots=True)
class Lognormal:
    median: Nanos
    p95: Nanos


@dataclass(frozen=True, slots=True)
class Erlang:
    mean: Nanos
    k: int


@dataclass(frozen=True, slots=True)
class Pareto:
    min: Nanos
    alpha: float


@dataclass(frozen=True, slots=True)
class Empirical:
    """Sorted values, each as likely as the other."""

    values: tuple[Nanos, ...]


@dataclass(frozen=True, slots=True)
class Mix:
    """Cumulative thresholds in file order (the last is 1.0) and the part each leads to; drawn once a message."""

    thresholds: tuple[float, ...]
    parts: tuple[Time, ...]


Time = Constant | Exponential | Uniform | Lognormal | Erlang | Pareto | Empirical | Mix


@dataclass(frozen=True, slots=True)
class Shares:
    """Names with cumulative thresholds, in file order; the last threshold is 1.0."""

    names: tuple[str, ...]
    thresholds: tuple[float, ...]


# --- retry ---------------------------------------------------------------------------------------------------------


class Backoff(IntEnum):
    NONE = 0
    FIXED = 1
    EXPONENTIAL = 2


class Jitter(IntEnum):
    NONE = 0
    FULL = 1
    EQUAL = 2


@dataclass(frozen=True, slots=True)
class Retry:
    """``attempts`` counts all tries, None = no end; ``budget`` is the share of first tries that retries may add."""

    attempts: int | None
    backoff: Backoff
    first: Nanos
    factor: float
    max: Nanos | None
    jitter: Jitter
    budget: float | None


# --- queues -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Imperfections:
    """Shares."""

    duplicate_delivery: float = 0.0
    reorder: float = 0.0
    lose_send: float = 0.0
    lose_reply: float = 0.0
    lose_ack: float = 0.0
    empty_receive: float = 0.0


@dataclass(frozen=True, slots=True)
class Reaper:
    """What has been in a processing list for ``older_than`` goes back; it looks every so often (RED-2)."""

    every: Nanos
    older_than: Nanos


@dataclass(frozen=True, slots=True)
class Latency:
    """What a call takes on its way; None: no time."""

    send: Time | None = None
    receive: Time | None = None
    ack: Time | None = None


@dataclass(frozen=True, slots=True)
class QueuePlan:
    """``profile`` carries every setting of the broker's side, dlq and capacity included."""

    name: str
    profile: Profile
    priorities: tuple[str, ...]
    imperfections: Imperfections
    reaper: Reaper | None = None
    latency: Latency = Latency()


# --- topics, and messages that are made of others -----------------------------------------------------------------------

Made = tuple[tuple[int, int], ...]
"""(producer index of a message, producer index of what is made of it): the number within the producer stays."""


@dataclass(frozen=True, slots=True)
class Branch:
    """A producer index of its own for copies and emitted messages: message k of ``parent`` (a producer or another
    branch) becomes message k of ``index``.  ``words`` stand behind the parent's in every key of luck."""

    index: int
    parent: int
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SubscriptionPlan:
    """``rule`` says which messages; a copy is ``delay`` later than the message says (None: than the queue says, where
    the message says nothing).  ``has_ids``: a copy whose original has no deduplication id has its identity as one."""

    queue: int
    rule: Subscription
    delay: Nanos | None
    made: Made = ()
    has_ids: bool = False


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """Wherever something is sent ``to``, queues are numbered first and topics after them."""

    name: str
    index: int
    subscriptions: tuple[SubscriptionPlan, ...]


# --- what consumers call ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DependencyPlan:
    """``capacity`` calls at a time and ``queue_limit`` more that wait (None: any number); who has had no answer after
    ``timeout`` gives up."""

    name: str
    index: int
    capacity: int | None
    service: Time
    queue_limit: int | None
    timeout: Nanos | None


# --- producers ----------------------------------------------------------------------------------------------------------


class OnReject(IntEnum):
    DROP = 0
    BLOCK = 1
    RETRY = 2


@dataclass(frozen=True, slots=True)
class Stage:
    """The rate goes from ``start`` to ``end`` (messages/s) in ``length``; length 0 is a jump."""

    length: Nanos
    start: Fraction
    end: Fraction


@dataclass(frozen=True, slots=True)
class Poison:
    """A share of all messages, or ``first`` messages: each the first one sent at or after from, from + every, ..."""

    share: float = 0.0
    first: int = 0
    from_: Nanos = 0
    every: Nanos = 0


@dataclass(frozen=True, slots=True)
class Groups:
    keys: int
    skew: float


@dataclass(frozen=True, slots=True)
class MessagePlan:
    """``levels`` are cumulative thresholds over the priorities of the target queue (None: level 0).  ``dedup_keys``:
    None none, 0 the message's identity, N > 0 number modulo N keys."""

    size: int
    levels: tuple[float, ...] | None
    delay: Time | None
    ttl: Nanos | None
    eta: Time | None
    groups: Groups | None
    poison: Poison | None
    dedup_keys: int | None
    attributes: tuple[tuple[str, Shares], ...]
    key: str = ""
    """The routing key."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """Send times, in order, and what was recorded of each message beside (empty: nothing)."""

    times: tuple[Nanos, ...]
    sizes: tuple[int, ...] = ()
    groups: tuple[int, ...] = ()
    levels: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Bursts:
    """On and off by turns, beginning with on."""

    on: Time
    off: Time


@dataclass(frozen=True, slots=True)
class Clients:
    """Each sends, waits for its answer, thinks, sends again; ``think`` comes before the first request too."""

    count: int
    think: Time


@dataclass(frozen=True, slots=True)
class Watching:
    """Sends at ``to`` from when ``watch`` is above until it is below ``resume_below``; looked at so often."""

    watch: Any
    above: float
    resume_below: float
    to: Fraction
    check_every: Nanos


@dataclass(frozen=True, slots=True)
class TokenBucket:
    rate: Fraction
    burst: int


@dataclass(frozen=True, slots=True)
class RequestReply:
    """Replies come through queue ``reply_to``; after ``timeout`` nobody waits for one any more."""

    reply_to: int
    timeout: Nanos
    retries: bool


@dataclass(frozen=True, slots=True)
class ProducerPlan:
    """One entry of ``producers:``; its ``count`` producers have indices first_index .. first_index + count - 1 in
    message identities.  Exactly one of ``regular``/``poisson`` (with rate and stages) or ``gaps`` is set."""

    name: str
    first_index: int
    count: int
    to: int
    regular: bool
    gaps: Time | None
    rate: Fraction
    stages: tuple[Stage, ...]
    limit: int | None
    start: Nanos
    stop: Nanos
    message: MessagePlan
    batch_size: int
    batch_wait: Nanos
    on_reject: OnReject
    retry: Retry | None
    timeout: Nanos
    recorded: Recorded | None = None
    bursts: Bursts | None = None
    clients: Clients | None = None
    slow_down: Watching | TokenBucket | None = None
    request_reply: RequestReply | None = None


# --- consumers -----------------------------------------------------------------------------------------------------------


class Ack(IntEnum):
    AFTER_SUCCESS = 0
    ON_RECEIVE = 1


class Check(IntEnum):
    NONE = 0
    BEFORE = 1
    ATOMIC = 2


class CrashAt(IntEnum):
    WORKING = 0
    AFTER_EFFECT = 1
    BEFORE_ACK = 2


class OnError(IntEnum):
    NACK = 0
    REJECT = 1
    WAIT_FOR_TIMEOUT = 2


@dataclass(frozen=True, slots=True)
class Poll:
    """``wait`` None = for ever; ``every`` None = ask again at once (only with a wait above 0)."""

    batch: int
    wait: Nanos | None
    every: Nanos | None
    visibility_timeout: Nanos | None


@dataclass(frozen=True, slots=True)
class Heartbeat:
    every: Nanos
    extend_to: Nanos
    give_up_after: Nanos | None


@dataclass(frozen=True, slots=True)
class Failures:
    error: float = 0.0
    crash: float = 0.0
    crash_at: CrashAt = CrashAt.WORKING
    restart_after: Time = Constant(0)
    on_error: OnError = OnError.NACK


@dataclass(frozen=True, slots=True)
class Recovery:
    """Each process reads its own history after a restart, and claims every so often what has been idle for so long
    (RED-10, RED-14)."""

    min_idle: Nanos
    every: Nanos


@dataclass(frozen=True, slots=True)
class JmsClient:
    """Each process has a session of its own, with one consumer."""

    mode: AckMode
    redelivery: Redelivery
    priority: int
    is_exclusive: bool


@dataclass(frozen=True, slots=True)
class Emit:
    """Sends on to queue or topic ``to``, where the work took effect, or where it failed.  ``has_ids``: with its identity
    as deduplication id."""

    to: int
    on_failure: bool
    made: Made = ()
    has_ids: bool = False


class Policy(IntEnum):
    BACKLOG_PER_CONSUMER = 0
    KEDA = 1
    HPA = 2
    STEPS = 3


@dataclass(frozen=True, slots=True)
class Autoscale:
    """How many processes there should be, looked at ``every`` so often.  ``metric``: references whose values are
    added up (times in ns), as they were ``metric_lag`` ago; ``steps``: (above, add)."""

    policy: Policy
    metric: tuple[Any, ...]
    target: float
    min: int
    max: int
    every: Nanos
    metric_lag: Nanos
    startup: Time
    tolerance: float
    scale_down_after: Nanos
    graceful: bool
    steps: tuple[tuple[float, int], ...] = ()


@dataclass(frozen=True, slots=True)
class ConsumerPlan:
    """``index`` is its number among the consumers; ``most`` the greatest number of processes it ever has (count,
    or what the timeline sets).  Either ``poll`` or ``prefetch`` is set; ``prefetch`` 0 = unlimited.  ``buffers``:
    a delivery may wait at the consumer before its work begins (then STARTED rows are written)."""

    name: str
    index: int
    sources: tuple[int, ...]
    count: int
    most: int
    concurrency: int
    service: Time
    poll: Poll | None
    prefetch: int | None
    ack: Ack
    heartbeat: Heartbeat | None
    check: Check
    remember: Nanos | None
    failures: Failures
    retry: Retry | None
    buffers: bool
    ack_batch: tuple[int, Nanos] | None = None
    wishes: tuple[int, bool] | tuple[()] = ()
    """Of who is pushed to: priority, and whether alone."""
    recovery: Recovery | None = None
    jms: JmsClient | None = None
    uses: tuple[int, ...] = ()
    """Dependencies, called one after the other."""
    emits: tuple[Emit, ...] = ()
    autoscale: Autoscale | None = None
    handler: Handler | None = None
    """The student's consumer, called for each delivery."""


# --- control ------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Set:
    """One settable value: ``what`` is "rate", "count", "service", "failures", "prefetch", "visibility_timeout",
    "capacity" or "dlq" of object number ``index`` (a producer, consumer or queue); ``value`` is resolved as the
    field of the same name above (failures: the whole Failures; capacity: Capacity or None; dlq: DeadLetter or None)."""

    what: str
    index: int
    value: Any
    before: Any


@dataclass(frozen=True, slots=True)
class Crash:
    consumer: int
    count: int


@dataclass(frozen=True, slots=True)
class Pause:
    """A producer or a consumer (the other is None)."""

    producer: int | None
    consumer: int | None


@dataclass(frozen=True, slots=True)
class Redrive:
    """rate None: all at once."""

    from_: int
    to: int
    rate: Fraction | None
    limit: int | None


@dataclass(frozen=True, slots=True)
class Purge:
    queue: int


@dataclass(frozen=True, slots=True)
class FixPoison:
    """queue None: everywhere."""

    queue: int | None


@dataclass(frozen=True, slots=True)
class Slow:
    """A dependency or a consumer takes ``by`` times as long for what begins in this time (the other is None)."""

    dependency: int | None
    consumer: int | None
    by: Fraction


@dataclass(frozen=True, slots=True)
class Restart:
    """The broker of a queue goes away, and comes back at the end of the entry's time."""

    queue: int


Action = Set | Crash | Pause | Redrive | Purge | FixPoison | Slow | Restart


@dataclass(frozen=True, slots=True)
class Control:
    """One timeline entry; several ``set:`` paths are several actions.  ``length`` None: it stays."""

    name: str
    at: Nanos
    length: Nanos | None
    actions: tuple[Action, ...]


@dataclass(frozen=True, slots=True)
class AlertPlan:
    """``when`` is a qsim.scenario.reference.Reference; ``limit`` in ns, or a plain number."""

    name: str
    when: Any
    above: bool
    limit: float
    hold: Nanos
    window: Nanos
    severity: str
    do: tuple[Set, ...] = ()
    """What is set when it fires; it stays set."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """``that`` is a Reference or None for a whole-run claim; ``value`` is a number (ns for times), a Reference, or
    the claim's own arguments; ``fails_in`` names variants."""

    that: Any | None
    text: str
    predicate: str
    value: Any
    otherwise: str | None
    fails_in: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cost:
    """Money a call, an hour of one process, a gigabyte (10^9 bytes) of payload."""

    request: Fraction = Fraction(0)
    consumer_hour: Fraction = Fraction(0)
    gigabyte: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True)
class Precision:
    """Replicate, at least ``least`` and at most ``most`` times, until half of the metric's interval is ``within`` of its
    mean.  ``metric`` is a qsim.scenario.reference.Reference."""

    metric: Any
    within: float
    confidence: float
    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A scenario that can be run."""

    name: str
    title: str
    description: str
    tags: tuple[str, ...]
    variant: str
    seed: int
    duration: Nanos
    warmup: Nanos
    replications: int
    sample_every: Nanos
    drain: Nanos
    queues: tuple[QueuePlan, ...]
    producers: tuple[ProducerPlan, ...]
    consumers: tuple[ConsumerPlan, ...]
    timeline: tuple[Control, ...]
    alerts: tuple[AlertPlan, ...]
    expect: tuple[Expectation, ...]
    topics: tuple[TopicPlan, ...] = ()
    dependencies: tuple[DependencyPlan, ...] = ()
    branches: tuple[Branch, ...] = ()
    """In the order of their indices, which follow those of the producers."""
    cost: Cost | None = None
    is_warmup_found: bool = False
    """``warmup: auto``: each run finds its own (qsim.metrics.warmup); ``warmup`` is 0."""
    precision: Precision | None = None
    """Where it is given, ``replications`` is the least number of them."""
