"""``qsim advise``: what the textbooks say of a scenario before anything runs, each number with its formula and source.

It knows lines of 80 columns; the numbers and words are ``scenario/sizing.py``'s.
"""

from __future__ import annotations

import json as json_
import re
from collections.abc import Iterator
from dataclasses import asdict
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qsim.cli.ends import Exit, Refused
from qsim.cli.table import hanging
from qsim.cli.terminal import WIDTH, colour, out

if TYPE_CHECKING:
    from qsim.scenario.plan import Plan
    from qsim.scenario.sizing import Finding, Section, Target

_NAME = 16


def command(
    scenario: Annotated[str, typer.Argument(metavar="FILE|NAME", help="A file, or a name that `qsim examples` lists.")],
    wait: Annotated[
        str | None, typer.Option(metavar="T", help="The wait to keep to: 2s (half a service time by itself).")
    ] = None,
    percentile: Annotated[float, typer.Option(metavar="P", help="For so many percent of the messages.")] = 95.0,
    outage: Annotated[
        str | None, typer.Option(metavar="T", help="A stop of the consumers to plan for (the timeline's, or 10m).")
    ] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Change a value first.")] = None,
    variant: Annotated[str | None, typer.Option(metavar="NAME", help="One of the file's variants.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object; times in seconds.")] = False,
) -> int:
    """How many consumers, which lease: by formula, no run."""
    from qsim.cli.runs import time
    from qsim.scenario.load import read
    from qsim.scenario.sizing import Target, sections
    from qsim.units import SECOND

    if not 0 < percentile < 100:
        raise Refused(f"--percentile {percentile:g}: a number between 0 and 100, as in 95 or 99.9")
    wanted, stop = time(wait, "--wait"), time(outage, "--outage")
    target = Target(None if wanted is None else wanted / SECOND, percentile / 100, stop)
    plan = read(scenario, variant=variant, sets=tuple(set_ or ()), allow_code=None).plan
    found = sections(plan, target)
    if json:
        out(json_.dumps(_jsonable(plan, target, found), ensure_ascii=True, allow_nan=False))
    else:
        for line in _lines(plan, found):
            out(line)
    return Exit.OK


def _lines(plan: Plan, found: list[Section]) -> Iterator[str]:
    variant = "" if plan.variant == "base" else f" {plan.variant}"
    yield f"{plan.name}{variant}  by formula, nothing was run"
    if not found:
        yield from hanging(" ", "there are no consumers: what is sent stays in its queue", 1)
    for section in found:
        yield ""
        yield from hanging("", colour(f"{section.name}, {section.about}", "bold"), 2)
        for finding in section.findings:
            yield from _finding(finding)
        for note in section.notes:
            yield from hanging(" ! ", note, 3)
    yield ""
    if legend := "; ".join(_legend(found)):
        yield from hanging(" ", legend, 1)
    yield from hanging(
        " ", f"qsim run {plan.name} shows what happens: formulas know averages, and nothing of order.", 1
    )


_LETTERS = {
    "λ": "λ messages a second",
    "S": "S mean time of one message",
    "k": "k messages at a time in one process",
    "c": "c slots: processes x k",
    "μ": "μ = 1/S",
    "a": "a busy slots on average",
    "r": "r receives a message",
    "p": "p share of attempts that fail",
    "n": "n receives allowed",
    "ⁿ": "n receives allowed",
    "C": "C share of messages that wait",
    "ca": "ca², cs² squared coefficients of variation of gaps and times (0 even, 1 exponential)",
    "W": "W wait",
    "B": "B backlog",
    "T": "T length of the stop",
    "q": "q share of work that outlives its lease",
    "w": "w share of a kind of work",
    "h": "h share of the hottest group",
    "s": "s mean time of one call",
}


def _legend(found: list[Section]) -> Iterator[str]:
    """The letters of the formulas above."""
    formulas = " ".join(finding.formula for section in found for finding in section.findings)
    used = set(re.findall(r"ⁿ|(?<![A-Za-z_])[A-Za-zλμ]{1,2}(?![a-z_])", formulas))
    yield from dict.fromkeys(text for letter, text in _LETTERS.items() if letter in used)


def _finding(finding: Finding) -> Iterator[str]:
    yield from hanging(f" {finding.name:<{_NAME}}", finding.says, _NAME + 1)
    how = f"{finding.formula}: {finding.numbers}" if finding.numbers else finding.formula
    source = f"[{finding.source}]" if finding.source else ""
    if not how:
        return
    indent = " " * (_NAME + 1)
    together = f"{indent}{how}"
    if len(together) + len(source) + 2 <= WIDTH:
        yield colour(f"{together}{source:>{WIDTH - len(together)}}".rstrip(), "dim")
        return
    for line in hanging(indent, how, _NAME + 3):
        yield colour(line, "dim")
    if source:
        yield colour(f"{source:>{WIDTH}}", "dim")


def _jsonable(plan: Plan, target: Target, found: list[Section]) -> dict[str, Any]:
    return {
        "scenario": plan.name,
        "variant": plan.variant,
        "target": {"wait_s": target.wait, "percentile": target.share * 100},
        "sections": [_section(section) for section in found],
    }


def _section(section: Section) -> dict[str, Any]:
    """No number where there is none: infinity is not JSON."""
    findings = [
        asdict(f) | {"value": f.value if f.value is None or isfinite(f.value) else None} for f in section.findings
    ]
    return asdict(section) | {"findings": findings}
