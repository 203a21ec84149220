"""``qsim brokers``: what the broker profiles do, side by side, and the rule behind each value.

It knows lines of 80 columns; the words and rules are ``brokers/table.py``'s, the metric names ``metrics/vendor.py``'s.
"""

from __future__ import annotations

import json as json_
import textwrap
from collections.abc import Iterable, Iterator
from itertools import groupby, zip_longest
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qsim.cli.ends import Exit, Refused
from qsim.cli.table import hanging
from qsim.cli.terminal import WIDTH, colour, out

if TYPE_CHECKING:
    from qsim.brokers.table import Cell, Cite, Table

_LABEL = 14
_WORDS = 42


def command(
    profile: Annotated[
        list[str] | None, typer.Argument(metavar="[PROFILE]", help="One profile: each value with its rule.")
    ] = None,
    diff: Annotated[
        bool, typer.Option("--diff", help="What differs between two: --diff sqs-standard sqs-fifo.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object; times in seconds.")] = False,
) -> int:
    """Compare the brokers: what each profile does, and by which rule."""
    from qsim.brokers.table import differing, table

    chosen = [_known(name) for name in profile or ()]
    if (len(chosen) != 2) if diff else len(chosen) > 1:
        raise Refused("one profile, or two with --diff: qsim brokers --diff sqs-standard sqs-fifo")
    found = differing(*chosen) if diff else table(*chosen)
    if json:
        out(json_.dumps(_jsonable(found), ensure_ascii=True))
        return Exit.OK
    lines = _difference(found, *chosen) if diff else _one(found, chosen[0]) if chosen else _all(found)
    for line in lines:
        out(line)
    return Exit.OK


def _known(name: str) -> str:
    from qsim.brokers.table import names, versions
    from qsim.scenario.problems import did_you_mean

    known = [each for base in names() for each in (base, *versions(base))]
    if name not in known:
        raise Refused(f"no profile is called {name!r}; {did_you_mean(name, known, 'there are')}")
    return name


# --- all profiles -------------------------------------------------------------------------------------------------------


def _all(found: Table) -> Iterator[str]:
    """A block a capability; profiles that do the same share a line."""
    for capability, cells in found.items():
        yield colour(capability, "bold")
        for words, names in _shared(cells).items():
            who = ", ".join(_families(names, cells))
            yield from _beside([(2, _WORDS, words), (_WORDS + 4, WIDTH - _WORDS - 4, who)])
    yield ""
    yield "qsim brokers PROFILE gives each value and its rule, --diff A B what differs."


def _shared(cells: dict[str, Cell]) -> dict[str, list[str]]:
    shared: dict[str, list[str]] = {}
    for name, cell in cells.items():
        shared.setdefault(cell.words, []).append(name)
    return shared


def _families(names: list[str], cells: Iterable[str]) -> Iterator[str]:
    """sqs-* for all of a broker's profiles."""
    for family, members in groupby(names, lambda name: name.partition("-")[0]):
        mine, all_ = list(members), [name for name in cells if name.partition("-")[0] == family]
        yield from [f"{family}-*"] if mine == all_ and len(mine) > 1 else mine


def _beside(columns: list[tuple[int, int, str]]) -> Iterator[str]:
    """Texts beside each other: (where, how wide, what)."""
    wrapped = [textwrap.wrap(text, width, break_on_hyphens=False) for _, width, text in columns]
    for parts in zip_longest(*wrapped, fillvalue=""):
        line = ""
        for (start, _, _), part in zip(columns, parts, strict=True):
            line = f"{line:<{start}}{part}"
        yield line.rstrip()


# --- one profile --------------------------------------------------------------------------------------------------------


def _one(found: Table, name: str) -> Iterator[str]:
    from qsim.brokers.table import others, versions

    yield colour(name, "bold")
    for capability, cells in found.items():
        yield from hanging(f" {capability:<{_LABEL}}", cells[name].words, _LABEL + 1)
        for cite in cells[name].cites:
            yield from _cited(cite)
    more = list(others(name))
    if more:
        yield " and"
    for cite in more:
        yield from _cited(cite)
    for version in versions(name):
        yield from _before(name, version)
    yield from _metrics(name.partition("@")[0])


def _cited(cite: Cite) -> Iterator[str]:
    from qsim.brokers.table import say

    value = f"{cite.field}: {say(cite.field, cite.value)}   " if cite.field else ""
    for number, line in enumerate(hanging(" " * (_LABEL + 3), f"{value}{cite.rule}: {cite.source}", _LABEL + 5)):
        yield line if number else line.replace(cite.rule, colour(cite.rule, "yellow"), 1)


def _before(name: str, version: str) -> Iterator[str]:
    from qsim.brokers.table import differing

    yield f" {version}"
    for capability, cells in differing(name, version).items():
        yield from hanging(f"   {capability:<{_LABEL}}", cells[version].words, _LABEL + 3)


def _metrics(name: str) -> Iterator[str]:
    from qsim.metrics.vendor import VENDOR

    if name in VENDOR:
        yield " what it calls what we count (qsim run --names broker)"
    for metric in VENDOR.get(name, ()):
        yield from hanging(f"   {metric.name}: ", metric.says, 5)


# --- two profiles -------------------------------------------------------------------------------------------------------


def _difference(found: Table, one: str, other: str) -> Iterator[str]:
    width = (WIDTH - _LABEL - 3) // 2
    starts = (_LABEL + 1, _LABEL + 3 + width)
    yield colour(f"{'':<{starts[0]}}{one:<{width + 2}}{other}", "bold")
    for capability, cells in found.items():
        columns = [(start, width, cells[name].words) for start, name in zip(starts, (one, other), strict=True)]
        yield from _beside([(1, _LABEL, capability), *columns])
    if not found:
        yield f" {one} and {other} do not differ"


# --- for machines -------------------------------------------------------------------------------------------------------


def _jsonable(found: Table) -> dict[str, Any]:
    from qsim.brokers.table import plain

    profiles: dict[str, dict[str, Any]] = {}
    for capability, cells in found.items():
        for name, cell in cells.items():
            values = [c._asdict() | {"value": plain(c.field, c.value)} for c in cell.cites]
            profiles.setdefault(name, {})[capability] = {"words": cell.words, "values": values}
    return {"profiles": profiles}
