"""The status of a run: a projection of its history, by one table."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from aion.core import events
from aion.core.events import Event


class RunStatus(StrEnum):
    """Where a run stands. Only `RUNNING` and `PAUSED` are open."""

    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TERMINATED = "terminated"
    TIMED_OUT = "timed_out"
    CONTINUED_AS_NEW = "continued_as_new"

    @property
    def is_open(self) -> bool:
        """Whether the run may still make turns."""
        return self in OPEN


OPEN: Final = frozenset({RunStatus.RUNNING, RunStatus.PAUSED})

STATUS_AFTER: Final[dict[type[Event], RunStatus]] = {
    events.WorkflowStarted: RunStatus.RUNNING,
    events.WorkflowPaused: RunStatus.PAUSED,
    events.WorkflowResumed: RunStatus.RUNNING,
    events.WorkflowReopened: RunStatus.RUNNING,
    events.WorkflowCompleted: RunStatus.COMPLETED,
    events.WorkflowFailed: RunStatus.FAILED,
    events.WorkflowCancelled: RunStatus.CANCELLED,
    events.WorkflowTerminated: RunStatus.TERMINATED,
    events.WorkflowTimedOut: RunStatus.TIMED_OUT,
    events.WorkflowContinuedAsNew: RunStatus.CONTINUED_AS_NEW,
}
"""The newest of these events decides; no other event moves the status."""

TERMINAL_EVENTS: Final = tuple(kind for kind, status in STATUS_AFTER.items() if status not in OPEN)


def project(history: Iterable[Event]) -> RunStatus:
    """Give the status that a history says; an empty one is running."""
    status = RunStatus.RUNNING
    for event in history:
        status = STATUS_AFTER.get(type(event), status)
    return status
