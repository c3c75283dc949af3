"""Firing: the overlap policy decides what a time does, and the run is started or waits.

Everything here happens in one transaction that holds the schedule's lock: the firing's row, the run, its
first event and the schedule's history are written together, or none of them is. The row is unique for each
time, and the start carries a request id made of the same time.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable
from typing import Final

import msgspec

from aion.authoring.registry import registry
from aion.core.errors import DefinitionError, RunClosed, WorkflowAlreadyStarted
from aion.core.events.base import UNSET
from aion.core.events.schedules import ScheduleFiringBuffered, ScheduleTriggered
from aion.models import Firing, Schedule
from aion.models.schedules import FiringState
from aion.operations.cancel import cancel
from aion.operations.schedules.course import TIME, Course
from aion.operations.schedules.settling import settle
from aion.operations.start import Started, StartRequest, start
from aion.operations.terminate import terminate
from aion.schedules.config import OverlapPolicy, ScheduleAction
from aion.store import firings
from aion.store.schedule_payloads import failure_of, result_of

_MOST_BUFFERED: Final = 1_000
_CANCELLING: Final = "cancelling"  # the outcome of a firing whose run was asked to cancel
_REASON: Final = "the next time of its schedule has come"
_MOST_TRIES: Final = 10


def new_firing(
    course: Course, nominal_at: dt.datetime, source: str, overlap: OverlapPolicy, key: str = ""
) -> Firing:
    """Make a firing that nobody has decided about. It is not written."""
    return Firing(
        schedule_id=course.schedule.id,
        nominal_at=nominal_at,
        key=key,
        source=source,
        overlap=str(overlap),
        state=FiringState.ASKED,
    )


def fire(course: Course, firing: Firing) -> None:
    """Let the overlap policy decide about a firing: start its run, let it wait, or skip it.

    Raises:
        AionError: the run cannot be started as things are, or what to start cannot be decoded; nothing was
            done.
    """
    action = course.action
    check_startable(action)
    policy = OverlapPolicy(firing.overlap)
    free = not course.running and not course.buffered
    if policy is OverlapPolicy.ALLOW_ALL or free:
        start_run(course, firing)
    else:
        _OVERLAPPING[policy](course, firing)


def _skip(course: Course, firing: Firing) -> None:
    skip(course, firing, "overlap")


def _buffer_one(course: Course, firing: Firing) -> None:
    if course.buffered:
        skip(course, firing, "buffer_full")
    else:
        _buffer(course, firing)


def _buffer_all(course: Course, firing: Firing) -> None:
    if len(course.buffered) >= _MOST_BUFFERED:
        skip(course, firing, "buffer_full")
    else:
        _buffer(course, firing)


def _cancel_other(course: Course, firing: Firing) -> None:
    _replace_buffered(course)
    _end_running(course, _ask_to_cancel)
    if course.running:
        _buffer(course, firing)
    else:
        start_run(course, firing)


def _terminate_other(course: Course, firing: Firing) -> None:
    _replace_buffered(course)
    _end_running(course, _terminate)
    settle(course)
    start_run(course, firing)


_OVERLAPPING: Final[dict[OverlapPolicy, Callable[[Course, Firing], None]]] = {
    OverlapPolicy.SKIP: _skip,
    OverlapPolicy.BUFFER_ONE: _buffer_one,
    OverlapPolicy.BUFFER_ALL: _buffer_all,
    OverlapPolicy.CANCEL_OTHER: _cancel_other,
    OverlapPolicy.TERMINATE_OTHER: _terminate_other,
}


def skip(course: Course, firing: Firing, reason: str) -> None:
    """Decide that a firing starts nothing."""
    course.note_skipped(firing.nominal_at, reason, firing.source)
    course.schedule.skipped_count += 1
    firing.state = FiringState.SKIPPED
    firing.outcome = reason
    if firing.source != TIME or not firing._state.adding:
        firings.write(firing)  # the history is enough for times of the spec


def _buffer(course: Course, firing: Firing) -> None:
    firing.state = FiringState.BUFFERED
    firings.write(firing)
    course.buffered.append(firing)
    course.states.add(FiringState.BUFFERED)
    course.note(ScheduleFiringBuffered(nominal_at=firing.nominal_at, source=firing.source))


def _replace_buffered(course: Course) -> None:
    for waiting in course.buffered:
        skip(course, waiting, "replaced")
    course.buffered.clear()


def _end_running(course: Course, end: Callable[[Firing], None]) -> None:
    """End the open runs; one that goes on as another meanwhile is followed."""
    for _ in range(_MOST_TRIES):
        try:
            for firing in course.running:
                end(firing)
        except RunClosed:
            settle(course)
        else:
            return


def _ask_to_cancel(firing: Firing) -> None:
    if firing.outcome != _CANCELLING:
        cancel(firing.workflow_id, firing.current_run_id, reason=_REASON)
        firing.outcome = _CANCELLING
        firings.write(firing)


def _terminate(firing: Firing) -> None:
    terminate(firing.workflow_id, firing.current_run_id, reason=_REASON)


# --- starting -------------------------------------------------------------------------------------


def check_startable(action: ScheduleAction) -> None:
    """Make sure that a run of the action could begin.

    Raises:
        UnknownType: the workflow is not known here.
        DefinitionError: it is defined in a way that cannot work.
        PayloadError: the arguments do not fit it.
    """
    definition = registry.workflow(action.workflow_type)
    if definition.problems:
        reasons = "; ".join(definition.problems)
        raise DefinitionError(f"Workflow {definition.name} cannot be started: it {reasons}")
    definition.signature.decode(action.input, what=f"workflow {definition.name}")


def request_of(schedule: Schedule, action: ScheduleAction, firing: Firing) -> StartRequest:
    """Give the start that a firing means.

    Raises:
        InvalidArgument: an option of the action cannot be used.
        PayloadUnavailable: the last run's outcome cannot be decoded.
    """
    known = registry.workflows.get(action.workflow_type)
    last_result = result_of(schedule)
    return StartRequest(
        workflow_type=action.workflow_type,
        input=bytes(action.input),
        workflow_id=action.workflow_id_at(schedule.schedule_id, firing.nominal_at),
        request_id=_request_id(schedule, firing),
        task_queue=action.task_queue,
        definition_hash=known.definition_hash if known else "",
        run_timeout=action.run_timeout,
        execution_timeout=action.execution_timeout,
        retry=action.retry,
        priority=action.priority,
        memo=msgspec.json.decode(action.memo),
        search_attributes=msgspec.json.decode(action.search_attributes),
        headers=dict(action.headers),
        last_result=UNSET if last_result is None else msgspec.Raw(last_result),
        last_failure=failure_of(schedule),
    )


def _request_id(schedule: Schedule, firing: Firing) -> str:
    """Give the request id of a start: the same for the same time and key, whoever starts it."""
    key = hashlib.blake2b(firing.key.encode(), digest_size=8).hexdigest()
    return f"schedule {schedule.id} {firing.nominal_at.isoformat()} {key}"


def start_run(course: Course, firing: Firing) -> None:
    """Start the run of a firing now; skip it where its workflow id is taken."""
    schedule = course.schedule
    try:
        started = start(request_of(schedule, course.action, firing))
    except WorkflowAlreadyStarted:
        skip(course, firing, "workflow_id_taken")
        return
    _record_start(course, firing, started)


def _record_start(course: Course, firing: Firing, started: Started) -> None:
    schedule = course.schedule
    firing.workflow_id = started.workflow_id
    firing.run_id = firing.current_run_id = started.run_id
    firing.state = FiringState.RUNNING
    firing.outcome = ""
    firing.started_at = course.now
    firings.write(firing)
    course.running.append(firing)
    course.states.add(FiringState.RUNNING)
    course.starts += 1
    course.mend()
    schedule.started_count += 1
    if firing.source == TIME and schedule.remaining_actions:
        schedule.remaining_actions -= 1
    course.note(
        ScheduleTriggered(
            nominal_at=firing.nominal_at,
            workflow_id=started.workflow_id,
            run_id=str(started.run_id),
            source=firing.source,
        )
    )
