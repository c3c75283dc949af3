"""Values to JSON bytes."""

from __future__ import annotations

import msgspec

from aion.core.errors import PayloadUnserializable
from aion.core.payloads.limits import Limits, default_limits
from aion.core.payloads.values import find_problem, holds_nonfinite, reason_of, simplify

_encode = msgspec.json.Encoder(enc_hook=simplify).encode


def encode(value: object, *, field: str, limit: Limits | None = None, owner: str = "") -> bytes:
    """Give a value as JSON.

    Shapes: owner: what errors say after the place in the field, such as " of activity pay".
    Units:  limit: sizes in bytes; the process default without one.
    Raises: PayloadUnserializable naming the field and the place in it; PayloadTooLarge.
    """
    try:
        raw = encode_strictly(value)
    except Exception as error:  # noqa: BLE001 (values run user code, which may raise anything)
        raise unserializable(value, error, field, owner=owner) from None
    limits = limit or default_limits()
    size = len(raw)
    if size > limits.warn or size > limits.refuse:
        limits.check(size, field=field + owner)
    return raw


def encode_strictly(value: object) -> bytes:
    """Give a value as JSON, or raise whatever went wrong, as it is.

    For callers that name the place themselves; `encode` is the one for everyone else.

    Raises: ValueError for NaN and infinities; TypeError, ValueError, RecursionError or anything
            that a property of the value raises.
    """
    raw = _encode(value)
    # msgspec writes NaN and infinities as null, which would read back as None. Only JSON that
    # holds the word can hide one, so nearly all values skip the walk.
    if b"null" in raw and value is not None and holds_nonfinite(value):
        raise ValueError("JSON has no NaN or infinity; use None or a string")
    return raw


def unserializable(
    value: object, error: Exception, field: str, *, owner: str = ""
) -> PayloadUnserializable:
    """Turn what `encode_strictly` raised into the error that names the field and the place."""
    path, reason = field, reason_of(error)
    if not isinstance(error, RecursionError):
        path, reason = find_problem(value, field, encode_strictly)
    return PayloadUnserializable(
        f"{path}{owner} cannot be stored as JSON: {reason}", field=field + owner
    )
