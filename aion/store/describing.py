"""What lists and descriptions show beside a run's row: timers, children, updates, workers."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection
from typing import Any, Final

import msgspec

from aion.core.events import TimerStarted, WorkflowPaused
from aion.core.history import decode_event
from aion.store.dialects import connection, dialect
from aion.store.sealing import with_texts


class TimerInfo(msgspec.Struct, frozen=True):
    """A timer that has not fired. Ids that begin with `$` are the engine's own."""

    id: int
    run_id: uuid.UUID
    workflow_id: str
    timer_id: str
    fire_at: dt.datetime
    parked: bool


_TIMERS: Final = (
    "SELECT t.id, t.run_id, r.workflow_id, t.timer_id, t.fire_at, t.parked "
    "FROM aion_timer t JOIN aion_run r ON r.id = t.run_id"
)


def timers(where: str, parameters: list[Any], *, limit: int) -> list[TimerInfo]:
    """Read the timers that meet a condition on `t` and `r`, the next first."""
    sql = dialect()
    with connection().cursor() as cursor:
        cursor.execute(
            f"{_TIMERS} WHERE {where} ORDER BY t.fire_at, t.id LIMIT %s", [*parameters, limit]
        )
        return [
            TimerInfo(
                row[0],
                sql.read_uuid(row[1]),
                row[2],
                row[3],
                sql.read_time(row[4]),
                bool(row[5]),
            )
            for row in cursor.fetchall()
        ]


def timers_behind(fire_at: dt.datetime, timer: int, *, limit: int) -> list[TimerInfo]:
    """Read the timers that come after one."""
    at = dialect().time(fire_at)
    where = "(t.fire_at > %s OR (t.fire_at = %s AND t.id > %s))"
    return timers(where, [at, at, timer], limit=limit)


def timer_summaries(run_id: uuid.UUID, timer_ids: Collection[str]) -> dict[str, str]:
    """Read what the code said of its timers, by their ids; what it said nothing of is left out."""
    with connection().cursor() as cursor:
        cursor.execute(
            "SELECT attributes FROM aion_event WHERE run_id = %s AND kind = 'TimerStarted'",
            [dialect().uuid(run_id)],
        )
        started = (decode_event("TimerStarted", text) for (text,) in cursor.fetchall())
        wanted = [
            with_texts(event, run_id)
            for event in started
            if isinstance(event, TimerStarted) and event.timer_id in timer_ids
        ]
    return {event.timer_id: event.summary for event in wanted if event.summary}


class ChildInfo(msgspec.Struct, frozen=True):
    """An open child."""

    run_id: uuid.UUID
    workflow_id: str
    workflow_type: str
    status: str
    started_at: dt.datetime


def open_children(run_id: uuid.UUID, *, limit: int) -> list[ChildInfo]:
    """Read the open children of a run, the oldest first."""
    sql = dialect()
    with connection().cursor() as cursor:
        cursor.execute(
            "SELECT id, workflow_id, workflow_type, status, started_at FROM aion_run "
            "WHERE parent_run_id = %s AND closed_at IS NULL ORDER BY id LIMIT %s",
            [sql.uuid(run_id), limit],
        )
        return [
            ChildInfo(sql.read_uuid(row[0]), row[1], row[2], row[3], sql.read_time(row[4]))
            for row in cursor.fetchall()
        ]


class UpdateInfo(msgspec.Struct, frozen=True):
    """An update without its answer."""

    update_id: str
    name: str
    state: str
    created_at: dt.datetime


def open_updates(run_id: uuid.UUID, *, limit: int) -> list[UpdateInfo]:
    """Read the updates of a run that wait for their answer, the oldest first."""
    sql = dialect()
    with connection().cursor() as cursor:
        cursor.execute(
            "SELECT update_id, name, state, created_at FROM aion_update "
            "WHERE run_id = %s AND state IN ('admitted', 'accepted') "
            "ORDER BY created_at, update_id LIMIT %s",
            [sql.uuid(run_id), limit],
        )
        return [
            UpdateInfo(row[0], row[1], row[2], sql.read_time(row[3])) for row in cursor.fetchall()
        ]


class WorkerRow(msgspec.Struct, frozen=True):
    """A worker as it has described itself."""

    id: uuid.UUID
    name: str
    host: str
    pid: int
    queues: tuple[str, ...]
    version: str
    started_at: dt.datetime
    last_seen_at: dt.datetime


def workers() -> list[WorkerRow]:
    """Read all workers that are known, the oldest first."""
    sql = dialect()
    with connection().cursor() as cursor:
        cursor.execute(
            "SELECT id, name, host, pid, queues, version, started_at, last_seen_at "
            "FROM aion_worker ORDER BY id"
        )
        return [
            WorkerRow(
                sql.read_uuid(row[0]),
                row[1],
                row[2],
                row[3],
                tuple(msgspec.json.decode(row[4]) if isinstance(row[4], str) else row[4]),
                row[5],
                sql.read_time(row[6]),
                sql.read_time(row[7]),
            )
            for row in cursor.fetchall()
        ]


class Surroundings(msgspec.Struct, frozen=True):
    """What stands around an open run's row: how much waits, and who is related to it."""

    messages: int
    activities: int
    timers: int
    children: int
    updates: int
    parent_workflow_id: str | None
    root_run_id: uuid.UUID | None
    chain_position: int
    successor_run_id: uuid.UUID | None
    pause: WorkflowPaused | None
    paused_at: dt.datetime | None


def surroundings(run_id: uuid.UUID) -> Surroundings | None:
    """Read it in one statement; None when there is no such run."""
    sql = dialect()
    paused = (
        "(SELECT e.{} FROM aion_event e WHERE e.run_id = r.id AND e.kind = 'WorkflowPaused' "
        "AND r.status = 'paused' ORDER BY e.seq DESC LIMIT 1)"
    )
    with connection().cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT count(*) FROM aion_message m WHERE m.run_id = r.id), "
            "(SELECT count(*) FROM aion_activitytask a WHERE a.run_id = r.id), "
            "(SELECT count(*) FROM aion_timer t WHERE t.run_id = r.id), "
            "(SELECT count(*) FROM aion_run c WHERE c.parent_run_id = r.id AND c.closed_at IS NULL), "
            "(SELECT count(*) FROM aion_update u WHERE u.run_id = r.id "
            "AND u.state IN ('admitted', 'accepted')), "
            "(SELECT p.workflow_id FROM aion_run p WHERE p.id = r.parent_run_id), "
            "r.root_run_id, r.chain_position, "
            "(SELECT s.id FROM aion_run s WHERE s.workflow_id = r.workflow_id "
            "AND s.continued_from_run_id = r.id ORDER BY s.started_at DESC, s.id DESC LIMIT 1), "
            f"{paused.format('attributes')}, {paused.format('recorded_at')} "
            "FROM aion_run r WHERE r.id = %s",
            [sql.uuid(run_id)],
        )
        row = cursor.fetchone()
    if row is None:
        return None
    pause = decode_event("WorkflowPaused", row[9]) if row[9] is not None else None
    return Surroundings(
        messages=row[0],
        activities=row[1],
        timers=row[2],
        children=row[3],
        updates=row[4],
        parent_workflow_id=row[5],
        root_run_id=None if row[6] is None else sql.read_uuid(row[6]),
        chain_position=row[7],
        successor_run_id=None if row[8] is None else sql.read_uuid(row[8]),
        pause=pause if isinstance(pause, WorkflowPaused) else None,
        paused_at=None if row[10] is None else sql.read_time(row[10]),
    )
