"""A consumer in plain Python under crashes, stalls, copies and reordering: what is found, and how it is told."""

import gc
import random
import threading
import time
import uuid
from contextlib import suppress
from pathlib import Path

import pytest

from qsim import CheckFailed, expect, load
from qsim.claims.handlers import search as searching
from qsim.claims.handlers.claim import SEE, finding
from qsim.claims.handlers.drive import ORDERS, Arena, Setup, Trial
from qsim.claims.handlers.search import search
from qsim.handlers.memory import Memory

QUEUE = """
qsim: 1
name: shop
run: {duration: 1m}
queues: {orders: {profile: PROFILE}}
producers: {api: {to: orders, rate: 1/s}}
consumers: {worker: {from: orders, count: 3, service: 1s, ack: ACK}}
"""


def shop(profile="sqs-standard, visibility_timeout: 5s", ack="after-success"):
    return load(text=QUEUE.replace("PROFILE", profile).replace("ACK", ack))


def arena(handle, scenario=None):
    plan = (scenario or shop()).plan
    return Arena(plan, 0, plan.consumers[0], handle)


def failure(handle, scenario=None):
    with pytest.raises(CheckFailed) as raised:
        expect.handler(handle, scenario=scenario or shop()).charges_each_order_once()
    return str(raised.value)


# --- handlers that hold -------------------------------------------------------------------------------------------------


def atomic(message, store):
    with store.transaction():
        if store.add(message.order):
            store.book(message.order)


def with_a_key(message, store):
    store.charge(message.order, key=message.order)


def textbook(message, store):
    if store.exists(message.order):
        return
    store.charge(message.order)
    store.put(message.order)


def test_the_atomic_version_holds_under_every_schedule():
    verdict = expect.handler(atomic, scenario=shop()).charges_each_order_once()
    assert verdict.verdict == "pass"
    assert "with a crash at each of 5 points" in verdict.lines()[0]  # begin, add, book, commit, ack
    assert verdict.observed > 1000 and "shortest" not in verdict.lines()[0]


def test_an_idempotency_key_at_the_payment_service_is_enough():
    assert expect.handler(with_a_key, scenario="duplicates").charges_each_order_once().verdict == "pass"


@pytest.mark.parametrize("profile", ["rabbitmq-quorum", "redis-list", "activemq-classic"])
def test_brokers_without_a_lease_find_the_hole_too(profile):
    said = failure(textbook, shop(profile))
    assert "order 4711 charged twice" in said or "order 4711 never charged" in said


def test_a_fifo_queue_finds_the_hole_and_lets_the_atomic_version_be():
    fifo = load(text=QUEUE.replace("PROFILE", "sqs-fifo").replace("ACK", "after-success").replace("1/s", "1/s, message: {group: {keys: 2}}"))
    assert "between charge and record" in failure(textbook, fifo)
    assert expect.handler(with_a_key, scenario=fifo).charges_each_order_once().verdict == "pass"


# --- what a class would write --------------------------------------------------------------------------------------------

seen = set()


def record_first(message, store):
    if store.add(message.order):
        store.charge(message.order)


def without_a_look(message, store):
    store.charge(message.order)


def in_memory(message, store):
    if message.order not in seen:
        store.charge(message.order)
        seen.add(message.order)


def lock_and_release(message, store):
    if store.add(("lock", message.order)):
        try:
            store.charge(message.order)
        finally:
            store.delete(("lock", message.order))


def by_message_id(message, store):
    with store.transaction():
        if store.add(message.id):
            store.book(message.order)


def by_receives(message, store):
    if not store.exists((message.order, message.receives)):
        store.charge(message.order)
        store.put((message.order, message.receives))


def random_key(message, store):
    store.charge(message.order, key=str(uuid.uuid4()))


def transaction_around_the_service(message, store):
    with store.transaction():
        if store.add(message.order):
            store.charge(message.order)


def high_water_mark(message, store):
    with store.transaction():
        if message.order > store.get("last", 0):
            store.book(message.order)
            store.put("last", message.order)


