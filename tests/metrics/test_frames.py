"""The tables: every column is described, and they agree with the numbers."""

import numpy as np
import pytest

import qsim
from qsim.kernel.journal import Cause, Kind, Place
from qsim.metrics.frames import COLUMNS, at_rest, docs, frame, timeline
from tests.stories import Story


@pytest.fixture(scope="module")
def run():
    tell = Story(queues=["orders", "dlq"], alerts=["page"]).up(0)
    tell.row(0, Kind.POISON, "c").send(0, "a", level=1, group=3).send(1, "b").send(2, "c").sent(2, "d").row(
        2, Kind.REJECTED, "d"
    )
    tell.receive(1, "a").ack(2, "a").receive(3, "b").lease_ended(4, "b").receive(5, "b", 2).ack(6, "b", 2)
    tell.receive(7, "c").nacked(8, "c", to=Place.LEASED).dead_letter(8, "c").row(9, Kind.FIRED, client=0, queue=None)
    return tell.numbers()


@pytest.mark.parametrize(
    ("name", "documented"),
    [("messages", "messages"), ("events", "events"), ("alerts", "alerts"), ("orders", "QUEUE"), ("worker", "CONSUMER")],
)
def test_every_column_is_described_in_its_order(run, name, documented):
    assert list(frame(run, name).columns) == list(COLUMNS[documented])


def test_a_call_that_is_given_up_has_no_cause():
    """Its row says where the call was, and a place is not to be read as the reason of the same number."""
    text = """
qsim: 1
name: calls
run: {duration: 3s}
queues: {q: {}}
dependencies: {db: {capacity: 1, service: 2s, timeout: 1s}}
producers: {p: {to: q, rate: 2/s, arrivals: regular, limit: 2}}
consumers: {w: {from: q, count: 2, service: 0s, uses: db, failures: {on_error: wait-for-timeout}}}
timeline: {down: {at: 1200ms, crash: {consumer: w, count: 2}}}
"""
    events = qsim.load(text=text).run().frame("events")
    given_up = events[events.kind.isin(["call-timed-out", "call-abandoned"])]
    assert set(given_up.kind) == {"call-timed-out", "call-abandoned"}
    assert given_up.cause.isna().all()


def test_the_docs_tell_every_column():
    assert all(f"| `{column}` |" in docs() for columns in COLUMNS.values() for column in columns)


def test_a_message_has_a_row_for_each_queue_it_was_in(run):
    table = frame(run, "messages")
    assert list(
        zip(table.number, table.queue, table.ended.astype(object).where(table.ended.notna(), None), strict=True)
    ) == [
        (0, "orders", "acked"),
        (1, "orders", "acked"),
        (2, "orders", "dead-lettered"),
        (2, "dlq", None),
        (3, "orders", None),
    ]
    assert table.wait_s.tolist()[:3] == [1, 2, 5]
    assert table.receives.tolist() == [1, 2, 1, 0, 0]
    assert table.effects.tolist() == [1, 1, 0, 0, 0]
    assert table.poison.tolist() == [False, False, True, True, False]
    assert table.priority.tolist()[0] == "normal"
    assert np.isnan(table.entered_s[4])


def test_quantiles_of_the_table_are_the_percentiles_of_the_reference(run):
    # "so `frame("messages").wait_s.quantile(.95)` agrees"
    table = frame(run, "messages")
    orders = table[table.queue == "orders"]
    assert orders.wait_s.quantile(0.95) == pytest.approx(run.value("orders.wait p95"))
    assert orders.latency_s.max() == run.value("orders.latency max")


def test_an_event_is_a_row(run):
    table = frame(run, "events")
    assert len(table) == len(run.ledger.rows)
    dead = table[table.kind == "dead-lettered"].iloc[0]
    assert (dead.time_s, dead.queue, dead.cause, dead.to) == (8, "orders", "max-receives", "gone")
    received = table[table.kind == "received"].iloc[0]
    assert (received.consumer, received.process, received.to) == ("worker", 1, "leased")
    assert received.isna().cause


def test_levels_are_one_row_a_change(run):
    table = frame(run, "orders")
    assert (table.depth == table.visible + table.in_flight + table.delayed + table.deferred).all()
    at_4 = table[table.time_s == 4].iloc[0]
    assert (at_4.visible, at_4.oldest_age_s) == (2, 3)
    assert frame(run, "worker").busy.max() == 2


def test_alerts_are_a_table(run):
    assert frame(run, "alerts").to_numpy().tolist() == [[9.0, "page", "fired"]]


def test_a_misspelt_table_is_told(run):
    with pytest.raises(KeyError, match="did you mean 'orders'"):
        frame(run, "order")
    with pytest.raises(KeyError, match="there are: messages, events"):
        frame(run, "shop")


def test_a_timeline_is_one_message_s_life(run):
    table = timeline(run, 1)
    assert list(table.columns) == list(COLUMNS["timeline"])
    assert table.event.tolist() == ["sent", "accepted", "received", "lease-ended", "received", "effect", "acked"]
    assert table.process.tolist()[2] == "worker-1"
    assert table.attrs["message"] == "shop:1"


def test_what_lies_in_a_queue_says_why(run):
    [row] = at_rest(run, "dlq").to_dict("records")
    assert row == {
        "message": "shop:2",
        "place": "ready",
        "since_s": 8.0,
        "from": "orders",
        "reason": "max receives",
        "receives": 1,
        "last_error": "error",
        "last_error_s": 8.0,
    }
    assert len(at_rest(run, "orders")) == 0


def test_what_was_thrown_away_lies_nowhere():
    tell = Story().send(0, "a").send(0, "b").row(1, Kind.DROPPED, "a", cause=Cause.FULL, other=Place.READY)
    assert at_rest(tell.numbers(), "orders").message.tolist() == ["shop:1"]
