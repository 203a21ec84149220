"""``qsim show``: a scenario with nothing hidden; what it prints is a scenario again."""

from __future__ import annotations

from typing import Annotated

import typer

from qsim.cli.ends import Exit
from qsim.cli.terminal import out


def command(
    scenario: Annotated[str, typer.Argument(metavar="FILE|NAME", help="A file, or a bundled scenario.")],
    variant: Annotated[str | None, typer.Option(metavar="NAME", help="One of the file's variants.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Change a value.")] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Other luck.")] = None,
) -> int:
    """Print a scenario with every default and its origin."""
    from qsim.cli.runs import Wish, load
    from qsim.scenario.show import show

    out(show(load(Wish(scenario, variant, tuple(set_ or ()), seed, allow_code=None))), end="")
    return Exit.OK
