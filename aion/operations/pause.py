"""Pause a run, and let it go on."""

from __future__ import annotations

import uuid

from aion.core.errors import WrongState
from aion.core.events import Event, WorkflowPaused, WorkflowResumed
from aion.core.history import Recorded
from aion.core.status import RunStatus
from aion.operations import bell
from aion.operations.checking import check_text
from aion.operations.clock import clock
from aion.operations.target import lock_open
from aion.store import histories, lifecycle
from aion.store.dialects import atomic
from aion.store.rows import RunRow


def pause(
    workflow_id: str | None, run_id: uuid.UUID | str | None = None, *, reason: str = ""
) -> None:
    """Let a run make no further turn. Attempts that run go on, and their outcomes wait, as signals do.

    Raises:
        RunNotFound: there is no such run.
        RunClosed: it has ended.
        WrongState: it is paused already.
    """
    check_text("reason", reason, most=None)
    with atomic():
        run = lock_open(workflow_id, run_id)
        _require(run, RunStatus.RUNNING, "pause")
        _note(run, WorkflowPaused(reason=reason))
        lifecycle.pause(run.id)


def resume(
    workflow_id: str | None, run_id: uuid.UUID | str | None = None, *, reason: str = ""
) -> None:
    """Let a paused run go on with what has waited for it.

    Raises:
        RunNotFound: there is no such run.
        RunClosed: it has ended.
        WrongState: it is not paused.
    """
    check_text("reason", reason, most=None)
    with atomic():
        run = lock_open(workflow_id, run_id)
        _require(run, RunStatus.PAUSED, "resume")
        _note(run, WorkflowResumed(reason=reason))
        lifecycle.resume(run.id, now=clock.now())
        bell.ring_for_activities_after_commit()


def _require(run: RunRow, status: RunStatus, verb: str) -> None:
    if run.status != status:
        raise WrongState(
            f"Run {run.id} is {run.status}: only a run that is {status} can be {verb}d",
            run_id=run.id,
            status=run.status,
        )


def _note(run: RunRow, event: Event) -> None:
    recorded = Recorded(run.head_seq + 1, histories.time_behind(run.id, clock.now()), event)
    histories.append(run.id, [recorded], expected_seq=run.head_seq)
