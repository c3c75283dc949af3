"""Notices which runs of a schedule have ended, each with its whole chain, and what that means."""

from __future__ import annotations

from typing import Final

from aion.core.events.schedules import ScheduleFiringEnded, SchedulePaused
from aion.core.status import RunStatus
from aion.models import Firing
from aion.models.schedules import FiringState
from aion.operations.schedules.course import Course
from aion.store import firings, runs
from aion.store.runs import RunSummary
from aion.store.schedule_payloads import keep_failure, keep_result

_MOST: Final = 500
_DELETED: Final = "deleted"
_FAILED: Final = (RunStatus.FAILED, RunStatus.TIMED_OUT)


def settle(course: Course) -> None:
    """Bring the running firings to where their runs are."""
    if FiringState.RUNNING not in course.states:
        return
    ended = firings.ended(course.schedule, limit=_MOST)
    for firing in ended:
        _settle_one(course, firing)
    if ended:
        course.forget_firings()
    course.unfinished = course.unfinished or len(ended) == _MOST


def _settle_one(course: Course, firing: Firing) -> None:
    assert firing.current_run_id is not None  # noqa: S101  # it is running
    run = runs.last_of_chain(firing.current_run_id)
    if run is not None:
        firing.current_run_id = run.id
    if run is None or run.closed_at is not None:
        status = _DELETED if run is None else run.status.value
        firing.state, firing.outcome, firing.ended_at = FiringState.ENDED, status, course.now
        course.note(
            ScheduleFiringEnded(
                nominal_at=firing.nominal_at,
                workflow_id=firing.workflow_id,
                run_id=str(firing.current_run_id),
                status=status,
            )
        )
        if run is not None:
            _remember(course, run)
    firings.write(firing)


def _remember(course: Course, run: RunSummary) -> None:
    """Keep the outcome for the next run; pause where the schedule is told to."""
    schedule = course.schedule
    if run.status == RunStatus.COMPLETED:
        course.keep(last_result=keep_result(run.result, run.id, schedule), last_failure=None)
    elif run.status in _FAILED:
        course.keep(last_failure=keep_failure(run.failure, run.id, schedule))
        if course.config.pause_on_failure and not schedule.paused:
            schedule.paused = True
            schedule.note = f"run {run.id} of workflow id {run.workflow_id} ended {run.status}"
            course.note(SchedulePaused(note=schedule.note, run_id=str(run.id)))
