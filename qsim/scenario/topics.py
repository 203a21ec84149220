"""What can be wrong with topics: keys that nothing matches, attributes that no message has, filters that say nothing.

It knows plain documents, not how a message gets to its queues.
"""

from __future__ import annotations

from typing import Any

from qsim.kernel import filters
from qsim.scenario.paths import found, value_at
from qsim.scenario.problems import did_you_mean
from qsim.scenario.said import Said
from qsim.scenario.shape import dotted
from qsim.scenario.source import Path

MATCH_KEYS = ("direct", "topic")
"""Types of topics that look at keys."""


def behind(data: Any, to: Any) -> list[str]:
    """The queue of this name, or the queues of the topic of this name, in a plain document."""
    queues = _names(data, "queues")
    if to in queues:
        return [to]
    given = [each for _, each in found(data, f"topics.{to}.subscriptions.*.queue")] if isinstance(to, str) else []
    return [name for name in dict.fromkeys(each for each in given if isinstance(each, str)) if name in queues]


def _names(data: Any, section: str) -> dict[str, Any]:
    given = value_at(data, (section,))
    return given if isinstance(given, dict) else {}


def look(said: Said) -> None:
    for path, given in found(said.data, "topics.*.subscriptions.*"):
        if isinstance(given, dict):
            _binding_key(said, path, given)
            _only(said, path, given)
            _filter(said, path, given)
    for path, _ in found(said.data, "producers.*.message.key"):
        _routing_key(said, path)
    for path, to in found(said.data, "queues.*.broker.auto_forward"):
        if to in _names(said.data, "topics"):
            said.say("Q040", "auto_forward to a topic is not supported yet", path)


# --- keys ----------------------------------------------------------------------------------------------------------------


def _type(data: Any, topic: Any) -> str:
    kind = value_at(data, ("topics", topic, "type"))
    return "fanout" if kind is None else str(kind)


def _binding_key(said: Said, path: Path, given: dict[str, Any]) -> None:
    kind = _type(said.data, path[1])
    if given.get("key") is not None and kind not in MATCH_KEYS:
        said.say("Q021", f"type {kind} ignores key", (*path, "key"), f"write topics.{path[1]}.type: topic, or remove key:",
                 of_key=True)  # fmt: skip
    elif given.get("key") is None and kind in MATCH_KEYS:
        said.say("Q016", f"'key' is required in {dotted(path)}: type {kind} matches it", path)


def _routing_key(said: Said, path: Path) -> None:
    to = value_at(said.data, (*path[:2], "to"))
    is_topic = to in _names(said.data, "topics")
    if is_topic and _type(said.data, to) in MATCH_KEYS:
        return
    if is_topic or to in _names(said.data, "queues"):
        what = f"topic {to} of type {_type(said.data, to)}" if is_topic else f"queue {to}"
        said.say("Q021", f"{what} ignores message.key", path, "only a topic of type direct or topic matches it", of_key=True)


# --- attributes ----------------------------------------------------------------------------------------------------------


def _attributes(data: Any) -> dict[str, list[str]]:
    """What messages can have: the values of every attribute, of all producers."""
    known: dict[str, list[str]] = {}
    for path, values in found(data, "producers.*.message.attributes.*"):
        known.setdefault(str(path[-1]), []).extend(values if isinstance(values, dict) else ())
    return known


def _only(said: Said, path: Path, given: dict[str, Any]) -> None:
    only, known = given.get("only"), _attributes(said.data)
    for name, values in only.items() if isinstance(only, dict) else ():
        where = (*path, "only", name)
        if name not in known:
            _unknown(said, where, name, list(known), of_key=True)
            continue
        for number, value in enumerate(values if isinstance(values, list) else ()):
            if isinstance(value, str) and value not in known[name]:
                guess = did_you_mean(value, known[name], "there are")
                said.say("Q020", f"no producer gives the attribute {name} the value {value[:60]!r}", (*where, number), guess)


def _unknown(said: Said, where: Path, name: str, known: list[str], of_key: bool = False, offset: int = 0) -> None:
    guess = did_you_mean(name, known, "there are") or "give it one in message.attributes"
    said.say("Q020", f"no producer gives an attribute {name[:60]!r}", where, guess, of_key=of_key, offset=offset)


def _filter(said: Said, path: Path, given: dict[str, Any]) -> None:
    """A filter that cannot be read, or asks for what no message has (which is neither true nor false, ever)."""
    text, where = given.get("filter"), (*path, "filter")
    if not isinstance(text, str):
        return
    try:
        filters.parse(text)
    except filters.FilterError as error:
        said.say("Q038", error.problem, where, offset=min(error.column - 1, len(text)))
        return
    known = list(_attributes(said.data))
    for name, column in filters.properties(text):
        if name not in known:
            _unknown(said, where, name, known, offset=column - 1)
