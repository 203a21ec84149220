"""Who is more urgent goes first, but nobody is interrupted: Cobham's stations.

It knows rates and formulas, no scenario and no run.  Rates are per unit of time, and times come out in that unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from math import inf

from qsim.theory.erlang import erlang_c
from qsim.theory.sense import sensible
from qsim.theory.station import Station, product, station


def priorities(
    arrival_rates: Sequence[float], mean_service: float, servers: int = 1, service_scv: float = 1.0
) -> tuple[Station, ...]:
    """A station a class, the most urgent first: Wk = W0 / ((1 − σ(k−1)) (1 − σk)), where σk is the utilization by the
    classes up to k, and W0 = C(c, a) S / c (1 + cs²) / 2 is what an arrival waits for a server to be free at all.

    All classes have one distribution of services, of squared coefficient of variation cs².  Exact for one server (then
    W0 = λ E(S²) / 2), and for c servers with exponential services; else as near as ``ggc``.  A class for which there is
    no time left waits for ever.  A. Cobham, *Priority Assignment in Waiting Line Problems*, Operations Research 2 (1954).
    """
    for rate in arrival_rates:
        sensible(arrival_rate=rate)
    sensible(mean_service=mean_service, servers=servers, service_scv=service_scv)
    used = list(accumulate((rate * mean_service / servers for rate in arrival_rates), initial=0.0))
    waits = erlang_c(servers, used[-1] * servers) if used[-1] < 1 else 1.0
    residual = product(waits * mean_service / servers, (1 + service_scv) / 2)
    means = [residual / ((1 - before) * (1 - after)) if after < 1 else inf for before, after in pairwise(used)]
    return tuple(
        station(rate, mean_service, servers, waits, mean) for rate, mean in zip(arrival_rates, means, strict=True)
    )
