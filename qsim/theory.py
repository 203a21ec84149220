"""What the textbooks say: stations in equilibrium, in closed form.

It knows rates and formulas, no scenario and no run.  Rates are per unit of time, and times come out in that unit;
letters are those of the books: λ arrivals, μ services of one server, c servers, a = λ/μ offered load, ρ = a/c.

The formulas with their proofs: Gross, Shortle, Thompson and Harris, *Fundamentals of Queueing Theory*, 4th edition
(Wiley 2008), named GSTH below.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from math import exp, inf, log


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


def erlang_b(servers: int, load: float) -> float:
    """The share of arrivals lost where c servers have no queue: B(0) = 1, B(k) = a B(k-1) / (k + a B(k-1)).

    A. K. Erlang (1917); GSTH 2.6.
    """
    blocked = 1.0
    for k in range(1, servers + 1):
        blocked = load * blocked / (k + load * blocked)
    return blocked


def erlang_c(servers: int, load: float) -> float:
    """The share of arrivals that wait for one of c servers: B / (1 − ρ (1 − B)); 1 from ρ = 1 on.

    A. K. Erlang (1917); GSTH 2.3.
    """
    if load >= servers:
        return 1.0
    blocked = erlang_b(servers, load)
    return blocked / (1 - load / servers * (1 - blocked))


def mm1(arrival_rate: float, service_rate: float) -> Station:
    """M/M/1, one server: L = ρ / (1 − ρ), W = 1 / (μ − λ), P(wait) = ρ.  GSTH 2.2."""
    return mmc(arrival_rate, service_rate, 1)


def mmc(arrival_rate: float, service_rate: float, servers: int) -> Station:
    """M/M/c: Wq = C(c, a) / (cμ − λ), C by ``erlang_c``; the numbers by Little's law.  GSTH 2.3."""
    load = arrival_rate / service_rate
    waits = erlang_c(servers, load)
    spare = servers * service_rate - arrival_rate
    return _station(arrival_rate, 1 / service_rate, servers, waits, waits / spare if spare > 0 else inf)


def mmc_wait_quantile(share: float, arrival_rate: float, service_rate: float, servers: int = 1) -> float:
    """The wait that this share of all arrivals does not exceed: P(wait > t) = C(c, a) exp(−(cμ − λ) t).  GSTH 2.3."""
    waits = erlang_c(servers, arrival_rate / service_rate)
    spare = servers * service_rate - arrival_rate
    if share <= 1 - waits:
        return 0.0
    return log(waits / (1 - share)) / spare if spare > 0 and share < 1 else inf


def ggc(arrival_rate: float, service_rate: float, servers: int, arrival_scv: float, service_scv: float) -> Station:
    """G/G/c, approximately: the wait of M/M/c times (ca² + cs²) / 2, squared coefficients of variation of the gaps
    between arrivals and of the services.  Exact for M/M/c, and for M/G/1 (Pollaczek and Khinchine).

    A. O. Allen, *Probability, Statistics, and Queueing Theory*, 2nd edition (Academic Press 1990), by Allen and Cunneen.
    """
    load = arrival_rate / service_rate
    waits, spare = erlang_c(servers, load), servers * service_rate - arrival_rate
    wait = waits / spare * (arrival_scv + service_scv) / 2 if spare > 0 else inf
    return _station(arrival_rate, 1 / service_rate, servers, waits, wait)


def ggc_wait_quantile(
    share: float, arrival_rate: float, service_rate: float, servers: int, arrival_scv: float, service_scv: float
) -> float:
    """The wait that this share of all arrivals does not exceed, approximately: who waits waits as in M/M/c, an
    exponential time, of the mean that ``ggc`` tells: W = ln(C / (1 − share)) (ca² + cs²) / 2 / (cμ − λ).  Allen 1990."""
    variability = (arrival_scv + service_scv) / 2
    if variability == 0:  # D/D/c: nobody waits while the servers keep up
        return 0.0 if arrival_rate <= servers * service_rate * (1 + 1e-12) else inf
    return variability * mmc_wait_quantile(share, arrival_rate, service_rate, servers)


def mg1(arrival_rate: float, mean_service: float, service_variance: float) -> Station:
    """M/G/1: Wq = λ E(S²) / (2 (1 − ρ)), so half of the wait is owed to how much the services differ.

    F. Pollaczek (1930), A. Khinchine (1932); GSTH 5.1.
    """
    utilization = arrival_rate * mean_service
    second_moment = service_variance + mean_service**2
    wait = arrival_rate * second_moment / (2 * (1 - utilization)) if utilization < 1 else inf
    return _station(arrival_rate, mean_service, 1, min(1.0, utilization), wait)


def md1(arrival_rate: float, service_time: float) -> Station:
    """M/D/1, every service as long: half the wait of M/M/1.  GSTH 5.1."""
    return mg1(arrival_rate, service_time, 0.0)


def mm1k(arrival_rate: float, service_rate: float, places: int) -> Station:
    """M/M/1/K, K places with that in service: P(n) = ρⁿ / (1 + ρ + ... + ρᴷ), and P(K) of the arrivals are lost.

    Stable at any load.  GSTH 2.5.
    """
    load = arrival_rate / service_rate
    # Counted from the end that is the likelier, so that no power grows beyond bounds.
    weights = [load**n for n in range(places + 1)] if load <= 1 else [load ** (n - places) for n in range(places + 1)]
    shares = [weight / sum(weights) for weight in weights]
    entering = arrival_rate * (1 - shares[-1])
    number = sum(n * share for n, share in enumerate(shares))
    busy = 1 - shares[0]
    return Station(
        utilization=busy,
        wait_probability=1 - shares[0] / (1 - shares[-1]),
        mean_wait=(number - busy) / entering,
        mean_time=number / entering,
        mean_waiting=number - busy,
        mean_number=number,
        blocked=shares[-1],
    )


def mmcn(clients: int, think_rate: float, service_rate: float, servers: int = 1) -> Station:
    """M/M/c//N, N clients who think, ask, wait for their answer and think again (the machine repairman's station):
    P(n+1) / P(n) = (N − n) λ / (min(n+1, c) μ), λ the think rate of one client.  Throughput is λ (N − L).  GSTH 2.7.
    """
    steps = [log((clients - n) * think_rate / (min(n + 1, servers) * service_rate)) for n in range(clients)]
    logs = list(accumulate(steps, initial=0.0))
    largest = max(logs)
    weights = [exp(value - largest) for value in logs]  # by logarithms, so that nothing grows beyond bounds
    total = sum(weights)
    shares = [weight / total for weight in weights]
    number = sum(n * share for n, share in enumerate(shares))
    waiting = sum(max(0, n - servers) * share for n, share in enumerate(shares))
    throughput = think_rate * (clients - number)
    finds_all_busy = sum((clients - n) * share for n, share in enumerate(shares) if n >= servers) / (clients - number)
    return Station(
        utilization=(number - waiting) / servers,
        wait_probability=finds_all_busy,
        mean_wait=waiting / throughput,
        mean_time=number / throughput,
        mean_waiting=waiting,
        mean_number=number,
    )


def _station(arrival_rate: float, mean_service: float, servers: int, waits: float, mean_wait: float) -> Station:
    """The rest follows: a time is waiting plus service, and Little's law makes numbers of times, L = λ W."""
    mean_time = mean_wait + mean_service
    return Station(
        utilization=min(1.0, arrival_rate * mean_service / servers),
        wait_probability=waits,
        mean_wait=mean_wait,
        mean_time=mean_time,
        mean_waiting=arrival_rate * mean_wait,
        mean_number=arrival_rate * mean_time,
    )
