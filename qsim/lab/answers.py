"""Questions that come faster than answers: the newest is answered, what is older is given up.

It knows runs and one thread of its own, and nothing of what shows them.  An answer comes twice where a run takes longer
than a moment: as much of it as fits into FIRST_LOOK, and the whole.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import perf_counter
from typing import Any

from qsim.api import Run, Scenario

FIRST_LOOK = 0.25
"""Seconds of real time after which as much of a run is shown as there is."""


class GivenUp(Exception):
    """Something else has been asked meanwhile."""


def looks(scenario: Scenario, is_wanted: Callable[[], bool], tell: Callable[[Run], None]) -> None:
    """Tell the beginning of the run, if it does not come to its end at once, and the whole run."""
    begun = perf_counter()

    def go_on(_: Any) -> None:
        if not is_wanted():
            raise GivenUp

    def go_on_a_moment(_: Any) -> None:
        go_on(_)
        if perf_counter() - begun > FIRST_LOOK:
            raise KeyboardInterrupt  # as when somebody stops it by hand: what there is, is kept

    run = scenario.run(progress=go_on_a_moment)
    tell(run)
    if run.recording.stopped == "interrupted":
        tell(scenario.run(progress=go_on))


class Newest:
    """Answers in a thread of its own; ``answer(question, is_wanted)`` may end with GivenUp once it is no longer wanted."""

    def __init__(self, answer: Callable[[Any, Callable[[], bool]], None]) -> None:
        self._answer = answer
        self._lock = threading.Lock()
        self._asked: list[Any] = []
        """The question not begun yet: one at most."""
        self._number = 0
        self._thread: threading.Thread | None = None

    def ask(self, question: Any) -> None:
        """Answer this one, and none that was asked before."""
        with self._lock:
            self._number += 1
            self._asked = [question]
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="qsim-explore", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Answer nothing any more of what was asked."""
        with self._lock:
            self._number += 1
            self._asked = []

    def wait(self, seconds: float | None = None) -> bool:
        """Until everything is answered or given up; whether it came to that in time."""
        thread = self._thread
        if thread is not None:
            thread.join(seconds)
        return thread is None or not thread.is_alive()

    def _work(self) -> None:
        while (taken := self._next()) is not None:
            number, question = taken
            try:
                self._answer(question, lambda number=number: number == self._number)  # type: ignore[misc]
            except GivenUp:
                continue

    def _next(self) -> tuple[int, Any] | None:
        with self._lock:
            if not self._asked:
                self._thread = None
                return None
            return self._number, self._asked.pop()
