"""A figure as a file: PNG, SVG or PDF bytes, or SVG for a page that colours it itself.

It knows canvases and their bytes; what is on them, ``figures`` draws.
"""

from __future__ import annotations

import base64
import io
import re
from hashlib import sha256
from html import escape
from textwrap import shorten
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from qsim.plot import figures
from qsim.plot.page import colours
from qsim.plot.style import themed, variables

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
    svg = _of_the_page(_own_ids(text[text.index("<svg") :], name), "light")
    label = escape(figures.caption(figure, subject), quote=True)
    return svg.replace("<svg ", f'<svg class="{of_class}" role="img" aria-label="{label}" ', 1)


def on_screen(figure: figures.Figure, subject: figures.Subject, theme: str = "light") -> list[Axes]:
    """The axes of a figure that pyplot keeps: a notebook shows it in its own colours, ``matplotlib.pyplot.show()`` in those
    of ``theme`` elsewhere."""
    from matplotlib import pyplot

    told = figures.caption(figure, subject)
    with themed(theme) as look:
        size = WIDE, figures.height(figure, subject, WIDE)
    # Outside: the first figure chooses pyplot's screen and makes it interactive, which leaving the theme would take back.
    canvas = pyplot.figure(figsize=size, facecolor=look.paper, layout="constrained", FigureClass=OnPage, theme=theme, told=told)
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

_LOOKS = """
.qsim-figure { background: var(--paper); padding: 6px 4px; max-width: 900px; box-sizing: border-box; }
.qsim-figure svg { max-width: 100%; height: auto; display: block; }
.qsim-figure img { display: none; }
"""


class OnPage(Canvas):
    """A figure that a notebook shows light or dark, as its page is; ``told`` is what it shows, in words."""

    def __init__(self, *how: Any, theme: str = "light", told: str = "", **else_: Any) -> None:
        super().__init__(*how, **else_)
        self.theme, self.told = theme, told

    def _repr_html_(self) -> Any:
        """SVG that the style sheet beside it colours.  Where a notebook is not trusted both are taken out, and letters that
        stood between them would stay: so letters are drawn, and a picture that the style sheet hides is left."""
        return super()._repr_html_() or (  # a live figure's own
            f"<style>{colours('qsim-figure')}{_LOOKS}</style>"
            f'<div class="qsim-figure">{self._svg()}<img alt="{escape(self.told, quote=True)}" src="{self._png()}"></div>'
        )

    def _svg(self) -> str:
        text = self._saved("svg", {"svg.fonttype": "path"}).decode()
        name = "q" + sha256(text.encode()).hexdigest()[:8]
        label = escape(self.told, quote=True)
        svg = _of_the_page(_own_ids(text[text.index("<svg") :], name), self.theme)
        return svg.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)

    def _png(self) -> str:
        return "data:image/png;base64," + base64.b64encode(self._saved("png", {"savefig.dpi": 96})).decode()

    def _saved(self, format: str, settings: Any) -> bytes:
        target = io.BytesIO()
        with themed(self.theme), rc_context({"svg.hashsalt": "qsim"} | settings):
            self.savefig(target, format=format, metadata=_NO_DATE[format])
        return target.getvalue()


def _own_ids(svg: str, name: str) -> str:
    """Two pictures of a page must not share ids; those that nothing refers to are left out."""
    used = set(re.findall(r"(?:url\(|href=\")#([^)\"]+)", svg))
    svg = re.sub(r' id="([^"]+)"', lambda m: f' id="{name}-{m[1]}"' if m[1] in used else "", svg)
    return re.sub(r"(url\(|href=\")#", rf"\1#{name}-", svg)


def _of_the_page(svg: str, theme: str) -> str:
    for variable, colour in variables(theme).items():
        svg = re.sub(rf": {colour}\b", f": var(--{variable}, {colour})", svg, flags=re.IGNORECASE)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    return re.sub(r' xmlns(:xlink)?="[^"]+"', "", svg).replace("xlink:href", "href")
