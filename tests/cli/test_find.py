"""``qsim find``: the answer, why the next value will not do, and what bisection cannot know."""

from __future__ import annotations

import json

import pytest

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
    ],
)
def test_what_is_wrong_is_told_before_anything_runs(qsim, monkeypatch, arguments, said):
    monkeypatch.setattr("qsim.study.tasks.perform", lambda *given: pytest.fail("it ran"))
    found = qsim("find", "small.yaml", *arguments)
    assert (found.code, found.out) == (2, "")
    assert found.err.startswith(said)