def catches_every_error(message, store):
    try:
        store.charge(message.order, key=message.order)
    except Exception as error:
        print("never mind", error)


def catches_the_crash(message, store):
    if store.exists(message.order):
        return
    try:
        store.charge(message.order)
    except BaseException:
        store.put(message.order)
    finally:
        store.put(message.order)


def looks_twice(message, store):
    if store.exists(message.order) or store.exists(message.order):
        return
    store.charge(message.order)
    store.put(message.order)


def charges_both_ways(message, store):
    store.charge(message.order, key=message.order)
    store.book(message.order)


def does_nothing(message, store):
    return store.exists(message.order)


def charges_the_id(message, store):
    store.charge(message.id, key=message.id)


def spin_lock(message, store):
    while not store.add("lock"):
        pass
    atomic(message, store)
    store.delete("lock")


def a_duplicate_is_an_error(message, store):
    with store.transaction():
        if not store.add(message.order):
            raise ValueError("seen before")
        store.book(message.order)


@pytest.mark.parametrize(
    ("handle", "got", "because"),
    [
        (textbook, "order 4711 charged twice", "between charge and record"),
        (looks_twice, "order 4711 charged twice", "between charge and record"),
        (catches_the_crash, "order 4711 charged twice", "between charge and record"),
        (without_a_look, "order 4711 charged twice", "nothing looked whether its order had been charged"),
        (in_memory, "order 4711 charged twice", "'seen' is in the memory of one process"),
        (by_message_id, "order 4711 charged twice", "looked under 'm-1', worker-2 under 'm-2'"),
        (by_receives, "order 4711 charged twice", "looked under (4711, 1), worker-2 under (4711, 2)"),
        (random_key, "order 4711 charged twice", "once for each idempotency key, and got two"),
        (transaction_around_the_service, "order 4711 charged twice", "outside of the database's transaction"),
        (charges_both_ways, "order 4711 charged twice", "one delivery made two charges"),
        (record_first, "order 4711 never charged", "the order was on record (add(4711)) and not charged when worker-1 died"),
        (lock_and_release, "order 4711 never charged", "(add(('lock', 4711))) and not charged when worker-1 died"),
        (high_water_mark, "order 4711 never charged", "get('last', 0) is 4712: that was written for order 4712"),
        (catches_every_error, "order 4711 never charged", "the handler caught the error"),
        (does_nothing, "order 4711 never charged", "the handler came to its end without"),
        (charges_the_id, "order 4711 never charged", "charge('m-1', 'm-1') names no order"),
        (spin_lock, "a delivery that never comes to an end", "goes round in a loop: add('lock') is False"),
        (a_duplicate_is_an_error, "order 4711 given back at every delivery", "raises ValueError each time"),
    ],
)
def test_a_wrong_handler_is_told_what_its_mistake_is(handle, got, because):
    said = failure(handle)
    assert said.startswith(f"✗ {handle.__name__}: expected each order charged once, got {got}")
    assert because in said
    assert "    Try  " in said


def test_the_textbook_consumer_is_told_its_story():
    assert failure(textbook).splitlines() == [
        "✗ textbook: expected each order charged once, got order 4711 charged twice",
        "    What happened  worker-1 received message m-1 at 0s, found no record (exists(4711) is False), charged at 0.5s and died"
        " before put(4711) at 0.625s",
        "                   worker-2 received the message again at 5s, found no record (exists(4711) is False) and charged at 5.5s",
        "    Because        the charge was done and not on record when its process died: between charge and record",
        "    Timeline       t=0s        accepted   orders",
        "                   t=0s        received   worker-1     lease until 5s             1st",
        "                   t=0.25s     calls      worker-1     exists(4711) -> False",
        "                   t=0.5s      CHARGES    worker-1     charge(4711)",
        "                   t=0.625s    CRASH      worker-1     before put(4711)",
        "                   t=5s        LEASE ENDED while worker-1 is still working",
        "                   t=5s        received   worker-2     lease until 10s            2nd",
        "                   t=5.25s     calls      worker-2     exists(4711) -> False",
        "                   t=5.5s      CHARGES    worker-2     charge(4711)",
        "                   t=5.75s     calls      worker-2     put(4711)",
        "                   t=6s        acked      worker-2",
        "    Try            charge and record have to be one thing, that happens as a whole or not at all",
        "    See            lesson 02, Between charge and record",
    ]


