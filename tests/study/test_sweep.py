"""Sweeps: the same luck at every point, what is kept is not run again, and the same bytes whoever works it out."""

import json
from dataclasses import replace

import pandas as pd
import pytest

import qsim
from qsim.claims.asked import Asked, verdicts
from qsim.claims.verdicts import verdicts as judged_at_once
from qsim.metrics.numbers import Numbers
from qsim.scenario.grid import of_option, of_python, points
from qsim.scenario.load import read
from qsim.scenario.problems import ScenarioError
from qsim.sim.simulate import simulate
from qsim.study import sweep as study
from qsim.study import tasks
from qsim.study.intervals import estimate
from qsim.study.replicate import replicate
from qsim.study.store import Damaged, Store, key_of, words_of
from qsim.study.tasks import Answer, Task, perform

TEXT = """
qsim: 1
name: short
seed: 3
run: {duration: 60s}
queues: {jobs: {}}
producers: {api: {to: jobs, rate: 10/s}}
consumers: {worker: {from: jobs, count: 2, service: {exponential: {mean: 150ms}}}}
expect:
  - {that: jobs.wait p95, below: 1s}
  - {that: jobs.visible at end, at_most: 5, fails_in: [base]}
sweep: {consumers.worker.count: [1, 2, 4]}
"""
S = qsim.load(text=TEXT)
METRICS = ("jobs.wait p95", "worker.utilization mean", "api.sent total")


@pytest.fixture(scope="module")
def swept():
    return qsim.sweep(S, {"consumers.worker.count": [1, 2, 4]}, replications=3, metrics=METRICS)


def test_a_point_is_what_a_run_with_that_setting_is(swept):
    frame = swept.frame()
    assert list(frame.columns) == ["consumers.worker.count", "replication", "seed", *METRICS, "digest"]
    row = frame[(frame["consumers.worker.count"] == 4) & (frame.replication == 2)].iloc[0]
    run = S.set("consumers.worker.count", 4).run(replication=2)
    assert row.digest == run.digest
    assert [row[metric] for metric in METRICS] == [run[metric] for metric in METRICS]


def test_every_point_has_the_same_luck(swept):
    sent = swept.frame().groupby("replication")["api.sent total"]
    assert set(sent.nunique()) == {1} and sent.first().nunique() > 1


def test_means_and_intervals_are_in_a_second_table(swept):
    table = swept.table()
    row = table[(table["consumers.worker.count"] == 1) & (table.metric == "jobs.wait p95")].iloc[0]
    waits = swept.frame().query("`consumers.worker.count` == 1")["jobs.wait p95"].tolist()
    found = estimate(waits)
    assert (row["mean"], row.low, row.high, row.replications) == (found.mean, *found.interval, 3)
    assert len(table) == 9


def test_without_a_grid_it_is_the_file_s_and_what_the_file_expects():
    found = qsim.sweep(S)
    assert [point.settings for point in found.points] == [(1,), (2,), (4,)]
    assert found.metrics == ("jobs.wait p95", "jobs.visible at end")
    assert pd.isna(found.table().low).all()


def test_who_sweeps_the_seed_has_it_once():
    frame = qsim.sweep(S, {"seed": [7, 8]}, metrics=["api.sent total"]).frame()
    assert list(frame.columns) == ["seed", "replication", "api.sent total", "digest"]
    assert frame.digest[0] == S.run(seed=7).digest


def test_what_is_wrong_is_told_before_the_first_run(monkeypatch):
    monkeypatch.setattr(tasks, "perform", lambda *given: pytest.fail("it ran"))
    with pytest.raises(KeyError, match="did you mean 'wait'"):
        qsim.sweep(S, {"consumers.worker.count": [1]}, metrics=["jobs.wiat p95"])
    with pytest.raises(ScenarioError, match=r"over consumers.worker.count=-1"):
        qsim.sweep(S, {"consumers.worker.count": [1, 2, -1]})


def test_points_that_nothing_beats(swept):
    front = swept.pareto("jobs.wait p95", "worker.utilization mean")
    assert list(front["consumers.worker.count"]) == [4]
    front = swept.pareto("jobs.wait p95", "max:worker.utilization mean")
    assert list(front["consumers.worker.count"]) == [4, 2, 1]
    with pytest.raises(KeyError, match=r"'jobs.wait p50' was not asked for"):
        swept.pareto("jobs.wait p50", "jobs.wait p95")


def made(*pairs):
    answers = [(Answer(1, 1, "", None, {"metrics": list(pair)}, 0.0),) for pair in pairs]
    return study.Sweep(("n",), ("a", "b"), tuple(study.Point((i,), S.plan) for i in range(len(pairs))), tuple(answers))


