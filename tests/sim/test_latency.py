"""What calls take (SCENARIO.md, queues: latency)."""

import numpy as np
import pytest

from tests.sim.runs import run


def story(latency, producer="limit: 3", consumer="service: 1s", queue="", **how):
    return run(
        f"""
queues: {{q: {{latency: {{{latency}}}, {queue}}}}}
producers: {{p: {{to: q, {"" if "rate: 4/s" in producer else "rate: 1/s, "}arrivals: regular, {producer}}}}}
consumers: {{c: {{from: q, {consumer}}}}}
""",
        **how,
    )


# --- send ---------------------------------------------------------------------------------------------------------------


def test_a_message_is_under_way_for_the_latency_of_its_send():
    rows = story("send: 300ms")
    assert rows.times("SENT") == [0, 1, 2] and rows.times("ACCEPTED") == rows.times("RECEIVED") == [0.3, 1.3, 2.3]


def test_they_arrive_in_the_order_of_arrival():
    rows = story("send: {mix: [{share: 50%, time: 100ms}, {share: 50%, time: 2500ms}]}", "limit: 40, timeout: 9s", "service: 0s")
    took = {row.k: row.time - rows.of("SENT", k=row.k)[0].time for row in rows.of("ACCEPTED")}
    assert set(took.values()) == {100_000_000, 2_500_000_000}
    assert [row.k for row in rows.of("ACCEPTED")] != sorted(took), "a quick one overtakes a slow one"


def test_which_part_of_a_mix_is_drawn_for_every_call():
    # a call that is slow once need not be slow when it is repeated
    again = "limit: 40, timeout: 1s, on_reject: {backoff: none, attempts: 9}"
    rows = story("send: {mix: [{share: 50%, time: 100ms}, {share: 50%, time: 2500ms}]}", again, "service: 0s")
    tries = [rows.count("SENT", k=k) for k in range(40)]
    assert {1, 2, 3} <= set(tries), "a half, a quarter, an eighth"


def test_what_takes_longer_than_the_timeout_is_sent_again_and_both_arrive():
    again = "limit: 1, timeout: 1s, on_reject: {backoff: fixed, first: 500ms, attempts: 2}"
    rows = story("send: 1200ms", again)
    assert rows.times("SENT") == [0, 1.5] and rows.times("TIMED_OUT") == [1, 2.5] and rows.times("ACCEPTED") == [1.2, 2.7]
    once = story("send: 1200ms", again + ", message: {dedup: identity}")
    assert once.times("ACCEPTED") == [1.2] and once.times("SUPPRESSED") == [2.7], "one identity"


def test_who_waits_for_a_token_is_not_before_what_is_under_way():
    rows = story("send: 300ms", "rate: 4/s, limit: 4, slow_down: {token_bucket: {rate: 1/s, burst: 1}}", "service: 0s", seconds=9)
    assert rows.times("ACCEPTED") == [0.3, 1.3, 2.3, 3.3]


def test_a_try_that_was_given_up_waits_at_the_door_for_itself_and_its_successor_behind_it():
    again = "limit: 3, timeout: 1s, on_reject: {backoff: none, attempts: 2}"
    full = "capacity: {messages: 1, when_full: block}"
    rows = story("send: 1200ms", again, "service: 3s", full)
    tries = [(row.k, row.attempt) for row in rows.of("SENT")]
    assert sorted(tries) == [(k, attempt) for k in range(3) for attempt in (1, 2)]
    assert rows.count("ACCEPTED") == 6 and rows.count("TIMED_OUT") == 6, "each call arrives once, and is late"


def test_an_answer_at_the_very_timeout_is_in_time():
    rows = story("send: 1s", "limit: 1, timeout: 1s")
    assert rows.count("TIMED_OUT") == 0 and rows.times("ACCEPTED") == [1]


def test_the_timeout_after_a_lost_reply_counts_from_the_send():
    rows = story("send: 300ms", "limit: 1, timeout: 1s", queue="imperfections: {lose_reply: 100%}")
    assert rows.times("ACCEPTED") == [0.3] and rows.times("TIMED_OUT") == [1]


