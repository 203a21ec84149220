"""Which queues of a scenario are stations of the textbooks, and what the books say of them.

It knows stations (``station``) and ``theory``, no run.  ``MODELS`` is a table of which station is which model: a model
takes exactly what it names, and the first one that has something to say is the one.  Where none has, the books have no
sentence, and neither has this module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite

from qsim import theory
from qsim.kernel.profile import Order, Profile, ReturnsTo
from qsim.scenario import times
from qsim.scenario.plan import Constant, ConsumerPlan, Exponential, Plan, ProducerPlan
from qsim.scenario.station import (
    RARE,
    Beside,
    Station,
    draws_anew,
    is_worked_to_the_end,
    keeps_up,
    places,
    station,
)  # fmt: skip
from qsim.units import SECOND


@dataclass(frozen=True, slots=True)
class Law:
    """L = λ W: ``rate`` messages a second, times what the run says of ``time``."""

    rate: float
    time: str


@dataclass(frozen=True, slots=True)
class Textbook:
    """A queue and its consumer as the station ``name``: {reference: value}, times in seconds.

    ``holds`` says how exact that is; of ``nearly`` the value is an approximation only.  ``laws``: what follows from
    another number of the same run.
    """

    name: str
    queue: str
    consumer: str
    says: Mapping[str, float]
    holds: str
    nearly: frozenset[str] = frozenset()
    laws: Mapping[str, Law] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Told:
    """What a model says of a station: the book's name of it, and numbers by reference."""

    name: str
    says: dict[str, float]
    nearly: frozenset[str] = frozenset()
    laws: dict[str, Law] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Model:
    """``takes`` must all be there, ``may`` can be, nothing else; ``tell`` answers None where it does not hold."""

    takes: frozenset[Beside]
    tell: Callable[[Station], Told | None]
    holds: str
    may: frozenset[Beside] = frozenset()


def stations(plan: Plan) -> list[Textbook]:
    """Those of the plan of which the books know something, in the order of its queues."""
    found = (_of_queue(plan, index) for index in range(len(plan.queues)))
    return [book for book in found if book is not None]


def _of_queue(plan: Plan, index: int) -> Textbook | None:
    found = station(plan, index)
    return None if found is None else next(_books(found), None)


def _books(found: Station) -> Iterator[Textbook]:
    for model in MODELS:
        if model.takes <= found.beside <= model.takes | model.may:
            told = model.tell(found)
            if told is not None:
                queue, consumer = found.queue.name, found.consumer.name
                yield Textbook(told.name, queue, consumer, told.says, model.holds, told.nearly, told.laws)


# --- stations without a bound -----------------------------------------------------------------------------------------


def _mmc(found: Station) -> Told | None:
    """Exponential services, of any number of servers; whom the next server takes matters to the percentile only."""
    if not found.is_exponential or not keeps_up(found):
        return None
    says = _of(found, theory.mmc(found.arrivals, 1 / found.service, found.servers))
    if _is_fifo(found.queue.profile):
        quantile = theory.mmc_wait_quantile(0.95, found.arrivals, 1 / found.service, found.servers)
        says[f"{found.queue.name}.wait p95"] = quantile
    return Told(f"M/M/{found.servers}", says)


def _mg1(found: Station) -> Told | None:
    """One server, any services of which the variance is finite, each of its own luck."""
    if found.servers > 1 or not isfinite(found.service_scv) or not keeps_up(found):
        return None
    of = theory.mg1(found.arrivals, found.service, found.service_scv * found.service**2)
    return Told("M/D/1" if isinstance(found.consumer.service, Constant) else "M/G/1", _of(found, of))


def _mginf(found: Station) -> Told | None:
    """So many servers that there is one for everyone, but for one arrival in a million."""
    load = found.arrivals * found.service
    if not _is_enough(found.servers, load):
        return None
    of = theory.mginf(found.arrivals, found.service)
    says = _of(found, of) | {f"{found.consumer.name}.utilization mean": load / found.servers}
    return Told("M/G/inf", {key: value for key, value in says.items() if not key.endswith("visible mean")})


