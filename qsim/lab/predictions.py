"""Predict first, then run: what was predicted stands beside what came.

It knows the predictions of this session, newest of a reference last; being wrong costs nothing, not predicting does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qsim.api import Run

MADE: dict[str, Prediction] = {}
"""The predictions of this session by reference."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What somebody expects of a reference, in seconds or as a count."""

    reference: str
    value: Any

    def __repr__(self) -> str:
        return f"predicted {self.reference}: {self.value}"


def predict(reference: str, value: Any) -> Prediction:
    """Remember a prediction, to be shown beside the answer: ``predict("orders.visible at end", 100_000)``."""
    if value is not ...:
        MADE[reference] = Prediction(reference, value)
    return Prediction(reference, value)


def show(run: Run, *references: str) -> Any:
    """The run's picture, with each prediction about what is drawn as a dashed line."""
    return run.plot(*references)
