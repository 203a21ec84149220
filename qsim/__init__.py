"""qsim: a simulator and teaching lab for message queues.

``import qsim`` loads no numpy, pandas or matplotlib: the public names are resolved when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_WHERE = {
    "load": "qsim.api",
    "expect": "qsim.api",
    "compare": "qsim.api",
    "find": "qsim.api",
    "sweep": "qsim.api",
    "brokers_table": "qsim.api",
    "Scenario": "qsim.api",
    "Run": "qsim.api",
    "CheckFailed": "qsim.claims.expect",
    "ScenarioError": "qsim.scenario.load",
    "Broker": "qsim.kernel.broker",
    "IDEAL": "qsim.brokers.ideal",
    "SQS_STANDARD": "qsim.brokers.sqs",
    "SQS_FIFO": "qsim.brokers.sqs",
    "NANOSECOND": "qsim.units",
    "MICROSECOND": "qsim.units",
    "MILLISECOND": "qsim.units",
    "SECOND": "qsim.units",
    "MINUTE": "qsim.units",
    "HOUR": "qsim.units",
    "DAY": "qsim.units",
}

__all__ = [
    "DAY",
    "HOUR",
    "IDEAL",
    "MICROSECOND",
    "MILLISECOND",
    "MINUTE",
    "NANOSECOND",
    "SECOND",
    "SQS_FIFO",
    "SQS_STANDARD",
    "Broker",
    "CheckFailed",
    "Run",
    "Scenario",
    "ScenarioError",
    "__version__",
    "brokers_table",
    "compare",
    "expect",
    "find",
    "load",
    "sweep",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'qsim' has no attribute {name!r}")
    value = getattr(import_module(_WHERE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
