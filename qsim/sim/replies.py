"""Request and reply over queues: who waits for which reply, for how long, and who fetches the replies.

It knows identities: message k of a producer is answered by message k of a branch that stems from that producer, made
by a consumer that emits it.  That is all a correlation id is.  What follows when no reply comes is told by
``producers``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Protocol

from qsim.kernel.deadlines import NEVER
from qsim.kernel.journal import NOBODY, Kind
from qsim.kernel.message import Credit, Delivery
from qsim.scenario.origins import NUMBER, NUMBER_BITS
from qsim.scenario.plan import Plan, ProducerPlan, RequestReply
from qsim.sim.alarm import Reminder
from qsim.sim.member import PROCESS_BITS
from qsim.sim.port import Port
from qsim.sim.world import World
from qsim.units import Nanos


class Request(Protocol):
    """A message for which a reply is awaited; ``tries`` is the number of its latest try."""

    k: int
    number: int
    tries: int
    is_over: bool


class Requests:
    """The requests of one producer: ``waiting`` by number, and when each try has waited long enough."""

    def __init__(
        self, world: World, plan: RequestReply, slot: int, gave_up: Callable[[Request], None], ended: Callable[[Request], None]
    ) -> None:
        self._world = world
        self._plan = plan
        self._gave_up = gave_up
        self._ended = ended
        self.waiting: dict[int, Request] = {}
        self._deadlines: deque[tuple[Nanos, Request, int]] = deque()
        self._alarm = Reminder(world.env, slot, self._time_out)

    def sent(self, request: Request) -> None:
        """A try: from now on its reply is awaited."""
        self.waiting[request.k] = request
        self._deadlines.append((self._world.now + self._plan.timeout, request, request.tries))
        self._alarm.show(self._deadlines[0][0])

    def forget(self, request: Request) -> None:
        """The broker has refused it: there will be no reply."""
        self.waiting.pop(request.k, None)

    def replied(self, number: int) -> None:
        """A reply to the message of this number has come."""
        request = self.waiting.pop(number & NUMBER, None)
        if request is None:
            self._row(Kind.TOO_LATE, number, 0)
            return
        self._row(Kind.REPLIED, number, request.tries)
        request.is_over = True
        self._ended(request)

    def _time_out(self, now: Nanos) -> Nanos:
        """One at a ring: what it does at this instant comes before the next."""
        if self._next() <= now:
            _, request, _ = self._deadlines.popleft()
            del self.waiting[request.k]
            self._alarm.show(self._next())
            self._row(Kind.GAVE_UP_WAITING, request.number, request.tries)
            self._gave_up(request)
        return self._next()

    def _next(self) -> Nanos:
        """When the first that still waits gives up; whoever has been answered, or sent again, waits no more."""
        deadlines, waiting = self._deadlines, self.waiting
        while deadlines:
            time, request, try_ = deadlines[0]
            if waiting.get(request.k) is request and request.tries == try_:
                return time
            deadlines.popleft()
        return NEVER

    def _row(self, kind: Kind, number: int, attempt: int) -> None:
        self._world.journal.write(self._world.now, number, NOBODY, attempt, self._plan.reply_to, kind)


def collector_client(plan: Plan, entry: int) -> int:
    """The client number under which the producers of an entry take their replies: behind those of the consumers."""
    return (len(plan.consumers) + entry) << PROCESS_BITS


class Collector:
    """Takes every reply to the producers of one entry as it comes, and acks it.  A broker that pushes pushes to it,
    another is asked again and again."""

    def __init__(self, world: World, plan: ProducerPlan, entry: int, requests: Mapping[int, Requests]) -> None:
        """``requests`` by producer index."""
        assert plan.request_reply is not None
        self._port = world.ports[plan.request_reply.reply_to]
        self._client = collector_client(world.plan, entry)
        self._origins = world.originals.origins
        self._requests = requests
        profile = self._port.queue.profile
        self._is_pushed = not profile.pull or profile.pushes
        self._wait = profile.default_wait

    def start(self) -> None:
        if self._is_pushed:
            self._port.subscribe(self, self._client, 0)
        else:
            self._listen()

    def _listen(self) -> None:
        self._port.wait(self, self._client, 1, None, self._wait)

    def deliver(self, port: Port, deliveries: list[Delivery], credit: Credit) -> None:
        for delivery in deliveries:
            number = delivery.message.number
            port.ack(delivery)
            self._correlate(number)
        if not self._is_pushed:
            self._listen()

    def nothing(self, credit: Credit) -> None:
        self._listen()

    def prefers(self, port: Port, credit: Credit) -> Port:
        return port

    def _correlate(self, number: int) -> None:
        """Whose request it answers; a message that answers none is nobody's."""
        root = self._origins[number >> NUMBER_BITS].root
        if root in self._requests:
            self._requests[root].replied(root << NUMBER_BITS | number & NUMBER)
