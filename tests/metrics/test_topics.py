"""What metrics, tables and stories tell of copies: all that is true of the original is true of them."""

from dataclasses import replace

import numpy as np
import pytest

from qsim.claims.conservation import conservation
from qsim.claims.whole_run import at_least_once, in_order
from qsim.kernel.journal import ROW, Kind
from qsim.metrics.frames import COLUMNS, frame
from qsim.metrics.life import find, story
from qsim.metrics.naming import message_name
from qsim.metrics.numbers import Numbers
from qsim.scenario.reference import ReferenceError_
from qsim.units import SECOND
from tests.sim.runs import K, run

SHOP = """
    queues:
      billing: {profile: sqs-fifo}
      notify: {order: priority, priorities: [urgent, rest]}
      remind: {}
    topics:
      placed:
        subscriptions: [{queue: billing}, {queue: notify}, {queue: remind, only: {kind: [cart, trial]}, delay: 5s}]
    producers:
      desk: {to: remind, rate: 1/s, arrivals: regular}
      shop:
        to: placed
        rate: 10/s
        count: 2
        message:
          priority: {urgent: 20%, rest: 80%}
          group: {keys: 7}
          attributes: {kind: {order: 60%, cart: 30%, trial: 10%}}
          poison: 5%
    consumers:
      charge: {from: billing, count: 4, service: 100ms, failures: {on_error: reject}}
      mailer: {from: notify, count: 2, service: {exponential: {mean: 120ms}}, failures: {on_error: reject}}
      reminder: {from: remind, count: 1, service: 50ms, failures: {on_error: reject}}
"""


@pytest.fixture(scope="module")
def shop():
    return run(SHOP, seconds=60)


@pytest.fixture(scope="module")
def numbers(shop):
    return Numbers(shop.recording)


def originals(rows):
    return {(row.producer, row.k): row for row in rows.of("SENT") if row.attempt == 1}


def original_of(numbers, row):
    return numbers.ledger.origins[row.producer].root, row.k


# --- counters -----------------------------------------------------------------------------------------------------------


def test_a_topic_counts_what_it_took_what_it_made_and_what_nobody_wanted(numbers, shop):
    sent, carts = len(shop.of("SENT")) - 60, shop.count("ACCEPTED", queue=2) - 60
    assert numbers.value("placed.published") == numbers.value("shop.sent") == numbers.value("shop.accepted") == sent
    assert numbers.value("placed.copies") == 2 * sent + carts
    assert numbers.value("placed.unrouted") == 0
    assert numbers.value("placed.published urgent") == sum(row.cause == 0 for row in shop.of("SENT") if row.producer > 0)
    assert numbers.value("placed.copies urgent") > 2 * numbers.value("placed.published urgent")
    assert numbers.value("placed.copies from 10s to 20s") == sum(
        row.attempt for row in shop.of("PUBLISHED") if 10 * SECOND <= row.time < 20 * SECOND
    )


def test_a_message_that_no_subscription_wants_is_counted_and_not_lost():
    text = """
        queues: {a: {}}
        topics: {t: {subscriptions: [{queue: a, only: {kind: [x]}}]}, other: {subscriptions: []}}
        producers:
          p: {to: t, rate: 1/s, arrivals: regular, limit: 50, message: {attributes: {kind: {x: 50%, y: 50%}}}}
          q: {to: other, rate: 1/s, arrivals: regular, limit: 3}
    """
    rows = run(text)
    numbers = Numbers(rows.recording)
    assert numbers.value("t.unrouted") == 50 - numbers.value("a.accepted") == rows.count("UNROUTED", other=0) > 10
    assert (numbers.value("other.published"), numbers.value("other.unrouted"), numbers.value("other.copies")) == (3, 3, 0)
    assert numbers.value("t.unrouted share") == numbers.value("t.unrouted") / 50
    assert numbers.value("p.accepted") == 50 and numbers.value("p.under_way") == 0


def test_the_books_of_producers_queues_and_topics_are_in_order(shop):
    told = conservation(shop.recording)
    assert told["problems"] == []
    assert told["producers"]["shop"]["under_way"] == 0
    topic = told["topics"]["placed"]
    assert topic["copies"] == topic["accepted"] and topic["suppressed"] == topic["rejected"] == 0


