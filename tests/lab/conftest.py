"""A small scenario; a toy lesson in place of the course's, and notebooks of those who answer it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qsim.lab import cells, course

TOY = Path(__file__).parent / "toy"
SHOP = """
qsim: 1
name: shop
run: {duration: 20s}
producers: {shop: {to: orders, rate: 1000/s, arrivals: regular}}
queues: {orders: {}}
consumers: {worker: {from: orders, count: 8, service: 10ms}}
"""


@pytest.fixture
def toy(monkeypatch):
    """The course is the toy lesson."""
    course.folder.cache_clear()
    monkeypatch.setattr(course, "_FOLDERS", (TOY,))
    yield TOY / "91-toy.py"
    course.folder.cache_clear()


@pytest.fixture
def hand_in(tmp_path):
    """``hand_in("ann", {"91.2": "rate = 1000"})``: the toy's notebook with these answers."""

    def write(whose: str, answers: dict[str, str], keep=lambda cell: True, metadata: bool = True) -> Path:
        data = course.notebook(cells.lesson(TOY / "91-toy.py"))
        data["cells"] = [cell for cell in data["cells"] if keep(cell)]
        for cell in data["cells"]:
            told = cell["metadata"]
            if told.get("role") == "answer" and told["exercise"] in answers:
                cell["source"] = answers[told["exercise"]]
            if not metadata:
                cell["metadata"] = {}
        path = tmp_path / "handed-in" / f"{whose}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(data))
        return path

    return write
