"""Who comes first at one instant (SCENARIO.md rule 6, ENGINE.md rules 1 to 3).

Every scenario here makes two kinds of things happen at the same second, and asks in which order they were done.
"""

from itertools import pairwise

import pytest

from qsim.kernel.journal import Kind
from qsim.sim.simulate import EndlessInstant
from qsim.sim.slots import ACKS, FLUSH, HEARTBEAT, POLL, RESTART, RETRY, SEND, WORK, slots_of
from tests.sim.runs import plan, run

# --- rule 1: slots ----------------------------------------------------------------------------------------------------


def test_everything_that_can_happen_has_a_slot_of_its_own_in_the_order_of_kinds():
    # ENGINE.md 1: timeline; each process x parallel message: end of work, heartbeat, (acks,) restart, poll; each queue's
    # leases; its delays; each producer's sends; each queue's receives; observers
    of = plan("""
        queues: {a: {}, b: {}}
        producers: {p: {to: a, rate: 1/s, count: 2}, o: {to: b, rate: 1/s}}
        consumers: {c: {from: a, service: 1s, count: 2, concurrency: 2}, d: {from: b, service: 1s}}
        timeline: {one: {at: 1s, purge: a}, two: {at: 1s, purge: b}}
        alerts: {full: {when: a.visible, above: 1}}
    """)
    slots = slots_of(of)
    processes = [(0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 1), (1, 0, 0)]
    in_order = [slots.timeline, slots.timeline + 1]
    in_order += [slots.work(*process, what) for process in processes for what in (WORK, HEARTBEAT, ACKS, RESTART, POLL)]
    in_order += [slots.leases, slots.leases + 1, slots.timers, slots.timers + 1]
    in_order += [slots.send(producer, what) for producer in range(3) for what in (SEND, FLUSH, RETRY)]
    in_order += [slots.receives, slots.receives + 1, slots.observers, slots.autoscalers]
    assert all(earlier < later for earlier, later in pairwise(in_order))


def test_the_greatest_number_of_processes_is_resolved_with_the_scenario():
    # ENGINE.md 1: "The greatest number of processes (autoscale.max, timeline, --set)"
    text = """
        queues: {q: {}}
        producers: {p: {to: q, rate: 1/s}}
        consumers: {c: {from: q, service: 1s}}
        timeline: {more: {at: 1s, set: {consumers.c.count: 7}}}
    """
    assert plan(text).consumers[0].most == 7
    assert plan(text, sets=["consumers.c.count=9"]).consumers[0].most == 9
    alert = "\n        alerts: {deep: {when: q.visible, above: 1, do: {set: {consumers.c.count: 12}}}}"
    assert plan(text.rstrip() + alert).consumers[0].most == 12
    scaled = plan("""
        queues: {q: {}}
        producers: {p: {to: q, rate: 1/s}}
        consumers: {c: {from: q, service: 1s, count: 99, autoscale: {policy: keda, max: 20, min: 3}}}
    """).consumers[0]
    assert (scaled.count, scaled.most) == (20, 20), "it begins within the bounds"


