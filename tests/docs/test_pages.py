"""Links lead somewhere, code compiles, and the tests that pages name exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.docs.pages import anchors, blocks, links, name_of, pages

PAGES = pytest.mark.parametrize("page", pages(), ids=name_of)
LONGEST_ADR = 60
LONGEST_ARCHITECTURE = 300
OUTSIDE = re.compile(r"^(https?|mailto):")


@PAGES
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in links(page):
        if OUTSIDE.match(link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)

    assert broken == []


@PAGES
def test_python_compiles(page: Path) -> None:
    for line, code in blocks(page, "python"):
        compile("\n" * (line - 1) + code, name_of(page), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@PAGES
def test_imports_from_aion_exist(page: Path) -> None:
    missing = []
    for _, code in blocks(page, "python"):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "aion":
                missing += [
                    alias.name for alias in node.names if not has(node.module or "", alias.name)
                ]

    assert missing == []


def has(module: str, name: str) -> bool:
    """Whether a name can be imported; models are looked for without loading Django's apps."""
    if module == "aion.models":
        return f'"{name}"' in (ROOT / "aion" / "models" / "__init__.py").read_text()
    found = __import__(module, fromlist=[name])
    return hasattr(found, name)


@cache
def names_in(path: Path) -> frozenset[str]:
    return frozenset(re.findall(r"^(?:async )?def (test_\w+)", path.read_text(), re.M))


@PAGES
def test_tests_that_are_named_exist(page: Path) -> None:
    named = re.findall(r"\[`(test_\w+)`\]\((tests/[\w/]+\.py)\)", page.read_text())
    missing = [name for name, path in named if name not in names_in(ROOT / path)]

    assert missing == []


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "adr").glob("*.md")), ids=name_of)
def test_a_decision_is_short_and_complete(page: Path) -> None:
    text = page.read_text()

    assert len(text.splitlines()) <= LONGEST_ADR
    for heading in ("## Context", "## Decision", "## Rejected", "## Consequences"):
        assert heading in text


def test_the_architecture_is_short() -> None:
    assert len((ROOT / "ARCHITECTURE.md").read_text().splitlines()) <= LONGEST_ARCHITECTURE


def test_every_page_of_the_docs_is_in_the_index() -> None:
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / link.partition("#")[0]).resolve() for link in links(index)}
    docs = {page for page in pages() if index.parent in page.parents and page != index}

    assert sorted(map(name_of, docs - linked)) == []
