"""The shape of a scenario file: every key of format 1, with the kind of its value.

It knows keys and kinds, not names, profiles or places: whether a queue of that name exists, or the broker has such a
setting, is said by ``meaning``.  Values come out exact: nanoseconds, fractions, bytes.  Keys of later releases are
here too; ``meaning`` says that they are not supported yet.

A key without a default here has it from the profile, or is off; ``show`` fills in which.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Discriminator, Field, PlainValidator, Tag, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from qsim import units

NAME = r"[A-Za-z][A-Za-z0-9_-]*"


class Shape(BaseModel):
    """Unknown keys are errors, and nothing is converted silently."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, defer_build=True, arbitrary_types_allowed=True, validate_default=True
    )

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, value: Any) -> Any:
        """``null`` takes a key away: what is left is its default, or the error that it is required."""
        if not isinstance(value, dict) or None not in value.values():
            return value
        known = {field.alias or name for name, field in cls.model_fields.items()}
        return {k: v for k, v in value.items() if v is not None or k not in known}


# --- single values ---------------------------------------------------------------------------------------------------


def _says(code: str, message: str, suggestion: str | None = None) -> PydanticCustomError:
    """An error that carries its code; the braces of the text are the user's own."""
    return PydanticCustomError("qsim", "{message}", {"message": message, "code": code, "suggestion": suggestion})


def _read(parse: Callable[[Any], Any]) -> PlainValidator:
    remembered = lru_cache(1024)(parse)

    def read(value: Any) -> Any:
        try:
            # Variants and sweeps read the same texts again and again.
            return remembered(value) if type(value) is str else parse(value)
        except units.UnitError as error:
            raise _says(error.code, error.message, error.suggestion) from None

    return PlainValidator(read)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise units.UnitError(f"text is needed here: quote it, '{value}'" if _scalar(value) else "text is needed here",
                              "Q011")  # fmt: skip
    return value


NO_VALUES = "a sweep is a list of values, or a range like 1..20 or 1..20..5"


def _range(value: Any) -> str:
    if not isinstance(value, str):
        raise units.UnitError(NO_VALUES, "Q012", f"write [{value}]" if _scalar(value) else None)
    return value


