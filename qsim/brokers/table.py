"""The brokers side by side: what each profile means, in words, and the rule behind it.

It knows words, no values: those stand in the profiles.  A capability is a row: the fields of a profile that it is
about, and a function that says them.  ``BESIDE`` has the few things that are no profile's value, for a queue may be
given them (sessions) or the application does them (a dead-letter queue on Redis); each cites its rule too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, fields, is_dataclass
from enum import IntEnum
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from qsim.brokers.activemq import REDELIVERY
from qsim.brokers.cite import PROFILES, RULES, VERSIONS
from qsim.brokers.servicebus import DETECTION_WINDOW
from qsim.kernel.profile import Dispatch, Grouping, OnCrash, Order, Profile, ReturnsTo, Stale
from qsim.units import SECOND, write_duration, write_size


class Cite(NamedTuple):
    """A value of a profile, where it comes from, and what is said there."""

    field: str
    value: Any
    rule: str
    source: str


class Cell(NamedTuple):
    """What one profile does about one capability."""

    words: str
    cites: tuple[Cite, ...]


class Row(NamedTuple):
    """A capability: ``of`` the fields, ``say`` them."""

    name: str
    of: tuple[str, ...]
    say: Callable[[Profile], str]


Table = dict[str, dict[str, Cell]]


# --- words for values ---------------------------------------------------------------------------------------------------

WORDS: dict[type[IntEnum], dict[int, str]] = {
    Order: {
        Order.FIFO: "first in, first out",
        Order.BEST_EFFORT: "best effort, by send time",
        Order.LIFO: "last in, first out",
        Order.PRIORITY: "by priority, then first in, first out",
        Order.ENDS: "a list with two ends",
    },
    Grouping: {
        Grouping.NONE: "none",
        Grouping.BLOCKS: "a group with a message in flight is skipped",
        Grouping.STICKY: "a group sticks to one consumer, and does not block",
        Grouping.SESSIONS: "a group is locked by the one receiver that has accepted it",
    },
    Dispatch: {
        Dispatch.LONGEST_WAITING: "who waits longest",
        Dispatch.ROUND_ROBIN: "round robin",
        Dispatch.FILL: "the first until it is full",
    },
    ReturnsTo: {ReturnsTo.PLACE: "its place", ReturnsTo.HEAD: "the head", ReturnsTo.TAIL: "the tail"},
    Stale: {
        Stale.DELETES: "deletes it all the same",
        Stale.IGNORED: "does nothing, and says nothing",
        Stale.ERROR: "is an error",
        Stale.CLOSES_CHANNEL: "closes the channel, and all that it held returns",
    },
    OnCrash: {
        OnCrash.KEEPS: "nothing, until the lease is over",
        OnCrash.RETURNS: "back at once",
        OnCrash.LOSES: "lost",
        OnCrash.ORPHANS: "nothing, until the lock is over; on another link it cannot be settled",
    },
}
"""What members of the kernel's choices are called."""

_BY_APPLICATION = "the application's own work"

BESIDE: dict[str, tuple[tuple[str, str, str], ...]] = {
    "heartbeat": (
        ("rabbitmq-*", "none, and none needed", "RMQ-11: a delivery is held until it is settled or its channel ends"),
        (
            "redis-stream",
            "a claim that does not count (JUSTID): idle 0 again",
            "RED-12: XCLAIM 0 id JUSTID by the owner",
        ),
    ),
    "deliveries": (
        ("redis-*", "endless: nobody acts on a count", "RED-13: a dead-letter queue is the application's"),
        (
            "activemq-classic",
            f"{(REDELIVERY.most or 0) + 1}: one, and {REDELIVERY.most} redeliveries {write_duration(REDELIVERY.delay)} apart",
            "AMQ-13: maximumRedeliveries 6; AMQ-16: one more delivery than that",
        ),
    ),
    "dead-letters": (("redis-*", _BY_APPLICATION, "RED-13: read the count, add elsewhere, ack"),),
    "delay": (
        ("rabbitmq-*", "none (a ttl queue that dead-letters, or a plugin)", "RMQ-4: no delay of a message in the core"),
        ("redis-*", f"{_BY_APPLICATION}: a sorted set", "RED-20: ZADD by due time, and a poller"),
    ),
    "priority": (
        ("ideal", "any named levels", "ours: the first listed is received first"),
        ("sqs-*", "none: several queues", "SQS-31: no priority"),
        ("rabbitmq-classic", "opt-in: 0 to 255, the larger first", "RMQ-30: x-max-priority; 0 is what none is"),
        (
            "rabbitmq-quorum",
            "opt-in: 0 to 31, the larger first; in 3.10 none",
            "RMQ-31: strict since 4.3; 4 is what none is",
        ),
        ("redis-*", "none: several keys", "RED-4: keys are looked at in the order given"),
        ("activemq-classic", "opt-in: 0 to 9, the larger first", "AMQ-23: prioritizedMessages; 4 is what none is"),
        ("azure-service-bus", "none", "ASB-4: no priority"),
    ),
    "groups": (
        ("rabbitmq-*", "none", "RMQ-37: a single active consumer, or a hash exchange"),
        ("azure-service-bus", "opt-in: a session is locked by one receiver", "ASB-20: RequiresSession"),
    ),
    "dedup": (
        (
            "azure-service-bus",
            f"opt-in: an id is remembered for {write_duration(DETECTION_WINDOW)}",
            "ASB-2: DuplicateDetectionHistoryTimeWindow, 20 s to 7 d",
        ),
    ),
}
"""{capability: (profiles, words, rule), ...}: what no value of a profile says; it comes before what the row would say."""


