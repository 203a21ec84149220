"""A sweep as a picture: its metrics over what was changed, below each other.

It knows sweeps and no run; how curves and their intervals look is ``plot``'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from qsim.study.sweep import Sweep

__all__ = ["chart"]


def chart(swept: Sweep, theme: str = "light", pareto: tuple[str, str] | None = None) -> list[Axes]:
    """The metrics of a sweep over the first of its paths: ``chart(sweep(s, {"consumers.worker.count": range(1, 20)}))``.  A
    second path gives a line for each of its values, others a panel for each setting.  ``pareto``: two of the metrics against
    each other instead, as ``swept.pareto`` takes them, with the points that nothing beats in both."""
    from qsim.plot import figures, picture

    return picture.on_screen(*figures.of_runs(swept, pareto), theme)
