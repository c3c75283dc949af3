"""The live coroutine of a run: events go in, commands come out.

Theory of operation
-------------------
`apply` folds one arrival: it makes ready what the arrival resolves, drains the loop, and gives the
commands that the code issued meanwhile. Nothing else moves the code. Live and on replay this is the same
function; on replay it is shown the recorded command events first, because a side effect's value is needed
while the code runs.

The code ends by a *terminal* command, which is not among those that `apply` gives: it stays in `terminal`
until the caller has folded every message that was accepted before the close. So an accepted signal is seen
even by a workflow that has already decided to return.

What the code raises decides: an ordinary exception fails the run; a mistake in workflow code (and types
that the definition lists) holds it, which `apply` says by raising. An instance that raised is broken and
must be dropped. `close` must be called on every instance that is dropped, so that its coroutines end here
and now, not when the garbage collector finds them on some other thread.
"""

from __future__ import annotations

import contextvars
import datetime as dt
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import msgspec

from aion.authoring.context import ContinueAsNew, current_workflow
from aion.authoring.interception import chains
from aion.authoring.workflow_definition import WorkflowDefinition
from aion.core.commands import Command, Site
from aion.core.errors import (
    ForbiddenInWorkflow,
    HistoryError,
    NonDeterminismError,
    RunClosed,
    WorkflowCodeError,
)
from aion.core.events import (
    ActivityCancelled,
    ActivityCompleted,
    ActivityFailed,
    ActivityOutcome,
    ActivitySettledByHand,
    ActivityStarted,
    ActivityTimedOut,
    CancelRequested,
    ChildOutcome,
    CommandEvent,
    Event,
    ExternalRequestDelivered,
    ExternalRequestFailed,
    SignalReceived,
    TimerFired,
    UpdateAccepted,
    WorkflowCancelled,
    WorkflowCompleted,
    WorkflowReopened,
    WorkflowStarted,
)
from aion.core.failures import Failure, failure_from, message_of
from aion.core.headers import NO_HEADERS, Headers
from aion.core.history import Recorded
from aion.core.requests import UpdateRequest
from aion_engine.replay.activities import Activities, LocalActivity
from aion_engine.replay.children import Children
from aion_engine.replay.command_log import CommandLog, Evicted, Mode
from aion_engine.replay.context import InstanceContext, Parts
from aion_engine.replay.endings import CodeEnding, continued, failed, goes_on, holds
from aion_engine.replay.eviction import end_tasks
from aion_engine.replay.externals import Externals
from aion_engine.replay.inbound import run_method
from aion_engine.replay.loop import WorkflowLoop
from aion_engine.replay.messages import Messages
from aion_engine.replay.naming import describe
from aion_engine.replay.stack import Stack
from aion_engine.replay.task_errors import TaskErrors
from aion_engine.replay.timers import EPOCH, Timers
from aion_engine.replay.updates import Updates