# --- what each row says -------------------------------------------------------------------------------------------------


def _word(value: IntEnum) -> str:
    return WORDS[type(value)][value]


def _joined(*parts: str | None, by: str = "; ") -> str:
    return by.join(part for part in parts if part)


def _takes(p: Profile) -> str:
    ways = [_pull(p) if p.pull else None, _push(p) if p.push else None]
    return _joined(*(reversed(ways) if p.pushes else ways), by=", or ")


def _pull(p: Profile) -> str:
    most = f"1 to {p.max_batch} a call" if p.max_batch else f"{p.poll_batch} a call"
    longest = p.default_wait if p.max_wait is None else p.max_wait
    wait = "waits for ever" if longest is None else "does not wait" if longest == 0 else f"waits {_time(longest)}"
    return f"pull: {most}, {wait}"


def _push(p: Profile) -> str:
    if p.prefetch == 0:
        return "push: prefetch unlimited" if p.pushes else "push"
    return f"push: prefetch {p.prefetch:,}" + (" at most" if p.max_prefetch else "")


def _order(p: Profile) -> str:
    if p.grouping is Grouping.BLOCKS:
        return f"{_word(p.order)}, strictly in a group"
    by = "entry id" if p.is_log else "sequence number" if p.numbers_messages else None
    return f"{_word(p.order)}, by {by}" if by else _word(p.order)


def _in_flight(p: Profile) -> str:
    if p.min_idle is not None:
        return f"pending without end; others may claim it after {_time(p.min_idle)} idle"
    if p.visibility_timeout is None:
        is_gone = p.on_crash is OnCrash.LOSES
        return f"none: a pop takes it away ({_RELIABLE})" if is_gone else "until it is acked, or the consumer is gone"
    most = p.longest_lease or p.max_visibility
    lease = f"a lease of {_time(p.visibility_timeout)}" + (f", at most {_time(most)}" if most else "")
    return lease + (", whose end closes the channel" if p.lease_closes_channel else "")


_RELIABLE = "opt-in: a processing list"


def _heartbeat(p: Profile) -> str:
    if p.visibility_timeout is None:
        return "none" if p.on_crash is OnCrash.LOSES else "not needed"
    if p.fixed_lease:
        return "renews the whole lock from now, without bound"
    cap = f", at most {_time(p.max_visibility)} since the receive" if p.max_visibility else ""
    return f"a new timeout from now{cap}"


def _stale(p: Profile) -> str:
    expired, again = map(_word, p.stale_ack)
    return expired if expired == again else f"{expired}; once received again it {again}"


def _returns(p: Profile) -> str:
    where = _word(p.returns_to)
    if p.client_redelivers:
        return f"its own consumer, which waits meanwhile; from one that goes: {where}"
    if p.min_idle is not None:
        return "who claims it, the oldest first"
    by = None if p.can_nack else "no nack; where the reaper says"
    back = None if p.tail_from is None else f"from its receive {p.tail_from} on the back"
    return _joined(by or _limited(p) or where, back)


