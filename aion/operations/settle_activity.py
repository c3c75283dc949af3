"""Give a pending activity its outcome by hand, by its id. History says so, in a note."""

from __future__ import annotations

import uuid

import msgspec

from aion.core.errors import InvalidArgument
from aion.core.events import (
    ActivityCancelled,
    ActivityCompleted,
    ActivityFailed,
    ActivityOutcome,
    ActivitySettledByHand,
)
from aion.core.failures import failure_from
from aion.core.payloads import encode
from aion.operations import bell
from aion.operations.clock import clock
from aion.operations.pending_activity import check_who_and_why, lock
from aion.store import finishing
from aion.store.dialects import atomic
from aion.store.pending import Pending


def complete_activity_by_id(
    workflow_id: str | None,
    run_id: uuid.UUID | str | None,
    activity_id: str,
    result: object = None,
    *,
    reason: str = "",
    by: str = "",
) -> None:
    """Give an activity its result, in whatever state it is. A running attempt loses its lease.

    Raises:
        RunNotFound: there is no such run.
        RunClosed: it has ended.
        ActivityNotFound: it has no such pending activity: its outcome came first, for one.
        PayloadError: the result has no JSON form or is too large.
        InvalidArgument: `reason` or `by` is no text.
    """
    check_who_and_why(by, reason)
    data = msgspec.Raw(encode(result, field="the result of the activity"))
    with atomic():
        one = lock(workflow_id, run_id, activity_id)
        event = ActivityCompleted(activity_id=activity_id, result=data, attempt=one.attempt.number)
        _settle(one, event, reason, by)


def fail_activity_by_id(
    workflow_id: str | None,
    run_id: uuid.UUID | str | None,
    activity_id: str,
    error: BaseException | str,
    *,
    reason: str = "",
    by: str = "",
) -> None:
    """Fail an activity for good, whatever its retry policy. A running attempt loses its lease.

    Raises:
        RunNotFound: there is no such run.
        RunClosed: it has ended.
        ActivityNotFound: it has no such pending activity: its outcome came first, for one.
        InvalidArgument: the error is neither an exception nor a text, or `reason` or `by` is no text.
    """
    check_who_and_why(by, reason)
    if not isinstance(error, (BaseException, str)):
        raise InvalidArgument(f"error must be an exception or a text, not {error!r}", field="error")
    failure = failure_from(RuntimeError(error) if isinstance(error, str) else error)
    with atomic():
        one = lock(workflow_id, run_id, activity_id)
        event = ActivityFailed(activity_id=activity_id, failure=failure, attempt=one.attempt.number)
        _settle(one, event, reason, by)


def cancel_activity_by_id(
    workflow_id: str | None,
    run_id: uuid.UUID | str | None,
    activity_id: str,
    *,
    reason: str = "",
    by: str = "",
) -> None:
    """Record an activity as cancelled; the code that awaits it gets `asyncio.CancelledError`.

    Raises:
        RunNotFound: there is no such run.
        RunClosed: it has ended.
        ActivityNotFound: it has no such pending activity: its outcome came first, for one.
        InvalidArgument: `reason` or `by` is no text.
    """
    check_who_and_why(by, reason)
    with atomic():
        one = lock(workflow_id, run_id, activity_id)
        event = ActivityCancelled(
            activity_id=activity_id, reason=reason, attempt=one.attempt.number
        )
        _settle(one, event, reason, by)


def _settle(one: Pending, outcome: ActivityOutcome, reason: str, by: str) -> None:
    note = ActivitySettledByHand(activity_id=outcome.activity_id, by=by, reason=reason)
    finishing.finish(one.attempt, outcome, worker="", now=clock.now(), note=note)
    bell.ring_loops_after_commit()
