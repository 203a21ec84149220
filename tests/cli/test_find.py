"""``qsim find``: the answer, why the next value will not do, and what bisection cannot know."""

from __future__ import annotations

import json
import re

import pytest

from qsim import ScenarioError, find, load

BUSY = ("--set", "producers.api.rate=40/s", "--that", "jobs.wait", "--replications", "1")
OVER = ("--over", "consumers.worker.count=1..12")


def test_the_smallest_value_and_why_not_one_less(qsim):
    """Forty a second, a tenth of a second each: four workers keep up, three fall 10/s behind."""
    found = qsim("find", "small.yaml", *OVER, *BUSY)
    assert (found.code, found.err) == (0, "")
    assert found.lines[0] == "small   5 of 12 values looked at in 5 runs, common random numbers"
    assert found.lines[-2:] == [
        "smallest consumers.worker.count for which all that is expected holds: 4",
        "3: ✗ jobs.wait p95: expected below 1s, got 2.35s",
    ]


def test_the_largest_value(qsim):
    found = qsim(
        "find", "small.yaml", "--over", "producers.api.rate=10/s,20/s,21/s,40/s", "--largest", "--that", "jobs.wait"
    )
    assert found.lines[-2] == "largest producers.api.rate for which all that is expected holds: 21/s"
    assert found.lines[-1].startswith("40/s: ✗ jobs.wait p95: expected below 1s, got ")


def test_json_is_one_object(qsim):
    found = json.loads(qsim("find", "small.yaml", *OVER, *BUSY, "--json").out)
    assert (found["value"], found["wanted"], found["one_way"]) == (4, "smallest", True)
    assert [(t["settings"]["consumers.worker.count"], t["holds"]) for t in found["trials"]] == [
        (1, False), (3, False), (4, True), (6, True), (12, True),
    ]  # fmt: skip


def test_where_it_holds_nowhere_it_fails(qsim):
    found = qsim("find", "small.yaml", "--over", "consumers.worker.count=1..3", *BUSY)
    assert found.code == 1
    assert found.lines[-2:] == [
        "it holds at neither end, 1 nor 3: if it does between them, qsim sweep shows",
        "    where",
    ]


def test_the_wrong_direction_is_told(qsim):
    found = qsim("find", "small.yaml", *OVER, *BUSY, "--largest")
    assert found.lines[-2:] == [
        "largest consumers.worker.count for which all that is expected holds: 12",
        "it does not hold at 1: --smallest finds where that begins",
    ]
    found = qsim("find", "small.yaml", "--over", "consumers.worker.count=5..9", *BUSY)
    assert found.lines[-1] == "it holds at both ends; what is between them was not looked at"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "qsim find: missing option '--over'"),
        ([*OVER, "--smallest", "--largest"], "qsim: --smallest or --largest, not both"),
        (
            [*OVER, "--that", "job.wait"],
            "qsim: --that 'job.wait': nothing is expected of this, but of: api.sent total;",
        ),
        ([*OVER, "--set", "expect=null"], "qsim: the file expects nothing: --set 'expect=["),
        (
            ["--over", "queues.jobs.order=fifo,lifo"],
            "--over queues.jobs.order=fifo,lifo: the values of queues.jobs.order",
        ),
        (["--over", "consumers.worker.count=-1..3"], "--over consumers.worker.count=-1: "),
        (["--over", "consumers.worker.count=12..1"], "--over consumers.worker.count=12..1: the range 12..1 is empty"),
        (["--over", "consumers.worker.service=1ms..9ms"], "--over consumers.worker.service=1ms..9ms: '1ms..9ms' is no"),
    ],
)
def test_what_is_wrong_is_told_before_anything_runs(qsim, monkeypatch, arguments, said):
    monkeypatch.setattr("qsim.study.tasks.perform", lambda *given: pytest.fail("it ran"))
    found = qsim("find", "small.yaml", *arguments)
    assert (found.code, found.out) == (2, "")
    assert found.err.startswith(said)


# --- Ctrl-C -----------------------------------------------------------------------------------------------------------


def test_what_was_found_out_before_ctrl_c_is_shown(qsim, ctrl_c):
    """1, 12, 6 and 3 are looked at in turn, a run each; then it is pressed."""
    ctrl_c(5)
    found = qsim("find", "small.yaml", *OVER, *BUSY)
    assert found.code == 130
    assert found.lines[0] == "small   4 of 12 values looked at in 4 runs, common random numbers"
    assert found.lines[-1] == "stopped before the end; so far: it holds at 6, 12 and not at 1, 3"
    assert found.err == ("interrupted: 4 of 5 runs are kept in .qsim-sweeps; --resume goes on there\n")
    told = json.loads(qsim("find", "small.yaml", *OVER, *BUSY, "--json").out)
    assert (told["stopped"], told["value"], told["one_way"], told["trials"]) == ("interrupted", None, None, [])


