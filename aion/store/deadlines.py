"""Which deadline of an activity comes next. Pure arithmetic on its order."""

from __future__ import annotations

import datetime as dt

from aion.conf import settings
from aion.core.events import ActivityScheduled

Deadline = tuple[dt.datetime | None, str]


def start_to_close(order: ActivityScheduled) -> dt.timedelta | None:
    """Give the limit of one attempt; where no close timeout is set, that of the settings."""
    if order.start_to_close_timeout is None and order.schedule_to_close_timeout is None:
        return dt.timedelta(seconds=settings.DEFAULT_START_TO_CLOSE)
    return order.start_to_close_timeout


def while_scheduled(
    order: ActivityScheduled,
    scheduled_at: dt.datetime,
    since: dt.datetime,
    *,
    paused: bool = False,
) -> Deadline:
    """Give the deadline of an activity that waits for a worker since `since`.

    While it is paused by hand it waits for an operator: only the deadline of the whole goes on.
    """
    wait = None if paused else order.schedule_to_start_timeout
    return _first(
        (_after(since, wait), "schedule_to_start"),
        (_after(scheduled_at, order.schedule_to_close_timeout), "schedule_to_close"),
    )


def while_running(
    order: ActivityScheduled,
    scheduled_at: dt.datetime,
    started_at: dt.datetime,
    heartbeat_at: dt.datetime,
) -> Deadline:
    """Give the deadline of a running attempt."""
    return _first(
        (_after(heartbeat_at, order.heartbeat_timeout), "heartbeat"),
        (_after(started_at, start_to_close(order)), "start_to_close"),
        (_after(scheduled_at, order.schedule_to_close_timeout), "schedule_to_close"),
    )


def _after(moment: dt.datetime, duration: dt.timedelta | None) -> dt.datetime | None:
    return None if duration is None else moment + duration


def _first(*deadlines: Deadline) -> Deadline:
    found = [(at, kind) for at, kind in deadlines if at is not None]
    return min(found) if found else (None, "")
