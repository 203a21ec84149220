"""What a scenario of the right shape can still have wrong: names, keys that exclude each other, keys of no broker.

It knows plain documents, so that it can say what is wrong with one part while another has not even the right shape.
What needs numbers stands in ``rules``, what is only advice in ``advice``.  Most of it is tables: a pattern of paths,
and what must hold there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path as FilePath
from typing import Any

from qsim.scenario import advice, control, model, rules, shape, topics
from qsim.scenario.paths import SECTIONS, found, split, value_at
from qsim.scenario.problems import Problem, ScenarioError, did_you_mean
from qsim.scenario.said import Said
from qsim.scenario.source import Document, Path

RESERVED = ("messages", "events", "time", "alerts", "base")


def check(
    document: Document,
    scenario: model.Scenario | None,
    shape_problems: list[Problem],
    folder: FilePath,
    *,
    advise: bool = True,
) -> list[Problem]:
    """Everything but the shape; ``scenario`` is None where that is wrong already."""
    if not isinstance(document.data, dict):
        return []
    said = Said(document)
    for look in (_names, _references, topics.look, _exclusive, _profiles, _later, _settable):
        look(said)
    rest = scenario or shape.repaired(document)
    if rest is not None:
        wrong = {(p.place.source.name, p.place.line) for p in shape_problems}
        said.problems += [
            p for p in _by_rules(document, rest, folder) if (p.place.source.name, p.place.line) not in wrong
        ]
    # Advice calculates with the numbers: not with those that are wrong.
    if (
        advise
        and scenario is not None
        and not any(problem.code in ("Q004", "Q014", "Q016", "Q038") for problem in said.problems)
    ):
        said.problems += advice.check(document, scenario, folder)
    never = {problem.place for problem in said.problems if problem.code == "Q025"}
    return [problem for problem in said.problems if problem.code != "Q040" or problem.place not in never]


def _by_rules(document: Document, scenario: model.Scenario, folder: FilePath) -> list[Problem]:
    return rules.check(document, scenario, folder)


# --- names -----------------------------------------------------------------------------------------------------------

_NAMED = ("queues", "topics", "producers", "consumers", "dependencies", "alerts")
"""What metrics can name: unique over all of them."""


def _names(said: Said) -> None:
    first: dict[str, str] = {}
    for section in (*SECTIONS, "variants"):
        for name in _keys(said.data, section):
            _name(said, section, name, first.get(name))
            if section in _NAMED:
                first.setdefault(name, SECTIONS[section])
    name = said.data.get("name")
    if isinstance(name, str) and not re.fullmatch(r"[a-z0-9-]{1,80}", name):
        said.say("Q017", f"{name[:40]!r} names files: use a-z, 0-9 and -", ("name",))


def _name(said: Said, section: str, name: str, taken: str | None) -> None:
    path = (section, name)
    if len(name) > 80 or not re.fullmatch(model.NAME, name):
        said.say("Q017", f"{name[:40]!r} is not a name: a letter, then letters, digits, _ or -", path, of_key=True)
    elif name in RESERVED and section != "timeline":
        said.say("Q017", f"{name!r} is reserved: choose another name", path, of_key=True)
    elif taken and section in _NAMED:
        said.say("Q017", f"{name!r} is the name of a {taken} already", path, of_key=True)


def _keys(data: Any, section: str) -> list[str]:
    inner = data.get(section)
    return list(inner) if isinstance(inner, dict) else []


# --- references ------------------------------------------------------------------------------------------------------

_QUEUE, _TARGET, _CONSUMER = ("queues",), ("queues", "topics"), ("consumers",)
_REFERENCES: dict[str, tuple[str, ...]] = {
    "queues.*.dlq.queue": _QUEUE,
    "queues.*.broker.dead_letter_to": _QUEUE,
    "queues.*.broker.auto_forward": _TARGET,
    "topics.*.subscriptions.*.queue": _QUEUE,
    "producers.*.to": _TARGET,
    "producers.*.request_reply.reply_to": _QUEUE,
    "consumers.*.from": _QUEUE,
    "consumers.*.from.*": _QUEUE,
    "consumers.*.uses": ("dependencies",),
    "consumers.*.uses.*": ("dependencies",),
    "consumers.*.emits.*.to": _TARGET,
    "timeline.*.crash.consumer": _CONSUMER,
    "timeline.*.pause": ("producers", "consumers"),
    "timeline.*.slow.dependency": ("dependencies",),
    "timeline.*.slow.consumer": _CONSUMER,
    "timeline.*.restart": _QUEUE,
    "timeline.*.redrive.from": _QUEUE,
    "timeline.*.redrive.to": _QUEUE,
    "timeline.*.purge": _QUEUE,
    "timeline.*.fix_poison": _QUEUE,
    "expect.*.at_most_once": _QUEUE,
    "expect.*.at_least_once": _QUEUE,
    "expect.*.stable": _QUEUE,
    "expect.*.in_order.queue": _QUEUE,
    "expect.*.little_law.queue": _QUEUE,
    "plots.*.timeline.queue": _QUEUE,
}


def _references(said: Said) -> None:
    for pattern, sections in _REFERENCES.items():
        names = [name for section in sections for name in _keys(said.data, section)]
        kind = " or ".join(SECTIONS[section] for section in sections)
        for path, name in found(said.data, pattern):
            if isinstance(name, str) and name not in names:
                said.say("Q020", f"no {kind} is called {name[:60]!r}", path, did_you_mean(name, names, "there are"))
    _variants_named(said)
    _priorities_named(said)


def _variants_named(said: Said) -> None:
    names = ["base", *_keys(said.data, "variants")]
    for path, name in found(said.data, "expect.*.fails_in.*"):
        if isinstance(name, str) and name not in names:
            said.say("Q020", f"no variant is called {name[:60]!r}", path, did_you_mean(name, names, "there are"))


def _priorities_named(said: Said) -> None:
    for path, given in found(said.data, "producers.*.message.priority"):
        to = value_at(said.data, (*path[:2], "to"))
        queues = topics.behind(said.data, to)
        if not queues:
            continue
        names = [name for queue in queues for name in _listed(said.data, queue)]
        for name in [given] if isinstance(given, str) else given if isinstance(given, dict) else ():
            if name not in names:
                inner = (*path, name) if isinstance(given, dict) else path
                guess = did_you_mean(name, names, "there are") or f"write queues.{queues[0]}.priorities: [{name[:40]}]"
                message = f"no priority of {to} is called {name[:60]!r}"
                said.say("Q020", message, inner, guess, of_key=isinstance(given, dict))


def _listed(data: Any, queue: str) -> list[str]:
    listed = value_at(data, ("queues", queue, "priorities"))
    return [name for name in listed if isinstance(name, str)] if isinstance(listed, list) else []


# --- keys that exclude each other, or need each other ----------------------------------------------------------------

_BOTH: tuple[tuple[str, str, str, str], ...] = (
    ("consumers.*", "poll", "push", "a consumer either polls or is pushed to, not both"),
    ("producers.*", "rate", "trace", "recorded send times replace rate: not both"),
    *(("producers.*", key, "trace", f"recorded send times replace {key}: not both") for key in ("arrivals", "stages", "bursts")),
    ("producers.*", "rate", "clients", "clients send when they are answered, not at a rate: not both"),
    *(
        ("producers.*", key, "clients", f"clients send when they are answered, and have no {key}: not both")
        for key in ("trace", "arrivals", "stages", "bursts")
    ),
    ("producers.*", "stages", "bursts", "stages and bursts both say when there is traffic: not both"),
    *(
        ("producers.*", key, "slow_down.watch", f"slow_down: {{watch: ...}} changes a rate, and {key} has none: not both")
        for key in ("trace", "clients")
    ),
    ("queues.*", "dlq", "broker.dead_letter_to", "dlq and broker.dead_letter_to both say where messages go"),
    ("queues.*", "retention", "broker.ttl", "retention and broker.ttl are the same"),
    ("consumers.*", "poll", "client.exclusive", "only who is pushed to can be alone"),
    ("consumers.*", "poll", "client.priority", "only who is pushed to has a priority"),
    ("plots.*", "timeline", "y", "a figure has lease bars or curves, not both"),
    *(
        ("timeline.*", action, "for", f"{action} happens at one instant, and has no for")
        for action in ("crash", "redrive", "purge", "fix_poison")
    ),
)

_ACTIONS = ("set", "crash", "pause", "slow", "restart", "redrive", "purge", "fix_poison")
_CLAIMS = ("no_message_lost", "at_most_once", "at_least_once", "in_order", "little_law", "stable")
_PREDICATES = ("is", "above", "below", "at_least", "at_most", "between", "of", "grows_at")
_TIMES = ("exponential", "uniform", "lognormal", "erlang", "pareto", "empirical", "mix")
_ONE_OF: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("timeline.*", _ACTIONS),
    ("producers.*.stages.*", ("hold", "ramp", "jump")),
    ("producers.*.slow_down", ("watch", "token_bucket")),
    ("alerts.*", ("above", "below")),
    ("timeline.*.slow", ("dependency", "consumer")),
)
_NEEDS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("producers.*.stages.*", "ramp", ("to",)),
    ("producers.*.stages.*", "to", ("ramp",)),
    *(("producers.*.slow_down", "watch", (key,)) for key in ("above", "resume_below", "to")),
    *(("producers.*.slow_down", key, ("watch",)) for key in ("above", "resume_below", "to", "check_every")),
    ("queues.*.broker", "reaper", ("reliable",)),
    ("dependencies.*", "queue_limit", ("capacity",)),
    ("expect.*", "of", ("within",)),
    ("expect.*", "within", ("of", "grows_at")),
)


def _exclusive(said: Said) -> None:
    for pattern, one, other, message in _BOTH:
        for path, given in found(said.data, pattern):
            if _has(given, one) and _has(given, other):
                said.say("Q021", message, (*path, *other.split(".")), f"remove {one}: or {other}:", of_key=True)
    for pattern, keys in _ONE_OF:
        for path, given in found(said.data, pattern):
            _one_of(said, path, given, keys)
    for pattern, key, needed in _NEEDS:
        for path, given in found(said.data, pattern):
            if _has(given, key) and not any(_has(given, other) for other in needed):
                said.say("Q016", f"{key}: needs {' or '.join(needed)}: beside it", (*path, key), of_key=True)
    for path, given in found(said.data, "expect.*"):
        _expect(said, path, given)
    for path, given in _time_maps(said.data, ()):
        _one_of(said, path, given, _TIMES)
    for path, given in found(said.data, "producers.*"):
        _sends(said, path, given)


def _has(given: Any, key: str) -> bool:
    return isinstance(given, dict) and value_at(given, tuple(key.split("."))) is not None


def _one_of(said: Said, path: Path, given: Any, keys: tuple[str, ...]) -> None:
    if not isinstance(given, dict):
        return
    there = [key for key in keys if _has(given, key)]
    if not there and set(given) <= set(shape.fields(path)):
        said.say("Q016", f"one of {', '.join(keys)} is required in {shape.dotted(path)}", path, of_key=True)
    for key in there[1:]:
        said.say("Q021", f"{there[0]} and {key} exclude each other", (*path, key), "remove one of them", of_key=True)


def _expect(said: Said, path: Path, given: Any) -> None:
    if not isinstance(given, dict):
        return
    claims = [key for key in _CLAIMS if _has(given, key)]
    if _has(given, "that"):
        for key in claims:
            said.say("Q021", f"{key} is about the whole run: not together with that", (*path, key), of_key=True)
        if not claims and not (_has(given, "within") and not any(_has(given, key) for key in _PREDICATES)):
            _one_of(said, path, given, _PREDICATES)
        return
    for key in _PREDICATES:
        if _has(given, key):
            said.say("Q016", f"{key}: says nothing without that: METRIC", (*path, key), of_key=True)
    if claims or not any(_has(given, key) for key in _PREDICATES):
        _one_of(said, path, given, _CLAIMS)


def _time_maps(data: Any, path: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every map that stands where a time distribution is meant."""
    if isinstance(data, dict) and path and path[0] not in ("variants", "sweep", "breaks"):
        if shape.shape_at(path) is model.TimeMap:
            yield path, data
        for key, inner in data.items():
            if isinstance(inner, dict | list) and key != "set":
                yield from _time_maps(inner, (*path, key))
    elif isinstance(data, dict) and not path:
        for section in ("queues", "producers", "consumers", "dependencies"):
            yield from _time_maps(data.get(section), (section,))
    elif isinstance(data, list):
        for number, inner in enumerate(data):
            if isinstance(inner, dict):
                yield from _time_maps(inner, (*path, number))


