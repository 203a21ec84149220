"""What the checks have found so far, in one document."""

from __future__ import annotations

from typing import Any

from qsim.scenario.problems import Problem
from qsim.scenario.source import Document, Path


class Said:
    def __init__(self, document: Document) -> None:
        self.document = document
        self.data: Any = document.data
        self.problems: list[Problem] = []

    def say(
        self,
        code: str,
        message: str,
        path: Path,
        suggestion: str | None = None,
        *,
        of_key: bool = False,
        offset: int = 0,
    ) -> None:
        """``of_key``: the caret stands under the key, else under the value, ``offset`` characters in."""
        place = self.document.place(path, of_key=of_key).shifted(offset)
        self.problems.append(Problem(code, message, place, suggestion))
