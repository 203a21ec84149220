"""The luck of workload 3: gaps, services and fates, each in the order of asking.

``shared`` streams are arrays that are drawn beforehand, so that models of the same rules must come to the same end:
with 30,000 messages, seed 3 and QPFAIL=0.1 that is 29,970 acked, 30 dead-lettered, 3,218 redelivered, and a mean of
3.175171 s from the send to the ack.
"""

import random

from common import ARRIVAL_RATE, FAILING, MEAN_SERVICE


def arrays(messages, seed, failing=FAILING):
    """Gaps and services in seconds, fates in [0, 1); enough of the latter two for all attempts."""
    import numpy as np

    generator = np.random.default_rng(seed)
    gaps = generator.exponential(1 / ARRIVAL_RATE, messages)
    attempts = int(messages * (1.05 if failing <= 0.02 else 1.6)) + 1000
    return gaps, generator.exponential(MEAN_SERVICE, attempts), generator.random(attempts)


def nexts(messages, seed, shared):
    """Three functions: the next gap, the next service, the next fate."""
    if shared:
        return tuple(iter(array.tolist()).__next__ for array in arrays(messages, seed))
    generator = random.Random(seed)
    service_rate = 1 / MEAN_SERVICE
    return (lambda: generator.expovariate(ARRIVAL_RATE), lambda: generator.expovariate(service_rate), generator.random)
