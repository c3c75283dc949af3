"""From the conditions of a list to SQL on alias `r`, for both databases.

The SQL is made of constants only; every value is a parameter. A test of something that a run does not have is
false, `!=` too, so that NOT gives the opposite: where a column may be empty, the SQL says that it is not.
Search values are looked for run by run (EXISTS), which the planner turns into joins where that is cheaper.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any, Final

from aion.core.search_attributes import COLUMN_OF
from aion.store.dialects import dialect
from aion.visibility import And, Condition, Not, Operator, Or
from aion.visibility.fields import Field, FieldKind
from aion.visibility.meaning import Meaning

SQL = tuple[str, list[Any]]

_COLUMNS: Final = {
    "WorkflowId": "r.workflow_id",
    "RunId": "r.id",
    "WorkflowType": "r.workflow_type",
    "ExecutionStatus": "r.status",
    "StartTime": "r.started_at",
    "CloseTime": "r.closed_at",
    "TaskQueue": "r.task_queue",
    "ParentRunId": "r.parent_run_id",
    "HistoryLength": "(r.head_seq - r.first_seq + 1)",
    "HistoryBytes": "r.history_bytes",
}
_MAY_BE_EMPTY: Final = frozenset({"CloseTime", "ParentRunId"})


def condition(node: Meaning) -> SQL:
    """Give a condition and its parameters."""
    match node:
        case And(terms):
            return _joined(" AND ", [condition(term) for term in terms])
        case Or(terms):
            return _joined(" OR ", [condition(term) for term in terms])
        case Not(term):
            sql, parameters = condition(term)
            return f"NOT ({sql})", parameters
        case Condition():
            return _condition(node)


def _joined(word: str, terms: list[SQL]) -> SQL:
    sql = word.join(f"({text})" for text, _ in terms)
    return sql, [parameter for _, parameters in terms for parameter in parameters]


def _condition(one: Condition) -> SQL:
    if one.field.attribute is not None:
        return _attribute(one)
    special = _SPECIAL.get(one.field.name)
    if special is not None:
        return special(one)
    column = _COLUMNS[one.field.name]
    sql, parameters = compared(column, one)
    if one.field.name in _MAY_BE_EMPTY and one.operator not in _NULLS:
        return f"{column} IS NOT NULL AND {sql}", parameters
    return sql, parameters


# --- a column and values --------------------------------------------------------------------------

_NULLS: Final = (Operator.IS_NULL, Operator.IS_NOT_NULL)
_SIGNS: Final = {
    Operator.EQ: "=",
    Operator.NE: "<>",
    Operator.LT: "<",
    Operator.LE: "<=",
    Operator.GT: ">",
    Operator.GE: ">=",
}
# Order of bytes, as indexes for prefixes and SQLite have it; plain signs follow the database's language.
_BYTE_SIGNS: Final = {"<": "~<~", "<=": "~<=~", ">": "~>~", ">=": "~>=~"}


def compared(column: str, one: Condition, operator: Operator | None = None) -> SQL:
    """Compare a column with the values of a condition, by its operator or another."""
    operator = operator or one.operator
    values = [_parameter(value) for value in one.values]
    match operator:
        case Operator.IS_NULL | Operator.IS_NOT_NULL:
            return f"{column} {operator.value}", []
        case Operator.IN | Operator.NOT_IN:
            marks = ", ".join(["%s"] * len(values))
            return f"{column} {operator.value} ({marks})", values
        case Operator.BETWEEN:
            low, high = _sign(one.field, ">="), _sign(one.field, "<=")
            return f"{column} {low} %s AND {column} {high} %s", values
        case Operator.STARTS_WITH:
            return prefixed(column, values[0])
        case _:
            return f"{column} {_sign(one.field, _SIGNS[operator])} %s", values


def _sign(field: Field, sign: str) -> str:
    if field.kind is FieldKind.KEYWORD and dialect().name == "postgresql":
        return _BYTE_SIGNS.get(sign, sign)
    return sign


def prefixed(column: str, prefix: str) -> SQL:
    """Compare the beginning of a column, by an index that has the order of bytes."""
    if dialect().name == "postgresql":
        escaped = prefix.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        return f"{column} LIKE %s", [escaped + "%"]
    escaped = "".join(f"[{each}]" if each in "*?[" else each for each in prefix)
    return f"{column} GLOB %s", [escaped + "*"]


def _parameter(value: Any) -> Any:
    sql = dialect()
    match value:
        case dt.datetime():
            return sql.time(value)
        case dt.timedelta():
            return value if sql.name == "postgresql" else value.total_seconds()
        case str() | int() | float():
            return value
        case _:
            return sql.uuid(value)


# --- what is no plain column ----------------------------------------------------------------------


def _duration(one: Condition) -> SQL:
    if one.operator in _NULLS:
        return compared("r.closed_at", one)
    length = "(r.closed_at - r.started_at)"
    if dialect().name != "postgresql":
        length = "round((julianday(r.closed_at) - julianday(r.started_at)) * 86400.0, 3)"
    sql, parameters = compared(length, one)
    return f"r.closed_at IS NOT NULL AND {sql}", parameters


def _held(one: Condition) -> SQL:
    match one.operator:
        case Operator.IS_NULL:
            return "1 = 0", []
        case Operator.IS_NOT_NULL:
            return "1 = 1", []
        case _:
            held = bool(one.values[0]) is (one.operator is Operator.EQ)
            return f"r.held_until IS {'NOT ' if held else ''}NULL", []


def _parent(one: Condition) -> SQL:
    if one.operator in _NULLS:
        return compared("r.parent_run_id", one)
    sql, parameters = compared("p.workflow_id", one)
    exists = "EXISTS (SELECT 1 FROM aion_run p WHERE p.id = r.parent_run_id"
    if one.operator in (Operator.EQ, Operator.IN):
        # From the parents to their children: each has an index.
        parents = f"SELECT p.id FROM aion_run p WHERE {sql}"
        return f"r.parent_run_id IS NOT NULL AND r.parent_run_id IN ({parents})", parameters
    return f"{exists} AND {sql})", parameters


def _root(one: Condition) -> SQL:
    """Ask for the root of a tree, which most runs are themselves: the index holds the others only."""
    if one.operator not in (Operator.EQ, Operator.IN):
        sql, parameters = compared("r.root_run_id", one)
        is_there = "r.root_run_id IS NOT NULL AND " if one.operator not in _NULLS else ""
        return f"{is_there}{sql}", parameters
    itself, ids = compared("r.id", one)
    root, roots = compared("r.root_run_id", one)
    own = (
        "r.root_run_id = r.id AND r.root_run_id IS NOT NULL"  # as the index has it, for the planner
    )
    return (
        f"r.root_run_id IS NOT NULL AND ({itself} AND ({own}) OR {root} AND NOT ({own}))",
        [*ids, *roots],
    )


_SPECIAL: Final[dict[str, Callable[[Condition], SQL]]] = {
    "ExecutionDuration": _duration,
    "Held": _held,
    "ParentWorkflowId": _parent,
    "RootRunId": _root,
}


# --- search attributes ----------------------------------------------------------------------------


def _attribute(one: Condition) -> SQL:
    match one.operator, one.field.kind:
        case Operator.IS_NOT_NULL, _:
            return _is_there(one)
        case Operator.IS_NULL, _:
            return _not(_is_there(one))
        case (Operator.EQ, FieldKind.TEXT):
            return _all_words(one)
        case (Operator.NE, FieldKind.TEXT):
            return _joined(" AND ", [_is_there(one), _not(_all_words(one))])
        case (Operator.STARTS_WITH, FieldKind.TEXT):
            [words] = one.values
            whole = [_value_row(one, f"{_column(one)} = %s", [word]) for word in words[:-1]]
            last = _value_row(one, *prefixed(_column(one), words[-1]))
            return _joined(" AND ", [*whole, last])
        case (Operator.NE | Operator.NOT_IN) as operator, FieldKind.KEYWORD_LIST:
            opposite = Operator.EQ if operator is Operator.NE else Operator.IN
            holds = _value_row(one, *compared(_column(one), one, opposite))
            return _joined(" AND ", [_is_there(one), _not(holds)])
        case _:
            return _value_row(one, *compared(_column(one), one))


def _column(one: Condition) -> str:
    assert one.field.attribute is not None  # noqa: S101  # the caller looked
    return f"v.{COLUMN_OF[one.field.attribute]}"


def _value_row(one: Condition, sql: str, parameters: list[Any]) -> SQL:
    return (
        f"EXISTS (SELECT 1 FROM aion_searchvalue v WHERE v.run_id = r.id AND v.name = %s AND {sql})",
        [one.field.name, *parameters],
    )


def _is_there(one: Condition) -> SQL:
    return _value_row(one, f"{_column(one)} IS NOT NULL", [])


def _all_words(one: Condition) -> SQL:
    [words] = one.values
    return _joined(" AND ", [_value_row(one, f"{_column(one)} = %s", [word]) for word in words])


def _not(sql: SQL) -> SQL:
    return f"NOT ({sql[0]})", sql[1]
