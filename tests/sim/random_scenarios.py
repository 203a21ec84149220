"""Small random scenarios over everything that a file can say: any broker, topics, dependencies, emits, faults, latency,
autoscalers, alerts that act, closed loops, requests and replies, bursts, costs.

It draws like ``random_plans`` and puts more around the queues.  ``plan(seed)`` is the one of that seed, without what the
checker does not let pass.
"""

import json

from qsim.scenario import load
from qsim.scenario.problems import ScenarioError
from tests.sim.random_plans import Draw

SQS = ("sqs-standard", "sqs-fifo")
BROKERS = (*SQS, "ideal", "ideal", "rabbitmq-classic", "rabbitmq-quorum", "redis-list", "redis-stream", "activemq-classic",
           "azure-service-bus")  # fmt: skip
HAS_LEASES = ("ideal", *SQS, "azure-service-bus")
LIMITED = ("ideal", *SQS, "rabbitmq-quorum", "activemq-classic", "azure-service-bus")
"""Profiles of which ``dlq.max_receives`` may be said."""
PUSHES = ("rabbitmq-classic", "rabbitmq-quorum", "activemq-classic")
TRIES, REPAIRS = 30, 30


def plan(seed):
    """(plan, the document that it came from): what the checker does not let pass is taken away."""
    for attempt in range(TRIES):
        drawn = Wide(f"wide {seed}/{attempt}").document()
        for _ in range(REPAIRS):
            text, paths = written(drawn)
            try:
                return load.read(text=text).plan, drawn
            except ScenarioError as error:
                wrong = {paths[problem.place.line] for problem in error.problems if problem.is_error}
            if any(len(path) < 3 for path in wrong):
                break
            for path in wrong:
                take_away(drawn, path)
    raise AssertionError(f"nothing that can be run comes of seed {seed}")


def written(document):
    """The scenario as JSON, a key or an entry a line; and what stands in which line, by its path."""
    lines, paths = [], [()]

    def write(part, path, before, after):
        paths.append(path)
        if not isinstance(part, dict | list) or not part:
            lines.append(before + json.dumps(part) + after)
            return
        opening, closing = "{}" if isinstance(part, dict) else "[]"
        lines.append(before + opening)
        items = list(part.items() if isinstance(part, dict) else enumerate(part))
        for n, (key, value) in enumerate(items):
            name = f"{json.dumps(key)}: " if isinstance(part, dict) else ""
            write(value, (*path, key), name, "" if n == len(items) - 1 else ",")
        paths.append(path)
        lines.append(closing + after)

    write(document, (), "", "")
    return "\n".join(lines), paths


def take_away(document, path):
    """Whatever stands there, if it still does; a map or a list that is empty then goes too."""
    *way, last = path
    part = document
    for key in way:
        part = part.get(key) if isinstance(part, dict) else part[key] if key < len(part) else None
        if part is None:
            return
    if isinstance(part, dict):
        part.pop(last, None)
    elif last < len(part):
        del part[last]
    if not part and len(way) > 2:
        take_away(document, way)


