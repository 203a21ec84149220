"""Scenario and Run, over real runs of the simulator."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import qsim
from qsim.api import write
from qsim.metrics.ends import AT_END
from qsim.scenario.reference import METRICS, SERIES

LEASES = """
qsim: 1
name: leases
seed: 7
run: {duration: 20m, warmup: 1m}
queues:
  jobs: {profile: sqs-standard, visibility_timeout: 30s, dlq: {queue: jobs-dlq, max_receives: 3}}
  jobs-dlq: {profile: sqs-standard, retention: 14d}
producers:
  api: {to: jobs, rate: 30/min, message: {poison: 2%}}
consumers:
  worker:
    from: jobs
    count: 20
    poll: {batch: 1, wait: 20s}
    service: {mix: [{share: 95%, time: 5s}, {share: 5%, time: 2m}]}
    failures: {error: 5%, crash: 2%, restart_after: 1m}
    retry: {backoff: fixed, first: 3s}
expect:
  - {that: worker.effects_per_message max, is: 1, fails_in: [base]}
  - {that: jobs.visible at end, below: 1000}
variants:
  heartbeat: {consumers.worker.heartbeat: {every: 10s, extend_to: 30s}}
"""


@pytest.fixture(scope="module")
def scenario():
    return qsim.load(text=LEASES)


@pytest.fixture(scope="module")
def run(scenario):
    return scenario.run()


def test_a_run_gives_numbers_in_seconds(run):
    assert run["jobs.wait min"] == 0
    assert 5 <= run["jobs.latency p50"] < 60
    assert isinstance(run["jobs.received total"], int)
    assert run["jobs.second_receive max from 0 to 1ns"] is None


def test_runs_are_the_replications_in_turn(scenario, run):
    first, second = scenario.runs(2, until="5m")
    assert first.digest == scenario.run(until="5m").digest
    assert second.digest == scenario.run(replication=2, until="5m").digest != first.digest
    assert "replication 2" in repr(second) and "replication" not in repr(first)
    with pytest.raises(ValueError, match="replications=0: a whole number, 1 or more"):
        scenario.runs(0)


def test_a_scenario_shows_what_is_written_with_what_was_changed(scenario):
    changed = scenario.set("consumers.worker.count", 25)
    assert qsim.load(text=changed.show()).plan == changed.plan
    assert changed.show("queues", "producers") == """\
queues:
  jobs:
    profile: sqs-standard
    visibility_timeout: 30s
    dlq: {queue: jobs-dlq, max_receives: 3}
  jobs-dlq:
    profile: sqs-standard
    retention: 14d

