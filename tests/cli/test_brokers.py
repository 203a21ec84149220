"""The comparison of brokers: it says what the profiles say, for each value by which rule, and within 80 columns."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from qsim.brokers import PROFILES, RULES, VERSIONS
from qsim.brokers import table as tables
from qsim.brokers.table import BESIDE, ROWS, WORDS, Cell, differing, others, profile_of, say, table
from qsim.kernel.profile import OnCrash
from qsim.scenario import meaning, model
from qsim.units import SECOND
from tests.cli.conftest import environment
from tests.cli.test_start import HEAVY


def words(capability: str, name: str) -> str:
    return table(name)[capability][name].words


def test_every_profile_of_the_format_has_a_column():
    assert set(tables.names()) == set(model.PROFILE_NAMES) == set(PROFILES)


def test_every_capability_has_words_for_every_profile_and_version():
    every = [*tables.names(), *(v for name in PROFILES for v in tables.versions(name))]
    assert all(cell.words.strip() for cells in table(*every).values() for cell in cells.values())


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_every_value_of_a_profile_is_told_once_with_its_rule(name):
    cited = [c for cells in table(name).values() for c in cells[name].cites if c.field] + list(others(name))
    assert sorted(c.field for c in cited) == sorted(RULES[name])
    for cite in cited:
        assert f"{cite.rule}: {cite.source}" == RULES[name][cite.field]
        assert cite.value == getattr(PROFILES[name], cite.field)
        assert say(cite.field, cite.value)


def test_what_stands_beside_the_profiles_names_profiles_and_rules():
    rows = {row.name for row in ROWS}
    for capability, facts in BESIDE.items():
        assert capability in rows
        for profiles, said, rule in facts:
            assert any(meaning.fnmatchcase(name, profiles) for name in PROFILES)
            assert said and ": " in rule


@pytest.mark.parametrize(
    ("capability", "key"), [("delay", "delay"), ("priority", "priorities"), ("dead-letters", "dlq.max_receives")]
)
def test_what_is_none_here_cannot_be_asked_for_in_a_scenario(capability, key):
    for name in PROFILES:
        nothing = words(capability, name).startswith(("none", "the application"))
        if nothing:
            assert not meaning.can_have(name, key) or name.startswith("rabbitmq"), name
        elif capability == "priority":
            assert meaning.can_have(name, key), name


def test_every_member_of_a_choice_has_a_word():
    for choice, named in WORDS.items():
        assert set(named) == set(choice)


# --- the words follow the values ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("capability", "name", "said"),
    [
        ("in flight", "sqs-standard", "a lease of 30s, at most 12h"),
        ("in flight", "azure-service-bus", "a lease of 1m, at most 5m"),
        ("heartbeat", "sqs-fifo", "a new timeout from now, at most 12h since the receive"),
        ("stale ack", "sqs-standard", "deletes it all the same; once received again it does nothing, and says nothing"),
        ("returned to", "rabbitmq-classic", "its place"),
        ("returned to", "rabbitmq-quorum@3.10", "the tail (with a delivery limit, or after a crash: the head)"),
        ("deliveries", "rabbitmq-classic", "endless"),
        ("deliveries", "rabbitmq-quorum", "21"),
        ("deliveries", "rabbitmq-quorum@3.10", "endless, unless a limit is set"),
        ("deliveries", "activemq-classic", "7: one, and 6 redeliveries 1s apart"),
        ("deliveries", "azure-service-bus", "10"),
        ("dead-letters", "sqs-standard", "lazily: at the receive that would be one too many"),
        ("crash", "redis-list", "lost"),
        ("crash", "redis-stream", "stays pending under its name"),
        ("takes", "sqs-standard", "pull: 1 to 10 a call, waits 20s"),
        ("takes", "rabbitmq-classic", "push: prefetch unlimited, or pull: 1 a call, does not wait"),
        ("takes", "activemq-classic", "push: prefetch 1,000"),
        ("dedup", "sqs-fifo", "an id is remembered for 5m"),
        ("retention", "sqs-standard", "4d (1m to 14d), also in flight"),
        ("throughput", "sqs-fifo", "300 sends, 300 receives, 300 deletes a second"),
    ],
)
def test_the_words(capability, name, said):
    assert words(capability, name) == said


def test_the_words_change_with_the_value(monkeypatch):
    changed = replace(PROFILES["sqs-standard"], visibility_timeout=45 * SECOND, on_crash=OnCrash.LOSES)
    monkeypatch.setitem(PROFILES, "sqs-standard", changed)
    assert words("in flight", "sqs-standard") == "a lease of 45s, at most 12h"
    assert words("crash", "sqs-standard") == "lost"


def test_a_version_is_a_profile_of_its_own():
    assert profile_of("rabbitmq-quorum@3.10") is VERSIONS["rabbitmq-quorum"]["3.10"]
    assert "deliveries" in differing("rabbitmq-quorum", "rabbitmq-quorum@3.10")


# --- the command --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [(), ("--diff", "sqs-standard", "redis-list"), *((name,) for name in PROFILES)])
def test_it_fits_into_eighty_columns(qsim, arguments):
    answer = qsim("brokers", *arguments)
    assert answer.code == 0 and answer.err == ""
    assert max(map(len, answer.lines)) <= 80


def test_all_profiles_stand_under_each_capability(qsim):
    lines = qsim("brokers").lines
    assert [line for line in lines if line in {row.name for row in ROWS}] == [row.name for row in ROWS]
    told = " ".join(lines)
    assert "sqs-*" in told and "rabbitmq-quorum" in told and "azure-service-bus" in told


def test_one_profile_tells_each_value_and_its_rule(qsim):
    answer = qsim("brokers", "sqs-standard")
    flat = " ".join(answer.out.split())
    assert "visibility_timeout: 30s SQS-10: 30 s from the moment SQS returns the message" in flat
    assert "tail_from: 3 SQS-12" in flat
    assert "NumberOfMessagesDeleted: deletes that succeeded" in flat


def test_a_difference_tells_only_what_differs(qsim):
    answer = qsim("brokers", "--diff", "sqs-standard", "sqs-fifo")
    assert "dedup" in answer.out and "none" in answer.out and "remembered for 5m" in answer.out
    assert "message size" not in answer.out and "crash" not in answer.out
    assert "do not differ" in qsim("brokers", "--diff", "ideal", "ideal").out


def test_json_has_words_values_and_rules_with_times_in_seconds(qsim):
    found = json.loads(qsim("brokers", "--json").out)["profiles"]
    assert list(found) == tables.names()
    lease = found["sqs-standard"]["in flight"]
    assert lease["words"] == "a lease of 30s, at most 12h"
    expected = {"field": "visibility_timeout", "value": 30.0, "rule": "SQS-10"}
    assert expected.items() <= lease["values"][0].items()
    assert found["sqs-fifo"]["stale ack"]["values"][0]["value"] == ["error", "error"]
    assert list(json.loads(qsim("brokers", "sqs-fifo", "--json").out)["profiles"]) == ["sqs-fifo"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("rabbitmq-quorm",), "did you mean 'rabbitmq-quorum'?"),
        (("--diff", "sqs-standard", "redis"), "there are: ideal"),
        (("--diff", "sqs-standard"), "two with --diff"),
        (("ideal", "redis-list"), "two with --diff"),
        (("rabbitmq-quorum@2",), "no profile is called"),
    ],
)
def test_a_wrong_command_line_is_told_and_ends_with_2(qsim, arguments, said):
    answer = qsim("brokers", *arguments)
    assert answer.code == 2 and answer.out == "" and said in answer.err


def test_it_needs_no_numpy(here):
    import subprocess
    import sys

    program = (
        "import sys\nfrom qsim.cli.app import run\n"
        "assert run(['brokers']) == run(['brokers', '--diff', 'ideal', 'redis-list']) == 0\n"
        f"sys.exit(str([name for name in {HEAVY} if name in sys.modules]).strip('[]'))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=here, env=environment(), capture_output=True, text=True)
    assert done.stderr.strip() == ""


def test_the_table_in_python():
    import qsim

    found = qsim.brokers_table()
    assert list(found.columns) == tables.names() and list(found.index) == [row.name for row in ROWS]
    assert found.loc["crash", "redis-list"] == "lost"


def test_cells_are_values():
    assert isinstance(table("ideal")["order"]["ideal"], Cell)