def test_the_front_of_numbers_that_were_chosen():
    assert made((1, 5), (2, 5), (2, 3), (3, 4), (9, 1), (None, 0)).front("a", "b") == [0, 2, 4]
    assert made((1, 5), (2, 5)).front("a", "b") == [0]
    assert made((1, 5), (1, 4), (1, 4)).front("a", "b") == [1, 2]
    assert made((1, 5), (2, 6), (2, 5)).front("a", "max:b") == [0, 1]
    assert made((None, None)).front("a", "b") == []


def test_a_trade_off_has_every_point_and_the_place_of_those_that_nothing_beats():
    table = made((9, 1), (1, 5), (3, 4), (3, 9), (None, 0)).trade_off("a", "b")
    assert list(table.columns) == ["n", "a", "b", "front"]
    assert [None if pd.isna(place) else place for place in table.front] == [2, 0, 1, None, None]
    with pytest.raises(KeyError, match="was not asked for"):
        made((1, 2)).trade_off("a", "c")


# --- verdicts ---------------------------------------------------------------------------------------------------------


EXPECTING = TEXT.split("expect:")[0] + """
expect:
  - no_message_lost: true
  - little_law: {queue: jobs, within: 9%}
  - stable: jobs
  - at_most_once: jobs
  - at_least_once: jobs
  - in_order: {queue: jobs}
  - {that: jobs.visible, grows_at: 1/s, within: 50%}
  - {that: jobs.wait p95, between: [0s, jobs.wait max]}
  - {that: worker.utilization mean, within: 5%, of: 0.75}
  - {that: jobs.wait p95 from 59s to 59.001s, below: 1s}
  - {that: api.sent total, is: 600}
"""


def test_what_is_kept_of_a_run_is_enough_to_judge_it():
    plan = read(text=EXPECTING).plan
    runs = [Numbers(simulate(plan, replication=r)) for r in (1, 2, 3)]
    answers = [Answer(1, 1, "", None, json.loads(json.dumps(Asked(())(run))), 0.0) for run in runs]
    assert verdicts(plan, answers) == judged_at_once(plan, runs, explained=False)
    assert len({verdict.verdict for verdict in verdicts(plan, answers)}) == 3


# --- kept, and not run again ------------------------------------------------------------------------------------------


def kept_in(folder, **more):
    return qsim.sweep(S, replications=2, store=folder, **more).frame().to_csv()


def files(folder):
    return sorted(folder.rglob("*.json"))


def counted(monkeypatch):
    """Which runs are made: their counts and replications."""
    seen = []

    def watching(task, ask, progress=None):
        seen.append((task.plan.consumers[0].count, task.replication))
        return perform(task, ask, progress)

    monkeypatch.setattr(tasks, "perform", watching)
    return seen


def test_what_was_kept_is_not_run_again(tmp_path, monkeypatch):
    ran = counted(monkeypatch)
    first = kept_in(tmp_path)
    assert len(ran) == len(files(tmp_path)) == 6
    assert kept_in(tmp_path, resume=True) == first and len(ran) == 6
    assert kept_in(tmp_path) == first and len(ran) == 12


def test_only_what_is_missing_or_damaged_is_run_again(tmp_path, monkeypatch):
    first = kept_in(tmp_path)
    store = Store(tmp_path, words_of(Asked(qsim.sweep(S).metrics)))
    gone, torn, flipped = (store.file(Task(S.set("consumers.worker.count", n).plan, r)) for n, r in ((1, 2), (2, 1), (4, 2)))
    gone.unlink()
    torn.write_bytes(torn.read_bytes()[:-20])
    flipped.write_bytes(flipped.read_bytes().replace(b"digest", b"dogest"))
    asked, told = asked_of_the_file(), []
    ran = counted(monkeypatch)
    found = study.sweep(*asked, study.How(store=store, resume=True, damaged=told.append))
    assert found.frame().to_csv() == first
    assert ran == [(1, 2), (2, 1), (4, 2)]
    assert told == [str(torn), str(flipped)]
    ran.clear()
    assert kept_in(tmp_path, resume=True) == first and not ran


def asked_of_the_file():
    from qsim.scenario.grid import of_file

    axes = of_file(S.loaded)
    metrics = qsim.sweep(S).metrics
    return [axis.path for axis in axes], points(S.loaded, axes), metrics, 2, Asked(metrics)


def test_what_decides_a_run_decides_where_it_is_kept(tmp_path):
    plan = S.plan
    same = [replace(plan, title="another", description="text", replications=9)]
    other = [S.set(path, value).plan for path, value in {
        "seed": 4, "consumers.worker.count": 3, "run.warmup": "1s", "queues.jobs.order": "lifo",
    }.items()]  # fmt: skip
    assert {key_of(each) for each in same} == {key_of(plan)}
    assert len({key_of(each) for each in [plan, *other]}) == 5
    store = Store(tmp_path, "one question")
    assert len({store.file(Task(plan, 1)), store.file(Task(plan, 2)), Store(tmp_path, "another").file(Task(plan, 1))}) == 3


