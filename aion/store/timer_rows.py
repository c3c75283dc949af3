"""New timers: one statement for as many as there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aion.core.priority import DEFAULT
from aion.store.dialects import dialect
from aion.store.rows import TimerOrder

_COLUMNS = {
    "run_id": "uuid",
    "timer_id": "text",
    "fire_at": "timestamptz",
    "parked": "boolean",
}
_COLUMNS_WITH_PRIORITY = {**_COLUMNS, "priority": "smallint"}


def insert(cursor: Any, timers: Sequence[TimerOrder]) -> None:
    """Insert timers. Where all are of runs of the usual priority, the table knows it."""
    if not timers:
        return
    rows: list[tuple[Any, ...]] = [(one.run_id, one.timer_id, one.fire_at, False) for one in timers]
    columns = _COLUMNS
    if any(one.priority != DEFAULT for one in timers):
        columns = _COLUMNS_WITH_PRIORITY
        rows = [(*row, one.priority) for row, one in zip(rows, timers, strict=True)]
    dialect().insert(cursor, "aion_timer", columns, rows)
