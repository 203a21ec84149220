"""What a notebook shows of an error that tells a person something: the line that asked, and what is wrong.

It knows frames and letters, and no error.  IPython asks an exception for ``_render_traceback_``; everywhere else there is
the whole traceback, and ``%debug`` has it in a notebook too.
"""

from __future__ import annotations

import re
import traceback
from pathlib import Path
from textwrap import wrap
from typing import Any

OURS = str(Path(__file__).parents[1])
LETTERS = 96
"""Of a line: about as many as stand beside each other in a cell."""
_HEAD = re.compile(r"^\s*(?:\S(?:.*?\S)?\s{2,})?")
"""Where the words of a line begin: after its indent, or after "    What happened  "."""


class ToldInACell:
    """Of an exception whose text is for whoever wrote the line."""

    def in_a_cell(self) -> str:
        """What is wrong."""
        return str(self)

    def _render_traceback_(self) -> list[str]:
        return [_asked(self), *(part for line in self.in_a_cell().splitlines() for part in _wrapped(line))]


def _asked(error: Any) -> str:
    """ "CheckFailed, line 2: expect(r).stable('orders')", the last line that is not ours."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(OURS)]
    at = f", line {frames[-1].lineno}: {frames[-1].line}" if frames else ""
    return f"\x1b[31m{type(error).__name__}\x1b[0m{at}"


def _wrapped(line: str) -> list[str]:
    """Under its own words, and between words."""
    return wrap(line, LETTERS, subsequent_indent=" " * indent(line), break_long_words=False, break_on_hyphens=False) or [""]


def indent(line: str) -> int:
    """How far in the words of a line begin; what wraps stands there too."""
    found = _HEAD.match(line)
    return min(22, max(2, found.end() if found else 0))
