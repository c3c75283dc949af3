"""An attempt as it is read from an activity's row, and the fence that its writes pass."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any, Final

import msgspec

from aion.core.errors import StaleAttempt
from aion.core.events import ActivityScheduled
from aion.core.history import decode_event
from aion.core.priority import ALL as PRIORITIES
from aion.core.priority import DEFAULT
from aion.core.sealing import PayloadContext
from aion.store.dialects import dialect
from aion.store.sealing import plain_payload, sealer


class Attempt(msgspec.Struct):
    """A claimed attempt, with all that is needed to run it.

    `attempt` is the fence: it only grows. `number` is what people and retry policies count.
    Payloads are as stored until it is `opened`.
    """

    id: uuid.UUID
    run_id: uuid.UUID
    order: ActivityScheduled
    attempt: int
    scheduled_at: dt.datetime
    started_at: dt.datetime
    owner_id: uuid.UUID | None
    heartbeat_details: str
    workflow_id: str
    workflow_type: str
    task_queue: str
    last_failure: str | None = None
    forgotten: int = 0  # attempts before the last reset
    slot_at: dt.datetime | None = None
    priority: int = DEFAULT

    @property
    def number(self) -> int:
        """The number of the attempt, from 1, without those that a reset has forgotten."""
        return self.attempt - self.forgotten


def read_order(text: str) -> ActivityScheduled:
    """Read the order of an activity row. Its input is as stored."""
    event = decode_event("ActivityScheduled", str(text))  # a subclass of str is refused
    assert isinstance(event, ActivityScheduled)  # noqa: S101  # the kind names the class
    return event


FIELDS = (
    'a.id, a.run_id, a."order", a.attempt, a.scheduled_at, a.started_at, a.owner_id, '
    "a.heartbeat_details, r.workflow_id, r.workflow_type, a.task_queue, a.last_failure, "
    "a.attempts_forgotten, a.slot_at, a.priority"
)


def read_attempt(row: tuple[Any, ...]) -> Attempt:
    """Read what `FIELDS` selects."""
    sql = dialect()
    return Attempt(
        id=sql.read_uuid(row[0]),
        run_id=sql.read_uuid(row[1]),
        order=read_order(row[2]),
        attempt=row[3],
        scheduled_at=sql.read_time(row[4]),
        started_at=sql.read_time(row[5] or row[4]),
        owner_id=None if row[6] is None else sql.read_uuid(row[6]),
        heartbeat_details=row[7],
        workflow_id=row[8],
        workflow_type=row[9],
        task_queue=row[10],
        last_failure=row[11],
        forgotten=row[12],
        slot_at=None if row[13] is None else sql.read_time(row[13]),
        priority=row[14],
    )


def opened(attempt: Attempt) -> Attempt:
    """Give an attempt with its payloads as they were: who settles it from outside needs none of them.

    Raises:
        PayloadUnavailable: one cannot be brought back.
    """
    context = PayloadContext(attempt.workflow_id, attempt.workflow_type, str(attempt.run_id))
    return msgspec.structs.replace(
        attempt,
        order=sealer().unseal_fields(attempt.order, context),
        heartbeat_details=plain_payload(attempt.heartbeat_details, attempt.run_id),
    )


UNBEGUN: Final = "state || '' = 'scheduled'"
"""The condition that a row found by its key is not begun, in words that fit no index.

If few rows were there when the table was last analysed, the planner takes the small index of waiting rows
for the cheapest way to any of them, and walks through a whole backlog for each."""


ANY_PRIORITY: Final = f"priority IN ({', '.join(map(str, PRIORITIES))})"
"""A condition that is always true, and lets the index of waiting rows be read by priority and time."""


def fronts(columns: str, where: str) -> str:
    """Give the statement that reads waiting rows with each priority for itself, the oldest first.

    Its parameters are those of `where` and a limit, again and again for each priority.
    """
    each = (
        f"SELECT {columns} FROM aion_activitytask WHERE state = 'scheduled' AND NOT paused "
        f"AND priority = {priority} AND {where} ORDER BY next_attempt_at LIMIT %s"
        for priority in PRIORITIES
    )
    return " UNION ALL ".join(f"SELECT * FROM ({one}) AS front" for one in each)


def fence_of(attempt: Attempt) -> tuple[str, list[Any]]:
    """Give the condition that an attempt still owns its row."""
    sql = dialect()
    parameters = [sql.uuid(attempt.id), attempt.attempt]
    if attempt.owner_id is None:
        return "id = %s AND attempt = %s AND owner_id IS NULL", parameters
    # By its key and not by an index of owners, which has one entry for each that a worker ever owned.
    owned = "id = %s AND attempt = %s AND (owner_id = %s) IS TRUE"
    return owned, [*parameters, sql.uuid(attempt.owner_id)]


def stale(attempt: Attempt) -> StaleAttempt:
    """Make the error of an attempt that has lost its row."""
    return StaleAttempt(
        f"Attempt {attempt.attempt} of activity {attempt.order.activity_id} of run "
        f"{attempt.run_id} is no longer the current one; its outcome is dropped",
        run_id=attempt.run_id,
        activity_id=attempt.order.activity_id,
        attempt=attempt.attempt,
    )
