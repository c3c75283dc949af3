"""Writes what a batch of turns decided: one transaction, a fixed number of statements.

Each list below is one statement, and an empty list is none. The order matters only where one statement
reads what another writes: cancelled activities are deleted before a `wait` for them is answered.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from typing import Any

import msgspec

from aion.core.errors import WorkflowAlreadyStarted
from aion.core.events import ActivityCancelled, ChildWorkflowFailed
from aion.core.failures import failure_from
from aion.store import (
    activity_rows,
    dialects,
    mailbox,
    new_runs,
    outgoing,
    requests,
    shown,
    timer_rows,
    updates,
)
from aion.store.attempts import UNBEGUN
from aion.store.dialects import dialect
from aion.store.histories import event_rows, insert_events
from aion.store.mailbox import Posted
from aion.store.new_runs import NewRun
from aion.store.outgoing import Outgoing
from aion.store.requests import Taken
from aion.store.rows import (
    ActivityOrder,
    Hold,
    NewEvents,
    RunUpdate,
    TimerOrder,
)
from aion.store.sealing import stored_failure, stored_payload, stored_problem
from aion.store.shown import ShownWrite
from aion.store.updates import Moved, UpdateAnswer

GOING_ON_COLUMNS = {
    "id": "uuid",
    "head_seq": "integer",
    "history_bytes": "bigint",
    "owner_id": "uuid",
}
"""What changes in the row of a run that goes on: most turns end so."""

RUN_COLUMNS = {
    **GOING_ON_COLUMNS,
    "status": "text",
    "closed_at": "timestamptz",
    "result": "text",
    "failure": "text",
    "problem": "text",
    "problem_count": "integer",
    "held_until": "timestamptz",
}

Identity = tuple[uuid.UUID, str]


@dataclasses.dataclass(slots=True)
class TurnWrites:
    """Everything that a batch of turns writes."""

    events: list[NewEvents] = dataclasses.field(default_factory=list)
    runs: list[RunUpdate] = dataclasses.field(default_factory=list)
    activities: list[ActivityOrder] = dataclasses.field(default_factory=list)
    timers: list[TimerOrder] = dataclasses.field(default_factory=list)
    timers_cancelled: list[Identity] = dataclasses.field(default_factory=list)
    activities_cancelled: list[Identity] = dataclasses.field(default_factory=list)
    messages_out: list[Posted] = dataclasses.field(default_factory=list)
    messages_done: list[int] = dataclasses.field(default_factory=list)
    timers_done: list[int] = dataclasses.field(default_factory=list)
    closed: list[uuid.UUID] = dataclasses.field(default_factory=list)
    holds: list[Hold] = dataclasses.field(default_factory=list)
    parked: list[uuid.UUID] = dataclasses.field(default_factory=list)
    mail_parked: list[uuid.UUID] = dataclasses.field(default_factory=list)
    unparked: list[uuid.UUID] = dataclasses.field(default_factory=list)
    new_runs: list[NewRun] = dataclasses.field(default_factory=list)
    outgoing: list[Outgoing] = dataclasses.field(default_factory=list)
    parents_closed: list[uuid.UUID] = dataclasses.field(default_factory=list)
    updates: list[UpdateAnswer] = dataclasses.field(default_factory=list)
    updates_moved: list[Moved] = dataclasses.field(default_factory=list)
    updates_abandoned: list[uuid.UUID] = dataclasses.field(default_factory=list)
    requests: list[Taken] = dataclasses.field(default_factory=list)
    attributes: list[ShownWrite] = dataclasses.field(default_factory=list)

    def add(self, other: TurnWrites) -> None:
        """Join what another part of the batch writes to this."""
        for field in dataclasses.fields(self):
            getattr(self, field.name).extend(getattr(other, field.name))


def write(writes: TurnWrites, *, now: dt.datetime) -> None:
    """Write a batch. Must run inside the transaction that holds the locks of its runs."""
    with dialects.cursor() as cursor:
        rows, sizes = event_rows(writes.events)
        insert_events(cursor, rows)
        _update_runs(cursor, writes.runs, sizes)
        refused = _insert_runs(cursor, writes.new_runs)
        activity_rows.insert(cursor, writes.activities, now)
        timer_rows.insert(cursor, writes.timers)
        _delete_by_id(cursor, "aion_message", writes.messages_done)
        _delete_by_id(cursor, "aion_timer", writes.timers_done)
        _cancel_timers(cursor, writes.timers_cancelled)
        unstarted = _cancel_activities(cursor, writes.activities_cancelled)
        _clear_closed(cursor, writes.closed)
        outgoing.close_children(cursor, writes.parents_closed, now=now)
        sent = outgoing.address(cursor, writes.outgoing)
        mailbox.post([*writes.messages_out, *unstarted, *refused, *sent], now=now, cursor=cursor)
        requests.remember(cursor, writes.requests)
        updates.answer(cursor, writes.updates)
        updates.move(cursor, writes.updates_moved)
        updates.abandon(cursor, writes.updates_abandoned)
        shown.write(cursor, writes.attributes)
        _hold(cursor, writes.holds)
        mailbox.set_parked(writes.unparked, parked=False, cursor=cursor)
        held = [hold.run_id for hold in writes.holds]
        mailbox.set_parked([*writes.parked, *held], parked=True, cursor=cursor)
        mailbox.park_mail(writes.mail_parked, cursor=cursor)


def _update_runs(cursor: Any, runs: list[RunUpdate], sizes: dict[uuid.UUID, int]) -> None:
    for run in runs:
        run.gained_bytes = sizes.get(run.id, 0)
        run.history_bytes += run.gained_bytes
    if not runs:
        return
    rows: list[tuple[Any, ...]] = [
        (run.id, run.head_seq, run.history_bytes, run.owner_id) for run in runs
    ]
    if not any(run.closed_at is not None or run.had_problem for run in runs):
        dialect().update(cursor, "aion_run", GOING_ON_COLUMNS, rows)
        return
    rows = [(*row, *_end_of(run)) for row, run in zip(rows, runs, strict=True)]
    dialect().update(cursor, "aion_run", RUN_COLUMNS, rows)


def _end_of(run: RunUpdate) -> tuple[Any, ...]:
    return (
        str(run.status),
        run.closed_at,
        None if run.result is None else stored_payload(run.result, run.id),
        None if run.failure is None else stored_failure(run.failure, run.id),
        None,
        0,
        None,
    )


def _insert_runs(cursor: Any, news: list[NewRun]) -> list[Posted]:
    """Create children and successors; give the messages for parents of children whose id was taken."""
    return [_refused(new) for new in new_runs.insert_many(news, cursor=cursor)]


def _refused(new: NewRun) -> Posted:
    started = new.started
    error = WorkflowAlreadyStarted(f"Workflow id {started.workflow_id!r} has an open run")
    event = ChildWorkflowFailed(
        workflow_id=started.workflow_id, run_id=str(new.id), failure=failure_from(error)
    )
    return mailbox.notice(uuid.UUID(started.parent_run_id), event)


def _delete_by_id(cursor: Any, table: str, ids: list[int]) -> None:
    if ids:
        sql = dialect()
        cursor.execute(f"DELETE FROM {table} WHERE {sql.among('id', 'bigint')}", [sql.many(ids)])


def _by_run(identities: list[Identity]) -> dict[uuid.UUID, list[str]]:
    grouped: dict[uuid.UUID, list[str]] = {}
    for run_id, name in identities:
        grouped.setdefault(run_id, []).append(name)
    return grouped


def _cancel_timers(cursor: Any, identities: list[Identity]) -> None:
    if identities:
        where, parameters = _identity_condition(_by_run(identities), "timer_id")
        cursor.execute(f"DELETE FROM aion_timer WHERE {where}", parameters)


def _identity_condition(by_run: dict[uuid.UUID, list[str]], name: str) -> tuple[str, list[Any]]:
    """Say "one of these (run, name) pairs" in one condition."""
    sql = dialect()
    if sql.name == "sqlite":
        pairs = [[run_id.hex, value] for run_id, names in by_run.items() for value in names]
        condition = f"(run_id, {name}) IN (SELECT value ->> 0, value ->> 1 FROM json_each(%s))"
        return condition, [msgspec.json.encode(pairs).decode()]
    run_ids = [run_id for run_id, names in by_run.items() for _ in names]
    values = [value for names in by_run.values() for value in names]
    return (
        f"(run_id, {name}) IN (SELECT * FROM unnest(%s::uuid[], %s::text[]))",
        [run_ids, values],
    )


def _cancel_activities(cursor: Any, identities: list[Identity]) -> list[Posted]:
    """Take back activities that nobody has begun, and tell the others.

    Gives the messages that confirm the cancellation of those taken back: code that waits for the
    outcome needs one, and code that does not wait ignores it.
    """
    if not identities:
        return []
    sql = dialect()
    where, parameters = _identity_condition(_by_run(identities), "activity_id")
    cursor.execute(
        f"DELETE FROM aion_activitytask WHERE {where} AND {UNBEGUN} RETURNING run_id, activity_id",
        parameters,
    )
    confirmed = [
        mailbox.notice(sql.read_uuid(run_id), ActivityCancelled(activity_id=activity_id))
        for run_id, activity_id in cursor.fetchall()
    ]
    cursor.execute(
        f"UPDATE aion_activitytask SET cancel_requested = %s WHERE {where}", [True, *parameters]
    )
    return confirmed


def _clear_closed(cursor: Any, closed: list[uuid.UUID]) -> None:
    """A closed run waits for nothing. A running attempt finds its row gone and stops."""
    if not closed:
        return
    sql = dialect()
    for table in ("aion_timer", "aion_activitytask"):
        cursor.execute(
            f"DELETE FROM {table} WHERE {sql.among('run_id', 'uuid')}", [sql.many(closed)]
        )


HOLD_COLUMNS = {
    "id": "uuid",
    "problem": "text",
    "problem_count": "integer",
    "held_until": "timestamptz",
    "owner_id": "uuid",
}


def _hold(cursor: Any, holds: list[Hold]) -> None:
    if not holds:
        return
    rows = [
        (hold.run_id, stored_problem(hold.problem, hold.run_id), hold.count, hold.until, None)
        for hold in holds
    ]
    dialect().update(cursor, "aion_run", HOLD_COLUMNS, rows)
