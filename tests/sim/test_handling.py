"""A student's consumer in a run: when it is called, what its calls come to, and who remembers what."""

from contextlib import suppress

import pytest

from qsim.kernel.journal import ROW
from qsim.sim.handling import EndlessHandler
from qsim.sim.simulate import simulate
from tests.sim.runs import Row, Run, conservation, scenario

ONE = "{to: q, rate: 1/s, arrivals: regular, limit: 1}"


def loaded(handle, consumer="service: 2s", producer=ONE, more="queues: {q: {}}", seconds=100):
    return scenario(
        f"""
{more}
producers: {{p: {producer}}}
consumers: {{c: {{from: q, {consumer}}}}}
""",
        seconds,
    ).with_changes({"consumers.c.handler": handle})


def story(handle, *given, **how):
    recording = simulate(loaded(handle, *given, **how).plan)
    assert conservation(recording)["problems"] == []
    return Run(recording, [Row(*row) for chunk in recording.chunks for row in ROW.iter_unpack(chunk)])


def kinds(run, k=0):
    return [kind for _, kind in run.life(k)[2:]]


# --- what a call comes to ---------------------------------------------------------------------------------------------


def nothing(message, store):
    pass


def charges(message, store):
    store.charge(message.order)


def looks_first(message, store):
    if not store.exists(message.order):
        store.charge(message.order)
        store.put(message.order)


def atomic(message, store):
    with store.transaction():
        if store.add(message.order):
            store.book(message.order)


def test_it_is_called_when_the_work_ends_and_its_return_is_a_success():
    called = []
    rows = story(lambda message, store: called.append(message))
    assert rows.life(0)[2:] == [(0, "RECEIVED"), (2, "EFFECT"), (2, "ACKED")]


CRASHES = ["working", "after-effect", "before-ack"]
PLAIN = [(handle, crash_at) for handle in (nothing, charges) for crash_at in CRASHES]


# who looks first finds its record where the crash came before the ack: that is another run
@pytest.mark.parametrize(("handle", "crash_at"), [*PLAIN, *((looks_first, crash_at) for crash_at in CRASHES[:2])])
def test_a_handler_that_only_does_the_effect_gives_the_very_run_without_it(handle, crash_at):
    consumer = f"count: 5, service: {{exponential: {{mean: 1s}}}}, failures: {{crash: 10%, crash_at: {crash_at}, error: 5%}}"
    made = loaded(handle, consumer, "{to: q, rate: 3/s}", "queues: {q: {profile: sqs-standard, visibility_timeout: 90s}}")
    plain = made.with_changes({"consumers.c.handler": None})
    assert plain.plan.consumers[0].handler is None
    assert simulate(made.plan).digest == simulate(plain.plan).digest


def test_a_process_that_dies_after_the_charge_makes_no_other_call():
    # "after-effect": charged, and not on record, so that the next one charges again; an atomic one does not
    consumer, queue = "service: 1s, failures: {crash: 50%, crash_at: after-effect}", "queues: {q: {}}"
    many = "{to: q, rate: 1/s, arrivals: regular, limit: 20}"
    textbook, whole = (story(handle, consumer, many, queue) for handle in (looks_first, atomic))
    crashes = textbook.count("INTERRUPTED")
    assert crashes > 5
    assert textbook.count("EFFECT") == 20 + crashes and textbook.count("SKIPPED") == 0
    assert whole.count("EFFECT") == 20 and whole.count("SKIPPED") == whole.count("INTERRUPTED") == crashes


def test_no_line_of_the_dead_reaches_the_store():
    def stubborn(message, store):
        try:
            store.charge(message.order)
        finally:
            with suppress(BaseException):
                store.put(message.order)

    rows = story(
        lambda m, s: None if s.exists(m.order) else stubborn(m, s), "service: 1s, failures: {crash: 50%, crash_at: after-effect}",
        "{to: q, rate: 1/s, arrivals: regular, limit: 20}",
    )  # fmt: skip
    assert rows.count("EFFECT") == 20 + rows.count("INTERRUPTED")


def test_a_process_that_dies_before_its_ack_has_recorded():
    rows = story(looks_first, "service: 1s, failures: {crash: 50%, crash_at: before-ack}", "{to: q, rate: 1/s, limit: 20}")
    assert rows.count("EFFECT") == 20 and rows.count("SKIPPED") == rows.count("INTERRUPTED") > 5


