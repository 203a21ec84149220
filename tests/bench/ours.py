"""What is measured of qsim itself: each workload is a function that prints one line of JSON, as the yardsticks do.

usage: python ours.py WORKLOAD [NUMBER ...]
"""

import sys
from collections import deque
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "yardsticks"))

from common import Meter
from workload import workload_3

from qsim.brokers.ideal import IDEAL
from qsim.brokers.sqs import SQS_FIFO, SQS_STANDARD
from qsim.kernel.broker import Broker
from qsim.kernel.message import Delivery
from qsim.sim.simulate import simulate
from qsim.units import MICROSECOND, MILLISECOND, SECOND

IN_FLIGHT = 9
"""As workload 3 has at utilization 0.9 with 10 consumers."""
PROFILES = {"ideal": IDEAL, "ideal-lease": replace(IDEAL, visibility_timeout=30 * SECOND), "sqs-standard": SQS_STANDARD}


def cycle(broker: Broker, messages: int) -> None:
    """Send, receive, and ack what was received nine messages before; the journal writes all of it."""
    send, receive, ack = broker.send, broker.receive, broker.ack
    held: deque[Delivery] = deque()
    for k in range(messages):
        now = k * MILLISECOND
        send(now, "jobs", k)
        held += receive(now, "jobs", k % 10)
        if k >= IN_FLIGHT:
            ack(now, held.popleft())
    for delivery in held:
        ack(now, delivery)


def kernel(profile="ideal", messages=300_000):
    """The kernel alone, with the journal on."""
    broker = Broker({"jobs": PROFILES[profile]})
    meter = Meter(f"kernel {profile}", messages := int(messages))
    meter.start()
    cycle(broker, messages)
    broker.journal.flush()
    meter.stop(bytes_a_message=round(sum(map(len, broker.journal.chunks)) / messages, 1))


def queue(profile="ideal-lease", messages=300_000):
    """The same on the queue alone, as the engine drives it: the broker's looking after time is not in it."""
    jobs = Broker({"jobs": PROFILES[profile]}).queues["jobs"]
    meter = Meter(f"queue {profile}", messages := int(messages))
    meter.start()
    held: deque[Delivery] = deque()
    for k in range(messages):
        now = k * MILLISECOND
        jobs.send(now, k)
        held += jobs.hand_out(now, k % 10)
        if k >= IN_FLIGHT:
            jobs.ack(now, held.popleft())
    meter.stop()


# --- growth: what one more message costs when there is already much -------------------------------------------------


def backlog(size, messages=100_000):
    """Ready messages that wait in front."""
    broker = Broker({"jobs": PROFILES["sqs-standard"]})
    for k in range(int(size)):
        broker.send(0, "jobs", (1 << 40) + k)
    _measure_cycle("backlog", broker, size, messages)


def leased(size, messages=100_000):
    """Messages in flight, of which each lease runs (119,980: SQS refuses more than 120,000)."""
    broker = Broker({"jobs": replace(SQS_STANDARD, visibility_timeout=12 * 3600 * SECOND)})
    for k in range(int(size)):
        broker.send(0, "jobs", (1 << 40) + k)
        broker.receive(0, "jobs", 1)
    _measure_cycle("leased", broker, size, messages)


def groups(size, messages=100_000):
    """Groups of a FIFO queue, each with messages waiting; 100,000 messages wait in all."""
    broker = Broker({"jobs": replace(SQS_FIFO, throttle=None)})
    size = int(size)
    for k in range(100_000):
        broker.send(0, "jobs", (1 << 40) + k, group=k % size, dedup=k)
    messages = int(messages)
    meter = Meter(f"groups {size}", messages)
    meter.start()
    for k in range(messages):
        now = k * MILLISECOND
        broker.send(now, "jobs", k, group=k % size, dedup=(1 << 40) + k)
        [delivery] = broker.receive(now, "jobs", k % 10)
        broker.ack(now, delivery)
    meter.stop()


def waiting(size, messages=100_000):
    """Consumers of which each waits its turn."""
    broker = Broker({"jobs": PROFILES["ideal-lease"]})
    messages, size = int(messages), int(size)
    for client in range(size):
        broker.receive(0, "jobs", client, wait=None)
    meter = Meter(f"waiting {size}", messages)
    meter.start()
    for k in range(messages):
        now = k * MICROSECOND
        broker.send(now, "jobs", k)
        broker.wake(now)
        for _, deliveries in broker.deliveries():
            broker.ack(now, deliveries[0])
            broker.receive(now, "jobs", deliveries[0].client, wait=None)
    meter.stop()


def _measure_cycle(name, broker, size, messages):
    meter = Meter(f"{name} {size}", int(messages))
    meter.start()
    cycle(broker, int(messages))
    meter.stop()


# --- the engine -------------------------------------------------------------------------------------------------------


def engine(path="callbacks", messages=100_000):
    """Workload 3 with luck from counters, consumers as callbacks or as processes; the whole journal is kept."""
    plan = workload_3(int(messages))
    meter = Meter(f"engine {path}", int(messages))
    meter.start()
    recording = simulate(plan, quick=path == "callbacks")
    meter.stop(bytes_a_message=round(sum(map(len, recording.chunks)) / int(messages), 1))


WORKLOADS = {f.__name__: f for f in (kernel, queue, backlog, leased, groups, waiting, engine)}

if __name__ == "__main__":
    WORKLOADS[sys.argv[1]](*sys.argv[2:])
