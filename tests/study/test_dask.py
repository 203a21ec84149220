"""A sweep on a cluster: a real scheduler, two real workers, and one of them killed in the middle."""

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("distributed", reason="distributed is not installed: pip install 'qsim-lab[dask]'")

from qsim.claims.asked import Asked
from qsim.cli.app import run
from qsim.scenario.grid import of_python, points
from qsim.scenario.load import read
from qsim.study.cluster import ClusterError, cluster
from qsim.study.sweep import How, sweep

ROOT = Path(__file__).parents[2]
METRICS = ("jobs.wait p95", "worker.utilization mean")
TEXT = """
qsim: 1
name: short
run: {duration: 400s}
queues: {jobs: {}}
producers: {api: {to: jobs, rate: 10/s}}
consumers: {worker: {from: jobs, count: 2, service: {exponential: {mean: 150ms}}}}
expect: [{that: jobs.wait p95, below: 5s}]
"""
SCENARIO = read(text=TEXT)


@contextmanager
def scheduler_and_workers(folder, workers):
    """Processes on 127.0.0.1 on a port that is free; ended as they were started, one by one."""
    quiet = {"cwd": folder, "env": os.environ | {"PYTHONPATH": str(ROOT)}, "stderr": subprocess.PIPE, "text": True}
    begin = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
    started = [subprocess.Popen(begin, **quiet)]
    try:
        address = next(found[0] for line in started[0].stderr if (found := re.search(r"tcp://127\.0\.0\.1:\d+", line)))
        worker = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard", "--no-nanny"]
        started += [subprocess.Popen(worker, **quiet) for _ in range(workers)]
        yield address, started[1:]
    finally:
        for process in started:
            process.kill()
            process.communicate()


def swept(**more):
    axes = [of_python("consumers.worker.count", range(1, 7)), of_python("seed", [1, 2])]
    paths = [axis.path for axis in axes]
    return sweep(paths, points(SCENARIO, axes), METRICS, 3, Asked(METRICS), How(**more)).frame().to_csv()


def test_a_worker_that_is_killed_changes_not_a_byte(tmp_path):
    here = swept()
    with scheduler_and_workers(tmp_path, 2) as (address, workers):
        _wait_for(address, 2)
        killed, lost = [], []

        def seen(done, _of):
            if done == 2 and not killed:
                lost.extend(_in_hand(address, workers[0].pid))
                workers[0].send_signal(signal.SIGKILL)
                killed.append(workers[0].wait(20))

        assert swept(executor=cluster(address), seen=seen) == here
        assert killed == [-signal.SIGKILL]
        assert lost, "it had work in hand, which the other one did"
        assert workers[1].poll() is None


def _in_hand(address, pid):
    """The tasks that the worker of this process has been given, and has not answered."""
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        [worker] = [worker for worker, its in client.run(os.getpid).items() if its == pid]
        return client.processing()[worker]


def test_the_command_writes_the_same_file_wherever_it_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "short.yaml").write_text(TEXT)
    sweep = ["sweep", "short.yaml", "--over", "consumers.worker.count=1..4", "--replications", "2", "--set", "run.duration=60s"]
    assert run([*sweep, "--csv", "here.csv"]) == 0
    with scheduler_and_workers(tmp_path, 1) as (address, _):
        assert run([*sweep, "--csv", "there.csv", "--dask", address]) == 0
    assert (tmp_path / "there.csv").read_bytes() == (tmp_path / "here.csv").read_bytes()
    assert capsys.readouterr().err == ""


def test_interrupted_there_and_resumed_there_it_is_the_same_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "short.yaml").write_text(TEXT)
    sweep = ["sweep", "short.yaml", "--over", "seed=1..24", "--set", "run.duration=1000s"]
    assert run([*sweep, "--csv", "here.csv", "--store", "elsewhere"]) == 0
    with scheduler_and_workers(tmp_path, 2) as (address, workers):
        there = [*sweep, "--csv", "there.csv", "--dask", address]
        child = subprocess.Popen(
            [sys.executable, "-m", "qsim", *there], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        deadline = time.monotonic() + 60
        while len(_kept(tmp_path)) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        os.killpg(child.pid, signal.SIGINT)
        said = child.communicate(timeout=60)[1]
        assert child.returncode == 130 and "Traceback" not in said, said
        assert 3 <= len(before := _kept(tmp_path)) < 24 and not (tmp_path / "there.csv").exists()
        assert [worker.poll() for worker in workers] == [None, None], "the workers serve others too"
        assert run([*there, "--resume"]) == 0
    assert (tmp_path / "there.csv").read_bytes() == (tmp_path / "here.csv").read_bytes()
    assert before.items() <= _kept(tmp_path).items() and len(_kept(tmp_path)) == 24, "what was kept was not made again"


def _kept(folder):
    return {file.name: file.read_bytes() for file in (folder / ".qsim-sweeps").rglob("*.json")}


def _wait_for(address, workers):
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        client.wait_for_workers(workers, timeout=60)
        begun = time.monotonic()
        while len(client.scheduler_info()["workers"]) < workers and time.monotonic() < begun + 60:
            time.sleep(0.1)


def test_an_address_where_nobody_answers_is_told(monkeypatch):
    monkeypatch.setattr("qsim.study.cluster.PATIENCE_S", 0.3)
    with pytest.raises(ClusterError, match=r"--dask tcp://127\.0\.0\.1:1: no scheduler answers there"):
        cluster("tcp://127.0.0.1:1")
    with pytest.raises(ClusterError, match="no scheduler answers there"):
        cluster("nonsense")


def test_until_a_precision_it_keeps_the_same_files_there(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rule = "run.replications={metric: jobs.wait mean, within: 20%, min: 3, max: 9}"
    (tmp_path / "short.yaml").write_text(TEXT)
    sweep = ["sweep", "short.yaml", "--over", "consumers.worker.count=2,4", "--set", "run.duration=60s", "--set", rule, "--json"]
    assert run([*sweep, "--store", "here"]) == 0
    here = capsys.readouterr().out
    with scheduler_and_workers(tmp_path, 1) as (address, _):
        assert run([*sweep, "--store", "there", "--dask", address]) == 0
    assert capsys.readouterr().out == here
    names = [sorted(str(file.relative_to(folder)) for file in Path(folder).rglob("*.json")) for folder in ("here", "there")]
    assert names[0] == names[1] and len(names[0]) >= 6