def test_who_finds_it_on_record_has_skipped_it():
    rows = story(
        looks_first, "service: 2s", ONE, "queues: {q: {profile: sqs-standard, visibility_timeout: 1s}}", seconds=5
    )
    assert kinds(rows)[:3] == ["RECEIVED", "LEASE_ENDED", "EFFECT"]
    assert rows.count("EFFECT") == 1 and rows.count("SKIPPED") == 0
    rows = story(
        looks_first, "count: 2, service: 2s", ONE, "queues: {q: {profile: sqs-standard, visibility_timeout: 1s}}", seconds=5
    )
    assert rows.times("EFFECT") == [2] and rows.times("SKIPPED")[0] == 3


def test_an_effect_that_is_rolled_back_is_none():
    def half(message, store):
        try:
            with store.transaction():
                store.put(message.order)
                store.book(message.order)
                raise ValueError
        except ValueError:
            pass

    assert kinds(story(half)) == ["RECEIVED", "SKIPPED", "ACKED"]


def test_a_transaction_left_open_is_rolled_back():
    def forgets(message, store):
        store.transaction().__enter__()
        store.put("x")

    rows = story(forgets, "service: 1s", "{to: q, rate: 1/s, arrivals: regular, limit: 2}")
    assert rows.count("SKIPPED") == 2 and rows.count("ACKED") == 2


def test_records_are_effects_where_nobody_is_charged():
    assert kinds(story(lambda message, store: store.put(message.id))) == ["RECEIVED", "EFFECT", "ACKED"]


# --- errors -----------------------------------------------------------------------------------------------------------


def fails(message, store):
    raise KeyError(message.order)


@pytest.mark.parametrize(
    ("on_error", "then"),
    [("nack", ["NACKED", "RECEIVED"]), ("reject", ["REJECTED"]), ("wait-for-timeout", ["LEASE_ENDED", "RECEIVED"])],
)
def test_an_error_is_one_of_the_attempt_as_on_error_says(on_error, then):
    queue = "queues: {q: {profile: rabbitmq-quorum}}" if on_error == "reject" else "queues: {q: {visibility_timeout: 5s}}"
    plain = "service: 2s, failures: {on_error: ON, error: ERR}".replace("ON", on_error)
    mine = story(fails, plain.replace("ERR", "0%"), ONE, queue, seconds=6)
    drawn = story(nothing, plain.replace("ERR", "100%"), ONE, queue, seconds=6)
    assert kinds(mine) == kinds(drawn) and "ERRED" in kinds(mine)
    if on_error != "reject":
        assert kinds(mine)[2:4] == then


def test_what_it_raised_is_told_by_its_line():
    rows = story(fails, "service: 1s", "{to: q, rate: 1/s, arrivals: regular, limit: 3}", seconds=3)
    line = fails.__code__.co_firstlineno + 1
    assert rows.recording.raised == {"c": {f"line {line}: KeyError: 0": rows.count("ERRED")}}
    assert rows.count("ERRED") > 1


def test_who_charges_and_then_fails_has_charged():
    def both(message, store):
        store.charge(message.order)
        raise ValueError("after the charge")

    made = loaded(both, "service: 2s, retry: {backoff: fixed, first: 10s}", ONE, "queues: {q: {}}", 20)
    recording = simulate(made.plan)
    rows = Run(recording, [Row(*row) for chunk in recording.chunks for row in ROW.iter_unpack(chunk)])
    assert kinds(rows)[:4] == ["RECEIVED", "EFFECT", "ERRED", "NACKED"]
    from qsim.metrics.numbers import Numbers

    numbers = Numbers(recording)
    assert numbers.value("c.busy max") == 1 and numbers.value("c.busy at end") == 0
    assert numbers.value("c.duplicates total") == 1


def test_the_scenario_s_own_errors_and_crashes_come_before_the_call():
    for failures in ("error: 100%", "crash: 100%, crash_at: working"):
        rows = story(fails, f"service: 2s, failures: {{{failures}}}", seconds=5)
        assert rows.recording.raised == {"c": {}}


def test_a_loop_of_calls_ends_the_run():
    def endless(message, store):
        while not store.exists(message.order):
            pass

    with pytest.raises(EndlessHandler, match="10,000 calls in one delivery, exists"):
        simulate(loaded(endless).plan)


def test_ctrl_c_in_a_handler_is_ctrl_c():
    def interrupted(message, store):
        raise KeyboardInterrupt

    assert simulate(loaded(interrupted).plan).stopped == "interrupted"


# --- what it is given -------------------------------------------------------------------------------------------------


