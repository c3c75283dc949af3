"""What sweeps look at: activities past their deadline, and attempts of workers that are gone."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable

from aion.store.attempts import FIELDS, Attempt, read_attempt
from aion.store.dialects import connection, dialect


def overdue(*, now: dt.datetime, limit: int) -> list[tuple[Attempt, str]]:
    """List activities whose deadline has passed, with the kind of deadline."""
    sql = dialect()
    with connection().cursor() as cursor:
        cursor.execute(
            f"SELECT {FIELDS}, a.timeout_kind FROM aion_activitytask a "
            "JOIN aion_run r ON r.id = a.run_id "
            "WHERE a.timeout_at <= %s ORDER BY a.timeout_at LIMIT %s",
            [sql.time(now), limit],
        )
        return [(read_attempt(row[:-1]), row[-1]) for row in cursor.fetchall()]


def owned_by(owner_ids: Iterable[uuid.UUID], *, limit: int) -> list[Attempt]:
    """List the running attempts of some workers."""
    sql = dialect()
    with connection().cursor() as cursor:
        cursor.execute(
            f"SELECT {FIELDS} FROM aion_activitytask a JOIN aion_run r ON r.id = a.run_id "
            f"WHERE {sql.among('a.owner_id', 'uuid')} LIMIT %s",
            [sql.many(owner_ids), limit],
        )
        return [read_attempt(row) for row in cursor.fetchall()]


def lock(attempt: Attempt, *, overdue_at: dt.datetime | None = None) -> bool:
    """Lock an activity's row until the transaction ends; False when somebody is writing it.

    Nobody should wait for the writer, which may be a worker that will never go on. With `overdue_at` the
    deadline must still have passed: a heartbeat or an operator may have moved it since it was read.
    """
    sql = dialect()
    still, parameters = "", [sql.uuid(attempt.id)]
    if overdue_at is not None:
        still = "AND timeout_at <= %s"
        parameters.append(sql.time(overdue_at))
    with connection().cursor() as cursor:
        where = f"id = %s {still} {sql.lock_free_rows}"
        cursor.execute(f"SELECT 1 FROM aion_activitytask WHERE {where}", parameters)
        return cursor.fetchone() is not None
