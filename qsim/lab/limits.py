"""An answer that never ends is stopped, where the system has an alarm clock for it.

It knows seconds of the wall clock, and nothing of exercises.  Windows, and threads other than the main one, have no
such alarm: there whoever waits has to interrupt.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class TookTooLong(BaseException):
    """Not an Exception: an answer's own ``except Exception`` must not keep it alive."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """What takes longer is ended by TookTooLong, which rings again every second until it is heard."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, _ring)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _ring(*_: Any) -> None:
    raise TookTooLong
