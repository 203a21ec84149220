"""A sweep as a picture, and how a run's mean becomes steady.

It knows what to draw; how curves and their intervals look is ``plot``'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from qsim.api import Run
    from qsim.study.sweep import Sweep

__all__ = ["chart", "settling"]


def chart(
    swept: Sweep, theme: str = "light", pareto: tuple[str, str] | None = None, theory: bool = False
) -> list[Axes]:
    """The metrics of a sweep over the first of its paths: ``chart(sweep(s, {"consumers.worker.count": range(1, 20)}))``.  A
    second path gives a line for each of its values, others a panel for each setting.  ``theory``: with what the textbooks say of the same points.  ``pareto``: two of the metrics against
    each other instead, as ``swept.pareto`` takes them, with the points that nothing beats in both."""
    from qsim.plot import figures, picture

    return picture.on_screen(*figures.of_runs(swept, pareto, theory), theme)


def settling(run: Run, level: str, theme: str = "light") -> Axes:
    """A level of the run ("orders.depth") as sampled, its mean since the start, and its mean since where MSER-5 cuts off the
    beginning: what ``warmup: auto`` does.  Of a run without a warm-up of its own."""
    from qsim.plot import figures, picture

    run[f"{level} max"]  # a misspelt one is told as any misspelt reference
    [axes] = picture.on_screen(figures.Settling(level), figures.Subject(run.numbers), theme)
    return axes
