"""The broker: queues, sessions and topics by name, and the passing of time.

It drives its queues by itself: every call first does what was due before.  At the instant of a call an ack, nack or
extend comes before the leases that end then; a send or a receive after them, and after delays that end (SCENARIO.md
rule 6).  A receive that waits is served late in its instant: what it gets comes out of ``deliveries()``.

A driver with alarms of its own (the simulator) uses the queues directly.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from contextlib import ExitStack
from difflib import get_close_matches
from itertools import count
from typing import Any

from qsim.kernel import dispatch
from qsim.kernel.channel import Channel
from qsim.kernel.deadlines import FOREVER, NEVER
from qsim.kernel.journal import NOBODY, Cause, Journal, Kind, Place
from qsim.kernel.log import Log
from qsim.kernel.message import Credit, Deliveries, Delivery, Message, Subscribed
from qsim.kernel.profile import Profile
from qsim.kernel.queue import Queue
from qsim.kernel.routing import Subscription, copies
from qsim.kernel.session import Sending, Sessions, Settling
from qsim.kernel.session_lock import BySession, orphan
from qsim.units import Nanos

Client = int | str
_NAMED_CLIENTS = 1 << 30
"""Numbers of clients that were given a name start here."""


class _Queues(dict[str, Queue]):
    """By name; a misspelt name is a LookupError that says what may have been meant."""

    def __missing__(self, name: str) -> Queue:
        meant = get_close_matches(str(name), self, 1)
        hint = f"did you mean {meant[0]!r}? " if meant else ""
        raise LookupError(f"no queue is called {name!r}; {hint}there are: {', '.join(self)}")


class Broker:
    """Queues under profiles.  Cheap to make, no global state; ``journal=None`` makes one that keeps its rows."""

    def __init__(
        self,
        queues: Mapping[str, Profile],
        topics: Mapping[str, Iterable[Subscription]] | None = None,
        journal: Journal | None = None,
    ) -> None:
        self.journal = journal if journal is not None else Journal()
        self.sessions = Sessions()
        self.next_number: Callable[[], int] = count(1).__next__
        self.queues = _Queues()
        self.logs: dict[str, Log] = {}
        """By the name of the queue that is their first group."""
        for name, profile in queues.items():
            self.add(name, profile)
        for queue in self.queues.values():
            if queue.profile.dlq is not None:
                self.queues[queue.profile.dlq.queue]  # a LookupError now, not at the first dead letter
            if queue.profile.forward_to is not None:
                self.queues[queue.profile.forward_to]
        self.topics = {name: tuple(subscriptions) for name, subscriptions in (topics or {}).items()}
        self.closed: list[int] = []
        """Clients whose channel the broker closed, for the driver to read and clear."""
        self._names: dict[str, int] = {}
        self._message_numbers = count()
        self._made: list[tuple[Credit, Deliveries]] = []
        self._due: Nanos = NEVER

    def add(self, name: str, profile: Profile) -> Queue:
        """One more queue; the queue whose log it reads comes before it."""
        queue = self.queues[name] = Queue(name, len(self.queues), profile, self)
        if profile.is_log:
            source = profile.reads or name
            if source == name:
                self.logs[name] = Log(profile.maxlen)
            self.logs[source].join(queue)
        return queue

    # --- calls ------------------------------------------------------------------------------------------------------

    def send(
        self,
        now: Nanos,
        queue: str,
        message: int | None = None,
        *,
        level: int = 0,
        group: Hashable = None,
        delay: Nanos | None = None,
        ttl: Nanos | None = None,
        size: int = 0,
        dedup: Hashable = None,
        attributes: Mapping[str, str] | None = None,
        payload: Any = None,
    ) -> Cause:
        """NONE: accepted.  DUPLICATE_ID: accepted before, nothing enters.  BLOCKED: there is no room yet.  Else why
        it was refused.  ``message`` is its identity (a number; by default the next)."""
        if self._due <= now:
            self.wake(now)
        target = self.queues[queue]
        number = next(self._message_numbers) if message is None else message
        answer = target.send(now, number, level, group, delay, ttl, size, dedup, attributes, payload)
        if target.waiting or not target.is_plain or delay or ttl is not None:
            self._look(now, target)
        return answer

    def send_batch(self, now: Nanos, queue: str, entries: Iterable[Mapping[str, Any]]) -> list[Cause]:
        """Several messages in one call, each a mapping of ``send``'s keywords (``message`` too); answered apart."""
        if self._due <= now:
            self.wake(now)
        target = self.queues[queue]
        answers = target.send_batch(now, [self._entry(entry) for entry in entries])
        self._look(now, target)
        return answers

    def _entry(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        made = dict(entry)
        number = made.pop("message", None)
        made["number"] = next(self._message_numbers) if number is None else number
        return made

    def publish(
        self,
        now: Nanos,
        topic: str,
        message: int | None = None,
        attributes: Mapping[str, str] | None = None,
        *,
        key: str = "",
        mandatory: bool = False,
        **more: Any,
    ) -> dict[str, Cause]:
        """A copy to every queue whose subscription wants it; what each said.  Where there is none, the broker takes
        the message and drops it; only if it is ``mandatory`` the publisher hears of that (RMQ-2)."""
        number = next(self._message_numbers) if message is None else message
        wanted = copies(self.topics[topic], attributes, key)
        if not wanted:
            self.unrouted(now, number, mandatory)
        return {queue: self.send(now, queue, number, attributes=each, **more) for queue, each in wanted}

    def unrouted(self, now: Nanos, message: int, mandatory: bool) -> Cause:
        """No queue wanted it.  NO_ROUTE: sent back; NONE: dropped."""
        cause = Cause.NO_ROUTE if mandatory else Cause.NONE
        self.journal.write(now, message, NOBODY, 0, -1, Kind.UNROUTED, cause)
        return cause

    def receive(
        self,
        now: Nanos,
        queue: str,
        consumer: Client,
        limit: int = 1,
        wait: Nanos | None = 0,
        visibility_timeout: Nanos | None = None,
        choice: int = 0,
    ) -> Deliveries:
        """Up to ``limit`` messages, at once if there are any.  Else the receive waits as long as ``wait`` (None: for
        ever) and answers later, through ``deliveries()``; or it is refused."""
        if self._due <= now:
            self.wake(now)
        source = self.queues[queue]
        client = consumer if consumer.__class__ is int else self.client_number(consumer)
        if not source.is_plain and (refused := source.refusal(now, limit, wait, visibility_timeout)):
            source.refuse_receive(now, client, refused)
            return _refused(refused)
        answer = Deliveries(source.hand_out(now, client, limit, visibility_timeout, None, choice))
        if answer and source.is_plain:
            if source.leases.due < self._due:
                self._due = source.leases.due
            return answer
        if not answer and wait != 0:
            answer.credit = source.wait(client, limit, visibility_timeout, None if wait is None else now + wait)
        elif not answer:
            source.empty_receive(now, client)
        self._look(now, source)
        return answer

    def subscribe(
        self,
        now: Nanos,
        queue: str,
        consumer: Client,
        prefetch: int | None = None,
        *,
        priority: int = 0,
        auto_ack: bool = False,
        exclusive: bool = False,
    ) -> Subscribed:
        """Be pushed messages, up to ``prefetch`` unsettled at a time (0: unlimited; None: the profile's); or
        ``refused``."""
        if self._due <= now:
            self.wake(now)
        source, client = self.queues[queue], self.client_number(consumer)
        most = source.profile.prefetch if prefetch is None else prefetch
        credit = source.subscribe(client, most, priority, auto_ack, exclusive)
        if credit.refused:
            source.refuse_receive(now, client, credit.refused)
        self._look(now, source)
        return credit

    def cancel(self, now: Nanos, credit: Credit) -> None:
        """Wait no more, be pushed no more; what is held stays held (RMQ-38)."""
        self._before(now)
        queue = self.sessions[credit.client].credits.get(credit)
        if queue is not None:
            queue.cancel(credit)
            self._look_at(now, queue)

    def take(self, now: Nanos, delivery: Delivery) -> None:
        """The application gets what was pushed to its client."""
        self._before(now)
        delivery.message.queue.take(now, delivery)

    def ack(self, now: Nanos, delivery: Delivery) -> Cause:
        """NONE: deleted.  Else why not (SQS-17 to SQS-19)."""
        if self._due < now:
            self._before(now)
        queue = delivery.message.queue
        answer = queue.ack(now, delivery) if queue.is_plain else queue.deletes.take(now) or queue.ack(now, delivery)
        if queue.waiting:
            self._look(now, queue)
        return answer

    def ack_up_to(self, now: Nanos, delivery: Delivery) -> list[Cause]:
        """Everything that its session got from this queue, up to and with this delivery."""
        held = self.sessions[delivery.client].held.values()
        mine = [d for d in held if d.message.queue is delivery.message.queue and d.receipt <= delivery.receipt]
        return [self.ack(now, each) for each in mine]

    def ack_session(self, now: Nanos, consumer: Client) -> list[Cause]:
        """Everything that this client holds."""
        return [self.ack(now, each) for each in list(self.sessions[self.client_number(consumer)].held.values())]

    def nack(self, now: Nanos, delivery: Delivery, delay: Nanos = 0, failed: bool = True) -> Cause:
        """Give back, visible again after ``delay``; ``failed``: since the work on it failed (RMQ-18)."""
        return self._settle(now, delivery, lambda queue: queue.nack(now, delivery, delay, failed))

    def reject(self, now: Nanos, delivery: Delivery) -> Cause:
        """Dead-letter, or drop where there is no dead-letter queue."""
        return self._settle(now, delivery, lambda queue: queue.reject(now, delivery))

    def extend(self, now: Nanos, delivery: Delivery, timeout: Nanos) -> Cause:
        """Let the lease end ``timeout`` from now (SQS-21).  A timeout of 0 gives the message back."""
        if timeout == 0:
            return self.nack(now, delivery)
        return self._settle(now, delivery, lambda queue: queue.extend(now, delivery, timeout))

    def _settle(self, now: Nanos, delivery: Delivery, call: Callable[[Queue], Cause]) -> Cause:
        self._before(now)
        answer = call(delivery.message.queue)
        self._look_everywhere(now)
        return answer

    def channel(self, consumer: Client) -> Channel:
        """What a client of AMQP 0-9-1 has: its deliveries by tag, and transactions."""
        return Channel(self, self.client_number(consumer))

    def close_channel(self, now: Nanos, client: int, why: Cause) -> None:
        """A client did what closes its channel, or did nothing for too long: everything it held comes back (RMQ-10)."""
        self.journal.write(now, -1, client, 0, -1, Kind.CHANNEL_CLOSED, why)
        self.closed.append(client)
        self.forget_client(now, client)
        self._look_everywhere(now)

    def unknown_tag(self, now: Nanos, delivery: Delivery, client: int, call: int) -> Cause:
        """A delivery that this client does not hold, or has settled already."""
        return delivery.message.queue.refuse_settling(now, delivery._replace(client=client), call)

    def forget(self, now: Nanos, consumer: Client) -> None:
        """A client is gone, with its life: its waits end, and each queue does with what it held as its profile says."""
        self._before(now)
        self.forget_client(now, self.client_number(consumer))
        self._look_everywhere(now)

    def forget_client(self, now: Nanos, client: int) -> None:
        """The same for a driver with alarms of its own."""
        for queue in self.queues.values():
            if isinstance(queue.ready, BySession):
                orphan(queue, client)
        session = self.sessions.get(client)
        if session is None:
            return
        for credit, queue in list(session.credits.items()):
            queue.cancel(credit)
        held = list(session.held.values())
        with ExitStack() as stack:
            for queue in dict.fromkeys(delivery.message.queue for delivery in held):
                stack.enter_context(queue.together(now))
            for delivery in held:
                delivery.message.queue.release(now, delivery)
        del self.sessions[client]

    def redrive(self, now: Nanos, source: str, to: str, limit: int | None = None) -> int:
        """Move visible messages, oldest first; answers how many."""
        self._before(now)
        moved = self.queues[source].redrive(now, self.queues[to], limit)
        self._look_everywhere(now)
        return moved

    def purge(self, now: Nanos, queue: str) -> int:
        """Remove everything; answers how much that was."""
        self._before(now)
        return self.queues[queue].purge(now)

    def expire(self, now: Nanos, delivery: Delivery) -> None:
        """Let a lease end now, as time would."""
        self._before(now)
        message = delivery.message
        if message.receipt == delivery.receipt and message.place is Place.LEASED:
            message.queue.expire(now, message)
            self._look_everywhere(now)

    def duplicate(self, now: Nanos, delivery: Delivery) -> bool:
        """Hand out a leased message once more (at-least-once); False if it is not leased any more."""
        self._before(now)
        done = delivery.message.queue.duplicate(now, delivery)
        self._look_everywhere(now)
        return done

    # --- time ---------------------------------------------------------------------------------------------------------

    def before(self, now: Nanos) -> None:
        """Somebody is about to use the queues directly: do what was due before now."""
        self._before(now)

    def look(self, now: Nanos) -> None:
        """Somebody has used the queues directly: remember when time is next wanted."""
        self._look_everywhere(now)

    def wake_at(self) -> Nanos | None:
        """When time will next change something by itself: never in the past, never late.  None: never."""
        due = self._first_due()
        if self._due < due and any(queue.waiting and queue.visible for queue in self.queues.values()):
            due = self._due  # a receive that waits may be served late in that instant
        return None if due >= FOREVER else due

    def wake(self, now: Nanos) -> None:
        """Do all that is due up to and with ``now``, instant by instant."""
        while (instant := min(self._due, self._first_due())) <= now:
            self._pass(instant)
            self._due = NEVER
        self._due = self._first_due()

    def deliveries(self) -> list[tuple[Credit, Deliveries]]:
        """What receives that waited, and subscriptions, have been handed since the last call."""
        made, self._made = self._made, []
        return made

    def _first_due(self) -> Nanos:
        return min((self._queue_due(queue) for queue in self.queues.values()), default=NEVER)

    @staticmethod
    def _queue_due(queue: Queue) -> Nanos:
        return min(queue.leases.next(), queue.timers.next(), queue.expiries.next(), queue.waits.next())

    def _pass(self, instant: Nanos) -> None:
        """One instant: leases, then delays and expiries, then receives one by one, then waits that are over."""
        queues = self.queues.values()
        for queue in queues:
            queue.end_leases(instant)
        for queue in queues:
            queue.end_timers(instant)
        visible: list[int] = []
        while visible != (visible := [queue.visible for queue in queues]):
            # Again while anything moves: a receive may send a used-up message to where another one waits.
            for queue in queues:
                while (served := queue.serve(instant)) is not None:
                    credit, deliveries = served
                    self._made.append((credit, Deliveries(deliveries)))
        for queue in queues:
            self._made += [(credit, Deliveries()) for credit in queue.end_waits(instant)]

    def _before(self, now: Nanos) -> None:
        """Do what was due before now, and leave what is due now."""
        if self._due < now:
            self.wake(now - 1)

    def _look(self, now: Nanos, queue: Queue) -> None:
        """After a call on a queue: remember when time is next wanted, there and where it may have moved messages."""
        if queue.profile.dlq is not None:
            self._look_everywhere(now)
        else:
            self._look_at(now, queue)

    def _look_at(self, now: Nanos, queue: Queue) -> None:
        due = min(queue.leases.due, queue.timers.due, queue.expiries.due, queue.waits.due)
        if queue.waiting and queue.visible:
            due = now
        if due < self._due:
            self._due = due

    def _look_everywhere(self, now: Nanos) -> None:
        for queue in self.queues.values():
            self._look_at(now, queue)

    # --- looking --------------------------------------------------------------------------------------------------------

    def overview(self) -> dict[str, dict[str, int]]:
        """How many messages are where, by queue."""
        return {
            name: {
                "visible": queue.visible,
                "in_flight": queue.in_flight,
                "delayed": queue.delayed,
                "deferred": queue.deferred,
            }
            for name, queue in self.queues.items()
        }

    def fingerprint(self, now: Nanos) -> Hashable:
        """The state without absolute time and without the numbers of receipts: equal ones behave alike from here on."""
        prints = tuple(_print_of(queue, now) for queue in self.queues.values())
        begun = ((client, session.uncommitted) for client, session in sorted(self.sessions.items()))
        calls = tuple((client, tuple(map(_call_print, calls))) for client, calls in begun if calls is not None)
        return prints, tuple(log.fingerprint() for log in self.logs.values()), calls

    def client_number(self, client: Client) -> int:
        """The number under which a client is known; a name gets one at first use."""
        if isinstance(client, int):
            return client
        if client not in self._names:
            self._names[client] = _NAMED_CLIENTS + len(self._names)
        return self._names[client]


def _refused(cause: Cause) -> Deliveries:
    answer = Deliveries()
    answer.refused = cause
    return answer


def _print_of(queue: Queue, now: Nanos) -> Hashable:
    by_rank = sorted(queue.messages(), key=lambda m: m.rank)
    place = {id(m): n for n, m in enumerate(by_rank)}
    ready = tuple((place[id(m)], queue.groups is None or queue.groups.is_searched(m)) for m in queue.ready)
    held = tuple(place[id(m)] for m in sorted(by_rank, key=lambda m: m.receipt) if m.place is Place.LEASED)
    # Equal deadlines go in the order in which they were armed.
    timed = tuple(
        tuple((time - now, place.get(id(owner), -1)) for time, _, owner in sorted(deadlines.live(), key=lambda e: e[:2]))
        for deadlines in (queue.leases, queue.timers, queue.expiries)
    )
    waiting = tuple(_credit_print(c, now) for c in queue.waiting if c.arm)
    ends = tuple(waiting.index(_credit_print(e[2], now)) for e in sorted(queue.waits.live(), key=lambda e: e[:2]))
    messages = tuple(_message_print(m, now) for m in by_rank)
    subscribed = tuple(_credit_print(c, now) for c in queue.subscribed)
    order = dispatch.fingerprint(queue, now)
    return queue.profile, messages, ready, held, timed, waiting, subscribed, ends, order, queue.memory(now)


def _message_print(message: Message, now: Nanos) -> Hashable:
    held = None
    if message.place is Place.LEASED:
        credit = None if message.credit is None else _credit_print(message.credit, now)
        ends = None if message.expires is None else message.expires - now
        held = now - message.leased_at, message.client, message.is_hidden, message.is_taken, credit, ends
    kept = None if message.retained_from is None else now - message.retained_from
    labels = message.level, message.group, message.size, _attributes_print(message), message.deaths
    here = message.number_here, message.is_set_aside, message.count_before, message.hops, message.redeliveries, message.died_of
    overdue = None  # time may have come, and not struck
    profile = message.queue.profile
    if (profile.expires_at_head or profile.expire_sweep is not None) and message.expires is not None:
        overdue = message.expires - now
    return message.number, message.place, labels, message.receives, message.carried, held, kept, here, overdue


def _call_print(call: Sending | Settling) -> Hashable:
    if isinstance(call, Sending):
        return call.name, call.is_topic, tuple(sorted((key, str(value)) for key, value in call.labels.items()))
    message = call.delivery.message
    return message.number, message.queue.index, call.is_ack, call.requeue, call.failed


def _attributes_print(message: Message) -> Hashable:
    return None if message.attributes is None else tuple(sorted(message.attributes.items()))


def _credit_print(credit: Credit, now: Nanos) -> Hashable:
    ends = None if credit.ends is None else credit.ends - now
    kind = credit.priority, credit.is_settled_at_once, credit.is_exclusive
    return credit.client, credit.limit, credit.left, credit.timeout, ends, credit.is_open, kind
