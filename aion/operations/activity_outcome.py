"""Settle an attempt: its outcome into the mailbox, or the next attempt into the row.

The rules of retrying stand here once, for outcomes of workers, for timeouts and for tokens.
"""

from __future__ import annotations

import datetime as dt
import logging

import msgspec

from aion.core.errors import PayloadUnavailable
from aion.core.errors import TimeoutError as AionTimeoutError
from aion.core.events import (
    ActivityCancelled,
    ActivityCompleted,
    ActivityFailed,
    ActivityTimedOut,
)
from aion.core.failures import Failure, decode_failure, failure_from
from aion.core.retry import RetryPolicy, next_delay
from aion.operations import announcing, bell
from aion.operations.clock import clock
from aion.store import activities, finishing
from aion.store.activities import Wishes
from aion.store.attempts import Attempt
from aion.store.dialects import atomic
from aion.store.finishing import Successor
from aion.store.sealing import plain_payload

log = logging.getLogger("aion.activities")

FINAL_TIMEOUTS = ("schedule_to_close", "schedule_to_start")


def complete(
    attempt: Attempt, result: bytes, *, worker: str = "", successor: Successor | None = None
) -> None:
    """Record a result, and begin a successor along with it where that costs nothing.

    Raises:
        StaleAttempt: the attempt is no longer the current one; roll back what belongs to it.
    """
    event = ActivityCompleted(
        activity_id=attempt.order.activity_id, result=msgspec.Raw(result), attempt=attempt.number
    )
    finishing.finish(attempt, event, worker=worker, now=clock.now(), successor=successor)
    bell.ring_loops_after_commit(urgent=False)
    announcing.completed_after_commit(attempt)


def confirm_cancel(attempt: Attempt, *, reason: str = "", worker: str = "") -> None:
    """Record that an attempt ended because it was cancelled.

    Raises:
        StaleAttempt: the attempt is no longer the current one.
    """
    event = ActivityCancelled(
        activity_id=attempt.order.activity_id, reason=reason, attempt=attempt.number
    )
    finishing.finish(attempt, event, worker=worker, now=clock.now())
    bell.ring_loops_after_commit(urgent=False)


def fail(
    attempt: Attempt, failure: Failure, *, worker: str = "", error: BaseException | None = None
) -> bool:
    """Record a failed attempt; True when there will be another. `error` is what receivers of signals get.

    Raises:
        StaleAttempt: the attempt is no longer the current one.
    """
    return _give_up(attempt, failure, ActivityFailed, worker=worker, error=error)


def time_out(attempt: Attempt, kind: str) -> bool:
    """Give an attempt up because a deadline passed; True when there will be another.

    Raises:
        StaleAttempt: its outcome came first.
    """
    failure = _timeout(attempt, kind)
    return _give_up(attempt, failure, ActivityTimedOut, final=kind in FINAL_TIMEOUTS)


def _give_up(
    attempt: Attempt,
    failure: Failure,
    outcome: type[ActivityFailed | ActivityTimedOut],
    *,
    worker: str = "",
    final: bool = False,
    error: BaseException | None = None,
) -> bool:
    now = clock.now()
    with atomic():
        wishes = activities.settle(attempt)
        retry_at = None if final else _next_attempt_at(attempt, failure, wishes, now)
        if retry_at is not None:
            activities.reschedule(
                attempt, failure, next_attempt_at=retry_at, now=now, paused=wishes.paused
            )
            announcing.failed_after_commit(attempt, failure, error=error, final=False)
            return True
        event = outcome(
            activity_id=attempt.order.activity_id, failure=failure, attempt=attempt.number
        )
        finishing.finish(attempt, event, worker=worker, now=now)
        bell.ring_loops_after_commit(urgent=False)
        announcing.failed_after_commit(attempt, failure, error=error, final=True)
    return False


def _timeout(attempt: Attempt, kind: str) -> Failure:
    order = attempt.order
    error = AionTimeoutError(f"Activity {order.activity_type} passed its {kind} timeout", kind=kind)
    failure = failure_from(error)
    # As it is stored: it stays in its run, and whoever looks for deadlines needs no key.
    cause = decode_failure(attempt.last_failure.encode()) if attempt.last_failure else None
    return msgspec.structs.replace(failure, cause=cause, details=_last_details(attempt))


def _last_details(attempt: Attempt) -> tuple[msgspec.Raw, ...]:
    """Give the details of the last heartbeat; none where they cannot be brought back."""
    try:
        text = plain_payload(attempt.heartbeat_details, attempt.run_id)
    except PayloadUnavailable as error:
        log.warning("The heartbeat details of activity %s are lost: %s", attempt.id, error)
        return ()
    return tuple(msgspec.json.decode(text, type=list[msgspec.Raw]))


def _next_attempt_at(
    attempt: Attempt, failure: Failure, wishes: Wishes, now: dt.datetime
) -> dt.datetime | None:
    """Say when to try again, None when not: the policy, and the time left of schedule-to-close."""
    if wishes.cancel_requested:
        return None  # nobody waits for another attempt
    order = attempt.order
    seed = f"{attempt.run_id}:{order.activity_id}"
    # After a reset the attempts so far do not count; what can never succeed still ends.
    number = 0 if wishes.reset_requested else attempt.number
    delay = next_delay(order.retry or RetryPolicy(), attempt=number, failure=failure, seed=seed)
    if delay is None:
        return None
    retry_at = now + delay
    limit = order.schedule_to_close_timeout
    if limit is not None and retry_at >= attempt.scheduled_at + limit:
        return None
    return retry_at
