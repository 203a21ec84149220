"""From a command line to runs: which scenario, how often, how far, and what came of it.

It knows how runs are asked for; ``api`` makes them, ``together`` reads them.  A run that is interrupted is kept; of
several replications those are kept that came to their end.
"""

from __future__ import annotations

import gc
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qsim.cli.ends import Refused
from qsim.scenario.files import bundled
from qsim.scenario.load import Loaded, read
from qsim.scenario.problems import close_to
from qsim.units import Nanos, UnitError, duration

if TYPE_CHECKING:
    from qsim.cli.progress import Watch
    from qsim.cli.together import Outcome


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


def load(wish: Wish) -> Loaded:
    """The scenario, or everything that is wrong with it."""
    return read(target(wish.target), variant=wish.variant, sets=wish.sets, seed=wish.seed)


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


def simulate(loaded: Loaded, wish: Wish, watch: Watch) -> Outcome:
    """Every replication that is wished for."""
    from qsim.api import Run, Scenario
    from qsim.cli.together import Outcome

    gc.freeze()  # what is loaded now stays
    gc.enable()
    numbers = [wish.replication] if wish.replication else list(range(1, _count(loaded, wish) + 1))
    outcome = Outcome(Scenario(loaded), [], len(numbers), wish.until, _trace(wish))
    try:
        for recording in _recordings(loaded.plan, numbers, wish, watch):
            outcome.add(Run(recording, outcome.scenario))
            if recording.stopped:
                break
    except KeyboardInterrupt:
        if not outcome.runs:
            raise
    return outcome


def _trace(wish: Wish) -> str:
    """What was asked for, as a command that traces a message of it; the variant is known to who completes it."""
    options = [f"--set {shlex.quote(each)}" for each in wish.sets]
    options += [] if wish.seed is None else [f"--seed {wish.seed}"]
    return " ".join(["qsim trace", shlex.quote(wish.target), *options])


def _count(loaded: Loaded, wish: Wish) -> int:
    return loaded.plan.replications if wish.replications is None else wish.replications


def _recordings(plan: Any, numbers: list[int], wish: Wish, watch: Watch) -> Iterator[Any]:
    if wish.jobs > 1 and len(numbers) > 1:
        yield from _side_by_side(plan, numbers, wish, watch)
        return
    for done, replication in enumerate(numbers):
        watch.replication(done, len(numbers))
        yield _one(plan, replication, wish, watch)


def _side_by_side(plan: Any, numbers: list[int], wish: Wish, watch: Watch) -> Iterator[Any]:
    """In several processes; they come back in order."""
    from joblib import Parallel, delayed

    jobs = min(wish.jobs, len(numbers))
    started = Parallel(n_jobs=jobs, return_as="generator")(delayed(_one)(plan, r, wish) for r in numbers)
    for done, recording in enumerate(started):
        watch.replication(done, len(numbers))
        yield recording


def _one(plan: Any, replication: int, wish: Wish, progress: Any = None) -> Any:
    from qsim.sim.simulate import simulate as run

    return run(plan, None, replication, until=wish.until, max_messages=wish.max_messages, progress=progress)
