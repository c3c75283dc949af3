"""Settle an attempt: its outcome into the mailbox, or the next attempt into the row.

The rules of retrying stand here once, for outcomes of workers, for timeouts and for tokens.
"""

from __future__ import annotations

import datetime as dt

import msgspec

from aion.core.errors import TimeoutError as AionTimeoutError
from aion.core.events import (
    ActivityCancelled,
    ActivityCompleted,
    ActivityFailed,
    ActivityTimedOut,
)
from aion.core.failures import Failure, decode_failure, failure_from
from aion.core.retry import RetryPolicy, next_delay
from aion.operations import bell
from aion.operations.clock import clock
from aion.store import activities
from aion.store.attempts import Attempt

FINAL_TIMEOUTS = ("schedule_to_close", "schedule_to_start")


def complete(attempt: Attempt, result: bytes, *, worker: str = "") -> None:
    """Record a result.

    Raises:
        StaleAttempt: the attempt is no longer the current one; roll back what belongs to it.
    """
    event = ActivityCompleted(
        activity_id=attempt.order.activity_id, result=msgspec.Raw(result), attempt=attempt.attempt
    )
    activities.finish(attempt, event, worker=worker, now=clock.now())
    bell.ring_loops_after_commit()


def confirm_cancel(attempt: Attempt, *, reason: str = "", worker: str = "") -> None:
    """Record that an attempt ended because it was cancelled.

    Raises:
        StaleAttempt: the attempt is no longer the current one.
    """
    event = ActivityCancelled(
        activity_id=attempt.order.activity_id, reason=reason, attempt=attempt.attempt
    )
    activities.finish(attempt, event, worker=worker, now=clock.now())
    bell.ring_loops_after_commit()


def fail(attempt: Attempt, failure: Failure, *, worker: str = "") -> bool:
    """Record a failed attempt; True when there will be another.

    Raises:
        StaleAttempt: the attempt is no longer the current one.
    """
    now = clock.now()
    retry_at = _next_attempt_at(attempt, failure, now)
    if retry_at is not None:
        activities.reschedule(attempt, failure, next_attempt_at=retry_at, now=now)
        return True
    event = ActivityFailed(
        activity_id=attempt.order.activity_id, failure=failure, attempt=attempt.attempt
    )
    activities.finish(attempt, event, worker=worker, now=now)
    bell.ring_loops_after_commit()
    return False


def time_out(attempt: Attempt, kind: str) -> bool:
    """Give an attempt up because a deadline passed; True when there will be another.

    Raises:
        StaleAttempt: its outcome came first.
    """
    now = clock.now()
    failure = _timeout(attempt, kind)
    retry_at = None if kind in FINAL_TIMEOUTS else _next_attempt_at(attempt, failure, now)
    if retry_at is not None:
        activities.reschedule(attempt, failure, next_attempt_at=retry_at, now=now)
        return True
    event = ActivityTimedOut(
        activity_id=attempt.order.activity_id, failure=failure, attempt=attempt.attempt
    )
    activities.finish(attempt, event, worker="", now=now)
    bell.ring_loops_after_commit()
    return False


def _timeout(attempt: Attempt, kind: str) -> Failure:
    order = attempt.order
    error = AionTimeoutError(f"Activity {order.activity_type} passed its {kind} timeout", kind=kind)
    failure = failure_from(error)
    cause = decode_failure(attempt.last_failure.encode()) if attempt.last_failure else None
    details = tuple(msgspec.json.decode(attempt.heartbeat_details, type=list[msgspec.Raw]))
    return msgspec.structs.replace(failure, cause=cause, details=details)


def _next_attempt_at(attempt: Attempt, failure: Failure, now: dt.datetime) -> dt.datetime | None:
    """Say when to try again, None when not: the policy, and the time left of schedule-to-close."""
    order = attempt.order
    seed = f"{attempt.run_id}:{order.activity_id}"
    delay = next_delay(
        order.retry or RetryPolicy(), attempt=attempt.attempt, failure=failure, seed=seed
    )
    if delay is None:
        return None
    retry_at = now + delay
    limit = order.schedule_to_close_timeout
    if limit is not None and retry_at >= attempt.scheduled_at + limit:
        return None
    if activities.is_cancel_requested(attempt.id):
        return None  # nobody waits for another attempt
    return retry_at
