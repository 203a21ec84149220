"""What a run leaves behind: its rows, and how it ended.

It knows bytes and the plan that made them; what they mean is told by ``metrics``.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from qsim.kernel.journal import FIELDS, FORMATS
from qsim.scenario.plan import Plan
from qsim.units import Nanos


@dataclass
class Recording:
    """One run.  ``stopped`` is None when it came to its end, else "max-messages", "memory" or "interrupted";
    ``ended`` is the time at which it stopped (duration, or the end of the drain).  ``overview`` holds the broker's
    own counters at that moment, {queue: {"visible": n, "in_flight": n, "delayed": n, "deferred": n}}, and of each
    dependency {"busy": n, "waiting": n}.  ``raised`` says of each consumer with a handler how often that raised what."""

    plan: Plan
    seed: int
    replication: int
    chunks: list[bytes]
    ended: Nanos
    stopped: str | None
    wall_s: float
    overview: dict[str, dict[str, int]]
    drained: bool = True
    raised: dict[str, dict[str, int]] = field(default_factory=dict)
    _array: Any = field(default=None, repr=False)

    @cached_property
    def digest(self) -> str:
        """sha256 of the rows: the same scenario and seed give the same one on every machine."""
        sha = hashlib.sha256()
        for chunk in self.chunks:
            sha.update(chunk)
        return sha.hexdigest()

    def rows(self) -> Any:
        """All rows as one numpy array with the journal's FIELDS (read only)."""
        import numpy as np

        if self._array is None:
            dtype = np.dtype(list(zip(FIELDS, FORMATS, strict=True)))
            parts = [np.frombuffer(chunk, dtype) for chunk in self.chunks]
            self._array = parts[0] if len(parts) == 1 else np.concatenate(parts) if parts else np.empty(0, dtype)
            self.chunks = [self._array.data.cast("B") if len(parts) > 1 else self.chunks[0]] if parts else []
        return self._array
