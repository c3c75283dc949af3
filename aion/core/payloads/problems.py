"""Why a hint cannot be read by msgspec as it stands."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import inspect as shapes

from aion.core.payloads.converters import converter_of
from aion.core.payloads.models import is_model, unfit_model_field
from aion.core.payloads.standins import is_stand_in


def name_of(hint: Any) -> str:
    """Give a hint as one would write it, without the modules of its classes."""
    if isinstance(hint, type) and not typing.get_args(hint):
        return hint.__qualname__.rpartition("<locals>.")[2]
    return str(hint).replace("typing.", "")


def problem_of(hint: Any) -> str | None:
    """Say why msgspec cannot read a hint as it stands, or None when it can."""
    if isinstance(hint, str):
        return f"{hint!r} is a name and not a type"
    try:
        return _problem_within(shapes.type_info(hint))
    except (TypeError, ValueError, NameError, AttributeError) as error:
        return f"{name_of(hint)} cannot be read from JSON: {error}"


def _problem_within(shape: shapes.Type) -> str | None:
    # Types may contain themselves; msgspec then gives the same object again.
    seen: set[int] = set()
    waiting = [shape]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        problem = _node_problem(node)
        if problem is not None:
            return problem
        waiting.extend(_inside(node))
    return None


def _node_problem(node: shapes.Type) -> str | None:
    match node:
        case shapes.CustomType(cls=kind):
            return _custom_problem(kind)
        case shapes.DataclassType(cls=kind):
            return unstored_field(kind)
        case shapes.DictType(key_type=shapes.CustomType(cls=kind)):
            if not getattr(kind, "aion_is_key", False):
                return f"{name_of(kind)} cannot be the key of a dict in JSON, where keys are text"
    return None


def _custom_problem(kind: Any) -> str | None:
    if kind is object or is_stand_in(kind) or converter_of(kind) is not None:
        return None
    if is_model(kind):
        secret = unfit_model_field(kind)
        return secret and f"{secret} is a secret, which pydantic stores as asterisks"
    if hasattr(kind, "_meta") and hasattr(kind, "pk"):
        return f"{name_of(kind)} is a database row; take its primary key instead"
    return (
        f"{name_of(kind)} cannot be rebuilt from JSON; use a dataclass, a TypedDict, "
        f"a pydantic model or built-in types, or register_converter()"
    )


def unstored_field(kind: Any) -> str | None:
    """Say which field of a dataclass or attrs class would silently be left out, if any."""
    if dataclasses.is_dataclass(kind):
        for name, hint in typing.get_type_hints(kind).items():
            if isinstance(hint, dataclasses.InitVar):
                return f"{name_of(kind)}.{name} is an InitVar, which is not stored"
    for attribute in getattr(kind, "__attrs_attrs__", ()):
        if attribute.name.startswith("_"):
            return f"{kind.__name__}.{attribute.name} is private, and would not be stored"
    return None


def _inside(node: msgspec.Struct) -> Iterator[Any]:
    """Give the types within a type as msgspec describes it."""
    for name in node.__struct_fields__:
        value = getattr(node, name)
        for each in value if isinstance(value, tuple) else (value,):
            if isinstance(each, shapes.Field):
                yield each.type
            elif isinstance(each, shapes.Type):
                yield each
