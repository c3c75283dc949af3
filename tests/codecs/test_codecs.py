"""The codecs that come along: keyrings, encryption bound to its workflow, compression where it pays."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from aion.codecs import AesGcm, Fernet, Keyring, PayloadContext, Zlib
from aion.codecs.keyrings import VARIABLE
from aion.core.errors import PayloadCodecError, UnknownPayloadKey
from aion.core.sealing import Chain, read_envelope

KEYS = {"a": b"a" * 32, "b": b"b" * 32}
CONTEXT = PayloadContext("order-1", "shop.Order", "run-1", key="a")


def text(key: bytes) -> str:
    return base64.b64encode(key).decode()


@pytest.mark.parametrize("kind", [AesGcm, Fernet])
def test_what_is_encrypted_is_decrypted_by_the_key_of_its_envelope(kind: Any) -> None:
    before, after = Chain([kind(KEYS, current="a")]), Chain([kind(KEYS, current="b")])

    data, names, key = before.encode(b"secret", CONTEXT)

    assert b"secret" not in data
    assert (names, key) == ((kind.name,), "a")
    assert after.decode(data, names, key, CONTEXT) == b"secret"
    assert after.encode(b"secret", CONTEXT)[2] == "b"


@pytest.mark.parametrize("kind", [AesGcm, Fernet])
def test_the_same_data_is_never_encrypted_the_same(kind: Any) -> None:
    codec = kind(KEYS)

    assert codec.encode(b"secret", CONTEXT) != codec.encode(b"secret", CONTEXT)


@pytest.mark.parametrize("kind", [AesGcm, Fernet])
def test_an_unknown_key_is_named_and_no_key_is_shown(kind: Any) -> None:
    data = kind(KEYS).encode(b"secret", CONTEXT)

    with pytest.raises(UnknownPayloadKey, match="'order-1' needs key 'a'") as caught:
        kind({"b": KEYS["b"]}).decode(data, CONTEXT)

    assert caught.value.key == "a"
    assert "bbbb" not in str(caught.value)


@pytest.mark.parametrize("kind", [AesGcm, Fernet])
@pytest.mark.parametrize("place", [0, 20, -1])
def test_changed_data_is_refused(kind: Any, place: int) -> None:
    codec = kind(KEYS)
    data = bytearray(codec.encode(b"secret" * 10, CONTEXT))
    data[place] ^= 1

    with pytest.raises(PayloadCodecError, match="cannot be decrypted with key 'a'"):
        codec.decode(bytes(data), CONTEXT)
    with pytest.raises(PayloadCodecError):
        codec.decode(b"", CONTEXT)


def test_a_ciphertext_is_bound_to_its_workflow_and_to_the_id_of_its_key() -> None:
    codec = AesGcm({"a": KEYS["a"], "alias": KEYS["a"]})
    data = codec.encode(b"secret", CONTEXT)
    elsewhere = PayloadContext("order-2", "shop.Order", "run-1", key="a")
    renamed = PayloadContext("order-1", "shop.Order", "run-1", key="alias")
    later = PayloadContext("order-1", "shop.Other", "run-2", key="a")

    for context in (elsewhere, renamed):
        with pytest.raises(PayloadCodecError):
            codec.decode(data, context)
    assert codec.decode(data, later) == b"secret", "but not to a run of its chain"


def test_keys_may_be_chosen_by_the_context_and_come_from_anywhere() -> None:
    asked: list[str] = []

    class Service(dict[str, bytes]):
        def __missing__(self, key: str) -> bytes:
            asked.append(key)
            return key.encode().ljust(32, b".")

    chain = Chain([AesGcm(Service(), current=lambda context: context.workflow_id)])

    data, names, key = chain.encode(b"secret", CONTEXT)

    assert key == "order-1"
    assert asked == ["order-1"]
    assert chain.decode(data, names, key, CONTEXT) == b"secret"


def test_keys_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, f"2026:{text(KEYS['a'])} 2025:{text(KEYS['b'])}")

    ring = Keyring()

    assert ring.current(CONTEXT) == "2026", "the first is current"
    assert ring.key(PayloadContext("w", key="2025")) == KEYS["b"]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("", "There is no payload key"),
        ("just-base64", "no id"),
        (":AAAA", "no id"),
        ("id:not base64", "no id|not base64"),
        ("id:AAA", "'id' is not base64"),
    ],
)
def test_bad_keys_are_named_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, value: str, words: str
) -> None:
    monkeypatch.setenv(VARIABLE, value)

    with pytest.raises(ImproperlyConfigured, match=words):
        AesGcm()


def test_the_current_key_must_be_there() -> None:
    with pytest.raises(ImproperlyConfigured, match="'c' is not in the keyring"):
        AesGcm(KEYS, current="c")


def test_a_key_of_a_wrong_size_fails_with_a_clear_error() -> None:
    with pytest.raises(PayloadCodecError, match="aes-gcm"):
        Chain([AesGcm({"short": b"short"})]).encode(b"secret", CONTEXT)


def test_keys_are_shown_nowhere() -> None:
    codec = AesGcm(KEYS)

    assert "aaaa" not in repr(codec) + repr(codec._keyring)


def test_compression_is_left_out_where_it_does_not_pay() -> None:
    chain = Chain([Zlib(above=100)])

    assert chain.encode(b"x" * 99, CONTEXT) == (b"x" * 99, (), "")
    data, names, _ = chain.encode(b"x" * 1000, CONTEXT)
    assert (len(data) < 50, names) == (True, ("zlib",))
    assert chain.decode(data, names, "", CONTEXT) == b"x" * 1000
    noise = AesGcm(KEYS).encode(b"y" * 500, CONTEXT)
    assert chain.encode(noise, CONTEXT) == (noise, (), "")


def test_compressed_data_that_is_cut_off_or_unfolds_too_far_is_refused() -> None:
    data = Zlib().encode(b"x" * 5000, CONTEXT)

    with pytest.raises(PayloadCodecError, match="cut off or too large"):
        Zlib().decode(data[:-8], CONTEXT)
    with pytest.raises(PayloadCodecError, match="cut off or too large"):
        Zlib(most=4999).decode(data, CONTEXT)
    with pytest.raises(PayloadCodecError, match="cut off or too large"):
        Zlib().decode(data + b"more", CONTEXT)
    assert Zlib(most=5000).decode(data, CONTEXT) == b"x" * 5000


def test_what_would_not_be_unfolded_is_not_compressed() -> None:
    data = b"x" * 5001

    assert Zlib(most=5000).encode(data, CONTEXT) == data


def test_an_envelope_that_unfolds_again_and_again_is_refused() -> None:
    bomb = b'{"$aion":{"codec":[%s],"data":"AA=="}}' % b",".join([b'"zlib"'] * 17)

    with pytest.raises(PayloadCodecError, match="names 17 codecs"):
        read_envelope(bomb)
    with pytest.raises(ValueError, match="at most 16 codecs"):
        Chain([_Named(str(number)) for number in range(17)])


@pytest.mark.parametrize("inner", [b'"bodec":["zlib"],"data":"AA=="', b'"data":"AA=="'])
def test_bytes_that_no_codec_is_named_for_are_no_payload(inner: bytes) -> None:
    with pytest.raises(PayloadCodecError, match="damaged"):
        read_envelope(b'{"$aion":{%s}}' % inner)


class _Named:
    def __init__(self, name: str) -> None:
        self.name = name

    def encode(self, data: bytes, context: PayloadContext) -> bytes:
        return data

    decode = encode
