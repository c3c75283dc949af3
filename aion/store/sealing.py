"""The store's boundary: what is written is sealed here, and what is read is unsealed.

Theory of operation
-------------------
One sealer, made of the settings, serves a process. Without codecs and storage it changes nothing but user
data that looks like an envelope, so writers first ask whether it `is_on` or look for the mark.

What is written is sealed under the run in whose row it will lie. A turn seals all that it writes before the
batch is written (`sealed_turns`), so that a codec or a storage that fails holds that run only; such text is
`Sealed`, and the statements take it as it is. Everybody else's text is sealed where it is written.

The texts of messages that the engine makes itself (an id that was taken, a run that has ended) hold ids and
nothing of users. They are marked as sealed and stay readable, so that writing a batch never fails for them.
"""

from __future__ import annotations

import threading
import uuid
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, Final

import msgspec
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from aion.codecs import Zlib
from aion.conf import settings
from aion.core.errors import PayloadCodecError, PayloadUnavailable
from aion.core.failures import Failure, decode_failure, encode_failure
from aion.core.history import KINDS
from aion.core.requests import UpdateRequest
from aion.core.sealing import MARK, Chain, Codec, PayloadContext, Sealer, holds_payloads
from aion.core.sealing.fields import S
from aion.store.dialects import connection, dialect
from aion.store.payload_files import PayloadFiles
from aion.store.rows import Problem

UPDATE: Final = "update"
"""The message kind of an update that asks to be accepted."""

STRUCTS: Final[dict[str, Any]] = {
    kind: msgspec.json.Decoder(struct)
    for kind, struct in ({**KINDS, UPDATE: UpdateRequest}).items()
    if holds_payloads(struct)
}
"""Readers of the bodies that hold payloads, by kind."""

_encode: Final = msgspec.json.Encoder().encode


class Sealed(str):
    """Text that is written as it is."""

    __slots__ = ()


# --- the sealer of this process ---


def sealer() -> Sealer:
    """Give the sealer of the settings.

    Raises:
        PayloadCodecError: a codec cannot be made.
    """
    return settings.made("sealer", _make)


def is_on() -> bool:
    """Tell whether payloads are encoded or stored elsewhere at all."""
    return sealer().is_on


def _make() -> Sealer:
    try:
        chain = Chain(
            codecs_of("PAYLOAD_CODECS"),
            [*codecs_of("PAYLOAD_DECODERS"), Zlib()],
        )
    except (ImproperlyConfigured, ImportError, ValueError) as error:
        raise PayloadCodecError(f"The payload codecs cannot be used: {error}") from error
    return Sealer(chain, PayloadFiles())


def codecs_of(setting: str) -> list[Codec]:
    """Make the codecs that a setting names: classes, or callables that give a codec or several.

    Raises:
        ImportError: a path cannot be imported.
        ImproperlyConfigured: what it names is no codec.
    """
    found: list[Codec] = []
    for path in getattr(settings, setting):
        made = import_string(path)()
        for codec in made if isinstance(made, (list, tuple)) else [made]:
            if not all(hasattr(codec, name) for name in ("name", "encode", "decode")):
                raise ImproperlyConfigured(f"AION[{setting!r}]: {path!r} gives {codec!r}, no codec")
            found.append(codec)
    return found


# --- whose payload it is ---

_MOST_KNOWN: Final = 20_000
_known: OrderedDict[uuid.UUID, PayloadContext] = OrderedDict()
_lock = threading.Lock()


def know(run_id: uuid.UUID, workflow_id: str, workflow_type: str) -> PayloadContext:
    """Remember whose run an id is: that never changes."""
    context = PayloadContext(workflow_id, workflow_type, str(run_id))
    with _lock:
        _known[run_id] = context
        if len(_known) > _MOST_KNOWN:
            _known.popitem(last=False)
    return context


def context_of(run_id: uuid.UUID) -> PayloadContext:
    """Give the context of a run, known or looked up."""
    found = _known.get(run_id)
    return found if found is not None else contexts_of([run_id])[run_id]


def contexts_of(run_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, PayloadContext]:
    """Give the contexts of runs, with at most one statement. One that is gone has no workflow id."""
    wanted = set(run_ids)
    if not wanted:
        return {}
    found = {run_id: context for run_id in wanted if (context := _known.get(run_id)) is not None}
    unknown = wanted - found.keys()
    if not unknown:
        return found
    sql = dialect()
    with connection().cursor() as cursor:
        cursor.execute(
            f"SELECT id, workflow_id, workflow_type FROM aion_run WHERE {sql.among('id', 'uuid')}",
            [sql.many(unknown)],
        )
        for key, workflow_id, workflow_type in cursor.fetchall():
            run_id = sql.read_uuid(key)
            found[run_id] = know(run_id, workflow_id, workflow_type)
    for run_id in unknown - found.keys():
        found[run_id] = PayloadContext("", run_id=str(run_id))
    return found


# --- bodies of messages and orders: the attributes of an event, by its kind ---


