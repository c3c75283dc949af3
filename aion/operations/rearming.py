"""What a run waits for that goes on from a part of its history: asked for again, or answered.

Activities are asked for again; one whose cancel was asked for counts as cancelled. Timers keep their times.
Children that have ended meanwhile are answered for; those that are open report by themselves. So are messages
to other runs whose answer was dropped.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Sequence

import msgspec

from aion.core.events import (
    ActivityCancelled,
    ActivityCancelRequested,
    ChildOutcome,
    ChildWorkflowCancelled,
    ChildWorkflowCompleted,
    ChildWorkflowFailed,
    ChildWorkflowStarted,
    ChildWorkflowTerminated,
    ChildWorkflowTimedOut,
    Event,
)
from aion.core.failures import Failure, decode_failure
from aion.core.history import Recorded
from aion.core.pending import pending_work
from aion.core.shown import shown_of
from aion.core.status import RunStatus
from aion.operations import unanswered
from aion.store import lifecycle, mailbox, runs
from aion.store.rows import RunRow


def rearm(
    run_id: uuid.UUID,
    kept: Sequence[Recorded],
    *,
    besides: Iterable[Event] = (),
    waiting: Sequence[tuple[str, str]] = (),
    like: RunRow,
    now: dt.datetime,
) -> None:
    """Write the rows and messages that a history leads to, and what is shown of it.

    `besides` are arrivals that are on their way; `waiting` are messages (kind and body) that will be put into
    its mailbox. Queue and priority are those of the run that it is `like`. For holders of the run's lock.
    """
    work = pending_work([*kept, *(Recorded(0, now, event) for event in besides)])
    answers: list[Event] = [
        ActivityCancelled(activity_id=activity_id)
        for activity_id in _cancelled(kept)
        if work.activities.pop(activity_id, None) is not None
    ]
    for child in work.children.values():
        last = last_run(child)
        if last is None or not last.status.is_open:
            answers.append(outcome_of(child, last))
    lifecycle.arm(run_id, work, like=like, now=now)
    lifecycle.show(run_id, shown_of(kept))
    mailbox.post([(run_id, mailbox.WAKE, "{}")], now=now)
    messages = [mailbox.message(run_id, answer) for answer in answers]
    mailbox.post([*messages, *unanswered.answers(run_id, work.requests, waiting=waiting)], now=now)


def _cancelled(history: Iterable[Recorded]) -> list[str]:
    return [
        recorded.event.activity_id
        for recorded in history
        if isinstance(recorded.event, ActivityCancelRequested)
    ]


def last_run(child: ChildWorkflowStarted) -> runs.RunSummary | None:
    """Find the last run of a child's chain; None when there is none any more."""
    return runs.last_of_chain(uuid.UUID(child.run_id))


def outcome_of(child: ChildWorkflowStarted, last: runs.RunSummary | None) -> ChildOutcome:
    """Say again to the parent how a child ended."""
    ids = {"workflow_id": child.workflow_id, "run_id": child.run_id}
    failure = Failure(type="TerminatedError", message="its run is gone")
    last = last and runs.opened(last)
    if last is not None and last.failure is not None:
        failure = decode_failure(last.failure.encode())
    match last and last.status:
        case RunStatus.COMPLETED:
            assert last is not None  # noqa: S101  # it has a status
            result = msgspec.Raw((last.result or "null").encode())
            return ChildWorkflowCompleted(result=result, **ids)
        case RunStatus.FAILED:
            return ChildWorkflowFailed(failure=failure, **ids)
        case RunStatus.CANCELLED:
            return ChildWorkflowCancelled(reason=failure.message, **ids)
        case RunStatus.TIMED_OUT:
            return ChildWorkflowTimedOut(**ids)
        case _:
            return ChildWorkflowTerminated(reason=failure.message, **ids)
