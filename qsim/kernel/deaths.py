"""Where a message has been dead-lettered, and why: what RabbitMQ writes into ``x-death``.

It knows names of queues and causes, no message and no broker.  Newest first; one entry for each queue and reason,
with how often (RMQ-21).
"""

from __future__ import annotations

from itertools import takewhile
from typing import NamedTuple

from qsim.kernel.journal import Cause


class Death(NamedTuple):
    queue: str
    cause: Cause
    times: int = 1


Deaths = tuple[Death, ...]


def with_death(deaths: Deaths, queue: str, cause: Cause) -> Deaths:
    """One more: an entry that is there already counts up, and comes first."""
    reason = Cause.TTL if cause is Cause.RETENTION else cause  # both are "expired"
    same = [death for death in deaths if (death.queue, death.cause) == (queue, reason)]
    others = [death for death in deaths if death not in same]
    return (Death(queue, reason, 1 + sum(death.times for death in same)), *others)


def goes_round(deaths: Deaths, target: str) -> bool:
    """RMQ-22: it has died in that queue before (the newest death is this one), and since then nobody has rejected it:
    it would go round for ever by itself."""
    since = tuple(takewhile(lambda death: death.queue != target, deaths))
    cycle = deaths[: len(since) + 1]
    return len(cycle) > len(since) and all(death.cause is not Cause.REJECTED for death in cycle)
