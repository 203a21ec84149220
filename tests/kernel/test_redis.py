"""Redis as a queue: its commands, one story a rule; and the profiles under which a scenario's queues run."""

from dataclasses import replace

import pytest

from qsim.brokers import REDIS_LIST, RULES
from qsim.brokers.redis_server import Redis, RedisError
from qsim.kernel.broker import Broker
from qsim.kernel.journal import Cause, Kind
from qsim.kernel.profile import OnCrash, ReturnsTo
from qsim.units import SECOND


def bodies(found):
    return [delivery.message.payload for delivery in found]


def drained(redis, key, side="right"):
    """Everything in a list, taken one by one."""
    return [body for _ in range(redis.length(key)) for body in bodies(redis.pop(0, [key], "t", side))]


def answers(redis):
    return [(credit.client, bodies(found)) for credit, found in redis.deliveries()]


# --- lists -------------------------------------------------------------------------------------------------------


def test_pushed_left_and_taken_right_is_first_in_first_out():  # RED-1
    redis = Redis()
    redis.push(0, "q", "a", "b", "c")
    assert bodies(redis.pop(0, ["q"], "c1")) == ["a"]
    redis.push(0, "q", "z", side="right")
    assert drained(redis, "q") == ["z", "b", "c"] and redis.length("q") == 0


def test_taken_from_the_side_it_was_pushed_to_it_is_a_stack():  # RED-1
    redis = Redis()
    redis.push(0, "q", "a", "b", "c")
    assert drained(redis, "q", "left") == ["c", "b", "a"]


def test_a_pop_is_all_there_is_to_it():  # RED-1: at most once
    redis = Redis()
    redis.push(0, "q", "a")
    redis.pop(0, ["q"], "c1")
    redis.disconnect(0, "c1")
    assert redis.length("q") == 0
    assert [Kind(row[5]).name for row in redis.broker.journal.read()] == ["ACCEPTED", "RECEIVED", "ACKED"]


def test_a_move_keeps_it_in_a_processing_list_until_it_is_removed():  # RED-2
    redis = Redis()
    redis.push(0, "q", "a", "b")
    assert bodies(redis.move(0, "q", "proc", "c1")) == ["a"]
    redis.disconnect(0, "c1")
    assert (redis.length("q"), redis.length("proc")) == (1, 1)
    assert [redis.remove(0, "proc", "a") for _ in range(2)] == [1, 0]


@pytest.mark.parametrize(("where", "order"), [("head", ["a", "b", "c", "d"]), ("tail", ["c", "d", "a", "b"])])
def test_the_reaper_decides_where_it_comes_back(where, order):  # RED-2
    redis = Redis()
    redis.push(0, "q", "a", "b", "c", "d")
    for _ in range(2):
        redis.move(0, "q", "proc", "c1")
    assert redis.reap(0, "proc", "q", where) == 2
    assert drained(redis, "q") == order


def test_equal_bodies_cannot_be_told_apart():  # RED-3
    redis = Redis()
    redis.push(0, "proc", "x", "y", "x")
    assert redis.remove(0, "proc", "x") == 1
    assert drained(redis, "proc") == ["x", "y"], "the first match from the left"


def test_blocked_clients_get_one_element_each_the_longest_waiting_first():  # RED-4
    redis = Redis()
    for client in ("c1", "c2", "c3"):
        redis.block(0, client, None, lambda now, client=client: redis.pop(now, ["q"], client))
    redis.push(SECOND, "q", "a", "b")
    assert answers(redis) == [(0, ["a"]), (1, ["b"])]


def test_a_push_is_complete_before_anybody_is_served():  # RED-4
    redis = Redis()
    redis.block(0, "c1", None, lambda now: redis.pop(now, ["q"], "c1", "left"))
    redis.push(SECOND, "q", "a", "b", "c")
    assert answers(redis) == [(0, ["c"])]


