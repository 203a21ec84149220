"""Sliders: which steps they have, and that the newest question is answered, first in part, then whole."""

import threading

import pytest

from qsim import load
from qsim.lab import answers
from qsim.lab.answers import GivenUp, Newest, looks
from qsim.lab.settings import settings

pytest.importorskip("ipywidgets")
from qsim.lab import explore
from qsim.lab.sliders import OPEN

SMALL = """
qsim: 1
name: small
run: {duration: 1h}
queues:
  jobs: {profile: sqs-standard, visibility_timeout: 25s}
producers:
  api: {to: jobs, rate: 2/s, arrivals: regular}
consumers:
  worker: {from: jobs, count: 3, service: 1s}
"""


@pytest.fixture
def small():
    return load(text=SMALL)


def one(scenario, path, values):
    [setting] = settings(scenario, {path: values})
    return setting


def shown(explorer):
    return explorer.state.value, explorer.picture.value


# --- settings ---------------------------------------------------------------------------------------------------------


def test_two_numbers_are_the_ends_of_a_range_that_starts_where_the_scenario_stands(small):
    setting = one(small, "consumers.worker.count", (1, 20))
    assert (setting.values, setting.start) == (range(1, 21), 3)


def test_durations_go_through_what_people_write_and_through_what_stands_there(small):
    setting = one(small, "queues.jobs.visibility_timeout", ("5s", "2m"))
    assert setting.values == ["5s", "7s", "10s", "15s", "20s", "25s", "30s", "45s", "1m", "2m"]
    assert setting.start == "25s"


def test_rates_and_shares_go_in_even_steps(small):
    rates = one(small, "producers.api.rate", ("0/s", "10/s"))
    shares = one(small, "consumers.worker.failures.error", ("0%", "10%"))
    assert (rates.values[:3], rates.values[-1], rates.start) == (["0", "30/m", "1/s"], "10/s", "2/s")
    assert (shares.values[:3], shares.values[-1], shares.start) == (["0%", "0.5%", "1%"], "10%", "0%")


def test_choices_and_switches(small):
    profiles = one(small, "queues.jobs.profile", ["ideal", "sqs-standard"])
    assert (profiles.start, profiles.is_ordered, profiles.is_switch) == ("sqs-standard", False, False)
    assert one(small, "queues.jobs.broker.fifo", bool).is_switch


@pytest.mark.parametrize("values", ["5s", 3, [], ("5s", 3), ("many", "few")])
def test_what_is_no_range_is_told(small, values):
    with pytest.raises(ValueError, match=r"consumers\.worker\.count"):
        settings(small, {"consumers.worker.count": values})


# --- answers ----------------------------------------------------------------------------------------------------------


def test_a_short_run_is_told_once_and_whole(small, monkeypatch):
    monkeypatch.setattr(answers, "FIRST_LOOK", 60)
    told = []
    looks(small, lambda: True, told.append)
    assert [run.recording.stopped for run in told] == [None]


def test_a_long_run_is_told_in_part_and_then_whole_with_the_same_rows(small, monkeypatch):
    monkeypatch.setattr(answers, "FIRST_LOOK", 0)
    told = []
    looks(small.set("producers.api.rate", "50/s"), lambda: True, told.append)
    first, whole = told
    assert (first.recording.stopped, whole.recording.stopped) == ("interrupted", None)
    begin = first.recording.rows()
    assert 0 < len(begin) < len(whole.recording.rows())
    assert (begin == whole.recording.rows()[: len(begin)]).all()


def test_a_run_that_nobody_wants_any_more_ends_itself(small):
    with pytest.raises(GivenUp):
        looks(small.set("producers.api.rate", "50/s"), lambda: False, lambda run: pytest.fail("told"))


def test_of_what_is_asked_while_one_is_at_work_only_the_newest_is_answered():
    begun, answered, go = threading.Event(), [], threading.Event()

    def answer(question, is_wanted):
        begun.set()
        go.wait(20)
        if not is_wanted():
            raise GivenUp
        answered.append(question)

    newest = Newest(answer)
    newest.ask(1)
    assert begun.wait(20)
    for question in (2, 3, 4):
        newest.ask(question)
    go.set()
    assert newest.wait(20)
    assert answered == [4]


# --- shown ------------------------------------------------------------------------------------------------------------


def test_a_slider_changes_plot_and_numbers(small):
    explorer = explore(small, {"consumers.worker.count": (1, 20)}, show=["jobs.visible"], numbers=["jobs.visible at end"])
    assert explorer.wait(60)
    before = shown(explorer)
    assert "the whole run, 1h" in before[0] and "<svg" in before[1]
    explorer.controls["consumers.worker.count"].value = 1
    assert explorer.wait(60)
    assert explorer.run["jobs.visible at end"] == 3600  # 2/s come, 1/s goes, and the last is being worked on
    assert "<td>3,600</td>" in explorer.picture.value and explorer.picture.value != before[1]
    explorer.controls["consumers.worker.count"].value = 3
    assert shown(explorer) == before  # at once: it is known
    explorer.close()


def test_what_is_not_whole_yet_says_so_and_what_is_old_is_grey(small, monkeypatch):
    monkeypatch.setattr(answers, "FIRST_LOOK", 0)
    scenario = small.set("producers.api.rate", "20/s")
    explorer = explore(scenario, {"consumers.worker.count": (20, 40)}, show="jobs.visible")
    said = []
    explorer.state.observe(lambda change: said.append(change.new), "value")
    assert explorer.wait(60)
    explorer.controls["consumers.worker.count"].value = 30
    is_old = "qsim-old" in explorer.plot._dom_classes
    assert explorer.wait(60)
    assert is_old and "qsim-old" not in explorer.plot._dom_classes
    assert "last result" in said[-3]
    assert "first " in said[-2] and " of 1h" in said[-2]
    assert "the whole run" in said[-1]


def test_a_setting_that_cannot_be_is_told_beside_its_slider(small):
    explorer = explore(small, {"queues.jobs.visibility_timeout": ("10s", "20h"), "consumers.worker.count": (1, 3)})
    assert explorer.wait(60)
    picture = explorer.picture.value
    explorer.controls["queues.jobs.visibility_timeout"].value = "20h"
    assert explorer.wait(60)
    assert "above the limit of 12h" in explorer.wrong["queues.jobs.visibility_timeout"].value
    assert explorer.wrong["consumers.worker.count"].value == ""
    assert explorer.picture.value == picture and "qsim-old" in explorer.plot._dom_classes
    explorer.controls["queues.jobs.visibility_timeout"].value = "10s"
    assert explorer.wrong["queues.jobs.visibility_timeout"].value == ""


def test_a_misspelt_reference_is_told_at_once(small):
    with pytest.raises(KeyError, match="jobs"):
        explore(small, {"consumers.worker.count": (1, 3)}, show="job.visible")


def test_a_cell_that_is_run_again_closes_what_it_made(small, monkeypatch):
    monkeypatch.setattr("qsim.lab.sliders._cell", lambda: "a cell")
    first = explore(small, {"consumers.worker.count": (1, 3)})
    second = explore(small, {"consumers.worker.count": (1, 3)})
    assert first.comm is None and OPEN.pop("a cell") is second
    assert first.wait(60) and second.wait(60)


def test_the_caller_is_not_held_up(small):
    explorer = explore(small.set("producers.api.rate", "1000/s"), {"consumers.worker.count": (1, 3)})
    explorer.controls["consumers.worker.count"].value = 2
    assert explorer.run is None and not explorer.wait(0)  # millions of messages: both still go on
    explorer.close()
    assert explorer.wait(60)
