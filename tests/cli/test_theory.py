"""``qsim theory``: a line a model, read with units, and what is wrong said in one line."""

from __future__ import annotations

import json

import pytest

from qsim.theory.models import MODELS, UNITS

MMC = ("mmc", "--rate", "720/s", "--service", "10ms", "--consumers", "8")
EXAMPLES = {
    "mm1": ["--rate", "0.8/s", "--service", "1s"],
    "mmc": [*MMC[1:]],
    "mm1k": ["--rate", "3/s", "--service", "1s", "--places", "5"],
    "mmck": ["--rate", "1/m", "--service", "6m", "--consumers", "3", "--places", "7"],
    "md1": ["--rate", "0.8/s", "--service", "1s"],
    "mg1": ["--rate", "0.8/s", "--service", "{erlang: {mean: 1s, k: 4}}"],
    "mginf": ["--rate", "100k/h", "--service", "90m"],
    "ggc": ["--rate", "8/s", "--service", "1s", "--consumers", "10", "--scv", "0.5", "--arrival-scv", "0"],
    "mmcn": ["--clients", "10", "--think", "1s", "--service", "200ms"],
    "erlang-b": ["--rate", "4.461/s", "--service", "1s", "--consumers", "10"],
    "erlang-c": ["--rate", "8/s", "--service", "1s", "--consumers", "10"],
    "priorities": ["--rate", "0.2/h", "--rate", "0.6/h", "--rate", "1.2/h", "--service", "20m"],
    "feedback": ["--rate", "1/s", "--service", "600ms", "--errors", "20%"],
    "leases": ["--rate", "1/s", "--service", "{exponential: {mean: 10s}}", "--lease", "20s", "--receives", "3"],
    "little": ["--rate", "10/s", "--time", "3s"],
}


def told(qsim, model, *more):
    answer = qsim("theory", model, *EXAMPLES[model], "--json", *more)
    assert answer.code == 0, answer.err
    return json.loads(answer.out)


def test_the_line_of_the_manual(qsim):
    answer = qsim("theory", *MMC)
    assert answer.code == 0 and answer.err == ""
    assert answer.lines == [
        "rho 0.900   P(wait) 0.7015   wait 8.77ms   response 18.77ms   in system 13.51",
        "units: in system (messages)",
        "source: A. K. Erlang (1917)",
    ]


@pytest.mark.parametrize("model", MODELS)
def test_every_model_answers_within_80_columns_and_as_json(qsim, model):
    answer = qsim("theory", model, *EXAMPLES[model])
    assert answer.code == 0 and answer.lines and max(map(len, answer.lines)) <= 80
    assert answer.lines[-1] == f"source: {MODELS[model].source}"
    as_json = told(qsim, model)
    assert (as_json["model"], as_json["source"]) == (model, MODELS[model].source)
    answers = as_json.get("classes", [as_json])[0]
    assert set(as_json["units"]) == set(answers) - {"model", "units", "source"} and set(
        as_json["units"].values()
    ) <= set(UNITS.values())
    assert all((unit == "s") == key.endswith("_s") for key, unit in as_json["units"].items())


def test_the_list_has_every_model_with_its_keys(qsim):
    answer = qsim("theory")
    assert answer.code == 0 and max(map(len, answer.lines)) <= 80
    assert [line.split()[0] for line in answer.lines[::3]] == list(MODELS)
    assert [line.strip() for line in answer.lines[2::3]] == [model.source for model in MODELS.values()]
    assert "--rate --service --consumers [--share]" in answer.out
    listed = json.loads(qsim("theory", "--json").out)["models"]
    assert listed["mmck"]["needs"] == ["rate", "service", "consumers", "places"]
    assert listed["priorities"]["source"] == "A. Cobham, Operations Research 2 (1954)"


def test_numbers_that_can_be_worked_out(qsim):
    assert told(qsim, "mm1")["wait_s"] == pytest.approx(4)
    assert told(qsim, "mm1k")["lost"] == pytest.approx(3**5 * 2 / (3**6 - 1))
    assert told(qsim, "md1")["wait_s"] == pytest.approx(2)
    assert told(qsim, "mg1")["wait_s"] == pytest.approx(2 * 1.25)
    assert told(qsim, "mginf")["in_system"] == pytest.approx(150_000)
    assert told(qsim, "mmcn")["throughput"] == pytest.approx(10 / (told(qsim, "mmcn")["response_s"] + 1))
    assert told(qsim, "erlang-b")["lost"] == pytest.approx(0.01, rel=1e-3)
    assert told(qsim, "feedback")["in_system"] == pytest.approx(3)
    assert told(qsim, "little")["in_system"] == 30
    assert told(qsim, "leases")["late"] == pytest.approx(2.71828**-6, rel=1e-4)
    assert [round(each["wait_s"] / 3600, 3) for each in told(qsim, "priorities")["classes"]] == [0.238, 0.325, 0.909]


