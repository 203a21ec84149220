"""What consumers send on: when, to whom, under which identity, and what a full target does to them."""

import pytest

from qsim.claims.conservation import conservation
from qsim.kernel.journal import Cause, Kind
from qsim.metrics.life import story as life_of
from qsim.metrics.naming import message_name
from qsim.metrics.numbers import Numbers
from tests.sim.runs import run


def pipeline(emits="[{to: next}]", consumer="service: 1s", producer="rate: 1/s, arrivals: regular, limit: 3", queue="", more="",
             first="", last="service: 2s", **how):  # fmt: skip
    """``c`` takes from ``q`` and sends on to ``next``, from which ``d`` takes."""
    return run(f"""
        queues: {{q: {{{first}}}, next: {{{queue}}}, errors: {{}}}}
        producers: {{p: {{to: q, {producer}}}}}
        consumers:
          c: {{from: q, {consumer}, emits: {emits}}}
          d: {{from: next, {last}}}
        {more}
    """, **how)  # fmt: skip


def sent_on(rows, queue=1):
    """(second, number, try) of what was sent on to a queue."""
    return [(row.time / 1e9, row.k, row.attempt) for row in rows.of("SENT", queue=queue) if row.producer > 0]


def test_a_message_is_sent_on_with_the_effect_and_before_the_ack():
    rows = pipeline(producer="rate: 1/s, limit: 1, arrivals: regular")
    assert rows.at(1) == ["EFFECT 0", "SENT 0", "ACCEPTED 0", "ACKED 0", "RECEIVED 0"]
    [sent] = [row for row in rows.of("SENT") if row.producer == 1]
    assert (sent.consumer, sent.process, sent.attempt) == (0, 0, 1)
    assert rows.times("EFFECT", producer=1) == [3]


def test_who_sends_on_asks_for_its_next_message_before_the_next_stage_is_served():
    rows = pipeline(consumer="service: 1s", producer="rate: 1/s, limit: 2, arrivals: regular, start: 1ns", seconds=20)
    # What comes to the next queue is received late in its instant, as every receive is.
    kinds = [str(row) for row in rows.rows if row.time == 1_000_000_001]
    assert kinds.index("ACKED 0") < kinds.index("RECEIVED 0") and kinds.index("SENT 1") < kinds.index("RECEIVED 0")


def test_it_sends_on_to_all_in_the_order_of_the_list():
    rows = pipeline("[{to: errors}, {to: next}]", producer="rate: 1/s, limit: 1, arrivals: regular")
    assert [row.queue for row in rows.of("SENT") if row.producer > 0] == [2, 1]
    assert len({row.message for row in rows.of("SENT")}) == 3, "each has a number of its own"


def test_where_the_work_fails_it_sends_elsewhere_and_gives_back():
    rows = pipeline("[{to: next}, {to: errors, when: failure}]", consumer="service: 1s, failures: {error: 50%}", seed=3)
    assert sent_on(rows, 2) and sent_on(rows, 1)
    assert [row.time for row in rows.of("ERRED")] == [row.time for row in rows.of("SENT", queue=2)]
    assert len(rows.of("NACKED")) == len(rows.of("ERRED")), "the failed delivery goes back as well"
    assert [row.time for row in rows.of("EFFECT", queue=0)] == [row.time for row in rows.of("SENT", queue=1)]


def test_what_is_poison_is_healthy_once_it_is_made_anew():
    rows = pipeline("[{to: next, when: failure}]", consumer="service: 1s, failures: {on_error: reject}",
                    producer="rate: 1/s, limit: 2, arrivals: regular, message: {poison: 100%}")  # fmt: skip
    assert rows.count("ERRED") == 2 and rows.count("EFFECT", queue=1) == 2


def test_a_message_worked_on_twice_is_sent_on_twice_under_one_number():
    rows = pipeline(consumer="service: 15s, count: 2", first="visibility_timeout: 10s",
                    producer="rate: 1/s, limit: 1, arrivals: regular", seconds=30)  # fmt: skip
    assert sent_on(rows) == [(15, 0, 1), (25, 0, 2)]
    assert rows.count("ACCEPTED", queue=1) == 2


def test_a_queue_with_deduplication_takes_the_second_for_what_it_is():
    rows = run("""
        queues: {q: {profile: sqs-fifo, visibility_timeout: 10s}, next: {profile: sqs-fifo}}
        producers: {p: {to: q, rate: 1/s, limit: 1, arrivals: regular, message: {group: {keys: 1}}}}
        consumers: {c: {from: q, service: 15s, count: 2, emits: [{to: next}]}, d: {from: next, service: 1s}}
    """, seconds=60)  # fmt: skip
    assert len(sent_on(rows)) >= 2
    assert rows.count("ACCEPTED", queue=1) == 1 and rows.count("SUPPRESSED", queue=1) == len(sent_on(rows)) - 1


