"""YAML 1.2 with the place of every key and value, and nothing that could hurt.

It knows text and positions, not the format.  What is read is plain: dicts, lists, strings, ints, floats that remember
their text, bools and None.  A Document's ``keys`` and ``values`` hold a Place for each path in ``data``, and for no
other.  A text is refused before parsing if it is too long or too deep, and while parsing as soon as it has too many
values, so that no file takes long.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any, NoReturn, Self

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, StreamMark, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from qsim.scenario.problems import Place, Problem, ScenarioError, Source

LARGEST = 128 * 1024
DEEPEST = 50
MOST_VALUES = 20_000

Path = tuple[str | int, ...]


class Real(float):
    """A float that remembers how it was written: version 3.10 is not 3.1, and a share of 0.1 is exactly a tenth."""

    text: str

    def __new__(cls, text: str) -> Self:
        number = super().__new__(cls, text.replace("_", ""))
        number.text = text
        return number

    def __reduce__(self) -> tuple[type[Real], tuple[str]]:
        return Real, (self.text,)


@dataclass(slots=True)
class Document:
    """``layers`` are values put in later (by a variant, by ``--set``): a path below one is looked up in it."""

    data: Any
    keys: dict[Path, Place] = field(default_factory=dict)
    values: dict[Path, Place] = field(default_factory=dict)
    layers: tuple[Layer, ...] = ()

    def place(self, path: Path, *, of_key: bool = False) -> Place:
        """Where the path stands, or else the nearest thing around it."""
        for layer in reversed(self.layers):
            if path[: len(layer.path)] == layer.path:
                below = path[len(layer.path) :]
                return layer.document.place(below, of_key=of_key) if below or not of_key else layer.key
        made = next((layer.key for layer in self.layers if path and layer.path[: len(path)] == path), None)
        return made if made and path not in self.values else self._own_place(path, of_key)

    def _own_place(self, path: Path, of_key: bool) -> Place:
        for length in range(len(path), 0, -1):
            short = path[:length]
            of_value = self.values.get(short)
            known = self.keys.get(short, of_value) if of_key or length < len(path) else of_value
            if known:
                return known
        return self.values[()]


@dataclass(frozen=True, slots=True)
class Layer:
    path: Path
    document: Document
    key: Place


def read_file(path: FilePath, shown: str) -> Document:
    """``shown`` is the file's name as the user knows it."""
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        fail("Q004", f"cannot read {shown}: {why}", Place(Source(shown, ()), 1, 1))
    return read_bytes(raw, shown)


def read_bytes(raw: bytes, shown: str) -> Document:
    if len(raw) > LARGEST:
        fail("Q002", "the file is larger than 128 KiB", Place(Source(shown, ()), 1, 1))
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8").split("\n")
        lines = tuple(raw.decode("utf-8", "replace").split("\n"))
        fail("Q001", "not UTF-8 from here on", Place(Source(shown, lines), len(before), len(before[-1]) + 1))
    return read_text(text, shown)


def read_text(text: str, shown: str) -> Document:
    """A whole file.  Some editors put a byte order mark before it, which says nothing."""
    text = text.removeprefix("\ufeff")
    source = Source(shown, tuple(text.split("\n")))
    if len(text.encode("utf-8", "replace")) > LARGEST:
        fail("Q002", "the file is larger than 128 KiB", Place(source, 1, 1))
    _refuse_odd_characters(text, source)
    _refuse_depth(source)
    return _compose(text, source)


def read_value(text: str, option: str) -> Document:
    """The value of one ``--set``; every place in it is the option itself."""
    source = Source(option, (), is_file=False)
    if len(text) > LARGEST:
        fail("Q002", "the value is larger than 128 KiB", Place(source, 1, 1))
    _refuse_odd_characters(text, source)
    _refuse_depth(Source(option, tuple(text.split("\n")), is_file=False))
    return _compose(text, source)


def fail(code: str, message: str, place: Place, suggestion: str | None = None) -> NoReturn:
    raise ScenarioError([Problem(code, message, place, suggestion)])


# --- before parsing --------------------------------------------------------------------------------------------------


_ODD = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x9f\ud800-\udfff\ufffe\uffff\ufeff\u2028\u2029]")
_TAB = re.compile(r"^ *\t", re.MULTILINE)
_SKIPPED = re.compile(r"""\\.|"(?:\\.|[^"\\])*"|'[^']*'|(?:^|(?<=\s))#.*""")


def _refuse_odd_characters(text: str, source: Source) -> None:
    if found := _ODD.search(text):
        name = "a byte order mark" if found[0] == "\ufeff" else f"the character U+{ord(found[0]):04X}"
        fail("Q001", f"{name} is not allowed here", _at(text, found.start(), source))
    if found := _TAB.search(text):
        fail("Q001", "a tab cannot indent: use spaces", _at(text, found.end() - 1, source))


