"""``qsim theory``: what a textbook's model says, without a scenario and without a run.

It knows words, units and lines; the models and their numbers are those of ``theory/models.py``.
"""

from __future__ import annotations

import json as json_
from collections.abc import Callable, Iterator
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qsim.cli.ends import Exit, Refused
from qsim.cli.table import hanging
from qsim.cli.terminal import WIDTH, out

if TYPE_CHECKING:
    from qsim.scenario.plan import Time
    from qsim.theory.models import Model, Told

MOST = 100_000
"""Consumers, clients or places: beyond, a sum takes long and says nothing new."""


def command(
    model: Annotated[str | None, typer.Argument(metavar="[MODEL]", help="None: lists them, with their keys.")] = None,
    rate: Annotated[
        list[str] | None, typer.Option(metavar="R", help="Arrivals: 720/s (one a class, most urgent first).")
    ] = None,
    service: Annotated[str | None, typer.Option(metavar="T", help="Mean service: 10ms, or a distribution.")] = None,
    consumers: Annotated[int | None, typer.Option(metavar="N", help="Messages worked on at a time.")] = None,
    places: Annotated[int | None, typer.Option(metavar="N", help="Room, with those in service.")] = None,
    scv: Annotated[str | None, typer.Option(metavar="X", help="Of services: variance over mean squared.")] = None,
    arrival_scv: Annotated[str | None, typer.Option(metavar="X", help="The same of the gaps.")] = None,
    clients: Annotated[int | None, typer.Option(metavar="N", help="Who ask, and wait for their answer.")] = None,
    think: Annotated[str | None, typer.Option(metavar="T", help="Mean time from an answer to the next.")] = None,
    errors: Annotated[str | None, typer.Option(metavar="P", help="The share of attempts that fail: 5%.")] = None,
    lease: Annotated[str | None, typer.Option(metavar="T", help="The visibility timeout: 30s.")] = None,
    receives: Annotated[int | None, typer.Option(metavar="N", help="That a message may get at most.")] = None,
    time: Annotated[str | None, typer.Option(metavar="T", help="Mean time inside (little).")] = None,
    share: Annotated[str | None, typer.Option(metavar="P", help="The wait that so many do not exceed.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object; times in seconds.")] = False,
) -> int:
    """What queueing theory says: `qsim theory` lists the models."""
    from qsim.theory.models import MODELS, UNITS

    asked = {
        "rate": rate, "service": service, "consumers": consumers, "places": places, "scv": scv,
        "arrival-scv": arrival_scv, "clients": clients, "think": think, "errors": errors, "lease": lease,
        "receives": receives, "time": time, "share": share,
    }  # fmt: skip
    given = {key: value for key, value in asked.items() if value not in (None, [])}
    if model is None:
        return _list(given, MODELS, json)
    name, chosen = model, _known(model, MODELS)
    _complete(name, chosen, given)
    told = _asked(chosen, _read(name, chosen, given))
    if json:
        units = {key: UNITS[key] for key in told[0]}
        out(json_.dumps({"model": name, **_jsonable(told), "units": units, "source": chosen.source}, allow_nan=False))
        return Exit.OK
    for number, answers in enumerate(told, 1):
        head = f"class {number}   " if len(told) > 1 else ""
        for line in _wrapped(head, _line(answers, share)):
            out(line)
    for line in _below(told[0], chosen.source):
        out(line)
    return Exit.OK


def _list(given: dict[str, Any], models: dict[str, Model], json: bool) -> int:
    if given:
        raise Refused("which model?  qsim theory lists them")
    if json:
        every = {
            name: {"says": m.says, "needs": m.needs, "may": dict(m.may), "source": m.source}
            for name, m in models.items()
        }
        out(json_.dumps({"models": every}))
        return Exit.OK
    for name, model in models.items():
        for line in hanging(f"{name:<12}", model.says, 12):
            out(line)
        keys = [f"--{key}" for key in model.needs] + [f"[--{key}]" for key in model.may]
        out(" " * 12 + " ".join(keys))
        for line in hanging(" " * 12, model.source, 12):
            out(line)
    return Exit.OK


