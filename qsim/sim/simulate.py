"""A plan and a seed in, a recording out: the seam behind which an engine works.

It knows how a run begins, goes on and ends; who acts in it stands in producers, consumers, timeline and alerts.
"""

from __future__ import annotations

import gc
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from heapq import heappop

from simpy.core import Environment

from qsim.kernel.broker import Broker
from qsim.kernel.journal import ROW, Journal, Kind
from qsim.kernel.queue import Queue
from qsim.kernel.restart import Unsynced
from qsim.scenario.origins import origins
from qsim.scenario.plan import Plan, Purge
from qsim.sim.alarm import Alarm
from qsim.sim.alerts import watch
from qsim.sim.autoscale import appoint_autoscalers
from qsim.sim.consumers import Crew, hang_up
from qsim.sim.dependency import Dependency
from qsim.sim.draws import Draws
from qsim.sim.latency import SlowPort
from qsim.sim.live import follow
from qsim.sim.luck import Luck
from qsim.sim.member import PROCESS_BITS
from qsim.sim.memory import bytes_left
from qsim.sim.originals import Originals
from qsim.sim.port import Port, ports_of
from qsim.sim.producers import Maker, OutOfBudget
from qsim.sim.quick import QuickMember, is_untouched
from qsim.sim.recording import Recording
from qsim.sim.recovery import appoint_reapers
from qsim.sim.replies import Collector
from qsim.sim.restarts import restarted
from qsim.sim.slots import Slots, slots_of
from qsim.sim.slow_down import LAST_MINUTE, Brake
from qsim.sim.timeline import Cast, control
from qsim.sim.topics import Topic
from qsim.sim.world import World
from qsim.units import Nanos, format_duration

ENDLESS = 10
"""``drain: true`` gives up after this many times the duration."""
SPINNING = 1 << 21
"""So many rows at one instant are no run any more, but a loop."""


class EndlessInstant(RuntimeError):
    """Something goes on for ever without time passing."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: simulated time, messages sent, rows written."""

    now: Nanos
    until: Nanos
    messages: int
    rows: int


