"""Inside the sandbox: the lesson's own cells run once; then each answer in a process forked from there.

It knows cells, limits and one line of JSON a question, and not whose answer it is.  What a fork does to itself, it does
to nobody else: it may raise, loop, exit, eat memory or fork, and costs its own points.  It is no wall against somebody
who attacks the machine: who grades strangers puts a container around it.
"""

from __future__ import annotations

import ast
import builtins
import ctypes
import json
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from qsim.lab.cells import Cell, Exercise, Lesson, lesson
from qsim.lab.exercises import SEED_OF_THE_GRADER, Score

LARGEST_FILE = 64 * 1024**2
LARGEST_ANSWER = 1024**2
LONGEST_FEEDBACK = 20_000
PATIENCE_S = 5.0
"""How long processes that an answer left behind are chased."""
PATIENCE_WITH_THREADS_S = 120.0
"""How long threads that the lesson's own cells left behind are waited for."""
_PDEATHSIG, _SUBREAPER = 1, 36  # linux/prctl.h

Names = dict[str, Any]
Answer = dict[str, Any]


def main() -> None:
    """Lines of JSON: first the lesson and the limits; then a question a line, answered by a line each."""
    questions, answers = _channels()
    told = json.loads(questions.readline())
    about = lesson(Path(told["lesson"]))
    desk = _desk(about, told["wall_s"], told["memory"])
    try:
        before = _taught(about)
        _be_alone()
        print(json.dumps({"ready": True}), file=answers, flush=True)
    except BaseException as error:
        print(json.dumps({"ready": False, "error": str(error)}), file=answers, flush=True)
        return
    for line in questions:
        question = json.loads(line)
        print(json.dumps(desk(question, before[question["exercise"]])), file=answers, flush=True)


def _channels() -> tuple[Any, Any]:
    """Questions and answers on files of our own; what cells print goes nowhere."""
    questions, answers = os.fdopen(os.dup(0), "r", encoding="utf-8"), os.fdopen(os.dup(1), "w", encoding="utf-8")
    _silence()
    return questions, answers


def _silence() -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)


def _prctl(option: int, value: int) -> None:
    """Linux only: elsewhere what outlives its answer is ended with its process group."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


# --- the lesson -------------------------------------------------------------------------------------------------------


def _taught(about: Lesson) -> dict[str, Names]:
    """Run the lesson's own cells; the names there are where each exercise begins."""
    names: Names = {"__name__": "__main__", "display": lambda *args, **how: None}
    before = {}
    for cell in about.cells:
        if cell.checks in about.exercises:
            before[cell.checks] = dict(names)
        elif cell.is_code and cell.role != "answer":
            _do_own(cell, names)
    return before


def _do_own(cell: Cell, names: Names) -> None:
    try:
        execute(cell.source, names)
    except Exception as error:
        raise RuntimeError(f"a cell of the lesson fails: {_told(error)}: {cell.source.splitlines()[0]}") from error


def _be_alone() -> None:
    """End what the cells began beside themselves.  A fork has no thread but the one that forks, and every lock that
    another one held just then: whoever needs it there waits for ever."""
    pool = sys.modules.get("joblib.externals.loky.reusable_executor")
    if pool is not None and (executor := vars(pool)["_executor"]) is not None:
        executor.shutdown(wait=True, kill_workers=True)
        vars(pool)["_executor"] = None
    until = time.monotonic() + PATIENCE_WITH_THREADS_S
    for thread in threading.enumerate():
        if thread is not threading.main_thread():
            thread.join(max(0.0, until - time.monotonic()))
            if thread.is_alive():
                raise RuntimeError(f"a cell of the lesson leaves a thread at work: {thread.name}")


def execute(source: str, names: Names, called: str = "cell") -> Any:
    """Run a cell; its last expression is the answer, as in a notebook."""
    tree = ast.parse(_plain(source, names), f"<{called}>")
    last = tree.body[-1] if tree.body else None
    if not isinstance(last, ast.Expr):
        return exec(compile(tree, f"<{called}>", "exec"), names)
    tree.body.pop()
    exec(compile(tree, f"<{called}>", "exec"), names)
    return eval(compile(ast.Expression(last.value), f"<{called}>", "eval"), names)


