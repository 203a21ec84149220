"""``qsim explain CODE``: what a code says, why it is so, where the rule stands, which lesson shows it."""

from __future__ import annotations

from typing import Annotated

import typer

from qsim.cli.ends import Exit, Refused
from qsim.cli.table import hanging
from qsim.cli.terminal import colour, out


def command(
    code: Annotated[str, typer.Argument(metavar="CODE", help="As printed with a problem: Q013, A101.")],
) -> int:
    """Explain a code: the rule, its source, the lesson."""
    from qsim.scenario.codes import CODES

    row = CODES.get(code.upper())
    if row is None:
        raise Refused(_unknown(code, list(CODES)))
    kind = "error, exit 2" if row.code.startswith("Q") else "advice"
    parts = {"says": row.says, "why": row.why, "source": row.source, "lesson": row.lesson or ""}
    out(f"{colour(row.code, 'bold')} ({kind})")
    for name, text in parts.items():
        for line in hanging(f"  {name:<8}", text, 10) if text else ():
            out(line)
    return Exit.OK


def _unknown(code: str, codes: list[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(code.upper(), codes, 3, 0.5)
    return f"no code is called {code!r}; " + (
        f"did you mean {' or '.join(near)}?" if near else f"there are {codes[0]} to {codes[-1]}"
    )
