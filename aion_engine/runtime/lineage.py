"""The runs that a run brings forth: its children, and the successor of its chain."""

from __future__ import annotations

import datetime as dt
import uuid

import msgspec

from aion.authoring.registry import registry
from aion.core import events
from aion.core.failures import Failure
from aion.core.history import Recorded
from aion.core.retry import RetryPolicy, next_delay
from aion.store.rows import RunRow
from aion.store.runs import NewRun


def definition_hash(workflow_type: str) -> str:
    """Give the hash of a type that this process knows; children may be other processes' types."""
    definition = registry.workflows.get(workflow_type)
    return definition.definition_hash if definition is not None else ""


def child_of(
    run: RunRow,
    started: events.WorkflowStarted | None,
    event: events.ChildWorkflowStarted,
    at: dt.datetime,
) -> NewRun:
    """Make the run of a child."""
    run_id = uuid.UUID(event.run_id)
    first = events.WorkflowStarted(
        workflow_id=event.workflow_id,
        workflow_type=event.workflow_type,
        task_queue=event.task_queue or run.task_queue,
        input=event.input,
        definition_hash=definition_hash(event.workflow_type),
        seed=run_id.hex,
        parent_run_id=str(run.id),
        parent_workflow_id=run.workflow_id,
        first_run_id=event.run_id,
        parent_close_policy=event.parent_close_policy,
        root_run_id=(started.root_run_id if started else None) or str(run.id),
        root_workflow_id=(started.root_workflow_id if started else None) or run.workflow_id,
        run_timeout=event.run_timeout,
        execution_timeout=event.execution_timeout,
        execution_deadline_at=at + event.execution_timeout if event.execution_timeout else None,
        retry=event.retry,
        memo=event.memo,
        search_attributes=event.search_attributes,
        search_attribute_kinds=event.search_attribute_kinds,
        headers=event.headers,
    )
    return NewRun(run_id, first, at)


def successor_of(
    run: RunRow, started: events.WorkflowStarted | None, last: Recorded
) -> NewRun | None:
    """Make the run that goes on where a closed one ended; None when the chain ends here."""
    match last.event:
        case events.WorkflowContinuedAsNew():
            assert started is not None  # noqa: S101  # only an instance issues this event
            return _continued(run, started, last, last.event)
        case events.WorkflowFailed() if last.event.successor_run_id and started is not None:
            return _retried(run, started, last, last.event)
        case _:
            return None


def _continued(
    run: RunRow,
    started: events.WorkflowStarted,
    last: Recorded,
    event: events.WorkflowContinuedAsNew,
) -> NewRun:
    workflow_type = event.workflow_type or started.workflow_type
    first = msgspec.structs.replace(
        started,
        workflow_type=workflow_type,
        task_queue=event.task_queue or started.task_queue,
        input=event.input,
        definition_hash=definition_hash(workflow_type),
        behaviour_version=events.BEHAVIOUR_VERSION,
        run_timeout=event.run_timeout or started.run_timeout,
        memo=event.memo,
        search_attributes=event.search_attributes,
        search_attribute_kinds=event.search_attribute_kinds,
        attempt=1,
        start_delay=None,
    )
    return _next_in_chain(run, first, last, event.successor_run_id)


def _retried(
    run: RunRow, started: events.WorkflowStarted, last: Recorded, event: events.WorkflowFailed
) -> NewRun:
    delay = retry_delay(run.id, started, event.failure) or dt.timedelta(0)
    first = msgspec.structs.replace(
        started,
        attempt=started.attempt + 1,
        last_failure=event.failure,
        start_delay=delay if delay > dt.timedelta(0) else None,
        definition_hash=definition_hash(started.workflow_type),
    )
    return _next_in_chain(run, first, last, event.successor_run_id)


def _next_in_chain(
    run: RunRow, first: events.WorkflowStarted, last: Recorded, successor_run_id: str
) -> NewRun:
    run_id = uuid.UUID(successor_run_id)
    first = msgspec.structs.replace(
        first, seed=run_id.hex, continued_from_run_id=str(run.id), request_id=""
    )
    return NewRun(
        run_id,
        first,
        last.recorded_at,
        seq=last.seq + 1,
        chain_position=run.chain_position + 1,
    )


def retry_delay(
    run_id: uuid.UUID, started: events.WorkflowStarted, failure: Failure
) -> dt.timedelta | None:
    """Say how long a failed run's next attempt waits; None when there is none."""
    policy: RetryPolicy | None = started.retry
    if policy is None:
        return None
    return next_delay(policy, attempt=started.attempt, failure=failure, seed=str(run_id))
