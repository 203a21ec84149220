"""What a consumer does with what it is handed (SCENARIO.md, consumers and "What exactly happens")."""

import pytest

from qsim.kernel.journal import Cause, Place
from qsim.sim.member import Member
from tests.sim.runs import plan, run, scenario

ONE = "p: {to: q, rate: 1/s, arrivals: regular, limit: 1}"
"""One message, at 0."""
MANY = "p: {to: q, rate: 1/s, arrivals: regular, limit: 90}"


def story(consumer, queue="", producer=ONE, more="", **how):
    return run(
        f"""
queues: {{q: {{{queue}}}, dead: {{}}}}
producers: {{{producer}}}
consumers: {{c: {{from: q, {consumer}}}}}
{more}
""",
        **how,
    )


def sent(count, at=0, message=""):
    """So many at once."""
    batch = f"batch: {{size: {count}, max_wait: 90s}}" if count > 1 else "count: 1"
    return f"p: {{to: q, rate: 1000/s, arrivals: regular, limit: {count}, start: {at}s, {batch}, message: {{{message}}}}}"


# --- one attempt ------------------------------------------------------------------------------------------------------


def test_one_attempt_is_receive_work_effect_ack():
    rows = story("service: 2s")
    assert rows.life(0)[2:] == [(0, "RECEIVED"), (2, "EFFECT"), (2, "ACKED")]


def test_an_attempt_that_errs_has_no_effect_and_nacks_when_its_work_ends():
    # "An attempt that errs has no effect: it stops when its work ends, then nacks"
    rows = story("service: 2s, failures: {error: 100%}", seconds=3)
    assert rows.life(0)[2:] == [(0, "RECEIVED"), (2, "ERRED"), (2, "NACKED"), (2, "RECEIVED")]


def test_or_it_leaves_the_lease_to_run_out():
    rows = story("service: 2s, failures: {error: 100%, on_error: wait-for-timeout}", "visibility_timeout: 5s", seconds=8)
    assert rows.life(0)[2:] == [(0, "RECEIVED"), (2, "ERRED"), (5, "LEASE_ENDED"), (5, "RECEIVED"), (7, "ERRED")]


def test_or_it_rejects_which_dead_letters_at_once():
    rows = story("service: 2s, failures: {error: 100%, on_error: reject}", "dlq: {queue: dead, max_receives: 9}")
    [dead] = rows.of("DEAD_LETTERED")
    assert (dead.time, dead.cause) == (2_000_000_000, Cause.REJECTED)
    assert rows.left == {"q": 0, "dead": 1}


def test_a_retry_policy_delays_the_return_and_ends_with_a_reject():
    # retry: "delay before a failed message is visible again"; attempts counts all tries
    retry = "retry: {backoff: exponential, first: 2s, factor: 3, max: 5s, attempts: 4}"
    rows = story(f"service: 1s, failures: {{error: 100%}}, {retry}", "dlq: {queue: dead, max_receives: 9}")
    assert rows.times("RECEIVED", queue=0) == [0, 3, 9, 15], "delays of 2, 6 cut to 5, 5 seconds after a second of work"
    assert [row.cause for row in rows.of("DEAD_LETTERED")] == [Cause.REJECTED]


def test_errors_strike_below_their_share_of_the_fate_and_crashes_above_one_minus_theirs():
    # failures: "each grows as a superset"
    def struck(kind, failures):
        rows = story(f"service: 1s, failures: {{{failures}, on_error: reject}}", producer=MANY, seconds=900)
        return {row.k for row in rows.of(kind, attempt=1)}

    few, many = struck("ERRED", "error: 20%"), struck("ERRED", "error: 40%")
    assert 0 < len(few) < len(many) and few < many
    few, many = struck("INTERRUPTED", "crash: 20%"), struck("INTERRUPTED", "crash: 40%")
    assert 0 < len(few) < len(many) and few < many


# --- crashes ----------------------------------------------------------------------------------------------------------


def crashing(at, more="", queue="", share="100%", **how):
    failures = f"failures: {{crash: {share}, crash_at: {at}, restart_after: 5s}}"
    return story(f"service: 2s, {failures}, {more}", queue, **how)


