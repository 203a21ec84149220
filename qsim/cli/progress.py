"""The bar that shows how far a run is: simulated time, messages, messages a second.

It knows the clock on the wall and a terminal.  Nothing is shown in the first second, nor where stderr is no terminal.
"""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

from qsim.cli.terminal import is_terminal
from qsim.units import format_duration

PATIENCE = 1.0
DAY_S = 86_400.0


class Watch:
    """Called by a run every now and then; ``was_shown`` says whether the line of the cursor was used."""

    def __init__(self, title: str, *, quiet: bool = False) -> None:
        self.title = title
        self.was_shown = False
        self._begun = time.monotonic()
        self._bar: Any = None
        self._task: Any = None
        self._done, self._of = 0, 1
        self._quiet = quiet or not is_terminal(sys.stderr)

    def replication(self, done: int, of: int) -> None:
        """So many replications are done."""
        self._done, self._of = done, of
        if of > 1:
            self._show(done / of, "")

    def __call__(self, progress: Any) -> None:
        """How far the present one is."""
        rate = progress.messages / max(0.001, time.monotonic() - self._begun)
        told = f"{format_duration(progress.now)}  {progress.messages:,} messages  {rate:,.0f}/s"
        self._show((self._done + progress.now / max(1, progress.until)) / self._of, told if self._of == 1 else "")

    def _show(self, share: float, told: str) -> None:
        if self._quiet or time.monotonic() - self._begun < PATIENCE:
            return
        self._bar = self._bar or self._started()
        which = f" {self._done + 1} of {self._of}" if self._of > 1 else ""
        self._bar.update(self._task, completed=share, told=told, which=which)

    def _started(self) -> Any:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        sys.stderr.write("\r\x1b[2K")
        columns = (
            TextColumn("{task.description}{task.fields[which]}"),
            BarColumn(20),
            TextColumn("{task.percentage:>3.0f}%  {task.fields[told]}"),
            TimeRemainingColumn(compact=True),
        )
        # the speed is that of all runs so far: of those of the last 30 s alone there may be none
        bar = Progress(
            *columns,
            console=Console(stderr=True),
            transient=True,
            speed_estimate_period=DAY_S,
            get_time=time.monotonic,
        )
        self._task = bar.add_task(self.title, total=1, told="", which="")
        self.was_shown = True
        bar.start()
        return bar

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
