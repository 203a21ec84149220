"""Grading: which answers a folder holds, each run under each seed, and the fewest points it got.

It knows submissions, seeds and who works beside whom.  What an answer may do stands in ``sandboxed``; what is right, in
the lesson's own check cells: those of a submission are never run.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from queue import Empty, SimpleQueue

from qsim.lab import cells, course
from qsim.lab.sandbox import LessonFails, Limits, Outcome, Sandbox
from qsim.lab.tested import TestFile, exercises

BESIDE = (".yaml", ".yml", ".csv", ".json", ".txt")
"""What may stand beside a notebook and is copied for it."""
LARGEST_BESIDE = 8 * 1024**2


@dataclass(frozen=True, slots=True)
class Unit:
    """One answer to one exercise."""

    whose: str
    lesson: Path
    exercise: cells.Exercise
    answers: tuple[str, ...]
    files: tuple[str, ...] = ()
    known: cells.Solution | None = None


Done = tuple[Unit, tuple[Outcome, ...]]
Enough = Callable[[Unit, Outcome], bool]
"""Whether no further seed needs to be tried."""


@dataclass(frozen=True, slots=True)
class Work:
    """How answers are run."""

    seeds: tuple[int | None, ...] = (None,)
    limits: Limits = field(default_factory=Limits)
    jobs: int = 1


# --- many answers -----------------------------------------------------------------------------------------------------


class _Pile:
    """What is still to do, by lesson; who has learnt a lesson stays with it while it can."""

    def __init__(self, units: Iterable[Unit]) -> None:
        self._left: dict[Path, list[Unit]] = {}
        self._lock = threading.Lock()
        self._begun: set[Path] = set()
        self.is_stopped = False
        for unit in units:
            self._left.setdefault(unit.lesson, []).append(unit)

    def take(self, learnt: Path | None) -> Unit | None:
        """The next answer: of the lesson learnt, else of one that nobody has begun, else of any."""
        with self._lock:
            left = [] if self.is_stopped else [lesson for lesson, units in self._left.items() if units]
            if not left:
                return None
            first = min(left, key=lambda lesson: (lesson != learnt, lesson in self._begun))
            self._begun.add(first)
            return self._left[first].pop(0)


def run(units: Sequence[Unit], work: Work, enough: Enough) -> Iterator[Done]:
    """Each answer with what it came to under each seed, as they are done; ``work.jobs`` at a time."""
    pile, news = _Pile(units), SimpleQueue[Done]()
    with ThreadPoolExecutor(max(1, work.jobs)) as threads:
        working = [threads.submit(_worked, pile, work, enough, news.put) for _ in range(max(1, work.jobs))]
        try:
            for _ in units:
                yield _next(news, working)
        finally:
            pile.is_stopped = True


def _next(news: SimpleQueue[Done], working: list[Future[None]]) -> Done:
    """Wait for it, and raise what whoever works has raised."""
    while True:
        with suppress(Empty):
            return news.get(timeout=0.2)
        for one in working:
            if one.done():
                one.result()


def _worked(pile: _Pile, work: Work, enough: Enough, tell: Callable[[Done], None]) -> None:
    """One at work: it learns a lesson anew only where it must."""
    box: Sandbox | TestFile | None = None
    try:
        while (unit := pile.take(box.lesson if box else None)) is not None:
            if box is None or box.lesson != unit.lesson:
                if box is not None:
                    box.close()
                box = (TestFile if _is_tests(unit.lesson) else Sandbox)(unit.lesson, work.limits)
            tell((unit, tuple(_under_each_seed(box, unit, work.seeds, enough, pile))))
    finally:
        if box is not None:
            box.close()


def _under_each_seed(
    box: Sandbox | TestFile, unit: Unit, seeds: Iterable[int | None], enough: Enough, pile: _Pile
) -> Iterator[Outcome]:
    for seed in seeds:
        try:
            outcome = box.ask(unit.exercise.name, unit.exercise.of, unit.answers, seed, unit.files)
        except LessonFails as failure:
            outcome = Outcome(unit.exercise.name, 0.0, unit.exercise.of, (), str(failure), seed)
        yield outcome
        if enough(unit, outcome) or pile.is_stopped:
            return


# --- submissions ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Submission:
    """A file that somebody handed in; ``problem`` where there is nothing in it that could be graded."""

    whose: str
    path: Path
    lesson: str = ""
    units: tuple[Unit, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Grade:
    """What a submission got: of each exercise the seed with the fewest points."""

    submission: Submission
    worst: tuple[Outcome, ...] = ()

    @property
    def points(self) -> float:
        return sum(one.points for one in self.worst)

    @property
    def of(self) -> float:
        return sum(one.of for one in self.worst)

    @property
    def seconds(self) -> float:
        return sum(one.seconds for one in self.worst)


def submissions(target: Path, at: Path | None = None) -> list[Submission]:
    """What a folder holds, or the one file: notebooks, or their py:percent form where there is no notebook."""
    known = {number: path.resolve() for number, path in course.lessons(at).items()}
    files = [target] if target.is_file() else _handed_in(target)
    return [_submission(path, target, known) for path in files]


def _handed_in(folder: Path) -> list[Path]:
    found = {path for kind in ("*.ipynb", "[0-9][0-9]-*.py", "test_*.py") for path in folder.rglob(kind)}
    return sorted(path for path in found if not _is_hidden(path, folder) and not _is_paired(path, found))


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def _is_paired(path: Path, found: set[Path]) -> bool:
    return path.suffix == ".py" and path.with_suffix(".ipynb") in found


def _submission(path: Path, target: Path, known: dict[str, Path]) -> Submission:
    whose = path.stem if path == target else path.relative_to(target).with_suffix("").as_posix()
    if _is_tests(path):
        return _tests(whose, path)
    try:
        handed_in = cells.read(path)
    except (cells.Unreadable, OSError) as error:
        return Submission(whose, path, problem=str(error))
    number = cells.lesson_of(path.stem, handed_in)
    if number not in known:
        return Submission(whose, path, problem="answers no exercise of a lesson that we know")
    about = cells.lesson(known[number])
    answers, files = cells.answers(handed_in, about), _beside(path)
    units = [
        Unit(whose, known[number], one, answers.get(name, one.answer), files) for name, one in about.exercises.items()
    ]
    return Submission(whose, path, about.name, tuple(units))


def _is_tests(path: Path) -> bool:
    return path.suffix == ".py" and path.name.startswith("test_")


def _tests(whose: str, path: Path) -> Submission:
    try:
        found, files = exercises(path), _beside(path)
    except (cells.Unreadable, OSError) as error:
        return Submission(whose, path, problem=str(error))
    units = [Unit(whose, path.resolve(), one, one.answer, files) for one in found.values()]
    return Submission(
        whose, path, path.stem, tuple(units), "" if units else "has no test that is marked as an exercise"
    )


def _beside(path: Path) -> tuple[str, ...]:
    """Small files of data next to it."""
    return tuple(
        str(file.resolve())
        for file in sorted(path.parent.iterdir())
        if file.suffix in BESIDE and file.is_file() and file.stat().st_size <= LARGEST_BESIDE
    )


def grades(handed_in: Sequence[Submission], work: Work) -> Iterator[Grade]:
    """Each submission's, as soon as all its exercises are done."""
    got: dict[str, dict[str, Outcome]] = {}
    yield from (Grade(one) for one in handed_in if one.problem)
    of = {one.whose: one for one in handed_in}
    units = [unit for one in handed_in for unit in one.units]
    for unit, outcomes in run(units, work, lambda unit, outcome: outcome.points == 0):
        worst = got.setdefault(unit.whose, {})
        worst[unit.exercise.name] = min(outcomes, key=lambda outcome: outcome.points)
        if len(worst) == len(of[unit.whose].units):
            yield Grade(of[unit.whose], tuple(worst[one.exercise.name] for one in of[unit.whose].units))