def test_a_crash_while_working_strikes_at_a_random_moment_of_the_work_and_has_no_effect():
    rows = crashing("working", seconds=4)
    [crash] = rows.of("INTERRUPTED")
    assert 0 < crash.time < 2_000_000_000 and crash.cause == Cause.OWN_CRASH
    assert not rows.of("EFFECT")


def test_the_process_is_back_restart_after_later():
    rows = crashing("before-ack", seconds=9)
    assert rows.times("DOWN") == [2] and rows.times("UP") == [0, 7]
    assert rows.times("RECEIVED") == [0, 7], "the message came back at once (ideal), but nobody was there"


def test_a_crash_after_the_effect_comes_before_the_record():
    # "`after-effect` (before the record: the textbook hole)"
    remember = "idempotent: {remember: 90s, check: before}"
    assert crashing("after-effect", remember, seconds=10).count("EFFECT") == 2
    assert crashing("before-ack", remember, seconds=10).count("EFFECT") == 1


def test_an_atomic_record_has_no_hole():
    # "`atomic` makes check, effect and record one step"
    rows = crashing("after-effect", "idempotent: true", seconds=10)
    assert (rows.count("EFFECT"), rows.count("SKIPPED")) == (1, 1)


def test_a_crash_kills_the_whole_process():
    # "a crash kills a whole process: its other slots' messages are `interrupted`"; what waited in its buffer is lost too
    rows = story(
        "service: 4s, concurrency: 2, push: {prefetch: 3}", producer=sent(3),
        more="timeline: {boom: {at: 2s, crash: {consumer: c, count: 1}}}", seconds=3,
    )  # fmt: skip
    assert [(row.k, row.cause) for row in rows.of("INTERRUPTED")] == [(0, Cause.FELLOW_CRASH), (1, Cause.FELLOW_CRASH)]
    assert [row.k for row in rows.of("RETURNED")] == [0, 1, 2]
    own = story("service: 4s, concurrency: 2, failures: {crash: 100%}", producer=sent(2), seconds=5)
    assert {row.cause for row in own.of("INTERRUPTED")} == {Cause.OWN_CRASH, Cause.FELLOW_CRASH}


def test_what_a_dead_process_held_is_handled_as_the_profile_says():
    # ideal returns it at once; on SQS nothing happens until the timeout (SQS-33)
    crash = "timeline: {boom: {at: 2s, crash: {consumer: c, count: 1}}}"
    ideal = story("service: 4s", "visibility_timeout: 10s", more=crash)
    assert ideal.times("RETURNED") == [2] and ideal.times("RECEIVED") == [0, 2]
    sqs = story("service: 4s", "profile: sqs-standard, visibility_timeout: 10s", more=crash)
    assert not sqs.of("RETURNED") and sqs.times("RECEIVED") == [0, 10]


def test_a_process_that_died_and_came_back_works_on_nothing_of_its_old_life():
    rows = story("service: 4s", more="timeline: {boom: {at: 2s, crash: {consumer: c, count: 1}}}")
    assert rows.times("EFFECT") == [6], "the work of the first life ends for nobody"


# --- receiving --------------------------------------------------------------------------------------------------------


def test_waiting_consumers_are_served_longest_waiting_first():
    rows = story("service: 1s, count: 3", producer="p: {to: q, rate: 0.5/s, arrivals: regular, limit: 5}")
    assert [row.process for row in rows.of("RECEIVED")] == [0, 1, 2, 0, 1]


def test_every_runs_from_the_end_of_an_empty_receive():
    # poll: "`every`: from the end of an empty receive to the next"
    rows = story("service: 1s, poll: {wait: 2s, every: 3s}", producer=sent(1, 50), seconds=20)
    assert rows.times("EMPTY_RECEIVE") == [2, 7, 12, 17]


def test_a_long_poll_ends_after_its_last_instants_receives_and_still_gets_what_came_in_it():
    rows = story("service: 1s, poll: {wait: 4s}", producer=sent(1, 4), seconds=8)
    assert rows.times("RECEIVED") == [4] and not rows.of("EMPTY_RECEIVE")


def test_a_short_poll_sees_what_is_sent_at_its_instant():
    rows = story("service: 1s, poll: {wait: 0, every: 3s}", producer=sent(1, 3), seconds=8)
    assert (rows.times("EMPTY_RECEIVE"), rows.times("RECEIVED")) == ([0, 4, 7], [3])


