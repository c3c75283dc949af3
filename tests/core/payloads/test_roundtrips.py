"""What goes in comes out: values of supported types survive storage unchanged."""

from __future__ import annotations

import dataclasses
import datetime as dt
import inspect
import math
from decimal import Decimal
from typing import Annotated, Any, Literal, Never, Optional, Union
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aion.core.payloads import check_hint, decode, encode
from tests.core.payloads import samples as s

CAT, DOG, FISH = s.Cat("Tom", 7), s.Dog("Rex", ["sit"]), s.Fish(30.0)
MOMENT = dt.datetime(2026, 3, 1, 12, 30, 0, 5, tzinfo=dt.UTC)

OLD_STYLE = Optional[Union[s.Fish, s.Dog, s.Cat]]  # noqa: UP007, UP045 (users write it)


def there_and_back(value: Any, hint: Any) -> Any:
    assert check_hint(hint) is None
    return decode(encode(value, field="x"), hint, field="x")


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (None, None),
        (None, int | None),
        (True, bool),
        (-(2**80), int),
        (0.1, float),
        (-0.0, float),
        (1e22, float),
        ("a\0b\u2028é😀", str),
        (b"\x00\xff", bytes),
        (Decimal("1.50"), Decimal),
        (UUID(int=5), UUID),
        (MOMENT, dt.datetime),
        (dt.datetime(2026, 1, 1, 0, 0), dt.datetime),
        (dt.date(1, 1, 1), dt.date),
        (dt.time(23, 59, 59, 999999), dt.time),
        (dt.timedelta(days=-4, microseconds=3), dt.timedelta),
        (s.Colour.BLUE, s.Colour),
        (s.Size.LARGE, s.Size),
        (s.Plain.ONE, s.Plain),
        (s.Mixed.HALF, s.Mixed),
        (s.Mixed.PAIR, s.Mixed),
        (s.Mixed.NONE, s.Mixed),
        (s.Right.READ | s.Right.WRITE, s.Right),
        ({1, 2}, set[int]),
        (frozenset({"a"}), frozenset[str]),
        ((1, "a", None), tuple[int, str, None]),
        ((1, 2, 3), tuple[int, ...]),
        ([{"a": [1]}], list[dict[str, list[int]]]),
        ({UUID(int=1): 1}, dict[UUID, int]),
        ({1: {"a": 2.5}}, dict[int, dict[str, float]]),
        ({s.Colour.RED: 1}, dict[s.Colour, int]),
        ({s.Size.SMALL: 1}, dict[s.Size, int]),
        ({s.Mixed.HALF: 1, s.Mixed.WORD: 2}, dict[s.Mixed, int]),
        ({dt.date(2026, 1, 1): 1}, dict[dt.date, int]),
        (s.Point(1), s.Point),
        (s.Home(DOG), s.Home),
        ({"street": "Elm"}, s.Address),
        ({"pet": CAT}, s.Household),
        (s.Car(4), s.Car),
        (s.Garage(DOG, 2), s.Garage),
        (s.Tagged(1), s.Tagged),
        (s.Other(1), s.Tagged | s.Other),
        (s.Kennel(DOG, 3), s.Kennel),
        (s.Box(5), s.Box[int]),
        (s.Box(CAT), s.Box[s.Cat]),
        (s.Box(DOG), s.Box[s.Cat | s.Dog]),
        (s.IntBox(5, "a"), s.IntBox),
        (s.PetBox(DOG, "a"), s.PetBox),
        (s.OrderId(7), s.OrderId),
        (3, Annotated[int, "a note"]),
        (DOG, Annotated[s.Cat | s.Dog, ["unhashable"]]),
        ("a", Literal["a", "b"]),
        (True, Literal[True]),
        (s.Colour.RED, Literal[s.Colour.RED, s.Colour.BLUE]),
        (s.Anything({"a": [1]}, "x", "a"), s.Anything),
        (s.Customer(name="Ann", age=3, id=UUID(int=9), nick="An"), s.Customer),
        (
            s.Company(
                boss=s.Customer(name="Ann", age=3), founded=dt.date(2020, 1, 1), codes={1, 2}
            ),
            s.Company,
        ),
        (s.Deal(s.Customer(name="Ann", age=3)), s.Deal),
        ([s.Customer(name="Ann", age=3)], list[s.Customer | None]),
        (None, s.Customer | None),
    ],
    ids=repr,
)
def test_a_value_comes_back_equal_and_of_its_type(value: Any, hint: Any) -> None:
    back = there_and_back(value, hint)

    assert back == value
    assert type(back) is type(value)


