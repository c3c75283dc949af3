"""Lists of runs: pages by key, and counts that stop counting.

A page is one statement, whatever page it is: it goes on behind the key of the last run seen, so rows that
come and go do not shift it. Nothing large is read: no input, result, failure or memo. Nothing counts a whole
table. An open run counts as closing after all others.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from aion.core.status import RunStatus
from aion.store.conditions import SQL, condition
from aion.store.dialects import connection, dialect
from aion.store.sealing import plain_payload
from aion.visibility.meaning import Meaning


class ListedRun(msgspec.Struct, frozen=True):
    """A run in a list."""

    id: uuid.UUID
    workflow_id: str
    workflow_type: str
    task_queue: str
    status: RunStatus
    started_at: dt.datetime
    closed_at: dt.datetime | None
    parent_run_id: uuid.UUID | None
    root_run_id: uuid.UUID | None
    is_held: bool
    first_seq: int
    head_seq: int
    history_bytes: int
    search_attributes: dict[str, Any]


class Key(msgspec.Struct, frozen=True):
    """Where in a list a run stands."""

    at: dt.datetime | None
    id: uuid.UUID


_SELECTED: Final = (
    "r.id, r.workflow_id, r.workflow_type, r.task_queue, r.status, r.started_at, r.closed_at, "
    "r.parent_run_id, r.root_run_id, r.held_until IS NOT NULL, r.first_seq, r.head_seq, "
    "r.history_bytes, r.search_attributes"
)
_ORDERED_BY: Final = {"StartTime": "started_at", "CloseTime": "closed_at"}
_NO_SQL: Final[SQL] = ("1 = 1", [])


class Selection(msgspec.Struct, frozen=True):
    """Which runs are meant: what they are asked, and other code than the given hashes by type."""

    where: Meaning | None = None
    other_code: dict[str, str] | None = None

    def sql(self) -> SQL:
        """Give the condition of a statement on alias `r`."""
        sql, parameters = _NO_SQL if self.where is None else condition(self.where)
        if self.other_code is None:
            return sql, list(parameters)
        code, hashes = _other_code(self.other_code)
        return f"({sql}) AND ({code})", [*parameters, *hashes]


def _other_code(hashes: dict[str, str]) -> SQL:
    each = "r.workflow_type = %s AND r.definition_hash <> %s"
    sql = " OR ".join(f"({each})" for _ in hashes) or "1 = 0"
    return sql, [part for pair in hashes.items() for part in pair]


def key_of(run: ListedRun, order: str) -> Key:
    """Say where a run stands in a list of this order."""
    return Key(run.started_at if order == "StartTime" else run.closed_at, run.id)


def page(
    selection: Selection, *, order: str, descending: bool, after: Key | None, limit: int
) -> list[ListedRun]:
    """Read up to `limit` runs behind a key."""
    where, parameters = selection.sql()
    column = f"r.{_ORDERED_BY[order]}"
    if after is not None:
        behind, keys = _behind(column, after, descending=descending)
        where, parameters = f"({where}) AND ({behind})", [*parameters, *keys]
    way, empty = ("DESC", "FIRST") if descending else ("ASC", "LAST")
    # A start has a time, and saying more would keep SQLite from using the index.
    nulls = f" NULLS {empty}" if order == "CloseTime" else ""
    with connection().cursor() as cursor:
        cursor.execute(
            f"SELECT {_SELECTED} FROM aion_run r WHERE {where} "
            f"ORDER BY {column} {way}{nulls}, r.id {way} LIMIT %s",
            [*parameters, limit],
        )
        return [_listed(row) for row in cursor.fetchall()]


def _behind(column: str, key: Key, *, descending: bool) -> SQL:
    """Say that a run stands behind a key. A run without the column's time stands after all with one."""
    sql = dialect()
    sign = "<" if descending else ">"
    run_id = sql.uuid(key.id)
    if key.at is None:
        rest = f"{column} IS NULL AND r.id {sign} %s"
        return (f"({rest}) OR {column} IS NOT NULL" if descending else rest), [run_id]
    pair = f"({column}, r.id) {sign} (%s, %s)"
    if descending or column == "r.started_at":
        return pair, [sql.time(key.at), run_id]
    return f"{pair} OR {column} IS NULL", [sql.time(key.at), run_id]


