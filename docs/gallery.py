"""README's gallery: six pictures, each of one line of Python, in both themes.

usage: python docs/gallery.py            (writes docs/gallery/*.png, and their data's digests into made.json)
       python docs/gallery.py --check    (makes nothing: exit 1 where a line would draw something else by now)
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from PIL import Image

import qsim
import qsim.lab
from qsim.plot import figures, picture

HERE = Path(__file__).parent / "gallery"
WIDTH = 5.2
"""Inches: two beside each other on a page."""
COLOURS = 48

LINES = {
    "backlog": 'load("backlog-growth").set("run.drain", "5m").run().plot("orders.visible", "orders.oldest_age")',
    "leases": 'load("visibility-timeout").run().plot(figure=1)',
    "black-friday": 'load("black-friday").run(until="150m").plot("web.rate", "fulfil.count", "orders.oldest_age")',
    "retry-storm": 'load("retry-storm").run(until="5m").plot("client.rate", "client.goodput mean")',
    "hockey-stick": """\
chart(sweep(
    load("mm8"), {"producers.source.rate": ["400/s", "500/s", "600/s", "650/s", "700/s", "750/s"]},
    replications=10, metrics=["line.wait mean"],
), theory=True)""",
    "five-brokers": """\
bars(compare(
    load("brokers").variants(), replications=1,
    metrics=["jobs.recovery_time max", "jobs.received poison total"],
), "jobs.recovery_time max", "jobs.received poison total")""",
}  # fmt: skip
"""What a reader types after ``from qsim import compare, load, sweep`` and ``from qsim.lab import bars, chart``."""

Drawn = tuple[figures.Figure, figures.Subject]


def drawn(line: str) -> Drawn:
    """What the line would put on the screen."""
    shown: list[Drawn] = []
    screen, picture.on_screen = picture.on_screen, lambda figure, subject, theme="light": shown.append((figure, subject)) or []
    try:
        code = compile(line, "line", "eval")
        eval(code, {name: getattr(room, name) for room in (qsim, qsim.lab) for name in room.__all__ if name in code.co_names})
    finally:
        picture.on_screen = screen
    [(figure, subject)] = shown
    return figure, subject


def digest(subject: figures.Subject) -> str:
    """Of the run, or of the table."""
    data: Any = subject.numbers.recording.digest if subject.sweep is None else subject.sweep.to_csv(float_format="%.9g")
    return sha256(data.encode()).hexdigest()[:16]


def files(name: str, figure: figures.Figure, subject: figures.Subject) -> Iterator[tuple[Path, bytes]]:
    for theme in ("light", "dark"):
        yield HERE / f"{name}-{theme}.png", _smaller(picture.picture(figure, subject, theme=theme, width=WIDTH))


def _smaller(png: bytes) -> bytes:
    """With a palette: our pictures have few colours."""
    target = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(target, "png", optimize=True)
    return target.getvalue()


def main() -> int | str:
    made = {}
    for name, line in LINES.items():
        figure, subject = drawn(line)
        made[name] = digest(subject)
        if "--check" not in sys.argv:
            for path, data in files(name, figure, subject):
                path.write_bytes(data)
    known = HERE / "made.json"
    if "--check" not in sys.argv:
        known.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
        return 0
    other = [name for name, found in json.loads(known.read_text(encoding="utf-8")).items() if made.get(name) != found]
    return f"other data than in docs/gallery: {', '.join(other)}: python docs/gallery.py" if other else 0


if __name__ == "__main__":
    sys.exit(main())
