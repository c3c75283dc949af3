"""Types with converters of their own: values, hints, errors, and what cannot have one."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import pytest

from aion import register_converter, workflow
from aion.authoring.workflow_definition import definition_of
from aion.core.errors import DefinitionError, PayloadUndecodable, PayloadUnserializable
from aion.core.payloads import check_hint, decode, encode, unregister_converter


class Money:
    """A class that JSON knows nothing of."""

    def __init__(self, cents: int, currency: str) -> None:
        self.cents = cents
        self.currency = currency

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Money) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash(self.cents)


class Tip(Money):
    """A subclass, which is stored as what it is based on."""


class Angle:
    def __init__(self, value: float) -> None:
        self.value = value


@dataclasses.dataclass
class Bill:
    total: Money
    parts: list[Money]
    tip: Money | None = None
    by: Money | str = ""


def to_text(money: Money) -> str:
    return f"{money.cents} {money.currency}"


def from_text(text: str) -> Money:
    cents, currency = text.split(" ")
    return Money(int(cents), currency)


@pytest.fixture(autouse=True)
def _converters() -> Iterator[None]:
    register_converter(Money, encode=to_text, decode=from_text, schema={"type": "string"})
    register_converter(Angle, encode=lambda angle: [angle.value], decode=lambda raw: Angle(*raw))
    yield
    unregister_converter(Money)
    unregister_converter(Angle)


def test_a_value_goes_and_comes_back_at_any_depth() -> None:
    bill = Bill(Money(5, "EUR"), [Money(1, "EUR"), Money(4, "EUR")], by=Money(1, "USD"))

    raw = encode(bill, field="bill")

    assert raw == b'{"total":"5 EUR","parts":["1 EUR","4 EUR"],"tip":null,"by":"1 USD"}'
    assert decode(raw, Bill, field="bill") == bill
    assert decode(b'{"a":"5 EUR"}', dict[str, Money | None], field="x") == {"a": Money(5, "EUR")}
    assert check_hint(Bill) is None


def test_a_subclass_is_stored_as_its_base() -> None:
    assert encode(Tip(5, "EUR"), field="tip") == b'"5 EUR"'
    assert check_hint(Tip) is not None  # but does not come back as itself


def test_a_union_is_told_apart_by_what_the_converter_refuses() -> None:
    assert decode(b'"5 EUR"', Money | str, field="x") == Money(5, "EUR")
    assert decode(b'"nothing"', Money | str, field="x") == "nothing"


def test_what_the_converter_cannot_read_is_named_with_its_place() -> None:
    with pytest.raises(PayloadUndecodable, match=r"bill\.parts\[1\] cannot be read"):
        decode(b'{"total":"5 EUR","parts":["1 EUR","x y"]}', Bill, field="bill")


def a_row() -> type:
    """A class that looks like a database row; a new one each time, because hints are read once."""
    return type("Row", (), {"_meta": object(), "pk": 1})


def test_a_database_row_may_have_one() -> None:
    kind = a_row()
    assert "is a database row" in str(check_hint(kind))
    register_converter(kind, encode=lambda row: row.pk, decode=lambda pk: kind())

    assert encode(kind(), field="row") == b"1"
    assert isinstance(decode(b"1", kind, field="row"), kind)


def test_what_a_converter_gives_is_checked() -> None:
    kind: Any = a_row()
    register_converter(kind, encode=str, decode=int)

    with pytest.raises(PayloadUnserializable, match="NaN or infinity"):
        encode([Angle(math.inf)], field="angle")
    with pytest.raises(PayloadUndecodable, match="gave a value of type int"):
        decode(b'"3"', kind, field="row")


def test_an_error_of_a_converter_is_told_with_its_type() -> None:
    kind = a_row()
    register_converter(kind, encode=str, decode=lambda raw: raw[3])

    with pytest.raises(PayloadUndecodable, match="row cannot be read: IndexError"):
        decode(b"[]", kind, field="row")


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        (Bill, "has a JSON form of its own"),
        (int, "has a JSON form of its own"),
        (Money, "has a converter already"),
        (list[int], "is not a class"),
        ("Money", "is not a class"),
    ],
)
def test_what_cannot_have_a_converter(kind: Any, sentence: str) -> None:
    with pytest.raises(DefinitionError, match=sentence):
        register_converter(kind, encode=str, decode=int)


def test_the_same_converter_twice_is_one() -> None:
    register_converter(Money, encode=to_text, decode=from_text, schema={"type": "string"})


@workflow.defn(name="converters.Shop")
class Shop:
    @workflow.run
    async def run(self, price: Money) -> Angle:
        return Angle(price.cents)

    @workflow.signal
    def pay(self, price: Money, way: Angle) -> None: ...


def test_forms_show_its_schema() -> None:
    definition = definition_of(Shop)
    assert definition is not None
    (pay,) = definition.describe_handlers()

    assert [each.schema for each in pay.parameters] == [{"type": "string"}, {}]
