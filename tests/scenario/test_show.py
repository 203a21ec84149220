"""What show prints is the same scenario, with nothing hidden."""

import pytest

import qsim
from qsim.scenario.files import bundled
from qsim.scenario.load import read
from qsim.scenario.problems import ScenarioError
from qsim.scenario.show import show
from qsim.scenario.source import read_text

HEAD = "qsim: 1\nname: x\nrun: {duration: 10m}\n"
FIFO = (
    HEAD
    + """
queues: {orders: {profile: sqs-fifo, dlq: {queue: dead, max_receives: 3}}, dead: {profile: sqs-fifo}}
producers:
  shop: {to: orders, rate: 0.5/s, message: {group: {keys: 9}, poison: {first: 3}}, on_reject: {attempts: 3}}
consumers:
  worker:
    from: [orders, dead]
    service: {lognormal: {median: 10ms, p95: 1.5s}}
    guarantee: exactly-once
    retry: {first: 2s}
timeline:
  slow: {at: 1m, for: 2m, set: {consumers.worker.service: 1m, queues.orders.dlq: null}}
expect: [{little_law: {queue: orders}}, {in_order: {queue: orders}}, {no_message_lost: true}]
"""
)
PUSHED = (
    HEAD
    + """
description: "one line: with a colon"
title: "yes"
queues: {a: {priorities: [high, low], capacity: {messages: 5}}, b: {visibility_timeout: 90s}}
producers:
  p:
    to: a
    arrivals: {uniform: {min: 1ms, max: 2ms}}
    message: {priority: high, attributes: {"on": {"1": 0.3, "2": 0.7}}}
consumers:
  c: {from: a, service: 1ms, push: {}, heartbeat: {every: 1s}, guarantee: at-most-once}
  d: {from: b, service: 1s, heartbeat: {every: 1s}}
variants:
  pull: {consumers.c.push: null}
  pushed: {consumers.d.push: {prefetch: 3}}
  sqs: {queues.b.profile: sqs-standard}
  safe: {consumers.c.guarantee: exactly-once}
breaks:
  - {consumers.c.guarantee: at-least-once}
sweep:
  queues.b.profile: [ideal, sqs-standard]
  consumers.d.guarantee: [at-least-once, at-most-once]
"""
)
BUNDLED = bundled()
TEXTS = {"fifo": FIFO, "pushed": PUSHED}


def scenarios():
    return [(name, {"target": name}) for name in ("backlog-growth", "visibility-timeout", "poison-pill")] + [
        (name, {"text": text}) for name, text in TEXTS.items()
    ]


@pytest.mark.parametrize(("name", "given"), scenarios(), ids=lambda value: value if isinstance(value, str) else "")
def test_what_is_shown_gives_the_same_plan_in_every_variant(name, given):
    loaded = read(**given)
    shown = read(text=show(loaded))
    assert shown.plan == loaded.plan
    assert shown.variants == loaded.variants
    for variant in loaded.variants:
        try:
            expected = read(**given, variant=variant).plan
        except ScenarioError:
            assert "not supported yet" in show(loaded)
        else:
            assert read(text=show(loaded), variant=variant).plan == expected


@pytest.mark.parametrize("path", sorted(BUNDLED.values()), ids=lambda path: path.stem)
def test_every_bundled_scenario_is_shown_as_itself(path):
    loaded = read(path)
    assert read(text=show(loaded), file_name=str(path)).plan == loaded.plan


def test_showing_twice_changes_nothing():
    once = show(read("poison-pill"))
    assert read_text(show(read(text=once)), "").data == read_text(once, "").data


def lines(text):
    return [" ".join(line.split()) for line in show(read(text=text)).splitlines()]


def test_every_default_has_its_origin():
    shown = lines(FIFO)
    assert "visibility_timeout: 30s # profile sqs-fifo, SQS-10" in shown
    assert "dedup_window: 5m # profile sqs-fifo, SQS-6" in shown
    assert "send_limit: 300/s # profile sqs-fifo, SQS-35" in shown
    assert "wait: 0 # ours" in shown  # no SQS call spans queues
    assert "arrivals: poisson # format default" in shown
    assert "jitter: none # ours" in shown
    assert "# stop: 10m # when the run ends" in shown


def test_a_guarantee_is_spelt_out():
    shown = lines(FIFO)
    assert not any(line.startswith("guarantee:") for line in shown)
    assert "ack: after-success # guarantee exactly-once" in shown
    assert "idempotent: true # guarantee exactly-once" in shown
    assert "dedup: identity # guarantee exactly-once" in shown


def test_what_has_no_room_on_a_line_has_a_line_for_each_key():
    shown = qsim.load("black-friday").show("consumers", "alerts")
    assert "    autoscale:\n      policy: backlog-per-consumer\n" in shown and "    failures: {error: 0.2%, crash: 0.01%}" in shown
    assert max(map(len, shown.splitlines())) <= 100
