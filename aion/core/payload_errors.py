"""Errors about user data: the data itself, and its keeping. Import them from `aion.core.errors`."""

from __future__ import annotations

from aion.core.root_error import AionError


class PayloadError(AionError):
    """User data cannot be stored or read. Attribute: `field` names the value."""

    code = "invalid_payload"

    field: str


class PayloadUnserializable(PayloadError, TypeError):
    """A value has no JSON form."""

    code = "payload_unserializable"


class PayloadTooLarge(PayloadError, ValueError):
    """A value is over the size limit. Attributes: `size`, `limit` (bytes)."""

    code = "payload_too_large"

    size: int
    limit: int


class PayloadUndecodable(PayloadError, ValueError):
    """Stored data does not fit the type that the code expects."""

    code = "payload_undecodable"


class PayloadUnavailable(AionError):
    """A payload could not be encoded, or not be brought back: not the data's fault but its keeping's.

    Another try may succeed: a key is added, a storage answers again. So it is no `PayloadError`.
    """

    code = "payload_unavailable"


class PayloadCodecError(PayloadUnavailable):
    """A codec failed: the data was changed, or belongs to another key. Attributes: `codec`, `key`."""

    code = "payload_codec_failed"


class UnknownPayloadCodec(PayloadUnavailable):
    """A payload was encoded by a codec that is not configured here. Attribute: `codec`."""

    code = "unknown_payload_codec"

    codec: str


class UnknownPayloadKey(PayloadUnavailable):
    """A payload was encrypted with a key that is not in the keyring. Attribute: `key`, its id."""

    code = "unknown_payload_key"

    key: str


class PayloadStorageError(PayloadUnavailable):
    """The storage of large payloads failed, or what it holds is not what was written."""

    code = "payload_storage_failed"
