"""MSER-5 on series whose beginning is known, and on queues whose steady state is."""

import numpy as np
import pytest

from qsim.metrics.numbers import Numbers
from qsim.metrics.warmup import Cut, mser5
from qsim.scenario.load import read
from qsim.sim.simulate import simulate
from qsim.units import SECOND


def naive(samples):
    """The definition, with numpy's own variance."""
    batches = np.array([np.mean(samples[i : i + 5]) for i in range(0, len(samples) - 4, 5)])
    return 5 * min(range(len(batches) // 2 + 1), key=lambda d: (np.var(batches[d:]) / len(batches[d:]), d))


def test_a_step_is_cut_where_it_ends():
    assert mser5([9.0] * 40 + [1.0, 2.0] * 80) == Cut(40)
    # what a batch shares with the beginning goes too
    assert mser5([9.0] * 42 + [1.0, 2.0] * 80) == Cut(45)


def test_a_series_that_is_settled_from_the_start_is_not_cut():
    assert mser5([3.0] * 100) == Cut(0)
    assert mser5([1.0, 2.0] * 100) == Cut(0)


def test_what_goes_on_growing_is_cut_at_half_and_called_unsettled():
    assert mser5(np.arange(200.0)) == Cut(100, is_settled=False)


def test_too_few_samples_are_not_cut():
    assert mser5([]) == mser5([1.0] * 9) == Cut(0)
    assert mser5([5.0] * 5 + [1.0] * 5) == Cut(5, is_settled=False)


@pytest.mark.parametrize("seed", range(20))
def test_it_is_the_definition(seed):
    """AR(1) from far away; and a million off, where a sum of squares would lose its digits."""
    dice, value, samples = np.random.default_rng(seed), 50.0, []
    for _ in range(400):
        value = 0.95 * value + dice.normal()
        samples.append(value)
    assert mser5(samples).length == naive(samples)
    assert mser5(np.array(samples) + 1e6).length == naive(samples)


def test_a_decay_is_cut_after_a_few_of_its_time_constants():
    """50 exp(-t/20) under noise of deviation 1: below the noise after 20 ln 50 = 78 samples, gone after 150."""
    dice = np.random.default_rng(1)
    cuts = [mser5(50 * np.exp(-np.arange(1000) / 20) + dice.normal(size=1000)).length for _ in range(50)]
    assert min(cuts) >= 60 and np.mean(cuts) <= 150


# --- of a run ---------------------------------------------------------------------------------------------------------

FILLS = """
qsim: 1
name: fills
run: {duration: 20m, warmup: auto, drain: true}
queues: {jobs: {}, unread: {}}
producers: {api: {to: jobs, rate: 10/s, arrivals: regular}, log: {to: unread, rate: 1/s}}
consumers: {worker: {from: jobs, count: 4000, service: 2m}}
"""


def test_a_run_is_cut_where_its_queues_are_full():
    """Work of two minutes at 10/s: 1,200 are in hands from 2 m on.  The queue that nobody reads only grows, and a drain
    only empties: neither is looked at."""
    numbers = Numbers(simulate(read(text=FILLS).plan))
    cut = numbers.cut
    assert (cut.length, cut.is_settled, cut.metric) == (120 * SECOND, True, "jobs.depth")
    assert numbers.warmup == cut.length
    assert numbers.exact("jobs.in_flight mean") == 1200
    assert numbers.exact("api.sent total") == 18 * 60 * 10 and numbers.exact("api.sent at end") == 12_000


def test_the_largest_cut_is_taken():
    two = FILLS.replace("20m", "40m").replace("unread: {}", "unread: {}, slow: {}")
    two = two.replace("log:", "slowly: {to: slow, rate: 10/s, arrivals: regular}, log:")
    two = two.replace("service: 2m}", "service: 2m}, sloth: {from: slow, count: 9000, service: 10m}")
    assert Numbers(simulate(read(text=two).plan)).cut.metric == "slow.depth"


def test_without_auto_nothing_is_looked_for():
    plan = read(text=FILLS.replace("auto", "3m")).plan
    numbers = Numbers(simulate(plan))
    assert numbers.cut is None and numbers.warmup == 180 * SECOND
