"""Stations where everybody waits as long as it takes: M/M/1, M/M/c, M/G/1, M/G/inf, and nearly G/G/c.

It knows rates and formulas, no scenario and no run.  Rates are per unit of time, and times come out in that unit;
letters are those of the books: λ arrivals, μ services of one server, c servers, a = λ/μ offered load, ρ = a/c.

The formulas with their proofs: Gross, Shortle, Thompson and Harris, *Fundamentals of Queueing Theory*, 4th edition
(Wiley 2008), named GSTH below.
"""

from __future__ import annotations

from math import inf, log

from qsim.theory.erlang import erlang_c
from qsim.theory.sense import sensible
from qsim.theory.station import Station, little, product, station


def mm1(arrival_rate: float, service_rate: float) -> Station:
    """M/M/1, one server: L = ρ / (1 − ρ), W = 1 / (μ − λ), P(wait) = ρ.  GSTH."""
    return mmc(arrival_rate, service_rate, 1)


def mmc(arrival_rate: float, service_rate: float, servers: int) -> Station:
    """M/M/c: Wq = C(c, a) / (cμ − λ), C by ``erlang_c``; the numbers by Little's law.  GSTH."""
    sensible(arrival_rate=arrival_rate, service_rate=service_rate, servers=servers)
    load = arrival_rate / service_rate
    waits = erlang_c(servers, load)
    spare = servers * service_rate - arrival_rate
    return station(arrival_rate, 1 / service_rate, servers, waits, waits / spare if spare > 0 else inf)


def mmc_wait_quantile(share: float, arrival_rate: float, service_rate: float, servers: int = 1) -> float:
    """The wait that this share of all arrivals does not exceed: P(wait > t) = C(c, a) exp(−(cμ − λ) t).  GSTH."""
    sensible(share=share, arrival_rate=arrival_rate, service_rate=service_rate, servers=servers)
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
    sensible(arrival_rate=arrival_rate, service_rate=service_rate, servers=servers)
    sensible(arrival_scv=arrival_scv, service_scv=service_scv)
    load = arrival_rate / service_rate
    waits, spare = erlang_c(servers, load), servers * service_rate - arrival_rate
    wait = product(waits / spare, (arrival_scv + service_scv) / 2) if spare > 0 else inf
    return station(arrival_rate, 1 / service_rate, servers, waits, wait)


def ggc_wait_quantile(
    share: float, arrival_rate: float, service_rate: float, servers: int, arrival_scv: float, service_scv: float
) -> float:
    """The wait that this share of all arrivals does not exceed, approximately: who waits waits as in M/M/c, an
    exponential time, of the mean that ``ggc`` tells: W = ln(C / (1 − share)) (ca² + cs²) / 2 / (cμ − λ).  Allen 1990."""
    sensible(arrival_rate=arrival_rate, service_rate=service_rate, servers=servers)
    sensible(share=share, arrival_scv=arrival_scv, service_scv=service_scv)
    variability = (arrival_scv + service_scv) / 2
    if variability == 0:  # D/D/c: nobody waits while the servers keep up
        return 0.0 if arrival_rate <= servers * service_rate * (1 + 1e-12) else inf
    return variability * mmc_wait_quantile(share, arrival_rate, service_rate, servers)


def mg1(arrival_rate: float, mean_service: float, service_variance: float) -> Station:
    """M/G/1: Wq = λ E(S²) / (2 (1 − ρ)), so half of the wait is owed to how much the services differ.

    F. Pollaczek (1930), A. Khinchine (1932); GSTH.
    """
    sensible(arrival_rate=arrival_rate, mean_service=mean_service, service_variance=service_variance)
    utilization = arrival_rate * mean_service
    second_moment = service_variance + mean_service**2
    wait = product(arrival_rate, second_moment) / (2 * (1 - utilization)) if utilization < 1 else inf
    return station(arrival_rate, mean_service, 1, min(1.0, utilization), wait)


def md1(arrival_rate: float, service_time: float) -> Station:
    """M/D/1, every service as long: half the wait of M/M/1.  GSTH."""
    sensible(service_time=service_time)
    return mg1(arrival_rate, service_time, 0.0)


def mginf(arrival_rate: float, mean_service: float) -> Station:
    """M/G/∞, a server for everyone: nobody waits, and a = λ S are inside (Poisson distributed), whatever the services'
    distribution.  ``utilization`` is 0, for there is always one more.  GSTH.
    """
    sensible(arrival_rate=arrival_rate, mean_service=mean_service)
    busy = little(arrival_rate, mean_service)
    return Station(0.0, 0.0, mean_wait=0.0, mean_time=mean_service, mean_waiting=0.0, mean_number=busy)
