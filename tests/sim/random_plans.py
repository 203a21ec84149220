"""Small random scenarios, drawn so that ties are the rule: every time is a few whole units, every limit is low.

It knows the scenario format, no engine.  ``document(seed)`` is a scenario as a file would say it; ``plan(seed)`` the
first one from that seed on that the checker lets pass.
"""

import json
from random import Random

from qsim.scenario import load
from qsim.scenario.problems import ScenarioError

PROFILES = ("ideal", "ideal", "sqs-standard", "sqs-fifo")


def plan(seed):
    """(plan, the document that it came from)."""
    for attempt in range(40):
        drawn = document(f"{seed}/{attempt}")
        try:
            return load.read(text=json.dumps(drawn)).plan, drawn
        except ScenarioError:
            continue
    raise AssertionError(f"nothing that can be run comes of seed {seed}")


def document(seed):
    return Draw(seed).document()


class Draw:
    """One scenario."""

    def __init__(self, seed):
        self.r = Random(seed)
        self.unit = self.r.choice(("ms", "s"))
        self.exact = self.maybe(0.5)
        """Nothing takes no time, so that the order of kinds at one instant shows in the rows."""
        self.plain = self.maybe(0.4)
        """An ideal queue with a consumer of its own, such as a callback does."""
        self.queues = {}

    def maybe(self, share):
        return self.r.random() < share

    def some(self, share, value):
        """A value that is there now and then: {} or the value."""
        return value() if self.maybe(share) else {}

    def span(self, least, most):
        return f"{self.r.randint(least, most)}{self.unit}"

    def time(self, least, most):
        """A distribution over whole units; seldom one over all nanoseconds."""
        kind = self.r.random()
        if kind < 0.5:
            return self.span(least, most)
        if kind < 0.94:
            return {"mix": [{"share": "50%", "time": self.span(least, most)} for _ in range(2)]}
        return {"exponential": {"mean": self.span(max(1, least), most)}}

    def share(self, most=60):
        return f"{self.r.randint(5, most)}%"

    # --- the parts --------------------------------------------------------------------------------------------------

    def document(self):
        self.make_queues()
        producers = {f"p{i}": self.producer() for i in range(self.r.randint(1, 3))}
        some = [self.callback(queue) for queue in self.queues if queue != "d0" or self.maybe(0.5)]
        consumers = dict(zip(("c0", "c1", "c2", "c3"), some if self.plain else self.several(), strict=False))
        run = {"duration": self.span(15, 40)} | self.some(0.3, lambda: {"drain": self.span(1, 60)})
        made = {"qsim": 1, "name": "drawn", "seed": self.r.randint(1, 999), "run": run | {"sample_every": self.span(1, 3)}}
        made |= {"queues": self.queues, "producers": producers, "consumers": consumers}
        self.producers, self.consumers = producers, consumers
        made["timeline"] = {f"t{i}": self.event() for i in range(self.r.choice((0, 0, 1, 2, 4)))}
        made["alerts"] = {f"a{i}": self.alert() for i in range(self.r.choice((0, 0, 1, 2)))}
        for alert in made["alerts"].values():
            alert |= self.some(0.4, lambda: {"do": {"set": dict([self.setting()])}})
        for consumer in consumers.values():
            consumer |= self.some(0.15, self.autoscale)
        if self.maybe(0.35):
            self.send_to_a_topic(made)
        return made

    def make_queues(self):
        for i in range(self.r.randint(1, 2)):
            profile = "ideal" if self.plain else self.r.choice(PROFILES)
            queue = {"profile": profile} | self.queue_settings(profile)
            if self.maybe(0.5):
                queue["dlq"] = {"queue": f"d{i}", "max_receives": self.r.randint(1, 3)}
                self.queues[f"d{i}"] = {"profile": profile}
            self.queues[f"q{i}"] = queue
        if self.maybe(0.15) and "d0" in self.queues:  # dead letters in a circle
            self.queues["d0"]["dlq"] = {"queue": "q0", "max_receives": self.r.randint(1, 3)}

    def queue_settings(self, profile):
        queue = self.some(0.7, lambda: {"visibility_timeout": self.span(1, 6)})
        queue |= self.some(0.2, lambda: {"delay": self.span(1, 4)})
        queue |= self.some(0.25, self.capacity) | self.some(0.35, self.imperfections)
        queue |= self.some(0.15, lambda: {"max_in_flight": self.r.randint(1, 4)}) if profile != "ideal" else {}
        if profile == "ideal":
            orders = ({"order": "lifo"}, {"order": "priority", "priorities": ["hi", "lo"]})
            queue |= self.some(0.25, lambda: self.r.choice(orders))
            queue |= self.some(0.15, lambda: {"retention": self.span(3, 12)})
        if profile == "sqs-fifo":
            limits = {"send_limit": f"{self.r.randint(1, 9)}/s", "receive_limit": f"{self.r.randint(1, 9)}/s"}
            queue |= self.some(0.3, lambda: {"fifo": {"dedup_window": self.span(1, 9), **limits}})
        return queue

    def capacity(self):
        policy = self.r.choice(("reject", "block", "drop-oldest", "drop-newest", "dead-letter"))
        return {"capacity": {"messages": self.r.randint(1, 6), "when_full": policy}}

    def imperfections(self):
        kinds = ("duplicate_delivery", "reorder", "lose_send", "lose_reply", "lose_ack", "empty_receive")
        return {"imperfections": {kind: self.share(40) for kind in self.r.sample(kinds, self.r.randint(1, 2))}}

    def sources(self):
        return [name for name in self.queues if name.startswith("q")]

    def producer(self):
        to = self.r.choice(self.sources())
        made = {"to": to, "message": self.message(self.queues[to])} | self.arrivals()
        made |= self.some(0.3, lambda: {"count": self.r.randint(2, 3)})
        made |= self.some(0.2, lambda: {"limit": self.r.randint(1, 12)})
        made |= self.some(0.2, lambda: {"start": self.span(1, 6)})
        made |= self.some(0.2, lambda: {"stop": self.span(8, 50)})
        made |= self.some(0.25, lambda: {"batch": {"size": self.r.randint(2, 4), "max_wait": self.span(0, 3)}})
        made |= self.some(0.25, lambda: {"on_reject": "block"})
        made |= self.some(0.35, lambda: {"on_reject": self.retry(True), "timeout": self.span(1, 3)})
        return self.load(made, to) if self.maybe(0.4) else made

    def load(self, made, to):
        """The same producer in bursts, held back, or as a closed loop."""
        kind, scale = self.r.random(), 1000 if self.unit == "ms" else 1
        if kind < 0.3 and "stages" not in made:
            return made | {"bursts": {"on": self.span(2, 6), "off": self.time(1, 5)}}
        if kind < 0.55:
            return made | {"slow_down": {"token_bucket": {"rate": f"{self.r.choice((1, 0.5)) * scale}/s", "burst": self.r.randint(1, 3)}}}
        if kind < 0.8 and "rate" in made:
            watching = {"watch": f"{to}.visible", "above": 3, "resume_below": 2, "to": f"{0.5 * scale}/s"}
            return made | {"slow_down": watching | {"check_every": self.span(1, 2)}}
        rest = {key: value for key, value in made.items() if key not in ("rate", "arrivals", "stages")}
        return rest | {"clients": {"count": self.r.randint(1, 4), "think": self.time(1, 4)}}

    def send_to_a_topic(self, made):
        """Some producers send to a topic instead."""
        kind = self.r.choice(("fanout", "fanout", "headers", "direct", "topic"))
        subscriptions = [self.subscription(kind) for _ in range(self.r.randint(1, 3))]
        made["topics"] = {"t0": {"type": kind, "subscriptions": subscriptions}}
        for producer in self.r.sample(list(self.producers.values()), self.r.randint(1, len(self.producers))):
            producer["to"] = "t0"
            producer["message"] |= {"attributes": {"kind": {"a": "50%", "b": "30%", "c": "20%"}}}
            producer["message"] |= {"key": self.r.choice(("x.y", "x.z", "x"))} if kind in ("direct", "topic") else {}
            if any(self.queues[each["queue"]]["profile"] == "sqs-fifo" for each in subscriptions):
                producer["message"].setdefault("group", {"keys": 2})

    def subscription(self, kind):
        made = {"queue": self.r.choice(self.sources())}
        made |= self.some(0.3, lambda: {"only": {"kind": self.r.choice((["a"], ["a", "b"], ["c"]))}})
        made |= self.some(0.3, lambda: {"filter": self.r.choice(("kind = 'a'", "NOT kind IN ('b', 'c')", "kind <> 'a'"))})
        made |= {"key": self.r.choice(("x.*", "#", "*.y", "x"))} if kind in ("direct", "topic") else {}
        return made | self.some(0.3, lambda: {"delay": self.span(0, 4)})

    def arrivals(self):
        rate = self.r.choice((1, 1, 2, 0.5))
        per_second = rate * (1000 if self.unit == "ms" else 1)
        kind = self.r.random()
        if kind < 0.5:
            return {"rate": f"{per_second}/s", "arrivals": "regular"}
        if kind < 0.65:
            stages = [{"hold": self.span(2, 9)}, {"ramp": self.span(2, 9), "to": f"{per_second * 2}/s"}]
            return {"rate": f"{per_second}/s", "arrivals": "regular", "stages": stages}
        if kind < 0.72:
            return {"rate": f"{per_second}/s"}
        parts = [{"share": "50%", "time": self.span(0, 1)}, {"share": "50%", "time": self.span(1, 3)}]
        return {"arrivals": {"mix": parts}}

    def message(self, queue):
        made = {"group": {"keys": self.r.randint(1, 3)}} if queue["profile"] == "sqs-fifo" or self.maybe(0.1) else {}
        burst = {"first": 2, "from": self.span(0, 5), "every": self.span(1, 3)}
        # Work of no length on what always fails would never end.
        made |= self.some(0.35, lambda: {"poison": self.r.choice((self.share(), burst))}) if self.exact else {}
        made |= self.some(0.15, lambda: {"eta": self.time(1, 4)}) if not self.plain else {}
        made |= self.some(0.15, lambda: {"dedup": self.r.choice(("identity", {"keys": 3}))})
        if queue["profile"] == "ideal":
            made |= self.some(0.2, lambda: {"ttl": self.span(2, 8)})
        if queue["profile"] != "sqs-fifo":
            made |= self.some(0.2, lambda: {"delay": self.time(0, 3)})
        if "priorities" in queue:
            made |= {"priority": {"hi": "40%", "lo": "60%"}}
        return made

    def retry(self, producer=False):
        made = {"backoff": self.r.choice(("none", "fixed", "exponential")), "first": self.span(1, 2)}
        made |= self.some(0.6 if not producer else 1, lambda: {"attempts": self.r.randint(2, 4)})
        made |= self.some(0.2, lambda: {"max": self.span(2, 3)}) | self.some(0.1, lambda: {"jitter": "full"})
        return made | (self.some(0.2, lambda: {"budget": "50%"}) if producer else {})

    def several(self):
        return [self.consumer() for _ in range(self.r.randint(1, 3))]

    def callback(self, queue):
        made = {"from": queue, "service": self.time(1 if self.exact else 0, 7), "count": self.r.randint(1, 4)}
        made |= self.some(0.3, lambda: {"poll": {"wait": self.span(1, 5)}})
        return made | self.some(0.5, lambda: {"failures": self.failures(False)}) | self.some(0.3, lambda: {"retry": self.retry()})

    def consumer(self):
        sources = self.sources() if self.maybe(0.2) else [self.r.choice(list(self.queues))]
        profile = self.queues[sources[0]]["profile"]
        made = {"from": sources if len(sources) > 1 else sources[0], "service": self.time(1 if self.exact else 0, 5)}
        made |= self.some(0.6, lambda: {"count": self.r.randint(2, 4)})
        made |= self.some(0.3, lambda: {"concurrency": 2}) | self.asks(profile)
        made |= self.some(0.2, lambda: {"heartbeat": {"every": self.span(1, 3), "extend_to": self.span(2, 5)}})
        made |= self.some(0.2, self.idempotence)
        made |= self.some(0.15, lambda: {"ack": "on-receive"})
        made |= self.some(0.6, lambda: {"failures": self.failures(True)}) | self.some(0.3, lambda: {"retry": self.retry()})
        if profile != "ideal":
            made |= self.some(0.15, lambda: {"client": {"ack_batch": {"size": self.r.randint(2, 4), "wait": self.span(1, 3)}}})
        return made

    def asks(self, profile):
        if profile == "ideal" and self.maybe(0.35):
            return {"push": {"prefetch": self.r.choice((1, 2, 3, "unlimited"))}}
        poll = self.some(0.5, lambda: {"batch": self.r.randint(2, 4)}) | self.some(0.5, lambda: {"wait": self.span(1, 5)})
        if self.maybe(0.3):
            poll |= {"wait": self.r.choice((0, self.span(1, 3))), "every": self.span(1, 3)}
        return {"poll": poll | self.some(0.2, lambda: {"visibility_timeout": self.span(1, 5)})}

    def idempotence(self):
        remember = {"remember": self.span(1, 9), "check": self.r.choice(("before", "atomic"))}
        return {"idempotent": self.r.choice((True, remember))}

    def autoscale(self):
        made = {"every": self.span(1, 4), "max": self.r.randint(1, 4), "min": self.r.randint(0, 1)}
        made |= self.r.choice((
            {"policy": "backlog-per-consumer", "target": self.r.randint(1, 3)},
            {"policy": "keda", "target": self.r.randint(1, 3)},
            {"policy": "hpa", "metric": "oldest_age", "target": self.span(1, 4)},
            {"policy": "steps", "steps": [{"above": 0, "add": self.r.choice((-1, 1))}, {"above": 3, "add": 2}]},
        ))  # fmt: skip
        made |= self.some(0.7, lambda: {"scale_down_after": self.span(0, 6)}) | self.some(0.4, lambda: {"metric_lag": self.span(1, 5)})
        made |= self.some(0.5, lambda: {"startup": self.time(1, 4)}) | self.some(0.5, lambda: {"graceful": False})
        return {"autoscale": made}

    def failures(self, crashes):
        made = self.some(0.6, lambda: {"error": self.share(), "on_error": self.r.choice(("nack", "reject", "wait-for-timeout"))})
        if crashes and self.maybe(0.6):
            made |= {"crash": self.share(30), "crash_at": self.r.choice(("working", "after-effect", "before-ack"))}
            made |= self.some(0.6, lambda: {"restart_after": self.time(1, 4)})
        return made

    # --- control ----------------------------------------------------------------------------------------------------

    def event(self):
        kind = self.r.choice((self.set, self.set, self.crash, self.pause, self.redrive, self.purge, self.heal))
        return {"at": self.span(0, 45)} | kind()

    def set(self):
        return {"set": dict(self.setting() for _ in range(self.r.randint(1, 2)))} | self.some(0.5, self.length)

    def length(self):
        return {"for": self.span(1, 9)}

    def setting(self):
        queue = f"queues.{self.r.choice(self.sources())}"
        consumer = f"consumers.{self.r.choice(list(self.consumers))}"
        producer = f"producers.{self.r.choice(list(self.producers))}"
        return self.r.choice((
            (f"{queue}.visibility_timeout", self.span(1, 6)),
            (f"{queue}.capacity", {"messages": self.r.randint(1, 6), "when_full": self.r.choice(("reject", "block"))}),
            (f"{queue}.dlq.max_receives", self.r.randint(1, 4)),
            (f"{consumer}.count", self.r.randint(0, 4)),
            (f"{consumer}.count", self.r.randint(0, 4)),
            (f"{consumer}.service", self.time(1, 5)),
            (f"{consumer}.failures.crash", self.share(30)),
            (f"{consumer}.failures.error", self.share()),
            (f"{consumer}.push.prefetch", self.r.randint(1, 4)),
            (f"{producer}.rate", f"{self.r.choice((0, 1, 2)) * (1000 if self.unit == 'ms' else 1)}/s"),
        ))  # fmt: skip

    def crash(self):
        return {"crash": {"consumer": self.r.choice(list(self.consumers)), "count": self.r.randint(1, 3)}}

    def pause(self):
        return {"pause": self.r.choice([*self.consumers, *self.producers])} | self.length()

    def redrive(self):
        dead = self.r.choice([name for name in self.queues if name.startswith("d")] or ["q0"])
        rate = {"rate": f"{self.r.choice((1, 2)) * (1000 if self.unit == 'ms' else 1)}/s"}
        made = {"from": dead, "to": self.r.choice(self.sources())} | self.some(0.6, lambda: rate)
        return {"redrive": made | self.some(0.3, lambda: {"limit": self.r.randint(1, 3)})}

    def purge(self):
        return {"purge": self.r.choice(list(self.queues))}

    def heal(self):
        return {"fix_poison": self.r.choice((True, self.r.choice(self.sources())))}

    def alert(self):
        queue, consumer = self.r.choice(list(self.queues)), self.r.choice(list(self.consumers))
        when, limit = self.r.choice((
            (f"{queue}.visible", self.r.randint(0, 4)),
            (f"{queue}.depth", self.r.randint(0, 4)),
            (f"{queue}.oldest_age", self.span(1, 4)),
            (f"{queue}.acked", self.r.randint(0, 4)),
            (f"{queue}.wait p95", self.span(1, 4)),
            (f"{consumer}.busy", self.r.randint(0, 2)),
        ))  # fmt: skip
        made = {"when": when, self.r.choice(("above", "above", "below")): limit}
        return made | self.some(0.5, lambda: {"for": self.span(1, 4)}) | self.some(0.3, lambda: {"window": self.span(1, 9)})