def test_a_message_says_who_it_is():
    told = {}

    def handle(message, store):
        store.put((message.id, message.receives), (message.order, dict(message.body), message.group))
        if message.receives == 1:
            raise ValueError(str((message.id, message.order, dict(message.body), message.receives, message.group)))

    producer = "{to: q, rate: 1/s, arrivals: regular, limit: 2, count: 2, message: {attributes: {kind: {cart: 100%}}}}"
    rows = story(handle, "service: 100ms", producer)
    [told] = rows.recording.raised["c"]
    assert "('p#1:0', 0, {'order': 0, 'amount': 25, 'kind': 'cart'}, 1, None)" in told
    assert rows.count("ERRED") == 4


def test_an_order_that_was_sent_twice_is_two_messages():
    # the reply to the first send is lost, and the producer sends again
    more = "queues: {q: {imperfections: {lose_reply: 100%}}}"
    by_id = story(
        lambda m, s: s.charge(m.order) if s.add(m.id) else None, "service: 100ms",
        "{to: q, rate: 1/s, arrivals: regular, limit: 1, on_reject: {backoff: fixed, first: 1s, attempts: 3}, timeout: 1s}", more,
    )  # fmt: skip
    by_order = story(
        lambda m, s: s.charge(m.order) if s.add(m.order) else None, "service: 100ms",
        "{to: q, rate: 1/s, arrivals: regular, limit: 1, on_reject: {backoff: fixed, first: 1s, attempts: 3}, timeout: 1s}", more,
    )  # fmt: skip
    assert by_id.count("RECEIVED") == by_order.count("RECEIVED") == 3
    assert by_id.count("EFFECT") == 3 and by_order.count("EFFECT") == 1


# --- who remembers ------------------------------------------------------------------------------------------------------

SEEN = set()


def remembers(message, store):
    if message.order in SEEN:
        return
    SEEN.add(message.order)
    store.charge(message.order)
    raise ValueError


def test_what_a_process_keeps_is_its_own_and_ends_with_it():
    crash = "timeline: {x: {at: 10s, crash: {consumer: c}}}"
    rows = story(remembers, "service: 2s, retry: {backoff: fixed, first: 7s}", ONE, f"queues: {{q: {{}}}}\n{crash}", seconds=40)
    once = story(remembers, "service: 2s, retry: {backoff: fixed, first: 7s}", ONE, seconds=40)
    assert once.times("EFFECT") == [2, 11] and once.count("ERRED") == 1  # known when it comes again
    assert rows.count("ERRED") == 2  # the crash at 10 s, in its second attempt, took the memory
    assert not SEEN, "a run leaves nothing behind"


def test_two_runs_of_one_function_are_alike():
    made = loaded(remembers, "count: 2, service: 1s", "{to: q, rate: 1/s, limit: 20}")
    assert simulate(made.plan).digest == simulate(made.plan).digest


def test_a_store_is_shared_by_the_processes_of_a_consumer_and_by_no_other():
    text = """
queues: {q: {}, a: {}, b: {}}
topics: {t: {type: fanout, subscriptions: [{queue: a}, {queue: b}]}}
producers: {p: {to: t, rate: 1/s, arrivals: regular, limit: 10}}
consumers: {one: {from: a, count: 3, service: 2s}, two: {from: b, service: 100ms}}
"""
    first = "first"

    def once(message, store):
        if store.add(first):
            store.charge(message.order)

    made = scenario(text).with_changes({"consumers.one.handler": once, "consumers.two.handler": once})
    recording = simulate(made.plan)
    rows = Run(recording, [Row(*row) for chunk in recording.chunks for row in ROW.iter_unpack(chunk)])
    assert [rows.count("EFFECT", consumer=c) for c in (0, 1)] == [1, 1]
    assert rows.count("SKIPPED") == 18


def test_what_is_sent_on_goes_with_the_effect():
    text = """
queues: {q: {profile: sqs-standard, visibility_timeout: 1s}, done: {}}
producers: {p: {to: q, rate: 1/s, arrivals: regular, limit: 1}}
consumers: {c: {from: q, count: 2, service: 2s, emits: [{to: done}]}}
"""
    made = scenario(text, 5).with_changes({"consumers.c.handler": looks_first})
    recording = simulate(made.plan)
    rows = Run(recording, [Row(*row) for chunk in recording.chunks for row in ROW.iter_unpack(chunk)])
    assert rows.count("EFFECT") == 1 and rows.count("SKIPPED") >= 1
    assert rows.left["done"] == 1


def test_what_it_prints_is_no_result(capsys):
    story(lambda message, store: print("hello"))
    out, err = capsys.readouterr()
    assert out == "" and err == "hello\n"


