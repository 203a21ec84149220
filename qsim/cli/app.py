"""Which commands there are, and what becomes of a command line: a command's answer, or one line that says why not.

It knows names and exit codes; each command stands in the module of its name and is imported when it is asked for.
"""

from __future__ import annotations

import sys
from difflib import get_close_matches
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from qsim import __version__
from qsim.cli.ends import Exit, of_error
from qsim.cli.terminal import err, out

COMMANDS = (
    "run", "validate", "show", "check", "trace", "examples", "new", "brokers", "schema", "conform", "record",
    "explain", "advise",
    "theory", "verify", "sweep", "find", "plot", "report", "compare", "diff", "lab", "grade",
)  # fmt: skip
LATER = ("upgrade",)
SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 80}

# typer hands on the errors of a command line, but not the name of their common class
UsageError: Any = typer.BadParameter.__mro__[1]


def run(arguments: list[str] | None = None) -> int:
    """One command line to its exit code; nothing leaves here as an exception."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        answer = _group().main(arguments or ["--help"], prog_name="qsim", standalone_mode=False)
        return int(answer or 0)
    except UsageError as error:
        err(_usage(error))
        return Exit.WRONG
    except (Exception, KeyboardInterrupt) as error:
        said, code = of_error(error)
        err(said)
        return code


class _Commands(TyperGroup):
    """Looks a command's module up when the command is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return _command(cmd_name) if cmd_name in COMMANDS else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(_no_command(args[0]))
        return super().resolve_command(ctx, args)


def _group() -> Any:
    app = typer.Typer(cls=_Commands, add_completion=False, rich_markup_mode=None, context_settings=SETTINGS)
    app.callback()(_qsim)
    return typer.main.get_command(app)


def _version(wanted: bool) -> None:
    if wanted:
        out(f"qsim {__version__}")
        raise typer.Exit


def _qsim(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """What will your queue do?  Run a message queue before production does.

    First:  qsim run backlog-growth      then:  qsim new my-queue
    """


def _command(name: str) -> Any:
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(name, context_settings=SETTINGS)(import_module(f"qsim.cli.{name}").command)
    return typer.main.get_command(app)


# --- what is wrong with a command line --------------------------------------------------------------------------------


def _no_command(name: str) -> str:
    if name in LATER:
        return f"{name} is not supported yet"
    near = get_close_matches(name, COMMANDS, 1, 0.5)
    return f"no command is called {name!r}" + (f"; did you mean {near[0]!r}?" if near else "; see qsim --help")


def _usage(error: Any) -> str:
    context = error.ctx
    path = context.command_path if context is not None else "qsim"
    return f"{path}: {_no_option(error) or _lower(error.format_message())}"


def _no_option(error: Any) -> str | None:
    """A misspelt option, and the one that was probably meant."""
    name = getattr(error, "option_name", None)
    if name is None or "o such option" not in error.message:
        return None
    command = error.ctx.command if error.ctx is not None else None
    known = [option for parameter in getattr(command, "params", ()) for option in parameter.opts]
    near = get_close_matches(name, [option for option in known if option.startswith("--")], 1, 0.5)
    return f"there is no option {name}" + (f"; did you mean {near[0]}?" if near else "")


def _lower(text: str) -> str:
    return (text[:1].lower() + text[1:]).rstrip(".")
