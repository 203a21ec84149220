"""The course: where its lessons and their solutions are, and how a folder is made that a teacher hands out.

It knows folders and files.  What stands in a lesson is ``cells``'s.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from qsim.lab import cells

_PACKAGE = Path(__file__).resolve().parent.parent
_FOLDERS = (_PACKAGE / "_notebooks", _PACKAGE.parent / "notebooks")
_NAMED = re.compile(r"^\d\d-[a-z0-9-]+$")


@cache
def folder() -> Path:
    """Of the lessons: in the package where it is installed, beside it in a checkout."""
    return next((folder for folder in _FOLDERS if folder.is_dir()), _FOLDERS[0])


def lessons(at: Path | None = None) -> dict[str, Path]:
    """Each lesson's source (py:percent where there is one) by number, ``01`` first."""
    found = [path for kind in ("*.ipynb", "*.py") for path in (at or folder()).glob(kind) if _NAMED.match(path.stem)]
    return dict(sorted((path.stem[:2], path) for path in found))


def solutions_of(lesson: Path) -> Path:
    """Where the reference and the wrong answers of a lesson stand."""
    return lesson.parent / "solutions" / f"{lesson.stem}.py"


def place_of(exercise: str) -> str:
    """ "notebooks/01-core-model.ipynb, 01.2"; empty for an exercise of no lesson."""
    lesson = lessons().get(exercise.partition(".")[0])
    return f"notebooks/{lesson.stem}.ipynb, {exercise}" if lesson else ""


# --- a folder to hand out ---------------------------------------------------------------------------------------------


class AlreadyThere(Exception):
    """A file that would be written over."""


def init(at: Path, numbers: Iterable[str]) -> list[Path]:
    """Write the lessons, a README and a test file; all of them or, where one is there already, none."""
    told = {number: cells.lesson(lessons()[number]) for number in numbers}
    files = {f"{one.name}.ipynb": json.dumps(notebook(one), indent=1, ensure_ascii=False) for one in told.values()}
    name = re.sub(r"\W", "_", at.resolve().name)
    files |= {"README.md": _readme(at.resolve().name, told.values()), f"test_{name}.py": _tests(told.values())}
    if there := next((name for name in files if (at / name).exists()), None):
        raise AlreadyThere(f"{at / there} is already there: nothing was written")
    at.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (at / name).write_text(text.rstrip("\n") + "\n", encoding="utf-8")
    return [at / name for name in files]


def notebook(lesson: cells.Lesson) -> dict[str, Any]:
    """A lesson as a notebook without outputs."""
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {
        "cells": [_cell(number, cell) for number, cell in enumerate(lesson.cells)],
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _cell(number: int, cell: cells.Cell) -> dict[str, Any]:
    told = {word: value for word in ("exercise", "role") if (value := getattr(cell, word))}
    kind: dict[str, Any] = {"cell_type": "code", "execution_count": None, "outputs": []} if cell.is_code else {"cell_type": "markdown"}
    return kind | {"id": f"cell-{number}", "metadata": told, "source": cell.source.splitlines(keepends=True)}


def _title(lesson: cells.Lesson) -> str:
    first = next((cell.source for cell in lesson.cells if not cell.is_code), "")
    return first.splitlines()[0].lstrip("# ") if first else lesson.name


def _readme(name: str, told: Iterable[cells.Lesson]) -> str:
    rows = [f"- [{_title(one)}]({one.name}.ipynb): exercises {', '.join(one.exercises)}" for one in told]
    return _README.format(name=name, lessons="\n".join(rows))


def _tests(told: Iterable[cells.Lesson]) -> str:
    rows = [f'    ("{one.name}.ipynb", "{exercise}"),' for one in told for exercise in one.exercises]
    return _TESTS.format(rows="\n".join(rows))


_README = """\
# {name}

{lessons}

    qsim lab .      opens the lessons in JupyterLab
    pytest          says which exercises are solved, and why others are not yet

Go through a notebook from the top: first say what you expect, then run. In an exercise replace the `...`, and run its two
cells as often as you like; a check that fails says what happened, why, and what to look at. What counts is the cell of
your answer: the check is made anew by whoever grades.
"""

_TESTS = '''\
"""The exercises of this folder as tests: `pytest` says which are solved, and why others are not yet.

It reads the notebooks as they were last saved.
"""

from pathlib import Path

import pytest

from qsim.lab import assert_solved

EXERCISES = [
{rows}
]


@pytest.mark.parametrize(("notebook", "exercise"), EXERCISES)
def test_is_solved(notebook, exercise):
    assert_solved(Path(__file__).parent / notebook, exercise)
'''
