"""Registers search attributes, and checks values that callers give against what is registered."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from aion.conf import settings
from aion.core.errors import InvalidArgument, InvalidSearchAttribute, WrongState
from aion.core.payloads import encode
from aion.core.search_attributes import (
    COLUMN_OF,
    ENGINE_KINDS,
    AttributeKind,
    Attributes,
    check_kind,
    check_name,
    normalised,
)
from aion.core.texts import check_indexable
from aion.operations.clock import clock
from aion.store import attribute_registry, search_values
from aion.store.attribute_registry import registry
from aion.store.dialects import atomic, connection

_FIELD = "search_attributes"


@dataclasses.dataclass(frozen=True, slots=True)
class RegisteredAttribute:
    """A registered search attribute. `source` is `settings`, `table` or `engine`."""

    name: str
    kind: AttributeKind
    source: str


def register(name: str, kind: AttributeKind | str) -> RegisteredAttribute:
    """Register a search attribute; the same name and kind again change nothing.

    Raises:
        InvalidArgument: the name or kind is none, or the name is built in.
        WrongState: the name is registered with another kind, or runs have values of another kind.
    """
    name, kind = check_name(name), check_kind(kind)
    given = settings.SEARCH_ATTRIBUTES.get(name)
    if given is not None:
        if given != kind:
            raise _other_kind(name, given, "in AION['SEARCH_ATTRIBUTES']")
        return RegisteredAttribute(name, kind, "settings")
    with atomic():
        with connection().cursor() as cursor:
            used = search_values.column_used(name, cursor=cursor)
        if used is not None and used != COLUMN_OF[kind]:
            raise WrongState(
                f"Search attribute {name!r} cannot be of kind {kind}: runs have values of another "
                "kind under this name. Choose another name",
                name=name,
            )
        there = attribute_registry.insert(name, kind, now=clock.now())
    if there != kind:
        raise _other_kind(name, there, "")
    registry.forget()
    return RegisteredAttribute(name, kind, "table")


def _other_kind(name: str, kind: str, where: str) -> WrongState:
    return WrongState(
        f"Search attribute {name!r} is registered{' ' + where if where else ''} with kind {kind}",
        name=name,
    )


def unregister(name: str, *, force: bool = False) -> None:
    """Remove a search attribute from the table.

    It is refused while runs have values of it; `force` removes it all the same: the runs keep their values,
    and lists cannot ask for them until the name is registered again, with the same kind.

    Raises:
        InvalidArgument: the name is not in the table.
        WrongState: runs have values of it.
    """
    if name in settings.SEARCH_ATTRIBUTES:
        raise InvalidArgument(
            f"name {name!r} is registered in AION['SEARCH_ATTRIBUTES']: remove it there",
            field="name",
        )
    with atomic():
        if not isinstance(name, str) or not attribute_registry.delete(name):
            raise InvalidArgument(f"name {name!r} is not registered", field="name")
        with connection().cursor() as cursor:
            used = search_values.column_used(name, cursor=cursor)
        if used is not None and not force:
            raise WrongState(
                f"Search attribute {name!r} is in use: runs have values of it. `force` removes it all "
                "the same",
                name=name,
            )
    registry.forget()


def list_registered() -> list[RegisteredAttribute]:
    """List what is registered, by name. Where settings and table name the same, the settings win."""
    found = {
        name: RegisteredAttribute(name, kind, "table")
        for name, kind in attribute_registry.read_rows()
    }
    for name, kind in settings.SEARCH_ATTRIBUTES.items():
        found[name] = RegisteredAttribute(name, AttributeKind(kind), "settings")
    for name, kind in ENGINE_KINDS.items():
        found[name] = RegisteredAttribute(name, kind, "engine")
    return [found[name] for name in sorted(found)]


def conflicts() -> list[tuple[str, AttributeKind, AttributeKind]]:
    """Give name, kind in the settings and kind in the table, where they differ."""
    rows = dict(attribute_registry.read_rows())
    return [
        (name, AttributeKind(kind), rows[name])
        for name, kind in settings.SEARCH_ATTRIBUTES.items()
        if name in rows and rows[name] != kind
    ]


def kept_attributes(values: Mapping[str, Any]) -> Attributes:
    """Bring values that a caller gives into the form in which they are kept; None is left out.

    Raises:
        PayloadError: a value has no JSON form, or is too large.
        InvalidSearchAttribute: a name is not registered, or a value not of its kind.
    """
    if not values:
        return Attributes({}, {})
    check_indexable(_FIELD, encode(dict(values), field=_FIELD))
    given = {name: value for name, value in values.items() if value is not None}
    try:
        return normalised(given, registry.kinds_for(set(values)))
    except InvalidSearchAttribute:
        return normalised(given, registry.reload())
