"""``qsim sweep``: tables, files, and what is wrong before the first run."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time

import pytest

from tests.cli.conftest import QSIM, environment

OVER = ("--over", "consumers.worker.count=1..3")
TWO = (*OVER, "--over", "consumers.worker.service=50ms,100ms")


def test_one_path_is_a_row_a_value(qsim):
    found = qsim("sweep", "small.yaml", *OVER)
    assert (found.code, found.err) == (0, "")
    assert found.out == (
        "small   3 points, common random numbers\n"
        "\n"
        " count  api.sent  jobs.wait  expectations\n"
        "           total        p95\n"
        " 1           100         0s           ✓ ✓\n"
        " 2           100         0s           ✓ ✓\n"
        " 3           100         0s           ✓ ✓\n"
        "\n"
        "expectations: api.sent total is 100; jobs.wait p95 below 1s\n"
    )


def test_two_paths_are_a_matrix_a_metric(qsim):
    found = qsim("sweep", "small.yaml", *TWO, "--set", "producers.api.rate=20/s", "--metric", "jobs.visible at end")
    assert found.out.split("\n\n")[1] == (
        " count \\ service  50ms  100ms   (jobs.visible at end)\n"
        " 1                   0    100\n"
        " 2                   0      0\n"
        " 3                   0      0"
    )
    assert "(expectations)" in found.out.split("\n\n")[2]


def test_three_paths_are_a_row_a_point(qsim):
    found = qsim("sweep", "small.yaml", *TWO, "--over", "seed=1,2")
    assert " count  service  seed  api.sent  jobs.wait  expectations" in found.lines
    assert " 3      100ms    2          100         0s           ✓ ✓" in found.lines
    assert all(len(line) <= 80 for line in found.lines)


def test_replications_have_half_widths(qsim):
    found = qsim(
        "sweep", "small.yaml", *OVER, "--set", "producers.api.arrivals=poisson", "--replications", "4",
        "--metric", "worker.utilization mean",
    )  # fmt: skip
    assert found.lines[0] == "small   3 points, 4 replications of each, common random numbers"
    assert sum("±" in line for line in found.lines) == 3


def test_points_that_nothing_beats(qsim):
    found = qsim(
        "sweep", "small.yaml", *OVER, "--set", "producers.api.rate=15/s", "--metric", "api.sent total",
        "--pareto", "jobs.visible at end", "max:worker.utilization mean",
    )  # fmt: skip
    assert found.out.endswith(
        "no point is better than these in jobs.visible at end and worker.utilization mean\n"
        " count  jobs.visible  worker.utilization\n"
        "              at end                mean\n"
        " 2                 0              74.8 %\n"
        " 1                50               100 %\n"
    )


def test_json_is_one_object(qsim):
    found = json.loads(qsim("sweep", "small.yaml", *OVER, "--json").out)
    assert found["over"] == ["consumers.worker.count"]
    assert found["points"][2]["settings"] == {"consumers.worker.count": 3}
    assert found["points"][2]["metrics"] == {"api.sent total": 100, "jobs.wait p95": 0}
    assert [each["verdict"] for each in found["points"][2]["expectations"]] == ["pass", "pass"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["small.yaml"], "qsim: the file has no sweep: say what to change, --over 'consumers.worker.count=1..20'"),
        (
            ["small.yaml", "--over", "consumers.worker.cuont=1,2"],
            "--over consumers.worker.cuont=1,2: no key 'cuont' in consumers.worker; did you mean 'count'?",
        ),
        (["small.yaml", "--over", "seed=1..10000000"], "--over seed=1..10000000: a sweep of 10,000,000 points"),
        (["small.yaml", *OVER, "--metric", "jobs.wiat p95"], "qsim: --metric 'jobs.wiat p95': "),
        (["small.yaml", *OVER, "--csv", "nowhere/x.csv"], "qsim: --csv nowhere/x.csv: not a file that can be written"),
        (["smal.yaml", *OVER], "qsim: there is no file 'smal.yaml'"),
        (["small.yaml", *OVER, "--dask", "tcp://127.0.0.1:1"], "--dask "),
    ],
)
def test_what_is_wrong_is_told_before_anything_runs(qsim, monkeypatch, arguments, said):
    monkeypatch.setattr("qsim.study.cluster.PATIENCE_S", 0.2)
    monkeypatch.setattr("qsim.study.tasks.perform", lambda *given: pytest.fail("it ran"))
    found = qsim("sweep", *arguments)
    assert (found.code, found.out) == (2, "")
    assert found.err.startswith(said)


def test_a_damaged_file_is_told_and_its_run_made_again(qsim, here):
    qsim("sweep", "small.yaml", *OVER, "--csv", "whole.csv")
    victim = sorted((here / ".qsim-sweeps").rglob("*.json"))[1]
    victim.write_text("")
    found = qsim("sweep", "small.yaml", *OVER, "--csv", "again.csv", "--resume")
    assert found.err == (
        f".qsim-sweeps/{victim.parent.name}/{victim.name}: damaged (its checksum does not match); this run is made again\n"
    )
    assert (here / "again.csv").read_bytes() == (here / "whole.csv").read_bytes()
    assert not qsim("sweep", "small.yaml", *OVER, "--resume").err


def test_interrupted_and_resumed_it_is_the_same_file(here, qsim):
    """Two processes, Ctrl-C in the middle, and on again: the bytes of one process that nobody interrupted."""
    sweep = [
        "sweep",
        "small.yaml",
        "--over",
        "seed=1..30",
        "--set",
        "producers.api.rate=400/s",
        "--set",
        "run.duration=20s",
    ]
    assert qsim(*sweep, "--csv", "one.csv", "--store", "elsewhere").code == 0
    child = subprocess.Popen(
        [*QSIM, *sweep, "--csv", "two.csv", "--jobs", "2"],
        cwd=here, env=environment(), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while len(kept := list((here / ".qsim-sweeps").rglob("*.json"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(child.pid, signal.SIGINT)
    out, said = child.communicate(timeout=60)
    assert (child.returncode, out) == (130, ""), said
    assert "of 30 runs are done and kept in .qsim-sweeps; the same command with --resume goes on there" in said
    assert "Traceback" not in said and not (here / "two.csv").exists()
    assert 3 <= len(kept) < 30
    assert qsim(*sweep, "--csv", "two.csv", "--resume", "--jobs", "2").code == 0
    assert (here / "two.csv").read_bytes() == (here / "one.csv").read_bytes()


# --- until each point is known ----------------------------------------------------------------------------------------


RANDOM = ("--set", "producers.api.arrivals=poisson", "--set", "run.duration=60s")
WITHIN = "run.replications={metric: worker.utilization mean, within: %s, min: 3, max: 8}"


def test_every_point_runs_until_its_own_precision_and_says_so(qsim):
    """More load is known better: what 3 in a second tell needs more runs than what 30 do."""
    load = ("--over", "producers.api.rate=3/s,30/s", *RANDOM, "--set", WITHIN % "5%")
    found = qsim("sweep", "small.yaml", *load)
    told = json.loads(qsim("sweep", "small.yaml", *load, "--json").out)
    slow, busy = told["points"]
    assert (
        found.lines[0]
        == f"small   2 points, {busy['replications']} to {slow['replications']} replications, common random numbers"
    )
    assert told["replications"] is None and slow["replications"] > busy["replications"]
    for point, rate in ((slow, "3/s"), (busy, "30/s")):
        alone = json.loads(
            qsim(
                "run", "small.yaml", *RANDOM, "--set", WITHIN % "5%", "--set", f"producers.api.rate={rate}", "--json"
            ).out
        )
        assert (alone["replications"], alone["precision"]) == (point["replications"], point["precision"])


def test_a_point_that_stays_open_is_named(qsim):
    found = qsim("sweep", "small.yaml", "--over", "producers.api.rate=3/s", *RANDOM, "--set", WITHIN % "0.1%")
    assert found.lines[0].startswith("small   1 point, 8 replications of each")
    [line] = [line for line in found.lines if line.startswith(" 3/s: ")]
    assert re.fullmatch(r" 3/s: worker.utilization mean after 8 replications: ±[\d.]+ %, ±0.1 % was asked for", line)
