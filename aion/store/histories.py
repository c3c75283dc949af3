"""Histories: append and load."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Iterable
from operator import itemgetter
from typing import Any

from aion.core.errors import SequenceConflict
from aion.core.events import Event, WorkflowStarted
from aion.core.history import Recorded, decode_event, encode_event
from aion.core.sealing import MARK
from aion.store import dialects
from aion.store.dialects import atomic, connection, dialect
from aion.store.rows import NewEvents
from aion.store.sealing import context_of, sealer, stored_body

COLUMNS = {
    "run_id": "uuid",
    "seq": "integer",
    "kind": "text",
    "recorded_at": "timestamptz",
    "attributes": "text",
}


def event_rows(gained: Iterable[NewEvents]) -> tuple[list[tuple[Any, ...]], dict[uuid.UUID, int]]:
    """Encode events once: the rows to insert, and the bytes that each run gained.

    Bytes count as users gave them, before any codec: code may ask for them, and a rotation must not
    change what it is told.
    """
    rows: list[tuple[Any, ...]] = []
    sizes: dict[uuid.UUID, int] = {}
    by = sealer()
    for new in gained:
        size = 0
        for recorded in new.events:
            data = encode_event(recorded.event)
            text = data.decode()
            size += len(data)
            if (by.is_on or MARK in text) and not new.sealed:
                text = stored_body(recorded.kind, text, new.run_id, by)
            rows.append((new.run_id, recorded.seq, recorded.kind, recorded.recorded_at, text))
        sizes[new.run_id] = size if new.size is None else new.size
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
        "SELECT t.run_id, t.seq, t.kind, t.recorded_at, t.attributes "
        f"FROM {dialect().joined('aion_event', 'run_id', 'uuid')}"
    )
    read_uuid = dialect().read_uuid
    with dialects.cursor() as cursor:
        cursor.execute(sql, [dialect().many(ids)])
        for run_id, *row in cursor.fetchall():
            rows[read_uuid(run_id)].append(tuple(row))
    for history in rows.values():
        history.sort(key=_seq)  # they come in order, as the index has them; this makes sure
    return rows


_seq = itemgetter(0)


def decode_rows(rows: Iterable[EventRow], run_id: uuid.UUID) -> list[Recorded]:
    """Read stored events of a run.

    Raises:
        HistoryError: a kind is unknown, or attributes are broken; the message names the event.
        PayloadUnavailable: a payload cannot be brought back.
    """
    read_time = dialect().read_time
    return [
        Recorded(seq, read_time(recorded_at), decode_event(kind, attributes), _size(attributes))
        if MARK not in attributes
        else Recorded(seq, read_time(recorded_at), _opened(kind, attributes, run_id))
        for seq, kind, recorded_at, attributes in rows
    ]


def _opened(kind: str, attributes: str, run_id: uuid.UUID) -> Event:
    """Bring an event's payloads back. It counts as long as it would be without codecs, however it lies."""
    return sealer().unseal_fields(decode_event(kind, attributes), context_of(run_id))


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def load(run_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, list[Recorded]]:
    """Load whole histories, in one statement, each in ascending seq; none for unknown runs.

    Raises:
        HistoryError: an event cannot be read.
        PayloadUnavailable: a payload cannot be brought back.
    """
    return {run_id: decode_rows(rows, run_id) for run_id, rows in load_rows(run_ids).items()}


def first_event(run_id: uuid.UUID) -> WorkflowStarted | None:
    """Read how a run began, its payloads as stored; None for an unknown run."""
    found = beginning(run_id)
    return found[0] if found is not None else None


def beginning(run_id: uuid.UUID) -> tuple[WorkflowStarted, dt.datetime] | None:
    """Read how and when a run began, its payloads as stored: no key is needed. None for an unknown run."""
    with connection().cursor() as cursor:
        cursor.execute(
            "SELECT kind, attributes, recorded_at FROM aion_event "
            "WHERE run_id = %s ORDER BY seq LIMIT 1",
            [dialect().uuid(run_id)],
        )
        row = cursor.fetchone()
    event = decode_event(row[0], row[1]) if row else None
    if not isinstance(event, WorkflowStarted):
        return None
    return event, dialect().read_time(row[2])


def time_behind(run_id: uuid.UUID, now: dt.datetime) -> dt.datetime:
    """Give when to record a run's next event: now, or the time of its last one if that is later.

    Clocks of machines differ, and a history does not go back. For holders of the run's lock.
    """
    with connection().cursor() as cursor:
        cursor.execute(
            "SELECT recorded_at FROM aion_event WHERE run_id = %s ORDER BY seq DESC LIMIT 1",
            [dialect().uuid(run_id)],
        )
        row = cursor.fetchone()
    return now if row is None else max(now, dialect().read_time(row[0]))


def load_one(run_id: uuid.UUID, *, from_seq: int = 1, limit: int | None = None) -> list[Recorded]:
    """Load the history of one run from a seq on, at most `limit` events; empty for an unknown run.

    Raises:
        HistoryError: an event cannot be read.
        PayloadUnavailable: a payload cannot be brought back.
    """
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
        rows = cursor.fetchall()
    return decode_rows(rows, run_id)
