"""Azure Service Bus: queues, the dead-letter queue behind each, and subscriptions of topics (which are queues).

Each value cites its rule: ASB-n in the project's list of broker rules, from the documentation of 2026-08; nothing here
could be recorded.  What clients call beside send and receive stands in ``kernel/peeklock.py``, sessions in
``kernel/session_lock.py``, rules of subscriptions in ``kernel/filters.py``.
"""

from __future__ import annotations

from dataclasses import replace

from qsim.brokers.cite import profile
from qsim.kernel.profile import DeadLetter, Grouping, OnCrash, Order, Profile, ReturnsTo, Stale
from qsim.units import MINUTE

MAX_DELIVERY_COUNT = 10
"""ASB limits: it cannot be switched off."""
DETECTION_WINDOW = 10 * MINUTE
"""ASB-2: once duplicate detection is on; 20 s to 7 d."""

AZURE_SERVICE_BUS = profile(
    "azure-service-bus",
    is_durable=(True, "ASB-1: accepted is stored"),
    order=(Order.FIFO, "ASB-7: by sequence number; ASB-4: no priorities"),
    visibility_timeout=(MINUTE, "ASB-5: LockDuration 1 min"),
    longest_lease=(5 * MINUTE, "ASB limits: LockDuration at most 5 min; ASB-11: renewable without bound"),
    fixed_lease=(True, "ASB-11: a renewal lasts LockDuration from now"),
    returns_to=(ReturnsTo.PLACE, "ASB-7: at or near the front: by sequence number"),
    stale_ack=((Stale.ERROR, Stale.ERROR), "ASB-10: MessageLockLost"),
    strict_extend=(True, "ASB-10: MessageLockLost"),
    on_crash=(OnCrash.ORPHANS, "ASB-12: the lock runs out, and cannot be used on another link"),
    max_deliveries=(MAX_DELIVERY_COUNT, "ASB-15: MaxDeliveryCount 10"),
    dead_letters_lazily=(False, "ASB-15: at the abandon or lock expiry that ends the last delivery"),
    expires_lazily=(True, "ASB-18: never handed out, and removed when a receiver comes upon it"),
    ttl_dead_letters=(False, "ASB-16: only with DeadLetteringOnMessageExpiration"),
    retention=(None, "ASB limits: DefaultMessageTimeToLive TimeSpan.Max"),
    numbers_messages=(True, "ASB-1: a sequence number each; ASB-3: a new one when it is due"),
    schedules=(True, "ASB-3: a scheduled message is appended when it is due"),
    dedup_window=(0, "ASB-2: duplicate detection is off by default"),
    max_hops=(4, "ASB-26: at most 4 hops of auto-forward"),
    max_size=(256 * 1024, "ASB limits: 256 KB, Standard"),
    poll_batch=(1, "ASB-6: one message a receive"),
    default_wait=(MINUTE, "ASB-6: maxWaitTime; the client's default, 1 min"),
    prefetch=(0, "ASB-8: prefetch 0"),
)


def with_sessions(queue: Profile) -> Profile:
    """RequiresSession (ASB-20)."""
    return replace(queue, grouping=Grouping.SESSIONS, needs_group=True)


def dead_letter_queue_of(queue: Profile) -> Profile:
    """The queue behind a queue: no ttl, nobody sends to it, nothing is dead-lettered from it (ASB-17)."""
    return replace(
        queue,
        is_subqueue=True,
        numbers_messages=False,
        dlq=None,
        max_deliveries=None,
        retention=None,
        dedup_window=0,
        forward_to=None,
        capacity=None,
        grouping=Grouping.NONE,
        needs_group=False,
    )


def with_dead_letters(queue: Profile, name: str, max_receives: int | None = None) -> Profile:
    """MaxDeliveryCount deliveries, then to the queue behind it (ASB-15)."""
    return replace(queue, dlq=DeadLetter(name, max_receives))