def test_resumed_it_is_the_search_that_nobody_interrupted(qsim, ctrl_c):
    whole = qsim("find", "small.yaml", *OVER, *BUSY, "--json", "--store", "whole").out
    ctrl_c(4)
    assert qsim("find", "small.yaml", *OVER, *BUSY).code == 130
    ctrl_c(3)  # two runs are missing
    assert qsim("find", "small.yaml", *OVER, *BUSY, "--resume", "--json").out == whole


# --- in Python --------------------------------------------------------------------------------------------------------


def test_the_command_and_python_find_the_same(qsim, here):
    told = json.loads(qsim("find", "small.yaml", *OVER, *BUSY, "--json").out)
    busy = load(here / "small.yaml").set("producers.api.rate", "40/s")
    found = find(busy, "consumers.worker.count", between=(1, 12), that="jobs.wait", replications=1)
    assert (found.value, found.is_one_way) == (told["value"], told["one_way"]) == (4, True)
    frame = found.frame()
    assert list(frame.columns) == ["consumers.worker.count", "holds", "replications", "api.sent total", "jobs.wait p95"]
    assert list(frame["consumers.worker.count"]) == [
        each["settings"]["consumers.worker.count"] for each in told["trials"]
    ]
    assert list(frame.holds) == [each["holds"] for each in told["trials"]]
    assert list(frame["jobs.wait p95"]) == [each["metrics"]["jobs.wait p95"] for each in told["trials"]]
    assert [(v.that, v.verdict) for v in found.verdicts] == [("jobs.wait p95", "pass")]


def test_python_looks_at_the_values_it_is_given_and_for_the_largest(here):
    small = load(here / "small.yaml")
    found = find(small, "producers.api.rate", values=["40/s", "21/s", "20/s", "10/s"], largest=True, that="jobs.wait")
    assert (found.value, found.is_one_way, list(found.frame().replications)) == ("21/s", True, [5] * 4)
    nowhere = find(small.set("producers.api.rate", "40/s"), "consumers.worker.count", between=(1, 3), replications=1)
    assert (nowhere.value, nowhere.verdicts) == (None, [])
    wrong_way = find(small, "producers.api.rate", values=["10/s", "40/s"], that="jobs.wait", replications=1)
    assert (wrong_way.value, wrong_way.is_one_way) == ("10/s", False)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "say where to look: between="),
        ({"between": (1, 4), "values": [1]}, "say where to look: between="),
        ({"between": (4, 1)}, "the smaller one first, (1, 4)"),
        ({"between": ("1s", "4s")}, "two whole numbers, like (1, 40)"),
        ({"between": (1, 2, 3)}, "two whole numbers, like (1, 40)"),
        ({"between": (1, 10_000_000)}, "10,000,000 points; 10,000 are possible"),
        ({"between": (-2, 3)}, "over consumers.worker.count=-2: a count cannot be negative"),
        ({"values": ["few", "many"]}, "the values of consumers.worker.count have no order"),
        ({"values": "4..1"}, "the smaller number first, 1..4"),
        (
            {"between": (1, 4), "that": "job.wait"},
            "that='job.wait': nothing is expected of this, but of: api.sent total; jobs.wait p95",
        ),
        ({"between": (1, 4), "replications": 0}, "replications=0: a whole number, 1 or more"),
    ],
)
def test_what_is_wrong_is_told_in_python_before_anything_runs(here, monkeypatch, given, said):
    monkeypatch.setattr("qsim.study.tasks.perform", lambda *given: pytest.fail("it ran"))
    with pytest.raises((ValueError, ScenarioError), match=re.escape(said)):
        find(load(here / "small.yaml"), "consumers.worker.count", **given)


@pytest.mark.parametrize(
    ("path", "values", "said"),
    [
        ("name", ["a", "b"], "the values of name have no order"),
        ("queues.jobs.order", [1, 2], "1 is not allowed for 'order'"),
        ("consumers.worker.cuont", [1, 2], "did you mean 'count'?"),
        ("consumers.worker.service", [1, 2], "a duration needs a unit: write 1s"),
    ],
)
def test_a_path_that_has_no_such_values_is_told(here, path, values, said):
    with pytest.raises(ScenarioError, match=re.escape(said)):
        find(load(here / "small.yaml"), path, values=values)


def test_a_scenario_that_expects_nothing_is_told_how_in_the_words_of_python(here):
    small = load(here / "small.yaml")
    with pytest.raises(ValueError, match="the scenario expects nothing: ") as caught:
        find(small.set("expect", None), "consumers.worker.count", between=(1, 4))
    assert "--" not in str(caught.value)
    expecting = re.search(r"s\.set\(.*\)", str(caught.value))
    assert expecting
    again = eval(expecting[0].replace("orders", "jobs"), {"s": small})
    assert find(again, "consumers.worker.count", between=(1, 4), replications=1).value == 1
