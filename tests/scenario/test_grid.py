"""Points of a sweep: where values come from, and what is wrong with any of them before anything runs."""

import numpy as np
import pytest

from qsim.scenario.grid import of_file, of_option, of_python, points
from qsim.scenario.load import read
from qsim.scenario.problems import ScenarioError

TEXT = """\
qsim: 1
name: x
run: {duration: 10m}
queues: {jobs: {profile: sqs-standard}}
producers: {api: {to: jobs, rate: 1/s}}
consumers: {worker: {from: jobs, count: 3, service: 1s, autoscale: {policy: hpa, metric: visible, target: 5, max: 9}}}
sweep:
  queues.jobs.visibility_timeout: [10s, 1m]
  consumers.worker.autoscale.min: 1..7..3
"""
LOADED = read(text=TEXT)


def settings(*axes):
    return [point.settings for point in points(LOADED, axes)]


def wrong(*axes):
    with pytest.raises(ScenarioError) as caught:
        points(LOADED, axes)
    return str(caught.value).splitlines()


def test_a_file_s_sweep_is_every_combination_the_last_path_first():
    found = points(LOADED, of_file(LOADED))
    assert [point.settings for point in found] == [(t, n) for t in ("10s", "1m") for n in (1, 4, 7)]
    assert [point.plan.consumers[0].autoscale.min for point in found[:3]] == [1, 4, 7]
    assert found[3].plan.queues[0].profile.visibility_timeout == 60 * 10**9


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("consumers.worker.concurrency=3,4,5", [3, 4, 5]),
        ("consumers.worker.concurrency=[3, 4]", [3, 4]),
        ("consumers.worker.concurrency = 1..3", [1, 2, 3]),
        ("consumers.worker.concurrency=1..9..4", [1, 5, 9]),
        ("consumers.worker.service=10ms, {exponential: {mean: 1s}}", ["10ms", {"exponential": {"mean": "1s"}}]),
        ("queues.jobs.visibility_timeout=30s", ["30s"]),
    ],
)
def test_the_values_of_an_option(text, values):
    assert settings(of_option(text)) == [(value,) for value in values]


def test_python_gives_lists_ranges_and_arrays():
    for given in ([3, 5], (3, 5), range(3, 6, 2), np.array([3, 5]), "3..5..2"):
        assert settings(of_python("consumers.worker.concurrency", given)) == [(3,), (5,)]
    for given in (3, {3, 5}, {"a": 1}, "three", []):
        with pytest.raises(ScenarioError, match="a sweep is a list of values, or a range"):
            of_python("consumers.worker.concurrency", given)


def test_a_path_that_does_not_exist_is_told_once_with_what_was_meant():
    assert wrong(of_option("consumers.worker.concurency=1,2")) == [
        "--over consumers.worker.concurency=1,2: no key 'concurency' in consumers.worker; did you mean 'concurrency'?",
        "1 error",
    ]
    assert wrong(of_option("consumers.wrker.count=1"))[0] == (
        "--over consumers.wrker.count=1: no consumer is called 'wrker'; did you mean 'worker'? there are: worker"
    )
    assert "cannot be changed by a path" in wrong(of_option("sweep.x=1"))[0]


def test_a_value_of_the_wrong_kind_is_told_with_itself():
    assert wrong(of_option("consumers.worker.concurrency=1,two,3"))[0].startswith("--over consumers.worker.concurrency=two: ")
    assert "a duration needs a unit" in wrong(of_option("queues.jobs.visibility_timeout=30s,60"))[0]


def test_what_only_a_combination_has_wrong_says_which():
    lines = wrong(of_option("consumers.worker.autoscale.min=1,12"), of_option("consumers.worker.autoscale.max=9,15"))
    assert lines[-1] == "1 error"
    assert "12" in lines[0] and "9" in lines[0]


def test_so_many_points_are_refused_at_once():
    assert wrong(of_option("consumers.worker.concurrency=1..200"), of_option("seed=1..200")) == [
        "--over seed=1..200: a sweep of 200 x 200 = 40,000 points; 10,000 are possible",
        "1 error",
    ]
    with pytest.raises(ScenarioError, match="a sweep of 9,999,999 points"):
        of_option("seed=1..9999999")


def test_nothing_is_swept_twice():
    assert "is swept twice" in wrong(of_option("seed=1,2"), of_option("seed=3"))[0]
    assert wrong(of_option("seed=1,2,1"))[0] == "--over seed=1: 1 stands twice in the sweep of seed"


@pytest.mark.parametrize("text", ["consumers.worker.count", "=3", ""])
def test_an_option_that_is_no_setting(text):
    with pytest.raises(ScenarioError, match=r"write PATH=VALUES, like consumers.worker.count=3,4,5"):
        of_option(text)
    with pytest.raises(ScenarioError, match="a sweep is a list of values"):
        of_option("consumers.worker.count=")


def test_a_file_s_own_sweep_is_told_by_line_and_column():
    text = TEXT.replace("[10s, 1m]", "[10s, 1m]\n  consumers.worker.service: [1s, 2s]").replace("1..7..3", "[1, 12]")
    with pytest.raises(ScenarioError, match=r"scenario.yaml:10:"):
        loaded = read(text=text)
        points(loaded, of_file(loaded))
