"""Nothing appears and nothing disappears."""

from qsim.claims.conservation import conservation
from qsim.kernel.journal import Cause, Kind, Place
from tests.stories import Story


def busy_story():
    tell = Story(queues=["orders", "dlq"])
    for letter in "abcdef":
        tell.send(0, letter)
    tell.receive(1, "a").ack(2, "a").receive(2, "b").nacked(3, "b", to=Place.DELAYED).receive(3, "c").dead_letter(
        4, "c"
    )
    tell.row(5, Kind.EXPIRED, "d", cause=Cause.TTL, other=Place.READY).receive(6, "e")
    tell.row(7, Kind.RETURNED, "e", 0, cause=Place.RETURNS)
    tell.levels["orders"] = {"visible": 2, "in_flight": 0, "delayed": 1, "deferred": 0}
    tell.levels["dlq"] = {"visible": 1, "in_flight": 0, "delayed": 0, "deferred": 0}
    return tell


def test_what_came_is_what_left_and_what_is_there():
    found = conservation(busy_story().recording())
    assert found["holds"], found["problems"]
    terms = found["queues"]["orders"]
    assert terms["accepted"] == 6
    assert (terms["acked"], terms["dead_lettered"], terms["expired"]) == (1, 1, 1)
    assert (terms["visible"], terms["delayed"]) == (2, 1)
    assert found["queues"]["dlq"]["moved_in"] == 1
    assert found["producers"]["shop"] == {
        "sent": 6, "accepted": 6, "suppressed": 0, "rejected": 0, "lost_on_the_way": 0, "under_way": 0,
    }  # fmt: skip


def test_a_broker_that_has_another_number_than_the_journal_is_found():
    tell = busy_story()
    tell.levels["orders"]["visible"] = 3
    found = conservation(tell.recording())
    assert not found["holds"]
    assert found["problems"] == [
        "orders: the broker has visible 3, the journal tells 2",
        "orders: 6 came, but 3 left and 4 are there",
    ]


def test_an_outcome_without_a_try_is_found():
    tell = Story().send(0, "a").accepted(0, "a")
    tell.levels["orders"]["visible"] = 2
    assert conservation(tell.recording())["problems"] == ["shop: 1 tries, but 2 outcomes"]
