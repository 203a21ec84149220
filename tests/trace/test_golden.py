"""Traces of real brokers: the kernel answers as they did, or as their documentation says where the oracle is known
to differ.

``tests/golden`` holds what was recorded first, ``tests/trace/sqs`` and ``tests/trace/redis`` what was recorded for this
replay (moto 5.2.1, Redis 7.0.15; 2026).
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
