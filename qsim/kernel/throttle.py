"""A token bucket of one second's worth, in whole numbers: time is counted in nanoseconds x rate, so nothing drifts."""

from __future__ import annotations

from qsim.kernel.journal import Cause
from qsim.units import SECOND, Nanos


class Bucket:
    """``rate`` calls a second, at most a second's worth at once; None: no limit."""

    __slots__ = ("_full_at", "_rate")

    def __init__(self, rate: int | None) -> None:
        self._rate = rate
        self._full_at = 0

    def take(self, now: Nanos) -> Cause:
        """THROTTLED if there is no token; else one is gone."""
        if self._rate is None:
            return Cause.NONE
        if self.next_token(now) > now:
            return Cause.THROTTLED
        self._full_at = max(self._full_at, now * self._rate) + SECOND
        return Cause.NONE

    def reserve(self, now: Nanos) -> Nanos:
        """Take the next token that is not spoken for; from when on it may be used."""
        if self._rate is None:
            return now
        time = self.next_token(now)
        self._full_at = max(self._full_at, time * self._rate) + SECOND
        return time

    def next_token(self, now: Nanos) -> Nanos:
        """The first moment from now at which a token is there."""
        if self._rate is None:
            return now
        ready = self._full_at + SECOND - SECOND * self._rate
        return max(now, -(-ready // self._rate))

    def used(self, now: Nanos) -> int:
        """How far from full it is, in nanoseconds x rate."""
        return max(0, self._full_at - now * self._rate) if self._rate is not None else 0
