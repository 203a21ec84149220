"""A topic: who gets a copy of what, under which number, and what becomes of copies (SCENARIO.md, topics)."""

from collections import Counter

import pytest

from qsim.claims.whole_run import no_message_lost
from qsim.kernel.journal import Cause, Kind
from qsim.metrics.numbers import Numbers
from qsim.scenario.plan import Plan
from qsim.scenario.problems import ScenarioError
from qsim.sim.simulate import simulate
from qsim.units import SECOND
from tests.sim.runs import K, plan, run

IDLE = "consumers: {c: {from: a, service: 1s, count: 0}}"
"""Nobody takes anything."""


def story(subscriptions, producer="rate: 1/s, arrivals: regular, limit: 1", queues="a: {}, b: {}", more=IDLE, kind="", **how):
    return run(told(subscriptions, producer, queues, more, kind), **how)


def told(subscriptions, producer, queues, more, kind=""):
    return "\n".join([
        f"queues: {{{queues}}}", f"topics: {{t: {{{kind}subscriptions: [{subscriptions}]}}}}",
        f"producers: {{p: {{to: t, {producer}}}}}", more,
    ])  # fmt: skip


def entered(rows, queue):
    """The numbers of the messages that a queue accepted, as their producer counts them."""
    return [row.k for row in rows.of("ACCEPTED", queue=queue)]


# --- copies -----------------------------------------------------------------------------------------------------------


def test_each_queue_gets_a_copy_with_a_number_of_its_own_after_the_topic_took_the_message():
    rows = story("{queue: a}, {queue: b}")
    assert [str(row) for row in rows.rows if row.time == 0 and row.message >= 0] == ["SENT 0", "PUBLISHED 0", "ACCEPTED 0", "ACCEPTED 0"]
    [sent], [published], [one, other] = rows.of("SENT"), rows.of("PUBLISHED"), rows.of("ACCEPTED")
    assert (sent.queue, published.queue, published.attempt, published.other) == (-1, -1, 2, 0)
    assert [(row.queue, row.producer) for row in (sent, published, one, other)] == [(-1, 0), (-1, 0), (0, 1), (1, 2)]


def test_the_copies_of_two_producers_stay_apart():
    rows = story("{queue: a}", "rate: 1/s, arrivals: regular, count: 2, limit: 3")
    copies = [row.message for row in rows.of("ACCEPTED")]
    assert len(set(copies)) == len(copies) == 6
    assert {message >> 40 for message in copies} == {2, 3}


def test_a_queue_gets_one_copy_however_many_of_its_subscriptions_want_it():
    # RMQ-1
    rows = story("{queue: a, key: x.*}, {queue: a, key: '#'}, {queue: b, key: y}", "rate: 1/s, limit: 1, message: {key: x.y}",
                 kind="type: topic, ")  # fmt: skip
    assert (entered(rows, 0), entered(rows, 1)) == ([0], [])


def test_each_subscription_with_a_filter_gives_a_copy_of_its_own():
    # ASB-24: a subscription with rules is a queue of its own, whatever it is forwarded to
    message = "message: {attributes: {kind: {cart: 100%}}}"
    rows = story("{queue: a, filter: \"kind = 'cart'\"}, {queue: a, filter: \"NOT kind = 'order'\"}", f"rate: 1/s, limit: 1, {message}")
    assert [(row.k, row.producer) for row in rows.of("ACCEPTED")] == [(0, 1), (0, 2)]


def test_all_copies_enter_before_anybody_is_served():
    # rule 6: sends come before receives
    readers = "consumers: {c: {from: a, service: 0s}, d: {from: b, service: 0s}}"
    rows = story("{queue: a}, {queue: b}", more=readers)
    assert rows.at(0, "ACCEPTED", "RECEIVED", "ACKED") == ["ACCEPTED 0"] * 2 + ["RECEIVED 0", "ACKED 0"] * 2


def test_nobody_wants_it_and_the_topic_takes_it_all_the_same():
    # RMQ-2: the broker takes it, and drops it
    rows = story("{queue: a, only: {kind: [cart]}}",
                 "rate: 1/s, arrivals: regular, limit: 2, on_reject: {attempts: 3}, message: {attributes: {kind: {cart: 0%, order: 100%}}}")  # fmt: skip
    assert rows.count("PUBLISHED", attempt=0) == rows.count("UNROUTED", queue=-1) == rows.count("SENT") == 2
    assert rows.count("ACCEPTED") == 0


# --- which messages -----------------------------------------------------------------------------------------------------

