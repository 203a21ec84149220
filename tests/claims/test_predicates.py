"""The predicates that only Python has: of alerts, of each message, of what holds the work up."""

from dataclasses import replace

import pytest

import qsim
from qsim.claims.expect import CheckFailed, Inconclusive, expect
from qsim.kernel.journal import Kind
from qsim.scenario.plan import Constant, DependencyPlan, RequestReply
from qsim.units import SECOND
from tests.stories import Story, consumer, plan, producer


def scenario(text):
    head = "qsim: 1\nname: small\nrun: {duration: 100s}\n"
    return qsim.load(text=head + text)


# --- over time --------------------------------------------------------------------------------------------------------


@pytest.fixture
def drained():
    """Two wait until 4 s."""
    return Story().send(0, "a").send(1, "b").receive(3, "a").receive(4, "b").numbers()


def test_a_queue_drains_by_the_moment_at_which_it_is_empty_again(drained):
    assert expect(drained).that("orders.visible").drains_by("4s").verdict == "pass"
    with pytest.raises(CheckFailed, match=r"orders\.visible: expected to drain by 3\.9s, got 4s"):
        expect(drained).that("orders.visible").drains_by("3.9s")


def test_a_queue_that_is_not_empty_again_does_not_drain():
    with pytest.raises(CheckFailed, match="got never"):
        expect(Story().send(0, "a").numbers()).that("orders.visible").drains_by("1h")


def test_only_a_queue_can_drain(drained):
    with pytest.raises(ValueError, match="asks when a queue was empty again"):
        expect(drained).that("worker.busy").drains_by("1s")


def test_the_largest_value_decides_whether_something_is_exceeded(drained):
    assert expect(drained).never_exceeds("orders.visible", 2).verdict == "pass"
    with pytest.raises(CheckFailed, match=r"orders\.visible: expected never to exceed 1, got 2"):
        expect(drained).that("orders.visible").never_exceeds(1)
    expect(drained).never_exceeds("orders.visible from 4s", 0)
    with pytest.raises(ValueError, match="of a metric over time"):
        expect(drained).never_exceeds("orders.visible max", 2)


# --- each message -----------------------------------------------------------------------------------------------------


def test_effects_count_and_deliveries_do_not():
    twice = Story().send(0, "a").receive(1, "a").lease_ended(2, "a").receive(2, "a", 2, 1)
    expect(twice.ack(3, "a", 2, 1).numbers()).each_message("orders").runs_at_most(1)
    again = twice.effect(4, "a").numbers()
    with pytest.raises(CheckFailed, match=r"each message of orders: expected at most 1 effect .*1 message with more, one with 2"):
        expect(again).each_message("orders").runs_at_most(1)
    expect(again).each_message("orders").runs_at_most(2)


def test_two_consumers_may_each_run_a_message_once():
    run = Story(consumers=[consumer(), consumer("other", 1)]).send(0, "a").receive(1, "a").ack(2, "a")
    expect(run.effect(3, "a", consumer=1).numbers()).each_message("orders").runs_at_most(1)


def test_on_a_shared_queue_nobody_sees_every_message():
    r = qsim.load("shared-queue-by-mistake").run()
    with pytest.raises(CheckFailed, match=r"email saw 600 of 1,200 \(50\.0 %\)"):
        expect(r).each_message("orders").reaches(["billing", "email"])


def test_a_topic_reaches_all_and_a_message_under_way_speaks_against_nobody():
    r = scenario(
        "queues: {bills: {}, mails: {}}\n"
        "topics: {orders: {subscriptions: [{queue: bills}, {queue: mails}]}}\n"
        "producers: {shop: {to: orders, rate: 1/s, arrivals: regular}}\n"
        "consumers: {billing: {from: bills, service: 100ms}, email: {from: mails, service: 2s}}\n"
    ).run()
    assert r["mails.visible at end"] == 50, "half of them wait at the end"
    expect(r).each_message("orders").reaches(["billing", "email", "mails"])
    expect(r).each_message("orders").runs_at_most(1)


