"""Live values are those that the journal tells afterwards: every metric that may be watched, at many moments."""

from math import isnan

import pytest

from qsim.metrics.numbers import Numbers
from qsim.scenario.reference import PER_MESSAGE, WATCHED, parse, type_of
from qsim.sim import simulate as engine
from qsim.sim.alarm import Alarm
from qsim.sim.live import follow, is_series
from qsim.units import SECOND
from tests.sim.runs import run

WINDOW = 10 * SECOND
EVERY = 7 * SECOND

EVENTFUL = """
queues:
  q:
    visibility_timeout: 4s
    dlq: {queue: dead, max_receives: 3}
    capacity: {messages: 30, when_full: reject}
    imperfections: {lose_send: 5%, lose_reply: 5%, lose_ack: 8%, duplicate_delivery: 5%}
  dead: {retention: 30s}
  r: {profile: sqs-standard, visibility_timeout: 5s, delay: 2s, capacity: {messages: 12, when_full: drop-oldest}}
  replies: {}
  t: {}
topics: {news: {subscriptions: [{queue: t, only: {kind: [x]}}, {queue: r, only: {kind: [x, y]}}]}}
producers:
  p: {to: q, rate: 6/s, on_reject: {attempts: 3, backoff: fixed, first: 1s}, timeout: 2s, message: {poison: 4%}}
  s: {to: r, rate: 2/s, count: 2}
  ask: {to: q, rate: 1/s, request_reply: {reply_to: replies, timeout: 3s}}
  n: {to: news, rate: 1/s, message: {attributes: {kind: {x: 40%, y: 20%, z: 40%}}}}
dependencies: {db: {capacity: 3, service: {exponential: {mean: 300ms}}, queue_limit: 2, timeout: 2s}}
consumers:
  c:
    from: q
    count: 6
    service: {exponential: {mean: 700ms}}
    uses: db
    emits: [{to: replies}]
    failures: {error: 10%, crash: 3%, restart_after: 4s}
    autoscale: {policy: steps, steps: [{above: 5, add: 2}], min: 3, max: 12, every: 10s, scale_down_after: 20s, startup: 3s, graceful: false}
  d: {from: r, count: 2, concurrency: 2, poll: {wait: 1s}, service: {uniform: {min: 1s, max: 7s}}}
  e: {from: t, service: {exponential: {mean: 900ms}}}
timeline:
  back: {at: 60s, redrive: {from: dead, to: q, rate: 5/s}}
  off: {at: 80s, for: 20s, set: {consumers.d.count: 0}}
  clean: {at: 100s, purge: r}
"""
OBJECTS = {
    "queue": ("q", "dead", "r", "replies", "t"), "topic": ("news",), "producer": ("p", "s", "ask", "n"), "consumer": ("c", "d", "e"),
    "dependency": ("db",),
}  # fmt: skip
REFERENCES = [
    f"{name}.{metric}" + (" p95" if type_of(parse(f"{name}.{metric} p95")) == PER_MESSAGE else "")
    for kind, names in OBJECTS.items() for name in names for metric in WATCHED[kind]
]  # fmt: skip


@pytest.fixture(scope="module")
def seen():
    """[(when, {reference: live value})], and the numbers of the same run."""
    looks, appoint = [], engine.appoint_autoscalers

    def spy(world, crews, chunks):
        appoint(world, crews, chunks)
        reads = {text: follow(world, crews, chunks, parse(text), WINDOW) for text in REFERENCES}

        def look(_event):
            looks.append((world.now, {text: read() for text, read in reads.items()}))
            alarm.at(world.now + EVERY)

        alarm = Alarm(world.env, 1 << 40, look)  # after all else
        alarm.at(2 * EVERY)  # a rate over the last 10 s needs 10 s

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "appoint_autoscalers", spy)
        recording = run(EVENTFUL, seconds=200, quick=False).recording
    return looks, Numbers(recording)


def told(numbers, text, time):
    """What the journal says of the same moment, or of (time - WINDOW, time]."""
    if is_series(parse(text)):
        return numbers.exact(f"{text} at {time}ns")
    return numbers.exact(f"{text} from {time - WINDOW + 1}ns to {time + 1}ns")


@pytest.mark.parametrize("text", REFERENCES)
def test_what_is_live_is_what_the_journal_tells(seen, text):
    looks, numbers = seen
    assert len(looks) > 20
    for time, live in looks:
        value, expected = live[text], told(numbers, text, time)
        expected = None if expected is None or isnan(expected) else expected
        assert (None if value is None or isnan(value) else value) == (expected if expected is None else pytest.approx(expected)), time


def test_the_run_is_eventful_enough(seen):
    # a metric that stays 0 compares nothing; these cannot be anything else here
    looks, _ = seen
    quiet = {text for text in REFERENCES if not any(live[text] for _, live in looks)}
    assert {text.partition(".")[2].partition(" ")[0] for text in quiet} >= {"deferred"}
    rarely = {metric for kind in WATCHED for metric in WATCHED[kind] if all(
        f"{name}.{metric}" in quiet or f"{name}.{metric} p95" in quiet for name in OBJECTS[kind])}  # fmt: skip
    assert rarely == {"deferred", "duplicates_suppressed", "vanished"}


def test_an_alert_follows_idle_slots_while_work_waits():
    # two slots, one message at a time in a group: the other slot idles while the next of the group waits
    rows = run("""
        queues: {q: {profile: sqs-fifo}}
        producers: {p: {to: q, rate: 1/s, arrivals: regular, limit: 3, message: {group: {keys: 1}}}}
        consumers: {c: {from: q, count: 2, service: 4s}}
        alerts: {idle: {when: c.idle_while_work_waits, above: 40%}}
    """, seconds=20)  # fmt: skip
    assert rows.times("FIRED")[0] == 1 and rows.times("CLEARED")