def _at(text: str, position: int, source: Source) -> Place:
    line = text.count("\n", 0, position) + 1
    return Place(source, line, position - (text.rfind("\n", 0, position) + 1) + 1)


def _refuse_depth(source: Source) -> None:
    """Block levels from the indentation, flow levels from the brackets; each line on its own is cheap."""
    indents: list[int] = []
    flow = 0
    for number, line in enumerate(source.lines, 1):
        if not (stripped := line.lstrip(" ")) or stripped.startswith("#"):
            continue
        _indent(indents, len(line) - len(stripped), stripped)
        for column, opens in _brackets(line):
            flow = max(0, flow + (1 if opens else -1))
            if flow > DEEPEST or flow + len(indents) > 2 * DEEPEST:
                fail("Q003", "nested more than 50 levels deep", Place(source, number, column + 1))
        if len(indents) > DEEPEST:
            fail("Q003", "nested more than 50 levels deep", Place(source, number, indents[-1] + 1))


def _indent(indents: list[int], column: int, stripped: str) -> None:
    """A line opens a level if it is indented further than the one it stands under; each "- " before it is one too."""
    while indents and indents[-1] >= column:
        indents.pop()
    indents.append(column)
    while stripped.startswith(("- ", "? ")) and len(indents) <= DEEPEST:
        inner = stripped[1:].lstrip(" ")
        column, stripped = column + len(stripped) - len(inner), inner
        indents.append(column)


def _brackets(line: str) -> Iterator[tuple[int, bool]]:
    """Brackets outside of quotes and comments, roughly: text that only looks nested is not what people write."""
    if "[" in line or "{" in line or "]" in line or "}" in line:
        bare = _SKIPPED.sub(lambda match: " " * len(match[0]), line)
        yield from ((m.start(), m[0] in "[{") for m in re.finditer(r"[][{}]", bare))


# --- parsing ---------------------------------------------------------------------------------------------------------


def _compose(text: str, source: Source) -> Document:
    reader = _Reader(source)
    try:
        return reader.document(YAML(typ="safe", pure=True).parse(text))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        fail("Q001", str(error.problem or error.context), reader.place(mark))
    except _FROM_RUAMEL as error:
        fail("Q001", f"cannot be read as YAML: {str(error).splitlines()[0][:80] or error!r}", Place(source, 1, 1))


# ruamel's scanner lets a few of Python's own errors through (a \\U escape beyond Unicode, for one).
_FROM_RUAMEL = (YAMLError, ValueError, ArithmeticError, LookupError, AttributeError, TypeError, RecursionError)


