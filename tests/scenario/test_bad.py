"""Each file in bad/ has a .txt beside it with exactly what is printed about it.

``python tests/scenario/test_bad.py --write`` writes them anew: read the difference before you commit it.
"""

import sys
from pathlib import Path

import pytest

from qsim.scenario.codes import CODES
from qsim.scenario.load import read
from qsim.scenario.problems import ScenarioError, render

BAD = Path(__file__).parent / "bad"
FILES = sorted(BAD.glob("*.yaml"))


def said(path: Path) -> str:
    try:
        return render(read(path, file_name=path.name).problems) + "\n"
    except ScenarioError as error:
        return str(error) + "\n"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_bad_file_is_answered_with_exactly_this(path: Path) -> None:
    assert said(path) == path.with_suffix(".txt").read_text(encoding="utf-8")


def test_every_text_belongs_to_a_file() -> None:
    assert {path.stem for path in BAD.glob("*.txt")} == {path.stem for path in FILES}


def test_every_code_but_those_of_a_run_is_met_by_a_bad_file() -> None:
    seen = "\n".join(path.with_suffix(".txt").read_text(encoding="utf-8") for path in FILES)
    # A file of 128 KiB is made in test_source; a drain gives up during a run.
    elsewhere = {"Q002", "A130"}
    assert {code for code in CODES if f" {code}: " not in seen} == elsewhere


def test_every_code_that_is_printed_has_a_row() -> None:
    for path in FILES:
        for line in path.with_suffix(".txt").read_text(encoding="utf-8").splitlines():
            if line.startswith(path.name):
                assert line.split(": ")[1].split(" ")[1] in CODES


if __name__ == "__main__" and "--write" in sys.argv:
    for file in FILES:
        file.with_suffix(".txt").write_text(said(file), encoding="utf-8")
