"""The function that a handler names: found, and looked at before it is called.

It knows modules and functions and what is wrong with them; whether code may be run at all is said elsewhere.  Nothing is
imported until ``function_of`` is asked.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from traceback import extract_tb
from types import ModuleType
from typing import Any, NamedTuple

from qsim.handlers.code import TEXT, Handler

WRITE = "def handle(message, store): ..."

_loaded: dict[tuple[str, int, int], ModuleType] = {}


class NoHandler(Exception):
    """Why there is nothing that could be called; ``suggestion`` is what to do."""

    def __init__(self, message: str, suggestion: str) -> None:
        super().__init__(message)
        self.suggestion = suggestion


class Misshapen(NamedTuple):
    """A thing that could not be called as a handler: what it is, why that does not do, what to write."""

    what: str
    because: str
    direction: str


def function_of(handler: Handler) -> Callable[..., Any]:
    """The function; raises NoHandler."""
    if handler.function is not None:
        return _looked_at(handler, handler.function)
    match = TEXT.fullmatch(handler.text)
    if match is None:
        raise NoHandler(f"{handler.text[:60]!r} is not module:function", "write worker:handle for the function handle of worker.py")
    module, name = _module(match[1], Path(handler.folder)), match[2]
    if not hasattr(module, name):
        there = ", ".join(each for each, value in vars(module).items() if inspect.isfunction(value)) or "none"
        raise NoHandler(f"{match[1]} has no function {name!r}", f"its functions: {there}")
    return _looked_at(handler, getattr(module, name))


def _looked_at(handler: Handler, function: Any) -> Callable[..., Any]:
    if wrong := misshapen(function):
        raise NoHandler(f"{handler.text} is {wrong.what}", wrong.direction)
    return function  # type: ignore[no-any-return]


# --- finding it -----------------------------------------------------------------------------------------------------------


def _module(name: str, folder: Path) -> ModuleType:
    """The file beside the scenario, or below; else what Python finds under this name."""
    file = folder.joinpath(*name.split(".")).with_suffix(".py")
    try:
        return _of_file(file) if file.is_file() else import_module(name)
    except ModuleNotFoundError as error:
        if not file.is_file() and error.name and f"{name}.".startswith(f"{error.name}."):
            raise NoHandler(f"there is no module {name!r}", f"it would be the file {file.name} beside the scenario") from None
        raise _broken(name, error) from error
    except (Exception, SystemExit) as error:
        raise _broken(name, error) from error


def _of_file(file: Path) -> ModuleType:
    """Run once, and again when it was changed.  What stands beside it can be imported meanwhile."""
    file = file.resolve()
    about = file.stat()
    key = (str(file), about.st_mtime_ns, about.st_size)
    if key not in _loaded:
        spec = spec_from_file_location(f"qsim_handler_{len(_loaded)}_{file.stem}", file)
        assert spec is not None and spec.loader is not None
        module = module_from_spec(spec)
        sys.modules[module.__name__] = module
        sys.path.insert(0, str(file.parent))
        try:
            spec.loader.exec_module(module)
        finally:
            sys.path.remove(str(file.parent))
        _loaded[key] = module
    return _loaded[key]


def _broken(name: str, error: BaseException) -> NoHandler:
    """The module's own line that raised, and what."""
    if isinstance(error, SyntaxError):
        where = f", line {error.lineno}"
        return NoHandler(f"{name} is not Python{where}: {error.msg}", f"python -m py_compile {name.split('.')[-1]}.py says the same")
    frames = [frame for frame in extract_tb(error.__traceback__) if "importlib" not in frame.filename and frame.filename != __file__]
    where = f", line {frames[-1].lineno}" if frames else ""
    return NoHandler(f"importing {name} raised {said_of(error)}", f"look at {name}{where}: it is run when it is imported")


def said_of(error: BaseException) -> str:
    """One line, however much it says."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


# --- looking at it --------------------------------------------------------------------------------------------------------


def misshapen(handle: Any) -> Misshapen | None:
    """What could not be called as a handler, seen before anything is run."""
    if not callable(handle):
        return Misshapen(f"{handle!r}, which is no function", "", WRITE)
    code = handle if inspect.isroutine(handle) else getattr(handle, "__call__", handle)  # noqa: B004 - its code is wanted
    if inspect.iscoroutinefunction(code) or inspect.isasyncgenfunction(code):
        return Misshapen(
            "a coroutine: no line of it ran",
            "async def makes a function that has to be awaited; a handler is called",
            "write def instead of async def, and no await: every call of the store answers at once",
        )
    if inspect.isgeneratorfunction(code):
        return Misshapen(
            "a generator: no line of it ran",
            "a yield in it makes the function a generator, which runs when somebody iterates over it",
            "a handler returns when it is done: take the yield out",
        )
    return _wrong_parameters(handle)


def _wrong_parameters(handle: Any) -> Misshapen | None:
    try:
        inspect.signature(handle).bind(None, None)
    except TypeError as error:
        because = "a handler is called with two arguments: handle(message, store)"
        return Misshapen(f"a function that cannot be called so ({error})", because, WRITE)
    except ValueError:
        return None  # a builtin without a signature
    return None
