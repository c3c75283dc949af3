"""Own types in payloads: two functions for each, one for either way.

A converter is registered once for the process, beside its type. Encoding finds it by the value's class or one
of its bases; decoding by the hint, so that no data names a class.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple


class Converter(NamedTuple):
    """How values of a type become plain ones, and come back; `schema` shows them in forms and documents."""

    encode: Callable[[Any], object]
    decode: Callable[[Any], object]
    schema: Mapping[str, Any] | None


converters: Final[dict[type, Converter]] = {}
"""All of them, by their exact type."""


def converter_of(kind: object) -> Converter | None:
    """Give the converter of exactly this type."""
    return converters.get(kind) if isinstance(kind, type) else None


def converter_for(value: object) -> Converter | None:
    """Give the converter of a value's class, or of the nearest of its bases that has one."""
    if not converters:
        return None
    return next((converters[each] for each in type(value).__mro__ if each in converters), None)


def schema_of(kind: Any) -> dict[str, Any]:
    """Give the JSON schema of a type with a converter; this is msgspec's `schema_hook`.

    Raises:
        NotImplementedError: it has none.
    """
    found = converter_of(kind)
    if found is None or found.schema is None:
        raise NotImplementedError(kind)
    return dict(found.schema)
