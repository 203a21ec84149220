"""Which queues are stations of the textbooks: the formula where it holds, silence where it does not.

Each model is held against the engine: 8 replications of a quarter of an hour, its first 2 minutes cut, and of every number that the book
tells a 99.99 % Student interval that must hold it: of the two hundred or so, one in fifty such tables would miss one."""

from __future__ import annotations

import pytest

import qsim
from qsim.scenario.station import RARE
from qsim.scenario.textbook import stations
from qsim.study.intervals import interval
from tests.plot.runs import STATION

REPLICATIONS, CONFIDENCE = 8, 0.9999


def station(**changes) -> qsim.Scenario:
    scenario = qsim.load(text=STATION)
    for path, value in changes.items():
        scenario = scenario.set(path.replace("__", "."), value)
    return scenario


def exponential(ms: int) -> str:
    return f"{{exponential: {{mean: {ms}ms}}}}"


def one_queue(consumer: str, queue: str = "", producer: str = "rate: 10/s", dead: str = "") -> str:
    """Ten messages a second; ``dead``: what the dead-letter queue is like, where there is one."""
    others = f", dead: {{{dead}}}" if dead else ""
    return (
        f"queues: {{jobs: {{{queue}}}{others}}}\nproducers: {{api: {{to: jobs, {producer}}}}}\n"
        f"consumers: {{worker: {{from: jobs, {consumer}}}}}\n"
    )


SQS, QUORUM = "profile: sqs-standard", "profile: rabbitmq-quorum"
PULL, PUSH = "poll: {batch: 1, wait: 20s}", "push: {prefetch: 1}"
LEVELS = "rate: 10/s, message: {priority: {high: 20%, mid: 30%, low: 50%}}"
UNIFORM = "{uniform: {min: 0, max: 150ms}}"
TWO_KINDS = f"{{mix: [{{share: 80%, time: 100ms}}, {{share: 20%, time: {exponential(2000)}}}]}}"
CLIENTS = f"clients: {{count: 12, think: {exponential(1000)}}}, request_reply: {{reply_to: dead, timeout: 1h}}"
TANDEM = f"""
queues: {{jobs: {{}}, next: {{}}}}
producers: {{api: {{to: jobs, rate: 10/s}}}}
consumers:
  worker: {{from: jobs, count: 2, service: {exponential(140)}, emits: [{{to: next}}]}}
  second: {{from: next, service: {exponential(70)}}}
"""
COPIES = f"""
queues: {{all: {{}}, some: {{}}}}
topics: {{news: {{type: fanout, subscriptions: [{{queue: all}}, {{queue: some, only: {{kind: [x]}}}}]}}}}
producers: {{api: {{to: news, rate: 10/s, message: {{attributes: {{kind: {{x: 40%, y: 60%}}}}}}}}}}
consumers:
  worker: {{from: all, count: 2, service: {exponential(140)}}}
  second: {{from: some, service: {exponential(150)}}}
"""

