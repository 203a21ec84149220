"""The feedback card of an exercise, and the table of predictions: HTML that follows a notebook's colours.

It knows looks: the variables of JupyterLab's themes, and without them the colours of the page.  All text is escaped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from qsim.claims.expect import CheckFailed, Inconclusive
from qsim.scenario.cell import indent

if TYPE_CHECKING:
    from qsim.lab.exercises import Score

GOOD, BAD, OPEN = "var(--jp-success-color1, #2e8540)", "var(--jp-error-color1, #d5402b)", "var(--jp-warn-color1, #c77700)"
NEUTRAL = "var(--jp-brand-color1, #1976d2)"
_TEXT = "color:var(--jp-content-font-color1, inherit);max-width:62em"
_LETTERS = "font-family:var(--jp-code-font-family, monospace);font-size:var(--jp-code-font-size, 13px);line-height:1.45"
_BORDER = "border:1px solid var(--jp-border-color1, currentColor)"
_COLOURS = {"✓": GOOD, "✗": BAD, "?": OPEN}


def card(score: Score) -> str:
    """Title and feedback; green where all points were reached, red where none."""
    from qsim.lab.exercises import title

    exercise = score.exercise
    return framed(title(score), exercise.lines(), GOOD if score >= exercise.points else BAD if score == 0 else OPEN)


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a check says, as a card."""

    lines: Sequence[str]
    colour: str

    def __repr__(self) -> str:
        return "\n".join(self.lines)

    def _repr_html_(self) -> str:
        first, *others = self.lines
        return framed(first, others, self.colour)


def feedback(check: Callable[[], Any]) -> Feedback:
    """What a check says, where it holds and where it does not, and the notebook goes on:
    ``feedback(lambda: expect(r).stable("orders"))``."""
    try:
        return Feedback(check().lines(), GOOD)
    except CheckFailed as failed:
        return Feedback(str(failed).splitlines(), OPEN if isinstance(failed, Inconclusive) else BAD)


def framed(heading: str, lines: Sequence[str], colour: str) -> str:
    """Lines in a frame, with a bar of that colour at the left."""
    body = "".join(map(_line, lines))
    return (
        f'<div class="qsim-card" style="{_TEXT};{_BORDER};border-left:5px solid {colour};border-radius:3px;padding:8px 12px">'
        f'<div style="font-weight:600;margin-bottom:4px">{escape(heading)}</div><div style="{_LETTERS}">{body}</div></div>'
    )


def _line(line: str) -> str:
    """A line that wraps under its own words, not under their heading; its first mark is coloured."""
    far = indent(line)
    colour = _COLOURS.get(line[:1])
    weight = f"color:{colour};font-weight:600;" if colour else ""
    style = f"{weight}white-space:pre-wrap;overflow-wrap:anywhere;padding-left:{far}ch;text-indent:-{far}ch"
    return f'<div style="{style}">{escape(line) or "&nbsp;"}</div>'
