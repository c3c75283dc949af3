"""What is inside a value: its JSON form where msgspec has none, its parts, its first problem.

Only `simplify` runs on the ordinary path, for values that msgspec does not know. `holds_nonfinite`
runs when the JSON holds a null, because msgspec writes NaN and infinities as one. `find_problem`
runs when encoding has failed already, to say where.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import functools
import math
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from aion.core.payloads.converters import Converter, converter_for
from aion.core.payloads.models import dump_model, is_model

_ATOMS = frozenset(
    {
        type(None),
        bool,
        int,
        str,
        bytes,
        datetime.datetime,
        datetime.date,
        datetime.time,
        datetime.timedelta,
        decimal.Decimal,
        uuid.UUID,
    }
)
_SEQUENCES = (list, tuple, set, frozenset)
_LONGEST_KEY = 60


def _plain_timedelta(value: datetime.timedelta) -> datetime.timedelta:
    return datetime.timedelta(
        days=value.days, seconds=value.seconds, microseconds=value.microseconds
    )


# msgspec takes exact types only. Subclasses are common in Django (SafeString) and in tests (frozen
# clocks). The methods are called unbound, so that a subclass cannot change what is stored; datetime
# stands before date, of which it is a subclass.
_BASES: tuple[tuple[type, Callable[[Any], object]], ...] = (
    (str, str.__str__),
    (int, int.__int__),
    (float, float.__float__),
    (datetime.datetime, datetime.datetime.isoformat),
    (datetime.date, datetime.date.isoformat),
    (datetime.time, datetime.time.isoformat),
    (datetime.timedelta, _plain_timedelta),
    (decimal.Decimal, decimal.Decimal.__str__),
    (uuid.UUID, uuid.UUID.__str__),
    (bytes, bytes.__bytes__),
    (Mapping, dict),
    (set, list),
    (frozenset, list),
)


def simplify(value: object) -> object:
    """Give the JSON form of a value that msgspec does not know; this is its `enc_hook`.

    Raises: TypeError saying what to pass instead; whatever a converter raises.
    """
    converter = converter_for(value)
    if converter is not None:
        return _converted(value, converter)
    if is_model(type(value)):
        return dump_model(value)
    for base, plain in _BASES:
        if isinstance(value, base):
            return plain(value)
    raise TypeError(_refusal(value))


def _converted(value: object, converter: Converter) -> object:
    plain = converter.encode(value)
    if holds_nonfinite(plain):  # the walk that looks for them does not see what converters give
        raise ValueError("JSON has no NaN or infinity; use None or a string")
    return plain


def _refusal(value: object) -> str:
    name = type(value).__name__
    if isinstance(value, type):
        return f"the class {value.__name__} has no JSON form; pass its name"
    if hasattr(value, "pk") and hasattr(value, "_meta"):
        return f"{name} is a database row; pass its primary key and load it in an activity"
    if hasattr(value, "__await__"):
        return f"values of type {name} have no JSON form; was an await forgotten?"
    return (
        f"values of type {name} have no JSON form; use a dataclass or built-in types, "
        f"or register_converter()"
    )


def holds_nonfinite(value: Any) -> bool:
    """Tell whether a NaN or an infinity is in a value, at any depth."""
    kind: Any = type(value)
    if kind in _ATOMS:
        return False
    if kind is float:
        return not math.isfinite(value)
    if kind is dict:
        return any(map(holds_nonfinite, value.values()))
    if kind in _SEQUENCES:
        return any(map(holds_nonfinite, value))
    if isinstance(value, float):
        return not math.isfinite(value)
    fields = _field_names(kind)
    if fields:
        return any(holds_nonfinite(getattr(value, name, None)) for name in fields)
    return any(holds_nonfinite(part) for _, part in parts(value))


def parts(value: Any) -> Iterator[tuple[str, object]]:
    """Give the values inside a value, each with what to append to the path; none for a leaf."""
    if isinstance(value, enum.Enum):
        yield "", value.value
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield f"[{repr(key)[:_LONGEST_KEY]}]", part
    elif isinstance(value, _SEQUENCES):
        for index, part in enumerate(value):
            yield f"[{index}]", part
    elif isinstance(value, type):
        return
    elif is_model(type(value)):
        yield "", dump_model(value)
    else:
        for name in _field_names(value.__class__):
            if hasattr(value, name):
                yield f".{name}", getattr(value, name)


@functools.lru_cache(maxsize=1024)
def _field_names(kind: Any) -> tuple[str, ...]:
    if dataclasses.is_dataclass(kind):
        return tuple(field.name for field in dataclasses.fields(kind))
    if issubclass(kind, msgspec.Struct):
        return tuple(kind.__struct_fields__)
    return tuple(attribute.name for attribute in getattr(kind, "__attrs_attrs__", ()))


def find_problem(value: Any, path: str, encode: Callable[[object], object]) -> tuple[str, str]:
    """Say where encoding a value fails and why, for a value that is known to fail.

    Shapes: encode: what failed; it is tried on ever smaller parts.
    """
    try:
        inner = list(parts(value))
    except Exception as error:  # noqa: BLE001 (values run user code, which may raise anything)
        return path, reason_of(error)
    for suffix, part in inner:
        if _failure(part, encode) is not None:
            return find_problem(part, path + suffix, encode)
    if isinstance(value, Mapping):
        for key in value:
            problem = _failure({key: 0}, encode)
            if problem is not None:
                return path, f"its key {repr(key)[:_LONGEST_KEY]} cannot be stored: {problem}"
    return path, _failure(value, encode) or "it has no JSON form"


def _failure(value: object, encode: Callable[[object], object]) -> str | None:
    try:
        encode(value)
    except Exception as error:  # noqa: BLE001 (values run user code, which may raise anything)
        return reason_of(error)
    return None


def reason_of(error: Exception) -> str:
    """Say in a clause why a value could not be encoded."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply, or contains itself"
    if isinstance(error, UnicodeEncodeError):
        return "its text holds a lone surrogate, which is not valid Unicode"
    return str(error) or type(error).__name__