def test_a_lesson_has_what_a_failure_names():
    folder = Path(__file__).parents[2] / "notebooks"
    number, heading = SEE.removeprefix("lesson ").split(", ")
    [lesson] = folder.glob(f"{number}-*.py")
    assert f"# ### {heading}\n" in lesson.read_text(encoding="utf-8")


def test_of_a_long_handler_the_shortest_schedules_are_tried(monkeypatch):
    monkeypatch.setattr(searching, "MOST_SCHEDULES", 50)
    assert "50 shortest schedules tried" in expect.handler(atomic, scenario=shop()).charges_each_order_once().lines()[0]


def test_two_live_copies_are_told_apart_from_a_crash():
    """Without crashes among the moves, the textbook consumer still charges twice."""
    trials = [Trial(arena(textbook), Setup(((4711, "m-1"),)), choices).run() for choices in _one_fault("stall")]
    wrong = [trial for trial in trials if finding(trial)]
    assert wrong and all("died" not in trial.faults() for trial in wrong)
    from qsim.claims.handlers.reasons import case_of, why_twice

    assert any("two copies of one message were at work" in why_twice(case_of(trial, 4711)).because for trial in wrong)


def _one_fault(does):
    """The choices that make this one move, at each point where it can be made."""
    options = Trial(arena(textbook), Setup(((4711, "m-1"),))).run().options
    for at, moves in enumerate(options):
        for which, move in enumerate(moves):
            if move.does == does:
                yield (0,) * at + (which,)


def test_acked_on_receive_no_handler_can_hold():
    assert "the message was acked when it was received" in failure(with_a_key, shop(ack="on-receive"))


# --- a crash -----------------------------------------------------------------------------------------------------------------


def test_no_line_of_the_dead_runs_not_even_finally_nor_when_it_is_collected():
    ran = []

    class Log:  # shared by all processes: it cannot be copied
        def __deepcopy__(self, memo):
            raise TypeError

        def note(self, what):
            ran.append(what)

    log = Log()

    def handle(message, store):
        try:
            store.put(message.order)
            store.book(message.order)
        except BaseException as error:
            log.note(repr(error))
        finally:
            log.note("finally")

    ended = []

    def count(trial):
        ended.extend(work for work in trial.works if work.greenlet.dead)
        ended[:] = [None] * len(ended)  # nothing of the trial is held on to

    found = search(arena(handle), count)
    gc.collect()
    assert found.tried > 500
    assert ran == ["finally"] * len(ended)


def test_a_crash_takes_an_open_transaction_back_and_lets_others_go_on():
    before_the_commit = 3
    trial = Trial(arena(atomic), Setup(((4711, "m-1"),)), (*(0,) * before_the_commit, 1)).run()
    assert trial.faults() == ["died"]
    assert [charge.work for charge in trial.database.charges] == [1]


def test_a_write_waits_for_the_end_of_anothers_transaction():
    in_the_transaction = 2
    options = Trial(arena(atomic), Setup(((4711, "m-1"),))).run().options
    stall = next(i for i, move in enumerate(options[in_the_transaction]) if move.does == "stall")
    trial = Trial(arena(atomic), Setup(((4711, "m-1"),)), (*(0,) * in_the_transaction, stall)).run()
    second = [event for event in trial.events if event.work == 1 and event.kind == "called"]
    committed = next(event.time for event in trial.events if event.call and event.call.name == "commit" and event.work == 0)
    assert second[0].call.name == "begin" and second[0].time > committed
    assert len(trial.database.charges) == 1


# --- the memory of a process ---------------------------------------------------------------------------------------------


