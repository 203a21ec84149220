"""Erlang's two formulas: who is lost, and who waits, where c servers are offered a load of a = λ/μ.

It knows numbers only; with them everything about M/M/c is said elsewhere.
"""

from __future__ import annotations

from qsim.theory.sense import sensible


def erlang_b(servers: int, load: float) -> float:
    """The share of arrivals lost where c servers have no queue: B(0) = 1, B(k) = a B(k-1) / (k + a B(k-1)).

    A. K. Erlang (1917).
    """
    sensible(servers=servers, load=load)
    blocked = 1.0
    for k in range(1, servers + 1):
        blocked = load * blocked / (k + load * blocked)
    return blocked


def erlang_c(servers: int, load: float) -> float:
    """The share of arrivals that wait for one of c servers: B / (1 − ρ (1 − B)); 1 from ρ = 1 on.

    A. K. Erlang (1917).
    """
    sensible(servers=servers, load=load)
    if load >= servers:
        return 1.0
    blocked = erlang_b(servers, load)
    return blocked / (1 - load / servers * (1 - blocked))
