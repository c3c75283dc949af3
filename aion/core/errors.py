"""Every exception that Aion raises, in one family with stable codes.

Theory of operation
-------------------
All errors derive from `AionError`. Each class has a `code`: a short stable word that the API, the
commands and the logs show, and that callers may compare; messages may change, codes do not. The
keyword arguments given to an error become attributes, so that a caller reads ids instead of parsing
text, and pickling needs no hooks.

The branches say whose fault it is: `DefinitionError` and `WorkflowCodeError` (the programmer),
`NonDeterminismError` (code against history), `StoreError` (a race; try the turn again),
`OperationError` (the caller), `PayloadError` (the data), `PayloadUnavailable` (its keeping),
`FailureError` (what happened inside a workflow or an activity, as the caller or the workflow sees it).
"""

from __future__ import annotations

import asyncio
import builtins
import uuid

from aion.core.failure_errors import (
    ActivityError as ActivityError,
)
from aion.core.failure_errors import (
    ApplicationError as ApplicationError,
)
from aion.core.failure_errors import (
    ChildWorkflowError as ChildWorkflowError,
)
from aion.core.failure_errors import (
    FailureError as FailureError,
)
from aion.core.failure_errors import (
    TerminatedError as TerminatedError,
)
from aion.core.failure_errors import (
    TimeoutError as TimeoutError,
)
from aion.core.failure_errors import (
    WorkflowFailureError as WorkflowFailureError,
)
from aion.core.payload_errors import (
    PayloadCodecError as PayloadCodecError,
)
from aion.core.payload_errors import (
    PayloadError as PayloadError,
)
from aion.core.payload_errors import (
    PayloadStorageError as PayloadStorageError,
)
from aion.core.payload_errors import (
    PayloadTooLarge as PayloadTooLarge,
)
from aion.core.payload_errors import (
    PayloadUnavailable as PayloadUnavailable,
)
from aion.core.payload_errors import (
    PayloadUndecodable as PayloadUndecodable,
)
from aion.core.payload_errors import (
    PayloadUnserializable as PayloadUnserializable,
)
from aion.core.payload_errors import (
    UnknownPayloadCodec as UnknownPayloadCodec,
)
from aion.core.payload_errors import (
    UnknownPayloadKey as UnknownPayloadKey,
)
from aion.core.root_error import AionError as AionError

CancelledError = asyncio.CancelledError
"""Raised where an awaited thing was cancelled: always asyncio's own, whatever the timing."""


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


class PendingActivityLimitExceeded(WorkflowCodeError):
    """A turn asked for more activities than a run may have pending; it is held and tried again.

    Attributes: `pending` (those that it would have), `limit`.
    """

    code = "pending_activity_limit"

    pending: int
    limit: int


class CrashLoop(AionError):
    """Worker after worker died in the hands of a run: it is parked until somebody releases it."""

    code = "crash_loop"


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


class ArchiveError(AionError):
    """A run could not be written to the archive, so it was not deleted. Attributes: `run_id`, `name`."""

    code = "archive_failed"


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

    workflow_id: str
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


class QueryRejected(QueryError):
    """The run's status is one that the caller wants no answer from. Attributes: `query`, `status`."""

    code = "query_rejected"


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
    """An update was accepted and its handler failed; `__cause__` says why. Attribute: `update_id`."""

    code = "update_failed"


class UpdateAbandoned(UpdateFailed):
    """The run ended while an accepted update's handler was running: how far it came is not known."""

    code = "update_abandoned"


class UpdateLimitReached(OperationError):
    """The run takes no further update for now, or for good. Attributes: `run_id`, `setting`, `limit`."""

    code = "update_limit"

    setting: str
    limit: int


class OpenRunLimitReached(OperationError):
    """The workflow type has as many open runs as the settings allow. Attributes: `workflow_type`, `limit`."""

    code = "open_run_limit"

    workflow_type: str
    limit: int


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
