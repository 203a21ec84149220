"""The models by name: what each takes, and what it answers.

It knows the formulas of its neighbours, where they are from, and no units' spelling.  Values come in and go out in messages
a second and seconds (then the name ends in ``_s``), the rest as ``UNITS`` says; a rate of arrivals above what can be served gives waits without end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import sqrt
from typing import Any

from qsim.theory.erlang import erlang_b, erlang_c
from qsim.theory.leases import late_share, lease_load
from qsim.theory.losses import mmck, mmcn
from qsim.theory.priorities import priorities
from qsim.theory.retries import attempts, feedback
from qsim.theory.station import Station, little
from qsim.theory.stations import ggc, ggc_wait_quantile, mg1, mginf, mmc, mmc_wait_quantile

Told = dict[str, float]

Parts = tuple[tuple[float, float, float], ...]
"""Kinds of work: (share of the messages, mean service, share of its attempts that outlive the lease)."""


@dataclass(frozen=True, slots=True)
class Model:
    """``needs`` must be given, ``may`` can be left out (with what holds then); ``tell`` answers, a line a class, and
    ``source`` says in a line whose formula that is."""

    says: str
    needs: tuple[str, ...]
    tell: Callable[..., list[Told]]
    source: str
    may: Mapping[str, Any] = field(default_factory=dict)
    takes_distribution: bool = False
    """Whether ``service`` may be one; then its scv is the distribution's."""


def _open(station: Station, rate: float, service: float, servers: int) -> Told:
    """ρ is told above 1 too."""
    return {"rho": rate * service / servers} | _times(station)


def _bounded(station: Station) -> Told:
    return {"utilization": station.utilization, "lost": station.blocked} | _times(station)


def _times(station: Station) -> Told:
    return {
        "wait_probability": station.wait_probability,
        "wait_s": station.mean_wait,
        "response_s": station.mean_time,
        "in_queue": station.mean_waiting,
        "in_system": station.mean_number,
    }


def _mmc(rate: float, service: float, consumers: int = 1, share: float | None = None) -> list[Told]:
    told = _open(mmc(rate, 1 / service, consumers), rate, service, consumers)
    return [told if share is None else told | {"quantile_s": mmc_wait_quantile(share, rate, 1 / service, consumers)}]


def _mg1(rate: float, service: float, scv: float) -> list[Told]:
    return [_open(mg1(rate, service, scv * service**2), rate, service, 1)]


def _ggc(
    rate: float, service: float, consumers: int, arrival_scv: float, scv: float, share: float | None = None
) -> list[Told]:
    told = _open(ggc(rate, 1 / service, consumers, arrival_scv, scv), rate, service, consumers)
    if share is not None:
        told["quantile_s"] = ggc_wait_quantile(share, rate, 1 / service, consumers, arrival_scv, scv)
    return [told]


def _mginf(rate: float, service: float) -> list[Told]:
    number = mginf(rate, service).mean_number
    return [{"response_s": service, "in_system": number, "deviation": sqrt(number)}]


def _mmck(rate: float, service: float, consumers: int, places: int) -> list[Told]:
    return [_bounded(mmck(rate, 1 / service, consumers, places))]


def _mm1k(rate: float, service: float, places: int) -> list[Told]:
    return _mmck(rate, service, 1, places)


def _md1(rate: float, service: float) -> list[Told]:
    return _mg1(rate, service, 0.0)


def _mmcn(clients: int, think: float, service: float, consumers: int) -> list[Told]:
    station = mmcn(clients, 1 / think, 1 / service, consumers)
    return [{"utilization": station.utilization} | _times(station) | {"throughput": station.mean_number / station.mean_time}]


def _erlang_b(rate: float, service: float, consumers: int) -> list[Told]:
    return [{"load": little(rate, service), "lost": erlang_b(consumers, rate * service)}]


def _erlang_c(rate: float, service: float, consumers: int) -> list[Told]:
    return [{"load": little(rate, service), "wait_probability": erlang_c(consumers, rate * service)}]


def _priorities(rate: tuple[float, ...], service: float, consumers: int, scv: float) -> list[Told]:
    classes = priorities(rate, service, consumers, scv)
    return [_open(each, λ, service, consumers) for each, λ in zip(classes, rate, strict=True)]


