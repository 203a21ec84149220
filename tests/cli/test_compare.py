"""``qsim compare``: columns, marks, expectations and what a wrong command line is told."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import time

import pytest

from tests.cli.conftest import QSIM, Answer, environment

COLUMNS = """\
qsim: 1
name: columns
run: {duration: 5m, replications: 3}
queues: {jobs: {}}
producers: {api: {to: jobs, rate: 10/s}}
consumers: {worker: {from: jobs, count: 2, service: {exponential: {mean: 150ms}}}}
expect:
  - {that: jobs.latency p95, below: 600ms, otherwise: "one worker more", fails_in: [as-it-is]}
variants:
  as-it-is: {}
  three: {consumers.worker.count: 3}
  named-anew: {title: The same}
"""


@pytest.fixture
def columns(here):
    (here / "columns.yaml").write_text(COLUMNS)


def test_variants_stand_side_by_side_and_what_differs_is_marked(qsim, columns):
    answer = qsim("compare", "columns.yaml")
    rows = [line.split() for line in answer.lines]
    assert answer.code == 0
    assert answer.lines[0] == "columns   3 replications of each, common random numbers"
    # the variant that changes nothing stands for the file
    assert rows[1] == ["as-it-is", "three", "named-anew"]
    [latency] = [row for row in rows if row[:2] == ["jobs.latency", "p95"]]
    assert latency[3].endswith("*") and latency[2] == latency[4]
    assert ["expectations", "✗", "✓", "✗"] in rows
    assert any(line.startswith("✗ as-it-is: jobs.latency p95: expected below 600ms") for line in answer.lines)
    assert "    one worker more" in answer.lines
    assert any(line.endswith("the same in all, and not shown") for line in answer.lines)
    assert max(len(line) for line in answer.lines if "qsim trace" not in line) <= 80


def test_named_variants_and_the_command_that_looks_into_one(qsim, columns):
    answer = qsim("compare", "columns.yaml", "--variants", "three,base", "--seed", "4")
    assert answer.lines[1].split() == ["three", "base", "difference"]
    [see] = {line.split(maxsplit=1)[1] for line in answer.lines if line.strip().startswith("See ")}
    assert see.startswith("qsim trace columns.yaml --seed 4 --message api:")
    assert qsim(*see.split()[1:]).code == 0


def test_two_columns_alone_show_their_difference_with_its_interval(qsim, columns):
    """The number on the screen is the one for machines: rounded, in pairs."""
    told = json.loads(qsim("compare", "columns.yaml", "--variants", "base,three", "--json").out)
    apart = told["columns"][1]["differences"]["worker.utilization mean"]
    half = (apart["interval"][1] - apart["interval"][0]) / 2
    answer = qsim("compare", "columns.yaml", "--variants", "base,three")
    assert answer.lines[1].split() == ["base", "three", "difference"]
    [line] = [line for line in answer.lines if line.startswith(" worker.utilization mean")]
    number, _, plus_minus, _ = line.split()[-4:]
    assert float(number) == pytest.approx(100 * apart["mean"], abs=0.06)
    assert float(plus_minus.removeprefix("±")) == pytest.approx(100 * half, rel=0.05)
    assert (
        "difference" not in qsim("compare", "columns.yaml", "--variants", "base,three", "--replications", "1").lines[1]
    )
    assert "two of them alone are shown with their differences" in qsim("compare", "columns.yaml").out


def test_files_are_columns_and_what_one_does_not_have_is_a_dash(qsim, columns):
    answer = qsim("compare", "small.yaml", "returns.yaml", "--metric", "jobs-dlq.visible max", "--replications", "2")
    rows = [line.split() for line in answer.lines]
    assert answer.lines[0].startswith("small returns   2 replications of each")
    [missing] = [row for row in rows if row[:2] == ["jobs-dlq.visible", "max"]]
    assert missing[2] == "-" and not missing[3].endswith("*")


def test_one_replication_cannot_tell(qsim, columns):
    answer = qsim("compare", "columns.yaml", "--replications", "1")
    assert "*" not in answer.out and "one replication of each cannot tell a difference from noise" in answer.out


def test_many_columns_go_below_each_other(qsim, here):
    more = "".join(f"  with-many-workers-{n}: {{consumers.worker.count: {n}}}\n" for n in range(3, 9))
    (here / "many.yaml").write_text(COLUMNS + more)
    answer = qsim("compare", "many.yaml", "--replications", "2")
    heads = [line.split() for line in answer.lines if line.split()[:1] == ["as-it-is"]]
    assert len(heads) > 1 and sum(len(head) - 1 for head in heads) == 8
    assert max(len(line) for line in answer.lines if "qsim trace" not in line) <= 80


def test_machines_get_differences_with_their_intervals(qsim, here, columns):
    answer = qsim("compare", "columns.yaml", "--variants", "base,three", "--json", "--csv", "kept.csv")
    told = json.loads(answer.out)
    base, three = told["columns"]
    apart = three["differences"]["jobs.latency p95"]
    assert apart["mean"] == pytest.approx(three["metrics"]["jobs.latency p95"] - base["metrics"]["jobs.latency p95"])
    low, high = apart["interval"]
    assert low < apart["mean"] < high < 0 and apart["differs"] is True
    assert base["differences"]["jobs.latency p95"]["differs"] is False
    assert [each["verdict"] for each in three["expectations"]] == ["pass"]
    rows = [row for row in csv.DictReader((here / "kept.csv").open()) if row["metric"] == "jobs.latency p95"]
    assert [row["scenario"] for row in rows] == ["base", "three"]
    assert float(rows[1]["difference"]) == pytest.approx(apart["mean"])


def test_processes_change_nothing(qsim, columns, monkeypatch):
    from qsim.study import tasks

    monkeypatch.setattr(tasks, "WORTH_A_POOL_S", 0.0)
    alone, together = (qsim("compare", "columns.yaml", "--json", "--jobs", jobs).out for jobs in "12")
    assert alone == together


def test_a_precision_decides_by_the_first_column(qsim, columns):
    rule = "run.replications={metric: jobs.latency mean, within: 7%, min: 3, max: 30}"
    told = json.loads(qsim("compare", "columns.yaml", "--set", rule, "--json").out)
    alone = json.loads(qsim("run", "columns.yaml", "--set", rule, "--json").out)
    assert told["replications"] == alone["replications"] > 3
    assert {len(column["digests"]) for column in told["columns"]} == {told["replications"]}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["columns.yaml", "--variants", "thre,base"], "did you mean 'three'?"),
        (["columns.yaml", "--variants", "three"], "one scenario alone"),
        (["returns.yaml"], "one scenario alone"),
        (["nowhere.yaml", "columns.yaml"], "there is no file 'nowhere.yaml'"),
        (["columns.yaml", "--metric", "jobs.wiat p95"], "did you mean 'wait'?"),
        (["columns.yaml", "--csv", "nowhere/x.csv"], "not a file that can be written"),
        (["columns.yaml", "--set", "consumers.worker.cuont=3"], "did you mean 'count'?"),
    ],
)
def test_what_is_wrong_is_told_before_a_run(qsim, columns, arguments, said):
    answer = qsim("compare", *arguments)
    assert answer.code == 2 and answer.out == "" and said in answer.err


# --- Ctrl-C -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pressed_in", [7, 8, 9])
def test_what_was_done_before_ctrl_c_is_shown(qsim, here, columns, ctrl_c, pressed_in):
    """Three columns: in the seventh to ninth run two replications of each are done, and the table is theirs."""
    two = qsim("compare", "columns.yaml", "--replications", "2", "--csv", "two.csv")
    ctrl_c(pressed_in)
    answer = qsim("compare", "columns.yaml", "--replications", "20", "--csv", "left.csv")
    assert (answer.code, answer.err) == (130, "stopped: 2 of 20 replications\n")
    assert answer.lines[1] == "PARTIAL RESULT  stopped: 2 of 20 replications"
    assert [answer.lines[0], *answer.lines[2:]] == two.lines
    assert (here / "left.csv").read_bytes() == (here / "two.csv").read_bytes()


def test_ctrl_c_for_machines(qsim, columns, ctrl_c):
    two = json.loads(qsim("compare", "columns.yaml", "--replications", "2", "--json").out)
    ctrl_c(7)
    answer = qsim("compare", "columns.yaml", "--replications", "20", "--json")
    assert answer.code == 130
    assert json.loads(answer.out) == two | {"stopped": "interrupted", "of": 20}


def test_ctrl_c_before_there_is_anything(qsim, columns, ctrl_c):
    ctrl_c(3)
    assert qsim("compare", "columns.yaml") == Answer(130, "", "stopped: 0 of 3 replications, nothing to compare\n")


def test_ctrl_c_while_a_precision_is_looked_for(qsim, columns, ctrl_c):
    """Three of the first column, three of each other; then one more of the first is no row of three."""
    rule = "run.replications={metric: jobs.latency mean, within: 1%, min: 3, max: 30}"
    ctrl_c(11)
    answer = qsim("compare", "columns.yaml", "--set", rule)
    assert (answer.code, answer.err) == (130, "stopped: 3 of 30 replications\n")


def test_ctrl_c_in_two_processes(here, qsim, columns):
    """A real one: the replications that are shown are those of as many that nobody interrupted."""
    long = ["compare", "columns.yaml", "--set", "run.duration=30m", "--json"]
    child = subprocess.Popen(
        [*QSIM, *long, "--replications", "2000", "--jobs", "2"],
        cwd=here, env=environment(), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    time.sleep(8)
    os.killpg(child.pid, signal.SIGINT)
    out, said = child.communicate(timeout=60)
    assert child.returncode == 130 and "Traceback" not in said, said
    told = json.loads(out)
    assert 0 < told["replications"] < 2000 and told["of"] == 2000
    alone = json.loads(qsim(*long, "--replications", str(min(3, told["replications"]))).out)
    for column, other in zip(told["columns"], alone["columns"], strict=True):
        assert column["digests"][:3] == other["digests"]
