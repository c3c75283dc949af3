"""The outcome of an attempt: the row goes, the event is posted, and the worker's next attempt may begin.

Theory of operation
-------------------
On PostgreSQL that is one statement, which is one round trip and one wait for the disk: a `DELETE` under the
attempt's fence, an `INSERT` of what that deleted, an `UPDATE` that begins the next attempt. No row deleted
means that nothing is posted. The next attempt is left alone where somebody holds its row: a turn that takes
both activities back has locked one and may wait for the other. Queues with limits have more to do when a
place gets free, SQLite has no statement that does two things, and a failed outcome is decided under the
row's lock: there it is a transaction of several statements, and the next attempt is claimed on its own.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any, Final

import msgspec

from aion.core.events import ActivityOutcome, ActivityStarted, Event
from aion.store import activity_limits, mailbox, sessions
from aion.store.activities import begun_by
from aion.store.attempts import Attempt, fence_of, stale
from aion.store.dialects import atomic, connection, dialect
from aion.store.literals import array_literal
from aion.store.sealing import stored_bodies


class Successor(msgspec.Struct):
    """The attempt that the same worker begins next; `begun` tells whether it has.

    `row` was read a moment ago. `at` counts as the time of the beginning, so that a claim whose answer was
    lost is known again.
    """

    row: Attempt
    owner_id: uuid.UUID
    pid: int
    at: dt.datetime
    begun: bool = False

    def begin(self) -> None:
        """Note that it has begun."""
        self.begun = True
        self.row.owner_id, self.row.started_at = self.owner_id, self.at


def finish(
    attempt: Attempt,
    outcome: ActivityOutcome,
    *,
    worker: str,
    now: dt.datetime,
    note: Event | None = None,
    successor: Successor | None = None,
) -> None:
    """Record an attempt's outcome: the row goes, the event is posted, in one transaction.

    A `note` of how it came about takes the place of the one that names attempt and worker. A successor is
    begun along with it where that costs nothing; `begun` tells.

    Raises:
        StaleAttempt: the attempt no longer owns the activity. Nothing is written but a successor's
            beginning, and a caller's transaction around it must be rolled back.
    """
    before = note or ActivityStarted(
        activity_id=attempt.order.activity_id,
        attempt=attempt.number,
        worker=worker,
        started_at=attempt.started_at,
    )
    messages = [mailbox.message(attempt.run_id, event) for event in (before, outcome)]
    limited = activity_limits.apply_to(attempt.task_queue)
    if dialect().name == "postgresql" and not limited:
        _at_once(attempt, messages, now, successor)
        return
    with atomic():
        _delete(attempt)
        activity_limits.left(attempt.task_queue, attempt.order.limit_key, now=now)
        mailbox.post(messages, now=now)


def _delete(attempt: Attempt) -> None:
    fence, parameters = fence_of(attempt)
    with connection().cursor() as cursor:
        cursor.execute(f"DELETE FROM aion_activitytask WHERE {fence}", parameters)
        if cursor.rowcount != 1:
            raise stale(attempt)


def begun_if_free(one: Successor) -> tuple[str, list[Any]]:
    """Give the statement that begins a successor, and does not wait for its row."""
    free = f"id IN (SELECT id FROM aion_activitytask WHERE id = %s {dialect().lock_free_rows})"
    return begun_by(one.row, one.owner_id, one.pid, one.at, which=free)


# --- in one statement -----------------------------------------------------------------------------

_POSTED: Final = (
    "INSERT INTO aion_message (run_id, kind, body, created_at, parked, priority) "
    "SELECT gone.run_id, m.kind, m.body, %s::timestamptz, false, "
    f"{mailbox.priority_of('gone.run_id')} FROM gone, "
    "unnest(%s::text[], %s::text[]) WITH ORDINALITY AS m(kind, body, place) ORDER BY m.place RETURNING 1"
)


def _at_once(
    attempt: Attempt,
    messages: list[mailbox.Posted],
    now: dt.datetime,
    successor: Successor | None,
) -> None:
    fence, parameters = fence_of(attempt)
    _, kinds, bodies = zip(*stored_bodies(messages), strict=True)
    parts = [
        f"gone AS (DELETE FROM aion_activitytask WHERE {fence} RETURNING run_id)",
        f"posted AS ({_POSTED})",
    ]
    parameters = [*parameters, now, array_literal(kinds), array_literal(bodies)]
    begun = "0"
    if successor is not None:
        statement, more = begun_if_free(successor)
        parts.append(f"begun AS ({statement} RETURNING 1)")
        parameters += more
        begun = "(SELECT count(*) FROM begun)"
    query = f"WITH {', '.join(parts)} SELECT (SELECT count(*) FROM gone), {begun}"
    [(gone, started)] = sessions.at_once(query, parameters)
    if successor is not None and started:
        successor.begin()
    if not gone:
        raise stale(attempt)
