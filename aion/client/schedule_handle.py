"""One schedule, for those who operate it."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable
from typing import Any, Final

from aion.client.calls import twin
from aion.core.errors import InvalidArgument, ScheduleConflict
from aion.core.schedule_history import ScheduleRecorded
from aion.operations.schedules import backfill as _backfill
from aion.operations.schedules import delete as _delete
from aion.operations.schedules import describe as _describe
from aion.operations.schedules import pause as _pause
from aion.operations.schedules import trigger as _trigger
from aion.operations.schedules import update as _update
from aion.operations.schedules.describe import ScheduleDescription, ScheduleFiring
from aion.operations.schedules.update import KEEP
from aion.schedules.config import OverlapPolicy, ScheduleConfig

_MOST_TRIES: Final = 10


@dataclasses.dataclass(frozen=True, slots=True)
class ScheduleHandle:
    """A schedule by its id. `created` is False when a create found it already there."""

    schedule_id: str
    created: bool = False

    def describe(self) -> ScheduleDescription:
        """Describe the schedule: what it is told, its next times, its last runs.

        Raises:
            ScheduleNotFound: there is no such schedule.
        """
        return _describe.describe_schedule(self.schedule_id)

    def fetch_history(
        self, *, from_seq: int = 1, limit: int | None = None
    ) -> list[ScheduleRecorded]:
        """Read the schedule's events from a seq on, at most `limit`.

        Raises:
            ScheduleNotFound: there is no such schedule.
            InvalidArgument: `from_seq` is not an integer from 1, or `limit` not one from 0.
        """
        return _describe.schedule_history(self.schedule_id, from_seq=from_seq, limit=limit)

    def update(
        self,
        change: ScheduleConfig | Callable[[ScheduleConfig], ScheduleConfig] | None = None,
        *,
        remaining_actions: int | Any | None = KEEP,
        token: int | None = None,
        request_id: str = "",
    ) -> None:
        """Tell the schedule something else: a config, or a function that makes it from the present one.

        The function is called again when somebody else has changed the schedule in between. With a `token`
        of a description nothing is changed then. Times from now on follow another spec.

        Raises:
            ScheduleNotFound: there is no such schedule.
            ScheduleConflict: it was changed since the token, or is changed all the time.
            InvalidArgument: the config cannot be used, or the spec has no time to come.
            UnknownType: no workflow has the action's name.
            PayloadError: the arguments do not fit the workflow.
        """
        for left in reversed(range(_MOST_TRIES)):
            description = self.describe()
            config = _changed(change, description.config)
            try:
                _update.update_schedule(
                    self.schedule_id,
                    config,
                    token=description.token if token is None else token,
                    remaining_actions=remaining_actions,
                    request_id=request_id,
                )
            except ScheduleConflict:
                if token is not None or not left:
                    raise
            else:
                return

    def pause(self, note: str = "", *, request_id: str = "") -> None:
        """Let no time fire until the schedule is resumed. Its runs go on; it can still be triggered.

        Raises:
            ScheduleNotFound: there is no such schedule.
            WrongState: it is paused already.
        """
        _pause.pause_schedule(self.schedule_id, note=note, request_id=request_id)

    def resume(self, note: str = "", *, request_id: str = "") -> None:
        """Let times fire again, those from now on. What waited in the buffer starts.

        Raises:
            ScheduleNotFound: there is no such schedule.
            WrongState: it is not paused.
        """
        _pause.resume_schedule(self.schedule_id, note=note, request_id=request_id)

    def trigger(
        self, overlap: OverlapPolicy | str | None = None, *, request_id: str = ""
    ) -> ScheduleFiring:
        """Fire now, also a paused schedule; `overlap` replaces its overlap policy this once.

        Gives what came of it: `state` says whether a run was started, waits, or was skipped.

        Raises:
            ScheduleNotFound: there is no such schedule.
            UnknownType: its workflow is not known here.
            PayloadError: its arguments no longer fit the workflow.
        """
        firing = _trigger.trigger_schedule(self.schedule_id, overlap=overlap, request_id=request_id)
        return _describe.shown(firing)

    def backfill(
        self,
        start_at: dt.datetime,
        end_at: dt.datetime,
        overlap: OverlapPolicy | str | None = None,
        *,
        request_id: str = "",
    ) -> int:
        """Fire the times from `start_at` to `end_at` that have started nothing; give their number.

        Both ends are included. They fire within the next ticks, oldest first; `overlap` replaces the overlap
        policy for them.

        Raises:
            ScheduleNotFound: there is no such schedule.
            InvalidArgument: the range is empty, reaches into the future or has more than a thousand times.
        """
        return _backfill.backfill_schedule(
            self.schedule_id, start_at, end_at, overlap=overlap, request_id=request_id
        )

    def delete(self, reason: str = "") -> None:
        """Delete the schedule. Runs that it started go on; what waited in the buffer does not start.

        Raises:
            ScheduleNotFound: there is no such schedule.
        """
        _delete.delete_schedule(self.schedule_id, reason=reason)

    async def adescribe(self) -> ScheduleDescription:
        """Async twin of `describe`."""
        description: ScheduleDescription = await twin(self.describe)()
        return description

    async def afetch_history(self, **options: Any) -> list[ScheduleRecorded]:
        """Async twin of `fetch_history`."""
        history: list[ScheduleRecorded] = await twin(self.fetch_history)(**options)
        return history

    async def aupdate(
        self,
        change: ScheduleConfig | Callable[[ScheduleConfig], ScheduleConfig] | None = None,
        **options: Any,
    ) -> None:
        """Async twin of `update`."""
        await twin(self.update)(change, **options)

    async def apause(self, note: str = "", **options: Any) -> None:
        """Async twin of `pause`."""
        await twin(self.pause)(note, **options)

    async def aresume(self, note: str = "", **options: Any) -> None:
        """Async twin of `resume`."""
        await twin(self.resume)(note, **options)

    async def atrigger(
        self, overlap: OverlapPolicy | str | None = None, **options: Any
    ) -> ScheduleFiring:
        """Async twin of `trigger`."""
        firing: ScheduleFiring = await twin(self.trigger)(overlap, **options)
        return firing

    async def abackfill(
        self,
        start_at: dt.datetime,
        end_at: dt.datetime,
        overlap: OverlapPolicy | str | None = None,
        **options: Any,
    ) -> int:
        """Async twin of `backfill`."""
        count: int = await twin(self.backfill)(start_at, end_at, overlap, **options)
        return count

    async def adelete(self, reason: str = "") -> None:
        """Async twin of `delete`."""
        await twin(self.delete)(reason)


def _changed(change: Any, config: ScheduleConfig) -> ScheduleConfig:
    if change is None:
        return config
    changed = change(config) if callable(change) else change
    if not isinstance(changed, ScheduleConfig):
        raise InvalidArgument(f"change must give a ScheduleConfig, not {changed!r}", field="change")
    return changed
