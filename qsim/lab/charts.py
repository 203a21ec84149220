"""A sweep as a picture, scenarios side by side, and how a run's mean becomes steady.

It knows what to draw; how curves and their intervals look is ``plot``'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from qsim.api import Run
    from qsim.claims.compared import Comparison
    from qsim.study.sweep import Sweep

__all__ = ["bars", "chart", "settling"]


def chart(
    swept: Sweep, theme: str = "light", pareto: tuple[str, str] | None = None, theory: bool = False
) -> list[Axes]:
    """The metrics of a sweep over the first of its paths: ``chart(sweep(s, {"consumers.worker.count": range(1, 20)}))``.  A
    second path gives a line for each of its values, others a panel for each setting.  ``theory``: with what the textbooks say of the same points.  ``pareto``: two of the metrics against
    each other instead, as ``swept.pareto`` takes them, with the points that nothing beats in both."""
    from qsim.plot import figures, picture

    return picture.on_screen(*figures.of_runs(swept, pareto, theory), theme)


def bars(compared: Comparison, *metrics: str, theme: str = "light") -> list[Axes]:
    """Metrics of ``compare(...)``, a bar a scenario, with its interval where there are several replications:
    ``bars(compare(s.variants()), "orders.wait p95")``.  All that it has where none is named."""
    from qsim.plot import figures, picture

    table = compared.frame()
    chosen = figures.Beside(metrics or tuple(table["metric"].unique()[: figures.MOST_PANELS]))
    return picture.on_screen(chosen, figures.Subject(cast(Any, None), table), theme)


def settling(run: Run, level: str, theme: str = "light") -> Axes:
    """A level of the run ("orders.depth") as sampled, its mean since the start, and its mean since where MSER-5 cuts off the
    beginning: what ``warmup: auto`` does.  Of a run without a warm-up of its own."""
    from qsim.plot import figures, picture

    run[f"{level} max"]  # a misspelt one is told as any misspelt reference
    [axes] = picture.on_screen(figures.Settling(level), figures.Subject(run.numbers), theme)
    return axes
