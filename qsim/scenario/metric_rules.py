"""What is asked of metrics, and whether it can be: by alerts, producers that slow down, autoscalers; by expectations, figures.

It knows the grammar and what a scenario has, nothing of brokers.  Each rule is a function of one part of a scenario.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from qsim.scenario import autoscalers, model, reference
from qsim.scenario.context import Context
from qsim.scenario.problems import did_you_mean
from qsim.scenario.resolve import PREDICATES, is_reference, quantity
from qsim.scenario.source import Path
from qsim.units import UnitError


def metric(context: Context, path: Path, text: str) -> reference.Reference | None:
    """A reference that says something in this scenario, or None and a problem."""
    try:
        parsed = reference.parse(text)
        reference.check(parsed, context.names)
    except reference.ReferenceError_ as error:
        context.say(error.code, error.message, path, error.suggestion, offset=min(error.offset, len(text)))
        return None
    if reference.needs_later(parsed, context.names):
        context.say("Q040", f"{parsed.object}.{parsed.metric} is not supported yet", path)
    return parsed


def _value(context: Context, path: Path, value: Any, that: reference.Reference) -> None:
    """A number of the metric's dimension, or another metric of the same."""
    dimension = reference.dimension(that)
    if is_reference(value):
        other = metric(context, path, value)
        if other and reference.dimension(other) != dimension:
            kinds = f"{that.object}.{that.metric} is a {dimension}, {other.object}.{other.metric} is a "
            context.say("Q012", f"{kinds}{reference.dimension(other)}: they cannot be compared", path)
        return
    try:
        quantity(value, dimension)
    except UnitError as error:
        context.say(error.code, error.message, path, error.suggestion)


def _plain(context: Context, path: Path, value: Any, that: reference.Reference) -> None:
    """A value of the metric's dimension, and no other metric."""
    if is_reference(value):
        context.say("Q012", f"{path[-1]}: needs a value, not a metric", path)
    else:
        _value(context, path, value, that)


# --- while a run goes on ----------------------------------------------------------------------------------------------


def alert(context: Context, path: Path, given: model.Alert) -> None:
    if (when := metric(context, (*path, "when"), given.when)) is None:
        return
    if not reference.can_be_watched(when, context.names):
        context.say("Q040", f"an alert on '{given.when}' is not supported yet", (*path, "when"))
    for key in ("above", "below"):
        if (value := getattr(given, key)) is not None:
            if is_reference(value):
                context.say("Q012", f"{key}: needs a value: an alert is not compared with a metric", (*path, key))
            else:
                _value(context, (*path, key), value, when)


def slow_down(context: Context, path: Path, given: model.SlowDown) -> None:
    if given.watch is None or (watch := metric(context, (*path, "watch"), given.watch)) is None:
        return
    if not reference.can_be_watched(watch, context.names):
        context.say("Q040", f"slow_down on '{given.watch}' is not supported yet", (*path, "watch"))
    before = len(context.said.problems)
    limits = [(key, getattr(given, key)) for key in ("above", "resume_below") if getattr(given, key) is not None]
    for key, value in limits:
        if is_reference(value):
            context.say("Q012", f"{key}: needs a value, and no metric", (*path, key))
        else:
            _value(context, (*path, key), value, watch)
    if len(limits) == 2 and before == len(context.said.problems):
        above, below = (quantity(value, reference.dimension(watch)) for _, value in limits)
        if below > above:
            context.say("Q014", "resume_below is more than above: it would change its mind at every look", (*path, "resume_below"))


def autoscale(context: Context, path: Path, given: model.Autoscale, queues: list[str]) -> None:
    value = partial(autoscalers.value, given)
    for key in autoscalers.REQUIRED[given.policy]:
        if value(key) is None:
            context.say("Q016", f"policy {given.policy} needs {key}:", path, of_key=True)
    for key, why in autoscalers.IGNORED[given.policy].items():
        if getattr(given, key) is not None:
            context.say("Q021", f"policy {given.policy} has no {key}: {why}", (*path, key), f"remove {key}:", of_key=True)
    least, most = value("min"), value("max")
    if most is not None and least > most:
        context.say("Q014", f"min {least} is more than max {most}", (*path, "min" if given.min is not None else "max"))
    if given.steps == []:
        context.say("Q014", "steps: needs at least one step", (*path, "steps"))
    watched = _watched(context, (*path, "metric"), value("metric"), queues)
    if watched is not None and given.policy != "steps" and given.target is not None:
        _above_zero(context, (*path, "target"), given.target, watched)
    if watched is not None:
        for number, step in enumerate(given.steps or ()):
            _plain(context, (*path, "steps", number, "above"), step.above, watched)


