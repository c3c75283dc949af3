"""What lists can ask for: built-in fields and registered search attributes, and what each can be asked."""

from __future__ import annotations

import dataclasses
from enum import Enum
from typing import Final

from aion.core.search_attributes import BUILT_IN_NAMES, AttributeKind, Kinds
from aion.visibility.problems import suggestion
from aion.visibility.syntax import Operator


class FieldKind(Enum):
    """What the values of a field are, and so which operators and literals it takes."""

    KEYWORD = "keyword"
    KEYWORD_LIST = "keyword_list"
    TEXT = "text"
    INT = "int"
    FLOAT = "float"
    BOOL = "bool"
    MOMENT = "datetime"
    DURATION = "duration"
    RUN_ID = "run id"
    STATUS = "status"


_EQUALITY: Final = frozenset({Operator.EQ, Operator.NE, Operator.IN, Operator.NOT_IN})
_ORDER: Final = frozenset({Operator.LT, Operator.LE, Operator.GT, Operator.GE, Operator.BETWEEN})
_NULL: Final = frozenset({Operator.IS_NULL, Operator.IS_NOT_NULL})
_PREFIX: Final = frozenset({Operator.STARTS_WITH})

OPERATORS: Final[dict[FieldKind, frozenset[Operator]]] = {
    FieldKind.KEYWORD: _EQUALITY | _ORDER | _NULL | _PREFIX,
    FieldKind.KEYWORD_LIST: _EQUALITY | _NULL | _PREFIX,
    FieldKind.TEXT: frozenset({Operator.EQ, Operator.NE}) | _NULL | _PREFIX,
    FieldKind.INT: _EQUALITY | _ORDER | _NULL,
    FieldKind.FLOAT: _EQUALITY | _ORDER | _NULL,
    FieldKind.BOOL: frozenset({Operator.EQ, Operator.NE}) | _NULL,
    FieldKind.MOMENT: _EQUALITY | _ORDER | _NULL,
    FieldKind.DURATION: _EQUALITY | _ORDER | _NULL,
    FieldKind.RUN_ID: _EQUALITY | _NULL,
    FieldKind.STATUS: _EQUALITY,
}
"""What each kind of field can be asked."""


@dataclasses.dataclass(frozen=True, slots=True)
class Field:
    """Something that runs have. `attribute` is its kind where it is a search attribute."""

    name: str
    kind: FieldKind
    attribute: AttributeKind | None = None


_BUILT_IN_KINDS: Final = {
    "WorkflowId": FieldKind.KEYWORD,
    "RunId": FieldKind.RUN_ID,
    "WorkflowType": FieldKind.KEYWORD,
    "ExecutionStatus": FieldKind.STATUS,
    "StartTime": FieldKind.MOMENT,
    "CloseTime": FieldKind.MOMENT,
    "ExecutionDuration": FieldKind.DURATION,
    "TaskQueue": FieldKind.KEYWORD,
    "ParentWorkflowId": FieldKind.KEYWORD,
    "ParentRunId": FieldKind.RUN_ID,
    "RootRunId": FieldKind.RUN_ID,
    "Held": FieldKind.BOOL,
    "HistoryLength": FieldKind.INT,
    "HistoryBytes": FieldKind.INT,
}
BUILT_IN: Final = {name: Field(name, _BUILT_IN_KINDS[name]) for name in BUILT_IN_NAMES}
ORDERABLE: Final = ("StartTime", "CloseTime")

_OF_ATTRIBUTES: Final = {
    AttributeKind.TEXT: FieldKind.TEXT,
    AttributeKind.KEYWORD: FieldKind.KEYWORD,
    AttributeKind.INT: FieldKind.INT,
    AttributeKind.FLOAT: FieldKind.FLOAT,
    AttributeKind.BOOL: FieldKind.BOOL,
    AttributeKind.DATETIME: FieldKind.MOMENT,
    AttributeKind.KEYWORD_LIST: FieldKind.KEYWORD_LIST,
}


def field_of(name: str, kinds: Kinds) -> Field | None:
    """Find what a name means; None when it means nothing."""
    built_in = BUILT_IN.get(name)
    if built_in is not None:
        return built_in
    kind = kinds.get(name)
    return None if kind is None else Field(name, _OF_ATTRIBUTES[kind], kind)


def unknown(name: str, kinds: Kinds) -> str:
    """Say that a name means nothing, and what was probably meant."""
    return f"Nothing is called {name[:64]}: {suggestion(name, {*BUILT_IN, *kinds})}"
