"""Redis queues in a run: what a crash takes, what a reaper or a claim brings back, and when (RED-n: the broker's rules)."""

import pytest

from qsim.scenario import load
from qsim.scenario.show import show
from tests.sim.runs import plan, run

ONE = "p: {to: q, rate: 1/s, arrivals: regular, limit: 1}"
CRASH = "timeline: {accident: {at: 1s, crash: {consumer: c, count: 1}}}"


def story(queue, consumers, producer=ONE, more=CRASH, **how):
    return run(
        f"queues: {{q: {{{queue}}}, dead: {{profile: redis-stream}}}}\nproducers: {{{producer}}}\nconsumers: {{{consumers}}}\n{more}\n",
        **how,
    )


def life(rows, k=0):
    return rows.life(k)[2:]


STREAM, LIST = "profile: redis-stream", "profile: redis-list"
SLOW = "service: 5s, failures: {restart_after: 10s}"
REAPED = f"{LIST}, broker: {{reliable: true, reaper: {{every: 4s, older_than: 6s}}}}"


# --- lists -------------------------------------------------------------------------------------------------------


def test_a_crash_takes_what_was_popped():  # RED-1
    rows = story(LIST, f"c: {{from: q, {SLOW}}}")
    assert life(rows) == [(0, "RECEIVED"), (1, "INTERRUPTED"), (1, "VANISHED")]


def test_with_a_processing_list_it_stays_there():  # RED-2
    rows = story(f"{LIST}, broker: {{reliable: true}}", f"c: {{from: q, {SLOW}}}")
    assert life(rows) == [(0, "RECEIVED"), (1, "INTERRUPTED")] and rows.left["q"] == 1


def test_until_a_reaper_comes_by_and_it_is_old_enough():  # RED-2: at 4 s it is too young, at 8 s it is 8 s old
    rows = story(REAPED, f"c: {{from: q, {SLOW}}}, other: {{from: q, service: 1s}}")
    assert life(rows)[2:] == [(8, "LEASE_ENDED"), (8, "RECEIVED"), (9, "EFFECT"), (9, "ACKED")]


def test_a_reaper_takes_back_what_is_still_worked_on():  # RED-2: it cannot know; LREM then finds nothing
    rows = story(REAPED, "c: {from: q, service: 20s}, other: {from: q, service: 1s}", more="")
    assert rows.times("EFFECT") == [9, 20]
    assert [name for _, name in life(rows)][-1] == "STALE"


@pytest.mark.parametrize(("to", "order"), [("head", [0, 1, 2]), ("tail", [1, 2, 0])])
def test_the_reaper_puts_it_first_or_last(to, order):  # RED-2
    queue = f"{LIST}, broker: {{reliable: true, reaper: {{every: 8s, older_than: 8s, to: {to}}}}}"
    three = "p: {to: q, rate: 1000/s, arrivals: regular, limit: 3}"
    rows = story(queue, "c: {from: q, service: 5s, failures: {restart_after: 8s}}", three)
    assert [row.k for row in rows.of("EFFECT")] == order


def test_who_takes_from_the_tail_gets_the_newest_first():  # RED-1
    rows = story(LIST, "c: {from: q, service: 5s, client: {side: tail}}", "p: {to: q, rate: 1/s, arrivals: regular, limit: 4}", "")
    assert [row.k for row in rows.of("RECEIVED")] == [0, 3, 2, 1]


def test_an_error_after_a_plain_pop_loses_the_message():  # RED-3: nothing can be given back
    rows = story(LIST, "c: {from: q, service: 1s, failures: {error: 100%}}", more="")
    assert [name for _, name in life(rows)] == ["RECEIVED", "ERRED", "VANISHED"]


# --- streams -----------------------------------------------------------------------------------------------------


def test_after_a_restart_a_process_reads_its_own_history():  # RED-14
    rows = story(STREAM, f"c: {{from: q, {SLOW}}}")
    assert life(rows) == [
        (0, "RECEIVED"), (1, "INTERRUPTED"), (11, "RETURNED"), (11, "RECEIVED"), (16, "EFFECT"), (16, "ACKED"),
    ]  # fmt: skip
    assert [row.attempt for row in rows.of("RECEIVED")] == [1, 2], "reading history counts (RED-8)"


def test_or_another_process_claims_it_when_it_has_been_idle_for_long_enough():  # RED-10
    dies = "c: {from: q, service: 5s, failures: {restart_after: 90s}}"
    rows = story(STREAM, f"{dies}, other: {{from: q, service: 2s, client: {{min_idle: 7s, claim_every: 2s}}}}")
    assert life(rows)[2:] == [(8, "LEASE_ENDED"), (8, "RECEIVED"), (10, "EFFECT"), (10, "ACKED")]


