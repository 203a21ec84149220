"""A station in equilibrium: what is told of it, and Little's law, by which the rest follows.

It knows rates and times, no scenario and no run.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from qsim.theory.sense import sensible


@dataclass(frozen=True, slots=True)
class Station:
    """A queue with its servers in equilibrium.  Waiting ends when service begins; ``time`` is waiting and service.

    Where more arrives than can be served there is no equilibrium: everyone waits, and the means are infinite.
    ``blocked`` is the share of arrivals that find the station full; all else is told of those that enter.
    """

    utilization: float
    wait_probability: float
    mean_wait: float
    mean_time: float
    mean_waiting: float
    mean_number: float
    blocked: float = 0.0


ENDLESS = Station(1.0, 1.0, mean_wait=inf, mean_time=inf, mean_waiting=inf, mean_number=inf)
"""Where nothing is ever done with."""


def little(arrival_rate: float, mean_time: float) -> float:
    """L = λ W: how many are inside on average, whatever is inside and in whatever order.

    J. D. C. Little, *A Proof for the Queuing Formula L = λW*, Operations Research 9 (1961).
    """
    sensible(arrival_rate=arrival_rate, mean_time=mean_time)
    return product(arrival_rate, mean_time)


def product(how_often: float, how_long: float) -> float:
    """0 · ∞ = 0: what never happens takes no time, however long it would."""
    return how_often * how_long if how_often else 0.0


def station(arrival_rate: float, mean_service: float, servers: int, waits: float, mean_wait: float) -> Station:
    """The rest follows: a time is waiting plus service, and Little's law makes numbers of times, L = λ W."""
    mean_time = mean_wait + mean_service
    return Station(
        utilization=min(1.0, arrival_rate * mean_service / servers),
        wait_probability=waits,
        mean_wait=mean_wait,
        mean_time=mean_time,
        mean_waiting=little(arrival_rate, mean_wait),
        mean_number=little(arrival_rate, mean_time),
    )
