"""Fire times of the past that have started nothing."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import Final

from aion.core.errors import InvalidArgument
from aion.core.events.schedules import ScheduleBackfilled
from aion.models import Firing
from aion.models.schedules import FiringState
from aion.operations.schedules.course import BACKFILL, Course, open_course
from aion.operations.schedules.firing import check_startable, new_firing
from aion.schedules.config import OverlapPolicy, overlap_policy
from aion.schedules.spec import times_after
from aion.store import firings
from aion.store.dialects import atomic

_MOST: Final = 1_000
_MICROSECOND: Final = dt.timedelta(microseconds=1)


def backfill_schedule(
    schedule_id: str,
    start_at: dt.datetime,
    end_at: dt.datetime,
    *,
    overlap: str | None = None,
    request_id: str = "",
) -> int:
    """Ask for all times from `start_at` to `end_at`, both included, that have started nothing.

    Gives their number. The tick fires them, oldest first. The same request id again asks for nothing.

    Raises:
        ScheduleNotFound: there is no such schedule.
        InvalidArgument: the range is empty, reaches into the future or has more than a thousand times.
        UnknownType: the workflow is not known here.
        PayloadError: the arguments no longer fit the workflow.
        PayloadUnavailable: the arguments cannot be decoded here.
    """
    policy = None if overlap is None else overlap_policy(overlap)
    begin, end = _aware("start_at", start_at), _aware("end_at", end_at)
    if end < begin:
        raise InvalidArgument("end_at must not be before start_at", field="end_at")
    with atomic():
        found = open_course(schedule_id, request_id=request_id)
        course = found.course
        if found.repeated:
            return 0
        if end > course.now:
            raise InvalidArgument(f"end_at {end} is in the future", field="end_at")
        check_startable(course.action)
        times = _times(course, begin, end)
        count = _ask(course, times, policy or course.config.overlap)
        course.note(
            ScheduleBackfilled(
                start_at=begin,
                end_at=end,
                count=count,
                overlap=str(policy or course.config.overlap),
            )
        )
        course.unfinished = True
        course.save(request_id=request_id)
    return count


def _aware(field: str, value: object) -> dt.datetime:
    if not isinstance(value, dt.datetime) or value.tzinfo is None:
        raise InvalidArgument(f"{field} must be an aware datetime, not {value!r}", field=field)
    return value.astimezone(dt.UTC)


def _times(course: Course, begin: dt.datetime, end: dt.datetime) -> list[dt.datetime]:
    found = itertools.takewhile(
        lambda time: time <= end, times_after(course.config.spec, begin - _MICROSECOND)
    )
    times = list(itertools.islice(found, _MOST + 1))
    if len(times) > _MOST:
        raise InvalidArgument(
            f"There are more than {_MOST} times from {begin} to {end}; ask for them in parts",
            field="end_at",
        )
    return times


def _ask(course: Course, times: list[dt.datetime], overlap: OverlapPolicy) -> int:
    """Write a firing for each time, or ask again for one that was skipped."""
    known = firings.at_times(course.schedule, times)
    new: list[Firing] = []
    again = 0
    for time in times:
        firing = known.get(time)
        if firing is None:
            new.append(new_firing(course, time, BACKFILL, overlap))
        elif firing.state == FiringState.SKIPPED:
            firing.state, firing.source = FiringState.ASKED, BACKFILL
            firing.overlap, firing.outcome = str(overlap), ""
            firings.write(firing)
            again += 1
    firings.insert(new)
    return len(new) + again
