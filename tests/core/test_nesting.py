"""How deep JSON from outside may nest."""

from __future__ import annotations

import pytest

from aion.core.nesting import DEEPEST, check_depth, read_json


@pytest.mark.parametrize(("begin", "end"), [("[", "]"), ('{"a":', "}"), ('[0,{"a":', "}]")])
def test_what_nests_deeper_is_refused_and_what_does_not_is_read(begin: str, end: str) -> None:
    fits = DEEPEST // (begin.count("[") + begin.count("{"))

    assert read_json(begin * fits + "1" + end * fits) is not None
    for deep in (fits + 1, 5_000, 200_000):
        with pytest.raises(ValueError, match="nests deeper than 200 levels"):
            read_json(begin * deep + "1" + end * deep)


def test_what_is_wide_is_not_deep() -> None:
    check_depth([[1], {"a": [2]}] * 10_000)
    check_depth("[" * 1_000)
    assert read_json(b'"[[["') == "[[["


@pytest.mark.parametrize("text", ["", "[", "9" * 5_000, "\ud800", b"\xff"])
def test_what_is_no_json_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_json(text)
