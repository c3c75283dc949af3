"""The envelope: a JSON object in a payload's place.

    {"$aion":{"codec":["zlib","aes-gcm"],"key":"2026-11","data":"<base64>"}}

The codecs are listed in the order in which they encoded. In the place of `data` stands `stored`, where the
bytes are in a file, or `json`: a payload as it is, which only looks like an envelope.
"""

from __future__ import annotations

from typing import Final

import msgspec

from aion.core.errors import PayloadCodecError

MARK: Final = '"$aion":'
"""What every JSON text contains that holds an envelope. One that contains it need not hold one."""

_BEGIN: Final = b'{"$aion":'
MOST_CODECS: Final = 16
"""So many codecs may one payload pass."""


class Stored(msgspec.Struct, frozen=True):
    """Encoded bytes that lie in a file: where, how many, and their digest in hex."""

    name: str
    size: int
    sha256: str


class Envelope(
    msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, forbid_unknown_fields=True
):
    """A sealed payload: exactly one of `data`, `stored` and `json` is there."""

    codec: tuple[str, ...] = ()
    key: str = ""
    data: bytes | msgspec.UnsetType = msgspec.UNSET
    stored: Stored | None = None
    json: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Around(msgspec.Struct, frozen=True):
    envelope: Envelope = msgspec.field(name="$aion")


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Around).decode


def is_envelope(payload: bytes) -> bool:
    """Tell whether a payload from a table is sealed."""
    return payload.startswith(_BEGIN)


def write_envelope(envelope: Envelope) -> bytes:
    """Give an envelope as JSON."""
    return _encode(_Around(envelope))


def read_envelope(payload: bytes) -> Envelope:
    """Read an envelope.

    Raises:
        PayloadCodecError: it is damaged.
    """
    try:
        envelope = _decode(payload).envelope
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise PayloadCodecError(f"The envelope of a payload is damaged: {error}") from error
    if isinstance(envelope.data, bytes) and not envelope.codec:  # what nobody encoded is no data
        raise PayloadCodecError("The envelope of a payload is damaged: it names no codec")
    if len(envelope.codec) > MOST_CODECS:  # each may unfold to many times its size
        count = len(envelope.codec)
        raise PayloadCodecError(f"The envelope of a payload is damaged: it names {count} codecs")
    return envelope
