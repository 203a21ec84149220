"""The scenario with nothing hidden: every default written out, each with where it comes from.

It knows how a scenario is written.  What it prints is a scenario again: it runs, and gives the same Plan.  A default
that follows another key (a producer stops when the run ends) is a comment, so that it goes on following it; a variant
takes away what was filled in from the profile, so that it means what it meant before.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from fractions import Fraction
from typing import Any

from qsim.brokers import RULES, VERSIONS
from qsim.kernel.profile import Profile
from qsim.scenario import autoscalers, meaning, model, resolve, shape
from qsim.scenario.load import Loaded
from qsim.scenario.paths import overlay, value_at
from qsim.scenario.problems import did_you_mean
from qsim.scenario.source import Path
from qsim.scenario.source import resolve as read_scalar
from qsim.scenario.whatif import overrides
from qsim.units import write_duration, write_rate, write_share

_ROOMY = ("queues", "topics", "producers", "consumers")
WIDTH = 52
"""Where comments begin, if the line leaves room."""
LONGEST = 100
"""Of a line that has several keys: about what a cell of a notebook shows."""


def show(loaded: Loaded) -> str:
    """A scenario file: the resolved scenario, defaults and their origins, its variants."""
    filled = _Filled(loaded)
    chosen = loaded.plan.variant
    head = [f"# {loaded.plan.name}" + (f", variant {chosen}" if chosen != "base" else "") + ", every default filled in"]
    return "\n".join([*head, *_lines(filled.data, filled, (), 0)]) + "\n"


def written(loaded: Loaded, parts: tuple[str, ...]) -> str:
    """Only what was written, what was changed since included; of all parts, or of some ("queues").  LookupError for a part
    that is not there."""
    there = loaded.document
    for part in parts:
        if part not in there:
            raise LookupError(f"the scenario has no part {part!r}; {did_you_mean(str(part), list(there), 'it has')}")
    return "\n".join(_lines({part: there[part] for part in parts or there}, _Remarks(), (), 0)).strip("\n")


class _Remarks:
    """What stands beside the keys (``comments``) and below them (``notes``), by path."""

    def __init__(self) -> None:
        self.comments: dict[Path, str] = {}
        self.notes: dict[Path, list[str]] = {}


class _Filled(_Remarks):
    """A document on its way to being complete; ``follows`` are the paths that a variant resets."""

    def __init__(self, loaded: Loaded) -> None:
        super().__init__()
        self.loaded = loaded
        self.data: dict[str, Any] = deepcopy(loaded.document)
        self.follows: dict[Path, tuple[str, ...]] = {}
        self.profiles = {name: resolve.profile_of(queue) for name, queue in loaded.model.queues.items()}
        self._fill()

    def _fill(self) -> None:
        for name, queue in self.loaded.model.queues.items():
            self._queue(("queues", name), queue)
        for name, consumer in (self.loaded.model.consumers or {}).items():
            self._consumer(("consumers", name), consumer)
        for name, producer in self.loaded.model.producers.items():
            self._producer(("producers", name), producer)
        self._format(self.loaded.model, self.data, ())
        self._without_arrivals()
        self._what_ifs()

    def put(self, path: Path, value: Any, origin: str, *after: str) -> None:
        """A default that stands nowhere in the file; it follows the keys ``after``."""
        inside = value_at(self.data, path[:-1])
        if isinstance(inside, dict) and inside.get(path[-1]) is None and value is not None:
            inside[path[-1]] = value
            self.comments[path] = origin
            self.follows[path] = after

    def note(self, path: Path, text: str) -> None:
        self.notes.setdefault(path, []).append(text)

    def origin(self, profile: Profile, field: str) -> str:
        rule = RULES.get(profile.name, {}).get(field)
        if rule is None:
            return f"profile {profile.name}"
        name = rule.partition(": ")[0]
        return "ours" if name == "ours" else f"profile {profile.name}, {name}"

    # --- the profile's defaults

    def _queue(self, path: Path, queue: model.Queue) -> None:
        profile = self.profiles[str(path[1])]
        self.put((*path, "profile"), "ideal", "format default")
        for key, field, write, *after in _QUEUE:
            is_said = key == "retention" and value_at(self.data, (*path, "broker", "ttl")) is not None
            if meaning.can_have(profile.name, key) and not is_said:
                self.put((*path, key), write(getattr(profile, field)), self.origin(profile, field), *after)
        written = {"fsync_every": _time(profile.fsync_every)} if profile.fsync_every else None
        origin = self.origin(profile, "fsync_every" if written else "is_durable")
        self.put((*path, "durability"), written or ("durable" if profile.is_durable else "transient"), origin, "profile", "broker")
        if profile.numbers_messages:
            self._service_bus(path, profile)
        elif profile.needs_group:
            self._fifo(path, profile)
        if profile.name in VERSIONS:
            self._rabbitmq(path, profile)
        if profile.dedup_window is None:
            self.note(path, f"deduplication ids are remembered for ever   {self.origin(profile, 'dedup_window')}")

    def _service_bus(self, path: Path, profile: Profile) -> None:
        self.put((*path, "broker"), {}, "", "profile")
        for key, rule in (("sessions", "ASB-20"), ("duplicate_detection", "ASB-2"), ("dead_letter_on_expiry", "ASB-16")):
            self.put((*path, "broker", key), False, f"profile {profile.name}, {rule}", "profile")

    def _rabbitmq(self, path: Path, profile: Profile) -> None:
        """The broker's own keys, and its own number of what ``max_receives`` says."""
        self.put((*path, "broker"), {}, "", "profile")
        self.put((*path, "broker", "version"), "4.x", f"profile {profile.name}", "profile")
        timeout = _time(profile.visibility_timeout)
        self.put((*path, "broker", "consumer_timeout"), timeout, self.origin(profile, "visibility_timeout"), *_VERSION)
        if profile.max_deliveries is not None:
            limit = profile.max_deliveries
            if profile.dlq is not None and value_at(self.data, (*path, "dlq")) is not None:
                self.put((*path, "dlq", "max_receives"), limit, self.origin(profile, "max_deliveries"), *_VERSION)
                limit = profile.dlq.max_receives or limit
            self.note(path, f"x-delivery-limit: {limit - 1}   {self.origin(profile, 'max_deliveries')}")

    def _fifo(self, path: Path, profile: Profile) -> None:
        for section in ("fifo", "broker"):
            self.put((*path, section), {}, "", "profile")
        throttle = profile.throttle
        self.put((*path, "fifo", "dedup_window"), _time(profile.dedup_window), self.origin(profile, "dedup_window"))
        for key, call in (("send_limit", "send"), ("receive_limit", "receive")):
            limit: int | None = getattr(throttle, call, None)
            rate = None if limit is None else write_rate(Fraction(limit))
            self.put((*path, "fifo", key), rate, self.origin(profile, "throttle"), "profile")
        self.put((*path, "broker", "dedup_scope"), "queue", f"profile {profile.name}, SQS-7", "profile")
        self.put((*path, "broker", "content_dedup"), False, f"profile {profile.name}, SQS-5", "profile")
        self.put((*path, "broker", "throughput_limit"), "per-queue", f"profile {profile.name}, SQS-7", "profile")

    def _consumer(self, path: Path, consumer: model.Consumer) -> None:
        first = resolve.sources(consumer)[0]
        profile = self.profiles[first]
        given = value_at(self.data, path)
        if resolve.pushed(consumer, profile) is None:
            self._poll(path, consumer, profile)
        else:
            self.put((*path, "push"), {}, "", *_READS)
            prefetch = profile.prefetch or "unlimited"
            self.put((*path, "push", "prefetch"), prefetch, self.origin(profile, "prefetch"), *_READS)
        if profile.client_redelivers:
            self._session(path, consumer, profile)
        self._guarantee(path, consumer, given)
        if consumer.heartbeat:
            self._heartbeat(path, consumer.heartbeat, profile)
        if consumer.autoscale:
            for key, default in autoscalers.DEFAULTS[consumer.autoscale.policy].items():
                self.put((*path, "autoscale", key), _setting(key, default.value), default.source, "autoscale")
        if (recovery := resolve.recovery(consumer, profile)) is not None:
            self.put((*path, "client"), {}, "", *_READS)
            self.put((*path, "client", "min_idle"), _time(recovery.min_idle), self.origin(profile, "min_idle"), *_READS)
            self.put((*path, "client", "claim_every"), _time(recovery.every), "min_idle, ours", *_READS)

    def _session(self, path: Path, consumer: model.Consumer, profile: Profile) -> None:
        """What the client's library does unless it is told otherwise."""
        policy = resolve.redelivery(resolve.client(consumer).redelivery, profile)
        own = (*path, "client", "redelivery")
        self.put((*path, "client"), {}, "", *_READS)
        self.put((*path, "client", "ack_mode"), "auto", f"profile {profile.name}, AMQ-11", *_READS)
        self.put(own, {}, "", *_READS)
        for key, value in (("initial_delay", policy.initial_delay), ("delay", policy.delay)):
            self.put((*own, key), _time(value), f"profile {profile.name}, AMQ-13", *_READS)
        is_ours = profile.dlq is not None and profile.dlq.max_receives is not None
        self.note(own, f"maximumRedeliveries: {policy.most}   {'dlq.max_receives - 1' if is_ours else 'AMQ-13'}")

    def _poll(self, path: Path, consumer: model.Consumer, profile: Profile) -> None:
        poll = resolve.poll(consumer.poll or model.Poll(), profile, len(resolve.sources(consumer)))
        if consumer.poll is None:
            self.put((*path, "poll"), {}, "", *_READS)
        self.put((*path, "poll", "batch"), poll.batch, self.origin(profile, "poll_batch"), *_READS)
        self.put((*path, "poll", "wait"), _time(poll.wait), self.origin(profile, "default_wait"), *_READS)
        self.put((*path, "poll", "every"), _time(poll.every), "format default", *_READS)
        if poll.wait is None:
            self.note((*path, "poll"), f"wait: for ever   {self.origin(profile, 'default_wait')}")

    def _guarantee(self, path: Path, consumer: model.Consumer, given: dict[str, Any]) -> None:
        given.pop("guarantee", None)
        origin = f"guarantee {consumer.guarantee}" if consumer.guarantee else "format default"
        self.put((*path, "ack"), resolve.ack(consumer), origin, "guarantee")
        check, _ = resolve.idempotence(consumer)
        self.put((*path, "idempotent"), bool(check), origin, "guarantee")

    def _heartbeat(self, path: Path, given: model.Heartbeat, profile: Profile) -> None:
        if given.extend_to is None and profile.min_idle is None:
            self.note((*path, "heartbeat"), "extend_to: the visibility_timeout   format default")
        if given.give_up_after is None and profile.max_visibility is not None:
            text = f"give_up_after: {write_duration(profile.max_visibility)}"
            self.note((*path, "heartbeat"), f"{text}   {self.origin(profile, 'max_visibility')}")

    def _producer(self, path: Path, producer: model.Producer) -> None:
        value_at(self.data, path).setdefault("message", {})
        if producer.to in self.profiles:
            profile, promised = self.profiles[producer.to], producer.to in resolve.exactly_once(self.loaded.model)
            keys = resolve.dedup_keys(producer.message or model.Message(), resolve.has_ids(profile, promised))
            origin = "guarantee exactly-once" if promised else f"profile {profile.name}, SQS-5"
            put = "identity" if keys == 0 else None
            self.put((*path, "message", "dedup"), put, origin, "to", "profile", "guarantee")
        if producer.stop is None:
            self.note(path, f"stop: {write_duration(self.loaded.plan.duration)}   when the run ends")

    def _without_arrivals(self) -> None:
        """Who sends recorded messages, or when answered, has none."""
        for name, producer in self.loaded.model.producers.items():
            if producer.trace is not None or producer.clients is not None:
                self.data["producers"][name].pop("arrivals", None)
            if producer.slow_down is not None and producer.slow_down.watch is not None and producer.slow_down.check_every is None:
                self.put(("producers", name, "slow_down", "check_every"), _time(resolve.CHECK_EVERY), "ours", "slow_down")

    # --- the format's defaults

    def _format(self, part: model.Shape, data: dict[str, Any], path: Path) -> None:
        for key in _EXPANDED.get(type(part), ()):
            if data.get(key) is None:
                data[key] = {}
        for name, field in type(part).model_fields.items():
            key, value = field.alias or name, getattr(part, name)
            if key not in data and field.default is not None and not field.is_required() and field.default != "":
                extra = field.json_schema_extra
                data[key] = field.default
                self.comments[(*path, key)] = (
                    "ours" if isinstance(extra, dict) and "x-origin" in extra else "format default"
                )
            elif key in data and key not in ("variants", "sweep", "breaks", "set"):
                self._below(_EXPANDED_AS.get((type(part), key)) if value is None else value, data[key], (*path, key))

    def _below(self, value: Any, data: Any, path: Path) -> None:
        if isinstance(value, model.Shape) and isinstance(data, dict):
            self._format(value, data, path)
        elif isinstance(value, dict) and isinstance(data, dict):
            for key, inner in value.items():
                self._below(inner, data[key], (*path, key))
        elif isinstance(value, list) and isinstance(data, list):
            for number, inner in enumerate(value):
                self._below(inner, data[number], (*path, number))

    # --- variants

    def _what_ifs(self) -> None:
        """A change first takes away what was filled in around what it touches: that followed from what it changes."""
        variants, breaks = self.data.get("variants") or {}, self.data.get("breaks") or []
        for name, changes in variants.items():
            variants[name] = self._with_resets(changes or {})
            if self._needs_later(name):
                self.comments["variants", name] = "not supported yet"
        for number, changes in enumerate(breaks):
            breaks[number] = self._with_resets(changes)
        self._sweeps()

    def _with_resets(self, changes: dict[str, Any]) -> dict[str, Any]:
        resets = self._reset([tuple(text.split(".")) for text in changes])
        return {**{".".join(map(str, path)): None for path in resets}, **changes}

    def _sweeps(self) -> None:
        """A sweep has no room for that: what follows from what it changes becomes a comment."""
        swept = [tuple(text.split(".")) for text in self.data.get("sweep") or {}]
        for path in self._reset(swept):
            inside = value_at(self.data, path[:-1])
            self.note(path[:-1], f"{path[-1]}: {_flow(inside.pop(path[-1]))}   {self.comments.pop(path)}")
        for path in swept:
            given = value_at(self.loaded.document, path)
            if path[-1] == "guarantee" and given is not None:
                value_at(self.data, path[:-1])["guarantee"] = given

    def _reset(self, touched: list[Path]) -> list[Path]:
        resets: list[Path] = []
        for path, after in self.follows.items():
            set_anyway = any(path[: len(change)] == change or change[: len(path)] == path for change in touched)
            inside = any(path[: len(reset)] == reset for reset in resets)
            if not set_anyway and not inside and any(_is_after(path, after, change) for change in touched):
                resets.append(path)
        return resets

    def _needs_later(self, name: str) -> bool:
        base = self.loaded.base
        document, _ = overlay(base, overrides(base, ("variants", name)))
        scenario, problems = shape.check(document)
        found_ = meaning.check(document, scenario, problems, self.loaded.folder, advise=False)
        return any(problem.code == "Q040" for problem in found_)


