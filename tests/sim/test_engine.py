"""ENGINE.md's rules 4 to 11, and how a run ends.  Rules 1 to 3 and 6 are told in test_order."""

import os
import signal
import threading
from collections import Counter
from dataclasses import fields, is_dataclass
from enum import Enum, IntEnum
from fractions import Fraction
from hashlib import sha256
from itertools import pairwise

import numpy as np
import pytest

from qsim.brokers.ideal import IDEAL
from qsim.kernel.broker import Broker
from qsim.kernel.journal import CHUNK, FIELDS, FORMATS, ROW, Journal, Kind
from qsim.sim import simulate as engine
from qsim.sim.draws import Draws
from qsim.sim.simulate import simulate
from tests.sim.runs import plan, run
from tests.sim.test_random_plans import rows_of

BUSY = """
queues: {q: {visibility_timeout: 5s, dlq: {queue: dead, max_receives: 3}}, dead: {}}
producers: {p: {to: q, rate: 5/s, message: {poison: 2%}}}
consumers: {c: {from: q, count: 3, service: {exponential: {mean: 300ms}}, failures: {error: 10%, crash: 1%}}}
timeline: {slow: {at: 20s, for: 10s, set: {consumers.c.service: 1s}}, back: {at: 60s, redrive: {from: dead, to: q}}}
"""


# --- rule 4: choices are resolved once ----------------------------------------------------------------------------------


def leaves(value):
    if is_dataclass(value):
        for field in fields(value):
            yield from leaves(getattr(value, field.name))
    elif isinstance(value, tuple):
        for item in value:
            yield from leaves(item)
    else:
        yield value


def test_every_choice_is_a_field_of_the_plan_and_nothing_in_it_is_left_to_be_read():
    # "Enums are ints, names are indices, times are ints, shares are tuples of thresholds"
    for leaf in leaves(plan(BUSY)):
        assert leaf is None or isinstance(leaf, int | float | str | Fraction), leaf
        assert not isinstance(leaf, Enum) or isinstance(leaf, IntEnum)


def test_a_plan_is_frozen_so_no_run_can_change_the_next():
    once = plan(BUSY)
    first = simulate(once).digest
    assert simulate(once, seed=2).digest != first and simulate(once).digest == first
    with pytest.raises(AttributeError):
        once.seed = 2


# --- rule 5: receipts -------------------------------------------------------------------------------------------------


def test_a_receipt_is_a_number_and_good_only_while_the_message_carries_it():
    broker = Broker({"q": IDEAL})
    broker.send(0, "q")
    [first] = broker.receive(0, "q", 1)
    broker.nack(1, first)
    [second] = broker.receive(1, "q", 2)
    assert isinstance(first.receipt, int) and first.receipt < second.receipt == second.message.receipt
    assert broker.ack(2, first) and not broker.ack(2, second), "a delivery holds (message, receipt)"


# --- rules 7 to 9: luck -------------------------------------------------------------------------------------------------


class Asked(Draws):
    """Remembers which attempts were asked for."""

    def __init__(self, *args):
        super().__init__(*args)
        self.attempts = []

    def attempt(self, consumer, message, turn):
        self.attempts.append((message, turn))
        return super().attempt(consumer, message, turn)


def test_the_luck_of_an_attempt_belongs_to_message_and_turn_and_is_asked_once():
    # "`turn` is the simulator's own count of the message's work starts at this consumer, never reset"
    of = plan(BUSY)
    luck = Asked(of, 1, 1)
    simulate(of, draws=luck)
    assert len(luck.attempts) == len(set(luck.attempts))
    turns = {}
    for message, turn in luck.attempts:
        assert turn == turns.get(message, 0) + 1, "over dead-lettering and redrive too"
        turns[message] = turn
    assert max(turns.values()) > 3


def test_a_delivery_that_is_not_begun_does_not_count():
    # DESIGN.md 7; a crash takes the buffer too, and what was in it has its first turn later
    rows = run("""
        queues: {q: {}}
        producers: {p: {to: q, rate: 100/s, arrivals: regular, limit: 3}}
        consumers: {c: {from: q, service: 2s, push: {prefetch: 3}}}
        timeline: {boom: {at: 1s, crash: {consumer: c, count: 1}}}
    """)  # fmt: skip
    assert [(row.k, row.attempt) for row in rows.of("STARTED")] == [(0, 1), (0, 2), (1, 1), (2, 1)]
    assert [row.attempt for row in rows.of("RECEIVED", k=1)] == [1, 2], "the broker counts deliveries"


