"""README's picture: a real run on a terminal, as SVG.

usage: python docs/picture.py     (needs qsim installed; writes docs/backlog-growth.svg)
"""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

HERE = Path(__file__).parent
SCENARIO = "backlog-growth"
# rich's own frame asks a server for its font; ours takes what the reader has
FRAME = """\
<svg xmlns="http://www.w3.org/2000/svg" xml:space="preserve" viewBox="0 0 {width} {height}">
<style>
.{unique_id}-matrix {{ font-family: Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: {char_height}px; \
line-height: {line_height}px; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/></clipPath>{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g></g></svg>
"""


def on_a_terminal(arguments: list[str]) -> str:
    """What the command writes to a terminal of 80 columns."""
    primary, secondary = pty.openpty()
    command = [sys.executable, "-m", "qsim", *arguments]
    child = subprocess.Popen(command, env=os.environ | {"TERM": "xterm"}, stdout=secondary, stderr=subprocess.DEVNULL)
    os.close(secondary)
    seen = b""
    try:
        while part := os.read(primary, 65536):
            seen += part
    except OSError:  # the other side has closed it
        child.wait()
    return seen.decode().replace("\r\n", "\n")


def main() -> None:
    screen = Console(record=True, width=82, file=io.StringIO(), force_terminal=True)
    screen.print(Text.from_ansi(f"$ qsim run {SCENARIO}\n{on_a_terminal(['run', SCENARIO])}"))
    picture = screen.export_svg(title="qsim", code_format=FRAME, unique_id="qsim")
    (HERE / f"{SCENARIO}.svg").write_text(re.sub(r"[ \t]+\n", "\n", picture), encoding="utf-8")


if __name__ == "__main__":
    main()
