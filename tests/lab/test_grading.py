"""Submissions graded, and the exercises themselves proved: points, seeds, files, and what is never written to."""

from __future__ import annotations

import csv
import json
import shutil
from hashlib import sha256
from xml.etree import ElementTree

import pytest

from qsim.cli.app import run as qsim
from qsim.lab import assert_solved, course
from qsim.lab.grading import NotSolved, Work, grades, self_test, submissions
from qsim.lab.grading import proofs as proved
from tests.lab.conftest import TOY

ALL = {"91.1": 'enough = {"consumers.worker.count": 10}', "91.2": "rate = 1000"}
SOME = {"91.1": 'enough = {"consumers.worker.count": 9}', "91.2": "rate = 1000"}


def points(folder, **how):
    return {one.submission.whose: one.points for one in grades(submissions(folder), Work(**how))}


def test_a_folder_is_graded_submission_by_submission(toy, hand_in):
    hand_in("ann/91-toy", ALL)
    hand_in("bob/91-toy", SOME)
    hand_in("cleo", {})
    hand_in("dan", {"91.1": "while False: pass\n1 / 0", "91.2": "rate = 1000"})
    hand_in(".ipynb_checkpoints/cleo", ALL)
    folder = hand_in("ann/91-toy", ALL).parent.parent
    assert points(folder, jobs=2) == {"ann/91-toy": 3.0, "bob/91-toy": 2.0, "cleo": 0.0, "dan": 1.0}


def test_only_the_answers_of_a_submission_count(toy, hand_in):
    """Check cells edited, deleted, or made to give points: the lesson's are run."""
    path = hand_in("ann", SOME, keep=lambda cell: cell["metadata"].get("role") != "check")
    assert points(path) == {"ann": 2.0}
    data = json.loads(hand_in("ann", SOME).read_text())
    for cell in data["cells"]:
        if cell["metadata"].get("role") == "check":
            cell["source"] = "from qsim.lab import Score\n100"
    path.write_text(json.dumps(data))
    assert points(path) == {"ann": 2.0}


def test_a_missing_answer_is_not_answered(toy, hand_in):
    path = hand_in("ann", ALL, keep=lambda cell: cell["metadata"].get("exercise") != "91.1")
    [grade] = grades(submissions(path), Work())
    assert [one.points for one in grade.worst] == [0.0, 1.0]
    assert "not answered yet" in grade.worst[0].told


def test_the_seed_with_the_fewest_points_counts(toy, hand_in):
    lucky = "import os\nrate = 1000 if os.environ.get('QSIM_EXERCISE_SEED') != '2' else 0"
    path = hand_in("ann", {"91.2": lucky})
    assert points(path, seeds=(1, 3)) == {"ann": 1.0}
    [grade] = grades(submissions(path), Work(seeds=(1, 2, 3)))
    assert (grade.points, grade.worst[1].seed) == (0.0, 2)


def test_files_of_grades(toy, hand_in, tmp_path, capsys):
    hand_in("=bob", SOME)
    folder = hand_in("ann", ALL).parent
    (folder / "x.ipynb").write_text("{")
    (folder / "91-y.ipynb").write_text('{"cells": []}')
    out = {name: tmp_path / f"grades.{name}" for name in ("csv", "json", "junit")}
    before = {path: sha256(path.read_bytes()).digest() for path in folder.rglob("*")}
    assert qsim(["grade", str(folder), *(word for name, path in out.items() for word in (f"--{name}", str(path)))]) == 0
    assert {path: sha256(path.read_bytes()).digest() for path in folder.rglob("*")} == before
    rows = list(csv.DictReader(out["csv"].open()))
    assert [(row["submission"], row["points"], row["91.1"]) for row in rows] == [
        ("91-y", "0", "0"), ("'=bob", "2", "1"), ("ann", "3", "2"), ("x", "0", ""),
    ]  # fmt: skip
    told = json.loads(out["json"].read_text())["submissions"]
    assert "a difference of 100/s" in "\n".join(told[1]["exercises"][0]["feedback"])
    suites = ElementTree.parse(out["junit"]).getroot()
    assert [(suite.get("failures"), suite.get("errors")) for suite in suites] == [
        ("2", "0"),
        ("1", "0"),
        ("0", "0"),
        ("0", "1"),
    ]
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4 and all(len(line) <= 80 for line in lines)


