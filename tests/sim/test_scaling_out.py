"""Throughput against the number of consumers: n / service, until the arrivals or a dependency are the limit."""

import pytest

from qsim.metrics.numbers import Numbers
from tests.sim.runs import run

SECONDS = 100


def finished(count, rate=50, service=100, uses="", dependency="", **how):
    """Messages finished in 100 s; everything is even, so the number is exact."""
    text = f"""
queues: {{q: {{}}}}
producers: {{p: {{to: q, rate: {rate}/s, arrivals: regular}}}}
{dependency}
consumers: {{c: {{from: q, count: {count}, service: {service}ms{uses}}}}}
"""
    return run(text, seconds=SECONDS, **how).count("EFFECT")


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_each_consumer_adds_its_own_rate_while_all_are_busy(count, quick):
    # process i begins with message i, at i x 20 ms, and from then on ends one every 100 ms; what would end at 100 s does not
    exact = sum((SECONDS * 1000 - 20 * i - 1) // 100 for i in range(count))
    assert finished(count, quick=quick) == exact
    assert exact == pytest.approx(count * SECONDS / 0.1, rel=0.002)


@pytest.mark.parametrize("count", [5, 6, 12, 50])
def test_beyond_the_arrivals_nobody_is_needed(count):
    # 50/s x 0.1 s are 5 at work: message k ends at k x 20 ms + 100 ms, before 100 s for k < 4,995
    assert finished(count) == 4995


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8, 16, 40])
def test_a_dependency_is_a_limit_that_no_consumer_moves(count):
    """Work of 100 ms, then a call of 150 ms, 3 at a time: 20/s, whoever waits for it; below that, n / 250 ms."""
    db = "dependencies: {db: {capacity: 3, service: 150ms}}"
    rate = min(count / 0.25, 3 / 0.15, 50)
    assert finished(count, uses=", uses: db", dependency=db) == pytest.approx(rate * SECONDS, abs=count + 3)


def test_what_waits_for_the_dependency_keeps_consumers_busy():
    # 40 consumers, 20/s: utilization says 100 %, and only the dependency's tells where the limit is
    db = "dependencies: {db: {capacity: 3, service: 150ms}}"
    text = f"""
queues: {{q: {{}}}}
producers: {{p: {{to: q, rate: 50/s, arrivals: regular}}}}
{db}
consumers: {{c: {{from: q, count: 40, service: 100ms, uses: db}}}}
"""
    numbers = Numbers(run(text, seconds=SECONDS).recording)
    assert numbers.value("c.utilization mean from 10s") == 1 == numbers.value("db.utilization mean from 10s")
    assert numbers.value("db.waiting mean from 50s") == pytest.approx(40 - 20 * 0.25, abs=0.1), "Little: 20/s x 250 ms do not wait"
