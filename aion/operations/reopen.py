"""Reopen a run: the same run goes on from before its end.

Where the run was ended from outside (terminated, timed out), nothing is undone but the end. Where it was
cancelled, the request and all that came of it are undone. Where it failed, the last arrival of the history
is: what the code did because of it, and the close.

An undone arrival that was a bad outcome (a failed activity) means that the work is asked for again. One that
was anything else (a result, a signal, a timer) happened, so it comes again as it was, and the code may take
it better this time. What succeeded before is not repeated.
"""

from __future__ import annotations

import uuid

from aion.core.errors import RunNotFound, WrongState
from aion.core.events import (
    ActivityCompleted,
    CancelRequested,
    ChildOutcome,
    Event,
    ExternalRequestDelivered,
    ExternalRequestFailed,
    Role,
    SignalReceived,
    TimerFired,
    UpdateAccepted,
    WorkflowReopened,
)
from aion.core.history import Recorded
from aion.core.ids import uuid7
from aion.core.pending import PendingWork, effective, end_begins, last_group, pending_work
from aion.core.status import RunStatus
from aion.operations import bell
from aion.operations.checking import check_text
from aion.operations.clock import clock
from aion.operations.rearming import rearm
from aion.operations.target import find
from aion.store import claims, histories, lifecycle, mailbox
from aion.store.dialects import atomic
from aion.store.rows import RunRow

REOPENABLE = (
    RunStatus.FAILED,
    RunStatus.CANCELLED,
    RunStatus.TIMED_OUT,
    RunStatus.TERMINATED,
)


def reopen(
    workflow_id: str | None, run_id: uuid.UUID | str | None = None, *, reason: str = ""
) -> uuid.UUID:
    """Open a failed, cancelled, timed out or terminated run again, and give its id.

    Deadlines of the run do not hold any more: they have passed, or would at once.

    Raises:
        RunNotFound: there is no such run.
        WrongState: it is open, it completed, other runs have followed it, or its workflow id has another open
            run.
    """
    check_text("reason", reason, most=None)
    with atomic():
        run = claims.lock_run(find(workflow_id, run_id).id)
        if run is None:
            raise RunNotFound(f"Run {run_id} was deleted", workflow_id=workflow_id, run_id=run_id)
        if run.status not in REOPENABLE:
            raise WrongState(f"Run {run.id} is {run.status} and cannot be reopened", run_id=run.id)
        lifecycle.require_last_of_chain(run.id, "reopened")
        lifecycle.require_no_open_run(run.workflow_id)
        lifecycle.open_again(run.id)
        _undo(run, reason)
        bell.ring_loops_after_commit()
    return run.id


def _undo(run: RunRow, reason: str) -> None:
    now = histories.time_behind(run.id, clock.now())
    history = effective(histories.load_one(run.id))
    cut = _cut(history, RunStatus(run.status))
    kept, undone = history[:cut], history[cut:]
    mark = WorkflowReopened(reason=reason, keep_until=kept[-1].seq, seed=uuid7().hex)
    histories.append(run.id, [Recorded(run.head_seq + 1, now, mark)], expected_seq=run.head_seq)
    mailbox.drop_outcomes_of_activities(run.id)
    again = _again(kept, undone)
    rearm(run.id, kept, besides=again, like=run, now=now)
    mailbox.post([mailbox.message(run.id, event) for event in again], now=now)


def _cut(history: list[Recorded], status: RunStatus) -> int:
    """Say how many events are kept."""
    cut = end_begins(history)
    if status is RunStatus.CANCELLED:
        asked = [i for i, r in enumerate(history) if isinstance(r.event, CancelRequested)]
        cut = last_group(history[: asked[0] + 1]) if asked else cut
    return max(cut, 1)  # the start is never undone: the code begins anew


def _again(kept: list[Recorded], undone: list[Recorded]) -> list[Event]:
    """Choose the undone arrivals that are facts, and mean something to what is kept."""
    work = pending_work(kept)
    arrivals = [r.event for r in undone if r.event.role is Role.ARRIVAL]
    found = [event for event in arrivals if _comes_again(event, work)]
    if arrivals and isinstance(arrivals[0], ActivityCompleted) and arrivals[0].local:
        return [arrivals[0], *found]  # that the code waited for it, only its outcome says
    return found


def _comes_again(event: Event, work: PendingWork) -> bool:
    match event:
        case SignalReceived() | UpdateAccepted():
            return True
        case ActivityCompleted():
            return event.activity_id in work.activities
        case ChildOutcome():
            return event.run_id in work.children
        case TimerFired():
            return event.timer_id in work.timers
        case ExternalRequestDelivered() | ExternalRequestFailed():
            return event.request_id in work.requests
        case _:
            return False
