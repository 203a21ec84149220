"""A scenario file to a Plan, or everything that is wrong with it.

It knows the order of things: extends, the file, the variant, ``--set``; then the shape, the meaning, the advice; then
the Plan.  What each step decides stands in its own module.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath
from typing import Any

from qsim.handlers.code import Given
from qsim.scenario import code, control, files, meaning, model, plan, shape, whatif
from qsim.scenario.branches import Circle, with_branches
from qsim.scenario.paths import merged, overlay
from qsim.scenario.problems import Place, Problem, ScenarioError, Source, did_you_mean, in_order
from qsim.scenario.resolve import Resolver, cost, drain, expectation, precision
from qsim.scenario.source import Document, fail, read_file, read_text, read_value

BASE = "base"
"""The variant that is the file itself."""

MOST_EXTENDS = 10

Override = tuple[str, Document, Place]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A scenario that can be run, and what came with it.  ``problems`` are its warnings."""

    plan: plan.Plan
    problems: tuple[Problem, ...]
    document: dict[str, Any]
    variants: tuple[str, ...]
    sweep: dict[str, list[Any]]
    plots: list[Any]
    breaks: list[dict[str, Any]]
    path: FilePath | None
    model: model.Scenario
    base: Document = field(repr=False)
    _overrides: tuple[Override, ...] = field(repr=False)
    folder: FilePath = field(repr=False)
    allow_code: bool | None = field(default=False, repr=False)

    def with_changes(
        self, changes: Mapping[str, Any] | None = None, *, variant: str | None = None, seed: int | None = None
    ) -> Loaded:
        """The same scenario with other values at some dotted paths, after the variant; None removes."""
        more = [_python_override(path, value) for path, value in (changes or {}).items()]
        return self.with_overrides([*more, *_seed_override(seed)], variant)

    def with_overrides(self, more: Iterable[Override], variant: str | None = None) -> Loaded:
        """The same with values that remember where they were written."""
        chosen = self.plan.variant if variant is None else variant
        return _finish(
            self.base, chosen, (*self._overrides, *more), self.folder, self.path, self.allow_code, what_ifs=False
        )


def read(
    target: str | FilePath = "",
    *,
    variant: str | None = None,
    sets: Iterable[str] = (),
    seed: int | None = None,
    text: str | None = None,
    file_name: str | None = None,
    allow_code: bool | None = False,
) -> Loaded:
    """``target`` is a path or the name of a bundled scenario; raises ScenarioError with all that is wrong.  ``allow_code``:
    whether handlers that it names may be imported and run; None: it is read only, and they are not looked for."""
    path = None if text is not None else _file(target)
    shown = file_name or ("scenario.yaml" if path is None else _named(target, path))
    document = read_text(text, shown) if text is not None else read_file(FilePath(path or shown), shown)
    folder = FilePath(path or shown).parent
    document = _extended(document, folder, (FilePath(path or shown),))
    overrides = (*(_option(option) for option in sets), *_seed_override(seed))
    return _finish(document, variant or BASE, overrides, folder, path, allow_code)


def _file(target: str | FilePath) -> FilePath:
    path, name = files.scenario_file(target), str(target)
    if not path.exists():
        place = Place(Source(name, (), is_file=False), 1, 1)
        known = list(files.bundled())
        fail(
            "Q004", "there is no such file, and no bundled scenario of this name", place, did_you_mean(name, known, "")
        )
    return path


def _named(target: str | FilePath, path: FilePath) -> str:
    """A bundled scenario by its file's name: where it is installed is of no interest."""
    return str(target) if str(target) == str(path) else path.name


# --- extends ---------------------------------------------------------------------------------------------------------


def _extended(document: Document, folder: FilePath, seen: tuple[FilePath, ...]) -> Document:
    """The file on top of what it extends, and that on top of what it extends itself."""
    name = document.data.get("extends") if isinstance(document.data, dict) else None
    if not isinstance(name, str):
        return document
    place = document.place(("extends",))
    path = _extends_file(name, folder, place)
    if path.resolve() in [known.resolve() for known in seen]:
        fail("Q006", f"extends goes round in a circle: {name!r} extends this file", place)
    if len(seen) > MOST_EXTENDS:
        fail("Q006", f"extends goes over more than {MOST_EXTENDS} files", place)
    base = _extended(read_file(path, _shown(path, folder)), folder, (*seen, path))
    if not isinstance(base.data, dict):
        fail("Q011", f"{name!r} is not a scenario", place)
    return _without_extends(merged(base, document))


def _extends_file(name: str, folder: FilePath, place: Place) -> FilePath:
    if name in files.bundled():
        return files.bundled()[name]
    try:
        return files.below(folder, name)
    except files.NotAllowed as why:
        known = list(files.bundled())
        fail("Q004", f"extends: {name[:80]!r} {why}", place,
             did_you_mean(name, known, "") or "qsim examples lists the bundled scenarios")  # fmt: skip


def _shown(path: FilePath, folder: FilePath) -> str:
    base = folder.resolve()
    return str(folder / path.relative_to(base)) if path.is_relative_to(base) else path.name


def _without_extends(document: Document) -> Document:
    return replace(document, data={key: value for key, value in document.data.items() if key != "extends"})