def _limited(p: Profile) -> str | None:
    """Where it depends on whether deliveries are limited, and a crash may differ."""
    if p.returns_to_if_limited is None or p.returns_to_after_crash is None:
        return None
    limited, plain = _word(p.returns_to_if_limited), _word(p.returns_to)
    if p.max_deliveries is None:
        return f"{plain} (with a delivery limit, or after a crash: {limited})"
    return f"{limited} (without a delivery limit: {plain}; after a crash: {_word(p.returns_to_after_crash)})"


def _deliveries(p: Profile) -> str:
    if p.max_deliveries is not None:
        return f"{p.max_deliveries}"
    if p.returns_to_if_limited is not None:
        return "endless, unless a limit is set"
    return "endless" if "max_deliveries" in RULES[p.name] else "as many as its dlq says (max_receives)"


def _dead_letters(p: Profile) -> str:
    late = "lazily: at the receive that would be one too many"
    eager = f"at once: {'at the rollback that is too many' if p.client_redelivers else 'when the last delivery ends'}"
    return _joined(late if p.dead_letters_lazily else eager, "what expires, too" if p.ttl_dead_letters else None)


def _delay(p: Profile) -> str:
    most = "any" if p.max_delay is None else f"0 to {_time(p.max_delay)}"
    whose = None if p.message_delay else "of the queue only"
    return _joined(most, whose, "then to the tail" if p.schedules else None, by=", ")


def _dedup(p: Profile) -> str:
    if p.dedup_window == 0:
        return "none"
    window = "ever" if p.dedup_window is None else _time(p.dedup_window)
    return f"an id is remembered for {window}"


def _bound(p: Profile) -> str:
    if p.max_in_flight is None:
        return _joined("none by itself", "a limit counts ready messages only" if p.limit.counts_ready_only else None)
    then = "then an error" if p.in_flight_is_error else "then nothing more"
    return f"{p.max_in_flight:,} in flight, {then}"


def _batch(p: Profile) -> str:
    if p.max_batch is None:
        return "no limit of a call"
    together = f", {write_size(p.max_batch_size)} together" if p.max_batch_size else ""
    return f"at most {p.max_batch} a call{together}"


def _crash(p: Profile) -> str:
    return "stays pending under its name" if p.min_idle is not None else _word(p.on_crash)


def _retention(p: Profile) -> str:
    if p.retention is None:
        return _joined("for ever", _noticed(p))
    span = f" ({_time(p.min_retention)} to {_time(p.max_retention)})" if p.min_retention and p.max_retention else ""
    return f"{_time(p.retention)}{span}" + (", also in flight" if p.expires_in_flight else "")


def _noticed(p: Profile) -> str | None:
    if p.expire_sweep is not None:
        return f"a ttl is noticed by a sweep every {_time(p.expire_sweep)}"
    if p.expires_at_head:
        return "a ttl is noticed at the head only"
    return "a ttl is noticed by a receive" if p.expires_lazily else None


def _restart(p: Profile) -> str:
    if not p.is_durable:
        return "everything is lost"
    return "keeps everything" if p.fsync_every is None else f"loses what came since the last fsync, {_time(p.fsync_every)} at most"


def _size(p: Profile) -> str:
    return "no limit" if p.max_size is None else write_size(p.max_size)


def _throughput(p: Profile) -> str:
    if p.throttle is None:
        return "no limit"
    calls = ", ".join(f"{most} {kind}s" for kind, most in asdict(p.throttle).items() if most is not None)
    return f"{calls} a second"


_time = write_duration

