"""Predict first, then run: what was predicted stands beside what came.

It knows the predictions of this session, one a reference; being wrong costs nothing, not predicting does.  What is drawn
is ``plot``'s; here a prediction finds the curve that it is about.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from qsim.api import Run
from qsim.scenario.reference import COUNT, TIME, Reference, ReferenceError_, dimension, is_known, parse
from qsim.units import SECOND

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MADE: dict[str, Prediction] = {}
"""The predictions of this session by reference, or by question."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What somebody expects of a reference: ``value`` as it was said.  A ``reference`` that ends in "?" is a question in
    words, which no run answers by itself."""

    reference: str
    value: Any

    @property
    def is_question(self) -> bool:
        return self.reference.endswith("?")

    @property
    def about(self) -> Reference:
        return parse(self.reference)

    @property
    def measured(self) -> str:
        """The reference's dimension; a metric that there is not counts something, until a run tells its name."""
        return dimension(self.about) if is_known(self.about) else COUNT

    @property
    def amount(self) -> Any:
        """As runs count it: nanoseconds, or the number."""
        return _amount(self.value, self.measured)

    def __repr__(self) -> str:
        mark = "" if self.is_question else ":"
        return f"{self.reference}{mark} {'no prediction yet' if self.value is ... else f'you predict {_said(self)}'}"


def predict(reference: str, value: Any) -> Prediction:
    """Remember a prediction, to be shown beside the answer: ``predict("orders.visible at end", 100_000)``, or with a unit
    where it is a time or a rate, "2m" or "200/s" (numbers are seconds, and per second).  A question in words ends in "?":
    ``predict("What becomes of the wait?", "it doubles")``.  While the value is ``...`` nothing is predicted."""
    prediction = Prediction(_key(reference), value)
    if value is not ...:
        _check(prediction)
        MADE[prediction.reference] = prediction
    return prediction


def predicted(reference: str) -> bool:
    """Whether a prediction was made, whatever it was: ``ex.check(lambda: predicted("orders.visible at end"))``."""
    if _key(reference) not in MADE:
        raise AssertionError(f"nothing was predicted about {_key(reference)}: a guess is enough, and being wrong costs nothing")
    return True


def show(run: Run, *references: str, figure: int | None = None, theme: str = "light") -> Shown:
    """The run's picture, as ``run.plot`` draws it, with each prediction about a curve as a dashed line, and the
    predictions beside what the run says."""
    axes = run.plot(*references, figure=figure, theme=theme)
    told = list(_told(run, references))
    for prediction in told:
        _draw(run, prediction, axes, theme)
    return Shown(axes, [_line(run, prediction) for prediction in told])


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture and, line by line, predictions beside answers."""

    axes: list[Axes]
    lines: list[str]

    def __repr__(self) -> str:
        return "\n".join(self.lines)

    def _repr_html_(self) -> str:
        from qsim.lab.card import NEUTRAL, framed

        return framed("Your predictions", self.lines, NEUTRAL) if self.lines else ""

    def _ipython_display_(self) -> None:
        """Without a prediction there is no output, also no empty one."""
        from IPython.display import display

        if self.lines:
            display({"text/html": self._repr_html_(), "text/plain": repr(self)}, raw=True)


# --- what was said ----------------------------------------------------------------------------------------------------


def _key(reference: str) -> str:
    return " ".join(str(reference).split())


def _check(prediction: Prediction) -> None:
    """A reference that cannot be read, or a value that is no such quantity, is told at once; names when there is a run."""
    if prediction.is_question:
        return
    try:
        if is_known(prediction.about):
            _ = prediction.amount
    except ReferenceError_ as error:
        raise ValueError(f"{error} (a question in words ends in '?')") from None


def _amount(value: Any, measured: str) -> Any:
    from qsim.claims.words import meant

    if isinstance(value, bool) or not isinstance(value, str | int | float | Fraction):
        raise ValueError(f'a prediction is a number, or one with a unit like "2m" or "200/s", not {value!r:.40}')
    return meant(value, measured)


def _said(prediction: Prediction) -> str:
    from qsim.claims.words import say

    if prediction.is_question or not is_known(prediction.about):
        return str(prediction.value)
    return say(prediction.amount, prediction.measured)


# --- beside the answer ------------------------------------------------------------------------------------------------


def _told(run: Run, references: tuple[str, ...]) -> Iterator[Prediction]:
    """Predictions about what this run has; a name that it has not is told, unless it belongs to another scenario."""
    wanted = {_key(reference) for reference in references}
    for prediction in MADE.values():
        if prediction.is_question or prediction.reference in wanted or _is_near(run, prediction):
            yield prediction


def _is_near(run: Run, prediction: Prediction) -> bool:
    """Whether it is about something of this run, or was probably meant to be."""
    from qsim.scenario.problems import close_to

    return close_to(prediction.about.object, run.numbers.names.kinds) is not None


def _line(run: Run, prediction: Prediction) -> str:
    """ "orders.visible at end: you said 100,000; the run says 120,000: 20,000 too few"."""
    if prediction.is_question:
        return f"{prediction.reference} You said: {prediction.value}"
    return f"{prediction.reference}: you said {_said(prediction)}; {_answer(run, prediction)}"


def _answer(run: Run, prediction: Prediction) -> str:
    from qsim.claims.words import say

    try:
        seen = run.numbers.exact(prediction.reference)
    except ReferenceError_ as error:
        return f"the run cannot tell: {error}"
    if seen is None:
        return "the run has no data for it"
    measured = prediction.measured
    return f"the run says {say(seen, measured)}: {_compared(prediction.amount, seen, measured)}"


def _compared(said: Any, seen: Any, measured: str) -> str:
    from qsim.claims.words import say

    if said == seen or say(said, measured) == say(seen, measured):
        return "just right"
    if seen == float("inf"):
        return "it does not come to an end"
    less, more = _WORDS.get(measured, ("too low", "too high"))
    return f"{say(abs(said - seen), measured)} {less if said < seen else more}"


_WORDS = {COUNT: ("too few", "too many"), TIME: ("too short", "too long")}


# --- in the picture ---------------------------------------------------------------------------------------------------


def _draw(run: Run, prediction: Prediction, axes: list[Axes], theme: str) -> None:
    """A dashed line in the panel of its curve, where there is one."""
    from qsim.plot.over_time import guess
    from qsim.plot.style import themed

    if prediction.is_question:
        return
    about, label = prediction.about, f"you: {_said(prediction)} ({prediction.reference.partition('.')[2]})"
    for each in axes:
        if any(_is_of(about, str(line.get_label())) for line in each.get_lines()):
            with themed(theme):
                guess(each, _height(prediction), label, prediction.measured)


def _height(prediction: Prediction) -> float:
    return float(prediction.amount) / (SECOND if prediction.measured == TIME else 1)


def _is_of(about: Reference, label: str) -> bool:
    """Whether the curve of that name shows what the prediction is about."""
    try:
        curve = parse(label)
    except ReferenceError_:
        return False
    same = (curve.object, curve.metric, curve.label) == (about.object, about.metric, about.label)
    return same and curve.statistic in (None, about.statistic) and dimension(curve) == dimension(about)