def test_a_filter_keeps_messages_from_somebody():
    r = scenario(
        "queues: {bills: {}, mails: {}}\n"
        "topics: {orders: {type: headers, subscriptions: [{queue: bills}, {queue: mails, only: {kind: [big]}}]}}\n"
        "producers: {shop: {to: orders, rate: 1/s, arrivals: regular,"
        " message: {attributes: {kind: {big: 50%, small: 50%}}}}}\n"
        "consumers: {billing: {from: bills, service: 1ms}, email: {from: mails, service: 1ms}}\n"
    ).run()
    seen = r["email.effects total"]
    with pytest.raises(CheckFailed, match=f"email saw {seen} of 100"):
        expect(r).each_message("orders").reaches(["billing", "email"])
    expect(r).each_message("orders").reaches("billing")


# --- replies ----------------------------------------------------------------------------------------------------------


def asked(taken_by):
    """Two producers share the reply queue; the reply to the first one's request is taken by the collector of one."""
    asks = [replace(producer(name, i), request_reply=RequestReply(1, SECOND, False)) for i, name in enumerate(("web", "app"))]
    tell = Story(queues=["orders", "replies"], producers=asks).send(0, "a").send(0, "1a")
    return tell.accepted(1, "a", queue="replies").receive(1, "a", consumer=1 + taken_by, queue="replies").numbers()


def test_a_reply_taken_by_another_is_named():
    expect(asked(0)).each_reply_matches_its_request()
    with pytest.raises(CheckFailed, match="1 taken by another: app") as caught:
        expect(asked(1)).each_reply_matches_its_request()
    assert "web:0" in str(caught.value)


def test_where_nobody_asks_nothing_can_be_told():
    with pytest.raises(Inconclusive, match="nobody who awaits a reply"):
        expect(Story().send(0, "a").numbers()).each_reply_matches_its_request()


# --- alerts -----------------------------------------------------------------------------------------------------------


def alarmed(*spans, severity="page", duration=600):
    """An alert that fires in these times; three messages that wait, from 100 s to 200 s."""
    tell = Story(alerts=("age",), duration=duration)
    tell.plan = replace(tell.plan, alerts=(replace(tell.plan.alerts[0], severity=severity),))
    for start, end in spans:
        tell.row(start, Kind.FIRED, client=0, queue=None).row(end, Kind.CLEARED, client=0, queue=None)
    for letter in "abc":
        tell.send(100, letter).receive(200, letter)
    return tell.numbers()


def test_an_alert_fires_before_a_time_or_not():
    run = alarmed((130, 210), (400, 410))
    expect(run).alert("age").fires()
    expect(run).alert("age").fires(before="131s")
    with pytest.raises(CheckFailed, match=r"alert age: expected to fire before 2m 10s, got 2m 10s"):
        expect(run).alert("age").fires(before="130s")
    with pytest.raises(CheckFailed, match="it never fired"):
        expect(alarmed()).alert("age").fires()


CAUGHT = [
    ([(110, 210)], True),  # in time
    ([(160, 210)], True),  # the last moment
    ([(161, 210)], False),  # too late: nobody was paged within 60 s
    ([(50, 60)], True),  # a warning shortly before
    ([(10, 39)], False),  # over too long before
    ([(110, 120), (400, 410)], False),  # a false page
    ([(110, 120), (190, 195)], True),  # paged twice for one incident
    ([], False),
]


@pytest.mark.parametrize(("spans", "is_caught"), CAUGHT)
def test_pages_catch_an_incident_within_a_minute(spans, is_caught):
    claim = expect(alarmed(*spans)).alerts
    if is_caught:
        assert claim.catch("orders.visible > 2", within="1m").observed == {"incidents": 1, "caught": 1, "false_pages": 0}
    else:
        with pytest.raises(CheckFailed):
            claim.catch("orders.visible", above=2, within="1m")


def test_so_many_false_pages_may_be_allowed_over_all_runs_together():
    runs = [alarmed((110, 120)), alarmed((110, 120), (400, 410)), alarmed((110, 120), (500, 510))]
    expect(runs).alerts.catch("orders.visible > 2", within="1m", false_pages=2)
    with pytest.raises(CheckFailed, match="3 of 3 incidents caught, 2 false pages"):
        expect(runs).alerts.catch("orders.visible > 2", within="1m", false_pages=1)