def test_the_first_key_with_something_is_a_cheap_priority():  # RED-4
    redis = Redis()
    redis.push(0, "low", "l")
    redis.push(0, "high", "h")
    assert [bodies(redis.pop(0, ["high", "low"], "c1")) for _ in range(3)] == [["h"], ["l"], []]


def test_a_blocked_move_feeds_who_waits_at_its_destination():  # RED-4
    redis = Redis()
    redis.block(0, "c1", None, lambda now: redis.pop(now, ["proc"], "c1"))
    redis.block(0, "c2", None, lambda now: redis.move(now, "q", "proc", "c2"))
    redis.push(SECOND, "q", "a")
    assert answers(redis) == [(1, ["a"]), (0, ["a"])] and redis.length("proc") == 0


def test_a_blocking_call_ends_at_its_timeout_and_not_before():  # RED-5
    redis = Redis()
    redis.block(0, "c1", SECOND, lambda now: redis.pop(now, ["q"], "c1"))
    assert redis.wake_at() == SECOND
    redis.wake(SECOND - 1)
    assert answers(redis) == []
    redis.wake(SECOND)
    assert answers(redis) == [(0, [])] and redis.wake_at() is None


def test_who_is_gone_waits_no_more():  # RED-14
    redis = Redis()
    redis.block(0, "c1", None, lambda now: redis.pop(now, ["q"], "c1"))
    redis.disconnect(0, "c1")
    redis.push(0, "q", "a")
    assert answers(redis) == [] and redis.length("q") == 1


# --- streams (tests/kernel/test_log.py has their rules) -----------------------------------------------------------


def test_a_stream_that_is_trimmed_says_that_it_lags_behind_what_is_gone():  # RED-6, XINFO GROUPS
    redis = Redis()
    redis.create("s", "g")
    redis.add(0, "s", "a")
    redis.read(0, "s", "g", "c1")
    for body in ("b", "c", "d"):
        redis.add(0, "s", body, maxlen=1)
    assert (len(redis.log("s")), redis.group("s", "g").visible, redis.lag("s", "g")) == (1, 1, 3)


def test_after_a_deletion_the_lag_may_be_unknown():  # XINFO GROUPS
    redis = Redis()
    redis.create("s", "g")
    second = [redis.add(0, "s", body) for body in ("a", "b", "c")][1]
    redis.delete(0, "s", second)
    redis.read(0, "s", "g", "c1")
    assert redis.lag("s", "g") is None


def test_a_dead_letter_stream_is_the_applications_own():  # RED-13
    redis = Redis()
    redis.create("s", "g")
    redis.create("dead")
    redis.add(0, "s", "a")
    [held] = redis.read(0, "s", "g", "c1")
    [(message, consumer)] = redis.pending("s", "g")
    assert (consumer, message.receives) == ("c1", 1)
    redis.add(0, "dead", message.payload)
    assert redis.log("s").ack(0, held) and len(redis.log("dead")) == 1


def test_a_group_that_was_never_created_is_an_error():
    redis = Redis()
    redis.create("s", "g")
    with pytest.raises(RedisError, match="NOGROUP"):
        redis.read(0, "s", "other", "c1")


# --- sorted sets, dedup, pub/sub, memory --------------------------------------------------------------------------


def test_what_is_published_reaches_who_is_connected_and_is_kept_nowhere():  # RED-16
    redis = Redis()
    assert redis.publish(0, "news", "lost") == 0
    redis.subscribe("news", "c1")
    redis.subscribe("news", "c2")
    assert redis.publish(0, "news", "n") == 2
    assert [bodies(redis.heard(0, client)) for client in ("c1", "c2", "c1")] == [["n"], ["n"], []]
    redis.disconnect(0, "c1")
    assert redis.publish(0, "news", "m") == 1 and redis.heard(0, "c1") == []


