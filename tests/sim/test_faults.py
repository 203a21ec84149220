"""Faults: what breaks, for how long, and what everybody makes of it (SCENARIO.md, timeline; queues: durability).

Stories first; then random faults, on every broker, at times that tie: whatever comes together, the books are in order.
"""

import json
import os
from random import Random

import pytest

from qsim.scenario import load
from qsim.scenario.meaning import SUPPORTED
from qsim.scenario.problems import ScenarioError
from tests.sim.invariants import every_one_holds
from tests.sim.runs import run

RETRY = "on_reject: {backoff: fixed, first: 1s, attempts: 9}, timeout: 1s"


def story(queue="", producer="limit: 6", consumer="service: 3s", event="at: 4s, restart: q, for: 3s", **how):
    return run(
        f"""
queues: {{q: {{{queue}}}}}
producers: {{p: {{to: q, rate: 1/s, arrivals: regular, {producer}}}}}
consumers: {{c: {{from: q, {consumer}}}}}
timeline: {{r: {{{event}}}}}
""",
        **how,
    )


# --- a broker that is away ------------------------------------------------------------------------------------------


def test_a_send_to_a_broker_that_is_away_is_lost_and_tried_again():
    rows = story(producer=f"limit: 6, {RETRY}", seconds=40)
    assert rows.times("LOST_SEND") == [4, 5, 6] and rows.times("LOST_SEND", k=4) == [4, 6]
    assert rows.times("ACCEPTED") == [0, 1, 2, 3, 7, 8] and rows.left == {"q": 0}


def test_without_a_retry_it_is_lost_for_good():
    rows = story()
    assert rows.count("ACCEPTED") == 4 and rows.count("TIMED_OUT") == rows.count("LOST_SEND") == 2


def test_a_batch_to_a_broker_that_is_away_is_lost_whole():
    rows = story(producer="limit: 6, batch: {size: 3, max_wait: 9s}", event="at: 5s, restart: q, for: 3s")
    assert rows.times("LOST_SEND") == [5, 5, 5]


def test_who_is_blocked_waits_until_it_is_back():
    rows = story("capacity: {messages: 1, when_full: block}, durability: transient", "on_reject: block, limit: 2", "service: 50s")
    assert rows.times("VANISHED") == [4] and rows.life(1)[:2] == [(1, "SENT"), (7, "ACCEPTED")], "there is room from 4 s on"


def test_who_sends_on_waits_for_the_broker_that_is_away():
    rows = run("""
queues: {q: {}, next: {}}
producers: {p: {to: q, rate: 1/s, arrivals: regular, limit: 3}}
consumers: {c: {from: q, service: 500ms, emits: [{to: next}]}}
timeline: {r: {at: 1s, restart: next, for: 4s}}
""")
    assert rows.times("ACCEPTED", queue=1) == [0.5, 5, 5.5] and rows.times("ACKED") == [0.5, 5, 5.5]


def test_work_goes_on_but_its_ack_reaches_nobody():
    rows = story("profile: rabbitmq-classic", "limit: 1", "service: 5s, push: {prefetch: 1}")
    assert rows.life(0) == [
        (0, "SENT"), (0, "ACCEPTED"), (0, "RECEIVED"), (0, "STARTED"), (4, "RETURNED"), (5, "EFFECT"), (5, "LOST_ACK"),
        (7, "RECEIVED"), (7, "STARTED"), (12, "EFFECT"), (12, "ACKED"),
    ]  # fmt: skip


def test_an_ack_over_a_connection_that_is_gone_is_lost_also_when_the_broker_is_back():
    rows = story("profile: rabbitmq-classic", "limit: 1", "service: 9s, push: {prefetch: 1}, count: 2")
    assert rows.times("LOST_ACK") == [9] and rows.times("ACKED") == [16]
    assert rows.count("CHANNEL_CLOSED") == 0, "no channel is closed for it: it never arrives"


def test_the_nack_after_an_error_is_lost_too():
    rows = story("profile: sqs-standard, visibility_timeout: 20s", "limit: 1, message: {poison: 100%}", "service: 5s", seconds=24)
    assert rows.life(0)[3:] == [(0, "RECEIVED"), (5, "ERRED"), (5, "LOST_ACK"), (20, "LEASE_ENDED"), (20, "RECEIVED")]
    silent = story("profile: sqs-standard", "limit: 1, message: {poison: 100%}", "service: 5s, failures: {on_error: wait-for-timeout}")
    assert silent.count("LOST_ACK") == 0, "nobody called"


def test_a_lease_of_sqs_runs_on_and_its_ack_counts_once_the_broker_is_back():
    rows = story("profile: sqs-standard", "limit: 1", "service: 9s")
    assert rows.life(0)[2:] == [(0, "RECEIVED"), (9, "EFFECT"), (9, "ACKED")]


def test_a_lock_of_service_bus_is_lost_with_its_link():
    # ASB-10, ASB-12
    rows = story("profile: azure-service-bus, visibility_timeout: 20s", "limit: 1", "service: 9s")
    assert rows.life(0)[2:6] == [(0, "RECEIVED"), (9, "EFFECT"), (9, "STALE"), (20, "LEASE_ENDED")]