def _sends(said: Said, path: Path, producer: Any) -> None:
    if not isinstance(producer, dict):
        return
    by_gaps = isinstance(producer.get("arrivals"), dict)
    for key in ("rate", "stages"):
        if by_gaps and _has(producer, key):
            message = f"an inter-arrival distribution replaces {key}: not both"
            said.say("Q021", message, (*path, key), f"remove {key}: or arrivals:", of_key=True)
    if by_gaps and _has(producer, "slow_down.watch"):
        message = "slow_down: {watch: ...} changes a rate, and an inter-arrival distribution has none: not both"
        said.say("Q021", message, (*path, "slow_down", "watch"), "write token_bucket:, or remove arrivals:", of_key=True)
    if not by_gaps and not any(_has(producer, key) for key in ("rate", "trace", "clients")):
        said.say("Q016", f"'rate' is required in {shape.dotted(path)}", path, of_key=True)


# --- what a profile cannot have --------------------------------------------------------------------------------------

_SEVERAL_QUEUES = "SQS-31: no priorities; ask several queues in order instead"
_CANNOT_QUEUE: tuple[tuple[str, str, str | None], ...] = (
    ("rabbitmq-*", "visibility_timeout", None),
    ("rabbitmq-*", "max_in_flight", None),
    ("rabbitmq-*", "fifo", None),
    ("redis-*", "visibility_timeout", None),
    ("redis-*", "delay", None),
    ("redis-*", "priorities", None),
    ("redis-*", "dlq.max_receives", None),
    ("redis-*", "fifo", "RED-20: deduplication is the application's"),
    ("rabbitmq-classic", "dlq.max_receives", "RMQ-19: a classic queue has no delivery limit, ever"),
    ("sqs-*", "priorities", _SEVERAL_QUEUES),
    ("azure-service-bus", "priorities", None),
    ("azure-service-bus", "max_in_flight", "ASB-5: no limit of what is locked"),
    ("azure-service-bus", "fifo", "ASB-2: use broker: {duplicate_detection: true}"),
    ("activemq-classic", "visibility_timeout", "AMQ-20: no lock timeout: a message is its consumer's until that goes"),
    ("activemq-classic", "max_in_flight", "AMQ-7: the prefetch of each consumer is the limit"),
    ("activemq-classic", "fifo", "AMQ-4: no deduplication of sends"),
    ("sqs-standard", "fifo", "SQS-5: deduplication and call limits are for FIFO queues"),
)
_CANNOT_CONSUMER: tuple[tuple[str, str, str | None], ...] = (
    ("rabbitmq-*", "poll.wait", "RMQ-6: basic.get does not wait; use push:, or poll: {every: 1s}"),
    ("rabbitmq-*", "poll.visibility_timeout", None),
    ("rabbitmq-*", "heartbeat", "RMQ-11: a delivery is held until it is settled: nothing to extend"),
    ("sqs-*", "push", "SQS-31: no server push; use poll:"),
    ("redis-*", "push", "RED-4, RED-7: clients ask, or block; use poll:"),
    ("activemq-classic", "poll", "AMQ-5: pushed; use push:"),
    ("activemq-classic", "heartbeat", "AMQ-20: no lock timeout, nothing to extend"),
    ("activemq-classic", "retry", "AMQ-13: the client redelivers; use client: {redelivery: ...}"),
    ("redis-*", "poll.visibility_timeout", None),
    ("azure-service-bus", "poll.visibility_timeout", "ASB-5: the lock lasts as the queue says"),
    ("azure-service-bus", "heartbeat.extend_to", "ASB-11: a renewal lasts the queue's visibility_timeout"),
    ("azure-service-bus", "retry", "ASB-7: what is abandoned is back at once"),
    ("redis-*", "heartbeat.extend_to", "RED-12: a heartbeat resets how long an entry has been idle"),
    ("redis-list", "heartbeat", "RED-3: nothing to extend; a reaper looks at the time of the pop"),
)
_CANNOT_PRODUCER: tuple[tuple[str, str, str | None], ...] = (
    ("sqs-fifo", "message.delay", "SQS-2: only the queue may delay"),
    ("redis-*", "message.delay", "RED-20: a delay is a sorted set, and a poller of the application"),
    ("redis-*", "message.ttl", "RED-3: nothing in a list or stream has a ttl"),
    ("redis-*", "message.dedup", "RED-20: SET id NX is the application's"),
    ("sqs-*", "message.ttl", "SQS-31: no ttl of a message; the queue has retention:"),
    ("sqs-standard", "message.dedup", "SQS-5: deduplication is for FIFO queues"),
    ("activemq-classic", "message.dedup", "AMQ-4: no deduplication of sends"),
)
_CANNOT_SUBSCRIPTION = tuple(
    (pattern, "delay", why) for pattern, key, why in _CANNOT_PRODUCER if key == "message.delay"
)
_BROKER: dict[str, tuple[str, ...]] = {
    "sqs-fifo": ("dedup_scope", "content_dedup", "throughput_limit"),
    "rabbitmq-*": ("version", "single_active", "ttl", "consumer_timeout", "max_priority", "dead_letter_to"),
    "redis-list": ("reliable", "reaper"),
    "redis-stream": ("maxlen",),
    "activemq-classic": (
        "prioritized", "expire_sweep", "strict_dispatch", "own_dlq", "process_expired", "persistent",
    ),
    "azure-service-bus": ("sessions", "duplicate_detection", "dead_letter_on_expiry", "auto_forward"),
}  # fmt: skip
_CLIENT: dict[str, tuple[str, ...]] = {
    "sqs-*": ("ack_batch",),
    "rabbitmq-*": ("exclusive", "priority", "channel"),
    "redis-list": ("side",),
    "redis-stream": ("group", "min_idle", "claim_every", "noack"),
    "activemq-classic": ("ack_mode", "redelivery", "exclusive", "priority"),
    "azure-service-bus": ("mode", "auto_renew", "session"),
}
_SURVIVES: tuple[tuple[str, str], ...] = (
    ("rabbitmq-quorum", "RMQ-36: always durable"),
    ("sqs-*", "a service keeps what it has accepted"),
    ("azure-service-bus", "ASB-1: accepted is stored"),
)
"""Profiles whose messages survive a restart, always."""
_ORDERS: dict[str, tuple[str, ...]] = {
    "ideal": ("fifo", "lifo", "priority"),
    "sqs-standard": ("best-effort",),
    "sqs-fifo": ("fifo",),
    "rabbitmq-classic": ("fifo", "priority"),
    "rabbitmq-quorum": ("fifo", "priority"),
    "redis-list": ("fifo",),
    "redis-stream": ("fifo",),
    "activemq-classic": ("fifo", "priority"),
    "azure-service-bus": ("fifo",),
}
_MAY_IGNORE_PRIORITIES = ("activemq-classic",)
"""AMQ-23: unless they are enabled."""


