"""Ownership of runs: which worker has local activities of a run in flight."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

import msgspec

from aion.core.errors import StaleAttempt
from aion.store.dialects import connection, dialect


def check(run_id: uuid.UUID, worker_id: uuid.UUID) -> None:
    """Make sure that a worker owns an open run until this transaction ends.

    The share lock makes a worker that takes the run over wait for this commit, and see its outcome.

    Raises:
        StaleAttempt: the run is closed or another's.
    """
    sql = dialect()
    with connection().cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM aion_run WHERE id = %s AND (owner_id = %s) IS TRUE AND closed_at IS NULL "
            f"{sql.share_rows}",
            [sql.uuid(run_id), sql.uuid(worker_id)],
        )
        if cursor.fetchone() is None:
            raise StaleAttempt(
                f"Run {run_id} is closed or no longer owned by this worker; the local activity's "
                "writes are rolled back",
                run_id=run_id,
            )


def is_recorded(run_id: uuid.UUID, activity_id: str) -> bool:
    """Tell whether an activity's result is in its run's mailbox or history, for good.

    The lock waits for a transaction that holds the share lock of `check`: one whose commit is on its way
    although the connection has broken. Must run inside a transaction.
    """
    sql = dialect()
    run = sql.uuid(run_id)
    with connection().cursor() as cursor:
        cursor.execute(f"SELECT 1 FROM aion_run WHERE id = %s {sql.lock_rows}", [run])
        cursor.execute(
            "SELECT body FROM aion_message WHERE run_id = %s AND kind = 'ActivityCompleted' "
            "UNION ALL "
            "SELECT attributes FROM aion_event WHERE run_id = %s AND kind = 'ActivityCompleted'",
            [run, run],
        )
        return any(
            msgspec.json.decode(row[0], type=_Named).activity_id == activity_id
            for row in cursor.fetchall()
        )


class _Named(msgspec.Struct):
    activity_id: str


def idle(worker_id: uuid.UUID) -> list[uuid.UUID]:
    """List the open runs of a worker for which nothing waits: they move only by its local activities."""
    sql = dialect()
    with connection().cursor() as cursor:
        cursor.execute(
            "SELECT r.id FROM aion_run r WHERE r.owner_id = %s AND r.status = 'running' "
            "AND r.held_until IS NULL "
            "AND NOT EXISTS (SELECT 1 FROM aion_message m WHERE m.run_id = r.id)",
            [sql.uuid(worker_id)],
        )
        return [sql.read_uuid(row[0]) for row in cursor.fetchall()]


def lost(run_ids: Iterable[uuid.UUID], worker_id: uuid.UUID) -> set[uuid.UUID]:
    """Tell which of these runs are closed or owned by another worker."""
    sql = dialect()
    wanted = set(run_ids)
    with connection().cursor() as cursor:
        cursor.execute(
            f"SELECT id FROM aion_run WHERE {sql.among('id', 'uuid')} AND closed_at IS NULL "
            "AND (owner_id IS NULL OR owner_id = %s)",
            [sql.many(wanted), sql.uuid(worker_id)],
        )
        return wanted - {sql.read_uuid(row[0]) for row in cursor.fetchall()}
