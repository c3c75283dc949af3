"""Children: started, ended."""

from __future__ import annotations

import datetime as dt

from aion.core.events.base import (
    EMPTY_OBJECT,
    NULL,
    UNSET,
    Arrival,
    ClearPayload,
    CommandEvent,
    Payload,
    SealedTexts,
)
from aion.core.failures import Failure
from aion.core.priority import INHERITED
from aion.core.retry import RetryPolicy


class ChildWorkflowStarted(CommandEvent, frozen=True, kw_only=True):
    """The workflow started a child; the child's run is created in the same commit."""

    workflow_id: str
    workflow_type: str
    run_id: str = ""
    input: Payload = EMPTY_OBJECT
    task_queue: str = ""
    run_timeout: dt.timedelta | None = None
    execution_timeout: dt.timedelta | None = None
    retry: RetryPolicy | None = None
    parent_close_policy: str = "terminate"
    memo: Payload = EMPTY_OBJECT
    search_attributes: ClearPayload = EMPTY_OBJECT
    search_attribute_kinds: dict[str, str] = {}
    headers: dict[str, str] = {}
    sealed: SealedTexts = UNSET
    cron: str = ""
    time_zone: str = ""
    priority: int = INHERITED

    @property
    def key(self) -> tuple[str, ...]:
        """The child's id and type."""
        return (self.workflow_id, self.workflow_type)


class ChildOutcome(Arrival, frozen=True, kw_only=True):
    """The base of a child's outcomes."""

    workflow_id: str
    run_id: str = ""


class ChildWorkflowCompleted(ChildOutcome, frozen=True, kw_only=True):
    """The child returned."""

    result: Payload = NULL


class ChildWorkflowFailed(ChildOutcome, frozen=True, kw_only=True):
    """The child failed."""

    failure: Failure


class ChildWorkflowCancelled(ChildOutcome, frozen=True, kw_only=True):
    """The child was cancelled."""

    reason: str = ""


class ChildWorkflowTimedOut(ChildOutcome, frozen=True, kw_only=True):
    """The child's deadline passed."""


class ChildWorkflowTerminated(ChildOutcome, frozen=True, kw_only=True):
    """The child was terminated."""

    reason: str = ""
