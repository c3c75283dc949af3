"""The mailbox: messages in, and the ways in which they leave."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Iterable
from typing import Any, Final

from aion.core.events import Event
from aion.core.history import encode_event
from aion.core.priority import DEFAULT
from aion.store import sessions
from aion.store.dialects import connection, dialect
from aion.store.rows import EXECUTION_DEADLINE, RUN_DEADLINE
from aion.store.sealing import Sealed, is_to_be_sealed, stored_bodies

START: Final = "start"
"""The message kind that says: fold the recorded first event."""
WAKE: Final = "wake"
"""The message kind that says: look at this run again."""

COLUMNS = {
    "run_id": "uuid",
    "kind": "text",
    "body": "text",
    "created_at": "timestamptz",
    "parked": "boolean",
}

Posted = tuple[uuid.UUID, str, str]


def message(run_id: uuid.UUID, event: Event) -> Posted:
    """Make a message of an event that wants to be folded."""
    return run_id, type(event).__name__, encode_event(event).decode()


def notice(run_id: uuid.UUID, event: Event) -> Posted:
    """Make a message that holds ids and the engine's own words: it is written as it is."""
    return run_id, type(event).__name__, Sealed(encode_event(event).decode())


def post(messages: Iterable[Posted], *, now: dt.datetime, cursor: Any = None) -> None:
    """Put messages into mailboxes, in one statement. The caller rings the bell after commit.

    Raises:
        PayloadUnavailable: a codec or the storage failed; nothing is written.
    """
    rows = [(run_id, kind, body, now, False) for run_id, kind, body in stored_bodies(messages)]
    if not rows:
        return
    if cursor is not None:
        dialect().insert_and(cursor, "aion_message", COLUMNS, rows, "priority", _PRIORITY)
        return
    with connection().cursor() as own:
        dialect().insert_and(own, "aion_message", COLUMNS, rows, "priority", _PRIORITY)


def try_send(
    event: Event, *, workflow_id: str | None, run_id: uuid.UUID | None, now: dt.datetime
) -> uuid.UUID | None:
    """Post an event to an open run in one statement that holds the run's lock; gives the run's id.

    None where there is no open run of these ids, or where the body is sealed, which depends on the run;
    then nothing is written.
    """
    sql = dialect()
    kind, body = type(event).__name__, encode_event(event).decode()
    if is_to_be_sealed(kind, body):
        return None
    chosen = [
        (condition, value)
        for condition, value in (
            ("r.id = %s", None if run_id is None else sql.uuid(run_id)),
            ("r.workflow_id = %s", workflow_id or None),
        )
        if value is not None
    ]
    where = " AND ".join(condition for condition, _ in chosen)
    rows = sessions.at_once(
        "INSERT INTO aion_message (run_id, kind, body, created_at, parked, priority) "
        f"SELECT t.id, %s, %s, %s, {sql.false}, t.priority FROM (SELECT r.id, r.priority "
        f"FROM aion_run r WHERE {where} AND r.closed_at IS NULL {sql.lock_wait}) AS t "
        "RETURNING run_id",
        [
            kind,
            body,
            sql.time(now),
            *(value for _, value in chosen),
        ],
    )
    return sql.read_uuid(rows[0][0]) if rows else None


def priority_of(run_id: str) -> str:
    """Give the expression of a message's priority: that of its run, whoever sends it."""
    return f"COALESCE((SELECT r.priority FROM aion_run r WHERE r.id = {run_id}), {DEFAULT})"


_PRIORITY: Final = priority_of("v.run_id")


def waiting(run_id: uuid.UUID) -> list[tuple[str, str]]:
    """Read the kind and the sealed body of each message of a run, the oldest first."""
    with connection().cursor() as cursor:
        cursor.execute(
            "SELECT kind, body FROM aion_message WHERE run_id = %s ORDER BY id",
            [dialect().uuid(run_id)],
        )
        found: list[tuple[str, str]] = cursor.fetchall()
    return found


def drop_outcomes_of_activities(run_id: uuid.UUID) -> None:
    """Take out what activities of a closed run have left: where it goes on, they are asked for again."""
    with connection().cursor() as cursor:
        cursor.execute(
            "DELETE FROM aion_message WHERE run_id = %s AND kind LIKE 'Activity%%'",
            [dialect().uuid(run_id)],
        )


def park_mail(run_ids: Collection[uuid.UUID], *, cursor: Any) -> None:
    """Take the messages of runs out of the queue until a timer brings the runs back."""
    if run_ids:
        sql = dialect()
        cursor.execute(
            f"UPDATE aion_message SET parked = %s WHERE {sql.among('run_id', 'uuid')}",
            [True, sql.many(run_ids)],
        )


def set_parked(run_ids: Collection[uuid.UUID], *, parked: bool, cursor: Any) -> None:
    """Take the messages and timers of runs out of the queue, or put them back.

    Deadlines stay: they pass for paused and held runs too.
    """
    if not run_ids:
        return
    sql = dialect()
    ids = sql.many(run_ids)
    for table, only in (
        ("aion_message", ""),
        ("aion_timer", f" AND timer_id NOT IN ('{RUN_DEADLINE}', '{EXECUTION_DEADLINE}')"),
    ):
        cursor.execute(
            f"UPDATE {table} SET parked = %s WHERE {sql.among('run_id', 'uuid')} "
            f"AND parked <> %s{only}",
            [parked, ids, parked],
        )
