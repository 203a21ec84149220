"""Holds a document against the model, and says in our words what does not fit.

It knows pydantic's errors and our codes, nothing of what a scenario means.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from qsim.scenario import model
from qsim.scenario.paths import value_at
from qsim.scenario.problems import Problem, did_you_mean
from qsim.scenario.source import Document, Path

MOST_SHOWN = 200


def check(document: Document) -> tuple[model.Scenario | None, list[Problem]]:
    """The model, or all that is wrong with the shape."""
    if not isinstance(document.data, dict):
        return None, [Problem("Q011", "a scenario is a map of keys, beginning with qsim: 1", document.place(()))]
    try:
        return model.Scenario.model_validate(document.data), []
    except ValidationError as error:
        return None, [_problem(details, document) for details in error.errors(include_url=False)[:MOST_SHOWN]]


def repaired(document: Document) -> model.Scenario | None:
    """The model of what is left without the parts that do not fit, so that the rest can be checked all the same."""
    data = document.data
    for _ in range(8):
        try:
            return model.Scenario.model_validate(data)
        except ValidationError as error:
            for details in error.errors(include_url=False, include_context=False):
                data = _without(data, _around(details))
    return None


def path_of(location: tuple[str | int, ...]) -> Path:
    return tuple(step for step in location if not (isinstance(step, str) and step.startswith("~")))


def fields(path: Path) -> list[str]:
    """The keys that may stand in the map at this path."""
    shape = shape_at(path)
    return [field.alias or name for name, field in shape.model_fields.items()] if shape else []


def shape_at(path: Path) -> type[model.Shape] | None:
    shape: type[model.Shape] | None = model.Scenario
    steps = iter(path)
    for step in steps:
        if shape is None or (annotation := _annotation(shape, step)) is None:
            return None
        for _ in range(_levels(annotation)):
            if next(steps, None) is None:
                return None
        shape = next(_shapes(annotation), None)
    return shape


def _annotation(shape: type[model.Shape], step: str | int) -> Any:
    return next((f.annotation for name, f in shape.model_fields.items() if (f.alias or name) == step), None)


def _levels(annotation: Any) -> int:
    """How many steps of a path a dict or list takes before its shape begins."""
    own = 1 if get_origin(annotation) in (dict, list) else 0
    return own + max((_levels(inner) for inner in get_args(annotation)), default=0)


def _shapes(annotation: Any) -> Iterator[type[model.Shape]]:
    if isinstance(annotation, type) and get_origin(annotation) is None and issubclass(annotation, model.Shape):
        yield annotation
    for inner in get_args(annotation):
        yield from _shapes(inner)


# --- one error -------------------------------------------------------------------------------------------------------


def _problem(details: ErrorDetails, document: Document) -> Problem:
    path = path_of(details["loc"])
    return _WORDS.get(details["type"], _other)(details, path, document)


def _own(details: ErrorDetails, path: Path, document: Document) -> Problem:
    context = details["ctx"]
    place = document.place(path, of_key=details["input"] is None)  # what is left out has no place of its own
    return Problem(context["code"], context["message"], place, context["suggestion"])


def _unknown(details: ErrorDetails, path: Path, document: Document) -> Problem:
    key = str(path[-1])
    inside = f" in {dotted(path[:-1])}" if path[:-1] else ""
    place = document.place(path, of_key=True)
    guess = did_you_mean(key, fields(path[:-1]), "")
    return Problem("Q010", f"unknown key {key!r}{inside}", place, guess, f"no key {key!r}{inside}")


def _missing(details: ErrorDetails, path: Path, document: Document) -> Problem:
    inside = f" in {dotted(path[:-1])}" if path[:-1] else ""
    parent = value_at(document.data, path[:-1])
    place = document.place(path, of_key=True)
    if isinstance(parent, dict) and path[-1] in parent:
        return Problem("Q029", f"{path[-1]!r} is required{inside}: null cannot remove it", place)
    return Problem("Q016", f"{path[-1]!r} is required{inside}", place)


def _literal(details: ErrorDetails, path: Path, document: Document) -> Problem:
    allowed = re.findall(r"'([^']*)'", details["ctx"]["expected"]) or ["true"]
    key = next((step for step in reversed(path) if isinstance(step, str)), "")
    given = details["input"]
    shown = repr(given if len(str(given)) <= 40 else str(given)[:37] + "...")
    guess = did_you_mean(str(given), allowed, "one of")
    return Problem("Q012", f"{shown} is not allowed for {key!r}", document.place(path), guess)


def _kind(needed: str, example: str) -> Callable[[ErrorDetails, Path, Document], Problem]:
    def problem(details: ErrorDetails, path: Path, document: Document) -> Problem:
        what = dotted(path) or "a scenario"
        if details["input"] is None:
            return Problem("Q011", f"{what} is empty: write {example}", document.place(path, of_key=True))
        return Problem("Q011", f"{what} must be {needed}, like {example}", document.place(path))

    return problem


def _other(details: ErrorDetails, path: Path, document: Document) -> Problem:
    return Problem("Q011", f"{dotted(path)}: {details['msg'][:1].lower()}{details['msg'][1:]}", document.place(path))


_WORDS: dict[str, Callable[[ErrorDetails, Path, Document], Problem]] = {
    "qsim": _own,
    "extra_forbidden": _unknown,
    "missing": _missing,
    "literal_error": _literal,
    "model_type": _kind("a map", "{}"),
    "dict_type": _kind("a map", "{}"),
    "list_type": _kind("a list", "[]"),
    "bool_type": _kind("true or false", "true"),
    "int_type": _kind("a whole number", "1"),
}


def dotted(path: Path) -> str:
    return ".".join(map(str, path))


# --- what is left ----------------------------------------------------------------------------------------------------


def _around(details: ErrorDetails) -> Path:
    """What has to go: the wrong value itself, or the map that lacks a key."""
    path = path_of(details["loc"])
    return path[:-1] if details["type"] == "missing" and len(path) > 1 else path


def _without(data: Any, path: Path) -> Any:
    if not path:
        return {}
    step, rest = path[0], path[1:]
    if isinstance(data, list) and isinstance(step, int) and step < len(data):
        # An empty place, so that the places behind it keep their number.
        inner = _without(data[step], rest) if rest else None
        return [*data[:step], inner, *data[step + 1 :]] if inner is not None else [*data[:step], *data[step + 1 :]]
    if isinstance(data, dict) and step in data:
        return {**data, step: _without(data[step], rest)} if rest else {k: v for k, v in data.items() if k != step}
    return data
