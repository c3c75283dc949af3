"""Handing activities over again: which rows wait for a worker that may never hear of them.

A row does not say whether its message still waits in the broker or was lost. Sending it again is always
safe and never free: a backlog of 100,000 activities, each sent again every ten seconds, would drown the
workers in messages that find nothing to do. So a row that was published and is still unclaimed is
*doubtful*: whoever sends it may look into the broker first. Each time that its age has doubled it is sent
without asking, so that nothing is lost to a wrong look.
"""

from __future__ import annotations

import datetime as dt
import math
import uuid
from collections.abc import Iterable
from typing import Any

import msgspec

from aion.store.attempts import ANY_PRIORITY, UNBEGUN
from aion.store.dialects import atomic, connection, dialect


class Unclaimed(msgspec.Struct, frozen=True):
    """A due attempt that nobody has claimed, now marked as published."""

    id: uuid.UUID
    attempt: int
    task_queue: str
    activity_type: str
    doubtful: bool
    priority: int


def take_unclaimed(*, now: dt.datetime, stale_after: dt.timedelta, limit: int) -> list[Unclaimed]:
    """Mark attempts as published now: those never published, and those published `stale_after` ago."""
    old = "published_at IS NULL OR published_at < %s"
    return _take(old, [now - stale_after], now=now, stale_after=stale_after, limit=limit)


def take_all_due(*, now: dt.datetime, stale_after: dt.timedelta, limit: int) -> list[Unclaimed]:
    """Do the same with every due attempt, unless it was published a second time just now."""
    old = "published_at IS NULL OR published_at <= next_attempt_at OR published_at < %s"
    # A moment later than due, so that the row shows that it was published again.
    now += dt.timedelta(microseconds=1)
    taken = _take(old, [now - stale_after], now=now, stale_after=stale_after, limit=limit)
    return [msgspec.structs.replace(each, doubtful=False) for each in taken]


def _take(
    old: str, parameters: list[Any], *, now: dt.datetime, stale_after: dt.timedelta, limit: int
) -> list[Unclaimed]:
    sql = dialect()
    with atomic(), connection().cursor() as cursor:
        cursor.execute(
            "SELECT id, attempt, task_queue, activity_type, next_attempt_at, published_at, priority "
            "FROM aion_activitytask WHERE state = 'scheduled' AND NOT paused "
            f"AND {ANY_PRIORITY} AND next_attempt_at <= %s AND ({old}) "
            f"ORDER BY priority, next_attempt_at LIMIT %s {sql.lock_free_rows}",
            [sql.time(now), *(sql.time(value) for value in parameters), limit],
        )
        rows = cursor.fetchall()
        if rows:
            cursor.execute(
                f"UPDATE aion_activitytask SET published_at = %s WHERE {sql.among('id', 'uuid')}",
                [sql.time(now), sql.many([sql.read_uuid(row[0]) for row in rows])],
            )
    return [_unclaimed(row, now, stale_after) for row in rows]


def _unclaimed(row: tuple[Any, ...], now: dt.datetime, stale_after: dt.timedelta) -> Unclaimed:
    sql = dialect()
    doubtful = False
    if row[5] is not None:
        due_at = sql.read_time(row[4])
        before, age = sql.read_time(row[5]) - due_at, now - due_at
        doubtful = _doublings(before / stale_after) == _doublings(age / stale_after)
    return Unclaimed(sql.read_uuid(row[0]), row[1], row[2], row[3], doubtful, row[6])


def _doublings(times: float) -> int:
    """Count how often an age has doubled, in units of the first wait."""
    return math.floor(math.log2(times)) if times >= 1 else -1


def unpublish(task_id: uuid.UUID, attempt: int) -> None:
    """Say that nobody carries an attempt any more, so that the next sweep hands it over again."""
    with connection().cursor() as cursor:
        cursor.execute(
            "UPDATE aion_activitytask SET published_at = NULL "
            f"WHERE id = %s AND attempt = %s AND {UNBEGUN}",
            [dialect().uuid(task_id), attempt],
        )


def doubt_all(*, now: dt.datetime, stale_after: dt.timedelta) -> None:
    """Have every unclaimed activity looked at by the next sweep: its message may be lost.

    What somebody holds is passed by: to wait with other rows in hand could end in a deadlock.
    """
    sql = dialect()
    stale = now - stale_after - dt.timedelta(microseconds=1)
    with connection().cursor() as cursor:
        cursor.execute(
            "UPDATE aion_activitytask SET published_at = %s WHERE id IN (SELECT id FROM "
            "aion_activitytask WHERE state = 'scheduled' AND published_at > %s "
            f"{sql.lock_free_rows})",
            [sql.time(stale), sql.time(stale)],
        )


def published_counts() -> Iterable[tuple[str, str, int]]:
    """Count the attempts that are published and unclaimed: (queue, activity type, number)."""
    with connection().cursor() as cursor:
        cursor.execute(
            "SELECT task_queue, activity_type, count(*) FROM aion_activitytask "
            "WHERE state = 'scheduled' AND NOT paused AND published_at IS NOT NULL "
            "GROUP BY task_queue, activity_type"
        )
        return [(queue, activity_type, count) for queue, activity_type, count in cursor.fetchall()]
