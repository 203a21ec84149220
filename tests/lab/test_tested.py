"""Test files handed in: each exercise on its own, so that an endless one costs its own points."""

from __future__ import annotations

import pytest

from qsim.lab.grading import Work, grades, submissions
from qsim.lab.sandbox import Limits

pytest.importorskip("qsim.lab.pytest_plugin")

FILE = '''
import os
import pytest
from qsim import expect

@pytest.mark.exercise("01.1", points=2)
def test_right(run):
    assert expect(run("backlog-growth", {"run.duration": "1s"})).that("orders.visible at end").equals(200)

@pytest.mark.exercise("01.1", 2)
def test_wrong(run):
    expect(run("backlog-growth", {"run.duration": "1s"})).that("orders.visible at end").equals(300)

@pytest.mark.exercise("01.2")
def test_for_ever():
    while True: pass

@pytest.mark.exercise("01.3")
def test_leaves():
    os._exit(0)

@pytest.mark.exercise("01.4")
@pytest.mark.parametrize("seed", [None, "7"])
def test_knows_its_seed_and_its_data(seed):
    assert os.environ.get("QSIM_EXERCISE_SEED") == seed and os.path.exists("data.csv")

@pytest.mark.exercise("01.5")
def test_eats():
    assert bytearray(4 * 10**9)
'''


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "ann").mkdir()
    (tmp_path / "ann" / "test_week.py").write_text(FILE)
    (tmp_path / "ann" / "data.csv").write_text("1")
    (tmp_path / "test_broken.py").write_text("def (")
    (tmp_path / "test_none.py").write_text("def test_it(): pass")
    return tmp_path


def test_each_exercise_of_a_test_file_is_graded_on_its_own(folder):
    got = {one.submission.whose: one for one in grades(submissions(folder), Work(seeds=(7,), limits=Limits(wall_s=8), jobs=2))}
    assert {name: one.submission.problem[:26] for name, one in got.items()} == {
        "ann/test_week": "", "test_broken": "cannot be read as Python: ", "test_none": "has no test that is marked",
    }  # fmt: skip
    worst = {one.exercise: one for one in got["ann/test_week"].worst}
    assert {name: (one.points, one.of) for name, one in worst.items()} == {
        "01.1": (2.0, 4.0), "01.2": (0.0, 1.0), "01.3": (0.0, 1.0), "01.4": (0.5, 1.0), "01.5": (0.0, 1.0),
    }  # fmt: skip
    assert "expected 300, got 200" in worst["01.1"].told
    assert worst["01.2"].error == "took longer than 8 s"
    assert "MemoryError" in worst["01.5"].told
    assert worst["01.3"].error.startswith("ended the process")
    assert sorted(path.name for path in (folder / "ann").iterdir()) == ["data.csv", "test_week.py"]
