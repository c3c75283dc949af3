"""Activity rows: from the order to the outcome.

Theory of operation
-------------------
The row is the truth, and (attempt, owner) is its fence. An attempt begins with a guarded update that only
one claimer wins; every later write of it names the same attempt and owner, and changes nothing when the row
has moved on (a timeout gave the attempt up, the run closed, another worker took over). The outcome deletes
the row and posts the event to the run's mailbox in one transaction: there is no outcome without its
message, and no second one.

A retry is the same row again: attempt + 1, scheduled, due later. Nothing of it goes into history.

What an operator does to an activity stands in `interventions`. A *pause* marks the row, and nobody begins it.
A *reset* of a running attempt is a wish that the next attempt grants: it is number 1 again, though the fence
grows on.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any

import msgspec

from aion.core.failures import Failure, encode_failure
from aion.store import activity_limits, deadlines, sessions
from aion.store.attempts import (
    ANY_PRIORITY,
    FIELDS,
    UNBEGUN,
    Attempt,
    fence_of,
    read_attempt,
    read_order,
    stale,
)
from aion.store.dialects import atomic, connection, dialect
from aion.store.literals import array_literal
from aion.store.sealing import stored_failure, stored_payload


def find(task_id: uuid.UUID) -> Attempt | None:
    """Read an activity row; None when it has its outcome."""
    return next(iter(_read("a.id = %s", dialect().uuid(task_id))), None)


def find_all(task_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Attempt]:
    """Read the rows of these activities that have no outcome yet."""
    sql = dialect()
    return {row.id: row for row in _read(sql.among("a.id", "uuid"), sql.many(task_ids))}


def _read(where: str, parameter: Any) -> list[Attempt]:
    rows = sessions.at_once(
        f"SELECT {FIELDS} FROM aion_activitytask a JOIN aion_run r ON r.id = a.run_id WHERE {where}",
        [parameter],
    )
    return [read_attempt(row) for row in rows]


def claim_attempt(
    task_id: uuid.UUID,
    attempt: int,
    *,
    owner_id: uuid.UUID,
    pid: int,
    now: dt.datetime,
    again: bool = False,
    row: Attempt | None = None,
) -> Attempt | None:
    """Begin an attempt; None when it is not there to be begun (done, taken, paused, beyond a limit).

    With `again` the same claim, of the same moment, may have been made before, and its answer lost. A `row`
    that was read a moment ago saves the look.
    """
    row = find(task_id) if row is None or again else row
    if row is None or row.attempt != attempt:
        return None
    if again and (row.owner_id, row.started_at) == (owner_id, now):
        return row
    if not activity_limits.apply_to(row.task_queue):
        return _begin(row, owner_id, pid, now)
    with atomic():
        wanting = activity_limits.Wanting(
            task_id, attempt, row.task_queue, row.order.limit_key, row.slot_at
        )
        if not activity_limits.admit(wanting, now=now):
            return None
        return _begin(row, owner_id, pid, now, ", slot_at = NULL, crowded = " + dialect().false)


def _begin(
    row: Attempt, owner_id: uuid.UUID, pid: int, now: dt.datetime, also: str = ""
) -> Attempt | None:
    statement, parameters = begun_by(row, owner_id, pid, now, f"{also} {sessions.unhurried()}")
    if not sessions.at_once(f"{statement} RETURNING 1", parameters):
        return None
    row.owner_id, row.started_at = owner_id, now
    return row


def begun_by(
    row: Attempt,
    owner_id: uuid.UUID,
    pid: int,
    now: dt.datetime,
    also: str = " ",
    which: str = "id = %s",
) -> tuple[str, list[Any]]:
    """Give the statement by which a worker begins an attempt, unless somebody else has."""
    timeout_at, kind = deadlines.while_running(row.order, row.scheduled_at, now, now)
    sql = dialect()
    statement = (
        "UPDATE aion_activitytask SET state = 'running', owner_id = %s, pid = %s, "
        f"started_at = %s, heartbeat_at = %s, timeout_at = %s, timeout_kind = %s{also}"
        f"WHERE {which} AND attempt = %s AND {UNBEGUN} AND NOT paused"
    )
    return statement, [
        sql.uuid(owner_id),
        pid,
        sql.time(now),
        sql.time(now),
        sql.time(timeout_at),
        kind,
        sql.uuid(row.id),
        row.attempt,
    ]


def begin_all(
    rows: Sequence[Attempt], *, owner_id: uuid.UUID, pid: int, now: dt.datetime, again: bool = False
) -> list[Attempt]:
    """Begin attempts whose rows were read a moment ago, in one transaction; give those that it has begun.

    Their queues must have no limits. What somebody else has begun, or just holds, is left out, so nobody
    waits with rows in hand. With `again` they may have been begun at the same moment, and the answer lost.
    """
    begun: set[uuid.UUID] = set()
    if again:
        found = find_all([row.id for row in rows]).values()
        begun = {row.id for row in found if (row.owner_id, row.started_at) == (owner_id, now)}
    rest = [row for row in rows if row.id not in begun]
    if dialect().name == "postgresql":
        begun |= _begin_at_once(rest, owner_id, pid, now) if rest else set()
    else:
        with atomic():
            begun |= {row.id for row in rest if _begin(row, owner_id, pid, now) is not None}
    for row in rows:
        if row.id in begun:
            row.owner_id, row.started_at = owner_id, now
    return [row for row in rows if row.id in begun]


def _begin_at_once(
    rows: Sequence[Attempt], owner_id: uuid.UUID, pid: int, now: dt.datetime
) -> set[uuid.UUID]:
    deadlines_of = [deadlines.while_running(row.order, row.scheduled_at, now, now) for row in rows]
    columns: list[list[Any]] = [
        [row.id for row in rows],
        [row.attempt for row in rows],
        [at for at, _ in deadlines_of],
        [kind for _, kind in deadlines_of],
    ]
    found = sessions.at_once(
        f"{_BEGIN_ALL} {sessions.unhurried(',')} WHERE t.id = free.id RETURNING t.id",
        [*map(array_literal, columns), owner_id, pid, now, now],
    )
    return {row[0] for row in found}


_BEGIN_ALL = (
    "WITH given AS (SELECT * FROM unnest(%s::uuid[], %s::integer[], %s::timestamptz[], %s::text[]) "
    "AS v(id, attempt, timeout_at, kind)), "
    "free AS (SELECT a.id, given.timeout_at, given.kind FROM given JOIN aion_activitytask a "
    f"ON a.id = given.id AND a.attempt = given.attempt WHERE a.{UNBEGUN} AND NOT a.paused "
    "FOR NO KEY UPDATE OF a SKIP LOCKED) "
    "UPDATE aion_activitytask AS t SET state = 'running', owner_id = %s, pid = %s, started_at = %s, "
    "heartbeat_at = %s, timeout_at = free.timeout_at, timeout_kind = free.kind FROM free"
)


def ready(
    *, now: dt.datetime, limit: int, queues: Sequence[str] = ()
) -> list[tuple[uuid.UUID, int]]:
    """List attempts that are due and unclaimed, as (row id, attempt): by priority, then the oldest first."""
    sql = dialect()
    here = f" AND {sql.among('task_queue', 'text')}" if queues else ""
    with connection().cursor() as cursor:
        cursor.execute(
            "SELECT id, attempt FROM aion_activitytask WHERE state = 'scheduled' AND NOT paused "
            f"AND {ANY_PRIORITY} AND next_attempt_at <= %s{here} "
            "ORDER BY priority, next_attempt_at LIMIT %s",
            [sql.time(now), *([sql.many(queues)] if queues else []), limit],
        )
        return [(sql.read_uuid(task_id), attempt) for task_id, attempt in cursor.fetchall()]


class Wishes(msgspec.Struct, frozen=True):
    """What was asked of a running attempt: by its workflow, by an operator."""

    cancel_requested: bool
    reset_requested: bool
    paused: bool


def settle(attempt: Attempt) -> Wishes:
    """Lock the row of an attempt that ends without a result, and read what was asked of it meanwhile.

    Its order is read again, for an operator may have changed timeouts and retry policy. Must run inside a
    transaction.

    Raises:
        StaleAttempt: the attempt no longer owns the activity.
    """
    sql = dialect()
    fence, parameters = fence_of(attempt)
    with connection().cursor() as cursor:
        cursor.execute(
            'SELECT "order", cancel_requested, reset_requested, paused FROM aion_activitytask '
            f"WHERE {fence} {sql.lock_rows}",
            parameters,
        )
        row = cursor.fetchone()
    if row is None:
        raise stale(attempt)
    attempt.order = read_order(row[0])
    return Wishes(bool(row[1]), bool(row[2]), bool(row[3]))


_STAYS_PAUSED = (
    "(paused_at IS NOT NULL AND NOT cancel_requested) "
    "OR EXISTS (SELECT 1 FROM aion_run r WHERE r.id = run_id AND r.status = 'paused')"
)
"""An attempt that was running when its run was paused ran on; the next one waits.

