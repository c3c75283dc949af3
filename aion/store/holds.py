"""Held runs: how they come back."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Final

from aion.store import mailbox
from aion.store.dialects import atomic, connection, dialect

PARKED: Final = dt.datetime(9999, 12, 31, tzinfo=dt.UTC)
"""A run that is held until then comes back only when somebody releases it."""


def release(*, now: dt.datetime, only_due: bool = True, run_id: uuid.UUID | None = None) -> int:
    """Let held runs try again: those whose time has come, all that are not parked, or one; give their number.

    Their problem stays shown until a turn succeeds.
    """
    sql = dialect()
    condition = "held_until IS NOT NULL AND closed_at IS NULL"
    parameters = []
    if run_id is not None:
        condition += " AND id = %s"
        parameters.append(sql.uuid(run_id))
    else:
        condition += " AND held_until <= %s" if only_due else " AND held_until < %s"
        parameters.append(sql.time(now if only_due else PARKED))
    with atomic(), connection().cursor() as cursor:
        cursor.execute(
            "UPDATE aion_run SET held_until = NULL WHERE id IN "
            f"(SELECT id FROM aion_run WHERE {condition} LIMIT 1000 {sql.lock_free_rows}) RETURNING id",
            parameters,
        )
        freed = [sql.read_uuid(row[0]) for row in cursor.fetchall()]
        if freed:
            mailbox.set_parked(freed, parked=False, cursor=cursor)
            mailbox.post([(one, mailbox.WAKE, "{}") for one in freed], now=now, cursor=cursor)
    return len(freed)