def test_a_long_job_of_a_mix_outlives_every_lease(qsim):
    mix = ["--rate", "30/min", "--service", "{mix: [{share: 95%, time: 5s}, {share: 5%, time: 10m}]}", "--lease", "30s"]
    found = json.loads(qsim("theory", "leases", *mix, "--receives", "5", "--json").out)
    assert found["outlive"] == pytest.approx(0.05) and found["late"] == pytest.approx(0.05)
    assert found["attempts"] == pytest.approx(0.95 + 0.05 * 5)
    assert found["busy"] == pytest.approx(0.5 * (0.95 * 5 + 0.05 * 5 * 600))
    assert "busy without end" in qsim("theory", "leases", *mix).out


def test_what_is_rare_is_not_nothing(qsim):
    answer = qsim("theory", "erlang-b", "--rate", "2/s", "--service", "1s", "--consumers", "12")
    assert answer.lines[0] == "load 2.00   lost 1.2e-06", "2^12/12! / e^2, nearly"
    assert answer.lines[1] == "units: load (erlang)"


def test_a_share_of_the_waits(qsim):
    assert "wait p95 27.71ms" not in qsim("theory", *MMC).out
    found = told(qsim, "mmc", "--share", "95%")
    assert found["quantile_s"] == pytest.approx(0.0330, abs=1e-4), "ln(0.7015/0.05) / 80"
    assert "wait p99.9 81.92ms" in qsim("theory", *MMC, "--share", "99.9%").out


def test_what_does_not_keep_up_waits_without_end(qsim):
    answer = qsim("theory", "mm1", "--rate", "2/s", "--service", "1s")
    assert answer.code == 0 and "rho 2.000" in answer.out and "wait without end" in answer.out
    assert json.loads(qsim("theory", "mm1", "--rate", "2/s", "--service", "1s", "--json").out)["wait_s"] is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["mmd"], "no model is called 'mmd'; did you mean 'mmc'?"),
        (
            ["mmc", "--rate", "720", "--service", "10ms", "--consumers", "8"],
            "--rate 720: a rate needs a time unit: write 720/s",
        ),
        (
            ["mmc", "--rate", "720/s", "--service", "10", "--consumers", "8"],
            "--service 10: a duration needs a unit: write 10s",
        ),
        (["mmc", "--rate", "720/s", "--service", "10ms"], "mmc needs --consumers"),
        (["mm1"], "mm1 needs --rate and --service"),
        (
            ["mm1", "--rate", "1/s", "--service", "1s", "--places", "3"],
            "mm1 takes no --places: it has --rate, --service, --share",
        ),
        (
            ["mm1", "--rate", "1/s", "--service", "{exponential: {mean: 1s}}"],
            "this model's services are given by their mean",
        ),
        (["mg1", "--rate", "1/s", "--service", "{exponental: {mean: 1s}}"], "unknown key 'exponental'"),
        (["mg1", "--rate", "1/s", "--service", "{pareto: {min: 1s, alpha: 1}}"], "it has no mean to reckon with"),
        (["mm1", "--rate", "0/s", "--service", "1s"], "--rate 0: it must be more than nothing"),
        (["mm1", "--rate", "1/s", "--service", "1s", "--share", "100%"], "--share 100%: a share below 100 %"),
        (
            ["mmck", "--rate", "1/s", "--service", "1s", "--consumers", "4", "--places", "3"],
            "those in service count too",
        ),
        (["mm1", "--rate", "1/s", "--rate", "2/s", "--service", "1s"], "mm1 has one --rate"),
        (
            ["erlang-b", "--rate", "1/s", "--service", "1s", "--consumers", "1000000000"],
            "a whole number from 1 to 100,000",
        ),
        (["--rate", "1/s"], "which model?"),
    ],
)
def test_what_is_wrong_is_one_line(qsim, arguments, said):
    answer = qsim("theory", *arguments)
    assert answer.code == 2 and answer.out == ""
    assert said in answer.err and len(answer.lines) == 0 and answer.err.count("\n") == 1


def test_what_a_formula_refuses_is_one_line_too(qsim, monkeypatch):
    from dataclasses import replace

    from qsim import theory

    wrong = replace(
        MODELS["mm1"], tell=lambda rate, service, share: [{"wait_s": theory.mm1(-rate, 1 / service).mean_wait}]
    )
    monkeypatch.setitem(MODELS, "mm1", wrong)
    answer = qsim("theory", "mm1", *EXAMPLES["mm1"])
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == "qsim: arrival_rate is -0.8: it must be a finite number, 0 or more\n"
