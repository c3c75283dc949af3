"""Registers converters for own types."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, TypeVar

from aion.core.errors import DefinitionError
from aion.core.payloads.converters import Converter, converters
from aion.core.payloads.models import is_model
from aion.core.payloads.problems import problem_of
from aion.core.payloads.records import is_record

T = TypeVar("T")


def register_converter(
    kind: type[T],
    *,
    encode: Callable[[T], object],
    decode: Callable[[Any], T],
    schema: Mapping[str, Any] | None = None,
) -> None:
    """Let values of a type be arguments, results and whatever else is kept.

    `encode` gives a value that has a JSON form; `decode` gets the plain JSON of it, and raises `ValueError`
    for what does not fit. Both run in workflow code too, so they may neither look nor reach outside. `schema`
    is the JSON schema that forms show. Call it at the type's module level.

    Raises:
        DefinitionError: it is no class, it has a JSON form of its own, or another converter.
    """
    if not isinstance(kind, type):
        raise DefinitionError(f"{kind!r} is not a class, so it can have no converter")
    found = Converter(encode, decode, schema)
    known = converters.get(kind)
    if known == found:
        return
    if known is not None:
        raise DefinitionError(f"{kind.__qualname__} has a converter already, with other functions")
    if problem_of(kind) is None or is_record(kind) or is_model(kind) or issubclass(kind, Enum):
        raise DefinitionError(
            f"{kind.__qualname__} has a JSON form of its own; converters are for types without one"
        )
    converters[kind] = found


def unregister_converter(kind: type) -> None:
    """Take a converter back: for tests. Hints that were read meanwhile stay readable."""
    converters.pop(kind, None)
