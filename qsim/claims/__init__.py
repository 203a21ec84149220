"""Is it true?  Expectations become verdicts, and a failure says what happened and why.

It knows numbers (``metrics``) and what a scenario expects of them; it runs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_WHERE = {
    "Verdict": "verdicts",
    "verdicts": "verdicts",
    "CheckFailed": "expect",
    "expect": "expect",
    "conservation": "conservation",
}

__all__ = ["CheckFailed", "Verdict", "conservation", "expect", "verdicts"]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'qsim.claims' has no attribute {name!r}")
    return getattr(import_module(f"qsim.claims.{_WHERE[name]}"), name)
