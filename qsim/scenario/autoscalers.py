"""What autoscalers do unless they are told otherwise, each value with where it is written.

It knows defaults and the words of ``metric:``, nothing that runs; the formulas stand in ``sim/autoscale``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from qsim.scenario import model, reference
from qsim.units import MINUTE, SECOND


@dataclass(frozen=True, slots=True)
class Default:
    """``source``: the page that states it, or "ours"."""

    value: Any
    source: str


_AWS = "EC2 Auto Scaling"
_HPA = "Kubernetes, Horizontal Pod Autoscaling"
_KEDA = "KEDA, ScaledObject specification"

DEFAULTS: dict[str, dict[str, Default]] = {
    "backlog-per-consumer": {
        "metric": Default("visible", f"{_AWS}, Scaling policy based on Amazon SQS"),
        "min": Default(1, "ours"),
        "every": Default(MINUTE, "CloudWatch, metrics for Amazon SQS: one-minute intervals"),
        "tolerance": Default(Fraction(0), "ours"),
        "scale_down_after": Default(15 * MINUTE, f"{_AWS}, target tracking: 15 datapoints below"),
    },
    "keda": {
        "metric": Default("visible+in_flight", "KEDA, AWS SQS Queue: scaleOnInFlight"),
        "target": Default(5, "KEDA, AWS SQS Queue: queueLength"),
        "min": Default(0, f"{_KEDA}: minReplicaCount"),
        "max": Default(100, f"{_KEDA}: maxReplicaCount"),
        "every": Default(30 * SECOND, f"{_KEDA}: pollingInterval"),
        "tolerance": Default(Fraction(1, 10), f"{_HPA}: tolerance"),
        "scale_down_after": Default(5 * MINUTE, f"{_KEDA}: cooldownPeriod, and the HPA's stabilization window"),
    },
    "hpa": {
        "min": Default(1, f"{_HPA}: minReplicas"),
        "every": Default(15 * SECOND, f"{_HPA}: sync period"),
        "tolerance": Default(Fraction(1, 10), f"{_HPA}: tolerance"),
        "scale_down_after": Default(5 * MINUTE, f"{_HPA}: stabilization window"),
    },
    "steps": {
        "metric": Default("visible", "ours"),
        "min": Default(1, "ours"),
        "every": Default(MINUTE, "CloudWatch, metrics for Amazon SQS: one-minute intervals"),
        "scale_down_after": Default(5 * MINUTE, "ours"),
    },
}
"""By policy.  A key that is not here has no default, or does not exist for the policy."""

REQUIRED: dict[str, tuple[str, ...]] = {
    "backlog-per-consumer": ("target", "max"),
    "keda": (),
    "hpa": ("metric", "target", "max"),
    "steps": ("steps", "max"),
}
IGNORED: dict[str, dict[str, str]] = {
    **{policy: {"steps": "only policy steps has steps"} for policy in ("backlog-per-consumer", "keda", "hpa")},
    "steps": {"target": "the steps say what happens at which value", "tolerance": "a step is passed or is not"},
}
"""What a policy has no use for, and why."""


def value(given: model.Autoscale, key: str) -> Any:
    """What is written, or the policy's default (None: neither)."""
    said = getattr(given, key)
    default = DEFAULTS[given.policy].get(key)
    return said if said is not None or default is None else default.value


def series(text: str) -> tuple[str, ...]:
    """``visible+in_flight``: bare series of the consumer's queues; () where it is a reference."""
    return () if "." in text else tuple(word.strip() for word in text.split("+"))


def references(text: str, queues: Sequence[str]) -> tuple[reference.Reference, ...]:
    """What is added up: one reference, or each bare series of each queue."""
    names = series(text)
    return tuple(reference.parse(f"{queue}.{name}") for queue in queues for name in names) or (reference.parse(text),)