def _profiles(said: Said) -> None:
    for path, queue in found(said.data, "queues.*"):
        profile = _profile(said.data, path[1])
        _cannot(said, path, queue, profile, _CANNOT_QUEUE)
        _own_keys(said, (*path, "broker"), profile, _BROKER)
        _order(said, path, queue, profile)
        _durable(said, path, queue, profile)
    for path, consumer in found(said.data, "consumers.*"):
        profile = _profile(said.data, _first(value_at(consumer, ("from",))))
        _cannot(said, path, consumer, profile, _CANNOT_CONSUMER)
        _own_keys(said, (*path, "client"), profile, _CLIENT)
    for path, producer in found(said.data, "producers.*"):
        for profile in _profiles_behind(said.data, value_at(producer, ("to",))):
            _cannot(said, path, producer, profile, _CANNOT_PRODUCER)
    for path, given in found(said.data, "topics.*.subscriptions.*"):
        _cannot(said, path, given, _profile(said.data, value_at(given, ("queue",))), _CANNOT_SUBSCRIPTION)


def _profiles_behind(data: Any, to: Any) -> dict[str | None, None]:
    return dict.fromkeys(_profile(data, queue) for queue in topics.behind(data, to))


def _durable(said: Said, path: Path, queue: Any, profile: str | None) -> None:
    durability = value_at(queue, ("durability",))
    for pattern, why in _SURVIVES:
        if durability not in (None, "durable") and fnmatchcase(profile or "", pattern):
            said.say("Q025", f"profile {profile} is always durable", (*path, "durability"), why, of_key=True)


