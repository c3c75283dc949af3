"""One pending activity, for those who operate it; and what is pending, and who is alive, anywhere."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from typing import Any

from aion.client.calls import twin
from aion.operations import pause_activity as _pausing
from aion.operations import pending_lists as _lists
from aion.operations import settle_activity as _settling
from aion.operations.pending_lists import Page, PendingActivity, PendingTimer, WorkerInfo
from aion.operations.reset_activity import reset_activity as _reset
from aion.operations.retry_activity import retry_activity_now as _retry_now
from aion.operations.update_activity import update_activity_options as _update_options

list_pending_activities = _lists.list_pending_activities
list_timers = _lists.list_timers
list_workers = _lists.list_workers
pause_activity_type = _pausing.pause_activity_type
unpause_activity_type = _pausing.unpause_activity_type


async def alist_pending_activities(**filters: Any) -> Page[PendingActivity]:
    """Async twin of `list_pending_activities`."""
    page: Page[PendingActivity] = await twin(list_pending_activities)(**filters)
    return page


async def alist_timers(*, after: str | None = None, limit: int = 100) -> Page[PendingTimer]:
    """Async twin of `list_timers`."""
    page: Page[PendingTimer] = await twin(list_timers)(after=after, limit=limit)
    return page


async def alist_workers() -> list[WorkerInfo]:
    """Async twin of `list_workers`."""
    workers: list[WorkerInfo] = await twin(list_workers)()
    return workers


async def apause_activity_type(activity_type: str, **options: Any) -> int:
    """Async twin of `pause_activity_type`."""
    return int(await twin(pause_activity_type)(activity_type, **options))


async def aunpause_activity_type(activity_type: str, **options: Any) -> int:
    """Async twin of `unpause_activity_type`."""
    return int(await twin(unpause_activity_type)(activity_type, **options))


@dataclasses.dataclass(frozen=True, slots=True)
class ActivityHandle:
    """A pending activity of a run, by its ids. Local activities have no row and cannot be operated on.

    Every method raises `RunNotFound`, `RunClosed`, or `ActivityNotFound`: the message says what became of it.
    """

    workflow_id: str
    run_id: uuid.UUID | None
    activity_id: str

    def pause(self, reason: str = "", *, by: str = "") -> None:
        """Let it not be begun until it is unpaused. A running attempt is told; its outcome counts.

        Raises:
            WrongState: it is paused already, or is being cancelled.
        """
        _pausing.pause_activity(
            self.workflow_id, self.run_id, self.activity_id, reason=reason, by=by
        )

    def unpause(
        self,
        *,
        reset_attempts: bool = False,
        reset_heartbeat: bool = False,
        jitter: dt.timedelta | None = None,
    ) -> None:
        """Let it go on, within `jitter`; `reset_attempts` begins at the first attempt.

        Raises:
            WrongState: it is not paused by hand.
        """
        _pausing.unpause_activity(
            self.workflow_id,
            self.run_id,
            self.activity_id,
            reset_attempts=reset_attempts,
            reset_heartbeat=reset_heartbeat,
            jitter=jitter,
        )

    def reset(
        self,
        *,
        reset_heartbeat: bool = False,
        keep_paused: bool = False,
        jitter: dt.timedelta | None = None,
    ) -> None:
        """Begin at the first attempt again. A running attempt is told, and makes room when it stops."""
        _reset(
            self.workflow_id,
            self.run_id,
            self.activity_id,
            reset_heartbeat=reset_heartbeat,
            keep_paused=keep_paused,
            jitter=jitter,
        )

    def retry_now(self) -> None:
        """End the wait for the next attempt.

        Raises:
            WrongState: an attempt is running, or the activity or its run is paused.
        """
        _retry_now(self.workflow_id, self.run_id, self.activity_id)

    def update_options(self, **options: Any) -> None:
        """Change `retry`, `task_queue`, or timeouts by their names; None takes a timeout away.

        Raises:
            InvalidArgument: an option is unknown or not usable.
        """
        _update_options(self.workflow_id, self.run_id, self.activity_id, options)

    def complete(self, result: object = None, *, reason: str = "", by: str = "") -> None:
        """Give it its result by hand. A running attempt loses its lease.

        Raises:
            PayloadError: the result has no JSON form or is too large.
        """
        _settling.complete_activity_by_id(
            self.workflow_id, self.run_id, self.activity_id, result, reason=reason, by=by
        )

    def fail(self, error: BaseException | str, *, reason: str = "", by: str = "") -> None:
        """Fail it for good by hand, whatever its retry policy. A running attempt loses its lease."""
        _settling.fail_activity_by_id(
            self.workflow_id, self.run_id, self.activity_id, error, reason=reason, by=by
        )

    def cancel(self, reason: str = "", *, by: str = "") -> None:
        """Record it as cancelled by hand. A running attempt loses its lease."""
        _settling.cancel_activity_by_id(
            self.workflow_id, self.run_id, self.activity_id, reason=reason, by=by
        )

    async def apause(self, reason: str = "", *, by: str = "") -> None:
        """Async twin of `pause`."""
        await twin(self.pause)(reason, by=by)

    async def aunpause(self, **options: Any) -> None:
        """Async twin of `unpause`."""
        await twin(self.unpause)(**options)

    async def areset(self, **options: Any) -> None:
        """Async twin of `reset`."""
        await twin(self.reset)(**options)

    async def aretry_now(self) -> None:
        """Async twin of `retry_now`."""
        await twin(self.retry_now)()

    async def aupdate_options(self, **options: Any) -> None:
        """Async twin of `update_options`."""
        await twin(self.update_options)(**options)

    async def acomplete(self, result: object = None, *, reason: str = "", by: str = "") -> None:
        """Async twin of `complete`."""
        await twin(self.complete)(result, reason=reason, by=by)

    async def afail(self, error: BaseException | str, *, reason: str = "", by: str = "") -> None:
        """Async twin of `fail`."""
        await twin(self.fail)(error, reason=reason, by=by)

    async def acancel(self, reason: str = "", *, by: str = "") -> None:
        """Async twin of `cancel`."""
        await twin(self.cancel)(reason, by=by)
