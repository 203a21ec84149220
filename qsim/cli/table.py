"""Rows to aligned columns: words to the left, numbers to the right."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from qsim.cli.terminal import WIDTH

_SHORTEST = 12


def table(rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """A line a row; the first ``left`` columns are words.  A long first word loses its middle where it must."""
    rows = _fitting(rows)
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    aligns = ["<" if i < left else ">" for i in range(len(widths))]
    return [
        (" " + "  ".join(f"{cell:{a}{w}}" for cell, a, w in zip(row, aligns, widths, strict=True))).rstrip()
        for row in rows
    ]


def _fitting(rows: Sequence[Sequence[str]]) -> Sequence[Sequence[str]]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    room = max(_SHORTEST, WIDTH - 1 - sum(width + 2 for width in widths[1:]))
    return rows if widths[0] <= room else [[_cut(row[0], room), *row[1:]] for row in rows]


def _cut(word: str, room: int) -> str:
    """Both ends are kept: names often differ in their last letters."""
    end = (room - 1) // 2
    return word if len(word) <= room else f"{word[: room - 1 - end]}…{word[-end:]}"


def hanging(head: str, text: str, indent: int) -> list[str]:
    """Text behind a head, within the width, its further lines under its first."""
    return textwrap.wrap(
        text, WIDTH, initial_indent=head, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
    ) or [head]
