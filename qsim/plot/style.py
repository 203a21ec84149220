"""Colours and letters of every picture.

It knows looks and no data.  The colours of data are those of M. Okabe and K. Ito, *Color Universal Design* (2008), which
people of every kind of colour vision tell apart; after them the kind of line changes, so a print in grey is read too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import product
from typing import Any

import matplotlib

BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY = "#0072b2", "#d55e00", "#009e73", "#e69f00", "#cc79a7", "#56b4e9"
COLOURS = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY)
LINES = ("-", "--", ":", "-.")


@dataclass(frozen=True, slots=True)
class Theme:
    """``ink`` is for what is read, ``faint`` for axes and small print, ``grid`` for what only guides the eye; ``colours``
    are those of data, in the order of ``COLOURS``."""

    paper: str
    ink: str
    faint: str
    grid: str
    band: str
    colours: tuple[str, ...]


ON_DARK = (SKY, VERMILLION, GREEN, ORANGE, PURPLE, BLUE)
"""Blue stands out least from dark paper and is used most: there sky has its place."""
THEMES = {
    "light": Theme(paper="#fdfdfc", ink="#1b1f24", faint="#59616b", grid="#e3e5e8", band="#eceef1", colours=COLOURS),
    "dark": Theme(paper="#14171b", ink="#e8eaed", faint="#a3abb5", grid="#2c3238", band="#22272d", colours=ON_DARK),
}
_NOW: ContextVar[Theme] = ContextVar("theme", default=THEMES["light"])


def variables(theme: str) -> dict[str, str]:
    """What a page's style sheet calls the theme's colours (``--ink``, ``--c1``), and what they are."""
    look = THEMES[theme]
    named = {name: getattr(look, name) for name in ("paper", "ink", "faint", "grid", "band")}
    return named | {f"c{i + 1}": colour for i, colour in enumerate(look.colours)}


def inked(colour: str) -> str:
    """One of the six, as it is drawn on the paper of now."""
    return _NOW.get().colours[COLOURS.index(colour)]


def line(number: int) -> dict[str, Any]:
    """How the n-th curve of a picture looks: colours first, then kinds of lines."""
    kind, colour = list(product(LINES, _NOW.get().colours))[number % (len(LINES) * len(COLOURS))]
    return {"color": colour, "linestyle": kind}


@contextmanager
def themed(theme: str = "light") -> Iterator[Theme]:
    """What is drawn meanwhile looks like this."""
    if theme not in THEMES:
        raise ValueError(f"a theme is {' or '.join(map(repr, THEMES))}, not {theme!r}")
    look = THEMES[theme]
    before = _NOW.set(look)
    try:
        with matplotlib.rc_context(_settings(look)):
            yield look
    finally:
        _NOW.reset(before)


def _settings(look: Theme) -> Any:
    return {
        **{f"{part}.facecolor": look.paper for part in ("figure", "axes", "savefig")},
        **{f"{part}.color": look.faint for part in ("xtick", "ytick")},
        **{f"{part}.labelcolor": look.ink for part in ("xtick", "ytick", "axes", "legend")},
        "text.color": look.ink,
        "axes.titlecolor": look.ink,
        "axes.edgecolor": look.faint,
        "axes.linewidth": 0.8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": look.grid,
        "grid.linewidth": 0.8,
        "lines.linewidth": 1.5,
        "font.family": ["DejaVu Sans"],
        "font.size": 9,
        "axes.titlesize": 9,
        "axes.labelsize": 9,
        "legend.fontsize": 9,
        "xtick.labelsize": 8.5,
        "ytick.labelsize": 8.5,
        "legend.frameon": False,
        "figure.constrained_layout.use": True,
        "text.parse_math": False,  # a price is no formula
        "savefig.dpi": 144,
        "svg.fonttype": "none",  # letters stay letters: they are found, copied, read aloud
    }
