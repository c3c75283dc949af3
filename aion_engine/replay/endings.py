"""How a run ends when its chain does not: tried again, or continued as new."""

from __future__ import annotations

import msgspec

from aion.authoring.context import ContinueAsNew
from aion.core.events import WorkflowContinuedAsNew, WorkflowFailed
from aion.core.failures import Failure
from aion.core.retry import next_delay
from aion_engine.replay.context import InstanceContext


def failed(context: InstanceContext, failure: Failure) -> WorkflowFailed:
    """Close as failed, with a successor where the run's retry policy allows another attempt."""
    started = context.started
    if started.retry is None:
        return WorkflowFailed(failure=failure)
    delay = next_delay(
        started.retry, attempt=started.attempt, failure=failure, seed=context.info().run_id
    )
    if delay is None:
        return WorkflowFailed(failure=failure)
    return WorkflowFailed(failure=failure, successor_run_id=context.next_run_id())


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
    )
