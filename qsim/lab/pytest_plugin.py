"""pytest and qsim: runs that are made once, points, the lesson instead of a traceback, scenario files as tests.

It is loaded by every pytest of an environment that has qsim, so it knows nothing of qsim until a test asks: everything
else is imported in the functions.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

SUFFIX = ".qsim.yaml"
KEPT = 32
"""So many runs are kept: those that were not asked for longest are forgotten."""

_RUNS: pytest.StashKey[dict[Any, Any]] = pytest.StashKey()
_MARKER = "exercise(id, points=1): worth so many points; they stand in the summary and as properties in the JUnit report"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", _MARKER)
    config.stash[_RUNS] = {}


# --- fixtures ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def scenario(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """``scenario("orders.yaml", {"consumers.worker.count": 10}, variant="slow")``: a file beside the test, or the name of
    a bundled scenario; with other values at some dotted paths."""

    def loaded(target: str | Path, changes: Any = None, *, variant: str | None = None) -> Any:
        from qsim import load

        beside = request.path.parent / target
        found = load(beside if beside.is_file() else target, variant=variant)
        return found.set(changes) if changes else found

    return loaded


@pytest.fixture
def run(request: pytest.FixtureRequest, scenario: Callable[..., Any]) -> Callable[..., Any]:
    """``run("orders.yaml", {"consumers.worker.count": 10}, seed=2)``: the run of what ``scenario`` gives, or of a Scenario.
    The same scenario, changes and seed are run once a session (in each worker of xdist).  QSIM_EXERCISE_SEED is the seed
    where none is given."""
    kept = request.config.stash[_RUNS]

    def ran(target: Any, changes: Any = None, *, variant: str | None = None, seed: int | None = None, replication: int = 1) -> Any:
        chosen = _chosen(target, changes, variant, scenario)
        seed = _seed(seed)
        key = (repr(chosen.plan), seed, replication)
        found = kept.pop(key) if key in kept else chosen.run(seed=seed, replication=replication)
        kept[key] = found  # the newest stands last
        if len(kept) > KEPT:
            del kept[next(iter(kept))]
        return found

    return ran


def _chosen(target: Any, changes: Any, variant: str | None, scenario: Callable[..., Any]) -> Any:
    if isinstance(target, str | Path):
        return scenario(target, changes, variant=variant)
    chosen = target if variant is None else target.with_variant(variant)
    return chosen.set(changes) if changes else chosen


def _seed(seed: int | None) -> int | None:
    from qsim.lab.exercises import seed_of_the_grader

    return seed_of_the_grader() if seed is None else seed


# --- the lesson instead of the traceback ------------------------------------------------------------------------------


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Iterator[None]:
    if _is_the_end(call.when, call.excinfo is None):
        item.user_properties.extend(_points(item, call.excinfo is None))
    outcome: Any = yield
    report = outcome.get_result()
    if report.failed and call.excinfo is not None and not item.config.getoption("fulltrace"):
        report.longrepr = _lesson(call.excinfo, item) or report.longrepr


def _lesson(found: pytest.ExceptionInfo[Any], item: pytest.Item) -> str:
    """Where the claim stands, and what it says of itself; empty for errors that are not qsim's."""
    if not isinstance(found.value, _ours()):
        return ""
    entries = [entry for entry in found.traceback if Path(entry.path) == item.path]
    if not entries:
        return str(found.value)
    place, line = entries[-1], str(entries[-1].statement).strip()
    return f"{item.path.name}:{place.lineno + 1}: {line}\n{found.value}"


def _ours() -> tuple[type, ...]:
    """The exceptions whose text is made for people; a module that nobody imported has raised nothing."""
    where = {"qsim.claims.expect": "CheckFailed", "qsim.scenario.problems": "ScenarioError"}
    return tuple(getattr(sys.modules[module], name) for module, name in where.items() if module in sys.modules)


# --- points -----------------------------------------------------------------------------------------------------------