class Wide(Draw):
    """One scenario: the parts of ``Draw``, of any broker, and what stands around them."""

    def __init__(self, seed):
        super().__init__(seed)
        self.exact, self.plain = True, False

    def document(self):
        made = super().document()
        for add in (self.dependencies, self.emits, self.replies, self.loads, self.scaling, self.costs):
            if self.maybe(0.4):
                add(made)
        return made

    # --- queues -----------------------------------------------------------------------------------------------------

    def make_queues(self):
        for i in range(self.r.randint(1, 3)):
            profile = self.r.choice(BROKERS)
            queue = {"profile": profile, **self.settings(profile)}
            if self.maybe(0.5):
                most = {"max_receives": self.r.randint(1, 3)} if profile in LIMITED else {}
                queue["dlq"] = {"queue": f"d{i}", **most}
                self.queues[f"d{i}"] = {"profile": profile}
            self.queues[f"q{i}"] = queue

    def settings(self, profile):
        if profile in ("ideal", *SQS):
            made = self.queue_settings(profile)
        else:
            made = self.some(0.2, self.capacity) | self.some(0.2, self.imperfections)
            made |= self.some(0.4, lambda: {"visibility_timeout": self.span(1, 6)}) if profile in HAS_LEASES else {}
        made |= self.some(0.25, self.latency) | self.some(0.25, self.durability)
        keys = {
            "redis-list": {"reliable": True, "reaper": {"every": self.span(1, 3), "older_than": self.span(2, 6)}},
            "redis-stream": {"maxlen": self.r.randint(3, 9)},
            "rabbitmq-classic": {"single_active": True},
            "rabbitmq-quorum": {"version": "3.10"},
            "azure-service-bus": {"duplicate_detection": True},
            "activemq-classic": {"persistent": False},
        }.get(profile)
        return made | self.some(0.3 if keys else 0, lambda: {"broker": keys})

    def latency(self):
        calls = self.r.sample(("send", "receive", "ack"), self.r.randint(1, 3))
        return {"latency": {call: self.time(0, 2) for call in calls}}

    def durability(self):
        return {"durability": self.r.choice(("durable", "transient", {"fsync_every": self.span(1, 5)}))}

    # --- around them ------------------------------------------------------------------------------------------------

    def asks(self, profile):
        if profile in PUSHES:
            return self.some(0.6, lambda: {"push": {"prefetch": self.r.choice((1, 2, 3))}})
        if profile.startswith("redis"):
            return {}
        return super().asks(profile)

    def dependencies(self, made):
        settings = {"service": self.time(1, 3)} | self.some(0.7, lambda: {"capacity": self.r.randint(1, 2)})
        settings |= self.some(0.4 if "capacity" in settings else 0, lambda: {"queue_limit": self.r.randint(0, 2)}) | self.some(0.4, lambda: {"timeout": self.span(1, 4)})
        made["dependencies"] = {"db": settings}
        for consumer in self.consumers.values():
            consumer |= self.some(0.6, lambda: {"uses": self.r.choice(("db", ["db"]))})

    def emits(self, made):
        for consumer in self.consumers.values():
            to = self.r.choice([*self.queues, *made.get("topics", ())])
            if self.maybe(0.5):
                consumer["emits"] = [{"to": to, "when": self.r.choice(("success", "success", "failure"))}]

    def replies(self, made):
        made["queues"]["r0"] = {"profile": "ideal"}
        name = self.r.choice(list(self.producers))
        if self.producers[name]["to"] == "t0":
            return
        readers = [c for c in self.consumers.values() if self.producers[name]["to"] in (c["from"], *c["from"])]
        for consumer in readers:
            consumer["emits"] = [{"to": "r0"}]
        reply = {"reply_to": "r0", "timeout": self.span(2, 6), "on_timeout": self.r.choice(("drop", "retry"))}
        self.producers[name]["request_reply"] = reply

    def loads(self, made):
        producer = self.r.choice(list(self.producers.values()))
        kind = self.r.randint(0, 3)
        rate = 1000 if self.unit == "ms" else 1
        if kind == 0:
            for key in ("rate", "arrivals", "stages", "batch"):
                producer.pop(key, None)
            producer["clients"] = {"count": self.r.randint(1, 4), "think": self.time(1, 4)}
        elif kind == 1 and "rate" in producer:
            producer["bursts"] = {"on": self.time(1, 4), "off": self.time(1, 4)}
        elif kind == 2:
            producer["slow_down"] = {"token_bucket": {"rate": f"{rate}/s", "burst": self.r.randint(1, 3)}}
        else:
            watch = f"{self.r.choice(self.sources())}.visible"
            producer["slow_down"] = {"watch": watch, "above": 3, "resume_below": 1, "to": f"{rate}/s", "check_every": self.span(1, 2)}

    def scaling(self, made):
        consumer = self.r.choice(list(self.consumers.values()))
        policy = self.r.choice(("backlog-per-consumer", "keda", "hpa"))
        made_of = {"policy": policy, "metric": "visible", "target": self.r.randint(1, 3), "min": 1, "max": self.r.randint(2, 4)}
        made_of |= {"every": self.span(1, 4), "graceful": self.maybe(0.5)} | self.some(0.5, lambda: {"startup": self.time(1, 3)})
        made_of |= self.some(0.5, lambda: {"scale_down_after": self.span(0, 6)}) | self.some(0.3, lambda: {"metric_lag": self.span(1, 3)})
        consumer["autoscale"] = made_of

    def costs(self, made):
        made["cost"] = {"request": 0.01, "consumer_hour": 2, "gigabyte": 1}

    # --- control ----------------------------------------------------------------------------------------------------

    def event(self):
        if self.maybe(0.5):
            return super().event()
        kind = self.r.choice((self.restart, self.restart, self.slow, self.redrive))
        return {"at": self.span(0, 45)} | kind()

    def restart(self):
        return {"restart": self.r.choice(self.sources())} | self.some(0.8, self.length)

    def slow(self):
        return {"slow": {"consumer": self.r.choice(list(self.consumers)), "by": self.r.choice((2, 3, 0.5))}} | self.length()

    def alert(self):
        return super().alert() | self.some(0.4, lambda: {"do": {"set": dict([self.setting()])}})
