"""JSON bytes to values, by type hints."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from aion.core.errors import PayloadUndecodable
from aion.core.payloads.hints import Unfit, typed_decode

_KEPT_DECODERS = 4096
# What msgspec appends to say where: " - at `$.items[3]`" or " - at `key` in `$.items`". Converters
# nest, each speaking of its own root, so that there may be several, the innermost first.
_PLACE = re.compile(r" - at (`key` in )?`(?:key in )?\$([^`]*)`")


class Decoder:
    """Reads JSON as the type of one hint. Made by `decoder_for`.

    Raises: Unfit, a TypeError, when values of the hint cannot be decoded.
    """

    __slots__ = ("hint", "read")

    def __init__(self, hint: Any) -> None:
        self.hint = hint
        self.read = typed_decode(hint)
        """Decode, or raise whatever went wrong as it is; pass the error to `undecodable`."""

    def decode(self, raw: bytes | msgspec.Raw, *, field: str) -> Any:
        """Give the value.

        Raises: PayloadUndecodable naming the field and the place in it.
        """
        try:
            return self.read(raw)
        except Exception as error:
            raise undecodable(error, field) from error


_decoders: dict[Any, tuple[Any, Decoder]] = {}


def decoder_for(hint: Any) -> Decoder:
    """Give the decoder of a hint, made once.

    Raises: Unfit, a TypeError whose message is what `check_hint` gives.
    """
    try:
        kept = _decoders.get(hint)
    except TypeError:
        # Annotated metadata may be unhashable; such a hint is worth no cache.
        return Decoder(hint)
    # Unions are equal whatever the order of their members, but here the order decides.
    if kept is not None and (kept[0] is hint or repr(kept[0]) == repr(hint)):
        return kept[1]
    decoder = Decoder(hint)
    if len(_decoders) >= _KEPT_DECODERS:
        _decoders.clear()
    _decoders[hint] = (hint, decoder)
    return decoder


def decode(raw: bytes | msgspec.Raw, hint: Any, *, field: str) -> Any:
    """Read JSON as the type of a hint; plain JSON values for `Any` and for no hint.

    Raises: PayloadUndecodable naming the field and the place in it.
    """
    try:
        return decoder_for(hint).read(raw)
    except Exception as error:
        raise undecodable(error, field) from error


def check_hint(hint: Any) -> str | None:
    """Say why values of a hint cannot be decoded, in a sentence, or None when they can."""
    try:
        decoder_for(hint)
    except Unfit as unfit:
        return str(unfit)
    return None


def undecodable(error: Exception, field: str, *, owner: str = "") -> PayloadUndecodable:
    """Turn what a decoder raised into the error that names the field and the place in it."""
    text = str(error) or type(error).__name__
    if isinstance(error, RecursionError):
        text = "the JSON is nested too deeply"
    places = list(_PLACE.finditer(text))
    path = field + "".join(place[2] for place in reversed(places))
    if any(place[1] for place in places):
        text = f"a key: {text}"
    text = _PLACE.sub("", text)
    return PayloadUndecodable(f"{path}{owner} cannot be read: {text}", field=field + owner)
