"""Quantities with units: "30s", "1000/s", "256KiB", "5%" to exact numbers and back.

It knows words and numbers, nothing of scenarios.  Time is whole nanoseconds, a rate is an exact fraction of
messages a second, a size is bytes, a share is a fraction between 0 and 1 kept as a Fraction.  What it writes
(``write_...``) it reads back unchanged; what it formats (``format_...``) is for people and may be rounded.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

Nanos = int

NANOSECOND = 1
MICROSECOND = 1_000
MILLISECOND = 1_000_000
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY

LONGEST: Nanos = 2**63 - 1
MOST = 10**15

TIME_UNITS = {
    "ns": NANOSECOND, "us": MICROSECOND, "ms": MILLISECOND, "s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY, "w": WEEK,
}  # fmt: skip
_LONG = {
    "nanosecond": "ns", "microsecond": "us", "µs": "us", "μs": "us", "millisecond": "ms", "second": "s",
    "min": "m", "minute": "m", "hour": "h", "day": "d", "week": "w",
}  # fmt: skip
_TIME = {**TIME_UNITS, **{word: TIME_UNITS[unit] for word, unit in _LONG.items()}}
_TIME |= {word + "s": TIME_UNITS[unit] for word, unit in _LONG.items() if len(word) > 3}
_SIZES = {"B": 1, "KB": 1000, "KiB": 1024, "MB": 1000**2, "MiB": 1024**2}
_PREFIXES = {"": 1, "k": 1000, "M": 1000**2}

_NUMBER = r"(\d[\d_]*(?:\.\d[\d_]*)?|\.\d+)"
_PART = re.compile(_NUMBER + r"\s*([^\W\d_]+)\s*")
_RATE = re.compile(_NUMBER + r"\s*([kM]?)\s*/\s*([^\W\d_]+)")
_SIZE = re.compile(_NUMBER + r"\s*([^\W\d_]+)")
_SHARE = re.compile(_NUMBER + r"\s*%")
_PLAIN = re.compile(_NUMBER)


class UnitError(ValueError):
    """``code`` is one of codes.py; the text says what to write instead."""

    def __init__(self, message: str, code: str = "Q013", suggestion: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.suggestion = suggestion


# --- reading ---------------------------------------------------------------------------------------------------------


def duration(value: Any) -> Nanos:
    """ "1h30m" to whole nanoseconds."""
    text = _text(value, "a duration", "10s")
    if _PLAIN.fullmatch(text):
        return _zero(text, f"a duration needs a unit: write {text}s, {text}ms or {text}m")
    total = _compound(text)
    if total.denominator != 1:
        raise UnitError(f"{text!r} is finer than a nanosecond", "Q014")
    if total > LONGEST:
        raise UnitError(f"{text!r} is longer than 292 years", "Q014")
    return int(total)


def rate(value: Any) -> Fraction:
    """ "1000/s" or "30/min" to messages a second."""
    text = _text(value, "a rate", "100/s")
    if _PLAIN.fullmatch(text):
        return Fraction(_zero(text, f"a rate needs a time unit: write {text}/s"))
    match = _RATE.fullmatch(text)
    if not match:
        raise UnitError(f"{_short(text)} is not a rate: write 100/s, 30/min or 5k/h")
    number, prefix, unit = match.groups()
    per_second = _number(number) * _PREFIXES[prefix] * SECOND / _time_unit(unit, text)
    if per_second > MOST:
        raise UnitError(f"{text!r} is more than {MOST:.0e} a second", "Q014")
    return per_second


def size(value: Any) -> int:
    """ "256KiB" to bytes."""
    text = _text(value, "a size", "1KiB")
    if _PLAIN.fullmatch(text):
        return _zero(text, f"a size needs a unit: write {text}B or {text}KiB")
    match = _SIZE.fullmatch(text)
    if not match:
        raise UnitError(f"{_short(text)} is not a size: write 256KiB")
    if match[2] not in _SIZES:
        raise UnitError(f"unknown size unit {match[2]!r} in {text!r}: use B, KB, KiB, MB or MiB")
    total = _number(match[1]) * _SIZES[match[2]]
    if total.denominator != 1 or total > MOST:
        raise UnitError(f"{text!r} is not a whole number of bytes below {MOST:.0e}", "Q014")
    return int(total)


def share(value: Any) -> Fraction:
    """ "5%" or 0.05; between 0 and 1."""
    text = _text(value, "a share", "5%")
    if match := _SHARE.fullmatch(text):
        result = _number(match[1]) / 100
    elif _PLAIN.fullmatch(text):
        result = _number(text)
    else:
        raise UnitError(f"{_short(text)} is not a share: write 5% or 0.05")
    if result > 1:
        better = f": write {text}%" if not match and result <= 100 else ""
        raise UnitError(f"a share is at most 1, which is 100%{better}", "Q014")
    return result


def count(value: Any) -> int:
    """A whole number, not below 0."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise UnitError(f"{_short(value)} is not a count: write a whole number", "Q011")
    if not 0 <= value <= MOST:
        raise UnitError("a count cannot be negative" if value < 0 else f"a count is at most {MOST:.0e}", "Q014")
    return value


def number(value: Any) -> Fraction:
    """A plain number with no unit, not below 0."""
    text = _text(value, "a number", "1.5")
    if not _PLAIN.fullmatch(text):
        raise UnitError(f"{_short(text)} is not a plain number", "Q011")
    result = _number(text)
    if result > MOST:
        raise UnitError(f"a number is at most {MOST:.0e}", "Q014")
    return result


