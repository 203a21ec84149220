"""What may be changed by hand, and through which values: a range of a setting as the steps of a slider.

It knows how a scenario spells durations, rates and shares; which widget moves through them, ``sliders`` decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from qsim import units
from qsim.api import Scenario
from qsim.scenario.paths import value_at
from qsim.units import DAY, HOUR, MILLISECOND, MINUTE, SECOND

STEPS = 20
"""Of a slider between two rates, shares or decimal numbers."""
DURATIONS = tuple(
    number * unit
    for unit, numbers in (
        (MILLISECOND, (1, 2, 5, 10, 20, 50, 100, 200, 500)),
        (SECOND, (1, 2, 3, 5, 7, 10, 15, 20, 30, 45)),
        (MINUTE, (1, 2, 3, 5, 7, 10, 15, 20, 30, 45)),
        (HOUR, (1, 2, 3, 4, 6, 8, 12)),
        (DAY, (1, 2, 3, 4, 7, 14)),
    )
    for number in numbers
)
"""In ns: what people write."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A dotted path and the values to choose from, ``start`` being one of them; ``is_ordered``: they go from low to high."""

    path: str
    values: Sequence[Any]
    start: Any
    is_ordered: bool = True

    @property
    def is_switch(self) -> bool:
        return set(map(type, self.values)) == {bool}


def settings(scenario: Scenario, asked: Mapping[str, Any]) -> list[Setting]:
    """``(1, 20)`` and ``("5s", "2m")`` are ranges, ``bool`` is on or off, any other sequence a choice.  They start where
    the scenario stands, or with their first value where it says nothing."""
    if not asked:
        raise ValueError('say what may be changed: {"consumers.worker.count": (1, 20)}')
    return [_setting(path, values, value_at(scenario.document, tuple(path.split(".")))) for path, values in asked.items()]


def _setting(path: str, values: Any, now: Any) -> Setting:
    if values is bool or isinstance(values, bool):
        return Setting(path, (False, True), values if values is not bool else bool(now), is_ordered=False)
    if isinstance(values, str) or not isinstance(values, Sequence) or not len(values):
        raise ValueError(f"{path}: two ends, (1, 20) or ('5s', '2m'), or a list of choices; not {values!r}")
    if isinstance(values, tuple) and len(values) == 2:
        steps, reads = _between(path, *values)
        return _standing(path, steps, now, reads)
    start = now if now in values else values[0]
    return Setting(path, tuple(values), start, is_ordered=isinstance(values, range))


def _between(path: str, low: Any, high: Any) -> tuple[Sequence[Any], Callable[[Any], Any]]:
    """The steps of a range, and how one is read as a number."""
    if all(type(end) is int for end in (low, high)):
        return range(min(low, high), max(low, high) + 1), _same
    if all(isinstance(end, int | float) for end in (low, high)):
        return [round(low + (high - low) * i / STEPS, 9) for i in range(STEPS + 1)], _same
    for reads, steps in _SPELT:
        try:
            ends = sorted((reads(low), reads(high)))
        except ValueError:
            continue
        return steps(*ends), reads
    raise ValueError(f"{path}: {low!r} and {high!r} are no two numbers, durations, rates or shares")


def _same(value: Any) -> Any:
    return value


def _of_durations(low: int, high: int) -> list[str]:
    return [units.write_duration(time) for time in (low, *(t for t in DURATIONS if low < t < high), high)]


def _even(write: Callable[[Fraction], str]) -> Callable[[Any, Any], list[str]]:
    return lambda low, high: [write(low + Fraction(high - low) * i / STEPS) for i in range(STEPS + 1)]


_SPELT: tuple[tuple[Callable[[Any], Any], Callable[[Any, Any], list[str]]], ...] = (
    (units.duration, _of_durations),
    (units.rate, _even(units.write_rate)),
    (units.share, _even(units.write_share)),
)


def _standing(path: str, steps: Sequence[Any], now: Any, reads: Callable[[Any], Any]) -> Setting:
    """With what the scenario says among the steps, even where no step would be."""
    try:
        number = reads(now)
        known = {reads(step): step for step in steps}
        if number not in known and min(known) < number < max(known):
            known[number] = now
    except (ValueError, TypeError):
        return Setting(path, steps, steps[0])
    if number not in known:
        return Setting(path, steps, steps[0])
    ordered = steps if len(known) == len(steps) else [known[key] for key in sorted(known)]
    return Setting(path, ordered, known[number])
