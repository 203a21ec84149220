"""The engine against another simulator, Ciw, which shares nothing with it: no code, no luck, no idea of a message.

Four networks that both can say; 12 replications of each by each, 6,000 s after 200 s that are cut, at least six
relaxation times (both begin empty).  The 99.9 % interval of the difference of their means (Welch's) must hold 0.  Lengths and
loads were chosen for the width of the intervals alone.
"""

import pytest
from scipy.stats import ttest_ind

from qsim.metrics.numbers import Numbers
from qsim.sim.simulate import simulate
from tests.sim.runs import plan

ciw = pytest.importorskip("ciw", reason="needs the extra [test]: pip install ciw")

CUT, END, RUNS = 200, 6_200, range(1, 13)
MEAN = "{{exponential: {{mean: {}ms}}}}"
"""Of our services."""


def exponential(mean):
    return ciw.dists.Exponential(rate=1 / mean)


def theirs(network, *measures):
    """What each of Ciw's runs says, a list a measure."""
    found = []
    for seed in RUNS:
        ciw.seed(seed)
        simulation = ciw.Simulation(ciw.create_network(**network))
        simulation.simulate_until_max_time(END)
        records = simulation.get_all_records()
        found.append([measure(records) for measure in measures])
    return zip(*found, strict=True)


def waits(node=1, of=None):
    """The mean wait of those whose service begins after the cut."""

    def mean(records):
        begun = [r for r in records if r.record_type == "service" and r.node == node and of in (None, r.customer_class)]
        kept = [r.waiting_time for r in begun if r.service_start_date >= CUT]
        return sum(kept) / len(kept)

    return mean


def refused(records):
    """The share of those who come after the cut and find no room."""
    kept = [r.record_type == "rejection" for r in records if r.arrival_date >= CUT]
    return sum(kept) / len(kept)


def ours(text, *references):
    """What each of our runs says, a list a reference."""
    made = plan(f"run: {{duration: {END}s, warmup: {CUT}s}}\n{text}")
    runs = [Numbers(simulate(made, seed)) for seed in RUNS]
    return [[numbers.value(reference) for numbers in runs] for reference in references]


def assert_alike(mine, other, within):
    """0 lies in the interval of the difference, and the interval is no wider than this part of the mean, each side."""
    low, high = ttest_ind(mine, other, equal_var=False).confidence_interval(0.999)
    assert low <= 0 <= high, (sum(mine) / len(mine), sum(other) / len(other), low, high)
    assert (high - low) / 2 < within * sum(other) / len(other), "narrow enough to say something"


def one(consumer, queue="", producer=""):
    return f"queues: {{q: {{{queue}}}}}\nproducers: {{p: {{to: q, rate: 1/s{producer}}}}}\nconsumers: {{c: {{from: q, {consumer}}}}}"


@pytest.fixture(scope="module")
def their_m_m_4():
    network = {
        "arrival_distributions": [exponential(1)],
        "service_distributions": [exponential(2.8)],
        "number_of_servers": [4],
    }
    [found] = theirs(network, waits())
    return found


@pytest.mark.parametrize(("mean", "is_alike"), [(2800, True), (3080, False)])
def test_many_servers_and_those_that_are_a_tenth_slower_are_told_apart(their_m_m_4, mean, is_alike):
    [found] = ours(one(f"count: 4, service: {MEAN.format(mean)}"), "q.wait mean")
    if is_alike:
        return assert_alike(found, their_m_m_4, 0.2)
    with pytest.raises(AssertionError):
        assert_alike(found, their_m_m_4, 1.0)


def test_two_stations_in_a_row():
    text = f"""
queues: {{q: {{}}, next: {{}}}}
producers: {{p: {{to: q, rate: 1/s}}}}
consumers:
  c: {{from: q, count: 2, service: {MEAN.format(1200)}, emits: [{{to: next}}]}}
  d: {{from: next, service: {MEAN.format(600)}}}
"""
    network = {
        "arrival_distributions": [exponential(1), None],
        "service_distributions": [exponential(1.2), exponential(0.6)],
        "number_of_servers": [2, 1],
        "routing": [[0.0, 1.0], [0.0, 0.0]],
    }
    first, second = ours(text, "q.wait mean", "next.wait mean")
    their_first, their_second = theirs(network, waits(1), waits(2))
    assert_alike(first, their_first, 0.2)
    assert_alike(second, their_second, 0.2)


def test_a_queue_with_room_for_five():
    """Ciw counts those who wait, the ideal queue those in service too."""
    text = one(f"service: {MEAN.format(900)}", "capacity: {messages: 5, when_full: reject}")
    network = {
        "arrival_distributions": [exponential(1)],
        "service_distributions": [exponential(0.9)],
        "number_of_servers": [1],
        "queue_capacities": [4],
    }
    lost, wait = ours(text, "p.rejected share", "q.wait mean")
    their_lost, their_wait = theirs(network, refused, waits())
    assert_alike(lost, their_lost, 0.1)
    assert_alike(wait, their_wait, 0.1)


def test_two_levels_of_urgency():
    text = one(f"service: {MEAN.format(700)}", "priorities: [high, low]", ", message: {priority: {high: 30%, low: 70%}}")
    network = {
        "arrival_distributions": {"high": [exponential(1 / 0.3)], "low": [exponential(1 / 0.7)]},
        "service_distributions": {"high": [exponential(0.7)], "low": [exponential(0.7)]},
        "number_of_servers": [1],
        "priority_classes": {"high": 0, "low": 1},
    }
    high, low = ours(text, "q.wait high mean", "q.wait low mean")
    their_high, their_low = theirs(network, waits(of="high"), waits(of="low"))
    assert_alike(high, their_high, 0.15)
    assert_alike(low, their_low, 0.2)
