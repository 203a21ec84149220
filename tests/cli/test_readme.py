"""README keeps its word: its scenario runs, its trace is what qsim says, its Python works, its commands exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from qsim.cli.app import COMMANDS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def block(language: str) -> str:
    """The first fenced block of a language."""
    found = re.search(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def test_the_first_block_is_two_lines_that_set_up(qsim):
    run, test = block("sh").splitlines()
    assert run.startswith("python3 -m venv .venv && ") and run.endswith(".venv/bin/qsim run backlog-growth")
    assert test.startswith("python3 -m venv .venv && ") and "pytest" in test


def test_its_scenario_fails_as_it_says_and_the_heartbeat_mends_it(qsim, here):
    (here / "too-short.yaml").write_text(block("yaml"))
    assert qsim("validate", "too-short.yaml").code == 0
    assert qsim("run", "too-short.yaml").code == 1
    assert qsim("run", "too-short.yaml", "--variant", "heartbeat").code == 0


def test_its_trace_is_what_qsim_says(qsim, here):
    (here / "too-short.yaml").write_text(block("yaml"))
    command, *shown = block("console").splitlines()
    told = qsim(*command.split()[2:]).lines
    assert [line for line in shown if line != " ..." and line not in told] == []


def test_its_python_works(here, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(here)
    exec(compile(block("python"), "README.md", "exec"), {})


def test_every_command_is_in_its_table():
    told = set(re.findall(r"`qsim ([a-z]+)", README))
    assert set(COMMANDS) <= told
    assert told <= set(COMMANDS)


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_what_is_linked_is_there(name):
    text = (ROOT / name).read_text()
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_what_contributing_names_is_there():
    named = re.findall(
        r"`((?:kernel|brokers|scenario|sim|metrics|cli|tests|trace)/[a-z_/.]+)`", (ROOT / "CONTRIBUTING.md").read_text()
    )
    assert len(named) > 10
    missing = [
        path
        for path in named
        if not any((root / p).exists() for root in (ROOT, ROOT / "qsim") for p in (path, f"{path}.py"))
    ]
    assert [path for path in missing if path != "brokers/__init__"] == []


def test_what_it_says_of_advice_is_what_is_advised(qsim, here):
    (here / "too-short.yaml").write_text(block("yaml"))
    told = " ".join(qsim("advise", "too-short.yaml").out.split())
    assert "77.38 slots busy instead of 17.38; there are 40" in told
    assert "such leases keep 77 slots busy instead of 17, of the 40 that there are" in " ".join(README.split())


def test_with_its_prices_a_run_says_what_a_million_messages_cost(qsim, here):
    prices = re.search(r"`(cost: \{[^`]*\})`", README)
    assert prices is not None
    (here / "too-short.yaml").write_text(f"{block('yaml')}\n{prices[1]}\n")
    assert "per million messages" in qsim("run", "too-short.yaml").out


def test_what_it_begins_with_works(qsim, here):
    assert "`qsim new my-queue`" in README and "`qsim examples`" in README
    assert qsim("new", "my-queue").code == 0
    assert qsim("run", "my-queue.yaml").code == 0
    assert "backlog-growth" in qsim("examples").out
