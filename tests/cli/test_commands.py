"""Every other command: what it says, where, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

GOLDEN = Path(__file__).parents[1] / "golden" / "sqs"
BAD = Path(__file__).parents[1] / "scenario" / "bad"


# --- the command line itself ------------------------------------------------------------------------------------------


def test_help_lists_what_there_is(qsim):
    answer = qsim("--help")
    assert answer.code == 0
    for name in ("run", "validate", "show", "check", "trace", "examples", "new", "schema", "conform", "explain"):
        assert f"  {name} " in answer.out
    assert "upgrade" not in answer.out
    assert max(map(len, answer.lines)) <= 80
    assert "..." not in answer.out.replace("[ARGS]...", "")


@pytest.mark.parametrize(
    "name", ["run", "validate", "show", "check", "trace", "examples", "new", "schema", "conform", "compare", "diff"]
)
def test_every_command_has_a_help_of_eighty_columns(qsim, name):
    answer = qsim(name, "--help")
    assert answer.code == 0 and max(map(len, answer.lines)) <= 80


def test_no_command_is_a_question_for_help(qsim):
    assert qsim().out == qsim("--help").out


def test_version(qsim_apart):
    assert qsim_apart("--version").out.split()[0] == "qsim"


def test_the_exit_code_is_that_of_the_process(qsim_apart):
    assert [qsim_apart("run", f"{name}.yaml").code for name in ("small", "returns", "nowhere")] == [0, 1, 2]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("rnu", "x"), "qsim: no command is called 'rnu'; did you mean 'run'?"),
        (("upgrade", "x"), "qsim: upgrade is not supported yet"),
        (("run", "--sead", "3", "x"), "qsim run: there is no option --sead; did you mean --seed?"),
        (("run",), "qsim: which scenario? qsim run FILE, qsim run NAME (see `qsim examples`) or qsim run --tag TAG"),
        (("run", "small.yaml", "--seed", "x"), "qsim run: invalid value for '--seed'"),
        (("validate",), "qsim validate: missing argument 'FILE...'"),
        (("run", "small.yaml", "more"), "qsim run: got unexpected extra argument"),
        (("trace", "small.yaml"), "qsim: say what to trace: --message ID"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_2(qsim, arguments, said):
    answer = qsim(*arguments)
    assert answer.code == 2 and answer.out == ""
    assert answer.err.startswith(said)
    assert len(answer.err.splitlines()) == 1


# --- validate, show, schema, explain ----------------------------------------------------------------------------------


def test_validate_says_everything_on_stderr(qsim):
    answer = qsim("validate", str(BAD / "bad.yaml"))
    assert answer.code == 2 and answer.out == ""
    assert answer.err.endswith("5 errors\n")


def test_validate_several_files(qsim):
    answer = qsim("validate", "small.yaml", str(BAD / "bad2.yaml"), "returns.yaml")
    assert answer.code == 2
    assert answer.lines[0] == "small.yaml: ok"
    assert "error Q020" in answer.err


def test_validate_strict_counts_warnings(qsim):
    assert qsim("validate", "returns.yaml").code == 0
    assert qsim("validate", "returns.yaml", "--strict").code == 2


def test_show_prints_a_scenario_with_the_same_digest(qsim, here):
    (here / "shown.yaml").write_text(qsim("show", "returns.yaml").out)
    first, second = (json.loads(qsim("run", f"{name}.yaml", "--json").out) for name in ("returns", "shown"))
    assert first["digest"] == second["digest"]
    assert qsim("show", "small.yaml", "--set", "seed=9").out.count("seed: 9") == 1


def test_schema_is_json(qsim):
    assert "properties" in json.loads(qsim("schema").out)


def test_explain(qsim):
    answer = qsim("explain", "a101")
    assert answer.code == 0 and answer.lines[0] == "A101 (advice)" and "SQS-10" in answer.out
    wrong = qsim("explain", "Q01")
    assert wrong.code == 2 and "did you mean" in wrong.err


# --- examples, new ----------------------------------------------------------------------------------------------------


def test_examples_are_listed_with_their_lessons(qsim):
    answer = qsim("examples")
    [line] = [line for line in answer.lines if "backlog-growth" in line]
    assert line.split() == ["backlog-growth", "Producers", "outrun", "consumers", "lesson-01", "07"]
    assert len(answer.lines) > 3
    assert max(map(len, answer.lines)) <= 80


def test_examples_are_grouped_by_their_folders(qsim):
    lines = qsim("examples").lines
    order = ["urgent-first", "What is said of message queues", "own-pace", "What people ask about theirs", "w03-how-"]
    places = [next(i for i, line in enumerate(lines) if line.strip().startswith(start)) for start in order]
    assert places == sorted(places)


def test_new_writes_a_scenario_that_runs_green(qsim, here):
    assert qsim("new", "first").code == 0
    assert qsim("validate", "first.yaml", "--strict").code == 0
    checked = qsim("check", "first.yaml", "--variants")
    assert checked.code == 0 and len(checked.lines) == 2


def test_new_never_writes_over_a_file(qsim, here):
    (here / "mine.yaml").write_text("mine")
    answer = qsim("new", "mine")
    assert answer.code == 2 and "is there already" in answer.err
    assert (here / "mine.yaml").read_text() == "mine"


@pytest.mark.parametrize("name", ["../up", "Big", "a b", "a/b", ""])
def test_new_takes_only_names(qsim, here, name):
    before = sorted(here.iterdir())
    assert qsim("new", name).code == 2
    assert sorted(here.iterdir()) == before


# --- trace ------------------------------------------------------------------------------------------------------------


def test_a_message_that_came_back(qsim):
    answer = qsim("trace", "returns.yaml", "--message", "first-redelivered")
    assert answer.code == 0
    assert "received   worker-" in answer.out and "2nd of 3" in answer.out
    assert max(map(len, answer.lines)) <= 90


def test_what_lies_in_a_queue(qsim):
    answer = qsim("trace", "returns.yaml", "--queue", "jobs-dlq")
    assert answer.code == 0
    assert answer.lines[0].split() == ["message", "place", "since", "receives", "reason", "last", "error"]
    assert "max receives" in answer.out and "in jobs-dlq at the end" in answer.out
    assert "nothing lies in" in qsim("trace", "small.yaml", "--queue", "jobs", "--set", "run.drain=true").out


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--message", "nobody:3", "no producer is called 'nobody'"),
        ("--message", "first-lots", "or one of: first-redelivered"),
        ("--queue", "jbos", "did you mean 'jobs'?"),
    ],
)
def test_what_cannot_be_traced_is_told(qsim, option, value, said):
    answer = qsim("trace", "small.yaml", option, value)
    assert answer.code == 2 and said in answer.err and answer.out == ""


def test_nothing_to_trace_is_an_answer(qsim):
    answer = qsim("trace", "small.yaml", "--message", "first-lost")
    assert (answer.code, answer.out) == (0, "no message was lost in this run\n")


# --- check ------------------------------------------------------------------------------------------------------------


def test_check_is_a_line_a_file(qsim, here):
    answer = qsim("check", "small.yaml", "returns.yaml")
    assert answer.code == 1
    assert [line.split()[:2] for line in answer.lines] == [["ok", "small.yaml"], ["FAILED", "returns.yaml"]]
    assert "✗ worker.effects_per_message max" in answer.err


def test_check_takes_folders_and_variants(qsim, here):
    (here / "returns.yaml").unlink()
    answer = qsim("check", ".", "--variants")
    assert [line.split()[0] for line in answer.lines] == ["ok", "FAILED"]
    assert "small.yaml too-much" in answer.lines[1]


def test_check_ends_with_the_worst(qsim, here):
    (here / "bad.yaml").write_text("qsim: 1\n")
    assert qsim("check", "small.yaml", "bad.yaml").code == 2
    assert qsim("check", "returns.yaml", "bad.yaml").code == 2
    empty = here / "empty"
    empty.mkdir()
    assert qsim("check", "empty").code == 2


def test_check_takes_what_is_in_folders_within_folders(qsim, here):
    within = here / "seed" / "deeper"
    within.mkdir(parents=True)
    (here / "returns.yaml").rename(within / "returns.yaml")
    answer = qsim("check", ".")
    assert answer.code == 1
    assert [line.split()[:2] for line in answer.lines] == [["FAILED", "seed/deeper/returns.yaml"], ["ok", "small.yaml"]]


def test_a_variant_of_a_later_release_is_skipped(qsim, here):
    text = (
        (here / "small.yaml")
        .read_text()
        .replace(
            "too-much: {producers.api.rate: 40/s}",
            "later: {queues.jobs.profile: activemq-classic, queues.jobs.broker: {own_dlq: true}}",
        )
    )
    (here / "small.yaml").write_text(text)
    answer = qsim("check", "small.yaml", "--variants")
    assert answer.code == 0
    assert answer.lines[1].split()[:3] == ["skipped", "small.yaml", "later"]


def test_breaks_must_be_noticed(qsim, here):
    text = (here / "small.yaml").read_text()
    (here / "small.yaml").write_text(
        text + "breaks:\n  - {producers.api.rate: 20/s}\n  - {consumers.worker.count: 3}\n"
    )
    assert qsim("check", "small.yaml").code == 0
    answer = qsim("check", "small.yaml", "--mutate")
    assert answer.code == 1
    assert [line.split()[0] for line in answer.lines] == ["ok", "ok", "FAILED"]
    assert "caught by api.sent total" in answer.lines[1]
    assert "no expectation notices consumers.worker.count=3" in answer.lines[2]
    assert answer.err.splitlines()[-1] == "2 breaks, not noticed: small.yaml break 2"


def test_breaks_that_are_all_noticed_are_counted(qsim, here):
    (here / "small.yaml").write_text((here / "small.yaml").read_text() + "breaks: [{producers.api.rate: 20/s}]\n")
    answer = qsim("check", "small.yaml", "--mutate")
    assert answer.code == 0 and answer.err.splitlines()[-1] == "1 break, all noticed"
    assert "break" not in qsim("check", "small.yaml").err


def test_a_file_without_breaks_says_so(qsim, here):
    answer = qsim("check", "small.yaml", "--mutate")
    assert answer.code == 0 and answer.err.splitlines()[-1].startswith("no breaks tried")


def test_a_break_that_cannot_be_made_is_an_error_of_the_file(qsim, here):
    (here / "small.yaml").write_text((here / "small.yaml").read_text() + "breaks: [{producers.api.rte: 20/s}]\n")
    answer = qsim("check", "small.yaml", "--mutate")
    assert answer.code == 2 and "unknown key 'rte'" in answer.out


def test_junit_is_xml_with_a_case_an_expectation(qsim, here):
    qsim("check", "small.yaml", "returns.yaml", "--junit", "report.xml")
    root = ElementTree.parse(here / "report.xml").getroot()
    suites = {suite.get("name"): suite for suite in root.iter("testsuite")}
    assert suites["small.yaml"].get("tests") == "2" and suites["small.yaml"].get("failures") == "0"
    assert suites["returns.yaml"].get("failures") == "2"
    [first, _] = suites["returns.yaml"].iter("failure")
    assert "expected 1, got 3" in first.get("message", "")
    assert "qsim trace returns.yaml --message api:" in (first.text or "")


# --- conform ----------------------------------------------------------------------------------------------------------


def test_conform_is_a_line_a_trace_and_a_sum(qsim, here):
    answer = qsim("conform", str(GOLDEN))
    assert answer.code == 0
    assert answer.lines[-1] == f"{len(answer.lines) - 1} ok, 0 differ, 0 not covered"
    assert json.loads(qsim("conform", str(GOLDEN), "--json").out)["differ"] == 0


def test_a_trace_that_cannot_be_read_is_exit_2(qsim, here):
    (here / "x.json").write_text("{")
    answer = qsim("conform", "x.json")
    assert answer.code == 2 and answer.out == "" and "x.json" in answer.err
