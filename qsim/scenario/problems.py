"""What is wrong with a scenario, where it stands, and how it is printed.

It knows places and texts, not what is right.  A Place is a line and a column of a Source: a file, or one ``--set`` of
the command line, which has no lines worth printing.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from qsim.scenario.cell import ToldInACell


@dataclass(frozen=True, slots=True)
class Source:
    """``is_file`` false: one ``--set``; its name is all there is to print."""

    name: str
    lines: tuple[str, ...] = field(repr=False)
    is_file: bool = True


@dataclass(frozen=True, slots=True)
class Place:
    """Line and column count from 1; ``quote`` is 1 where a quotation mark stands before the text."""

    source: Source
    line: int
    column: int
    quote: int = 0

    def shifted(self, by: int) -> Place:
        return replace(self, column=self.column + self.quote + by) if by else self


@dataclass(frozen=True, slots=True)
class Problem:
    """``plain`` is the message where the place is a ``--set``, if it differs."""

    code: str
    message: str
    place: Place
    suggestion: str | None = None
    plain: str | None = None

    @property
    def is_error(self) -> bool:
        return self.code.startswith("Q")


class ScenarioError(ToldInACell, Exception):
    """All that is wrong with a scenario, warnings included; its text is what ``qsim validate`` prints."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(render(self.problems))

    def in_a_cell(self) -> str:
        """Each problem; a cell needs no line that counts them."""
        return "\n".join(map(_one, in_order(self.problems)))


def render(problems: Sequence[Problem]) -> str:
    """Errors by position, warnings by position, and a line that counts them."""
    ordered = in_order(problems)
    return "\n".join([*(_one(problem) for problem in ordered), *_counted(ordered)])


def in_order(problems: Sequence[Problem]) -> list[Problem]:
    """Files in the order in which they were met, then by position; the same thing said once."""
    files = {problem.place.source.name: None for problem in problems}
    rank = {name: number for number, name in enumerate(files)}
    unique = {(p.code, p.message, p.place.source.name, p.place.line, p.place.column): p for p in problems}
    return sorted(
        unique.values(), key=lambda p: (not p.is_error, rank[p.place.source.name], p.place.line, p.place.column, p.code)
    )


def close_to(word: str, words: Iterable[str]) -> str | None:
    """The known word that was probably meant."""
    if len(word) > 80:
        return None
    found = difflib.get_close_matches(word, sorted(set(words)), n=1, cutoff=0.6)
    return found[0] if found else None


def did_you_mean(word: str, words: Sequence[str], lists: str) -> str | None:
    """ "did you mean 'jobs'? there are: jobs, jobs-dlq"; ``lists`` is what stands before the words."""
    guess, shown = (close_to(word, words), ", ".join(words[:20]) + (", …" if len(words) > 20 else ""))
    parts = [f"did you mean {guess!r}?" if guess else "", f"{lists}: {shown}" if words and lists else ""]
    return " ".join(part for part in parts if part) or None


def _one(problem: Problem) -> str:
    return _in_a_file(problem) if problem.place.source.is_file else _on_the_command_line(problem)


def _in_a_file(problem: Problem) -> str:
    place, kind = problem.place, "error" if problem.is_error else "warning"
    head = f"{place.source.name}:{place.line}:{place.column}: {kind} {problem.code}: {_clean(problem.message)}"
    guess = [f"      = {_clean(problem.suggestion)}"] if problem.suggestion else []
    return "\n".join([head, *(_shown(place) if place.source.lines else []), *guess])


def _shown(place: Place) -> list[str]:
    """The line and a caret under the column."""
    text, column = _window(place.source.lines, place)
    return [f"{place.line:>5} |" + (f" {text}" if text else ""), "      | " + " " * (column - 1) + "^"]


def _on_the_command_line(problem: Problem) -> str:
    warning = "" if problem.is_error else f"warning {problem.code}: "
    guess = f"; {problem.suggestion}" if problem.suggestion else ""
    return _clean(f"{problem.place.source.name}: {warning}{problem.plain or problem.message}{guess}")


def _window(lines: Sequence[str], place: Place) -> tuple[str, int]:
    """The line as it stands; of a very long one the part around the column."""
    line = _clean(lines[place.line - 1]) if place.line <= len(lines) else ""
    if len(line) <= 160:
        return line, place.column
    start = max(0, place.column - 60)
    return line[start : start + 120], place.column - start


def _clean(text: str) -> str:
    """One line a terminal can show: control characters would move the caret, or worse."""
    return "".join(c if c.isprintable() else " " if c == "\t" else "�" for c in text)


def _counted(problems: Sequence[Problem]) -> list[str]:
    errors = sum(problem.is_error for problem in problems)
    counts = ((errors, "error"), (len(problems) - errors, "warning"))
    text = ", ".join(f"{n} {word}{'' if n == 1 else 's'}" for n, word in counts if n)
    return [text] if text else []
