"""Traces of real brokers: the kernel answers as they did, or as their documentation says where the oracle is known
to differ.

``tests/golden`` holds what was recorded first, the folders of ``tests/trace`` what was recorded for this replay: at
random, or because no trace had noticed that a rule was broken (``tests/mutants.py``).
"""

from pathlib import Path

import pytest

from qsim.trace.load import load
from qsim.trace.replay import replay

HERE = Path(__file__).parent
TRACES = [*sorted((HERE.parent / "golden").rglob("*.json")), *sorted(HERE.glob("*/*.json"))]


@pytest.mark.parametrize("path", TRACES, ids=lambda path: path.stem)
def test_the_kernel_answers_as_recorded(path):
    verdict = replay(load(path))
    assert str(verdict) == f"ok {verdict.name}"


def test_no_trace_was_lost():
    assert len(TRACES) >= 60
