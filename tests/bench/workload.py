"""Workload 3 for qsim: its plan, and luck that replays the yardsticks' arrays in the order of asking."""

import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from qsim.brokers.ideal import IDEAL
from qsim.kernel.profile import DeadLetter, ReturnsTo
from qsim.scenario.plan import (
    Ack,
    Check,
    ConsumerPlan,
    Exponential,
    Failures,
    Imperfections,
    MessagePlan,
    OnError,
    OnReject,
    Plan,
    Poll,
    ProducerPlan,
    QueuePlan,
    Time,
)
from qsim.sim.draws import Draws
from qsim.units import MILLISECOND, SECOND

sys.path.insert(0, str(Path(__file__).parent / "yardsticks"))

import streams
from common import FAILING, MEAN_SERVICE

LEASED = replace(
    IDEAL, visibility_timeout=30 * SECOND, returns_to=ReturnsTo.TAIL, dlq=DeadLetter("dead", max_receives=3)
)


MEASURED = Exponential(round(MEAN_SERVICE * SECOND))


def workload_3(messages: int, failing: float = FAILING, service: Time = MEASURED) -> Plan:
    """Poisson 1000/s, ten consumers of 8.91 ms, a lease of 30 s, three receives: the rules of the yardstick."""
    long_enough = messages * MILLISECOND * 11 // 10 + 300 * SECOND
    send = ProducerPlan(
        name="api",
        first_index=0,
        count=1,
        to=0,
        regular=False,
        gaps=None,
        rate=Fraction(1000),
        stages=(),
        limit=messages,
        start=0,
        stop=long_enough,
        message=MessagePlan(1024, None, None, None, None, None, None, None, ()),
        batch_size=1,
        batch_wait=0,
        on_reject=OnReject.DROP,
        retry=None,
        timeout=SECOND,
    )
    work = ConsumerPlan(
        name="worker",
        index=0,
        sources=(0,),
        count=10,
        most=10,
        concurrency=1,
        service=service,
        poll=Poll(1, None, None, None),
        prefetch=None,
        ack=Ack.AFTER_SUCCESS,
        heartbeat=None,
        check=Check.NONE,
        remember=None,
        failures=Failures(error=failing, on_error=OnError.WAIT_FOR_TIMEOUT),
        retry=None,
        buffers=False,
    )
    queues = (QueuePlan("jobs", LEASED, (), Imperfections()), QueuePlan("dead", IDEAL, (), Imperfections()))
    return Plan(
        name="workload-3",
        title="",
        description="",
        tags=(),
        variant="base",
        seed=3,
        duration=long_enough,
        warmup=0,
        replications=1,
        sample_every=SECOND,
        drain=0,
        queues=queues,
        producers=(send,),
        consumers=(work,),
        timeline=(),
        alerts=(),
        expect=(),
    )


class ArrayArrivals:
    def __init__(self, gaps):
        self._times = iter(np.rint(np.cumsum(gaps) * SECOND).astype(int).tolist())

    def next(self):
        return next(self._times, None)

    def set_rate(self, now, rate):
        raise AssertionError("recorded arrivals have no rate")


class ArrayLuck(Draws):
    """Recorded arrays in the order of asking; all else as usual."""

    def __init__(self, plan, messages, seed, failing):
        super().__init__(plan, seed)
        self.gaps, services, fates = streams.arrays(messages, seed, failing)
        self._attempts = zip(np.rint(services * SECOND).astype(int).tolist(), fates.tolist(), strict=True)

    def arrivals(self, producer, i):
        return ArrayArrivals(self.gaps)

    def attempt(self, consumer, message, turn):
        service, fate = next(self._attempts)
        return service, fate, 0.5, 0.5