class Keeper:
    """The journal's sink: keeps the chunks, and sees when a run gets out of hand."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.rows = 0
        self.is_out_of_memory = self.is_interrupted = False
        self._instant = -1
        self._since = 0

    def check(self) -> None:
        """Whether the run has to stop here."""
        if self.is_interrupted:
            raise KeyboardInterrupt
        if self.is_out_of_memory:
            raise _OutOfMemory

    def __call__(self, chunk: bytes) -> None:
        self.chunks.append(chunk)
        self.rows += len(chunk) // ROW.size
        first, last = ROW.unpack_from(chunk), ROW.unpack_from(chunk, len(chunk) - ROW.size)
        if first[0] == last[0] == self._instant:
            self._since += len(chunk) // ROW.size
            if self._since > SPINNING:
                raise EndlessInstant(chunk)
        else:
            self._instant, self._since = last[0], 0
        if len(self.chunks) % 16 == 0 and bytes_left(self.rows * ROW.size) < 0:
            self.is_out_of_memory = True


def simulate(
    plan: Plan,
    seed: int | None = None,
    replication: int = 1,
    *,
    draws: Luck | None = None,
    until: Nanos | None = None,
    max_messages: int | None = None,
    progress: Callable[[Progress], None] | None = None,
    quick: bool = True,
) -> Recording:
    """Run a plan.  ``until`` stops earlier (exclusive); ``progress`` is called every 50 ms or so of real time;
    ``quick=False`` makes every consumer a process, also where a callback would do: the rows are the same."""
    begun = time.perf_counter()
    seed = plan.seed if seed is None else seed
    keeper = Keeper()
    world = _world(plan, draws if draws is not None else Draws(plan, seed, replication), Journal(keeper))
    budget = None if max_messages is None else [max_messages]
    cast = _cast(world, budget, quick, keeper.chunks)
    watch(cast, keeper.chunks)
    appoint_autoscalers(world, cast.crews, keeper.chunks)
    for port in world.ports:
        port.look_at_profile()
    for crew in cast.crews:
        crew.start()
    for brake, producer in zip(cast.brakes, plan.producers, strict=True):
        brake.set(producer.slow_down)
    for collector in _collectors(world, cast):
        collector.start()
    for maker in (maker for entry in cast.makers for maker in entry):
        maker.start()
    end = plan.duration if until is None else min(until, plan.duration)
    stopped, drained = None, True
    collecting = gc.isenabled()
    gc.disable()  # a run makes no cycles worth looking for; looking would cost a tenth
    try:
        with _interruptible(keeper):
            _go_on(world, end, keeper, cast, progress)
            if plan.drain and end == plan.duration:
                drained = _drain(world, end, keeper, cast, progress)
    except OutOfBudget:
        stopped = "max-messages"
    except KeyboardInterrupt:
        stopped = "interrupted"
    except _OutOfMemory:
        stopped = "memory"
    except EndlessInstant as loop:
        raise EndlessInstant(_name_the_loop(plan, loop.args[0])) from None
    finally:
        if collecting:
            gc.enable()
    world.journal.flush()
    ended = world.now if stopped or world.is_over else end
    return Recording(
        plan, seed, replication, keeper.chunks, ended, stopped, time.perf_counter() - begun, _overview(world), drained,
        {crew.plan.name: crew.handling.raised for crew in cast.crews if crew.handling is not None},
    )  # fmt: skip


def _overview(world: World) -> dict[str, dict[str, int]]:
    """What queues and dependencies say of themselves."""
    calls = {each.plan.name: {"busy": each.busy, "waiting": each.waiting} for each in world.dependencies}
    return world.broker.overview() | calls


class _OutOfMemory(Exception):
    pass


@contextmanager
def _interruptible(keeper: Keeper) -> Iterator[None]:
    """Ctrl-C ends the run between two events, where its books are in order; pressed again, at once."""
    is_ours = threading.current_thread() is threading.main_thread()
    if not is_ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return

    def stop(_signal: int, _frame: object) -> None:
        if keeper.is_interrupted:
            raise KeyboardInterrupt
        keeper.is_interrupted = True

    signal.signal(signal.SIGINT, stop)
    try:
        yield
        if keeper.is_interrupted:
            raise KeyboardInterrupt  # pressed in a run too short to look
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _world(plan: Plan, luck: Luck, journal: Journal) -> World:
    env = Environment(initial_time=0)
    broker = Broker({queue.name: queue.profile for queue in plan.queues}, journal=journal)
    slots = slots_of(plan)
    ports = ports_of(broker, partial(_port, plan, env, slots, luck))
    for queue in _with_deadlines(plan):
        ports[queue].has_deadlines = True
    for consumer in plan.consumers:
        for source in consumer.sources if len(consumer.sources) > 1 else ():
            ports[source].is_one_of_several = True
    for queue in restarted(plan):
        _expect_restart(ports[queue])
    is_safe = all(is_untouched(plan, consumer) for consumer in plan.consumers) and not _purges(plan) and not restarted(plan)
    for port in ports:
        port.queue.is_safe = is_safe
        port.queue.configure(port.queue.profile)
    world = World(env, plan, luck, slots, journal, broker, ports, Originals(plan, luck), [*ports])
    world.targets += [Topic(world, topic) for topic in plan.topics]
    world.dependencies += [Dependency(world, dependency) for dependency in plan.dependencies]
    return world


def _port(plan: Plan, env: Environment, slots: Slots, luck: Luck, queue: Queue) -> Port:
    given = plan.queues[queue.index]
    made = (Port if given.latency.receive is None else SlowPort)(env, queue, slots, luck, given.imperfections)
    made.latency = given.latency
    return made


def _expect_restart(port: Port) -> None:
    """From the start on: what is lost then is noted down now."""
    port.may_go_away = True
    profile = port.queue.profile
    if profile.is_durable and profile.fsync_every is not None:
        port.unsynced = Unsynced(port.queue, profile.fsync_every)


def _with_deadlines(plan: Plan) -> Iterator[int]:
    """The queues of messages that carry a delay or a ttl of their own, or are given one on their way from a topic."""
    for origin in origins(plan):
        if origin.to < len(plan.queues) and (origin.producer.message.delay or origin.producer.message.ttl is not None):
            yield origin.to
    for subscription in (each for topic in plan.topics for each in topic.subscriptions):
        if subscription.delay is not None:
            yield subscription.queue


def _purges(plan: Plan) -> bool:
    return any(isinstance(action, Purge) for entry in plan.timeline for action in entry.actions)


def _cast(world: World, budget: list[int] | None, quick: bool, chunks: list[bytes]) -> Cast:
    """Everybody, in their places: producers, consumers, timeline."""
    plan = world.plan
    makers = [[Maker(world, entry, i, budget) for i in range(entry.count)] for entry in plan.producers]
    quick_ones = [QuickMember if quick and is_untouched(plan, entry) else None for entry in plan.consumers]
    crews = [Crew(world, entry, make) for entry, make in zip(plan.consumers, quick_ones, strict=True)]
    read = partial(follow, world, crews, chunks, length=LAST_MINUTE)
    brakes = [Brake(world, entry, [*members], read) for entry, members in enumerate(makers)]
    cast = Cast(world, crews, makers, brakes)
    for port in world.ports:
        port.hang_up = partial(hang_up, world, crews)
    appoint_reapers(world)
    for index, entry in enumerate(plan.timeline):
        world.env.process(control(cast, index, entry))
    return cast


def _collectors(world: World, cast: Cast) -> list[Collector]:
    """Whoever awaits replies fetches them."""
    return [
        Collector(world, entry.plan, number, {m.index: m.requests for m in cast.makers[number] if m.requests is not None})
        for number, (entry, *_) in enumerate(cast.makers)
        if entry.plan.request_reply is not None
    ]


def _go_on(
    world: World, end: Nanos, keeper: Keeper, cast: Cast, progress: Callable[[Progress], None] | None
) -> None:
    """Everything before ``end``, a few thousand events at a time: SimPy's step, without the call for each."""
    env, heap = world.env, world.env._queue
    told = time.perf_counter()
    stop = Alarm(env, -1)
    stop.at(end)
    while True:
        for _ in range(4096):
            env._now, _slot, _order, event = heappop(heap)
            if event is stop:
                return
            callbacks, event.callbacks = event.callbacks, None  # type: ignore[assignment]
            for callback in callbacks:
                callback(event)
            if not event._ok and not event.defused:
                raise event._value
        keeper.check()
        if progress is not None and (now := time.perf_counter()) - told > 0.05:
            told = now
            progress(Progress(world.now, end, sum(m.k for entry in cast.makers for m in entry), keeper.rows))