def _is_enough(servers: int, load: float) -> bool:
    """Whether a Poisson number of that mean hardly ever reaches this number of servers: ``erlang_b`` is its share at
    the top, and what lies above falls faster than a geometric series."""
    return load < servers and theory.erlang_b(servers, load) / (1 - load / servers) < RARE


def _ddc(found: Station) -> Told | None:
    """Even arrivals and even services: nobody waits while the servers keep up, at 100 % neither."""
    if found.arrival_scv or found.service_scv or not keeps_up(found):
        return None
    queue, consumer = found.queue.name, found.consumer.name
    load = found.arrivals * found.service
    return Told(f"D/D/{found.servers}", {
        f"{consumer}.utilization mean": load / found.servers,
        f"{queue}.wait max": 0.0,
        f"{queue}.latency mean": found.service,
        f"{queue}.depth mean": load,
    })  # fmt: skip


def _ggc(found: Station) -> Told | None:
    """Of how uneven gaps and services are, the squared coefficients of variation must be all that is known."""
    if not isfinite(found.service_scv) or not keeps_up(found):
        return None
    of = theory.ggc(found.arrivals, 1 / found.service, found.servers, found.arrival_scv, found.service_scv)
    says = _of(found, of)
    del says[f"{found.queue.name}.wait share"]
    nearly = frozenset(says) - {f"{found.consumer.name}.utilization mean"}
    return Told(f"nearly {_letter(found.arrival_scv)}/{_letter(found.service_scv)}/{found.servers}", says, nearly)


def _letter(scv: float) -> str:
    return {0.0: "D", 1.0: "M"}.get(scv, "G")


# --- priorities, bounds -----------------------------------------------------------------------------------------------


def _priorities(found: Station) -> Told | None:
    """One server, or several with exponential services; all levels have the services of the one consumer.  What all
    messages together wait on average is as without priorities."""
    if not (found.servers == 1 or found.is_exponential) or not _is_by_level(found) or not keeps_up(found):
        return None
    plain = _mmc(found) or _mg1(found)
    if plain is None:
        return None
    queue = found.queue.name
    says = {key: value for key, value in plain.says.items() if not key.endswith("p95")}
    classes = theory.priorities(tuple(found.rates.values()), found.service, found.servers, found.service_scv)
    for name, of in zip(found.rates, classes, strict=True):
        says |= {f"{queue}.wait {name} mean": of.mean_wait, f"{queue}.latency {name} mean": of.mean_time}
    return Told(f"{plain.name} with priorities", says)


def _is_by_level(found: Station) -> bool:
    """Whether each priority is a lane of its own."""
    profile, used = found.queue.profile, len(found.queue.priorities)
    lanes = profile.lane_of[:used] if profile.lane_of is not None else range(used)
    return profile.order is Order.PRIORITY and len(set(lanes)) == used and list(lanes) == sorted(lanes)


def _erlang_b(found: Station) -> Told | None:
    """Room for those in service only, whatever the distribution of the services."""
    room = places(found)
    if room is None or not 0 < room <= found.servers:
        return None
    of = theory.mmck(found.arrivals, 1 / found.service, room, room)
    says = _refused(found, theory.erlang_b(room, found.arrivals * found.service)) | {
        f"{found.consumer.name}.utilization mean": of.utilization * room / found.servers,
        f"{found.queue.name}.depth mean": of.mean_number,
    }
    return Told(f"M/{'M' if found.is_exponential else 'G'}/{room}/{room} (Erlang's loss)", says)


def _mmck(found: Station) -> Told | None:
    """Room for more than those in service, and exponential services; it keeps up at any load."""
    room = places(found)
    if room is None or room <= found.servers or not found.is_exponential:
        return None
    of = theory.mmck(found.arrivals, 1 / found.service, found.servers, room)
    return Told(f"M/M/{found.servers}/{room}", _refused(found, of.blocked) | _of(found, of))


def _refused(found: Station, share: float) -> dict[str, float]:
    """Every producer meets the same share (PASTA)."""
    return {f"{each.producer.name}.rejected share": share for each in found.streams if each.producer is not None}