def test_what_only_warns_pages_nobody():
    with pytest.raises(CheckFailed, match="no alert of severity page fired at all; age did, of severity warn"):
        expect(alarmed((110, 210), severity="warn")).alerts.catch("orders.visible > 2")


def test_without_an_incident_nothing_is_decided():
    with pytest.raises(Inconclusive, match="no incident to catch"):
        expect(alarmed()).alerts.catch("orders.visible > 10")


def test_one_late_message_of_many_is_no_incident():
    tell = Story(duration=600).send(0, "z")
    for time in (101, 160):
        for i in range(30):
            letter = chr(97 + 30 + time + i)
            tell.send(time, letter).receive(time, letter).ack(time, letter)
    run = tell.receive(102, "z").ack(102, "z").numbers()
    with pytest.raises(Inconclusive, match="no incident"):
        expect(run).alerts.catch("orders.latency > 1m")
    with pytest.raises(CheckFailed, match="0 of 1 incidents"):
        expect(run).alerts.catch("orders.latency p99 > 1m")


def test_a_bound_must_be_one():
    for wrong in ({"incident": "orders.visible"}, {"incident": "orders.visible > 2", "above": 3}):
        with pytest.raises(ValueError, match="catch"):
            expect(alarmed()).alerts.catch(**wrong)


# --- the bottleneck ---------------------------------------------------------------------------------------------------

LINE = """
queues: {{orders: {{}}}}
producers: {{shop: {{to: orders, rate: 10/s, arrivals: regular}}}}
dependencies: {{payments: {{capacity: {capacity}, service: 1s}}}}
consumers: {{worker: {{from: orders, count: {count}, service: 1s, uses: payments}}}}
"""


@pytest.mark.parametrize(("count", "capacity", "name"), [(8, 3, "payments"), (4, 8, "worker"), (8, 2, "payments")])
def test_the_bottleneck_is_what_keeps_work_waiting(count, capacity, name):
    # each worker spends 1 s at its own work and 1 s at payments: count/2 calls at a time if there are places for all
    r = scenario(LINE.format(count=count, capacity=capacity)).run()
    other = {"payments": "worker", "worker": "payments"}[name]
    expect(r).bottleneck().is_(name)
    with pytest.raises(CheckFailed, match=f"expected {other} to be the bottleneck, got {name}"):
        expect(r).bottleneck().is_(other)


def test_where_no_work_waits_there_is_no_bottleneck():
    with pytest.raises(Inconclusive, match="work never waits"):
        expect(Story().numbers()).bottleneck().is_("worker")


def test_every_message_counts_for_as_long_as_it_waits():
    # one message waits 8 s for the consumer, then five wait 4 s for the dependency
    made = plan(
        consumers=[replace(consumer(), uses=(0,))],
        dependencies=(DependencyPlan("payments", 0, 1, Constant(SECOND), None, None),),
        duration=20,
    )
    tell = Story(duration=20)
    tell.plan = made
    tell.send(0, "z").receive(8, "z").up(0)
    for letter in "abcde":
        tell.send(10, letter).receive(14, letter)
    client = tell.client()
    tell.row(10, Kind.CALLED, "z", client, queue=None, other=0).row(10, Kind.SERVED, "z", client, queue=None, other=0)
    tell.row(14, Kind.CALL_ENDED, "z", client, queue=None, other=0)
    found = expect(tell.numbers()).bottleneck().is_("payments")
    assert found.got.startswith("payments: 71 % of all waiting is for it")  # 5 x 4 s of 28 s


# --- names ------------------------------------------------------------------------------------------------------------


def test_a_misspelt_name_is_told():
    run = alarmed()
    with pytest.raises(LookupError, match="no alert called 'aeg'; did you mean 'age'"):
        expect(run).alert("aeg")
    with pytest.raises(LookupError, match="did you mean 'worker'"):
        expect(run).bottleneck().is_("wroker")
    with pytest.raises(LookupError, match="no queue or topic called 'shop'; there is orders"):
        expect(run).each_message("shop")
