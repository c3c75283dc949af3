"""Queries are read into trees, printed back into the same, and refused with the place that is wrong."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aion.core.errors import InvalidArgument, InvalidListQuery
from aion.visibility import And, Not, Operator, Or, Order, Query, Test, parse, printed
from aion.visibility.lexer import KEYWORDS, MOST_CHARACTERS
from aion.visibility.parser import DEEPEST, MOST_TERMS

A = Test("A", Operator.EQ, (1,))
B = Test("B", Operator.EQ, ("b",))
C = Test("C", Operator.IS_NULL)


READ: list[tuple[str, Any]] = [
    ("A = 1", A),
    ("B='b'", B),
    ('B = "b"', B),
    ("C is null", C),
    ("A = 1 AND B = 'b' OR C IS NULL", Or((And((A, B)), C))),
    ("A = 1 AND (B = 'b' OR C IS NULL)", And((A, Or((B, C))))),
    ("NOT A = 1 AND B = 'b'", And((Not(A), B))),
    ("not (A = 1 and B = 'b')", Not(And((A, B)))),
    ("A != 1.5", Test("A", Operator.NE, (1.5,))),
    ("A <> -1", Test("A", Operator.NE, (-1,))),
    ("A BETWEEN 1 AND 2 AND B = 'b'", And((Test("A", Operator.BETWEEN, (1, 2)), B))),
    ("A IN (1, 'x', true)", Test("A", Operator.IN, (1, "x", True))),
    ("A NOT IN (1)", Test("A", Operator.NOT_IN, (1,))),
    ("A STARTS_WITH 'it''s \"'", Test("A", Operator.STARTS_WITH, ("it's \"",))),
    ("A IS NOT NULL", Test("A", Operator.IS_NOT_NULL)),
    ("", None),
    (" \n ", None),
]


@pytest.mark.parametrize(("text", "tree"), READ, ids=lambda value: str(value)[:40])
def test_a_query_is_read(text: str, tree: Any) -> None:
    assert parse(text).where == tree


def test_an_order_is_read() -> None:
    assert parse("ORDER BY StartTime").order == Order("StartTime", descending=False)
    assert parse("A = 1 order by StartTime desc") == Query(A, Order("StartTime", descending=True))


REFUSED: list[tuple[str, str, str]] = [
    ("A = ", "the query ends", "A = ^"),
    ("A = Running", "'Running'", "A = ^"),
    ("= 1", "the name of a field", "^"),
    ("A 1", "an operator", "A ^"),
    ("A = 'open", "never closed", "A = ^"),
    ("A = 1 B = 2", "AND, OR, ORDER BY or the end", "A = 1 ^"),
    ("A = 1 ORDER StartTime", "Expected BY", "A = 1 ORDER ^"),
    ("A = 1 ORDER BY B C", "the end", "A = 1 ORDER BY B ^"),
    ("(A = 1", "AND, OR or )", "(A = 1^"),
    ("A IN ()", "a value", "A IN (^"),
    ("A IN (1", ", or )", "A IN (1^"),
    ("A NOT 1", "Expected IN", "A NOT ^"),
    ("A IS 1", "Expected NULL", "A IS ^"),
    ("A BETWEEN 1, 2", "AND and the upper bound", "A BETWEEN 1^"),
    ("A = 1 ; DROP TABLE aion_run", "';' means nothing", "A = 1 ^"),
    ("A = 1e999", "too large", "A = ^"),
    ("A = 'nul\0'", "No database", "A = ^"),
    ("A = " + "9" * 41, "too long", "A = ^"),
    ("AND", "the name of a field", "^"),
]


@pytest.mark.parametrize(
    ("text", "expected", "place"), REFUSED, ids=lambda value: ascii(value)[:30]
)
def test_an_error_says_what_was_expected_and_points_at_the_place(
    text: str, expected: str, place: str
) -> None:
    with pytest.raises(InvalidListQuery) as caught:
        parse(text)

    error = caught.value
    assert expected in str(error)
    assert error.position == place.index("^")
    assert error.query == text
    message, _shown, caret = str(error).rsplit("\n", 2)
    assert caret.index("^") == error.position + 2
    assert f"(character {error.position + 1})" in message


def test_the_place_in_a_long_query_is_shown_with_what_is_around_it() -> None:
    text = "A = 1 AND " * 30 + "A ! 1" + " AND A = 1" * 30

    with pytest.raises(InvalidListQuery) as caught:
        parse(text)

    _, shown, caret = str(caught.value).rsplit("\n", 2)
    assert shown[caret.index("^")] == "!"
    assert len(shown) < 120


def test_length_depth_and_terms_are_bounded() -> None:
    deep = "(" * DEEPEST + "A = 1" + ")" * DEEPEST
    many = " OR ".join(["A = 1"] * MOST_TERMS)

    assert parse(deep).where == A
    assert len(parse(many).where.terms) == MOST_TERMS  # type: ignore[union-attr]
    for text, why in [
        (f"({deep})", "nests deeper"),
        ("NOT " * (DEEPEST + 1) + "A = 1", "nests deeper"),
        (many + " OR A = 1", f"{MOST_TERMS} terms"),
        ("A IN (" + "1," * MOST_TERMS + "1)", f"{MOST_TERMS} terms"),
        ("x" * (MOST_CHARACTERS + 1), f"{MOST_CHARACTERS} characters"),
    ]:
        with pytest.raises(InvalidListQuery, match=why):
            parse(text)


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="query must be a str"):
        parse(7)  # type: ignore[arg-type]


names = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,8}", fullmatch=True).filter(
    lambda name: name.upper() not in KEYWORDS
)
literals = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
)


def leaf(operators: list[Operator], least: int, most: int) -> st.SearchStrategy[Test]:
    values = st.lists(literals, min_size=least, max_size=most).map(tuple)
    return st.builds(Test, names, st.sampled_from(operators), values)


_NULLS = [Operator.IS_NULL, Operator.IS_NOT_NULL]
_LISTS = [Operator.IN, Operator.NOT_IN]
_SINGLES = [each for each in Operator if each not in [*_NULLS, *_LISTS, Operator.BETWEEN]]
leaves = st.one_of(
    leaf(_SINGLES, 1, 1),
    leaf([Operator.BETWEEN], 2, 2),
    leaf(_LISTS, 1, 4),
    leaf(_NULLS, 0, 0),
)
trees: st.SearchStrategy[Any] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=4).map(tuple).map(And),
        st.lists(inner, min_size=2, max_size=4).map(tuple).map(Or),
        inner.map(Not),
    ),
    max_leaves=8,
)
queries = st.builds(Query, st.none() | trees, st.none() | st.builds(Order, names, st.booleans()))


def depth(node: Any) -> int:
    match node:
        case Not(term):
            return 1 + depth(term)
        case And(terms) | Or(terms):
            return 1 + max(map(depth, terms))
        case _:
            return 0


@given(queries.filter(lambda query: depth(query.where) < DEEPEST / 2))
def test_a_printed_query_reads_as_the_same_tree(query: Query) -> None:
    text = printed(query)
    if len(text) > MOST_CHARACTERS:
        return

    assert parse(text) == query
    assert printed(parse(text)) == text


PIECES = ["A", "=", "'b'", "1", "(", ")", "AND", "OR", "NOT", "IN", ",", "IS", "NULL", "BETWEEN"]
MORE = ["ORDER", "BY", "STARTS_WITH", "<=", "-1.5e3", "true"]
ODD = ['"', "'", " ", "\u00e4", "\0", "\ud800"]
pieces = st.lists(st.sampled_from([*PIECES, *MORE, *ODD]), max_size=40).map(" ".join)


@settings(deadline=None)
@given(st.one_of(pieces, st.text(max_size=300)))
@example("(" * 4000)
@example("NOT " * 1000)
@example("'" * 3999)
@example("1" * 4000)
def test_any_text_is_read_or_refused_in_bounded_time(text: str) -> None:
    begun = time.process_time()
    try:
        query = parse(text)
    except InvalidListQuery as error:
        assert 0 <= error.position <= len(text)
        str(error).encode()
    else:
        assert parse(printed(query)) == query
    assert time.process_time() - begun < 5
