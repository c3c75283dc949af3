"""Where the payloads of events are: found once for each class, from its annotations."""

from __future__ import annotations

import typing
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import msgspec

from aion.core.events import ClearPayload
from aion.core.failures import Failure

S = TypeVar("S", bound=msgspec.Struct)

ChangePayload = Callable[[msgspec.Raw], msgspec.Raw]
ChangeFailure = Callable[[Failure], Failure]


@cache
def _fields(kind: type) -> tuple[tuple[str, bool], ...]:
    """Give the fields of a class that hold payloads, and whether each is a failure."""
    found = []
    for name, hint in typing.get_type_hints(kind, include_extras=True).items():
        members = typing.get_args(hint) or (hint,)
        if name in kind.__struct_fields__ and hint is not ClearPayload:  # type: ignore[attr-defined]
            if Failure in members:
                found.append((name, True))
            elif msgspec.Raw in members:
                found.append((name, False))
    return tuple(found)


def holds_payloads(kind: Any) -> bool:
    """Tell whether a class has any field that is sealed."""
    return bool(_fields(kind))


def changed(struct: S, payload: ChangePayload, failure: ChangeFailure) -> S:
    """Give a struct with all of its payloads and failures changed; itself where nothing is."""
    changes: dict[str, Any] = {}
    for name, is_failure in _fields(type(struct)):
        value = getattr(struct, name)
        if value is None or value is msgspec.UNSET:
            continue
        new = failure(value) if is_failure else payload(value)
        if new is not value:
            changes[name] = new
    return msgspec.structs.replace(struct, **changes) if changes else struct
