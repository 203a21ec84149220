"""Every lesson runs from a clean folder, as who learns opens it: nothing answered, no cell fails, within a minute.

Some minutes in all, so only with QSIM_LESSONS=run; CI has a step for it.
"""

from __future__ import annotations

import json
import os
import time

import pytest

from qsim.lab import cells, course
from tests.notebooks.test_lessons import FILES

BUDGET_S = 60

pytestmark = pytest.mark.skipif(os.environ.get("QSIM_LESSONS") != "run", reason="QSIM_LESSONS=run runs the lessons")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_runs_unsolved_and_every_exercise_says_so(path, tmp_path):
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    notebook = nbformat.reads(path.with_suffix(".ipynb").read_text(), as_version=4)
    begun = time.monotonic()
    nbclient.NotebookClient(notebook, timeout=3 * BUDGET_S, resources={"metadata": {"path": tmp_path}}).execute()
    took = time.monotonic() - begun
    scores = {cell.metadata["exercise"]: cell.outputs for cell in notebook.cells if cell.metadata.get("role") == "check"}
    assert set(scores) == set(cells.lesson(path).exercises)
    for name, outputs in scores.items():
        _is_unanswered(name, outputs)
    assert not list(tmp_path.iterdir()), "a lesson writes no files"
    assert took < BUDGET_S


def _is_unanswered(name: str, outputs: list) -> None:
    """0 points, and which lesson and section to read."""
    shown = [output["data"] for output in outputs if output["output_type"] == "execute_result"]
    assert [data["text/plain"] for data in shown] == ["0"], (name, outputs)
    card = "".join(shown[0]["text/html"])
    assert "not answered yet" in card and f"{name}" in card, (name, card)
    assert json.dumps(course.lessons()[name[:2]].stem)[1:-1] in card, (name, card)
