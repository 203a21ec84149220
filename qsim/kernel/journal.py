"""The journal: the rows in which everything that happened is written, once.

It knows the layout of a row and the meaning of each kind.  It does not know who reads it: full chunks go to
``sink``, anything that takes bytes.  One row is 32 bytes (ROW); the kinds, their numbers and the meaning of
``cause`` and ``other`` are fixed, for two engines must write the same bytes.

A row says: at ``time`` (ns), ``client`` did ``kind`` to ``message`` in ``queue``.  ``message`` is
``producer << 40 | number``; ``client`` is ``consumer << 20 | process``; -1 stands for nobody and nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from struct import Struct

ROW = Struct("<qqiihbbi")
"""time, message, client, attempt, queue, kind, cause, other."""
ALIKE = Struct("<qq16s")
"""A row whose end is known: time, message, and ``ending`` of the rest; a third quicker, where rows are alike."""
FIELDS = ("time", "message", "client", "attempt", "queue", "kind", "cause", "other")
FORMATS = ("<i8", "<i8", "<i4", "<i4", "<i2", "i1", "i1", "<i4")
CHUNK = 1 << 18
"""Bytes that a journal collects before it hands them on."""

NOBODY = -1
NOWHERE = -1
"""The queue of rows about no queue: those of topics, too."""


class Place(IntEnum):
    """Where a message is.  A queue holds it in exactly one of the first six."""

    GONE = 0
    READY = 1
    DELAYED = 2
    LEASED = 3
    DEFERRED = 4
    RETURNS = 5
    """Ready, in the lane that is served before all others: counted as visible."""


class Cause(IntEnum):
    """Why: the reason of a dead-letter move, a drop, a refusal, the end of a piece of work."""

    NONE = 0
    MAX_RECEIVES = 1
    REJECTED = 2
    TTL = 3
    RETENTION = 4
    FULL = 5
    BY_APPLICATION = 6
    THROTTLED = 7
    OVER_LIMIT = 8
    TOO_LARGE = 9
    NO_GROUP = 10
    DELAY_NOT_ALLOWED = 11
    OUT_OF_RANGE = 12
    UNKNOWN_RECEIPT = 13
    NOT_IN_FLIGHT = 14
    RECEIPT_EXPIRED = 15
    RECEIVED_AGAIN = 16
    OWN_CRASH = 17
    FELLOW_CRASH = 18
    CLOSED = 19
    DUPLICATE_ID = 20
    NO_MESSAGE = 21
    TOO_MANY = 22
    BLOCKED = 23
    """The producer has to wait for room: no refusal, and no row."""
    TOO_LONG = 24
    """The messages of one batch together."""
    NOT_ALLOWED = 25
    """This queue never does that: a send to a dead-letter queue that belongs to another queue (ASB-17)."""
    HOPS = 26
    """Moved on from queue to queue too often (ASB-16)."""
    SESSION_LOCKED = 27
    """Another receiver has the session (ASB-20)."""
    NO_SESSION = 28
    """There is no session to accept, or its lock is lost (ASB-21)."""
    CYCLE = 29
    """It would go round through dead-letter queues for ever (RMQ-22)."""
    EXCLUSIVE = 30
    """A consumer has the queue, or wants it, for itself (RMQ-8)."""
    NO_ROUTE = 31
    """No queue is bound for it, and the publisher wants to know (RMQ-2)."""
    SCALED_IN = 32
    """An autoscaler wants fewer processes, and does not wait for what they hold."""


class Kind(IntEnum):
    """What happened.  ``cause`` is a Place where the row says "to", else a Cause.

    ==================  =========================================================================
    producers
    SENT                a try (attempt: 1, 2, ...; cause: level; other: group, -1 none; client: who sends on what it
                        makes of another message)
    LOST_SEND           that try never arrived
    TIMED_OUT           the producer stopped waiting for an answer to that try (attempt)
    ANSWERED            the producer heard (only where later than its first try)
    POISON              label: this message fails every time
    ATTRIBUTES          label (other: which combination of attribute values)
    REPLIED             the reply came in time (attempt: of the request)
    TOO_LATE            a reply came when nobody waited for it any more
    GAVE_UP_WAITING     no reply in time (attempt: of the request)
    queues
    ACCEPTED            entered by a send (cause: to, READY or DELAYED; other: group, -1 none; attempt: messages in this
                        call, 0 if it was alone; so in the two that follow)
    SUPPRESSED          a duplicate of an earlier send: nothing enters
    REJECTED            refused at the send (cause)
    VISIBLE             its delay is over (DELAYED to READY)
    RECEIVED            leased to client (attempt: receives of this queue; cause: messages in this
                        call, 0 if pushed; other: lease in ms, -1 for ever)
    TAKEN               the application got a prefetched delivery
    ACKED               deleted (cause: from, LEASED, or READY after a late ack)
    NACKED              given back by its client (cause: to; LEASED where it stays hidden until its delay ends)
    LEASE_ENDED         not acked in time (cause: to)
    RETURNED            back without a failure: its hidden delay ended, or its session closed (cause: to)
    DUPLICATED          visible again though its lease still runs (LEASED to READY)
    EXTENDED            lease prolonged or cut (other: ms from now)
    STALE               a call with a lost lease did nothing (cause; other: 1 ack, 2 nack, 3 extend)
    DEAD_LETTERED       moved to the dead-letter queue (cause: reason; other: to queue << 8 | from)
    MOVED_IN            arrived by a move (cause: to; other: from queue, its own: its delete was lost in a restart)
    MOVED_OUT           left by a redrive (cause: from; other: to queue)
    DROPPED             thrown away (cause: reason; other: from)
    EXPIRED             its ttl or retention ended (cause: reason; other: from)
    PURGED              by an operator, or a delayed one cancelled (cause: from)
    VANISHED            lost by the broker or with a consumer that had popped it (cause: from)
    DEFERRED_           set aside (LEASED to DEFERRED)
    FETCHED             asked for by its number (DEFERRED to READY): its receive, or its end, comes in this instant
    EMPTY_RECEIVE       a receive ended with nothing
    REFUSED             a receive or a subscription was refused (cause)
    CHANNEL_CLOSED      the broker closed a client's channel, with all that it held (cause: of the call or the lease)
    PUBLISHED           a topic took a message (attempt: how many copies; other: which topic; queue: -1)
    AWAY, BACK          the broker of a queue is gone, is there again (message: -1)
    UNROUTED            a message to a topic, and no queue wanted it (cause: NO_ROUTE if it was sent back; other: which topic;
                        queue: -1)
    consumers (attempt: the simulator's own count of starts of this message at this consumer)
    STARTED             work begins; only at consumers that buffer, elsewhere RECEIVED is the start
    EFFECT              the work took effect
    SKIPPED             an idempotent consumer had seen it
    ERRED               the work ended in an error
    INTERRUPTED         the work ended with its process (cause: OWN_CRASH, FELLOW_CRASH, CLOSED or SCALED_IN)
    LOST_ACK            the ack (or after an error the nack) never arrived
    GAVE_UP             the heartbeat stopped
    UP, DOWN            a process lives, is no more (client)
    PAUSED, RESUMED     a process takes no work, takes work again (client)
    STARTED_UP          a process that was starting takes work from now on (client)
    CALLED              a call to a dependency (other: which; queue: -1, as in the five that follow)
    SERVED              it has found a place
    CALL_ENDED          it was answered (cause: CLOSED where nobody waits for the answer any more)
    CALL_TIMED_OUT      its caller gave up (cause: a Place of the call: READY if it still waited, LEASED if it was served)
    CALL_REFUSED        there was no place to wait
    CALL_ABANDONED      its caller's process is gone (cause: a Place of the call, as above)
    the run
    FIRED, CLEARED      an alert (client: which)
    CONTROL, CONTROL_END  a timeline event (client: which)
    HEALED              poison fixed (queue, -1 everywhere)
    SCALED              an autoscaler wants another count (client: which consumer; other: how many)
    SLOWED              a producer's rate is held down, or no more (client: which entry; other: 1, 0)
    ==================  =========================================================================
    """

    SENT = 1
    LOST_SEND = 2
    TIMED_OUT = 3
    ANSWERED = 4
    POISON = 5
    ATTRIBUTES = 6
    REPLIED = 7
    TOO_LATE = 8
    GAVE_UP_WAITING = 9
    ACCEPTED = 10
    SUPPRESSED = 11
    REJECTED = 12
    VISIBLE = 13
    RECEIVED = 14
    TAKEN = 15
    ACKED = 16
    NACKED = 17
    LEASE_ENDED = 18
    RETURNED = 19
    DUPLICATED = 20
    EXTENDED = 21
    STALE = 22
    DEAD_LETTERED = 23
    MOVED_IN = 24
    MOVED_OUT = 25
    DROPPED = 26
    EXPIRED = 27
    PURGED = 28
    VANISHED = 29
    DEFERRED_ = 30
    EMPTY_RECEIVE = 31
    REFUSED = 32
    FETCHED = 33
    CHANNEL_CLOSED = 34
    UNROUTED = 35
    PUBLISHED = 36
    AWAY = 37
    BACK = 38
    STARTED = 40
    EFFECT = 41
    SKIPPED = 42
    ERRED = 43
    INTERRUPTED = 44
    LOST_ACK = 45
    GAVE_UP = 46
    UP = 47
    DOWN = 48
    PAUSED = 49
    RESUMED = 50
    STARTED_UP = 51
    CALLED = 52
    SERVED = 53
    CALL_ENDED = 54
    CALL_TIMED_OUT = 55
    CALL_REFUSED = 56
    CALL_ABANDONED = 57
    FIRED = 60
    CLEARED = 61
    CONTROL = 62
    CONTROL_END = 63
    HEALED = 64
    SCALED = 65
    SLOWED = 66


def ending(client: int, attempt: int, queue: int, kind: int, cause: int = 0, other: int = -1) -> bytes:
    """The bytes of a row after time and message."""
    return ROW.pack(0, 0, client, attempt, queue, kind, cause, other)[16:]


class Journal:
    """Rows as bytes, handed to ``sink`` a chunk at a time; without a sink they stay in ``chunks``."""

    __slots__ = ("chunks", "rows", "sink")

    def __init__(self, sink: Callable[[bytes], object] | None = None) -> None:
        self.chunks: list[bytes] = []
        self.rows = bytearray()
        self.sink = sink if sink is not None else self.chunks.append

    def write(
        self, time: int, message: int, client: int, attempt: int, queue: int, kind: int, cause: int = 0, other: int = -1
    ) -> None:
        """Append one row; times in ns."""
        self.rows += ROW.pack(time, message, client, attempt, queue, kind, cause, other)
        if len(self.rows) >= CHUNK:
            self.flush()

    def flush(self) -> None:
        """Hand on what has been collected."""
        if self.rows:
            self.sink(bytes(self.rows))
            self.rows.clear()

    def read(self) -> list[tuple[int, ...]]:
        """Every row still held here, as tuples in the order of FIELDS (for tests and small runs)."""
        return [row for chunk in [*self.chunks, bytes(self.rows)] for row in ROW.iter_unpack(chunk)]