def _plain(source: str, names: Names) -> str:
    """Python for what may have magics in it (``%time``, ``!ls``)."""
    with suppress(SyntaxError):
        ast.parse(source)
        return source
    try:
        from IPython.core.interactiveshell import InteractiveShell
        from traitlets.config import Config

        no_history = Config(HistoryManager={"enabled": False})  # it would be kept in a thread that never ends
        return str(InteractiveShell.instance(user_ns=names, config=no_history).transform_cell(source))
    except ImportError:
        return "\n".join(line for line in source.splitlines() if not line.lstrip().startswith(("%", "!", "?")))


# --- one answer -------------------------------------------------------------------------------------------------------


def _desk(about: Lesson, wall_s: float, memory: int) -> Callable[[dict[str, Any], Names], Answer]:
    """Whoever answers a question: a fork that has so much time and memory."""
    _prctl(_SUBREAPER, 1)
    import scipy.special  # noqa: F401  what claims load late takes more room to load than it keeps

    room = _size() + memory

    def ask(question: dict[str, Any], names: Names) -> Answer:
        begun = time.monotonic()
        one = about.exercises[question["exercise"]]
        with tempfile.TemporaryDirectory(prefix="qsim-grade-", ignore_cleanup_errors=True) as folder:
            answer = _forked(one, question, names, Path(folder), wall_s, room)
        return {**answer, "seconds": round(time.monotonic() - begun, 3)}

    return ask


