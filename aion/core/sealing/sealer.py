"""Seals payloads, failures and whole events, and unseals them."""

from __future__ import annotations

from functools import partial
from typing import Final, Protocol

import msgspec

from aion.core.errors import PayloadCodecError
from aion.core.failures import Failure
from aion.core.sealing.chain import Chain
from aion.core.sealing.contexts import PayloadContext
from aion.core.sealing.envelopes import (
    Envelope,
    Stored,
    is_envelope,
    read_envelope,
    write_envelope,
)
from aion.core.sealing.fields import S, changed, texts_of

_EMPTY: Final = (b"null", b"{}", b"[]")
"""Payloads that say nothing stay as they are."""


class Files(Protocol):
    """Where large payloads lie. Both calls raise PayloadStorageError."""

    above: int
    """Encoded payloads of more bytes are written to a file; 0 means none."""

    def save(self, data: bytes, context: PayloadContext) -> Stored:
        """Write a file below the run's id."""

    def load(self, stored: Stored) -> bytes:
        """Read a file, and compare its digest."""


class _Texts(msgspec.Struct, frozen=True, omit_defaults=True):
    """What of a failure is sealed: its cause is a failure of its own."""

    message: str = ""
    traceback: str = ""
    details: tuple[msgspec.Raw, ...] = ()


class _Said(msgspec.Struct, frozen=True, omit_defaults=True):
    """What of an event is sealed besides its payloads."""

    headers: dict[str, str] | None = None
    summary: str = ""


_encode = msgspec.json.Encoder().encode
_read_said = msgspec.json.Decoder(_Said).decode
_read_texts = msgspec.json.Decoder(_Texts).decode


