"""What holds of every run, read from its rows alone."""

import json
from collections import Counter
from itertools import pairwise

from qsim.claims.conservation import conservation
from qsim.kernel.journal import ROW, Kind
from qsim.sim.quick import is_untouched
from qsim.sim.simulate import simulate

ENTERS = {Kind.ACCEPTED, Kind.MOVED_IN}
LEAVES = {
    Kind.ACKED, Kind.DEAD_LETTERED, Kind.MOVED_OUT, Kind.DROPPED, Kind.EXPIRED, Kind.PURGED, Kind.VANISHED,
}  # fmt: skip


def nothing_after_ack(recording):
    """In each queue: once a message is acked it is not received again there, unless it came in anew (another send, a
    move, or a restart that lost the ack).  A queue may hold a message twice, where a send was repeated."""
    there = Counter()
    for chunk in recording.chunks:
        for time, message, _, _, queue, kind, _, _ in ROW.iter_unpack(chunk):
            if kind in ENTERS:
                there[queue, message] += 1
            elif kind in LEAVES:
                there[queue, message] -= 1
                assert there[queue, message] >= 0, f"at {time} ns message {message} leaves queue {queue}, where it is not"
            elif kind == Kind.RECEIVED:
                assert there[queue, message] > 0, f"at {time} ns message {message} is received after its end in queue {queue}"


def every_one_holds(seeds, draw):
    """``draw(seed)``: a plan, and the document that it came from; a failure tells seed and document."""
    for seed in seeds:
        plan, document = draw(seed)
        try:
            holds(plan)
        except Exception as error:
            error.add_note(f"scenario {seed}: {json.dumps(document)}")
            raise


def holds(plan):
    """Its run comes out the same twice, and by callbacks as by processes; nothing appears, disappears or comes back."""
    run = simulate(plan)
    assert simulate(plan).digest == run.digest, "the same run twice"
    if any(is_untouched(plan, consumer) for consumer in plan.consumers):
        assert simulate(plan, quick=False).digest == run.digest, "callbacks and processes"
    assert conservation(run)["problems"] == []
    nothing_after_ack(run)
    rows = [row for chunk in run.chunks for row in ROW.iter_unpack(chunk)]
    assert all(earlier[0] <= later[0] for earlier, later in pairwise(rows)), "time goes forward"