@pytest.mark.parametrize(
    "command",
    [
        lambda redis: redis.push(0, "q", "x"),
        lambda redis: redis.move(0, "q", "proc", "c1"),
        lambda redis: redis.add(0, "s", "x"),
        lambda redis: redis.add_due(0, "z", "x", 0),
        lambda redis: redis.set_once(0, "id", SECOND),
    ],
    ids=["LPUSH", "LMOVE", "XADD", "ZADD", "SET"],
)
def test_when_memory_is_full_what_needs_some_is_refused(command):  # RED-17
    redis = _with_work()
    redis.is_full = True
    with pytest.raises(RedisError, match=r"^OOM"):
        command(redis)
    assert redis.broker.journal.read()[-1][5:7] == (Kind.REJECTED, Cause.FULL)


def test_when_memory_is_full_reading_and_settling_go_on():  # RED-17: the reliable consumer stops, the plain one drains
    redis = _with_work()
    redis.move(0, "q", "proc", "c1")
    redis.is_full = True
    assert bodies(redis.pop(0, ["q"], "c1")) == ["b"] and redis.remove(0, "proc", "a") == 1
    [entry] = redis.read(0, "s", "g", "c1")
    assert redis.claim(0, "s", "g", "c2", entry.message.entry, 0) and redis.log("s").ack(0, entry)


def _with_work():
    redis = Redis()
    redis.create("s", "g")
    redis.push(0, "q", "a", "b")
    redis.add(0, "s", "e")
    return redis


def test_a_delay_queue_is_a_set_by_due_time():  # RED-20
    redis = Redis()
    redis.add_due(0, "z", "late", 2 * SECOND)
    redis.add_due(0, "z", "soon", SECOND)
    redis.add_due(0, "z", "sooner", SECOND - 1)
    assert redis.take_due(SECOND - 2, "z", "c1", 5) == []
    assert bodies(redis.take_due(2 * SECOND, "z", "c1", 2)) == ["sooner", "soon"]
    redis.add_due(SECOND, "z", "late", 9 * SECOND)
    assert redis.take_due(2 * SECOND, "z", "c1", 5) == [] and redis.length("z") == 1


def test_a_duplicate_does_not_extend_the_window():  # RED-20
    redis = Redis()
    tries = [redis.set_once(now * SECOND // 2, "id", 2 * SECOND) for now in (0, 1, 3, 4)]
    assert tries == [True, False, False, True]


# --- the profiles ------------------------------------------------------------------------------------------------


def test_every_value_of_the_profiles_cites_its_rule():
    for name in ("redis-list", "redis-stream"):
        assert all(rule.startswith(("RED-", "ours:")) for rule in RULES[name].values())


def test_a_dead_consumer_takes_what_it_popped_with_it():  # RED-1
    broker = Broker({"q": REDIS_LIST})
    broker.send(0, "q")
    broker.receive(0, "q", "c1")
    broker.forget(SECOND, "c1")
    assert broker.queues["q"].depth == 0
    assert Kind(broker.journal.read()[-1][5]) is Kind.VANISHED


@pytest.mark.parametrize(("on_crash", "left"), [(OnCrash.LOSES, 0), (OnCrash.KEEPS, 1)])
def test_nothing_can_be_given_back(on_crash, left):  # RED-3, RED-13: a nack is no call
    broker = Broker({"q": replace(REDIS_LIST, on_crash=on_crash)})
    broker.send(0, "q")
    [held] = broker.receive(0, "q", "c1")
    assert broker.nack(SECOND, held) is Cause.NONE
    assert (broker.queues["q"].visible, broker.queues["q"].in_flight) == (0, left)


def test_with_a_processing_list_it_stays_until_a_reaper_comes():  # RED-2
    broker = Broker({"q": replace(REDIS_LIST, on_crash=OnCrash.KEEPS, returns_to=ReturnsTo.TAIL)})
    for number in range(2):
        broker.send(0, "q", number)
    broker.receive(0, "q", "c1")
    broker.forget(SECOND, "c1")
    [stuck] = broker.queues["q"].leased()
    assert broker.wake_at() is None
    broker.queues["q"].expire(2 * SECOND, stuck)
    assert [d.message.number for d in broker.receive(2 * SECOND, "q", "c2", 2)] == [1, 0]
