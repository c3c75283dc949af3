"""Terminate a run: close it at once, without running its code."""

from __future__ import annotations

import uuid

from aion.core.events import WorkflowTerminated
from aion.core.failures import encode_failure, failure_from
from aion.core.errors import TerminatedError
from aion.core.history import Recorded
from aion.core.status import RunStatus
from aion.operations import bell
from aion.operations.clock import clock
from aion.operations.target import lock_open
from aion.store import histories, runs
from aion.store.dialects import atomic


def terminate(
    workflow_id: str | None, run_id: uuid.UUID | str | None = None, *, reason: str = ""
) -> None:
    """End an open run now. Its activities are told to stop; its code does not get to clean up.

    Raises:
        RunNotFound: there is no such run.
        RunClosed: it has ended already.
    """
    with atomic():
        run = lock_open(workflow_id, run_id)
        now = clock.now()
        event = WorkflowTerminated(reason=reason)
        histories.append(
            run.id, [Recorded(run.head_seq + 1, now, event)], expected_seq=run.head_seq
        )
        failure = encode_failure(failure_from(TerminatedError(reason or "terminated"))).decode()
        runs.close_from_outside(run.id, RunStatus.TERMINATED, at=now, failure=failure)
        bell.ring_closed_after_commit(run.id)
