"""``qsim compare``: variants of a file, or several files, side by side with the same luck.

It knows options, columns and words; ``claims.compared`` works it all out.
"""

from __future__ import annotations

import json as json_
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qsim.cli.ends import Exit, Refused
from qsim.cli.options import AllowCode
from qsim.cli.terminal import WIDTH, colour, err, out
from qsim.cli.whole import put, writable

if TYPE_CHECKING:
    from qsim.claims.compared import Comparison
    from qsim.claims.verdicts import Verdict
    from qsim.cli.runs import Wish
    from qsim.scenario.load import Loaded
    from qsim.scenario.plan import Plan
    from qsim.study.compare import Difference


def command(
    files: Annotated[list[str], typer.Argument(metavar="FILE|NAME...", help="A file and its variants, or files.")],
    variants: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="These variants (base: the file itself), the first is compared with."),
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Change a value in all.")
    ] = None,
    metric: Annotated[
        list[str] | None, typer.Option(metavar="REF", help='Show one number more: "orders.wait p95".')
    ] = None,
    replications: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Of each; as the file says, or 10.")
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Other luck.")] = None,
    jobs: Annotated[int, typer.Option(metavar="N", min=1, help="Processes.")] = 1,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a row a metric and column.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object, and nothing else.")] = False,
    allow_code: AllowCode = False,
) -> int:
    """Compare variants, or files, under the same luck."""
    from qsim.cli.runs import Wish

    writable(csv, "--csv")
    wish = Wish("", None, tuple(set_ or ()), seed, replications, jobs=jobs, allow_code=allow_code)
    columns = _plans(files, variants, wish)
    plans = {name: plan for name, (plan, _) in columns.items()}
    _references(list(plans.values()), metric or [])
    found = _compared(plans, metric or [], wish, json)
    if not found.replications:
        err(f"stopped: 0 of {found.interrupted_of} replications, nothing to compare")
        return Exit.INTERRUPTED
    if csv is not None:
        put(csv, found.frame().to_csv(index=False))
    if json:
        out(json_.dumps(found.json(), ensure_ascii=True, allow_nan=False))
    else:
        for line in _lines(found, _title(files, found), {name: trace for name, (_, trace) in columns.items()}):
            out(line)
    if found.interrupted_of is not None:
        err(f"stopped: {found.replications} of {found.interrupted_of} replications")
        return Exit.INTERRUPTED
    return Exit.STOPPED if found.violations or found.stopped else Exit.OK


def _compared(plans: dict[str, Plan], metrics: Sequence[str], wish: Wish, quiet: bool) -> Comparison:
    from qsim.claims.compared import compare
    from qsim.cli.progress import Watch
    from qsim.study.compare import Wanted
    from qsim.study.tasks import Interrupted

    with Watch("comparing", quiet=quiet) as watch:
        try:
            return compare(plans, metrics, Wanted(wish.replications, wish.jobs, seen=watch.replication, progress=watch))
        except Interrupted as stop:
            partial: Comparison = stop.done
            return partial


# --- which ------------------------------------------------------------------------------------------------------------


def _plans(files: Sequence[str], variants: str | None, wish: Wish) -> dict[str, tuple[Plan, str]]:
    """Of one file all variants or those named; of several each file, or these variants of each.  By column a plan, and
    the command that looks into its messages."""
    from qsim.cli.runs import trace

    named = None if variants is None else [name.strip() for name in variants.split(",") if name.strip()]
    plans: dict[str, tuple[Plan, str]] = {}
    for file in files:
        for name, loaded in _columns(file, named, wish, is_alone=len(files) == 1):
            plans[_unused(name, plans)] = loaded.plan, trace(replace(wish, target=file))
    if named is None and len(files) == 1:
        plans = _without_twins(plans)
    if len(plans) < 2:
        raise Refused(f"{' '.join(files)}: one scenario alone; name --variants, or another file to compare it with")
    return plans


def _columns(file: str, named: list[str] | None, wish: Wish, is_alone: bool) -> Iterator[tuple[str, Loaded]]:
    from qsim.cli.runs import load
    from qsim.scenario.load import BASE

    base = load(replace(wish, target=file))
    known = (BASE, *base.variants)
    wanted = named or (list(known) if is_alone else [BASE])
    for name in wanted:
        if name not in known:
            from qsim.scenario.problems import did_you_mean

            raise Refused(f"{file} has no variant {name!r}; {did_you_mean(name, known, 'there are')}")
        loaded = base if name == BASE else load(replace(wish, target=file, variant=name))
        yield (name if is_alone else loaded.plan.name if name == BASE else f"{loaded.plan.name} {name}"), loaded


def _without_twins(plans: dict[str, tuple[Plan, str]]) -> dict[str, tuple[Plan, str]]:
    """A variant that changes nothing stands for the file itself: its name says more than "base"."""
    (_, (plan, _)), *others = plans.items()
    twin = next((name for name, (other, _) in others if replace(other, variant=plan.variant) == plan), None)
    if twin is None:
        return plans
    return {twin: plans[twin]} | {name: each for name, each in others if name != twin}


def _unused(name: str, taken: dict[str, tuple[Plan, str]]) -> str:
    """Two files of one name are told apart."""
    return next(each for each in (name, *(f"{name} ({n})" for n in range(2, 1000))) if each not in taken)


