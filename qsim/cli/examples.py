"""``qsim examples``: the bundled scenarios, folder by folder, each with its title and its lessons."""

from __future__ import annotations

from collections.abc import Iterator

from qsim.cli.ends import Exit
from qsim.cli.table import table
from qsim.cli.terminal import WIDTH, clean, out, short

_LESSONS = len("lesson-01 07")

Example = tuple[str, str, list[str]]
"""Name, title and tags."""


_FOLDERS = {"seed": "What is said of message queues", "whatif": "What people ask about theirs"}


def command() -> int:
    """List the bundled scenarios."""
    for folder, found in _by_folder().items():
        if folder in _FOLDERS:
            out(f"\n{_FOLDERS[folder]}\n")
        for line in _listed(found):
            out(line)
    out("\nqsim run NAME runs one; qsim show NAME prints it.")
    return Exit.OK


def _by_folder() -> dict[str, list[Example]]:
    """By the folder that they stand in, the outermost first."""
    from qsim.scenario.files import bundled

    paths, found = bundled(), dict[str, list[Example]]()
    for example in sorted(examples(), key=lambda example: paths[example[0]].parent):
        found.setdefault(paths[example[0]].parent.name, []).append(example)
    return found


def _listed(found: list[Example]) -> list[str]:
    room = WIDTH - max(len(name) for name, _, _ in found) - _LESSONS - 5
    return table([[name, short(title, room), _lessons(tags)] for name, title, tags in found], left=3)


def examples() -> Iterator[Example]:
    """All that can be read."""
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