def _size() -> int:
    """Bytes of address space in use, where that can be known."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except OSError:
        return 0


def _forked(one: Exercise, question: dict[str, Any], names: Names, folder: Path, wall_s: float, room: int) -> Answer:
    reader, writer = os.pipe()
    ours = set(_children())
    child = os.fork()
    if child == 0:
        _confined(lambda: _answered(one, question, names, folder), writer, folder, wall_s, room)
    os.close(writer)
    try:
        text = _heard(reader, time.monotonic() + wall_s)
    finally:
        os.close(reader)
        ended = _ended(child, ours)
    if text is None:
        return _nothing(f"took longer than {wall_s:g} s")
    try:
        return dict(json.loads(text))
    except ValueError:
        return _nothing(_how(ended))


def _heard(reader: int, until: float) -> bytes | None:
    """All that the fork says until it closes its end; None when the time is over."""
    text = b""
    while (left := until - time.monotonic()) > 0:
        if not select.select([reader], [], [], left)[0]:
            break
        part = os.read(reader, 65536)
        if not part or len(text) > LARGEST_ANSWER or b"\n" in part:
            return text + part
        text += part
    return None


def _ended(child: int, ours: set[int]) -> int:
    """End the fork and all that it started, and collect them; its exit status."""
    status = 0
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    with suppress(ChildProcessError):
        status = os.waitpid(child, 0)[1]
    until = time.monotonic() + PATIENCE_S
    while (orphans := set(_children()) - ours) and time.monotonic() < until:
        for orphan in orphans:
            with suppress(ProcessLookupError, ChildProcessError):
                os.kill(orphan, signal.SIGKILL)
                os.waitpid(orphan, 0)
    return status


def _children() -> Iterator[int]:
    """What a fork left behind becomes ours, whatever group it is in."""
    with suppress(OSError):
        yield from map(int, Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def _how(status: int) -> str:
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU:
        return "took more processor time than it has"
    return "ended the process it ran in before it was checked"


# --- inside the fork --------------------------------------------------------------------------------------------------


def _confined(answer: Callable[[], Answer], writer: int, folder: Path, wall_s: float, room: int) -> None:
    """Everything of the fork; it never returns."""
    try:
        _prctl(_PDEATHSIG, signal.SIGKILL)
        os.setsid()
        os.closerange(3, writer)
        os.closerange(writer + 1, 256)
        os.chdir(folder)
        os.environ |= {"HOME": str(folder), "TMPDIR": str(folder)}
        tempfile.tempdir = None
        limit(wall_s, room)
        os.write(writer, json.dumps(answer()).encode() + b"\n")
    finally:
        os._exit(0)


def limit(wall_s: float, room: int) -> None:
    """This process may take so many seconds of a processor, and so many bytes of address space."""
    seconds = int(wall_s) + 1
    for what, most in (
        (resource.RLIMIT_AS, room),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, LARGEST_FILE),
        (resource.RLIMIT_CORE, 0),
    ):
        with suppress(ValueError, OSError):
            resource.setrlimit(what, (most, most))


def _answered(one: Exercise, question: dict[str, Any], names: Names, folder: Path) -> Answer:
    try:
        _copy(question["files"], folder)
        return _points(one, question, names)
    except MemoryError:
        return _nothing("needs more memory than it has")
    except SystemExit:
        return _nothing("called exit()")
    except BaseException as error:
        return _nothing(f"raised {_told(error)}")


def _copy(files: list[str], folder: Path) -> None:
    for file in files:
        shutil.copyfile(file, folder / Path(file).name)


def _points(one: Exercise, question: dict[str, Any], names: Names) -> Answer:
    seed, ours, own = question["seed"], _what_is_ours(), dict(names)
    _set_seed(seed)
    for source in question["answers"]:
        execute(source, own, "answer")
    own |= names  # the check's words are the lesson's, whatever the answer called by their names
    _set_seed(seed)
    if changed := _changed(ours):
        return _nothing(f"changed qsim itself: {changed}")
    score = execute(one.check, own, "check")
    if changed := _changed(ours):
        return _nothing(f"changed qsim itself: {changed}")
    if type(score) is not Score:
        return _nothing("has a check that gives no score")
    lines = "\n".join(score.exercise.lines())[:LONGEST_FEEDBACK].splitlines()
    return {"points": min(one.of, max(0.0, float(score))), "lines": lines, "error": ""}


def _set_seed(seed: int | None) -> None:
    os.environ.pop(SEED_OF_THE_GRADER, None)
    if seed is not None:
        os.environ[SEED_OF_THE_GRADER] = str(seed)


def _nothing(error: str) -> Answer:
    return {"points": 0.0, "lines": [], "error": error}


def _told(error: BaseException) -> str:
    """An exception in one line, with the line of the cell that it came from."""
    where, trace = "", error.__traceback__
    while trace is not None:
        if (name := trace.tb_frame.f_code.co_filename) in ("<cell>", "<answer>", "<check>"):
            where = f" (line {trace.tb_lineno} of the {name[1:-1]})"
        trace = trace.tb_next
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:400] + where


# --- nobody corrects his own exam -------------------------------------------------------------------------------------

Ours = list[tuple[str, Any, str, Any]]


def _what_is_ours() -> Ours:
    """Every function and class of qsim, of Python's built-ins, and what a function is made of."""
    modules = [module for name, module in list(sys.modules.items()) if name.split(".")[0] == "qsim"]
    return [row for module in [*modules, builtins] for row in _parts(module)]


def _parts(holder: ModuleType | type) -> Iterator[tuple[str, Any, str, Any]]:
    for name, value in list(vars(holder).items()):
        if isinstance(value, FunctionType):
            yield f"{holder.__name__}.{name}", value, "__code__", value.__code__
        if callable(value) or isinstance(value, property | classmethod | staticmethod):
            yield f"{holder.__name__}.{name}", holder, name, value
        if isinstance(value, type) and isinstance(holder, ModuleType) and value.__module__ == holder.__name__:
            yield from _parts(value)


def _changed(ours: Ours) -> str:
    """The first that is not what it was, or nothing."""
    return next((name for name, holder, part, was in ours if _now(holder, part) is not was), "")


def _now(holder: Any, part: str) -> Any:
    return vars(holder).get(part) if isinstance(holder, ModuleType | type) else getattr(holder, part)


if __name__ == "__main__":
    main()
