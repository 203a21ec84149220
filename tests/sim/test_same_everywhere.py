"""The same scenario and seed give the same bytes: again, in another process, on another Python (DESIGN.md, "The same run
everywhere")."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from qsim.sim.simulate import simulate
from tests.sim.random_plans import plan

ROOT = Path(__file__).parents[2]
SEEDS = range(40)
TOLD = f"""
import json, sys
from qsim.sim.simulate import simulate
from tests.sim.random_plans import plan
print(json.dumps([sys.version_info[:2], [simulate(plan(seed)[0]).digest for seed in range({len(SEEDS)})]]))
"""


@pytest.fixture(scope="module")
def digests():
    return [simulate(plan(seed)[0]).digest for seed in SEEDS]


def told_by(python, hash_seed):
    """(version, digests) of the same scenarios, drawn and run by another process."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": hash_seed}
    done = subprocess.run([python, "-c", TOLD], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_ten_times_the_same(digests):
    assert len(set(digests)) == len(digests)
    for seed in SEEDS[:4]:
        assert {simulate(plan(seed)[0]).digest for _ in range(10)} == {digests[seed]}


@pytest.mark.parametrize("hash_seed", ["0", "4711"])
def test_strings_may_hash_as_they_like(digests, hash_seed):
    assert told_by(sys.executable, hash_seed)[1] == digests


def other_pythons():
    """QSIM_OTHER_PYTHON names one (or several, as in PATH); else those on the path that can import what qsim needs."""
    if named := os.environ.get("QSIM_OTHER_PYTHON"):
        return named.split(os.pathsep)
    found = [shutil.which(f"python3.{minor}") for minor in (11, 12, 13, 14) if minor != sys.version_info[1]]
    needs = "import numpy, simpy, pydantic, ruamel.yaml"
    return [path for path in found if path and subprocess.run([path, "-c", needs], capture_output=True).returncode == 0]


def test_another_python_writes_the_same_bytes(digests):
    others = other_pythons()
    if not others:
        pytest.skip("no other Python here has numpy, simpy, pydantic and ruamel.yaml; name one in QSIM_OTHER_PYTHON")
    for python in others:
        version, told = told_by(python, "1")
        assert told == digests, f"Python {version} at {python}"
