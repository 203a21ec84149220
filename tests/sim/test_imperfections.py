"""What brokers and networks get wrong, by shares (SCENARIO.md, queues: imperfections; section "What exactly happens")."""

from qsim.units import SECOND
from tests.sim.runs import run


def story(flaws, producer="rate: 1/s, arrivals: regular, limit: 50", consumer="service: 10ms", queue="", **how):
    return run(
        f"""
queues: {{q: {{imperfections: {{{flaws}}}, {queue}}}}}
producers: {{p: {{to: q, {producer}}}}}
consumers: {{c: {{from: q, {consumer}}}}}
""",
        **how,
    )


RETRY = "on_reject: {backoff: fixed, first: 500ms, attempts: 3}, timeout: 2s, message: {dedup: identity}"


def test_a_lost_send_never_arrives_and_is_tried_again_after_the_timeout_with_the_same_identity():
    # "`lose_send`: the request never arrives ... retried by the producer's retry policy after its `timeout`, same identity"
    rows = story("lose_send: 30%", f"rate: 0.1/s, arrivals: regular, limit: 9, {RETRY}")
    lost = rows.of("LOST_SEND", attempt=1)
    assert 0 < len(lost) < 9
    for row in lost:
        second = row.time / SECOND
        assert rows.times("TIMED_OUT", k=row.k)[0] == second + 2
        assert rows.times("SENT", k=row.k)[1] == second + 2.5
    assert len({row.k for row in rows.of("ACKED")}) == rows.count("ACKED"), "each arrives once at most"


def test_without_a_retry_policy_a_lost_send_is_lost():
    rows = story("lose_send: 50%")
    assert rows.count("LOST_SEND") + rows.count("ACCEPTED") == rows.count("SENT") == 50
    assert rows.count("TIMED_OUT") == rows.count("LOST_SEND") > 10


def test_a_lost_reply_was_accepted_so_the_retry_is_a_duplicate():
    # "`lose_reply`: accepted, but the producer does not hear it"
    rows = story("lose_reply: 40%", f"rate: 0.1/s, arrivals: regular, limit: 9, {RETRY}")
    assert rows.count("ACCEPTED") == 9 and rows.count("SUPPRESSED") == rows.count("SENT") - 9 > 0
    twice = story("lose_reply: 40%", f"rate: 0.1/s, arrivals: regular, limit: 9, {RETRY.replace(', message: {dedup: identity}', '')}")
    assert twice.count("ACCEPTED") == twice.count("SENT") > 9, "without deduplication it is a second message"


def test_a_batch_is_lost_or_unheard_as_a_whole_by_its_first_messages_luck():
    rows = story("lose_send: 50%", "rate: 3/s, arrivals: regular, limit: 30, batch: {size: 3, max_wait: 1s}")
    lost = [row.k for row in rows.of("LOST_SEND")]
    assert 0 < len(lost) < 30 and lost == [k + i for k in lost[::3] for i in range(3)]


def test_a_lost_ack_never_arrives():
    rows = story("lose_ack: 30%", queue="visibility_timeout: 5s", seconds=400)
    assert rows.count("LOST_ACK") > 5 and rows.count("LEASE_ENDED") == rows.count("LOST_ACK")
    assert rows.count("EFFECT") == 50 + rows.count("LOST_ACK") and rows.count("ACKED") == 50


def test_acks_that_go_together_get_lost_together():
    # as a batch of sends: "a batch uses its first message's" luck
    many = "rate: 10/s, arrivals: regular, limit: 60"
    batch = "service: 100ms, poll: {batch: 3}, client: {ack_batch: {size: 3, wait: 1s}}"
    rows = story("lose_ack: 40%", many, batch, "profile: sqs-standard, visibility_timeout: 30s", seconds=20)
    lost, acked = [row.k for row in rows.of("LOST_ACK")], [row.k for row in rows.of("ACKED")]
    assert len(lost) > 5 and len(acked) > 5 and rows.count("EFFECT") == len(lost) + len(acked) == 60
    assert [row.time for row in rows.of("LOST_ACK")][::3] == [row.time for row in rows.of("LOST_ACK")][2::3], "three by three"