class Instance:
    """One run's code in memory. `head_seq` is the seq of the last event it knows."""

    def __init__(self, definition: WorkflowDefinition, run_id: str) -> None:
        self.definition = definition
        self.run_id = run_id
        self.head_seq = 0
        self.recorded_until = _PAST  # the time of the last event, whatever it is
        self._ending = CodeEnding()
        self._reopened_at = 0.0
        self.error: BaseException | None = None  # which failed the run, in this process
        self.target: Any = None
        self.chains = chains()
        self._log = CommandLog()
        self._timers = Timers(self._log)
        self.task_errors = TaskErrors(self, self._stop_for_mistake)
        loop_class: Any = WorkflowLoop  # abstract to mypy: its refusals are made from a table
        self._loop: WorkflowLoop = loop_class(self._timers, self.task_errors)
        self.activities = Activities(self._loop, self._log)
        self._externals = Externals(self._loop, self._log)
        self._children = Children(self._loop, self._log, self._externals)
        parts = Parts(self._loop, self._log, self.activities, self._children, self._externals)
        self._stack = Stack(
            self._loop, self._timers, self.activities, self._children, self._externals
        )
        self.context = InstanceContext(parts, definition, run_id, self.chains)
        self.messages = self.context.messages = Messages(self)
        self.updates = self.context.updates = Updates(self, self.messages, self._log)
        self._base = contextvars.Context()
        self._base.run(current_workflow.set, self.context)
        self.context.on_problem = self.context.attributes.on_problem = self._stop
        self._main: Any = None
        self._problem: BaseException | None = None
        _OPEN.add(self)

    # --- folding ---

    def expects(self, event: Event) -> bool:
        """Tell whether an event that wants to be folded still means something to the code."""
        match event:
            case ActivityOutcome() | ActivityStarted() | ActivitySettledByHand():
                return not self._ending.decided and self.activities.expects(event.activity_id)
            case TimerFired():
                return not self._ending.decided and self._timers.expects(event.timer_id)
            case ChildOutcome():
                return not self._ending.decided and self._children.expects(event.run_id)
            case ExternalRequestDelivered() | ExternalRequestFailed():
                return not self._ending.decided and self._externals.expects(event.request_id)
            case CancelRequested():
                # Only the first counts; another run's is recorded, because it waits for the answer.
                return self.context.cancelled_with is None or bool(event.sender_run_id)
            case _:
                return True

    def apply(
        self,
        arrival: Recorded,
        recorded: Sequence[Recorded] | None = None,
        *,
        open_ended: bool = False,
        at: dt.datetime | None = None,
    ) -> list[Command]:
        """Fold one arrival and give the commands it caused, the terminal one aside.

        `recorded` is None when the run goes on live, else the command events that history holds for it;
        `open_ended` says that history may break off among them. `at` is the time, if not the recorded one.

        Raises:
            NonDeterminismError: the arrival or a value in history does not fit what the code did.
            WorkflowCodeError: the code did what it must not, or raised what is not an `Exception`.
            Exception: of a type that the definition holds on.
        """
        context = self.context
        context.replaying = recorded is not None
        if recorded is not None:
            context.lookahead.show(arrival.seq, recorded, open_ended=open_ended)
        self.head_seq = arrival.seq
        context.extent.reach(arrival.seq)
        self._ending.outlive()
        now = ((at or arrival.recorded_at) - EPOCH) / _SECOND
        self._loop.now = max(now, self._reopened_at)
        self._fold(arrival)
        try:
            self._loop.drain()
        except SystemExit as error:  # asyncio lets it through its tasks, to end the process
            self.fail(error)
        if self._problem is not None:
            raise self._problem
        return self._log.take()

    def reopened(self, mark: Recorded) -> None:
        """Go on with other ids, and not before the time of the mark: a start may be folded long after it."""
        assert isinstance(mark.event, WorkflowReopened)  # noqa: S101
        self._reopened_at = (mark.recorded_at - EPOCH) / _SECOND
        self.context.reopened(mark.event.seed)

    def _fold(self, arrival: Recorded) -> None:
        event = arrival.event
        match event:
            case ActivityCompleted() | ActivityFailed() | ActivityTimedOut() | ActivityCancelled():
                site = self.activities.site_of(event.activity_id)
                self._check(arrival, self.activities.mismatch(event), site)
                self.activities.settle(event)
            case TimerFired():
                known = self._timers.expects(event.timer_id)
                self._check(arrival, None if known else "no such timer")
                self._timers.fire(event.timer_id, self._loop)
            case SignalReceived():
                self._soon(self.messages.deliver, event)
            case UpdateAccepted():
                self._soon(self.updates.deliver, event)
            case ChildOutcome():
                known = self._children.expects(event.run_id)
                self._check(arrival, None if known else "no such child")
                self._children.settle(event)
            case ExternalRequestDelivered() | ExternalRequestFailed():
                known = self._externals.expects(event.request_id)
                self._check(arrival, None if known else "no such request")
                self._externals.settle(event)
            case CancelRequested():
                self._cancel(event.reason)
            case WorkflowStarted():
                self.context.begin(event, arrival.recorded_at)
                self._soon(self._start, event)
            case _:
                raise HistoryError(f"{arrival.kind} at seq {arrival.seq} cannot be folded")

    def _check(self, arrival: Recorded, found: str | None, site: Site | None = None) -> None:
        if found is not None:
            expected = describe(arrival.event)
            at = f" at {site}" if site is not None else ""
            raise NonDeterminismError(
                f"Event {arrival.seq} is {expected}, but the code waits for {found}{at}",
                seq=arrival.seq,
                expected=expected,
                found=found,
                where=str(site) if site is not None else None,
            )

    # --- the code ---

    def _soon(self, function: Callable[..., None], *args: Any) -> None:
        self._loop.call_soon(function, *args, context=self._base.copy())

    def _start(self, event: WorkflowStarted) -> None:
        definition = self.definition
        what = f"workflow {definition.name}"
        if definition.impurities:
            self.fail(ForbiddenInWorkflow(definition.impurities[0]))
            return
        try:
            args, kwargs = definition.signature.decode(event.input, what=what)
            if definition.is_class:
                given = (args, kwargs) if definition.init_takes_input else ((), {})
                self.target = definition.target(*given[0], **given[1])
            coroutine = run_method(
                self.chains.execute_workflow, definition, self.target, (args, kwargs), event.headers
            )
        except BaseException as error:  # noqa: BLE001  # `fail` sorts out what it means
            self.fail(error)
            return
        self._main = self.spawn(coroutine, "run")
        self._main.add_done_callback(self._ended, context=self._base)

    def spawn(self, coroutine: Any, name: str, context: contextvars.Context | None = None) -> Any:
        """Run a coroutine as a task of this workflow, in a context of its own unless one is given.

        Whoever spawns it asks for its error.
        """
        return self._loop.create_task(
            coroutine, name=name, context=context or self._base.copy(), watched=False
        )

    def step(self, task: Any) -> None:
        """Run the first step of the task that was spawned last, now and not in its turn."""
        self._loop.step_last(task)

    def _ended(self, task: Any) -> None:
        if task.cancelled():
            self._cancelled()
            return
        error = task.exception()
        if error is not None:
            self.fail(error)
            return
        try:
            what = f"workflow {self.definition.name}"
            result = self.definition.signature.encode_result(task.result(), what=what)
        except Exception as unstorable:  # noqa: BLE001  # encoding runs user code
            self.fail(unstorable)
            return
        self._end(WorkflowCompleted(result=msgspec.Raw(result)))

    def _cancelled(self) -> None:
        reason = self.context.cancelled_with
        if reason is not None:
            self._end(WorkflowCancelled(reason=reason))
        else:
            message = "The workflow raised CancelledError, but nobody asked it to cancel"
            self._end(failed(self.context, failure_from(RuntimeError(message))))

    def fail(self, error: BaseException) -> None:
        """End the run by an exception, or hold it where the exception is a mistake of the code."""
        if isinstance(error, Evicted):
            return
        if isinstance(error, ContinueAsNew):
            self._end(continued(self.context, error))
            return
        if holds(self.definition, error):
            self._stop(error)
        else:
            self.error = self.error or error
            self._end(failed(self.context, failure_from(error)))

    def _end(self, event: CommandEvent) -> None:
        self._ending.decide(event, by=self.head_seq)

    def _stop(self, error: BaseException) -> None:
        if self._problem is None:
            self._problem = error
            if not isinstance(error, (Exception, KeyboardInterrupt)):
                self._problem = WorkflowCodeError(
                    f"Workflow code raised {type(error).__name__}, which is meant to end a process and "
                    f"neither completes nor fails a run: {message_of(error)}"
                )
                self._problem.__cause__ = error
        self._loop.stopped = True

    def _cancel(self, reason: str) -> None:
        if self.context.cancelled_with is None:
            self.context.cancelled_with = reason
            if self._main is not None:
                self._main.cancel(reason or None)

    def _stop_for_mistake(self, error: BaseException) -> None:
        if isinstance(error, _MISTAKES):
            self._stop(error)

    # --- the rest of its life ---

    @property
    def terminal(self) -> Command | None:
        """The command by which the code has ended; None while it runs."""
        return self._ending.command

    @property
    def goes_on(self) -> bool:
        """Whether the code has ended for a successor: as new, to be tried again, for the next cron time."""
        return self.terminal is not None and goes_on(self.context, self.terminal.event)

    @property
    def replaying(self) -> bool:
        """Whether the code runs over recorded events."""
        return self.context.replaying

    @property
    def closing(self) -> bool:
        """Whether the instance is thrown away: its code runs into the void."""
        return self._log.mode is Mode.CLOSING

    @property
    def local_activities(self) -> dict[str, LocalActivity]:
        """The local activities without an outcome, in the order of asking."""
        return self.activities.local

    @property
    def now(self) -> dt.datetime:
        """The recorded time of the last event folded."""
        return self.context.now()

    def query(self, name: str, data: bytes, headers: Headers = NO_HEADERS) -> bytes:
        """Answer a query; the code may read anything and ask for nothing.

        Raises:
            UnknownQuery: the workflow has no such query; the message lists those it has.
            QueryError: the handler raised.
        """
        with self._log.read_only():
            return bytes(self._base.copy().run(self.messages.answer, name, data, headers))

    def built_in_query(self, name: str) -> str | None:
        """Answer `__stack_trace` and `__current_details`; None for every other name."""
        match name:
            case "__stack_trace":
                return self._stack.trace(self.task_errors.noted)
            case "__current_details":
                return self.context.details
            case _:
                return None

    def refuse_update(self, request: UpdateRequest) -> Failure | None:
        """Validate an update; give why it is refused, None when it is accepted.

        Raises:
            WorkflowCodeError: the validator acted instead of reading.
        """
        if self._ending.decided:
            return failure_from(RunClosed("The workflow has ended", run_id=self.run_id))
        self.context.replaying = False  # only an accepted update is history, and replayed
        return self._base.copy().run(self.updates.refuse, request)

    def close(self) -> None:
        """End every coroutine, in the order of creation. Their `finally` blocks cannot act any more."""
        self._log.mode = Mode.CLOSING
        self._loop.stopped = True
        self._base.run(self._loop.run_inside, partial(end_tasks, self._loop))
        _OPEN.discard(self)


_OPEN: Final[set[Instance]] = set()
"""Instances that nobody has closed, kept alive: were one collected, its `finally` blocks would run at that
moment, in the middle of another run's turn, and their commands would be taken for that run's."""

_PAST: Final = dt.datetime.min.replace(tzinfo=dt.UTC)
_SECOND: Final = dt.timedelta(seconds=1)
_MISTAKES: Final = (WorkflowCodeError, NonDeterminismError)