def test_what_was_popped_from_a_list_needs_no_broker():
    rows = story("profile: redis-list", "limit: 1", "service: 5s")
    assert rows.life(0)[2:] == [(0, "RECEIVED"), (5, "EFFECT"), (5, "ACKED")]


def test_a_delay_that_ends_meanwhile_is_over_when_the_broker_is_back():
    rows = story("delay: 5s", "limit: 1")
    assert rows.life(0)[2:4] == [(7, "VISIBLE"), (7, "RECEIVED")]


def test_a_consumer_of_two_queues_goes_on_with_the_other():
    text = """
queues: {q: {}, other: {}}
producers: {p: {to: q, rate: 1/s, arrivals: regular, limit: 3, start: 1s}, o: {to: other, rate: 1/s, arrivals: regular, limit: 9}}
consumers: {c: {from: [q, other], service: 600ms}}
timeline: {r: {at: 2500ms, restart: q, for: 5s}}
"""
    rows = run(text)
    assert rows.count("ACKED", queue=1) == 9
    assert rows.times("RECEIVED", queue=0) == pytest.approx([1, 2, 7.5], abs=1) and rows.count("LOST_SEND") == 1
    during = [row for row in rows.of("RECEIVED") if 2.5e9 <= row.time < 7.5e9]
    assert during and all(row.queue == 1 for row in during)


def test_a_prefetched_message_that_was_not_begun_is_handed_out_anew():
    rows = story("profile: rabbitmq-classic", "limit: 3", "service: 9s, push: {prefetch: 3}, count: 2", seconds=60)
    assert rows.count("RECEIVED") == 6 and rows.count("STARTED") == 5, "each twice, one of them never begun before"


def test_a_restart_without_a_time_is_over_at_once():
    rows = story("durability: transient", "limit: 6", "service: 3s", "at: 4s, restart: q")
    assert rows.times("AWAY") == rows.times("BACK") == [4] and rows.times("VANISHED") == [4, 4, 4]
    assert rows.count("LOST_SEND") == 0 and rows.times("RECEIVED", k=4) == [6], "the process works on what has vanished, until 6 s"


def test_two_restarts_that_overlap_are_one():
    rows = run("""
queues: {q: {}}
producers: {p: {to: q, rate: 1/s, arrivals: regular, limit: 9}}
timeline: {one: {at: 2s, restart: q, for: 3s}, two: {at: 4s, restart: q, for: 3s}}
""")
    assert rows.times("AWAY") == [2] and rows.times("BACK") == [7] and rows.times("LOST_SEND") == [2, 3, 4, 5, 6]


def test_every_group_of_a_stream_goes_with_it():
    rows = run("""
queues: {q: {profile: redis-stream, durability: transient}}
producers: {p: {to: q, rate: 1/s, arrivals: regular, limit: 4}}
consumers: {a: {from: q, service: 10s}, b: {from: q, service: 10s, client: {group: audit}}}
timeline: {r: {at: 3s, restart: q}}
""", seconds=30)  # fmt: skip
    assert [row.queue for row in rows.of("AWAY")] == [0, 1] and rows.count("VANISHED") == 6


def test_a_stream_is_not_claimed_while_it_is_away():
    rows = story("profile: redis-stream", "limit: 1", "service: 3s, client: {min_idle: 5s}, count: 2, failures: {restart_after: 1h}",
                 "at: 4s, restart: q, for: 10s", sets=["timeline.dead={at: 1s, crash: {consumer: c}}"])  # fmt: skip
    assert rows.times("RECEIVED") == [0, 15], "idle from 5 s on; the claimer comes by every 5 s, and is heard at 15 s"


def test_a_reaper_finds_nobody_at_home():
    rows = story("profile: redis-list, broker: {reliable: true, reaper: {every: 5s, older_than: 4s}}", "limit: 1", "service: 30s",
                 "at: 4s, restart: q, for: 3s", seconds=12)  # fmt: skip
    assert rows.times("LEASE_ENDED") == [10]


def test_a_jms_session_is_new_after_a_restart():
    rows = story("profile: activemq-classic", "limit: 3", "service: 2s", "at: 3s, restart: q, for: 1s", seconds=30)
    assert rows.count("LOST_ACK") == 1 and rows.count("EFFECT") == 4 and rows.count("ACKED") == 3
    assert [k for _, k in sorted((row.time, row.k) for row in rows.of("TAKEN"))] == [0, 1, 1, 2]


def test_a_paused_consumer_and_producer_do_nothing_for_the_time_given():
    idle = story(event="at: 2s, pause: c, for: 5s", consumer="service: 1s")
    assert idle.times("RECEIVED") == [0, 1, 7, 8, 9, 10] and idle.times("PAUSED") == [2] and idle.times("RESUMED") == [7]
    silent = story(event="at: 2s, pause: p, for: 5s", producer="limit: 9")
    assert silent.times("SENT") == [0, 1, 7, 8]


# --- random faults ----------------------------------------------------------------------------------------------------

FAULTS = int(os.environ.get("QSIM_FAULTS", "120"))
PARTS = 12


