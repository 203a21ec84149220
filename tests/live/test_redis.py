"""Redis: random sequences on lists and streams, each answer compared."""

from __future__ import annotations

import pytest

from qsim.trace.redis import REDIS
from qsim.units import SECOND
from tests.live.sequences import MARGIN, Target

# --- lists ----------------------------------------------------------------------------------------------------------


def lists(draw):
    return {"profile": "redis-list", "queues": {name: {"type": "list"} for name in ("q", "urgent", "work")}}


def push(play):
    bodies = [play.body() for _ in range(play.draw.randint(1, 3))]
    side = play.draw.choice(("left", "left", "left", "right"))
    queue = play.draw.choice(("q", "q", "urgent"))
    play.do("producer", "send", queue=queue, bodies=bodies, one_command=play.chance(0.5), side=side)


def pop(play):
    side = play.draw.choice(("right", "right", "left"))
    play.do(play.actor(), "receive", queue="q", max=play.draw.choice((1, 1, 3)), side=side)


def pop_urgent_first(play):
    play.do(play.actor(), "receive", queues=["urgent", "q"])


def move(play):
    """The reliable way: to a processing list."""
    play.do(play.actor(), "receive", queue="q", max=play.draw.choice((1, 1, 2)), processing="work")


def remove(play):
    """Of what was moved; also twice, and also after the reaper."""
    moved = [each for each in play.given if play.stage.notes.get(("processing", each[0]))]
    if moved:
        play.do(play.actor(), "ack", handle=play.draw.choice(moved)[0])


def reap(play):
    play.do("admin", "reap", processing="work", queue="q", where=play.draw.choice(("head", "tail")))


def block(play):
    """Two wait, in one way or another, and what is pushed then serves them."""
    calls = [(actor, f"{actor}-{len(play.steps)}") for actor in play.draw.sample(("c1", "c2", "c3"), 2)]
    for actor, call in calls:
        processing = "work" if play.chance(0.3) else None
        play.do(actor, "receive", queue="q", wait=2, call=call, processing=processing)
    push(play)
    for actor, call in calls:
        play.do(actor, "await", call=call)


def length(play):
    play.do("admin", "depth", queue=play.draw.choice(("q", "urgent", "work")))


def crash(play):
    play.do(play.actor(), "crash")


LISTS = {
    push: 6, pop: 4, pop_urgent_first: 2, move: 4, remove: 3, reap: 0.7, block: 0.7, length: 2, crash: 0.5,
}  # fmt: skip

# --- streams --------------------------------------------------------------------------------------------------------


def stream(draw):
    return {"profile": "redis-stream", "queues": {"q": {"type": "stream", "groups": ["g", "h"]}}}


def _group(play):
    return play.draw.choice(("g", "g", "g", "h"))


def add(play):
    maxlen = play.draw.randint(1, 5) if play.chance(0.1) else None
    play.do("producer", "send", queue="q", bodies=[play.body() for _ in range(play.draw.randint(1, 3))], maxlen=maxlen)


def read(play):
    noack = True if play.chance(0.1) else None
    play.do(play.actor(), "receive", queue="q", group=_group(play), max=play.draw.choice((1, 1, 2, 5)), noack=noack)


def read_history(play):
    play.do(play.actor(), "receive", queue="q", group=_group(play), max=play.draw.choice((1, 10)), history=True)


def ack(play):
    """By anybody; also twice, and also what somebody else has claimed."""
    if given := play.handle():
        play.do(play.actor(), "ack", handle=given[0])


def claim_all(play):
    group = _group(play)
    count, justid = play.draw.choice((1, 2, 100)), True if play.chance(0.2) else None
    play.do(play.actor(), "claim", queue="q", group=group, min_idle=_min_idle(play, group), count=count, justid=justid)


def claim_one(play):
    """Of the group that it was read in, or of another, where it may not be pending."""
    if given := play.handle():
        group, justid = _group(play), True if play.chance(0.3) else None
        idle = _min_idle(play, group)
        play.do(play.actor(), "claim", queue="q", group=group, min_idle=idle, handle=given[0], auto=False, justid=justid)


def _min_idle(play, group):
    """Two seconds, if nothing has been idle for about as long."""
    redis = play.stage.clock
    idle = [play.stage.now - message.leased_at for message, _ in redis.pending("q", group)]
    is_clear = all(abs(each - 2 * SECOND) >= MARGIN for each in idle)
    return play.draw.choice((0, 2, 2, 600) if is_clear else (0, 600))


def delete(play):
    if play.bodies:
        play.do("admin", "delete", queue="q", body=f"m{play.draw.randint(1, play.bodies)}")


def pending(play):
    play.do("admin", "pending", queue="q", group=_group(play))


def lag(play):
    play.do("admin", "depth", queue="q", group=_group(play))


def block_on_stream(play):
    actor, call = play.actor(), f"call{len(play.steps)}"
    play.do(actor, "receive", queue="q", group="g", max=2, wait=2, call=call)
    add(play)
    play.do(actor, "await", call=call)


def wait(play):
    play.wait(4 * SECOND)


STREAM = {
    add: 5, read: 7, read_history: 1, ack: 4, claim_all: 2, claim_one: 1.5, delete: 0.5, pending: 1, lag: 2,
    block_on_stream: 0.5, crash: 0.5, wait: 0.5,
}  # fmt: skip

TARGETS = [
    Target("redis-list", "redis", "redis-list", REDIS, lists, LISTS, end=length),
    Target("redis-stream", "redis", "redis-stream", REDIS, stream, STREAM, end=pending),
]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_it_answers_as_the_broker_does(target, meet):
    meet(target)
