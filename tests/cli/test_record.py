"""``qsim record``: a broker that is a list, and what is refused.  Real brokers are met in ``tests/live``."""

from __future__ import annotations

import json

import pytest

import qsim.record.files as files
from tests.record.toy import LIST

STEPS = {
    "name": "one",
    "broker": "redis-list",
    "config": {"queues": {"q": {"type": "list"}}},
    "steps": [
        {"t": 0, "actor": "p", "op": "send", "args": {"queue": "q", "body": "a"}},
        {"t": 0, "actor": "c", "op": "receive", "args": {"queue": "q"}},
    ],
}


@pytest.fixture
def record(qsim, here, monkeypatch):
    """``record(broker, steps)``: with the list as driver of every broker."""
    monkeypatch.setattr(files, "driver", lambda broker: LIST)

    def record(broker="redis", steps=STEPS):
        (here / "steps.json").write_text(json.dumps(steps))
        return qsim("record", "--broker", broker, "--steps", "steps.json", "--out", "trace.json")

    return record


def test_a_trace_is_written_and_conforms(record, qsim, here):
    answer = record()
    assert (answer.code, answer.lines) == (0, ["trace.json: 2 steps, a list 1.0"])
    assert json.loads((here / "trace.json").read_text())["steps"][1]["result"]["messages"][0]["handle"] == "a#1"
    assert qsim("conform", "trace.json").code == 0


def test_what_is_wrong_is_one_line(record):
    assert record("kafka").err == "qsim: no broker is called 'kafka'; there are sqs, rabbitmq, redis, activemq\n"
    assert (
        record(steps={**STEPS, "broker": "sqs-fifo"}).err
        == "qsim: steps.json is for sqs-fifo; redis records redis-list\n"
    )
    fly = {"t": 0, "actor": "c", "op": "fly", "args": {}}
    assert (
        record(steps={**STEPS, "steps": [fly]}).err == "qsim: steps.json: redis cannot record operation 'fly' of list\n"
    )


def test_nobody_there_is_one_line(record):
    answer = record(steps={**STEPS, "config": {"queues": {}, "refuse": True}})
    assert (answer.code, answer.err) == (2, "qsim: list at nowhere: nobody is here\n")


def test_a_client_that_is_missing_is_named(record, monkeypatch):
    def driver(broker):
        raise ModuleNotFoundError(name="pika")

    monkeypatch.setattr(files, "driver", driver)
    assert record().err == "qsim: pika is not installed: pip install 'qsim-lab[brokers]'\n"
