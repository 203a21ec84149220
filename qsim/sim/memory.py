"""How much memory is left, on systems that tell.  It knows the operating system and nothing of a run."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

_RESERVE = 256 << 20
"""A run stops while there is still room to tell what it had."""


def bytes_left() -> int:
    """Bytes until the limit, less a reserve; below 0 a run must stop.  Where nothing is known: plenty."""
    used = _resident()
    return 1 << 62 if used is None else _limit() - used - _RESERVE


def _resident() -> int | None:
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None


@cache
def _limit() -> int:
    """The least of QSIM_MEMORY (bytes), the process's own limit, the group's, and what was free at the start."""
    limits = [_free_at_start(), _own_limit(), _group_limit()]
    if wished := os.environ.get("QSIM_MEMORY"):
        limits.append(int(wished) + _RESERVE)
    return min(limits)


def _free_at_start() -> int:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable"))
        return free + (_resident() or 0)
    except (OSError, StopIteration, ValueError):
        return 1 << 62


def _own_limit() -> int:
    try:
        import resource

        soft, _ = resource.getrlimit(resource.RLIMIT_AS)
        return 1 << 62 if soft == resource.RLIM_INFINITY else soft
    except (ImportError, OSError):
        return 1 << 62


def _group_limit() -> int:
    for name in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            return int(Path(name).read_text())
        except (OSError, ValueError):
            continue
    return 1 << 62
