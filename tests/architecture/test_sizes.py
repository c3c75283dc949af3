"""Files and functions stay small enough to be read in one go. There is no list of exceptions."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

PRODUCT = ("aion", "aion_engine", "aion_api", "config", "tools", "examples")
CHECKS = ("tests", "benchmarks")
MODULE_LINES = 400
TEST_MODULE_LINES = 600
FUNCTION_LINES = 60


def sources(*folders: str) -> list[Path]:
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return [path for path in paths if "migrations" not in path.parts]  # those are generated


def too_long(paths: list[Path], limit: int) -> list[str]:
    lines = {path: len(path.read_text().splitlines()) for path in paths}
    return [f"{path.relative_to(ROOT)}: {n}" for path, n in lines.items() if n > limit]


def functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            yield node.name, node.end_lineno - node.lineno + 1


@pytest.mark.parametrize(
    ("folders", "limit"), [(PRODUCT, MODULE_LINES), (CHECKS, TEST_MODULE_LINES)]
)
def test_modules_are_short(folders: tuple[str, ...], limit: int) -> None:
    assert too_long(sources(*folders), limit) == []


def test_functions_are_short() -> None:
    long = [
        f"{path.relative_to(ROOT)}: {name} has {lines} lines"
        for path in sources(*PRODUCT, *CHECKS)
        for name, lines in functions(path)
        if lines > FUNCTION_LINES
    ]

    assert long == []
