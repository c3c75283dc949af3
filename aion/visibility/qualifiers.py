"""The short form for a search box: `type:Checkout status:failed order- attr.CustomerId=42`.

Words are joined by AND. A free word is the beginning of a workflow id. `-` before a qualifier turns it into
its opposite. Values with spaces stand in double quotes.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from types import MappingProxyType
from typing import Final

from aion.core.errors import InvalidArgument
from aion.core.search_attributes import AttributeKind, Kinds
from aion.visibility.lexer import MOST_CHARACTERS
from aion.visibility.parser import MOST_TERMS
from aion.visibility.problems import problem, suggestion
from aion.visibility.syntax import And, Literal, Node, Not, Operator, Or, Query, Test

_WORD: Final = re.compile(r'(?:[^\s"]|"[^"]*")+')
_ATTRIBUTE: Final = re.compile(r"attr\.([A-Za-z][A-Za-z0-9_]*)(<=|>=|!=|=|<|>|:)(.*)", re.DOTALL)
_QUALIFIER: Final = re.compile(r"([a-z]+):(.*)", re.DOTALL)
_SIGNED: Final = re.compile(r"(<=|>=|<|>)(.*)", re.DOTALL)
_NUMBER: Final = re.compile(r"[-+]?\d{1,19}(\.\d{1,20})?", re.ASCII)

_EQUAL: Final = {
    "type": "WorkflowType",
    "status": "ExecutionStatus",
    "run": "RunId",
    "queue": "TaskQueue",
    "parent": "ParentWorkflowId",
    "root": "RootRunId",
}
_MOMENTS: Final = {"started": "StartTime", "closed": "CloseTime"}


def search_box(text: str, kinds: Kinds = MappingProxyType({})) -> Query:
    """Read the short form; the tree is that of a query. By `kinds` bare values of attributes are read.

    Raises:
        InvalidListQuery: it cannot be read; the message says where.
        InvalidArgument: it is no text.
    """
    if not isinstance(text, str):
        raise InvalidArgument(f"search must be a str, not {type(text).__name__}", field="search")
    if len(text) > MOST_CHARACTERS:
        message = f"A search has at most {MOST_CHARACTERS} characters, not {len(text)}"
        raise problem(text, MOST_CHARACTERS, message)
    terms: list[Node] = []
    place = 0
    while place < len(text):
        if text[place].isspace():
            place += 1
            continue
        match = _WORD.match(text, place)
        if match is None or text[match.end() : match.end() + 1] == '"':
            raise problem(text, text.index('"', place), "This quote is never closed")
        terms.append(_term(text, match[0], place, kinds))
        place = match.end()
    if len(terms) > MOST_TERMS:
        raise problem(text, 0, f"A search has at most {MOST_TERMS} words")
    where = And(tuple(terms)) if len(terms) > 1 else terms[0] if terms else None
    return Query(where, None, text)


def _term(text: str, word: str, place: int, kinds: Kinds) -> Node:
    if word.startswith("-") and len(word) > 1:
        return Not(_term_of(text, word[1:], place + 1, kinds))
    return _term_of(text, word, place, kinds)


def _term_of(text: str, word: str, place: int, kinds: Kinds) -> Node:
    attribute = _ATTRIBUTE.fullmatch(word)
    if attribute is not None:
        name, sign, value = attribute.groups()
        operator = Operator("=" if sign == ":" else sign)
        return _test(
            text, name, operator, [_bare(value, kinds.get(name))], place, attribute.start(3)
        )
    qualifier = _QUALIFIER.fullmatch(word)
    if qualifier is None:
        return _free(text, _unquoted(word), place)
    key, value = qualifier.groups()
    make = _MAKERS.get(key)
    if make is None:
        known = {*_MAKERS, "attr."}
        meant = suggestion(key, known)
        message = f"No qualifier is called {key[:40]}: {meant}. In quotes it begins a workflow id"
        raise problem(text, place, message, length=len(key))
    if not _unquoted(value):
        raise problem(text, place, f"{key}: needs a value", length=len(word))
    return make(text, key, value, place)


def _test(
    text: str,
    name: str,
    operator: Operator,
    values: list[Literal],
    place: int,
    offset: int,
) -> Test:
    places = tuple(min(place + offset, len(text)) for _ in values)
    return Test(name, operator, tuple(values), place, places)


def _equal(text: str, key: str, value: str, place: int) -> Node:
    values: list[Literal] = [_unquoted(each) for each in _split(value)]
    operator = Operator.EQ if len(values) == 1 else Operator.IN
    return _test(text, _EQUAL[key], operator, values, place, len(key) + 1)


def _prefix(text: str, key: str, value: str, place: int) -> Node:
    values: list[Literal] = [_unquoted(value)]
    return _test(text, "WorkflowId", Operator.STARTS_WITH, values, place, len(key) + 1)


def _moment(text: str, key: str, value: str, place: int) -> Node:
    signed = _SIGNED.fullmatch(value)
    if signed is None:
        message = f"{key}: needs a sign before the time, as in {key}:>2026-01-31 or {key}:<-24h"
        raise problem(text, place, message, length=len(key) + 1 + len(value))
    sign, moment = signed.groups()
    values: list[Literal] = [_unquoted(moment)]
    return _test(text, _MOMENTS[key], Operator(sign), values, place, len(key) + 2)


def _is(text: str, key: str, value: str, place: int) -> Node:
    match _unquoted(value).lower():
        case "held":
            return _test(text, "Held", Operator.EQ, [True], place, 0)
        case "open":
            return _test(text, "CloseTime", Operator.IS_NULL, [], place, 0)
        case "closed":
            return _test(text, "CloseTime", Operator.IS_NOT_NULL, [], place, 0)
        case other:
            message = f"is: takes held, open or closed, not {other[:40]}"
            raise problem(text, place, message, length=3 + len(value))


_MAKERS: Final[dict[str, Callable[[str, str, str, int], Node]]] = {
    **dict.fromkeys(_EQUAL, _equal),
    **dict.fromkeys(_MOMENTS, _moment),
    "id": _prefix,
    "is": _is,
}


def _free(text: str, word: str, place: int) -> Node:
    """A free word begins a workflow id; one that is a whole run id may also mean that run."""
    prefix = _test(text, "WorkflowId", Operator.STARTS_WITH, [word], place, 0)
    try:
        run_id = str(uuid.UUID(word))
    except ValueError:
        return prefix
    return Or((prefix, _test(text, "RunId", Operator.EQ, [run_id], place, 0)))


def _split(value: str) -> list[str]:
    return [part for part in re.findall(r'(?:[^,"]|"[^"]*")+', value) if part]


def _unquoted(value: str) -> str:
    return value.replace('"', "")


_GUESSED: Final = (None, AttributeKind.INT, AttributeKind.FLOAT, AttributeKind.BOOL)


def _bare(value: str, kind: AttributeKind | None) -> Literal:
    """Read a bare value: a number or a truth value where it looks like one and may be, else text."""
    if value.startswith('"') or kind not in _GUESSED:
        return _unquoted(value)
    if value.lower() in ("true", "false"):
        return value.lower() == "true"
    if _NUMBER.fullmatch(value):
        return float(value) if "." in value else int(value)
    return value
