"""Every exception that Aion raises, in one family with stable codes.

Theory of operation
-------------------
All errors derive from `AionError`. Each class has a `code`: a short stable word that the API, the
commands and the logs show, and that callers may compare; messages may change, codes do not. The
keyword arguments given to an error become attributes, so that a caller reads ids instead of parsing
text, and pickling needs no hooks.

The branches say whose fault it is: `DefinitionError` and `WorkflowCodeError` (the programmer),
`NonDeterminismError` (code against history), `StoreError` (a race; try the turn again),
`OperationError` (the caller), `PayloadError` (the data), `FailureError` (what happened inside a
workflow or an activity, as the caller or the workflow sees it).
"""

from __future__ import annotations

import asyncio
import builtins
import uuid
from datetime import timedelta
from typing import Any, ClassVar

CancelledError = asyncio.CancelledError
"""Raised where an awaited thing was cancelled: always asyncio's own, whatever the timing."""


class AionError(Exception):
    """The root of every error that Aion raises on purpose."""

    code: ClassVar[str] = "aion_error"

    def __init__(self, message: str, **context: Any) -> None:
        super().__init__(message)
        self.message = message
        self.context = context
        for name, value in context.items():
            setattr(self, name, value)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(cls: type[AionError], args: tuple[Any, ...], state: dict[str, Any]) -> AionError:
    """Unpickle an error without calling its `__init__`, whose signature differs by class."""
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


# --- the programmer -------------------------------------------------------------------------------


class DefinitionError(AionError):
    """A workflow or activity is defined in a way that cannot work."""

    code = "invalid_definition"


class WorkflowCodeError(AionError):
    """Workflow code did what it must not: the run is held until the code is fixed."""

    code = "workflow_code"


class ForbiddenInWorkflow(WorkflowCodeError):
    """Workflow code touched the outside world (database, clock, random, threads, sockets)."""

    code = "forbidden_in_workflow"


class NotInWorkflow(AionError, RuntimeError):
    """A function that needs a running workflow was called outside of one."""

    code = "not_in_workflow"


class NotInActivity(AionError, RuntimeError):
    """A function that needs a running activity attempt was called outside of one."""

    code = "not_in_activity"


class ReadOnlyContext(WorkflowCodeError):
    """A query (or another read-only place) asked the engine for something that changes the run."""

    code = "read_only"


class WorkflowInterrupted(WorkflowCodeError):
    """Workflow code did not yield within the limit and was interrupted."""

    code = "workflow_interrupted"


# --- code against history -------------------------------------------------------------------------


class NonDeterminismError(AionError):
    """Workflow code no longer asks for what its history records.

    Attributes: `seq` (the event where they part), `expected` (what history records), `found` (what
    the code asked for), `where` (file:line of the code that asked, or None).
    """

    code = "non_determinism"

    seq: int
    expected: str
    found: str
    where: str | None


class HistoryError(AionError):
    """A history cannot be read: a gap, an unknown event, a broken attribute."""

    code = "invalid_history"


# --- races ----------------------------------------------------------------------------------------


class StoreError(AionError):
    """The store could not do what was asked; nothing was written."""

    code = "store_error"


class SequenceConflict(StoreError):
    """An append expected another head of the history. Attributes: `expected`, `found`."""

    code = "sequence_conflict"

    expected: int
    found: int


class StaleAttempt(StoreError):
    """An outcome came from an attempt that no longer owns its activity; it changes nothing."""

    code = "stale_attempt"


# --- the caller -----------------------------------------------------------------------------------


class OperationError(AionError):
    """A caller asked for something that cannot be done; nothing changed."""

    code = "operation_error"


class RunNotFound(OperationError):
    """No run has this id."""

    code = "run_not_found"


class RunClosed(OperationError):
    """The run has ended and takes no more messages. Attributes: `workflow_id`, `run_id`, `status`."""

    code = "run_closed"

    run_id: uuid.UUID


class WorkflowAlreadyStarted(OperationError):
    """The workflow id is taken, and the policies given refuse a new run. Attribute: `run_id`."""

    code = "workflow_already_started"


class UnknownType(OperationError):
    """No workflow or activity is registered under this name."""

    code = "unknown_type"


class InvalidArgument(OperationError, ValueError):
    """An argument of an operation is not usable. Attribute: `field`."""

    code = "invalid_argument"


class InvalidSearchAttribute(InvalidArgument):
    """A search attribute is not registered, or a value is not of its kind.

    Attributes: `attribute` (its name), `kind` (None where it is not registered), `value` (as text).
    """

    code = "invalid_search_attribute"

    attribute: str
    kind: str | None
    value: str


class InvalidListQuery(InvalidArgument):
    """A list query cannot be read. Attributes: `position` (of the character, from 0), `query`."""

    code = "invalid_list_query"

    position: int
    query: str


class QueryError(OperationError):
    """A query could not be answered. Attribute: `query`."""

    code = "query_failed"


class UnknownQuery(QueryError):
    """The workflow has no query of this name."""

    code = "unknown_query"


class WrongState(OperationError):
    """The run's status does not allow the operation. The message names it."""

    code = "wrong_state"


class UpdateRefused(OperationError):
    """An update's validator refused it, or there is no such update; `__cause__` says why."""

    code = "update_refused"


class UpdateFailed(OperationError):
    """An update was accepted and its handler failed, or the run ended first; `__cause__` says why."""

    code = "update_failed"


class ActivityNotFound(OperationError):
    """The activity is unknown, already has its outcome, or the token is of an earlier attempt."""

    code = "activity_not_found"


class ScheduleNotFound(OperationError):
    """No schedule has this id. Attribute: `schedule_id`."""

    code = "schedule_not_found"


class ScheduleAlreadyExists(OperationError):
    """There is a schedule of this id. Attribute: `schedule_id`."""

    code = "schedule_already_exists"


class ScheduleConflict(OperationError):
    """The schedule was changed since it was read. Attributes: `schedule_id`, `expected`, `found`."""

    code = "schedule_conflict"


class ResultTimeout(OperationError, builtins.TimeoutError):
    """The run did not end within the time that `result()` was given; it goes on."""

    code = "result_timeout"


# --- the data -------------------------------------------------------------------------------------


class PayloadError(AionError):
    """User data cannot be stored or read. Attribute: `field` names the value."""

    code = "invalid_payload"

    field: str


class PayloadUnserializable(PayloadError, TypeError):
    """A value has no JSON form."""

    code = "payload_unserializable"


class PayloadTooLarge(PayloadError, ValueError):
    """A value is over the size limit. Attributes: `size`, `limit` (bytes)."""

    code = "payload_too_large"

    size: int
    limit: int


class PayloadUndecodable(PayloadError, ValueError):
    """Stored data does not fit the type that the code expects."""

    code = "payload_undecodable"


# --- what happened inside -------------------------------------------------------------------------


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
    `next_retry_delay` overrides the policy's next interval.
    """

    code = "application_error"

    def __init__(
        self,
        message: str = "",
        *details: Any,
        type: str | None = None,
        non_retryable: bool = False,
        next_retry_delay: timedelta | None = None,
    ) -> None:
        super().__init__(message)
        self.details = details
        self.type = type or self.__class__.__name__
        self.non_retryable = non_retryable
        self.next_retry_delay = next_retry_delay


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