class NotSolved(AssertionError):
    """The answer in a notebook; the text is its feedback."""


def assert_solved(notebook: Path, exercise: str) -> None:
    """Fail with the feedback where the answer in a saved notebook does not get all points."""
    __tracebackhide__ = True
    one = _graded(notebook, notebook.stat().st_mtime_ns)
    outcome = next((each for each in one.worst if each.exercise == exercise), None)
    if outcome is None:
        raise NotSolved(one.submission.problem or f"{notebook.name} has no exercise {exercise}")
    if outcome.points < outcome.of:
        raise NotSolved(f"{exercise}: {outcome.points:g} of {outcome.of:g} points\n{outcome.told}")


@cache
def _graded(notebook: Path, changed_at: int) -> Grade:
    [grade] = grades(submissions(notebook), Work())
    return grade


# --- the self-test ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Proof:
    """What became of an answer that we know; ``why`` is empty where it was graded as it should be."""

    exercise: str
    answer: str
    seeds: int
    why: str = ""
    seed: int | None = None
    told: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class SelfTest:
    """What there is to prove: answers that we know, and answers that are missing."""

    units: tuple[Unit, ...]
    missing: tuple[Proof, ...]

    def __len__(self) -> int:
        return len(self.units) + len(self.missing)


def self_test(numbers: Iterable[str], at: Path | None = None) -> SelfTest:
    """Of these lessons."""
    units, missing = list[Unit](), list[Proof]()
    for number in numbers:
        path = course.lessons(at)[number].resolve()
        about, there = cells.lesson(path), course.solutions_of(path)
        solved = cells.solutions(there) if there.exists() else ()
        missing += _missing(about, solved)
        units += [
            Unit(about.name, path, about.exercises[one.exercise], one.sources, known=one)
            for one in solved
            if one.exercise in about.exercises
        ]
    return SelfTest(tuple(units), tuple(missing))


