"""What has no JSON form is refused, with the place; what nearly has one is stored as its base."""

from __future__ import annotations

import datetime as dt
import math
import pickle
import types
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from aion.core.errors import PayloadError, PayloadTooLarge, PayloadUnserializable
from aion.core.payloads import Limits, default_limits, encode, set_default_limits
from tests.core.payloads import samples as s


class Row:
    """Looks like a database row."""

    _meta = object()
    pk = 1


class Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "not this"


class Number(int):
    pass


class Real(float):
    pass


class Moment(dt.datetime):
    pass


class Span(dt.timedelta):
    pass


class Day(dt.date):
    pass


class Hour(dt.time):
    pass


class Money(Decimal):
    pass


class Key(UUID):
    pass


class Bytes(bytes):
    pass


class Several(set[int]):
    pass


class Touchy:
    @property
    def pk(self) -> int:
        raise RuntimeError("do not touch")


async def coroutine() -> None: ...


NAN = float("nan")


@pytest.mark.parametrize(
    ("value", "raw"),
    [
        (Text("a"), b'"a"'),
        (Number(3), b"3"),
        (Real(1.5), b"1.5"),
        (Moment(2026, 1, 2, tzinfo=dt.UTC), b'"2026-01-02T00:00:00+00:00"'),
        (Span(seconds=90), b'"PT90S"'),
        (Day(2026, 1, 2), b'"2026-01-02"'),
        (Hour(1, 2), b'"01:02:00"'),
        (Money("1.50"), b'"1.50"'),
        (Key(int=1), b'"00000000-0000-0000-0000-000000000001"'),
        (Bytes(b"ab"), b'"YWI="'),
        (Several([1]), b"[1]"),
        (types.MappingProxyType({"a": Text("b")}), b'{"a":"b"}'),
        ({Text("k"): 1}, b'{"k":1}'),
        (s.Mixed.PAIR, b"[1,2]"),
        ("\0", b'"\\u0000"'),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_stored_form(value: Any, raw: bytes) -> None:
    assert encode(value, field="x") == raw


def test_aliases_and_computed_fields_of_models_are_not_stored() -> None:
    raw = encode(s.Customer(name="Ann", age=1, nick="An"), field="x")

    assert raw == b'{"name":"Ann","age":1,"id":null,"since":null,"nick":"An"}'


@pytest.mark.parametrize(
    ("value", "path", "reason"),
    [
        (object(), "x", "values of type object have no JSON form"),
        ([1, {"a": object()}], "x[1]['a']", "values of type object have no JSON form"),
        (s.Nested([s.Numeric(1j)]), "x.inner[0].value", "values of type complex have no JSON form"),
        ({"items": (s.Box(s.Car(Row())),)}, "x['items'][0].content.wheels", "primary key"),  # type: ignore[arg-type]
        (s.Tagged(object()), "x.value", "have no JSON form"),  # type: ignore[arg-type]
        ([int], "x[0]", "the class int has no JSON form; pass its name"),
        ({1, 1j}, "x[", "values of type complex have no JSON form"),
        ({(1, 2): 3}, "x", "its key (1, 2) cannot be stored"),
        ({"a": {None: 3}}, "x['a']", "its key None cannot be stored"),
        ({"a": ["\ud800"]}, "x['a'][0]", "lone surrogate"),
        ({"\ud800": 1}, "x", "lone surrogate"),
        (NAN, "x", "NaN"),
        ([1.0, math.inf], "x[1]", "NaN or infinity"),
        ({"a": (None, -math.inf)}, "x['a'][1]", "NaN or infinity"),
        ([None, {Real("nan")}], "x[1][0]", "NaN or infinity"),
        (s.Box(s.Fish(NAN)), "x.content.litres", "NaN or infinity"),
        (s.Tagged(NAN), "x.value", "NaN or infinity"),  # type: ignore[arg-type]
        (s.Car(NAN), "x.wheels", "NaN or infinity"),  # type: ignore[arg-type]
        ([s.Point(1, NAN)], "x[0][1]", "NaN or infinity"),  # type: ignore[arg-type]
        (s.Login(user="a", password="b"), "x", "Login.password is a secret"),  # type: ignore[arg-type]
        (Touchy(), "x", "do not touch"),
        ((number for number in [1]), "x", "values of type generator have no JSON form"),
    ],
)
def test_a_refusal_names_the_place(value: Any, path: str, reason: str) -> None:
    with pytest.raises(PayloadUnserializable) as caught:
        encode(value, field="x")

    assert str(caught.value).startswith(path)
    assert " cannot be stored as JSON: " in str(caught.value)
    assert reason in str(caught.value)
    assert caught.value.field == "x"
    assert isinstance(caught.value, TypeError)


def test_the_whole_message() -> None:
    order = s.Box([1, 2, s.Numeric(1j)])

    with pytest.raises(PayloadUnserializable) as caught:
        encode(order, field="argument 'order'", owner=" of activity ship")

    assert str(caught.value) == (
        "argument 'order'.content[2].value of activity ship cannot be stored as JSON: "
        "values of type complex have no JSON form; use a dataclass or built-in types, "
        "or register_converter()"
    )


def test_a_model_that_pydantic_cannot_dump_is_refused() -> None:
    class Blob(s.pydantic.BaseModel):
        data: bytes

    with pytest.raises(PayloadUnserializable, match="utf-8"):
        encode([Blob(data=b"\xff")], field="x")


def test_a_forgotten_await_is_suspected() -> None:
    forgotten = coroutine()

    with pytest.raises(PayloadUnserializable, match="was an await forgotten"):
        encode(forgotten, field="x")

    forgotten.close()


def test_a_value_that_contains_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)

    with pytest.raises(PayloadUnserializable, match="nested too deeply, or contains itself"):
        encode(endless, field="x")


def test_the_word_null_in_a_text_is_no_problem() -> None:
    assert encode(["null", None, 1.5], field="x") == b'["null",null,1.5]'


def test_errors_survive_pickling() -> None:
    with pytest.raises(PayloadError) as caught:
        encode(object(), field="x")

    copy = pickle.loads(pickle.dumps(caught.value))

    assert (str(copy), copy.field) == (str(caught.value), "x")


# --- limits ---------------------------------------------------------------------------------------


def test_a_value_over_the_limit_is_refused_with_its_size() -> None:
    with pytest.raises(PayloadTooLarge) as caught:
        encode("x" * 99, field="the memo", limit=Limits(warn=50, refuse=100))

    assert (caught.value.field, caught.value.size, caught.value.limit) == ("the memo", 101, 100)
    assert "the memo: 101 bytes of JSON, over the limit of 100" in str(caught.value)


def test_a_large_value_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    encode("x" * 49, field="the memo", limit=Limits(warn=50, refuse=100))

    assert caplog.record_tuples == [
        ("aion.payloads", 30, "the memo: 51 bytes of JSON; above 100 it is refused")
    ]


def test_a_value_at_the_limits_passes_silently(caplog: pytest.LogCaptureFixture) -> None:
    encode("x" * 48, field="the memo", limit=Limits(warn=50, refuse=50))

    assert not caplog.records


def test_the_defaults() -> None:
    assert default_limits() == Limits(warn=524_288, refuse=2_097_152)


def test_the_default_can_be_set() -> None:
    before = default_limits()
    set_default_limits(Limits(warn=1, refuse=3))
    try:
        with pytest.raises(PayloadTooLarge):
            encode("xxx", field="x")
    finally:
        set_default_limits(before)

    assert encode("xxx", field="x") == b'"xxx"'
