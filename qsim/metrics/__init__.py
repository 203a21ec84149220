"""The tables: rows become levels, values and counts, and these become numbers.

It knows the journal and the plan that made it; it does not run anything and does not judge.  Times are whole
nanoseconds inside; what leaves for people (``Numbers.value``, frames, series) is in seconds.

    ledger    the rows by kind, and the messages by dense number
    places    which row moves a message from where to where
    steps     functions of time: levels, ages, rates; their statistics
    queues    what happened in a queue: levels, oldest age, values a message
    workers   what consumers did: busy slots, live processes, effects, calls
    ends      how things stand when the run stops, without their history
    counters  every counter as rows, or as moments
    numbers   references answered
    frames    pandas tables
    life      one message's story, its leases as bars
    naming    api:351, worker-3
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_WHERE = {
    "Numbers": "numbers",
    "series": "numbers",
    "summary": "numbers",
    "frame": "frames",
    "docs": "frames",
}

__all__ = ["Numbers", "docs", "frame", "series", "summary"]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'qsim.metrics' has no attribute {name!r}")
    return getattr(import_module(f"qsim.metrics.{_WHERE[name]}"), name)
