"""ActiveMQ Classic and its JMS client: random sequences, each answer compared.

Two clients, each with an ack mode and a prefetch of its own, and a third for the dead letters.  Redelivery comes
without delay, so nothing ends by itself.
"""

from __future__ import annotations

import pytest

from qsim.trace.activemq import ACTIVEMQ
from qsim.units import SECOND
from tests.live.sequences import Target

CLIENTS = ("c1", "c2")
TENTH = SECOND // 10


def config(draw):
    redelivery = {"initial_delay": 0, "max": draw.randint(0, 3)}
    policy = draw.choice(("plain", "plain", "prio"))
    return {"profile": "activemq-classic", "queues": {"q": {"policy": policy}}, "redelivery": redelivery}


def begin(play):
    play.notes["groups"] = play.chance(0.3)
    for actor in CLIENTS:
        play.notes[actor] = play.draw.choice(("individual", "client", "transacted", "auto"))
        _subscribe(play, actor)


def _subscribe(play, actor):
    play.do(actor, "subscribe", queue="q", ack=play.notes[actor], prefetch=play.draw.randint(1, 6))


def send(play):
    bodies = [play.body() for _ in range(play.draw.choice((1, 1, 3)))]
    more = {"persistent": False if play.chance(0.2) else None}
    if play.config["queues"]["q"]["policy"] == "prio":
        more["priority"] = play.draw.choice((1, 4, 4, 8))
    if play.notes["groups"] and play.chance(0.8):
        more["group"] = play.draw.choice("AB")
    play.do("producer", "send", queue="q", bodies=bodies, **more)


def receive(play):
    play.do(play.draw.choice(CLIENTS), "receive", queue="q", max=play.draw.choice((1, 2, 4)))


def look_at_dead_letters(play):
    play.do("c3", "receive", queue="dlq:q", max=2)


def ack(play):
    actor = play.draw.choice(CLIENTS)
    if play.notes[actor] in ("individual", "client") and (handle := play.held(actor)):
        play.do(actor, "ack", handle=handle)


def commit(play):
    _end(play, "commit")


def rollback(play):
    _end(play, "rollback")


def _end(play, op):
    actor = play.draw.choice(CLIENTS)
    if play.notes[actor] == "transacted":
        play.do(actor, op)


def recover(play):
    actor = play.draw.choice(CLIENTS)
    if play.notes[actor] in ("individual", "client"):
        play.do(actor, "recover")


def crash(play):
    _come_back(play, "crash")


def close(play):
    _come_back(play, "close")


def _come_back(play, op):
    actor = play.draw.choice(CLIENTS)
    play.do(actor, op)
    play.given = [each for each in play.given if each[1] != actor]
    _subscribe(play, actor)


def depth(play):
    play.do("admin", "depth", queue=play.draw.choice(("q", "q", "dlq:q")))


MOVES = {
    send: 5, receive: 7, look_at_dead_letters: 0.7, ack: 5, commit: 2, rollback: 2, recover: 1, crash: 0.5, close: 0.5,
    depth: 1.5,
}  # fmt: skip
TAKES = {"receive": 6 * TENTH, "crash": 5 * TENTH, "close": 3 * TENTH, "rollback": 3 * TENTH, "recover": 3 * TENTH}
TARGETS = [Target("activemq", "activemq", "activemq-classic", ACTIVEMQ, config, MOVES, begin, depth, TAKES, False)]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_it_answers_as_the_broker_does(target, meet):
    meet(target)
