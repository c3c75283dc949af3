"""How a run ends when its chain does not: tried again, continued as new, or until the next cron time."""

from __future__ import annotations

import datetime as dt

import msgspec

from aion.authoring.context import ContinueAsNew
from aion.core.events import (
    Event,
    WorkflowCompleted,
    WorkflowContinuedAsNew,
    WorkflowFailed,
    WorkflowStarted,
)
from aion.core.failures import Failure
from aion.core.retry import next_delay
from aion_engine.replay.context import InstanceContext


def failed(context: InstanceContext, failure: Failure) -> WorkflowFailed:
    """Close as failed, with a successor where the run's retry policy allows another attempt."""
    started = context.started
    if context.cancelled_with is not None:
        return WorkflowFailed(failure=failure)
    delay = retry_delay(started, failure, run_id=context.run_id, at=context.now())
    if delay is None:
        return WorkflowFailed(failure=failure)
    return WorkflowFailed(failure=failure, successor_run_id=context.next_run_id())


def retry_delay(
    started: WorkflowStarted, failure: Failure, *, run_id: str, at: dt.datetime
) -> dt.timedelta | None:
    """Say how long the attempt behind a failed one waits; None when there is none.

    An attempt that could begin only when the execution timeout has passed is none.
    """
    if started.retry is None:
        return None
    delay = next_delay(started.retry, attempt=started.attempt, failure=failure, seed=run_id)
    deadline = started.execution_deadline_at
    if delay is not None and deadline is not None and at + delay >= deadline:
        return None
    return delay


def goes_on(context: InstanceContext, end: Event) -> bool:
    """Tell whether a run that ends so has a successor."""
    if getattr(end, "successor_run_id", ""):
        return True
    repeatable = isinstance(end, (WorkflowCompleted, WorkflowFailed))
    return repeatable and context.has_next_run and context.cancelled_with is None


def continued(context: InstanceContext, wish: ContinueAsNew) -> WorkflowContinuedAsNew:
    """Close for a successor, which inherits what the code did not give it anew."""
    memo = wish.memo or msgspec.json.encode(context.attributes.memo)
    searched = wish.search_attributes
    if searched is None:
        searched = context.attributes.for_successor()
    return WorkflowContinuedAsNew(
        successor_run_id=context.next_run_id(),
        workflow_type=wish.workflow_type,
        input=msgspec.Raw(wish.input),
        task_queue=wish.task_queue,
        run_timeout=wish.run_timeout,
        memo=msgspec.Raw(memo),
        search_attributes=searched.raw,
        search_attribute_kinds=searched.kinds,
        headers=None if wish.headers == context.started.headers else dict(wish.headers),
    )
