"""One look at everything that a tick cares for, and at when the next attempt is due.

What there is none of costs no statement of its own.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from aion.core.priority import ALL as PRIORITIES
from aion.store.attempts import ANY_PRIORITY, fronts
from aion.store.dialects import connection, dialect


class DueWork(NamedTuple):
    """What a tick will find, or has at least to look for."""

    leases: bool  # of workers that are silent or unknown
    timeouts: bool  # of activities
    unpublished: bool  # attempts that nobody has heard of, or not for long
    held: bool  # runs whose time to be tried again has come
    schedules: bool  # that are due, or have a run that ended


# Each condition holds wherever the statement of its own finds something; it may hold more often.
_LOOK: Final = (
    "SELECT EXISTS (SELECT 1 FROM aion_worker WHERE last_seen_at < %s) "
    "OR EXISTS (SELECT 1 FROM (SELECT owner_id FROM aion_run WHERE owner_id IS NOT NULL "
    "UNION SELECT owner_id FROM aion_activitytask WHERE owner_id IS NOT NULL) AS o "
    "WHERE NOT EXISTS (SELECT 1 FROM aion_worker w WHERE w.id = o.owner_id)), "
    "EXISTS (SELECT 1 FROM aion_activitytask WHERE timeout_at <= %s), "
    "EXISTS (SELECT 1 FROM aion_activitytask WHERE state = 'scheduled' AND NOT paused "
    f"AND {ANY_PRIORITY} AND next_attempt_at <= %s AND (published_at IS NULL OR published_at < %s)), "
    "EXISTS (SELECT 1 FROM aion_run WHERE held_until IS NOT NULL AND held_until <= %s), "
    "EXISTS (SELECT 1 FROM aion_schedule WHERE deleted_at IS NULL AND due_at <= %s) "
    "OR EXISTS (SELECT 1 FROM aion_firing f LEFT JOIN aion_run r ON r.id = f.current_run_id "
    "WHERE f.state = 'running' AND (r.id IS NULL OR r.closed_at IS NOT NULL))"
)


def look(*, now: dt.datetime, silent_since: dt.datetime, published_before: dt.datetime) -> DueWork:
    """Tell what there is to be done, in one statement."""
    time = dialect().time
    moments = [silent_since, now, now, published_before, now, now]
    with connection().cursor() as cursor:
        cursor.execute(_LOOK, [time(moment) for moment in moments])
        return DueWork(*(bool(found) for found in cursor.fetchone()))


def next_ready(*, queues: Sequence[str] = ()) -> dt.datetime | None:
    """Give when the next unclaimed attempt is due, in the past where one waits; None when there is none."""
    sql = dialect()
    where, parameters = "TRUE", list[Any]()
    if queues:
        where, parameters = sql.among("task_queue", "text"), [sql.many(queues)]
    with connection().cursor() as cursor:
        cursor.execute(
            f"SELECT min(next_attempt_at) FROM ({fronts('next_attempt_at', where)}) AS next",
            [*parameters, 1] * len(PRIORITIES),
        )
        (found,) = cursor.fetchone()
    return None if found is None else sql.read_time(found)
