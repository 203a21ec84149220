"""What the client of a broker that leaves redelivery to its clients is told (ActiveMQ): when to ack, and how often and how
late to redeliver.

It knows values alone, so that a scenario can name them without the machinery that follows them (``client``).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from qsim.units import SECOND, Nanos


class AckMode(IntEnum):
    """What an ack acks, and when it is made."""

    AUTO = 1
    """By the client, as the application gets the message or, of a listener, when that has returned (AMQ-11)."""
    CLIENT = 2
    """All that the session's application has got so far (AMQ-11)."""
    INDIVIDUAL = 3
    TRANSACTED = 4
    """By the commit, all that the session's application has got since the last one (AMQ-11, AMQ-25)."""
    UP_TO = 5
    """All that this subscription has got, up to that one: STOMP's ``client`` (AMQ-12)."""


@dataclass(frozen=True, slots=True)
class Redelivery:
    """How often, and how long after a rollback, a client redelivers (AMQ-13).  ``most`` None: for ever."""

    most: int | None = 6
    initial_delay: Nanos = SECOND
    delay: Nanos = SECOND
    is_exponential: bool = False
    multiplier: float = 5.0
    max_delay: Nanos | None = None
    is_blocking: bool = True

    def next_delay(self, last: Nanos) -> Nanos:
        """After a first delay of ``last`` (AMQ-17)."""
        if not (self.is_exponential and last > 0 and self.multiplier > 1):
            return self.delay
        longer = int(last * self.multiplier)
        if self.max_delay is not None and longer > self.max_delay:
            return max(self.max_delay, self.delay)
        return longer


UNLESS_SAID = Redelivery()
"""Six times, a second apart."""
