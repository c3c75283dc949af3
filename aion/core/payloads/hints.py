"""Type hints rewritten until msgspec can read them, or refused with the reason.

Theory of operation
-------------------
Most hints are read by msgspec as they stand. Two things keep it from reading one: it refuses some
types itself (unions it cannot tell apart, enums of mixed values), and it takes any unknown class
in the belief that `dec_hook` builds it. `problem_of` finds both. A hint with a problem is taken
apart: containers keep their shape, and stand-ins take the places that need them. What is left with
a problem at the bottom is refused.
"""

from __future__ import annotations

import enum
import functools
import inspect
import operator
import types
import typing
from collections.abc import Collection
from typing import Any

from aion.core.payloads.problems import name_of, problem_of, unstored_field
from aion.core.payloads.records import is_record, record_build, stored_names
from aion.core.payloads.standins import (
    Member,
    Read,
    StandIn,
    choice_of,
    stand_in,
    table_of,
    typed_read,
)

_UNHINTED = (inspect.Parameter.empty, object, typing.Never, typing.NoReturn)
# What msgspec raises; NotImplementedError is about enums and literals with numbers of more than 64 bits.
_UNREADABLE = (
    TypeError,
    ValueError,
    NameError,
    AttributeError,
    RecursionError,
    NotImplementedError,
)
_QUALIFIERS = (typing.Annotated, typing.Final, typing.Required, typing.NotRequired)


class Unfit(TypeError):
    """Values of a hint cannot be decoded; the message is a sentence that says why."""


def typed_decode(hint: Any) -> Read:
    """Give the function that reads JSON as the type of a hint.

    Raises: Unfit if no such function can be made.
    """
    if any(hint is each for each in _UNHINTED):
        return typed_read(Any)
    try:
        return typed_read(_adapted(hint, {}))
    except Unfit:
        raise
    except _UNREADABLE as error:
        raise Unfit(f"{name_of(hint)} cannot be read from JSON: {error}") from error


def _adapted(hint: Any, standing: dict[Any, type[StandIn]]) -> Any:
    """Rewrite a hint into one that msgspec reads; `standing` holds the records under way."""
    problem = problem_of(hint)
    if problem is None:
        return hint
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    kind = origin or hint
    inner = _unwrapped(hint)
    if inner is not hint:
        return _adapted(inner, standing)
    if origin in (typing.Union, types.UnionType):
        return _adapted_union(arguments, standing)
    if origin is typing.Literal:
        return table_of(name_of(hint), arguments)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return table_of(kind.__name__, kind)
    if is_record(kind):
        return _adapted_record(hint, standing)
    if isinstance(origin, type) and issubclass(origin, Collection) and arguments:
        inside = [each if each is ... else _adapted(each, standing) for each in arguments]
        rewritten = _rebuilt_container(origin, inside)
        problem = problem_of(rewritten)
        if problem is None:
            return rewritten
    raise Unfit(problem)


def _rebuilt_container(origin: Any, arguments: list[Any]) -> Any:
    return origin[tuple(arguments)]


def _adapted_union(members: tuple[Any, ...], standing: dict[Any, type[StandIn]]) -> Any:
    adapted = [_adapted(each, standing) for each in members]
    together = functools.reduce(operator.or_, adapted)
    if problem_of(together) is None:
        return together
    choice: Any = choice_of(
        [
            Member(name_of(member), typed_read(each), stored_names(member))
            for member, each in zip(members, adapted, strict=True)
            if each is not type(None)
        ]
    )
    return choice | None if type(None) in adapted else choice


def _adapted_record(hint: Any, standing: dict[Any, type[StandIn]]) -> type[StandIn]:
    if hint in standing:
        return standing[hint]
    kind = typing.get_origin(hint) or hint
    problem = unstored_field(kind)
    if problem is not None:
        raise Unfit(problem)
    standing[hint] = record = stand_in(kind.__name__)
    try:
        build = record_build(hint, lambda field: _adapted(field, standing))
    except Unfit as unfit:
        raise Unfit(f"in {kind.__name__}: {unfit}") from unfit
    record.aion_build = staticmethod(build)
    return record


def _unwrapped(hint: Any) -> Any:
    """Take off what says nothing about the JSON, one layer."""
    if isinstance(hint, typing.NewType):
        return hint.__supertype__
    if isinstance(hint, typing.TypeVar):
        return hint.__bound__ or Any
    if hint is typing.LiteralString:
        return str
    if any(hint is each for each in _UNHINTED):
        return Any
    if typing.get_origin(hint) in _QUALIFIERS:
        return typing.get_args(hint)[0]
    # `type X = ...` of Python 3.12, which 3.11 has no name for.
    return getattr(hint, "__value__", hint) if not isinstance(hint, type) else hint