def test_min_idle_shorter_than_the_work_means_work_done_twice():  # RED-10, RED-9: the late ack deletes, the other finds nothing
    others = "other: {from: q, service: 1s, client: {min_idle: 3s}}"
    rows = story(STREAM, f"c: {{from: q, service: 10s}}, {others}", more="")
    assert rows.times("EFFECT") == [4, 10]
    assert [name for _, name in life(rows)][-3:] == ["ACKED", "EFFECT", "STALE"]


def test_a_heartbeat_keeps_others_from_claiming():  # RED-12
    beats = "c: {from: q, service: 10s, heartbeat: {every: 2s}}"
    rows = story(STREAM, f"{beats}, other: {{from: q, service: 1s, client: {{min_idle: 3s, claim_every: 1s}}}}", more="")
    assert rows.times("EFFECT") == [10] and rows.count("EXTENDED") == 4


def test_without_acks_a_crash_loses_what_was_read():  # RED-7
    rows = story(STREAM, f"c: {{from: q, {SLOW}, client: {{noack: true}}}}")
    assert life(rows) == [(0, "RECEIVED"), (0, "ACKED"), (1, "INTERRUPTED")]


def test_consumers_of_one_group_compete_and_of_two_both_get_everything():  # RED-7
    two = "p: {to: q, rate: 1/s, arrivals: regular, limit: 4}"
    readers = "c: {from: q, service: 1500ms}, d: {from: q, service: 1500ms}, mail: {from: q, service: 1ms, client: {group: mail}}"
    rows = story(STREAM, readers, two, more="")
    effects = {consumer: [row.k for row in rows.of("EFFECT", consumer=consumer)] for consumer in range(3)}
    assert effects == {0: [0, 2], 1: [1, 3], 2: [0, 1, 2, 3]}
    assert [queue.name for queue in rows.recording.plan.queues] == ["q", "dead", "q-mail"]


def test_who_waits_in_another_group_is_served_at_the_same_instant():  # RED-7
    rows = story(STREAM, "c: {from: q, service: 1s}, mail: {from: q, service: 1s, client: {group: mail}}", more="")
    assert rows.times("RECEIVED") == [0, 0]


def test_a_stream_with_a_length_forgets_the_oldest():  # RED-6
    five = "p: {to: q, rate: 1000/s, arrivals: regular, limit: 5}"
    rows = story(f"{STREAM}, broker: {{maxlen: 2}}", "c: {from: q, service: 1s}", five, "")
    assert [row.k for row in rows.of("VANISHED")] == [1, 2]
    assert [row.k for row in rows.of("EFFECT")] == [0, 3, 4]


def test_dead_letters_are_the_applications_job():  # RED-13
    fails = "c: {from: q, service: 1s, client: {min_idle: 5s}, failures: {error: 100%}, retry: {attempts: 2}}"
    rows = story(f"{STREAM}, dlq: {{queue: dead}}", fails, more="")
    assert [name for _, name in life(rows)] == [
        "RECEIVED", "ERRED", "LEASE_ENDED", "RECEIVED", "ERRED", "NACKED", "DEAD_LETTERED", "MOVED_IN",
    ]  # fmt: skip
    assert rows.left["dead"] == 1


# --- the file ----------------------------------------------------------------------------------------------------

FULL = """
qsim: 1
name: full
run: {duration: 1m}
queues:
  q: {profile: redis-stream, broker: {maxlen: 100}}
  l: {profile: redis-list, broker: {reliable: true, reaper: {to: tail}}}
producers: {p: {to: q, rate: 5/s}, r: {to: l, rate: 1/s}}
consumers:
  c: {from: q, count: 2, service: {exponential: {mean: 300ms}}, failures: {crash: 5%, restart_after: 5s}}
  mail: {from: q, service: 10ms, client: {group: mail, min_idle: 20s}}
  stack: {from: l, service: 1s, client: {side: tail}}
expect: [{that: q-mail.acked total, at_least: 1}, {that: q.acked total, at_least: 1}]
"""


def test_what_show_prints_is_the_same_plan():
    loaded = load.read(text=FULL)
    again = load.read(text=show(loaded))
    assert again.plan == loaded.plan


@pytest.mark.parametrize("seed", range(5))
def test_the_books_are_in_order(seed):
    run(FULL.replace("qsim: 1\nname: full\n", ""), seed=seed)


def test_defaults_are_the_profiles():
    consumer = plan(FULL.replace("qsim: 1\nname: full\n", "")).consumers[0]
    assert (consumer.recovery.min_idle, consumer.recovery.every) == (60 * 10**9, 60 * 10**9)
