"""Stations with room for some: who finds them full is lost, or stays outside until he has had his answer.

It knows rates and formulas, no scenario and no run.  Rates are per unit of time, and times come out in that unit.
GSTH: Gross, Shortle, Thompson and Harris, *Fundamentals of Queueing Theory*, 4th edition (Wiley 2008).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from math import exp, inf, log

from qsim.theory.sense import sensible
from qsim.theory.station import Station


def mm1k(arrival_rate: float, service_rate: float, places: int) -> Station:
    """M/M/1/K, K places with that in service: P(n) = ρⁿ / (1 + ρ + ... + ρᴷ), and P(K) of the arrivals are lost.

    Stable at any load.  GSTH.
    """
    return mmck(arrival_rate, service_rate, 1, places)


def mmck(arrival_rate: float, service_rate: float, servers: int, places: int) -> Station:
    """M/M/c/K, K places with those in service: P(n+1) / P(n) = λ / (min(n+1, c) μ), and P(K) of the arrivals are lost.

    Stable at any load.  GSTH.  K = c is Erlang's loss system, for which the services may have any distribution.
    """
    sensible(arrival_rate=arrival_rate, service_rate=service_rate, servers=servers, places=places)
    shares = by_steps([arrival_rate / (min(n + 1, servers) * service_rate) for n in range(places)])
    entering = sum(shares[:-1])
    number = sum(n * share for n, share in enumerate(shares))
    waiting = sum((n - servers) * share for n, share in enumerate(shares) if n > servers)
    wait = waiting / (arrival_rate * entering) if arrival_rate else 0.0
    return Station(
        utilization=(number - waiting) / servers,
        wait_probability=sum(shares[servers:-1]) / entering,
        mean_wait=wait,
        mean_time=wait + 1 / service_rate,
        mean_waiting=waiting,
        mean_number=number,
        blocked=shares[-1],
    )


def mmcn(clients: int, think_rate: float, service_rate: float, servers: int = 1) -> Station:
    """M/M/c//N, N clients who think, ask, wait for their answer and think again (the machine repairman's station):
    P(n+1) / P(n) = (N − n) λ / (min(n+1, c) μ), λ the think rate of one client.  Throughput is λ (N − L).  GSTH.
    """
    sensible(clients=clients, think_rate=think_rate, service_rate=service_rate, servers=servers)
    shares = by_steps([(clients - n) * think_rate / (min(n + 1, servers) * service_rate) for n in range(clients)])
    number = sum(n * share for n, share in enumerate(shares))
    waiting = sum(max(0, n - servers) * share for n, share in enumerate(shares))
    thinking = [(clients - n) * share for n, share in enumerate(shares)]
    throughput = think_rate * sum(thinking)
    return Station(
        utilization=(number - waiting) / servers,
        wait_probability=sum(thinking[servers:]) / sum(thinking),
        mean_wait=waiting / throughput,
        mean_time=number / throughput,
        mean_waiting=waiting,
        mean_number=number,
    )


def by_steps(ratios: Sequence[float]) -> list[float]:
    """The probabilities of a chain that goes up and down by one, from P(n+1) / P(n)."""
    logs = list(accumulate((log(ratio) if ratio else -inf for ratio in ratios), initial=0.0))
    largest = max(logs)
    weights = [exp(value - largest) for value in logs]  # by logarithms, so that nothing grows beyond bounds
    total = sum(weights)
    return [weight / total for weight in weights]
