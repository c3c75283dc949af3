"""Who is alive: worker rows, their heartbeats, and what the dead leave behind."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable
from typing import Final

import msgspec

from aion.store import mailbox
from aion.store.dialects import atomic, connection, dialect

COLUMNS = {
    "id": "uuid",
    "name": "text",
    "host": "text",
    "pid": "integer",
    "queues": "jsonb",
    "version": "text",
    "started_at": "timestamptz",
    "last_seen_at": "timestamptz",
}


_SET_BACK: Final = dt.timedelta(minutes=1)  # clocks that agree differ by less


class WorkerIdentity(msgspec.Struct, frozen=True):
    """A process that takes turns or runs activities."""

    id: uuid.UUID
    name: str
    host: str
    pid: int
    queues: tuple[str, ...] = ()
    version: str = ""


def register(worker: WorkerIdentity, *, now: dt.datetime) -> None:
    """Say that a worker has begun to live."""
    queues = msgspec.json.encode(worker.queues).decode()
    row = (worker.id, worker.name, worker.host, worker.pid, queues, worker.version, now, now)
    with connection().cursor() as cursor:
        dialect().insert(cursor, "aion_worker", COLUMNS, [row])


def beat(worker: WorkerIdentity, *, now: dt.datetime) -> bool:
    """Say that a worker is alive; False when others have given it up for dead (its row is gone)."""
    sql = dialect()
    with connection().cursor() as cursor:
        cursor.execute(
            "UPDATE aion_worker SET last_seen_at = %s WHERE id = %s",
            [sql.time(now), sql.uuid(worker.id)],
        )
        return bool(cursor.rowcount == 1)


def dead(*, silent_since: dt.datetime) -> list[uuid.UUID]:
    """List the workers not seen since a moment."""
    sql = dialect()
    with connection().cursor() as cursor:
        cursor.execute(
            "SELECT id FROM aion_worker WHERE last_seen_at < %s", [sql.time(silent_since)]
        )
        return [sql.read_uuid(row[0]) for row in cursor.fetchall()]


def owners_without_worker() -> list[uuid.UUID]:
    """List owners of runs and attempts that have no worker row: leases that nobody will give back."""
    sql = dialect()
    with connection().cursor() as cursor:
        cursor.execute(
            "SELECT o.owner_id FROM (SELECT owner_id FROM aion_run WHERE owner_id IS NOT NULL "
            "UNION SELECT owner_id FROM aion_activitytask WHERE owner_id IS NOT NULL) AS o "
            "WHERE NOT EXISTS (SELECT 1 FROM aion_worker w WHERE w.id = o.owner_id)"
        )
        return [sql.read_uuid(row[0]) for row in cursor.fetchall()]


def give_back_runs(owner_ids: Iterable[uuid.UUID], *, now: dt.datetime) -> list[uuid.UUID]:
    """Free the runs of some workers and wake each, so that another worker goes on; give their ids."""
    sql = dialect()
    with atomic(), connection().cursor() as cursor:
        # A run that is locked is in somebody's turn; the next sweep finds it if that worker is dead.
        cursor.execute(
            "UPDATE aion_run SET owner_id = NULL WHERE id IN (SELECT id FROM aion_run "
            f"WHERE {sql.among('owner_id', 'uuid')} {sql.lock_free_rows}) RETURNING id",
            [sql.many(owner_ids)],
        )
        freed = [sql.read_uuid(row[0]) for row in cursor.fetchall()]
        mailbox.post([(run_id, mailbox.WAKE, "{}") for run_id in freed], now=now, cursor=cursor)
    return freed


def forget(worker_ids: Iterable[uuid.UUID]) -> None:
    """Remove worker rows, after their leases were given back."""
    sql = dialect()
    with connection().cursor() as cursor:
        cursor.execute(
            f"DELETE FROM aion_worker WHERE {sql.among('id', 'uuid')}", [sql.many(worker_ids)]
        )


TICK: Final = 1
PRUNING: Final = 2
"""What is done by one process at a time, and when it was last: rows of the table of ticks."""


def take_tick(*, now: dt.datetime, not_since: dt.datetime, what: int = TICK) -> bool:
    """Take the right to tick now; False when somebody ticked since, or ticks at this moment."""
    sql = dialect()
    with connection().cursor() as cursor:
        cursor.execute(
            "UPDATE aion_tick SET ticked_at = %s WHERE id IN "
            "(SELECT id FROM aion_tick WHERE id = %s AND (ticked_at <= %s OR ticked_at > %s) "
            f"{sql.lock_free_rows})",
            # A tick of the future: the clock was set back. A little ahead is another machine's.
            [sql.time(now), what, sql.time(not_since), sql.time(now + _SET_BACK)],
        )
        if cursor.rowcount == 1:
            return True
        cursor.execute(
            # The first of all. Without the condition it would wait for a tick that is going on.
            "INSERT INTO aion_tick (id, ticked_at) SELECT %s, %s "
            "WHERE NOT EXISTS (SELECT 1 FROM aion_tick WHERE id = %s) ON CONFLICT DO NOTHING",
            [what, sql.time(now), what],
        )
        return bool(cursor.rowcount == 1)


def last_tick(what: int = TICK) -> dt.datetime | None:
    """Give the time of the last tick."""
    with connection().cursor() as cursor:
        cursor.execute("SELECT ticked_at FROM aion_tick WHERE id = %s", [what])
        row = cursor.fetchone()
    return dialect().read_time(row[0]) if row else None


def count_alive(*, since: dt.datetime) -> int:
    """Count the workers seen since a moment."""
    with connection().cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM aion_worker WHERE last_seen_at >= %s", [dialect().time(since)]
        )
        return int(cursor.fetchone()[0])