def _is_after(path: Path, after: tuple[str, ...], change: Path) -> bool:
    """Whether a filled-in key follows from what a variant changes: in its own object, or in one that it names."""
    if change[:2] == path[:2]:
        return len(change) > 2 and change[2] in after
    of_queue = change[0] == "queues" != path[0] and (len(change) == 2 or change[2] == "profile")
    of_consumer = change[0] == "consumers" and (len(change) == 2 or change[2] == "guarantee")
    return (of_queue and "profile" in after) or (of_consumer and path[0] == "producers" and "guarantee" in after)


def _time(value: int | None) -> str | int | None:
    return None if value is None else 0 if value == 0 else write_duration(value)


def _setting(key: str, value: Any) -> Any:
    """A default of an autoscaler as it is written."""
    times = ("every", "scale_down_after")
    return _time(value) if key in times else write_share(value) if isinstance(value, Fraction) else value


def _word(value: Any) -> str:
    return str(value.name).lower().replace("_", "-")


_READS = ("from", "push", "profile")
"""What decides how a consumer asks."""

_VERSION = ("profile", "broker", "dlq")
"""What decides the values that depend on a broker's version."""

_QUEUE: tuple[tuple[Any, ...], ...] = (
    ("order", "order", _word, "profile", "priorities"),
    ("visibility_timeout", "visibility_timeout", lambda time: "never" if time is None else _time(time), "profile"),
    ("delay", "delay", _time, "profile"),
    ("retention", "retention", _time, "profile"),
    ("max_in_flight", "max_in_flight", lambda count: count, "profile"),
    ("stale_ack", "stale_ack", lambda pair: [_word(word) for word in pair], "profile"),
)
"""A queue's key, the profile's field, how it is written, and the keys it follows."""