COLOURS = "rate: 1/s, arrivals: regular, limit: 400, message: {attributes: {kind: {order: 50%, cart: 30%, trial: 20%}, region: {eu: 50%, us: 50%}}}"
VALUES = [(kind, region) for kind in ("order", "cart", "trial") for region in ("eu", "us")]


@pytest.mark.parametrize(
    ("subscription", "wants"),
    [
        ("only: {kind: [cart, trial]}", lambda kind, region: kind != "order"),
        ("only: {kind: [cart], region: [eu]}", lambda kind, region: (kind, region) == ("cart", "eu")),
        ("filter: \"kind = 'cart' OR region = 'us'\"", lambda kind, region: kind == "cart" or region == "us"),
        ("filter: \"kind IN ('cart', 'trial') AND NOT region = 'eu'\"", lambda kind, region: kind != "order" and region == "us"),
        ("only: {region: [us]}, filter: \"kind <> 'trial'\"", lambda kind, region: kind != "trial" and region == "us"),
    ],
)
def test_the_messages_that_pass_are_those_whose_attributes_do(subscription, wants):
    rows = story(f"{{queue: a, {subscription}}}", COLOURS, seconds=400)
    passed = [row.k for row in rows.of("ATTRIBUTES") if wants(*VALUES[row.other])]
    assert 0 < len(passed) < 400
    assert entered(rows, 0) == passed
    assert [row.k for row in rows.of("UNROUTED")] == sorted(set(range(400)) - set(passed))


@pytest.mark.parametrize(
    ("kind", "binding", "key", "passes"),
    [
        ("topic", "orders.*.eu", "orders.new.eu", True),
        ("topic", "orders.*", "orders.new.eu", False),
        ("topic", "orders.#", "orders", True),
        ("topic", "'#.eu'", "orders.new.eu", True),
        ("topic", "'*.*'", "orders", False),
        ("direct", "orders.new", "orders.new", True),
        ("direct", "orders.*", "orders.new", False),
    ],
)
def test_a_key_is_matched_as_the_type_says(kind, binding, key, passes):
    # RMQ-1
    rows = story(f"{{queue: a, key: {binding}}}", f"rate: 1/s, limit: 1, message: {{key: {key}}}", kind=f"type: {kind}, ")
    assert entered(rows, 0) == ([0] if passes else [])


def test_each_producer_has_a_key_of_its_own():
    text = """
        queues: {a: {}, b: {}}
        topics: {t: {type: direct, subscriptions: [{queue: a, key: x}, {queue: b, key: y}]}}
        producers:
          p: {to: t, rate: 1/s, arrivals: regular, limit: 3, message: {key: x}}
          q: {to: t, rate: 1/s, arrivals: regular, limit: 2, message: {key: y}}
    """
    rows = run(text)
    assert Counter(row.queue for row in rows.of("ACCEPTED")) == {0: 3, 1: 2}


# --- what a copy is like ------------------------------------------------------------------------------------------------


def test_a_subscription_delays_its_copies_and_no_others():
    rows = story("{queue: a, delay: 1m}, {queue: b}")
    assert rows.times("VISIBLE", queue=0) == [60]
    assert rows.count("VISIBLE", queue=1) == 0


def test_a_subscription_s_delay_comes_on_top_of_the_message_s():
    rows = story("{queue: a, delay: 10s}, {queue: b}", "rate: 1/s, limit: 1, arrivals: regular, message: {delay: 3s}", "a: {delay: 50s}, b: {delay: 50s}")
    assert (rows.times("VISIBLE", queue=0), rows.times("VISIBLE", queue=1)) == ([13], [3])


def test_a_priority_is_meant_by_its_name_wherever_it_stands():
    queues = "a: {order: priority, priorities: [hi, lo]}, b: {order: priority, priorities: [lo, mid, hi]}, c: {}"
    readers = "consumers: {x: {from: a, service: 1s}, y: {from: b, service: 1s}, z: {from: c, service: 1s}}"
    rows = story("{queue: a}, {queue: b}, {queue: c}",
                 "rate: 100/s, arrivals: regular, limit: 50, message: {priority: {hi: 40%, lo: 60%}}", queues, readers)  # fmt: skip
    level = {row.k: row.cause for row in rows.of("SENT")}
    assert set(level.values()) == {0, 1}, "of the topic's hi, lo, mid"
    waiting = [[row.k for row in rows.of("RECEIVED", queue=queue)][1:] for queue in range(3)]
    assert [level[k] for k in waiting[0]] == sorted(level[k] for k in waiting[0])
    assert [level[k] for k in waiting[1]] == sorted((level[k] for k in waiting[1]), reverse=True)
    assert waiting[2] == sorted(waiting[2])


