"""Rules of a subscription: which messages get a copy, and what changes on it (ASB-24).

It knows attributes, no message and no time.  A filter is a subset of SQL: ``=``, ``<>``, ``IN``, ``IS NULL``, ``AND``,
``OR``, ``NOT``, parentheses, with SQL's third truth value: what is said of a property that a message does not have is
neither true nor false but unknown, and only what is true passes.

    priority = 'high' AND NOT region IN ('eu', 'us')
    user.kind IS NULL OR sys.Label = 'order'

Attributes are texts here: a text that reads as a number equals that number, ``TRUE`` equals ``'true'``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches

Attributes = Mapping[str, str]
Value = str | Decimal | bool | None
Truth = bool | None
"""None: unknown."""

SYSTEM = (
    *("ContentType", "CorrelationId", "Label", "MessageId", "PartitionKey", "ReplyTo", "ReplyToSessionId"),
    *("SessionId", "Subject", "To"),
)
"""What may follow ``sys.``; a message carries it as the attribute ``sys.Label``."""

SQL_RULE = "a filter is: property = value, property IN (value, ...), property IS [NOT] NULL; with AND, OR, NOT and ( )"


class FilterError(ValueError):
    """A text that is no filter: what was found, and where (``column`` from 1)."""

    def __init__(self, message: str, text: str, column: int) -> None:
        super().__init__(f"{message}, at column {column} of: {text}")
        self.problem = message
        self.column = column


# --- filters, actions, rules --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sql:
    """A filter by its text."""

    text: str

    def __post_init__(self) -> None:
        parse(self.text)

    def matches(self, attributes: Attributes) -> bool:
        return parse(self.text)(attributes) is True


@dataclass(frozen=True, slots=True)
class Correlation:
    """A filter by exact values: all of them."""

    properties: tuple[tuple[str, str], ...]

    def matches(self, attributes: Attributes) -> bool:
        return all(attributes.get(name) == value for name, value in self.properties)


@dataclass(frozen=True, slots=True)
class Everything:
    """The filter of a rule that nobody has made: all pass."""

    def matches(self, attributes: Attributes) -> bool:
        return True


Filter = Sql | Correlation | Everything


@dataclass(frozen=True, slots=True)
class Action:
    """What changes on a copy: ``SET name = value`` and ``REMOVE name``, divided by semicolons."""

    text: str

    def __post_init__(self) -> None:
        parse_action(self.text)

    def apply(self, attributes: Attributes) -> Attributes:
        changed = dict(attributes)
        for name, value in parse_action(self.text):
            changed.pop(name, None)
            if value is not None:
                changed[name] = value
        return changed


@dataclass(frozen=True, slots=True)
class Rule:
    filter: Filter = Everything()
    action: Action | None = None


def copies(rules: Iterable[Rule], attributes: Attributes) -> list[Attributes]:
    """The attributes of each copy that a subscription gets: one for all the rules without an action that pass, and
    one for each that has an action."""
    passed = [rule for rule in rules if rule.filter.matches(attributes)]
    plain = [attributes] if any(rule.action is None for rule in passed) else []
    return plain + [rule.action.apply(attributes) for rule in passed if rule.action is not None]


# --- three truth values ---------------------------------------------------------------------------------------------------

Predicate = Callable[[Attributes], Truth]
Operand = Callable[[Attributes], Value]


def _not(one: Truth) -> Truth:
    return None if one is None else not one


def _and(one: Truth, other: Truth) -> Truth:
    if one is False or other is False:
        return False
    return None if one is None or other is None else True


def _or(one: Truth, other: Truth) -> Truth:
    return _not(_and(_not(one), _not(other)))


def equal(one: Value, other: Value) -> Truth:
    """Unknown if either is; a text equals a number or a truth value if it reads as that."""
    if one is None or other is None:
        return None
    if isinstance(one, str) and isinstance(other, str):
        return one == other
    return _plain(one) == _plain(other)


def _plain(value: Value) -> Value:
    if not isinstance(value, str):
        return value
    if value.lower() in ("true", "false"):
        return value.lower() == "true"
    return Decimal(value) if _NUMBER.fullmatch(value) else value


def _is_one_of(value: Value, others: list[Value]) -> Truth:
    found: Truth = False
    for other in others:
        found = _or(found, equal(value, other))
    return found


# --- reading ----------------------------------------------------------------------------------------------------------------

_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>[+-]?\d+(?:\.\d+)?)|(?P<name>\[[^\]]+\]|[A-Za-z_][\w.]*)"
    r"|(?P<sign><>|!=|<=|>=|[=(),;<>+*/%-]))"
)
_WORDS = frozenset({"AND", "OR", "NOT", "IN", "IS", "NULL", "TRUE", "FALSE", "SET", "REMOVE"})
_LATER = frozenset({"LIKE", "EXISTS", "ESCAPE"})
_LATER_SIGNS = frozenset({"<", ">", "<=", ">=", "+", "-", "*", "/", "%"})


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    column: int

    @property
    def word(self) -> str:
        return self.text.upper() if self.kind == "name" else self.text


def _plain_name(token: _Token) -> str:
    """``[user.kind]`` is ``kind``, ``SYS.Label`` is ``sys.Label``."""
    name = token.text[1:-1] if token.text.startswith("[") else token.text
    scope, _, rest = name.partition(".")
    if scope.lower() == "sys":
        return f"sys.{rest}"
    return rest if scope.lower() == "user" and rest else name


class _Reader:
    """Recursive descent: OR binds least, then AND, then NOT."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(self._split(text))
        self._at = 0

    def _split(self, text: str) -> Iterable[_Token]:
        at = 0
        while text[at:].strip():
            found = _TOKEN.match(text, at)
            if found is None:
                at += len(text[at:]) - len(text[at:].lstrip())
                what = "a text that does not end" if text[at] == "'" else f"{text[at]!r} has no meaning in a filter"
                raise FilterError(what, text, at + 1)
            kind = str(found.lastgroup)
            yield _Token(kind, found[kind], found.start(kind) + 1)
            at = found.end()

    def fail(self, message: str) -> FilterError:
        return FilterError(message, self._text, self.peek().column)

    def peek(self) -> _Token:
        return self._tokens[self._at] if self._at < len(self._tokens) else _Token("end", "", len(self._text) + 1)

    def take(self) -> _Token:
        token = self.peek()
        self._at += 1
        return token

    def accept(self, word: str) -> bool:
        if self.peek().word != word:
            return False
        self._at += 1
        return True

    def expect(self, word: str) -> None:
        if not self.accept(word):
            raise self.fail(f"{word} is missing{self._found()}")

    def _found(self) -> str:
        token = self.peek()
        return "" if token.kind == "end" else f" before {token.text!r}"

    def end(self) -> None:
        token = self.peek()
        if token.word in _LATER or token.text in _LATER_SIGNS:
            raise self.fail(f"{token.word} is not supported; {SQL_RULE}")
        if token.kind != "end":
            raise self.fail(f"AND or OR is missing before {token.text!r}")

    # --- predicates ---

    def predicate(self) -> Predicate:
        one = self._conjunction()
        while self.accept("OR"):
            one = _both(_or, one, self._conjunction())
        return one

    def _conjunction(self) -> Predicate:
        one = self._negation()
        while self.accept("AND"):
            one = _both(_and, one, self._negation())
        return one

    def _negation(self) -> Predicate:
        if self.accept("NOT"):
            negated = self._negation()
            return lambda attributes: _not(negated(attributes))
        if self.accept("("):
            inner = self.predicate()
            self.expect(")")
            return inner
        return self._comparison()

    def _comparison(self) -> Predicate:
        is_property = self.peek().kind == "name" and self.peek().word not in _WORDS
        left = self.operand()
        if self.accept("="):
            right = self.operand()
            return lambda attributes: equal(left(attributes), right(attributes))
        if self.accept("<>") or self.accept("!="):
            right = self.operand()
            return lambda attributes: _not(equal(left(attributes), right(attributes)))
        if self.accept("IS"):
            wanted = not self.accept("NOT")
            self.expect("NULL")
            if not is_property:
                raise self.fail("IS NULL asks for a property")
            return lambda attributes: (left(attributes) is None) is wanted
        is_in = not self.accept("NOT")
        if self.accept("IN"):
            others = self._list()
            found: Predicate = lambda attributes: _is_one_of(left(attributes), [o(attributes) for o in others])  # noqa: E731
            return found if is_in else lambda attributes: _not(found(attributes))
        if not is_in:
            raise self.fail("IN is missing after NOT")
        if self.peek().kind == "end" or self.peek().word in ("AND", "OR", ")"):
            raise self.fail(f"a comparison is missing; {SQL_RULE}")
        self.end()
        raise AssertionError("unreachable")

    def _list(self) -> list[Operand]:
        self.expect("(")
        others = [self.operand()]
        while self.accept(","):
            others.append(self.operand())
        self.expect(")")
        return others

    def operand(self) -> Operand:
        token = self.peek()
        if token.kind == "text":
            text = self.take().text[1:-1].replace("''", "'")
            return lambda attributes: text
        if token.kind == "number":
            number = Decimal(self.take().text)
            return lambda attributes: number
        if token.word in ("TRUE", "FALSE"):
            is_true = self.take().word == "TRUE"
            return lambda attributes: is_true
        if token.kind != "name" or token.word in _WORDS:
            raise self.fail(f"a property or a value is missing{self._found()}")
        if token.word in _LATER:
            raise self.fail(f"{token.word} is not supported; {SQL_RULE}")
        name = self.name()
        return lambda attributes: attributes.get(name)

    def name(self) -> str:
        """A property: of the application, or with ``sys.`` one of the broker's."""
        token = self.peek()
        if token.kind != "name" or token.word in _WORDS:
            raise self.fail(f"the name of a property is missing{self._found()}")
        name = _plain_name(token)
        scope, _, rest = name.partition(".")
        if scope == "sys" and rest not in SYSTEM:
            near = get_close_matches(rest, SYSTEM, 1)
            hint = f"did you mean sys.{near[0]}?" if near else f"there are: {', '.join(SYSTEM)}"
            raise self.fail(f"there is no system property {rest!r}; {hint}")
        self._at += 1
        return name

    # --- actions ---

    def statements(self) -> list[tuple[str, str | None]]:
        made: list[tuple[str, str | None]] = []
        while self.peek().kind != "end":
            if self.accept("SET"):
                name = self.name()
                self.expect("=")
                made.append((name, _written(self.operand()({}))))
            elif self.accept("REMOVE"):
                made.append((self.name(), None))
            else:
                raise self.fail(f"SET or REMOVE is missing{self._found()}")
            if not self.accept(";") and self.peek().kind != "end" and self.peek().word not in ("SET", "REMOVE"):
                raise self.fail(f"; is missing{self._found()}")
        return made


def _both(combine: Callable[[Truth, Truth], Truth], one: Predicate, other: Predicate) -> Predicate:
    return lambda attributes: combine(one(attributes), other(attributes))


def _written(value: Value) -> str | None:
    return str(value).lower() if isinstance(value, bool) else None if value is None else str(value)


_parsed: dict[str, Predicate] = {}


def parse(text: str) -> Predicate:
    """The filter in a text: attributes -> true, false or unknown (None)."""
    if text not in _parsed:
        reader = _Reader(text)
        predicate = reader.predicate()
        reader.end()
        _parsed[text] = predicate
    return _parsed[text]


def properties(text: str) -> list[tuple[str, int]]:
    """The application's properties for which a filter asks, and at which column."""
    tokens = [token for token in _Reader(text)._split(text) if token.kind == "name" and token.word not in _WORDS]
    asked = [(_plain_name(token), token.column) for token in tokens]
    return [(name, column) for name, column in asked if not name.startswith("sys.")]


def parse_action(text: str) -> list[tuple[str, str | None]]:
    """The changes in a text: (property, value), None where it is removed."""
    return _Reader(text).statements()
