"""RabbitMQ, classic and quorum queues, consumers over AMQP 0-9-1.

Each value cites its rule: RMQ-n in the project's list of broker rules, from RabbitMQ's documentation (4.3, 2026-08),
its source and recordings of 3.10.8.  The profiles are 4.3's; ``classic("3.10")`` and ``quorum("3.10")`` are what was
before.  RabbitMQ says larger numbers for more urgent: ``priorities`` makes lanes of them, with 0 the first to go.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from qsim.brokers.cite import VERSIONS, profile, version
from qsim.kernel.profile import Capacity, OnCrash, Order, Overflow, Profile, ReturnsTo, Stale
from qsim.units import MINUTE

MOST_PRIORITY = 255
NO_PRIORITY = MOST_PRIORITY + 1
"""The level of a message that states no priority; else ``level_of``."""


def level_of(priority: int | None) -> int:
    """A message's level in the kernel: 0 is the most urgent, and it keeps it from queue to queue (RMQ-30)."""
    return NO_PRIORITY if priority is None else MOST_PRIORITY - min(priority, MOST_PRIORITY)


def lanes(most: int, missing: int = 0) -> tuple[int, ...]:
    """The lane for each level, of a queue with priorities 0 to ``most``: what is above counts as ``most`` (RMQ-30)."""
    stated = [most - min(MOST_PRIORITY - level, most) for level in range(NO_PRIORITY)]
    return (*stated, most - min(missing, most))


_BOTH: dict[str, tuple[Any, str]] = dict(
    order=(Order.FIFO, "RMQ-5: in order of publishing"),
    drops_most_urgent=(True, "RMQ-28: the head of the queue is dropped, which has the highest priority"),
    ttl_dead_letters=(True, "RMQ-20: reason expired"),
    expires_at_head=(True, "RMQ-25: expired messages are removed at the head"),
    expires_in_flight=(False, "RMQ-26: unacked messages do not expire until requeued"),
    dead_letters_lazily=(False, "RMQ-17: at the return, not at the next delivery"),
    remembers_deaths=(True, "RMQ-21: x-death; RMQ-22: cycles"),
    dedup_window=(0, "RMQ-4: no deduplication"),
    stale_ack=((Stale.CLOSES_CHANNEL, Stale.CLOSES_CHANNEL), "RMQ-10: 406, the channel is closed"),
    on_crash=(OnCrash.RETURNS, "RMQ-34: all its unacked are requeued at once"),
    pushes=(True, "RMQ-6: basic.consume"),
    default_wait=(0, "RMQ-6: basic.get does not wait"),
    poll_batch=(1, "RMQ-6: basic.get gets one"),
    prefetch=(0, "RMQ-6: unlimited"),
    purges_ready_only=(True, "RMQ-38: purge removes ready only"),
    max_size=(16 << 20, "RMQ limits: 16 MiB since 4.0"),
)
_CLASSIC = _BOTH | dict(
    visibility_timeout=(None, "RMQ-11: no timeout of a delivery since 4.3"),
    returns_to=(ReturnsTo.PLACE, "RMQ-12: back to its original position"),
    is_durable=(True, "RMQ-36: a durable queue, persistent messages (ours: declared so)"),
    full_stay_in_line=(True, "RMQ-7: as recorded of 3.10.8, who is full keeps his turn until he is asked"),
    max_deliveries=(None, "RMQ-19: no delivery limit ever"),
    limit=(Capacity(when_full=Overflow.DEAD_LETTER, counts_ready_only=True), "RMQ-27: ready messages only"),
)
_QUORUM = _BOTH | dict(
    visibility_timeout=(30 * MINUTE, "RMQ-11: consumer_timeout; since 4.3 the message is requeued"),
    returns_to=(ReturnsTo.TAIL, "RMQ-13: without a delivery limit to the tail"),
    returns_to_if_limited=(ReturnsTo.HEAD, "RMQ-13: with a delivery limit before all ready messages"),
    returns_to_after_crash=(ReturnsTo.HEAD, "RMQ-13: after the loss of a channel before all ready messages"),
    max_deliveries=(21, "RMQ-17: limit + 1; the limit is 20 since 4.0"),
    counts_only_failures=(True, "RMQ-18: since 4.3 basic.reject and a lost channel count, basic.nack does not"),
    expires_in_each_level=(True, "RMQ-32: at the head of its priority"),
    is_durable=(True, "RMQ-36: always"),
    returns_before_levels=(True, "RMQ-31: returned messages go first, whatever their priority"),
    limit=(
        Capacity(when_full=Overflow.DEAD_LETTER, counts_ready_only=True, overshoot=1),
        "RMQ-28: ready messages only; reject-publish lets one more in",
    ),
    prefetch=(2000, "RMQ-6: unlimited is 2,000"),
    max_prefetch=(2000, "RMQ-6: capped at 2,000"),
)
_BEFORE: dict[str, tuple[Any, str]] = dict(
    visibility_timeout=(30 * MINUTE, "RMQ-11: consumer_timeout 30 min"),
    lease_closes_channel=(True, "RMQ-11: up to 4.2 it closes the channel"),
    max_size=(128 << 20, "RMQ limits: 128 MiB in 3.10"),
)

_QUORUM_BEFORE: dict[str, tuple[Any, str]] = dict(
    max_deliveries=(None, "RMQ-17: no delivery limit unless one is set, in 3.10"),
    counts_only_failures=(False, "RMQ-18: every return counts, up to 4.2"),
    has_priorities=(False, "RMQ-31: quorum queues ignore priority before 4.0"),
)

RABBITMQ_CLASSIC = profile("rabbitmq-classic", **_CLASSIC)
RABBITMQ_QUORUM = profile("rabbitmq-quorum", **_QUORUM)
version(RABBITMQ_CLASSIC, "3.10", **_BEFORE)
version(RABBITMQ_QUORUM, "3.10", **_BEFORE | _QUORUM_BEFORE)


def classic(number: str = "4.x") -> Profile:
    return VERSIONS["rabbitmq-classic"].get(number, RABBITMQ_CLASSIC)


def quorum(number: str = "4.x", delivery_limit: int | None = None) -> Profile:
    """``delivery_limit`` is RabbitMQ's own number: one more delivery than that (RMQ-17).  None: the version's."""
    made = VERSIONS["rabbitmq-quorum"].get(number, RABBITMQ_QUORUM)
    return made if delivery_limit is None else replace(made, max_deliveries=delivery_limit + 1)


def with_priorities(made: Profile, most: int, missing: int = 0) -> Profile:
    """``x-max-priority`` (RMQ-30); quorum queues of 4.3 have 31, and 4 for a message without (RMQ-31)."""
    return replace(made, order=Order.PRIORITY, levels=most + 1, lane_of=lanes(most, missing))


OVERFLOW = {
    "drop-head": Overflow.DEAD_LETTER,
    "reject-publish": Overflow.REJECT,
    "reject-publish-dlx": Overflow.REJECT_DEAD_LETTER,
}
"""``x-overflow`` (RMQ-28).  What drop-head drops is dead-lettered where there is a dead-letter queue."""


def with_limit(made: Profile, messages: int | None, bytes: int | None = None, overflow: str = "drop-head") -> Profile:
    """``x-max-length``, ``x-max-length-bytes`` and ``x-overflow`` (RMQ-27, RMQ-28)."""
    return replace(made, capacity=replace(made.limit, messages=messages, bytes=bytes, when_full=OVERFLOW[overflow]))
