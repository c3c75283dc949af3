"""The table of invariants is whole, and the tests that it names exist."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from tests.conftest import ROOT

PAGE = ROOT / "tests" / "INVARIANTS.md"
COUNT = 168
ROW = re.compile(r"^\| (\d+) \| (.+?) \| (.+) \|$", re.MULTILINE)
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
ROWS = [(int(number), guard) for number, _, guard in ROW.findall(PAGE.read_text())]


@cache
def names_in(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text())
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, functions))


def test_every_number_is_there_once_and_in_order() -> None:
    assert [number for number, _ in ROWS] == list(range(1, COUNT + 1))


@pytest.mark.parametrize(("number", "guard"), ROWS, ids=[str(number) for number, _ in ROWS])
def test_a_row_names_tests_that_exist_or_says_why_there_is_none(number: int, guard: str) -> None:
    named = TEST.findall(guard)
    if not named:
        assert re.match(r"does not apply: \w|not yet(: \w|$)", guard), number
        return
    assert TEST.sub("", guard).strip(", ") == ""
    missing = [
        name for path, name in named if not (ROOT / path).is_file() or name not in names_in(path)
    ]
    assert missing == []
