"""``qsim verify``: a table within 80 columns, a verdict, exit codes.  The rows are a few; tests/study has more."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from qsim.study.verify import table
from qsim.study.verify.cases import cases
from qsim.study.verify.exact import EXACT
from tests.cli.conftest import Answer


@pytest.fixture
def few(monkeypatch):
    chosen = [case for case in cases() if case.settles < 3]
    monkeypatch.setattr(table, "cases", lambda: chosen)
    return chosen


def test_a_table_and_a_verdict(qsim, few):
    answer = qsim("verify", "--quick")
    assert answer.code == 0 and answer.err == ""
    assert answer.lines[0].split() == ["model", "setting", "what", "theory", "from", "to"]
    assert len([line for line in answer.lines if few[0].model in line]) >= 1
    assert [line[0] for line in answer.lines[-4:]] == ["✓"] * 4
    assert answer.lines[-1].endswith("exact rows hold")


def test_every_row_fits():
    """Names and settings of all rows, with numbers of any length."""
    from qsim.cli.verify import _lines
    from qsim.study.verify.judge import Covered
    from qsim.study.verify.table import ExactRow, Row, Verdict

    long = Covered(0.0123456, 0.0123456, 0.0023456, 9.0)
    rows = tuple(Row(case, 1, replace(long, truth=0.0123456 if case.truth < 1 else 12.34567)) for case in cases())
    exact = tuple(ExactRow(case, 205940409668497, 205940409668497) for case in EXACT)
    assert max(map(len, _lines(Verdict(rows, exact)))) <= 80


def test_a_wrong_theory_is_exit_1(qsim, few, monkeypatch):
    monkeypatch.setattr(table, "cases", lambda: [replace(case, truth=3 * case.truth) for case in few])
    answer = qsim("verify", "--quick")
    assert answer.code == 1 and "✗" in answer.lines[1] and any(line.startswith("✗ ") for line in answer.lines[-4:])


def test_as_json(qsim, few):
    told = json.loads(qsim("verify", "--quick", "--json").out)
    assert told["holds"] is True and len(told["rows"]) == len(few) and "coverage" not in told
    first = told["rows"][0]
    assert first["interval"][0] <= first["interval"][1] and first["covers"] in (True, False)
    assert all(row["holds"] and row["seen"] == row["theory"] for row in told["exact"])


@pytest.mark.parametrize(("covered", "code"), [(96, 0), (80, 1)])
def test_coverage_alone(qsim, monkeypatch, covered, code):
    from qsim.study.verify import coverage

    monkeypatch.setattr(
        coverage, "coverage", lambda n, jobs, told, seed: coverage.Coverage(n, covered, (87, 100), 3.21)
    )
    answer = qsim("verify", "--coverage", "100")
    assert answer.code == code and len(answer.lines) == 3 and max(map(len, answer.lines)) <= 80
    assert " ".join(answer.out.split()) == (
        f"{'✗' if code else '✓'} {covered} of 100 intervals of 95 % cover the mean wait of M/M/1 at 80 %, 3.2 s "
        "(10 replications of 5,000 messages after 1,000); 87 to 100 may. All together: 3.2100 s"
    )
    told = json.loads(qsim("verify", "--coverage", "100", "--json").out)
    assert told["coverage"]["covered"] == covered and told["holds"] == (code == 0) and "rows" not in told


def test_what_excludes_each_other(qsim):
    answer = qsim("verify", "--quick", "--coverage", "100")
    assert answer.code == 2 and "--quick has no coverage" in answer.err
    assert qsim("verify", "--coverage", "3").code == 2


# --- Ctrl-C -----------------------------------------------------------------------------------------------------------


def test_ctrl_c_leaves_the_rows_that_are_done_and_no_verdict(qsim, few, ctrl_c):
    whole = json.loads(qsim("verify", "--quick", "--json").out)
    ctrl_c(26)  # in the third row, of ten runs each
    answer = qsim("verify", "--quick")
    assert (answer.code, answer.err) == (
        130,
        f"stopped: 2 of {len(few) + len(EXACT)} rows are done, which is no verdict\n",
    )
    assert len([line for line in answer.lines if line.startswith(f" {few[0].model}")]) >= 1
    assert "✓" not in answer.out and "chance" not in answer.out
    ctrl_c(26)
    told = json.loads(qsim("verify", "--quick", "--json").out)
    assert (told["holds"], told["stopped"], told["rows"]) == (None, "interrupted", whole["rows"][:2])
    ctrl_c(1)
    assert qsim("verify", "--quick") == Answer(
        130, "", f"stopped: 0 of {len(few) + len(EXACT)} rows are done, which is no verdict\n"
    )


def test_ctrl_c_leaves_the_experiments_that_are_done(qsim, monkeypatch, ctrl_c):
    from qsim.study.verify import coverage

    monkeypatch.setattr(coverage, "WARMUP", 0)
    monkeypatch.setattr(coverage, "MESSAGES", 20)
    short = coverage._MM1.replace(f"limit: {1_000 + 5_000}", "limit: 20")
    monkeypatch.setattr(coverage, "_MM1", short)
    ctrl_c(125)
    answer = qsim("verify", "--coverage", "50", "--json")
    assert (answer.code, answer.err) == (130, "stopped: 12 experiments are done\n")
    told = json.loads(answer.out)
    assert (told["holds"], told["stopped"], told["coverage"]["experiments"]) == (None, "interrupted", 12)
    ctrl_c(4)
    assert qsim("verify", "--coverage", "50") == Answer(130, "", "stopped: 0 experiments are done\n")
