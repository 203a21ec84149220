"""Which row moves a message from where to where: the levels and the counters tell the same story."""

import numpy as np
import pytest

from qsim.kernel.journal import FIELDS, FORMATS, Kind, Place
from qsim.metrics.places import ENTERS, LEAVES, LEVELS, MOVES, change, inside, sides


def row(kind, cause=0, other=-1):
    rows = np.zeros(1, list(zip(FIELDS, FORMATS, strict=True)))
    rows["kind"], rows["cause"], rows["other"] = kind, cause, other
    return rows


@pytest.mark.parametrize(
    ("kind", "cause", "other", "start", "end"),
    [
        (Kind.ACCEPTED, Place.DELAYED, 7, Place.GONE, Place.DELAYED),
        (Kind.VISIBLE, Place.READY, -1, Place.DELAYED, Place.READY),
        (Kind.RECEIVED, 10, 30_000, Place.READY, Place.LEASED),
        (Kind.ACKED, Place.LEASED, -1, Place.LEASED, Place.GONE),
        (Kind.ACKED, Place.READY, -1, Place.READY, Place.GONE),
        (Kind.NACKED, Place.LEASED, 500, Place.LEASED, Place.LEASED),
        (Kind.LEASE_ENDED, Place.RETURNS, -1, Place.LEASED, Place.RETURNS),
        (Kind.DEAD_LETTERED, 1, 3 << 8 | Place.READY, Place.READY, Place.GONE),
        (Kind.DEAD_LETTERED, 1, -1 << 8 | Place.LEASED, Place.LEASED, Place.GONE),
        (Kind.EXPIRED, 3, Place.DELAYED, Place.DELAYED, Place.GONE),
        (Kind.MOVED_OUT, Place.READY, 2, Place.READY, Place.GONE),
        (Kind.DROPPED, 5, Place.READY, Place.READY, Place.GONE),
        (Kind.VANISHED, Place.LEASED, -1, Place.LEASED, Place.GONE),
    ],
)
def test_a_row_says_from_where_to_where(kind, cause, other, start, end):
    found = sides(row(kind, cause, other))
    assert (found[0][0], found[1][0]) == (start, end)


def test_a_return_to_the_lane_in_front_is_visible():
    assert change(row(Kind.LEASE_ENDED, Place.RETURNS), inside(LEVELS["visible"]))[0] == 1


def test_only_entering_and_leaving_change_the_depth():
    depth = inside(LEVELS["depth"])
    for kind in MOVES:
        step = 1 if kind in ENTERS else -1 if kind in LEAVES else 0
        assert change(row(kind, Place.LEASED, Place.LEASED), depth)[0] == step, kind
