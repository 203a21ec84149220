"""Scenario and Run: what a person holds in Python.

It knows no rule of its own: a Scenario is what ``scenario`` loaded, a Run asks ``metrics`` and ``claims``.  Both are
never changed; ``set`` answers with another Scenario.  Numbers are in seconds.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qsim import __version__
from qsim.scenario.load import Loaded, read
from qsim.scenario.plan import Plan
from qsim.scenario.problems import ScenarioError
from qsim.scenario.reference import ReferenceError_

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from qsim.claims.compared import Comparison
    from qsim.claims.expect import Expect
    from qsim.claims.found import Found
    from qsim.claims.handlers.claim import Handler
    from qsim.claims.verdicts import Verdict
    from qsim.metrics.numbers import Numbers
    from qsim.sim.recording import Recording
    from qsim.study.sweep import Sweep

__all__ = ["Run", "Scenario", "ScenarioError", "brokers_table", "compare", "expect", "find", "load", "sweep", "write"]

ENGINE = "simpy"
RESULT_FORMAT = 1
"""Of summary.json and run.json: another number where a key means something else."""


def load(
    target: str | Path = "", *, text: str | None = None, variant: str | None = None, allow_code: bool = False
) -> Scenario:
    """A scenario from a file, from the name of a bundled one, or from ``text``; raises ScenarioError with everything
    that is wrong.  With ``allow_code`` the handlers that it names may be run; a function that is handed over may by itself:
    ``load("orders").set({"consumers.worker.handler": handle})``."""
    return Scenario(read(target, text=text, variant=variant, allow_code=allow_code))


def brokers_table() -> pd.DataFrame:
    """The brokers side by side: a row a capability, a column a profile (``qsim brokers``)."""
    import pandas as pd

    from qsim.brokers.table import table

    words = {capability: {name: cell.words for name, cell in cells.items()} for capability, cells in table().items()}
    return pd.DataFrame.from_dict(words, orient="index")


class _Expect:
    """``expect(run)...`` is about runs, ``expect.handler(handle, scenario=...)`` about a consumer in plain Python."""

    def __call__(self, run: Any, than: Any = None) -> Expect:
        """Claims about a run: ``expect(run).that("orders.wait p95").below("2s")``; about two with the same luck:
        ``expect(run, than=base).that("orders.wait p95").improves()``."""
        from qsim.claims.expect import expect as claims_about

        return claims_about(run, than)

    def handler(self, handle: Callable[..., Any], *, scenario: Any, consumer: str | None = None) -> Handler:
        """Claims about ``def handle(message, store): ...`` as a consumer of a scenario (a Scenario, a file, or the name of
        a bundled one): ``expect.handler(handle, scenario="duplicates").charges_each_order_once()``.

        ``message`` has ``id``, ``order``, ``body``, ``receives`` and ``group``.  ``store`` has records by key (``exists``,
        ``get``, ``put``, ``delete``, and ``add``, which is False where there is one), ``transaction()`` for a with block
        that is written as a whole or not at all, ``charge(order, key=None)`` for a charge at the payment service outside
        (at most one for each idempotency key), and ``book(order)`` for a charge that is a row of the same database."""
        from qsim.claims.handlers.claim import handler as claims_about

        return claims_about(handle, scenario=scenario, consumer=consumer)


expect = _Expect()


def sweep(
    scenario: Scenario,
    over: Mapping[str, Any] | None = None,
    *,
    replications: int | None = None,
    metrics: Sequence[str] = (),
    jobs: int = 1,
    dask: str | None = None,
    store: str | Path | None = None,
    resume: bool = False,
) -> Sweep:
    """Run it over every combination of the values at some dotted paths (the file's ``sweep:`` by itself), all with the
    same luck: ``qsim.sweep(s, {"consumers.worker.count": range(1, 20)}, replications=10).frame()``.  ``store`` is a
    folder in which finished runs are kept; with ``resume`` those that are there are not run again."""
    from qsim.claims.asked import Asked, default_metrics, with_precision
    from qsim.scenario.grid import of_file, of_python, points
    from qsim.study import sweep as study

    _are_counts(replications=replications, jobs=jobs)
    if over is not None and not isinstance(over, Mapping):
        raise ValueError("over gives each path its values: {'consumers.worker.count': range(1, 20)}")
    axes = of_file(scenario.loaded) if over is None else [of_python(path, values) for path, values in over.items()]
    if not axes:
        raise ValueError("the file has no sweep: say what to change, {'consumers.worker.count': range(1, 20)}")
    paths, grid = [axis.path for axis in axes], points(scenario.loaded, axes)
    plans = [point.plan for point in grid]
    asked = Asked(with_precision(tuple(metrics) or default_metrics(scenario.loaded, paths), plans, replications))
    _check_told(plans, asked.metrics)
    return study.sweep(paths, grid, asked.metrics, replications, asked, study.how(asked, jobs, dask, store, resume))


def find(
    scenario: Scenario,
    path: str,
    *,
    between: tuple[int, int] | None = None,
    values: Sequence[Any] | str | None = None,
    largest: bool = False,
    that: str | None = None,
    replications: int | None = None,
    max_replications: int | None = None,
    jobs: int = 1,
    dask: str | None = None,
    store: str | Path | None = None,
    resume: bool = False,
) -> Found:
    """The smallest (or largest) value at a dotted path for which what the scenario expects holds:
    ``qsim.find(s, "consumers.worker.count", between=(1, 40)).value``; ``values=["10s", "30s", "1m"]`` where they are no
    whole numbers.  By bisection, with the same luck for all; ``is_one_way`` says whether it fails at the other end."""
    from qsim.claims.found import MOST, sought, whole_numbers
    from qsim.scenario.grid import of_python
    from qsim.study.sweep import how

    _are_counts(replications=replications, max_replications=max_replications, jobs=jobs)
    if (between is None) == (values is None):
        raise ValueError("say where to look: between=(1, 40), or values=['10s', '30s', '1m']")
    axis = of_python(path, values if between is None else whole_numbers(path, between))
    most = MOST if max_replications is None else max_replications
    looked_for = sought(scenario.loaded, axis, that, largest=largest, replications=replications, most=most)
    return looked_for.found(how(looked_for.asked, jobs, dask, store, resume))


def compare(
    scenarios: Mapping[str, Scenario] | Sequence[Scenario],
    *,
    replications: int | None = None,
    metrics: Sequence[str] = (),
    jobs: int = 1,
    seed: int | None = None,
) -> Comparison:
    """Scenarios side by side with the same luck, each with the first: ``compare(s.variants(), replications=20).table()``;
    ``frame()`` has intervals, and the differences in pairs with theirs.  Replications as the first says, or 10."""
    from qsim.claims.compared import compare as side_by_side
    from qsim.study.compare import Wanted

    _are_counts(replications=replications, jobs=jobs)
    named = scenarios if isinstance(scenarios, Mapping) else {_column(each): each for each in scenarios}
    if len(named) < 2 or len(named) < len(scenarios):
        raise ValueError("compare needs two scenarios or more, of different names: {'as it is': s, 'more': t}")
    plans = {name: scenario.plan for name, scenario in named.items()}
    _check_told(list(plans.values()), metrics)
    return side_by_side(plans, metrics, Wanted(replications, jobs), seed)


def _are_counts(**given: Any) -> None:
    """0 replications are no fewer than were asked for, they are a mistake."""
    for name, value in given.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise ValueError(f"{name}={value!r}: a whole number, 1 or more")


def _column(scenario: Scenario) -> str:
    return scenario.name if scenario.variant == "base" else f"{scenario.name} {scenario.variant}"


def _check_told(plans: Sequence[Plan], metrics: Sequence[str]) -> None:
    from qsim.claims.asked import check_told_by

    for metric in metrics:
        try:
            check_told_by(plans, metric)
        except ReferenceError_ as error:
            raise KeyError(str(error)) from None


class Scenario:
    """A scenario that can be run.  ``plan`` is what will be run, ``document`` what was written."""

    def __init__(self, loaded: Loaded) -> None:
        self.loaded = loaded

    @property
    def plan(self) -> Plan:
        return self.loaded.plan

    @property
    def document(self) -> dict[str, Any]:
        return self.loaded.document

    @property
    def name(self) -> str:
        return self.plan.name

    @property
    def variant(self) -> str:
        return self.plan.variant

    def set(self, path: str | Mapping[str, Any], value: Any = None) -> Scenario:
        """Another scenario in which ``value`` stands at the dotted path; None removes what stands there.  Several at once
        as a mapping: ``set({"consumers.worker.count": 10, "run.duration": "20m"})``."""
        return Scenario(self.loaded.with_changes({path: value} if isinstance(path, str) else path))

    def with_variant(self, name: str) -> Scenario:
        """The scenario under one of its variants; "base" is the file itself."""
        return Scenario(self.loaded.with_changes(variant=name))

    def variants(self) -> Variants:
        """The file itself as "base", and every variant."""
        return Variants(self)

    def run(
        self,
        *,
        seed: int | None = None,
        replication: int = 1,
        until: int | str | None = None,
        max_messages: int | None = None,
        progress: Callable[[Any], None] | None = None,
    ) -> Run:
        """Simulate it: the same seed and replication give the same run on every machine.  ``until`` ("5m", or ns) stops
        before its end."""
        from qsim.sim.simulate import simulate
        from qsim.units import duration

        end = duration(until) if isinstance(until, str) else until
        recording = simulate(self.plan, seed, replication, until=end, max_messages=max_messages, progress=progress)
        return Run(recording, self)

    def runs(self, replications: int, *, seed: int | None = None, until: int | str | None = None) -> list[Run]:
        """The same with other luck each time, replications 1 to ``replications``: ``expect(s.runs(5))`` is about all of
        them."""
        _are_counts(replications=replications)
        return [self.run(seed=seed, replication=number, until=until) for number in range(1, replications + 1)]

    def show(self, *parts: str) -> str:
        """What is written, with what was changed, as YAML; of some parts: ``print(s.show("queues", "consumers"))``.  With
        every default filled in: ``qsim show``."""
        from qsim.scenario.show import written

        return written(self.loaded, parts)

    def __repr__(self) -> str:
        return f"<Scenario {self.name}{'' if self.variant == 'base' else ' ' + self.variant}>"


class Variants(Mapping[str, Scenario]):
    """Variants by name, each resolved when it is asked for: what one gets wrong does not stop the others."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._names = ("base", *scenario.loaded.variants)

    def __getitem__(self, name: str) -> Scenario:
        if name not in self._names:
            raise KeyError(f"no variant is called '{name}'; there are: {', '.join(self._names)}")
        return self._scenario.with_variant(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class Run:
    """What came of one run: ``run["orders.wait p95"]``, tables, verdicts, single messages."""

    def __init__(self, recording: Recording, scenario: Scenario | None = None) -> None:
        self.recording = recording
        self.scenario = scenario

    @classmethod
    def of(cls, numbers: Numbers) -> Run:
        """The run whose numbers these are."""
        run = cls(numbers.recording)
        run.__dict__["numbers"] = numbers
        return run

    # --- numbers ------------------------------------------------------------------------------------------------------

    @cached_property
    def numbers(self) -> Numbers:
        from qsim.metrics.numbers import Numbers

        return Numbers(self.recording)

    def __getitem__(self, reference: str) -> int | float | None:
        """The number that a reference tells, times in seconds; None where there is no data."""
        try:
            return self.numbers.value(reference)
        except ReferenceError_ as error:
            raise KeyError(str(error)) from None

    def series(self, reference: str, every: str | None = None) -> pd.Series:
        """A reference over time, on the sample grid or every so often."""
        import pandas as pd

        from qsim.metrics.numbers import series
        from qsim.units import duration

        step = self.plan.sample_every if every is None else duration(every)
        try:
            times, values = series(self.numbers, reference, step)
        except ReferenceError_ as error:
            raise KeyError(str(error)) from None
        return pd.Series(values, pd.Index(times, name="time_s"), name=reference)

    @property
    def plan(self) -> Plan:
        return self.recording.plan

    @property
    def seed(self) -> int:
        return self.recording.seed

    @cached_property
    def digest(self) -> str:
        """sha256 of the journal."""
        return self.recording.digest

    # --- tables -------------------------------------------------------------------------------------------------------

    def frame(self, name: str = "messages", names: str = "qsim") -> pd.DataFrame:
        """A table: "messages", "events", "alerts", or the levels of a queue or consumer (metrics.docs tells the columns).
        With ``names="broker"`` what a queue's own broker counts, by its names (metrics.vendor tells them)."""
        from qsim.metrics import frames, vendor

        if names not in ("qsim", "broker"):
            raise ValueError(f"names is 'qsim' or 'broker', not {names!r}")
        return (frames if names == "qsim" else vendor).frame(self.numbers, name)

    def at_rest(self, queue: str) -> pd.DataFrame:
        """What lies in a queue at the end, and why."""
        from qsim.metrics.frames import at_rest

        self[f"{queue}.visible"]  # a misspelt queue is told as any misspelt name
        return at_rest(self.numbers, queue)

    def csv(self, path: str | Path, name: str = "messages") -> None:
        """Write a table as CSV."""
        table = self.frame(name)
        _write(Path(path), lambda target: table.to_csv(target, index=False))

    def parquet(self, path: str | Path, name: str = "messages") -> None:
        """Write a table as Parquet (needs pyarrow)."""
        table = self.frame(name)
        _write(Path(path), lambda target: table.to_parquet(target, index=False))

    # --- one message --------------------------------------------------------------------------------------------------

    def find(self, message: str | int) -> int:
        """The id of a message: ``"api:351"``, ``"api#2:351"``, ``"first-redelivered"``, ``"first-dead-lettered"``,
        ``"first-lost"``; LookupError if there is none."""
        from qsim.metrics.life import find

        return find(self.numbers, message)

    def timeline(self, message: str | int) -> pd.DataFrame:
        """One message's life: a row an event."""
        from qsim.metrics.frames import timeline

        return timeline(self.numbers, self.find(message))

    def story(self, message: str | int) -> list[str]:
        """One message's life in sentences, with its leases as bars."""
        from qsim.metrics.life import story

        return story(self.numbers, self.find(message))

    # --- pictures -----------------------------------------------------------------------------------------------------

    def plot(self, *references: str, figure: int | None = None, theme: str = "light") -> list[Axes]:
        """Pictures of the run: references over time (``plot("orders.visible", "orders.oldest_age")``), "alerts", the
        ``figure``-th of the file's ``plots:``, or what that begins with, else backlog, age and how busy consumers are.
        The axes from top to bottom; a panel for each unit."""
        from qsim.plot import figures, picture

        if references:
            chosen = figures.read("alerts" if references == ("alerts",) else references)
        else:
            of_file = [] if self.scenario is None else self.scenario.loaded.plots
            chosen = figures.asked(of_file, self.numbers)[(figure or 1) - 1]
        try:
            figures.check(chosen, self.numbers)
        except ReferenceError_ as error:
            raise KeyError(str(error)) from None
        return picture.on_screen(chosen, figures.Subject(self.numbers), theme)

    # --- judging ------------------------------------------------------------------------------------------------------

    def verdicts(self) -> list[Verdict]:
        """What the scenario expects, judged by this run."""
        from qsim.claims.verdicts import verdicts

        return verdicts(self.plan, [self.numbers])

    def conservation(self) -> dict[str, Any]:
        """Whether nothing appeared or disappeared."""
        from qsim.claims.conservation import conservation

        return conservation(self.numbers)

    # --- for machines -------------------------------------------------------------------------------------------------

    def json(self, metrics: tuple[str, ...] = ()) -> dict[str, Any]:
        """What ``qsim run --json`` prints; ``metrics`` are references to add."""
        return as_json(self, metrics, self.verdicts())

    def show(self) -> str:
        """The run as text: queues, consumers, verdicts, digest."""
        return "\n".join([*_heading(self), "", *_tables(self), *_judged(self), f"digest {self.digest}"])

    def __repr__(self) -> str:
        other = self.recording.replication
        return f"<Run of {self.plan.name}, seed {self.seed}{f', replication {other}' * (other > 1)}>"


def as_json(run: Run, metrics: tuple[str, ...], judged: list[Verdict]) -> dict[str, Any]:
    """One run for machines, times in seconds; ``judged`` is what its expectations came to."""
    from qsim.metrics import warmup
    from qsim.metrics.numbers import summary

    told = summary(run.numbers) | {reference: run[reference] for reference in metrics}
    recording = run.recording
    result = {
        "format": RESULT_FORMAT,
        "scenario": run.plan.name,
        "variant": run.plan.variant,
        "seed": run.seed,
        "replication": recording.replication,
        "engine": ENGINE,
        "duration_s": recording.ended / 1e9,
        "messages": sum(_messages(run, p.name) for p in run.plan.producers),
        "wall_s": recording.wall_s,
        "metrics": {name: _jsonable(value) for name, value in told.items()},
        "expectations": [verdict.json() for verdict in judged],
        "conservation": run.conservation(),
        "digest": run.digest,
    }
    if run.numbers.cut is not None:
        result["warmup"] = warmup.told([run.numbers.cut])
    if any(recording.raised.values()):
        result["raised"] = recording.raised
    return result if recording.stopped is None else result | {"stopped": recording.stopped}


def _messages(run: Run, producer: str) -> int:
    """How many messages it sent, however many tries each took."""
    return int(run[f"{producer}.sent at end"] or 0) - int(run[f"{producer}.retried at end"] or 0)


def _jsonable(value: Any) -> Any:
    """JSON has no infinity: what never happened says so."""
    return "never" if value == float("inf") else value


# --- text -------------------------------------------------------------------------------------------------------------


def _heading(run: Run) -> Iterator[str]:
    from qsim.units import format_duration

    recording = run.recording
    variant = "" if run.plan.variant == "base" else f" {run.plan.variant}"
    rows = len(recording.rows())
    simulated, wall = format_duration(recording.ended), f"{recording.wall_s:.1f}s"
    yield f"{run.plan.name}{variant}  {simulated} simulated in {wall}   seed {run.seed}   {rows:,} message events"
    if recording.stopped is not None:
        yield f"stopped early: {recording.stopped}"


_QUEUE_COLUMNS = {
    "visible": "visible at end",
    "in flight": "in_flight at end",
    "oldest": "oldest_age at end",
    "received": "received at end",
    "acked": "acked at end",
    "wait p95": "wait p95",
}
_CONSUMER_COLUMNS = {
    "count": "count at end",
    "utilization": "utilization mean",
    "throughput": "throughput mean",
    "duplicates": "duplicates total",
}


def _tables(run: Run) -> Iterator[str]:
    yield from _table(run, "queue", [q.name for q in run.plan.queues], _QUEUE_COLUMNS)
    yield ""
    yield from _table(run, "consumer", [c.name for c in run.plan.consumers], _CONSUMER_COLUMNS)
    yield ""


def _table(run: Run, kind: str, names: list[str], columns: Mapping[str, str]) -> Iterator[str]:
    rows = [[kind, *columns], *([name, *(_said(run, f"{name}.{m}") for m in columns.values())] for name in names)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        yield (
            " "
            + f"{row[0]:<{widths[0]}}"
            + "".join(f"  {cell:>{w}}" for cell, w in zip(row[1:], widths[1:], strict=True))
        )


def _said(run: Run, reference: str) -> str:
    from qsim.claims.words import say
    from qsim.scenario.reference import dimension, parse

    exact = run.numbers.exact(reference)
    return "-" if exact is None else say(exact, dimension(parse(reference)))


def _judged(run: Run) -> Iterator[str]:
    for verdict in run.verdicts():
        yield from (f" {line}" for line in verdict.lines())
    for consumer, raised in run.recording.raised.items():
        yield from (f" {line}" for line in handler_errors(consumer, raised))


def handler_errors(consumer: str, raised: Mapping[str, int]) -> Iterator[str]:
    """What a handler raised, the most frequent first; three of them tell enough."""
    by_count = sorted(raised.items(), key=lambda each: -each[1])
    for said, times in by_count[:3]:
        yield f"handler of {consumer} raised {times:,} times: {said}"
    if len(by_count) > 3:
        yield f"handler of {consumer} raised {sum(times for _, times in by_count[3:]):,} times something else"


# --- files ------------------------------------------------------------------------------------------------------------


def write(run: Run, folder: str | Path, metrics: tuple[str, ...] = ()) -> None:
    """summary.json (as ``--json``), series.csv (every series on the sample grid), run.json (how to get it again)."""
    document = None if run.scenario is None else run.scenario.document
    write_result(folder, run.json(metrics), series_table(run), provenance(run, document))


def write_result(folder: str | Path, summary: Any, series: pd.DataFrame, provenance: Any) -> None:
    """The three files of one run."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    _write_json(folder / "summary.json", summary)
    _write(folder / "series.csv", lambda target: series.to_csv(target, index=False))
    _write_json(folder / "run.json", provenance)


def series_table(run: Run) -> pd.DataFrame:
    """Every series of every object on the sample grid, a column each."""
    import pandas as pd

    from qsim.metrics.numbers import series
    from qsim.scenario.reference import METRICS, SERIES

    names = run.numbers.names
    references = [
        f"{name}.{metric}"
        for name, kind in names.kinds.items()
        for metric, about in METRICS[kind].items()
        if about.type == SERIES and not about.later
    ]
    columns = {reference: series(run.numbers, reference, run.plan.sample_every) for reference in references}
    times = next(iter(columns.values()))[0]
    return pd.DataFrame({"time_s": times, **{reference: values for reference, (_, values) in columns.items()}})


def provenance(run: Run, document: Mapping[str, Any] | None) -> dict[str, Any]:
    """The resolved scenario, versions, seed and digest."""
    from importlib.metadata import version

    packages = ("numpy", "pandas", "simpy", "scipy")
    return {
        "format": RESULT_FORMAT,
        "scenario": run.plan.name,
        "variant": run.plan.variant,
        "seed": run.seed,
        "replication": run.recording.replication,
        "engine": ENGINE,
        "digest": run.digest,
        "stopped": run.recording.stopped,
        "versions": {"qsim": __version__, "python": sys.version.split()[0], **{p: version(p) for p in packages}},
        "document": document,
    }


def _write_json(path: Path, value: Any) -> None:
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str, allow_nan=False) + "\n"
    _write(path, lambda target: Path(target).write_text(text, encoding="utf-8"))


def _write(path: Path, put: Callable[[str], object]) -> None:
    """Write beside it and rename, so that nobody ever sees half a file."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    os.close(handle)
    try:
        put(name)
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