def _listed(row: Sequence[Any]) -> ListedRun:
    sql = dialect()
    attributes = row[13]
    return ListedRun(
        id=sql.read_uuid(row[0]),
        workflow_id=row[1],
        workflow_type=row[2],
        task_queue=row[3],
        status=RunStatus(row[4]),
        started_at=sql.read_time(row[5]),
        closed_at=None if row[6] is None else sql.read_time(row[6]),
        parent_run_id=None if row[7] is None else sql.read_uuid(row[7]),
        root_run_id=None if row[8] is None else sql.read_uuid(row[8]),
        is_held=bool(row[9]),
        first_seq=row[10],
        head_seq=row[11],
        history_bytes=row[12],
        search_attributes=(
            msgspec.json.decode(attributes) if isinstance(attributes, str) else attributes
        ),
    )


# --- counts ---------------------------------------------------------------------------------------


def count(selection: Selection, *, cap: int) -> int:
    """Count runs up to `cap`; one more means that there are more."""
    where, parameters = selection.sql()
    with connection().cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM ({_some(where)}) AS few", [*parameters, cap + 1])
        return int(cursor.fetchone()[0])


def count_by_status(selection: Selection, *, cap: int) -> dict[str, int]:
    """Count the runs of each status up to `cap`, each by an index of its own."""
    where, parameters = selection.sql()
    narrowed = _some(f"({where}) AND r.status = %s")
    one = f"SELECT %s AS grouped, (SELECT count(*) FROM ({narrowed}) AS few) AS counted"
    if dialect().name == "postgresql":
        one = one.replace("SELECT %s AS", "SELECT %s::text AS", 1)
    statuses = [str(status) for status in RunStatus]
    with connection().cursor() as cursor:
        cursor.execute(
            " UNION ALL ".join([one] * len(statuses)),
            [each for status in statuses for each in (status, *parameters, status, cap + 1)],
        )
        return {name: counted for name, counted in cursor.fetchall() if counted}


def count_by_type(selection: Selection, *, cap: int, most_types: int) -> dict[str, int]:
    """Count the runs of each type up to `cap`; the types themselves are found by leaps over an index."""
    where, parameters = selection.sql()
    narrowed = _some(f"({where}) AND r.workflow_type = types.name")
    following = "(SELECT min(workflow_type) FROM aion_run WHERE workflow_type > types.name)"
    with connection().cursor() as cursor:
        cursor.execute(
            "WITH RECURSIVE types(name, place) AS (SELECT min(workflow_type), 1 FROM aion_run "
            f"UNION ALL SELECT {following}, place + 1 FROM types "
            "WHERE types.name IS NOT NULL AND place < %s) "
            f"SELECT types.name, (SELECT count(*) FROM ({narrowed}) AS few) FROM types "
            "WHERE types.name IS NOT NULL",
            [most_types, *parameters, cap + 1],
        )
        return {name: counted for name, counted in cursor.fetchall() if counted}


def _some(where: str) -> str:
    return f"SELECT 1 FROM aion_run r WHERE {where} LIMIT %s"


def memo(run_id: uuid.UUID) -> dict[str, Any]:
    """Read the memo of a run.

    Raises:
        PayloadUnavailable: it cannot be decoded or fetched.
    """
    with connection().cursor() as cursor:
        cursor.execute("SELECT memo FROM aion_run WHERE id = %s", [dialect().uuid(run_id)])
        row = cursor.fetchone()
    found: dict[str, Any] = msgspec.json.decode(plain_payload(row[0], run_id)) if row else {}
    return found
