"""Classes that stand in a hint for what msgspec does not read by itself.

msgspec hands the plain JSON values found at a class it does not know to `dec_hook`. So a hint it
refuses is rewritten with a new class at the place in question, which carries the function that
builds the real thing. The class claims every object as its instance, because msgspec checks that
the hook gave one.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import msgspec

from aion.core.payloads.converters import Converter, converter_of
from aion.core.payloads.models import is_model, load_model

Build = Callable[[Any], object]
Read = Callable[[bytes], Any]


class StandIn(abc.ABC):
    """The base of the stand-ins; each is a subclass of its own, made by `stand_in`."""

    aion_build: Build
    aion_is_key = False

    @classmethod
    def __subclasshook__(cls, other: type) -> bool:
        return True


def stand_in(name: str, build: Build | None = None, *, is_key: bool = False) -> type[StandIn]:
    """Make a stand-in; one without `build` is given it later, which lets classes be recursive.

    Shapes: is_key: whether it may stand for the keys of a dict, which are text in JSON.
    """
    members: dict[str, Any] = {"aion_is_key": is_key}
    if build is not None:
        members["aion_build"] = staticmethod(build)
    return type(name, (StandIn,), members)


def is_stand_in(kind: object) -> bool:
    """Tell a stand-in from other classes, which its subclass hook would not."""
    return isinstance(kind, type) and StandIn in kind.__mro__


def build_custom(kind: Any, value: object) -> object:
    """Build what a hint means from plain JSON values; this is the `dec_hook`.

    Raises: ValueError or TypeError if the values do not fit.
    """
    if is_stand_in(kind):
        try:
            return kind.aion_build(value)
        except msgspec.ValidationError as error:
            # msgspec adds the place to a ValueError, but lets its own errors pass as they are.
            raise ValueError(str(error)) from error
    converter = converter_of(kind)
    if converter is not None:
        return _converted_back(kind, converter, value)
    if is_model(kind):
        return load_model(kind, msgspec.json.encode(value))
    # The only other class let through is `object`, which says as little as Any.
    return value


def _converted_back(kind: type, converter: Converter, value: object) -> object:
    try:
        found = converter.decode(value)
    except (ValueError, TypeError):
        raise
    except Exception as error:  # as a ValueError, so that msgspec adds the place and unions go on
        raise ValueError(f"{type(error).__name__}: {error}") from error
    if not isinstance(found, kind):
        raise ValueError(  # noqa: TRY004  # it is the value that does not fit
            f"the converter of {kind.__name__} gave a value of type {type(found).__name__}"
        )
    return found


def typed_read(hint: Any) -> Read:
    """Give msgspec's decode function for a hint that it accepts, stand-ins included.

    Raises: TypeError if it does not accept it.
    """
    return msgspec.json.Decoder(hint, dec_hook=build_custom).decode


def table_of(name: str, members: Iterable[object]) -> type[StandIn]:
    """Make a stand-in for a fixed set of values, told apart by their JSON.

    For enums whose values are not all text or all integers, and for literals of enum members.
    """
    table = {msgspec.json.encode(member): member for member in members}

    def build(value: object) -> object:
        raw = msgspec.json.encode(value)
        if raw not in table and isinstance(value, str):
            # As the key of a dict, a number is text.
            raw = value.encode()
        if raw not in table:
            raise ValueError(f"Invalid value {value!r} for {name}")
        return table[raw]

    return stand_in(name, build, is_key=True)


class Member(NamedTuple):
    """A member of a union: its name, how to read it, its fields' names if it is a record."""

    name: str
    read: Read
    fields: frozenset[str] | None


def choice_of(members: list[Member]) -> type[StandIn]:
    """Make a stand-in for a union whose members msgspec cannot tell apart.

    Each member is tried with its own reader, the first that reads wins. The order: for an object,
    first the records with exactly its fields, then those that have all its fields, then the rest;
    within these the order of declaration. A reader refuses an object that lacks a required field
    or has a value of another type. So two records with the same fields and types are not told
    apart: the first is taken. Give them a `Literal` field, or use tagged Structs.
    """

    def build(value: object) -> object:
        raw = msgspec.json.encode(value)
        ranked = sorted((_unlikeness(member, value), at) for at, member in enumerate(members))
        refusals: list[Exception] = []
        for _, at in ranked:
            try:
                return members[at].read(raw)
            except (ValueError, TypeError) as error:
                refusals.append(error)
        ranks = [rank for rank, _ in ranked]
        if ranks[0] < _UNLIKE and ranks.count(ranks[0]) == 1:
            # One member was clearly meant; its own error says more than that none fits.
            raise refusals[0]
        names = (members[at].name for _, at in ranked)
        reasons = "; ".join(map("{}: {}".format, names, refusals)).replace(" - at `$", " at `$")
        raise ValueError(f"Expected one of {len(members)} types ({reasons})")

    return stand_in(" | ".join(member.name for member in members), build)


_UNLIKE = 2


def _unlikeness(member: Member, value: object) -> int:
    if not isinstance(value, dict) or member.fields is None:
        return _UNLIKE
    if member.fields == value.keys():
        return 0
    return 1 if member.fields >= value.keys() else _UNLIKE
