"""What holds of every run, read from its rows alone."""

from collections import Counter

from qsim.kernel.journal import ROW, Kind

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