# --- what is wrong --------------------------------------------------------------------------------------------------------


def _known(name: str, models: dict[str, Model]) -> Model:
    from qsim.scenario.problems import did_you_mean

    if name not in models:
        raise Refused(f"no model is called {name!r}; {did_you_mean(name, list(models), 'there are')}")
    return models[name]


def _asked(model: Model, values: dict[str, Any]) -> list[Told]:
    """What the formulas refuse is not ours to reckon with either."""
    try:
        return model.tell(**values)
    except ValueError as error:
        raise Refused(str(error)) from None


def _complete(name: str, model: Model, given: dict[str, Any]) -> None:
    missing = [key for key in model.needs if key not in given]
    if missing:
        raise Refused(f"{name} needs " + " and ".join(f"--{key}" for key in missing))
    known = (*model.needs, *model.may)
    for key in given:
        if key not in known:
            raise Refused(f"{name} takes no --{key}: it has " + ", ".join(f"--{each}" for each in known))


# --- reading --------------------------------------------------------------------------------------------------------------


def _read(name: str, model: Model, given: dict[str, Any]) -> dict[str, Any]:
    """Units to numbers: messages a second, seconds, shares."""
    values = dict(model.may) | {key: _READ[key](key, value) for key, value in given.items() if key != "service"}
    if name != "priorities" and "rate" in values:
        values["rate"] = _single(name, values["rate"])
    if "service" in given:
        values |= _service(model, given["service"], values.pop("lease", None))
    if "places" in values and values["places"] < values.get("consumers", 1):
        raise Refused(f"--places {values['places']}: those in service count too, and there are {values['consumers']}")
    return {key.replace("-", "_"): value for key, value in values.items()}


def _single(name: str, rates: tuple[float, ...]) -> float:
    if len(rates) > 1:
        raise Refused(f"{name} has one --rate; priorities has one a class")
    return rates[0]


def _service(model: Model, text: str, lease: float | None) -> dict[str, Any]:
    """A mean, or a distribution: then its variability and what outlives the lease are told too."""
    if not text.lstrip().startswith("{"):
        mean = _positive("service", _seconds("service", text))
        return {"service": mean} | ({} if lease is None else {"parts": ((1.0, mean, float(mean > lease)),)})
    if not model.takes_distribution:
        raise Refused(f"--service {text}: this model's services are given by their mean, like 10ms")
    from qsim.scenario import times
    from qsim.scenario.capacity import scv
    from qsim.units import SECOND

    time = _distribution(text)
    mean = times.mean(time) / SECOND
    if not isfinite(mean) or mean <= 0:
        raise Refused(f"--service {text}: it has no mean to reckon with")
    more = {"scv": scv(time)} if "scv" in model.may else {}
    return {"service": mean} | more | ({} if lease is None else {"parts": times.outliving(time, lease * SECOND)})


_SMALLEST = """
qsim: 1
name: smallest
run: {duration: 1s}
queues: {q: {}}
producers: {p: {to: q, rate: 1/s}}
consumers: {c: {from: q, service: 1s}}
"""


def _distribution(text: str) -> Time:
    """As a scenario would read it."""
    from qsim.scenario.load import read
    from qsim.scenario.problems import ScenarioError

    try:
        return read(text=_SMALLEST, sets=(f"consumers.c.service={text}",)).plan.consumers[0].service
    except ScenarioError as error:
        why = next(problem.message for problem in error.problems if problem.is_error)
        raise Refused(f"--service {text}: {why.replace(' in consumers.c.service', '')}") from None


def _quantity(key: str, text: str, read: Callable[[str], Any]) -> Any:
    from qsim.units import UnitError

    try:
        return read(text)
    except UnitError as error:
        raise Refused(f"--{key} {text}: {error.message}") from None


def _seconds(key: str, text: str) -> float:
    from qsim.units import SECOND, duration

    return float(_quantity(key, text, duration)) / SECOND


def _rates(key: str, texts: list[str]) -> tuple[float, ...]:
    from qsim.units import rate

    return tuple(_positive(key, float(_quantity(key, text, rate))) for text in texts)


