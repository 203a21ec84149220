"""``qsim check``: run what files expect, a line a file; with variants, and with what must break them.

It knows files, lines and JUnit.  Lines go to stdout; why something failed goes to stderr.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qsim.cli.ends import Exit, Refused, of_error, worst
from qsim.cli.options import AllowCode
from qsim.cli.terminal import colour, err, out

if TYPE_CHECKING:
    from qsim.claims.verdicts import Verdict
    from qsim.cli.together import Outcome
    from qsim.scenario.load import Loaded


@dataclass(slots=True)
class Case:
    """One line: a file, one of its variants, or one of its breaks."""

    file: str
    what: str
    is_break: bool = False
    code: Exit = Exit.OK
    word: str = "ok"
    told: str = ""
    verdicts: list[Verdict] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    trace: tuple[str, str] = ("", "")  # how the scenario is traced by its name, and how from here
    wall_s: float = 0.0

    @property
    def name(self) -> str:
        return f"{self.file} {self.what}".strip()


def command(
    files: Annotated[list[str], typer.Argument(metavar="FILE|DIR...", help="Scenario files, names, or folders.")],
    variants: Annotated[bool, typer.Option("--variants", help="Their variants too.")] = False,
    mutate: Annotated[bool, typer.Option("--mutate", help="Each of `breaks:` must make an expectation fail.")] = False,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a JUnit report.")] = None,
    jobs: Annotated[int, typer.Option(metavar="N", min=1, help="Processes for replications.")] = 1,
    strict: Annotated[bool, typer.Option("--strict", help="What is inconclusive counts (exit 3).")] = False,
    allow_code: AllowCode = False,
) -> int:
    """Run the expectations of scenario files: a line a file."""
    from qsim.cli.junit import write

    targets = list(_targets(files))
    cases: list[Case] = []
    for case in (case for file in targets for case in _cases(file, variants, mutate, jobs, allow_code)):
        cases.append(case)
        _say(case)
        if case.code == Exit.INTERRUPTED:
            break
    if junit is not None:
        write(junit, cases)
    err(_sum(cases))
    if mutate:
        err(_noticed([case for case in cases if case.is_break]))
    return worst([case.code for case in cases if strict or case.code != Exit.INCONCLUSIVE])


def _targets(files: list[str]) -> Iterator[str]:
    """A folder's scenarios by name."""
    from qsim.cli.runs import target

    for file in files:
        if not Path(file).is_dir():
            yield target(file)
            continue
        found = sorted(str(path) for path in Path(file).rglob("*.yaml"))
        if not found:
            raise Refused(f"{file}: there is no scenario (*.yaml) in this folder")
        yield from found


def _cases(file: str, variants: bool, mutate: bool, jobs: int, allow_code: bool) -> Iterator[Case]:
    case, loaded = _loaded(file, None, allow_code)
    if loaded is None:
        yield case
        return
    yield _judged(case, loaded, jobs)
    for variant in loaded.variants if variants else ():
        case, changed = _loaded(file, variant, allow_code)
        yield case if changed is None else _judged(case, changed, jobs)
    for number, overrides in enumerate(loaded.breaks if mutate else (), 1):
        yield _broken(Case(file, f"break {number}", is_break=True), loaded, overrides, jobs)


def _loaded(file: str, variant: str | None, allow_code: bool) -> tuple[Case, Loaded | None]:
    from qsim.scenario.load import read
    from qsim.scenario.problems import ScenarioError

    case = Case(file, variant or "")
    try:
        return case, read(file, variant=variant, allow_code=allow_code)
    except ScenarioError as error:
        return _wrong(case, error), None


def _wrong(case: Case, error: Exception) -> Case:
    """A variant that a later release runs is no error of the file's."""
    from qsim.scenario.problems import ScenarioError

    problems = [p for p in error.problems if p.is_error] if isinstance(error, ScenarioError) else []
    case.code, case.word, case.reasons = Exit.WRONG, "error", str(error).splitlines()
    case.told = problems[0].message if problems else str(error)
    if problems and case.what and all(problem.code == "Q040" for problem in problems):
        case.code, case.word, case.reasons = Exit.OK, "skipped", []
    return case


