"""Learning: what a notebook imports.  Predict, run, see; exercises that say why an answer is not right yet.

It knows runs and claims by their faces in ``qsim`` and no rule of a queue.  Names are looked up when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_WHERE = {
    "bars": "qsim.lab.charts",
    "chart": "qsim.lab.charts",
    "settling": "qsim.lab.charts",
    "agrees": "qsim.lab.functions",
    "assert_solved": "qsim.lab.grading",
    "predict": "qsim.lab.predictions",
    "predicted": "qsim.lab.predictions",
    "show": "qsim.lab.predictions",
    "exercise": "qsim.lab.exercises",
    "Exercise": "qsim.lab.exercises",
    "Score": "qsim.lab.exercises",
    "explore": "qsim.lab.sliders",
    "feedback": "qsim.lab.card",
    "watch": "qsim.lab.watching",
}

__all__ = [
    "Exercise", "Score", "agrees", "assert_solved", "bars", "chart", "exercise", "explore", "feedback", "predict", "predicted",
    "settling", "show", "watch",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'qsim.lab' has no attribute {name!r}")
    value = getattr(import_module(_WHERE[name]), name)
    globals()[name] = value
    return value
