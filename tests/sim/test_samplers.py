"""Samplers against scipy, on a grid and by Kolmogorov and Smirnov, and to the last nanosecond against themselves."""

import numpy as np
import pytest
from scipy import special, stats

from qsim.scenario.plan import Constant, Empirical, Erlang, Exponential, Lognormal, Mix, Pareto, Time, Uniform
from qsim.sim import samplers
from qsim.units import HOUR, MILLISECOND, SECOND

TAIL = np.logspace(-15.9, -1, 200)
GRID = np.concatenate([TAIL, np.linspace(0.1, 0.9, 81), 1 - TAIL[::-1]])
SIGMA = np.log(10) / stats.norm.ppf(0.95)

DISTRIBUTIONS = [
    (Exponential(8_910_000), stats.expon(scale=8_910_000)),
    (Uniform(SECOND, 3 * SECOND), stats.uniform(SECOND, 2 * SECOND)),
    (Lognormal(10 * MILLISECOND, 100 * MILLISECOND), stats.lognorm(SIGMA, scale=10 * MILLISECOND)),
    (Erlang(SECOND, 1), stats.expon(scale=SECOND)),
    (Erlang(SECOND, 3), stats.gamma(3, scale=SECOND / 3)),
    (Erlang(SECOND, 60), stats.gamma(60, scale=SECOND / 60)),
    (Pareto(MILLISECOND, 1.5), stats.pareto(1.5, scale=MILLISECOND)),
]


def sample(time: Time, u: np.ndarray, part: float = 0.5) -> np.ndarray:
    return samplers.sampler(time)(u, np.full_like(u, part))


@pytest.mark.parametrize(("time", "theirs"), DISTRIBUTIONS, ids=lambda value: type(value).__name__)
def test_the_quantiles_are_scipys(time, theirs):
    middle = GRID[(GRID > 1e-3) & (GRID < 1 - 1e-3)]
    np.testing.assert_allclose(sample(time, middle), theirs.ppf(middle), rtol=1e-12, atol=0.51)


@pytest.mark.parametrize(("time", "theirs"), DISTRIBUTIONS, ids=lambda value: type(value).__name__)
def test_the_values_are_distributed_as_they_should_be(time, theirs):
    u = samplers.uniforms(np.random.Philox(key=7).random_raw(20_000))
    assert stats.kstest(sample(time, u), theirs.cdf).pvalue > 0.01


@pytest.mark.parametrize(
    "time", [time for time, _ in DISTRIBUTIONS] + [Empirical((1, 5, 9))], ids=lambda t: type(t).__name__
)
def test_a_greater_uniform_never_means_a_shorter_time(time):
    assert (np.diff(sample(time, GRID)) >= 0).all()


def test_log_and_exp_are_exact_to_the_last_bits():
    x = np.concatenate([GRID[:-20], np.logspace(-300, 300, 501)])
    np.testing.assert_allclose(samplers.log(x), np.log(x), rtol=1e-15, atol=1e-16)
    y = np.linspace(-700, 640, 2001)
    np.testing.assert_allclose(samplers.exp(y), np.exp(y), rtol=5e-16)


def test_the_normal_quantile_is_exact_far_into_the_tails():
    np.testing.assert_allclose(samplers.normal(GRID), special.ndtri(GRID), rtol=2e-15, atol=1e-16)


@pytest.mark.parametrize("k", [1, 2, 3, 7, 25, 100, 255])
def test_erlang_is_exact_far_into_the_tails(k):
    exact = np.where(GRID < 0.5, special.gammaincinv(k, GRID), special.gammainccinv(k, 1 - GRID))
    np.testing.assert_allclose(samplers.erlang(GRID, k), exact, rtol=2e-13)


@pytest.mark.parametrize("k", [256, 10_000])
def test_erlang_of_very_many_is_off_by_little(k):
    np.testing.assert_allclose(special.gammainc(k, samplers.erlang(GRID, k)), GRID, atol=3e-5)


def test_a_value_does_not_depend_on_what_is_drawn_beside_it():
    for time, _ in DISTRIBUTIONS:
        alone = [sample(time, np.array([u]))[0] for u in GRID[::40]]
        assert sample(time, GRID)[::40].tolist() == alone


PINNED = [
    (Constant(SECOND), [1_000_000_000, 1_000_000_000, 1_000_000_000, 1_000_000_000]),
    (Exponential(HOUR), [1_302_426_614_885, 6_798_774_563_657, 611_144_952_346, 113_761_854_657]),
    (Uniform(0, HOUR), [1_092_844_923_504, 3_055_351_498_869, 562_085_200_957, 111_983_173_036]),
    (Lognormal(HOUR, 2 * HOUR), [2_898_700_520_396, 5_558_695_543_621, 2_351_651_035_970, 1_640_679_998_374]),
    (Erlang(HOUR, 3), [2_312_375_436_916, 5_652_089_782_751, 1_628_023_677_162, 809_333_783_982]),
    (Pareto(HOUR, 1.5), [4_581_946_735_927, 12_679_242_051_007, 4_031_380_352_880, 3_676_645_750_120]),
    (Empirical((1, 2, 3)), [1, 3, 1, 1]),
    (Mix((0.4, 1.0), (Constant(5), Exponential(HOUR))), [5, 5, 611_144_952_346, 5]),
]


@pytest.mark.parametrize(("time", "nanoseconds"), PINNED, ids=lambda value: type(value).__name__)
def test_the_first_values_never_change(time, nanoseconds):
    u = samplers.uniforms(np.random.Philox(key=1).random_raw(4))
    assert samplers.sampler(time)(u, u[::-1]).tolist() == nanoseconds


def test_uniforms_are_inside_0_and_1_at_both_ends():
    ends = samplers.uniforms(np.array([0, 2**64 - 1], dtype=np.uint64))
    assert ends.tolist() == [2.0**-54, 1 - 2.0**-53]


def test_too_long_a_time_is_cut_at_292_years():
    assert sample(Pareto(HOUR, 0.01), np.array([0.999999])).tolist() == [samplers.LONGEST]


def test_no_time_is_below_0():
    assert sample(Exponential(1), GRID).min() == 0


def test_a_mix_takes_the_part_by_the_second_uniform_and_the_time_by_the_first():
    mix = Mix((0.95, 1.0), (Constant(5 * SECOND), Uniform(0, SECOND)))
    assert sample(mix, np.array([0.5]), part=0.949).tolist() == [5 * SECOND]
    assert sample(mix, np.array([0.5]), part=0.95).tolist() == [SECOND // 2]


def test_a_mix_of_mixes_shares_out_each_share():
    inner = Mix((0.5, 1.0), (Constant(1), Constant(2)))
    mix = samplers.sampler(Mix((0.5, 1.0), (inner, Constant(3))))
    part = np.array([0.1, 0.24, 0.26, 0.49, 0.51])
    assert mix(part, part).tolist() == [1, 1, 2, 2, 3]