def _mmcn(found: Station) -> Told | None:
    """Clients who think for exponential times and wait for a reply that comes at the end of exponential services, so
    soon that hardly anyone gives up: at worst when the services of all clients came one after the other."""
    producer, *others = [stream.producer for stream in found.streams]
    if others or producer is None or not found.is_exponential or not _replies(found.consumer, producer):
        return None
    assert producer.clients is not None and producer.request_reply is not None
    clients, think = producer.clients.count * producer.count, times.mean(producer.clients.think) / SECOND
    patience = producer.request_reply.timeout / SECOND
    if theory.erlang_beyond(patience, clients * found.service, clients) > RARE:
        return None
    of = theory.mmcn(clients, 1 / think, 1 / found.service, found.servers)
    asked = {f"{producer.name}.reply_time mean": of.mean_time}
    if producer.count == 1:
        asked[f"{producer.name}.goodput mean"] = of.mean_number / of.mean_time
    return Told(f"M/M/{found.servers}//{clients}", asked | _of(found, of))


def _replies(consumer: ConsumerPlan, producer: ProducerPlan) -> bool:
    """Whether the end of the work is the answer for which it waits."""
    asks, loop = producer.request_reply, producer.clients
    if asks is None or loop is None or not isinstance(loop.think, Exponential):
        return False
    return [emit.to for emit in consumer.emits if not emit.on_failure] == [asks.reply_to]


# --- attempts that fail, leases that end ------------------------------------------------------------------------------


def _feedback(found: Station) -> Told | None:
    """What fails is at work again at once: to those who wait, one longer service.  The services are exponential, or
    there is one server; a failed message goes before those that wait (its place, or the front)."""
    failing, profile = found.consumer.failures.error, found.queue.profile
    if not _is_fifo(profile) or found.returns_to is ReturnsTo.TAIL or profile.tail_from is not None:
        return None
    if not draws_anew(found) or not keeps_up(found, theory.attempts(failing)):
        return None
    mean, variance = theory.all_attempts(found.service, found.service_scv * found.service**2, failing)
    if found.is_exponential:  # so is the sum of a geometric number of them
        of = theory.mmc(found.arrivals, 1 / mean, found.servers)
    elif found.servers == 1 and isfinite(variance):
        of = theory.mg1(found.arrivals, mean, variance)
    else:
        return None
    return Told(f"{'M/M' if found.is_exponential else 'M/G'}/{found.servers} with feedback", _of(found, of))


def _behind(found: Station) -> Told | None:
    """What fails goes behind those that wait: a station of all attempts, if the services are exponential."""
    failing, profile = found.consumer.failures.error, found.queue.profile
    if found.returns_to is not ReturnsTo.TAIL or not _is_fifo(profile) or not found.is_exponential:
        return None
    if not keeps_up(found, theory.attempts(failing)):
        return None
    whole = theory.feedback(found.arrivals, 1 / found.service, found.servers, failing)
    first = theory.mmc(found.arrivals * theory.attempts(failing), 1 / found.service, found.servers)
    says = _of(found, whole) | {f"{found.queue.name}.wait mean": first.mean_wait}
    return Told(f"M/M/{found.servers} with feedback", says)


def _given_up(found: Station) -> Told | None:
    """Attempts that fail, of which a message gets so many: how often that is, whatever arrives and whoever waits."""
    failing, most = found.consumer.failures.error, found.most
    often = theory.attempts(failing, most)
    if Beside.LEASE in found.beside or most is None or not keeps_up(found, often):
        return None
    says = {f"{found.consumer.name}.utilization mean": found.arrivals * found.service * often / found.servers}
    if found.queue.profile.dlq is not None:
        says[f"{found.queue.name}.dead_lettered share"] = failing**most / often
    return Told(f"a station that gives up after {most} attempt{'s' if most > 1 else ''}", says)