def _first(given: Any) -> Any:
    return given[0] if isinstance(given, list) and given else given


def _profile(data: Any, queue: Any) -> str | None:
    """The profile of a queue; None where there is no such queue, or no such profile."""
    if not isinstance(queue, str) or queue not in _keys(data, "queues"):
        return None
    name = value_at(data, ("queues", queue, "profile"))
    return "ideal" if name is None else name if isinstance(name, str) else None


def _cannot(
    said: Said, path: Path, given: Any, profile: str | None, table: tuple[tuple[str, str, str | None], ...]
) -> None:
    for pattern, key, why in table:
        if profile and fnmatchcase(profile, pattern) and _has(given, key):
            said.say("Q025", f"profile {profile} cannot have {key!r}", (*path, *key.split(".")), why, of_key=True)


def can_have(profile: str, key: str) -> bool:
    """Whether a queue under this profile may have this key."""
    return not any(key == cannot and fnmatchcase(profile, pattern) for pattern, cannot, _ in _CANNOT_QUEUE)


def _own_keys(said: Said, path: Path, profile: str | None, table: dict[str, tuple[str, ...]]) -> None:
    given = value_at(said.data, path)
    if not isinstance(given, dict) or profile is None:
        return
    allowed = [key for pattern, keys in table.items() if fnmatchcase(profile, pattern) for key in keys]
    everywhere = {key for keys in table.values() for key in keys}
    for key in given:
        if key in everywhere and key not in allowed:
            guess = f"it has {path[-1]}: {', '.join(allowed)}" if allowed else f"it has no {path[-1]}: keys"
            said.say("Q025", f"profile {profile} cannot have '{path[-1]}.{key}'", (*path, key), guess, of_key=True)


