"""Rewrites the payloads of stored rows, a bounded number in one transaction, beside workers.

Theory of operation
-------------------
The run's row is locked, as its turns and its senders do: none of them writes meanwhile. What is written
without that lock (heartbeats and retries of attempts) is guarded by the old value: a row that has changed
since it was read is left as it is, for what was written meanwhile is current.

What an event says never changes; how its payloads are encoded changes here and nowhere else.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from aion.core.sealing import PayloadContext
from aion.store.dialects import connection, dialect

Change = Callable[[str, str, str, PayloadContext], str]
"""Gives a text anew, from the text, its shape, the kind of its event, and whose it is."""


class Table(msgspec.Struct, frozen=True):
    """A table with payloads: the column of the run, that which tells rows of a run apart, and the columns.

    For the tables of schedules a schedule stands in the run's place. `only` leaves rows out that hold none.
    """

    name: str
    run: str
    key: str
    kind: str
    columns: dict[str, str]
    only: str = ""

    @property
    def rows(self) -> str:
        """The condition for the rows of a run."""
        return f"{self.run} = %s{self.only}"


EVENTS: Final = Table("aion_event", "run_id", "seq", "kind", {"attributes": "body"})
OTHERS: Final = (
    Table("aion_message", "run_id", "id", "kind", {"body": "body"}),
    Table("aion_update", "run_id", "update_id", "''", {"result": "payload", "failure": "failure"}),
    Table(
        "aion_activitytask",
        "run_id",
        "id",
        "'ActivityScheduled'",
        {"order": "body", "heartbeat_details": "payload", "last_failure": "failure"},
    ),
    Table(
        "aion_run",
        "id",
        "id",
        "''",
        {"result": "payload", "failure": "failure", "memo": "payload", "problem": "problem"},
    ),
)


OF_SCHEDULES: Final = (
    Table(
        "aion_schedule",
        "id",
        "id",
        "''",
        {"config": "config", "last_result": "kept payload", "last_failure": "kept failure"},
    ),
    Table(
        "aion_scheduleevent",
        "schedule_id",
        "seq",
        "kind",
        {"attributes": "told"},
        only=" AND kind IN ('ScheduleCreated', 'ScheduleUpdated')",
    ),
)


def schedules(*, after: uuid.UUID | None, limit: int) -> list[tuple[uuid.UUID, str, str]]:
    """List schedules, deleted ones too, in the order of their keys, behind one: key, schedule id, type."""
    return _page("id, schedule_id, workflow_type FROM aion_schedule", after, limit)


def run_ids(*, after: uuid.UUID | None, limit: int) -> list[tuple[uuid.UUID, str, str]]:
    """List runs in the order of their ids, behind one: id, workflow id, type."""
    return _page("id, workflow_id, workflow_type FROM aion_run", after, limit)


def _page(columns: str, after: uuid.UUID | None, limit: int) -> list[tuple[uuid.UUID, str, str]]:
    sql = dialect()
    where, parameters = ("WHERE id > %s", [sql.uuid(after)]) if after is not None else ("", [])
    with connection().cursor() as cursor:
        cursor.execute(
            f"SELECT {columns} {where} ORDER BY id LIMIT %s",
            [*parameters, limit],
        )
        return [(sql.read_uuid(row[0]), row[1], row[2]) for row in cursor.fetchall()]


def naming(ids: Sequence[uuid.UUID], text: str) -> set[uuid.UUID]:
    """Tell which of these runs have a row that holds a text."""
    sql = dialect()
    parts, parameters = [], []
    for table in (EVENTS, *OTHERS):
        holds = " OR ".join(f'{_holds()}(t."{column}", %s) > 0' for column in table.columns)
        where = f"{sql.among(f't.{table.run}', 'uuid')} AND ({holds})"
        parts.append(f"SELECT t.{table.run} FROM {table.name} t WHERE {where}")
        parameters.extend([sql.many(ids), *([text] * len(table.columns))])
    with connection().cursor() as cursor:
        cursor.execute(" UNION ".join(parts), parameters)
        return {sql.read_uuid(row[0]) for row in cursor.fetchall()}


def _holds() -> str:
    return "strpos" if dialect().name == "postgresql" else "instr"


def lock(run_id: uuid.UUID) -> bool:
    """Lock a run's row until the transaction ends, waiting for a turn; False when it is gone."""
    sql = dialect()
    with connection().cursor() as cursor:
        cursor.execute(
            f"SELECT r.id FROM aion_run r WHERE r.id = %s {sql.lock_wait}", [sql.uuid(run_id)]
        )
        return cursor.fetchone() is not None


def recode_events(
    run_id: uuid.UUID, context: PayloadContext, change: Change, *, after: int, limit: int
) -> tuple[int, int, int]:
    """Rewrite events behind a seq; give the last seq looked at (0: no more), and rows seen and written.

    For the holder of the run's lock.
    """
    sql = dialect()
    with connection().cursor() as cursor:
        cursor.execute(
            "SELECT seq, kind, attributes FROM aion_event WHERE run_id = %s AND seq > %s "
            "ORDER BY seq LIMIT %s",
            [sql.uuid(run_id), after, limit],
        )
        rows = cursor.fetchall()
        written = 0
        for seq, kind, before in rows:
            text = change(before, "body", kind, context)
            if text != before:
                cursor.execute(
                    "UPDATE aion_event SET attributes = %s WHERE run_id = %s AND seq = %s",
                    [text, sql.uuid(run_id), seq],
                )
                written += 1
    return (rows[-1][0] if len(rows) == limit else 0), len(rows), written


def recode_table(
    table: Table, run_id: uuid.UUID, context: PayloadContext, change: Change
) -> tuple[int, int]:
    """Rewrite a run's rows of a table; give the numbers of rows seen and written.

    For the holder of the run's lock.
    """
    names = list(table.columns)
    listed = ", ".join(f'"{name}"' for name in names)
    sql = dialect()
    with connection().cursor() as cursor:
        cursor.execute(
            f"SELECT {table.key}, {table.kind}, {listed} FROM {table.name} WHERE {table.rows}",
            [sql.uuid(run_id)],
        )
        rows = cursor.fetchall()
        written = sum(
            _write_row(cursor, table, run_id, row, _changes(table, row, context, change))
            for row in rows
        )
    return len(rows), written


def _changes(
    table: Table, row: Sequence[Any], context: PayloadContext, change: Change
) -> dict[str, tuple[str, str]]:
    """Give the columns of a row that change: before and after."""
    found = {}
    for (name, shape), before in zip(table.columns.items(), row[2:], strict=True):
        if before is not None and (after := change(before, shape, row[1], context)) != before:
            found[name] = (before, after)
    return found


def _write_row(
    cursor: Any,
    table: Table,
    run_id: uuid.UUID,
    row: Sequence[Any],
    changes: dict[str, tuple[str, str]],
) -> int:
    """Write a row where it is still what was read; give the number of rows written."""
    if not changes:
        return 0
    assignments = ", ".join(f'"{name}" = %s' for name in changes)
    unchanged = " AND ".join(f'"{name}" = %s' for name in changes)
    cursor.execute(
        f"UPDATE {table.name} SET {assignments} "
        f"WHERE {table.run} = %s AND {table.key} = %s AND {unchanged}",
        [
            *(after for _, after in changes.values()),
            dialect().uuid(run_id),
            row[0],
            *(before for before, _ in changes.values()),
        ],
    )
    return int(cursor.rowcount)