ROWS: tuple[Row, ...] = (
    Row("takes", ("pull", "push", "pushes", "poll_batch", "max_wait", "default_wait", "prefetch", "max_prefetch", "dispatch", "extends_window"), _takes),
    Row("order", ("order", "levels", "is_log", "numbers_messages"), _order),
    Row("in flight", ("visibility_timeout", "max_visibility", "longest_lease", "min_idle", "lease_closes_channel"), _in_flight),
    Row("heartbeat", ("fixed_lease", "strict_extend"), _heartbeat),
    Row("stale ack", ("stale_ack",), _stale),
    Row(
        "returned to",
        ("returns_to", "returns_to_if_limited", "returns_to_after_crash", "returns_before_levels", "tail_from",
         "nack_stays_leased", "can_nack", "client_redelivers"),
        _returns,
    ),
    Row("deliveries", ("max_deliveries", "counts_only_failures", "counts_across_queues"), _deliveries),
    Row("dead-letters", ("dead_letters_lazily", "ttl_dead_letters", "dead_letters_transient", "remembers_deaths"), _dead_letters),
    Row("crash", ("on_crash",), _crash),
    Row("restart", ("is_durable", "fsync_every"), _restart),
    Row("delay", ("delay", "max_delay", "message_delay", "schedules"), _delay),
    Row("priority", (), lambda p: "none"),
    Row("groups", ("grouping", "needs_group", "look_ahead"), lambda p: _word(p.grouping)),
    Row("dedup", ("dedup_window",), _dedup),
    Row(
        "retention",
        ("retention", "min_retention", "max_retention", "retention_restarts", "expires_in_flight", "expires_lazily", "expire_sweep",
         "expires_at_head"),
        _retention,
    ),
    Row("bound", ("max_in_flight", "in_flight_is_error", "limit", "drops_most_urgent"), _bound),
    Row("batch", ("max_batch", "max_batch_size"), _batch),
    Row("message size", ("max_size",), _size),
    Row("throughput", ("throttle", "redrive_rate"), _throughput),
)  # fmt: skip
"""The capabilities, in the order in which they are shown."""


# --- the table ----------------------------------------------------------------------------------------------------------


_ORDER = ("ideal", "sqs", "rabbitmq", "redis", "activemq", "azure")


def names() -> list[str]:
    """The profiles, brokers in the order of the format."""
    return sorted(PROFILES, key=lambda name: _ORDER.index(name.split("-")[0]))


def versions(name: str) -> list[str]:
    """Older versions of a profile, as they are asked for: rabbitmq-quorum@3.10."""
    return [f"{name}@{version}" for version in VERSIONS.get(name, ())]


def profile_of(name: str) -> Profile:
    """A profile, or an older version of it; KeyError if there is none."""
    base, _, version = name.partition("@")
    return VERSIONS[base][version] if version else PROFILES[base]


def table(*chosen: str) -> Table:
    """{capability: {profile: cell}} of these profiles, or of all."""
    profiles = {name: profile_of(name) for name in chosen or names()}
    return {row.name: {name: _cell(row, p) for name, p in profiles.items()} for row in ROWS}


def _cell(row: Row, p: Profile) -> Cell:
    cites = tuple(cite(p, field) for field in row.of if field in RULES[p.name])
    for profiles, words, rule in BESIDE.get(row.name, ()):
        if fnmatchcase(p.name, profiles):
            return Cell(words, (*cites, Cite("", None, *_split(rule))))
    return Cell(row.say(p), cites)


def cite(p: Profile, field: str) -> Cite:
    return Cite(field, getattr(p, field), *_split(RULES[p.name][field]))


def _split(rule: str) -> tuple[str, str]:
    """ "SQS-10: 30 s from …" is the rule, and what it says."""
    number, _, source = rule.partition(": ")
    return number, source


def others(name: str) -> Iterator[Cite]:
    """Values of the profile that no row is about."""
    shown = {field for row in ROWS for field in row.of}
    p = profile_of(name)
    return (cite(p, field) for field in RULES[p.name] if field not in shown)


def differing(one: str, other: str) -> Table:
    """The rows in which two profiles differ, in words."""
    return {name: cells for name, cells in table(one, other).items() if cells[one].words != cells[other].words}


# --- one value ----------------------------------------------------------------------------------------------------------

_TIMES = frozenset(field.name for field in fields(Profile) if "Nanos" in str(field.type))


def say(field: str, value: Any) -> str:
    """A field's value in words."""
    if isinstance(value, IntEnum):
        return _word(value)
    if isinstance(value, tuple):
        return "; then ".join(dict.fromkeys(say(field, part) for part in value))
    return "none" if value is None else _say_plain(field, value)


def _say_plain(field: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if is_dataclass(value):
        return ", ".join(f"{key} {part}" for key, part in plain(field, value).items() if part)
    if isinstance(value, int):
        return _time(value) if field in _TIMES else write_size(value) if field.endswith("size") else f"{value:,}"
    return str(value)


def plain(field: str, value: Any) -> Any:
    """The value for machines: times in seconds, choices by their name."""
    if isinstance(value, IntEnum):
        return value.name.lower().replace("_", "-")
    if isinstance(value, tuple):
        return [plain(field, part) for part in value]
    if is_dataclass(value):
        return {part.name: plain(part.name, getattr(value, part.name)) for part in fields(value)}
    return value / SECOND if field in _TIMES and value is not None else value