producers:
  api:
    to: jobs
    rate: 30/min
    message: {poison: 2%}"""
    with pytest.raises(LookupError, match=r"no part 'queue'; did you mean 'queues'\? it has: qsim, name, .*queues"):
        scenario.show("queue")
    with pytest.raises(LookupError, match=r"no part ''; it has: qsim"):
        scenario.show("")


def test_a_run_may_stop_before_its_end(scenario, run):
    assert scenario.run(until="5m").digest == scenario.run(until=5 * qsim.MINUTE).digest != run.digest


def test_several_settings_at_once_are_as_one_after_the_other(scenario):
    both = scenario.set({"consumers.worker.count": 3, "queues.jobs.visibility_timeout": "1m"})
    assert both.plan == scenario.set("consumers.worker.count", 3).set("queues.jobs.visibility_timeout", "1m").plan


def test_a_misspelt_reference_is_told(run):
    with pytest.raises(KeyError, match="did you mean 'jobs'"):
        run["job.wait p95"]
    with pytest.raises(LookupError, match="did you mean 'visible'"):
        run["jobs.visble"]
    with pytest.raises(LookupError):
        run.at_rest("job")


def test_the_same_seed_gives_the_same_digest(scenario, run):
    assert scenario.run().digest == run.digest != scenario.run(seed=8).digest
    assert scenario.run(replication=2).digest != run.digest


def test_a_scenario_is_never_changed(scenario):
    more = scenario.set("consumers.worker.count", 30)
    assert (more.plan.consumers[0].count, scenario.plan.consumers[0].count) == (30, 20)
    assert list(scenario.variants()) == ["base", "heartbeat"]
    assert scenario.variants()["heartbeat"].plan.consumers[0].heartbeat is not None
    with pytest.raises(qsim.ScenarioError, match="did you mean 'count'"):
        scenario.set("consumers.worker.cuont", 3)


def test_nothing_appears_and_nothing_disappears(run):
    found = run.conservation()
    assert found["holds"], found["problems"]
    assert found["queues"]["jobs"]["dead_lettered"] == found["queues"]["jobs-dlq"]["moved_in"] > 0


def test_the_end_of_every_series_is_the_end_of_its_history(run):
    numbers = run.numbers
    for name, kind in numbers.names.kinds.items():
        for metric, about in METRICS[kind].items():
            if about.type == SERIES and (kind, metric) in AT_END:
                reference = qsim.metrics.numbers.parse(f"{name}.{metric}")
                history = numbers.function(reference).at(run.recording.ended)
                assert numbers.exact(reference) == pytest.approx(history), reference.text


def test_levels_are_the_broker_s_own(run):
    for queue, levels in run.recording.overview.items():
        assert {name: run[f"{queue}.{name} at end"] for name in levels} == levels


def test_tables_agree_with_numbers(run):
    messages = run.frame("messages")
    jobs = messages[messages.queue == "jobs"]
    assert jobs.wait_s.quantile(0.95) == pytest.approx(run["jobs.wait p95 from 0"])
    assert len(run.frame("events")) == len(run.recording.rows())
    level = run.frame("jobs")
    assert level.visible.max() == run["jobs.visible max from 0"]
    assert run.frame("worker").busy.max() == run["worker.busy max from 0"]


def test_a_series_is_a_table_of_its_own(run):
    series = run.series("jobs.depth", "1m")
    assert (len(series), series.iloc[-1]) == (21, run["jobs.depth at end"])


def test_a_message_tells_its_story(run):
    table = run.timeline("first-redelivered")
    assert (table.event == "received").sum() >= 2
    told = run.story("first-dead-lettered")
    assert any("DEAD-LETTERED to jobs-dlq" in line for line in told)
    assert run.find(table.attrs["message"]) == run.find("first-redelivered")


def test_the_dead_letter_queue_says_why(run):
    rest = run.at_rest("jobs-dlq")
    assert len(rest) == run["jobs-dlq.visible at end"]
    assert set(rest.reason) == {"max receives"}
    assert (rest.receives == 3).all()


def test_verdicts_know_what_must_fail(run):
    fails, holds = run.verdicts()
    assert (fails.verdict, fails.is_met, holds.is_met) == ("fail", True, True)
    text = run.show()
    assert "✗ expected worker.effects_per_message max: expected 1, got" in text
    assert f"digest {run.digest}" in text


def test_expect_reads_aloud(run):
    qsim.expect(run).that("jobs.visible at end").below(1000)
    with pytest.raises(qsim.CheckFailed, match=r"worker\.effects_per_message max: expected 1"):
        qsim.expect(run).that("worker.effects_per_message max").equals(1)


def test_json_has_the_keys_that_machines_read(run):
    told = json.loads(json.dumps(run.json(("jobs.wait p95",)), allow_nan=False))
    assert {
        "scenario", "seed", "engine", "duration_s", "messages", "wall_s", "metrics", "expectations", "conservation", "digest",
    } <= set(told)  # fmt: skip
    assert told["metrics"]["jobs.wait p95"] == run["jobs.wait p95"]
    assert told["metrics"]["jobs.visible at end"] == run["jobs.visible at end"]
    assert told["conservation"]["holds"] is True
    assert told["messages"] == run["api.sent at end"]


def test_files_hold_the_same(run, tmp_path):
    write(run, tmp_path / "out")
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    again = json.loads((tmp_path / "out/run.json").read_text())
    series = pd.read_csv(tmp_path / "out/series.csv")
    assert summary["digest"] == again["digest"] == run.digest
    assert again["document"]["name"] == "leases"
    assert series["jobs.visible"].iloc[-1] == run["jobs.visible at end"]
    assert len(series) == 20 * 60 + 1
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["run.json", "series.csv", "summary.json"]


def test_csv_and_parquet_hold_seconds_and_integers(run, tmp_path):
    run.csv(tmp_path / "m.csv")
    run.parquet(tmp_path / "m.parquet")
    for table in (pd.read_csv(tmp_path / "m.csv"), pd.read_parquet(tmp_path / "m.parquet")):
        assert table.sent_s.dtype == np.float64
        assert table.message.dtype == table.receives.dtype == np.int64
        assert len(table) == len(run.frame("messages"))


def test_importing_qsim_loads_no_numpy():
    code = "import qsim, qsim.scenario.reference, sys; print([m for m in ('numpy', 'pandas', 'scipy', 'simpy') if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_every_public_name_resolves():
    for name in qsim.__all__:
        assert getattr(qsim, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        qsim.lod  # noqa: B018 - the access is the test


def test_a_failure_at_a_dead_letter_queue_tells_of_its_source(scenario):
    changed = scenario.set("expect", [{"that": "jobs-dlq.visible at end", "is": 0}]).run()
    lines = changed.verdicts()[0].lines()
    assert "api sent" in lines[1]
    assert any("leases ended" in line for line in lines)
    assert any("--message api:" in line for line in lines)
