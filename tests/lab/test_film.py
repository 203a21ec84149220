"""What an animation is told of a run: exact for small runs, and a window and a sample of large ones."""

import json

import pytest

from qsim import load
from qsim.lab import film as film_module
from qsim.lab import watch
from qsim.lab.film import film
from qsim.lab.watching import page

TOO_SHORT = """
qsim: 1
name: too-short
run: {duration: 1m}
queues:
  jobs: {profile: sqs-standard, visibility_timeout: 5s, dlq: {queue: jobs-dlq, max_receives: 2}}
  jobs-dlq: {profile: sqs-standard}
producers:
  api: {to: jobs, rate: 1/s, arrivals: regular, stop: 1s, message: {poison: POISON}}
consumers:
  worker: {from: jobs, count: 2, service: 8s, failures: {on_error: wait-for-timeout}}
"""
MANY = """
qsim: 1
name: many
run: {duration: 10m}
queues:
  jobs: {profile: ideal}
  other: {profile: ideal}
producers:
  api: {to: jobs, rate: 20/s, arrivals: regular}
  web: {to: other, rate: 1/s, arrivals: regular}
consumers:
  worker: {from: jobs, count: 30, service: 1s}
  clerk: {from: other, count: 1, service: 4s}
"""


def run_of(text, **sets):
    return load(text=text).set(sets).run() if sets else load(text=text).run()


@pytest.fixture(scope="module")
def too_short():
    return run_of(TOO_SHORT.replace("POISON", "0%"))


@pytest.fixture(scope="module")
def many():
    return run_of(MANY)


# --- small: every move ------------------------------------------------------------------------------------------------


def test_each_move_of_a_message_whose_lease_is_too_short(too_short):
    told = film(too_short.numbers)
    [message] = told["messages"]
    assert message["moves"] == [
        [0.0, "sent", 0],
        [0.0, "ready", 0],
        [0.0, "leased", [0, 0], 5.0, 0.0],
        [5.0, "ready", 0],
        [5.0, "leased", [0, 1], 10.0, 5.0],
        [10.0, "ready", 0],
        [10.0, "ready", 1],  # it may be received twice: dead-lettered
    ]
    assert message["effects"] == [8.0, 13.0] and message["received"][:2] == [0.0, 5.0]
    assert message["unleased"] == [[[0, 0], 5.0, 8.0], [[0, 1], 10.0, 13.0]]
    assert told["said"] == "showing the only message, from 0s to 1m 0s"


def test_the_story_is_the_one_that_trace_tells(too_short):
    [message] = film(too_short.numbers)["messages"]
    sentences = [" ".join(line.split(maxsplit=1)[1].split()) for line in too_short.story("api:0") if line.startswith("t=")]
    assert [text for _, text in message["story"]] == sentences


def test_poison_and_what_befell_it_are_marked():
    [message] = film(run_of(TOO_SHORT.replace("POISON", "{first: 1}")).numbers)["messages"]
    assert message["poison"] and message["effects"] == []
    assert [mark[:2] for mark in message["marks"]] == [[8.0, "error"], [13.0, "error"]]


def test_an_extended_lease_keeps_its_beginning():
    text = TOO_SHORT.replace("POISON", "0%").replace("service: 8s", "service: 8s, heartbeat: {every: 3s, extend_to: 5s}")
    [message] = film(run_of(text).numbers)["messages"]
    leased = [move for move in message["moves"] if move[1] == "leased"]
    assert leased == [
        [0.0, "leased", [0, 0], 5.0, 0.0], [3.0, "leased", [0, 0], 8.0, 0.0], [6.0, "leased", [0, 0], 11.0, 0.0],
    ]  # fmt: skip
    assert message["moves"][-1][:2] == [8.0, "acked"]


def test_a_message_in_two_groups_of_a_log_is_two_dots():
    run = load("redis-stream-claim").run()
    assert len(film(run.numbers)["messages"]) == len(film(run.numbers, most=1)["messages"])
    for dot in film(load("fan-out").run(until=10 * 10**9).numbers)["messages"]:
        queues = [move[2] for move in dot["moves"] if move[1] in ("ready", "delayed")]
        assert len(set(queues)) <= 1  # a copy stays in its queue


# --- large: a window and a sample -------------------------------------------------------------------------------------


def test_of_many_messages_a_sample_of_half_a_minute_is_shown_and_said(many):
    told = film(many.numbers)
    assert told["said"] == "showing 315 of 630 messages, evenly spaced, from 0s to 30s"
    assert (told["start"], told["end"], len(told["messages"])) == (0, 30, 315)
    assert max(move[0] for message in told["messages"] for move in message["moves"]) <= 30


def test_one_queue_and_a_window_of_it(many):
    told = film(many.numbers, "other", start="2m", length="10s")
    assert told["said"] == "showing all 101 messages from 2m 0s to 2m 10s"
    # One is sent a second, one taken every 4 s: of the 120 before, 29 are gone when it begins, and the 30th just then.
    assert {message["name"].split(":")[0] for message in told["messages"]} == {"web"}
    assert all(message["moves"][0][0] <= 120 for message in told["messages"] if int(message["name"][4:]) < 120)
    assert told["queues"][1]["visible"][0] == many["other.visible at 2m"]


def test_processes_beyond_what_is_drawn_are_counted(many):
    worker, clerk = film(many.numbers)["consumers"]
    assert (worker["processes"], worker["more"]) == (24, 6)
    assert (clerk["processes"], clerk["more"]) == (1, 0)


def test_fewer_messages_are_shown_where_they_have_more_to_tell_than_fits(many, monkeypatch):
    monkeypatch.setattr(film_module, "LETTERS", 60_000)
    told = film(many.numbers)
    assert len(json.dumps(told)) <= 60_000 and 0 < len(told["messages"]) < 315
    assert told["said"].startswith(f"showing {len(told['messages'])} of 630 messages")


def test_a_window_after_the_end_and_an_unknown_queue_are_told(many):
    with pytest.raises(ValueError, match="over at 10m"):
        film(many.numbers, start="11m")
    with pytest.raises(KeyError, match="jobs, other"):
        film(many.numbers, "job")


# --- shown ------------------------------------------------------------------------------------------------------------


def test_a_page_needs_no_network_and_no_name_ends_its_script(too_short, tmp_path):
    told = film(too_short.numbers) | {"title": "</script><b>"}
    text = page(told)
    assert text.count("</script>") == 2 and "&lt;/script&gt;" in text
    assert "http" not in text.replace("http://www.w3.org", "")
    saved = watch(too_short).save(tmp_path / "film.html")
    assert saved.read_text(encoding="utf-8") == page(film(too_short.numbers))


def test_a_notebook_shows_a_widget(too_short):
    pytest.importorskip("anywidget")
    shown = watch(too_short)._repr_mimebundle_()
    bundle = shown[0] if isinstance(shown, tuple) else shown
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert repr(watch(too_short)) == "<Film of too-short: showing the only message, from 0s to 1m 0s>"
