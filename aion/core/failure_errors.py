"""What happened inside of workflows and activities: errors that travel as data (see `aion.core.errors`)."""

from __future__ import annotations

import builtins
from datetime import timedelta
from typing import Any

from aion.core.root_error import AionError


class FailureError(AionError):
    """The base of what travels as a `Failure`: out of activities, children and workflows."""

    code = "failure"

    @property
    def cause(self) -> BaseException | None:
        """The error behind this one."""
        return self.__cause__


class ApplicationError(FailureError):
    """An error of the application's own, raised in workflows and activities.

    `details` are any values that Aion can store. `type` is the name that `non_retryable` lists of a
    retry policy compare; it defaults to the class name. `non_retryable` ends an activity at once;
    `next_retry_delay` overrides the policy's next interval. A `benign` one is part of ordinary business:
    it fails like any other, but is not reported as a problem (`aion.contrib.sentry`, log level).
    """

    code = "application_error"

    def __init__(
        self,
        message: str = "",
        *details: Any,
        type: str | None = None,
        non_retryable: bool = False,
        next_retry_delay: timedelta | None = None,
        benign: bool = False,
    ) -> None:
        super().__init__(message)
        self.details = details
        self.type = type or self.__class__.__name__
        self.non_retryable = non_retryable
        self.next_retry_delay = next_retry_delay
        self.benign = benign


class TimeoutError(FailureError, builtins.TimeoutError):
    """A deadline passed.

    `kind` says which: `start_to_close`, `schedule_to_close`, `schedule_to_start`, `heartbeat`, `run` or
    `execution`; `details` is the last heartbeat's.
    """

    code = "timeout"

    def __init__(self, message: str, *, kind: str = "", details: tuple[Any, ...] = ()) -> None:
        super().__init__(message)
        self.kind = kind
        self.details = details


class TerminatedError(FailureError):
    """A run was terminated by an operator. The message is the reason."""

    code = "terminated"


class ActivityError(FailureError):
    """An activity did not succeed; `cause` says why."""

    code = "activity_error"

    def __init__(
        self, message: str, *, activity_type: str = "", activity_id: str = "", attempt: int = 0
    ) -> None:
        super().__init__(message)
        self.activity_type = activity_type
        self.activity_id = activity_id
        self.attempt = attempt


class ChildWorkflowError(FailureError):
    """A child workflow did not succeed; `cause` says why."""

    code = "child_workflow_error"

    def __init__(
        self, message: str, *, workflow_type: str = "", workflow_id: str = "", run_id: str = ""
    ) -> None:
        super().__init__(message)
        self.workflow_type = workflow_type
        self.workflow_id = workflow_id
        self.run_id = run_id


class WorkflowFailureError(FailureError):
    """What `handle.result()` raises for a run that did not complete; `cause` says why."""

    code = "workflow_failure"

    def __init__(self, message: str, *, workflow_id: str = "", run_id: str = "") -> None:
        super().__init__(message)
        self.workflow_id = workflow_id
        self.run_id = run_id
