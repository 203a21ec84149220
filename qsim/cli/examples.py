"""``qsim examples``: the bundled scenarios, each with its title and its lessons."""

from __future__ import annotations

from collections.abc import Iterator

from qsim.cli.ends import Exit
from qsim.cli.table import table
from qsim.cli.terminal import out

_TITLE = 42


def command() -> int:
    """List the bundled scenarios."""
    rows = [[name, _short(title), " ".join(_lessons(tags))] for name, title, tags in examples()]
    for line in table(rows, left=3):
        out(line)
    out("\nqsim run NAME runs one; qsim show NAME prints it.")
    return Exit.OK


def examples() -> Iterator[tuple[str, str, list[str]]]:
    """Name, title and tags; a file that cannot be read is left out."""
    from qsim.scenario.files import bundled
    from qsim.scenario.problems import ScenarioError
    from qsim.scenario.source import read_file

    for name, path in bundled().items():
        try:
            data = read_file(path, path.name).data
        except ScenarioError:
            continue
        yield name, str(data.get("title") or ""), [str(tag) for tag in data.get("tags") or ()]


def _lessons(tags: list[str]) -> list[str]:
    """lesson-01 lesson-07 as 01 07, the first with its word."""
    numbers = [tag.removeprefix("lesson-") for tag in tags if tag.startswith("lesson-")]
    return [f"lesson-{numbers[0]}", *numbers[1:3]] if numbers else []


def _short(title: str) -> str:
    return title if len(title) <= _TITLE else title[: _TITLE - 1].rstrip() + "…"
