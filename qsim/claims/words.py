"""Numbers in the words of the trade, and back: "2m 0s", "1,000/s", "4.5 %", "600,000".

It knows dimensions and nothing of claims.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from qsim import units
from qsim.scenario.reference import RATE, SHARE, TIME, Reference
from qsim.units import DAY, HOUR, MINUTE, SECOND, digits, format_duration, format_rate, format_share


def say(value: Any, dimension: str) -> str:
    """A value as it is compared (times in ns), for people."""
    if value is None:
        return "no data"
    if isinstance(value, Reference):
        return value.text
    if isinstance(value, float) and math.isinf(value):
        return "never"
    return _SAYS.get(dimension, _count)(value)


def meant(value: Any, dimension: str) -> Any:
    """What somebody writes in Python, as it is compared: "2m" or 120 (seconds) in ns, "200/s", "5%", or the number."""
    if isinstance(value, str):
        return _READS.get(dimension, units.number)(value)
    return round(value * SECOND) if dimension == TIME else value


_READS: dict[str, Callable[[Any], Any]] = {TIME: units.duration, RATE: units.rate, SHARE: units.share}


def plain(value: Any, dimension: str) -> Any:
    """A value for machines: seconds, numbers, the text of a reference."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, Reference):
        return value.text
    if isinstance(value, tuple | list):
        return [plain(part, dimension) for part in value]
    number = value / SECOND if dimension == TIME else value
    if isinstance(number, float) and not math.isfinite(number):
        return None if math.isnan(number) else "never"
    return number if isinstance(number, int) else float(number)


def many(count: int, what: str) -> str:
    """ "1 message", "1,200 messages"."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _count(value: Any) -> str:
    number = float(value)
    if number == round(number):
        return f"{round(number):,}"
    return f"{number:,.0f}" if abs(number) >= 1000 else digits(number)


def _time(value: Any) -> str:
    """Two parts, or from an hour on three where it is so many whole seconds: "3h 1m 59s"."""
    if not isinstance(value, int) or value < HOUR or value >= DAY or value % SECOND or not value % MINUTE:
        return format_duration(value)
    return f"{value // HOUR}h {value % HOUR // MINUTE}m {value % MINUTE // SECOND}s"


def _rate(value: Any) -> str:
    return f"{float(value):,.0f}/s" if abs(value) >= 1000 else format_rate(value)


_SAYS: dict[str, Callable[[Any], str]] = {TIME: _time, RATE: _rate, SHARE: format_share}
