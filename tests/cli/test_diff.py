"""``qsim diff``: two results that were kept."""

from __future__ import annotations

import json

import pytest


def kept(qsim, folder, *more):
    qsim("run", "small.yaml", "--out", folder, *more)
    return folder


def test_the_same_scenario_and_seed_are_the_same_result(qsim):
    answer = qsim("diff", kept(qsim, "a"), kept(qsim, "b"))
    assert (answer.code, answer.out) == (0, "the same numbers and verdicts\n")


def test_numbers_verdicts_and_the_setting_that_made_them_are_named(qsim):
    answer = qsim("diff", kept(qsim, "a"), kept(qsim, "b", "--set", "producers.api.rate=40/s"))
    words = [line.split() for line in answer.lines]
    assert answer.code == 1
    assert ["api.sent", "total", "100", "400"] in words
    assert ["api.sent", "total", "is", "100", "pass", "fail"] in words
    assert ["producers.api.rate", "10/s", "40/s"] in words
    assert max(map(len, answer.lines)) <= 80


def test_a_number_alone_is_a_difference(qsim):
    answer = qsim("diff", kept(qsim, "a"), kept(qsim, "b", "--set", "consumers.worker.count=3"))
    assert answer.code == 1 and "verdicts" not in answer.out
    assert ["worker.count", "at", "end", "2", "3"] in [line.split() for line in answer.lines]


def test_machines_get_all_of_it(qsim):
    told = json.loads(qsim("diff", kept(qsim, "a"), kept(qsim, "b", "--seed", "2"), "--json").out)
    assert told["settings"] == {"seed": [1, 2]} and told["verdicts"] == told["versions"] == {}
    # everything here is regular: other luck changes nothing
    assert told["same"] is True and told["metrics"] == {} and told["digest"] is True


def test_another_version_is_told_and_is_no_difference_by_itself(qsim, here):
    kept(qsim, "a"), kept(qsim, "b")
    run = here / "b" / "run.json"
    made = json.loads(run.read_text())
    made["versions"]["numpy"] = "99.0"
    run.write_text(json.dumps(made))
    answer = qsim("diff", "a", "b")
    assert answer.code == 0 and any(line.split()[0:1] == ["numpy"] and "99.0" in line for line in answer.lines)


def test_replications_are_compared_by_their_summaries(qsim):
    several = kept(qsim, "a", "--replications", "2")
    answer = qsim("diff", several, kept(qsim, "b"))
    assert ["replications", "2", "-"] in [line.split() for line in answer.lines]
    assert qsim("diff", several, several).code == 0


def test_by_other_events(qsim, here):
    kept(qsim, "a"), kept(qsim, "b")
    summary = here / "b" / "summary.json"
    summary.write_text(summary.read_text().replace('"digest": "', '"digest": "0'))
    assert qsim("diff", "a", "b").out == "the same numbers and verdicts, by other events: the digest differs\n"


def test_what_is_no_result_is_exit_2(qsim, here):
    kept(qsim, "a")
    assert qsim("diff", "a", "nowhere").code == 2
    assert "not JSON" in qsim("diff", "a", "small.yaml").err
    (here / "later.json").write_text('{"format": 2, "metrics": {}}')
    answer = qsim("diff", "later.json", "a")
    assert answer.code == 2 and "a result of format 2; this release reads format 1" in answer.err
    assert qsim("run", "small.yaml", "--against", "later.json").code == 2


@pytest.mark.parametrize(
    "more",
    [
        '"expectations": [1]',
        '"expectations": 3',
        '"intervals": {"x": 3}',
        '"intervals": {"x": ["a", 1]}',
        '"replications": "two"',
    ],
)
def test_what_is_damaged_is_said_and_no_bug_of_ours(qsim, here, more):
    kept(qsim, "a")
    (here / "odd.json").write_text('{"metrics": {}, ' + more + "}")
    for answer in (qsim("diff", "a", "odd.json"), qsim("run", "small.yaml", "--against", "odd.json")):
        assert answer.code == 2 and "odd.json: damaged" in answer.err


@pytest.mark.parametrize("run", ['{"versions": 3}', '{"document": []}', "[]"])
def test_a_damaged_run_beside_it_too(qsim, here, run):
    kept(qsim, "a"), kept(qsim, "b")
    (here / "b" / "run.json").write_text(run)
    answer = qsim("diff", "a", "b")
    assert answer.code == 2 and "run.json: damaged" in answer.err
