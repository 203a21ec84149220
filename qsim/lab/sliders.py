"""Sliders over settings beside a live plot: what a change does is seen while it is made.

It knows widgets.  What can be chosen is told by ``settings``, which answer is still wanted by ``answers``.  A result is
read in the thread that ran it, and drawn in the kernel's own, for matplotlib's settings are everybody's.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import count
from typing import Any

import ipywidgets as widgets

from qsim.api import Run, Scenario
from qsim.claims.asked import check_told_by
from qsim.claims.words import say
from qsim.lab.answers import Newest, looks
from qsim.lab.settings import Setting, settings
from qsim.metrics.curves import curves
from qsim.plot import figures, picture
from qsim.plot.page import colours
from qsim.scenario.problems import Problem, ScenarioError, in_order
from qsim.scenario.reference import ReferenceError_, dimension, parse
from qsim.units import format_duration

WIDTH = 7.0
"""Inches of the plot."""
KEPT = 64
"""Results that are at hand when their settings come back."""
OPEN: dict[Any, Explorer] = {}
"""By the cell that made it: run again, it closes what it made before."""

_NUMBER = count()
_LOOKS = """
.qsim-live { color: var(--ink); background: var(--paper); padding: 4px 8px; }
.qsim-live svg { max-width: 100%; height: auto; display: block; }
.qsim-live .picture { transition: opacity .15s; }
.qsim-live.qsim-old .picture { opacity: .35; }
.qsim-live .state { min-height: 1.5em; font-size: 12px; color: var(--ink); }
.qsim-live table { border-collapse: collapse; font-size: 12px; margin: 4px 0 0; color: var(--ink); background: none; }
.qsim-live td { padding: 2px 14px 2px 0; text-align: left; color: var(--ink); background: none; }
.qsim-live td + td { font-variant-numeric: tabular-nums; font-weight: 600; }
.qsim-wrong { color: var(--jp-error-color1, #c62828); font-size: 12px; line-height: 1.35; white-space: normal; }
"""
_STYLE = f"<style>{colours('qsim-live')}{_LOOKS}</style>"
Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture (SVG), numbers as they are said, and of how much of the run they tell."""

    picture: str
    numbers: tuple[tuple[str, str], ...]
    told: str
    is_whole: bool


def explore(
    scenario: Scenario, over: Mapping[str, Any], *, show: Sequence[str] = (), numbers: Sequence[str] = ()
) -> Explorer:
    """Sliders over dotted paths beside the plot of the references in ``show``, and a table of those in ``numbers``:
    ``explore(s, {"consumers.worker.count": (1, 20), "queues.jobs.visibility_timeout": ("5s", "2m")},
    show=["jobs.visible"], numbers=["jobs.wait p95"])``."""
    for reference in (*_several(show), *_several(numbers)):
        try:
            check_told_by([scenario.plan], reference)
        except ReferenceError_ as error:
            raise KeyError(str(error)) from None
    cell = _cell()
    if cell in OPEN:
        OPEN.pop(cell).close()
    made = Explorer(scenario, settings(scenario, over), _several(show), _several(numbers) or _telling(scenario))
    if cell is not None:
        OPEN[cell] = made
    return made


class Explorer(widgets.HBox):  # type: ignore[misc]
    """``values`` are the settings as they stand, ``run`` what was run last, whole or not."""

    def __init__(
        self, scenario: Scenario, offered: Sequence[Setting], show: Sequence[str], numbers: Sequence[str]
    ) -> None:
        self.scenario, self.references, self.numbers = scenario, tuple(show), tuple(numbers)
        self.run: Run | None = None
        self.controls = {setting.path: _control(setting) for setting in offered}
        self.wrong = {path: widgets.HTML() for path in self.controls}
        self.state, self.picture = widgets.HTML(), widgets.HTML()
        self.plot = widgets.VBox([widgets.HTML(_STYLE), self.state, self.picture], layout=_grows(360))
        self.plot.add_class("qsim-live")
        self._kept: OrderedDict[tuple[Any, ...], Shown] = OrderedDict()
        self._shown: Shown | None = None
        self._name = f"live{next(_NUMBER)}"
        self._post = _to_here()
        self._newest = Newest(self._answer)
        for control in self.controls.values():
            control.observe(lambda _: self._ask(), "value")
        beside = [part for path, control in self.controls.items() for part in (_label(path), control, self.wrong[path])]
        column = widgets.VBox(beside, layout=_grows(230, 0))
        layout = widgets.Layout(flex_flow="row wrap", align_items="flex-start", width="100%")
        super().__init__([column, self.plot], layout=layout)
        self._ask()

    @property
    def values(self) -> dict[str, Any]:
        return {path: control.value for path, control in self.controls.items()}

    def close(self) -> None:
        """No sliders any more, and nothing at work for them."""
        self._newest.stop()
        for part in (*self.controls.values(), *self.wrong.values(), self.state, self.picture, self.plot):
            part.close()
        super().close()

    def wait(self, seconds: float | None = None) -> bool:
        """Until what was asked for is worked out (outside of a notebook: and shown)."""
        return self._newest.wait(seconds)

    # --- asked --------------------------------------------------------------------------------------------------------

    def _ask(self) -> None:
        """The last result at once, as such, unless the one that is wanted is at hand."""
        values = self.values
        for text in self.wrong.values():
            text.value = ""
        known = self._kept.get(_key(values))
        if known is not None:
            self._newest.stop()
            self._put(known)
            return
        self._say("last result" if self._shown else "the first run", "working on the one you asked for", is_old=True)
        self._newest.ask(values)

    # --- answered, in a thread of its own -----------------------------------------------------------------------------

    def _answer(self, values: Values, is_wanted: Callable[[], bool]) -> None:
        def here(do: Callable[[], None]) -> None:
            self._post(lambda: do() if is_wanted() else None)

        try:
            changed = self.scenario.set(dict(values))
            looks(changed, is_wanted, lambda run: self._read(run, values, here) if is_wanted() else None)
        except ScenarioError as error:
            problems = error
            here(lambda: self._refuse(problems))
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            here(lambda: self._say("this does not run", said, is_old=True))

    def _read(self, run: Run, values: Values, here: Callable[[Callable[[], None]], None]) -> None:
        """Everything that takes time; drawing is all that is left."""
        figure = figures.OverTime(self.references) if self.references else figures.default(run.numbers)
        curves(run.numbers, figure.references)
        told = tuple((reference, _said(run, reference)) for reference in self.numbers)
        here(lambda: self._draw(run, figure, told, values))

    # --- shown --------------------------------------------------------------------------------------------------------

    def _draw(self, run: Run, figure: figures.OverTime, told: tuple[tuple[str, str], ...], values: Values) -> None:
        self.run = run
        svg = picture.inline(figure, figures.Subject(run.numbers), self._name, WIDTH, "qsim-plot")
        is_whole = run.recording.stopped != "interrupted"
        shown = Shown(svg, told, _how_much(run), is_whole)
        if is_whole:
            self._kept[_key(values)] = shown
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._put(shown)

    def _put(self, shown: Shown) -> None:
        if shown is not self._shown:
            self.picture.value = f'<div class="picture">{shown.picture}{_table(shown.numbers)}</div>'
        self._shown = shown
        self._say(shown.told, "" if shown.is_whole else "the rest is being worked out", is_old=False)

    def _say(self, what: str, more: str, is_old: bool) -> None:
        then = f": {escape(more)}" if more else ""
        self.state.value = f'<div class="state" role="status"><b>{escape(what)}</b>{then}</div>'
        (self.plot.add_class if is_old else self.plot.remove_class)("qsim-old")

    def _refuse(self, error: ScenarioError) -> None:
        """Beside the slider whose setting is wrong, or above the plot where it is the settings together."""
        problems = [problem for problem in in_order(error.problems) if problem.is_error]
        told = {problem: _slider(problem, self.wrong) for problem in problems}
        for path, text in self.wrong.items():
            text.value = "".join(_wrong(problem) for problem, at in told.items() if at == path)
        others = "; ".join(problem.message for problem, at in told.items() if at is None)
        self._say("last result", others or "there is none for these settings", is_old=True)


# --- parts ------------------------------------------------------------------------------------------------------------


def _control(setting: Setting) -> Any:
    layout = widgets.Layout(width="96%")
    if setting.is_switch:
        return widgets.Checkbox(setting.start, description="on", indent=False, layout=layout)
    if isinstance(setting.values, range):
        steps = setting.values
        return widgets.IntSlider(setting.start, steps[0], steps[-1], steps.step, layout=layout)
    kind = widgets.SelectionSlider if setting.is_ordered else widgets.Dropdown
    options = [(str(value), value) for value in setting.values]
    return kind(options=options, value=setting.start, layout=layout)


def _grows(width: int, grow: int = 1) -> Any:
    """A column of about so many pixels."""
    return widgets.Layout(flex=f"{grow} 1 {width}px", min_width="0")


def _slider(problem: Problem, paths: Iterable[str]) -> str | None:
    """The path whose value it is about."""
    return next((path for path in paths if problem.place.source.name == f"set {path}"), None)


def _wrong(problem: Problem) -> str:
    said = problem.message + (f": {problem.suggestion}" if problem.suggestion else "")
    return f'<div class="qsim-wrong" role="alert">{escape(said)}</div>'


def _label(path: str) -> Any:
    return widgets.HTML(f'<code style="font-size: 12px">{escape(path)}</code>')


def _table(numbers: Sequence[tuple[str, str]]) -> str:
    rows = "".join(f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in numbers)
    return f"<table>{rows}</table>"


def _several(references: Sequence[str] | str) -> tuple[str, ...]:
    return (references,) if isinstance(references, str) else tuple(references)


def _telling(scenario: Scenario) -> tuple[str, ...]:
    """Of every queue what is left, of every consumer how busy it was."""
    queues = [f"{queue.name}.visible at end" for queue in scenario.plan.queues[: figures.MOST_OBJECTS]]
    return (*queues, *(f"{each.name}.utilization mean" for each in scenario.plan.consumers[: figures.MOST_OBJECTS]))


def _said(run: Run, reference: str) -> str:
    return say(run.numbers.exact(reference), dimension(parse(reference)))


def _how_much(run: Run) -> str:
    ended, length = format_duration(run.recording.ended), format_duration(run.plan.duration)
    if run.recording.stopped is None:
        return f"the whole run, {length}"
    return f"first {ended} of {length}" + ("" if run.recording.stopped == "interrupted" else f" (stopped: {run.recording.stopped})")


def _key(values: Values) -> tuple[Any, ...]:
    return tuple(values.items())


# --- the notebook -----------------------------------------------------------------------------------------------------


def _to_here() -> Callable[[Callable[[], None]], Any]:
    """Hands something to do to the thread that asks now, if that goes round in a loop, as a kernel's does."""
    try:
        return asyncio.get_running_loop().call_soon_threadsafe
    except RuntimeError:
        return lambda do: do()


def _cell() -> Any:
    """Which cell is being run; None outside of a notebook."""
    try:
        from IPython.core.getipython import get_ipython

        shell: Any = get_ipython()
        return None if shell is None else shell.get_parent().get("metadata", {}).get("cellId")
    except (ImportError, AttributeError):
        return None
