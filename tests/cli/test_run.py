"""``qsim run``: what is shown, what machines get, and how it ends."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from qsim import load


def test_a_run_fits_eighty_columns_and_says_what_holds(qsim):
    answer = qsim("run", "small.yaml")
    assert answer.code == 0
    assert answer.err == ""
    assert answer.lines[0].startswith("small  10s simulated in ")
    assert answer.lines[0].endswith("seed 1   299 message events")
    assert " ✓ api.sent total is 100" in answer.lines
    assert " ✓ jobs.wait p95 below 1s: 0s" in answer.lines
    assert answer.lines[-1].startswith("digest ")
    assert max(map(len, answer.lines)) <= 80


def test_the_backlog_s_picture_shows_what_came_and_went_between_two_of_its_blocks(qsim):
    """Six thousand at 1:00, gone two minutes later, and eighty at 3:40: a block is ten minutes."""
    answer = qsim("run", "w23-alert-on-depth-or-age")
    picture = next(line.split()[0] for line in answer.lines if "at most 5,951" in line)
    assert picture == "▁" * 6 + "█" + "▁" * 17


def test_what_is_little_is_not_rounded_to_nothing(qsim):
    answer = qsim("run", "w07-celery-countdown")  # three runs in four hours
    row = next(line.split() for line in answer.lines if line.startswith(" worker"))
    assert row[-2] == "0.0002/s"


def test_calls_are_told_of_what_consumers_call(qsim):
    """50 jobs, five at a time, three rounds: 50 + 45 + 40 calls, 15 of which found a place."""
    answer = qsim("run", "w12-throttled-before-they-run")
    row = next(line.split() for line in answer.lines if line.startswith(" function"))
    assert row == ["function", "5", "%", "0", "135", "0", "120", "10s"]


def test_who_waits_for_replies_is_told_how_many_came_in_time(qsim):
    """105/s for 2 min; for 42 s all are answered in time, 100/s, and then none: 35/s."""
    answer = qsim("run", "w24-sync-over-a-queue")
    told = next(line.strip() for line in answer.lines if line.startswith(" producer page: "))
    assert told == "producer page: 12,600 sent, 8,210 timeouts, goodput 34.8/s"


def test_a_run_writes_no_file(qsim, here):
    before = sorted(here.iterdir())
    qsim("run", "small.yaml")
    assert sorted(here.iterdir()) == before


def test_what_fails_is_explained_with_a_command_that_shows_it(qsim):
    answer = qsim("run", "returns.yaml", "--seed", "3")
    assert answer.code == 1
    assert " ✗ worker.effects_per_message max: expected 1, got 3" in answer.lines
    assert "    the lease ended before the work did" in answer.lines
    see = next(line.strip() for line in answer.lines if line.strip().startswith("See  "))
    command = see.split(maxsplit=1)[1]
    assert command.startswith("qsim trace returns.yaml --seed 3 --message api:")
    told = qsim(*command.split()[1:])
    assert told.code == 0
    assert "LEASE ENDED" in told.out
    assert max(map(len, answer.lines)) <= 80


def test_json_is_one_object_and_nothing_else(qsim):
    answer = qsim("run", "small.yaml", "--json", "--metric", "jobs.wait p95")
    result = json.loads(answer.out)
    assert answer.code == 0 and answer.err == ""
    assert {"scenario", "seed", "engine", "duration_s", "messages", "wall_s"} <= set(result)
    assert (result["scenario"], result["seed"], result["duration_s"], result["messages"]) == ("small", 1, 10.0, 100)
    assert result["metrics"]["jobs.wait p95"] == 0
    assert result["metrics"]["api.sent total"] == 100
    assert result["metrics"]["jobs.visible at end"] == 0
    assert result["conservation"]["holds"] is True
    assert len(result["digest"]) == 64
    [sent, wait] = result["expectations"]
    assert {"that", "predicate", "value", "observed", "verdict"} <= set(sent)
    assert (sent["that"], sent["predicate"], sent["value"], sent["observed"], sent["verdict"]) == (
        "api.sent total", "is", 100, 100, "pass",
    )  # fmt: skip
    assert wait["value"] == 1.0


def test_replications_are_means_with_intervals(qsim):
    many = json.loads(qsim("run", "returns.yaml", "--json", "--replications", "3").out)
    parts = [json.loads(qsim("run", "returns.yaml", "--json", "--replication", str(r)).out) for r in (1, 2, 3)]
    sent = [part["metrics"]["api.sent total"] for part in parts]
    assert many["replications"] == 3
    assert many["metrics"]["api.sent total"] == pytest.approx(sum(sent) / 3)
    low, high = many["intervals"]["api.sent total"]
    assert low < many["metrics"]["api.sent total"] < high
    assert len(many["digest"]) == 64 and many["digest"] not in {part["digest"] for part in parts}


def test_several_processes_give_the_same(qsim):
    results = [
        json.loads(qsim("run", "returns.yaml", "--json", "--replications", "3", "--jobs", jobs).out) for jobs in "12"
    ]
    for result in results:
        del result["wall_s"]
    assert results[0] == results[1]


def test_replications_on_the_screen_show_half_widths(qsim):
    answer = qsim("run", "returns.yaml", "--replications", "4")
    assert answer.lines[0].startswith("returns  4 x 10m simulated")
    assert "±" in answer.out
    assert max(map(len, answer.lines)) <= 80


def test_another_variant_another_outcome(qsim):
    answer = qsim("run", "small.yaml", "--variant", "too-much")
    assert answer.code == 1
    assert answer.lines[0].startswith("small too-much  10s simulated")
    assert " ✗ api.sent total: expected 100, got 400" in answer.lines
    assert "advice A100" in answer.out
    assert "grows 20/s" in answer.out


def test_set_changes_a_value_and_a_wrong_path_is_told(qsim):
    assert "200 message" in qsim("run", "small.yaml", "--set", "run.duration=20s", "--set", "consumers=null").out
    answer = qsim("run", "small.yaml", "--set", "consumers.worker.cuont=9")
    assert answer.code == 2 and answer.out == ""
    assert answer.err.startswith(
        "--set consumers.worker.cuont=9: no key 'cuont' in consumers.worker; did you mean 'count'?"
    )


def test_until_stops_and_judges_nothing(qsim):
    answer = qsim("run", "small.yaml", "--until", "5s")
    assert answer.code == 0
    assert answer.lines[1] == "stopped at 5s of 10s, as --until says"
    assert " ? not judged, for the run was cut short: 2 expectations" in answer.lines
    strict = qsim("run", "small.yaml", "--until", "5s", "--strict", "--json")
    assert strict.code == 3
    assert {each["verdict"] for each in json.loads(strict.out)["expectations"]} == {"inconclusive"}
    wrong = qsim("run", "small.yaml", "--until", "5")
    assert wrong.code == 2 and "write 5s, 5ms or 5m" in wrong.err


def test_too_many_messages_are_exit_4_with_what_there_was(qsim):
    answer = qsim("run", "small.yaml", "--max-messages", "50")
    assert answer.code == 4
    assert answer.lines[1].startswith("PARTIAL RESULT  --max-messages reached at ")
    result = json.loads(qsim("run", "small.yaml", "--max-messages", "50", "--json").out)
    assert result["stopped"] == "max-messages" and result["metrics"]["api.sent total"] == 50


def test_out_of_memory_is_exit_4_with_what_there_was(qsim):
    answer = qsim("run", "backlog-growth", "--set", "run.duration=1h", QSIM_MEMORY="1")
    assert answer.code == 4
    assert answer.lines[1].startswith("PARTIAL RESULT  out of memory at ")


def test_strict_counts_what_is_inconclusive_and_advice(qsim, here):
    (here / "open.yaml").write_text(
        (here / "small.yaml").read_text().replace("jobs.wait p95", "jobs.recovery_time p95")
    )
    assert qsim("run", "open.yaml").code == 0
    assert qsim("run", "open.yaml", "--strict").code == 3
    assert qsim("run", "small.yaml", "--strict").code == 0
    advised = ("run", "small.yaml", "--set", "producers.api.rate=40/s", "--set", "expect=null")
    assert qsim(*advised).code == 0
    assert qsim(*advised, "--strict").code == 2


def test_quiet_says_only_what_fails(qsim):
    assert qsim("run", "small.yaml", "--quiet").out == ""
    answer = qsim("run", "small.yaml", "--variant", "too-much", "--quiet")
    assert answer.code == 1 and answer.lines[0] == " ✗ api.sent total: expected 100, got 400"


def test_out_and_csv_write_files_in_seconds(qsim, here):
    answer = qsim("run", "small.yaml", "--out", "result", "--csv", "series.csv")
    assert answer.code == 0
    assert sorted(path.name for path in (here / "result").iterdir()) == ["run.json", "series.csv", "summary.json"]
    rows = list(csv.DictReader((here / "series.csv").open()))
    assert [float(row["time_s"]) for row in rows] == [float(t) for t in range(11)]
    summary = json.loads((here / "result" / "summary.json").read_text())
    assert summary["digest"] == answer.lines[-3].split()[1]
    assert json.loads((here / "result" / "run.json").read_text())["seed"] == 1


def test_out_with_replications_has_a_folder_for_each(qsim, here):
    assert qsim("run", "small.yaml", "--out", "result", "--replications", "2").code == 0
    assert sorted(path.name for path in (here / "result").iterdir()) == [
        "replication-1", "replication-2", "summary.json",
    ]  # fmt: skip


def test_against_names_what_differs(qsim):
    qsim("run", "small.yaml", "--out", "kept", "--metric", "jobs.wait p95")
    same = qsim("run", "small.yaml", "--against", "kept")
    assert same.code == 0 and same.lines[-1] == "the same as kept"
    other = qsim("run", "small.yaml", "--variant", "too-much", "--set", "expect=null", "--against", "kept")
    assert other.code == 1
    assert ["api.sent", "total", "100", "400"] in [line.split() for line in other.lines]
    assert any(line.split()[:3] == ["jobs.wait", "p95", "0"] for line in other.lines)
    assert qsim("run", "small.yaml", "--against", "small.yaml").code == 2


LUCKY = ["--set", "producers.api.arrivals=poisson", "--set", "expect=null", "--replications", "10"]


def test_against_other_luck_noise_is_no_difference_and_a_change_is(qsim):
    qsim("run", "small.yaml", *LUCKY, "--out", "kept")
    other = qsim("run", "small.yaml", *LUCKY, "--seed", "2", "--against", "kept")
    assert other.code == 0 and "the same as kept but for noise in " in other.lines[-1]
    more = ["--set", "producers.api.rate=20/s"]
    changed = qsim("run", "small.yaml", *LUCKY, *more, "--seed", "2", "--against", "kept")
    assert changed.code == 1 and any(line.split()[:2] == ["api.sent", "total"] for line in changed.lines)


def test_with_the_same_luck_every_difference_is_caused(qsim):
    qsim("run", "small.yaml", *LUCKY, "--out", "kept")
    assert qsim("run", "small.yaml", *LUCKY, "--against", "kept").lines[-1] == "the same as kept"
    changed = qsim("run", "small.yaml", *LUCKY, "--set", "producers.api.rate=10.1/s", "--against", "kept")
    assert changed.code == 1 and "noise" not in changed.out


def test_one_run_with_other_luck_cannot_tell_noise(qsim):
    once = [*LUCKY[:-2], "--against", "kept"]
    qsim("run", "small.yaml", *LUCKY[:-2], "--out", "kept")
    answer = qsim("run", "small.yaml", *once, "--seed", "2")
    assert answer.code == 1 and answer.lines[-1].startswith("the luck is another: several --replications")


@pytest.mark.parametrize(
    ("then", "now", "is_noise"),
    [
        ((10, 1, 10), (11, 1, 10), True),  # 1.6 standard errors of the difference
        ((10, 1, 10), (14, 1, 10), False),  # 6.4
        ((10, 0, 10), (10.1, 0, 10), False),  # no luck in either
        ((10, 4, 2), (14, 1, 10), True),  # two replications know little
    ],
)
def test_noise_is_what_welch_says(then, now, is_noise):
    from qsim.cli.against import Mean
    from qsim.cli.against import is_noise as asked

    assert asked(Mean(*then), Mean(*now)) is is_noise


def test_a_result_of_another_scenario_is_named(qsim, here):
    qsim("run", "small.yaml", "--out", "kept")
    summary = here / "kept" / "summary.json"
    summary.write_text(summary.read_text().replace('"scenario": "small"', '"scenario": "other"'))
    assert "kept is a result of another scenario: other" in qsim("run", "small.yaml", "--against", "kept").lines


def test_the_brokers_own_names(qsim):
    answer = qsim("run", "returns.yaml", "--names", "broker")
    assert "ApproximateNumberOfMessagesNotVisible" in answer.out
    assert max(map(len, answer.lines)) <= 80


def test_a_metric_that_is_none_is_told_before_the_run(qsim):
    answer = qsim("run", "small.yaml", "--metric", "jobs.wiat p95")
    assert answer.code == 2 and answer.out == ""
    assert "did you mean 'wait'?" in answer.err
    free = qsim("run", "small.yaml", "--metric", "jobs.cost")
    assert free.code == 2 and "there are no prices for jobs.cost; write cost:" in free.err
    late = qsim("run", "small.yaml", "--metric", "jobs.visible at 99h")
    assert late.code == 2 and "at 99h is after the end of the run" in late.err


def test_a_tag_runs_the_bundled_scenarios_that_carry_it(qsim):
    answer = qsim("run", "--tag", "redrive", "--until", "1m")
    assert any(line.startswith("poison-pill  1m simulated") for line in answer.lines)
    wrong = qsim("run", "--tag", "lesson-99")
    assert wrong.code == 2 and "there are: " in wrong.err


@pytest.mark.parametrize("target", ["nowhere.yaml", ".", "small.yaml/x", "backlog-growt"])
def test_what_is_no_scenario_is_exit_2(qsim, target):
    answer = qsim("run", target)
    assert answer.code == 2
    assert answer.out == ""
    assert "Traceback" not in answer.err
    assert target in answer.err


def test_an_unreadable_file_is_exit_2(qsim, here):
    (here / "secret.yaml").write_bytes(b"\xff\xfe\x00\x01")
    answer = qsim("run", "secret.yaml")
    assert answer.code == 2 and answer.err.startswith("secret.yaml:1:1: error Q0")


def test_a_bundled_scenario_runs_from_anywhere(qsim):
    answer = qsim("run", "poison-pill", "--until", "2m")
    assert answer.code == 0 and answer.lines[0].startswith("poison-pill  2m simulated")


def test_no_time_passes_is_a_wrong_file(qsim, here):
    scenario = here / "small.yaml"
    scenario.write_text(scenario.read_text().replace("service: 100ms", "service: 100ms, failures: {error: 1.5}"))
    assert qsim("run", "small.yaml").code == 2


def test_a_folder_that_cannot_be_written_is_told_before_the_run(qsim, here):
    Path(here / "taken").write_text("")
    answer = qsim("run", "small.yaml", "--out", "taken/x")
    assert answer.code == 2 and answer.out == "" and "taken" in answer.err
    assert qsim("run", "small.yaml", "--csv", "nowhere/x.csv").code == 2


def test_long_names_still_fit(qsim, here):
    name = "orders-of-the-whole-of-europe-and-its-dead-letters"
    scenario = here / "small.yaml"
    scenario.write_text(scenario.read_text().replace("jobs", name).replace("worker", f"workers-{name}"))
    answer = qsim("run", "small.yaml", "--metric", f"{name}.wait p95")
    assert answer.code == 0
    tables = [line for line in answer.lines if line.startswith((" queue", " orders-", " workers", " consumer"))]
    assert max(map(len, tables[:4])) <= 80


def test_prices_give_a_line_a_million_messages(qsim):
    answer = qsim("run", "polling-cost")
    # one send, one receive, one ack a message, at 0.40 a million calls
    assert " per million messages: 3,000,000 calls, 1.20 money" in answer.lines
    priced = ("--set", "cost={request: 0.0000004, consumer_hour: 0.01}")
    both = qsim("run", "polling-cost", *priced, "--metric", "worker.cost")
    # 3 consumers for a sixth of an hour, 1,200 messages: 0.005, 4.17 a million
    assert " per million messages: 3,000,000 calls, 5.37 money (queues 1.20, consumers 4.17)" in both.lines
    assert " worker.cost  0.005" in both.lines
    assert json.loads(qsim("run", "polling-cost", "--json").out)["metrics"]["jobs.cost total"] == 0.00144
    assert not [line for line in qsim("run", "small.yaml").lines if "per million" in line]


def test_what_is_small_has_no_exponent():
    from qsim.cli.screen import _said, half_said
    from qsim.study.intervals import Estimate

    assert half_said(Estimate(1.0, 9.4e-7), "worker.utilization mean") == "±<0.01 %"
    assert half_said(Estimate(1.0, 9.4e-4), "worker.utilization mean") == "±0.094 %"
    assert half_said(Estimate(1.0, 9.4e-6), "jobs.visible mean") == "±0.0000094"
    assert _said(4e-7, "money") == "0.0000004"


def test_a_drain_that_gives_up_is_advice(qsim):
    """Ten seconds of 40/s for consumers of 20/s leave 200: 2 s of drain are not enough, 20 s are."""
    slow = ("run", "small.yaml", "--set", "producers.api.rate=40/s", "--set", "expect=null", "--set")
    gave_up, drained = (qsim(*slow, f"run.drain={time}") for time in ("2s", "20s"))
    assert any(line.startswith(" advice A130") for line in gave_up.lines) and gave_up.code == 0
    assert not [line for line in drained.lines if "A130" in line]
    assert qsim(*slow, "run.drain=2s", "--strict").code == 2


PRECISE = "run.replications={metric: jobs.wait mean, within: 40%, min: 3, max: 60}"


def test_a_precision_says_how_many_it_took_and_whether_it_was_reached(qsim):
    told = json.loads(qsim("run", "returns.yaml", "--json", "--set", PRECISE).out)
    n, reached = told["replications"], told["precision"]
    low, high = told["intervals"]["jobs.visible at end"]
    assert 3 <= n < 60 and low < told["metrics"]["jobs.visible at end"] < high
    assert reached["reached"] and reached["metric"] == "jobs.wait mean" and reached["within"] <= 0.4
    answer = qsim("run", "returns.yaml", "--set", PRECISE)
    assert answer.lines[0].startswith(f"returns  {n} x 10m simulated")
    assert any(line.startswith(f" {n} replications: jobs.wait mean is known to ±") for line in answer.lines)
    # the same as if so many had been asked for
    assert qsim("run", "returns.yaml", "--replications", str(n)).lines[-1] == answer.lines[-1]
    assert f"digest {told['digest']}" == answer.lines[-1]


def test_a_precision_that_is_not_reached_is_inconclusive(qsim):
    few = ("run", "returns.yaml", "--set", "expect=null", "--set", PRECISE, "--set", "run.replications.max=3")
    answer = qsim(*few, "--set", "run.replications.within=1%")
    assert answer.code == 0
    [line] = [line for line in " ".join(answer.out.split()).split("digest") if "3 replications: " in line]
    assert "(1 % was asked for, at 95 % confidence); about " in line and " are needed" in line
    assert qsim(*few, "--set", "run.replications.within=1%", "--strict").code == 3
    none = qsim(*few, "--set", "run.replications.metric=jobs-dlq.wait max", "--set", "producers.api.message=null")
    assert "cannot be told" in none.out
    assert qsim("run", "returns.yaml", "--set", PRECISE, "--replication", "2").lines[0].startswith("returns  10m")


def test_an_alert_that_fires_in_some_replications_says_in_how_many(qsim, here):
    (here / "deep.yaml").write_text(
        "qsim: 1\nname: deep\nrun: {duration: 1m, replications: 5}\nqueues: {jobs: {}}\n"
        "producers: {api: {to: jobs, rate: 9/s}}\n"
        "consumers: {worker: {from: jobs, count: 1, service: {exponential: {mean: 100ms}}}}\n"
        "alerts: {deep: {when: jobs.visible, above: 20, severity: page}}\n"
    )
    runs = [json.loads(qsim("run", "deep.yaml", "--replication", str(r), "--json").out) for r in range(1, 6)]
    fired = sum(run["metrics"]["deep.fired total"] > 0 for run in runs)
    assert 0 < fired < 5, "the scenario is one in which it sometimes fires"
    [line] = [line for line in qsim("run", "deep.yaml").lines if "alert deep" in line]
    assert line.endswith(f"times on average, in {fired} of 5 replications")
    assert "first at " in next(
        line for line in qsim("run", "deep.yaml", "--replication", "1").lines if "alert deep" in line
    )


def test_a_warm_up_that_runs_find_is_shown(qsim, here):
    auto = ("run", "returns.yaml", "--set", "run.warmup=auto", "--set", "expect=null")
    told = json.loads(qsim(*auto, "--json").out)
    [seconds], [metric] = told["warmup"]["seconds"], told["warmup"]["metric"]
    assert metric == "jobs.depth" and 0 < seconds <= 300 and seconds % 5 == 0
    assert any(line.startswith(" warm-up: ") and "MSER-5 of jobs.depth" in line for line in qsim(*auto).lines)
    # what is cut is not counted
    by_hand = json.loads(qsim(*auto, "--set", f"run.warmup={seconds:.0f}s", "--json").out)
    assert by_hand["metrics"] == told["metrics"] and "warmup" not in by_hand
    in_python = load(here / "returns.yaml").set({"run.warmup": "auto", "expect": None}).run().json()
    assert in_python | {"wall_s": told["wall_s"]} == told
    several = json.loads(qsim(*auto, "--replications", "2", "--json").out)
    assert len(several["warmup"]["seconds"]) == 2 and several["warmup"]["seconds"][0] == seconds


def test_replications_are_not_kept(qsim, monkeypatch):
    """What is shown is asked as each run ends; then its rows go."""
    import weakref

    from qsim.study import tasks

    runs: list[weakref.ref] = []
    alive: list[int] = []
    perform = tasks.perform

    def watched(task, ask, progress=None):
        def and_remember(numbers):
            runs.append(weakref.ref(numbers.recording))
            alive.append(sum(run() is not None for run in runs))
            return ask(numbers)

        return perform(task, and_remember, progress)

    monkeypatch.setattr(tasks, "perform", watched)
    assert qsim("run", "returns.yaml", "--replications", "4", "--out", "kept", "--csv", "kept.csv").code == 1
    assert len(alive) == 4 and max(alive) <= 2