def test_an_ack_on_receive_gets_lost_too():
    rows = story("lose_ack: 40%", consumer="service: 10ms, ack: on-receive", queue="visibility_timeout: 5s", seconds=400)
    assert rows.count("LOST_ACK") == rows.count("LEASE_ENDED") > 5 and rows.count("ACKED") == 50
    assert rows.count("EFFECT") == 50 + rows.count("LOST_ACK"), "at most once is not what it promises any more"


def test_a_duplicate_delivery_is_another_delivery_though_the_lease_runs():
    # SQS-12: rare duplicates; both deliveries are worked on
    rows = story("duplicate_delivery: 30%", consumer="service: 100ms, count: 2", queue="profile: sqs-standard")
    again = rows.of("DUPLICATED")
    assert len(again) > 5 and rows.count("RECEIVED") == rows.count("EFFECT") > 55
    for row in (row for row in again if row.attempt == 1):
        assert rows.times("RECEIVED", k=row.k)[:2] == [row.time / SECOND] * 2, "the other process was waiting for it"


def test_a_duplicate_waits_for_who_asks_next():
    rows = story("duplicate_delivery: 100%", "rate: 1/s, arrivals: regular, limit: 1", "service: 1s", seconds=3)
    assert rows.life(0)[2:6] == [(0, "RECEIVED"), (0, "DUPLICATED"), (1, "EFFECT"), (1, "ACKED")]


def test_best_effort_is_fifo_until_reorder_says_otherwise():
    # "**best-effort** is fifo by send time until `imperfections.reorder` says otherwise"
    burst = "rate: 100/s, arrivals: regular, limit: 50"
    straight = story("reorder: 0%", burst, "service: 1s", "profile: sqs-standard, visibility_timeout: 30s")
    assert [row.k for row in straight.of("RECEIVED")] == list(range(50))
    mixed = [row.k for row in story("reorder: 30%", burst, "service: 1s", "profile: sqs-standard").of("RECEIVED")]
    assert sorted(mixed) == list(range(50)) != mixed
    assert max(k - place for place, k in enumerate(mixed)) <= 10, "one of the next ten"


def test_a_group_keeps_its_order_whatever_is_reordered():
    groups = "rate: 10/s, arrivals: regular, limit: 50, message: {group: {keys: 3}}"
    rows = story("reorder: 60%", groups, "service: 50ms, count: 2", "profile: sqs-fifo")
    order = {}
    for row in rows.of("SENT"):
        order.setdefault(row.other, []).append(row.k)
    received = [row.k for row in rows.of("RECEIVED")]
    assert all([k for k in received if k in group] == group for group in map(list, order.values()))


def test_an_empty_receive_finds_nothing_though_something_waits():
    # SQS-9; it is asked again `every` later
    rows = story("empty_receive: 50%", "rate: 10/s, arrivals: regular, limit: 10", "service: 1s, poll: {wait: 0, every: 300ms}", "profile: sqs-standard")
    empty = [row for row in rows.of("EMPTY_RECEIVE") if row.time < rows.of("ACKED")[-1].time]
    assert len(empty) > 3 and rows.count("ACKED") == 10
    after = [next(r.time for r in rows.rows if r.time > e.time and r.process == 0 and r.client >= 0) - e.time for e in empty]
    assert set(after) == {300_000_000}


def test_a_share_of_zero_draws_nothing():
    plain = run("queues: {q: {}}\nproducers: {p: {to: q, rate: 5/s}}\nconsumers: {c: {from: q, service: 100ms}}", seconds=20)
    zero = run("queues: {q: {imperfections: {reorder: 0%, lose_ack: 0%}}}\nproducers: {p: {to: q, rate: 5/s}}\nconsumers: {c: {from: q, service: 100ms}}", seconds=20)
    assert plain.recording.digest == zero.recording.digest
