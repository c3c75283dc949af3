"""Changes of a run from outside of its turns: paused, resumed, opened again. For holders of its lock."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Iterable

from aion.core.errors import WrongState
from aion.core.events import ActivityScheduled
from aion.core.history import encode_event
from aion.core.ids import uuid7
from aion.core.pending import PendingWork
from aion.core.shown import Shown
from aion.core.status import RunStatus
from aion.store import activity_rows, mailbox, runs, shown, timer_rows
from aion.store.attempts import UNBEGUN
from aion.store.dialects import connection, dialect
from aion.store.rows import START_TIMER, ActivityOrder, RunRow, TimerOrder


def pause(run_id: uuid.UUID) -> None:
    """Take a run, what waits for it and its waiting activities out of the queues."""
    _set_paused(run_id, RunStatus.PAUSED, paused=True)


def resume(run_id: uuid.UUID, *, now: dt.datetime) -> None:
    """Put a run and what waited for it back into the queues. A start that is still to come is awaited."""
    _set_paused(run_id, RunStatus.RUNNING, paused=False)
    if start_due(run_id) is None:
        mailbox.post([(run_id, mailbox.WAKE, "{}")], now=now)


def start_due(run_id: uuid.UUID) -> dt.datetime | None:
    """Give when a run whose start is delayed will begin; None where it has begun."""
    with connection().cursor() as cursor:
        cursor.execute(
            "SELECT fire_at FROM aion_timer WHERE run_id = %s AND timer_id = %s",
            [dialect().uuid(run_id), START_TIMER],
        )
        row = cursor.fetchone()
    return None if row is None else dialect().read_time(row[0])


def _set_paused(run_id: uuid.UUID, status: RunStatus, *, paused: bool) -> None:
    key = dialect().uuid(run_id)
    with connection().cursor() as cursor:
        cursor.execute(
            "UPDATE aion_run SET status = %s, owner_id = NULL WHERE id = %s", [str(status), key]
        )
        mailbox.set_parked([run_id], parked=paused, cursor=cursor)
        # An attempt that ends at this moment looks at the run, and writes its row by what it saw. Who has
        # locked the row first is seen by the other: the update sees only what was there when it began.
        cursor.execute(
            f"SELECT id FROM aion_activitytask WHERE run_id = %s ORDER BY id {dialect().lock_rows}",
            [key],
        )
        cursor.fetchall()
        cursor.execute(
            # What was paused by hand stays so. A message that came meanwhile found nothing to begin.
            "UPDATE aion_activitytask SET paused = (%s OR paused_at IS NOT NULL), "
            f"published_at = NULL WHERE run_id = %s AND {UNBEGUN}",
            [paused, key],
        )


def open_again(run_id: uuid.UUID) -> None:
    """Mark a closed run as running."""
    with connection().cursor() as cursor:
        cursor.execute(
            "UPDATE aion_run SET status = %s, closed_at = NULL, result = NULL, failure = NULL "
            "WHERE id = %s",
            [str(RunStatus.RUNNING), dialect().uuid(run_id)],
        )


def arm(run_id: uuid.UUID, work: PendingWork, *, like: RunRow, now: dt.datetime) -> None:
    """Write the rows of activities and timers that a history waits for, with queue and priority of a run."""
    timers = [
        TimerOrder(run_id, event.timer_id, event.fire_at, like.priority)
        for event in work.timers.values()
    ]
    with connection().cursor() as cursor:
        activity_rows.insert(cursor, _orders(run_id, work.activities.values(), like), now)
        timer_rows.insert(cursor, timers)


def _orders(
    run_id: uuid.UUID, activities: Iterable[ActivityScheduled], like: RunRow
) -> list[ActivityOrder]:
    return [
        ActivityOrder(
            id=uuid7(),
            run_id=run_id,
            activity_id=event.activity_id,
            activity_type=event.activity_type,
            task_queue=event.task_queue or like.task_queue,
            order=encode_event(event).decode(),
            priority=event.priority or like.priority,
        )
        for event in activities
    ]


def show(run_id: uuid.UUID, what: Shown) -> None:
    """Write the data shown with a run."""
    with connection().cursor() as cursor:
        shown.write(cursor, [shown.ShownWrite(run_id, what)])


def adopt(children: Collection[uuid.UUID], parent_run_id: uuid.UUID) -> None:
    """Let open children report to another run than the one that started them."""
    sql = dialect()
    if children:
        with connection().cursor() as cursor:
            cursor.execute(
                "UPDATE aion_run SET parent_run_id = %s "
                f"WHERE {sql.among('id', 'uuid')} AND closed_at IS NULL",
                [sql.uuid(parent_run_id), sql.many(children)],
            )


def copy_as(
    source: uuid.UUID, target: uuid.UUID, *, head_seq: int, first_seq: int, now: dt.datetime
) -> None:
    """Make the row of a run that goes on from a copy of another's history. Its events come separately."""
    sql = dialect()
    cast = "::timestamptz" if sql.name == "postgresql" else ""
    kept = (
        "workflow_id, workflow_type, definition_hash, behaviour_version, task_queue, request_id, "
        "parent_run_id, parent_close_policy, root_run_id, search_attributes, memo, priority, limited"
    )
    with connection().cursor() as cursor:
        cursor.execute(
            f"INSERT INTO aion_run (id, status, head_seq, first_seq, history_bytes, started_at, "
            f"continued_from_run_id, chain_position, problem_count, {kept}) "
            f"SELECT %s, 'running', %s, %s, 0, %s{cast}, id, chain_position + 1, 0, {kept} "
            "FROM aion_run WHERE id = %s",
            [sql.uuid(target), head_seq, first_seq, sql.time(now), sql.uuid(source)],
        )


def require_last_of_chain(run_id: uuid.UUID, what: str) -> None:
    """Make sure that no run has followed this one, which would then have two successors.

    Raises:
        WrongState: one has; the error names the last run of the chain.
    """
    last = runs.last_of_chain(run_id)
    if last is not None and last.id != run_id:
        raise WrongState(
            f"Run {run_id} was followed by others and cannot be {what}; the last run of its chain is "
            f"{last.id} ({last.status})",
            run_id=run_id,
            last_run_id=last.id,
        )


def require_no_open_run(workflow_id: str) -> None:
    """Make sure that a workflow id is free.

    Raises:
        WrongState: it has an open run.
    """
    with connection().cursor() as cursor:
        cursor.execute(
            "SELECT id FROM aion_run WHERE workflow_id = %s AND closed_at IS NULL", [workflow_id]
        )
        row = cursor.fetchone()
    if row is not None:
        open_run = dialect().read_uuid(row[0])
        raise WrongState(f"Workflow id {workflow_id!r} has another open run", run_id=open_run)