def _order(said: Said, path: Path, queue: Any, profile: str | None) -> None:
    order = value_at(queue, ("order",))
    allowed = _ORDERS.get(profile or "", ())
    if isinstance(order, str) and allowed and order in ("fifo", "best-effort", "lifo", "priority"):
        if order not in allowed:
            said.say("Q025", f"profile {profile} cannot have order {order}", (*path, "order"),
                     f"it has: {', '.join(allowed)}")  # fmt: skip
        elif order == "priority" and not _has(queue, "priorities"):
            said.say("Q016", "order: priority needs priorities: [first, second]", (*path, "order"))
        elif order != "priority" and _has(queue, "priorities") and profile not in _MAY_IGNORE_PRIORITIES:
            said.say("Q021", f"order {order} ignores priorities", (*path, "order"), "write order: priority")


# --- what a later release brings -------------------------------------------------------------------------------------

SUPPORTED = (
    "ideal", "sqs-standard", "sqs-fifo", "rabbitmq-classic", "rabbitmq-quorum", "redis-list", "redis-stream",
    "activemq-classic", "azure-service-bus",
)  # fmt: skip


def _given(value: Any) -> bool:
    return value is not None


def _later_keys(table: dict[str, tuple[str, ...]]) -> list[str]:
    """Those that no supported profile has."""
    known = {key for pattern, keys in table.items() if any(fnmatchcase(name, pattern) for name in SUPPORTED) for key in keys}
    return sorted({key for keys in table.values() for key in keys} - known)


