"""What the two streams can show: Unicode or ASCII, colour or none, and what a reader that has gone away gets.

It knows streams and characters, nothing of what is said.  Results go to stdout, progress and problems to stderr.
"""

from __future__ import annotations

import os
import sys
from typing import TextIO

WIDTH = 80

_COLOURS = {"red": "31", "green": "32", "yellow": "33", "bold": "1", "dim": "2"}
_PLAIN = {
    "✓": "+", "✗": "x", "±": "+-", "…": "...", "·": ".", "░": "-", "─": "-", "→": "->", "×": "x", "≤": "<=", "≥": ">=",
    "µ": "u", "λ": "lambda", "ρ": "rho", "’": "'", "–": "-", "—": "-", "�": "?",
}  # fmt: skip
_SPARKS = "▁▂▃▄▅▆▇█"
_PLAIN |= dict(zip(_SPARKS, "_.:-=+*#", strict=True))


def out(text: str = "", *, end: str = "\n") -> None:
    """A result."""
    _write(sys.stdout, text + end)


def err(text: str = "", *, end: str = "\n") -> None:
    """Progress, or a problem."""
    _write(sys.stderr, text + end)


def colour(text: str, name: str, stream: TextIO | None = None) -> str:
    """The text in a colour, where the stream is a terminal that wants it."""
    return f"\x1b[{_COLOURS[name]}m{text}\x1b[0m" if text and has_colour(stream or sys.stdout) else text


def has_colour(stream: TextIO) -> bool:
    wanted = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return wanted and is_terminal(stream)


def is_terminal(stream: TextIO) -> bool:
    return hasattr(stream, "isatty") and not stream.closed and stream.isatty()


def sparkline(values: list[float]) -> str:
    """Values as a row of blocks, the largest a full one."""
    top = max(values, default=0)
    return "".join(_SPARKS[min(7, int(value / top * 8)) if top > 0 else 0] for value in values)


def for_encoding(text: str, encoding: str) -> str:
    """The text as the encoding can write it: ticks and blocks have an ASCII form, the rest becomes a question mark."""
    try:
        text.encode(encoding)
        return text
    except UnicodeEncodeError:
        told = "".join(_PLAIN.get(letter, letter) if ord(letter) > 127 else letter for letter in text)
        return told.encode(encoding, "replace").decode(encoding)


def clean(text: str) -> str:
    """Text out of a file, without what would move a terminal's cursor, or worse."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def short(text: str, room: int = WIDTH) -> str:
    """Its beginning, where there is no room for all."""
    return text if len(text) <= room else text[: room - 1].rstrip() + "…"


def _write(stream: TextIO | None, text: str) -> None:
    if stream is None:  # closed before we began
        return
    try:
        stream.write(for_encoding(text, stream.encoding or "utf-8"))
        stream.flush()
    except BrokenPipeError:
        _let_go(stream)


def _let_go(stream: TextIO) -> None:
    """Whoever read this has gone: go on silently, so that the exit code still says how it ended."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
