"""Activities: asked for, tried, ended."""

from __future__ import annotations

import datetime as dt

from aion.core.events.base import (
    EMPTY_OBJECT,
    NULL,
    UNSET,
    Arrival,
    CommandEvent,
    Event,
    Payload,
    SealedTexts,
)
from aion.core.failures import Failure
from aion.core.priority import INHERITED
from aion.core.retry import RetryPolicy


class ActivityScheduled(CommandEvent, frozen=True, kw_only=True):
    """The workflow asked for an activity. The same JSON is the work order of the activity's row."""

    activity_id: str
    activity_type: str
    task_queue: str = ""
    input: Payload = EMPTY_OBJECT
    start_to_close_timeout: dt.timedelta | None = None
    schedule_to_close_timeout: dt.timedelta | None = None
    schedule_to_start_timeout: dt.timedelta | None = None
    heartbeat_timeout: dt.timedelta | None = None
    retry: RetryPolicy | None = None
    summary: str = ""
    limit_key: str = ""  # what limits for each key count it by
    priority: int = INHERITED
    headers: dict[str, str] = {}
    sealed: SealedTexts = UNSET

    @property
    def key(self) -> tuple[str, ...]:
        """The activity's id and type."""
        return (self.activity_id, self.activity_type)


class ActivityStarted(Event, frozen=True, kw_only=True):
    """Which attempt, on which worker, led to the outcome that follows."""

    activity_id: str
    attempt: int = 1
    worker: str = ""
    started_at: dt.datetime | None = None


class ActivitySettledByHand(Event, frozen=True, kw_only=True):
    """Somebody gave the activity the outcome that follows, in place of its worker."""

    activity_id: str
    by: str = ""
    reason: str = ""


class ActivityOutcome(Arrival, frozen=True, kw_only=True):
    """The base of an activity's outcomes.

    A local activity has no other event than its outcome, which therefore names its type.
    """

    activity_id: str
    local: bool = False
    activity_type: str = ""
    attempt: int = 1


class ActivityCompleted(ActivityOutcome, frozen=True, kw_only=True):
    """The activity returned."""

    result: Payload = NULL


class ActivityFailed(ActivityOutcome, frozen=True, kw_only=True):
    """The activity failed, and its retry policy allows no further attempt."""

    failure: Failure


class ActivityTimedOut(ActivityOutcome, frozen=True, kw_only=True):
    """A timeout of the activity passed, and no further attempt is allowed."""

    failure: Failure


class ActivityCancelled(ActivityOutcome, frozen=True, kw_only=True):
    """The activity confirmed its cancellation, or was cancelled before it began."""

    reason: str = ""


class ActivityCancelRequested(CommandEvent, frozen=True, kw_only=True):
    """The workflow asked that an activity be cancelled."""

    activity_id: str

    @property
    def key(self) -> tuple[str, ...]:
        """The activity's id."""
        return (self.activity_id,)