def is_to_be_sealed(kind: str, body: str, by: Sealer | None = None) -> bool:
    """Tell whether a table holds something else in the place of a body."""
    by = by or sealer()
    return (by.is_on or MARK in body) and kind in STRUCTS and not isinstance(body, Sealed)


def _seal_body(kind: str, body: str, context: PayloadContext, by: Sealer) -> str:
    return Sealed(_encode(by.seal_fields(STRUCTS[kind].decode(body), context)).decode())


def stored_body(kind: str, body: str, run_id: uuid.UUID, by: Sealer | None = None) -> str:
    """Give what lies in a table in the place of a body."""
    by = by or sealer()
    return (
        _seal_body(kind, body, context_of(run_id), by) if is_to_be_sealed(kind, body, by) else body
    )


def stored_bodies(
    messages: Iterable[tuple[uuid.UUID, str, str]], by: Sealer | None = None
) -> list[tuple[uuid.UUID, str, str]]:
    """Give what lies in the table in the place of messages, each sealed under the run that gets it."""
    messages = list(messages)
    by = by or sealer()
    contexts_of(run_id for run_id, kind, body in messages if is_to_be_sealed(kind, body, by))
    return [(run_id, kind, stored_body(kind, body, run_id, by)) for run_id, kind, body in messages]


def plain_body(kind: str, body: str, run_id: uuid.UUID, by: Sealer | None = None) -> str:
    """Give the body that a table holds.

    Raises:
        PayloadUnavailable: a payload cannot be brought back.
    """
    if MARK not in body or kind not in STRUCTS:
        return body
    struct = (by or sealer()).unseal_fields(STRUCTS[kind].decode(body), context_of(run_id))
    return _encode(struct).decode()


def with_texts(struct: S, run_id: uuid.UUID) -> S:
    """Give a stored event or order with its headers and summary; without them where they cannot be read."""
    if getattr(struct, "sealed", msgspec.UNSET) is msgspec.UNSET:
        return struct  # nobody has to look up whose it is
    try:
        return sealer().unseal_texts(struct, context_of(run_id))
    except PayloadUnavailable:
        return struct


# --- single texts in columns of their own ---


def stored_payload(text: str, run_id: uuid.UUID, by: Sealer | None = None) -> str:
    """Give what lies in a column in a payload's place."""
    by = by or sealer()
    if isinstance(text, Sealed) or not (by.is_on or text.startswith("{" + MARK)):
        return text
    return Sealed(by.seal(text.encode(), context_of(run_id)).decode())


def plain_payload(text: str, run_id: uuid.UUID) -> str:
    """Give the payload that a column holds.

    Raises:
        PayloadUnavailable: it cannot be brought back.
    """
    if not text.startswith("{" + MARK):
        return text
    return sealer().unseal(text.encode(), context_of(run_id)).decode()


def stored_failure(text: str, run_id: uuid.UUID, by: Sealer | None = None) -> str:
    """Give what lies in a column in a failure's place."""
    by = by or sealer()
    if isinstance(text, Sealed) or not by.is_on:
        return text
    failure = by.seal_failure(decode_failure(text.encode()), context_of(run_id))
    return Sealed(encode_failure(failure).decode())


def plain_failure(text: str, run_id: uuid.UUID) -> str:
    """Give the failure that a column holds.

    Raises:
        PayloadUnavailable: it cannot be brought back.
    """
    if MARK not in text:
        return text
    failure = sealer().unseal_failure(decode_failure(text.encode()), context_of(run_id))
    return encode_failure(failure).decode()


def stored_problem(problem: Problem, run_id: uuid.UUID) -> str:
    """Give what lies in a run's row in a problem's place. Never fails: a run must be held at any rate."""
    if is_on():
        problem = _seal_problem(problem, run_id)
    return _encode(problem).decode()


def _seal_problem(problem: Problem, run_id: uuid.UUID) -> Problem:
    shown = Failure(type=problem.type, message=problem.message, traceback=problem.traceback)
    try:
        sealed = sealer().in_row().seal_failure(shown, context_of(run_id))
    except PayloadUnavailable as error:
        text = f"Its text could not be encoded ({error.code}); the worker's log has it"
        return msgspec.structs.replace(problem, message=text, traceback="")
    return msgspec.structs.replace(
        problem, message=sealed.message, traceback=sealed.traceback, sealed=sealed.sealed
    )


_read_problem: Final = msgspec.json.Decoder(Problem).decode


def plain_problem(text: str, run_id: uuid.UUID) -> str:
    """Give the problem that a run's row shows. One that cannot be brought back says so."""
    if MARK not in text:
        return text
    problem = _read_problem(text)
    sealed = Failure(type=problem.type, message="", sealed=problem.sealed)
    try:
        plain = sealer().unseal_failure(sealed, context_of(run_id))
    except PayloadUnavailable as error:
        plain = Failure(type=problem.type, message=f"Its text cannot be decoded: {error}")
    problem = msgspec.structs.replace(
        problem, message=plain.message, traceback=plain.traceback, sealed=msgspec.UNSET
    )
    return _encode(problem).decode()
