"""The children that a workflow instance has started."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec

from aion.authoring.child_options import ChildCancellationType
from aion.authoring.context import ChildCall
from aion.core.commands import Command, Site
from aion.core.errors import ChildWorkflowError, TerminatedError
from aion.core.errors import TimeoutError as AionTimeoutError
from aion.core.events import (
    ChildOutcome,
    ChildWorkflowCancelled,
    ChildWorkflowCompleted,
    ChildWorkflowFailed,
    ChildWorkflowStarted,
    ChildWorkflowTerminated,
    ChildWorkflowTimedOut,
    ExternalCancelRequested,
)
from aion.core.failures import exception_from
from aion.core.payloads import encode
from aion.core.priority import INHERITED
from aion.core.search_attributes import Attributes
from aion_engine.replay.command_log import CommandLog, Mode
from aion_engine.replay.externals import Externals
from aion_engine.replay.futures import PendingResult
from aion_engine.replay.loop import WorkflowLoop

_REASON: Final = "its parent cancelled it"


class Child:
    """One child without its outcome."""

    __slots__ = ("call", "cancel_sent", "command", "epoch", "future", "run_id", "workflow_id")

    future: PendingResult

    def __init__(
        self, workflow_id: str, run_id: str, call: ChildCall, command: Command, epoch: int
    ) -> None:
        self.workflow_id = workflow_id
        self.run_id = run_id
        self.call = call
        self.command = command
        self.epoch = epoch
        self.cancel_sent = False


class Children:
    """Starts children, and settles their futures when outcomes are folded."""

    def __init__(self, loop: WorkflowLoop, log: CommandLog, externals: Externals) -> None:
        self._loop = loop
        self._log = log
        self._externals = externals
        self._count = 0
        self.pending: dict[str, Child] = {}  # by run id: a workflow id may be used again

    def start(
        self,
        call: ChildCall,
        attributes: Attributes,
        *,
        lineage: str,
        run_id: str,
        site: Site | None,
    ) -> tuple[str, asyncio.Future[Any]]:
        """Ask for a child; gives its workflow id and the future of its result."""
        self._log.check(call)
        self._count += 1
        workflow_id = call.options.id or f"{lineage}:{self._count}"
        command = self._log.issue(_started(workflow_id, run_id, call, attributes), site)
        child = Child(workflow_id, run_id, call, command, self._log.epoch)
        child.future = PendingResult(
            loop=self._loop,
            ordinal=self._loop.next_ordinal(),
            on_cancel=lambda: self._give_up(child),
        )
        self.pending[run_id] = child
        return workflow_id, child.future

    def _give_up(self, child: Child) -> bool:
        """Handle a cancel of the awaited child; answer whether to stop waiting now."""
        if self._log.mode is Mode.CLOSING:
            return True
        kind = child.call.options.cancellation_type
        if kind is ChildCancellationType.ABANDON:
            self.pending.pop(child.run_id, None)
            return True
        if child.epoch == self._log.epoch:
            child.command.dropped = True
            self.pending.pop(child.run_id, None)
            return True
        if not child.cancel_sent:
            child.cancel_sent = True
            self._ask_to_cancel(child)
        if kind in (ChildCancellationType.WAIT, ChildCancellationType.WAIT_REQUESTED):
            return False
        self.pending.pop(child.run_id, None)
        return True

    def _ask_to_cancel(self, child: Child) -> None:
        """Send the request; where the code waits until the child has it, the child answers."""
        ids = (child.workflow_id, child.run_id)
        if child.call.options.cancellation_type is ChildCancellationType.WAIT_REQUESTED:
            answer = self._externals.cancel(*ids, _REASON, None)
            answer.add_done_callback(lambda answer: self._asked(child, answer))
        else:
            self._log.issue(
                ExternalCancelRequested(workflow_id=ids[0], run_id=ids[1], reason=_REASON)
            )

    def _asked(self, child: Child, answer: asyncio.Future[None]) -> None:
        """Stop waiting: the child has the request, or has ended. An outcome that came first has counted."""
        if answer.cancelled() or self.pending.get(child.run_id) is not child:
            return
        answer.exception()  # nobody else asks for it
        del self.pending[child.run_id]
        child.future.settle_cancelled()

    def expects(self, run_id: str) -> bool:
        """Tell whether the outcome of this child is still wanted."""
        return run_id in self.pending

    def settle(self, event: ChildOutcome) -> None:
        """Give the outcome to the code that waits."""
        child = self.pending.pop(event.run_id)
        match event:
            case ChildWorkflowCompleted():
                try:
                    child.future.set_result(child.call.decode(event.result))
                except Exception as error:  # noqa: BLE001  # the result does not fit the expected type
                    child.future.set_exception(error)
            case ChildWorkflowCancelled():
                if child.cancel_sent:
                    child.future.settle_cancelled(event.reason or None)
                else:
                    cancelled = asyncio.CancelledError(*([event.reason] if event.reason else []))
                    child.future.set_exception(_error(child, event, cancelled))
            case ChildWorkflowFailed():
                child.future.set_exception(_error(child, event, exception_from(event.failure)))
            case ChildWorkflowTimedOut():
                cause = AionTimeoutError("The child's deadline passed", kind="run")
                child.future.set_exception(_error(child, event, cause))
            case ChildWorkflowTerminated():
                cause_ = TerminatedError(event.reason or "terminated")
                child.future.set_exception(_error(child, event, cause_))


def _started(
    workflow_id: str, run_id: str, call: ChildCall, attributes: Attributes
) -> ChildWorkflowStarted:
    options = call.options
    return ChildWorkflowStarted(
        workflow_id=workflow_id,
        workflow_type=call.workflow_type,
        run_id=run_id,
        input=msgspec.Raw(call.input),
        task_queue=options.task_queue,
        run_timeout=options.run_timeout,
        execution_timeout=options.execution_timeout,
        retry=options.retry,
        cron=options.cron,
        time_zone=options.time_zone,
        parent_close_policy=str(options.parent_close_policy),
        memo=msgspec.Raw(encode(dict(options.memo), field="the child's memo")),
        search_attributes=attributes.raw,
        search_attribute_kinds=attributes.kinds,
        headers=dict(call.headers),
        priority=options.priority or INHERITED,
    )


_OUTCOMES = {
    ChildWorkflowFailed: "failed",
    ChildWorkflowCancelled: "was cancelled",
    ChildWorkflowTimedOut: "timed out",
    ChildWorkflowTerminated: "was terminated",
}


def _error(child: Child, event: ChildOutcome, cause: BaseException) -> ChildWorkflowError:
    text = f": {cause}" if str(cause) else ""
    error = ChildWorkflowError(
        f"Child workflow {child.workflow_id!r} {_OUTCOMES[type(event)]}{text}",
        workflow_type=child.call.workflow_type,
        workflow_id=child.workflow_id,
        run_id=child.run_id,
    )
    error.__cause__ = cause
    return error
