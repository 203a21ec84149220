"""A function that somebody wrote, held against one that is known to be right.

It knows calls and numbers; that a call is right by chance is what the number of cases is for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["agrees"]


def agrees(written: Callable[..., Any], known: Callable[..., float], cases: Iterable[tuple[Any, ...]], within: float = 1e-6) -> None:
    """``agrees(erlang_c, theory.erlang_c, [(1, 0.5), (8, 7.2)])``: both give the same numbers, or nearly (``within``, as a
    share).  AssertionError with the first case in which they differ, and in how many they do not."""
    told = [(case, known(*case), *_called(written, case)) for case in cases]
    wrong = [(case, right, said) for case, right, found, said in told if not _are_near(found, right, within)]
    if wrong:
        case, right, said = wrong[0]
        call = f"{getattr(written, '__name__', 'your function')}({', '.join(map(_short, case))})"
        raise AssertionError(f"{call} {said}, not {_short(right)}; right in {len(told) - len(wrong)} of {len(told)} cases")


def _called(written: Callable[..., Any], case: tuple[Any, ...]) -> tuple[Any, str]:
    """What it gives, and how that is said."""
    try:
        found = written(*case)
    except Exception as error:
        return None, f"raises {type(error).__name__}: {error}"
    return found, f"is {_short(found)}"


def _are_near(found: Any, right: float, within: float) -> bool:
    is_number = isinstance(found, int | float) and not isinstance(found, bool)
    return is_number and math.isclose(found, right, rel_tol=within, abs_tol=1e-12)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else f"{value!r:.40}"
