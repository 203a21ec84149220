"""A profile: the choices in which brokers differ, as frozen values.

It holds no state and knows no broker by name.  ``qsim/brokers`` fills it in, each value citing its rule;
a scenario's queue is a profile with some values replaced.  Times are ns, sizes bytes, None is "no limit".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from qsim.units import Nanos


class Order(IntEnum):
    """Which ready message goes next."""

    FIFO = 0
    BEST_EFFORT = 1
    """By send time, until the driver chooses another candidate."""
    LIFO = 2
    PRIORITY = 3
    """Level 0 first; fifo inside a level."""
    ENDS = 4
    """A list with two ends: level 0 enters at the left, level 1 at the right, where the next is taken (RED-1)."""


class Grouping(IntEnum):
    """What a message's group means."""

    NONE = 0
    BLOCKS = 1
    """While one of a group is leased, later receives skip the group (SQS-13)."""
    STICKY = 2
    """A group belongs to the consumer that got its first message, and does not block (AMQ-9)."""
    SESSIONS = 3
    """A group is a session: who has accepted it has a lock on all of it, also on what is still to come (ASB-20)."""


class Dispatch(IntEnum):
    """Which of the consumers that are pushed to gets the next message."""

    LONGEST_WAITING = 0
    """Who was served goes to the end; who runs out of credit leaves the line (RMQ-7)."""
    ROUND_ROBIN = 1
    """Who was served is last of his priority; who is full is passed over and keeps his place (AMQ-6, AMQ-8)."""
    FILL = 2
    """The first one until he is full (AMQ-6)."""


class ReturnsTo(IntEnum):
    """Where a returned message queues."""

    PLACE = 0
    """By its rank: where it was."""
    HEAD = 1
    """Before all ready ones, in the order of return."""
    TAIL = 2


class OnCrash(IntEnum):
    """What the broker does with what a dead client held."""

    KEEPS = 0
    """Nothing: the lease runs out (SQS-33)."""
    RETURNS = 1
    LOSES = 2
    """It was gone when it was handed out."""
    ORPHANS = 3
    """The lease runs out; but whoever held it can settle it no more (ASB-12)."""


class Overflow(IntEnum):
    """What happens to an arrival (or to the oldest) when a queue is full."""

    REJECT = 0
    BLOCK = 1
    DROP_OLDEST = 2
    DROP_NEWEST = 3
    DEAD_LETTER = 4
    """The oldest is moved to the dead-letter queue."""
    REJECT_DEAD_LETTER = 5
    """The arrival is refused, and moved to the dead-letter queue all the same (RMQ-28)."""


class Stale(IntEnum):
    """What an ack of a lost lease does."""

    DELETES = 0
    IGNORED = 1
    ERROR = 2
    CLOSES_CHANNEL = 3


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """``max_receives``: deliveries that a message may get; None: only reject, expiry or overflow dead-letter."""

    queue: str
    max_receives: int | None


@dataclass(frozen=True, slots=True)
class Capacity:
    messages: int | None = None
    bytes: int | None = None
    when_full: Overflow = Overflow.REJECT
    counts_ready_only: bool = False
    """Then the arrival enters first, and the head goes, be it the arrival itself (RMQ-27, RMQ-29)."""
    overshoots: bool = False
    """Full is only who has reached his limit of bytes: the arrival before may go beyond it (AMQ-3)."""
    overshoot: int = 0
    """So many messages more are let in before the first is refused (RMQ-28)."""


