"""Errors of list queries: what is wrong, where, and what was expected."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Final

from aion.core.errors import InvalidListQuery

_BEFORE: Final = 50  # characters that are shown on either side of the place
_LONGEST_CARET: Final = 30


def problem(text: str, position: int, message: str, *, length: int = 1) -> InvalidListQuery:
    """Make the error of a place in a query; its message ends with the place, marked from below."""
    start = max(0, position - _BEFORE)
    shown = "".join(
        character if character.isprintable() else "?"
        for character in text[start : position + _BEFORE]
    )
    before, after = "..." * (start > 0), "..." * (position + _BEFORE < len(text))
    caret = " " * (len(before) + position - start) + "^" * max(1, min(length, _LONGEST_CARET))
    return InvalidListQuery(
        f"{message} (character {position + 1})\n  {before}{shown}{after}\n  {caret}",
        field="query",
        position=position,
        query=text,
    )


def suggestion(name: str, known: Iterable[str]) -> str:
    """Say which known name was probably meant, or else which there are."""
    names = sorted(known)
    folded = {each.lower(): each for each in names}
    close = difflib.get_close_matches(name.lower(), folded, n=1, cutoff=0.7)
    if close:
        return f"did you mean {folded[close[0]]}?"
    return f"there are {', '.join(names)}"
