"""One message's life in sentences."""

import pytest

from qsim.kernel.journal import Cause, Kind, Place
from qsim.metrics.life import clock, find, ordinal, story
from qsim.metrics.naming import message_name, message_number
from qsim.units import SECOND
from tests.stories import Story, plan, producer


def test_a_story_reads_like_what_happened():
    tell = Story(duration=100, queues=["orders", "dlq"]).send(1, "a").receive(1, "a").lease_ended(31, "a")
    tell.receive(31, "a", 2, process=1).lease_ended(61, "a", process=1).dead_letter(61, "a").effect(71, "a")
    tell.row(71, Kind.STALE, "a", 0, cause=Cause.RECEIVED_AGAIN, other=1)
    lines = [line.rstrip() for line in story(tell.numbers(), 0)]
    assert lines[:9] == [
        "t=1s           sent       shop:0",
        "t=1s           accepted   orders",
        "t=1s           received   worker-1     lease until 31s            1st",
        "t=31s          LEASE ENDED while worker-1 is still working",
        "t=31s          received   worker-2     lease until 1m 01s         2nd",
        "t=1m 01s       LEASE ENDED while worker-2 is still working",
        "t=1m 01s       DEAD-LETTERED to dlq after 2 receives, while 2 are at work on it",
        "t=1m 01s       moved in   dlq, from orders",
        "t=1m 11s       effect #1  worker-1",
    ]
    assert lines[9] == "t=1m 11s       ack ignored worker-1     received again since"


def test_leases_are_bars():
    tell = Story(duration=60).send(0, "a").receive(0, "a").lease_ended(30, "a").effect(60, "a")
    head, bar = story(tell.numbers(), 0)[-2:]
    assert head.split() == ["0s", "-" * (60 - 4 - 2), "1m", "00s"] or head.strip().startswith("0s ")
    assert bar == f"{'worker-1':<12} " + "█" * 30 + "░" * 30


def test_a_time_of_the_run():
    assert [clock(t) for t in (0, SECOND // 2, 724_200_000_000, 3723 * SECOND)] == [
        "0s",
        "0.5s",
        "12m 04.2s",
        "1h 02m 03s",
    ]


def test_ordinals():
    assert [ordinal(n) for n in (1, 2, 3, 4, 11, 21, 112)] == ["1st", "2nd", "3rd", "4th", "11th", "21st", "112th"]


def test_names_of_messages_go_there_and_back():
    from dataclasses import replace

    two = plan(producers=[producer(), replace(producer("api", 1), count=2)])
    assert [message_name(two, m) for m in (7, 1 << 40 | 8, 2 << 40 | 9)] == ["shop:7", "api#1:8", "api#2:9"]
    assert [message_number(two, n) for n in ("shop:7", 7, "api#2:9", "api:8")] == [7, 7, 2 << 40 | 9, 1 << 40 | 8]
    with pytest.raises(LookupError, match="there are: shop, api"):
        message_number(two, "app:1")
    with pytest.raises(LookupError, match="no #3"):
        message_number(two, "api#3:1")
    with pytest.raises(LookupError, match="PRODUCER:NUMBER"):
        message_number(two, "the first one")


def test_the_first_of_a_fate():
    tell = (
        Story(queues=["orders", "dlq"]).send(0, "a").send(0, "b").receive(1, "a").lease_ended(2, "a").receive(2, "a", 2)
    )
    tell.receive(3, "b").dead_letter(4, "b")
    run = tell.numbers()
    assert [find(run, which) for which in ("first-redelivered", "first-dead-lettered", "shop:1")] == [0, 1, 1]
    with pytest.raises(LookupError, match="no message was lost"):
        find(run, "first-lost")
    with pytest.raises(LookupError, match="no message shop:9"):
        find(run, "shop:9")


def test_a_message_of_a_batch_says_with_how_many_it_came():
    tell = Story().sent(0, "a").row(1, Kind.ACCEPTED, "a", attempt=10, cause=Place.READY)
    assert any("accepted   orders  in one call with 9 others" in line for line in story(tell.numbers(), 0))
    alone = Story().sent(0, "a").row(1, Kind.ACCEPTED, "a", attempt=1, cause=Place.READY)
    assert not any("in one call" in line for line in story(alone.numbers(), 0))