@pytest.mark.parametrize(("crash_at", "sends"), [("working", 0), ("after-effect", 1), ("before-ack", 1)])
def test_a_crash_after_the_effect_has_sent_on_and_the_next_attempt_does_again(crash_at, sends):
    rows = pipeline(consumer=f"service: 1s, failures: {{crash: 100%, crash_at: {crash_at}, restart_after: 1h}}",
                    producer="rate: 1/s, limit: 1, arrivals: regular", seconds=5)  # fmt: skip
    assert rows.count("INTERRUPTED") == 1 and len(sent_on(rows)) == sends


def test_an_idempotent_consumer_sends_on_once():
    rows = pipeline(consumer="service: 15s, count: 2, idempotent: true", first="visibility_timeout: 10s",
                    producer="rate: 1/s, limit: 1, arrivals: regular", seconds=60)  # fmt: skip
    assert rows.count("SKIPPED") > 0 and len(sent_on(rows)) == 1


def test_labels_are_handed_on_priority_by_name():
    rows = run("""
        queues: {q: {priorities: [high, low]}, next: {priorities: [low, high, unused]}}
        producers: {p: {to: q, rate: 1/s, limit: 40, message: {priority: {high: 50%, low: 50%}, group: {keys: 5},
                                                               attributes: {country: {de: 50%, fr: 50%}}}}}
        consumers: {c: {from: q, service: 1ms, emits: [{to: next}]}, d: {from: next, service: 1ms}}
    """)  # fmt: skip
    first = {row.k: row for row in rows.of("SENT", producer=0)}
    for row in rows.of("SENT", producer=1):
        assert row.other == first[row.k].other and row.cause == 1 - first[row.k].cause
    numbers = Numbers(rows.recording)
    for label in ("high", "low", "de", "fr", "3"):
        assert numbers.value(f"next.acked.{label}") == numbers.value(f"q.acked.{label}") > 0


def test_a_priority_that_the_next_queue_does_not_know_is_its_last():
    rows = run("""
        queues: {q: {priorities: [high, low]}, next: {priorities: [red, green]}}
        producers: {p: {to: q, rate: 1/s, limit: 3, message: {priority: high}}}
        consumers: {c: {from: q, service: 1ms, emits: [{to: next}]}}
    """)  # fmt: skip
    assert {row.cause for row in rows.of("SENT", producer=1)} == {1}


def test_size_is_handed_on():
    rows = pipeline(queue="capacity: {bytes: 5KiB, when_full: reject}",
                    producer="rate: 1/s, arrivals: regular, limit: 3, message: {size: 2KiB}",
                    more="timeline: {stop: {at: 0s, pause: d}}")  # fmt: skip
    assert (rows.count("ACCEPTED", queue=1), rows.count("REJECTED", queue=1)) == (2, 1)


def test_wait_and_latency_count_from_the_emit_and_origin_latency_from_the_first_send():
    rows = pipeline(producer="rate: 1/s, limit: 1, arrivals: regular")
    numbers = Numbers(rows.recording)
    assert numbers.value("next.wait max") == 0 and numbers.value("next.latency max") == 2
    assert numbers.value("next.origin_latency max") == 3 and numbers.value("q.origin_latency max") == 1


def test_a_chain_of_three_keeps_the_first_send():
    rows = run("""
        queues: {a: {}, b: {}, c: {}}
        producers: {p: {to: a, rate: 1/s, limit: 2, arrivals: regular}}
        consumers:
          x: {from: a, service: 100ms, emits: [{to: b}]}
          y: {from: b, service: 200ms, emits: [{to: c}]}
          z: {from: c, service: 300ms}
    """)  # fmt: skip
    assert Numbers(rows.recording).value("c.origin_latency max") == pytest.approx(0.6)
    [last] = {row.producer for row in rows.of("EFFECT", queue=2)}
    assert message_name(rows.recording.plan, last << 40 | 1) == "p:1/x/y"


def test_what_was_sent_on_tells_by_whom():
    told = life_of(Numbers(pipeline().recording), 1 << 40)
    assert told[0].endswith("sent       p:0/c  by c-1, who makes it of another")


# --- full targets -------------------------------------------------------------------------------------------------------


def test_a_refused_message_is_a_row_and_its_consumer_goes_on():
    rows = pipeline(queue="capacity: {messages: 1, when_full: reject}", consumer="service: 500ms")
    # 1 comes at 1.5 s, 2 at 2.5 s, the instant in which 0 is done, but in which c comes before d.
    assert rows.count("REJECTED", queue=1) == 2 and rows.count("ACKED", queue=0) == 3


