"""What every lesson must be, whatever it teaches: its form, its pair, its exercises with their answers."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from qsim.lab import cells, course

FOLDER = Path(__file__).parents[2] / "notebooks"
SECTIONS = ["Question", "Predict", "Run", "See", "Explain", "Change", "Exercises"]
FILES = list(course.lessons(FOLDER).values())
EXERCISES = [(path, name) for path in FILES for name in cells.lesson(path).exercises]

each_lesson = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


@each_lesson
def test_the_notebook_and_the_file_are_the_same(path):
    notebook, file = cells.read(path.with_suffix(".ipynb")), cells.read(path.with_suffix(".py"))
    assert [cell.source for cell in notebook] == [cell.source for cell in file]
    assert notebook == file


@each_lesson
def test_nothing_is_stored_that_a_run_shows(path):
    data = json.loads(path.with_suffix(".ipynb").read_text())
    for cell in data["cells"]:
        assert not cell.get("outputs") and cell.get("execution_count") is None
    assert data["metadata"]["kernelspec"]["name"] == "python3"
    assert data["metadata"]["jupytext"]["formats"] == "ipynb,py:percent"


@each_lesson
def test_its_code_fits_into_a_cell(path):
    """Beside the list of files, on a screen of 1280 pixels, JupyterLab shows 109 letters of a line."""
    lines = [line for cell in cells.read(path) if cell.is_code for line in cell.source.splitlines()]
    assert [line for line in lines if len(line) > 105] == []


@each_lesson
def test_a_claim_of_the_lesson_shows_nothing(path):
    """Without a semicolon a cell would show the verdict of its last claim, and of no other."""
    lasts = [cell.source.splitlines()[-1] for cell in cells.read(path) if cell.is_code and not cell.exercise and cell.source]
    assert [line for line in lasts if line.startswith("expect(") and ";" not in line] == []


@each_lesson
def test_it_stands_among_the_others_under_its_title(path):
    [title] = re.findall(r"^# # (.*?):", path.with_suffix(".py").read_text(), re.MULTILINE)
    assert f"| [{title}]({path.stem}.ipynb) |" in (FOLDER / "README.md").read_text()


@each_lesson
def test_it_has_its_title_and_the_seven_sections(path):
    headings = [line for cell in cells.read(path) if not cell.is_code for line in cell.source.splitlines()]
    assert next(iter(headings)).startswith(f"# {path.stem[:2]} ")
    assert [line[3:] for line in headings if line.startswith("## ")] == SECTIONS


@each_lesson
def test_it_defines_nothing_that_qsim_should_have(path):
    """No function or class, and no loop before the exercises, but for the consumer that a lesson is about."""
    for cell in cells.read(path):
        if cell.is_code and cell.role != "answer":
            tree = ast.parse(cell.source)
            found = [node for node in ast.walk(tree) if isinstance(node, _DEFINED if cell.role else (*_DEFINED, *_BUILT))]
            assert all(_is_a_consumer(node) or node in _asked_for_feedback(tree) for node in found), cell.source


_DEFINED = (ast.FunctionDef, ast.ClassDef)
_BUILT = (ast.For, ast.While, ast.comprehension, ast.Lambda)


def _is_a_consumer(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef) and [arg.arg for arg in node.args.args] == ["message", "store"]


def _asked_for_feedback(tree: ast.AST) -> list[ast.expr]:
    """``feedback(lambda: expect(r).stable("orders"))``, as an exercise writes its checks."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    return [call.args[0] for call in calls if call.func.id == "feedback" and call.args]


@each_lesson
def test_it_draws_with_qsim_and_imports_nothing_else(path):
    for cell in cells.read(path):
        if not cell.is_code or cell.role == "answer":
            continue
        for node in ast.walk(ast.parse(cell.source)):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert all(name.split(".")[0] in ("qsim", "math", "statistics") for name in names), cell.source


@each_lesson
def test_its_exercises_are_numbered_and_have_their_headings(path):
    told = cells.lesson(path)
    heads = [head for cell in told.cells if (head := cell.heads)]
    assert list(told.exercises) == heads == [f"{told.number}.{n}" for n in range(1, len(heads) + 1)]
    assert len(heads) >= 2


@pytest.mark.parametrize(("path", "name"), EXERCISES, ids=[name for _, name in EXERCISES])
def test_an_exercise_has_a_reference_and_a_wrong_answer_and_gives_neither_away(path, name):
    solved = [one for one in cells.solutions(course.solutions_of(path)) if one.exercise == name]
    assert [one.is_reference for one in solved].count(True) == 1
    assert [one for one in solved if not one.is_reference and one.says]
    one = cells.lesson(path).exercises[name]
    assert one.answer and all("..." in source for source in one.answer)
    [reference] = [each for each in solved if each.is_reference]
    bound = _bound(one.answer)
    assert bound <= _bound(reference.sources)
    assert all(bound <= _bound(wrong.sources) for wrong in solved)


def _bound(sources: tuple[str, ...]) -> set[str]:
    """The names that these cells give a value."""
    tree = ast.parse("\n".join(sources))
    given = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    made = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    inside = {name for node in tree.body if isinstance(node, ast.FunctionDef) for name in _bound_in(node)}
    return (given - inside) | made


def _bound_in(function: ast.FunctionDef) -> set[str]:
    return {node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def test_answers_have_names_of_their_own():
    """An exercise must not lean on another's answer."""
    for path in FILES:
        seen: set[str] = set()
        for one in cells.lesson(path).exercises.values():
            assert not seen & _bound(one.answer), (path.name, one.name)
            seen |= _bound(one.answer)


def test_there_are_wrong_answers_enough():
    """Two a lesson at least, each with its own message."""
    for path in FILES:
        wrong = [one for one in cells.solutions(course.solutions_of(path)) if not one.is_reference]
        assert len({one.says for one in wrong}) >= 2, path.name


def test_no_lesson_speaks_of_the_solutions():
    for path in FILES:
        assert not re.search(r"solutions/|QSIM_EXERCISE_SEED", path.read_text()), path.name