def test_each_process_has_a_memory_of_its_own_and_the_notebook_keeps_its_own():
    first, second = Memory(in_memory), Memory(in_memory)
    store = type("Store", (), {"charge": lambda self, order: None})()
    message = type("Message", (), {"order": 1})()
    first.handle(message, store)
    assert first.remembers() == ["seen"] and second.remembers() == [] and seen == set()


def test_memory_in_closures_defaults_and_objects_counts_too():
    def closed():
        known = []

        def handle(message, store, also={}):  # noqa: B006 - the mistake that is meant
            known.append(message)
            also[message] = True

        return handle

    class Consumer:
        def __init__(self):
            self.known = []

        def handle(self, message, store):
            self.known.append(message)

    for handle, names in ((closed(), ["also", "known"]), (Consumer().handle, ["self"])):
        memory, other = Memory(handle), Memory(handle)
        memory.handle(1, None)
        assert sorted(memory.remembers()) == names and other.remembers() == []


# --- what cannot be driven ----------------------------------------------------------------------------------------------------


async def coroutine(message, store): ...


def generator(message, store):
    yield


def one_parameter(message): ...


def misspelt(message, store):
    store.charge(message.oder)


def writes_into_the_message(message, store):
    message.body["paid"] = True


def changes_the_message(message, store):
    message.order = 1


@pytest.mark.parametrize(
    ("handle", "says"),
    [
        (coroutine, "write def instead of async def"),
        (generator, "take the yield out"),
        (one_parameter, "a handler is called with two arguments"),
        (None, "which is no function"),
        (misspelt, "a message has id, order, body, receives and group"),
        (writes_into_the_message, "a message is what was sent, and cannot be changed"),
        (changes_the_message, "a message is what was sent, and cannot be changed"),
    ],
)
def test_a_handler_that_is_none_is_told_so(handle, says):
    assert says in failure(handle)


def test_an_endless_loop_is_ended_and_told(monkeypatch):
    monkeypatch.setattr(searching, "HANG_S", 0.2)

    def handle(message, store):
        store.exists(message.order)
        while True:
            with suppress(BaseException):
                message.receives += 0

    began = time.process_time()
    assert "after exists(4711) the handler makes no call and does not return" in failure(handle)
    assert not [thread for thread in threading.enumerate() if thread.daemon and "_guarded" in thread.name]
    assert time.process_time() - began < 5


def test_a_handler_that_sleeps_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(searching, "HANG_S", 0.2)
    monkeypatch.setattr(searching, "SLEEP_S", 0.4)
    said = failure(lambda message, store: time.sleep(1))
    assert "from its first line on the handler makes no call" in said


def test_what_a_handler_prints_is_not_printed_a_thousand_times(capsys):
    def handle(message, store):
        print("charging", message.order)
        store.charge(message.order, key=message.order)

    expect.handler(handle, scenario=shop()).charges_each_order_once()
    assert capsys.readouterr().out == ""


def test_a_handler_that_throws_dice_is_driven_all_the_same():
    def handle(message, store):
        for _ in range(random.randrange(3)):
            store.get("anything")
        store.charge(message.order)

    assert "charged twice" in failure(handle)


def test_a_misspelt_consumer_is_told_and_a_log_is_refused():
    with pytest.raises(LookupError, match="there are: worker"):
        expect.handler(atomic, scenario=shop(), consumer="wroker")
    with pytest.raises(ValueError, match="reads a log"):
        expect.handler(atomic, scenario=shop("redis-stream"))


# --- the search ------------------------------------------------------------------------------------------------------------------


def test_the_same_handler_gets_the_same_answer():
    assert failure(record_first) == failure(record_first)


def test_every_crash_point_is_tried_alone_before_two_faults_are():
    crashed = []

    def watch(trial):
        if len(trial.faults()) == 1 and trial.setup == Setup(((ORDERS[0], "m-1"),)):
            crashed.extend(str(event.call) for event in trial.events if event.kind == "died")
        return len(trial.faults()) > 1 or None

    search(arena(with_a_key), watch)
    assert crashed == ["charge(4711, 4711)", "its ack"]
