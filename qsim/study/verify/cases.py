"""The random rows: a scenario, what a formula says of it, and how soon it forgets how it began.

It knows models and scenarios, one a row, and runs nothing.  Everywhere one message a second arrives, so that times are
also counts.  How soon a station forgets its beginning is its relaxation time: 1 / (√(cμ) − √λ)² for M/M/c, and at least a
service (Morse 1955; Cohen, *The Single Server Queue*); the distance from equilibrium then falls as e^(−t/τ).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import exp, sqrt

from qsim import theory
from qsim.units import SECOND


@dataclass(frozen=True, slots=True)
class Case:
    """``that`` is a reference and ``truth`` its value by theory (times in s); ``settles`` is the relaxation time in s."""

    model: str
    setting: str
    what: str
    truth: float
    that: str
    scenario: str
    settles: float


def cases() -> list[Case]:
    """Every row, in the order of the table; its place is its seed."""
    families = (_single, _several, _general, _unlimited, _urgent, _lossy, _leased, _failing, _closed, _tandem)
    return [case for family in families for case in family()]


WAIT, WAITS, INSIDE, TIME = "q.wait mean", "q.wait share", "q.depth mean", "q.latency mean"
_WORDS = {WAIT: "mean wait", WAITS: "P(wait)", INSIDE: "mean number", TIME: "mean time"}


def relaxation(capacity: float, service: float = 0.0, arrivals: float = 1.0, scv: float = 1.0) -> float:
    """Longer, where services differ more than exponential ones: as the wait is (the diffusion's time scale)."""
    return max(service, max(1.0, (1 + scv) / 2) / (sqrt(capacity) - sqrt(arrivals)) ** 2)


# --- stations without a bound -------------------------------------------------------------------------------------------


def _single() -> Iterator[Case]:
    for ρ in (0.3, 0.5, 0.7, 0.8, 0.9, 0.95):
        yield _station("M/M/1", ρ, 1, WAIT)
    for ρ in (0.5, 0.8):
        yield _station("M/M/1", ρ, 1, INSIDE)
        yield _station("M/M/1", ρ, 1, WAITS)
    yield _station("M/M/1", 0.7, 1, TIME)
    for share, longer in ((50, 2), (95, 8)):  # a percentile of few values is biased, of correlated ones the more
        truth = theory.mmc_wait_quantile(share / 100, 1.0, 1 / 0.7)
        settles = longer * relaxation(1 / 0.7)
        yield _case("M/M/1", "ρ 0.7", f"p{share} of the wait", truth, f"q.wait p{share}", _service(0.7), settles)


def _several() -> Iterator[Case]:
    for servers, ρ in ((2, 0.5), (2, 0.7), (4, 0.8), (8, 0.7), (8, 0.9), (16, 0.8), (64, 0.8), (64, 0.95)):
        yield _station("M/M/c", ρ, servers, WAIT)
    for servers, ρ in ((2, 0.3), (4, 0.8), (16, 0.8), (64, 0.9)):
        yield _station("M/M/c", ρ, servers, WAITS)
    yield _station("M/M/c", 0.7, 8, INSIDE)


def _station(model: str, ρ: float, servers: int, that: str) -> Case:
    station = theory.mmc(1.0, 1 / (ρ * servers), servers)
    truth = {WAIT: station.mean_wait, WAITS: station.wait_probability, INSIDE: station.mean_number, TIME: station.mean_time}
    setting = f"ρ {ρ}" if servers == 1 else f"c {servers}, ρ {ρ}"
    settles = relaxation(1 / ρ, ρ * servers)
    return _case(model, setting, _WORDS[that], truth[that], that, _service(ρ * servers, servers), settles)


def _general() -> Iterator[Case]:
    for ρ, words, service, scv in (
        (0.5, "constant", _ns(0.5), 0.0),
        (0.8, "constant", _ns(0.8), 0.0),
        (0.95, "constant", _ns(0.95), 0.0),
        (0.8, "erlang 4", f"{{erlang: {{mean: {_ns(0.8)}, k: 4}}}}", 1 / 4),
        (0.7, "uniform", f"{{uniform: {{min: 0, max: {_ns(1.4)}}}}}", 1 / 3),
        (0.5, "mix", f"{{mix: [{{share: 90%, time: {_exponential(0.25)}}}, {{share: 10%, time: {_exponential(2.75)}}}]}}", 5.5),
    ):
        station = theory.mg1(1.0, ρ, scv * ρ**2)
        consumer = f"service: {service}"
        model, settles = "M/D/1" if scv == 0 else "M/G/1", relaxation(1 / ρ, scv=scv)
        yield _case(model, f"ρ {ρ}, {words}", "mean wait", station.mean_wait, WAIT, consumer, settles)


def _unlimited() -> Iterator[Case]:
    for mean, words, service in (
        (20.0, "exponential", _exponential(20)), (5.0, "uniform", f"{{uniform: {{min: 0, max: {_ns(10)}}}}}")
    ):  # fmt: skip
        consumer = f"concurrency: 100, service: {service}"
        truth = theory.mginf(1.0, mean).mean_number
        yield _case("M/G/inf", f"a {mean:g}, {words}", "mean number", truth, INSIDE, consumer, mean)


# --- priorities, bounds --------------------------------------------------------------------------------------------------


def _urgent() -> Iterator[Case]:
    """The level's share of one message a second; settled as slowly as the least urgent class."""
    names, shares = ("high", "mid", "low"), (0.2, 0.3, 0.5)
    for ρ, servers, words, service, scv in (
        (0.8, 1, "", _exponential(0.8), 1.0),
        (0.6, 1, ", constant", _ns(0.6), 0.0),
        (0.8, 4, "", _exponential(3.2), 1.0),
    ):
        stations = theory.priorities(shares, ρ * servers, servers, scv)
        behind = [sum(shares[:k]) * ρ for k in range(3)]
        for name, station, before in zip(names, stations, behind, strict=True):
            queue = f"priorities: [{', '.join(names)}]"
            levels = ", ".join(f"{n}: {s}" for n, s in zip(names, shares, strict=True))
            settles = relaxation(1 / ρ, ρ * servers) / (1 - before)
            setting = f"c {servers}, ρ {ρ}{words}"
            consumer = f"count: {servers}, service: {service}"
            scenario = _scenario(consumer, queue, f"message: {{priority: {{{levels}}}}}")
            yield Case("priorities", setting, f"mean wait, {name}", station.mean_wait, f"q.wait {name} mean", scenario, settles)


def _lossy() -> Iterator[Case]:
    for ρ, places in ((0.8, 3), (1.0, 10), (2.0, 5)):
        station = theory.mm1k(1.0, 1 / ρ, places)
        yield _bounded("M/M/1/K", ρ, 1, places, "share lost", station.blocked, "p.rejected share")
        if places > 3:
            yield _bounded("M/M/1/K", ρ, 1, places, "mean wait", station.mean_wait, WAIT)
    for load, servers, places in ((3.2, 4, 8), (9.0, 8, 20)):
        station = theory.mmck(1.0, 1 / load, servers, places)
        yield _bounded("M/M/c/K", load, servers, places, "share lost", station.blocked, "p.rejected share")
        yield _bounded("M/M/c/K", load, servers, places, "mean number", station.mean_number, INSIDE)
    for load, servers in ((1.0, 1), (4.0, 5), (16.0, 20), (64.0, 64)):
        yield _bounded("Erlang B", load, servers, servers, "share lost", theory.erlang_b(servers, load), "p.rejected share")
    lost = theory.erlang_b(5, 4.0)
    yield _bounded("Erlang B", 4.0, 5, 5, "share lost", lost, "p.rejected share", _ns(4.0))


def _bounded(
    model: str, load: float, servers: int, places: int, what: str, truth: float, that: str, service: str = ""
) -> Case:
    """It forgets within a service what is at work, and what waits no later than without a bound, or than a walk to and
    fro over the places for it takes."""
    waiting = load / servers * (places - servers) ** 2
    settles = load + (min(relaxation(servers / load), waiting) if load < servers else waiting)
    setting = f"c {servers}, a {load:g}, " + ("constant" if service else f"K {places}")
    consumer = f"count: {servers}, service: {service or _exponential(load)}"
    scenario = _scenario(consumer, f"capacity: {{messages: {places}, when_full: reject}}")
    return Case(model, setting, what, truth, that, scenario, settles)


# --- leases and retries ----------------------------------------------------------------------------------------------------


def _leased() -> Iterator[Case]:
    """A slot is free for every attempt; each draws a time of its own, and is worked to its end."""
    for words, service, beyond in (
        ("exponential", _exponential(10), theory.exponential_beyond(20, 10)),
        ("uniform", f"{{uniform: {{min: 0, max: {_ns(25)}}}}}", theory.uniform_beyond(20, 0, 25)),
        ("lognormal", "{lognormal: {median: 8s, p95: 30s}}", theory.lognormal_beyond(20, 8, 30)),
        ("erlang 3", f"{{erlang: {{mean: {_ns(12)}, k: 3}}}}", theory.erlang_beyond(20, 12, 3)),
        ("pareto", "{pareto: {min: 5s, alpha: 2.5}}", theory.pareto_beyond(20, 5, 2.5)),
        ("mix", f"{{mix: [{{share: 80%, time: 1s}}, {{share: 20%, time: {_exponential(30)}}}]}}", _mixed_beyond()),
    ):
        consumer = f"concurrency: 300, service: {service}"
        that = "q.lease_expired share"
        scenario = _scenario(consumer, "visibility_timeout: 20s")
        yield Case("leases", f"20 s, {words}", "share outlived", beyond, that, scenario, 40.0)
    for lease in (10, 20):
        beyond = theory.exponential_beyond(lease, 10)
        scenario = _scenario(f"concurrency: 300, service: {_exponential(10)}", f"visibility_timeout: {lease}s")
        busy = theory.lease_load(1.0, 10, beyond)
        yield Case("leases", f"{lease} s, exponential", "slots busy", busy, "c.busy mean", scenario, 40.0)


def _mixed_beyond() -> float:
    """Of attempts: whoever has the long kind of work has it at every attempt, and so more of them."""
    long = exp(-20 / 30)
    often = theory.attempts(long)
    return 0.2 * often * long / (0.8 + 0.2 * often)


def _failing() -> Iterator[Case]:
    """What fails is at work again at once: to who waits behind, one longer service."""
    for errors, servers, ρ in ((0.2, 1, 0.8), (0.5, 1, 0.7), (0.2, 4, 0.8)):
        service = ρ * servers * (1 - errors)
        consumer = f"count: {servers}, service: {_exponential(service)}, failures: {{error: {errors}}}"
        station = theory.feedback(1.0, 1 / service, servers, errors)
        settles, setting = relaxation(1 / ρ, ρ * servers), f"c {servers}, ρ {ρ}, {errors:.0%} fail"
        yield _case("feedback", setting, "mean number", station.mean_number, INSIDE, consumer, settles)
    first = theory.mm1(1.0, 1 / 0.8).mean_wait
    consumer = f"service: {_exponential(0.64)}, failures: {{error: 0.2}}"
    yield _case("feedback", "c 1, ρ 0.8, 20% fail", "first wait", first, WAIT, consumer, relaxation(1 / 0.8))


# --- networks --------------------------------------------------------------------------------------------------------------


def _closed() -> Iterator[Case]:
    """Clients who think for 10 s; replies come at the end of the work."""
    for clients, servers, service in ((5, 1, 1.0), (10, 1, 1.0), (12, 3, 2.0), (30, 2, 1.0)):
        station = theory.mmcn(clients, 1 / 10, 1 / service, servers)
        setting = f"N {clients}, c {servers}, S {service:g} s"
        scenario = f"""
queues: {{q: {{}}, replies: {{}}}}
producers:
  p:
    to: q
    clients: {{count: {clients}, think: {_exponential(10)}}}
    request_reply: {{reply_to: replies, timeout: 1h}}
consumers: {{c: {{from: q, count: {servers}, service: {_exponential(service)}, emits: [{{to: replies}}]}}}}
"""
        settles = 20.0  # no longer than a thought: a client forgets when it begins one
        yield Case("M/M/c//N", setting, "mean time", station.mean_time, "p.reply_time mean", scenario, settles)
        rate = station.mean_number / station.mean_time
        yield Case("M/M/c//N", setting, "throughput", rate, "p.goodput mean", scenario, settles)


def _tandem() -> Iterator[Case]:
    """What leaves M/M/1 is a Poisson stream (Burke 1956), so that the second station is M/M/1 as well."""
    for first, second in ((0.5, 0.8), (0.8, 0.7)):
        scenario = f"""
queues: {{q: {{}}, next: {{}}}}
producers: {{p: {{to: q, rate: 1/s}}}}
consumers:
  c: {{from: q, service: {_exponential(first)}, emits: [{{to: next}}]}}
  d: {{from: next, service: {_exponential(second)}}}
"""
        settles = max(relaxation(1 / first), relaxation(1 / second))
        truth = theory.mm1(1.0, 1 / second).mean_wait
        yield Case("tandem", f"ρ {first}, then {second}", "second wait", truth, "next.wait mean", scenario, settles)


# --- writing scenarios -----------------------------------------------------------------------------------------------------


def _case(model: str, setting: str, what: str, truth: float, that: str, consumer: str, settles: float) -> Case:
    return Case(model, setting, what, truth, that, _scenario(consumer), settles)


def _scenario(consumer: str, queue: str = "", producer: str = "") -> str:
    return f"""
queues: {{q: {{{queue}}}}}
producers: {{p: {{to: q, rate: 1/s{", " if producer else ""}{producer}}}}}
consumers: {{c: {{from: q, {consumer}}}}}
"""


def _service(mean: float, servers: int = 1) -> str:
    return f"count: {servers}, service: {_exponential(mean)}"


def _exponential(mean: float) -> str:
    return f"{{exponential: {{mean: {_ns(mean)}}}}}"


def _ns(seconds: float) -> str:
    return f"{round(seconds * SECOND)}ns"