def test_what_was_handed_in_is_not_written_over(toy, hand_in, capsys):
    path = hand_in("ann", ALL)
    before = path.read_bytes()
    for target in (path, path.parent):
        assert qsim(["grade", str(target), "--csv", str(path)]) == 2
        assert "this is what was handed in" in capsys.readouterr().err
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "say what to grade"),
        (["nowhere"], "no such file or folder"),
        (["."], "no notebook in this folder"),
        ([".", "--seeds", "none.txt"], "a file with seeds, or how many"),
        ([".", "--seeds", "0"], "a file with seeds, or how many"),
        ([".", "--seeds", "bad.txt"], "'seven' is no seed"),
        ([".", "--time", "60"], "--time 60"),
        ([".", "--memory", "much"], "--memory much"),
        ([".", "--lessons", "91"], "--lessons goes with --self-test"),
        (["--self-test", "--lessons", "17"], "there is no such lesson; there are 91"),
        (["--self-test", "--csv", "g.csv"], "--self-test writes no grades"),
    ],
)
def test_a_wrong_command_line(toy, tmp_path, monkeypatch, capsys, words, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.txt").write_text("1\nseven")
    assert qsim(["grade", *words]) == 2
    assert says in capsys.readouterr().err


def test_the_self_test_passes_where_exercises_are_graded_as_they_should(toy, capsys):
    assert qsim(["grade", "--self-test", "--seeds", "2", "--jobs", "2"]) == 0
    said = capsys.readouterr()
    assert said.out.count("ok ") == 4 and "4 answers, 2 seeds each: all graded as they should be" in said.err


@pytest.mark.parametrize(
    ("was", "now", "why"),
    [
        ('"consumers.worker.count": 10', '"consumers.worker.count": 8', "gets 1 of 2"),
        ('"consumers.worker.count": 9', '"consumers.worker.count": 10', "gets 2 of 2"),
        ("a difference of 100/s", "the moon", "is not told 'the moon'"),
        (' says="this does not hold"', "", "does not say what it should be told"),
        ('exercise="91.2" role="wrong"', 'exercise="91.7" role="wrong"', "none is listed"),
        ('exercise="91.2" role="reference"', 'exercise="91.2" role="none"', "there is none"),
    ],
)
def test_the_self_test_fails_where_they_are_not(tmp_path, was, now, why):
    shutil.copytree(TOY, tmp_path / "toy")
    path = tmp_path / "toy" / "solutions" / "91-toy.py"
    assert was in path.read_text()
    path.write_text(path.read_text().replace(was, now))
    found = [one.why for one in proved(self_test(["91"], tmp_path / "toy"), Work(seeds=(1,)))]
    assert any(why in each for each in found), found


def test_an_answer_that_is_right_by_luck_is_found_by_the_seeds(tmp_path):
    shutil.copytree(TOY, tmp_path / "toy")
    path = tmp_path / "toy" / "solutions" / "91-toy.py"
    path.write_text(
        path.read_text().replace("rate = 1000", "import os\nrate = 1000 * (os.environ['QSIM_EXERCISE_SEED'] != '3')")
    )
    test = self_test(["91"], tmp_path / "toy")
    assert not any(one.why for one in proved(test, Work(seeds=(1, 2))))
    assert [one.seed for one in proved(test, Work(seeds=(1, 2, 3, 4))) if one.why] == [3]


# --- a folder for a class ---------------------------------------------------------------------------------------------


def test_a_course_folder_has_all_but_the_solutions(toy, tmp_path, capsys):
    assert qsim(["lab", "init", str(tmp_path / "week 3"), "--lessons", "91"]) == 0
    names = sorted(path.name for path in (tmp_path / "week 3").iterdir())
    assert names == ["91-toy.ipynb", "README.md", "test_week_3.py"]
    notebook = json.loads((tmp_path / "week 3" / "91-toy.ipynb").read_text())
    assert all(not cell.get("outputs") for cell in notebook["cells"])
    assert 'worker.count": 10' not in json.dumps(notebook)


def test_nothing_is_written_over_what_is_there(toy, tmp_path, capsys):
    (tmp_path / "README.md").write_text("mine")
    assert qsim(["lab", "init", str(tmp_path), "--lessons", "91"]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]
    assert "nothing was written" in capsys.readouterr().err


def test_the_folders_tests_say_what_is_not_solved(toy, hand_in):
    path = hand_in("91-toy", SOME)
    assert_solved(path, "91.2")
    with pytest.raises(NotSolved, match=r"91.1: 1 of 2 points(.|\n)*a difference of 100/s"):
        assert_solved(path, "91.1")
    with pytest.raises(NotSolved, match=r"has no exercise 91\.9"):
        assert_solved(path, "91.9")


@pytest.mark.parametrize("there", [True, False])
def test_lab_opens_the_first_lesson(toy, tmp_path, monkeypatch, there):
    from qsim.cli import lab

    opened = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(lab, "_jupyter", lambda first, no_browser: opened.append((first.name, no_browser)) or 0)
    if there:
        course.init(tmp_path / "qsim-lessons", ["91"])
    monkeypatch.setattr(lab, "find_spec", lambda name: True)
    assert qsim(["lab", "--no-browser"]) == 0
    assert opened == [("91-toy.ipynb", True)]


def test_lab_without_jupyterlab_says_what_to_install(tmp_path, monkeypatch, capsys):
    from qsim.cli import lab

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(lab, "find_spec", lambda name: None)
    assert qsim(["lab"]) == 2
    assert "pip install 'qsim-lab[lab]'" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