class Sealer:
    """Seals with one chain and one storage, and unseals whatever they know."""

    def __init__(self, chain: Chain, files: Files, *, remembers: bool = False) -> None:
        self.chain = chain
        self.files = files
        self.is_on = bool(chain.codecs or files.above)
        """Whether anything but the look of user data makes an envelope."""
        # By whose payload it is: under another workflow id the same bytes are sealed differently.
        self._known: dict[tuple[str, str, bytes], bytes] | None = {} if remembers else None

    def remembering(self) -> Sealer:
        """Give a sealer for one run's turn, which seals the same payload once.

        What arrives is written again as history, an order is an event and a row: neither is encoded, or
        stored, a second time.
        """
        return Sealer(self.chain, self.files, remembers=True)

    def in_row(self) -> Sealer:
        """Give a sealer that stores nothing: for what is bounded, and needed while the storage fails."""
        return Sealer(self.chain, _NoFiles(self.files))

    # --- payloads ---

    def seal(self, payload: bytes, context: PayloadContext) -> bytes:
        """Give the JSON that stands in a payload's place.

        Raises:
            PayloadUnavailable: a codec or the storage failed.
        """
        if payload in _EMPTY or not (self.is_on or is_envelope(payload)):
            return payload
        known = self._known
        if known is None:
            return self._seal(payload, context)
        place = (context.workflow_id, context.run_id, payload)
        if place not in known:
            known[place] = self._seal(payload, context)
        return known[place]

    def _seal(self, payload: bytes, context: PayloadContext) -> bytes:
        data, names, key = self.chain.encode(payload, context)
        above = self.files.above
        if above and len(data) > above:
            stored = self.files.save(data, context)
            return write_envelope(Envelope(codec=names, key=key, stored=stored))
        if names:
            return write_envelope(Envelope(codec=names, key=key, data=data))
        if is_envelope(payload):
            return write_envelope(Envelope(json=msgspec.Raw(payload)))
        return payload

    def unseal(self, payload: bytes, context: PayloadContext) -> bytes:
        """Give the payload that was sealed; what is no envelope is a payload.

        Raises:
            PayloadUnavailable: its key or codec is unknown, its file is missing or damaged.
        """
        if not is_envelope(payload):
            return payload
        envelope = read_envelope(payload)
        plain = self._unseal(envelope, context)
        if self._known is not None and self._may_stay(envelope, context):
            self._known[context.workflow_id, context.run_id, plain] = payload
        return plain

    def _unseal(self, envelope: Envelope, context: PayloadContext) -> bytes:
        if isinstance(envelope.json, msgspec.Raw):
            return bytes(envelope.json)
        data = self.files.load(envelope.stored) if envelope.stored is not None else envelope.data
        if not isinstance(data, bytes):
            raise PayloadCodecError("The envelope of a payload is empty")
        return self.chain.decode(data, envelope.codec, envelope.key, context)

    def _may_stay(self, envelope: Envelope, context: PayloadContext) -> bool:
        """Tell whether an envelope may be written again. A row names files of its own run only."""
        stored = envelope.stored
        is_own = stored is None or f"/{context.run_id}/" in stored.name
        return is_own and self.is_current(envelope, context)

    def is_current(self, envelope: Envelope, context: PayloadContext) -> bool:
        """Tell without decoding whether sealing again would change nothing; False means: perhaps."""
        size = len(envelope.data) if isinstance(envelope.data, bytes) else 0
        above = self.files.above
        if envelope.stored is not None:
            in_place = bool(above and envelope.stored.size > above)
        else:
            in_place = not above or size <= above
        return in_place and self.chain.is_current(envelope.codec, envelope.key, context)

    # --- failures ---

    def seal_failure(self, failure: Failure, context: PayloadContext) -> Failure:
        """Seal message, traceback and details of a failure and of its causes; type and kind stay."""
        if not self.is_on:
            return failure
        if failure.cause is not None:
            cause = self.seal_failure(failure.cause, context)
            failure = msgspec.structs.replace(failure, cause=cause)
        texts = _Texts(failure.message, failure.traceback, failure.details)
        if failure.sealed is not msgspec.UNSET or texts == _Texts():
            return failure
        plain = _encode(texts)
        sealed = self.seal(plain, context)
        if sealed == plain:
            return failure
        return msgspec.structs.replace(
            failure, message="", traceback="", details=(), sealed=msgspec.Raw(sealed)
        )

    def unseal_failure(self, failure: Failure, context: PayloadContext) -> Failure:
        """Give a failure as it was."""
        if failure.cause is not None:
            cause = self.unseal_failure(failure.cause, context)
            failure = msgspec.structs.replace(failure, cause=cause)
        if not isinstance(failure.sealed, msgspec.Raw):
            return failure
        plain = self.unseal(bytes(failure.sealed), context)
        try:
            texts = _read_texts(plain)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise PayloadCodecError(f"A sealed failure cannot be read: {error}") from error
        return msgspec.structs.replace(
            failure,
            message=texts.message,
            traceback=texts.traceback,
            details=texts.details,
            sealed=msgspec.UNSET,
        )

    # --- events, and whatever else has fields of payloads ---

    def seal_fields(self, struct: S, context: PayloadContext) -> S:
        """Seal every payload and failure of a struct, and what it says in texts."""
        struct = changed(
            struct,
            lambda raw: _raw(raw, self.seal(bytes(raw), context)),
            partial(self.seal_failure, context=context),
        )
        return self.seal_texts(struct, context) if self.is_on else struct

    def unseal_fields(self, struct: S, context: PayloadContext) -> S:
        """Unseal every payload and failure of a struct, and what it says in texts."""
        struct = changed(
            struct,
            lambda raw: _raw(raw, self.unseal(bytes(raw), context)),
            partial(self.unseal_failure, context=context),
        )
        return self.unseal_texts(struct, context)

    def seal_texts(self, struct: S, context: PayloadContext) -> S:
        """Seal headers and summary of a struct, in one envelope."""
        said = {name: value for name in texts_of(type(struct)) if (value := getattr(struct, name))}
        if not said or struct.sealed is not msgspec.UNSET:  # type: ignore[attr-defined]
            return struct
        plain = _encode(_Said(**said))
        sealed = self.seal(plain, context)
        if sealed == plain:
            return struct
        empty = {name: type(value)() for name, value in said.items()}
        return msgspec.structs.replace(struct, **empty, sealed=msgspec.Raw(sealed))

    def unseal_texts(self, struct: S, context: PayloadContext) -> S:
        """Give a struct with the headers and the summary that it had."""
        sealed = getattr(struct, "sealed", None)
        if not isinstance(sealed, msgspec.Raw):
            return struct
        plain = self.unseal(bytes(sealed), context)
        try:
            said = _read_said(plain)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise PayloadCodecError(f"Sealed headers cannot be read: {error}") from error
        found = {name: value for name in texts_of(type(struct)) if (value := getattr(said, name))}
        return msgspec.structs.replace(struct, **found, sealed=msgspec.UNSET)


class _NoFiles:
    """Reads what other files hold, and takes none."""

    above = 0

    def __init__(self, files: Files) -> None:
        self.save = files.save
        self.load = files.load


def _raw(before: msgspec.Raw, after: bytes) -> msgspec.Raw:
    return before if bytes(before) == after else msgspec.Raw(after)