def _judged(case: Case, loaded: Loaded, jobs: int) -> Case:
    outcome = _ran(case, loaded, jobs)
    if outcome is None:
        return case
    case.verdicts, case.trace = outcome.verdicts, (f"qsim trace {outcome.plan.name}", outcome.trace)
    case.code = outcome.exit(strict=True)
    case.word = {Exit.OK: "ok", Exit.INCONCLUSIVE: "open", Exit.FAILED: "FAILED"}.get(case.code, "STOPPED")
    held = sum(verdict.is_met is True for verdict in case.verdicts)
    case.told = f"{held} of {len(case.verdicts)} as expected"
    case.reasons = list(_reasons(outcome))
    return case


def _ran(case: Case, loaded: Loaded, jobs: int) -> Outcome | None:
    """A run that fails is this case's, not the whole command's."""
    from qsim.cli.progress import Watch
    from qsim.cli.runs import Wish, simulate

    try:
        with Watch(case.name) as watch:
            outcome = simulate(loaded, Wish(case.file, jobs=jobs), watch)
        case.wall_s = outcome.wall_s
        outcome.exit()
        return outcome
    except (Exception, KeyboardInterrupt) as error:
        said, case.code = of_error(error)
        case.word, case.reasons = "STOPPED" if case.code != Exit.WRONG else "error", said.splitlines()[:1]
        return None


def _reasons(outcome: Outcome) -> Iterator[str]:
    from qsim.cli import screen

    yield from screen.marks(outcome)
    if not outcome.is_cut:
        yield from screen.judged(outcome, (verdict for verdict in outcome.verdicts if not verdict.is_met))


def _broken(case: Case, loaded: Loaded, overrides: dict[str, object], jobs: int) -> Case:
    """A break is caught when an expectation fails."""
    from qsim.scenario.problems import ScenarioError

    shown = ", ".join(f"{path}={value}" for path, value in overrides.items())
    try:
        outcome = _ran(case, loaded.with_changes(overrides), jobs)
    except ScenarioError as error:
        return _wrong(case, error)
    if outcome is None:
        return case
    caught = [verdict.that for verdict in outcome.verdicts if verdict.is_met is False]
    case.code = Exit.OK if caught else Exit.FAILED
    case.word = "ok" if caught else "FAILED"
    case.told = f"caught by {caught[0]}" if caught else f"no expectation notices {shown}"
    if outcome.stopped:
        case.code, case.word, case.told = outcome.exit(), "STOPPED", outcome.stopped
    return case


# --- said -------------------------------------------------------------------------------------------------------------

_COLOURS = {"ok": "green", "skipped": "dim", "open": "yellow"}


def _say(case: Case) -> None:
    word = colour(f"{case.word:<7}", _COLOURS.get(case.word, "red"))
    took = f"  {case.wall_s:.1f}s" if case.wall_s else ""
    told = f"  {' '.join(case.told.split())}" if case.told else ""
    out(f"{word} {case.name}{told}{took}")
    for reason in case.reasons:
        err(f"    {reason}" if reason else "")


def _sum(cases: list[Case]) -> str:
    words = list(dict.fromkeys(["ok", *(case.word for case in cases)]))
    return ", ".join(f"{sum(case.word == word for case in cases)} {word}" for word in words)


def _noticed(breaks: list[Case]) -> str:
    """What nothing noticed, by name; a break that was skipped or stopped was not noticed either."""
    missed = [case.name for case in breaks if case.word != "ok"]
    if not breaks:
        return "no breaks tried: no file that can be read lists any"
    count = f"{len(breaks)} break{'s' * (len(breaks) > 1)}"
    return f"{count}, not noticed: {', '.join(missed)}" if missed else f"{count}, all noticed"