One that is to hear of its cancellation waits for no operator."""

_GRANT_RESET = (
    "attempts_forgotten = CASE WHEN reset_requested THEN attempt ELSE attempts_forgotten END, "
    "heartbeat_details = CASE WHEN reset_heartbeat THEN '[]' ELSE heartbeat_details END, "
    "reset_requested = %s, reset_heartbeat = %s"
)
"""Takes two parameters, False and False."""


def reschedule(
    attempt: Attempt,
    failure: Failure,
    *,
    next_attempt_at: dt.datetime,
    now: dt.datetime,
    paused: bool = False,
) -> None:
    """Give an attempt up for the next one. A paused one does not wait for a worker in time.

    Raises:
        StaleAttempt: the attempt no longer owns the activity. Nothing is written.
    """
    timeout_at, kind = deadlines.while_scheduled(
        attempt.order, attempt.scheduled_at, next_attempt_at, paused=paused
    )
    sql = dialect()
    fence, parameters = fence_of(attempt)
    with connection().cursor() as cursor:
        cursor.execute(
            "UPDATE aion_activitytask SET state = 'scheduled', attempt = attempt + 1, owner_id = NULL, "
            "pid = NULL, started_at = NULL, published_at = NULL, next_attempt_at = %s, "
            "timeout_at = %s, timeout_kind = %s, last_failure = %s, "
            f"{_GRANT_RESET}, paused = {_STAYS_PAUSED} WHERE {fence}",
            [
                sql.time(next_attempt_at),
                sql.time(timeout_at),
                kind,
                stored_failure(encode_failure(failure).decode(), attempt.run_id),
                False,
                False,
                *parameters,
            ],
        )
        if cursor.rowcount != 1:
            raise stale(attempt)
    activity_limits.left(attempt.task_queue, attempt.order.limit_key, now=now)


def hand_back(attempt: Attempt, *, now: dt.datetime) -> None:
    """Let the same attempt be begun again: it was told to stop, which is no fault of the activity.

    Its worker shuts down, or an operator has paused or reset the activity: a reset one begins at 1.

    Raises:
        StaleAttempt: the attempt no longer owns the activity. Nothing is written.
    """
    with atomic():
        paused = settle(attempt).paused
        timeout_at, kind = deadlines.while_scheduled(
            attempt.order, attempt.scheduled_at, now, paused=paused
        )
        sql = dialect()
        fence, parameters = fence_of(attempt)
        with connection().cursor() as cursor:
            cursor.execute(
                "UPDATE aion_activitytask SET state = 'scheduled', "
                "attempt = CASE WHEN reset_requested THEN attempt + 1 ELSE attempt END, "
                "owner_id = NULL, pid = NULL, "
                "started_at = NULL, published_at = NULL, next_attempt_at = %s, timeout_at = %s, "
                f"timeout_kind = %s, {_GRANT_RESET}, paused = {_STAYS_PAUSED} WHERE {fence}",
                [sql.time(now), sql.time(timeout_at), kind, False, False, *parameters],
            )


def open_for_completion(attempt: Attempt) -> bool:
    """Leave an attempt open for its token: no worker owns it from now on."""
    fence, parameters = fence_of(attempt)
    with connection().cursor() as cursor:
        cursor.execute(
            "UPDATE aion_activitytask SET state = 'external', owner_id = NULL, pid = NULL "
            f"WHERE {fence}",
            parameters,
        )
        return bool(cursor.rowcount == 1)


def heartbeat(attempt: Attempt, details: str, *, now: dt.datetime) -> str | None:
    """Record a sign of life; give the reason why the attempt should stop, None when it should not."""
    timeout_at, kind = deadlines.while_running(
        attempt.order, attempt.scheduled_at, attempt.started_at, now
    )
    sql = dialect()
    fence, parameters = fence_of(attempt)
    with connection().cursor() as cursor:
        cursor.execute(
            "UPDATE aion_activitytask SET heartbeat_at = %s, heartbeat_details = %s, timeout_at = %s, "
            f"timeout_kind = %s {sessions.unhurried()}WHERE {fence} "
            "RETURNING cancel_requested, paused, reset_requested",
            [
                sql.time(now),
                stored_payload(details, attempt.run_id),
                sql.time(timeout_at),
                kind,
                *parameters,
            ],
        )
        row = cursor.fetchone()
    if row is None:
        return "lost"
    return _reason_to_stop(*row) or None


def _reason_to_stop(cancel_requested: bool, paused: bool, reset_requested: bool) -> str:
    if cancel_requested:
        return "cancelled"
    return "reset" if reset_requested else "paused" if paused else ""


class Held(msgspec.Struct, frozen=True):
    """A running attempt as its row shows it; `reason` says why it should stop, "" when it should not."""

    id: uuid.UUID
    attempt: int
    pid: int
    reason: str


def held_by(owner_id: uuid.UUID) -> list[Held]:
    """List the attempts that a worker runs. What it runs and is not listed, it has lost."""
    sql = dialect()
    with connection().cursor() as cursor:
        cursor.execute(
            "SELECT id, attempt, pid, cancel_requested, paused, reset_requested "
            "FROM aion_activitytask WHERE owner_id = %s AND state = 'running'",
            [sql.uuid(owner_id)],
        )
        return [
            Held(
                sql.read_uuid(task_id),
                attempt,
                pid or 0,
                _reason_to_stop(*wishes),
            )
            for task_id, attempt, pid, *wishes in cursor.fetchall()
        ]
