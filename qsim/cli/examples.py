"""``qsim examples``: the bundled scenarios, each with its title and its lessons."""

from __future__ import annotations

from collections.abc import Iterator

from qsim.cli.ends import Exit
from qsim.cli.table import table
from qsim.cli.terminal import WIDTH, clean, out

_LESSONS = len("lesson-01 07")


def command() -> int:
    """List the bundled scenarios."""
    found = list(examples())
    room = WIDTH - max(len(name) for name, _, _ in found) - _LESSONS - 5
    for line in table([[name, _short(title, room), _lessons(tags)] for name, title, tags in found], left=3):
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
        yield name, clean(str(data.get("title") or "")), [str(tag) for tag in data.get("tags") or ()]


def _lessons(tags: list[str]) -> str:
    """lesson-01 and lesson-07 as lesson-01 07."""
    numbers = [tag.removeprefix("lesson-") for tag in tags if tag.startswith("lesson-")]
    return f"lesson-{' '.join(numbers[:2])}" if numbers else ""


def _short(title: str, room: int) -> str:
    return title if len(title) <= room else title[: room - 1].rstrip() + "…"
