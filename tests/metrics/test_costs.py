"""What is billed: which rows are calls, and what calls, gigabytes and hours come to."""

from dataclasses import replace
from fractions import Fraction

import pytest

from qsim.brokers import SQS_STANDARD
from qsim.kernel.journal import Kind
from qsim.metrics.numbers import Numbers
from qsim.scenario.load import read
from qsim.scenario.plan import Cost, Recorded
from qsim.sim.simulate import simulate
from tests.stories import Story, producer, queue

PRICES = Cost(request=Fraction(1, 100), consumer_hour=Fraction(36), gigabyte=Fraction(1_000_000))


def value(story, *references):
    numbers = story.numbers()
    found = [numbers.value(reference) for reference in references]
    return found[0] if len(found) == 1 else found


def sqs(size):
    """One queue of SQS, and messages of this size."""
    shop = producer()
    return {
        "queues": [replace(queue("orders"), profile=SQS_STANDARD)],
        "producers": [replace(shop, message=replace(shop.message, size=size))],
        "cost": PRICES,
    }


def batch(tell, time, letters):
    for letter in letters:
        tell.sent(time, letter)
    for letter in letters:
        tell.row(time, Kind.ACCEPTED, letter, attempt=len(letters), cause=1)
    return tell


def test_a_batch_of_sends_is_one_call():
    tell = batch(batch(Story(cost=PRICES), 0, "abc"), 0, "def").send(1, "g").send(1, "h")
    assert value(tell, "orders.requests") == 4


def test_a_receive_is_one_call_however_many_it_brings_and_one_with_nothing_too():
    tell = batch(Story(cost=PRICES), 0, "abcd")
    for letter in "ab":
        tell.receive(1, letter, together=2)
    for letter in "cd":
        tell.receive(1, letter, together=2, process=1)
    tell.row(2, Kind.EMPTY_RECEIVE, client=0).row(3, Kind.REFUSED, client=0)
    assert value(tell, "orders.requests from 1s", "orders.requests from 2s") == [4, 2]


def test_acks_of_one_call_are_one_call_and_nacks_extensions_and_late_acks_one_each():
    tell = batch(Story(cost=PRICES), 0, "abcd")
    for letter in "abc":
        tell.row(1, Kind.ACKED, letter, 0, cause=3, other=3)
    tell.acked(2, "d").nacked(3, "d").row(4, Kind.EXTENDED, "d", 0).row(5, Kind.STALE, "d", 0, other=1)
    tell.row(6, Kind.LOST_ACK, "d", 0)  # never arrived
    assert value(tell, "orders.requests from 1s") == 5


def test_what_is_pushed_is_no_call():
    tell = Story(cost=PRICES).send(0, "a").receive(0, "a", together=0).acked(1, "a")
    assert value(tell, "orders.requests") == 2


@pytest.mark.parametrize(("size", "calls"), [(0, 1), (1, 1), (65_536, 1), (65_537, 2), (262_144, 4)])
def test_sqs_bills_every_64_kib(size, calls):
    assert value(Story(**sqs(size)).send(0, "a"), "orders.requests") == calls
    assert value(Story(**sqs(size)).send(0, "a").receive(1, "a"), "orders.requests") == 2 * calls


def test_the_messages_of_one_call_share_their_64_kib():
    tell = batch(Story(**sqs(40_000)), 0, "abc")  # 120,000 bytes
    for letter in "ab":
        tell.receive(1, letter, together=2)  # 80,000
    assert value(tell, "orders.requests at 0s", "orders.requests from 1s") == [2, 2]


def test_the_cost_of_a_queue_is_calls_and_payload():
    tell = Story(**sqs(1000)).send(0, "a").receive(1, "a").acked(2, "a")
    # three calls, and 2,000 bytes at a million a gigabyte
    assert value(tell, "orders.cost") == pytest.approx(3 * 0.01 + 2000 / 1e9 * 1e6)
    assert value(tell, "orders.cost share") == value(tell, "orders.cost")  # of one received


def test_the_cost_of_a_consumer_is_its_hours():
    tell = Story(cost=PRICES).up(0).up(5, 1)
    assert value(tell, "worker.cost") == pytest.approx(36 * 15 / 3600)


def test_without_prices_nothing_is_told_of_them():
    from qsim.metrics.numbers import summary

    assert not [name for name in summary(Story().recording()) if ".cost" in name]
    assert "orders.cost total" in summary(Story(cost=PRICES).recording())


SHOP = """
qsim: 1
name: shop
run: {duration: 100s}
queues:
  jobs: {profile: sqs-standard}
producers:
  api: {to: jobs, rate: 10/s, arrivals: regular, limit: 600, batch: {size: 10, max_wait: 5s}}
consumers:
  worker:
    from: jobs
    service: 1ms
    poll: {batch: 10, wait: 20s}
    client: {ack_batch: {size: 10, wait: 1s}}
cost: {request: 0.01}
"""


def run(text):
    return Numbers(simulate(read(text=text).plan))


def test_a_run_in_batches_of_ten_makes_a_tenth_of_the_calls():
    """600 messages, ten a call: 60 sends, 60 receives, 60 deletes, and two receives that end with nothing (the last
    messages come at 59.9 s; 20 s later, and again)."""
    numbers = run(SHOP)
    assert numbers.value("jobs.acked total") == 600
    assert numbers.value("jobs.empty_receives total") == 2
    assert numbers.value("jobs.requests total") == 3 * 60 + 2
    assert numbers.value("jobs.cost total") == pytest.approx(1.82)


def test_a_batch_that_is_refused_is_one_call():
    full = SHOP.replace("profile: sqs-standard", "profile: sqs-standard, capacity: {messages: 5}")
    numbers = run(full.split("consumers:")[0] + "cost: {request: 0.01}\n")
    assert (numbers.value("jobs.accepted total"), numbers.value("jobs.rejected total")) == (5, 595)
    assert numbers.value("jobs.requests total") == 60


def test_recorded_sizes_are_what_is_paid_for():
    shop = sqs(1)
    sizes = Recorded((0, 1), sizes=(65_536, 200_000))
    shop["producers"] = [replace(shop["producers"][0], recorded=sizes)]
    tell = Story(**shop).send(0, "a").send(1, "b")
    assert value(tell, "orders.requests at 0s", "orders.requests") == [1, 1 + 4]


def test_a_run_that_was_cut_before_has_no_data():
    """What is asked of a time that was not reached is not what was there at the cut."""
    tell = Story(ended=5).send(0, "a")
    assert value(tell, "orders.visible at 5s", "orders.visible at 6s", "orders.accepted from 6s") == [1, None, None]
