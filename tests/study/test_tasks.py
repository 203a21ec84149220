"""Runs as tasks: the same answers, in order, whoever works them out."""

import gc
import os
import signal
from dataclasses import replace

import pytest

from qsim.cli.ends import Exit, of_error
from qsim.scenario.load import read
from qsim.study import tasks
from qsim.study.tasks import Task, WorkerLost, as_they_finish, execute, one_by_one, processes

SCENARIO = """
qsim: 1
name: short
run: {duration: 20s}
queues: {q: {}}
producers: {p: {to: q, rate: 5/s}}
consumers: {c: {from: q, service: {exponential: {mean: 150ms}}}}
"""
PLAN = read(text=SCENARIO).plan

LONG = read(text=SCENARIO.replace("20s", "1h")).plan
"""Long enough to be asked how far it is."""


def sent(numbers):
    return numbers.recording.rows().shape[0], numbers.recording.replication


def without_time(answers):
    return [replace(answer, wall_s=0.0) for answer in answers]


def test_what_many_runs_leave_behind_is_collected_although_a_command_put_it_off():
    gc.disable()
    try:
        list(execute([Task(PLAN, 1), Task(PLAN, 2)], sent))
        assert gc.isenabled()
    finally:
        gc.enable()


def test_the_answers_are_those_of_one_process_in_order(monkeypatch):
    wanted = [Task(PLAN, r) for r in range(1, 6)]
    here = without_time(answer for _, answer in one_by_one(wanted, sent))
    assert [answer.told[1] for answer in here] == [1, 2, 3, 4, 5]
    assert len({answer.digest for answer in here}) == 5
    monkeypatch.setattr(tasks, "WORTH_A_POOL_S", 0.0)
    assert without_time(execute(wanted, sent, jobs=2)) == here


def test_short_work_starts_no_pool(monkeypatch):
    monkeypatch.setattr(tasks, "processes", lambda jobs: 1 / 0)
    assert len(list(execute([Task(PLAN, r) for r in (1, 2)], sent, jobs=2))) == 2


def test_an_executor_that_is_given_is_used_for_all_but_the_first():
    seen = []

    def watching(rest, ask):
        seen.extend(task.replication for task in rest)
        return one_by_one(rest, ask)

    assert len(list(execute([Task(PLAN, r) for r in (1, 2, 3)], sent, executor=watching))) == 3
    assert seen == [2, 3]


def test_processes_say_whose_answer_it_is():
    wanted = [Task(PLAN, r) for r in (3, 1, 2)]
    assert {which: answer.replication for which, answer in processes(2)(wanted, sent)} == {0: 3, 1: 1, 2: 2}


def test_what_is_early_waits_for_its_turn():
    def backwards(rest, ask):
        return reversed(list(one_by_one(rest, ask)))

    wanted = [Task(PLAN, r) for r in (1, 2, 3, 4)]
    assert [answer.replication for answer in execute(wanted, sent, executor=backwards)] == [1, 2, 3, 4]
    assert [which for which, _ in as_they_finish(wanted, sent, executor=backwards)] == [0, 3, 2, 1]


def killed(numbers):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_that_is_killed_is_told():
    with pytest.raises(WorkerLost, match="fewer --jobs need less"):
        list(processes(2)([Task(PLAN, r) for r in (1, 2)], killed))
    assert of_error(WorkerLost("why")) == ("qsim: why", Exit.STOPPED)
    assert len(list(processes(2)([Task(PLAN, r) for r in (1, 2)], sent))) == 2  # the next one has a pool of its own


def test_the_others_begin_beside_a_first_that_takes_long(monkeypatch):
    monkeypatch.setattr(tasks, "WORTH_A_POOL_S", 0.0)
    wanted, order = [Task(LONG, r) for r in (1, 2, 3)], []

    def here(jobs):
        def execute(rest, ask):
            order.append("others begun")
            return (finished for finished in one_by_one(rest, ask))

        return execute

    monkeypatch.setattr(tasks, "processes", here)
    real = tasks.perform

    def performed(task, ask, progress=None):
        answer = real(task, ask, progress)
        order.append(f"{task.replication} done")
        return answer

    monkeypatch.setattr(tasks, "perform", performed)
    assert [answer.replication for answer in execute(wanted, sent, jobs=2)] == [1, 2, 3]
    assert order == ["others begun", "1 done", "2 done", "3 done"]