# --- what is put on top ----------------------------------------------------------------------------------------------


def _option(option: str) -> Override:
    """One ``--set PATH=VALUE``; the value is YAML."""
    shown = f"--set {option}"
    place = Place(Source(shown, (), is_file=False), 1, 1)
    path, equals, value = option.partition("=")
    if not equals or not path.strip():
        fail("Q019", "write PATH=VALUE, like consumers.worker.count=9", place)
    return path.strip(), read_value(value, shown), place


def _python_override(path: str, value: Any) -> Override:
    place = Place(Source(f"set {path}", (), is_file=False), 1, 1)
    return path, Document(plain(value), {}, {(): place}), place


def plain(value: Any) -> Any:
    """Tuples are lists and ranges too, as in a file; a function is the text that names it, and more."""
    if callable(value):
        return Given.of(value)
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(inner) for inner in value]
    return value


def _seed_override(seed: int | None) -> tuple[Override, ...]:
    if seed is None:
        return ()
    place = Place(Source(f"--seed {seed}", (), is_file=False), 1, 1)
    return (("seed", Document(seed, {}, {(): place}), place),)


def _with_variant(document: Document, variant: str) -> tuple[Document, list[Problem]]:
    if variant == BASE:
        return document, []
    names = whatif.names(document)
    if variant not in names:
        where = Place(Source(f"--variant {variant}", (), is_file=False), 1, 1)
        fail("Q020", f"no variant is called {variant!r}", where, did_you_mean(variant, [BASE, *names], "there are"))
    return overlay(document, whatif.overrides(document, ("variants", variant)))


# --- the steps -------------------------------------------------------------------------------------------------------


def _finish(
    base: Document,
    variant: str,
    overrides: tuple[Override, ...],
    folder: FilePath,
    path: FilePath | None,
    allow_code: bool | None = False,
    *,
    what_ifs: bool = True,
) -> Loaded:
    """``what_ifs`` false: variants, sweeps and breaks were looked at when the file was read."""
    document, problems = _with_variant(base, variant)
    document, more = overlay(document, overrides)
    problems += more
    scenario, found = _checked(document, folder)
    problems += found + code.check(document, folder, allow_code)
    problems += whatif.check_sets(document, problems, folder)
    problems += whatif.check(base, problems, folder) if what_ifs else []
    if scenario is None or any(problem.is_error for problem in problems):
        raise ScenarioError(in_order(problems))
    return Loaded(
        plan=_plan(document, scenario, variant, folder),
        problems=tuple(in_order(problems)),
        document=_resolved(document.data),
        variants=tuple(whatif.names(document)),
        sweep={over: list(whatif.values(given)) for over, given in (scenario.sweep or {}).items()},
        plots=list(document.data.get("plots") or []),
        breaks=list(scenario.breaks or []),
        path=path,
        model=scenario,
        base=base,
        _overrides=overrides,
        folder=folder,
        allow_code=allow_code,
    )


def _checked(document: Document, folder: FilePath) -> tuple[model.Scenario | None, list[Problem]]:
    scenario, problems = shape.check(document)
    return scenario, problems + meaning.check(document, scenario, problems, folder)


def _plan(document: Document, scenario: model.Scenario, variant: str, folder: FilePath) -> plan.Plan:
    resolver, run = Resolver(scenario, folder), scenario.run
    controls, alerts = control.timeline(document, scenario, folder), control.alerts(document, scenario, folder)
    changes = control.changes(controls, alerts)
    queues, producers = resolver.queues(), resolver.producers()
    consumers = control.with_most(code.with_handlers(document, resolver.consumers(), folder), changes)
    try:
        topics, consumers, made = with_branches(queues, resolver.topics(), producers, consumers, changes)
    except Circle as circle:
        section = "topics" if circle.names[0] in (scenario.topics or {}) else "consumers"
        place = document.place((section, circle.names[0]), of_key=True)
        fail("Q034", f"a message would come back as another, for ever: {circle}", place)
    return plan.Plan(
        name=scenario.name,
        title=scenario.title,
        description=scenario.description,
        tags=tuple(scenario.tags or ()),
        variant=variant,
        seed=scenario.seed,
        duration=run.duration,
        warmup=run.warmup if isinstance(run.warmup, int) else 0,
        replications=run.replications if isinstance(run.replications, int) else run.replications.min,
        sample_every=run.sample_every,
        drain=drain(run),
        queues=queues,
        producers=producers,
        consumers=consumers,
        timeline=controls,
        alerts=alerts,
        expect=tuple(expectation(expect) for expect in scenario.expect or ()),
        topics=topics,
        dependencies=resolver.dependencies(),
        branches=made,
        cost=cost(scenario.cost),
        is_warmup_found=run.warmup == "auto",
        precision=precision(run.replications),
    )


def _resolved(data: Any, depth: int = 0) -> Any:
    """Without the keys that ``null`` took away; ``variants`` and the like keep theirs, which say what to remove."""
    if not isinstance(data, dict):
        return data
    kept = {key: value for key, value in data.items() if value is not None}
    as_it_is = ("variants", "sweep", "breaks", "timeline") if depth == 0 else ()
    return {key: value if key in (*as_it_is, "set") else _resolved(value, depth + 1) for key, value in kept.items()}
