"""Message, Delivery, Credit: what moves, what is handed out, and who waits for it.

They know no rule.  A message object lives in one queue: a move to another queue makes a new one, so that an old
receipt can never touch the copy.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from qsim.kernel.deaths import Deaths
from qsim.kernel.journal import NOBODY, Cause, Place
from qsim.units import Nanos

if TYPE_CHECKING:
    from qsim.kernel.queue import Queue


class Message:
    """One message in one queue.  What most messages never change stands at the class, which makes the rest small.

    ``rank`` is its place in the order of sending; ``receipt`` the number of its newest lease; ``arm`` names the one
    deadline (lease or delay) that is still meant, 0 = none: older entries in a heap are thereby dead.
    """

    level: int = 0
    group: Hashable = None
    size: int = 0
    dedup: Hashable = None
    attributes: Mapping[str, str] | None = None
    payload: Any = None
    receives: int = 0
    carried: int = 0
    """Of ``receives``, those that do not count here: of the queues that it came from (SQS-28), or given back without
    a failure (RMQ-18)."""
    receipt: int = 0
    arm: int = 0
    client: int = NOBODY
    leased_at: Nanos = 0
    lease_ends: Nanos | None = None
    is_hidden: bool = False
    """Given back, but in flight until its delay ends (SQS-21)."""
    credit: Credit | None = None
    expires: Nanos | None = None
    retained_from: Nanos | None = None
    is_taken: bool = False
    redeliveries: int = 0
    """How many clients that are gone may have handed it to an application: not those that are known not to (AMQ-19)."""
    died_of: Cause = Cause.NONE
    """Why the queue that it was moved from dead-lettered it."""
    number_here: int = 0
    """Its number in this queue, where messages are numbered as they enter (ASB-1)."""
    count_before: int = 0
    """The delivery count with which it came to a dead-letter queue, where it does not rise (ASB-17)."""
    hops: int = 0
    """How many queues have moved it on (ASB-16)."""
    is_set_aside: bool = False
    """Deferred once: it comes back to where only its number finds it (ASB-13)."""
    entry: int = 0
    """The id of the log's entry that it is a copy of."""
    deaths: Deaths = ()
    """Where it has been dead-lettered, and why (RMQ-21)."""

    def __init__(self, number: int, queue: Queue, rank: int, entered: Nanos) -> None:
        self.number = number
        self.queue = queue
        self.rank = rank
        self.entered = entered
        self.place = Place.READY

    def __repr__(self) -> str:
        return f"<message {self.number} {self.place.name.lower()} in {self.queue.name}>"


class Delivery(NamedTuple):
    """A message in a client's hands.  It is valid as long as the message still carries this receipt."""

    message: Message
    receipt: int
    attempt: int
    client: int = NOBODY


class Credit:
    """The right of a client to be handed messages: once with a deadline (a receive that waits), or renewed by
    settling (a subscription with a prefetch)."""

    __slots__ = ("arm", "client", "ends", "has_left", "is_pushed", "left", "limit", "owner", "timeout")

    priority = 0
    is_settled_at_once = False
    is_exclusive = False
    refused = Cause.NONE
    """What only a ``Subscribed`` says of itself."""

    def __init__(
        self, arm: int, client: int, limit: int, timeout: Nanos | None, ends: Nanos | None, is_pushed: bool
    ) -> None:
        self.arm = arm
        self.client = client
        self.limit = limit
        self.timeout = timeout
        self.ends = ends
        self.is_pushed = is_pushed
        self.left = limit
        self.has_left = False
        self.owner: Any = None

    @property
    def is_open(self) -> bool:
        return self.arm != 0


class Subscribed(Credit):
    """A consumer that is pushed to.  ``priority``: the larger is served first (RMQ-7); ``is_settled_at_once``: what
    it is handed is acked by that (RMQ-9); ``is_exclusive``: nobody else may subscribe (RMQ-8); ``has_left``: it was
    its turn, and it had no credit; ``refused``: why it is none."""

    def __init__(self, arm: int, client: int, limit: int, priority: int, settles: bool, exclusive: bool) -> None:
        super().__init__(arm, client, limit, None, None, is_pushed=True)
        self.priority = priority
        self.is_settled_at_once = settles
        self.is_exclusive = exclusive


class Deliveries(tuple[Delivery, ...]):
    """What a receive answers: deliveries, or why there are none.

    ``refused`` says why the broker would not; ``credit`` is set where the receive waits: what it gets later comes
    out of ``Broker.deliveries()`` under this credit.
    """

    refused: Cause = Cause.NONE
    credit: Credit | None = None