def test_a_held_message_has_not_begun():
    rows = run("""
        queues: {q: {}}
        producers: {p: {to: q, rate: 1/s, arrivals: regular, limit: 1, message: {eta: 5s}}}
        consumers: {c: {from: q, service: 2s}}
        timeline: {boom: {at: 1s, crash: {consumer: c, count: 1}}}
    """)  # fmt: skip
    assert [row.attempt for row in rows.of("EFFECT")] == [1] and rows.times("EFFECT") == [7]


def test_same_seed_same_luck_whatever_else_is_changed():
    # SCENARIO.md rule 7: "message 17's second attempt takes 0.83 s in every variant"
    def services(sets=()):
        of = plan(BUSY.split("timeline")[0], sets=sets)
        luck = Asked(of, 1, 1)
        simulate(of, draws=luck)
        return {asked: luck.attempt(of.consumers[0], *asked) for asked in set(luck.attempts)}

    base, other = services(), services(["queues.q.visibility_timeout=200ms", "consumers.c.count=9"])
    both = base.keys() & other.keys()
    assert len(both) > 300 and all(base[asked] == other[asked] for asked in both)


def test_another_seed_or_replication_is_another_run():
    digests = {simulate(plan(BUSY), seed, replication).digest for seed in (1, 2) for replication in (1, 2)}
    assert len(digests) == 4


def test_engines_compare_and_add_they_never_sample():
    # whole nanoseconds out of luck, and nothing else in the rows
    of = plan(BUSY)
    luck = Draws(of, 1, 1)
    assert {type(value) for value in luck.attempt(of.consumers[0], 0, 1)} == {int, float}
    assert all(isinstance(value, int) for row in rows_of(simulate(of)) for value in row)


# --- rules 10 and 11: rows ----------------------------------------------------------------------------------------------


def test_a_row_is_32_packed_bytes():
    assert ROW.size == 32 == np.dtype(list(zip(FIELDS, FORMATS, strict=True))).itemsize
    journal = Journal()
    journal.write(-2, 5 << 40 | 7, 3 << 20 | 1, 4, 6, Kind.RECEIVED, 2, -9)
    raw = bytes(journal.rows)
    assert raw.hex() == (
        "feffffffffffffff" "0700000000050000" "01003000" "04000000" "0600" "0e" "02" "f7ffffff"
    )  # fmt: skip


def test_what_numpy_reads_is_what_was_written():
    recording = simulate(plan(BUSY))
    rows = rows_of(recording)
    assert [tuple(row) for row in recording.rows().tolist()] == rows
    assert rows_of(recording) == rows, "also after numpy has joined the chunks"


def test_the_digest_is_sha256_of_the_rows_wherever_a_chunk_ends():
    recording = simulate(plan(BUSY))
    before, raw = recording.digest, b"".join(recording.chunks)
    assert before == sha256(raw).hexdigest()
    assert len(raw) < CHUNK
    recording.chunks = [raw[:320], raw[320:]]
    recording.rows()
    assert recording.digest == before


def test_a_long_run_is_handed_on_in_chunks():
    recording = simulate(plan("queues: {q: {}}\nproducers: {p: {to: q, rate: 1000/s}}\nconsumers: {c: {from: q, service: 1ms}}", seconds=20))
    assert len(recording.chunks) > 2 and all(len(chunk) >= CHUNK for chunk in recording.chunks[:-1])
    assert all(a <= b for a, b in pairwise(recording.rows()["time"].tolist()))


def test_the_journal_is_the_only_output():
    # no callback and no counter beside it: what the broker has at the end is what the rows tell (checked by ``run``)
    rows = run(BUSY)
    there = rows.count("ACCEPTED", queue=0) + rows.count("MOVED_IN", queue=0)
    gone = rows.count("ACKED", queue=0) + rows.count("DEAD_LETTERED", queue=0)
    assert rows.left["q"] == there - gone


# --- quick consumers ----------------------------------------------------------------------------------------------------

