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


def test_what_nothing_beats_is_drawn(qsim, here):
    busy = ("--set", "producers.api.rate=15/s", "--pareto", "jobs.visible at end", "max:worker.utilization mean")
    found = qsim("sweep", "small.yaml", *OVER, *busy, "--plot", "front.svg")
    assert found.code == 0 and found.lines[-1] == "written to front.svg"
    texts = re.findall(r">([^<]+)</text>", (here / "front.svg").read_text())
    assert "jobs.visible at end (messages)" in texts and "worker.utilization mean (share)" in texts
    assert {"1", "2"} <= set(texts) and "named by worker count" in texts
    assert qsim("sweep", "small.yaml", *OVER, "--plot", "lines.png").lines[-1] == "written to lines.png"
    assert (here / "lines.png").read_bytes().startswith(b"\x89PNG")
    for name, said in (("front.gif", "its name ends in .png, .svg or .pdf"), ("no/x.png", "not a file")):
        refused = qsim("sweep", "small.yaml", *OVER, "--plot", name)
        assert refused.code == 2 and said in refused.err and not refused.out


def test_where_no_point_has_data_of_both_there_is_nothing_to_draw(qsim):
    pareto = ("--pareto", "jobs.wait p95", "jobs.latency p95", "--set", "producers.api.rate=0/s")
    found = qsim("sweep", "small.yaml", *OVER, *pareto, "--plot", "x.png")
    assert found.lines[-1] == "no point has data of both jobs.wait p95 and jobs.latency p95"
    assert found.code == 2
    assert (
        found.err == "qsim: --plot x.png: no point of the sweep has data of both jobs.wait p95 and jobs.latency p95\n"
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


@pytest.mark.parametrize(
    ("swept", "said"),
    [
        ("consumers.worker.cuont: [1, 2]", "13:3: error Q010: unknown key 'cuont' in consumers.worker"),
        ("consumers.wrker.count: 1..3", "13:3: error Q020: no consumer is called 'wrker'"),
        ("consumers.worker.count: []", "13:27: error Q012: a sweep is a list of values, or a range like 1..20"),
        ("consumers.worker.count: 3", "13:27: error Q012: a sweep is a list of values, or a range like 1..20"),
        ("consumers.worker.count:", "13:3: error Q012: a sweep is a list of values, or a range like 1..20"),
        ("consumers.worker.count: [1, two]", "13:31: error Q011: 'two' is not a count: write a whole number"),
        ("consumers.worker.service: [1s, 2]", "13:34: error Q013: a duration needs a unit: write 2s, 2ms or 2m"),
        ("seed: 1..10000000", "13:9: error Q005: a sweep of 10,000,000 points; 10,000 are possible"),
        ("seed: 1..10000000000", "13:9: error Q012: the range 1..10000000000 is far beyond the 10,000 points"),
        ("seed: 1..200\n  consumers.worker.count: 1..200", "14:3: error Q005: a sweep of 200 x 200 = 40,000 points"),
        ("consumers.worker.count: 9..1", "13:27: error Q012: the range 9..1 is empty: the smaller number first, 1..9"),
        ("consumers.worker.count: 1..9..0", "13:27: error Q012: the range 1..9..0 never gets on: its step is 0"),
        ("consumers.worker.count: [1, 2, 1]", "13:34: error Q012: 1 stands twice in the sweep of consumers.worker."),
    ],
)
def test_a_file_s_own_sweep_is_told_by_its_place_before_anything_runs(qsim, here, monkeypatch, swept, said):
    monkeypatch.setattr("qsim.study.tasks.perform", lambda *given: pytest.fail("it ran"))
    (here / "swept.yaml").write_text((here / "small.yaml").read_text() + f"sweep:\n  {swept}\n")
    found = qsim("sweep", "swept.yaml")
    assert (found.code, found.out) == (2, "")
    assert found.err.startswith(f"swept.yaml:{said}") and found.err.endswith("1 error\n")


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


def test_where_nothing_that_was_kept_fits_resume_says_so(qsim, monkeypatch):
    none = "--resume: nothing kept in .qsim-sweeps fits: other scenario, settings or version\n"
    assert qsim("sweep", "small.yaml", *OVER, "--resume").err == "--resume: nothing is kept in .qsim-sweeps\n"
    assert qsim("sweep", "small.yaml", *OVER, "--resume").err == ""
    assert qsim("sweep", "small.yaml", "--over", "consumers.worker.count=3,4", "--resume").err == "", "one of them fits"
    assert qsim("sweep", "small.yaml", *OVER, "--set", "run.duration=11s", "--resume").err == none
    assert qsim("find", "small.yaml", *OVER, "--set", "run.duration=12s", "--resume", "--json").err == none
    monkeypatch.setattr("qsim.study.store.code", lambda: "another version")
    assert qsim("sweep", "small.yaml", *OVER, "--resume").err == none
    assert len(none) <= 80 + 1


def test_what_ctrl_c_leaves_is_told_within_80_columns(qsim, ctrl_c):
    ctrl_c(3)
    found = qsim("sweep", "small.yaml", "--over", "seed=1..5", "--store", "a-folder-with-a-rather-long-name-of-its-own")
    assert found.code == 130
    assert found.err == (
        "interrupted: 2 of 5 runs are kept in\n"
        "    a-folder-with-a-rather-long-name-of-its-own; --resume goes on there\n"
    )


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
    assert "of 30 runs are kept in .qsim-sweeps; --resume goes on there" in said
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
