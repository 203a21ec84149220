"""Replay: which results agree, what is told of a difference, and what a trace may ask for."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from qsim.trace.conform import conform, data, exit_code, report
from qsim.trace.load import TraceError, load, nanos, parse
from qsim.trace.replay import Outcome, agree, replay

DONE = {"ok": True}
QUEUE = {"q": {"type": "standard", "visibility": 30}}


def trace(*steps, queues=QUEUE, broker="sqs-standard", documented=(), name="story", **config):
    """A trace of (t, actor, op, args, result)."""
    keys = ("t", "actor", "op", "args", "result")
    written = {
        "name": name,
        "broker": broker,
        "config": {"queues": queues, **config},
        "steps": [dict(zip(keys, step, strict=True)) for step in steps],
        "documented_results": list(documented),
    }
    return parse(json.dumps(written), "story.json")


def send(t, body="m1", result=DONE, **more):
    return (t, "producer", "send", {"queue": "q", "body": body, **more}, result)


def receive(t, *messages, actor="c1", **more):
    return (t, actor, "receive", {"queue": "q", "max": 1, **more}, {"messages": list(messages)})


def message(body, n, **more):
    return {"body": body, "handle": f"{body}#{n}", **more}


def step(t, op, result=DONE, actor="c1", **args):
    return (t, actor, op, args, result)


# --- what agrees ---------------------------------------------------------------------------------------------------


def test_what_a_recording_does_not_mention_is_not_compared():
    assert agree({"messages": [{"body": "a"}]}, {"messages": [{"body": "a", "count": 3}], "more": 1})
    assert not agree({"messages": [{"body": "a", "count": 2}]}, {"messages": [{"body": "a", "count": 3}]})
    assert not agree({"messages": [{"body": "a", "death": []}]}, {"messages": [{"body": "a"}]})


def test_messages_are_compared_in_order():
    ab, ba = [{"body": "a"}, {"body": "b"}], [{"body": "b"}, {"body": "a"}]
    assert not agree({"messages": ab}, {"messages": ba})
    assert not agree({"messages": ab}, {"messages": ab[:1]})


def test_over_several_groups_the_order_inside_each_group_counts():
    a1, a2, b1 = ({"body": body, "group": body[0]} for body in ("A1", "A2", "B1"))
    assert agree({"messages": [a1, b1, a2]}, {"messages": [a1, a2, b1]}, any_group_first=True)
    assert not agree({"messages": [a1, b1, a2]}, {"messages": [a2, a1, b1]}, any_group_first=True)
    assert not agree({"messages": [a1, b1, a2]}, {"messages": [a1, a2, b1]})


@pytest.mark.parametrize(("seen", "is_same"), [(1.4, True), (1.5, True), (2.0, True), (2.01, False), (0.9, False)])
def test_the_time_of_a_return_agrees_within_half_a_second(seen, is_same):
    assert agree({"returned_at_about": Decimal("1.5")}, {"returned_at_about": seen}) is is_same


def test_an_error_is_no_success():
    assert not agree({"ok": True}, {"error": "X"})
    assert not agree({"error": "X"}, {"error": "Y"})
    assert not agree({"error": "X"}, {"ok": True})


# --- what is told ---------------------------------------------------------------------------------------------------


def test_the_first_difference_is_named_with_its_step():
    verdict = replay(trace(send(0), receive(0.2, message("m1", 1, count=2)), receive(0.4, message("m9", 1))))
    assert str(verdict) == (
        'differs story step 1: expected {"messages": [{"body": "m1", "handle": "m1#1", "count": 2}]} '
        'got {"messages": [{"body": "m1", "handle": "m1#1", "count": 1}]}'
    )


def test_what_is_documented_wins_over_what_was_recorded():
    steps = send(0), receive(0.2)
    assert replay(trace(*steps)).outcome is Outcome.DIFFERS
    documented = {"step": 1, "result": {"messages": [message("m1", 1)]}}
    assert replay(trace(*steps, documented=[documented])).outcome is Outcome.OK


def test_a_broker_without_a_profile_is_not_covered():
    assert str(replay(trace(send(0), broker="fax"))) == "not covered story: no profile for fax"


@pytest.mark.parametrize(
    ("story", "rule"),
    [
        (trace(step(0, "reap")), "operation 'reap' of sqs"),
        (trace(send(0, priority=1)), "operation 'send' of sqs with 'priority'"),
        (trace(send(0), queues={"q": {"overflow": "reject"}}), "queue setting 'overflow' of sqs"),
        (trace(send(0), queues={"q": {"type": "stream"}}), "queue type 'stream' of sqs"),
        (trace(send(0), exchanges={}), "config 'exchanges' of sqs"),
        (trace(send(0), topics={"t": [{"queue": "q", "filter": {"n": [{"prefix": "a"}]}}]}), "a filter that is more"),
    ],
)
def test_what_the_dialect_does_not_know_is_not_covered_and_named(story, rule):
    verdict = replay(story)
    assert verdict.outcome is Outcome.NOT_COVERED
    assert str(verdict).startswith(f"not covered story: {rule}")


def test_many_traces_are_a_line_each_and_a_sum(tmp_path):
    golden = Path(__file__).parent.parent / "golden" / "sqs"
    wrong = json.loads((golden / "delete_twice_ok.json").read_text())
    wrong["steps"][4]["result"]["ready"] = 1
    other = {**wrong, "name": "other", "broker": "fax"}
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "wrong.json").write_text(json.dumps(wrong))
    (tmp_path / "a" / "other.json").write_text(json.dumps(other))
    (tmp_path / "a" / "_unstable.json").write_text("[]")
    verdicts = conform([golden / "delete_twice_ok.json", tmp_path])
    one, none = (f'{{"ready": {n}, "in_flight": 0, "delayed": 0}}' for n in (1, 0))
    assert report(verdicts).splitlines() == [
        "ok delete_twice_ok",
        "not covered other: no profile for fax",
        f"differs delete_twice_ok step 4: expected {one} got {none}",
        "1 ok, 1 differ, 1 not covered",
    ]
    assert exit_code(verdicts) == 1
    assert exit_code(verdicts[:2]) == 0
    told = json.loads(json.dumps(data(verdicts)))
    assert [each["verdict"] for each in told["traces"]] == ["ok", "not covered", "differs"]
    assert (told["ok"], told["differ"], told["not_covered"]) == (1, 1, 1)
    assert told["traces"][2]["step"] == 4


def test_the_decimals_of_a_file_are_numbers_for_machines():
    verdict = replay(
        trace(
            step(0, "receive", {"pending": "r1"}, queue="q", wait=2, call="r1"),
            step(3, "await", {"messages": [], "returned_at_about": 1.0}, call="r1"),
        )
    )
    assert 'expected {"messages": [], "returned_at_about": 1.0} got {"messages": [], "returned_at_about": 2.0}' in str(verdict)
    assert json.loads(json.dumps(data([verdict])))["traces"][0]["expected"]["returned_at_about"] == 1.0


# --- the clock and the handles --------------------------------------------------------------------------------------


def test_seconds_become_whole_nanoseconds_exactly():
    assert nanos(Decimal("0.1")) + nanos(Decimal("0.2")) == nanos(Decimal("0.3")) == 300_000_000
    with pytest.raises(ValueError, match="finer"):
        nanos(Decimal("0.0000000001"))


def test_a_handle_counts_the_deliveries_of_a_body_over_all_queues_and_actors():
    fan_out = {"t": [{"queue": "a"}, {"queue": "b"}]}
    story = trace(
        step(0, "publish", topic="t", body="m"),
        step(0.2, "receive", {"messages": [message("m", 1)]}, actor="c1", queue="b"),
        step(0.4, "receive", {"messages": [message("m", 2)]}, actor="c2", queue="a"),
        step(0.6, "ack", handle="m#2"),
        step(0.8, "depth", {"ready": 0, "in_flight": 0, "delayed": 0}, queue="a"),
        queues={"a": {}, "b": {}},
        topics=fan_out,
    )
    assert str(replay(story)) == "ok story"


def test_a_receive_in_the_background_gets_its_handle_when_it_is_awaited():
    story = trace(
        step(0, "receive", {"pending": "r1"}, actor="c1", queue="q", wait=9, call="r1", visibility=1),
        send(0.5),
        receive(2, message("m1", 1, count=2), actor="c2"),
        step(2.5, "await", {"messages": [message("m1", 2, count=1)], "returned_at_about": 0.5}, call="r1"),
    )
    assert str(replay(story)) == "ok story"


def test_awaiting_a_call_that_still_waits_lets_time_pass():
    story = trace(
        send(0, delay=3),
        step(0.5, "receive", {"pending": "r1"}, queue="q", wait=9, call="r1"),
        step(1, "await", {"messages": [message("m1", 1)], "returned_at_about": 3.0}, call="r1"),
        step(3.5, "depth", {"in_flight": 1}, queue="q"),
    )
    assert str(replay(story)) == "ok story"


def test_a_crash_ends_the_calls_of_its_actor_and_nothing_else():
    story = trace(  # SQS-33
        send(0),
        receive(0.2, message("m1", 1)),
        step(0.4, "receive", {"pending": "r1"}, queue="q", wait=9, call="r1"),
        step(0.6, "crash"),
        send(0.8, "m2"),
        step(1.0, "depth", {"ready": 1, "in_flight": 1}, queue="q"),
        step(1.2, "await", {"messages": []}, call="r1"),
        step(1.4, "ack", handle="m1#1"),
    )
    assert str(replay(story)) == "ok story"


def test_a_redrive_goes_back_to_the_source():
    story = trace(  # SQS-28, SQS-29: counted anew, as a new message
        send(0),
        receive(0.2, message("m1", 1)),
        step(0.4, "nack", handle="m1#1"),
        receive(0.6),
        step(0.8, "redrive", dlq="dlq", actor="admin"),
        receive(1.0, message("m1", 2, count=1)),
        queues={"dlq": {}, "q": {"max_receive": 1, "dlq": "dlq"}},
    )
    assert str(replay(story)) == "ok story"


def test_a_deleted_queue_is_no_more():
    gone = {"error": "NonExistentQueue"}
    story = trace(send(0), step(0.2, "delete", queue="q"), send(0.4, result=gone), step(0.6, "depth", gone, queue="q"))
    assert str(replay(story)) == "ok story"


def test_a_second_purge_within_a_minute_is_refused():
    story = trace(  # SQS-32
        step(0, "purge", queue="q"),
        step(59, "purge", {"error": "PurgeQueueInProgress"}, queue="q"),
        step(60, "purge", queue="q"),
    )
    assert str(replay(story)) == "ok story"


@pytest.mark.parametrize(
    ("size", "result"), [(1024, {"ok": True}), (1025, {"error": "InvalidParameterValue"})], ids=["fits", "too-large"]
)
def test_size_counts_bytes(size, result):
    story = trace(send(0, "m" * (size - 2) + "é", result), queues={"q": {"max_size": 1024}})
    assert str(replay(story)) == "ok story"


def test_a_batch_shares_a_mebibyte():
    entries = [{"id": name, "body": "x" * 700_000} for name in "ab"]  # SQS-4
    story = trace(step(0, "send_batch", {"error": "BatchRequestTooLong"}, queue="q", entries=entries))
    assert str(replay(story)) == "ok story"


# --- malformed files ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "is not JSON"),
        ("[]", "is no trace"),
        ('{"name": "x"}', "'broker' is missing"),
        ('{"name": "x", "broker": "b", "config": {}, "steps": []}', "has no steps"),
        ('{"name": "x", "broker": "b", "config": {"queues": []}, "steps": [{}]}', "'queues' must map names"),
        ('{"name": "x", "broker": "b", "config": {}, "steps": [{"t": NaN}]}', "NaN is no number"),
    ],
)
def test_a_malformed_file_is_named_with_what_is_wrong(text, problem):
    with pytest.raises(TraceError, match=r"bad\.json: ") as caught:
        parse(text, "bad.json")
    assert problem in str(caught.value)


def test_all_problems_are_told_at_once_each_with_its_step():
    steps = [
        {"t": 1, "actor": "c1", "op": "ack", "args": {}, "result": {}},
        {"t": 0.5, "actor": "c1", "args": [], "result": {}},
        "ack",
        {"t": True, "actor": "c1", "op": "ack", "args": {}, "result": {}},
    ]
    documented = [{"step": 9, "result": {}}]
    text = {"name": "x", "broker": "b", "config": {}, "steps": steps, "documented_results": documented}
    with pytest.raises(TraceError) as caught:
        parse(json.dumps(text), "bad.json")
    assert caught.value.problems == (
        "bad.json: step 1: 'op' is missing",
        "bad.json: step 1: 'args' must be a map",
        "bad.json: step 1: is at 0.5 s, before the one before it",
        "bad.json: step 2: must be a map",
        "bad.json: step 3: 't' must be a time in seconds",
        "bad.json: documented_results: there is no step 9",
    )


@pytest.mark.parametrize(
    ("story", "problem"),
    [
        (trace(send(0), step(1, "ack")), "step 1: ack needs 'handle'"),
        (trace(send(0), step(1, "receive", queue="p")), "step 1: no queue is called 'p'; there are: q"),
        (trace(step(0, "await", call="r1")), "step 0: no call 'r1' was begun"),
        (trace(step(0, "publish", topic="t", body="m")), "step 0: no topic is called 't'"),
        (trace(step(0, "send", queue="q")), "step 0: send needs 'body' or 'bodies'"),
        (trace(send(0, delay="soon")), "step 0: "),
        (trace(send(0), queues={"q": {"dlq": "p"}}), "config: no queue is called 'p'"),
        (trace(send(0), queues={"q": {"visibility": "long"}}), "config: "),
    ],
)
def test_a_trace_that_asks_for_what_cannot_be_is_an_error_with_its_step(story, problem):
    with pytest.raises(TraceError) as caught:
        replay(story)
    assert str(caught.value).startswith(f"story.json: {problem}")


def test_unreadable_files_are_reported_together(tmp_path):
    (tmp_path / "a.json").write_text("{")
    (tmp_path / "b.json").write_bytes(b"\xff")
    with pytest.raises(TraceError) as caught:
        conform([tmp_path])
    assert len(caught.value.problems) == 2
    with pytest.raises(TraceError, match="cannot be read"):
        load(tmp_path / "nowhere.json")
    (tmp_path / "empty").mkdir()
    with pytest.raises(TraceError, match="no trace in this folder"):
        conform([tmp_path / "empty"])