_EXPANDED: dict[type, tuple[str, ...]] = {
    model.Producer: ("message",),
    model.Consumer: ("failures",),
    model.Queue: ("imperfections",),
}
"""Maps whose keys have defaults even where nobody writes the map."""

_EXPANDED_AS: dict[tuple[type, str], model.Shape] = {
    (model.Producer, "message"): model.Message(),
    (model.Consumer, "failures"): model.Failures(),
    (model.Queue, "imperfections"): model.Imperfections(),
}


# --- writing ---------------------------------------------------------------------------------------------------------


def _lines(data: dict[str, Any], beside: _Remarks, path: Path, depth: int) -> Iterator[str]:
    space = "  " * depth
    for key, value in data.items():
        here = (*path, key)
        if depth == 0 and (isinstance(value, dict) or _is_long(value)):
            yield ""
        yield from _entry(_scalar(key), value, beside, here, depth)
    for note in beside.notes.get(path, ()):
        text, _, origin = note.partition("   ")
        yield _commented(f"{space}# {text}", origin)


def _entry(key: str, value: Any, beside: _Remarks, path: Path, depth: int) -> Iterator[str]:
    space, comment = "  " * depth, beside.comments.get(path, "")
    if isinstance(value, dict) and value and (_inner(beside, path) or _is_roomy(f"{space}{key}: {_flow(value)}", path, depth)):
        yield _commented(f"{space}{key}:", comment)
        yield from _lines(value, beside, path, depth + 1)
    elif isinstance(value, dict) and beside.notes.get(path):
        yield _commented(f"{space}{key}: {_flow(value)}", comment)
        yield from _lines({}, beside, path, depth + 1)
    elif depth == 0 and _is_long(value):
        yield _commented(f"{key}:", comment)
        yield from (f"  - {_flow(item)}" for item in value)
    elif isinstance(value, str) and _is_block(value):
        yield f"{space}{key}: |" + ("" if value.endswith("\n") else "-")
        yield from (f"{space}  {line}".rstrip() for line in value.splitlines())
    else:
        yield _commented(f"{space}{key}: {_flow(value)}", comment)


