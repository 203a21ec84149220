"""From a command line to runs: which scenario, how often, how far, and what came of it.

It knows how runs are asked for; ``study`` makes them, ``together`` reads them.  A run that is interrupted is kept; of
several replications those are kept that came to their end.
"""

from __future__ import annotations

import gc
import shlex
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qsim.cli.ends import Refused
from qsim.scenario.files import bundled
from qsim.scenario.load import Loaded, read
from qsim.scenario.problems import close_to
from qsim.units import Nanos, UnitError, duration

if TYPE_CHECKING:
    from qsim.api import Run
    from qsim.cli.progress import Watch
    from qsim.cli.together import Outcome
    from qsim.cli.told import Questions
    from qsim.scenario.plan import Plan, Precision
    from qsim.study.tasks import Answer


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line asks of a scenario; None: as the file says."""

    target: str
    variant: str | None = None
    sets: tuple[str, ...] = ()
    seed: int | None = None
    replications: int | None = None
    replication: int | None = None
    jobs: int = 1
    until: Nanos | None = None
    max_messages: int | None = None
    allow_code: bool | None = False
    """None: nothing will be run."""


def load(wish: Wish) -> Loaded:
    """The scenario, or everything that is wrong with it."""
    return read(target(wish.target), variant=wish.variant, sets=wish.sets, seed=wish.seed, allow_code=wish.allow_code)


def target(name: str) -> str:
    """A file or a bundled scenario; what is neither is told with what was probably meant."""
    if name in bundled() or Path(name).exists():
        return name
    near = close_to(name, bundled())
    said = f"did you mean {near!r}?" if near else "see qsim examples"
    raise Refused(f"there is no file {name!r}, and no bundled scenario of this name; {said}")


def time(text: str | None, option: str) -> Nanos | None:
    """A time of the command line."""
    try:
        return None if text is None else duration(text)
    except UnitError as error:
        raise Refused(f"{option} {text}: {error}") from None


def references(loaded: Loaded, metrics: tuple[str, ...]) -> None:
    """What --metric asks for and the scenario has not is told before the run."""
    from qsim.scenario.reference import ReferenceError_, check_told, parse

    if not metrics:
        return
    from qsim.metrics.numbers import names_of

    for text in metrics:
        try:
            check_told(parse(text), names_of(loaded.plan))
        except ReferenceError_ as error:
            raise Refused(f"--metric {text!r}: {error}") from None


def simulate(loaded: Loaded, wish: Wish, watch: Watch, questions: Questions | None = None) -> Outcome:
    """Every replication that is wished for, asked these questions and what it expects."""
    from qsim.cli.together import Outcome
    from qsim.cli.told import Questions

    settle()
    rule = loaded.plan.precision if wish.replications is None and wish.replication is None else None
    numbers = [wish.replication] if wish.replication else list(range(1, _most(loaded, wish, rule) + 1))
    asked = replace(questions or Questions(), first=numbers[0], several=len(numbers) > 1)
    if rule is not None:
        asked = replace(asked, references=(*asked.references, rule.metric.text))
    outcome = Outcome(loaded.plan, len(numbers), wish.until, trace(wish), precision=rule)
    try:
        with closing(_answers(loaded.plan, numbers, wish, watch, asked, rule)) as answers:
            for done, answer in enumerate(answers, 1):
                watch.replication(done, len(numbers))
                outcome.add(answer.told)
                if answer.stopped:
                    return outcome
    except KeyboardInterrupt:
        if not outcome.runs:
            raise
        return outcome
    outcome.wanted = len(outcome.runs)
    return outcome


def one(loaded: Loaded, wish: Wish, watch: Watch) -> Run:
    """The one run that is wished for, to look into."""
    from qsim.api import Scenario

    settle()
    return Scenario(loaded).run(replication=wish.replication or 1, until=wish.until, progress=watch)


def settle() -> None:
    """What is loaded now stays."""
    gc.freeze()
    gc.enable()


def trace(wish: Wish) -> str:
    """What was asked for, as a command that traces a message of it; the variant is known to who completes it."""
    options = [f"--set {shlex.quote(each)}" for each in wish.sets]
    options += [] if wish.seed is None else [f"--seed {wish.seed}"]
    options += ["--allow-code"] if wish.allow_code else []
    return " ".join(["qsim trace", shlex.quote(wish.target), *options])


def _most(loaded: Loaded, wish: Wish, rule: Precision | None) -> int:
    if wish.replications is not None:
        return wish.replications
    return loaded.plan.replications if rule is None else rule.most


def _answers(
    plan: Plan, numbers: list[int], wish: Wish, watch: Watch, questions: Questions, rule: Precision | None
) -> Generator[Answer, None, None]:
    from qsim.cli.told import tell
    from qsim.study.replicate import replicate
    from qsim.study.tasks import Task, execute

    tasks = [Task(plan, replication, wish.until, wish.max_messages) for replication in numbers]
    ask = partial(tell, questions)
    if rule is None:
        return execute(tasks, ask, wish.jobs, progress=watch)
    metric = rule.metric.text
    return replicate(tasks[0], rule, ask, lambda told: told.exact[metric], wish.jobs, progress=watch)
