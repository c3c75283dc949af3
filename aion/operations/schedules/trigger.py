"""Fire a schedule now, whatever its times are."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Final

from aion.core.ids import uuid7
from aion.models import Firing
from aion.operations.schedules.course import TRIGGER, Course, open_course
from aion.operations.schedules.firing import fire, new_firing
from aion.operations.schedules.settling import settle
from aion.schedules.config import overlap_policy
from aion.schedules.spec import next_times
from aion.store import firings
from aion.store.dialects import atomic

_MICROSECOND: Final = dt.timedelta(microseconds=1)


def trigger_schedule(
    schedule_id: str, *, overlap: str | None = None, request_id: str = ""
) -> Firing:
    """Fire a schedule now, also a paused one; the overlap policy, or another, decides as for its times.

    The same request id again gives what came of the first.

    Raises:
        ScheduleNotFound: there is no such schedule.
        UnknownType: its workflow is not known here.
        PayloadError: its arguments no longer fit the workflow.
        PayloadUnavailable: its arguments cannot be decoded here.
        InvalidArgument: an argument cannot be used.
    """
    policy = None if overlap is None else overlap_policy(overlap)
    with atomic():
        found = open_course(schedule_id, request_id=request_id)
        course = found.course
        if found.repeated:
            earlier = firings.of_key(course.schedule, request_id)
            if earlier is not None:
                return earlier
        settle(course)
        if course.buffered and not course.running:
            course.unfinished = True  # no tick will notice again that their turn has come
        nominal_at = course.now
        while _is_taken(course, nominal_at):
            nominal_at += _MICROSECOND
        firing = new_firing(
            course, nominal_at, TRIGGER, policy or course.config.overlap, request_id or _new_key()
        )
        fire(course, firing)
        course.save(request_id=request_id)
    return firing


def _is_taken(course: Course, nominal_at: dt.datetime) -> bool:
    """Tell whether a time has fired, or will: the workflow id is made of it."""
    of_spec = next_times(course.config.spec, nominal_at - _MICROSECOND, 1) == [nominal_at]
    return of_spec or firings.is_taken(course.schedule, nominal_at)


def _new_key() -> str:
    key: uuid.UUID = uuid7()
    return f"trigger {key}"