@dataclass(frozen=True, slots=True)
class Throttle:
    """Calls a second, as a token bucket of one second's worth; per kind of call."""

    send: int | None = None
    receive: int | None = None
    delete: int | None = None
    send_per_group: int | None = None
    """Send calls a second with messages of one group, beside those of the whole queue (SQS-35)."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One queue's contract.  The defaults are those of a queue without any rule."""

    name: str
    order: Order = Order.FIFO
    levels: int = 1
    has_priorities: bool = True
    """Whether a queue can have levels at all (RMQ-31)."""
    lane_of: tuple[int, ...] | None = None
    """Which of ``levels`` lanes a message's level stands for; None: its own number."""
    returns_before_levels: bool = False
    """Who returns to the head comes before all levels (RMQ-31), else to the head of his own."""
    drops_most_urgent: bool = False
    """Of several levels the most urgent head is dropped (RMQ-28), else the least urgent one."""
    grouping: Grouping = Grouping.NONE
    needs_group: bool = False
    visibility_timeout: Nanos | None = None
    max_visibility: Nanos | None = None
    """Longest time hidden, counted from the receive that gave the receipt."""
    delay: Nanos = 0
    max_delay: Nanos | None = None
    message_delay: bool = True
    """Whether a single message may have its own delay."""
    nack_stays_leased: bool = False
    """A nack with a delay keeps the message in flight until then (SQS-21); else it is delayed."""
    retention: Nanos | None = None
    min_retention: Nanos | None = None
    max_retention: Nanos | None = None
    retention_restarts: bool = True
    """Whether a move to this queue starts retention anew (SQS-26)."""
    expires_in_flight: bool = False
    """Whether retention strikes a leased message too (SQS-30)."""
    ttl_dead_letters: bool = False
    expires_at_head: bool = False
    """Time strikes a ready message only when it is the next (RMQ-25)."""
    expires_in_each_level: bool = False
    """When it is the next of its level, whatever stands before it in others (RMQ-32)."""
    returns_to: ReturnsTo = ReturnsTo.PLACE
    returns_to_if_limited: ReturnsTo | None = None
    """Instead, where deliveries are limited (RMQ-13)."""
    returns_to_after_crash: ReturnsTo | None = None
    """Instead, when its client was lost (RMQ-13)."""
    tail_from: int | None = None
    """From this receive on a returned message queues as if sent now (SQS-12)."""
    dlq: DeadLetter | None = None
    dead_letters_lazily: bool = False
    """At the receive that would exceed max_receives (SQS-24), instead of at the last return."""
    max_deliveries: int | None = None
    """Deliveries that a message may get where ``dlq`` does not say; without a dlq it is dropped then (RMQ-17)."""
    counts_only_failures: bool = False
    """A delivery given back without a failure, or whose time was over, does not count (RMQ-18)."""
    remembers_deaths: bool = False
    """Messages know where they were dead-lettered and why (RMQ-21), and do not go round by themselves (RMQ-22)."""
    counts_across_queues: bool = False
    """Whether the receive count goes on after a dead-letter move (SQS-28)."""
    dedup_window: Nanos | None = 0
    """0: no deduplication; None: for ever."""
    dedup_per_group: bool = False
    content_dedup: bool = False
    capacity: Capacity | None = None
    limit: Capacity = Capacity()
    """What a limit is like here, where one is set."""
    max_in_flight: int | None = None
    in_flight_is_error: bool = False
    """At the limit a receive is refused; else it returns nothing."""
    look_ahead: int | None = None
    """Messages from the front among which a free group is looked for (SQS-15)."""
    stale_ack: tuple[Stale, Stale] = (Stale.DELETES, Stale.IGNORED)
    """Expired but not received again; received again."""
    lease_closes_channel: bool = False
    """A lease that ends takes its client's whole channel with it (RMQ-11)."""
    strict_extend: bool = False
    """An extend of a lease that has ended is an error (SQS-22); else ignored."""
    on_crash: OnCrash = OnCrash.KEEPS
    is_durable: bool = True
    """Whether a restart of the broker finds its messages again."""
    fsync_every: Nanos | None = None
    """What is durable is written so often: a restart finds what was there then; None: at once (RED-19)."""
    throttle: Throttle | None = None
    push: bool = True
    pull: bool = True
    poll_batch: int = 1
    max_batch: int | None = None
    max_wait: Nanos | None = None
    default_wait: Nanos | None = None
    """Long poll of a receive that states none; None: for ever."""
    prefetch: int = 0
    """Default prefetch of a subscription, 0 = unlimited."""
    max_prefetch: int | None = None
    pushes: bool = False
    """A consumer that says nothing is pushed to, instead of asking."""
    single_active: bool = False
    """Of all subscribed consumers the first is served; when it goes, the next (RMQ-8)."""
    full_stay_in_line: bool = False
    """Who has run out of credit leaves the line when it is his turn, not before (RMQ-7)."""
    purges_ready_only: bool = False
    max_size: int | None = None
    max_batch_size: int | None = None
    """Bytes of all the messages of one call together (SQS-4)."""
    billed_size: int | None = None
    """Every so many bytes of a call's payload are billed as one call; None: a call is a call."""
    redrive_rate: int | None = None
    """Most messages a second that a redrive moves."""
    is_log: bool = False
    """A group of readers of an append-only log: ``kernel/log.py`` (RED-7)."""
    reads: str | None = None
    """The queue whose log it reads; None: its own."""
    maxlen: int | None = None
    """Entries that its log keeps at most: the oldest go, be they pending (RED-6)."""
    min_idle: Nanos | None = None
    """How long a pending entry has to be left alone before consumers claim it, unless they say otherwise (RED-10)."""
    can_nack: bool = True
    """Whether a client can give a message back by a call (RED-3, RED-13)."""
    dispatch: Dispatch = Dispatch.LONGEST_WAITING
    extends_window: bool = False
    """What a client tells to be in the application's hands does not count against its prefetch (AMQ-7)."""
    client_redelivers: bool = False
    """The client redelivers, counts, and says what is poison (AMQ-16): ``dlq.max_receives`` is nothing to the queue."""
    expire_sweep: Nanos | None = None
    """Expired messages are noticed by a sweep so often, and when they would be handed out; None: at once (AMQ-22)."""
    schedules: bool = False
    """A delayed message is sent when it is due, to the tail, and its ttl begins then (AMQ-2)."""
    is_persistent: bool = True
    """What a message is that does not say (AMQ-1)."""
    dead_letters_transient: bool = True
    """Whether messages that are not persistent are dead-lettered too (AMQ-21)."""
    fixed_lease: bool = False
    """A renewed lease lasts the queue's own visibility timeout, whatever is asked (ASB-11)."""
    longest_lease: Nanos | None = None
    """The longest visibility timeout that a queue may have; a lease may be renewed beyond (ASB-5)."""
    numbers_messages: bool = False
    """A message gets a number as it enters, one more than the last; a delayed one another when it is due (ASB-1)."""
    expires_lazily: bool = False
    """What is out of date goes when a receive comes upon it; until then it is visible, and counted (ASB-18)."""
    is_subqueue: bool = False
    """The dead-letter queue that belongs to another queue: nobody sends to it, nothing is dead-lettered from it, and
    a message keeps its number and its count (ASB-17)."""
    forward_to: str | None = None
    """The queue to which everything that enters is moved at once (ASB-26)."""
    max_hops: int = 4
    """So often may a message be moved on; then it is dead-lettered (ASB-16)."""

    @property
    def delivery_limit(self) -> int | None:
        """Deliveries that a message may get; None: any number."""
        own = self.dlq.max_receives if self.dlq is not None else None
        return self.max_deliveries if own is None else own
