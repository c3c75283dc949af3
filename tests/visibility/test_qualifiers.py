"""Whatever is typed into a search box is read or refused."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aion.core.errors import InvalidArgument, InvalidListQuery
from aion.visibility import parse, printed, resolve, search_box

words = st.lists(
    st.sampled_from(["type:a", "status:", "-", "attr.", "attr.A=1", '"', "is:held", "x:y", "\0"])
    | st.text(max_size=6),
    max_size=12,
).map(" ".join)


@given(words)
def test_any_search_is_read_or_refused(text: str) -> None:
    try:
        query = search_box(text)
        resolve(query, kinds={}, now=dt.datetime(2030, 1, 1, tzinfo=dt.UTC))
    except InvalidListQuery as error:
        assert 0 <= error.position <= len(text)
    else:
        assert parse(printed(query)) == query


def test_bounds() -> None:
    for bad in ("x" * 4001, "x " * 201):
        with pytest.raises(InvalidListQuery):
            search_box(bad)
    with pytest.raises(InvalidArgument, match="search"):
        search_box(None)  # type: ignore[arg-type]
