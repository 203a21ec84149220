"""Amazon SQS, standard and FIFO queues.

Each value cites its rule: SQS-n in the project's list of broker rules, from the SQS API reference and developer
guide (2026-08).  What SQS leaves open (which message a standard queue hands out, duplicates) is ``imperfections``.
"""

from __future__ import annotations

from typing import Any

from qsim.brokers.cite import profile
from qsim.kernel.profile import Grouping, OnCrash, Order, ReturnsTo, Stale, Throttle
from qsim.units import DAY, HOUR, MINUTE, SECOND

_BOTH: dict[str, tuple[Any, str]] = dict(
    visibility_timeout=(30 * SECOND, "SQS-10: 30 s from the moment SQS returns the message"),
    max_visibility=(12 * HOUR, "SQS-22: 12 h since the receive that gave the receipt"),
    delay=(0, "SQS-2: DelaySeconds 0"),
    max_delay=(900 * SECOND, "SQS-2: at most 900 s"),
    nack_stays_leased=(True, "SQS-21: a changed visibility hides the message, in flight, from now"),
    retention=(4 * DAY, "SQS-30: 4 days from the enqueue"),
    min_retention=(60 * SECOND, "SQS-30: at least 60 s"),
    max_retention=(14 * DAY, "SQS-30: at most 14 days"),
    expires_in_flight=(True, "SQS-30: retention strikes messages in flight too (inferred)"),
    returns_to=(ReturnsTo.PLACE, "SQS-23: back with its original timestamp"),
    dead_letters_lazily=(True, "SQS-24: at the receive that would exceed maxReceiveCount"),
    counts_across_queues=(True, "SQS-28: times received across all queues"),
    max_in_flight=(120_000, "SQS limits: 120,000 in flight"),
    strict_extend=(True, "SQS-22: MessageNotInflight"),
    is_durable=(True, "ours: a service that keeps what it has accepted"),
    on_crash=(OnCrash.KEEPS, "SQS-33: nothing happens until the timeout"),
    push=(False, "SQS-31: no server push"),
    poll_batch=(1, "SQS limits: MaxNumberOfMessages 1"),
    max_batch=(10, "SQS limits: at most 10 messages a call"),
    max_wait=(20 * SECOND, "SQS-9: a long poll waits at most 20 s"),
    default_wait=(20 * SECOND, "ours: long polling; the broker's own 0 only makes sense with every"),
    max_size=(1 << 20, "SQS limits: 1 MiB with attributes"),
    max_batch_size=(1 << 20, "SQS-4: the messages of a batch share 1 MiB, whatever the queue's own limit"),
    billed_size=(64 << 10, "SQS pricing: every 64 KiB of a request's payload is billed as one request"),
    redrive_rate=(500, "SQS-29: at most 500 messages/s"),
)

SQS_STANDARD = profile(
    "sqs-standard",
    **_BOTH,
    order=(Order.BEST_EFFORT, "SQS-12: best effort"),
    tail_from=(3, "SQS-12: received three times without delete, it goes to the back"),
    retention_restarts=(False, "SQS-26: a dead-letter move keeps the original enqueue time"),
    dedup_window=(0, "SQS-5: deduplication is for FIFO queues"),
    in_flight_is_error=(True, "SQS limits: OverLimit at 120,000 in flight"),
    stale_ack=((Stale.DELETES, Stale.IGNORED), "SQS-18: works until received again; then succeeds without effect"),
)

SQS_FIFO = profile(
    "sqs-fifo",
    **_BOTH,
    order=(Order.FIFO, "SQS-13: strict order in a group"),
    grouping=(Grouping.BLOCKS, "SQS-13: a group with a message in flight is skipped"),
    needs_group=(True, "SQS-5: MessageGroupId is required"),
    message_delay=(False, "SQS-2: only the queue may delay"),
    retention_restarts=(True, "SQS-26: the enqueue time is reset on the move"),
    dedup_window=(5 * MINUTE, "SQS-6: 5 minutes from the first accepted send"),
    in_flight_is_error=(False, "SQS limits: FIFO returns nothing more, no error"),
    look_ahead=(120_000, "SQS-15: the first 120,000 messages are searched for a free group"),
    stale_ack=((Stale.ERROR, Stale.ERROR), "SQS-19: a delete after the expiry fails"),
    throttle=(Throttle(300, 300, 300), "SQS-35: 300 calls/s for each of send, receive, delete"),
)

HIGH_THROUGHPUT = Throttle(70_000, 70_000, 70_000, send_per_group=300)
"""SQS-7, SQS-35: throughput_limit: per-message-group.  300 calls/s are then a partition's, and a group is in one partition;
SQS makes as many partitions as it needs, taken here for one a group, up to the quota of the largest regions (inferred).
A group that is in flight is not received from, so that receives and deletes have the quota only."""
