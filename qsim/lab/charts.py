"""A sweep as a picture, scenarios side by side, and how a run's mean becomes steady.

It knows what to draw; how curves and their intervals look is ``plot``'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from qsim.scenario.reference import ReferenceError_

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from qsim.api import Run
    from qsim.claims.compared import Comparison
    from qsim.study.sweep import Sweep

__all__ = ["bars", "chart", "settling"]


def chart(swept: Sweep, theme: str = "light", pareto: tuple[str, str] | None = None, theory: bool = False) -> list[Axes]:
    """The metrics of a sweep over the first of its paths: ``chart(sweep(s, {"consumers.worker.count": range(1, 20)}))``.  A
    second path gives a line for each of its values, others a panel for each setting.  ``theory``: with what the textbooks
    say of the same points.  ``pareto``: two of the metrics against each other instead, as ``swept.pareto`` takes them, with
    the points that nothing beats in both."""
    from qsim.plot import figures, picture

    return picture.on_screen(*figures.of_runs(swept, pareto, theory), theme)


def bars(compared: Comparison, *metrics: str, theme: str = "light") -> list[Axes]:
    """Metrics of ``compare(...)``, a bar a scenario, with its interval where there are several replications:
    ``bars(compare(s.variants()), "orders.wait p95")``.  Where none is named, the first twelve that ``compared`` has: what was
    asked for, and what is not the same everywhere."""
    from qsim.plot import figures, picture

    chosen = metrics or tuple(compared.told[: figures.MOST_PANELS])
    if not chosen:
        raise figures.NothingToDraw("they differ in nothing that was compared: compare(..., metrics=['orders.wait p95'])")
    return picture.on_screen(figures.Beside(chosen), figures.Subject(cast(Any, None), compared.frame()), theme)


def settling(run: Run, level: str, theme: str = "light") -> Axes:
    """A level of the run ("orders.depth") as sampled from its very beginning, its mean since then, and its mean since where
    MSER-5 cuts the beginning off: what ``warmup: auto`` does.  A warm-up of the run's own changes nothing here."""
    from qsim.plot import figures, picture

    chosen = figures.Settling(level)
    try:
        figures.check(chosen, run.numbers)
    except ReferenceError_ as error:
        raise KeyError(str(error)) from None
    [axes] = picture.on_screen(chosen, figures.Subject(run.numbers), theme)
    return axes