def drawn(seed):
    """A scenario in which much goes wrong at whole seconds, of the first seed from this on that the checker passes."""
    for attempt in range(60):
        document = Draw(f"{seed}/{attempt}").document()
        try:
            return load.read(text=json.dumps(document)).plan, document
        except ScenarioError:
            continue
    raise AssertionError(f"nothing that can be run comes of seed {seed}")


class Draw:
    def __init__(self, seed):
        self.r = Random(f"faults {seed}")

    def span(self, least, most):
        return f"{self.r.randint(least, most)}s"

    def maybe(self, share, value):
        return value() if self.r.random() < share else {}

    def document(self):
        profiles = [self.r.choice(SUPPORTED) for _ in range(self.r.randint(1, 2))]
        queues = {f"q{i}": self.queue(profile) for i, profile in enumerate(profiles)}
        consumers = {f"c{i}": self.consumer(list(queues)) for i in range(self.r.randint(1, 3))}
        producers = {f"p{i}": self.producer(list(queues)) for i in range(self.r.randint(1, 2))}
        names = [*queues], [*producers, *consumers], [*consumers]
        timeline = {f"t{i}": self.event(*names) for i in range(self.r.randint(1, 5))}
        run = {"duration": self.span(20, 40)} | self.maybe(0.3, lambda: {"drain": self.span(5, 60)})
        made = {"qsim": 1, "name": "drawn", "seed": self.r.randint(1, 999), "run": run}
        return made | {"queues": queues, "producers": producers, "consumers": consumers, "timeline": timeline}

    def queue(self, profile):
        made = {"profile": profile}
        made |= self.maybe(0.5, lambda: {"durability": self.r.choice(("transient", {"fsync_every": self.span(1, 4)}))})
        made |= self.maybe(0.4, lambda: {"visibility_timeout": self.span(2, 8)})
        made |= self.maybe(0.4, lambda: {"latency": {call: self.time() for call in self.r.sample(("send", "receive", "ack"), 2)}})
        made |= self.maybe(0.4, self.flaws) | self.maybe(0.2, lambda: {"delay": self.span(1, 4)})
        made |= self.maybe(0.2, lambda: {"capacity": {"messages": self.r.randint(1, 5), "when_full": self.r.choice(("block", "reject"))}})
        return made | self.maybe(0.2, lambda: {"retention": self.span(4, 12)})

    def time(self):
        slow = {"mix": [{"share": "50%", "time": self.span(0, 1)}, {"share": "50%", "time": self.span(1, 4)}]}
        return self.r.choice((self.span(0, 2), slow))

    def flaws(self):
        kinds = ("duplicate_delivery", "reorder", "lose_send", "lose_reply", "lose_ack", "empty_receive")
        return {"imperfections": {kind: f"{self.r.randint(10, 50)}%" for kind in self.r.sample(kinds, self.r.randint(1, 3))}}

    def producer(self, queues):
        made = {"to": self.r.choice(queues), "rate": "1/s", "arrivals": self.r.choice(("regular", "regular", "poisson"))}
        made |= {"message": self.maybe(0.6, lambda: {"group": {"keys": 2}}) | self.maybe(0.3, lambda: {"poison": "20%"})}
        made |= self.maybe(0.3, lambda: {"batch": {"size": 3, "max_wait": self.span(1, 3)}})
        again = {"backoff": "fixed", "first": self.span(1, 2), "attempts": 5}
        return made | self.maybe(0.7, lambda: {"on_reject": self.r.choice((again, "block")), "timeout": self.span(1, 3)})

    def consumer(self, queues):
        made = {"from": self.r.choice([*queues, queues]), "service": self.span(1, 4), "count": self.r.randint(1, 3)}
        made |= self.maybe(0.3, lambda: {"concurrency": 2}) | self.maybe(0.2, lambda: {"ack": "on-receive"})
        made |= self.maybe(0.3, lambda: self.r.choice(({"push": {"prefetch": 2}}, {"poll": {"batch": 3}}, {"poll": {"every": "1s"}})))
        made |= self.maybe(0.3, lambda: {"heartbeat": {"every": self.span(1, 3)}})
        made |= self.maybe(0.2, lambda: {"client": {"ack_batch": {"size": 2, "wait": self.span(1, 3)}}})
        return made | self.maybe(0.4, lambda: {"failures": {"error": "20%", "crash": "10%", "restart_after": self.span(0, 4)}})

    def event(self, queues, pausable, consumers):
        kind = self.r.choice(("restart", "restart", "restart", "crash", "pause"))
        made = {"at": self.span(0, 25)}
        if kind == "crash":
            return made | {"crash": {"consumer": self.r.choice(consumers), "count": self.r.randint(1, 2)}}
        what = self.r.choice(queues if kind == "restart" else pausable)
        return made | {kind: what} | self.maybe(0.8, lambda: {"for": self.span(1, 8)})


@pytest.mark.parametrize("part", range(PARTS))
def test_whatever_fails_together_the_books_are_in_order(part):
    every_one_holds(range(part, FAULTS, PARTS), drawn)
