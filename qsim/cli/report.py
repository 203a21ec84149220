"""``qsim report``: what came of a run as one HTML file.

It knows what stands in the page and where it comes from: numbers as the terminal says them, verdicts, advice, pictures,
theory, and how to get it all again.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qsim.cli.ends import Exit
from qsim.cli.options import AllowCode
from qsim.cli.terminal import err, out
from qsim.cli.whole import put, writable

if TYPE_CHECKING:
    from qsim.api import Run
    from qsim.claims.verdicts import Verdict
    from qsim.cli.progress import Watch
    from qsim.cli.runs import Wish
    from qsim.cli.together import Outcome
    from qsim.metrics.numbers import Numbers as RunNumbers
    from qsim.plot.figures import Figure, Subject
    from qsim.plot.report import Judged, Picture, Report
    from qsim.plot.report import Table as Numbers
    from qsim.scenario.load import Loaded
    from qsim.scenario.plan import Plan
    from qsim.scenario.textbook import Textbook
    from qsim.study.points import Table

SWEEP = "A table of `qsim sweep --csv`: its figures come into the report."


def command(
    scenario: Annotated[str, typer.Argument(metavar="FILE|NAME", help="A file, or a bundled scenario.")],
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Where to write (NAME.html).")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Change a value.")] = None,
    variant: Annotated[str | None, typer.Option(metavar="NAME", help="One of the file's variants.")] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Other luck.")] = None,
    replications: Annotated[int | None, typer.Option(metavar="N", min=1, help="Run it so many times.")] = None,
    jobs: Annotated[int, typer.Option(metavar="N", min=1, help="Processes for replications.")] = 1,
    until: Annotated[str | None, typer.Option(metavar="T", help="Stop at a time: 5m.")] = None,
    sweep: Annotated[Path | None, typer.Option(metavar="CSV", help=SWEEP)] = None,
    allow_code: AllowCode = False,
) -> int:
    """Write what came of a run as one HTML file."""
    from qsim.cli.plot import read_sweep, stem
    from qsim.cli.progress import Watch
    from qsim.cli.runs import Wish, load, time
    from qsim.plot.report import render

    wish = Wish(
        scenario,
        variant,
        tuple(set_ or ()),
        seed,
        replications,
        None,
        jobs,
        time(until, "--until"),
        allow_code=allow_code,
    )
    loaded, table = load(wish), read_sweep(sweep)
    path = html or Path(f"{stem(loaded.plan)}.html")
    writable(path)  # before a long run
    with Watch(loaded.plan.name) as watch:
        outcome, run = _made(loaded, wish, watch)
    put(path, render(report(loaded, outcome, run, wish, table)).encode())
    out(f"written to {path}")
    if outcome.stopped:
        err(f"PARTIAL RESULT  {outcome.stopped}")
    return outcome.exit() if outcome.stopped else Exit.OK


def _made(loaded: Loaded, wish: Wish, watch: Watch) -> tuple[Outcome, Run]:
    """The first run, to be drawn, and what it tells, or what all of them do."""
    from qsim.cli.runs import one, simulate, trace
    from qsim.cli.together import Outcome
    from qsim.cli.told import Questions, tell

    plan, questions = loaded.plan, Questions(tuple(_references(loaded.plan)))
    run = one(loaded, wish, watch)
    several = (
        plan.precision is not None or plan.replications > 1 if wish.replications is None else wish.replications > 1
    )
    if several and not run.recording.stopped:
        return simulate(loaded, wish, watch, questions), run
    return Outcome(plan, 1, wish.until, trace(wish), [tell(questions, run.numbers)]), run


def _references(plan: Plan) -> Iterator[str]:
    """All numbers of the page."""
    from qsim.cli.screen import glanced_at
    from qsim.scenario.textbook import stations

    yield from glanced_at(plan)
    for book in stations(plan):
        yield from book.says
        yield from book.laws
        yield from (law.time for law in book.laws.values())


def report(loaded: Loaded, outcome: Outcome, run: Run, wish: Wish, table: Table | None = None) -> Report:
    """The page of what came of it."""
    from qsim.plot.figures import Subject
    from qsim.plot.report import Report
    from qsim.scenario.show import show

    subject = Subject(run.numbers, None if table is None else table.rows)
    figures = _figures(loaded, subject)
    pictures, left_out = _pictures(figures, subject, "f")
    return Report(
        title=loaded.plan.title or loaded.plan.name,
        name=" ".join([loaded.plan.name, *([loaded.plan.variant] if loaded.plan.variant != "base" else [])]),
        description=_paragraphs(loaded.plan.description),
        ran=list(_ran(loaded, outcome)),
        warnings=list(_warnings(outcome)),
        verdicts=list(_verdicts(outcome)),
        advice=list(_advice(loaded, outcome)),
        pictures=pictures,
        left_out=left_out,
        tables=list(_tables(outcome)),
        theory=list(_theory(outcome)),
        swept=[] if table is None else _pictures(_swept(table, figures, subject), subject, "s")[0],
        made_by=list(_made_by(loaded, outcome, run, wish)),
        scenario=show(loaded),
    )


# --- what was run -----------------------------------------------------------------------------------------------------


def _paragraphs(text: str) -> str:
    """Lines of one paragraph are one line: where the file broke them is of no interest."""
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n") if part.strip())


def _ran(loaded: Loaded, outcome: Outcome) -> Iterator[tuple[str, str]]:
    from qsim.cli.screen import round_time
    from qsim.metrics.warmup import said

    plan = loaded.plan
    yield "simulated", round_time(outcome.first.ended)
    warmup = outcome.first.cut.length if outcome.first.cut else plan.warmup
    if warmup:
        found = f", found by {said(outcome.first.cut)}" if outcome.first.cut else ""
        yield "warm-up", f"{round_time(warmup)}, left out of averages and counts{found}"
    if outcome.wanted > 1:
        yield "replications", f"{len(outcome.runs)}, means with half of their 95 % intervals; pictures show the first"
    yield "seed", str(plan.seed)
    yield "message events", f"{outcome.events:,} (sends, receives and acks)"


def _warnings(outcome: Outcome) -> Iterator[str]:
    from qsim.cli.screen import marks
    from qsim.cli.terminal import clean

    yield from (clean(line) for line in marks(outcome))


# --- judged -----------------------------------------------------------------------------------------------------------


def _verdicts(outcome: Outcome) -> Iterator[Judged]:
    """A reason is given once, where it is first one."""
    from qsim.cli.screen import sentence
    from qsim.plot.report import Judged

    said: set[tuple[str, str]] = set()
    for verdict in outcome.verdicts:
        told = [each for each in map(_reason, _reasons(verdict, outcome)) if each not in said]
        said.update(told)
        yield Judged(_state(verdict), verdict.mark.split()[0], sentence(verdict), told)


def _state(verdict: Verdict) -> str:
    if verdict.is_met is None:
        return "open"
    if not verdict.is_met:
        return "failed"
    return "expected" if verdict.expected_failure else "met"


def _reasons(verdict: Verdict, outcome: Outcome) -> list[list[str]]:
    from qsim.cli.screen import reasons

    command = f"qsim trace {outcome.plan.name}"
    return reasons([line.replace(command, outcome.trace) for line in verdict.lines()[1:]])


def _reason(lines: Sequence[str]) -> tuple[str, str]:
    """(Because, the lines behind it): the columns of the terminal are not those of a page."""
    from qsim.cli.screen import HEADS, REASON

    head = lines[0][4:REASON].strip()
    if head not in HEADS:
        return "", " ".join(line.strip() for line in lines)
    return head, "\n".join(line[REASON:].strip() for line in lines)


def _advice(loaded: Loaded, outcome: Outcome) -> Iterator[tuple[str, str]]:
    from qsim.scenario.codes import CODES

    for problem in loaded.problems:
        more = f". {problem.suggestion[:1].upper()}{problem.suggestion[1:]}" if problem.suggestion else ""
        yield problem.code, f"{problem.message}{more}."
    if outcome.gave_up:
        yield "A130", f"{CODES['A130'].says}: {CODES['A130'].why}"


# --- pictures ---------------------------------------------------------------------------------------------------------


def _figures(loaded: Loaded, subject: Subject) -> list[Figure]:
    """Those of the file and backlogs in any case, then what the warm-up was found in, the alerts and the first message that came back."""
    from qsim.plot.figures import AlertRaster, LeaseBars, OverTime, asked, default

    found = asked(loaded.plots, subject.numbers)
    if not any(isinstance(figure, OverTime) for figure in found):
        found.insert(0, default(subject.numbers))
    found += [OverTime((reference,)) for reference in _settled(subject.numbers) if OverTime((reference,)) not in found]
    if loaded.plan.alerts and AlertRaster() not in found:
        found.append(AlertRaster())
    if not any(isinstance(figure, LeaseBars) for figure in found) and _any_came_back(subject):
        found.append(LeaseBars("first-redelivered"))
    return found


def _settled(numbers: RunNumbers) -> list[str]:
    """What a warm-up was found in, if that was asked for: the picture shows where it was cut."""
    return [numbers.cut.metric] if numbers.cut and numbers.cut.metric else []


def _any_came_back(subject: Subject) -> bool:
    from qsim.metrics.life import find

    try:
        find(subject.numbers, "first-redelivered")
    except LookupError:
        return False
    return True


def _swept(table: Table, shown: Sequence[Figure], subject: Subject) -> list[Figure]:
    from qsim.plot.figures import not_yet, of_sweep

    return not_yet(of_sweep(table.paths, table.metrics), shown, subject)


def _pictures(figures: Sequence[Figure], subject: Subject, prefix: str) -> tuple[list[Picture], list[str]]:
    """The pictures, and why some are not there."""
    from qsim.plot.figures import NothingToDraw

    drawn, left_out = [], []
    for number, figure in enumerate(figures, 1):
        try:
            drawn.append(_picture(figure, subject, f"{prefix}{number}"))
        except NothingToDraw as why:
            left_out.append(f"Left out: {why}.")
    return drawn, left_out


def _picture(figure: Figure, subject: Subject, name: str) -> Picture:
    from qsim.plot.figures import caption
    from qsim.plot.picture import NARROW, WIDE, inline
    from qsim.plot.report import Picture

    wide = inline(figure, subject, f"{name}w", WIDE, "wide")
    narrow = inline(figure, subject, f"{name}n", NARROW, "narrow")
    return Picture(caption(figure, subject), wide, narrow)


# --- numbers ----------------------------------------------------------------------------------------------------------


def _tables(outcome: Outcome) -> Iterator[Numbers]:
    from qsim.cli.screen import KINDS, glance
    from qsim.plot.report import Table

    for kind, (section, _, _) in KINDS.items():
        found = glance(outcome, kind)
        if found.rows:
            yield Table(section.capitalize(), found.head, found.rows, found.notes)
    if outcome.plan.alerts:
        yield Table("Alerts", ["alert", "severity", "fired", "first at"], list(_alerts(outcome)))


def _alerts(outcome: Outcome) -> Iterator[list[tuple[str, str]]]:
    from qsim.claims.words import say

    for alert in outcome.plan.alerts:
        fired = outcome.exact(f"{alert.name}.fired at end").mean
        first = outcome.exact(f"{alert.name}.first_fired").mean
        told = (alert.name, alert.severity, say(fired, "count"), "-" if first is None else say(first, "time"))
        yield [(cell, "") for cell in told]


BEGINS_EMPTY = "The formulas know a queue that has run for ever; a run begins empty, and is one of many."


def _theory(outcome: Outcome) -> Iterator[Numbers]:
    """A station of the textbooks beside what the run says."""
    from qsim.plot.report import Table
    from qsim.scenario.textbook import stations

    for book in stations(outcome.plan):
        title = f"{book.queue} with {book.consumer} is {book.name}"
        rows = [*_compared(outcome, book), *_by_law(outcome, book)]
        yield Table(title, ["metric", "theory", "simulation"], rows, below=f"{book.holds} {BEGINS_EMPTY}")


def _compared(outcome: Outcome, book: Textbook) -> Iterator[list[tuple[str, str]]]:
    """What is nearly so is marked: that it is near the run's number is no proof of either."""
    for reference, expected in book.says.items():
        mark = "approximation" if reference in book.nearly else ""
        yield [(reference, ""), (_said(expected, reference), mark), _seen(outcome, reference)]


