"""Rows to aligned columns: words to the left, numbers to the right."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from qsim.cli.terminal import WIDTH


def table(rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """A line a row; the first ``left`` columns are words."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    aligns = ["<" if i < left else ">" for i in range(len(widths))]
    return [
        (" " + "  ".join(f"{cell:{a}{w}}" for cell, a, w in zip(row, aligns, widths, strict=True))).rstrip()
        for row in rows
    ]


def hanging(head: str, text: str, indent: int) -> list[str]:
    """Text behind a head, within the width, its further lines under its first."""
    return textwrap.wrap(
        text, WIDTH, initial_indent=head, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
    ) or [head]
