"""ActiveMQ Classic 5.17: its queues, and what its Java client does by default.

Each value cites its rule: AMQ-n in the project's list of broker rules, from the documentation and the source of 5.17
(2026-08).  Redelivery, and who holds what in a buffer, is the client's: ``kernel/client.py``.
"""

from __future__ import annotations

from qsim.brokers.cite import profile
from qsim.kernel.profile import Dispatch, Grouping, OnCrash, Order, ReturnsTo, Stale
from qsim.kernel.redelivery import Redelivery
from qsim.units import SECOND

LEVELS = 10
"""AMQ-23: priorities 0 to 9, 9 first: level 0 is priority 9."""
DEFAULT_PRIORITY = 4
"""AMQ-1."""
DEFAULT_PREFETCH, DURABLE_TOPIC_PREFETCH, TOPIC_PREFETCH = 1000, 100, 32_767
"""AMQ-5."""
SHARED_DLQ, OWN_DLQ_PREFIX = "ActiveMQ.DLQ", "DLQ."
"""AMQ-21."""
OVERHEAD = 1024
"""AMQ-3: bytes of the broker's memory that a message takes beside its content."""

REDELIVERY = Redelivery()
"""AMQ-13: 6 redeliveries, 1 s apart, not exponential (multiplier 5), no largest delay; AMQ-15: blocking."""

ACTIVEMQ_CLASSIC = profile(
    "activemq-classic",
    is_durable=(True, "AMQ-1: JMS messages are persistent by default"),
    order=(Order.FIFO, "AMQ-23: priorities only with prioritizedMessages"),
    levels=(LEVELS, "AMQ-23: 0 to 9"),
    grouping=(Grouping.STICKY, "AMQ-9: a group sticks to its consumer, and does not block"),
    look_ahead=(200, "AMQ-10: maxPageSize: the first 200 messages are searched for one that a consumer may have"),
    dispatch=(Dispatch.ROUND_ROBIN, "AMQ-6: round robin, a message each; AMQ-8: the highest priority first"),
    extends_window=(True, "AMQ-7: usePrefetchExtension"),
    prefetch=(DEFAULT_PREFETCH, "AMQ-5: 1000 on a queue"),
    visibility_timeout=(None, "AMQ-20: no lock timeout"),
    on_crash=(OnCrash.RETURNS, "AMQ-19: unacked messages return at once"),
    returns_to=(ReturnsTo.HEAD, "AMQ-19: to the front, in order"),
    client_redelivers=(True, "AMQ-15: the consumer redelivers from its buffer; AMQ-16: and says what is poison"),
    dead_letters_lazily=(False, "AMQ-16: at the rollback that exceeds the limit"),
    expire_sweep=(30 * SECOND, "AMQ-22: expireMessagesPeriod 30 s, anywhere in the queue, and at the dispatch"),
    ttl_dead_letters=(True, "AMQ-21: processExpired"),
    dead_letters_transient=(False, "AMQ-21: processNonPersistent is false"),
    is_persistent=(True, "AMQ-1: JMS sends persistent messages"),
    schedules=(True, "AMQ-2: a scheduled message enters at the tail when it is due"),
    dedup_window=(0, "AMQ-4: no deduplication of sends"),
    stale_ack=((Stale.IGNORED, Stale.IGNORED), "AMQ-11: an ack of what is no longer dispatched does nothing"),
    pull=(False, "AMQ-5: pushed; a prefetch of 0 pulls"),
)
