"""Request ids that runs have taken: the same message sent twice has one effect in a chain of runs.

A row belongs to the run that took the id. A run that goes on for another one has taken what that one took.
Another chain of the same workflow id has not.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from aion.store.dialects import connection, dialect
from aion.store.rows import RunRow

COLUMNS = {"run_id": "uuid", "workflow_id": "text", "request_id": "text"}

Taken = tuple[uuid.UUID, str, str]


def take(run: RunRow, request_id: str) -> bool:
    """Take a request id for a run whose lock is held; False when its chain has taken it before."""
    if run.chain_position and is_taken(run.id, run.workflow_id, request_id):
        return False
    with connection().cursor() as cursor:
        cursor.execute(
            "INSERT INTO aion_request (run_id, workflow_id, request_id) VALUES (%s, %s, %s) "
            "ON CONFLICT DO NOTHING",
            [dialect().uuid(run.id), run.workflow_id, request_id],
        )
        return bool(cursor.rowcount == 1)


def remember(cursor: Any, taken: Sequence[Taken]) -> None:
    """Write the request ids of signals that a batch of turns has folded for other runs."""
    if taken:
        dialect().insert(cursor, "aion_request", COLUMNS, list(taken))


def is_taken(run_id: uuid.UUID, workflow_id: str, request_id: str) -> bool:
    """Tell whether a run, or one that it goes on for, has taken a request id."""
    sql = dialect()
    with connection().cursor() as cursor:
        cursor.execute(
            "SELECT run_id FROM aion_request WHERE workflow_id = %s AND request_id = %s",
            [workflow_id, request_id],
        )
        found = [sql.read_uuid(row[0]) for row in cursor.fetchall()]
        if not found or run_id in found:
            return bool(found)
        cursor.execute(_EARLIER + sql.among("id", "uuid"), [sql.uuid(run_id), sql.many(found)])
        return cursor.fetchone() is not None


_EARLIER = (
    "WITH RECURSIVE earlier(id) AS ("
    "SELECT continued_from_run_id FROM aion_run WHERE id = %s UNION ALL "
    "SELECT before.continued_from_run_id FROM aion_run before JOIN earlier ON before.id = earlier.id) "
    "SELECT 1 FROM earlier WHERE "
)
