"""Reads the Markdown pages of this repository."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import ROOT

REFERENCE = ROOT / "docs" / "reference"

_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def pages() -> list[Path]:
    """Every page that we write, those at the top and those in docs/."""
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str) -> Iterator[tuple[int, str]]:
    """The fenced blocks of a language, each with the line where its code begins."""
    text = page.read_text()
    for found in _FENCED.finditer(text):
        if found[1] == language:
            yield text.count("\n", 0, found.start(2)) + 1, found[2]


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return _FENCED.sub("", page.read_text())


def links(page: Path) -> list[str]:
    """The targets of a page's links."""
    return _LINK.findall(_CODE.sub("``", prose(page)))


def headings(page: Path) -> list[str]:
    return [found.strip("`") for found in _HEADING.findall(prose(page))]


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    plain = (re.sub(r"[^\w\- ]", "", each.lower()) for each in headings(page))
    return {each.replace(" ", "-") for each in plain}


def rows(page: Path) -> dict[str, list[str]]:
    """The rows of all tables by their first cell, in which a word stands as code."""
    found: dict[str, list[str]] = {}
    for line in prose(page).splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("| `") and len(cells) > 1:
            found[cells[0].strip("`")] = cells
    return found


def words(page: Path) -> set[str]:
    """The names that a page writes as code: `name`, `name(...)`, `@namespace.name`."""
    spans = (span.strip("`") for span in _CODE.findall(prose(page)))
    return {match[1] for span in spans if (match := re.match(r"@?(?:\w+\.)*(\w+)", span))}