def test_a_copy_of_which_no_queue_tells_breaks_the_books(shop):
    rows = [list(row) for row in shop.rows]
    gone = next(i for i, row in enumerate(rows) if row[5] == Kind.ACCEPTED and row[4] == 1)
    forged = replace(shop.recording, chunks=[b"".join(ROW.pack(*row) for i, row in enumerate(rows) if i != gone)], _array=None)
    problems = conservation(forged)["problems"]
    copies = int(Numbers(shop.recording).value("placed.copies"))
    assert f"placed: {copies} copies, but {copies - 1} came to a queue" in problems


# --- values a message ------------------------------------------------------------------------------------------------------


def test_wait_and_latency_count_from_the_first_try_to_send_the_original():
    text = """
        queues: {a: {imperfections: {lose_send: 50%}}, b: {}}
        topics: {t: {subscriptions: [{queue: a}, {queue: b, delay: 4s}]}}
        producers: {p: {to: t, rate: 1/s, arrivals: regular, limit: 40, on_reject: {attempts: 9, backoff: none}, timeout: 2s}}
        consumers: {c: {from: a, count: 9, service: 1s}, d: {from: b, count: 9, service: 3s}}
    """
    rows = run(text)
    numbers = Numbers(rows.recording)
    waits = {}
    for row in rows.of("ACCEPTED", queue=0):
        waits.setdefault(row.k, (row.time - row.k * SECOND) / SECOND)
    assert set(waits.values()) > {0, 2, 4}
    assert numbers.value("a.wait max") == max(waits.values()) and numbers.value("a.wait mean") == np.mean(list(waits.values()))
    assert numbers.value("b.wait max") == numbers.value("a.wait max") + 4
    assert numbers.value("b.latency min") == numbers.value("b.origin_latency min") == 7
    assert numbers.value("p.send_time max") == max(waits.values())


def test_send_time_ends_when_the_topic_answers_not_when_a_queue_does():
    text = """
        queues: {a: {}}
        topics: {t: {subscriptions: [{queue: a, delay: 9s}]}}
        producers: {p: {to: t, rate: 1/s, arrivals: regular, batch: {size: 2, max_wait: 1m}}}
    """
    numbers = Numbers(run(text, seconds=10).recording)
    assert (numbers.value("p.send_time min"), numbers.value("p.send_time max")) == (0, 1)


# --- labels ----------------------------------------------------------------------------------------------------------------


def test_a_copy_has_the_priority_of_its_original_where_the_queue_has_none_too(numbers, shop):
    urgent = {key for key, row in originals(shop).items() if row.cause == 0 and key[0] > 0}
    for queue, name in enumerate(("billing", "notify")):
        got = [original_of(numbers, row) for row in shop.of("ACCEPTED", queue=queue)]
        assert numbers.value(f"{name}.accepted urgent") == sum(key in urgent for key in got) > 100
        assert numbers.value(f"{name}.accepted rest") == len(got) - numbers.value(f"{name}.accepted urgent")
    assert numbers.value("shop.sent urgent") == len(urgent)
    assert numbers.value("notify.wait.urgent mean") < numbers.value("notify.wait.rest mean")
    assert numbers.value("desk.sent urgent") == numbers.value("desk.sent rest") == 0, "its queue has no priorities"


def test_a_copy_has_attributes_group_and_poison_of_its_original(numbers, shop):
    groups = {key: row.other for key, row in originals(shop).items()}
    got = [original_of(numbers, row) for row in shop.of("ACCEPTED", queue=1)]
    assert numbers.value("notify.accepted 3") == sum(groups[key] == 3 for key in got) > 20
    kinds = {(row.producer, row.k): row.other for row in shop.of("ATTRIBUTES")}
    assert numbers.value("billing.accepted cart") == sum(kinds[original_of(numbers, row)] == 1 for row in shop.of("ACCEPTED", queue=0))
    assert numbers.value("remind.accepted cart") == numbers.value("billing.accepted cart")
    assert numbers.value("remind.accepted order") == 0 < numbers.value("notify.accepted order")
    sick = {(row.producer, row.k) for row in shop.of("POISON")}
    failed = {original_of(numbers, row) for row in shop.of("ERRED", queue=1)}
    assert failed and failed <= sick
    assert numbers.value("mailer.busy poison at end") in (0, 1, 2)
    assert numbers.value("billing.received poison") == sum(original_of(numbers, row) in sick for row in shop.of("RECEIVED", queue=0))


