"""RabbitMQ: random sequences on classic and quorum queues, each answer compared.

Two are pushed to, a third pulls, in a third of the sequences in transactions; but for those of
``rabbitmq-expiry`` nothing ends by itself, so no sequence has to wait.
"""

from __future__ import annotations

import pytest

from qsim.trace.rabbitmq import RABBITMQ
from qsim.units import SECOND
from tests.live.sequences import ACTORS, Target

PUSHED = ("c1", "c2")
TENTH = SECOND // 10

# --- settings -------------------------------------------------------------------------------------------------------


def classic(draw):
    more = [{}, {"max_length": draw.randint(2, 4), "overflow": draw.choice(OVERFLOWS)}, {"max_priority": 3}]
    settings = {"type": "classic", **draw.choice(more), **_dlq(draw)}
    return {"profile": "rabbitmq-classic", "queues": {"q": settings, "dlq": {}}}


def quorum(draw):
    limit = {"delivery_limit": draw.randint(0, 2)} if draw.random() < 0.6 else {}
    settings = {"type": "quorum", **limit, **_dlq(draw)}
    return {"profile": "rabbitmq-quorum", "queues": {"q": settings, "dlq": {}}}


def expiring(draw):
    """Either kind, with messages that expire at the head."""
    made = draw.choice((classic, quorum))(draw)
    made["queues"]["q"]["ttl"] = 3
    return made


OVERFLOWS = ("drop-head", "reject-publish", "reject-publish-dlx")


def _dlq(draw):
    return {"dlq": "dlq"} if draw.random() < 0.7 else {}


# --- moves ----------------------------------------------------------------------------------------------------------


def begin(play):
    for actor in PUSHED:
        _subscribe(play, actor)
    play.notes["tx"] = play.chance(0.3)
    _select(play)


def _select(play):
    play.notes["settled"], play.notes["sent"] = set(), False
    if play.notes["tx"]:
        play.do("c3", "tx", action="select")


def _subscribe(play, actor):
    """Where there is a delivery limit without a prefetch: 3.10.8 renews the credit of a message that dies of its
    limit twice, so that its consumer then holds more than its prefetch (ours does not)."""
    limited = "delivery_limit" in play.config["queues"]["q"]
    if not play.chance(0.2):
        play.do(actor, "subscribe", queue="q", prefetch=0 if limited else play.draw.randint(1, 4))


def send(play):
    priority = play.draw.randint(0, 4) if "max_priority" in play.config["queues"]["q"] else None
    play.do("producer", "send", queue="q", bodies=[play.body() for _ in range(play.draw.choice((1, 1, 2)))], priority=priority)


def see(play):
    play.do(play.draw.choice(PUSHED), "receive")


def pull(play):
    queue = play.draw.choice(("q", "q", "q", "dlq"))
    play.do("c3", "receive", queue=queue, pull=True, max=play.draw.choice((1, 1, 2)))


def ack(play):
    _settle(play, "ack", {"multiple": play.chance(0.2) or None})


def nack(play):
    _settle(play, "nack", {"requeue": play.chance(0.7), "multiple": play.chance(0.2) or None})


def reject(play):
    _settle(play, "reject", {"requeue": play.chance(0.6)})


def _settle(play, op, args):
    actor = play.actor()
    handle = play.held(actor)
    if handle and not (actor == "c3" and _is_settled(play, handle, args)):
        play.do(actor, op, handle=handle, **args)


def _is_settled(play, handle, args):
    """In a transaction what is settled is held until the commit; once more would close the channel.  (Nor after a send,
    on a quorum queue: ``send_in_transaction``.)"""
    if not play.notes["tx"]:
        return False
    if play.config["profile"] == "rabbitmq-quorum" and play.notes["sent"]:
        return True
    mine = [each for each, actor, _ in play.given if actor == "c3" and play.is_held(each)]
    covered = set(mine[: mine.index(handle) + 1] if args.get("multiple") else [handle])
    if covered & play.notes["settled"]:
        return True
    play.notes["settled"] |= covered
    return False


def send_in_transaction(play):
    """Not where something is settled besides, on a quorum queue: which of the two comes first in its log is a race."""
    races = play.config["profile"] == "rabbitmq-quorum" and play.notes["settled"]
    if play.notes["tx"] and not races:
        play.do("c3", "send", queue="q", body=play.body(), confirm=False)
        play.notes["sent"] = True


def commit(play):
    _end(play, "commit")


def rollback(play):
    _end(play, "rollback")


def _end(play, how):
    """A commit that a full queue refuses in part closes the channel."""
    if play.notes["tx"]:
        answer = play.do("c3", "tx", action=how)
        play.notes["settled"], play.notes["sent"] = set(), False
        if "error" in answer:
            _come_back(play, "c3", "crash")


def ack_twice(play):
    """Its channel is closed; the actor comes back on a new connection."""
    actor = play.draw.choice(PUSHED if play.notes["tx"] else ACTORS)
    if handle := play.held(actor):
        play.do(actor, "ack", handle=handle)
        play.do(actor, "ack", handle=handle)
        _come_back(play, actor, "crash")


def crash(play):
    _come_back(play, play.actor(), "crash")


def close_channel(play):
    _come_back(play, play.actor(), "close_channel")


def _come_back(play, actor, op):
    """What was given before is not looked at any more: a new channel counts its tags anew."""
    play.do(actor, op)
    play.given = [each for each in play.given if each[1] != actor]
    if actor in PUSHED:
        _subscribe(play, actor)
    else:
        _select(play)


def wait(play):
    play.wait(play.draw.choice((1, 4)) * SECOND)


def purge(play):
    play.do("admin", "purge", queue="q")


def depth(play):
    play.do("admin", "depth", queue=play.draw.choice(("q", "q", "dlq")))


MOVES = {
    send: 6, see: 6, pull: 2, ack: 4, nack: 4, reject: 1.5, ack_twice: 0.3, crash: 0.5, close_channel: 0.5, purge: 0.2,
    depth: 2, send_in_transaction: 1, commit: 1, rollback: 0.5,
}  # fmt: skip
TAKES = {"receive": 4 * TENTH, "crash": 3 * TENTH, "close_channel": 2 * TENTH}
TARGETS = [
    Target("rabbitmq-classic", "rabbitmq", "rabbitmq-classic", RABBITMQ, classic, MOVES, begin, depth, TAKES, False),
    Target("rabbitmq-quorum", "rabbitmq", "rabbitmq-quorum", RABBITMQ, quorum, MOVES, begin, depth, TAKES, False),
    Target("rabbitmq-expiry", "rabbitmq", "rabbitmq-classic", RABBITMQ, expiring, {**MOVES, wait: 2}, begin, depth, TAKES),
]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_it_answers_as_the_broker_does(target, meet):
    meet(target)
