"""The ideal queue: what a lesson starts from.  No latency, no limits, no lease: only a dead consumer gives back."""

from __future__ import annotations

from qsim.brokers.cite import profile
from qsim.kernel.profile import OnCrash, Order, ReturnsTo, Stale

IDEAL = profile(
    "ideal",
    order=(Order.FIFO, "ours: first in, first out"),
    visibility_timeout=(None, "ours: a lease without end"),
    is_durable=(True, "ours: a restart finds everything again"),
    on_crash=(OnCrash.RETURNS, "ours: a crash returns the message at once"),
    returns_to=(ReturnsTo.PLACE, "ours: a returned message keeps its place"),
    dead_letters_lazily=(False, "ours: at the return or expiry after the last delivery"),
    dedup_window=(None, "ours: a deduplication id is remembered for ever"),
    stale_ack=((Stale.DELETES, Stale.IGNORED), "ours: as sqs-standard"),
    poll_batch=(1, "ours: one message a receive"),
    default_wait=(None, "ours: a receive waits for ever"),
    prefetch=(1, "ours: pushed one at a time"),
)
