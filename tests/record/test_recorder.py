"""Recording, on a broker that is a list: times, handles, receives in the background, and what is a result.

Real brokers are met in ``tests/live``.
"""

from __future__ import annotations

import json
from time import monotonic

import pytest

from qsim.record.files import differences, load_steps, record_steps
from qsim.record.recorder import Recording, record
from qsim.record.session import NotRecorded
from qsim.trace.load import TraceError, parse
from qsim.trace.replay import Outcome, replay
from tests.record.toy import LIST

CONFIG = {"queues": {"q": {"type": "list"}}}


def steps(*rows):
    return [{"t": t, "actor": actor, "op": op, "args": args} for t, actor, op, args in rows]


def results(*rows):
    return [step["result"] for step in record(LIST, "nowhere", CONFIG, steps(*rows)).steps]


def test_a_handle_is_the_body_and_how_often_it_was_delivered():
    send, receive = (0, "p", "send", {"queue": "q", "body": "a"}), (0, "c", "receive", {"queue": "q"})
    told = results(send, receive, send, receive)
    assert [each["messages"] for each in told[1::2]] == [
        [{"body": "a", "handle": "a#1"}],
        [{"body": "a", "handle": "a#2"}],
    ]


def test_what_a_broker_refuses_and_what_it_did_not_deliver_are_results():
    told = results((0, "c", "purge", {"queue": "q"}), (0, "c", "ack", {"handle": "a#1"}))
    assert told == [{"error": "PermissionError"}, {"error": "NotDelivered"}]


def test_a_receive_in_the_background_is_reported_when_it_is_awaited():
    told = results(
        (0.0, "c", "receive", {"queue": "q", "wait": 2, "call": "one"}),
        (0.5, "p", "send", {"queue": "q", "body": "a"}),
        (0.6, "c", "await", {"call": "one"}),
    )
    assert told[0] == {"pending": "one"}
    assert told[2] == {"messages": [{"body": "a", "handle": "a#1"}], "returned_at_about": 0.5}


def test_a_step_waits_for_its_time_and_says_when_it_came_late():
    began = monotonic()
    made = record(LIST, "nowhere", CONFIG, steps((0.3, "c", "receive", {"queue": "q", "wait": 0.2}), (0.4, "c", "receive", {"queue": "q"})))
    assert monotonic() - began > 0.45
    assert 0.05 < made.late < 0.5


@pytest.mark.parametrize(
    ("op", "args", "gap"),
    [
        ("fly", {}, "operation 'fly' of list"),
        ("send", {"queue": "q", "body": "a", "colour": "red"}, "send with 'colour'"),
        ("ack", {}, "ack without 'handle'"),
        ("await", {"call": "none"}, "no call 'none' was begun"),
    ],
)
def test_what_a_driver_does_not_have_ends_the_recording(op, args, gap):
    with pytest.raises(NotRecorded, match=gap):
        results((0, "c", op, args))


def test_a_trace_comes_out_that_can_be_replayed():
    data = {"name": "one", "broker": "redis-list", "what_it_shows": "…", "config": CONFIG}
    data["steps"] = steps((0, "p", "send", {"queue": "q", "body": "a"}), (0.1, "c", "receive", {"queue": "q"}))
    trace, unstable = record_steps(LIST, "nowhere", data, times=2)
    assert (trace["version"], trace["recordings"], unstable) == ("a list 1.0", 2, [])
    assert replay(parse(json.dumps(trace), "one")).outcome is Outcome.OK


def test_recordings_that_do_not_agree_are_named_by_step():
    one, other = (Recording([{"result": {"ok": ok}}], "", {}, 0) for ok in (True, False))
    assert differences(one, other) == ['step 0: {"ok": true} and {"ok": false}']


def test_steps_need_no_results_and_what_is_documented_of_another_broker_is_dropped(tmp_path):
    path = tmp_path / "steps.json"
    whole = {"name": "one", "broker": "redis-list", "config": CONFIG, "documented_results": [{"step": 0, "result": {}}]}
    path.write_text(json.dumps({**whole, "steps": steps((0, "c", "receive", {"queue": "q"}))}))
    assert "documented_results" not in load_steps(path)
    path.write_text(json.dumps({**whole, "steps": [{"t": 0}]}))
    with pytest.raises(TraceError, match="step 0: 'actor' is missing"):
        load_steps(path)