@pytest.mark.parametrize("pet", [CAT, DOG, FISH, None, s.Cat("x"), s.Dog("x")])
@pytest.mark.parametrize("hint", [s.Cat | s.Dog | s.Fish | None, OLD_STYLE])
def test_unions_of_dataclasses_are_told_apart_by_their_fields(pet: Any, hint: Any) -> None:
    assert there_and_back(pet, hint) == pet
    assert there_and_back([pet], list[hint]) == [pet]


def test_an_older_record_finds_its_member_by_required_fields() -> None:
    assert decode(b'{"name":"x","lives":3}', s.Dog | s.Cat, field="x") == s.Cat("x", 3)
    assert decode(b'{"litres":3}', s.Dog | s.Cat | s.Fish, field="x") == s.Fish(3.0)


def test_a_record_with_fields_of_a_later_version_finds_its_member() -> None:
    raw = b'{"litres":3,"filter":"new"}'

    assert decode(raw, s.Dog | s.Cat | s.Fish, field="x") == s.Fish(3.0)


def test_records_that_cannot_be_told_apart_are_taken_in_order() -> None:
    assert decode(b'{"name":"x"}', s.Cat | s.Dog, field="x") == s.Cat("x")
    # Equal as unions, but not in their order.
    assert decode(b'{"name":"x"}', s.Dog | s.Cat, field="x") == s.Dog("x")


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (UUID(int=3), UUID | str),
        ("no uuid", UUID | str),
        (MOMENT, dt.datetime | str | None),
        ({1}, set[int] | dict[str, int]),
        ({"a": 1}, set[int] | dict[str, int]),
        (CAT, s.Cat | s.Customer),
        (s.Customer(name="Ann", age=1), s.Cat | s.Customer),
        (DOG, s.Cat | s.Dog | int | list[s.Cat | s.Dog]),
        ([DOG, CAT], s.Cat | s.Dog | int | list[s.Cat | s.Dog]),
        (5, s.Cat | s.Dog | int | list[s.Cat | s.Dog]),
        ({"street": "Elm"}, s.Cat | s.Address),
        (s.Kennel(CAT), s.Cat | s.Kennel),
        (s.Garage(CAT), s.Car | s.Garage),
        (s.Home(CAT), s.Point | s.Home),
    ],
    ids=repr,
)
def test_unions_that_msgspec_refuses_are_read_member_by_member(value: Any, hint: Any) -> None:
    assert there_and_back(value, hint) == value


def test_a_class_with_such_a_union_inside() -> None:
    owner = s.Owner("Ann", DOG, {"a": CAT, "b": FISH})
    owner.seen = 4

    back = there_and_back([owner], list[s.Owner])

    assert back == [owner]
    assert back[0].seen == 4
    assert there_and_back(s.Owner("Ann", None), s.Owner) == s.Owner("Ann", None)


def test_a_class_that_is_recursive_through_such_a_union() -> None:
    tree = s.Branch("a", [s.Leaf(1), s.Branch("b", [s.Leaf(2), s.Branch("c")])])

    assert there_and_back(tree, s.Branch) == tree


