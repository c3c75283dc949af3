"""New activities: one statement for as many as there are."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from aion.core.priority import DEFAULT
from aion.store import deadlines
from aion.store.attempts import read_order
from aion.store.dialects import dialect
from aion.store.rows import ActivityOrder
from aion.store.sealing import stored_body

COLUMNS = {
    "id": "uuid",
    "run_id": "uuid",
    "activity_id": "text",
    "activity_type": "text",
    "task_queue": "text",
    "order": "text",
    "state": "text",
    "attempt": "integer",
    "scheduled_at": "timestamptz",
    "next_attempt_at": "timestamptz",
    "published_at": "timestamptz",
    "timeout_at": "timestamptz",
    "timeout_kind": "text",
    "heartbeat_details": "text",
    "cancel_requested": "boolean",
    "paused": "boolean",
}


def insert(cursor: Any, orders: Sequence[ActivityOrder], now: dt.datetime) -> None:
    """Insert new activities, in one statement. They count as published: the caller hands them over."""
    rows: list[tuple[Any, ...]] = []
    usual = True
    for order in orders:
        spec = read_order(order.order)
        usual = usual and not spec.limit_key and order.priority == DEFAULT
        timeout_at, kind = deadlines.while_scheduled(spec, now, now)
        rows.append(
            (
                order.id,
                order.run_id,
                order.activity_id,
                order.activity_type,
                order.task_queue,
                stored_body("ActivityScheduled", order.order, order.run_id),
                "scheduled",
                1,
                now,
                now,
                now,
                timeout_at,
                kind,
                "[]",
                False,
                False,
                spec.limit_key,
                order.priority,
            )
        )
    if rows:
        if usual:
            rows = [row[:-2] for row in rows]
        columns = COLUMNS if usual else _ALL_COLUMNS
        dialect().insert(cursor, "aion_activitytask", columns, rows)


_ALL_COLUMNS = {**COLUMNS, "limit_key": "text", "priority": "smallint"}
