"""``qsim grade``: a line a submission; or the proof that the exercises themselves are graded as they should be.

It knows lines of 80 columns, files of seeds and of grades.  Who runs what an answer says stands in ``lab``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qsim.cli.ends import Exit, Refused
from qsim.cli.terminal import WIDTH, colour, err, out, short

if TYPE_CHECKING:
    from qsim.lab.grading import Grade, Proof, Submission, Work

SEEDS_OF_A_SELF_TEST = 50


def command(
    target: Annotated[str | None, typer.Argument(metavar="FOLDER|NOTEBOOK", help="What was handed in.")] = None,
    seeds: Annotated[str | None, typer.Option(metavar="FILE|N", help="Seeds in a file, or 1 to N.")] = None,
    jobs: Annotated[int, typer.Option(metavar="N", min=1, help="Answers at a time.")] = 1,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="A row a submission.")] = None,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="A case an exercise, with its feedback.")] = None,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Everything, with the feedback.")] = None,
    time: Annotated[str, typer.Option(metavar="60s", help="For one answer under one seed.")] = "60s",
    memory: Annotated[str, typer.Option(metavar="2GiB", help="For one answer.")] = "2GiB",
    self_test: Annotated[bool, typer.Option("--self-test", help="Grade the answers that we know.")] = False,
    lessons: Annotated[str | None, typer.Option(metavar="01,02", help="With --self-test: only these.")] = None,
) -> int:
    """Grade notebooks, or prove that they are graded right."""
    if self_test == (target is not None):
        raise Refused("say what to grade: qsim grade FOLDER, or qsim grade --self-test")
    if self_test and (csv or junit or json):
        raise Refused("--self-test writes no grades: leave out --csv, --junit and --json")
    if lessons and not self_test:
        raise Refused("--lessons goes with --self-test: a submission says itself which lesson it answers")
    work = _work(seeds or (str(SEEDS_OF_A_SELF_TEST) if self_test else None), time, memory, jobs)
    if self_test:
        return _prove(lessons, work)
    return _grade(Path(str(target)), work, csv, junit, json)


# --- what is asked ----------------------------------------------------------------------------------------------------


def _work(seeds: str | None, time: str, memory: str, jobs: int) -> Work:
    import os

    from qsim.lab.grading import Work
    from qsim.lab.sandbox import Limits

    if not hasattr(os, "fork"):
        raise Refused("grading needs processes that fork: Linux, macOS, or the Linux subsystem of Windows")
    return Work(_seeds(seeds), Limits(_seconds(time), _bytes(memory)), jobs)


def _seeds(told: str | None) -> tuple[int | None, ...]:
    if told is None:
        return (None,)
    if told.isdigit() and int(told):
        return tuple(range(1, int(told) + 1))
    if not Path(told).is_file():
        raise Refused(f"--seeds {told}: a file with seeds, or how many (at least 1)")
    text = re.sub("#.*", "", Path(told).read_text(encoding="utf-8"))
    words = re.split(r"[\s,]+", text.strip())
    if wrong := next((word for word in words if not word.isdigit()), None):
        raise Refused(f"{told}: {wrong!r} is no seed: write whole numbers, one a line")
    if not text.strip():
        raise Refused(f"{told}: there are no seeds in it: write whole numbers, one a line")
    return tuple(dict.fromkeys(map(int, words)))


def _seconds(told: str) -> float:
    from qsim.units import SECOND, duration

    return _parsed("--time", told, duration, "60s") / SECOND


def _bytes(told: str) -> int:
    from qsim.units import size

    in_mib = re.sub(r"\s*GiB$", "MiB", told)
    return _parsed("--memory", in_mib, size, "2GiB") * (1024 if in_mib != told else 1)


def _parsed(option: str, told: str, parse: Callable[[str], int], example: str) -> int:
    try:
        value = parse(told)
    except ValueError as error:
        raise Refused(f"{option} {told}: {error}") from None
    if value <= 0:
        raise Refused(f"{option} {told}: more than nothing, as in {example}")
    return value


# --- submissions ------------------------------------------------------------------------------------------------------


def _grade(target: Path, work: Work, csv: Path | None, junit: Path | None, json: Path | None) -> int:
    from qsim.cli import grades
    from qsim.lab.grading import submissions

    if not target.exists():
        raise Refused(f"{target}: there is no such file or folder")
    handed_in = submissions(target)
    if not handed_in:
        raise Refused(f"{target}: there is no notebook in this folder")
    _not_into(handed_in, csv, junit, json)
    wide = max(len(one.whose) for one in handed_in)
    done = list(_told(handed_in, work, min(wide, WIDTH - 40)))
    done.sort(key=lambda grade: grade.submission.whose)
    for path, write in ((csv, grades.write_csv), (junit, grades.write_junit), (json, grades.write_json)):
        if path is not None:
            write(path, done)
    return Exit.OK


def _not_into(handed_in: list[Submission], *files: Path | None) -> None:
    """A submission is never written to."""
    submitted = {one.path.resolve() for one in handed_in}
    for file in files:
        if file is not None and file.resolve() in submitted:
            raise Refused(f"{file}: this is what was handed in, and stays as it is")


def _told(handed_in: list[Submission], work: Work, wide: int) -> Iterator[Grade]:
    from qsim.cli.progress import Watch
    from qsim.lab.grading import grades

    with Watch("grade") as watch:
        for number, grade in enumerate(grades(handed_in, work), 1):
            out(_line(grade, wide))
            watch.replication(number, len(handed_in))
            yield grade


def _line(grade: Grade, wide: int) -> str:
    one = grade.submission
    name = one.whose if len(one.whose) <= wide else f"…{one.whose[1 - wide :]}"
    if one.problem:
        return short(f"{name:<{wide}}  not graded: {one.problem}")
    number = one.lesson[:2] if one.lesson[:1].isdigit() else "  "
    points = f"{grade.points:g} of {grade.of:g}"
    return short(f"{name:<{wide}}  {number}  {points:>8}  {_why(grade)}").rstrip()


def _why(grade: Grade) -> str:
    """The exercises that lost points."""
    lost = [outcome for outcome in grade.worst if outcome.points < outcome.of]
    broken = [f"{outcome.exercise} {outcome.error}" for outcome in lost if outcome.error]
    others = [outcome.exercise for outcome in lost if not outcome.error]
    return "; ".join([*broken, *(["not all of " + ", ".join(others)] if others else [])])


# --- the self-test ----------------------------------------------------------------------------------------------------


def _prove(lessons: str | None, work: Work) -> int:
    from qsim.cli.lab import numbers
    from qsim.cli.progress import Watch
    from qsim.lab.grading import proofs, self_test

    test = self_test(numbers(lessons))
    failed = 0
    with Watch("self-test") as watch:
        for number, proof in enumerate(proofs(test, work), 1):
            failed += bool(proof.why)
            _say(proof)
            watch.replication(number, len(test))
    seeds = f"{len(work.seeds)} seed{'s' * (len(work.seeds) > 1)}"
    err(f"{len(test)} answers, {seeds} each: {failed or 'all'} {'not ' if failed else ''}graded as they should be")
    return Exit.FAILED if failed else Exit.OK


def _say(proof: Proof) -> None:
    word = colour("FAILED", "red") if proof.why else colour("ok    ", "green")
    out(f"{word} {proof.exercise}  {proof.answer:<40.40}  {proof.seconds:5.1f} s  {proof.seeds:>3} seeds".rstrip())
    if proof.why:
        err(f"       {f'seed {proof.seed}: ' if proof.seed is not None else ''}{proof.why}")
        for line in proof.told.splitlines():
            err(f"       | {line}")
