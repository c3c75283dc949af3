"""Delete a schedule."""

from __future__ import annotations

from aion.core.events.schedules import ScheduleDeleted
from aion.models.schedules import FiringState
from aion.operations.checking import check_text
from aion.operations.schedules.course import open_course
from aion.operations.schedules.firing import skip
from aion.store import firings
from aion.store.dialects import atomic


def delete_schedule(schedule_id: str, *, reason: str = "") -> None:
    """Delete a schedule: nothing fires any more, and what waited does not start. Its runs go on.

    Its history is kept; its id is free.

    Raises:
        ScheduleNotFound: there is no such schedule.
        InvalidArgument: the reason is no text.
    """
    check_text("reason", reason, most=None)
    with atomic():
        course = open_course(schedule_id).course
        for state in (FiringState.BUFFERED, FiringState.ASKED):
            for firing in firings.in_state(course.schedule, state):
                skip(course, firing, "deleted")
        firings.leave(course.schedule)
        course.note(ScheduleDeleted(reason=reason))
        course.keep(deleted_at=course.now)
        course.close()
