"""Pause a schedule, and let it fire again."""

from __future__ import annotations

from aion.core.errors import WrongState
from aion.core.events.schedules import ScheduleEvent, SchedulePaused, ScheduleResumed
from aion.operations.checking import check_text
from aion.operations.schedules.bring_on import pass_by_what_has_come
from aion.operations.schedules.course import open_course
from aion.store.dialects import atomic


def pause_schedule(schedule_id: str, *, note: str = "", request_id: str = "") -> None:
    """Let no time fire until the schedule is resumed. Its runs go on; it can still be triggered.

    Times that have come and that no tick has decided yet start nothing either: they are noted as skipped.

    Raises:
        ScheduleNotFound: there is no such schedule.
        WrongState: it is paused already.
        InvalidArgument: the note is no text.
    """
    check_text("note", note)
    _set_paused(schedule_id, SchedulePaused(note=note), note, request_id, paused=True)


def resume_schedule(schedule_id: str, *, note: str = "", request_id: str = "") -> None:
    """Let times fire again, those from now on. What waited in the buffer starts.

    Raises:
        ScheduleNotFound: there is no such schedule.
        WrongState: it is not paused.
        InvalidArgument: the note is no text.
    """
    check_text("note", note)
    _set_paused(schedule_id, ScheduleResumed(note=note), note, request_id, paused=False)


def _set_paused(
    schedule_id: str, event: ScheduleEvent, note: str, request_id: str, *, paused: bool
) -> None:
    with atomic():
        found = open_course(schedule_id, request_id=request_id)
        if found.repeated:
            return
        course, schedule = found.course, found.course.schedule
        if schedule.paused is paused:
            word = "paused already" if paused else "not paused"
            raise WrongState(f"Schedule {schedule_id!r} is {word}", schedule_id=schedule_id)
        if paused:
            pass_by_what_has_come(course, "paused")
        schedule.paused, schedule.note, schedule.updated_at = paused, note, course.now
        if not paused:
            schedule.decided_until = max(schedule.decided_until, course.now)
            course.unfinished = True  # the tick starts what waited
        course.note(event)
        course.save(request_id=request_id)
