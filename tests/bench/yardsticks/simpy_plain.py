"""Workload 3 as a competent engineer writes it in plain SimPy: a Store, a process a consumer, and a timer process a
receive, interrupted by the ack.

usage: python simpy_plain.py MESSAGES [SEED] [shared]
"""

import sys

import simpy
from common import CONSUMERS, FAILING, MAX_RECEIVES, VISIBILITY_TIMEOUT, Meter
from streams import nexts


class Message:
    __slots__ = ("born", "id", "receives")

    def __init__(self, id, born):
        self.id, self.born, self.receives = id, born, 0


class Broker:
    def __init__(self, env):
        self.env, self.ready, self.dlq = env, simpy.Store(env), []
        self.acked = self.redelivered = self.received = 0
        self.waits = []
        self.sojourns = []

    def visibility(self, message):
        try:
            yield self.env.timeout(VISIBILITY_TIMEOUT)
        except simpy.Interrupt:
            return
        if message.receives >= MAX_RECEIVES:
            self.dlq.append(message)
        else:
            self.redelivered += 1
            yield self.ready.put(message)


def producer(env, broker, messages, gap):
    for i in range(messages):
        yield env.timeout(gap())
        yield broker.ready.put(Message(i, env.now))


def consumer(env, broker, service, fate):
    while True:
        message = yield broker.ready.get()
        message.receives += 1
        broker.received += 1
        if message.receives == 1:
            broker.waits.append(env.now - message.born)
        timer = env.process(broker.visibility(message))
        length, luck = service(), fate()
        yield env.timeout(length)
        if luck >= FAILING:
            timer.interrupt()
            broker.acked += 1
            broker.sojourns.append(env.now - message.born)


def main(messages, seed=1, shared=""):
    messages = int(messages)
    meter = Meter("simpy-plain", messages)
    meter.start()
    gap, service, fate = nexts(messages, int(seed), shared == "shared")
    env = simpy.Environment()
    broker = Broker(env)
    env.process(producer(env, broker, messages, gap))
    for _ in range(CONSUMERS):
        env.process(consumer(env, broker, service, fate))
    env.run()
    meter.stop(
        acked=broker.acked,
        dead_lettered=len(broker.dlq),
        redelivered=broker.redelivered,
        received=broker.received,
        mean_wait_s=round(sum(broker.waits) / messages, 6),
        mean_sojourn_s=round(sum(broker.sojourns) / broker.acked, 6),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
