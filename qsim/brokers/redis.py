"""Redis 7.0 as a queue: lists and streams.

Each value cites its rule: RED-n in the project's list of broker rules, from redis-doc, the source of 7.0.15 and
traces recorded from it.  The commands one by one, with keys that several queues share, stand in ``redis_server``.
"""

from __future__ import annotations

from typing import Any

from qsim.brokers.cite import profile
from qsim.kernel.profile import OnCrash, Order, ReturnsTo, Stale
from qsim.units import MINUTE, SECOND

_BOTH: dict[str, tuple[Any, str]] = dict(
    visibility_timeout=(None, "RED-10: nothing returns by itself"),
    can_nack=(False, "RED-3, RED-13: there is no nack"),
    dedup_window=(0, "RED-20: SET id NX is the application's"),
    push=(False, "RED-4, RED-7: clients pull, or block"),
    fsync_every=(SECOND, "RED-19: appendfsync everysec, where appendonly is on (ours); by default snapshots are all there is"),
    default_wait=(None, "RED-5: a blocking call waits for ever"),
    max_size=(512 * 2**20, "RED-18: a value has at most 512 MB"),
)

REDIS_LIST = profile(
    "redis-list",
    **_BOTH,
    order=(Order.FIFO, "RED-1: LPUSH and RPOP"),
    on_crash=(OnCrash.LOSES, "RED-1: what is popped is gone; reliable keeps it in a processing list (RED-2)"),
    returns_to=(ReturnsTo.HEAD, "RED-2: the reaper's choice; ours: the head"),
    stale_ack=((Stale.IGNORED, Stale.IGNORED), "RED-2: LREM finds nothing in its processing list, and answers 0"),
    poll_batch=(1, "RED-4: one element a pop"),
)

REDIS_STREAM = profile(
    "redis-stream",
    **_BOTH,
    is_log=(True, "RED-7: each group reads all entries with a cursor of its own"),
    order=(Order.FIFO, "RED-6, RED-15: by entry id"),
    on_crash=(OnCrash.KEEPS, "RED-14: an entry stays pending under its consumer's name"),
    returns_to=(ReturnsTo.PLACE, "RED-15: claimed by id, the oldest first"),
    stale_ack=((Stale.DELETES, Stale.DELETES), "RED-9: anybody may ack, also with a stale claim"),
    min_idle=(MINUTE, "ours: RED-10 leaves min-idle to the client"),
    poll_batch=(1, "RED-7: COUNT, ours: 1"),
)
