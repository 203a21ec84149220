"""Answers that are kept as they come, so that a sweep that was interrupted goes on where it stopped.

It knows files, not what was asked.  A file holds one answer and is named by everything that the answer depends on: the
resolved scenario with its seed, the replication, what was asked, and the code that worked it out.  Its first line is
the checksum of its name and the second; what does not match was damaged, and is worked out again.  What a handler did
is not kept: nothing tells when its code has changed.  Files are JSON: reading what
somebody else left in a folder runs nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from qsim import __version__
from qsim.scenario.plan import Plan
from qsim.study.tasks import Answer, Task

FOLDER = ".qsim-sweeps"
"""Where nothing else is said: in the current folder."""

_PACKAGE = Path(__file__).resolve().parent.parent


class Damaged(Exception):
    """A file whose checksum does not match; its text is the file's name."""


@dataclass(frozen=True, slots=True)
class Store:
    """``asked`` says what was asked, in the same words every time."""

    folder: Path
    asked: str
    _keys: dict[int, tuple[Plan, str]] = field(default_factory=dict, repr=False)

    def get(self, task: Task) -> Answer | None:
        """The answer, if it was kept; raises Damaged."""
        if _has_handler(task.plan):
            return None
        file = self.file(task)
        try:
            text = file.read_bytes()
        except FileNotFoundError:
            return None
        checksum, _, body = text.partition(b"\n")
        if checksum != _checksum(file, body):
            raise Damaged(str(file))
        return Answer(**json.loads(body))

    def keep(self, task: Task, answer: Answer) -> None:
        """Whole or not at all: written beside it and renamed."""
        if _has_handler(task.plan):
            return
        body = json.dumps(asdict(answer)).encode()
        file = self.file(task)
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=file.parent, prefix=".", suffix=".part")
        with os.fdopen(handle, "wb") as part:
            part.write(_checksum(file, body) + b"\n" + body)
        os.replace(name, file)

    def file(self, task: Task) -> Path:
        """Where its answer is kept."""
        more = repr((task.replication, task.until, task.max_messages, self.asked))
        key = hashlib.sha256((self._key(task.plan) + more).encode()).hexdigest()
        return self.folder / key[:2] / f"{key[2:40]}.json"

    def _key(self, plan: Plan) -> str:
        """Once a plan: all its replications share it."""
        if id(plan) not in self._keys:
            self._keys[id(plan)] = plan, key_of(plan)  # the plan is kept so that its id stays its own
        return self._keys[id(plan)][1]


def _has_handler(plan: Plan) -> bool:
    return any(consumer.handler is not None for consumer in plan.consumers)


def _checksum(file: Path, body: bytes) -> bytes:
    """Of what is in it and what it is called: a file that was renamed answers for another run."""
    return hashlib.sha256(f"{file.parent.name}/{file.name}\n".encode() + body).hexdigest().encode()


def key_of(plan: Plan) -> str:
    """A hash of all that decides what a run says, replication and how many there will be apart: plans are plain values, and
    their text says everything."""
    text = repr(replace(plan, name="", variant="", title="", description="", tags=(), replications=1, precision=None))
    assert " at 0x" not in text, "a plan holds something that has no value"
    return hashlib.sha256(f"{code()} {text}".encode()).hexdigest()


@cache
def code() -> str:
    """The version, and a hash of the source: a rule that was corrected makes new answers."""
    sha = hashlib.sha256()
    for file in sorted(_PACKAGE.rglob("*.py")):
        if file.relative_to(_PACKAGE).parts[0] in _DECIDES:
            sha.update(file.read_bytes())
    return f"{__version__} {sha.hexdigest()[:16]}"


_DECIDES = ("units.py", "handlers", "kernel", "brokers", "scenario", "sim", "metrics", "claims", "study")


def prepare(folder: Path) -> None:
    """Make the folder, unseen by git: it can always be worked out again."""
    folder.mkdir(parents=True, exist_ok=True)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n")


def kept(tasks: Sequence[Task], store: Store) -> tuple[dict[int, Answer], list[str]]:
    """The answers that are there, by the index of their task, and the files that are damaged."""
    found: dict[int, Answer] = {}
    damaged: list[str] = []
    for which, task in enumerate(tasks):
        try:
            answer = store.get(task)
        except Damaged as error:
            damaged.append(str(error))
            continue
        if answer is not None:
            found[which] = answer
    return found, damaged


def words_of(ask: Any) -> str:
    """What an ``ask`` asks: a dataclass tells its fields, a function its name."""
    text = f"{ask.__module__}.{ask.__qualname__}" if hasattr(ask, "__qualname__") else repr(ask)
    assert " at 0x" not in text, "what is asked must say itself the same way every time"
    return text
