"""The runs that a run brings forth: its children, and the successor of its chain.

A chain goes on in three ways: the code continues as new, an attempt that did not complete is tried again as
the retry policy says, or a run of a cron chain has ended and the next waits for its time. The successor is
written in the commit that closes the run before, whose closing event names it.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import msgspec

from aion.authoring.registry import registry
from aion.core import events
from aion.core.failures import Failure
from aion.core.history import Recorded
from aion.core.ids import uuid7
from aion.operations.beginnings import cron_beginning, lengths, next_time
from aion.store.new_runs import NewRun
from aion.store.rows import RunRow
from aion_engine.replay.endings import retry_delay
from aion_engine.runtime.outcomes import timeout_failure

_NOW = dt.timedelta(0)
_PAST = dt.datetime.min.replace(tzinfo=dt.UTC)


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
    """Make the run of a child.

    Raises:
        InvalidArgument: its cron expression or time zone cannot be read.
    """
    run_id = uuid.UUID(event.run_id)
    definition = registry.workflows.get(event.workflow_type)
    beginning = cron_beginning(event.cron, event.time_zone, at) if event.cron else {}
    wait = beginning.get("start_delay", _NOW)
    first = events.WorkflowStarted(
        workflow_id=event.workflow_id,
        workflow_type=event.workflow_type,
        task_queue=event.task_queue or run.task_queue,
        input=event.input,
        definition_hash=definition_hash(event.workflow_type),
        behaviour_version=events.BEHAVIOUR_VERSION,
        seed=run_id.hex,
        parent_run_id=str(run.id),
        parent_workflow_id=run.workflow_id,
        first_run_id=event.run_id,
        parent_close_policy=event.parent_close_policy,
        root_run_id=(started.root_run_id if started else None) or str(run.id),
        root_workflow_id=(started.root_workflow_id if started else None) or run.workflow_id,
        run_timeout=event.run_timeout,
        execution_timeout=event.execution_timeout,
        execution_deadline_at=(
            at + wait + event.execution_timeout if event.execution_timeout else None
        ),
        retry=event.retry or (definition.retry if definition is not None else None),
        memo=event.memo,
        search_attributes=event.search_attributes,
        search_attribute_kinds=event.search_attribute_kinds,
        headers=event.headers,
        priority=event.priority or run.priority,
        **beginning,
        **lengths(),
    )
    return NewRun(run_id, first, at)


def conclude(
    run: RunRow, started: events.WorkflowStarted | None, last: Recorded, *, cancelled: bool
) -> tuple[Recorded, NewRun | None]:
    """Give a run's last event, which names the successor if there is one, and the successor.

    Nothing follows a run that was asked to cancel, however it ended, unless its code continued as new.
    """
    event = last.event
    if started is None:
        return last, None
    if isinstance(event, events.WorkflowContinuedAsNew):
        first = _continued(started, event)
        return last, _next_in_chain(run, first, last, event.successor_run_id)
    if cancelled or not isinstance(event, _REPEATABLE):
        return last, None
    found = _tried_again(run, started, event, last.recorded_at)
    found = found or _at_its_next_time(started, event, last.recorded_at)
    if found is None:
        return last, None
    successor_run_id = event.successor_run_id or str(uuid7())
    event = msgspec.structs.replace(event, successor_run_id=successor_run_id)
    last = Recorded(last.seq, last.recorded_at, event)
    return last, _next_in_chain(run, found, last, successor_run_id)


_REPEATABLE = (events.WorkflowCompleted, events.WorkflowFailed, events.WorkflowTimedOut)
_Repeatable = events.WorkflowCompleted | events.WorkflowFailed | events.WorkflowTimedOut


def has_next_time(started: events.Event, at: dt.datetime) -> bool:
    """Tell whether another run of a cron chain follows one that ends now.

    Raises:
        InvalidArgument: this machine does not know the chain's time zone.
    """
    if not isinstance(started, events.WorkflowStarted) or not started.cron:
        return False
    return next_time(started, at) is not None


def _failure_of(event: _Repeatable) -> Failure | None:
    match event:
        case events.WorkflowFailed():
            return event.failure
        case events.WorkflowTimedOut():
            return timeout_failure(event)
        case _:
            return None


def _continued(
    started: events.WorkflowStarted, event: events.WorkflowContinuedAsNew
) -> events.WorkflowStarted:
    workflow_type = event.workflow_type or started.workflow_type
    return _fresh(
        started,
        workflow_type=workflow_type,
        task_queue=event.task_queue or started.task_queue,
        input=event.input,
        run_timeout=event.run_timeout or started.run_timeout,
        memo=event.memo,
        search_attributes=event.search_attributes,
        search_attribute_kinds=event.search_attribute_kinds,
        headers=started.headers if event.headers is None else event.headers,
        attempt=1,
        start_delay=None,
        last_failure=None,
        cron_origin=started.cron_origin or _origin(started),
        initiator="continue_as_new",
    )


def _origin(started: events.WorkflowStarted) -> events.CronOrigin | None:
    if not started.cron:
        return None
    return events.CronOrigin(
        **{name: getattr(started, name) for name in events.CronOrigin.__struct_fields__}
    )


def _tried_again(
    run: RunRow, started: events.WorkflowStarted, event: _Repeatable, at: dt.datetime
) -> events.WorkflowStarted | None:
    failure = _failure_of(event)
    if failure is None or _ends_the_chain(event):
        return None
    if event.successor_run_id:
        at = _PAST  # the code has ended for it, and what came behind was kept for it
    delay = retry_delay(started, failure, run_id=str(run.id), at=at)
    if delay is None:
        return None
    return _fresh(
        started,
        attempt=started.attempt + 1,
        last_failure=failure,
        start_delay=delay if delay > _NOW else None,
        initiator="retry",
    )


def _at_its_next_time(
    started: events.WorkflowStarted, event: _Repeatable, at: dt.datetime
) -> events.WorkflowStarted | None:
    if not started.cron or _ends_the_chain(event):
        return None
    found = next_time(started, at)
    if found is None:
        return None
    origin = {} if started.cron_origin is None else msgspec.structs.asdict(started.cron_origin)
    last_result = started.last_result
    if isinstance(event, events.WorkflowCompleted):
        last_result = event.result
    return _fresh(
        started,
        **origin,
        cron_origin=None,
        attempt=1,
        start_delay=found - at,
        scheduled_at=found,
        last_result=last_result,
        last_failure=_failure_of(event),
        initiator="cron",
    )


def _ends_the_chain(event: _Repeatable) -> bool:
    return isinstance(event, events.WorkflowTimedOut) and event.kind == "execution"


def _fresh(started: events.WorkflowStarted, **changes: Any) -> events.WorkflowStarted:
    """Give the first event of a new run, which follows the rules and settings of today."""
    changed = msgspec.structs.replace(
        started,
        behaviour_version=events.BEHAVIOUR_VERSION,
        history_suggest_events=0,
        history_suggest_bytes=0,
        **changes,
    )
    hashed = definition_hash(changed.workflow_type)
    return msgspec.structs.replace(changed, definition_hash=hashed, **lengths())


def _next_in_chain(
    run: RunRow, first: events.WorkflowStarted, last: Recorded, successor_run_id: str
) -> NewRun:
    run_id = uuid.UUID(successor_run_id)
    first = msgspec.structs.replace(
        first,
        seed=run_id.hex,
        continued_from_run_id=str(run.id),
        request_id="",
        # Not always the parent that the run began with: it may have been reset.
        parent_run_id=str(run.parent_run_id) if run.parent_run_id else None,
    )
    return NewRun(
        run_id,
        first,
        last.recorded_at,
        seq=last.seq + 1,
        chain_position=run.chain_position + 1,
    )
