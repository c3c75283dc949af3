"""The stored form of an error."""

from __future__ import annotations

import msgspec

from aion.core.payloads.decoding import undecodable


class Failure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An error as it is stored. `type` and `kind` are for programs, the rest is for people.

    `kind` is one of application, timeout, cancelled, terminated, activity, child_workflow,
    workflow and non_determinism. `next_retry_delay` is in seconds. `info` holds what the kind adds:
    the ids of activity or workflow, the attempt, which timeout. A `benign` one is no problem to report.
    `sealed` holds message, traceback and details where they are encoded in the tables; nobody above the
    store sees it.
    """

    type: str
    message: str
    traceback: str = ""
    cause: Failure | None = None
    details: tuple[msgspec.Raw, ...] = ()
    non_retryable: bool = False
    next_retry_delay: float | None = None
    kind: str = "application"
    info: dict[str, str | int] = {}
    benign: bool = False
    sealed: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Failure).decode


def encode_failure(failure: Failure) -> bytes:
    """Give a failure as JSON."""
    return _encode(failure)


def decode_failure(raw: bytes | msgspec.Raw) -> Failure:
    """Read a failure from JSON.

    Raises: PayloadUndecodable if it is none.
    """
    try:
        return _decode(raw)
    except (ValueError, RecursionError) as error:
        raise undecodable(error, "the failure") from error
