"""``qsim trace``: one message's life, or what lies in a queue at the end and why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qsim.cli.ends import Exit, Refused
from qsim.cli.options import AllowCode
from qsim.cli.terminal import colour, err, out

if TYPE_CHECKING:
    from qsim.api import Run

MOST = 40
"""Messages listed of a queue."""

_HELP = "A message (api:351), or first-redelivered, first-dead-lettered, first-lost."


def command(
    scenario: Annotated[str, typer.Argument(metavar="FILE|NAME", help="A file, or a bundled scenario.")],
    message: Annotated[str | None, typer.Option(metavar="ID", help=_HELP)] = None,
    queue: Annotated[str | None, typer.Option(metavar="NAME", help="What lies in a queue at the end, and why.")] = None,
    variant: Annotated[str | None, typer.Option(metavar="NAME", help="One of the file's variants.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Change a value.")] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Other luck.")] = None,
    replication: Annotated[int, typer.Option(metavar="R", min=1, help="Which replication.")] = 1,
    until: Annotated[str | None, typer.Option(metavar="T", help="Stop at a time: 5m.")] = None,
    allow_code: AllowCode = False,
) -> int:
    """Tell one message's life, or list what lies in a queue."""
    from qsim.cli.progress import Watch
    from qsim.cli.runs import Wish, load, one, time, trace

    if (message is None) == (queue is None):
        raise Refused("say what to trace: --message ID, --message first-redelivered, or --queue NAME")
    wish = Wish(
        scenario, variant, tuple(set_ or ()), seed, None, replication, 1, time(until, "--until"), allow_code=allow_code
    )
    loaded = load(wish)
    _known(loaded.plan, message, queue)
    with Watch(loaded.plan.name) as watch:
        run = one(loaded, wish, watch)
    for line in _story(run, message) if message is not None else _resting(run, str(queue), trace(wish)):
        out(line)
    if stopped := run.recording.stopped:
        err(f"PARTIAL RESULT  {stopped}")
        return Exit.INTERRUPTED if stopped == "interrupted" else Exit.STOPPED
    return Exit.OK


def _known(plan: Any, message: str | None, queue: str | None) -> None:
    """A name that cannot be right is told before the run."""
    from qsim.metrics.life import FIRST_OF
    from qsim.metrics.naming import message_number
    from qsim.scenario.problems import did_you_mean

    if queue is not None:
        names = [each.name for each in plan.queues]
        if queue not in names:
            raise Refused(f"no queue is called {queue!r}; {did_you_mean(queue, names, 'there are')}")
    elif message not in FIRST_OF:
        try:
            message_number(plan, str(message))
        except LookupError as error:
            near = did_you_mean(str(message), FIRST_OF, "or one of") if "first" in str(message) else None
            raise Refused(str(error.args[0]) + (f"; {near}" if near else "")) from None


def _story(run: Run, message: str) -> Iterator[str]:
    try:
        lines = run.story(message)
    except LookupError as error:
        yield str(error.args[0])
        return
    for line in lines:
        yield f" {line}" if line else ""


# --- what lies in a queue ---------------------------------------------------------------------------------------------

_COLUMNS = {"message": "message", "place": "place", "since_s": "since", "receives": "receives", "reason": "reason",
            "last_error": "last error"}  # fmt: skip


def _resting(run: Run, queue: str, trace: str) -> Iterator[str]:
    from qsim.cli.table import table

    found = run.at_rest(queue)
    if not len(found):
        yield f" nothing lies in {queue} at the end"
        return
    rows = [[_cell(row, column) for column in _COLUMNS] for row in found.head(MOST).to_dict("records")]
    lines = table([[*_COLUMNS.values()], *rows], left=len(_COLUMNS))
    yield colour(lines[0], "bold")
    yield from lines[1:]
    yield "" if len(found) <= MOST else f" ... and {len(found) - MOST:,} more"
    yield f" {len(found):,} in {queue} at the end; {trace} --message {rows[0][0]} tells the first"


def _cell(row: dict[Any, Any], column: str) -> str:
    from qsim.metrics.life import clock

    value = row[column]
    if value is None or value != value:
        return "-"
    return clock(round(value * 1e9)) if column == "since_s" else str(value)
