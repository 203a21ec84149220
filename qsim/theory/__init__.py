"""What the textbooks say: stations in equilibrium, in closed form, and the shares that leases and retries are made of.

It knows rates and formulas, no scenario and no run.  Rates are per unit of time, and times come out in that unit: with
messages a second all times are seconds.  One short function a formula, with its source; a module a subject.  What
makes no sense is a ValueError (``sense``); where more arrives than can be served, waits are infinite.
"""

from qsim.theory.erlang import erlang_b, erlang_c
from qsim.theory.leases import late_share, lease_load
from qsim.theory.losses import mm1k, mmck, mmcn
from qsim.theory.priorities import priorities
from qsim.theory.retries import all_attempts, attempts, feedback
from qsim.theory.station import Station, little
from qsim.theory.stations import ggc, ggc_wait_quantile, md1, mg1, mginf, mm1, mmc, mmc_wait_quantile
from qsim.theory.tails import (
    constant_beyond,
    empirical_beyond,
    erlang_beyond,
    exponential_beyond,
    lognormal_beyond,
    mix_beyond,
    pareto_beyond,
    uniform_beyond,
)

__all__ = [
    "Station", "all_attempts", "attempts", "constant_beyond", "empirical_beyond", "erlang_b", "erlang_beyond", "erlang_c",
    "exponential_beyond", "feedback", "ggc", "ggc_wait_quantile", "late_share", "lease_load", "little",
    "lognormal_beyond", "md1", "mg1", "mginf", "mix_beyond", "mm1", "mm1k", "mmc", "mmc_wait_quantile", "mmck", "mmcn",
    "pareto_beyond", "priorities", "uniform_beyond",
]  # fmt: skip
