"""``qsim validate``: everything that is wrong with some files, at once; it runs nothing."""

from __future__ import annotations

from typing import Annotated

import typer

from qsim.cli.ends import Exit, Refused, worst
from qsim.cli.terminal import err, out


def command(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Scenario files, or names of bundled ones.")],
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count: exit 2.")] = False,
) -> int:
    """Say everything that is wrong with scenario files."""
    return worst([_validate(file, strict) for file in files])


def _validate(file: str, strict: bool) -> Exit:
    from qsim.cli.runs import target
    from qsim.scenario.load import read
    from qsim.scenario.problems import ScenarioError, render

    try:
        problems = read(target(file), allow_code=None).problems
    except ScenarioError as error:
        err(str(error))
        return Exit.WRONG
    except Refused as error:
        err(f"qsim: {error}")
        return Exit.WRONG
    if problems:
        err(render(problems))
    else:
        out(f"{file}: ok")
    return Exit.WRONG if strict and problems else Exit.OK
