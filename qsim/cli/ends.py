"""How a command ends: its exit code, and what is said where it could not go on.

It knows exceptions and codes.  Whoever scripts qsim reads these numbers: they never change their meaning.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from enum import IntEnum


class Exit(IntEnum):
    """The exit codes of every command."""

    OK = 0
    FAILED = 1
    WRONG = 2
    INCONCLUSIVE = 3
    STOPPED = 4
    INTERRUPTED = 130


_WORST_FIRST = (Exit.INTERRUPTED, Exit.STOPPED, Exit.WRONG, Exit.FAILED, Exit.INCONCLUSIVE, Exit.OK)


def worst(codes: Iterable[Exit]) -> Exit:
    """Of several files the code that says most: 4, 2, 1, 3, 0."""
    return min(codes, key=_WORST_FIRST.index, default=Exit.OK)


class Refused(Exception):
    """The command line or a file is wrong; the text says what to write instead."""


def of_error(error: BaseException) -> tuple[str, Exit]:
    """What to say of an exception, and the exit code."""
    if isinstance(error, Refused):
        return f"qsim: {error}", Exit.WRONG
    if isinstance(error, MemoryError):
        return "qsim: out of memory: ask for a shorter duration, or fewer messages (--max-messages)", Exit.STOPPED
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", Exit.INTERRUPTED
    if isinstance(error, OSError):
        return f"qsim: {_of_file(error)}", Exit.WRONG
    name = type(error).__name__
    if name in _SAID_BY_THEMSELVES:
        return str(error), Exit.WRONG
    if name == "WorkerLost":
        return f"qsim: {error}", Exit.STOPPED
    return _bug(error), Exit.STOPPED


_SAID_BY_THEMSELVES = ("ScenarioError", "TraceError", "EndlessInstant", "EndlessHandler", "NoHandler", "ClusterError")
"""By name: whoever prints help should not have to import the loader."""


def _of_file(error: OSError) -> str:
    name = f"{error.filename}: " if error.filename else ""
    return f"{name}{error.strerror or error}"


def _bug(error: BaseException) -> str:
    if os.environ.get("QSIM_DEBUG") == "1":
        import traceback

        return "".join(traceback.format_exception(error))
    told = f"{type(error).__name__}: {error}".splitlines()[0][:200]
    return (
        f"qsim: this is a bug of ours, not of your scenario ({told}).\n"
        "Nothing that came of this run can be trusted. Please tell us, with the scenario and\n"
        "the command line; QSIM_DEBUG=1 shows where it happened."
    )
