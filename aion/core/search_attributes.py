"""Search attributes: names, kinds, and values as they are kept. Pure.

A value is kept as plain JSON, in one form for each kind, beside its kind: a history says by itself what its
values are, whatever becomes of the registry. For lists each value is also rows of a table; which column a row
uses depends on the kind.
"""

from __future__ import annotations

import datetime as dt
import difflib
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import msgspec

from aion.core.errors import InvalidArgument, InvalidSearchAttribute
from aion.core.texts import check_text


class AttributeKind(StrEnum):
    """What the values of a search attribute are.

    `TEXT` is found by its words, `KEYWORD` as a whole; `KEYWORD_LIST` by each of its items.
    """

    TEXT = "text"
    KEYWORD = "keyword"
    INT = "int"
    FLOAT = "float"
    BOOL = "bool"
    DATETIME = "datetime"
    KEYWORD_LIST = "keyword_list"


Kinds = Mapping[str, AttributeKind]
Values = dict[str, Any]

PATCHES: Final = "AionPatches"
"""The search attribute that lists the patches that a run has taken."""

DEPRECATED_PATCHES: Final = "AionDeprecatedPatches"
"""The search attribute that lists those of them that only `deprecate_patch` has marked."""

ENGINE_KINDS: Final[Kinds] = MappingProxyType(
    {PATCHES: AttributeKind.KEYWORD_LIST, DEPRECATED_PATCHES: AttributeKind.KEYWORD_LIST}
)
"""The attributes that only the engine sets."""

BUILT_IN_NAMES: Final = (
    "WorkflowId",
    "RunId",
    "WorkflowType",
    "ExecutionStatus",
    "StartTime",
    "CloseTime",
    "ExecutionDuration",
    "TaskQueue",
    "ParentWorkflowId",
    "ParentRunId",
    "RootRunId",
    "Held",
    "HistoryLength",
    "HistoryBytes",
)
"""What lists can filter on without any attribute."""

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_LONGEST_NAME: Final = 64
_LONGEST_KEYWORD: Final = 255  # characters: four bytes each, an index entry still holds them
_LONGEST_TEXT: Final = 4_000
_MOST_ITEMS: Final = 100
_WORD: Final = re.compile(r"\w+")
_INT64: Final = 2**63
_KEYWORDS: Final = {"and", "or", "not", "in", "is", "null", "between", "order", "by", "true"}
_RESERVED: Final = _KEYWORDS | {"false", "asc", "desc", "starts_with", "attr"}


def check_name(name: object) -> str:
    """Give a name that an attribute may be registered under.

    Raises:
        InvalidArgument: it is not one; the message says why.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        raise InvalidArgument(
            f"name must be a letter and then letters, digits or _, at most {_LONGEST_NAME} together, "
            f"not {_shown(name)}",
            field="name",
        )
    taken = {built_in.lower() for built_in in BUILT_IN_NAMES} | _RESERVED
    if name.lower() in taken or name in ENGINE_KINDS:
        raise InvalidArgument(f"name {name!r} is built in: choose another", field="name")
    return name


def check_kind(kind: object) -> AttributeKind:
    """Give the kind of a name.

    Raises:
        InvalidArgument: there is no such kind; the message lists those there are.
    """
    try:
        return AttributeKind(str(kind))
    except ValueError as error:
        known = ", ".join(AttributeKind)
        raise InvalidArgument(
            f"kind must be one of {known}, not {_shown(kind)}", field="kind"
        ) from error


# --- values as they are kept ----------------------------------------------------------------------


class Attributes(NamedTuple):
    """Values as JSON, and the kind of each that is set."""

    values: Values
    kinds: dict[str, str]

    @property
    def raw(self) -> msgspec.Raw:
        """The values as an event keeps them."""
        return msgspec.Raw(msgspec.json.encode(self.values))


def normalised(
    values: Mapping[Any, Any], kinds: Kinds, *, current: Collection[str] = ()
) -> Attributes:
    """Bring values into the form in which they are kept; None, which unsets, stays.

    What is set already (`current`) may be unset under a name that is not registered any more.

    Raises:
        InvalidSearchAttribute: a name is not registered, or a value is not of its kind.
    """
    kept: Values = {}
    kept_kinds: dict[str, str] = {}
    for name, value in values.items():
        if name in ENGINE_KINDS:
            raise _invalid(name, ENGINE_KINDS[name], value, "only the engine sets it")
        kind = kinds.get(name)
        if value is None and (kind is not None or name in current):
            kept[name] = None
            continue
        if kind is None:
            raise _unregistered(name, value, kinds)
        kept[name] = _FORMS[kind](name, value)
        kept_kinds[name] = str(kind)
    return Attributes(kept, kept_kinds)


def typed(values: Values, kinds: Mapping[str, str]) -> Values:
    """Give kept values as Python's: datetimes as such, copies of lists."""
    return {name: _typed(value, kinds.get(name)) for name, value in values.items()}


