"""Finds reads of the wall clock in workflow code, by looking at the code.

`datetime.now()` cannot be guarded while it runs: the type is written in C and immutable. But the call is
easy to see in the bytecode of a function: a dotted name that resolves, in the function's own globals, to
that very method. Aliases resolve too; values in local variables are not followed.
"""

from __future__ import annotations

import datetime as dt
import dis
from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any, Final

_CLOCK_METHODS: Final = {"now", "utcnow", "today"}
_INSTEAD: Final = "use workflow.now(), the time of the event being folded"


def impure_calls(function: Callable[..., Any]) -> list[str]:
    """Name each place where a function reads the wall clock of `datetime`."""
    scope = getattr(function, "__globals__", {})
    return [
        f"{code.co_filename}:{line}: {name}() reads the wall clock; {_INSTEAD}"
        for code in _codes(function.__code__)
        for line, name in _clock_reads(code, scope)
    ]


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _clock_reads(code: CodeType, scope: dict[str, Any]) -> Iterator[tuple[int, str]]:
    """Follow LOAD_GLOBAL a, LOAD_ATTR b, LOAD_METHOD c: the names a.b.c as they resolve."""
    value: Any = None
    names: list[str] = []
    line = code.co_firstlineno
    for instruction in dis.get_instructions(code):
        if instruction.starts_line is not None and not isinstance(instruction.starts_line, bool):
            line = instruction.starts_line
        line = getattr(instruction, "line_number", None) or line
        match instruction.opname:
            case "LOAD_GLOBAL" | "LOAD_NAME":
                value, names = scope.get(instruction.argval), [instruction.argval]
            case "LOAD_ATTR" | "LOAD_METHOD" if value is not None:
                owner, value = value, getattr(value, instruction.argval, None)
                names.append(instruction.argval)
                if instruction.argval in _CLOCK_METHODS and _is_date_type(owner):
                    yield line, ".".join(names)
            case "PRECALL" | "PUSH_NULL" | "CACHE" | "NOP":
                pass
            case _:
                value = None


def _is_date_type(owner: Any) -> bool:
    return isinstance(owner, type) and issubclass(owner, dt.date)
