"""Where the payloads of events are: found once for each class, from its annotations."""

from __future__ import annotations

import typing
from collections.abc import Callable
from enum import Enum
from functools import cache
from typing import Any, Final, TypeVar

import msgspec

from aion.core.events import ClearPayload
from aion.core.events.base import SealedTexts
from aion.core.failures import Failure

S = TypeVar("S", bound=msgspec.Struct)

ChangePayload = Callable[[msgspec.Raw], msgspec.Raw]
ChangeFailure = Callable[[Failure], Failure]


class Shape(Enum):
    """What a field is that holds data of users."""

    PAYLOAD = "payload"
    FAILURE = "failure"
    STRUCT = "struct"
    """Fields of its own that hold such data."""


@cache
def _fields(kind: type) -> tuple[tuple[str, Shape], ...]:
    """Give the fields of a class that hold payloads, and what each is."""
    found = []
    for name, hint in typing.get_type_hints(kind, include_extras=True).items():
        members = typing.get_args(hint) or (hint,)
        if name not in kind.__struct_fields__ or hint in (ClearPayload, SealedTexts):  # type: ignore[attr-defined]
            continue
        if Failure in members:
            found.append((name, Shape.FAILURE))
        elif msgspec.Raw in members:
            found.append((name, Shape.PAYLOAD))
        elif any(_is_struct(each) and _fields(each) for each in members):
            found.append((name, Shape.STRUCT))
    return tuple(found)


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


_TEXTS: Final = ("headers", "summary")


@cache
def texts_of(kind: type) -> tuple[str, ...]:
    """Give the fields of a class that hold texts of users; what they say is sealed in its field `sealed`."""
    names: tuple[str, ...] = kind.__struct_fields__  # type: ignore[attr-defined]
    return tuple(name for name in _TEXTS if name in names) if "sealed" in names else ()


def holds_payloads(kind: Any) -> bool:
    """Tell whether a class has any field that is sealed."""
    return bool(_fields(kind) or texts_of(kind))


def changed(struct: S, payload: ChangePayload, failure: ChangeFailure) -> S:
    """Give a struct with all of its payloads and failures changed; itself where nothing is."""
    changes: dict[str, Any] = {}
    for name, shape in _fields(type(struct)):
        value = getattr(struct, name)
        if value is None or value is msgspec.UNSET:
            continue
        match shape:
            case Shape.PAYLOAD:
                new: Any = payload(value)
            case Shape.FAILURE:
                new = failure(value)
            case Shape.STRUCT:
                new = changed(value, payload, failure)
        if new is not value:
            changes[name] = new
    return msgspec.structs.replace(struct, **changes) if changes else struct
