"""What a lease that is too short costs: who outlives it is worked on again, while the first still works.

It knows shares, rates and formulas; q = P(S > lease) is what ``tails`` tells of a distribution.
"""

from __future__ import annotations

from qsim.theory.retries import attempts
from qsim.theory.sense import sensible
from qsim.theory.station import little, product


def lease_load(arrival_rate: float, mean_service: float, outliving: float, most: int | None = None) -> float:
    """λ S (1 − qⁿ) / (1 − q): servers busy where each attempt draws a time of its own and every one is worked to its
    end, its lease lost or not; n receives at most.  Little's law over all attempts.

    Exact where a server is free for every attempt, or else a message also waits in a buffer while its lease runs.
    """
    sensible(mean_service=mean_service, outliving=outliving)
    return little(arrival_rate, product(mean_service, attempts(outliving, most)))


def late_share(outliving: float, most: int) -> float:
    """qⁿ: the share of messages whose every lease ends too early, and which n receives dead-letter."""
    sensible(outliving=outliving, most=most)
    return outliving**most
