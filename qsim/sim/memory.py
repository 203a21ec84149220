"""How much memory is left, on systems that tell.  It knows the operating system and nothing of a run."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

_RESERVE = 160 << 20
"""Bytes for the libraries and tables that tell what a run had, beside its rows."""
_TELLING = 1.5
"""Telling takes this many times the bytes of the rows (measured: 3.75 GiB at the peak with 1.5 GiB of rows)."""


def bytes_left(rows: int) -> float:
    """Bytes until the limit, less what telling about so many bytes of rows will take; below 0 a run must stop.
    Where the system tells nothing: plenty."""
    size, resident = _used()
    return min(_limit() - resident, _own_limit() - size) - _RESERVE - _TELLING * rows


def _used() -> tuple[int, int]:
    """Bytes of address space, and bytes in memory."""
    try:
        size, resident = map(int, Path("/proc/self/statm").read_text().split()[:2])
        page = os.sysconf("SC_PAGE_SIZE")
        return size * page, resident * page
    except (OSError, ValueError):
        return -(1 << 62), -(1 << 62)


@cache
def _limit() -> int:
    """The least of QSIM_MEMORY (bytes), the group's limit, and what was free at the start."""
    return min(_free_at_start(), _group_limit(), int(os.environ.get("QSIM_MEMORY") or 1 << 62))


def _free_at_start() -> int:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable"))
        return free + max(0, _used()[1])
    except (OSError, StopIteration, ValueError):
        return 1 << 62


@cache
def _own_limit() -> int:
    """What the process may address (ulimit -v)."""
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