EXACT = {
    "sqs": ("M/M/2", one_queue(f"count: 2, {PULL}, service: {exponential(140)}", SQS)),
    "pushed": ("M/M/2", one_queue(f"count: 2, {PUSH}, service: {exponential(140)}", QUORUM)),
    "renewed": ("M/M/2", one_queue(
        f"count: 2, heartbeat: {{every: 100ms, extend_to: 300ms}}, service: {exponential(140)}", "visibility_timeout: 300ms"
    )),
    "uniform": ("M/G/1", one_queue(f"service: {UNIFORM}")),
    "many servers": ("M/G/inf", one_queue("concurrency: 30, service: {uniform: {min: 0, max: 1s}}")),
    "bounded": ("M/M/2/5", one_queue(f"count: 2, service: {exponential(200)}", "capacity: {messages: 5, when_full: reject}")),
    "bounded, ready only": ("M/M/2/6", one_queue(
        f"count: 2, {PUSH}, service: {exponential(200)}", f"{QUORUM}, capacity: {{messages: 3, when_full: reject}}"
    )),
    "loss": ("M/G/4/4 (Erlang's loss)", one_queue(
        "count: 4, service: {uniform: {min: 0, max: 800ms}}", "capacity: {messages: 4, when_full: reject}"
    )),
    "loss, idle servers": ("M/M/3/3 (Erlang's loss)", one_queue(
        f"count: 5, service: {exponential(400)}", "capacity: {messages: 3, when_full: reject}"
    )),
    "urgent first": ("M/G/1 with priorities", one_queue(f"service: {UNIFORM}", "priorities: [high, mid, low]", LEVELS)),
    "urgent first, two": ("M/M/2 with priorities", one_queue(
        f"count: 2, service: {exponential(150)}", "priorities: [high, mid, low]", LEVELS
    )),
    "fails": ("M/M/3 with feedback", one_queue(f"count: 3, service: {exponential(140)}, failures: {{error: 30%}}")),
    "fails, even": ("M/G/1 with feedback", one_queue("service: 28ms, failures: {error: 60%}")),
    "fails, to the front": ("M/M/1 with feedback", one_queue(
        f"{PUSH}, service: {exponential(56)}, failures: {{error: 20%}}", QUORUM
    )),
    "fails, to the end": ("M/M/2 with feedback", one_queue(
        f"count: 2, {PUSH}, service: {exponential(56)}, failures: {{error: 60%}}", QUORUM + ', broker: {version: "3.10"}'
    )),
    "given up": ("a station that gives up after 2 attempts", one_queue(
        f"count: 2, {PULL}, service: {exponential(100)}, failures: {{error: 30%}}",
        SQS + ", dlq: {queue: dead, max_receives: 2}", dead=SQS,
    )),
    "leases": ("a station whose leases end before the work does", one_queue(
        f"concurrency: 60, service: {exponential(400)}", "visibility_timeout: 500ms"
    )),
    "leases of two kinds": ("a station whose leases end before the work does", one_queue(
        f"count: 90, {PULL}, service: {TWO_KINDS}",
        SQS + ", visibility_timeout: 1s, dlq: {queue: dead, max_receives: 3}", dead=SQS,
    )),
    "clients": ("M/M/2//12", one_queue(
        f"count: 2, service: {exponential(150)}, emits: [{{to: dead}}]", producer=CLIENTS, dead="profile: ideal"
    )),
    "tandem": ("M/M/2, M/M/1", TANDEM),
    "copies": ("M/M/2, M/M/1", COPIES),
}  # fmt: skip


def told(text: str) -> qsim.Scenario:
    return qsim.load(text=f"qsim: 1\nname: x\nrun: {{duration: 15m, warmup: 2m}}\n{text}")


def names(scenario: qsim.Scenario) -> list[str]:
    return [book.name for book in stations(scenario.plan)]


@pytest.mark.parametrize("case", EXACT)
def test_the_engine_is_what_the_book_says(case):
    name, text = EXACT[case]
    scenario = told(text)
    assert ", ".join(names(scenario)) == name
    runs = [scenario.run(replication=r) for r in range(1, REPLICATIONS + 1)]
    for book in stations(scenario.plan):
        assert not book.nearly and not book.laws
        for reference, expected in book.says.items():
            low, high = interval([run[reference] for run in runs], CONFIDENCE)
            assert low <= expected <= high, reference
            assert high - low <= max(0.9 * expected, RARE), f"{reference}: narrow enough to say something"


def test_two_servers_are_erlangs_station():
    [book] = stations(station().plan)
    assert (book.name, book.queue, book.consumer) == ("M/M/2", "jobs", "worker")
    assert book.says["worker.utilization mean"] == pytest.approx(0.7)
    assert book.says["jobs.wait share"] == pytest.approx(0.576471, abs=1e-6)  # C(2, 1.4), by hand
    assert book.says["jobs.wait mean"] == pytest.approx(0.134510, abs=1e-6)


def test_one_server_takes_any_service():
    one = {"consumers__worker__count": 1}
    [even] = stations(station(**one, consumers__worker__service="60ms").plan)
    assert even.name == "M/D/1" and even.says["jobs.wait mean"] == pytest.approx(10 * 0.06**2 / (2 * 0.4))
    assert "jobs.wait p95" not in even.says
    [any_] = stations(station(**one, consumers__worker__service={"uniform": {"min": "0s", "max": "120ms"}}).plan)
    assert any_.name == "M/G/1" and any_.says["jobs.wait mean"] == pytest.approx(10 * 0.12**2 / 3 / (2 * 0.4))