def _typed(value: Any, kind: str | None) -> Any:
    if kind == AttributeKind.DATETIME and isinstance(value, str):
        try:
            return dt.datetime.fromisoformat(value)
        except ValueError:
            return value  # kept before it was of this kind
    return list(value) if isinstance(value, list) else value


def _keyword(name: str, value: Any, kind: AttributeKind = AttributeKind.KEYWORD) -> str:
    return _storable(name, value, kind, _LONGEST_KEYWORD)


def _text(name: str, value: Any) -> str:
    return _storable(name, value, AttributeKind.TEXT, _LONGEST_TEXT)


def _storable(name: str, value: Any, kind: AttributeKind, most: int) -> str:
    if not isinstance(value, str):
        raise _invalid(name, kind, value, "give a str")
    try:
        check_text("it", value, most=most)
    except InvalidArgument as error:
        raise _invalid(name, kind, value, error.message) from error
    return str(value)


def _int(name: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _invalid(name, AttributeKind.INT, value, "give an int")
    if not -_INT64 <= value < _INT64:
        raise _invalid(name, AttributeKind.INT, value, "it does not fit into 64 bits")
    return int(value)


def _float(name: str, value: Any) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise _invalid(name, AttributeKind.FLOAT, value, "give a float")
    try:
        number = float(value)
    except OverflowError as error:
        raise _invalid(name, AttributeKind.FLOAT, value, "it is too large") from error
    if not math.isfinite(number):
        raise _invalid(name, AttributeKind.FLOAT, value, "it must be finite")
    return number


def _bool(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _invalid(name, AttributeKind.BOOL, value, "give True or False")
    return value


def _datetime(name: str, value: Any) -> str:
    moment = value
    if isinstance(value, str):
        try:
            moment = dt.datetime.fromisoformat(value)
        except ValueError as error:
            reason = "give an aware datetime, or one in ISO form"
            raise _invalid(name, AttributeKind.DATETIME, value, reason) from error
    if not isinstance(moment, dt.datetime):
        raise _invalid(name, AttributeKind.DATETIME, value, "give an aware datetime")
    if moment.utcoffset() is None:
        reason = "it is naive: give it a time zone, as timezone.now() of Django does"
        raise _invalid(name, AttributeKind.DATETIME, value, reason)
    try:
        utc = moment.astimezone(dt.UTC)
    except OverflowError as error:
        raise _invalid(name, AttributeKind.DATETIME, value, "it is out of range") from error
    return utc.replace(tzinfo=None).isoformat() + "Z"


def _keyword_list(name: str, value: Any) -> list[str]:
    kind = AttributeKind.KEYWORD_LIST
    if not isinstance(value, (list, tuple)):
        raise _invalid(name, kind, value, "give a list of str")
    if len(value) > _MOST_ITEMS:
        reason = f"it has {len(value)} items; {_MOST_ITEMS} are the most"
        raise _invalid(name, kind, value, reason)
    return list(dict.fromkeys(_keyword(name, item, kind) for item in value))


_FORMS: Final[dict[AttributeKind, Callable[[str, Any], Any]]] = {
    AttributeKind.TEXT: _text,
    AttributeKind.KEYWORD: _keyword,
    AttributeKind.INT: _int,
    AttributeKind.FLOAT: _float,
    AttributeKind.BOOL: _bool,
    AttributeKind.DATETIME: _datetime,
    AttributeKind.KEYWORD_LIST: _keyword_list,
}


# --- values as rows -------------------------------------------------------------------------------


class ValueRow(NamedTuple):
    """A row by which a run is found; only the column of its kind is not None."""

    name: str
    position: int
    keyword: str | None = None
    integer: int | None = None
    number: float | None = None
    moment: dt.datetime | None = None
    flag: bool | None = None


COLUMN_OF: Final[dict[AttributeKind, str]] = {
    AttributeKind.TEXT: "keyword",
    AttributeKind.KEYWORD: "keyword",
    AttributeKind.INT: "integer",
    AttributeKind.FLOAT: "number",
    AttributeKind.BOOL: "flag",
    AttributeKind.DATETIME: "moment",
    AttributeKind.KEYWORD_LIST: "keyword",
}
"""The column that holds the values of a kind."""


def value_rows(values: Values, kinds: Mapping[str, str]) -> list[ValueRow]:
    """Give the rows of kept values. Values without a kind have none: lists cannot ask for them."""
    rows: list[ValueRow] = []
    for name, value in values.items():
        kind = ENGINE_KINDS.get(name) or kinds.get(name)
        if kind is None or value is None:
            continue
        column = COLUMN_OF[AttributeKind(kind)]
        rows += [
            ValueRow(name, position, **{column: item})
            for position, item in enumerate(_items(value, kind))
        ]
    return rows


def _items(value: Any, kind: str) -> Iterable[Any]:
    match kind:
        case AttributeKind.TEXT:
            return words_of(value)
        case AttributeKind.KEYWORD_LIST:
            return list(value)
        case AttributeKind.DATETIME:
            return [dt.datetime.fromisoformat(value)]
        case _:
            return [value]


def words_of(text: str) -> list[str]:
    """Give the words by which a text is found: folded to one case, each once, in their order."""
    return list(dict.fromkeys(word[:255] for word in _WORD.findall(text.casefold())))


# --- errors ---------------------------------------------------------------------------------------


def _shown(value: object) -> str:
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001  # the repr of a value is the user's code
        text = f"a {type(value).__name__}"
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= 100 else text[:97] + "..."  # noqa: PLR2004


def _invalid(name: str, kind: AttributeKind, value: object, reason: str) -> InvalidSearchAttribute:
    return InvalidSearchAttribute(
        f"Search attribute {name!r} is of kind {kind} and does not take {_shown(value)} "
        f"({type(value).__name__}): {reason}",
        field="search_attributes",
        attribute=name,
        kind=str(kind),
        value=_shown(value),
    )


def _unregistered(name: Any, value: object, kinds: Kinds) -> InvalidSearchAttribute:
    known = sorted(kinds)
    close = difflib.get_close_matches(str(name), known, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    kind = kind_like(value)
    return InvalidSearchAttribute(
        f"Search attribute {_shown(name)} is not registered, so it does not take {_shown(value)}."
        f'{hint} Register it: AION = {{..., "SEARCH_ATTRIBUTES": {{{_shown(name)}: "{kind}"}}}}, or '
        f"`manage.py search_attributes add {name} {kind}`. Registered: {', '.join(known) or 'none'}",
        field="search_attributes",
        attribute=str(name),
        kind=None,
        value=_shown(value),
    )


def kind_like(value: object) -> AttributeKind:
    """Guess the kind that somebody who gives a value has in mind."""
    match value:
        case bool():
            return AttributeKind.BOOL
        case int():
            return AttributeKind.INT
        case float():
            return AttributeKind.FLOAT
        case dt.datetime():
            return AttributeKind.DATETIME
        case list() | tuple():
            return AttributeKind.KEYWORD_LIST
        case _:
            return AttributeKind.KEYWORD