def test_every_bundled_scenario_can_be_told_from_every_other():
    from qsim.scenario.files import bundled

    plans = [read(name).plan for name in list(bundled())[::7]]
    assert len({key_of(plan) for plan in plans}) == len(plans)


def test_an_interrupted_sweep_goes_on_where_it_stopped(tmp_path, monkeypatch):
    """Nothing that was done is lost, and the result is that of a sweep that nobody interrupted."""
    whole = kept_in(tmp_path / "whole")
    calls = counted(monkeypatch)

    def interrupting(done, of):
        if done == 4:
            raise KeyboardInterrupt

    asked = asked_of_the_file()
    store = Store(tmp_path / "part", words_of(asked[-1]))
    with pytest.raises(KeyboardInterrupt):
        study.sweep(*asked, study.How(store=store, seen=interrupting))
    assert len(files(tmp_path / "part")) == 4
    calls.clear()
    assert kept_in(tmp_path / "part", resume=True) == whole
    assert len(calls) == 2


def test_half_a_run_is_no_answer(tmp_path, monkeypatch):
    def halved(task, ask, progress=None):
        return replace(perform(task, ask), stopped="interrupted")

    monkeypatch.setattr(tasks, "perform", halved)
    with pytest.raises(KeyboardInterrupt):
        kept_in(tmp_path)
    assert files(tmp_path) == []


def test_several_processes_give_the_same_bytes(tmp_path, monkeypatch):
    one = kept_in(tmp_path / "one")
    monkeypatch.setattr(tasks, "WORTH_A_POOL_S", 0.0)
    assert kept_in(tmp_path / "two", jobs=2) == one
    assert len(files(tmp_path / "two")) == 6


# --- until each point is known ----------------------------------------------------------------------------------------


RULE = {"metric": "jobs.wait mean", "within": "25%", "min": 3, "max": 12}
PRECISE = S.set("run.replications", RULE)
COUNTS = {"consumers.worker.count": [2, 3, 5]}


def precise(**more):
    return qsim.sweep(PRECISE, COUNTS, metrics=["jobs.wait p95"], **more)


def test_every_point_runs_until_its_own_precision():
    """As many as ``replicate`` makes of that point alone: 5 workers hardly ever wait, and are known last."""
    found = precise()
    for n, count in zip(COUNTS["consumers.worker.count"], found.counts, strict=True):
        plan = PRECISE.set("consumers.worker.count", n).plan
        alone = list(replicate(Task(plan), plan.precision, waited, lambda told: told))
        assert [answer.digest for answer in alone] == list(found.frame().query(f"`consumers.worker.count` == {n}").digest)
        assert count == len(alone)
    assert len(set(found.counts)) > 1
    assert found.metrics == ("jobs.wait p95", "jobs.wait mean"), "what decides is told too"
    assert [found.known(i).is_reached or found.counts[i] == 12 for i in range(3)] == [True] * 3
    assert list(found.table().replications) == [n for n in found.counts for _ in found.metrics]


def waited(numbers):
    return numbers.value("jobs.wait mean")


def test_a_number_of_replications_is_stronger_than_a_precision():
    found = precise(replications=2)
    assert (found.counts, found.rules, found.metrics) == ([2, 2, 2], (), ("jobs.wait p95",))


def test_a_precision_is_the_same_and_keeps_the_same_whoever_works(tmp_path, monkeypatch):
    alone = precise(store=tmp_path / "one").frame().to_csv()
    monkeypatch.setattr(tasks, "WORTH_A_POOL_S", 0.0)
    assert precise(store=tmp_path / "two", jobs=2).frame().to_csv() == alone
    assert without_time(tmp_path / "two") == without_time(tmp_path / "one")


@pytest.mark.parametrize("stop_at", [1, 5, 10])
def test_a_precision_that_was_interrupted_runs_nothing_twice(tmp_path, monkeypatch, stop_at):
    whole, ran = precise(store=tmp_path / "whole").frame().to_csv(), counted(monkeypatch)

    def interrupting(done, of):
        if done == stop_at:
            raise KeyboardInterrupt

    axes = [of_python(path, values) for path, values in COUNTS.items()]
    asked = Asked(("jobs.wait p95", "jobs.wait mean"))
    store = Store(tmp_path / "part", words_of(asked))
    with pytest.raises(KeyboardInterrupt):
        study.sweep(list(COUNTS), points(PRECISE.loaded, axes), asked.metrics, None, asked, study.How(store=store, seen=interrupting))
    assert precise(store=tmp_path / "part", resume=True).frame().to_csv() == whole
    assert len(ran) == len(set(ran)) == len(files(tmp_path / "whole"))
    assert without_time(tmp_path / "part") == without_time(tmp_path / "whole")


