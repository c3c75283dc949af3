"""Tell a schedule something else."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from aion.core.errors import ScheduleConflict
from aion.core.events.schedules import ScheduleUpdated
from aion.operations.schedules.bring_on import bring_to_an_end
from aion.operations.schedules.course import open_course
from aion.operations.schedules.create import check_config, check_remaining
from aion.schedules.config import ScheduleConfig
from aion.store.dialects import atomic
from aion.store.schedule_payloads import with_kept_payloads

KEEP: Final = msgspec.UNSET
"""Says that the remaining actions stay as they are."""


def update_schedule(
    schedule_id: str,
    config: ScheduleConfig,
    *,
    token: int | None = None,
    remaining_actions: Any = KEEP,
    request_id: str = "",
) -> None:
    """Replace what a schedule is told.

    With another spec, the times that had come by the old one are decided as that said, or are noted as
    skipped (`spec_changed`); of the new one only times from now on count.

    `token` is that of the description that the change was made from.

    Raises:
        ScheduleNotFound: there is no such schedule.
        ScheduleConflict: it was changed since the token.
        InvalidArgument: an argument cannot be used. Nothing is written in any of these cases.
        UnknownType: no workflow has the action's name.
        PayloadError: the arguments do not fit the workflow.
        PayloadUnavailable: the arguments are to stay, and cannot be decoded here; or a codec failed.
    """
    if remaining_actions is not KEEP:
        check_remaining(remaining_actions)
    with atomic():
        found = open_course(schedule_id, request_id=request_id)
        if found.repeated:
            return
        course, schedule = found.course, found.course.schedule
        if token is not None and token != schedule.version:
            raise ScheduleConflict(
                f"Schedule {schedule_id!r} was changed: its token is {schedule.version}, not {token}",
                schedule_id=schedule_id,
                expected=token,
                found=schedule.version,
            )
        config = with_kept_payloads(config, schedule)
        check_config(schedule, config, course.now)
        if config.spec != course.config.spec:
            bring_to_an_end(course)
        if remaining_actions is not KEEP:
            schedule.remaining_actions = remaining_actions
        course.tell(config)
        course.note(
            ScheduleUpdated(
                config=msgspec.Raw(schedule.config.encode()),
                remaining_actions=schedule.remaining_actions,
            )
        )
        course.save(request_id=request_id)
