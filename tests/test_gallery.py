"""README's gallery: every picture is there, small, and of the line that stands below it."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = runpy.run_path(str(ROOT / "docs" / "gallery.py"))
LINES: dict[str, str] = DOCS["LINES"]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MADE = json.loads((ROOT / "docs" / "gallery" / "made.json").read_text(encoding="utf-8"))


def test_readme_has_six_pictures_in_both_themes_and_their_lines():
    shown = re.findall(r"docs/gallery/([a-z-]+)-(dark|light)\.png", README)
    assert {name for name, _ in shown} == set(LINES) == set(MADE) and len(shown) == 12
    assert all((ROOT / "docs" / "gallery" / f"{name}-{theme}.png").is_file() for name, theme in shown)
    assert all(f"{line}\n" in README for line in LINES.values())


def test_they_are_small():
    sizes = [path.stat().st_size for path in (ROOT / "docs" / "gallery").glob("*.png")]
    assert len(sizes) == 12 and max(sizes) < 40_000 and sum(sizes) < 250_000


@pytest.mark.parametrize("name", ["backlog", "retry-storm", "five-brokers"])
def test_a_line_draws_what_is_shown(name):
    """The others take longer: `python docs/gallery.py --check`, in CI."""
    assert DOCS["digest"](DOCS["drawn"](LINES[name])[1]) == MADE[name]
