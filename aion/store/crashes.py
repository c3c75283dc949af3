"""Which runs were in the hands of workers that died, and when a worker last did.

Theory of operation
-------------------
A turn leaves no trace before its commit, so the run that kills its worker cannot be named. For some time
after a worker has died, loops therefore take their turns *with care*: before they run any code they write
down in their own row which runs they are about to take, and the commit of these turns wipes that out again.
What is still written there when a worker is found dead names its suspects, together with the runs whose local
activities it had in flight. Each of them counts the crash.

A suspect that passes a turn, and has no local activity in flight behind it, is none any more. So only the run
that really kills gets to the limit.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Iterable

import msgspec

from aion.store.dialects import atomic, connection, dialect

_NOTHING = "[]"


def watch(worker_id: uuid.UUID) -> None:
    """Say that a worker takes turns: when it dies, the others take care."""
    _write(worker_id, _NOTHING, " AND in_turn = ''")


def note(worker_id: uuid.UUID, run_ids: Iterable[uuid.UUID]) -> None:
    """Write down which runs a worker is about to take."""
    _write(worker_id, msgspec.json.encode([run_id.hex for run_id in run_ids]).decode())


def wipe(worker_id: uuid.UUID) -> None:
    """Wipe that out. In the transaction of their turns, so that only their commit does it."""
    _write(worker_id, _NOTHING)


def _write(worker_id: uuid.UUID, in_turn: str, condition: str = "") -> None:
    with connection().cursor() as cursor:
        cursor.execute(
            f"UPDATE aion_worker SET in_turn = %s WHERE id = %s{condition}",
            [in_turn, dialect().uuid(worker_id)],
        )


def on_host(host: str) -> list[tuple[uuid.UUID, int]]:
    """List the registered workers of a host that take turns, as (id, pid)."""
    sql = dialect()
    with connection().cursor() as cursor:
        cursor.execute("SELECT id, pid FROM aion_worker WHERE host = %s AND in_turn <> ''", [host])
        return [(sql.read_uuid(row[0]), row[1]) for row in cursor.fetchall()]


def record(
    worker_ids: Collection[uuid.UUID], *, now: dt.datetime, forgotten: dt.datetime, owned: bool
) -> int:
    """Record that workers died: loops take care, and their runs are suspects; give the number of those.

    A suspicion older than `forgotten` counts for nothing. With `owned` the runs whose local activities they
    had in flight are suspects too, but for those that were suspected since the worker was last seen.
    """
    with atomic():
        dead, suspects = _take_notes(worker_ids)
        if not dead:
            return 0
        _say_when(now)
        if owned:
            suspects |= _owned_by(dead)
        _suspect(suspects, now, forgotten)
    return len(suspects)


def _take_notes(worker_ids: Collection[uuid.UUID]) -> tuple[list[uuid.UUID], set[uuid.UUID]]:
    """Read and wipe the notes of workers; give those that take turns, and what they noted."""
    sql = dialect()
    with connection().cursor() as cursor:
        cursor.execute(
            f"SELECT id, in_turn FROM aion_worker WHERE {sql.among('id', 'uuid')} "
            f"AND in_turn <> '' {sql.lock_free_rows}",
            [sql.many(worker_ids)],
        )
        rows = [(sql.read_uuid(row[0]), row[1]) for row in cursor.fetchall()]
        if rows:
            cursor.execute(
                f"UPDATE aion_worker SET in_turn = %s WHERE {sql.among('id', 'uuid')}",
                [_NOTHING, sql.many(worker_id for worker_id, _ in rows)],
            )
    noted = {uuid.UUID(run_id) for _, text in rows for run_id in msgspec.json.decode(text)}
    return [worker_id for worker_id, _ in rows], noted


def _say_when(now: dt.datetime) -> None:
    sql = dialect()
    with connection().cursor() as cursor:
        cursor.execute(
            "INSERT INTO aion_tick (id, ticked_at, crashed_at) VALUES (1, %s, %s) "
            "ON CONFLICT (id) DO UPDATE SET crashed_at = excluded.crashed_at",
            [sql.time(now), sql.time(now)],
        )


def _owned_by(worker_ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    sql = dialect()
    with connection().cursor() as cursor:
        cursor.execute(
            "SELECT r.id FROM aion_run r JOIN aion_worker w ON w.id = r.owner_id "
            "LEFT JOIN aion_suspect s ON s.run_id = r.id "
            f"WHERE {sql.among('r.owner_id', 'uuid')} "
            "AND (s.crashed_at IS NULL OR s.crashed_at < w.last_seen_at)",
            [sql.many(worker_ids)],
        )
        return {sql.read_uuid(row[0]) for row in cursor.fetchall()}


def _suspect(run_ids: Collection[uuid.UUID], now: dt.datetime, forgotten: dt.datetime) -> None:
    if not run_ids:
        return
    sql = dialect()
    cast = "::timestamptz" if sql.name == "postgresql" else ""
    with connection().cursor() as cursor:
        cursor.execute(
            "INSERT INTO aion_suspect (run_id, crash_count, crashed_at) "
            f"SELECT r.id, 1, %s{cast} FROM aion_run r "
            f"WHERE r.closed_at IS NULL AND {sql.among('r.id', 'uuid')} ORDER BY r.id "
            "ON CONFLICT (run_id) DO UPDATE SET crashed_at = excluded.crashed_at, crash_count = "
            "CASE WHEN aion_suspect.crashed_at < %s THEN 1 ELSE aion_suspect.crash_count + 1 END",
            [sql.time(now), sql.many(run_ids), sql.time(forgotten)],
        )


def last() -> dt.datetime | None:
    """Give when a worker was last found dead."""
    with connection().cursor() as cursor:
        cursor.execute("SELECT crashed_at FROM aion_tick WHERE id = 1")
        row = cursor.fetchone()
    return dialect().read_time(row[0]) if row and row[0] is not None else None


def counts(run_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, int]:
    """Give in how many crashes those of these runs were that are suspects."""
    sql = dialect()
    with connection().cursor() as cursor:
        cursor.execute(
            f"SELECT run_id, crash_count FROM aion_suspect WHERE {sql.among('run_id', 'uuid')}",
            [sql.many(run_ids)],
        )
        return {sql.read_uuid(run_id): count for run_id, count in cursor.fetchall()}


def acquit(run_ids: Iterable[uuid.UUID]) -> None:
    """Suspect runs no longer."""
    sql = dialect()
    with connection().cursor() as cursor:
        cursor.execute(
            f"DELETE FROM aion_suspect WHERE {sql.among('run_id', 'uuid')}", [sql.many(run_ids)]
        )


def forget(*, before: dt.datetime) -> None:
    """Forget suspicions that are older than a moment."""
    sql = dialect()
    with connection().cursor() as cursor:
        cursor.execute("DELETE FROM aion_suspect WHERE crashed_at < %s", [sql.time(before)])