def _text(value: Any, what: str, example: str) -> str:
    """The quantity as it was written; a YAML number has its text or is its own."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise UnitError(f"{what} is needed here: write {example}", "Q011")
    text = str(getattr(value, "text", value)).strip()
    if len(text) > 60:
        raise UnitError(f"{_short(text)} is too long for {what}", "Q014")
    if text.startswith("-") and text[1:2].isdigit():
        raise UnitError(f"{what} cannot be negative", "Q014")
    return text.removeprefix("+") if text[1:2].isdigit() else text


def _zero(text: str, otherwise: str) -> int:
    if _number(text):
        raise UnitError(otherwise)
    return 0


def _number(text: str) -> Fraction:
    return Fraction(text.replace("_", ""))


def _compound(text: str) -> Fraction:
    total, end, smallest = Fraction(0), 0, WEEK + 1
    while match := _PART.match(text, end):
        unit = _time_unit(match[2], text)
        if unit >= smallest:
            raise UnitError(f"{text!r} goes from large units to small ones, each once: write 1h30m")
        total, end, smallest = total + _number(match[1]) * unit, match.end(), unit
    if end < len(text) or not text:
        raise UnitError(f"{_short(text)} is not a duration: write 30s, 250ms or 1h30m")
    return total


def _time_unit(unit: str, text: str) -> Nanos:
    if unit not in _TIME:
        raise UnitError(f"unknown time unit {unit!r} in {text!r}: use ns, us, ms, s, m, h, d or w")
    return _TIME[unit]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:36] + "…" + text[0]


# --- writing, exactly ------------------------------------------------------------------------------------------------


def write_duration(time: Nanos) -> str:
    """The shortest text that reads back as this time: 90s, 2m, 1.5s, 14d."""
    if time == 0:
        return "0"
    return min(_spellings(time), key=len)


def write_rate(per_second: Fraction) -> str:
    """Whole a second, minute, hour or day where that is possible."""
    if per_second == 0:
        return "0"
    units = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}
    whole = [f"{per_second * t / SECOND}/{u}" for u, t in units.items() if (per_second * t / SECOND).denominator == 1]
    return whole[0] if whole else f"{write_number(per_second * DAY / SECOND)}/d"


def write_size(size: int) -> str:
    for unit in ("MiB", "MB", "KiB", "KB"):
        if size and size % _SIZES[unit] == 0:
            return f"{size // _SIZES[unit]}{unit}"
    return f"{size}B"


def write_share(share: Fraction | float) -> str:
    return write_number(Fraction(repr(share) if isinstance(share, float) else share) * 100) + "%"


def write_number(value: Fraction) -> str:
    """A terminating decimal, without an exponent; a fraction that does not end is rounded at its 30th digit."""
    digits = next((n for n in range(30) if (value * 10**n).denominator == 1), 30)
    whole = round(value * 10**digits)
    return str(whole) if digits == 0 else f"{whole // 10**digits}.{whole % 10**digits:0{digits}d}"


def _spellings(time: Nanos) -> list[str]:
    """Large units first, so that of two equally short ones the larger unit wins."""
    units = {u: t for u, t in reversed(TIME_UNITS.items()) if t <= time and u != "w"}
    largest = next(iter(units))
    whole = [f"{time // t}{u}" for u, t in units.items() if time % t == 0 and time // t < 1000]
    decimal = [write_number(Fraction(time, units[largest])) + largest] if units[largest] <= SECOND else []
    return [*whole[:2], *decimal, _parts(time, units)]


def _parts(time: Nanos, units: dict[str, Nanos]) -> str:
    text = ""
    for unit, length in units.items():
        amount, time = divmod(time, length)
        text += f"{amount}{unit}" if amount else ""
    return text


# --- formatting, for people ------------------------------------------------------------------------------------------


def format_duration(time: Nanos | float) -> str:
    """ "2m 0s", "1m 54s", "30s", "8.77ms": two parts from a minute on, two decimals below."""
    if time < 0:
        return "-" + format_duration(-time)
    seconds = round(time / SECOND)
    if seconds >= 60:
        return _two_parts(seconds)
    unit = next((u for u in ("s", "ms", "us") if time >= TIME_UNITS[u]), "ns")
    return f"{time / TIME_UNITS[unit]:.2f}".rstrip("0").rstrip(".") + (unit if time else "s")


def format_rate(per_second: Fraction | float) -> str:
    """ "1000/s", "0.5/s": four significant digits."""
    value = float(per_second)
    return f"{value:.0f}/s" if value >= 1000 else f"{digits(value)}/s"


def format_share(share: Fraction | float) -> str:
    return f"{digits(float(share) * 100)} %"


def digits(value: float, significant: int = 4) -> str:
    """ "0.000094": so many significant digits, and no exponent for what is small."""
    short = f"{value:.{significant}g}"
    if "e-" not in short:
        return short
    exponent = int(short.partition("e")[2])
    return f"{value:.{significant - 1 - exponent}f}".rstrip("0").rstrip(".")


def format_size(size: int) -> str:
    return write_size(size)


def _two_parts(seconds: int) -> str:
    lengths = {"d": 86_400, "h": 3600, "m": 60, "s": 1}
    names = list(lengths)
    large = next(u for u in names if seconds >= lengths[u])
    small = names[names.index(large) + 1]
    return f"{seconds // lengths[large]}{large} {seconds % lengths[large] // lengths[small]}{small}"