def test_a_narrower_precision_goes_on_from_what_was_kept(tmp_path, monkeypatch):
    first, ran = precise(store=tmp_path), counted(monkeypatch)
    narrower = PRECISE.set("run.replications", RULE | {"within": "9%", "max": 20})
    more = qsim.sweep(narrower, COUNTS, metrics=["jobs.wait p95"], store=tmp_path, resume=True)
    assert sum(more.counts) > sum(first.counts)
    assert ran and not {(n, r) for n, count in zip((2, 3, 5), first.counts, strict=True) for r in range(1, count + 1)} & set(ran)


def without_time(folder):
    """By name what each file of a store says; how long it took is the only thing that another run says otherwise."""
    return {str(f.relative_to(folder)): json.loads(f.read_bytes().split(b"\n", 1)[1]) | {"wall_s": 0} for f in files(folder)}


@pytest.mark.parametrize("damage", [
    lambda text: b"", lambda text: text[:-1], lambda text: text[:40], lambda text: text + b" ",
    lambda text: bytes([text[0] ^ 1]) + text[1:], lambda text: text[:-9] + bytes([text[-9] ^ 16]) + text[-8:],
])  # fmt: skip
def test_no_damage_is_believed(tmp_path, monkeypatch, damage):
    first = kept_in(tmp_path)
    victim = files(tmp_path)[2]
    victim.write_bytes(damage(victim.read_bytes()))
    asked, told, ran = asked_of_the_file(), [], counted(monkeypatch)
    store = Store(tmp_path, words_of(asked[-1]))
    found = study.sweep(*asked, study.How(store=store, resume=True, damaged=told.append))
    assert (found.frame().to_csv(), told, len(ran)) == (first, [str(victim)], 1)


def test_the_answer_of_another_run_is_not_believed(tmp_path):
    """A whole file under a name that is not its own: of another scenario, or another replication."""
    kept_in(tmp_path)
    store = Store(tmp_path, words_of(asked_of_the_file()[-1]))
    one, other = (store.file(Task(S.set("consumers.worker.count", n).plan, 1)) for n in (1, 4))
    one.write_bytes(other.read_bytes())
    with pytest.raises(Damaged, match=one.name):
        store.get(Task(S.set("consumers.worker.count", 1).plan, 1))


def test_what_another_version_kept_is_not_used(tmp_path, monkeypatch):
    first, ran = kept_in(tmp_path), counted(monkeypatch)
    monkeypatch.setattr("qsim.study.store.code", lambda: "0.0.0 of another day")
    assert kept_in(tmp_path, resume=True) == first and len(ran) == 6


def test_processes_keep_the_same_files(tmp_path, monkeypatch):
    kept_in(tmp_path / "one")
    monkeypatch.setattr(tasks, "WORTH_A_POOL_S", 0.0)
    kept_in(tmp_path / "two", jobs=2)
    assert without_time(tmp_path / "two") == without_time(tmp_path / "one")


@pytest.mark.parametrize(("over", "said"), [
    ({"consumers.worker.count": "9..1"}, "the smaller number first, 1..9"),
    ({"consumers.worker.count": "1..9..0"}, "its step is 0"),
    ({"consumers.worker.service": "1ms..9ms"}, "of anything else list each value"),
    ({"consumers.worker.count": []}, "a sweep is a list of values"),
    ({"consumers.worker.count": 3}, "a sweep is a list of values"),
    ({"consumers.worker.count": range(10_000_000)}, "10,000,000 points; 10,000 are possible"),
    ({"seed": range(1000), "consumers.worker.count": range(100)}, "1,000 x 100 = 100,000 points"),
    ({"consumers.worker.cuont": [1]}, "did you mean 'count'"),
    ({"consumers.worker.count": ["a"]}, "'a' is not a count"),
    ({3: [1]}, "a path is a text"),
])  # fmt: skip
def test_a_bad_grid_is_told_in_python_too(monkeypatch, over, said):
    monkeypatch.setattr(tasks, "perform", lambda *given: pytest.fail("it ran"))
    with pytest.raises(ScenarioError, match=said):
        qsim.sweep(S, over)


def test_a_bad_count_is_told(monkeypatch):
    monkeypatch.setattr(tasks, "perform", lambda *given: pytest.fail("it ran"))
    for wrong in ({"replications": 0}, {"replications": "3"}, {"jobs": 0}, {"over": ["consumers.worker.count"]}):
        with pytest.raises(ValueError, match=r"a whole number, 1 or more|gives each path its values"):
            qsim.sweep(S, **wrong)


def test_files_that_are_named_like_a_range_are_none():
    assert of_option("producers.api.trace.file=../a.csv,../b.csv").plain() == ["../a.csv", "../b.csv"]
