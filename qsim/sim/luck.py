"""What a run asks of chance, and nothing of how it is answered.

``Draws`` answers from counter-based random bits; ``simulate(draws=)`` takes any other object with these methods, for
instance one that replays recorded arrays.  A message is ``producer << 40 | number`` everywhere, and ``turn`` is the
simulator's own count of the message's work starts at this consumer (1, 2, ...), which no dead-lettering resets.
All answers are uniforms in (0, 1) or whole nanoseconds: who asks compares and adds, and samples nothing.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Protocol, TypeAlias

from qsim.scenario.plan import Backoff, ConsumerPlan, DependencyPlan, Jitter, ProducerPlan, Retry, Time
from qsim.units import Nanos

Attempt: TypeAlias = tuple[Nanos, float, float, float]
"""Service, fate (an error below its share, a crash above 1 minus its share), moment, jitter."""
Four: TypeAlias = tuple[float, float, float, float]
Label: TypeAlias = tuple[int, int, bool, int]
"""Level, group (-1: none), poison by its share, which combination of attribute values (-1: none)."""

LONGEST: Nanos = 2**63 - 1024
"""No time is longer: 292 years, the greatest float below 2**63."""


class Arrivals(Protocol):
    """The send times of one producer."""

    def next(self) -> Nanos | None:
        """The next send, or None when there is none in [start, stop) at the rate of now."""

    def set_rate(self, now: Nanos, rate: Fraction) -> Nanos | None:
        """A new rate (messages/s) from now on.  What ``next`` answered last has not happened yet: this
        is its new time.  The stages are over."""

    def slow(self, now: Nanos, rate: Fraction | None) -> Nanos | None:
        """Held down to this rate from now on; None: no more, its own rate and stages go on as if they had never been
        left.  Answers as ``set_rate``; a rate that is set meanwhile is its own, and waits."""


class Labels(Protocol):
    """What is drawn for each message of one producer beside its time."""

    def __getitem__(self, k: int) -> Label: ...

    def is_poison(self, k: int, sent: Nanos) -> bool:
        """By its share, or because one of ``first`` is due; to be asked once a message, in the order of sending."""


class Luck(Protocol):
    """Everything that chance decides.  ``producer, i``: the i-th of its ``count`` producers, from 0."""

    def arrivals(self, producer: ProducerPlan, i: int) -> Arrivals: ...

    def labels(self, producer: ProducerPlan, i: int) -> Labels: ...

    def delay(self, producer: ProducerPlan, i: int, k: int) -> Nanos: ...

    def eta(self, producer: ProducerPlan, i: int, k: int) -> Nanos: ...

    def send_luck(self, producer: ProducerPlan, i: int, k: int, try_: int) -> Four:
        """Lose the send, lose the reply, jitter of the backoff, spare; a batch asks for its first message."""

    def think(self, producer: ProducerPlan, i: int, client: int, n: int) -> Nanos:
        """How long a client of a closed loop thinks before its n-th request (0, 1, ...)."""

    def send_latency(self, producer: ProducerPlan, i: int, k: int, try_: int) -> Nanos:
        """How long this try is under way to the producer's queue; a batch asks for its first message."""

    def receive_latency(self, consumer: ConsumerPlan, process: int, n: int, queue: int) -> Nanos:
        """How long the n-th call of a process takes, if this queue answers it."""

    def ack_latency(self, consumer: ConsumerPlan, message: int, turn: int, queue: int) -> Nanos:
        """How long the ack of this start is under way."""

    def attempt(self, consumer: ConsumerPlan, message: int, turn: int) -> Attempt: ...

    def set_service(self, consumer: ConsumerPlan, service: Time) -> None:
        """Attempts from now on take their time from this distribution, at the same uniforms."""

    def call(self, dependency: DependencyPlan, consumer: ConsumerPlan, message: int, turn: int) -> Nanos:
        """What a call takes that this consumer makes at this start of its work on the message."""

    def ack_luck(self, consumer: ConsumerPlan, message: int, turn: int) -> Four:
        """Lose the ack, the restart and its part (see ``restart``), spare."""

    def restart(self, consumer: ConsumerPlan, message: int, turn: int) -> Nanos:
        """How long the process is away after this attempt crashed it, by ``consumer.failures``."""

    def queue_luck(self, queue: str, purpose: str, message: int, n: int) -> float:
        """``purpose``: "duplicate" or "reorder"; n: the n-th time for this message."""

    def startup(self, consumer: ConsumerPlan, n: int) -> Nanos:
        """How long the n-th process that is started by the autoscaler needs before it takes work (from 0)."""

    def receive_luck(self, consumer: ConsumerPlan, process: int, n: int) -> Four:
        """The n-th call of a process: empty receive, latency and its part (see ``receive_latency``), spare."""


def retry_delay(retry: Retry, failures_so_far: int, jitter: float) -> Nanos:
    """How long to wait before the next try after this many failures (1, 2, ...)."""
    if retry.backoff is Backoff.NONE:
        return 0
    growth = _power(retry.factor, failures_so_far - 1) if retry.backoff is Backoff.EXPONENTIAL else 1.0
    delay = min(retry.first * growth, LONGEST if retry.max is None else retry.max)
    return round(delay * {Jitter.NONE: 1.0, Jitter.FULL: jitter, Jitter.EQUAL: 0.5 + 0.5 * jitter}[retry.jitter])


def _power(base: float, n: int) -> float:
    """base ** n by squaring: a library's pow differs from the next one's in the last bit."""
    result = 1.0
    while n > 0:
        result = min(result * base, 1e200) if n & 1 else result
        base, n = min(base * base, 1e200), n >> 1
    return result
