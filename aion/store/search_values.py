"""The typed rows of search attributes: what lists find runs by. Written with the run's row."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aion.core.search_attributes import ValueRow, value_rows
from aion.store.dialects import dialect

COLUMNS = {
    "run_id": "uuid",
    "name": "text",
    "position": "integer",
    "keyword": "text",
    "integer": "bigint",
    "number": "double precision",
    "moment": "timestamptz",
    "flag": "boolean",
}

Found = tuple[uuid.UUID, dict[str, Any], Mapping[str, str]]
"""A run, its search attributes as JSON values, and their kinds."""


def insert(found: Iterable[Found], *, cursor: Any) -> None:
    """Write the rows of runs that have none, in one statement; in none where there is no value."""
    rows = [(run_id, *row) for run_id, values, kinds in found for row in value_rows(values, kinds)]
    if rows:
        dialect().insert(cursor, "aion_searchvalue", COLUMNS, rows)


def replace(found: Sequence[Found], *, cursor: Any) -> None:
    """Write the rows of runs anew, in two statements."""
    if not found:
        return
    sql = dialect()
    cursor.execute(
        f"DELETE FROM aion_searchvalue WHERE {sql.among('run_id', 'uuid')}",
        [sql.many(run_id for run_id, _, _ in found)],
    )
    insert(found, cursor=cursor)


def read(ids: Sequence[uuid.UUID], *, cursor: Any) -> dict[uuid.UUID, set[ValueRow]]:
    """Read the rows of runs."""
    sql = dialect()
    cursor.execute(
        "SELECT run_id, name, position, keyword, integer, number, moment, flag "
        f"FROM aion_searchvalue WHERE {sql.among('run_id', 'uuid')}",
        [sql.many(ids)],
    )
    found: dict[uuid.UUID, set[ValueRow]] = {}
    for run_id, name, position, keyword, integer, number, moment, flag in cursor.fetchall():
        row = ValueRow(
            name,
            position,
            keyword,
            integer,
            number,
            None if moment is None else sql.read_time(moment),
            None if flag is None else bool(flag),
        )
        found.setdefault(sql.read_uuid(run_id), set()).add(row)
    return found


_VALUE_COLUMNS = ("keyword", "integer", "number", "moment", "flag")


def column_used(name: str, *, cursor: Any) -> str | None:
    """Give a column in which some run has a value under a name; None where no run has any."""
    looks = ", ".join(
        f"EXISTS (SELECT 1 FROM aion_searchvalue WHERE name = %s AND {column} IS NOT NULL)"
        for column in _VALUE_COLUMNS
    )
    cursor.execute(f"SELECT {looks}", [name] * len(_VALUE_COLUMNS))
    found = zip(_VALUE_COLUMNS, cursor.fetchone(), strict=True)
    return next((column for column, is_there in found if is_there), None)
