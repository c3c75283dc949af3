"""Reopen a run: the same run goes on from before its failure.

The last arrival of the history is undone: what the code did because of it, and the close. If it was a bad
outcome (a failed activity), the work is asked for again. If it was anything else (a result, a signal, a
timer), it happened, so it comes again as it was, and the code may take it better this time. What succeeded
before is not repeated.
"""

from __future__ import annotations

import uuid

from aion.core.errors import RunNotFound, WrongState
from aion.core.events import (
    ActivityCancelled,
    ActivityFailed,
    ActivityTimedOut,
    CancelRequested,
    Event,
    WorkflowReopened,
    WorkflowStarted,
)
from aion.core.history import Recorded
from aion.core.ids import uuid7
from aion.core.pending import effective, last_group
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
_AGAIN = (ActivityFailed, ActivityTimedOut, ActivityCancelled, CancelRequested)


def reopen(
    workflow_id: str | None, run_id: uuid.UUID | str | None = None, *, reason: str = ""
) -> uuid.UUID:
    """Open a failed, cancelled, timed out or terminated run again, and give its id.

    Deadlines of the run do not hold any more: they have passed, or would at once.

    Raises:
        RunNotFound: there is no such run.
        WrongState: it is open, it completed, or its workflow id has another open run.
    """
    check_text("reason", reason, most=None)
    with atomic():
        run = claims.lock_run(find(workflow_id, run_id).id)
        if run is None:
            raise RunNotFound(f"Run {run_id} was deleted", workflow_id=workflow_id, run_id=run_id)
        if run.status not in REOPENABLE:
            raise WrongState(f"Run {run.id} is {run.status} and cannot be reopened", run_id=run.id)
        lifecycle.require_no_open_run(run.workflow_id)
        lifecycle.open_again(run.id)
        _undo(run, reason)
        bell.ring_loops_after_commit()
    return run.id


def _undo(run: RunRow, reason: str) -> None:
    now = clock.now()
    history = effective(histories.load_one(run.id))
    cut = last_group(history)
    undone = next((r.event for r in history[cut:] if r.event.role.value == "arrival"), None)
    kept = history[:cut]
    if isinstance(undone, WorkflowStarted):
        kept, undone = history[:1], None
    mark = WorkflowReopened(reason=reason, keep_until=kept[-1].seq, seed=uuid7().hex)
    histories.append(run.id, [Recorded(run.head_seq + 1, now, mark)], expected_seq=run.head_seq)
    rearm(run.id, kept, task_queue=run.task_queue, now=now)
    if undone is not None and _happened(undone):
        mailbox.post([mailbox.message(run.id, undone)], now=now)


def _happened(event: Event) -> bool:
    """Tell whether an undone arrival is a fact that comes again, and not work to be done again."""
    return not isinstance(event, _AGAIN)