class _Reader:
    """Events to plain values; anchors are copied where they are used, and count there."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.result = Document(None)
        self.anchors: dict[str, list[Event]] = {}
        self.seen = 0
        self.recorded = 0

    def document(self, events: Iterator[Event]) -> Document:
        documents = 0
        for event in events:
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self.fail("several documents in one file: a scenario is one", event)
            elif isinstance(event, ScalarEvent | MappingStartEvent | SequenceStartEvent | AliasEvent):
                self.result.data = self.value(event, events, ())
        self.result.values.setdefault((), Place(self.source, 1, 1))
        return self.result

    def value(self, event: Event, events: Iterator[Event], path: Path) -> Any:
        self.count(event, path)
        if isinstance(event, AliasEvent):
            return self.copy(event, path)
        self.result.values.setdefault(path, self.place(event.start_mark, _quote(event)))
        if anchor := getattr(event, "anchor", None):
            events = self.record(anchor, event, events)
        if isinstance(event, ScalarEvent):
            return self.scalar(event)
        return (self.mapping if isinstance(event, MappingStartEvent) else self.sequence)(event, events, path)

    def count(self, event: Event, path: Path) -> None:
        self.seen += 1
        if self.seen > MOST_VALUES:
            self.fail(f"more than {MOST_VALUES:,} values", event, "Q005")
        if len(path) > DEEPEST:
            self.fail("nested more than 50 levels deep", event, "Q003")

    def record(self, anchor: str, event: Event, events: Iterator[Event]) -> Iterator[Event]:
        """The events of an anchored value, kept for its aliases."""
        if isinstance(event, ScalarEvent):
            self.anchors[anchor] = [event]
            return events
        kept, depth = [event], 1
        while depth:
            kept.append(item := next(events))
            depth += isinstance(item, MappingStartEvent | SequenceStartEvent)
            depth -= isinstance(item, MappingEndEvent | SequenceEndEvent)
            self.recorded += 1
            if len(kept) > MOST_VALUES or self.recorded > 3 * MOST_VALUES:
                self.fail(f"more than {MOST_VALUES:,} values", item, "Q005")
        self.anchors[anchor] = kept
        return iter(kept[1:])

    def copy(self, event: AliasEvent, path: Path) -> Any:
        if event.anchor not in self.anchors:
            self.fail(f"found undefined alias {event.anchor!r}", event)
        first, *rest = self.anchors[event.anchor]
        self.result.values.setdefault(path, self.place(event.start_mark))
        return self.value(_without_anchor(first), iter(rest), path)

    def mapping(self, event: Event, events: Iterator[Event], path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        twice: list[Problem] = []
        while not isinstance(key_event := next(events), MappingEndEvent):
            key = self.key(key_event, events)
            place = self.place(key_event.start_mark)
            if key in result:
                again = self.value(next(events), events, (*path, key))
                twice.append(_duplicate(key, again, result[key], place))
                continue
            self.result.keys[*path, key] = place
            result[key] = self.value(next(events), events, (*path, key))
        if twice:
            raise ScenarioError(twice)
        return result

    def sequence(self, event: Event, events: Iterator[Event], path: Path) -> list[Any]:
        result: list[Any] = []
        while not isinstance(item := next(events), SequenceEndEvent):
            result.append(self.value(item, events, (*path, len(result))))
        return result

    def key(self, event: Event, events: Iterator[Event]) -> str:
        if isinstance(event, AliasEvent):
            self.fail("an alias cannot be a key here", event)
        if not isinstance(event, ScalarEvent):
            self.fail("a key is text: a list or a map cannot be one", event)
        self.count(event, ())
        if event.anchor:
            self.anchors[event.anchor] = [event]
        if event.value == "<<" and event.implicit[0]:
            self.fail("merge keys are not YAML 1.2: repeat the keys, or use extends:", event)
        if not isinstance(key := self.scalar(event), str):
            self.fail(f"a key is text: quote it, {event.value!r} is a {_kind(key)}", event)
        return key

    def scalar(self, event: ScalarEvent) -> Any:
        plain = event.implicit[0] and event.style is None
        tag = str(event.tag) if event.tag is not None else None
        if tag is not None and tag not in ("!", "tag:yaml.org,2002:str"):
            self.fail(f"the tag {tag} is not part of the format", event)
        try:
            return resolve(event.value) if plain and tag is None else event.value
        except ValueError as error:
            self.fail(str(error), event)

    def place(self, mark: StreamMark | None, quote: int = 0) -> Place:
        if mark is None or not self.source.is_file:
            return Place(self.source, 1, 1)
        # A mark behind the last line (an end that came too soon) is shown at the end of the last line.
        line = min(mark.line, len(self.source.lines) - 1)
        column = mark.column if line == mark.line else len(self.source.lines[line])
        return Place(self.source, line + 1, column + 1, quote)

    def fail(self, message: str, event: Event, code: str = "Q001") -> NoReturn:
        fail(code, message, self.place(event.start_mark))


def _duplicate(key: str, again: Any, first: Any, place: Place) -> Problem:
    values = [_shown(again), _shown(first)]
    text = 'found duplicate key "{}" with value "{}" (original value: "{}")'
    return Problem("Q001", text.format(key, *values), place)


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _quote(event: Event) -> int:
    return 1 if isinstance(event, ScalarEvent) and event.style in ("'", '"') else 0


def _without_anchor(event: Event) -> Event:
    """The same event as a value of its own, so that an alias does not define its anchor again."""
    if not getattr(event, "anchor", None):
        return event
    if isinstance(event, ScalarEvent):
        return ScalarEvent(None, event.ctag, event.implicit, event.value, event.start_mark, event.end_mark, event.style)
    assert isinstance(event, MappingStartEvent | SequenceStartEvent)
    kind = type(event)
    return kind(None, event.ctag, event.implicit, event.start_mark, event.end_mark, event.flow_style)


# --- YAML 1.2's plain words ------------------------------------------------------------------------------------------

_INT = re.compile(r"[-+]?\d[\d_]*|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.\d[\d_]*|\d[\d_]*(?:\.[\d_]*)?(?:[eE][-+]?\d{1,9})?)")
_NOT_A_NUMBER = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_WORDS = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
_WORDS |= {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}  # type: ignore[dict-item]


def resolve(text: str) -> Any:
    """A plain scalar: null, bool, int (600_000 too), float or text; ``yes`` and ``on`` are text, as YAML 1.2 says."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return _integer(text)
    if _NOT_A_NUMBER.fullmatch(text):
        raise ValueError(f"{text} is not a number that a scenario can use")
    if _FLOAT.fullmatch(text):
        return _real(text)
    return text


def _integer(text: str) -> int:
    digits = text.replace("_", "")
    if len(digits) > 20:
        raise ValueError("a whole number of more than 19 digits")
    return int(digits, 0) if digits[:2] in ("0o", "0x") else int(digits)


def _real(text: str) -> Real:
    if len(text) > 40:
        raise ValueError("a number of more than 40 characters")
    number = Real(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"{text} is too large for a number")
    return number


def _kind(value: Any) -> str:
    return {"NoneType": "null", "bool": "boolean", "int": "number", "Real": "number"}[type(value).__name__]