def test_sources_are_asked_in_order():
    # "`from: [high, low]`: each receive asks the queues in order without waiting"
    text = """
        queues: {low: {}, high: {}}
        producers:
          l: {to: low, rate: 100/s, arrivals: regular, limit: 3}
          h: {to: high, rate: 100/s, arrivals: regular, limit: 3}
        consumers: {c: {from: [high, low], service: 1s}}
    """
    rows = run(text)
    assert [row.queue for row in rows.of("RECEIVED")] == [1, 1, 1, 0, 0, 0]


def test_if_all_are_empty_it_waits_on_all_and_takes_the_first_that_comes():
    text = """
        queues: {high: {}, low: {}}
        producers:
          l: {to: low, rate: 1/s, arrivals: regular, start: 3s, limit: 1}
          h: {to: high, rate: 1/s, arrivals: regular, start: 5s, limit: 2}
        consumers: {c: {from: [high, low], service: 1s}, h2: {from: high, service: 9s}}
    """
    rows = run(text)
    assert [(row.time // 10**9, row.queue, row.consumer) for row in rows.of("RECEIVED")] == [(3, 1, 0), (5, 0, 1), (6, 0, 0)]


def test_no_sqs_call_spans_queues_so_each_is_asked_again_every_second():
    text = """
        queues: {high: {profile: sqs-standard}, low: {profile: sqs-standard}}
        producers: {l: {to: low, rate: 1/s, arrivals: regular, start: 2500ms, limit: 1}}
        consumers: {c: {from: [high, low], service: 1s}}
    """
    rows = run(text, seconds=4)
    assert rows.times("RECEIVED") == [3], "no receive waits: it is there only when asked"


def test_pushed_from_several_queues_is_pushed_one_at_a_time_from_each():
    text = """
        queues: {a: {}, b: {}}
        producers:
          x: {to: a, rate: 100/s, arrivals: regular, limit: 3}
          y: {to: b, rate: 100/s, arrivals: regular, limit: 3}
        consumers: {c: {from: [a, b], service: 1s, push: {prefetch: 1}}}
    """
    rows = run(text)
    assert [row.queue for row in rows.of("RECEIVED")] == [0, 1, 0, 1, 0, 1]
    assert rows.count("ACKED") == 6


# --- batch, concurrency, buffer -----------------------------------------------------------------------------------------


def test_each_message_of_a_batch_is_acked_when_its_own_work_ends():
    # "a process with a free slot and an empty buffer receives up to `batch`; slots take from the buffer in order"
    rows = story("service: 1s, poll: {batch: 3}", producer=sent(4))
    assert [row.cause for row in rows.of("RECEIVED")] == [3, 3, 3, 1], "how many came in one call"
    first = rows.times("RECEIVED")[0]
    assert [t - first for t in rows.times("ACKED")] == pytest.approx([1, 2, 3, 4])


def test_slots_take_from_the_buffer_in_order():
    rows = story("service: 1s, concurrency: 2, poll: {batch: 3}", producer=sent(3))
    first = rows.times("RECEIVED")[0]
    assert [t - first for t in rows.times("STARTED")] == pytest.approx([0, 0, 1])


def test_what_waits_in_the_buffer_has_its_lease_running_and_is_worked_on_even_if_it_has_ended():
    rows = story("service: 2s, poll: {batch: 2}", "visibility_timeout: 3s", producer=sent(2), seconds=5)
    received = rows.times("RECEIVED")[0]
    assert [t - received for t in rows.times("LEASE_ENDED", k=1)] == pytest.approx([3])
    assert [t - received for t in rows.times("EFFECT", k=1)] == pytest.approx([4])
    assert rows.of("ACKED", k=1)[0].cause == Place.READY, "ideal deletes what has not been received again"


def test_heartbeats_are_never_for_buffered_messages():
    rows = story("service: 4s, poll: {batch: 2}, heartbeat: {every: 1s}", "visibility_timeout: 3s", producer=sent(2), seconds=5)
    assert {row.k for row in rows.of("EXTENDED")} == {0}
    assert [row.k for row in rows.of("LEASE_ENDED")] == [1]


# --- heartbeats -------------------------------------------------------------------------------------------------------


def test_the_first_beat_is_every_after_the_work_starts_and_extends_to_the_queues_timeout():
    # "heartbeat: first beat `every` after the work starts; `extend_to` default = visibility_timeout"
    rows = story("service: 7s, heartbeat: {every: 2s}", "visibility_timeout: 3s")
    assert [(row.time // 10**9, row.other) for row in rows.of("EXTENDED")] == [(2, 3000), (4, 3000), (6, 3000)]
    assert rows.count("EFFECT") == 1 and not rows.of("LEASE_ENDED")


def test_extend_to_and_give_up_after():
    rows = story("service: 30s, heartbeat: {every: 2s, extend_to: 5s, give_up_after: 6s}", "visibility_timeout: 3s", seconds=20)
    assert [row.other for row in rows.of("EXTENDED")][:2] == [5000, 5000]
    assert rows.times("GAVE_UP")[0] == 6 and rows.times("LEASE_ENDED")[0] == 9


def test_a_heartbeat_gives_up_at_the_profiles_cap():
    # SQS-22: hidden at most 12 h since the receive
    rows = run("""
        run: {duration: 13h}
        queues: {q: {profile: sqs-standard, visibility_timeout: 2h}}
        producers: {p: {to: q, rate: 1/s, arrivals: regular, limit: 1}}
        consumers: {c: {from: q, service: 20h, heartbeat: {every: 1h}}}
    """)  # fmt: skip
    assert rows.times("EXTENDED")[-1] == 10 * 3600
    assert rows.times("GAVE_UP") == [11 * 3600] and rows.times("LEASE_ENDED") == [12 * 3600]


# --- idempotent consumers ---------------------------------------------------------------------------------------------

TWICE = "visibility_timeout: 3s, imperfections: {lose_ack: 100%}"
"""Every ack is lost, so every message comes again every 3 s."""


def test_check_before_skips_at_the_start_and_atomic_at_the_end():
    before = story("service: 1s, idempotent: {remember: 90s, check: before}", TWICE, seconds=7)
    assert before.times("EFFECT") == [1] and before.times("SKIPPED") == [3, 6]
    atomic = story("service: 1s, idempotent: true", TWICE, seconds=8)
    assert atomic.times("EFFECT") == [1] and atomic.times("SKIPPED") == [4, 7]


def test_an_effect_is_forgotten_after_remember():
    rows = story("service: 1s, idempotent: {remember: 5s}", TWICE, seconds=11)
    assert rows.times("EFFECT") == [1, 7] and rows.times("SKIPPED") == [4, 10], "6 s after the first it is forgotten"


def test_two_live_copies_can_both_pass_a_check_before():
    # "with `check: before`, the check happens at the start and the record at the end, so two live copies can both pass"
    slow = "service: 5s, count: 2, idempotent: {remember: 90s, check: %s}"
    assert story(slow % "before", "visibility_timeout: 3s", seconds=9).count("EFFECT") == 2
    assert story(slow % "atomic", "visibility_timeout: 3s", seconds=9).count("EFFECT") == 1


# --- acks -------------------------------------------------------------------------------------------------------------


def test_ack_on_receive_loses_what_crashes_and_never_repeats():
    # `on-receive` = at most once
    rows = crashing("working", "ack: on-receive", share="50%", producer=MANY, seconds=900)
    effects = [row.message for row in rows.of("EFFECT")]
    assert rows.count("INTERRUPTED") > 5 and rows.count("RECEIVED") == rows.count("ACKED")
    assert len(effects) == len(set(effects)) == rows.count("ACKED") - rows.count("INTERRUPTED")
    assert rows.left["q"] == 0


def test_what_fails_after_an_ack_on_receive_is_not_given_back():
    rows = story("service: 1s, ack: on-receive, failures: {error: 100%}")
    assert [name for _, name in rows.life(0)[2:]] == ["RECEIVED", "ACKED", "ERRED"]


def test_a_lost_ack_is_an_effect_that_comes_again():
    rows = story("service: 1s", TWICE, seconds=5)
    assert rows.life(0)[2:7] == [(0, "RECEIVED"), (1, "EFFECT"), (1, "LOST_ACK"), (3, "LEASE_ENDED"), (3, "RECEIVED")]


@pytest.mark.parametrize(
    ("guarantee", "same"),
    [("at-most-once", "ack: on-receive"), ("at-least-once", "ack: after-success"), ("exactly-once", "idempotent: true")],
)
def test_a_guarantee_is_sugar(guarantee, same):
    def of(words):
        text = "queues: {{q: {{}}}}\nproducers: {{p: {{to: q, rate: 1/s{}}}}}\nconsumers: {{c: {{from: q, service: 2s, {}}}}}"
        return plan(text.format(", message: {dedup: identity}" if guarantee == "exactly-once" else "", words))

    assert of(f"guarantee: {guarantee}").consumers == of(same).consumers
    assert of(f"guarantee: {guarantee}").producers == of(same).producers


def test_acks_can_go_out_together():
    batched = "service: 1s, count: 3, client: {ack_batch: {size: 2, wait: 5s}}"
    rows = story(batched, "profile: sqs-standard", producer="p: {to: q, rate: 1/s, arrivals: regular, limit: 3}", seconds=20)
    assert rows.times("EFFECT") == [1, 2, 3] and rows.times("ACKED") == [6, 7, 8], "each process has a batch of its own"
    one = story(batched.replace("count: 3", "count: 1"), "profile: sqs-standard", producer=sent(3), seconds=20)
    assert one.times("ACKED")[0] == one.times("ACKED")[1] == one.times("EFFECT")[1], "two are enough"


def test_acks_of_one_instant_go_out_together_though_none_waits():
    batched = "service: 1s, concurrency: 3, poll: {batch: 3}, client: {ack_batch: {size: 3}}"
    rows = story(batched, "profile: sqs-standard", producer=sent(3), seconds=20)
    assert [row.other for row in rows.of("ACKED")] == [3, 3, 3], "one call with three acks"
    assert rows.times("ACKED") == rows.times("EFFECT") == [1.002] * 3


# --- eta --------------------------------------------------------------------------------------------------------------


def test_a_message_with_an_eta_is_held_by_the_consumer_with_its_lease_running():
    # "not before; the *consumer* gets it at once and holds it, lease running, until it is due: Celery's countdown"
    rows = story("service: 1s", producer=sent(1, 0, "eta: 5s"), seconds=9)
    assert (rows.times("RECEIVED"), rows.times("EFFECT")) == ([0], [6])
    rows = story("service: 1s, count: 2", "visibility_timeout: 3s", producer=sent(1, 0, "eta: 5s"), seconds=9)
    assert rows.times("RECEIVED")[:2] == [0, 3] and rows.times("EFFECT")[:2] == [6, 6], "its lease ended while it was held"


# --- SQS --------------------------------------------------------------------------------------------------------------


def test_a_refused_receive_is_tried_again_every_later_by_default_a_second():
    # OverLimit: one in flight at most
    limit = "profile: sqs-standard, max_in_flight: 1"
    refused = story("service: 5s, count: 2", limit, producer=sent(2), seconds=9)
    assert refused.times("REFUSED") == [5.001, 6.001, 7.001, 8.001], "the other one was served when the first acked"
    assert {row.cause for row in refused.of("REFUSED")} == {Cause.OVER_LIMIT}


def test_fifo_receives_are_token_buckets_and_a_refused_one_waits_a_second():
    # "Limits are token buckets of one second's worth, one token a call"; every call here is a receive of its own
    limits = "profile: sqs-fifo, fifo: {receive_limit: 2/s}"
    rows = story("service: 1ms, count: 4", limits, producer=sent(4, 0, "group: {keys: 4}"), seconds=1)
    assert [(row.process, row.cause) for row in rows.of("REFUSED", time=0)] == [(2, Cause.THROTTLED), (3, Cause.THROTTLED)]
    assert rows.times("RECEIVED") == [0.003, 0.003], "those that had a token waited for it"


def test_a_throttled_ack_is_made_at_the_next_token():
    limits = "profile: sqs-fifo, fifo: {receive_limit: 1/s}"
    rows = story("service: 100ms, count: 1, poll: {batch: 2}", limits, producer=sent(2, 0, "group: {keys: 1}"), seconds=9)
    done = rows.times("EFFECT")
    assert rows.times("ACKED") == pytest.approx([done[0], done[0] + 1]) and done[1] == pytest.approx(done[0] + 0.1)


def test_acks_of_one_batch_that_end_at_one_instant_are_one_call():
    limits = "profile: sqs-fifo, fifo: {receive_limit: 1/s}"
    rows = story("service: 100ms, concurrency: 3, poll: {batch: 3}", limits, producer=sent(3, 0, "group: {keys: 1}"), seconds=9)
    assert len(set(rows.times("ACKED"))) == 1 and rows.times("ACKED") == rows.times("EFFECT")


def test_from_its_third_receive_a_message_queues_at_the_back():
    # sqs-standard: "from its third receive it queues as if sent now (SQS-12)"
    steady = "p: {to: q, rate: 1/s, arrivals: regular, limit: 9, message: {poison: {first: 1}}}"
    rows = story("service: 1s, failures: {on_error: nack}", "profile: sqs-standard", producer=steady, seconds=12)
    assert [row.k for row in rows.of("RECEIVED")][:7] == [0, 0, 0, 1, 2, 0, 3], "as if sent at 3 s, just before message 3"


def test_a_waiting_receive_is_a_receive_so_a_used_up_message_is_moved_at_that_instant():
    # "where dead-lettering is lazy, a used-up message that becomes visible while one waits is moved at that instant and
    # the receive waits on; ... The move costs no receive"
    both = "queues: {q: {profile: sqs-standard, visibility_timeout: 3s, dlq: {queue: dead, max_receives: 1}}, dead: {profile: sqs-standard}}"
    rows = run(both + """
producers: {p: {to: q, rate: 0.1/s, arrivals: regular, limit: 2}}
consumers: {c: {from: q, service: 1s, failures: {error: 100%, on_error: wait-for-timeout}}}
""", seconds=12)  # fmt: skip
    assert rows.at(3) == ["LEASE_ENDED 0", "DEAD_LETTERED 0", "MOVED_IN 0"]
    assert rows.times("RECEIVED") == [0, 10] and not rows.of("EMPTY_RECEIVE"), "the receive of 1 s got the message of 10 s"


@pytest.mark.parametrize("flaws", ["{}", "{duplicate_delivery: 100%}"], ids=["plain", "what was handed out is visible again"])
@pytest.mark.parametrize("also", ["", ", poll: {batch: 10}"], ids=["one", "batch"])
def test_who_waits_for_dead_letters_is_served_at_the_instant_a_receive_moves_one_and_gets_another(also, flaws):
    # at 5 s the receive comes upon the used-up message 0, moves it, and goes on to message 1
    rows = run(f"""
queues:
  q: {{profile: sqs-standard, visibility_timeout: 4500ms, dlq: {{queue: dead, max_receives: 1}}, imperfections: {flaws}}}
  dead: {{profile: sqs-standard}}
producers: {{p: {{to: q, rate: 1/s, arrivals: regular, limit: 2}}}}
consumers:
  c: {{from: q, service: 5s, failures: {{error: 100%, on_error: wait-for-timeout}}{also}}}
  undertaker: {{from: dead, service: 1s}}
""", seconds=6)  # fmt: skip
    assert rows.at(5, "DEAD_LETTERED", "RECEIVED") == ["DEAD_LETTERED 0", "RECEIVED 1", "RECEIVED 0"]
    assert rows.times("RECEIVED", queue=1) == [5]


def through_the_buffer(monkeypatch):
    """Who asks for one at a time goes the way of who asks for several."""
    begun = Member.__init__

    def init(self, *args):
        begun(self, *args)
        self._asks_for_one = False

    monkeypatch.setattr(Member, "__init__", init)


@pytest.mark.parametrize(
    "queue, refused",
    [("profile: sqs-standard, max_in_flight: 2", "REFUSED"), ("profile: sqs-fifo, fifo: {receive_limit: 3/s}", "REFUSED"),
     ("profile: sqs-standard, imperfections: {empty_receive: 30%}", "EMPTY_RECEIVE")],
)  # fmt: skip
@pytest.mark.parametrize("poll", ["", ", poll: {every: 300ms}", ", poll: {wait: 2s}"])
def test_asking_for_one_where_it_can_be_refused_writes_the_rows_of_any_receive(queue, refused, poll, monkeypatch):
    text = f"""
queues: {{q: {{{queue}, visibility_timeout: 3s, dlq: {{queue: dead, max_receives: 2}}}}, dead: {{profile: {queue.split(",")[0][9:]}}}}}
producers: {{p: {{to: q, rate: 3/s, message: {{group: {{keys: 9}}}}}}}}
consumers: {{c: {{from: q, count: 4, service: {{exponential: {{mean: 1s}}}}, failures: {{error: 20%}}{poll}}}}}
"""
    short = run(text)
    assert short.count("RECEIVED") > 100 and short.count("DEAD_LETTERED") and len(short.of(refused)) > 10
    assert run(text, quick=False).rows == short.rows
    through_the_buffer(monkeypatch)
    assert run(text).rows == short.rows


def test_with_nobody_waiting_it_stays_visible():
    rows = run("""
queues: {q: {profile: sqs-standard, visibility_timeout: 3s, dlq: {queue: dead, max_receives: 1}}, dead: {profile: sqs-standard}}
producers: {p: {to: q, rate: 0.1/s, arrivals: regular, limit: 2}}
consumers: {c: {from: q, service: 20s}}
""", seconds=15)  # fmt: skip
    assert rows.recording.overview["q"]["visible"] == 2 and rows.left["dead"] == 0


def test_a_dead_letter_queue_can_be_consumed_and_dead_letters_can_go_round_in_a_circle():
    rows = run("""
queues: {a: {dlq: {queue: b, max_receives: 2}}, b: {dlq: {queue: a, max_receives: 1}}}
producers: {p: {to: a, rate: 1/s, arrivals: regular, limit: 1, message: {poison: 100%}}}
consumers: {x: {from: a, service: 1s}, y: {from: b, service: 2s}}
""", seconds=9)  # fmt: skip
    assert [(row.time // 10**9, row.queue, row.attempt) for row in rows.of("RECEIVED")] == [
        (0, 0, 1), (1, 0, 2), (2, 1, 1), (4, 0, 1), (5, 0, 2), (6, 1, 1), (8, 0, 1)
    ]  # fmt: skip
    assert [row.attempt for row in rows.of("ERRED") if row.consumer == 0] == [1, 2, 3, 4], "our own count is never reset"


# --- how many ---------------------------------------------------------------------------------------------------------


def test_of_fewer_those_with_the_highest_numbers_finish_what_they_have_and_leave():
    rows = story("service: 4s, count: 3", producer=sent(6), more="timeline: {less: {at: 2s, set: {consumers.c.count: 1}}}", seconds=9)
    assert [(row.process, round(row.time / 1e9)) for row in rows.of("DOWN")] == [(1, 4), (2, 4)]
    assert [row.process for row in rows.of("RECEIVED")] == [0, 1, 2, 0, 0]


def test_who_is_leaving_works_off_its_buffer_first():
    rows = story("service: 2s, count: 2, push: {prefetch: 3}", producer=sent(6), more="timeline: {less: {at: 1s, set: {consumers.c.count: 1}}}", seconds=20)
    assert rows.count("ACKED") == 6
    assert rows.times("DOWN") == [max(t for t, row in zip(rows.times("ACKED"), rows.of("ACKED"), strict=True) if row.process == 1)]


@pytest.mark.parametrize("asks", ["poll: {batch: 1}", "push: {prefetch: 2}", "concurrency: 2"])
def test_a_process_that_was_leaving_and_is_wanted_again_asks_again(asks):
    more = "timeline: {less: {at: 1s, set: {consumers.c.count: 0}}, more: {at: 2s, set: {consumers.c.count: 1}}}"
    rows = story(f"service: 5s, {asks}", producer="p: {to: q, rate: 0.4/s, arrivals: regular, limit: 4}", more=more, seconds=30)
    assert rows.count("ACKED") == 4 and not rows.of("DOWN")
    if "1" not in asks:
        assert rows.times("RECEIVED")[1] == 2.5, "its second place is free"


def test_everything_shown_runs():
    assert not scenario("queues: {q: {}}\nproducers: {p: {to: q, rate: 1/s}}\nconsumers: {c: {from: q, service: 1ms}}").problems
