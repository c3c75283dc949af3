"""What a closing event means: for the run's row, and for the parent that waits."""

from __future__ import annotations

from typing import Any, Final

from aion.core import events
from aion.core.errors import TimeoutError as AionTimeoutError
from aion.core.failures import Failure, encode_failure, failure_from
from aion.store import mailbox, runs
from aion.store.rows import RunRow
from aion.store.turns import TurnWrites


def outcome_of(event: events.Event) -> tuple[str | None, str | None]:
    """Give result and failure of a run as its closing event says, as JSON."""
    match event:
        case events.WorkflowCompleted():
            return bytes(event.result).decode(), None
        case events.WorkflowFailed():
            return None, encode_failure(event.failure).decode()
        case events.WorkflowCancelled():
            failure = Failure(type="CancelledError", message=event.reason, kind="cancelled")
            return None, encode_failure(failure).decode()
        case events.WorkflowTerminated():
            failure = Failure(type="TerminatedError", message=event.reason, kind="terminated")
            return None, encode_failure(failure).decode()
        case events.WorkflowTimedOut():
            return None, encode_failure(timeout_failure(event)).decode()
        case _:
            return None, None


def timeout_failure(event: events.WorkflowTimedOut) -> Failure:
    """Say as a failure that a run's deadline passed."""
    return failure_from(AionTimeoutError(f"The {event.kind} timeout passed", kind=event.kind))


def report_to_parent(run: RunRow, event: events.Event, writes: TurnWrites) -> None:
    """Post a closed child's outcome to its parent; the parent drops what it no longer waits for."""
    if run.parent_run_id is None:
        return
    known_as = runs.id_for_parent(run.id, run.chain_position)
    ids = {"workflow_id": run.workflow_id, "run_id": str(known_as)}
    outcome: events.ChildOutcome | None = child_outcome(event, ids)
    if outcome is not None:
        writes.messages_out.append(mailbox.message(run.parent_run_id, outcome))


_PLAIN: Final[dict[type, Any]] = {
    events.WorkflowCancelled: events.ChildWorkflowCancelled,
    events.WorkflowTerminated: events.ChildWorkflowTerminated,
}


def child_outcome(event: events.Event, ids: dict[str, str]) -> events.ChildOutcome | None:
    """Translate a run's closing event into its parent's arrival."""
    match event:
        case events.WorkflowCompleted():
            return events.ChildWorkflowCompleted(result=event.result, **ids)
        case events.WorkflowFailed():
            return events.ChildWorkflowFailed(failure=event.failure, **ids)
        case events.WorkflowTimedOut():
            return events.ChildWorkflowTimedOut(**ids)
        case events.WorkflowCancelled() | events.WorkflowTerminated():
            found: events.ChildOutcome = _PLAIN[type(event)](reason=event.reason, **ids)
            return found
        case _:
            return None