def test_a_target_that_blocks_makes_the_consumer_wait_before_it_acks():
    rows = pipeline(queue="capacity: {messages: 1, when_full: block}", producer="rate: 10/s, arrivals: regular, limit: 4",
                    consumer="service: 500ms")  # fmt: skip
    # The capacity counts what is at work too: one message at a time between the stages, each for 2 s.
    assert rows.times("EFFECT", queue=0) == [0.5, 1.0, 3.0, 5.0]
    assert rows.times("ACKED", queue=0) == [0.5, 2.5, 4.5, 6.5]
    assert rows.times("ACCEPTED", queue=1) == [0.5, 2.5, 4.5, 6.5]
    assert [each[2] for each in sent_on(rows)] == [1, 1, 1, 1], "to stand still is no other try"
    assert rows.count("REJECTED") == 0


def test_several_that_wait_for_room_get_it_one_after_the_other():
    rows = pipeline(queue="capacity: {messages: 1, when_full: block}", producer="rate: 10/s, arrivals: regular, limit: 4",
                    consumer="service: 500ms, count: 4")  # fmt: skip
    assert rows.times("ACCEPTED", queue=1) == [0.5, 2.5, 4.5, 6.5]
    assert [row.k for row in rows.of("ACKED", queue=0)] == [0, 1, 2, 3]


def test_who_comes_first_in_the_file_gets_the_room_first_of_those_for_whom_there_is_some():
    rows = run("""
        queues: {q: {}, r: {}, next: {capacity: {messages: 1, when_full: block}}}
        producers: {p: {to: q, rate: 1/s, arrivals: regular, limit: 1}, s: {to: r, rate: 1/s, arrivals: regular, limit: 2}}
        consumers:
          c: {from: q, service: 3s, emits: [{to: next}]}
          e: {from: r, service: 1s, emits: [{to: next}]}
          d: {from: next, service: 4s}
    """)  # fmt: skip
    assert rows.times("EFFECT", client=1 << 20) == [1, 2], "e waits from 2 s on, c from 3 s on"
    assert [(row.time / 1e9, row.queue) for row in rows.of("ACKED") if row.queue < 2] == [(1, 1), (5, 0), (9, 1)]


def test_a_process_that_comes_again_waits_for_room_once():
    rows = pipeline(queue="capacity: {messages: 1, when_full: block}", producer="rate: 10/s, arrivals: regular, limit: 3",
                    consumer="service: 500ms", last="service: 5s",
                    more="timeline: {bang: {at: 1500ms, crash: {consumer: c}}}")  # fmt: skip
    assert sent_on(rows) == [(0.5, 0, 1), (1.0, 1, 1), (2.0, 1, 2), (6.0, 2, 1)]
    assert rows.times("ACCEPTED", queue=1) == [0.5, 5.5, 10.5]


def test_a_crash_while_it_waits_for_room_loses_what_it_wanted_to_send():
    rows = pipeline(queue="capacity: {messages: 1, when_full: block}", producer="rate: 10/s, arrivals: regular, limit: 2",
                    consumer="service: 500ms, failures: {restart_after: 1s}",
                    more="timeline: {bang: {at: 2s, crash: {consumer: c}}}")  # fmt: skip
    assert [(row.time / 1e9, row.k, row.queue) for row in rows.of("LOST_SEND")] == [(2, 1, 1)]
    assert sent_on(rows) == [(0.5, 0, 1), (1.0, 1, 1), (3.5, 1, 2)]
    assert rows.count("ACCEPTED", queue=1) == 2 and rows.left["q"] == 0
    assert Numbers(rows.recording).value("c.busy max") == 1 and Numbers(rows.recording).value("c.busy min") == 0


@pytest.mark.parametrize("poll", ["batch: 1", "batch: 2"])
def test_a_crash_after_the_effect_ends_the_other_work_of_its_process_on_the_same_message(poll):
    rows = pipeline(consumer=f"service: 3s, concurrency: 2, poll: {{{poll}}}, failures: {{crash: 100%, crash_at: before-ack, "
                             "restart_after: 1h}", first="visibility_timeout: 2s",
                    producer="rate: 1/s, limit: 1, arrivals: regular", seconds=20)  # fmt: skip
    assert rows.times("RECEIVED", queue=0) == [0, 2] and rows.times("INTERRUPTED") == [3, 3]
    numbers = Numbers(rows.recording)
    assert [numbers.value(f"c.busy at {second}s") for second in (1, 2, 3)] == [1, 2, 0]


