"""What every yardstick measures with: CPU seconds of the run alone, the peak of memory, one line of JSON.

Workload 3: poisson arrivals, 1000/s; 10 consumers; exponential service of mean 8.910 ms (utilization 0.900 with
1.0101 attempts a message); a lease of 30 s from each receive, ended by the ack; 1 % of attempts end without an ack,
and a message is dead-lettered when its third lease ends.  QPFAIL=0.1 makes that 10 %.
"""

import json
import os
import resource
import time

ARRIVAL_RATE = 1000.0
CONSUMERS = 10
MEAN_SERVICE = 0.9 * 10 / (1000 * 1.0101)
VISIBILITY_TIMEOUT = 30.0
FAILING = float(os.environ.get("QPFAIL", "0.01"))
MAX_RECEIVES = 3


def cpu_seconds():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def peak_megabytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Meter:
    """``start()`` and ``stop(...)`` around the run; imports stand before it."""

    def __init__(self, name, messages):
        self.line = {"name": name, "messages": messages}

    def start(self):
        self.before, self.began = cpu_seconds(), time.perf_counter()

    def stop(self, **more):
        cpu, wall = cpu_seconds() - self.before, time.perf_counter() - self.began
        per_second = round(self.line["messages"] / cpu) if cpu > 0 else None
        self.line |= {"cpu_s": round(cpu, 4), "wall_s": round(wall, 4), "per_s": per_second}
        self.line |= {"rss_mb": round(peak_megabytes(), 1)} | more
        print(json.dumps(self.line), flush=True)
