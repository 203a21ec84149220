"""A function that somebody wrote, held against one that is known to be right.

It knows calls and numbers; that a call is right by chance is what the number of cases is for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from numbers import Integral, Real
from typing import Any

__all__ = ["agrees"]


def agrees(written: Callable[..., Any], known: Callable[..., float], cases: Iterable[tuple[Any, ...]], within: float = 1e-6) -> None:
    """``agrees(erlang_c, theory.erlang_c, [(1, 0.5), (8, 7.2)])``: both give the same numbers, or nearly (``within``, as a
    share).  AssertionError with the first case in which they differ, and in how many they do not."""
    told = [(case, known(*case), *_called(written, case)) for case in cases]
    if not told:
        raise ValueError("agrees needs a case or more: [(1, 0.5), (8, 7.2)]")
    wrong = [(case, right, found, raised) for case, right, found, raised in told if not _are_near(found, right, within)]
    if wrong:
        case, right, found, raised = wrong[0]
        digits = next((n for n in (4, 8) if _short(found, n) != _short(right, n)), 17)
        call = f"{getattr(written, '__name__', 'your function')}({', '.join(map(_short, case))})"
        said = raised or f"is {_short(found, digits)}"
        raise AssertionError(f"{call} {said}, not {_short(right, digits)}; right in {len(told) - len(wrong)} of {len(told)} cases")


def _called(written: Callable[..., Any], case: tuple[Any, ...]) -> tuple[Any, str]:
    """What it gives, or what it raises."""
    try:
        return written(*case), ""
    except Exception as error:
        return None, f"raises {type(error).__name__}: {error}"


def _are_near(found: Any, right: float, within: float) -> bool:
    return _is_number(found) and math.isclose(found, right, rel_tol=within, abs_tol=1e-12)


def _is_number(value: Any) -> bool:
    """numpy's as well."""
    return isinstance(value, Real) and not isinstance(value, bool)


def _short(value: Any, digits: int = 4) -> str:
    if not _is_number(value):
        return f"{value!r:.40}"
    return f"{value!s:.40}" if isinstance(value, Integral) else f"{float(value):.{digits}g}"