def _drain(
    world: World, start: Nanos, keeper: Keeper, cast: Cast, progress: Callable[[Progress], None] | None
) -> bool:
    """Until no queue with a consumer holds a message that can still be delivered, or the time is over."""
    end = start + world.plan.drain
    world.is_over = True
    world.env._now = max(world.env._now, start)  # type: ignore[call-overload]
    read = {source for consumer in world.plan.consumers for source in consumer.sources}
    read |= {producer.request_reply.reply_to for producer in world.plan.producers if producer.request_reply}
    queues = [world.ports[index].queue for index in sorted(read)]
    heap, step = world.env._queue, world.env.step
    Alarm(world.env, -1).at(end)
    while any(q.visible or q.in_flight or q.delayed for q in queues):
        if heap[0][0] >= end:
            world.env._now = end  # type: ignore[assignment]
            return False
        step()
        keeper.check()
    while heap[0][0] <= world.now:  # the rest of the last instant
        step()
    return True


def _name_the_loop(plan: Plan, chunk: bytes) -> str:
    """From the last row that tells of a consumer and a queue."""
    rows = [row for row in ROW.iter_unpack(chunk) if row[2] >= 0 and row[5] < Kind.FIRED]
    now = ROW.unpack_from(chunk)[0]
    queues = [plan.queues[row[4]].name for row in rows if row[4] >= 0]
    names = [consumer.name for consumer in plan.consumers] + [producer.name for producer in plan.producers]
    consumers = [names[row[2] >> PROCESS_BITS] for row in rows]
    return (
        f"at {format_duration(now)} consumer {_last(consumers)} and queue {_last(queues)} go on for ever without time "
        "passing: give the work, the retry or the poll some time"
    )


def _last(names: list[str]) -> str:
    return repr(names[-1]) if names else "?"
