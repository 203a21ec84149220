"""Amazon SQS as moto has it: random sequences, each answer compared.  (No real SQS stands in a test's reach.)

Half of the sequences have leases and delays of two seconds, which end between steps; the others have none that end.
"""

from __future__ import annotations

import pytest

from qsim.kernel.journal import Place
from qsim.units import SECOND
from tests.live.moto import MOTO
from tests.live.sequences import Target

LONG, SHORT = 600, 2

# --- settings -------------------------------------------------------------------------------------------------------


def standard(draw):
    return {"profile": "sqs-standard", "queues": {"dlq": {"visibility": LONG}, "q": _settings(draw)}}


def fifo(draw):
    settings = {"type": "fifo", **_settings(draw), "content_dedup": draw.random() < 0.5}
    return {"profile": "sqs-fifo", "queues": {"dlq": {"type": "fifo", "visibility": LONG}, "q": settings}}


def _settings(draw):
    limit = {"dlq": "dlq", "max_receive": draw.randint(1, 3)} if draw.random() < 0.7 else {}
    return {"visibility": draw.choice((LONG, SHORT)), **limit}


# --- moves ----------------------------------------------------------------------------------------------------------


def send(play):
    play.do("producer", "send", queue="q", body=play.body())


def send_later(play):
    play.do("producer", "send", queue="q", body=play.body(), delay=SHORT)


def send_batch(play):
    entries = [{"id": f"e{n}", "body": play.body()} for n in range(play.draw.randint(1, 3))]
    play.do("producer", "send_batch", queue="q", entries=entries)


def receive(play):
    visibility = play.draw.choice((None, None, None, SHORT, LONG, 0))
    play.do(play.actor(), "receive", queue="q", max=play.draw.choice((1, 1, 2, 10)), visibility=visibility)


def look_at_dead_letters(play):
    play.do(play.actor(), "receive", queue="dlq", max=1)


def long_poll(play):
    """One waits, and another sends what ends the wait, unless there was something at once.  No lease ends meanwhile:
    moto would notice up to a second late."""
    due = play.stage.clock.wake_at()
    if due is not None and due < play.now + 6 * SECOND:
        return
    actor = play.actor()
    call = f"call{len(play.steps)}"
    play.do(actor, "receive", queue="q", max=1, wait=5, call=call, visibility=LONG)
    send(play)
    play.do(actor, "await", call=call)


def ack(play):
    """By anybody, also by a handle that is old, or twice."""
    if given := play.handle():
        play.do(play.actor(), "ack", handle=given[0])


def _held(play):
    """A handle whose message is in flight, or gone: moto hides a visible one again."""
    given = play.handle()
    place = play.stage.handles[given[0]].message.place if given else None
    return given if place in (Place.LEASED, Place.GONE) else None


def nack(play):
    if given := _held(play):
        play.do(given[1], "nack", handle=given[0])


def extend(play):
    if given := _held(play):
        play.do(given[1], "extend", handle=given[0], seconds=play.draw.choice((SHORT, LONG)))


def crash(play):
    play.do(play.actor(), "crash")


def purge(play):
    if not play.notes.get("purged"):
        play.notes["purged"] = True
        play.do("admin", "purge", queue="q")


def depth(play):
    play.do("admin", "depth", queue=play.draw.choice(("q", "dlq")))


def wait(play):
    play.wait(play.draw.choice((1, 4)) * SECOND)


def send_of_a_group(play):
    play.do("producer", "send", queue="q", body=play.body(), group=play.draw.choice("ABC"))


def send_again(play):
    """The same id once more, in any group."""
    play.do("producer", "send", queue="q", body=play.body(), group=play.draw.choice("AB"), dedup=play.draw.choice(("x", "y")))


def receive_of_groups(play):
    """One, or all that can be had: moto mixes groups in a batch otherwise than AWS does.  Where leases end only one,
    for moto does not bring several of a group back in order."""
    is_all = play.stage.broker.queues["q"].visible <= 10 and not _leases_end(play)
    play.do(play.actor(), "receive", queue="q", max=10 if is_all and play.chance(0.5) else 1)


def _leases_end(play):
    return play.config["queues"]["q"]["visibility"] == SHORT


def extend_in_a_group(play):
    if given := _held(play):
        seconds = play.draw.choice((SHORT, LONG)) if _leases_end(play) else LONG
        play.do(given[1], "extend", handle=given[0], seconds=seconds)


STANDARD = {
    send: 6, send_later: 1, send_batch: 1, receive: 8, look_at_dead_letters: 1, long_poll: 0.5, ack: 4, nack: 3,
    extend: 2, crash: 0.5, purge: 0.1, depth: 2, wait: 0.7,
}  # fmt: skip
FIFO = {
    send_of_a_group: 6, send_again: 0.7, receive_of_groups: 8, look_at_dead_letters: 1, ack: 5, nack: 3,
    extend_in_a_group: 2, crash: 0.5, depth: 2, wait: 0.7,
}  # fmt: skip
TARGETS = [
    Target("sqs-standard", "sqs", "sqs-standard", MOTO, standard, STANDARD, end=depth),
    Target("sqs-fifo", "sqs", "sqs-fifo", MOTO, fifo, FIFO, end=depth),
]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_it_answers_as_the_broker_does(target, meet):
    meet(target)
