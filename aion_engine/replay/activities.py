"""The activities that a workflow instance waits for."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from aion.authoring.context import ActivityCall
from aion.authoring.options import ActivityOptions, CancellationType
from aion.core.commands import Command, Site
from aion.core.errors import ActivityError
from aion.core.events import (
    ActivityCancelled,
    ActivityCancelRequested,
    ActivityCompleted,
    ActivityFailed,
    ActivityOutcome,
    ActivityScheduled,
    ActivityTimedOut,
)
from aion.core.failures import Failure, exception_from
from aion.core.headers import NO_HEADERS, Headers
from aion.core.priority import INHERITED
from aion_engine.replay.command_log import CommandLog, Mode
from aion_engine.replay.futures import PendingResult
from aion_engine.replay.loop import WorkflowLoop


class LocalActivity(msgspec.Struct, frozen=True, gc=False):
    """A local activity to be run by the worker that holds the instance."""

    activity_id: str
    activity_type: str
    input: bytes
    options: ActivityOptions
    headers: Headers = NO_HEADERS


class Pending:
    """One activity without its outcome."""

    __slots__ = ("activity_id", "call", "cancel_sent", "command", "epoch", "future", "site")

    future: PendingResult

    def __init__(
        self,
        activity_id: str,
        call: ActivityCall,
        command: Command | None,
        epoch: int,
        site: Site | None,
    ) -> None:
        self.activity_id = activity_id
        self.call = call
        self.site = site
        self.command = command  # None for a local activity
        self.epoch = epoch
        self.cancel_sent = False


class Activities:
    """Starts activities, and settles their futures when outcomes are folded."""

    def __init__(self, loop: WorkflowLoop, log: CommandLog) -> None:
        self._loop = loop
        self._log = log
        self._count = 0
        self.pending: dict[str, Pending] = {}
        self.local: dict[str, LocalActivity] = {}

    def start(self, call: ActivityCall, site: Site | None) -> asyncio.Future[Any]:
        """Ask for an activity; the future gets its result."""
        self._log.check(call)
        self._count += 1
        activity_id = str(self._count)
        if call.options.local:
            command = None
            self.local[activity_id] = LocalActivity(
                activity_id, call.activity_type, call.input, call.options, call.headers
            )
        else:
            command = self._log.issue(_scheduled(activity_id, call), site)
        pending = Pending(activity_id, call, command, self._log.epoch, site)
        pending.future = PendingResult(
            loop=self._loop,
            ordinal=self._loop.next_ordinal(),
            on_cancel=lambda: self._give_up(pending),
        )
        self.pending[activity_id] = pending
        return pending.future

    def _give_up(self, pending: Pending) -> bool:
        """Handle a cancel of the awaited future; answer whether to stop waiting now."""
        if self._log.mode is Mode.CLOSING:
            return True
        kind = pending.call.options.cancellation_type
        if pending.command is None:
            self.local.pop(pending.activity_id, None)
        elif kind is not CancellationType.ABANDON:
            if pending.epoch == self._log.epoch:
                pending.command.dropped = True
            else:
                if not pending.cancel_sent:
                    pending.cancel_sent = True
                    self._log.issue(ActivityCancelRequested(activity_id=pending.activity_id))
                if kind is CancellationType.WAIT:
                    return False
        self.pending.pop(pending.activity_id, None)
        return True

    def expects(self, activity_id: str) -> bool:
        """Tell whether an outcome for this activity is still wanted."""
        return activity_id in self.pending

    def site_of(self, activity_id: str) -> Site | None:
        """Give the line of code that asked for an activity."""
        pending = self.pending.get(activity_id)
        return pending.site if pending is not None else None

    def mismatch(self, event: ActivityOutcome) -> str | None:
        """Say how an outcome disagrees with what the code asked for, None when it fits."""
        pending = self.pending.get(event.activity_id)
        if pending is None:
            return "no such activity"
        name = pending.call.activity_type
        if event.local != (pending.command is None):
            return f"{'local' if pending.command is None else 'remote'} activity {name}"
        if event.local and event.activity_type != name:
            return f"local activity {name}"
        return None

    def settle(self, event: ActivityOutcome) -> None:
        """Give the outcome to the code that waits."""
        pending = self.pending.pop(event.activity_id)
        self.local.pop(event.activity_id, None)
        future = pending.future
        match event:
            case ActivityCompleted():
                try:
                    future.set_result(pending.call.decode(event.result))
                except Exception as error:  # noqa: BLE001  # it does not fit the type the code expects
                    future.set_exception(error)
            case ActivityFailed() | ActivityTimedOut():
                future.set_exception(_error(pending, event, event.failure))
            case ActivityCancelled():
                future.settle_cancelled(event.reason or None)


def _scheduled(activity_id: str, call: ActivityCall) -> ActivityScheduled:
    options = call.options
    return ActivityScheduled(
        activity_id=activity_id,
        activity_type=call.activity_type,
        task_queue=options.task_queue or "",
        input=msgspec.Raw(call.input),
        start_to_close_timeout=options.start_to_close_timeout,
        schedule_to_close_timeout=options.schedule_to_close_timeout,
        schedule_to_start_timeout=options.schedule_to_start_timeout,
        heartbeat_timeout=options.heartbeat_timeout,
        retry=options.retry,
        summary=options.summary,
        limit_key=options.limit_key,
        priority=options.priority or INHERITED,
        headers=dict(call.headers),
    )


def _error(pending: Pending, event: ActivityOutcome, failure: Failure) -> ActivityError:
    name = pending.call.activity_type
    error = ActivityError(
        f"Activity {name} failed at attempt {event.attempt}: {failure.type}: {failure.message}",
        activity_type=name,
        activity_id=event.activity_id,
        attempt=event.attempt,
    )
    error.__cause__ = exception_from(failure)
    return error
