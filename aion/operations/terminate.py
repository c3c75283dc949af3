"""Terminate a run: close it at once, without running its code."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from aion.core.errors import TerminatedError
from aion.core.events import ChildWorkflowTerminated, WorkflowTerminated
from aion.core.failures import encode_failure, failure_from
from aion.core.history import Recorded
from aion.core.status import RunStatus
from aion.operations import announcing, bell
from aion.operations.checking import check_text
from aion.operations.clock import clock
from aion.operations.target import lock_open
from aion.store import histories, mailbox, outgoing, runs, updates
from aion.store.dialects import atomic, connection
from aion.store.rows import RunRow


def terminate(
    workflow_id: str | None, run_id: uuid.UUID | str | None = None, *, reason: str = ""
) -> None:
    """End an open run now. Its activities are told to stop; its code does not get to clean up.

    Raises:
        RunNotFound: there is no such run.
        RunClosed: it has ended already.
        InvalidArgument: the reason is no text.
    """
    check_text("reason", reason, most=None)
    with atomic():
        run = lock_open(workflow_id, run_id)
        now = clock.now()
        waiting = mailbox.waiting(run.id)
        close(run, reason=reason)
        mailbox.post(outgoing.refusals(run.workflow_id, waiting), now=now)
        if run.parent_run_id is not None:
            known_as = runs.id_for_parent(run.id, run.chain_position)
            outcome = ChildWorkflowTerminated(
                workflow_id=run.workflow_id, run_id=str(known_as), reason=reason
            )
            mailbox.post([mailbox.message(run.parent_run_id, outcome)], now=now)


def close(run: RunRow, *, reason: str, spared: Sequence[uuid.UUID] = ()) -> None:
    """Write the end of a terminated run; the close policies of its children are applied but to the spared.

    For holders of the run's lock, who see to its parent and to the messages that wait for it.
    """
    now = histories.time_behind(run.id, clock.now())
    event = WorkflowTerminated(reason=reason)
    histories.append(run.id, [Recorded(run.head_seq + 1, now, event)], expected_seq=run.head_seq)
    failure = failure_from(TerminatedError(reason or "terminated"))
    stored = encode_failure(failure).decode()
    runs.close_from_outside(run.id, RunStatus.TERMINATED, at=now, failure=stored)
    with connection().cursor() as cursor:
        outgoing.close_children(cursor, [run.id], now=now, spared=spared)
        updates.abandon(cursor, [run.id])
    bell.ring_closed_after_commit(run.id)
    announcing.closed_after_commit(run, RunStatus.TERMINATED, at=now, failure=failure)
    bell.ring_loops_after_commit()
