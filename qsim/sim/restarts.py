"""The broker of a queue goes away for a while, and everybody who is connected to it notices.

It knows ports and crews.  What the queue has when it is back is told by ``kernel/restart.py``; what a port does
meanwhile, by the port.  A send is lost on the way, an ack is lost, and whoever asks for messages waits.
"""

from __future__ import annotations

from collections.abc import Iterator

from qsim.kernel import restart
from qsim.kernel.profile import OnCrash
from qsim.scenario.plan import Plan, Restart
from qsim.sim.consumers import Crew
from qsim.sim.member import Member
from qsim.sim.port import Port
from qsim.sim.world import World


def restarted(plan: Plan) -> list[int]:
    """Queues that the timeline restarts, with further groups that read their logs."""
    actions = (action for entry in plan.timeline for action in entry.actions)
    named = {plan.queues[action.queue].name for action in actions if isinstance(action, Restart)}
    return [i for i, queue in enumerate(plan.queues) if (queue.profile.reads or queue.name) in named]


def go_away(world: World, crews: list[Crew], queue: int) -> None:
    """Who is away already, stays away until the last of its restarts is over."""
    for port in _ports(world, queue):
        port.restarts += 1
        if port.restarts > 1:
            continue
        port.go_away()
        if port.queue.profile.on_crash is OnCrash.RETURNS:
            _disconnect(crews, port)
        restart.go_away(world.broker, port.queue, world.now, port.unsynced)
        port.after(at_once=False)


def come_back(world: World, crews: list[Crew], queue: int) -> None:
    for port in _ports(world, queue):
        port.restarts -= 1
        if port.restarts:
            continue
        restart.come_back(port.queue, world.now)
        port.come_back()
        for _, member in _members(crews, port):
            member.reconnect()


def _ports(world: World, queue: int) -> list[Port]:
    name = world.ports[queue].queue.name
    return [port for port in world.ports if (port.queue.profile.reads or port.queue.name) == name]


def _disconnect(crews: list[Crew], port: Port) -> None:
    for theirs, member in _members(crews, port):
        member.lose_connection(theirs)


def _members(crews: list[Crew], port: Port) -> Iterator[tuple[Port, Member]]:
    """Every process that reads from the port, and the port as it sees it."""
    for crew in crews:
        for theirs in crew.ports:
            if theirs.queue is port.queue:
                yield from ((theirs, member) for member in crew.members)
