"""Schedules and their histories. Not a hot path: a schedule is locked, brought on and saved as one row.

Whoever changes a schedule holds its row lock. The tick passes by schedules that somebody else holds.
The rows of schedules and firings go through the ORM both ways: on SQLite it writes times in a form of its
own, and one column must not hold two.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from django.db import IntegrityError
from django.db.models import Exists, OuterRef, Q

from aion.core.events.schedules import ScheduleEvent
from aion.core.schedule_history import ScheduleRecorded, decode_schedule_event
from aion.models import Run, Schedule
from aion.models import ScheduleEvent as EventRow
from aion.store.dialects import alias, atomic, connection, dialect

_EVENT_COLUMNS: Final = {
    "schedule_id": "uuid",
    "seq": "integer",
    "kind": "text",
    "recorded_at": "timestamptz",
    "attributes": "text",
    "request_id": "text",
}


def try_insert(schedule: Schedule) -> bool:
    """Create a schedule unless its id is taken; False then, and nothing is written."""
    try:
        with atomic():
            schedule.save(using=alias(), force_insert=True)
    except IntegrityError:
        return False
    return True


def find(schedule_id: str) -> Schedule | None:
    """Read the schedule of a business id; None when there is none."""
    return _one(_living().filter(schedule_id=schedule_id))


def lock(key: uuid.UUID) -> Schedule | None:
    """Lock a schedule, waiting for whoever holds it; None when it is gone."""
    return _one(_living().select_for_update(no_key=True).filter(id=key))


def claim(key: uuid.UUID) -> Schedule | None:
    """Lock a schedule, unless somebody else holds it or it is gone."""
    return _one(_living().select_for_update(no_key=True, skip_locked=True).filter(id=key))


def _one(rows: Any) -> Schedule | None:
    found: Schedule | None = rows.first()
    return found


def _living() -> Any:
    return Schedule.objects.using(alias()).filter(deleted_at__isnull=True)


_STATE: Final = (
    *("paused", "note", "remaining_actions", "decided_until", "next_at", "due_at", "problem"),
    *("problem_count", "started_count", "skipped_count", "missed_count", "failed_count"),
    *("head_seq", "updated_at"),
)


def save(schedule: Schedule, also: Iterable[str] = ()) -> None:
    """Write the state of a schedule, and further fields. For holders of its lock."""
    schedule.save(using=alias(), update_fields=[*_STATE, *also])


def append(
    schedule: Schedule, events: Sequence[ScheduleEvent], *, at: dt.datetime, request_id: str = ""
) -> None:
    """Put events behind the schedule's history; the request id belongs to the first. Saves nothing else."""
    rows = [
        (
            schedule.id,
            schedule.head_seq + number,
            type(event).__name__,
            at,
            msgspec.json.encode(event).decode(),
            request_id if number == 1 else "",
        )
        for number, event in enumerate(events, 1)
    ]
    if rows:
        with connection().cursor() as cursor:
            dialect().insert(cursor, "aion_scheduleevent", _EVENT_COLUMNS, rows)
        schedule.head_seq += len(rows)


def has_request(key: uuid.UUID, request_id: str) -> bool:
    """Tell whether the schedule has taken a request."""
    found = EventRow.objects.using(alias()).filter(schedule_id=key, request_id=request_id)
    return bool(request_id) and found.exists()


def load(key: uuid.UUID, *, from_seq: int = 1, limit: int | None = None) -> list[ScheduleRecorded]:
    """Load the history of a schedule from a seq on, at most `limit` events, their payloads as stored."""
    rows = EventRow.objects.using(alias()).filter(schedule_id=key, seq__gte=from_seq)
    return [
        ScheduleRecorded(
            row.seq,
            row.recorded_at.astimezone(dt.UTC),
            decode_schedule_event(row.kind, row.attributes),
        )
        for row in rows.order_by("seq")[:limit]
    ]


def living(*, after: uuid.UUID | None, limit: int) -> list[Schedule]:
    """List schedules that are not deleted in the order of their keys, behind one."""
    rows = _living() if after is None else _living().filter(id__gt=after)
    return list(rows.order_by("id")[:limit])


def due(*, now: dt.datetime, limit: int) -> list[uuid.UUID]:
    """Give the schedules that are to be looked at, the longest overdue first."""
    rows = _living().filter(due_at__lte=now).order_by("due_at")
    return list(rows.values_list("id", flat=True)[:limit])


def with_ended_runs(*, now: dt.datetime, limit: int) -> list[uuid.UUID]:
    """Give the schedules of which a run has ended that is still counted as running."""
    with connection().cursor() as cursor:
        # A look-up by key for each running firing, and nothing else while none has ended.
        cursor.execute(
            "SELECT DISTINCT f.schedule_id FROM aion_firing f "
            "LEFT JOIN aion_run r ON r.id = f.current_run_id "
            "WHERE f.state = 'running' AND (r.id IS NULL OR r.closed_at IS NOT NULL) LIMIT %s",
            [limit],
        )
        keys = [dialect().read_uuid(row[0]) for row in cursor.fetchall()]
    if not keys:
        return []
    in_order = Q(problem_count=0) | Q(due_at__lte=now)
    return list(_living().filter(in_order, id__in=keys).values_list("id", flat=True))


def ended() -> Q:
    """Say that the run of a firing is no longer open: closed, or deleted."""
    still_open = Run.objects.filter(id=OuterRef("current_run_id"), closed_at__isnull=True)
    return Q(~Exists(still_open))


def page(
    *, after: str, limit: int, paused: bool | None = None, workflow_type: str = ""
) -> list[Schedule]:
    """Read schedules by id, those behind `after`."""
    rows = _living().filter(schedule_id__gt=after)
    if paused is not None:
        rows = rows.filter(paused=paused)
    if workflow_type:
        rows = rows.filter(workflow_type=workflow_type)
    return list(rows.order_by("schedule_id")[:limit])
