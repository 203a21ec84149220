"""References over time as they are drawn: the same numbers as the run tells, and no peak lost."""

from __future__ import annotations

import numpy as np
import pytest

from qsim.metrics.curves import CELLS, CHANGES, curve, round_step
from qsim.units import HOUR, MINUTE, SECOND
from tests.plot.runs import leases, station


def test_a_level_with_few_changes_is_told_at_each_of_them():
    run = leases()
    frame = run.frame("jobs-dlq")
    drawn = curve(run.numbers, "jobs-dlq.visible")
    assert list(drawn.columns) == ["value"]
    changes = frame.loc[frame.visible.diff().fillna(0) != 0, ["time_s", "visible"]]
    assert list(drawn.index[1:-1]) == list(changes.time_s)
    assert list(drawn.value[1:-1]) == list(changes.visible)


def test_what_changes_often_is_told_by_cells_that_lose_no_peak():
    run = station()
    drawn = curve(run.numbers, "jobs.visible")
    assert len(run.frame("jobs")) > CHANGES > len(drawn)
    assert drawn.high.max() == run["jobs.visible max from 0"]
    assert drawn.low.min() == run["jobs.visible min from 0"]
    for at in (0, 7, len(drawn) - 2):
        start, end = (f"{drawn.index[i]:.0f}s" for i in (at, at + 1))
        assert drawn.value.iloc[at] == pytest.approx(run[f"jobs.visible mean from {start} to {end}"])
        assert drawn.high.iloc[at] == run[f"jobs.visible max from {start} to {end}"]


def test_an_age_is_a_saw():
    """It grows with time while something waits, and falls in no time."""
    run = leases()
    saw = curve(run.numbers, "jobs.oldest_age from 10m to 13m")
    assert list(saw.columns) == ["value"]
    time, value = np.diff(saw.index), np.diff(saw.value)
    assert value[time > 0].min() >= 0 > value[time == 0].min()
    assert value[time > 0].sum() == pytest.approx(run["jobs.visible share from 10m to 13m"] * 180)
    assert saw.value.max() == pytest.approx(run["jobs.oldest_age max from 10m to 13m"])


def test_an_age_in_cells_is_its_average():
    run = station()
    cells = curve(run.numbers, "jobs.oldest_age")
    assert cells.high.max() == pytest.approx(run["jobs.oldest_age max from 0"])
    start, end = (f"{cells.index[i]:.0f}s" for i in (5, 6))
    assert cells.value.iloc[5] == pytest.approx(run[f"jobs.oldest_age mean from {start} to {end}"])


def test_a_share_is_its_average_and_has_no_band():
    run = station()
    drawn = curve(run.numbers, "worker.utilization")
    assert list(drawn.columns) == ["value"]
    start, end = (f"{drawn.index[i]:.0f}s" for i in (3, 4))
    assert drawn.value.iloc[3] == pytest.approx(run[f"worker.utilization mean from {start} to {end}"])


def test_a_rate_counts_every_event_in_its_cell():
    run = station()
    drawn = curve(run.numbers, "api.rate")
    sent = (drawn.value.to_numpy()[:-1] * np.diff(drawn.index)).sum()
    assert sent == pytest.approx(run["api.sent at end"])
    assert len(drawn) <= CELLS + 1


def test_values_a_message_are_told_by_their_statistic():
    run = station()
    drawn = curve(run.numbers, "jobs.wait p95")
    frame = run.frame("messages")
    low, high = drawn.index[9], drawn.index[10]
    mine = frame.wait_s[(frame.received_s > low) & (frame.received_s <= high)]
    assert drawn.value.iloc[10] == pytest.approx(mine.quantile(0.95))


def test_a_window_is_kept_to():
    drawn = curve(station().numbers, "jobs.visible from 5m to 10m")
    assert (drawn.index[0], drawn.index[-1]) == (300, 600)


def test_a_short_rest_belongs_to_the_last_cell():
    for reference in ("api.rate from 0 to 10m3s", "jobs.visible from 0 to 10m1s"):
        cells = np.diff(curve(station().numbers, reference).index)
        assert len(set(cells[:-1])) == 1 and cells[0] < cells[-1] <= 1.5 * cells[0]


@pytest.mark.parametrize(
    ("span", "parts", "step"), [(10 * MINUTE, 5, 2 * MINUTE), (61 * SECOND, 6, 15 * SECOND), (48 * HOUR, 8, 6 * HOUR)]
)
def test_steps_are_those_that_people_count_in(span, parts, step):
    assert round_step(span, parts) == step