def _missing(about: cells.Lesson, solved: tuple[cells.Solution, ...]) -> Iterator[Proof]:
    for name in about.exercises:
        kinds = {one.is_reference for one in solved if one.exercise == name}
        if True not in kinds:
            yield Proof(name, "reference", 0, "there is none")
        if False not in kinds:
            yield Proof(name, "wrong", 0, "none is listed")
    for one in solved:
        if not one.is_reference and not one.says:
            yield Proof(one.exercise, one.name, 0, "does not say what it should be told")
        if one.exercise not in about.exercises:
            yield Proof(one.exercise, one.name or "reference", 0, "the lesson has no such exercise")


def proofs(test: SelfTest, work: Work) -> Iterator[Proof]:
    """The reference gets all points, each wrong answer fewer and the message it should, under every seed."""
    yield from test.missing
    for unit, outcomes in run(test.units, work, lambda unit, outcome: bool(_why(unit, outcome))):
        last = outcomes[-1]
        name = unit.known.name if unit.known else ""
        seconds = max(outcome.seconds for outcome in outcomes)
        yield Proof(
            unit.exercise.name, name or "reference", len(outcomes), _why(unit, last), last.seed, last.told, seconds
        )


def _why(unit: Unit, outcome: Outcome) -> str:
    """Why this is not how the answer should be graded, or nothing."""
    solution = unit.known
    assert solution is not None
    got = f"gets {outcome.points:g} of {outcome.of:g}"
    if solution.is_reference:
        return "" if outcome.points == outcome.of else f"{got}: {outcome.error or _first_failure(outcome)}"
    if outcome.points >= outcome.of:
        return got
    return "" if _flat(solution.says) in _flat(outcome.told) else f"is not told {solution.says!r}"


def _first_failure(outcome: Outcome) -> str:
    return next((line.strip() for line in outcome.lines if line.startswith(" ")), "")


def _flat(text: str) -> str:
    return " ".join(text.split())