def test_a_label_that_nothing_has_is_refused(numbers):
    with pytest.raises(ReferenceError_, match="'urgnt' is not a statistic, nor a label of notify"):
        numbers.value("notify.accepted urgnt")


# --- claims, tables, stories --------------------------------------------------------------------------------------------------


def test_claims_follow_the_original(numbers, shop):
    assert in_order(numbers, {"queue": "billing", "by": "group"}).holds
    assert in_order(numbers, {"queue": "notify", "by": "queue"}).holds is False
    assert at_least_once(numbers, "notify").observed == shop.count("ERRED", queue=1) > 10, "rejected, and nobody did them"


def test_the_table_of_messages_tells_of_copies_what_it_tells_of_originals(numbers, shop):
    table = frame(numbers, "messages")
    assert list(table.columns) == list(COLUMNS["messages"])
    assert set(table.queue) == {"billing", "notify", "remind"}
    billing = table[table.queue == "billing"].set_index("message")
    sent = originals(shop)
    for row in shop.of("ACCEPTED", queue=0)[::97]:
        told, first = billing.loc[row.message], sent[original_of(numbers, row)]
        assert (told.producer, told.number, told.group) == ("shop", row.k, first.other)
        assert told.priority == ("urgent", "rest")[first.cause]
        assert told.sent_s * SECOND == pytest.approx(first.time)
    assert set(table[table.producer == "desk"].queue) == {"remind"}


def test_a_story_of_an_original_names_its_copies_and_a_copy_its_original(numbers, shop):
    cart = next(row for row in shop.of("ACCEPTED", queue=2) if row.producer > 2)
    name = message_name(numbers.plan, cart.message)
    original = name.removesuffix("/remind")
    assert name == f"shop#{original_of(numbers, cart)[0]}:{cart.k}/remind"
    told = story(numbers, find(numbers, original))
    assert told[1].endswith("published  placed: 3 copies")
    assert told[2].strip() == f"made of it: {original}/billing, {original}/notify, {original}/remind"
    first, second, *_ = story(numbers, find(numbers, name))
    assert first.endswith(f"sent       {original}, of which this is a copy")
    assert second.endswith("accepted   remind  (delayed)")
    order = next(row for row in shop.of("PUBLISHED") if row.attempt == 2)
    assert "remind" not in "".join(story(numbers, order.message))
    assert (find(numbers, name), find(numbers, cart.message & K)) == (cart.message, cart.k)


def test_a_copy_that_was_not_made_is_not_found(numbers, shop):
    order = next(row for row in shop.of("PUBLISHED") if row.attempt == 2)
    with pytest.raises(LookupError, match="/remind was sent in this run"):
        find(numbers, message_name(numbers.plan, order.message) + "/remind")


# --- during the run ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("when", "limit"),
    [
        ("placed.published", 195),
        ("placed.copies", 480),
        ("shop.accepted", 195),
        ("notify.wait p95", 0.4),
        ("notify.latency mean", 0.3),
        ("remind.origin_latency max", 5.2),
    ],
)
def test_an_alert_sees_what_the_journal_tells(when, limit):
    written = limit if isinstance(limit, int) else f"{round(limit * 1000)}ms"
    rows = run(SHOP + f"\n    alerts: {{bell: {{when: {when}, above: {written}, window: 10s}}}}", seconds=60)
    numbers, changes, fires = Numbers(rows.recording), [], False
    for second in range(1, 60):
        value = numbers.value(f"{when} from {max(0, second - 10)}s to {second}s")
        if (value is not None and value > limit) != fires:
            fires = not fires
            changes.append((second, "FIRED" if fires else "CLEARED"))
    seen = sorted((time, kind) for kind in ("FIRED", "CLEARED") for time in rows.times(kind))
    assert seen == changes and changes
