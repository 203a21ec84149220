"""A broker that is a list, and its driver: it takes what it is sent, and gives it back once."""

from __future__ import annotations

from time import monotonic, sleep

from qsim.record.session import Driver, Got, Session


def open_(url, config):
    if "refuse" in config:
        raise ConnectionError("nobody is here")
    session = Session(url, config, lambda session, name: name, lambda connection: None, version="a list 1.0")
    session.notes["list"] = []
    session.cleanups += [lambda: 1 / 0, session.notes["list"].clear]
    return session


def send(session, actor, queue, body):
    session.notes["list"].append(body)


def receive(session, actor, queue, max=1, wait=0):
    until = monotonic() + wait
    while not session.notes["list"] and monotonic() < until:
        sleep(0.01)
    taken, session.notes["list"][:] = session.notes["list"][:max], session.notes["list"][max:]
    return [Got(body, f"token of {body}", {"count": None}) for body in taken]


def ack(session, actor, handle):
    session.token(handle)


def purge(session, actor, queue):
    raise PermissionError("not you")


LIST = Driver(
    "list",
    "nowhere",
    frozenset({"redis-list"}),
    open_,
    receive,
    {"send": send, "ack": ack, "purge": purge},
    lambda error: type(error).__name__,
)