def _feedback(rate: float, service: float, consumers: int, errors: float) -> list[Told]:
    often = attempts(errors)
    station = feedback(rate, 1 / service, consumers, errors)
    return [{"attempts": often} | _open(station, rate * often, service, consumers)]


def _leases(rate: float, service: float, parts: Parts, receives: int | None = None) -> list[Told]:
    """Of each part its own: a message is of one kind, however often it is tried."""
    told = {
        "outlive": sum(share * beyond for share, _, beyond in parts),
        "attempts": sum(share * attempts(beyond, receives) for share, _, beyond in parts),
        "load": little(rate, service),
        "busy": sum(lease_load(rate * share, mean, beyond, receives) for share, mean, beyond in parts),
    }
    late = 0.0 if receives is None else sum(share * late_share(beyond, receives) for share, _, beyond in parts)
    return [told if receives is None else told | {"late": late}]


def _little(rate: float, time: float) -> list[Told]:
    return [{"in_system": little(rate, time)}]


UNITS = {
    "load": "erlang", "busy": "consumers", "attempts": "a message", "rho": "share", "utilization": "share", "lost": "share",
    "outlive": "share", "late": "share", "wait_probability": "share", "wait_s": "s", "quantile_s": "s", "response_s": "s",
    "in_queue": "messages", "in_system": "messages", "deviation": "messages", "throughput": "messages/s",
}  # fmt: skip
"""Of each answer.  An erlang is one consumer's whole time; rho is a share of what all can do, and above 1 what cannot be."""

_GROSS = "Gross et al., Fundamentals of Queueing Theory (2008)"
_ERLANG = "A. K. Erlang (1917)"
_MG1 = "F. Pollaczek (1930), A. Khinchine (1932)"
_ALLEN = "A. O. Allen, Probability, Statistics, and Queueing Theory (1990)"
_COBHAM = "A. Cobham, Operations Research 2 (1954)"
_FEEDBACK = "L. Takács (1963); J. R. Jackson, Operations Research 5 (1957)"
_LITTLE = "J. D. C. Little, Operations Research 9 (1961)"
_OURS = "Little's law over a geometric number of attempts; our own"

_ONE = {"consumers": 1}
_SCV = {"scv": 1.0}
MODELS: dict[str, Model] = {
    "mm1": Model("one consumer, all random", ("rate", "service"), _mmc, _GROSS, {"share": None}),
    "mmc": Model("c consumers, all random", ("rate", "service", "consumers"), _mmc, _ERLANG, {"share": None}),
    "mm1k": Model("one consumer, K places with that in service", ("rate", "service", "places"), _mm1k, _GROSS),
    "mmck": Model(
        "c consumers, K places with those in service", ("rate", "service", "consumers", "places"), _mmck, _GROSS
    ),
    "md1": Model("one consumer, every service as long", ("rate", "service"), _md1, _MG1),
    "mg1": Model("one consumer, any services (Pollaczek, Khinchine)", ("rate", "service"), _mg1, _MG1, _SCV, True),
    "mginf": Model("a consumer for every message", ("rate", "service"), _mginf, _GROSS, {}, True),
    "ggc": Model(
        "c consumers, any gaps and services, nearly (Allen, Cunneen)",
        ("rate", "service", "consumers"), _ggc, _ALLEN, {"arrival-scv": 1.0, **_SCV, "share": None}, True,
    ),
    "mmcn": Model(
        "N clients who think, ask and wait for the answer", ("clients", "think", "service"), _mmcn, _GROSS, _ONE
    ),
    "erlang-b": Model("no queue: who is lost", ("rate", "service", "consumers"), _erlang_b, _ERLANG),
    "erlang-c": Model("who waits", ("rate", "service", "consumers"), _erlang_c, _ERLANG),
    "priorities": Model(
        "the most urgent first, nobody interrupted (Cobham); a rate a class",
        ("rate", "service"), _priorities, _COBHAM, {**_ONE, **_SCV}, True,
    ),
    "feedback": Model(
        "a share of attempts fails and comes back", ("rate", "service", "errors"), _feedback, _FEEDBACK, _ONE
    ),
    "leases": Model(
        "who outlives the lease is worked on again",
        ("rate", "service", "lease"), _leases, _OURS, {"receives": None}, True,
    ),
    "little": Model("how many are inside: L = λ W", ("rate", "time"), _little, _LITTLE),
}  # fmt: skip