# --- nothing is random, nearly, and what is left ------------------------------------------------------------------------


def test_where_nothing_is_random_nobody_waits():
    """Even at 100 %: of the last second's ten, two are at work."""
    scenario = told(one_queue("count: 2, service: 200ms", producer="rate: 10/s, arrivals: regular"))
    [book] = stations(scenario.plan)
    assert book.name == "D/D/2" and book.says["worker.utilization mean"] == 1
    run = scenario.run()
    assert {reference: run[reference] for reference in book.says} == pytest.approx(book.says)
    more = scenario.set("consumers.worker.service", "201ms")
    assert stations(more.plan) == []


def test_an_approximation_says_so():
    [book] = stations(station(consumers__worker__service="100ms").plan)
    assert book.name == "nearly M/D/2" and "approximation" in book.holds
    assert set(book.says) - book.nearly == {"worker.utilization mean"}
    [book] = stations(station(producers__api__arrivals="regular").plan)
    assert book.name == "nearly D/M/2"


@pytest.mark.parametrize(
    "change",
    [
        {"queues.jobs.delay": "1s"},
        {"consumers.worker.poll": {"batch": 5}},
        {"producers.api.bursts": {"on": {"exponential": {"mean": "1s"}}, "off": "300ms"}},
        {"consumers.worker.failures": {"error": "10%"}, "consumers.worker.retry": {"backoff": "fixed", "first": "2s"}},
        {"producers.api.count": 2, "producers.api.arrivals": "regular", "producers.api.rate": "5/s"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_stable_queue_has_littles_law(change):
    """Of which the utilization and L = λ W are left, with the run's own W."""
    scenario = changed(change).set("run.duration", "10m")
    [book] = stations(scenario.plan)
    assert book.name == "stable"
    runs = [scenario.run(replication=r) for r in range(1, REPLICATIONS + 1)]
    [(busy, expected)] = book.says.items()
    low, high = interval([run[busy] for run in runs], CONFIDENCE)
    assert low <= expected <= high
    [(length, law)] = book.laws.items()
    low, high = interval([run[length] - law.rate * run[law.time] for run in runs], CONFIDENCE)
    assert low <= 0 <= high and high - low < interval([run[length] for run in runs], CONFIDENCE)[1]


def changed(change: dict[str, object]) -> qsim.Scenario:
    scenario = qsim.load(text=STATION)
    for path, value in change.items():
        scenario = scenario.set(path, value)
    return scenario


# --- silence ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"producers.api.stages": [{"hold": "1m"}, {"ramp": "1m", "to": "20/s"}]},
        {"producers.api.batch": {"size": 10, "max_wait": "1s"}},
        {"producers.api.message.poison": "1%"},
        {"producers.api.message.ttl": "1s"},
        {"producers.api.message.eta": "1s"},
        {"producers.api.limit": 100},
        {"producers.api.start": "1m"},
        {"producers.api.stop": "20m"},
        {"producers.api.slow_down": {"token_bucket": {"rate": "9/s", "burst": 2}}},
        {"producers.api.rate": "20/s"},  # it does not keep up
        {"consumers.worker.failures": {"crash": "1%"}},
        {"consumers.worker.failures": {"error": "1%", "on_error": "wait-for-timeout"}, "queues.jobs.visibility_timeout": "30s"},
        {"consumers.worker.failures": {"error": "40%"}},  # nor does it, with all the attempts
        {"consumers.worker.failures": {"error": "1%"}, "queues.jobs.capacity": {"messages": 10, "when_full": "reject"}},
        {"consumers.worker.ack": "on-receive"},
        {"consumers.worker.poll": {"wait": "0s", "every": "100ms"}},
        {"consumers.worker.autoscale": {
            "policy": "hpa", "metric": "visible", "target": 5, "min": 1, "max": 4, "every": "10s", "startup": "1s"
        }},
        {"queues.jobs.capacity": {"messages": 10, "when_full": "drop-oldest"}},
        {"queues.jobs.capacity": {"bytes": "10KiB", "when_full": "reject"}},
        {"queues.jobs.capacity": {"messages": 10, "when_full": "reject"}, "producers.api.on_reject": "block"},
        {"queues.jobs.capacity": {"messages": 10, "when_full": "reject"}, "consumers.worker.service": "140ms"},
        {"queues.jobs.retention": "1s"},
        {"queues.jobs.visibility_timeout": "200ms"},  # there is no server free for the second attempt
        {"queues.jobs.visibility_timeout": "30s", "consumers.worker.poll": {"batch": 2}},
        {"queues.jobs.imperfections": {"duplicate_delivery": "1%"}},
        {"queues.jobs.latency": {"receive": "1ms"}},
        {"timeline": {"pause": {"at": "1m", "for": "1m", "pause": "worker"}}},
        {"dependencies": {"db": {"capacity": 1, "service": "1ms"}}, "consumers.worker.uses": "db"},
        {"consumers.other": {"from": "jobs", "service": "1s"}},
        {"queues.first": {"dlq": {"queue": "jobs", "max_receives": 2}}},  # dead letters arrive, too
    ],
    ids=lambda change: " ".join(change),
)  # fmt: skip
def test_what_the_books_do_not_know_has_no_sentence(change):
    assert stations(changed(change).plan) == []


def test_what_a_model_asks_for_is_asked():
    """One step beside it, and it is another model, or none."""
    loss = "capacity: {messages: 4, when_full: reject}"
    assert names(told(one_queue("count: 4, service: 300ms", loss))) == ["M/G/4/4 (Erlang's loss)"]
    assert names(told(one_queue("count: 3, service: 300ms", loss))) == []
    urgent = "priorities: [high, mid, low]"
    assert names(told(one_queue("count: 2, service: 150ms", urgent, LEVELS))) == ["stable"]
    assert names(told(one_queue(f"count: 2, service: {exponential(150)}", urgent))) == ["M/M/2"]
    assert names(told(one_queue("count: 2, service: 70ms, failures: {error: 20%}"))) == ["stable"]
    mixed = "service: {mix: [{share: 50%, time: 20ms}, {share: 50%, time: 80ms}]}, failures: {error: 20%}"
    assert names(told(one_queue(mixed))) == ["stable"]
    assert names(told(one_queue("concurrency: 12, service: 400ms"))) == ["nearly M/D/12"]
    at_once = "poll: {batch: 1, wait: 20s, visibility_timeout: %s}, service: 40ms"
    assert names(told(one_queue(at_once % "1s", SQS))) == ["M/D/1"]
    assert names(told(one_queue(at_once % "0s", SQS))) == []  # visible again while it is worked on
    deletes = "visibility_timeout: 500ms, stale_ack: deletes"
    assert names(told(one_queue(f"concurrency: 60, service: {exponential(400)}", deletes))) == []
    impatient = EXACT["clients"][1].replace("timeout: 1h", "timeout: 1s")
    assert names(told(impatient)) == []
    unanswered = EXACT["clients"][1].replace(", request_reply: {reply_to: dead, timeout: 1h}", "")
    assert unanswered != EXACT["clients"][1] and names(told(unanswered)) == []
    fails = f"{PUSH}, service: {exponential(15)}, failures: {{error: 80%}}"  # a quorum queue gives up after 21 (RMQ-17)
    dlq = QUORUM + ", dlq: {queue: dead}"
    assert names(told(one_queue(fails, dlq, dead=QUORUM))) == ["a station that gives up after 21 attempts"]
    even = TANDEM.replace(exponential(140), "140ms")
    assert names(told(even)) == ["nearly M/D/2", "stable"]


def test_the_run_agrees_with_the_book():
    """Each number of the book lies in a 99.9 % interval over replications with the warm-up cut."""
    scenario = station(run__duration="1h")
    [book] = stations(scenario.plan)
    runs = [scenario.run(replication=r) for r in range(1, 9)]
    for reference, expected in book.says.items():
        low, high = interval([run[reference] for run in runs], 0.999)
        assert low <= expected <= high, reference