PLAIN = "queues: {q: {}}\nproducers: {p: {to: q, rate: 9/s}}\nconsumers: {c: {from: q, count: 2, service: {exponential: {mean: 200ms}}%s}}\n"


@pytest.mark.parametrize(
    "also",
    ["", "timeline: {now: {at: 10s, set: {consumers.c.failures.error: 50%}}}", "timeline: {now: {at: 10s, fix_poison: true}}",
     "timeline: {now: {at: 10s, set: {consumers.c.failures.crash: 20%}}}", "timeline: {now: {at: 10s, set: {consumers.c.service: 1s}}}",
     "alerts: {a: {when: q.visible, above: 3}}", "timeline: {now: {at: 10s, purge: q}}"],
)  # fmt: skip
@pytest.mark.parametrize("consumer", ["", ", failures: {error: 10%}", ", poll: {wait: 50ms}"])
def test_a_callback_writes_the_rows_of_a_process(consumer, also):
    of = plan(PLAIN % consumer + also)
    assert simulate(of).digest == simulate(of, quick=False).digest


def test_callbacks_and_processes_wait_in_file_order_at_one_queue():
    # the first is a process, for it can crash; the second a callback
    of = plan(PLAIN % ", failures: {crash: 1%}", sets=["consumers.b={from: q, service: 100ms}"])
    assert simulate(of).digest == simulate(of, quick=False).digest


# --- how a run ends -----------------------------------------------------------------------------------------------------


def test_progress_is_told_now_and_then():
    told = []
    simulate(plan(PLAIN % "", seconds=4_000), progress=told.append)
    assert told and all(a.now <= b.now and a.messages <= b.messages for a, b in pairwise(told))
    assert told[-1].until == 4_000 * 10**9


def test_an_interrupted_run_keeps_what_it_has():
    def stop(_):
        raise KeyboardInterrupt

    recording = simulate(plan(PLAIN % "", seconds=100_000), progress=stop)
    assert recording.stopped == "interrupted" and 0 < recording.ended < 100_000 * 10**9


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer that interrupts")
def test_ctrl_c_in_the_middle_leaves_books_in_order():
    # wherever it strikes: the run goes on to the end of the event, and ``run`` checks that nothing is lost
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    rows = run(PLAIN % ", failures: {crash: 1%}", seconds=10_000_000)
    assert rows.recording.stopped == "interrupted"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_run_stops_when_memory_runs_out_and_has_what_it_had(monkeypatch):
    monkeypatch.setattr(engine, "bytes_left", lambda rows: -1)
    # a producer alone: no event comes between its sends
    text = "queues: {q: {}}\nproducers: {p: {to: q, rate: 1000/s, arrivals: regular}}\nconsumers: {c: {from: q, service: 1s, count: 0}}"
    recording = simulate(plan(text, seconds=3000))
    assert recording.stopped == "memory" and 0 < recording.ended < 3000 * 10**9


def test_a_run_leaves_no_trace_behind():
    # no global state: runs side by side in threads are as runs alone
    expected, got = simulate(plan(BUSY)).digest, []
    threads = [threading.Thread(target=lambda: got.append(simulate(plan(BUSY)).digest)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [expected] * 3


def test_two_queues_that_dead_letter_into_each_other_do_not_ask_in_turn_for_ever():
    """In both a consumer waits, and what is visible is of a group at work: nothing can be handed out, nothing moves."""
    text = """
        queues: {a: {profile: sqs-fifo, dlq: {queue: b, max_receives: 3}}, b: {profile: sqs-fifo, dlq: {queue: a, max_receives: 3}}}
        producers:
          p: {to: a, rate: 1/s, arrivals: regular, limit: 3, message: {group: {keys: 1}}}
          q: {to: b, rate: 1/s, arrivals: regular, limit: 3, message: {group: {keys: 1}}}
        consumers:
          c: {from: a, count: 2, service: 5s, poll: {wait: 20s}}
          d: {from: b, count: 2, service: 5s, poll: {wait: 20s}}
    """
    seen = Counter()

    def stands_still(progress):
        seen[progress.now] += 1
        assert seen[progress.now] < 40, "time stands still"

    assert run(text, 60, progress=stands_still).count("EFFECT") == 6
