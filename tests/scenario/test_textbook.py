"""Which queues are stations of the textbooks: the formula where it holds, silence where it does not."""

from __future__ import annotations

import pytest

import qsim
from qsim.scenario.textbook import stations
from qsim.study.intervals import interval
from tests.plot.runs import STATION


def station(**changes) -> qsim.Scenario:
    scenario = qsim.load(text=STATION)
    for path, value in changes.items():
        scenario = scenario.set(path.replace("__", "."), value)
    return scenario


def test_two_servers_are_erlangs_station():
    [book] = stations(station().plan)
    assert (book.name, book.queue, book.consumer) == ("M/M/2", "jobs", "worker")
    assert book.says["worker.utilization mean"] == pytest.approx(0.7)
    assert book.says["jobs.wait share"] == pytest.approx(0.576471, abs=1e-6)  # C(2, 1.4), by hand
    assert book.says["jobs.wait mean"] == pytest.approx(0.134510, abs=1e-6)


def test_one_server_takes_any_service():
    one = {"consumers__worker__count": 1}
    [even] = stations(station(**one, consumers__worker__service="60ms").plan)
    assert even.name == "M/D/1" and even.says["jobs.wait mean"] == pytest.approx(10 * 0.06**2 / (2 * 0.4))
    assert "jobs.wait p95" not in even.says
    [any_] = stations(station(**one, consumers__worker__service={"uniform": {"min": "0s", "max": "120ms"}}).plan)
    assert any_.name == "M/G/1" and any_.says["jobs.wait mean"] == pytest.approx(10 * 0.12**2 / 3 / (2 * 0.4))


@pytest.mark.parametrize(
    "change",
    [
        {"producers.api.arrivals": "regular"},
        {"producers.api.stages": [{"hold": "1m"}, {"ramp": "1m", "to": "20/s"}]},
        {"producers.api.batch": {"size": 10, "max_wait": "1s"}},
        {"producers.api.message.poison": "1%"},
        {"producers.api.rate": "20/s"},  # it does not keep up
        {"consumers.worker.failures": {"error": "1%"}},
        {"consumers.worker.service": "100ms"},  # of several servers only the exponential is known exactly
        {"queues.jobs.delay": "1s"},
        {"queues.jobs.capacity": {"messages": 10, "when_full": "reject"}},
        {"queues.jobs.visibility_timeout": "200ms"},
        {"queues.jobs.imperfections": {"duplicate_delivery": "1%"}},
        {"timeline": {"pause": {"at": "1m", "for": "1m", "pause": "worker"}}},
        {"dependencies": {"db": {"capacity": 1, "service": "1ms"}}, "consumers.worker.uses": "db"},
    ],
)
def test_what_the_books_do_not_know_has_no_sentence(change):
    scenario = qsim.load(text=STATION)
    for path, value in change.items():
        scenario = scenario.set(path, value)
    assert stations(scenario.plan) == []


def test_the_run_agrees_with_the_book():
    """Each number of the book lies in a 99.9 % interval over replications with the warm-up cut."""
    scenario = station(run__duration="1h")
    [book] = stations(scenario.plan)
    runs = [scenario.run(replication=r) for r in range(1, 9)]
    for reference, expected in book.says.items():
        low, high = interval([run[reference] for run in runs], 0.999)
        assert low <= expected <= high, reference
