"""Finds reads of the wall clock in workflow code, by looking at the code.

`datetime.now()` cannot be guarded while it runs: the type is written in C and immutable. But it is easy
to see in the bytecode of a function: a dotted name that resolves, in the function's own globals or its own
imports, to that very method. Aliases resolve too. Only modules and classes are looked into, so nothing of
the user's runs; values in variables are not followed, nor functions that are called.

What is handed to `workflow.side_effect` may read the clock: its value is recorded.
"""

from __future__ import annotations

import datetime as dt
import dis
import importlib
import inspect
from collections.abc import Callable, Iterator
from types import CodeType, ModuleType
from typing import Any, Final

_CLOCK_METHODS: Final = {"now", "utcnow", "today"}
_INSTEAD: Final = "use workflow.now(), the time of the event being folded"

_LOADS_GLOBAL: Final = {"LOAD_GLOBAL", "LOAD_NAME"}
_LOADS_LOCAL: Final = {"LOAD_FAST", "LOAD_FAST_BORROW", "LOAD_DEREF"}
_LOADS_ATTRIBUTE: Final = {"LOAD_ATTR", "LOAD_METHOD"}
_STORES_NAME: Final = {"STORE_FAST", "STORE_NAME", "STORE_DEREF"}
_BETWEEN: Final = {"PRECALL", "PUSH_NULL", "CACHE", "NOP"}


def impure_calls(function: Callable[..., Any]) -> list[str]:
    """Name each place where a function, or what it decorates, reads the wall clock of `datetime`."""
    found: list[str] = []
    layers = [function]
    while hasattr(layers[-1], "__wrapped__"):
        layers.append(layers[-1].__wrapped__)
    for layer in layers:
        code = getattr(layer, "__code__", None)
        if code is not None:
            found += _Reader(layer).read(code)
    return found


class _Reader:
    """Follows names through the instructions of a function and of the functions inside of it."""

    def __init__(self, function: Any) -> None:
        self._globals: dict[str, Any] = getattr(function, "__globals__", {})
        self._locals = _closure(function)  # and what import statements inside of functions bind
        self._source: Any = None  # the module that such a statement takes names from

    def read(self, code: CodeType) -> Iterator[str]:
        """Yield what is wrong."""
        value: Any = None
        names: list[str] = []
        recorded = False  # between `workflow.side_effect` and its call
        for instruction in dis.get_instructions(code):
            operation, argument = instruction.opname, instruction.argval
            if operation in _LOADS_GLOBAL:
                value, names = self._globals.get(argument), [argument]
            elif operation in _LOADS_LOCAL:
                value, names = self._locals.get(argument), [argument]
            elif operation in _LOADS_ATTRIBUTE and value is not None:
                names.append(argument)
                owner, value = value, _attribute(value, argument)
                if argument in _CLOCK_METHODS and _is_date_type(owner) and not recorded:
                    yield _sentence(code, instruction, names)
            elif operation not in _BETWEEN:
                self._note_import(operation, argument, value)
                value = self._import(operation, argument)
                if isinstance(argument, CodeType) and not recorded:
                    yield from self.read(argument)
            recorded = _is_side_effect(value) or (recorded and not operation.startswith("CALL"))

    def _import(self, operation: str, argument: Any) -> Any:
        match operation:
            case "IMPORT_NAME":
                self._source = _module(argument)
                return self._source
            case "IMPORT_FROM":
                return _attribute(self._source, argument)
            case _:
                return None

    def _note_import(self, operation: str, argument: Any, value: Any) -> None:
        if operation in _STORES_NAME and (isinstance(value, ModuleType) or _is_date_type(value)):
            self._locals[argument] = value


def _closure(function: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    cells = getattr(function, "__closure__", None) or ()
    for name, cell in zip(function.__code__.co_freevars, cells, strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not bound yet
            continue
    return found


def _module(name: str) -> ModuleType | None:
    """Give a module that clocks come from. No other is imported for looking at it."""
    return importlib.import_module(name) if name == "datetime" else None


def _attribute(owner: Any, name: str) -> Any:
    if isinstance(owner, ModuleType):
        return vars(owner).get(name)
    return inspect.getattr_static(owner, name, None) if isinstance(owner, type) else None


def _sentence(code: CodeType, instruction: dis.Instruction, names: list[str]) -> str:
    positions = instruction.positions
    line = (positions.lineno if positions else None) or code.co_firstlineno
    return f"{code.co_filename}:{line}: {'.'.join(names)}() reads the wall clock; {_INSTEAD}"


def _is_date_type(owner: Any) -> bool:
    return isinstance(owner, type) and issubclass(owner, dt.date)


def _is_side_effect(value: Any) -> bool:
    return (
        getattr(value, "__name__", None) == "side_effect"
        and getattr(value, "__module__", None) == "aion.authoring.workflow"
    )
