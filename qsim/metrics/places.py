"""Which row moves a message from where to where.

It knows the journal's kinds as a table and does not run anything.  Of each queue: accepted + moved_in are the rows
that come from GONE, and a message is in exactly one place at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any

import numpy as np

from qsim.kernel.journal import Kind, Place


class Told(Enum):
    """Where the row itself says which place."""

    CAUSE = "cause"
    OTHER = "other"
    LOW_BYTE = "other & 255"


MOVES: dict[Kind, tuple[Place | Told, Place | Told]] = {
    Kind.ACCEPTED: (Place.GONE, Told.CAUSE),
    Kind.MOVED_IN: (Place.GONE, Told.CAUSE),
    Kind.VISIBLE: (Place.DELAYED, Place.READY),
    Kind.RECEIVED: (Place.READY, Place.LEASED),
    Kind.NACKED: (Place.LEASED, Told.CAUSE),
    Kind.LEASE_ENDED: (Place.LEASED, Told.CAUSE),
    Kind.RETURNED: (Place.LEASED, Told.CAUSE),
    Kind.DUPLICATED: (Place.LEASED, Place.READY),
    Kind.DEFERRED_: (Place.LEASED, Place.DEFERRED),
    Kind.FETCHED: (Place.DEFERRED, Place.READY),
    Kind.ACKED: (Told.CAUSE, Place.GONE),
    Kind.DEAD_LETTERED: (Told.LOW_BYTE, Place.GONE),
    Kind.MOVED_OUT: (Told.CAUSE, Place.GONE),
    Kind.DROPPED: (Told.OTHER, Place.GONE),
    Kind.EXPIRED: (Told.OTHER, Place.GONE),
    Kind.PURGED: (Told.CAUSE, Place.GONE),
    Kind.VANISHED: (Told.CAUSE, Place.GONE),
}
"""(from, to) of every kind that moves a message within, into or out of a queue."""

LEVELS: dict[str, tuple[Place, ...]] = {
    "visible": (Place.READY, Place.RETURNS),
    "in_flight": (Place.LEASED,),
    "delayed": (Place.DELAYED,),
    "deferred": (Place.DEFERRED,),
    "depth": (Place.READY, Place.RETURNS, Place.LEASED, Place.DELAYED, Place.DEFERRED),
}
"""Which places each level counts."""

ENTERS = (Kind.ACCEPTED, Kind.MOVED_IN)
LEAVES = tuple(kind for kind, (_, to) in MOVES.items() if to is Place.GONE)

Array = Any


def inside(places: tuple[Place, ...]) -> Array:
    """A table: 1 for these places, else 0."""
    table = np.zeros(256, np.int8)
    table[list(places)] = 1
    return table


def change(rows: Array, table: Array) -> Array:
    """By how much each row changes the number of messages in the table's places."""
    return table[_side(rows, 1)] - table[_side(rows, 0)]


def sides(rows: Array) -> tuple[Array, Array]:
    """The place from which and to which each row moves its message."""
    return _side(rows, 0), _side(rows, 1)


def _side(rows: Array, side: int) -> Array:
    """Place before (0) or after (1) each row."""
    place = _FIXED[side][rows["kind"]]
    for told, read in _READ.items():
        at = np.flatnonzero(place == _CODE[told])
        if len(at):
            place[at] = read(rows[at])
    return place


_CODE = {Told.CAUSE: 251, Told.OTHER: 252, Told.LOW_BYTE: 253}
_READ: dict[Told, Callable[[Array], Array]] = {
    Told.CAUSE: lambda rows: rows["cause"],
    Told.OTHER: lambda rows: np.maximum(rows["other"], 0),
    Told.LOW_BYTE: lambda rows: rows["other"] & 255,
}


def _fixed(side: int) -> Array:
    table = np.zeros(128, np.uint8)
    for kind, sides in MOVES.items():
        place = sides[side]
        table[kind] = _CODE[place] if isinstance(place, Told) else place
    return table


_FIXED = (_fixed(0), _fixed(1))