def _share(key: str, text: str) -> float:
    from qsim.units import share

    value = float(_quantity(key, text, share))
    if value >= 1:
        raise Refused(f"--{key} {text}: a share below 100 %")
    return value


def _number(key: str, text: str) -> float:
    from qsim.units import number

    return float(_quantity(key, text, number))


def _count(key: str, value: int) -> int:
    if not 1 <= value <= MOST:
        raise Refused(f"--{key} {value}: a whole number from 1 to {MOST:,}")
    return value


def _positive(key: str, value: float) -> float:
    if value <= 0:
        raise Refused(f"--{key} 0: it must be more than nothing")
    return value


_READ: dict[str, Callable[[str, Any], Any]] = {
    "rate": _rates, "consumers": _count, "places": _count, "clients": _count, "receives": _count,
    "scv": _number, "arrival-scv": _number, "errors": _share, "share": _share, "lease": _seconds, "time": _seconds,
    "think": lambda key, text: _positive(key, _seconds(key, text)),
}  # fmt: skip


# --- saying ---------------------------------------------------------------------------------------------------------------


def _duration(seconds: float) -> str:
    from qsim.units import SECOND, format_duration

    return format_duration(seconds * SECOND) if isfinite(seconds) else "without end"


def _decimals(places: int) -> Callable[[float], str]:
    return lambda value: f"{value:.{places}f}" if isfinite(value) else "without end"


def _small(share: float) -> str:
    """Four decimals, but not 0.0000 of what is more than nothing."""
    return f"{share:.2g}" if 0 < share < 0.00005 else f"{share:.4f}"


_SAYS: dict[str, tuple[str, Callable[[float], str]]] = {
    "load": ("load", _decimals(2)),
    "outlive": ("outlive the lease", _small),
    "attempts": ("attempts", _decimals(3)),
    "rho": ("rho", _decimals(3)),
    "utilization": ("utilization", _decimals(3)),
    "lost": ("lost", _small),
    "wait_probability": ("P(wait)", _small),
    "wait_s": ("wait", _duration),
    "quantile_s": ("wait p", _duration),
    "response_s": ("response", _duration),
    "in_system": ("in system", _decimals(2)),
    "deviation": ("give or take", _decimals(2)),
    "throughput": ("throughput", lambda value: f"{value:.4g}/s"),
    "busy": ("busy", _decimals(2)),
    "late": ("dead-lettered", _small),
}
"""In the order in which they are said; what stands not here is for --json."""
_SPELLED = {"wait_s", "quantile_s", "response_s", "throughput"}
"""Their units stand beside the numbers."""


def _line(told: Told, share: str | None) -> Iterator[str]:
    for key, (label, written) in _SAYS.items():
        if key in told:
            yield f"{_percentile(share) if key == 'quantile_s' else label} {written(told[key])}"


def _below(told: Told, source: str) -> Iterator[str]:
    """What the numbers that are no times and no shares count, and whose formula it is."""
    from qsim.theory.models import UNITS

    bare = [key for key in _SAYS if key in told and key not in _SPELLED and UNITS[key] != "share"]
    counted = [f"{_SAYS[key][0]} ({UNITS[key]})" for key in bare]
    if counted:
        yield from hanging("units: ", ", ".join(counted), 7)
    yield from hanging("source: ", source, 8)


def _percentile(share: str | None) -> str:
    from qsim.units import digits
    from qsim.units import share as read

    return f"wait p{digits(float(read(share)) * 100)}"


def _wrapped(head: str, parts: Iterator[str]) -> Iterator[str]:
    """Three blanks between, within the width; never within a part."""
    line = head
    for part in parts:
        if len(line) + len(part) > WIDTH and line.strip():
            yield line.rstrip()
            line = " " * len(head)
        line += part + "   "
    yield line.rstrip()


def _jsonable(told: list[Told]) -> dict[str, Any]:
    """No number where there is none: infinity is not JSON."""
    plain = [{key: value if isfinite(value) else None for key, value in answers.items()} for answers in told]
    return plain[0] if len(plain) == 1 else {"classes": plain}
