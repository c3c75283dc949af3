"""The tables of invariants and of features are whole, and the tests that they name exist."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from tests.conftest import ROOT

COUNTS = {"INVARIANTS.md": 168, "FEATURES.md": 99}
ROW = re.compile(r"^\| (\d+) \| (.+?) \| (.+) \|$", re.MULTILINE)
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
ROWS = [
    (page, int(number), guard)
    for page in COUNTS
    for number, _, guard in ROW.findall((ROOT / "tests" / page).read_text())
]


@cache
def names_in(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text())
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, functions))


@pytest.mark.parametrize("page", COUNTS)
def test_every_number_is_there_once_and_in_order(page: str) -> None:
    numbers = [number for of, number, _ in ROWS if of == page]
    assert numbers == list(range(1, COUNTS[page] + 1))
    assert f" {COUNTS[page]} sentences" in (ROOT / "tests" / page).read_text()


@pytest.mark.parametrize(("page", "number", "guard"), ROWS)
def test_a_row_names_tests_that_exist_or_says_why_there_is_none(
    page: str, number: int, guard: str
) -> None:
    named = TEST.findall(guard)
    if not named:
        assert re.match(r"does not apply: \w|not yet(: [\w`]|$)", guard), (page, number)
        return
    assert TEST.sub("", guard).strip(", ") == ""
    missing = [
        name for path, name in named if not (ROOT / path).is_file() or name not in names_in(path)
    ]
    assert missing == []