def _by_law(outcome: Outcome, book: Textbook) -> Iterator[list[tuple[str, str]]]:
    """What follows from another number of the run, where it has one."""
    from qsim.units import SECOND

    for reference, law in book.laws.items():
        stay = outcome.exact(law.time).mean
        expected = "-" if stay is None else _said(law.rate * stay / SECOND, reference)
        yield [(reference, ""), (expected, f"λ × {law.time}"), _seen(outcome, reference)]


def _seen(outcome: Outcome, reference: str) -> tuple[str, str]:
    from qsim.cli.screen import half_said, mean_said

    found = outcome.exact(reference)
    return mean_said(found, reference), half_said(found, reference)


def _said(number: float, reference: str) -> str:
    """In the words of the simulation's column."""
    from qsim.cli.screen import mean_said
    from qsim.scenario.reference import TIME, dimension, parse
    from qsim.study.intervals import Estimate
    from qsim.units import SECOND

    return mean_said(Estimate(number * SECOND if dimension(parse(reference)) == TIME else number), reference)


# --- how to get it again ----------------------------------------------------------------------------------------------


def _made_by(loaded: Loaded, outcome: Outcome, run: Run, wish: Wish) -> Iterator[tuple[str, str]]:
    from qsim.api import provenance

    told: dict[str, Any] = provenance(run, None)
    yield "command", _command(outcome, wish)
    yield (
        "from this page alone",
        f"save the scenario below as {outcome.plan.name}.yaml, then: {_command_of_the_page(outcome, wish)}",
    )
    read = list(dict.fromkeys(_files(loaded.document)))
    if read:
        yield "reads", f"{', '.join(read)}, which must lie beside it: the page does not hold what is in there"
    yield "digest", outcome.digest
    yield "versions", ", ".join(f"{name} {version}" for name, version in told["versions"].items())


def _files(value: Any) -> Iterator[str]:
    """Recorded times, that a scenario reads from elsewhere."""
    if isinstance(value, dict) and isinstance(value.get("file"), str):
        yield value["file"]
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _files(part)


def _command(outcome: Outcome, wish: Wish) -> str:
    options = [
        *(["--variant", wish.variant] if wish.variant else []),
        *(part for each in wish.sets for part in ("--set", each)),
        *(["--seed", str(wish.seed)] if wish.seed is not None else []),
        *_how_long(outcome, wish),
    ]
    return shlex.join(["qsim", "run", wish.target, *options])


def _command_of_the_page(outcome: Outcome, wish: Wish) -> str:
    """What was changed and the seed stand in the scenario; how often and how long it was run does not."""
    return shlex.join(["qsim", "run", f"{outcome.plan.name}.yaml", *_how_long(outcome, wish)])


def _how_long(outcome: Outcome, wish: Wish) -> list[str]:
    from qsim.units import write_duration

    return [
        *(["--replications", str(outcome.wanted)] if wish.replications else []),
        *(["--until", write_duration(wish.until)] if wish.until else []),
    ]
