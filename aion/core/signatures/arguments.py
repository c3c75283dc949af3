"""Arguments as one JSON object, whatever function they are for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from aion.core.payloads.decoding import decoder_for, undecodable
from aion.core.payloads.encoding import encode_strictly, unserializable
from aion.core.payloads.limits import Limits, default_limits

NO_ARGUMENTS = b"{}"

_read_plain = decoder_for(Any).read


class StoredArguments(msgspec.Struct):
    """The stored form, each argument left as JSON until its hint is at hand."""

    args: list[msgspec.Raw] = []
    kwargs: dict[str, msgspec.Raw] = {}


_read_stored = msgspec.json.Decoder(StoredArguments).decode


def encode_arguments(args: Sequence[Any], kwargs: Mapping[str, Any], *, what: str) -> bytes:
    """Give the arguments of a call by name, whose function is not at hand, as JSON.

    Raises: PayloadUnserializable or PayloadTooLarge naming the argument, by position from 1.
    """
    return encode_named(args, kwargs, what, by_position)


def decode_arguments(
    raw: bytes | msgspec.Raw, *, what: str
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Read arguments as plain JSON values.

    Raises: PayloadUndecodable.
    """
    stored = read_stored(raw, what)
    args = tuple(
        read_argument(_read_plain, each, by_position(index), what)
        for index, each in enumerate(stored.args)
    )
    kwargs = {
        name: read_argument(_read_plain, each, by_name(name), what)
        for name, each in stored.kwargs.items()
    }
    return args, kwargs


def decode_any(raw: bytes | msgspec.Raw, *, what: str = "a call by name") -> Any:
    """Read the result of a call by name as plain JSON values.

    Raises: PayloadUndecodable.
    """
    return read_argument(_read_plain, raw, "the result", what)


def encode_named(
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    what: str,
    name_position: Callable[[int], str],
) -> bytes:
    """Give arguments as JSON; `name_position` says how errors name the one at an index.

    Raises: PayloadUnserializable or PayloadTooLarge naming the argument.
    """
    stored: dict[str, Any] = {}
    if args:
        stored["args"] = args
    if kwargs:
        stored["kwargs"] = kwargs
    if not stored:
        return NO_ARGUMENTS

    # The names of arguments are needed for errors only, so all go in one encoding first.
    def named() -> list[tuple[str, Any]]:
        positional = [(name_position(index), each) for index, each in enumerate(args)]
        return positional + [(by_name(name), each) for name, each in kwargs.items()]

    try:
        raw = encode_strictly(stored)
    except Exception as error:  # noqa: BLE001 (values run user code, which may raise anything)
        for name, value in named():
            _encode_one(value, name, what)
        raise unserializable(stored, error, "the arguments", owner=f" of {what}") from None
    limits = default_limits()
    if len(raw) > limits.warn or len(raw) > limits.refuse:
        _check_sizes(raw, named(), what, limits)
    return raw


def by_name(name: str) -> str:
    """Say how errors call the argument of a name."""
    return f"argument {name!r}"


def by_position(index: int) -> str:
    """Say how errors call the argument at an index; people count from 1."""
    return f"argument {index + 1}"


def _encode_one(value: Any, name: str, what: str) -> bytes:
    try:
        return encode_strictly(value)
    except Exception as error:  # noqa: BLE001 (values run user code, which may raise anything)
        raise unserializable(value, error, name, owner=f" of {what}") from None


def _check_sizes(raw: bytes, named: list[tuple[str, Any]], what: str, limits: Limits) -> None:
    """Name the argument that is too large by itself, or else all of them together."""
    if len(raw) > limits.refuse:
        alone = Limits(warn=limits.refuse, refuse=limits.refuse)
        for name, value in named:
            alone.check(len(_encode_one(value, name, what)), field=f"{name} of {what}")
    limits.check(len(raw), field=f"the arguments of {what}")


def read_stored(raw: bytes | msgspec.Raw, what: str) -> StoredArguments:
    """Split stored arguments into JSON pieces.

    Raises: PayloadUndecodable.
    """
    try:
        return _read_stored(raw)
    except (ValueError, TypeError, RecursionError) as error:
        raise undecodable(error, "the arguments", owner=f" of {what}") from error


def read_argument(
    read: Callable[[Any], Any], raw: bytes | msgspec.Raw, name: str, what: str
) -> Any:
    """Read one argument.

    Raises: PayloadUndecodable naming it and the place in it.
    """
    try:
        return read(raw)
    except Exception as error:
        raise undecodable(error, name, owner=f" of {what}") from error