TIES = {
    "timeline before the end of work": (
        """
        queues: {q: {}}
        producers: {p: {to: q, rate: 1/s, arrivals: regular, limit: 1}}
        consumers: {c: {from: q, service: 3s}}
        timeline: {clean: {at: 3s, purge: q}}
        """,
        3, ["CONTROL", "PURGED 0", "EFFECT 0", "STALE 0"],
    ),
    "the end of work before the end of the lease": (
        """
        queues: {q: {visibility_timeout: 3s}}
        producers: {p: {to: q, rate: 1/s, arrivals: regular, limit: 1}}
        consumers: {c: {from: q, service: 3s}}
        """,
        3, ["EFFECT 0", "ACKED 0"],
    ),
    "a heartbeat before the end of the lease": (
        """
        queues: {q: {visibility_timeout: 2s}}
        producers: {p: {to: q, rate: 1/s, arrivals: regular, limit: 1}}
        consumers: {c: {from: q, service: 5s, heartbeat: {every: 2s}}}
        """,
        2, ["EXTENDED 0"],
    ),
    "the end of work before a heartbeat": (
        """
        queues: {q: {visibility_timeout: 5s}}
        producers: {p: {to: q, rate: 1/s, arrivals: regular, limit: 1}}
        consumers: {c: {from: q, service: 2s, heartbeat: {every: 2s}}}
        """,
        2, ["EFFECT 0", "ACKED 0"],
    ),
    "one process after the other, whoever began first": (
        """
        queues: {q: {delay: 1s}}
        producers: {p: {to: q, arrivals: {mix: [{share: 100%, time: 1s}]}, limit: 2}}
        consumers: {late: {from: q, service: 1s, poll: {wait: 1s}}, early: {from: q, service: 2s}}
        """,
        4, ["EFFECT 1", "ACKED 1", "EFFECT 0", "ACKED 0"],
    ),
    "the lease of one message before the delay of another": (
        """
        queues: {q: {visibility_timeout: 2s}}
        producers:
          now: {to: q, rate: 1/s, arrivals: regular, limit: 1}
          later: {to: q, rate: 1/s, arrivals: regular, limit: 1, message: {delay: 2s}}
        consumers: {c: {from: q, service: 9s}}
        """,
        2, ["LEASE_ENDED 0", "VISIBLE 0"],
    ),
    "a delay that ends before a send": (
        """
        queues: {q: {delay: 2s}}
        producers: {p: {to: q, rate: 0.5/s, arrivals: regular, limit: 2}}
        consumers: {c: {from: q, service: 9s}}
        """,
        2, ["VISIBLE 0", "SENT 1", "ACCEPTED 1", "RECEIVED 0"],
    ),
    "a send before a receive": (
        """
        queues: {q: {order: lifo}}
        producers: {p: {to: q, rate: 1/s, arrivals: regular, limit: 3}}
        consumers: {c: {from: q, service: 2s}}
        """,
        2, ["EFFECT 0", "ACKED 0", "SENT 2", "ACCEPTED 2", "RECEIVED 2"],
    ),
    "a receive before an alert": (
        """
        queues: {q: {}}
        producers: {p: {to: q, rate: 1/s, arrivals: regular, start: 5s, limit: 1}}
        consumers: {c: {from: q, service: 2s}}
        alerts: {work: {when: q.in_flight, above: 0}}
        """,
        5, ["SENT 0", "ACCEPTED 0", "RECEIVED 0", "FIRED"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("tie", TIES)
def test_at_one_instant(tie):
    # rule 6: timeline; consumers, process by process (end of work, heartbeat, crash, restart); leases; delays; sends;
    # receives; observers
    text, second, expected = TIES[tie]
    assert run(text, seconds=20).at(second) == expected


def test_a_crash_comes_before_the_lease_and_a_restart_before_a_send():
    rows = run("""
        queues: {q: {visibility_timeout: 4s}}
        producers: {p: {to: q, arrivals: {mix: [{share: 100%, time: 2s}]}, limit: 3}}
        consumers: {c: {from: q, service: 4s, failures: {crash: 100%, crash_at: before-ack, restart_after: 2s}}}
    """, seconds=9)  # fmt: skip
    assert rows.at(6) == ["EFFECT 0", "INTERRUPTED 0", "DOWN", "RETURNED 0", "SENT 2", "ACCEPTED 2"]
    assert rows.at(8)[0] == "UP"


# --- rule 2: instants -------------------------------------------------------------------------------------------------


def test_equal_deadlines_go_in_the_order_in_which_they_were_armed():
    # ENGINE.md 2; message 1 was leased before message 0 came back a second time
    rows = run("""
        queues: {q: {visibility_timeout: 3s, order: lifo}}
        producers: {p: {to: q, rate: 1/s, arrivals: regular, limit: 4, batch: {size: 4, max_wait: 9s}}}
        consumers: {c: {from: q, service: 50s, count: 4}}
    """, seconds=20)  # fmt: skip
    assert rows.at(3, "RECEIVED") == ["RECEIVED 3", "RECEIVED 2", "RECEIVED 1", "RECEIVED 0"]
    assert rows.at(6) == ["LEASE_ENDED 3", "LEASE_ENDED 2", "LEASE_ENDED 1", "LEASE_ENDED 0"]


@pytest.mark.parametrize("crew", ["service: 0s", "service: 0s, idempotent: true", "service: 0s, ack: on-receive"])
def test_a_receive_serves_one_consumer_and_work_of_no_length_ends_before_the_next(crew):
    # ENGINE.md 2: "it serves one consumer, then the least (time, slot) is taken again"
    rows = run(f"""
        queues: {{q: {{}}}}
        producers: {{p: {{to: q, rate: 1/s, arrivals: regular, limit: 3, batch: {{size: 3, max_wait: 9s}}}}}}
        consumers: {{c: {{from: q, count: 3, {crew}}}}}
    """, seconds=9)  # fmt: skip
    order = ["RECEIVED", "ACKED", "EFFECT"] if "on-receive" in crew else ["RECEIVED", "EFFECT", "ACKED"]
    assert rows.at(2, *order) == [f"{kind} {k}" for k in range(3) for kind in order]
    assert [row.process for row in rows.of("RECEIVED")] == [0, 1, 2]


def test_a_pushed_message_is_a_receive_too():
    rows = run("""
        queues: {q: {}}
        producers: {p: {to: q, rate: 1/s, arrivals: regular, limit: 4, batch: {size: 4, max_wait: 9s}}}
        consumers: {c: {from: q, count: 2, service: 0s, push: {prefetch: 1}}}
    """, seconds=9)  # fmt: skip
    assert rows.at(3, "RECEIVED", "ACKED") == [f"{kind} {k}" for k in range(4) for kind in ("RECEIVED", "ACKED")]
    assert [row.process for row in rows.of("RECEIVED")] == [0, 1, 0, 1], "who was served goes to the end of the ring"


def test_a_consumer_that_acks_and_asks_again_asks_after_that_instants_sends():
    # rule 6, last sentence: process 1 has waited since before, process 0 asks anew at 1 s
    rows = run("""
        queues: {q: {}}
        producers: {p: {to: q, rate: 1/s, arrivals: regular, limit: 2}}
        consumers: {c: {from: q, count: 2, service: 1s}}
    """, seconds=9)  # fmt: skip
    assert rows.at(1) == ["EFFECT 0", "ACKED 0", "SENT 1", "ACCEPTED 1", "RECEIVED 1"]
    assert [row.process for row in rows.of("RECEIVED")] == [0, 1]


def test_one_producers_sends_of_one_instant_all_come_before_the_receive():
    # three tries are due at 3 s; the newest of all is received first
    rows = run("""
        queues: {q: {order: lifo, imperfections: {lose_send: 60%}}}
        producers:
          p: {to: q, rate: 1/s, arrivals: regular, limit: 9, on_reject: {backoff: none, attempts: 3}, timeout: 2s}
        consumers: {c: {from: q, service: 100ms}}
    """, seconds=30, seed=3)  # fmt: skip
    crowded = [t for t in range(30) if len(rows.at(t, "SENT")) > 2]
    assert crowded
    for second in range(30):
        kinds = [text.split()[0] for text in rows.at(second, "SENT", "RECEIVED")]
        assert kinds == sorted(kinds, reverse=True), "every send first"


# --- rule 3: alarms ---------------------------------------------------------------------------------------------------


def test_an_alarm_that_finds_nothing_writes_nothing():
    # ENGINE.md 3: the lease's alarm is armed for 5 s; the message is acked at 1 s
    rows = run("""
        queues: {q: {visibility_timeout: 5s}}
        producers: {p: {to: q, rate: 1/s, arrivals: regular, limit: 1}}
        consumers: {c: {from: q, service: 1s}}
    """, seconds=20)  # fmt: skip
    assert max(row.time for row in rows.rows) == rows.of("ACKED")[0].time


def test_alarms_are_never_late():
    # a shorter lease is armed while a longer one stands, then a longer one again
    rows = run("""
        queues: {q: {visibility_timeout: 50s}}
        producers: {p: {to: q, rate: 1/s, arrivals: regular, limit: 3}}
        consumers: {c: {from: q, service: 90s, count: 3}}
        timeline:
          short: {at: 500ms, set: {queues.q.visibility_timeout: 4s}}
          long: {at: 1500ms, set: {queues.q.visibility_timeout: 30s}}
    """, seconds=60)  # fmt: skip
    assert rows.times("LEASE_ENDED") == [5.0, 32.0, 50.0]


def test_a_lease_that_begins_at_the_end_of_work_ends_in_time():
    # message 1 waits; it is received at 1 s with nothing else at that instant, under a shorter lease than the armed one
    rows = run("""
        queues: {q: {visibility_timeout: 50s}}
        producers: {p: {to: q, rate: 10/s, arrivals: regular, limit: 2}}
        consumers: {c: {from: q, service: 1s}}
        timeline: {short: {at: 500ms, set: {queues.q.visibility_timeout: 3s, consumers.c.service: 9s}}}
    """, seconds=9)  # fmt: skip
    assert rows.times("LEASE_ENDED") == [4]


def test_every_wait_ends_in_its_time_though_others_are_served_at_that_instant():
    # two long polls of 5 s, begun at 0 and at 1: what comes at 5 s serves the first, and the other still ends at 6
    rows = run("""
        queues: {q: {}, other: {}}
        producers:
          first: {to: q, rate: 1/s, arrivals: regular, limit: 1}
          last: {to: q, rate: 1/s, arrivals: regular, limit: 1, start: 5s}
          aside: {to: other, rate: 1/s, arrivals: regular, limit: 9}
        consumers:
          c: {from: q, count: 3, service: 1s, poll: {wait: 5s, every: 20s}}
          noise: {from: other, service: 1s}
    """, seconds=19)  # fmt: skip
    assert [(row.time // 10**9, row.process) for row in rows.of("EMPTY_RECEIVE")] == [(5, 2), (6, 0), (11, 1)]


# --- rule 6: what goes on for ever ------------------------------------------------------------------------------------


def test_an_endless_instant_is_an_error_that_names_consumer_and_queue(monkeypatch):
    monkeypatch.setattr("qsim.sim.simulate.SPINNING", 1 << 16)
    # ENGINE.md 6: "Zero service with an immediate nack ... loops for ever at one instant: an error that names both"
    text = """
        queues: {orders: {}}
        producers: {p: {to: orders, rate: 1/s, arrivals: regular, start: 3s, message: {poison: 100%}}}
        consumers: {worker: {from: orders, service: {mix: [{share: 100%, time: 0s}]}}}
    """
    with pytest.raises(EndlessInstant, match=r"at 3s consumer 'worker' and queue 'orders' go on for ever"):
        run(text)


def test_a_long_instant_is_not_an_endless_one():
    rows = run("""
        queues: {q: {}}
        producers: {p: {to: q, rate: 1000/s, arrivals: regular, limit: 2000}}
        consumers: {c: {from: q, service: 0s, count: 0}}
        timeline: {now: {at: 5s, set: {consumers.c.count: 1}}}
    """, seconds=9)  # fmt: skip
    assert rows.times("ACKED") == [5.0] * 2000
    assert Kind.EMPTY_RECEIVE not in {row.kind for row in rows.rows}
