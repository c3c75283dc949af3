"""The life of a schedule: a history of its own, beside those of the runs that it starts."""

from __future__ import annotations

import datetime as dt

import msgspec

from aion.core.events.base import EMPTY_OBJECT, Payload


class ScheduleEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The base of the events of schedules."""


class ScheduleCreated(ScheduleEvent, frozen=True, kw_only=True):
    """The schedule came into being."""

    schedule_id: str
    config: Payload = EMPTY_OBJECT
    remaining_actions: int | None = None
    paused: bool = False
    note: str = ""


class ScheduleUpdated(ScheduleEvent, frozen=True, kw_only=True):
    """The schedule was told something else. Absent `remaining_actions` mean no limit."""

    config: Payload = EMPTY_OBJECT
    remaining_actions: int | None = None


class SchedulePaused(ScheduleEvent, frozen=True, kw_only=True):
    """From here on no time fires. With `run_id` the failure of this run paused it."""

    note: str = ""
    run_id: str = ""


class ScheduleResumed(ScheduleEvent, frozen=True, kw_only=True):
    """Times fire again, from here on."""

    note: str = ""


class ScheduleDeleted(ScheduleEvent, frozen=True, kw_only=True):
    """The schedule is gone. Runs that it started go on."""

    reason: str = ""


class ScheduleTriggered(ScheduleEvent, frozen=True, kw_only=True):
    """A run was started."""

    nominal_at: dt.datetime
    workflow_id: str
    run_id: str
    source: str = "time"


class ScheduleFiringBuffered(ScheduleEvent, frozen=True, kw_only=True):
    """A start waits for the open run to end."""

    nominal_at: dt.datetime
    source: str = "time"


class ScheduleFiringSkipped(ScheduleEvent, frozen=True, kw_only=True):
    """Nothing was started for `count` times, from `nominal_at` to `last_nominal_at`."""

    nominal_at: dt.datetime
    reason: str
    source: str = "time"
    count: int = 1
    last_nominal_at: dt.datetime | None = None
    at_least: bool = False


class ScheduleFiringFailed(ScheduleEvent, frozen=True, kw_only=True):
    """A run could not be started; it is tried again."""

    nominal_at: dt.datetime
    error: str
    source: str = "time"


class ScheduleFiringEnded(ScheduleEvent, frozen=True, kw_only=True):
    """A run that was started has ended, with its chain: `run_id` is the last of it."""

    nominal_at: dt.datetime
    workflow_id: str
    run_id: str
    status: str


class ScheduleBackfilled(ScheduleEvent, frozen=True, kw_only=True):
    """Times of the past that have started nothing were asked for."""

    start_at: dt.datetime
    end_at: dt.datetime
    count: int
    overlap: str