def test_a_failure_that_waits_for_room_is_given_back_when_there_is_some():
    rows = pipeline("[{to: next, when: failure}]", queue="capacity: {messages: 1, when_full: block}",
                    consumer="service: 500ms, failures: {error: 100%, on_error: reject}")  # fmt: skip
    assert rows.times("ERRED") == [0.5, 1.5, 3.0]
    assert rows.times("NACKED", queue=0) == [0.5, 2.5, 4.5]


def test_who_waits_for_room_at_the_end_has_something_under_way():
    rows = pipeline(queue="capacity: {messages: 1, when_full: block}", consumer="service: 500ms", seconds=2)
    assert conservation(rows.recording)["emits"]["c"] == {
        "sent": 2, "accepted": 1, "suppressed": 0, "rejected": 0, "lost_on_the_way": 0, "under_way": 1,
    }  # fmt: skip


# --- with others ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(1, 9))
def test_a_consumer_behind_is_the_same_as_a_callback_and_as_a_process(seed):
    how = {
        "emits": "[{to: next}, {to: errors, when: failure}]",
        "consumer": "count: 3, service: {exponential: {mean: 1s}}, failures: {error: 20%}, retry: {backoff: fixed, first: 1s}",
        "producer": "rate: 2/s",
        "first": "visibility_timeout: 3s",
        "last": "count: 20, service: {exponential: {mean: 9s}}",
    }
    quick, slow = (pipeline(**how, seed=seed, quick=quick) for quick in (True, False))
    assert quick.rows == slow.rows and len(quick.of("SENT", queue=1)) > 50


def test_a_message_that_comes_twice_is_two_starts_at_the_next_consumer():
    rows = pipeline(consumer="service: 15s, count: 2", first="visibility_timeout: 10s",
                    producer="rate: 1/s, limit: 1, arrivals: regular", seconds=60)  # fmt: skip
    assert rows.count("EFFECT", queue=1) == len(sent_on(rows)) >= 2


def test_who_sends_on_draws_what_it_drew_before():
    with_emits = pipeline(consumer="service: {exponential: {mean: 1s}}, failures: {error: 30%}")
    text = "service: {exponential: {mean: 1s}}, failures: {error: 30%}"
    alone = run(f"queues: {{q: {{}}}}\nproducers: {{p: {{to: q, rate: 1/s, arrivals: regular, limit: 3}}}}\n"
                f"consumers: {{c: {{from: q, {text}}}}}")  # fmt: skip
    kinds = (Kind.EFFECT, Kind.ERRED)
    assert [row.time for row in with_emits.of("EFFECT", queue=0)] == [row.time for row in alone.of("EFFECT")]
    assert [row.time for row in with_emits.rows if row.kind in kinds and row.queue == 0] == [
        row.time for row in alone.rows if row.kind in kinds
    ]


def test_calls_and_emits_together():
    rows = run("""
        queues: {q: {}, next: {}}
        dependencies: {db: {capacity: 1, service: 1s, queue_limit: 0}}
        producers: {p: {to: q, rate: 2/s, arrivals: regular, limit: 4}}
        consumers: {c: {from: q, count: 4, service: 0, uses: db, failures: {on_error: reject}, emits: [{to: next, when: failure}]}}
    """)  # fmt: skip
    assert [row.k for row in rows.of("SENT", queue=1)] == [1, 3] == [row.k for row in rows.of("CALL_REFUSED")]
    assert rows.count("DROPPED", cause=Cause.REJECTED) == 2


def test_a_topic_copies_what_is_sent_on_by_the_attributes_of_the_original():
    rows = run("""
        queues: {q: {}, a: {}, b: {}}
        topics: {news: {subscriptions: [{queue: a}, {queue: b, only: {kind: [x]}}]}}
        producers: {p: {to: q, rate: 1/s, arrivals: regular, limit: 9, message: {attributes: {kind: {x: 50%, y: 50%}}}}}
        consumers:
          c: {from: q, service: 1s, emits: [{to: news}]}
          d: {from: a, service: 100ms}
          e: {from: b, service: 100ms}
    """)  # fmt: skip
    numbers = Numbers(rows.recording)
    assert numbers.value("news.published") == numbers.value("a.acked") == 9
    assert numbers.value("b.acked") == numbers.value("b.acked.x") == numbers.value("a.acked.x") > 0
    assert numbers.value("a.latency max") == pytest.approx(0.1) and numbers.value("a.origin_latency max") == pytest.approx(1.1)
    assert rows.at(1)[:3] == ["EFFECT 0", "SENT 0", "PUBLISHED 0"]
