"""``qsim diff A B``: what differs between two results that were kept: numbers, verdicts, settings, versions.

It knows the files that ``run --out`` writes.  Numbers and verdicts decide the exit code; settings and versions are told
because they may be why.
"""

from __future__ import annotations

import json as json_
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qsim.cli.ends import Exit, Refused
from qsim.cli.terminal import colour, out, short

if TYPE_CHECKING:
    from collections.abc import Callable

MOST = 20
"""Lines shown of a long list."""

Pairs = dict[str, list[Any]]
"""By name what stands in the one and in the other; None: nothing."""


def command(
    first: Annotated[Path, typer.Argument(metavar="A", help="A folder of `qsim run --out`, or its summary.json.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="Another.")],
    json: Annotated[bool, typer.Option("--json", help="One JSON object, and nothing else.")] = False,
) -> int:
    """Say in what two kept results differ (exit 1)."""
    from qsim.cli.against import equal, readable

    a, b = results = readable(first), readable(second)
    made_a, made_b = _provenance(first), _provenance(second)
    found = {
        "metrics": _apart(a["metrics"], b["metrics"], equal),
        "verdicts": _apart(_verdicts(a), _verdicts(b)),
        "settings": _apart(_settings(a, made_a), _settings(b, made_b)),
        "versions": _apart(made_a.get("versions") or {}, made_b.get("versions") or {}),
    }
    is_same = not (found["metrics"] or found["verdicts"])
    if json:
        out(json_.dumps({"same": is_same, "digest": _digest(results), **found}, ensure_ascii=True))
    else:
        for line in _lines(found, is_same and _digest(results)):
            out(line)
    return Exit.OK if is_same else Exit.FAILED


def _provenance(path: Path) -> dict[str, Any]:
    """run.json, of several replications the first one's; nothing beside a lone file."""
    folder = path if path.is_dir() else path.parent
    found = next(
        (each for each in (folder / "run.json", folder / "replication-1" / "run.json") if each.is_file()), None
    )
    if found is None:
        return {}
    try:
        read = json_.loads(found.read_text(encoding="utf-8"))
    except ValueError:
        raise Refused(f"{found}: not JSON") from None
    shapes = [read.get(key, {}) for key in ("versions", "document")] if isinstance(read, dict) else [None]
    if not all(isinstance(each, dict | None) for each in shapes) or shapes == [None]:
        raise Refused(f"{found}: damaged: not what `qsim run --out` writes")
    return read


def _apart(
    first: Mapping[str, Any], second: Mapping[str, Any], same: Callable[[Any, Any], bool] | None = None
) -> Pairs:
    is_same = same or (lambda x, y: x == y)
    names = dict.fromkeys([*first, *second])
    pairs = {name: [first.get(name), second.get(name)] for name in names}
    return {name: pair for name, pair in pairs.items() if not is_same(*pair)}


def _verdicts(result: Mapping[str, Any]) -> dict[str, str]:
    """By what is expected, in the order of the file."""
    return {
        f"{each['that']} {each['predicate']} {each['value']}": each["verdict"]
        for each in result.get("expectations", ())
    }


def _settings(result: Mapping[str, Any], run: Mapping[str, Any]) -> dict[str, Any]:
    """The resolved file as dotted paths, and how it was run; what is expected is told by the verdicts."""
    document = {key: value for key, value in (run.get("document") or {}).items() if key not in ("expect", "seed")}
    how = {key: result.get(key) for key in ("scenario", "variant", "seed", "replications", "engine", "stopped")}
    return how | dict(_flat(document))


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict):
        yield path, value
        return
    for key, part in value.items():
        yield from _flat(part, f"{path}.{key}" if path else str(key))


def _digest(results: tuple[dict[str, Any], dict[str, Any]]) -> bool:
    return bool(results[0].get("digest") == results[1].get("digest"))


# --- shown ------------------------------------------------------------------------------------------------------------


def _lines(found: Mapping[str, Pairs], is_to_the_event: bool) -> Iterator[str]:
    for what, pairs in found.items():
        yield from _block(what, pairs)
    if not (found["metrics"] or found["verdicts"]):
        yield "the same numbers and verdicts" + ("" if is_to_the_event else ", by other events: the digest differs")


def _block(what: str, pairs: Pairs) -> Iterator[str]:
    from qsim.cli.against import said
    from qsim.cli.table import table

    if not pairs:
        return
    rows = [[name, *(short(said(value), MOST) for value in pair)] for name, pair in list(pairs.items())[:MOST]]
    head, *lines = table([[what, "A", "B"], *rows])
    yield colour(head, "bold")
    yield from lines
    if len(pairs) > MOST:
        yield f" and {len(pairs) - MOST} more (--json has all)"
    yield ""