def _leases(found: Station) -> Told | None:
    """Every attempt is worked to its end, and a server is free for each of them even if half of them were away."""
    if found.lease is None or not is_worked_to_the_end(found):
        return None
    parts = times.outliving(found.consumer.service, found.lease)
    kinds = [(share, mean, beyond, theory.attempts(beyond, found.most)) for share, mean, beyond in parts]
    tries = sum(share * often for share, _, _, often in kinds)
    busy = sum(theory.lease_load(found.arrivals * share, mean, beyond, found.most) for share, mean, beyond, _ in kinds)
    if not isfinite(tries) or not _is_enough(found.servers // 2, busy):
        return None
    queue, consumer = found.queue.name, found.consumer.name
    says = {
        f"{queue}.lease_expired share": sum(share * often * beyond for share, _, beyond, often in kinds) / tries,
        f"{queue}.redelivered share": 1 - 1 / tries,
        f"{consumer}.busy mean": busy,
        f"{consumer}.utilization mean": busy / found.servers,
    }
    if found.most is not None and found.queue.profile.dlq is not None:
        late = sum(share * theory.late_share(beyond, found.most) for share, _, beyond, _ in kinds)
        says[f"{queue}.dead_lettered share"] = late / tries
    return Told("a station whose leases end before the work does", says)


def _little(found: Station) -> Told | None:
    """Every message is worked on until it is acked, whoever goes first, whatever waits where."""
    often = theory.attempts(found.consumer.failures.error)
    if not keeps_up(found, often):
        return None
    busy = f"{found.consumer.name}.utilization mean"
    law = Law(found.arrivals, f"{found.queue.name}.latency mean")
    says = {busy: found.arrivals * found.service * often / found.servers}
    return Told("stable", says, laws={f"{found.queue.name}.depth mean": law})


# --- the table --------------------------------------------------------------------------------------------------------

_ANY = frozenset({Beside.GAPS, Beside.UNEVEN, Beside.LEVELS, Beside.ERRORS, Beside.DELAYS, Beside.BUFFERS})
_ONLY: frozenset[Beside] = frozenset()

MODELS: tuple[Model, ...] = (
    Model(_ONLY, _mmc, "Exact: poisson arrivals, exponential services, everybody waits."),
    Model(_ONLY, _mg1, "Exact: poisson arrivals, one server, any services (Pollaczek, Khinchine)."),
    Model(_ONLY, _mginf, "Exact but for one arrival in a million: a server for every message."),
    Model(frozenset({Beside.GAPS}), _ddc, "Exact: nothing is random."),
    Model(_ONLY, _ggc, "The utilization is exact, the rest an approximation (Allen, Cunneen).", frozenset({Beside.GAPS})),
    Model(frozenset({Beside.LEVELS}), _priorities, "Exact: the most urgent first, nobody interrupted (Cobham)."),
    Model(frozenset({Beside.BOUND}), _erlang_b, "Exact: no place to wait (Erlang), whatever the services."),
    Model(frozenset({Beside.BOUND}), _mmck, "Exact: who finds all places taken is refused."),
    Model(frozenset({Beside.LOOP}), _mmcn, "Exact: so many clients think, ask, wait for the answer, and think again."),
    Model(frozenset({Beside.ERRORS}), _feedback, "Exact: a failed attempt is followed by the next at once."),
    Model(frozenset({Beside.ERRORS}), _behind, "Exact: a failed attempt goes behind those that wait (Takács, Jackson)."),
    Model(frozenset({Beside.ERRORS, Beside.LIMIT}), _given_up, "Exact: every attempt fails by its own luck.", _ANY),
    Model(
        frozenset({Beside.LEASE}), _leases, "Exact: a server is free for every attempt, and each is worked to its end.",
        frozenset({Beside.LIMIT, Beside.GAPS, Beside.UNEVEN, Beside.LEVELS, Beside.DELAYS}),
    ),
    Model(_ONLY, _little, "Exact, whatever is inside and in whatever order; W is that of the run (Little: L = λ W).", _ANY),
)  # fmt: skip
"""In this order; a bounded queue, one whose messages are given up, or whose leases end, has no row but its own."""


def _of(found: Station, of: theory.Station) -> dict[str, float]:
    """What every station tells."""
    queue, consumer = found.queue.name, found.consumer.name
    return {
        f"{consumer}.utilization mean": of.utilization,
        f"{queue}.wait share": of.wait_probability,
        f"{queue}.wait mean": of.mean_wait,
        f"{queue}.latency mean": of.mean_time,
        f"{queue}.visible mean": of.mean_waiting,
        f"{queue}.depth mean": of.mean_number,
    }


def _is_fifo(profile: Profile) -> bool:
    """By the time of sending; one level of a queue with priorities is such a queue."""
    return profile.order in (Order.FIFO, Order.BEST_EFFORT, Order.PRIORITY)
