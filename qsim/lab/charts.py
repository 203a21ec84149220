"""A sweep as a picture: its metrics over what was changed, below each other.

It knows sweeps and no run; how curves and their intervals look is ``plot``'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from qsim.study.sweep import Sweep

__all__ = ["chart"]


def chart(swept: Sweep, theme: str = "light") -> list[Axes]:
    """The metrics of a sweep over the first of its paths: ``chart(sweep(s, {"consumers.worker.count": range(1, 20)}))``.  A
    second path gives a line for each of its values, others a panel for each setting."""
    from qsim.plot import figures, picture

    figure = figures.Swept(swept.paths[0], swept.metrics)
    subject = figures.Subject(cast(Any, None), swept.frame())  # what is swept stands in the table: no run is asked
    return picture.on_screen(figure, subject, theme)
