"""The what-if questions: each file asks, answers and ends in a number, and their table says the same."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "scenarios" / "whatif"
FILES = sorted(FOLDER.glob("*.yaml"))
DOCS = runpy.run_path(str(ROOT / "docs" / "whatif.py"))


def test_the_table_is_made_of_the_files():
    assert (FOLDER / "README.md").read_text(encoding="utf-8") == DOCS["table"](FOLDER)


def test_the_questions_are_numbered_from_one():
    assert [path.stem[:3] for path in FILES] == [f"w{i + 1:02}" for i in range(len(FILES))]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_question_is_asked_answered_and_ends_in_a_number(path):
    data = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    assert "?" in data["title"]
    assert DOCS["answer"](data["description"])
    last = data["expect"][-1]
    assert "base" not in last.get("fails_in", ()), "the base file gives the answer"
    assert re.search(r"\d", DOCS["number"](last)), "the last expectation is a number"
