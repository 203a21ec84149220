"""A lesson read as cells: from a notebook and from py:percent the same, however a tool has treated it."""

from __future__ import annotations

import json

import pytest

from qsim.lab import cells, course
from tests.lab.conftest import TOY

LESSON = cells.lesson(TOY / "91-toy.py")


def test_a_lesson_knows_its_exercises_answers_and_points():
    assert {name: one.of for name, one in LESSON.exercises.items()} == {"91.1": 2.0, "91.2": 1.0}
    assert LESSON.exercises["91.2"].answer == ("rate = ...",)
    assert LESSON.cells[0].source.startswith("# 91 Toy") and not LESSON.cells[0].is_code


def test_the_notebook_has_the_same_cells(tmp_path):
    path = tmp_path / "91-toy.ipynb"
    path.write_text(json.dumps(course.notebook(LESSON)))
    assert cells.lesson(path) == LESSON


def test_solutions_have_a_reference_and_wrong_answers():
    found = cells.solutions(TOY / "solutions" / "91-toy.py")
    assert [(one.exercise, one.is_reference, one.says) for one in found] == [
        ("91.1", True, ""), ("91.1", False, "a difference of 100/s"),
        ("91.2", True, ""), ("91.2", False, "this does not hold"),
    ]  # fmt: skip


def test_answers_are_the_cells_under_the_heading_whatever_the_metadata(hand_in):
    path = hand_in("ann", {"91.2": "rate = 500 * 2"}, metadata=False)
    assert cells.answers(cells.read(path), LESSON)["91.2"] == ("rate = 500 * 2",)


def test_a_cell_added_to_an_answer_belongs_to_it_and_the_lessons_own_do_not(hand_in):
    path = hand_in("ann", {})
    data = json.loads(path.read_text())
    at = next(n for n, cell in enumerate(data["cells"]) if "91.2" in cell["metadata"].get("exercise", ""))
    data["cells"].insert(at, {"cell_type": "code", "metadata": {}, "source": ["half = 500\n", "n = 2"]})
    path.write_text(json.dumps(data))
    assert cells.answers(cells.read(path), LESSON)["91.2"] == ("half = 500\nn = 2", "rate = ...")


@pytest.mark.parametrize("text", ["{", "[]", '{"cells": 3}', "[" * 100_000, '{"cells": [3]}'])
def test_what_is_no_notebook_is_said_to_be_none(tmp_path, text):
    path = tmp_path / "x.ipynb"
    path.write_text(text)
    with pytest.raises(cells.Unreadable):
        cells.read(path)
