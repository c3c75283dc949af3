"""Any bytes where payloads, failures, envelopes and events stand: an error of ours, or what was there."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Callable
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aion.codecs import AesGcm, Fernet, Zlib
from aion.core.archives import read_archive
from aion.core.errors import AionError
from aion.core.failures import decode_failure, exception_from
from aion.core.history import KINDS, decode_event, from_lines
from aion.core.payloads import decode, encode
from aion.core.sealing import Chain, PayloadContext, Sealer, Stored, read_envelope
from aion.core.signatures import decode_arguments
from tests.security.bounds import bounded, values

CONTEXT: Final = PayloadContext("order-42", run_id=str(uuid.UUID(int=7)))
DEEP: Final = b"[" * 50_000 + b"]" * 50_000


@dataclasses.dataclass
class Line:
    name: str
    count: int
    at: dt.datetime
    more: dict[str, list[int]] | None = None


class Files:
    """Keeps files in memory, under whatever name."""

    above = 200

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def save(self, data: bytes, context: PayloadContext) -> Stored:
        self.files["f"] = data
        return Stored("f", len(data), "0" * 64)

    def load(self, stored: Stored) -> bytes:
        try:
            return self.files[stored.name]
        except KeyError as error:
            raise AionError("not there") from error


READERS: dict[str, Callable[[bytes], Any]] = {
    "any value": lambda raw: decode(raw, Any, field="it"),
    "a record": lambda raw: decode(raw, Line, field="it"),
    "a union": lambda raw: decode(raw, int | list[Line] | None, field="it"),
    "arguments": lambda raw: decode_arguments(raw, what="it"),
    "a failure": lambda raw: exception_from(decode_failure(raw)),
    "an envelope": read_envelope,
    "a line": lambda raw: from_lines(raw.splitlines()),
    "an archive": lambda raw: read_archive(raw.splitlines()),
    **{kind: (lambda raw, kind=kind: decode_event(kind, raw)) for kind in sorted(KINDS)[::5]},
}
ALMOST: Final = [
    b"",
    b"null",
    b"{}",
    b"[]",
    DEEP,
    b'{"args":%s}' % DEEP,
    b'{"type":"a","message":"b","cause":' * 3_000 + b"null" + b"}" * 3_000,
    b'{"$aion":{"codec":["zlib"],"data":"AA=="}}',
    b'{"$aion":{"stored":{"name":"../x","size":-1,"sha256":""}}}',
    b"1e999",
    b"9" * 5_000,
    b'"\\ud800"',
    b"\xff\xfe",
    b'{"name":"x","count":1,"at":"9999-12-31T23:59:59-14:00"}',
]


def changed(raw: bytes, data: st.DataObject) -> bytes:
    """Flip, cut, repeat or insert a few bytes."""
    found = bytearray(raw)
    for _ in range(data.draw(st.integers(1, 3), label="changes")):
        at = data.draw(st.integers(0, len(found)), label="at")
        match data.draw(st.sampled_from("fcri"), label="how"):
            case "f" if at < len(found):
                found[at] ^= 1 << data.draw(st.integers(0, 7), label="bit")
            case "c":
                del found[at : at + data.draw(st.integers(1, 9), label="cut")]
            case "r":
                found[at:at] = found[at : at + 20]
            case _:
                found[at:at] = data.draw(st.binary(max_size=4), label="more")
    return bytes(found)


@pytest.mark.parametrize("reader", READERS)
@bounded(12)
@given(data=st.data())
def test_bytes_are_read_or_refused(reader: str, data: st.DataObject) -> None:
    raw = data.draw(st.sampled_from(ALMOST) | st.binary(max_size=60), label="raw")
    if data.draw(st.booleans(), label="changed"):
        raw = changed(raw, data)

    try:
        READERS[reader](raw)
    except AionError as error:
        assert str(error)


def _chain() -> Chain:
    keys = {"k": b"k" * 32}
    return Chain([Zlib(above=50, most=10_000), AesGcm(keys)], [Fernet({"f": b"f" * 32})])


@bounded(40)
@given(value=values, large=st.booleans(), data=st.data())
def test_a_sealed_payload_that_was_changed_is_refused_or_what_it_was(
    value: Any, large: bool, data: st.DataObject
) -> None:
    try:
        plain = encode([value, "x" * 300] if large else value, field="it")
    except AionError:
        return
    sealer = Sealer(_chain(), Files())
    sealed = sealer.seal(plain, CONTEXT)
    assert sealer.unseal(sealed, CONTEXT) == plain

    wrong = changed(sealed, data)
    try:
        found = sealer.unseal(wrong, CONTEXT)
    except AionError:
        return

    assert found in (plain, wrong), "what is no envelope any more is a payload; nothing else passes"


@bounded(30)
@given(raw=st.binary(max_size=200), name=st.sampled_from(["zlib", "aes-gcm", "fernet", "none"]))
def test_no_codec_takes_any_bytes_for_its_own(raw: bytes, name: str) -> None:
    try:
        found = _chain().decode(raw, [name], "k", CONTEXT)
    except AionError as error:
        assert "k" * 32 not in str(error)
    else:
        assert name == "zlib"
        assert len(found) <= 10_000
