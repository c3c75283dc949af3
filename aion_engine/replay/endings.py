"""How the code of a run ends: when, by which arrival, and as what; and whether its chain goes on."""

from __future__ import annotations

import datetime as dt
from typing import Final

import msgspec

from aion.authoring.context import ContinueAsNew
from aion.authoring.workflow_definition import WorkflowDefinition
from aion.core.commands import Command
from aion.core.errors import NonDeterminismError, WorkflowCodeError
from aion.core.events import (
    CancelRequested,
    CommandEvent,
    Ending,
    Event,
    SignalReceived,
    UpdateAccepted,
    WorkflowCompleted,
    WorkflowContinuedAsNew,
    WorkflowFailed,
    WorkflowStarted,
)
from aion.core.failures import Failure
from aion.core.retry import next_delay
from aion_engine.replay.context import InstanceContext

FOLDED_AFTER_CLOSE: Final = (SignalReceived, UpdateAccepted, CancelRequested)
"""Arrivals that a run still takes when its code has ended but the close is not written."""

PASSED_ON: Final = (SignalReceived, CancelRequested)
"""Arrivals that a run leaves to its successor when its code has ended by going on there."""


class CodeEnding:
    """The command by which the code ends. It waits until all that was accepted before is folded."""

    __slots__ = ("_decided_by", "command")

    def __init__(self) -> None:
        self.command: Command | None = None
        self._decided_by = 0

    @property
    def decided(self) -> bool:
        """Whether the code has ended."""
        return self.command is not None

    def decide(self, event: CommandEvent, *, by: int) -> None:
        """End the code because of the arrival of seq `by`. Only the first end counts."""
        if self.command is None:
            self.command = Command(event)
            self._decided_by = by

    def outlive(self) -> None:
        """Note which arrival ended the code, for another is folded before the end is written."""
        if self.command is not None and isinstance(self.command.event, Ending):
            event = msgspec.structs.replace(self.command.event, decided_by=self._decided_by)
            self.command = Command(event)


def holds(definition: WorkflowDefinition, error: BaseException) -> bool:
    """Tell whether an exception that leaves the code holds the run, instead of failing it."""
    if isinstance(error, BaseExceptionGroup):
        return any(holds(definition, leaf) for leaf in error.exceptions)
    mistakes = (WorkflowCodeError, NonDeterminismError, MemoryError)
    listed = isinstance(error, definition.hold_on)
    return listed or isinstance(error, mistakes) or not isinstance(error, Exception)


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