def _scalar(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _positive(value: Any) -> int:
    if units.count(value) == 0:
        raise units.UnitError("at least 1 is needed", "Q014")
    return int(value)


def _batch(value: Any) -> int:
    return _positive(value)


def _never(value: Any) -> int | None:
    return None if value == "never" else units.duration(value)


def _warmup(value: Any) -> int | str:
    return "auto" if value == "auto" else units.duration(value)


def _above_zero(value: Any) -> int:
    time = units.duration(value)
    if time == 0:
        raise units.UnitError("a time above 0 is needed here", "Q014")
    return time


def _drain(value: Any) -> bool | int:
    return value if isinstance(value, bool) else units.duration(value)


def _prefetch(value: Any) -> int:
    """0 is unlimited."""
    if isinstance(value, str) and value != "unlimited":
        raise units.UnitError("prefetch is a count, or unlimited", "Q012")
    return 0 if value == "unlimited" else _positive(value)


def _format(value: Any) -> int:
    if isinstance(value, bool) or value != 1:
        raise units.UnitError(f"format version {value!r} is not known: this release reads qsim: 1", "Q012")
    return 1


def _version(value: Any) -> str:
    """The scalar's text: 3.10 is not 3.1."""
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        raise units.UnitError('a version is text: write "4.x" or "3.10"', "Q011")
    text = str(getattr(value, "text", value))
    if text not in ("3.10", "4.x"):
        raise units.UnitError(f"{text!r} is not allowed for 'version'", "Q012", "one of: 3.10, 4.x")
    return text


def _true_or_name(value: Any) -> bool | str:
    return value if value is True else _text(value)


def _plain_value(value: Any) -> Any:
    """What stands behind a predicate: its dimension is that of the metric, so it is read later."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise units.UnitError("a number with its unit is needed here, or a metric", "Q011")
    return value


_QUANTITY = r"^\s*\d[\d_]*(\.\d+)?\s*"
_DURATION = r"^\s*(0|(\d[\d_]*(\.\d[\d_]*)?\s*[A-Za-zµμ]+\s*)+)$"


def _schema(kind: str | list[str], pattern: str | None = None, **more: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": kind, **({"pattern": pattern} if pattern else {}), **more})


_TIME_FORMS: list[Any] = [{"type": "string", "pattern": _DURATION}, {"const": 0}]
_TIME_SCHEMA = {"anyOf": _TIME_FORMS, "examples": ["30s", "1h30m"]}


def _time_or(*words: Any) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [{"enum": list(words)}, *_TIME_FORMS]})


Duration = Annotated[int, _read(units.duration), WithJsonSchema(_TIME_SCHEMA)]
SomeTime = Annotated[int, _read(_above_zero), _schema("string", _DURATION)]
Rate = Annotated[
    Fraction,
    _read(units.rate),
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": _QUANTITY + r"[kM]?\s*/\s*[a-z]+$"}, {"const": 0}],
                    "examples": ["1000/s", "30/min"]}),
]  # fmt: skip
Size = Annotated[
    int,
    _read(units.size),
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": _QUANTITY + "(B|KB|KiB|MB|MiB)$"}, {"const": 0}]}),
]
Share = Annotated[
    Fraction,
    _read(units.share),
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": _QUANTITY + "%$"},
                              {"type": "number", "minimum": 0, "maximum": 1}]}),
]  # fmt: skip
Number = Annotated[Fraction, _read(units.number), _schema("number", minimum=0)]
Count = Annotated[int, _read(units.count), _schema("integer", minimum=0)]
Positive = Annotated[int, _read(_positive), _schema("integer", minimum=1)]
Text = Annotated[str, _read(_text), _schema("string")]
Range = Annotated[str, _read(_range), _schema("string")]
Name = Annotated[str, _read(_text), _schema("string", f"^{NAME}$")]
Metric = Annotated[str, _read(_text), _schema("string", examples=["orders.wait p95", "orders.visible at end"])]
Value = Annotated[Any, _read(_plain_value), _schema(["string", "number"])]
Prefetch = Annotated[int, _read(_prefetch), WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1},
                                                                     {"const": "unlimited"}]})]  # fmt: skip
TimeOrNever = Annotated[int | None, _read(_never), _time_or("never")]
OnlyTrue = Literal[True]
FixPoison = Annotated[
    bool | str, _read(_true_or_name), WithJsonSchema({"anyOf": [{"const": True}, {"type": "string"}]})
]


# --- one of several shapes -------------------------------------------------------------------------------------------
# A tag begins with "~": it tells pydantic which shape to hold a value against, and is no part of any path.


def _by_kind(value: Any) -> str:
    return "~map" if isinstance(value, dict | BaseModel) else "~list" if isinstance(value, list) else "~plain"


def _plain_or_map(value: Any) -> str:
    return "~map" if isinstance(value, dict) else "~plain"


def _plain_or_list(value: Any) -> str:
    return "~list" if isinstance(value, list) else "~plain"


PLAIN, MAP, LIST = Tag("~plain"), Tag("~map"), Tag("~list")
PlainOrMap, PlainOrList = Discriminator(_plain_or_map), Discriminator(_plain_or_list)
AnyKind = Discriminator(_by_kind)


# --- times that vary -------------------------------------------------------------------------------------------------


class Exponential(Shape):
    """Memoryless: the time between events of a Poisson process."""

    mean: SomeTime


class Uniform(Shape):
    """Each time between two is as likely."""

    min: Duration
    max: Duration


class Lognormal(Shape):
    """What engineers know: half are below the median, one in twenty above p95."""

    median: SomeTime
    p95: SomeTime


class Erlang(Shape):
    """The sum of k equal exponential steps."""

    mean: SomeTime
    k: Positive


class Pareto(Shape):
    """A heavy tail: rare times are very long."""

    min: SomeTime
    alpha: Number


class Empirical(Shape):
    """Recorded times: one column of a CSV file below the scenario's folder, each value as likely as the other."""

    file: Text
    column: Text
    unit: Literal["ns", "us", "ms", "s", "m", "h", "d"]


class Part(Shape):
    """One part of a mix."""

    share: Share
    time: Time


class TimeMap(Shape):
    """A time that varies: exactly one of these."""

    exponential: Exponential | None = None
    uniform: Uniform | None = None
    lognormal: Lognormal | None = None
    erlang: Erlang | None = None
    pareto: Pareto | None = None
    empirical: Empirical | None = None
    mix: list[Part] | None = None


Time = Annotated[Annotated[Duration, PLAIN] | Annotated[TimeMap, MAP], PlainOrMap]


def key(
    text: str, default: Any = None, *, name: str | None = None, shown: str | None = None, ours: bool = False
) -> Any:
    """An optional key: what it means, its default as one would write it, or in words where it is no such value.

    ``ours``: the default is our choice; the format leaves it open.
    """
    extra: Any = {"x-default": shown} if shown else {"x-origin": "ours"} if ours else None
    return Field(default=default, description=text, alias=name, json_schema_extra=extra)


def needed(text: str, *, name: str | None = None) -> Any:
    return Field(description=text, alias=name)


# --- run -------------------------------------------------------------------------------------------------------------


class Precision(Shape):
    """Replicate until a metric is known well enough."""

    metric: Metric = needed("the metric that is to be known")
    within: Share = needed("half of the interval, as a share of the mean")
    confidence: Share = key("of the interval", "95%")
    min: Positive = key("replications at least", 5)
    max: Positive = key("replications at most", 200)


class Run(Shape):
    """How long, how often."""

    duration: SomeTime = needed("the run covers [0, duration)")
    warmup: Annotated[int | str, _read(_warmup), _time_or("auto")] = key(
        "discarded; auto = each run finds it in the depth of its queues with consumers (MSER-5)", 0
    )
    replications: Annotated[Annotated[Positive, PLAIN] | Annotated[Precision, MAP], PlainOrMap] = key(
        "a count, or stop at a relative precision", 1
    )
    sample_every: SomeTime = key("grid of the time series", "1s")
    drain: Annotated[bool | int, _read(_drain), _time_or(True, False)] = key(
        "after the producers stop: until empty (true: at most 10 x duration), or at most this long", False
    )


# --- queues ----------------------------------------------------------------------------------------------------------

ProfileName = Literal[
    "ideal",
    "sqs-standard",
    "sqs-fifo",
    "rabbitmq-classic",
    "rabbitmq-quorum",
    "redis-list",
    "redis-stream",
    "activemq-classic",
    "azure-service-bus",
]
PROFILE_NAMES: tuple[str, ...] = get_args(ProfileName)
StaleWord = Literal["deletes", "ignored", "error", "closes-channel"]


class Dlq(Shape):
    """Where messages go that were delivered too often."""

    queue: Name = needed("the dead-letter queue")
    max_receives: Positive | None = key("deliveries that a message may get", shown="profile")


class Limit(Shape):
    """A bounded queue."""

    messages: Positive | None = key("at most this many messages")
    bytes: Size | None = key("at most this many bytes")
    when_full: Literal["reject", "block", "drop-oldest", "drop-newest", "dead-letter"] = key(
        "what happens to an arrival, or to the oldest", "reject"
    )


class Fifo(Shape):
    """What FIFO queues have on top."""

    dedup_window: Duration | None = key("a deduplication id is remembered this long", shown="profile")
    send_limit: Rate | None = key("send calls a second", shown="profile")
    receive_limit: Rate | None = key("receive calls, and delete calls, a second", shown="profile")


class Imperfections(Shape):
    """Shares of calls or messages at which real brokers and networks differ from the textbook."""

    duplicate_delivery: Share = key("delivered again though nothing failed", 0)
    reorder: Share = key("received before its turn", 0)
    lose_send: Share = key("the request never arrives (to a topic: as at the queue behind it where most are lost)", 0)
    lose_reply: Share = key("accepted, but the producer does not hear it (of a topic: likewise)", 0)
    lose_ack: Share = key("the ack never arrives", 0)
    empty_receive: Share = key("a receive finds nothing though something waits", 0)


class Latency(Shape):
    """What a call takes.  Answers to a send or an ack take no time of their own."""

    send: Time | None = key("from the send to its arrival; a producer whose timeout is shorter hears nothing", shown="0")
    receive: Time | None = key("from the handing out, or the end of a wait, to the consumer; the lease runs", shown="0")
    ack: Time | None = key("from the end of the work to the ack's arrival; the consumer waits for it", shown="0")


class Fsync(Shape):
    """A restart loses what the queue was sent, handed out and acked since the last multiple of a time."""

    fsync_every: SomeTime = needed("how often what has changed is written to disk")


class Reaper(Shape):
    """Takes back what has been in a processing list for too long."""

    every: SomeTime | None = key("how often it looks", shown="older_than")
    older_than: SomeTime | None = key("since the pop", shown="1m, ours")
    to: Literal["head", "tail"] | None = key("received next, or last", shown="head, ours")


class BrokerKeys(Shape):
    """What only this broker has."""

    dedup_scope: Literal["queue", "message-group"] | None = key("sqs-fifo: where a deduplication id counts")
    content_dedup: bool | None = key("sqs-fifo: the body is the deduplication id")
    throughput_limit: Literal["per-queue", "per-message-group"] | None = key("sqs-fifo: what the limits count for")
    version: Annotated[str, _read(_version), WithJsonSchema({"enum": ["3.10", "4.x"]})] | None = key(
        "rabbitmq-*: whose rules", shown="4.x"
    )  # fmt: skip
    single_active: bool | None = key("rabbitmq-*: one consumer is served, and when it goes the next", shown="false")
    ttl: Duration | None = key("rabbitmq-*: then expired, at the head of the queue; as retention")
    consumer_timeout: SomeTime | None = key(
        "rabbitmq-*: how long a delivery may be held: then it is requeued, up to 4.2 (and on classic queues) with the channel"
    )
    max_priority: Positive | None = key("rabbitmq-*: the largest priority, from 0", shown="what priorities: needs")
    dead_letter_to: Name | None = key("rabbitmq-*: a dlq that leaves the delivery limit as it is")
    reliable: bool | None = key("redis-list: what is popped stays in a processing list until it is acked")
    reaper: Reaper | None = key("redis-list: takes back what stays there too long")
    maxlen: Positive | None = key("redis-stream: entries that are kept; the oldest go, also pending ones")
    prioritized: bool | None = key("activemq-classic: priorities count; else it is fifo", shown="false")
    expire_sweep: Duration | None = key("activemq-classic: how often it looks for what has expired; 0: never", shown="30s")
    strict_dispatch: bool | None = key("activemq-classic: one consumer is filled before the next", shown="false")
    own_dlq: bool | None = key("activemq-classic")
    process_expired: bool | None = key("activemq-classic: expired messages are dead-lettered", shown="true")
    persistent: bool | None = key("activemq-classic: others are never dead-lettered", shown="true")
    sessions: bool | None = key("azure-service-bus: a group is a session, which one receiver has to itself")
    duplicate_detection: bool | Duration | None = key("azure-service-bus: true is 10m, or a window of 20s to 7d")
    dead_letter_on_expiry: bool | None = key("azure-service-bus: expired ones go to the dlq, else they are dropped")
    auto_forward: Name | None = key("azure-service-bus: what enters is moved on to this queue at once")


class Queue(Shape):
    """One queue at the broker."""

    profile: ProfileName = key("which broker: sets the defaults below", "ideal")
    order: Literal["fifo", "best-effort", "lifo", "priority"] | None = key("which message goes next", shown="profile")
    priorities: list[Name] | None = key("names, first listed is received first", shown="none")
    visibility_timeout: TimeOrNever | None = key(
        "the lease; never = only a lost connection returns the message", shown="profile"
    )
    dlq: Dlq | None = key("dead-letter queue", shown="none")
    delay: Duration | None = key("every message becomes visible this much later", shown="0")
    retention: Duration | None = key(
        "then expired; counted as lost unless it is dead-lettered", shown="profile"
    )  # fmt: skip
    capacity: Limit | None = key("how much fits", shown="none")
    max_in_flight: Positive | None = key("messages in consumers' hands", shown="profile")
    fifo: Fifo | None = key("deduplication and limits of FIFO queues", shown="profile")
    imperfections: Imperfections | None = key("shares", shown="0")
    latency: Latency | None = key("what calls take", shown="0")
    durability: (
        Annotated[Annotated[Literal["durable", "transient"], PLAIN] | Annotated[Fsync, MAP], PlainOrMap] | None
    ) = key("what a broker restart keeps", shown="profile")
    stale_ack: (
        Annotated[Annotated[StaleWord, PLAIN] | Annotated[list[StaleWord], LIST], PlainOrList] | None
    ) = key("what acking a lost lease does: one word, or [expired, received again]", shown="profile")  # fmt: skip
    broker: BrokerKeys | None = key("what only this broker has", shown="profile")


# --- topics, dependencies --------------------------------------------------------------------------------------------


class Subscription(Shape):
    """Who gets a copy, of which messages: those that pass all of key, only and filter."""

    queue: Name = needed("gets the copy; one copy, however many subscriptions without a filter want it for this queue")
    only: dict[str, list[Text]] | None = key("{attribute: [values that pass]}", shown="all")
    filter: Text | None = key("a Service Bus SQL filter: kind = 'cart' AND NOT region IN ('eu', 'us')", shown="all")
    delay: Duration | None = key("this much later than the message itself", shown="the queue's delay")
    key: Text | None = key("binding key, for type direct and topic: * is one word, # any number of them", shown="none")


class Topic(Shape):
    """Copies each message to its subscriptions, and answers the producer at once: a copy refused is nobody's error."""

    type: Literal["fanout", "direct", "topic", "headers"] = key(
        "how message.key is matched: not at all, exactly, as a pattern of words, not at all (only: is)", "fanout"
    )
    subscriptions: list[Subscription] = needed("who gets a copy")


class Dependency(Shape):
    """What consumers call, with a capacity that they share."""

    capacity: Positive | None = key("calls at a time, of all consumers together", shown="none")
    service: Time = needed("what a call takes")
    queue_limit: Count | None = key("calls that may wait; more are refused, and err", shown="none")
    timeout: SomeTime | None = key("a caller who has no answer gives up, and errs", shown="none")


# --- retry -----------------------------------------------------------------------------------------------------------


class Retry(Shape):
    """How long to wait before the next try."""

    attempts: Positive | None = key("tries in all", shown="no end")
    backoff: Literal["none", "fixed", "exponential"] = key("how the wait grows", "exponential", ours=True)
    first: Duration = key("the first wait", "1s", ours=True)
    factor: Number = key("each wait is this much longer", 2, ours=True)
    max: Duration | None = key("the longest wait", shown="none")
    jitter: Literal["none", "full", "equal"] = key("how much of the wait is random", "none", ours=True)
    budget: Share | None = key("share of first tries that retries may add", shown="none")


# --- producers -------------------------------------------------------------------------------------------------------


class Stage(Shape):
    """One of: hold, ramp with to, jump."""

    hold: SomeTime | None = key("keep the rate this long")
    ramp: SomeTime | None = key("go to the rate `to` in this time")
    to: Rate | None = key("the rate at the end of a ramp")
    jump: Rate | None = key("have this rate at once")


class Recorded(Shape):
    """Recorded send times, counted from the run's start.  Columns size (bytes), group and priority (a name) count too."""

    file: Text = needed("a CSV or Parquet file below the scenario's folder")
    column: Text = needed("the column of times")
    unit: Literal["ns", "us", "ms", "s", "m", "h", "d"] = needed("of the times")


class Groups(Shape):
    """Message groups; ``skew`` is Zipf's exponent."""

    keys: Positive = needed("how many groups")
    skew: Number = key("Zipf's exponent, 0 = uniform", 0)


class PoisonBurst(Shape):
    """Marks messages: each the first one sent at or after from, from + every, ..."""

    first: Positive = needed("how many messages")
    from_: Duration = key("the first at or after", 0, name="from")
    every: Duration = key("the next ones", "1s", ours=True)


class DedupKeys(Shape):
    keys: Positive


class Message(Shape):
    """What each message is like."""

    size: Size = key("bytes", "1KiB")
    priority: (
        Annotated[Annotated[Name, PLAIN] | Annotated[dict[str, Share], MAP], PlainOrMap] | None
    ) = key("a name, or {name: share}", shown="the last")  # fmt: skip
    delay: Time | None = key("visible this much later", shown="the queue's")
    ttl: Duration | None = key("then expired", shown="none")
    eta: Time | None = key("not before; the consumer holds it, lease running, until it is due", shown="none")
    key: Text | None = Field(default=None, description="routing key, for a topic of type direct or topic")
    group: Groups | None = Field(default=None, description="message groups")
    poison: (
        Annotated[Annotated[Share, PLAIN] | Annotated[PoisonBurst, MAP], PlainOrMap] | None
    ) = Field(default=None, description="a share, or marks N messages that fail every time")  # fmt: skip
    dedup: (
        Annotated[Annotated[Literal["identity"], PLAIN] | Annotated[DedupKeys, MAP], PlainOrMap] | None
    ) = Field(default=None, description="deduplication id: the message's identity, or one of N keys",
              json_schema_extra={"x-default": "profile"})  # fmt: skip
    attributes: dict[str, dict[str, Share]] | None = Field(default=None, description="{name: {value: share}}")


class Batch(Shape):
    """Messages sent in one call."""

    size: Positive = needed("messages a call")
    max_wait: Duration = key("a call is made at the latest after", 0)


class Clients(Shape):
    """A closed loop: each client thinks, sends, waits for its answer, and thinks again."""

    count: Positive = needed("how many clients, of each producer")
    think: Time = needed("from an answer to the next request, and before the first")


class Bursts(Shape):
    """On and off by turns, from the producer's start on."""

    on: Time = needed("sends this long ...")
    off: Time = needed("... then rests this long; what was about to come goes on afterwards")


class Bucket(Shape):
    """Every try takes a token; without one it waits at the producer, in order."""

    rate: Rate = needed("tokens come at this rate")
    burst: Positive = needed("so many can be saved up, and are there at the start")


class SlowDown(Shape):
    """Either watch, above, resume_below and to, or token_bucket."""

    watch: Metric | None = key("the metric that is watched (a counter or percentile: over the last minute)")
    above: Value | None = key("sends at `to` from when it is above this ...")
    resume_below: Value | None = key("... until it is below this")
    to: Rate | None = key("the rate meanwhile")
    check_every: SomeTime | None = key("how often it is looked at", shown="1s, ours")
    token_bucket: Bucket | None = key("a limit at the producer itself")


class RequestReply(Shape):
    """Replies come through a queue of the producer's own, from a consumer that emits them."""

    reply_to: Name = needed("the queue of the replies; no one else reads it")
    timeout: SomeTime = key("a reply is awaited this long", "1s", ours=True)
    on_timeout: Literal["drop", "retry"] = key("give up, or send again as on_reject says", "drop", ours=True)


class Producer(Shape):
    """Who sends."""

    to: Name = needed("a queue or topic")
    rate: Rate | None = key("start rate, of each producer")
    arrivals: (
        Annotated[Annotated[Literal["poisson", "regular"], PLAIN] | Annotated[TimeMap, MAP], PlainOrMap]
    ) = key("poisson, regular, or an inter-arrival distribution (which replaces rate)", "poisson")  # fmt: skip
    stages: list[Stage] | None = key("how the rate changes", shown="none")
    trace: Recorded | None = key("replays recorded send times", shown="none")
    count: Positive = key("producers like this one", 1)
    limit: Count | None = key("messages of each, at most", shown="none")
    start: Duration = key("sends in [start, stop)", 0)
    stop: Duration | None = key("sends in [start, stop)", shown="the end")
    message: Message | None = key("what each message is like")
    batch: Batch | None = key("messages sent in one call", shown="none")
    on_reject: (
        Annotated[Annotated[Literal["drop", "block"], PLAIN] | Annotated[Retry, MAP], PlainOrMap]
    ) = key("drop, block, or a retry policy", "drop")  # fmt: skip
    timeout: SomeTime = key("an answer is awaited this long", "1s")
    clients: Clients | None = key("closed loop instead of rate", shown="none")
    bursts: Bursts | None = key("sends at rate only while on", shown="none")
    slow_down: SlowDown | None = key("sends less while a metric is high, or as a token bucket allows", shown="none")
    request_reply: RequestReply | None = key("waits for a reply", shown="none")


# --- consumers -------------------------------------------------------------------------------------------------------


class Poll(Shape):
    """The consumer asks."""

    batch: Positive | None = key("messages a receive, at most", shown="profile")
    wait: Duration | None = key("how long an empty receive waits", shown="profile")
    every: SomeTime | None = key("from the end of an empty receive to the next", shown="at once")
    visibility_timeout: Duration | None = key("the lease of what it receives", shown="the queue's")


class Push(Shape):
    """The broker hands out."""

    prefetch: Prefetch | None = key("messages in the consumer's hands, or unlimited", shown="profile")


class Heartbeat(Shape):
    """Extends the lease while the work lasts."""

    every: SomeTime = needed("first beat this long after the work starts")
    extend_to: Duration | None = key("the new lease, from the beat", shown="visibility_timeout")
    give_up_after: SomeTime | None = key("no beat later than this", shown="profile")


class Remember(Shape):
    remember: Duration | None = key("how long an effect is known", shown="for ever")
    check: Literal["before", "atomic"] = key("before the work, or in one step with the effect", "atomic")


class Failures(Shape):
    """What goes wrong, as shares of attempts."""

    error: Share = key("ends its work in an error", 0)
    crash: Share = key("takes its whole process down", 0)
    crash_at: Literal["working", "after-effect", "before-ack"] = key("where a crash strikes", "working")
    restart_after: Time = key("the process is back", 0)
    on_error: Literal["nack", "reject", "wait-for-timeout"] = key("what an error does with the message", "nack")


class AckBatch(Shape):
    size: Positive = needed("acks a call")
    wait: Duration = key("a call is made at the latest after", 0)


class Redelivery(Shape):
    initial_delay: Duration | None = None
    delay: Duration | None = None
    exponential: bool | None = None
    multiplier: Number | None = None
    max_delay: Duration | None = None
    non_blocking: bool | None = None


class ClientKeys(Shape):
    """What only this broker's clients have."""

    ack_batch: AckBatch | None = key("sqs-*: acks in one call")
    exclusive: bool | None = key("rabbitmq-*, activemq-classic: nobody else is pushed to")
    priority: Count | None = key("rabbitmq-*, activemq-classic: the larger is pushed to first")
    channel: Text | None = key("rabbitmq-*")
    side: Literal["head", "tail"] | None = key("redis-list: tail takes the newest first")
    group: Text | None = key("redis-stream: consumers of one group compete, each group reads everything")
    min_idle: Duration | None = key("redis-stream: claim what another has left alone for so long")
    claim_every: SomeTime | None = key("redis-stream: how often a process claims")
    noack: bool | None = key("redis-stream: nothing is pending, a crash loses what was read")
    ack_mode: Literal["auto", "client", "individual", "transacted"] | None = key("activemq-classic", shown="auto")
    redelivery: Redelivery | None = key("activemq-classic: what the client's library does after an error")
    mode: Literal["peek-lock", "receive-and-delete"] | None = key(
        "azure-service-bus: receive-and-delete is ack: on-receive"
    )
    auto_renew: Duration | None = key("azure-service-bus: renew locks for so long, every half of their time")
    session: bool | None = key("azure-service-bus: accepts sessions, one at a time")


class Emit(Shape):
    """What a consumer makes of a message, and sends on."""

    to: Name = needed("a queue or topic")
    when: Literal["success", "failure"] = key("with the effect, or where the work fails", "success")


class Step(Shape):
    """The highest step whose value is passed is the one that counts."""

    above: Value = needed("passed when the metric is above this")
    add: int = needed("so many processes more, or fewer if negative")


class Autoscale(Shape):
    """The count follows the load; who leaves and is wanted again before it has gone stays."""

    policy: Literal["backlog-per-consumer", "keda", "hpa", "steps"] = needed("how the count is worked out")
    steps: list[Step] | None = key("policy steps: what is added at which value", shown="none")
    metric: Metric | None = key("a reference, or visible, visible+in_flight, ... of its queues", shown="policy")
    target: Value | None = key("of the metric: for each process (hpa: for all together)", shown="policy")
    min: Count | None = key("processes at least", shown="policy")
    max: Positive | None = key("processes at most", shown="policy")
    every: SomeTime | None = key("how often it looks; what is no series, over the last", shown="policy")
    metric_lag: Duration = key("it sees the metric as it was so long ago", 0)
    startup: Time = key("how long a new process is there before it takes work", 0)
    tolerance: Share | None = key("no change while the metric is this near to the target", shown="policy")
    scale_down_after: Duration | None = key(
        "fewer only when the most that was wanted in this time is fewer; steps: back to min when none was passed",
        shown="policy",
    )
    graceful: bool = key("who leaves finishes what it holds first; false: it is killed", True, ours=True)


class Consumer(Shape):
    """Who works."""

    from_: Annotated[Annotated[Name, PLAIN] | Annotated[list[Name], LIST], PlainOrList] = needed(
        "a queue, or several in order of preference", name="from"
    )
    count: Count = key("processes", 1)
    concurrency: Positive = key("messages that a process works on at a time", 1)
    service: Time = needed("what the work on one message takes")
    poll: Poll | None = key("asks for messages", shown="profile")
    push: Push | None = key("is handed messages", shown="profile")
    guarantee: Literal["at-most-once", "at-least-once", "exactly-once"] | None = key(
        "short for ack, dedup and idempotent", shown="at-least-once"
    )
    ack: Literal["after-success", "on-receive"] | None = key("when a message is acked", shown="after-success")
    handler: Text | None = key("module:function, handle(message, store), called for each delivery when its work ends; only with --allow-code", shown="none")
    heartbeat: Heartbeat | None = key("extends the lease while the work lasts", shown="none")
    idempotent: (
        Annotated[Annotated[bool, PLAIN] | Annotated[Remember, MAP], PlainOrMap] | None
    ) = key("does nothing for a message whose effect it knows", shown="false")  # fmt: skip
    failures: Failures | None = key("what goes wrong", shown="none")
    client: ClientKeys | None = key("what only this broker's clients have", shown="profile")
    retry: Retry | None = key("delay before a failed message is visible again", shown="none")
    uses: Annotated[Annotated[Name, PLAIN] | Annotated[list[Name], LIST], PlainOrList] | None = key(
        "dependencies, called one after the other: their time is added, their capacity shared", shown="none"
    )
    emits: list[Emit] | None = key("what it sends on of a message", shown="none")
    autoscale: Autoscale | None = key("the count follows the load", shown="none")


# --- timeline, alerts ------------------------------------------------------------------------------------------------


class CrashEvent(Shape):
    consumer: Name = needed("whose processes die")
    count: Positive = key("the lowest-numbered live ones", 1)


class Slow(Shape):
    """One of: dependency, consumer."""

    dependency: Name | None = key("whose calls take longer")
    consumer: Name | None = key("whose work takes longer")
    by: Number = needed("so many times as long; below 1: quicker")


class RedriveEvent(Shape):
    from_: Name = needed("the dead-letter queue", name="from")
    to: Name = needed("where its messages go")
    rate: Rate | None = key("messages a second", shown="all at once")
    limit: Positive | None = key("messages at most", shown="none")


class Event(Shape):
    """Something planned: exactly one of set, crash, pause, slow, restart, redrive, purge, fix_poison."""

    at: Duration = needed("when")
    for_: SomeTime | None = key("how long", name="for", shown="from then on")
    set: dict[str, Any] | None = key("{path: value}: rate, count, service, failures.*, ...")
    crash: CrashEvent | None = key("processes die")
    pause: Name | None = key("a producer or consumer does nothing for a while")
    slow: Slow | None = key("a dependency or consumer takes longer")
    restart: Name | None = key("the broker of a queue goes away, and comes back after `for` (at once without)")
    redrive: RedriveEvent | None = key("moves messages back")
    purge: Name | None = key("empties a queue")
    fix_poison: FixPoison | None = key("heals poison: true, or in one queue")


class Do(Shape):
    set: dict[str, Any]


class Alert(Shape):
    """A rule that is evaluated during the run."""

    when: Metric = needed("the metric that is watched")
    above: Value | None = key("fires above this")
    below: Value | None = key("fires below this")
    for_: Duration = key("once it has held this long", 0, name="for")
    window: SomeTime = key("counters and percentiles over the last", "1m")
    severity: Literal["info", "warn", "page"] = key("who is told", "warn")
    do: Do | None = key("the operational response")


# --- expect, plots ---------------------------------------------------------------------------------------------------


class InOrder(Shape):
    queue: Name = needed("a queue")
    by: Literal["group", "queue"] = key("order within a group, or in the whole queue", "group")


class Little(Shape):
    queue: Name = needed("a queue")
    within: Share = key("of L = lambda W", "2%", ours=True)


class Expect(Shape):
    """One assertion: a metric with one predicate, or a claim about the whole run."""

    that: Metric | None = key("the metric")
    is_: Value | None = key("exactly", name="is")
    above: Value | None = key("more than")
    below: Value | None = key("less than")
    at_least: Value | None = key("this or more")
    at_most: Value | None = key("this or less")
    between: list[Value] | None = key("[least, most]")
    within: Share | None = key("this near to `of`, or to `grows_at`")
    of: Value | None = key("what `within` is measured from")
    grows_at: Rate | None = key("slope of a series")
    no_message_lost: OnlyTrue | None = key("`lost` is 0 for every queue")
    at_most_once: Name | None = key("no message of the queue has two effects")
    at_least_once: Name | None = key("every message of the queue has an effect or is still there")
    in_order: InOrder | None = key("received in the order in which they were sent")
    little_law: Little | None = key("L = lambda W, from independent counters")
    stable: Name | None = key("no trend in visible after the warm-up")
    otherwise: Text | None = key("said below the explanation when it fails")
    fails_in: list[Text] | None = key("variants (base is the file itself) in which it must fail")


class LeaseBars(Shape):
    queue: Name
    message: Annotated[Any, _read(_plain_value), _schema(["integer", "string"])] = "first-redelivered"


class FigureMap(Shape):
    """x and y, or the lease bars of one message."""

    x: Text | None = key("time, or a swept path", shown="time")
    y: Annotated[Annotated[Metric, PLAIN] | Annotated[list[Metric], LIST], PlainOrList] | None = key("what is drawn")
    timeline: LeaseBars | None = key("the lease bars of one message")


Figure = Annotated[Annotated[Metric, PLAIN] | Annotated[list[Metric], LIST] | Annotated[FigureMap, MAP], AnyKind]
Overrides = dict[str, Any] | None
SweepValues = Annotated[Annotated[Range, PLAIN] | Annotated[list[Any], LIST], PlainOrList]


class Cost(Shape):
    request: Number | None = key("money a call, as the broker bills them (`QUEUE.requests`)", shown="0")
    consumer_hour: Number | None = key("money an hour of one process", shown="0")
    gigabyte: Number | None = key("money a gigabyte (10^9 bytes) of payload sent or received", shown="0")


class Scenario(Shape):
    """A scenario of format 1."""

    qsim: Annotated[int, _read(_format), WithJsonSchema({"const": 1})] = needed("format version, 1")
    name: Annotated[str, _read(_text), _schema("string", "^[a-z0-9-]+$")] = needed("names the output files")
    title: Text = key("shown in reports", "")
    description: Text = key("shown in reports", "")
    tags: list[Text] | None = key("`qsim run --tag` selects by them", shown="none")
    extends: Text | None = key("another file, or a bundled scenario: maps merge, lists replace")
    seed: Count = key("of all luck", 1)
    run: Run = needed("duration, warm-up, replications")
    queues: dict[str, Queue] = needed("broker side")
    topics: dict[str, Topic] | None = key("fan-out", shown="none")
    dependencies: dict[str, Dependency] | None = key("what consumers call", shown="none")
    producers: dict[str, Producer] = needed("arrivals and messages")
    consumers: dict[str, Consumer] | None = key("processing", shown="none")
    timeline: dict[str, Event] | None = key("planned events: faults, fixes, redrives, changes", shown="none")
    cost: Cost | None = key("prices; gives NAME.cost metrics", shown="none")
    alerts: dict[str, Alert] | None = key("rules evaluated during the run", shown="none")
    expect: list[Expect] | None = key("assertions; decide the exit code", shown="none")
    variants: dict[str, Overrides] | None = key("what-if: {name: {path: value}}", shown="none")
    sweep: dict[str, SweepValues] | None = key("what-if: {path: [values]}", shown="none")
    breaks: list[dict[str, Any]] | None = key("overrides that must make an expectation fail", shown="none")
    plots: list[Figure] | None = key("figures of the report", shown="none")


Part.model_rebuild()
