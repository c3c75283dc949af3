"""Names and kinds of search attributes, and the one form in which each kind is kept."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aion.core.errors import InvalidArgument, InvalidSearchAttribute
from aion.core.search_attributes import (
    BUILT_IN_NAMES,
    AttributeKind,
    check_kind,
    check_name,
    normalised,
    typed,
    value_rows,
)

KINDS = {kind.title().replace("_", ""): kind for kind in AttributeKind}
EAST = dt.timezone(dt.timedelta(hours=2))
AT = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)


class Colour(StrEnum):
    RED = "red"


TAKEN: list[tuple[str, Any, Any]] = [
    ("Text", "Two words", "Two words"),
    ("Keyword", "red", "red"),
    ("Keyword", Colour.RED, "red"),
    ("Keyword", "", ""),
    ("Int", -(2**63), -(2**63)),
    ("Float", 1, 1.0),
    ("Float", 1.5, 1.5),
    ("Bool", True, True),
    ("Datetime", AT.astimezone(EAST), "2030-01-01T00:00:00Z"),
    ("Datetime", "2030-01-01T02:00:00.5+02:00", "2030-01-01T00:00:00.500000Z"),
    ("KeywordList", ("b", "a", "b"), ["b", "a"]),
    ("KeywordList", [], []),
]


@pytest.mark.parametrize(("name", "value", "kept"), TAKEN, ids=ascii)
def test_a_value_of_its_kind_is_kept_in_one_form(name: str, value: Any, kept: Any) -> None:
    found = normalised({name: value}, KINDS)

    assert found.values == {name: kept}
    assert type(found.values[name]) is type(kept)
    assert found.kinds == {name: str(KINDS[name])}


REFUSED: list[tuple[str, Any]] = [
    ("Text", 1),
    ("Text", "x" * 4001),
    ("Text", "a\0"),
    ("Text", "\ud800"),
    ("Keyword", 1),
    ("Keyword", "x" * 256),
    ("Keyword", "a\0"),
    ("Keyword", ["red"]),
    ("Int", True),
    ("Int", 1.0),
    ("Int", "1"),
    ("Int", 2**63),
    ("Float", True),
    ("Float", float("nan")),
    ("Float", float("inf")),
    ("Float", 10**400),
    ("Bool", 1),
    ("Datetime", dt.datetime(2030, 1, 1)),
    ("Datetime", dt.date(2030, 1, 1)),
    ("Datetime", "2030-01-01"),
    ("Datetime", "soon"),
    ("Datetime", 1),
    ("Datetime", dt.datetime.min.replace(tzinfo=EAST)),
    ("KeywordList", "red"),
    ("KeywordList", [1]),
    ("KeywordList", ["x" * 256]),
    ("KeywordList", ["x"] * 101),
]


@pytest.mark.parametrize(("name", "value"), REFUSED, ids=lambda value: ascii(value)[:30])
def test_a_value_of_another_kind_is_refused_by_name_kind_and_value(name: str, value: Any) -> None:
    with pytest.raises(InvalidSearchAttribute) as caught:
        normalised({"Int": 1, name: value}, KINDS)

    error = caught.value
    assert (error.attribute, error.kind) == (name, str(KINDS[name]))
    for part in (name, str(KINDS[name]), error.value):
        assert part in str(error)
    assert error.code == "invalid_search_attribute"
    assert len(str(error)) < 400


def test_an_unregistered_name_is_refused_with_what_to_do() -> None:
    with pytest.raises(InvalidSearchAttribute) as caught:
        normalised({"CustomerID": 42}, {"CustomerId": AttributeKind.INT})

    text = str(caught.value)
    assert caught.value.kind is None
    assert "Did you mean 'CustomerId'?" in text
    assert "`manage.py search_attributes add CustomerID int`" in text
    assert "42" in text


def test_what_is_the_engines_is_not_set_by_others() -> None:
    with pytest.raises(InvalidSearchAttribute, match="only the engine sets it"):
        normalised({"AionPatches": ["a"]}, KINDS)


def test_none_unsets_what_is_registered_or_set_and_nothing_else() -> None:
    assert normalised({"Int": None}, KINDS).values == {"Int": None}
    assert normalised({"Gone": None}, KINDS, current={"Gone"}).values == {"Gone": None}
    with pytest.raises(InvalidSearchAttribute):
        normalised({"Gone": None}, KINDS)


@pytest.mark.parametrize(
    "name", ["", "1a", "a-b", "a b", "ä", "x" * 65, 7, None, "and", "AionPatches", *BUILT_IN_NAMES]
)
def test_bad_names_are_refused(name: Any) -> None:
    with pytest.raises(InvalidArgument, match="name"):
        check_name(name)


@pytest.mark.parametrize("kind", ["", "integer", None, "INT"])
def test_bad_kinds_are_refused_with_the_good_ones(kind: Any) -> None:
    with pytest.raises(InvalidArgument, match="keyword_list"):
        check_kind(kind)


VALUES = st.fixed_dictionaries(
    {},
    optional={
        "Text": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
        "Keyword": st.text(
            st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=255
        ),
        "Int": st.integers(-(2**63), 2**63 - 1),
        "Float": st.floats(allow_nan=False, allow_infinity=False),
        "Bool": st.booleans(),
        "Datetime": st.datetimes(
            dt.datetime(1000, 1, 1), dt.datetime(9000, 1, 1), timezones=st.timezones()
        ),
        "KeywordList": st.lists(st.text("abc", max_size=3), unique=True),
    },
)


@given(VALUES)
def test_what_is_kept_reads_as_what_was_given(values: dict[str, Any]) -> None:
    found = normalised(values, KINDS)
    through_json = msgspec.json.decode(found.raw)

    assert typed(through_json, found.kinds) == values
    assert normalised(through_json, KINDS) == found


def test_each_kind_has_its_column_and_lists_and_texts_have_many_rows() -> None:
    values = {
        "Text": "Red, RED & blue-green",
        "Keyword": "red",
        "Int": 1,
        "Float": 1.5,
        "Bool": False,
        "Datetime": AT,
        "KeywordList": ["x", "y"],
    }
    found = normalised(values, KINDS)

    rows = {
        (row.name, row.position): [value for value in row[2:] if value is not None]
        for row in value_rows({**found.values, "Unknown": 1}, found.kinds)
    }

    assert rows == {
        ("Text", 0): ["red"],
        ("Text", 1): ["blue"],
        ("Text", 2): ["green"],
        ("Keyword", 0): ["red"],
        ("Int", 0): [1],
        ("Float", 0): [1.5],
        ("Bool", 0): [False],
        ("Datetime", 0): [AT],
        ("KeywordList", 0): ["x"],
        ("KeywordList", 1): ["y"],
    }
