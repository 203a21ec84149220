"""nbgrader and otter-grader grade an exercise: a right, a partly right and a wrong answer get what they are worth."""

from __future__ import annotations

import html
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SETUP = """from qsim import expect, load
from qsim.lab import exercise
s = load("backlog-growth").set({"run.duration": "20s"})"""
CHECK = """ex = exercise("01.2", points=2)
fix = ex.run(s, enough)
ex.check(lambda: expect(fix).stable("orders"))
ex.check(lambda: expect(fix).that("worker.count").at_most(10))
ex.score()"""
ANSWERS = {
    "right": ('enough = {"consumers.worker.count": 10}', 2),
    "partly": ('enough = {"consumers.worker.count": 12}', 1),
    "wrong": ('enough = {"consumers.wrker.count": 10}', 0),
    "unsolved": ("enough = ...", 0),
}
SAYS = {
    "partly": "expected at most 10, got 12",
    "wrong": "did you mean 'worker'?",
    "unsolved": "not answered yet: replace the ... in the cell above",
}


def environment(home: Path) -> dict[str, str]:
    """Kernels and graders leave nothing behind."""
    here = {name: str(home / name) for name in ("HOME", "IPYTHONDIR", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR")}
    return {**os.environ, **here, "MPLBACKEND": "Agg", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def call(folder: Path, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def notebook(*cells: Any) -> dict[str, Any]:
    return {"cells": list(cells), "nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}}  # fmt: skip


def cell(name: str, source: str, **metadata: Any) -> dict[str, Any]:
    return {"cell_type": "code", "id": name, "source": source, "metadata": metadata, "outputs": [], "execution_count": None}


# --- nbgrader ---------------------------------------------------------------------------------------------------------


def for_nbgrader(answer: str) -> dict[str, Any]:
    """A teacher's notebook: the answer cell is a solution, the check cell an autograder test worth 2 points."""
    common = {"schema_version": 3, "task": False}
    solution = {**common, "grade": False, "grade_id": "answer", "locked": False, "solution": True}
    test = {**common, "grade": True, "grade_id": "check", "locked": True, "points": 2, "solution": False}
    solved = f"### BEGIN SOLUTION\n{answer}\n### END SOLUTION"
    return notebook(cell("setup", SETUP), cell("answer", solved, nbgrader=solution), cell("check", CHECK, nbgrader=test))


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course in which everybody handed in and was graded."""
    pytest.importorskip("nbgrader", reason="nbgrader is not installed: pip install 'qsim-lab[graders]'")
    folder = tmp_path_factory.mktemp("course")
    settings = "c.CourseDirectory.course_id = 'queues'", "c.ClearSolutions.code_stub = {'python': 'enough = ...'}"
    (folder / "nbgrader_config.py").write_text("\n".join(["c = get_config()", *settings]))
    source = folder / "source" / "week1"
    source.mkdir(parents=True)
    (source / "shop.ipynb").write_text(json.dumps(for_nbgrader(ANSWERS["right"][0])))
    call(folder, "-m", "nbgrader", "generate_assignment", "week1")
    for student, (answer, _) in ANSWERS.items():
        hand_in(folder, student, answer)
    call(folder, "-m", "nbgrader", "autograde", "week1")
    call(folder, "-m", "nbgrader", "generate_feedback", "week1")
    return folder


def hand_in(folder: Path, student: str, answer: str) -> None:
    """What was released, with this student's answer in it."""
    released = json.loads((folder / "release" / "week1" / "shop.ipynb").read_text())
    for each in released["cells"]:
        if each["metadata"].get("nbgrader", {}).get("grade_id") == "answer":
            assert "".join(each["source"]).strip() == "enough = ..."
            each["source"] = answer
    target = folder / "submitted" / student / "week1"
    target.mkdir(parents=True)
    (target / "shop.ipynb").write_text(json.dumps(released))


def test_nbgrader_gives_partial_points(course: Path):
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as book:
        points = {student: book.find_submission("week1", student).score for student in ANSWERS}
    assert points == {student: worth for student, (_, worth) in ANSWERS.items()}


@pytest.mark.parametrize("student", SAYS)
def test_nbgrader_shows_students_the_feedback_beside_the_points(course: Path, student: str):
    page = (course / "feedback" / student / "week1" / "shop.html").read_text()
    assert SAYS[student] in " ".join(html.unescape(re.sub(r"<[^>]+>", "", page)).split())


# --- otter ------------------------------------------------------------------------------------------------------------

OTTER_TEST = """
from otter.test_files import test_case
from qsim import expect

OK_FORMAT = False
name = "q1"

@test_case(points=1, name="stable")
def test_stable(s, enough):
    expect(s.set(enough).run()).stable("orders")

@test_case(points=1, name="few")
def test_few(s, enough):
    expect(s.set(enough).run()).that("worker.count").at_most(10)
"""
"""otter's exception format knows no exercise: each case raises what qsim says."""


@pytest.mark.parametrize("student", ["right", "partly", "wrong"])
def test_otter_grades_by_exceptions_and_prints_what_they_say(tmp_path: Path, student: str):
    pytest.importorskip("otter", reason="otter-grader is not installed: pip install 'qsim-lab[graders]'")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "q1.py").write_text(OTTER_TEST)
    answer, worth = ANSWERS[student]
    (tmp_path / "student.py").write_text(
        f"{SETUP}\n{answer}\nimport otter\ngrader = otter.Notebook(tests_dir='tests')\nresult = grader.check('q1')\n"
        "print('points', result.score)\nprint(result)\n"
    )
    said = call(tmp_path, "student.py")
    assert f"points {worth:g}" in said.replace(".0", "")
    assert SAYS.get(student, "q1 results: All test cases passed!") in said
