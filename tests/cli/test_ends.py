"""How a command ends where the run did not: out of memory, a loop, a message too many or too few."""

from __future__ import annotations

import json

import pytest

from qsim.cli.ends import Exit, worst


def test_the_worst_of_several():
    assert worst([Exit.OK, Exit.INCONCLUSIVE, Exit.FAILED]) == 1
    assert worst([Exit.FAILED, Exit.WRONG]) == 2
    assert worst([Exit.WRONG, Exit.STOPPED]) == 4
    assert worst([]) == 0


def test_a_run_that_loses_a_message_is_exit_4_and_marked(qsim, monkeypatch: pytest.MonkeyPatch):
    broken = {"holds": False, "queues": {}, "producers": {}, "problems": ["jobs: 5 came, but 3 left and 1 are there"]}
    monkeypatch.setattr("qsim.api.Run.conservation", lambda run: broken)
    answer = qsim("run", "small.yaml")
    assert answer.code == 4
    assert answer.lines[1].startswith("NOT CONSERVED  jobs: 5 came, but 3 left and 1 are there")
    machine = qsim("run", "small.yaml", "--json")
    assert machine.code == 4 and json.loads(machine.out)["conservation"]["holds"] is False
    assert qsim("check", "small.yaml").code == 4


def _raises(error: Exception):
    def simulate(*_, **__):
        raise error

    return simulate


def test_no_memory_at_all_is_exit_4(qsim, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("qsim.sim.simulate.simulate", _raises(MemoryError()))
    answer = qsim("run", "small.yaml")
    assert answer.code == 4 and answer.err.startswith("qsim: out of memory")


def test_an_endless_instant_is_a_wrong_file(qsim, monkeypatch: pytest.MonkeyPatch):
    from qsim.sim.simulate import EndlessInstant

    monkeypatch.setattr("qsim.sim.simulate.simulate", _raises(EndlessInstant("at 5s consumer 'worker' goes on")))
    answer = qsim("run", "small.yaml")
    assert answer.code == 2 and answer.err == "at 5s consumer 'worker' goes on\n"


def test_one_bug_does_not_stop_a_check(qsim, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("qsim.sim.simulate.simulate", _raises(KeyError("oops")))
    answer = qsim("check", "small.yaml", "returns.yaml", "--junit", "report.xml")
    assert answer.code == 4
    assert [line.split()[0] for line in answer.lines] == ["STOPPED", "STOPPED"]
    assert answer.err.count("a bug of ours") == 2
