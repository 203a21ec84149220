"""A figure as a file: PNG, SVG or PDF bytes, or SVG for a page that colours it itself.

It knows canvases and their bytes; what is on them, ``figures`` draws.
"""

from __future__ import annotations

import io
import re
from html import escape
from textwrap import shorten
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from qsim.plot import figures
from qsim.plot.style import COLOURS, THEMES, themed

WIDE, NARROW = 9.0, 3.75
"""Inches: of a page, and of a telephone."""
TITLE_LETTERS = 10
"""Of a title, in an inch."""
FORMATS = ("png", "svg", "pdf")

_NO_DATE: dict[str, Any] = {
    "png": {"Software": None}, "svg": {"Date": None, "Creator": None}, "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}  # fmt: skip


def picture(
    figure: figures.Figure, subject: figures.Subject, *, format: str = "png", theme: str = "light",
    width: float = WIDE, title: str = "",
) -> bytes:  # fmt: skip
    """The figure as bytes of a file; the same run gives the same bytes."""
    target = io.BytesIO()
    with themed(theme), rc_context({"svg.hashsalt": "qsim"}):
        canvas = _drawn(figure, subject, width, title)
        canvas.savefig(target, format=format, metadata=_NO_DATE[format])
    return target.getvalue()


def inline(figure: figures.Figure, subject: figures.Subject, name: str, width: float, of_class: str) -> str:
    """SVG to stand in a page: its colours are the page's (``--ink`` and so on), its ids begin with ``name``."""
    text = picture(figure, subject, format="svg", width=width).decode()
    svg = _of_the_page(_own_ids(text[text.index("<svg") :], name))
    label = escape(figures.caption(figure, subject), quote=True)
    return svg.replace("<svg ", f'<svg class="{of_class}" role="img" aria-label="{label}" ', 1)


def on_screen(figure: figures.Figure, subject: figures.Subject, theme: str = "light") -> list[Axes]:
    """The axes of a figure that pyplot keeps: a notebook shows it, ``matplotlib.pyplot.show()`` does elsewhere."""
    from matplotlib import pyplot

    with themed(theme) as look:
        size = WIDE, figures.height(figure, subject, WIDE)
    # Outside: the first figure chooses pyplot's screen and makes it interactive, which leaving the theme would take back.
    canvas = pyplot.figure(figsize=size, facecolor=look.paper, layout="constrained")
    with themed(theme):
        return figures.draw(figure, subject, canvas)


def _drawn(figure: figures.Figure, subject: figures.Subject, width: float, title: str) -> Canvas:
    above = 0.3 if title else 0.0
    canvas = Canvas(figsize=(width, figures.height(figure, subject, width) + above))
    figures.draw(figure, subject, canvas)
    if title:
        canvas.suptitle(shorten(title, round(width * TITLE_LETTERS), placeholder=" ..."), x=0.01, ha="left", fontsize=10, fontweight="bold")
    return canvas


# --- for a page -------------------------------------------------------------------------------------------------------


def _own_ids(svg: str, name: str) -> str:
    """Two pictures of a page must not share ids; those that nothing refers to are left out."""
    used = set(re.findall(r"(?:url\(|href=\")#([^)\"]+)", svg))
    svg = re.sub(r' id="([^"]+)"', lambda m: f' id="{name}-{m[1]}"' if m[1] in used else "", svg)
    return re.sub(r"(url\(|href=\")#", rf"\1#{name}-", svg)


def _variables() -> dict[str, str]:
    light = THEMES["light"]
    named = {getattr(light, part): part for part in ("ink", "faint", "grid", "paper")}
    return named | {colour: f"c{i + 1}" for i, colour in enumerate(COLOURS)}


def _of_the_page(svg: str) -> str:
    for colour, variable in _variables().items():
        svg = re.sub(rf": {colour}\b", f": var(--{variable}, {colour})", svg, flags=re.IGNORECASE)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    return re.sub(r' xmlns(:xlink)?="[^"]+"', "", svg).replace("xlink:href", "href")
