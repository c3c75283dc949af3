"""Envelopes: what is sealed comes back, whatever it looks like; ids stay readable."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aion.core import events
from aion.core.errors import (
    PayloadCodecError,
    PayloadStorageError,
    PayloadUnavailable,
    UnknownPayloadCodec,
)
from aion.core.failures import Failure, decode_failure, encode_failure
from aion.core.history import KINDS, decode_event, encode_event
from aion.core.requests import UpdateRequest
from aion.core.sealing import (
    Chain,
    PayloadContext,
    Sealer,
    Stored,
    holds_payloads,
    is_envelope,
    read_envelope,
)
from aion.core.sealing.fields import Shape, _fields, texts_of
from aion.schedules.config import ScheduleAction
from tests.support.codecs import Reversed

CONTEXT = PayloadContext("order-1", "shop.Order", "run-1")


class Shelf:
    """Files in a dict."""

    def __init__(self, above: int = 0) -> None:
        self.above = above
        self.files: dict[str, bytes] = {}

    def save(self, data: bytes, context: PayloadContext) -> Stored:
        name = f"{context.run_id}/{len(self.files)}"
        self.files[name] = data
        return Stored(name, len(data), "")

    def load(self, stored: Stored) -> bytes:
        if stored.name not in self.files:
            raise PayloadStorageError("gone")
        return self.files[stored.name]


class Counting(Reversed):
    name = "counting"
    count = 0

    def encode(self, data: bytes, context: PayloadContext) -> bytes:
        self.count += 1
        return super().encode(data, context) + b"%d" % self.count

    def decode(self, data: bytes, context: PayloadContext) -> bytes:
        return super().decode(data.rstrip(b"0123456789"), context)


class Keyed(Reversed):
    name = "keyed"

    def __init__(self, current: str) -> None:
        self.current = current
        self.used: list[str] = []

    def key_for(self, context: PayloadContext) -> str:
        return self.current

    def decode(self, data: bytes, context: PayloadContext) -> bytes:
        self.used.append(context.key)
        return super().decode(data, context)


def sealer(*codecs: Any, above: int = 0, decoders: Iterable[Any] = ()) -> Sealer:
    return Sealer(Chain(codecs, decoders), Shelf(above))


OFF = sealer()
ON = sealer(Reversed())

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["$aion", "codec", "a"]), inner)
    ),
    max_leaves=8,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(json_values)
def test_every_payload_comes_back_as_it_was(value: Any) -> None:
    payload = msgspec.json.encode(value)

    for by in (OFF, ON, sealer(above=5), sealer(Reversed(), above=5)):
        assert by.unseal(by.seal(payload, CONTEXT), CONTEXT) == payload


@pytest.mark.parametrize(
    "payload",
    [
        b'{"$aion":1}',
        b'{"$aion":{"codec":["reversed"],"data":"AAAA"}}',
        b'{"$aion":{"json":{"$aion":2}}}',
    ],
)
def test_user_data_that_looks_like_an_envelope_is_no_envelope(payload: bytes) -> None:
    sealed = OFF.seal(payload, CONTEXT)

    assert is_envelope(sealed)
    assert sealed != payload
    assert OFF.unseal(sealed, CONTEXT) == payload
    assert ON.unseal(sealed, CONTEXT) == payload, "and it is read by whoever encodes now"


def test_without_codecs_nothing_else_changes() -> None:
    payload = b'{"a":"$aion","b":["{\\"$aion\\":1}"]}'

    assert OFF.seal(payload, CONTEXT) == payload
    assert not OFF.is_on


def test_an_envelope_is_json_that_names_codecs_and_key() -> None:
    sealed = json.loads(sealer(Reversed(), Keyed("k7")).seal(b'["secret"]', CONTEXT))

    assert sealed == {
        "$aion": {"codec": ["reversed", "keyed"], "key": "k7", "data": "WyJzZWNyZXQiXQ=="}
    }


def test_decoding_follows_the_envelope_and_its_key() -> None:
    sealed = sealer(Reversed(), Keyed("first")).seal(b'["secret"]', CONTEXT)
    keyed = Keyed("second")

    assert sealer(keyed, decoders=[Reversed()]).unseal(sealed, CONTEXT) == b'["secret"]'
    assert keyed.used == ["first"]


def test_an_unknown_codec_is_named() -> None:
    sealed = ON.seal(b'["secret"]', CONTEXT)

    with pytest.raises(UnknownPayloadCodec, match=r"'reversed'.*PAYLOAD_DECODERS") as caught:
        OFF.unseal(sealed, CONTEXT)

    assert caught.value.codec == "reversed"


class Breaking(Reversed):
    name = "breaking"

    def encode(self, data: bytes, context: PayloadContext) -> bytes:
        raise KeyError("no")


def test_a_codec_that_raises_is_named_with_the_workflow() -> None:
    with pytest.raises(PayloadCodecError, match=r"'breaking' failed .*'order-1'.*KeyError"):
        sealer(Breaking()).seal(b"[1]", CONTEXT)


@pytest.mark.parametrize(
    "payload", [b'{"$aion":1}', b'{"$aion":{"codec":["reversed"]}}', b'{"$aion":{"data":5}}']
)
def test_a_damaged_envelope_is_refused(payload: bytes) -> None:
    with pytest.raises(PayloadCodecError, match="envelope"):
        ON.unseal(payload, CONTEXT)


def test_two_codecs_of_one_name_or_with_keys_are_refused() -> None:
    with pytest.raises(ValueError, match="one name"):
        Chain([Reversed(), Reversed()])
    other = Keyed("b")
    other.name = "other"
    with pytest.raises(ValueError, match="at most one codec has keys, not keyed and other"):
        Chain([Keyed("a"), other])


def test_large_payloads_are_stored_after_the_codecs() -> None:
    by = sealer(Reversed(), above=10)
    small, large = b'["12"]', b'["12345678"]'

    assert read_envelope(by.seal(small, CONTEXT)).stored is None
    stored = read_envelope(by.seal(large, CONTEXT)).stored
    assert stored is not None
    assert by.files.load(stored) == large[::-1]


def test_a_turn_seals_the_same_payload_once_and_not_for_another_workflow() -> None:
    codec = Counting()
    by = sealer(codec).remembering()
    other = PayloadContext("order-2", "shop.Order", "run-1")

    first = by.seal(b'["secret"]', CONTEXT)

    assert by.seal(b'["secret"]', CONTEXT) == first
    assert by.seal(b'["secret"]', other) != first
    assert codec.count == 2


def test_what_arrived_under_the_current_key_is_not_sealed_again() -> None:
    old, new = sealer(Keyed("old")), sealer(Keyed("new")).remembering()
    arrived = [old.seal(b'["one"]', CONTEXT), sealer(Keyed("new")).seal(b'["two"]', CONTEXT)]

    for sealed in arrived:
        new.unseal(sealed, CONTEXT)

    assert read_envelope(new.seal(b'["one"]', CONTEXT)).key == "new"
    assert new.seal(b'["two"]', CONTEXT) is arrived[1]


FAILURE = Failure(
    type="ValueError",
    message="secret",
    traceback="secret",
    details=(msgspec.Raw(b'"secret"'),),
    cause=Failure(type="KeyError", message="secret", kind="activity", info={"attempt": 2}),
    non_retryable=True,
)


def test_texts_of_failures_are_sealed_and_types_are_not() -> None:
    sealed = ON.seal_failure(FAILURE, CONTEXT)
    text = encode_failure(sealed)

    assert b"secret" not in text
    assert (sealed.type, sealed.non_retryable) == ("ValueError", True)
    assert sealed.cause is not None
    assert (sealed.cause.type, sealed.cause.info) == ("KeyError", {"attempt": 2})
    assert ON.unseal_failure(decode_failure(text), CONTEXT) == FAILURE
    assert ON.seal_failure(sealed, CONTEXT) == sealed, "what is sealed stays as it is"
    assert OFF.seal_failure(FAILURE, CONTEXT) is FAILURE


CLEAR = {
    "memo": True,
    "search_attributes": False,
    "attributes": False,
    "input": True,
    "result": True,
    "value": True,
    "last_result": True,
    "failure": True,
    "last_failure": True,
    "sealed": False,  # it is what headers and summaries are sealed in
    "cron_origin": True,
}
"""Every field of user data in any event, and whether it is sealed. A new one must be decided on here."""


def test_every_field_of_user_data_is_known() -> None:
    found: dict[str, bool] = {}
    for kind in KINDS.values():
        sealed = {name for name, _ in _fields(kind)}
        for field in msgspec.structs.fields(kind):
            text = str(field.type)
            if any(word in text for word in ("Raw", "Failure", "Any", "CronOrigin")):
                found[field.name] = field.name in sealed

    assert found == CLEAR


def test_headers_and_summaries_are_sealed_wherever_they_are() -> None:
    """An event that gains such a field needs a field `sealed` beside it."""
    for kind in (*KINDS.values(), UpdateRequest, ScheduleAction):
        names = {field.name for field in msgspec.structs.fields(kind)}
        assert names & {"headers", "summary"} == set(texts_of(kind)), kind


@pytest.mark.parametrize(
    "kind", sorted(name for name, each in KINDS.items() if holds_payloads(each))
)
def test_a_sealed_event_is_an_event_that_is_routed_by_its_ids(kind: str) -> None:
    given: dict[str, Any] = {
        field.name: "x"
        for field in msgspec.structs.fields(KINDS[kind])
        if field.type is str and field.required
    }
    if kind == "TimerStarted":
        given["fire_at"] = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    payload = msgspec.Raw(b'{"a":"secret"}')
    values = {
        Shape.FAILURE: FAILURE,
        Shape.PAYLOAD: payload,
        Shape.STRUCT: events.CronOrigin(workflow_type="t", task_queue="q", input=payload),
    }
    given |= {name: values[shape] for name, shape in _fields(KINDS[kind])}
    texts = {"headers": {"secret name": "secret value"}, "summary": "secret"}
    given |= {name: texts[name] for name in texts_of(KINDS[kind])}
    event = KINDS[kind](**given)

    text = encode_event(ON.seal_fields(event, CONTEXT)).decode()
    read = decode_event(kind, text)

    assert "secret" not in text
    assert read.key == event.key
    assert encode_event(ON.unseal_fields(read, CONTEXT)) == encode_event(event)


def test_an_event_without_payloads_is_itself() -> None:
    event = events.TimerFired(timer_id="1")

    assert ON.seal_fields(event, CONTEXT) is event


def test_errors_of_keeping_are_tried_again_and_those_of_data_are_not() -> None:
    from aion.core.failures import failure_from

    assert not failure_from(PayloadUnavailable("x")).non_retryable