def _is_the_end(when: str, went_well: bool) -> bool:
    """The test itself, or what came before it if that went wrong."""
    return when == "call" or (when == "setup" and not went_well)


def _points(item: pytest.Item, passed: bool) -> list[tuple[str, Any]]:
    marker = item.get_closest_marker("exercise")
    if marker is None:
        return []
    name, worth = _of_marker(*marker.args, **marker.kwargs)
    return [("exercise", name), ("points", worth if passed else 0), ("of", worth)]


def _of_marker(id: str, points: float = 1) -> tuple[str, float]:
    return id, points


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The points of each exercise, and their sum."""
    found: dict[str, list[float]] = {}
    for report in (report for reports in terminalreporter.stats.values() for report in reports):
        told = dict(getattr(report, "user_properties", []))
        if "exercise" in told and _is_the_end(getattr(report, "when", ""), report.passed):
            reached = found.setdefault(told["exercise"], [0, 0])
            reached[0] += told["points"]
            reached[1] += told["of"]
    if found:
        terminalreporter.section("points")
        for name, (points, of) in sorted(found.items()):
            terminalreporter.line(f"{name:<12} {points:g} of {of:g}")
        total, most = (sum(each) for each in zip(*found.values(), strict=True))
        terminalreporter.line(f"{'in all':<12} {total:g} of {most:g}")


# --- scenario files as tests ------------------------------------------------------------------------------------------


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> Any:
    if file_path.name.endswith(SUFFIX):
        return ScenarioFile.from_parent(parent, path=file_path)
    return None


class ScenarioFile(pytest.File):
    """A ``*.qsim.yaml``: a test an expectation, all judged by the same runs."""

    _verdicts: list[Any] | None = None

    def collect(self) -> Iterator[pytest.Item]:
        from qsim import load

        self.scenario = load(self.path)
        names: dict[str, int] = {}
        for number, expectation in enumerate(self.scenario.plan.expect):
            name = _name(expectation)
            names[name] = names.get(name, 0) + 1
            unique = name if names[name] == 1 else f"{name} ({names[name]})"
            yield ExpectationItem.from_parent(self, name=unique, number=number)

    @property
    def verdicts(self) -> list[Any]:
        """Made when the first of them is asked for."""
        if self._verdicts is None:
            from qsim.claims.verdicts import verdicts

            plan = self.scenario.plan
            runs = [self.scenario.run(seed=_seed(None), replication=i + 1).numbers for i in range(plan.replications)]
            self._verdicts = verdicts(plan, runs)
        return self._verdicts

    def repr_failure(self, excinfo: pytest.ExceptionInfo[Any], *args: Any, **how: Any) -> Any:
        return str(excinfo.value) if isinstance(excinfo.value, _ours()) else super().repr_failure(excinfo)


class ExpectationItem(pytest.Item):
    """One expectation: what is inconclusive is skipped, and says so."""

    def __init__(self, *, number: int, **how: Any) -> None:
        super().__init__(**how)
        self.number = number

    def runtest(self) -> None:
        from qsim.claims.expect import CheckFailed

        parent: Any = self.parent
        verdict = parent.verdicts[self.number]
        if verdict.is_met is None:
            pytest.skip(f"inconclusive: {verdict.lines()[0]}")
        if not verdict.is_met:
            raise CheckFailed(verdict)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[Any], *args: Any, **how: Any) -> Any:
        return str(excinfo.value) if isinstance(excinfo.value, _ours()) else super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, f"{self.path.name}: {self.name}"


def _name(expectation: Any) -> str:
    """ "orders.visible at end is", "no_message_lost", "stable orders"."""
    if expectation.that is not None:
        return f"{expectation.text} {expectation.predicate}"
    value = expectation.value["queue"] if isinstance(expectation.value, dict) else expectation.value
    return expectation.predicate if value is True else f"{expectation.predicate} {value}"