def _references(plans: Sequence[Plan], metrics: Sequence[str]) -> None:
    """A number that none of them tells is said before any runs; the error is the first one's."""
    from qsim.claims.compared import can_tell
    from qsim.metrics.numbers import names_of
    from qsim.scenario.reference import ReferenceError_, check_told, parse

    for text in metrics:
        if any(can_tell(plan, text) for plan in plans):
            continue
        try:
            check_told(parse(text), names_of(plans[0]))
        except ReferenceError_ as error:
            raise Refused(f"--metric {text!r}: {error}") from None


# --- shown ------------------------------------------------------------------------------------------------------------


def _title(files: Sequence[str], found: Comparison) -> str:
    """The scenario's name where there is one."""
    names = {plan.name for plan in found.plans.values()}
    return names.pop() if len(names) == 1 else " ".join(Path(file).stem for file in files)


def _lines(found: Comparison, title: str, traces: dict[str, str]) -> Iterator[str]:
    n = found.replications
    yield colour(f"{title}   {n} replication{'s' * (n > 1)} of each, common random numbers"[:WIDTH], "bold")
    if found.interrupted_of is not None:
        told = f"PARTIAL RESULT  stopped: {n} of {found.interrupted_of} replications"
        yield colour(told, "red")
    for name in found.stopped:
        yield colour(f"PARTIAL RESULT  a run of {name} did not come to its end", "red")
    for problem in found.violations:
        yield colour(f"NOT CONSERVED  {problem}: a bug of ours, do not trust these numbers", "red")
    for block in _blocks(found):
        yield colour(block[0], "bold")
        yield from block[1:]
        yield ""
    yield from _footnotes(found)
    yield from _failures(found, traces)


def _blocks(found: Comparison) -> Iterator[list[str]]:
    """As many columns as fit; the first stands in each.  Of two alone there is room for the difference."""
    from qsim.cli.table import table

    columns = {name: _cells(found, name) for name in found.names}
    heads = ["", *found.told, *(["expectations"] if any(found.verdicts(name) for name in found.names) else [])]
    first, *others = found.names
    apart = _differences(found, others[0])
    if len(others) == 1 and found.replications > 1 and _width(heads, columns | {"": apart}, [*columns, ""]) <= WIDTH:
        yield table([[heads[i], columns[first][i], columns[others[0]][i], apart[i]] for i in range(len(heads))])
        return
    while others:
        taken = next(
            k for k in range(len(others), 0, -1) if k == 1 or _width(heads, columns, [first, *others[:k]]) <= WIDTH
        )
        shown = [first, *others[:taken]]
        others = others[taken:]
        yield table([[heads[i], *(columns[name][i] for name in shown)] for i in range(len(heads))])


def _width(heads: Sequence[str], columns: dict[str, list[str]], names: Sequence[str]) -> int:
    return 1 + max(map(len, heads)) + sum(2 + max(map(len, columns[name])) for name in names)


def _cells(found: Comparison, name: str) -> list[str]:
    from qsim.cli.screen import mean_said

    cells = [name]
    for text in found.told:
        mark = "*" if found.difference(name, text).differs else " "
        cells.append(mean_said(found.exact(name, text), text) + mark)
    return [*cells, " ".join(_mark(verdict) for verdict in found.verdicts(name))]


def _differences(found: Comparison, name: str) -> list[str]:
    """To the first, in pairs, with half of its 95 % interval."""
    return ["difference", *(_difference(found.difference(name, text), text) for text in found.told), ""]


def _difference(apart: Difference, text: str) -> str:
    from qsim.cli.screen import half_said, mean_said
    from qsim.study.intervals import Estimate

    if apart.mean is None:
        return ""
    told = Estimate(apart.mean, apart.half)
    return f"{mean_said(told, text)} {half_said(told, text)}".rstrip()


def _mark(verdict: Verdict) -> str:
    return {"pass": "✓", "fail": "✗"}.get(verdict.verdict, "?")


def _footnotes(found: Comparison) -> Iterator[str]:
    from qsim.cli.table import hanging

    first = found.names[0]
    if found.replications < 2:
        yield from hanging(" ", "one replication of each cannot tell a difference from noise: --replications 10", 1)
    elif any(found.difference(name, text).differs for name in found.names for text in found.told):
        yield from hanging(
            " * ", f"differs from {first} beyond noise: 0 is not in the 95 % interval of the differences", 3
        )
    else:
        yield from hanging(" ", f"nothing differs from {first} beyond noise (95 % intervals of the differences)", 1)
    if len(found.names) > 2 and found.replications > 1:
        yield " two of them alone are shown with their differences, and the intervals of these"
    alike = len(found.references) - len(found.told)
    if alike:
        yield f" {alike} number{'s are' if alike > 1 else ' is'} the same in all, and not shown"


def _failures(found: Comparison, traces: dict[str, str]) -> Iterator[str]:
    """Why what fails does, a column each; a reason is given once."""
    from qsim.cli.screen import within_width

    said: set[tuple[str, ...]] = set()
    for name in found.names:
        for verdict in found.verdicts(name):
            first, *why = (
                line.replace(f"qsim trace {found.plans[name].name}", traces[name]) for line in verdict.lines()
            )
            if verdict.verdict == "pass":
                continue
            yield ""
            yield from within_width([f"{verdict.mark} {name}: {first.removeprefix(verdict.mark).strip()}"])
            if tuple(why) not in said:
                said.add(tuple(why))
                yield from within_width(why)
