"""What XINFO GROUPS calls ``lag``: how many entries a group has still to read, as far as Redis knows it.

It is no count of what is there.  A group counts what it reads, and Redis subtracts that from what was ever added;
entries that went unread in a trim stay in the lag, and after an XDEL it may be unknown (t_stream.c of 7.0.15).
"""

from __future__ import annotations

from dataclasses import dataclass

from qsim.kernel.log import Log


@dataclass
class Reads:
    """One group's counter: ``last`` is the newest entry it has read, ``count`` how many (None: unknown)."""

    last: int = 0
    count: int | None = None

    def note(self, log: Log, newest_deleted: int, entry: int) -> None:
        """The group has been given an entry for the first time."""
        if self.count is not None and not _has_gaps(log, newest_deleted, entry):
            self.count += 1
        else:
            self.count = _entries_up_to(log, newest_deleted, entry)
        self.last = entry

    def lag(self, log: Log, newest_deleted: int) -> int | None:
        """None: unknown."""
        count = self.count
        if count is None or _has_gaps(log, newest_deleted, self.last):
            count = _entries_up_to(log, newest_deleted, self.last)
        return None if count is None else log.added - count


def _has_gaps(log: Log, newest_deleted: int, since: int) -> bool:
    return len(log) > 0 and newest_deleted >= max(since, log.first)


def _entries_up_to(log: Log, newest_deleted: int, entry: int) -> int | None:
    """How many were ever added up to an entry, where that can be told from the edges of the log."""
    if not len(log) or entry == log.added:
        return log.added
    if newest_deleted >= log.first:
        return None
    return log.added - len(log) + (entry == log.first) if entry <= log.first else None
