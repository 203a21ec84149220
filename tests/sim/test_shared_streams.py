"""The engine against plain SimPy: the same arrays of gaps, services and fates, and the same end.

The yardstick (tests/bench/yardsticks/simpy_plain.py) with 30,000 messages, seed 3, and one attempt in ten failing says:
29,970 acked, 30 dead-lettered, 3,218 redelivered, 3.175171 s from the send to the ack on average.
"""

import sys
from pathlib import Path

import numpy as np
import pytest

from qsim.kernel.journal import Kind
from qsim.sim.simulate import simulate
from qsim.units import SECOND

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

from workload import ArrayLuck, workload_3


@pytest.mark.parametrize("quick", [True, False], ids=["callbacks", "processes"])
def test_plain_simpy_comes_to_the_same_end(quick):
    plan = workload_3(30_000, failing=0.1)
    rows = simulate(plan, draws=ArrayLuck(plan, 30_000, 3, 0.1), quick=quick).rows()
    count = dict(zip(*(array.tolist() for array in np.unique(rows["kind"], return_counts=True)), strict=True))
    assert count[Kind.ACKED] == 29_970
    assert count[Kind.DEAD_LETTERED] == 30
    assert count[Kind.RECEIVED] == 33_218
    redelivered = rows[(rows["kind"] == Kind.RECEIVED) & (rows["attempt"] > 1)]
    assert len(redelivered) == 3_218
    sent, acked = rows[rows["kind"] == Kind.SENT], rows[rows["kind"] == Kind.ACKED]
    born = dict(zip(sent["message"].tolist(), sent["time"].tolist(), strict=True))
    ends = zip(acked["message"].tolist(), acked["time"].tolist(), strict=True)
    assert round(sum(end - born[message] for message, end in ends) / len(acked) / SECOND, 6) == 3.175171