def test_a_batch_is_under_way_as_a_whole():
    rows = story("send: {uniform: {min: 100ms, max: 900ms}}", "limit: 6, batch: {size: 3, max_wait: 9s}")
    times = rows.times("ACCEPTED")
    assert times[0] == times[1] == times[2] != times[3] == times[4] and 2.1 <= times[0] <= 2.9


def test_who_arrives_behind_one_that_is_blocked_waits_behind_it():
    rows = story("send: 500ms", "limit: 3, on_reject: block", "service: 5s", "capacity: {messages: 1, when_full: block}")
    assert rows.times("ACCEPTED") == [0.5, 5.5, 10.5] and [row.k for row in rows.of("ACCEPTED")] == [0, 1, 2]


def test_a_broker_that_goes_away_meanwhile_is_not_there():
    rows = run("""
queues: {q: {latency: {send: 500ms}}}
producers: {p: {to: q, rate: 1/s, arrivals: regular, limit: 3, timeout: 1s}}
timeline: {r: {at: 1200ms, restart: q, for: 500ms}}
""")
    assert rows.times("LOST_SEND") == [1.5] and rows.times("TIMED_OUT") == [2] and rows.times("ACCEPTED") == [0.5, 2.5]


def test_what_is_under_way_at_the_end_has_no_outcome():
    rows = story("send: 10s", seconds=5)
    assert rows.count("SENT") == 3 and rows.count("ACCEPTED") == 0  # run() has looked at the balance


# --- receive ------------------------------------------------------------------------------------------------------------


def test_work_begins_when_the_delivery_has_come_and_the_lease_runs_meanwhile():
    rows = story("receive: 400ms", "limit: 1", queue="visibility_timeout: 1s", seconds=2)
    assert rows.life(0)[2:5] == [(0, "RECEIVED"), (0.4, "STARTED"), (1, "LEASE_ENDED")]


def test_an_empty_receive_takes_it_too():
    rows = story("receive: 400ms", "limit: 1, start: 9s", "service: 1s, poll: {wait: 2s}", "profile: sqs-standard", seconds=6)
    assert rows.times("EMPTY_RECEIVE") == [2, 4.4]
    every = story("receive: 400ms", "limit: 1, start: 9s", "service: 1s, poll: {wait: 0, every: 1s}", "profile: sqs-standard", seconds=4)
    assert every.times("EMPTY_RECEIVE") == [0, 1.4, 2.8]


def test_a_process_has_one_receive_at_a_time():
    rows = run("""
queues: {q: {latency: {receive: 400ms}}}
producers: {p: {to: q, rate: 100/s, arrivals: regular, limit: 4}}
consumers: {c: {from: q, service: 1s, concurrency: 2}}
""")
    assert rows.times("RECEIVED") == [0, 0.4, 1.4, 1.8], "the second is asked for when the first has come"


@pytest.mark.parametrize("profile", ["rabbitmq-classic", "activemq-classic", "ideal"])
def test_what_is_pushed_keeps_its_order(profile):
    slow = "receive: {uniform: {min: 0s, max: 3s}}"
    rows = story(slow, "limit: 30", "service: 0s, push: {prefetch: 10}", f"profile: {profile}")
    begun = [row.k for row in rows.of("STARTED")]
    assert begun == list(range(30)) and rows.count("ACKED") == 30


def test_a_process_that_dies_meanwhile_gets_nothing():
    rows = run("""
queues: {q: {latency: {receive: 2s}}}
producers: {p: {to: q, rate: 1/s, arrivals: regular, limit: 1}}
consumers: {c: {from: q, service: 1s}}
timeline: {accident: {at: 1s, crash: {consumer: c}}}
""")
    assert rows.times("RECEIVED") == [0, 1] and rows.times("STARTED") == [3] and rows.count("EFFECT") == 1


