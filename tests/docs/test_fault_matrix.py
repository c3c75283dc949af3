"""The fault matrix is whole: every cell names tests that exist, or a reason that is given."""

from __future__ import annotations

import ast
import re
from functools import cache

from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "explanation" / "fault-matrix.md").read_text()
FAULTS, PHASES = 16, 7
KEY = re.compile(r"^\| (\w) \| `(tests/[\w/]+\.py)::(\w+)` \| .+ \|$", re.MULTILINE)
TESTS = {key: (path, name) for key, path, name in KEY.findall(PAGE)}
REASONS = set(re.findall(r"^(\d)\. \w", PAGE, re.MULTILINE))


def rows() -> list[list[str]]:
    table = PAGE.partition("| fault | turn |")[2].partition("\n\n")[0]
    lines = [line for line in table.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def named() -> list[str]:
    return [word for row in rows() for cell in row[1:] for word in cell.split()]


@cache
def names_in(path: str) -> frozenset[str]:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = ast.walk(ast.parse((ROOT / path).read_text()))
    return frozenset(node.name for node in nodes if isinstance(node, functions))


def test_every_fault_meets_every_phase() -> None:
    assert len(rows()) == FAULTS
    assert {len(row) for row in rows()} == {PHASES + 1}
    assert [row[0] for row in rows() if "" in row] == []


def test_every_cell_names_tests_or_reasons_that_are_listed() -> None:
    assert set(named()) - set(TESTS) - REASONS == set()
    assert (set(TESTS) | REASONS) - set(named()) == set()


def test_the_tests_exist() -> None:
    missing = [f"{path}::{name}" for path, name in TESTS.values() if name not in names_in(path)]
    assert missing == []


def test_the_phases_are_those_of_the_test() -> None:
    """What a column is called, its parameter is."""
    source = (ROOT / "tests" / "runtime" / "test_fault_matrix.py").read_text()
    phases = re.findall(
        r'^    "(\w+)": \w+,$', source.partition("PHASES = {")[2].partition("}")[0], re.M
    )

    heading = next(line for line in PAGE.splitlines() if line.startswith("| fault | turn |"))
    columns = [cell.strip().split()[0] for cell in heading.strip("|").split("|")][1:]
    assert columns == phases
