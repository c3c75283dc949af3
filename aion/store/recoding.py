"""Encodes stored text again, by the chain and the storage that are in force now."""

from __future__ import annotations

from typing import Final

import msgspec

from aion.core.failures import Failure, decode_failure
from aion.core.sealing import (
    Envelope,
    Files,
    PayloadContext,
    Sealer,
    Stored,
    is_envelope,
    read_envelope,
)
from aion.core.sealing.fields import S, changed
from aion.store.rows import Problem
from aion.store.schedule_payloads import change_action, change_told
from aion.store.sealing import STRUCTS, sealer

_encode: Final = msgspec.json.Encoder().encode
_read_problem: Final = msgspec.json.Decoder(Problem).decode


class Recoder:
    """Encodes again what one key has encoded, or all that the current chain would write otherwise."""

    def __init__(self, *, from_key: str | None = None, dry_run: bool = False) -> None:
        by = sealer()
        self._by = Sealer(by.chain, _Unwritten(by.files)) if dry_run else by
        self._from_key = from_key

    def recode(self, text: str, shape: str, kind: str, context: PayloadContext) -> str:
        """Give a text as it is written now: the same one where nothing is to be done.

        Shapes: payload, failure, problem, or the body of an event of some kind. Of a schedule: its config,
        the event that told it one, and the result and failure that it keeps, never in a file.

        Raises:
            PayloadUnavailable: a payload cannot be brought back, or not be encoded.
        """
        by = self._by.in_row() if shape.startswith("kept ") else self._by
        match shape:
            case "payload" | "kept payload":
                return self._payload(text.encode(), context, by).decode()
            case "failure" | "kept failure":
                failure = decode_failure(text.encode())
                return _rewritten(text, failure, self._failure(failure, context, by))
            case "problem":
                return _rewritten(text, *self._problem_of(_read_problem(text), context))
            case "config":
                return change_action(text, lambda action: self._struct_of(action, context))
            case "told":
                return change_told(text, lambda action: self._struct_of(action, context))
            case _ if kind in STRUCTS:
                struct = STRUCTS[kind].decode(text)
                return _rewritten(text, struct, self._struct_of(struct, context))
            case _:
                return text

    def _payload(self, payload: bytes, context: PayloadContext, by: Sealer) -> bytes:
        if not is_envelope(payload):
            return payload if self._from_key else by.seal(payload, context)
        before = read_envelope(payload)
        if not self._concerns(before, context, by):
            return payload
        again = by.seal(by.unseal(payload, context), context)
        return payload if _is_same(before, again) else again

    def _concerns(self, envelope: Envelope, context: PayloadContext, by: Sealer) -> bool:
        if self._from_key:
            return envelope.key == self._from_key
        return not by.is_current(envelope, context)

    def _failure(self, failure: Failure, context: PayloadContext, by: Sealer) -> Failure:
        cause = failure.cause and self._failure(failure.cause, context, by)
        own = msgspec.structs.replace(failure, cause=None)
        return msgspec.structs.replace(self._own(own, context, by), cause=cause)

    def _own(self, failure: Failure, context: PayloadContext, by: Sealer) -> Failure:
        if not isinstance(failure.sealed, msgspec.Raw):
            return failure if self._from_key else by.seal_failure(failure, context)
        before = read_envelope(bytes(failure.sealed))
        if not self._concerns(before, context, by):
            return failure
        again = by.seal_failure(by.unseal_failure(failure, context), context)
        same = isinstance(again.sealed, msgspec.Raw) and _is_same(before, bytes(again.sealed))
        return failure if same else again

    def _problem_of(self, problem: Problem, context: PayloadContext) -> tuple[Problem, Problem]:
        shown = Failure(
            type=problem.type,
            message=problem.message,
            traceback=problem.traceback,
            sealed=problem.sealed,
        )
        again = self._own(shown, context, self._by.in_row())
        return problem, msgspec.structs.replace(
            problem, message=again.message, traceback=again.traceback, sealed=again.sealed
        )

    def _struct_of(self, struct: S, context: PayloadContext) -> S:
        def payload(raw: msgspec.Raw) -> msgspec.Raw:
            before = bytes(raw)
            again = self._payload(before, context, self._by)
            return raw if again == before else msgspec.Raw(again)

        again = changed(struct, payload, lambda failure: self._failure(failure, context, self._by))
        return self._texts(again, context)

    def _texts(self, struct: S, context: PayloadContext) -> S:
        sealed = getattr(struct, "sealed", None)
        if not isinstance(sealed, msgspec.Raw):
            is_left = self._from_key or not self._by.is_on
            return struct if is_left else self._by.seal_texts(struct, context)
        again = self._payload(bytes(sealed), context, self._by)
        if is_envelope(again):
            return msgspec.structs.replace(struct, sealed=msgspec.Raw(again))
        return self._by.unseal_texts(struct, context)


def _rewritten(text: str, before: msgspec.Struct, after: msgspec.Struct) -> str:
    """Write a struct only if it differs: another writer's JSON may be spaced otherwise."""
    return text if _encode(before) == _encode(after) else _encode(after).decode()


def _is_same(before: Envelope, again: bytes) -> bool:
    """Tell whether encoding again took the same codecs, key and place, so that nothing was gained."""
    if not is_envelope(again):
        return False
    after = read_envelope(again)
    return (before.codec, before.key, before.stored is None) == (
        after.codec,
        after.key,
        after.stored is None,
    )


class _Unwritten:
    """Files that a dry run would write."""

    def __init__(self, files: Files) -> None:
        self.above = files.above
        self.load = files.load

    def save(self, data: bytes, context: PayloadContext) -> Stored:
        """Write nothing."""
        return Stored(name="", size=len(data), sha256="")