def test_without_a_hint_plain_json_values_come_back() -> None:
    raw = encode({"a": (1, {2}, CAT)}, field="x")
    plain = {"a": [1, [2], {"name": "Tom", "lives": 7}]}

    for hint in (Any, object, inspect.Parameter.empty, Never):
        assert decode(raw, hint, field="x") == plain


def test_raw_json_is_read_and_written_as_it_is() -> None:
    raw = encode({"a": msgspec.Raw(b'{"b": 1}')}, field="x")

    assert raw == b'{"a":{"b": 1}}'
    assert decode(msgspec.Raw(raw), dict[str, Any], field="x") == {"a": {"b": 1}}


def test_a_missing_field_takes_its_default_and_an_unknown_one_is_ignored() -> None:
    raw = b'{"name":"x","price":"1","gone":true}'

    assert decode(raw, s.Item, field="x") == s.Item("x", Decimal(1), 1)


def test_a_record_without_an_untold_field_takes_its_default_too() -> None:
    assert decode(b'{"name":"Ann","pet":null,"x":1}', s.Owner, field="x") == s.Owner("Ann", None)


floats = st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
moments = st.datetimes(timezones=st.none() | st.just(dt.UTC))
items = st.builds(
    s.Item,
    name=texts,
    price=st.decimals(allow_nan=False, allow_infinity=False),
    count=st.integers(),
)
orders = st.builds(
    s.Order,
    id=st.uuids(),
    items=st.lists(items, max_size=3),
    placed_at=moments,
    due=st.none() | st.dates(),
    colour=st.sampled_from(s.Colour),
    tags=st.frozensets(texts, max_size=3),
    wait=st.timedeltas(dt.timedelta(days=-10_000), dt.timedelta(days=10_000)),
    blob=st.binary(max_size=20),
    pair=st.tuples(st.integers(), texts),
    scores=st.dictionaries(
        st.uuids(), st.dictionaries(st.integers(-(2**63), 2**63), floats), max_size=2
    ),
)
pets = st.one_of(
    st.builds(s.Cat, name=texts, lives=st.integers()),
    st.builds(s.Dog, name=texts, tricks=st.lists(texts, max_size=2)),
)
trees = st.recursive(
    st.builds(s.Leaf, value=st.integers()),
    lambda inner: st.builds(s.Branch, label=texts, children=st.lists(inner, max_size=3)),
    max_leaves=8,
)
plain_values = st.recursive(
    st.none() | st.booleans() | st.integers() | floats | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)


@given(orders)
def test_any_order_survives(order: s.Order) -> None:
    assert there_and_back(order, s.Order) == order


@given(st.lists(pets | st.none(), max_size=4))
def test_any_list_of_either_survives(pets: list[Any]) -> None:
    assert there_and_back(pets, list[s.Cat | s.Dog | None]) == pets


@given(trees)
def test_any_tree_survives(tree: Any) -> None:
    assert there_and_back(tree, s.Branch | s.Leaf) == tree


@given(plain_values)
def test_any_plain_value_survives_without_a_hint(value: Any) -> None:
    assert there_and_back(value, Any) == value


@given(floats)
def test_floats_survive_to_the_last_bit(value: float) -> None:
    back = there_and_back(value, float)

    assert (back, math.copysign(1, back)) == (value, math.copysign(1, value))


@given(st.dictionaries(st.integers() | st.uuids(), orders, max_size=2))
def test_encoding_an_encoded_value_again_changes_nothing(values: dict[Any, Any]) -> None:
    raw = encode(values, field="x")

    assert encode(decode(raw, Any, field="x"), field="x") == raw


def test_the_samples_hold_no_class_that_data_could_name() -> None:
    raw = b'{"__class__":"tests.core.payloads.samples.Cat","name":"x","$type":"Cat"}'

    assert type(decode(raw, Any, field="x")) is dict
    assert dataclasses.is_dataclass(decode(raw, s.Dog, field="x"))
