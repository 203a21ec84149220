"""``qsim advise``: every bundled scenario is answered, in 80 columns, with formulas and sources."""

import json
import subprocess
import sys

import pytest

from qsim.scenario.files import bundled


@pytest.mark.parametrize("name", bundled())
def test_every_bundled_scenario_is_answered(qsim, name):
    answer = qsim("advise", name)
    assert answer.code == 0 and answer.err == ""
    assert answer.lines[0].startswith(name)
    assert max(map(len, answer.lines)) <= 80
    assert not [
        line for line in answer.lines if line != line.rstrip() or "inf" in line.split() or "nan" in line.split()
    ]


def test_a_number_comes_with_its_formula_and_its_source(qsim):
    lines = qsim("advise", "backlog-growth").lines
    at = next(i for i, line in enumerate(lines) if line.startswith(" offered load"))
    assert lines[at].endswith("10 slots busy on average")
    assert lines[at + 1].split("  ")[-1].strip() == "[Little 1961]" and "a = λ·S: 1000/s x 10ms" in lines[at + 1]
    legend = " ".join(lines[-8:])
    assert "λ messages a second" in legend and "S mean time of one message" in legend
    assert "share of the hottest group" not in legend  # no formula above has it


def test_machines_get_the_same(qsim):
    told = json.loads(qsim("advise", "visibility-timeout", "--json", "--wait", "2s", "--percentile", "99").out)
    assert told["target"] == {"wait_s": 2.0, "percentile": 99.0}
    [worker] = told["sections"]
    findings = {finding["name"]: finding for finding in worker["findings"]}
    assert findings["late work"]["value"] == pytest.approx(77.375)
    assert findings["just enough"] | {"says": ""} == {
        "name": "just enough", "says": "", "formula": "c > a", "numbers": "a = 17.55",
        "source": "Gross et al., Queueing Theory, 1.5", "value": 18.0, "unit": "processes",
    }  # fmt: skip


def test_what_is_wrong_with_the_command_line_is_said(qsim):
    assert "a number between 0 and 100" in qsim("advise", "work-queue", "--percentile", "100").err
    assert qsim("advise", "work-queue", "--wait", "2").code == 2
    assert "did you mean" in qsim("advise", "work-queu").err


def test_changes_and_variants_are_heeded(qsim):
    before, after = (
        qsim("advise", "backlog-growth", *more).out for more in ((), ("--set", "consumers.worker.count=20"))
    )
    assert "no: the backlog grows 200/s" in before and " stable          yes" in after
    assert "10 <= 10" in qsim("advise", "backlog-growth", "--variant", "scale-out").out


def test_no_numbers_are_loaded_that_only_a_run_needs():
    code = "import sys; from qsim.cli.app import run; run(['advise', 'work-queue']); print(sorted(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "'qsim.scenario.sizing'" in done.stderr
    assert not [name for name in ("numpy", "pandas", "simpy", "scipy") if f"'{name}'" in done.stderr]
