"""What a process has in its memory: each process gets its own copy of what a handler's module and closures hold.

It knows functions and their globals, no queue.  A dict at the top of the notebook is the memory of one process: others
do not see it, and with a crash it is gone.  Modules, classes and what cannot be copied stay shared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import partial
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

_SHARED = (ModuleType, type, BuiltinFunctionType, str, bytes, int, float, complex, bool, type(None), frozenset)

_EACH_HAS = ("__builtins__", "__name__", "__package__", "__file__")
"""Of a module's globals, beside those that the function names."""


class Memory:
    """A handler with the memory of one process.  ``remembers()`` names what it has changed there."""

    def __init__(self, handle: Callable[..., Any]) -> None:
        self._kept: dict[int, Any] = {}
        self._before: dict[str, tuple[Any, Callable[[], Any]]] = {}
        is_plain = isinstance(handle, FunctionType | MethodType)
        self.handle = self._copy(handle) if is_plain else self._named("self", handle)

    def remembers(self) -> list[str]:
        """Names whose values are no longer what they were when the process came up."""
        return [name for name, (was, now) in self._before.items() if _differ(was, now())]

    def _copy(self, value: Any) -> Any:
        if id(value) not in self._kept:
            self._kept[id(value)] = self._made(value)
        return self._kept[id(value)]

    def _made(self, value: Any) -> Any:
        if isinstance(value, FunctionType):
            return self._function(value)
        if isinstance(value, MethodType):
            return MethodType(value.__func__, self._named("self", value.__self__))
        return value if isinstance(value, _SHARED) else _deep(value)

    def _function(self, function: FunctionType) -> FunctionType:
        its = function.__globals__
        shared = self._kept.setdefault(id(its), {name: its[name] for name in _EACH_HAS if name in its})
        cells = tuple(CellType() for _ in function.__closure__ or ())
        made = FunctionType(function.__code__, shared, function.__name__, None, cells)
        self._kept[id(function)] = made  # first, for it may call itself
        made.__defaults__ = self._defaults(function)
        made.__kwdefaults__ = function.__kwdefaults__ and {k: self._named(k, v) for k, v in function.__kwdefaults__.items()}
        made.__dict__.update(function.__dict__)
        for name, cell, old in zip(function.__code__.co_freevars, cells, function.__closure__ or (), strict=True):
            self._fill(name, cell, old)
        for name in _names(function.__code__):
            if name in its:
                shared[name] = self._copy(its[name])
                self._watch(name, shared[name], partial(shared.get, name))
        return made

    def _defaults(self, function: FunctionType) -> tuple[Any, ...] | None:
        given = function.__defaults__
        names = function.__code__.co_varnames[: function.__code__.co_argcount][-len(given or ()) :]
        return given and tuple(self._named(name, value) for name, value in zip(names, given, strict=True))

    def _fill(self, name: str, cell: CellType, old: CellType) -> None:
        try:
            cell.cell_contents = self._copy(old.cell_contents)
        except ValueError:
            return  # not bound yet
        self._watch(name, cell.cell_contents, lambda: cell.cell_contents)

    def _named(self, name: str, value: Any) -> Any:
        made = self._copy(value)
        self._watch(name, made, lambda: made)
        return made

    def _watch(self, name: str, value: Any, now: Callable[[], Any]) -> None:
        if not isinstance(value, (ModuleType, type, BuiltinFunctionType, FunctionType)):
            self._before[name] = _deep(value), now


def _names(code: CodeType) -> Iterator[str]:
    """All global names of a function and of those inside it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _deep(value: Any) -> Any:
    try:
        return deepcopy(value)
    except Exception:  # a lock, a connection: shared, as they are
        return value


def _differ(was: Any, now: Any) -> bool:
    state, other = getattr(was, "__dict__", was), getattr(now, "__dict__", now)
    try:
        return bool(state != other)
    except Exception:  # an array, or what else does not compare
        return False
