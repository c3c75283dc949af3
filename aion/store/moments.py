"""When the next thing is due, for those who decide what time it is."""

from __future__ import annotations

import datetime as dt

from aion.store.dialects import connection, dialect


def next_after(now: dt.datetime) -> dt.datetime | None:
    """Give the earliest moment behind `now` at which a timer, an attempt, a deadline or a schedule is due.

    Not that of held runs: they are tried again for ever.
    """
    sql = dialect()
    parts = (
        "SELECT min(fire_at) AS at FROM aion_timer WHERE NOT parked AND fire_at > %s",
        "SELECT min(next_attempt_at) FROM aion_activitytask "
        "WHERE state = 'scheduled' AND NOT paused AND next_attempt_at > %s",
        "SELECT min(timeout_at) FROM aion_activitytask WHERE timeout_at > %s",
        "SELECT min(due_at) FROM aion_schedule WHERE deleted_at IS NULL AND due_at > %s",
    )
    union = " UNION ALL ".join(parts)
    with connection().cursor() as cursor:
        cursor.execute(f"SELECT min(at) FROM ({union}) AS due", [sql.time(now)] * len(parts))
        row = cursor.fetchone()
    return None if row is None or row[0] is None else sql.read_time(row[0])
