"""The same predicates in Python."""

import pytest

import qsim
from qsim.claims.expect import CheckFailed, Inconclusive, expect
from tests.stories import Story


@pytest.fixture
def run():
    tell = Story(duration=4).up(0)
    for i, letter in enumerate("abcd"):
        tell.send(i, letter)
    return tell.receive(0, "a").ack(2, "a").receive(2, "b").numbers()


def test_what_holds_answers_with_its_verdict(run):
    assert expect(run).that("orders.visible at end").equals(2).verdict == "pass"
    assert repr(expect(run).that("orders.visible at end").equals(2)) == "✓ orders.visible at end is 2", "as a cell shows it"
    expect(run).that("orders.wait max").below("2s")
    expect(run).that("orders.wait max").between("1s", 1.5)
    expect(run).that("orders.wait max").at_most(1)
    expect(run).that("orders.acked share").above("10%")
    expect(run).that("shop.rate mean").within("1%", of="1/s")
    expect(run).that("orders.accepted total").is_("shop.sent total")
    expect(run).that("orders.depth").grows_at("0.75/s")
    expect(run).no_message_lost()
    expect(run).at_most_once("orders")
    expect(run).in_order("orders")


def test_what_does_not_hold_raises_the_explanation(run):
    with pytest.raises(CheckFailed, match=r"orders\.wait max: expected below 500ms, got 1s") as caught:
        expect(run).that("orders.wait max").below("500ms")
    assert isinstance(caught.value, AssertionError)
    assert caught.value.verdict.observed == 1.0


@pytest.mark.parametrize("limit", [0.5, "0.5"])
def test_money_is_a_plain_number(limit):
    run = qsim.load("polling-cost").set({"run.duration": "2s"}).run()
    assert expect(run).that("jobs.cost at end").below(limit).verdict == "pass"


def test_no_data_is_not_a_pass(run):
    with pytest.raises(Inconclusive, match="no data"):
        expect(run).that("orders.second_receive max").below("1s")


def test_a_misspelt_name_is_told(run):
    with pytest.raises(LookupError, match="did you mean 'orders'"):
        expect(run).that("order.visible")
    with pytest.raises(LookupError, match="did you mean 'orders'"):
        expect(run).stable("order")


def test_two_references_must_measure_the_same(run):
    with pytest.raises(ValueError, match="a time"):
        expect(run).that("orders.visible").below("orders.wait max")


def test_receives_of_poison_are_told_by_the_first_bad_message():
    """Of all messages none tells why they were received so often."""
    text = """
qsim: 1
name: bad
run: {duration: 1m}
queues: {jobs: {dlq: {queue: dead, max_receives: 3}}, dead: {}}
producers: {api: {to: jobs, rate: 1/s, arrivals: regular, message: {poison: {first: 1, from: 7s}}}}
consumers: {worker: {from: jobs, service: 100ms}}
"""
    run = qsim.load(text=text).run()
    with pytest.raises(CheckFailed, match=r"message api:7 was sent at 7s and received 3 times, with no effect; dead-lettered"):
        expect(run).that("jobs.received poison total").equals(1)
    with pytest.raises(CheckFailed, match=r"Because +jobs: 60 accepted"):
        expect(run).that("jobs.received total").equals(1)