def test_a_group_keeps_its_order_in_a_fifo_queue_behind_a_topic():
    rows = story("{queue: a}, {queue: b}", "rate: 10/s, arrivals: regular, limit: 60, message: {group: {keys: 4}}", "a: {profile: sqs-fifo}, b: {}",
                 "consumers: {c: {from: a, count: 8, service: {exponential: {mean: 1s}}}}")  # fmt: skip
    group = {row.k: row.other for row in rows.of("SENT")}
    assert {row.k: row.other for row in rows.of("ACCEPTED", queue=0)} == group
    received = [row.k for row in rows.of("RECEIVED")]
    for key in range(4):
        own = [k for k in received if group[k] == key]
        assert own == sorted(own) and own


def test_poison_fails_at_every_queue_until_it_is_fixed_there():
    work = "service: 1s, retry: {backoff: fixed, first: 10s}"
    readers = f"consumers: {{c: {{from: a, {work}}}, d: {{from: b, {work}}}}}"
    rows = story("{queue: a}, {queue: b}", "rate: 1/s, arrivals: regular, limit: 1, message: {poison: 100%}",
                 more=readers + "\ntimeline: {fixed: {at: 30s, fix_poison: a}}")  # fmt: skip
    assert rows.times("ERRED", queue=0) == [1, 12, 23] and rows.times("EFFECT", queue=0) == [34]
    assert len(rows.times("ERRED", queue=1)) == 9 and rows.count("EFFECT", queue=1) == 0


def test_a_copy_is_held_until_its_original_is_due():
    rows = story("{queue: a}", "rate: 1/s, arrivals: regular, limit: 1, message: {eta: 20s}", more="consumers: {c: {from: a, service: 1s}}")
    assert (rows.times("RECEIVED"), rows.times("EFFECT")) == ([0], [21])


# --- what is refused, and what goes lost ----------------------------------------------------------------------------------

RETRIES = "on_reject: {attempts: 9, backoff: none}, timeout: 1s"


def test_a_full_queue_refuses_its_copy_and_nobody_else_hears_of_it():
    rows = story("{queue: a}, {queue: b}", f"rate: 1/s, arrivals: regular, limit: 5, {RETRIES}", "a: {capacity: {messages: 2}}, b: {}")
    assert (entered(rows, 0), entered(rows, 1)) == ([0, 1], [0, 1, 2, 3, 4])
    assert [(row.k, row.producer, row.cause) for row in rows.of("REJECTED", queue=0)] == [(k, 1, Cause.FULL) for k in (2, 3, 4)]
    numbers = Numbers(rows.recording)
    assert (numbers.value("p.accepted"), numbers.value("p.rejected"), numbers.value("p.retried")) == (5, 0, 0)
    assert (numbers.value("a.rejected"), numbers.value("a.lost"), numbers.value("b.lost")) == (3, 3, 0)
    assert no_message_lost(numbers).observed == 3


def test_a_queue_behind_a_topic_cannot_begin_to_block():
    block = "timeline: {later: {at: 2s, set: {queues.a.capacity: {messages: 1, when_full: block}}}}"
    with pytest.raises(ScenarioError, match="Q035: 'a' would block, and a topic waits for no queue"):
        story("{queue: a}, {queue: b}", more=f"{IDLE}\n{block}")


def test_a_lost_answer_brings_the_same_copies_again_under_the_same_numbers():
    # sqs-fifo knows them by their original's identity (SQS-6); ideal takes them for others
    rows = story("{queue: a}, {queue: b}", f"rate: 1/s, arrivals: regular, limit: 200, message: {{group: {{keys: 5}}}}, {RETRIES}",
                 "a: {profile: sqs-fifo, imperfections: {lose_reply: 30%}}, b: {}", seconds=300)  # fmt: skip
    tries = Counter(row.k for row in rows.of("SENT"))
    assert max(tries.values()) > 1
    assert Counter(row.k for row in rows.of("ACCEPTED", queue=1)) == tries
    assert entered(rows, 0) and Counter(entered(rows, 0)) == dict.fromkeys(range(200), 1)
    assert rows.count("SUPPRESSED", queue=0) == sum(tries.values()) - 200
    assert {row.producer for row in rows.of("ACCEPTED", queue=1)} == {2}
    assert rows.count("PUBLISHED") == rows.count("SENT")


def test_a_request_to_a_topic_is_lost_as_often_as_to_its_worst_queue():
    rows = story("{queue: a}, {queue: b}", "rate: 10/s, arrivals: regular", "a: {imperfections: {lose_send: 5%}}, b: {imperfections: {lose_send: 20%}}")
    lost = rows.count("LOST_SEND", queue=-1)
    assert rows.count("SENT") == 1000 and 150 < lost < 250
    assert rows.count("ACCEPTED", queue=0) == rows.count("ACCEPTED", queue=1) == 1000 - lost
    numbers = Numbers(rows.recording)
    assert no_message_lost(numbers).observed == numbers.value("p.lost_on_the_way") == lost