_LATER: dict[str, Callable[[Any], bool]] = {
    "queues.*.profile": lambda value: value in model.PROFILE_NAMES and value not in SUPPORTED,
    **{f"queues.*.broker.{key}": _given for key in _later_keys(_BROKER)},
    "queues.*.broker.own_dlq": _given,
    **{f"consumers.*.client.{key}": _given for key in _later_keys(_CLIENT)},
    "consumers.*.client.channel": _given,
}


def _later(said: Said) -> None:
    for pattern, needs_later in _LATER.items():
        for path, value in found(said.data, pattern):
            if needs_later(value):
                what = f"profile {value}" if path[-1] == "profile" else shape.dotted(path)
                said.say("Q040", f"{what} is not supported yet", path, of_key=path[-1] != "profile")


# --- what is set during a run ----------------------------------------------------------------------------------------------------


def _settable(said: Said) -> None:
    for pattern in control.SETS:
        for where, entries in found(said.data, pattern):
            for text in entries if isinstance(entries, dict) else ():
                _set(said, (*where, text), text)


def _set(said: Said, where: Path, text: str) -> None:
    try:
        path = split(text, said.document.place(where, of_key=True))
    except ScenarioError as error:
        said.problems += error.problems
        return
    what = control.settable(path)
    if what is None:
        keys = ", ".join(key for keys in control.SETTABLE.values() for key in keys)
        said.say("Q026", f"{text[:60]!r} cannot be set during a run", where, f"settable: {keys}", of_key=True)
    elif what == "prefetch" and not _has(value_at(said.data, path[:2]), "push"):
        said.say("Q026", f"{path[1]} is not pushed to: it has no prefetch to set", where, of_key=True)
    elif what == "count" and _has(value_at(said.data, path[:2]), "autoscale"):
        said.say("Q026", f"the count of {path[1]} is its autoscaler's to set", where, of_key=True)