def test_a_process_that_leaves_waits_for_what_is_under_way():
    rows = run("""
queues: {q: {latency: {receive: 2s}}}
producers: {p: {to: q, rate: 1/s, arrivals: regular, limit: 1}}
consumers: {c: {from: q, service: 1s}}
timeline: {less: {at: 1s, set: {consumers.c.count: 0}}}
""")
    assert rows.times("ACKED") == [3] and rows.times("DOWN") == [3]


def test_a_pause_keeps_what_comes_until_it_is_over():
    rows = run("""
queues: {q: {latency: {receive: 2s}}}
producers: {p: {to: q, rate: 1/s, arrivals: regular, limit: 1}}
consumers: {c: {from: q, service: 1s}}
timeline: {later: {at: 1s, pause: c, for: 5s}}
""")
    assert rows.times("STARTED") == [6] and rows.times("ACKED") == [7]


# --- ack ----------------------------------------------------------------------------------------------------------------


def test_an_ack_is_under_way_and_the_desk_waits_for_it():
    rows = story("ack: 500ms", "limit: 2")
    assert rows.times("EFFECT") == [1, 2.5] and rows.times("ACKED") == [1.5, 3]


def test_an_ack_that_arrives_after_the_lease_is_late():
    rows = story("ack: 500ms", "limit: 1", queue="visibility_timeout: 1200ms", seconds=2)
    assert rows.life(0)[3:6] == [(1, "EFFECT"), (1.2, "LEASE_ENDED"), (1.5, "ACKED")], "received again by nobody: it deletes"
    exact = story("ack: 500ms", "limit: 1", queue="visibility_timeout: 1500ms")
    assert exact.times("ACKED") == [1.5] and exact.count("LEASE_ENDED") == 0, "at the last instant"


def test_batched_acks_are_one_call():
    many = "service: 100ms, poll: {batch: 3}, client: {ack_batch: {size: 3, wait: 9s}}"
    rows = story("ack: {uniform: {min: 100ms, max: 900ms}}", "limit: 3, batch: {size: 3, max_wait: 9s}", many, "profile: sqs-standard")
    assert rows.times("EFFECT") == [2.1, 2.2, 2.3] and len(set(rows.times("ACKED"))) == 1 and rows.times("ACKED")[0] >= 2.4


# --- together -------------------------------------------------------------------------------------------------------------


def test_latencies_are_drawn_as_they_are_distributed():
    # a mean of 200 ms of each call: within 4 standard errors, over ten seeds
    text = """
queues: {q: {latency: {send: {exponential: {mean: 200ms}}, receive: {exponential: {mean: 200ms}}, ack: {exponential: {mean: 200ms}}}}}
producers: {p: {to: q, rate: 10/s, arrivals: regular, limit: 200, timeout: 60s}}
consumers: {c: {from: q, service: 0s, count: 50}}
"""
    took = {"SENT": [], "RECEIVED": [], "EFFECT": []}
    ends = {"SENT": "ACCEPTED", "RECEIVED": "STARTED", "EFFECT": "ACKED"}
    for seed in range(10):
        rows = run(text, seed=seed)
        for kind, end in ends.items():
            begun = {row.k: row.time for row in rows.of(kind)}
            took[kind] += [(row.time - begun[row.k]) / 1e9 for row in rows.of(end)]
    for kind, times in took.items():
        assert abs(np.mean(times) - 0.2) < 4 * 0.2 / np.sqrt(len(times)), kind


def test_the_same_call_takes_as_long_whatever_else_is_changed():
    slow = "send: {exponential: {mean: 1s}}"
    one = story(slow, "limit: 20, timeout: 60s", "service: 1s")
    other = story(slow + ", ack: 1s", "limit: 20, timeout: 60s", "service: 3s, count: 2", queue="visibility_timeout: 9s")
    assert one.times("ACCEPTED") == other.times("ACCEPTED")


def test_no_latency_is_a_latency_of_nothing():
    # STARTED rows and places in line aside: the same messages at the same times
    plain, zero = story("send: 0s, receive: 0s, ack: 0s"), story("")
    for kind in ("ACCEPTED", "RECEIVED", "EFFECT", "ACKED"):
        assert plain.times(kind) == zero.times(kind)
