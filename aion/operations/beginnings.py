"""What the first event of a run says besides what its caller asked for: cron times, lengths."""

from __future__ import annotations

import datetime as dt
from typing import Any

from aion.conf import settings
from aion.core.errors import InvalidArgument
from aion.core.events import WorkflowStarted
from aion.core.lengths import marks
from aion.schedules.cron import Cron


def check_cron(cron: str, time_zone: str, start_delay: dt.timedelta | None) -> None:
    """Refuse a cron expression or time zone that cannot be used.

    Raises:
        InvalidArgument: `field` says which, and the message why.
    """
    if cron == "":
        if time_zone:
            raise InvalidArgument("time_zone is that of cron, which is missing", field="time_zone")
        return
    if start_delay is not None:
        raise InvalidArgument(
            "start_delay and cron exclude each other: cron says when the first run starts",
            field="start_delay",
        )
    Cron(cron, time_zone or "UTC")


def cron_beginning(cron: str, time_zone: str, at: dt.datetime) -> dict[str, Any]:
    """Give the fields of a first event with which a cron chain begins.

    Raises:
        InvalidArgument: the expression or the time zone cannot be read, or there is no time to come.
    """
    first = Cron(cron, time_zone or "UTC").next_after(at)
    if first is None:
        raise InvalidArgument(f"cron {cron!r} has no time after {at:%Y-%m-%d}", field="cron")
    return {
        "cron": cron,
        "time_zone": time_zone,
        "scheduled_at": first,
        "start_delay": first - at,
    }


def next_time(started: WorkflowStarted, at: dt.datetime) -> dt.datetime | None:
    """Give the cron time behind `at` and behind the one that the run itself is for.

    The second matters where clocks differ: no time happens twice. None when there is none before the
    execution timeout.

    Raises:
        InvalidArgument: this machine does not know the time zone.
    """
    after = at if started.scheduled_at is None else max(at, started.scheduled_at)
    found = Cron(started.cron, started.time_zone or "UTC").next_after(after)
    deadline = started.execution_deadline_at
    return None if found is None or (deadline is not None and found >= deadline) else found


def lengths() -> dict[str, Any]:
    """Give what a first event records of the settings about long histories."""
    return marks(events=settings.HISTORY_SUGGEST_EVENTS, size=settings.HISTORY_SUGGEST_BYTES)