def _is_roomy(on_one_line: str, path: Path, depth: int) -> bool:
    """Whether each of its keys has a line of its own: of what is large, and where one line has no room."""
    return depth < 1 or (path[0] in _ROOMY and depth < 2) or len(on_one_line) > LONGEST


def _is_long(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(item, dict | list) for item in value)


def _inner(beside: _Remarks, path: Path) -> bool:
    """Whether something below the path has a comment of its own."""
    size = len(path)
    return any(known[:size] == path and len(known) > size for known in (*beside.comments, *beside.notes)) or (
        path in beside.notes
    )


def _commented(line: str, comment: str) -> str:
    return f"{line.ljust(WIDTH - 1)} # {comment}" if comment else line


def _is_block(text: str) -> bool:
    lines = text.splitlines()
    tidy = all(line == line.rstrip() and line.isprintable() for line in lines)
    return len(lines) > 1 and tidy and not lines[0].startswith(" ") and bool(lines[-1]) and not text.endswith("\n\n")


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_scalar(key)}: {_flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return _scalar(value)


_PLAIN = re.compile(r"[A-Za-z0-9_/.][A-Za-z0-9_/.%+-]*(?: [A-Za-z0-9_/.%+-]+)*")


def _scalar(value: Any) -> str:
    """As plain as YAML allows; a quoted JSON string is a YAML one."""
    if isinstance(value, str):
        return value if _PLAIN.fullmatch(value) and _is_text(value) else json.dumps(value, ensure_ascii=False)
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return str(getattr(value, "text", repr(value)))


def _is_text(value: str) -> bool:
    try:
        return isinstance(read_scalar(value), str)
    except ValueError:
        return False
