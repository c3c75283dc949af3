"""Create a schedule."""

from __future__ import annotations

import datetime as dt
from typing import Final

import msgspec

from aion.core.errors import InvalidArgument, ScheduleAlreadyExists
from aion.core.events.schedules import ScheduleCreated
from aion.core.payloads.limits import default_limits
from aion.models import Schedule
from aion.operations.checking import check_count, check_text
from aion.operations.clock import clock
from aion.operations.schedules.course import TRIGGER, Course, find
from aion.operations.schedules.firing import check_startable, fire, new_firing, request_of
from aion.operations.search_attributes import kept_attributes
from aion.schedules.config import ScheduleConfig
from aion.schedules.spec import next_times
from aion.store import schedules
from aion.store.dialects import atomic
from aion.store.schedule_payloads import stored_config

_MOST_ACTIONS: Final = 2**31 - 1


def create_schedule(
    schedule_id: str,
    config: ScheduleConfig,
    *,
    remaining_actions: int | None = None,
    paused: bool = False,
    note: str = "",
    trigger_immediately: bool = False,
    request_id: str = "",
) -> bool:
    """Create a schedule in the caller's transaction; False when this request has created it before.

    Raises:
        ScheduleAlreadyExists: the id is taken.
        InvalidArgument: an argument cannot be used. Nothing is written in either case.
        UnknownType: no workflow has the action's name.
        PayloadError: the arguments do not fit the workflow.
        PayloadUnavailable: a codec, or the storage of large payloads, failed.
    """
    check_text("schedule_id", schedule_id)
    if not schedule_id:
        raise InvalidArgument("schedule_id must not be empty", field="schedule_id")
    check_text("request_id", request_id)
    check_text("note", note)
    check_remaining(remaining_actions)
    now = clock.now()
    schedule = Schedule(
        schedule_id=schedule_id,
        workflow_type=config.action.workflow_type,
        paused=bool(paused),
        note=note,
        remaining_actions=remaining_actions,
        decided_until=now,
        created_at=now,
        updated_at=now,
    )
    check_config(schedule, config, now)
    schedule.config = stored_config(config, schedule)
    with atomic():
        if not schedules.try_insert(schedule):
            existing = find(schedule_id)
            if schedules.has_request(existing.id, request_id):
                return False
            raise ScheduleAlreadyExists(
                f"There is a schedule of id {schedule_id!r}", schedule_id=schedule_id
            )
        course = Course(schedule, now)
        course.note(
            ScheduleCreated(
                schedule_id=schedule_id,
                config=msgspec.Raw(schedule.config.encode()),
                remaining_actions=remaining_actions,
                paused=schedule.paused,
                note=note,
            )
        )
        if trigger_immediately:
            fire(course, new_firing(course, now, TRIGGER, config.overlap, key="created"))
        course.save(request_id=request_id)
    return True


def check_config(schedule: Schedule, config: ScheduleConfig, now: dt.datetime) -> None:
    """Make sure that a schedule can fire, and that its runs can start.

    Raises:
        InvalidArgument: an option cannot be used, or there is no time to come.
        UnknownType: no workflow has the action's name.
        PayloadError: the arguments do not fit the workflow, or are too large.
    """
    action = config.action
    action.check_template(schedule.schedule_id)
    check_text("workflow_type", action.workflow_type)
    check_startable(action)
    default_limits().check(len(bytes(action.input)), field="the arguments")
    for field in ("memo", "search_attributes"):
        if not isinstance(msgspec.json.decode(getattr(action, field)), dict):
            raise InvalidArgument(f"{field} must be a dict", field=field)
    kept_attributes(msgspec.json.decode(action.search_attributes))
    course = Course(schedule, now)
    request_of(schedule, action, new_firing(course, now, TRIGGER, config.overlap))
    if not next_times(config.spec, now, 1):
        raise InvalidArgument(
            f"The spec has no time to come: {config.spec.describe()}", field="spec"
        )


def check_remaining(value: object) -> None:
    """Refuse what is no number of actions; None means no limit.

    Raises:
        InvalidArgument: it is not usable.
    """
    if value is None:
        return
    check_count("remaining_actions", value)
    if isinstance(value, int) and value > _MOST_ACTIONS:
        raise InvalidArgument(
            f"remaining_actions must be at most {_MOST_ACTIONS}, not {value}",
            field="remaining_actions",
        )
