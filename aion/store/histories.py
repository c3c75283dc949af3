"""Histories: append and load."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from aion.core.errors import SequenceConflict
from aion.core.events import WorkflowStarted
from aion.core.history import Recorded, decode_event, encode_event
from aion.store.dialects import atomic, connection, dialect
from aion.store.rows import NewEvents

COLUMNS = {
    "run_id": "uuid",
    "seq": "integer",
    "kind": "text",
    "recorded_at": "timestamptz",
    "attributes": "text",
}


def event_rows(gained: Iterable[NewEvents]) -> tuple[list[tuple[Any, ...]], dict[uuid.UUID, int]]:
    """Encode events once: the rows to insert, and the bytes that each run gained."""
    rows: list[tuple[Any, ...]] = []
    sizes: dict[uuid.UUID, int] = {}
    for new in gained:
        size = 0
        for recorded in new.events:
            data = encode_event(recorded.event)
            size += len(data)
            rows.append(
                (new.run_id, recorded.seq, recorded.kind, recorded.recorded_at, data.decode())
            )
        sizes[new.run_id] = size
    return rows, sizes


def insert_events(cursor: Any, rows: list[tuple[Any, ...]]) -> None:
    """Insert encoded events, in one statement."""
    if rows:
        dialect().insert(cursor, "aion_event", COLUMNS, rows)


def append(run_id: uuid.UUID, events: list[Recorded], *, expected_seq: int) -> None:
    """Append events to one run outside of a turn, for operations that hold the run's lock.

    Effects: one transaction that locks the run.

    Raises:
        SequenceConflict: the head is not `expected_seq`, or the events do not follow it gaplessly.
            Nothing is appended.
    """
    if not events:
        return
    for offset, recorded in enumerate(events, 1):
        if recorded.seq != expected_seq + offset:
            raise _conflict(run_id, expected_seq + offset, recorded.seq)
    with atomic(), connection().cursor() as cursor:
        sql = f"SELECT r.head_seq FROM aion_run r WHERE r.id = %s {dialect().lock_wait}"
        cursor.execute(sql, [dialect().uuid(run_id)])
        found = cursor.fetchone()
        head = found[0] if found else 0
        if head != expected_seq:
            raise _conflict(run_id, expected_seq, head)
        rows, sizes = event_rows([NewEvents(run_id, expected_seq, events)])
        insert_events(cursor, rows)
        cursor.execute(
            "UPDATE aion_run SET head_seq = %s, history_bytes = history_bytes + %s WHERE id = %s",
            [events[-1].seq, sizes[run_id], dialect().uuid(run_id)],
        )


def _conflict(run_id: uuid.UUID, expected: int, found: int) -> SequenceConflict:
    return SequenceConflict(
        f"Run {run_id}: expected the history at seq {expected}, found it at {found}. "
        "Nothing was appended; load the run again.",
        expected=expected,
        found=found,
        run_id=run_id,
    )


EventRow = tuple[int, str, Any, str]
"""An event as stored: seq, kind, recorded_at, attributes."""


def load_rows(run_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, list[EventRow]]:
    """Load whole histories as stored, in one statement, each in ascending seq.

    They are not decoded yet, so that an event that cannot be read harms its own run only.
    """
    ids = list(run_ids)
    rows: dict[uuid.UUID, list[EventRow]] = defaultdict(list)
    if not ids:
        return rows
    sql = (
        "SELECT run_id, seq, kind, recorded_at, attributes FROM aion_event "
        f"WHERE {dialect().among('run_id', 'uuid')} ORDER BY run_id, seq"
    )
    read_uuid = dialect().read_uuid
    with connection().cursor() as cursor:
        cursor.execute(sql, [dialect().many(ids)])
        for run_id, *row in cursor.fetchall():
            rows[read_uuid(run_id)].append(tuple(row))
    return rows


def decode_rows(rows: Iterable[EventRow]) -> list[Recorded]:
    """Read stored events.

    Raises:
        HistoryError: a kind is unknown, or attributes are broken; the message names the event.
    """
    read_time = dialect().read_time
    return [
        Recorded(seq, read_time(recorded_at), decode_event(kind, attributes), _size(attributes))
        for seq, kind, recorded_at, attributes in rows
    ]


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def load(run_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, list[Recorded]]:
    """Load whole histories, in one statement, each in ascending seq; none for unknown runs.

    Raises:
        HistoryError: an event cannot be read.
    """
    return {run_id: decode_rows(rows) for run_id, rows in load_rows(run_ids).items()}


def first_event(run_id: uuid.UUID) -> WorkflowStarted | None:
    """Read how a run began; None for an unknown run."""
    first = load_one(run_id, limit=1)
    event = first[0].event if first else None
    return event if isinstance(event, WorkflowStarted) else None


def load_one(run_id: uuid.UUID, *, from_seq: int = 1, limit: int | None = None) -> list[Recorded]:
    """Load the history of one run from a seq on, at most `limit` events; empty for an unknown run."""
    sql = (
        "SELECT seq, kind, recorded_at, attributes FROM aion_event "
        "WHERE run_id = %s AND seq >= %s ORDER BY seq"
    )
    parameters: list[Any] = [dialect().uuid(run_id), from_seq]
    if limit is not None:
        sql += " LIMIT %s"
        parameters.append(limit)
    with connection().cursor() as cursor:
        cursor.execute(sql, parameters)
        return decode_rows(cursor.fetchall())
