"""The smallest and the largest value for which something holds."""

import math

import pytest

from qsim.claims.asked import Asked, all_hold
from qsim.scenario.grid import ascending, of_option, points
from qsim.scenario.load import read
from qsim.scenario.problems import ScenarioError
from qsim.study.find import bisected, find, tried
from qsim.study.sweep import How
from qsim.theory import mmc

LOADED = read(
    text="""
qsim: 1
name: short
run: {duration: 10m, warmup: 1m}
queues: {jobs: {}}
producers: {api: {to: jobs, rate: 10/s}}
consumers: {worker: {from: jobs, service: {exponential: {mean: 1s}}}}
expect: [{that: jobs.wait mean, below: 0.4s}]
"""
)


@pytest.mark.parametrize("largest", [False, True])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 20])
def test_a_threshold_is_found_wherever_it_is(size, largest):
    for edge in range(size):
        looked = []

        def holds(which, edge=edge, looked=looked):
            looked.append(which)
            return which <= edge if largest else which >= edge

        assert bisected(size, holds, largest) == (edge, True)
        assert len(set(looked)) <= 2 + math.ceil(math.log2(size))


def test_what_does_not_hold_where_it_should_is_told():
    assert bisected(9, lambda which: False) == (None, True)
    assert bisected(9, lambda which: which < 3) == (0, False)
    assert bisected(9, lambda which: which > 5, largest=True) == (8, False)
    assert bisected(9, lambda which: True) == (0, True)


def test_the_smallest_number_of_workers_is_the_formula_s():
    """M/M/c at 10/s and 1 s: a mean wait of 0.68 s with 11 workers, 0.22 s with 12."""
    wanted = next(c for c in range(11, 30) if mmc(10, 1, c).mean_wait < 0.4)
    grid = points(LOADED, [ascending(of_option("consumers.worker.count=1..20"))])
    found = find(grid, Asked(()), all_hold, 4, 32, How(), False)
    assert found.is_one_way and found.which is not None
    at, before = (next(t for t in found.trials if t.which == found.which - n) for n in (0, 1))
    assert (at.holds, before.holds) == (True, False)
    assert found.which + 1 == wanted


def test_what_is_open_is_run_more_often_up_to_a_limit():
    seen = []

    def decide(plan, answers):
        seen.append([answer.replication for answer in answers])
        return None if len(answers) < 5 else True

    plan = LOADED.plan
    trial = tried(plan, 3, Asked(()), decide, 2, 100, How())
    assert seen == [list(range(1, n + 1)) for n in (2, 4, 8)]
    assert (trial.which, trial.holds, len(trial.answers)) == (3, True, 8)
    assert tried(plan, 3, Asked(()), lambda plan, answers: None, 2, 7, How()).answers[-1].replication == 7


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("queues.jobs.delay=1m,10s,1h", ["10s", "1m", "1h"]),
        ("consumers.worker.count=10,9,100", [9, 10, 100]),
        ("producers.api.rate=1/s,30/min", ["30/min", "1/s"]),
        ("producers.api.message.size=1MiB,2KB", ["2KB", "1MiB"]),
        ("queues.jobs.imperfections.lose_send=50%,5%", ["5%", "50%"]),
    ],
)
def test_values_are_looked_at_from_the_smallest(text, values):
    assert ascending(of_option(text)).plain() == values


def test_what_has_no_order_has_no_smallest():
    with pytest.raises(ScenarioError, match=r"the values of queues.jobs.order have no order"):
        ascending(of_option("queues.jobs.order=fifo,lifo"))