def _watched(context: Context, path: Path, text: str | None, queues: list[str]) -> reference.Reference | None:
    """What an autoscaler follows (the first of what is added up), or None and a problem."""
    if text is None or not queues or any(queue not in context.names.kinds for queue in queues):
        return None
    if unknown := [name for name in autoscalers.series(text) if name not in _SERIES]:
        message = f"{unknown[0][:60]!r} is no series of a queue"
        guess = did_you_mean(unknown[0], _SERIES, "write OBJECT.METRIC, or some of")
        context.say("Q012", message, path, guess)
        return None
    added = autoscalers.references(text, queues)
    known = [found for each in added if (found := metric(context, path, str(each)))]
    if len(known) < len(added):
        return None
    if len(known) > 1 and any(reference.dimension(each) != reference.COUNT for each in known):
        context.say("Q012", f"only counts can be added up: write {known[0]}", path)
        return None
    if not reference.can_be_watched(known[0], context.names):
        context.say("Q040", f"an autoscaler on '{text}' is not supported yet", path)
    return known[0]


_SERIES = tuple(name for name, metric in reference.METRICS["queue"].items() if metric.type == reference.SERIES)


def _above_zero(context: Context, path: Path, value: Any, that: reference.Reference) -> None:
    before = len(context.said.problems)
    _plain(context, path, value, that)
    if len(context.said.problems) == before and quantity(value, reference.dimension(that)) <= 0:
        context.say("Q014", "a target is above 0", path)


# --- afterwards -----------------------------------------------------------------------------------------------------


def expect(context: Context, path: Path, given: model.Expect) -> None:
    that = metric(context, (*path, "that"), given.that) if given.that is not None else None
    for name in PREDICATES if that else ():
        value, key = getattr(given, name), name.rstrip("_")
        if value is None or that is None:
            continue
        if name == "between":
            _between(context, (*path, key), value, that)
        elif name == "grows_at":
            _grows(context, (*path, key), that)
        else:
            _value(context, (*path, key), value, that)
    if that and given.is_ is not None:
        _is(context, path, that)


def _between(context: Context, path: Path, values: list[Any], that: reference.Reference) -> None:
    if len(values) != 2:
        context.say("Q014", "between needs two values: [least, most]", path)
    before = len(context.said.problems)
    for number, value in enumerate(values):
        _value(context, (*path, number), value, that)
    plain = len(values) == 2 and not any(map(is_reference, values)) and before == len(context.said.problems)
    if plain and quantity(values[0], reference.dimension(that)) > quantity(values[1], reference.dimension(that)):
        context.say("Q014", "between: the least comes first", path)


def _grows(context: Context, path: Path, that: reference.Reference) -> None:
    if reference.type_of(that) != reference.SERIES or that.statistic or that.at is not None:
        context.say("Q012", "grows_at is the slope of a series, without a statistic", path, of_key=True)


_AVERAGES = ("mean", "p50", "p95", "p99")


def _is(context: Context, path: Path, that: reference.Reference) -> None:
    replications = context.scenario.run.replications
    if that.statistic in _AVERAGES and (not isinstance(replications, int) or replications > 1):
        context.say("Q030", f"two replications never agree on a {that.statistic} to the last digit", (*path, "is"),
                    "write between: or within: with of:", of_key=True)  # fmt: skip


def plots(context: Context) -> None:
    for number, figure in enumerate(context.scenario.plots or ()):
        path: Path = ("plots", number)
        if isinstance(figure, model.FigureMap):
            _axes(context, path, figure)
        elif figure != "alerts":
            _curves(context, path, figure)


def _axes(context: Context, path: Path, figure: model.FigureMap) -> None:
    if figure.y is None and figure.timeline is None:
        context.say("Q016", "a figure needs y:, or timeline:", path)
    swept = list(context.scenario.sweep or {})
    if figure.x not in (None, "time", *swept):
        guess = did_you_mean(str(figure.x), ["time", *swept], "one of")
        context.say("Q020", f"x is time, or a path in sweep:, not {str(figure.x)[:60]!r}", (*path, "x"), guess)
    message = figure.timeline.message if figure.timeline else 0
    if isinstance(message, str) and message != "first-redelivered":
        context.say("Q012", "a message is a number, or first-redelivered", (*path, "timeline", "message"))
    _curves(context, (*path, "y"), figure.y or [])


def _curves(context: Context, path: Path, curves: str | list[str]) -> None:
    if isinstance(curves, str):
        metric(context, path, curves)
        return
    for number, curve in enumerate(curves):
        metric(context, (*path, number), curve)
