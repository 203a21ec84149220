"""A channel of AMQP 0-9-1: one client's calls, which settle one delivery or all up to it, at once or in a transaction.

It knows the session that it stands for and keeps nothing itself.  What a call does to a message is the queue's
business; that a call with a wrong delivery closes the channel is a profile's (``stale_ack``).
"""

from __future__ import annotations

from contextlib import ExitStack
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from qsim.kernel.journal import Cause
from qsim.kernel.message import Delivery
from qsim.kernel.profile import Order
from qsim.kernel.queue import ACK, NACK
from qsim.kernel.session import Sending, Session, Settling
from qsim.units import Nanos

if TYPE_CHECKING:
    from qsim.kernel.broker import Broker


class Channel:
    """``broker.channel("c1")``: the same client as in ``broker.receive(now, queue, "c1")``."""

    def __init__(self, broker: Broker, client: int) -> None:
        self.broker = broker
        self.client = client

    @property
    def session(self) -> Session:
        return self.broker.sessions[self.client]

    def send(self, now: Nanos, queue: str, **labels: Any) -> Cause:
        """``Broker.send``, in a transaction at its end."""
        return self._send(now, Sending(queue, False, labels)).get(queue, Cause.NONE)

    def publish(self, now: Nanos, topic: str, **labels: Any) -> dict[str, Cause]:
        """``Broker.publish``, in a transaction at its end."""
        return self._send(now, Sending(topic, True, labels))

    def ack(self, now: Nanos, delivery: Delivery, multiple: bool = False) -> Cause:
        return self._settle(now, Settling(delivery, is_ack=True), multiple)

    def nack(
        self, now: Nanos, delivery: Delivery, multiple: bool = False, requeue: bool = True, failed: bool = False
    ) -> Cause:
        """Back into its queue, or dead-lettered.  ``failed``: basic.reject, which counts where basic.nack does not
        (RMQ-18)."""
        return self._settle(now, Settling(delivery, False, requeue, failed), multiple)

    def select(self) -> None:
        """Begin a transaction; each commit and rollback begins the next (RMQ-35)."""
        self.session.uncommitted = self.session.uncommitted or []

    def commit(self, now: Nanos) -> Cause:
        """What was sent goes out, then what was settled is settled.  Where a queue refused one of its messages that
        has been done all the same, but the channel is closed for it; so it is without a transaction (RMQ-35)."""
        calls = self.session.uncommitted
        if calls is None:
            return self._close_for(now, Cause.NOT_ALLOWED)
        self.session.uncommitted = []
        sent = [self._send_now(now, call) for call in calls if isinstance(call, Sending)]
        self._settle_now(now, [call for call in calls if isinstance(call, Settling)])
        refused = [cause for answers in sent for cause in answers.values() if cause]
        return self._close_for(now, refused[0]) if refused else Cause.NONE

    def rollback(self, now: Nanos) -> Cause:
        """As if nothing had been called: what was delivered stays with the client, unsettled (RMQ-35)."""
        if self.session.uncommitted is None:
            return self._close_for(now, Cause.NOT_ALLOWED)
        self.session.uncommitted = []
        return Cause.NONE

    def _close_for(self, now: Nanos, why: Cause) -> Cause:
        self.broker.close_channel(now, self.client, why)
        return why

    def close(self, now: Nanos) -> None:
        """What it held comes back, and what was not committed is forgotten."""
        self.broker.forget(now, self.client)

    # --- how ----------------------------------------------------------------------------------------------------------

    def _send(self, now: Nanos, call: Sending) -> dict[str, Cause]:
        if self.session.uncommitted is None:
            return self._send_now(now, call)
        self.session.uncommitted.append(call)
        return {}

    def _send_now(self, now: Nanos, call: Sending) -> dict[str, Cause]:
        if call.is_topic:
            return self.broker.publish(now, call.name, **call.labels)
        return {call.name: self.broker.send(now, call.name, **call.labels)}

    def _settle(self, now: Nanos, call: Settling, multiple: bool) -> Cause:
        """RMQ-10: a tag that is not there, or not any more, is an error, with ``multiple`` too."""
        self.broker.before(now)
        session, delivery = self.session, call.delivery
        settled = {each.delivery for each in session.uncommitted or () if isinstance(each, Settling)}
        if delivery.receipt not in session.held or delivery in settled:
            return self.broker.unknown_tag(now, delivery, self.client, ACK if call.is_ack else NACK)
        meant = session.up_to(delivery) if multiple else [delivery]
        calls = [call._replace(delivery=each) for each in meant if each not in settled]
        if session.uncommitted is None:
            return self._settle_now(now, calls)
        session.uncommitted += calls
        return Cause.NONE

    def _settle_now(self, now: Nanos, calls: list[Settling]) -> Cause:
        """Calls of one kind that follow each other are one, for each queue."""
        self.broker.before(now)
        for _, alike in groupby(calls, key=attrgetter("is_ack", "requeue")):
            batch = sorted(alike, key=_lane)
            with ExitStack() as stack:
                for queue in dict.fromkeys(call.delivery.message.queue for call in batch):
                    stack.enter_context(queue.together(now))
                for call in batch:
                    call.do(now)
        self.broker.look(now)
        return Cause.NONE


def _lane(call: Settling) -> int:
    """A classic queue goes through a batch priority by priority, for each has a queue of its own (RMQ-30)."""
    message = call.delivery.message
    profile = message.queue.profile
    if profile.order is not Order.PRIORITY or profile.returns_before_levels:
        return 0
    return message.level if profile.lane_of is None else profile.lane_of[message.level]
