"""Pending activities as operators see and change them: rows read whole, locked one by one or in batches.

Theory of operation
-------------------
Whoever changes a row locks it first, and a worker that begins, settles or loses the attempt writes the same
row: so an operator comes before it or after it, and never in between. After it there may be no row any more,
which is an answer. A batch skips rows that others hold, and never waits with rows in hand: no deadlocks with
turns, which write the rows of many runs.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import msgspec

from aion.store.attempts import FIELDS, UNBEGUN, Attempt, read_attempt
from aion.store.dialects import connection, dialect
from aion.store.dialects import cursor as turn_cursor

COLUMNS: Final = {
    "order": "text",
    "task_queue": "text",
    "state": "text",
    "attempt": "integer",
    "attempts_forgotten": "integer",
    "next_attempt_at": "timestamptz",
    "published_at": "timestamptz",
    "started_at": "timestamptz",
    "timeout_at": "timestamptz",
    "timeout_kind": "text",
    "heartbeat_details": "text",
    "paused": "boolean",
    "paused_at": "timestamptz",
    "paused_by": "text",
    "pause_reason": "text",
    "reset_requested": "boolean",
    "reset_heartbeat": "boolean",
}
"""What may be changed, with its type."""


class Pending(msgspec.Struct):
    """An activity without its outcome, as its row shows it; `worker` is who runs it."""

    attempt: Attempt
    state: str
    next_attempt_at: dt.datetime
    published_at: dt.datetime | None
    timeout_at: dt.datetime | None
    timeout_kind: str
    heartbeat_at: dt.datetime | None
    paused: bool
    paused_at: dt.datetime | None
    paused_by: str
    pause_reason: str
    cancel_requested: bool
    reset_requested: bool
    reset_heartbeat: bool
    worker: str | None
    worker_seen_at: dt.datetime | None

    @property
    def begun(self) -> bool:
        """Whether the attempt runs, in a worker or elsewhere."""
        return self.state != "scheduled"


_OWN: Final = (
    "a.state, a.next_attempt_at, a.published_at, a.timeout_at, a.timeout_kind, a.heartbeat_at, "
    "a.paused, a.paused_at, a.paused_by, a.pause_reason, a.cancel_requested, a.reset_requested, "
    "a.reset_heartbeat, w.name, w.last_seen_at"
)
_FROM: Final = (
    f"SELECT {FIELDS}, {_OWN} FROM aion_activitytask a JOIN aion_run r ON r.id = a.run_id "
    "LEFT JOIN aion_worker w ON w.id = a.owner_id"
)
_FIELD_COUNT: Final = FIELDS.count(",") + 1
_TIMES: Final = ("next_attempt_at", "published_at", "timeout_at", "heartbeat_at", "paused_at")
_FLAGS: Final = ("paused", "cancel_requested", "reset_requested", "reset_heartbeat")
_OWN_NAMES: Final = [name for name in Pending.__struct_fields__ if name != "attempt"]


def _read(row: tuple[Any, ...]) -> Pending:
    sql = dialect()
    values = dict(zip(_OWN_NAMES, row[_FIELD_COUNT:], strict=True))
    for name in (*_TIMES, "worker_seen_at"):
        values[name] = None if values[name] is None else sql.read_time(values[name])
    for name in _FLAGS:
        values[name] = bool(values[name])
    return Pending(read_attempt(row[:_FIELD_COUNT]), **values)


def select(where: str, parameters: Sequence[Any], *, end: str = "") -> list[Pending]:
    """Read the pending activities that meet a condition on `a`, `r` and `w`."""
    with connection().cursor() as cursor:
        cursor.execute(f"{_FROM} WHERE {where} {end}", parameters)
        return [_read(row) for row in cursor.fetchall()]


def _lock(*, skip: bool) -> str:
    if dialect().name != "postgresql":
        return ""
    return "FOR NO KEY UPDATE OF a SKIP LOCKED" if skip else "FOR NO KEY UPDATE OF a"


def lock_one(run_id: uuid.UUID, activity_id: str) -> Pending | None:
    """Lock one activity of a run, waiting for whoever writes it; None when it is not pending."""
    found = select(
        "a.run_id = %s AND a.activity_id = %s",
        [dialect().uuid(run_id), activity_id],
        end=_lock(skip=False),
    )
    return found[0] if found else None


def lock_batch(activity_type: str, *, paused: bool, after: uuid.UUID, limit: int) -> list[Pending]:
    """Lock the next activities of a type behind an id that are (not) paused by hand; skip locked ones."""
    where = f"{_of_type(paused=paused)} AND a.id > %s"
    return select(
        where,
        [activity_type, dialect().uuid(after)],
        end=f"ORDER BY a.id LIMIT {int(limit)} {_lock(skip=True)}",
    )


def _of_type(*, paused: bool) -> str:
    state = (
        "a.paused_at IS NOT NULL" if paused else "a.paused_at IS NULL AND NOT a.cancel_requested"
    )
    return f"a.activity_type = %s AND {state}"


def identities(activity_type: str, *, paused: bool, limit: int) -> list[tuple[uuid.UUID, str]]:
    """List (run id, activity id) of such activities, without locks."""
    with connection().cursor() as cursor:
        cursor.execute(
            f"SELECT a.run_id, a.activity_id FROM aion_activitytask a WHERE {_of_type(paused=paused)} "
            "ORDER BY a.id LIMIT %s",
            [activity_type, limit],
        )
        return [(dialect().read_uuid(run_id), name) for run_id, name in cursor.fetchall()]


def counts(run_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, int]:
    """Count the pending activities of runs, those left out that were asked to cancel."""
    sql = dialect()
    with turn_cursor() as cursor:
        cursor.execute(
            f"SELECT run_id, count(*) FROM aion_activitytask WHERE {sql.among('run_id', 'uuid')} "
            "AND NOT cancel_requested GROUP BY run_id",
            [sql.many(run_ids)],
        )
        return {sql.read_uuid(run_id): count for run_id, count in cursor.fetchall()}


def change(changes: Sequence[tuple[Pending, Mapping[str, Any]]]) -> None:
    """Write new values of some columns, the same columns in all of these locked rows, in one statement."""
    if not changes:
        return
    names = list(changes[0][1])
    rows = [(one.attempt.id, *(values[name] for name in names)) for one, values in changes]
    columns = {"id": "uuid", **{name: COLUMNS[name] for name in names}}
    with connection().cursor() as cursor:
        dialect().update(cursor, "aion_activitytask", columns, rows)


def follow_runs(task_ids: Sequence[uuid.UUID]) -> None:
    """Let activities that are no longer paused by hand be paused as far as their runs are.

    A statement of its own, after the rows are locked: a run that is paused meanwhile writes these rows before
    or after it.
    """
    sql = dialect()
    with connection().cursor() as cursor:
        cursor.execute(
            "UPDATE aion_activitytask SET paused = EXISTS (SELECT 1 FROM aion_run r "
            "WHERE r.id = run_id AND r.status = 'paused') "
            f"WHERE {sql.among('id', 'uuid')} AND {UNBEGUN} AND paused_at IS NULL",
            [sql.many(task_ids)],
        )
