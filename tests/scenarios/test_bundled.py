"""Every bundled scenario: what it expects holds, and does not without its cause.

The files themselves and their ``breaks:``.  Variants are for ``qsim check --variants``.
"""

from __future__ import annotations

import re

import pytest

from qsim.api import Scenario
from qsim.claims.verdicts import verdicts
from qsim.scenario.files import bundled
from qsim.scenario.load import read
from qsim.scenario.problems import ScenarioError

MODELINE = "# yaml-language-server: $schema=./qsim-1.schema.json\n"

ADVICE = {
    "backlog-growth": {"A100"},
    "bounded-queue": {"A100"},
    "celery-eta": {"A105"},
    "poison-blocks-the-queue": {"A111"},
    "poison-costs-capacity": {"A111"},
    "prefetch": {"A104"},
    "service-bus-lock-lost": {"A103"},
    "ten-minute-job": {"A101"},
    "two-live-copies": {"A101"},
    "visibility-timeout": {"A101"},
}
"""Warnings that are what a file is about; the others have none."""

NAMES = [name for name, path in bundled().items() if path.parent.name in ("scenarios", "_scenarios")]


def judged(scenario: Scenario):
    runs = [scenario.run(replication=r + 1).numbers for r in range(scenario.plan.replications)]
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
    assert path.read_text(encoding="utf-8").startswith(MODELINE)
    assert loaded.plan.name == name == path.stem
    assert loaded.plan.title and len(loaded.plan.title) <= 70
    assert len(loaded.plan.description.split()) >= 20
    assert "seed" in loaded.plan.tags and any(re.fullmatch(r"lesson-\d\d", tag) for tag in loaded.plan.tags)
    assert loaded.breaks


@pytest.mark.parametrize("name", NAMES)
def test_a_warning_is_what_the_file_is_about(name):
    assert {problem.code for problem in read(name).problems} == ADVICE.get(name, set())


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
