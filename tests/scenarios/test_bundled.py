"""Every bundled scenario: what it expects holds, and does not without its cause.

The files themselves and their ``breaks:``.  Variants are for ``qsim check --variants``.
"""

from __future__ import annotations

import re

import pytest

from qsim.api import Scenario
from qsim.claims.verdicts import verdicts
from qsim.cli.examples import examples
from qsim.scenario.files import bundled
from qsim.scenario.load import read
from qsim.scenario.problems import ScenarioError

NAMES = list(bundled())
FOLDER = bundled()["backlog-growth"].parent
LONG = ("black-friday",)
"""A million messages a run: one replication here, all of them in ``qsim check``."""


ONCE = ("black-friday", "visibility-timeout")
"""Their runs are long or many, and one tells as much: all of them are run by ``qsim check``, in CI."""


def judged(scenario: Scenario):
    count = 1 if scenario.plan.name in ONCE else scenario.plan.replications
    runs = [scenario.run(replication=r + 1).numbers for r in range(count)]
    return verdicts(scenario.plan, runs, explained=False)


def breaks():
    return [pytest.param(name, i, id=f"{name}-{i}") for name in NAMES for i in range(len(read(name).breaks))]


@pytest.mark.parametrize("name", NAMES)
def test_what_a_scenario_expects_holds(name):
    scenario = Scenario(read(name))
    assert scenario.plan.expect
    assert [verdict.lines() for verdict in judged(scenario) if verdict.is_met is not True] == []


@pytest.mark.parametrize("name, number", breaks())
def test_without_its_cause_an_expectation_fails(name, number):
    loaded = read(name)
    broken = Scenario(loaded.with_changes(loaded.breaks[number]))
    assert any(verdict.is_met is False for verdict in judged(broken)), loaded.breaks[number]


@pytest.mark.parametrize("name", NAMES)
def test_a_scenario_says_what_it_is(name):
    path, loaded = bundled()[name], read(name)
    up = "../" * len(path.parent.relative_to(FOLDER).parts) or "./"
    assert path.read_text(encoding="utf-8").startswith(f"# yaml-language-server: $schema={up}qsim-1.schema.json\n")
    assert loaded.plan.name == name == path.stem
    assert loaded.plan.title and len(loaded.plan.title) <= 70
    assert len(loaded.plan.description.split()) >= 20
    assert any(re.fullmatch(r"lesson-\d\d", tag) for tag in loaded.plan.tags)
    assert path.parent.name == "whatif" or {"seed", "theory"} & set(loaded.plan.tags)
    assert loaded.breaks


@pytest.mark.parametrize("name", NAMES)
def test_a_warning_is_said_in_the_file_and_no_other(name):
    """A warning of a bundled scenario is what the file is about, so it names it in a comment."""
    said = set(re.findall(r"\bA1\d\d\b", bundled()[name].read_text(encoding="utf-8")))
    assert {problem.code for problem in read(name).problems} == said


def test_every_file_has_a_name_of_its_own_and_is_bundled():
    assert sorted(bundled()) == sorted(path.stem for path in FOLDER.rglob("*.yaml"))
    assert {name for name, _, _ in examples()} == set(bundled())


@pytest.mark.parametrize("name", NAMES)
def test_variants_and_fails_in_name_each_other(name):
    loaded = read(name)
    named = {variant for expectation in loaded.plan.expect for variant in expectation.fails_in}
    assert named <= {"base", *loaded.variants}


def test_sqs_refuses_a_delay_of_an_hour():
    with pytest.raises(ScenarioError) as caught:
        read("email-in-an-hour", sets=["queues.mail.profile=sqs-standard"])
    [problem] = [problem for problem in caught.value.problems if problem.is_error]
    assert problem.code == "Q031"
    assert "SQS-2" in str(caught.value)


def test_the_index_of_sentences_leads_to_files():
    """scenarios/seed/README.md: a name is its file's, and every file of the folder is in it."""
    text = (FOLDER / "seed" / "README.md").read_text(encoding="utf-8")
    links = dict(re.findall(r"\[([a-z0-9-]+)\]\(([a-z0-9./-]+)\)", text))
    assert {name: (FOLDER / "seed" / link).resolve() for name, link in links.items()} == {
        name: bundled()[name] for name in links
    }
    assert {path.stem for path in (FOLDER / "seed").glob("*.yaml")} <= set(links)