def test_a_batch_is_one_call_and_each_entry_is_published():
    rows = story("{queue: a}, {queue: b}", "rate: 1/s, arrivals: regular, limit: 6, batch: {size: 3, max_wait: 1m}")
    assert rows.times("SENT") == [0, 1, 2, 3, 4, 5]
    assert rows.times("PUBLISHED") == [2, 2, 2, 5, 5, 5]
    assert rows.times("ACCEPTED", queue=1) == [2, 2, 2, 5, 5, 5]


def test_a_producer_that_waits_at_a_full_queue_is_not_mixed_up_with_copies_for_it():
    text = """
        queues: {a: {capacity: {messages: 1, when_full: reject}}, b: {capacity: {messages: 2, when_full: block}}}
        topics: {t: {subscriptions: [{queue: a}]}}
        producers: {p: {to: t, rate: 1/s, arrivals: regular, limit: 3}, q: {to: b, rate: 1/s, arrivals: regular, limit: 4}}
        consumers: {c: {from: b, service: 10s}}
    """
    rows = run(text)
    assert rows.count("REJECTED", queue=0) == 2 and entered(rows, 1) == [0, 1, 2, 3]


# --- luck, and both ways to be a consumer -----------------------------------------------------------------------------------


def test_another_subscription_changes_nothing_in_the_first_queue():
    work = "consumers: {c: {from: a, count: 2, service: {exponential: {mean: 1s}}, failures: {error: 20%}}}"
    producer = "rate: 2/s, message: {poison: 3%, priority: hi}"
    queues = "a: {order: priority, priorities: [hi, lo]}, b: {}"
    one = story("{queue: a}", producer, queues, work)
    two = story("{queue: b}, {queue: a}", producer, queues, work)
    assert one.times("EFFECT") == two.times("EFFECT") and one.count("EFFECT") > 40
    assert one.times("ERRED") == two.times("ERRED") and one.count("ERRED") > 4


def test_the_copies_of_one_message_have_each_their_own_luck():
    rows = story("{queue: a}, {queue: b}", "rate: 1/s, arrivals: regular, limit: 50",
                 more="consumers: {c: {from: a, count: 9, service: {exponential: {mean: 1s}}}, d: {from: b, count: 9, service: {exponential: {mean: 1s}}}}")  # fmt: skip
    a, b = (dict(zip((row.k for row in rows.of("EFFECT", queue=queue)), rows.times("EFFECT", queue=queue), strict=True)) for queue in (0, 1))
    assert a.keys() == b.keys() and all(a[k] != b[k] for k in a)


MIXED = """
    queues: {a: {}, b: {order: priority, priorities: [hi, lo]}, f: {profile: sqs-fifo}}
    topics:
      t:
        subscriptions: [{queue: a}, {queue: b, only: {kind: [cart]}}, {queue: f, delay: null}]
    producers: {p: {to: t, rate: 20/s, count: 2, message: {group: {keys: 9}, priority: {hi: 30%, lo: 70%}, poison: 2%,
                attributes: {kind: {cart: 50%, order: 50%}}}, on_reject: {attempts: 4}, timeout: 1s}}
    consumers:
      c: {from: a, count: 4, service: 50ms, failures: {error: 5%}, retry: {first: 1s}}
      d: {from: b, count: 2, service: {exponential: {mean: 60ms}}}
      e: {from: f, count: 6, service: 100ms}
"""


@pytest.mark.parametrize("flaw", [[], ["queues.a.imperfections.lose_reply=10%"], ["queues.b.imperfections.lose_send=10%"]])
def test_a_callback_and_a_process_write_the_same_rows(flaw):
    drawn: Plan = plan(MIXED, seconds=60, sets=flaw)
    quick, slow = simulate(drawn), simulate(drawn, quick=False)
    assert quick.digest == slow.digest
    assert Counter(row[5] for row in run(MIXED, seconds=60, sets=flaw).rows)[Kind.PUBLISHED] > 2000


def test_a_number_leads_back_to_its_original():
    rows = run(MIXED, seconds=10)
    sent = {row.message: row.time for row in rows.of("SENT") if row.attempt == 1}
    ledger = Numbers(rows.recording).ledger
    for row in rows.of("ACCEPTED"):
        origin = ledger.origins[row.producer]
        assert sent[origin.root << 40 | row.message & K] <= row.time < 10 * SECOND
