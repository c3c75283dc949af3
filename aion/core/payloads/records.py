"""Classes with named fields, read field by field where msgspec refuses the class as a whole.

msgspec reads dataclasses and their like by itself, unless one field's type is one that it refuses,
such as a union of two dataclasses. Then the fields are read through a Struct made for the purpose,
with stand-ins where needed, and the class is built from what was read.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from aion.core.payloads.models import is_model, model_fields
from aion.core.payloads.standins import Build, typed_read

Adapt = Callable[[Any], Any]


class Field(NamedTuple):
    """One field: its name in the class, its name in JSON, its hint, whether it must be there."""

    name: str
    key: str
    hint: Any
    required: bool


def is_record(kind: object) -> bool:
    """Tell whether a class has named fields that `record_build` can fill."""
    if not isinstance(kind, type):
        return False
    return (
        dataclasses.is_dataclass(kind)
        or issubclass(kind, msgspec.Struct)
        or hasattr(kind, "__attrs_attrs__")
        or is_named_tuple(kind)
        or typing.is_typeddict(kind)
    )


def is_named_tuple(kind: Any) -> bool:
    """Tell whether a class is a NamedTuple, which is an array in JSON."""
    return isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields")


def stored_names(hint: Any) -> frozenset[str] | None:
    """Give the names that a record's fields have in JSON, or None for what is no JSON object."""
    kind = typing.get_origin(hint) or hint
    if is_model(kind):
        return model_fields(kind)
    if not is_record(kind) or is_named_tuple(kind):
        return None
    if issubclass(kind, msgspec.Struct):
        return frozenset(kind.__struct_encode_fields__)
    if dataclasses.is_dataclass(kind):
        return frozenset(field.name for field in dataclasses.fields(kind))
    if hasattr(kind, "__attrs_attrs__"):
        return frozenset(attribute.name for attribute in kind.__attrs_attrs__)
    return frozenset(kind.__annotations__)


def record_build(hint: Any, adapt: Adapt) -> Build:
    """Give the function that builds a record from plain JSON values.

    Shapes: adapt: rewrites a field's hint into one that msgspec accepts.
    Raises: NameError or TypeError if the fields' hints cannot be resolved or read.
    """
    kind = typing.get_origin(hint) or hint
    fields = [Field(each.name, each.key, adapt(each.hint), each.required) for each in _fields(hint)]
    shadow = msgspec.defstruct(
        kind.__name__,
        [
            (each.name, each.hint) if each.required else (each.name, each.hint, msgspec.UNSET)
            for each in fields
        ],
        kw_only=not is_named_tuple(kind),
        array_like=is_named_tuple(kind),
        rename={each.name: each.key for each in fields},
    )
    read = typed_read(shadow)
    construct = _constructor(kind)

    def build(value: object) -> object:
        found = read(msgspec.json.encode(value))
        values = ((each.name, getattr(found, each.name)) for each in fields)
        return construct({name: each for name, each in values if each is not msgspec.UNSET})

    return build


def _fields(hint: Any) -> list[Field]:
    kind = typing.get_origin(hint) or hint
    if issubclass(kind, msgspec.Struct):
        return [
            Field(each.name, each.encode_name, each.type, each.required)
            for each in msgspec.structs.fields(hint)
        ]
    arguments = _type_arguments(hint)
    hints = {
        name: _substitute(each, arguments)
        for name, each in typing.get_type_hints(kind, include_extras=True).items()
    }
    if dataclasses.is_dataclass(kind):
        required = {
            each.name: each.init and not _has_default(each) for each in dataclasses.fields(kind)
        }
    elif hasattr(kind, "__attrs_attrs__"):
        # The falsy NOTHING marks an attribute without default; it is told by its name, because
        # attrs is not imported here.
        required = {
            each.name: each.init and repr(each.default) == "NOTHING"
            for each in kind.__attrs_attrs__
        }
    elif is_named_tuple(kind):
        required = {name: name not in kind._field_defaults for name in kind._fields}
    else:
        required = {name: _must_be_in(kind, name, hint) for name, hint in hints.items()}
    return [Field(name, name, hints.get(name, Any), must) for name, must in required.items()]


def _must_be_in(kind: Any, name: str, hint: Any) -> bool:
    # Where annotations are text, `__required_keys__` has not seen these qualifiers.
    if typing.get_origin(hint) in (typing.Required, typing.NotRequired):
        return typing.get_origin(hint) is typing.Required
    return name in kind.__required_keys__


def _has_default(field: dataclasses.Field[Any]) -> bool:
    missing = dataclasses.MISSING
    return field.default is not missing or field.default_factory is not missing


def _constructor(kind: Any) -> Callable[[dict[str, Any]], object]:
    if typing.is_typeddict(kind):
        return dict
    if dataclasses.is_dataclass(kind):
        return lambda values: _new_dataclass(kind, values)
    if hasattr(kind, "__attrs_attrs__"):
        aliases = {each.name: each.alias for each in kind.__attrs_attrs__ if each.init}
        return lambda values: kind(
            **{aliases[name]: value for name, value in values.items() if name in aliases}
        )
    return lambda values: kind(**values)


def _new_dataclass(kind: Any, values: dict[str, Any]) -> object:
    """Make a dataclass as msgspec does: fields set one by one, then `__post_init__`.

    Not through `__init__`, which takes no `init=False` fields although they are stored.
    """
    made = object.__new__(kind)
    for field in dataclasses.fields(kind):
        if field.name in values:
            object.__setattr__(made, field.name, values[field.name])
        elif field.default is not dataclasses.MISSING:
            object.__setattr__(made, field.name, field.default)
        elif field.default_factory is not dataclasses.MISSING:
            object.__setattr__(made, field.name, field.default_factory())
    finish = getattr(made, "__post_init__", None)
    if finish is not None:
        finish()
    return made


def _type_arguments(hint: Any) -> dict[Any, Any]:
    """Map the type variables of a generic class and its bases to what the hint fills in."""
    kind = typing.get_origin(hint) or hint
    arguments = dict(zip(getattr(kind, "__parameters__", ()), typing.get_args(hint), strict=False))
    for base in getattr(kind, "__orig_bases__", ()):
        if typing.get_origin(base) not in (None, typing.Generic, typing.Protocol):
            arguments = _type_arguments(_substitute(base, arguments)) | arguments
    return arguments


def _substitute(hint: Any, arguments: dict[Any, Any]) -> Any:
    if isinstance(hint, typing.TypeVar):
        return arguments.get(hint, hint)
    parameters = getattr(hint, "__parameters__", ())
    if not parameters or isinstance(hint, type):
        return hint
    return hint[tuple(arguments.get(each, each) for each in parameters)]
