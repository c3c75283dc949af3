"""From the text of a query to its words, each with its place."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from aion.visibility.problems import problem

MOST_CHARACTERS: Final = 4_000
_LONGEST_NUMBER: Final = 40

_TOKEN: Final = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<name>[A-Za-z][A-Za-z0-9_]*)
  | (?P<number>[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)
  | (?P<string>'(?:[^']|'')*'|"(?:[^"]|"")*")
  | (?P<sign><=|>=|!=|<>|=|<|>|\(|\)|,)
    """,
    re.VERBOSE | re.ASCII,
)

_CONDITIONS: Final = ("AND", "OR", "NOT", "IN", "IS", "NULL", "BETWEEN", "STARTS_WITH")
KEYWORDS: Final = frozenset((*_CONDITIONS, "ORDER", "BY", "ASC", "DESC", "TRUE", "FALSE"))


class Token(NamedTuple):
    """A word of a query: `kind` is name, keyword, number, string, sign or end."""

    kind: str
    text: str
    position: int
    value: str | int | float = ""


def tokens(text: str) -> Iterator[Token]:
    """Cut a query into its words; the last is of kind `end`.

    Raises:
        InvalidListQuery: it is too long, or something in it is no word.
    """
    if len(text) > MOST_CHARACTERS:
        message = f"A query has at most {MOST_CHARACTERS} characters, not {len(text)}"
        raise problem(text, MOST_CHARACTERS, message)
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise _no_token(text, position)
        kind = match.lastgroup or ""
        if kind != "space":
            yield _token(text, kind, match[0], position)
        position = match.end()
    yield Token("end", "", len(text))


def _no_token(text: str, position: int) -> Exception:
    character = text[position]
    if character in "'\"":
        return problem(text, position, "This quote is never closed")
    return problem(text, position, f"{character!r} means nothing here")


def _token(text: str, kind: str, found: str, position: int) -> Token:
    match kind:
        case "name":
            upper = found.upper()
            if upper in KEYWORDS:
                return Token("keyword", upper, position)
            return Token("name", found, position)
        case "number":
            return Token("number", found, position, _number(text, found, position))
        case "string":
            return Token("string", found, position, _string(text, found, position))
        case _:
            return Token("sign", "!=" if found == "<>" else found, position)


def _number(text: str, found: str, position: int) -> int | float:
    if len(found) > _LONGEST_NUMBER:
        raise problem(text, position, "This number is too long", length=len(found))
    if found.lstrip("+-").isdigit():
        return int(found)
    number = float(found)
    if not math.isfinite(number):
        raise problem(text, position, "This number is too large", length=len(found))
    return number


def _string(text: str, found: str, position: int) -> str:
    quote = found[0]
    value = found[1:-1].replace(quote * 2, quote)
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise problem(text, position, "No database stores this text", length=len(found))
    return value
