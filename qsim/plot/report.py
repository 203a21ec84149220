"""The report: one HTML file that needs no network, made of what was found out about a run.

It knows the parts of the page as plain values and hands them to the template beside it.  Nothing is worked out here, and
nothing that a file says gets into the page unescaped; pictures are the only markup that comes ready made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from qsim.plot.style import variables

TEMPLATE = "report.html.j2"


@dataclass(frozen=True, slots=True)
class Judged:
    """An expectation: "met", "failed", "expected" (a failure that is meant) or "open", its sentence, and the reasons."""

    state: str
    mark: str
    sentence: str
    reasons: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """Cells are (what is said, small print: half of an interval); ``notes`` are by the first of a row, and stand below it."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[tuple[str, str]]]
    notes: Mapping[str, str] = field(default_factory=dict)
    below: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure for wide and for narrow pages."""

    caption: str
    wide: str
    narrow: str


@dataclass(frozen=True, slots=True)
class Report:
    """The parts of the page, in the order in which they stand there."""

    title: str
    name: str
    description: str
    ran: Sequence[tuple[str, str]]
    warnings: Sequence[str]
    verdicts: Sequence[Judged]
    advice: Sequence[tuple[str, str]]
    pictures: Sequence[Picture]
    left_out: Sequence[str]
    tables: Sequence[Table]
    theory: Sequence[Table]
    swept: Sequence[Picture]
    made_by: Sequence[tuple[str, str]]
    scenario: str


def render(report: Report) -> str:
    """The page."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("qsim.plot", "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["ready"] = Markup  # pictures: made by us, with every text of theirs escaped
    return environment.get_template(TEMPLATE).render(report=report, light=variables("light"), dark=variables("dark"))
