"""A handler as a scenario names it: a function, or the module and the name where one is written.

It knows texts; how the function is found, and whether it could be called, stands in ``found``, which only a run loads.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

TEXT = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*)")

_serial = count(1)


@dataclass(frozen=True)
class Handler:
    """``text`` is ``module:function``; the module is looked for in ``folder``, then where Python looks.  ``function`` is
    there where a person handed one over; then ``serial`` tells it from any other, also from one of the same name."""

    text: str
    folder: str = ""
    function: Callable[..., Any] | None = field(default=None, repr=False)
    serial: int = 0


class Given(str):
    """The text of a function that a person handed over, for a document; ``handler`` has the function."""

    handler: Handler

    @classmethod
    def of(cls, function: Callable[..., Any]) -> Given:
        module = getattr(function, "__module__", None) or "?"
        text = cls(f"{module}:{getattr(function, '__qualname__', type(function).__name__)}")
        text.handler = Handler(str(text), "", function, next(_serial))
        return text
