"""The bar over many runs: what is left is told also where each of them takes long."""

from __future__ import annotations

import sys

import pytest

from qsim.cli import progress


@pytest.mark.parametrize("takes_s", [2.0, 90.0])
def test_the_time_that_is_left_is_that_of_the_runs_that_are_left(monkeypatch, takes_s):
    """Ten runs, four of them done: of 90 s each, rich's own window of 30 s would have none to judge by."""
    now = [0.0]
    monkeypatch.setattr(progress, "is_terminal", lambda stream: stream is sys.stderr)
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with progress.Watch("many") as watch:
        for done in range(5):
            now[0] = takes_s * done
            watch.replication(done, 10)
        [task] = watch._bar.tasks
        assert task.time_remaining == pytest.approx(6 * takes_s, abs=1)
