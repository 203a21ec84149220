"""Random scenarios over everything that a file can say: whatever is drawn, nothing appears, disappears, or comes back
after its ack, and the same seed makes the same rows.

``QSIM_SCENARIOS=2000 pytest tests/sim/test_random_scenarios.py`` draws more.  A failure names the seed of its scenario,
and ``plan(seed)`` of random_scenarios draws it again.
"""

import os

import pytest

from qsim.kernel.journal import ROW, Kind
from qsim.sim.simulate import simulate
from tests.sim.invariants import every_one_holds
from tests.sim.random_scenarios import plan

SCENARIOS = int(os.environ.get("QSIM_SCENARIOS", "200"))
PARTS = 20
WANTED = {
    Kind.PUBLISHED, Kind.UNROUTED, Kind.REPLIED, Kind.TOO_LATE, Kind.GAVE_UP_WAITING, Kind.AWAY, Kind.BACK, Kind.CALLED,
    Kind.SERVED, Kind.CALL_ENDED, Kind.CALL_TIMED_OUT, Kind.CALL_REFUSED, Kind.SCALED, Kind.STARTED_UP, Kind.SLOWED,
    Kind.VANISHED, Kind.DEAD_LETTERED, Kind.EXPIRED, Kind.DROPPED, Kind.REJECTED, Kind.LEASE_ENDED, Kind.STALE, Kind.PURGED,
    Kind.LOST_SEND, Kind.LOST_ACK, Kind.TIMED_OUT, Kind.INTERRUPTED, Kind.MOVED_OUT, Kind.SUPPRESSED, Kind.FIRED, Kind.HEALED,
}  # fmt: skip
"""What must have happened somewhere, or the draw misses a feature."""


@pytest.mark.parametrize("part", range(PARTS))
def test_whatever_is_drawn_is_conserved_and_comes_out_the_same(part):
    every_one_holds(range(part, SCENARIOS, PARTS), plan)


def kinds(run):
    return {Kind(row[5]) for chunk in run.chunks for row in ROW.iter_unpack(chunk)}


def test_everything_that_can_happen_is_drawn():
    missing = set(WANTED)
    for seed in range(200):
        missing -= kinds(simulate(plan(seed)[0]))
        if not missing:
            return
    assert not missing, [kind.name for kind in missing]
